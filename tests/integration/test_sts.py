# SPDX-License-Identifier: Apache-2.0
"""STS with boto3: temporary credentials, their policies and their end; web identities."""

import base64
import json
import time

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from conftest import Server, refused
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from test_iam import iam_client, new_key, policy, s3_client

ISSUER = "https://id.example.org"
RSA_KEY = rsa.generate_private_key(65537, 2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value, length):
    return b64(value.to_bytes(length, "big"))


def jwks():
    n, e = RSA_KEY.public_key().public_numbers().n, 65537
    point = EC_KEY.public_key().public_numbers()
    return {
        "keys": [
            {"kty": "RSA", "kid": "r", "use": "sig", "n": number(n, 256), "e": number(e, 3)},
            {"kty": "EC", "crv": "P-256", "kid": "e", "x": number(point.x, 32), "y": number(point.y, 32)},
            {"kty": "oct", "kid": "o", "k": "c2VjcmV0"},
        ]
    }


def token(algorithm="RS256", kid=None, key=None, header=None, **claims):
    payload = {"iss": ISSUER, "sub": "ann", "aud": "tarn", "exp": int(time.time()) + 600, **claims}
    head = {"alg": algorithm, "kid": kid or ("r" if algorithm == "RS256" else "e"), **(header or {})}
    text = f"{b64(json.dumps(head).encode())}.{b64(json.dumps(payload).encode())}"
    if algorithm == "RS256":
        signature = (key or RSA_KEY).sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
    elif algorithm == "ES256":
        r, s = utils.decode_dss_signature((key or EC_KEY).sign(text.encode(), ec.ECDSA(hashes.SHA256())))
        signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    else:
        signature = b"none"
    return f"{text}.{b64(signature)}"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sts")
    (folder / "jwks.json").write_text(json.dumps(jwks()))
    (folder / "config.yaml").write_text(
        f"identity_providers:\n  - issuer: {ISSUER}\n    jwks_file: {folder}/jwks.json\n    audience: tarn\n"
    )
    server = Server(folder / "data", args=["--config", folder / "config.yaml"]).start()
    yield server
    server.stop()


def sts_client(server, keys=None, session=None):
    config = Config(retries={"max_attempts": 1})
    if keys is UNSIGNED:
        return boto3.client(
            "sts",
            endpoint_url=server.url,
            region_name="us-east-1",
            config=config.merge(Config(signature_version=UNSIGNED)),
        )
    keys = keys or server.keys
    return boto3.client(
        "sts",
        endpoint_url=server.url,
        aws_access_key_id=keys[0],
        aws_secret_access_key=keys[1],
        aws_session_token=session,
        region_name="us-east-1",
        config=config,
    )


def client_of(server, credentials):
    return s3_client(
        server, (credentials["AccessKeyId"], credentials["SecretAccessKey"]), credentials["SessionToken"]
    )


@pytest.fixture(scope="module")
def iam(server):
    return iam_client(server)


@pytest.fixture(scope="module")
def sts(server):
    return sts_client(server)


def trust(principal, action="sts:AssumeRole", **more):
    statement = {"Effect": "Allow", "Principal": principal, "Action": action, **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def new_role(iam, name, document, allowed="s3:*"):
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=policy(allowed))
    return arn


@pytest.fixture(scope="module")
def role(iam):
    return new_role(iam, "robot", trust({"AWS": "arn:aws:iam::000000000000:root"}))


def test_caller_identity(server, iam, sts):
    assert sts.get_caller_identity()["Arn"] == "arn:aws:iam::000000000000:root"
    user = iam.create_user(UserName="who")["User"]
    own = sts_client(server, new_key(iam, "who")).get_caller_identity()
    assert (own["Arn"], own["UserId"], own["Account"]) == (user["Arn"], user["UserId"], "000000000000")
    refused(403, "MissingAuthenticationToken", sts_client(server, UNSIGNED).get_caller_identity)


def test_assume_role(server, s3, sts, role, bucket):
    answer = sts.assume_role(RoleArn=role, RoleSessionName="s1")
    assert answer["AssumedRoleUser"]["Arn"] == "arn:aws:sts::000000000000:assumed-role/robot/s1"
    own = client_of(server, answer["Credentials"])
    own.put_object(Bucket=bucket, Key="k", Body=b"x")
    credentials = answer["Credentials"]
    keys = (credentials["AccessKeyId"], credentials["SecretAccessKey"])
    who = sts_client(server, keys, credentials["SessionToken"]).get_caller_identity()
    assert who["Arn"] == answer["AssumedRoleUser"]["Arn"]
    left = credentials["Expiration"].timestamp() - time.time()
    assert 3500 < left <= 3600


