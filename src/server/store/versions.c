/* SPDX-License-Identifier: Apache-2.0 */
/* What a change does to the rows of one key in a bucket that keeps versions. */

#include "server/store/versions.h"

#include <assert.h>

void version_row_key(const struct version_row *row, struct tn_str object_key, struct index_key *out)
{
    if (row->space == SPACE_VERSION)
        index_key_version(out, object_key, row->version);
    else
        index_key_in_space(out, object_key, row->space);
}

struct store_version version_of(const struct store_head *head)
{
    if (head->flags & STORE_IS_VERSIONED)
        return (struct store_version){ STORE_VERSION_ID, head->version };
    return (struct store_version){ .kind = STORE_NULL_VERSION };
}

static bool is_null(const struct store_head *head)
{
    return !(head->flags & STORE_IS_VERSIONED);
}

static int get(const struct version_view *view, struct tn_str object_key, enum index_space space,
               uint64_t version, struct store_head *out)
{
    struct index_key key;
    version_row_key(&(struct version_row){ space, version }, object_key, &key);
    return view->get(view->user, index_key_str(&key), out);
}

static bool is_meant(const struct store_head *head, const struct store_version *which)
{
    if (which->kind == STORE_NULL_VERSION)
        return is_null(head);
    return which->kind == STORE_CURRENT || (!is_null(head) && head->version == which->id);
}

int versions_find(const struct version_view *view, struct tn_str object_key,
                  const struct store_version *which, struct version_row *row,
                  struct store_head *out)
{
    struct store_head head;
    int rc = get(view, object_key, SPACE_OBJECT, 0, &head);
    if (rc == TARN_OK && is_meant(&head, which)) {
        *row = (struct version_row){ .space = SPACE_OBJECT };
        *out = head;
        return TARN_OK;
    }
    if (rc < 0 && rc != TARN_ENOTFOUND)
        return rc;
    if (which->kind == STORE_CURRENT)
        rc = view->newest(view->user, object_key, UINT64_MAX, &head);
    else if (which->kind == STORE_NULL_VERSION)
        rc = get(view, object_key, SPACE_NULL, 0, &head);
    else
        rc = get(view, object_key, SPACE_VERSION, which->id, &head);
    if (rc == TARN_OK && !is_meant(&head, which))
        rc = TARN_ENOTFOUND; /* the null version's number is no version id */
    if (rc < 0)
        return rc;
    *row = (struct version_row){ SPACE_VERSION, head.version };
    *out = head;
    return TARN_OK;
}

/* --- Steps --- */

static struct version_step *add_step(struct version_plan *p, enum index_space space,
                                     uint64_t version)
{
    assert(p->count < VERSION_STEPS_MAX);
    struct version_step *step = &p->steps[p->count++];
    *step = (struct version_step){ .row = { space, version } };
    return step;
}

static void put_head(struct version_plan *p, enum index_space space, const struct store_head *head,
                     bool is_new)
{
    struct version_step *step = add_step(p, space, space == SPACE_VERSION ? head->version : 0);
    step->head = *head;
    step->is_new = is_new;
}

/* Among those that are not current. */
static void put_aside(struct version_plan *p, const struct store_head *head, bool is_new)
{
    put_head(p, SPACE_VERSION, head, is_new);
    if (is_null(head))
        put_head(p, SPACE_NULL, head, is_new);
}

static void delete_aside(struct version_plan *p, const struct store_head *head)
{
    add_step(p, SPACE_VERSION, head->version)->is_delete = true;
    if (is_null(head))
        add_step(p, SPACE_NULL, 0)->is_delete = true;
}

static void drop(struct version_plan *p, const struct store_head *head)
{
    p->has_dropped = true;
    p->dropped = *head;
}

/* The newest of the others becomes current, if it is no marker. False: none does. */
static int promote(const struct version_view *view, struct tn_str object_key, uint64_t below,
                   struct version_plan *p, bool *is_done)
{
    struct store_head next;
    int rc = view->newest(view->user, object_key, below, &next);
    *is_done = rc == TARN_OK && !(next.flags & STORE_IS_MARKER);
    if (*is_done) {
        put_head(p, SPACE_OBJECT, &next, false);
        delete_aside(p, &next);
    }
    return rc == TARN_ENOTFOUND ? TARN_OK : rc;
}

/* --- The decisions --- */

/* `head` becomes the latest; `current` (NULL: none) steps aside, unless it is what `head` replaces.
 */
