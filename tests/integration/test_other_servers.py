# SPDX-License-Identifier: Apache-2.0
"""Servers that are not Amazon's: what they do otherwise, and nearly as S3 allows, ends in the right bytes too."""

import hashlib
import os
import re
import socketserver
import threading
import urllib.parse

import pytest
from checksums import checksum
from conftest import BIN, MIB, run
from requests_read import read_request

PATIENCE_S = 120
ERROR = "<?xml version='1.0'?><Error><Code>{}</Code><Message>no</Message></Error>"


class OtherServer:
    """Keeps the bodies of PUT as they came, framing and all. `refuse(method, query, head)` may give an answer instead:
    (status, document); `hold(method, query)` may take its time before."""

    def __init__(self, refuse=lambda method, query, head: None, hold=lambda method, query: None):
        outer = self
        self.objects = {}
        self.parts = {}
        self.requests = []
        self.lock = threading.Lock()

        class Handler(socketserver.StreamRequestHandler):
            disable_nagle_algorithm = True

            def handle(self):
                try:
                    while self.one():
                        pass
                except OSError:
                    pass

            def one(self):
                if (request := read_request(self.rfile)) is None:
                    return False
                method, target, head, body = request
                path, _, query = target.partition("?")
                hold(method, query)
                with outer.lock:
                    outer.requests.append((method, target, head))
                    answer = refuse(method, query, head) or outer.answer(method, urllib.parse.unquote(path), query, head, body)
                status, document, *fields = answer
                document = document if isinstance(document, bytes) else document.encode()
                lines = [f"HTTP/1.1 {status} X", *fields]
                if not any(f.startswith("Transfer-Encoding") for f in fields):
                    lines.append(f"Content-Length: {len(document)}")
                self.wfile.write("\r\n".join([*lines, "", ""]).encode() + (b"" if method == "HEAD" else document))
                return True

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            request_queue_size = 128

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def answer(self, method, path, query, head, body):
        asked = urllib.parse.parse_qs(query, keep_blank_values=True)
        etag = f'ETag: "{hashlib.md5(body).hexdigest()}"'
        if method == "POST" and "uploads" in asked:
            return 200, "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"
        if method == "PUT" and "uploadId" in asked:
            self.parts[path, int(asked["partNumber"][0])] = body
            return 200, "", etag
        if "x-amz-copy-source" in head:
            self.objects[path] = self.objects["/" + urllib.parse.unquote(head["x-amz-copy-source"]).lstrip("/")]
            return 200, "<CopyObjectResult><ETag>&quot;e&quot;</ETag></CopyObjectResult>"
        if method == "PUT":
            self.objects[path] = body
            return 200, "", etag
        if method == "POST" and "uploadId" in asked:
            numbers = [int(n) for n in re.findall(rb"<PartNumber>(\d+)", body)]
            parts = [self.parts[path, n] for n in numbers]
            self.objects[path] = b"".join(parts)
            sums = hashlib.md5(b"".join(hashlib.md5(p).digest() for p in parts)).hexdigest()
            return 200, f"<CompleteMultipartUploadResult><ETag>&quot;{sums}-{len(parts)}&quot;</ETag></CompleteMultipartUploadResult>"
        if method == "DELETE":
            self.objects.pop(path, None)
            return 204, ""
        if "list-type" in asked:
            there = sorted((k[3:], b) for k, b in self.objects.items() if k.startswith(f"/b/{asked['prefix'][0]}"))
            items = "".join(f"<Contents><Key>{k}</Key><Size>{len(b)}</Size><ETag>&quot;{hashlib.md5(b).hexdigest()}&quot;</ETag></Contents>" for k, b in there)
            return 200, f"<ListBucketResult><IsTruncated>false</IsTruncated>{items}</ListBucketResult>"
        if path not in self.objects:
            return 404, ERROR.format("NoSuchKey")
        etag = hashlib.md5(self.objects[path]).hexdigest()
        if head.get("if-match", etag).strip('"') != etag:
            return 412, ERROR.format("PreconditionFailed")
        return 200, self.objects[path], f'ETag: "{etag}"', "Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT"

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class ConditionalServer(OtherServer):
    def answer(self, method, path, query, head, body):
        if method == "PUT" and head.get("if-none-match") == "*" and path in self.objects:
            return 412, ERROR.format("PreconditionFailed")
        return super().answer(method, path, query, head, body)


