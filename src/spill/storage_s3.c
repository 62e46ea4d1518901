/* SPDX-License-Identifier: Apache-2.0 */
/* Segments as objects in S3: one PUT for what fits into a part, parts in parallel for more. */

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <strings.h>

#include <tarn/client.h>
#include <tarn/multipart.h>

#include "base/clock.h"
#include "base/codec.h"
#include "base/rand.h"
#include "spill/storage.h"

enum {
    RANDOM_LEN_DEFAULT = 8,
    RANDOM_LEN_MIN = 4,
    RANDOM_LEN_MAX = 32,
    TIMEOUT_DEFAULT_MS = 30000,
    IN_FLIGHT_DEFAULT = 2,
    IN_FLIGHT_MAX = 64,
    METADATA_MAX = 32,
    GROWS_FROM_PART = 4000, /* 20 GiB of 5 MiB; then parts double every ... */
    GROWS_EACH = 600,       /* ... so that 10,000 of them hold 5 TiB */
    NONCE_LEN = 16
};
static const uint64_t READ_WINDOW_DEFAULT = (uint64_t)1 << 20;
static const int64_t EXPIRES_DEFAULT_MS = (int64_t)24 * 3600 * 1000;
static const int64_t EXPIRES_MAX_MS = (int64_t)100 * 365 * 24 * 3600 * 1000;
static const char PREFIX_DEFAULT[] = "hybridbuffer";

struct s3_storage {
    struct tarn_buffer_s3 o; /* its texts are owned below */
    char *bucket;
    char *prefix;
    char *filters;
    struct tarn_request request;
};

/* A part on its way. Its thread has it while `is_running`. */
struct job {
    struct s3_segment *segment;
    pthread_t thread;
    bool is_running;
    char *bytes;
    size_t cap;
    size_t len;
    struct tarn_part part;
    int rc;
    struct tarn_error err;
};

struct s3_segment {
    struct s3_storage *storage;
    char key[TARN_KEY_LEN_MAX + 1];
    char nonce[2 * NONCE_LEN + 1];
    char expires[24];
    struct tarn_header metadata[METADATA_MAX];
    size_t metadata_count;
    struct job *jobs;
    int job_count;
    int current; /* the job whose bytes are being filled */
    uint64_t part_size;
    char upload_id[TARN_UPLOAD_ID_LEN_MAX]; /* "" before the second part */
    struct tarn_part *parts;
    uint32_t part_count;
    uint32_t part_cap;
    uint64_t len;
    bool is_sealed;
    bool may_differ; /* a write of the object failed, perhaps without an answer */
    char etag[TARN_ETAG_LEN_MAX];
    char *window; /* read last */
    uint64_t window_start;
    size_t window_len;
};

/* ---- names and metadata ---- */

static void name_object(struct s3_segment *seg)
{
    const struct s3_storage *s = seg->storage;
    unsigned char random[RANDOM_LEN_MAX];
    char hex[2 * RANDOM_LEN_MAX + 1];
    const char *prefix = s->prefix;
    tn_random_bytes(random, (size_t)s->o.random_len);
    tn_hex_encode(random, (size_t)s->o.random_len, hex);
    (void)snprintf(seg->key, sizeof seg->key, "%s%s%lld-%s.bin", prefix, prefix[0] ? "/" : "",
                   (long long)(tn_wall_ms() / 1000), hex);
}

static void fill_metadata(struct s3_segment *seg, bool has_mark)
{
    const struct s3_storage *s = seg->storage;
    size_t count = 0;
    for (; count < s->o.attributes.metadata_count; count++)
        seg->metadata[count] = s->o.attributes.metadata[count];
    if (s->filters[0])
        seg->metadata[count++] = (struct tarn_header){ SPILL_META_FILTERS, s->filters };
    seg->metadata[count++] = (struct tarn_header){ SPILL_META_OWNER, seg->nonce };
    if (has_mark)
        seg->metadata[count++] = (struct tarn_header){ SPILL_META_EXPIRES, seg->expires };
    seg->metadata_count = count;
}

static struct tarn_attributes attributes_of(struct s3_segment *seg)
{
    struct tarn_attributes out = seg->storage->o.attributes;
    out.metadata = seg->metadata;
    out.metadata_count = seg->metadata_count;
    if (!out.content_type)
        out.content_type = "application/octet-stream";
    return out;
}

