# SPDX-License-Identifier: Apache-2.0
"""A fake of every place that credentials come from, and of an S3 service that says whose key it saw."""

import datetime
import http.server
import json
import re
import threading
import time
import urllib.parse

LISTING = (
    '<?xml version="1.0"?><ListAllMyBucketsResult><Owner><ID>x</ID></Owner><Buckets>'
    "<Bucket><Name>{}</Name><CreationDate>2026-01-01T00:00:00.000Z</CreationDate></Bucket>"
    "</Buckets></ListAllMyBucketsResult>"
)
ERROR = '<?xml version="1.0"?><Error><Code>{}</Code><Message>no</Message></Error>'


def iso(seconds):
    moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


class Sources:
    """One server for all. `answers` maps a path (or an STS action) to (status, body) or to a function of the
    handler that gives them; `seen` lists (method, path, headers, body)."""

    def __init__(self):
        self.lock = threading.Lock()
        self.seen = []
        self.answers = {}
        self.lifetime = 3600
        self.count = 0  # of keys that were handed out
        self.refused = set()  # access keys that S3 says have expired
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def handle_any(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                outer.answer(self, body)

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_any

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        self.thread = threading.Thread(target=self.http.serve_forever, daemon=True)
        self.thread.start()

    def stop(self):
        self.http.shutdown()
        self.http.server_close()

    def requests(self, text):
        with self.lock:
            return [one for one in self.seen if text in one[1] or text in one[3].decode("latin-1")]

    def keys(self, name):
        """New keys of that name: NAME1, NAME2, ..."""
        with self.lock:
            self.count += 1
            return f"{name}{self.count}", f"{name}-secret", f"{name}-token", time.time() + self.lifetime

    def metadata(self, name):
        access, secret, token, end = self.keys(name)
        return json.dumps(
            {"Code": "Success", "AccessKeyId": access, "SecretAccessKey": secret, "Token": token, "Expiration": iso(end)}
        )

    def sts(self, name, action):
        access, secret, token, end = self.keys(name)
        return (
            f"<{action}Response xmlns='https://sts.amazonaws.com/doc/2011-06-15/'><{action}Result><Credentials>"
            f"<AccessKeyId>{access}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey>"
            f"<SessionToken>{token}</SessionToken><Expiration>{iso(end)}</Expiration>"
            f"</Credentials></{action}Result></{action}Response>"
        )

    def sso(self):
        access, secret, token, end = self.keys("SSO")
        return json.dumps(
            {
                "roleCredentials": {
                    "accessKeyId": access,
                    "secretAccessKey": secret,
                    "sessionToken": token,
                    "expiration": int(end * 1000),
                }
            }
        )

    def answer(self, handler, body):
        path = handler.path.split("?")[0]
        form = dict(urllib.parse.parse_qsl(body.decode("latin-1"))) if handler.command == "POST" else {}
        with self.lock:
            self.seen.append((handler.command, handler.path, dict(handler.headers), body))
        name = form.get("Action", path)
        given = self.answers.get(name)
        if callable(given):
            given = given(handler)
        if given is None:
            given = self.usual(handler, name)
        self.send(handler, *given)

    def usual(self, handler, name):
        if name in ("AssumeRole", "AssumeRoleWithWebIdentity"):
            return 200, self.sts("STS" if name == "AssumeRole" else "WEB", name)
        if name == "/federation/credentials":
            return 200, self.sso()
        if name == "/container":
            return 200, self.metadata("ECS")
        if name == "/latest/api/token":
            return 200, "session-of-imds"
        if name == "/latest/meta-data/iam/security-credentials/":
            return 200, "the-role\n"
        if name.startswith("/latest/meta-data/iam/security-credentials/"):
            return 200, self.metadata("IMDS")
        return self.s3(handler)

    def s3(self, handler):
        found = re.search(r"Credential=([^/]+)/", handler.headers.get("Authorization", ""))
        access = found[1] if found else "nobody"
        if access in self.refused:
            return 400, ERROR.format("ExpiredToken")
        return 200, LISTING.format(access.lower() + "-bucket")

    @staticmethod
    def send(handler, status, body):
        body = body if isinstance(body, bytes) else body.encode()
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        try:
            if handler.command != "HEAD":
                handler.wfile.write(body)
        except OSError:
            pass