@pytest.fixture
def other(tmp_path):
    made = []

    def start(*args, make=OtherServer, **more_env):
        server = make(*args)
        made.append(server)
        env = {"HOME": str(tmp_path), "AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "S", "NO_PROXY": "127.0.0.1,localhost"}
        env.update({"AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.port}"} | more_env)
        return lambda *args, status=0, **options: run([BIN / "tarn", *args], env, status, timeout=PATIENCE_S, **options), server

    yield start
    for server in made:
        server.stop()


# ---- answers in chunks


def chunked(body, step, trailer=b""):
    pieces = [body[i : i + step] for i in range(0, len(body), step)]
    return b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces) + b"0\r\n" + trailer + b"\r\n"


@pytest.mark.parametrize("step", [1, 7, 2048, 1 << 20])
@pytest.mark.parametrize("trailer", [b"", b"X-Sum: 1\r\nX-More: 2\r\n"], ids=["plain", "trailer"])
def test_listing_in_chunks(other, step, trailer):
    keys = [f"key-{i:04d}" for i in range(300)]
    items = "".join(f"<Contents><Key>{k}</Key><Size>1</Size><ETag>&quot;e&quot;</ETag></Contents>" for k in keys)
    page = f"<?xml version='1.0'?><ListBucketResult><IsTruncated>false</IsTruncated>{items}</ListBucketResult>".encode()
    tarn, server = other(lambda *_: (200, chunked(page, step, trailer), "Transfer-Encoding: chunked"))
    for _ in range(2):
        out = tarn("ls", "-R", "--show-fullpath", "s3://b").stdout.decode()
        assert re.findall(r"s3://b/(\S+)", out) == keys
    assert len(server.requests) == 2


def test_object_in_chunks(other, tmp_path):
    body = os.urandom(3 * MIB)
    etag = f'ETag: "{hashlib.md5(body).hexdigest()}"'

    def answer(method, _, head):
        if method == "HEAD":
            return 200, body, etag
        first, last = map(int, re.fullmatch(r"bytes=(\d+)-(\d*)", head.get("range", "bytes=0-0")).group(1, 2)) if "range" in head else (0, len(body) - 1)
        piece = body[first : last + 1]
        fields = [etag, "Transfer-Encoding: chunked"] + ([f"Content-Range: bytes {first}-{last}/{len(body)}"] if "range" in head else [])
        return 206 if "range" in head else 200, chunked(piece, 4096), *fields

    tarn, _ = other(answer)
    tarn("cp", "s3://b/k", tmp_path / "k")
    assert (tmp_path / "k").read_bytes() == body
    assert tarn("cat", "s3://b/k").stdout == body


# ---- checksums that are not known


def is_behind(head):
    return "x-amz-trailer" in head


def has_checksum(head):
    return is_behind(head) or any(name.startswith("x-amz-checksum-") for name in head)


def refusing(test, status, code):
    return lambda method, query, head: (status, ERROR.format(code)) if method in ("PUT", "POST") and test(head) else None


SERVERS = {
    "stores the framing": None,
    "no trailers, 501": refusing(is_behind, 501, "NotImplemented"),
    "no trailers, 400": refusing(is_behind, 400, "InvalidArgument"),
    "no trailers, hash": refusing(is_behind, 400, "XAmzContentSHA256Mismatch"),
    "no trailers, signature": refusing(is_behind, 403, "SignatureDoesNotMatch"),
    "no checksums, 501": refusing(has_checksum, 501, "NotImplemented"),
    "no checksums, 400": refusing(has_checksum, 400, "InvalidRequest"),
}


@pytest.mark.parametrize("size", [0, 100_000, 3 * MIB, 20 * MIB])
@pytest.mark.parametrize("name", SERVERS)
def test_upload_without_known_checksums(other, tmp_path, name, size):
    body = os.urandom(size)
    (tmp_path / "file").write_bytes(body)
    tarn, server = other(*filter(None, [SERVERS[name]]))
    tarn("cp", "--content-encoding", "x-own", tmp_path / "file", "s3://b/file")
    tarn("pipe", "s3://b/pipe", input=body)
    assert server.objects == {"/b/file": body, "/b/pipe": body}
    last = [head for method, target, head in server.requests if method == "PUT" and target.startswith("/b/file")]
    if size == 3 * MIB:
        assert last[-1]["content-encoding"] == "x-own"


