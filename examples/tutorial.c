/* SPDX-License-Identifier: Apache-2.0 */
/* The programs of docs/guide/library.md, one function each; a test compares them with the text.
 * tutorial BUCKET runs them all against the endpoint of the environment. */

#include <stdio.h>
#include <string.h>

#include <tarn/tarn.h>

static int hello(struct tarn_client *client, const char *bucket, struct tarn_error *err)
{
    char *bytes = NULL;
    size_t len = 0;
    int rc = tarn_object_put(client, bucket, "hello.txt", "Hello, S3!", 10, NULL, NULL, err);
    if (rc == TARN_OK)
        rc = tarn_object_get_bytes(client, bucket, "hello.txt", 1 << 20, &bytes, &len, NULL, NULL,
                                   err);
    if (rc == TARN_OK)
        printf("%.*s\n", (int)len, bytes);
    tarn_bytes_free(bytes);
    return rc;
}

static int only_when_absent(struct tarn_client *client, const char *bucket, struct tarn_error *err)
{
    struct tarn_put_options options = { .conditions.if_none_match = "*",
                                        .attributes.content_type = "text/plain" };
    int rc = tarn_object_put(client, bucket, "once.txt", "first", 5, &options, NULL, err);
    if (rc == TARN_EPRECOND) {
        printf("somebody was faster\n");
        return TARN_OK;
    }
    return rc;
}

static int list_all(struct tarn_client *client, const char *bucket, struct tarn_error *err)
{
    struct tarn_list_options options = { .prefix = "data/" };
    const struct tarn_list_entry *entry = NULL;
    struct tarn_list *list = tarn_list_open(client, bucket, &options, err);
    int rc = list ? TARN_OK : err->status;
    while (rc == TARN_OK && (rc = tarn_list_next(list, &entry, err)) == TARN_OK && entry)
        printf("%10llu  %s\n", (unsigned long long)entry->size, entry->key);
    tarn_list_free(list);
    return rc;
}

static int tag(struct tarn_client *client, const char *bucket, struct tarn_error *err)
{
    const struct tarn_header tags[] = { { "team", "audit" }, { "draft", NULL } };
    return tarn_tags_merge(client, bucket, "hello.txt", NULL, tags, 2, NULL, err);
}

static int delete_many(struct tarn_client *client, const char *bucket, struct tarn_error *err)
{
    static const char *const keys[] = { "hello.txt", "once.txt" };
    struct tarn_batch_result result = { 0 };
    int rc = tarn_batch_delete(client, bucket, keys, 2, NULL, &result, err);
    for (size_t i = 0; i < result.total; i++) {
        const struct tarn_error *why = result.items[i].error;
        printf("%s: %s\n", result.items[i].key, why ? why->message : "deleted");
    }
    tarn_batch_result_release(&result);
    return rc;
}

static int upload_in_background(struct tarn_client *client, void *arg, struct tarn_error *err)
{
    return tarn_object_put(client, arg, "async.txt", "later", 5, NULL, NULL, err);
}

static void on_uploaded(void *arg, int status, const struct tarn_error *err)
{
    printf("%s: %s\n", (const char *)arg, status == TARN_OK ? "uploaded" : err->message);
}

static int in_background(struct tarn_client *client, char *bucket, struct tarn_error *err)
{
    struct tarn_async *async = tarn_async_new(client, 8, err);
    int rc = async ? tarn_async_submit(async, upload_in_background, on_uploaded, bucket, err)
                   : err->status;
    tarn_async_free(async); /* waits for all */
    return rc;
}

static struct tarn_client *make_client(struct tarn_breaker *breaker, struct tarn_error *err)
{
    struct tarn_retry_policy patience;
    struct tarn_config config;
    tarn_config_init(&config);
    tarn_retry_policy_init(&patience, TARN_RETRY_NETWORK);
    tarn_config_set_retry(&config, &patience);
    config.breaker = breaker;
    return tarn_client_new(&config, err);
}

int main(int argc, char **argv)
{
    struct tarn_error err = { 0 };
    if (argc != 2) {
        fprintf(stderr, "usage: %s BUCKET\n", argv[0]);
        return 2;
    }
    struct tarn_breaker *breaker = tarn_breaker_new(NULL);
    struct tarn_client *client = make_client(breaker, &err);
    int rc = client ? TARN_OK : err.status;
    if (rc == TARN_OK)
        rc = hello(client, argv[1], &err);
    if (rc == TARN_OK)
        rc = only_when_absent(client, argv[1], &err);
    if (rc == TARN_OK)
        rc = list_all(client, argv[1], &err);
    if (rc == TARN_OK)
        rc = tag(client, argv[1], &err);
    if (rc == TARN_OK)
        rc = in_background(client, argv[1], &err);
    if (rc == TARN_OK)
        rc = delete_many(client, argv[1], &err);
    if (rc < 0)
        fprintf(stderr, "%s\n", err.message);
    tarn_client_free(client);
    tarn_breaker_free(breaker);
    return rc < 0;
}
