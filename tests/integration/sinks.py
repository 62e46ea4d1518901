# SPDX-License-Identifier: Apache-2.0
"""Where events arrive: a webhook and a Redis of a few commands, which can be told to fail, hang or hang up."""

import contextlib
import http.server
import json
import socket
import threading
import time


class Sink:
    """What has come, in order, and a wait for it."""

    def __init__(self):
        self.changed = threading.Condition()
        self.got = []

    def add(self, item):
        with self.changed:
            self.got.append(item)
            self.changed.notify_all()

    def wait(self, count, seconds=60):
        with self.changed:
            self.changed.wait_for(lambda: len(self.got) >= count, seconds)
            assert len(self.got) >= count, (len(self.got), self.got[-3:])
            return list(self.got)

    def events(self):
        """Pairs of an event's name and its key."""
        with self.changed:
            return [
                (record["eventName"], record["s3"]["object"]["key"])
                for item in self.got
                for record in item["body"].get("Records", [])
            ]

    def wait_events(self, count, seconds=60):
        deadline = time.monotonic() + seconds
        while len(self.events()) < count and time.monotonic() < deadline:
            with self.changed:
                self.changed.wait(0.2)
        assert len(self.events()) >= count, self.events()
        return self.events()


class Webhook(Sink):
    """Answers `status` to each POST; what it answers 200 to has arrived."""

    def __init__(self, port=0):
        super().__init__()
        self.status = 200
        self.tried = 0
        sink = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = sink.status
                sink.tried += 1
                if status == 200:
                    sink.add({"body": json.loads(body), "headers": dict(self.headers), "path": self.path})
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/events"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Redis(Sink):
    """Takes commands; `reply` makes the answer, None hangs up."""

    def __init__(self, password=None):
        super().__init__()
        self.password = password
        self.reply = lambda words: {"XADD": b"$3\r\n1-0\r\n", "AUTH": b"+OK\r\n", "SELECT": b"+OK\r\n"}.get(words[0], b":1\r\n")
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(peer,), daemon=True).start()

    def serve(self, peer):
        stream = peer.makefile("rb")
        with peer, contextlib.suppress(OSError):  # the server hangs up
            while True:
                words = self.read(stream)
                if words is None:
                    return
                answer = self.reply(words)
                if answer is None:
                    return
                for byte in answer if len(answer) < 20 else [answer]:
                    peer.sendall(bytes([byte]) if isinstance(byte, int) else byte)
                if not answer.startswith(b"-"):
                    self.add(words)

    @staticmethod
    def read(stream):
        line = stream.readline()
        if not line:
            return None
        words = []
        for _ in range(int(line[1:])):
            length = int(stream.readline()[1:])
            words.append(stream.read(length).decode())
            stream.read(2)
        return words

    def close(self):
        self.listener.close()
