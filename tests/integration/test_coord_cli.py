# SPDX-License-Identifier: Apache-2.0
"""tarn lock, tarn buffer gc, tarn mock, tarn cp -n, and the example of the document."""

import json
import os
import re
import signal
import subprocess
import time

import pytest
from conftest import BIN, ROOT, run
from coord_proxy import Careless, Liar

EXAMPLE = BIN.parent / "examples/example_s3-copy-atomic"


@pytest.fixture
def env(server, bucket, tmp_path):
    return dict(server.client_env(tmp_path), BUCKET=bucket, PATH=f"{BIN}:{os.environ['PATH']}")


def tarn(env, *arguments, status=0):
    return run([BIN / "tarn", *arguments], env, status).stdout.decode()


def state(env, name):
    return json.loads(tarn(env, "lock", "status", "--json", name))


def test_run_passes_token_and_status(env, bucket):
    name = f"s3://{bucket}/nightly"
    assert tarn(env, "lock", "run", name, "--", "sh", "-c", "echo $LOCK_TOKEN") == "1\n"
    assert tarn(env, "lock", "run", name, "--", "sh", "-c", "echo $LOCK_TOKEN; exit 7", status=7) == "2\n"
    assert state(env, name)["state"] == "released"
    tarn(env, "lock", "run", name, "--", "/nonexistent/program", status=127)
    assert state(env, name)["token"] == 3


def test_steps(env, bucket):
    name = f"s3://{bucket}/deploy"
    assert state(env, name)["state"] == "absent"
    held = json.loads(tarn(env, "lock", "acquire", "--json", "--ttl", "30s", "--owner", "me", name))
    assert state(env, name)["owner"] == "me"
    done = run([BIN / "tarn", "lock", "run", name, "--", "true"], env, 1)
    assert b"held by me" in done.stderr
    tarn(env, "lock", "renew", "--nonce", held["nonce"], name)
    tarn(env, "lock", "release", "--nonce", "0" * 32, name, status=3)
    tarn(env, "lock", "release", name, status=2)
    tarn(env, "lock", "release", "--nonce", held["nonce"], name)
    tarn(env, "lock", "release", "--nonce", held["nonce"], name, status=3)
    assert state(env, name)["state"] == "released"


def test_renewal_keeps_the_ttl(env, bucket):
    name = f"s3://{bucket}/long"
    held = json.loads(tarn(env, "lock", "acquire", "--json", "--ttl", "10m", name))
    renewed = json.loads(tarn(env, "lock", "renew", "--json", "--nonce", held["nonce"], name))
    assert renewed["token"] == held["token"] and renewed["remaining_ms"] > 60000
    assert state(env, name)["ttl_ms"] == 600000
    tarn(env, "lock", "renew", "--ttl", "20m", "--nonce", held["nonce"], name)
    assert state(env, name)["ttl_ms"] == 1200000


@pytest.mark.parametrize("step", [("release", "--nonce"), ("break", "--if-match"), ("break", "--force")])
def test_steps_tell_json(env, bucket, step):
    name = f"s3://{bucket}/told"
    held = json.loads(tarn(env, "lock", "acquire", "--json", name))
    held["etag"] = state(env, name)["etag"]
    words = {"--nonce": "nonce", "--if-match": "etag"}
    argument = [held[words[step[1]]]] if step[1] in words else []
    told = json.loads(tarn(env, "lock", step[0], "--json", step[1], *argument, name))
    assert told == {"operation": "lock", "success": True, "lock": name, "state": "released"}


def test_command_is_ended_when_the_lock_is_lost(env, bucket):
    name = f"s3://{bucket}/lost"
    script = f"tarn lock break --force {name}; exec sleep 600"
    tarn(env, "lock", "run", "--ttl", "2s", name, "--", "sh", "-c", script, status=3)


def test_longest_hold(env, bucket):
    name = f"s3://{bucket}/long"
    tarn(env, "lock", "run", "--ttl", "1s", "--max", "2s", name, "--", "sleep", "600", status=3)


