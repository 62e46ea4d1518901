# SPDX-License-Identifier: Apache-2.0
"""Cross-origin requests: preflights without credentials, headers of answers."""

import pytest
import urllib3

HTTP = urllib3.PoolManager()
RULES = {
    "CORSRules": [
        {"AllowedMethods": ["GET"], "AllowedOrigins": ["*suffix"], "AllowedHeaders": ["x-amz-*"], "MaxAgeSeconds": 30},
        {"AllowedMethods": ["PUT", "DELETE"], "AllowedOrigins": ["start*end"], "ExposeHeaders": ["ETag", "x-a"]},
        {"AllowedMethods": ["HEAD"], "AllowedOrigins": ["*"]},
    ]
}


@pytest.fixture
def url(server, s3, bucket):
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration=RULES)
    s3.put_object(Bucket=bucket, Key="a", Body=b"body", ACL="public-read")
    return f"{server.url}/{bucket}/a"


def ask(url, method, origin=None, wanted=None, headers=None):
    sent = {"Origin": origin, "Access-Control-Request-Method": wanted, "Access-Control-Request-Headers": headers}
    return HTTP.request(method, url, headers={k: v for k, v in sent.items() if v}, retries=False)


@pytest.mark.parametrize(
    "origin, wanted, headers, status, allowed",
    [
        ("foo.suffix", "GET", None, 200, "foo.suffix"),
        ("foo.suffix", "GET", "X-Amz-Date, x-amz-user", 200, "foo.suffix"),
        ("foo.suffix", "GET", "content-type", 403, None),
        ("foo.suffix", "PUT", None, 403, None),
        ("start1end", "DELETE", None, 200, "start1end"),
        ("startend", "PUT", None, 200, "startend"),
        ("start", "PUT", None, 403, None),
        ("anything", "HEAD", None, 200, "*"),
        ("foo.suffix.com", "GET", None, 403, None),
        (None, "GET", None, 400, None),
        ("foo.suffix", None, None, 400, None),
        ("foo.suffix", "BREW", None, 403, None),
    ],
)
def test_preflight(url, origin, wanted, headers, status, allowed):
    answer = ask(url, "OPTIONS", origin, wanted, headers)
    assert answer.status == status
    assert answer.headers.get("Access-Control-Allow-Origin") == allowed
    if status == 200 and headers:
        assert answer.headers["Access-Control-Allow-Headers"] == headers.lower()
        assert answer.headers["Access-Control-Max-Age"] == "30"


def test_answers(url, server, bucket):
    answer = ask(url, "GET", "foo.suffix")
    assert (answer.status, answer.data) == (200, b"body")
    assert answer.headers["Access-Control-Allow-Origin"] == "foo.suffix"
    assert answer.headers["Access-Control-Allow-Methods"] == "GET"
    assert "Origin" in answer.headers["Vary"]
    refused = ask(url + "none", "PUT", "startend")
    assert refused.status == 403 and refused.headers["Access-Control-Expose-Headers"] == "ETag, x-a"
    for origin in (None, "other"):
        assert "Access-Control-Allow-Origin" not in ask(url, "GET", origin).headers


def test_answers_of_what_names_a_method(url):
    """A request that is no preflight, with a preflight's header: the rules of that method."""
    answer = ask(url, "GET", "startend", "PUT")
    assert (answer.status, answer.headers["Access-Control-Allow-Methods"]) == (200, "PUT, DELETE")
    assert "Access-Control-Allow-Origin" not in ask(url, "GET", "foo.suffix", "PUT").headers


def test_none(server, s3, bucket):
    answer = ask(f"{server.url}/{bucket}/a", "OPTIONS", "a", "GET")
    assert answer.status == 403 and b"<Code>AccessForbidden</Code>" in answer.data
    assert ask(f"{server.url}/no-such-bucket", "OPTIONS", "a", "GET").status == 404