@pytest.mark.parametrize("name", SERVERS)
def test_tree_learns_what_is_known(other, tmp_path, name):
    """Once an upload went well in another form, the next ones begin in it."""
    files = {f"{i:02d}": os.urandom(100_000 + i) for i in range(40)}
    (tmp_path / "tree").mkdir()
    for key, body in files.items():
        (tmp_path / "tree" / key).write_bytes(body)
    tarn, server = other(*filter(None, [SERVERS[name]]))
    tarn("cp", "-r", "--workers", "2", tmp_path / "tree", "s3://b/t")
    assert server.objects == {f"/b/t/{key}": body for key, body in files.items()}
    assert sum(is_behind(head) for _, _, head in server.requests) < len(files) / 2


def test_checksum_that_was_asked_for_is_not_dropped(other, tmp_path):
    (tmp_path / "file").write_bytes(b"x" * 100_000)
    tarn, server = other(refusing(has_checksum, 501, "NotImplemented"))
    found = tarn("--checksum-algorithm", "SHA256", "cp", tmp_path / "file", "s3://b/file", status=1)
    assert b"NotImplemented" in found.stderr and server.objects == {}
    (tmp_path / "big").write_bytes(b"x" * 3 * MIB)
    tarn, server = other(SERVERS["no trailers, 501"])
    tarn("--checksum-algorithm", "SHA256", "cp", tmp_path / "big", "s3://b/big")
    assert len(server.objects["/b/big"]) == 3 * MIB and "x-amz-checksum-sha256" in server.requests[-1][2]


def test_atomic_upload_risks_nothing(other, tmp_path):
    """What a server stored with its framing could not be sent again: the second try would find it, and call it somebody else's."""
    body = b"x" * 3 * MIB
    (tmp_path / "file").write_bytes(body)
    tarn, server = other()
    tarn("cp", "--atomic", tmp_path / "file", "s3://b/file")
    assert server.objects == {"/b/file": body}
    sent = [head for method, _, head in server.requests if method == "PUT"]
    assert len(sent) == 1 and "x-amz-checksum-crc64nvme" in sent[0] and not is_behind(sent[0])


@pytest.mark.parametrize("where", ["environment", "profile"])
def test_checksums_when_required(other, tmp_path, where):
    (tmp_path / "file").write_bytes(b"x" * 3 * MIB)
    (tmp_path / "config").write_text("[default]\nrequest_checksum_calculation = WHEN_REQUIRED\n")
    more = {"AWS_REQUEST_CHECKSUM_CALCULATION": "when_required"} if where == "environment" else {"AWS_CONFIG_FILE": str(tmp_path / "config")}
    tarn, server = other(**more)
    tarn("cp", tmp_path / "file", "s3://b/file")
    assert server.objects == {"/b/file": b"x" * 3 * MIB}
    assert not any(has_checksum(head) for _, _, head in server.requests)


@pytest.mark.parametrize("size, command", [(1000, "cat"), (1000, "cp"), (20 * MIB, "cp")])
@pytest.mark.parametrize("etag, status", [("right", 0), ("wrong", 3)])
@pytest.mark.parametrize("kind", ["SHA256", "CRC32"])
def test_composite_checksum_without_count(other, tmp_path, kind, size, command, etag, status):
    """It is that of parts, as its type says, and looks like that of the whole: the ETag is compared instead."""
    body = os.urandom(size)
    fields = [f'ETag: "{hashlib.md5(body if etag == "right" else b"").hexdigest()}"', "x-amz-checksum-type: COMPOSITE"]
    fields.append(f"x-amz-checksum-{kind.lower()}: {checksum(kind, b'sums')}")

    def answer(method, _, head):
        if "range" not in head:
            return 200, body, *fields
        first, last = map(int, re.fullmatch(r"bytes=(\d+)-(\d+)", head["range"]).groups())
        return 206, body[first : last + 1], *fields, f"Content-Range: bytes {first}-{min(last, size - 1)}/{size}"

    tarn, _ = other(answer)
    tarn(command, "s3://b/k", *[tmp_path / "k"] * (command == "cp"), status=status)
    assert (tmp_path / "k").exists() == (command == "cp" and status == 0)


# ---- parts that come twice


def test_server_that_loses_repeated_parts(other, tmp_path):
    """The first part is answered late, and is sent again for its silence; then the server has none. The file goes up anew."""
    body = os.urandom(65 * MIB)
    (tmp_path / "file").write_bytes(body)
    lock, again, seen = threading.Lock(), threading.Event(), []

    def hold(method, query):
        if "partNumber=1&" not in query or again.is_set():
            return
        with lock:
            seen.append(query)
        if len(seen) > 1:
            again.set()
        again.wait(20)

    created = []

    def refuse(method, query, head):
        if query == "uploads":
            created.append(query)
        if method == "POST" and "uploadId" in query and len(seen) > 1 and len(created) == 1:
            return 400, ERROR.format("InvalidPart")

    tarn, server = other(refuse, hold)
    tarn("cp", "--part-size", 5, tmp_path / "file", "s3://b/file")
    assert server.objects == {"/b/file": body}
    assert len(created) == len(seen)
    aborts = [target for method, target, _ in server.requests if method == "DELETE"]
    assert len(aborts) == len(created) - 1


