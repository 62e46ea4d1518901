# SPDX-License-Identifier: Apache-2.0
"""Bytes on a bare socket: framing, smuggling shapes, slow and broken peers, hostile targets."""

import datetime
import re
import select
import time

import pytest

import raw
from conftest import MIB, body_of, is_healthy


@pytest.fixture
def conn(server):
    with raw.Connection(server) as connection:
        yield connection


@pytest.fixture
def keys_of(s3, bucket):
    return lambda: [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]


def refuses_and_closes(conn, request, statuses=(400,)):
    """The server answers with an error and hangs up: nothing behind may be taken for a request."""
    conn.send(request)
    reply = conn.reply()
    assert reply.status in statuses, reply
    assert conn.is_closed_by_peer(), "the connection stays open behind broken framing"
    assert b"HTTP/1.1 200" not in conn.pending


# --- framing ---

SMUGGLING = [
    ("two equal lengths", [("Content-Length", "5"), ("Content-Length", "5")]),
    ("two lengths", [("Content-Length", "5"), ("Content-Length", "6")]),
    ("a list of lengths", [("Content-Length", "5, 5")]),
    ("length and chunked", [("Content-Length", "5"), ("Transfer-Encoding", "chunked")]),
    ("chunked and length", [("Transfer-Encoding", "chunked"), ("Content-Length", "5")]),
    ("chunked twice", [("Transfer-Encoding", "chunked"), ("Transfer-Encoding", "chunked")]),
    ("chunked, chunked", [("Transfer-Encoding", "chunked, chunked")]),
    ("chunked is not last", [("Transfer-Encoding", "chunked, identity")]),
    ("xchunked", [("Transfer-Encoding", "xchunked")]),
    ("gzip", [("Transfer-Encoding", "gzip, chunked")]),
    ("quoted chunked", [("Transfer-Encoding", '"chunked"')]),
    ("blank before the colon", [("Transfer-Encoding ", "chunked")]),
    ("length with blank before the colon", [("Content-Length ", "5")]),
    ("tab before the colon", [("Content-Length\t", "5")]),
    ("negative length", [("Content-Length", "-1")]),
    ("plus sign", [("Content-Length", "+5")]),
    ("hexadecimal length", [("Content-Length", "0x5")]),
    ("empty length", [("Content-Length", "")]),
    ("fraction", [("Content-Length", "5.0")]),
    ("overflow of 64 bits", [("Content-Length", "18446744073709551621")]),
    ("very long length", [("Content-Length", "9" * 400)]),
    ("folded header", [("X-Fold", "a\r\n b")]),
    ("folded length", [("Content-Length", "5\r\n 5")]),
    ("empty name", [("", "x")]),
    ("no colon", [("X-Good", "1\r\nBad line without one")]),
    ("NUL in a value", [("X-Nul", "a\0b")]),
    ("bare CR in a value", [("X-Cr", "a\rb")]),
    ("bare LF ends a line", [("X-Lf", "a\nTransfer-Encoding: chunked")]),
    ("control byte in a name", [("X\x01", "1")]),
    ("two hosts", [("Host", "localhost"), ("Host", "other")]),
]


@pytest.mark.parametrize("name,headers", SMUGGLING, ids=[row[0] for row in SMUGGLING])
def test_smuggling_shapes(server, conn, bucket, keys_of, name, headers):
    head = conn.head("PUT", f"/{bucket}/smuggled", headers)
    behind = conn.head("PUT", f"/{bucket}/behind", [("Content-Length", "0")])
    refuses_and_closes(conn, head + b"hello" + behind, (400, 501))
    assert keys_of() == []
    assert is_healthy(server)


BAD_LINES = [
    b"GET\r\n\r\n",
    b"GET /\r\n\r\n",
    b"GET / HTTP/2.0\r\nHost: x\r\n\r\n",
    b"GET / HTTP/1.1 extra\r\nHost: x\r\n\r\n",
    b"GET  / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"G\x00T / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /\x01 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET / http/1.1\r\nHost: x\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 64 + b"\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
]


