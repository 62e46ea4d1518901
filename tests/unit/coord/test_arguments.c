/* SPDX-License-Identifier: Apache-2.0 */
/* Every call that names a client, a bucket or a key, without them: TARN_EINVAL, and no request.
 * A key that is missing must never turn a call on an object into one on its bucket. */

#include "unit/t.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <tarn/tarn.h>

#include "unit/client/fake_server.h"

/* What a call names beside the client. */
enum { NEEDS_BUCKET = 1u << 0, NEEDS_KEY = 1u << 1, NEEDS_BOTH = NEEDS_BUCKET | NEEDS_KEY };

struct given {
    struct tarn_client *client;
    const char *bucket;
    const char *key;
};

static struct tarn_error err;

#define CALL(name, call)                                                                           \
    static int name(const struct given *g)                                                         \
    {                                                                                              \
        return call;                                                                               \
    }
#define G g->client, g->bucket, g->key

static struct tarn_object_info info;
static char region[TARN_REGION_LEN_MAX];
static char upload_id[TARN_UPLOAD_ID_LEN_MAX];
static char url[TARN_URL_LEN_MAX];
static struct tarn_part part = { .number = 1, .etag = "e" };
static struct tarn_tags tags;
static struct tarn_object_attributes attributes;
static struct tarn_version_comparison comparison;
static enum tarn_versioning versioning;
static struct tarn_lock_info lock_info;
static struct tarn_lock *lock;
static char *bytes;
static size_t len;
static bool is_there;
static unsigned honoured;
static uint64_t removed;
static const struct tarn_header pair = { "a", "1" };
static const struct tarn_lock_options lock_options = { .skip_probe = true };
static const struct tarn_copy_atomic_options atomic_options = { .skip_probe = true };
static const char nonce[] = "0123456789abcdef0123456789abcdef";

static int64_t read_none(void *arg, void *out, size_t cap)
{
    (void)arg;
    (void)out;
    (void)cap;
    return 0;
}

static int write_none(void *arg, const void *in, size_t n)
{
    (void)arg;
    (void)in;
    (void)n;
    return TARN_OK;
}

static int each_part(void *arg, const struct tarn_part *p)
{
    (void)arg;
    (void)p;
    return TARN_OK;
}

static int each_upload(void *arg, const struct tarn_upload_entry *entry)
{
    (void)arg;
    (void)entry;
    return TARN_OK;
}

static int each_bucket(void *arg, const struct tarn_bucket_entry *entry)
{
    (void)arg;
    (void)entry;
    return TARN_OK;
}

static int body_none(void *arg, struct tarn_lock *held)
{
    (void)arg;
    (void)held;
    return TARN_OK;
}

CALL(put, tarn_object_put(G, "x", 1, NULL, NULL, &err))
CALL(put_stream, tarn_object_put_stream(G, read_none, NULL, NULL, 0, NULL, NULL, &err))
CALL(get, tarn_object_get(G, write_none, NULL, NULL, NULL, &err))
CALL(get_bytes, tarn_object_get_bytes(G, 9, &bytes, &len, NULL, NULL, &err))
CALL(head, tarn_object_head(G, NULL, &info, &err))
CALL(delete_one, tarn_object_delete(G, NULL, NULL, &err))
CALL(copy_to, tarn_object_copy(g->client, "src", "k", g->bucket, g->key, NULL, NULL, &err))
CALL(copy_from, tarn_object_copy(G, "dst", "k", NULL, NULL, &err))
CALL(create_upload, tarn_multipart_create(G, NULL, upload_id, &err))
CALL(put_part, tarn_multipart_upload_part(G, "U", 1, "x", 1, NULL, &part, &err))
CALL(copy_part, tarn_multipart_upload_part_copy(g->client, "src", "k", 0, UINT64_MAX, g->bucket,
                                                g->key, "U", 1, NULL, &part, &err))
CALL(copy_part_from, tarn_multipart_upload_part_copy(G, 0, UINT64_MAX, "dst", "k", "U", 1, NULL,
                                                     &part, &err))
