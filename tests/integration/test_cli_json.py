# SPDX-License-Identifier: Apache-2.0
"""--json: every command writes lines that a program can read, and what they say is true."""

import json
import os

import pytest
from conftest import BIN, run


@pytest.fixture
def env(server, tmp_path):
    return server.client_env(tmp_path)


@pytest.fixture
def tarn(env):
    return lambda *args, status=0, **options: run([BIN / "tarn", *args, "--json"], env, status, **options)


@pytest.fixture
def lines(tarn):
    """Output of a command, both streams, each line an object."""

    def read(*args, **options):
        done = tarn(*args, **options)
        return [json.loads(line) for line in (done.stdout + done.stderr).splitlines()]

    return read


@pytest.fixture
def full(s3, bucket):
    """A bucket with some of everything; its keys are versioned."""
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for key, size in (("a", 1), ("dir/b", 22), ("old", 3)):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x" * size, Metadata={"who": "ann"})
    s3.put_object(Bucket=bucket, Key="cold", Body=b"x" * 7, StorageClass="GLACIER")
    s3.delete_object(Bucket=bucket, Key="old")
    return bucket


COMMANDS = [
    ["cp", "{file}", "{b}/new"],
    ["cp", "{b}/a", "{dir}/a"],
    ["cp", "-r", "{b}/dir", "{b}/dir2"],
    ["cp", "{b}/cold", "{dir}/cold", 1],
    ["cp", "-n", "{file}", "{b}/a"],
    ["cp", "--dry-run", "{file}", "{b}/new"],
    ["cp", "--stat", "{file}", "{b}/new"],
    ["mv", "{b}/a", "{b}/moved"],
    ["sync", "{tree}", "{b}/tree"],
    ["run", "-f", "{script}", 1],
    ["ls"],
    ["ls", "{b}"],
    ["ls", "-R", "{b}"],
    ["ls", "--all-versions", "{b}"],
    ["cat", "{b}/none", 1],
    ["pipe", "{b}/piped"],
    ["rm", "{b}/a"],
    ["rm", "-r", "--dry-run", "{b}/dir"],
    ["head", "{b}/a"],
    ["head", "{b}"],
    ["presign", "{b}/a"],
    ["mb", "--exist-ok", "{b}"],
    ["rb", "{b}", 1],
    ["versions", "{b}"],
    ["versions", "--status", "{b}"],
    ["restore", "--undelete", "{b}/old"],
    ["tag", "{b}/a", "x=1"],
    ["attr", "{b}/a"],
    ["select-class", "STANDARD_IA", "{b}/a"],
    ["du", "-g", "{b}"],
    ["find", "{b}"],
    ["admin", "user", "create", "{name}"],
    ["doctor"],
    ["lock", "status", "{b}/lock"],
    ["selftest", "{b}"],
    ["version"],
    ["help", "nothing", 2],
    ["completion", "tcsh", 2],
    ["mock", "--port", "x", 2],
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(map(str, command)))
def test_every_line_is_an_object(lines, full, tmp_path, command):
    file, tree, script = tmp_path / "file", tmp_path / "tree", tmp_path / "script"
    file.write_bytes(b"12345")
    tree.mkdir()
    (tree / "one").write_bytes(b"1")
    script.write_text(f"cp {file} s3://{full}/x\nhead s3://{full}/none\n")
    *words, status = command if isinstance(command[-1], int) else [*command, 0]
    places = {"b": f"s3://{full}", "file": file, "dir": tmp_path, "tree": tree, "script": script, "name": f"user-{os.getpid()}"}
    found = lines(*[word.format(**places) for word in words], status=status)
    assert found
    for line in found:
        names = list(line)
        assert names[:2] == ["operation", "success"] and isinstance(line["success"], bool), line
        assert line["operation"] in {words[0], "cp", "head"} if words[0] == "run" else line["operation"] == words[0], line
        if not line["success"] and "line" not in line:
            assert line["error"] and line["code"], line


def test_version(lines):
    assert lines("--version") == lines("version")
    assert [list(line) for line in lines("version")] == [["operation", "success", "version"]]


@pytest.mark.parametrize("args", [["rmm", "x"], ["--nonsense"]], ids=" ".join)
def test_no_command(lines, args):
    (line,) = lines(*args, status=2)
    assert line["operation"] == "error" and not line["success"]


@pytest.mark.parametrize("args", [["cp"], ["cp", "--dry-run"], ["mv"], ["cp", "--metadata", "a=b"]], ids=" ".join)
def test_size_of_a_copy(lines, full, args):
    """Also where no listing told it."""
    (line,) = lines(*args, f"s3://{full}/dir/b", f"s3://{full}/copy")
    assert line["size"] == 22


def test_statistics_of_a_copy(lines, full):
    assert lines("cp", "--stat", f"s3://{full}/dir/b", f"s3://{full}/copy")[-1]["bytes_copied"] == 22


def test_size_of_what_was_skipped(lines, full, tmp_path):
    (tmp_path / "b").write_bytes(b"y" * 22)
    (line,) = lines("cp", "--if-size-differ", f"s3://{full}/dir/b", tmp_path / "b")
    assert line["skipped"] and line["size"] == 22
    skipped = lines("cp", f"s3://{full}/cold", tmp_path / "cold", status=1)[0]
    assert skipped["reason"] == "archived" and skipped.get("size", 7) == 7


def test_dry_run_looks_at_its_source(lines, full, tmp_path):
    (line,) = lines("cp", "--dry-run", f"s3://{full}/dir/b", tmp_path / "x")
    assert line["size"] == 22 and line["dry_run"]
    (line,) = lines("cp", "--dry-run", f"s3://{full}/none", tmp_path / "x", status=1)
    assert line["code"] in ("NoSuchKey", "TARN_ENOTFOUND")


def test_archived_objects_are_no_lack_of_rights(tarn, full, tmp_path):
    tarn("cat", f"s3://{full}/cold", status=1)
    tarn("cp", "--force-glacier-transfer", f"s3://{full}/cold", tmp_path / "x", status=1)
