# SPDX-License-Identifier: Apache-2.0
"""Buckets as websites: documents, redirects, rules, and who may read."""

import http.client
import json

import pytest

import raw
from conftest import MIB, body_of

DOMAIN = "web.test"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    from conftest import Server

    path = tmp_path_factory.mktemp("site")
    (path / "config.yaml").write_text(f"website_domains: [{DOMAIN}, www.own.test]\n")
    server = Server(path / "data", args=["--config", str(path / "config.yaml")]).start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def s3(site):
    return site.boto()


def open_to_all(s3, bucket, actions=("s3:GetObject",), prefix=""):
    statement = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": list(actions),
        "Resource": [f"arn:aws:s3:::{bucket}/{prefix}*", f"arn:aws:s3:::{bucket}"],
    }
    if actions == ("s3:GetObject",):
        statement["Resource"] = statement["Resource"][:1]
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))


def setup_site(s3, bucket, **more):
    configuration = {"IndexDocument": {"Suffix": "index.html"}, **more}
    s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration=configuration)
    open_to_all(s3, bucket, ("s3:GetObject", "s3:ListBucket"))


def get(site, bucket, path, method="GET", host=None, **headers):
    conn = http.client.HTTPConnection(site.netloc, timeout=60)
    conn.request(method, path, headers={"Host": host or f"{bucket}.{DOMAIN}:80", **headers})
    reply = conn.getresponse()
    reply.data = reply.read()
    conn.close()
    return reply


def location(reply):
    return reply.status, reply.headers["Location"]


def test_documents(site, s3, bucket):
    setup_site(s3, bucket)
    s3.put_object(Bucket=bucket, Key="index.html", Body=b"<h1>home</h1>", ContentType="text/html")
    s3.put_object(Bucket=bucket, Key="a b/index.html", Body=b"folder")
    s3.put_object(Bucket=bucket, Key="page", Body=b"page", Metadata={"m": "1"})
    reply = get(site, bucket, "/")
    assert (reply.status, reply.data, reply.headers["Content-Type"]) == (200, b"<h1>home</h1>", "text/html")
    assert get(site, bucket, "/a%20b/").data == b"folder"
    assert location(get(site, bucket, "/a%20b")) == (302, f"http://{bucket}.{DOMAIN}:80/a%20b/")
    reply = get(site, bucket, "/page?versionId=x&acl&uploads")  # queries mean nothing
    assert (reply.status, reply.data, reply.headers["x-amz-meta-m"]) == (200, b"page", "1")
    reply = get(site, bucket, "/page", "HEAD")
    assert (reply.status, reply.data, reply.headers["Content-Length"]) == (200, b"", "4")
    reply = get(site, bucket, "/page", Range="bytes=1-2")
    assert (reply.status, reply.data) == (206, b"ag")
    etag = get(site, bucket, "/page").headers["ETag"]
    assert get(site, bucket, "/page", **{"If-None-Match": etag}).status == 304
    assert get(site, bucket.upper(), "/").data == b"<h1>home</h1>"


def test_large_document(site, s3, bucket):
    setup_site(s3, bucket)
    body = body_of(3 * MIB, 1)
    s3.put_object(Bucket=bucket, Key="big", Body=body)
    assert get(site, bucket, "/big").data == body


def test_a_host_that_is_the_bucket(site, s3):
    s3.create_bucket(Bucket="www.own.test")
    setup_site(s3, "www.own.test")
    s3.put_object(Bucket="www.own.test", Key="index.html", Body=b"own")
    assert get(site, None, "/", host="www.own.test").data == b"own"
    assert get(site, None, "/", host="www.own.test:8080").data == b"own"
    assert get(site, None, "/", host="own.test").status == 403  # the API, asked for a listing by nobody


