# SPDX-License-Identifier: Apache-2.0
"""tarn sync and tarn mv: what is copied, what is left, what is deleted, and what never is."""

import json
import os
import pathlib
import resource
import shutil
import subprocess
import time

import pytest

import raw
from conftest import BIN, MIB, body_of, digest_of, file_of, run
from oddkeys import path_keys


@pytest.fixture(scope="module")
def env(server, tmp_path_factory):
    return server.client_env(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def tarn(env):
    return lambda *args, **options: run([BIN / "tarn", *args], options.pop("env", env), **options)


@pytest.fixture
def uri(bucket):
    return f"s3://{bucket}"


def keys(s3, bucket, prefix=""):
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return {o["Key"]: o["Size"] for page in pages for o in page.get("Contents", [])}


def tree(root):
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


@pytest.fixture
def source(tmp_path):
    root = tmp_path / "source"
    for name in ("top", "a/x", "a/y.txt", "a.txt", "a0", "deep/er/z"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"content of {name}")
    return root


def copied(done):
    return sum(line.startswith(b"Copied") for line in done.stdout.splitlines())


# --- sync ---


def test_up_and_again(tarn, uri, bucket, s3, source):
    assert copied(tarn("sync", source, f"{uri}/p")) == 6
    assert keys(s3, bucket) == {f"p/{k}": len(v) for k, v in tree(source).items()}
    again = tarn("sync", source, f"{uri}/p", "--stat")
    assert copied(again) == 0 and b"Skipped: 6" in again.stdout
    (source / "a/x").write_text("longer than it was before")
    os.utime(source / "a0", (time.time() + 100, time.time() + 100))
    assert copied(tarn("sync", source, f"{uri}/p")) == 2
    assert copied(tarn("sync", "--size-only", source, f"{uri}/p")) == 0


def test_down_and_again(tarn, uri, source, tmp_path):
    tarn("sync", source, f"{uri}/p")
    target = tmp_path / "target"
    assert copied(tarn("sync", f"{uri}/p/", target)) == 6
    assert tree(target) == tree(source)
    assert copied(tarn("sync", f"{uri}/p/", target)) == 0
    os.utime(target / "top", (time.time() + 100, time.time() + 100))
    assert copied(tarn("sync", f"{uri}/p/", target)) == 0
    assert copied(tarn("sync", "--exact-timestamps", f"{uri}/p/", target)) == 1
    os.utime(target / "top", (1, 1))
    assert copied(tarn("sync", f"{uri}/p/", target)) == 1


def test_within_s3(tarn, uri, bucket, s3, source):
    tarn("sync", source, f"{uri}/p")
    assert copied(tarn("sync", f"{uri}/p", f"{uri}/q")) == 6
    assert copied(tarn("sync", f"{uri}/p", f"{uri}/q")) == 0
    s3.put_object(Bucket=bucket, Key="q/more", Body=b"1")
    tarn("sync", "--delete", f"{uri}/p", f"{uri}/q")
    assert {k[2:] for k in keys(s3, bucket, "p/")} == {k[2:] for k in keys(s3, bucket, "q/")}


@pytest.mark.parametrize("direction", ["up", "down", "within"])
def test_checksum(tarn, uri, source, tmp_path, direction):
    """Same size, other bytes, and a time that says nothing is to be done."""
    other = tmp_path / "other"
    tarn("sync", source, f"{uri}/p")
    shutil.copytree(source, other)
    (other / "a/x").write_text("CONTENT OF a/x")
    for path in other.rglob("*"):
        os.utime(path, (1, 1))
    if direction == "up":
        command = ["sync", other, f"{uri}/p"]
    elif direction == "down":
        for path in other.rglob("*"):
            os.utime(path, (time.time() + 100, time.time() + 100))
        command = ["sync", f"{uri}/p", other]
    else:
        tarn("sync", source, f"{uri}/q")
        tarn("cp", other / "a/x", f"{uri}/q/a/x")
        command = ["sync", f"{uri}/p", f"{uri}/q"]
    assert copied(tarn(*command)) == 0
    assert copied(tarn(*command, "-c")) == 1
    assert copied(tarn(*command, "-c")) == 0


def test_checksum_of_large_files(tarn, uri, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    big = file_of(source / "big", 20 * MIB)
    tarn("sync", source, f"{uri}/p")
    assert copied(tarn("sync", "-c", source, f"{uri}/p")) == 0
    with open(big, "r+b") as file:
        file.seek(15 * MIB)
        file.write(b"changed")
    os.utime(big, (1, 1))
    assert copied(tarn("sync", source, f"{uri}/p")) == 0
    assert copied(tarn("sync", "-c", source, f"{uri}/p")) == 1


def test_delete(tarn, uri, bucket, s3, source, tmp_path):
    tarn("sync", source, f"{uri}/p")
    (source / "a/x").unlink()
    assert copied(tarn("sync", source, f"{uri}/p")) == 0
    assert "p/a/x" in keys(s3, bucket)
    dry = tarn("sync", "--delete", "--dry-run", source, f"{uri}/p")
    assert b"Would delete" in dry.stdout and "p/a/x" in keys(s3, bucket)
    tarn("sync", "--delete", source, f"{uri}/p")
    assert "p/a/x" not in keys(s3, bucket) and len(keys(s3, bucket)) == 5

    target = tmp_path / "target"
    tarn("sync", f"{uri}/p", target)
    (target / "gone/away").mkdir(parents=True)
    (target / "gone/away/x").write_text("x")
    tarn("sync", "--delete", f"{uri}/p", target)
    assert tree(target) == tree(source) and not (target / "gone").exists()


def test_delete_respects_filters(tarn, uri, bucket, s3, source):
    s3.put_object(Bucket=bucket, Key="p/keep.log", Body=b"1")
    s3.put_object(Bucket=bucket, Key="p/lose.dat", Body=b"1")
    tarn("sync", "--delete", "--exclude", "*.log", source, f"{uri}/p")
    assert "p/keep.log" in keys(s3, bucket) and "p/lose.dat" not in keys(s3, bucket)


def test_no_deletion_after_trouble(tarn, uri, bucket, s3, source, tmp_path):
    """A source that cannot be read whole must not empty the destination."""
    tarn("sync", source, f"{uri}/p")
    (source / "broken").symlink_to("nowhere")
    (source / "a/x").unlink()
    done = tarn("sync", "--delete", source, f"{uri}/p", status=1)
    assert b"nothing is deleted" in done.stderr and "p/a/x" in keys(s3, bucket)
    shutil.rmtree(source)
    tarn("sync", "--delete", source, f"{uri}/p", status=None)
    assert len(keys(s3, bucket)) == 6
    target = tmp_path / "target"
    tarn("sync", f"{uri}/p", target)
    assert tarn("sync", "--delete", "s3://no-such-bucket-at-all/p", target, status=2)
    assert len(tree(target)) == 6


@pytest.mark.parametrize("args", [
    ["a", "b"], ["s3://b/p", "s3://b/p"], ["s3://b/p", "s3://b/p/q"], ["s3://b/p/q", "s3://b/p"], ["s3://b", "s3://b/x"],
    ["s3://b/*", "x"], ["-", "s3://b"], ["s3://", "x"], ["x"], ["x", "s3://b", "y"], ["--acl", "private", "s3://b/p", "x"],
], ids=" ".join)
def test_usage(tarn, args):
    tarn("sync", *args, status=2)


def test_odd_names(tarn, uri, server, bucket, tmp_path):
    names = path_keys()
    raw.put_many(server, bucket, names, lambda key: key.encode())
    target = tmp_path / "target"
    tarn("sync", uri, target)
    assert tarn("sync", uri, target).stdout == b""
    assert tarn("sync", target, uri).stdout == b""
    assert {str(p.relative_to(target)) for p in target.rglob("*") if p.is_file()} == set(names)
    assert tarn("sync", "--delete", target, uri).stdout == b""


def test_order_of_both_sides(tarn, uri, tmp_path):
    """Names on which directory order and key order differ."""
    source = tmp_path / "source"
    for name in ("a", "a-b", "a.b", "a!b", "aZ", "b/c", "b-c/d", "b.c", "b0/x", "é/ü", "é.x", "z z/1", "z z1"):
        path = source / ("f" + name if "/" in name or name == "a" else name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    count = len(tree(source))
    assert copied(tarn("sync", source, f"{uri}/p")) == count
    done = tarn("sync", "--delete", source, f"{uri}/p")
    assert done.stdout == b""


def test_json_lines(tarn, uri, source):
    lines = [json.loads(line) for line in tarn("sync", "--json", source, uri).stdout.splitlines()]
    assert len(lines) == 6 and all(line["operation"] == "sync" and line["success"] for line in lines)


def test_many_files_in_little_memory(env, uri, tmp_path):
    """100,000 files in one directory against as many objects: memory does not follow their number."""
    source = tmp_path / "source"
    source.mkdir()
    for i in range(100_000):
        (source / f"some-file-with-a-name-{i:06}").touch()
    command = [BIN / "tarn", "sync", "--dry-run", "-q", source, uri]
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    run(command, dict(env, ASAN_OPTIONS="quarantine_size_mb=1"))
    after = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    assert after <= max(before, 200 * 1024)


# --- mv ---


def test_move_both_ways(tarn, uri, bucket, s3, source, tmp_path):
    before = tree(source)
    assert b"Moved" in tarn("mv", "-r", source, f"{uri}/p").stdout
    assert tree(source) == {} and len(keys(s3, bucket)) == 6
    tarn("mv", "-r", f"{uri}/p", f"{uri}/q")
    assert set(keys(s3, bucket)) == {f"q/{k}" for k in before}
    tarn("mv", f"{uri}/q/*", tmp_path / "back")
    assert keys(s3, bucket) == {} and tree(tmp_path / "back") == before


def test_move_across_buckets_keeps_bytes(tarn, uri, bucket, s3, tmp_path):
    s3.create_bucket(Bucket=bucket + "-other")
    big = file_of(tmp_path / "big+ %2F", 20 * MIB)
    digest = digest_of(big)
    tarn("mv", big, f"{uri}/k+ %2F")
    tarn("mv", f"{uri}/k+ %2F", f"{uri}-other/é")
    tarn("mv", f"{uri}-other/é", tmp_path / "back")
    assert digest_of(tmp_path / "back") == digest and keys(s3, bucket) == {} and keys(s3, bucket + "-other") == {}


def test_nothing_is_lost(tarn, uri, bucket, s3, source):
    """What was not copied stays: same place, -n, missing target, dry run."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    s3.put_object(Bucket=bucket, Key="there", Body=b"2")
    tarn("mv", f"{uri}/k", f"{uri}/k", status=2)
    tarn("mv", "--dry-run", f"{uri}/k", f"{uri}/l")
    tarn("mv", "-n", f"{uri}/k", f"{uri}/there")
    tarn("mv", f"{uri}/k", "s3://no-such-bucket-at-all/k", status=2)
    tarn("mv", "-", f"{uri}/k", status=2)
    assert keys(s3, bucket) == {"k": 1, "there": 1}
    tarn("mv", source / "top", "s3://no-such-bucket-at-all/k", status=2)
    assert (source / "top").exists()
