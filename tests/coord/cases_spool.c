/* SPDX-License-Identifier: Apache-2.0 */
/* H1 to H4 and H16 to H18: what is wrong with the reference's buffer in S3, which is one PUT of
 * unknown length, once and for all. */

#include <netdb.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "coord/cases.h"

enum { LARGE = 6 * MIB, PAUSE_MS = 700, PAUSES = 5, TIMEOUT_MS = 3000 };
static const char KEY[] = "spool/1640995200-a1b2c3d4.bin"; /* as the reference names them */

static struct tarn_buffer *make_buffer(struct scene *c, long timeout_ms)
{
    struct tarn_buffer_s3 s3 = { .client = c->a,
                                 .bucket = c->s->bucket,
                                 .prefix = "spool",
                                 .timeout_ms = timeout_ms,
                                 .request = scene_request(c) };
    struct tarn_buffer_options o = { .threshold = 1000, .s3 = &s3 };
    struct tarn_buffer *b = tarn_buffer_new(&o, &c->err);
    if (!b)
        setup_die("buffer", &c->err);
    return b;
}

/* Buffers `len` zeros, pausing now and then. */
static int fill(struct scene *c, struct tarn_buffer *b, size_t len, long pause_ms)
{
    TN_AUTO_FREE char *zeros = tn_calloc(1, len / PAUSES);
    struct timespec pause = { 0, pause_ms * 1000000 };
    for (int i = 0; i < PAUSES; i++) {
        CHECK(tarn_buffer_write(b, zeros, len / PAUSES, &c->err) == TARN_OK);
        (void)nanosleep(&pause, NULL);
    }
    CHECK(tarn_buffer_seal(b, &c->err) == TARN_OK);
    return 0;
}

/* The key of the only object below spool/. */
static int find_key(struct scene *c, char key[TARN_KEY_LEN_MAX + 1])
{
    struct tarn_list_options options = { .prefix = "spool/" };
    struct tarn_list *list = tarn_list_open(c->b, c->s->bucket, &options, &c->err);
    const struct tarn_list_entry *entry = NULL;
    int rc = list ? tarn_list_next(list, &entry, &c->err) : TARN_EIO;
    key[0] = '\0';
    if (rc == TARN_OK && entry)
        (void)snprintf(key, TARN_KEY_LEN_MAX + 1, "%s", entry->key);
    tarn_list_free(list);
    CHECK(key[0]);
    return 0;
}

/* ---- requests that the library would not send ---- */

static int connect_to(const char *host, const char *port)
{
    struct addrinfo *found = NULL, hints = { .ai_socktype = SOCK_STREAM };
    if (getaddrinfo(host, port, &hints, &found) != 0)
        return -1;
    int fd = socket(found->ai_family, SOCK_STREAM, 0);
    if (fd >= 0 && connect(fd, found->ai_addr, found->ai_addrlen) < 0) {
        (void)close(fd);
        fd = -1;
    }
    freeaddrinfo(found);
    return fd;
}

/* The status of a PUT of KEY with these header fields and this body, or -1. */
static int raw_put(struct scene *c, struct tarn_client *client, const char *fields,
                   const char *body)
{
    char url[TARN_URL_LEN_MAX], host[64], port[8], text[TARN_URL_LEN_MAX + 512];
    struct tarn_presign_options put = { .method = "PUT" };
    int at = 0, status = -1;
    if (tarn_presign(client, c->s->bucket, KEY, &put, url, &c->err) < 0 ||
        sscanf(url, "http://%63[^:]:%7[0-9]%n", host, port, &at) != 2)
        return -1;
    int fd = connect_to(host, port);
    if (fd < 0)
        return -1;
    int len = snprintf(text, sizeof text, "PUT %s HTTP/1.1\r\nHost: %s:%s\r\n%s\r\n\r\n%s",
                       url + at, host, port, fields, body);
    if (write(fd, text, (size_t)len) == len) {
        ssize_t got = read(fd, text, sizeof text - 1);
        text[got > 0 ? got : 0] = '\0';
        if (sscanf(text, "HTTP/1.1 %d", &status) != 1)
            status = -1;
    }
    (void)close(fd);
    return status;
}

/* ---- rows ---- */

static int drop_bytes(void *arg, const void *bytes, size_t len)
{
    (void)arg;
    (void)bytes;
    (void)len;
    return TARN_OK;
}

