# SPDX-License-Identifier: Apache-2.0
"""RenameObject: another name in one step, whoever looks and whatever is killed."""

import datetime
import json
import signal
import threading
import time
import urllib.parse

import pytest
from botocore.exceptions import ClientError

import raw
from conftest import MIB, body_of, refused

OTHER = '"00000000000000000000000000000000"'
LONG_AGO = datetime.datetime(2001, 1, 1, tzinfo=datetime.timezone.utc)
AHEAD = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=1)
RACERS = 64


def rename(s3, bucket, old, new, **more):
    return s3.rename_object(Bucket=bucket, Key=new, RenameSource=f"{bucket}/{urllib.parse.quote(old)}", **more)


def read(s3, bucket, key, **more):
    return s3.get_object(Bucket=bucket, Key=key, **more)["Body"].read()


def keys(s3, bucket):
    return [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]


@pytest.mark.parametrize("size", [0, 10, 2 * MIB])
def test_everything_moves(s3, bucket, size):
    body = body_of(size, 1)
    s3.put_object(Bucket=bucket, Key="a b/ö+", Body=body, ContentType="x/y", Metadata={"m": "1"}, Tagging="t=1")
    before = s3.head_object(Bucket=bucket, Key="a b/ö+")
    s3.put_object(Bucket=bucket, Key="new", Body=b"replaced")
    rename(s3, bucket, "a b/ö+", "new")
    after = s3.head_object(Bucket=bucket, Key="new")
    for field in ("ETag", "LastModified", "ContentLength", "ContentType", "Metadata"):
        assert after[field] == before[field]
    assert s3.get_object_tagging(Bucket=bucket, Key="new")["TagSet"] == [{"Key": "t", "Value": "1"}]
    assert read(s3, bucket, "new", ChecksumMode="ENABLED") == body
    assert keys(s3, bucket) == ["new"]
    refused(404, "NoSuchKey", s3.get_object, Bucket=bucket, Key="a b/ö+")


@pytest.mark.parametrize("form", ["{bucket}/old", "/{bucket}/old", "/old", "old"])
def test_forms_of_the_source(server, s3, bucket, form):
    s3.put_object(Bucket=bucket, Key="old", Body=b"1")
    headers = {"x-amz-rename-source": form.format(bucket=bucket)}
    reply = raw.Connection(server).request("PUT", f"/{bucket}/new?renameObject", b"", headers)
    assert (reply.status, reply.body) == (200, b"")
    assert keys(s3, bucket) == ["new"]


CONDITIONS = [
    # conditions, does the new name exist, status
    ({"DestinationIfNoneMatch": "*"}, False, 200),
    ({"DestinationIfNoneMatch": "*"}, True, 412),
    ({"DestinationIfMatch": "NEW"}, True, 200),
    ({"DestinationIfMatch": OTHER}, True, 412),
    ({"DestinationIfMatch": OTHER}, False, 404),
    ({"DestinationIfModifiedSince": LONG_AGO}, True, 200),
    ({"DestinationIfModifiedSince": LONG_AGO}, False, 412),
    ({"DestinationIfModifiedSince": AHEAD - datetime.timedelta(days=2)}, True, 200),
    ({"DestinationIfUnmodifiedSince": LONG_AGO}, True, 412),
    ({"DestinationIfUnmodifiedSince": LONG_AGO}, False, 200),
    ({"SourceIfMatch": "OLD"}, True, 200),
    ({"SourceIfMatch": OTHER}, True, 412),
    ({"SourceIfNoneMatch": "OLD"}, True, 412),
    ({"SourceIfNoneMatch": "*"}, True, 412),
    ({"SourceIfNoneMatch": OTHER}, True, 200),
    ({"SourceIfModifiedSince": LONG_AGO}, True, 200),
    ({"SourceIfUnmodifiedSince": LONG_AGO}, True, 412),
    ({"SourceIfUnmodifiedSince": AHEAD}, True, 200),
    ({"SourceIfMatch": "OLD", "DestinationIfMatch": OTHER}, True, 412),
    ({"DestinationIfNoneMatch": OTHER}, True, 501),
]


