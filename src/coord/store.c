/* SPDX-License-Identifier: Apache-2.0 */
/* The compare-and-swap store. */

#include <tarn/store.h>

#include <pthread.h>
#include <stdio.h>

#include <tarn/client.h>

#include "coord/outcome.h"
#include "coord/probe.h"
#include "coord/store_writers.h"

enum {
    SIZE_MAX_DEFAULT = 16 << 20,
    UPDATE_TRIES_DEFAULT = 1000,
    BACKOFF_FIRST_MS = 2,
    BACKOFF_MAX_DEFAULT_MS = 500,
    PASSING_TRIES_MAX = 10, /* in a row, when the server is in trouble */
    PASSING_PAUSE_MS = 50,
    CHANGES_MAX = 8, /* of a value while it is read */
    METADATA_MAX = 64,
};
static const char META_WRITERS[] = "tarn-writers";
static const char META_FENCE[] = "tarn-fence";

/* One write under way at a time. */
struct writer {
    struct writer *next;
    char id[TN_WRITER_ID_LEN + 1];
    uint64_t seq; /* of the last write */
};

struct tarn_store {
    struct tarn_client *client;
    struct tarn_store_options options;
    const struct tarn_serializer *serializer;
    struct {
        pthread_mutex_t lock;
        struct writer *idle;
    } shared;
};

/* One call of the store. */
struct call {
    struct tarn_store *store;
    const char *bucket;
    const char *key;
    struct writer *writer;
    uint64_t first_seq; /* of this call */
    uint64_t fence;
};

struct tarn_store *tarn_store_new(struct tarn_client *client,
                                  const struct tarn_store_options *options, struct tarn_error *err)
{
    if (tn_check_given(client, "-", "-", NULL, err) < 0)
        return NULL;
    static const struct tarn_store_options none;
    const struct tarn_store_options *o = options ? options : &none;
    const struct tarn_serializer *by = o->serializer ? o->serializer : tarn_serializer_bytes();
    bool is_whole = by->encode && by->free_bytes && by->decode && by->free_value;
    if (o->attributes.metadata_count > 0 && !o->attributes.metadata)
        is_whole = false;
    if (!is_whole || o->attributes.metadata_count > METADATA_MAX || o->tries_max < 0 ||
        o->backoff_max_ms < 0) {
        (void)tn_fail(err, TARN_EINVAL, "could not open a store: bad options");
        return NULL;
    }
    struct tarn_store *s = tn_calloc(1, sizeof *s);
    if (!s) {
        (void)tn_fail(err, TARN_ENOMEM, "could not open a store: out of memory");
        return NULL;
    }
    s->client = client;
    s->options = *o;
    s->serializer = by;
    if (!s->options.size_max)
        s->options.size_max = SIZE_MAX_DEFAULT;
    if (!s->options.tries_max)
        s->options.tries_max = UPDATE_TRIES_DEFAULT;
    if (!s->options.backoff_max_ms)
        s->options.backoff_max_ms = BACKOFF_MAX_DEFAULT_MS;
    (void)pthread_mutex_init(&s->shared.lock, NULL);
    return s;
}

void tarn_store_free(struct tarn_store *store)
{
    if (!store)
        return;
    while (store->shared.idle) {
        struct writer *w = store->shared.idle;
        store->shared.idle = w->next;
        tn_free(w);
    }
    (void)pthread_mutex_destroy(&store->shared.lock);
    tn_free(store);
}

void tarn_store_entry_release(const struct tarn_store *store, struct tarn_store_entry *entry)
{
    if (!entry)
        return;
    if (entry->value)
        store->serializer->free_value(store->serializer->arg, entry->value);
    *entry = (struct tarn_store_entry){ 0 };
}

/* ---- a call's writer ---- */

static int call_begin(struct call *c, struct tarn_error *err)
{
    struct tarn_store *s = c->store;
    if (!s->options.skip_probe) {
        int rc = tn_probe_need(s->client, c->bucket, c->key,
                               TARN_CONDITIONAL_CREATE | TARN_CONDITIONAL_MATCH,
                               &s->options.request, err);
        if (rc < 0)
            return rc;
    }
    (void)pthread_mutex_lock(&s->shared.lock);
    c->writer = s->shared.idle;
    if (c->writer)
        s->shared.idle = c->writer->next;
    (void)pthread_mutex_unlock(&s->shared.lock);
    if (!c->writer) {
        char nonce[TN_NONCE_LEN + 1];
        c->writer = tn_calloc(1, sizeof *c->writer);
        if (!c->writer)
            return tn_fail(err, TARN_ENOMEM, "could not write \"%s/%s\": out of memory", c->bucket,
                           c->key);
        tn_nonce(nonce);
        (void)snprintf(c->writer->id, sizeof c->writer->id, "%.*s", TN_WRITER_ID_LEN, nonce);
    }
    c->first_seq = c->writer->seq + 1;
    return TARN_OK;
}

