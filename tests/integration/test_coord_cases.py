# SPDX-License-Identifier: Apache-2.0
"""Every weakness of the reference's locks and copies, one by one: tarn-coord plays it through, with a proxy
that loses answers in between. What has a flawed counterpart must be seen to fail with it."""

import json
import subprocess

import pytest
from conftest import BIN, SANITIZER
from coord_proxy import Careless, Proxy

CASES = ("W2 W3 W4 W5 W6 W7 W8 W9 W10 W11 W12 W13 W15 W16 attach C1 C2 C3 C6 C7 C8 C9 S1 S2").split()
FLAWED = "W2 W3 W4 W5 W6 W8 W12 W16 C1 C2 C6".split()
HOLDS, VIOLATED = 0, 3


@pytest.fixture
def place(new_server, tmp_path):
    server = new_server("coord").start()
    server.boto().create_bucket(Bucket="coord")
    yield server, server.client_env(tmp_path)
    server.stop()


def tarn_coord(env, endpoint, *arguments, timeout=120):
    command = [BIN / "tarn-coord", "--endpoint", endpoint, *map(str, arguments)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=timeout)
    assert not SANITIZER.search(done.stderr), done.stderr[:4000]
    return done


def proves(done, status=HOLDS):
    assert done.returncode == status, (done.returncode, done.stdout, done.stderr[-2000:])
    return json.loads(done.stdout) if done.stdout else None


@pytest.mark.parametrize("name", CASES)
def test_case(place, name):
    server, env = place
    with Proxy(server.port) as proxy:
        proves(tarn_coord(env, proxy.url, "--name", name, "case"))


@pytest.mark.parametrize("name", FLAWED)
def test_case_fails_for_the_flawed(place, name):
    server, env = place
    with Proxy(server.port) as proxy:
        proves(tarn_coord(env, proxy.url, "--name", name, "--flawed", "case"), VIOLATED)


@pytest.mark.parametrize("name", ["W14", "C5"])
def test_server_without_conditions(tmp_path, name, place):
    _, env = place
    with Careless() as careless:
        env = dict(env, AWS_ENDPOINT_URL=careless.url)
        proves(tarn_coord(env, careless.url, "--name", name, "case"))
        proves(tarn_coord(env, careless.url, "--name", name, "--flawed", "case"), VIOLATED)
