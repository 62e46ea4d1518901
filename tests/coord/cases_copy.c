/* SPDX-License-Identifier: Apache-2.0 */
/* C1 to C9: what is wrong with the reference's atomic copy. */

#include <pthread.h>

#include "coord/cases.h"

static int put_source(struct scene *c, size_t len)
{
    const struct tarn_header metadata[] = { { "colour", "blue" }, { "tarn-copy-id", "old" } };
    const struct tarn_header expires = { "Expires", "0" }; /* no date, and often met */
    struct tarn_put_options options = { .request = { .headers = &expires, .header_count = 1 },
                                        .attributes = { .content_type = "text/x-source",
                                                        .cache_control = "no-cache",
                                                        .metadata = metadata,
                                                        .metadata_count = 2 } };
    TN_AUTO_FREE char *bytes = tn_calloc(1, len);
    return tarn_object_put(c->b, c->s->bucket, "source", bytes, len, &options, NULL, &c->err);
}

static int copy_to(struct scene *c, const char *key, const struct tarn_copy_atomic_options *o,
                   struct tarn_copy_atomic_result *result)
{
    c->err = (struct tarn_error){ 0 };
    return tarn_copy_atomic(c->a, c->s->bucket, "source", c->s->bucket, key, o, result, &c->err);
}

/* The reference: CopyObject with a condition; a refusal or a conflict is "it exists". */
static int copy_plainly(struct scene *c, const char *bucket, const char *key)
{
    struct tarn_copy_options o = { .request = scene_request(c),
                                   .conditions = { .if_none_match = "*" } };
    int rc = tarn_object_copy(c->a, c->s->bucket, "source", bucket, key, &o, NULL, &c->err);
    return rc == TARN_EPRECOND || rc == TARN_ECONFLICT ? TARN_EEXISTS : rc;
}

/* The reference's other way: an upload of one part, without headers; one try to abort. */
static int copy_in_one_part(struct scene *c, const char *key)
{
    char id[TARN_UPLOAD_ID_LEN_MAX];
    struct tarn_part part = { 0 };
    struct tarn_put_options o = { .conditions = { .if_none_match = "*" } };
    struct tarn_request request = scene_request(c);
    int rc = tarn_multipart_create(c->a, c->s->bucket, key, NULL, id, &c->err);
    if (rc < 0)
        return rc;
    rc = tarn_multipart_upload_part_copy(c->a, c->s->bucket, "source", 0, UINT64_MAX, c->s->bucket,
                                         key, id, 1, NULL, &part, &c->err);
    if (rc == TARN_OK)
        rc = tarn_multipart_complete(c->a, c->s->bucket, key, id, &part, 1, &o, NULL, &c->err);
    if (rc < 0)
        (void)tarn_multipart_abort(c->a, c->s->bucket, key, id, &request, NULL);
    return rc == TARN_EPRECOND ? TARN_EEXISTS : rc;
}

/* The reference's main line. */
static int get_and_put(struct scene *c, const char *key)
{
    struct tarn_put_options o = { .conditions = { .if_none_match = "*" } };
    char *bytes = NULL;
    size_t len;
    int rc = tarn_object_get_bytes(c->a, c->s->bucket, "source", 9 * MIB, &bytes, &len, NULL, NULL,
                                   &c->err);
    if (rc < 0)
        return rc;
    rc = tarn_object_put(c->a, c->s->bucket, key, bytes, len, &o, NULL, &c->err);
    tarn_bytes_free(bytes);
    return rc == TARN_EPRECOND ? TARN_EEXISTS : rc;
}

static int c1_no_transfer(struct scene *c)
{
    struct tarn_client_stats stats;
    CHECK(put_source(c, 8 * MIB) == TARN_OK);
    int rc = c->s->is_flawed ? get_and_put(c, "dest") : copy_to(c, "dest", NULL, NULL);
    CHECK(rc == TARN_OK);
    tarn_client_get_stats(c->a, &stats);
    CHECK(stats.bytes_up + stats.bytes_down < MIB);
    return 0;
}

