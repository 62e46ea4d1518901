/* SPDX-License-Identifier: Apache-2.0 */
/* The worker of the lifecycle rules. What it removes or moves to another class it takes only as it
 * saw it: a change that comes between wins. */

#include "server/api/lifecycle.h"

#include <assert.h>
#include <pthread.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/wait.h"
#include "proto/name.h"
#include "server/api/lifecycle_rule.h"
#include "server/api/notify.h"
#include "server/api/object_lock.h"
#include "server/api/xml_rule.h"

enum {
    BATCH_COUNT = 64, /* changes under way at a time */
    PAGE_COUNT = 1000,
    CANDIDATE_COUNT = PAGE_COUNT + 1, /* and a marker of the page before */
    PASSES_PER_DAY = 4,
    PASS_MS_MIN = 200,
    BUCKETS_LEN_MAX = 64 * 1024 * 1024,
    PAGE_ARENA_MAX = 64 * 1024 * 1024,
};

/* A removal, or a move to another storage class. */
struct change {
    struct store_txn txn;
    struct lifecycle *owner;
    struct store_object *object; /* that is moved; else NULL */
    uint64_t seq;                /* of what was seen */
};

enum candidate_kind { CANDIDATE_OBJECT, CANDIDATE_VERSION, CANDIDATE_UPLOAD, CANDIDATE_MOVE };

/* What a listing found; looked at and removed when the listing is over, as the store may be busy
 * with it till then. */
struct candidate {
    enum candidate_kind kind;
    struct tn_str key;
    struct store_head head;
    char upload_id[STORE_UPLOAD_ID_LEN + 1];
    enum api_class to; /* of a move */
};

struct lifecycle {
    struct api *api;
    int64_t day_ms;
    pthread_t thread;
    struct lifecycle_shared {
        pthread_mutex_t lock;
        pthread_cond_t changed;
        size_t pending;
        bool must_stop;
    } shared;

    /* The pass's own. */
    struct change batch[BATCH_COUNT];
    size_t batch_count;
    struct candidate *candidates; /* CANDIDATE_COUNT */
    size_t candidate_count;
    struct bucket_config *config;
    struct tn_str bucket;
    const struct tn_xml_node *rule;
    struct tn_arena page;
    struct tn_buf buckets; /* names, a line each */
    struct tn_buf last;
    struct tn_buf last_id;
    struct store_head last_head; /* of the last version given */
    uint64_t changed_count;

    /* Of the key whose versions are being walked. */
    bool has_lone_marker; /* its newest is a marker, and no other was seen */
    struct store_head marker;
    int64_t superseded_ms; /* when the next one stopped being current */
    uint64_t noncurrent_count;
};

/* --- Removing --- */

static bool must_stop(struct lifecycle *l)
{
    (void)pthread_mutex_lock(&l->shared.lock);
    bool is_over = l->shared.must_stop;
    (void)pthread_mutex_unlock(&l->shared.lock);
    return is_over;
}

static int judge(struct store_txn *txn, const struct store_head *current)
{
    const struct change *change = txn->user;
    return current && current->seq == change->seq ? TARN_OK : TARN_EPRECOND;
}

static void on_changed(struct store_txn *txn)
{
    struct change *change = txn->user;
    struct lifecycle *l = change->owner;
    (void)pthread_mutex_lock(&l->shared.lock);
    if (--l->shared.pending == 0)
        (void)pthread_cond_signal(&l->shared.changed);
    (void)pthread_mutex_unlock(&l->shared.lock);
}

static void on_notified(void *user)
{
    struct lifecycle *l = user;
    (void)pthread_mutex_lock(&l->shared.lock);
    if (--l->shared.pending == 0)
        (void)pthread_cond_signal(&l->shared.changed);
    (void)pthread_mutex_unlock(&l->shared.lock);
}