@pytest.mark.parametrize("conditions,exists,status", CONDITIONS)
def test_conditions(s3, bucket, conditions, exists, status):
    old = s3.put_object(Bucket=bucket, Key="old", Body=b"old")["ETag"]
    new = s3.put_object(Bucket=bucket, Key="new", Body=b"new")["ETag"] if exists else ""
    conditions = {k: {"OLD": old, "NEW": new}.get(v, v) for k, v in conditions.items()}
    if status == 200:
        rename(s3, bucket, "old", "new", **conditions)
        assert keys(s3, bucket) == ["new"]
    else:
        with pytest.raises(ClientError) as caught:
            rename(s3, bucket, "old", "new", **conditions)
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
        assert keys(s3, bucket) == (["new", "old"] if exists else ["old"])
        assert read(s3, bucket, "old") == b"old"


def test_what_is_refused(server, s3, bucket):
    s3.put_object(Bucket=bucket, Key="old", Body=b"old")
    refused(404, "NoSuchKey", rename, s3, bucket, "absent", "new")
    refused(400, "InvalidRequest", rename, s3, bucket, "old", "old")
    refused(400, "InvalidArgument", rename, s3, bucket, "old", "new", ClientToken="x" * 65)
    refused(400, "InvalidArgument", rename, s3, bucket, "old", "new", ClientToken="a b")
    conn = raw.Connection(server)
    for headers in ({}, {"x-amz-rename-source": "%zz"}, {"x-amz-rename-source": "/"}):
        reply = conn.request("PUT", f"/{bucket}/new?renameObject", b"", headers)
        assert (reply.status, reply.code) == (400, "InvalidArgument")
    reply = conn.request("PUT", f"/{bucket}/new", b"", {"x-amz-rename-source": "old"})
    assert (reply.status, reply.code) == (501, "NotImplemented")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    refused(501, "NotImplemented", rename, s3, bucket, "old", "new")
    assert keys(s3, bucket) == ["old"]


def test_client_token(s3, bucket):
    s3.put_object(Bucket=bucket, Key="old", Body=b"1")
    rename(s3, bucket, "old", "new", ClientToken="token-1")
    rename(s3, bucket, "old", "new", ClientToken="token-1")  # has been done
    s3.put_object(Bucket=bucket, Key="old", Body=b"2")
    rename(s3, bucket, "old", "new", ClientToken="token-1")
    assert read(s3, bucket, "new") == b"1"  # no second time
    refused(400, "IdempotencyParameterMismatch", rename, s3, bucket, "other", "new", ClientToken="token-1")
    refused(404, "NoSuchKey", rename, s3, bucket, "absent", "new", ClientToken="token-2")
    rename(s3, bucket, "old", "new", ClientToken="token-2")
    assert read(s3, bucket, "new") == b"2"


