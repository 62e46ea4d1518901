# SPDX-License-Identifier: Apache-2.0
"""64 racers for each conditional form: exactly one wins, the others are told, what stays is the winner's."""

import base64
import email.utils
import hashlib
import os
import re

import pytest

import raw
from test_race import LOST, RACERS, replies_of

ROUNDS = int(os.environ.get("TARN_RACE_ROUNDS", "20"))
GONE = LOST | {(404, "NoSuchKey")}


@pytest.fixture(scope="module")
def connections(server):
    made = [raw.Connection(server, 120) for _ in range(RACERS)]
    yield made
    for conn in made:
        conn.close()


def fire(connections, requests):
    """All at once: (method, target, headers, body) for each connection; the replies."""
    texts = []
    for conn, (method, target, headers, body) in zip(connections, requests):
        texts.append(conn.head(method, target, [*headers, ("Content-Length", len(body))]) + body)
    for conn, text in zip(connections, texts):
        conn.send(text)
    return replies_of(connections)


def only_winner(replies, lost=LOST, won=(200, 204)):
    """Which one succeeded; every other must have been refused as S3 does it."""
    winners = [i for i, reply in enumerate(replies) if reply.status in won and b"<Error>" not in reply.body]
    refusals = {(reply.status, reply.code) for i, reply in enumerate(replies) if i not in winners}
    assert refusals <= lost, refusals
    assert len(winners) == 1, winners
    return winners[0]


def etag_of(body):
    return f'"{hashlib.md5(body).hexdigest()}"'


# --- Writes ---


def put(s3, bucket, key, i, condition):
    return "PUT", f"/{bucket}/{key}", [condition], f"racer {i}".encode()


def copy(s3, bucket, key, i, condition):
    headers = [("x-amz-copy-source", f"{bucket}/source"), ("x-amz-metadata-directive", "REPLACE"), ("x-amz-meta-who", i)]
    return "PUT", f"/{bucket}/{key}", [condition, *headers], b""


