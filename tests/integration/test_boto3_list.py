# SPDX-License-Identifier: Apache-2.0
"""Listing through boto3: both versions, every parameter, pages that join up."""

import pytest

from conftest import refused
from oddkeys import odd_keys
import raw

KEYS = odd_keys()


@pytest.fixture(scope="module")
def odd_bucket(server, s3):
    s3.create_bucket(Bucket="odd-keys")
    raw.put_many(server, "odd-keys", KEYS, lambda key: key.encode())
    return "odd-keys"


TREE = ["a", "b/1", "b/2", "b/3/x", "c", "c/", "c/d", "d0", "e//f", "e/g", "é/1", "é/2"]


@pytest.fixture(scope="module")
def tree(server, s3):
    s3.create_bucket(Bucket="tree")
    raw.put_many(server, "tree", TREE, lambda key: b"x")
    return "tree"


def pages(s3, call, **arguments):
    """Keys and prefixes over all pages, in order of appearance, and the number of pages."""
    keys, prefixes, count = [], [], 0
    for page in s3.get_paginator(call).paginate(**arguments):
        keys += [entry["Key"] for entry in page.get("Contents", [])]
        prefixes += [entry["Prefix"] for entry in page.get("CommonPrefixes", [])]
        count += 1
    return keys, prefixes, count


