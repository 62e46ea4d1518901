/* SPDX-License-Identifier: Apache-2.0 */
/* Locks: taking and giving back. */

#include <tarn/lock.h>

#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/rand.h"
#include "base/wait.h"
#include "coord/clock.h"
#include "coord/lock_impl.h"
#include "coord/probe.h"

enum {
    TTL_DEFAULT_MS = 30000,
    MARGIN_LEAST_MS = 500,
    POLL_FIRST_MS = 10,
    POLL_MAX_DEFAULT_MS = 1000,
    CHANGES_MAX = 8,       /* of a record while it is read */
    RACES_MAX = 8,         /* writes refused in one attempt that does not wait */
    UNCLEAR_TRIES_MAX = 8, /* looks after a write whose outcome is not known */
    RELEASE_TRIES_MAX = 20,
    RELEASE_PAUSE_MS = 50,
    RELEASE_TIMEOUT_LOST_MS = 2000,
    SERVER_CLOCK_GRAIN_MS = 1000, /* Date and Last-Modified are whole seconds */
    EXPIRES_GRAIN_S = 1
};
static const char LOCK_SUFFIX[] = ".lock";

static const struct tarn_lock_options no_options;

int tn_lock_key(const char *name, char **key, struct tarn_error *err)
{
    struct tn_str text = tn_str_from(name);
    bool has_suffix = tn_str_ends(text, tn_str_from(LOCK_SUFFIX));
    size_t len = text.len + (has_suffix ? 0 : sizeof LOCK_SUFFIX - 1);
    if (text.len == 0 || len > TARN_KEY_LEN_MAX || !tn_str_is_utf8(text))
        return tn_fail(err, TARN_EINVAL,
                       "could not name a lock \"%.*s\": not 1 to %d bytes of text",
                       text.len > 64 ? 64 : (int)text.len, text.data, TARN_KEY_LEN_MAX - 5);
    char *out = tn_realloc(NULL, len + 1);
    if (!out)
        return tn_fail(err, TARN_ENOMEM, "could not name a lock: out of memory");
    (void)snprintf(out, len + 1, "%s%s", name, has_suffix ? "" : LOCK_SUFFIX);
    *key = out;
    return TARN_OK;
}

void tn_lock_holder_text(const struct tarn_lock_info *info, char *out, size_t cap)
{
    if (info->state == TARN_LOCK_HELD)
        (void)snprintf(out, cap, "held by %s%s%s pid %lld, token %llu", info->owner,
                       info->owner[0] ? " on " : "", info->host, (long long)info->pid,
                       (unsigned long long)info->token);
    else if (info->state == TARN_LOCK_RELEASED)
        (void)snprintf(out, cap, "released, token %llu", (unsigned long long)info->token);
    else
        (void)snprintf(out, cap, "%s",
                       info->state == TARN_LOCK_ABSENT
                           ? "its record is gone"
                           : "held by a program that writes other records");
}

/* ---- requests ---- */

/* What is too large to be a record. */
static int look_at_large(struct tarn_client *client, const char *bucket, const char *key,
                         const struct tarn_request *request, struct tn_lock_record *out,
                         struct tarn_error *err)
{
    struct tarn_object_info answer = { 0 };
    struct tarn_get_options options = { .request = *request };
    int rc = tarn_object_head(client, bucket, key, &options, &answer, err);
    if (rc == TARN_OK)
        rc = tn_lock_record_read("", 0, &answer, out);
    tarn_object_info_release(&answer);
    return rc;
}

