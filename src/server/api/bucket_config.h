/* SPDX-License-Identifier: Apache-2.0 */
/* What a bucket is set to: named sections, kept as the bucket's metadata in the store, parsed once
 * and cached.
 *
 * A snapshot (struct bucket_config) is counted and never changes; whoever holds one sees the bucket
 * as it was. A change that was reported done is in every snapshot taken afterwards. Changes of one
 * bucket name (its creation and deletion too) happen one after the other, each on what the one
 * before left, so that racing changes of different sections both land and nothing set for a deleted
 * bucket reaches the next one of its name. All calls are thread-safe and never wait. */

#ifndef SERVER_API_BUCKET_CONFIG_H
#define SERVER_API_BUCKET_CONFIG_H

#include "server/store/store.h"

/* Part of the stored form: new ones go before BUCKET_SECTION_COUNT, none ever changes its place. */
enum bucket_section {
    BUCKET_LOCATION,      /* its region; empty: the server's */
    BUCKET_OWNER,         /* canonical id; empty: root's */
    BUCKET_VERSIONING,    /* "Enabled" or "Suspended" */
    BUCKET_POLICY,        /* the JSON as it was sent */
    BUCKET_ACL,           /* acl.h */
    BUCKET_PUBLIC_ACCESS, /* XML from here on, but for the last: the answer to the GET */
    BUCKET_OWNERSHIP,
    BUCKET_TAGGING,
    BUCKET_LIFECYCLE,
    BUCKET_CORS,
    BUCKET_ENCRYPTION,
    BUCKET_OBJECT_LOCK,
    BUCKET_LOGGING,
    BUCKET_NOTIFICATION,
    BUCKET_WEBSITE,
    BUCKET_QUOTA,
    BUCKET_REQUEST_PAYMENT,
    BUCKET_ACCELERATE,
    BUCKET_OWNER_NAME, /* display name; empty: root's */
    BUCKET_SECTION_COUNT
};

enum {
    BUCKET_CONFIG_LEN_MAX = STORE_META_LEN_MAX, /* all sections together */
    BUCKET_CACHE_COUNT_MAX = 4096,              /* snapshots that the cache itself holds on to */
};

struct bucket_config;
struct bucket_configs;

/* How the text of a section becomes what requests use. `form` lives in the arena, as long as the
 * snapshot does. TARN_EINVAL or the like leaves the section without a form. */
struct bucket_form {
    enum bucket_section section;
    int (*parse)(struct tn_arena *arena, struct tn_str text, const void **form);
};

/* NULL when out of memory. `store` and the table of forms must outlive it. */
struct bucket_configs *bucket_configs_new(struct store *store, const struct bucket_form *forms,
                                          size_t form_count);
void bucket_configs_free(
    struct bucket_configs *configs); /* accepts NULL; nothing may be under way */

/* The bucket as it is now; give it back with bucket_config_unref(). TARN_ENOBUCKET, TARN_ENOMEM,
 * TARN_ECORRUPT. One hash lookup when it has been asked for before. */
TN_MUST_USE int bucket_configs_get(struct bucket_configs *configs, struct tn_str name,
                                   struct bucket_config **out);
struct bucket_config *bucket_config_ref(struct bucket_config *config);
void bucket_config_unref(struct bucket_config *config); /* accepts NULL */

/* The text of a section, empty when it is not set, and what its bucket_form made of it: NULL when
 * not set, of no form, or not understood (a policy of a later version must deny, not allow). */
struct tn_str bucket_config_get(const struct bucket_config *config, enum bucket_section section);
const void *bucket_config_form(const struct bucket_config *config, enum bucket_section section);
struct tn_str bucket_config_name(const struct bucket_config *config);
int64_t bucket_config_created_ms(const struct bucket_config *config);

/* One change. Zero-initialise; the caller owns it and all it points to until `done`. */
struct bucket_change {
    enum store_op op; /* STORE_BUCKET_CREATE, STORE_BUCKET_DELETE or STORE_BUCKET_CONFIG */
    struct tn_str name;

    /* Judges and edits: `sections` is what the bucket has now (nothing for a creation, whose `now`
     * is NULL), to be replaced text by text (empty removes); texts must live until `done`. A
     * negative status refuses the change and becomes `status`. Not called for deletions. On any
     * thread; must not wait. */
    int (*edit)(struct bucket_change *change, const struct bucket_config *now,
                struct tn_str sections[BUCKET_SECTION_COUNT]);

    /* Exactly once, on any thread, perhaps inside bucket_change_commit(); must not wait. */
    void (*done)(struct bucket_change *change);
    void *user;

    int status; /* TARN_OK; TARN_ENOBUCKET, TARN_EEXISTS, TARN_ENOTEMPTY, TARN_ETOOBIG (more than
                 * BUCKET_CONFIG_LEN_MAX), ... */

    /* The cache's own. */
    struct bucket_configs *configs;
    struct store_txn txn;
    struct tn_buf meta;
    enum store_versioning versioning; /* as the section says */
    struct bucket_change *next; /* among those under way */
};

void bucket_change_commit(struct bucket_configs *configs, struct bucket_change *change);

/* Appends the stored form. `out` is unchanged on failure: TARN_ETOOBIG, TARN_ENOMEM. */
TN_MUST_USE int bucket_sections_encode(const struct tn_str sections[BUCKET_SECTION_COUNT],
                                       struct tn_buf *out);

/* Views of `meta`. TARN_ECORRUPT leaves `sections` alone. */
TN_MUST_USE int bucket_sections_decode(struct tn_str meta,
                                       struct tn_str sections[BUCKET_SECTION_COUNT]);

#endif
