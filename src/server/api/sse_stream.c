/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies on their way through a cipher. */

#include "server/api/sse_stream.h"

#include <assert.h>

/* --- Writing --- */

static void release_stream(void *what)
{
    struct sse_stream *s = what;
    sse_cipher_free(s->cipher);
    tn_free(s->sealed);
    if (s->plain)
        tn_wipe(s->plain, SSE_BLOCK_LEN);
    tn_free(s->plain);
    tn_wipe(s, sizeof *s);
}

int sse_stream_begin(struct tn_arena *a, struct sse_stream *s, const struct sse *sse,
                     const unsigned char key[SSE_KEY_LEN])
{
    bool is_new = !s->plain;
    if (is_new) {
        int rc = tn_arena_defer(a, release_stream, s);
        if (rc < 0)
            return rc;
        s->plain = tn_realloc(NULL, SSE_BLOCK_LEN);
        s->sealed = tn_realloc(NULL, SSE_BLOCK_LEN + SSE_TAG_LEN);
    }
    sse_cipher_free(s->cipher);
    s->cipher = sse_cipher_new(key, sse->salt);
    s->sse = *sse;
    s->block = 0;
    s->len = 0;
    memcpy(s->tag_key, key, SSE_KEY_LEN);
    return s->plain && s->sealed && s->cipher ? TARN_OK : TARN_ENOMEM;
}

static int put_block(struct api_req *r, struct sse_stream *s, bool is_last, struct tarn_error *err)
{
    int rc = sse_seal_block(s->cipher, s->block, is_last, s->plain, s->len, s->sealed);
    if (rc == TARN_OK)
        rc = r->api->store->ops->body_append(r->body.store, s->sealed, s->len + SSE_TAG_LEN, err);
    s->block++;
    s->len = 0;
    return rc;
}

int sse_append(struct api_req *r, const char *bytes, size_t len, struct tarn_error *err)
{
    struct sse_stream *s = r->sse;
    if (!s || !s->cipher)
        return len ? r->api->store->ops->body_append(r->body.store, bytes, len, err) : TARN_OK;
    while (len) {
        /* A full block waits for what follows: it might be the last. */
        if (s->len == SSE_BLOCK_LEN) {
            int rc = put_block(r, s, false, err);
            if (rc < 0)
                return rc;
        }
        size_t room = SSE_BLOCK_LEN - s->len;
        size_t piece = len < room ? len : room;
        memcpy(s->plain + s->len, bytes, piece);
        s->len += piece;
        bytes += piece;
        len -= piece;
    }
    return TARN_OK;
}

int sse_finish(struct api_req *r, struct tarn_error *err)
{
    struct sse_stream *s = r->sse;
    return s && s->cipher && s->len ? put_block(r, s, true, err) : TARN_OK;
}

void sse_hide_md5(const struct api_req *r, unsigned char md5[STORE_MD5_LEN])
{
    unsigned char digest[TN_SHA256_LEN];
    const struct sse_stream *s = r->sse;
    if (!s || !s->cipher || s->sse.kind == SSE_S3)
        return;
    tn_hmac_sha256(s->tag_key, SSE_KEY_LEN, md5, STORE_MD5_LEN, digest);
    memcpy(md5, digest, STORE_MD5_LEN);
}

/* --- Reading --- */

static void release_reader(void *what)
{
    struct sse_reader *reader = what;
    sse_cipher_free(reader->cipher);
    tn_free(reader->pieces);
    tn_free(reader->sealed);
    if (reader->block)
        tn_wipe(reader->block, SSE_BLOCK_LEN);
    tn_free(reader->block);
    tn_wipe(reader, sizeof *reader);
}

int sse_reader_new(struct tn_arena *a, struct sse_reader **out)
{
    struct sse_reader *reader = tn_arena_zalloc(a, sizeof *reader);
    if (!reader)
        return TARN_ENOMEM;
    int rc = tn_arena_defer(a, release_reader, reader);
    if (rc < 0)
        return rc;
    reader->piece = SIZE_MAX;
    reader->block = tn_realloc(NULL, SSE_BLOCK_LEN);
    reader->sealed = tn_realloc(NULL, SSE_BLOCK_LEN + SSE_TAG_LEN);
    if (!reader->block || !reader->sealed)
        return TARN_ENOMEM;
    *out = reader;
    return TARN_OK;
}

int sse_reader_open(struct api_req *r, struct sse_reader *reader, const struct sse *sse,
                    struct tarn_error *err)
{
    const struct store_ops *ops = r->api->store->ops;
    const struct store_head *head = ops->object_head(r->object);
    size_t count = head->part_count ? head->part_count : 1;
    reader->pieces = tn_calloc(count, sizeof *reader->pieces);
    if (!reader->pieces)
        return TARN_ENOMEM;
    memcpy(reader->salt, sse->salt, SSE_SALT_LEN);
    reader->piece_count = count;
    for (size_t i = 0; i < count; i++) {
        struct sse_piece *piece = &reader->pieces[i];
        uint64_t sealed_len = head->size;
        struct tn_str meta;
        int rc = TARN_OK;
        if (head->part_count)
            rc = ops->object_part(r->object, (uint32_t)i + 1, &piece->sealed_offset, &sealed_len,
                                  &meta, err);
        if (rc < 0)
            return rc;
        piece->offset = reader->len;
        piece->len = sse_plain_len(sealed_len);
        reader->len += piece->len;
    }
    return TARN_OK;
}

