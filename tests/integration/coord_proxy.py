# SPDX-License-Identifier: Apache-2.0
"""A proxy for HTTP/1.1 that loses, delays, repeats and cuts answers.

Faults come at random (a share of the requests), or where a request asks for one itself with the header
`x-tarn-fault: KIND ID`, once for each ID:

  drop-request    the connection ends before the request was passed on
  drop-answer     the request is passed on, the connection ends instead of an answer
  cut-answer      half of the answer, then the connection ends
  error-500       the request is passed on, the answer is a 500
  duplicate       the request is passed on twice, the second answer is given
  late            the client's connection ends at once, the request is passed on a moment later
  delay           request and answer are held back
  hold            the request is passed on, the connection ends once the client is gone or asks to let go
  let-go          ends what is held, and is passed on

  busy            503 instead of passing it on
  refuse          412 instead of passing it on
  silence         no answer, ever; each request that asks for it
  deny:TEXT       403 for each request that asks for it, makes something and has TEXT in its first line
  hide            403 instead of 404, as for those who may not list
  hide-all        403 for all GETs
  meet            copies of parts wait until there are two at a time; 403 when none comes within 20 s
  rival           somebody else makes an object of that name first: `rival`, a function of the target

A kind that begins with @ waits for a request that makes an object, with % for a copy of a part, with - for a
DELETE. With `loses_every` N, the answer to the first request that made an object is lost, and to each Nth after
it, for every key: whoever made it does not learn of it. With `copies_ranges_only`, copies of whole objects are
refused, as S3 refuses those of more than 5 GiB.
"""

import asyncio
import hashlib
import http.server
import random
import re
import threading