static const char *event_of(const struct store_txn *txn)
{
    bool is_marker = txn->version.kind == STORE_CURRENT && txn->head.flags & STORE_IS_MARKER;
    if (txn->op == STORE_PUT)
        return "LifecycleTransition";
    return is_marker ? "LifecycleExpiration:DeleteMarkerCreated" : "LifecycleExpiration:Delete";
}

/* Events of what was removed or moved, waited for. */
static void notify(struct lifecycle *l)
{
    struct notify_batch *events = NULL;
    for (size_t i = 0; i < l->batch_count; i++) {
        const struct store_txn *txn = &l->batch[i].txn;
        if (txn->status < 0 || txn->op == STORE_UPLOAD_ABORT)
            continue;
        struct notify_event e = { .api = l->api,
                                  .name = event_of(txn),
                                  .config = l->config,
                                  .key = txn->key,
                                  .head = &txn->head,
                                  .principal = TN_STR("s3.amazonaws.com"),
                                  .address = TN_STR("127.0.0.1"),
                                  .request_id = TN_STR_EMPTY };
        notify_batch_add(&events, &e);
    }
    if (!events)
        return;
    l->shared.pending = 1;
    notify_batch_commit(events, on_notified, l);
    (void)pthread_mutex_lock(&l->shared.lock);
    while (l->shared.pending)
        (void)pthread_cond_wait(&l->shared.changed, &l->shared.lock);
    (void)pthread_mutex_unlock(&l->shared.lock);
}

/* Sends what was gathered and waits for it. */
static void flush(struct lifecycle *l)
{
    struct store *s = l->api->store;
    (void)pthread_mutex_lock(&l->shared.lock);
    l->shared.pending = l->batch_count;
    (void)pthread_mutex_unlock(&l->shared.lock);
    for (size_t i = 0; i < l->batch_count; i++)
        s->ops->commit(s, &l->batch[i].txn);
    (void)pthread_mutex_lock(&l->shared.lock);
    while (l->shared.pending)
        (void)pthread_cond_wait(&l->shared.changed, &l->shared.lock);
    (void)pthread_mutex_unlock(&l->shared.lock);
    notify(l);
    for (size_t i = 0; i < l->batch_count; i++) {
        l->changed_count += l->batch[i].txn.status == TARN_OK;
        if (l->batch[i].object)
            s->ops->object_close(l->batch[i].object);
    }
    l->batch_count = 0;
}

static struct change *next_change(struct lifecycle *l)
{
    if (l->batch_count == BATCH_COUNT)
        flush(l);
    struct change *change = &l->batch[l->batch_count++];
    *change = (struct change){ .owner = l };
    change->txn.user = change;
    change->txn.done = on_changed;
    return change;
}

static struct change *remove_object(struct lifecycle *l, const struct candidate *c)
{
    struct change *change = next_change(l);
    change->seq = c->head.seq;
    change->txn.op = STORE_DELETE;
    change->txn.bucket = l->bucket;
    change->txn.key = c->key;
    change->txn.judge = judge;
    return change;
}

static int add_candidate(struct lifecycle *l, enum candidate_kind kind, struct tn_str key,
                         const struct store_head *head)
{
    struct candidate *c = &l->candidates[l->candidate_count];
    assert(l->candidate_count < CANDIDATE_COUNT);
    *c = (struct candidate){ .kind = kind, .head = *head };
    int rc = tn_arena_str(&l->page, key, &c->key);
    l->candidate_count += rc == TARN_OK;
    return rc;
}

static int add_move(struct lifecycle *l, struct tn_str key, const struct store_head *head,
                    enum api_class to)
{
    if (to == api_attrs_class(head->attrs) || (head->flags & STORE_IS_MARKER))
        return TARN_OK;
    int rc = add_candidate(l, CANDIDATE_MOVE, key, head);
    if (rc == TARN_OK)
        l->candidates[l->candidate_count - 1].to = to;
    return rc;
}

static int end_page(struct lifecycle *l);