static int s3_create(void *arg, void **segment, struct tarn_error *err)
{
    struct s3_storage *s = arg;
    unsigned char nonce[NONCE_LEN];
    struct s3_segment *seg = tn_calloc(1, sizeof *seg);
    struct job *jobs = tn_calloc((size_t)s->o.parts_in_flight + 1, sizeof *jobs);
    if (!seg || !jobs) {
        tn_free(seg);
        tn_free(jobs);
        return tn_fail(err, TARN_ENOMEM, "could not spill: out of memory");
    }
    seg->storage = s;
    seg->jobs = jobs;
    seg->job_count = s->o.parts_in_flight + 1;
    seg->part_size = s->o.part_size;
    tn_random_bytes(nonce, sizeof nonce);
    tn_hex_encode(nonce, sizeof nonce, seg->nonce);
    (void)snprintf(seg->expires, sizeof seg->expires, "%lld",
                   (long long)((tn_wall_ms() + s->o.expires_after_ms) / 1000));
    name_object(seg);
    fill_metadata(seg, true);
    *segment = seg;
    return TARN_OK;
}

/* ---- parts ---- */

static void *run_job(void *arg)
{
    struct job *job = arg;
    const struct s3_segment *seg = job->segment;
    const struct s3_storage *s = seg->storage;
    struct tarn_put_options options = { .request = s->request };
    job->rc = tarn_multipart_upload_part(s->o.client, s->bucket, seg->key, seg->upload_id,
                                         job->part.number, job->bytes, job->len, &options,
                                         &job->part, &job->err);
    return NULL;
}

/* Waits for a part; its result goes to the list. */
static int job_join(struct job *job, struct tarn_error *err)
{
    if (!job->is_running)
        return TARN_OK;
    (void)pthread_join(job->thread, NULL);
    job->is_running = false;
    if (job->rc < 0) {
        if (err)
            *err = job->err;
        return job->rc;
    }
    job->segment->parts[job->part.number - 1] = job->part;
    return TARN_OK;
}

static int join_all(struct s3_segment *seg, struct tarn_error *err)
{
    int rc = TARN_OK;
    for (int i = 0; i < seg->job_count; i++) {
        int one = job_join(&seg->jobs[i], rc == TARN_OK ? err : NULL);
        if (rc == TARN_OK)
            rc = one;
    }
    return rc;
}

static int begin_upload(struct s3_segment *seg, struct tarn_error *err)
{
    const struct s3_storage *s = seg->storage;
    struct tarn_put_options options = { .request = s->request, .attributes = attributes_of(seg) };
    return tarn_multipart_create(s->o.client, s->bucket, seg->key, &options, seg->upload_id, err);
}

static int room_for_part(struct s3_segment *seg, struct tarn_error *err)
{
    if (seg->part_count == TARN_PART_COUNT_MAX)
        return tn_fail(err, TARN_ETOOBIG, "could not spill: more than %d parts",
                       TARN_PART_COUNT_MAX);
    if (seg->part_count < seg->part_cap)
        return TARN_OK;
    /* Parts on their way write into the list. */
    int rc = join_all(seg, err);
    if (rc < 0)
        return rc;
    uint32_t cap = seg->part_cap ? seg->part_cap * 2 : 64;
    struct tarn_part *more = tn_realloc(seg->parts, cap * sizeof *more);
    if (!more)
        return tn_fail(err, TARN_ENOMEM, "could not spill: out of memory");
    seg->parts = more;
    seg->part_cap = cap;
    return TARN_OK;
}

/* Sends the current part and goes on with the next job's memory. */
static int send_part(struct s3_segment *seg, struct tarn_error *err)
{
    struct job *job = &seg->jobs[seg->current];
    int rc = seg->upload_id[0] ? TARN_OK : begin_upload(seg, err);
    if (rc == TARN_OK)
        rc = room_for_part(seg, err);
    if (rc < 0)
        return rc;
    job->segment = seg;
    job->part = (struct tarn_part){ .number = ++seg->part_count };
    job->err = (struct tarn_error){ 0 };
    int number = pthread_create(&job->thread, NULL, run_job, job);
    if (number != 0) {
        errno = number;
        return tn_fail_errno(err, "could not spill: no thread");
    }
    job->is_running = true;
    seg->current = (seg->current + 1) % seg->job_count;
    struct job *next = &seg->jobs[seg->current];
    rc = job_join(next, err);
    next->len = 0;
    if (seg->part_count >= GROWS_FROM_PART && seg->part_count % GROWS_EACH == 0 &&
        seg->part_size * 2 <= TARN_PART_LEN_MAX)
        seg->part_size *= 2;
    return rc;
}

