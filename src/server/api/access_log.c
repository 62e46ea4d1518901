/* SPDX-License-Identifier: Apache-2.0 */
/* Server access logs. */

#include "server/api/access_log.h"

#include <pthread.h>

#include "base/clock.h"
#include "base/codec.h"
#include "base/log.h"
#include "base/rand.h"
#include "base/wait.h"
#include "proto/name.h"
#include "proto/uri.h"
#include "proto/xml.h"
#include "server/api/authorise.h"
#include "server/api/owner.h"
#include "server/store/store_wait.h"

enum { DAY_S = 24 * 60 * 60 };

/* How keys go on behind their prefix. */
enum key_form {
    KEY_SIMPLE,
    KEY_BY_DELIVERY, /* in folders of the days when logs are written */
    KEY_BY_EVENT,    /* in those of the requests, whose day is all that keys tell */
};

/* Lines for one bucket, prefix and, where keys tell it, day. */
struct target {
    struct tn_buf bucket;
    struct tn_buf prefix;
    struct tn_buf lines;
    enum key_form form;
    int64_t day; /* of KEY_BY_EVENT, since 1970; else 0 */
};

struct access_log {
    struct api *api;
    uint64_t flush_s;
    pthread_t thread;
    struct access_log_shared {
        pthread_mutex_t lock;
        pthread_cond_t changed;
        struct target targets[ACCESS_LOG_TARGET_COUNT_MAX];
        size_t target_count;
        uint64_t lost_count;
        bool must_stop;
    } shared;
};

/* --- Lines --- */

static int add_text(struct tn_buf *line, struct tn_str text)
{
    if (line->len && tn_buf_append_char(line, ' ') < 0)
        return TARN_ENOMEM;
    return text.len ? tn_buf_append_str(line, text) : tn_buf_append_char(line, '-');
}

/* What peers send stays within its quotes. */
static int add_quoted(struct tn_buf *line, struct tn_str text)
{
    if (text.len == 0)
        return add_text(line, text);
    int rc = tn_buf_append_text(line, " \"");
    for (size_t i = 0; rc == TARN_OK && i < text.len; i++) {
        char c = text.data[i];
        bool is_odd = c == '"' || c == '\\' || (unsigned char)c < 0x20 || c == 0x7f;
        rc =
            is_odd ? tn_buf_appendf(line, "%%%02X", (unsigned char)c) : tn_buf_append_char(line, c);
    }
    return rc == TARN_OK ? tn_buf_append_char(line, '"') : rc;
}

static int add_number(struct tn_buf *line, uint64_t number, bool is_known)
{
    return is_known ? tn_buf_appendf(line, " %llu", (unsigned long long)number)
                    : add_text(line, TN_STR_EMPTY);
}

static int add_time(struct tn_buf *line, int64_t now)
{
    static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    struct tn_date d = tn_date_from_unix(now);
    return tn_buf_appendf(line, " [%02d/%s/%04d:%02d:%02d:%02d +0000]", d.day, months[d.month - 1],
                          d.year, d.hour, d.minute, d.second);
}

static int add_who(struct tn_buf *line, const struct api_req *r)
{
    struct tn_str peer = r->http->peer;
    size_t len = peer.len;
    while (len && peer.data[len - 1] != ':')
        len--;
    int rc = add_text(line, tn_str_sub(peer, 0, len ? len - 1 : peer.len));
    if (rc == TARN_OK)
        rc = add_text(line, owner_asking(r));
    return rc == TARN_OK ? add_text(line, tn_str_from(r->http->id)) : rc;
}

