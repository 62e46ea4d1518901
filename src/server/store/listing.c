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
