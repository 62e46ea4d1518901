# SPDX-License-Identifier: Apache-2.0
"""Version 2 signatures of old clients, and version 4A."""

import base64
import datetime
import hashlib
import hmac
import time
import urllib.error
import urllib.parse
import urllib.request
from email.utils import formatdate

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from conftest import KEYS, refused
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec


def old_client(server, secret=KEYS[1], key=KEYS[0], style="path"):
    return boto3.client(
        "s3",
        endpoint_url=server.url,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        region_name="us-east-1",
        config=Config(signature_version="s3", s3={"addressing_style": style}, retries={"max_attempts": 1}),
    )


@pytest.fixture(scope="module")
def old(server):
    return old_client(server)


def test_objects(old, bucket):
    for key in ("k", "a b/c+d", "ä/€", "x=1&y", "a%2Fb"):
        old.put_object(Bucket=bucket, Key=key, Body=b"x" * 1000, ContentType="text/plain", Metadata={"a": "b  c"})
        answer = old.get_object(Bucket=bucket, Key=key)
        assert answer["Body"].read() == b"x" * 1000 and answer["ContentType"] == "text/plain"
    assert old.list_objects_v2(Bucket=bucket, Prefix="a", Delimiter="/")["KeyCount"] == 2
    old.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k"}]})
    assert old.get_bucket_location(Bucket=bucket)["LocationConstraint"] is None


def test_multipart(old, bucket):
    upload = old.create_multipart_upload(Bucket=bucket, Key="m")["UploadId"]
    part = old.upload_part(Bucket=bucket, Key="m", UploadId=upload, PartNumber=1, Body=b"x" * 100)
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    old.complete_multipart_upload(Bucket=bucket, Key="m", UploadId=upload, MultipartUpload=parts)
    assert old.head_object(Bucket=bucket, Key="m")["ContentLength"] == 100


def test_presigned(server, old, bucket):
    old.put_object(Bucket=bucket, Key="a b", Body=b"x")
    url = old.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "a b", "ResponseContentType": "a/b"})
    assert "AWSAccessKeyId=" in url
    with urllib.request.urlopen(url) as answer:
        assert answer.read() == b"x" and answer.headers["Content-Type"] == "a/b"
    for bad in (url.replace("Signature=", "Signature=x"), url.replace("a%20b", "other"), url + "&acl", url[:-2]):
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(bad)
        assert caught.value.code in (400, 403)
    put = old.generate_presigned_url("put_object", {"Bucket": bucket, "Key": "put"})
    request = urllib.request.Request(put, data=b"y", method="PUT", headers={"Content-Type": ""})
    request.remove_header("Content-type")
    ended = old.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "a b"}, ExpiresIn=-10)
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(ended)
    assert caught.value.code == 403 and b"Request has expired" in caught.value.read()


def test_refused(server, bucket):
    refused(403, "SignatureDoesNotMatch", old_client(server, secret="wrong-secret").list_buckets)
    refused(403, "InvalidAccessKeyId", old_client(server, key="NOSUCHKEY").list_buckets)


