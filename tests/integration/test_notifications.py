# SPDX-License-Identifier: Apache-2.0
"""Events: who is told what, in which form, and that nothing is lost when targets or servers die."""

import http.client
import json
import re
import signal
import threading
import time

import pytest

import raw
from conftest import MIB, body_of, refused
from sinks import Redis, Webhook

HOOK = "arn:tarn:sqs:us-east-1:000000000000:hook"
OTHER = "arn:tarn:sqs:us-east-1:000000000000:other"
REDIS = "arn:tarn:sns:us-east-1:000000000000:redis"
ALL = ["s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:ObjectTagging:*", "s3:ObjectAcl:Put", "s3:LifecycleExpiration:*", "s3:LifecycleTransition", "s3:ObjectRestore:*"]


def configure(path, targets, **more):
    lines = ["notification_targets:"]
    for target in targets:
        pairs = [f'{name}: "{value}"' for name, value in target.items()]
        lines.append("  - " + "\n    ".join(pairs))
    lines += [f"{name}: {value}" for name, value in more.items()]
    path.write_text("\n".join(lines) + "\n")
    return ["--config", str(path)]


@pytest.fixture
def hook():
    sink = Webhook()
    yield sink
    sink.close()


@pytest.fixture
def served(new_server, tmp_path, hook):
    """A server with one webhook, and a bucket."""
    args = configure(tmp_path / "config.yaml", [{"arn": HOOK, "webhook": hook.url, "auth_token": "secret"}], lifecycle_day_s=1)
    server = new_server(args=args).start()
    s3 = server.boto()
    s3.create_bucket(Bucket="bkt")
    return server, s3


def listen(s3, bucket="bkt", events=ALL, arn=HOOK, kind="Queue", **rules):
    target = {f"{kind}Arn": arn, "Events": events, "Id": "mine"}
    if rules:
        target["Filter"] = {"Key": {"FilterRules": [{"Name": k, "Value": v} for k, v in rules.items()]}}
    s3.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={f"{kind}Configurations": [target]}
    )


def test_the_test_event(served, hook):
    server, s3 = served
    listen(s3)
    (item,) = hook.wait(1)
    body = item["body"]
    assert (body["Service"], body["Event"], body["Bucket"]) == ("Amazon S3", "s3:TestEvent", "bkt")
    assert set(body) == {"Service", "Event", "Time", "Bucket", "RequestId", "HostId"}
    assert item["headers"]["Authorization"] == "Bearer secret"
    assert item["headers"]["Content-Type"] == "application/json"
    assert item["path"] == "/events"
    assert ".tarn.events" not in [entry["Name"] for entry in s3.list_buckets()["Buckets"]]


def test_the_record(served, hook):
    server, s3 = served
    listen(s3)
    s3.put_bucket_versioning(Bucket="bkt", VersioningConfiguration={"Status": "Enabled"})
    made = s3.put_object(Bucket="bkt", Key="a b/ü+&.txt", Body=b"12345")
    hook.wait_events(1)
    (record,) = hook.got[1]["body"]["Records"]
    assert record["eventVersion"] == "2.1" and record["eventSource"] == "aws:s3"
    assert record["awsRegion"] == "us-east-1" and record["eventName"] == "ObjectCreated:Put"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", record["eventTime"])
    assert record["userIdentity"]["principalId"]
    assert record["requestParameters"]["sourceIPAddress"] == "127.0.0.1"
    assert record["responseElements"]["x-amz-request-id"] == made["ResponseMetadata"]["RequestId"]
    told = record["s3"]
    assert told["s3SchemaVersion"] == "1.0" and told["configurationId"] == "mine"
    assert told["bucket"]["name"] == "bkt" and told["bucket"]["arn"] == "arn:aws:s3:::bkt"
    assert told["bucket"]["ownerIdentity"]["principalId"]
    assert told["object"]["key"] == "a+b/%C3%BC%2B%26.txt"
    assert told["object"]["size"] == 5 and f'"{told["object"]["eTag"]}"' == made["ETag"]
    assert told["object"]["versionId"] == made["VersionId"]
    assert re.fullmatch(r"[0-9A-F]{16}", told["object"]["sequencer"])