@pytest.mark.parametrize("request_bytes", BAD_LINES, ids=range(len(BAD_LINES)))
def test_bad_request_line(conn, request_bytes):
    refuses_and_closes(conn, request_bytes, (400, 505))


CHUNKED_WRONG = [
    b"zz\r\nhello\r\n0\r\n\r\n",
    b"-5\r\nhello\r\n0\r\n\r\n",
    b"5\r\nhelloXX0\r\n\r\n",
    b"5 \r\nhello\r\n0\r\n\r\nextra garbage that is no request\r\n\r\n",
    b"fffffffffffffffff\r\nhello",
    b"5\nhello\n0\n\n",
    b"\r\nhello\r\n0\r\n\r\n",
    b"5;" + b"x" * 100000 + b"\r\nhello\r\n0\r\n\r\n",
    b"5\r\nhello\r\n0\r\n" + b"T: x\r\n" * 20000 + b"\r\n",
]


@pytest.mark.parametrize("body", CHUNKED_WRONG, ids=range(len(CHUNKED_WRONG)))
def test_broken_chunks(server, conn, bucket, keys_of, body):
    try:
        conn.send(conn.head("PUT", f"/{bucket}/chunked", [("Transfer-Encoding", "chunked")]) + body)
        reply = conn.reply()
        assert reply.status >= 400 or body.startswith(b"5 "), reply
        assert conn.is_closed_by_peer()
    except (EOFError, ConnectionError):
        pass  # hanging up without a word is fine too
    if not body.startswith(b"5 "):
        assert keys_of() == []
    assert is_healthy(server)


def test_good_chunks(conn, bucket, s3):
    head = conn.head("PUT", f"/{bucket}/chunked", [("Transfer-Encoding", "chunked")])
    for piece in (head, b"5\r\nhel", b"lo\r\n6;ext=1\r\n world\r", b"\n0\r\n\r", b"\n"):
        conn.send(piece)
        time.sleep(0.02)
    reply = conn.reply()
    if reply.status != 200:  # S3 itself wants a length
        assert (reply.status, reply.code) == (411, "MissingContentLength")
        return
    assert s3.get_object(Bucket=bucket, Key="chunked")["Body"].read() == b"hello world"


def test_put_without_length(conn, bucket, keys_of):
    conn.send(conn.head("PUT", f"/{bucket}/k"))
    reply = conn.reply()
    assert (reply.status, reply.code) in ((411, "MissingContentLength"), (200, ""))
    if reply.status != 200:
        assert keys_of() == []


@pytest.mark.parametrize("length", [5 * 1024**3 + 1, 2**53, 2**63 - 1, 2**63, 2**64 - 1])
def test_oversized(conn, bucket, keys_of, length):
    conn.send(conn.head("PUT", f"/{bucket}/huge", [("Content-Length", length)]) + b"some")
    reply = conn.reply()
    assert reply.status == 400 and reply.code in ("EntityTooLarge", "BadRequest", "InvalidRequest", "InvalidArgument")
    assert keys_of() == []


@pytest.mark.parametrize("sent", [0, 1, 70000, 3 * MIB])
def test_truncated_body(server, conn, bucket, keys_of, sent):
    conn.send(conn.head("PUT", f"/{bucket}/cut", [("Content-Length", 4 * MIB)]) + b"x" * sent)
    conn.socket.shutdown(1)
    try:
        assert conn.reply().status >= 400
    except (EOFError, ConnectionError):
        pass
    assert keys_of() == []
    assert is_healthy(server)


def test_disconnect_in_the_middle(server, bucket, keys_of):
    for size in (10, 100000, 2 * MIB):
        for _ in range(10):
            with raw.Connection(server) as conn:
                conn.send(conn.head("PUT", f"/{bucket}/cut", [("Content-Length", size + 1)]) + b"x" * size)
    assert keys_of() == []
    assert is_healthy(server)


