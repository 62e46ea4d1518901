/* SPDX-License-Identifier: Apache-2.0 */
/* The store: what its calls promise, also when answers are lost. */

#include <pthread.h>
#include <stdlib.h>

#include "coord/cases.h"

static int set_text(void *arg, const void *present, void **next)
{
    (void)present;
    *next = tarn_bytes_new(arg, strlen(arg));
    return *next ? TARN_OK : TARN_ENOMEM;
}

static int s1_store(struct scene *c)
{
    struct tarn_store *s = tarn_store_new(c->a, NULL, NULL);
    struct tarn_store_entry first = { 0 }, second = { 0 }, seen = { 0 };
    struct tarn_bytes one = { (char[]){ "one" }, 3 }, two = { (char[]){ "two" }, 3 };
    const char *bucket = c->s->bucket;
    CHECK(tarn_store_exists(s, bucket, "k", &c->err) == 0);
    CHECK(tarn_store_exists(s, "no-such-bucket", "k", &c->err) == TARN_ENOBUCKET);
    CHECK(tarn_store_get(s, bucket, "k", &seen, &c->err) == TARN_ENOTFOUND);
    CHECK(tarn_store_put(s, bucket, "k", &seen, &one, 0, NULL, &c->err) == TARN_EINVAL);
    CHECK(tarn_store_create(s, bucket, "k", &one, 0, &first, &c->err) == TARN_OK);
    CHECK(first.etag[0] == '"' && first.size == 3);
    CHECK(tarn_store_create(s, bucket, "k", &two, 0, NULL, &c->err) == TARN_EEXISTS);
    CHECK(tarn_store_exists(s, bucket, "k", &c->err) == 1);
    CHECK(tarn_store_put(s, bucket, "k", &first, &two, 0, &second, &c->err) == TARN_OK);
    CHECK(tarn_store_put(s, bucket, "k", &first, &one, 0, NULL, &c->err) == TARN_ECONFLICT);
    CHECK(tarn_store_delete(s, bucket, "k", &first, &c->err) == TARN_ECONFLICT);
    CHECK(tarn_store_get(s, bucket, "k", &seen, &c->err) == TARN_OK);
    CHECK(strcmp(seen.etag, second.etag) == 0);
    CHECK(memcmp(((struct tarn_bytes *)seen.value)->data, "two", 3) == 0);
    tarn_store_entry_release(s, &seen);
    CHECK(tarn_store_delete(s, bucket, "k", &second, &c->err) == TARN_OK);
    CHECK(tarn_store_put(s, bucket, "k", &second, &one, 0, NULL, &c->err) == TARN_ECONFLICT);
    CHECK(tarn_store_overwrite(s, bucket, "k", &one, 7, &seen, &c->err) == TARN_OK);
    CHECK(seen.fence == 7);
    CHECK(tarn_store_put(s, bucket, "k", &seen, &two, 6, NULL, &c->err) == TARN_ELOST);
    CHECK(tarn_store_put(s, bucket, "k", &seen, &two, 0, &seen, &c->err) == TARN_OK);
    CHECK(seen.fence == 7);
    tarn_store_free(s);
    return 0;
}

struct burier {
    struct scene *c;
    int rc;
};

/* Until the write has happened whose answer the proxy holds. */
static void await_mine(const struct scene *c)
{
    bool is_mine = false;
    for (uint64_t end = steady_now_ms() + AWAIT_MS; !is_mine && steady_now_ms() < end;) {
        char *bytes = NULL;
        size_t len = 0;
        int rc =
            tarn_object_get_bytes(c->b, c->s->bucket, "k", 100, &bytes, &len, NULL, NULL, NULL);
        is_mine = rc == TARN_OK && len == 4;
        tarn_bytes_free(bytes);
    }
}

static void *bury(void *arg)
{
    struct burier *b = arg;
    struct tarn_store *store = tarn_store_new(b->c->b, NULL, NULL);
    char theirs[] = "theirs";
    const struct tarn_header let_go = { "x-tarn-fault", "let-go s2-buried" };
    struct tarn_get_options get = { .request = { .headers = &let_go, .header_count = 1 } };
    await_mine(b->c);
    b->rc = tarn_store_update(store, b->c->s->bucket, "k", set_text, theirs, 0, NULL, NULL);
    (void)tarn_object_head(b->c->a, b->c->s->bucket, "k", &get, NULL, NULL);
    tarn_store_free(store);
    return NULL;
}

static int count_runs(void *arg, const void *present, void **next)
{
    *(int *)arg += 1;
    char mine[] = "mine";
    return set_text(mine, present, next);
}

/* As the reference's user would: what is refused is done again. */
static int update_flawed(struct scene *c, int *runs)
{
    for (int i = 0; i < 10; i++) {
        struct tarn_object_info info = { 0 };
        int rc = tarn_object_head(c->b, c->s->bucket, "k", NULL, &info, &c->err);
        struct tarn_put_options o = { .request = scene_request(c),
                                      .conditions = { .if_match = info.etag } };
        *runs += 1;
        if (rc == TARN_OK)
            rc = tarn_object_put(c->a, c->s->bucket, "k", "mine", 4, &o, NULL, &c->err);
        tarn_object_info_release(&info);
        if (rc == TARN_OK)
            return rc;
    }
    return TARN_ECONFLICT;
}

