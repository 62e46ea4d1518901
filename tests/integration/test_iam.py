# SPDX-License-Identifier: Apache-2.0
"""IAM with boto3: users, keys, groups, policies, roles; what they allow; what survives a kill."""

import json
import threading
import urllib.error
import urllib.parse
import urllib.request

import boto3
import pytest
from botocore.config import Config
from conftest import refused


def iam_client(server, keys=None):
    keys = keys or server.keys
    return boto3.client(
        "iam",
        endpoint_url=server.url,
        aws_access_key_id=keys[0],
        aws_secret_access_key=keys[1],
        region_name="us-east-1",
        config=Config(retries={"max_attempts": 1}),
    )


def s3_client(server, keys, token=None):
    config = Config(s3={"addressing_style": "path"}, signature_version="s3v4", retries={"max_attempts": 1})
    return boto3.client(
        "s3",
        endpoint_url=server.url,
        aws_access_key_id=keys[0],
        aws_secret_access_key=keys[1],
        aws_session_token=token,
        region_name="us-east-1",
        config=config,
    )


@pytest.fixture(scope="module")
def iam(server):
    return iam_client(server)


NUMBER = iter(range(1, 1 << 30))


@pytest.fixture
def user(iam):
    name = f"user{next(NUMBER)}"
    iam.create_user(UserName=name)
    return name


def new_key(iam, user):
    key = iam.create_access_key(UserName=user)["AccessKey"]
    return key["AccessKeyId"], key["SecretAccessKey"]