def test_disconnect_while_reading(server, s3, bucket):
    s3.put_object(Bucket=bucket, Key="large", Body=body_of(20 * MIB))
    for _ in range(20):
        with raw.Connection(server) as conn:
            conn.send(conn.head("GET", f"/{bucket}/large"))
            conn.fill()
    assert is_healthy(server)


# --- connections ---


def test_keep_alive(conn, bucket):
    for i in range(50):
        assert conn.request("PUT", f"/{bucket}/k{i}", b"x" * i).status == 200
        assert conn.request("GET", f"/{bucket}/k{i}").body == b"x" * i
        assert conn.request("GET", f"/{bucket}/none{i}").status == 404
        assert conn.request("HEAD", f"/{bucket}/k{i}").body == b""
        assert conn.request("DELETE", f"/{bucket}/k{i}").status == 204


def test_pipelining(conn, bucket):
    sent = b""
    for i in range(100):
        body = b"y" * (i * 37)
        sent += conn.head("PUT", f"/{bucket}/p{i}", [("Content-Length", len(body))]) + body
        sent += conn.head("GET", f"/{bucket}/p{i}") + conn.head("HEAD", f"/{bucket}/p{i}")
    conn.send(sent)
    for i in range(100):
        assert conn.reply().status == 200
        assert conn.reply().body == b"y" * (i * 37)
        assert conn.reply("HEAD").headers["content-length"] == str(i * 37)


def test_pipelined_request_behind_a_refused_body(conn, bucket, keys_of):
    """A body that nobody wants is skipped or the connection ends: it is never read as a request."""
    inner = conn.head("PUT", f"/{bucket}/inner", [("Content-Length", 0)])
    outer = conn.head("PUT", "/no-such-bucket/outer", [("Content-Length", len(inner))])
    conn.send(outer + inner + conn.head("GET", f"/{bucket}/none"))
    assert conn.reply().code == "NoSuchBucket"
    try:
        assert conn.reply().code == "NoSuchKey"
    except (EOFError, ConnectionError):
        pass
    assert keys_of() == []


def test_connection_close_and_http_1_0(server, bucket):
    with raw.Connection(server) as conn:
        conn.send(conn.head("GET", f"/{bucket}/none", [("Connection", "close")]))
        assert conn.reply().status == 404
        assert conn.is_closed_by_peer()
    with raw.Connection(server) as conn:
        conn.send(conn.head("GET", f"/{bucket}/none").replace(b"HTTP/1.1", b"HTTP/1.0"))
        assert conn.reply().status in (404, 505)
        assert conn.is_closed_by_peer()


def test_byte_by_byte(conn, bucket):
    for byte in conn.head("PUT", f"/{bucket}/slow", [("Content-Length", 5)]) + b"hello":
        conn.send(bytes([byte]))
    assert conn.reply().status == 200
    assert conn.request("GET", f"/{bucket}/slow").body == b"hello"


def test_slow_peers_do_not_stop_others(server, bucket):
    slow = [raw.Connection(server) for _ in range(50)]
    for i, conn in enumerate(slow):
        conn.send(conn.head("PUT", f"/{bucket}/s{i}", [("Content-Length", 100)])[: i * 7 + 1])
    assert raw.put(server, bucket, "fast", b"x").status == 200
    assert not select.select([conn.socket for conn in slow], [], [], 0)[0]  # their time has not come yet
    for conn in slow:
        conn.close()


def test_slow_reader(server, s3, bucket):
    body = body_of(16 * MIB)
    s3.put_object(Bucket=bucket, Key="large", Body=body)
    with raw.Connection(server) as conn:
        conn.send(conn.head("GET", f"/{bucket}/large"))
        time.sleep(1)
        assert conn.reply().body == body


# --- Expect ---


