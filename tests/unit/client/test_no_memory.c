/* SPDX-License-Identifier: Apache-2.0 */
/* Every call of the client with too little memory: the library's own, and that which libcurl asks
 * for. A call that fails says TARN_ENOMEM, changes nothing that it was to fill, and leaves a client
 * with which the same call goes well. Transfers, batches and versions: test_transfer.c. */

#include "unit/t.h"

#include <assert.h>
#include <stdatomic.h>

#include <tarn/tarn.h>

#include "base/mem.h"
#include "unit/client/curl_memory.h"
#include "unit/client/fake_server.h"

enum { ANSWER_CAP = 4096, IDLE_MS = 20 * 1000, OUT_MARK = 0x5a };

static bool use_curl; /* the second time around */

struct stage {
    struct fake_server *server;
    struct tarn_client *client;
    struct tarn_breaker *breaker;
    atomic_int events_open; /* started and neither retried nor done */
    int round;              /* names a new bucket each time */
    int (*call)(struct stage *s, struct tarn_error *err);
    const char *name;
    char answer[ANSWER_CAP];
};

/* ---- the server: one good answer for each request ---- */

#define DOCUMENT(text) "", text
#define NO_BODY ""

struct rule {
    const char *method;
    const char *part; /* of the first line, and so of its query */
    const char *status;
    const char *fields;
    const char *body;
};

static const struct rule rules[] = {
    { "HEAD", "/ ", "200 OK", "x-amz-bucket-region: eu-x-1\r\n", NULL },
    { "HEAD", "", "200 OK",
      "Content-Length: 5\r\nETag: \"e1\"\r\nx-amz-meta-a: 1\r\n"
      "Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\nx-amz-version-id: v1\r\n",
      NULL },
    { "GET", "location", "200 OK", DOCUMENT("<LocationConstraint>eu-x-1</LocationConstraint>") },
    { "GET", "tagging", "200 OK",
      DOCUMENT("<Tagging><TagSet><Tag><Key>a</Key><Value>1</Value></Tag></TagSet></Tagging>") },
    { "GET", "attributes", "200 OK", "Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n",
      "<GetObjectAttributesResponse><ETag>e1</ETag><Checksum><ChecksumCRC32>poTHxg=="
      "</ChecksumCRC32></Checksum><ObjectSize>10</ObjectSize></GetObjectAttributesResponse>" },
    { "GET", "uploadId=", "200 OK",
      DOCUMENT("<ListPartsResult><Part><PartNumber>1</PartNumber><Size>5</Size><ETag>&quot;p&quot;"
               "</ETag></Part></ListPartsResult>") },
    { "GET", "uploads", "200 OK",
      DOCUMENT("<ListMultipartUploadsResult><Upload><Key>k</Key><UploadId>U1</UploadId></Upload>"
               "</ListMultipartUploadsResult>") },
    { "GET", "list-type=2", "200 OK",
      DOCUMENT("<ListBucketResult><Contents><Key>a</Key><Size>1</Size></Contents>"
               "</ListBucketResult>") },
    { "GET", "marker", "200 OK",
      DOCUMENT("<ListBucketResult><Contents><Key>a</Key><Size>1</Size></Contents>"
               "</ListBucketResult>") },
    { "GET", " /?", "200 OK",
      DOCUMENT("<ListAllMyBucketsResult><Buckets><Bucket><Name>bkt</Name><CreationDate>"
               "2026-01-01T00:00:00.000Z</CreationDate></Bucket></Buckets>"
               "</ListAllMyBucketsResult>") },
    { "GET", " / ", "200 OK",
      DOCUMENT("<ListAllMyBucketsResult><Buckets><Bucket><Name>bkt</Name><CreationDate>"
               "2026-01-01T00:00:00.000Z</CreationDate></Bucket></Buckets>"
               "</ListAllMyBucketsResult>") },
    { "GET", "/empty", "200 OK", "ETag: \"e0\"\r\n", NO_BODY },
    { "GET", "/absent", "404 Not Found",
      DOCUMENT("<Error><Code>NoSuchKey</Code><Message>because</Message></Error>") },
    { "GET", "", "200 OK", "ETag: \"e1\"\r\nx-amz-checksum-crc32: poTHxg==\r\nx-amz-meta-b: 2\r\n",
      "0123456789" },
    { "PUT", "/copy?partNumber", "200 OK",
      DOCUMENT("<CopyPartResult><ETag>&quot;p&quot;</ETag></CopyPartResult>") },
    { "PUT", "uploadId=", "200 OK", "ETag: \"5d41402abc4b2a76b9719d911017c592\"\r\n", NO_BODY },
    { "PUT", "/copy", "200 OK",
      DOCUMENT("<CopyObjectResult><ETag>&quot;c&quot;</ETag></CopyObjectResult>") },
    { "PUT", "", "200 OK", "ETag: \"5d41402abc4b2a76b9719d911017c592\"\r\n", NO_BODY },
    { "POST", "restore", "202 Accepted", "", NO_BODY },
    { "POST", "delete", "200 OK",
      DOCUMENT("<DeleteResult><Deleted><Key>a</Key></Deleted><Deleted><Key>b</Key></Deleted>"
               "</DeleteResult>") },
    { "POST", "uploads", "200 OK",
      DOCUMENT("<InitiateMultipartUploadResult><UploadId>U1</UploadId>"
               "</InitiateMultipartUploadResult>") },
    { "POST", "uploadId=", "200 OK",
      DOCUMENT("<CompleteMultipartUploadResult><ETag>&quot;whole&quot;</ETag>"
               "</CompleteMultipartUploadResult>") },
    { "POST", "", "200 OK",
      DOCUMENT("<ListUsersResponse><ListUsersResult><Users/></ListUsersResult>"
               "</ListUsersResponse>") },
    { "DELETE", "", "204 No Content", "x-amz-version-id: v1\r\n", NULL },
};

