# SPDX-License-Identifier: Apache-2.0
"""Multipart uploads through boto3."""

import base64
import concurrent.futures
import hashlib
import zlib

import pytest
from botocore.exceptions import ClientError

from conftest import MIB, body_of, refused
import raw

PART = 5 * MIB


class Upload:
    def __init__(self, s3, bucket, key="m", **more):
        self.s3, self.target = s3, {"Bucket": bucket, "Key": key}
        self.id = s3.create_multipart_upload(**self.target, **more)["UploadId"]

    @property
    def all(self):
        return dict(self.target, UploadId=self.id)

    def part(self, number, body, **more):
        reply = self.s3.upload_part(**self.all, PartNumber=number, Body=body, **more)
        return {"PartNumber": number, "ETag": reply["ETag"]}

    def complete(self, parts, **more):
        return self.s3.complete_multipart_upload(**self.all, MultipartUpload={"Parts": parts}, **more)

    def abort(self):
        return self.s3.abort_multipart_upload(**self.all)


def etag_of(bodies):
    return f'"{hashlib.md5(b"".join(hashlib.md5(b).digest() for b in bodies)).hexdigest()}-{len(bodies)}"'


def test_three_parts(s3, bucket):
    bodies = [body_of(PART, 1), body_of(PART + 1, 2), body_of(100, 3)]
    upload = Upload(s3, bucket, ContentType="text/odd", Metadata={"a": "b"})
    parts = [upload.part(i + 1, body) for i, body in enumerate(bodies)]
    assert parts[0]["ETag"] == f'"{hashlib.md5(bodies[0]).hexdigest()}"'
    refused(404, "NoSuchKey", s3.get_object, **upload.target)
    done = upload.complete(parts)
    assert (done["ETag"], done["Bucket"], done["Key"]) == (etag_of(bodies), bucket, "m")
    got = s3.get_object(**upload.target)
    assert (got["ETag"], got["ContentType"], got["Metadata"]) == (etag_of(bodies), "text/odd", {"a": "b"})
    whole = b"".join(bodies)
    assert got["Body"].read() == whole
    for first, last in [(PART - 10, PART + 10), (0, 0), (2 * PART, 2 * PART + 50), (len(whole) - 1, len(whole))]:
        part = s3.get_object(**upload.target, Range=f"bytes={first}-{last}")
        assert part["Body"].read() == whole[first : last + 1]
    assert s3.list_multipart_uploads(Bucket=bucket).get("Uploads") is None
    assert [(o["Key"], o["Size"]) for o in s3.list_objects_v2(Bucket=bucket)["Contents"]] == [("m", len(whole))]


def test_by_part_number(s3, bucket):
    bodies = [body_of(PART, 1), body_of(99, 2)]
    upload = Upload(s3, bucket)
    upload.complete([upload.part(i + 1, body) for i, body in enumerate(bodies)])
    for number, body in enumerate(bodies, 1):
        got = s3.get_object(**upload.target, PartNumber=number)
        assert got["ResponseMetadata"]["HTTPStatusCode"] == 206
        assert (got["PartsCount"], got["Body"].read() == body) == (2, True)
    head = s3.head_object(**upload.target, PartNumber=2)
    assert (head["ContentLength"], head["PartsCount"]) == (99, 2)
    refused(416, "InvalidPartNumber", s3.get_object, **upload.target, PartNumber=3)


def test_gaps_and_replaced_parts(s3, bucket):
    upload = Upload(s3, bucket)
    upload.part(10000, b"replaced")
    last = upload.part(10000, b"last")
    unused = upload.part(8, b"unused")
    first = upload.part(3, body_of(PART))
    assert unused
    upload.complete([first, last])
    assert s3.get_object(**upload.target)["Body"].read() == body_of(PART) + b"last"


def test_one_small_or_empty_part(s3, bucket):
    for body in (b"", b"x"):
        upload = Upload(s3, bucket)
        assert upload.complete([upload.part(1, body)])["ETag"] == etag_of([body])
        assert s3.get_object(**upload.target)["Body"].read() == body


def test_complete_errors(s3, bucket):
    upload = Upload(s3, bucket)
    one, two = upload.part(1, body_of(PART)), upload.part(2, b"end")
    wrong = {"PartNumber": 1, "ETag": '"00000000000000000000000000000000"'}
    refused(400, "InvalidPart", upload.complete, [wrong, two])
    refused(400, "InvalidPart", upload.complete, [one, two, {"PartNumber": 3, "ETag": one["ETag"]}])
    refused(400, "InvalidPartOrder", upload.complete, [two, one])
    refused(400, "MalformedXML", upload.complete, [])
    three = upload.part(3, b"after a part that is too small")
    refused(400, "EntityTooSmall", upload.complete, [one, two, three])
    refused(404, "NoSuchKey", s3.get_object, **upload.target)
    upload.complete([one, two])
    refused(404, "NoSuchUpload", upload.part, 4, b"late")


