# SPDX-License-Identifier: Apache-2.0
"""The library from outside: the tutorial's programs, and Python by way of ctypes."""

import os
import pathlib
import re
import shutil
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


COORDINATION = {"atomic-copy": 1, "locks": 1, "values": 2, "buffers": 1, "mock": 1}


@pytest.mark.parametrize("page", COORDINATION)
def test_coordination_is_what_the_guides_say(page):
    source = (ROOT / "examples/coordination.c").read_text()
    text = (ROOT / f"docs/guide/{page}.md").read_text()
    blocks = re.findall(r"```c\n(.*?)```", text, re.S)
    assert len(blocks) == COORDINATION[page] and all(block in source for block in blocks)
    assert "\n## When not to use it\n" in text


AROUND = """#include <tarn/mock.h>
#include <tarn/tarn.h>
int work(uint64_t token), change(void *arg, const void *present, void **next), run_tests(struct tarn_client *client);
int sketch(struct tarn_client *client, void *arg, const char *const *buckets);
int sketch(struct tarn_client *client, void *arg, const char *const *buckets)
{
    struct tarn_error err = { 0 };
    char out[64];
    int64_t len = 0;
    int rc = TARN_OK;
    {
        %s
    }
    return rc + (int)len + (client && arg && buckets && out[0]);
}
"""


@pytest.mark.parametrize("header", ["copy_atomic", "lock", "store", "buffer", "mock"])
def test_sketch_in_the_header_compiles(header, tmp_path):
    text = (ROOT / f"include/tarn/{header}.h").read_text().partition("#ifndef")[0]
    sketch = "\n".join(re.findall(r"^ \*     (.*)$", text, re.M))
    assert sketch.count("\n") >= 1
    source = tmp_path / "sketch.c"
    source.write_text(AROUND % sketch)
    run([os.environ.get("CC", "cc"), "-std=c17", "-Wall", "-fsyntax-only", f"-I{ROOT / 'include'}", source], os.environ, 0)


def test_coordination_runs(tmp_path):
    program = BUILD / "examples/example_coordination"
    if not program.exists():
        pytest.skip("the examples are not built")
    env = dict(os.environ, TARN_TARND=str(BIN / "tarnd"), TMPDIR=str(tmp_path))
    lines = run([program], env, 0, timeout=120).stdout.decode().splitlines()
    assert lines == ["published by way of header", "somebody else was faster", "run 1", "many lines of 3800000 bytes"]
    assert not list(tmp_path.iterdir())


def find_library():
    for path in sorted(BUILD.rglob("libtarn.so*")):
        return path
    return None


def sanitizer_of(library):
    probe = subprocess.run(["ldd", library], capture_output=True, text=True, check=False).stdout
    return re.search(r"libasan\S* => (\S+)", probe)


def test_cxx(server, bucket, tmp_path):
    library, compiler = find_library(), shutil.which("c++")
    if library is None or compiler is None:
        pytest.skip("no shared library, or no C++ compiler")
    flags = ["-fsanitize=address,undefined"] if sanitizer_of(library) else []
    program = tmp_path / "raii"
    run(
        [compiler, "-std=c++17", "-Wall", "-Wextra", "-Wpedantic", "-Werror", *flags, f"-I{ROOT / 'include'}",
         ROOT / "examples/raii.cpp", library, f"-Wl,-rpath,{library.parent}", "-o", program],
        os.environ, 0, timeout=120,
    )
    done = run([program, bucket, "p/"], server.client_env(tmp_path), 0, timeout=60)
    assert done.stdout.decode().splitlines() == ["p/one", "p/two"]
    done = run([program, "no-such-bucket-x", "p/"], server.client_env(tmp_path), 1, timeout=60)
    assert "no-such-bucket-x" in done.stderr.decode()


def test_transfer_there_and_back(server, s3, bucket, tmp_path):
    program = BUILD / "examples/example_transfer"
    if not program.exists():
        pytest.skip("the examples are not built")
    source, copy = tmp_path / "source", tmp_path / "copy"
    source.write_bytes(os.urandom(12 << 20))
    env = dict(server.client_env(tmp_path), XDG_STATE_HOME=str(tmp_path / "state"))
    lines = run([program, bucket, "k", source, copy], env, 0, timeout=60).stdout.decode().splitlines()
    assert lines == [
        "fresh, 0 bytes there already", "100% of 12582912 bytes", f"{5 - (12 << 20)} bytes more, other content",
        "verified, the same",
    ]
    assert copy.read_bytes() == source.read_bytes()
    versions = s3.list_object_versions(Bucket=bucket)["Versions"]
    assert [one["Size"] for one in versions] == [12 << 20, 5, 12 << 20]
    assert versions[2]["StorageClass"] == "STANDARD_IA"