def raw(server, path, headers, method="GET"):
    request = urllib.request.Request(server.url + path, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def sign_v2(method, path, date, amz=""):
    text = f"{method}\n\n\n{date}\n{amz}{path}"
    digest = hmac.new(KEYS[1].encode(), text.encode(), hashlib.sha1).digest()
    return f"AWS {KEYS[0]}:{base64.b64encode(digest).decode()}"


def test_dates(server):
    now = formatdate(usegmt=True)
    assert raw(server, "/", {"Date": now, "Authorization": sign_v2("GET", "/", now)})[0] == 200
    amz = {"x-amz-date": now, "Authorization": sign_v2("GET", "/", "", f"x-amz-date:{now}\n")}
    assert raw(server, "/", amz)[0] == 200
    both = {"Date": now, "x-amz-date": "", "Authorization": sign_v2("GET", "/", "", "x-amz-date:\n")}
    status, body = raw(server, "/", both)
    assert status == 403 and "<Code>AccessDenied</Code>" in body
    for date, code in [
        ("Tue, 07 Jul 2015 21:53:04 GMT", "RequestTimeTooSkewed"),
        ("Bad Date", "AccessDenied"),
        ("", "AccessDenied"),
    ]:
        status, body = raw(server, "/", {"Date": date, "Authorization": sign_v2("GET", "/", date)})
        assert status == 403 and f"<Code>{code}</Code>" in body


@pytest.mark.parametrize("text", ["AWS HAHAHA", "AWS :x", "AWS a:", "AWS ", "AWS a:b:c", "AWS " + "x" * 300 + ":y"])
def test_malformed(server, text):
    status, body = raw(server, "/", {"Date": formatdate(usegmt=True), "Authorization": text})
    assert status in (400, 403), body


@pytest.mark.parametrize(
    "text,status,code",
    [
        (None, 403, "AccessDenied"),
        ("", 403, "AccessDenied"),
        ("AWS HAHAHA", 400, "InvalidArgument"),
        ("AWS NOSUCHKEY:FWeDfwojDSdS2Ztmpfeubhd9isU=", 403, "InvalidAccessKeyId"),
    ],
)
def test_nothing_is_made_without_a_signature(server, s3, bucket, text, status, code):
    headers = {"Date": formatdate(usegmt=True), **({} if text is None else {"Authorization": text})}
    for path in (f"/{bucket}-new", f"/{bucket}/k"):
        seen, body = raw(server, path, headers, "PUT")
        assert seen == status and f"<Code>{code}</Code>" in body
    refused(404, "404", s3.head_bucket, Bucket=f"{bucket}-new")
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_an_empty_authorization_is_nobodys(server):
    status, body = raw(server, "/", {"Authorization": ""})
    assert status == 403 and "<Code>AccessDenied</Code>" in body


# --- Version 4A ---

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def derive(key, secret):
    for counter in range(1, 255):
        data = b"\0\0\0\1" + b"AWS4-ECDSA-P256-SHA256\0" + key.encode() + bytes([counter]) + b"\0\0\1\0"
        number = int.from_bytes(hmac.new(b"AWS4A" + secret.encode(), data, hashlib.sha256).digest(), "big")
        if number <= ORDER - 2:
            return ec.derive_private_key(number + 1, ec.SECP256R1())
    raise AssertionError


def sign_v4a(server, path, regions="us-east-1,eu-*", secret=KEYS[1]):
    now = datetime.datetime.fromtimestamp(time.time(), datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    empty = hashlib.sha256(b"").hexdigest()
    headers = {
        "host": server.netloc,
        "x-amz-content-sha256": empty,
        "x-amz-date": now,
        "x-amz-region-set": regions,
    }
    names = ";".join(headers)
    canonical = f"GET\n{path}\n\n" + "".join(f"{k}:{v}\n" for k, v in headers.items()) + f"\n{names}\n{empty}"
    scope = f"{now[:8]}/s3/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"AWS4-ECDSA-P256-SHA256\n{now}\n{scope}\n{digest}"
    signature = derive(KEYS[0], secret).sign(text.encode(), ec.ECDSA(hashes.SHA256())).hex()
    headers["authorization"] = (
        f"AWS4-ECDSA-P256-SHA256 Credential={KEYS[0]}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    del headers["host"]
    return headers


def test_v4a(server, bucket):
    assert raw(server, f"/{bucket}", sign_v4a(server, f"/{bucket}"))[0] == 200
    status, body = raw(server, f"/{bucket}", sign_v4a(server, f"/{bucket}", secret="wrong-secret"))
    assert status == 403 and "SignatureDoesNotMatch" in body
    status, body = raw(server, f"/{bucket}", sign_v4a(server, "/other"))
    assert status == 403 and "SignatureDoesNotMatch" in body
    bad = sign_v4a(server, f"/{bucket}")
    bad["authorization"] = bad["authorization"][:-2] + "00"
    assert raw(server, f"/{bucket}", bad)[0] == 403
    bad["authorization"] = bad["authorization"][:-1]
    assert raw(server, f"/{bucket}", bad)[0] == 400
    missing = sign_v4a(server, f"/{bucket}")
    del missing["x-amz-region-set"]
    assert raw(server, f"/{bucket}", missing)[0] == 400


def test_both_at_once(server, old, bucket):
    old.put_object(Bucket=bucket, Key="k", Body=b"x")
    url = old.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "k"})
    path = url.removeprefix(server.url)
    now = formatdate(usegmt=True)
    assert raw(server, path, {"Date": now, "Authorization": sign_v2("GET", "/", now)})[0] == 400
    with pytest.raises(ClientError):
        old.get_object(Bucket=bucket, Key="missing")
