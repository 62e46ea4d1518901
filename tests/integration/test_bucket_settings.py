# SPDX-License-Identifier: Apache-2.0
"""The documents of a bucket: what is put comes back, what is wrong changes nothing, races lose nothing."""

import concurrent.futures
import json

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
import urllib3

HTTP = urllib3.PoolManager()


def code_of(error):
    return error.value.response["ResponseMetadata"]["HTTPStatusCode"], error.value.response["Error"]["Code"]


def send(server, method, path, body=b"", headers=None):
    """One signed request with a body that no SDK would make."""
    request = AWSRequest(method=method, url=server.url + path, data=body, headers=headers or {})
    S3SigV4Auth(Credentials(*server.keys), "s3", "us-east-1").add_auth(request)
    return HTTP.request(method, server.url + path, body=body, headers=dict(request.headers), retries=False)


ABSENT = [
    ("get_bucket_tagging", "NoSuchTagSet"),
    ("get_bucket_lifecycle_configuration", "NoSuchLifecycleConfiguration"),
    ("get_bucket_cors", "NoSuchCORSConfiguration"),
    ("get_bucket_policy", "NoSuchBucketPolicy"),
    ("get_bucket_encryption", "ServerSideEncryptionConfigurationNotFoundError"),
    ("get_public_access_block", "NoSuchPublicAccessBlockConfiguration"),
    ("get_bucket_ownership_controls", "OwnershipControlsNotFoundError"),
    ("get_object_lock_configuration", "ObjectLockConfigurationNotFoundError"),
    ("get_bucket_website", "NoSuchWebsiteConfiguration"),
]


@pytest.mark.parametrize("call, code", ABSENT)
def test_absent(s3, bucket, call, code):
    with pytest.raises(ClientError) as error:
        getattr(s3, call)(Bucket=bucket)
    assert code_of(error) == (404, code)
    with pytest.raises(ClientError) as error:
        getattr(s3, call)(Bucket="no-such-bucket-here")
    assert code_of(error) == (404, "NoSuchBucket")


def test_defaults(s3, bucket):
    assert s3.get_bucket_request_payment(Bucket=bucket)["Payer"] == "BucketOwner"
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket=bucket)
    assert "Status" not in s3.get_bucket_accelerate_configuration(Bucket=bucket)
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)
    assert "QueueConfigurations" not in s3.get_bucket_notification_configuration(Bucket=bucket)


CORS = {
    "CORSRules": [
        {
            "ID": "one",
            "AllowedMethods": ["GET", "PUT"],
            "AllowedOrigins": ["https://*.example.com", "http://b.test"],
            "AllowedHeaders": ["x-amz-*", "content-type"],
            "ExposeHeaders": ["ETag"],
            "MaxAgeSeconds": 60,
        }
    ]
}
LIFECYCLE = {
    "Rules": [
        {"ID": "a", "Status": "Enabled", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 3}},
        {
            "ID": "b",
            "Status": "Disabled",
            "Filter": {"And": {"Prefix": "", "Tags": [{"Key": "k", "Value": "v"}], "ObjectSizeGreaterThan": 5}},
            "NoncurrentVersionExpiration": {"NoncurrentDays": 1, "NewerNoncurrentVersions": 2},
            "NoncurrentVersionTransitions": [{"NoncurrentDays": 1, "StorageClass": "GLACIER"}],
        },
        {"ID": "c", "Status": "Enabled", "Filter": {"Prefix": "m"}, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7}},
    ]
}
ROUND = {
    "tagging": ("bucket_tagging", {"Tagging": {"TagSet": [{"Key": "a b", "Value": ""}, {"Key": "é", "Value": "ü"}]}}, "TagSet"),
    "cors": ("bucket_cors", {"CORSConfiguration": CORS}, "CORSRules"),
    "lifecycle": ("bucket_lifecycle_configuration", {"LifecycleConfiguration": LIFECYCLE}, "Rules"),
    "encryption": (
        "bucket_encryption",
        {
            "ServerSideEncryptionConfiguration": {
                "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": False}]
            }
        },
        "ServerSideEncryptionConfiguration",
    ),
    "publicAccessBlock": (
        "public_access_block",
        {"PublicAccessBlockConfiguration": {"BlockPublicAcls": True, "IgnorePublicAcls": False}},
        "PublicAccessBlockConfiguration",
    ),
    "ownershipControls": (
        "bucket_ownership_controls",
        {"OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]}},
        "OwnershipControls",
    ),
}
DELETES = {"bucket_lifecycle_configuration": "delete_bucket_lifecycle"}


