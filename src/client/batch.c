/* SPDX-License-Identifier: Apache-2.0 */
/* Batches: threads that take one key after another and do the same blocking call to each. */

#include <tarn/batch.h>
#include <tarn/tagging.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

#include "base/clock.h"
#include "base/wait.h"
#include "client/attributes.h"
#include "client/client_impl.h"
#include "client/limit.h"
#include "proto/http_date.h"

enum { CONCURRENCY_DEFAULT = 10, KEY_LEN_MAX = 4096, POLL_NS = 50 * 1000 * 1000 };

static const struct tarn_batch_options no_options;
static const struct tarn_error no_memory = { .status = TARN_ENOMEM,
                                             .message = "could not keep why it failed: out of "
                                                        "memory" };

struct batch;
typedef int (*batch_fn)(struct batch *b, const char *key, uint64_t *bytes, struct tarn_error *err);

struct batch {
    struct tarn_client *client;
    const char *bucket;
    const struct tarn_batch_options *options;
    batch_fn run;
    const char *const *keys;
    size_t count;
    size_t *order;  /* indexes, sorted by key */
    size_t *master; /* for each index, that of the first key of its sort */
    struct tn_limit limit;
    atomic_size_t next;
    atomic_bool must_stop;
    atomic_uint_fast64_t bytes;
    uint64_t started_ns;

    /* what the calls need */
    const char *to_bucket;
    const char *to_prefix;
    const char *strip_prefix;
    const char *storage_class;
    const struct tarn_copy_options *copy;
    const struct tarn_header *pairs;
    size_t pair_count;
    bool is_merge;

    struct {
        pthread_mutex_t lock;
        struct tarn_batch_item *items;
        struct tarn_error **errors; /* owned; NULL for what went well */
        bool *is_done;
        bool is_out_of_memory;
    } shared;
};

/* Result and outcomes in one piece. */
struct outcome {
    size_t count;
    struct tarn_batch_item *items;
    struct tarn_error **errors;
};

static void outcome_free(struct outcome *o)
{
    for (size_t i = 0; o->errors && i < o->count; i++)
        tn_free(o->errors[i]);
    tn_free(o->errors);
    tn_free(o->items);
    tn_free(o);
}

void tarn_batch_result_release(struct tarn_batch_result *result)
{
    if (!result)
        return;
    if (result->owned)
        outcome_free(result->owned);
    *result = (struct tarn_batch_result){ 0 };
}

/* ---- the outcome of a key ---- */

static void settle(struct batch *b, size_t index, const struct tarn_error *err)
{
    struct tarn_error *copy = err ? (void *)tn_memdup(err, sizeof *err) : NULL;
    (void)pthread_mutex_lock(&b->shared.lock);
    if (err && !copy)
        b->shared.is_out_of_memory = true;
    b->shared.errors[index] = copy;
    b->shared.items[index].error = err && !copy ? &no_memory : copy;
    b->shared.is_done[index] = true;
    if (b->options->each)
        b->options->each(b->options->arg, index, &b->shared.items[index]);
    (void)pthread_mutex_unlock(&b->shared.lock);
    if (err && b->options->is_fail_fast)
        atomic_store(&b->must_stop, true);
}

/* What is asked for then ends at once by itself. */
static bool is_cancelled(const struct batch *b)
{
    const volatile int *cancel = b->options->request.cancel;
    return atomic_load(&b->must_stop) || atomic_load(&b->client->is_cancelled) ||
           tn_flag_is_set(cancel);
}

static void wait_for_turn(struct batch *b)
{
    for (;;) {
        uint64_t ns = tn_limit_take(&b->limit, 1);
        if (ns == 0 || is_cancelled(b))
            return;
        struct timespec nap = { .tv_nsec = (long)(ns < POLL_NS ? ns : POLL_NS) };
        (void)nanosleep(&nap, NULL);
    }
}

static void do_one(struct batch *b, size_t index)
{
    struct tarn_error err = { 0 };
    uint64_t bytes = 0;
    wait_for_turn(b);
    if (atomic_load(&b->must_stop)) {
        (void)tn_fail(&err, TARN_ECANCELLED, "left out after a failure");
        settle(b, index, &err);
        return;
    }
    int rc = b->run(b, b->keys[index], &bytes, &err);
    if (rc < 0)
        err.status = rc;
    else
        atomic_fetch_add(&b->bytes, bytes);
    settle(b, index, rc < 0 ? &err : NULL);
}

