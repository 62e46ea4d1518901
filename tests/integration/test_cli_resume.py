# SPDX-License-Identifier: Apache-2.0
"""Transfers that are killed half-way, and go on: what is sent again, and that the bytes are right.

A record belongs to one endpoint, so both runs of a transfer go through the proxy."""

import json
import signal
import subprocess
import time

import pytest

from checksums import composite
from conftest import BIN, MIB, digest_of, file_of, run
from proxy import Proxy

SIZE = 48 * MIB
PART = 8 * MIB


@pytest.fixture
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def env(server, home):
    env = server.client_env(home)
    env["XDG_STATE_HOME"] = str(home / "state")
    return env


@pytest.fixture
def proxy(server):
    proxy = Proxy(server.host, server.port)
    yield proxy
    proxy.close()


@pytest.fixture
def slow_env(env, proxy):
    return dict(env, AWS_ENDPOINT_URL=proxy.url)


def records(home):
    return list((home / "state").rglob("*.json"))


def kill_after(command, env, proxy, direction, limit):
    """Starts a transfer and kills it when `limit` bytes have passed the proxy in one direction."""
    proxy.limit(direction, limit)
    process = subprocess.Popen([str(part) for part in command], env=env, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    proxy.wait_for_limit(60)
    time.sleep(0.1)
    process.kill()
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    proxy.limit(None, 0)
    proxy.reset_counters()


def copy(source, target, *more):
    return [BIN / "tarn", "cp", "--concurrency", "2", *more, source, target]


def test_upload_resumes_after_kill(env, slow_env, proxy, bucket, s3, tmp_path, home):
    source = file_of(tmp_path / "big", SIZE)
    uri = f"s3://{bucket}/big"
    kill_after(copy(source, uri), slow_env, proxy, "up", 4 * PART)
    assert len(records(home)) == 1
    uploads = s3.list_multipart_uploads(Bucket=bucket)["Uploads"]
    assert len(uploads) == 1
    done = s3.list_parts(Bucket=bucket, Key="big", UploadId=uploads[0]["UploadId"]).get("Parts", [])
    assert len(done) >= 2

    result = run(copy(source, uri), slow_env)
    assert b"Resuming" in result.stderr
    sent = proxy.counted["up"]
    assert sent <= SIZE - (len(done) - 2) * PART + MIB, (sent, len(done))
    assert records(home) == []
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)
    run(copy(uri, tmp_path / "back"), env)
    assert digest_of(tmp_path / "back") == digest_of(source)


def test_composite_checksum_after_kill(slow_env, proxy, bucket, s3, tmp_path):
    """Parts of the first run are in the checksum of the whole."""
    source = file_of(tmp_path / "big", SIZE)
    command = copy(source, f"s3://{bucket}/big", "--checksum-algorithm", "XXHASH3")
    kill_after(command, slow_env, proxy, "up", 4 * PART)
    assert b"Resuming" in run(command, slow_env).stderr
    head = s3.head_object(Bucket=bucket, Key="big", ChecksumMode="ENABLED")
    assert head["ChecksumXXHASH3"] == composite("XXHASH3", source.read_bytes(), PART)


def test_download_resumes_after_kill(env, slow_env, proxy, bucket, tmp_path):
    source = file_of(tmp_path / "big", SIZE)
    target = tmp_path / "back"
    uri = f"s3://{bucket}/big"
    run(copy(source, uri), env)
    kill_after(copy(uri, target), slow_env, proxy, "down", 4 * PART)
    assert not target.exists()
    done = len((tmp_path / "back.tarn.part.resume").read_text().splitlines()) - 2
    assert done >= 2

    result = run(copy(uri, target), slow_env)
    assert b"Resuming" in result.stderr
    assert proxy.counted["down"] <= SIZE - done * PART + MIB
    assert digest_of(target) == digest_of(source)
    assert sorted(p.name for p in tmp_path.iterdir() if p.name.startswith("back")) == ["back"]


@pytest.mark.parametrize("round", range(4))
def test_kill_again_and_again(env, slow_env, proxy, bucket, tmp_path, round):
    """Kills at several places in one transfer, both ways; what comes out is the same."""
    source = file_of(tmp_path / "big", SIZE + round * 1001, seed=round)
    uri = f"s3://{bucket}/big"
    for _ in range(3):
        kill_after(copy(source, uri), slow_env, proxy, "up", PART + round * 1777777)
    run(copy(source, uri), slow_env)
    for _ in range(3):
        kill_after(copy(uri, tmp_path / "back"), slow_env, proxy, "down", PART + round * 1777777)
    run(copy(uri, tmp_path / "back"), slow_env)
    assert digest_of(tmp_path / "back") == digest_of(source)


def test_no_resume_starts_over(slow_env, proxy, bucket, tmp_path, env, home):
    source = file_of(tmp_path / "big", SIZE)
    uri = f"s3://{bucket}/big"
    run(copy(source, uri), env)
    kill_after(copy(uri, tmp_path / "back"), slow_env, proxy, "down", 4 * PART)
    run(copy(uri, tmp_path / "back", "--no-resume"), slow_env)
    assert proxy.counted["down"] >= SIZE
    assert digest_of(tmp_path / "back") == digest_of(source)
    kill_after(copy(source, uri, "--no-resume"), slow_env, proxy, "up", 4 * PART)
    assert records(home) == []
    assert not (tmp_path / "back.tarn.part.resume").exists()


