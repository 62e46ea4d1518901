# SPDX-License-Identifier: Apache-2.0
"""What lifecycle rules remove, with days of two seconds."""

import datetime
import time

import pytest
from botocore.exceptions import ClientError

DAY_S = 2


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    from conftest import Server

    base = tmp_path_factory.mktemp("lifecycle")
    config = base / "tarnd.yaml"
    config.write_text(f"lifecycle_day_s: {DAY_S}\n")
    server = Server(base / "data", args=["--config", config]).start()
    yield server
    server.stop()


def set_rules(s3, bucket, *rules):
    rows = [{"ID": str(i), "Status": "Enabled", **rule} for i, rule in enumerate(rules)]
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": rows})


def keys(s3, bucket):
    return [row["Key"] for row in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]


def wait_for(want, find):
    deadline = time.monotonic() + 60 * DAY_S
    while find() != want and time.monotonic() < deadline:
        time.sleep(0.1)
    assert find() == want


def test_expiration(s3, bucket):
    s3.put_object(Bucket=bucket, Key="logs/small", Body=b"x")
    s3.put_object(Bucket=bucket, Key="logs/tagged", Body=b"x" * 100, Tagging="a=b&c=d")
    s3.put_object(Bucket=bucket, Key="logs/large", Body=b"x" * 1000)
    s3.put_object(Bucket=bucket, Key="other", Body=b"x")
    set_rules(
        s3,
        bucket,
        {"Filter": {"And": {"Prefix": "logs/", "ObjectSizeGreaterThan": 500}}, "Expiration": {"Days": 1}},
        {"Filter": {"And": {"Prefix": "logs/", "Tags": [{"Key": "a", "Value": "b"}, {"Key": "c", "Value": "d"}]}}, "Expiration": {"Days": 1}},
        {"Filter": {"Tag": {"Key": "a", "Value": "other"}}, "Expiration": {"Days": 1}},
        {"Filter": {"Prefix": "other"}, "Expiration": {"Days": 1}, "Status": "Disabled"},
    )
    wait_for(["logs/small", "other"], lambda: keys(s3, bucket))
    time.sleep(2 * DAY_S)
    assert keys(s3, bucket) == ["logs/small", "other"]
    set_rules(s3, bucket, {"Filter": {"Prefix": ""}, "Expiration": {"Date": datetime.datetime(2020, 1, 1)}})
    wait_for([], lambda: keys(s3, bucket))


def test_many(s3, bucket):
    for i in range(150):
        s3.put_object(Bucket=bucket, Key=f"{i:04d}")
    set_rules(s3, bucket, {"Prefix": "0", "Expiration": {"Days": 1}})
    wait_for([], lambda: keys(s3, bucket))


def test_uploads(s3, bucket):
    s3.create_multipart_upload(Bucket=bucket, Key="a/1")
    kept = s3.create_multipart_upload(Bucket=bucket, Key="b/1")["UploadId"]
    set_rules(s3, bucket, {"Filter": {"Prefix": "a/"}, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}})
    wait_for([kept], lambda: [u["UploadId"] for u in s3.list_multipart_uploads(Bucket=bucket).get("Uploads", [])])


def test_header(s3, bucket):
    set_rules(s3, bucket, {"Filter": {"Prefix": "x"}, "Expiration": {"Days": 3}})
    answer = s3.put_object(Bucket=bucket, Key="x1")
    assert 'rule-id="0"' in answer["Expiration"]
    assert s3.head_object(Bucket=bucket, Key="x1")["Expiration"] == answer["Expiration"]
    assert "Expiration" not in s3.put_object(Bucket=bucket, Key="y")


def classes(s3, bucket):
    rows = s3.list_object_versions(Bucket=bucket).get("Versions", [])
    return {(row["Key"], row["IsLatest"]): row["StorageClass"] for row in rows}


def test_transitions(s3, bucket):
    body = b"x" * 100000
    before = s3.put_object(Bucket=bucket, Key="a/tagged", Body=body, Tagging="k=v", Metadata={"m": "1"})
    modified = s3.head_object(Bucket=bucket, Key="a/tagged")["LastModified"]
    s3.put_object(Bucket=bucket, Key="a/plain", Body=b"x")
    s3.put_object(Bucket=bucket, Key="a/cold", Body=b"x", StorageClass="GLACIER", Tagging="k=v")
    s3.put_object(Bucket=bucket, Key="b", Body=b"x")
    moves = [{"Days": 1, "StorageClass": "GLACIER_IR"}, {"Days": 100, "StorageClass": "DEEP_ARCHIVE"}]
    tagged = {"And": {"Prefix": "a/", "Tags": [{"Key": "k", "Value": "v"}]}}
    set_rules(
        s3,
        bucket,
        {"Filter": {"Prefix": "b"}, "Transitions": [{"Date": datetime.datetime(2020, 1, 1), "StorageClass": "GLACIER"}]},
        {"Filter": tagged, "Transitions": moves},
    )
    want = {("a/tagged", True): "GLACIER_IR", ("a/plain", True): "STANDARD", ("a/cold", True): "GLACIER", ("b", True): "GLACIER"}
    wait_for(want, lambda: classes(s3, bucket))
    moved = s3.get_object(Bucket=bucket, Key="a/tagged")
    assert (moved["StorageClass"], moved["ETag"], moved["LastModified"]) == ("GLACIER_IR", before["ETag"], modified)
    assert moved["Body"].read() == body and moved["Metadata"] == {"m": "1"} and moved["TagCount"] == 1
    with pytest.raises(ClientError) as error:
        s3.get_object(Bucket=bucket, Key="b")
    assert error.value.response["Error"]["Code"] == "InvalidObjectState"


def test_transitions_of_versions(s3, bucket):
    """Of what was replaced only, and not of the newest of it; the null version too."""
    s3.put_object(Bucket=bucket, Key="a", Body=b"0")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    versions = [s3.put_object(Bucket=bucket, Key="a", Body=body)["VersionId"] for body in (b"1", b"2")]
    s3.put_object(Bucket=bucket, Key="gone", Body=b"x")
    s3.delete_object(Bucket=bucket, Key="gone")
    move = {"NoncurrentDays": 1, "NewerNoncurrentVersions": 1, "StorageClass": "STANDARD_IA"}
    set_rules(s3, bucket, {"Filter": {"Prefix": ""}, "NoncurrentVersionTransitions": [move]})

    def found():
        rows = s3.list_object_versions(Bucket=bucket)["Versions"]
        return {(row["Key"], row["VersionId"]): row["StorageClass"] for row in rows if row["Key"] == "a"}

    want = {("a", "null"): "STANDARD_IA", ("a", versions[0]): "STANDARD", ("a", versions[1]): "STANDARD"}
    wait_for(want, found)
    assert s3.get_object(Bucket=bucket, Key="a", VersionId="null")["Body"].read() == b"0"
    assert len(s3.list_object_versions(Bucket=bucket)["DeleteMarkers"]) == 1


def test_restart(server, s3, bucket):
    s3.put_object(Bucket=bucket, Key="a")
    set_rules(s3, bucket, {"Filter": {"Prefix": ""}, "Expiration": {"Days": 1}})
    server.stop()
    server.start()
    again = server.boto()
    wait_for([], lambda: keys(again, bucket))
