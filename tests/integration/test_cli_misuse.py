# SPDX-License-Identifier: Apache-2.0
"""Every option of every command with values that are none, and with what contradicts it: exit status 2, one line that tells
what is wrong, and no request. The options are read from `tarn help`, so that new ones are tried without being named here."""

import json
import re
import socket
import subprocess

import pytest
from conftest import BIN, ROOT, put, run

# What stands for a value in the help, and what is no value of that kind.
NUMBERS = ["", "x", "-1", "1.5", "0x10", " 1", "1 ", "+1", "1e3", "18446744073709551616", "٣"]
BAD_VALUES = {
    "N": NUMBERS,
    "MIB": [*NUMBERS, "0", "4", "5121"],
    "SIZE": ["", "x", "-1", "1.5M", "M", "1X", "1 M", "99999999999T", "18446744073709551616"],
    "TIME": ["", "x", "-1", "1.5h", "h", "1M", "1 h", "99999999999999999999d", "12:00"],
}
# Words of which one is wanted.
CHOICES = {"NAME": ["checksum-algorithm"], "ACL": ["acl"], "KIND": ["sse"], "WHICH": ["metadata-directive", "error-mode"],
           "METHOD": ["method"], "STATE": ["set"], "TIER": ["tier"]}
# Operands with which each command would send something.
OPERANDS = {
    "cp": ["{file}", "s3://bucket/k"], "mv": ["s3://bucket/a", "s3://bucket/b"], "sync": ["{dir}", "s3://bucket/p"], "run": ["{script}"],
    "mb": ["bucket"], "rb": ["bucket"], "lock": ["status", "s3://bucket/l"], "buffer": ["gc", "s3://bucket/b"], "tag": ["s3://bucket/k", "a=b"],
    "select-class": ["GLACIER", "s3://bucket/k"], "admin": ["user", "list"], "completion": ["names", "s3://b"], "help": [], "version": [],
    "mock": ["--", "true"],
}
OPTION = re.compile(r"^  (?:(-\w), )?(?:(-\w), )?--([a-z0-9-]+)(?: ([A-Z=-]+))?(?:  |$)", re.M)


def help_of(*args):
    return subprocess.run([BIN / "tarn", *args], capture_output=True, text=True, check=True).stdout


def options_of(text):
    return [(name, value) for _, _, name, value in OPTION.findall(text)]


COMMANDS = re.findall(r"^  ([a-z-]+)  ", help_of("help").split("Commands:")[1].split("\n\n")[0], re.M)
GLOBAL = options_of(help_of("help"))
OWN = {command: options_of(help_of(command, "--help")) for command in COMMANDS}
ROWS = [("ls", name, value) for name, value in GLOBAL] + [(command, *row) for command in COMMANDS for row in OWN[command]]


def test_the_help_was_understood():
    assert len(COMMANDS) == 28 and len(GLOBAL) > 30 and len(ROWS) > 150
    assert ("ls", "part-size", "MIB") in ROWS and ("lock", "ttl", "TIME") in ROWS and ("cp", "recursive", "") in ROWS


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as one:
        one.setblocking(False)
        yield one


@pytest.fixture
def refused(listener, tmp_path):
    """Runs what must be refused at once; gives what was said."""
    (tmp_path / "file").write_text("x")
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir/x").write_text("x")
    (tmp_path / "script").write_text("ls s3://bucket\n")
    env = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "AWS_ENDPOINT_URL": f"http://127.0.0.1:{listener.getsockname()[1]}", "LC_ALL": "C.UTF-8",
           "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"}
    before = sorted(tmp_path.rglob("*"))

    def call(command, *args):
        operands = [word.format(file=tmp_path / "file", dir=tmp_path / "dir", script=tmp_path / "script") for word in OPERANDS.get(command, ["s3://bucket/k"])]
        done = run([BIN / "tarn", command, *args, *operands], env, 2, timeout=20, cwd=tmp_path)
        text = done.stderr.decode()
        begin = f'{{"operation":"{command}"' if "--json" in args else f"tarn: {command}: "
        assert done.stdout == b"" and text.count("\n") == 1 and text.startswith(begin), (args, done)
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text), text
        with pytest.raises(BlockingIOError):
            listener.accept()
        assert sorted(tmp_path.rglob("*")) == before
        return text

    return call