@pytest.mark.parametrize("call", ["list_objects", "list_objects_v2"])
@pytest.mark.parametrize("size", [1000, 333])
def test_all_odd_keys(s3, odd_bucket, call, size):
    keys, _, count = pages(s3, call, Bucket=odd_bucket, PaginationConfig={"PageSize": size})
    assert keys == KEYS
    assert count == -(-len(KEYS) // size)


@pytest.mark.parametrize("call", ["list_objects", "list_objects_v2"])
def test_odd_prefixes(s3, odd_bucket, call):
    for prefix in ["100%", "plus+", "/", "//", "日", "what?/", "a#b", "<xml>&amp;/", "k" * 1000, "nothing"]:
        keys, _, _ = pages(s3, call, Bucket=odd_bucket, Prefix=prefix)
        assert keys == [key for key in KEYS if key.startswith(prefix)], prefix


@pytest.mark.parametrize("call", ["list_objects", "list_objects_v2"])
@pytest.mark.parametrize("size", [1000, 7])
def test_odd_common_prefixes(s3, odd_bucket, call, size):
    arguments = {"Bucket": odd_bucket, "Delimiter": "/", "PaginationConfig": {"PageSize": size}}
    keys, prefixes, _ = pages(s3, call, **arguments)
    assert keys == [key for key in KEYS if "/" not in key]
    expected = {key.partition("/")[0] + "/" for key in KEYS if "/" in key}
    assert prefixes == sorted(expected, key=lambda text: text.encode())


def expected_page(keys, prefix, delimiter):
    contents, prefixes = [], []
    for key in sorted(keys, key=lambda key: key.encode()):
        if not key.startswith(prefix):
            continue
        at = key.find(delimiter, len(prefix)) if delimiter else -1
        if at < 0:
            contents.append(key)
        elif key[: at + len(delimiter)] not in prefixes:
            prefixes.append(key[: at + len(delimiter)])
    return contents, prefixes


@pytest.mark.parametrize("delimiter", ["", "/", "//", "b/", "é", "zzz"])
@pytest.mark.parametrize("prefix", ["", "b", "b/", "c", "c/", "e/", "é", "b/3/x", "x"])
@pytest.mark.parametrize("size", [1000, 1, 2])
def test_delimiters(s3, tree, prefix, delimiter, size):
    for call in ("list_objects", "list_objects_v2"):
        arguments = {"Bucket": tree, "Prefix": prefix, "PaginationConfig": {"PageSize": size}}
        if delimiter:
            arguments["Delimiter"] = delimiter
        keys, prefixes, _ = pages(s3, call, **arguments)
        assert (keys, prefixes) == expected_page(TREE, prefix, delimiter), call


def test_v2_fields(s3, tree):
    page = s3.list_objects_v2(Bucket=tree, MaxKeys=2, Prefix="b", Delimiter="/", StartAfter="a")
    assert (page["Name"], page["Prefix"], page["Delimiter"], page["StartAfter"]) == ("tree", "b", "/", "a")
    assert (page["MaxKeys"], page["KeyCount"], page["IsTruncated"]) == (2, 1, False)
    entry = s3.list_objects_v2(Bucket=tree, MaxKeys=1)["Contents"][0]
    assert (entry["Key"], entry["Size"], entry["StorageClass"]) == ("a", 1, "STANDARD")
    assert entry["ETag"] == '"9dd4e461268c8034f5c8564e155c67a6"'
    assert "Owner" not in entry
    owned = s3.list_objects_v2(Bucket=tree, MaxKeys=1, FetchOwner=True)["Contents"][0]
    assert owned["Owner"]["ID"]


def test_v1_fields(s3, tree):
    page = s3.list_objects(Bucket=tree, MaxKeys=2)
    assert (page["Name"], page["IsTruncated"], page["MaxKeys"]) == ("tree", True, 2)
    assert "NextMarker" not in page  # only with a delimiter; the last key serves otherwise
    assert page["Contents"][0]["Owner"]["ID"]
    page = s3.list_objects(Bucket=tree, MaxKeys=2, Delimiter="/")
    assert page["NextMarker"] == "b/"
    rest = s3.list_objects(Bucket=tree, Delimiter="/", Marker="b/")
    assert [entry["Key"] for entry in rest["Contents"]] == ["c", "d0"]


def test_start_after(s3, tree):
    after = s3.list_objects_v2(Bucket=tree, StartAfter="c")["Contents"]
    assert [entry["Key"] for entry in after] == TREE[5:]
    between = s3.list_objects_v2(Bucket=tree, StartAfter="b/11")["Contents"]
    assert [entry["Key"] for entry in between] == TREE[2:]
    assert s3.list_objects_v2(Bucket=tree, StartAfter="\U0010ffff")["KeyCount"] == 0


def test_limits_of_max_keys(s3, tree, server):
    page = s3.list_objects_v2(Bucket=tree, MaxKeys=0)
    assert (page["KeyCount"], page["IsTruncated"]) == (0, False)
    assert s3.list_objects_v2(Bucket=tree, MaxKeys=5000)["KeyCount"] == len(TREE)
    for text in ("-1", "x", "99999999999999999999", "1.5"):
        with raw.Connection(server) as conn:
            reply = conn.request("GET", f"/{tree}?list-type=2&max-keys={text}")
        assert (reply.status, reply.code) == (400, "InvalidArgument"), text


def test_page_never_exceeds_a_thousand(s3, odd_bucket):
    page = s3.list_objects_v2(Bucket=odd_bucket, MaxKeys=2000)
    assert (page["KeyCount"], page["IsTruncated"]) == (1000, True)


def test_empty_token(s3, tree):
    page = s3.list_objects_v2(Bucket=tree, ContinuationToken="", MaxKeys=1)
    assert page["ContinuationToken"] == ""
    assert page["Contents"] == s3.list_objects_v2(Bucket=tree, MaxKeys=1)["Contents"]


@pytest.mark.parametrize("token", ["x", "AAAA", "%00", "ü", "a" * 3000])
def test_bad_token(s3, tree, token):
    refused(400, "InvalidArgument", s3.list_objects_v2, Bucket=tree, ContinuationToken=token)


def test_token_continues_after_deletion(s3, bucket):
    for i in range(10):
        s3.put_object(Bucket=bucket, Key=f"k{i}")
    page = s3.list_objects_v2(Bucket=bucket, MaxKeys=4)
    for i in range(2, 6):
        s3.delete_object(Bucket=bucket, Key=f"k{i}")
    rest = s3.list_objects_v2(Bucket=bucket, ContinuationToken=page["NextContinuationToken"])
    assert [entry["Key"] for entry in rest["Contents"]] == ["k6", "k7", "k8", "k9"]


def test_without_encoding_type(server, s3, bucket):
    """Keys that XML can carry arrive escaped; encoding-type=url percent-encodes, and / stays."""
    s3.put_object(Bucket=bucket, Key="a&b<c> +%/ü")
    with raw.Connection(server) as conn:
        plain = conn.request("GET", f"/{bucket}?list-type=2")
        coded = conn.request("GET", f"/{bucket}?list-type=2&encoding-type=url")
        wrong = conn.request("GET", f"/{bucket}?list-type=2&encoding-type=rot13")
    assert "<Key>a&amp;b&lt;c&gt; +%/ü</Key>" in plain.body.decode()
    assert "<EncodingType>url</EncodingType>" in coded.body.decode()
    assert any(f"<Key>a%26b%3Cc%3E{blank}%2B%25/%C3%BC</Key>" in coded.body.decode() for blank in ("+", "%20"))
    assert (wrong.status, wrong.code) == (400, "InvalidArgument")
    assert plain.headers["content-type"] == "application/xml"
