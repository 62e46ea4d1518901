# SPDX-License-Identifier: Apache-2.0
"""What nobody asked to be deleted stays: sources that are empty by mistake, links to other trees, copies that meet their sources."""

import json

import pytest
from conftest import MIB, body_of, keys, put


@pytest.fixture
def uri(bucket):
    return f"s3://{bucket}"


def tree_of(root, *names):
    root.mkdir(exist_ok=True)
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    return root


def names_in(root):
    return sorted(str(p.relative_to(root)) for p in root.rglob("*") if not p.is_dir())


def bodies(s3, bucket):
    return {key: s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode() for key in keys(s3, bucket)}


# --- sync --delete from nothing ---


class Side:
    """Both ends of a sync: what the destination has, and an empty source."""

    def __init__(self, direction, s3, bucket, tmp_path):
        self.local = tmp_path / "local"
        if direction == "down":
            self.source, self.target = f"s3://{bucket}/typo", tree_of(self.local, "a", "d/b", "c.log")
        else:
            put(s3, bucket, "p/a", "p/d/b", "p/c.log")
            self.source, self.target = tree_of(self.local, "empty/x").parent / "local/empty", f"s3://{bucket}/p"
            (self.source / "x").unlink()
        if direction == "within":
            self.source = f"s3://{bucket}/typo"
        self.left = (lambda: names_in(self.local)) if direction == "down" else (lambda: [k[2:] for k in keys(s3, bucket) if k.startswith("p/")])


@pytest.fixture(params=["up", "down", "within"])
def side(request, s3, bucket, tmp_path):
    return Side(request.param, s3, bucket, tmp_path)


def test_empty_source_deletes_nothing(tarn, side):
    everything = ["a", "c.log", "d/b"]
    tarn("sync", side.source, side.target)
    for args in ([], ["--dry-run"], ["--max-delete", "5"], ["--exclude", "a"], ["--include", "*.log"]):
        done = tarn("sync", "--delete", *args, side.source, side.target, status=1)
        assert b"nothing is deleted: the source is empty" in done.stderr and b"--force" in done.stderr
        assert done.stderr.startswith(f"tarn: sync {side.source}".encode()) and done.stdout == b""
        assert side.left() == everything
    done = tarn("sync", "--delete", "--dry-run", "--force", side.source, side.target)
    assert done.stdout.count(b"Would delete") == 3 and side.left() == everything
    tarn("sync", "--delete", "--force", "--max-delete", "2", side.source, side.target, status=1)
    assert side.left() == everything
    tarn("sync", "--delete", "--force", side.source, side.target)
    assert side.left() == []
    tarn("sync", "--delete", side.source, side.target)


def test_empty_source_in_json_and_in_run(tarn, side):
    done = tarn("sync", "--json", "--delete", side.source, side.target, status=1)
    told = json.loads(done.stderr)
    assert (told["operation"], told["success"], told["source"]) == ("sync", False, f"{side.source}") and "3 would go" in told["error"]
    done = tarn("run", input=f"sync --delete {side.source} {side.target}\n".encode(), status=1)
    assert b"the source is empty" in done.stderr and len(side.left()) == 3


def test_source_that_filters_hide_is_not_empty(tarn, side, s3, bucket):
    """It is the right one, then; and what the filters leave out is not deleted either."""
    if isinstance(side.source, str):
        put(s3, bucket, "typo/new.txt")
    else:
        tree_of(side.source, "new.txt")
    done = tarn("sync", "--delete", "--include", "*.log", side.source, side.target)
    assert done.stdout.count(b"Deleted") == 1 and side.left() == ["a", "d/b"]


def test_directories_and_markers_are_no_content(tarn, uri, bucket, s3, tmp_path):
    """A disk that is not mounted leaves a directory; a prefix that was emptied may keep its marker."""
    (tmp_path / "empty/sub").mkdir(parents=True)
    put(s3, bucket, "p/a")
    tarn("sync", "--delete", tmp_path / "empty", f"{uri}/p", status=1)
    s3.put_object(Bucket=bucket, Key="marked/", Body=b"")
    tarn("sync", "--delete", f"{uri}/marked/", f"{uri}/p", status=1)
    assert keys(s3, bucket) == ["marked/", "p/a"]


# --- links to other trees ---


def test_nothing_is_deleted_below_a_link(tarn, uri, bucket, s3, tmp_path):
    put(s3, bucket, "p/a", "p/real/b")
    other = tree_of(tmp_path / "other", "precious", "x/y")
    target = tree_of(tmp_path / "target", "a", "extra", "real/b")
    (target / "link").symlink_to(other)
    (target / "inner").symlink_to("real")
    for args in (["--dry-run"], []):
        done = tarn("sync", "--delete", *args, f"{uri}/p", target)
        assert [line[-6:] for line in done.stdout.splitlines() if line.startswith((b"(dry-run) Would delete", b"Deleted"))] == [b"/extra"]
        assert done.stderr.count(b"\n") == 1 and b"below a symbolic link" in done.stderr
    assert names_in(other) == ["precious", "x/y"]
    assert names_in(target) == ["a", "real/b"] and (target / "link").is_symlink() and (target / "inner").is_symlink()


def test_root_may_be_a_link(tarn, uri, bucket, s3, tmp_path):
    put(s3, bucket, "p/a")
    target = tree_of(tmp_path / "target", "a", "extra", "d/extra")
    (tmp_path / "link").symlink_to(target)
    tarn("sync", "--delete", f"{uri}/p", tmp_path / "link")
    assert names_in(target) == ["a"]
    tarn("mv", "-r", tmp_path / "link", f"{uri}/q")
    assert names_in(target) == [] and keys(s3, bucket) == ["p/a", "q/a"]