/* Buckets whose names begin so are somewhere else. */
static bool is_elsewhere(const char *head)
{
    return strstr(head, " /far") && !strstr(head, "/eu-x-1/s3/");
}

static const char *answer_to(void *arg, const char *head)
{
    struct stage *s = arg;
    char line[256];
    (void)snprintf(line, sizeof line, "%.*s", (int)strcspn(head, "\r"), head);
    struct rule rule = { .status = "501 Not Implemented", .fields = "", .body = "" };
    size_t i = 0;
    while (i < TN_COUNT(rules) &&
           !(tn_str_starts(tn_str_from(line), tn_str_from(rules[i].method)) &&
             strstr(line, rules[i].part)))
        i++;
    if (i < TN_COUNT(rules))
        rule = rules[i];
    if (is_elsewhere(head))
        rule = (struct rule){ .status = "400 Bad Request",
                              .fields = "",
                              .body = "<Error><Code>AuthorizationHeaderMalformed</Code>"
                                      "<Region>eu-x-1</Region></Error>" };
    int len = snprintf(s->answer, sizeof s->answer, "HTTP/1.1 %s\r\nConnection: close\r\n%s",
                       rule.status, rule.fields);
    if (rule.body)
        (void)snprintf(s->answer + len, sizeof s->answer - (size_t)len,
                       "Content-Length: %zu\r\n\r\n%s", strlen(rule.body), rule.body);
    else
        (void)snprintf(s->answer + len, sizeof s->answer - (size_t)len, "\r\n");
    return s->answer;
}

/* ---- the client ---- */

static void count_event(void *arg, const struct tarn_event *event)
{
    struct stage *s = arg;
    assert(event->operation && event->method);
    atomic_fetch_add(&s->events_open, event->kind == TARN_EVENT_STARTED ? 1 : -1);
}

static struct tarn_client *connect_to(struct stage *s, struct tarn_error *err)
{
    struct tarn_config config;
    tarn_config_init(&config);
    config.endpoint = fake_server_url(s->server);
    config.access_key = "AK";
    config.secret_key = "SK";
    config.session_token = "T";
    config.ignore_environment = true;
    config.use_curl = use_curl;
    config.retries_max = 0;
    config.connect_timeout_ms = config.idle_timeout_ms = IDLE_MS;
    config.io_threads = config.connections_max = 1; /* the server has one connection at a time */
    config.event_fn = count_event;
    config.event_arg = s;
    config.breaker = s->breaker;
    config.bandwidth_max = 1 << 30;
    config.request_rate_max = 1e6;
    return tarn_client_new(&config, err);
}

