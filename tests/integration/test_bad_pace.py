# SPDX-License-Identifier: Apache-2.0
"""Servers that refuse what is above a rate, and servers that forget a request now and then.

Each answers so slowly that its delays make the wall time, not the CPU of this machine; calm runs and others take turns, and
the best of each are compared, because whatever else the machine does can only make a run longer.
"""

import asyncio
import bisect
import hashlib
import os
import pathlib
import shutil
import ssl
import tempfile
import threading
import time
import urllib.parse

import pytest
from conftest import BIN, MIB, run

BODY = b"0123456789abcdef" * 64
ETAG = hashlib.md5(BODY).hexdigest()
PAGE = 1000
WORKERS = 64
XML = b'<?xml version="1.0"?>\n'
STALL_S = 5
COST_MAX = 0.1  # of the wall time of a calm run, where one in a thousand is forgotten
ONE_COST_S_MAX = STALL_S / 5  # where it is one of a hundred
ROUNDS_MAX = 12  # beside others that have the CPU, the best of many
REPEATED_S_MAX = 2  # after it was asked for the first time; what is not repeated takes STALL_S
PARTS = 96
PART_LEN = 5 * MIB
ZEROS = memoryview(bytes(PART_LEN))


def head(status, length, *headers):
    return "\r\n".join([f"HTTP/1.1 {status} X", f"Content-Length: {length}", *headers, "", ""]).encode()


def reply(status, body=b"", *headers):
    return head(status, len(body), *headers) + body


SLOW_DOWN = reply(503, XML + b"<Error><Code>SlowDown</Code><Message>no</Message></Error>")
DATE = "Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT"
OBJECT = reply(200, BODY, f'ETag: "{ETAG}"', DATE)
STORED = reply(200, b"", f'ETag: "{ETAG}"')
LARGE = ('ETag: "0-large"', DATE, "Accept-Ranges: bytes")
PART = reply(200, b"", 'ETag: "0-part"')
CREATED = reply(200, XML + b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>")
COMPLETED = reply(200, XML + b'<CompleteMultipartUploadResult><ETag>"0-large"</ETag></CompleteMultipartUploadResult>')


def listing(target, count):
    query = dict(urllib.parse.parse_qsl(target.partition("?")[2]))
    first = int(query.get("continuation-token", 0))
    if "start-after" in query:
        first = bisect.bisect_right(range(count), query["start-after"], key=lambda i: f"{i:06}")
    last = min(first + PAGE, count)
    more = f"<IsTruncated>true</IsTruncated><NextContinuationToken>{last}</NextContinuationToken>" if last < count else ""
    item = "<Contents><Key>{:06}</Key><Size>{}</Size><ETag>&quot;{}&quot;</ETag></Contents>"
    items = "".join(item.format(i, len(BODY), ETAG) for i in range(first, last))
    return reply(200, XML + f"<ListBucketResult>{more}{items}</ListBucketResult>".encode())


class Connection(asyncio.Protocol):
    def __init__(self, server):
        self.server = server
        self.head = b""
        self.left = 0  # of the body
        self.asked = None

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        if self.asked is None:
            self.head += data
            first, end, data = self.head.partition(b"\r\n\r\n")
            if not end:
                return
            self.head = b""
            line, *fields = first.split(b"\r\n")
            fields = dict(field.lower().split(b":", 1) for field in fields)
            self.left = int(fields.get(b"content-length", 0))
            method, target, _ = line.decode().split(" ", 2)
            self.asked = self.server.ask(self, method, target, fields.get(b"range", b"").decode().strip())
        self.left -= len(data)
        if self.left <= 0:
            asked, self.asked = self.asked, None
            self.server.answer(self, asked)

    def go_on(self):
        if not self.transport.is_closing():
            self.transport.resume_reading()

    def later(self, delay, what, *args):
        self.server.loop.call_later(delay, what, *args) if delay > 0 else what(*args)


class Asked:
    def __init__(self, number, method, target, span):
        self.number, self.method, self.target, self.range = number, method, target, span
        self.at = time.monotonic()
        self.delay = 0
        self.stalls_body = False  # in the middle, not before the answer
        self.name = f"{method} {target} {span.rpartition('-')[2]}"


class Server:
    """`judge(asked)`: the seconds to wait before its answer, or None to refuse it; `asked.number` counts from 1.
    Only GET and PUT of objects are judged, and listings where `judges_pages`."""

    def __init__(self, count, judge, certificate=None, judges_pages=False):
        self.count, self.judge, self.judges_pages = count, judge, judges_pages
        self.asked, self.refused, self.times = 0, 0, []
        self.stalled, self.repeated_after = {}, []
        self.context = None
        if certificate:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*certificate)
        self.loop = asyncio.new_event_loop()
        started = threading.Event()
        self.thread = threading.Thread(target=self.run, args=(started,), daemon=True)
        self.thread.start()
        started.wait()

    def run(self, started):
        asyncio.set_event_loop(self.loop)
        listening = self.loop.create_server(lambda: Connection(self), "127.0.0.1", 0, backlog=512, ssl=self.context)
        server = self.loop.run_until_complete(listening)
        scheme = "https" if self.context else "http"
        self.url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        started.set()
        self.loop.run_forever()
        server.close()

    def ask(self, connection, method, target, span):
        asked = Asked(self.asked + 1, method, target, span)
        is_page = "list-type" in target
        if method not in ("GET", "PUT") or (is_page and not self.judges_pages):
            return asked
        self.asked += 1
        if asked.name in self.stalled:
            self.repeated_after.append(asked.at - self.stalled.pop(asked.name))
        asked.delay = self.judge(asked)
        if asked.delay is None:
            self.refused += 1
            return asked
        self.times.append(asked.at)
        if asked.delay >= STALL_S:
            self.stalled[asked.name] = asked.at
            if asked.stalls_body and method == "PUT":
                connection.transport.pause_reading()
                connection.later(STALL_S, connection.go_on)
        return asked

    def answer(self, connection, asked):
        write = connection.transport.write
        if asked.delay is None:
            write(SLOW_DOWN)
            return
        if asked.method == "POST":
            write(CREATED if "uploads" in asked.target else COMPLETED)
        elif "list-type" in asked.target:
            connection.later(asked.delay, write, listing(asked.target, self.count))
        elif asked.method == "HEAD":
            write(head(200, PARTS * PART_LEN, *LARGE))
        elif asked.range:
            self.send_range(connection, asked)
        else:
            stored = PART if "uploadId" in asked.target else STORED
            connection.later(asked.delay, write, OBJECT if asked.method == "GET" else stored)

    def send_range(self, connection, asked):
        first, last = (int(n) for n in asked.range.partition("=")[2].split("-"))
        top = head(206, last - first + 1, *LARGE, f"Content-Range: bytes {first}-{last}/{PARTS * PART_LEN}")
        half, rest = ZEROS[: (last - first + 1) // 2], ZEROS[: (last - first + 2) // 2]
        gap = STALL_S if asked.stalls_body and asked.delay >= STALL_S else 0

        def send():
            connection.transport.write(top)
            connection.transport.write(half)
            connection.later(gap, connection.transport.write, rest)

        connection.later(asked.delay - gap, send)

    def stop(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)


class Bucket:
    """A bucket of tokens: so many a second, and no more than `burst` at once."""

    def __init__(self, rate, burst):
        self.rate, self.burst, self.tokens, self.filled = rate, burst, burst, time.monotonic()

    def __call__(self, asked):
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

    def __call__(self, asked):
        second = int(time.monotonic())
        if second != self.second:
            self.second, self.used = second, 0
        self.used += 1
        return 0 if self.used <= self.rate else None


@pytest.fixture(scope="module")
def scratch():
    """A directory in memory where there is one: disks have their own delays."""
    shm = pathlib.Path("/dev/shm")
    path = pathlib.Path(tempfile.mkdtemp(prefix="tarn-pace-", dir=shm if os.access(shm, os.W_OK) else None))
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def certificate(scratch):
    cert, key = scratch / "cert.pem", scratch / "key.pem"
    run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert], None)
    return cert, key