@pytest.mark.parametrize("command,name,kind", [row for row in ROWS if row[2] in BAD_VALUES], ids=lambda value: str(value))
def test_values_that_are_none(refused, command, name, kind):
    for value in BAD_VALUES[kind]:
        text = refused(command, f"--{name}={value}")
        assert f'"--{name}"' in text, text
        assert text == refused(command, f"--{name}", value)


@pytest.mark.parametrize("command,name", [(c, n) for c, n, v in ROWS if n in CHOICES.get(v, ())])
def test_words_that_are_none(refused, command, name):
    for value in ("", "nonsense", "AES", "co", "GET PUT", "é", "\x1b[31m"):
        text = refused(command, f"--{name}", value)
        assert f'"--{name}"' in text and ("one of " in text or "empty" in text), text


@pytest.mark.parametrize("command,name,value", ROWS, ids=lambda value: str(value) or "flag")
def test_values_that_are_missing_or_too_many(refused, command, name, value):
    if name in ("help", "version"):
        return
    if not value:
        assert "takes no value" in refused(command, f"--{name}=yes")
        assert "takes no value" in refused(command, f"--{name}=")
        return
    assert "needs a value" in refused(command, f"--{name}", "--quiet")
    if name not in ("remove", "bucket"):
        refused(command, f"--{name}=")


@pytest.mark.parametrize("command", COMMANDS)
def test_options_that_are_none(refused, command):
    for option in ("--no-such-option", "--", "-Z", "-é", "-\x1b", "--\x1b[31m", "--=x", "--" + "x" * 5000):
        if option != "--":
            assert "unknown option" in refused(command, option)
    assert "did you mean" in refused(command, "--jsn")


def test_every_option_is_in_the_manual_and_in_the_completions():
    manual = (ROOT / "docs/man/tarn.1").read_text().replace("\\-", "-")
    scripts = [help_of("completion", shell) for shell in ("bash", "zsh", "fish")]
    for _, name, _ in ROWS:
        assert f"--{name}" in manual
        assert all(re.search(rf"(--|-l ){re.escape(name)}\b", script) for script in scripts), name


# What makes no sense together, and what must be said of it.
CONTRADICTIONS = [
    ("ls", ["--path-style", "--virtual"], "exclude each other"), ("ls", ["-q", "-v"], "exclude each other"),
    ("ls", ["--json", "-H"], "exclude each other"), ("ls", ["--no-sign-request", "--profile", "x"], "exclude each other"),
    ("ls", ["--all-versions", "--limit", "1"], "exclude each other"),
    ("sync", ["--size-only", "--checksum"], "exclude each other"), ("sync", ["--size-only", "--exact-timestamps"], "exclude each other"),
    ("find", ["-0", "--json"], "exclude each other"), ("lock", ["--wait", "1s", "--wait-forever"], "exclude each other"),
    ("cp", ["--exists-ok"], "--atomic"), ("cp", ["--metadata-directive", "COPY"], "within S3"), ("cp", ["--sse-kms-key-id", "k"], "--sse aws:kms"),
    ("cp", ["--sse", "AES256", "--sse-kms-key-id", "k"], "--sse aws:kms"), ("cp", ["--version-id", "v"], "exact key"),
    ("cp", ["--include", ""], "empty"), ("cp", ["--exclude", "!"], "empty"), ("cp", ["--exclude", "regex:["], "regular expression"),
    ("cp", ["--metadata", "a=1", "--metadata", "A=2"], "twice"),
    ("mv", ["--version-id", "v"], "cannot be moved"), ("mv", ["--metadata-directive", "COPY", "--content-type", "a/b"], "contradicts"),
    ("restore", [], "expected one of"), ("restore", ["--undelete", "--days", "1"], "expected one of"), ("restore", ["--undelete", "--tier", "Bulk"], "--days"),
    ("restore", ["--days", "1", "--storage-class", "GLACIER"], "copy of a version"), ("restore", ["--version-id", "v", "s3://bucket/other"], "exact key"),
    ("rm", ["--version-id", "v", "s3://bucket/other"], "exact key"), ("rm", ["--if-match", "e", "s3://bucket/other"], "exact key"),
    ("rm", ["s3://bucket/?*"], "--force"), ("rm", ["s3://bucket/**"], "--force"), ("rm", ["-r", "s3://bucket/x"], "--force"),
    ("cat", ["--version-id", "v", "s3://bucket/other"], "exact key"), ("cat", ["--range", "9-1"], "bad range"), ("cat", ["--range", "1"], "bad range"),
    ("presign", ["--content-type", "a/b"], "PUT only"), ("presign", ["--method", "PUT", "--response-content-type", "a/b"], "GET only"),
    ("presign", ["--no-sign-request"], "signed"), ("attr", ["s3://bucket/a*"], "unexpected"), ("tag", ["--replace", "--remove", "x"], "exclude each other"),
    ("versions", ["--status", "--set", "enabled"], "exclude each other"), ("run", ["-f", "x"], "two files"),
    ("mock", ["--port", "65536"], "not within"), ("lock", ["--ttl", "5s"], "does not go with \"status\""), ("lock", ["--force"], "does not go with"),
    ("lock", ["--nonce", "x"], "does not go with"), ("lock", ["--wait", "5s"], "does not go with"),
]


