# SPDX-License-Identifier: Apache-2.0
"""Access control lists: canned, headers, bodies; on buckets and on objects."""

import pytest
from botocore.exceptions import ClientError

from test_bucket_settings import code_of, send

ALL = "http://acs.amazonaws.com/groups/global/AllUsers"
AUTHENTICATED = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"


def grants(answer):
    return sorted((g["Permission"], g["Grantee"].get("URI") or g["Grantee"]["ID"]) for g in answer["Grants"])


@pytest.fixture
def owner(s3, bucket):
    return s3.get_bucket_acl(Bucket=bucket)["Owner"]


CANNED = {
    "private": [],
    "public-read": [("READ", ALL)],
    "public-read-write": [("READ", ALL), ("WRITE", ALL)],
    "authenticated-read": [("READ", AUTHENTICATED)],
}


@pytest.mark.parametrize("canned", CANNED)
def test_canned(s3, bucket, owner, canned):
    want = sorted([("FULL_CONTROL", owner["ID"]), *CANNED[canned]])
    s3.put_bucket_acl(Bucket=bucket, ACL=canned)
    assert grants(s3.get_bucket_acl(Bucket=bucket)) == want
    s3.put_object(Bucket=bucket, Key="a", Body=b"a", ACL=canned)
    assert grants(s3.get_object_acl(Bucket=bucket, Key="a")) == want
    s3.put_object(Bucket=bucket, Key="b", Body=b"b")
    assert grants(s3.get_object_acl(Bucket=bucket, Key="b")) == [("FULL_CONTROL", owner["ID"])]
    s3.put_object_acl(Bucket=bucket, Key="b", ACL=canned)
    assert grants(s3.get_object_acl(Bucket=bucket, Key="b")) == want
    assert s3.get_object(Bucket=bucket, Key="b")["Body"].read() == b"b"
    s3.copy_object(Bucket=bucket, Key="c", CopySource={"Bucket": bucket, "Key": "a"})
    assert grants(s3.get_object_acl(Bucket=bucket, Key="c")) == [("FULL_CONTROL", owner["ID"])]


def test_headers(s3, bucket, owner):
    who = f'id="{owner["ID"]}"'
    s3.put_object(Bucket=bucket, Key="a", GrantRead=f'{who}, uri="{ALL}"', GrantWriteACP=who)
    assert grants(s3.get_object_acl(Bucket=bucket, Key="a")) == [
        ("READ", owner["ID"]),
        ("READ", ALL),
        ("WRITE_ACP", owner["ID"]),
    ]
    s3.put_bucket_acl(Bucket=bucket, GrantFullControl=f"id={owner['ID']}")
    assert grants(s3.get_bucket_acl(Bucket=bucket)) == [("FULL_CONTROL", owner["ID"])]


def test_body(s3, bucket, owner):
    group = {"Type": "Group", "URI": ALL}
    policy = {"Owner": owner, "Grants": [{"Grantee": group, "Permission": "READ_ACP"}]}
    s3.put_bucket_acl(Bucket=bucket, AccessControlPolicy=policy)
    answer = s3.get_bucket_acl(Bucket=bucket)
    assert answer["Grants"] == policy["Grants"] and answer["Owner"] == owner
    policy["Grants"] = []
    s3.put_bucket_acl(Bucket=bucket, AccessControlPolicy=policy)
    assert s3.get_bucket_acl(Bucket=bucket)["Grants"] == []


def test_create(s3):
    s3.create_bucket(Bucket="acl-created", ACL="public-read")
    assert ("READ", ALL) in grants(s3.get_bucket_acl(Bucket="acl-created"))
    s3.create_bucket(Bucket="acl-enforced", ObjectOwnership="BucketOwnerEnforced")
    controls = s3.get_bucket_ownership_controls(Bucket="acl-enforced")["OwnershipControls"]
    assert controls["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    for call in (
        lambda: s3.put_bucket_acl(Bucket="acl-enforced", ACL="public-read"),
        lambda: s3.put_object(Bucket="acl-enforced", Key="a", ACL="public-read"),
    ):
        with pytest.raises(ClientError) as error:
            call()
        assert code_of(error) == (400, "AccessControlListNotSupported")
    s3.put_object(Bucket="acl-enforced", Key="a", ACL="bucket-owner-full-control")
    with pytest.raises(ClientError) as error:
        s3.create_bucket(Bucket="acl-both", ACL="public-read", ObjectOwnership="BucketOwnerEnforced")
    assert code_of(error) == (400, "InvalidBucketAclWithObjectOwnership")


