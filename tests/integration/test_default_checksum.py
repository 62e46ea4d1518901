# SPDX-License-Identifier: Apache-2.0
"""An object that was sent without a checksum has CRC64NVME, as in S3."""

import urllib.request

import boto3
import pytest
from botocore.config import Config
from checksums import ALGORITHMS, checksum
from conftest import KEYS, body_of, refused

PART = 5 * 1024 * 1024


def crc64nvme(data):
    return checksum("CRC64NVME", data)


def crc32(data):
    return checksum("CRC32", data)


@pytest.fixture(scope="module")
def plain(server):
    """A client that sends no checksum of its own accord."""
    return boto3.client(
        "s3",
        endpoint_url=server.url,
        aws_access_key_id=KEYS[0],
        aws_secret_access_key=KEYS[1],
        region_name="us-east-1",
        config=Config(request_checksum_calculation="when_required", response_checksum_validation="when_required"),
    )


def head(s3, bucket, key):
    return s3.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")


def sums(answer):
    return {name: answer["Checksum" + name] for name in ALGORITHMS if "Checksum" + name in answer}


@pytest.mark.parametrize("size", [0, 1, 4096, 70000, 300000])
def test_put(plain, bucket, size):
    data = body_of(size)
    answer = plain.put_object(Bucket=bucket, Key="k", Body=data)
    assert sums(answer) == {"CRC64NVME": crc64nvme(data)} and answer["ChecksumType"] == "FULL_OBJECT"
    answer = head(plain, bucket, "k")
    assert sums(answer) == {"CRC64NVME": crc64nvme(data)} and answer["ChecksumType"] == "FULL_OBJECT"
    assert sums(plain.head_object(Bucket=bucket, Key="k")) == {}
    assert plain.list_objects_v2(Bucket=bucket)["Contents"][0]["ChecksumAlgorithm"] == ["CRC64NVME"]


def test_sent_one_wins(plain, bucket):
    answer = plain.put_object(Bucket=bucket, Key="k", Body=b"abc", ChecksumCRC32=crc32(b"abc"))
    assert sums(answer) == {"CRC32": crc32(b"abc")}
    assert sums(head(plain, bucket, "k")) == {"CRC32": crc32(b"abc")}


def test_copy_keeps(plain, bucket):
    plain.put_object(Bucket=bucket, Key="a", Body=b"abc")
    result = plain.copy_object(Bucket=bucket, Key="b", CopySource={"Bucket": bucket, "Key": "a"})["CopyObjectResult"]
    assert sums(result) == {"CRC64NVME": crc64nvme(b"abc")} and result["ChecksumType"] == "FULL_OBJECT"
    assert sums(head(plain, bucket, "b")) == {"CRC64NVME": crc64nvme(b"abc")}


def send_parts(s3, bucket, key, parts, **create):
    """(body, named arguments of the part) for each."""
    upload = s3.create_multipart_upload(Bucket=bucket, Key=key, **create)["UploadId"]
    target = {"Bucket": bucket, "Key": key, "UploadId": upload}
    answers = [
        s3.upload_part(**target, PartNumber=number, Body=body, **named)
        for number, (body, named) in enumerate(parts, 1)
    ]
    done = [{"PartNumber": n, "ETag": answer["ETag"]} for n, answer in enumerate(answers, 1)]
    return target, answers, done


def test_multipart(plain, bucket):
    bodies = [body_of(PART, 1), body_of(1000, 2)]
    target, answers, done = send_parts(plain, bucket, "m", [(b, {}) for b in bodies])
    assert [sums(a) for a in answers] == [{"CRC64NVME": crc64nvme(b)} for b in bodies]
    result = plain.complete_multipart_upload(**target, MultipartUpload={"Parts": done})
    expected = {"CRC64NVME": crc64nvme(b"".join(bodies))}
    assert sums(result) == expected and result["ChecksumType"] == "FULL_OBJECT"
    answer = head(plain, bucket, "m")
    assert sums(answer) == expected and answer["ChecksumType"] == "FULL_OBJECT"
    entry = plain.list_objects_v2(Bucket=bucket)["Contents"][0]
    assert entry["ChecksumAlgorithm"] == ["CRC64NVME"] and entry["ChecksumType"] == "FULL_OBJECT"


