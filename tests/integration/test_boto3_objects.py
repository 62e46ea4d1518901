# SPDX-License-Identifier: Apache-2.0
"""Buckets and objects through boto3: what each operation answers, and each of its errors."""

import datetime
import hashlib
import io

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from conftest import MIB, body_of, refused
from oddkeys import odd_keys
import raw

BAD_BUCKET_NAMES = ["ab", "a" * 64, "Upper-Case", "under_score", "-start", "end-", "two..dots", "192.168.1.1"]


def head_status(call, **kwargs):
    with pytest.raises(ClientError) as caught:
        call(**kwargs)
    return caught.value.response["ResponseMetadata"]["HTTPStatusCode"]


def test_bucket_life(s3):
    s3.create_bucket(Bucket="life-of-a-bucket")
    s3.head_bucket(Bucket="life-of-a-bucket")
    assert s3.get_bucket_location(Bucket="life-of-a-bucket")["LocationConstraint"] in (None, "us-east-1")
    listed = {b["Name"]: b["CreationDate"] for b in s3.list_buckets()["Buckets"]}
    age = datetime.datetime.now(datetime.timezone.utc) - listed["life-of-a-bucket"]
    assert abs(age.total_seconds()) < 600
    s3.put_object(Bucket="life-of-a-bucket", Key="k")
    refused(409, "BucketNotEmpty", s3.delete_bucket, Bucket="life-of-a-bucket")
    s3.delete_object(Bucket="life-of-a-bucket", Key="k")
    reply = s3.delete_bucket(Bucket="life-of-a-bucket")
    assert reply["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert head_status(s3.head_bucket, Bucket="life-of-a-bucket") == 404
    assert "life-of-a-bucket" not in {b["Name"] for b in s3.list_buckets()["Buckets"]}


def test_bucket_made_twice_changes_nothing(s3, bucket):
    s3.put_object(Bucket=bucket, Key="kept", Body=b"1")
    try:
        s3.create_bucket(Bucket=bucket)  # S3 in us-east-1 says 200, elsewhere 409
    except ClientError as error:
        assert error.response["Error"]["Code"] == "BucketAlreadyOwnedByYou"
    assert s3.get_object(Bucket=bucket, Key="kept")["Body"].read() == b"1"


@pytest.mark.parametrize("name", BAD_BUCKET_NAMES)
def test_bad_bucket_name(server, name):
    with raw.Connection(server) as conn:
        reply = conn.request("PUT", f"/{name}")
    assert (reply.status, reply.code) == (400, "InvalidBucketName")


def test_what_is_not_there(s3, bucket):
    assert refused(404, "NoSuchKey", s3.get_object, Bucket=bucket, Key="none")["Error"]["Key"] == "none"
    assert head_status(s3.head_object, Bucket=bucket, Key="none") == 404
    for call, more in [
        (s3.get_object, {"Key": "k"}),
        (s3.put_object, {"Key": "k"}),
        (s3.delete_object, {"Key": "k"}),
        (s3.list_objects, {}),
        (s3.list_objects_v2, {}),
        (s3.delete_bucket, {}),
        (s3.get_bucket_location, {}),
        (s3.list_multipart_uploads, {}),
        (s3.create_multipart_upload, {"Key": "k"}),
        (s3.delete_objects, {"Delete": {"Objects": [{"Key": "k"}]}}),
    ]:
        refused(404, "NoSuchBucket", call, Bucket="no-such-bucket", **more)


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 65535, 65537, MIB - 1, MIB, MIB + 1, 5 * MIB, 20 * MIB + 7])
def test_sizes(s3, bucket, size):
    body = body_of(size)
    put = s3.put_object(Bucket=bucket, Key="size", Body=body)
    assert put["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
    head = s3.head_object(Bucket=bucket, Key="size")
    assert (head["ContentLength"], head["ETag"]) == (size, put["ETag"])
    got = s3.get_object(Bucket=bucket, Key="size")
    assert (got["ContentLength"], got["ETag"], got["Body"].read() == body) == (size, put["ETag"], True)
    age = datetime.datetime.now(datetime.timezone.utc) - head["LastModified"]
    assert abs(age.total_seconds()) < 600


def test_overwrite_and_delete(s3, bucket):
    for body in (body_of(10), body_of(2 * MIB), b"", body_of(3 * MIB), b"x"):
        s3.put_object(Bucket=bucket, Key="k", Body=body)
        assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == body
    assert s3.delete_object(Bucket=bucket, Key="k")["ResponseMetadata"]["HTTPStatusCode"] == 204
    refused(404, "NoSuchKey", s3.get_object, Bucket=bucket, Key="k")
    assert s3.delete_object(Bucket=bucket, Key="k")["ResponseMetadata"]["HTTPStatusCode"] == 204


def test_headers_are_kept(s3, bucket):
    headers = {
        "ContentType": "text/x-odd; charset=utf-8",
        "ContentEncoding": "x-nothing",
        "ContentDisposition": 'attachment; filename="a b.txt"',
        "ContentLanguage": "eo",
        "CacheControl": "max-age=17, private",
    }
    metadata = {"one": "1", "with-blank": "a  b", "punctuation": "a;b=c,d\"e", "empty": ""}
    expires = datetime.datetime(2031, 2, 3, 4, 5, 6, tzinfo=datetime.timezone.utc)
    s3.put_object(Bucket=bucket, Key="h", Body=b"x", Metadata=metadata, Expires=expires, **headers)
    for reply in (s3.head_object(Bucket=bucket, Key="h"), s3.get_object(Bucket=bucket, Key="h")):
        assert {name: reply[name] for name in headers} == headers
        assert reply["ExpiresString"] == "Mon, 03 Feb 2031 04:05:06 GMT"
        assert {k: " ".join(v.split()) for k, v in reply["Metadata"].items()} == {
            k: " ".join(v.split()) for k, v in metadata.items()
        }


def test_default_content_type(s3, bucket):
    s3.put_object(Bucket=bucket, Key="t", Body=b"x")
    assert s3.head_object(Bucket=bucket, Key="t")["ContentType"] == "binary/octet-stream"


def test_metadata_too_large(s3, bucket):
    refused(400, "MetadataTooLarge", s3.put_object, Bucket=bucket, Key="m", Metadata={"m": "x" * 2049})
    refused(404, "NoSuchKey", s3.get_object, Bucket=bucket, Key="m")


def test_key_length_limit(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k" * 1024, Body=b"long")
    assert s3.get_object(Bucket=bucket, Key="k" * 1024)["Body"].read() == b"long"
    refused(400, "KeyTooLongError", s3.put_object, Bucket=bucket, Key="k" * 1025)
    refused(400, "KeyTooLongError", s3.put_object, Bucket=bucket, Key="ü" * 513)


@pytest.mark.parametrize("key", ["\x01", "a\tb", "line\nbreak", "\r", "\x7f", "\ufffe"])
def test_keys_beyond_xml(s3, bucket, key):
    s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]] == [key]
    s3.delete_object(Bucket=bucket, Key=key)
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


