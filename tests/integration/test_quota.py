# SPDX-License-Identifier: Apache-2.0
"""Quotas of buckets: hard, exact whoever races, counted anew after a start."""

import threading

import pytest
from botocore.exceptions import ClientError

import raw
from conftest import MIB, body_of, refused

RACERS = 64


def set_quota(server, bucket, size=None, objects=None):
    text = f"<MaxBytes>{size}</MaxBytes>" if size else ""
    text += f"<MaxObjects>{objects}</MaxObjects>" if objects else ""
    body = f"<QuotaConfiguration>{text}</QuotaConfiguration>".encode()
    reply = raw.Connection(server).request("PUT", f"/{bucket}?quota", body)
    assert reply.status == 200, reply


def test_documents(server, s3, bucket):
    conn = raw.Connection(server)
    target = f"/{bucket}?quota"
    reply = conn.request("GET", target)
    assert (reply.status, reply.code) == (404, "NoSuchQuotaConfiguration")
    good = b"<QuotaConfiguration><MaxBytes>10</MaxBytes><MaxObjects>2</MaxObjects></QuotaConfiguration>"
    assert conn.request("PUT", target, good).status == 200
    bad = [
        b"<QuotaConfiguration><MaxBytes>-1</MaxBytes></QuotaConfiguration>",
        b"<QuotaConfiguration><MaxBytes>1</MaxBytes><MaxBytes>2</MaxBytes></QuotaConfiguration>",
        b"<QuotaConfiguration><MaxBytes>99999999999999999999</MaxBytes></QuotaConfiguration>",
        b"<QuotaConfiguration><More>1</More></QuotaConfiguration>",
        b"<Quota/>",
        b"<QuotaConfiguration>",
        b"",
        b"<QuotaConfiguration><MaxBytes>1</MaxBytes><x>" + b"y" * 100000 + b"</x></QuotaConfiguration>",
    ]
    for body in bad:
        reply = conn.request("PUT", target, body)
        assert (reply.status, reply.code) == (400, "MalformedXML"), (body[:80], reply)
    reply = conn.request("PUT", target, b"<QuotaConfiguration><MaxBytes>0</MaxBytes></QuotaConfiguration>")
    assert (reply.status, reply.code) == (400, "InvalidArgument")
    body = conn.request("GET", target).body
    assert b"<MaxBytes>10</MaxBytes><MaxObjects>2</MaxObjects>" in body
    refused(403, "QuotaExceeded", s3.put_object, Bucket=bucket, Key="k", Body=b"12345678901")
    assert conn.request("DELETE", target).status == 204
    assert conn.request("GET", target).status == 404
    s3.put_object(Bucket=bucket, Key="k", Body=b"12345678901")


def test_every_way_in(server, s3, bucket):
    s3.put_object(Bucket=bucket, Key="first", Body=bytes(600))
    set_quota(server, bucket, 1000, 3)
    refused(403, "QuotaExceeded", s3.put_object, Bucket=bucket, Key="k", Body=bytes(401))
    source = {"Bucket": bucket, "Key": "first"}
    refused(403, "QuotaExceeded", s3.copy_object, Bucket=bucket, Key="k", CopySource=source)
    refused(403, "QuotaExceeded", s3.put_object, Bucket=bucket, Key="first", WriteOffsetBytes=600, Body=bytes(401))
    post = s3.generate_presigned_post(bucket, "posted")
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    part = {"Bucket": bucket, "Key": "k", "UploadId": upload}
    refused(403, "QuotaExceeded", s3.upload_part, PartNumber=1, Body=bytes(401), **part)
    etag = s3.upload_part(PartNumber=1, Body=bytes(400), **part)["ETag"]
    s3.put_object(Bucket=bucket, Key="first", Body=bytes(601))
    parts = {"Parts": [{"ETag": etag, "PartNumber": 1}]}
    refused(403, "QuotaExceeded", s3.complete_multipart_upload, MultipartUpload=parts, **part)
    s3.put_object(Bucket=bucket, Key="first", Body=bytes(600))
    s3.complete_multipart_upload(MultipartUpload=parts, **part)
    s3.delete_object(Bucket=bucket, Key="k")
    s3.put_object(Bucket=bucket, Key="first", WriteOffsetBytes=600, Body=bytes(400))
    s3.put_object(Bucket=bucket, Key="e1", Body=b"")
    s3.put_object(Bucket=bucket, Key="e2", Body=b"")
    refused(403, "QuotaExceeded", s3.put_object, Bucket=bucket, Key="e3", Body=b"")
    s3.rename_object(Bucket=bucket, Key="e2", RenameSource=f"{bucket}/e1")
    s3.put_object(Bucket=bucket, Key="e3", Body=b"")
    assert post["fields"]["key"] == "posted"


def test_versions_count(server, s3, bucket):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    set_quota(server, bucket, objects=2)
    versions = [s3.put_object(Bucket=bucket, Key="k", Body=b"x")["VersionId"] for _ in range(2)]
    refused(403, "QuotaExceeded", s3.put_object, Bucket=bucket, Key="k", Body=b"x")
    s3.delete_object(Bucket=bucket, Key="k")
    refused(403, "QuotaExceeded", s3.put_object, Bucket=bucket, Key="k", Body=b"x")
    s3.delete_object(Bucket=bucket, Key="k", VersionId=versions[0])
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")


@pytest.mark.parametrize("size", [100, MIB + 1])
def test_racers(server, s3, bucket, size):
    """64 racers, room for 40: 40 get in, in bytes and in objects."""
    for number, quota in enumerate([{"size": 40 * size + size // 2}, {"objects": 40}]):
        prefix = f"{number}/"
        set_quota(server, bucket, **quota)
        won, codes = [], []

        def run(i):
            try:
                s3.put_object(Bucket=bucket, Key=f"{prefix}{i}", Body=bytes(size))
                won.append(i)
            except ClientError as error:
                codes.append(error.response["Error"]["Code"])

        threads = [threading.Thread(target=run, args=(i,)) for i in range(RACERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert set(codes) <= {"QuotaExceeded"}
        assert len(won) == 40
        found = s3.list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]
        assert len(found) == 40
        s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": entry["Key"]} for entry in found]})


def test_counted_anew(new_server):
    server = new_server().start()
    s3 = server.boto()
    s3.create_bucket(Bucket="bkt")
    set_quota(server, "bkt", 10000)
    for i in range(9):
        s3.put_object(Bucket="bkt", Key=f"k{i}", Body=body_of(1000, i))
    server.kill()
    s3 = server.start().boto()
    refused(403, "QuotaExceeded", s3.put_object, Bucket="bkt", Key="more", Body=bytes(1001))
    s3.put_object(Bucket="bkt", Key="more", Body=bytes(1000))
    refused(403, "QuotaExceeded", s3.put_object, Bucket="bkt", Key="one", Body=b"1")