int tn_lock_look(struct tarn_client *client, const char *bucket, const char *key,
                 const struct tarn_request *request, const char *unless_etag,
                 struct tn_lock_record *out, struct tarn_error *err)
{
    struct tarn_object_info answer = { 0 };
    struct tarn_get_options options = { .request = *request,
                                        .conditions = { .if_none_match = unless_etag } };
    struct tarn_error why = { 0 };
    char *bytes = NULL;
    size_t len;
    int rc = TARN_EPRECOND;
    /* An answer that was cut off is gone on with, which fails when the record changed meanwhile. */
    for (int i = 0; rc == TARN_EPRECOND && i < CHANGES_MAX; i++)
        rc = tarn_object_get_bytes(client, bucket, key, TN_LOCK_RECORD_MAX, &bytes, &len, &options,
                                   &answer, &why);
    if (rc == TARN_ETOOBIG)
        return look_at_large(client, bucket, key, request, out, err);
    if (rc == TARN_ENOTFOUND) {
        *out = (struct tn_lock_record){ .info = { .state = TARN_LOCK_ABSENT, .age_ms = -1 } };
        return TARN_OK;
    }
    if (rc == TARN_OK)
        rc = tn_lock_record_read(bytes, len, &answer, out);
    else if (err)
        *err = why;
    tarn_bytes_free(bytes);
    tarn_object_info_release(&answer);
    return rc;
}

int tn_lock_put(struct tarn_client *client, const char *bucket, const char *key,
                const struct tarn_request *request, struct tarn_lock_info *info,
                const char *given_back, const char *etag, struct tarn_error *err)
{
    char token[24], seq[24];
    TN_AUTO_BUF body = TN_BUF_INIT(TN_LOCK_RECORD_MAX);
    struct tarn_object_info answer = { 0 };
    int rc = tn_lock_record_write(info, given_back, &body);
    if (rc < 0)
        return tn_fail(err, rc, "could not write a lock: %s", tarn_status_text(rc));
    (void)snprintf(token, sizeof token, "%llu", (unsigned long long)info->token);
    (void)snprintf(seq, sizeof seq, "%llu", (unsigned long long)info->seq);
    const struct tarn_header metadata[] = { { "tarn-lock-token", token },
                                            { "tarn-lock-nonce", info->nonce },
                                            { "tarn-lock-seq", seq } };
    /* Rounded up: others that go by Expires must not take the lock early. */
    int64_t expires = (info->renewed_at_ms + info->ttl_ms) / 1000 + EXPIRES_GRAIN_S;
    struct tarn_put_options options = {
        .request = *request,
        .attributes = { .content_type = "application/json",
                        .expires = info->state == TARN_LOCK_HELD ? expires : 0,
                        .metadata = metadata,
                        .metadata_count = TN_COUNT(metadata) },
        .conditions = { .if_match = etag[0] ? etag : NULL, .if_none_match = etag[0] ? NULL : "*" }
    };
    rc = tarn_object_put(client, bucket, key, body.data, body.len, &options, &answer, err);
    if (rc == TARN_OK && !answer.etag)
        rc = tn_fail(err, TARN_EPROTOCOL, "could not write a lock: the server tells no ETag");
    if (rc == TARN_OK)
        tn_text_copy(info->etag, sizeof info->etag, answer.etag);
    tarn_object_info_release(&answer);
    return rc;
}

/* ---- options ---- */

static int refuse(struct tarn_error *err, const char *what)
{
    return tn_fail(err, TARN_EINVAL, "could not use these lock options: %s", what);
}