def test_break_wants_the_record_that_was_seen(env, bucket):
    name = f"s3://{bucket}/broken"
    tarn(env, "lock", "acquire", "--ttl", "30s", name)
    tarn(env, "lock", "break", name, status=2)
    tarn(env, "lock", "break", "--if-match", "0" * 32, name, status=3)
    tarn(env, "lock", "break", "--if-match", state(env, name)["etag"], name)
    assert state(env, name)["state"] == "released"
    assert tarn(env, "lock", "run", name, "--", "sh", "-c", "echo $LOCK_TOKEN") == "2\n"


def test_stale_lock_of_a_killed_holder(env, bucket):
    name = f"s3://{bucket}/stale"
    holder = subprocess.Popen([BIN / "tarn", "lock", "run", "--ttl", "5s", name, "--", "sleep", "600"], env=env)
    try:
        while state(env, name)["state"] != "held":
            assert holder.poll() is None
        holder.kill()
        holder.wait()
        assert tarn(env, "lock", "run", "--wait", "60s", name, "--", "sh", "-c", "echo $LOCK_TOKEN") == "2\n"
    finally:
        holder.kill()


def test_signal_goes_to_the_command(env, bucket):
    name = f"s3://{bucket}/signal"
    script = "trap 'exit 42' TERM; echo ready; while :; do sleep 0.05; done"
    with subprocess.Popen(
        [BIN / "tarn", "lock", "run", name, "--", "sh", "-c", script], env=env, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 42
    assert state(env, name)["state"] == "released"


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "s3://b/n"),
        ("frob", "s3://b/n"),
        ("status", "s3://b"),
        ("status", "b/n"),
        ("status", "s3://b/n", "true"),
        ("run", "--ttl", "0", "s3://b/n", "--", "true"),
        ("run", "--max", "1", "s3://b/n", "--", "true"),
        ("run", "s3://no-such-bucket-here/n", "--", "true"),
    ],
)
def test_usage(env, arguments):
    tarn(env, "lock", *arguments, status=2)


@pytest.mark.parametrize("wait, reason", [("0", b"held"), ("2s", b"still")])
def test_answers_that_contradict_each_other(env, wait, reason):
    """They end the attempt, and there are pauses between the questions."""
    with Liar() as liar:
        access = dict(env, AWS_ENDPOINT_URL=liar.url)
        command = [BIN / "tarn", "lock", "acquire", "--ttl", "1s", "--wait", wait, "s3://any/name"]
        done = subprocess.run(command, env=access, capture_output=True, timeout=60)
        assert done.returncode == 1, done.stderr
        assert len(liar.requests) < 200


def test_gc(env, bucket, s3):
    key = "spool/1640995200-a1b2c3d4e5f60718.bin"
    mark = {"tarn-buffer-owner": "0" * 32, "tarn-buffer-expires": "1640995200"}
    s3.put_object(Bucket=bucket, Key=key, Body=b"left", Metadata=mark)
    s3.put_object(Bucket=bucket, Key="spool/1640995200-ffffffffffffffff.bin", Body=b"foreign")
    s3.put_object(Bucket=bucket, Key="spool/notes.bin", Body=b"named otherwise", Metadata=mark)
    future = dict(mark, **{"tarn-buffer-expires": str(int(time.time()) + 3600)})
    s3.put_object(Bucket=bucket, Key="spool/1640995200-aaaaaaaaaaaaaaaa.bin", Body=b"in use", Metadata=future)
    beyond = dict(mark, **{"tarn-buffer-expires": "18446744073709551615"})
    s3.put_object(Bucket=bucket, Key="spool/1640995200-bbbbbbbbbbbbbbbb.bin", Body=b"never", Metadata=beyond)
    assert "Would remove" in tarn(env, "buffer", "gc", "--dry-run", f"s3://{bucket}/spool/")
    assert tarn(env, "buffer", "gc", f"s3://{bucket}/spool/") == f"Removed {key}\n"
    keys = [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    assert len(keys) == 4 and key not in keys
    tarn(env, "buffer", "gc", "s3://no-such-bucket-here/", status=2)


def test_cp_no_clobber(env, bucket, s3):
    s3.put_object(Bucket=bucket, Key="a", Body=b"new", Metadata={"colour": "blue"}, ContentType="text/x-a")
    assert "Copied" in tarn(env, "cp", "-n", f"s3://{bucket}/a", f"s3://{bucket}/b")
    seen = s3.get_object(Bucket=bucket, Key="b")
    assert seen["Body"].read() == b"new" and seen["Metadata"] == {"colour": "blue"}
    assert seen["ContentType"] == "text/x-a"
    s3.put_object(Bucket=bucket, Key="a", Body=b"newer")
    tarn(env, "cp", "-n", f"s3://{bucket}/a", f"s3://{bucket}/b")
    assert s3.get_object(Bucket=bucket, Key="b")["Body"].read() == b"new"
    assert sorted(entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]) == ["a", "b"]


