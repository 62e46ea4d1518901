/* SPDX-License-Identifier: Apache-2.0 */
/* One thing done to many keys: batch copy|class|metadata|tags|delete BUCKET KEY...
 * Writes "KEY STATUS" for each, then the counts. */

#include <stdio.h>
#include <string.h>

#include <tarn/tarn.h>

static int run(struct tarn_client *client, const char *what, const char *bucket,
               const char *const *keys, size_t count, struct tarn_batch_result *result,
               struct tarn_error *err)
{
    static const struct tarn_header metadata[] = { { "reviewed", "yes" }, { "draft", NULL } };
    static const struct tarn_header tags[] = { { "team", "audit" } };
    const struct tarn_batch_options options = { .concurrency = 4, .rate_max = 200 };
    const struct tarn_batch_options strict = { .concurrency = 1, .is_fail_fast = true };
    if (strcmp(what, "copy") == 0)
        return tarn_batch_copy(client, bucket, keys, count, bucket, "archive/", "data/", NULL,
                               &options, result, err);
    if (strcmp(what, "class") == 0)
        return tarn_batch_set_class(client, bucket, keys, count, "STANDARD_IA", &strict, result,
                                    err);
    if (strcmp(what, "metadata") == 0)
        return tarn_batch_set_metadata(client, bucket, keys, count, metadata, 2, &options, result,
                                       err);
    if (strcmp(what, "tags") == 0)
        return tarn_batch_set_tags(client, bucket, keys, count, tags, 1, true, &options, result,
                                   err);
    return tarn_batch_delete(client, bucket, keys, count, &options, result, err);
}

int main(int argc, char **argv)
{
    struct tarn_error err = { 0 };
    struct tarn_batch_result result = { 0 };
    const char *keys[256];
    size_t count = 0;
    if (argc < 4) {
        fprintf(stderr, "usage: %s copy|class|metadata|tags|delete BUCKET KEY...\n", argv[0]);
        return 2;
    }
    for (int i = 3; i < argc && count < 256; i++)
        keys[count++] = argv[i];
    struct tarn_client *client = tarn_client_new(NULL, &err);
    int rc = client ? run(client, argv[1], argv[2], keys, count, &result, &err) : err.status;
    for (size_t i = 0; i < result.total; i++) {
        const struct tarn_error *why = result.items[i].error;
        printf("%s %s\n", result.items[i].key, tarn_status_name(why ? why->status : TARN_OK));
    }
    printf("succeeded %zu, failed %zu, left out %zu\n", result.succeeded, result.failed,
           result.cancelled);
    if (rc < 0)
        fprintf(stderr, "%s\n", err.message);
    tarn_batch_result_release(&result);
    tarn_client_free(client);
    return rc < 0;
}
