/* SPDX-License-Identifier: Apache-2.0 */
/* The newest heads in memory. */

#include "server/store/heads.h"

#include <assert.h>
#include <pthread.h>

enum { SHARD_COUNT = 32, SLOT_COUNT_MIN = 64 };

enum entry_flag {
    ENTRY_HAS_CURRENT = 1u << 0, /* `current` or absence is known to readers */
    ENTRY_IS_ABSENT = 1u << 1,   /* current is absence */
    ENTRY_IS_DIRTY = 1u << 2,
    ENTRY_HAS_STAGED = 1u << 3,
    ENTRY_STAGED_ABSENT = 1u << 4,
    ENTRY_IS_HOT = 1u << 5, /* used since the clock's hand passed */
};

struct entry {
    struct entry *next; /* in its slot */
    uint64_t hash;
    uint64_t seq;        /* of what made `current` */
    uint64_t staged_seq; /* of what made `staged` */
    struct store_head current;
    struct store_head staged;
    unsigned flags;
    uint32_t key_len;
    char key[];
};

struct shard {
    pthread_mutex_t lock;
    struct entry **slots;
    size_t slot_count; /* a power of two */
    size_t entry_count;
    size_t clean_len; /* bytes of clean entries */
    size_t hand;      /* the slot that eviction looks at next */
    uint64_t published;
};

struct heads {
    size_t cache_max; /* per shard */
    struct shard shards[SHARD_COUNT];
};

static uint64_t hash_key(struct tn_str key)
{
    uint64_t h = 0x9e3779b97f4a7c15u ^ key.len;
    size_t i = 0;
    for (; i + 8 <= key.len; i += 8) {
        uint64_t word;
        memcpy(&word, key.data + i, sizeof word);
        h = (h ^ word) * 0xff51afd7ed558ccdu;
        h ^= h >> 32;
    }
    uint64_t tail = 0;
    if (i < key.len)
        memcpy(&tail, key.data + i, key.len - i);
    h = (h ^ tail) * 0xc4ceb9fe1a85ec53u;
    return h ^ (h >> 29);
}

static struct shard *shard_of(struct heads *h, uint64_t hash)
{
    return &h->shards[hash >> 59];
}
_Static_assert(SHARD_COUNT == 32, "shard_of takes the top five bits");

static size_t entry_len(const struct entry *e)
{
    return sizeof *e + e->key_len + 16; /* the heap's own share */
}

struct heads *heads_new(size_t cache_max)
{
    struct heads *h = tn_calloc(1, sizeof *h);
    if (!h)
        return NULL;
    h->cache_max = cache_max / SHARD_COUNT;
    for (size_t i = 0; i < SHARD_COUNT; i++)
        (void)pthread_mutex_init(&h->shards[i].lock, NULL);
    for (size_t i = 0; i < SHARD_COUNT; i++) {
        struct shard *s = &h->shards[i];
        s->slots = tn_calloc(SLOT_COUNT_MIN, sizeof *s->slots);
        if (!s->slots) {
            heads_free(h);
            return NULL;
        }
        s->slot_count = SLOT_COUNT_MIN;
    }
    return h;
}

static void free_chain(struct entry *e)
{
    while (e) {
        struct entry *next = e->next;
        tn_free(e);
        e = next;
    }
}

void heads_free(struct heads *h)
{
    if (!h)
        return;
    for (size_t i = 0; i < SHARD_COUNT; i++) {
        struct shard *s = &h->shards[i];
        for (size_t j = 0; j < s->slot_count; j++)
            free_chain(s->slots[j]);
        tn_free(s->slots);
        (void)pthread_mutex_destroy(&s->lock);
    }
    tn_free(h);
}

static struct entry **find_link(struct shard *s, struct tn_str key, uint64_t hash)
{
    struct entry **link = &s->slots[hash & (s->slot_count - 1)];
    while (*link) {
        const struct entry *e = *link;
        if (e->hash == hash && e->key_len == key.len && memcmp(e->key, key.data, key.len) == 0)
            break;
        link = &(*link)->next;
    }
    return link;
}