/* --- Objects --- */

/* The tags are with the object itself. One that is gone by now has none. */
static int read_tags(struct lifecycle *l, struct tn_str key, struct tn_str *out)
{
    struct store *s = l->api->store;
    struct store_object *object = NULL;
    struct api_meta meta;
    *out = TN_STR_EMPTY;
    if (s->ops->object_open(s, l->bucket, key, true, &object, NULL) < 0)
        return TARN_OK;
    int rc = api_meta_decode(s->ops->object_meta(object), &l->page, &meta);
    if (rc == TARN_OK)
        rc = tn_arena_str(&l->page, meta.fields[API_META_TAGS], out);
    s->ops->object_close(object);
    return rc;
}

static int on_object(void *user, struct tn_str key, const struct store_head *head)
{
    struct lifecycle *l = user;
    l->last.len = 0;
    int rc = tn_buf_append_str(&l->last, key);
    if (rc < 0)
        return rc;
    if (!head)
        return TARN_OK;
    if (lifecycle_expires(l->rule, head->mtime_ms, l->day_ms) <= tn_wall_ms())
        return add_candidate(l, CANDIDATE_OBJECT, key, head);
    return add_move(l, key, head, lifecycle_class(l->rule, head, l->day_ms));
}

static int judge_object(struct lifecycle *l, const struct candidate *c)
{
    struct lifecycle_object object = { .key = c->key,
                                       .tags = TN_STR_EMPTY,
                                       .size = api_head_size(&c->head),
                                       .mtime_ms = c->head.mtime_ms };
    int rc = lifecycle_has_tags(l->rule) ? read_tags(l, c->key, &object.tags) : TARN_OK;
    if (rc == TARN_OK)
        rc = lifecycle_rule_fits(l->rule, &l->page, &object);
    if (rc == TARN_OK)
        (void)remove_object(l, c);
    return rc == TARN_ENOTFOUND ? TARN_OK : rc;
}

static int expire_objects(struct lifecycle *l)
{
    struct store *s = l->api->store;
    bool more = tn_xml_child(l->rule, "Expiration") || tn_xml_child(l->rule, "Transition");
    int rc = TARN_OK;
    l->last.len = 0;
    while (more && rc == TARN_OK && !must_stop(l)) {
        struct store_list query = { .bucket = l->bucket,
                                    .prefix = lifecycle_prefix(l->rule),
                                    .max = PAGE_COUNT };
        tn_arena_reset(&l->page);
        rc = tn_arena_str(&l->page, tn_buf_str(&l->last), &query.after);
        if (rc == TARN_OK)
            rc = s->ops->list(s, &query, on_object, l, &more, NULL);
        if (rc == TARN_OK)
            rc = end_page(l);
    }
    return rc;
}

/* --- Versions --- */

static struct store_version version_of(const struct store_head *head)
{
    if (head->flags & STORE_IS_VERSIONED)
        return (struct store_version){ STORE_VERSION_ID, head->version };
    return (struct store_version){ STORE_NULL_VERSION, 0 };
}

/* What only the version itself tells: its tags, and whether it is locked. One that is gone by now
 * counts as locked. */
static int look_at(struct lifecycle *l, const struct candidate *c, struct tn_str *tags,
                   bool *is_locked)
{
    struct store *s = l->api->store;
    struct store_object *object = NULL;
    struct store_version version = version_of(&c->head);
    struct api_meta meta;
    *is_locked = true;
    if (s->ops->version_open(s, l->bucket, c->key, &version, &object, NULL) < 0)
        return TARN_OK;
    int rc = api_meta_decode(s->ops->object_meta(object), &l->page, &meta);
    if (rc == TARN_OK)
        rc = tn_arena_str(&l->page, meta.fields[API_META_TAGS], tags);
    if (rc == TARN_OK)
        *is_locked = lock_is_held(&meta) || lock_retention_of(&meta).until_ms > tn_wall_ms();
    s->ops->object_close(object);
    return rc;
}