int tn_lock_set_times(struct tarn_lock *l, const struct tarn_lock_options *o,
                      struct tarn_error *err)
{
    const struct tarn_lock_clock *clock = o->clock;
    if (clock && (!clock->steady_ms || !clock->wall_ms || !clock->sleep_ms))
        return refuse(err, "a clock has all three functions");
    int64_t ttl = o->ttl_ms ? o->ttl_ms : TTL_DEFAULT_MS;
    if (ttl < TARN_LOCK_TTL_MIN_MS || ttl > TARN_LOCK_TTL_MAX_MS)
        return refuse(err, "ttl is 1 second to 24 hours");
    int64_t least = ttl / 10 > MARGIN_LEAST_MS ? ttl / 10 : MARGIN_LEAST_MS;
    int64_t margin = o->margin_ms ? o->margin_ms : least < ttl / 4 ? least : ttl / 4;
    if (margin < 0 || margin >= ttl / 2)
        return refuse(err, "margin is less than half of ttl");
    int64_t renew = o->renew_ms ? o->renew_ms : ttl / 3;
    if (renew < 0 || renew >= ttl - margin)
        return refuse(err, "the interval of renewals is less than ttl less margin");
    if (o->max_hold_ms < 0 || (o->max_hold_ms && o->max_hold_ms <= ttl))
        return refuse(err, "the longest hold is longer than ttl");
    if (o->wait_ms < TARN_LOCK_WAIT_FOREVER || o->poll_max_ms < 0)
        return refuse(err, "negative times");
    if (o->owner && strlen(o->owner) >= TARN_LOCK_OWNER_LEN_MAX)
        return refuse(err, "the owner's text is too long");
    l->ttl_ms = (uint64_t)ttl;
    l->renew_ms = (uint64_t)renew;
    l->margin_ms = (uint64_t)margin;
    l->max_hold_ms = (uint64_t)o->max_hold_ms;
    return TARN_OK;
}

static void fill_record(struct tarn_lock *l, const struct tarn_lock_options *o)
{
    l->mine = (struct tarn_lock_info){ .state = TARN_LOCK_HELD,
                                       .ttl_ms = (int64_t)l->ttl_ms,
                                       .pid = getpid() };
    tn_text_copy(l->mine.owner, sizeof l->mine.owner, o->owner);
    if (gethostname(l->mine.host, sizeof l->mine.host - 1) < 0)
        l->mine.host[0] = '\0';
    tn_nonce(l->mine.nonce);
    memcpy(l->nonce, l->mine.nonce, sizeof l->nonce);
}

static void init_locks(struct tarn_lock *l)
{
    (void)pthread_mutex_init(&l->write_lock, NULL);
    (void)pthread_mutex_init(&l->shared.lock, NULL);
    tn_cond_init(&l->shared.wake);
    l->shared.hold_until_ms = UINT64_MAX;
}

static int take_claim(struct tarn_lock *l, struct tarn_error *err)
{
    int rc = tn_lock_claim_take(tarn_client_endpoint(l->client), l->bucket, l->key, &l->claim);
    if (rc == TARN_EEXISTS)
        return tn_fail(err, rc, "could not lock \"%s/%s\": this process has it already", l->bucket,
                       l->key);
    return rc < 0 ? tn_fail(err, rc, "could not lock: %s", tarn_status_text(rc)) : rc;
}

int tn_lock_make(struct tarn_client *client, const char *bucket, const char *name,
                 const struct tarn_lock_options *options, struct tarn_lock **lock,
                 struct tarn_error *err)
{
    const struct tarn_lock_options *o = options ? options : &no_options;
    struct tarn_lock *l = tn_calloc(1, sizeof *l);
    if (!l)
        return tn_fail(err, TARN_ENOMEM, "could not lock: out of memory");
    init_locks(l);
    l->pid = getpid();
    l->client = client;
    l->request = o->request;
    l->clock = tn_lock_clock(o->clock);
    l->purges = o->purges_on_release;
    l->on_lost = o->on_lost;
    l->on_lost_arg = o->on_lost_arg;
    l->lost_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int rc = l->lost_fd < 0 ? tn_fail_errno(err, "could not lock") : tn_lock_set_times(l, o, err);
    if (rc == TARN_OK)
        rc = tn_lock_key(name, &l->key, err);
    if (rc == TARN_OK) {
        fill_record(l, o);
        l->bucket = tn_strdup(bucket ? bucket : "");
        rc = l->bucket ? take_claim(l, err) : tn_fail(err, TARN_ENOMEM, "out of memory");
    }
    if (rc < 0)
        tarn_lock_free(l);
    else
        *lock = l;
    return rc;
}