def test_presigned_with_a_session(server, s3, sts, role, bucket):
    import urllib.request

    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    own = client_of(server, sts.assume_role(RoleArn=role, RoleSessionName="s1")["Credentials"])
    url = own.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "k"})
    assert urllib.request.urlopen(url).read() == b"x"


def test_session_policy_narrows(server, s3, sts, role, bucket):
    s3.put_object(Bucket=bucket, Key="in/k", Body=b"x")
    narrow = policy("s3:GetObject", f"arn:aws:s3:::{bucket}/in/*")
    own = client_of(server, sts.assume_role(RoleArn=role, RoleSessionName="s1", Policy=narrow)["Credentials"])
    own.get_object(Bucket=bucket, Key="in/k")
    refused(403, "AccessDenied", own.put_object, Bucket=bucket, Key="in/k", Body=b"y")
    refused(403, "AccessDenied", own.list_buckets)
    wide = policy("*")
    only_get = new_role(iam_client(server), "reader", trust({"AWS": "000000000000"}), "s3:GetObject")
    own = client_of(server, sts.assume_role(RoleArn=only_get, RoleSessionName="s1", Policy=wide)["Credentials"])
    own.get_object(Bucket=bucket, Key="in/k")
    refused(403, "AccessDenied", own.put_object, Bucket=bucket, Key="in/k", Body=b"y")


def test_who_may_assume(server, iam, sts, role):
    iam.create_user(UserName="plain")
    own = sts_client(server, new_key(iam, "plain"))
    refused(403, "AccessDenied", own.assume_role, RoleArn=role, RoleSessionName="s1")
    iam.put_user_policy(UserName="plain", PolicyName="p", PolicyDocument=policy("sts:AssumeRole", role))
    own.assume_role(RoleArn=role, RoleSessionName="s1")
    arn = iam.get_user(UserName="plain")["User"]["Arn"]
    named = new_role(iam, "named", trust({"AWS": arn}))
    iam.delete_user_policy(UserName="plain", PolicyName="p")
    own.assume_role(RoleArn=named, RoleSessionName="s1")
    other = new_role(iam, "others", trust({"AWS": "arn:aws:iam::000000000000:user/nobody"}))
    refused(403, "AccessDenied", own.assume_role, RoleArn=other, RoleSessionName="s1")
    refused(403, "AccessDenied", own.assume_role, RoleArn=role.replace("robot", "ghost"), RoleSessionName="s1")
    refused(403, "AccessDenied", sts_client(server, UNSIGNED).assume_role, RoleArn=role, RoleSessionName="s1")


@pytest.mark.parametrize("seconds", [3601, 43200])
def test_bad_durations(sts, role, seconds):
    refused(400, "ValidationError", sts.assume_role, RoleArn=role, RoleSessionName="s1", DurationSeconds=seconds)


def test_session_token(server, iam, sts, bucket, s3):
    iam.create_user(UserName="tok")
    iam.put_user_policy(UserName="tok", PolicyName="p", PolicyDocument=policy("s3:ListAllMyBuckets"))
    own = sts_client(server, new_key(iam, "tok"))
    credentials = own.get_session_token(DurationSeconds=900)["Credentials"]
    client_of(server, credentials).list_buckets()
    refused(403, "AccessDenied", client_of(server, credentials).list_objects_v2, Bucket=bucket)
    keys = (credentials["AccessKeyId"], credentials["SecretAccessKey"])
    again = sts_client(server, keys, credentials["SessionToken"])
    refused(403, "AccessDenied", again.get_session_token)
    # The root's own session may do what the root may.
    client_of(server, sts.get_session_token()["Credentials"]).list_objects_v2(Bucket=bucket)


def test_bad_tokens(server, sts, role):
    good = sts.assume_role(RoleArn=role, RoleSessionName="s1")["Credentials"]
    other = sts.assume_role(RoleArn=role, RoleSessionName="s2")["Credentials"]
    keys = (good["AccessKeyId"], good["SecretAccessKey"])
    text = good["SessionToken"]
    for bad in ("x", text[:-8], text[:40] + ("A" if text[40] != "A" else "B") + text[41:], other["SessionToken"]):
        refused(400, "InvalidToken", s3_client(server, keys, bad).list_buckets)
    refused(403, "InvalidAccessKeyId", s3_client(server, keys).list_buckets)
    refused(403, "SignatureDoesNotMatch", s3_client(server, (keys[0], "wrong"), text).list_buckets)
    refused(400, "InvalidToken", s3_client(server, server.keys, text).list_buckets)


