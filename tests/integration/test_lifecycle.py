# SPDX-License-Identifier: Apache-2.0
"""What lifecycle rules remove, with days of two seconds."""

import datetime
import time

import pytest

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
    deadline = time.monotonic() + 15 * DAY_S
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


def test_restart(server, s3, bucket):
    s3.put_object(Bucket=bucket, Key="a")
    set_rules(s3, bucket, {"Filter": {"Prefix": ""}, "Expiration": {"Days": 1}})
    server.stop()
    server.start()
    again = server.boto()
    wait_for([], lambda: keys(again, bucket))