/* Memory for a part grows with what is in it: a small buffer takes little. */
static int job_reserve(struct s3_segment *seg, struct job *job, size_t len, struct tarn_error *err)
{
    size_t cap = job->cap ? job->cap : (size_t)64 << 10;
    while (cap < job->len + len)
        cap *= 2;
    if (cap > seg->part_size)
        cap = (size_t)seg->part_size;
    if (cap <= job->cap)
        return TARN_OK;
    char *more = tn_realloc(job->bytes, cap);
    if (!more)
        return tn_fail(err, TARN_ENOMEM, "could not spill: out of memory");
    job->bytes = more;
    job->cap = cap;
    return TARN_OK;
}

static int s3_write(void *arg, void *segment, const void *bytes, size_t len, struct tarn_error *err)
{
    struct s3_segment *seg = segment;
    const char *from = bytes;
    (void)arg;
    while (len > 0) {
        struct job *job = &seg->jobs[seg->current];
        size_t room = (size_t)seg->part_size - job->len;
        size_t now = len < room ? len : room;
        int rc = job_reserve(seg, job, now, err);
        if (rc < 0)
            return rc;
        memcpy(job->bytes + job->len, from, now);
        job->len += now;
        seg->len += now;
        from += now;
        len -= now;
        if (job->len == seg->part_size)
            rc = send_part(seg, err);
        if (rc < 0)
            return rc;
    }
    return TARN_OK;
}

/* ---- the end of writing ---- */

/* A condition may be refused because a try of ours without an answer had worked. */
static bool is_ours(struct s3_segment *seg, struct tarn_object_info *info)
{
    const struct s3_storage *s = seg->storage;
    struct tarn_get_options options = { .request = s->request };
    int rc = tarn_object_head(s->o.client, s->bucket, seg->key, &options, info, NULL);
    if (rc < 0)
        return false;
    for (size_t i = 0; i < info->metadata_count; i++) {
        if (strcasecmp(info->metadata[i].name, SPILL_META_OWNER) == 0)
            return strcmp(info->metadata[i].value, seg->nonce) == 0;
    }
    return false;
}

static int put_whole(struct s3_segment *seg, struct tarn_object_info *info, struct tarn_error *err)
{
    const struct s3_storage *s = seg->storage;
    const struct job *job = &seg->jobs[seg->current];
    struct tarn_put_options options = { .request = s->request,
                                        .attributes = attributes_of(seg),
                                        .conditions = { .if_none_match = "*" } };
    return tarn_object_put(s->o.client, s->bucket, seg->key, job->bytes, job->len, &options, info,
                           err);
}

static int complete(struct s3_segment *seg, struct tarn_object_info *info, struct tarn_error *err)
{
    const struct s3_storage *s = seg->storage;
    struct tarn_put_options options = { .request = s->request,
                                        .conditions = { .if_none_match = "*" } };
    int rc = seg->jobs[seg->current].len > 0 ? send_part(seg, err) : TARN_OK;
    int joined = join_all(seg, rc == TARN_OK ? err : NULL);
    if (rc == TARN_OK)
        rc = joined;
    return rc < 0 ? rc
                  : tarn_multipart_complete(s->o.client, s->bucket, seg->key, seg->upload_id,
                                            seg->parts, seg->part_count, &options, info, err);
}

static void free_memory(struct s3_segment *seg)
{
    for (int i = 0; i < seg->job_count; i++) {
        tn_free(TN_TAKE(seg->jobs[i].bytes));
        seg->jobs[i].cap = seg->jobs[i].len = 0;
    }
    tn_free(TN_TAKE(seg->parts));
    seg->part_cap = 0;
}

static int s3_seal(void *arg, void *segment, struct tarn_error *err)
{
    struct s3_segment *seg = segment;
    struct tarn_object_info info = { 0 };
    struct tarn_error why = { 0 };
    (void)arg;
    int rc = seg->upload_id[0] ? complete(seg, &info, &why) : put_whole(seg, &info, &why);
    if (rc < 0 && is_ours(seg, &info))
        rc = TARN_OK;
    if (rc == TARN_OK && !info.etag)
        rc = tn_fail(&why, TARN_EPROTOCOL, "could not spill: the server tells no ETag");
    if (rc == TARN_OK) {
        (void)snprintf(seg->etag, sizeof seg->etag, "%s", info.etag);
        seg->is_sealed = true;
        free_memory(seg);
    } else {
        seg->may_differ = true;
        if (err)
            *err = why;
    }
    tarn_object_info_release(&info);
    return rc;
}

