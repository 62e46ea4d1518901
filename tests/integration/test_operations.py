# SPDX-License-Identifier: Apache-2.0
"""Each operation that boto3 knows: the guide says whether it is there, and what is not there answers 501 and changes nothing."""

import pathlib
import re

import boto3
import botocore.session
import pytest
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import ClientError
from conftest import KEYS
from test_bucket_settings import send

GUIDE = pathlib.Path(__file__).parents[2] / "docs/guide/s3-compatibility.md"
MODEL = botocore.session.get_session().get_service_model("s3")
STATES = dict(re.findall(r"^\| (\w+) \| (yes|partly|no) \|", GUIDE.read_text(), re.MULTILINE))
ELSEWHERE = {"ListDirectoryBuckets", "WriteGetObjectResponse"}  # at other endpoints of AWS
OTHERWISE = {"GetObjectTorrent"}  # finds none, as in S3's regions without torrents
ABSENT = sorted(name for name, state in STATES.items() if state == "no" and name in MODEL.operation_names)


def test_the_guide_knows_all():
    assert set(MODEL.operation_names) - set(STATES) == set()


def example(shape, depth=0):
    """Some value of that shape: what it requires, and no more."""
    if shape.type_name == "structure":
        names = shape.required_members or (list(shape.members)[:1] if depth and shape.metadata.get("union") else [])
        return {name: example(shape.members[name], depth + 1) for name in names}
    if shape.type_name == "list":
        return [example(shape.member, depth + 1)]
    if shape.type_name == "map":
        return {}
    if shape.type_name == "string":
        return (shape.enum or ["text that is long enough"])[0]
    return {"boolean": True, "blob": b"data", "timestamp": 0}.get(shape.type_name, 1)


@pytest.mark.parametrize("name", [name for name in ABSENT if name not in ELSEWHERE | OTHERWISE])
def test_not_there(server, s3, bucket, name):
    s3.put_object(Bucket=bucket, Key="key", Body=b"kept")
    operation = MODEL.operation_model(name)
    arguments = {**example(operation.input_shape), "Bucket": bucket}
    if "Key" in operation.input_shape.members:
        arguments["Key"] = "key"
    config = Config(signature_version="s3v4", s3={"addressing_style": "path"}, retries={"max_attempts": 1})
    client = boto3.client(
        "s3",
        endpoint_url=server.url,
        aws_access_key_id=KEYS[0],
        aws_secret_access_key=KEYS[1],
        region_name="us-east-1",
        config=config,
    )
    with pytest.raises(ClientError) as error:
        getattr(client, xform_name(name))(**arguments)
    answer = error.value.response
    assert (answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]) == (501, "NotImplemented")
    assert s3.get_object(Bucket=bucket, Key="key")["Body"].read() == b"kept"
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 1




FOREIGN = sorted(
    {
        (operation.http["method"], operation.http["requestUri"].partition("?")[2].partition("&")[0])
        for operation in map(MODEL.operation_model, ABSENT)
        if "?" in operation.http["requestUri"] and operation.name not in ("GetObjectTorrent", "UpdateObjectEncryption")
    }
)


@pytest.mark.parametrize("method, sub", FOREIGN)
def test_no_sub_resource_is_passed_over(server, s3, bucket, method, sub):
    """Not even where AWS has none: a request for an object's annotation must never replace or remove the object."""
    s3.put_object(Bucket=bucket, Key="key", Body=b"kept")
    for path in (f"/{bucket}", f"/{bucket}/key"):
        for verb in ("GET", "PUT", "POST", "DELETE"):
            answer = send(server, verb, f"{path}?{sub}", b"<X/>" if verb in ("PUT", "POST") else b"")
            assert answer.status in (400, 404, 405, 501), (verb, path)
    assert s3.get_object(Bucket=bucket, Key="key")["Body"].read() == b"kept"