/* S3's names of what was asked for, where they are not just OBJECT or BUCKET. */
static const struct {
    const char *op;
    const char *resource;
} resources[] = {
    { "AbortMultipartUpload", "UPLOAD" },
    { "CompleteMultipartUpload", "UPLOAD" },
    { "CreateMultipartUpload", "UPLOADS" },
    { "DeleteBucketCors", "CORS" },
    { "DeleteBucketEncryption", "ENCRYPTION" },
    { "DeleteBucketLifecycle", "LIFECYCLE" },
    { "DeleteBucketOwnershipControls", "OWNERSHIP_CONTROLS" },
    { "DeleteBucketPolicy", "BUCKETPOLICY" },
    { "DeleteBucketTagging", "TAGGING" },
    { "DeleteBucketWebsite", "WEBSITE" },
    { "DeleteObjectTagging", "OBJECT_TAGGING" },
    { "DeleteObjects", "MULTI_OBJECT_DELETE" },
    { "DeletePublicAccessBlock", "PUBLIC_ACCESS_BLOCK" },
    { "GetBucketAccelerateConfiguration", "ACCELERATE" },
    { "GetBucketAcl", "ACL" },
    { "GetBucketCors", "CORS" },
    { "GetBucketEncryption", "ENCRYPTION" },
    { "GetBucketLifecycleConfiguration", "LIFECYCLE" },
    { "GetBucketLocation", "LOCATION" },
    { "GetBucketLogging", "LOGGING_STATUS" },
    { "GetBucketNotificationConfiguration", "NOTIFICATION" },
    { "GetBucketOwnershipControls", "OWNERSHIP_CONTROLS" },
    { "GetBucketPolicy", "BUCKETPOLICY" },
    { "GetBucketPolicyStatus", "POLICY_STATUS" },
    { "GetBucketRequestPayment", "REQUEST_PAYMENT" },
    { "GetBucketTagging", "TAGGING" },
    { "GetBucketVersioning", "VERSIONING" },
    { "GetBucketWebsite", "WEBSITE" },
    { "GetObjectAcl", "ACL" },
    { "GetObjectAttributes", "OBJECT_ATTRIBUTES" },
    { "GetObjectLegalHold", "LEGAL_HOLD" },
    { "GetObjectLockConfiguration", "OBJECT_LOCK_CONFIGURATION" },
    { "GetObjectRetention", "RETENTION" },
    { "GetObjectTagging", "OBJECT_TAGGING" },
    { "GetPublicAccessBlock", "PUBLIC_ACCESS_BLOCK" },
    { "ListMultipartUploads", "UPLOADS" },
    { "ListObjectVersions", "BUCKETVERSIONS" },
    { "ListParts", "UPLOAD" },
    { "PreflightRequest", "PREFLIGHT" },
    { "PutBucketAccelerateConfiguration", "ACCELERATE" },
    { "PutBucketAcl", "ACL" },
    { "PutBucketCors", "CORS" },
    { "PutBucketEncryption", "ENCRYPTION" },
    { "PutBucketLifecycleConfiguration", "LIFECYCLE" },
    { "PutBucketLogging", "LOGGING_STATUS" },
    { "PutBucketNotificationConfiguration", "NOTIFICATION" },
    { "PutBucketOwnershipControls", "OWNERSHIP_CONTROLS" },
    { "PutBucketPolicy", "BUCKETPOLICY" },
    { "PutBucketRequestPayment", "REQUEST_PAYMENT" },
    { "PutBucketTagging", "TAGGING" },
    { "PutBucketVersioning", "VERSIONING" },
    { "PutBucketWebsite", "WEBSITE" },
    { "PutObjectAcl", "ACL" },
    { "PutObjectLegalHold", "LEGAL_HOLD" },
    { "PutObjectLockConfiguration", "OBJECT_LOCK_CONFIGURATION" },
    { "PutObjectRetention", "RETENTION" },
    { "PutObjectTagging", "OBJECT_TAGGING" },
    { "PutPublicAccessBlock", "PUBLIC_ACCESS_BLOCK" },
    { "RestoreObject", "RESTORE" },
    { "UploadPart", "PART" },
    { "UploadPartCopy", "PART" },
};

static const char *resource_of(const struct api_req *r)
{
    for (size_t i = 0; r->op && i < TN_COUNT(resources); i++) {
        if (strcmp(resources[i].op, r->op->name) == 0)
            return resources[i].resource;
    }
    return r->key.len ? "OBJECT" : "BUCKET";
}

