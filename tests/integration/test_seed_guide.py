# SPDX-License-Identifier: Apache-2.0
"""The command lines of the guide that tarn implements, in its order, each with what must be seen afterwards.

`orbit` is `tarn`; `--source A --dest B` are its two operands. What the guide only lists, as a flag without an example, is
proved by the tests that docs/design/claims.md names."""

import os
import re
import subprocess
import tarfile
import time

import pytest
from conftest import BIN, MIB, SANITIZER, body_of

# name, command line (of bash, in a directory of its own; $B is the bucket), what must be true of the result
EXAMPLES = [
    ("keys from the environment", "tarn ls s3://$B/data/", lambda r: b"report.csv" in r.out),
    ("cat to the terminal", "tarn cat s3://$B/data/report.csv", lambda r: r.out == r.report),
    ("cat to another command", "tarn cat s3://$B/logs/app.log | grep ERROR", lambda r: r.out == b"2 ERROR no\n"),
    ("cat to a file", "tarn cat s3://$B/data/export.json > local-export.json", lambda r: r.file("local-export.json") == r.body("data/export.json")),
    ("pipe of an archive", "tar czf - data/project | tarn pipe s3://$B/backups/project.tar.gz",
     lambda r: tarfile.open(fileobj=r.stream("backups/project.tar.gz")).getnames() == ["data/project", "data/project/a.txt"]),
    ("pipe of a dump", "seq 300000 | tarn pipe s3://$B/backups/mydb.sql", lambda r: len(r.body("backups/mydb.sql")) == 1988895 and b"Uploaded" in r.err),
    ("pipe of a file", "cat report.csv | tarn pipe s3://$B/data/report.csv", lambda r: r.body("data/report.csv") == r.file("report.csv")),
    ("presign for an hour", "tarn presign s3://$B/data/report.csv", lambda r: b"X-Amz-Expires=3600&" in r.out and r.out.count(b"\n") == 1),
    ("presign for a day", "tarn presign s3://$B/data/report.csv --expires 86400", lambda r: b"X-Amz-Expires=86400&" in r.out),
    ("presign in a script", 'URL=$(tarn presign s3://$B/data/report.csv --expires 3600); curl -sf -o file.zip "$URL"',
     lambda r: r.file("file.zip") == r.body("data/report.csv")),
    ("wildcard, one directory", 'tarn cp "s3://$B/data/2024-*.parquet" local --recursive',
     lambda r: r.files("local") == ["2024-01.parquet", "2024-02.parquet"]),
    ("wildcard between slashes", 'tarn cp "s3://$B/logs/*/error.log" local --recursive',
     lambda r: r.files("local") == ["app/deep/error.log", "app/error.log", "web/error.log"]),
    ("wildcard of one character", 'tarn ls "s3://$B/data/2024-0?.parquet"', lambda r: r.out.count(b"\n") == 2),
    ("many files at once", "tarn cp data s3://$B/backup --workers 256 --concurrency 8 --recursive",
     lambda r: r.keys("backup/") == ["backup/big.bin", "backup/project/a.txt"]),
    ("few files at once", "tarn cp data s3://$B/backup --workers 32 --concurrency 3 --recursive",
     lambda r: r.body("backup/big.bin") == r.file("data/big.bin")),
    ("the older name of --workers", "tarn cp data s3://$B/backup --parallel 4 -R", lambda r: len(r.keys("backup/")) == 2),
    ("commands of a file", "tarn run --file commands.txt --workers 256", lambda r: r.keys("run/") == ["run/1", "run/2", "run/3"]),
    ("commands of standard input", "cat commands.txt | tarn run", lambda r: r.keys("run/") == ["run/1", "run/2", "run/3"] and b"3 succeeded, 0 failed" in r.err),
    ("statistics", "tarn cp data s3://$B/backup --recursive --stat -H", lambda r: re.search(STATISTICS, r.out.decode())),
    ("a bucket for tests", "tarn mb s3://$B-test && tarn ls && tarn rb s3://$B-test", lambda r: r.bucket.encode() + b"-test" in r.out),
    ("a server for tests", "tarn mock --bucket orbit-test -- tarn ls", lambda r: b"orbit-test" in r.out),
    ("to the archive", "tarn cp report.csv s3://$B/database/2025/ --storage-class GLACIER",
     lambda r: r.head("database/2025/report.csv")["StorageClass"] == "GLACIER"),
    ("migration of a tree", "tarn sync data s3://$B/migrated", lambda r: r.keys("migrated/") == ["migrated/big.bin", "migrated/project/a.txt"]),
    ("parts of 50 MiB", "tarn cp data/big.bin s3://$B/parts --part-size 50", lambda r: r.head("parts")["ETag"].count("-") == 0),
    ("metadata of an object", "tarn head s3://$B/data/report.csv", lambda r: b"Content-Type:" in r.out and b"text/csv" in r.out),
    ("sizes for people", "tarn du -H s3://$B/logs", lambda r: re.search(rb"\d B +4 objects", r.out)),
    ("move in the bucket", "tarn mv s3://$B/data/export.json s3://$B/moved.json", lambda r: "moved.json" in r.keys("") and "data/export.json" not in r.keys("")),
    ("delete by wildcard", 'tarn rm "s3://$B/logs/*.log"', lambda r: r.keys("logs/") == [] and b"Deleted 4 objects" in r.out),
    ("no keys at all", "tarn cat --no-sign-request s3://$B/data/report.csv", lambda r: r.status == 2 and b"access denied" in r.err),
    ("an object that is not there", "tarn cat s3://$B/missing-file.txt", lambda r: r.status == 1 and b"not found" in r.err),
    ("a bucket that is not there", "tarn cat s3://$B-none/key", lambda r: r.status == 2 and b"NoSuchBucket" in r.err),
    ("keys that are wrong", "AWS_SECRET_ACCESS_KEY=wrong tarn ls s3://$B", lambda r: r.status == 2 and b"SignatureDoesNotMatch" in r.err),
]

