/* SPDX-License-Identifier: Apache-2.0 */
/* S3 as a peer sees it: the real HTTP server and API on either engine, scripts of requests in
 * order. */

#include "server/api/api.h"

#include <ftw.h>
#include <unistd.h>

#include "server/store/log_store.h"
#include "server/store/mem/mem_store.h"
#include "unit/server/test_http_toy.h"

/* One server; `client` holds only the port, for toy_connect(). */
struct fixture {
    struct store *store;
    struct auth *auth;
    struct api *api;
    struct http_server *http;
    pthread_t thread;
    struct toy client;
    char upload_id[STORE_UPLOAD_ID_LEN + 1];
    char etag[64];
};

static void *run_server(void *arg)
{
    assert_int_equal(http_server_run(arg, NULL), TARN_OK);
    return NULL;
}

static void start_on(struct fixture *f, struct store *store, const char *region, bool is_auth_off)
{
    struct auth_config auth = { .is_off = is_auth_off };
    struct http_config http = { .listen = "127.0.0.1:0", .loop_count = 2, .worker_count = 2 };
    const char *domains[] = { "s3.test" };
    *f = (struct fixture){ .store = store };
    f->auth = auth_new(&auth, NULL);
    assert_non_null(f->auth);
    struct api_config api = { .store = f->store,
                              .auth = f->auth,
                              .region = region,
                              .domains = domains,
                              .domain_count = 1,
                              .is_auth_off = is_auth_off };
    f->api = api_new(&api);
    assert_non_null(f->api);
    api_bind(f->api, &http);
    assert_int_equal(http_server_new(&http, &f->http, NULL), TARN_OK);
    uint64_t port;
    struct tn_str address = tn_str_from(http_server_address(f->http));
    (void)tn_str_split(&address, ':');
    assert_int_equal(tn_str_to_u64(address, &port), TARN_OK);
    f->client.port = (int)port;
    assert_int_equal(pthread_create(&f->thread, NULL, run_server, f->http), 0);
}

static void start(struct fixture *f, const struct mem_store_config *config, const char *region)
{
    struct store *store;
    assert_int_equal(mem_store_open(config, &store, NULL), TARN_OK);
    start_on(f, store, region, true);
}

static void stop_without_store(struct fixture *f)
{
    http_server_stop(f->http, 5000);
    (void)pthread_join(f->thread, NULL);
    http_server_free(f->http);
    api_free(f->api);
    auth_free(f->auth);
}

static void stop(struct fixture *f)
{
    struct store *store = f->store;
    stop_without_store(f);
    store->ops->close(store);
}

/* `%U` and `%E` in target, headers and body stand for the last upload id and ETag seen. */
struct row {
    const char *name;
    const char *line;    /* "METHOD TARGET" */
    const char *headers; /* complete lines */
    const char *body;    /* NULL: none is announced */
    int status;
    const char *has; /* somewhere in head or body; NULL: anything */
};

static void put_text(const struct fixture *f, struct tn_buf *out, const char *text)
{
    for (; *text; text++) {
        bool is_mark = text[0] == '%' && (text[1] == 'U' || text[1] == 'E');
        if (!is_mark) {
            assert_int_equal(tn_buf_append_char(out, *text), TARN_OK);
            continue;
        }
        text++;
        assert_int_equal(tn_buf_append_text(out, *text == 'U' ? f->upload_id : f->etag), TARN_OK);
    }
}

static void say(const struct fixture *f, int fd, const struct row *row)
{
    TN_AUTO_BUF out = TN_BUF_INIT(1 << 20);
    TN_AUTO_BUF body = TN_BUF_INIT(1 << 20);
    put_text(f, &out, row->line);
    put_text(f, &out, " HTTP/1.1\r\n");
    if (!row->headers || !strstr(row->headers, "Host:"))
        put_text(f, &out, "Host: 127.0.0.1\r\n");
    put_text(f, &out, row->headers ? row->headers : "");
    put_text(f, &body, row->body ? row->body : "");
    if (row->body)
        assert_int_equal(tn_buf_appendf(&out, "Content-Length: %zu\r\n", body.len), TARN_OK);
    assert_int_equal(tn_buf_append_text(&out, "\r\n"), TARN_OK);
    assert_int_equal(tn_buf_append_str(&out, tn_buf_str(&body)), TARN_OK);
    toy_send(fd, out.data, out.len);
}

static void remember(struct fixture *f, const struct toy_answer *a)
{
    const char *id = strstr(a->body.data, "<UploadId>");
    const char *etag = strstr(a->head, "ETag: \"");
    if (id)
        memcpy(f->upload_id, id + 10, STORE_UPLOAD_ID_LEN);
    if (etag)
        (void)snprintf(f->etag, sizeof f->etag, "%.32s", etag + 7);
}