RANGES = [
    # range, first byte, last byte of a 100,000-byte object; None: 416
    ("bytes=0-0", 0, 0),
    ("bytes=0-99999", 0, 99999),
    ("bytes=99999-", 99999, 99999),
    ("bytes=-1", 99999, 99999),
    ("bytes=-100000", 0, 99999),
    ("bytes=-999999", 0, 99999),
    ("bytes=50000-999999999999", 50000, 99999),
    ("bytes=65535-65536", 65535, 65536),
    ("bytes=100000-", None, None),
    ("bytes=100000-100001", None, None),
    ("bytes=-0", None, None),
]


@pytest.mark.parametrize("text,first,last", RANGES)
def test_range(s3, bucket, text, first, last):
    body = body_of(100000)
    s3.put_object(Bucket=bucket, Key="r", Body=body)
    if first is None:
        answer = refused(416, "InvalidRange", s3.get_object, Bucket=bucket, Key="r", Range=text)
        assert answer["ResponseMetadata"]["HTTPHeaders"].get("content-range", "bytes */100000") == "bytes */100000"
        return
    got = s3.get_object(Bucket=bucket, Key="r", Range=text)
    assert got["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert got["ContentRange"] == f"bytes {first}-{last}/100000"
    assert got["Body"].read() == body[first : last + 1]


@pytest.mark.parametrize("text", ["bytes=5-2", "bytes=a-b", "bytes=", "lines=1-2", "bytes=0-1,4-5", "bytes=--1", "bytes=1"])
def test_range_that_is_ignored(s3, bucket, text):
    """A Range that is no single valid byte range gives the whole object (RFC 9110 section 14.2)."""
    s3.put_object(Bucket=bucket, Key="r", Body=b"0123456789")
    got = s3.get_object(Bucket=bucket, Key="r", Range=text)
    assert (got["ResponseMetadata"]["HTTPStatusCode"], got["Body"].read()) == (200, b"0123456789")


def test_range_of_nothing_and_of_large(s3, bucket):
    s3.put_object(Bucket=bucket, Key="empty", Body=b"")
    refused(416, "InvalidRange", s3.get_object, Bucket=bucket, Key="empty", Range="bytes=0-0")
    body = body_of(5 * MIB)
    s3.put_object(Bucket=bucket, Key="large", Body=body)
    for first in (0, 65536, MIB - 1, MIB, 3 * MIB + 17):
        got = s3.get_object(Bucket=bucket, Key="large", Range=f"bytes={first}-{first + 70000}")
        assert got["Body"].read() == body[first : first + 70001]
    head = s3.head_object(Bucket=bucket, Key="large", Range="bytes=10-19")
    assert (head["ContentLength"], head["ContentRange"]) == (10, f"bytes 10-19/{5 * MIB}")


def test_response_overrides(s3, bucket):
    s3.put_object(Bucket=bucket, Key="o", Body=b"x", ContentType="text/plain")
    got = s3.get_object(
        Bucket=bucket,
        Key="o",
        ResponseContentType="image/png",
        ResponseContentDisposition="inline",
        ResponseContentEncoding="x-e",
        ResponseContentLanguage="de",
        ResponseCacheControl="no-store",
        ResponseExpires="Mon, 03 Feb 2031 04:05:06 GMT",
    )
    assert (got["ContentType"], got["ContentDisposition"], got["ContentEncoding"]) == ("image/png", "inline", "x-e")
    assert (got["ContentLanguage"], got["CacheControl"]) == ("de", "no-store")
    assert got["ExpiresString"] == "Mon, 03 Feb 2031 04:05:06 GMT"
    assert s3.head_object(Bucket=bucket, Key="o")["ContentType"] == "text/plain"


def test_delete_objects(s3, bucket):
    keys = ["a", "b&<c>", "ü", "with blank ", "d" * 1024, "never there"]
    for key in keys[:-1]:
        s3.put_object(Bucket=bucket, Key=key)
    reply = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys]})
    assert sorted(d["Key"] for d in reply["Deleted"]) == sorted(keys)
    assert "Errors" not in reply
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    s3.put_object(Bucket=bucket, Key="q")
    reply = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "q"}], "Quiet": True})
    assert "Deleted" not in reply and "Errors" not in reply


