# SPDX-License-Identifier: Apache-2.0
"""versions, restore, tag, attr, select-class, du, find, doctor, completion: against tarnd."""

import json
import subprocess

import pytest
from conftest import BIN, run


@pytest.fixture
def env(server, tmp_path):
    return server.client_env(tmp_path)


def tarn(env, *args, status=0, **options):
    return run([BIN / "tarn", *args], env, status, timeout=60, **options)


def lines(env, *args, status=0):
    return [json.loads(line) for line in tarn(env, *args, "--json", status=status).stdout.splitlines()]


@pytest.fixture
def versioned(s3, bucket):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    if not s3.put_object(Bucket=bucket, Key="zz-probe", Body=b"").get("VersionId"):
        pytest.skip("the server has no versioning")
    return bucket


def put(s3, bucket, key, body=b"x", **options):
    return s3.put_object(Bucket=bucket, Key=key, Body=body, **options)


def test_versions(env, s3, versioned):
    ids = [put(s3, versioned, "a/key", bytes([65 + i]))["VersionId"] for i in range(3)]
    put(s3, versioned, "a/key2")
    s3.delete_object(Bucket=versioned, Key="a/key")
    found = lines(env, "versions", f"s3://{versioned}/a/key")
    assert found[0]["type"] == "delete_marker" and found[0]["is_latest"] is True
    assert [one["version_id"] for one in found[1:4]] == ids[::-1]
    assert found[4] == {
        "operation": "versions", "success": True, "count": 3, "delete_markers": 1, "total_size": 3,
    }
    assert lines(env, "versions", f"s3://{versioned}/a/*")[-1]["count"] == 4
    assert lines(env, "versions", "-r", f"s3://{versioned}/a")[-1]["count"] == 4
    assert lines(env, "versions", f"s3://{versioned}/a/ke")[-1]["count"] == 0
    text = tarn(env, "versions", f"s3://{versioned}/a/key").stdout.decode()
    assert "[LATEST] [DELETE MARKER]" in text


def test_restore_version(env, s3, versioned):
    old = put(s3, versioned, "k", b"old")["VersionId"]
    put(s3, versioned, "k", b"new")
    (done,) = lines(env, "restore", "--version-id", old, f"s3://{versioned}/k")
    assert done["version_id"] not in (None, old)
    assert s3.get_object(Bucket=versioned, Key="k")["Body"].read() == b"old"
    s3.delete_object(Bucket=versioned, Key="k")
    tarn(env, "restore", "--undelete", f"s3://{versioned}/k")
    assert s3.get_object(Bucket=versioned, Key="k")["Body"].read() == b"old"
    assert b"no delete marker" in tarn(env, "restore", "--undelete", f"s3://{versioned}/k", status=1).stderr


@pytest.mark.parametrize(
    "args",
    [
        ["restore", "s3://b/k"],
        ["restore", "--undelete", "--days", "1", "s3://b/k"],
        ["restore", "--undelete", "s3://b/*"],
        ["restore", "--undelete", "s3://b"],
        ["restore", "--days", "0", "s3://b/k"],
        ["tag", "s3://b/k", "novalue"],
        ["tag", "s3://b/k", "=x"],
        ["tag", "file"],
        ["tag", "--replace", "--remove", "a", "s3://b/k"],
        ["tag", "--version-id", "x", "-r", "s3://b/k"],
        ["attr", "s3://b"],
        ["select-class", "X", "s3://b"],
        ["select-class", "X"],
        ["du", "file"],
        ["find", "s3://"],
        ["find", "s3://b", "--min-size", "x"],
        ["find", "s3://b", "--older-than", "yesterday"],
        ["completion", "tcsh"],
        ["completion"],
        ["admin"],
        ["admin", "moon", "list"],
        ["admin", "user"],
        ["admin", "user", "create"],
        ["admin", "user", "list", "x"],
        ["admin", "policy", "create", "name", "/nonexistent"],
    ],
)
def test_usage(env, args):
    done = tarn(env, *args, status=2)
    assert done.stderr and not done.stdout