/* More slots when the chains grow long; staying small is fine when memory is short. */
static void grow(struct shard *s)
{
    size_t count = s->slot_count * 2;
    struct entry **slots = tn_calloc(count, sizeof(struct entry *));
    if (!slots)
        return;
    for (size_t i = 0; i < s->slot_count; i++) {
        while (s->slots[i]) {
            struct entry *e = s->slots[i];
            s->slots[i] = e->next;
            e->next = slots[e->hash & (count - 1)];
            slots[e->hash & (count - 1)] = e;
        }
    }
    tn_free(s->slots);
    s->slots = slots;
    s->slot_count = count;
    s->hand = 0;
}

static struct entry *insert(struct shard *s, struct tn_str key, uint64_t hash)
{
    struct entry *e = tn_calloc(1, sizeof *e + key.len);
    if (!e)
        return NULL;
    e->hash = hash;
    e->key_len = (uint32_t)key.len;
    if (key.len)
        memcpy(e->key, key.data, key.len);
    if (s->entry_count >= s->slot_count * 2)
        grow(s);
    struct entry **slot = &s->slots[hash & (s->slot_count - 1)];
    e->next = *slot;
    *slot = e;
    s->entry_count++;
    return e;
}

static void remove_at(struct shard *s, struct entry **link)
{
    struct entry *e = *link;
    *link = e->next;
    s->entry_count--;
    tn_free(e);
}

static bool is_evictable(const struct entry *e)
{
    return !(e->flags & (ENTRY_IS_DIRTY | ENTRY_HAS_STAGED));
}

/* The clock: two rounds at the most, since the first cools every entry. */
static void evict(struct shard *s, size_t cache_max)
{
    for (size_t turns = 2 * s->slot_count; turns && s->clean_len > cache_max; turns--) {
        struct entry **link = &s->slots[s->hand];
        while (*link) {
            struct entry *e = *link;
            if (is_evictable(e) && !(e->flags & ENTRY_IS_HOT)) {
                s->clean_len -= entry_len(e);
                remove_at(s, link);
                continue;
            }
            e->flags &= ~(unsigned)ENTRY_IS_HOT;
            link = &e->next;
        }
        s->hand = (s->hand + 1) & (s->slot_count - 1);
    }
}

enum heads_answer heads_find(struct heads *h, struct tn_str key, struct store_head *out,
                             uint64_t *ticket)
{
    uint64_t hash = hash_key(key);
    struct shard *s = shard_of(h, hash);
    enum heads_answer answer = HEADS_UNKNOWN;
    (void)pthread_mutex_lock(&s->lock);
    struct entry *e = *find_link(s, key, hash);
    if (e && (e->flags & ENTRY_HAS_CURRENT)) {
        e->flags |= ENTRY_IS_HOT;
        answer = e->flags & ENTRY_IS_ABSENT ? HEADS_ABSENT : HEADS_FOUND;
        if (answer == HEADS_FOUND)
            *out = e->current;
    }
    if (ticket)
        *ticket = s->published;
    (void)pthread_mutex_unlock(&s->lock);
    return answer;
}

void heads_remember(struct heads *h, struct tn_str key, const struct store_head *head,
                    uint64_t ticket)
{
    uint64_t hash = hash_key(key);
    struct shard *s = shard_of(h, hash);
    (void)pthread_mutex_lock(&s->lock);
    if (s->published == ticket && h->cache_max && !*find_link(s, key, hash)) {
        struct entry *e = insert(s, key, hash);
        if (e) {
            e->current = *head;
            e->seq = head->seq;
            e->flags = ENTRY_HAS_CURRENT;
            s->clean_len += entry_len(e);
            evict(s, h->cache_max);
        }
    }
    (void)pthread_mutex_unlock(&s->lock);
}

enum heads_answer heads_find_staged(struct heads *h, struct tn_str key, struct store_head *out)
{
    uint64_t hash = hash_key(key);
    struct shard *s = shard_of(h, hash);
    enum heads_answer answer = HEADS_UNKNOWN;
    (void)pthread_mutex_lock(&s->lock);
    const struct entry *e = *find_link(s, key, hash);
    if (e && (e->flags & ENTRY_HAS_STAGED)) {
        answer = e->flags & ENTRY_STAGED_ABSENT ? HEADS_ABSENT : HEADS_FOUND;
        *out = e->staged;
    } else if (e && (e->flags & ENTRY_HAS_CURRENT)) {
        answer = e->flags & ENTRY_IS_ABSENT ? HEADS_ABSENT : HEADS_FOUND;
        *out = e->current;
    }
    (void)pthread_mutex_unlock(&s->lock);
    return answer;
}