def test_complete_again(s3, bucket):
    """A client that lost the answer asks again: it gets the same one, while the object is that upload's."""
    upload = Upload(s3, bucket)
    parts = [upload.part(1, body_of(PART)), upload.part(2, b"x")]
    first = upload.complete(parts, IfNoneMatch="*")
    for more in ({}, {"IfNoneMatch": "*"}):
        again = upload.complete(parts, **more)
        assert [again[name] for name in ("ETag", "Bucket", "Key")] == [first[name] for name in ("ETag", "Bucket", "Key")]
    refused(404, "NoSuchUpload", upload.complete, parts[:1])
    refused(404, "NoSuchUpload", upload.complete, [parts[0], dict(parts[1], ETag=parts[0]["ETag"])])
    refused(404, "NoSuchUpload", upload.complete, [parts[0], dict(parts[1], ETag='"x"')])
    refused(404, "NoSuchUpload", upload.abort)
    refused(404, "NoSuchUpload", s3.list_parts, **upload.all)
    s3.put_object_tagging(**upload.target, Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    assert upload.complete(parts)["ETag"] == first["ETag"]
    assert s3.get_object_tagging(**upload.target)["TagSet"] == [{"Key": "a", "Value": "b"}]
    s3.copy_object(**upload.target, CopySource=upload.target, MetadataDirective="REPLACE")
    refused(404, "NoSuchUpload", upload.complete, parts)
    s3.delete_object(**upload.target)
    refused(404, "NoSuchUpload", upload.complete, parts)


def test_complete_again_with_a_checksum(s3, bucket):
    upload = Upload(s3, bucket, ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT")
    parts = [upload.part(1, b"x", ChecksumCRC32=crc32(b"x"))]
    first = upload.complete(parts, ChecksumCRC32=crc32(b"x"))
    again = upload.complete(parts, ChecksumCRC32=crc32(b"x"))
    assert (again["ChecksumCRC32"], again["ChecksumType"]) == (first["ChecksumCRC32"], "FULL_OBJECT")
    refused(400, "BadDigest", upload.complete, parts, ChecksumCRC32=crc32(b"y"))


def test_complete_at_once(s3, bucket):
    """Of many that complete the same upload all get the one answer, and there is one version."""
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    upload = Upload(s3, bucket)
    parts = [upload.part(1, b"x")]
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: upload.complete(parts), range(16)))
    assert len({(answer["ETag"], answer["VersionId"]) for answer in answers}) == 1
    assert len(s3.list_object_versions(Bucket=bucket)["Versions"]) == 1


def test_complete_again_after_a_restart(new_server):
    server = new_server().start()
    s3 = server.boto()
    s3.create_bucket(Bucket="bkt")
    upload = Upload(s3, "bkt")
    parts = [upload.part(1, b"x")]
    first = upload.complete(parts)
    server.kill()
    upload.s3 = server.start().boto()
    assert upload.complete(parts)["ETag"] == first["ETag"]


def test_a_part_that_is_named_twice(s3, bucket):
    """The later entry counts: its client has sent the part again."""
    upload = Upload(s3, bucket)
    old = upload.part(1, b"old")
    new = upload.part(1, b"new")
    refused(400, "InvalidPart", upload.complete, [new, old])
    upload.complete([old, new])
    assert s3.get_object(**upload.target)["Body"].read() == b"new"


def test_part_errors(server, s3, bucket):
    upload = Upload(s3, bucket)
    for number in ("0", "10001", "-1", "x", "", "99999999999999999999"):
        with raw.Connection(server) as conn:
            reply = conn.request("PUT", f"/{bucket}/m?partNumber={number}&uploadId={upload.id}", b"x")
        assert (reply.status, reply.code) == (400, "InvalidArgument"), number
    with raw.Connection(server) as conn:
        for upload_id in ("nope", "a" * 5000, "..%2f..%2fx", "%00"):
            reply = conn.request("PUT", f"/{bucket}/m?partNumber=1&uploadId={upload_id}", b"x")
            assert (reply.status, reply.code) == (404, "NoSuchUpload"), upload_id
        reply = conn.request("PUT", f"/{bucket}/other-key?partNumber=1&uploadId={upload.id}", b"x")
        assert (reply.status, reply.code) == (404, "NoSuchUpload")
    assert "Parts" not in s3.list_parts(**upload.all)