@pytest.mark.parametrize("command,args,told", CONTRADICTIONS, ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_contradictions(refused, command, args, told):
    assert told in refused(command, *args)


DOWNLOADS = ["--content-type=a/b", "--cache-control=x", "--metadata=a=b", "--acl=private", "--storage-class=STANDARD", "--sse=AES256",
             "--tagging=a=b", "--website-redirect=/x", "--expires-header=2030-01-01T00:00:00Z"]


@pytest.mark.parametrize("option", DOWNLOADS)
def test_what_only_uploads_have(refused, option):
    """Said, instead of left out in silence: with files, with directories, and to standard output."""
    OPERANDS["cp"], kept = [], OPERANDS["cp"]
    try:
        for operands in (["s3://bucket/k", "out"], ["-r", "s3://bucket/k", "out"], ["s3://bucket/k", "-"]):
            assert "go with copies to S3" in refused("cp", option, *operands)
        for dash in (["-p"], ["-n"], ["--exclude", "x"], ["-r"], ["--dry-run"], ["--flatten"], ["--ignore-existing"]):
            assert '"-"' in refused("cp", *dash, "s3://bucket/k", "-")
    finally:
        OPERANDS["cp"] = kept


def test_a_pattern_is_not_its_beginning(tarn, s3, bucket):
    put(s3, bucket, "a", "a*")
    assert b"is a pattern" in tarn("attr", f"s3://{bucket}/a*", status=2).stderr
    assert json.loads(tarn("attr", "--raw", "--json", f"s3://{bucket}/a*").stdout)["key"] == "a*"
    assert json.loads(tarn("attr", "--json", f"s3://{bucket}/a\\*").stdout)["key"] == "a*"


@pytest.mark.parametrize("given,kept", [("PUBLIC-READ", "AllUsers"), ("Private", None)])
def test_words_in_either_case(tarn, s3, bucket, tmp_path, given, kept):
    (tmp_path / "f").write_text("x")
    tarn("cp", "--acl", given, tmp_path / "f", f"s3://{bucket}/k")
    grants = str(s3.get_object_acl(Bucket=bucket, Key="k")["Grants"])
    assert ("AllUsers" in grants) == (kept is not None)
    url = tarn("presign", "--method", "put", f"s3://{bucket}/k").stdout
    assert url.startswith(b"http")


def test_filters_hold_for_what_is_named(tarn, s3, bucket, tmp_path):
    """As the shell hands over `*`: what is excluded is neither sent nor deleted nor changed."""
    for name in ("a.txt", "secret.key"):
        (tmp_path / name).write_text(name)
    uri = f"s3://{bucket}"
    tarn("cp", "--exclude", "*.key", tmp_path / "a.txt", tmp_path / "secret.key", f"{uri}/d/")
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["d/a.txt"]
    put(s3, bucket, "d/secret.key")
    for command in (["rm"], ["rm", "--all-versions"], ["rm", "--dry-run"], ["tag", "--replace"], ["select-class", "STANDARD_IA"]):
        done = tarn(*command, "--exclude", "*.key", f"{uri}/d/secret.key")
        assert b"secret" not in done.stdout, command
    for source, target in ((f"{uri}/d/secret.key", tmp_path / "out"), (f"{uri}/d/secret.key", f"{uri}/e")):
        tarn("mv", "--exclude", "*.key", source, target)
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["d/a.txt", "d/secret.key"] and not (tmp_path / "out").exists()
    assert s3.head_object(Bucket=bucket, Key="d/secret.key").get("StorageClass", "STANDARD") == "STANDARD"


def test_du_counts_what_filters_and_patterns_take(tarn, s3, bucket):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    put(s3, bucket, "d/a.txt", "d/a.txt", "d/b.log", "dd/c.txt")
    for key in ("d/x.txt", "d/y.log", "dd/z.txt"):
        upload = s3.create_multipart_upload(Bucket=bucket, Key=key)
        s3.upload_part(Bucket=bucket, Key=key, UploadId=upload["UploadId"], PartNumber=1, Body=b"12345")
    for args, versions, uploads in [
        (["s3://{}"], 4, 3), (["s3://{}/d"], 3, 2), (["s3://{}/d*"], 4, 3), (["s3://{}/d/*.txt"], 2, 1),
        (["--exclude", "*.log", "s3://{}/d"], 2, 1), (["--include", "*.log", "s3://{}"], 1, 1),
    ]:
        row = json.loads(tarn("du", "--all-versions", "--incomplete", "--json", *[arg.format(bucket) for arg in args]).stdout)
        assert (row["count"], row["incomplete_uploads"], row["incomplete_size"]) == (versions, uploads, uploads * 5), args


def test_find_stops_at_its_limit(tarn, s3, bucket):
    put(s3, bucket, *[f"k{i}" for i in range(5)])
    assert tarn("find", "--limit", "3", f"s3://{bucket}").stdout.count(b"\n") == 3
    assert tarn("find", "--limit", "3", f"s3://{bucket}/k4", f"s3://{bucket}/k*", f"s3://{bucket}").stdout.count(b"\n") == 3


def test_tag_says_what_would_be(tarn, s3, bucket):
    put(s3, bucket, "k", Tagging="a=1&b=2")
    uri = f"s3://{bucket}/k"
    for args, wanted in [(["c=3"], {"a": "1", "b": "2", "c": "3"}), (["a=9", "--remove", "b"], {"a": "9"}), (["--replace"], {}), (["--replace", "x=y"], {"x": "y"})]:
        row = json.loads(tarn("tag", "--dry-run", "--json", uri, *args).stdout)
        assert row["tags"] == wanted and row["dry_run"] is True
        lines = tarn("tag", "--dry-run", uri, *args).stdout.decode().splitlines()
        assert sorted(lines) == sorted(f"(dry-run) {name}={value}" for name, value in wanted.items())
    assert len(s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"]) == 2


MARK = b"\xef\xbb\xbf"


def test_files_of_other_editors(tarn, s3, bucket, tmp_path):
    """A byte order mark and lines that end in CR LF."""
    (tmp_path / "t").mkdir()
    for name in ("a.txt", "b.log"):
        (tmp_path / "t" / name).write_text(name)
    (tmp_path / "rules").write_bytes(MARK + b"+ *.txt\r\n- *\r\n")
    tarn("cp", "-r", "--filter-from", tmp_path / "rules", tmp_path / "t", f"s3://{bucket}")
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["a.txt"]
    (tmp_path / "lines").write_bytes(MARK + f"rm s3://{bucket}/a.txt\r\n# done\r\n".encode())
    tarn("run", tmp_path / "lines")
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
    (tmp_path / "empty").write_bytes(MARK)
    tarn("run", tmp_path / "empty")
    tarn("cp", "-r", "--filter-from", tmp_path / "empty", tmp_path / "t", f"s3://{bucket}")
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 2


@pytest.mark.parametrize("args", [["cat"], ["head"], ["cp", "--no-resume"], ["attr"]], ids=lambda args: args[0])
def test_missing_bucket_is_told_apart(tarn, s3, bucket, tmp_path, args):
    """The answer to a HEAD does not say which of the two is missing."""
    target = [tmp_path / "out"] if args[0] == "cp" else []
    assert b"NoSuchBucket" not in tarn(*args, f"s3://{bucket}/none", *target, status=1).stderr
    done = tarn(*args, f"s3://{bucket}-none/none", *target, status=2)
    assert b"NoSuchBucket" in done.stderr and done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("when,stored", [("1970-01-01T00:00:00Z", "Thu, 01 Jan 1970 00:00:00 GMT"),
                                         ("2035-01-02T03:04:05Z", "Tue, 02 Jan 2035 03:04:05 GMT")])
def test_expires_is_kept(tarn, s3, bucket, tmp_path, when, stored):
    """Stored and kept by copies; the first second of 1970 is what many send to forbid caching."""
    (tmp_path / "f").write_text("x")
    uri = f"s3://{bucket}"
    tarn("cp", "--expires-header", when, tmp_path / "f", f"{uri}/k")
    tarn("pipe", "--expires-header", when, f"{uri}/piped", input=b"x")
    tarn("cp", f"{uri}/k", f"{uri}/copy")
    tarn("cp", "-n", f"{uri}/k", f"{uri}/atomic")
    tarn("cp", "--content-type", "text/new", f"{uri}/k", f"{uri}/merged")
    tarn("cp", "-n", "--content-type", "text/new", f"{uri}/k", f"{uri}/both")
    tarn("select-class", "STANDARD_IA", f"{uri}/copy")
    for key in ("k", "piped", "copy", "atomic", "merged", "both"):
        assert s3.head_object(Bucket=bucket, Key=key)["ResponseMetadata"]["HTTPHeaders"]["expires"] == stored, key


def test_run_ends_at_the_first_failure_while_it_waits(env):
    """--fail-fast, and whoever writes the commands is still thinking."""
    with subprocess.Popen([BIN / "tarn", "run", "--fail-fast"], env=env, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdin.write(b"cp /nonexistent s3://bucket/k\n")
        process.stdin.flush()
        try:
            assert process.wait(20) == 1
        finally:
            process.kill()


def test_quiet_leaves_data(tarn, s3, bucket):
    """What was asked for is written: the secret of a new key above all, which is told once only."""
    put(s3, bucket, "k", Tagging="a=1")
    uri = f"s3://{bucket}"
    for args in (["head", f"{uri}/k"], ["head", uri], ["attr", f"{uri}/k"], ["tag", f"{uri}/k"], ["du", uri], ["find", uri], ["ls", uri], ["doctor"],
                 ["versions", uri], ["versions", "--status", uri], ["presign", f"{uri}/k"], ["lock", "status", f"{uri}/l"], ["admin", "user", "list"]):
        loud = tarn(*args).stdout.splitlines()
        assert len(tarn("-q", *args).stdout.splitlines()) == len(loud), args
    tarn("admin", "user", "create", bucket)
    assert tarn("-q", "admin", "key", "create", bucket).stdout.strip()
    for args in (["cp", f"{uri}/k", f"{uri}/l"], ["tag", f"{uri}/k", "b=2"], ["versions", "--set", "enabled", uri], ["rm", f"{uri}/l"]):
        assert tarn("-q", *args).stdout == b"", args


def test_link_that_is_named(tarn, s3, bucket, tmp_path):
    """As the shell hands it over: --no-follow-symlinks holds for it, too."""
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to("file")
    done = tarn("cp", "--no-follow-symlinks", tmp_path / "file", tmp_path / "link", f"s3://{bucket}/d/")
    assert b"symbolic link" in done.stderr
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["d/file"]


def test_key_file_that_cannot_be_read(tarn):
    assert b"No such file" in tarn("ls", "--sse-c-key-file", "/nonexistent", "s3://bucket", status=2).stderr