/* The answer is lost, and somebody else has written since: still known to have happened, once. */
static int s2_lost_and_buried(struct scene *c)
{
    struct tarn_bytes one = { (char[]){ "one" }, 3 };
    struct tarn_store_options o = { .request = { .headers = &c->fault, .header_count = 1 } };
    struct tarn_store *store = tarn_store_new(c->a, &o, NULL);
    struct burier burier = { c, TARN_EAGAIN };
    pthread_t thread;
    int runs = 0;
    CHECK(tarn_store_create(store, c->s->bucket, "k", &one, 0, NULL, &c->err) == TARN_OK);
    c->fault.value = "@hold s2"; /* until the other one has written */
    CHECK(pthread_create(&thread, NULL, bury, &burier) == 0);
    int rc = c->s->is_flawed
                 ? update_flawed(c, &runs)
                 : tarn_store_update(store, c->s->bucket, "k", count_runs, &runs, 0, NULL, &c->err);
    (void)pthread_join(thread, NULL);
    c->fault.value = "none none";
    bool is_theirs = scene_key_is(c, "k", "theirs");
    tarn_store_free(store);
    CHECK(rc == TARN_OK && burier.rc == TARN_OK && runs == 1);
    CHECK(is_theirs);
    return 0;
}

/* ---- a serializer of a program's own: whole numbers, none below 0 ---- */

struct uses {
    int encoded;
    int bytes_freed;
    int values; /* decoded or made, not yet freed */
};

static int encode_number(void *arg, const void *value, char **bytes, size_t *len,
                         struct tarn_error *err)
{
    char text[32];
    long n = *(const long *)value;
    if (n < 0)
        return tn_fail(err, TARN_ERANGE, "below 0");
    ((struct uses *)arg)->encoded++;
    *len = (size_t)snprintf(text, sizeof text, "%ld", n);
    *bytes = tn_strdup(text);
    return TARN_OK;
}

static void free_encoded(void *arg, char *bytes)
{
    ((struct uses *)arg)->bytes_freed++;
    tn_free(bytes);
}

static void *make_number(struct uses *uses, long n)
{
    long *value = tn_calloc(1, sizeof *value);
    *value = n;
    uses->values++;
    return value;
}

static int decode_number(void *arg, const char *bytes, size_t len, void **value,
                         struct tarn_error *err)
{
    if (len == 0 || len > 9 || strspn(bytes, "0123456789") < len)
        return tn_fail(err, TARN_ERANGE, "no number");
    *value = make_number(arg, strtol(bytes, NULL, 10));
    return TARN_OK;
}

static void free_number(void *arg, void *value)
{
    ((struct uses *)arg)->values -= value != NULL;
    tn_free(value);
}

static int next_number(void *arg, const void *present, void **next)
{
    *next = make_number(arg, present ? *(const long *)present + 1 : 0);
    return TARN_OK;
}

static int to_below_zero(void *arg, const void *present, void **next)
{
    (void)present;
    *next = make_number(arg, -1);
    return TARN_OK;
}

static int own_serializer(struct scene *c)
{
    struct uses uses = { 0, 0, 0 };
    const struct tarn_serializer numbers = { encode_number, free_encoded,    decode_number,
                                             free_number,   "text/x-number", &uses };
    struct tarn_store_options o = { .serializer = &numbers };
    struct tarn_store *store = tarn_store_new(c->a, &o, NULL);
    struct tarn_store_entry entry = { 0 };
    struct tarn_object_info info = { 0 };
    const char *bucket = c->s->bucket;
    long below = -1;
    CHECK(tarn_store_create(store, bucket, "n", &below, 0, NULL, &c->err) == TARN_ERANGE);
    CHECK(!scene_has_key(c, "n"));
    for (int i = 0; i < 3; i++)
        CHECK(tarn_store_update(store, bucket, "n", next_number, &uses, 0, NULL, &c->err) ==
              TARN_OK);
    CHECK(tarn_store_update(store, bucket, "n", to_below_zero, &uses, 0, NULL, &c->err) ==
          TARN_ERANGE);
    CHECK(tarn_store_get(store, bucket, "n", &entry, &c->err) == TARN_OK);
    CHECK(*(long *)entry.value == 2 && entry.size == 1);
    tarn_store_entry_release(store, &entry);
    CHECK(tarn_object_head(c->b, bucket, "n", NULL, &info, &c->err) == TARN_OK);
    bool has_type = strcmp(info.content_type, "text/x-number") == 0;
    tarn_object_info_release(&info);
    CHECK(tarn_object_put(c->b, bucket, "n", "x", 1, NULL, NULL, &c->err) == TARN_OK);
    CHECK(tarn_store_get(store, bucket, "n", &entry, &c->err) == TARN_ERANGE && !entry.value);
    tarn_store_free(store);
    CHECK(has_type && uses.encoded == 3 && uses.bytes_freed == 3 && uses.values == 0);
    return 0;
}

const struct scene_case store_cases[] = {
    { "serializer", own_serializer },
    { "S1", s1_store },
    { "S2", s2_lost_and_buried },
    { NULL, NULL },
};