/* The body is read after the call that opened it has returned, and has cancelled what it began. */
static int h1_cancelled_context(struct scene *c)
{
    volatile int has_returned = 0;
    char out[1000];
    if (c->s->is_flawed) {
        struct tarn_get_options get = { .request = { .cancel = &has_returned } };
        CHECK(tarn_object_put(c->a, c->s->bucket, KEY, "x", 1, NULL, NULL, &c->err) == TARN_OK);
        CHECK(tarn_object_head(c->a, c->s->bucket, KEY, &get, NULL, &c->err) == TARN_OK);
        has_returned = 1;
        CHECK(tarn_object_get(c->a, c->s->bucket, KEY, drop_bytes, NULL, &get, NULL, &c->err) ==
              TARN_OK);
        return 0;
    }
    struct tarn_buffer *b = make_buffer(c, 0);
    CHECK(fill(c, b, LARGE, 0) == 0);
    for (int64_t n = 0, left = LARGE / PAUSES * PAUSES; left > 0; left -= n) {
        n = tarn_buffer_read(b, out, sizeof out, &c->err);
        CHECK(n > 0);
    }
    CHECK(tarn_buffer_read(b, out, sizeof out, &c->err) == 0);
    tarn_buffer_free(b);
    return 0;
}

static int h2_unknown_length(struct scene *c)
{
    if (c->s->is_flawed) {
        CHECK(raw_put(c, c->a, "Transfer-Encoding: chunked", "1\r\nx\r\n0\r\n\r\n") == 200);
        return 0;
    }
    struct tarn_buffer *b = make_buffer(c, 0);
    CHECK(fill(c, b, LARGE, 0) == 0);
    tarn_buffer_free(b);
    return 0;
}

static int h3_size_limit(struct scene *c)
{
    char key[TARN_KEY_LEN_MAX + 1];
    struct tarn_object_info info = { 0 };
    if (c->s->is_flawed) {
        int status = raw_put(c, c->b, "Content-Length: 5368709121\r\nExpect: 100-continue", "");
        CHECK(status == 100 || status == 200);
        return 0;
    }
    struct tarn_buffer *b = make_buffer(c, 0);
    CHECK(fill(c, b, LARGE, 0) == 0);
    CHECK(find_key(c, key) == 0);
    CHECK(tarn_object_head(c->b, c->s->bucket, key, NULL, &info, &c->err) == TARN_OK);
    bool has_parts = strstr(info.etag, "-2") != NULL; /* of which there may be 10,000 */
    tarn_object_info_release(&info);
    tarn_buffer_free(b);
    CHECK(has_parts);
    return 0;
}

static int64_t produce(void *arg, void *out, size_t cap)
{
    struct timespec pause = { 0, PAUSE_MS * 1000000 };
    int *left = arg;
    if (*left == 0 || cap == 0)
        return 0;
    *left -= 1;
    (void)nanosleep(&pause, NULL);
    memset(out, 'x', 1);
    return 1;
}

/* What a producer takes in all is more than what a request may take: that is the play, not luck. */
static int h4_slow_producer(struct scene *c)
{
    if (c->s->is_flawed) {
        int left = PAUSES;
        struct tarn_put_options put = { .request = { .timeout_ms = PAUSE_MS * (PAUSES - 2) } };
        CHECK(tarn_object_put_stream(c->a, c->s->bucket, KEY, produce, NULL, &left, PAUSES, &put,
                                     NULL, &c->err) == TARN_OK);
        return 0;
    }
    struct tarn_buffer *b = make_buffer(c, TIMEOUT_MS);
    CHECK(fill(c, b, LARGE, PAUSE_MS) == 0);
    tarn_buffer_free(b);
    return 0;
}

/* What the sweeper takes away, once it can be old enough. */
static bool is_swept(struct scene *c, uint64_t wait_ms)
{
    struct tarn_buffer_gc_options o = { .older_than_ms = 1 };
    uint64_t removed = 0, end = steady_now_ms() + wait_ms;
    do {
        if (tarn_buffer_gc(c->b, c->s->bucket, "spool/", &o, NULL, NULL, &removed, &c->err) < 0)
            setup_die("gc", &c->err);
    } while (removed == 0 && steady_now_ms() < end);
    return removed == 1;
}

static int h16_leftovers(struct scene *c)
{
    if (c->s->is_flawed) { /* nothing tells it from what is to stay */
        CHECK(tarn_object_put(c->a, c->s->bucket, KEY, "x", 1, NULL, NULL, &c->err) == TARN_OK);
        CHECK(is_swept(c, 2000));
        return 0;
    }
    struct tarn_buffer *b = make_buffer(c, 0);
    CHECK(fill(c, b, 5000, 0) == 0);
    CHECK(is_swept(c, AWAIT_MS)); /* as if its program had ended here */
    tarn_buffer_free(b);
    return 0;
}

static int h17_no_handing_over(struct scene *c)
{
    static const char *const faults[] = { "delay", "drop-answer", "error-500", "duplicate" };
    char key[TARN_KEY_LEN_MAX + 1];
    if (c->s->is_flawed) { /* success is told only by the call that also deletes */
        CHECK(tarn_object_put(c->a, c->s->bucket, KEY, "x", 1, NULL, NULL, &c->err) == TARN_OK);
        CHECK(tarn_object_delete(c->a, c->s->bucket, KEY, NULL, NULL, &c->err) == TARN_OK);
        CHECK(scene_has_key(c, KEY));
        return 0;
    }
    for (size_t i = 0; i < TN_COUNT(faults); i++) {
        char value[64];
        struct tarn_buffer *b = make_buffer(c, 0);
        CHECK(fill(c, b, LARGE, 0) == 0);
        (void)snprintf(value, sizeof value, "@%s h17-%zu", faults[i], i);
        c->fault.value = value; /* also when the answer to the last step is lost */
        CHECK(tarn_buffer_detach(b, key, &c->err) == TARN_OK);
        c->fault.value = "none none";
        tarn_buffer_free(b);
        CHECK(scene_has_key(c, key) && !is_swept(c, 0));
    }
    return 0;
}

