# SPDX-License-Identifier: Apache-2.0
"""The tarn command against tarnd: addresses, exit codes, output, errors."""

import hashlib
import json
import pathlib
import re
import subprocess
import threading
import time
import urllib.request

import pytest

import raw
from conftest import BIN, MIB, SANITIZER, body_of, digest_of, file_of, run
from oddkeys import odd_keys, path_keys


@pytest.fixture(scope="module")
def env(server, tmp_path_factory):
    env = server.client_env(tmp_path_factory.mktemp("home"))
    env["UBSAN_OPTIONS"] = "print_stacktrace=1"
    return env


@pytest.fixture(scope="module")
def tarn(env):
    return lambda *args, **options: run([BIN / "tarn", *args], options.pop("env", env), **options)


@pytest.fixture
def uri(bucket):
    return f"s3://{bucket}"


def error_line(done):
    """The one line of an error: `tarn: <op> ...: <message>`, free of control bytes."""
    text = done.stderr.decode()
    lines = [line for line in text.splitlines() if line.startswith("tarn:")]
    assert lines, text
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text), text
    return lines[0]


# --- buckets ---


def test_bucket_life(tarn):
    assert tarn("mb", "s3://cli-life").stdout.decode() == "Created bucket: s3://cli-life\n"
    assert tarn("mb", "--exist-ok", "cli-life").returncode == 0
    assert b"cli-life" in tarn("ls").stdout and b"cli-life" in tarn("ls", "s3://").stdout
    tarn("pipe", "s3://cli-life/k", input=b"x")
    assert "BucketNotEmpty" in error_line(tarn("rb", "s3://cli-life", status=None))
    tarn("rm", "s3://cli-life/k")
    assert tarn("rb", "cli-life/").stdout.decode() == "Deleted bucket: s3://cli-life\n"
    assert tarn("rb", "s3://cli-life", status=2).stdout == b""


def test_forced_removal(tarn, server, s3):
    s3.create_bucket(Bucket="cli-forced")
    raw.put_many(server, "cli-forced", odd_keys(), lambda key: b"x")
    s3.create_multipart_upload(Bucket="cli-forced", Key="unfinished")
    tarn("rb", "--force", "s3://cli-forced")
    assert b"cli-forced" not in tarn("ls").stdout


# --- usage ---

USAGE = [
    [], ["frobnicate"], ["ls", "--no-such-option"], ["mb"], ["rb", "s3://b/some/prefix"], ["mb", "s3://b/key"], ["cp", "one"],
    ["cat", "local-file"], ["rm", "local-file"], ["cat", "s3://"], ["rm", "s3:///key"], ["ls", "ftp://host/x"],
    ["presign", "s3://b/k", "--expires", "604801"], ["presign", "s3://b/k", "--expires", "0"],
    ["presign", "s3://b/k", "--expires", "soon"], ["cp", "a", "b", "--part-size", "4"], ["cp", "a", "b", "--part-size", "x"],
    ["cp", "--workers", "-1", "a", "s3://b/k"], ["ls", "--limit", "0"], ["cp", "local", "local2"],
    ["cp", "--metadata-directive", "MAYBE", "s3://b/k", "s3://b/l"], ["ls", "--endpoint", "nonsense://x", "s3://b"],
]


@pytest.mark.parametrize("args", USAGE, ids=lambda args: " ".join(args) or "nothing")
def test_usage_errors(tarn, args):
    done = tarn(*args, status=2)
    assert done.stdout == b"" and done.stderr


@pytest.mark.parametrize("args", [["--help"], ["--version"], ["help"], ["help", "cp"], ["cp", "--help"], ["version"]])
def test_help(tarn, args):
    assert tarn(*args).stdout


# --- exit codes and errors ---


def test_exit_codes(tarn, uri, env, tmp_path):
    assert re.search(r"NoSuchKey|404", error_line(tarn("cat", f"{uri}/none", status=1)))
    line = error_line(tarn("ls", "s3://no-such-bucket", status=2))
    assert "NoSuchBucket" in line and "HTTP 404" in line and "request" in line
    tarn("ls", uri)
    tarn("ls", f"{uri}/nothing/*")
    tarn("rm", f"{uri}/nothing*")
    forged = dict(env, AWS_SECRET_ACCESS_KEY="wrong")
    assert "SignatureDoesNotMatch" in error_line(tarn("ls", uri, env=forged, status=2))
    nobody = {k: v for k, v in env.items() if not k.startswith("AWS_ACCESS") and not k.startswith("AWS_SECRET")}
    error_line(tarn("ls", uri, env=nobody, status=2))
    offline = dict(env, AWS_ENDPOINT_URL="http://127.0.0.1:1")
    error_line(tarn("ls", "--max-retries", "0", uri, env=offline, status=1))
    error_line(tarn("cp", tmp_path / "absent", f"{uri}/k", status=None))


