# SPDX-License-Identifier: Apache-2.0
"""rclone against tarnd."""

import shutil

import pytest

from conftest import MIB, digest_of, file_of, run
from oddkeys import odd_keys, path_keys
import raw

pytestmark = pytest.mark.skipif(not shutil.which("rclone"), reason="rclone is not installed")
SIZES = [0, 1, 5 * MIB, 64 * MIB]


@pytest.fixture(scope="module")
def rclone(server, tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    env = server.client_env(home)
    env.update(
        RCLONE_CONFIG=str(home / "rclone.conf"),
        RCLONE_CONFIG_T_TYPE="s3",
        RCLONE_CONFIG_T_PROVIDER="Other",
        RCLONE_CONFIG_T_ENV_AUTH="true",
        RCLONE_CONFIG_T_ENDPOINT=server.url,
        RCLONE_CONFIG_T_REGION="us-east-1",
        RCLONE_RETRIES="1",
        RCLONE_LOW_LEVEL_RETRIES="1",
    )
    (home / "rclone.conf").touch()
    return lambda *args, **options: run(["rclone", *args], env, **options)


@pytest.mark.parametrize("size", SIZES)
def test_sizes_copy_and_delete(rclone, tmp_path, size):
    path = file_of(tmp_path / "up", size)
    rclone("mkdir", "t:rclone-bucket")
    rclone("copyto", path, f"t:rclone-bucket/dir/{size}")
    rclone("copyto", f"t:rclone-bucket/dir/{size}", f"t:rclone-bucket/copy of {size}")
    rclone("copyto", f"t:rclone-bucket/copy of {size}", tmp_path / "down")
    assert digest_of(tmp_path / "down") == digest_of(path)
    rclone("moveto", f"t:rclone-bucket/copy of {size}", "t:rclone-bucket/moved")
    rclone("deletefile", "t:rclone-bucket/moved")
    rclone("deletefile", f"t:rclone-bucket/dir/{size}")
    assert rclone("lsf", "-R", "--files-only", "t:rclone-bucket").stdout == b""


def test_odd_keys(rclone, server):
    """rclone has no names for keys with empty or dot segments, so those stay out of its list."""
    keys = [key for key in path_keys(2600)][:2500]
    rclone("mkdir", "t:rclone-odd")
    raw.put_many(server, "rclone-odd", keys, lambda key: b"odd")
    listed = rclone("lsf", "-R", "--files-only", "--fast-list", "t:rclone-odd").stdout.decode()
    assert len(listed.splitlines()) == len(keys)
    assert sorted(listed.splitlines()) == sorted(rclone_name(key) for key in keys)
    rclone("delete", "t:rclone-odd")
    rclone("rmdir", "t:rclone-odd")


def rclone_name(key):
    """rclone shows what its own file names cannot hold in other characters."""
    return key


def test_odd_keys_of_all_kinds_do_no_harm(rclone, server, s3):
    s3.create_bucket(Bucket="rclone-all")
    raw.put_many(server, "rclone-all", odd_keys(), lambda key: b"odd")
    listed = rclone("lsf", "-R", "--files-only", "t:rclone-all").stdout.decode().splitlines()
    assert len(listed) > len(odd_keys()) - 20


def test_sync_of_a_tree(rclone, tmp_path):
    tree = tmp_path / "tree"
    for key in path_keys(300):
        (tree / key).parent.mkdir(parents=True, exist_ok=True)
        if not (tree / key).is_dir():
            (tree / key).write_bytes(key.encode())
    rclone("mkdir", "t:rclone-sync")
    rclone("sync", tree, "t:rclone-sync/tree")
    rclone("check", "--download", tree, "t:rclone-sync/tree")
    rclone("sync", "t:rclone-sync/tree", tmp_path / "back")
    run(["diff", "-r", tree, tmp_path / "back"], None)


def test_streamed_upload(rclone, tmp_path):
    rclone("mkdir", "t:rclone-bucket")
    rclone("rcat", "t:rclone-bucket/piped", input=b"x" * (7 * MIB))
    assert rclone("cat", "t:rclone-bucket/piped").stdout == b"x" * (7 * MIB)
    assert rclone("size", "--json", "t:rclone-bucket/piped").stdout
    rclone("purge", "t:rclone-bucket")