def test_tags_of_object(env, s3, bucket):
    put(s3, bucket, "k")
    address = f"s3://{bucket}/k"
    assert lines(env, "tag", address)[0]["tags"] == {}
    assert lines(env, "tag", address, "a=1", "b=x = y")[0]["tags"] == {"a": "1", "b": "x = y"}
    assert lines(env, "tag", address, "c=3", "--remove", "a")[0]["tags"] == {"b": "x = y", "c": "3"}
    assert tarn(env, "tag", address).stdout in (b"b=x = y\nc=3\n", b"c=3\nb=x = y\n")
    assert lines(env, "tag", "--replace", address, "z=")[0]["tags"] == {"z": ""}
    assert lines(env, "tag", "--replace", address)[0]["tags"] == {}
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == []
    assert lines(env, "tag", address, *[f"t{i}=1" for i in range(11)], status=2) == []
    assert b"NoSuchKey" in tarn(env, "tag", address + "-missing", status=1).stderr


def test_tags_of_many_and_of_bucket(env, s3, bucket):
    for i in range(3):
        put(s3, bucket, f"p/{i}")
    assert len(lines(env, "tag", "-r", f"s3://{bucket}/p", "k=v")) == 3
    for i in range(3):
        assert s3.get_object_tagging(Bucket=bucket, Key=f"p/{i}")["TagSet"] == [{"Key": "k", "Value": "v"}]
    assert lines(env, "tag", f"s3://{bucket}")[0]["tags"] == {}
    assert lines(env, "tag", f"s3://{bucket}", "team=x")[0]["tags"] == {"team": "x"}


def test_attr(env, s3, bucket):
    put(s3, bucket, "k", b"hello", ChecksumAlgorithm="CRC32")
    (found,) = lines(env, "attr", f"s3://{bucket}/k")
    assert found["size"] == 5 and found["etag"] == "5d41402abc4b2a76b9719d911017c592"
    assert found["checksum_algorithm"] == "CRC32" and found["checksum"] == "NhCmhg=="
    assert b"Size:" in tarn(env, "attr", f"s3://{bucket}/k").stdout
    tarn(env, "attr", f"s3://{bucket}/missing", status=1)


def test_select_class(env, s3, bucket):
    for i in range(5):
        put(s3, bucket, f"p/{i}", b"x" * i, ContentType="text/x-odd", Metadata={"m": "1"}, Tagging="t=1")
    dry = lines(env, "select-class", "-r", "--dry-run", "STANDARD_IA", f"s3://{bucket}/p")
    assert len(dry) == 5 and all(one["dry_run"] for one in dry)
    assert len(lines(env, "select-class", "-r", "standard_ia", f"s3://{bucket}/p")) == 5
    head = s3.head_object(Bucket=bucket, Key="p/3")
    assert head["StorageClass"] == "STANDARD_IA"
    assert head["ContentType"] == "text/x-odd" and head["Metadata"] == {"m": "1"} and head["ContentLength"] == 3
    assert s3.get_object_tagging(Bucket=bucket, Key="p/3")["TagSet"] == [{"Key": "t", "Value": "1"}]
    assert lines(env, "select-class", "-r", "STANDARD_IA", f"s3://{bucket}/p") == []
    assert b"missing" in tarn(env, "select-class", "STANDARD_IA", f"s3://{bucket}/missing", status=1).stderr


def test_du(env, s3, bucket):
    put(s3, bucket, "a/1", b"x" * 1000)
    put(s3, bucket, "a/2", b"x" * 500, StorageClass="STANDARD_IA")
    put(s3, bucket, "b", b"x")
    assert lines(env, "du", f"s3://{bucket}")[-1]["total_size"] == 1501
    groups = lines(env, "du", "-g", f"s3://{bucket}/a")
    assert [(g["storage_class"], g["count"], g["total_size"]) for g in groups[:2]] == [
        ("STANDARD", 1, 1000), ("STANDARD_IA", 1, 500),
    ]
    assert groups[2] == {"operation": "du", "success": True, "count": 2, "total_size": 1500}
    assert lines(env, "du", f"s3://{bucket}/*2")[-1]["count"] == 1
    assert lines(env, "du", f"s3://{bucket}/none")[-1]["count"] == 0
    upload = s3.create_multipart_upload(Bucket=bucket, Key="u")
    s3.upload_part(Bucket=bucket, Key="u", UploadId=upload["UploadId"], PartNumber=1, Body=b"y" * 77)
    total = lines(env, "du", "--incomplete", f"s3://{bucket}")[-1]
    assert total["incomplete_uploads"] == 1 and total["incomplete_size"] == 77
    assert b"1.5 KiB" in tarn(env, "du", "-H", f"s3://{bucket}/a").stdout
    tarn(env, "du", "s3://no-such-bucket-here", status=2)


