/* SPDX-License-Identifier: Apache-2.0 */
/* Listings: range scans over the index, within one snapshot that holds all that was committed
 * before. */

#include "base/codec.h"
#include "server/store/engine.h"

enum { UPLOAD_SUFFIX_LEN = 1 + UPLOAD_ID_RAW_LEN };

/* One listing under way. */
struct listing {
    struct log_store *store;
    struct index_reader *reader;
    const struct store_list *query;
    struct pin pin;
    struct index_key from;
    struct index_key to;
    struct tn_buf common; /* the last common prefix that was emitted */
    size_t count;
    bool is_after;
};

static int listing_begin(struct listing *l, struct store *base, const struct store_list *query,
                         enum index_space space, struct tarn_error *err)
{
    struct log_store *s = engine(base);
    *l = (struct listing){ .store = s, .query = query, .common = TN_BUF_INIT(INDEX_KEY_MAX) };
    uint32_t number = buckets_number(s->buckets, query->bucket);
    if (!number)
        return tn_fail(err, TARN_ENOBUCKET, "could not list: no such bucket");
    if (query->prefix.len > 1024 || query->after.len > 1024 || query->delimiter.len > 1024)
        return tn_fail(err, TARN_EINVAL, "could not list: prefix or marker too long");
    index_key_make(&l->from, number, space, query->prefix);
    index_prefix_end(index_key_str(&l->from), &l->to);
    if (tn_str_cmp(query->after, query->prefix) >= 0 && query->after.len) {
        index_key_make(&l->from, number, space, query->after);
        l->is_after = true;
    }
    int rc = apply_wait(s, err);
    if (rc == TARN_OK)
        rc = index_reader_take(s->index, &l->reader, err);
    if (rc < 0)
        return rc;
    rc = index_scan_begin(l->reader, err);
    if (rc < 0)
        index_reader_give(s->index, l->reader);
    return rc;
}

static void listing_end(struct listing *l)
{
    index_scan_end(l->reader);
    index_reader_give(l->store->index, l->reader);
    tn_buf_release(&l->common);
}

/* The key up to and with the first delimiter behind the prefix; empty when there is none. */
static struct tn_str common_prefix(const struct store_list *q, struct tn_str key)
{
    if (q->delimiter.len == 0)
        return TN_STR_EMPTY;
    struct tn_str rest = tn_str_sub(key, q->prefix.len, key.len);
    size_t at = tn_str_find(rest, q->delimiter);
    return at == SIZE_MAX ? TN_STR_EMPTY
                          : tn_str_sub(key, 0, q->prefix.len + at + q->delimiter.len);
}

/* Goes on behind all keys that begin with `common`. */
static int skip_common(struct listing *l, struct tn_str common, struct tarn_error *err)
{
    struct index_key group;
    struct index_key next;
    tn_buf_truncate(&l->common, 0);
    int rc = tn_buf_append_str(&l->common, common);
    if (rc < 0)
        return tn_fail(err, rc, "could not list: out of memory");
    group = l->from;
    memcpy(group.bytes + 5, l->common.data, l->common.len);
    group.len = 5 + l->common.len;
    index_prefix_end(index_key_str(&group), &next);
    return index_scan_seek(l->reader, index_key_str(&next), false, index_key_str(&l->to), err);
}

/* Groups a key: TARN_OK when it stands for itself; 1 when it was taken as, or belongs to, a common
 * prefix. */
static int take_common(struct listing *l, struct tn_str key, store_list_fn each, void *user,
                       struct tarn_error *err)
{
    struct tn_str common = common_prefix(l->query, key);
    if (common.len == 0)
        return TARN_OK;
    /* A page that ended with this prefix is continued behind it. */
    if (!tn_str_eq(common, l->query->after)) {
        if (l->count == l->query->max)
            return TARN_ETOOBIG;
        int rc = each(user, common, NULL);
        if (rc < 0)
            return rc;
        l->count++;
    }
    int rc = skip_common(l, common, err);
    return rc < 0 ? rc : 1;
}

int listing_objects(struct store *base, const struct store_list *query, store_list_fn each,
                    void *user, bool *is_truncated, struct tarn_error *err)
{
    struct listing l;
    *is_truncated = false;
    int rc = listing_begin(&l, base, query, SPACE_OBJECT, err);
    if (rc < 0)
        return rc;
    rc = index_scan_seek(l.reader, index_key_str(&l.from), l.is_after, index_key_str(&l.to), err);
    while (rc >= 0 && query->max) {
        struct tn_str key;
        struct tn_str meta;
        struct store_head head;
        rc = index_scan_next(l.reader, &key, &head, &meta, err);
        if (rc < 0)
            break;
        key = tn_str_sub(key, 5, key.len);
        rc = take_common(&l, key, each, user, err);
        if (rc != TARN_OK)
            continue;
        if (l.count == query->max)
            rc = TARN_ETOOBIG;
        else
            rc = each(user, key, &head);
        l.count++;
    }
    listing_end(&l);
    *is_truncated = rc == TARN_ETOOBIG;
    return rc == TARN_EEOF || rc == TARN_ETOOBIG || rc > 0 ? TARN_OK : rc;
}