/* The source is replaced between looking at it and copying it. */
static int c2_pinned_source(struct scene *c)
{
    struct tarn_object_info info = { 0 };
    CHECK(put_source(c, 100) == TARN_OK);
    CHECK(tarn_object_head(c->b, c->s->bucket, "source", NULL, &info, &c->err) == TARN_OK);
    char etag[TARN_ETAG_LEN_MAX];
    (void)snprintf(etag, sizeof etag, "%s", info.etag);
    tarn_object_info_release(&info);
    CHECK(put_source(c, 101) == TARN_OK);
    if (c->s->is_flawed) {
        (void)copy_plainly(c, c->s->bucket, "dest");
    } else {
        struct tarn_copy_atomic_options o = { .source_etag = etag };
        CHECK(copy_to(c, "dest", &o, NULL) == TARN_EPRECOND);
    }
    CHECK(!scene_has_key(c, "dest"));
    return 0;
}

static int check_copy(struct scene *c, const char *key, uint64_t size)
{
    struct tarn_object_info info = { 0 };
    bool has_colour = false;
    CHECK(tarn_object_head(c->b, c->s->bucket, key, NULL, &info, &c->err) == TARN_OK);
    for (size_t i = 0; i < info.metadata_count; i++) {
        if (strcmp(info.metadata[i].name, "colour") == 0)
            has_colour = strcmp(info.metadata[i].value, "blue") == 0;
    }
    bool is_right = info.size == size && has_colour && info.expires &&
                    strcmp(info.expires, "0") == 0 &&
                    strcmp(info.content_type, "text/x-source") == 0 &&
                    strcmp(info.cache_control, "no-cache") == 0;
    tarn_object_info_release(&info);
    CHECK(is_right);
    return 0;
}

/* Through a proxy that stands for the limit of 5 GiB: it lets nothing pass that copies a whole
 * object. */
static int c3_size_limit(struct scene *c)
{
    CHECK(put_source(c, 11 * MIB) == TARN_OK);
    if (c->s->is_flawed) {
        CHECK(copy_in_one_part(c, "dest") == TARN_OK);
    } else {
        struct tarn_copy_atomic_options o = { .strategy = TARN_COPY_MULTIPART,
                                              .part_size = TARN_PART_LEN_MIN };
        CHECK(copy_to(c, "dest", &o, NULL) == TARN_OK);
    }
    return check_copy(c, "dest", 11 * MIB);
}

static int has_tag(struct scene *c, const char *key, const struct tarn_header *tag)
{
    struct tarn_tags tags = { 0 };
    CHECK(tarn_tags_get(c->b, c->s->bucket, key, NULL, NULL, &tags, &c->err) == TARN_OK);
    bool is_there = tags.count == 1 && strcmp(tags.items[0].name, tag->name) == 0 &&
                    strcmp(tags.items[0].value, tag->value) == 0;
    tarn_tags_release(&tags);
    CHECK(is_there);
    return 0;
}

static int c4_headers_and_tags(struct scene *c)
{
    static const enum tarn_copy_strategy strategies[] = { TARN_COPY_AUTO, TARN_COPY_HEADER,
                                                          TARN_COPY_MULTIPART, TARN_COPY_GET_PUT };
    const struct tarn_header tag = { "a tag", "v/=+: x" };
    CHECK(put_source(c, 11 * MIB) == TARN_OK);
    CHECK(tarn_tags_put(c->b, c->s->bucket, "source", NULL, &tag, 1, NULL, &c->err) == TARN_OK);
    if (c->s->is_flawed) {
        CHECK(copy_in_one_part(c, "dest") == TARN_OK);
        return check_copy(c, "dest", 11 * MIB) || has_tag(c, "dest", &tag) ? VIOLATED : 0;
    }
    for (size_t i = 0; i < TN_COUNT(strategies); i++) {
        struct tarn_copy_atomic_options o = { .strategy = strategies[i],
                                              .part_size = (uint64_t)5 << 20 };
        struct tarn_copy_atomic_result result;
        char key[32];
        (void)snprintf(key, sizeof key, "dest-%zu", i);
        CHECK(copy_to(c, key, &o, &result) == TARN_OK);
        CHECK(result.size == 11 * MIB && result.tries == 1 && result.etag[0]);
        CHECK((result.strategy == TARN_COPY_MULTIPART) == (strstr(result.etag, "-3") != NULL));
        CHECK(check_copy(c, key, 11 * MIB) == 0);
        CHECK(has_tag(c, key, &tag) == 0);
        CHECK(copy_to(c, key, &o, &result) == TARN_EEXISTS);
    }
    return 0;
}