def test_changed_file_is_sent_anew(env, slow_env, proxy, bucket, s3, tmp_path, home):
    source = file_of(tmp_path / "big", SIZE)
    uri = f"s3://{bucket}/big"
    kill_after(copy(source, uri), slow_env, proxy, "up", 4 * PART)
    file_of(source, SIZE, seed=2)
    result = run(copy(source, uri), slow_env)
    assert b"Starting over" in result.stderr and proxy.counted["up"] >= SIZE
    assert records(home) == [] and "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)
    run(copy(uri, tmp_path / "back"), env)
    assert digest_of(tmp_path / "back") == digest_of(source)


def test_changed_object_is_fetched_anew(env, slow_env, proxy, bucket, tmp_path):
    """Same size, other bytes: what is there of the old one must not get into the new one."""
    first, second = file_of(tmp_path / "a", SIZE, seed=1), file_of(tmp_path / "b", SIZE, seed=2)
    uri, target = f"s3://{bucket}/big", tmp_path / "back"
    run(copy(first, uri), env)
    kill_after(copy(uri, target), slow_env, proxy, "down", 4 * PART)
    run(copy(second, uri), env)
    result = run(copy(uri, target), slow_env)
    assert b"Starting over" in result.stderr
    assert digest_of(target) == digest_of(second)


def test_damaged_partial_file_is_noticed(env, slow_env, proxy, bucket, tmp_path):
    source = file_of(tmp_path / "big", SIZE)
    uri, target = f"s3://{bucket}/big", tmp_path / "back"
    run(copy(source, uri), env)
    kill_after(copy(uri, target), slow_env, proxy, "down", 4 * PART)
    record = (tmp_path / "back.tarn.part.resume").read_text().splitlines()
    number = json.loads(record[2])["n"]
    with open(tmp_path / "back.tarn.part", "r+b") as file:
        file.seek((number - 1) * PART + 12345)
        file.write(b"damage")
    result = run(copy(uri, target), slow_env)
    assert b"recorded" in result.stderr
    assert digest_of(target) == digest_of(source)


@pytest.mark.parametrize("damage", ["empty", "noise", "cut", "huge", "other"])
def test_damaged_record_is_harmless(env, slow_env, proxy, bucket, tmp_path, home, damage):
    source = file_of(tmp_path / "big", SIZE)
    uri, target = f"s3://{bucket}/big", tmp_path / "back"
    spoil = {
        "empty": lambda text: b"",
        "noise": lambda text: bytes(range(256)) * 100,
        "cut": lambda text: text[:-7],
        "huge": lambda text: text + b'{"n":99999999999,"size":1}\n' * 10,
        "other": lambda text: text.replace(b'"size":', b'"size":1', 2),
    }[damage]
    kill_after(copy(source, uri), slow_env, proxy, "up", 4 * PART)
    for record in records(home):
        record.write_bytes(spoil(record.read_bytes()))
    run(copy(source, uri), slow_env)
    kill_after(copy(uri, target), slow_env, proxy, "down", 4 * PART)
    record = tmp_path / "back.tarn.part.resume"
    record.write_bytes(spoil(record.read_bytes()))
    run(copy(uri, target), slow_env)
    assert digest_of(target) == digest_of(source)


def test_upload_that_is_gone_starts_over(env, slow_env, proxy, bucket, s3, tmp_path, home):
    source = file_of(tmp_path / "big", SIZE)
    uri = f"s3://{bucket}/big"
    kill_after(copy(source, uri), slow_env, proxy, "up", 4 * PART)
    for upload in s3.list_multipart_uploads(Bucket=bucket)["Uploads"]:
        s3.abort_multipart_upload(Bucket=bucket, Key="big", UploadId=upload["UploadId"])
    assert b"Starting over" in run(copy(source, uri), slow_env).stderr
    assert records(home) == []
    run(copy(uri, tmp_path / "back"), env)
    assert digest_of(tmp_path / "back") == digest_of(source)


@pytest.mark.parametrize("direction", ["up", "down"])
def test_interrupt_leaves_what_is_needed(env, slow_env, proxy, bucket, tmp_path, home, direction):
    source = file_of(tmp_path / "big", SIZE)
    uri, target = f"s3://{bucket}/big", tmp_path / "back"
    if direction == "down":
        run(copy(source, uri), env)
    command = copy(source, uri) if direction == "up" else copy(uri, target)
    proxy.limit(direction, 4 * PART)
    process = subprocess.Popen([str(part) for part in command], env=slow_env, stderr=subprocess.PIPE)
    proxy.wait_for_limit(60)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode != 0
    proxy.limit(None, 0)
    assert (len(records(home)) == 1) if direction == "up" else (tmp_path / "back.tarn.part.resume").exists()
    assert b"Resuming" in run(command, slow_env).stderr
    if direction == "up":
        run(copy(uri, target), env)
    assert digest_of(target) == digest_of(source)


def test_two_at_once(env, slow_env, proxy, bucket, tmp_path):
    """The second download of the same file is told so; it does not write into the first one's."""
    source = file_of(tmp_path / "big", SIZE)
    uri, target = f"s3://{bucket}/big", tmp_path / "back"
    run(copy(source, uri), env)
    proxy.limit("down", 4 * PART)
    first = subprocess.Popen([str(part) for part in copy(uri, target)], env=slow_env)
    proxy.wait_for_limit(60)
    assert b"another transfer" in run(copy(uri, target), env, status=1).stderr
    proxy.limit(None, 0)
    assert first.wait(120) == 0
    assert digest_of(target) == digest_of(source)
