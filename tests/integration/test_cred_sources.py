# SPDX-License-Identifier: Apache-2.0
"""Where tarn gets its keys from: every source, the order, renewal, and answers that make no sense."""

import datetime
import json
import hashlib
import os
import pathlib
import pty
import re
import select
import subprocess
import time

import pytest
from conftest import BIN, run
from fake_sources import Sources, iso


@pytest.fixture
def sources():
    made = Sources()
    yield made
    made.stop()


@pytest.fixture
def env(sources, tmp_path):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "TARN_"))}
    env.update(
        HOME=str(tmp_path),
        AWS_ENDPOINT_URL=sources.url,
        AWS_REGION="us-east-1",
        AWS_EC2_METADATA_DISABLED="true",
        NO_PROXY="127.0.0.1",
    )
    return env


def ls(env, status=0, *args):
    return run([BIN / "tarn", "ls", *args], env, status, timeout=60, start_new_session=True)


def key_of(env, *args):
    """The access key that S3 saw."""
    line = ls(env, 0, *args).stdout.decode()
    return line.split()[-1].removeprefix("s3://").removesuffix("-bucket")


def write_config(env, text, credentials=""):
    folder = pathlib.Path(env["HOME"]) / ".aws"
    folder.mkdir(exist_ok=True)
    (folder / "config").write_text(text)
    (folder / "credentials").write_text(credentials)


def imds(env, sources):
    env.update(AWS_EC2_METADATA_DISABLED="false", AWS_EC2_METADATA_SERVICE_ENDPOINT=sources.url)
    return env