def test_a_session_ends_with_its_role(server, iam, sts, bucket, s3):
    arn = new_role(iam, "brief", trust({"AWS": "000000000000"}))
    own = client_of(server, sts.assume_role(RoleArn=arn, RoleSessionName="s1")["Credentials"])
    own.list_buckets()
    iam.delete_role_policy(RoleName="brief", PolicyName="p")
    refused(403, "AccessDenied", own.list_buckets)
    iam.delete_role(RoleName="brief")
    refused(403, "AccessDenied", own.list_buckets)


def test_tokens_survive_a_restart(new_server):
    server = new_server("again").start()
    arn = new_role(iam_client(server), "r", trust({"AWS": "000000000000"}))
    credentials = sts_client(server).assume_role(RoleArn=arn, RoleSessionName="s1")["Credentials"]
    server.kill()
    server.start()
    client_of(server, credentials).list_buckets()
    server.stop()


# --- Web identities ---


@pytest.fixture(scope="module")
def web_role(iam):
    condition = {"StringEquals": {"id.example.org:sub": "ann", "id.example.org:aud": "tarn"}}
    provider = "arn:aws:iam::000000000000:oidc-provider/id.example.org"
    document = trust({"Federated": provider}, "sts:AssumeRoleWithWebIdentity", Condition=condition)
    return new_role(iam, "web", document)


def test_providers(server, iam):
    listed = [p["Arn"] for p in iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]]
    assert listed == ["arn:aws:iam::000000000000:oidc-provider/id.example.org"]
    refused(400, "InvalidAction", iam.create_open_id_connect_provider, Url="https://other.example.org")


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_web_identity(server, web_role, algorithm, bucket, s3):
    nobody = sts_client(server, UNSIGNED)
    answer = nobody.assume_role_with_web_identity(
        RoleArn=web_role, RoleSessionName="web", WebIdentityToken=token(algorithm)
    )
    assert answer["SubjectFromWebIdentityToken"] == "ann"
    client_of(server, answer["Credentials"]).put_object(Bucket=bucket, Key="k", Body=b"x")


@pytest.mark.parametrize(
    "name,text,status,code",
    [
        ("expired", lambda: token(exp=int(time.time()) - 100), 400, "ExpiredTokenException"),
        ("no exp", lambda: token(exp=None), 400, "InvalidIdentityToken"),
        ("not yet", lambda: token(nbf=int(time.time()) + 900), 400, "InvalidIdentityToken"),
        ("issuer", lambda: token(iss="https://evil.example.org"), 400, "InvalidIdentityToken"),
        ("audience", lambda: token(aud="other"), 400, "InvalidIdentityToken"),
        ("another key", lambda: token(key=rsa.generate_private_key(65537, 2048)), 400, "InvalidIdentityToken"),
        ("alg none", lambda: token("none"), 400, "InvalidIdentityToken"),
        ("HS256", lambda: token("HS256", kid="o"), 400, "InvalidIdentityToken"),
        ("wrong kid", lambda: token(kid="nope"), 400, "InvalidIdentityToken"),
        ("garbage", lambda: "a.b.c", 400, "InvalidIdentityToken"),
        ("two parts", lambda: token().rsplit(".", 1)[0], 400, "InvalidIdentityToken"),
        ("critical header", lambda: token(header={"crit": ["x"]}), 400, "InvalidIdentityToken"),
        ("another subject", lambda: token(sub="bob"), 403, "AccessDenied"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_web_identities(server, web_role, name, text, status, code):
    nobody = sts_client(server, UNSIGNED)
    refused(
        status,
        code,
        nobody.assume_role_with_web_identity,
        RoleArn=web_role,
        RoleSessionName="web",
        WebIdentityToken=text(),
    )


def test_a_role_for_users_is_not_for_web_identities(server, role):
    nobody = sts_client(server, UNSIGNED)
    refused(
        403,
        "AccessDenied",
        nobody.assume_role_with_web_identity,
        RoleArn=role,
        RoleSessionName="web",
        WebIdentityToken=token(),
    )