static int add_what(struct tn_buf *line, struct api_req *r)
{
    const struct tn_http1_head *head = &r->http->head;
    TN_AUTO_BUF key = TN_BUF_INIT(ACCESS_LOG_LINE_LEN_MAX);
    char *request = tn_arena_printf(&r->http->arena, "%.*s %.*s HTTP/1.1", TN_STR_ARG(head->method),
                                    TN_STR_ARG(head->target));
    int rc = request ? tn_uri_encode(&key, r->key, TN_URI_KEEP_SLASH) : TARN_ENOMEM;
    struct tn_str verb = r->op && r->op->is_copy ? TN_STR("COPY") : head->method;
    if (rc == TARN_OK)
        rc = tn_buf_appendf(line, " REST.%.*s.%s", TN_STR_ARG(verb), resource_of(r));
    if (rc == TARN_OK)
        rc = add_text(line, tn_buf_str(&key));
    return rc == TARN_OK ? add_quoted(line, tn_str_from(request)) : rc;
}

static int add_result(struct tn_buf *line, const struct api_req *r)
{
    const struct http_answer *answer = &r->http->answer;
    uint64_t sent = answer->read ? answer->body_len : answer->body.len;
    uint64_t ms = (tn_now_ns() - r->http->start_ns) / 1000000;
    int rc = add_number(line, (uint64_t)answer->status, true);
    if (rc == TARN_OK)
        rc = add_text(line, tn_str_from(r->http->error_code));
    if (rc == TARN_OK)
        rc = add_number(line, sent, sent != 0);
    if (rc == TARN_OK)
        rc = add_number(line, r->body.len ? r->body.len : sent, r->body.len || answer->read);
    if (rc == TARN_OK)
        rc = add_number(line, ms, true);
    return rc == TARN_OK ? add_number(line, ms, true) : rc;
}

/* Referrer, user agent, version, host id, signature, cipher, kind of credentials, host, TLS. */
static int add_rest(struct tn_buf *line, const struct api_req *r)
{
    static const char *const versions[] = {
        [AUTH_V4] = "SigV4", [AUTH_V4A] = "SigV4A", [AUTH_V2] = "SigV2"
    };
    bool is_signed = !auth_result_is_anonymous(&r->who);
    int rc = add_quoted(line, api_header(r, "referer"));
    if (rc == TARN_OK)
        rc = add_quoted(line, api_header(r, "user-agent"));
    if (rc == TARN_OK)
        rc = add_text(line, tn_query_value(&r->query, "versionId"));
    if (rc == TARN_OK)
        rc = add_text(line, tn_str_from(r->http->id));
    if (rc == TARN_OK)
        rc = add_text(line, is_signed ? tn_str_from(versions[r->who.version]) : TN_STR_EMPTY);
    if (rc == TARN_OK)
        rc = add_text(line, TN_STR_EMPTY);
    if (rc == TARN_OK)
        rc = add_text(line, is_signed ? TN_STR("AuthHeader") : TN_STR_EMPTY);
    if (rc == TARN_OK)
        rc = add_text(line, r->host);
    return rc == TARN_OK ? tn_buf_append_text(line, " - - -\n") : rc;
}

static int write_line(struct tn_buf *line, struct api_req *r, int64_t now)
{
    int rc = add_text(line, owner_of_bucket(r, r->config));
    if (rc == TARN_OK)
        rc = add_text(line, r->bucket);
    if (rc == TARN_OK)
        rc = add_time(line, now);
    if (rc == TARN_OK)
        rc = add_who(line, r);
    if (rc == TARN_OK)
        rc = add_what(line, r);
    if (rc == TARN_OK)
        rc = add_result(line, r);
    return rc == TARN_OK ? add_rest(line, r) : rc;
}

/* --- Targets --- */

static void release_target(struct target *t)
{
    tn_buf_release(&t->bucket);
    tn_buf_release(&t->prefix);
    tn_buf_release(&t->lines);
}

static enum key_form form_of(const struct tn_xml_node *enabled)
{
    const struct tn_xml_node *format = tn_xml_child(enabled, "TargetObjectKeyFormat");
    const struct tn_xml_node *parts = format ? tn_xml_child(format, "PartitionedPrefix") : NULL;
    if (!parts)
        return KEY_SIMPLE;
    return tn_str_eq(tn_xml_child_text(parts, "PartitionDateSource"), TN_STR("DeliveryTime"))
               ? KEY_BY_DELIVERY
               : KEY_BY_EVENT;
}

