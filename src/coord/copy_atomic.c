/* SPDX-License-Identifier: Apache-2.0 */
/* Copies that never overwrite. */

#include <tarn/copy_atomic.h>

#include <limits.h>
#include <pthread.h>
#include <strings.h>

#include <tarn/bucket.h>
#include <tarn/client.h>
#include <tarn/tagging.h>
#include <tarn/transfer.h>

#include "base/buf.h"
#include "base/clock.h"
#include "coord/outcome.h"
#include "coord/probe.h"

enum {
    CONFLICT_TRIES_DEFAULT = 8,
    PASSING_TRIES_MAX = 6, /* of what may be met only once */
    PAUSE_MS = 20,
    PAUSE_MAX_MS = 1000,
    METADATA_MAX = 128,
    FIELDS_MAX = 64,
    LOOK_TRIES_MAX = 6,
    PARTS_IN_FLIGHT_DEFAULT = 4,
    PARTS_IN_FLIGHT_MAX = 64,
    TAGGING_MAX = 16 << 10
};
static const uint64_t GET_PUT_MAX_DEFAULT = (uint64_t)64 << 20;
static const uint64_t PART_SIZE_DEFAULT = (uint64_t)512 << 20;
static const char MARKER[] = "tarn-copy-id";

static const char *const strategy_names[] = { "auto", "header", "multipart", "get-put" };

struct copy {
    struct tarn_client *client;
    const char *source_bucket;
    const char *source_key;
    const char *bucket;
    const char *key;
    struct tarn_copy_atomic_options o;
    struct tarn_object_info source; /* what is copied, and nothing else */
    char marker[TN_NONCE_LEN + 1];
    struct tarn_header metadata[METADATA_MAX + 1];
    struct tarn_attributes attributes;
    struct tarn_header fields[FIELDS_MAX]; /* of the request that makes the object */
    size_t field_count;
    struct tn_buf tagging;
    uint64_t deadline_ns;
    bool was_unclear; /* a try may have worked although nobody said so */
    struct tarn_copy_atomic_result result;
};

const char *tarn_copy_strategy_name(enum tarn_copy_strategy strategy)
{
    return (size_t)strategy < TN_COUNT(strategy_names) ? strategy_names[strategy] : "unknown";
}

/* ---- preparations ---- */

static int judge_options(const struct copy *c, struct tarn_error *err)
{
    const struct tarn_copy_atomic_options *o = &c->o;
    if ((size_t)o->strategy >= TN_COUNT(strategy_names))
        return tn_fail(err, TARN_EINVAL, "could not copy: unknown strategy %d", (int)o->strategy);
    if (!o->header_name != !o->header_value)
        return tn_fail(err, TARN_EINVAL, "could not copy: a header wants a name and a value");
    if (o->conflict_tries_max < 0 || o->deadline_ms < 0 || o->parts_in_flight < 0 ||
        o->parts_in_flight > PARTS_IN_FLIGHT_MAX ||
        o->metadata_directive > TARN_DIRECTIVE_REPLACE ||
        (o->attributes.metadata_count > 0 && !o->attributes.metadata) ||
        (o->exists_http_status && (o->exists_http_status < 400 || o->exists_http_status > 599)))
        return tn_fail(err, TARN_EINVAL, "could not copy: bad options");
    if (strcmp(c->source_bucket, c->bucket) == 0 && strcmp(c->source_key, c->key) == 0)
        return tn_fail(err, TARN_EINVAL,
                       "could not copy \"%s/%s\": source and destination are the "
                       "same object",
                       c->bucket, c->key);
    return TARN_OK;
}

static long time_left_ms(const struct copy *c)
{
    if (!c->deadline_ns)
        return 0;
    uint64_t now = tn_now_ns();
    return now < c->deadline_ns ? (long)((c->deadline_ns - now) / 1000000) + 1 : -1;
}