static void play(struct fixture *f, const struct row *rows, size_t count)
{
    int fd = toy_connect(&f->client);
    for (size_t i = 0; i < count; i++) {
        struct toy_answer a;
        say(f, fd, &rows[i]);
        if (!toy_answer(fd, strncmp(rows[i].line, "HEAD", 4) == 0, &a))
            fail_msg("%s: no answer", rows[i].name);
        bool is_right =
            a.status == rows[i].status &&
            (!rows[i].has || strstr(a.head, rows[i].has) || strstr(a.body.data, rows[i].has));
        if (!is_right)
            fail_msg("%s: %s\n%s", rows[i].name, a.head, a.body.data);
        remember(f, &a);
        bool is_closing = a.is_closing;
        toy_answer_release(&a);
        if (is_closing) {
            toy_close(&fd);
            fd = toy_connect(&f->client);
        }
    }
    toy_close(&fd);
}

#define PLAY(fixture, rows) play(fixture, rows, TN_COUNT(rows))

static const struct row object_rows[] = {
    { "health", "GET /health", NULL, NULL, 200, "ok\n" },
    { "no bucket yet", "GET /bkt", NULL, NULL, 404, "<Code>NoSuchBucket</Code>" },
    { "put without a bucket", "PUT /bkt/k", NULL, "x", 404, "<Code>NoSuchBucket</Code>" },
    { "create", "PUT /bkt", NULL, NULL, 200, "Location: /bkt" },
    { "create again", "PUT /bkt", NULL, "", 200, NULL },
    { "bad name", "PUT /b", NULL, NULL, 400, "<Code>InvalidBucketName</Code>" },
    { "list buckets", "GET /", NULL, NULL, 200, "<Name>bkt</Name>" },
    { "location", "GET /bkt?location", NULL, NULL, 200, "<LocationConstraint" },
    { "never versioned", "GET /bkt?versioning", NULL, NULL, 200, "<VersioningConfiguration" },
    { "put", "PUT /bkt/a/b", "Content-Type: text/x\r\nx-amz-meta-Color: blue\r\n", "hello", 200,
      "ETag: \"5d41402abc4b2a76b9719d911017c592\"" },
    { "get", "GET /bkt/a/b", NULL, NULL, 200, "hello" },
    { "content type", "GET /bkt/a/b", NULL, NULL, 200, "Content-Type: text/x\r\n" },
    { "metadata", "HEAD /bkt/a/b", NULL, NULL, 200, "x-amz-meta-color: blue\r\n" },
    { "virtual host", "GET /a/b", "Host: bkt.s3.test:9000\r\n", NULL, 200, "hello" },
    { "localhost", "GET /a/b", "Host: BKT.localhost\r\n", NULL, 200, "hello" },
    { "a foreign host", "GET /a/b", "Host: bkt.else.test\r\n", NULL, 400, "InvalidBucketName" },
    { "x-id", "GET /bkt/a/b?x-id=GetObject", NULL, NULL, 200, "hello" },
    { "range", "GET /bkt/a/b", "Range: bytes=1-2\r\n", NULL, 206, "Content-Range: bytes 1-2/5" },
    { "range past the end", "GET /bkt/a/b", "Range: bytes=5-\r\n", NULL, 416, "InvalidRange" },
    { "two ranges", "GET /bkt/a/b", "Range: bytes=0-0,2-2\r\n", NULL, 200, "hello" },
    { "not modified", "GET /bkt/a/b", "If-None-Match: \"%E\"\r\n", NULL, 304, NULL },
    { "other tag", "GET /bkt/a/b", "If-Match: \"x\"\r\n", NULL, 412, "PreconditionFailed" },
    { "override", "GET /bkt/a/b?response-content-type=a%2Fb", NULL, NULL, 200,
      "Content-Type: a/b\r\n" },
    { "override with a line break", "GET /bkt/a/b?response-content-type=a%0d%0aSet-Cookie:x", NULL,
      NULL, 400, "InvalidArgument" },
    { "parameter as a header", "PUT /bkt/h?x-amz-meta-a=b", NULL, "y", 200, NULL },
    { "parameter kept", "HEAD /bkt/h", NULL, NULL, 200, "x-amz-meta-a: b" },
    { "and with a line break", "PUT /bkt/h?x-amz-meta-a=b%0a", NULL, "y", 400, "InvalidArgument" },
    { "a blank in its name", "PUT /bkt/h?x-amz-meta-a%20b=c", NULL, "y", 400, "InvalidArgument" },
    { "a NUL in its name", "PUT /bkt/h?x-amz-meta-a%00b=c", NULL, "y", 400, "InvalidArgument" },
    { "parameter not here", "PUT /bkt/h?x-amz-request-route=x", NULL, "y", 501, "NotImplemented" },
    { "checksum in a URL", "PUT /bkt/h?x-amz-checksum-crc32=AAAAAA==", NULL, "y", 200, NULL },
    { "clean up", "DELETE /bkt/h", NULL, NULL, 204, NULL },
    { "get again", "GET /bkt/a/b", NULL, NULL, 200, "ETag" },
    { "part 1 of a whole", "GET /bkt/a/b?partNumber=1", NULL, NULL, 206, "hello" },
    { "part 2 of a whole", "GET /bkt/a/b?partNumber=2", NULL, NULL, 416, "InvalidPartNumber" },
    { "part 0", "GET /bkt/a/b?partNumber=0", NULL, NULL, 400, "InvalidArgument" },
    { "no such key", "GET /bkt/none", NULL, NULL, 404, "<Code>NoSuchKey</Code>" },
    { "head of none", "HEAD /bkt/none", NULL, NULL, 404, NULL },
    { "create only", "PUT /bkt/a/b", "If-None-Match: *\r\n", "y", 412, "PreconditionFailed" },
    { "replace only", "PUT /bkt/none", "If-Match: \"%E\"\r\n", "y", 404, "NoSuchKey" },
    { "a date on a write", "PUT /bkt/a/b", "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
      "y", 501, "NotImplemented" },
    { "wrong digest", "PUT /bkt/a/b", "Content-MD5: AAAAAAAAAAAAAAAAAAAAAA==\r\n", "y", 400,
      "<Code>BadDigest</Code>" },
    { "no digest", "PUT /bkt/a/b", "Content-MD5: hello\r\n", "y", 400, "InvalidDigest" },
    { "wrong checksum", "PUT /bkt/a/b", "x-amz-checksum-crc32: AAAAAA==\r\n", "y", 400,
      "<Code>BadDigest</Code>" },
    { "two checksums", "PUT /bkt/a/b",
      "x-amz-checksum-crc32: AAAAAA==\r\nx-amz-checksum-crc32c: AAAAAA==\r\n", "y", 400,
      "InvalidRequest" },
    { "unknown checksum", "PUT /bkt/a/b", "x-amz-checksum-md4: AAAA\r\n", "y", 501,
      "NotImplemented" },
    { "checksum of a body", "PUT /bkt/sum", "x-amz-checksum-crc32: NhCmhg==\r\n", "hello", 200,
      "x-amz-checksum-crc32: NhCmhg==" },
    { "checksum kept", "HEAD /bkt/sum", "x-amz-checksum-mode: ENABLED\r\n", NULL, 200,
      "x-amz-checksum-crc32: NhCmhg==" },
    { "tags of an object", "PUT /bkt/a/b?tagging", NULL, "<x/>", 400, "MalformedXML" },
    { "encryption", "PUT /bkt/a/b", "x-amz-server-side-encryption: AES256\r\n", "y", 501,
      "NotImplemented" },
    { "unknown class", "PUT /bkt/a/b", "x-amz-storage-class: GOLD\r\n", "y", 400,
      "InvalidStorageClass" },
    { "two classes", "PUT /bkt/a/b",
      "x-amz-storage-class: STANDARD\r\nx-amz-storage-class: STANDARD_IA\r\n", "y", 400,
      "InvalidRequest" },
    { "other owner", "GET /bkt/a/b", "x-amz-expected-bucket-owner: 123456789012\r\n", NULL, 403,
      "AccessDenied" },
    { "no length", "PUT /bkt/a/b", NULL, NULL, 411, "MissingContentLength" },
    { "bad escape", "GET /bkt/%4", NULL, NULL, 400, "InvalidURI" },
    { "a NUL in a key", "GET /bkt/a%00b", NULL, NULL, 400, "InvalidArgument" },
    { "still there", "GET /bkt/a/b", NULL, NULL, 200, "hello" },
    { "copy", "PUT /bkt/c", "x-amz-copy-source: /bkt/a/b\r\n", NULL, 200, "<CopyObjectResult" },
    { "copied", "GET /bkt/c", NULL, NULL, 200, "x-amz-meta-color: blue" },
    { "copy onto itself", "PUT /bkt/c", "x-amz-copy-source: bkt/c\r\n", NULL, 400,
      "InvalidRequest" },
    { "copy with other metadata", "PUT /bkt/c",
      "x-amz-copy-source: bkt/c\r\nx-amz-metadata-directive: REPLACE\r\nx-amz-meta-n: 1\r\n", NULL,
      200, "<ETag>&quot;5d41402abc4b2a76b9719d911017c592&quot;" },
    { "other metadata", "HEAD /bkt/c", NULL, NULL, 200, "x-amz-meta-n: 1" },
    { "copy of nothing", "PUT /bkt/c", "x-amz-copy-source: bkt/none\r\n", NULL, 404, "NoSuchKey" },
    { "copy of no name", "PUT /bkt/c", "x-amz-copy-source: bkt\r\n", NULL, 400, "InvalidArgument" },
    { "copy if other", "PUT /bkt/c",
      "x-amz-copy-source: bkt/a/b\r\nx-amz-copy-source-if-match: x\r\n", NULL, 412,
      "PreconditionFailed" },
    { "delete if other", "DELETE /bkt/c", "If-Match: \"x\"\r\n", NULL, 412, "PreconditionFailed" },
    { "not empty", "DELETE /bkt", NULL, NULL, 409, "BucketNotEmpty" },
    { "delete", "DELETE /bkt/c", NULL, NULL, 204, NULL },
    { "delete again", "DELETE /bkt/c", NULL, NULL, 204, NULL },
    { "delete a part", "DELETE /bkt/a/b?uploadId=x", NULL, NULL, 404, "NoSuchUpload" },
    { "delete many, no digest", "POST /bkt?delete", NULL, "<Delete/>", 400, "InvalidRequest" },
    { "delete many, empty", "POST /bkt?delete", "Content-MD5: ePbrFwvNFIRnzBrIv+T8Ag==\r\n",
      "<Delete/>", 400, "MalformedXML" },
    { "delete many", "POST /bkt?delete", "x-amz-checksum-crc32: HjrS8w==\r\n",
      "<Delete><Object><Key>sum</Key></Object></Delete>", 400, "BadDigest" },
    { "delete one of two", "POST /bkt?delete", "x-amz-checksum-crc32: Pe6hRA==\r\n",
      "<Delete><Object><Key>sum</Key></Object><Object><Key>a/b</Key><ETag>x</ETag></Object></"
      "Delete>",
      200, "<Deleted><Key>sum</Key></Deleted><Error><Key>a/b</Key><Code>PreconditionFailed" },
    { "and the rest", "DELETE /bkt/sum", NULL, NULL, 204, NULL },
    { "and the rest", "DELETE /bkt/a/b", NULL, NULL, 204, NULL },
    { "delete the bucket", "DELETE /bkt", NULL, NULL, 204, NULL },
    { "it is gone", "HEAD /bkt", NULL, NULL, 404, NULL },
    { "delete it again", "DELETE /bkt", NULL, NULL, 404, "NoSuchBucket" },
};

