# SPDX-License-Identifier: Apache-2.0
"""What surrounds tarnd goes wrong: it says so clearly, and nothing is lost."""

import itertools
import os
import pathlib
import re
import signal
import socket
import stat
import subprocess
import threading
import time

import pytest

import raw
from conftest import BIN, MIB, START_S, Server, body_of, is_healthy, refused, run


def failing_start(*args, env=None):
    """Runs tarnd expecting it to give up; its one-line reason."""
    done = subprocess.run(
        [BIN / "tarnd", *[str(a) for a in args]], capture_output=True, stdin=subprocess.DEVNULL, timeout=START_S, env=env
    )
    text = done.stderr.decode(errors="replace")
    assert 0 < done.returncode < 126, (done.returncode, text)
    assert "Sanitizer" not in text and "runtime error" not in text, text
    assert text.strip(), "it failed without a word"
    return text


@pytest.fixture
def mount(tmp_path):
    """Mounts a tmpfs of a size; skips where that is not permitted."""
    mounted = []

    def make(size, options="rw"):
        place = tmp_path / f"mount{len(mounted)}"
        place.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size},{options}", "tmpfs", str(place)]
        if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode != 0:
            pytest.skip("mounting needs root")
        mounted.append(place)
        return place

    yield make
    for place in mounted:
        subprocess.run(["umount", "-l", str(place)], check=False)


@pytest.mark.timeout(240)
def test_full_disk(mount, new_server):
    place = mount("400m")
    server = new_server()
    server.data = place / "data"
    s3 = server.start().boto()
    s3.create_bucket(Bucket="full")
    kept = {}
    for size in (5 * MIB, 200_000, 4096):
        code = None
        for i in range(4000):
            key = f"{size}/{i}"
            with raw.Connection(server, 60) as conn:
                reply = conn.request("PUT", f"/full/{key}", body_of(size, i % 7))
            if reply.status != 200:
                code = (reply.status, reply.code)
                break
            kept[key] = i % 7
        assert code in ((507, "InsufficientStorage"), (503, "SlowDown"), (503, "ServiceUnavailable")), code
        if size == 5 * MIB:
            filler = place / "filler"  # so that the small ones meet the end of the disk soon
            free = os.statvfs(place).f_bavail * os.statvfs(place).f_frsize
            subprocess.run(["fallocate", "-l", str(max(free - 3 * MIB, 4096)), str(filler)], check=False)
    assert is_healthy(server)
    assert len(kept) > 10
    check_kept(s3, kept)
    victim = sorted(kept)[0]
    s3.delete_object(Bucket="full", Key=victim)
    del kept[victim]
    server.stop()
    s3 = server.start().boto()
    check_kept(s3, kept)
    refused(404, "NoSuchKey", s3.get_object, Bucket="full", Key=victim)
    server.stop()