void tarn_lock_free(struct tarn_lock *lock)
{
    if (!lock)
        return;
    tn_lock_keeper_stop(lock);
    tn_lock_claim_give(lock->claim);
    tn_fd_close(&lock->lost_fd);
    if (getpid() == lock->pid) { /* a child would wait for threads that it does not have */
        (void)pthread_cond_destroy(&lock->shared.wake);
        (void)pthread_mutex_destroy(&lock->shared.lock);
        (void)pthread_mutex_destroy(&lock->write_lock);
    }
    tn_free(lock->bucket);
    tn_free(lock->key);
    tn_free(lock);
}

/* ---- taking ---- */

/* One attempt to acquire, from the first look to the end. */
struct attempt {
    struct tarn_lock *l;
    bool trusts_server_clock;
    uint64_t begun_ms;
    int64_t wait_ms;
    uint64_t poll_max_ms;
    int polls;              /* since the record changed */
    int unclear;            /* looks after writes without a clear outcome */
    int races;              /* writes that were refused */
    bool may_hold;          /* a write was sent that worked, or of which nothing is known */
    bool was_denied;        /* the look; a write was tried all the same */
    uint64_t first_sent_ms; /* of any write; 0 before */
    uint64_t last_sent_ms;
    struct tn_lock_record record; /* as last seen; etag "" before */
    struct tarn_error why;        /* of the last write that failed */
};

/* How long (ms) until the record counts as stale; 0: it does; UINT64_MAX: never. */
static uint64_t stale_in(const struct attempt *a, uint64_t now)
{
    const struct tarn_lock *l = a->l;
    const struct tarn_lock_info *info = &a->record.info;
    uint64_t ttl = (uint64_t)info->ttl_ms;
    if (info->state == TARN_LOCK_FOREIGN) {
        int64_t wall = l->clock.wall_ms(l->clock.arg);
        if (!a->record.is_uuid)
            return UINT64_MAX;
        ttl = a->record.uuid_ttl_ms > TARN_LOCK_TTL_MIN_MS ? (uint64_t)a->record.uuid_ttl_ms
                                                           : TARN_LOCK_TTL_MIN_MS;
        int64_t late = wall - a->record.expires_ms - (int64_t)l->margin_ms;
        if (late < 0 && (uint64_t)-late > ttl)
            return (uint64_t)-late;
    }
    /* The holder's margin is not known; it is at least what its ttl gives by default. */
    uint64_t margin = ttl / 10 > l->margin_ms ? ttl / 10 : l->margin_ms;
    uint64_t wait = ttl + margin;
    if (a->trusts_server_clock && info->state == TARN_LOCK_HELD && info->age_ms >= 0 &&
        (uint64_t)info->age_ms >= wait + SERVER_CLOCK_GRAIN_MS)
        return 0;
    uint64_t since =
        tn_lock_seen_since(tarn_client_endpoint(l->client), l->bucket, l->key, info->etag, now);
    return now - since >= wait ? 0 : wait - (now - since);
}

/* Our write took effect: the lease runs from when it was sent. */
static int begin_lease(struct attempt *a, uint64_t sent_ms, struct tarn_error *err)
{
    struct tarn_lock *l = a->l;
    l->token = l->mine.token;
    if (tn_lock_confirm(l, sent_ms) == TARN_OK)
        return TARN_OK;
    /* Answered too late to be of use. Nobody was told that the lock is held, so that the lease may
     * begin with a write of its own. */
    (void)pthread_mutex_lock(&l->shared.lock);
    l->shared.valid_until_ms = tn_lock_now(l) + l->ttl_ms - l->margin_ms;
    l->shared.hold_until_ms = UINT64_MAX;
    (void)pthread_mutex_unlock(&l->shared.lock);
    uint64_t sent = tn_lock_now(l);
    int rc = tn_lock_extend(l, err);
    (void)pthread_mutex_lock(&l->shared.lock);
    l->shared.valid_until_ms = sent + l->ttl_ms - l->margin_ms;
    if (l->max_hold_ms)
        l->shared.hold_until_ms = sent + l->max_hold_ms;
    (void)pthread_mutex_unlock(&l->shared.lock);
    return rc;
}