def wait_for_bytes(conn, seconds):
    conn.socket.settimeout(seconds)
    try:
        conn.fill()
    except TimeoutError:
        return b""
    finally:
        conn.socket.settimeout(20)
    return conn.pending


@pytest.mark.parametrize("size", [10, 100000, 2 * MIB])
def test_expect_continue(conn, bucket, size):
    conn.send(conn.head("PUT", f"/{bucket}/e", [("Content-Length", size), ("Expect", "100-continue")]))
    assert conn.take_head()[0] == 100
    conn.send(b"e" * size)
    assert conn.take_head()[0] == 200
    assert conn.request("HEAD", f"/{bucket}/e").headers["content-length"] == str(size)


REFUSED_BEFORE_THE_BODY = [
    ("bad signature", lambda bucket: f"/{bucket}/e", True, 403),
    ("no such bucket", lambda bucket: "/no-such-bucket/e", False, 404),
    ("not there yet", lambda bucket: f"/{bucket}/e?append", False, 501),
]


@pytest.mark.parametrize("name,target,is_forged,status", REFUSED_BEFORE_THE_BODY, ids=lambda v: str(v)[:20])
def test_no_continue_when_refused(conn, bucket, keys_of, name, target, is_forged, status):
    head = conn.head("PUT", target(bucket), [("Content-Length", 5 * MIB), ("Expect", "100-continue")])
    if is_forged:
        head = re.sub(rb"Signature=[0-9a-f]{8}", b"Signature=00000000", head)
    conn.send(head)
    assert conn.take_head()[0] == status
    assert keys_of() == []


def test_other_expectation(conn, bucket, keys_of):
    """What is not known is ignored (RFC 9110 section 10.1.1), as S3 does."""
    conn.send(conn.head("PUT", f"/{bucket}/e", [("Content-Length", 1), ("Expect", "the-unexpected")]) + b"x")
    assert conn.reply().status == 200
    assert keys_of() == ["e"]


# --- heads ---


def test_large_heads(server, bucket):
    for size in (8 * 1024, 12 * 1024):
        with raw.Connection(server) as conn:
            reply = conn.request("PUT", f"/{bucket}/h", b"x", {"X-Ignored": "y" * size})
            assert reply.status == 200, size
    with raw.Connection(server) as conn:
        refuses_and_closes(conn, conn.head("GET", f"/{bucket}/h", {"X-Ignored": "y" * (4 * MIB)}), (400, 431))
    with raw.Connection(server) as conn:
        many = [(f"X-{i}", "1") for i in range(20000)]
        refuses_and_closes(conn, conn.head("GET", f"/{bucket}/h", many), (400, 431))
    with raw.Connection(server) as conn:
        refuses_and_closes(conn, conn.head("GET", f"/{bucket}/{'k' * 300000}"), (400, 414, 431))
    assert is_healthy(server)


def test_request_ids(server, conn, bucket):
    seen = {conn.request("GET", f"/{bucket}/none").headers["x-amz-request-id"] for _ in range(20)}
    assert len(seen) == 20
    reply = conn.request("GET", f"/{bucket}/none")
    identity = reply.headers["x-amz-request-id"]
    assert f"<RequestId>{identity}</RequestId>" in reply.body.decode()
    deadline = time.monotonic() + 60
    while identity not in server.log and time.monotonic() < deadline:
        time.sleep(0.05)
    assert identity in server.log


def test_head_has_no_body(conn, bucket):
    for target in (f"/{bucket}/none", "/no-such-bucket", f"/{bucket}/none?acl"):
        conn.send(conn.head("HEAD", target) + conn.head("GET", f"/{bucket}/none"))
        assert conn.reply("HEAD").status in (404, 501)
        assert conn.reply().code == "NoSuchKey"


@pytest.mark.parametrize("method", ["PATCH", "TRACE", "CONNECT", "BREW", "get", "POST"])
def test_other_methods(conn, bucket, method):
    conn.send(conn.head(method, f"/{bucket}/k", [("Content-Length", 0)]))
    reply = conn.reply()
    assert reply.status in (400, 403, 405, 501), reply