/* A writer whose last write may still be on its way is used again: numbers before a call's first
 * one do not count for it. */
static void call_end(struct call *c)
{
    struct tarn_store *s = c->store;
    if (!c->writer)
        return;
    (void)pthread_mutex_lock(&s->shared.lock);
    c->writer->next = s->shared.idle;
    s->shared.idle = c->writer;
    (void)pthread_mutex_unlock(&s->shared.lock);
}

/* ---- requests ---- */

static void read_entry(const struct tarn_object_info *info, struct tarn_store_entry *entry)
{
    uint64_t fence = 0;
    const char *raw = tn_info_header(info, "etag");
    tn_text_copy(entry->etag, sizeof entry->etag, raw ? raw : info->etag);
    tn_text_copy(entry->version_id, sizeof entry->version_id, info->version_id);
    tn_text_copy(entry->writers, sizeof entry->writers, tn_info_metadata(info, META_WRITERS));
    if (tn_str_to_u64(tn_str_from(tn_info_metadata(info, META_FENCE)), &fence) < 0)
        fence = 0;
    entry->fence = fence;
    entry->size = info->size;
}

/* All but the value. */
static int head(struct call *c, struct tarn_store_entry *entry, struct tarn_error *err)
{
    struct tarn_object_info info = { 0 };
    struct tarn_get_options options = { .request = c->store->options.request };
    int rc = tarn_object_head(c->store->client, c->bucket, c->key, &options, &info, err);
    if (rc == TARN_OK)
        read_entry(&info, entry);
    tarn_object_info_release(&info);
    return rc;
}

static int get(struct call *c, struct tarn_store_entry *entry, struct tarn_error *err)
{
    const struct tarn_serializer *serializer = c->store->serializer;
    struct tarn_object_info info = { 0 };
    struct tarn_get_options options = { .request = c->store->options.request };
    char *bytes = NULL;
    size_t len = 0;
    int rc = TARN_EPRECOND;
    /* An answer that was cut off is gone on with, which fails when the value changed meanwhile. */
    for (int i = 0; rc == TARN_EPRECOND && i < CHANGES_MAX; i++)
        rc = tarn_object_get_bytes(c->store->client, c->bucket, c->key, c->store->options.size_max,
                                   &bytes, &len, &options, &info, err);
    if (rc < 0)
        return rc;
    rc = serializer->decode(serializer->arg, bytes, len, &entry->value, err);
    if (rc == TARN_OK) {
        read_entry(&info, entry);
        entry->size = len;
    }
    tarn_bytes_free(bytes);
    tarn_object_info_release(&info);
    return rc;
}

static int encode(struct call *c, const void *value, char **bytes, size_t *len,
                  struct tarn_error *err)
{
    const struct tarn_serializer *serializer = c->store->serializer;
    int rc = serializer->encode(serializer->arg, value, bytes, len, err);
    if (rc < 0 || *len <= c->store->options.size_max)
        return rc;
    serializer->free_bytes(serializer->arg, *bytes);
    return tn_fail(err, TARN_ETOOBIG, "could not write \"%s/%s\": the value is too large",
                   c->bucket, c->key);
}

/* Writes over what `seen` describes, or where nothing is (empty ETag). */
static int write_once(struct call *c, const char *bytes, size_t len,
                      const struct tarn_store_entry *seen, struct tarn_store_entry *written,
                      struct tarn_error *err)
{
    const struct tarn_store_options *o = &c->store->options;
    struct tarn_header metadata[METADATA_MAX + 2];
    char writers[TARN_STORE_WRITERS_LEN_MAX], fence_text[24];
    struct tarn_object_info info = { 0 };
    size_t count = o->attributes.metadata_count;
    uint64_t fence = c->fence > seen->fence ? c->fence : seen->fence;
    bool exists = seen->etag[0] != '\0';

