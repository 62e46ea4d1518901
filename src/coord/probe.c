/* SPDX-License-Identifier: Apache-2.0 */
/* The capability probe: write twice what may be written once, and see who objects. */

#include "coord/probe.h"

#include <pthread.h>
#include <stdio.h>

#include "coord/outcome.h"

enum {
    CACHE_COUNT = 64,
    IDENTITY_MAX = 512,
    PROBE_TRIES_MAX = 3, /* of one question, when the answer says nothing */
    PAUSE_MS = 100,
    PAUSE_MAX_MS = 1000
};
static const char SUFFIX[] = ".tarn-probe-";
static const char CONTENT[] =
    "tarn writes and deletes this to see whether conditions are honoured\n";

struct answer {
    char identity[IDENTITY_MAX]; /* endpoint, blank, bucket; "" is unused */
    unsigned known;
    unsigned honoured;
};

static struct {
    pthread_mutex_t lock;
    size_t next;
    struct answer answers[CACHE_COUNT];
} cache = { .lock = PTHREAD_MUTEX_INITIALIZER };

struct probe {
    struct tarn_client *client;
    const char *bucket;
    struct tarn_request request;
    char key[TARN_KEY_LEN_MAX + 1];
};

static void cache_look(const char *identity, unsigned *known, unsigned *honoured)
{
    *known = *honoured = 0;
    (void)pthread_mutex_lock(&cache.lock);
    for (size_t i = 0; i < CACHE_COUNT; i++) {
        if (strcmp(cache.answers[i].identity, identity) == 0) {
            *known = cache.answers[i].known;
            *honoured = cache.answers[i].honoured;
        }
    }
    (void)pthread_mutex_unlock(&cache.lock);
}

static void cache_keep(const char *identity, unsigned known, unsigned honoured)
{
    (void)pthread_mutex_lock(&cache.lock);
    size_t at = CACHE_COUNT;
    for (size_t i = 0; i < CACHE_COUNT && at == CACHE_COUNT; i++) {
        if (strcmp(cache.answers[i].identity, identity) == 0)
            at = i;
    }
    if (at == CACHE_COUNT) {
        at = cache.next;
        cache.next = (cache.next + 1) % CACHE_COUNT;
        cache.answers[at] = (struct answer){ 0 };
        tn_text_copy(cache.answers[at].identity, IDENTITY_MAX, identity);
    }
    cache.answers[at].known |= known;
    cache.answers[at].honoured |= honoured;
    (void)pthread_mutex_unlock(&cache.lock);
}

static int put(const struct probe *p, const struct tarn_conditions *conditions,
               struct tarn_error *err)
{
    struct tarn_put_options options = { .request = p->request, .conditions = *conditions };
    return tarn_object_put(p->client, p->bucket, p->key, CONTENT, sizeof CONTENT - 1, &options,
                           NULL, err);
}

static int put_again(const struct probe *p, struct tarn_error *err)
{
    return put(p, &(struct tarn_conditions){ .if_none_match = "*" }, err);
}

static int put_other(const struct probe *p, struct tarn_error *err)
{
    return put(p, &(struct tarn_conditions){ .if_match = "\"00000000000000000000000000000000\"" },
               err);
}

static int copy_again(const struct probe *p, struct tarn_error *err)
{
    struct tarn_copy_options options = { .request = p->request,
                                         .conditions = { .if_none_match = "*" },
                                         /* onto itself, which wants a change */
                                         .metadata_directive = TARN_DIRECTIVE_REPLACE };
    return tarn_object_copy(p->client, p->bucket, p->key, p->bucket, p->key, &options, NULL, err);
}

static int complete_again(const struct probe *p, struct tarn_error *err)
{
    char id[TARN_UPLOAD_ID_LEN_MAX];
    struct tarn_part part = { 0 };
    struct tarn_put_options options = { .request = p->request };
    int rc = tarn_multipart_create(p->client, p->bucket, p->key, &options, id, err);
    if (rc < 0)
        return rc;
    rc = tarn_multipart_upload_part(p->client, p->bucket, p->key, id, 1, CONTENT,
                                    sizeof CONTENT - 1, &options, &part, err);
    options.conditions.if_none_match = "*";
    if (rc == TARN_OK)
        rc = tarn_multipart_complete(p->client, p->bucket, p->key, id, &part, 1, &options, NULL,
                                     err);
    if (rc < 0)
        (void)tarn_multipart_abort(p->client, p->bucket, p->key, id, &p->request, NULL);
    return rc;
}

