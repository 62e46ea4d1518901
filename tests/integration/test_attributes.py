# SPDX-License-Identifier: Apache-2.0
"""GetObjectAttributes and RestoreObject."""

import hashlib

import pytest
from botocore.exceptions import ClientError

from test_bucket_settings import code_of, send

ALL = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"]


def test_plain(s3, bucket):
    s3.put_object(Bucket=bucket, Key="a", Body=b"body", ChecksumAlgorithm="SHA256")
    found = s3.get_object_attributes(Bucket=bucket, Key="a", ObjectAttributes=ALL)
    assert found["ETag"] == hashlib.md5(b"body").hexdigest()
    assert found["ObjectSize"] == 4 and found["StorageClass"] == "STANDARD"
    assert found["Checksum"]["ChecksumType"] == "FULL_OBJECT" and found["Checksum"]["ChecksumSHA256"]
    assert "ObjectParts" not in found and found["LastModified"]
    some = s3.get_object_attributes(Bucket=bucket, Key="a", ObjectAttributes=["ObjectSize"])
    assert some["ObjectSize"] == 4 and "ETag" not in some


@pytest.mark.parametrize("kind", ["COMPOSITE", "FULL_OBJECT", None])
def test_parts(s3, bucket, kind):
    more = {"ChecksumAlgorithm": "CRC32", "ChecksumType": kind} if kind else {}
    upload = s3.create_multipart_upload(Bucket=bucket, Key="m", **more)["UploadId"]
    parts = []
    for number, size in ((1, 5 << 20), (2, 5 << 20), (3, 7)):
        extra = {"ChecksumAlgorithm": "CRC32"} if kind else {}
        answer = s3.upload_part(Bucket=bucket, Key="m", UploadId=upload, PartNumber=number, Body=b"x" * size, **extra)
        row = {"PartNumber": number, "ETag": answer["ETag"]}
        if kind:
            row["ChecksumCRC32"] = answer["ChecksumCRC32"]
        parts.append(row)
    s3.complete_multipart_upload(Bucket=bucket, Key="m", UploadId=upload, MultipartUpload={"Parts": parts})
    found = s3.get_object_attributes(Bucket=bucket, Key="m", ObjectAttributes=ALL)
    assert found["ETag"].endswith("-3") and found["ObjectParts"]["TotalPartsCount"] == 3
    assert [p["Size"] for p in found["ObjectParts"]["Parts"]] == [5 << 20, 5 << 20, 7]
    assert not found["ObjectParts"]["IsTruncated"] and found["ObjectParts"]["MaxParts"] == 1000
    if kind:
        assert found["Checksum"]["ChecksumType"] == kind
        assert [p["ChecksumCRC32"] for p in found["ObjectParts"]["Parts"]] == [p["ChecksumCRC32"] for p in parts]
        for part in parts:
            got = s3.get_object(Bucket=bucket, Key="m", PartNumber=part["PartNumber"], ChecksumMode="ENABLED")
            assert (got["ChecksumCRC32"], got["ChecksumType"]) == (part["ChecksumCRC32"], kind)
            assert len(got["Body"].read()) == (7 if part["PartNumber"] == 3 else 5 << 20)
    page = s3.get_object_attributes(Bucket=bucket, Key="m", ObjectAttributes=["ObjectParts"], MaxParts=1, PartNumberMarker=1)
    assert [p["PartNumber"] for p in page["ObjectParts"]["Parts"]] == [2]
    assert page["ObjectParts"]["IsTruncated"] and page["ObjectParts"]["NextPartNumberMarker"] == 2


def test_version(s3, bucket):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    first = s3.put_object(Bucket=bucket, Key="v", Body=b"1")["VersionId"]
    second = s3.put_object(Bucket=bucket, Key="v", Body=b"22")["VersionId"]
    for version, size, more in ((second, 2, {}), (first, 1, {"VersionId": first})):
        found = s3.get_object_attributes(Bucket=bucket, Key="v", ObjectAttributes=["ObjectSize"], **more)
        assert (found["VersionId"], found["ObjectSize"]) == (version, size)


def test_wrong(server, s3, bucket):
    s3.put_object(Bucket=bucket, Key="a")
    for headers in ({}, {"x-amz-object-attributes": "Size"}, {"x-amz-object-attributes": "ETag", "x-amz-max-parts": "x"}):
        assert send(server, "GET", f"/{bucket}/a?attributes", headers=headers).status == 400
    with pytest.raises(ClientError) as error:
        s3.get_object_attributes(Bucket=bucket, Key="none", ObjectAttributes=ALL)
    assert code_of(error) == (404, "NoSuchKey")


