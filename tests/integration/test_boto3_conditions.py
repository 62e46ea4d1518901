# SPDX-License-Identifier: Apache-2.0
"""Preconditions, checksums, presigned URLs and copies through boto3."""

import base64
import datetime
import hashlib
import time
import urllib.error
import urllib.request

import pytest
from botocore.exceptions import ClientError

from checksums import ALGORITHMS, checksum
from conftest import MIB, body_of, refused
import raw

LONG_AGO = datetime.datetime(2001, 1, 1, tzinfo=datetime.timezone.utc)
AHEAD = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=1)
OTHER = '"00000000000000000000000000000000"'
BODY = b"the body"
ETAG = f'"{hashlib.md5(BODY).hexdigest()}"'

READS = [
    # conditions, status (RFC 9110 section 13.2.2 for the combinations)
    ({"IfMatch": ETAG}, 200),
    ({"IfMatch": ETAG.strip('"')}, 200),
    ({"IfMatch": "*"}, 200),
    ({"IfMatch": f"{OTHER}, {ETAG}"}, 200),
    ({"IfMatch": OTHER}, 412),
    ({"IfNoneMatch": ETAG}, 304),
    ({"IfNoneMatch": "*"}, 304),
    ({"IfNoneMatch": OTHER}, 200),
    ({"IfModifiedSince": LONG_AGO}, 200),
    ({"IfModifiedSince": AHEAD}, 304),
    ({"IfUnmodifiedSince": LONG_AGO}, 412),
    ({"IfUnmodifiedSince": AHEAD}, 200),
    ({"IfMatch": ETAG, "IfUnmodifiedSince": LONG_AGO}, 200),
    ({"IfNoneMatch": ETAG, "IfModifiedSince": LONG_AGO}, 304),
    ({"IfNoneMatch": OTHER, "IfModifiedSince": AHEAD}, 200),
    ({"IfMatch": OTHER, "IfNoneMatch": ETAG}, 412),
]


def status_of(call, **kwargs):
    try:
        return call(**kwargs)["ResponseMetadata"]["HTTPStatusCode"]
    except ClientError as error:
        return error.response["ResponseMetadata"]["HTTPStatusCode"]


@pytest.mark.parametrize("conditions,status", READS)
def test_conditional_read(s3, bucket, conditions, status):
    s3.put_object(Bucket=bucket, Key="c", Body=BODY)
    assert status_of(s3.get_object, Bucket=bucket, Key="c", **conditions) == status
    assert status_of(s3.head_object, Bucket=bucket, Key="c", **conditions) == status


def test_modified_since_its_own_date(s3, bucket):
    s3.put_object(Bucket=bucket, Key="c", Body=BODY)
    time.sleep(1.1)
    modified = s3.head_object(Bucket=bucket, Key="c")["LastModified"]
    assert status_of(s3.get_object, Bucket=bucket, Key="c", IfModifiedSince=modified) == 304
    assert status_of(s3.get_object, Bucket=bucket, Key="c", IfUnmodifiedSince=modified) == 200


def test_conditional_put(s3, bucket):
    target = {"Bucket": bucket, "Key": "p"}
    refused(404, "NoSuchKey", s3.put_object, **target, IfMatch=ETAG)
    s3.put_object(**target, Body=BODY, IfNoneMatch="*")
    refused(412, "PreconditionFailed", s3.put_object, **target, Body=b"2", IfNoneMatch="*")
    refused(412, "PreconditionFailed", s3.put_object, **target, Body=b"2", IfMatch=OTHER)
    assert s3.get_object(**target)["Body"].read() == BODY
    s3.put_object(**target, Body=b"3", IfMatch=ETAG)
    refused(412, "PreconditionFailed", s3.put_object, **target, Body=b"4", IfMatch=ETAG)
    assert s3.get_object(**target)["Body"].read() == b"3"
    s3.delete_object(**target)
    s3.put_object(**target, Body=b"5", IfNoneMatch="*")


def test_conditional_put_of_a_large_body(s3, bucket):
    target = {"Bucket": bucket, "Key": "p"}
    body = body_of(3 * MIB)
    s3.put_object(**target, Body=body, IfNoneMatch="*")
    refused(412, "PreconditionFailed", s3.put_object, **target, Body=body_of(3 * MIB, 2), IfNoneMatch="*")
    assert s3.get_object(**target)["Body"].read() == body