static int judge_version(struct lifecycle *l, const struct candidate *c)
{
    struct lifecycle_object object = { .key = c->key,
                                       .tags = TN_STR_EMPTY,
                                       .size = api_head_size(&c->head),
                                       .mtime_ms = c->head.mtime_ms,
                                       .is_marker = c->head.flags & STORE_IS_MARKER };
    bool is_locked = false;
    int rc = TARN_OK;
    if (lifecycle_has_tags(l->rule) || (c->head.attrs & API_ATTR_LOCK))
        rc = look_at(l, c, &object.tags, &is_locked);
    if (rc == TARN_OK && is_locked)
        return TARN_OK;
    if (rc == TARN_OK)
        rc = lifecycle_rule_fits(l->rule, &l->page, &object);
    if (rc == TARN_OK)
        remove_object(l, c)->txn.version = version_of(&c->head);
    return rc == TARN_ENOTFOUND ? TARN_OK : rc;
}

/* Opens the version as it was seen; it stays open until the change is made. */
static void move_version(struct lifecycle *l, const struct candidate *c)
{
    struct store *s = l->api->store;
    struct store_object *object = NULL;
    struct store_version version = version_of(&c->head);
    if (s->ops->version_open(s, l->bucket, c->key, &version, &object, NULL) < 0)
        return; /* gone by now */
    struct change *change = next_change(l);
    change->object = object;
    change->seq = c->head.seq;
    change->txn.op = STORE_PUT;
    change->txn.bucket = l->bucket;
    change->txn.key = c->key;
    change->txn.judge = judge;
    change->txn.head = *s->ops->object_head(object);
    change->txn.head.attrs = api_attrs_moved(change->txn.head.attrs, c->to);
    change->txn.meta = s->ops->object_meta(object);
    change->txn.source = object;
    change->txn.keeps_version = true;
}

static int judge_move(struct lifecycle *l, const struct candidate *c)
{
    struct lifecycle_object object = { .key = c->key,
                                       .tags = TN_STR_EMPTY,
                                       .size = api_head_size(&c->head),
                                       .mtime_ms = c->head.mtime_ms };
    bool is_locked; /* which does not keep it where it is */
    int rc = TARN_OK;
    if (lifecycle_has_tags(l->rule))
        rc = look_at(l, c, &object.tags, &is_locked);
    if (rc == TARN_OK)
        rc = lifecycle_rule_fits(l->rule, &l->page, &object);
    if (rc == TARN_OK)
        move_version(l, c);
    return rc == TARN_ENOTFOUND ? TARN_OK : rc;
}

/* A marker that hides nothing any more. */
static int end_key(struct lifecycle *l, struct tn_str key)
{
    const struct tn_xml_node *node = tn_xml_child(l->rule, "Expiration");
    bool has_one = l->has_lone_marker;
    l->has_lone_marker = false;
    if (!has_one || !node)
        return TARN_OK;
    bool is_due = xml_is_true(node, "ExpiredObjectDeleteMarker") ||
                  (tn_xml_child(node, "Days") &&
                   lifecycle_expires(l->rule, l->marker.mtime_ms, l->day_ms) <= tn_wall_ms());
    return is_due ? add_candidate(l, CANDIDATE_VERSION, key, &l->marker) : TARN_OK;
}

static int take_noncurrent(struct lifecycle *l, struct tn_str key, const struct store_head *head)
{
    const struct tn_xml_node *node = tn_xml_child(l->rule, "NoncurrentVersionExpiration");
    int64_t since = l->superseded_ms;
    l->has_lone_marker = false;
    l->superseded_ms = head->mtime_ms;
    l->noncurrent_count++;
    struct lifecycle_noncurrent is = { since, l->noncurrent_count - 1 };
    if (node && lifecycle_is_due(node, &is, l->day_ms))
        return add_candidate(l, CANDIDATE_VERSION, key, head);
    return add_move(l, key, head, lifecycle_noncurrent_class(l->rule, head, &is, l->day_ms));
}

