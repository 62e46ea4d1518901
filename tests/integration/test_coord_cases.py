# SPDX-License-Identifier: Apache-2.0
"""Every weakness of the references' locks, copies and buffers, one by one: tarn-coord plays it through, with a
proxy that loses answers in between. Each row is played twice: by the flawed algorithm, which must be seen to
lose, and by ours, which must not."""

import json
import subprocess

import boto3
import pytest
from conftest import BIN, SANITIZER
from coord_proxy import Careless, Proxy

LOCKS = [f"W{n}" for n in range(1, 17) if n != 14]
COPIES = [f"C{n}" for n in range(1, 10) if n != 5]
BUFFERS = [f"H{n}" for n in range(1, 19)]
CARELESS = ["W14", "C5"]  # of servers that take no notice of conditions
OURS_ALONE = ["attach", "S1", "serializer", "fork", "owner", "silence", "longest", "refused", "parts", "parallel", "steal",
              "nobody", "hidden", "own-header", "cancelled", "buried"]
HOLDS, VIOLATED = 0, 3


@pytest.fixture
def place(new_server, tmp_path):
    server = new_server("coord").start()
    server.boto().create_bucket(Bucket="coord")
    yield server, server.client_env(tmp_path)
    server.stop()


def tarn_coord(env, endpoint, *arguments, timeout=120):
    command = [BIN / "tarn-coord", "--endpoint", endpoint, *map(str, arguments)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=timeout)
    assert not SANITIZER.search(done.stderr), done.stderr[:4000]
    return done


def proves(done, status=HOLDS):
    assert done.returncode == status, (done.returncode, done.stdout, done.stderr[-2000:])
    return json.loads(done.stdout) if done.stdout else None


def play(place, name, *options, status=HOLDS):
    server, env = place
    s3 = server.boto()

    def rival(target):
        bucket, _, key = target.lstrip("/").partition("/")
        s3.put_object(Bucket=bucket, Key=key, Body=b"a rival's")

    with Proxy(server.port, rival=rival, copies_ranges_only=name == "C3") as proxy:
        proves(tarn_coord(env, proxy.url, "--name", name, *options, "case"), status)


@pytest.mark.parametrize("name", LOCKS + COPIES + BUFFERS + ["S2"] + OURS_ALONE)
def test_case(place, name):
    play(place, name)


@pytest.mark.parametrize("name", LOCKS + COPIES + BUFFERS + ["S2"])
def test_case_fails_for_the_flawed(place, name):
    play(place, name, "--flawed", status=VIOLATED)


def test_least_rights(place, tmp_path):
    """Get, Put and Delete of objects, as the documents ask for, and nothing is left."""
    server, env = place
    iam = boto3.client("iam", endpoint_url=server.url, region_name="us-east-1", aws_access_key_id=server.keys[0],
                       aws_secret_access_key=server.keys[1])
    actions = [f"s3:{verb}Object" for verb in ("Get", "Put", "Delete")]
    rule = {"Effect": "Allow", "Action": actions, "Resource": "arn:aws:s3:::coord/*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [rule]})
    iam.create_user(UserName="least")
    iam.put_user_policy(UserName="least", PolicyName="least", PolicyDocument=document)
    key = iam.create_access_key(UserName="least")["AccessKey"]
    env = dict(env, AWS_ACCESS_KEY_ID=key["AccessKeyId"], AWS_SECRET_ACCESS_KEY=key["SecretAccessKey"])
    proves(tarn_coord(env, server.url, "--name", "rights", "case"))
    left = [entry["Key"] for entry in server.boto().list_objects_v2(Bucket="coord")["Contents"]]
    assert sorted(left) == ["kept.lock", "v", "w"]


@pytest.mark.parametrize("name", CARELESS)
def test_server_without_conditions(tmp_path, name, place):
    _, env = place
    with Careless() as careless:
        env = dict(env, AWS_ENDPOINT_URL=careless.url)
        proves(tarn_coord(env, careless.url, "--name", name, "case"))
        proves(tarn_coord(env, careless.url, "--name", name, "--flawed", "case"), VIOLATED)