def test_none_match_of_an_etag(s3, bucket):
    target = {"Bucket": bucket, "Key": "p"}
    s3.put_object(**target, Body=BODY, IfNoneMatch=ETAG)
    refused(412, "PreconditionFailed", s3.put_object, **target, Body=b"2", IfNoneMatch=ETAG)
    refused(412, "PreconditionFailed", s3.put_object, **target, Body=b"2", IfNoneMatch=f"{OTHER}, {ETAG}")
    refused(412, "PreconditionFailed", s3.put_object, **target, Body=b"2", IfNoneMatch=ETAG.strip('"'))
    refused(501, "NotImplemented", s3.put_object, **target, Body=b"2", IfNoneMatch='"half')
    assert s3.get_object(**target)["Body"].read() == BODY
    s3.put_object(**target, Body=b"2", IfNoneMatch=OTHER)
    s3.put_object(**target, Body=b"3", IfNoneMatch=ETAG)
    assert s3.get_object(**target)["Body"].read() == b"3"


# --- checksums ---

def test_checksum_functions_of_this_test():
    assert checksum("CRC32C", b"123456789") == base64.b64encode(bytes.fromhex("e3069283")).decode()
    assert checksum("CRC64NVME", b"123456789") == base64.b64encode(bytes.fromhex("ae8b14860a799888")).decode()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("size", [0, 1, 100000])
def test_checksum_in_a_header(s3, bucket, algorithm, size):
    body = body_of(size)
    field, value = f"Checksum{algorithm}", checksum(algorithm, body)
    put = s3.put_object(Bucket=bucket, Key="c", Body=body, **{field: value})
    assert put[field] == value
    got = s3.get_object(Bucket=bucket, Key="c", ChecksumMode="ENABLED")
    assert (got[field], got["Body"].read() == body) == (value, True)
    assert s3.head_object(Bucket=bucket, Key="c", ChecksumMode="ENABLED")[field] == value
    assert field not in s3.head_object(Bucket=bucket, Key="c")
    wrong = checksum(algorithm, body + b"!")
    refused(400, "BadDigest", s3.put_object, Bucket=bucket, Key="c", Body=body + b"?", **{field: wrong})
    refused(400, "InvalidRequest", s3.put_object, Bucket=bucket, Key="c", Body=body, **{field: "AAA="})
    assert s3.get_object(Bucket=bucket, Key="c")["Body"].read() == body


def trailer_request(bucket, algorithm, body, value):
    name = f"x-amz-checksum-{algorithm.lower()}"
    coded = b"".join(
        b"%x\r\n%s\r\n" % (len(piece), piece)
        for piece in (body[i : i + 30000] for i in range(0, len(body), 30000))
    )
    coded += b"0\r\n" + f"{name}:{value}\r\n\r\n".encode()
    headers = {
        "Content-Encoding": "aws-chunked",
        "x-amz-decoded-content-length": len(body),
        "x-amz-trailer": name,
        "x-amz-sdk-checksum-algorithm": algorithm,
    }
    return f"/{bucket}/t", coded, headers, "STREAMING-UNSIGNED-PAYLOAD-TRAILER"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("size", [0, 1, 100000, 2 * MIB])
