/* SPDX-License-Identifier: Apache-2.0 */
/* Every call without what it cannot do without (client, bucket, key, callback, output, array), and
 * with what nothing can be made of: TARN_EINVAL, and no request. A key that is missing must never
 * turn a call on an object into one on its bucket, nor a missing upload's id one on an upload into
 * one on the object. */

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
static const struct tarn_header nameless = { NULL, "1" };
static const struct tarn_retry_policy policy = { .tries_max = 1 };
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
CALL(copy_part_from,
     tarn_multipart_upload_part_copy(G, 0, UINT64_MAX, "dst", "k", "U", 1, NULL, &part, &err))
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
CALL(set_versioning,
     tarn_bucket_set_versioning(g->client, g->bucket, TARN_VERSIONING_ENABLED, NULL, NULL, &err))
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
CALL(upload_file,
     tarn_upload_file(g->client, "/proc/self/cmdline", g->bucket, g->key, NULL, NULL, &err))
CALL(upload_stream,
     tarn_upload_stream(g->client, read_none, NULL, g->bucket, g->key, NULL, NULL, &err))
CALL(download_file, tarn_download_file(G, "/tmp/tarn-arguments", NULL, NULL, &err))
CALL(download_stream, tarn_download_stream(G, write_none, NULL, NULL, NULL, &err))
CALL(download_fd, tarn_download_fd(G, STDERR_FILENO, NULL, NULL, &err))
CALL(matches_file, tarn_object_matches_file(G, "/proc/self/comm", NULL, &is_there, &err))
CALL(copy_atomic_to,
     tarn_copy_atomic(g->client, "src", "k", g->bucket, g->key, &atomic_options, NULL, &err))
CALL(copy_atomic_from, tarn_copy_atomic(G, "dst", "k", &atomic_options, NULL, &err))
CALL(probe,
     tarn_conditional_probe(g->client, g->bucket, "k", TARN_CONDITIONAL_CREATE, &honoured, &err))
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

JOB(job_upload,
    tarn_job_upload(job, "/proc/self/cmdline", g->bucket, g->key, NULL, note_job, told, &err))
JOB(job_download,
    tarn_job_download(job, g->bucket, g->key, "/tmp/tarn-arguments", NULL, note_job, told, &err))
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

static void expect_refused(const char *name, const char *what, int (*call)(const struct given *g),
                           const struct given *g)
{
    err = (struct tarn_error){ 0 };
    int rc = call(g);
    if (rc != TARN_EINVAL || err.status != rc || !err.message[0])
        fail_msg("%s, %s: %s: %s", name, what, tarn_status_name(rc), err.message);
}

/* A server that is not to be asked, and a client for it. */
static struct fake_server *serve(struct tarn_client **c)
{
    static const struct fake_step steps[] = { { .answer = "HTTP/1.1 200 OK\r\n"
                                                          "Connection: close\r\n"
                                                          "Content-Length: 0\r\n\r\n",
                                                .closes = true } };
    struct fake_server *s = fake_server_new(steps, 1);
    struct tarn_config config;
    fake_server_config(s, &config);
    config.retries_max = 0;
    *c = tarn_client_new(&config, NULL);
    assert_non_null(*c);
    return s;
}