/* Asks until the answer means something: 1 honoured, 0 not, or a negative status. */
static int ask(const struct probe *p, int (*question)(const struct probe *, struct tarn_error *),
               struct tarn_error *err)
{
    struct tarn_error why = { 0 };
    int rc = TARN_EAGAIN;
    for (int i = 1; i <= PROBE_TRIES_MAX; i++) {
        rc = question(p, &why);
        if (rc == TARN_EPRECOND)
            return 1;
        /* Written, or the header is not known: either way there is no protection. */
        if (rc == TARN_OK || rc == TARN_ENOTSUPPORTED || why.http_status == 501 ||
            (rc == TARN_EINVAL && why.http_status == 400))
            return 0;
        if (!tn_outcome_is_passing(rc))
            break;
        tn_outcome_sleep(tn_outcome_pause_ms(i, PAUSE_MS, PAUSE_MAX_MS), p->request.cancel);
    }
    if (err)
        *err = why;
    return rc;
}

static const struct {
    unsigned bit;
    int (*question)(const struct probe *, struct tarn_error *);
} questions[] = {
    { TARN_CONDITIONAL_CREATE, put_again },
    { TARN_CONDITIONAL_MATCH, put_other },
    { TARN_CONDITIONAL_COPY, copy_again },
    { TARN_CONDITIONAL_COMPLETE, complete_again },
};

static int ask_all(const struct probe *p, unsigned asked, unsigned *honoured,
                   struct tarn_error *err)
{
    int rc = put(p, &(struct tarn_conditions){ 0 }, err);
    for (size_t i = 0; rc >= 0 && i < TN_COUNT(questions); i++) {
        if (!(asked & questions[i].bit))
            continue;
        rc = ask(p, questions[i].question, err);
        if (rc == 1)
            *honoured |= questions[i].bit;
    }
    struct tarn_delete_options options = { .request = p->request };
    options.request.cancel = NULL; /* also when it was cancelled in between */
    (void)tarn_object_delete(p->client, p->bucket, p->key, &options, NULL, NULL);
    return rc < 0 ? rc : TARN_OK;
}

/* Beside `key`, where one who may write that may write too. */
static void name_probe(const char *key, char out[TARN_KEY_LEN_MAX + 1])
{
    char nonce[TN_NONCE_LEN + 1];
    size_t room = TARN_KEY_LEN_MAX - (sizeof SUFFIX - 1) - TN_NONCE_LEN;
    size_t len = key ? strlen(key) : 0;
    tn_nonce(nonce);
    for (len = len < room ? len : room; len > 0 && ((unsigned char)key[len] & 0xC0) == 0x80;)
        len--; /* not within a character */
    (void)snprintf(out, TARN_KEY_LEN_MAX + 1, "%.*s%s%s", (int)len, key ? key : "", SUFFIX, nonce);
}

static int find_out(struct tarn_client *client, const char *bucket, const char *key,
                    unsigned wanted, const struct tarn_request *request, unsigned *honoured,
                    struct tarn_error *err)
{
    char identity[IDENTITY_MAX];
    unsigned known, yes;
    struct probe p = { .client = client, .bucket = bucket, .request = *request };
    p.request.headers = NULL; /* of the one request that they are for */
    p.request.header_count = 0;
    int len = snprintf(identity, sizeof identity, "%s %s", tarn_client_endpoint(client), bucket);
    bool can_cache = len > 0 && (size_t)len < sizeof identity;
    known = yes = 0;
    if (can_cache)
        cache_look(identity, &known, &yes);
    unsigned asked = wanted & ~known;
    if (asked) {
        unsigned found = 0;
        name_probe(key, p.key);
        int rc = ask_all(&p, asked, &found, err);
        if (rc < 0)
            return rc;
        if (can_cache)
            cache_keep(identity, asked, found);
        yes |= found;
    }
    *honoured = yes & wanted;
    return TARN_OK;
}

int tarn_conditional_probe(struct tarn_client *client, const char *bucket, const char *key,
                           unsigned wanted, unsigned *honoured, struct tarn_error *err)
{
    int given = tn_check_given(client, bucket, "-", TN_MISSING(honoured), err);
    if (given < 0)
        return given;
    static const struct tarn_request none;
    return find_out(client, bucket, key, wanted, &none, honoured, err);
}

int tn_probe_need(struct tarn_client *client, const char *bucket, const char *key, unsigned needed,
                  const struct tarn_request *request, struct tarn_error *err)
{
    unsigned honoured = 0;
    int rc = find_out(client, bucket, key, needed, request, &honoured, err);
    if (rc < 0 || honoured == needed)
        return rc;
    return tn_fail(err, TARN_ENOTSUPPORTED,
                   "could not rely on \"%s\": the server does not honour conditional writes",
                   bucket);
}