def test_cp_atomic(env, bucket, s3, tmp_path):
    """To publish once: that it exists is a failure of its own, or as good as done."""
    here, there, local = f"s3://{bucket}/a", f"s3://{bucket}/b", tmp_path / "local"
    s3.put_object(Bucket=bucket, Key="a", Body=b"first")
    assert "Copied" in tarn(env, "cp", "--atomic", here, there)
    s3.put_object(Bucket=bucket, Key="a", Body=b"second")
    for options in [("--atomic",), ("--atomic", "--dry-run"), ("--atomic", "--cache-control", "no-cache"),
                    ("--atomic", "--metadata-directive", "REPLACE")]:
        done = run([BIN / "tarn", "cp", *options, here, there], env, 1)
        assert b"exists" in done.stderr, done.stderr
    tarn(env, "cp", "--atomic", "--exists-ok", here, there)
    local.write_bytes(b"third")
    tarn(env, "cp", "--atomic", local, there, status=1)
    tarn(env, "cp", "--atomic", "--exists-ok", local, there)
    tarn(env, "cp", "--atomic", here, local, status=1)
    tarn(env, "cp", "--atomic", "--exists-ok", here, local)
    assert local.read_bytes() == b"third"
    assert s3.get_object(Bucket=bucket, Key="b")["Body"].read() == b"first"
    tarn(env, "cp", "--atomic", f"s3://{bucket}/missing", f"s3://{bucket}/c", status=1)
    tarn(env, "cp", "--exists-ok", here, there, status=2)
    tarn(dict(env, AWS_SECRET_ACCESS_KEY="wrong-key-0000000000"), "cp", "--atomic", here, there, status=2)


@pytest.mark.parametrize("options", [(), ("--content-type", "text/x"), ("--metadata-directive", "REPLACE")])
def test_cp_no_clobber_on_a_server_without_conditions(env, options):
    with Careless() as careless:
        access = dict(env, AWS_ENDPOINT_URL=careless.url)
        careless.objects.update({"any/a": b"new", "any/b": b"old"})
        # What exists is seen; the race is what only conditions could decide.
        run([BIN / "tarn", "cp", "-n", *options, "s3://any/a", "s3://any/c"], access, 1)
        assert careless.objects == {"any/a": b"new", "any/b": b"old"}


def test_mock_with_a_command(tmp_path, env):
    env = {k: v for k, v in env.items() if not k.startswith("AWS_")}
    out = tarn(dict(env, TMPDIR=str(tmp_path)), "mock", "--bucket", "one", "--bucket", "two", "--",
               "sh", "-c", "tarn ls --json; echo $AWS_ACCESS_KEY_ID; exit 5", status=5)
    assert '"one"' in out and '"two"' in out and "mock-access-key-0001" in out
    assert not list(tmp_path.glob("tarn-mock-*"))


