# SPDX-License-Identifier: Apache-2.0
"""The library from outside: the tutorial's programs, and Python by way of ctypes."""

import os
import pathlib
import re
import subprocess
import sys

import pytest
from conftest import BIN, ROOT, run

BUILD = pathlib.Path(BIN).parent


def test_tutorial_is_what_the_guide_says():
    source = (ROOT / "examples/tutorial.c").read_text()
    blocks = re.findall(r"```c\n(.*?)```", (ROOT / "docs/guide/library.md").read_text(), re.S)
    assert len(blocks) >= 6
    for block in blocks:
        assert block in source


def test_tutorial_runs(server, s3, bucket, tmp_path):
    program = BUILD / "examples/example_tutorial"
    if not program.exists():
        pytest.skip("the examples are not built")
    s3.put_object(Bucket=bucket, Key="data/x", Body=b"12345")
    done = run([program, bucket], server.client_env(tmp_path), 0, timeout=60)
    text = done.stdout.decode()
    assert "Hello, S3!" in text and "         5  data/x" in text and "uploaded" in text
    assert "hello.txt: deleted" in text
    keys = [one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    assert keys == ["async.txt", "data/x"]


def find_library():
    for path in sorted(BUILD.rglob("libtarn.so*")):
        return path
    return None


def test_ctypes(server, bucket, tmp_path):
    library = find_library()
    if library is None:
        pytest.skip("the shared library is not built")
    env = dict(server.client_env(tmp_path), TARN_LIBRARY=str(library))
    probe = subprocess.run(["ldd", library], capture_output=True, text=True, check=False).stdout
    runtime = re.search(r"libasan\S* => (\S+)", probe)
    if runtime:  # a sanitized library wants its runtime first
        env.update(LD_PRELOAD=runtime[1], ASAN_OPTIONS="detect_leaks=0")
    done = run([sys.executable, ROOT / "examples/ctypes_tarn.py", bucket, "k/ä", "hällo"], env, 0, timeout=120)
    assert done.stdout.decode().splitlines() == ["hällo", "         6  k/ä"]
    run([sys.executable, ROOT / "examples/ctypes_tarn.py", "no-such-bucket-x", "k", "t"], env, 1, timeout=120)
