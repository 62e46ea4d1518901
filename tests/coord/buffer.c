/* SPDX-License-Identifier: Apache-2.0 */
/* Buffers in S3: streams in bounded memory, handing over, leftovers and the sweeper; and how fast
 * the filters are. */

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "coord/setup.h"

enum { BLOCK = 256 << 10, VIOLATED = 3, MEASURED_MIB = 64 };

#define CHECK(fact)                                                                                \
    do {                                                                                           \
        if (!(fact)) {                                                                             \
            fprintf(stderr, "line %d: does not hold: %s (%s)\n", __LINE__, #fact, err.message);    \
            return VIOLATED;                                                                       \
        }                                                                                          \
    } while (0)

/* The block number `n` of a stream that any reader can make again. */
static void make_block(char *to, uint64_t n)
{
    uint64_t x = n * 0x9E3779B97F4A7C15u + 1;
    for (size_t i = 0; i < BLOCK; i += 8) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        uint64_t y = i & 64 ? x : n;
        memcpy(to + i, &y, 8);
    }
}

static void nap(long ms)
{
    struct timespec delay = { ms / 1000, ms % 1000 * 1000000 };
    (void)nanosleep(&delay, NULL);
}

static int write_stream(struct tarn_buffer *b, uint64_t blocks, long pause_ms, char *block)
{
    struct tarn_error err = { 0 };
    for (uint64_t i = 0; i < blocks; i++) {
        make_block(block, i);
        CHECK(tarn_buffer_write(b, block, BLOCK, &err) == TARN_OK);
        if (pause_ms)
            nap(pause_ms);
    }
    CHECK(tarn_buffer_seal(b, &err) == TARN_OK);
    return 0;
}

static int read_stream(struct tarn_buffer *b, uint64_t blocks, char *block)
{
    char *expected = tn_realloc(NULL, BLOCK);
    struct tarn_error err = { 0 };
    for (uint64_t i = 0; i < blocks; i++) {
        make_block(expected, i);
        size_t got = 0;
        while (got < BLOCK) { /* trouble on the way is for the caller to try again */
            int64_t n = tarn_buffer_read(b, block + got, BLOCK - got, &err);
            CHECK(n > 0 || n == TARN_ENETWORK || n == TARN_ESERVER || n == TARN_ETIMEOUT);
            got += n > 0 ? (size_t)n : 0;
        }
        CHECK(memcmp(expected, block, BLOCK) == 0);
    }
    CHECK(tarn_buffer_read(b, block, 1, &err) == 0);
    tn_free(expected);
    return 0;
}

static int count_entries(struct tarn_client *client, const char *bucket, const char *prefix)
{
    struct tarn_list_options options = { .prefix = prefix };
    struct tarn_list *list = tarn_list_open(client, bucket, &options, NULL);
    const struct tarn_list_entry *entry = NULL;
    int count = 0;
    while (list && tarn_list_next(list, &entry, NULL) == TARN_OK && entry)
        count++;
    tarn_list_free(list);
    return count;
}

static int count_upload(void *arg, const struct tarn_upload_entry *entry)
{
    (void)entry;
    *(int *)arg += 1;
    return TARN_OK;
}

static int check_empty(const struct setup *s, struct tarn_client *straight)
{
    struct tarn_error err = { 0 };
    int uploads = 0;
    CHECK(count_entries(straight, s->bucket, s->name) == 0);
    CHECK(tarn_multipart_list_uploads(straight, s->bucket, NULL, NULL, count_upload, &uploads,
                                      &err) == TARN_OK);
    CHECK(uploads == 0);
    return 0;
}