static bool is_late(const struct attempt *a)
{
    return a->wait_ms > 0 && tn_lock_now(a->l) - a->begun_ms >= (uint64_t)a->wait_ms;
}

static void pause_for(const struct tarn_lock *l, uint64_t ms)
{
    uint64_t slice;
    for (; (slice = tn_outcome_slice_ms(ms, l->request.cancel)) > 0; ms -= slice)
        l->clock.sleep_ms(l->clock.arg, slice);
}

/* Somebody was faster, and the next look says who. When it does not, again and again, the server
 * contradicts itself: pauses, and an end. */
static int lose_race(struct attempt *a, struct tarn_error *err)
{
    const struct tarn_lock *l = a->l;
    bool has_time = a->wait_ms == 0 ? a->races < RACES_MAX : !is_late(a);
    if (!has_time)
        return tn_fail(err, a->wait_ms ? TARN_ETIMEOUT : TARN_EBUSY,
                       "could not lock \"%s/%s\": held by somebody who does not show%s", l->bucket,
                       l->key, a->wait_ms ? ", still" : "");
    if (a->races++ > 0)
        pause_for(l, tn_outcome_pause_ms(a->races, POLL_FIRST_MS, 1000));
    return TARN_EAGAIN;
}

/* TARN_OK: held. TARN_EAGAIN: look again. */
static int take(struct attempt *a, struct tarn_error *err)
{
    struct tarn_lock *l = a->l;
    struct tarn_request request = l->request;
    long timeout = (long)(l->ttl_ms - l->margin_ms);
    if (request.timeout_ms == 0 || request.timeout_ms > timeout)
        request.timeout_ms = timeout;
    l->mine.token = a->record.info.token + 1;
    l->mine.seq++;
    l->mine.acquired_at_ms = l->mine.renewed_at_ms = l->clock.wall_ms(l->clock.arg);
    uint64_t sent = tn_lock_now(l);
    a->last_sent_ms = sent;
    if (!a->first_sent_ms)
        a->first_sent_ms = sent;
    a->why = (struct tarn_error){ 0 };
    memcpy(l->given_back, a->record.given_back, sizeof l->given_back);
    int rc = tn_lock_put(l->client, l->bucket, l->key, &request, &l->mine, l->given_back,
                         a->record.info.etag, &a->why);
    a->may_hold =
        rc == TARN_OK || rc == TARN_ECANCELLED || rc == TARN_ENOMEM || tn_outcome_is_passing(rc);
    if (rc == TARN_OK)
        return begin_lease(a, sent, err);
    if (rc == TARN_EPRECOND || rc == TARN_ENOTFOUND)
        return lose_race(a, err);
    a->unclear++;
    bool has_time = a->wait_ms == 0 ? a->unclear <= UNCLEAR_TRIES_MAX : !is_late(a);
    if (tn_outcome_is_passing(rc) && has_time) {
        pause_for(l, tn_outcome_pause_ms(a->unclear, POLL_FIRST_MS, 1000));
        return TARN_EAGAIN;
    }
    if (err)
        *err = a->why;
    return rc;
}

/* A write of ours without an answer is there after all. */
static int adopt(struct attempt *a, struct tarn_error *err)
{
    struct tarn_lock *l = a->l;
    bool is_last = a->record.info.seq == l->mine.seq;
    a->may_hold = true;
    tn_text_copy(l->mine.etag, sizeof l->mine.etag, a->record.info.etag);
    l->mine.token = a->record.info.token;
    memcpy(l->given_back, a->record.given_back, sizeof l->given_back);
    return begin_lease(a, is_last ? a->last_sent_ms : a->first_sent_ms, err);
}

static int fail_held(const struct attempt *a, int status, struct tarn_error *err)
{
    char holder[TARN_LOCK_OWNER_LEN_MAX * 2];
    tn_lock_holder_text(&a->record.info, holder, sizeof holder);
    return tn_fail(err, status, "could not lock \"%s/%s\": %s%s", a->l->bucket, a->l->key, holder,
                   status == TARN_ETIMEOUT ? ", still" : "");
}