def test_multipart_named_at_the_end(plain, bucket):
    target, _, done = send_parts(plain, bucket, "m", [(b"abc", {})])
    wrong = {"MultipartUpload": {"Parts": done}, "ChecksumCRC64NVME": crc64nvme(b"abd")}
    refused(400, "BadDigest", plain.complete_multipart_upload, **target, **wrong)
    right = {"MultipartUpload": {"Parts": done}, "ChecksumCRC64NVME": crc64nvme(b"abc"), "ChecksumType": "FULL_OBJECT"}
    assert sums(plain.complete_multipart_upload(**target, **right)) == {"CRC64NVME": crc64nvme(b"abc")}


def test_multipart_of_another_kind(plain, bucket):
    bodies = [body_of(PART, 1), body_of(1000, 2)]
    target, _, done = send_parts(plain, bucket, "m", [(b, {"ChecksumCRC32": crc32(b)}) for b in bodies])
    plain.complete_multipart_upload(**target, MultipartUpload={"Parts": done})
    assert sums(head(plain, bucket, "m")) == {"CRC32": crc32(b"".join(bodies))}


def test_multipart_of_two_kinds(plain, bucket):
    """Nothing can be said of the whole, and nothing is."""
    first = body_of(PART, 1)
    target, _, done = send_parts(plain, bucket, "m", [(first, {"ChecksumCRC32": crc32(first)}), (b"abc", {})])
    assert sums(plain.complete_multipart_upload(**target, MultipartUpload={"Parts": done})) == {}
    assert sums(head(plain, bucket, "m")) == {}
    assert "ChecksumAlgorithm" not in plain.list_objects_v2(Bucket=bucket)["Contents"][0]
    assert plain.get_object(Bucket=bucket, Key="m")["Body"].read() == first + b"abc"


def test_part_copy(plain, bucket):
    plain.put_object(Bucket=bucket, Key="a", Body=b"0123456789")
    upload = plain.create_multipart_upload(Bucket=bucket, Key="m")["UploadId"]
    target = {"Bucket": bucket, "Key": "m", "UploadId": upload}
    source = {"CopySource": {"Bucket": bucket, "Key": "a"}, "CopySourceRange": "bytes=2-5"}
    part = plain.upload_part_copy(**target, PartNumber=1, **source)["CopyPartResult"]
    assert sums(part) == {"CRC64NVME": crc64nvme(b"2345")}
    done = [{"PartNumber": 1, "ETag": part["ETag"], "ChecksumCRC64NVME": part["ChecksumCRC64NVME"]}]
    plain.complete_multipart_upload(**target, MultipartUpload={"Parts": done})
    assert sums(head(plain, bucket, "m")) == {"CRC64NVME": crc64nvme(b"2345")}


@pytest.mark.parametrize("first", [10, 6 * 1024 * 1024])
def test_append(plain, bucket, first):
    start = body_of(first)
    plain.put_object(Bucket=bucket, Key="log", Body=start, WriteOffsetBytes=0)
    plain.put_object(Bucket=bucket, Key="log", Body=b"and more", WriteOffsetBytes=first)
    assert sums(head(plain, bucket, "log")) == {"CRC64NVME": crc64nvme(start + b"and more")}


def test_form(plain, server, bucket):
    form = plain.generate_presigned_post(bucket, "f")
    mark = "tarn-boundary"
    fields = "".join(
        f'--{mark}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in form["fields"].items()
    )
    body = f'{fields}--{mark}\r\nContent-Disposition: form-data; name="file"\r\n\r\nabc\r\n--{mark}--\r\n'
    kind = {"Content-Type": f"multipart/form-data; boundary={mark}"}
    request = urllib.request.Request(form["url"], body.encode(), kind)
    assert urllib.request.urlopen(request, timeout=10).status == 204
    assert sums(head(plain, bucket, "f")) == {"CRC64NVME": crc64nvme(b"abc")}


def test_none_of_what_is_encrypted(plain, bucket):
    """The clear text's checksum would tell of it."""
    secret = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "k" * 32}
    plain.put_object(Bucket=bucket, Key="k", Body=b"abc", **secret)
    assert sums(plain.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED", **secret)) == {}