static void put_latest(struct version_plan *p, const struct store_head *head,
                       const struct store_head *current, bool is_replaced)
{
    if (current && !is_replaced)
        put_aside(p, current, false);
    if (!(head->flags & STORE_IS_MARKER)) {
        put_head(p, SPACE_OBJECT, head, true);
        return;
    }
    put_aside(p, head, true);
    if (current)
        add_step(p, SPACE_OBJECT, 0)->is_delete = true;
}

/* New metadata, in the row where the version is. */
static void put_again(struct version_plan *p, const struct version_row *row,
                      const struct store_head *head)
{
    if (row->space == SPACE_OBJECT)
        put_head(p, SPACE_OBJECT, head, true);
    else
        put_aside(p, head, true);
}

int versions_insert(const struct version_view *view, struct tn_str object_key,
                    const struct store_head *head, bool is_newest, struct version_plan *plan)
{
    struct store_version which = version_of(head);
    struct version_row row = { .space = SPACE_OBJECT };
    struct store_head old;
    struct store_head current;
    struct store_head top = { .version = 0 };
    struct version_plan p = { .count = 0 };
    int rc = TARN_ENOTFOUND;
    if (!is_newest || is_null(head))
        rc = versions_find(view, object_key, &which, &row, &old);
    if (rc < 0 && rc != TARN_ENOTFOUND)
        return rc;
    bool has_old = rc == TARN_OK;
    if (has_old &&
        (old.version > head->version || (old.version == head->version && old.seq >= head->seq))) {
        *plan = (struct version_plan){ .is_obsolete = true };
        return TARN_OK;
    }
    if (has_old)
        drop(&p, &old);
    if (has_old && old.version == head->version) {
        put_again(&p, &row, head);
        *plan = p;
        return TARN_OK;
    }
    bool is_replaced = has_old && row.space == SPACE_OBJECT;
    if (has_old && !is_replaced)
        delete_aside(&p, &old);

    rc = get(view, object_key, SPACE_OBJECT, 0, &current);
    if (rc < 0 && rc != TARN_ENOTFOUND)
        return rc;
    bool has_current = rc == TARN_OK;
    if (has_current)
        top = current;
    else if (!is_newest)
        rc = view->newest(view->user, object_key, UINT64_MAX, &top);
    if (rc < 0 && rc != TARN_ENOTFOUND)
        return rc;
    if (is_newest || is_replaced || head->version > top.version)
        put_latest(&p, head, has_current ? &current : NULL, is_replaced);
    else
        put_aside(&p, head, true);
    *plan = p;
    return TARN_OK;
}

int versions_remove(const struct version_view *view, struct tn_str object_key,
                    const struct store_version *which, uint64_t before, struct version_plan *plan)
{
    struct version_row row;
    struct store_head old;
    struct store_head other;
    struct version_plan p = { .count = 0 };
    bool is_done = false;
    int rc = versions_find(view, object_key, which, &row, &old);
    if (rc == TARN_OK && which->kind == STORE_NULL_VERSION && old.version >= before)
        rc = TARN_ENOTFOUND;
    if (rc < 0)
        return rc;
    drop(&p, &old);
    if (row.space == SPACE_OBJECT) {
        rc = promote(view, object_key, UINT64_MAX, &p, &is_done);
        if (!is_done)
            add_step(&p, SPACE_OBJECT, 0)->is_delete = true;
    } else {
        delete_aside(&p, &old);
        rc = get(view, object_key, SPACE_OBJECT, 0, &other);
        if (rc == TARN_ENOTFOUND) {
            rc = view->newest(view->user, object_key, UINT64_MAX, &other);
            bool was_latest = rc == TARN_OK && other.version == old.version;
            rc = was_latest ? promote(view, object_key, old.version, &p, &is_done) : rc;
        }
    }
    if (rc < 0 && rc != TARN_ENOTFOUND)
        return rc;
    *plan = p;
    return TARN_OK;
}

int versions_move(const struct version_view *view, struct tn_str object_key,
                  const struct store_version *which, uint64_t seq, struct version_plan *plan,
                  struct store_head *before)
{
    struct version_row row;
    struct store_head now;
    int rc = versions_find(view, object_key, which, &row, &now);
    if (rc < 0)
        return rc;
    if (now.seq != seq)
        return now.seq > seq ? TARN_ENOTMODIFIED : TARN_ENOTFOUND;
    *plan = (struct version_plan){ .count = 0 };
    put_again(plan, &row, &now);
    *before = now;
    return TARN_OK;
}
