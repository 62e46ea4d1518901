/* SPDX-License-Identifier: Apache-2.0 */
/* The programs of docs/guide/{atomic-copy,locks,values,buffers,mock}.md; a test compares them with
 * the text. Needs no server: it starts one. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tarn/mock.h>
#include <tarn/tarn.h>

static int publish(struct tarn_client *client, const char *bucket, struct tarn_error *err)
{
    struct tarn_copy_atomic_result result = { 0 };
    int rc = tarn_copy_atomic(client, bucket, "_staged/00012.json", bucket, "_log/00012.json", NULL,
                              &result, err);
    if (rc == TARN_OK)
        printf("published by way of %s\n", tarn_copy_strategy_name(result.strategy));
    if (rc == TARN_EEXISTS) {
        printf("somebody else was faster\n");
        return TARN_OK;
    }
    return rc;
}

static int add_one(void *arg, const void *present, void **next)
{
    const struct tarn_bytes *old = present; /* NULL: nothing is there yet */
    char text[32];
    (void)arg;
    int len = snprintf(text, sizeof text, "%ld", (old ? strtol(old->data, NULL, 10) : 0) + 1);
    *next = tarn_bytes_new(text, (size_t)len);
    return *next ? TARN_OK : TARN_ENOMEM;
}

static int count_run(struct tarn_client *client, const char *bucket, uint64_t token,
                     struct tarn_error *err)
{
    struct tarn_store *store = tarn_store_new(client, NULL, err);
    int rc = store ? tarn_store_update(store, bucket, "runs", add_one, NULL, token, NULL, err)
                   : err->status;
    tarn_store_free(store);
    return rc;
}

static int show_count(struct tarn_client *client, const char *bucket, struct tarn_error *err)
{
    struct tarn_store_entry entry = { 0 };
    struct tarn_store *store = tarn_store_new(client, NULL, err);
    int rc = store ? tarn_store_get(store, bucket, "runs", &entry, err) : err->status;
    if (rc == TARN_OK)
        printf("run %s\n", ((struct tarn_bytes *)entry.value)->data);
    if (rc == TARN_OK)
        tarn_store_entry_release(store, &entry);
    tarn_store_free(store);
    return rc;
}

static int index_alone(struct tarn_client *client, const char *bucket, struct tarn_error *err)
{
    struct tarn_lock *lock = NULL;
    struct tarn_lock_options options = { .ttl_ms = 30000, .wait_ms = 60000, .owner = "indexer" };
    int rc = tarn_lock_acquire(client, bucket, "index", &options, &lock, err);
    if (rc < 0)
        return rc;
    if (tarn_lock_check(lock) == TARN_OK) /* before each step that matters */
        rc = count_run(client, bucket, tarn_lock_token(lock), err);
    int released = tarn_lock_release(lock, rc < 0 ? NULL : err);
    return rc < 0 ? rc : released;
}

static int spool(struct tarn_client *client, const char *bucket, struct tarn_error *err)
{
    const struct tarn_buffer_filter filters[] = { { .kind = TARN_BUFFER_ZSTD },
                                                  { .kind = TARN_BUFFER_AES_256_GCM } };
    struct tarn_buffer_s3 s3 = { .client = client, .bucket = bucket, .prefix = "myapp/temp" };
    struct tarn_buffer_options options = { .s3 = &s3, .filters = filters, .filter_count = 2 };
    char out[64];
    int rc = TARN_OK;
    struct tarn_buffer *b = tarn_buffer_new(&options, err);
    if (!b)
        return err->status;
    for (int i = 0; i < 100000 && rc == TARN_OK; i++) /* 3.7 MB: more than stays in memory */
        rc = tarn_buffer_write(b, "many lines of a log that is compressed", 38, err);
    if (rc == TARN_OK)
        rc = tarn_buffer_seal(b, err); /* everything is where it should be, or this says why not */
    int64_t len = rc == TARN_OK ? tarn_buffer_read(b, out, 10, err) : rc;
    if (len > 0)
        printf("%.*s of %llu bytes\n", (int)len, out, (unsigned long long)tarn_buffer_size(b));
    tarn_buffer_free(b); /* removes what was spilled */
    return len < 0 ? (int)len : TARN_OK;
}

static int all(struct tarn_client *client, const char *bucket, struct tarn_error *err)
{
    int rc = tarn_object_put(client, bucket, "_staged/00012.json", "{}", 2, NULL, NULL, err);
    if (rc == TARN_OK)
        rc = publish(client, bucket, err);
    if (rc == TARN_OK)
        rc = publish(client, bucket, err);
    if (rc == TARN_OK)
        rc = index_alone(client, bucket, err);
    if (rc == TARN_OK)
        rc = show_count(client, bucket, err);
    if (rc == TARN_OK)
        rc = spool(client, bucket, err);
    return rc;
}

static int on_a_server_of_its_own(struct tarn_error *err)
{
    struct tarn_mock_options options = { .buckets = (const char *const[]){ "test" },
                                         .bucket_count = 1 };
    struct tarn_mock *mock = tarn_mock_start(&options, err);
    struct tarn_client *client = mock ? tarn_mock_client(mock, err) : NULL;
    int rc = client ? all(client, "test", err) : err->status;
    tarn_client_free(client);
    int stopped = tarn_mock_stop(mock, rc < 0 ? NULL : err);
    return rc < 0 ? rc : stopped;
}

int main(void)
{
    struct tarn_error err = { 0 };
    if (on_a_server_of_its_own(&err) < 0) {
        fprintf(stderr, "Error: %s\n", err.message);
        return 1;
    }
    return 0;
}