static void *work(void *arg)
{
    struct batch *b = arg;
    for (;;) {
        size_t at = atomic_fetch_add(&b->next, 1);
        if (at >= b->count)
            return NULL;
        if (b->master[at] == at)
            do_one(b, at);
    }
}

/* ---- threads ---- */

static void run_threads(struct batch *b)
{
    pthread_t threads[TARN_BATCH_CONCURRENCY_MAX];
    size_t wanted = b->options->concurrency ? b->options->concurrency : CONCURRENCY_DEFAULT;
    size_t count = 0;
    sigset_t all;
    sigset_t kept;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &kept);
    while (count + 1 < wanted && count + 1 < b->count &&
           pthread_create(&threads[count], NULL, work, b) == 0)
        count++;
    (void)pthread_sigmask(SIG_SETMASK, &kept, NULL);
    (void)work(b); /* the caller works too, so that there is always somebody */
    for (size_t i = 0; i < count; i++)
        (void)pthread_join(threads[i], NULL);
}

static int by_key(const void *x, const void *y, void *arg)
{
    const char *const *keys = arg;
    size_t a = *(const size_t *)x;
    size_t b = *(const size_t *)y;
    int order = strcmp(keys[a], keys[b]);
    return order != 0 ? order : (a > b) - (a < b);
}

static void find_twins(struct batch *b)
{
    const char *const *keys = b->keys;
    for (size_t i = 0; i < b->count; i++)
        b->order[i] = i;
    qsort_r(b->order, b->count, sizeof *b->order, by_key, (void *)(uintptr_t)keys);
    for (size_t i = 0; i < b->count; i++) {
        bool is_twin = i > 0 && strcmp(keys[b->order[i]], keys[b->order[i - 1]]) == 0;
        b->master[b->order[i]] = is_twin ? b->master[b->order[i - 1]] : b->order[i];
    }
}

static void copy_to_twins(struct batch *b)
{
    for (size_t i = 0; i < b->count; i++) {
        size_t master = b->master[i];
        if (master != i)
            settle(b, i, b->shared.items[master].error);
    }
}

static int check(const struct batch *b, struct tarn_error *err)
{
    if (b->options->concurrency > TARN_BATCH_CONCURRENCY_MAX)
        return tn_fail(err, TARN_EINVAL, "could not run the batch: more than %d at once",
                       TARN_BATCH_CONCURRENCY_MAX);
    if (b->count > 0 && !b->keys)
        return tn_fail(err, TARN_EINVAL, "could not run the batch: no keys were given");
    for (size_t i = 0; i < b->pair_count; i++) {
        if (!b->pairs || !b->pairs[i].name || !*b->pairs[i].name)
            return tn_fail(err, TARN_EINVAL, "could not run the batch: name %zu is missing", i);
    }
    if (!(b->options->rate_max >= 0 && b->options->rate_max < 1e9))
        return tn_fail(err, TARN_EINVAL, "could not run the batch: rate_max is no rate");
    for (size_t i = 0; i < b->count; i++) {
        if (!b->keys[i])
            return tn_fail(err, TARN_EINVAL, "could not run the batch: key %zu is NULL", i);
    }
    return TARN_OK;
}

static int begin(struct batch *b, struct tarn_error *err)
{
    size_t room = b->count + 1;
    int rc = check(b, err);
    if (rc < 0)
        return rc;
    (void)pthread_mutex_init(&b->shared.lock, NULL);
    tn_limit_init(&b->limit, b->options->rate_max, 1);
    b->order = tn_calloc(room, sizeof *b->order);
    b->master = tn_calloc(room, sizeof *b->master);
    b->shared.items = tn_calloc(room, sizeof *b->shared.items);
    b->shared.errors = tn_calloc(room, sizeof *b->shared.errors);
    b->shared.is_done = tn_calloc(room, sizeof *b->shared.is_done);
    b->started_ns = tn_now_ns();
    if (!b->order || !b->master || !b->shared.items || !b->shared.errors || !b->shared.is_done)
        return tn_fail_no_memory(err, "run the batch");
    for (size_t i = 0; i < b->count; i++)
        b->shared.items[i].key = b->keys[i];
    find_twins(b);
    return TARN_OK;
}