def test_what_is_missing(site, s3, bucket):
    s3.put_object(Bucket=bucket, Key="error/404.html", Body=b"not here", ContentType="text/html")
    reply = get(site, bucket, "/nothing")
    assert reply.status == 404 and b"NoSuchWebsiteConfiguration" in reply.data
    setup_site(s3, bucket)
    reply = get(site, bucket, "/<no&thing>")
    assert reply.status == 404 and b"<li>Code: NoSuchKey</li>" in reply.data
    assert b"<li>Key: &lt;no&amp;thing&gt;</li>" in reply.data
    assert reply.headers["Content-Type"].startswith("text/html")
    assert reply.headers["x-amz-error-code"] == "NoSuchKey"
    reply = get(site, bucket, "/nothing", "HEAD")
    assert (reply.status, reply.data) == (404, b"")
    setup_site(s3, bucket, ErrorDocument={"Key": "error/404.html"})
    reply = get(site, bucket, "/nothing", Range="bytes=0-1")
    assert (reply.status, reply.data, reply.headers["Content-Type"]) == (404, b"not here", "text/html")
    s3.delete_object(Bucket=bucket, Key="error/404.html")
    reply = get(site, bucket, "/nothing")
    assert reply.status == 404 and b"NoSuchKey" in reply.data
    reply = get(site, "no-such-bucket", "/")
    assert reply.status == 404 and b"NoSuchBucket" in reply.data
    assert get(site, "a_b", "/").status in (403, 404)
    for path in ("/%zz", "/a%00b", "/" + "k" * 2000):
        assert get(site, bucket, path).status == 400


def test_only_reads(site, s3, bucket):
    setup_site(s3, bucket)
    for method in ("PUT", "POST", "DELETE", "OPTIONS", "PATCH"):
        reply = get(site, bucket, "/index.html", method, **{"Content-Length": "0"})
        assert reply.status == 405 and b"MethodNotAllowed" in reply.data


def test_who_may_read(site, s3, bucket):
    s3.put_bucket_website(
        Bucket=bucket, WebsiteConfiguration={"IndexDocument": {"Suffix": "index.html"}, "ErrorDocument": {"Key": "public/e"}}
    )
    s3.put_object(Bucket=bucket, Key="index.html", Body=b"secret")
    s3.put_object(Bucket=bucket, Key="public/index.html", Body=b"open")
    s3.put_object(Bucket=bucket, Key="public/e", Body=b"error page")
    reply = get(site, bucket, "/")
    assert reply.status == 403 and b"AccessDenied" in reply.data and b"secret" not in reply.data
    open_to_all(s3, bucket, prefix="public/")
    reply = get(site, bucket, "/")
    assert (reply.status, reply.data) == (403, b"error page")
    assert get(site, bucket, "/public/").data == b"open"
    assert get(site, bucket, "/missing").status == 403  # who may not list is not told
    s3.put_public_access_block(
        Bucket=bucket, PublicAccessBlockConfiguration={"RestrictPublicBuckets": True, "BlockPublicPolicy": True}
    )
    assert get(site, bucket, "/public/").status == 403


def test_acl(site, s3, bucket):
    s3.put_bucket_ownership_controls(
        Bucket=bucket, OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
    )
    s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration={"IndexDocument": {"Suffix": "index.html"}})
    s3.put_object(Bucket=bucket, Key="index.html", Body=b"open", ACL="public-read")
    s3.put_object(Bucket=bucket, Key="private", Body=b"secret")
    assert get(site, bucket, "/").data == b"open"
    assert get(site, bucket, "/private").status == 403


def test_redirect_all(site, s3, bucket):
    target = {"HostName": "example.com", "Protocol": "https"}
    s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration={"RedirectAllRequestsTo": target})
    assert location(get(site, bucket, "/a%20b/c?d=e")) == (301, "https://example.com/a%20b/c")
    s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration={"RedirectAllRequestsTo": {"HostName": "example.com"}})
    assert location(get(site, bucket, "/")) == (301, "http://example.com/")


RULES = [
    {"Condition": {"KeyPrefixEquals": "docs/"}, "Redirect": {"ReplaceKeyPrefixWith": "documents/"}},
    {"Condition": {"KeyPrefixEquals": "one/"}, "Redirect": {"ReplaceKeyWith": "error one", "HttpRedirectCode": "307"}},
    {"Condition": {"KeyPrefixEquals": "away/"}, "Redirect": {"HostName": "example.com", "Protocol": "https"}},
    {
        "Condition": {"HttpErrorCodeReturnedEquals": "404", "KeyPrefixEquals": "old/"},
        "Redirect": {"ReplaceKeyPrefixWith": "new/", "HttpRedirectCode": "302"},
    },
    {"Condition": {"HttpErrorCodeReturnedEquals": "404"}, "Redirect": {"HostName": "search.example.com"}},
]