/* ---- reading and removing ---- */

static int take_window(void *arg, const void *bytes, size_t len)
{
    struct s3_segment *seg = arg;
    if (len > seg->storage->o.read_window - seg->window_len)
        return TARN_ETOOBIG;
    memcpy(seg->window + seg->window_len, bytes, len);
    seg->window_len += len;
    return TARN_OK;
}

static int fetch(struct s3_segment *seg, uint64_t offset, struct tarn_error *err)
{
    const struct s3_storage *s = seg->storage;
    uint64_t last = offset + s->o.read_window - 1;
    struct tarn_get_options options = { .request = s->request,
                                        .conditions = { .if_match = seg->etag },
                                        .has_range = true,
                                        .range_first = offset,
                                        .range_last = last < seg->len ? last : seg->len - 1 };
    if (!seg->window)
        seg->window = tn_realloc(NULL, (size_t)s->o.read_window);
    if (!seg->window)
        return tn_fail(err, TARN_ENOMEM, "could not read a buffer: out of memory");
    seg->window_start = offset;
    seg->window_len = 0;
    struct tarn_error why = { 0 };
    int rc =
        tarn_object_get(s->o.client, s->bucket, seg->key, take_window, seg, &options, NULL, &why);
    if (rc < 0) /* what came was not verified */
        seg->window_len = 0;
    if (rc == TARN_EPRECOND || rc == TARN_ENOTFOUND || rc == TARN_ERANGE)
        return tn_fail(err, TARN_ECORRUPT, "could not read a buffer: \"%s/%s\" was %s", s->bucket,
                       seg->key, rc == TARN_ENOTFOUND ? "removed" : "replaced");
    if (rc < 0 && err)
        *err = why;
    return rc;
}

static int64_t s3_read(void *arg, void *segment, uint64_t offset, void *bytes, size_t len,
                       struct tarn_error *err)
{
    struct s3_segment *seg = segment;
    (void)arg;
    if (offset >= seg->len)
        return 0;
    bool is_there =
        seg->window && offset >= seg->window_start && offset - seg->window_start < seg->window_len;
    if (!is_there) {
        int rc = fetch(seg, offset, err);
        if (rc < 0)
            return rc;
    }
    size_t at = (size_t)(offset - seg->window_start);
    size_t now = seg->window_len - at < len ? seg->window_len - at : len;
    memcpy(bytes, seg->window + at, now);
    return (int64_t)now;
}

static void free_segment(struct s3_segment *seg)
{
    free_memory(seg);
    tn_free(seg->jobs);
    tn_free(seg->window);
    tn_free(seg);
}

/* An object of that name may be somebody else's. */
static void delete_ours(struct s3_segment *seg)
{
    const struct s3_storage *s = seg->storage;
    struct tarn_object_info info = { 0 };
    struct tarn_delete_options options = { .request = s->request,
                                           .if_match = seg->is_sealed ? seg->etag : NULL };
    if (seg->may_differ)
        options.if_match = is_ours(seg, &info) ? info.etag : NULL;
    if (options.if_match)
        (void)tarn_object_delete(s->o.client, s->bucket, seg->key, &options, NULL, NULL);
    tarn_object_info_release(&info);
}

static void s3_remove(void *arg, void *segment)
{
    struct s3_segment *seg = segment;
    const struct s3_storage *s = seg->storage;
    (void)arg;
    (void)join_all(seg, NULL);
    if (seg->upload_id[0] && !seg->is_sealed)
        (void)tarn_multipart_abort(s->o.client, s->bucket, seg->key, seg->upload_id, &s->request,
                                   NULL);
    delete_ours(seg);
    free_segment(seg);
}

/* The copy may have worked without an answer; the object's ETag is another one then, so that a
 * repetition is refused. */
static bool is_kept(struct s3_segment *seg)
{
    struct tarn_object_info info = { 0 };
    bool is_marked = !is_ours(seg, &info);
    for (size_t i = 0; i < info.metadata_count; i++)
        is_marked |= strcasecmp(info.metadata[i].name, SPILL_META_EXPIRES) == 0;
    tarn_object_info_release(&info);
    return !is_marked;
}

