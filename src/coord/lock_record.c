/* SPDX-License-Identifier: Apache-2.0 */
/* The record of a lock, as JSON. */

#include "coord/lock_record.h"

#include <jansson.h>
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "coord/outcome.h"

enum { RECORD_VERSION = 1, UUID_LEN = 36 };

static json_t *time_json(int64_t unix_ms)
{
    char text[TN_TIME_LEN];
    tn_time_iso8601(unix_ms < 0 ? 0 : unix_ms, text);
    return json_string(text);
}

void tn_lock_given_back_add(const char *list, const char *nonce, char out[TN_LOCK_GIVEN_BACK_LEN])
{
    enum { KEPT_LEN = TN_LOCK_GIVEN_BACK_LEN - (TN_LOCK_MARK_LEN + 1) - 1 };
    (void)snprintf(out, TN_LOCK_GIVEN_BACK_LEN, "%.*s%s%.*s", TN_LOCK_MARK_LEN, nonce,
                   list[0] ? " " : "", KEPT_LEN, list);
}

bool tn_lock_given_back_has(const char *list, const char *nonce)
{
    char mark[TN_LOCK_MARK_LEN + 1];
    (void)snprintf(mark, sizeof mark, "%s", nonce);
    return mark[0] && strstr(list, mark);
}

int tn_lock_record_write(const struct tarn_lock_info *info, const char *given_back,
                         struct tn_buf *out)
{
    /* Texts that are no UTF-8 would make the whole record fail. */
    bool has_owner = tn_str_is_utf8(tn_str_from(info->owner));
    bool has_host = tn_str_is_utf8(tn_str_from(info->host));
    json_t *root =
        json_pack("{s:i, s:s, s:{s:s, s:I, s:s, s:s}, s:I, s:I, s:I, s:o, s:o, s:s}", "v",
                  RECORD_VERSION, "state", info->state == TARN_LOCK_HELD ? "held" : "released",
                  "owner", "host", has_host ? info->host : "", "pid", (json_int_t)info->pid,
                  "nonce", info->nonce, "text", has_owner ? info->owner : "", "token",
                  (json_int_t)info->token, "seq", (json_int_t)info->seq, "ttl_ms",
                  (json_int_t)info->ttl_ms, "acquired_at", time_json(info->acquired_at_ms),
                  "renewed_at", time_json(info->renewed_at_ms), "given_back", given_back);
    char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    int rc = text ? tn_buf_append_text(out, text) : TARN_ENOMEM;
    json_decref(root);
    if (text) { /* jansson's allocator, which is not ours */
        json_malloc_t get;
        json_free_t give;
        json_get_alloc_funcs(&get, &give);
        give(text);
    }
    return rc;
}

static bool read_text(const json_t *object, const char *name, char *out, size_t cap)
{
    const char *text = json_string_value(json_object_get(object, name));
    if (!text)
        return false;
    tn_text_copy(out, cap, text);
    return true;
}

/* The greatest is no number of ours either: none could follow it. */
static bool read_number(const json_t *object, const char *name, int64_t least, int64_t *out)
{
    const json_t *value = json_object_get(object, name);
    if (!json_is_integer(value) || json_integer_value(value) < least ||
        json_integer_value(value) == INT64_MAX)
        return false;
    *out = json_integer_value(value);
    return true;
}

/* Anything but a list of ours counts as none. */
static void read_given_back(const json_t *root, char out[TN_LOCK_GIVEN_BACK_LEN])
{
    const char *text = json_string_value(json_object_get(root, "given_back"));
    out[0] = '\0';
    if (text && text[strspn(text, "0123456789abcdef ")] == '\0')
        tn_text_copy(out, TN_LOCK_GIVEN_BACK_LEN, text);
}

static int64_t read_time(const json_t *object, const char *name)
{
    int64_t ms = -1;
    const char *text = json_string_value(json_object_get(object, name));
    if (text && tn_time_parse_iso8601(tn_str_from(text), &ms) < 0)
        return -1;
    return ms;
}