def test_find(env, s3, bucket):
    put(s3, bucket, "x/one.log", b"x" * 10)
    put(s3, bucket, "x/two.txt", b"x" * 2000)
    put(s3, bucket, "x/odd\nname.log", b"")
    keys = lambda *args: sorted(one["key"] for one in lines(env, "find", f"s3://{bucket}", *args)[:-1])
    assert len(keys()) == 3
    assert keys("--name", "*.log") == ["x/odd\nname.log", "x/one.log"]
    assert keys("--min-size", "1K") == ["x/two.txt"]
    assert keys("--max-size", "0") == ["x/odd\nname.log"]
    assert keys("--older-than", "1h") == [] and len(keys("--newer-than", "1h")) == 3
    assert keys("--storage-class", "GLACIER") == [] and len(keys("--storage-class", "STANDARD")) == 3
    assert len(keys("--limit", "1")) == 1
    out = tarn(env, "find", f"s3://{bucket}", "-0", "--max-size", "0").stdout
    assert out == f"s3://{bucket}/x/odd\nname.log\0".encode()


def test_doctor(env, bucket):
    found = {one["check"]: one for one in lines(env, "doctor", f"s3://{bucket}")}
    assert found["endpoint"]["result"].startswith(env["AWS_ENDPOINT_URL"])
    assert "from environment" in found["credentials"]["result"]
    assert found["service"]["success"] and "connected in" in found[f"s3://{bucket}"]["result"]
    out = tarn(env, "doctor", "s3://no-such-bucket-x", status=1).stdout
    assert b"FAILED" in out and b"tarn mb" in out
    bad = dict(env, AWS_SECRET_ACCESS_KEY="wrong")
    assert b"FAILED service" in tarn(bad, "doctor", status=1).stdout
    dead = dict(env, AWS_ENDPOINT_URL="http://127.0.0.1:9")
    assert b"is the server up" in tarn(dead, "doctor", "--max-retries", "0", status=1).stdout
    none = {k: v for k, v in env.items() if not k.startswith("AWS_") or k == "AWS_EC2_METADATA_DISABLED"}
    assert b"FAILED configuration" in tarn(none, "doctor", status=2).stdout
    assert env["AWS_SECRET_ACCESS_KEY"].encode() not in out


def test_completion_names(env, s3, bucket):
    put(s3, bucket, "dir/a b")
    put(s3, bucket, "dir/c")
    put(s3, bucket, "top")
    names = lambda word: tarn(env, "completion", "names", word, status=None).stdout.decode().splitlines()
    assert f"s3://{bucket}/" in names("s3:")
    assert names(f"s3://{bucket[:-1]}") and names("s3://zzzz-none") == []
    assert names(f"s3://{bucket}/") == [f"s3://{bucket}/dir/", f"s3://{bucket}/top"]
    assert names(f"s3://{bucket}/dir/") == [f"s3://{bucket}/dir/a b", f"s3://{bucket}/dir/c"]
    assert names("nonsense") == []


def test_completion_bash(env, s3, bucket):
    put(s3, bucket, "dir/c")
    script = f"""
        PATH={BIN}:$PATH
        eval "$(tarn completion bash)"
        ask() {{ COMP_LINE="$1" COMP_POINT=${{#1}} COMP_WORDS=($1) COMP_CWORD=$2; _tarn; printf '%s\\n' "${{COMPREPLY[@]}}"; }}
        ask "tarn ver" 1
        ask "tarn cp --no-clo" 2
        ask "tarn cat s3://{bucket}/di" 2
    """
    done = subprocess.run(["bash", "-c", script], env=env, capture_output=True, timeout=60, check=False)
    words = done.stdout.decode().split()
    assert words == ["versions", "version", "--no-clobber", f"//{bucket}/dir/"], done


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_name_everything(env, shell):
    script = tarn(env, "completion", shell).stdout.decode()
    for word in ("select-class", "presign", "no-clobber", "endpoint", "completion names"):
        assert word in script


@pytest.mark.parametrize("line", ["doctor", "version", "completion bash", "help", "admin user list", "run x"])
def test_not_a_line_of_run(env, line):
    done = tarn(env, "run", input=f"{line}\n".encode(), status=1)
    assert b"cannot be a line of run" in done.stderr


def test_lines_of_run(env, s3, bucket):
    put(s3, bucket, "k")
    script = f"tag s3://{bucket}/k a=b\ndu s3://{bucket}\nfind s3://{bucket}\nattr s3://{bucket}/k\n"
    tarn(env, "run", input=script.encode())
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == [{"Key": "a", "Value": "b"}]