int heads_stage(struct heads *h, struct tn_str key, const struct store_head *head, uint64_t seq)
{
    uint64_t hash = hash_key(key);
    struct shard *s = shard_of(h, hash);
    (void)pthread_mutex_lock(&s->lock);
    struct entry *e = *find_link(s, key, hash);
    bool was_clean = e && is_evictable(e);
    if (!e)
        e = insert(s, key, hash);
    if (e) {
        if (was_clean)
            s->clean_len -= entry_len(e);
        e->flags = (e->flags & ~(unsigned)ENTRY_STAGED_ABSENT) | ENTRY_HAS_STAGED;
        if (head)
            e->staged = *head;
        else
            e->flags |= ENTRY_STAGED_ABSENT;
        e->staged_seq = seq;
    }
    (void)pthread_mutex_unlock(&s->lock);
    return e ? TARN_OK : TARN_ENOMEM;
}

/* Under the shard's lock. */
static void publish_locked(struct shard *s, struct tn_str key, uint64_t hash, uint64_t seq)
{
    struct entry *e = *find_link(s, key, hash);
    assert(e);
    if (e->staged_seq == seq && (e->flags & ENTRY_HAS_STAGED)) {
        e->current = e->staged;
        e->seq = seq;
        e->flags = ENTRY_HAS_CURRENT | ENTRY_IS_DIRTY | ENTRY_IS_HOT |
                   (e->flags & ENTRY_STAGED_ABSENT ? ENTRY_IS_ABSENT : 0u);
    }
    s->published++;
}

void heads_publish(struct heads *h, struct tn_str key, uint64_t seq)
{
    uint64_t hash = hash_key(key);
    struct shard *s = shard_of(h, hash);
    (void)pthread_mutex_lock(&s->lock);
    publish_locked(s, key, hash, seq);
    (void)pthread_mutex_unlock(&s->lock);
}

/* This thread alone takes two of the locks, and in one order. */
void heads_publish_both(struct heads *h, struct tn_str key, struct tn_str other, uint64_t seq)
{
    uint64_t hash = hash_key(key);
    uint64_t other_hash = hash_key(other);
    struct shard *first = shard_of(h, hash);
    struct shard *second = shard_of(h, other_hash);
    if (first > second) {
        first = second;
        second = shard_of(h, hash);
    }
    (void)pthread_mutex_lock(&first->lock);
    if (second != first)
        (void)pthread_mutex_lock(&second->lock);
    publish_locked(shard_of(h, hash), key, hash, seq);
    publish_locked(shard_of(h, other_hash), other, other_hash, seq);
    if (second != first)
        (void)pthread_mutex_unlock(&second->lock);
    (void)pthread_mutex_unlock(&first->lock);
}

static void clean(struct heads *h, struct tn_str key, uint64_t seq, bool is_kept)
{
    uint64_t hash = hash_key(key);
    struct shard *s = shard_of(h, hash);
    (void)pthread_mutex_lock(&s->lock);
    struct entry **link = find_link(s, key, hash);
    struct entry *e = *link;
    if (e && e->seq == seq && (e->flags & ENTRY_IS_DIRTY)) {
        e->flags &= ~(unsigned)ENTRY_IS_DIRTY;
        if (is_evictable(e)) {
            if (e->flags & ENTRY_IS_ABSENT || !h->cache_max || !is_kept) {
                remove_at(s, link);
            } else {
                s->clean_len += entry_len(e);
                evict(s, h->cache_max);
            }
        }
    }
    (void)pthread_mutex_unlock(&s->lock);
}

void heads_clean(struct heads *h, struct tn_str key, uint64_t seq)
{
    clean(h, key, seq, true);
}

void heads_drop(struct heads *h, struct tn_str key, uint64_t seq)
{
    clean(h, key, seq, false);
}
