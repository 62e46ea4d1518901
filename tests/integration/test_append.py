# SPDX-License-Identifier: Apache-2.0
"""Appends by x-amz-write-offset-bytes: PutObject as S3 has it for directory buckets."""

import base64
import hashlib
import threading
import zlib

import pytest
from botocore.exceptions import ClientError

from conftest import MIB, body_of, refused

RACERS = 64


def append(s3, bucket, key, offset, body, **more):
    return s3.put_object(Bucket=bucket, Key=key, WriteOffsetBytes=offset, Body=body, **more)


def read(s3, bucket, key, **more):
    return s3.get_object(Bucket=bucket, Key=key, **more)["Body"].read()


def crc32(body):
    return base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()


def test_small_object(s3, bucket):
    whole = b""
    for i in range(20):
        more = body_of(1000 + i, i)
        answer = append(s3, bucket, "log", len(whole), more)
        whole += more
        assert answer["Size"] == len(whole)
        assert answer["ChecksumCRC32"] == crc32(whole)
        assert answer["ETag"] == f'"{hashlib.md5(whole).hexdigest()}"'
    assert read(s3, bucket, "log", ChecksumMode="ENABLED") == whole
    head = s3.head_object(Bucket=bucket, Key="log")
    assert head["ContentLength"] == len(whole)


def test_large_object(s3, bucket):
    whole = body_of(3 * MIB, 1)
    s3.put_object(Bucket=bucket, Key="big", Body=whole, ContentType="text/x-log", Metadata={"a": "b"})
    for i in range(5):
        more = body_of([1, 10, 100000, 2 * MIB, 5][i], i + 2)
        answer = append(s3, bucket, "big", len(whole), more)
        whole += more
        assert answer["Size"] == len(whole)
        assert answer["ChecksumCRC32"] == crc32(whole)
        assert answer["ETag"].endswith(f'-{i + 2}"')
        assert s3.head_object(Bucket=bucket, Key="big")["ETag"] == answer["ETag"]
    got = s3.get_object(Bucket=bucket, Key="big", ChecksumMode="ENABLED")
    assert got["Body"].read() == whole
    assert (got["ContentType"], got["Metadata"]) == ("text/x-log", {"a": "b"})
    at = 3 * MIB - 3
    assert read(s3, bucket, "big", Range=f"bytes={at}-{at + 20}") == whole[at : at + 21]
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "big"})
    s3.delete_object(Bucket=bucket, Key="big")
    assert read(s3, bucket, "copy") == whole


def test_behind_an_upload(s3, bucket):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="mp")["UploadId"]
    bodies = [body_of(5 * MIB, 1), body_of(1000, 2)]
    parts = []
    for i, body in enumerate(bodies, 1):
        part = s3.upload_part(Bucket=bucket, Key="mp", UploadId=upload, PartNumber=i, Body=body)
        parts.append({"PartNumber": i, "ETag": part["ETag"]})
    s3.complete_multipart_upload(Bucket=bucket, Key="mp", UploadId=upload, MultipartUpload={"Parts": parts})
    whole = b"".join(bodies)
    answer = append(s3, bucket, "mp", len(whole), b"the end")
    assert answer["ETag"].endswith('-3"')
    assert read(s3, bucket, "mp") == whole + b"the end"
    assert read(s3, bucket, "mp", PartNumber=3) == b"the end"


def test_offset_must_be_the_size(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"12345")
    for offset in (0, 4, 6, 2**40):
        refused(400, "InvalidWriteOffset", append, s3, bucket, "k", offset, b"x")
    refused(400, "InvalidWriteOffset", append, s3, bucket, "absent", 1, b"x")
    refused(400, "InvalidRequest", append, s3, bucket, "k", 5, b"")
    assert read(s3, bucket, "k") == b"12345"
    append(s3, bucket, "new", 0, b"x", ContentType="text/plain", Metadata={"m": "1"})
    head = s3.head_object(Bucket=bucket, Key="new")
    assert (head["ContentType"], head["Metadata"]) == ("text/plain", {"m": "1"})