static const struct row list_rows[] = {
    { "create", "PUT /lst", NULL, NULL, 200, NULL },
    { "put", "PUT /lst/a%20b", NULL, "1", 200, NULL },
    { "put", "PUT /lst/d/1", NULL, "1", 200, NULL },
    { "put", "PUT /lst/d/2", NULL, "1", 200, NULL },
    { "put", "PUT /lst/e", NULL, "1", 200, NULL },
    { "v1", "GET /lst?max-keys=2", NULL, NULL, 200, "<IsTruncated>true</IsTruncated>" },
    { "v1 marker", "GET /lst?marker=d/2", NULL, NULL, 200, "<Key>e</Key>" },
    { "v1 next marker", "GET /lst?delimiter=/&max-keys=2", NULL, NULL, 200,
      "<NextMarker>d/</NextMarker>" },
    { "v1 behind it", "GET /lst?delimiter=/&marker=d/", NULL, NULL, 200, "<Contents><Key>e</Key>" },
    { "v2", "GET /lst?list-type=2", NULL, NULL, 200, "<KeyCount>4</KeyCount>" },
    { "v2 none", "GET /lst?list-type=2&max-keys=0", NULL, NULL, 200,
      "<KeyCount>0</KeyCount><IsTruncated>false" },
    { "v2 prefixes", "GET /lst?list-type=2&delimiter=/", NULL, NULL, 200,
      "<CommonPrefixes><Prefix>d/</Prefix></CommonPrefixes><KeyCount>3</KeyCount>" },
    { "v2 start-after", "GET /lst?list-type=2&start-after=d/2", NULL, NULL, 200,
      "<KeyCount>1</KeyCount>" },
    { "v2 owner", "GET /lst?list-type=2&fetch-owner=true", NULL, NULL, 200, "<Owner>" },
    { "v2 encoded", "GET /lst?list-type=2&encoding-type=url", NULL, NULL, 200, "<Key>a%20b</Key>" },
    { "v2 token", "GET /lst?list-type=2&max-keys=1&prefix=d/", NULL, NULL, 200,
      "<NextContinuationToken>AWQvMQ==</NextContinuationToken>" },
    { "v2 go on", "GET /lst?list-type=2&prefix=d/&continuation-token=AWQvMQ==", NULL, NULL, 200,
      "<Contents><Key>d/2</Key>" },
    { "not base64", "GET /lst?list-type=2&continuation-token=***", NULL, NULL, 400,
      "InvalidArgument" },
    { "an empty token", "GET /lst?list-type=2&continuation-token=", NULL, NULL, 200,
      "<ContinuationToken></ContinuationToken>" },
    { "token of another kind", "GET /lst?list-type=2&continuation-token=AmQ=", NULL, NULL, 400,
      "InvalidArgument" },
    { "negative", "GET /lst?max-keys=-1", NULL, NULL, 400, "InvalidArgument" },
    { "too many", "GET /lst?max-keys=99999999999", NULL, NULL, 400, "InvalidArgument" },
    { "clamped", "GET /lst?max-keys=5000", NULL, NULL, 200, "<MaxKeys>1000</MaxKeys>" },
    { "encoding", "GET /lst?encoding-type=base64", NULL, NULL, 400, "InvalidArgument" },
    { "list-type", "GET /lst?list-type=3", NULL, NULL, 400, "InvalidArgument" },
    { "owner", "GET /lst?list-type=2&fetch-owner=maybe", NULL, NULL, 400, "InvalidArgument" },
    { "not UTF-8", "GET /lst?prefix=%ff", NULL, NULL, 400, "InvalidArgument" },
    { "versions", "GET /lst?versions", NULL, NULL, 200, "<VersionId>null</VersionId>" },
};