def test_every_event(served, hook):
    server, s3 = served
    listen(s3)
    s3.put_object(Bucket="bkt", Key="put", Body=b"1")
    s3.put_object(Bucket="bkt", Key="put", Body=b"2", WriteOffsetBytes=1)
    s3.copy_object(Bucket="bkt", Key="copy", CopySource={"Bucket": "bkt", "Key": "put"})
    upload = s3.create_multipart_upload(Bucket="bkt", Key="mp")["UploadId"]
    part = {"Bucket": "bkt", "Key": "mp", "UploadId": upload}
    etag = s3.upload_part(PartNumber=1, Body=b"x", **part)["ETag"]
    s3.complete_multipart_upload(MultipartUpload={"Parts": [{"ETag": etag, "PartNumber": 1}]}, **part)
    s3.rename_object(Bucket="bkt", Key="new", RenameSource="bkt/mp")
    s3.put_object_tagging(Bucket="bkt", Key="put", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    s3.delete_object_tagging(Bucket="bkt", Key="put")
    s3.delete_object(Bucket="bkt", Key="absent")  # nothing happens
    refused(412, "PreconditionFailed", s3.put_object, Bucket="bkt", Key="put", IfNoneMatch="*", Body=b"")
    s3.delete_object(Bucket="bkt", Key="copy")
    s3.delete_objects(Bucket="bkt", Delete={"Objects": [{"Key": "new"}, {"Key": "absent"}]})
    s3.put_bucket_versioning(Bucket="bkt", VersioningConfiguration={"Status": "Enabled"})
    marker = s3.delete_object(Bucket="bkt", Key="put")["VersionId"]
    s3.delete_object(Bucket="bkt", Key="put", VersionId=marker)
    want = [
        ("ObjectCreated:Put", "put"),
        ("ObjectCreated:Put", "put"),
        ("ObjectCreated:Copy", "copy"),
        ("ObjectCreated:CompleteMultipartUpload", "mp"),
        ("ObjectCreated:Copy", "new"),
        ("ObjectRemoved:Delete", "mp"),
        ("ObjectTagging:Put", "put"),
        ("ObjectTagging:Delete", "put"),
        ("ObjectRemoved:Delete", "copy"),
        ("ObjectRemoved:Delete", "new"),
        ("ObjectRemoved:DeleteMarkerCreated", "put"),
        ("ObjectRemoved:Delete", "put"),
    ]
    assert hook.wait_events(len(want)) == want
    numbers = {}
    for item in hook.got[1:]:
        told = item["body"]["Records"][0]["s3"]["object"]
        assert numbers.get(told["key"], "") <= told["sequencer"]
        numbers[told["key"]] = told["sequencer"]


def test_forms_and_lifecycle(served, hook):
    server, s3 = served
    listen(s3)
    post = s3.generate_presigned_post("bkt", "posted")
    boundary = "xxBOUNDARYxx"
    fields = "".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in post["fields"].items()
    )
    body = f'{fields}--{boundary}\r\nContent-Disposition: form-data; name="file"\r\n\r\nabc\r\n--{boundary}--\r\n'
    conn = http.client.HTTPConnection(server.netloc)
    conn.request("POST", "/bkt", body, {"Content-Type": f"multipart/form-data; boundary={boundary}"})
    assert conn.getresponse().status == 204
    assert hook.wait_events(1) == [("ObjectCreated:Post", "posted")]
    rule = {"ID": "r", "Status": "Enabled", "Filter": {"Prefix": ""}}
    moves = [{"Days": 1, "StorageClass": "STANDARD_IA"}]
    s3.put_bucket_lifecycle_configuration(Bucket="bkt", LifecycleConfiguration={"Rules": [{**rule, "Transitions": moves}]})
    assert hook.wait_events(2)[1] == ("LifecycleTransition", "posted")
    rule["Expiration"] = {"Days": 1}
    s3.put_bucket_lifecycle_configuration(Bucket="bkt", LifecycleConfiguration={"Rules": [rule]})
    assert hook.wait_events(3)[2] == ("LifecycleExpiration:Delete", "posted")