static int on_version(void *user, struct tn_str key, const struct store_head *head, bool is_latest)
{
    struct lifecycle *l = user;
    int rc = TARN_OK;
    if (!head)
        return TARN_OK;
    if (!tn_str_eq(tn_buf_str(&l->last), key)) {
        rc = end_key(l, tn_buf_str(&l->last));
        l->last.len = 0;
        if (rc == TARN_OK)
            rc = tn_buf_append_str(&l->last, key);
    }
    l->last_head = *head;
    if (rc < 0)
        return rc;
    if (!is_latest)
        return take_noncurrent(l, key, head);
    l->has_lone_marker = head->flags & STORE_IS_MARKER;
    l->marker = *head;
    l->superseded_ms = head->mtime_ms;
    l->noncurrent_count = 0;
    return TARN_OK;
}

static int expire_versions(struct lifecycle *l)
{
    struct store *s = l->api->store;
    bool more = bucket_config_get(l->config, BUCKET_VERSIONING).len != 0 &&
                (tn_xml_child(l->rule, "NoncurrentVersionExpiration") ||
                 tn_xml_child(l->rule, "NoncurrentVersionTransition") ||
                 tn_xml_child(l->rule, "Expiration"));
    bool is_first = true;
    int rc = TARN_OK;
    l->last.len = 0;
    l->has_lone_marker = false;
    while (more && rc == TARN_OK && !must_stop(l)) {
        struct store_list query = { .bucket = l->bucket,
                                    .prefix = lifecycle_prefix(l->rule),
                                    .max = PAGE_COUNT };
        tn_arena_reset(&l->page);
        if (!is_first)
            query.version_after = version_of(&l->last_head);
        is_first = false;
        rc = tn_arena_str(&l->page, tn_buf_str(&l->last), &query.after);
        if (rc == TARN_OK)
            rc = s->ops->version_list(s, &query, on_version, l, &more, NULL);
        if (rc == TARN_OK && !more)
            rc = end_key(l, tn_buf_str(&l->last));
        if (rc == TARN_OK)
            rc = end_page(l);
    }
    return rc;
}

/* --- Uploads --- */

static int on_upload(void *user, struct tn_str key, const char *upload_id,
                     const struct store_head *head)
{
    struct lifecycle *l = user;
    const struct tn_xml_node *node = tn_xml_child(l->rule, "AbortIncompleteMultipartUpload");
    uint64_t days = xml_u64(node, "DaysAfterInitiation", UINT64_MAX);
    l->last.len = 0;
    l->last_id.len = 0;
    int rc = tn_buf_append_str(&l->last, key);
    if (rc == TARN_OK)
        rc = tn_buf_append_text(&l->last_id, upload_id);
    if (rc < 0 || lifecycle_after(head->mtime_ms, days, l->day_ms) > tn_wall_ms())
        return rc;
    rc = add_candidate(l, CANDIDATE_UPLOAD, key, head);
    if (rc < 0)
        return rc;
    struct candidate *c = &l->candidates[l->candidate_count - 1];
    (void)snprintf(c->upload_id, sizeof c->upload_id, "%s", upload_id);
    return TARN_OK;
}

static void abort_upload(struct lifecycle *l, const struct candidate *c)
{
    struct change *change = next_change(l);
    change->txn.op = STORE_UPLOAD_ABORT;
    change->txn.bucket = l->bucket;
    change->txn.key = c->key;
    memcpy(change->txn.upload_id, c->upload_id, sizeof c->upload_id);
}

