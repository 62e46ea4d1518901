/* SPDX-License-Identifier: Apache-2.0 */
/* The table of accounts: filled before there are threads, then only read. */

#include "base/codec.h"
#include "base/hash.h"
#include "server/auth/auth_impl.h"

static bool is_name(struct tn_str s, size_t len_max)
{
    for (size_t i = 0; i < s.len; i++) {
        if ((unsigned char)s.data[i] < ' ' || s.data[i] == 0x7f)
            return false;
    }
    return s.len <= len_max && tn_str_is_utf8(s);
}

static bool is_number(struct tn_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!tn_is_digit(s.data[i]) && !tn_is_alpha(s.data[i]))
            return false;
    }
    return s.len >= 1 && s.len <= AUTH_NUMBER_LEN_MAX;
}

static struct tn_str derive_id(struct tn_str number, char out[2 * TN_SHA256_LEN + 1])
{
    unsigned char digest[TN_SHA256_LEN];
    static const char salt[] = "tarn account";
    tn_hmac_sha256(salt, sizeof salt - 1, number.data, number.len, digest);
    tn_hex_encode(digest, sizeof digest, out);
    return (struct tn_str){ out, 2 * TN_SHA256_LEN };
}

static int copy(struct tn_arena *arena, const struct auth_account *from, struct auth_account *out)
{
    if (tn_arena_str(arena, from->number, &out->number) < 0 ||
        tn_arena_str(arena, from->canonical_id, &out->canonical_id) < 0 ||
        tn_arena_str(arena, from->name, &out->name) < 0 ||
        tn_arena_str(arena, from->email, &out->email) < 0)
        return TARN_ENOMEM;
    return TARN_OK;
}

int auth_account_add(struct auth *auth, const struct auth_account *account, struct tarn_error *err)
{
    char derived[2 * TN_SHA256_LEN + 1];
    struct auth_account made = *account;
    if (!is_number(made.number) || !is_name(made.canonical_id, 256) || !is_name(made.name, 256) ||
        !is_name(made.email, 256))
        return tn_fail(err, TARN_EINVAL, "could not add account \"%.*s\": bad number or text",
                       TN_STR_ARG(made.number));
    if (made.canonical_id.len == 0)
        made.canonical_id = derive_id(made.number, derived);
    if (made.name.len == 0)
        made.name = made.number;
    if (auth_account_of_number(auth, made.number) || auth_account_of_id(auth, made.canonical_id))
        return tn_fail(err, TARN_EEXISTS, "could not add account \"%.*s\": it is there already",
                       TN_STR_ARG(made.number));
    if (auth->accounts.count == AUTH_ACCOUNT_COUNT_MAX)
        return tn_fail(err, TARN_ETOOBIG, "could not add account \"%.*s\": too many",
                       TN_STR_ARG(made.number));

    struct auth_account *slot = tn_arena_alloc(&auth->accounts.arena, sizeof *slot);
    int rc = slot ? copy(&auth->accounts.arena, &made, slot) : TARN_ENOMEM;
    if (rc < 0)
        return tn_fail(err, rc, "could not add an account: out of memory");
    auth->accounts.items[auth->accounts.count++] = slot;
    return TARN_OK;
}

size_t auth_account_count(const struct auth *auth)
{
    return auth->accounts.count;
}

const struct auth_account *auth_account_at(const struct auth *auth, size_t i)
{
    return i < auth->accounts.count ? auth->accounts.items[i] : NULL;
}

const struct auth_account *auth_account_of_number(const struct auth *auth, struct tn_str number)
{
    for (size_t i = 0; i < auth->accounts.count; i++) {
        if (tn_str_eq(auth->accounts.items[i]->number, number))
            return auth->accounts.items[i];
    }
    return NULL;
}

const struct auth_account *auth_account_of_id(const struct auth *auth, struct tn_str canonical_id)
{
    for (size_t i = 0; i < auth->accounts.count; i++) {
        if (tn_str_eq(auth->accounts.items[i]->canonical_id, canonical_id))
            return auth->accounts.items[i];
    }
    return NULL;
}

const struct auth_account *auth_account_of_email(const struct auth *auth, struct tn_str email)
{
    for (size_t i = 0; email.len && i < auth->accounts.count; i++) {
        if (tn_str_eq_nocase(auth->accounts.items[i]->email, email))
            return auth->accounts.items[i];
    }
    return NULL;
}
