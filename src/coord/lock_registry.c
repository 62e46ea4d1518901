/* SPDX-License-Identifier: Apache-2.0 */
/* The locks of this process: claimed before the network is asked, and seen since when. */

#include "coord/lock_registry.h"

#include <pthread.h>
#include <stdio.h>

#include "base/hash.h"
#include "base/str.h"

enum { SEEN_COUNT = 256 };

struct tn_lock_claim {
    struct tn_lock_claim *next;
    unsigned char identity[TN_SHA256_LEN];
};

struct seen {
    unsigned char identity[TN_SHA256_LEN];
    char etag[TARN_ETAG_LEN_MAX];
    uint64_t since_ms;
    uint64_t used; /* for the one that is replaced */
};

static struct {
    pthread_mutex_t lock;

    struct tn_lock_claim *claims;
    struct seen seen[SEEN_COUNT];
    uint64_t uses;
} registry = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* The lock may be held by a thread that does not exist in the child, and the claims are the
 * parent's. */
static void begin_anew_in_child(void)
{
    (void)pthread_mutex_init(&registry.lock, NULL);
    registry.claims = NULL;
}

static void watch_forks(void)
{
    (void)pthread_atfork(NULL, NULL, begin_anew_in_child);
}

static void lock_registry(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, watch_forks);
    (void)pthread_mutex_lock(&registry.lock);
}

static void unlock_registry(void)
{
    (void)pthread_mutex_unlock(&registry.lock);
}

static int identify(const char *endpoint, const char *bucket, const char *key,
                    unsigned char out[TN_SHA256_LEN])
{
    struct tn_hash hash;
    int rc = tn_hash_init(&hash, TN_HASH_SHA256);
    if (rc < 0)
        return rc;
    tn_hash_update(&hash, endpoint, strlen(endpoint) + 1);
    tn_hash_update(&hash, bucket, strlen(bucket) + 1);
    tn_hash_update(&hash, key, strlen(key));
    tn_hash_final(&hash, out);
    tn_hash_release(&hash);
    return TARN_OK;
}

int tn_lock_claim_take(const char *endpoint, const char *bucket, const char *key,
                       struct tn_lock_claim **claim)
{
    struct tn_lock_claim *made = tn_calloc(1, sizeof *made);
    int rc = made ? identify(endpoint, bucket, key, made->identity) : TARN_ENOMEM;
    if (rc < 0) {
        tn_free(made);
        return rc;
    }
    lock_registry();
    for (const struct tn_lock_claim *c = registry.claims; c && rc == TARN_OK; c = c->next) {
        if (memcmp(c->identity, made->identity, sizeof c->identity) == 0)
            rc = TARN_EEXISTS;
    }
    if (rc == TARN_OK) {
        made->next = registry.claims;
        registry.claims = made;
    }
    unlock_registry();
    if (rc == TARN_OK)
        *claim = made;
    else
        tn_free(made);
    return rc;
}

void tn_lock_claim_give(struct tn_lock_claim *claim)
{
    if (!claim)
        return;
    lock_registry();
    struct tn_lock_claim **at = &registry.claims;
    while (*at && *at != claim)
        at = &(*at)->next;
    if (*at)
        *at = claim->next;
    unlock_registry();
    tn_free(claim);
}

/* The entry of this identity, or the one to use for it. */
static struct seen *find_seen(const unsigned char identity[TN_SHA256_LEN])
{
    struct seen *oldest = &registry.seen[0];
    for (size_t i = 0; i < SEEN_COUNT; i++) {
        struct seen *s = &registry.seen[i];
        if (s->used && memcmp(s->identity, identity, TN_SHA256_LEN) == 0)
            return s;
        if (s->used < oldest->used)
            oldest = s;
    }
    *oldest = (struct seen){ 0 };
    memcpy(oldest->identity, identity, TN_SHA256_LEN);
    return oldest;
}

uint64_t tn_lock_seen_since(const char *endpoint, const char *bucket, const char *key,
                            const char *etag, uint64_t now_ms)
{
    unsigned char identity[TN_SHA256_LEN];
    if (identify(endpoint, bucket, key, identity) < 0)
        return now_ms;
    lock_registry();
    struct seen *s = find_seen(identity);
    s->used = ++registry.uses;
    if (strcmp(s->etag, etag) != 0 || s->since_ms > now_ms) {
        (void)snprintf(s->etag, sizeof s->etag, "%s", etag);
        s->since_ms = now_ms;
    }
    uint64_t since = s->since_ms;
    unlock_registry();
    return since;
}
