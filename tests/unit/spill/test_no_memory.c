/* SPDX-License-Identifier: Apache-2.0 */
/* Buffers that spill into S3 and into files, and their sweeper, with too little memory: what was
 * read is what was written, and nothing is left behind. */

#include "unit/t.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tarn/tarn.h>

#include "unit/client/fake_server.h"

enum { BYTES_LEN = 3000, ANSWER_CAP = 8192 };

/* A bucket of one object, which is BYTES_LEN times 'x'. */
struct stage {
    struct fake_server *server;
    struct tarn_client *client;
    int (*call)(struct stage *s, struct tarn_error *err);
    const char *name;
    bool exists;
    bool hides_etag;
    int version;
    char owner[1024]; /* the field of the metadata, as it came */
    char answer[ANSWER_CAP];
};

static bool is(const char *head, const char *start)
{
    return strncmp(head, start, strlen(start)) == 0;
}

static const char *say(struct stage *s, const char *status, const char *fields, size_t len)
{
    int n =
        snprintf(s->answer, sizeof s->answer,
                 "HTTP/1.1 %s\r\nConnection: close\r\nContent-Length: %zu\r\nETag: \"e%d\"\r\n%s"
                 "\r\n",
                 status, len, s->version, fields);
    return n > 0 ? s->answer : NULL;
}

static const char *say_document(struct stage *s, const char *text)
{
    (void)say(s, "200 OK", "", strlen(text));
    size_t at = strlen(s->answer);
    (void)snprintf(s->answer + at, sizeof s->answer - at, "%s", text);
    return s->answer;
}

static const char *give(struct stage *s, const char *head)
{
    char fields[256];
    const char *range = strcasestr(head, "\r\nrange: bytes=");
    unsigned long first = range ? strtoul(range + 15, NULL, 10) : 0;
    const char *dash = range ? strchr(range, '-') : NULL;
    unsigned long last = dash ? strtoul(dash + 1, NULL, 10) : BYTES_LEN - 1;
    if (!s->exists)
        return say(s, "404 Not Found", "", 0);
    if (is(head, "HEAD") && s->hides_etag) {
        (void)snprintf(s->answer, sizeof s->answer,
                       "HTTP/1.1 200 OK\r\nConnection: close\r\n%s\r\n", s->owner);
        return s->answer;
    }
    if (is(head, "HEAD"))
        return say(s, "200 OK", s->owner, BYTES_LEN);
    size_t len = last - first + 1;
    (void)snprintf(fields, sizeof fields, "Content-Range: bytes %lu-%lu/%d\r\n", first, last,
                   BYTES_LEN);
    (void)say(s, "206 Partial Content", fields, len);
    size_t at = strlen(s->answer);
    memset(s->answer + at, 'x', len);
    s->answer[at + len] = '\0';
    return s->answer;
}

static const char *take(struct stage *s, const char *head)
{
    const char *owner = strcasestr(head, "x-amz-meta-");
    s->exists = true;
    s->version++;
    s->owner[0] = '\0';
    for (; owner; owner = strcasestr(owner + 1, "x-amz-meta-")) {
        size_t at = strlen(s->owner);
        (void)snprintf(s->owner + at, sizeof s->owner - at, "%.*s\r\n", (int)strcspn(owner, "\r"),
                       owner);
    }
    if (!strcasestr(head, "x-amz-copy-source"))
        return say(s, "200 OK", "", 0);
    return say_document(s, "<CopyObjectResult><ETag>&quot;c&quot;</ETag></CopyObjectResult>");
}

static const char *answer_to(void *arg, const char *head)
{
    struct stage *s = arg;
    if (is(head, "PUT"))
        return take(s, head);
    if (is(head, "DELETE")) {
        s->exists = false;
        return say(s, "204 No Content", "", 0);
    }
    if (strstr(head, "list-type="))
        return say_document(s, "<ListBucketResult><Contents><Key>p/1700000000-0123456789abcdef.bin"
                               "</Key><Size>3000</Size></Contents></ListBucketResult>");
    if (strstr(head, "?uploads") || strstr(head, "&uploads"))
        return say_document(s, "<ListMultipartUploadsResult></ListMultipartUploadsResult>");
    return give(s, head);
}

/* ---- buffers ---- */

static int check_read(struct tarn_buffer *b, struct tarn_error *err)
{
    char out[BYTES_LEN];
    int64_t n = tarn_buffer_read(b, out, sizeof out, err);
    if (n < 0)
        return (int)n;
    assert_int_equal(n, BYTES_LEN);
    for (size_t i = 0; i < sizeof out; i++)
        assert_int_equal(out[i], 'x');
    return TARN_OK;
}

static int fill_and_read(const struct tarn_buffer_options *options, struct tarn_error *err)
{
    char in[BYTES_LEN];
    memset(in, 'x', sizeof in);
    struct tarn_buffer *b = tarn_buffer_new(options, err);
    int rc = b ? tarn_buffer_write(b, in, sizeof in, err) : err->status;
    if (rc == TARN_OK)
        rc = tarn_buffer_seal(b, err);
    if (rc == TARN_OK)
        rc = check_read(b, err);
    tarn_buffer_free(b);
    return rc;
}