/* Sleeps before the next look. TARN_EBUSY, TARN_ETIMEOUT when there is none. */
static int wait_turn(struct attempt *a, uint64_t stale_ms, struct tarn_error *err)
{
    const struct tarn_lock *l = a->l;
    uint64_t waited = tn_lock_now(l) - a->begun_ms;
    uint64_t pause = tn_outcome_pause_ms(++a->polls, POLL_FIRST_MS, a->poll_max_ms);
    if (a->wait_ms == 0)
        return fail_held(a, TARN_EBUSY, err);
    if (a->wait_ms > 0 && waited >= (uint64_t)a->wait_ms)
        return fail_held(a, TARN_ETIMEOUT, err);
    if (a->wait_ms > 0 && pause > (uint64_t)a->wait_ms - waited)
        pause = (uint64_t)a->wait_ms - waited;
    if (pause > stale_ms)
        pause = stale_ms + tn_random_below(POLL_FIRST_MS);
    if (tn_flag_is_set(l->request.cancel))
        return tn_fail(err, TARN_ECANCELLED, "could not lock \"%s/%s\": cancelled", l->bucket,
                       l->key);
    pause_for(l, pause);
    return TARN_EAGAIN;
}

static int judge_record(struct attempt *a, struct tarn_error *err)
{
    const struct tarn_lock_info *info = &a->record.info;
    bool is_free = info->state == TARN_LOCK_ABSENT || info->state == TARN_LOCK_RELEASED;
    if (info->state == TARN_LOCK_HELD && strcmp(info->nonce, a->l->mine.nonce) == 0)
        return adopt(a, err);
    if (info->state == TARN_LOCK_FOREIGN && !a->record.is_uuid)
        return tn_fail(err, TARN_ECORRUPT,
                       "could not lock \"%s/%s\": the object there is no lock, and stays",
                       a->l->bucket, a->l->key);
    uint64_t stale_ms = is_free ? 0 : stale_in(a, tn_lock_now(a->l));
    return stale_ms == 0 ? take(a, err) : wait_turn(a, stale_ms, err);
}

static int look_once(struct attempt *a, struct tarn_error *err)
{
    const struct tarn_lock *l = a->l;
    struct tn_lock_record seen;
    struct tarn_error why = { 0 };
    const char *etag = a->record.info.etag;
    int rc =
        tn_lock_look(l->client, l->bucket, l->key, &l->request, etag[0] ? etag : NULL, &seen, &why);
    if (rc == TARN_ENOTMODIFIED)
        return TARN_OK;
    if (rc == TARN_OK) {
        if (strcmp(seen.info.etag, etag) != 0)
            a->polls = 0;
        a->record = seen;
        a->may_hold = false; /* what was written late is bound to what stood there before */
        return TARN_OK;
    }
    /* So S3 tells those who may not list what is not there; only writing shows which it is. */
    if (rc == TARN_EDENIED && !etag[0] && !a->was_denied) {
        a->was_denied = true;
        a->record = (struct tn_lock_record){ .info = { .state = TARN_LOCK_ABSENT, .age_ms = -1 } };
        return TARN_OK;
    }
    /* Without waiting, only to find out about a write that may have worked. */
    a->polls++;
    bool has_time = a->wait_ms == 0 ? a->unclear > 0 && a->polls <= UNCLEAR_TRIES_MAX : !is_late(a);
    if (tn_outcome_is_passing(rc) && has_time) {
        pause_for(l, tn_outcome_pause_ms(a->polls, POLL_FIRST_MS, 1000));
        return TARN_EAGAIN;
    }
    if (err)
        *err = why;
    return rc;
}

static int contend(struct attempt *a, struct tarn_error *err)
{
    int rc;
    do {
        rc = look_once(a, err);
        if (rc == TARN_OK)
            rc = judge_record(a, err);
    } while (rc == TARN_EAGAIN);
    return rc;
}