static void release(struct batch *b)
{
    tn_free(b->order);
    tn_free(b->master);
    tn_free(b->shared.is_done);
    tn_limit_release(&b->limit);
    (void)pthread_mutex_destroy(&b->shared.lock);
}

/* Moves the outcomes out of the batch. */
static int finish(struct batch *b, struct tarn_batch_result *result, struct tarn_error *err)
{
    struct tarn_batch_result made = { .items = b->shared.items,
                                      .total = b->count,
                                      .bytes = atomic_load(&b->bytes),
                                      .elapsed_ms =
                                          (int64_t)((tn_now_ns() - b->started_ns) / 1000000u) };
    struct outcome *o = tn_calloc(1, sizeof *o);
    const struct tarn_error *first = NULL;
    int rc = o && !b->shared.is_out_of_memory ? TARN_OK : TARN_ENOMEM;
    for (size_t i = 0; i < b->count; i++) {
        const struct tarn_error *e = b->shared.items[i].error;
        bool is_left_out = e && e->status == TARN_ECANCELLED;
        made.succeeded += !e;
        made.cancelled += is_left_out;
        made.failed += e && !is_left_out;
        if (e && (!first || (first->status == TARN_ECANCELLED && !is_left_out)))
            first = e;
    }
    if (rc == TARN_OK && first) {
        rc = first->status;
        if (err)
            *err = *first;
    } else if (rc < 0) {
        (void)tn_fail_no_memory(err, "run the batch");
    }
    if (!o) {
        struct outcome lost = { b->count, b->shared.items, b->shared.errors };
        for (size_t i = 0; i < lost.count; i++)
            tn_free(lost.errors[i]);
        tn_free(lost.errors);
        tn_free(lost.items);
        return rc;
    }
    *o = (struct outcome){ b->count, b->shared.items, b->shared.errors };
    made.owned = o;
    if (result)
        *result = made;
    else
        outcome_free(o);
    return rc;
}

static int run(struct batch *b, void (*all)(struct batch *b), struct tarn_batch_result *result,
               struct tarn_error *err)
{
    int rc = begin(b, err);
    if (rc == TARN_OK) {
        all(b);
        copy_to_twins(b);
        rc = finish(b, result, err);
    } else {
        tn_free(b->shared.items);
        tn_free(b->shared.errors);
    }
    if (b->started_ns > 0)
        release(b);
    return rc;
}

/* ---- delete ---- */

struct deletion {
    struct batch *batch;
    size_t *indexes; /* of what is sent */
};

static void on_deleted(void *arg, size_t index, const struct tarn_error *err)
{
    struct deletion *d = arg;
    settle(d->batch, d->indexes[index], err);
}

/* A request's worth at a time, so that fail-fast and the rate have something to hold on to. */
static void delete_some(struct batch *b, struct deletion *d, struct tarn_delete_key *keys,
                        size_t count)
{
    const struct tarn_delete_options options = { .request = b->options->request };
    struct tarn_error err = { 0 };
    (void)tarn_object_delete_many(b->client, b->bucket, keys, count, &options, on_deleted, d, &err);
    for (size_t i = 0; i < count; i++) {
        if (!b->shared.is_done[d->indexes[i]])
            settle(b, d->indexes[i], &err);
    }
}

static void delete_all(struct batch *b)
{
    enum { AT_ONCE = 4000 };
    struct deletion d = { b, tn_calloc(AT_ONCE, sizeof *d.indexes) };
    struct tarn_delete_key *keys = tn_calloc(AT_ONCE, sizeof *keys);
    size_t count = 0;
    for (size_t i = 0; i < b->count; i++) {
        if (b->master[i] != i)
            continue;
        if (!keys || !d.indexes) {
            settle(b, i, &no_memory);
            continue;
        }
        wait_for_turn(b);
        d.indexes[count] = i;
        keys[count++] = (struct tarn_delete_key){ .key = b->keys[i] };
        if (count < AT_ONCE && i + 1 < b->count)
            continue;
        if (!atomic_load(&b->must_stop))
            delete_some(b, &d, keys, count);
        count = 0;
    }
    if (count > 0 && !atomic_load(&b->must_stop))
        delete_some(b, &d, keys, count);
    struct tarn_error left_out = { 0 };
    (void)tn_fail(&left_out, TARN_ECANCELLED, "left out after a failure");
    for (size_t i = 0; i < b->count; i++) {
        if (b->master[i] == i && !b->shared.is_done[i])
            settle(b, i, &left_out);
    }
    tn_free(keys);
    tn_free(d.indexes);
}

