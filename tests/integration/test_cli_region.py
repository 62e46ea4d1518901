# SPDX-License-Identifier: Apache-2.0
"""Finding a bucket's region: from redirects, refusals and HEAD answers; asked for once, then remembered."""

import re

import pytest
from conftest import BIN, run
from fake_sources import ERROR, Sources

LIST = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"


@pytest.fixture
def fake(tmp_path):
    made = Sources()
    made.env = {
        "HOME": str(tmp_path),
        "AWS_ENDPOINT_URL": made.url,
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "A",
        "AWS_SECRET_ACCESS_KEY": "S",
        "NO_PROXY": "127.0.0.1",
    }
    yield made
    made.stop()


def regions(fake):
    return [re.search(r"/\d{8}/([^/]+)/s3/", one[2]["Authorization"])[1] for one in fake.seen]


def refuse(status, body, header=None):
    """An answer for all regions but eu-west-9."""

    def answer(handler):
        if "/eu-west-9/s3/" in handler.headers["Authorization"]:
            return 200, LIST
        handler.send_response(status)
        if header:
            handler.send_header("x-amz-bucket-region", header)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(body.encode())
        return None

    return answer


@pytest.mark.parametrize(
    "status, body, header",
    [
        (301, ERROR.format("PermanentRedirect"), "eu-west-9"),
        (307, ERROR.format("TemporaryRedirect"), "eu-west-9"),
        (400, ERROR.format("AuthorizationHeaderMalformed").replace("</Error>", "<Region>eu-west-9</Region></Error>"), None),
        (400, "", "eu-west-9"),
    ],
)
def test_learnt_once(fake, status, body, header):
    sources_send = fake.send
    fake.send = lambda handler, *given: sources_send(handler, *given) if given[0] else None
    answer = refuse(status, body, header)
    fake.answers["/b"] = lambda handler: answer(handler) or (0, "")
    run([BIN / "tarn", "ls", "s3://b/x/", "s3://b/y/"], fake.env, 0, timeout=30)
    assert regions(fake) == ["us-east-1", "eu-west-9", "eu-west-9"]


def test_head_bucket_tells(fake):
    sources_send = fake.send
    fake.send = lambda handler, *given: sources_send(handler, *given) if given[0] else None
    answer = refuse(301, "", "eu-west-9")
    fake.answers["/b"] = lambda handler: answer(handler) or (0, "")
    run([BIN / "tarn", "head", "s3://b"], fake.env, 0, timeout=30)
    assert regions(fake) == ["us-east-1", "eu-west-9"]


def test_no_endless_search(fake):
    """A server that never is content is asked a few times, not for ever."""
    sources_send = fake.send
    fake.send = lambda handler, *given: sources_send(handler, *given) if given[0] else None
    count = iter(range(100))

    def answer(handler):
        handler.send_response(301)
        handler.send_header("x-amz-bucket-region", f"region-{next(count)}")
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return 0, ""

    fake.answers["/b"] = answer
    assert run([BIN / "tarn", "ls", "s3://b/x/"], fake.env, None, timeout=30).returncode in (1, 2)
    assert len(fake.seen) <= 4