static void test_names(void **state)
{
    struct tarn_client *c;
    struct fake_server *s = serve(&c);
    (void)state;
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

/* ---- what else is wanted ---- */

static int run_none(struct tarn_client *client, void *arg, struct tarn_error *why)
{
    (void)client;
    (void)arg;
    (void)why;
    return TARN_OK;
}

static void expect_named(const char *name, const char *call, int rc)
{
    if (rc != TARN_EINVAL || err.status != rc || !strstr(err.message, name))
        fail_msg("%s: %s: %s", call, tarn_status_name(rc), err.message);
}

/* `name` is in the message: of the argument that is missing, or what is wrong. */
#define REFUSES(name, call) expect_named(name, #call, (err = (struct tarn_error){ 0 }, (int)(call)))
#define MAKES_NONE(name, call)                                                                     \
    expect_named(name, #call, (err = (struct tarn_error){ 0 }, (call) ? TARN_OK : err.status))
#define K c, "bkt", "k"

static void test_objects(void **state)
{
    const struct tarn_delete_key one = { "k", NULL };
    const struct tarn_delete_options pinned = { .if_match = "e" };
    const struct tarn_delete_options old = { .version_id = "v" };
    struct tarn_client *c;
    struct fake_server *s = serve(&c);
    (void)state;
    REFUSES("bytes", tarn_object_put(K, NULL, 1, NULL, NULL, &err));
    REFUSES("read", tarn_object_put_stream(K, NULL, NULL, NULL, 1, NULL, NULL, &err));
    REFUSES("write", tarn_object_get(K, NULL, NULL, NULL, NULL, &err));
    REFUSES("bytes", tarn_object_get_bytes(K, 9, NULL, &len, NULL, NULL, &err));
    REFUSES("len", tarn_object_get_bytes(K, 9, &bytes, NULL, NULL, NULL, &err));
    REFUSES("keys", tarn_object_delete_many(c, "bkt", NULL, 1, NULL, NULL, NULL, &err));
    REFUSES("if_match", tarn_object_delete_many(c, "bkt", &one, 1, &pinned, NULL, NULL, &err));
    REFUSES("version_id", tarn_object_delete_many(c, "bkt", &one, 1, &old, NULL, NULL, &err));
    REFUSES("upload_id", tarn_multipart_create(K, NULL, NULL, &err));
    REFUSES("upload_id", tarn_multipart_upload_part(K, NULL, 1, "", 0, NULL, &part, &err));
    REFUSES("upload_id", tarn_multipart_upload_part(K, "", 1, "", 0, NULL, &part, &err));
    REFUSES("bytes", tarn_multipart_upload_part(K, "U", 1, NULL, 1, NULL, &part, &err));
    REFUSES("part", tarn_multipart_upload_part(K, "U", 1, "", 0, NULL, NULL, &err));
    REFUSES("expected 1", tarn_multipart_upload_part(K, "U", 0, "", 0, NULL, &part, &err));
    REFUSES("expected 1", tarn_multipart_upload_part(K, "U", 10001, "", 0, NULL, &part, &err));
    REFUSES("upload_id", tarn_multipart_upload_part_copy(c, "s", "k", 0, 1, "bkt", "k", NULL, 1,
                                                         NULL, &part, &err));
    REFUSES("part", tarn_multipart_upload_part_copy(c, "s", "k", 0, 1, "bkt", "k", "U", 1, NULL,
                                                    NULL, &err));
    REFUSES("upload_id", tarn_multipart_complete(K, NULL, &part, 1, NULL, NULL, &err));
    REFUSES("parts", tarn_multipart_complete(K, "U", NULL, 1, NULL, NULL, &err));
    REFUSES("parts", tarn_multipart_complete(K, "U", NULL, 0, NULL, NULL, &err));
    REFUSES("upload_id", tarn_multipart_abort(K, NULL, NULL, &err));
    REFUSES("upload_id", tarn_multipart_abort(K, "", NULL, &err));
    REFUSES("upload_id", tarn_multipart_list_parts(K, NULL, NULL, each_part, NULL, &err));
    REFUSES("each", tarn_multipart_list_parts(K, "U", NULL, NULL, NULL, &err));
    REFUSES("each", tarn_multipart_list_uploads(c, "bkt", NULL, NULL, NULL, NULL, &err));
    REFUSES("each", tarn_bucket_list(c, NULL, NULL, NULL, &err));
    REFUSES("region", tarn_bucket_location(c, "bkt", NULL, NULL, &err));
    REFUSES("out", tarn_bucket_get_versioning(c, "bkt", NULL, NULL, &err));
    REFUSES("enabled or",
            tarn_bucket_set_versioning(c, "bkt", (enum tarn_versioning)9, NULL, NULL, &err));
    REFUSES("version_id", tarn_version_restore(K, NULL, NULL, NULL, &err));
    REFUSES("version_id", tarn_version_restore(K, "", NULL, NULL, &err));
    REFUSES("out", tarn_version_compare(K, "1", "2", NULL, NULL, &err));
    REFUSES("versions",
            tarn_versions_next(NULL, &(const struct tarn_version_entry *){ NULL }, &err));
    REFUSES("list", tarn_list_next(NULL, &(const struct tarn_list_entry *){ NULL }, &err));
    REFUSES("out", tarn_tags_get(K, NULL, NULL, NULL, &err));
    REFUSES("tags", tarn_tags_put(K, NULL, NULL, 1, NULL, &err));
    REFUSES("changes", tarn_tags_merge(K, NULL, NULL, 1, NULL, &err));
    REFUSES("name 0", tarn_tags_merge(K, NULL, &nameless, 1, NULL, &err));
    REFUSES("out", tarn_object_get_attributes(K, NULL, NULL, NULL, &err));
    REFUSES("url", tarn_presign(K, NULL, NULL, &err));
    REFUSES("action", tarn_iam_call(c, "", NULL, 0, NULL, &bytes, &len, &err));
    REFUSES("params", tarn_iam_call(c, "A", NULL, 1, NULL, &bytes, &len, &err));
    REFUSES("answer", tarn_iam_call(c, "A", NULL, 0, NULL, NULL, &len, &err));
    REFUSES("len", tarn_iam_call(c, "A", NULL, 0, NULL, &bytes, NULL, &err));
    REFUSES("out", tarn_client_get_credentials(c, NULL, &err));
    REFUSES("run", tarn_retry_run(&policy, NULL, NULL, NULL, NULL, &err));
    REFUSES("policy", tarn_retry_run(NULL, NULL, NULL, NULL, NULL, &err));
    assert_int_equal(tarn_part_size_plan(1, 0, NULL), TARN_EINVAL);
    assert_int_equal(tarn_checksum_from_name("CRC32", NULL), TARN_EINVAL);
    assert_int_equal(tarn_bucket_name_check(NULL, NULL), TARN_EINVAL);
    assert_int_equal(fake_server_count(s), 0);
    tarn_client_free(c);
    fake_server_free(s);
}

/* Those of many objects. */
static void test_transfers(void **state)
{
    static const char *const keys[] = { "k" };
    struct tarn_client *c;
    struct fake_server *s = serve(&c);
    struct tarn_job *job = tarn_job_new(c, NULL, NULL);
    struct tarn_async *async = tarn_async_new(c, 1, NULL);
    (void)state;
    REFUSES("path", tarn_upload_file(c, NULL, "bkt", "k", NULL, NULL, &err));
    REFUSES("read", tarn_upload_stream(c, NULL, NULL, "bkt", "k", NULL, NULL, &err));
    REFUSES("path", tarn_download_file(K, NULL, NULL, NULL, &err));
    REFUSES("write", tarn_download_stream(K, NULL, NULL, NULL, NULL, &err));
    REFUSES("path", tarn_object_matches_file(K, NULL, NULL, &is_there, &err));
    REFUSES("is_same", tarn_object_matches_file(K, "/proc/self/comm", NULL, NULL, &err));
    REFUSES("path", tarn_job_upload(job, NULL, "bkt", "k", NULL, NULL, NULL, &err));
    REFUSES("path", tarn_job_download(job, "bkt", "k", NULL, NULL, NULL, NULL, &err));
    REFUSES("call", tarn_job_call(job, NULL, NULL, NULL, &err));
    REFUSES("job", tarn_job_call(NULL, NULL, NULL, NULL, &err));
    REFUSES("run", tarn_async_submit(async, NULL, NULL, NULL, &err));
    REFUSES("async", tarn_async_submit(NULL, run_none, NULL, NULL, &err));
    REFUSES("keys", tarn_batch_delete(c, "bkt", NULL, 1, NULL, NULL, &err));
    REFUSES("key 0", tarn_batch_delete(c, "bkt", (const char *[]){ NULL }, 1, NULL, NULL, &err));
    REFUSES("to_bucket",
            tarn_batch_copy(c, "bkt", keys, 1, NULL, "p/", NULL, NULL, NULL, NULL, &err));
    REFUSES("storage_class", tarn_batch_set_class(c, "bkt", keys, 1, "", NULL, NULL, &err));
    REFUSES("name 0", tarn_batch_set_metadata(c, "bkt", keys, 1, NULL, 1, NULL, NULL, &err));
    REFUSES("name 0", tarn_batch_set_metadata(c, "bkt", keys, 1, &nameless, 1, NULL, NULL, &err));
    REFUSES("name 0", tarn_batch_set_tags(c, "bkt", keys, 1, NULL, 1, true, NULL, NULL, &err));
    assert_int_equal(tarn_batch_delete(c, "bkt", NULL, 0, NULL, NULL, &err), TARN_OK);
    assert_int_equal(tarn_object_delete_many(c, "bkt", NULL, 0, NULL, NULL, NULL, &err), TARN_OK);
    tarn_batch_result_release(NULL);
    tarn_object_info_release(NULL);
    tarn_object_attributes_release(NULL);
    tarn_tags_release(NULL);
    tarn_store_entry_release(NULL, NULL);
    tarn_async_free(async);
    tarn_job_free(job);
    assert_int_equal(fake_server_count(s), 0);
    tarn_client_free(c);
    fake_server_free(s);
}

static void test_coordination(void **state)
{
    static const struct tarn_lock_clock half_clock = { .arg = &len };
    static const struct tarn_lock_options with_half = { .clock = &half_clock };
    static const struct tarn_serializer half_serializer = { .content_type = "a/b" };
    static const struct tarn_store_options stores[] = { { .serializer = &half_serializer },
                                                        { .tries_max = -1 },
                                                        { .attributes = { .metadata_count = 1 } } };
    struct tarn_client *c;
    struct fake_server *s = serve(&c);
    struct tarn_store *store =
        tarn_store_new(c, &(struct tarn_store_options){ .skip_probe = true }, NULL);
    (void)state;
    REFUSES("honoured", tarn_conditional_probe(c, "bkt", "k", 1, NULL, &err));
    REFUSES("lock", tarn_lock_acquire(K, &lock_options, NULL, &err));
    REFUSES("lock", tarn_lock_try(K, &lock_options, NULL, &err));
    REFUSES("lock", tarn_lock_attach(K, nonce, &lock_options, NULL, &err));
    REFUSES("nonce", tarn_lock_attach(K, NULL, &lock_options, &lock, &err));
    REFUSES("clock", tarn_lock_acquire(K, &with_half, &lock, &err));
    REFUSES("body", tarn_lock_with(K, &lock_options, NULL, NULL, &err));
    REFUSES("info", tarn_lock_status(K, NULL, NULL, &err));
    REFUSES("ETag", tarn_lock_break(K, NULL, NULL, &err));
    REFUSES("lock", tarn_lock_renew(NULL, &err));
    REFUSES("lock", tarn_lock_release(NULL, &err));
    assert_int_equal(tarn_lock_check(NULL), TARN_EINVAL);
    REFUSES("entry", tarn_store_get(store, "bkt", "k", NULL, &err));
    REFUSES("change", tarn_store_update(store, "bkt", "k", NULL, NULL, 0, NULL, &err));
    REFUSES("value", tarn_store_create(store, "bkt", "k", NULL, 0, NULL, &err));
    REFUSES("ETag", tarn_store_put(store, "bkt", "k", NULL, &value, 0, NULL, &err));
    for (size_t i = 0; i < TN_COUNT(stores); i++)
        MAKES_NONE("options", tarn_store_new(c, &stores[i], &err));
    tarn_store_free(store);
    assert_int_equal(fake_server_count(s), 0);
    tarn_client_free(c);
    fake_server_free(s);
}

static void test_buffers(void **state)
{
    static const struct tarn_buffer_storage half_storage = { .arg = &len };
    static const struct tarn_buffer_s3 nowhere = { .bucket = "bkt" };
    static const struct tarn_buffer_filter unknown = { .kind = (enum tarn_buffer_filter_kind)99 };
    struct tarn_buffer *b = tarn_buffer_new(NULL, NULL);
    char out[4];
    (void)state;
    MAKES_NONE("filters",
               tarn_buffer_new(&(struct tarn_buffer_options){ .filter_count = 1 }, &err));
    MAKES_NONE("five",
               tarn_buffer_new(&(struct tarn_buffer_options){ .storage = &half_storage }, &err));
    MAKES_NONE("client", tarn_buffer_new(&(struct tarn_buffer_options){ .s3 = &nowhere }, &err));
    MAKES_NONE("99",
               tarn_buffer_new(
                   &(struct tarn_buffer_options){ .filters = &unknown, .filter_count = 1 }, &err));
    REFUSES("buffer", tarn_buffer_write(NULL, "x", 1, &err));
    REFUSES("bytes", tarn_buffer_write(b, NULL, 1, &err));
    REFUSES("bytes", tarn_buffer_read(b, NULL, 1, &err));
    REFUSES("bytes", tarn_buffer_read_until(b, 'x', NULL, 1, &err));
    REFUSES("bytes", tarn_buffer_pread(b, NULL, 1, 0, &err));
    REFUSES("buffer", tarn_buffer_read_until(NULL, 'x', out, 1, &err));
    REFUSES("buffer", tarn_buffer_rewind(NULL, &err));
    REFUSES("write", tarn_buffer_copy_to(b, NULL, NULL, &err));
    REFUSES("read", tarn_buffer_copy_from(b, NULL, NULL, &err));
    REFUSES("buffer", tarn_buffer_truncate(NULL, 0, &err));
    REFUSES("buffer", tarn_buffer_seal(NULL, &err));
    REFUSES("key", tarn_buffer_detach(b, NULL, &err));
    assert_null(tarn_buffer_file(b, NULL));
    assert_null(tarn_buffer_file(NULL, "r"));
    tarn_buffer_free(b);
}

/* ---- values ---- */

static const char *const odd_texts[] = { "a\r\nx-evil: 1", "a\n", "\x01", "a\x7f" };

/* Fields that become header fields or a host's name. */
static void test_values(void **state)
{
    const struct tarn_header evil_name = { "a\r\nx-evil", "1" };
    const struct tarn_header reserved = { "Host", "elsewhere" };
    struct tarn_client *c;
    struct fake_server *s = serve(&c);
    (void)state;
    for (size_t i = 0; i < TN_COUNT(odd_texts); i++) {
        const char *odd = odd_texts[i];
        const struct tarn_header field = { "x-field", odd };
        const struct tarn_put_options puts[] = {
            { .attributes = { .content_type = odd } },
            { .attributes = { .metadata = &(struct tarn_header){ "m", odd },
                              .metadata_count = 1 } },
            { .attributes = { .metadata = &(struct tarn_header){ odd, "1" },
                              .metadata_count = 1 } },
            { .conditions = { .if_match = odd } },
            { .request = { .headers = &field, .header_count = 1 } },
            { .request = { .expected_owner = odd } },
        };
        for (size_t n = 0; n < TN_COUNT(puts); n++)
            REFUSES("", tarn_object_put(K, "x", 1, &puts[n], NULL, &err));
        REFUSES("no bucket name", tarn_object_head(c, odd, "k", NULL, &info, &err));
        REFUSES("", tarn_object_delete(K, &(struct tarn_delete_options){ .mfa = odd }, NULL, &err));
    }
    const struct tarn_put_options puts[] = {
        { .request = { .header_count = 1 } },
        { .request = { .headers = &nameless, .header_count = 1 } },
        { .request = { .headers = &evil_name, .header_count = 1 } },
        { .request = { .headers = &reserved, .header_count = 1 } },
        { .attributes = { .metadata_count = 1 } },
        { .attributes = { .metadata = &nameless, .metadata_count = 1 } },
        { .attributes = { .metadata = &(struct tarn_header){ "", "1" }, .metadata_count = 1 } },
        { .attributes = { .acl = "everybody" } },
        { .checksum = (enum tarn_checksum)99 },
        { .checksum = TARN_CHECKSUM_CRC32, .checksum_value = "no base64" },
    };
    for (size_t n = 0; n < TN_COUNT(puts); n++)
        REFUSES("", tarn_object_put(K, "x", 1, &puts[n], NULL, &err));
    REFUSES("", tarn_multipart_create(K, &puts[8], upload_id, &err));
    REFUSES("", tarn_multipart_upload_part(K, "U", 1, "x", 1, &puts[8], &part, &err));
    REFUSES("", tarn_multipart_upload_part(K, "U", 1, "x", 1, &puts[9], &part, &err));
    const struct tarn_copy_options copies[] = { { .checksum = (enum tarn_checksum)99 },
                                                { .metadata_directive = (enum tarn_directive)9 },
                                                { .tagging_directive = (enum tarn_directive)9 } };
    for (size_t n = 0; n < TN_COUNT(copies); n++)
        REFUSES("", tarn_object_copy(c, "src", "k", "bkt", "k", &copies[n], NULL, &err));
    const struct tarn_transfer_options transfers[] = {
        { .checksum = (enum tarn_checksum)99 },
        { .part_size = 1 },
        { .part_threshold = UINT64_MAX },
    };
    for (size_t n = 0; n < TN_COUNT(transfers); n++)
        REFUSES("", tarn_upload_file(c, "/proc/self/exe", "bkt", "k", &transfers[n], NULL, &err));
    const struct tarn_presign_options urls[] = {
        { .header_count = 1 }, { .query_count = 1 }, { .method = "POKE" }, { .expires_s = -1 }
    };
    for (size_t n = 0; n < TN_COUNT(urls); n++)
        REFUSES("presign", tarn_presign(K, &urls[n], url, &err));
    const struct tarn_batch_options batches[] = { { .concurrency = 257 }, { .rate_max = -1 } };
    for (size_t n = 0; n < TN_COUNT(batches); n++)
        REFUSES("batch", tarn_batch_delete(c, "bkt", NULL, 0, &batches[n], NULL, &err));
    MAKES_NONE("page size",
               tarn_list_open(c, "bkt", &(struct tarn_list_options){ .page_size = 1001 }, &err));
    MAKES_NONE(
        "page size",
        tarn_versions_open(c, "bkt", &(struct tarn_versions_options){ .page_size = 1001 }, &err));
    MAKES_NONE("4096", tarn_job_new(c, &(struct tarn_job_options){ .objects_max = 4097 }, &err));
    assert_int_equal(fake_server_count(s), 0);
    tarn_client_free(c);
    fake_server_free(s);
}

static void expect_too_long(int rc)
{
    if ((rc != TARN_ETOOBIG && rc != TARN_EINVAL) || err.status != rc)
        fail_msg("%s: %s", tarn_status_name(rc), err.message);
}

/* A megabyte of text where a few bytes belong is refused, or sent; it breaks nothing. */
static void test_long_texts(void **state)
{
    enum { LONG = 1 << 20 };
    struct tarn_client *c;
    struct fake_server *s = serve(&c);
    char *text = malloc(LONG + 1);
    (void)state;
    assert_non_null(text);
    memset(text, 'a', LONG);
    text[LONG] = '\0';
    const struct tarn_header field = { "x-field", text };
    const struct tarn_put_options puts[] = {
        { .attributes = { .content_type = text } },
        { .attributes = { .metadata = &(struct tarn_header){ "m", text }, .metadata_count = 1 } },
        { .request = { .headers = &field, .header_count = 1 } },
    };
    REFUSES("could not look", tarn_object_head(c, text, "k", NULL, NULL, &err));
    expect_too_long(tarn_object_head(c, "bkt", text, NULL, NULL, &err));
    for (size_t i = 0; i < TN_COUNT(puts); i++)
        expect_too_long(tarn_object_put(K, "x", 1, &puts[i], NULL, &err));
    expect_too_long(
        tarn_object_delete(K, &(struct tarn_delete_options){ .version_id = text }, NULL, &err));
    expect_too_long(tarn_multipart_abort(K, text, NULL, &err));
    expect_too_long(
        tarn_bucket_create(c, "bkt", &(struct tarn_bucket_options){ .region = text }, &err));
    expect_too_long(tarn_presign(c, "bkt", "k",
                                 &(struct tarn_presign_options){ .version_id = text }, url, &err));
    REFUSES("lock", tarn_lock_acquire(c, "bkt", text, &lock_options, &lock, &err));
    assert_int_equal(fake_server_count(s), 0);
    tarn_client_free(c);
    fake_server_free(s);
    free(text);
}

/* A bucket in the host's name must be one. */
static void test_virtual_hosts(void **state)
{
    static const char *const odd[] = { "a b", "a#b", "a?b", "a@b", "a:1", "a%2f" };
    struct tarn_config config;
    (void)state;
    tarn_config_init(&config);
    config.endpoint = "http://127.0.0.1:9";
    config.access_key = "A";
    config.secret_key = "S";
    config.ignore_environment = true;
    config.addressing = TARN_ADDRESSING_VIRTUAL;
    config.retries_max = 0;
    struct tarn_client *c = tarn_client_new(&config, NULL);
    assert_non_null(c);
    for (size_t i = 0; i < TN_COUNT(odd); i++) {
        REFUSES("", tarn_object_head(c, odd[i], "k", NULL, &info, &err));
        REFUSES("", tarn_presign(c, odd[i], "k", NULL, url, &err));
    }
    tarn_client_free(c);
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
        cmocka_unit_test(test_names),      cmocka_unit_test(test_objects),
        cmocka_unit_test(test_transfers),  cmocka_unit_test(test_coordination),
        cmocka_unit_test(test_buffers),    cmocka_unit_test(test_values),
        cmocka_unit_test(test_long_texts), cmocka_unit_test(test_virtual_hosts),
        cmocka_unit_test(test_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
