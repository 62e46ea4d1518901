/* SPDX-License-Identifier: Apache-2.0 */
/* Session tokens: temporary credentials that carry all that the server must know of them, encrypted
 * and authenticated with a key of its own. Nothing is kept; what a token says ends with it. */

#ifndef SERVER_AUTH_SESSION_H
#define SERVER_AUTH_SESSION_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/fail.h"

enum {
    SESSION_KEY_LEN = 32,
    SESSION_TOKEN_LEN_MAX = 32 * 1024, /* with a policy of 20 KiB */
    SESSION_NAME_LEN_MAX = 64,
};

/* Views. */
struct session {
    struct tn_str access_key;
    struct tn_str secret;
    struct tn_str account; /* number */
    struct tn_str id;      /* of the user or role; empty: the account's root */
    struct tn_str name;    /* of the session; empty for GetSessionToken */
    struct tn_str subject; /* of a web identity */
    struct tn_str issuer;
    struct tn_str policy; /* JSON; empty: none */
    int64_t expires;      /* seconds since 1970 */
};

/* Appends the token. TARN_ETOOBIG, TARN_ENOMEM; `out` is unchanged then. */
TN_MUST_USE int session_seal(const unsigned char key[SESSION_KEY_LEN],
                             const struct session *session, struct tn_buf *out);

/* The opposite; texts are the arena's. TARN_EDENIED for what this key did not seal; expiry is for
 * the caller. `out` is unchanged on failure. */
TN_MUST_USE int session_open(const unsigned char key[SESSION_KEY_LEN], struct tn_str token,
                             struct tn_arena *arena, struct session *out);

/* One that stays with a request. */
struct auth_session {
    struct tn_arena arena;
    struct session is;
};

void auth_session_free(struct auth_session *session); /* accepts NULL; wipes */

#endif