static int use_s3(struct stage *s, struct tarn_error *err)
{
    const struct tarn_buffer_s3 s3 = { .client = s->client, .bucket = "bkt", .prefix = "p" };
    const struct tarn_buffer_options options = { .threshold = 100, .s3 = &s3 };
    return fill_and_read(&options, err);
}

static int use_file(struct stage *s, struct tarn_error *err)
{
    const struct tarn_buffer_filter filter = { .kind = TARN_BUFFER_ZSTD };
    const struct tarn_buffer_options options = { .threshold = 100,
                                                 .filters = &filter,
                                                 .filter_count = 1 };
    (void)s;
    return fill_and_read(&options, err);
}

static int use_pool(struct stage *s, struct tarn_error *err)
{
    (void)s;
    struct tarn_buffer_pool *pool = tarn_buffer_pool_new(1 << 20, err);
    const struct tarn_buffer_options options = { .pool = pool, .prealloc = 100000 };
    int rc = pool ? fill_and_read(&options, err) : err->status;
    if (pool)
        tarn_buffer_pool_free(pool);
    return rc;
}

static int use_stdio(struct stage *s, struct tarn_error *err)
{
    (void)s;
    struct tarn_buffer *b = tarn_buffer_new(NULL, err);
    FILE *f = b ? tarn_buffer_file(b, "w+") : NULL;
    int rc = !b ? err->status : f ? TARN_OK : TARN_ENOMEM;
    if (f && (fputs("hello", f) < 0 || fflush(f) != 0))
        rc = TARN_ENOMEM;
    if (f)
        (void)fclose(f);
    if (rc < 0)
        err->status = rc;
    tarn_buffer_free(b);
    return rc;
}

static int detach(struct stage *s, struct tarn_error *err)
{
    const struct tarn_buffer_s3 s3 = { .client = s->client, .bucket = "bkt", .prefix = "p" };
    const struct tarn_buffer_options options = { .threshold = 100, .s3 = &s3 };
    char key[TARN_KEY_LEN_MAX + 1] = "";
    char in[BYTES_LEN];
    memset(in, 'x', sizeof in);
    struct tarn_buffer *b = tarn_buffer_new(&options, err);
    int rc = b ? tarn_buffer_write(b, in, sizeof in, err) : err->status;
    if (rc == TARN_OK)
        rc = tarn_buffer_detach(b, key, err);
    assert_int_equal(rc == TARN_OK, key[0] != '\0');
    assert_true(rc < 0 || s->exists);
    tarn_buffer_free(b);
    return rc;
}

static int sweep_bucket(struct stage *s, struct tarn_error *err)
{
    uint64_t removed = 0;
    s->exists = true;
    (void)snprintf(s->owner, sizeof s->owner,
                   "x-amz-meta-tarn-buffer-owner: 1\r\nx-amz-meta-tarn-buffer-expires: 1\r\n");
    int rc = tarn_buffer_gc(s->client, "bkt", "p", NULL, NULL, NULL, &removed, err);
    if (rc == TARN_OK)
        assert_int_equal(removed, s->hides_etag ? 0 : 1);
    return rc;
}

/* ---- the sweeps ---- */

static int fail_and_repeat(void *arg)
{
    struct stage *s = arg;
    struct tarn_error err = { 0 };
    struct tarn_error again = { 0 };
    s->exists = false;
    int rc = s->call(s, &err);
    if (rc != TARN_OK && (rc != TARN_ENOMEM || err.status != rc))
        fail_msg("%s: %s (%s): %s", s->name, tarn_status_name(rc), tarn_status_name(err.status),
                 err.message);
    s->exists = false;
    if (rc < 0 && s->call(s, &again) != TARN_OK)
        fail_msg("%s: fails for ever: %s", s->name, again.message);
    return rc;
}

static struct tarn_client *connect_to(const struct stage *s)
{
    struct tarn_config config;
    fake_server_config(s->server, &config);
    config.retries_max = 0;
    config.io_threads = config.connections_max = 1; /* the server has one connection at a time */
    return tarn_client_new(&config, NULL);
}

static void test_calls(void **state)
{
    static const struct {
        const char *name;
        int (*call)(struct stage *s, struct tarn_error *err);
    } calls[] = {
        { "into S3", use_s3 },     { "into a file", use_file }, { "from a pool", use_pool },
        { "as stdio", use_stdio }, { "detached", detach },      { "swept", sweep_bucket },
    };
    (void)state;
    for (size_t i = 0; i < TN_COUNT(calls); i++) {
        struct stage s = { .name = calls[i].name, .call = calls[i].call };
        s.server = fake_server_new_fn(answer_to, &s);
        s.client = connect_to(&s);
        assert_non_null(s.client);
        t_oom_sweep(fail_and_repeat, &s);
        tarn_client_free(s.client);
        fake_server_free(s.server);
    }
}

/* An object that cannot be told from the next one of its name stays. */
static void test_sweeper_without_etags(void **state)
{
    struct stage s = { .name = "swept without ETags", .hides_etag = true };
    struct tarn_error err = { 0 };
    (void)state;
    s.server = fake_server_new_fn(answer_to, &s);
    s.client = connect_to(&s);
    assert_non_null(s.client);
    assert_int_equal(sweep_bucket(&s, &err), TARN_OK);
    assert_true(s.exists);
    tarn_client_free(s.client);
    fake_server_free(s.server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls),
        cmocka_unit_test(test_sweeper_without_etags),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