def policy(action, resource="*", effect="Allow", **more):
    statement = {"Effect": effect, "Action": action, "Resource": resource, **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


# --- Users and keys ---


def test_users(iam):
    made = iam.create_user(UserName="ann", Path="/staff/")["User"]
    assert made["Arn"] == "arn:aws:iam::000000000000:user/staff/ann"
    assert made["UserId"].startswith("AIDA") and len(made["UserId"]) == 21
    assert iam.get_user(UserName="ann")["User"]["UserId"] == made["UserId"]
    assert iam.get_user(UserName="ANN")["User"]["UserName"] == "ann"
    refused(409, "EntityAlreadyExists", iam.create_user, UserName="Ann")
    assert [u["UserName"] for u in iam.list_users(PathPrefix="/staff/")["Users"]] == ["ann"]
    iam.update_user(UserName="ann", NewUserName="anna", NewPath="/boss/")
    assert iam.get_user(UserName="anna")["User"]["UserId"] == made["UserId"]
    refused(404, "NoSuchEntity", iam.get_user, UserName="ann")
    iam.delete_user(UserName="anna")
    refused(404, "NoSuchEntity", iam.delete_user, UserName="anna")


def test_pages(iam):
    names = [f"page{i:02}" for i in range(7)]
    for name in names:
        iam.create_user(UserName=name, Path="/pages/")
    pages = iam.get_paginator("list_users").paginate(PathPrefix="/pages/", PaginationConfig={"PageSize": 3})
    pages = [page["Users"] for page in pages]
    assert [len(page) for page in pages] == [3, 3, 1]
    assert sorted(u["UserName"] for page in pages for u in page) == names
    for name in names:
        iam.delete_user(UserName=name)


def test_lists_are_in_the_order_of_names(iam):
    """Whatever their case, path and age; across pages, too."""
    names = ["order-aa", "order-Ab", "order-ac", "order-Ad"]
    trust = policy("sts:AssumeRole", None, Principal={"AWS": "*"}).replace(', "Resource": null', "")
    kinds = {
        "user": (iam.create_user, "UserName", "Users", {}),
        "group": (iam.create_group, "GroupName", "Groups", {}),
        "role": (iam.create_role, "RoleName", "Roles", {"AssumeRolePolicyDocument": trust}),
        "policie": (iam.create_policy, "PolicyName", "Policies", {"PolicyDocument": policy("s3:*")}),
    }
    for kind, (create, param, listed, more) in kinds.items():
        for i, name in enumerate(reversed(names)):
            create(**{param: name}, Path=f"/order/{i}/", **more)
        for size in (1, 3, 100):
            pages = iam.get_paginator(f"list_{kind}s").paginate(PathPrefix="/order/", PaginationConfig={"PageSize": size})
            assert [e[param] for page in pages for e in page[listed]] == names
    for name in reversed(names):
        iam.add_user_to_group(GroupName="order-Ab", UserName=name)
        iam.add_user_to_group(GroupName=name, UserName="order-ac")
        iam.put_role_policy(RoleName="order-aa", PolicyName=name, PolicyDocument=policy("s3:*"))
    assert [u["UserName"] for u in iam.get_group(GroupName="order-Ab")["Users"]] == names
    assert [g["GroupName"] for g in iam.list_groups_for_user(UserName="order-ac")["Groups"]] == names
    assert iam.list_role_policies(RoleName="order-aa")["PolicyNames"] == sorted(names)


def test_moves(server, iam, user):
    iam.create_group(GroupName="crew", Path="/ship/")
    iam.add_user_to_group(GroupName="crew", UserName=user)
    before = iam.get_group(GroupName="crew")["Group"]
    iam.update_group(GroupName="Crew", NewGroupName="mates", NewPath="/boat/")
    after = iam.get_group(GroupName="mates")
    assert after["Group"]["GroupId"] == before["GroupId"]
    assert after["Group"]["Arn"] == "arn:aws:iam::000000000000:group/boat/mates"
    assert [u["UserName"] for u in after["Users"]] == [user]
    assert [g["GroupName"] for g in iam.list_groups_for_user(UserName=user)["Groups"]] == ["mates"]
    refused(404, "NoSuchEntity", iam.update_group, GroupName="crew", NewGroupName="others")
    iam.update_group(GroupName="mates", NewGroupName="Mates")  # its own name in another case
    iam.create_group(GroupName="crew")
    refused(409, "EntityAlreadyExists", iam.update_group, GroupName="crew", NewGroupName="MATES")
    for wrong in ("nope", "/nope", "nope/", "/a b/"):
        refused(400, "ValidationError", iam.update_user, UserName=user, NewPath=wrong)
        refused(400, "ValidationError", iam.update_group, GroupName="crew", NewPath=wrong)
    refused(400, "ValidationError", iam.update_group, GroupName="crew", NewGroupName="a/b")
    assert iam.get_user(UserName=user)["User"]["Path"] == "/"


def test_summary(iam, user):
    before = iam.get_account_summary()["SummaryMap"]
    iam.create_user(UserName="counted")
    iam.create_group(GroupName="counted")
    after = iam.get_account_summary()["SummaryMap"]
    changed = {key: after[key] - before[key] for key in after if after[key] != before[key]}
    assert changed == {"Users": 1, "Groups": 1}
    for key in ("UsersQuota", "GroupsQuota", "RolesQuota", "PoliciesQuota", "AccessKeysPerUserQuota"):
        assert after[key] > 0


@pytest.mark.parametrize(
    "params,code",
    [
        ({"UserName": "a b"}, "ValidationError"),
        ({"UserName": "a/b"}, "ValidationError"),
        ({"UserName": "x" * 65}, "ValidationError"),
        ({"UserName": "fine", "Path": "nope"}, "ValidationError"),
    ],
)
def test_bad_users(server, params, code):
    iam = boto3.client(
        "iam",
        endpoint_url=server.url,
        aws_access_key_id=server.keys[0],
        aws_secret_access_key=server.keys[1],
        region_name="us-east-1",
        config=Config(parameter_validation=False),
    )
    refused(400, code, iam.create_user, **params)


def test_access_keys(server, s3, iam, user, bucket):
    keys = new_key(iam, user)
    own = s3_client(server, keys)
    refused(403, "AccessDenied", own.list_buckets)
    iam.put_user_policy(UserName=user, PolicyName="p", PolicyDocument=policy("s3:*"))
    own.list_buckets()
    listed = iam.list_access_keys(UserName=user)["AccessKeyMetadata"]
    assert [(k["AccessKeyId"], k["Status"]) for k in listed] == [(keys[0], "Active")]
    iam.update_access_key(UserName=user, AccessKeyId=keys[0], Status="Inactive")
    refused(403, "InvalidAccessKeyId", own.list_buckets)
    iam.update_access_key(UserName=user, AccessKeyId=keys[0], Status="Active")
    own.list_buckets()
    refused(409, "DeleteConflict", iam.delete_user, UserName=user)
    iam.delete_access_key(UserName=user, AccessKeyId=keys[0])
    refused(403, "InvalidAccessKeyId", own.list_buckets)
    refused(404, "NoSuchEntity", iam.delete_access_key, UserName=user, AccessKeyId=keys[0])


def test_the_root_and_itself(server, iam, user):
    assert iam.get_user()["User"]["Arn"] == "arn:aws:iam::000000000000:root"
    own = iam_client(server, new_key(iam, user))
    refused(403, "AccessDenied", own.get_user)
    iam.put_user_policy(
        UserName=user,
        PolicyName="self",
        PolicyDocument=policy("iam:*", "arn:aws:iam::000000000000:user/${aws:username}"),
    )
    assert own.get_user()["User"]["UserName"] == user
    assert len(own.list_access_keys()["AccessKeyMetadata"]) == 1
    refused(403, "AccessDenied", own.get_user, UserName="somebody-else")
    refused(403, "AccessDenied", own.create_user, UserName="somebody-else")
    refused(403, "AccessDenied", own.list_users)


def test_rights_are_for_whole_names(server, iam, user):
    """A policy names users and groups with their paths; who moves one needs the right to both names."""
    account = "arn:aws:iam::000000000000"
    iam.put_user_policy(
        UserName=user, PolicyName="p", PolicyDocument=policy("iam:*", [f"{account}:user/zoo/*", f"{account}:group/zoo/*"])
    )
    own = iam_client(server, new_key(iam, user))
    iam.create_user(UserName="keeper")
    own.create_user(UserName="ape", Path="/zoo/")
    assert own.get_user(UserName="APE")["User"]["Path"] == "/zoo/"
    own.create_group(GroupName="apes", Path="/zoo/")
    own.add_user_to_group(GroupName="apes", UserName="ape")
    for refusal in (
        lambda: own.create_user(UserName="bear"),
        lambda: own.create_user(UserName="bear", Path="/"),
        lambda: own.get_user(UserName="keeper"),
        lambda: own.update_user(UserName="keeper", NewPath="/zoo/"),
        lambda: own.update_user(UserName="ape", NewPath="/"),
        lambda: own.update_group(GroupName="apes", NewPath="/park/"),
    ):
        refused(403, "AccessDenied", refusal)
    own.update_user(UserName="ape", NewUserName="gorilla", NewPath="/zoo/big/")
    assert iam.get_user(UserName="gorilla")["User"]["Arn"] == f"{account}:user/zoo/big/gorilla"


# --- What policies allow ---


def test_identity_policies(server, s3, iam, user, bucket):
    own = s3_client(server, new_key(iam, user))
    s3.put_object(Bucket=bucket, Key="in/k", Body=b"x")
    refused(403, "AccessDenied", own.get_object, Bucket=bucket, Key="in/k")
    document = policy(["s3:GetObject", "s3:PutObject"], f"arn:aws:s3:::{bucket}/in/*")
    iam.put_user_policy(UserName=user, PolicyName="in", PolicyDocument=document)
    assert own.get_object(Bucket=bucket, Key="in/k")["Body"].read() == b"x"
    own.put_object(Bucket=bucket, Key="in/2", Body=b"y")
    refused(403, "AccessDenied", own.put_object, Bucket=bucket, Key="out", Body=b"y")
    refused(403, "AccessDenied", own.list_objects_v2, Bucket=bucket)
    refused(403, "AccessDenied", own.delete_object, Bucket=bucket, Key="in/k")
    refused(403, "AccessDenied", own.put_object, Bucket=bucket, Key="in/3", Body=b"y", Tagging="a=b")
    iam.put_user_policy(
        UserName=user, PolicyName="no", PolicyDocument=policy("s3:GetObject", "*", effect="Deny")
    )
    refused(403, "AccessDenied", own.get_object, Bucket=bucket, Key="in/k")
    assert iam.list_user_policies(UserName=user)["PolicyNames"] == ["in", "no"]
    got = iam.get_user_policy(UserName=user, PolicyName="in")
    assert got["PolicyDocument"] == json.loads(document)
    for name in ("in", "no"):
        iam.delete_user_policy(UserName=user, PolicyName=name)
    refused(404, "NoSuchEntity", iam.get_user_policy, UserName=user, PolicyName="in")
    refused(403, "AccessDenied", own.get_object, Bucket=bucket, Key="in/k")


def test_variables(server, s3, iam, user, bucket):
    own = s3_client(server, new_key(iam, user))
    document = policy("s3:PutObject", f"arn:aws:s3:::{bucket}/home/${{aws:username}}/*")
    iam.put_user_policy(UserName=user, PolicyName="home", PolicyDocument=document)
    own.put_object(Bucket=bucket, Key=f"home/{user}/k", Body=b"x")
    refused(403, "AccessDenied", own.put_object, Bucket=bucket, Key="home/other/k", Body=b"x")


def test_bucket_policy_for_a_user(server, s3, iam, user, bucket):
    own = s3_client(server, new_key(iam, user))
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    arn = iam.get_user(UserName=user)["User"]["Arn"]

    def allow(principal):
        statement = {
            "Effect": "Allow",
            "Principal": {"AWS": principal},
            "Action": "s3:GetObject",
            "Resource": f"arn:aws:s3:::{bucket}/*",
        }
        s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Statement": [statement]}))

    allow(arn)
    own.get_object(Bucket=bucket, Key="k")
    allow("arn:aws:iam::000000000000:root")  # the account may; what it gives its users is its own business
    refused(403, "AccessDenied", own.get_object, Bucket=bucket, Key="k")
    iam.put_user_policy(UserName=user, PolicyName="p", PolicyDocument=policy("s3:GetObject"))
    own.get_object(Bucket=bucket, Key="k")


def test_what_a_new_bucket_brings_along(server, s3, iam, user):
    """The right to create one is not that to tag it, to open it or to lock it."""
    own = s3_client(server, new_key(iam, user))
    iam.put_user_policy(UserName=user, PolicyName="p", PolicyDocument=policy("s3:CreateBucket"))
    tagged = {"CreateBucketConfiguration": {"Tags": [{"Key": "k", "Value": "v"}]}}
    for more in (tagged, {"ACL": "private"}, {"ObjectOwnership": "ObjectWriter"}, {"ObjectLockEnabledForBucket": True}):
        refused(403, "AccessDenied", own.create_bucket, Bucket="brings-along", **more)
    refused(404, "404", s3.head_bucket, Bucket="brings-along")
    own.create_bucket(Bucket="brings-nothing")
    actions = ["CreateBucket", "TagResource", "PutBucketOwnershipControls", "PutBucketObjectLockConfiguration", "PutBucketAcl"]
    iam.put_user_policy(UserName=user, PolicyName="p", PolicyDocument=policy([f"s3:{a}" for a in actions]))
    more = {"ObjectOwnership": "ObjectWriter", "ObjectLockEnabledForBucket": True, "ACL": "private"}
    own.create_bucket(Bucket="brings-along", **tagged, **more)
    assert s3.get_bucket_tagging(Bucket="brings-along")["TagSet"] == tagged["CreateBucketConfiguration"]["Tags"]


def test_managed_policies(server, iam, user):
    own = s3_client(server, new_key(iam, user))
    made = iam.create_policy(PolicyName="all", PolicyDocument=policy("s3:*"), Description="everything")["Policy"]
    arn = made["Arn"]
    assert arn == "arn:aws:iam::000000000000:policy/all" and made["DefaultVersionId"] == "v1"
    refused(403, "AccessDenied", own.list_buckets)
    iam.attach_user_policy(UserName=user, PolicyArn=arn)
    own.list_buckets()
    assert iam.get_policy(PolicyArn=arn)["Policy"]["AttachmentCount"] == 1
    assert iam.list_attached_user_policies(UserName=user)["AttachedPolicies"] == [
        {"PolicyName": "all", "PolicyArn": arn}
    ]
    assert [u["UserName"] for u in iam.list_entities_for_policy(PolicyArn=arn)["PolicyUsers"]] == [user]
    refused(409, "DeleteConflict", iam.delete_policy, PolicyArn=arn)

    iam.create_policy_version(PolicyArn=arn, PolicyDocument=policy("s3:GetObject"), SetAsDefault=True)
    refused(403, "AccessDenied", own.list_buckets)
    iam.set_default_policy_version(PolicyArn=arn, VersionId="v1")
    own.list_buckets()
    versions = iam.list_policy_versions(PolicyArn=arn)["Versions"]
    assert [(v["VersionId"], v["IsDefaultVersion"]) for v in versions] == [("v1", True), ("v2", False)]
    document = iam.get_policy_version(PolicyArn=arn, VersionId="v2")["PolicyVersion"]["Document"]
    assert document == json.loads(policy("s3:GetObject"))
    refused(409, "DeleteConflict", iam.delete_policy_version, PolicyArn=arn, VersionId="v1")
    iam.delete_policy_version(PolicyArn=arn, VersionId="v2")

    iam.detach_user_policy(UserName=user, PolicyArn=arn)
    refused(404, "NoSuchEntity", iam.detach_user_policy, UserName=user, PolicyArn=arn)
    refused(403, "AccessDenied", own.list_buckets)
    iam.delete_policy(PolicyArn=arn)
    refused(404, "NoSuchEntity", iam.get_policy, PolicyArn=arn)


def test_policies_that_every_account_has(server, s3, iam, user, bucket):
    reads, full = (f"arn:aws:iam::aws:policy/AmazonS3{name}Access" for name in ("ReadOnly", "Full"))
    own = s3_client(server, new_key(iam, user))
    refused(404, "NoSuchEntity", iam.detach_user_policy, UserName=user, PolicyArn=reads)
    for _ in range(2):
        iam.attach_user_policy(UserName=user, PolicyArn=reads)
    own.list_objects_v2(Bucket=bucket)
    refused(403, "AccessDenied", own.put_object, Bucket=bucket, Key="k", Body=b"x")
    iam.create_group(GroupName="writers")
    iam.add_user_to_group(GroupName="writers", UserName=user)
    iam.attach_group_policy(GroupName="writers", PolicyArn=full)
    own.put_object(Bucket=bucket, Key="k", Body=b"x")
    refused(403, "AccessDenied", iam_client(server, new_key(iam, user)).list_users)
    assert iam.list_attached_user_policies(UserName=user)["AttachedPolicies"] == [
        {"PolicyName": "AmazonS3ReadOnlyAccess", "PolicyArn": reads}
    ]
    assert [g["GroupName"] for g in iam.list_entities_for_policy(PolicyArn=full)["PolicyGroups"]] == ["writers"]
    shown = iam.get_policy(PolicyArn=full)["Policy"]
    assert (shown["AttachmentCount"], shown["DefaultVersionId"], shown["Path"]) == (1, "v1", "/")
    assert iam.get_policy_version(PolicyArn=full, VersionId="v1")["PolicyVersion"]["Document"]["Statement"]

    iam.attach_user_policy(UserName=user, PolicyArn="arn:aws:iam::aws:policy/IAMReadOnlyAccess")
    iam_client(server, new_key(iam, user)).list_users()
    refused(403, "AccessDenied", iam_client(server, new_key(iam, user)).create_group, GroupName="other")
    iam.put_user_permissions_boundary(UserName=user, PermissionsBoundary=reads)
    refused(403, "AccessDenied", own.put_object, Bucket=bucket, Key="k", Body=b"x")

    refused(404, "NoSuchEntity", iam.get_policy, PolicyArn="arn:aws:iam::aws:policy/NoSuchAccess")
    refused(403, "AccessDenied", iam.delete_policy, PolicyArn=full)
    refused(403, "AccessDenied", iam.create_policy_version, PolicyArn=full, PolicyDocument=policy("s3:*"))
    refused(403, "AccessDenied", iam.set_default_policy_version, PolicyArn=full, VersionId="v1")
    refused(403, "AccessDenied", iam.delete_policy_version, PolicyArn=full, VersionId="v1")
    iam.create_policy(PolicyName="AmazonS3FullAccess", PolicyDocument=policy("s3:ListBucket"))  # the account's own
    listed = {scope: [p["Arn"] for p in iam.list_policies(Scope=scope, MaxItems=1000)["Policies"]] for scope in ("All", "AWS", "Local")}
    assert full in listed["AWS"] and full not in listed["Local"]
    assert "arn:aws:iam::000000000000:policy/AmazonS3FullAccess" in listed["Local"]
    assert sorted(listed["AWS"] + listed["Local"]) == sorted(listed["All"])
    attached = iam.list_policies(Scope="AWS", OnlyAttached=True)["Policies"]
    assert {p["PolicyName"] for p in attached} == {"AmazonS3FullAccess", "AmazonS3ReadOnlyAccess", "IAMReadOnlyAccess"}


def test_groups(server, iam, user):
    own = s3_client(server, new_key(iam, user))
    iam.create_group(GroupName="readers")
    iam.put_group_policy(GroupName="readers", PolicyName="p", PolicyDocument=policy("s3:ListAllMyBuckets"))
    refused(403, "AccessDenied", own.list_buckets)
    iam.add_user_to_group(GroupName="readers", UserName=user)
    own.list_buckets()
    assert [u["UserName"] for u in iam.get_group(GroupName="readers")["Users"]] == [user]
    assert [g["GroupName"] for g in iam.list_groups_for_user(UserName=user)["Groups"]] == ["readers"]
    refused(409, "DeleteConflict", iam.delete_group, GroupName="readers")
    iam.remove_user_from_group(GroupName="readers", UserName=user)
    refused(403, "AccessDenied", own.list_buckets)
    iam.delete_group_policy(GroupName="readers", PolicyName="p")
    iam.delete_group(GroupName="readers")


def test_roles(iam):
    trust = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"AWS": "arn:aws:iam::000000000000:root"},
                    "Action": "sts:AssumeRole",
                }
            ],
        }
    )
    role = iam.create_role(RoleName="robot", AssumeRolePolicyDocument=trust)["Role"]
    assert role["Arn"] == "arn:aws:iam::000000000000:role/robot"
    assert iam.get_role(RoleName="robot")["Role"]["AssumeRolePolicyDocument"] == json.loads(trust)
    iam.put_role_policy(RoleName="robot", PolicyName="p", PolicyDocument=policy("s3:*"))
    assert iam.list_role_policies(RoleName="robot")["PolicyNames"] == ["p"]
    assert "robot" in [r["RoleName"] for r in iam.list_roles()["Roles"]]
    refused(409, "DeleteConflict", iam.delete_role, RoleName="robot")
    iam.delete_role_policy(RoleName="robot", PolicyName="p")
    iam.delete_role(RoleName="robot")