    if (count)
        memcpy(metadata, o->attributes.metadata, count * sizeof *metadata);
    tn_writers_add(seen->writers, c->writer->id, ++c->writer->seq, writers);
    metadata[count++] = (struct tarn_header){ META_WRITERS, writers };
    (void)snprintf(fence_text, sizeof fence_text, "%llu", (unsigned long long)fence);
    if (fence)
        metadata[count++] = (struct tarn_header){ META_FENCE, fence_text };
    struct tarn_put_options options = { .request = o->request,
                                        .attributes = o->attributes,
                                        .conditions = { .if_match = exists ? seen->etag : NULL,
                                                        .if_none_match = exists ? NULL : "*" } };
    options.attributes.metadata = metadata;
    options.attributes.metadata_count = count;
    if (!options.attributes.content_type)
        options.attributes.content_type = c->store->serializer->content_type;
    int rc = tarn_object_put(c->store->client, c->bucket, c->key, bytes, len, &options, &info, err);
    if (rc == TARN_OK) {
        *written = (struct tarn_store_entry){ 0 };
        read_entry(&info, written);
        tn_text_copy(written->writers, sizeof written->writers, writers);
        written->fence = fence;
        written->size = len;
    }
    tarn_object_info_release(&info);
    return rc;
}

/* Whether `now` tells that a write of this call took effect; `written` is then filled. Behind other
 * writes its ETag is not known any more. */
static bool has_happened(const struct call *c, const struct tarn_store_entry *now,
                         struct tarn_store_entry *written)
{
    bool is_latest;
    uint64_t seq = tn_writers_find(now->writers, c->writer->id, &is_latest);
    if (seq < c->first_seq || c->writer->seq < c->first_seq)
        return false;
    *written = *now;
    written->value = NULL;
    if (!is_latest)
        written->etag[0] = written->version_id[0] = '\0';
    return true;
}

static int fail_fenced(const struct call *c, uint64_t fence, struct tarn_error *err)
{
    return tn_fail(err, TARN_ELOST,
                   "could not write \"%s/%s\": token %llu has written, ours is %llu", c->bucket,
                   c->key, (unsigned long long)fence, (unsigned long long)c->fence);
}

/* ---- single writes ---- */

/* Writes once over exactly `seen`. `refused` is what it comes to when something else is there. */
static int swap(struct call *c, const char *bytes, size_t len, const struct tarn_store_entry *seen,
                int refused, struct tarn_store_entry *written, struct tarn_error *err)
{
    struct tarn_error why = { 0 };
    int rc = TARN_EAGAIN;
    for (int i = 1; i <= PASSING_TRIES_MAX; i++) {
        struct tarn_store_entry now = { 0 };
        rc = write_once(c, bytes, len, seen, written, &why);
        if (rc == TARN_OK || !tn_outcome_is_unclear(rc) || rc == TARN_ECANCELLED)
            break;
        int looked = head(c, &now, NULL);
        if (looked == TARN_OK && has_happened(c, &now, written))
            return TARN_OK;
        bool is_same = looked == TARN_OK ? strcmp(now.etag, seen->etag) == 0
                                         : looked == TARN_ENOTFOUND && !seen->etag[0];
        if ((looked == TARN_OK || looked == TARN_ENOTFOUND) && !is_same)
            return tn_fail(err, refused, "could not write \"%s/%s\": %s", c->bucket, c->key,
                           refused == TARN_EEXISTS ? "it exists" : "it was changed meanwhile");
        if (rc == TARN_ENOTFOUND || rc == TARN_ENOMEM) /* the bucket's doing, or this machine's */
            break;
        tn_outcome_sleep(tn_outcome_pause_ms(i, PASSING_PAUSE_MS, 2000),
                         c->store->options.request.cancel);
    }
    if (rc < 0 && err)
        *err = why;
    return rc;
}

static int swap_value(struct call *c, const void *value, const struct tarn_store_entry *seen,
                      int refused, struct tarn_store_entry *written, struct tarn_error *err)
{
    struct tarn_store_entry dropped;
    char *bytes = NULL;
    size_t len = 0;
    int rc = call_begin(c, err);
    if (rc == TARN_OK)
        rc = encode(c, value, &bytes, &len, err);
    if (rc == TARN_OK) {
        rc = swap(c, bytes, len, seen, refused, written ? written : &dropped, err);
        c->store->serializer->free_bytes(c->store->serializer->arg, bytes);
    }
    call_end(c);
    return rc;
}

int tarn_store_create(struct tarn_store *store, const char *bucket, const char *key,
                      const void *value, uint64_t fence, struct tarn_store_entry *written,
                      struct tarn_error *err)
{
    int given = tn_check_given(store, bucket, key, NULL, err);
    if (given < 0)
        return given;
    static const struct tarn_store_entry nothing;
    struct call c = { .store = store, .bucket = bucket, .key = key, .fence = fence };
    return swap_value(&c, value, &nothing, TARN_EEXISTS, written, err);
}