/* The request options of the next request; its time is what is left. */
static struct tarn_request request_of(const struct copy *c)
{
    struct tarn_request request = c->o.request;
    long left = time_left_ms(c);
    if (left > 0 && (request.timeout_ms == 0 || request.timeout_ms > left))
        request.timeout_ms = left;
    return request;
}

/* The same for the request that makes the object. */
static struct tarn_request making_request_of(const struct copy *c)
{
    struct tarn_request request = request_of(c);
    request.headers = c->fields;
    request.header_count = c->field_count;
    return request;
}

static void pause_for(const struct copy *c, int tries)
{
    tn_outcome_sleep(tn_outcome_pause_ms(tries, PAUSE_MS, PAUSE_MAX_MS), c->o.request.cancel);
}

static int look_at_source(struct copy *c, struct tarn_error *err)
{
    struct tarn_error why = { 0 };
    struct tarn_get_options options = { .request = request_of(c),
                                        .conditions = { .if_match = c->o.source_etag },
                                        .version_id = c->o.source_version_id };
    int rc = TARN_EAGAIN;
    for (int i = 1; i <= LOOK_TRIES_MAX; i++) {
        rc = tarn_object_head(c->client, c->source_bucket, c->source_key, &options, &c->source,
                              &why);
        if (rc == TARN_OK || !tn_outcome_is_passing(rc) || time_left_ms(c) < 0)
            break;
        pause_for(c, i);
    }
    /* The answer to HEAD does not say whether the bucket is there. */
    if (rc == TARN_ENOTFOUND &&
        tarn_bucket_head(c->client, c->source_bucket, NULL, NULL, NULL) == TARN_ENOBUCKET)
        return tn_fail(err, TARN_ENOBUCKET, "could not copy \"%s/%s\": no such bucket",
                       c->source_bucket, c->source_key);
    if (rc == TARN_OK && !c->source.etag)
        rc = tn_fail(&why, TARN_EPROTOCOL, "could not copy \"%s/%s\": the server tells no ETag",
                     c->source_bucket, c->source_key);
    if (rc < 0 && err)
        *err = why;
    return rc;
}

/* The caller's own. */
static int prepare_fields(struct copy *c, struct tarn_error *err)
{
    size_t count = c->o.request.header_count;
    if (count + 1 > FIELDS_MAX) /* with `header_name` */
        return tn_fail(err, TARN_EINVAL, "could not copy: too many headers");
    if (count)
        memcpy(c->fields, c->o.request.headers, count * sizeof *c->fields);
    c->field_count = count;
    return TARN_OK;
}

/* What the destination gets beside the bytes: the source's, or the caller's, and the marker. */
static int prepare_attributes(struct copy *c, struct tarn_error *err)
{
    const struct tarn_object_info *s = &c->source;
    bool is_replace = c->o.metadata_directive == TARN_DIRECTIVE_REPLACE;
    const struct tarn_header *from = is_replace ? c->o.attributes.metadata : s->metadata;
    size_t from_count = is_replace ? c->o.attributes.metadata_count : s->metadata_count;
    size_t count = 0;
    c->attributes = c->o.attributes;
    if (!is_replace) {
        c->attributes.content_type = s->content_type;
        c->attributes.content_encoding = s->content_encoding;
        c->attributes.content_disposition = s->content_disposition;
        c->attributes.content_language = s->content_language;
        c->attributes.cache_control = s->cache_control;
        c->attributes.expires = 0;
        c->attributes.expires_text = s->expires; /* it may be no date ("Expires: 0") */
        c->attributes.website_redirect = tn_info_header(s, "x-amz-website-redirect-location");
    }
    for (size_t i = 0; i < from_count; i++) {
        if (!from[i].name)
            return tn_fail(err, TARN_EINVAL, "could not copy: metadata without a name");
        if (strcasecmp(from[i].name, MARKER) == 0) /* of a copy that made the source */
            continue;
        if (count == METADATA_MAX)
            return tn_fail(err, TARN_ETOOBIG, "could not copy \"%s/%s\": too much metadata",
                           c->source_bucket, c->source_key);
        c->metadata[count++] = from[i];
    }
    tn_nonce(c->marker);
    if (!c->o.skip_marker)
        c->metadata[count++] = (struct tarn_header){ MARKER, c->marker };
    c->attributes.metadata = c->metadata;
    c->attributes.metadata_count = count;
    return prepare_fields(c, err);
}

