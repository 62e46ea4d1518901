# SPDX-License-Identifier: Apache-2.0
"""Who may: accounts of their own, bucket policies, anonymous requests."""

import json
import urllib.error
import urllib.request

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from conftest import KEYS, Server, refused

ALT = ("ALTACCESSKEY00000001", "alt/secret+key/00000000000000000000000001")
ALT_ACCOUNT = "111122223333"
CONFIG = f"""
accounts:
  - id: "{ALT_ACCOUNT}"
    name: alt
    email: alt@example.org
    access_keys:
      - access_key: {ALT[0]}
        secret_key: {ALT[1]}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("policy")
    (folder / "config.yaml").write_text(CONFIG)
    server = Server(folder / "data", args=["--config", folder / "config.yaml"]).start()
    yield server
    server.stop()


def client(server, keys):
    config = Config(s3={"addressing_style": "path"}, signature_version="s3v4", retries={"max_attempts": 1})
    return boto3.client(
        "s3",
        endpoint_url=server.url,
        aws_access_key_id=keys[0],
        aws_secret_access_key=keys[1],
        region_name="us-east-1",
        config=config,
    )


@pytest.fixture(scope="module")
def alt(server):
    return client(server, ALT)


@pytest.fixture(scope="module")
def anon(server):
    config = Config(s3={"addressing_style": "path"}, signature_version=UNSIGNED, retries={"max_attempts": 1})
    return boto3.client("s3", endpoint_url=server.url, region_name="us-east-1", config=config)


def statement(bucket, action, effect="Allow", principal="*", path="/*", **more):
    return {
        "Effect": effect,
        "Principal": principal,
        "Action": action,
        "Resource": f"arn:aws:s3:::{bucket}{path}",
        **more,
    }


def set_policy(s3, bucket, *statements):
    document = {"Version": "2012-10-17", "Statement": list(statements)}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(document))


def test_nobody_without_a_policy(s3, anon, alt, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    for other in (anon, alt):
        refused(403, "AccessDenied", other.get_object, Bucket=bucket, Key="k")
        refused(403, "AccessDenied", other.put_object, Bucket=bucket, Key="k", Body=b"y")
        refused(403, "AccessDenied", other.delete_object, Bucket=bucket, Key="k")
        refused(403, "AccessDenied", other.list_objects_v2, Bucket=bucket)
        refused(403, "AccessDenied", other.get_bucket_policy, Bucket=bucket)
        refused(403, "AccessDenied", other.delete_bucket, Bucket=bucket)
        refused(403, "AccessDenied", other.get_object, Bucket=bucket, Key="missing")
    refused(403, "AccessDenied", anon.list_buckets)
    refused(403, "AccessDenied", anon.create_bucket, Bucket="nobodys-bucket")
    refused(404, "NoSuchBucket", anon.get_object, Bucket="there-is-none", Key="k")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"


def test_whose_uploads(s3, alt, bucket):
    """Who began an upload is its initiator, and its owner unless the bucket takes what it is given."""
    mine = s3.get_bucket_acl(Bucket=bucket)["Owner"]
    other = alt.list_buckets()["Owner"]
    s3.put_bucket_acl(Bucket=bucket, ACL="public-read-write")

    def owners():
        listed = s3.list_multipart_uploads(Bucket=bucket)["Uploads"]
        return {upload["Key"]: (upload["Initiator"], upload["Owner"]) for upload in listed}

    began = s3.create_multipart_upload(Bucket=bucket, Key="mine")["UploadId"]
    theirs = alt.create_multipart_upload(Bucket=bucket, Key="theirs")["UploadId"]
    assert owners() == {"mine": (mine, mine), "theirs": (other, other)}
    parts = s3.list_parts(Bucket=bucket, Key="theirs", UploadId=theirs)
    assert (parts["Initiator"], parts["Owner"]) == (other, other)
    ownership = {"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]}
    s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=ownership)
    given = alt.create_multipart_upload(Bucket=bucket, Key="given", ACL="bucket-owner-full-control")["UploadId"]
    assert owners()["given"] == (other, mine)
    for key, upload in (("mine", began), ("theirs", theirs), ("given", given)):
        s3.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload)


def test_accounts_see_their_own_buckets(s3, alt, bucket):
    alt.create_bucket(Bucket="alts-own")
    own = {b["Name"] for b in alt.list_buckets()["Buckets"]}
    assert own == {"alts-own"}
    assert bucket in {b["Name"] for b in s3.list_buckets()["Buckets"]}
    assert "alts-own" not in {b["Name"] for b in s3.list_buckets()["Buckets"]}
    assert alt.list_buckets()["Owner"]["DisplayName"] == "alt"
    refused(409, "BucketAlreadyExists", s3.create_bucket, Bucket="alts-own")
    refused(403, "AccessDenied", s3.list_objects_v2, Bucket="alts-own")
    alt.delete_bucket(Bucket="alts-own")


def test_tags_of_the_request(s3, alt, bucket):
    condition = {"StringEquals": {"s3:RequestObjectTag/security": "public"}}
    set_policy(s3, bucket, statement(bucket, ["s3:PutObject", "s3:PutObjectTagging"], Condition=condition))
    alt.put_object(Bucket=bucket, Key="public", Body=b"x", Tagging="security=public&more=fine")
    for more in ({}, {"Tagging": "security=secret"}, {"Tagging": "Security=public"}, {"Tagging": "security="}):
        refused(403, "AccessDenied", alt.put_object, Bucket=bucket, Key="other", Body=b"x", **more)
    assert [row["Key"] for row in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["public"]


def test_only_if_there_is_a_referer(server, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    condition = {"StringLikeIfExists": {"aws:Referer": "http://www.example.com/*"}}
    set_policy(s3, bucket, statement(bucket, "s3:GetObject", Condition=condition))
    for referer, status in (
        (None, 200), ("http://www.example.com/", 200), ("http://www.example.com/a?b", 200), ("http://example.com", 403),
        ("http://www.example.com", 403), ("https://www.example.com/", 403),
    ):
        request = urllib.request.Request(f"{server.url}/{bucket}/k", headers={"Referer": referer} if referer else {})
        try:
            with urllib.request.urlopen(request) as answer:
                seen = answer.status
        except urllib.error.HTTPError as error:
            seen = error.code
        assert seen == status, referer


def test_accounts_do_not_see_who_else_has_a_policy(server):
    """Of the policies that every account has."""
    arn = "arn:aws:iam::aws:policy/AmazonS3FullAccess"
    both = [
        boto3.client("iam", endpoint_url=server.url, aws_access_key_id=keys[0], aws_secret_access_key=keys[1], region_name="us-east-1")
        for keys in (KEYS, ALT)
    ]
    for iam, name in zip(both, ("ours", "theirs")):
        iam.create_user(UserName=name)
        iam.attach_user_policy(UserName=name, PolicyArn=arn)
    for iam, name in zip(both, ("ours", "theirs")):
        assert iam.get_policy(PolicyArn=arn)["Policy"]["AttachmentCount"] == 1
        assert [u["UserName"] for u in iam.list_entities_for_policy(PolicyArn=arn)["PolicyUsers"]] == [name]
        assert iam.get_account_summary()["SummaryMap"]["Users"] == 1
        assert iam.get_account_summary()["SummaryMap"]["Policies"] == 0
        iam.detach_user_policy(UserName=name, PolicyArn=arn)
        iam.delete_user(UserName=name)


def test_everybody_may_read(s3, anon, alt, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    set_policy(s3, bucket, statement(bucket, "s3:GetObject"))
    assert s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"]["IsPublic"]
    for other in (anon, alt):
        assert other.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
        other.head_object(Bucket=bucket, Key="k")
        refused(403, "AccessDenied", other.put_object, Bucket=bucket, Key="k", Body=b"y")
        refused(403, "AccessDenied", other.list_objects, Bucket=bucket)
    s3.delete_bucket_policy(Bucket=bucket)
    refused(403, "AccessDenied", anon.get_object, Bucket=bucket, Key="k")


def test_another_account(s3, anon, alt, bucket):
    principal = {"AWS": f"arn:aws:iam::{ALT_ACCOUNT}:root"}
    set_policy(
        s3,
        bucket,
        statement(bucket, ["s3:ListBucket"], principal=principal, path=""),
        statement(bucket, ["s3:PutObject"], principal=principal, path="/in/*"),
    )
    alt.put_object(Bucket=bucket, Key="in/k", Body=b"x")
    assert alt.list_objects_v2(Bucket=bucket)["KeyCount"] == 1
    refused(403, "AccessDenied", alt.put_object, Bucket=bucket, Key="out/k", Body=b"x")
    refused(403, "AccessDenied", anon.list_objects_v2, Bucket=bucket)
    assert not s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"]["IsPublic"]


def test_deny_binds_the_owner_but_not_for_the_policy(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    set_policy(
        s3,
        bucket,
        statement(bucket, "s3:*", effect="Deny"),
        statement(bucket, "s3:*", effect="Deny", path=""),
    )
    refused(403, "AccessDenied", s3.get_object, Bucket=bucket, Key="k")
    refused(403, "AccessDenied", s3.list_objects_v2, Bucket=bucket)
    s3.get_bucket_policy(Bucket=bucket)
    s3.delete_bucket_policy(Bucket=bucket)
    s3.get_object(Bucket=bucket, Key="k")


CONDITIONS = [
    ("prefix", {"StringEquals": {"s3:prefix": "a/"}}, {"Prefix": "a/"}, {"Prefix": "b/"}),
    ("prefix like", {"StringLike": {"s3:prefix": "a*"}}, {"Prefix": "ab"}, {}),
    ("delimiter", {"StringEquals": {"s3:delimiter": "/"}}, {"Delimiter": "/"}, {}),
    ("max-keys", {"NumericLessThanEquals": {"s3:max-keys": "5"}}, {"MaxKeys": 5}, {"MaxKeys": 6}),
]


@pytest.mark.parametrize("name,condition,good,bad", CONDITIONS, ids=[c[0] for c in CONDITIONS])
def test_conditions_of_listings(s3, alt, bucket, name, condition, good, bad):
    set_policy(s3, bucket, statement(bucket, "s3:ListBucket", path="", Condition=condition))
    alt.list_objects_v2(Bucket=bucket, **good)
    refused(403, "AccessDenied", alt.list_objects_v2, Bucket=bucket, **bad)


def test_address_and_transport(s3, anon, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    for condition, may in [
        ({"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}, True),
        ({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, False),
        ({"NotIpAddress": {"aws:SourceIp": "127.0.0.1"}}, False),
        ({"Bool": {"aws:SecureTransport": "true"}}, False),
        ({"Bool": {"aws:SecureTransport": "false"}}, True),
        ({"StringLike": {"aws:UserAgent": "Boto3/*"}}, True),
        ({"StringEquals": {"aws:Referer": "x"}}, False),
        ({"DateGreaterThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}, True),
        ({"DateLessThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}, False),
    ]:
        set_policy(s3, bucket, statement(bucket, "s3:GetObject", Condition=condition))
        if may:
            anon.get_object(Bucket=bucket, Key="k")
        else:
            refused(403, "AccessDenied", anon.get_object, Bucket=bucket, Key="k")


def test_conditional_write_may_be_demanded(s3, alt, bucket):
    demand = {"Null": {"s3:if-none-match": "false"}}
    set_policy(s3, bucket, statement(bucket, "s3:PutObject", Condition=demand))
    alt.put_object(Bucket=bucket, Key="k", Body=b"x", IfNoneMatch="*")
    refused(403, "AccessDenied", alt.put_object, Bucket=bucket, Key="k", Body=b"x")
    refused(412, "PreconditionFailed", alt.put_object, Bucket=bucket, Key="k", Body=b"x", IfNoneMatch="*")


def test_existing_tags(s3, anon, bucket):
    s3.put_object(Bucket=bucket, Key="open", Body=b"x", Tagging="access=public&a=b")
    s3.put_object(Bucket=bucket, Key="shut", Body=b"x", Tagging="access=private")
    s3.put_object(Bucket=bucket, Key="bare", Body=b"x")
    wanted = {"StringEquals": {"s3:ExistingObjectTag/access": "public"}}
    set_policy(s3, bucket, statement(bucket, "s3:GetObject", Condition=wanted))
    anon.get_object(Bucket=bucket, Key="open")
    for key in ("shut", "bare", "missing"):
        refused(403, "AccessDenied", anon.get_object, Bucket=bucket, Key=key)


def test_copy_needs_the_source(s3, alt, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    alt.create_bucket(Bucket="alts-copies")
    source = {"Bucket": bucket, "Key": "k"}
    refused(403, "AccessDenied", alt.copy_object, Bucket="alts-copies", Key="k", CopySource=source)
    set_policy(s3, bucket, statement(bucket, "s3:GetObject"))
    alt.copy_object(Bucket="alts-copies", Key="k", CopySource=source)
    alt.delete_object(Bucket="alts-copies", Key="k")
    alt.delete_bucket(Bucket="alts-copies")


def test_deleting_many_is_judged_key_by_key(s3, alt, bucket):
    for key in ("a/1", "b/1"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    set_policy(s3, bucket, statement(bucket, "s3:DeleteObject", path="/a/*"))
    keys = {"Objects": [{"Key": "a/1"}, {"Key": "b/1"}]}
    answer = alt.delete_objects(Bucket=bucket, Delete=keys)
    assert [d["Key"] for d in answer["Deleted"]] == ["a/1"]
    assert [(e["Key"], e["Code"]) for e in answer["Errors"]] == [("b/1", "AccessDenied")]


@pytest.mark.parametrize(
    "policy",
    ["", "{", "[]", "{}", '{"Statement":[]}', '{"Version":"2012-10-17","Statement":[{"Effect":"Allow"}]}', "x" * 30000],
)
def test_bad_policies_change_nothing(s3, bucket, policy):
    set_policy(s3, bucket, statement(bucket, "s3:GetObject"))
    before = s3.get_bucket_policy(Bucket=bucket)["Policy"]
    with pytest.raises(s3.exceptions.ClientError) as caught:
        s3.put_bucket_policy(Bucket=bucket, Policy=policy)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert s3.get_bucket_policy(Bucket=bucket)["Policy"] == before


def test_acl_opens_an_object(s3, anon, alt, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", ACL="public-read")
    s3.put_object(Bucket=bucket, Key="signed", Body=b"x", ACL="authenticated-read")
    assert anon.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    refused(403, "AccessDenied", anon.get_object, Bucket=bucket, Key="signed")
    alt.get_object(Bucket=bucket, Key="signed")
    refused(403, "AccessDenied", anon.get_object_acl, Bucket=bucket, Key="k")
    refused(403, "AccessDenied", alt.put_object_acl, Bucket=bucket, Key="k", ACL="private")


def test_acl_opens_a_bucket(s3, anon, alt, bucket):
    s3.put_bucket_acl(Bucket=bucket, ACL="public-read-write")
    alt.put_object(Bucket=bucket, Key="alts", Body=b"x")
    assert anon.list_objects_v2(Bucket=bucket)["KeyCount"] == 1
    refused(404, "NoSuchKey", anon.get_object, Bucket=bucket, Key="missing")
    refused(403, "AccessDenied", s3.get_object, Bucket=bucket, Key="alts")  # the writer's own
    assert alt.get_object(Bucket=bucket, Key="alts")["Body"].read() == b"x"
    s3.delete_object(Bucket=bucket, Key="alts")


def test_the_hidden_bucket_cannot_be_named(server, s3):
    for path in ("/.tarn.sys", "/.tarn.sys/session-key", "/.tarn.sys?list-type=2"):
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(server.url + path)
        assert caught.value.code in (400, 403)
    assert KEYS[0] not in str(s3.list_buckets())


def test_expected_owner(s3, alt, bucket):
    s3.head_bucket(Bucket=bucket, ExpectedBucketOwner="000000000000")
    refused(403, "403", s3.head_bucket, Bucket=bucket, ExpectedBucketOwner=ALT_ACCOUNT)
    alt.create_bucket(Bucket="alts-expected")
    alt.head_bucket(Bucket="alts-expected", ExpectedBucketOwner=ALT_ACCOUNT)
    refused(403, "403", alt.head_bucket, Bucket="alts-expected", ExpectedBucketOwner="000000000000")
    alt.delete_bucket(Bucket="alts-expected")