def test_some_of_several_fail(tarn, uri):
    tarn("pipe", f"{uri}/there", input=b"here")
    done = tarn("cat", f"{uri}/there", f"{uri}/none", status=1)
    assert done.stdout == b"here"


# --- cp, cat, pipe ---

SIZES = [0, 1, 5 * MIB, 8 * MIB, 8 * MIB + 1, 64 * MIB]


@pytest.mark.parametrize("size", SIZES)
def test_sizes(tarn, uri, tmp_path, size):
    path = file_of(tmp_path / "up", size)
    tarn("cp", path, f"{uri}/dir/{size}")
    tarn("cp", f"{uri}/dir/{size}", f"{uri}/copied")
    tarn("cp", f"{uri}/copied", tmp_path / "down")
    assert digest_of(tmp_path / "down") == digest_of(path)
    assert hashlib.sha256(tarn("cat", f"{uri}/copied").stdout).hexdigest() == digest_of(path)
    tarn("pipe", f"{uri}/piped", input=path.read_bytes())
    tarn("cp", f"{uri}/piped", tmp_path / "piped")
    assert digest_of(tmp_path / "piped") == digest_of(path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["down", "piped", "up"], "a .part file is left"
    tarn("rm", "-r", "--force", uri)
    assert tarn("ls", "-R", uri).stdout == b""


def test_destination_names(tarn, uri, tmp_path):
    path = file_of(tmp_path / "name.txt", 10)
    for destination in (uri, f"{uri}/", f"{uri}/dir/", f"{uri}/other"):
        tarn("cp", path, destination)
    assert keys_of(tarn, uri) == ["dir/name.txt", "name.txt", "other"]
    tarn("cp", f"{uri}/dir/name.txt", tmp_path / "new")
    (tmp_path / "d").mkdir()
    tarn("cp", f"{uri}/dir/name.txt", tmp_path / "d")
    assert (tmp_path / "new").read_bytes() == (tmp_path / "d/name.txt").read_bytes()


def keys_of(tarn, uri):
    lines = tarn("ls", "-R", "--json", uri).stdout.decode().splitlines()
    return sorted(entry["key"] for entry in map(json.loads, lines) if "key" in entry)


def make_tree(tree):
    for key in path_keys(400):
        path = tree / key
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.write_bytes(key.encode())
    (tree / "large").write_bytes(body_of(20 * MIB))
    return tree


def test_tree_up_and_down(tarn, uri, tmp_path):
    tree = make_tree(tmp_path / "tree")
    tarn("cp", "-r", tree, f"{uri}/a/b")
    files = sorted(str(p.relative_to(tree)) for p in tree.rglob("*") if p.is_file())
    assert keys_of(tarn, uri) == sorted(f"a/b/{name}" for name in files)
    tarn("cp", "-r", f"{uri}/a/b", tmp_path / "back")
    run(["diff", "-r", tree, tmp_path / "back"], None)
    tarn("cp", "-r", f"{uri}/a/b", f"{uri}/c")
    assert len(keys_of(tarn, f"{uri}/c/")) == len(files)


def test_wildcards(tarn, uri, tmp_path):
    for key in ("logs/2024-01/a.log", "logs/2024-01/b.txt", "logs/2024-02/a.log", "other.log", "f?x", "fax"):
        tarn("pipe", f"{uri}/{key}", input=key.encode())
    tarn("cp", f"{uri}/logs/*.log", tmp_path / "got/")
    names = sorted(str(p.relative_to(tmp_path / "got")) for p in (tmp_path / "got").rglob("*") if p.is_file())
    assert names == ["2024-01/a.log", "2024-02/a.log"]
    assert tarn("cat", f"{uri}/logs/2024-0?/a.log").stdout == b"logs/2024-01/a.loglogs/2024-02/a.log"
    assert tarn("cat", "--raw", f"{uri}/f?x").stdout == b"f?x"
    tarn("rm", f"{uri}/f\\?x")
    assert "fax" in keys_of(tarn, uri) and "f?x" not in keys_of(tarn, uri)


def test_keys_that_would_leave_the_directory(tarn, uri, server, bucket, tmp_path):
    """Each is refused by name, the rest is copied, nothing is written outside."""
    bad = ["../evil", "a/../../evil2", "/evil-absolute", "..", "a/..", "a//b", "./c", "x/./y"]
    raw.put_many(server, bucket, bad + ["good/1", "good/2"], lambda key: b"x")
    (tmp_path / "in").mkdir()
    done = tarn("cp", "-r", uri, tmp_path / "in", status=1)
    assert sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()) == ["in/good/1", "in/good/2"]
    for key in ("../evil", "/evil-absolute"):
        assert key in done.stderr.decode()
    assert not pathlib.Path("/evil-absolute").exists()