/* --- Versions: the current ones and the others, merged --- */

struct version_cursor {
    struct tn_str key;
    struct store_head head;
    bool is_loaded;
    bool is_done;
};

struct version_walk {
    struct listing l;
    struct version_cursor current;
    struct version_cursor other;
    struct index_key to;  /* of the others */
    struct tn_buf latest; /* the key whose latest version has been met */
};

static int load_cursor(struct version_walk *w, struct version_cursor *c, struct tarn_error *err)
{
    struct tn_str row;
    struct tn_str meta;
    bool is_other = c == &w->other;
    if (c->is_loaded || c->is_done)
        return TARN_OK;
    int rc = is_other ? index_side_next(w->l.reader, &row, &c->head, &meta, err)
                      : index_scan_next(w->l.reader, &row, &c->head, &meta, err);
    if (rc == TARN_EEOF) {
        c->is_done = true;
        return TARN_OK;
    }
    if (rc == TARN_OK)
        c->key = tn_str_sub(row, 5, row.len - 5 - (is_other ? VERSION_SUFFIX_LEN : 0));
    c->is_loaded = rc == TARN_OK;
    return rc;
}

/* The number behind which the page goes on; 0 when that version is not known any more. */
static int marker_number(struct version_walk *w, uint64_t *number, struct tarn_error *err)
{
    const struct store_version *after = &w->l.query->version_after;
    struct index_key row;
    struct store_head head;
    *number = after->kind == STORE_VERSION_ID ? after->id : 0;
    if (after->kind != STORE_NULL_VERSION)
        return TARN_OK;
    int rc = index_reader_get(w->l.reader, index_key_str(&w->l.from), &head, err);
    if (rc == TARN_ENOTFOUND || (rc == TARN_OK && head.flags & STORE_IS_VERSIONED)) {
        index_key_in_space(&row, index_key_str(&w->l.from), SPACE_NULL);
        rc = index_reader_get(w->l.reader, index_key_str(&row), &head, err);
    }
    if (rc == TARN_OK)
        *number = head.version;
    return rc == TARN_ENOTFOUND ? TARN_OK : rc;
}

static int seek_versions(struct version_walk *w, struct tarn_error *err)
{
    struct listing *l = &w->l;
    struct index_key from;
    uint64_t number = 0;
    int rc = l->is_after ? marker_number(w, &number, err) : TARN_OK;
    if (rc < 0)
        return rc;
    index_key_in_space(&w->to, index_key_str(&l->to), SPACE_VERSION);
    if (l->to.len == 5) /* the end of the whole space */
        w->to.bytes[4] = SPACE_VERSION + 1;
    if (l->is_after)
        index_key_version(&from, index_key_str(&l->from), number);
    else
        index_key_in_space(&from, index_key_str(&l->from), SPACE_VERSION);
    if (l->is_after && l->query->version_after.kind != STORE_CURRENT)
        rc = tn_buf_append_str(&w->latest, l->query->after);
    if (rc == TARN_OK)
        rc = index_scan_seek(l->reader, index_key_str(&l->from), l->is_after, index_key_str(&l->to),
                             err);
    return rc < 0 ? rc
                  : index_side_seek(l->reader, index_key_str(&from), l->is_after,
                                    index_key_str(&w->to), err);
}

/* Emits a common prefix and goes on behind it in both scans. */
static int take_common_version(struct version_walk *w, struct tn_str common, store_version_fn each,
                               void *user, struct tarn_error *err)
{
    struct listing *l = &w->l;
    struct index_key group;
    struct index_key next;
    int rc = TARN_OK;
    if (!tn_str_eq(common, l->query->after)) {
        rc = l->count == l->query->max ? TARN_ETOOBIG : each(user, common, NULL, false);
        l->count++;
    }
    if (rc == TARN_OK)
        rc = skip_common(l, common, err);
    if (rc < 0)
        return rc;
    group = l->from;
    memcpy(group.bytes + 5, l->common.data, l->common.len);
    group.len = 5 + l->common.len;
    group.bytes[4] = SPACE_VERSION;
    index_prefix_end(index_key_str(&group), &next);
    w->current.is_loaded = w->other.is_loaded = false;
    w->current.is_done = w->other.is_done = false;
    return index_side_seek(l->reader, index_key_str(&next), false, index_key_str(&w->to), err);
}