def test_create_again(s3, bucket, owner):
    """S3's first region answers 200 and resets the list, and the list only."""
    private = [("FULL_CONTROL", owner["ID"])]
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    s3.put_object(Bucket=bucket, Key="k", Body=b"kept", ACL="public-read")
    for more, want in (({"ACL": "public-read"}, sorted([*private, ("READ", ALL)])), ({}, private), ({}, private)):
        s3.create_bucket(Bucket=bucket, **more)
        assert grants(s3.get_bucket_acl(Bucket=bucket)) == want
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == [{"Key": "a", "Value": "b"}]
    assert ("READ", ALL) in grants(s3.get_object_acl(Bucket=bucket, Key="k"))
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration={"BlockPublicAcls": True})
    with pytest.raises(ClientError) as error:
        s3.create_bucket(Bucket=bucket, ACL="public-read")
    assert code_of(error) == (403, "AccessDenied")
    s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]})
    with pytest.raises(ClientError) as error:
        s3.create_bucket(Bucket=bucket, ACL="authenticated-read")
    assert code_of(error) == (400, "AccessControlListNotSupported")
    s3.create_bucket(Bucket=bucket)
    assert grants(s3.get_bucket_acl(Bucket=bucket)) == private


def test_wrong(server, s3, bucket, owner):
    def refused(code, call):
        with pytest.raises(ClientError) as error:
            call()
        assert code_of(error)[1] == code

    before = s3.get_bucket_acl(Bucket=bucket)["Grants"]
    refused("InvalidArgument", lambda: s3.put_bucket_acl(Bucket=bucket, GrantRead='id="nobody"'))
    refused("InvalidArgument", lambda: s3.put_bucket_acl(Bucket=bucket, GrantRead='uri="http://x"'))
    refused("UnresolvableGrantByEmailAddress", lambda: s3.put_bucket_acl(Bucket=bucket, GrantRead='emailAddress="a@b"'))
    refused("InvalidRequest", lambda: s3.put_bucket_acl(Bucket=bucket, ACL="public-read", GrantRead=f'id="{owner["ID"]}"'))
    other = {"Owner": {"ID": "1" * 64}, "Grants": []}
    refused("AccessDenied", lambda: s3.put_bucket_acl(Bucket=bucket, AccessControlPolicy=other))
    answer = send(server, "PUT", f"/{bucket}?acl", b"", {"x-amz-acl": "public"})
    assert answer.status == 400 and b"InvalidArgument" in answer.data
    for body in (b"x", b"<AccessControlPolicy/>", b"<AccessControlPolicy><Owner><ID>x</ID></Owner></AccessControlPolicy>"):
        answer = send(server, "PUT", f"/{bucket}?acl", body)
        assert answer.status == 400 and b"MalformedACLError" in answer.data
    assert s3.get_bucket_acl(Bucket=bucket)["Grants"] == before
    with pytest.raises(ClientError) as error:
        s3.get_object_acl(Bucket=bucket, Key="none")
    assert code_of(error) == (404, "NoSuchKey")


def test_blocked(s3, bucket):
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration={"BlockPublicAcls": True})
    for call in (
        lambda: s3.put_bucket_acl(Bucket=bucket, ACL="public-read"),
        lambda: s3.put_object(Bucket=bucket, Key="a", ACL="authenticated-read"),
    ):
        with pytest.raises(ClientError) as error:
            call()
        assert code_of(error) == (403, "AccessDenied")
    s3.put_object(Bucket=bucket, Key="a", ACL="private")
