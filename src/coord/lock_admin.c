/* SPDX-License-Identifier: Apache-2.0 */
/* Locks from outside: looking, taking over by nonce, breaking. */

#include "coord/lock_impl.h"
#include "coord/clock.h"

static const struct tarn_request no_request;

int tarn_lock_status(struct tarn_client *client, const char *bucket, const char *name,
                     const struct tarn_request *request, struct tarn_lock_info *info,
                     struct tarn_error *err)
{
    int given = tn_check_given(client, bucket, name, TN_MISSING(info), err);
    if (given < 0)
        return given;
    struct tn_lock_record record;
    TN_AUTO_FREE char *key = NULL;
    int rc = tn_lock_key(name, &key, err);
    if (rc == TARN_OK)
        rc = tn_lock_look(client, bucket, key, request ? request : &no_request, NULL, &record, err);
    if (rc == TARN_OK)
        *info = record.info;
    return rc;
}

/* TARN_OK when the lock is that holder's and has just been renewed. */
static int take_over(struct tarn_lock *l, const char *nonce, const struct tarn_lock_options *o,
                     struct tarn_error *err)
{
    struct tarn_lock_options times = *o;
    struct tn_lock_record record;
    char holder[TARN_LOCK_OWNER_LEN_MAX * 2];
    int rc = tn_lock_look(l->client, l->bucket, l->key, &l->request, NULL, &record, err);
    if (rc < 0)
        return rc;
    tn_lock_holder_text(&record.info, holder, sizeof holder);
    if (record.info.state != TARN_LOCK_HELD || strcmp(record.info.nonce, nonce) != 0)
        return tn_fail(err, TARN_ELOST, "the lock \"%s/%s\" was lost: %s", l->bucket, l->key,
                       holder);
    if (!times.ttl_ms) /* as long as it was acquired for */
        times.ttl_ms = record.info.ttl_ms;
    rc = tn_lock_set_times(l, &times, err);
    if (rc < 0)
        return rc;
    l->mine = record.info;
    l->mine.ttl_ms = (int64_t)l->ttl_ms;
    l->token = record.info.token;
    memcpy(l->given_back, record.given_back, sizeof l->given_back);
    memcpy(l->nonce, l->mine.nonce, sizeof l->nonce);
    /* Nobody has taken it, or the write would be refused: the lease begins with this write. */
    (void)pthread_mutex_lock(&l->shared.lock);
    uint64_t now = tn_lock_now(l);
    l->shared.valid_until_ms = now + l->ttl_ms - l->margin_ms;
    if (l->max_hold_ms)
        l->shared.hold_until_ms = now + l->max_hold_ms;
    (void)pthread_mutex_unlock(&l->shared.lock);
    return tn_lock_extend(l, err);
}

int tarn_lock_attach(struct tarn_client *client, const char *bucket, const char *name,
                     const char *nonce, const struct tarn_lock_options *options,
                     struct tarn_lock **lock, struct tarn_error *err)
{
    int given = tn_check_given(client, bucket, name, TN_MISSING(lock), err);
    if (given < 0)
        return given;
    struct tarn_lock *l = NULL;
    struct tarn_lock_options o = options ? *options : (struct tarn_lock_options){ 0 };
    struct tarn_lock_options without_times = o;
    if (!nonce || strlen(nonce) != TN_NONCE_LEN)
        return tn_fail(err, TARN_EINVAL, "could not take over a lock: the nonce has %d digits",
                       TN_NONCE_LEN);
    if (!o.ttl_ms) /* they are judged once the record's is known */
        without_times.renew_ms = without_times.margin_ms = without_times.max_hold_ms = 0;
    int rc = tn_lock_make(client, bucket, name, &without_times, &l, err);
    if (rc < 0)
        return rc;
    rc = take_over(l, nonce, &o, err);
    if (rc == TARN_OK && !o.renews_by_hand)
        rc = tn_lock_keeper_start(l, err);
    if (rc < 0)
        tarn_lock_free(l);
    else
        *lock = l;
    return rc;
}

int tarn_lock_break(struct tarn_client *client, const char *bucket, const char *name,
                    const char *etag, const struct tarn_request *request, struct tarn_error *err)
{
    int given = tn_check_given(client, bucket, name, NULL, err);
    if (given < 0)
        return given;
    struct tn_lock_record record;
    struct tarn_error why = { 0 };
    TN_AUTO_FREE char *key = NULL;
    request = request ? request : &no_request;
    if (!etag || !etag[0])
        return tn_fail(err, TARN_EINVAL, "could not break a lock: its ETag is wanted");
    int rc = tn_lock_key(name, &key, err);
    if (rc == TARN_OK)
        rc = tn_lock_look(client, bucket, key, request, NULL, &record, err);
    if (rc < 0)
        return rc;
    if (strcmp(record.info.etag, etag) != 0)
        return tn_fail(err, TARN_ELOST, "could not break the lock \"%s/%s\": it changed meanwhile",
                       bucket, key);
    struct tarn_lock_info info = record.info;
    info.state = TARN_LOCK_RELEASED;
    info.seq++;
    info.renewed_at_ms = tn_lock_clock(NULL).wall_ms(NULL);
    tn_nonce(info.nonce); /* so that the holder sees that it is not its own release */
    rc = tn_lock_put(client, bucket, key, request, &info, record.given_back, etag, &why);
    if (tn_outcome_is_unclear(rc) &&
        tn_lock_look(client, bucket, key, request, NULL, &record, NULL) == TARN_OK) {
        if (strcmp(record.info.nonce, info.nonce) == 0)
            return TARN_OK;
        if (strcmp(record.info.etag, etag) != 0)
            return tn_fail(err, TARN_ELOST,
                           "could not break the lock \"%s/%s\": it changed "
                           "meanwhile",
                           bucket, key);
    }
    if (rc < 0 && err)
        *err = why;
    return rc;
}