/* All of the target but its bucket. */
static int describe(const struct api_req *r, const struct tn_xml_node *enabled, int64_t now,
                    struct target *t)
{
    t->form = form_of(enabled);
    t->day = t->form == KEY_BY_EVENT ? now / DAY_S : 0;
    int rc = tn_buf_append_str(&t->prefix, tn_xml_child_text_raw(enabled, "TargetPrefix"));
    if (rc < 0 || t->form == KEY_SIMPLE)
        return rc;
    struct tn_str region = bucket_config_get(r->config, BUCKET_LOCATION);
    if (region.len == 0)
        region = tn_str_from(r->api->region);
    return tn_buf_appendf(&t->prefix, "%.*s/%.*s/%.*s/",
                          TN_STR_ARG(api_bucket_owner(r, r->config)->number), TN_STR_ARG(region),
                          TN_STR_ARG(r->bucket));
}

static struct target *find_target(struct access_log *log, struct tn_str bucket,
                                  const struct target *like)
{
    struct access_log_shared *s = &log->shared;
    struct tn_str prefix = tn_buf_str(&like->prefix);
    for (size_t i = 0; i < s->target_count; i++) {
        struct target *t = &s->targets[i];
        if (tn_str_eq(tn_buf_str(&t->bucket), bucket) &&
            tn_str_eq(tn_buf_str(&t->prefix), prefix) && t->form == like->form &&
            t->day == like->day)
            return t;
    }
    if (s->target_count == ACCESS_LOG_TARGET_COUNT_MAX)
        return NULL;
    struct target t = { .bucket = TN_BUF_INIT(TN_BUCKET_LEN_MAX),
                        .prefix = TN_BUF_INIT(TN_KEY_LEN_MAX),
                        .lines = TN_BUF_INIT(ACCESS_LOG_LEN_MAX),
                        .form = like->form,
                        .day = like->day };
    if (tn_buf_append_str(&t.bucket, bucket) < 0 || tn_buf_append_str(&t.prefix, prefix) < 0) {
        release_target(&t);
        return NULL;
    }
    s->targets[s->target_count] = t;
    return &s->targets[s->target_count++];
}

void access_log_add(struct access_log *log, struct api_req *r)
{
    if (!log || !r->config || bucket_config_get(r->config, BUCKET_LOGGING).len == 0)
        return;
    const struct tn_xml_node *root = bucket_config_form(r->config, BUCKET_LOGGING);
    const struct tn_xml_node *node = root ? tn_xml_child(root, "LoggingEnabled") : NULL;
    TN_AUTO_BUF line = TN_BUF_INIT(ACCESS_LOG_LINE_LEN_MAX);
    if (!node)
        return;
    int64_t now = tn_wall_ms() / 1000;
    struct target like = { .prefix = TN_BUF_INIT(TN_KEY_LEN_MAX) };
    int rc = write_line(&line, r, now);
    if (rc == TARN_OK)
        rc = describe(r, node, now, &like);
    (void)pthread_mutex_lock(&log->shared.lock);
    struct target *t =
        rc < 0 ? NULL : find_target(log, tn_xml_child_text(node, "TargetBucket"), &like);
    if (!t || tn_buf_append_str(&t->lines, tn_buf_str(&line)) < 0)
        log->shared.lost_count++;
    (void)pthread_mutex_unlock(&log->shared.lock);
    tn_buf_release(&like.prefix);
}

/* --- Writing --- */

static int make_key(const struct target *t, struct tn_buf *key)
{
    unsigned char bytes[8];
    char unique[2 * sizeof bytes + 1];
    struct tn_date d =
        tn_date_from_unix(t->form == KEY_BY_EVENT ? t->day * DAY_S : tn_wall_ms() / 1000);
    tn_random_bytes(bytes, sizeof bytes);
    tn_hex_encode(bytes, sizeof bytes, unique);
    int rc = tn_buf_append_str(key, tn_buf_str(&t->prefix));
    if (rc == TARN_OK && t->form != KEY_SIMPLE)
        rc = tn_buf_appendf(key, "%04d/%02d/%02d/", d.year, d.month, d.day);
    if (rc < 0)
        return rc;
    return tn_buf_appendf(key, "%04d-%02d-%02d-%02d-%02d-%02d-%s", d.year, d.month, d.day, d.hour,
                          d.minute, d.second, unique);
}

