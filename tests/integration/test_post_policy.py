# SPDX-License-Identifier: Apache-2.0
"""Uploads by form: fields, policies, signatures of versions 2 and 4, what is answered, hostile bodies."""

import base64
import datetime
import hashlib
import hmac
import json
import socket
import urllib.error
import urllib.request
import xml.etree.ElementTree as ET

import pytest
from conftest import KEYS, body_of, is_healthy, refused

BOUNDARY = "----tarn-boundary"


def form(fields, body=b"hello", filename="f.txt", boundary=BOUNDARY, after=()):
    parts = []
    for name, value in fields:
        value = value if isinstance(value, bytes) else value.encode()
        parts.append(f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + value)
    if body is not None:
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{filename}"\r\n'
        parts.append(head.encode() + b"Content-Type: text/x-part\r\n\r\n" + body)
    for name, value in after:
        parts.append(f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}'.encode())
    return b"\r\n".join(parts) + f"\r\n--{boundary}--\r\n".encode()


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args, **kwargs):
        return None


OPENER = urllib.request.build_opener(NoRedirect)


def post(server, bucket, data, content_type=f"multipart/form-data; boundary={BOUNDARY}", headers=None):
    request = urllib.request.Request(
        f"{server.url}/{bucket}", data=data, headers={"Content-Type": content_type, **(headers or {})}
    )
    try:
        with OPENER.open(request, timeout=60) as answer:
            return answer.status, answer.read(), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read(), error.headers


def expires(seconds=600):
    when = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def document(bucket, *conditions, expiration=None, raw=None):
    value = raw or {
        "expiration": expiration or expires(),
        "conditions": [{"bucket": bucket}, ["starts-with", "$key", ""], *conditions],
    }
    return base64.b64encode(json.dumps(value).encode()).decode()


def signed_v2(policy, secret=KEYS[1], key=KEYS[0]):
    digest = hmac.new(secret.encode(), policy.encode(), hashlib.sha1).digest()
    return [("AWSAccessKeyId", key), ("policy", policy), ("signature", base64.b64encode(digest).decode())]


def upload(server, bucket, fields, *conditions, body=b"hello", key="k", **more):
    policy = document(bucket, *conditions, **more)
    return post(server, bucket, form([("key", key), *signed_v2(policy), *fields], body))


def code_of(answer):
    return answer[0], ET.fromstring(answer[1]).findtext("Code")


def test_presigned_by_boto(server, s3, bucket):
    made = s3.generate_presigned_post(
        bucket,
        "up/${filename}",
        Fields={"acl": "private", "Content-Type": "text/plain", "x-amz-meta-a": "b"},
        Conditions=[{"acl": "private"}, {"Content-Type": "text/plain"}, {"x-amz-meta-a": "b"}],
    )
    assert "x-amz-signature" in made["fields"]
    status, _, headers = post(server, bucket, form(made["fields"].items(), body_of(100000), "a/b.txt"))
    assert status == 204 and headers["ETag"]
    answer = s3.get_object(Bucket=bucket, Key="up/b.txt")
    assert answer["Body"].read() == body_of(100000)
    assert (answer["ContentType"], answer["Metadata"]) == ("text/plain", {"a": "b"})
    bad = dict(made["fields"], **{"x-amz-signature": "0" * 64})
    assert code_of(post(server, bucket, form(bad.items()))) == (403, "SignatureDoesNotMatch")


def test_version_2(server, s3, bucket):
    assert upload(server, bucket, [])[0] == 204
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"hello"
    policy = document(bucket)
    wrong = form([("key", "k"), *signed_v2(policy, secret="wrong-secret")])
    assert code_of(post(server, bucket, wrong)) == (403, "SignatureDoesNotMatch")
    unknown = form([("key", "k"), *signed_v2(policy, key="NOSUCHKEY")])
    assert code_of(post(server, bucket, unknown)) == (403, "InvalidAccessKeyId")
    unsigned = form([("key", "k"), *signed_v2(policy)[:2]])
    assert post(server, bucket, unsigned)[0] == 400