int tarn_batch_delete(struct tarn_client *client, const char *bucket, const char *const *keys,
                      size_t count, const struct tarn_batch_options *options,
                      struct tarn_batch_result *result, struct tarn_error *err)
{
    int given = tn_check_given(client, bucket, "-", NULL, err);
    if (given < 0)
        return given;
    struct batch b = { .client = client,
                       .bucket = bucket,
                       .options = options ? options : &no_options,
                       .keys = keys,
                       .count = count };
    return run(&b, delete_all, result, err);
}

/* ---- copy ---- */

static int copy_one(struct batch *b, const char *key, uint64_t *bytes, struct tarn_error *err)
{
    TN_AUTO_BUF to = TN_BUF_INIT(KEY_LEN_MAX);
    struct tarn_copy_options copy = b->copy ? *b->copy : (struct tarn_copy_options){ 0 };
    struct tarn_object_info info = { 0 };
    const char *rest = key;
    size_t strip_len = b->strip_prefix ? strlen(b->strip_prefix) : 0;
    if (strip_len > 0 && strncmp(key, b->strip_prefix, strip_len) == 0)
        rest = key + strip_len;
    int rc = tn_buf_appendf(&to, "%s%s", b->to_prefix ? b->to_prefix : "", rest);
    if (rc < 0)
        return tn_fail(err, rc, "could not copy \"%s\": %s", key, tarn_status_text(rc));
    copy.request = b->options->request;
    rc = tarn_object_copy(b->client, b->bucket, key, b->to_bucket, to.data, &copy, &info, err);
    if (rc == TARN_OK)
        *bytes = info.size;
    tarn_object_info_release(&info);
    return rc;
}

int tarn_batch_copy(struct tarn_client *client, const char *bucket, const char *const *keys,
                    size_t count, const char *to_bucket, const char *to_prefix,
                    const char *strip_prefix, const struct tarn_copy_options *copy,
                    const struct tarn_batch_options *options, struct tarn_batch_result *result,
                    struct tarn_error *err)
{
    int given = tn_check_given(client, bucket, "-", TN_MISSING_TEXT(to_bucket), err);
    if (given < 0)
        return given;
    struct batch b = { .client = client,
                       .bucket = bucket,
                       .options = options ? options : &no_options,
                       .run = copy_one,
                       .keys = keys,
                       .count = count,
                       .to_bucket = to_bucket,
                       .to_prefix = to_prefix,
                       .strip_prefix = strip_prefix,
                       .copy = copy };
    return run(&b, run_threads, result, err);
}

/* ---- in place ---- */

/* The object as it is now; the copy is pinned to that. */
static int look(struct batch *b, const char *key, struct tarn_object_info *info,
                struct tarn_copy_options *copy, struct tarn_error *err)
{
    const struct tarn_get_options get = { .request = b->options->request };
    int rc = tarn_object_head(b->client, b->bucket, key, &get, info, err);
    if (rc < 0)
        return rc;
    *copy = (struct tarn_copy_options){ .request = b->options->request,
                                        .source_size = info->size,
                                        .source_conditions = { .if_match = info->etag } };
    copy->attributes.sse = info->sse;
    copy->attributes.sse_kms_key_id = info->sse_kms_key_id;
    copy->attributes.storage_class = info->storage_class;
    return TARN_OK;
}

static int class_one(struct batch *b, const char *key, uint64_t *bytes, struct tarn_error *err)
{
    struct tarn_object_info info = { 0 };
    struct tarn_copy_options copy;
    int rc = look(b, key, &info, &copy, err);
    if (rc == TARN_OK) {
        copy.attributes.storage_class = b->storage_class;
        *bytes = info.size;
        rc = tarn_object_copy(b->client, b->bucket, key, b->bucket, key, &copy, NULL, err);
    }
    tarn_object_info_release(&info);
    return rc;
}