/* ---- strategies ---- */

static int keep_info(struct copy *c, int rc, struct tarn_object_info *info)
{
    if (rc == TARN_OK) {
        tn_text_copy(c->result.etag, sizeof c->result.etag, info->etag);
        tn_text_copy(c->result.version_id, sizeof c->result.version_id, info->version_id);
    }
    tarn_object_info_release(info);
    return rc;
}

static bool has_own_header(const struct copy *c)
{
    return c->o.header_name != NULL;
}

static int run_header(struct copy *c, struct tarn_error *err)
{
    struct tarn_object_info info = { 0 };
    struct tarn_header fields[FIELDS_MAX];
    bool must_replace = !c->o.skip_marker || c->o.metadata_directive == TARN_DIRECTIVE_REPLACE;
    struct tarn_copy_options options = {
        .request = must_replace ? making_request_of(c) : request_of(c),
        .source_conditions = { .if_match = c->source.etag },
        .source_version_id = c->source.version_id ? c->source.version_id : c->o.source_version_id,
        .source_size = c->source.size,
        .part_size = c->o.part_size
    };
    if (has_own_header(c)) {
        memcpy(fields, c->fields, options.request.header_count * sizeof *fields);
        fields[options.request.header_count++] =
            (struct tarn_header){ c->o.header_name, c->o.header_value };
        options.request.headers = fields;
    } else {
        options.conditions.if_none_match = "*";
    }
    if (must_replace) {
        options.metadata_directive = TARN_DIRECTIVE_REPLACE;
        options.attributes = c->attributes;
    } else {
        options.attributes = c->o.attributes; /* class, ACL, encryption */
    }
    int rc = tarn_object_copy(c->client, c->source_bucket, c->source_key, c->bucket, c->key,
                              &options, &info, err);
    return keep_info(c, rc, &info);
}

/* Percent-encoded, as x-amz-tagging wants it. */
static int append_encoded(struct tn_buf *b, const char *text)
{
    int rc = TARN_OK;
    for (; *text && rc == TARN_OK; text++) {
        unsigned char byte = (unsigned char)*text;
        bool is_plain = tn_is_alpha(*text) || tn_is_digit(*text) || strchr("-_.~", *text);
        rc = is_plain ? tn_buf_append_char(b, *text) : tn_buf_appendf(b, "%%%02X", byte);
    }
    return rc;
}

/* Only CopyObject carries tags by itself. */
static int carry_tags(struct copy *c, struct tarn_error *err)
{
    struct tarn_tags tags = { 0 };
    struct tarn_request request = request_of(c);
    uint64_t count = 0;
    const char *text = tn_info_header(&c->source, "x-amz-tagging-count");
    bool has_tags = text && tn_str_to_u64(tn_str_from(text), &count) == TARN_OK && count > 0;
    if (!has_tags || c->attributes.tagging)
        return TARN_OK;
    int rc = tarn_tags_get(c->client, c->source_bucket, c->source_key, c->o.source_version_id,
                           &request, &tags, err);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < tags.count && rc == TARN_OK; i++) {
        rc = i ? tn_buf_append_char(&c->tagging, '&') : TARN_OK;
        if (rc == TARN_OK)
            rc = append_encoded(&c->tagging, tags.items[i].name);
        if (rc == TARN_OK)
            rc = tn_buf_append_char(&c->tagging, '=');
        if (rc == TARN_OK)
            rc = append_encoded(&c->tagging, tags.items[i].value);
    }
    tarn_tags_release(&tags);
    if (rc < 0)
        return tn_fail(err, rc, "could not copy \"%s/%s\": its tags: %s", c->source_bucket,
                       c->source_key, tarn_status_text(rc));
    c->attributes.tagging = c->tagging.data;
    return TARN_OK;
}

