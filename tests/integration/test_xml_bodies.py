# SPDX-License-Identifier: Apache-2.0
"""Every operation that takes XML, against every way to spoil its body: each element missing, repeated, out of place, with
too much text or with an element in it; documents that are no XML, declare entities, nest deeply. What is wrong is refused with
MalformedXML or the code that S3 has for it, and then nothing has changed."""

import base64
import copy
import hashlib
import re
import xml.etree.ElementTree as ET

import pytest
from conftest import Server
from test_bucket_settings import send
from test_notifications import HOOK

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
ID = "<ID>x</ID>"
LATER = "2039-01-01T00:00:00Z"
ENTITIES = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
OUTSIDE = '<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]>'


class Body:
    """One operation and a body that it takes. `optional`: elements that may be missing; `many`: that may come again;
    `loose`: whose text may be anything; `codes`: specific refusals, by "what element" or "what"."""

    def __init__(self, target, text, method="PUT", optional=(), many=(), loose=(), codes=None, look=None, status=200, main="MalformedXML"):
        self.target, self.text, self.method, self.status = target, text, method, status
        self.optional, self.many, self.loose = set(optional), set(many), set(loose)
        self.codes, self.main = codes or {}, main
        self.look = look or target

    def codes_of(self, what, name):
        return {self.main, *self.codes.get(what, ()), *self.codes.get(f"{what} {name}", ())}


GRANTEE = f'<Grantee xmlns:xsi="{XSI}" xsi:type="CanonicalUser"><ID>OWNER</ID><DisplayName>d</DisplayName></Grantee>'
ACL = (
    "<AccessControlPolicy><Owner><ID>OWNER</ID><DisplayName>d</DisplayName></Owner><AccessControlList>"
    f"<Grant>{GRANTEE}<Permission>READ</Permission></Grant></AccessControlList></AccessControlPolicy>"
)
ACL_FORM = dict(
    optional=["DisplayName", "Grant"],
    many=["Grant"],
    loose=["DisplayName"],
    main="MalformedACLError",
    codes={"empty body": ["MissingSecurityHeader"], "text ID": ["InvalidArgument", "AccessDenied"], "huge number ID": ["InvalidArgument", "AccessDenied"]},
)
TAGS = "<Tagging><TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet></Tagging>"
TAG_FORM = dict(
    optional=["Tag"],
    many=["Tag"],
    loose=["Key", "Value"],
    codes={"repeated Tag": ["InvalidTag"], "huge": ["InvalidTag"]},
)