def test_mock_beside_keys_of_ones_own(tmp_path, env):
    """What people have in their environment must not get mixed with the mock's keys."""
    env = dict(env, AWS_SESSION_TOKEN="stale", AWS_PROFILE="production", AWS_DEFAULT_REGION="eu-west-3",
               TMPDIR=str(tmp_path))
    assert '"one"' in tarn(env, "mock", "--bucket", "one", "--", "tarn", "ls", "--json")
    with subprocess.Popen([BIN / "tarn", "mock", "--bucket", "two"], env=env, stdout=subprocess.PIPE) as process:
        lines = [process.stdout.readline().decode() for _ in range(10)]
        script = "".join(lines) + "tarn ls --json"
        assert '"two"' in run(["sh", "-c", script], env).stdout.decode()
        process.terminate()
        assert process.wait(60) == 0


def test_mock_tells_what_it_kept(tmp_path, env):
    done = run([BIN / "tarn", "mock", "--keep", "--", "true"], dict(env, TMPDIR=str(tmp_path)))
    (kept,) = tmp_path.glob("tarn-mock-*")
    assert done.stderr.decode() == f"Kept {kept}\n" and done.stdout == b""


def test_mock_until_a_signal(tmp_path, env):
    data = tmp_path / "kept"
    command = [BIN / "tarn", "mock", "--json", "--keep", "--data", data, "--bucket", "here"]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE) as process:
        told = json.loads(process.stdout.readline())
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", told["endpoint"])
        access = dict(env, AWS_ENDPOINT_URL=told["endpoint"], AWS_ACCESS_KEY_ID=told["access_key"],
                      AWS_SECRET_ACCESS_KEY=told["secret_key"])
        assert "s3://here" in tarn(access, "ls")
        process.terminate()
        assert process.wait(60) == 0
    assert data.is_dir()
    tarn(env, "mock", "--data", "/dev/null/x", status=1)


def test_example_prints_what_the_document_says(env, bucket, s3):
    done = run([EXAMPLE, "--bucket", bucket], env)
    stamp = re.search(rb"source-(\d+)\.txt", done.stdout)[1].decode()
    head = f"=== S3 copy_atomic Test ===\nBucket: {bucket}\nRegion: us-east-1\n\nTest files:\n"
    expected = head + (
        f"  Source: copy-atomic-test/source-{stamp}.txt\n"
        f"  Dest:   copy-atomic-test/dest-{stamp}.txt\n\n"
    ) + (ROOT / "tests/integration/s3-copy-atomic.expected").read_text()
    assert done.stdout.decode() == expected
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_mock_whose_server_ends(tmp_path, env):
    command = [BIN / "tarn", "mock", "--json", "--data", tmp_path / "gone"]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        os.kill(json.loads(process.stdout.readline())["pid"], signal.SIGKILL)
        assert b"tarnd has ended" in process.communicate(timeout=60)[1]
        assert process.returncode == 1
    assert not (tmp_path / "gone").exists()


def test_selftest(env, bucket, s3):
    out = tarn(env, "selftest", f"s3://{bucket}")
    example = run([EXAMPLE, "--bucket", bucket], env).stdout.decode()
    assert re.sub(r"\d{10}", "T", out) == re.sub(r"\d{10}", "T", example)
    told = json.loads(tarn(env, "selftest", "--json", f"s3://{bucket}/some/place"))
    assert told["success"] is True and told["bucket"] == bucket
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
    tarn(env, "selftest", "s3://no-such-bucket-here", status=2)
    tarn(env, "selftest", "local", status=2)
    with Careless() as careless:
        done = run([BIN / "tarn", "--endpoint-url", careless.url, "selftest", "s3://any"], env, 1)
        assert b"Endpoint: " + careless.url.encode() in done.stdout and b"conditional" in done.stderr
        assert careless.objects == {}


def test_example_cleans_up_after_a_failure(tmp_path, env):
    with Careless() as careless:
        done = run([EXAMPLE, "--bucket", "any", "--endpoint", careless.url, "--prefix", "p"], env, 1)
        assert b"Endpoint: " + careless.url.encode() in done.stdout
        assert done.stderr.startswith(b"Error: ")
        assert careless.objects == {}
    run([EXAMPLE], env, 2)
