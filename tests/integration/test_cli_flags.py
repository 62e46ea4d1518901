# SPDX-License-Identifier: Apache-2.0
"""What the options of transfers do, each by its effect: most of them are promises that others only parse."""

import base64
import hashlib
import http.server
import json
import os
import pathlib
import re
import socket
import stat
import subprocess
import threading
import time

import pytest

from conftest import BIN, MIB, body_of, digest_of, file_of, run
from proxy import Proxy


@pytest.fixture(scope="module")
def env(server, tmp_path_factory):
    return server.client_env(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def tarn(env):
    return lambda *args, **options: run([BIN / "tarn", *args], options.pop("env", env), **options)


@pytest.fixture
def uri(bucket):
    return f"s3://{bucket}"


@pytest.fixture
def tree(tmp_path):
    root = tmp_path / "tree"
    for name in ("a.txt", "b.log", "d/c.txt", "d/e.log", "x/y/z.bin", "keep.log"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    return root


def keys(s3, bucket):
    return {o["Key"] for o in s3.list_objects_v2(Bucket=bucket).get("Contents", [])}


# --- which objects ---

FILTERS = [
    ([], {"a.txt", "b.log", "d/c.txt", "d/e.log", "x/y/z.bin", "keep.log"}),
    (["--include", "*.txt"], {"a.txt", "d/c.txt"}),
    (["--exclude", "*.log"], {"a.txt", "d/c.txt", "x/y/z.bin"}),
    (["--include", "keep.log", "--exclude", "*.log"], {"a.txt", "d/c.txt", "x/y/z.bin", "keep.log"}),
    (["--exclude", "path:d", "--exclude", "regex:^x/"], {"a.txt", "b.log", "keep.log"}),
    (["--filter-from", "RULES"], {"keep.log", "a.txt", "d/c.txt"}),
]


@pytest.mark.parametrize("args,wanted", FILTERS, ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_filters(tarn, uri, bucket, s3, tree, tmp_path, args, wanted):
    rules = tmp_path / "rules"
    rules.write_text("# rules\n+ keep.log\n- *.log\n- path:x\n")
    args = [str(rules) if arg == "RULES" else arg for arg in args]
    tarn("cp", "-r", *args, tree, uri)
    assert keys(s3, bucket) == wanted
    tarn("cp", "-r", tree, f"{uri}/all")
    tarn("cp", "-r", *args, f"{uri}/all", tmp_path / "back")
    assert {str(p.relative_to(tmp_path / "back")) for p in (tmp_path / "back").rglob("*") if p.is_file()} == wanted


def test_bad_filters(tarn, uri, tree, tmp_path):
    (tmp_path / "rules").write_text("what is this\n")
    assert b"line 1" in tarn("cp", "-r", "--filter-from", tmp_path / "rules", tree, uri, status=2).stderr
    tarn("cp", "-r", "--filter-from", tmp_path / "absent", tree, uri, status=2)
    tarn("cp", "-r", "--exclude", "regex:(", tree, uri, status=2)


def test_flatten_refuses_two_of_one_name(tarn, uri, bucket, s3, tmp_path):
    for name in ("a/x", "b/x", "b/y"):
        (tmp_path / "t" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "t" / name).write_text(name)
    tarn("cp", "-r", "--flatten", tmp_path / "t", uri, status=1)
    assert keys(s3, bucket) == {"x", "y"}
    assert s3.get_object(Bucket=bucket, Key="x")["Body"].read() == b"a/x"


def test_conditions(tarn, uri, bucket, s3, tmp_path):
    source = tmp_path / "f"
    source.write_bytes(b"12345")
    tarn("cp", source, f"{uri}/k")
    for args, is_copied in [
        (["-n"], False), (["--ignore-existing"], False), (["--if-size-differ"], False), (["--if-source-newer"], False), ([], True),
    ]:
        rows = [json.loads(line) for line in tarn("cp", "--json", *args, source, f"{uri}/k").stdout.splitlines()]
        assert rows[0].get("skipped", False) != is_copied and (is_copied or rows[0]["reason"]), args
    source.write_bytes(b"1234567")
    assert b"Copied" in tarn("cp", "--if-size-differ", source, f"{uri}/k").stdout
    os.utime(source, (time.time() + 1000, time.time() + 1000))
    assert b"Copied" in tarn("cp", "--if-source-newer", source, f"{uri}/k").stdout
    assert b"Copied" not in tarn("cp", "--if-source-newer", "--if-size-differ", source, f"{uri}/k").stdout


def test_raw_takes_wildcards_literally(tarn, uri, bucket, s3):
    for key in ("a*", "ab", "q?", "qx"):
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    assert tarn("cat", "--raw", f"{uri}/a*").stdout == b"a*"
    assert tarn("cat", f"{uri}/q?").stdout == b"q?qx"
    tarn("rm", "--raw", f"{uri}/q?")
    assert keys(s3, bucket) == {"a*", "ab", "qx"}


def test_dry_run_changes_nothing(tarn, uri, bucket, s3, tree, tmp_path):
    for command in (["cp", "-r", tree, uri], ["mv", "-r", tree, uri], ["sync", tree, uri]):
        done = tarn(*command, "--dry-run")
        assert done.stdout.count(b"(dry-run) Would ") == 6
    assert keys(s3, bucket) == set() and (tree / "a.txt").exists()
    tarn("cp", "-r", tree, uri)
    for command in (["cp", "-r", uri, tmp_path / "back"], ["mv", "-r", uri, tmp_path / "back"], ["sync", uri, tmp_path / "back"]):
        tarn(*command, "--dry-run")
    assert not (tmp_path / "back").exists() and len(keys(s3, bucket)) == 6


# --- what is stored beside the bytes ---

ATTRIBUTES = [
    "--content-type", "text/x-test", "--content-encoding", "gzip", "--content-disposition", "attachment; filename=\"f\"",
    "--content-language", "de", "--cache-control", "max-age=5", "--expires-header", "2035-01-02T03:04:05Z",
    "--metadata", "one=1", "--metadata", "Two=2 and more", "--storage-class", "standard_ia",
]


@pytest.mark.parametrize("size", [10, 20 * MIB])
@pytest.mark.parametrize("how", ["cp", "pipe", "copy", "sync", "mv"])
def test_attributes_arrive(tarn, uri, bucket, s3, tmp_path, how, size):
    (tmp_path / "t").mkdir()
    source = file_of(tmp_path / "t/k", size)
    if how == "pipe":
        tarn("pipe", *ATTRIBUTES, f"{uri}/k", input=source.read_bytes())
    elif how == "sync":
        tarn("sync", *ATTRIBUTES, tmp_path / "t", uri)
    else:
        if how == "copy":
            tarn("cp", "--metadata", "old=gone", source, f"{uri}/from")
            source, directive = f"{uri}/from", ["--metadata-directive", "REPLACE"]
        else:
            directive = []
        tarn("mv" if how == "mv" else "cp", *ATTRIBUTES, *directive, source, f"{uri}/k")
    head = s3.head_object(Bucket=bucket, Key="k")
    assert head["ContentType"] == "text/x-test" and head["ContentEncoding"] == "gzip"
    assert head["ContentDisposition"] == "attachment; filename=\"f\"" and head["ContentLanguage"] == "de"
    assert head["CacheControl"] == "max-age=5" and head["ExpiresString"].startswith("Tue, 02 Jan 2035 03:04:05")
    assert head["Metadata"] == {"one": "1", "two": "2 and more"} and head["StorageClass"] == "STANDARD_IA"


def test_copies_keep_what_is_not_replaced(tarn, uri, bucket, s3, tmp_path):
    source = file_of(tmp_path / "f", 10)
    tarn("cp", "--metadata", "one=1", "--cache-control", "no-cache", source, f"{uri}/a")
    tarn("cp", "--content-type", "text/new", f"{uri}/a", f"{uri}/b")
    head = s3.head_object(Bucket=bucket, Key="b")
    assert head["ContentType"] == "text/new" and head["CacheControl"] == "no-cache" and head["Metadata"] == {"one": "1"}


BAD_ATTRIBUTES = [
    ["--acl", "nobody"], ["--metadata", "novalue"], ["--metadata", "a=1", "--metadata", "A=2"], ["--metadata", "bad name=1"],
    ["--content-type", "a\nb"], ["--expires-header", "tomorrow"], ["--metadata-directive", "MERGE"], ["--sse", "rot13"],
]


@pytest.mark.parametrize("args", BAD_ATTRIBUTES, ids=lambda args: " ".join(args))
def test_bad_attributes(tarn, uri, bucket, s3, tmp_path, args):
    tarn("cp", *args, file_of(tmp_path / "f", 1), f"{uri}/k", status=2)
    assert keys(s3, bucket) == set()


# --- files ---


def test_preserve(tarn, uri, tmp_path):
    source = file_of(tmp_path / "f", 10)
    source.chmod(0o640)
    os.utime(source, ns=(10**18, 1234567890_123456789))
    for target in (f"{uri}/k", f"{uri}/k"):
        tarn("cp", "-p", source, target)
    tarn("cp", f"{uri}/k", f"{uri}/l")
    tarn("cp", "-p", f"{uri}/l", tmp_path / "back")
    info = (tmp_path / "back").stat()
    assert stat.S_IMODE(info.st_mode) == 0o640 and info.st_mtime_ns == 1234567890_123456789


@pytest.mark.parametrize("metadata", [
    ["mtime=soon"], ["mtime=-5"], ["mtime=99999999999999999999"], ["mtime=1.x"], ["mode=999"], ["mode=0104755"], ["mode="], ["mtime=1", "mode=0600"],
], ids=" ".join)
def test_preserve_of_hostile_metadata(tarn, uri, tmp_path, metadata):
    args = [part for item in metadata for part in ("--metadata", item)]
    tarn("cp", *args, file_of(tmp_path / "f", 10), f"{uri}/k")
    tarn("cp", "-p", f"{uri}/k", tmp_path / "back")
    assert (tmp_path / "back").stat().st_mode & 0o7000 == 0 and (tmp_path / "back").stat().st_size == 10


def test_symbolic_links(tarn, uri, bucket, s3, tmp_path):
    root = tmp_path / "t"
    (root / "d").mkdir(parents=True)
    (root / "d/x").write_text("x")
    (root / "file-link").symlink_to("d/x")
    (root / "dir-link").symlink_to("d")
    (root / "d/loop").symlink_to("..")
    tarn("cp", "-r", root, f"{uri}/follow")
    assert keys(s3, bucket) == {"follow/d/x", "follow/file-link", "follow/dir-link/x"}
    tarn("cp", "-r", "--no-follow-symlinks", root, f"{uri}/leave")
    assert keys(s3, bucket) - {"follow/d/x", "follow/file-link", "follow/dir-link/x"} == {"leave/d/x"}


def test_sparse_file(tarn, uri, tmp_path):
    source = tmp_path / "sparse"
    with open(source, "wb") as file:
        file.truncate(30 * MIB)
        file.seek(20 * MIB)
        file.write(b"island")
    tarn("cp", source, f"{uri}/k")
    tarn("cp", f"{uri}/k", tmp_path / "back")
    assert digest_of(tmp_path / "back") == digest_of(source)


def test_unreadable_file_is_reported_alone(tarn, uri, bucket, s3, tree):
    (tree / "gone").symlink_to("nowhere")
    done = tarn("cp", "-r", tree, uri, status=1)
    assert b"gone" in done.stderr and len(keys(s3, bucket)) == 6


@pytest.mark.parametrize("change", ["grow", "shrink", "touch"])
def test_file_that_changes_while_it_is_read(env, server, uri, bucket, s3, tmp_path, change):
    source = file_of(tmp_path / "f", 40 * MIB)
    proxy = Proxy(server.host, server.port)
    proxy.limit("up", 12 * MIB)
    command = [BIN / "tarn", "cp", "--concurrency", "1", source, f"{uri}/k"]
    process = subprocess.Popen(command, env=dict(env, AWS_ENDPOINT_URL=proxy.url), stderr=subprocess.PIPE)
    proxy.wait_for_limit(60)
    with open(source, "r+b") as file:
        if change == "grow":
            file.seek(0, 2)
            file.write(b"more")
        elif change == "shrink":
            file.truncate(14 * MIB)
        else:
            file.write(b"other")
    proxy.limit(None, 0)
    error = process.communicate(timeout=120)[1]
    proxy.close()
    assert process.returncode == 3, error
    assert keys(s3, bucket) == set() and "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 20 MiB, in a mount namespace of its own when we may have one."""
    if os.geteuid() != 0:
        pytest.skip("needs mount(8)")
    place = tmp_path / "disk"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "none", place], capture_output=True).returncode:
        pytest.skip("needs mount(8)")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def test_full_disk(tarn, uri, tmp_path, small_disk):
    tarn("cp", file_of(tmp_path / "f", 30 * MIB), f"{uri}/big")
    tarn("cp", file_of(tmp_path / "g", 100), f"{uri}/small")
    done = tarn("cp", f"{uri}/big", small_disk / "big", status=2)
    assert b"No space" in done.stderr and list(small_disk.iterdir()) == []
    (small_disk / "filler").write_bytes(bytes(19 * MIB))
    tarn("cp", "-r", uri, small_disk, status=1)
    assert sorted(p.name for p in small_disk.iterdir()) == ["filler", "small"]


class Archive(http.server.BaseHTTPRequestHandler):
    """A bucket with an object of each kind; what is archived and not restored cannot be read."""

    protocol_version = "HTTP/1.1"
    objects = {
        "d/cold": ("DEEP_ARCHIVE", None), "d/glacier": ("GLACIER", 'ongoing-request="true"'), "d/instant": ("GLACIER_IR", None),
        "d/restored": ("GLACIER", 'ongoing-request="false", expiry-date="Fri, 21 Dec 2040 00:00:00 GMT"'), "d/warm": ("STANDARD", None),
    }

    def reply(self, status, body, headers=()):
        self.send_response(status)
        for name, value in [("Content-Length", str(len(body))), ("ETag", '"c4ca4238a0b923820dcc509a6f75849b"'), *headers]:
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self):
        key = self.path.split("?")[0].removeprefix("/bucket/")
        if key not in self.objects:
            rows = "".join(f"<Contents><Key>{k}</Key><Size>1</Size><StorageClass>{c}</StorageClass></Contents>" for k, (c, _) in self.objects.items())
            return self.reply(200, f"<ListBucketResult><IsTruncated>false</IsTruncated>{rows}</ListBucketResult>".encode())
        name, restore = self.objects[key]
        headers = [("x-amz-storage-class", name)] + ([("x-amz-restore", restore)] if restore else [])
        if self.command == "GET" and name in ("GLACIER", "DEEP_ARCHIVE") and "false" not in (restore or ""):
            return self.reply(403, b"<Error><Code>InvalidObjectState</Code><Message>archived</Message></Error>")
        return self.reply(200, b"1", headers)

    do_HEAD = do_GET

    def log_message(self, *args):
        pass


