/* SPDX-License-Identifier: Apache-2.0 */
/* Settings of buckets: snapshots, their cache, changes one after the other. */

#include "server/api/bucket_config.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/log.h"
#include "server/api/entries.h"

enum {
    HEAD_COUNT = 1024, /* of the hash table; a power of two */
    CONFIG_ARENA_MAX = 16 * BUCKET_CONFIG_LEN_MAX,
    /* Tags are part of the stored form. The region's is that of API_META_LOCATION (meta.h): there
     * are stores with nothing else. */
    TAG_LOCATION = 7,
    TAG_SECTION_FIRST = 200,
};

struct bucket_config {
    _Atomic(unsigned) ref_count;
    struct store_bucket bucket;
    struct tn_str sections[BUCKET_SECTION_COUNT];
    const void *forms[BUCKET_SECTION_COUNT];
    struct tn_arena arena;
    struct bucket_config *next; /* in its chain of the table; the cache's */
};

struct bucket_configs {
    struct store *store;
    const struct bucket_form *forms;
    size_t form_count;
    struct bucket_configs_shared {
        pthread_rwlock_t lock;
        struct bucket_config *heads[HEAD_COUNT];
        size_t count;
        size_t hand;         /* the chain that loses a snapshot when there are too many */
        uint64_t generation; /* of what the store has: rises when any bucket may have changed */
    } cache;
    struct bucket_changes_shared {
        pthread_mutex_t lock;
        struct bucket_change *first; /* the first of each name is under way, the others wait */
    } changes;
};

/* --- The stored form --- */

static unsigned tag_of(unsigned section)
{
    return section == BUCKET_LOCATION ? TAG_LOCATION : TAG_SECTION_FIRST + section;
}

int bucket_sections_encode(const struct tn_str sections[BUCKET_SECTION_COUNT], struct tn_buf *out)
{
    size_t len = out->len;
    int rc = tn_buf_append_char(out, ENTRIES_VERSION);
    for (unsigned i = 0; rc == TARN_OK && i < BUCKET_SECTION_COUNT; i++) {
        if (sections[i].len)
            rc = entries_put(out, tag_of(i), sections[i]);
    }
    if (rc < 0)
        tn_buf_truncate(out, len);
    return rc;
}

int bucket_sections_decode(struct tn_str meta, struct tn_str sections[BUCKET_SECTION_COUNT])
{
    struct tn_str found[BUCKET_SECTION_COUNT] = { 0 };
    struct tn_str rest;
    int rc = entries_open(meta, &rest);
    while (rc == TARN_OK && rest.len) {
        unsigned tag;
        struct tn_str value;
        rc = entries_next(&rest, &tag, &value);
        if (rc == TARN_OK && tag == TAG_LOCATION)
            found[BUCKET_LOCATION] = value;
        else if (rc == TARN_OK && tag > TAG_SECTION_FIRST &&
                 tag < TAG_SECTION_FIRST + BUCKET_SECTION_COUNT)
            found[tag - TAG_SECTION_FIRST] = value;
    }
    if (rc == TARN_OK)
        memcpy(sections, found, sizeof found);
    return rc;
}

/* --- Snapshots --- */

struct bucket_config *bucket_config_ref(struct bucket_config *config)
{
    atomic_fetch_add_explicit(&config->ref_count, 1, memory_order_relaxed);
    return config;
}

void bucket_config_unref(struct bucket_config *config)
{
    if (!config || atomic_fetch_sub_explicit(&config->ref_count, 1, memory_order_acq_rel) != 1)
        return;
    tn_arena_release(&config->arena);
    tn_free(config);
}

struct tn_str bucket_config_get(const struct bucket_config *config, enum bucket_section section)
{
    return config->sections[section];
}

const void *bucket_config_form(const struct bucket_config *config, enum bucket_section section)
{
    return config->forms[section];
}

struct tn_str bucket_config_name(const struct bucket_config *config)
{
    return config->bucket.name;
}

int64_t bucket_config_created_ms(const struct bucket_config *config)
{
    return config->bucket.created_ms;
}

static int make_forms(const struct bucket_configs *configs, struct bucket_config *config)
{
    for (size_t i = 0; i < configs->form_count; i++) {
        const struct bucket_form *form = &configs->forms[i];
        struct tn_str text = config->sections[form->section];
        if (text.len == 0)
            continue;
        int rc = form->parse(&config->arena, text, &config->forms[form->section]);
        if (rc == TARN_ENOMEM)
            return rc;
        if (rc < 0)
            tn_log(TN_LOG_WARN, "event=bucket_setting_unknown bucket=%.*s section=%d status=%s",
                   TN_STR_ARG(config->bucket.name), (int)form->section, tarn_status_name(rc));
    }
    return TARN_OK;
}