static int c5_careless_server(struct scene *c)
{
    static const enum tarn_copy_strategy strategies[] = { TARN_COPY_AUTO, TARN_COPY_HEADER,
                                                          TARN_COPY_GET_PUT };
    for (size_t i = 0; i < TN_COUNT(strategies); i++) {
        struct tarn_copy_atomic_options o = { .strategy = strategies[i] };
        CHECK(tarn_object_put(c->a, c->s->bucket, "source", "new", 3, NULL, NULL, &c->err) ==
              TARN_OK);
        CHECK(tarn_object_put(c->a, c->s->bucket, "dest", "old", 3, NULL, NULL, &c->err) ==
              TARN_OK);
        int rc =
            c->s->is_flawed ? copy_plainly(c, c->s->bucket, "dest") : copy_to(c, "dest", &o, NULL);
        CHECK(scene_key_is(c, "dest", "old"));
        CHECK(c->s->is_flawed || rc == TARN_ENOTSUPPORTED);
    }
    return 0;
}

static int c6_lost_answer(struct scene *c)
{
    static const char *const faults[] = { "drop-answer", "error-500", "cut-answer", "duplicate" };
    CHECK(put_source(c, 1000) == TARN_OK);
    CHECK(copy_to(c, "warm", NULL, NULL) == TARN_OK); /* the probe is done */
    for (size_t i = 0; i < TN_COUNT(faults); i++) {
        for (int strategy = TARN_COPY_HEADER; strategy <= TARN_COPY_GET_PUT; strategy++) {
            char value[64], key[64];
            struct tarn_copy_atomic_result result = { 0 };
            struct tarn_copy_atomic_options o = { .strategy = (enum tarn_copy_strategy)strategy };
            (void)snprintf(key, sizeof key, "dest-%zu-%d", i, strategy);
            /* Kinds that begin with @ wait for the request that makes the object. */
            (void)snprintf(value, sizeof value, "@%s c6-%zu-%d", faults[i], i, strategy);
            c->fault.value = value;
            o.request = scene_request(c);
            if (c->s->is_flawed) {
                CHECK(copy_plainly(c, c->s->bucket, key) == TARN_OK);
                continue;
            }
            CHECK(copy_to(c, key, &o, &result) == TARN_OK);
            CHECK(check_copy(c, key, 1000) == 0);
            CHECK(copy_to(c, key, &o, &result) == TARN_EEXISTS && !result.is_recovered);
        }
    }
    return 0;
}

static int c7_two_buckets(struct scene *c)
{
    const char *other = "coord-other";
    CHECK(put_source(c, 1000) == TARN_OK);
    int rc = tarn_bucket_create(c->b, other, NULL, &c->err);
    CHECK(rc == TARN_OK || rc == TARN_EEXISTS);
    if (c->s->is_flawed) { /* of a destination's address only the path counts */
        CHECK(copy_plainly(c, c->s->bucket, "copy") == TARN_OK);
        CHECK(tarn_object_head(c->b, other, "copy", NULL, NULL, &c->err) == TARN_OK);
        return 0;
    }
    CHECK(tarn_copy_atomic(c->a, c->s->bucket, "source", other, c->s->name, NULL, NULL, &c->err) ==
          TARN_OK);
    CHECK(tarn_copy_atomic(c->a, c->s->bucket, "source", other, c->s->name, NULL, NULL, &c->err) ==
          TARN_EEXISTS);
    CHECK(tarn_copy_atomic(c->a, c->s->bucket, "missing", other, "x", NULL, NULL, &c->err) ==
          TARN_ENOTFOUND);
    CHECK(tarn_copy_atomic(c->a, "no-such-bucket", "source", other, "x", NULL, NULL, &c->err) ==
          TARN_ENOBUCKET);
    CHECK(tarn_copy_atomic(c->a, c->s->bucket, "source", "no-such-bucket", "x", NULL, NULL,
                           &c->err) == TARN_ENOBUCKET);
    return 0;
}

/* Ends the copy once its upload is there; the proxy holds the part meanwhile. */
struct canceller {
    struct scene *c;
    volatile int is_cancelled;
};

static void *cancel_in_upload(void *arg)
{
    struct canceller *k = arg;
    for (uint64_t end = steady_now_ms() + AWAIT_MS; steady_now_ms() < end;) {
        if (scene_count_uploads(k->c) != 0)
            break;
    }
    k->is_cancelled = 1;
    return NULL;
}