static int run_get_put(struct copy *c, struct tarn_error *err)
{
    int rc = carry_tags(c, err);
    if (rc < 0)
        return rc;
    struct tarn_object_info info = { 0 };
    struct tarn_get_options from = { .request = request_of(c),
                                     .conditions = { .if_match = c->source.etag },
                                     .version_id = c->o.source_version_id };
    struct tarn_put_options to = { .attributes = c->attributes,
                                   .conditions = { .if_none_match = "*" } };
    char *bytes = NULL;
    size_t len = 0;
    uint64_t max = c->o.get_put_max ? c->o.get_put_max : GET_PUT_MAX_DEFAULT;
    if (c->source.size > max)
        return tn_fail(err, TARN_ENOTSUPPORTED,
                       "could not copy \"%s/%s\": too large to pass "
                       "through memory",
                       c->source_bucket, c->source_key);
    rc = tarn_object_get_bytes(c->client, c->source_bucket, c->source_key, (size_t)max, &bytes,
                               &len, &from, NULL, err);
    if (rc < 0)
        return rc;
    to.request = making_request_of(c);
    rc = tarn_object_put(c->client, c->bucket, c->key, bytes, len, &to, &info, err);
    tarn_bytes_free(bytes);
    return keep_info(c, rc, &info);
}

/* The parts of one upload, which several threads copy. */
struct part_job {
    const struct copy *c;
    const char *id;
    uint64_t part_size;
    struct tarn_part *parts; /* each is written by the one thread that copies it */
    size_t count;
    struct {
        pthread_mutex_t lock;
        size_t next;
        int rc; /* the first failure; then no more parts are begun */
        struct tarn_error err;
    } shared;
};

static int copy_part(const struct part_job *job, size_t i, struct tarn_error *err)
{
    const struct copy *c = job->c;
    struct tarn_copy_options options = { .request = request_of(c),
                                         .source_conditions = { .if_match = c->source.etag },
                                         .source_version_id = c->o.source_version_id };
    uint64_t first = i * job->part_size;
    uint64_t last = i + 1 == job->count ? c->source.size - 1 : first + job->part_size - 1;
    bool is_all = job->count == 1;
    return tarn_multipart_upload_part_copy(
        c->client, c->source_bucket, c->source_key, is_all ? 0 : first, is_all ? UINT64_MAX : last,
        c->bucket, c->key, job->id, (uint32_t)i + 1, &options, &job->parts[i], err);
}

static void *copy_some(void *arg)
{
    struct part_job *job = arg;
    (void)pthread_mutex_lock(&job->shared.lock);
    while (job->shared.rc == TARN_OK && job->shared.next < job->count) {
        size_t i = job->shared.next++;
        struct tarn_error err = { 0 };
        (void)pthread_mutex_unlock(&job->shared.lock);
        int rc = copy_part(job, i, &err);
        (void)pthread_mutex_lock(&job->shared.lock);
        if (rc < 0 && job->shared.rc == TARN_OK) {
            job->shared.rc = rc;
            job->shared.err = err;
        }
    }
    (void)pthread_mutex_unlock(&job->shared.lock);
    return NULL;
}