static int load(struct bucket_configs *configs, struct tn_str name, struct bucket_config **out)
{
    struct store *s = configs->store;
    struct bucket_config *config = tn_calloc(1, sizeof *config);
    if (!config)
        return TARN_ENOMEM;
    atomic_init(&config->ref_count, 1);
    tn_arena_init(&config->arena, CONFIG_ARENA_MAX);
    int rc = s->ops->bucket_get(s, name, &config->arena, &config->bucket);
    if (rc == TARN_OK) /* an engine may give back the name that it was asked with */
        rc = tn_arena_str(&config->arena, config->bucket.name, &config->bucket.name);
    if (rc == TARN_OK)
        rc = bucket_sections_decode(config->bucket.meta, config->sections);
    if (rc == TARN_OK)
        rc = make_forms(configs, config);
    if (rc < 0) {
        bucket_config_unref(config);
        return rc;
    }
    *out = config;
    return TARN_OK;
}

/* --- The cache --- */

static struct bucket_config **head_of(struct bucket_configs *configs, struct tn_str name)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (size_t i = 0; i < name.len; i++)
        hash = (hash ^ (unsigned char)name.data[i]) * 16777619u;
    return &configs->cache.heads[(hash ^ hash >> 16) & (HEAD_COUNT - 1)];
}

static struct bucket_config **find(struct bucket_configs *configs, struct tn_str name)
{
    struct bucket_config **at = head_of(configs, name);
    while (*at && !tn_str_eq((*at)->bucket.name, name))
        at = &(*at)->next;
    return at;
}

static void drop(struct bucket_configs *configs, struct bucket_config **at)
{
    struct bucket_config *config = *at;
    *at = config->next;
    configs->cache.count--;
    bucket_config_unref(config);
}

/* Some other: which one does not matter as long as there are thousands. */
static void make_room(struct bucket_configs *configs)
{
    while (configs->cache.count >= BUCKET_CACHE_COUNT_MAX) {
        configs->cache.hand = (configs->cache.hand + 1) & (HEAD_COUNT - 1);
        if (configs->cache.heads[configs->cache.hand])
            drop(configs, &configs->cache.heads[configs->cache.hand]);
    }
}

/* Not when the bucket may have changed since it was read. */
static void keep(struct bucket_configs *configs, struct bucket_config *config, uint64_t generation)
{
    (void)pthread_rwlock_wrlock(&configs->cache.lock);
    if (configs->cache.generation == generation && !*find(configs, config->bucket.name)) {
        make_room(configs);
        struct bucket_config **head = head_of(configs, config->bucket.name);
        (void)bucket_config_ref(config);
        config->next = *head;
        *head = config;
        configs->cache.count++;
    }
    (void)pthread_rwlock_unlock(&configs->cache.lock);
}

static void forget(struct bucket_configs *configs, struct tn_str name)
{
    (void)pthread_rwlock_wrlock(&configs->cache.lock);
    configs->cache.generation++;
    struct bucket_config **at = find(configs, name);
    if (*at)
        drop(configs, at);
    (void)pthread_rwlock_unlock(&configs->cache.lock);
}

int bucket_configs_get(struct bucket_configs *configs, struct tn_str name,
                       struct bucket_config **out)
{
    (void)pthread_rwlock_rdlock(&configs->cache.lock);
    uint64_t generation = configs->cache.generation;
    struct bucket_config *found = *find(configs, name);
    if (found)
        (void)bucket_config_ref(found);
    (void)pthread_rwlock_unlock(&configs->cache.lock);
    if (found) {
        *out = found;
        return TARN_OK;
    }
    struct bucket_config *config = NULL;
    int rc = load(configs, name, &config);
    if (rc < 0)
        return rc;
    keep(configs, config, generation);
    *out = config;
    return TARN_OK;
}

struct bucket_configs *bucket_configs_new(struct store *store, const struct bucket_form *forms,
                                          size_t form_count)
{
    struct bucket_configs *configs = tn_calloc(1, sizeof *configs);
    if (!configs)
        return NULL;
    configs->store = store;
    configs->forms = forms;
    configs->form_count = form_count;
    (void)pthread_rwlock_init(&configs->cache.lock, NULL);
    (void)pthread_mutex_init(&configs->changes.lock, NULL);
    return configs;
}