int tarn_store_put(struct tarn_store *store, const char *bucket, const char *key,
                   const struct tarn_store_entry *seen, const void *value, uint64_t fence,
                   struct tarn_store_entry *written, struct tarn_error *err)
{
    int given = tn_check_given(store, bucket, key, NULL, err);
    if (given < 0)
        return given;
    struct call c = { .store = store, .bucket = bucket, .key = key, .fence = fence };
    if (!seen || !seen->etag[0])
        return tn_fail(err, TARN_EINVAL,
                       "could not write \"%s/%s\": without an ETag, use create or overwrite",
                       bucket, key);
    if (fence && seen->fence > fence)
        return fail_fenced(&c, seen->fence, err);
    return swap_value(&c, value, seen, TARN_ECONFLICT, written, err);
}

/* ---- loops ---- */

/* One round of a loop: looks, lets `step` write, sees what came of it. */
typedef int (*step_fn)(struct call *c, struct tarn_store_entry *present, bool exists, void *arg,
                       struct tarn_store_entry *written, struct tarn_error *err);

static int loop_round(struct call *c, bool wants_value, step_fn step, void *arg,
                      struct tarn_store_entry *written, struct tarn_error *err)
{
    struct tarn_store_entry present = { 0 };
    int rc = wants_value ? get(c, &present, err) : head(c, &present, err);
    bool exists = rc == TARN_OK;
    if (rc < 0 && rc != TARN_ENOTFOUND)
        return rc;
    if (exists && has_happened(c, &present, written))
        rc = TARN_OK;
    else if (exists && c->fence && present.fence > c->fence)
        rc = fail_fenced(c, present.fence, err);
    else
        rc = step(c, &present, exists, arg, written, err);
    tarn_store_entry_release(c->store, &present);
    return rc;
}

/* A refusal by condition is a lost race; a failure that says nothing is looked into by the next
 * round. */
static int loop(struct call *c, bool wants_value, step_fn step, void *arg,
                struct tarn_store_entry *written, struct tarn_error *err)
{
    struct tarn_error why = { 0 };
    struct tarn_store_entry local;
    int passing = 0;
    int rc = call_begin(c, &why);
    for (int i = 1; rc == TARN_OK; i++) {
        bool had_written = c->writer->seq >= c->first_seq;
        rc = loop_round(c, wants_value, step, arg, &local, &why);
        if (rc == TARN_OK)
            break;
        bool is_race = (rc == TARN_EPRECOND || rc == TARN_ENOTFOUND) &&
                       (c->writer->seq >= c->first_seq || had_written);
        passing = is_race ? 0 : passing + 1;
        if ((!is_race && !tn_outcome_is_passing(rc)) || passing > PASSING_TRIES_MAX)
            break;
        if (i >= c->store->options.tries_max) {
            rc = tn_fail(&why, TARN_ECONFLICT, "could not write \"%s/%s\": too many other writers",
                         c->bucket, c->key);
            break;
        }
        uint64_t first = is_race ? BACKOFF_FIRST_MS : PASSING_PAUSE_MS;
        tn_outcome_sleep(tn_outcome_pause_ms(is_race ? i : passing, first,
                                             (uint64_t)c->store->options.backoff_max_ms),
                         c->store->options.request.cancel);
        rc = TARN_OK;
    }
    call_end(c);
    if (rc == TARN_OK && written)
        *written = local;
    if (rc < 0 && err)
        *err = why;
    return rc;
}

struct update {
    tarn_store_update_fn change;
    void *arg;
    int refusal; /* of `change`: final, and nothing for the loop to judge */
};

static int update_step(struct call *c, struct tarn_store_entry *present, bool exists, void *arg,
                       struct tarn_store_entry *written, struct tarn_error *err)
{
    struct update *update = arg;
    const struct tarn_serializer *serializer = c->store->serializer;
    void *next = NULL;
    char *bytes = NULL;
    size_t len = 0;
    int rc = update->change(update->arg, exists ? present->value : NULL, &next);
    if (rc < 0) {
        update->refusal = rc;
        return tn_fail(err, TARN_ECANCELLED, "could not update \"%s/%s\": %s", c->bucket, c->key,
                       tarn_status_text(rc));
    }
    if (!next) {
        *written = *present;
        written->value = NULL;
        return TARN_OK;
    }
    rc = encode(c, next, &bytes, &len, err);
    serializer->free_value(serializer->arg, next);
    if (rc < 0)
        return rc;
    rc = write_once(c, bytes, len, present, written, err);
    serializer->free_bytes(serializer->arg, bytes);
    return rc;
}

