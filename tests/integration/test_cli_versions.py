# SPDX-License-Identifier: Apache-2.0
"""Listings of versions from a scripted server: pages, odd keys, endless and broken ones."""

import json
import urllib.parse

import pytest
from conftest import BIN, run
from fake_sources import Sources

ENTRY = (
    "<{kind}><Key>{key}</Key><VersionId>{version}</VersionId><IsLatest>{latest}</IsLatest>"
    "<LastModified>2026-01-02T03:04:05.000Z</LastModified>{more}</{kind}>"
)
VERSION = "<ETag>&quot;e&quot;</ETag><Size>7</Size><StorageClass>GLACIER</StorageClass><Owner><ID>o</ID></Owner>"


def entry(key, version, kind="Version", latest="false", more=VERSION):
    return ENTRY.format(kind=kind, key=key, version=version, latest=latest, more=more if kind == "Version" else "")


def page(*entries, key_marker=None, version_marker=None):
    text = "<ListVersionsResult><EncodingType>url</EncodingType>"
    if key_marker is not None:
        text += f"<IsTruncated>true</IsTruncated><NextKeyMarker>{key_marker}</NextKeyMarker>"
        text += f"<NextVersionIdMarker>{version_marker}</NextVersionIdMarker>"
    return text + "".join(entries) + "</ListVersionsResult>"


@pytest.fixture
def fake(tmp_path):
    made = Sources()
    made.env = {
        "HOME": str(tmp_path),
        "AWS_ENDPOINT_URL": made.url,
        "AWS_ACCESS_KEY_ID": "A",
        "AWS_SECRET_ACCESS_KEY": "S",
        "NO_PROXY": "127.0.0.1",
    }
    yield made
    made.stop()


def versions(fake, pages, *args, status=0):
    left = list(pages)
    fake.answers["/b"] = lambda handler: (200, left.pop(0) if len(left) > 1 else left[0])
    done = run([BIN / "tarn", "versions", "--json", *args], fake.env, status, timeout=30)
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def test_pages_and_odd_keys(fake):
    found, _ = versions(
        fake,
        [
            page(entry("a%2Fb+c", "3", latest="true"), entry("a%2Fb+c", "2", "DeleteMarker"), key_marker="a%2Fb+c", version_marker="2"),
            page(entry("a%2Fb+c", "null"), entry("z%0A", "9")),
        ],
        "-r",
        "s3://b",
    )
    assert [(one["key"], one["version_id"], one["type"]) for one in found[:-1]] == [
        ("a/b c", "3", "version"), ("a/b c", "2", "delete_marker"), ("a/b c", "null", "version"), ("z\n", "9", "version"),
    ]
    assert found[0]["storage_class"] == "GLACIER" and found[0]["etag"] == "e" and found[0]["size"] == 7
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(fake.seen[1][1]).query)
    assert query["key-marker"] == ["a/b c"] and query["version-id-marker"] == ["2"]


def test_exact_key_stops_early(fake):
    endless = page(entry("k", "1"), entry("k2", "2"), key_marker="k2", version_marker="2")
    found, _ = versions(fake, [endless], "s3://b/k")
    assert [one["version_id"] for one in found[:-1]] == ["1"]
    assert len(fake.seen) == 1


@pytest.mark.parametrize(
    "pages",
    [
        [page(entry("k", "1"), key_marker="k", version_marker="1")],  # again and again
        ["<ListVersionsResult><IsTruncated>true</IsTruncated></ListVersionsResult>"],
        [page(entry("", "1"))],
        [page(entry("k", ""))],
        [page(entry("k", "1", more="<Size>-1</Size>"))],
        [page(entry("%zz", "1"))],
        ["<Other/>"],
        [""],
        ["<ListVersionsResult>"],
    ],
)
def test_broken(fake, pages):
    found, message = versions(fake, pages, "-r", "s3://b", status=1)
    assert json.loads(message.splitlines()[-1])["success"] is False
    assert not [one for one in found if "count" in one]