def test_move_leaves_what_is_below_a_link(tarn, uri, bucket, s3, tmp_path):
    other = tree_of(tmp_path / "other", "precious", "x/y")
    root = tree_of(tmp_path / "tree", "a", "z")
    (root / "link").symlink_to(other)
    (root / "file").symlink_to(other / "precious")
    done = tarn("mv", "-r", root, uri, status=1)
    assert done.stderr.count(b"not moved") == 1 and names_in(other) == ["precious", "x/y"]
    assert keys(s3, bucket) == ["a", "file", "z"] and [p.name for p in root.iterdir()] == ["link"]
    tarn("cp", "-r", root, uri)
    assert keys(s3, bucket) == ["a", "file", "link/precious", "link/x/y", "z"]


# --- copies that meet their sources ---

CROSSINGS = [
    ("-r {0}/a {0}", ["a/a/x", "a/x"]),
    ("-r {0}/a/b {0}/a/", ["a/b/b/x", "a/b/x", "a/z"]),
    ("{0}/log/* {0}/", ["log/1", "log/log/1"]),
    ("-r --flatten {0}/a {0}/a/", ["a/b/x", "a/x"]),
    ("{0}/d/x {0}/x {0}/", ["d/x", "x"]),
]


@pytest.mark.parametrize("args,names", CROSSINGS, ids=[args for args, _ in CROSSINGS])
def test_no_source_is_replaced_by_another(tarn, uri, bucket, s3, args, names):
    put(s3, bucket, *names)
    command = args.format(uri).split()
    assert b"refused" in tarn("cp", "--dry-run", *command, status=1).stderr and keys(s3, bucket) == names
    done = tarn("cp", *command, status=1)
    assert b"a source as well" in done.stderr
    there = bodies(s3, bucket)
    assert all(there[name] == name for name in names)
    for key in set(there) - set(names):
        s3.delete_object(Bucket=bucket, Key=key)
    tarn("mv", *command, status=None)  # in whatever order
    assert sorted(bodies(s3, bucket).values()) == names


def test_tree_moves_up_where_nothing_is_in_the_way(tarn, uri, bucket, s3):
    put(s3, bucket, "a/b/x", "a/b/y", "a/x")
    assert tarn("mv", "-r", f"{uri}/a/b", f"{uri}/a").stdout.count(b"Moved") == 2
    assert bodies(s3, bucket) == {"a/x": "a/b/x", "a/y": "a/b/y"}
    tarn("cp", "-r", "--include", "y", f"{uri}/a", uri)
    assert keys(s3, bucket) == ["a/x", "a/y", "y"]


def test_dry_run_tells_of_what_would_be_refused(tarn, uri, bucket, s3):
    put(s3, bucket, "p/a")
    for command in (["cp", "-r", f"{uri}/p", f"{uri}/p/"], ["mv", "-r", f"{uri}/p/", f"{uri}/p"], ["mv", f"{uri}/p/a", f"{uri}/p/"]):
        for args in ([], ["--dry-run"]):
            done = tarn(*command, *args, status=2)
            assert b"same object" in done.stderr and done.stdout == b""
    assert keys(s3, bucket) == ["p/a"]


# --- names of unfinished downloads ---


@pytest.mark.parametrize("size", [10, 12 * MIB], ids=["small", "large"])
def test_part_of_somebody_else_stays(tarn, uri, bucket, s3, tmp_path, size):
    """Many programs call what they have not finished NAME.part."""
    s3.put_object(Bucket=bucket, Key="d/x", Body=body_of(size))
    target = tree_of(tmp_path / "t", "x", "x.part")
    for command in (["cp", f"{uri}/d/x", target / "x"], ["cp", "-r", f"{uri}/d", target], ["mv", f"{uri}/d/x", target]):
        tarn(*command)
        assert (target / "x").read_bytes() == body_of(size) and (target / "x.part").read_text() == "x.part"


def test_names_like_those_of_unfinished_downloads(tarn, uri, bucket, s3, tmp_path):
    """`x` in one file, never what came for `x.tarn.part` meanwhile; and that one is told."""
    reserved = ["x.tarn.part", "x.tarn.part.resume", "y.tarn.part"]
    put(s3, bucket, *reserved, "x.part", "x.part.resume", "y", "y.part")
    s3.put_object(Bucket=bucket, Key="x", Body=body_of(12 * MIB))
    for command in (["cp", "-r"], ["sync"], ["sync", "--delete"], ["mv", "-r"]):
        done = tarn(*command, uri, tmp_path / "t", status=1)
        assert done.stderr.count(b"unfinished downloads") == 3
        assert names_in(tmp_path / "t") == ["x", "x.part", "x.part.resume", "y", "y.part"]
        assert (tmp_path / "t/x").read_bytes() == body_of(12 * MIB)
        assert all((tmp_path / "t" / name).read_text() == name for name in ("x.part", "x.part.resume", "y", "y.part"))
    assert keys(s3, bucket) == reserved


# --- many objects ---


def test_bucket_with_versions_goes_whole(tarn, uri, bucket, s3):
    """Its objects alone would only be hidden, and the bucket would stay."""
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    put(s3, bucket, "a", "a", "b")
    s3.delete_object(Bucket=bucket, Key="b")
    done = tarn("rb", "--force", uri)
    assert done.stdout.count(b" version ") == 4 and b"Deleted bucket" in done.stdout


def test_nothing_matched_is_told(tarn, uri, bucket, s3):
    put(s3, bucket, "a")
    for command in (["rm", f"{uri}/z*"], ["tag", f"{uri}/z*", "x=y"], ["select-class", "STANDARD_IA", f"{uri}/z*"], ["restore", "--days", "1", f"{uri}/z*"]):
        done = tarn(*command)
        assert done.stderr == b"No objects matched.\n" and done.stdout == b""
