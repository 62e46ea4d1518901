# SPDX-License-Identifier: Apache-2.0
"""The AWS SDK for JavaScript v3 against tarnd; js/client.mjs does the talking."""

import json
import pathlib
import shutil

import pytest

from conftest import run
from oddkeys import odd_keys
import raw

JS = pathlib.Path(__file__).parent / "js"
pytestmark = pytest.mark.skipif(
    not shutil.which("node") or not (JS / "node_modules").is_dir(), reason="run ./check: it installs the SDK"
)


@pytest.fixture(scope="module")
def script(server, tmp_path_factory):
    env = server.client_env(tmp_path_factory.mktemp("home"))
    return lambda *args, **options: run(["node", JS / "client.mjs", *args], env, **options)


def test_sizes_copy_and_delete(script):
    script("sizes", "js-bucket")


def test_odd_keys(script, server, s3):
    s3.create_bucket(Bucket="js-odd")
    raw.put_many(server, "js-odd", odd_keys(), lambda key: b"odd")
    script("list", "js-odd", input=json.dumps(odd_keys()).encode())
    script("empty", "js-odd")


def test_streams_and_conditions(script):
    script("streams", "js-streams")