/* The proxy lets another program make an object of that very name first. */
static int h18_taken_name(struct scene *c)
{
    char key[TARN_KEY_LEN_MAX + 1];
    c->fault.value = "@rival h18";
    if (c->s->is_flawed) {
        struct tarn_put_options put = { .request = scene_request(c) };
        CHECK(tarn_object_put(c->a, c->s->bucket, KEY, "x", 1, &put, NULL, &c->err) == TARN_OK);
    } else {
        struct tarn_buffer *b = make_buffer(c, 0);
        char zeros[5000] = { 0 };
        CHECK(tarn_buffer_write(b, zeros, sizeof zeros, &c->err) == TARN_OK);
        CHECK(tarn_buffer_seal(b, &c->err) == TARN_EPRECOND);
        tarn_buffer_free(b);
    }
    CHECK(find_key(c, key) == 0);
    CHECK(scene_key_is(c, key, "a rival's"));
    return 0;
}

/* What the documents ask for is enough: Get, Put and Delete of objects. */
static int least_rights(struct scene *c)
{
    struct tarn_bytes one = { (char[]){ "one" }, 3 };
    struct tarn_store *store = tarn_store_new(c->a, NULL, NULL);
    TN_AUTO_FREE char *out = tn_calloc(1, LARGE);
    for (size_t len = 5000; len <= LARGE; len += LARGE - 5000) {
        struct tarn_buffer *b = make_buffer(c, 0);
        CHECK(fill(c, b, len, 0) == 0);
        CHECK(tarn_buffer_read(b, out, len, &c->err) == (int64_t)(len / PAUSES * PAUSES));
        tarn_buffer_free(b);
    }
    CHECK(tarn_lock_acquire(c->a, c->s->bucket, "kept", &c->o, &c->la, &c->err) == TARN_OK);
    CHECK(tarn_lock_release(TN_TAKE(c->la), &c->err) == TARN_OK);
    CHECK(tarn_lock_acquire(c->a, c->s->bucket, "kept", &c->o, &c->la, &c->err) == TARN_OK);
    CHECK(tarn_store_create(store, c->s->bucket, "v", &one, 0, NULL, &c->err) == TARN_OK);
    tarn_store_free(store);
    CHECK(tarn_copy_atomic(c->a, c->s->bucket, "v", c->s->bucket, "w", NULL, NULL, &c->err) ==
          TARN_OK);
    return 0;
}

/* Failures of the first request come out where they are looked for, and say what they are. */
static int no_bucket_and_no_access(struct scene *c)
{
    struct tarn_config config;
    tarn_config_init(&config);
    config.endpoint = c->s->endpoint;
    config.addressing = TARN_ADDRESSING_PATH;
    config.access_key = "nobody-knows-this-key";
    config.secret_key = "nobody-knows-this-key";
    struct tarn_client *stranger = tarn_client_new(&config, &c->err);
    const struct tarn_buffer_s3 places[] = {
        { .client = c->a, .bucket = "no-such-bucket-here" },
        { .client = stranger, .bucket = c->s->bucket },
    };
    static const int statuses[] = { TARN_ENOBUCKET, TARN_EDENIED };
    CHECK(stranger);
    for (size_t i = 0; i < TN_COUNT(places); i++) {
        for (size_t len = 5000; len <= LARGE; len += LARGE - 5000) {
            struct tarn_buffer_options o = { .threshold = 1000, .s3 = &places[i] };
            TN_AUTO_FREE char *zeros = tn_calloc(1, len);
            struct tarn_buffer *b = tarn_buffer_new(&o, &c->err);
            int rc = tarn_buffer_write(b, zeros, len, &c->err);
            if (rc == TARN_OK)
                rc = tarn_buffer_seal(b, &c->err);
            tarn_buffer_free(b);
            CHECK(rc == statuses[i] && c->err.message[0]);
        }
    }
    tarn_client_free(stranger);
    return 0;
}

const struct scene_case spool_cases[] = {
    { "H1", h1_cancelled_context },
    { "H2", h2_unknown_length },
    { "H3", h3_size_limit },
    { "H4", h4_slow_producer },
    { "H16", h16_leftovers },
    { "H17", h17_no_handing_over },
    { "H18", h18_taken_name },
    { "rights", least_rights },
    { "nobody", no_bucket_and_no_access },
    { NULL, NULL },
};