STATISTICS = r"""Execution Statistics
  - Operation: Copy
  - Total files: 2
  - Succeeded: 2
  - Failed: 0
  - Total size: 6\.0 MiB
  - Elapsed: \d+(ms|\.\d+?s)
  - Throughput: \d+(\.\d)? [KMG]?i?B/s
"""


class Result:
    """What a command line has left: its output, the files, the bucket."""

    def __init__(self, done, s3, bucket, place):
        self.status, self.out, self.err = done.returncode, done.stdout, done.stderr
        self.s3, self.bucket, self.place = s3, bucket, place
        self.report = b"name,value\na,1\n"

    def file(self, name):
        return (self.place / name).read_bytes()

    def files(self, name):
        return sorted(str(p.relative_to(self.place / name)) for p in (self.place / name).rglob("*") if p.is_file())

    def stream(self, key):
        path = self.place / "fetched"
        path.write_bytes(self.body(key))
        return open(path, "rb")

    def body(self, key):
        return self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def head(self, key):
        return self.s3.head_object(Bucket=self.bucket, Key=key)

    def keys(self, prefix):
        return [o["Key"] for o in self.s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix).get("Contents", [])]


@pytest.fixture
def place(s3, bucket, tmp_path):
    """The files and objects that the guide speaks of."""
    (tmp_path / "data/project").mkdir(parents=True)
    (tmp_path / "data/project/a.txt").write_text("a")
    (tmp_path / "data/big.bin").write_bytes(body_of(6 * MIB))
    (tmp_path / "report.csv").write_text("name,value\nb,2\n")
    (tmp_path / "commands.txt").write_text("# one operation per line\n" + "".join(f"cp report.csv s3://{bucket}/run/{i}\n" for i in (1, 2, 3)))
    objects = {"data/report.csv": b"name,value\na,1\n", "data/export.json": b"{}", "logs/app.log": b"1 INFO yes\n2 ERROR no\n"}
    objects |= {f"logs/{name}/error.log": b"x" for name in ("app", "app/deep", "web")}
    objects |= {f"data/{name}.parquet": b"x" for name in ("2024-01", "2024-02", "2023-12")}
    for key, body in objects.items():
        kind = {"ContentType": "text/csv"} if key.endswith(".csv") else {}
        s3.put_object(Bucket=bucket, Key=key, Body=body, **kind)
    return tmp_path


@pytest.mark.parametrize("name,line,is_right", EXAMPLES, ids=[row[0] for row in EXAMPLES])
def test_example(server, s3, bucket, place, name, line, is_right):
    env = dict(server.client_env(place), B=bucket, PATH=f"{BIN}:{os.environ['PATH']}")
    start = time.monotonic()
    done = subprocess.run(["bash", "-o", "pipefail", "-c", line], cwd=place, env=env, capture_output=True, timeout=120)
    result = Result(done, s3, bucket, place)
    text = done.stderr.decode(errors="replace")
    assert not SANITIZER.search(text), text[:4000]
    assert is_right(result), (done, time.monotonic() - start)
    if any(word in name for word in ("not there", "wrong", "no keys")):
        assert done.stdout == b"" and done.stderr.count(b"\n") == 1, done
    else:
        assert done.returncode == 0, done