static int use_piece(struct api_req *r, struct sse_reader *reader, size_t at,
                     struct tarn_error *err)
{
    const struct store_ops *ops = r->api->store->ops;
    if (reader->piece == at)
        return TARN_OK;
    struct sse sse = { .kind = SSE_NONE };
    memcpy(sse.salt, reader->salt, SSE_SALT_LEN);
    if (ops->object_head(r->object)->part_count) {
        uint64_t offset;
        uint64_t len;
        struct tn_str text;
        struct api_meta meta;
        int rc = ops->object_part(r->object, (uint32_t)at + 1, &offset, &len, &text, err);
        if (rc == TARN_OK)
            rc = api_meta_decode(text, &r->http->arena, &meta);
        if (rc == TARN_OK)
            rc = sse_decode(meta.fields[API_META_SSE], &sse);
        if (rc < 0)
            return rc;
    }
    sse_cipher_free(reader->cipher);
    reader->cipher = sse_cipher_new(reader->key, sse.salt);
    reader->piece = reader->cipher ? at : SIZE_MAX;
    return reader->cipher ? TARN_OK : TARN_ENOMEM;
}

static size_t find_piece(const struct sse_reader *reader, uint64_t offset)
{
    size_t low = 0;
    size_t high = reader->piece_count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (reader->pieces[middle].offset <= offset)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static int read_all(struct api_req *r, uint64_t offset, unsigned char *out, size_t len,
                    struct tarn_error *err)
{
    const struct store_ops *ops = r->api->store->ops;
    for (size_t done = 0; done < len;) {
        ssize_t n = ops->object_read(r->object, offset + done, out + done, len - done, true, err);
        if (n <= 0)
            return n < 0 ? (int)n : TARN_ECORRUPT;
        done += (size_t)n;
    }
    return TARN_OK;
}

static int load_block(struct api_req *r, struct sse_reader *reader, uint64_t offset,
                      struct tarn_error *err)
{
    size_t at = find_piece(reader, offset);
    const struct sse_piece *piece = &reader->pieces[at];
    uint64_t number = (offset - piece->offset) / SSE_BLOCK_LEN;
    uint64_t first = number * SSE_BLOCK_LEN;
    uint64_t left = piece->len - first;
    size_t len = left < SSE_BLOCK_LEN ? (size_t)left : SSE_BLOCK_LEN;
    bool is_last = first + len == piece->len;
    reader->block_len = 0;
    int rc = use_piece(r, reader, at, err);
    if (rc == TARN_OK)
        rc = read_all(r, piece->sealed_offset + number * (SSE_BLOCK_LEN + SSE_TAG_LEN),
                      reader->sealed, len + SSE_TAG_LEN, err);
    if (rc == TARN_OK)
        rc = sse_open_block(reader->cipher, number, is_last, reader->sealed, len + SSE_TAG_LEN,
                            reader->block);
    if (rc < 0)
        return rc;
    reader->block_offset = piece->offset + first;
    reader->block_len = len;
    return TARN_OK;
}

ssize_t sse_read(struct api_req *r, uint64_t offset, void *out, size_t cap, bool may_wait,
                 struct tarn_error *err)
{
    struct sse_reader *reader = r->reader;
    if (!reader)
        return r->api->store->ops->object_read(r->object, offset, out, cap, may_wait, err);
    if (offset >= reader->len)
        return 0;
    bool is_there =
        offset >= reader->block_offset && offset - reader->block_offset < reader->block_len;
    if (!is_there && !may_wait)
        return TARN_EAGAIN;
    int rc = is_there ? TARN_OK : load_block(r, reader, offset, err);
    if (rc < 0)
        return rc;
    size_t from = (size_t)(offset - reader->block_offset);
    size_t len = reader->block_len - from < cap ? reader->block_len - from : cap;
    memcpy(out, reader->block + from, len);
    return (ssize_t)len;
}

uint64_t sse_object_len(const struct api_req *r)
{
    return api_head_size(r->api->store->ops->object_head(r->object));
}

int sse_object_part(struct api_req *r, uint32_t number, uint64_t *offset, uint64_t *len,
                    struct tn_str *meta, struct tarn_error *err)
{
    const struct sse_reader *reader = r->reader;
    int rc = r->api->store->ops->object_part(r->object, number, offset, len, meta, err);
    if (rc < 0 || !reader)
        return rc;
    assert(number >= 1 && number <= reader->piece_count);
    *offset = reader->pieces[number - 1].offset;
    *len = reader->pieces[number - 1].len;
    return rc;
}