static void open_stage(struct stage *s)
{
    *s = (struct stage){ .round = 0 };
    s->server = fake_server_new_fn(answer_to, s);
}

static void close_stage(struct stage *s)
{
    tarn_client_free(s->client);
    fake_server_free(s->server);
    assert_int_equal(atomic_load(&s->events_open), 0);
}

/* ---- outputs that must stay as they are ---- */

static void mark(void *out, size_t len)
{
    memset(out, OUT_MARK, len);
}

static void expect_all(const struct stage *s, int rc, const void *out, size_t len, int byte)
{
    const unsigned char *bytes = out;
    for (size_t i = 0; rc < 0 && i < len; i++) {
        if (bytes[i] != byte)
            fail_msg("%s: an output was changed at %zu", s->name, i);
    }
}

static void expect_marked(const struct stage *s, int rc, const void *out, size_t len)
{
    expect_all(s, rc, out, len, OUT_MARK);
}

/* ---- the calls ---- */

static int put(struct stage *s, struct tarn_error *err)
{
    static const struct tarn_header metadata[] = { { "m", "1" } };
    static const struct tarn_header headers[] = { { "x-amz-more", "yes" } };
    const struct tarn_put_options options = {
        .request = { .headers = headers, .header_count = 1, .expected_owner = "1" },
        .attributes = { .content_type = "text/plain",
                        .metadata = metadata,
                        .metadata_count = 1,
                        .content_encoding = "identity",
                        .tagging = "a=1" },
        .conditions = { .if_none_match = "*" }
    };
    struct tarn_object_info info = { 0 };
    int rc = tarn_object_put(s->client, "bkt", "k", "hello", 5, &options, &info, err);
    expect_all(s, rc, &info, sizeof info, 0);
    if (rc == TARN_OK)
        tarn_object_info_release(&info);
    return rc;
}

static int64_t give_hello(void *arg, void *bytes, size_t cap)
{
    size_t *at = arg;
    size_t n = 5 - *at < cap ? 5 - *at : cap;
    memcpy(bytes, &"hello"[*at], n);
    *at += n;
    return (int64_t)n;
}

static int rewind_hello(void *arg)
{
    *(size_t *)arg = 0;
    return TARN_OK;
}

static int put_stream(struct stage *s, struct tarn_error *err)
{
    size_t at = 0;
    return tarn_object_put_stream(s->client, "bkt", "k", give_hello, rewind_hello, &at, 5, NULL,
                                  NULL, err);
}

static int count_body(void *arg, const void *bytes, size_t len)
{
    (void)bytes;
    *(size_t *)arg += len;
    return TARN_OK;
}

static int get(struct stage *s, struct tarn_error *err)
{
    struct tarn_object_info info = { 0 };
    size_t len = 0;
    int rc = tarn_object_get(s->client, "bkt", "k", count_body, &len, NULL, &info, err);
    expect_all(s, rc, &info, sizeof info, 0);
    if (rc == TARN_OK) {
        assert_int_equal(len, 10);
        tarn_object_info_release(&info);
    }
    return rc;
}

static int get_bytes(struct stage *s, struct tarn_error *err)
{
    struct tarn_object_info info = { 0 };
    char *bytes;
    size_t len;
    mark(&bytes, sizeof bytes);
    mark(&len, sizeof len);
    int rc = tarn_object_get_bytes(s->client, "bkt", "k", 100, &bytes, &len, NULL, &info, err);
    expect_all(s, rc, &info, sizeof info, 0);
    expect_marked(s, rc, &bytes, sizeof bytes);
    expect_marked(s, rc, &len, sizeof len);
    if (rc == TARN_OK) {
        assert_string_equal(bytes, "0123456789");
        assert_int_equal(len, 10);
        tarn_object_info_release(&info);
        tarn_bytes_free(bytes);
    }
    return rc;
}

