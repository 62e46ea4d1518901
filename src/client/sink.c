/* SPDX-License-Identifier: Apache-2.0 */
/* Taking bodies in. */

#include "client/sink.h"

#include <errno.h>

#include "base/codec.h"
#include "base/file.h"

struct tn_str tn_etag_bare(struct tn_str etag)
{
    if (etag.len >= 2 && etag.data[0] == '"' && etag.data[etag.len - 1] == '"')
        return tn_str_sub(etag, 1, etag.len - 2);
    return etag;
}

bool tn_etag_is_md5(struct tn_str etag, unsigned char out[TN_MD5_LEN])
{
    return etag.len == 2 * (size_t)TN_MD5_LEN && tn_hex_decode(etag, out) == TARN_OK;
}

bool tn_checksum_is_whole(const struct tn_checksum_value *value)
{
    return value->kind != TN_CHECKSUM_NONE && value->type == TN_CHECKSUM_FULL_OBJECT;
}

void tn_verifier_release(struct tn_verifier *v)
{
    tn_checksum_release(&v->sum);
    tn_hash_release(&v->md5);
    tn_checksum_parts_release(&v->parts);
    *v = (struct tn_verifier){ 0 };
}

bool tn_etag_composite(struct tn_str etag, struct tn_checksum_value *out)
{
    struct tn_checksum_value made = { .kind = TN_CHECKSUM_MD5, .type = TN_CHECKSUM_COMPOSITE };
    uint64_t count;
    size_t digits = 2 * (size_t)TN_MD5_LEN;
    if (etag.len < digits + 2 || etag.data[digits] != '-' ||
        !tn_etag_is_md5(tn_str_sub(etag, 0, digits), made.bytes) ||
        tn_str_to_u64(tn_str_sub(etag, digits + 1, SIZE_MAX), &count) < 0 || count < 2 ||
        count > TN_CHECKSUM_PART_COUNT_MAX)
        return false;
    made.part_count = (uint32_t)count;
    *out = made;
    return true;
}

int tn_verifier_init_parts(struct tn_verifier *v, const struct tn_checksum_value *expected,
                           uint64_t size, uint64_t part_size)
{
    struct tn_verifier made = { .kind = TN_VERIFY_PARTS,
                                .expected = *expected,
                                .part_size = part_size,
                                .part_left = part_size };
    if (part_size == 0 || size == 0 || (size - 1) / part_size + 1 != expected->part_count)
        return TARN_ENOTFOUND;
    int rc = tn_checksum_init(&made.sum, expected->kind);
    if (rc == TARN_OK)
        rc = tn_checksum_parts_init(&made.parts, expected->kind, TN_CHECKSUM_COMPOSITE);
    if (rc < 0) {
        tn_verifier_release(&made);
        return rc == TARN_EINVAL ? TARN_ENOTFOUND : rc;
    }
    *v = made;
    return TARN_OK;
}

int tn_verifier_init(struct tn_verifier *v, const struct tn_checksum_value *told,
                     struct tn_str plain_etag)
{
    struct tn_verifier made = { .expected = *told };
    int rc = TARN_OK;
    if (tn_checksum_is_whole(told)) {
        made.kind = TN_VERIFY_SUM;
        rc = tn_checksum_init(&made.sum, told->kind);
    } else if (tn_etag_is_md5(plain_etag, made.expected_md5)) {
        made.kind = TN_VERIFY_MD5;
        rc = tn_hash_init(&made.md5, TN_HASH_MD5);
    } else if (told->kind != TN_CHECKSUM_NONE && told->part_count == 1) {
        return tn_verifier_init_parts(v, told, UINT64_MAX, UINT64_MAX);
    }
    if (rc == TARN_OK)
        *v = made;
    return rc;
}

static void end_part(struct tn_verifier *v)
{
    struct tn_checksum_value value;
    tn_checksum_final(&v->sum, &value);
    if (tn_checksum_parts_add(&v->parts, &value, v->part_size - v->part_left) < 0)
        v->expected.part_count = 0; /* more than there can be */
    v->part_left = v->part_size;
}

static void update_parts(struct tn_verifier *v, const char *bytes, size_t len)
{
    while (len > 0) {
        size_t n = len < v->part_left ? len : (size_t)v->part_left;
        tn_checksum_update(&v->sum, bytes, n);
        v->part_left -= n;
        bytes += n;
        len -= n;
        if (v->part_left == 0)
            end_part(v);
    }
}