def complete(s3, bucket, key, i, condition):
    upload = s3.create_multipart_upload(Bucket=bucket, Key=key, Metadata={"who": str(i)})["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=1, Body=f"racer {i}".encode())
    body = (
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber>"
        f"<ETag>{part['ETag']}</ETag></Part></CompleteMultipartUpload>"
    )
    return "POST", f"/{bucket}/{key}?uploadId={upload}", [condition], body.encode()


def who_is_there(s3, bucket, key):
    found = s3.get_object(Bucket=bucket, Key=key)
    body = found["Body"].read()
    assert body == f"racer {found['Metadata']['who']}".encode() if body.startswith(b"racer") and found["Metadata"] else True
    return int(found["Metadata"]["who"]) if found["Metadata"] else int(body.split()[1])


FORMS = {"PutObject": put, "CopyObject": copy, "CompleteMultipartUpload": complete}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("condition", ["If-None-Match", "If-Match"])
@pytest.mark.parametrize("versioning", [None, "Enabled"])
def test_one_writer(s3, bucket, connections, form, condition, versioning):
    s3.put_object(Bucket=bucket, Key="source", Body=b"the source")
    if versioning:
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": versioning})
    for number in range(ROUNDS if form != "CompleteMultipartUpload" else max(1, ROUNDS // 5)):
        key = f"k-{number}"
        header = (condition, "*")
        if condition == "If-Match":
            header = (condition, s3.put_object(Bucket=bucket, Key=key, Body=b"base")["ETag"])
        requests = [FORMS[form](s3, bucket, key, i, header) for i in range(RACERS)]
        winner = only_winner(fire(connections, requests))
        assert who_is_there(s3, bucket, key) == winner
        if versioning:
            versions = s3.list_object_versions(Bucket=bucket, Prefix=key)["Versions"]
            mine = [version for version in versions if version["Key"] == key]
            assert len(mine) == 1 + (condition == "If-Match")


# --- Deletes ---

DELETES = {
    "If-Match": lambda etag, size, date: ("If-Match", etag),
    "size": lambda etag, size, date: ("x-amz-if-match-size", size),
    "last-modified": lambda etag, size, date: ("x-amz-if-match-last-modified-time", date),
}


def make(s3, bucket, key, body=b"to be deleted"):
    etag = s3.put_object(Bucket=bucket, Key=key, Body=body)["ETag"]
    head = s3.head_object(Bucket=bucket, Key=key)
    return etag, len(body), email.utils.formatdate(head["LastModified"].timestamp(), usegmt=True)


@pytest.mark.parametrize("form", DELETES)
def test_one_deleter(s3, bucket, connections, form):
    for number in range(ROUNDS):
        key = f"k-{number}"
        condition = DELETES[form](*make(s3, bucket, key))
        replies = fire(connections, [("DELETE", f"/{bucket}/{key}", [condition], b"")] * RACERS)
        only_winner(replies, GONE)
        assert s3.list_objects_v2(Bucket=bucket, Prefix=key).get("KeyCount") == 0


def test_writers_against_deleters(s3, bucket, connections):
    """32 replace and 32 delete one state of the object: one of all wins."""
    for number in range(ROUNDS):
        key = f"k-{number}"
        etag, _, _ = make(s3, bucket, key)
        requests = []
        for i in range(RACERS):
            kind = ("PUT", f"racer {i}".encode()) if i % 2 else ("DELETE", b"")
            requests.append((kind[0], f"/{bucket}/{key}", [("If-Match", etag)], kind[1]))
        winner = only_winner(fire(connections, requests), GONE)
        found = s3.list_objects_v2(Bucket=bucket, Prefix=key).get("Contents", [])
        assert [entry["ETag"] for entry in found] == ([etag_of(f"racer {winner}".encode())] if winner % 2 else [])


FIELDS = {
    "ETag": lambda etag, size, date: f"<ETag>{etag}</ETag>",
    "Size": lambda etag, size, date: f"<Size>{size}</Size>",
    "LastModifiedTime": lambda etag, size, date: f"<LastModifiedTime>{date}</LastModifiedTime>",
}


@pytest.mark.parametrize("field", FIELDS)
def test_one_deleter_of_each_key_of_many(s3, bucket, connections, field):
    for number in range(max(1, ROUNDS // 4)):
        keys = [f"k-{number}-{i}" for i in range(8)]
        states = {key: make(s3, bucket, key, key.encode()) for key in keys}
        entries = "".join(f"<Object><Key>{key}</Key>{FIELDS[field](*states[key])}</Object>" for key in keys)
        body = f"<Delete>{entries}</Delete>".encode()
        digest = base64.b64encode(hashlib.md5(body).digest()).decode()
        replies = fire(connections, [("POST", f"/{bucket}?delete", [("Content-MD5", digest)], body)] * RACERS)
        deleted = [key for reply in replies for key in re.findall(r"<Deleted><Key>([^<]*)", reply.body.decode())]
        assert sorted(deleted) == keys  # each exactly once
        codes = {code for reply in replies for code in re.findall(r"<Code>([^<]*)", reply.body.decode())}
        assert codes <= {"PreconditionFailed", "NoSuchKey", "ConditionalRequestConflict"}, codes
        assert all(reply.status == 200 for reply in replies)


def test_increments_are_serialisable(s3, bucket, connections):
    """Each racer reads, adds one, and writes if nothing came between: the sum is that of the successes."""
    s3.put_object(Bucket=bucket, Key="counter", Body=b"0")
    sum_won = 0
    for _ in range(ROUNDS):
        reads = fire(connections, [("GET", f"/{bucket}/counter", [], b"")] * RACERS)
        requests = []
        for reply in reads:
            more = str(int(reply.body) + 1).encode()
            requests.append(("PUT", f"/{bucket}/counter", [("If-Match", etag_of(reply.body))], more))
        replies = fire(connections, requests)
        assert {(reply.status, reply.code) for reply in replies if reply.status != 200} <= LOST
        sum_won += sum(reply.status == 200 for reply in replies)
    assert int(s3.get_object(Bucket=bucket, Key="counter")["Body"].read()) == sum_won