static int get_nothing(struct stage *s, struct tarn_error *err)
{
    struct tarn_object_info info = { 0 };
    char *bytes;
    size_t len;
    mark(&bytes, sizeof bytes);
    int rc = tarn_object_get_bytes(s->client, "bkt", "empty", 100, &bytes, &len, NULL, &info, err);
    expect_all(s, rc, &info, sizeof info, 0);
    expect_marked(s, rc, &bytes, sizeof bytes);
    if (rc == TARN_OK) {
        assert_string_equal(bytes, "");
        tarn_object_info_release(&info);
        tarn_bytes_free(bytes);
    }
    return rc;
}

/* What is not there stays not there, but for a lack of memory. */
static int get_absent(struct stage *s, struct tarn_error *err)
{
    char *bytes = NULL;
    size_t len;
    struct tarn_error local = { 0 };
    int rc = tarn_object_get_bytes(s->client, "bkt", "absent", 9, &bytes, &len, NULL, NULL, &local);
    assert_null(bytes);
    if (rc == TARN_ENOTFOUND) {
        assert_string_equal(local.s3_code, "NoSuchKey");
        return TARN_OK;
    }
    *err = local;
    return rc;
}

static int head(struct stage *s, struct tarn_error *err)
{
    struct tarn_object_info info = { 0 };
    int rc = tarn_object_head(s->client, "bkt", "k", NULL, &info, err);
    expect_all(s, rc, &info, sizeof info, 0);
    if (rc == TARN_OK)
        tarn_object_info_release(&info);
    return rc;
}

static int delete_one(struct stage *s, struct tarn_error *err)
{
    const struct tarn_delete_options options = { .version_id = "v1", .mfa = "1 2" };
    struct tarn_object_info info = { 0 };
    int rc = tarn_object_delete(s->client, "bkt", "k", &options, &info, err);
    expect_all(s, rc, &info, sizeof info, 0);
    if (rc == TARN_OK)
        tarn_object_info_release(&info);
    return rc;
}

static void note_deleted(void *arg, size_t index, const struct tarn_error *err)
{
    int *told = arg;
    told[index] += err ? 100 : 1;
}

static int delete_many(struct stage *s, struct tarn_error *err)
{
    const struct tarn_delete_key keys[] = { { "a", NULL }, { "b", NULL } };
    int told[2] = { 0 };
    int rc = tarn_object_delete_many(s->client, "bkt", keys, 2, NULL, note_deleted, told, err);
    for (size_t i = 0; i < TN_COUNT(told); i++) {
        if (rc == TARN_OK ? told[i] != 1 : told[i] > 1 && told[i] != 100)
            fail_msg("%s: key %zu told %d with %s", s->name, i, told[i], tarn_status_name(rc));
    }
    return rc;
}

static int copy(struct stage *s, struct tarn_error *err)
{
    const struct tarn_copy_options options = { .source_version_id = "v1",
                                               .source_conditions = { .if_match = "e1" } };
    struct tarn_object_info info = { 0 };
    int rc = tarn_object_copy(s->client, "bkt", "a", "bkt", "copy", &options, &info, err);
    expect_all(s, rc, &info, sizeof info, 0);
    if (rc == TARN_OK)
        tarn_object_info_release(&info);
    return rc;
}

static int make_bucket(struct stage *s, struct tarn_error *err)
{
    const struct tarn_bucket_options options = { .region = "eu-x-2", .acl = "private" };
    int rc = tarn_bucket_create(s->client, "bkt", &options, err);
    return rc == TARN_OK ? tarn_bucket_delete(s->client, "bkt", NULL, err) : rc;
}

static int look_at_bucket(struct stage *s, struct tarn_error *err)
{
    char region[TARN_REGION_LEN_MAX];
    mark(region, sizeof region);
    int rc = tarn_bucket_head(s->client, "bkt", NULL, region, err);
    expect_marked(s, rc, region, sizeof region);
    if (rc < 0)
        return rc;
    mark(region, sizeof region);
    rc = tarn_bucket_location(s->client, "bkt", NULL, region, err);
    expect_marked(s, rc, region, sizeof region);
    return rc;
}

static int count_bucket(void *arg, const struct tarn_bucket_entry *entry)
{
    assert_string_equal(entry->name, "bkt");
    ++*(int *)arg;
    return TARN_OK;
}