@pytest.fixture
def archive():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Archive)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("command", [["cp", "-r"], ["sync"]], ids=" ".join)
def test_archived_objects(tarn, archive, tmp_path, command):
    """Skipped with a warning and exit 1; silent when told so; tried, and failed, when told so."""
    target = tmp_path / "t"
    source = ["--endpoint", archive, "s3://bucket/d"]
    done = tarn(*command, *source, target, status=1)
    assert done.stderr.count(b"archived") == 2
    assert sorted(p.name for p in target.iterdir()) == ["instant", "restored", "warm"]
    assert b"archived" not in tarn(*command, "--ignore-glacier-warnings", *source, tmp_path / "u").stderr
    done = tarn(*command, "--force-glacier-transfer", *source, tmp_path / "v", status=1)
    assert done.stderr.count(b"InvalidObjectState") == 2


def test_one_archived_object(tarn, archive, tmp_path):
    done = tarn("cp", "--endpoint", archive, "s3://bucket/d/cold", tmp_path / "x", status=1)
    assert b"must be restored" in done.stderr and list(tmp_path.iterdir()) == []
    tarn("cp", "--ignore-glacier-warnings", "--endpoint", archive, "s3://bucket/d/cold", tmp_path / "x")


# --- requests ---


class Recorder(http.server.BaseHTTPRequestHandler):
    """Answers every request alike and keeps what it was."""

    protocol_version = "HTTP/1.1"

    def answer(self):
        length = int(self.headers.get("Content-Length") or 0)
        self.rfile.read(length)
        self.server.seen.append((self.command, self.path, dict(self.headers.items()), time.monotonic()))
        body = b"" if self.command in ("HEAD", "PUT") else b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", '"0"')
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = answer

    def log_message(self, *args):
        pass


