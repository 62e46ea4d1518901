# SPDX-License-Identifier: Apache-2.0
"""Bodies whose chunks are signed with version 4A: each by the private key, in a chain from the head's signature."""

import base64
import datetime
import hashlib
import http.client
import time
import zlib

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from conftest import KEYS, body_of
from test_sigv2 import derive

PAYLOAD = "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"
EMPTY = hashlib.sha256(b"").hexdigest()


class Signer:
    def __init__(self, secret=KEYS[1], pad=True):
        self.key = derive(KEYS[0], secret)
        self.pad = pad
        self.now = datetime.datetime.fromtimestamp(time.time(), datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        self.scope = f"{self.now[:8]}/s3/aws4_request"
        self.previous = ""

    def sign(self, text):
        self.previous = self.key.sign(text.encode(), ec.ECDSA(hashes.SHA256())).hex()
        return self.previous.ljust(144, "*") if self.pad else self.previous

    def head(self, path, headers):
        names = ";".join(sorted(headers))
        lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
        canonical = f"PUT\n{path}\n\n{lines}\n{names}\n{headers['x-amz-content-sha256']}"
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        self.sign(f"AWS4-ECDSA-P256-SHA256\n{self.now}\n{self.scope}\n{digest}")
        return (
            f"AWS4-ECDSA-P256-SHA256 Credential={KEYS[0]}/{self.scope}, SignedHeaders={names}, Signature={self.previous}"
        )

    def chunk(self, data):
        digest = hashlib.sha256(data).hexdigest()
        text = f"AWS4-ECDSA-P256-SHA256-PAYLOAD\n{self.now}\n{self.scope}\n{self.previous}\n{EMPTY}\n{digest}"
        return f"{len(data):x};chunk-signature={self.sign(text)}\r\n".encode() + data + (b"\r\n" if data else b"")

    def trailer(self, name, value):
        digest = hashlib.sha256(f"{name}:{value}\n".encode()).hexdigest()
        text = f"AWS4-ECDSA-P256-SHA256-TRAILER\n{self.now}\n{self.scope}\n{self.previous}\n{digest}"
        return f"{name}:{value}\r\nx-amz-trailer-signature:{self.sign(text)}\r\n\r\n".encode()


def put(server, path, data, signer, trailer=None, change=lambda body: body, payload=PAYLOAD, chunk=64 * 1024):
    headers = {
        "host": server.netloc,
        "x-amz-content-sha256": payload + ("-TRAILER" if trailer else ""),
        "x-amz-date": signer.now,
        "x-amz-decoded-content-length": str(len(data)),
        "x-amz-region-set": "*",
    }
    if trailer:
        headers["x-amz-trailer"] = trailer[0]
    authorization = signer.head(path, headers)
    pieces = [signer.chunk(data[at : at + chunk]) for at in range(0, len(data), chunk)] + [signer.chunk(b"")]
    pieces.append(signer.trailer(*trailer) if trailer else b"\r\n")
    body = change(b"".join(pieces))
    conn = http.client.HTTPConnection(server.netloc, timeout=60)
    conn.request("PUT", path, body, {**headers, "authorization": authorization})
    reply = conn.getresponse()
    text = reply.read().decode()
    conn.close()
    return reply.status, text.partition("<Code>")[2].partition("<")[0]


@pytest.mark.parametrize("size", [0, 1, 65536, 200000])
@pytest.mark.parametrize("pad", [True, False])
def test_chunks(server, s3, bucket, size, pad):
    data = body_of(size, 1)
    assert put(server, f"/{bucket}/k", data, Signer(pad=pad)) == (200, "")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == data


def test_trailer(server, s3, bucket):
    data = body_of(100000, 2)
    crc = base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()
    trailer = ("x-amz-checksum-crc32", crc)
    assert put(server, f"/{bucket}/k", data, Signer(), trailer) == (200, "")
    head = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert head["ChecksumCRC32"] == crc
    changed = put(server, f"/{bucket}/other", data, Signer(), trailer, lambda body: body.replace(b"crc32:", b"crc32: "))
    assert changed == (200, "")  # blanks are no part of what is signed
    wrong = lambda body: body[: body.rindex(b"signature:") + 20] + b"00" + body[body.rindex(b"signature:") + 22 :]
    assert put(server, f"/{bucket}/other", data, Signer(), trailer, wrong)[0] == 403


def flip(at):
    def change(body):
        return body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]

    return change


def test_what_is_changed_is_refused(server, s3, bucket):
    data = body_of(150000, 3)
    path = f"/{bucket}/k"
    assert put(server, path, data, Signer(), change=flip(1000)) == (403, "SignatureDoesNotMatch")
    assert put(server, path, data, Signer(), change=flip(100000)) == (403, "SignatureDoesNotMatch")
    assert put(server, path, data, Signer(), change=lambda body: body.replace(b"signature=30", b"signature=31", 1)) == (
        403,
        "SignatureDoesNotMatch",
    )
    assert put(server, path, data, Signer(secret="another")) == (403, "SignatureDoesNotMatch")

    def swap(body):
        head = len("10000;chunk-signature=") + 144 + 2
        size = head + 65536 + 2
        return body[size : 2 * size] + body[:size] + body[2 * size :]

    assert put(server, path, data, Signer(), change=swap) == (403, "SignatureDoesNotMatch")
    empty = lambda body: body.replace(body[6 : body.index(b"\r\n")], b"chunk-signature=", 1)
    assert put(server, path, data, Signer(), change=empty) == (400, "InvalidRequest")
    assert put(server, path, data, Signer(), payload="STREAMING-AWS4-HMAC-SHA256-PAYLOAD") == (400, "InvalidArgument")
    assert put(server, path, data, Signer(), payload=PAYLOAD + "-MORE") == (400, "InvalidArgument")
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