def test_abort(s3, bucket):
    upload = Upload(s3, bucket)
    part = upload.part(1, body_of(PART))
    assert upload.abort()["ResponseMetadata"]["HTTPStatusCode"] == 204
    refused(404, "NoSuchUpload", upload.part, 2, b"x")
    refused(404, "NoSuchUpload", upload.complete, [part])
    refused(404, "NoSuchUpload", upload.abort)
    refused(404, "NoSuchUpload", s3.list_parts, **upload.all)
    refused(404, "NoSuchKey", s3.get_object, **upload.target)


def test_uploads_keep_a_bucket_alive_or_go_with_it(s3, bucket):
    upload = Upload(s3, bucket)
    upload.part(1, b"x")
    upload.abort()
    s3.delete_bucket(Bucket=bucket)


def test_list_parts(s3, bucket):
    upload = Upload(s3, bucket)
    for number in (1, 2, 5, 9):
        upload.part(number, b"x" * number)
    page = s3.list_parts(**upload.all)
    assert [(p["PartNumber"], p["Size"]) for p in page["Parts"]] == [(1, 1), (2, 2), (5, 5), (9, 9)]
    assert page["Parts"][0]["ETag"] == '"9dd4e461268c8034f5c8564e155c67a6"'
    page = s3.list_parts(**upload.all, MaxParts=2, PartNumberMarker=1)
    assert [p["PartNumber"] for p in page["Parts"]] == [2, 5]
    assert (page["IsTruncated"], page["NextPartNumberMarker"]) == (True, 5)
    page = s3.list_parts(**upload.all, PartNumberMarker=5)
    assert ([p["PartNumber"] for p in page["Parts"]], page["IsTruncated"]) == ([9], False)


def test_list_uploads(s3, bucket):
    ids = {key: Upload(s3, bucket, key).id for key in ["a", "b/1", "b/2", "ü + %", "z"]}
    twice = Upload(s3, bucket, "a").id
    page = s3.list_multipart_uploads(Bucket=bucket)
    assert [u["Key"] for u in page["Uploads"]] == ["a", "a", "b/1", "b/2", "z", "ü + %"]
    assert {u["UploadId"] for u in page["Uploads"]} == set(ids.values()) | {twice}
    page = s3.list_multipart_uploads(Bucket=bucket, Prefix="b/")
    assert [u["Key"] for u in page["Uploads"]] == ["b/1", "b/2"]
    page = s3.list_multipart_uploads(Bucket=bucket, Delimiter="/")
    assert [u["Key"] for u in page["Uploads"]] == ["a", "a", "z", "ü + %"]
    assert [p["Prefix"] for p in page["CommonPrefixes"]] == ["b/"]
    seen, markers = [], {}
    while True:
        page = s3.list_multipart_uploads(Bucket=bucket, MaxUploads=1, **markers)
        seen += [u["UploadId"] for u in page["Uploads"]]
        if not page["IsTruncated"]:
            break
        markers = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}
    assert sorted(seen) == sorted(list(ids.values()) + [twice])


def test_conditional_complete(s3, bucket):
    s3.put_object(Bucket=bucket, Key="m", Body=b"there")
    upload = Upload(s3, bucket)
    parts = [upload.part(1, b"x")]
    refused(412, "PreconditionFailed", upload.complete, parts, IfNoneMatch="*")
    refused(412, "PreconditionFailed", upload.complete, parts, IfMatch='"0"')
    assert s3.get_object(**upload.target)["Body"].read() == b"there"
    upload.complete(parts, IfMatch=f'"{hashlib.md5(b"there").hexdigest()}"')
    assert s3.get_object(**upload.target)["Body"].read() == b"x"
    upload = Upload(s3, bucket, "fresh")
    upload.complete([upload.part(1, b"y")], IfNoneMatch="*")


def test_part_copy(s3, bucket):
    body = body_of(12 * MIB)
    s3.put_object(Bucket=bucket, Key="from +ü", Body=body)
    source = {"CopySource": {"Bucket": bucket, "Key": "from +ü"}}
    upload = Upload(s3, bucket)

    def part(number, span, **more):
        reply = s3.upload_part_copy(**upload.all, **source, PartNumber=number, CopySourceRange=span, **more)
        return {"PartNumber": number, "ETag": reply["CopyPartResult"]["ETag"]}

    parts = [part(1, f"bytes=0-{6 * MIB - 1}"), part(2, f"bytes={6 * MIB}-{12 * MIB - 1}"), upload.part(3, b"tail")]
    upload.complete(parts)
    assert s3.get_object(**upload.target)["Body"].read() == body + b"tail"
    again = Upload(s3, bucket, "again")
    reply = s3.upload_part_copy(**again.all, **source, PartNumber=1)
    again.complete([{"PartNumber": 1, "ETag": reply["CopyPartResult"]["ETag"]}])
    assert s3.get_object(**again.target)["Body"].read() == body


