# SPDX-License-Identifier: Apache-2.0
"""Versions: null versions, delete markers, what may be done with one version, and what survives SIGKILL."""

import concurrent.futures

import pytest
from botocore.exceptions import ClientError
from conftest import refused


@pytest.fixture
def kept(s3, bucket):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    return bucket


def suspend(s3, bucket):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})


def put(s3, bucket, key, body, **more):
    return s3.put_object(Bucket=bucket, Key=key, Body=body, **more).get("VersionId")


def entries(s3, bucket, **more):
    """(key, version id, is latest, is marker), in the order of the answer."""
    page = s3.list_object_versions(Bucket=bucket, **more)
    rows = [(e["Key"], e["VersionId"], e["IsLatest"], False, e["LastModified"]) for e in page.get("Versions", [])]
    rows += [(e["Key"], e["VersionId"], e["IsLatest"], True, e["LastModified"]) for e in page.get("DeleteMarkers", [])]
    return rows


def read(s3, bucket, key, **more):
    return s3.get_object(Bucket=bucket, Key=key, **more)["Body"].read()


def test_every_version_is_kept(s3, kept):
    ids = [put(s3, kept, "k", f"body {i}".encode()) for i in range(5)]
    assert len(set(ids)) == 5
    assert read(s3, kept, "k") == b"body 4"
    assert [read(s3, kept, "k", VersionId=i) for i in ids] == [f"body {i}".encode() for i in range(5)]
    assert [row[1] for row in entries(s3, kept)] == ids[::-1]
    assert [row[2] for row in entries(s3, kept)] == [True] + [False] * 4
    assert s3.head_object(Bucket=kept, Key="k")["VersionId"] == ids[4]


def test_a_marker_hides_and_its_removal_shows_again(s3, kept):
    first = put(s3, kept, "k", b"one")
    answer = s3.delete_object(Bucket=kept, Key="k")
    assert answer["DeleteMarker"] is True
    marker = answer["VersionId"]
    error = refused(404, "NoSuchKey", s3.get_object, Bucket=kept, Key="k")
    assert error["ResponseMetadata"]["HTTPHeaders"]["x-amz-delete-marker"] == "true"
    answer = refused(405, "MethodNotAllowed", s3.get_object, Bucket=kept, Key="k", VersionId=marker)
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    assert (headers["x-amz-delete-marker"], headers["allow"]) == ("true", "DELETE")
    assert headers["last-modified"].endswith(" GMT")
    assert "Contents" not in s3.list_objects_v2(Bucket=kept)
    assert read(s3, kept, "k", VersionId=first) == b"one"
    answer = s3.delete_object(Bucket=kept, Key="k", VersionId=marker)
    assert answer["DeleteMarker"] is True and answer["VersionId"] == marker
    assert read(s3, kept, "k") == b"one"


def test_the_newest_that_is_left_becomes_current(s3, kept):
    ids = [put(s3, kept, "k", f"{i}".encode()) for i in range(3)]
    s3.delete_object(Bucket=kept, Key="k", VersionId=ids[2])
    assert read(s3, kept, "k") == b"1"
    s3.delete_object(Bucket=kept, Key="k", VersionId=ids[0])
    assert read(s3, kept, "k") == b"1"
    s3.delete_object(Bucket=kept, Key="k", VersionId=ids[1])
    refused(404, "NoSuchKey", s3.get_object, Bucket=kept, Key="k")
    refused(404, "NoSuchVersion", s3.get_object, Bucket=kept, Key="k", VersionId=ids[1])
    assert entries(s3, kept) == []


def test_the_null_version(s3, bucket):
    assert put(s3, bucket, "k", b"before") is None
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    later = put(s3, bucket, "k", b"later")
    assert read(s3, bucket, "k", VersionId="null") == b"before"
    suspend(s3, bucket)
    put(s3, bucket, "k", b"null again")
    assert read(s3, bucket, "k") == read(s3, bucket, "k", VersionId="null") == b"null again"
    assert [row[1] for row in entries(s3, bucket)] == ["null", later]
    assert s3.delete_object(Bucket=bucket, Key="k")["VersionId"] == "null"
    assert {row[1]: row[3] for row in entries(s3, bucket)} == {"null": True, later: False}
    s3.delete_object(Bucket=bucket, Key="k", VersionId="null")
    assert read(s3, bucket, "k") == b"later"


@pytest.mark.parametrize("version", ["", "x", "0" * 16, "../../etc", "f" * 16, "F" * 16, "null2", "%00"])
def test_versions_that_are_none(s3, kept, version):
    put(s3, kept, "k", b"one")
    with pytest.raises(ClientError) as caught:
        s3.get_object(Bucket=kept, Key="k", VersionId=version)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] in (400, 404)
    assert read(s3, kept, "k") == b"one"


def test_copies_of_a_version(s3, kept):
    first = put(s3, kept, "k", b"one")
    put(s3, kept, "k", b"two")
    answer = s3.copy_object(Bucket=kept, Key="copy", CopySource={"Bucket": kept, "Key": "k", "VersionId": first})
    assert answer["CopySourceVersionId"] == first
    assert read(s3, kept, "copy") == b"one"
    s3.copy_object(Bucket=kept, Key="k", CopySource={"Bucket": kept, "Key": "k", "VersionId": first})
    assert read(s3, kept, "k") == b"one"