# ---- documents under other names

DOCUMENTS = [
    ("attr", ("s3://b/k",), "attributes", "<{0}><ObjectSize>7</ObjectSize></{0}>", ["GetObjectAttributesOutput", "getObjectAttributesResponse"], b"7"),
    ("status", ("--status", "s3://b"), "versioning", "<{0}><Status>Enabled</Status></{0}>", ["GetBucketVersioningResponse"], b"enabled"),
    ("versions", ("-r", "s3://b"), "versions", "<{0}><Version><Key>k</Key><VersionId>v7</VersionId><IsLatest>true</IsLatest><LastModified>2026-01-01T00:00:00Z</LastModified><ETag>&quot;e&quot;</ETag><Size>1</Size></Version></{0}>", ["ListBucketVersionsResult", "ListVersionsResponse"], b"v7"),
    ("tag", ("s3://b/k",), "tagging", "<{0}><TagSet><Tag><Key>a</Key><Value>7</Value></Tag></TagSet></{0}>", ["GetObjectTaggingOutput"], b"a=7"),
]


@pytest.mark.parametrize("root", [(d, name) for d in DOCUMENTS for name in d[4]], ids=lambda r: r[1])
def test_documents_under_other_names(other, root):
    (command, args, asked, document, _, expected), name = root
    tarn, _ = other(lambda method, query, head: (200, document.format(name)) if asked in query else None)
    assert expected in tarn("versions" if command == "status" else command, *args).stdout


@pytest.mark.parametrize("document", ["<html><body>log in</body></html>", "<Tagging/>", "no document"])
def test_other_documents_are_none(other, document):
    tarn, _ = other(lambda *_: (200, document))
    assert b"no ListVersionsResult document" in tarn("versions", "-r", "s3://b", status=1).stderr


def test_no_uploads_is_no_failure(other):
    tarn, server = other(lambda method, query, head: (404, ERROR.format("NoSuchUpload")) if query.startswith("uploads") else (200, "<ListBucketResult/>") if method == "GET" else None)
    tarn("rb", "--force", "s3://b")
    assert server.requests[-1][0] == "DELETE"


@pytest.mark.parametrize(
    "text, is_told",
    [("Client sent an HTTP request to an HTTPS server.\n", True), ("first line\r\nsecond\r\n", True), ("\x1b[31mred", False), ("<p>page", False), ("{}", False), ("x" * 5000, False)],
)
def test_reason_in_plain_text(other, text, is_told):
    tarn, _ = other(lambda *_: (400, text))
    stderr = tarn("ls", "s3://b", status=2).stderr
    assert (text.split("\n")[0].strip().encode() in stderr) == is_told and b"HTTP 400" in stderr and b"second" not in stderr
    assert is_told or b"invalid argument" in stderr


# ---- conditions, hosts, times


@pytest.mark.parametrize("form", ["{}", '"{}"'], ids=["bare", "quoted"])
def test_rm_if_match_without_help(other, tmp_path, form):
    """The server does not know If-Match with DELETE."""
    tarn, server = other()
    server.objects["/b/k"] = b"body"
    found = tarn("rm", "--if-match", form.format("0" * 32), "s3://b/k", status=1)
    assert b"it is not the one of this ETag" in found.stderr and "/b/k" in server.objects
    tarn("rm", "--if-match", form.format(hashlib.md5(b"body").hexdigest()), "s3://b/k")
    assert server.objects == {}
    server.objects["/b/k"] = b"body"
    tarn("rm", "--if-match", "*", "s3://b/k")
    assert server.objects == {}


def test_bucket_below_localhost(other):
    tarn, server = other()
    tarn, _ = other(AWS_ENDPOINT_URL=f"http://localhost:{server.port}")
    server.objects["/k"] = b"body"
    assert tarn("--virtual", "cat", "s3://b/k").stdout == b"body"
    assert server.requests[0][2]["host"] == f"b.localhost:{server.port}"


