# SPDX-License-Identifier: Apache-2.0
"""Scripted servers: bytes that are not what was promised, and objects that no test could store."""

import hashlib
import http.server
import re
import subprocess
import threading
import urllib.parse

import pytest

from checksums import checksum, composite, etag_of_parts
from conftest import BIN, MIB, body_of, run

SIZE = 20 * MIB
PART = 8 * MIB


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def reply(self, status, body=b"", headers=()):
        self.send_response(status)
        names = {name for name, _ in headers}
        for name, value in [*headers] + ([] if "Content-Length" in names else [("Content-Length", str(len(body)))]):
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def answer(self):
        path, _, query = self.path.partition("?")
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        self.server.answer(self, self.command, path, dict(urllib.parse.parse_qsl(query, keep_blank_values=True)), body)

    do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = answer

    def log_message(self, *args):
        pass


@pytest.fixture
def serve():
    servers = []

    def start(answer):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.answer = answer
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def tarn(tmp_path):
    env = {"HOME": str(tmp_path), "AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "S", "PATH": "/usr/bin:/bin"}
    return lambda *args, status=0: run([BIN / "tarn", *args], env, status)


PROMISES = {
    "crc32": lambda data: [("x-amz-checksum-crc32", checksum("CRC32", data)), ("ETag", '"opaque"')],
    "sha256": lambda data: [("x-amz-checksum-sha256", checksum("SHA256", data)), ("ETag", '"opaque"')],
    "md5": lambda data: [("ETag", f'"{hashlib.md5(data).hexdigest()}"')],
    "sha512": lambda data: [("x-amz-checksum-sha512", checksum("SHA512", data)), ("ETag", '"opaque"')],
    "xxhash3": lambda data: [("x-amz-checksum-xxhash3", checksum("XXHASH3", data)), ("ETag", '"opaque"')],
    "parts": lambda data: [("ETag", f'"{etag_of_parts(data, 5 * MIB)}"')],
    "crc32 of parts": lambda data: [("x-amz-checksum-crc32", composite("CRC32", data, 5 * MIB)), ("ETag", '"opaque"')],
    "sha256 of parts": lambda data: [("x-amz-checksum-sha256", composite("SHA256", data, 5 * MIB)), ("ETag", '"opaque"')],
}


@pytest.mark.parametrize("how", ["file", "cat"])
@pytest.mark.parametrize("is_damaged", [False, True])
@pytest.mark.parametrize("size", [1000, SIZE])
@pytest.mark.parametrize("promise", PROMISES)
def test_downloads_are_compared(tarn, serve, tmp_path, promise, size, is_damaged, how):
    """By checksum, by MD5, or by the ETag of parts: exit 3 and no file, whatever the server says."""
    data = body_of(size)
    sent = bytearray(data)
    if is_damaged:
        sent[size * 3 // 4] ^= 1
    headers = PROMISES[promise](data)

    def answer(request, method, path, query, body):
        if "partNumber" in query:
            piece = data[: 5 * MIB]
            return request.reply(206, piece, headers + [("Content-Range", f"bytes 0-{len(piece) - 1}/{size}")])
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", request.headers.get("Range", ""))
        if not found:
            return request.reply(200, bytes(sent), headers)
        first, last = int(found[1]), min(int(found[2]), size - 1)
        plain = [(n, v) for n, v in headers if n == "ETag"]
        return request.reply(206, bytes(sent[first : last + 1]), plain + [("Content-Range", f"bytes {first}-{last}/{size}")])

    url = serve(answer)
    is_caught = is_damaged and not (promise == "parts" and size < PART)  # an ETag "md5-1" may be anything
    if how == "cat":
        done = tarn("cat", "--endpoint", url, "s3://bucket/key", status=3 if is_caught else 0)
        assert is_damaged or done.stdout == data
    else:
        tarn("cp", "--endpoint", url, "s3://bucket/key", tmp_path / "out", status=3 if is_caught else 0)
        left = sorted(p.name for p in tmp_path.iterdir())
        assert left == ([] if is_caught else ["out"])
        assert is_damaged or (tmp_path / "out").read_bytes() == data


HUGE = 12 * 1024 * MIB + 12345


@pytest.mark.parametrize("command", ["cp", "mv"])
def test_copy_above_5_gib(tarn, serve, command):
    """CopyObject refuses it; the parts that are asked for instead cover every byte once, of one source."""
    seen, ranges, lock = [], [], threading.Lock()

    def answer(request, method, path, query, body):
        with lock:
            seen.append((method, path, tuple(query)))
        if method == "HEAD":
            head = [("Content-Length", str(HUGE)), ("ETag", '"source"'), ("x-amz-meta-kept", "1"), ("Content-Type", "text/kept")]
            return request.reply(200, b"", head)
        if method == "GET" and "tagging" in query:
            return request.reply(200, b"<Tagging><TagSet><Tag><Key>a b</Key><Value>1</Value></Tag></TagSet></Tagging>")
        if method == "POST" and "uploads" in query:
            assert request.headers["x-amz-meta-kept"] == "1" and request.headers["Content-Type"] == "text/kept"
            assert request.headers["x-amz-tagging"] == "a%20b=1"
            return request.reply(200, b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>")
        if method == "PUT" and "partNumber" in query:
            assert request.headers["x-amz-copy-source-if-match"].strip('"') == "source"
            found = re.fullmatch(r"bytes=(\d+)-(\d+)", request.headers["x-amz-copy-source-range"])
            with lock:
                ranges.append((int(found[1]), int(found[2]) + 1))
            return request.reply(200, b"<CopyPartResult><ETag>&quot;p&quot;</ETag></CopyPartResult>")
        if method == "PUT":
            return request.reply(400, b"<Error><Code>InvalidRequest</Code><Message>too large</Message></Error>")
        if method == "POST":
            return request.reply(200, b"<CompleteMultipartUploadResult><ETag>&quot;x&quot;</ETag></CompleteMultipartUploadResult>")
        if method == "DELETE":
            assert request.headers["If-Match"].strip('"') == "source"
        return request.reply(204)

    tarn(command, "--endpoint", serve(answer), "s3://bucket/from here", "s3://bucket/to")
    assert sorted(ranges)[0][0] == 0 and sorted(ranges)[-1][1] == HUGE
    assert all(a[1] == b[0] for a, b in zip(sorted(ranges), sorted(ranges)[1:]))
    assert (command == "mv") == any(method == "DELETE" and path.endswith("/from%20here") for method, path, _ in seen)


@pytest.mark.parametrize("change", [None, "source", "upload is gone", "part", "no-resume"])
def test_copy_above_5_gib_goes_on_after_kill(tarn, serve, tmp_path, change):
    """Killed with SIGKILL in the middle: what was copied is not copied again, if all is as it was."""
    parts, uploads, aborted, copied, lock = {}, ["u0"], [], [], threading.Lock()
    etag, is_reached, is_over = ["source"], threading.Event(), threading.Event()

    def answer(request, method, path, query, body):
        if method == "HEAD":
            return request.reply(200, b"", [("Content-Length", str(HUGE)), ("ETag", f'"{etag[0]}"')])
        if method == "GET" and "tagging" in query:
            return request.reply(200, b"<Tagging><TagSet></TagSet></Tagging>")
        if method == "POST" and "uploads" in query:
            uploads.append(f"u{len(uploads)}")
            parts.clear()
            return request.reply(200, f"<InitiateMultipartUploadResult><UploadId>{uploads[-1]}</UploadId></InitiateMultipartUploadResult>".encode())
        if method == "PUT" and "partNumber" in query:
            number = int(query["partNumber"])
            first, last = re.fullmatch(r"bytes=(\d+)-(\d+)", request.headers["x-amz-copy-source-range"]).groups()
            is_killed = "Credential=K/" in request.headers["Authorization"]
            with lock:
                hold = is_killed and (len(copied) >= 9 or is_over.is_set())
                if hold:
                    is_reached.set()
                else:
                    copied.append((is_killed, number))
                    parts[number] = (f"p{number}", int(last) + 1 - int(first))
            if hold:
                is_over.wait(60)
                return None
            return request.reply(200, f"<CopyPartResult><ETag>&quot;p{number}&quot;</ETag></CopyPartResult>".encode())
        if method == "GET" and "uploadId" in query:
            if change == "upload is gone":
                return request.reply(404, b"<Error><Code>NoSuchUpload</Code></Error>")
            items = "".join(f"<Part><PartNumber>{n}</PartNumber><ETag>&quot;{e}&quot;</ETag><Size>{s}</Size></Part>" for n, (e, s) in sorted(parts.items()))
            return request.reply(200, f"<ListPartsResult><UploadId>{query['uploadId']}</UploadId><IsTruncated>false</IsTruncated>{items}</ListPartsResult>".encode())
        if method == "POST":
            assert query["uploadId"] == uploads[-1] and body.count(b"<Part>") == len(parts)
            return request.reply(200, b"<CompleteMultipartUploadResult><ETag>&quot;x&quot;</ETag></CompleteMultipartUploadResult>")
        if method == "DELETE":
            aborted.append(query.get("uploadId"))
            return request.reply(204)
        return request.reply(400, b"<Error><Code>InvalidRequest</Code><Message>too large</Message></Error>")

    url = serve(answer)
    command = ["cp", "--endpoint", url, *(["--no-resume"] if change == "no-resume" else []), "s3://bucket/from", "s3://bucket/to"]
    env = {"HOME": str(tmp_path), "AWS_ACCESS_KEY_ID": "K", "AWS_SECRET_ACCESS_KEY": "S"}
    process = subprocess.Popen([BIN / "tarn", *command], env=env, stderr=subprocess.PIPE)
    assert is_reached.wait(60)
    process.kill()
    process.communicate()
    with lock:
        is_over.set()
    records = list((tmp_path / ".local/state/tarn/resume").glob("*"))
    known = [int(n) for n in re.findall(r'"etag":"p(\d+)"', records[0].read_text())] if records else []
    assert (len(records) == 0) == (change == "no-resume")
    if change == "source":
        etag[0] = "other"
    if change == "part":
        parts[known[0]] = ("damaged", parts[known[0]][1])
    done = tarn(*command)
    again = [number for is_killed, number in copied if not is_killed]
    assert sorted(parts) == list(range(1, 26)) and sum(size for _, size in parts.values()) == HUGE
    if change in (None, "part"):
        assert b"Resuming" in done.stderr and known
        assert len(uploads) == 2 and len(again) == 25 - len(known) + (change == "part") and aborted == []
        assert change is None or parts[known[0]][0] == f"p{known[0]}"
    else:
        assert len(again) == 25 and len(uploads) == 3
        assert aborted == ([] if change == "no-resume" else ["u1"])
    assert not list((tmp_path / ".local/state/tarn/resume").glob("*.json"))


def test_copy_error_in_200_keeps_the_source(tarn, serve):
    """mv must not delete what a 200 with an error in it did not copy."""
    seen = []

    def answer(request, method, path, query, body):
        seen.append(method)
        if method == "HEAD":
            return request.reply(200, b"", [("Content-Length", "5"), ("ETag", '"e"')])
        return request.reply(200, b"<Error><Code>InternalError</Code><Message>no</Message></Error>")

    tarn("mv", "--max-retries", "1", "--endpoint", serve(answer), "s3://bucket/a", "s3://bucket/b", status=1)
    assert "DELETE" not in seen and "PUT" in seen


def test_object_replaced_while_it_is_fetched(tarn, serve, tmp_path):
    """Same size, other bytes after the third range: an error and no file, never a mixture."""
    versions = [body_of(5 * PART, 1), body_of(5 * PART, 2)]
    state = {"ranges": 0}
    lock = threading.Lock()

    def answer(request, method, path, query, body):
        with lock:
            state["ranges"] += "Range" in request.headers
            data = versions[state["ranges"] > 3]
        etag = hashlib.md5(data).hexdigest()
        wanted = request.headers.get("If-Match", f'"{etag}"').strip('"')
        if wanted != etag:
            return request.reply(412, b"<Error><Code>PreconditionFailed</Code><Message>no</Message></Error>")
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", request.headers.get("Range", ""))
        if not found:
            return request.reply(200, data, [("ETag", f'"{etag}"')])
        first, last = int(found[1]), int(found[2])
        return request.reply(206, data[first : last + 1], [("ETag", f'"{etag}"'), ("Content-Range", f"bytes {first}-{last}/{len(data)}")])

    url = serve(answer)
    tarn("cp", "--concurrency", "1", "--endpoint", url, "s3://bucket/key", tmp_path / "out", status=1)
    assert list(tmp_path.iterdir()) == []
    tarn("cp", "--endpoint", url, "s3://bucket/key", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == versions[1]
