# SPDX-License-Identifier: Apache-2.0
"""A server that is slow, cut off, overloaded, wrong or endless: each ends in the right bytes or the right error, soon,
and nothing is left behind."""

import email.utils
import hashlib
import json
import os
import re
import socketserver
import threading
import time
import urllib.request

import oddkeys
import pytest
from conftest import BIN, run
from requests_read import read_request

BODY = b"0123456789abcdef" * 4
ETAG = hashlib.md5(BODY).hexdigest()
PATIENCE_S = 60
XML = b'<?xml version="1.0"?>\n'


def reply(status, body=b"", *headers, length=None):
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body) if length is None else length}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def error(status, code, *headers):
    return reply(status, XML + f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode(), *headers)


def whole(*headers):
    return reply(200, BODY, f'ETag: "{ETAG}"', "Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT", *headers)


def part(first):
    return reply(206, BODY[first:], f'ETag: "{ETAG}"', f"Content-Range: bytes {first}-{len(BODY) - 1}/{len(BODY)}")


def page(keys, token=None):
    more = f"<IsTruncated>true</IsTruncated><NextContinuationToken>{token}</NextContinuationToken>" if token else ""
    items = "".join(f"<Contents><Key>{key}</Key><Size>{len(BODY)}</Size><ETag>&quot;{ETAG}&quot;</ETag></Contents>" for key in keys)
    return reply(200, XML + f"<ListBucketResult>{more}{items}</ListBucketResult>".encode())


