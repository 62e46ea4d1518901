/* SPDX-License-Identifier: Apache-2.0 */
/* What a change does to the rows of one key in a bucket that keeps versions. Pure decisions: rows
 * are looked up through a view, and what is to be written is a plan. The committer carries it out
 * on the heads, the applier on the index, and both come to the same rows.
 *
 * The rows of a key: the current version is in SPACE_OBJECT, unless it is a delete marker; all
 * others are in SPACE_VERSION, newest first; the null version among them has a second row in
 * SPACE_NULL. Versions are ordered by their number, whatever the order in which they come: a
 * rebuild may meet a record that vacuum has moved behind others. */

#ifndef SERVER_STORE_VERSIONS_H
#define SERVER_STORE_VERSIONS_H

#include "server/store/record.h"

enum { VERSION_STEPS_MAX = 8 };

/* How rows are found: TARN_ENOTFOUND when there is none; other failures end the decision. */
struct version_view {
    int (*get)(void *user, struct tn_str row, struct store_head *out);
    /* The newest row of the key in SPACE_VERSION with a number below `below`. */
    int (*newest)(void *user, struct tn_str object_key, uint64_t below, struct store_head *out);
    void *user;
};

struct version_row {
    enum index_space space;
    uint64_t version; /* SPACE_VERSION */
};

struct version_step {
    struct version_row row;
    bool is_delete;
    bool is_new; /* puts the version that comes in; else `head` */
    struct store_head head;
};

/* Steps in the order in which readers may see them: a version is in its new row before it leaves
 * its old one. */
struct version_plan {
    struct version_step steps[VERSION_STEPS_MAX];
    size_t count;
    bool is_obsolete; /* the version that comes in is already replaced: nothing to do */
    bool has_dropped; /* this version is gone, with its bytes */
    struct store_head dropped;
};

void version_row_key(const struct version_row *row, struct tn_str object_key,
                     struct index_key *out);

/* The version that `head` is. */
struct store_version version_of(const struct store_head *head);

/* TARN_ENOTFOUND. STORE_CURRENT finds a delete marker, too. */
TN_MUST_USE int versions_find(const struct version_view *view, struct tn_str object_key,
                              const struct store_version *which, struct version_row *row,
                              struct store_head *out);

/* `head` comes in (its place need not be known yet): a new version, or new metadata for one. With
 * `is_newest`, no other version can have a higher number. */
TN_MUST_USE int versions_insert(const struct version_view *view, struct tn_str object_key,
                                const struct store_head *head, bool is_newest,
                                struct version_plan *plan);

/* One version goes; the null version only if its number is below `before`. TARN_ENOTFOUND. */
TN_MUST_USE int versions_remove(const struct version_view *view, struct tn_str object_key,
                                const struct store_version *which, uint64_t before,
                                struct version_plan *plan);

/* The same state of a version at another place: its record has moved. TARN_ENOTFOUND when `seq` is
 * not its state; TARN_ENOTMODIFIED when there is a newer one. */
TN_MUST_USE int versions_move(const struct version_view *view, struct tn_str object_key,
                              const struct store_version *which, uint64_t seq,
                              struct version_plan *plan, struct store_head *before);

#endif