static int write_release(struct tarn_lock *l, const struct tarn_request *request,
                         struct tarn_error *err)
{
    struct tarn_delete_options options = { .request = *request, .if_match = l->mine.etag };
    if (l->purges)
        return tarn_object_delete(l->client, l->bucket, l->key, &options, NULL, err);
    struct tarn_lock_info info = l->mine;
    char given_back[TN_LOCK_GIVEN_BACK_LEN];
    tn_lock_given_back_add(l->given_back, l->nonce, given_back);
    info.state = TARN_LOCK_RELEASED;
    info.seq = ++l->mine.seq;
    info.renewed_at_ms = l->clock.wall_ms(l->clock.arg);
    return tn_lock_put(l->client, l->bucket, l->key, request, &info, given_back, l->mine.etag, err);
}

/* An acquisition that fails while its last write is not known to have failed: should it have
 * worked, nobody must wait for it. Not ended by what ended the acquisition. */
static void abandon(struct tarn_lock *l)
{
    struct tn_lock_record record;
    struct tarn_request request = l->request;
    request.cancel = NULL;
    request.timeout_ms = RELEASE_TIMEOUT_LOST_MS;
    if (tn_lock_look(l->client, l->bucket, l->key, &request, NULL, &record, NULL) < 0 ||
        record.info.state != TARN_LOCK_HELD || strcmp(record.info.nonce, l->mine.nonce) != 0)
        return;
    tn_text_copy(l->mine.etag, sizeof l->mine.etag, record.info.etag);
    l->mine.token = record.info.token;
    (void)write_release(l, &request, NULL); /* else it becomes stale */
}

int tarn_lock_acquire(struct tarn_client *client, const char *bucket, const char *name,
                      const struct tarn_lock_options *options, struct tarn_lock **lock,
                      struct tarn_error *err)
{
    int given = tn_check_given(client, bucket, name, TN_MISSING(lock), err);
    if (given < 0)
        return given;
    struct tarn_lock *l = NULL;
    const struct tarn_lock_options *o = options ? options : &no_options;
    int rc = tn_lock_make(client, bucket, name, o, &l, err);
    if (rc < 0)
        return rc;
    struct attempt a = { .l = l,
                         .trusts_server_clock = o->trusts_server_clock,
                         .begun_ms = tn_lock_now(l),
                         .wait_ms = o->wait_ms,
                         .poll_max_ms =
                             o->poll_max_ms ? (uint64_t)o->poll_max_ms : POLL_MAX_DEFAULT_MS };
    if (!o->skip_probe)
        rc = tn_probe_need(client, bucket, l->key, TARN_CONDITIONAL_CREATE | TARN_CONDITIONAL_MATCH,
                           &o->request, err);
    if (rc == TARN_OK)
        rc = contend(&a, err);
    if (rc == TARN_OK && !o->renews_by_hand)
        rc = tn_lock_keeper_start(l, err);
    if (rc < 0 && a.may_hold)
        abandon(l);
    if (rc < 0)
        tarn_lock_free(l);
    else
        *lock = l;
    return rc;
}

int tarn_lock_try(struct tarn_client *client, const char *bucket, const char *name,
                  const struct tarn_lock_options *options, struct tarn_lock **lock,
                  struct tarn_error *err)
{
    struct tarn_lock_options once = options ? *options : no_options;
    once.wait_ms = 0;
    return tarn_lock_acquire(client, bucket, name, &once, lock, err);
}

/* ---- giving back ---- */