int tarn_store_update(struct tarn_store *store, const char *bucket, const char *key,
                      tarn_store_update_fn change, void *arg, uint64_t fence,
                      struct tarn_store_entry *written, struct tarn_error *err)
{
    int given = tn_check_given(store, bucket, key, TN_MISSING(change), err);
    if (given < 0)
        return given;
    struct call c = { .store = store, .bucket = bucket, .key = key, .fence = fence };
    struct update update = { change, arg, TARN_OK };
    int rc = loop(&c, true, update_step, &update, written, err);
    if (update.refusal < 0) {
        rc = update.refusal;
        if (err)
            err->status = rc;
    }
    return rc;
}

static int overwrite_step(struct call *c, struct tarn_store_entry *present, bool exists, void *arg,
                          struct tarn_store_entry *written, struct tarn_error *err)
{
    const struct tn_str *bytes = arg;
    (void)exists;
    return write_once(c, bytes->data, bytes->len, present, written, err);
}

int tarn_store_overwrite(struct tarn_store *store, const char *bucket, const char *key,
                         const void *value, uint64_t fence, struct tarn_store_entry *written,
                         struct tarn_error *err)
{
    int given = tn_check_given(store, bucket, key, NULL, err);
    if (given < 0)
        return given;
    struct call c = { .store = store, .bucket = bucket, .key = key, .fence = fence };
    char *bytes = NULL;
    size_t len = 0;
    int rc = encode(&c, value, &bytes, &len, err);
    if (rc < 0)
        return rc;
    struct tn_str body = { bytes, len };
    rc = loop(&c, false, overwrite_step, &body, written, err);
    store->serializer->free_bytes(store->serializer->arg, bytes);
    return rc;
}

/* ---- the rest ---- */

int tarn_store_get(struct tarn_store *store, const char *bucket, const char *key,
                   struct tarn_store_entry *entry, struct tarn_error *err)
{
    int given = tn_check_given(store, bucket, key, TN_MISSING(entry), err);
    if (given < 0)
        return given;
    struct call c = { .store = store, .bucket = bucket, .key = key };
    struct tarn_store_entry found = { 0 };
    int rc = get(&c, &found, err);
    if (rc == TARN_OK)
        *entry = found;
    return rc;
}

int tarn_store_exists(struct tarn_store *store, const char *bucket, const char *key,
                      struct tarn_error *err)
{
    int given = tn_check_given(store, bucket, key, NULL, err);
    if (given < 0)
        return given;
    /* A ranged GET, because an answer to HEAD cannot tell a missing bucket from a missing key. */
    struct tarn_get_options options = { .request = store->options.request,
                                        .has_range = true,
                                        .skip_verify = true };
    struct tarn_error why = { 0 };
    char *bytes = NULL;
    size_t len;
    int rc =
        tarn_object_get_bytes(store->client, bucket, key, 1, &bytes, &len, &options, NULL, &why);
    tarn_bytes_free(bytes);
    if (rc == TARN_OK || rc == TARN_ERANGE) /* an empty object has no first byte */
        return 1;
    if (rc == TARN_ENOTFOUND)
        return 0;
    if (err)
        *err = why;
    return rc;
}

int tarn_store_delete(struct tarn_store *store, const char *bucket, const char *key,
                      const struct tarn_store_entry *seen, struct tarn_error *err)
{
    int given = tn_check_given(store, bucket, key, NULL, err);
    if (given < 0)
        return given;
    struct tarn_delete_options options = { .request = store->options.request,
                                           .if_match = seen ? seen->etag : NULL };
    struct call c = { .store = store, .bucket = bucket, .key = key };
    struct tarn_store_entry now = { 0 };
    struct tarn_error why = { 0 };
    if (seen && !seen->etag[0])
        return tn_fail(err, TARN_EINVAL, "could not delete \"%s/%s\": the ETag is not known",
                       bucket, key);
    int rc = tarn_object_delete(store->client, bucket, key, &options, NULL, &why);
    if (rc == TARN_OK)
        return rc;
    if (seen && (rc == TARN_EPRECOND || rc == TARN_ENOTFOUND)) {
        /* It is gone, perhaps by a try of ours whose answer was lost. */
        if (head(&c, &now, &why) == TARN_ENOTFOUND)
            return TARN_OK;
        return tn_fail(err, TARN_ECONFLICT, "could not delete \"%s/%s\": it was changed meanwhile",
                       bucket, key);
    }
    if (err)
        *err = why;
    return rc;
}