KINDS = ("drop-request", "drop-answer", "cut-answer", "error-500", "duplicate", "late", "delay")
TOO_LARGE = b"<Error><Code>InvalidRequest</Code><Message>The source is larger than the maximum</Message></Error>"
REFUSAL = b"HTTP/1.1 400 Bad Request\r\nContent-Length: %d\r\n\r\n%s" % (len(TOO_LARGE), TOO_LARGE)
BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
REFUSED = b"HTTP/1.1 412 Precondition Failed\r\nContent-Length: 0\r\n\r\n"
DENIED = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"
NO_LENGTH = b"HTTP/1.1 411 Length Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
ERROR = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Proxy:
    """Runs in a thread of its own; `share` of the requests meet with a fault."""

    def __init__(self, port, share=0.0, seed=1, kinds=KINDS, late_s=0.3, rival=None, copies_ranges_only=False,
                 loses_every=0):
        self.target = port
        self.share = share
        self.kinds = kinds
        self.late_s = late_s
        self.rival = rival
        self.copies_ranges_only = copies_ranges_only
        self.loses_every = loses_every
        self.made = {}
        self.lost = 0
        self.has_let_go = False
        self.random = random.Random(seed)
        self.used = set()
        self.met = set()
        self.faults = {}
        self.requests = []
        self.loop = asyncio.new_event_loop()
        self.ready = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def __enter__(self):
        self.thread.start()
        self.ready.wait(10)
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def run(self):
        asyncio.set_event_loop(self.loop)
        server = self.loop.run_until_complete(asyncio.start_server(self.serve, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self.ready.set()
        self.loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.run_until_complete(asyncio.sleep(0))

    @staticmethod
    def is_wanted(kind, method, target, fields):
        is_part = b"partNumber" in target
        if kind.startswith("%"):
            return is_part and b"x-amz-copy-source" in fields
        if kind.startswith("-"):
            return method == b"DELETE"
        if kind.startswith("@"):
            return method == b"PUT" and not is_part or method == b"POST" and b"uploadId=" in target
        return True

    def choose(self, method, target, fields):
        asked = fields.get(b"x-tarn-fault", b"").decode().split()
        if asked and asked[0] == "silence":
            return "silence"
        if asked and asked[0] in ("hide", "hide-all"):
            return asked[0] if method == b"GET" else None
        if asked and asked[0] == "meet":
            return "meet" if self.is_wanted("%meet", method, target, fields) else None
        if asked and asked[0].startswith("deny:"):
            is_denied = method in (b"PUT", b"POST") and asked[0][5:].encode() in target
            return "deny" if is_denied else None
        if len(asked) == 2 and asked[1] not in self.used and self.is_wanted(asked[0], method, target, fields):
            self.used.add(asked[1])
            return asked[0].lstrip("@%-")
        if asked or self.random.random() >= self.share:
            return None
        return self.random.choice(self.kinds)

    async def serve(self, reader, writer):
        try:
            while await self.one(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    async def one(self, reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        lines = head[:-4].split(b"\r\n")
        method = lines[0].split(b" ")[0]
        fields = {}
        for line in lines[1:]:
            name, _, value = line.partition(b":")
            fields[name.strip().lower()] = value.strip()
        if fields.get(b"expect"):
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            lines = [line for line in lines if not line.lower().startswith(b"expect:")]
        if b"transfer-encoding" in fields:  # as S3
            writer.write(NO_LENGTH)
            return False
        body = await reader.readexactly(int(fields.get(b"content-length", b"0")))
        target = lines[0].split(b" ")[1]
        fault = self.choose(method, target, fields)
        if fault == "rival":
            self.rival(target.decode())
        is_whole = b"x-amz-copy-source" in fields and b"x-amz-copy-source-range" not in fields
        if self.copies_ranges_only and is_whole:
            writer.write(REFUSAL)
            return True
        request = b"\r\n".join(lines) + b"\r\n\r\n" + body
        self.requests.append(lines[0].decode(errors="replace"))
        return await self.apply(fault, method, request, reader, writer)

    async def apply(self, fault, method, request, reader, writer):
        self.faults[fault] = self.faults.get(fault, 0) + 1
        if fault == "drop-request":
            return False
        if fault == "meet" and not await self.has_company(request.split(b" ")[1]):
            fault = "deny"
        if fault == "silence":
            await asyncio.sleep(3600)
        if fault in ("busy", "refuse", "deny"):
            writer.write({"busy": BUSY, "refuse": REFUSED, "deny": DENIED}[fault])
            return True
        if fault == "late":
            self.loop.create_task(self.later(method, request))
            return False
        if fault == "delay":
            await asyncio.sleep(self.random.random() * self.late_s)
        if fault == "duplicate":
            await self.forward(method, request)
        answer = await self.forward(method, request)
        if self.is_to_be_lost(request, answer):
            self.lost += 1
            return False
        if fault == "hide-all" or fault == "hide" and answer.startswith(b"HTTP/1.1 404"):
            answer = DENIED
        self.has_let_go = self.has_let_go or fault == "let-go"
        if fault == "hold":
            await self.hold(reader)
        if fault in ("drop-answer", "hold"):
            return False
        if fault == "error-500":
            answer = ERROR
        if fault == "cut-answer":
            answer = answer[: len(answer) // 2]
        writer.write(answer)
        await writer.drain()
        return fault not in ("cut-answer", "error-500")

    def is_to_be_lost(self, request, answer):
        method, target, _ = request.split(b" ", 2)
        if not self.loses_every or not self.is_wanted("@", method, target, ()) or not answer.startswith(b"HTTP/1.1 200"):
            return False
        key = target.partition(b"?")[0]
        self.made[key] = self.made.get(key, 0) + 1
        return self.made[key] % self.loses_every == 1

    async def hold(self, reader):
        for _ in range(6000):
            if self.has_let_go or reader.at_eof() or reader.exception():
                return
            await asyncio.sleep(0.01)

    async def has_company(self, target):
        self.met.add(re.search(rb"partNumber=(\d+)", target)[1])  # the same one again is no company
        for _ in range(2000):
            if len(self.met) >= 2:
                return True
            await asyncio.sleep(0.01)
        return False

    async def later(self, method, request):
        await asyncio.sleep(self.random.random() * self.late_s)
        try:
            await self.forward(method, request)
        except (OSError, asyncio.IncompleteReadError):
            pass

    async def forward(self, method, request):
        """A connection for each request keeps this simple; the server is on the same machine."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.target)
        try:
            writer.write(request)
            await writer.drain()
            head = await reader.readuntil(b"\r\n\r\n")
            while head.startswith(b"HTTP/1.1 100"):
                head = await reader.readuntil(b"\r\n\r\n")
            status = int(head.split(b" ")[1])
            fields = {}
            for line in head.split(b"\r\n")[1:]:
                name, _, value = line.partition(b":")
                fields[name.strip().lower()] = value.strip()
            if method == b"HEAD" or status in (204, 304):
                return head
            return head + await reader.readexactly(int(fields.get(b"content-length", b"0")))
        finally:
            writer.close()


class Liar:
    """Finds nothing, and yet refuses what must find nothing: an answer that was kept on the way, say."""

    def __enter__(self):
        self.requests = requests = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                has_condition = self.headers.get("If-Match") or self.headers.get("If-None-Match")
                status = {"PUT": 412 if has_condition else 200, "DELETE": 204}.get(self.command, 404)
                body = b"<Error><Code>NoSuchKey</Code></Error>" if self.command == "GET" else b""
                requests.append(self.command)
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("ETag", '"0"')
                self.end_headers()
                self.wfile.write(body)

            do_PUT = do_GET = do_HEAD = do_DELETE = answer

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


class Careless:
    """An S3 server that takes no notice of conditions, in the least code that will do."""

    def __enter__(self):
        objects = self.objects = {}

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self, status, body=b"", fields=()):
                self.send_response(status)
                for name, value in fields:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def do_PUT(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if self.headers.get("x-amz-copy-source"):
                    body = objects[self.headers["x-amz-copy-source"].partition("?")[0].lstrip("/")]
                objects[self.path.lstrip("/")] = body
                etag = hashlib.md5(body).hexdigest()
                copied = f'<CopyObjectResult><ETag>"{etag}"</ETag></CopyObjectResult>'.encode()
                self.answer(200, copied if self.headers.get("x-amz-copy-source") else b"", [("ETag", f'"{etag}"')])

            def do_GET(self):
                body = objects.get(self.path.partition("?")[0].lstrip("/"))
                if body is None:
                    return self.answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
                self.answer(200, body, [("ETag", f'"{hashlib.md5(body).hexdigest()}"')])

            do_HEAD = do_GET

            def do_DELETE(self):
                objects.pop(self.path.lstrip("/"), None)
                self.answer(204)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