@pytest.fixture
def recorder():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Recorder)
    server.seen = []
    server.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def header(request, name):
    return {k.lower(): v for k, v in request[2].items()}.get(name)


HEADER_FLAGS = [
    (["--acl", "public-read"], "x-amz-acl", "public-read"),
    (["--sse", "AES256"], "x-amz-server-side-encryption", "AES256"),
    (["--sse", "aws:kms", "--sse-kms-key-id", "k1"], "x-amz-server-side-encryption-aws-kms-key-id", "k1"),
    (["--storage-class", "GLACIER_FLEXIBLE_RETRIEVAL"], "x-amz-storage-class", "GLACIER"),
    (["--request-payer"], "x-amz-request-payer", "requester"),
    (["--tagging", "a=1&b=2"], "x-amz-tagging", "a=1&b=2"),
    (["--website-redirect", "/x"], "x-amz-website-redirect-location", "/x"),
    (["--no-sign-request"], "authorization", None),
    (["-n"], "if-none-match", "*"),
]


@pytest.mark.parametrize("args,name,value", HEADER_FLAGS, ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_flags_become_headers(tarn, env, recorder, tmp_path, args, name, value):
    source = file_of(tmp_path / "f", 100)
    tarn("cp", "--checksum-algorithm", "NONE", "--endpoint", recorder.url, *args, source, "s3://bucket/key")
    put = [request for request in recorder.seen if request[0] == "PUT"]
    assert len(put) == 1 and header(put[0], name) == value


def test_customer_key(tarn, recorder, tmp_path):
    (tmp_path / "raw").write_bytes(bytes(range(32)))
    (tmp_path / "text").write_bytes(base64.b64encode(bytes(range(32))) + b"\n")
    for name in ("raw", "text"):
        tarn("cp", "--checksum", "NONE", "--endpoint", recorder.url, "--sse-c-key-file", tmp_path / name, tmp_path / "raw", "s3://bucket/key")
        put = recorder.seen[-1]
        assert header(put, "x-amz-server-side-encryption-customer-algorithm") == "AES256"
        assert base64.b64decode(header(put, "x-amz-server-side-encryption-customer-key")) == bytes(range(32))
        assert base64.b64decode(header(put, "x-amz-server-side-encryption-customer-key-md5")) == hashlib.md5(bytes(range(32))).digest()
    assert not any(name.lower().startswith("x-amz-copy-source") for name in recorder.seen[-1][2])
    tarn("cp", "--endpoint", recorder.url, "--sse-c-key-file", tmp_path / "raw", "s3://bucket/key", "s3://bucket/other", status=1)
    copy = [request for request in recorder.seen if header(request, "x-amz-copy-source")][0]
    assert header(copy, "x-amz-copy-source-server-side-encryption-customer-key-md5")
    for content in (b"", b"short", bytes(33), b"=" * 44):
        (tmp_path / "bad").write_bytes(content)
        tarn("ls", "--sse-c-key-file", tmp_path / "bad", "s3://bucket", status=2)


def test_request_payer_is_on_every_request(tarn, recorder):
    tarn("ls", "--request-payer", "--endpoint", recorder.url, "s3://bucket/p")
    assert recorder.seen and all(header(request, "x-amz-request-payer") == "requester" for request in recorder.seen)


def test_list_v1(tarn, recorder):
    tarn("ls", "--use-list-objects-v1", "--endpoint", recorder.url, "s3://bucket/p")
    tarn("ls", "--endpoint", recorder.url, "s3://bucket/p")
    assert "list-type" not in recorder.seen[0][1] and "list-type=2" in recorder.seen[1][1]


def test_addressing(tarn, env, recorder):
    tarn("ls", "--path-style", "--endpoint", recorder.url, "s3://bucket/p")
    assert recorder.seen[-1][1].startswith("/bucket")
    for args in (["--use-acceleration", "--endpoint", recorder.url], ["--path-style", "--virtual"]):
        tarn("ls", *args, "s3://bucket", status=2)


def test_hosts_of_aws(tarn, env, recorder):
    """Which host is asked, seen through a proxy."""
    env = {k: v for k, v in env.items() if not k.startswith("AWS_ENDPOINT")}
    for args, host in [
        (["--use-acceleration"], "bucket.s3-accelerate.amazonaws.com"),
        (["--dualstack"], "bucket.s3.dualstack.us-east-1.amazonaws.com"),
        (["--fips"], "bucket.s3-fips.us-east-1.amazonaws.com"),
        (["--region", "eu-west-1"], "bucket.s3.eu-west-1.amazonaws.com"),
    ]:
        seen = connect_target(tarn, env, args)
        assert seen == f"{host}:443", (args, seen)


def connect_target(tarn, env, args):
    """The host that a CONNECT names; the proxy then refuses."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        found = []

        def serve():
            connection = listener.accept()[0]
            found.append(connection.recv(4096).split(b" ")[1].decode())
            connection.sendall(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n")
            connection.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        proxy = f"http://127.0.0.1:{listener.getsockname()[1]}"
        tarn("ls", *args, "--max-retries", "0", "--proxy", proxy, "s3://bucket", env=env, status=None)
        thread.join(20)
    return found and found[0]


def test_bandwidth(tarn, uri, tmp_path):
    source = file_of(tmp_path / "f", 6 * MIB)
    for command in (["cp", source, f"{uri}/k"], ["cp", f"{uri}/k", tmp_path / "back"], ["cat", f"{uri}/k"]):
        start = time.monotonic()
        tarn(*command, "--max-bandwidth", "3M")
        assert 1.5 < time.monotonic() - start < 20
    assert digest_of(tmp_path / "back") == digest_of(source)


def test_request_rate(tarn, uri, tmp_path):
    for i in range(40):
        file_of(tmp_path / f"t{i}", 10)
    start = time.monotonic()
    tarn("cp", "-r", "--request-rate", "20", "--include", "t*", tmp_path, uri)
    assert 1.7 < time.monotonic() - start < 30


@pytest.mark.parametrize("args", [["--max-bandwidth", "fast"], ["--request-rate", "0"], ["--request-rate", "-1"], ["--max-bandwidth"]], ids=" ".join)
def test_bad_limits(tarn, args):
    tarn("ls", *args, status=2)


def test_part_size_and_concurrency(tarn, uri, bucket, s3, tmp_path):
    source = file_of(tmp_path / "f", 21 * MIB)
    tarn("cp", "--part-size", "10", "--concurrency", "1", source, f"{uri}/k")
    assert s3.head_object(Bucket=bucket, Key="k")["ETag"].endswith('-3"')
    assert s3.head_object(Bucket=bucket, Key="k", PartNumber=1)["ContentLength"] == 10 * MIB


# --- what is told ---


def test_statistics(tarn, uri, tree):
    text = tarn("cp", "-r", "--stat", tree, uri).stdout.decode()
    labels = re.findall(r"^  - ([A-Za-z ]+):", text, re.M)
    assert labels[:3] == ["Operation", "Total files", "Succeeded"] and "Throughput" in labels
    row = json.loads(tarn("cp", "-r", "--stat", "--json", tree, uri).stdout.splitlines()[-1])
    assert row["files_copied"] == 6 and row["files_failed"] == 0 and row["bytes_copied"] > 0


def on_terminal(command, env):
    """Standard error of a command that has a terminal there."""
    leader, follower = os.openpty()
    process = subprocess.Popen([str(part) for part in command], env=env, stdout=subprocess.DEVNULL, stderr=follower)
    os.close(follower)
    text = b""
    while True:
        try:
            data = os.read(leader, 65536)
        except OSError:
            break
        if not data:
            break
        text += data
    os.close(leader)
    assert process.wait(60) == 0
    return text.decode(errors="replace")


def test_progress_ends_at_100(env, uri, tmp_path, tree):
    big = file_of(tmp_path / "big", 20 * MIB)
    (tmp_path / "commands").write_text(f"cp {big} {uri}/r1\ncp -r {tree} {uri}/r2\n")
    for command in (["cp", big, f"{uri}/k"], ["sync", tree, f"{uri}/t"], ["sync", tree, f"{uri}/t"], ["run", tmp_path / "commands"]):
        text = on_terminal([BIN / "tarn", *command], env)
        shown = re.findall(r"(\d+)%", text)
        assert shown and shown[-1] == "100", (command, text)
        assert "%" not in on_terminal([BIN / "tarn", *command, "--no-progress"], env)
    assert b"%" not in run([BIN / "tarn", "cp", big, f"{uri}/k"], env).stderr


def test_errors_are_one_clean_line(tarn, uri, tmp_path):
    line = tarn("cp", f"{uri}/no\x1b[31mkey\n", tmp_path / "x", status=1).stderr
    assert b"\x1b" not in line and line.count(b"\n") == 1
    row = json.loads(tarn("cp", "--json", f"{uri}/none", tmp_path / "x", status=1).stderr)
    assert row["success"] is False and row["error"] and row["code"]