def test_delete_objects_limits(s3, bucket):
    thousand = [{"Key": f"k{i}"} for i in range(1000)]
    assert len(s3.delete_objects(Bucket=bucket, Delete={"Objects": thousand})["Deleted"]) == 1000
    refused(400, "MalformedXML", s3.delete_objects, Bucket=bucket, Delete={"Objects": thousand + [{"Key": "x"}]})
    refused(400, "MalformedXML", s3.delete_objects, Bucket=bucket, Delete={"Objects": []})


def test_odd_keys_one_by_one(s3, bucket):
    keys = [key for key in odd_keys(200)]
    for i, key in enumerate(keys):
        s3.put_object(Bucket=bucket, Key=key, Body=str(i).encode())
    for i, key in enumerate(keys):
        assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == str(i).encode(), key
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]] == keys


def test_streamed_body_of_unseekable_file(s3, bucket):
    """boto3 sends what cannot be rewound in parts; with a trailer checksum where it can."""
    body = body_of(9 * MIB)
    s3.upload_fileobj(io.BytesIO(body), bucket, "streamed")
    out = io.BytesIO()
    s3.download_fileobj(bucket, "streamed", out)
    assert out.getvalue() == body


def test_virtual_host_style(server, s3, bucket):
    s3.put_object(Bucket=bucket, Key="dir/v", Body=b"virtual")
    with raw.Connection(server) as conn:
        host = [("Host", f"{bucket}.localhost:{server.port}")]
        assert conn.request("GET", "/dir/v", headers=host).body == b"virtual"
        assert conn.request("PUT", "/w", b"written", host).status == 200
        assert conn.request("GET", "/?list-type=2", headers=host).body.count(b"<Key>") == 2
    assert s3.get_object(Bucket=bucket, Key="w")["Body"].read() == b"written"


