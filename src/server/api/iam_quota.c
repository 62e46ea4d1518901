/* SPDX-License-Identifier: Apache-2.0 */
/* Quotas of buckets beside users and policies, for whoever looks after a server: tarn admin quota.
 */

#include <pthread.h>

#include "server/api/iam_query.h"
#include "server/api/quota.h"

/* A change of the bucket, waited for. */
struct quota_change {
    struct bucket_change change;
    struct tn_str text;
    struct quota_change_shared {
        pthread_mutex_t lock;
        pthread_cond_t changed;
        bool is_done;
    } shared;
};

static int edit(struct bucket_change *change, const struct bucket_config *now,
                struct tn_str sections[BUCKET_SECTION_COUNT])
{
    const struct quota_change *q = change->user;
    (void)now;
    sections[BUCKET_QUOTA] = q->text;
    return TARN_OK;
}

static void on_changed(struct bucket_change *change)
{
    struct quota_change *q = change->user;
    (void)pthread_mutex_lock(&q->shared.lock);
    q->shared.is_done = true;
    (void)pthread_cond_signal(&q->shared.changed);
    (void)pthread_mutex_unlock(&q->shared.lock);
}

static void fail_s3(struct iam_call *c, enum tn_s3_code code)
{
    const struct tn_s3_error *error = tn_s3_error(code);
    if (code)
        iam_fail(c, error->http_status, error->code, "%s", error->message);
}

/* May they, and is the bucket there? */
static struct tn_str need_bucket(struct iam_call *c, const char *action)
{
    struct tn_str bucket = iam_need(c, "BucketName");
    if (!iam_has_failed(c))
        fail_s3(c, api_may(c->r, action, bucket, TN_STR_EMPTY, TN_STR_EMPTY));
    return bucket;
}

static void replace(struct iam_call *c, struct tn_str bucket, struct tn_str text)
{
    struct quota_change q = { .text = text,
                              .shared = { .lock = PTHREAD_MUTEX_INITIALIZER,
                                          .changed = PTHREAD_COND_INITIALIZER } };
    if (iam_has_failed(c))
        return;
    q.change = (struct bucket_change){
        .op = STORE_BUCKET_CONFIG, .name = bucket, .edit = edit, .done = on_changed, .user = &q
    };
    bucket_change_commit(c->r->api->configs, &q.change);
    (void)pthread_mutex_lock(&q.shared.lock);
    while (!q.shared.is_done)
        (void)pthread_cond_wait(&q.shared.changed, &q.shared.lock);
    (void)pthread_mutex_unlock(&q.shared.lock);
    (void)pthread_cond_destroy(&q.shared.changed);
    (void)pthread_mutex_destroy(&q.shared.lock);
    fail_s3(c, api_from_status(c->r, q.change.status, NULL));
}

static void write_limit(struct tn_xml_writer *w, const char *name, uint64_t max)
{
    if (max)
        tn_xml_u64(w, name, max);
}

static void write_quota(struct iam_call *c, struct tn_str bucket, const struct store_quota *quota)
{
    tn_xml_open(&c->w, "Quota");
    tn_xml_str(&c->w, "BucketName", bucket);
    write_limit(&c->w, "MaxBytes", quota->bytes_max);
    write_limit(&c->w, "MaxObjects", quota->object_max);
    tn_xml_close(&c->w, "Quota");
}

static void quota_get(struct iam_call *c)
{
    struct tn_str bucket = need_bucket(c, "s3:GetBucketQuota");
    struct bucket_config *config = NULL;
    if (iam_has_failed(c))
        return;
    fail_s3(c,
            api_from_status(c->r, bucket_configs_get(c->r->api->configs, bucket, &config), NULL));
    if (iam_has_failed(c))
        return;
    struct store_quota quota = quota_of(config);
    if (bucket_config_get(config, BUCKET_QUOTA).len)
        write_quota(c, bucket, &quota);
    else
        fail_s3(c, TN_S3_NO_SUCH_QUOTA);
    bucket_config_unref(config);
}

static uint64_t limit(struct iam_call *c, const char *name)
{
    uint64_t max = 0;
    struct tn_str text = iam_param(c, name);
    if (text.len && (tn_str_to_size(text, &max) < 0 || max == 0 || max > INT64_MAX))
        iam_fail(c, 400, "ValidationError", "%s is not a positive number.", name);
    return max;
}

static void quota_put(struct iam_call *c)
{
    TN_AUTO_BUF text = TN_BUF_INIT(BUCKET_CONFIG_LEN_MAX);
    struct tn_xml_writer w = TN_XML_WRITER(&text);
    struct tn_str bucket = need_bucket(c, "s3:PutBucketQuota");
    struct store_quota quota = { limit(c, "MaxBytes"), limit(c, "MaxObjects") };
    if (!quota.bytes_max && !quota.object_max)
        iam_fail(c, 400, "ValidationError", "MaxBytes or MaxObjects is needed.");
    tn_xml_root(&w, "QuotaConfiguration", TN_XML_S3_NAMESPACE);
    write_limit(&w, "MaxBytes", quota.bytes_max);
    write_limit(&w, "MaxObjects", quota.object_max);
    tn_xml_close(&w, "QuotaConfiguration");
    if (w.rc < 0)
        fail_s3(c, api_from_status(c->r, w.rc, NULL));
    replace(c, bucket, tn_buf_str(&text));
    if (!iam_has_failed(c))
        write_quota(c, bucket, &quota);
}

static void quota_delete(struct iam_call *c)
{
    replace(c, need_bucket(c, "s3:PutBucketQuota"), TN_STR_EMPTY);
}

const struct iam_row iam_quota_rows[] = {
    { .action = "GetBucketQuota", .run = quota_get, .type = IAM_TYPE_COUNT, .is_open = true },
    { .action = "PutBucketQuota", .run = quota_put, .type = IAM_TYPE_COUNT, .is_open = true },
    { .action = "DeleteBucketQuota", .run = quota_delete, .type = IAM_TYPE_COUNT, .is_open = true },
};
const size_t iam_quota_row_count = TN_COUNT(iam_quota_rows);