def test_checksum_in_a_trailer(server, s3, bucket, algorithm, size):
    body = body_of(size) if size < MIB else b"tarn" * (size // 4)
    value = checksum(algorithm, body)
    with raw.Connection(server) as conn:
        reply = conn.request("PUT", *trailer_request(bucket, algorithm, body, value))
        assert (reply.status, reply.headers[f"x-amz-checksum-{algorithm.lower()}"]) == (200, value)
    got = s3.get_object(Bucket=bucket, Key="t", ChecksumMode="ENABLED")
    assert got[f"Checksum{algorithm}"] == value and got["Body"].read() == body
    assert "ContentEncoding" not in got
    with raw.Connection(server) as conn:
        reply = conn.request("PUT", *trailer_request(bucket, algorithm, body + b"x", value))
        assert (reply.status, reply.code) == (400, "BadDigest")
    assert s3.get_object(Bucket=bucket, Key="t")["Body"].read() == body


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA1", "SHA256", "SHA512"])
def test_checksum_that_boto3_computes(s3, bucket, algorithm):
    body = body_of(70000)
    put = s3.put_object(Bucket=bucket, Key="b", Body=body, ChecksumAlgorithm=algorithm)
    assert put[f"Checksum{algorithm}"] == checksum(algorithm, body)
    assert s3.get_object(Bucket=bucket, Key="b", ChecksumMode="ENABLED")["Body"].read() == body


def test_two_checksums_are_refused(s3, bucket):
    refused(400, "InvalidRequest", s3.put_object, Bucket=bucket, Key="b", Body=b"x",
            ChecksumCRC32=checksum("CRC32", b"x"), ChecksumSHA1=checksum("SHA1", b"x"))


def test_content_md5(s3, bucket):
    good = base64.b64encode(hashlib.md5(b"x").digest()).decode()
    s3.put_object(Bucket=bucket, Key="m", Body=b"x", ContentMD5=good)
    refused(400, "BadDigest", s3.put_object, Bucket=bucket, Key="m", Body=b"y", ContentMD5=good)
    for text in ("AAAA", "not base64", good[:-2], good + "AAAA"):
        refused(400, "InvalidDigest", s3.put_object, Bucket=bucket, Key="m", Body=b"y", ContentMD5=text)
    assert s3.get_object(Bucket=bucket, Key="m")["Body"].read() == b"x"


def test_payload_digest_is_checked(server, s3, bucket):
    with raw.Connection(server) as conn:
        digest = hashlib.sha256(b"signed").hexdigest()
        assert conn.request("PUT", f"/{bucket}/d", b"signed", payload=digest).status == 200
        reply = conn.request("PUT", f"/{bucket}/d", b"forged", payload=digest)
        assert (reply.status, reply.code) == (400, "XAmzContentSHA256Mismatch")
        for text in ("", "zz", "STREAMING-WHATEVER"):
            reply = conn.request("PUT", f"/{bucket}/d", b"forged", payload=text)
            assert reply.status in (400, 403, 501), text
    assert s3.get_object(Bucket=bucket, Key="d")["Body"].read() == b"signed"


# --- presigned URLs ---


def fetch(url, method="GET", body=None, headers=None):
    request = urllib.request.Request(url, data=body, method=method, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            return reply.status, reply.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


@pytest.mark.parametrize("key", ["plain", "a b+c%20/ü?#&", "k" * 900])
def test_presigned(s3, bucket, key):
    target = {"Bucket": bucket, "Key": key}
    url = s3.generate_presigned_url("put_object", Params=target, ExpiresIn=60)
    assert fetch(url, "PUT", b"presigned", {"Content-Type": "text/odd"})[0] == 200
    url = s3.generate_presigned_url("get_object", Params=target, ExpiresIn=60)
    assert fetch(url) == (200, b"presigned")
    assert fetch(url, "PUT", b"other")[0] == 403
    assert fetch(url.replace("X-Amz-Expires=60", "X-Amz-Expires=61"))[0] == 403
    assert fetch(url[:-1] + ("0" if url[-1] != "0" else "1"))[0] == 403
    url = s3.generate_presigned_url("head_object", Params=target, ExpiresIn=60)
    assert fetch(url, "HEAD")[0] == 200
    url = s3.generate_presigned_url("delete_object", Params=target, ExpiresIn=60)
    assert fetch(url, "DELETE")[0] == 204
    refused(404, "NoSuchKey", s3.get_object, **target)


def test_presigned_expires(s3, bucket):
    s3.put_object(Bucket=bucket, Key="e", Body=b"x")
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "e"}, ExpiresIn=600)
    assert fetch(url)[0] == 200
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "e"}, ExpiresIn=1)
    time.sleep(2.5)
    status, body = fetch(url)
    assert status == 403 and b"<Code>AccessDenied</Code>" in body
    for seconds, expected in ((0, (403, b"AccessDenied")), (-1, (400, b"AuthorizationQueryParametersError")),
                              (604801, (400, b"AuthorizationQueryParametersError"))):
        url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "e"}, ExpiresIn=seconds)
        status, body = fetch(url)
        assert status == expected[0] and b"<Code>%s</Code>" % expected[1] in body


def test_presigned_overrides(s3, bucket):
    s3.put_object(Bucket=bucket, Key="e", Body=b"x")
    params = {"Bucket": bucket, "Key": "e", "ResponseContentType": "text/odd"}
    url = s3.generate_presigned_url("get_object", Params=params)
    with urllib.request.urlopen(url, timeout=30) as reply:
        assert reply.headers["Content-Type"] == "text/odd"


# --- copies ---


def copied(s3, bucket, key="to", source="from", **more):
    return s3.copy_object(Bucket=bucket, Key=key, CopySource={"Bucket": bucket, "Key": source}, **more)