CREDENTIALS = [
    ("unknown key", ("NOBODYKNOWSTHISKEY00", None), "InvalidAccessKeyId"),
    ("wrong secret", (None, "not the secret at all"), "SignatureDoesNotMatch"),
]


@pytest.mark.parametrize("name,keys,code", CREDENTIALS, ids=[row[0] for row in CREDENTIALS])
def test_wrong_credentials(server, bucket, name, keys, code):
    other = boto3.client(
        "s3",
        endpoint_url=server.url,
        region_name="us-east-1",
        aws_access_key_id=keys[0] or server.keys[0],
        aws_secret_access_key=keys[1] or server.keys[1],
        config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1, "mode": "standard"}),
    )
    refused(403, code, other.list_buckets)
    refused(403, code, other.put_object, Bucket=bucket, Key="k", Body=b"x")
    refused(403, code, other.get_object, Bucket=bucket, Key="k")
    refused(403, code, other.list_objects_v2, Bucket=bucket)


NOT_THERE_YET = [
    ("get_bucket_replication", {}),
    ("select_object_content", {
        "Key": "k",
        "Expression": "select 1",
        "ExpressionType": "SQL",
        "InputSerialization": {"CSV": {}},
        "OutputSerialization": {"CSV": {}},
    }),
]


def test_torrents_are_no_more(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"kept")
    refused(404, "NoSuchKey", s3.get_object_torrent, Bucket=bucket, Key="k")
    refused(404, "NoSuchBucket", s3.get_object_torrent, Bucket="there-is-none", Key="k")


def test_versioning_is_off(s3, bucket):
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)


@pytest.mark.parametrize("name,arguments", NOT_THERE_YET, ids=[row[0] for row in NOT_THERE_YET])
def test_not_there_yet(s3, bucket, name, arguments):
    s3.put_object(Bucket=bucket, Key="k", Body=b"kept")
    refused(501, "NotImplemented", getattr(s3, name), Bucket=bucket, **arguments)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"kept"


MEANINGFUL = [
    {"ServerSideEncryption": "AES256"},
]


@pytest.mark.parametrize("arguments", MEANINGFUL, ids=[next(iter(row)) for row in MEANINGFUL])
def test_header_that_would_change_the_meaning(server, s3, bucket, arguments):
    if "SSECustomerKey" in arguments:  # boto3 itself refuses to send this one without TLS
        headers = {"x-amz-server-side-encryption-customer-algorithm": "AES256"}
        with raw.Connection(server) as conn:
            reply = conn.request("PUT", f"/{bucket}/k", b"x", headers)
        assert (reply.status, reply.code) == (501, "NotImplemented")
    else:
        refused(501, "NotImplemented", s3.put_object, Bucket=bucket, Key="k", Body=b"x", **arguments)
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