def container(env, sources):
    env["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = sources.url + "/container"
    return env


def web_identity(env):
    token = pathlib.Path(env["HOME"]) / "web-token"
    token.write_text("jwt.of.web\n")
    env.update(AWS_WEB_IDENTITY_TOKEN_FILE=str(token), AWS_ROLE_ARN="arn:aws:iam::1:role/w")
    return env


def sso(env, name, profile, end=3600, **more):
    folder = pathlib.Path(env["HOME"]) / ".aws/sso/cache"
    folder.mkdir(parents=True)
    document = {"accessToken": "sso-bearer", "expiresAt": iso(time.time() + end), **more}
    (folder / (hashlib.sha1(name.encode()).hexdigest() + ".json")).write_text(json.dumps(document))
    write_config(env, profile)


def test_environment(env):
    env.update(AWS_ACCESS_KEY_ID="ENV", AWS_SECRET_ACCESS_KEY="s", AWS_SESSION_TOKEN="t")
    assert key_of(env) == "env"


def test_credentials_file(env):
    write_config(env, "", "[default]\naws_access_key_id=FILE\naws_secret_access_key=s\n")
    assert key_of(env) == "file"


def test_instance(env, sources):
    assert key_of(imds(env, sources)) == "imds1"
    methods = [(one[0], one[1]) for one in sources.seen]
    assert methods[0] == ("PUT", "/latest/api/token")  # never version 1
    headers = sources.seen[1][2]
    assert headers["X-aws-ec2-metadata-token"] == "session-of-imds"
    assert sources.seen[-1][2]["x-amz-security-token"] == "IMDS-token"


def test_container(env, sources, tmp_path):
    token = tmp_path / "auth"
    token.write_text("Bearer-of-file\n")
    container(env, sources)
    env["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = str(token)
    assert key_of(env) == "ecs1"
    assert sources.seen[0][2]["Authorization"] == "Bearer-of-file"
    del env["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"]
    env["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = "Basic of environment"
    key_of(env)
    assert sources.requests("/container")[-1][2]["Authorization"] == "Basic of environment"


@pytest.mark.parametrize("url", ["http://192.0.2.1/x", "http://example.com/x", "ftp://127.0.0.1/", "nonsense"])
def test_container_elsewhere(env, url):
    env["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = url
    assert b"neither https nor this machine" in ls(env, 2).stderr


def test_web_identity(env, sources):
    assert key_of(web_identity(env)) == "web1"
    body = sources.requests("AssumeRoleWithWebIdentity")[0]
    assert b"WebIdentityToken=jwt.of.web" in body[3] and b"RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fw" in body[3]
    assert "Authorization" not in body[2]


def test_process(env, tmp_path):
    document = {"Version": 1, "AccessKeyId": "PROC", "SecretAccessKey": "s", "SessionToken": "t"}
    script = tmp_path / "give me keys"
    script.write_text(f"#!/bin/sh\necho '{json.dumps(document)}'\n")
    script.chmod(0o755)
    write_config(env, f'[default]\ncredential_process = "{script}" --now\n')
    assert key_of(env) == "proc"


def test_sso_session(env, sources):
    profile = "[default]\nsso_session = corp\nsso_account_id = 12\nsso_role_name = Dev\n"
    sso(env, "corp", profile + "[sso-session corp]\nsso_region = us-east-1\nsso_start_url = https://x\n")
    assert key_of(env) == "sso1"
    request = sources.requests("/federation/credentials")[0]
    assert request[1] == "/federation/credentials?role_name=Dev&account_id=12"
    assert request[2]["x-amz-sso_bearer_token"] == "sso-bearer"


def test_sso_of_old(env):
    profile = "[default]\nsso_start_url = https://x/start\nsso_region = us-east-1\nsso_account_id = 1\nsso_role_name = r\n"
    sso(env, "https://x/start", profile)
    assert key_of(env) == "sso1"


def test_sso_expired(env):
    profile = "[default]\nsso_start_url = https://x\nsso_region = r\nsso_account_id = 1\nsso_role_name = r\n"
    sso(env, "https://x", profile, end=-5)
    assert b"aws sso login" in ls(env, 2).stderr


SESSION = "[default]\nsso_session = corp\nsso_account_id = 12\nsso_role_name = Dev\n[sso-session corp]\nsso_region = us-east-1\nsso_start_url = https://x\n"
REGISTRATION = {"clientId": "id", "clientSecret": "secret-of-client", "refreshToken": "refresh-1"}


def cache_of(env, name="corp"):
    return pathlib.Path(env["HOME"]) / ".aws/sso/cache" / (hashlib.sha1(name.encode()).hexdigest() + ".json")


@pytest.mark.parametrize("end", [-5, 100])
def test_sso_token_is_renewed(env, sources, end):
    answer = {"accessToken": "renewed", "expiresIn": 28800, "refreshToken": "refresh-2", "tokenType": "Bearer"}
    sources.answers["/token"] = (200, json.dumps(answer))
    sso(env, "corp", SESSION, end=end, startUrl="https://x", registrationExpiresAt=iso(time.time() + 9999), **REGISTRATION)
    assert key_of(env) == "sso1"
    request = json.loads(sources.requests("/token")[0][3])
    assert request == {"grantType": "refresh_token", "clientId": "id", "clientSecret": "secret-of-client", "refreshToken": "refresh-1"}
    assert sources.requests("/federation")[0][2]["x-amz-sso_bearer_token"] == "renewed"
    kept = json.loads(cache_of(env).read_text())
    assert (kept["accessToken"], kept["refreshToken"], kept["startUrl"], kept["clientId"]) == ("renewed", "refresh-2", "https://x", "id")
    assert cache_of(env).stat().st_mode & 0o777 == 0o600
    assert key_of(env).startswith("sso") and len(sources.requests("/token")) == 1  # the new one holds


def test_sso_token_that_holds_outlives_a_failure_to_renew(env, sources):
    sources.answers["/token"] = (400, '{"error": "invalid_grant"}')
    sso(env, "corp", SESSION, end=100, **REGISTRATION)
    assert key_of(env) == "sso1"
    assert sources.requests("/federation")[0][2]["x-amz-sso_bearer_token"] == "sso-bearer"


@pytest.mark.parametrize("answer", [(400, "{}"), (200, "{}"), (200, "no json"), (200, '{"accessToken": "x", "expiresIn": -1}')])
def test_sso_token_that_cannot_be_renewed(env, sources, answer):
    sources.answers["/token"] = answer
    sso(env, "corp", SESSION, end=-5, **REGISTRATION)
    before = cache_of(env).read_text()
    done = ls(env, status=None)
    assert done.returncode in (1, 2) and b"SSO token" in done.stderr and b"secret-of-client" not in done.stderr
    assert cache_of(env).read_text() == before


def test_sso_registration_that_has_expired(env, sources):
    sso(env, "corp", SESSION, end=-5, registrationExpiresAt=iso(time.time() - 1), **REGISTRATION)
    assert b"aws sso login" in ls(env, 2).stderr and not sources.requests("/token")


def test_role_with_a_code(env, sources):
    write_config(
        env,
        "[profile a]\nrole_arn = arn:a\nsource_profile = c\nmfa_serial = arn:aws:iam::1:mfa/me\n",
        "[c]\naws_access_key_id=CKEY\naws_secret_access_key=s\n",
    )
    alone = run([BIN / "tarn", "ls", "--profile", "a"], env, 2, timeout=60, start_new_session=True)  # no terminal
    assert b"--mfa-code" in alone.stderr
    assert key_of(env, "--profile", "a", "--mfa-code", "123456") == "sts1"
    form = sources.requests("Action=AssumeRole")[0][3]
    assert b"SerialNumber=arn%3Aaws%3Aiam%3A%3A1%3Amfa%2Fme" in form and b"TokenCode=123456" in form


WANTS_A_CODE = "[profile a]\nrole_arn = arn:a\nsource_profile = c\nmfa_serial = arn:mfa/me\n"


def at_a_terminal(env, answer, *args, prompt=b"arn:mfa/me: "):
    """Exit status and output of tarn, for somebody who types `answer` once asked."""
    ours, theirs = pty.openpty()
    # the program's own session, which the terminal controls from then on
    command = ["setsid", "--ctty", "--wait", str(BIN / "tarn"), *args]
    process = subprocess.Popen(command, env=env, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    seen = b""
    try:
        while select.select([ours], [], [], 60)[0] and (chunk := os.read(ours, 4096)):
            had = prompt in seen
            seen += chunk
            if not had and prompt in seen:
                os.write(ours, answer)
    except OSError:  # the other end is closed
        pass
    os.close(ours)
    return process.wait(60), seen.decode()


def test_code_is_asked_for(env, sources):
    write_config(env, WANTS_A_CODE, "[c]\naws_access_key_id=CKEY\naws_secret_access_key=s\n")
    status, seen = at_a_terminal(env, b" 654321 \n", "ls", "--profile", "a")
    assert status == 0 and "sts1-bucket" in seen, seen
    (request,) = sources.requests("Action=AssumeRole")
    assert re.search(rb"TokenCode=654321(&|$)", request[3]) and b"SerialNumber=arn%3Amfa%2Fme" in request[3]


def test_process_may_ask_at_the_terminal(env, tmp_path):
    """As programs do that keep keys behind a pass phrase: in the background they would be stopped there."""
    script = tmp_path / "vault"
    document = '{"Version": 1, "AccessKeyId": "%s", "SecretAccessKey": "s"}'
    script.write_text(f"#!/bin/sh\nprintf 'Phrase: ' >/dev/tty\nread -r phrase </dev/tty\nprintf '{document}' \"$phrase\"\n")
    script.chmod(0o755)
    write_config(env, f"[default]\ncredential_process = {script}\n")
    status, seen = at_a_terminal(env, b"OPEN\n", "ls", prompt=b"Phrase: ")
    assert status == 0 and "open-bucket" in seen, seen


def test_code_that_is_not_given(env, sources):
    write_config(env, WANTS_A_CODE, "[c]\naws_access_key_id=CKEY\naws_secret_access_key=s\n")
    status, seen = at_a_terminal(env, b"\n", "ls", "--profile", "a")
    assert status == 2 and "no code was given" in seen, seen
    status, seen = at_a_terminal(env, b"1\n", "completion", "names", "s3://", "--profile", "a")
    assert "MFA" not in seen
    assert not sources.requests("Action=AssumeRole")


def test_presign_says_when_keys_end_first(env, sources):
    imds(env, sources)
    presign = lambda *args: run([BIN / "tarn", "presign", *args, "s3://bucket/key"], env, 0, timeout=60)
    done = presign("--expires", "24h")
    assert done.stdout.startswith(b"http") and b"ends with them, at 20" in done.stderr
    assert presign("--expires", "60").stderr == b""
    assert presign("--expires", "24h", "-q").stderr == b""
    env.update(AWS_ACCESS_KEY_ID="A", AWS_SECRET_ACCESS_KEY="s", AWS_SESSION_TOKEN="t")
    assert b"maybe before" in presign().stderr
    del env["AWS_SESSION_TOKEN"]
    assert presign("--expires", "7d").stderr == b""


def test_assume_role(env, sources):
    write_config(
        env,
        "[profile a]\nrole_arn = arn:a\nsource_profile = b\nexternal_id = ext\nduration_seconds = 900\n"
        "[profile b]\nrole_arn = arn:b\nsource_profile = c\nrole_session_name = me\n",
        "[c]\naws_access_key_id=CKEY\naws_secret_access_key=s\n",
    )
    assert key_of(env, "--profile", "a") == "sts2"
    first, second = sources.requests("Action=AssumeRole")
    assert b"RoleArn=arn%3Ab" in first[3] and b"RoleSessionName=me" in first[3]
    assert "Credential=CKEY/" in first[2]["Authorization"] and "/us-east-1/sts/" in first[2]["Authorization"]
    assert b"RoleArn=arn%3Aa" in second[3] and b"ExternalId=ext" in second[3] and b"DurationSeconds=900" in second[3]
    assert second[2]["X-Amz-Security-Token"] == "STS-token"


def test_assume_role_from_container(env, sources):
    write_config(env, "[default]\nrole_arn = arn:a\ncredential_source = EcsContainer\n")
    assert key_of(container(env, sources)) == "sts2"
    assert "Credential=ECS1/" in sources.requests("Action=AssumeRole")[0][2]["Authorization"]


@pytest.mark.parametrize(
    "config, message",
    [
        ("[default]\nrole_arn=a\nsource_profile=b\n[profile b]\nrole_arn=b\nsource_profile=default\n", b"without end"),
        ("[default]\nrole_arn=a\nsource_profile=none\n", b'could not find source_profile "none"'),
        ("[default]\nrole_arn=a\n", b"no credentials for it"),
        ("[default]\nrole_arn=a\ncredential_source=Moon\n", b"credential_source"),
        ("[default]\nrole_arn=a\nsource_profile=default\nmfa_serial=x\n", b"mfa_serial"),
        ("[default]\nrole_arn=a\nsource_profile=default\nduration_seconds=5\n", b"duration_seconds"),
        ("[default]\nsso_session=none\n", b'sso-session "none"'),
        ("[default]\nsso_start_url=x\n", b"is missing"),
        ("[default]\naws_access_key_id=x\n", b"the secret key is missing"),
        ("[default]\nregion=x\n", b"could not find credentials"),
    ],
)
def test_bad_profiles(env, config, message):
    write_config(env, config)
    assert message in ls(env, 2).stderr


def test_order(env, sources):
    """Each source wins over all that were added before it."""
    imds(env, sources)
    assert key_of(env).startswith("imds")
    container(env, sources)
    assert key_of(env).startswith("ecs")
    write_config(env, "[default]\ncredential_process = echo '{\"AccessKeyId\":\"PROC\",\"SecretAccessKey\":\"s\"}'\n")
    assert key_of(env) == "proc"
    write_config(env, "", "[default]\naws_access_key_id=FILE\naws_secret_access_key=s\n")
    assert key_of(env) == "file"
    web_identity(env)
    assert key_of(env).startswith("web")
    env.update(AWS_ACCESS_KEY_ID="ENV", AWS_SECRET_ACCESS_KEY="s")
    assert key_of(env) == "env"
    assert key_of(env, "--profile", "default") == "file"


def slow(handler):
    time.sleep(4)
    return 200, "{}"


BAD = [
    (200, ""),
    (200, "nonsense"),
    (200, "[]"),
    (200, "{}"),
    (200, '{"AccessKeyId": 5, "SecretAccessKey": "s"}'),
    (200, '{"AccessKeyId": "A", "SecretAccessKey": ""}'),
    (200, '{"AccessKeyId": "A\\nX-Evil: 1", "SecretAccessKey": "s"}'),
    (200, json.dumps({"AccessKeyId": "A" * 500, "SecretAccessKey": "s"})),
    (200, json.dumps({"AccessKeyId": "A", "SecretAccessKey": "s", "Expiration": "soon"})),
    (200, "{" + " " * 1000000 + "}"),
    (200, '{"Token":"' + "x" * 60000 + '"}'),
    (200, "[" * 60000),
    (200, b"\xff\xfe"),
    (301, "{}"),
    (404, "no"),
    (500, "no"),
    slow,
]


@pytest.mark.parametrize("index", range(len(BAD)))
@pytest.mark.parametrize("kind", ["instance", "container"])
def test_bad_answers(env, sources, kind, index):
    """A clear error in good time; no request to S3; no secret in the message."""
    answer = BAD[index]
    if kind == "instance":
        imds(env, sources)
        sources.answers["/latest/meta-data/iam/security-credentials/the-role"] = answer
    else:
        container(env, sources)
        sources.answers["/container"] = answer
    start = time.monotonic()
    done = ls(env, None)
    assert done.returncode in (1, 2), done
    assert b"could not get credentials" in done.stderr
    assert b"X-Evil" not in done.stderr and b"AAAAAAAA" not in done.stderr
    assert time.monotonic() - start < 20
    assert not [one for one in sources.seen if one[1] == "/?max-buckets=1000" or one[1] == "/"]


@pytest.mark.parametrize(
    "answer",
    [
        (200, ""),
        (200, "<AssumeRoleWithWebIdentityResponse/>"),
        (200, "<x><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>A</AccessKeyId></Credentials>"
              "</AssumeRoleWithWebIdentityResult></x>"),
        (200, '<!DOCTYPE x [<!ENTITY e "x">]><x>&e;</x>'),
        (200, "<x>" * 5000),
        (403, "<ErrorResponse><Error><Code>AccessDenied</Code><Message>not you</Message></Error></ErrorResponse>"),
        (400, "plain"),
    ],
)
def test_bad_sts(env, sources, answer):
    web_identity(env)
    sources.answers["AssumeRoleWithWebIdentity"] = answer
    done = ls(env, None)
    assert done.returncode in (1, 2)
    assert b"could not get credentials" in done.stderr
    if answer[0] == 403:
        assert b"not you (AccessDenied, HTTP 403)" in done.stderr


@pytest.mark.parametrize(
    "command, message",
    [
        ("false", b"ended with status 1"),
        ("kill -9 $$", b"ended with signal 9"),
        ("echo", b"no JSON object"),
        ("yes", b"larger than the limit"),
        ("/nonexistent/program", b"status 127"),
        ("cat", b"no JSON object"),
    ],
)
def test_bad_process(env, command, message):
    write_config(env, f"[default]\ncredential_process = {command}\n")
    assert message in ls(env, None).stderr


@pytest.mark.parametrize("content", [None, "", "\n", "a b\n", "a\nb"])
def test_bad_token_file(env, content, tmp_path):
    web_identity(env)
    env["AWS_WEB_IDENTITY_TOKEN_FILE"] = str(tmp_path / "other")
    if content is not None:
        (tmp_path / "other").write_text(content)
    assert ls(env, None).returncode in (1, 2)


def test_source_that_recovers(env, sources):
    """One failure of the source is not the end."""
    left = [503, 500]
    sources.answers["/container"] = lambda handler: (left.pop(), "busy") if left else None
    assert key_of(container(env, sources)).startswith("ecs")


def test_expired_token_is_renewed_once(env, sources):
    imds(env, sources)
    sources.refused = {"IMDS1"}
    assert key_of(env) == "imds2"
    sources.refused = {f"IMDS{i}" for i in range(20)}
    sources.seen.clear()
    assert b"ExpiredToken" in ls(env, 2).stderr
    assert len(sources.requests("the-role")) == 2


def test_expired_keys_are_an_error(env, sources):
    sources.lifetime = -60
    assert b"have expired already" in ls(imds(env, sources), 2).stderr


def test_no_secret_in_any_output(env, sources):
    env["TARN_TRACE"] = "all"
    done = ls(imds(env, sources), 0, "-v")
    for text in (b"IMDS-secret", b"IMDS-token", b"session-of-imds"):
        assert text not in done.stdout + done.stderr


def test_renewal_in_the_middle_of_a_job(env, sources, tmp_path):
    """Keys live for 4 s, the job takes longer: no request is signed with keys that have ended, none fails."""
    imds(env, sources)
    sources.lifetime = 4
    ends, late = {}, []
    usual = sources.metadata

    def metadata(name):
        document = json.loads(usual(name))
        ends[document["AccessKeyId"]] = time.time() + sources.lifetime
        return json.dumps(document)

    def s3(handler):
        time.sleep(0.1)
        key = handler.headers["Authorization"].split("Credential=")[1].split("/")[0]
        signed = datetime.datetime.strptime(handler.headers["X-Amz-Date"], "%Y%m%dT%H%M%S%z").timestamp()
        if signed > ends[key]:
            late.append(key)
            return 400, "<Error><Code>ExpiredToken</Code></Error>"
        return 200, "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"

    sources.metadata = metadata
    sources.answers["/b"] = s3
    commands = tmp_path / "commands"
    commands.write_text("".join(f"ls s3://b/{i}/\n" for i in range(180)))
    run([BIN / "tarn", "run", "--workers", "2", commands], env, 0, timeout=120)
    assert not late
    used = [one[2]["Authorization"].split("Credential=")[1].split("/")[0] for one in sources.seen if one[1].startswith("/b?")]
    assert len(used) == 180 and len(ends) >= len(set(used)) >= 3  # the last may have come too late to be used