static int copy_parts(const struct copy *c, const char *id, uint64_t part_size,
                      struct tarn_part *parts, size_t count, struct tarn_error *err)
{
    pthread_t threads[PARTS_IN_FLIGHT_MAX];
    struct part_job job = {
        .c = c, .id = id, .part_size = part_size, .parts = parts, .count = count
    };
    size_t wanted = (size_t)(c->o.parts_in_flight ? c->o.parts_in_flight : PARTS_IN_FLIGHT_DEFAULT);
    size_t started = 0;
    (void)pthread_mutex_init(&job.shared.lock, NULL);
    while (started + 1 < wanted && started + 1 < count &&
           pthread_create(&threads[started], NULL, copy_some, &job) == 0)
        started++; /* fewer will do */
    (void)copy_some(&job);
    for (size_t i = 0; i < started; i++)
        (void)pthread_join(threads[i], NULL);
    (void)pthread_mutex_destroy(&job.shared.lock);
    if (job.shared.rc < 0 && err)
        *err = job.shared.err;
    return job.shared.rc;
}

static int run_parts(struct copy *c, const char *id, uint64_t part_size, struct tarn_error *err)
{
    struct tarn_object_info info = { 0 };
    struct tarn_put_options options = { .conditions = { .if_none_match = "*" } };
    uint64_t whole_max = c->o.part_size ? part_size : TARN_PUT_LEN_MAX;
    size_t count =
        c->source.size <= whole_max ? 1 : (size_t)((c->source.size + part_size - 1) / part_size);
    struct tarn_part *parts = tn_calloc(count, sizeof *parts);
    if (!parts)
        return tn_fail(err, TARN_ENOMEM, "could not copy: out of memory");
    int rc = copy_parts(c, id, part_size, parts, count, err);
    if (rc == TARN_OK) {
        options.request = request_of(c);
        rc = tarn_multipart_complete(c->client, c->bucket, c->key, id, parts, count, &options,
                                     &info, err);
    }
    tn_free(parts);
    return keep_info(c, rc, &info);
}

static int run_multipart(struct copy *c, struct tarn_error *err)
{
    char id[TARN_UPLOAD_ID_LEN_MAX];
    uint64_t part_size = 0;
    int rc = carry_tags(c, err);
    if (rc < 0)
        return rc;
    struct tarn_put_options options = { .request = making_request_of(c),
                                        .attributes = c->attributes,
                                        .checksum = TARN_CHECKSUM_NONE };
    rc = tarn_part_size_plan(c->source.size, c->o.part_size ? c->o.part_size : PART_SIZE_DEFAULT,
                             &part_size);
    if (rc < 0)
        return tn_fail(err, rc, "could not copy \"%s/%s\": bad part size, or too large",
                       c->source_bucket, c->source_key);
    rc = tarn_multipart_create(c->client, c->bucket, c->key, &options, id, err);
    if (rc < 0)
        return rc;
    rc = run_parts(c, id, part_size, err);
    if (rc < 0)
        (void)tarn_multipart_abort(c->client, c->bucket, c->key, id, &c->o.request, NULL);
    return rc;
}

static int run_strategy(struct copy *c, enum tarn_copy_strategy strategy, struct tarn_error *err)
{
    switch (strategy) {
    case TARN_COPY_MULTIPART:
        return run_multipart(c, err);
    case TARN_COPY_GET_PUT:
        return run_get_put(c, err);
    case TARN_COPY_HEADER:
    case TARN_COPY_AUTO:
    default:
        return run_header(c, err);
    }
}

/* ---- what came of it ---- */

/* What stands at the destination. TARN_EEXISTS, TARN_OK for our copy, TARN_ENOTFOUND, or why that
 * could not be found out. */
