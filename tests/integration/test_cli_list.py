# SPDX-License-Identifier: Apache-2.0
"""Long listings from a server that takes its time, so that pages are asked for ahead: whatever keys there are, and
whatever the server does, what comes out is what is there, once each and in order."""

import bisect
import json
import random
import time
import urllib.parse

import pytest
from test_bad_server import XML, bad, error, reply

PAGE = 20
KEYS = 2000
WAIT_S = 0.003  # for each page: longer than what counts as waiting


def rendered(keys, token):
    more = f"<IsTruncated>true</IsTruncated><NextContinuationToken>{urllib.parse.quote(token)}</NextContinuationToken>" if token else ""
    items = "".join(f"<Contents><Key>{urllib.parse.quote(key)}</Key><Size>1</Size></Contents>" for key in keys)
    return reply(200, XML + f"<ListBucketResult><EncodingType>url</EncodingType>{more}{items}</ListBucketResult>".encode())


class Bucket:
    """Keys in the order given. Tokens are places in the list, so that even odd orders can be listed."""

    def __init__(self, keys, wait_s=WAIT_S):
        self.keys = keys
        self.wait_s = wait_s
        self.queries = []

    def begin(self, query):
        after = query.get("start-after", "").encode()
        return next((i for i, key in enumerate(self.keys) if key.encode() > after), len(self.keys))

    def guessed(self, query):
        """An answer of its own to a request that names a key."""
        return None

    def __call__(self, number, method, target, head):
        query = dict(urllib.parse.parse_qsl(target.partition("?")[2], keep_blank_values=True))
        self.queries.append(query)
        time.sleep(self.wait_s)
        if "start-after" in query and (answer := self.guessed(query)):
            return answer
        token = query.get("continuation-token")
        i = int(token) if token else self.begin(query)
        end = i + PAGE
        return rendered(self.keys[i:end], str(end) if end < len(self.keys) else None)

    def guesses(self):
        return sum("start-after" in query for query in self.queries)


def in_order(keys):
    return sorted(set(keys), key=str.encode)


def listed(tarn, *flags):
    lines = [json.loads(line) for line in tarn("ls", "-R", "--json", *flags, "s3://b/").stdout.splitlines()]
    return [line["key"] for line in lines if "key" in line]


