# SPDX-License-Identifier: Apache-2.0
"""Fixtures: real tarnd processes on free ports with stores of their own, and clients for them."""

import hashlib
import os
import pathlib
import random
import re
import signal
import socketserver
import subprocess
import time
import urllib.request

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("TARN_BIN", ROOT / "build/dev/bin"))
KEYS = ("TESTACCESSKEY0000001", "test/secret+key/0000000000000000000000001")
MIB = 1024 * 1024
START_S = 60
STOP_S = 60
SANITIZER = re.compile(r"(Address|Thread|Leak|UndefinedBehavior)Sanitizer|runtime error:")

# Whoever runs this in the background of a shell has SIGINT ignored, and so would the programs that are to be interrupted.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Python's servers of peers: with a queue of five, a client that opens more connections at once waits seconds for some.
socketserver.TCPServer.request_queue_size = 128


class Server:
    """A tarnd that can be started, stopped and killed again and again on the same directory."""

    def __init__(self, data, args=(), env=None, keys=KEYS):
        self.data = pathlib.Path(data)
        self.args = list(args)
        self.extra_env = env or {}
        self.keys = keys
        self.process = None
        self.host, self.port = "127.0.0.1", 0
        self.runs = 0

    @property
    def netloc(self):
        return f"{self.host}:{self.port}"

    @property
    def url(self):
        return f"http://{self.netloc}"

    @property
    def log_path(self):
        return self.data.with_name(f"{self.data.name}-{self.runs}.log")

    @property
    def log(self):
        return self.log_path.read_text(errors="replace")

    @property
    def env(self):
        env = dict(os.environ, **self.extra_env)
        if self.keys:
            env.update(TARN_ACCESS_KEY=self.keys[0], TARN_SECRET_KEY=self.keys[1])
        env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")
        return env

    def spawn(self):
        """Starts the process and waits for nothing."""
        self.runs += 1
        command = [BIN / "tarnd", "--data", self.data, "--listen", f"{self.host}:0", *self.args]
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(command, stderr=log, stdin=subprocess.DEVNULL, env=self.env)
        return self

    def start(self):
        self.spawn()
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            found = re.search(r"event=listening address=\S*?:(\d+)\s", self.log)
            if found:
                self.port = int(found[1])
                return self
            if self.process.poll() is not None:
                break
            time.sleep(0.01)
        self.kill()
        pytest.fail(f"tarnd did not start:\n{self.log[-2000:]}")

    def stop(self):
        """Asks it to finish, and insists that it does so cleanly."""
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()
            pytest.fail(f"tarnd did not stop within {STOP_S} s of SIGTERM")
        self.process = None
        self.check_log()
        assert status == 0, f"tarnd ended with {status}:\n{self.log[-2000:]}"

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None
            self.check_log()

    def check_log(self):
        found = SANITIZER.search(self.log)
        assert not found, f"sanitizer report:\n{self.log[found.start() - 200 : found.start() + 4000]}"

    def rss_kib(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1])

    def boto(self, **options):
        config = {
            "s3": {"addressing_style": "path"},
            "signature_version": "s3v4",  # presigned URLs too
            "retries": {"max_attempts": 1, "mode": "standard"},
            "max_pool_connections": 64,
            "read_timeout": 120,
        }
        config.update(options)
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id=self.keys[0],
            aws_secret_access_key=self.keys[1],
            region_name="us-east-1",
            config=Config(**config),
        )

    def client_env(self, home):
        """The environment for foreign programs: these keys, this endpoint, nothing from the user's home."""
        env = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "TARN_", "S3_"))}
        env.update(
            HOME=str(home),
            AWS_ACCESS_KEY_ID=self.keys[0],
            AWS_SECRET_ACCESS_KEY=self.keys[1],
            AWS_REGION="us-east-1",
            AWS_DEFAULT_REGION="us-east-1",
            AWS_ENDPOINT_URL=self.url,
            AWS_EC2_METADATA_DISABLED="true",
            AWS_PAGER="",
            LC_ALL="C.UTF-8",
            PYTHONIOENCODING="utf-8",
        )
        return env


class Remote(Server):
    """A server that runs already, named by TARN_TEST_ENDPOINT: to compare tarnd with others."""

    def start(self):
        address = os.environ["TARN_TEST_ENDPOINT"].removeprefix("http://")
        self.host, port = address.split(":")
        self.port = int(port)
        return self

    def stop(self):
        pass


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    kind = Remote if os.environ.get("TARN_TEST_ENDPOINT") else Server
    server = kind(tmp_path_factory.mktemp("store") / "data").start()
    yield server
    if server.process and server.process.poll() is not None:
        pytest.fail(f"tarnd died with {server.process.returncode}:\n{server.log[-4000:]}")
    server.stop()


@pytest.fixture
def new_server(tmp_path):
    """Makes servers that are not started yet; kills what a test leaves running."""
    made = []

    def make(name="data", **options):
        made.append(Server(tmp_path / name, **options))
        return made[-1]

    yield make
    for server in made:
        server.kill()


@pytest.fixture(scope="module")
def s3(server):
    return server.boto()


BUCKET_NUMBER = iter(range(1, 1 << 30))


@pytest.fixture
def bucket(s3):
    name = f"bucket-{os.getpid()}-{next(BUCKET_NUMBER)}"
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture
def env(server, tmp_path):
    return server.client_env(tmp_path)


@pytest.fixture
def tarn(env):
    return lambda *args, status=0, **options: run([BIN / "tarn", *args], env, status, timeout=60, **options)


def refused(status, code, call, *args, **kwargs):
    """Asserts that a boto3 call fails with this HTTP status and S3 code; returns the answer."""
    with pytest.raises(ClientError) as caught:
        call(*args, **kwargs)
    answer = caught.value.response
    seen = (answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"])
    assert seen == (status, code), answer
    return answer


def put(s3, bucket, *names, **more):
    for name in names:
        s3.put_object(Bucket=bucket, Key=name, Body=name.encode(), **more)


def keys(s3, bucket):
    return [one["Key"] for one in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]


def body_of(size, seed=1):
    return random.Random(seed).randbytes(size)


def file_of(path, size, seed=1):
    path.write_bytes(body_of(size, seed))
    return path


def digest_of(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def run(command, env, status=0, **options):
    """Runs a program to its end; its output as text. Fails the test on another exit status."""
    options.setdefault("timeout", 240)
    done = subprocess.run(
        [str(part) for part in command],
        env=env,
        stdin=subprocess.DEVNULL if "input" not in options else None,
        capture_output=True,
        **options,
    )
    text = done.stderr.decode(errors="replace")
    assert status is None or done.returncode == status, (command, done.returncode, text[-2000:])
    assert not SANITIZER.search(text), text[:4000]
    return done


def is_healthy(server):
    with urllib.request.urlopen(f"{server.url}/health", timeout=20) as reply:
        return reply.status == 200
