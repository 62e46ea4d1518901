/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshots of keys, and the store that renews them. */

#include "client/cred.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/wait.h"

enum {
    RENEW_AHEAD_MS = 5 * 60 * 1000, /* at most this long before the end */
    HARD_AHEAD_MS = 10 * 1000,      /* a request may be on its way for a while */
    AGAIN_MS = 30 * 1000,           /* after a failed renewal */
    POLL_MS = 100,
};

void tarn_credentials_wipe(struct tarn_credentials *credentials)
{
    tn_wipe(credentials, sizeof *credentials);
}

struct tn_cred_source *tn_cred_source_new(enum tn_cred_kind kind, const char *label)
{
    struct tn_cred_source *source = tn_calloc(1, sizeof *source);
    if (!source)
        return NULL;
    source->kind = kind;
    source->texts[TN_CRED_LABEL] = tn_strdup(label);
    if (!source->texts[TN_CRED_LABEL]) {
        tn_free(source);
        return NULL;
    }
    return source;
}

void tn_cred_source_free(struct tn_cred_source *source)
{
    while (source) {
        struct tn_cred_source *base = source->base;
        for (size_t i = 0; i < TN_CRED_TEXT_COUNT; i++)
            tn_free_secret(source->texts[i]);
        tn_free(source);
        source = base;
    }
}

static struct tn_cred *cred_ref(struct tn_cred *cred)
{
    if (cred)
        atomic_fetch_add(&cred->refs, 1);
    return cred;
}

void tn_cred_unref(struct tn_cred *cred)
{
    if (!cred || atomic_fetch_sub(&cred->refs, 1) != 1)
        return;
    tarn_credentials_wipe(&cred->value);
    tn_free(cred);
}

void tn_cred_store_init(struct tn_cred_store *store)
{
    *store = (struct tn_cred_store){ 0 };
    (void)pthread_mutex_init(&store->shared.lock, NULL);
    (void)pthread_cond_init(&store->shared.changed, NULL);
}

/* With the lock held. When to renew: in good time, but not at once where they live for a short
 * while only. */
static void plan(struct tn_cred_store *store, int64_t now_ms)
{
    int64_t end = store->shared.current->value.expires_ms;
    int64_t left = end > now_ms ? end - now_ms : 0;
    store->shared.renew_ms = store->shared.hard_ms = INT64_MAX;
    if (end == 0)
        return;
    store->shared.renew_ms = end - (left / 4 < RENEW_AHEAD_MS ? left / 4 : RENEW_AHEAD_MS);
    store->shared.hard_ms = end - (left / 10 < HARD_AHEAD_MS ? left / 10 : HARD_AHEAD_MS);
}

/* With the lock held. Takes over `made`. */
static void install(struct tn_cred_store *store, struct tn_cred *made)
{
    made->serial = ++store->shared.serial;
    atomic_store(&made->refs, 1);
    tn_cred_unref(store->shared.current);
    store->shared.current = made;
    store->shared.err = (struct tarn_error){ 0 };
    plan(store, tn_wall_ms());
}

int tn_cred_store_set(struct tn_cred_store *store, const struct tn_cred_source *source,
                      const struct tn_cred_context *context)
{
    store->source = source;
    store->context = *context;
    if (!source || source->kind != TN_CRED_STATIC)
        return TARN_OK;
    struct tn_cred *made = tn_calloc(1, sizeof *made);
    if (!made)
        return TARN_ENOMEM;
    int rc = tn_cred_fetch(source, context, &made->value, NULL);
    if (rc < 0) {
        tn_free(made);
        return rc;
    }
    (void)pthread_mutex_lock(&store->shared.lock);
    install(store, made);
    (void)pthread_mutex_unlock(&store->shared.lock);
    return TARN_OK;
}

void tn_cred_store_release(struct tn_cred_store *store)
{
    if (store->shared.has_thread)
        (void)pthread_join(store->shared.thread, NULL);
    tn_cred_unref(store->shared.current);
    (void)pthread_cond_destroy(&store->shared.changed);
    (void)pthread_mutex_destroy(&store->shared.lock);
}

/* ---- the thread ---- */

static bool is_usable(const struct tn_cred_store *store, int64_t now_ms)
{
    return store->shared.current && now_ms < store->shared.hard_ms;
}

static void keep_failure(struct tn_cred_store *store, const struct tarn_error *err)
{
    int64_t again = tn_wall_ms() + AGAIN_MS;
    store->shared.err = *err;
    if (store->shared.current && store->shared.renew_ms < again)
        store->shared.renew_ms = again;
    TN_TRACE(client, "credentials not renewed: %s", err->message);
}

static void *fetch_thread(void *arg)
{
    struct tn_cred_store *store = arg;
    struct tarn_error err = { 0 };
    int rc = TARN_ENOMEM;
    struct tn_cred *made = tn_calloc(1, sizeof *made);
    if (made)
        rc = tn_cred_fetch(store->source, &store->context, &made->value, &err);
    else
        (void)tn_fail(&err, rc, "could not get credentials: out of memory");

    (void)pthread_mutex_lock(&store->shared.lock);
    if (rc == TARN_OK)
        install(store, TN_TAKE(made));
    else
        keep_failure(store, &err);
    store->shared.is_fetching = false;
    (void)pthread_cond_broadcast(&store->shared.changed);
    (void)pthread_mutex_unlock(&store->shared.lock);
    if (made) {
        tarn_credentials_wipe(&made->value);
        tn_free(made);
    }
    return NULL;
}

