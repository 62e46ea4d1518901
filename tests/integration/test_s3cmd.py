# SPDX-License-Identifier: Apache-2.0
"""s3cmd against tarnd."""

import shutil

import pytest

from conftest import MIB, digest_of, file_of, run
from oddkeys import odd_keys
import raw

pytestmark = pytest.mark.skipif(not shutil.which("s3cmd"), reason="s3cmd is not installed")
SIZES = [0, 1, 5 * MIB, 64 * MIB]


@pytest.fixture(scope="module")
def s3cmd(server, tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    config = home / "s3cfg"
    config.write_text(
        "[default]\n"
        f"access_key = {server.keys[0]}\nsecret_key = {server.keys[1]}\n"
        f"host_base = {server.netloc}\nhost_bucket = {server.netloc}\n"
        "bucket_location = us-east-1\nuse_https = False\nmax_retries = 1\nprogress_meter = False\n"
    )
    env = server.client_env(home)
    return lambda *args, **options: run(["s3cmd", "-c", config, *args], env, **options)


@pytest.mark.parametrize("size", SIZES)
def test_sizes_copy_and_delete(s3cmd, tmp_path, size):
    path = file_of(tmp_path / "up", size)
    bucket = f"s3://s3cmd-{size}"
    s3cmd("mb", bucket)
    s3cmd("put", path, f"{bucket}/dir/{size}")
    s3cmd("cp", f"{bucket}/dir/{size}", f"{bucket}/copy of {size}")
    s3cmd("get", f"{bucket}/copy of {size}", tmp_path / "down")
    assert digest_of(tmp_path / "down") == digest_of(path)
    s3cmd("mv", f"{bucket}/copy of {size}", f"{bucket}/moved")
    assert str(size) in s3cmd("info", f"{bucket}/moved").stdout.decode()
    s3cmd("del", f"{bucket}/moved")
    s3cmd("del", f"{bucket}/dir/{size}")
    assert s3cmd("ls", "-r", bucket).stdout == b""
    s3cmd("rb", bucket)


def test_odd_keys(s3cmd, server):
    keys = odd_keys()
    s3cmd("mb", "s3://s3cmd-odd")
    raw.put_many(server, "s3cmd-odd", keys, lambda key: b"odd")
    lines = s3cmd("ls", "-r", "s3://s3cmd-odd").stdout.decode().splitlines()
    assert sorted(line.partition("s3://s3cmd-odd/")[2] for line in lines) == sorted(keys)
    s3cmd("del", "-r", "-f", "s3://s3cmd-odd")
    s3cmd("rb", "s3://s3cmd-odd")


def test_sync_of_a_tree(s3cmd, tmp_path):
    tree = tmp_path / "tree"
    for i in range(50):
        (tree / f"dir {i % 7}").mkdir(parents=True, exist_ok=True)
        (tree / f"dir {i % 7}" / f"ü+{i}%").write_text(str(i))
    s3cmd("mb", "s3://s3cmd-sync")
    s3cmd("sync", f"{tree}/", "s3://s3cmd-sync/t/")
    (tmp_path / "back").mkdir()
    s3cmd("sync", "s3://s3cmd-sync/t/", f"{tmp_path}/back/")
    run(["diff", "-r", tree, tmp_path / "back"], None)


def test_errors(s3cmd):
    assert b"404" in s3cmd("ls", "s3://no-such-bucket", status=None).stderr
    assert s3cmd("get", "s3://s3cmd-sync/none", "/dev/null", "--force", status=None).returncode != 0