def test_racers_for_one_source(s3, bucket):
    """64 renames of one object to names of their own: one gets it."""
    for number in range(5):
        s3.put_object(Bucket=bucket, Key="old", Body=b"x")
        won, codes = [], []

        def run(i):
            try:
                rename(s3, bucket, "old", f"new-{number}-{i}")
                won.append(i)
            except ClientError as error:
                codes.append(error.response["Error"]["Code"])

        threads = [threading.Thread(target=run, args=(i,)) for i in range(RACERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(won) == 1
        assert set(codes) == {"NoSuchKey"}
        assert keys(s3, bucket) == [f"new-{number}-{won[0]}"]
        s3.delete_object(Bucket=bucket, Key=f"new-{number}-{won[0]}")


def test_racers_for_one_name(s3, bucket):
    """64 objects want one name that must be free: one gets it, the others stay as they are."""
    for i in range(RACERS):
        s3.put_object(Bucket=bucket, Key=f"old-{i:02}", Body=str(i).encode())
    won, codes = [], []

    def run(i):
        try:
            rename(s3, bucket, f"old-{i:02}", "new", DestinationIfNoneMatch="*")
            won.append(i)
        except ClientError as error:
            codes.append(error.response["Error"]["Code"])

    threads = [threading.Thread(target=run, args=(i,)) for i in range(RACERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert set(codes) == {"PreconditionFailed"}
    assert read(s3, bucket, "new") == str(won[0]).encode()
    assert keys(s3, bucket) == sorted(["new"] + [f"old-{i:02}" for i in range(RACERS) if i != won[0]])


def test_nobody_sees_both_or_neither(server, s3, bucket):
    """An object goes from name to name, onwards only. Each listing has one name; who finds a name gone
    finds a later one, and who finds a name finds none of the earlier ones."""
    count = 150
    names = [f"n-{i:03}" for i in range(count)]
    s3.put_object(Bucket=bucket, Key=names[0], Body=b"x")
    done = threading.Event()
    faults = []
    present = [True] + [False] * (count - 1)

    def look(conn):
        while not done.is_set():
            body = conn.request("GET", f"/{bucket}?list-type=2").body
            if body.count(b"<Key>") != 1:
                faults.append(("list", body))

    def follow(conn):
        at = 0
        while not done.is_set():
            status = conn.request("HEAD", f"/{bucket}/{names[at]}").status
            if status == 200 and at and conn.request("HEAD", f"/{bucket}/{names[at - 1]}").status != 404:
                faults.append(("both", at))
            if status == 404 and at + 1 < count and present[at]:
                # It was there and is gone: so the next one is there, or has been.
                later = conn.request("GET", f"/{bucket}?list-type=2&start-after={names[at]}").body
                if later.count(b"<Key>") != 1:
                    faults.append(("neither", at, later))
            present[at] = present[at] or status == 200
            at += status == 404 and at + 1 < count and present[at]

    threads = [threading.Thread(target=look, args=(raw.Connection(server, 60),)) for _ in range(3)]
    threads += [threading.Thread(target=follow, args=(raw.Connection(server, 60),)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for old, new in zip(names, names[1:]):
        rename(s3, bucket, old, new)
    done.set()
    for thread in threads:
        thread.join()
    assert not faults, faults[:3]
    assert keys(s3, bucket) == [names[-1]]


def test_who_may(s3, bucket, server):
    """Who renames needs to write the new name, and to read and delete the old one."""
    account = server.boto()
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Deny", "Principal": "*", "Action": "s3:DeleteObject", "Resource": f"arn:aws:s3:::{bucket}/kept*"}
        ],
    }
    account.put_object(Bucket=bucket, Key="kept", Body=b"x")
    account.put_object(Bucket=bucket, Key="free", Body=b"x")
    account.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    refused(403, "AccessDenied", rename, s3, bucket, "kept", "new")
    rename(s3, bucket, "free", "new")
    assert keys(s3, bucket) == ["kept", "new"]


def test_killed_at_any_moment(new_server):
    """After each kill there is one name of each object, and of those that were answered the new one."""
    server = new_server().start()
    s3 = server.boto()
    s3.create_bucket(Bucket="bkt")
    place = {}
    for i in range(8):
        place[i] = 0
        s3.put_object(Bucket="bkt", Key=f"{i}/0000", Body=body_of(1000 * (i + 1), i))
    for _ in range(3):
        asked = dict(place)
        stop = threading.Event()

        def run(i):
            client = server.boto()
            while not stop.is_set():
                asked[i] = place[i] + 1
                try:
                    rename(client, "bkt", f"{i}/{place[i]:04}", f"{i}/{asked[i]:04}")
                except Exception:
                    return
                place[i] = asked[i]

        threads = [threading.Thread(target=run, args=(i,)) for i in place]
        for thread in threads:
            thread.start()
        while sum(place.values()) < sum(asked.values()) or min(place.values()) < 3:
            time.sleep(0.01)
            if sum(place.values()) > 60:
                break
        server.process.send_signal(signal.SIGKILL)
        stop.set()
        for thread in threads:
            thread.join()
        server.kill()
        s3 = server.start().boto()
        found = keys(s3, "bkt")
        assert len(found) == 8, found
        for name in found:
            i, number = int(name[0]), int(name[2:])
            assert number in (place[i], asked[i])
            place[i] = number
            assert read(s3, "bkt", name) == body_of(1000 * (i + 1), i)
