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
  ignore          the conditions of the request are taken away
"""

import asyncio
import random
import threading

KINDS = ("drop-request", "drop-answer", "cut-answer", "error-500", "duplicate", "late", "delay")
ERROR = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
CONDITIONS = (b"if-match", b"if-none-match")


class Proxy:
    """Runs in a thread of its own; `share` of the requests (those of `methods`) meet with a fault."""

    def __init__(self, port, share=0.0, seed=1, kinds=KINDS, late_s=0.3, ignores=False, methods=(b"PUT", b"GET", b"HEAD", b"POST", b"DELETE")):
        self.target = port
        self.share = share
        self.kinds = kinds
        self.late_s = late_s
        self.ignores = ignores
        self.methods = methods
        self.random = random.Random(seed)
        self.used = set()
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

    def choose(self, method, fields):
        asked = fields.get(b"x-tarn-fault", b"").decode().split()
        if len(asked) == 2 and asked[1] not in self.used:
            self.used.add(asked[1])
            return asked[0]
        if asked or method not in self.methods or self.random.random() >= self.share:
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
        body = await reader.readexactly(int(fields.get(b"content-length", b"0")))
        fault = self.choose(method, fields)
        if self.ignores or fault == "ignore":
            # Signed headers cannot go, but a value that never refuses does the same.
            lines = [self.defuse(line) for line in lines]
        request = b"\r\n".join(lines) + b"\r\n\r\n" + body
        self.requests.append(lines[0].decode(errors="replace"))
        return await self.apply(fault, method, request, writer)

    @staticmethod
    def defuse(line):
        name = line.partition(b":")[0].lower()
        return b"x-was-" + line if name in CONDITIONS else line

    async def apply(self, fault, method, request, writer):
        self.faults[fault] = self.faults.get(fault, 0) + 1
        if fault == "drop-request":
            return False
        if fault == "late":
            self.loop.create_task(self.later(method, request))
            return False
        if fault == "delay":
            await asyncio.sleep(self.random.random() * self.late_s)
        if fault == "duplicate":
            await self.forward(method, request)
        answer = await self.forward(method, request)
        if fault == "drop-answer":
            return False
        if fault == "error-500":
            answer = ERROR
        if fault == "cut-answer":
            answer = answer[: len(answer) // 2]
        writer.write(answer)
        await writer.drain()
        return fault not in ("cut-answer", "error-500")

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