int spill_s3_keep(const struct tarn_buffer_storage *storage, void *segment,
                  char key[TARN_KEY_LEN_MAX + 1], struct tarn_error *err)
{
    struct s3_segment *seg = segment;
    const struct s3_storage *s = storage->arg;
    struct tarn_error why = { 0 };
    fill_metadata(seg, false);
    struct tarn_copy_options options = { .request = s->request,
                                         .attributes = attributes_of(seg),
                                         .source_conditions = { .if_match = seg->etag },
                                         .metadata_directive = TARN_DIRECTIVE_REPLACE,
                                         .source_size = seg->len };
    int rc = tarn_object_copy(s->o.client, s->bucket, seg->key, s->bucket, seg->key, &options, NULL,
                              &why);
    if (rc < 0 && !is_kept(seg)) {
        seg->may_differ = true;
        if (err)
            *err = why;
        return rc;
    }
    (void)snprintf(key, TARN_KEY_LEN_MAX + 1, "%s", seg->key);
    free_segment(seg);
    return TARN_OK;
}

/* ---- the storage ---- */

static int judge(const struct tarn_buffer_s3 *o, struct tarn_error *err)
{
    size_t prefix_len = o->prefix ? strlen(o->prefix) : 0;
    const char *what = NULL;
    if (!o->client || !o->bucket || !o->bucket[0])
        what = "a client and a bucket are wanted";
    else if (prefix_len > TARN_KEY_LEN_MAX - 128)
        what = "the prefix is too long";
    else if (o->random_len && (o->random_len < RANDOM_LEN_MIN || o->random_len > RANDOM_LEN_MAX))
        what = "names have 4 to 32 random bytes";
    else if (o->part_size && (o->part_size < TARN_PART_LEN_MIN || o->part_size > TARN_PART_LEN_MAX))
        what = "parts have 5 MiB to 5 GiB";
    else if (o->parts_in_flight < 0 || o->parts_in_flight > IN_FLIGHT_MAX)
        what = "1 to 64 parts may be in flight";
    else if (o->timeout_ms < 0 || o->expires_after_ms < 0)
        what = "negative times";
    else if (o->expires_after_ms > EXPIRES_MAX_MS)
        what = "they expire within a hundred years";
    else if (o->read_window > TARN_PART_LEN_MAX)
        what = "no more than 5 GiB are read at once";
    else if (o->attributes.metadata_count > METADATA_MAX - 3)
        what = "too much metadata";
    else if (o->attributes.metadata_count > 0 && !o->attributes.metadata)
        what = "the metadata is missing";
    return what ? tn_fail(err, TARN_EINVAL, "could not create a buffer in S3: %s", what) : TARN_OK;
}

int spill_s3_new(const struct tarn_buffer_s3 *options, const char *filters,
                 struct tarn_buffer_storage *out, struct tarn_error *err)
{
    int rc = judge(options, err);
    if (rc < 0)
        return rc;
    struct s3_storage *s = tn_calloc(1, sizeof *s);
    if (!s)
        return tn_fail(err, TARN_ENOMEM, "could not create a buffer: out of memory");
    struct tarn_buffer_storage storage = { s3_create, s3_write, s3_seal, s3_read, s3_remove, s };
    const char *prefix = options->prefix ? options->prefix : PREFIX_DEFAULT;
    s->o = *options;
    s->bucket = tn_strdup(options->bucket);
    s->prefix = tn_strdup(prefix[0] == '/' ? prefix + 1 : prefix);
    s->filters = tn_strdup(filters);
    s->request = options->request;
    s->request.timeout_ms = options->timeout_ms ? options->timeout_ms : TIMEOUT_DEFAULT_MS;
    if (!s->o.random_len)
        s->o.random_len = RANDOM_LEN_DEFAULT;
    if (!s->o.part_size)
        s->o.part_size = TARN_PART_LEN_MIN;
    if (!s->o.parts_in_flight)
        s->o.parts_in_flight = IN_FLIGHT_DEFAULT;
    if (!s->o.read_window)
        s->o.read_window = READ_WINDOW_DEFAULT;
    if (!s->o.expires_after_ms)
        s->o.expires_after_ms = EXPIRES_DEFAULT_MS;
    if (!s->bucket || !s->prefix || !s->filters) {
        spill_s3_free(&storage);
        return tn_fail(err, TARN_ENOMEM, "could not create a buffer: out of memory");
    }
    *out = storage;
    return TARN_OK;
}

void spill_s3_free(struct tarn_buffer_storage *storage)
{
    struct s3_storage *s = storage->arg;
    tn_free(s->bucket);
    tn_free(s->prefix);
    tn_free(s->filters);
    tn_free(s);
}
