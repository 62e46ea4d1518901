# SPDX-License-Identifier: Apache-2.0
"""Permissions boundaries of users and roles, and managed policies that narrow sessions."""

import json

import pytest

from conftest import refused
from test_iam import iam_client, new_key, policy, s3_client
from test_sts import client_of, new_role, sts_client, trust

ACCOUNT = {"AWS": "arn:aws:iam::000000000000:root"}


@pytest.fixture(scope="module")
def iam(server):
    return iam_client(server)


@pytest.fixture(scope="module")
def sts(server):
    return sts_client(server)


def managed(iam, name, *args):
    return iam.create_policy(PolicyName=name, PolicyDocument=policy(*args))["Policy"]["Arn"]


def test_a_boundary_bounds(server, s3, iam, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    reads = managed(iam, "reads", "s3:GetObject")
    user = iam.create_user(UserName="bound", PermissionsBoundary=reads)["User"]
    assert user["PermissionsBoundary"] == {
        "PermissionsBoundaryType": "PermissionsBoundaryPolicy",
        "PermissionsBoundaryArn": reads,
    }
    own = s3_client(server, new_key(iam, "bound"))
    refused(403, "AccessDenied", own.get_object, Bucket=bucket, Key="k")  # a boundary gives nothing
    iam.put_user_policy(UserName="bound", PolicyName="p", PolicyDocument=policy("s3:*"))
    own.get_object(Bucket=bucket, Key="k")
    refused(403, "AccessDenied", own.put_object, Bucket=bucket, Key="k", Body=b"y")
    refused(403, "AccessDenied", own.list_buckets)
    assert iam.get_policy(PolicyArn=reads)["Policy"]["PermissionsBoundaryUsageCount"] == 1
    refused(409, "DeleteConflict", iam.delete_policy, PolicyArn=reads)
    writes = managed(iam, "writes", "s3:PutObject")
    iam.put_user_permissions_boundary(UserName="bound", PermissionsBoundary=writes)
    own.put_object(Bucket=bucket, Key="k", Body=b"y")
    refused(403, "AccessDenied", own.get_object, Bucket=bucket, Key="k")
    iam.delete_policy(PolicyArn=reads)
    iam.delete_user_permissions_boundary(UserName="bound")
    own.get_object(Bucket=bucket, Key="k")
    assert "PermissionsBoundary" not in iam.get_user(UserName="bound")["User"]
    refused(404, "NoSuchEntity", iam.delete_user_permissions_boundary, UserName="bound")


def test_policies_of_aws_bound_too(server, s3, iam, sts, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    reads = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
    iam.create_user(UserName="reader", PermissionsBoundary=reads)
    iam.put_user_policy(UserName="reader", PolicyName="p", PolicyDocument=policy("s3:*"))
    role = new_role(iam, "reader-role", trust(ACCOUNT))
    session = sts.assume_role(RoleArn=role, RoleSessionName="reading", PolicyArns=[{"arn": reads}])["Credentials"]
    for own in (s3_client(server, new_key(iam, "reader")), client_of(server, session)):
        own.get_object(Bucket=bucket, Key="k")
        refused(403, "AccessDenied", own.put_object, Bucket=bucket, Key="k", Body=b"y")


def test_what_is_refused(iam):
    arn = managed(iam, "some", "s3:*")
    refused(404, "NoSuchEntity", iam.create_user, UserName="x", PermissionsBoundary=arn + "-not")
    refused(404, "NoSuchEntity", iam.get_user, UserName="x")
    iam.create_user(UserName="y")
    refused(404, "NoSuchEntity", iam.put_user_permissions_boundary, UserName="y", PermissionsBoundary=arn + "-not")
    refused(404, "NoSuchEntity", iam.put_user_permissions_boundary, UserName="nobody", PermissionsBoundary=arn)


def test_a_boundary_of_a_role(server, s3, iam, sts, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    reads = managed(iam, "role-reads", "s3:GetObject")
    role = new_role(iam, "bound-role", trust(ACCOUNT))
    iam.put_role_permissions_boundary(RoleName="bound-role", PermissionsBoundary=reads)
    assert iam.get_role(RoleName="bound-role")["Role"]["PermissionsBoundary"]["PermissionsBoundaryArn"] == reads
    own = client_of(server, sts.assume_role(RoleArn=role, RoleSessionName="bounded")["Credentials"])
    own.get_object(Bucket=bucket, Key="k")
    refused(403, "AccessDenied", own.put_object, Bucket=bucket, Key="k", Body=b"y")


def test_a_boundary_that_denies(server, iam, bucket):
    document = json.loads(policy("*"))
    document["Statement"] += json.loads(policy("s3:DeleteObject", effect="Deny"))["Statement"]
    arn = iam.create_policy(PolicyName="all-but", PolicyDocument=json.dumps(document))["Policy"]["Arn"]
    iam.create_user(UserName="within", PermissionsBoundary=arn)
    iam.put_user_policy(UserName="within", PolicyName="p", PolicyDocument=policy("*"))
    own = s3_client(server, new_key(iam, "within"))
    own.put_object(Bucket=bucket, Key="k", Body=b"x")
    refused(403, "AccessDenied", own.delete_object, Bucket=bucket, Key="k")
    iam_client(server, new_key(iam, "within")).list_users()


def test_a_boundary_bounds_iam_too(server, iam):
    arn = managed(iam, "only-s3", "s3:*")
    iam.create_user(UserName="outside", PermissionsBoundary=arn)
    iam.put_user_policy(UserName="outside", PolicyName="p", PolicyDocument=policy("*"))
    refused(403, "AccessDenied", iam_client(server, new_key(iam, "outside")).list_users)


def test_a_boundary_survives_kill(new_server):
    server = new_server().start()
    iam = iam_client(server)
    arn = managed(iam, "kept", "s3:GetObject")
    iam.create_user(UserName="kept", PermissionsBoundary=arn)
    server.kill()
    user = iam_client(server.start()).get_user(UserName="kept")["User"]
    assert user["PermissionsBoundary"]["PermissionsBoundaryArn"] == arn


def test_policies_of_sessions(server, s3, iam, sts, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    role = new_role(iam, "wide", trust(ACCOUNT))
    reads = managed(iam, "session-reads", "s3:GetObject")
    lists = managed(iam, "session-lists", "s3:ListBucket")

    def session(**more):
        return client_of(server, sts.assume_role(RoleArn=role, RoleSessionName="bounded", **more)["Credentials"])

    own = session(PolicyArns=[{"arn": reads}])
    own.get_object(Bucket=bucket, Key="k")
    refused(403, "AccessDenied", own.list_objects_v2, Bucket=bucket)
    own = session(PolicyArns=[{"arn": reads}, {"arn": lists}])  # what one of them allows
    own.get_object(Bucket=bucket, Key="k")
    own.list_objects_v2(Bucket=bucket)
    refused(403, "AccessDenied", own.put_object, Bucket=bucket, Key="k", Body=b"y")
    own = session(PolicyArns=[{"arn": lists}], Policy=policy("s3:PutObject"))
    own.put_object(Bucket=bucket, Key="k", Body=b"y")
    own.list_objects_v2(Bucket=bucket)
    refused(403, "AccessDenied", own.get_object, Bucket=bucket, Key="k")
    only = session(PolicyArns=[{"arn": lists}])
    only.list_objects_v2(Bucket=bucket)
    iam.delete_policy(PolicyArn=lists)  # a session's policies mean what they say now
    refused(403, "AccessDenied", only.list_objects_v2, Bucket=bucket)
    refused(400, "MalformedPolicyDocument", session, PolicyArns=[{"arn": lists}])
    refused(400, "ValidationError", session, PolicyArns=[{"arn": reads}] * 11)