static int check_parts(struct tn_verifier *v)
{
    struct tn_checksum_value got;
    if (v->part_left < v->part_size || v->parts.count == 0)
        end_part(v);
    tn_checksum_parts_final(&v->parts, &got);
    return tn_checksum_eq(&got, &v->expected) ? TARN_OK : TARN_ECHECKSUM;
}

static int check_sum(struct tn_verifier *v)
{
    struct tn_checksum_value got;
    tn_checksum_final(&v->sum, &got);
    return tn_checksum_eq(&got, &v->expected) ? TARN_OK : TARN_ECHECKSUM;
}

static int check_md5(struct tn_verifier *v)
{
    unsigned char got[TN_MD5_LEN];
    tn_hash_final(&v->md5, got);
    return memcmp(got, v->expected_md5, sizeof got) == 0 ? TARN_OK : TARN_ECHECKSUM;
}

void tn_verifier_update(struct tn_verifier *v, const void *bytes, size_t len)
{
    switch (v->kind) {
    case TN_VERIFY_SUM:
        tn_checksum_update(&v->sum, bytes, len);
        break;
    case TN_VERIFY_MD5:
        tn_hash_update(&v->md5, bytes, len);
        break;
    case TN_VERIFY_PARTS:
        update_parts(v, bytes, len);
        break;
    case TN_VERIFY_NOTHING:
        break;
    }
}

int tn_verifier_check(struct tn_verifier *v)
{
    switch (v->kind) {
    case TN_VERIFY_SUM:
        return check_sum(v);
    case TN_VERIFY_MD5:
        return check_md5(v);
    case TN_VERIFY_PARTS:
        return check_parts(v);
    case TN_VERIFY_NOTHING:
    default:
        return TARN_ENOTFOUND;
    }
}

void tn_sink_init(struct tn_sink *s)
{
    *s = (struct tn_sink){ .fd = -1, .expected_len = UINT64_MAX };
}

void tn_sink_release(struct tn_sink *s)
{
    tn_checksum_release(&s->sum);
    tn_verifier_release(&s->verifier);
    tn_sink_init(s);
}

/* The room is looked up under the lock: the other side moves start and len, though never their sum.
 */
static int write_pipe(struct tn_sink *s, const char *bytes, size_t len)
{
    tn_waiter_lock(s->waiter);
    bool fits = len <= TN_PIPE_CAP - s->pipe->len;
    s->pipe->is_paused = !fits;
    while (fits && len > 0) {
        size_t room;
        char *to = tn_pipe_room(s->pipe, &room);
        size_t n = len < room ? len : room;
        tn_waiter_unlock(s->waiter);
        memcpy(to, bytes, n);
        tn_waiter_lock(s->waiter);
        tn_pipe_added(s->pipe, n);
        tn_waiter_wake(s->waiter);
        bytes += n;
        len -= n;
    }
    tn_waiter_unlock(s->waiter);
    return fits ? TARN_OK : TARN_EAGAIN;
}

static int write_out(struct tn_sink *s, const char *bytes, size_t len)
{
    switch (s->kind) {
    case TN_SINK_FILE:
        return tn_fd_pwrite(s->fd, bytes, len, s->offset + s->received);
    case TN_SINK_BYTES:
        if (len > s->cap - s->received)
            return TARN_ETOOBIG;
        memcpy(s->bytes + s->received, bytes, len);
        return TARN_OK;
    case TN_SINK_PIPE:
        return write_pipe(s, bytes, len);
    case TN_SINK_DOCUMENT:
    default:
        return TARN_EINVAL;
    }
}

int tn_sink_write(struct tn_sink *s, const char *bytes, size_t len)
{
    if (s->expected_len != UINT64_MAX && len > s->expected_len - s->received) {
        s->rc = TARN_EPROTOCOL;
        return s->rc;
    }
    int rc = write_out(s, bytes, len);
    if (rc == TARN_EAGAIN)
        return rc;
    if (rc < 0) {
        s->rc = rc;
        return rc;
    }
    s->received += len;
    tn_checksum_update(&s->sum, bytes, len);
    tn_verifier_update(&s->verifier, bytes, len);
    return TARN_OK;
}