static int handing_over(const struct setup *s, struct tarn_client *straight,
                        const struct tarn_buffer_options *o, char *block)
{
    struct tarn_error err = { 0 };
    char key[TARN_KEY_LEN_MAX + 1];
    char *bytes = NULL;
    size_t len = 0;
    uint64_t removed = 0;
    struct tarn_buffer_gc_options all = { .older_than_ms = 1 };
    struct tarn_buffer *b = tarn_buffer_new(o, &err);
    CHECK(b);
    make_block(block, 0);
    CHECK(tarn_buffer_write(b, block, BLOCK, &err) == TARN_OK);
    CHECK(tarn_buffer_read(b, block, 100, &err) == 100); /* so that there are several segments */
    make_block(block, 1);
    CHECK(tarn_buffer_write(b, block, BLOCK, &err) == TARN_OK);
    CHECK(tarn_buffer_detach(b, key, &err) == TARN_OK);
    CHECK(tarn_buffer_size(b) == 0);
    nap(20);
    CHECK(tarn_buffer_gc(straight, s->bucket, s->name, &all, NULL, NULL, &removed, &err) ==
          TARN_OK);
    CHECK(removed == 0);
    CHECK(tarn_object_get_bytes(straight, s->bucket, key, 2 * BLOCK, &bytes, &len, NULL, NULL,
                                &err) == TARN_OK);
    bool is_right = len == 2 * BLOCK && memcmp(bytes + BLOCK, block, BLOCK) == 0;
    tarn_bytes_free(bytes);
    CHECK(is_right);
    CHECK(tarn_object_delete(straight, s->bucket, key, NULL, NULL, &err) == TARN_OK);
    tarn_buffer_free(b);
    return 0;
}

/* What a crash leaves, beside objects that look like it. */
static int sweeping(const struct setup *s, struct tarn_client *straight,
                    const struct tarn_buffer_options *o, char *block)
{
    struct tarn_error err = { 0 };
    uint64_t removed = 0;
    char foreign[128];
    struct tarn_buffer_gc_options young = { .older_than_ms = 3600 * 1000 }, all = { 0 };
    struct tarn_buffer *b = tarn_buffer_new(o, &err);
    CHECK(b);
    (void)snprintf(foreign, sizeof foreign, "%s/1640995200-a1b2c3d4.bin", s->name);
    CHECK(tarn_object_put(straight, s->bucket, foreign, "x", 1, NULL, NULL, &err) == TARN_OK);
    make_block(block, 0);
    CHECK(tarn_buffer_write(b, block, BLOCK, &err) == TARN_OK);
    CHECK(tarn_buffer_seal(b, &err) == TARN_OK);
    CHECK(count_entries(straight, s->bucket, s->name) == 2);
    nap(1100);
    CHECK(tarn_buffer_gc(straight, s->bucket, s->name, &young, NULL, NULL, &removed, &err) ==
          TARN_OK);
    CHECK(removed == 0);
    all.older_than_ms = 1;
    all.is_dry_run = true;
    CHECK(tarn_buffer_gc(straight, s->bucket, s->name, &all, NULL, NULL, &removed, &err) ==
          TARN_OK);
    CHECK(removed == 1 && count_entries(straight, s->bucket, s->name) == 2);
    all.is_dry_run = false;
    CHECK(tarn_buffer_gc(straight, s->bucket, s->name, &all, NULL, NULL, &removed, &err) ==
          TARN_OK);
    CHECK(removed == 1 && count_entries(straight, s->bucket, s->name) == 1);
    CHECK(tarn_buffer_read(b, block, 10, &err) == TARN_ECORRUPT); /* it is gone, and that is said */
    tarn_buffer_free(b);
    CHECK(tarn_object_delete(straight, s->bucket, foreign, NULL, NULL, &err) == TARN_OK);
    return 0;
}

/* Not of getrusage(), which also counts what the parent had before exec. */
static double peak_rss_mib(void)
{
    char line[256];
    long kib = 0;
    FILE *status = fopen("/proc/self/status", "r");
    while (status && fgets(line, sizeof line, status)) {
        if (strncmp(line, "VmHWM:", 6) == 0)
            kib = strtol(line + 6, NULL, 10);
    }
    if (status)
        (void)fclose(status);
    return (double)kib / 1024.0;
}

