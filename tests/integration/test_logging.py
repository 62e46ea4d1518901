# SPDX-License-Identifier: Apache-2.0
"""Access logs: lines about one bucket in objects of another."""

import re
import time

import pytest

from conftest import refused
from test_bucket_settings import send

LINE = re.compile(
    r'^(?P<owner>\S+) (?P<bucket>\S+) \[(?P<time>[^\]]+)\] (?P<peer>\S+) (?P<who>\S+) (?P<id>\S+) (?P<op>\S+) (?P<key>\S+) '
    r'("(?P<request>[^"]*)"|-) (?P<status>\d+) (?P<error>\S+) (?P<sent>\S+) (?P<size>\S+) (?P<total>\d+) (?P<turn>\d+) '
    r'("[^"]*"|-) ("(?P<agent>[^"]*)"|-) (?P<version>\S+) (?P<host>\S+) (?P<sig>\S+) (?P<cipher>\S+) (?P<auth>\S+) (?P<name>\S+) .*$'
)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    from conftest import Server

    base = tmp_path_factory.mktemp("logging")
    config = base / "tarnd.yaml"
    config.write_text("access_log_flush_s: 1\n")
    server = Server(base / "data", args=["--config", config]).start()
    yield server
    server.stop()


def lines(s3, bucket, prefix):
    text = b""
    for row in s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", []):
        text += s3.get_object(Bucket=bucket, Key=row["Key"])["Body"].read()
    return text.decode().splitlines()


def enable(s3, bucket, prefix="log/"):
    target = f"{bucket}-logs"
    s3.create_bucket(Bucket=target)
    status = {"LoggingEnabled": {"TargetBucket": target, "TargetPrefix": prefix}}
    s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus=status)
    assert s3.get_bucket_logging(Bucket=bucket)["LoggingEnabled"]["TargetBucket"] == target
    return target


def wait_for(look, is_enough):
    deadline = time.monotonic() + 60
    while not is_enough(look()) and time.monotonic() < deadline:
        time.sleep(0.2)
    return look()


def test_lines(server, s3, bucket):
    target = enable(s3, bucket)
    s3.put_object(Bucket=bucket, Key="a b\u00e9", Body=b"body")
    s3.get_object(Bucket=bucket, Key="a b\u00e9")["Body"].read()
    send(server, "GET", f"/{bucket}/none", headers={"User-Agent": 'a "b" \\c'})
    found = wait_for(lambda: lines(s3, target, "log/"), lambda found: len(found) >= 4)
    found = [LINE.match(line) for line in found]
    assert all(found) and len(found) >= 4
    rows = {(m["op"], m["status"]): m for m in found}
    put = rows["REST.PUT.OBJECT", "200"]
    assert (put["bucket"], put["key"], put["size"]) == (bucket, "a%20b%C3%A9", "4")
    assert rows["REST.GET.OBJECT", "200"]["sent"] == "4"
    assert rows["REST.GET.OBJECT", "404"]["error"] == "NoSuchKey"
    assert rows["REST.GET.OBJECT", "404"]["agent"] == "a %22b%22 %5Cc"
    s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={})

@pytest.mark.parametrize("source", [None, "EventTime", "DeliveryTime"])
def test_keys_in_folders(s3, bucket, source):
    """ACCOUNT/REGION/BUCKET/YYYY/MM/DD/ behind the prefix; of requests by their day, the day is all that keys tell."""
    target = enable(s3, bucket)
    more = {"PartitionDateSource": source} if source else {}
    status = {"TargetBucket": target, "TargetPrefix": "in/", "TargetObjectKeyFormat": {"PartitionedPrefix": more}}
    s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={"LoggingEnabled": status})
    assert s3.get_bucket_logging(Bucket=bucket)["LoggingEnabled"] == status
    s3.put_object(Bucket=bucket, Key="k", Body=b"body")
    found = wait_for(lambda: lines(s3, target, "in/"), lambda found: any("REST.PUT.OBJECT k " in line for line in found))
    assert any("REST.PUT.OBJECT k " in line for line in found)
    keys = [row["Key"] for row in s3.list_objects_v2(Bucket=target, Prefix="in/")["Contents"]]
    shape = re.compile(rf"in/000000000000/us-east-1/{bucket}/(\d{{4}})/(\d\d)/(\d\d)/\1-\2-\3-(\d\d-\d\d-\d\d)-[0-9a-f]+")
    found = [shape.fullmatch(key) for key in keys]
    assert keys and all(found), keys
    if source != "DeliveryTime":
        assert {m[4] for m in found} == {"00-00-00"}
    s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={})


def test_refused_formats(s3, bucket):
    target = enable(s3, bucket)
    for form in ({}, {"SimplePrefix": {}, "PartitionedPrefix": {}}, {"PartitionedPrefix": {"PartitionDateSource": "Noon"}}):
        status = {"TargetBucket": target, "TargetPrefix": "in/", "TargetObjectKeyFormat": form}
        refused(400, "MalformedXML", s3.put_bucket_logging, Bucket=bucket, BucketLoggingStatus={"LoggingEnabled": status})
    status["TargetObjectKeyFormat"] = {"SimplePrefix": {}}
    s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={"LoggingEnabled": status})


def seen(s3, target, prefix, count):
    """The lines, when there are so many."""
    deadline = time.monotonic() + 60
    while len(found := lines(s3, target, prefix)) < count and time.monotonic() < deadline:
        time.sleep(0.2)
    return [LINE.match(line) for line in found]


def test_names_of_operations(s3, bucket):
    """As S3's documentation of the format has them."""
    target = enable(s3, bucket, "ops/")
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    s3.copy_object(Bucket=bucket, Key="c", CopySource={"Bucket": bucket, "Key": "k"})
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": []})
    upload = s3.create_multipart_upload(Bucket=bucket, Key="m")["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key="m", UploadId=upload, PartNumber=1, Body=b"x")
    s3.upload_part_copy(Bucket=bucket, Key="m", UploadId=upload, PartNumber=2, CopySource={"Bucket": bucket, "Key": "k"})
    parts = [{"PartNumber": 1, "ETag": part["ETag"]}]
    s3.complete_multipart_upload(Bucket=bucket, Key="m", UploadId=upload, MultipartUpload={"Parts": parts})
    s3.get_bucket_location(Bucket=bucket)
    s3.list_object_versions(Bucket=bucket)
    s3.get_bucket_acl(Bucket=bucket)
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "c"}]})
    wanted = "PUT.OBJECT COPY.OBJECT PUT.OBJECT_TAGGING POST.UPLOADS PUT.PART COPY.PART POST.UPLOAD GET.LOCATION GET.BUCKETVERSIONS"
    wanted = [f"REST.{word}" for word in (wanted + " GET.ACL POST.MULTI_OBJECT_DELETE").split()]
    assert set(wanted) <= {m["op"] for m in seen(s3, target, "ops/", len(wanted))}


def test_stop_writes_the_rest(server, s3, bucket):
    target = enable(s3, bucket, "x")
    for _ in range(50):
        s3.head_bucket(Bucket=bucket)
    server.stop()
    server.start()
    again = server.boto()
    assert sum("REST.HEAD.BUCKET" in line for line in lines(again, target, "x")) == 50