static const struct row upload_rows[] = {
    { "create", "PUT /mpb", NULL, NULL, 200, NULL },
    { "no such bucket", "POST /none/k?uploads", NULL, "", 404, "NoSuchBucket" },
    { "bad algorithm", "POST /mpb/k?uploads", "x-amz-checksum-algorithm: CRC16\r\n", "", 400,
      "InvalidRequest" },
    { "bad type", "POST /mpb/k?uploads",
      "x-amz-checksum-algorithm: SHA256\r\nx-amz-checksum-type: FULL_OBJECT\r\n", "", 400,
      "InvalidRequest" },
    { "start", "POST /mpb/k?uploads", "x-amz-meta-m: p\r\n", "", 200, "<UploadId>" },
    { "it is listed", "GET /mpb?uploads", NULL, NULL, 200, "<Upload><Key>k</Key>" },
    { "part 0", "PUT /mpb/k?partNumber=0&uploadId=%U", NULL, "x", 400, "InvalidArgument" },
    { "part 10001", "PUT /mpb/k?partNumber=10001&uploadId=%U", NULL, "x", 400, "InvalidArgument" },
    { "no number", "PUT /mpb/k?uploadId=%U", NULL, "x", 400, "InvalidArgument" },
    { "another upload", "PUT /mpb/k?partNumber=1&uploadId=00000000000000000000000000000000", NULL,
      "x", 404, "NoSuchUpload" },
    { "another key", "PUT /mpb/l?partNumber=1&uploadId=%U", NULL, "x", 404, "NoSuchUpload" },
    { "part", "PUT /mpb/k?partNumber=3&uploadId=%U", NULL, "hello", 200, "ETag" },
    { "listed", "GET /mpb/k?uploadId=%U", NULL, NULL, 200, "<PartNumber>3</PartNumber>" },
    { "no XML", "POST /mpb/k?uploadId=%U", NULL, "", 400, "MalformedXML" },
    { "not closed", "POST /mpb/k?uploadId=%U", NULL, "<CompleteMultipartUpload>", 400,
      "MalformedXML" },
    { "no parts", "POST /mpb/k?uploadId=%U", NULL, "<CompleteMultipartUpload/>", 400,
      "MalformedXML" },
    { "entities", "POST /mpb/k?uploadId=%U", NULL,
      "<!DOCTYPE a [<!ENTITY b \"c\">]><CompleteMultipartUpload/>", 400, "MalformedXML" },
    { "wrong tag", "POST /mpb/k?uploadId=%U", NULL,
      "<CompleteMultipartUpload><Part><PartNumber>3</PartNumber><ETag>x</ETag></Part>"
      "</CompleteMultipartUpload>",
      400, "<Code>InvalidPart</Code>" },
    { "absent part", "POST /mpb/k?uploadId=%U", NULL,
      "<CompleteMultipartUpload><Part><PartNumber>4</PartNumber><ETag>%E</ETag></Part>"
      "</CompleteMultipartUpload>",
      400, "<Code>InvalidPart</Code>" },
    { "descending", "POST /mpb/k?uploadId=%U", NULL,
      "<CompleteMultipartUpload><Part><PartNumber>3</PartNumber><ETag>%E</ETag></Part>"
      "<Part><PartNumber>2</PartNumber><ETag>%E</ETag></Part></CompleteMultipartUpload>",
      400, "<Code>InvalidPartOrder</Code>" },
    { "wrong size", "POST /mpb/k?uploadId=%U", "x-amz-mp-object-size: 4\r\n",
      "<CompleteMultipartUpload><Part><PartNumber>3</PartNumber><ETag>%E</ETag></Part>"
      "</CompleteMultipartUpload>",
      400, "InvalidRequest" },
    { "if it is there", "POST /mpb/k?uploadId=%U", "If-Match: *\r\n",
      "<CompleteMultipartUpload><Part><PartNumber>3</PartNumber><ETag>%E</ETag></Part>"
      "</CompleteMultipartUpload>",
      404, "NoSuchKey" },
    { "nothing yet", "GET /mpb/k", NULL, NULL, 404, "NoSuchKey" },
    { "complete", "POST /mpb/k?uploadId=%U", "If-None-Match: *\r\n",
      "<CompleteMultipartUpload><Part><PartNumber>3</PartNumber><ETag>\"%E\"</ETag></Part>"
      "</CompleteMultipartUpload>",
      200, "-1&quot;</ETag>" },
    { "get", "GET /mpb/k", NULL, NULL, 200, "hello" },
    { "metadata", "HEAD /mpb/k", NULL, NULL, 200, "x-amz-meta-m: p" },
    { "its part", "GET /mpb/k?partNumber=1", NULL, NULL, 206, "x-amz-mp-parts-count: 1" },
    { "no part 2", "GET /mpb/k?partNumber=2", NULL, NULL, 416, "InvalidPartNumber" },
    { "complete again", "POST /mpb/k?uploadId=%U", NULL,
      "<CompleteMultipartUpload><Part><PartNumber>3</PartNumber><ETag>x</ETag></Part>"
      "</CompleteMultipartUpload>",
      404, "NoSuchUpload" },
    { "with checksums", "POST /mpb/c?uploads", "x-amz-checksum-algorithm: CRC32\r\n", "", 200,
      "x-amz-checksum-type: COMPOSITE" },
    { "another kind", "PUT /mpb/c?partNumber=1&uploadId=%U", "x-amz-checksum-crc32c: mnG7TA==\r\n",
      "hello", 400, "InvalidRequest" },
    { "computed here", "PUT /mpb/c?partNumber=1&uploadId=%U", NULL, "hello", 200,
      "x-amz-checksum-crc32: NhCmhg==" },
    { "copied part", "PUT /mpb/c?partNumber=2&uploadId=%U",
      "x-amz-copy-source: mpb/k\r\nx-amz-copy-source-range: bytes=1-2\r\n", NULL, 200,
      "<CopyPartResult" },
    { "bad range", "PUT /mpb/c?partNumber=2&uploadId=%U",
      "x-amz-copy-source: mpb/k\r\nx-amz-copy-source-range: bytes=1-\r\n", NULL, 400,
      "InvalidArgument" },
    { "range past the end", "PUT /mpb/c?partNumber=2&uploadId=%U",
      "x-amz-copy-source: mpb/k\r\nx-amz-copy-source-range: bytes=1-5\r\n", NULL, 416,
      "InvalidRange" },
    { "one of two", "GET /mpb/c?uploadId=%U&max-parts=1", NULL, NULL, 200,
      "<NextPartNumberMarker>1</NextPartNumberMarker><IsTruncated>true" },
    { "abort", "DELETE /mpb/c?uploadId=%U", NULL, NULL, 204, NULL },
    { "abort again", "DELETE /mpb/c?uploadId=%U", NULL, NULL, 404, "NoSuchUpload" },
};