def test_filters(served, hook):
    server, s3 = served
    listen(s3, events=["s3:ObjectCreated:Put"], prefix="logs/", suffix=".gz")
    for key in ("logs/a.gz", "logs/a.txt", "other/a.gz", "logs/.gz", "logs/b/c.gz"):
        s3.put_object(Bucket="bkt", Key=key, Body=b"")
    s3.delete_object(Bucket="bkt", Key="logs/a.gz")
    s3.put_object(Bucket="bkt", Key="logs/end.gz", Body=b"")
    keys = [key for _, key in hook.wait_events(4)]
    assert keys == ["logs/a.gz", "logs/.gz", "logs/b/c.gz", "logs/end.gz"]


def test_documents(served, hook):
    server, s3 = served
    conn = raw.Connection(server)

    def put(inner):
        body = f"<NotificationConfiguration>{inner}</NotificationConfiguration>".encode()
        reply = conn.request("PUT", "/bkt?notification", body)
        return reply.status, reply.code

    def queue(arn=HOOK, event="s3:ObjectCreated:*", rest=""):
        return f"<QueueConfiguration><Queue>{arn}</Queue><Event>{event}</Event>{rest}</QueueConfiguration>"

    rule = "<FilterRule><Name>{}</Name><Value>{}</Value></FilterRule>"
    key = "<Filter><S3Key>{}</S3Key></Filter>"
    good = queue(rest=key.format(rule.format("prefix", "a")))
    assert put(good)[0] == 200
    bad = [
        (queue(arn="x"), "InvalidArgument"),
        (queue(arn="arn:tarn:sqs:::unknown"), "InvalidArgument"),
        (queue(event="s3:ObjectCreated:Nothing"), "InvalidArgument"),
        (queue(event=""), "InvalidArgument"),
        (queue() + queue(), "InvalidArgument"),
        (queue() + queue(event="s3:ObjectCreated:Put"), "InvalidArgument"),
        (queue(rest=key.format(rule.format("infix", "a"))), "InvalidArgument"),
        (queue(rest=key.format(2 * rule.format("prefix", "a"))), "InvalidArgument"),
        (queue(rest=key.format(3 * rule.format("prefix", "a"))), "MalformedXML"),
        (queue(rest="<Queue>again</Queue>"), "MalformedXML"),
        (queue(rest="<More/>"), "MalformedXML"),
        ("<QueueConfiguration><Queue>" + HOOK + "</Queue></QueueConfiguration>", "MalformedXML"),
        ("<QueueConfiguration><Event>s3:ObjectCreated:*</Event></QueueConfiguration>", "MalformedXML"),
        (queue(rest=key.format(rule.format("prefix", "a" * 2000))), "MalformedXML"),
        (101 * queue(), "MalformedXML"),
        ("<Unknown/>", "MalformedXML"),
        ("<QueueConfiguration>", "MalformedXML"),
        ("<EventBridgeConfiguration/>", "NotImplemented"),
    ]
    for inner, code in bad:
        assert put(inner)[1] == code, inner[:200]
    kept = s3.get_bucket_notification_configuration(Bucket="bkt")
    assert kept["QueueConfigurations"][0]["Filter"]["Key"]["FilterRules"] == [{"Name": "prefix", "Value": "a"}]
    both = queue(rest=key.format(rule.format("prefix", "a"))) + queue(rest=key.format(rule.format("prefix", "b")))
    assert put(both)[0] == 200
    assert put("")[0] == 200
    assert "QueueConfigurations" not in s3.get_bucket_notification_configuration(Bucket="bkt")
    s3.put_object(Bucket="bkt", Key="untold", Body=b"")
    listen(s3, kind="Topic")
    s3.put_object(Bucket="bkt", Key="told", Body=b"")
    assert hook.wait_events(1) == [("ObjectCreated:Put", "told")]