def check_kept(s3, kept):
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket="full")
    assert {entry["Key"] for page in pages for entry in page.get("Contents", [])} == set(kept)
    for key, seed in list(kept.items())[:: max(1, len(kept) // 100)]:
        body = s3.get_object(Bucket="full", Key=key)["Body"].read()
        assert body == body_of(int(key.split("/")[0]), seed), key


class Filler:
    """Puts objects from several connections until the disk is full or the server is gone."""

    SIZE = 150_000

    def __init__(self):
        self.kept = {}  # acknowledged
        self.open = {}  # perhaps there: no answer came
        self.next = itertools.count()
        self.codes = []

    def work(self, server):
        try:
            with raw.Connection(server, 30) as conn:
                while True:
                    i = next(self.next)
                    key, seed = f"{self.SIZE}/{i:06}", i % 7
                    self.open[key] = seed
                    reply = conn.request("PUT", f"/full/{key}", body_of(self.SIZE, seed))
                    if reply.status == 200:
                        self.kept[key] = seed
                    del self.open[key]
                    if reply.status != 200:
                        self.codes.append((reply.status, reply.code))
                        return
        except (OSError, EOFError, AssertionError, ValueError):
            pass  # killed

    def start(self, server):
        threads = [threading.Thread(target=self.work, args=(server,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        return threads

    def settle(self, s3):
        """What had no answer is there whole, or not at all; what had one is there."""
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket="full")
        there = {entry["Key"] for page in pages for entry in page.get("Contents", [])}
        for key, seed in self.open.items():
            if key in there:
                self.kept[key] = seed
        self.open.clear()
        check_kept(s3, self.kept)


def free_bytes(place):
    return os.statvfs(place).f_bavail * os.statvfs(place).f_frsize


@pytest.mark.timeout(280)
def test_full_disk_is_killed_and_emptied(mount, new_server):
    """SIGKILL while it fills, when it is full and while it is emptied; vacuum gives the room back."""
    place = mount("160m")
    server = new_server()
    server.data = place / "data"
    server.start().boto().create_bucket(Bucket="full")
    filler = Filler()
    for seconds in (0.5, 1.0, 60):
        threads = filler.start(server)
        threads[0].join(seconds)
        server.kill()
        for thread in threads:
            thread.join()
        filler.settle(server.start().boto())
    assert filler.codes and set(filler.codes) <= {(507, "InsufficientStorage")}, filler.codes
    full = free_bytes(place)
    assert full < 40 * MIB and len(filler.kept) * filler.SIZE > 60 * MIB
    for i, key in enumerate(sorted(filler.kept)):
        if i % 5:
            with raw.Connection(server) as conn:
                assert conn.request("DELETE", f"/full/{key}").status == 204, key
            del filler.kept[key]
        if i % 150 == 149:
            server.kill()
            filler.settle(server.start().boto())
    deadline = time.monotonic() + 90
    while free_bytes(place) < full + 40 * MIB:
        assert time.monotonic() < deadline, (full, free_bytes(place), server.log[-2000:])
        time.sleep(0.2)
    filler.codes.clear()
    threads = filler.start(server)
    threads[0].join(1)
    server.kill()
    for thread in threads:
        thread.join()
    filler.settle(server.start().boto())
    server.stop()
    run([BIN / "tarnd", "check", "--data", server.data], server.env)


def test_directory_that_cannot_be_written(mount, tmp_path):
    place = mount("16m", "ro")
    assert str(place) in failing_start("--data", place / "data", "--listen", "127.0.0.1:0")


@pytest.mark.parametrize("path", ["/proc/tarn", "/dev/null/data", "/dev/null"])
def test_directory_that_cannot_be(path):
    assert path in failing_start("--data", path, "--listen", "127.0.0.1:0")


def test_directory_is_a_file(tmp_path):
    (tmp_path / "data").write_text("precious")
    assert "data" in failing_start("--data", tmp_path / "data", "--listen", "127.0.0.1:0")
    assert (tmp_path / "data").read_text() == "precious"


def test_directory_of_another_program(tmp_path):
    """A directory that holds strangers' files is not taken over."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data/format.json").write_text('{"not": "ours"}')
    failing_start("--data", tmp_path / "data", "--listen", "127.0.0.1:0")
    assert (tmp_path / "data/format.json").read_text() == '{"not": "ours"}'


def test_port_in_use(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = "127.0.0.1:%d" % taken.getsockname()[1]
        text = failing_start("--data", tmp_path / "data", "--listen", address)
    assert address in text and "in use" in text


@pytest.mark.parametrize("address", ["nonsense", "127.0.0.1", "127.0.0.1:99999", "127.0.0.1:-1", "300.1.1.1:0", "127.0.0.1:x", ""])
def test_bad_address(tmp_path, address):
    failing_start("--data", tmp_path / "data", "--listen", address)


def test_second_server_on_one_directory(new_server):
    server = new_server().start()
    text = failing_start("--data", server.data, "--listen", "127.0.0.1:0")
    assert str(server.data) in text and re.search(r"in use|lock", text)
    assert is_healthy(server)
    server.stop()


BROKEN_CONFIGS = [
    ("tab", "listen: 127.0.0.1:0\n\tdata: x\n", 2),
    ("not closed", 'listen: "127.0.0.1:0\n', 2),
    ("unknown name", "listen: 127.0.0.1:0\nno_such_option: 1\n", 2),
    ("a list, no map", "- listen\n", 1),
    ("wrong kind", "listen:\n  - 127.0.0.1:0\n", None),
    ("named twice", "listen: 127.0.0.1:0\nlisten: 127.0.0.1:1\n", 2),
    ("binary", "\x00\x01\x02", 1),
]


@pytest.mark.parametrize("name,text,line", BROKEN_CONFIGS, ids=[row[0] for row in BROKEN_CONFIGS])
def test_broken_configuration(tmp_path, name, text, line):
    config = tmp_path / "tarnd.yaml"
    config.write_text(text)
    said = failing_start("--data", tmp_path / "data", "--config", config)
    assert str(config) in said
    assert line is None or re.search(rf":{line}\b|line {line}\b", said), said
    assert not (tmp_path / "data").exists() or not any((tmp_path / "data").glob("log/*"))


def test_absent_configuration(tmp_path):
    assert "none.yaml" in failing_start("--data", tmp_path / "data", "--config", tmp_path / "none.yaml")


@pytest.mark.parametrize("args", [[], ["--data"], ["--no-such-option"], ["--data", "x", "surplus"], ["--tls-cert", "x"]])
def test_bad_command_line(tmp_path, args):
    failing_start(*args, env=dict(os.environ, HOME=str(tmp_path)))


def test_half_of_a_key_pair(tmp_path):
    env = {k: v for k, v in os.environ.items() if not k.startswith("TARN_")}
    text = failing_start("--data", tmp_path / "data", "--listen", "127.0.0.1:0", env=dict(env, TARN_ACCESS_KEY="OnlyThisHalf0000"))
    assert "TARN_SECRET_KEY" in text


def test_bad_tls_files(tmp_path):
    (tmp_path / "bad.pem").write_text("not a certificate")
    text = failing_start("--data", tmp_path / "data", "--listen", "127.0.0.1:0", "--tls-cert", tmp_path / "bad.pem", "--tls-key", tmp_path / "bad.pem")
    assert "bad.pem" in text


def test_credentials_of_the_first_start(new_server, tmp_path):
    server = new_server(keys=None)
    server.extra_env = {}
    env_names = {k: os.environ.pop(k) for k in ("TARN_ACCESS_KEY", "TARN_SECRET_KEY") if k in os.environ}
    try:
        server.start()
        path = server.data / "credentials"
        assert str(path) in server.log
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        found = dict(line.split("=", 1) for line in path.read_text().splitlines() if "=" in line)
        server.keys = (found["access_key"], found["secret_key"])
        assert found["secret_key"] not in server.log and len(found["secret_key"]) >= 32
        server.boto().create_bucket(Bucket="first")
        keys, server.keys = server.keys, None
        server.stop()
        server.start()
        server.keys = keys
        assert [b["Name"] for b in server.boto().list_buckets()["Buckets"]] == ["first"]
        server.stop()
    finally:
        os.environ.update(env_names)


def test_tls(new_server, tmp_path):
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert], None)
    server = new_server(args=["--tls-cert", cert, "--tls-key", key]).start()
    import boto3
    from botocore.config import Config

    s3 = boto3.client("s3", endpoint_url=f"https://{server.netloc}", verify=str(cert), region_name="us-east-1",
                      aws_access_key_id=server.keys[0], aws_secret_access_key=server.keys[1],
                      config=Config(s3={"addressing_style": "path"}))
    s3.create_bucket(Bucket="secure")
    for size in (0, 1, 100_000, 6 * MIB):
        s3.put_object(Bucket="secure", Key="k", Body=body_of(size))
        assert s3.get_object(Bucket="secure", Key="k")["Body"].read() == body_of(size)
    with socket.create_connection((server.host, server.port), 10) as plain:
        plain.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        plain.settimeout(10)
        try:
            assert b" 200 " not in plain.recv(1000)
        except ConnectionError:
            pass
    assert s3.head_object(Bucket="secure", Key="k")["ContentLength"] == 6 * MIB
    server.stop()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stops_with_idle_connections(new_server, number):
    server = new_server().start()
    idle = [raw.Connection(server) for _ in range(20)]
    for conn in idle[:10]:
        conn.send(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert conn.reply().status == 200
    start = time.monotonic()
    server.process.send_signal(number)
    assert server.process.wait(30) == 0
    assert time.monotonic() - start < 25
    server.process = None
    server.check_log()
    for conn in idle:
        conn.close()


def test_blob_that_was_damaged(new_server):
    """One flipped bit on the disk: an error, never wrong bytes."""
    server = new_server()
    s3 = server.start().boto()
    s3.create_bucket(Bucket="damage")
    body = body_of(3 * MIB)
    s3.put_object(Bucket="damage", Key="large", Body=body)
    server.stop()
    blobs = [p for p in pathlib.Path(server.data / "blob").rglob("*") if p.is_file() and p.stat().st_size >= MIB]
    assert blobs, "a large body has its own file"
    with open(blobs[0], "r+b") as file:
        file.seek(2 * MIB + 17)
        byte = file.read(1)[0]
        file.seek(2 * MIB + 17)
        file.write(bytes([byte ^ 4]))
    server.start()
    with raw.Connection(server) as conn:
        try:
            reply = conn.request("GET", "/damage/large")
            assert reply.status >= 500, "damaged bytes were served as good"
        except (EOFError, ConnectionError):
            pass
    assert server.boto().head_object(Bucket="damage", Key="large")["ContentLength"] == 3 * MIB
    with raw.Connection(server) as conn:
        reply = conn.request("GET", "/damage/large", headers={"Range": "bytes=0-9"})
        assert reply.status in (206, 500) and (reply.status == 500 or reply.body == body[:10])
    server.stop()