def test_what_does_not_fit_is_refused(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"12345")
    etag = s3.head_object(Bucket=bucket, Key="k")["ETag"]
    refused(400, "InvalidRequest", append, s3, bucket, "k", 5, b"x", Metadata={"a": "b"})
    refused(400, "InvalidRequest", append, s3, bucket, "k", 5, b"x", ChecksumAlgorithm="SHA256")
    refused(400, "EncryptionTypeMismatch", append, s3, bucket, "k", 5, b"x", ServerSideEncryption="AES256")
    refused(400, "EncryptionTypeMismatch", append, s3, bucket, "k", 5, b"x", SSECustomerAlgorithm="AES256", SSECustomerKey="k" * 32)
    refused(400, "BadDigest", append, s3, bucket, "k", 5, b"x", ContentMD5=base64.b64encode(bytes(16)).decode())
    refused(412, "PreconditionFailed", append, s3, bucket, "k", 5, b"x", IfMatch='"00000000000000000000000000000000"')
    refused(412, "PreconditionFailed", append, s3, bucket, "k", 5, b"x", IfNoneMatch="*")
    refused(404, "NoSuchBucket", append, s3, "no-such-bucket", "k", 0, b"x")
    assert read(s3, bucket, "k") == b"12345"
    append(s3, bucket, "k", 5, b"6", IfMatch=etag)
    assert read(s3, bucket, "k") == b"123456"


def test_customer_key(s3, bucket):
    key = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "0123456789abcdef0123456789abcdef"}
    whole = body_of(2 * MIB, 1)
    s3.put_object(Bucket=bucket, Key="k", Body=whole, **key)
    refused(400, "EncryptionTypeMismatch", append, s3, bucket, "k", len(whole), b"x")
    answer = append(s3, bucket, "k", len(whole), b"more", **key)
    assert answer["Size"] == len(whole) + 4
    assert read(s3, bucket, "k", **key) == whole + b"more"


def test_versions(s3, bucket):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    first = s3.put_object(Bucket=bucket, Key="k", Body=b"1")["VersionId"]
    second = append(s3, bucket, "k", 1, b"2")["VersionId"]
    assert read(s3, bucket, "k", VersionId=first) == b"1"
    assert read(s3, bucket, "k", VersionId=second) == b"12"
    s3.delete_object(Bucket=bucket, Key="k")
    refused(400, "InvalidWriteOffset", append, s3, bucket, "k", 2, b"3")
    append(s3, bucket, "k", 0, b"anew")
    assert read(s3, bucket, "k") == b"anew"


@pytest.mark.parametrize("size", [0, 10, 2 * MIB])
def test_racers(s3, bucket, size):
    """Of 64 appends at one offset one is there; the others are told."""
    base = body_of(size, 1)
    if size:
        s3.put_object(Bucket=bucket, Key="k", Body=base)
    won, codes = [], []

    def run(i):
        try:
            append(s3, bucket, "k", size, f"racer {i:02}".encode())
            won.append(i)
        except ClientError as error:
            codes.append(error.response["Error"]["Code"])

    threads = [threading.Thread(target=run, args=(i,)) for i in range(RACERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert set(codes) <= {"InvalidWriteOffset", "OperationAborted", "SlowDown"}
    assert read(s3, bucket, "k") == base + f"racer {won[0]:02}".encode()


def test_all_of_many_writers_get_in(s3, bucket):
    """Each looks at the size and tries until it is in: nothing is lost, nothing twice."""
    base = body_of(MIB + 5, 1)
    s3.put_object(Bucket=bucket, Key="k", Body=base)

    def run(i):
        while True:
            size = s3.head_object(Bucket=bucket, Key="k")["ContentLength"]
            try:
                append(s3, bucket, "k", size, f"<{i:02}>".encode())
                return
            except ClientError as error:
                assert error.response["Error"]["Code"] in ("InvalidWriteOffset", "OperationAborted", "SlowDown")

    threads = [threading.Thread(target=run, args=(i,)) for i in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    got = read(s3, bucket, "k")
    assert got[: len(base)] == base
    tail = got[len(base) :].decode()
    assert sorted(tail[i : i + 4] for i in range(0, len(tail), 4)) == [f"<{i:02}>" for i in range(16)]


def test_what_is_answered_survives(new_server):
    server = new_server().start()
    s3 = server.boto()
    s3.create_bucket(Bucket="bkt")
    whole = body_of(2 * MIB, 3)
    s3.put_object(Bucket="bkt", Key="k", Body=whole)
    for i in range(10):
        more = body_of(3000, i)
        append(s3, "bkt", "k", len(whole), more)
        whole += more
    server.kill()
    s3 = server.start().boto()
    assert read(s3, "bkt", "k") == whole
    append(s3, "bkt", "k", len(whole), b"!")
    assert read(s3, "bkt", "k") == whole + b"!"