@pytest.fixture(scope="module")
def tarn(scratch, certificate):
    """Runs `tarn` with the arguments that `command(tree)` gives; the server and the wall time."""
    runs = []

    def start(command, count, judge, scheme="http", **options):
        server = Server(count, judge, certificate if scheme == "https" else None, **options)
        tree = scratch / f"run-{len(runs)}"
        runs.append(tree)
        env = {"HOME": str(scratch), "AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "S", "AWS_ENDPOINT_URL": server.url}
        try:
            began = time.monotonic()
            run([BIN / "tarn", *command(tree), "--ca-bundle", certificate[0]], env)
            wall = time.monotonic() - began
        finally:
            server.stop()
        return wall, server, tree

    return start


@pytest.fixture(scope="module")
def job(scratch, tarn):
    """`tarn cp -r` of `count` objects, down or up; its wall time and the server."""

    def start(count, judge, direction="down", scheme="http", workers=WORKERS):
        source = scratch / f"up-{count}"
        if direction == "up" and not source.exists():
            source.mkdir()
            for i in range(count):
                (source / f"{i:06}").write_bytes(BODY)

        def command(tree):
            ends = ("s3://b/", tree) if direction == "down" else (source, "s3://b/")
            return ["cp", "-r", "-q", "--workers", workers, *ends]

        wall, server, tree = tarn(command, count, judge, scheme)
        if direction == "down":
            names = sorted(p.name for p in tree.iterdir())
            assert names == [f"{i:06}" for i in range(count)]
            assert all((tree / name).read_bytes() == BODY for name in names)
            shutil.rmtree(tree)
        return wall, server

    return start


@pytest.mark.parametrize(
    "scheme, direction, count, rate", [("http", "down", 7000, 800), ("http", "up", 7000, 800), ("https", "down", 6000, 600)]
)
def test_rate_of_the_server_is_held(job, scheme, direction, count, rate):
    """Held: what was served a second in the last two thirds. Refused: of all that was asked, the beginning included. The best
    run counts: a bucket that nobody asks for a tenth of a second, because others have the CPU, runs over."""
    burst = 60
    told = []
    for _ in range(ROUNDS_MAX):
        wall, server = job(count, Bucket(rate, burst), direction, scheme)
        third = len(server.times) // 3
        held = (len(server.times) - 1 - third) / (server.times[-1] - server.times[third])
        told.append(f"{held / rate:.1%} of the rate, {server.refused / server.asked:.2%} refused, {wall:.1f} s")
        print(f"{scheme} {direction}: {told[-1]}")
        if held >= 0.95 * rate and server.refused < 0.01 * server.asked:
            return
    pytest.fail("; ".join(told))


def test_a_second_of_the_clock_is_shared_out(job):
    """Whoever asks too much in one second is refused to its end, so the first second costs most."""
    wall, server = job(4000, Window(600))
    print(f"{server.refused / server.asked:.2%} refused, {wall:.1f} s")
    assert server.refused < 0.1 * server.asked


def compare(calm_run, stalled_run, cost_s_max=None):
    """Both take turns until the best of the second cost no more than allowed above the best of the first."""

    def is_cheap():
        return min(stalled) - min(calm) <= (cost_s_max or COST_MAX * min(calm))

    calm, stalled, told = [], [], []
    while not calm or (not is_cheap() and len(calm) < ROUNDS_MAX):
        calm.append(calm_run()[0])
        wall, server = stalled_run()[:2]
        stalled.append(wall)
        told += [f"{after:.2f}" for after in server.repeated_after]
        assert server.repeated_after and not server.stalled
        assert min(server.repeated_after) < REPEATED_S_MAX
    text = f"calm {min(calm):.2f} s, with stalls {min(stalled):.2f} s, rounds {len(calm)}, repeated after {' '.join(told)} s"
    print(text)
    assert is_cheap(), text
    return server


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("direction", ["down", "up"])
def test_one_in_a_thousand_is_forgotten(job, direction, scheme):
    """The first one while nothing is known of the server yet."""
    count = 2000
    server = compare(
        lambda: job(count, lambda asked: 0.06, direction, scheme),
        lambda: job(count, lambda asked: STALL_S if asked.number in (10, 1500) else 0.06, direction, scheme),
    )
    assert server.asked < count * 1.05


@pytest.mark.parametrize("direction", ["down", "up"])
@pytest.mark.parametrize(
    "scheme, place", [("http", "before the answer"), ("http", "in the middle of the body"), ("https", "in the middle of the body")]
)
def test_a_part_is_forgotten(tarn, scratch, direction, scheme, place):
    source = scratch / "large"
    with open(source, "wb") as file:
        file.truncate(PARTS * PART_LEN)

    def judge(asked):
        asked.stalls_body = place != "before the answer"
        return STALL_S if asked.number == 48 and is_stalling else 0.2

    def command(tree):
        ends = ("s3://b/large", tree) if direction == "down" else (source, "s3://b/large")
        return ["cp", "-q", "--part-size", 5, "--concurrency", 8, "--no-verify" if direction == "down" else "--no-resume", *ends]

    def start(stalls):
        nonlocal is_stalling
        is_stalling = stalls
        wall, server, tree = tarn(command, 0, judge, scheme)
        if direction == "down":
            assert tree.stat().st_size == PARTS * PART_LEN
            tree.unlink()
        return wall, server

    is_stalling = False
    compare(lambda: start(False), lambda: start(True), ONE_COST_S_MAX)


def test_a_page_is_forgotten(tarn):
    command = lambda tree: ["ls", "s3://b/"]
    compare(
        lambda: tarn(command, 100 * PAGE, lambda asked: 0.02, judges_pages=True),
        lambda: tarn(command, 100 * PAGE, lambda asked: STALL_S if asked.number == 50 else 0.02, judges_pages=True),
        ONE_COST_S_MAX,
    )


@pytest.mark.parametrize("workers", [0, 64])
def test_refusals_by_chance_do_not_end_it(job, workers):
    wall, server = job(8000, lambda asked: None if asked.number % 67 == 0 else 0, workers=workers)
    assert wall < 20


def test_a_server_that_becomes_slow_is_not_asked_twice_for_all(job):
    wall, server = job(3000, lambda asked: 0.001 if asked.number <= 1500 else 0.3)
    assert server.asked < 3000 * 1.05 + 32


def test_a_slow_server_is_asked_for_many_at_once(job):
    wall, server = job(3000, lambda asked: 0.2, workers=0)
    times = sorted(server.times)
    at_once = max(bisect.bisect_left(times, t + 0.2) - i for i, t in enumerate(times))
    assert at_once >= 128  # a thread that is never idle asks for 16