/* What the page found, once its listing is over. */
static int end_page(struct lifecycle *l)
{
    int rc = TARN_OK;
    for (size_t i = 0; rc == TARN_OK && i < l->candidate_count; i++) {
        const struct candidate *c = &l->candidates[i];
        if (c->kind == CANDIDATE_OBJECT)
            rc = judge_object(l, c);
        else if (c->kind == CANDIDATE_VERSION)
            rc = judge_version(l, c);
        else if (c->kind == CANDIDATE_MOVE)
            rc = judge_move(l, c);
        else
            abort_upload(l, c);
    }
    l->candidate_count = 0;
    flush(l);
    return rc;
}

static int abort_uploads(struct lifecycle *l)
{
    struct store *s = l->api->store;
    bool more = tn_xml_child(l->rule, "AbortIncompleteMultipartUpload") != NULL;
    int rc = TARN_OK;
    l->last.len = 0;
    l->last_id.len = 0;
    while (more && rc == TARN_OK && !must_stop(l)) {
        struct store_list query = { .bucket = l->bucket,
                                    .prefix = lifecycle_prefix(l->rule),
                                    .max = PAGE_COUNT };
        tn_arena_reset(&l->page);
        rc = tn_arena_str(&l->page, tn_buf_str(&l->last), &query.after);
        if (rc == TARN_OK)
            rc = tn_arena_str(&l->page, tn_buf_str(&l->last_id), &query.upload_after);
        if (rc == TARN_OK)
            rc = s->ops->upload_list(s, &query, on_upload, NULL, l, &more, NULL);
        if (rc == TARN_OK)
            rc = end_page(l);
    }
    return rc;
}

/* --- Passes --- */

static void run_rules(struct lifecycle *l)
{
    static int (*const steps[])(struct lifecycle *) = { expire_objects, expire_versions,
                                                        abort_uploads };
    const struct tn_xml_node *root = bucket_config_form(l->config, BUCKET_LIFECYCLE);
    for (l->rule = root ? root->children : NULL; l->rule; l->rule = l->rule->next) {
        int rc = TARN_OK;
        if (!lifecycle_is_enabled(l->rule))
            continue;
        for (size_t i = 0; rc == TARN_OK && i < TN_COUNT(steps); i++)
            rc = steps[i](l);
        if (rc < 0)
            tn_log(TN_LOG_WARN, "event=lifecycle_failed bucket=%.*s status=%s",
                   TN_STR_ARG(l->bucket), tarn_status_name(rc));
    }
}

static void run_bucket(struct lifecycle *l, struct tn_str name)
{
    if (bucket_configs_get(l->api->configs, name, &l->config) < 0)
        return; /* gone by now, or looked at again in the next pass */
    l->bucket = bucket_config_name(l->config);
    l->changed_count = 0;
    run_rules(l);
    if (l->changed_count)
        tn_log(TN_LOG_INFO, "event=lifecycle bucket=%.*s changed=%llu", TN_STR_ARG(l->bucket),
               (unsigned long long)l->changed_count);
    bucket_config_unref(l->config);
    l->config = NULL;
}

/* Those with rules, for when the listing is over. */
static int on_bucket(void *user, const struct store_bucket *bucket)
{
    struct lifecycle *l = user;
    struct tn_str sections[BUCKET_SECTION_COUNT];
    int rc = bucket_sections_decode(bucket->meta, sections);
    if (rc < 0 || sections[BUCKET_LIFECYCLE].len == 0)
        return TARN_OK;
    rc = tn_buf_append_str(&l->buckets, bucket->name);
    return rc == TARN_OK ? tn_buf_append_char(&l->buckets, '\n') : rc;
}

static void run_buckets(struct lifecycle *l)
{
    l->buckets.len = 0;
    int rc = l->api->store->ops->bucket_list(l->api->store, on_bucket, l);
    if (rc < 0)
        tn_log(TN_LOG_WARN, "event=lifecycle_failed status=%s", tarn_status_name(rc));
    struct tn_str rest = tn_buf_str(&l->buckets);
    while (rest.len && !must_stop(l))
        run_bucket(l, tn_str_split(&rest, '\n'));
}

