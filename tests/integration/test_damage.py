# SPDX-License-Identifier: Apache-2.0
"""An index that the disk spoils under a running server: it ends itself, and its next start has everything."""

import os

from botocore.exceptions import BotoCoreError, ClientError

PAGE = 4096
COUNT = 1500


def spoil(path):
    """Another bit in every page but the first, in place, as a disk does it."""
    with open(path, "r+b") as file:
        for at in range(PAGE, os.path.getsize(path), PAGE):
            file.seek(at + 100)
            byte = file.read(1)
            file.seek(at + 100)
            file.write(bytes([byte[0] ^ 1]))


def test_a_damaged_index_ends_the_process_and_is_made_anew(new_server):
    server = new_server().start()
    s3 = server.boto()
    s3.create_bucket(Bucket="damage")
    for i in range(COUNT):
        s3.put_object(Bucket="damage", Key=f"key-{i:05}", Body=b"%d" % i)
    server.stop()
    server.start()
    spoil(server.data / "index.sqlite")
    s3 = server.boto()
    stored = []
    for i in range(COUNT):
        try:
            s3.put_object(Bucket="damage", Key=f"key-{i:05}", Body=b"new %d" % i)
            stored.append(i)
        except (ClientError, BotoCoreError):
            if server.process.poll() is not None:
                break
    assert server.process.wait(30) == 1
    assert "event=store_failed" in server.log and "the next start builds it anew" in server.log
    server.start()
    assert "event=index_rebuild" in server.log
    s3 = server.boto()
    keys = [k["Key"] for page in s3.get_paginator("list_objects_v2").paginate(Bucket="damage") for k in page["Contents"]]
    assert keys == [f"key-{i:05}" for i in range(COUNT)]
    for i in stored:
        assert s3.get_object(Bucket="damage", Key=f"key-{i:05}")["Body"].read() == b"new %d" % i
    server.stop()