def test_a_target_that_fails_loses_nothing(served, hook):
    server, s3 = served
    listen(s3)
    hook.wait(1)
    hook.status = 503
    began = time.monotonic()
    for i in range(50):
        s3.put_object(Bucket="bkt", Key=f"k{i:02}", Body=b"")
    assert time.monotonic() - began < 30  # nobody waits for the target
    while hook.tried < 3:
        time.sleep(0.05)
    hook.status = 200
    assert [key for _, key in hook.wait_events(50)] == [f"k{i:02}" for i in range(50)]
    assert "event=notification_failed" in server.log and "event=notification_recovered" in server.log


def test_events_survive_a_kill(served, hook):
    """What was answered is told, though the server was killed with all of it in its queue, and again
    while it was sending."""
    server, s3 = served
    listen(s3)
    hook.wait(1)
    hook.status = 500
    done = []

    def run(i):
        client = server.boto()
        for number in range(1000):
            try:
                client.put_object(Bucket="bkt", Key=f"{i}-{number:04}", Body=b"x")
            except Exception:
                return
            done.append(f"{i}-{number:04}")

    threads = [threading.Thread(target=run, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    while len(done) < 200:
        time.sleep(0.01)
    server.process.send_signal(signal.SIGKILL)
    for thread in threads:
        thread.join()
    server.kill()
    hook.status = 200
    server.start()
    hook.wait(50)
    server.kill()
    server.start()
    deadline = time.monotonic() + 60
    missing = set(done)
    while missing and time.monotonic() < deadline:
        time.sleep(0.1)
        missing = set(done) - {key for _, key in hook.events()}
    assert not missing, (len(done), sorted(missing)[:5])
    for i in range(8):
        own = [key for _, key in hook.events() if key.startswith(f"{i}-")]
        firsts = list(dict.fromkeys(own))
        assert firsts == sorted(firsts)  # in order, repeats aside


def test_a_full_queue_is_told(new_server, tmp_path, hook):
    args = configure(tmp_path / "config.yaml", [{"arn": HOOK, "webhook": hook.url}], notification_queue_max=10)
    server = new_server(args=args).start()
    s3 = server.boto()
    s3.create_bucket(Bucket="bkt")
    hook.status = 500
    listen(s3)
    for i in range(30):
        s3.put_object(Bucket="bkt", Key=f"k{i:02}", Body=b"")  # none fails
    assert len(s3.list_objects_v2(Bucket="bkt")["Contents"]) == 30
    assert "event=notification_dropped" in server.log
    hook.status = 200
    keys = [key for _, key in hook.wait_events(9)]
    assert keys == [f"k{i:02}" for i in range(9)]
    s3.put_object(Bucket="bkt", Key="again", Body=b"")
    assert hook.wait_events(10)[-1][1] == "again"


def test_two_targets(new_server, tmp_path, hook):
    other = Webhook()
    targets = [{"arn": HOOK, "webhook": hook.url}, {"arn": OTHER, "webhook": other.url}]
    server = new_server(args=configure(tmp_path / "config.yaml", targets)).start()
    s3 = server.boto()
    s3.create_bucket(Bucket="bkt")
    s3.put_bucket_notification_configuration(
        Bucket="bkt",
        NotificationConfiguration={
            "QueueConfigurations": [{"QueueArn": HOOK, "Events": ["s3:ObjectCreated:*"]}],
            "LambdaFunctionConfigurations": [{"LambdaFunctionArn": OTHER, "Events": ["s3:ObjectRemoved:*"]}],
        },
    )
    other.wait(1)
    other.status = 500  # does not hold the other up
    many = [{"Key": f"k{i:04}"} for i in range(300)]
    for entry in many:
        s3.put_object(Bucket="bkt", Key=entry["Key"], Body=b"")
    s3.delete_objects(Bucket="bkt", Delete={"Objects": many})
    hook.wait_events(300)
    other.status = 200
    assert [key for _, key in other.wait_events(300)] == [entry["Key"] for entry in many]
    other.close()


@pytest.mark.parametrize("form", ["list", "publish", "stream", "access", "namespace"])
def test_redis(new_server, tmp_path, form):
    redis = Redis()
    target = {"arn": REDIS, "redis": f"{redis.url}/3", "password": "pw", "key": "events", "format": form}
    server = new_server(args=configure(tmp_path / "config.yaml", [target])).start()
    s3 = server.boto()
    s3.create_bucket(Bucket="bkt")
    listen(s3, arn=REDIS, kind="Topic")
    s3.put_object(Bucket="bkt", Key="a b", Body=b"1")
    s3.delete_object(Bucket="bkt", Key="a b")
    has_test = form != "namespace"
    got = redis.wait(4 + has_test)
    assert got[:2] == [["AUTH", "pw"], ["SELECT", "3"]]
    created, removed = got[2 + has_test :]
    if form == "namespace":
        assert created[:3] == ["HSET", "events", "bkt/a b"]
        assert json.loads(created[3])["Records"][0]["s3"]["object"]["key"] == "a+b"
        assert removed == ["HDEL", "events", "bkt/a b"]
    elif form == "access":
        assert created[:2] == ["RPUSH", "events"]
        (item,) = json.loads(created[2])
        assert item["Event"][0]["eventTime"] == item["EventTime"]
        assert json.loads(removed[2])[0]["Event"][0]["eventName"] == "ObjectRemoved:Delete"
    else:
        word, rest = {"list": ("RPUSH", []), "publish": ("PUBLISH", []), "stream": ("XADD", ["*", "event"])}[form]
        assert created[:-1] == [word, "events", *rest]
        assert json.loads(created[-1])["Records"][0]["eventName"] == "ObjectCreated:Put"
    redis.close()


@pytest.mark.parametrize(
    "answer",
    [None, b"-ERR no\r\n", b"nonsense\r\n", b"$5\r\nab", b":" + b"1" * 2000 + b"\r\n", b"$99999999999\r\n"],
)
def test_redis_in_trouble(new_server, tmp_path, answer):
    redis = Redis()
    fine = redis.reply
    server = new_server(
        args=configure(tmp_path / "config.yaml", [{"arn": REDIS, "redis": redis.url, "key": "events"}])
    ).start()
    s3 = server.boto()
    s3.create_bucket(Bucket="bkt")
    redis.reply = lambda words: answer
    listen(s3, arn=REDIS)
    s3.put_object(Bucket="bkt", Key="k", Body=b"1")
    deadline = time.monotonic() + 60
    while "event=notification_failed" not in server.log and time.monotonic() < deadline:
        time.sleep(0.05)
    assert "event=notification_failed" in server.log
    redis.reply = fine
    with redis.changed:
        redis.changed.wait_for(lambda: any("ObjectCreated:Put" in words[-1] for words in redis.got), 60)
    assert any("ObjectCreated:Put" in words[-1] for words in redis.got)
    redis.close()


@pytest.mark.parametrize(
    "target",
    [
        {"arn": "x", "webhook": "http://127.0.0.1:1/"},
        {"arn": HOOK, "webhook": "ftp://127.0.0.1/"},
        {"arn": HOOK, "webhook": "nonsense"},
        {"arn": HOOK},
        {"arn": HOOK, "webhook": "http://127.0.0.1:1/", "redis": "redis://127.0.0.1", "key": "k"},
        {"arn": HOOK, "redis": "rediss://127.0.0.1", "key": "k"},
        {"arn": HOOK, "redis": "redis://127.0.0.1"},
        {"arn": HOOK, "redis": "redis://127.0.0.1/many", "key": "k"},
        {"arn": HOOK, "redis": "redis://127.0.0.1", "key": "k", "format": "other"},
        {"arn": HOOK, "redis": "redis://127.0.0.1", "key": "k", "more": "x"},
    ],
)
def test_bad_targets(new_server, tmp_path, target):
    server = new_server(args=configure(tmp_path / "config.yaml", [target])).spawn()
    assert server.process.wait(60) == 2
    server.process = None


def test_large_answers_of_many(served, hook):
    """A thousand deletions in one request are a thousand events."""
    server, s3 = served
    listen(s3, events=["s3:ObjectRemoved:*"])
    keys = [f"{'x' * 900}/{i:04}" for i in range(200)]
    for key in keys:
        s3.put_object(Bucket="bkt", Key=key, Body=b"")
    s3.delete_objects(Bucket="bkt", Delete={"Objects": [{"Key": key} for key in keys]})
    assert [key for _, key in hook.wait_events(200)] == keys
