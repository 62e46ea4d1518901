# SPDX-License-Identifier: Apache-2.0
"""The AWS command line against tarnd."""

import json
import shutil
import sys

import pytest

from conftest import MIB, digest_of, file_of, run
from oddkeys import odd_keys, path_keys
import raw

AWS = shutil.which("aws", path=f"{sys.prefix}/bin") or shutil.which("aws")
SIZES = [0, 1, 5 * MIB, 64 * MIB]


@pytest.fixture(scope="module")
def aws(server, tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    (home / ".aws").mkdir()
    (home / ".aws/config").write_text("[default]\ns3 =\n    signature_version = s3v4\n")  # presigned URLs too
    env = server.client_env(home)
    return lambda *args, **options: run([AWS, *args], env, **options)


@pytest.fixture(scope="module")
def made(aws):
    aws("s3", "mb", "s3://aws-bucket")
    return "s3://aws-bucket"


@pytest.mark.parametrize("size", SIZES)
def test_sizes_copy_and_delete(aws, made, tmp_path, size):
    path = file_of(tmp_path / "up", size)
    aws("s3", "cp", path, f"{made}/dir/{size}")
    aws("s3", "cp", f"{made}/dir/{size}", f"{made}/copy of {size}")
    aws("s3", "cp", f"{made}/copy of {size}", tmp_path / "down")
    assert digest_of(tmp_path / "down") == digest_of(path)
    aws("s3", "mv", f"{made}/copy of {size}", f"{made}/moved")
    aws("s3", "rm", f"{made}/moved")
    aws("s3", "rm", f"{made}/dir/{size}")
    assert aws("s3", "ls", "--recursive", made).stdout == b""


def test_odd_keys(aws, server):
    keys = odd_keys()
    aws("s3api", "create-bucket", "--bucket", "aws-odd")
    raw.put_many(server, "aws-odd", keys, lambda key: b"odd")
    listed = json.loads(aws("s3api", "list-objects-v2", "--bucket", "aws-odd", "--output", "json").stdout)
    assert [entry["Key"] for entry in listed["Contents"]] == keys
    lines = aws("s3", "ls", "--recursive", "s3://aws-odd").stdout.decode().splitlines()
    assert len(lines) == len(keys)
    aws("s3", "rm", "--recursive", "--only-show-errors", "s3://aws-odd")
    aws("s3", "rb", "s3://aws-odd")


def test_sync_of_a_tree(aws, tmp_path):
    tree = tmp_path / "tree"
    for key in path_keys(300):
        (tree / key).parent.mkdir(parents=True, exist_ok=True)
        if not (tree / key).is_dir():
            (tree / key).write_bytes(key.encode())
    aws("s3", "mb", "s3://aws-sync")
    aws("s3", "sync", "--only-show-errors", tree, "s3://aws-sync/a b/")
    aws("s3", "sync", "--only-show-errors", "s3://aws-sync/a b/", tmp_path / "back")
    run(["diff", "-r", tree, tmp_path / "back"], None)
    assert aws("s3", "sync", tree, "s3://aws-sync/a b/").stdout == b""


def test_stdin_and_presign(aws, made, tmp_path):
    aws("s3", "cp", "-", f"{made}/piped", input=b"from a pipe")
    assert aws("s3", "cp", f"{made}/piped", "-").stdout == b"from a pipe"
    assert b"X-Amz-Signature=" in aws("s3", "presign", f"{made}/piped").stdout
    aws("s3", "rm", f"{made}/piped")


def test_errors(aws):
    assert b"404" in aws("s3", "cp", "s3://aws-bucket/none", "-", status=1).stderr
    assert b"NoSuchBucket" in aws("s3", "ls", "s3://no-such-bucket", status=None).stderr