def test_tags_of_one_version(s3, kept):
    ids = [put(s3, kept, "k", b"x", Tagging=f"n={i}") for i in range(2)]
    s3.put_object_tagging(Bucket=kept, Key="k", VersionId=ids[0], Tagging={"TagSet": [{"Key": "n", "Value": "new"}]})
    tags = [s3.get_object_tagging(Bucket=kept, Key="k", VersionId=i)["TagSet"][0]["Value"] for i in ids]
    assert tags == ["new", "1"]
    assert [row[1] for row in entries(s3, kept)] == ids[::-1]


def test_many_deletes(s3, kept):
    ids = {f"k{i}": put(s3, kept, f"k{i}", b"x") for i in range(5)}
    answer = s3.delete_objects(Bucket=kept, Delete={"Objects": [{"Key": key} for key in ids]})
    assert all(row["DeleteMarker"] for row in answer["Deleted"])
    markers = [{"Key": row["Key"], "VersionId": row["DeleteMarkerVersionId"]} for row in answer["Deleted"]]
    answer = s3.delete_objects(Bucket=kept, Delete={"Objects": markers + [{"Key": "k0", "VersionId": "nonsense"}]})
    assert len(answer["Deleted"]) == 5 and len(answer["Errors"]) == 1
    assert [row["Key"] for row in s3.list_objects_v2(Bucket=kept)["Contents"]] == sorted(ids)


def test_pages(s3, kept):
    for i in range(30):
        put(s3, kept, f"dir{i % 3}/k{i % 6}", b"x")
    s3.delete_object(Bucket=kept, Key="dir0/k0")
    whole = entries(s3, kept)
    for size in (1, 2, 7, 31):
        pages = s3.get_paginator("list_object_versions").paginate(Bucket=kept, PaginationConfig={"PageSize": size})
        found = [e for page in pages for e in page.get("Versions", []) + page.get("DeleteMarkers", [])]
        assert sorted((e["Key"], e["VersionId"]) for e in found) == sorted(row[:2] for row in whole)
        assert sum(e["IsLatest"] for e in found) == 6
    page = s3.list_object_versions(Bucket=kept, Delimiter="/")
    assert [p["Prefix"] for p in page["CommonPrefixes"]] == ["dir0/", "dir1/", "dir2/"]


def test_a_bucket_with_old_versions_is_not_empty(s3, kept):
    version = put(s3, kept, "k", b"x")
    marker = s3.delete_object(Bucket=kept, Key="k")["VersionId"]
    refused(409, "BucketNotEmpty", s3.delete_bucket, Bucket=kept)
    for i in (version, marker):
        s3.delete_object(Bucket=kept, Key="k", VersionId=i)
    s3.delete_bucket(Bucket=kept)
    s3.create_bucket(Bucket=kept)


def test_multipart_makes_a_version(s3, kept):
    first = put(s3, kept, "k", b"one")
    upload = s3.create_multipart_upload(Bucket=kept, Key="k")["UploadId"]
    part = s3.upload_part(Bucket=kept, Key="k", UploadId=upload, PartNumber=1, Body=b"part")
    answer = s3.complete_multipart_upload(Bucket=kept, Key="k", UploadId=upload,
                                          MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})
    assert [row[1] for row in entries(s3, kept)] == [answer["VersionId"], first]


def test_locked_versions_stay(s3, bucket):
    locked = bucket + "-locked"
    s3.create_bucket(Bucket=locked, ObjectLockEnabledForBucket=True)
    version = put(s3, locked, "k", b"x", ObjectLockLegalHoldStatus="ON")
    refused(403, "AccessDenied", s3.delete_object, Bucket=locked, Key="k", VersionId=version)
    answer = s3.delete_objects(Bucket=locked, Delete={"Objects": [{"Key": "k", "VersionId": version}]})
    assert answer["Errors"][0]["Code"] == "AccessDenied"
    marker = s3.delete_object(Bucket=locked, Key="k")["VersionId"]
    assert read(s3, locked, "k", VersionId=version) == b"x"
    s3.put_object_legal_hold(Bucket=locked, Key="k", VersionId=version, LegalHold={"Status": "OFF"})
    for i in (marker, version):
        s3.delete_object(Bucket=locked, Key="k", VersionId=i)
    s3.delete_bucket(Bucket=locked)


def test_racing_writers_each_make_a_version(s3, kept):
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        ids = list(pool.map(lambda i: put(s3, kept, "k", b"%d" % i), range(64)))
    assert len(set(ids)) == 64
    rows = entries(s3, kept)
    assert {row[1] for row in rows} == set(ids) and sum(row[2] for row in rows) == 1


def test_versions_survive_sigkill(new_server):
    server = new_server().start()
    s3 = server.boto()
    s3.create_bucket(Bucket="bbb")
    s3.put_bucket_versioning(Bucket="bbb", VersioningConfiguration={"Status": "Enabled"})
    ids = [put(s3, "bbb", "k", b"%d" % i) for i in range(20)]
    s3.delete_object(Bucket="bbb", Key="k", VersionId=ids.pop())
    marker = s3.delete_object(Bucket="bbb", Key="k")["VersionId"]
    server.kill()
    server.start()
    s3 = server.boto()
    assert {row[1] for row in entries(s3, "bbb")} == {marker, *ids}
    s3.delete_object(Bucket="bbb", Key="k", VersionId=marker)
    assert read(s3, "bbb", "k") == b"18"