static int list_buckets(struct stage *s, struct tarn_error *err)
{
    int count = 0;
    int rc = tarn_bucket_list(s->client, NULL, count_bucket, &count, err);
    if (rc == TARN_OK)
        assert_int_equal(count, 1);
    return rc;
}

/* Each bucket is new to the client, so that its region is found out each time. */
static int find_region(struct stage *s, struct tarn_error *err)
{
    char bucket[32];
    (void)snprintf(bucket, sizeof bucket, "far%d", s->round++);
    return tarn_object_put(s->client, bucket, "k", "hello", 5, NULL, NULL, err);
}

static int list_keys(struct stage *s, bool use_v1, struct tarn_error *err)
{
    const struct tarn_list_options options = {
        .prefix = "a", .delimiter = "/", .use_v1 = use_v1, .start_after = "0"
    };
    const struct tarn_list_entry *entry = NULL;
    int count = 0;
    struct tarn_list *list = tarn_list_open(s->client, "bkt", &options, err);
    int rc = list ? TARN_OK : err->status;
    while (rc == TARN_OK && (rc = tarn_list_next(list, &entry, err)) == TARN_OK && entry)
        count++;
    tarn_list_free(list);
    if (rc == TARN_OK)
        assert_int_equal(count, 1);
    return rc;
}

static int list_old_and_new(struct stage *s, struct tarn_error *err)
{
    int rc = list_keys(s, true, err);
    return rc == TARN_OK ? list_keys(s, false, err) : rc;
}

static int get_tags(struct stage *s, struct tarn_error *err)
{
    struct tarn_tags tags = { 0 };
    int rc = tarn_tags_get(s->client, "bkt", "k", "v1", NULL, &tags, err);
    expect_all(s, rc, &tags, sizeof tags, 0);
    if (rc == TARN_OK) {
        assert_int_equal(tags.count, 1);
        tarn_tags_release(&tags);
    }
    return rc;
}

static const struct tarn_header tag_changes[] = { { "b", "2" }, { "a", NULL } };

static int put_tags(struct stage *s, struct tarn_error *err)
{
    return tarn_tags_put(s->client, "bkt", NULL, NULL, tag_changes, 1, NULL, err);
}

static int merge_tags(struct stage *s, struct tarn_error *err)
{
    return tarn_tags_merge(s->client, "bkt", "k", NULL, tag_changes, 2, NULL, err);
}

static int delete_tags(struct stage *s, struct tarn_error *err)
{
    return tarn_tags_delete(s->client, "bkt", "k", NULL, NULL, err);
}

static int get_attributes(struct stage *s, struct tarn_error *err)
{
    struct tarn_object_attributes attributes = { 0 };
    int rc = tarn_object_get_attributes(s->client, "bkt", "k", NULL, NULL, &attributes, err);
    expect_all(s, rc, &attributes, sizeof attributes, 0);
    if (rc == TARN_OK)
        tarn_object_attributes_release(&attributes);
    return rc;
}

static int restore(struct stage *s, struct tarn_error *err)
{
    const struct tarn_restore_options options = { .days = 2, .tier = "Bulk" };
    bool is_there;
    mark(&is_there, sizeof is_there);
    int rc = tarn_object_restore(s->client, "bkt", "k", &options, &is_there, err);
    expect_marked(s, rc, &is_there, sizeof is_there);
    return rc;
}

static int call_iam(struct stage *s, struct tarn_error *err)
{
    static const struct tarn_header params[] = { { "PathPrefix", "/a b/" }, { "Marker", NULL } };
    char *answer;
    size_t len;
    mark(&answer, sizeof answer);
    mark(&len, sizeof len);
    int rc = tarn_iam_call(s->client, "ListUsers", params, 2, NULL, &answer, &len, err);
    expect_marked(s, rc, &answer, sizeof answer);
    expect_marked(s, rc, &len, sizeof len);
    if (rc == TARN_OK)
        tarn_bytes_free(answer);
    return rc;
}

static int count_part(void *arg, const struct tarn_part *part)
{
    assert_int_equal(part->number, 1);
    ++*(int *)arg;
    return TARN_OK;
}

static int count_upload(void *arg, const struct tarn_upload_entry *entry)
{
    assert_string_equal(entry->upload_id, "U1");
    ++*(int *)arg;
    return TARN_OK;
}

