# SPDX-License-Identifier: Apache-2.0
"""Trees and targets as users have them: what cannot be read, what is in the way, what is within itself."""

import http.server
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import threading

import pytest
from conftest import BIN, MIB, body_of, file_of, keys, put, run

ORDINARY = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search"]


@pytest.fixture(scope="module")
def env(server, tmp_path_factory):
    return server.client_env(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def tarn(env):
    return lambda *args, status=0, **options: run([BIN / "tarn", *args], env, status, timeout=120, **options)


@pytest.fixture
def uri(bucket):
    return f"s3://{bucket}"


@pytest.fixture
def ordinary(env):
    """tarn without root's right to read what nobody may."""

    def call(*args, status=0):
        prefix = ORDINARY if os.geteuid() == 0 else []
        return run([*prefix, BIN / "tarn", *args], env, status, timeout=120)

    if os.geteuid() == 0 and (not shutil.which("setpriv") or subprocess.run([*ORDINARY, "true"]).returncode):
        pytest.skip("needs setpriv(1)")
    return call


@pytest.fixture
def closed(tmp_path):
    """A tree with a directory and a file that cannot be read, and a link to what is not there."""
    root = tmp_path / "tree"
    for name in ("a.txt", "closed/b.txt", "open/c.txt"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    (root / "closed").chmod(0)
    yield root
    (root / "closed").chmod(0o755)


# --- what cannot be read ---

CLOSED = [
    ([], True),
    (["--include", "*.txt"], True),
    (["--include", "closed/*"], True),
    (["--include", "path:closed/deep"], True),
    (["--include", "path:closed"], True),
    (["--include", "regex:b.txt$"], True),
    (["--exclude", "*.log"], True),
    (["--exclude", "closed/*.txt"], True),
    (["--exclude", "closed"], True),
    (["--include", "closed/b.txt", "--exclude", "closed/*"], True),
    (["--include", "open/*"], False),
    (["--include", "path:open"], False),
    (["--exclude", "closed/*"], False),
    (["--exclude", "path:closed"], False),
    (["--exclude", "clo*"], False),
    (["--include", "open/*", "--exclude", "*"], False),
]


@pytest.mark.parametrize("args,is_told", CLOSED, ids=lambda value: " ".join(value) or "none" if isinstance(value, list) else "")
def test_directory_that_cannot_be_read(ordinary, uri, bucket, s3, closed, args, is_told):
    """A failure, unless the filters leave out all that may be in it; and then nothing is deleted."""
    put(s3, bucket, "closed/b.txt", "closed/deep/d.txt")
    for command in (["cp", "-r"], ["sync"], ["sync", "--delete"]):
        done = ordinary(*command, *args, closed, uri, status=1 if is_told else 0)
        assert (b"closed" in done.stderr) == is_told, (command, done.stderr)
        assert {"closed/b.txt", "closed/deep/d.txt"} <= set(keys(s3, bucket))


@pytest.mark.parametrize("args,is_told", [([], True), (["--include", "*.txt"], True), (["--exclude", "gone"], False), (["--include", "a*"], False)],
                         ids=lambda value: " ".join(value) or "none" if isinstance(value, list) else "")
def test_link_to_what_is_not_there(tarn, uri, bucket, s3, tmp_path, args, is_told):
    """It may stand for a directory that is not mounted today."""
    root = tmp_path / "tree"
    root.mkdir()
    (root / "a.txt").write_text("a")
    (root / "gone").symlink_to("/nowhere/at/all")
    put(s3, bucket, "gone/b.txt")
    done = tarn("sync", "--delete", *args, root, uri, status=1 if is_told else 0)
    assert (b"gone" in done.stderr) == is_told
    assert ("gone/b.txt" in keys(s3, bucket)) or args == ["--exclude", "gone"]


def test_file_that_cannot_be_read(ordinary, uri, bucket, s3, tmp_path):
    root = tmp_path / "tree"
    root.mkdir()
    for name in ("a", "b"):
        (root / name).write_text(name)
    (root / "a").chmod(0)
    put(s3, bucket, "old")
    done = ordinary("sync", "--delete", root, uri, status=1)
    assert b"Permission denied" in done.stderr and b"nothing is deleted" in done.stderr
    assert keys(s3, bucket) == ["b", "old"]


def test_target_that_is_read_only(ordinary, uri, bucket, s3, tmp_path):
    put(s3, bucket, "d/a", "d/b")
    target = tmp_path / "target"
    target.mkdir(mode=0o555)
    for command in (["cp", "-r", f"{uri}/d"], ["sync", f"{uri}/d"], ["cp", f"{uri}/d/a"]):
        done = ordinary(*command, target, status=1)
        assert b"Permission denied" in done.stderr
    assert list(target.iterdir()) == []
    target.chmod(0o755)


def test_special_files_do_not_hang(tarn, uri, bucket, s3, tmp_path):
    root = tmp_path / "tree"
    root.mkdir()
    os.mkfifo(root / "pipe")
    (root / "file").write_text("x")
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(root / "socket"))
        for command in (["cp", "-r"], ["sync"], ["mv", "-r"]):
            done = tarn(*command, root, f"{uri}/{command[0]}")
            assert done.stderr.count(b"not a regular file") == 2
            assert keys(s3, bucket)[-1] == f"{command[0]}/file" or command[0] == "mv"
        tarn("cp", root / "socket", f"{uri}/s", status=1)


def test_pipe_that_nobody_writes_can_be_left(env, uri, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen([BIN / "tarn", "cp", tmp_path / "pipe", f"{uri}/k"], env=env, stderr=subprocess.PIPE) as process:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)
        process.send_signal(signal.SIGINT)
        try:
            process.communicate(timeout=20)
        finally:
            process.kill()
    assert process.returncode == -signal.SIGINT


def test_pipe_is_read_to_its_end(tarn, uri, bucket, s3, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    body = body_of(9 * MIB)
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(body,))
    writer.start()
    tarn("cp", tmp_path / "pipe", f"{uri}/k")
    writer.join()
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == body


# --- what is in the way ---


@pytest.mark.parametrize("size", [10, 20 * MIB], ids=["small", "large"])
@pytest.mark.parametrize("kind", ["pipe", "device", "link to a device", "socket"])
def test_special_file_is_not_replaced(tarn, uri, tmp_path, kind, size):
    """`tarn cp s3://b/k /dev/null`, as root, must leave /dev/null what it is."""
    target = tmp_path / "target"
    keeper = socket.socket(socket.AF_UNIX)
    if kind == "pipe":
        os.mkfifo(target)
    elif kind == "socket":
        keeper.bind(str(target))
    elif kind == "link to a device":
        target.symlink_to("/dev/null")
    else:
        try:
            os.mknod(target, 0o600 | stat.S_IFCHR, os.makedev(1, 3))
        except PermissionError:
            pytest.skip("needs mknod(2)")
    before = os.lstat(target)
    tarn("cp", file_of(tmp_path / "f", size), f"{uri}/d/target")
    for command in (["cp", f"{uri}/d/target", target], ["cp", "-r", f"{uri}/d", tmp_path], ["mv", f"{uri}/d/target", target]):
        done = tarn(*command, status=1)
        assert b"not a regular file" in done.stderr
    after = os.lstat(target)
    assert (before.st_mode, before.st_ino) == (after.st_mode, after.st_ino)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["f", "target"]
    assert tarn("ls", "-R", uri).stdout.count(b"d/target") == 1
    keeper.close()


@pytest.mark.parametrize("command", [["cp", "-r"], ["sync"]], ids=" ".join)
def test_file_and_directory_of_one_name(tarn, uri, bucket, s3, tmp_path, command):
    """Keys `a` and `a/b` cannot both be files: one of them is told, everything else arrives, no rest is left."""
    put(s3, bucket, "a", "a/b", "c")
    done = tarn(*command, uri, tmp_path / "t", status=1)
    assert done.stderr.count(b"\n") == 1 and (tmp_path / "t/c").read_text() == "c"
    assert not list((tmp_path / "t").rglob("*.part*"))


def test_directory_in_the_way_of_a_file(tarn, uri, bucket, s3, tmp_path):
    put(s3, bucket, "a", "d/x")
    s3.put_object(Bucket=bucket, Key="large", Body=body_of(20 * MIB))
    for name in ("a/inner", "large/inner"):
        (tmp_path / "t" / name).mkdir(parents=True)
    (tmp_path / "t/d").write_text("a file")
    for command in (["cp", "-r"], ["sync"]):
        done = tarn(*command, uri, tmp_path / "t", status=1)
        assert done.stderr.count(b"is a directory") == 2 and b"not a directory" in done.stderr
    assert (tmp_path / "t/d").read_text() == "a file" and not list((tmp_path / "t").rglob("*.part*"))


def test_names_at_the_limit_of_the_file_system(tarn, uri, bucket, s3, tmp_path):
    names = ["k" * 255, "n" * 250, "o" * 251, "d" * 255 + "/x"]
    put(s3, bucket, *names, "t" * 256, "u" * 256 + "/x", "z")
    s3.put_object(Bucket=bucket, Key="L" * 255, Body=body_of(20 * MIB))
    for command in (["cp", "-r"], ["sync"], ["sync", "--delete"]):
        done = tarn(*command, uri, tmp_path / "t", status=1)
        told = [line for line in done.stderr.splitlines() if b"too long" in line]
        assert len(told) == 2, done.stderr
        for name in [*names, "z"]:
            assert (tmp_path / "t" / name).read_text() == name
        assert (tmp_path / "t" / ("L" * 255)).stat().st_size == 20 * MIB
    tarn("cp", f"{uri}/{names[0]}", tmp_path / "t")
    tarn("cp", f"{uri}/{names[0]}", tmp_path / "t")


def test_keys_that_differ_in_case_only(tarn, uri, bucket, s3, tmp_path):
    put(s3, bucket, "A/x", "a/x", "a/X")
    tarn("cp", "-r", uri, tmp_path / "t")
    tarn("sync", uri, tmp_path / "u")
    for root in ("t", "u"):
        assert sorted(p.read_text() for p in (tmp_path / root).rglob("*") if p.is_file()) == ["A/x", "a/X", "a/x"]


def test_names_that_are_no_utf8(tarn, uri, tmp_path):
    """Such a key is refused by the server, alone, and in plain words."""
    root = os.fsencode(tmp_path / "tree")
    os.mkdir(root)
    for name in (b"good", b"bad\xff"):
        with open(os.path.join(root, name), "wb") as file:
            file.write(name)
    for command in (["cp", "-r"], ["sync"]):
        done = tarn(*command, os.fsdecode(root), uri, status=1)
        assert b"bad\\xff" in done.stderr and done.stderr.count(b"\n") == 1
    assert tarn("ls", "-R", uri).stdout.count(b"\n") == 1


# --- onto and into itself ---


@pytest.mark.parametrize("change", [[], ["--content-type", "text/new"], ["--storage-class", "STANDARD_IA"], ["--metadata-directive", "REPLACE"],
                                    ["--metadata", "a=1"], ["--sse", "AES256"]], ids=lambda args: args[0] if args else "none")
def test_nothing_moves_onto_itself(tarn, uri, bucket, s3, change):
    """A copy onto itself is one; to delete the source behind it would leave nothing."""
    names = ["d/a", "d/sub/b"]
    put(s3, bucket, *names)
    for source, target in [(f"{uri}/d/a", f"{uri}/d/"), (f"{uri}/d/a", f"{uri}/d/a"), (f"{uri}/d/a*", f"{uri}/d"), (f"{uri}/d/*", f"{uri}/d/")]:
        assert b"same" in tarn("mv", *change, source, target, status=2).stderr
    for source, target in [(f"{uri}/d/", f"{uri}/d"), (f"{uri}/d", f"{uri}/d/"), (uri, f"{uri}/")]:
        assert b"same" in tarn("mv", "-r", *change, source, target, status=2).stderr
    assert keys(s3, bucket) == names


def test_tree_onto_itself(tarn, uri, bucket, s3):
    put(s3, bucket, "d/a", "d/b")
    assert tarn("cp", "-r", f"{uri}/d", f"{uri}/d/", status=2).stderr.count(b"same object") == 2
    tarn("cp", "-r", "--content-type", "text/new", f"{uri}/d", f"{uri}/d/")
    assert s3.head_object(Bucket=bucket, Key="d/a")["ContentType"] == "text/new"
    tarn("sync", f"{uri}/d", f"{uri}/d", status=2)


@pytest.mark.parametrize("command,source", [("cp", "-r {}"), ("mv", "-r {}/"), ("cp", "{}/*"), ("mv", "-r {}/d")])
def test_tree_into_itself_ends(tarn, uri, bucket, s3, command, source):
    """More keys than a page of the listing has: what was just copied is found behind it."""
    names = [f"d/{i:04}" for i in range(1200)]
    for name in names:
        s3.put_object(Bucket=bucket, Key=name, Body=b"x")
    s3.put_object(Bucket=bucket, Key="d/e/old", Body=b"x")
    done = tarn(command, *source.format(uri).split(), f"{uri}/d/e")
    assert done.stderr.count(b"within the source") == 1
    left = [o["Key"] for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket) for o in page["Contents"]]
    assert len(left) == (2401 if command == "cp" else 1201)
    assert sum(key.startswith("d/e/") for key in left) == 1201 and not any("/e/e/" in key for key in left)


