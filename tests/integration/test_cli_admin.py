# SPDX-License-Identifier: Apache-2.0
"""tarn admin against tarnd's IAM interface, and against answers that make no sense."""

import json

import pytest
from conftest import BIN, refused, run
from fake_sources import Sources

POLICY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": ["s3:ListAllMyBuckets"], "Resource": "*"}],
}


@pytest.fixture
def env(server, tmp_path):
    return server.client_env(tmp_path)


def admin(env, *args, status=0):
    done = run([BIN / "tarn", "admin", *args, "--json"], env, status, timeout=60)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_users_and_keys(env, tmp_path):
    (made,) = admin(env, "user", "create", "ann")
    assert made["user_name"] == "ann" and made["operation"] == "admin"
    assert "ann" in [one["user_name"] for one in admin(env, "user", "list")]
    assert admin(env, "user", "show", "ann")[0]["arn"] == made["arn"]
    (key,) = admin(env, "key", "create", "ann")
    assert [one["access_key_id"] for one in admin(env, "key", "list", "ann")] == [key["access_key_id"]]

    as_ann = dict(env, AWS_ACCESS_KEY_ID=key["access_key_id"], AWS_SECRET_ACCESS_KEY=key["secret_access_key"])
    run([BIN / "tarn", "ls"], as_ann, 2, timeout=60)
    document = tmp_path / "policy.json"
    document.write_text(json.dumps(POLICY))
    admin(env, "policy", "put", "ann", "see", str(document))
    assert admin(env, "policy", "inline", "ann")[0]["name"] == "see"
    assert "ListAllMyBuckets" in json.dumps(admin(env, "policy", "get", "ann", "see"))
    run([BIN / "tarn", "ls"], as_ann, 0, timeout=60)

    admin(env, "key", "disable", key["access_key_id"], "ann")
    run([BIN / "tarn", "ls"], as_ann, 2, timeout=60)
    admin(env, "key", "enable", key["access_key_id"], "ann")
    admin(env, "policy", "remove", "ann", "see")
    admin(env, "key", "delete", key["access_key_id"], "ann")
    admin(env, "user", "delete", "ann")
    assert "ann" not in [one["user_name"] for one in admin(env, "user", "list")]


def test_groups_and_policies(env, tmp_path):
    document = tmp_path / "policy.json"
    document.write_text(json.dumps(POLICY))
    admin(env, "user", "create", "bob")
    admin(env, "group", "create", "readers")
    assert "readers" in [one["group_name"] for one in admin(env, "group", "list")]
    admin(env, "group", "add", "readers", "bob")
    assert any(one.get("user_name") == "bob" for one in admin(env, "group", "show", "readers"))
    arn = admin(env, "policy", "create", "see", str(document))[0]["arn"]
    assert arn in [one.get("arn") for one in admin(env, "policy", "list")]
    admin(env, "policy", "attach-group", arn, "readers")
    admin(env, "policy", "attach", arn, "bob")
    assert admin(env, "policy", "attached", "bob")[0]["policy_arn"] == arn
    admin(env, "policy", "detach", arn, "bob")
    admin(env, "policy", "detach-group", arn, "readers")
    admin(env, "policy", "delete", arn)
    admin(env, "group", "remove", "readers", "bob")
    admin(env, "group", "delete", "readers")
    admin(env, "user", "delete", "bob")


def test_refusals(env):
    done = run([BIN / "tarn", "admin", "user", "show", "nobody"], env, None, timeout=60)
    assert done.returncode in (1, 2) and b"NoSuchEntity" in done.stderr
    admin(env, "user", "create", "eve")
    done = run([BIN / "tarn", "admin", "user", "create", "eve"], env, None, timeout=60)
    assert done.returncode in (1, 2) and b"EntityAlreadyExists" in done.stderr
    admin(env, "user", "delete", "eve")
    bad = dict(env, AWS_SECRET_ACCESS_KEY="wrong")
    assert run([BIN / "tarn", "admin", "user", "list"], bad, 2, timeout=60).stdout == b""


@pytest.mark.parametrize(
    "answer",
    [
        (200, ""),
        (200, "{}"),
        (200, "<ListUsersResponse>"),
        (200, "<x><ListUsersResult><IsTruncated>true</IsTruncated></ListUsersResult></x>"),
        (200, b"\xff"),
        (500, "no"),
        (403, "<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>"),
    ],
)
def test_bad_answers(answer, tmp_path):
    fake = Sources()
    fake.answers["ListUsers"] = answer
    env = {
        "HOME": str(tmp_path),
        "AWS_ENDPOINT_URL": fake.url,
        "AWS_ACCESS_KEY_ID": "A",
        "AWS_SECRET_ACCESS_KEY": "S",
        "NO_PROXY": "127.0.0.1",
    }
    done = run([BIN / "tarn", "admin", "user", "list", "--max-retries", "1"], env, None, timeout=60)
    fake.stop()
    assert done.returncode in (1, 2) and done.stderr and not done.stdout


def test_quotas(env, s3, bucket):
    admin(env, "quota", "show", bucket, status=1)
    (made,) = admin(env, "quota", "set", bucket, "1K", "3")
    assert (made["max_bytes"], made["max_objects"]) == ("1024", "3")
    assert admin(env, "quota", "show", bucket)[0]["max_bytes"] == "1024"
    refused(403, "QuotaExceeded", s3.put_object, Bucket=bucket, Key="k", Body=bytes(1025))
    s3.put_object(Bucket=bucket, Key="k", Body=bytes(1024))
    (made,) = admin(env, "quota", "objects", bucket, "1")
    assert (made.get("max_bytes"), made["max_objects"]) == (None, "1")
    refused(403, "QuotaExceeded", s3.put_object, Bucket=bucket, Key="k2", Body=b"")
    admin(env, "quota", "clear", bucket)
    s3.put_object(Bucket=bucket, Key="k2", Body=b"")
    admin(env, "quota", "set", bucket, "0", status=2)
    admin(env, "quota", "set", bucket, "many", status=2)
    admin(env, "quota", "set", bucket, status=2)
    admin(env, "quota", "set", "no-such-bucket", "1G", status=2)
