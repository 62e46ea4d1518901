/* SPDX-License-Identifier: Apache-2.0 */
/* Who is asking: the table of access keys, and the check of a request's signature against it.
 *
 * Signing keys depend on secret, day and region only. Each access key remembers a few of them, so
 * that a request costs one HMAC instead of five. A signing key is remembered only after a signature
 * made with it was right: those who do not know the secret cannot push others out. */

#include "proto/sigv2.h"
#include "proto/sigv4a.h"
#include "server/auth/auth_impl.h"

enum { ACCOUNTS_LEN_MAX = 4 * 1024 * 1024 };

/* ---- The table ---- */

static bool is_printable(struct tn_str s, size_t len_min, size_t len_max)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] <= ' ' || s.data[i] > '~')
            return false;
    }
    return s.len >= len_min && s.len <= len_max;
}

static void text_set(char *out, struct tn_str text)
{
    memcpy(out, text.data, text.len);
    out[text.len] = '\0';
}

struct auth *auth_new(const struct auth_config *config, struct tarn_error *err)
{
    struct tn_str region = tn_str_from(config->region);
    if (config->region && !is_printable(region, 1, TN_SIGV4_REGION_LEN_MAX)) {
        (void)tn_fail(err, TARN_EINVAL, "could not set up authentication: bad region \"%s\"",
                      config->region);
        return NULL;
    }
    struct auth *auth = tn_calloc(1, sizeof *auth);
    if (!auth || pthread_rwlock_init(&auth->table.lock, NULL) != 0) {
        (void)tn_fail(err, TARN_ENOMEM, "could not set up authentication: out of memory");
        tn_free(auth);
        return NULL;
    }
    auth->is_off = config->is_off;
    text_set(auth->region, region);
    tn_arena_init(&auth->accounts.arena, ACCOUNTS_LEN_MAX);
    const struct auth_account own = {
        .number = tn_str_from(config->account ? config->account : AUTH_ACCOUNT_NUMBER),
        .canonical_id = tn_str_from(config->id ? config->id : AUTH_ACCOUNT_ID),
        .name = tn_str_from(config->name ? config->name : AUTH_ACCOUNT_NAME),
        .email = tn_str_from(config->email),
    };
    if (auth_account_add(auth, &own, err) < 0) {
        auth_free(auth);
        return NULL;
    }
    return auth;
}

static void entry_free(struct entry *entry)
{
    if (!entry)
        return;
    tn_wipe(entry, sizeof *entry);
    tn_free(entry);
}

void auth_free(struct auth *auth)
{
    if (!auth)
        return;
    for (size_t i = 0; i < auth->table.count; i++)
        entry_free(auth->table.entries[i]);
    tn_free(auth->table.entries);
    tn_arena_release(&auth->accounts.arena);
    tn_wipe(auth->table.session_key, sizeof auth->table.session_key);
    (void)pthread_rwlock_destroy(&auth->table.lock);
    tn_free(auth);
}