/* After a release without a clear answer. TARN_OK: done. TARN_EAGAIN: not yet. */
static int look_at_release(struct tarn_lock *l, const struct tarn_request *request,
                           struct tarn_error *err)
{
    struct tn_lock_record record;
    char holder[TARN_LOCK_OWNER_LEN_MAX * 2];
    int rc = tn_lock_look(l->client, l->bucket, l->key, request, NULL, &record, err);
    if (rc < 0)
        return tn_outcome_is_passing(rc) ? TARN_EAGAIN : rc;
    bool is_ours = strcmp(record.info.nonce, l->mine.nonce) == 0;
    if (l->purges && record.info.state == TARN_LOCK_ABSENT)
        return TARN_OK;
    if (is_ours && record.info.state == TARN_LOCK_RELEASED)
        return TARN_OK;
    if (tn_lock_given_back_has(record.given_back, l->nonce)) /* and others have taken it since */
        return TARN_OK;
    if (is_ours && record.info.state == TARN_LOCK_HELD) {
        tn_text_copy(l->mine.etag, sizeof l->mine.etag, record.info.etag);
        return TARN_EAGAIN;
    }
    tn_lock_holder_text(&record.info, holder, sizeof holder);
    return tn_fail(err, TARN_ELOST, "the lock \"%s/%s\" was lost: %s", l->bucket, l->key, holder);
}

static int release(struct tarn_lock *l, struct tarn_error *err)
{
    struct tarn_request request = l->request;
    struct tarn_error why = { 0 };
    bool was_lost = tarn_lock_check(l) != TARN_OK;
    uint64_t end = tn_lock_now(l) + (was_lost ? RELEASE_TIMEOUT_LOST_MS : l->ttl_ms);
    int rc = TARN_EAGAIN;
    for (int i = 1; rc == TARN_EAGAIN && i <= RELEASE_TRIES_MAX; i++) {
        uint64_t now = tn_lock_now(l);
        if (now >= end)
            break;
        request.timeout_ms = (long)(end - now);
        rc = write_release(l, &request, &why);
        if (rc == TARN_OK || !tn_outcome_is_unclear(rc))
            break;
        rc = look_at_release(l, &request, &why);
        if (rc == TARN_EAGAIN)
            pause_for(l, tn_outcome_pause_ms(i, RELEASE_PAUSE_MS, 1000));
    }
    if (rc == TARN_OK && was_lost) /* free for others now, but it was not ours to the end */
        rc = tn_fail(&why, TARN_ELOST, "the lock \"%s/%s\" was lost: its lease ended", l->bucket,
                     l->key);
    if (rc == TARN_EAGAIN)
        rc = why.status < 0 ? why.status : TARN_ETIMEOUT;
    if (rc < 0 && err) {
        *err = why;
        err->status = rc;
    }
    return rc;
}

int tarn_lock_release(struct tarn_lock *lock, struct tarn_error *err)
{
    int rc = tn_check_missing(TN_MISSING(lock), err);
    if (rc < 0)
        return rc;
    if (getpid() != lock->pid) {
        rc = tn_fail(err, TARN_ELOST, "the lock \"%s/%s\" belongs to the parent of this process",
                     lock->bucket, lock->key);
    } else {
        tn_lock_keeper_stop(lock);
        rc = release(lock, err);
    }
    tarn_lock_free(lock);
    return rc;
}

int tarn_lock_with(struct tarn_client *client, const char *bucket, const char *name,
                   const struct tarn_lock_options *options, tarn_lock_body_fn body, void *arg,
                   struct tarn_error *err)
{
    struct tarn_lock *lock = NULL;
    struct tarn_error why = { 0 };
    int rc = tn_check_given(client, bucket, name, TN_MISSING(body), err);
    if (rc == TARN_OK)
        rc = tarn_lock_acquire(client, bucket, name, options, &lock, err);
    if (rc < 0)
        return rc;
    int body_rc = body(arg, lock);
    rc = tarn_lock_release(lock, &why);
    if (body_rc < 0)
        return tn_fail(err, body_rc, "what ran under the lock failed: %s",
                       tarn_status_text(body_rc));
    if (rc < 0 && err)
        *err = why;
    return rc;
}

uint64_t tarn_lock_token(const struct tarn_lock *lock)
{
    return lock->token;
}

const char *tarn_lock_nonce(const struct tarn_lock *lock)
{
    return lock->nonce;
}

int tarn_lock_fd(const struct tarn_lock *lock)
{
    return lock->lost_fd;
}
