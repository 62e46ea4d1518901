# SPDX-License-Identifier: Apache-2.0
"""A small S3 client on a bare socket: signs by itself, sends any bytes, judges nothing."""

import datetime
import hashlib
import hmac
import socket
import urllib.parse

UNSIGNED = "UNSIGNED-PAYLOAD"
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
REGION = "us-east-1"


def encode(text, safe="/"):
    """Percent-encoding as SigV4 wants it; accepts text or bytes."""
    return urllib.parse.quote(text, safe=safe + "-_.~")


def canonical_query(query):
    pairs = [part.partition("=")[::2] for part in query.split("&") if part]
    pairs = [
        (encode(urllib.parse.unquote(k), ""), encode(urllib.parse.unquote(v), "")) for k, v in pairs
    ]
    return "&".join(f"{k}={v}" for k, v in sorted(pairs))


def hmac256(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def signing_key(secret, day):
    key = hmac256(("AWS4" + secret).encode(), day)
    return hmac256(hmac256(hmac256(key, REGION), "s3"), "aws4_request")


def sign(keys, method, target, headers, payload=UNSIGNED, when=None):
    """`headers` (a dict) with date, payload digest and Authorization added. `target` is as on the wire."""
    when = when or datetime.datetime.now(datetime.timezone.utc)
    stamp = when.strftime("%Y%m%dT%H%M%SZ")
    path, _, query = target.partition("?")
    headers = dict(headers)
    headers["x-amz-date"] = stamp
    headers["x-amz-content-sha256"] = payload
    signed = {k.lower(): " ".join(str(v).split()) for k, v in headers.items()}
    names = ";".join(sorted(signed))
    canonical = "\n".join(
        [method, path, canonical_query(query)]
        + [f"{k}:{signed[k]}" for k in sorted(signed)]
        + ["", names, payload]
    )
    scope = f"{stamp[:8]}/{REGION}/s3/aws4_request"
    digest = hashlib.sha256(canonical.encode("utf-8", "surrogateescape")).hexdigest()
    to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{digest}"
    signature = hmac256(signing_key(keys[1], stamp[:8]), to_sign).hex()
    headers["Authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={keys[0]}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    return headers


class Reply:
    def __init__(self, status, headers, body, is_closed):
        self.status = status
        self.headers = headers
        self.body = body
        self.is_closed = is_closed  # the server said that it closes

    @property
    def code(self):
        text = self.body.decode("utf-8", "replace")
        return text.partition("<Code>")[2].partition("</Code>")[0]

    def __repr__(self):
        return f"<{self.status} {self.code} {self.body[:200]!r}>"


class Connection:
    """One connection. Everything read past the current reply is kept for the next."""

    def __init__(self, server, timeout=20):
        self.server = server
        self.socket = socket.create_connection((server.host, server.port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.pending = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def head(self, method, target, headers=(), payload=UNSIGNED, is_signed=True):
        """The bytes of a request head; `headers` in order, duplicates and all when given as a list."""
        extra = list(headers.items()) if isinstance(headers, dict) else list(headers)
        fields = [("Host", self.server.netloc)] if not any(k.lower() == "host" for k, _ in extra) else []
        if is_signed:
            signed = {k: v for k, v in fields + extra if k.lower() == "host" or k.lower().startswith("x-amz-")}
            for name, value in sign(self.server.keys, method, target, signed, payload).items():
                if name not in signed:
                    fields.append((name, value))
        lines = [f"{method} {target} HTTP/1.1"] + [f"{k}: {v}" for k, v in fields + extra]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape")

    def request(self, method, target, body=None, headers=(), payload=UNSIGNED, is_signed=True):
        extra = list(headers.items()) if isinstance(headers, dict) else list(headers)
        if body is not None:
            extra.append(("Content-Length", len(body)))
        self.send(self.head(method, target, extra, payload, is_signed) + (body or b""))
        return self.reply(method)

    def fill(self):
        data = self.socket.recv(1 << 18)
        if not data:
            raise EOFError("the server closed the connection")
        self.pending += data

    def take_head(self):
        while b"\r\n\r\n" not in self.pending:
            self.fill()
        head, _, self.pending = self.pending.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        return int(lines[0].split()[1]), headers

    def take(self, count):
        pieces, have = [self.pending], len(self.pending)
        while have < count:
            data = self.socket.recv(1 << 18)
            if not data:
                raise EOFError("the server closed the connection inside a body")
            pieces.append(data)
            have += len(data)
        data = b"".join(pieces)
        self.pending = data[count:]
        return data[:count]

    def take_line(self):
        while b"\r\n" not in self.pending:
            self.fill()
        line, _, self.pending = self.pending.partition(b"\r\n")
        return line

    def take_chunks(self):
        body = b""
        while size := int(self.take_line().split(b";")[0], 16):
            body += self.take(size)
            assert self.take_line() == b""
        while self.take_line():
            pass
        return body

    def reply(self, method="GET"):
        """The next final reply (100 Continue is skipped)."""
        status, headers = self.take_head()
        while status == 100:
            status, headers = self.take_head()
        body = b""
        if method != "HEAD" and status not in (204, 304):
            if headers.get("transfer-encoding", "").lower() == "chunked":
                body = self.take_chunks()
            else:
                body = self.take(int(headers.get("content-length", 0)))
        return Reply(status, headers, body, headers.get("connection", "").lower() == "close")

    def is_closed_by_peer(self, timeout=10):
        self.socket.settimeout(timeout)
        try:
            while data := self.socket.recv(1 << 16):
                self.pending += data
            return True
        except ConnectionError:
            return True
        except TimeoutError:
            return False


def put(server, bucket, key, body, headers=()):
    with Connection(server) as conn:
        return conn.request("PUT", f"/{bucket}/{encode(key)}", body, headers)


def get(server, bucket, key, headers=()):
    with Connection(server) as conn:
        return conn.request("GET", f"/{bucket}/{encode(key)}", headers=headers)


def put_many(server, bucket, keys, body_of):
    """Stores many small objects over one connection, requests in flight ahead of the replies."""
    window = 32
    with Connection(server, 120) as conn:
        waiting = []
        for key in keys:
            body = body_of(key)
            head = conn.head("PUT", f"/{bucket}/{encode(key)}", [("Content-Length", len(body))])
            conn.send(head + body)
            waiting.append(key)
            if len(waiting) == window:
                reply = conn.reply("PUT")
                assert reply.status == 200, (waiting[0], reply)
                waiting.pop(0)
        for key in waiting:
            reply = conn.reply("PUT")
            assert reply.status == 200, (key, reply)