CALL(complete, tarn_multipart_complete(G, "U", &part, 1, NULL, NULL, &err))
CALL(abort_upload, tarn_multipart_abort(G, "U", NULL, &err))
CALL(list_parts, tarn_multipart_list_parts(G, "U", NULL, each_part, NULL, &err))
CALL(list_uploads,
     tarn_multipart_list_uploads(g->client, g->bucket, NULL, NULL, each_upload, NULL, &err))
CALL(create_bucket, tarn_bucket_create(g->client, g->bucket, NULL, &err))
CALL(delete_bucket, tarn_bucket_delete(g->client, g->bucket, NULL, &err))
CALL(head_bucket, tarn_bucket_head(g->client, g->bucket, NULL, region, &err))
CALL(locate_bucket, tarn_bucket_location(g->client, g->bucket, NULL, region, &err))
CALL(list_buckets, tarn_bucket_list(g->client, NULL, each_bucket, NULL, &err))
CALL(get_versioning, tarn_bucket_get_versioning(g->client, g->bucket, NULL, &versioning, &err))
CALL(set_versioning, tarn_bucket_set_versioning(g->client, g->bucket, TARN_VERSIONING_ENABLED, NULL,
                                                NULL, &err))
CALL(restore_version, tarn_version_restore(G, "1", NULL, NULL, &err))
CALL(undelete, tarn_object_undelete(G, NULL, &err))
CALL(compare, tarn_version_compare(G, "1", "2", NULL, &comparison, &err))
CALL(get_tags, tarn_tags_get(G, NULL, NULL, &tags, &err))
CALL(put_tags, tarn_tags_put(G, NULL, &pair, 1, NULL, &err))
CALL(delete_tags, tarn_tags_delete(G, NULL, NULL, &err))
CALL(merge_tags, tarn_tags_merge(G, NULL, &pair, 1, NULL, &err))
CALL(get_attributes, tarn_object_get_attributes(G, NULL, NULL, &attributes, &err))
CALL(restore, tarn_object_restore(G, NULL, &is_there, &err))
CALL(presign, tarn_presign(G, NULL, url, &err))
CALL(upload_file, tarn_upload_file(g->client, "/proc/self/cmdline", g->bucket, g->key, NULL, NULL,
                                   &err))
CALL(upload_stream,
     tarn_upload_stream(g->client, read_none, NULL, g->bucket, g->key, NULL, NULL, &err))
CALL(download_file, tarn_download_file(G, "/tmp/tarn-arguments", NULL, NULL, &err))
CALL(download_stream, tarn_download_stream(G, write_none, NULL, NULL, NULL, &err))
CALL(download_fd, tarn_download_fd(G, STDERR_FILENO, NULL, NULL, &err))
CALL(matches_file, tarn_object_matches_file(G, "/proc/self/comm", NULL, &is_there, &err))
CALL(copy_atomic_to,
     tarn_copy_atomic(g->client, "src", "k", g->bucket, g->key, &atomic_options, NULL, &err))
CALL(copy_atomic_from, tarn_copy_atomic(G, "dst", "k", &atomic_options, NULL, &err))
CALL(probe, tarn_conditional_probe(g->client, g->bucket, "k", TARN_CONDITIONAL_CREATE, &honoured,
                                   &err))
CALL(acquire, tarn_lock_acquire(G, &lock_options, &lock, &err))
CALL(try_lock, tarn_lock_try(G, &lock_options, &lock, &err))
CALL(attach, tarn_lock_attach(G, nonce, &lock_options, &lock, &err))
CALL(with_lock, tarn_lock_with(G, &lock_options, body_none, NULL, &err))
CALL(lock_status, tarn_lock_status(G, NULL, &lock_info, &err))
CALL(lock_break, tarn_lock_break(G, "e", NULL, &err))
CALL(gc, tarn_buffer_gc(g->client, g->bucket, "p", NULL, NULL, NULL, &removed, &err))
CALL(iam, tarn_iam_call(g->client, "ListUsers", NULL, 0, NULL, &bytes, &len, &err))
CALL(credentials,
     tarn_client_get_credentials(g->client, &(struct tarn_credentials){ .expires_ms = 0 }, &err))