@pytest.mark.parametrize("fraction, is_sent", [("500", True), ("700", False), ("000", False)])
def test_sync_within_a_second(other, tmp_path, fraction, is_sent):
    """The server tells thousandths: a file that was changed in the second of its upload is seen to be newer."""
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "k").write_bytes(b"body")
    os.utime(tmp_path / "tree" / "k", ns=(1767225600_600_000_000,) * 2)
    page = f"<ListBucketResult><Contents><Key>t/k</Key><Size>4</Size><LastModified>2026-01-01T00:00:00.{fraction}Z</LastModified></Contents></ListBucketResult>"
    tarn, server = other(lambda method, query, head: (200, page) if method == "GET" else None)
    tarn("sync", tmp_path / "tree", "s3://b/t")
    assert ("/b/t/k" in server.objects) == is_sent


# ---- moves


ZEROS = '"00000000000000000000000000000000"'
JUDGES = {
    "ignores If-Match": lambda method, query, head: None,
    "knows no If-Match": lambda method, query, head: (501, ERROR.format("NotImplemented")) if method == "DELETE" and "if-match" in head else None,
    "judges If-Match": lambda method, query, head: (412, ERROR.format("PreconditionFailed")) if method == "DELETE" and head.get("if-match") == ZEROS else None,
}


@pytest.mark.parametrize("judge", JUDGES)
@pytest.mark.parametrize("target", ["s3://b/q", "local"])
def test_move_from_any_server(other, tmp_path, judge, target):
    """Everything arrives and goes, and nothing that was not looked at, unless the server judges."""
    files = {f"{i:02d}": os.urandom(100 + i) for i in range(30)}
    tarn, server = other(JUDGES[judge])
    server.objects = {f"/b/p/{key}": body for key, body in files.items()}
    tarn("mv", "-r", "--workers", "2", "s3://b/p", tmp_path / "t" if target == "local" else target)
    if target == "local":
        assert {p.name: p.read_bytes() for p in (tmp_path / "t").iterdir()} == files and server.objects == {}
    else:
        assert server.objects == {f"/b/q/{key}": body for key, body in files.items()}
    looks = sum(method == "HEAD" for method, _, _ in server.requests)
    conditions = [head.get("if-match") for method, _, head in server.requests if method == "DELETE"]
    if judge == "judges If-Match":  # those that are under way by then look, too
        assert 1 <= looks <= 30 and len([c for c in conditions if c and c != ZEROS]) == 30
    else:
        assert looks == 30


@pytest.mark.parametrize("judge", ["ignores If-Match", "knows no If-Match"])
@pytest.mark.parametrize("args", [["-r", "s3://b/p"], ["s3://b/p/1"], ["-n", "s3://b/p/1"]], ids=["tree", "one", "new only"])
def test_source_replaced_while_it_moves_stays(other, tmp_path, judge, args):
    def hold(method, _):
        if "/b/q/1" in server.objects:  # what comes next looks at the source for the last time
            server.objects["/b/p/1"] = b"new"

    tarn, server = other(JUDGES[judge], hold, make=ConditionalServer)
    server.objects = {"/b/p/1": b"old 1"}
    done = tarn("mv", *args, "s3://b/q/", status=1)
    assert b"not the one of this ETag" in done.stderr
    assert server.objects["/b/p/1"] == b"new" and server.objects["/b/q/1"] == b"old 1"


def test_file_written_while_it_moves_stays(other, tmp_path):
    """A line is added to it between its upload and its removal."""
    (tmp_path / "tree").mkdir()
    path = tmp_path / "tree/file"

    def hold(method, _):
        if method == "PUT":
            path.write_text("first second")

    tarn, server = other(JUDGES["ignores If-Match"], hold)
    for args in (["-r", tmp_path / "tree"], [path]):
        path.write_text("first")
        assert b"has changed meanwhile" in tarn("mv", *args, "s3://b/t/", status=3).stderr
        assert path.read_text() == "first second"


class PathServer(OtherServer):
    """Its keys are paths of a file system in which A and a are the same."""

    def answer(self, method, path, query, head, body):
        return super().answer(method, os.path.normpath(path).lower(), query, head, body)


@pytest.mark.parametrize("source,target", [("p//k", "p/k"), ("p/x/../k", "p/k"), ("P/k", "p/K"), ("p/./k", "p/")])
def test_object_of_two_names_is_not_lost(other, source, target):
    """There, a copy from one name to the other changes nothing, and a deletion would leave nothing."""
    tarn, server = other(make=PathServer)
    server.objects = {"/b/p/k": b"content"}
    for dry in ([], ["--dry-run"]):
        done = tarn("mv", *dry, f"s3://b/{source}", f"s3://b/{target}", status=1)
        assert b"same object under another name" in done.stderr and server.objects == {"/b/p/k": b"content"}