@pytest.mark.parametrize(
    "document",
    [
        "{",
        "[]",
        '{"Version":"2012-10-17","Statement":[]}',
        policy("s3:*").replace("Allow", "Perhaps"),
        policy("no-service"),
        policy("s3:*", "not-an-arn"),
        json.dumps(
            {"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "*"}]}
        ),
    ],
)
def test_bad_policies(iam, user, document):
    refused(
        400, "MalformedPolicyDocument", iam.put_user_policy, UserName=user, PolicyName="p", PolicyDocument=document
    )
    refused(400, "MalformedPolicyDocument", iam.create_policy, PolicyName="bad", PolicyDocument=document)
    assert iam.list_user_policies(UserName=user)["PolicyNames"] == []


# --- The protocol ---


def post(server, body, headers=()):
    request = urllib.request.Request(
        server.url + "/",
        data=body,
        headers={"Content-Type": "application/x-www-form-urlencoded", **dict(headers)},
    )
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request)
    return caught.value.code, caught.value.read().decode()


def test_unsigned_and_malformed(server):
    assert post(server, b"Action=ListUsers&Version=2010-05-08")[0] == 403
    status, body = post(server, b"Action=Nonsense&Version=2010-05-08")
    assert status == 400 and "<Code>InvalidAction</Code>" in body
    assert post(server, b"")[0] == 400
    assert post(server, b"Action=%zz")[0] == 400
    assert post(server, b"Action=ListUsers&" + b"x=1&" * 300)[0] == 400
    assert post(server, b"a" * 300000)[0] == 400


