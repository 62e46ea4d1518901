# SPDX-License-Identifier: Apache-2.0
"""All kinds of checksums that S3 knows, in parts and in copies, through boto3 and `tarn`."""

import json

import pytest

from checksums import ALGORITHMS, COMPOSITE, checksum, composite
from conftest import BIN, MIB, body_of, file_of, refused, run

PART = 5 * MIB
SIZE = 2 * PART + 7
PARTS_ALL = ["Checksum", "ObjectParts"]


@pytest.fixture(scope="module")
def tarn(server, tmp_path_factory):
    env = server.client_env(tmp_path_factory.mktemp("home"))
    return lambda *args, **options: run([BIN / "tarn", *args], env, **options)


def expected(kind, data):
    """Of an object that `tarn` uploaded in parts: CRCs are of the whole."""
    return (composite(kind, data, PART), "COMPOSITE") if kind in COMPOSITE else (checksum(kind, data), "FULL_OBJECT")


@pytest.mark.parametrize("kind", COMPOSITE)
def test_parts(s3, bucket, kind):
    bodies = [body_of(PART, 1), b"end"]
    target = {"Bucket": bucket, "Key": "k"}
    made = s3.create_multipart_upload(**target, ChecksumAlgorithm=kind)
    assert (made["ChecksumAlgorithm"], made["ChecksumType"]) == (kind, "COMPOSITE")
    target["UploadId"] = made["UploadId"]
    parts = []
    for number, body in enumerate(bodies, 1):
        sent = {f"Checksum{kind}": checksum(kind, body)}
        wrong = {f"Checksum{kind}": checksum(kind, body + b"x")}
        refused(400, "BadDigest", s3.upload_part, **target, PartNumber=number, Body=body, **wrong)
        answer = s3.upload_part(**target, PartNumber=number, Body=body, **sent)
        assert answer[f"Checksum{kind}"] == checksum(kind, body)
        parts.append({"PartNumber": number, "ETag": answer["ETag"], **sent})
    listed = s3.list_parts(**target)
    assert listed["ChecksumAlgorithm"] == kind
    assert [part[f"Checksum{kind}"] for part in listed["Parts"]] == [checksum(kind, body) for body in bodies]
    bad = [parts[0], dict(parts[1], **{f"Checksum{kind}": checksum(kind, b"other")})]
    refused(400, "InvalidPart", s3.complete_multipart_upload, **target, MultipartUpload={"Parts": bad})
    done = s3.complete_multipart_upload(**target, MultipartUpload={"Parts": parts})
    whole = composite(kind, b"".join(bodies), PART)
    assert (done[f"Checksum{kind}"], done["ChecksumType"]) == (whole, "COMPOSITE")
    head = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert (head[f"Checksum{kind}"], head["ChecksumType"]) == (whole, "COMPOSITE")
    found = s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=PARTS_ALL)
    assert (found["Checksum"][f"Checksum{kind}"], found["Checksum"]["ChecksumType"]) == (whole.partition("-")[0], "COMPOSITE")
    assert [part[f"Checksum{kind}"] for part in found["ObjectParts"]["Parts"]] == [checksum(kind, body) for body in bodies]
    assert s3.list_objects_v2(Bucket=bucket)["Contents"][0]["ChecksumAlgorithm"] == [kind]


@pytest.mark.parametrize("kind", COMPOSITE)
def test_no_full_object_form_in_parts(s3, bucket, kind):
    refused(400, "InvalidRequest", s3.create_multipart_upload, Bucket=bucket, Key="k", ChecksumAlgorithm=kind,
            ChecksumType="FULL_OBJECT")


def test_unknown_kind(s3, bucket):
    error = refused(400, "InvalidRequest", s3.create_multipart_upload, Bucket=bucket, Key="k", ChecksumAlgorithm="CRC16")
    assert all(kind in str(error) for kind in ALGORITHMS)


@pytest.mark.parametrize("kind", ALGORITHMS)
def test_copy_computes_it(s3, bucket, kind):
    s3.put_object(Bucket=bucket, Key="a", Body=body_of(100000))
    done = s3.copy_object(Bucket=bucket, Key="b", CopySource=f"{bucket}/a", ChecksumAlgorithm=kind)
    assert done["CopyObjectResult"][f"Checksum{kind}"] == checksum(kind, body_of(100000))


@pytest.mark.parametrize("kind", ALGORITHMS)
@pytest.mark.parametrize("size", [0, 1000])
def test_tarn_sends_it(tarn, s3, bucket, tmp_path, kind, size):
    file_of(tmp_path / "f", size)
    tarn("cp", "--checksum-algorithm", kind, tmp_path / "f", f"s3://{bucket}/k")
    told = json.loads(tarn("head", "--json", f"s3://{bucket}/k").stdout)
    value = checksum(kind, (tmp_path / "f").read_bytes())
    assert (told["checksum_algorithm"], told["checksum"], told["checksum_type"]) == (kind, value, "FULL_OBJECT")
    assert s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")[f"Checksum{kind}"] == value
    assert tarn("cat", f"s3://{bucket}/k").stdout == (tmp_path / "f").read_bytes()


@pytest.mark.parametrize("kind", [kind for kind in ALGORITHMS if kind not in ("CRC32C", "CRC64NVME")])
@pytest.mark.parametrize("source", ["file", "stream"])
def test_tarn_sends_it_in_parts(tarn, s3, bucket, tmp_path, kind, source):
    data = body_of(SIZE)
    flags = ["--checksum-algorithm", kind, "--part-size", "5"]
    if source == "file":
        (tmp_path / "f").write_bytes(data)
        tarn("cp", *flags, "--no-resume", tmp_path / "f", f"s3://{bucket}/k")
    else:
        tarn("pipe", *flags, f"s3://{bucket}/k", input=data)
    head = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert (head[f"Checksum{kind}"], head["ChecksumType"]) == expected(kind, data)
    tarn("cp", "--part-size", "5", f"s3://{bucket}/k", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == data


def test_tarn_sends_none_in_parts(tarn, s3, bucket, tmp_path):
    data = body_of(SIZE)
    (tmp_path / "f").write_bytes(data)
    tarn("cp", "--checksum-algorithm", "NONE", "--part-size", "5", tmp_path / "f", f"s3://{bucket}/k")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == data