/* The next of the two; NULL at the end. */
static struct version_cursor *next_version(struct version_walk *w)
{
    if (w->current.is_done)
        return w->other.is_done ? NULL : &w->other;
    if (w->other.is_done || tn_str_cmp(w->current.key, w->other.key) <= 0)
        return &w->current;
    return &w->other;
}

static int take_version(struct version_walk *w, store_version_fn each, void *user,
                        struct tarn_error *err)
{
    struct listing *l = &w->l;
    int rc = load_cursor(w, &w->current, err);
    if (rc == TARN_OK)
        rc = load_cursor(w, &w->other, err);
    if (rc < 0)
        return rc;
    struct version_cursor *c = next_version(w);
    if (!c)
        return TARN_EEOF;
    struct tn_str common = common_prefix(l->query, c->key);
    if (common.len)
        return take_common_version(w, common, each, user, err);
    if (l->count == l->query->max)
        return TARN_ETOOBIG;
    bool is_latest = c == &w->current || !tn_str_eq(c->key, tn_buf_str(&w->latest));
    if (is_latest) {
        tn_buf_truncate(&w->latest, 0);
        rc = tn_buf_append_str(&w->latest, c->key);
    }
    if (rc == TARN_OK)
        rc = each(user, c->key, &c->head, is_latest);
    l->count++;
    c->is_loaded = false;
    return rc;
}

int listing_versions(struct store *base, const struct store_list *query, store_version_fn each,
                     void *user, bool *is_truncated, struct tarn_error *err)
{
    struct version_walk w = { .latest = TN_BUF_INIT(INDEX_KEY_MAX) };
    *is_truncated = false;
    int rc = listing_begin(&w.l, base, query, SPACE_OBJECT, err);
    if (rc < 0)
        return rc;
    rc = seek_versions(&w, err);
    while (rc >= 0 && query->max)
        rc = take_version(&w, each, user, err);
    listing_end(&w.l);
    tn_buf_release(&w.latest);
    *is_truncated = rc == TARN_ETOOBIG;
    return rc == TARN_EEOF || rc == TARN_ETOOBIG ? TARN_OK : rc;
}

/* --- Uploads --- */

/* Moves the start behind (key marker, upload id marker). */
static int seek_uploads(struct listing *l, struct tarn_error *err)
{
    const struct store_list *q = l->query;
    if (l->is_after) {
        unsigned char id[UPLOAD_ID_RAW_LEN];
        memset(id, 0xff, sizeof id);
        if (q->upload_after.len &&
            (q->upload_after.len != STORE_UPLOAD_ID_LEN || tn_hex_decode(q->upload_after, id) < 0))
            return tn_fail(err, TARN_EINVAL, "could not list: bad upload id marker");
        l->from.bytes[l->from.len++] = 0;
        memcpy(l->from.bytes + l->from.len, id, sizeof id);
        l->from.len += sizeof id;
    }
    return index_scan_seek(l->reader, index_key_str(&l->from), l->is_after, index_key_str(&l->to),
                           err);
}

int listing_uploads(struct store *base, const struct store_list *query, store_upload_fn each,
                    store_list_fn each_prefix, void *user, bool *is_truncated,
                    struct tarn_error *err)
{
    struct listing l;
    *is_truncated = false;
    int rc = listing_begin(&l, base, query, SPACE_UPLOAD, err);
    if (rc < 0)
        return rc;
    rc = seek_uploads(&l, err);
    while (rc >= 0 && query->max) {
        struct tn_str row;
        struct tn_str meta;
        struct store_head head;
        char id[STORE_UPLOAD_ID_LEN + 1];
        rc = index_scan_next(l.reader, &row, &head, &meta, err);
        if (rc < 0)
            break;
        struct tn_str key = tn_str_sub(row, 5, row.len - 5 - UPLOAD_SUFFIX_LEN);
        tn_hex_encode(row.data + row.len - UPLOAD_ID_RAW_LEN, UPLOAD_ID_RAW_LEN, id);
        rc = take_common(&l, key, each_prefix, user, err);
        if (rc != TARN_OK)
            continue;
        if (l.count == query->max)
            rc = TARN_ETOOBIG;
        else
            rc = each(user, key, id, &head);
        l.count++;
    }
    listing_end(&l);
    *is_truncated = rc == TARN_ETOOBIG;
    return rc == TARN_EEOF || rc == TARN_ETOOBIG || rc > 0 ? TARN_OK : rc;
}