class BadServer:
    """`script(number, method, path, head)` gives the bytes of an answer, or (bytes, how many of them) to be cut off
    after; `number` counts the requests of one path."""

    def __init__(self, script):
        outer = self
        self.seen = {}
        self.requests = []
        self.lock = threading.Lock()

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                try:
                    while self.one():
                        pass
                except OSError:
                    pass

            def one(self):
                if (request := read_request(self.rfile)) is None:
                    return False
                method, target, head, _ = request
                with outer.lock:
                    number = outer.seen[target] = outer.seen.get(target, -1) + 1
                    outer.requests.append((method, target, head))
                answer = script(number, method, target, head)
                if callable(answer):
                    return answer(self)
                if isinstance(answer, tuple):
                    self.wfile.write(answer[0][: answer[1]])
                    return False
                self.wfile.write(answer if method != "HEAD" else answer[: answer.index(b"\r\n\r\n") + 4])
                return True

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            request_queue_size = 128

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def bad(tmp_path):
    made = []

    def start(script):
        server = BadServer(script)
        made.append(server)
        env = {"HOME": str(tmp_path), "AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "S", "AWS_ENDPOINT_URL": server.url, "NO_PROXY": "127.0.0.1"}
        tarn = lambda *args, status=0, **options: run([BIN / "tarn", *args], env, status, timeout=PATIENCE_S, **options)
        return tarn, server

    yield start
    for server in made:
        server.stop()


def files_below(path):
    return sorted(str(p.relative_to(path)) for p in path.rglob("*") if p.is_file())


def test_answers_cut_at_every_byte(bad, tmp_path):
    """The first answer for the key cut-N ends after N bytes; whatever N is, the file is whole in the end."""
    answer = whole()

    def script(number, method, path, head):
        n = int(path.rsplit("-", 1)[1])
        if method == "HEAD" or number > 0:
            first = re.match(r"bytes=(\d+)-", head.get("range", ""))
            return part(int(first[1])) if first and int(first[1]) else answer
        return answer, n

    tarn, _ = bad(script)
    out = tmp_path / "out"
    out.mkdir()
    lines = "".join(f"cp s3://b/cut-{n} {out}/{n}\n" for n in range(len(answer)))
    tarn("run", "--max-retries", "8", "-q", input=lines.encode())
    assert files_below(out) == sorted(str(n) for n in range(len(answer)))
    assert {p.read_bytes() for p in out.iterdir()} == {BODY}


@pytest.mark.parametrize(
    "answer",
    [error(500, "InternalError"), error(503, "SlowDown"), error(503, "ServiceUnavailable"), error(429, "TooManyRequests"), reply(502), reply(408), b""],
    ids=["500", "SlowDown", "503", "429", "502", "408", "nothing"],
)
def test_bursts(bad, tmp_path, answer):
    """Three bad answers for everything, then good ones."""
    tarn, server = bad(lambda number, method, path, head: (answer, len(answer)) if number < 3 else whole())
    tarn("cp", "s3://b/k", tmp_path / "k")
    assert (tmp_path / "k").read_bytes() == BODY
    tarn("cp", tmp_path / "k", "s3://b/other", status=None)
    assert len(server.requests) >= 5


@pytest.mark.parametrize("answer", [error(500, "InternalError"), error(503, "SlowDown"), b""], ids=["500", "SlowDown", "nothing"])
def test_trouble_without_end(bad, tmp_path, answer):
    tarn, _ = bad(lambda number, method, path, head: (answer, len(answer)))
    started = time.monotonic()
    done = tarn("cp", "--max-retries", "2", "s3://b/k", tmp_path / "k", status=1)
    assert done.stderr.startswith(b"tarn: cp s3://b/k: ") and time.monotonic() - started < 30
    assert not (tmp_path / "k").exists()


def trickle(handler):
    for byte in whole():
        handler.wfile.write(bytes([byte]))
        time.sleep(0.005)
    return True


def test_slow(bad, tmp_path):
    tarn, _ = bad(lambda number, method, path, head: whole() if method == "HEAD" else trickle)
    tarn("cp", "s3://b/k", tmp_path / "k")
    assert (tmp_path / "k").read_bytes() == BODY


WRONG = {
    "shorter than it says": (reply(200, BODY[:10], f'ETag: "{ETAG}"', length=len(BODY)), 1),
    "nothing of a length": (b'HTTP/1.1 200 X\r\nETag: "%s"\r\n\r\n%s' % (ETAG.encode(), BODY[:-1]), 3),
    "another ETag": (reply(200, BODY, f'ETag: "{"0" * 32}"'), 3),
    "another checksum": (reply(200, BODY, f'ETag: "{ETAG}"', "x-amz-checksum-crc32: AAAAAA=="), 3),
    "two lengths": (reply(200, BODY, "Content-Length: 5", f'ETag: "{ETAG}"'), 1),
    "no number": (reply(200, BODY, length="many"), 1),
    "no HTTP": (b"220 hello\r\n", 1),
    "a head without end": (b"HTTP/1.1 200 X\r\n" + b"X-Long: " + b"y" * 2_000_000, 1),
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_answers(bad, tmp_path, what):
    answer, status = WRONG[what]
    tarn, _ = bad(lambda number, method, path, head: (answer, len(answer)))
    out = tmp_path / "out"
    out.mkdir()
    done = tarn("cp", "--max-retries", "1", "s3://b/k", out / "k", status=None)
    assert done.returncode in (1, status), done
    assert done.stderr.count(b"\n") == 1
    assert not (out / "k").exists()


def test_bytes_behind_the_end_are_no_part_of_it(bad, tmp_path):
    tarn, _ = bad(lambda number, method, path, head: (whole() + b"extra", len(whole()) + 5))
    tarn("cp", "s3://b/k", tmp_path / "k")
    assert (tmp_path / "k").read_bytes() == BODY


LISTINGS = {
    "the same page again": lambda number: page(["a"], "t"),
    "the same keys with other tokens": lambda number: page(["a"], f"t{number}"),
    "more without a token": lambda number: reply(200, b"<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>"),
    "an error in a 200": lambda number: reply(200, b"<Error><Code>InternalError</Code></Error>"),
    "no XML": lambda number: reply(200, b"<html><p>hello</html>"),
    "nothing": lambda number: reply(200),
    "cut": lambda number: reply(200, b"<ListBucketResult><Contents><Key>a</Key>"),
    "gigabytes of blanks": lambda number: reply(200, b"<ListBucketResult>" + b" " * (40 << 20) + b"</ListBucketResult>"),
}


@pytest.mark.parametrize("what", LISTINGS)
@pytest.mark.parametrize("command", ["ls", "sync"])
def test_listings_that_are_none(bad, tmp_path, what, command):
    """An error, soon; and sync --delete deletes nothing of what the rest might name."""
    tarn, _ = bad(lambda number, method, path, head: LISTINGS[what](len(_.requests)) if "list-type" in path else whole())
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "zz").write_bytes(b"mine")
    args = ["ls", "-R", "s3://b/"] if command == "ls" else ["sync", "--delete", "s3://b/", kept]
    done = tarn(*args, "--max-retries", "1", status=None)
    assert done.returncode in (1, 2) and b"could not" in done.stderr
    assert (kept / "zz").read_bytes() == b"mine"


def test_wrong_clock_is_set_by_the_server(bad, tmp_path):
    """Two hours off: the refusal tells the time, and the next try is signed with it."""
    there = time.time() + 7200

    def script(number, method, path, head):
        signed = time.mktime(time.strptime(head["x-amz-date"], "%Y%m%dT%H%M%SZ")) - time.timezone
        if abs(signed - there) > 900:
            return error(403, "RequestTimeTooSkewed", f"Date: {email.utils.formatdate(there, usegmt=True)}")
        return whole()

    tarn, server = bad(script)
    tarn("cp", "s3://b/k", tmp_path / "k")
    assert (tmp_path / "k").read_bytes() == BODY
    assert len(server.requests) <= 4


# --- this side ---


@pytest.fixture
def env(server, tmp_path):
    return server.client_env(tmp_path)


def test_target_that_cannot_be_written(env, s3, bucket, tmp_path):
    s3.put_object(Bucket=bucket, Key="d/a", Body=b"x")
    s3.put_object(Bucket=bucket, Key="d/b", Body=b"x")
    target = tmp_path / "file"
    target.write_bytes(b"in the way")
    for args in (["cp", "-r", f"s3://{bucket}/d", target], ["sync", f"s3://{bucket}/d", target], ["cp", f"s3://{bucket}/d/a", target / "a"]):
        done = run([BIN / "tarn", *args], env, None, timeout=PATIENCE_S)
        assert done.returncode in (1, 2) and b"file" in done.stderr, done
    assert target.read_bytes() == b"in the way"
    done = run([BIN / "tarn", "cp", f"s3://{bucket}/d/a", "/proc/here"], env, None, timeout=PATIENCE_S)
    assert done.returncode in (1, 2) and b"/proc/here" in done.stderr


def test_odd_keys_through_every_command(env, s3, bucket, tmp_path):
    """Stored, looked at, copied, tagged, moved and deleted, by every command that takes a key."""
    keys = [key for key in oddkeys.odd_keys(300) if len(key.encode()) < 1000]
    tarn = lambda *args, **options: run([BIN / "tarn", *args], env, 0, timeout=PATIENCE_S, **options)
    for key in [*oddkeys.WHOLE[1:8], *keys[5 :: len(keys) // 8]]:
        uri = f"s3://{bucket}/{key}"
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
        assert tarn("cat", "--raw", uri).stdout == key.encode(), key
        assert json.loads(tarn("head", "--json", uri).stdout)["key"] == key
        assert json.loads(tarn("attr", "--raw", "--json", uri).stdout)["key"] == key
        tarn("tag", "--raw", uri, "a=b")
        assert s3.get_object_tagging(Bucket=bucket, Key=key)["TagSet"] == [{"Key": "a", "Value": "b"}]
        listed = [json.loads(line).get("key") for line in tarn("ls", "-R", "--json", f"s3://{bucket}").stdout.splitlines()]
        assert listed == [key, None]
        assert tarn("find", "-0", f"s3://{bucket}").stdout == f"{uri}\0".encode()
        url = tarn("presign", "--json", uri).stdout
        assert urllib.request.urlopen(json.loads(url)["url"], timeout=PATIENCE_S).read() == key.encode()
        tarn("cp", "--raw", uri, tmp_path / "one")
        assert (tmp_path / "one").read_bytes() == key.encode()
        tarn("cp", "--raw", tmp_path / "one", f"s3://{bucket}/{key}-copy")
        tarn("mv", "--raw", f"s3://{bucket}/{key}-copy", f"s3://{bucket}/{key}-moved")
        assert s3.get_object(Bucket=bucket, Key=f"{key}-moved")["Body"].read() == key.encode()
        tarn("rm", "--raw", f"s3://{bucket}/{key}-moved", uri)
        assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


@pytest.mark.skipif(not os.environ.get("CLI_LONG"), reason="minutes: CLI_LONG=1")
def test_killed_fifty_times(env, bucket, s3, tmp_path):
    """SIGKILL at 50 moments, up and down: the transfer goes on each time, and ends identical."""
    import random
    import subprocess

    source = tmp_path / "big"
    source.write_bytes(os.urandom(1 << 20) * 96)
    dice = random.Random(5)
    for direction in ("up", "down"):
        args = [source, f"s3://{bucket}/big"] if direction == "up" else [f"s3://{bucket}/big", tmp_path / "back"]
        command = [BIN / "tarn", "--max-bandwidth", "40M", "cp", *args]
        for _ in range(50):
            with subprocess.Popen([str(part) for part in command], env=env, stderr=subprocess.DEVNULL) as process:
                try:
                    process.wait(dice.uniform(0.05, 0.6))
                    break
                except subprocess.TimeoutExpired:
                    process.kill()
        run(command, env, 0, timeout=PATIENCE_S)
    assert (tmp_path / "back").read_bytes() == source.read_bytes()
    # Killed while the answer to its creation was on its way, an upload is known to nobody: but nothing was sent to it.
    for upload in s3.list_multipart_uploads(Bucket=bucket).get("Uploads", []):
        assert not s3.list_parts(Bucket=bucket, Key="big", UploadId=upload["UploadId"]).get("Parts")
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_file()) == ["back", "big"]
