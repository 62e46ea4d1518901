# SPDX-License-Identifier: Apache-2.0
"""Servers that refuse what is above a rate, and servers that forget a request now and then."""

import asyncio
import bisect
import hashlib
import threading
import time
import urllib.parse

import pytest
from conftest import BIN, run

BODY = b"0123456789abcdef" * 64
ETAG = hashlib.md5(BODY).hexdigest()
PAGE = 1000
FIRST_REFUSED = 160  # were on their way when the first one was
XML = b'<?xml version="1.0"?>\n'


def reply(status, body=b"", *headers):
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


SLOW_DOWN = reply(503, XML + b"<Error><Code>SlowDown</Code><Message>no</Message></Error>")
OBJECT = reply(200, BODY, f'ETag: "{ETAG}"', "Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT")
STORED = reply(200, b"", f'ETag: "{ETAG}"')


def listing(target, count):
    query = dict(urllib.parse.parse_qsl(target.partition("?")[2]))
    first = int(query.get("continuation-token", 0))
    last = min(first + PAGE, count)
    more = f"<IsTruncated>true</IsTruncated><NextContinuationToken>{last}</NextContinuationToken>" if last < count else ""
    item = "<Contents><Key>{:06}</Key><Size>{}</Size><ETag>&quot;{}&quot;</ETag></Contents>"
    items = "".join(item.format(i, len(BODY), ETAG) for i in range(first, last))
    return reply(200, XML + f"<ListBucketResult>{more}{items}</ListBucketResult>".encode())


class Connection(asyncio.Protocol):
    def __init__(self, server):
        self.server = server
        self.bytes = b""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.bytes += data
        head, end, rest = self.bytes.partition(b"\r\n\r\n")
        if not end:
            return
        fields = dict(line.lower().split(b":", 1) for line in head.split(b"\r\n")[1:])
        length = int(fields.get(b"content-length", 0))
        if len(rest) < length:
            return
        self.bytes = rest[length:]
        method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ", 2)
        answer, delay = self.server.answer(method, target)
        if delay:
            self.server.loop.call_later(delay, self.transport.write, answer)
        else:
            self.transport.write(answer)


class Server:
    """`judge(n)` of the n-th request for an object: seconds to wait before its answer, or None to refuse it."""

    def __init__(self, count, judge):
        self.count, self.judge = count, judge
        self.asked = self.refused = 0
        self.times = []
        self.loop = asyncio.new_event_loop()
        started = threading.Event()
        threading.Thread(target=self.run, args=(started,), daemon=True).start()
        started.wait()

    def run(self, started):
        asyncio.set_event_loop(self.loop)
        server = self.loop.run_until_complete(self.loop.create_server(lambda: Connection(self), "127.0.0.1", 0, backlog=512))
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        started.set()
        self.loop.run_forever()
        server.close()

    def answer(self, method, target):
        if "list-type" in target:
            return listing(target, self.count), 0
        self.asked += 1
        delay = self.judge(self.asked)
        if delay is None:
            self.refused += 1
            return SLOW_DOWN, 0
        self.times.append(time.monotonic())
        return OBJECT if method == "GET" else STORED, delay

    def stop(self):
        self.loop.call_soon_threadsafe(self.loop.stop)


class Bucket:
    """A bucket of tokens: so many a second, and no more than `burst` at once."""

    def __init__(self, rate, burst):
        self.rate, self.burst, self.tokens, self.filled = rate, burst, burst, time.monotonic()

    def __call__(self, n):
        now = time.monotonic()
        self.tokens = min(self.burst, self.tokens + (now - self.filled) * self.rate)
        self.filled = now
        if self.tokens < 1:
            return None
        self.tokens -= 1
        return 0


class Window:
    """So many in each second of the clock."""

    def __init__(self, rate):
        self.rate, self.second, self.used = rate, 0, 0

    def __call__(self, n):
        second = int(time.monotonic())
        if second != self.second:
            self.second, self.used = second, 0
        self.used += 1
        return 0 if self.used <= self.rate else None


@pytest.fixture
def job(tmp_path):
    """Runs `tarn cp -r` of `count` objects, down or up, against a server; its wall time and the server."""
    servers = []

    def start(count, judge, direction="down", *flags):
        server = Server(count, judge)
        servers.append(server)
        env = {"HOME": str(tmp_path), "AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "S", "AWS_ENDPOINT_URL": server.url}
        tree = tmp_path / f"{direction}-{len(servers)}"
        ends = ("s3://b/", tree)
        if direction == "up":
            tree.mkdir()
            for i in range(count):
                (tree / f"{i:06}").write_bytes(BODY)
            ends = (tree, "s3://b/")
        began = time.monotonic()
        run([BIN / "tarn", "cp", "-r", "-q", *flags, *ends], env)
        wall = time.monotonic() - began
        if direction == "down":
            names = sorted(p.name for p in tree.iterdir())
            assert names == [f"{i:06}" for i in range(count)]
            assert all((tree / name).read_bytes() == BODY for name in names)
        return wall, server

    yield start
    for server in servers:
        server.stop()


@pytest.mark.parametrize("direction", ["down", "up"])
@pytest.mark.parametrize(
    "what, rate, count, judge",
    [
        ("a bucket of tokens", 500, 3000, lambda: Bucket(500, 50)),
        ("a second's worth saved up", 500, 3000, lambda: Bucket(500, 500)),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_rate_of_the_server_is_found(job, what, rate, count, judge, direction):
    wall, server = job(count, judge(), direction)
    third = len(server.times) // 3
    held = (len(server.times) - 1 - third) / (server.times[-1] - server.times[third])
    print(f"{what}: {held / rate:.1%} of the rate, {server.refused / server.asked:.2%} refused, {wall:.1f} s")
    assert held >= 0.5 * rate  # the unit tests say more, in a time of their own
    assert server.refused < 0.05 * server.asked + FIRST_REFUSED


@pytest.mark.parametrize("direction", ["down", "up"])
def test_one_in_a_thousand_is_forgotten(job, direction):
    calm, server = job(8000, lambda n: 0.002, direction)
    wall, server = job(8000, lambda n: 5 if n % 1000 == 500 else 0.002, direction)
    print(f"{direction}: {calm:.2f} s, with stalls {wall:.2f} s, {server.asked} asked")
    assert wall < calm + 3  # one that was waited for costs 5
    assert server.asked < 8000 * 1.05


def test_refusals_by_chance_do_not_end_it(job):
    wall, server = job(8000, lambda n: None if n % 67 == 0 else 0)
    assert wall < 20


def test_a_server_that_becomes_slow_is_not_asked_twice_for_all(job):
    began = time.monotonic()
    wall, server = job(3000, lambda n: 0.001 if time.monotonic() < began + 0.5 else 0.3)
    assert server.asked < 3000 * 1.05 + 32


def test_a_slow_server_is_asked_for_many_at_once(job):
    wall, server = job(3000, lambda n: 0.2)
    times = sorted(server.times)
    at_once = max(bisect.bisect_left(times, t + 0.2) - i for i, t in enumerate(times))
    assert at_once >= 128  # a thread that is never idle asks for 16