static int cancelled_copy(struct scene *c)
{
    struct canceller k = { c, 0 };
    pthread_t thread;
    struct tarn_copy_atomic_options o = { .strategy = TARN_COPY_MULTIPART, .skip_probe = true };
    o.request = scene_request(c);
    o.request.cancel = &k.is_cancelled;
    c->fault.value = "%hold c8-cancelled";
    CHECK(pthread_create(&thread, NULL, cancel_in_upload, &k) == 0);
    int rc = copy_to(c, "dest3", &o, NULL);
    (void)pthread_join(thread, NULL);
    CHECK(rc == TARN_ECANCELLED);
    CHECK(scene_count_uploads(c) == 0);
    return 0;
}

/* Its one try to abort gets lost. */
static int leak_flawed(struct scene *c)
{
    struct tarn_client *once = setup_client(c->s->endpoint, 0);
    struct tarn_client *present = c->a;
    c->a = once;
    CHECK(copy_in_one_part(c, "dest") == TARN_EEXISTS);
    c->a = present;
    tarn_client_free(once);
    return scene_count_uploads(c) == 0 ? 0 : VIOLATED;
}

static int c8_no_leaks(struct scene *c)
{
    struct tarn_copy_atomic_options o = { .strategy = TARN_COPY_MULTIPART };
    CHECK(put_source(c, 6 * MIB) == TARN_OK);
    CHECK(copy_to(c, "dest", &o, NULL) == TARN_OK);
    c->fault.value = "-busy c8"; /* of the first request that deletes */
    if (c->s->is_flawed)
        return leak_flawed(c);
    o.request = scene_request(c);
    CHECK(copy_to(c, "dest", &o, NULL) == TARN_EEXISTS);
    CHECK(scene_count_uploads(c) == 0);
    o.part_size = 1; /* refused before anything is created */
    CHECK(copy_to(c, "dest2", &o, NULL) == TARN_EINVAL);
    CHECK(scene_count_uploads(c) == 0);
    return cancelled_copy(c);
}

/* "It exists" is what publishers take for success. */
static int c9_same_object(struct scene *c)
{
    CHECK(put_source(c, 10) == TARN_OK);
    int rc = c->s->is_flawed ? get_and_put(c, "source") : copy_to(c, "source", NULL, NULL);
    CHECK(rc == TARN_EINVAL);
    return 0;
}

/* Each part is answered only once another one is under way, too. */
static int parts_in_parallel(struct scene *c)
{
    struct tarn_copy_atomic_options o = { .strategy = TARN_COPY_MULTIPART,
                                          .part_size = TARN_PART_LEN_MIN };
    CHECK(put_source(c, 21 * MIB) == TARN_OK);
    o.request = scene_request(c);
    c->fault.value = "meet parts";
    CHECK(copy_to(c, "dest", &o, NULL) == TARN_OK);
    return check_copy(c, "dest", 21 * MIB);
}

/* A condition of the server's own, and the status by which it refuses. */
static int own_header(struct scene *c)
{
    struct tarn_copy_atomic_options o = { .header_name = "If-None-Match", .header_value = "*" };
    struct tarn_copy_atomic_options none = o;
    CHECK(put_source(c, 1000) == TARN_OK);
    o.request = scene_request(c);
    CHECK(copy_to(c, "dest", &o, NULL) == TARN_OK);
    CHECK(check_copy(c, "dest", 1000) == 0);
    CHECK(copy_to(c, "dest", &o, NULL) == TARN_EEXISTS);
    o.exists_http_status = 412;
    CHECK(copy_to(c, "dest", &o, NULL) == TARN_EEXISTS);
    o.exists_http_status = 409; /* then 412 is something else */
    CHECK(copy_to(c, "dest", &o, NULL) == TARN_EPRECOND);
    o.exists_http_status = 200;
    CHECK(copy_to(c, "dest", &o, NULL) == TARN_EINVAL);
    none.header_value = NULL;
    CHECK(copy_to(c, "dest", &none, NULL) == TARN_EINVAL);
    return 0;
}

const struct scene_case copy_cases[] = {
    { "C1", c1_no_transfer },          { "C2", c2_pinned_source },   { "C3", c3_size_limit },
    { "C4", c4_headers_and_tags },     { "C5", c5_careless_server }, { "C6", c6_lost_answer },
    { "C7", c7_two_buckets },          { "C8", c8_no_leaks },        { "C9", c9_same_object },
    { "parallel", parts_in_parallel }, { "own-header", own_header }, { NULL, NULL },
};