def test_symbolic_link_out_of_the_directory(tarn, uri, server, bucket, tmp_path):
    raw.put_many(server, bucket, ["link/escaped", "fine"], lambda key: b"x")
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "in/link").symlink_to(tmp_path / "out")
    tarn("cp", "-r", uri, tmp_path / "in", status=1)
    assert list((tmp_path / "out").iterdir()) == []
    assert (tmp_path / "in/fine").exists()


def test_odd_keys(tarn, uri, server, bucket):
    raw.put_many(server, bucket, odd_keys(), lambda key: b"odd")
    assert keys_of(tarn, uri) == sorted(odd_keys())
    for key in odd_keys(60):
        assert tarn("cat", "--raw", f"{uri}/{key}").stdout == b"odd", key
    tarn("rm", "-r", "--force", uri)
    assert keys_of(tarn, uri) == []


def test_no_clobber(tarn, uri, tmp_path):
    tarn("pipe", f"{uri}/k", input=b"first")
    tarn("pipe", "-n", f"{uri}/k", input=b"second", status=None)
    tarn("cp", "-n", file_of(tmp_path / "f", 9), f"{uri}/k")
    assert tarn("cat", f"{uri}/k").stdout == b"first"


def test_ranges_of_cat(tarn, uri):
    tarn("pipe", f"{uri}/k", input=b"0123456789")
    for span, expected in [("0-3", b"0123"), ("7-", b"789"), ("-2", b"89"), ("5-5", b"5")]:
        assert tarn("cat", "--range", span, f"{uri}/k").stdout == expected
    tarn("cat", "--range", "9-3", f"{uri}/k", status=2)