int tarn_batch_set_class(struct tarn_client *client, const char *bucket, const char *const *keys,
                         size_t count, const char *storage_class,
                         const struct tarn_batch_options *options, struct tarn_batch_result *result,
                         struct tarn_error *err)
{
    int given = tn_check_given(client, bucket, "-", TN_MISSING_TEXT(storage_class), err);
    if (given < 0)
        return given;
    struct batch b = { .client = client,
                       .bucket = bucket,
                       .options = options ? options : &no_options,
                       .run = class_one,
                       .keys = keys,
                       .count = count,
                       .storage_class = storage_class };
    return run(&b, run_threads, result, err);
}

static bool is_changed(const struct batch *b, const char *name)
{
    for (size_t i = 0; i < b->pair_count; i++) {
        if (strcasecmp(b->pairs[i].name, name) == 0)
            return true;
    }
    return false;
}

/* What the object has, and what is to be; `out` has room for both. */
static size_t merge_metadata(const struct batch *b, const struct tarn_object_info *info,
                             struct tarn_header *out)
{
    size_t count = 0;
    for (size_t i = 0; i < info->metadata_count; i++) {
        if (!is_changed(b, info->metadata[i].name))
            out[count++] = info->metadata[i];
    }
    for (size_t i = 0; i < b->pair_count; i++) {
        if (b->pairs[i].value)
            out[count++] = b->pairs[i];
    }
    return count;
}

static int metadata_one(struct batch *b, const char *key, uint64_t *bytes, struct tarn_error *err)
{
    struct tarn_object_info info = { 0 };
    struct tarn_copy_options copy;
    int rc = look(b, key, &info, &copy, err);
    if (rc < 0)
        return rc;
    TN_AUTO_FREE struct tarn_header *merged =
        tn_calloc(info.metadata_count + b->pair_count + 1, sizeof *merged);
    if (!merged) {
        tarn_object_info_release(&info);
        return tn_fail_no_memory(err, "change metadata");
    }
    struct tarn_attributes *a = &copy.attributes;
    copy.metadata_directive = TARN_DIRECTIVE_REPLACE;
    a->content_type = info.content_type;
    a->content_encoding = info.content_encoding;
    a->content_disposition = info.content_disposition;
    a->content_language = info.content_language;
    a->cache_control = info.cache_control;
    a->expires_text = info.expires;
    a->metadata = merged;
    a->metadata_count = merge_metadata(b, &info, merged);
    *bytes = info.size;
    rc = tarn_object_copy(b->client, b->bucket, key, b->bucket, key, &copy, NULL, err);
    tarn_object_info_release(&info);
    return rc;
}

int tarn_batch_set_metadata(struct tarn_client *client, const char *bucket, const char *const *keys,
                            size_t count, const struct tarn_header *metadata, size_t metadata_count,
                            const struct tarn_batch_options *options,
                            struct tarn_batch_result *result, struct tarn_error *err)
{
    int given = tn_check_given(client, bucket, "-", NULL, err);
    if (given < 0)
        return given;
    struct batch b = { .client = client,
                       .bucket = bucket,
                       .options = options ? options : &no_options,
                       .run = metadata_one,
                       .keys = keys,
                       .count = count,
                       .pairs = metadata,
                       .pair_count = metadata_count };
    return run(&b, run_threads, result, err);
}

static int tags_one(struct batch *b, const char *key, uint64_t *bytes, struct tarn_error *err)
{
    const struct tarn_request *request = &b->options->request;
    (void)bytes;
    if (b->is_merge)
        return tarn_tags_merge(b->client, b->bucket, key, NULL, b->pairs, b->pair_count, request,
                               err);
    return b->pair_count > 0 ? tarn_tags_put(b->client, b->bucket, key, NULL, b->pairs,
                                             b->pair_count, request, err)
                             : tarn_tags_delete(b->client, b->bucket, key, NULL, request, err);
}

int tarn_batch_set_tags(struct tarn_client *client, const char *bucket, const char *const *keys,
                        size_t count, const struct tarn_header *tags, size_t tag_count,
                        bool is_merge, const struct tarn_batch_options *options,
                        struct tarn_batch_result *result, struct tarn_error *err)
{
    int given = tn_check_given(client, bucket, "-", NULL, err);
    if (given < 0)
        return given;
    struct batch b = { .client = client,
                       .bucket = bucket,
                       .options = options ? options : &no_options,
                       .run = tags_one,
                       .keys = keys,
                       .count = count,
                       .pairs = tags,
                       .pair_count = tag_count,
                       .is_merge = is_merge };
    return run(&b, run_threads, result, err);
}
