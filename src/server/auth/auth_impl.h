/* SPDX-License-Identifier: Apache-2.0 */
/* How the tables of accounts and keys look in memory: shared by the files of this folder only. */

#ifndef SERVER_AUTH_AUTH_IMPL_H
#define SERVER_AUTH_AUTH_IMPL_H

#include <pthread.h>

#include "base/arena.h"
#include "base/fail.h"
#include "server/auth/auth.h"

enum { SIGNING_KEY_COUNT = 4 }; /* around midnight, with a second region in use */

struct entry {
    char access_key[TN_SIGV4_ACCESS_KEY_LEN_MAX + 1];
    char secret[AUTH_SECRET_LEN_MAX + 1];
    struct auth_owner owner;
    struct tn_sigv4_key signing_keys[SIGNING_KEY_COUNT];
    unsigned next; /* the one to replace */
};

struct auth {
    bool is_off;
    char region[TN_SIGV4_REGION_LEN_MAX + 1]; /* empty: any */
    struct {
        struct tn_arena arena;
        const struct auth_account *items[AUTH_ACCOUNT_COUNT_MAX];
        size_t count;
    } accounts;
    struct {
        pthread_rwlock_t lock;  /* held for writing also to remember a signing key */
        struct entry **entries; /* by access key, ascending */
        size_t count;
        size_t cap;
        bool has_session_key;
        unsigned char session_key[SESSION_KEY_LEN];
    } table;
};

/* Opens the token that came with a request, if one came, for out->access_key. */
TN_MUST_USE enum tn_s3_code auth_session_take(struct auth *auth, struct tn_str token, int64_t now,
                                              struct auth_result *out);

#endif