# --- deletions that must not be ---


def test_sync_of_what_vanishes(env, uri, bucket, s3, tmp_path):
    """A directory that goes away while it is walked: nothing is deleted."""
    put(s3, bucket, "d/old")
    for args in ([tmp_path / "absent"], [file_of(tmp_path / "file", 3)]):
        done = run([BIN / "tarn", "sync", "--delete", *args, uri], env, None)
        assert done.returncode in (1, 2) and keys(s3, bucket) == ["d/old"]


class HalfListing(http.server.BaseHTTPRequestHandler):
    """A bucket whose listing has a first page, and then trouble; it counts what is deleted."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path, _, query = self.path.partition("?")
        body = b"k001"
        status = 200
        if "list-type=2" in query:
            keys = "".join(f"<Contents><Key>k{i:03}</Key><Size>4</Size><ETag>&quot;e&quot;</ETag><LastModified>2020-01-02T03:04:05.000Z</LastModified></Contents>" for i in range(10))
            body = f"<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>{keys}</ListBucketResult>".encode()
            if "continuation-token=" in query or "start-after=" in query:
                status, body = self.server.trouble
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", '"e"')
        self.send_header("Last-Modified", "Thu, 02 Jan 2020 03:04:05 GMT")
        self.end_headers()
        self.wfile.write(body)

    def do_PUT(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.send_header("ETag", '"e"')
        self.end_headers()

    def do_POST(self):
        self.server.deletions += 1
        self.do_PUT()

    do_DELETE = do_POST

    def log_message(self, *args):
        pass


TROUBLE = {
    "500": (500, b"<Error><Code>InternalError</Code></Error>"), "403": (403, b"<Error><Code>AccessDenied</Code></Error>"),
    "not XML": (200, b"<html>"), "cut": (200, b"<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>k"),
    "no end": (200, b"<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>"),
}


@pytest.mark.parametrize("trouble", TROUBLE)
def test_listing_that_fails_in_the_middle(env, tmp_path, trouble):
    """What was not listed may be there all the same: nothing is deleted, on neither side."""
    fake = http.server.ThreadingHTTPServer(("127.0.0.1", 0), HalfListing)
    fake.deletions, fake.trouble = 0, TROUBLE[trouble]
    threading.Thread(target=fake.serve_forever, daemon=True).start()
    local = tmp_path / "local"
    local.mkdir()
    for name in ("a", "k0005", "k500", "z"):
        (local / name).write_text(name)
    there = dict(env, AWS_ENDPOINT_URL=f"http://127.0.0.1:{fake.server_address[1]}")
    for source, target in [("s3://bucket", local), (local, "s3://bucket"), ("s3://bucket", "s3://other")]:
        done = run([BIN / "tarn", "sync", "--delete", "--max-retries", "1", source, target], there, None, timeout=60)
        assert done.returncode in (1, 2, 3) and done.stderr, done
        assert b"Deleted" not in done.stdout and fake.deletions == 0
        assert {"a", "k0005", "k500", "z"} <= {p.name for p in local.iterdir()}
    fake.shutdown()
    fake.server_close()


def test_names_in_the_target_are_literal(tarn, uri, bucket, s3, tmp_path):
    """A target with a backslash is compared with what is really below it."""
    put(s3, bucket, "a*b/other")
    source = tmp_path / "s"
    source.mkdir()
    (source / "f").write_text("x")
    for count in (1, 0):
        assert tarn("sync", "--delete", source, f"{uri}/a\\*b").stdout.count(b"Copied") == count
    assert keys(s3, bucket) == ["a*b/other", "a\\*b/f"]


def test_file_named_dash(tarn, uri, bucket, s3, tmp_path):
    (tmp_path / "-").write_text("dash")
    tarn("cp", "file://-", f"{uri}/k", cwd=tmp_path, input=b"standard input")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"dash"


def test_rows_of_a_tree(tarn, uri, tmp_path):
    """What was not taken is counted, in JSON too."""
    (tmp_path / "t").mkdir()
    for name in ("a", "b"):
        (tmp_path / "t" / name).write_text(name)
    rows = [json.loads(line) for line in tarn("cp", "-r", "--json", "--exclude", "b", tmp_path / "t", uri).stdout.splitlines()]
    assert [row["source"].rsplit("/")[-1] for row in rows] == ["a"]