@pytest.mark.parametrize("kind", ROUND)
def test_round(s3, bucket, kind):
    name, request, field = ROUND[kind]
    getattr(s3, f"put_{name}")(Bucket=bucket, **request)
    sent = next(iter(request.values()))
    found = getattr(s3, f"get_{name}")(Bucket=bucket)[field]
    assert found == sent.get(field, sent)
    getattr(s3, DELETES.get(name, f"delete_{name}"))(Bucket=bucket)
    with pytest.raises(ClientError) as error:
        getattr(s3, f"get_{name}")(Bucket=bucket)
    assert code_of(error)[0] == 404


def test_small_ones(s3, bucket):
    s3.put_bucket_request_payment(Bucket=bucket, RequestPaymentConfiguration={"Payer": "Requester"})
    assert s3.get_bucket_request_payment(Bucket=bucket)["Payer"] == "Requester"
    s3.put_bucket_accelerate_configuration(Bucket=bucket, AccelerateConfiguration={"Status": "Suspended"})
    assert s3.get_bucket_accelerate_configuration(Bucket=bucket)["Status"] == "Suspended"
    logging = {"LoggingEnabled": {"TargetBucket": bucket, "TargetPrefix": "log/"}}
    s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={})
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket=bucket)
    with pytest.raises(ClientError) as error:
        logging["LoggingEnabled"]["TargetBucket"] = "there-is-none"
        s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus=logging)
    assert code_of(error) == (400, "InvalidTargetBucketForLogging")


def test_created_with_tags(s3, bucket):
    tags = [{"Key": "a b", "Value": ""}, {"Key": "é", "Value": "ü"}]
    where = {"LocationConstraint": "eu-west-1", "Tags": tags}
    s3.create_bucket(Bucket=f"{bucket}-t", CreateBucketConfiguration=where)
    assert s3.get_bucket_tagging(Bucket=f"{bucket}-t")["TagSet"] == tags
    assert s3.get_bucket_location(Bucket=f"{bucket}-t")["LocationConstraint"] == "eu-west-1"
    for bad in (tags[:1] * 2, [{"Key": "aws:x", "Value": ""}], [{"Key": f"{i}", "Value": ""} for i in range(51)]):
        with pytest.raises(ClientError) as error:
            s3.create_bucket(Bucket=f"{bucket}-u", CreateBucketConfiguration={"Tags": bad})
        assert code_of(error) == (400, "InvalidTag")
    with pytest.raises(ClientError) as error:
        s3.head_bucket(Bucket=f"{bucket}-u")
    assert code_of(error)[0] == 404


def test_rule_without_name(s3, bucket):
    rule = {"Status": "Enabled", "Prefix": "x", "Expiration": {"Days": 1}}
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [rule, rule]})
    names = [r["ID"] for r in s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]]
    assert len(set(names)) == 2 and all(names)


def test_policy(s3, bucket):
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
        ],
    }
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    assert json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"]) == policy
    assert s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"]["IsPublic"]
    for bad in ("{", "{}", "x", json.dumps(policy).replace(bucket, "other")):
        with pytest.raises(ClientError) as error:
            s3.put_bucket_policy(Bucket=bucket, Policy=bad)
        assert code_of(error) == (400, "MalformedPolicy")
    assert json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"]) == policy
    s3.delete_bucket_policy(Bucket=bucket)
    block = {"BlockPublicPolicy": True}
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=block)
    with pytest.raises(ClientError) as error:
        s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    assert code_of(error) == (403, "AccessDenied")


DEEP = b"<a>" * 200 + b"</a>" * 200
ENTITY = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
SUBS = {
    "tagging": b"<Tagging><TagSet>%s</TagSet></Tagging>",
    "cors": b"<CORSConfiguration>%s</CORSConfiguration>",
    "lifecycle": b"<LifecycleConfiguration>%s</LifecycleConfiguration>",
    "encryption": b"<ServerSideEncryptionConfiguration>%s</ServerSideEncryptionConfiguration>",
    "publicAccessBlock": b"<PublicAccessBlockConfiguration>%s</PublicAccessBlockConfiguration>",
    "ownershipControls": b"<OwnershipControls>%s</OwnershipControls>",
    "object-lock": b"<ObjectLockConfiguration>%s</ObjectLockConfiguration>",
    "logging": b"<BucketLoggingStatus>%s</BucketLoggingStatus>",
    "notification": b"<NotificationConfiguration>%s</NotificationConfiguration>",
    "website": b"<WebsiteConfiguration>%s</WebsiteConfiguration>",
    "requestPayment": b"<RequestPaymentConfiguration>%s</RequestPaymentConfiguration>",
    "accelerate": b"<AccelerateConfiguration>%s</AccelerateConfiguration>",
    "versioning": b"<VersioningConfiguration>%s</VersioningConfiguration>",
    "quota": b"<QuotaConfiguration>%s</QuotaConfiguration>",
}