static int look_at_target(struct copy *c, struct tarn_error *err)
{
    struct tarn_object_info info = { 0 };
    struct tarn_error why = { 0 };
    int rc = TARN_EAGAIN;
    for (int i = 1; i <= LOOK_TRIES_MAX; i++) {
        struct tarn_get_options options = { .request = request_of(c) };
        rc = tarn_object_head(c->client, c->bucket, c->key, &options, &info, &why);
        if (rc == TARN_OK || !tn_outcome_is_passing(rc) || time_left_ms(c) < 0)
            break;
        pause_for(c, i);
    }
    if (rc < 0) {
        if (err)
            *err = why;
        return rc;
    }
    const char *marker = tn_info_metadata(&info, MARKER);
    bool is_ours = !c->o.skip_marker && marker && strcmp(marker, c->marker) == 0;
    bool looks_alike =
        info.size == c->source.size && info.etag && strcmp(info.etag, c->source.etag) == 0;
    c->result.size = info.size;
    c->result.is_maybe_ours = c->o.skip_marker && c->was_unclear && looks_alike;
    if (is_ours) {
        c->result.is_recovered = true;
        return keep_info(c, TARN_OK, &info);
    }
    tarn_object_info_release(&info);
    return tn_fail(err, TARN_EEXISTS, "could not copy to \"%s/%s\": it exists", c->bucket, c->key);
}

static bool is_exists_answer(const struct copy *c, const struct tarn_error *err)
{
    if (has_own_header(c) && c->o.exists_http_status)
        return err->http_status == c->o.exists_http_status;
    return err->status == TARN_EPRECOND;
}

/* A 412 may also speak of the source, which then is not the one that was looked at. If it is, what
 * was at the destination is gone again: TARN_ECONFLICT, to be tried again. */
static int judge_refusal(struct copy *c, struct tarn_error *err)
{
    struct tarn_error why = { 0 };
    int rc = look_at_target(c, &why);
    if (rc == TARN_ENOTFOUND) {
        struct tarn_get_options options = { .request = request_of(c),
                                            .conditions = { .if_match = c->source.etag },
                                            .version_id = c->o.source_version_id };
        rc = tarn_object_head(c->client, c->source_bucket, c->source_key, &options, NULL, &why);
        if (rc == TARN_OK)
            rc = tn_fail(&why, TARN_ECONFLICT, "could not copy to \"%s/%s\": it comes and goes",
                         c->bucket, c->key);
        else if (rc == TARN_EPRECOND)
            rc = tn_fail(&why, rc, "could not copy \"%s/%s\": it was changed meanwhile",
                         c->source_bucket, c->source_key);
    }
    if (rc < 0 && err)
        *err = why;
    return rc;
}

static bool is_unsupported(int rc, const struct tarn_error *err)
{
    return rc == TARN_ENOTSUPPORTED || err->http_status == 501 || err->http_status == 405;
}

/* Runs one strategy to a clear end. */
static int run_to_end(struct copy *c, enum tarn_copy_strategy strategy, struct tarn_error *err)
{
    int conflicts_max = c->o.conflict_tries_max ? c->o.conflict_tries_max : CONFLICT_TRIES_DEFAULT;
    int conflicts = 0, passing = 0;
    c->result.strategy = strategy;
    for (;;) {
        struct tarn_error why = { 0 };
        c->result.tries++;
        int rc = run_strategy(c, strategy, &why);
        if (rc == TARN_OK)
            return rc;
        if (why.attempts > 1 || (tn_outcome_is_passing(rc) && rc != TARN_ECONFLICT))
            c->was_unclear = true;
        if (is_exists_answer(c, &why)) {
            rc = judge_refusal(c, &why);
            if (rc != TARN_ECONFLICT) {
                if (rc < 0 && err)
                    *err = why;
                return rc;
            }
        }
        bool is_gone_upload = strcmp(why.s3_code, "NoSuchUpload") == 0;
        if ((tn_outcome_is_passing(rc) || is_gone_upload) && c->was_unclear) {
            struct tarn_error looked = { 0 };
            int found = look_at_target(c, &looked);
            if (found == TARN_OK || found == TARN_EEXISTS) {
                if (found < 0 && err)
                    *err = looked;
                return found;
            }
        }
        bool may_again = rc == TARN_ECONFLICT ? ++conflicts < conflicts_max
                         : tn_outcome_is_passing(rc) || is_gone_upload
                             ? ++passing < PASSING_TRIES_MAX
                             : false;
        if (!may_again || time_left_ms(c) < 0) {
            if (err)
                *err = why;
            return rc;
        }
        pause_for(c, conflicts + passing);
    }
}