# --- targets ---

KEY_TRICKS = [
    "../x", "..", ".", "a/../../../../etc/passwd", "./x", "a/./b", "//etc/passwd", "/", "a\\..\\b",
    "%2e%2e/x", "..;/x", "con", "x\x7f", "\x01\x02", "-rf", "~", "$(id)", "`id`", "'; drop table",
    "log/0", "blob/00/x", "index.sqlite", "lock", "format.json",
]


@pytest.mark.parametrize("key", KEY_TRICKS)
def test_path_tricks_are_mere_names(server, conn, bucket, key, s3):
    before = sorted(p.name for p in server.data.iterdir())
    body = f"body of {key}".encode()
    target = f"/{bucket}/{raw.encode(key)}"
    assert conn.request("PUT", target, body).status == 200
    assert conn.request("GET", target).body == body
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]] == [key]
    assert conn.request("DELETE", target).status == 204
    assert sorted(p.name for p in server.data.iterdir()) == before
    assert not (server.data.parent / "x").exists()


BAD_TARGETS = ["%", "%4", "%zz", "a%2", "%00", "a%00b", "%ff", "%c3%28", "%ed%a0%80", "%f5%80%80%80"]


@pytest.mark.parametrize("text", BAD_TARGETS)
def test_bad_encoding_in_a_key(conn, bucket, keys_of, text):
    conn.send(conn.head("PUT", f"/{bucket}/{text}", [("Content-Length", 1)]) + b"x")
    reply = conn.reply()
    assert reply.status in (400, 403), reply
    assert keys_of() == []


def test_unknown_parameters_are_ignored(conn, bucket):
    assert conn.request("PUT", f"/{bucket}/k?x-id=PutObject", b"x").status == 200
    assert conn.request("GET", f"/{bucket}/k?x-id=GetObject&nobody=knows").body == b"x"
    assert conn.request("GET", f"/{bucket}/k?%20=x&a&b=").body == b"x"


SUBRESOURCES = [
    "torrent", "select&select-type=2", "replication", "intelligent-tiering", "inventory", "analytics", "metrics", "session",
    "metadataTable", "metadataConfiguration", "metadataInventoryTable", "metadataJournalTable", "abac",
]


@pytest.mark.parametrize("name", SUBRESOURCES)
def test_sub_resources_are_not_there_yet(conn, bucket, keys_of, name):
    conn.request("PUT", f"/{bucket}/k", b"kept")
    for method in ("GET", "PUT", "DELETE", "POST"):
        for target in (f"/{bucket}?{name}", f"/{bucket}/k?{name}"):
            reply = conn.request(method, target, None if method in ("GET", "DELETE") else b"<x/>")
            # What S3 does not define for this method or resource may be refused in other words.
            assert reply.status in (400, 404, 405, 501) or method == "GET", (method, target, reply)
            assert reply.status != 200 or target.startswith(f"/{bucket}/k?"), (method, target)
    assert keys_of() == ["k"]
    assert conn.request("GET", f"/{bucket}/k").body == b"kept"


@pytest.mark.parametrize("name", ["select"])
def test_object_sub_resources_say_501(conn, bucket, name):
    conn.request("PUT", f"/{bucket}/k", b"kept")
    reply = conn.request("GET", f"/{bucket}/k?{name}")
    assert (reply.status, reply.code, reply.headers["content-type"]) == (501, "NotImplemented", "application/xml")


@pytest.mark.parametrize("name", ["replication", "inventory", "metrics", "analytics"])
def test_bucket_sub_resources_say_501(conn, bucket, name):
    reply = conn.request("GET", f"/{bucket}?{name}")
    assert (reply.status, reply.code) == (501, "NotImplemented")


