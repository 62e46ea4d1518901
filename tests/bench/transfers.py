#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What transfers cost tarn itself: CPU an object, CPU a GB and peak memory, against a tarnd beside it.

    tests/bench/transfers.py [--bin build/release/bin] [--dir /dev/shm] [--runs 3] [ROW...]

The figures are the client's alone (wait4), so that they hold on a machine that does other things, too;
the wall time does not. The best of the runs counts.
"""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time

KEYS = {"AWS_ACCESS_KEY_ID": "BENCHACCESSKEY000001", "AWS_SECRET_ACCESS_KEY": "bench-secret"}
SMALL_COUNT, SMALL_LEN = 10000, 4096
MIB = 1 << 20
MEDIUM_COUNT, MEDIUM_LEN = 200, 10 * MIB
LARGE_LEN = 2 << 30


class Bench:
    def __init__(self, bin_dir, work):
        self.bin = pathlib.Path(bin_dir)
        self.work = pathlib.Path(work)
        self.env = dict(os.environ, HOME=str(work), XDG_STATE_HOME=str(work / "state"), AWS_REGION="us-east-1", **KEYS)
        self.server = None

    def start(self):
        env = dict(self.env, TARN_ACCESS_KEY=KEYS["AWS_ACCESS_KEY_ID"], TARN_SECRET_KEY=KEYS["AWS_SECRET_ACCESS_KEY"])
        log = self.work / "tarnd.log"
        with open(log, "wb") as out:
            command = [self.bin / "tarnd", "--data", self.work / "store", "--listen", "127.0.0.1:0"]
            self.server = subprocess.Popen(command, stderr=out, stdin=subprocess.DEVNULL, env=env)
        while not (found := re.search(r"event=listening address=\S*?:(\d+)\s", log.read_text())):
            assert self.server.poll() is None, log.read_text()
            time.sleep(0.01)
        self.env["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{found[1]}"

    def stop(self):
        if self.server:
            self.server.terminate()
            self.server.wait()

    def tarn(self, *args, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL):
        """Wall seconds, CPU seconds, peak RSS in MiB."""
        rss = self.work / "rss"  # by time(1): what is forked from here begins with the RSS of Python
        command = ["/usr/bin/time", "-o", rss, "-f", "%M", self.bin / "tarn", *map(str, args)]
        began = time.monotonic()
        child = subprocess.Popen(command, env=self.env, stdin=stdin, stdout=stdout)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        assert child.returncode == 0, f"tarn {args}: {child.returncode}"
        return time.monotonic() - began, usage.ru_utime, usage.ru_stime, int(rss.read_text()) / 1024

    def make_small(self):
        tree = self.work / "small"
        if not tree.exists():
            tree.mkdir()
            body = os.urandom(SMALL_LEN)
            for i in range(SMALL_COUNT):
                (tree / f"{i:05}").write_bytes(body)
        return tree

    def make_large(self):
        path = self.work / "large"
        if not path.exists():
            block = os.urandom(MIB)
            with open(path, "wb") as out:
                for _ in range(LARGE_LEN // MIB):
                    out.write(block)
        return path

    def make_medium(self):
        tree = self.work / "medium"
        if not tree.exists():
            tree.mkdir()
            body = os.urandom(MEDIUM_LEN)
            for i in range(MEDIUM_COUNT):
                (tree / f"{i:05}").write_bytes(body)
        return tree

    def empty(self, name):
        path = self.work / name
        shutil.rmtree(path, ignore_errors=True)
        if path.exists():
            path.unlink()
        return path


def small_up(b, *extra):
    return b.tarn("cp", "-r", "-q", *extra, b.make_small(), "s3://bench/small/")


def small_down(b, *extra):
    return b.tarn("cp", "-r", "-q", *extra, "s3://bench/small/", b.empty("out"))


def medium_up(b, *extra):
    return b.tarn("cp", "-r", "-q", *extra, b.make_medium(), "s3://bench/medium/")


def medium_down(b, *extra):
    return b.tarn("cp", "-r", "-q", *extra, "s3://bench/medium/", b.empty("out"))


def small_copy(b, *extra):
    return b.tarn("cp", "-r", "-q", *extra, "s3://bench/small/", "s3://bench/copy/")


def large_up(b, *extra):
    return b.tarn("cp", "-q", *extra, b.make_large(), "s3://bench/large")


def large_down(b, *extra):
    return b.tarn("cp", "-q", *extra, "s3://bench/large", b.empty("large.out"))


def large_cat(b, *extra):
    return b.tarn("cat", *extra, "s3://bench/large")


def large_pipe(b, *extra):
    with open(b.make_large(), "rb") as source:
        feeder = subprocess.Popen(["cat"], stdin=source, stdout=subprocess.PIPE)
        try:
            return b.tarn("pipe", "-q", *extra, "s3://bench/piped", stdin=feeder.stdout)
        finally:
            feeder.stdout.close()
            feeder.wait()


def large_copy(b, *extra):
    return b.tarn("cp", "-q", *extra, "s3://bench/large", "s3://bench/large.copy")


def small_sync_up(b, *extra):
    b.tarn("rm", "-r", "--force", "-q", "s3://bench/sync/*")
    return b.tarn("sync", "-q", *extra, b.make_small(), "s3://bench/sync/")


def small_sync_down(b, *extra):
    return b.tarn("sync", "-q", *extra, "s3://bench/small/", b.empty("out"))


def small_sync_copy(b, *extra):
    b.tarn("rm", "-r", "--force", "-q", "s3://bench/sync/*")
    return b.tarn("sync", "-q", *extra, "s3://bench/small/", "s3://bench/sync/")


def small_remove(b, *extra):
    b.tarn("sync", "-q", "s3://bench/small/", "s3://bench/sync/")
    return b.tarn("rm", "-r", "--force", "-q", *extra, "s3://bench/sync/*")


ROWS = {
    "small-up": (small_up, SMALL_COUNT, "us/object", 1e6),
    "small-down": (small_down, SMALL_COUNT, "us/object", 1e6),
    "large-up": (large_up, LARGE_LEN / 1e9, "s/GB", 1),
    "large-down": (large_down, LARGE_LEN / 1e9, "s/GB", 1),
    "large-cat": (large_cat, LARGE_LEN / 1e9, "s/GB", 1),
    "medium-up": (medium_up, MEDIUM_COUNT * MEDIUM_LEN / 1e9, "s/GB", 1),
    "medium-down": (medium_down, MEDIUM_COUNT * MEDIUM_LEN / 1e9, "s/GB", 1),
    "small-copy": (small_copy, SMALL_COUNT, "us/object", 1e6),
    "large-pipe": (large_pipe, LARGE_LEN / 1e9, "s/GB", 1),
    "large-copy": (large_copy, LARGE_LEN / 1e9, "s/GB", 1),
    "sync-up": (small_sync_up, SMALL_COUNT, "us/object", 1e6),
    "sync-down": (small_sync_down, SMALL_COUNT, "us/object", 1e6),
    "sync-copy": (small_sync_copy, SMALL_COUNT, "us/object", 1e6),
    "small-rm": (small_remove, SMALL_COUNT, "us/object", 1e6),
}
LIMITED = "-32M"  # behind the name of any: under that ceiling


def measure(b, name, runs):
    run, amount, unit, scale = ROWS[name.removesuffix(LIMITED)]
    limit = ("--memory", "32M") if name.endswith(LIMITED) else ()
    best = min((run(b, *limit) for _ in range(runs)), key=lambda r: r[1] + r[2])
    wall, user, system, rss = best
    cpu = (user + system) * scale / amount
    print(f"{name:15} {cpu:8.2f} {unit} (user {user * scale / amount:.2f}), wall {wall:.2f} s, RSS {rss:.1f} MiB", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", default="build/release/bin")
    parser.add_argument("--dir", default="/dev/shm", help="where files and the store lie (default %(default)s)")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"any of {', '.join(ROWS)}, with {LIMITED} behind it for a ceiling")
    args = parser.parse_args()
    rows = args.rows or list(ROWS)[:5]
    with tempfile.TemporaryDirectory(prefix="tarn-bench-", dir=args.dir) as work:
        bench = Bench(args.bin, pathlib.Path(work))
        bench.start()
        try:
            bench.tarn("mb", "-q", "s3://bench")
            if any("small" in r for r in rows):
                small_up(bench)
            if any("medium" in r for r in rows):
                medium_up(bench)
            if any("large" in r for r in rows):
                large_up(bench)
            for name in rows:
                measure(bench, name, args.runs)
        finally:
            bench.stop()


if __name__ == "__main__":
    main()