static int create_upload(struct stage *s, struct tarn_error *err)
{
    char id[TARN_UPLOAD_ID_LEN_MAX];
    mark(id, sizeof id);
    int rc = tarn_multipart_create(s->client, "bkt", "k", NULL, id, err);
    expect_marked(s, rc, id, sizeof id);
    return rc;
}

static int put_part(struct stage *s, struct tarn_error *err)
{
    struct tarn_part part;
    mark(&part, sizeof part);
    int rc =
        tarn_multipart_upload_part(s->client, "bkt", "k", "U1", 1, "hello", 5, NULL, &part, err);
    expect_marked(s, rc, &part, sizeof part);
    return rc;
}

static int copy_part(struct stage *s, struct tarn_error *err)
{
    struct tarn_part part;
    mark(&part, sizeof part);
    int rc = tarn_multipart_upload_part_copy(s->client, "bkt", "a", 0, UINT64_MAX, "bkt", "copy",
                                             "U1", 1, NULL, &part, err);
    expect_marked(s, rc, &part, sizeof part);
    return rc;
}

static int complete_upload(struct stage *s, struct tarn_error *err)
{
    const struct tarn_part part = { .number = 1, .size = 5, .etag = "p" };
    struct tarn_object_info info = { 0 };
    int rc = tarn_multipart_complete(s->client, "bkt", "k", "U1", &part, 1, NULL, &info, err);
    expect_all(s, rc, &info, sizeof info, 0);
    if (rc == TARN_OK)
        tarn_object_info_release(&info);
    return rc;
}

static int abort_upload(struct stage *s, struct tarn_error *err)
{
    return tarn_multipart_abort(s->client, "bkt", "k", "U1", NULL, err);
}

static int list_parts(struct stage *s, struct tarn_error *err)
{
    int count = 0;
    int rc = tarn_multipart_list_parts(s->client, "bkt", "k", "U1", NULL, count_part, &count, err);
    if (rc == TARN_OK)
        rc = tarn_multipart_list_uploads(s->client, "bkt", "p", NULL, count_upload, &count, err);
    if (rc == TARN_OK)
        assert_int_equal(count, 2);
    return rc;
}

/* ---- the asynchronous form ---- */

struct task {
    struct stage *stage;
    atomic_int done;
    int status;
};

static int run_put(struct tarn_client *client, void *arg, struct tarn_error *err)
{
    (void)arg;
    return tarn_object_put(client, "bkt", "k", "hello", 5, NULL, NULL, err);
}

static void note_done(void *arg, int status, const struct tarn_error *err)
{
    struct task *t = arg;
    assert(status == TARN_OK || err->status == status);
    (void)err;
    t->status = status;
    atomic_fetch_add(&t->done, 1);
}

static int call_later(struct stage *s, struct tarn_error *err)
{
    struct task tasks[3] = { { .stage = s } };
    struct tarn_async *async = tarn_async_new(s->client, 2, err);
    int rc = async ? TARN_OK : err->status;
    size_t count = 0;
    while (rc == TARN_OK && count < TN_COUNT(tasks)) {
        rc = tarn_async_submit(async, run_put, note_done, &tasks[count], err);
        count += rc == TARN_OK;
    }
    if (async)
        tarn_async_wait(async);
    tarn_async_free(async);
    for (size_t i = 0; i < TN_COUNT(tasks); i++) {
        assert_int_equal(atomic_load(&tasks[i].done), i < count);
        if (rc == TARN_OK && tasks[i].status < 0)
            rc = err->status = tasks[i].status;
    }
    return rc;
}

static int do_nothing(void *arg, struct tarn_object_info *info, struct tarn_error *err)
{
    (void)arg;
    (void)info;
    (void)err;
    return TARN_OK;
}

static void note_job(void *arg, int status, struct tarn_object_info *info,
                     const struct tarn_error *err)
{
    (void)info;
    note_done(arg, status, err);
}