HARMLESS = [
    {"x-amz-acl": "private"}, {"x-amz-storage-class": "STANDARD"}, {"x-amz-request-payer": "requester"},
    {"x-amz-user-agent": "x"}, {"x-amz-checksum-mode": "ENABLED"}, {"amz-sdk-invocation-id": "1"}, {"Origin": "http://x"},
]


@pytest.mark.parametrize("headers", HARMLESS, ids=[next(iter(row)) for row in HARMLESS])
def test_harmless_headers(conn, bucket, headers):
    assert conn.request("PUT", f"/{bucket}/k", b"x", headers).status == 200
    assert conn.request("GET", f"/{bucket}/k", headers=headers).status == 200


# --- XML in ---

DELETE_WRONG = [
    b"", b"<", b"<Delete>", b"<Delete><Object></Object></Delete>", b"<Delete><Object><Key></Key></Object></Delete>",
    b"<Remove><Object><Key>k</Key></Object></Remove>", b"<Delete><Object><Key>k</Key></Object></Delete><Delete/>",
    b"\x00\x01\x02", b"<Delete><Object><Key>\xff\xfe</Key></Object></Delete>",
    b'<!DOCTYPE d [<!ENTITY a "k">]><Delete><Object><Key>&a;</Key></Object></Delete>',
    b'<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]><Delete><Object><Key>&x;</Key></Object></Delete>',
    b"<Delete>" + b"<Object>" * 20000,
]


@pytest.mark.parametrize("body", DELETE_WRONG, ids=range(len(DELETE_WRONG)))
def test_malformed_delete(conn, bucket, keys_of, body):
    import base64
    import hashlib

    conn.request("PUT", f"/{bucket}/k", b"kept")
    md5 = {"Content-MD5": base64.b64encode(hashlib.md5(body).digest()).decode()}
    reply = conn.request("POST", f"/{bucket}?delete", body, md5)
    assert reply.status == 400 and reply.code in ("MalformedXML", "UserKeyMustBeSpecified", "MissingRequestBodyError")
    assert keys_of() == ["k"]


def test_delete_body_too_large(conn, bucket, keys_of):
    conn.request("PUT", f"/{bucket}/k", b"kept")
    head = conn.head("POST", f"/{bucket}?delete", [("Content-Length", 200 * MIB)])
    conn.send(head)
    assert conn.reply().status in (400, 413)
    assert keys_of() == ["k"]


def test_create_bucket_bodies(server, conn):
    good = b'<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"/>'
    assert conn.request("PUT", "/with-an-empty-configuration", good).status == 200
    reply = conn.request("PUT", "/with-broken-xml", b"<Create")
    assert (reply.status, reply.code) == (400, "MalformedXML")
    assert conn.request("HEAD", "/with-broken-xml").status == 404


# --- who is asking ---