static void wait_for_next(struct lifecycle *l)
{
    int64_t pass_ms = l->day_ms / PASSES_PER_DAY;
    if (pass_ms < PASS_MS_MIN)
        pass_ms = PASS_MS_MIN;
    uint64_t until_ns = tn_now_ns() + (uint64_t)pass_ms * 1000000;
    (void)pthread_mutex_lock(&l->shared.lock);
    int rc = TARN_OK;
    while (!l->shared.must_stop && rc == TARN_OK)
        rc = tn_cond_wait_until(&l->shared.changed, &l->shared.lock, until_ns);
    (void)pthread_mutex_unlock(&l->shared.lock);
}

static void *run(void *arg)
{
    struct lifecycle *l = arg;
    while (!must_stop(l)) {
        run_buckets(l);
        wait_for_next(l);
    }
    return NULL;
}

static void release(struct lifecycle *l)
{
    tn_arena_release(&l->page);
    tn_buf_release(&l->buckets);
    tn_buf_release(&l->last);
    tn_buf_release(&l->last_id);
    tn_free(l->candidates);
    (void)pthread_cond_destroy(&l->shared.changed);
    (void)pthread_mutex_destroy(&l->shared.lock);
    tn_free(l);
}

int lifecycle_start(struct api *api, uint64_t day_s, struct lifecycle **out)
{
    struct lifecycle *l = tn_calloc(1, sizeof *l);
    if (!l)
        return TARN_ENOMEM;
    l->candidates = tn_calloc(CANDIDATE_COUNT, sizeof *l->candidates);
    if (!l->candidates) {
        tn_free(l);
        return TARN_ENOMEM;
    }
    l->api = api;
    l->day_ms = day_s ? (int64_t)day_s * 1000 : LIFECYCLE_DAY_MS;
    tn_arena_init(&l->page, PAGE_ARENA_MAX);
    l->buckets = TN_BUF_INIT(BUCKETS_LEN_MAX);
    l->last = TN_BUF_INIT(TN_KEY_LEN_MAX);
    l->last_id = TN_BUF_INIT(STORE_UPLOAD_ID_LEN);
    (void)pthread_mutex_init(&l->shared.lock, NULL);
    tn_cond_init(&l->shared.changed);
    if (pthread_create(&l->thread, NULL, run, l) != 0) {
        release(l);
        return TARN_ENOMEM;
    }
    *out = l;
    return TARN_OK;
}

void lifecycle_stop(struct lifecycle *l)
{
    if (!l)
        return;
    (void)pthread_mutex_lock(&l->shared.lock);
    l->shared.must_stop = true;
    (void)pthread_cond_signal(&l->shared.changed);
    (void)pthread_mutex_unlock(&l->shared.lock);
    (void)pthread_join(l->thread, NULL);
    release(l);
}

/* --- Answers --- */

/* By the calendar: a shorter day is for tests of the worker. */
void lifecycle_add_headers(struct api_req *r, const struct store_head *head)
{
    char date[TN_TIME_LEN];
    struct lifecycle_due due;
    struct lifecycle_object object = { .key = r->key,
                                       .tags = r->meta.fields[API_META_TAGS],
                                       .size = api_head_size(head),
                                       .mtime_ms = head->mtime_ms };
    if (!r->config || bucket_config_get(r->config, BUCKET_LIFECYCLE).len == 0 ||
        lifecycle_find_due(r->config, &r->http->arena, &object, LIFECYCLE_DAY_MS, &due) < 0 ||
        due.at_ms == INT64_MAX)
        return;
    tn_time_http(due.at_ms / 1000, date);
    char *text = tn_arena_printf(&r->http->arena, "expiry-date=\"%s\", rule-id=\"%.*s\"", date,
                                 TN_STR_ARG(due.rule_id));
    if (text)
        api_add_text(r, "x-amz-expiration", text);
}