def test_reader_that_goes_away(tarn, env, uri):
    tarn("pipe", f"{uri}/k", input=body_of(20 * MIB))
    with subprocess.Popen([BIN / "tarn", "cat", f"{uri}/k"], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as cat:
        assert cat.stdout.read(10) == body_of(20 * MIB)[:10]
        cat.stdout.close()
        text = cat.stderr.read()
        assert cat.wait(60) in (0, 141, -13) and not SANITIZER.search(text.decode(errors="replace")), text


def test_interrupted_pipe_leaves_nothing(env, uri, bucket, s3):
    pipe = subprocess.Popen([BIN / "tarn", "pipe", f"{uri}/k"], env=env, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    pipe.stdin.write(body_of(30 * MIB))
    pipe.stdin.flush()
    while "Uploads" not in s3.list_multipart_uploads(Bucket=bucket):
        assert pipe.poll() is None
    pipe.terminate()
    assert pipe.wait(60) != 0
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)
    pipe.stdin.close() if not pipe.stdin.closed else None


def test_memory_of_pipe_and_cat_is_bounded(env, uri, tmp_path):
    """A stream of 300 MiB through a few parts of memory, within the ceiling of --memory."""
    peak = {}

    def watch(name, process):
        while process.poll() is None:
            try:
                status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
                peak[name] = max(peak.get(name, 0), int((re.search(r"VmRSS:\s+(\d+)", status) or [0, 0])[1]))
            except OSError:
                return
            time.sleep(0.02)

    chunk, digest = body_of(MIB), hashlib.sha256()
    pipe = subprocess.Popen([BIN / "tarn", "pipe", f"{uri}/long"], env=env, stdin=subprocess.PIPE)
    watcher = threading.Thread(target=watch, args=("pipe", pipe))
    watcher.start()
    for _ in range(300):
        pipe.stdin.write(chunk)
        digest.update(chunk)
    pipe.stdin.close()
    assert pipe.wait(240) == 0
    watcher.join()
    cat = subprocess.Popen([BIN / "tarn", "cat", f"{uri}/long"], env=env, stdout=subprocess.PIPE)
    watcher = threading.Thread(target=watch, args=("cat", cat))
    watcher.start()
    back = hashlib.sha256()
    while piece := cat.stdout.read(MIB):
        back.update(piece)
    assert cat.wait(240) == 0 and back.digest() == digest.digest()
    watcher.join()
    assert max(peak.values()) < 280 * 1024, peak


# --- ls, head, rm, presign ---


def test_ls_output(tarn, uri):
    tarn("pipe", f"{uri}/dir/one", input=b"1")
    tarn("pipe", f"{uri}/two", input=b"22")
    done = tarn("ls", uri)
    lines = done.stdout.decode().splitlines()
    assert any(re.search(r"PRE +dir/$", line) for line in lines)
    assert any(re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d +2 +(B +)?two", line) for line in lines), lines
    lines = tarn("ls", "-R", "--show-fullpath", "-e", uri).stdout.decode().splitlines()
    assert [line.split()[-1] if "s3://" in line.split()[-1] else next(w for w in line.split() if "s3://" in w) for line in lines] == [
        f"{uri}/dir/one", f"{uri}/two"]
    assert len(tarn("ls", "-R", "--limit", "1", uri).stdout.decode().splitlines()) == 1


def test_json(tarn, uri):
    tarn("pipe", f"{uri}/k\u00fc", input=b"1")
    lines = [json.loads(line) for line in tarn("ls", "--json", uri).stdout.decode().splitlines()]
    assert lines[0]["operation"] == "ls" and lines[0]["key"] == "k\u00fc" and lines[0]["size"] == 1
    head = json.loads(tarn("head", "--json", f"{uri}/k\u00fc").stdout)
    assert head["success"] is True
    done = tarn("cat", "--json", f"{uri}/none", status=1)
    error = json.loads(done.stderr.decode().splitlines()[0])
    assert error["success"] is False and error["error"]


def test_head(tarn, uri, tmp_path):
    tarn("cp", "--content-type", "text/odd", "--metadata", "a=b", "--cache-control", "no-store", file_of(tmp_path / "f", 5), f"{uri}/k")
    text = tarn("head", f"{uri}/k").stdout.decode()
    for piece in ("text/odd", "no-store", "a = b", hashlib.md5(body_of(5)).hexdigest()):
        assert piece in text
    tarn("head", uri)
    tarn("head", f"{uri}/none", status=1)


def test_rm_is_exact(tarn, uri):
    for key in ("foo", "foobar", "foo/x", "data/f?.txt", "data/f"):
        tarn("pipe", f"{uri}/{key}", input=b"x")
    tarn("rm", f"{uri}/foo")
    assert keys_of(tarn, uri) == ["data/f", "data/f?.txt", "foo/x", "foobar"]
    done = tarn("rm", "--dry-run", "-r", "--force", f"{uri}/data")
    assert b"data/f" in done.stdout and len(keys_of(tarn, uri)) == 4
    tarn("rm", "-r", uri, status=2)
    assert len(keys_of(tarn, uri)) == 4
    tarn("rm", f"{uri}/never-there")


def test_presign(tarn, uri):
    url = tarn("presign", "--method", "PUT", "--expires", "15m", f"{uri}/a b+ü").stdout.decode().strip()
    request = urllib.request.Request(url, data=b"presigned", method="PUT")
    with urllib.request.urlopen(request, timeout=20) as reply:
        assert reply.status == 200
    url = tarn("presign", f"{uri}/a b+ü").stdout.decode().strip()
    with urllib.request.urlopen(url, timeout=20) as reply:
        assert reply.read() == b"presigned"


def test_mime_types(tarn, uri, tmp_path, s3, bucket):
    for name, kind in [("a.html", "text/html"), ("b.json", "application/json"), ("c.unknown-kind", "application/octet-stream")]:
        tarn("cp", file_of(tmp_path / name, 3), f"{uri}/{name}")
        assert s3.head_object(Bucket=bucket, Key=name)["ContentType"].startswith(kind)
