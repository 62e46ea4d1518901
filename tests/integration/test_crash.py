# SPDX-License-Identifier: Apache-2.0
"""SIGKILL in the middle of 64 parallel uploads: what was acknowledged is there, nothing is there by half."""

import hashlib
import os
import random
import threading
import time

import pytest

import raw
from conftest import KEYS, MIB

ROUNDS = int(os.environ.get("TARN_CRASH_ROUNDS", "20"))
UPLOADERS = 64
BUCKET = "crash"
SIZES = [0, 1, 100, 4096, 4096, 65536, 300000, MIB - 1, MIB + 1, 3 * MIB]
NOISE = random.Random(7).randbytes(4 * MIB)
PART = 5 * MIB


def body_for(name):
    """The one body that `name` may have: its size and bytes follow from the name."""
    draw = random.Random(name)
    size, at = draw.choice(SIZES), draw.randrange(MIB)
    head = name.encode()[:size]
    return head + NOISE[at : at + size - len(head)]


class Uploader(threading.Thread):
    """Uploads until the server dies; remembers what was sent and what was acknowledged."""

    def __init__(self, server, round_number, number):
        super().__init__(daemon=True)
        self.server, self.prefix = server, f"r{round_number}/u{number}"
        self.does_parts = number % 16 == 0
        self.sent, self.acknowledged = {}, {}

    def run(self):
        try:
            with raw.Connection(self.server, 60) as conn:
                for i in range(100000):
                    name = f"{self.prefix}/{i}"
                    self.upload_parts(conn, name) if self.does_parts else self.upload(conn, name)
        except (OSError, EOFError):
            pass  # the kill

    def upload(self, conn, name):
        body = body_for(name)
        self.sent[name] = etag = hashlib.md5(body).hexdigest()
        reply = conn.request("PUT", f"/{BUCKET}/{name}", body)
        assert reply.status == 200, reply
        self.acknowledged[name] = etag

    def upload_parts(self, conn, name):
        target = f"/{BUCKET}/{name}"
        reply = conn.request("POST", target + "?uploads", b"")
        upload = reply.body.decode().partition("<UploadId>")[2].partition("</UploadId>")[0]
        bodies = [(NOISE * 2)[:PART], name.encode()]
        etags = [
            conn.request("PUT", f"{target}?partNumber={n}&uploadId={upload}", body).headers["etag"]
            for n, body in enumerate(bodies, 1)
        ]
        digests = b"".join(hashlib.md5(body).digest() for body in bodies)
        self.sent[name] = etag = hashlib.md5(digests).hexdigest() + "-2"
        xml = "".join(f"<Part><PartNumber>{n}</PartNumber><ETag>{e}</ETag></Part>" for n, e in enumerate(etags, 1))
        xml = f"<CompleteMultipartUpload>{xml}</CompleteMultipartUpload>"
        reply = conn.request("POST", f"{target}?uploadId={upload}", xml.encode())
        assert reply.status == 200 and b"<ETag>" in reply.body, reply
        self.acknowledged[name] = etag


def listed(s3, prefix=""):
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
    return {e["Key"]: (e["ETag"].strip('"'), e["Size"]) for page in pages for e in page.get("Contents", [])}


def body_etag(reply_body, etag):
    if not etag.endswith("-2"):
        return hashlib.md5(reply_body).hexdigest()
    digests = [hashlib.md5(piece).digest() for piece in (reply_body[:PART], reply_body[PART:])]
    return hashlib.md5(b"".join(digests)).hexdigest() + "-2"


def verify(server, names, expected):
    with raw.Connection(server, 60) as conn:
        for name in names:
            reply = conn.request("GET", f"/{BUCKET}/{name}")
            assert reply.status == 200, (name, reply)
            assert body_etag(reply.body, expected[name]) == expected[name], f"{name} is not what was sent"


def wait_for_acknowledged(uploaders, count):
    while sum(len(uploader.acknowledged) for uploader in uploaders) < count:
        assert any(uploader.is_alive() for uploader in uploaders)
        time.sleep(0.01)


@pytest.mark.timeout(600)
def test_kill_during_uploads(new_server):
    server = new_server(keys=KEYS)
    sent, acknowledged = {}, {}
    server.start().boto().create_bucket(Bucket=BUCKET)
    draw = random.Random(1)
    for number in range(ROUNDS):
        uploaders = [Uploader(server, number, i) for i in range(UPLOADERS)]
        for uploader in uploaders:
            uploader.start()
        wait_for_acknowledged(uploaders, 11)
        time.sleep(draw.uniform(0, 1))
        server.kill()
        fresh = {}
        for uploader in uploaders:
            uploader.join(60)
            sent.update(uploader.sent)
            fresh.update(uploader.acknowledged)
        acknowledged.update(fresh)
        server.start()
        found = check(server, f"r{number}/", sent, fresh)
        verify(server, found, sent)
    check(server, "", sent, acknowledged)
    assert len(acknowledged) > ROUNDS * 10, "hardly anything was acknowledged: the test shows nothing"
    verify(server, draw.sample(sorted(acknowledged), min(len(acknowledged), 2000)), acknowledged)
    server.stop()


def check(server, prefix, sent, acknowledged):
    """All that was acknowledged is listed, and what is listed has the tag of a body that was sent whole."""
    found = listed(server.boto(), prefix)
    lost = [name for name in acknowledged if name not in found]
    assert not lost, f"{len(lost)} acknowledged objects are lost, such as {lost[:5]}"
    for name, (etag, _) in found.items():
        assert etag == sent.get(name), f"{name} has the tag of no whole body"
    return list(found)


@pytest.mark.timeout(120)
def test_kill_at_start_up(new_server):
    """Kills while it recovers change nothing."""
    server = new_server(keys=KEYS)
    s3 = server.start().boto()
    s3.create_bucket(Bucket=BUCKET)
    raw.put_many(server, BUCKET, [f"k{i}" for i in range(500)], lambda key: key.encode())
    for delay in (0.0, 0.005, 0.02, 0.05, 0.1, 0.2):
        server.kill()
        server.spawn()
        time.sleep(delay)
    server.kill()
    server.start()
    found = listed(server.boto())
    assert {name: tag for name, (tag, _) in found.items()} == {
        f"k{i}": hashlib.md5(f"k{i}".encode()).hexdigest() for i in range(500)
    }
    server.stop()


@pytest.mark.timeout(120)
def test_term_finishes_what_runs(new_server):
    """SIGTERM while uploads run: each one ends acknowledged and kept, or refused and absent."""
    server = new_server(keys=KEYS)
    server.start().boto().create_bucket(Bucket=BUCKET)
    uploaders = [Uploader(server, 0, i) for i in range(1, 16)]
    for uploader in uploaders:
        uploader.start()
    wait_for_acknowledged(uploaders, 50)
    server.stop()
    for uploader in uploaders:
        uploader.join(60)
    server.start()
    found = listed(server.boto())
    for uploader in uploaders:
        for name, etag in uploader.acknowledged.items():
            assert found[name][0] == etag
    server.stop()