def test_restore(server, s3, bucket):
    s3.put_object(Bucket=bucket, Key="cold", Body=b"body", StorageClass="GLACIER")
    s3.put_object(Bucket=bucket, Key="warm", Body=b"body")
    assert s3.head_object(Bucket=bucket, Key="cold")["StorageClass"] == "GLACIER"
    for call in (
        lambda: s3.get_object(Bucket=bucket, Key="cold"),
        lambda: s3.copy_object(Bucket=bucket, Key="x", CopySource={"Bucket": bucket, "Key": "cold"}),
        lambda: s3.restore_object(Bucket=bucket, Key="warm", RestoreRequest={"Days": 1}),
    ):
        with pytest.raises(ClientError) as error:
            call()
        assert code_of(error) == (403, "InvalidObjectState")
    with pytest.raises(s3.exceptions.InvalidObjectState) as error:
        s3.get_object(Bucket=bucket, Key="cold")
    assert error.value.response["Error"]["StorageClass"] == "GLACIER"
    first = s3.restore_object(Bucket=bucket, Key="cold", RestoreRequest={"Days": 1})
    again = s3.restore_object(Bucket=bucket, Key="cold", RestoreRequest={"Days": 2})
    assert [r["ResponseMetadata"]["HTTPStatusCode"] for r in (first, again)] == [202, 200]
    assert s3.get_object(Bucket=bucket, Key="cold")["Body"].read() == b"body"
    assert 'ongoing-request="false"' in s3.head_object(Bucket=bucket, Key="cold")["Restore"]
    for body in (b"", b"<RestoreRequest/>", b"<RestoreRequest><Days>0</Days></RestoreRequest>"):
        answer = send(server, "POST", f"/{bucket}/cold?restore", body)
        assert answer.status == 400 and b"MalformedXML" in answer.data


def test_restore_is_refused(server, s3, bucket):
    s3.put_object(Bucket=bucket, Key="deep", Body=b"body", StorageClass="DEEP_ARCHIVE")
    with pytest.raises(ClientError) as error:
        s3.restore_object(Bucket=bucket, Key="deep", RestoreRequest={"Days": 1, "GlacierJobParameters": {"Tier": "Expedited"}})
    assert code_of(error) == (400, "InvalidArgument")
    location = {"S3": {"BucketName": bucket, "Prefix": "out/"}}
    with pytest.raises(ClientError) as error:
        s3.restore_object(Bucket=bucket, Key="deep", RestoreRequest={"Type": "SELECT", "Tier": "Bulk", "OutputLocation": location})
    assert code_of(error) == (501, "NotImplemented")
    assert "Restore" not in s3.head_object(Bucket=bucket, Key="deep")


def test_listings_tell_what_is_restored(s3, bucket):
    """Only where it is asked for, and of what is restored at present; each version for itself."""
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for key in ("a", "b", "c/d", "e"):
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode(), StorageClass="STANDARD" if key == "e" else "DEEP_ARCHIVE")
    old = s3.put_object(Bucket=bucket, Key="b", Body=b"old", StorageClass="GLACIER")["VersionId"]
    s3.put_object(Bucket=bucket, Key="b", Body=b"new", StorageClass="GLACIER")
    for key, more in (("a", {}), ("c/d", {}), ("b", {"VersionId": old})):
        s3.restore_object(Bucket=bucket, Key=key, RestoreRequest={"Days": 2}, **more)
    asked = {"Bucket": bucket, "OptionalObjectAttributes": ["RestoreStatus"]}
    for call in (s3.list_objects_v2, s3.list_objects):
        found = {row["Key"]: row.get("RestoreStatus") for row in call(**asked)["Contents"]}
        assert set(found) == {"a", "b", "c/d", "e"}
        assert [key for key, status in found.items() if status] == ["a", "c/d"]
        assert found["a"]["IsRestoreInProgress"] is False
        assert f'expiry-date="{found["a"]["RestoreExpiryDate"]:%a, %d %b %Y %H:%M:%S} GMT"' in s3.head_object(Bucket=bucket, Key="a")["Restore"]
        assert not any("RestoreStatus" in row for row in call(Bucket=bucket)["Contents"])
    page = s3.list_objects_v2(Delimiter="/", **asked)
    assert [row["Prefix"] for row in page["CommonPrefixes"]] == ["c/"] and len(page["Contents"]) == 3
    versions = s3.list_object_versions(**asked)["Versions"]
    assert {(v["Key"], v["VersionId"] == old) for v in versions if "RestoreStatus" in v} == {("a", False), ("c/d", False), ("b", True)}