/* With the lock held; the thread before has ended but for its return. */
static int start_fetch(struct tn_cred_store *store)
{
    sigset_t all;
    sigset_t kept;
    if (store->shared.has_thread)
        (void)pthread_join(store->shared.thread, NULL);
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &kept);
    store->shared.is_fetching = true;
    store->shared.has_thread =
        pthread_create(&store->shared.thread, NULL, fetch_thread, store) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &kept, NULL);
    if (!store->shared.has_thread)
        store->shared.is_fetching = false;
    return store->shared.has_thread ? TARN_OK : TARN_ENOMEM;
}

static void wait_a_while(struct tn_cred_store *store)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += POLL_MS * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_nsec -= 1000000000L;
        until.tv_sec++;
    }
    (void)pthread_cond_timedwait(&store->shared.changed, &store->shared.lock, &until);
}

/* With the lock held: what is to be said when keys were waited for and none came. */
static int failure(const struct tn_cred_store *store, struct tarn_error *err)
{
    if (store->shared.err.status < 0 && err)
        *err = store->shared.err;
    if (store->shared.err.status < 0)
        return store->shared.err.status;
    return tn_fail(err, TARN_ECREDENTIALS,
                   "could not get credentials: those that came have expired already");
}

/* With the lock held. */
static int wait_for_keys(struct tn_cred_store *store, const volatile int *cancel,
                         struct tarn_error *err)
{
    if (!store->shared.is_fetching && start_fetch(store) < 0)
        return tn_fail(err, TARN_ENOMEM, "could not get credentials: no thread for it");
    while (store->shared.is_fetching) {
        if (tn_flag_is_set(cancel) || atomic_load(store->context.is_cancelled))
            return tn_fail(err, TARN_ECANCELLED, "could not get credentials: cancelled");
        wait_a_while(store);
    }
    return is_usable(store, tn_wall_ms()) ? TARN_OK : failure(store, err);
}

int tn_cred_store_get(struct tn_cred_store *store, const volatile int *cancel, struct tn_cred **out,
                      struct tarn_error *err)
{
    int rc = TARN_OK;
    if (!store->source) {
        *out = NULL;
        return TARN_OK;
    }
    (void)pthread_mutex_lock(&store->shared.lock);
    int64_t now = store->shared.renew_ms == INT64_MAX ? 0 : tn_wall_ms();
    if (!is_usable(store, now))
        rc = wait_for_keys(store, cancel, err);
    else if (now >= store->shared.renew_ms && !store->shared.is_fetching)
        (void)start_fetch(store); /* nobody waits: without a thread the next one tries again */
    if (rc == TARN_OK)
        *out = cred_ref(store->shared.current);
    (void)pthread_mutex_unlock(&store->shared.lock);
    return rc;
}

int tn_cred_store_try(struct tn_cred_store *store, bool *has_waited, struct tn_cred **out,
                      struct tarn_error *err)
{
    int rc = TARN_OK;
    if (!store->source) {
        *out = NULL;
        return TARN_OK;
    }
    (void)pthread_mutex_lock(&store->shared.lock);
    int64_t now = store->shared.renew_ms == INT64_MAX ? 0 : tn_wall_ms();
    bool is_good = is_usable(store, now);
    if (is_good && now >= store->shared.renew_ms && !store->shared.is_fetching)
        (void)start_fetch(store); /* nobody waits: without a thread the next one tries again */
    else if (!is_good && store->shared.is_fetching)
        rc = TARN_EAGAIN;
    else if (!is_good && !*has_waited)
        rc = start_fetch(store) < 0
                 ? tn_fail(err, TARN_ENOMEM, "could not get credentials: no thread for it")
                 : TARN_EAGAIN;
    else if (!is_good)
        rc = failure(store, err);
    *has_waited = *has_waited || rc == TARN_EAGAIN;
    if (rc == TARN_OK)
        *out = cred_ref(store->shared.current);
    (void)pthread_mutex_unlock(&store->shared.lock);
    return rc;
}

bool tn_cred_store_renew(struct tn_cred_store *store, const struct tn_cred *used)
{
    if (!store->source || store->source->kind == TN_CRED_STATIC || !used)
        return false;
    (void)pthread_mutex_lock(&store->shared.lock);
    bool is_old = store->shared.current && store->shared.current->serial == used->serial;
    if (is_old) /* whatever their expiry says: nobody is to begin with them any more */
        store->shared.hard_ms = store->shared.renew_ms = INT64_MIN;
    bool is_coming = !is_old || store->shared.is_fetching || start_fetch(store) == TARN_OK;
    (void)pthread_mutex_unlock(&store->shared.lock);
    return is_coming;
}