@pytest.mark.parametrize("size", [0, 1000, 3 * MIB])
def test_copy(s3, bucket, size):
    body = body_of(size)
    s3.put_object(Bucket=bucket, Key="from", Body=body, Metadata={"m": "1"}, ContentType="text/odd")
    reply = copied(s3, bucket)
    assert reply["CopyObjectResult"]["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
    got = s3.get_object(Bucket=bucket, Key="to")
    assert (got["Body"].read() == body, got["Metadata"], got["ContentType"]) == (True, {"m": "1"}, "text/odd")
    copied(s3, bucket, MetadataDirective="REPLACE", Metadata={"n": "2"}, ContentType="text/new")
    head = s3.head_object(Bucket=bucket, Key="to")
    assert (head["Metadata"], head["ContentType"]) == ({"n": "2"}, "text/new")
    s3.delete_object(Bucket=bucket, Key="from")
    assert s3.get_object(Bucket=bucket, Key="to")["Body"].read() == body


@pytest.mark.parametrize("key", ["a b+c", "100%", "ü/日本", "what?x=y", "a#b", "//x", "k" * 1024])
def test_copy_of_odd_keys(s3, bucket, key):
    s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    copied(s3, bucket, "to", key)
    assert s3.get_object(Bucket=bucket, Key="to")["Body"].read() == key.encode()
    s3.delete_object(Bucket=bucket, Key=key)
    copied(s3, bucket, key, "to")
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == key.encode()


def test_copy_to_itself(s3, bucket):
    s3.put_object(Bucket=bucket, Key="from", Body=BODY)
    refused(400, "InvalidRequest", copied, s3, bucket, "from")
    copied(s3, bucket, "from", MetadataDirective="REPLACE", Metadata={"new": "1"})
    got = s3.get_object(Bucket=bucket, Key="from")
    assert (got["Body"].read(), got["Metadata"]) == (BODY, {"new": "1"})


def test_copy_conditions(s3, bucket):
    s3.put_object(Bucket=bucket, Key="from", Body=BODY)
    refused(412, "PreconditionFailed", copied, s3, bucket, CopySourceIfMatch=OTHER)
    refused(412, "PreconditionFailed", copied, s3, bucket, CopySourceIfNoneMatch=ETAG)
    refused(412, "PreconditionFailed", copied, s3, bucket, CopySourceIfUnmodifiedSince=LONG_AGO)
    refused(404, "NoSuchKey", s3.get_object, Bucket=bucket, Key="to")
    copied(s3, bucket, CopySourceIfMatch=ETAG, CopySourceIfUnmodifiedSince=LONG_AGO)
    copied(s3, bucket, CopySourceIfModifiedSince=LONG_AGO, CopySourceIfNoneMatch=OTHER)
    refused(412, "PreconditionFailed", copied, s3, bucket, IfNoneMatch="*")
    refused(412, "PreconditionFailed", copied, s3, bucket, IfMatch=OTHER)
    copied(s3, bucket, IfMatch=ETAG)
    copied(s3, bucket, "third", IfNoneMatch="*")


def test_copy_errors(server, s3, bucket):
    s3.put_object(Bucket=bucket, Key="from", Body=BODY)
    refused(404, "NoSuchKey", copied, s3, bucket, source="none")
    refused(404, "NoSuchBucket", s3.copy_object, Bucket=bucket, Key="to", CopySource="no-such-bucket/k")
    refused(404, "NoSuchBucket", s3.copy_object, Bucket="no-such-bucket", Key="to", CopySource=f"{bucket}/from")
    for source in ("", "nokey", "/", f"/{bucket}", f"{bucket}/%zz", f"{bucket}/from?what=1"):
        with raw.Connection(server) as conn:
            reply = conn.request("PUT", f"/{bucket}/to", b"", {"x-amz-copy-source": source})
        assert reply.status == 400, (source, reply)
    with raw.Connection(server) as conn:
        headers = {"x-amz-copy-source": f"{bucket}/from", "x-amz-metadata-directive": "MAYBE"}
        reply = conn.request("PUT", f"/{bucket}/to", b"", headers)
    assert (reply.status, reply.code) == (400, "InvalidArgument")
    refused(404, "NoSuchKey", s3.get_object, Bucket=bucket, Key="to")


def test_copy_keeps_the_checksum(s3, bucket):
    s3.put_object(Bucket=bucket, Key="from", Body=BODY, ChecksumSHA256=checksum("SHA256", BODY))
    reply = copied(s3, bucket)
    assert reply["CopyObjectResult"]["ChecksumSHA256"] == checksum("SHA256", BODY)
    head = s3.head_object(Bucket=bucket, Key="to", ChecksumMode="ENABLED")
    assert head["ChecksumSHA256"] == checksum("SHA256", BODY)