def test_anonymous(server, s3, bucket):
    assert code_of(post(server, bucket, form([("key", "k")]))) == (403, "AccessDenied")
    statement = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{bucket}/open/*",
    }
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Statement": [statement]}))
    assert post(server, bucket, form([("key", "open/k")]))[0] == 204
    assert code_of(post(server, bucket, form([("key", "shut/k")]))) == (403, "AccessDenied")
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["open/k"]


def test_answers(server, bucket):
    assert upload(server, bucket, [("success_action_status", "200")], {"success_action_status": "200"})[0] == 200
    status, body, _ = upload(server, bucket, [("success_action_status", "201")], {"success_action_status": "201"})
    tree = ET.fromstring(body)
    assert status == 201 and tree.tag == "PostResponse"
    assert (tree.findtext("Bucket"), tree.findtext("Key")) == (bucket, "k")
    assert upload(server, bucket, [("success_action_status", "404")], {"success_action_status": "404"})[:2] == (204, b"")
    target = "http://localhost:1/done?x=1"
    condition = ["eq", "$success_action_redirect", target]
    status, _, headers = upload(server, bucket, [("success_action_redirect", target)], condition)
    assert status == 303 and headers["Location"].startswith(f"{target}&bucket={bucket}&key=k&etag=%22")


def test_conditions(server, s3, bucket):
    fine = [("Content-Type", "image/png"), ("x-amz-meta-foo", "bar")]
    conditions = (["starts-with", "$Content-Type", "image/"], {"x-amz-meta-foo": "bar"})
    assert upload(server, bucket, fine, *conditions)[0] == 204
    assert s3.head_object(Bucket=bucket, Key="k")["ContentType"] == "image/png"
    denied = (403, "AccessDenied")
    assert code_of(upload(server, bucket, [("Content-Type", "text/plain"), fine[1]], *conditions)) == denied
    assert code_of(upload(server, bucket, fine[:1], *conditions)) == denied
    assert code_of(upload(server, bucket, fine, conditions[0])) == denied  # not covered
    assert upload(server, bucket, [("x-ignore-foo", "bar")])[0] == 204
    assert code_of(upload(server, "other-bucket-1", [], raw=None)) == (404, "NoSuchBucket")
    policy = document("other")
    assert code_of(post(server, bucket, form([("key", "k"), *signed_v2(policy)]))) == denied
    assert code_of(upload(server, bucket, [], expiration="2014-01-01T00:00:00Z")) == denied


@pytest.mark.parametrize(
    "raw",
    [
        {"conditions": []},
        {"expiration": "2099-01-01T00:00:00Z"},
        {"Expiration": "2099-01-01T00:00:00Z", "conditions": []},
        {"expiration": "soon", "conditions": []},
        {"expiration": "2099-01-01T00:00:00Z", "conditions": [{}]},
        {"expiration": "2099-01-01T00:00:00Z", "conditions": [["content-length-range", 0]]},
        {"expiration": "2099-01-01T00:00:00Z", "conditions": [["content-length-range", -1, 0]]},
        {"expiration": "2099-01-01T00:00:00Z", "conditions": [["ends-with", "$key", "x"]]},
        {"expiration": "2099-01-01T00:00:00Z", "conditions": [["eq", "key", "x"]]},
        {"expiration": "2099-01-01T00:00:00Z", "conditions": ["x"]},
        [],
    ],
)
def test_malformed_policies(server, s3, bucket, raw):
    policy = base64.b64encode(json.dumps(raw).encode()).decode()
    assert post(server, bucket, form([("key", "k"), *signed_v2(policy)]))[0] == 400
    refused(404, "404", s3.head_object, Bucket=bucket, Key="k")


def test_sizes(server, s3, bucket):
    limit = ["content-length-range", 10, 1000]
    assert upload(server, bucket, [], limit, body=b"x" * 1000)[0] == 204
    assert code_of(upload(server, bucket, [], limit, body=b"x" * 1001, key="b")) == (400, "EntityTooLarge")
    assert code_of(upload(server, bucket, [], limit, body=b"x" * 9, key="b")) == (400, "EntityTooSmall")
    assert upload(server, bucket, [], body=body_of(3_000_000), key="large")[0] == 204
    assert s3.get_object(Bucket=bucket, Key="large")["Body"].read() == body_of(3_000_000)
    refused(404, "404", s3.head_object, Bucket=bucket, Key="b")


@pytest.mark.parametrize("end", [b"", b"\r", b"\r\n", b"\r\n--", b"\r\n------tarn-boundar", b"\r\n\r\n--"])
def test_bodies_that_look_like_boundaries(server, s3, bucket, end):
    for body in (end, b"x" + end, end + b"x", end * 50):
        assert upload(server, bucket, [], body=body)[0] == 204
        assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == body


def test_tagging_and_checksum(server, s3, bucket):
    tags = "<Tagging><TagSet><Tag><Key>a</Key><Value>b c</Value></Tag></TagSet></Tagging>"
    assert upload(server, bucket, [("tagging", tags)], ["starts-with", "$tagging", ""])[0] == 204
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == [{"Key": "a", "Value": "b c"}]
    digest = base64.b64encode(hashlib.sha256(b"hello").digest()).decode()
    any_digest = ["starts-with", "$x-amz-checksum-sha256", ""]
    assert upload(server, bucket, [("x-amz-checksum-sha256", digest)], any_digest)[0] == 204
    other = base64.b64encode(hashlib.sha256(b"other").digest()).decode()
    assert upload(server, bucket, [("x-amz-checksum-sha256", other)], any_digest)[0] == 400


def test_fields_behind_the_file_mean_nothing(server, s3, bucket):
    policy = document(bucket)
    data = form([("key", "k"), *signed_v2(policy)], after=[("acl", "public-read"), ("key", "other")])
    assert post(server, bucket, data)[0] == 204
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["k"]


@pytest.mark.parametrize(
    "data,status",
    [
        (b"", 400),
        (b"nonsense", 400),
        (f"--{BOUNDARY}--\r\n".encode(), 400),
        (form([("key", "k")], body=None), 400),
        (form([], b"x"), 400),
        (form([("key", "")], b"x"), 400),
        (form([("key", "k")])[:-10], 403),
        (form([("key", "k")] * 400), 400),
        (form([("key", "k" * 300_000)]), 400),
        (f"--{BOUNDARY}\r\nX: {'y' * 20000}\r\n\r\n".encode(), 400),
        (f"--{BOUNDARY}\r\nContent-Disposition: form-data\r\n\r\nx\r\n--{BOUNDARY}--".encode(), 400),
        (f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="key\r\n\r\nx\r\n--{BOUNDARY}--'.encode(), 400),
    ],
)
def test_malformed_forms(server, s3, bucket, data, status):
    assert post(server, bucket, data)[0] == status
    assert is_healthy(server)
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


@pytest.mark.parametrize("kind", ["text/plain", "multipart/form-data", "multipart/form-data; boundary=", ""])
def test_not_a_form(server, bucket, kind):
    assert post(server, bucket, form([("key", "k")]), content_type=kind)[0] == 412


def test_byte_by_byte(server, s3, bucket):
    data = form([("key", "slow"), *signed_v2(document(bucket))], b"a\r\n--b\r\n" * 20)
    head = (
        f"POST /{bucket} HTTP/1.1\r\nHost: {server.netloc}\r\nContent-Length: {len(data)}\r\n"
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\nConnection: close\r\n\r\n"
    )
    with socket.create_connection((server.host, server.port), 30) as peer:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer.sendall(head.encode())
        for i in range(len(data)):
            peer.sendall(data[i : i + 1])
        assert peer.recv(100).startswith(b"HTTP/1.1 204")
    assert s3.get_object(Bucket=bucket, Key="slow")["Body"].read() == b"a\r\n--b\r\n" * 20
