/* SPDX-License-Identifier: Apache-2.0 */
/* Tests tarn_copy_atomic against a real bucket and cleans up, also when a step fails:
 * s3-copy-atomic --bucket B [--region R] [--endpoint URL] [--prefix P] */

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <tarn/tarn.h>

#define KEY_LEN 1024

struct run {
    struct tarn_client *client;
    const char *bucket;
    const char *region;
    const char *endpoint;
    const char *prefix;
    int64_t now;
    char source[KEY_LEN];
    char dest[KEY_LEN];
    char dest2[KEY_LEN];
    char missing[KEY_LEN];
    char content[128];
    struct tarn_error err;
};

static int fail(const char *what)
{
    fprintf(stderr, "Error: %s\n", what);
    return -1;
}

static int copy(struct run *r, const char *from, const char *to)
{
    memset(&r->err, 0, sizeof r->err);
    return tarn_copy_atomic(r->client, r->bucket, from, r->bucket, to, NULL, NULL, &r->err);
}

static int make_source(struct run *r)
{
    printf("Test 1: Creating source file...\n");
    if (tarn_object_put(r->client, r->bucket, r->source, r->content, strlen(r->content), NULL, NULL,
                        &r->err) < 0)
        return fail(r->err.message);
    printf("[OK] Source file created\n\n");
    return 0;
}

static int copy_once(struct run *r)
{
    printf("Test 2: Copying to destination (should succeed)...\n");
    if (copy(r, r->source, r->dest) < 0)
        return fail(r->err.message);
    printf("[OK] Copy succeeded\n\n");
    return 0;
}

static int compare(struct run *r)
{
    char *bytes = NULL;
    size_t len = 0;
    printf("Test 3: Verifying destination content...\n");
    if (tarn_object_get_bytes(r->client, r->bucket, r->dest, sizeof r->content, &bytes, &len, NULL,
                              NULL, &r->err) < 0)
        return fail(r->err.message);
    int is_same = len == strlen(r->content) && memcmp(bytes, r->content, len) == 0;
    tarn_bytes_free(bytes);
    if (!is_same)
        return fail("Destination content doesn't match!");
    printf("[OK] Destination content matches source\n\n");
    return 0;
}

static int copy_again(struct run *r)
{
    char message[700];
    printf("Test 4: Attempting duplicate copy (should fail)...\n");
    int rc = copy(r, r->source, r->dest);
    if (rc == TARN_OK)
        return fail("FAIL: Copy should have failed but succeeded!");
    if (rc != TARN_EEXISTS) {
        snprintf(message, sizeof message, "FAIL: Expected FileAlreadyExists, got: %s",
                 r->err.message);
        return fail(message);
    }
    printf("[OK] Correctly failed with FileAlreadyExists\n\n");
    return 0;
}

static int copy_missing(struct run *r)
{
    printf("Test 5: Copying from non-existent source (should fail)...\n");
    if (copy(r, r->missing, r->dest2) == TARN_OK)
        return fail("FAIL: Should have failed with missing source!");
    printf("[OK] Correctly failed when source doesn't exist\n\n");
    return 0;
}

static int clean_up(struct run *r)
{
    const char *keys[] = { r->source, r->dest, r->dest2 };
    int rc = 0;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        struct tarn_error err = { 0 };
        if (tarn_object_delete(r->client, r->bucket, keys[i], NULL, NULL, &err) < 0)
            rc = fail(err.message);
    }
    return rc;
}

static void print_head(const struct run *r)
{
    printf("=== S3 copy_atomic Test ===\nBucket: %s\nRegion: %s\n", r->bucket, r->region);
    if (r->endpoint)
        printf("Endpoint: %s\n", r->endpoint);
    printf("\nTest files:\n  Source: %s\n  Dest:   %s\n\n", r->source, r->dest);
}

static void print_summary(void)
{
    printf("Cleanup: Deleting test files...\n[OK] Test files deleted\n\n"
           "=== All Tests Passed! ===\n\nSummary:\n"
           "  [OK] Source file creation\n"
           "  [OK] Atomic copy to destination\n"
           "  [OK] Content verification\n"
           "  [OK] Duplicate copy prevention (atomic if-not-exists)\n"
           "  [OK] Missing source error handling\n\n"
           "The copy_atomic implementation works correctly on S3!\n");
}

static int run_all(struct run *r)
{
    static int (*const steps[])(struct run *) = { make_source, copy_once, compare, copy_again,
                                                  copy_missing };
    int rc = 0;
    print_head(r);
    for (size_t i = 0; i < sizeof steps / sizeof *steps && rc == 0; i++)
        rc = steps[i](r);
    if (clean_up(r) < 0)
        rc = -1;
    if (rc == 0)
        print_summary();
    return rc;
}

static int parse(int argc, char **argv, struct run *r)
{
    static const struct option options[] = { { "bucket", required_argument, NULL, 'b' },
                                             { "region", required_argument, NULL, 'r' },
                                             { "endpoint", required_argument, NULL, 'e' },
                                             { "prefix", required_argument, NULL, 'p' },
                                             { NULL, 0, NULL, 0 } };
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'b')
            r->bucket = optarg;
        else if (option == 'r')
            r->region = optarg;
        else if (option == 'e')
            r->endpoint = optarg;
        else if (option == 'p')
            r->prefix = optarg;
        else
            return -1;
    }
    return r->bucket && optind == argc ? 0 : -1;
}

static void name_keys(struct run *r)
{
    const char *p = r->prefix;
    snprintf(r->source, KEY_LEN, "%s/source-%" PRId64 ".txt", p, r->now);
    snprintf(r->dest, KEY_LEN, "%s/dest-%" PRId64 ".txt", p, r->now);
    snprintf(r->dest2, KEY_LEN, "%s/dest2-%" PRId64 ".txt", p, r->now);
    snprintf(r->missing, KEY_LEN, "%s/missing-%" PRId64 ".txt", p, r->now);
    snprintf(r->content, sizeof r->content,
             "Test data from copy_atomic example - timestamp: %" PRId64, r->now);
}

int main(int argc, char **argv)
{
    struct run r = { .region = "us-east-1", .prefix = "copy-atomic-test", .now = time(NULL) };
    struct tarn_config config;
    if (parse(argc, argv, &r) < 0) {
        fprintf(stderr, "usage: %s --bucket B [--region R] [--endpoint URL] [--prefix P]\n",
                argv[0]);
        return 2;
    }
    tarn_config_init(&config);
    config.region = r.region;
    config.endpoint = r.endpoint;
    r.client = tarn_client_new(&config, &r.err);
    if (!r.client) {
        (void)fail(r.err.message);
        return 1;
    }
    name_keys(&r);
    int rc = run_all(&r);
    tarn_client_free(r.client);
    return rc < 0;
}