int prove_buffer(const struct setup *s)
{
    struct tarn_client *client = setup_client(s->endpoint, 4);
    struct tarn_client *straight = setup_client(NULL, 4);
    struct tarn_buffer_s3 s3 = {
        .client = client, .bucket = s->bucket, .prefix = s->name, .timeout_ms = s->ttl_ms
    };
    struct tarn_buffer_filter filters[] = { { .kind = TARN_BUFFER_ZSTD },
                                            { .kind = TARN_BUFFER_CHACHA20_POLY1305 } };
    struct tarn_buffer_options o = { .s3 = &s3, .filters = filters };
    struct tarn_error err = { 0 };
    char *block = tn_realloc(NULL, BLOCK);
    uint64_t blocks = (uint64_t)s->rounds * 4;
    uint64_t begun = steady_now_ms();
    o.filter_count = s->strategy ? 2 : 0;
    struct tarn_buffer *b = tarn_buffer_new(&o, &err);
    CHECK(b);
    int code = write_stream(b, blocks, s->hold_us / 1000, block);
    if (code == 0)
        code = read_stream(b, blocks, block);
    tarn_buffer_free(b);
    double peak_mib = peak_rss_mib();
    uint64_t took = steady_now_ms() - begun;
    o.filter_count = 0;
    o.threshold = 1000;
    s3.timeout_ms = 10000;
    if (code == 0)
        code = handing_over(s, straight, &o, block);
    if (code == 0)
        code = sweeping(s, straight, &o, block);
    if (code == 0)
        code = check_empty(s, straight);
    printf("{\"mib\": %ld, \"ms\": %llu, \"peak_rss_mib\": %.1f, \"holds\": %s}\n", s->rounds,
           (unsigned long long)took, peak_mib, code ? "false" : "true");
    tn_free(block);
    tarn_client_free(client);
    tarn_client_free(straight);
    return code;
}

/* ---- speed ---- */

/* MB of plain bytes a second, to a file and back. */
static double speed_of(const struct tarn_buffer_filter *filter, char *block)
{
    struct tarn_buffer_options o = { .filters = filter, .filter_count = filter ? 1 : 0 };
    struct tarn_error err = { 0 };
    struct tarn_buffer *b = tarn_buffer_new(&o, &err);
    uint64_t begun = tn_now_ns();
    for (uint64_t i = 0; i < MEASURED_MIB * 4; i++) {
        if (tarn_buffer_write(b, block, BLOCK, &err) < 0)
            setup_die("buffer", &err);
    }
    if (tarn_buffer_seal(b, &err) < 0)
        setup_die("buffer", &err);
    while (tarn_buffer_read(b, block, BLOCK, &err) > 0)
        continue;
    double seconds = (double)(tn_now_ns() - begun) / 1e9;
    tarn_buffer_free(b);
    return (double)MEASURED_MIB * 1.048576 / seconds;
}

void measure_buffers(void)
{
    static const struct {
        const char *name;
        struct tarn_buffer_filter filter;
    } kinds[] = {
        { "zstd", { .kind = TARN_BUFFER_ZSTD } },
        { "gzip", { .kind = TARN_BUFFER_GZIP } },
        { "aes_256_gcm", { .kind = TARN_BUFFER_AES_256_GCM } },
        { "chacha20_poly1305", { .kind = TARN_BUFFER_CHACHA20_POLY1305 } },
    };
    char *block = tn_realloc(NULL, BLOCK);
    make_block(block, 1);
    printf(", \"buffer_none_mb_per_s\": %.1f", speed_of(NULL, block));
    for (size_t i = 0; i < TN_COUNT(kinds); i++) {
        make_block(block, 1);
        printf(", \"buffer_%s_mb_per_s\": %.1f", kinds[i].name, speed_of(&kinds[i].filter, block));
    }
    tn_free(block);
}
