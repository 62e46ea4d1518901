# SPDX-License-Identifier: Apache-2.0
"""Object lock: defaults, retention, legal hold."""

import datetime

import pytest
from botocore.exceptions import ClientError

from test_bucket_settings import code_of, send

SOON = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0) + datetime.timedelta(days=2)
LATER = SOON + datetime.timedelta(days=2)
NUMBER = iter(range(1000))


@pytest.fixture
def locked(s3):
    name = f"locked-{next(NUMBER)}"
    s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    return name


def refused(call):
    with pytest.raises(ClientError) as error:
        call()
    return code_of(error)


def test_bucket(s3, locked, bucket):
    assert s3.get_bucket_versioning(Bucket=locked)["Status"] == "Enabled"
    config = s3.get_object_lock_configuration(Bucket=locked)["ObjectLockConfiguration"]
    assert config == {"ObjectLockEnabled": "Enabled"}
    config["Rule"] = {"DefaultRetention": {"Mode": "COMPLIANCE", "Years": 1}}
    s3.put_object_lock_configuration(Bucket=locked, ObjectLockConfiguration=config)
    assert s3.get_object_lock_configuration(Bucket=locked)["ObjectLockConfiguration"] == config
    suspend = {"Status": "Suspended"}
    assert refused(lambda: s3.put_bucket_versioning(Bucket=locked, VersioningConfiguration=suspend)) == (
        409,
        "InvalidBucketState",
    )
    assert refused(lambda: s3.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration=config)) == (
        409,
        "InvalidBucketState",
    )


def test_headers(s3, locked, bucket):
    s3.put_object(
        Bucket=locked,
        Key="a",
        ObjectLockMode="GOVERNANCE",
        ObjectLockRetainUntilDate=SOON,
        ObjectLockLegalHoldStatus="ON",
    )
    head = s3.head_object(Bucket=locked, Key="a")
    assert head["ObjectLockMode"] == "GOVERNANCE"
    assert head["ObjectLockRetainUntilDate"] == SOON
    assert head["ObjectLockLegalHoldStatus"] == "ON"
    assert s3.get_object_legal_hold(Bucket=locked, Key="a")["LegalHold"]["Status"] == "ON"
    assert refused(lambda: s3.put_object(Bucket=bucket, Key="a", ObjectLockLegalHoldStatus="ON")) == (400, "InvalidRequest")
    assert refused(lambda: s3.put_object(Bucket=locked, Key="a", ObjectLockMode="GOVERNANCE")) == (400, "InvalidArgument")
    past = datetime.datetime(2020, 1, 1)
    assert refused(
        lambda: s3.put_object(Bucket=locked, Key="a", ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=past)
    ) == (400, "InvalidArgument")


def test_default(s3, locked):
    rule = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}
    s3.put_object_lock_configuration(
        Bucket=locked, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule}
    )
    s3.put_object(Bucket=locked, Key="a")
    upload = s3.create_multipart_upload(Bucket=locked, Key="m")["UploadId"]
    part = s3.upload_part(Bucket=locked, Key="m", UploadId=upload, PartNumber=1, Body=b"x")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    s3.complete_multipart_upload(Bucket=locked, Key="m", UploadId=upload, MultipartUpload=parts)
    for key in ("a", "m"):
        retention = s3.get_object_retention(Bucket=locked, Key=key)["Retention"]
        assert retention["Mode"] == "GOVERNANCE"
        left = retention["RetainUntilDate"] - datetime.datetime.now(datetime.timezone.utc)
        assert datetime.timedelta(hours=23) < left < datetime.timedelta(hours=25)


def test_retention(s3, locked):
    s3.put_object(Bucket=locked, Key="a", Body=b"body")
    assert refused(lambda: s3.get_object_retention(Bucket=locked, Key="a")) == (404, "NoSuchObjectLockConfiguration")

    def put(mode, until, **more):
        s3.put_object_retention(
            Bucket=locked, Key="a", Retention={"Mode": mode, "RetainUntilDate": until}, **more
        )

    put("GOVERNANCE", SOON)
    put("GOVERNANCE", LATER)
    assert s3.get_object_retention(Bucket=locked, Key="a")["Retention"]["RetainUntilDate"] == LATER
    assert refused(lambda: put("GOVERNANCE", SOON)) == (403, "AccessDenied")
    put("GOVERNANCE", SOON, BypassGovernanceRetention=True)
    assert refused(lambda: put("COMPLIANCE", LATER)) == (403, "AccessDenied")
    put("COMPLIANCE", LATER, BypassGovernanceRetention=True)
    assert refused(lambda: put("COMPLIANCE", SOON, BypassGovernanceRetention=True)) == (403, "AccessDenied")
    assert refused(lambda: put("GOVERNANCE", LATER, BypassGovernanceRetention=True)) == (403, "AccessDenied")
    assert s3.get_object(Bucket=locked, Key="a")["Body"].read() == b"body"


def test_hold(s3, locked, bucket):
    s3.put_object(Bucket=locked, Key="a")
    for status in ("ON", "OFF"):
        s3.put_object_legal_hold(Bucket=locked, Key="a", LegalHold={"Status": status})
        assert s3.get_object_legal_hold(Bucket=locked, Key="a")["LegalHold"]["Status"] == status
    s3.put_object(Bucket=bucket, Key="a")
    assert refused(lambda: s3.put_object_legal_hold(Bucket=bucket, Key="a", LegalHold={"Status": "ON"})) == (
        400,
        "InvalidRequest",
    )


def test_malformed(server, s3, locked):
    s3.put_object(Bucket=locked, Key="a")
    for sub, bodies in {
        "retention": (b"", b"x", b"<Retention><Mode>GOVERNANCE</Mode></Retention>", b"<Retention><Mode>X</Mode></Retention>"),
        "legal-hold": (b"", b"x", b"<LegalHold/>", b"<LegalHold><Status>on</Status></LegalHold>"),
    }.items():
        for body in bodies:
            answer = send(server, "PUT", f"/{locked}/a?{sub}", body)
            assert answer.status == 400 and b"MalformedXML" in answer.data