static bool read_state(const json_t *root, enum tarn_lock_state *out)
{
    const char *state = json_string_value(json_object_get(root, "state"));
    if (!state)
        return false;
    if (strcmp(state, "held") == 0)
        *out = TARN_LOCK_HELD;
    else if (strcmp(state, "released") == 0)
        *out = TARN_LOCK_RELEASED;
    else
        return false;
    return true;
}

/* False for anything that this version did not write. */
static bool read_root(const json_t *root, struct tarn_lock_info *out)
{
    struct tarn_lock_info info = *out;
    int64_t version, token, seq;
    const json_t *owner = json_object_get(root, "owner");
    if (!read_number(root, "v", RECORD_VERSION, &version) || version != RECORD_VERSION ||
        !read_state(root, &info.state) || !read_number(root, "token", 0, &token) ||
        !read_number(root, "seq", 0, &seq) || !read_number(root, "ttl_ms", 0, &info.ttl_ms) ||
        !read_text(owner, "nonce", info.nonce, sizeof info.nonce))
        return false;
    (void)read_text(owner, "host", info.host, sizeof info.host);
    (void)read_text(owner, "text", info.owner, sizeof info.owner);
    (void)read_number(owner, "pid", 0, &info.pid);
    info.token = (uint64_t)token;
    info.seq = (uint64_t)seq;
    info.acquired_at_ms = read_time(root, "acquired_at");
    info.renewed_at_ms = read_time(root, "renewed_at");
    /* Nobody else's number may make a lock look stale at once, or never. */
    if (info.ttl_ms < TARN_LOCK_TTL_MIN_MS)
        info.ttl_ms = TARN_LOCK_TTL_MIN_MS;
    if (info.ttl_ms > TARN_LOCK_TTL_MAX_MS)
        info.ttl_ms = TARN_LOCK_TTL_MAX_MS;
    *out = info;
    return true;
}

static bool looks_like_uuid(const char *bytes, size_t len)
{
    if (len != UUID_LEN)
        return false;
    for (size_t i = 0; i < len; i++) {
        bool wants_dash = i == 8 || i == 13 || i == 18 || i == 23;
        char c = tn_to_lower(bytes[i]);
        bool is_hex = tn_is_digit(c) || (c >= 'a' && c <= 'f');
        if (wants_dash ? c != '-' : !is_hex)
            return false;
    }
    return true;
}

static void read_answer(const struct tarn_object_info *answer, struct tn_lock_record *out)
{
    int64_t date = tn_http_date_ms(tn_info_header(answer, "date"));
    const char *etag = answer->etag;
    tn_text_copy(out->info.etag, sizeof out->info.etag, etag);
    if (date >= 0 && answer->last_modified_ms >= 0)
        out->info.age_ms = date - answer->last_modified_ms;
    out->expires_ms = tn_http_date_ms(answer->expires);
    if (out->expires_ms >= 0 && answer->last_modified_ms >= 0)
        out->uuid_ttl_ms = out->expires_ms - answer->last_modified_ms;
}

int tn_lock_record_read(const char *bytes, size_t len, const struct tarn_object_info *answer,
                        struct tn_lock_record *out)
{
    struct tn_lock_record record = { .info = { .state = TARN_LOCK_FOREIGN,
                                               .acquired_at_ms = -1,
                                               .renewed_at_ms = -1,
                                               .age_ms = -1 } };
    read_answer(answer, &record);
    json_error_t problem;
    json_t *root = json_loadb(bytes, len, JSON_REJECT_DUPLICATES, &problem);
    if (!root && json_error_code(&problem) == json_error_out_of_memory)
        return TARN_ENOMEM;
    if (!root || !read_root(root, &record.info))
        record.is_uuid = looks_like_uuid(bytes, len) && record.expires_ms >= 0;
    else
        read_given_back(root, record.given_back);
    json_decref(root);
    *out = record;
    return TARN_OK;
}