DIGITS = "0123456789"
LOWER = "abcdefghijklmnopqrstuvwxyz"
SHAPES = {
    "hex": lambda r, i: f"{r.getrandbits(64):016x}",
    "directories": lambda r, i: f"d{i // PAGE:06}/f{i % PAGE:06}",
    "uneven directories": lambda r, i: f"d{int(i**0.5):03}/{'x' * (i % 5)}{r.randrange(1000)}",
    "numbers": lambda r, i: f"file{i}",
    "dates": lambda r, i: time.strftime("log/%Y/%m/%d/%H", time.gmtime(1.6e9 + i * 40000)) + str(r.random()),
    "few letters": lambda r, i: "".join(r.choice("ab") for _ in range(r.randrange(1, 24))),
    "any ASCII": lambda r, i: "".join(chr(r.randrange(0x20, 0x7F)) for _ in range(r.randrange(1, 9))),
    "other scripts": lambda r, i: r.choice(["é", "日本/", "a", "z\U0001f600"]) + str(r.randrange(10**6)),
    "one long beginning": lambda r, i: "k" * 900 + f"{r.randrange(10**8):08}",
    "crowds": lambda r, i: r.choice(["a/", "m/2026-", "zz/"]) + r.choice([f"{r.getrandbits(32):08x}", f"{i:04}"]),
    "at the end": lambda r, i: "~~~" + r.choice("xyz{|}~") * r.randrange(1, 40) + str(i),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_all_keys_once_and_in_order(bad, shape):
    r = random.Random(shape)
    bucket = Bucket(in_order(SHAPES[shape](r, i) for i in range(KEYS)))
    tarn, _ = bad(bucket)
    assert listed(tarn) == bucket.keys
    pages = -(-len(bucket.keys) // PAGE)
    assert len(bucket.queries) <= 2 * pages


@pytest.mark.parametrize("shape", ["hex", "directories", "numbers"])
def test_pages_are_asked_for_ahead(bad, shape):
    r = random.Random(1)
    bucket = Bucket(in_order(SHAPES[shape](r, i) for i in range(KEYS)))
    tarn, _ = bad(bucket)
    assert listed(tarn) == bucket.keys
    assert bucket.guesses() > len(bucket.queries) / 4


def test_short_listings_cost_nothing_more(bad):
    bucket = Bucket([f"f{i:06}" for i in range(PAGE * 5)])
    tarn, _ = bad(bucket)
    assert listed(tarn) == bucket.keys
    assert len(bucket.queries) == 5 and bucket.guesses() == 0


def test_directories_are_listed_one_by_one(bad):
    bucket = Bucket([f"f{i:06}" for i in range(PAGE * 40)])
    tarn, _ = bad(bucket)
    lines = tarn("ls", "--json", "s3://b/").stdout.splitlines()
    assert len([line for line in lines if b'"key"' in line]) == PAGE * 40
    assert bucket.guesses() == 0


def test_guesses_stay_below_the_prefix(bad):
    bucket = Bucket([f"p{i:06}" for i in range(KEYS)])
    tarn, _ = bad(bucket)
    tarn("ls", "-R", "s3://b/p")
    assert bucket.guesses() > 0
    assert all(query.get("start-after", "p").startswith("p") for query in bucket.queries)


def entry(key, size, when):
    return (
        f"<Contents><Key>{urllib.parse.quote(key)}</Key><LastModified>{when}</LastModified><ETag>&quot;1&quot;</ETag>"
        f"<Size>{size}</Size><StorageClass>GLACIER</StorageClass></Contents>"
    )


@pytest.mark.parametrize("flag, before, behind", [("-R", "", ""), ("--show-fullpath", "s3://b/", ""), ("-e", "", "  1"), ("-s", "", "  GLACIER")])
def test_columns(bad, flag, before, behind):
    """Lines of the usual look are written in one piece, those between them are not."""
    entries = [
        ("a", 0, "2026-11-20T01:02:03.456Z"),
        ("b" * 40, 4096, "2026-11-20T01:02:03.999Z"),
        ("c\x1b", 1, "2026-11-20T01:02:04.000Z"),
        ("d é", 9999999999, "2026-11-20T01:02:04.000Z"),
        ("e", 10**10, "2026-11-20T01:02:04.000Z"),
        ("f", 5, "1999-01-01T00:00:00.000Z"),
        ("g", 2**63, ""),
        ("h", 7, ""),
    ]
    page = "<EncodingType>url</EncodingType>" + "".join(entry(*e) for e in entries)
    tarn, _ = bad(lambda *request: reply(200, XML + f"<ListBucketResult>{page}</ListBucketResult>".encode()))
    lines = tarn("ls", "-R", flag, "s3://b/").stdout.decode().splitlines()
    for (key, size, when), line in zip(entries, lines, strict=True):
        name = key.replace("\x1b", "\\x1b")
        assert line == f"{when[:19].replace('T', ' '):19}  {size:10}  {before}{name}{behind}"


class IgnoresTheKey(Bucket):
    def begin(self, query):
        return 0


class BeginsAtTheKeyItself(Bucket):
    def begin(self, query):
        return max(super().begin(query) - 1, 0)


class SkipsOne(Bucket):
    def begin(self, query):
        return super().begin(query) + ("start-after" in query)


class IsOverloaded(Bucket):
    def guessed(self, query):
        return error(400, "InvalidArgument")


class SendsNonsense(Bucket):
    def guessed(self, query):
        return reply(200, b"<html>busy</html>")


class IsEmptyThere(Bucket):
    def guessed(self, query):
        return rendered([], None)


class ShowsDirectoriesThere(Bucket):
    def guessed(self, query):
        return reply(200, XML + b"<ListBucketResult><CommonPrefixes><Prefix>zz/</Prefix></CommonPrefixes></ListBucketResult>")


@pytest.mark.parametrize(
    "kind", [IgnoresTheKey, BeginsAtTheKeyItself, SkipsOne, IsOverloaded, SendsNonsense, IsEmptyThere, ShowsDirectoriesThere]
)
def test_servers_that_begin_elsewhere(bad, kind):
    bucket = kind([f"f{i:06}" for i in range(KEYS)])
    tarn, _ = bad(bucket)
    assert listed(tarn) == bucket.keys
    assert bucket.guesses() > 0


@pytest.mark.parametrize("seed", range(4))
def test_servers_with_an_order_of_their_own(bad, seed):
    """Such as directory buckets, or by UTF-16."""
    r = random.Random(seed)
    keys = [f"f{i:06}" for i in range(KEYS)]
    for _ in range([1, 5, 100, KEYS][seed]):
        a, b = r.randrange(KEYS), r.randrange(KEYS)
        keys[a], keys[b] = keys[b], keys[a]
    bucket = Bucket(keys)
    tarn, _ = bad(bucket)
    assert listed(tarn) == keys


class Changes(Bucket):
    """At each request keys with an x come and go."""

    def __init__(self, keys):
        super().__init__(keys)
        self.r = random.Random(9)
        self.steady = list(keys)

    def __call__(self, number, method, target, head):
        query = dict(urllib.parse.parse_qsl(target.partition("?")[2], keep_blank_values=True))
        some = {f"f{self.r.randrange(KEYS):06}x" for _ in range(200)}
        keys = in_order(self.steady + list(some))
        self.queries.append(query)
        time.sleep(self.wait_s)
        after = query.get("continuation-token") or query.get("start-after", "")
        i = bisect.bisect_right(keys, after)
        page = keys[i : i + PAGE]
        return rendered(page, page[-1] if i + PAGE < len(keys) else None)


def test_others_write_meanwhile(bad):
    bucket = Changes([f"f{i:06}" for i in range(KEYS)])
    tarn, _ = bad(bucket)
    keys = listed(tarn)
    assert keys == in_order(keys)
    assert [key for key in keys if not key.endswith("x")] == bucket.steady
    assert bucket.guesses() > 0


def test_failures_of_the_listing_itself_are_told(bad):
    class Ends(Bucket):
        def __call__(self, number, method, target, head):
            if len(self.queries) > 40 and "continuation-token" in target:
                return error(403, "AccessDenied")
            return super().__call__(number, method, target, head)

        def guessed(self, query):
            return error(403, "AccessDenied")

    bucket = Ends([f"f{i:06}" for i in range(KEYS)])
    tarn, _ = bad(bucket)
    assert "AccessDenied" in tarn("ls", "-R", "s3://b/", status=2).stderr.decode()