def test_part_copy_errors(s3, bucket):
    s3.put_object(Bucket=bucket, Key="from", Body=b"0123456789")
    upload = Upload(s3, bucket)
    target = dict(upload.all, PartNumber=1, CopySource=f"{bucket}/from")
    for span in ("bytes=0-10", "bytes=10-20"):
        with pytest.raises(ClientError) as caught:
            s3.upload_part_copy(**target, CopySourceRange=span)
        assert caught.value.response["Error"]["Code"] in ("InvalidArgument", "InvalidRange")
    for span in ("bytes=5-", "bytes=-5", "0-5", "bytes=5-2", "x"):
        refused(400, "InvalidArgument", s3.upload_part_copy, **target, CopySourceRange=span)
    refused(412, "PreconditionFailed", s3.upload_part_copy, **target, CopySourceIfMatch='"0"')
    refused(404, "NoSuchKey", s3.upload_part_copy, **dict(target, CopySource=f"{bucket}/none"))
    refused(404, "NoSuchUpload", s3.upload_part_copy, **dict(target, UploadId="none"))


def crc32(data):
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


def test_full_object_checksum(s3, bucket):
    bodies = [body_of(PART, 1), b"end"]
    upload = Upload(s3, bucket, ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT")
    parts = [upload.part(i + 1, b, ChecksumCRC32=crc32(b)) for i, b in enumerate(bodies)]
    refused(400, "BadDigest", upload.complete, parts, ChecksumCRC32=crc32(b"other"), ChecksumType="FULL_OBJECT")
    refused(400, "BadDigest", upload.complete, parts, ChecksumCRC32="bad", ChecksumType="FULL_OBJECT")
    whole = crc32(b"".join(bodies))
    done = upload.complete(parts, ChecksumCRC32=whole, ChecksumType="FULL_OBJECT")
    assert done["ChecksumCRC32"] == whole
    head = s3.head_object(**upload.target, ChecksumMode="ENABLED")
    assert (head["ChecksumCRC32"], head["ChecksumType"]) == (whole, "FULL_OBJECT")


def test_composite_checksum(s3, bucket):
    bodies = [body_of(PART, 1), b"end"]
    upload = Upload(s3, bucket, ChecksumAlgorithm="SHA256")
    parts = []
    for number, body in enumerate(bodies, 1):
        value = base64.b64encode(hashlib.sha256(body).digest()).decode()
        parts.append(dict(upload.part(number, body, ChecksumSHA256=value), ChecksumSHA256=value))
    done = upload.complete(parts)
    digest = hashlib.sha256(b"".join(hashlib.sha256(b).digest() for b in bodies)).digest()
    assert done["ChecksumSHA256"] == base64.b64encode(digest).decode() + "-2"
    refused(400, "BadDigest", Upload(s3, bucket).part, 1, b"x", ChecksumSHA1=base64.b64encode(b"0" * 20).decode())


MALFORMED = [
    b"",
    b"<",
    b"not xml",
    b"<CompleteMultipartUpload>",
    b"<Other/>",
    b"<CompleteMultipartUpload><Part><PartNumber>x</PartNumber><ETag>e</ETag></Part></CompleteMultipartUpload>",
    b"<CompleteMultipartUpload><Part><ETag>e</ETag></Part></CompleteMultipartUpload>",
    b"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber></Part></CompleteMultipartUpload>",
    b'<!DOCTYPE x [<!ENTITY e "ee">]><CompleteMultipartUpload>&e;</CompleteMultipartUpload>',
    b"<a>" * 5000,
    b"\xff\xfe\x00",
]


@pytest.mark.parametrize("body", MALFORMED, ids=range(len(MALFORMED)))
def test_malformed_complete(server, s3, bucket, body):
    upload = Upload(s3, bucket)
    upload.part(1, b"x")
    with raw.Connection(server) as conn:
        reply = conn.request("POST", f"/{bucket}/m?uploadId={upload.id}", body)
    assert (reply.status, reply.code) == (400, "MalformedXML")
    assert len(s3.list_parts(**upload.all)["Parts"]) == 1


def test_high_level_transfer(s3, bucket, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(body_of(64 * MIB))
    s3.upload_file(str(path), bucket, "file")
    s3.copy({"Bucket": bucket, "Key": "file"}, bucket, "copy")
    s3.download_file(bucket, "copy", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == path.read_bytes()