static int need(struct copy *c, unsigned bits, struct tarn_error *err)
{
    struct tarn_request request = request_of(c);
    return c->o.skip_probe ? TARN_OK
                           : tn_probe_need(c->client, c->bucket, c->key, bits, &request, err);
}

/* Own headers cannot be probed by If-None-Match; that server's maker says that they work. */
static int try_strategy(struct copy *c, enum tarn_copy_strategy strategy, struct tarn_error *err)
{
    static const unsigned bits[] = { [TARN_COPY_AUTO] = 0,
                                     [TARN_COPY_HEADER] = TARN_CONDITIONAL_COPY,
                                     [TARN_COPY_MULTIPART] = TARN_CONDITIONAL_COMPLETE,
                                     [TARN_COPY_GET_PUT] = TARN_CONDITIONAL_CREATE };
    bool is_large = c->source.size > TARN_PUT_LEN_MAX;
    unsigned needed = bits[strategy];
    if (strategy == TARN_COPY_HEADER && is_large)
        return tn_fail(err, TARN_ENOTSUPPORTED,
                       "could not copy \"%s/%s\": one request copies 5 GiB "
                       "at most",
                       c->source_bucket, c->source_key);
    if (strategy == TARN_COPY_HEADER && has_own_header(c))
        needed = 0;
    int rc = need(c, needed, err);
    return rc < 0 ? rc : run_to_end(c, strategy, err);
}

static int run_auto(struct copy *c, struct tarn_error *err)
{
    static const enum tarn_copy_strategy order[] = { TARN_COPY_HEADER, TARN_COPY_GET_PUT,
                                                     TARN_COPY_MULTIPART };
    struct tarn_error why = { 0 };
    int rc = TARN_ENOTSUPPORTED;
    for (size_t i = 0; i < TN_COUNT(order); i++) {
        why = (struct tarn_error){ 0 };
        rc = try_strategy(c, order[i], &why);
        if (rc == TARN_OK || !is_unsupported(rc, &why))
            break;
    }
    if (rc < 0 && is_unsupported(rc, &why))
        rc = why.status = TARN_ENOTSUPPORTED;
    if (rc < 0 && err)
        *err = why;
    return rc;
}

int tarn_copy_atomic(struct tarn_client *client, const char *source_bucket, const char *source_key,
                     const char *bucket, const char *key,
                     const struct tarn_copy_atomic_options *options,
                     struct tarn_copy_atomic_result *result, struct tarn_error *err)
{
    int given = tn_check_given(client, bucket, key, NULL, err);
    if (given == TARN_OK)
        given = tn_check_object(source_bucket, source_key, err);
    if (given == TARN_OK)
        given = tn_check_object(bucket, key, err);
    if (given < 0)
        return given;
    struct copy c = { .client = client,
                      .source_bucket = source_bucket,
                      .source_key = source_key,
                      .bucket = bucket,
                      .key = key,
                      .tagging = TN_BUF_INIT(TAGGING_MAX) };
    if (options)
        c.o = *options;
    int rc = judge_options(&c, err);
    if (rc < 0)
        return rc;
    if (c.o.deadline_ms && c.o.deadline_ms <= INT_MAX) /* longer is none */
        c.deadline_ns = tn_now_ns() + (uint64_t)c.o.deadline_ms * 1000000;
    rc = look_at_source(&c, err);
    if (rc == TARN_OK)
        rc = prepare_attributes(&c, err);
    if (rc == TARN_OK) {
        c.result.size = c.source.size;
        rc = c.o.strategy == TARN_COPY_AUTO ? run_auto(&c, err)
                                            : try_strategy(&c, c.o.strategy, err);
    }
    if (result && (rc == TARN_OK || rc == TARN_EEXISTS))
        *result = c.result;
    tarn_object_info_release(&c.source);
    tn_buf_release(&c.tagging);
    return rc;
}