@pytest.mark.parametrize("sub", SUBS)
def test_malformed(server, s3, bucket, sub):
    before = send(server, "GET", f"/{bucket}?{sub}")
    frame = SUBS[sub]
    bodies = {
        "nothing": b"",
        "no XML": b"hello",
        "another root": b"<Other/>",
        "unknown element": frame % b"<Unknown>1</Unknown>",
        "not closed": (frame % b"").rsplit(b"<", 1)[0],
        "deep": frame % DEEP,
        "entities": ENTITY + frame % b"&b;",
        "text instead of elements": frame % b"hello",
        "two roots": frame % b"" + frame % b"",
        "NUL": frame % b"\0",
        "bad UTF-8": frame % b"<a>\xff\xfe</a>",
    }
    for name, body in bodies.items():
        answer = send(server, "PUT", f"/{bucket}?{sub}", body)
        assert answer.status == 400, (name, answer.data)
        assert b"<Code>MalformedXML</Code>" in answer.data, (name, answer.data)
    huge = send(server, "PUT", f"/{bucket}?{sub}", frame % (b" " * (3 << 20)))
    assert huge.status == 400, huge.data
    after = send(server, "GET", f"/{bucket}?{sub}")
    assert after.status == before.status
    assert after.status != 200 or after.data == before.data


RULE = b"<Rule><ID>a</ID><Status>Enabled</Status><Prefix>p</Prefix><Expiration><Days>1</Days></Expiration></Rule>"
NO_ACTION = RULE.replace(b"<Prefix>p</Prefix>", b"%s").replace(b"<Expiration><Days>1</Days></Expiration>", b"%s")
ONE_TAG = b"<Filter><Tag><Key>k</Key><Value>v</Value></Tag></Filter>"
PREFIX_AND_SIZE = b"<Filter><And><ObjectSizeLessThan>9</ObjectSizeLessThan><Prefix>p</Prefix></And></Filter>"
ABORT = b"<AbortIncompleteMultipartUpload><DaysAfterInitiation>1</DaysAfterInitiation></AbortIncompleteMultipartUpload>"
MARKER = b"<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>"
NO_DAYS = b"<NoncurrentVersionTransition><StorageClass>GLACIER</StorageClass></NoncurrentVersionTransition>"
WRONG = [
    ("lifecycle", NO_ACTION % (ONE_TAG, ABORT), "InvalidRequest"),
    ("lifecycle", NO_ACTION % (PREFIX_AND_SIZE, ABORT), "InvalidRequest"),
    ("lifecycle", NO_ACTION % (ONE_TAG, MARKER), "InvalidRequest"),
    ("lifecycle", NO_ACTION % (ONE_TAG, NO_DAYS), "MalformedXML"),
    ("lifecycle", RULE.replace(b"Enabled", b"enabled"), "MalformedXML"),
    ("lifecycle", RULE.replace(b"<Days>1</Days>", b"<Days>0</Days>"), "InvalidArgument"),
    ("lifecycle", RULE.replace(b"<Days>1</Days>", b"<Days>-1</Days>"), "MalformedXML"),
    ("lifecycle", RULE.replace(b"<Days>1</Days>", b"<Days>1</Days><Days>2</Days>"), "MalformedXML"),
    ("lifecycle", RULE.replace(b"<Days>1</Days>", b"<Date>2030-01-01T01:00:00Z</Date>"), "InvalidArgument"),
    ("lifecycle", RULE.replace(b"<ID>a</ID>", b"<ID>" + b"x" * 256 + b"</ID>"), "InvalidArgument"),
    ("lifecycle", RULE + RULE, "InvalidArgument"),
    ("lifecycle", RULE.replace(b"<Prefix>p</Prefix>", b""), "MalformedXML"),
    ("lifecycle", RULE.replace(b"<Status>Enabled</Status>", b""), "MalformedXML"),
    ("tagging", b"<Tag><Key>a</Key><Value>1</Value></Tag>" * 2, "InvalidTag"),
    ("tagging", b"<Tag><Key>aws:a</Key><Value>1</Value></Tag>", "InvalidTag"),
    ("tagging", b"<Tag><Key>" + b"k" * 129 + b"</Key><Value>1</Value></Tag>", "InvalidTag"),
    ("tagging", b"<Tag><Key>k</Key><Value>" + b"v" * 257 + b"</Value></Tag>", "InvalidTag"),
    ("tagging", b"<Tag><Key>k</Key></Tag>", "MalformedXML"),
    ("tagging", b"".join(b"<Tag><Key>%d</Key><Value/></Tag>" % i for i in range(51)), "InvalidTag"),
    ("cors", b"<CORSRule><AllowedMethod>PATCH</AllowedMethod><AllowedOrigin>*</AllowedOrigin></CORSRule>", "InvalidRequest"),
    ("cors", b"<CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>*a*</AllowedOrigin></CORSRule>", "InvalidRequest"),
    ("cors", b"<CORSRule><AllowedMethod>GET</AllowedMethod></CORSRule>", "MalformedXML"),
    ("object-lock", b"<ObjectLockEnabled>Disabled</ObjectLockEnabled>", "MalformedXML"),
    ("object-lock", b"<ObjectLockEnabled>Enabled</ObjectLockEnabled>", "InvalidBucketState"),
    (
        "object-lock",
        b"<ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention><Mode>GOVERNANCE</Mode>"
        b"<Days>0</Days></DefaultRetention></Rule>",
        "InvalidRetentionPeriod",
    ),
    ("versioning", b"", "IllegalVersioningConfigurationException"),
    ("versioning", b"<Status>On</Status>", "MalformedXML"),
    ("website", b"<IndexDocument><Suffix>a/b</Suffix></IndexDocument>", "InvalidArgument"),
    ("quota", b"<MaxBytes>0</MaxBytes>", "InvalidArgument"),
    ("requestPayment", b"<Payer>Nobody</Payer>", "MalformedXML"),
    (
        "notification",
        b"<QueueConfiguration><Queue>arn:tarn:sqs::x:webhook</Queue><Event>s3:Nothing</Event></QueueConfiguration>",
        "InvalidArgument",
    ),
]