def test_seed_table_names_what_there_is():
    """Each function of the table is declared, and what is said to show it has it."""
    guide = (ROOT / "docs/guide/library.md").read_text()
    declared = "".join(path.read_text() for path in (ROOT / "include/tarn").glob("*.h"))
    rows = re.findall(r"^\| [^|]+ \| ([^|]*`tarn_[^|]+) \| ([^|]+) \|$", guide, re.M)
    assert len(rows) >= 25
    for functions, places in rows:
        for name in re.findall(r"`(tarn_\w+)`", functions):
            assert re.search(rf"\b{name}\b", declared), name
        for place in re.findall(r"`([\w/.-]+\.(?:c|cpp|py))`", places):
            assert (ROOT / place).exists(), place


def test_ctypes(server, bucket, tmp_path):
    library = find_library()
    if library is None:
        pytest.skip("the shared library is not built")
    env = dict(server.client_env(tmp_path), TARN_LIBRARY=str(library))
    runtime = sanitizer_of(library)
    if runtime:  # a sanitized library wants its runtime first
        env.update(LD_PRELOAD=runtime[1], ASAN_OPTIONS="detect_leaks=0")
    done = run([sys.executable, ROOT / "examples/ctypes_tarn.py", bucket, "k/ä", "hällo"], env, 0, timeout=120)
    assert done.stdout.decode().splitlines() == ["hällo", "         6  k/ä"]
    run([sys.executable, ROOT / "examples/ctypes_tarn.py", "no-such-bucket-x", "k", "t"], env, 1, timeout=120)


def batch(env, *args, status=0):
    program = BUILD / "examples/example_batch"
    if not program.exists():
        pytest.skip("the examples are not built")
    lines = run([program, *args], env, status, timeout=60).stdout.decode().splitlines()
    return dict(line.rsplit(" ", 1) for line in lines[:-1]), lines[-1]


def test_batches(server, s3, bucket, tmp_path):
    env = server.client_env(tmp_path)
    keys = [f"data/{i}" for i in range(5)]
    for key in keys:
        s3.put_object(
            Bucket=bucket, Key=key, Body=b"x", ContentType="text/odd", CacheControl="no-store",
            Metadata={"draft": "1", "kept": "2"}, Tagging="a=b",
        )
    found, counts = batch(env, "copy", bucket, *keys, keys[0], "data/missing", status=1)
    assert found["data/missing"] == "TARN_ENOTFOUND" and found[keys[0]] == "TARN_OK"
    assert counts == "succeeded 6, failed 1, left out 0"
    assert s3.get_object(Bucket=bucket, Key="archive/3")["Body"].read() == b"x"

    assert batch(env, "metadata", bucket, *keys)[1] == "succeeded 5, failed 0, left out 0"
    head = s3.head_object(Bucket=bucket, Key=keys[2])
    assert head["Metadata"] == {"kept": "2", "reviewed": "yes"}
    assert head["ContentType"] == "text/odd" and head["CacheControl"] == "no-store"
    assert s3.get_object_tagging(Bucket=bucket, Key=keys[2])["TagSet"] == [{"Key": "a", "Value": "b"}]

    batch(env, "tags", bucket, *keys)
    tags = s3.get_object_tagging(Bucket=bucket, Key=keys[4])["TagSet"]
    assert sorted(one["Key"] for one in tags) == ["a", "team"]

    found, counts = batch(env, "class", bucket, keys[0], "data/missing", *keys[1:], status=1)
    assert counts == "succeeded 1, failed 1, left out 4"
    assert found[keys[4]] == "TARN_ECANCELLED"
    assert s3.head_object(Bucket=bucket, Key=keys[0])["StorageClass"] == "STANDARD_IA"

    assert batch(env, "delete", bucket, *keys, keys[0])[1] == "succeeded 6, failed 0, left out 0"
    left = [one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    assert left == [f"archive/{i}" for i in range(5)]