def test_wrong_secret_and_wrong_key(server):
    refused(403, "SignatureDoesNotMatch", iam_client(server, (server.keys[0], "wrong")).list_users)
    refused(403, "InvalidClientTokenId", iam_client(server, ("NOSUCHKEY", "wrong-secret")).list_users)


def test_the_body_is_signed(server, iam):
    """A request whose body was replaced on its way is refused."""

    client = iam_client(server)

    def change(request, **_):
        body = request.body if isinstance(request.body, bytes) else request.body.encode()
        request.body = body.replace(b"innocent", b"attacker")

    client.meta.events.register_last("before-send.iam.CreateUser", change)
    refused(403, "SignatureDoesNotMatch", client.create_user, UserName="innocent")
    refused(404, "NoSuchEntity", iam.get_user, UserName="attacker")


# --- Storage ---


def test_all_of_it_survives_a_kill(new_server):
    server = new_server("killed").start()
    iam = iam_client(server)
    iam.create_user(UserName="ann")
    keys = new_key(iam, "ann")
    iam.create_group(GroupName="g")
    arn = iam.create_policy(PolicyName="p", PolicyDocument=policy("s3:*"))["Policy"]["Arn"]
    iam.attach_group_policy(GroupName="g", PolicyArn=arn)
    iam.add_user_to_group(GroupName="g", UserName="ann")
    s3_client(server, keys).create_bucket(Bucket="anns")
    server.kill()
    server.start()
    own = s3_client(server, keys)
    assert [b["Name"] for b in own.list_buckets()["Buckets"]] == ["anns"]
    assert iam_client(server).list_entities_for_policy(PolicyArn=arn)["PolicyGroups"][0]["GroupName"] == "g"
    server.stop()


def test_racing_changes_all_land(server, iam, user):
    """Each change rewrites the user's document: none may be lost."""
    failures = []

    def put(i):
        try:
            iam_client(server).put_user_policy(UserName=user, PolicyName=f"p{i}", PolicyDocument=policy("s3:*"))
        except Exception as error:  # pylint: disable=broad-except
            failures.append(error)

    threads = [threading.Thread(target=put, args=(i,)) for i in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert len(iam.list_user_policies(UserName=user)["PolicyNames"]) == 16


def test_exactly_one_of_racing_creators(server, iam):
    won = []

    def create():
        try:
            iam_client(server).create_user(UserName="only-one")
            won.append(1)
        except iam.exceptions.EntityAlreadyExistsException:
            pass

    threads = [threading.Thread(target=create) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1


def test_secrets_are_not_in_the_log(server, iam, user):
    key = new_key(iam, user)
    assert key[1] not in server.log
    assert urllib.parse.quote(key[1], safe="") not in server.log