static const struct mem_store_config warm = { 0 };
static const struct mem_store_config cold = { .is_cold = true };

static void play_on(struct fixture *f)
{
    PLAY(f, object_rows);
    PLAY(f, list_rows);
    PLAY(f, upload_rows);
    stop(f);
}

static void play_all(const struct mem_store_config *store)
{
    struct fixture f;
    start(&f, store, NULL);
    play_on(&f);
}

static void on_fatal(void *context, const char *reason)
{
    (void)context;
    (void)fprintf(stderr, "fatal: %s\n", reason);
    abort();
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *where)
{
    (void)info;
    (void)type;
    (void)where;
    return remove(path);
}

static void test_durable(void **state)
{
    struct fixture f;
    struct store *store;
    struct tarn_error err = { 0 };
    char dir[] = "/tmp/tarn-api-XXXXXX";
    (void)state;
    assert_non_null(mkdtemp(dir));
    struct log_store_config config = { .dir = dir, .on_fatal = on_fatal };
    if (log_store_open(&config, &store, &err) < 0)
        fail_msg("%s", err.message);
    start_on(&f, store, NULL, true);
    play_on(&f);
    (void)nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void test_warm(void **state)
{
    (void)state;
    play_all(&warm);
}

static void test_cold(void **state)
{
    (void)state;
    play_all(&cold);
}

static void test_full(void **state)
{
    static const struct mem_store_config small = { .len_max = 10 };
    static const struct row rows[] = {
        { "create", "PUT /full", NULL, NULL, 200, NULL },
        { "fits", "PUT /full/a", NULL, "12345", 200, NULL },
        { "does not", "PUT /full/b", NULL, "123456", 507, "<Code>InsufficientStorage</Code>" },
        { "nothing is there", "GET /full/b", NULL, NULL, 404, "NoSuchKey" },
        { "deletes go on", "DELETE /full/a", NULL, NULL, 204, NULL },
    };
    struct fixture f;
    (void)state;
    start(&f, &small, NULL);
    PLAY(&f, rows);
    stop(&f);
}

static void test_region(void **state)
{
    static const struct row rows[] = {
        { "wrong region", "PUT /rgn", NULL,
          "<CreateBucketConfiguration><LocationConstraint>us-west-2</LocationConstraint>"
          "</CreateBucketConfiguration>",
          400, "IllegalLocationConstraintException" },
        { "a directory bucket", "PUT /rgn", NULL,
          "<CreateBucketConfiguration><Bucket><Type>Directory</Type></Bucket>"
          "</CreateBucketConfiguration>",
          501, "NotImplemented" },
        { "a bad tag", "PUT /rgn", NULL,
          "<CreateBucketConfiguration><Tags><Tag><Key>aws:a</Key><Value/></Tag></Tags>"
          "</CreateBucketConfiguration>",
          400, "InvalidTag" },
        { "not that XML", "PUT /rgn", NULL, "<Other/>", 400, "MalformedXML" },
        { "right region", "PUT /rgn", NULL,
          "<CreateBucketConfiguration><LocationConstraint>eu-west-1</LocationConstraint>"
          "</CreateBucketConfiguration>",
          200, NULL },
        { "again", "PUT /rgn", NULL, NULL, 409, "BucketAlreadyOwnedByYou" },
        { "location", "GET /rgn?location", NULL, NULL, 200, ">eu-west-1</LocationConstraint>" },
        { "head", "HEAD /rgn", NULL, NULL, 200, "x-amz-bucket-region: eu-west-1" },
    };
    struct fixture f;
    (void)state;
    start(&f, &warm, "eu-west-1");
    PLAY(&f, rows);
    stop(&f);
}

/* Large and framed bodies take the way over a worker. */
static void test_bodies(void **state)
{
    enum { LEN = 300 * 1024 };
    struct fixture f;
    struct toy_answer a;
    (void)state;
    start(&f, &cold, NULL);
    static const struct row create[] = { { "create", "PUT /big", NULL, NULL, 200, NULL } };
    PLAY(&f, create);
    TN_AUTO_BUF body = TN_BUF_INIT(LEN);
    for (size_t i = 0; i < LEN; i++)
        assert_int_equal(tn_buf_append_char(&body, toy_byte(i)), TARN_OK);
    int fd = toy_connect(&f.client);
    TN_AUTO_BUF request = TN_BUF_INIT(2 * LEN);
    assert_int_equal(tn_buf_appendf(&request,
                                    "PUT /big/k HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n"
                                    "x-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER\r\n"
                                    "x-amz-decoded-content-length: %d\r\n\r\n%x\r\n",
                                    LEN + 7 + 2 + 5, LEN, LEN),
                     TARN_OK);
    assert_int_equal(tn_buf_append_str(&request, tn_buf_str(&body)), TARN_OK);
    assert_int_equal(tn_buf_append_text(&request, "\r\n0\r\n\r\n"), TARN_OK);
    toy_send(fd, request.data, request.len);
    assert_true(toy_answer(fd, false, &a));
    if (a.status != 200)
        fail_msg("%s\n%s", a.head, a.body.data);
    toy_answer_release(&a);
    toy_say(fd, "GET /big/k HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_true(toy_answer(fd, false, &a));
    assert_int_equal(a.body.len, LEN);
    assert_memory_equal(a.body.data, body.data, LEN);
    toy_answer_release(&a);
    toy_close(&fd);
    stop(&f);
}

/* Sends and reads without the project's own memory, which is failing at the moment. False when the
 * connection went without an answer. */
static bool ask_plainly(const struct fixture *f, const char *request, int *status)
{
    char answer[65536];
    size_t len = 0;
    int fd = toy_connect(&f->client);
    toy_send(fd, request, strlen(request));
    for (;;) {
        ssize_t n = read(fd, answer + len, sizeof answer - 1 - len);
        if (n <= 0)
            break;
        len += (size_t)n;
    }
    answer[len] = '\0';
    toy_close(&fd);
    return sscanf(answer, "HTTP/1.1 %d", status) == 1;
}

#define CLOSE "Host: h\r\nConnection: close\r\n"

/* Out of memory at any point is a 503 or a closed connection; the server goes on, and nothing is
 * half done. */
static void test_no_memory(void **state)
{
    static const char *const requests[] = {
        "GET /oom/kept HTTP/1.1\r\n" CLOSE "\r\n",
        "PUT /oom/new HTTP/1.1\r\n" CLOSE "x-amz-meta-a: b\r\nx-amz-checksum-crc32: NhCmhg==\r\n"
        "Content-Length: 5\r\n\r\nhello",
        "PUT /oom/copy HTTP/1.1\r\n" CLOSE "x-amz-copy-source: oom/kept\r\n"
        "x-amz-checksum-algorithm: SHA256\r\n\r\n",
        "GET /oom?list-type=2&delimiter=/ HTTP/1.1\r\n" CLOSE "\r\n",
        "GET / HTTP/1.1\r\n" CLOSE "\r\n",
        "POST /oom/up?uploads HTTP/1.1\r\n" CLOSE "Content-Length: 0\r\n\r\n",
        "GET /oom?uploads HTTP/1.1\r\n" CLOSE "\r\n",
        "DELETE /oom/none HTTP/1.1\r\n" CLOSE "\r\n",
        "POST /oom?delete HTTP/1.1\r\n" CLOSE "Content-MD5: cOVgmXsYPxo7gVCjuPBmVw==\r\n"
        "Content-Length: 50\r\n\r\n<Delete><Object><Key>none</Key></Object></Delete> ",
    };
    static const struct row rows[] = {
        { "create", "PUT /oom", NULL, NULL, 200, NULL },
        { "put", "PUT /oom/kept", "x-amz-meta-n: 1\r\n", "hello", 200, NULL },
    };
    static const struct row after[] = {
        { "kept", "GET /oom/kept", NULL, NULL, 200, "hello" },
        { "put", "PUT /oom/after", NULL, "hello", 200, NULL },
    };
    struct fixture f;
    (void)state;
    start(&f, &warm, NULL);
    PLAY(&f, rows);
    for (size_t i = 0; i < TN_COUNT(requests); i++) {
        bool has_failed = true;
        for (long at = 1; has_failed && at < 10000; at++) {
            int status = 0;
            tn_mem_fail_after(at);
            bool is_answered = ask_plainly(&f, requests[i], &status);
            has_failed = tn_mem_has_failed();
            tn_mem_fail_after(0);
            bool is_fine = is_answered && status < 300;
            if (!is_fine && (!has_failed || (is_answered && status < 500)))
                fail_msg("request %zu, allocation %ld: %d", i, at, status);
        }
    }
    PLAY(&f, after);
    stop(&f);
}

#define LONG_32 "01234567890123456789012345678901"
#define LONG LONG_32 LONG_32 LONG_32 LONG_32 LONG_32 LONG_32 LONG_32

enum { PAD_COUNT = 24, PAD_LEN = 160 };

/* `form` has the mark %s once, and %% for a percent sign. */
static void put_pad(const char *form, const char *pad, char *out, size_t cap)
{
    size_t len = 0;
    for (; *form; form++) {
        const char *text = form[0] != '%' ? NULL : form[1] == 's' ? pad : "%";
        size_t n = text ? strlen(text) : 1;
        assert_true(len + n < cap);
        memcpy(out + len, text ? text : form, n);
        len += n;
        form += text != NULL;
    }
    out[len] = '\0';
}

static void refuse_always(const struct fixture *f, const char *request)
{
    bool has_failed = true;
    for (long at = 1; has_failed && at < 10000; at++) {
        int status = 0;
        tn_mem_fail_after(at);
        bool is_answered = ask_plainly(f, request, &status);
        has_failed = tn_mem_has_failed();
        tn_mem_fail_after(0);
        if (is_answered && status < 500 && status != 403)
            fail_msg("allocation %ld: %d of %s", at, status, request);
        if (!has_failed)
            assert_int_equal(status, 403);
    }
}

/* Whoever is denied stays so when the memory lacks in which the reason would be found. */
static void test_no_memory_opens_nothing(void **state)
{
    static const char policy[] =
        "{\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"s3:*\","
        "\"Resource\":"
        "[\"arn:aws:s3:::oom\",\"arn:aws:s3:::oom/*\"]},"
        "{\"Effect\":\"Deny\",\"Principal\":\"*\",\"Action\":\"s3:GetObject\",\"Resource\":"
        "\"arn:aws:s3:::oom/hidden*\"},"
        "{\"Effect\":\"Deny\",\"Principal\":\"*\",\"Action\":\"s3:PutObject\",\"Resource\":"
        "\"arn:aws:s3:::oom/*\",\"Condition\":{\"StringEquals\":"
        "{\"s3:RequestObjectTag/kind\":\"secret\"}}}]}";
    static const struct row before[] = {
        { "create", "PUT /oom", NULL, NULL, 200, NULL },
        { "hidden", "PUT /oom/hidden", NULL, "hello", 200, NULL },
        { "hidden too", "PUT /oom/hidden-" LONG, NULL, "hello", 200, NULL },
        { "open", "DELETE /oom?publicAccessBlock", NULL, NULL, 204, NULL },
        { "policy", "PUT /oom?policy", NULL, policy, 204, NULL },
    };
    /* The padding shifts where the request's memory has to grow. */
    static const char *const requests[] = {
        "GET /oom/hidden?x-id=%s HTTP/1.1\r\n" CLOSE "\r\n",
        "PUT /oom/copy?x-id=%s HTTP/1.1\r\n" CLOSE "x-amz-copy-source: oom/hidden%%2d" LONG
        "\r\n\r\n",
        "PUT /oom/new?x-id=%s HTTP/1.1\r\n" CLOSE "x-amz-tagging: a=" LONG "&b=" LONG
        "&kind=secret\r\nContent-Length: 5\r\n\r\nhello",
    };
    static const struct row closed[] = {
        { "hidden", "GET /oom/hidden", NULL, NULL, 403, NULL },
    };
    static const struct row after[] = {
        { "may put", "PUT /oom/after", NULL, "hello", 200, NULL },
        { "no copy", "GET /oom/copy", NULL, NULL, 404, NULL },
        { "no object", "GET /oom/new", NULL, NULL, 404, NULL },
    };
    struct fixture f;
    struct store *store;
    (void)state;
    assert_int_equal(mem_store_open(&warm, &store, NULL), TARN_OK);
    start_on(&f, store, NULL, true);
    PLAY(&f, before);
    stop_without_store(&f);
    start_on(&f, store, NULL, false);
    PLAY(&f, closed);
    for (size_t i = 0; i < TN_COUNT(requests) * PAD_COUNT; i++) {
        char request[8192];
        char pad[PAD_COUNT * PAD_LEN + 1];
        size_t pad_len = i % PAD_COUNT * PAD_LEN;
        memset(pad, 'x', pad_len);
        pad[pad_len] = '\0';
        put_pad(requests[i / PAD_COUNT], pad, request, sizeof request);
        refuse_always(&f, request);
    }
    PLAY(&f, after);
    stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_warm),      cmocka_unit_test(test_cold),
        cmocka_unit_test(test_durable),   cmocka_unit_test(test_full),
        cmocka_unit_test(test_region),    cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_no_memory), cmocka_unit_test(test_no_memory_opens_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
