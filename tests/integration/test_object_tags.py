# SPDX-License-Identifier: Apache-2.0
"""Tags of objects: header, sub-resource, copies, limits, races."""

import concurrent.futures

import pytest
from botocore.exceptions import ClientError

from test_bucket_settings import code_of, send


def tags(count, key_len=4, value_len=4):
    return [{"Key": f"{i:0{key_len}d}", "Value": "v" * value_len} for i in range(count)]


def test_round(s3, bucket):
    s3.put_object(Bucket=bucket, Key="a", Body=b"body", Tagging="k1=v%201&k2=&%C3%A9=%C3%BC")
    want = [{"Key": "k1", "Value": "v 1"}, {"Key": "k2", "Value": ""}, {"Key": "é", "Value": "ü"}]
    assert s3.get_object_tagging(Bucket=bucket, Key="a")["TagSet"] == want
    before = s3.head_object(Bucket=bucket, Key="a")
    assert before["ResponseMetadata"]["HTTPHeaders"]["x-amz-tagging-count"] == "3"
    s3.put_object_tagging(Bucket=bucket, Key="a", Tagging={"TagSet": tags(10, 128, 256)})
    assert s3.get_object_tagging(Bucket=bucket, Key="a")["TagSet"] == tags(10, 128, 256)
    after = s3.get_object(Bucket=bucket, Key="a")
    assert after["Body"].read() == b"body"
    assert after["ETag"] == before["ETag"] and after["LastModified"] == before["LastModified"]
    s3.delete_object_tagging(Bucket=bucket, Key="a")
    assert s3.get_object_tagging(Bucket=bucket, Key="a")["TagSet"] == []
    assert "x-amz-tagging-count" not in s3.head_object(Bucket=bucket, Key="a")["ResponseMetadata"]["HTTPHeaders"]


def test_order(s3, bucket):
    """Tags come back in the order of their keys, however they were sent."""
    want = [{"Key": "B", "Value": ""}, {"Key": "a", "Value": "1"}, {"Key": "aa", "Value": ""}, {"Key": "é", "Value": ""}]
    s3.put_object(Bucket=bucket, Key="a", Tagging="aa&%C3%A9=&a=1&B")
    assert s3.get_object_tagging(Bucket=bucket, Key="a")["TagSet"] == want
    s3.put_object_tagging(Bucket=bucket, Key="a", Tagging={"TagSet": want[::-1]})
    assert s3.get_object_tagging(Bucket=bucket, Key="a")["TagSet"] == want


@pytest.mark.parametrize(
    "wrong",
    [tags(11), tags(1, 129), tags(1, 4, 257), tags(1) * 2, [{"Key": "aws:x", "Value": ""}], [{"Key": "a*", "Value": ""}]],
)
def test_wrong(s3, bucket, wrong):
    s3.put_object(Bucket=bucket, Key="a", Body=b"", Tagging="kept=1")
    with pytest.raises(ClientError) as error:
        s3.put_object_tagging(Bucket=bucket, Key="a", Tagging={"TagSet": wrong})
    assert code_of(error) == (400, "InvalidTag")
    assert s3.get_object_tagging(Bucket=bucket, Key="a")["TagSet"] == [{"Key": "kept", "Value": "1"}]
    header = "&".join(f"{t['Key']}={t['Value']}" for t in wrong)
    with pytest.raises(ClientError) as error:
        s3.put_object(Bucket=bucket, Key="b", Body=b"", Tagging=header)
    assert code_of(error) == (400, "InvalidTag")


def test_no_object(server, s3, bucket):
    for call, more in (("get", {}), ("put", {"Tagging": {"TagSet": []}}), ("delete", {})):
        with pytest.raises(ClientError) as error:
            getattr(s3, f"{call}_object_tagging")(Bucket=bucket, Key="none", **more)
        assert code_of(error) == (404, "NoSuchKey")
    s3.put_object(Bucket=bucket, Key="a")
    for body in (b"", b"<Tagging/>", b"<Tagging><TagSet><Tag><Key>a</Key></Tag></TagSet></Tagging>", b"x"):
        answer = send(server, "PUT", f"/{bucket}/a?tagging", body)
        assert answer.status == 400 and b"MalformedXML" in answer.data


def test_copy(s3, bucket):
    s3.put_object(Bucket=bucket, Key="a", Tagging="x=1")
    source = {"Bucket": bucket, "Key": "a"}
    s3.copy_object(Bucket=bucket, Key="same", CopySource=source)
    s3.copy_object(Bucket=bucket, Key="new", CopySource=source, TaggingDirective="REPLACE", Tagging="y=2")
    s3.copy_object(Bucket=bucket, Key="meta", CopySource=source, MetadataDirective="REPLACE", Metadata={"m": "1"})
    assert s3.get_object_tagging(Bucket=bucket, Key="same")["TagSet"] == [{"Key": "x", "Value": "1"}]
    assert s3.get_object_tagging(Bucket=bucket, Key="new")["TagSet"] == [{"Key": "y", "Value": "2"}]
    assert s3.get_object_tagging(Bucket=bucket, Key="meta")["TagSet"] == [{"Key": "x", "Value": "1"}]


def test_multipart(s3, bucket):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="a", Tagging="x=1")["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key="a", UploadId=upload, PartNumber=1, Body=b"x" * 10)
    done = s3.complete_multipart_upload(
        Bucket=bucket, Key="a", UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    )
    assert s3.get_object_tagging(Bucket=bucket, Key="a")["TagSet"] == [{"Key": "x", "Value": "1"}]
    s3.put_object_tagging(Bucket=bucket, Key="a", Tagging={"TagSet": tags(2)})
    head = s3.head_object(Bucket=bucket, Key="a", PartNumber=1)
    assert head["ETag"] == done["ETag"] and head["PartsCount"] == 1


def test_race(s3, bucket):
    """Racing tags of one object: the last one stands whole, and none fails."""
    s3.put_object(Bucket=bucket, Key="a", Body=b"body")

    def put(i):
        s3.put_object_tagging(Bucket=bucket, Key="a", Tagging={"TagSet": [{"Key": "a", "Value": str(i)}, {"Key": "b", "Value": str(i)}]})

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        list(pool.map(put, range(64)))
    a, b = s3.get_object_tagging(Bucket=bucket, Key="a")["TagSet"]
    assert a["Value"] == b["Value"]
    assert s3.get_object(Bucket=bucket, Key="a")["Body"].read() == b"body"