/* The index keys of an upload's own row and, as a prefix, of its parts. */
static int upload_keys(struct log_store *s, struct tn_str bucket, struct tn_str key,
                       const char *upload_id, struct index_key *upload, struct index_key *parts,
                       struct tarn_error *err)
{
    unsigned char id[UPLOAD_ID_RAW_LEN];
    uint32_t number = buckets_number(s->buckets, bucket);
    if (!number)
        return tn_fail(err, TARN_ENOBUCKET, "could not look at an upload: no such bucket");
    if (key.len > 1024 || !upload_id_decode(upload_id, id))
        return tn_fail(err, TARN_ENOTFOUND, "could not look at an upload: no such upload");
    index_key_make(upload, number, SPACE_UPLOAD, key);
    upload->bytes[upload->len++] = 0;
    memcpy(upload->bytes + upload->len, id, sizeof id);
    upload->len += sizeof id;
    index_key_make(parts, number, SPACE_PART, (struct tn_str){ (const char *)id, sizeof id });
    return TARN_OK;
}

static int scan_parts(struct index_reader *r, const struct index_key *parts, uint32_t after,
                      size_t max, store_part_fn each, void *user, bool *is_truncated,
                      struct tarn_error *err)
{
    struct index_key from = *parts;
    struct index_key to;
    uint32_t big = __builtin_bswap32(after);
    memcpy(from.bytes + from.len, &big, sizeof big);
    from.len += sizeof big;
    index_prefix_end(index_key_str(parts), &to);
    int rc = index_scan_seek(r, index_key_str(&from), true, index_key_str(&to), err);
    for (size_t count = 0; rc == TARN_OK; count++) {
        struct tn_str row;
        struct store_part part;
        rc = index_scan_next(r, &row, &part.head, &part.meta, err);
        if (rc < 0)
            break;
        *is_truncated = count == max;
        if (*is_truncated)
            return TARN_OK;
        memcpy(&big, row.data + row.len - sizeof big, sizeof big);
        part.number = __builtin_bswap32(big);
        rc = each(user, &part);
    }
    return rc == TARN_EEOF ? TARN_OK : rc;
}

int listing_parts(struct store *base, struct tn_str bucket, struct tn_str key,
                  const char *upload_id, uint32_t after, size_t max, store_part_fn each, void *user,
                  bool *is_truncated, struct tarn_error *err)
{
    struct log_store *s = engine(base);
    struct index_key upload;
    struct index_key parts;
    struct store_head head;
    struct index_reader *r;
    *is_truncated = false;
    int rc = upload_keys(s, bucket, key, upload_id, &upload, &parts, err);
    if (rc == TARN_OK)
        rc = apply_wait(s, err);
    if (rc == TARN_OK)
        rc = object_find(s, index_key_str(&upload), true, &head, err);
    if (rc == TARN_OK)
        rc = index_reader_take(s->index, &r, err);
    if (rc < 0)
        return rc == TARN_ENOTFOUND ? tn_fail(err, rc, "could not list parts: no such upload") : rc;
    rc = index_scan_begin(r, err);
    if (rc == TARN_OK) {
        rc = scan_parts(r, &parts, after, max, each, user, is_truncated, err);
        index_scan_end(r);
    }
    index_reader_give(s->index, r);
    return rc;
}

int listing_upload(struct store *base, struct tn_str bucket, struct tn_str key,
                   const char *upload_id, struct store_head *head, struct tn_arena *arena,
                   struct tn_str *meta, struct tarn_error *err)
{
    struct log_store *s = engine(base);
    struct index_key upload;
    struct index_key parts;
    struct pin pin;
    struct record r;
    struct store_head found;
    TN_AUTO_BUF bytes = TN_BUF_INIT(UINT32_MAX);
    int rc = upload_keys(s, bucket, key, upload_id, &upload, &parts, err);
    if (rc < 0)
        return rc;
    pin_take(s, &pin);
    rc = object_find(s, index_key_str(&upload), true, &found, err);
    if (rc == TARN_ENOTFOUND)
        (void)tn_fail(err, rc, "could not look at an upload: no such upload");
    struct place place = place_unpack(found.place);
    if (rc == TARN_OK)
        rc = object_read_front(s, &place, found.seq, true, &bytes, &r, err);
    if (rc == TARN_OK && tn_arena_str(arena, r.meta, meta) < 0)
        rc = tn_fail(err, TARN_ENOMEM, "could not look at an upload: out of memory");
    if (rc == TARN_OK)
        *head = found;
    pin_drop(s, &pin);
    return rc;
}
