# SPDX-License-Identifier: Apache-2.0
"""Encryption at rest: what comes back, what is on the disk, wrong keys, ranges, parts, copies."""

import base64
import hashlib
import os

import pytest
from botocore.exceptions import ClientError

from test_bucket_settings import code_of

SIZES = [0, 1, 65535, 65536, 65537, 1 << 20, (1 << 20) + 7]
KEY = bytes(range(32))
OTHER = bytes(range(1, 33))
C = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": KEY}
WRONG = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": OTHER}
KINDS = {
    "s3": ({"ServerSideEncryption": "AES256"}, {}),
    "kms": ({"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "first"}, {}),
    "customer": (C, C),
}
MARK = b"a mark that must not be found on the disk "


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    from conftest import Server

    base = tmp_path_factory.mktemp("sse")
    keys = base / "keys"
    names = ("s3", "first", "second")
    keys.write_text("# keys\n" + "".join(f"{n} {base64.b64encode(hashlib.sha256(n.encode()).digest()).decode()}\n" for n in names))
    config = base / "tarnd.yaml"
    config.write_text(f"encryption_keys: {keys}\n")
    server = Server(base / "data", args=["--config", config]).start()
    yield server
    server.stop()


def body_of(size):
    return (MARK * (size // len(MARK) + 1))[:size]


def refused(call, *args, **more):
    with pytest.raises(ClientError) as error:
        call(*args, **more)
    return code_of(error)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", KINDS)
def test_round(s3, bucket, kind, size):
    put, get = KINDS[kind]
    body = body_of(size)
    answer = s3.put_object(Bucket=bucket, Key="a", Body=body, **put)
    is_md5 = answer["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
    assert is_md5 == (kind == "s3")
    found = s3.get_object(Bucket=bucket, Key="a", **get)
    assert found["Body"].read() == body and found["ETag"] == answer["ETag"]
    for reply in (answer, found, s3.head_object(Bucket=bucket, Key="a", **get)):
        if kind == "customer":
            assert reply["SSECustomerAlgorithm"] == "AES256"
            assert reply["SSECustomerKeyMD5"] == base64.b64encode(hashlib.md5(KEY).digest()).decode()
        else:
            assert reply["ServerSideEncryption"] == put["ServerSideEncryption"]
    assert s3.head_object(Bucket=bucket, Key="a", **get)["ContentLength"] == size
    assert s3.list_objects_v2(Bucket=bucket)["Contents"][0]["Size"] == size
    for first, last in ((0, 0), (65530, 65540), (size // 2, size - 1), (size - 1, size - 1), (65536, 65536)):
        if 0 <= first <= last < size:
            part = s3.get_object(Bucket=bucket, Key="a", Range=f"bytes={first}-{last}", **get)
            assert part["Body"].read() == body[first : last + 1]
            assert part["ContentRange"] == f"bytes {first}-{last}/{size}"


def test_nothing_on_the_disk(server, s3, bucket):
    for kind, (put, _) in KINDS.items():
        s3.put_object(Bucket=bucket, Key=kind, Body=MARK * 20000, **put)
        s3.put_object(Bucket=bucket, Key=kind + "small", Body=MARK, **put)
    for path in server.data.rglob("*"):
        if path.is_file():
            assert MARK not in path.read_bytes(), path


def test_customer_keys(s3, bucket):
    s3.put_object(Bucket=bucket, Key="a", Body=b"body", **C)
    for call in (s3.get_object, s3.head_object):
        assert refused(call, Bucket=bucket, Key="a")[0] == 400
        assert refused(call, Bucket=bucket, Key="a", **WRONG)[0] == 400
    s3.put_object(Bucket=bucket, Key="plain", Body=b"body")
    assert refused(s3.get_object, Bucket=bucket, Key="plain", **C) == (400, "InvalidRequest")
    bad = dict(C, SSECustomerAlgorithm="AES128")
    assert refused(s3.put_object, Bucket=bucket, Key="b", **bad)[0] == 400
    assert refused(s3.put_object, Bucket=bucket, Key="b", SSECustomerAlgorithm="AES256", SSECustomerKey=b"short")[0] == 400
    assert refused(s3.put_object, Bucket=bucket, Key="b", ServerSideEncryption="AES256", **C)[0] == 400
    assert refused(s3.get_object, Bucket=bucket, Key="b") == (404, "NoSuchKey")


def test_wrong_kinds(s3, bucket):
    for more, code in (
        ({"ServerSideEncryption": "rot13"}, "InvalidArgument"),
        ({"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "none"}, "KMS.NotFoundException"),
        ({"ServerSideEncryption": "aws:kms"}, "KMS.NotFoundException"),
        ({"SSEKMSKeyId": "first"}, "InvalidArgument"),
        ({"ServerSideEncryption": "AES256", "SSEKMSKeyId": "first"}, "InvalidArgument"),
    ):
        assert refused(s3.put_object, Bucket=bucket, Key="a", Body=b"x", **more) == (400, code)


def test_default(s3, bucket):
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "second"}}
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})
    s3.put_object(Bucket=bucket, Key="a", Body=b"x")
    head = s3.head_object(Bucket=bucket, Key="a")
    assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", "second")
    s3.put_object(Bucket=bucket, Key="a", Body=b"x", ServerSideEncryption="AES256")
    assert s3.head_object(Bucket=bucket, Key="a")["ServerSideEncryption"] == "AES256"


@pytest.mark.parametrize("kind", KINDS)
def test_multipart(s3, bucket, kind):
    put, get = KINDS[kind]
    part_key = get
    bodies = [os.urandom(5 << 20) + b"1", os.urandom((5 << 20) + 65535), b"tail"]
    upload = s3.create_multipart_upload(Bucket=bucket, Key="m", **put)["UploadId"]
    parts = []
    for number, body in enumerate(bodies, 1):
        answer = s3.upload_part(Bucket=bucket, Key="m", UploadId=upload, PartNumber=number, Body=body, **part_key)
        parts.append({"PartNumber": number, "ETag": answer["ETag"]})
    sizes = [p["Size"] for p in s3.list_parts(Bucket=bucket, Key="m", UploadId=upload)["Parts"]]
    assert sizes == [len(b) for b in bodies]
    whole_upload = {"Bucket": bucket, "Key": "m", "UploadId": upload, "MultipartUpload": {"Parts": parts}}
    if kind == "customer":  # the parts have checksums, so S3 needs the key once more
        for more in ({}, WRONG):
            assert refused(s3.complete_multipart_upload, **whole_upload, **more) == (400, "InvalidRequest")
    s3.complete_multipart_upload(**whole_upload, **get)
    whole = b"".join(bodies)
    found = s3.get_object(Bucket=bucket, Key="m", **get)
    assert found["ContentLength"] == len(whole) and found["Body"].read() == whole
    assert s3.list_objects_v2(Bucket=bucket)["Contents"][0]["Size"] == len(whole)
    edge = len(bodies[0])
    for first, last in ((edge - 3, edge + 3), (edge, edge), (len(whole) - 6, len(whole) - 1), (5, 6 << 20)):
        part = s3.get_object(Bucket=bucket, Key="m", Range=f"bytes={first}-{last}", **get)
        assert part["Body"].read() == whole[first : last + 1]
    second = s3.get_object(Bucket=bucket, Key="m", PartNumber=2, **get)
    assert second["Body"].read() == bodies[1] and second["PartsCount"] == 3
    if kind == "customer":
        upload = s3.create_multipart_upload(Bucket=bucket, Key="n", **put)["UploadId"]
        for more in ({}, WRONG):
            assert refused(s3.upload_part, Bucket=bucket, Key="n", UploadId=upload, PartNumber=1, Body=b"x", **more)[0] == 400


NAMES = ["plain", *KINDS]


@pytest.mark.parametrize("source", NAMES)
@pytest.mark.parametrize("target", NAMES)
def test_copy(s3, bucket, source, target):
    put, get = KINDS.get(source, ({}, {}))
    new, read = KINDS.get(target, ({}, {}))
    if target == "customer":
        new = read = WRONG
    body = body_of(200000)
    first = s3.put_object(Bucket=bucket, Key="a", Body=body, Metadata={"m": "1"}, **put)
    more = {f"CopySource{name}": value for name, value in get.items()}
    from_a = {"Bucket": bucket, "Key": "a"}
    s3.copy_object(Bucket=bucket, Key="b", CopySource=from_a, **new, **more)
    found = s3.get_object(Bucket=bucket, Key="b", **read)
    assert found["Body"].read() == body and found["Metadata"] == {"m": "1"}
    assert found.get("ServerSideEncryption") == new.get("ServerSideEncryption")
    assert s3.get_object(Bucket=bucket, Key="a", **get)["ETag"] == first["ETag"]
    upload = s3.create_multipart_upload(Bucket=bucket, Key="c", **new)["UploadId"]
    part = s3.upload_part_copy(
        Bucket=bucket, Key="c", UploadId=upload, PartNumber=1, CopySource=from_a, CopySourceRange="bytes=65530-131080", **read, **more
    )["CopyPartResult"]
    s3.complete_multipart_upload(
        Bucket=bucket, Key="c", UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    )
    assert s3.get_object(Bucket=bucket, Key="c", **read)["Body"].read() == body[65530:131081]
    if source == "customer":
        assert refused(s3.copy_object, Bucket=bucket, Key="d", CopySource=from_a)[0] == 400


def test_tags_and_restart(server, s3, bucket):
    s3.put_object(Bucket=bucket, Key="a", Body=body_of(100000), ServerSideEncryption="AES256")
    s3.put_object_tagging(Bucket=bucket, Key="a", Tagging={"TagSet": [{"Key": "k", "Value": "v"}]})
    server.kill()
    server.start()
    again = server.boto()
    assert again.get_object(Bucket=bucket, Key="a")["Body"].read() == body_of(100000)
    assert again.get_object_tagging(Bucket=bucket, Key="a")["TagSet"] == [{"Key": "k", "Value": "v"}]