/* Where `access_key` is or would have to be. The lock is held. */
static size_t table_find(const struct auth *auth, struct tn_str access_key, bool *is_there)
{
    size_t low = 0;
    size_t high = auth->table.count;
    *is_there = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = tn_str_cmp(tn_str_from(auth->table.entries[middle]->access_key), access_key);
        if (order == 0) {
            *is_there = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int table_reserve(struct auth *auth)
{
    if (auth->table.count == AUTH_KEY_COUNT_MAX)
        return TARN_ETOOBIG;
    if (auth->table.count < auth->table.cap)
        return TARN_OK;
    size_t cap = auth->table.cap ? 2 * auth->table.cap : 8;
    void *entries = tn_realloc(auth->table.entries, cap * sizeof *auth->table.entries);
    if (!entries)
        return TARN_ENOMEM;
    auth->table.entries = entries;
    auth->table.cap = cap;
    return TARN_OK;
}

/* Takes `made` over; the entry that it replaces, if any, comes back to be freed. */
static int table_put(struct auth *auth, struct entry *made, struct entry **replaced)
{
    bool is_there;
    size_t at = table_find(auth, tn_str_from(made->access_key), &is_there);
    if (is_there) {
        *replaced = auth->table.entries[at];
        auth->table.entries[at] = made;
        return TARN_OK;
    }
    int rc = table_reserve(auth);
    if (rc < 0)
        return rc;
    struct entry **slot = &auth->table.entries[at];
    memmove(slot + 1, slot, (auth->table.count - at) * sizeof *slot);
    *slot = made;
    auth->table.count++;
    return TARN_OK;
}

int auth_key_set(struct auth *auth, struct tn_str access_key, struct tn_str secret,
                 struct tarn_error *err)
{
    return auth_key_set_for(auth, access_key, secret, auth_account_at(auth, 0)->number,
                            TN_STR_EMPTY, err);
}

int auth_key_set_for(struct auth *auth, struct tn_str access_key, struct tn_str secret,
                     struct tn_str account, struct tn_str user_id, struct tarn_error *err)
{
    const struct auth_account *owner = auth_account_of_number(auth, account);
    if (!owner || user_id.len > AUTH_ID_LEN_MAX)
        return tn_fail(err, TARN_EINVAL, "could not set access key: there is no account \"%.*s\"",
                       TN_STR_ARG(account));
    if (!is_printable(access_key, 1, TN_SIGV4_ACCESS_KEY_LEN_MAX))
        return tn_fail(err, TARN_EINVAL,
                       "could not set access key: it is not 1 to %d printable characters",
                       TN_SIGV4_ACCESS_KEY_LEN_MAX);
    if (!is_printable(secret, AUTH_SECRET_LEN_MIN, AUTH_SECRET_LEN_MAX))
        return tn_fail(err, TARN_EINVAL,
                       "could not set access key \"%.*s\": its secret is not %d to %d printable "
                       "characters",
                       TN_STR_ARG(access_key), AUTH_SECRET_LEN_MIN, AUTH_SECRET_LEN_MAX);
    struct entry *made = tn_calloc(1, sizeof *made);
    if (!made)
        return tn_fail(err, TARN_ENOMEM, "could not set access key: out of memory");
    text_set(made->access_key, access_key);
    text_set(made->secret, secret);
    made->owner.account = owner;
    text_set(made->owner.user_id, user_id);

    struct entry *replaced = NULL;
    (void)pthread_rwlock_wrlock(&auth->table.lock);
    int rc = table_put(auth, made, &replaced);
    (void)pthread_rwlock_unlock(&auth->table.lock);
    entry_free(rc < 0 ? made : replaced);
    return rc < 0 ? tn_fail(err, rc, "could not set access key: %s", tarn_status_text(rc))
                  : TARN_OK;
}

int auth_key_remove(struct auth *auth, struct tn_str access_key)
{
    struct entry *gone = NULL;
    bool is_there;
    (void)pthread_rwlock_wrlock(&auth->table.lock);
    size_t at = table_find(auth, access_key, &is_there);
    if (is_there) {
        struct entry **slot = &auth->table.entries[at];
        gone = *slot;
        auth->table.count--;
        memmove(slot, slot + 1, (auth->table.count - at) * sizeof *slot);
    }
    (void)pthread_rwlock_unlock(&auth->table.lock);
    entry_free(gone);
    return is_there ? TARN_OK : TARN_ENOTFOUND;
}

int auth_key_get(struct auth *auth, struct tn_str access_key, char secret[AUTH_SECRET_LEN_MAX + 1],
                 struct auth_owner *owner)
{
    bool is_there;
    (void)pthread_rwlock_rdlock(&auth->table.lock);
    size_t at = table_find(auth, access_key, &is_there);
    if (is_there) {
        memcpy(secret, auth->table.entries[at]->secret, AUTH_SECRET_LEN_MAX + 1);
        *owner = auth->table.entries[at]->owner;
    }
    (void)pthread_rwlock_unlock(&auth->table.lock);
    return is_there ? TARN_OK : TARN_ENOTFOUND;
}

void auth_session_key_set(struct auth *auth, const unsigned char key[SESSION_KEY_LEN])
{
    (void)pthread_rwlock_wrlock(&auth->table.lock);
    memcpy(auth->table.session_key, key, SESSION_KEY_LEN);
    auth->table.has_session_key = true;
    (void)pthread_rwlock_unlock(&auth->table.lock);
}

bool auth_session_key_get(struct auth *auth, unsigned char key[SESSION_KEY_LEN])
{
    (void)pthread_rwlock_rdlock(&auth->table.lock);
    bool has_key = auth->table.has_session_key;
    if (has_key)
        memcpy(key, auth->table.session_key, SESSION_KEY_LEN);
    (void)pthread_rwlock_unlock(&auth->table.lock);
    return has_key;
}

size_t auth_key_count(struct auth *auth)
{
    (void)pthread_rwlock_rdlock(&auth->table.lock);
    size_t count = auth->table.count;
    (void)pthread_rwlock_unlock(&auth->table.lock);
    return count;
}

/* ---- Signing keys ---- */

/* Copies or derives the signing key of the claim: TARN_ENOTFOUND for an unknown access key.
 * `is_known` says that it came from the memory. */
static int signing_key_get(struct auth *auth, const struct tn_sigv4_claim *claim,
                           struct tn_sigv4_key *out, struct auth_owner *owner, bool *is_known)
{
    bool is_there;
    int rc = TARN_ENOTFOUND;
    *is_known = false;
    (void)pthread_rwlock_rdlock(&auth->table.lock);
    size_t at = table_find(auth, claim->access_key, &is_there);
    if (is_there) {
        const struct entry *entry = auth->table.entries[at];
        *owner = entry->owner;
        /* "20130524/us-east-1/s3": the scope without "/aws4_request" */
        struct tn_str scope = tn_str_sub(claim->scope, 0, claim->scope.len - 13);
        for (size_t i = 0; i < SIGNING_KEY_COUNT && !*is_known; i++) {
            if (tn_str_eq(tn_str_from(entry->signing_keys[i].scope), scope)) {
                *out = entry->signing_keys[i];
                *is_known = true;
            }
        }
        rc = *is_known ? TARN_OK
                       : tn_sigv4_key_get(out, tn_str_from(entry->secret), claim->date,
                                          claim->region, claim->service);
    }
    (void)pthread_rwlock_unlock(&auth->table.lock);
    return rc;
}

static bool entry_has(const struct entry *entry, const struct tn_sigv4_key *key)
{
    for (size_t i = 0; i < SIGNING_KEY_COUNT; i++) {
        if (strcmp(entry->signing_keys[i].scope, key->scope) == 0)
            return true;
    }
    return false;
}

/* The secret may have been replaced meanwhile: what is remembered must be derived from the present
 * one. */
static void signing_key_remember(struct auth *auth, const struct tn_sigv4_claim *claim)
{
    bool is_there;
    struct tn_sigv4_key key = { 0 };
    (void)pthread_rwlock_wrlock(&auth->table.lock);
    size_t at = table_find(auth, claim->access_key, &is_there);
    struct entry *entry = is_there ? auth->table.entries[at] : NULL;
    if (entry && tn_sigv4_key_get(&key, tn_str_from(entry->secret), claim->date, claim->region,
                                  claim->service) == TARN_OK) {
        if (!entry_has(entry, &key))
            entry->signing_keys[entry->next++ % SIGNING_KEY_COUNT] = key;
    }
    (void)pthread_rwlock_unlock(&auth->table.lock);
    tn_sigv4_key_wipe(&key);
}

/* ---- The check ---- */

static const enum tn_s3_code problem_codes[TN_SIGV4_PROBLEM_COUNT] = {
    [TN_SIGV4_FINE] = TN_S3_OK,
    [TN_SIGV4_NO_MEMORY] = TN_S3_INTERNAL_ERROR,
    [TN_SIGV4_MALFORMED_HEADER] = TN_S3_AUTHORIZATION_HEADER_MALFORMED,
    [TN_SIGV4_MALFORMED_QUERY] = TN_S3_AUTHORIZATION_QUERY_PARAMETERS_ERROR,
    [TN_SIGV4_OTHER_MECHANISM] = TN_S3_INVALID_REQUEST,
    [TN_SIGV4_TWO_MECHANISMS] = TN_S3_INVALID_ARGUMENT,
    [TN_SIGV4_NO_DATE] = TN_S3_ACCESS_DENIED,
    [TN_SIGV4_NO_CONTENT_SHA256] = TN_S3_INVALID_REQUEST,
    [TN_SIGV4_BAD_CONTENT_SHA256] = TN_S3_INVALID_ARGUMENT,
    [TN_SIGV4_UNSIGNED_HEADERS] = TN_S3_ACCESS_DENIED,
    [TN_SIGV4_SKEWED] = TN_S3_REQUEST_TIME_TOO_SKEWED,
    [TN_SIGV4_EXPIRED] = TN_S3_ACCESS_DENIED,
    [TN_SIGV4_NOT_YET] = TN_S3_ACCESS_DENIED,
    [TN_SIGV4_MISMATCH] = TN_S3_SIGNATURE_DOES_NOT_MATCH,
    [TN_SIGV4_MALFORMED_REQUEST] = TN_S3_INVALID_URI,
};

static enum tn_s3_code refuse(struct auth_result *out, enum tn_s3_code code, const char *message)
{
    (void)snprintf(out->message, sizeof out->message, "%s", message);
    return code;
}

static enum tn_s3_code refuse_problem(struct auth_result *out, enum tn_sigv4_problem problem)
{
    return refuse(out, problem_codes[problem], tn_sigv4_problem_text(problem));
}

/* Clients that do not know the region yet ask for it under the default one, and S3 lets them. */
static bool is_region_fine(const struct auth *auth, const struct tn_sigv4_claim *claim,
                           struct tn_str query)
{
    if (!auth->region[0] || tn_str_eq(claim->region, tn_str_from(auth->region)))
        return true;
    if (claim->is_asymmetric)
        return tn_sigv4a_has_region(claim->region, tn_str_from(auth->region));
    return tn_str_eq(claim->region, TN_STR("us-east-1")) &&
           (tn_str_eq(query, TN_STR("location")) || tn_str_eq(query, TN_STR("location=")));
}

/* Header and query have an error of their own for a scope of another region. */
static enum tn_s3_code refuse_region(const struct auth *auth, const struct tn_sigv4_claim *claim,
                                     struct auth_result *out)
{
    bool is_query = claim->kind == TN_SIGV4_PRESIGNED;
    (void)snprintf(out->message, sizeof out->message,
                   "%s; the region '%.*s' is wrong; expecting '%s'",
                   is_query ? "Error parsing the X-Amz-Credential parameter"
                            : "The authorization header is malformed",
                   TN_STR_ARG(claim->region), auth->region);
    memcpy(out->expected_region, auth->region, sizeof out->expected_region);
    return is_query ? TN_S3_AUTHORIZATION_QUERY_PARAMETERS_ERROR
                    : TN_S3_AUTHORIZATION_HEADER_MALFORMED;
}

static bool is_stream(enum tn_sigv4_payload payload)
{
    return payload != TN_SIGV4_PAYLOAD_HASH && payload != TN_SIGV4_PAYLOAD_UNSIGNED;
}

/* `auth: off`, or nobody asks: the signature means nothing, but the body's form still does. Chunk
 * signatures go unchecked, so the decoder gets no chain. */
static enum tn_s3_code check_nothing(const struct tn_sigv4_request *request,
                                     struct auth_result *out)
{
    out->payload = TN_SIGV4_PAYLOAD_UNSIGNED;
    for (size_t i = 0; i < request->header_count; i++) {
        const struct tn_header *header = &request->headers[i];
        if (!tn_str_eq_nocase(header->name, TN_STR("x-amz-content-sha256")))
            continue;
        if (tn_sigv4_payload_parse(header->value, &out->payload) < 0)
            return refuse_problem(out, TN_SIGV4_BAD_CONTENT_SHA256);
        if (out->payload == TN_SIGV4_PAYLOAD_HASH)
            text_set(out->payload_hash, header->value);
    }
    out->is_streaming = is_stream(out->payload);
    return TN_S3_OK;
}

static bool has_signed_chunks(const struct tn_sigv4_claim *claim)
{
    return claim->payload == TN_SIGV4_PAYLOAD_STREAM_SIGNED ||
           claim->payload == TN_SIGV4_PAYLOAD_STREAM_SIGNED_TRAILER;
}

/* Chunks are signed as the head is. */
static bool is_payload_fine(const struct tn_sigv4_claim *claim)
{
    bool is_asymmetric = tn_str_starts(claim->payload_hash, TN_STR("STREAMING-AWS4-ECDSA"));
    return !has_signed_chunks(claim) || is_asymmetric == claim->is_asymmetric;
}

static void accept_claim(const struct tn_sigv4_claim *claim, const struct tn_sigv4_key *key,
                         struct auth_result *out)
{
    out->kind = claim->kind;
    out->version = claim->is_asymmetric ? AUTH_V4A : AUTH_V4;
    out->payload = claim->payload;
    out->is_streaming = is_stream(claim->payload);
    out->signed_at = claim->time;
    text_set(out->region, claim->region);
    if (claim->payload == TN_SIGV4_PAYLOAD_HASH)
        text_set(out->payload_hash, claim->payload_hash);
    for (char *p = out->payload_hash; *p; p++)
        *p = tn_to_lower(*p);
    int rc = TARN_EINVAL;
    if (has_signed_chunks(claim))
        rc = claim->is_asymmetric ? tn_sigv4a_chain_init(&out->chain, key->bytes, claim->time,
                                                         claim->scope, claim->signature)
                                  : tn_sigv4_chain_init(&out->chain, key->bytes, claim->time,
                                                        claim->scope, claim->signature);
    out->has_chain = rc == TARN_OK;
}

void auth_result_own(struct auth_result *out, struct auth *auth, const struct auth_owner *owner)
{
    out->account = owner->account;
    memcpy(out->user_id, owner->user_id, sizeof out->user_id);
    if (out->session) {
        out->account = auth_account_of_number(auth, out->session->is.account);
        text_set(out->user_id, tn_str_sub(out->session->is.id, 0, AUTH_ID_LEN_MAX));
    }
    out->is_root = out->account && out->user_id[0] == '\0';
}

static enum tn_s3_code check_session(const struct auth_result *out, int64_t now)
{
    const struct session *s = &out->session->is;
    if (!tn_str_eq(s->access_key, tn_str_from(out->access_key)))
        return TN_S3_INVALID_TOKEN;
    return s->expires <= now ? TN_S3_EXPIRED_TOKEN : TN_S3_OK;
}

/* Opens the token that came with the request, if one came. */
enum tn_s3_code auth_session_take(struct auth *auth, struct tn_str token, int64_t now,
                                  struct auth_result *out)
{
    unsigned char key[SESSION_KEY_LEN];
    if (token.len == 0)
        return TN_S3_OK;
    struct auth_session *session = tn_calloc(1, sizeof *session);
    if (!session)
        return refuse_problem(out, TN_SIGV4_NO_MEMORY);
    tn_arena_init(&session->arena, 4 * SESSION_TOKEN_LEN_MAX);
    out->session = session;
    int rc = TARN_EDENIED;
    if (auth_session_key_get(auth, key))
        rc = session_open(key, token, &session->arena, &session->is);
    tn_wipe(key, sizeof key);
    if (rc == TARN_ENOMEM)
        return refuse_problem(out, TN_SIGV4_NO_MEMORY);
    enum tn_s3_code code = rc < 0 ? TN_S3_INVALID_TOKEN : check_session(out, now);
    return code ? refuse(out, code, tn_s3_error(code)->message) : TN_S3_OK;
}

/* Derived each time: few clients sign this way, and the verification costs far more. */
static int asymmetric_key_get(struct auth *auth, const struct tn_sigv4_claim *claim,
                              const struct auth_session *session, struct tn_sigv4_key *out,
                              struct auth_owner *owner)
{
    char secret[AUTH_SECRET_LEN_MAX + 1];
    if (session)
        return tn_sigv4a_derive(claim->access_key, session->is.secret, out->bytes);
    int rc = auth_key_get(auth, claim->access_key, secret, owner);
    if (rc == TARN_OK)
        rc = tn_sigv4a_derive(claim->access_key, tn_str_from(secret), out->bytes);
    tn_wipe(secret, sizeof secret);
    return rc;
}

static enum tn_s3_code check_signature(struct auth *auth, const struct auth_request *request,
                                       const struct tn_sigv4_claim *claim,
                                       struct tn_sigv4_scratch *scratch, struct auth_result *out)
{
    struct tn_sigv4_key key = { 0 };
    struct auth_owner owner = { 0 };
    bool is_known = true;
    int rc;
    if (claim->is_asymmetric)
        rc = asymmetric_key_get(auth, claim, out->session, &key, &owner);
    else if (out->session)
        rc = tn_sigv4_key_get(&key, out->session->is.secret, claim->date, claim->region,
                              claim->service);
    else
        rc = signing_key_get(auth, claim, &key, &owner, &is_known);
    if (rc == TARN_ENOTFOUND)
        return refuse(out, TN_S3_INVALID_ACCESS_KEY_ID,
                      tn_s3_error(TN_S3_INVALID_ACCESS_KEY_ID)->message);
    enum tn_sigv4_problem problem = rc < 0 ? TN_SIGV4_MISMATCH : TN_SIGV4_FINE;
    if (problem == TN_SIGV4_FINE)
        problem = tn_sigv4_verify(&request->http, claim, key.bytes, scratch);
    if (problem == TN_SIGV4_FINE) {
        accept_claim(claim, &key, out);
        auth_result_own(out, auth, &owner);
        if (!is_known)
            signing_key_remember(auth, claim);
    }
    tn_sigv4_key_wipe(&key);
    return problem ? refuse_problem(out, problem) : TN_S3_OK;
}

static enum tn_s3_code check_v4(struct auth *auth, const struct auth_request *request,
                                const struct tn_sigv4_claim *claim,
                                struct tn_sigv4_scratch *scratch, struct auth_result *out)
{
    text_set(out->access_key, claim->access_key);
    enum tn_s3_code code = auth_session_take(auth, claim->session_token, request->now, out);
    if (code)
        return code;
    if (!is_region_fine(auth, claim, request->http.query))
        return refuse_region(auth, claim, out);
    enum tn_sigv4_problem problem = tn_sigv4_check_time(claim, request->now);
    if (problem == TN_SIGV4_FINE && !is_payload_fine(claim))
        problem = TN_SIGV4_BAD_CONTENT_SHA256;
    if (problem)
        return refuse_problem(out, problem);
    return check_signature(auth, request, claim, scratch, out);
}

/* ---- Version 2 ---- */

static enum tn_s3_code refuse_v2(struct auth_result *out, enum tn_sigv2_problem problem)
{
    switch (problem) {
    case TN_SIGV2_NO_MEMORY:
        return refuse_problem(out, TN_SIGV4_NO_MEMORY);
    case TN_SIGV2_MALFORMED:
        return refuse(out, TN_S3_INVALID_ARGUMENT,
                      "AWS authorization header is invalid.  Expected AwsAccessKeyId:signature");
    case TN_SIGV2_NO_DATE:
        return refuse(out, TN_S3_ACCESS_DENIED,
                      "AWS authentication requires a valid Date or x-amz-date header");
    case TN_SIGV2_SKEWED:
        return refuse_problem(out, TN_SIGV4_SKEWED);
    case TN_SIGV2_EXPIRED:
        return refuse_problem(out, TN_SIGV4_EXPIRED);
    default:
        return refuse_problem(out, TN_SIGV4_MISMATCH);
    }
}

static enum tn_s3_code verify_v2(struct auth *auth, const struct auth_request *request,
                                 const struct tn_sigv2_claim *claim,
                                 struct tn_sigv4_scratch *scratch, struct auth_result *out)
{
    char secret[AUTH_SECRET_LEN_MAX + 1];
    struct auth_owner owner = { 0 };
    struct tn_str key;
    if (out->session)
        key = out->session->is.secret;
    else if (auth_key_get(auth, claim->access_key, secret, &owner) < 0)
        return refuse(out, TN_S3_INVALID_ACCESS_KEY_ID,
                      tn_s3_error(TN_S3_INVALID_ACCESS_KEY_ID)->message);
    else
        key = tn_str_from(secret);
    enum tn_sigv2_problem problem =
        tn_sigv2_verify(&request->http, request->virtual_bucket, claim, key, scratch);
    tn_wipe(secret, sizeof secret);
    if (problem)
        return refuse_v2(out, problem);
    out->version = AUTH_V2;
    out->kind = claim->is_query ? TN_SIGV4_PRESIGNED : TN_SIGV4_HEADER;
    out->signed_at = claim->is_query ? 0 : claim->time;
    auth_result_own(out, auth, &owner);
    return check_nothing(&request->http, out);
}

static enum tn_s3_code check_v2(struct auth *auth, const struct auth_request *request,
                                struct tn_sigv4_scratch *scratch, struct auth_result *out)
{
    struct tn_sigv2_claim claim;
    enum tn_sigv2_problem problem = tn_sigv2_parse(&request->http, scratch, &claim);
    if (problem)
        return refuse_v2(out, problem);
    text_set(out->access_key, claim.access_key);
    enum tn_s3_code code = auth_session_take(auth, claim.session_token, request->now, out);
    if (code)
        return code;
    problem = tn_sigv2_check_time(&claim, request->now);
    return problem ? refuse_v2(out, problem) : verify_v2(auth, request, &claim, scratch, out);
}

static enum tn_s3_code check(struct auth *auth, const struct auth_request *request,
                             struct tn_sigv4_scratch *scratch, struct auth_result *out)
{
    struct tn_sigv4_claim claim;
    if (request->http.body_hash.len == 0 && tn_sigv2_is(&request->http))
        return check_v2(auth, request, scratch, out);
    enum tn_sigv4_problem problem = tn_sigv4_parse(&request->http, scratch, &claim);
    if (problem)
        return refuse_problem(out, problem);
    if (claim.kind == TN_SIGV4_ANONYMOUS)
        return check_nothing(&request->http, out);
    return check_v4(auth, request, &claim, scratch, out);
}

enum tn_s3_code auth_check(struct auth *auth, const struct auth_request *request,
                           struct tn_sigv4_scratch *scratch, struct auth_result *out)
{
    memset(out, 0, sizeof *out);
    if (auth->is_off) {
        out->is_root = true;
        out->account = auth_account_at(auth, 0);
        return check_nothing(&request->http, out);
    }
    enum tn_s3_code code = check(auth, request, scratch, out);
    if (code) {
        auth_session_free(out->session);
        out->session = NULL;
    }
    return code;
}

bool auth_result_is_anonymous(const struct auth_result *result)
{
    return result->account == NULL;
}

void auth_result_wipe(struct auth_result *result)
{
    tn_sigv4_chain_wipe(&result->chain);
    auth_session_free(result->session);
    result->session = NULL;
}