static int run_job(struct stage *s, struct tarn_error *err)
{
    struct task tasks[3] = { { .stage = s } };
    struct tarn_job *job = tarn_job_new(s->client, NULL, err);
    const struct tarn_copy_options small = { .source_size = 5 };
    int rc = job ? TARN_OK : err->status;
    int count = 0;
    if (rc == TARN_OK)
        rc = tarn_job_copy(job, "bkt", "a", "bkt", "copy", &small, note_job, &tasks[0], err);
    count += job && rc == TARN_OK;
    if (rc == TARN_OK)
        rc = tarn_job_delete(job, "bkt", "a", NULL, note_job, &tasks[1], err);
    count += job && rc == TARN_OK;
    if (rc == TARN_OK)
        rc = tarn_job_call(job, do_nothing, note_job, &tasks[2], err);
    count += job && rc == TARN_OK;
    if (job)
        tarn_job_wait(job);
    tarn_job_free(job);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(atomic_load(&tasks[i].done), i < count);
        if (rc == TARN_OK && tasks[i].status < 0)
            rc = err->status = tasks[i].status;
    }
    return rc;
}

/* ---- the sweeps ---- */

/* One failing allocation, then as much memory as is wanted. */
static int fail_and_repeat(void *arg)
{
    struct stage *s = arg;
    struct tarn_error err = { 0 };
    curl_memory_reset();
    int rc = s->call(s, &err);
    if (rc != TARN_OK && curl_memory_has_failed())
        rc = err.status = TARN_ENOMEM;
    if (rc != TARN_OK && (rc != TARN_ENOMEM || err.status != rc))
        fail_msg("%s: %s (%s): %s", s->name, tarn_status_name(rc), tarn_status_name(err.status),
                 err.message);
    struct tarn_error again = { 0 };
    if (rc < 0 && s->client && s->call(s, &again) != TARN_OK)
        fail_msg("%s: fails for ever: %s", s->name, again.message);
    return rc;
}

static const struct {
    const char *name;
    int (*call)(struct stage *s, struct tarn_error *err);
} calls[] = {
    { "put", put },
    { "put stream", put_stream },
    { "get", get },
    { "get bytes", get_bytes },
    { "get an empty object", get_nothing },
    { "get what is absent", get_absent },
    { "head", head },
    { "delete", delete_one },
    { "delete many", delete_many },
    { "copy", copy },
    { "make a bucket", make_bucket },
    { "look at a bucket", look_at_bucket },
    { "list buckets", list_buckets },
    { "find the region", find_region },
    { "list keys", list_old_and_new },
    { "get tags", get_tags },
    { "put tags", put_tags },
    { "merge tags", merge_tags },
    { "delete tags", delete_tags },
    { "get attributes", get_attributes },
    { "restore", restore },
    { "iam", call_iam },
    { "create an upload", create_upload },
    { "put a part", put_part },
    { "copy a part", copy_part },
    { "complete an upload", complete_upload },
    { "abort an upload", abort_upload },
    { "list parts", list_parts },
    { "async", call_later },
    { "job", run_job },
};

static void sweep_calls(void)
{
    for (size_t i = 0; i < TN_COUNT(calls); i++) {
        struct stage s;
        struct tarn_error err = { 0 };
        open_stage(&s);
        s.name = calls[i].name;
        s.call = calls[i].call;
        s.client = connect_to(&s, &err);
        assert_non_null(s.client);
        t_oom_sweep(fail_and_repeat, &s);
        close_stage(&s);
    }
}

static void test_calls(void **state)
{
    (void)state;
    sweep_calls();
}

/* A client of its own each time: its making, its threads' and its first request's. */
static int make_and_put(struct stage *s, struct tarn_error *err)
{
    s->client = connect_to(s, err);
    int rc = s->client ? put(s, err) : err->status;
    tarn_client_free(TN_TAKE(s->client));
    return rc;
}

static void test_new_client(void **state)
{
    struct stage s;
    (void)state;
    open_stage(&s);
    s.name = "new client";
    s.call = make_and_put;
    t_oom_sweep(fail_and_repeat, &s);
    close_stage(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls),
        cmocka_unit_test(test_new_client),
    };
    curl_memory_count();
    int failed = cmocka_run_group_tests_name("without curl", tests, NULL, NULL);
    use_curl = true;
    return failed + cmocka_run_group_tests_name("with curl", tests, NULL, NULL);
}
