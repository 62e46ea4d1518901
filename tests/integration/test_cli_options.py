# SPDX-License-Identifier: Apache-2.0
"""What happens after failures, how many deletions are too many, progress without a terminal, versions from the command line."""

import json

import pytest
from conftest import keys


@pytest.fixture
def uri(bucket):
    return f"s3://{bucket}"


@pytest.fixture
def tree(tmp_path):
    root = tmp_path / "tree"
    root.mkdir()
    for i in range(40):
        (root / f"{i:02}").write_bytes(b"x" * i)
    return root


# --- after failures ---


def test_error_mode_abort(tarn, uri, tree):
    """One file at a time, and the first cannot be read: nothing else is begun."""
    (tree / "00").unlink()
    (tree / "00").symlink_to("gone")
    done = tarn("cp", "-r", "--error-mode", "abort", "--workers", "1", tree, uri + "/a", status=1)
    assert b"00" in done.stderr
    assert tarn("ls", "-R", uri + "/a").stdout == b""


@pytest.mark.parametrize("mode", [[], ["--error-mode", "skip"], ["--error-mode", "PARTIAL"]])
def test_error_mode_goes_on(tarn, uri, tree, s3, bucket, mode):
    (tree / "00").unlink()
    (tree / "00").symlink_to("gone")
    tarn("cp", "-r", *mode, tree, uri + "/a", status=1)
    assert len(keys(s3, bucket)) == 39


def test_error_mode_is_checked(tarn, uri, tree):
    assert b"abort skip partial" in tarn("cp", "-r", "--error-mode", "panic", tree, uri, status=2).stderr


# --- deletions ---


@pytest.mark.parametrize("most, status, left", [(39, 1, 42), (40, 0, 2), (0, 1, 42)])
def test_max_delete(tarn, uri, tree, s3, bucket, most, status, left, tmp_path):
    tarn("cp", "-r", tree, uri + "/d")
    other = tmp_path / "other"
    other.mkdir()
    (other / "new").write_bytes(b"n")
    (other / "too").write_bytes(b"t")
    done = tarn("sync", "--delete", "--max-delete", str(most), other, uri + "/d", status=status)
    assert len(keys(s3, bucket)) == left
    assert (b"nothing is deleted" in done.stderr) == (status == 1)


def test_max_delete_down(tarn, uri, tree, tmp_path):
    tarn("cp", tree / "01", uri + "/d/01")
    tarn("sync", "--delete", "--max-delete", "3", uri + "/d", tree, status=1)
    assert len(list(tree.iterdir())) == 40


# --- progress ---


def test_show_progress_without_a_terminal(tarn, uri, tree):
    done = tarn("cp", "-r", "--show-progress", tree, uri + "/p")
    last = done.stderr.decode().splitlines()[-1]
    assert last.lstrip().startswith("100%") and "40/40 files" in last
    assert "\x1b" not in done.stderr.decode()
    assert tarn("cp", "-r", tree, uri + "/p").stderr == b""
    assert b"exclude each other" in tarn("cp", "-r", "--show-progress", "--no-progress", tree, uri, status=2).stderr


# --- versions ---


def test_versioning_of_buckets(tarn, uri, bucket, s3):
    assert tarn("versions", "--status", uri).stdout == f"{uri}: unversioned\n".encode()
    assert tarn("versions", "--set", "enabled", uri).stdout == f"{uri}: enabled\n".encode()
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    tarn("versions", "--set", "suspended", bucket)
    assert json.loads(tarn("versions", "--status", "--json", uri).stdout)["versioning"] == "suspended"
    assert b"exclude each other" in tarn("versions", "--status", "--set", "enabled", uri, status=2).stderr
    tarn("mb", "--versioning", uri + "-v")
    assert s3.get_bucket_versioning(Bucket=bucket + "-v")["Status"] == "Enabled"
    tarn("versions", "--set", "enabled", "s3://no-such-bucket-here", status=2)


@pytest.fixture
def versioned(tarn, uri, bucket, s3):
    tarn("versions", "--set", "enabled", uri)
    for key in ("foo", "foobar", "dir/a", "dir/b"):
        for body in (b"1", b"22", b"333"):
            s3.put_object(Bucket=bucket, Key=key, Body=body)
    s3.delete_object(Bucket=bucket, Key="dir/b")
    return bucket


def left(s3, bucket):
    found = s3.list_object_versions(Bucket=bucket)
    return sorted(one["Key"] for one in found.get("Versions", []) + found.get("DeleteMarkers", []))


def test_ls_all_versions(tarn, uri, versioned):
    lines = [json.loads(line) for line in tarn("ls", "--all-versions", "--json", uri + "/foo").stdout.splitlines()]
    assert [(one["key"], one["size"]) for one in lines[:-1]] == [("foo", 3), ("foo", 2), ("foo", 1)]
    text = tarn("ls", "--all-versions", "-s", uri + "/dir/").stdout.decode()
    assert text.count("STANDARD") == 6 and text.count("[DELETE MARKER]") == 1
    assert len(tarn("ls", "--all-versions", uri).stdout.splitlines()) == 13
    tarn("ls", "--all-versions", status=2)


def test_rm_all_versions_of_one_key(tarn, uri, versioned, s3):
    dry = tarn("rm", "--all-versions", "--dry-run", uri + "/foo").stdout.decode()
    assert dry.count("(dry-run) Would delete: ") == 3 and "Would delete 3 versions, 0 delete markers" in dry
    assert left(s3, versioned).count("foo") == 3
    done = tarn("rm", "--all-versions", uri + "/foo")
    assert b"Deleted 3 versions, 0 delete markers" in done.stdout
    assert left(s3, versioned) == ["dir/a"] * 3 + ["dir/b"] * 4 + ["foobar"] * 3
    assert b"No objects or versions" in tarn("rm", "--all-versions", uri + "/foo").stderr


def test_rm_all_versions_of_many(tarn, uri, versioned, s3):
    tarn("rm", "--all-versions", "-r", uri + "/dir", status=2)  # nobody watches
    tarn("rm", "--all-versions", "-r", "--force", "--exclude", "a", uri + "/dir")
    assert left(s3, versioned) == ["dir/a"] * 3 + ["foo"] * 3 + ["foobar"] * 3
    lines = tarn("rm", "--all-versions", "--json", uri + "/foo*").stdout.splitlines()
    assert all(json.loads(line)["version_id"] for line in lines if b'"key"' in line)
    assert left(s3, versioned) == ["dir/a"] * 3
    tarn("rm", "--all-versions", "-r", "--force", uri)
    assert left(s3, versioned) == []


def test_rm_all_versions_beyond_a_page(tarn, uri, versioned, s3):
    for i in range(1100):
        s3.put_object(Bucket=versioned, Key="many", Body=str(i).encode())
    assert b"Deleted 1100 versions" in tarn("rm", "--all-versions", uri + "/many").stdout
    assert "many" not in left(s3, versioned)


@pytest.mark.parametrize("args", [["--version-id", "x"], ["--if-match", "x"]])
def test_all_versions_excludes(tarn, uri, args):
    assert b"exclude each other" in tarn("rm", "--all-versions", *args, uri + "/k", status=2).stderr
