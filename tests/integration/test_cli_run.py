# SPDX-License-Identifier: Apache-2.0
"""tarn run: many commands, one client."""

import json

import pytest

from conftest import BIN, MIB, body_of, file_of, run


@pytest.fixture(scope="module")
def env(server, tmp_path_factory):
    return server.client_env(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def tarn(env):
    return lambda *args, **options: run([BIN / "tarn", *args], options.pop("env", env), **options)


@pytest.fixture
def uri(bucket):
    return f"s3://{bucket}"


def count(s3, bucket):
    return s3.list_objects_v2(Bucket=bucket)["KeyCount"]


def test_many_lines(tarn, uri, bucket, s3, tmp_path):
    source = file_of(tmp_path / "a file", 5000)
    lines = ["# a comment", "", "   "]
    lines += [f"cp '{source}' {uri}/k{i}" for i in range(300)]
    lines += [f'  tarn cp "{source}" "{uri}/with blank"', f"cp -n {str(source).replace(' ', chr(92) + ' ')} {uri}/esc"]
    (tmp_path / "commands").write_text("\n".join(lines))
    done = tarn("run", tmp_path / "commands", "--workers", "16")
    assert b"302 succeeded, 0 failed" in done.stderr and count(s3, bucket) == 302
    assert len(done.stdout.splitlines()) == 302 and all(l.startswith(b"Copied ") for l in done.stdout.splitlines())
    (tmp_path / "more").write_text("\n".join(f"mv {uri}/k{i} {uri}/m/k{i}" for i in range(300)) + f"\nrm '{uri}/esc'\n")
    tarn("run", "-f", tmp_path / "more")
    assert count(s3, bucket) == 301


def test_from_standard_input(tarn, uri, bucket, s3, tmp_path):
    source = file_of(tmp_path / "f", 10)
    for args in (["run"], ["run", "-"]):
        tarn(*args, input=f"cp {source} {uri}/x{len(args)}".encode())
    assert count(s3, bucket) == 2
    assert b"No commands" in tarn("run", input=b"# nothing\n").stderr


BAD_LINES = [
    "rmm s3://b/k", "cp one", "cp 'unclosed s3://b/k", "run x", "cat s3://b/k", "pipe s3://b/k", "cp - s3://b/k", "--help", "help",
    "cp --endpoint http://127.0.0.1:1 x s3://b/k", "cp --no-such-option x s3://b/k", "cp /absent-file s3://b/k", "cp\0x y",
]


@pytest.mark.parametrize("line", BAD_LINES, ids=repr)
def test_bad_lines_do_not_stop_the_others(tarn, uri, bucket, s3, tmp_path, line):
    source = file_of(tmp_path / "f", 10)
    commands = f"{line}\ncp {source} {uri}/good\n".encode()
    done = tarn("run", input=commands, status=1)
    assert b"-:1: command failed" in done.stderr and b"1 succeeded, 1 failed" in done.stderr
    assert count(s3, bucket) == 1


def test_fail_fast(tarn, uri, tmp_path):
    source = file_of(tmp_path / "f", 10)
    lines = ["cp /absent s3://b/k"] + [f"cp {source} {uri}/k{i}" for i in range(500)]
    done = tarn("run", "--fail-fast", "--workers", "1", input="\n".join(lines).encode(), status=1)
    assert len(done.stdout.splitlines()) < 500


def test_json(tarn, uri, tmp_path):
    source = file_of(tmp_path / "f", 10)
    done = tarn("run", "--json", input=f"cp {source} {uri}/k\nls {uri}\nbad\n".encode(), status=1)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    lines = {row["line"]: row["exit"] for row in rows if row["operation"] == "run" and "line" in row}
    assert lines == {1: 0, 2: 0, 3: 2}
    assert {row["operation"] for row in rows} == {"run", "cp", "ls"}


def test_unreadable_file(tarn, tmp_path):
    tarn("run", tmp_path / "absent", status=2)
    tarn("run", tmp_path, status=2)
    tarn("run", "a", "-f", "b", status=2)
    tarn("run", "a", "b", status=2)
    assert b"line has more" in tarn("run", input=b"x" * (3 * MIB), status=2).stderr


def test_large_and_small_together(tarn, uri, tmp_path):
    big = file_of(tmp_path / "big", 20 * MIB)
    small = file_of(tmp_path / "small", 10)
    lines = [f"cp {big} {uri}/big"] + [f"cp {small} {uri}/s{i}" for i in range(50)]
    tarn("run", "--memory", "32M", input="\n".join(lines).encode())
    tarn("cp", f"{uri}/big", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == big.read_bytes()