static int delete_many(const struct given *g)
{
    const struct tarn_delete_key keys[] = { { g->key, NULL } };
    return tarn_object_delete_many(g->client, g->bucket, keys, 1, NULL, NULL, NULL, &err);
}

static int batch(const struct given *g, int (*run)(const struct given *g, const char *const *keys))
{
    const char *keys[] = { g->key };
    return run(g, keys);
}

#define BATCH(name, ...)                                                                           \
    static int name##_of(const struct given *g, const char *const *keys)                           \
    {                                                                                              \
        return tarn_batch_##__VA_ARGS__;                                                           \
    }                                                                                              \
    static int name(const struct given *g)                                                         \
    {                                                                                              \
        return batch(g, name##_of);                                                                \
    }

BATCH(batch_delete, delete (g->client, g->bucket, keys, 1, NULL, NULL, &err))
BATCH(batch_copy, copy(g->client, g->bucket, keys, 1, "dst", "p/", NULL, NULL, NULL, NULL, &err))
BATCH(batch_class, set_class(g->client, g->bucket, keys, 1, "GLACIER", NULL, NULL, &err))
BATCH(batch_metadata, set_metadata(g->client, g->bucket, keys, 1, &pair, 1, NULL, NULL, &err))
BATCH(batch_tags, set_tags(g->client, g->bucket, keys, 1, &pair, 1, true, NULL, NULL, &err))

static int list(const struct given *g)
{
    const struct tarn_list_entry *entry;
    struct tarn_list *l = tarn_list_open(g->client, g->bucket, NULL, &err);
    int rc = l ? tarn_list_next(l, &entry, &err) : err.status;
    tarn_list_free(l);
    return rc;
}

static int list_versions(const struct given *g)
{
    const struct tarn_version_entry *entry;
    struct tarn_versions *v = tarn_versions_open(g->client, g->bucket, NULL, &err);
    int rc = v ? tarn_versions_next(v, &entry, &err) : err.status;
    tarn_versions_free(v);
    return rc;
}

static void note_job(void *arg, int status, struct tarn_object_info *got,
                     const struct tarn_error *why)
{
    (void)got;
    err = why ? *why : (struct tarn_error){ 0 };
    *(int *)arg = status;
}

static int run_job(const struct given *g,
                   int (*submit)(struct tarn_job *job, const struct given *g, int *told))
{
    int told = TARN_OK;
    struct tarn_job *job = tarn_job_new(g->client, NULL, &err);
    int rc = job ? submit(job, g, &told) : err.status;
    tarn_job_free(job);
    return rc == TARN_OK ? told : rc;
}

#define JOB(name, call)                                                                            \
    static int name##_in(struct tarn_job *job, const struct given *g, int *told)                   \
    {                                                                                              \
        return call;                                                                               \
    }                                                                                              \
    static int name(const struct given *g)                                                         \
    {                                                                                              \
        return run_job(g, name##_in);                                                              \
    }

JOB(job_upload, tarn_job_upload(job, "/proc/self/cmdline", g->bucket, g->key, NULL, note_job, told,
                                &err))
JOB(job_download, tarn_job_download(job, g->bucket, g->key, "/tmp/tarn-arguments", NULL, note_job,
                                    told, &err))
JOB(job_copy, tarn_job_copy(job, "src", "k", g->bucket, g->key, NULL, note_job, told, &err))
JOB(job_copy_from, tarn_job_copy(job, g->bucket, g->key, "dst", "k", NULL, note_job, told, &err))
JOB(job_delete, tarn_job_delete(job, g->bucket, g->key, NULL, note_job, told, &err))

static int with_store(const struct given *g,
                      int (*run)(struct tarn_store *store, const struct given *g))
{
    const struct tarn_store_options options = { .skip_probe = true };
    struct tarn_store *store = tarn_store_new(g->client, &options, &err);
    int rc = store ? run(store, g) : err.status;
    tarn_store_free(store);
    return rc;
}

#define STORE(name, call)                                                                          \
    static int name##_in(struct tarn_store *store, const struct given *g)                          \
    {                                                                                              \
        return call;                                                                               \
    }                                                                                              \
    static int name(const struct given *g)                                                         \
    {                                                                                              \
        return with_store(g, name##_in);                                                           \
    }

static const struct tarn_bytes value;
static const struct tarn_store_entry seen = { .etag = "e" };
static struct tarn_store_entry entry;

static int change_nothing(void *arg, const void *present, void **next)
{
    (void)arg;
    (void)present;
    (void)next;
    return TARN_OK;
}

STORE(store_get, tarn_store_get(store, g->bucket, g->key, &entry, &err))
STORE(store_exists, tarn_store_exists(store, g->bucket, g->key, &err))
STORE(store_create, tarn_store_create(store, g->bucket, g->key, &value, 0, NULL, &err))
STORE(store_put, tarn_store_put(store, g->bucket, g->key, &seen, &value, 0, NULL, &err))
STORE(store_overwrite, tarn_store_overwrite(store, g->bucket, g->key, &value, 0, NULL, &err))
STORE(store_delete, tarn_store_delete(store, g->bucket, g->key, &seen, &err))
STORE(store_delete_any, tarn_store_delete(store, g->bucket, g->key, NULL, &err))
STORE(store_update,
      tarn_store_update(store, g->bucket, g->key, change_nothing, NULL, 0, NULL, &err))

static const struct {
    const char *name;
    int (*call)(const struct given *g);
    unsigned needs;
} calls[] = {
    { "put", put, NEEDS_BOTH },
    { "put stream", put_stream, NEEDS_BOTH },
    { "get", get, NEEDS_BOTH },
    { "get bytes", get_bytes, NEEDS_BOTH },
    { "head", head, NEEDS_BOTH },
    { "delete", delete_one, NEEDS_BOTH },
    { "delete many", delete_many, NEEDS_BOTH },
    { "copy to", copy_to, NEEDS_BOTH },
    { "copy from", copy_from, NEEDS_BOTH },
    { "create upload", create_upload, NEEDS_BOTH },
    { "put part", put_part, NEEDS_BOTH },
    { "copy part to", copy_part, NEEDS_BOTH },
    { "copy part from", copy_part_from, NEEDS_BOTH },
    { "complete upload", complete, NEEDS_BOTH },
    { "abort upload", abort_upload, NEEDS_BOTH },
    { "list parts", list_parts, NEEDS_BOTH },
    { "list uploads", list_uploads, NEEDS_BUCKET },
    { "create bucket", create_bucket, NEEDS_BUCKET },
    { "delete bucket", delete_bucket, NEEDS_BUCKET },
    { "head bucket", head_bucket, NEEDS_BUCKET },
    { "locate bucket", locate_bucket, NEEDS_BUCKET },
    { "list buckets", list_buckets, 0 },
    { "get versioning", get_versioning, NEEDS_BUCKET },
    { "set versioning", set_versioning, NEEDS_BUCKET },
    { "restore version", restore_version, NEEDS_BOTH },
    { "undelete", undelete, NEEDS_BOTH },
    { "compare versions", compare, NEEDS_BOTH },
    { "get tags", get_tags, NEEDS_BUCKET },
    { "put tags", put_tags, NEEDS_BUCKET },
    { "delete tags", delete_tags, NEEDS_BUCKET },
    { "merge tags", merge_tags, NEEDS_BUCKET },
    { "get attributes", get_attributes, NEEDS_BOTH },
    { "restore", restore, NEEDS_BOTH },
    { "presign", presign, NEEDS_BOTH },
    { "upload file", upload_file, NEEDS_BOTH },
    { "upload stream", upload_stream, NEEDS_BOTH },
    { "download file", download_file, NEEDS_BOTH },
    { "download stream", download_stream, NEEDS_BOTH },
    { "download to a descriptor", download_fd, NEEDS_BOTH },
    { "matches file", matches_file, NEEDS_BOTH },
    { "list", list, NEEDS_BUCKET },
    { "list versions", list_versions, NEEDS_BUCKET },
    { "batch delete", batch_delete, NEEDS_BOTH },
    { "batch copy", batch_copy, NEEDS_BOTH },
    { "batch class", batch_class, NEEDS_BOTH },
    { "batch metadata", batch_metadata, NEEDS_BOTH },
    { "batch tags", batch_tags, NEEDS_BOTH },
    { "job upload", job_upload, NEEDS_BOTH },
    { "job download", job_download, NEEDS_BOTH },
    { "job copy to", job_copy, NEEDS_BOTH },
    { "job copy from", job_copy_from, NEEDS_BOTH },
    { "job delete", job_delete, NEEDS_BOTH },
    { "atomic copy to", copy_atomic_to, NEEDS_BOTH },
    { "atomic copy from", copy_atomic_from, NEEDS_BOTH },
    { "probe", probe, NEEDS_BUCKET },
    { "lock", acquire, NEEDS_BOTH },
    { "try lock", try_lock, NEEDS_BOTH },
    { "attach lock", attach, NEEDS_BOTH },
    { "with lock", with_lock, NEEDS_BOTH },
    { "lock status", lock_status, NEEDS_BOTH },
    { "break lock", lock_break, NEEDS_BOTH },
    { "store get", store_get, NEEDS_BOTH },
    { "store exists", store_exists, NEEDS_BOTH },
    { "store create", store_create, NEEDS_BOTH },
    { "store put", store_put, NEEDS_BOTH },
    { "store overwrite", store_overwrite, NEEDS_BOTH },
    { "store delete", store_delete, NEEDS_BOTH },
    { "store delete any", store_delete_any, NEEDS_BOTH },
    { "store update", store_update, NEEDS_BOTH },
    { "gc", gc, NEEDS_BUCKET },
    { "iam", iam, 0 },
    { "credentials", credentials, 0 },
};

static void expect_refused(const char *name, const char *what,
                           int (*call)(const struct given *g), const struct given *g)
{
    err = (struct tarn_error){ 0 };
    int rc = call(g);
    if (rc != TARN_EINVAL || err.status != rc || !err.message[0])
        fail_msg("%s, %s: %s: %s", name, what, tarn_status_name(rc), err.message);
}

static void test_names(void **state)
{
    static const struct fake_step steps[] = { { .answer = "HTTP/1.1 200 OK\r\n"
                                                          "Connection: close\r\n"
                                                          "Content-Length: 0\r\n\r\n",
                                                .closes = true } };
    struct fake_server *s = fake_server_new(steps, 1);
    struct tarn_config config;
    (void)state;
    fake_server_config(s, &config);
    config.retries_max = 0;
    struct tarn_client *c = tarn_client_new(&config, NULL);
    assert_non_null(c);
    const struct {
        const char *what;
        struct given given;
        unsigned when;
    } cases[] = {
        { "no client", { NULL, "bkt", "k" }, 0 },
        { "bucket NULL", { c, NULL, "k" }, NEEDS_BUCKET },
        { "bucket empty", { c, "", "k" }, NEEDS_BUCKET },
        { "bucket with a slash", { c, "a/b", "k" }, NEEDS_BUCKET },
        { "key NULL", { c, "bkt", NULL }, NEEDS_KEY },
        { "key empty", { c, "bkt", "" }, NEEDS_KEY },
    };
    for (size_t i = 0; i < TN_COUNT(calls); i++) {
        for (size_t n = 0; n < TN_COUNT(cases); n++) {
            if ((calls[i].needs & cases[n].when) == cases[n].when)
                expect_refused(calls[i].name, cases[n].what, calls[i].call, &cases[n].given);
        }
    }
    assert_int_equal(fake_server_count(s), 0);
    tarn_client_free(c);
    fake_server_free(s);
}

static void test_keys(void **state)
{
    static const struct {
        const char *access, *secret;
    } cases[] = { { "A B", "S" }, { "A", "S\n" }, { "A", "" }, { "\xc3\xa4", "S" } };
    (void)state;
    for (size_t i = 0; i < TN_COUNT(cases); i++) {
        struct tarn_config config;
        tarn_config_init(&config);
        config.endpoint = "http://127.0.0.1:9";
        config.access_key = cases[i].access;
        config.secret_key = cases[i].secret;
        config.ignore_environment = true;
        err = (struct tarn_error){ 0 };
        assert_null(tarn_client_new(&config, &err));
        assert_int_equal(err.status, TARN_ECREDENTIALS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