static int put_object(struct access_log *log, const struct target *t)
{
    TN_AUTO_BUF key = TN_BUF_INIT(TN_KEY_LEN_MAX);
    TN_AUTO_BUF meta = TN_BUF_INIT(STORE_META_LEN_MAX);
    struct api_meta fields = { 0 };
    fields.fields[API_META_CONTENT_TYPE] = TN_STR("text/plain");
    struct store_txn txn = { .op = STORE_PUT };
    int rc = make_key(t, &key);
    if (rc == TARN_OK)
        rc = api_meta_encode(&fields, &meta);
    if (rc == TARN_OK)
        rc = store_body_from(log->api->store, tn_buf_str(&t->lines), &txn.body, NULL);
    if (rc < 0)
        return rc;
    txn.bucket = tn_buf_str(&t->bucket);
    txn.key = tn_buf_str(&key);
    txn.meta = tn_buf_str(&meta);
    tn_md5(t->lines.data, t->lines.len, txn.head.md5);
    return store_commit_wait(log->api->store, &txn);
}

/* Takes one target off the table; false when none is left. */
static bool take_target(struct access_log *log, struct target *out)
{
    struct access_log_shared *s = &log->shared;
    (void)pthread_mutex_lock(&s->lock);
    bool has_one = s->target_count != 0;
    if (has_one)
        *out = s->targets[--s->target_count];
    (void)pthread_mutex_unlock(&s->lock);
    return has_one;
}

static void flush(struct access_log *log)
{
    struct target t;
    while (take_target(log, &t)) {
        int rc = put_object(log, &t);
        if (rc < 0)
            tn_log(TN_LOG_WARN, "event=access_log_lost bucket=%s status=%s", t.bucket.data,
                   tarn_status_name(rc));
        release_target(&t);
    }
    (void)pthread_mutex_lock(&log->shared.lock);
    uint64_t lost_count = log->shared.lost_count;
    log->shared.lost_count = 0;
    (void)pthread_mutex_unlock(&log->shared.lock);
    if (lost_count)
        tn_log(TN_LOG_WARN, "event=access_log_lost lines=%llu", (unsigned long long)lost_count);
}

static bool wait_for_next(struct access_log *log)
{
    uint64_t until_ns = tn_now_ns() + log->flush_s * 1000000000;
    int rc = TARN_OK;
    (void)pthread_mutex_lock(&log->shared.lock);
    while (!log->shared.must_stop && rc == TARN_OK)
        rc = tn_cond_wait_until(&log->shared.changed, &log->shared.lock, until_ns);
    bool is_over = log->shared.must_stop;
    (void)pthread_mutex_unlock(&log->shared.lock);
    return !is_over;
}

static void *run(void *arg)
{
    struct access_log *log = arg;
    bool more = true;
    while (more) {
        more = wait_for_next(log);
        flush(log);
    }
    return NULL;
}

static void release(struct access_log *log)
{
    (void)pthread_cond_destroy(&log->shared.changed);
    (void)pthread_mutex_destroy(&log->shared.lock);
    tn_free(log);
}

int access_log_start(struct api *api, uint64_t flush_s, struct access_log **out)
{
    struct access_log *log = tn_calloc(1, sizeof *log);
    if (!log)
        return TARN_ENOMEM;
    log->api = api;
    log->flush_s = flush_s ? flush_s : ACCESS_LOG_FLUSH_S;
    (void)pthread_mutex_init(&log->shared.lock, NULL);
    tn_cond_init(&log->shared.changed);
    if (pthread_create(&log->thread, NULL, run, log) != 0) {
        release(log);
        return TARN_ENOMEM;
    }
    *out = log;
    return TARN_OK;
}

void access_log_stop(struct access_log *log)
{
    if (!log)
        return;
    (void)pthread_mutex_lock(&log->shared.lock);
    log->shared.must_stop = true;
    (void)pthread_cond_signal(&log->shared.changed);
    (void)pthread_mutex_unlock(&log->shared.lock);
    (void)pthread_join(log->thread, NULL);
    release(log);
}
