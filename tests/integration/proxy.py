# SPDX-License-Identifier: Apache-2.0
"""A TCP proxy that counts bytes, and can hold them back once enough have passed."""

import socket
import threading
import time

STEP = 64 * 1024


def hang_up(*sockets):
    """A socket that a thread waits for is not closed by close() alone: its peer would wait on."""
    for end in sockets:
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


class Proxy:
    def __init__(self, host, port):
        self.target = (host, port)
        self.counted = {"up": 0, "down": 0}
        self.held = None
        self.held_at = 0
        self.condition = threading.Condition()
        self.is_closed = False
        self.sockets = set()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def limit(self, direction, count):
        """Nothing more passes in `direction` once `count` bytes have; None lets all pass."""
        with self.condition:
            self.held = direction
            if direction:
                self.held_at = self.counted[direction] + count
            self.condition.notify_all()

    def wait_for_limit(self, timeout):
        deadline = time.monotonic() + timeout
        with self.condition:
            while self.counted[self.held] < self.held_at:
                assert self.condition.wait(deadline - time.monotonic()), self.counted

    def reset_counters(self):
        with self.condition:
            self.counted = {"up": 0, "down": 0}

    def accept(self):
        while not self.is_closed:
            try:
                client, _ = self.listener.accept()
                server = socket.create_connection(self.target)
            except OSError:
                continue
            self.sockets |= {client, server}
            for pair in ((client, server, "up"), (server, client, "down")):
                threading.Thread(target=self.pump, args=pair, daemon=True).start()

    def pass_on(self, direction, count):
        """Waits for leave to pass on `count` bytes."""
        with self.condition:
            while self.held == direction and self.counted[direction] >= self.held_at and not self.is_closed:
                self.condition.wait()
            self.counted[direction] += count
            self.condition.notify_all()

    def pump(self, source, target, direction):
        try:
            while data := source.recv(STEP):
                self.pass_on(direction, len(data))
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            hang_up(source, target)

    def close(self):
        self.is_closed = True
        with self.condition:
            self.condition.notify_all()
        self.listener.close()
        hang_up(*self.sockets)
        for end in self.sockets:
            end.close()
