# SPDX-License-Identifier: Apache-2.0
"""What was set on a bucket or an object and answered is there after SIGKILL: one test for each operation that sets something."""

import base64
import json

import pytest
from conftest import Server
from test_iam import iam_client, policy
from test_notifications import HOOK
from test_xml_bodies import BODIES, Scene

STATELESS = {"DeleteObjects", "CompleteMultipartUpload", "CreateBucket"}  # objects and buckets: test_crash.py


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """A server on which everything was set, then killed: what each operation's question was answered before, and the server."""
    folder = tmp_path_factory.mktemp("kept")
    (folder / "keys").write_text("k1 " + base64.b64encode(bytes(32)).decode() + "\n")
    config = folder / "config.yaml"
    config.write_text(
        f'encryption_keys: {folder / "keys"}\nnotification_targets:\n  - arn: "{HOOK}"\n    webhook: "http://127.0.0.1:9/"\n'
    )
    server = Server(folder / "data", ["--config", str(config)]).start()
    scene = Scene(server, server.boto(), 1)
    unset = {name: scene.look(body) for name, body in BODIES.items()}
    seen = {}
    for name, body in BODIES.items():
        assert scene.send(body, body.text).status == body.status, name
    for name, body in BODIES.items():
        seen[name] = scene.look(body)
    server.kill()
    server.start()
    yield scene, unset, seen
    server.stop()


@pytest.mark.parametrize("name", [name for name in BODIES if name not in STATELESS])
def test_kept(killed, name):
    scene, unset, seen = killed
    assert seen[name] != unset[name]
    assert scene.look(BODIES[name]) == seen[name]


def test_policy_users_and_sessions_are_kept(new_server):
    server = new_server().start()
    s3, iam = server.boto(), iam_client(server)
    s3.create_bucket(Bucket="kept")
    document = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::kept/*"}],
        }
    )
    s3.put_bucket_policy(Bucket="kept", Policy=document)
    iam.create_user(UserName="ann")
    iam.put_user_policy(UserName="ann", PolicyName="p", PolicyDocument=policy("s3:*"))
    server.kill()
    server.start()
    assert json.loads(server.boto().get_bucket_policy(Bucket="kept")["Policy"]) == json.loads(document)
    assert iam_client(server).list_user_policies(UserName="ann")["PolicyNames"] == ["p"]