@pytest.mark.parametrize("sub, inner, code", WRONG)
def test_wrong(server, s3, bucket, sub, inner, code):
    answer = send(server, "PUT", f"/{bucket}?{sub}", SUBS[sub] % inner)
    assert f"<Code>{code}</Code>".encode() in answer.data
    assert answer.status in (400, 409)


@pytest.mark.parametrize("sub", ["replication", "inventory&id=x", "analytics&id=x", "metrics&id=x", "intelligent-tiering&id=x"])
def test_not_implemented(server, s3, bucket, sub):
    for method in ("GET", "PUT", "DELETE"):
        answer = send(server, method, f"/{bucket}?{sub}", b"<X/>" if method == "PUT" else b"")
        assert answer.status == 501 and b"<Code>NotImplemented</Code>" in answer.data


def test_race(s3, bucket):
    """Racing changes of different documents all land."""
    calls = [
        lambda: s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": "a", "Value": "b"}]}),
        lambda: s3.put_bucket_cors(Bucket=bucket, CORSConfiguration=CORS),
        lambda: s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration=LIFECYCLE),
        lambda: s3.put_public_access_block(
            Bucket=bucket, PublicAccessBlockConfiguration={"BlockPublicAcls": False}
        ),
    ]
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        for _ in range(10):
            for done in [pool.submit(call) for call in calls]:
                done.result()
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"]
    assert s3.get_bucket_cors(Bucket=bucket)["CORSRules"]
    assert s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert s3.get_public_access_block(Bucket=bucket)


def test_restart(new_server):
    server = new_server().start()
    s3 = server.boto()
    s3.create_bucket(Bucket="kept")
    s3.put_bucket_cors(Bucket="kept", CORSConfiguration=CORS)
    server.kill()
    server.start()
    assert server.boto().get_bucket_cors(Bucket="kept")["CORSRules"] == CORS["CORSRules"]
    s3 = server.boto()
    s3.delete_bucket(Bucket="kept")
    s3.create_bucket(Bucket="kept")
    with pytest.raises(ClientError) as error:
        s3.get_bucket_cors(Bucket="kept")
    assert code_of(error) == (404, "NoSuchCORSConfiguration")
    server.stop()