BODIES = {
    "CreateBucket": Body(
        "/BUCKET-new",
        "<CreateBucketConfiguration><LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConfiguration>",
        optional=["LocationConstraint"],
        codes={"huge number": ["InvalidLocationConstraint"], "text": ["InvalidLocationConstraint"], "empty body": [None]},
        look="/BUCKET-new?location",
    ),
    "PutBucketTagging": Body("/BUCKET?tagging", TAGS, **TAG_FORM),
    "PutObjectTagging": Body("/BUCKET/key?tagging", TAGS, **TAG_FORM),
    "PutBucketCors": Body(
        "/BUCKET?cors",
        "<CORSConfiguration><CORSRule><ID>i</ID><AllowedHeader>h</AllowedHeader><AllowedMethod>GET</AllowedMethod>"
        "<AllowedOrigin>o</AllowedOrigin><ExposeHeader>e</ExposeHeader><MaxAgeSeconds>5</MaxAgeSeconds></CORSRule></CORSConfiguration>",
        optional=["ID", "AllowedHeader", "ExposeHeader", "MaxAgeSeconds"],
        many=["CORSRule", "AllowedHeader", "AllowedMethod", "AllowedOrigin", "ExposeHeader"],
        loose=["ID", "AllowedHeader", "AllowedOrigin", "ExposeHeader"],
        codes={"text AllowedMethod": ["InvalidRequest"]},
    ),
    "PutBucketLifecycleConfiguration": Body(
        "/BUCKET?lifecycle",
        "<LifecycleConfiguration><Rule><ID>i</ID><Status>Enabled</Status><Filter><And><Prefix>p</Prefix><Tag><Key>k</Key>"
        "<Value>v</Value></Tag><ObjectSizeGreaterThan>1</ObjectSizeGreaterThan><ObjectSizeLessThan>9</ObjectSizeLessThan></And></Filter>"
        "<Expiration><Days>9</Days></Expiration><NoncurrentVersionExpiration><NewerNoncurrentVersions>1</NewerNoncurrentVersions>"
        "<NoncurrentDays>9</NoncurrentDays></NoncurrentVersionExpiration><Transition><Days>3</Days><StorageClass>GLACIER</StorageClass>"
        "</Transition></Rule><Rule><ID>j</ID><Status>Enabled</Status><Filter><Prefix>q</Prefix></Filter>"
        "<AbortIncompleteMultipartUpload><DaysAfterInitiation>9</DaysAfterInitiation></AbortIncompleteMultipartUpload>"
        "</Rule></LifecycleConfiguration>",
        optional=["ID", "And", "Prefix", "Tag", "ObjectSizeGreaterThan", "ObjectSizeLessThan", "NewerNoncurrentVersions", "Rule", "Transition"]
        + ["NoncurrentVersionExpiration", "Expiration"],
        many=["Transition", "Rule", "Tag"],
        loose=["ID", "Prefix", "Key", "Value"],
        codes={
            "repeated Rule": ["InvalidArgument"],
            "repeated Tag": ["InvalidArgument", "InvalidRequest", "InvalidTag"],
            "repeated Transition": ["InvalidArgument", "InvalidRequest"],
            "missing": ["InvalidRequest", "InvalidArgument"],
            "huge": ["InvalidRequest", "InvalidArgument", "InvalidTag"],
        },
    ),
    "PutPublicAccessBlock": Body(
        "/BUCKET?publicAccessBlock",
        "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>false</IgnorePublicAcls>"
        "<BlockPublicPolicy>true</BlockPublicPolicy><RestrictPublicBuckets>false</RestrictPublicBuckets></PublicAccessBlockConfiguration>",
        optional=["BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"],
    ),
    "PutBucketOwnershipControls": Body(
        "/BUCKET?ownershipControls",
        "<OwnershipControls><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule></OwnershipControls>",
    ),
    "PutBucketEncryption": Body(
        "/BUCKET?encryption",
        "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms</SSEAlgorithm>"
        "<KMSMasterKeyID>k1</KMSMasterKeyID></ApplyServerSideEncryptionByDefault><BucketKeyEnabled>true</BucketKeyEnabled></Rule>"
        "</ServerSideEncryptionConfiguration>",
        optional=["KMSMasterKeyID", "BucketKeyEnabled", "ApplyServerSideEncryptionByDefault"],
        loose=["KMSMasterKeyID"],  # S3 does not look for the key here
    ),
    "PutObjectLockConfiguration": Body(
        "/LOCKED?object-lock",
        "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention><Mode>GOVERNANCE</Mode>"
        "<Days>1</Days></DefaultRetention></Rule></ObjectLockConfiguration>",
        optional=["Rule"],
        codes={"text Days": ["InvalidRetentionPeriod"], "huge Days": ["InvalidRetentionPeriod"]},
    ),
    "PutBucketLogging": Body(
        "/BUCKET?logging",
        "<BucketLoggingStatus><LoggingEnabled><TargetBucket>BUCKET</TargetBucket><TargetPrefix>p</TargetPrefix></LoggingEnabled></BucketLoggingStatus>",
        optional=["LoggingEnabled"],
        loose=["TargetPrefix"],
        codes={"text TargetBucket": ["InvalidTargetBucketForLogging"], "huge TargetBucket": ["InvalidTargetBucketForLogging"]},
    ),
    "PutBucketNotificationConfiguration": Body(
        "/BUCKET?notification",
        "<NotificationConfiguration><TopicConfiguration><Id>i</Id><Topic>HOOK</Topic><Event>s3:ObjectCreated:*</Event>"
        "<Filter><S3Key><FilterRule><Name>prefix</Name><Value>v</Value></FilterRule></S3Key></Filter></TopicConfiguration></NotificationConfiguration>",
        optional=["Id", "Filter", "S3Key", "FilterRule", "TopicConfiguration"],
        many=["TopicConfiguration", "Event", "FilterRule"],
        loose=["Id", "Value"],
        codes={
            "repeated TopicConfiguration": ["InvalidArgument"],
            "repeated Event": ["InvalidArgument"],
            "repeated FilterRule": ["InvalidArgument"],
            "text": ["InvalidArgument"],
            "huge": ["InvalidArgument"],
            "huge number": ["InvalidArgument"],
        },
    ),
    "PutBucketWebsite": Body(
        "/BUCKET?website",
        "<WebsiteConfiguration><IndexDocument><Suffix>i.html</Suffix></IndexDocument><ErrorDocument><Key>e.html</Key></ErrorDocument>"
        "<RoutingRules><RoutingRule><Condition><KeyPrefixEquals>a</KeyPrefixEquals></Condition><Redirect><HostName>h</HostName>"
        "<Protocol>https</Protocol><ReplaceKeyPrefixWith>b</ReplaceKeyPrefixWith></Redirect></RoutingRule></RoutingRules></WebsiteConfiguration>",
        optional=["ErrorDocument", "RoutingRules", "Condition", "HostName", "Protocol", "ReplaceKeyPrefixWith"],
        many=["RoutingRule"],
        loose=["Suffix", "Key", "HostName", "KeyPrefixEquals", "ReplaceKeyPrefixWith"],
        codes={"missing IndexDocument": ["InvalidArgument"], "missing": ["InvalidRequest"]},
    ),
    "PutBucketRequestPayment": Body(
        "/BUCKET?requestPayment", "<RequestPaymentConfiguration><Payer>Requester</Payer></RequestPaymentConfiguration>"
    ),
    "PutBucketAccelerateConfiguration": Body(
        "/BUCKET?accelerate", "<AccelerateConfiguration><Status>Enabled</Status></AccelerateConfiguration>"
    ),
    "PutBucketVersioning": Body(
        "/BUCKET?versioning",
        "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>",
        codes={"missing Status": ["IllegalVersioningConfigurationException"]},
    ),
    "PutBucketQuota": Body(
        "/BUCKET?quota",
        "<QuotaConfiguration><MaxBytes>1000000</MaxBytes><MaxObjects>1000</MaxObjects></QuotaConfiguration>",
        optional=["MaxBytes", "MaxObjects"],
    ),
    "PutBucketAcl": Body("/OPEN?acl", ACL, **ACL_FORM),
    "PutObjectAcl": Body("/OPEN/key?acl", ACL, **ACL_FORM),
    "PutObjectRetention": Body(
        "/LOCKED/key?retention",
        f"<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>{LATER}</RetainUntilDate></Retention>",
    ),
    "PutObjectLegalHold": Body("/LOCKED/key?legal-hold", "<LegalHold><Status>ON</Status></LegalHold>"),
    "RestoreObject": Body(
        "/BUCKET/cold?restore",
        "<RestoreRequest><Days>3</Days><GlacierJobParameters><Tier>Standard</Tier></GlacierJobParameters></RestoreRequest>",
        method="POST",
        optional=["GlacierJobParameters"],
        look="/BUCKET/cold",
        status=202,
    ),
    "DeleteObjects": Body(
        "/BUCKET?delete",
        "<Delete><Object><Key>gone</Key><VersionId>null</VersionId><ETag>*</ETag></Object><Quiet>false</Quiet></Delete>",
        method="POST",
        optional=["Quiet", "VersionId", "ETag"],
        many=["Object"],
        loose=["Key", "VersionId", "ETag"],
        look="/BUCKET/gone",
    ),
    "CompleteMultipartUpload": Body(
        "/BUCKET/large?uploadId=UPLOAD",
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>ETAG</ETag></Part></CompleteMultipartUpload>",
        method="POST",
        many=["Part"],
        codes={"text ETag": ["InvalidPart"], "huge number": ["InvalidPart"]},
        look="/BUCKET/large",
    ),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("xml")
    config = folder / "config.yaml"
    (folder / "keys").write_text("k1 " + base64.b64encode(bytes(32)).decode() + "\n")
    config.write_text(
        f'encryption_keys: {folder / "keys"}\nnotification_targets:\n  - arn: "{HOOK}"\n    webhook: "http://127.0.0.1:9/"\n'
    )
    server = Server(folder / "data", ["--config", str(config)]).start()
    yield server
    server.stop()


class Scene:
    """Buckets and objects that the bodies are about."""

    def __init__(self, server, s3, number):
        self.server = server
        self.names = {name: f"{name.lower()}-{number}" for name in ("BUCKET", "LOCKED", "OPEN")}
        bucket, locked, opened = self.names.values()
        s3.create_bucket(Bucket=bucket)
        s3.create_bucket(Bucket=locked, ObjectLockEnabledForBucket=True)
        s3.create_bucket(Bucket=opened, ObjectOwnership="ObjectWriter")
        for name in (bucket, locked, opened):
            s3.put_object(Bucket=name, Key="key", Body=b"x")
        s3.put_object(Bucket=bucket, Key="gone", Body=b"x")
        s3.put_object(Bucket=bucket, Key="cold", Body=b"x", StorageClass="GLACIER")
        upload = s3.create_multipart_upload(Bucket=bucket, Key="large")["UploadId"]
        self.names["UPLOAD"] = upload
        self.names["ETAG"] = s3.upload_part(Bucket=bucket, Key="large", UploadId=upload, PartNumber=1, Body=b"x")["ETag"]
        self.names["HOOK"] = HOOK
        self.names["OWNER"] = s3.list_buckets()["Owner"]["ID"]

    def fill(self, text):
        return re.sub("BUCKET|LOCKED|OPEN|UPLOAD|ETAG|OWNER|HOOK", lambda found: self.names[found[0]], text)

    def send(self, body, text):
        data = text if isinstance(text, bytes) else self.fill(text).encode()
        digest = base64.b64encode(hashlib.md5(data).digest()).decode()
        return send(self.server, body.method, self.fill(body.target), data, {"content-md5": digest})

    def look(self, body):
        answer = send(self.server, "GET", self.fill(body.look))
        data = re.sub(rb"<(RequestId|HostId)>[^<]*", b"", answer.data)
        return answer.status, data, answer.headers.get("x-amz-restore")


def code_of(answer):
    found = re.search(rb"<Code>([^<]*)</Code>", answer.data)
    return found[1].decode() if found else None


def tree(body):
    return ET.fromstring(body.text)


def text_of(root):
    return ET.tostring(root, encoding="unicode")


def at(root, index):
    return list(root.iter())[index]


def parents(root):
    return {child: parent for parent in root.iter() for child in parent}


def spoiled(body):
    """(what, element, text, may it be taken?) for every element of the body and every way."""
    for index, element in enumerate(tree(body).iter()):
        name = element.tag
        root = tree(body)
        ET.SubElement(at(root, index), "Unknown").text = "1"
        yield "unknown", name, text_of(root), False
        root = tree(body)
        leaf = at(root, index)
        if len(leaf):
            leaf.text = "hello"
        else:
            ET.SubElement(leaf, leaf.tag).text, leaf.text = leaf.text, None
        yield "out of place", name, text_of(root), False
        if len(element) == 0:
            for what, text in (("text", "~ no such thing ~"), ("huge", "x" * 200000), ("huge number", "9" * 400)):
                root = tree(body)
                at(root, index).text = text
                yield what, name, text_of(root), name in body.loose and what == "text" or name in body.loose and what != "huge"
        if index == 0:
            continue
        root = tree(body)
        here = at(root, index)
        parents(root)[here].remove(here)
        yield "missing", name, text_of(root), name in body.optional
        root = tree(body)
        here = at(root, index)
        parents(root)[here].append(copy.deepcopy(here))
        yield "repeated", name, text_of(root), name in body.many


def documents(body):
    """The same for the document as a whole."""
    root = body.text.partition(">")[0][1:].partition(" ")[0]
    inside = body.text.replace(f"<{root}>", f"<{root}>&b;", 1)
    yield "empty body", ""
    yield "no XML", "hello"
    yield "blanks", "  \n "
    yield "another root", "<Other/>"
    yield "root in lower case", body.text.replace(root, root.lower())
    yield "not closed", body.text.rpartition("<")[0]
    yield "closed twice", body.text + f"</{root}>"
    yield "two roots", body.text + body.text
    yield "deep", body.text.replace(f"</{root}>", "<a>" * 500 + "</a>" * 500 + f"</{root}>")
    yield "very deep", "<a>" * 100000
    yield "entities", ENTITIES + inside
    yield "entity, unknown", inside
    yield "entity, a file", OUTSIDE + inside.replace("&b;", "&f;")
    yield "document type", f"<!DOCTYPE {root}>" + body.text
    yield "attribute twice", body.text.replace(f"<{root}", f'<{root} a="1" a="2"', 1)
    yield "NUL", body.text.replace(">", ">\0", 1)
    yield "control byte", body.text.replace(">", ">\x01", 1)
    yield "bad UTF-8", body.text.encode().replace(b">", b">\xff\xfe", 1)
    yield "huge", body.text.replace(f"</{root}>", " " * (5 << 20) + f"</{root}>")


@pytest.fixture(scope="module")
def s3(server):
    return server.boto()


NUMBERS = iter(range(1, 1000))


@pytest.fixture
def scene(server, s3):
    return Scene(server, s3, next(NUMBERS))


@pytest.mark.parametrize("name", BODIES)
def test_documents(scene, name):
    body = BODIES[name]
    before = scene.look(body)
    for what, text in documents(body):
        codes = body.codes_of(what, "")
        if None in codes:
            continue
        answer = scene.send(body, text)
        if what in ("huge", "deep", "very deep"):
            codes = codes | {"MaxMessageLengthExceeded", "EntityTooLarge"}
        assert (answer.status, code_of(answer) in codes) == (400, True), (what, answer.status, answer.data[:400])
        assert scene.look(body) == before, what


@pytest.mark.parametrize("name", BODIES)
def test_elements(scene, name):
    """Each refusal leaves things as they were; then the good body is taken, with its namespace and without."""
    body = BODIES[name]
    before = scene.look(body)
    wrong = []
    for what, element, text, may in spoiled(body):
        if may:
            continue
        answer = scene.send(body, text)
        codes = body.codes_of(what, element)
        if answer.status not in (400, 403) or code_of(answer) not in codes or scene.look(body) != before:
            wrong.append((what, element, answer.status, code_of(answer)))
    assert not wrong
    if name != "CompleteMultipartUpload":
        assert scene.send(body, body.text).status == body.status
    root = body.text.partition(">")[0][1:]
    named = body.text.replace(f"<{root}>", f'<?xml version="1.0"?>\n<{root} xmlns="{NAMESPACE}">\n ', 1)
    last = scene.send(body, named)
    assert last.status in (body.status, 200, 409), last.data


@pytest.mark.parametrize("name", BODIES)
def test_nothing_else_breaks(scene, name):
    """What may be so is taken, or refused in the way of S3; never a 500."""
    body = BODIES[name]
    for what, element, text, may in spoiled(body):
        if may:
            answer = scene.send(body, text)
            assert answer.status < 500, (what, element, answer.data)