def test_unsigned(conn, bucket, keys_of):
    for method, target in [("GET", "/"), ("GET", f"/{bucket}"), ("PUT", f"/{bucket}/k"), ("DELETE", f"/{bucket}")]:
        reply = conn.request(method, target, b"" if method == "PUT" else None, is_signed=False)
        assert (reply.status, reply.code) == (403, "AccessDenied"), (method, target)
    assert keys_of() == []
    conn.send(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
    assert conn.reply().status == 200


def signed_at(conn, when, method="GET", target="/", change=lambda headers: None):
    headers = raw.sign(conn.server.keys, method, target, {"Host": conn.server.netloc}, when=when)
    change(headers)
    lines = [f"{method} {target} HTTP/1.1"] + [f"{k}: {v}" for k, v in headers.items()]
    conn.send(("\r\n".join(lines) + "\r\n\r\n").encode())
    reply = conn.reply()
    return reply.status, reply.code


def test_clock_skew(conn):
    now = datetime.datetime.now(datetime.timezone.utc)
    for minutes, expected in [(-20, (403, "RequestTimeTooSkewed")), (20, (403, "RequestTimeTooSkewed"))]:
        assert signed_at(conn, now + datetime.timedelta(minutes=minutes)) == expected
    for minutes in (-10, 0, 10):
        assert signed_at(conn, now + datetime.timedelta(minutes=minutes)) == (200, "")


def edit(name, old, new):
    def change(headers):
        headers[name] = headers[name].replace(old, new)

    return change


BAD_AUTHORIZATION = [
    ("other scheme", edit("Authorization", "AWS4-HMAC-SHA256", "Basic"), 400),
    ("other region", edit("Authorization", "us-east-1", "mars-north-1"), 400),
    ("other service", edit("Authorization", "/s3/", "/sqs/"), 400),
    ("no signed headers", edit("Authorization", "SignedHeaders=host;", "SignedHeaders="), 403),
    ("no credential", edit("Authorization", "Credential=", "Credentials="), 400),
    ("short signature", lambda headers: headers.update(Authorization=headers["Authorization"][:-1]), 400),
    ("upper case signature", lambda headers: headers.update(Authorization=headers["Authorization"][:-64] + "A" * 64), 400),
    ("empty", lambda headers: headers.update(Authorization=""), 400),
    ("no date", lambda headers: headers.pop("x-amz-date"), 403),
    ("bad date", lambda headers: headers.update({"x-amz-date": "yesterday"}), 403),
    ("no payload digest", lambda headers: headers.pop("x-amz-content-sha256"), 400),
    ("unsigned x-amz header", lambda headers: headers.update({"x-amz-meta-added": "1"}), 403),
    ("other host", lambda headers: headers.update(Host="elsewhere"), 403),
]


@pytest.mark.parametrize("name,change,status", BAD_AUTHORIZATION, ids=[row[0] for row in BAD_AUTHORIZATION])
def test_bad_authorization(conn, name, change, status):
    seen, code = signed_at(conn, None, change=change)
    assert seen in (400, 403) and code, (seen, code)
    assert seen == status or status == 400, (seen, code)


def test_signed_chunks(server, conn, bucket, s3):
    """STREAMING-AWS4-HMAC-SHA256-PAYLOAD: good, then with one byte changed."""
    import hashlib
    import hmac

    body = body_of(150000)
    for is_forged in (False, True):
        target, key = f"/{bucket}/signed-{is_forged}", f"signed-{is_forged}"
        headers = {"Host": server.netloc, "x-amz-decoded-content-length": len(body), "Content-Encoding": "aws-chunked"}
        headers = raw.sign(server.keys, "PUT", target, headers, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")
        stamp = headers["x-amz-date"]
        scope = f"{stamp[:8]}/{raw.REGION}/s3/aws4_request"
        signing = raw.signing_key(server.keys[1], stamp[:8])
        previous, coded = headers["Authorization"][-64:], b""
        for piece in [body[:65536], body[65536:131072], body[131072:], b""]:
            text = "\n".join(["AWS4-HMAC-SHA256-PAYLOAD", stamp, scope, previous, raw.EMPTY_SHA256, hashlib.sha256(piece).hexdigest()])
            previous = hmac.new(signing, text.encode(), hashlib.sha256).hexdigest()
            coded += b"%x;chunk-signature=%s\r\n%s\r\n" % (len(piece), previous.encode(), piece)
        if is_forged:
            coded = coded[:70000] + bytes([coded[70000] ^ 1]) + coded[70001:]
        headers["Content-Length"] = len(coded)
        lines = [f"PUT {target} HTTP/1.1"] + [f"{k}: {v}" for k, v in headers.items()]
        with raw.Connection(server) as fresh:
            fresh.send(("\r\n".join(lines) + "\r\n\r\n").encode() + coded)
            reply = fresh.reply()
        assert (reply.status, reply.code) == ((403, "SignatureDoesNotMatch") if is_forged else (200, "")), reply
        listed = [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]
        assert (key in listed) == (not is_forged)
    assert s3.get_object(Bucket=bucket, Key="signed-False")["Body"].read() == body