void bucket_configs_free(struct bucket_configs *configs)
{
    if (!configs)
        return;
    assert(!configs->changes.first);
    for (size_t i = 0; i < HEAD_COUNT; i++) {
        while (configs->cache.heads[i])
            drop(configs, &configs->cache.heads[i]);
    }
    (void)pthread_rwlock_destroy(&configs->cache.lock);
    (void)pthread_mutex_destroy(&configs->changes.lock);
    tn_free(configs);
}

/* --- Changes --- */

/* True when it is the first of its name and may go. */
static bool enqueue(struct bucket_configs *configs, struct bucket_change *change)
{
    bool is_first = true;
    struct bucket_change **at = &configs->changes.first;
    (void)pthread_mutex_lock(&configs->changes.lock);
    for (; *at; at = &(*at)->next)
        is_first = is_first && !tn_str_eq((*at)->name, change->name);
    change->next = NULL;
    *at = change;
    (void)pthread_mutex_unlock(&configs->changes.lock);
    return is_first;
}

/* Takes it out; the next of its name, or NULL. */
static struct bucket_change *dequeue(struct bucket_configs *configs, struct bucket_change *change)
{
    struct bucket_change **at = &configs->changes.first;
    (void)pthread_mutex_lock(&configs->changes.lock);
    while (*at != change)
        at = &(*at)->next;
    *at = change->next;
    struct bucket_change *next = *at;
    while (next && !tn_str_eq(next->name, change->name))
        next = next->next;
    (void)pthread_mutex_unlock(&configs->changes.lock);
    return next;
}

static enum store_versioning versioning_of(struct tn_str text)
{
    if (text.len == 0)
        return STORE_UNVERSIONED;
    return tn_str_eq(text, TN_STR("Enabled")) ? STORE_VERSIONS_ENABLED : STORE_VERSIONS_SUSPENDED;
}

static int prepare(struct bucket_change *change)
{
    struct bucket_config *now = NULL;
    struct tn_str sections[BUCKET_SECTION_COUNT] = { 0 };
    if (change->op == STORE_BUCKET_DELETE)
        return TARN_OK;
    int rc = bucket_configs_get(change->configs, change->name, &now);
    bool is_new = change->op == STORE_BUCKET_CREATE;
    if (is_new && rc == TARN_OK)
        rc = TARN_EEXISTS;
    else if (is_new && rc == TARN_ENOBUCKET)
        rc = TARN_OK;
    if (rc == TARN_OK && now)
        memcpy(sections, now->sections, sizeof sections);
    if (rc == TARN_OK && change->edit)
        rc = change->edit(change, now, sections);
    if (rc == TARN_OK)
        rc = bucket_sections_encode(sections, &change->meta);
    change->versioning = versioning_of(sections[BUCKET_VERSIONING]);
    bucket_config_unref(now);
    return rc;
}

static void on_committed(struct store_txn *txn);

/* TARN_OK: on_committed() follows, perhaps before this returns. */
static int start(struct bucket_change *change)
{
    struct store *s = change->configs->store;
    tn_buf_init(&change->meta, BUCKET_CONFIG_LEN_MAX);
    int rc = prepare(change);
    if (rc < 0)
        return rc;
    change->txn = (struct store_txn){ .op = change->op,
                                      .bucket = change->name,
                                      .meta = tn_buf_str(&change->meta),
                                      .versioning = change->versioning,
                                      .done = on_committed,
                                      .user = change };
    s->ops->commit(s, &change->txn);
    return TARN_OK;
}

/* Yields the next of the same name, which may go now. `change` is its caller's again. */
static struct bucket_change *finish(struct bucket_change *change, int status)
{
    struct bucket_configs *configs = change->configs;
    forget(configs, change->name);
    struct bucket_change *next = dequeue(configs, change);
    tn_buf_release(&change->meta);
    change->status = status;
    change->done(change);
    return next;
}

static void run(struct bucket_change *change)
{
    while (change) {
        int rc = start(change);
        change = rc < 0 ? finish(change, rc) : NULL;
    }
}

static void on_committed(struct store_txn *txn)
{
    run(finish(txn->user, txn->status));
}

void bucket_change_commit(struct bucket_configs *configs, struct bucket_change *change)
{
    change->configs = configs;
    if (enqueue(configs, change))
        run(change);
}