def test_routing_rules(site, s3, bucket):
    setup_site(s3, bucket, RoutingRules=RULES)
    s3.put_object(Bucket=bucket, Key="old/there", Body=b"still")
    own = f"http://{bucket}.{DOMAIN}:80"
    assert location(get(site, bucket, "/docs/a")) == (301, f"{own}/documents/a")
    assert location(get(site, bucket, "/one/x")) == (307, f"{own}/error%20one")
    assert location(get(site, bucket, "/away/x")) == (301, "https://example.com/away/x")
    assert get(site, bucket, "/old/there").data == b"still"
    assert location(get(site, bucket, "/old/gone")) == (302, f"{own}/new/gone")
    assert location(get(site, bucket, "/nothing")) == (301, "http://search.example.com/nothing")


def test_object_redirect(site, s3, bucket):
    setup_site(s3, bucket)
    s3.put_object(Bucket=bucket, Key="moved", Body=b"old", WebsiteRedirectLocation="/new place")
    s3.put_object(Bucket=bucket, Key="gone", Body=b"", WebsiteRedirectLocation="https://example.com/")
    reply = get(site, bucket, "/moved")
    assert location(reply) == (301, "/new place") and reply.data == b""
    assert location(get(site, bucket, "/gone")) == (301, "https://example.com/")
    assert s3.get_object(Bucket=bucket, Key="moved")["Body"].read() == b"old"  # the API serves it


def test_versions_and_keys(site, s3, bucket):
    setup_site(s3, bucket)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    s3.delete_object(Bucket=bucket, Key="k")
    assert get(site, bucket, "/k").status == 404
    key = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "k" * 32}
    s3.put_object(Bucket=bucket, Key="locked", Body=b"x", **key)
    reply = get(site, bucket, "/locked")
    assert reply.status == 400 and b"<html>" in reply.data


def test_documents_of_the_configuration(site, s3, bucket):
    conn = raw.Connection(site)

    def put(inner):
        body = f"<WebsiteConfiguration>{inner}</WebsiteConfiguration>".encode()
        reply = conn.request("PUT", f"/{bucket}?website", body)
        return reply.status, reply.code

    index = "<IndexDocument><Suffix>i</Suffix></IndexDocument>"
    rule = "<RoutingRules><RoutingRule>{}</RoutingRule></RoutingRules>"
    assert put(index)[0] == 200
    bad = [
        ("", "InvalidArgument"),
        ("<IndexDocument/>", "MalformedXML"),
        ("<IndexDocument><Suffix></Suffix></IndexDocument>", "InvalidArgument"),
        ("<IndexDocument><Suffix>a/b</Suffix></IndexDocument>", "InvalidArgument"),
        (index + index, "MalformedXML"),
        (index + "<ErrorDocument/>", "MalformedXML"),
        (index + "<RedirectAllRequestsTo><HostName>h</HostName></RedirectAllRequestsTo>", "MalformedXML"),
        ("<RedirectAllRequestsTo><HostName>h</HostName><Protocol>ftp</Protocol></RedirectAllRequestsTo>", "MalformedXML"),
        (index + rule.format(""), "MalformedXML"),
        (index + rule.format("<Redirect/>"), "MalformedXML"),
        (index + rule.format("<Redirect><HttpRedirectCode>200</HttpRedirectCode></Redirect>"), "InvalidRequest"),
        (
            index + rule.format("<Redirect><ReplaceKeyWith>a</ReplaceKeyWith><ReplaceKeyPrefixWith>b</ReplaceKeyPrefixWith></Redirect>"),
            "InvalidRequest",
        ),
        (
            index
            + rule.format(
                "<Condition><HttpErrorCodeReturnedEquals>200</HttpErrorCodeReturnedEquals></Condition>"
                "<Redirect><HostName>h</HostName></Redirect>"
            ),
            "InvalidRequest",
        ),
        (index + "<RoutingRules>" + 51 * "<RoutingRule><Redirect><HostName>h</HostName></Redirect></RoutingRule>" + "</RoutingRules>", "MalformedXML"),
        (index + "<More/>", "MalformedXML"),
        ("<IndexDocument><Suffix>" + "x" * 2000 + "</Suffix></IndexDocument>", "MalformedXML"),
    ]
    for inner, code in bad:
        assert put(inner)[1] == code, inner[:200]
    assert s3.get_bucket_website(Bucket=bucket)["IndexDocument"] == {"Suffix": "i"}
    s3.delete_bucket_website(Bucket=bucket)
    assert conn.request("GET", f"/{bucket}?website").code == "NoSuchWebsiteConfiguration"
