/* SPDX-License-Identifier: Apache-2.0 */
/* Answers as S3 gives them, about nothing. */

#include "bench/null_answer.h"

#include "base/codec.h"
#include "base/crc.h"
#include "base/hash.h"
#include "proto/query.h"

enum { PIECE_LEN = 1 << 20, PAGE_LEN_MAX = 4 << 20, NULL_NAME_LEN_SHOWN = 15 };

static const char MODIFIED[] = "2026-01-01T00:00:00.000Z";
static const char MODIFIED_HTTP[] = "Thu, 01 Jan 2026 00:00:00 GMT";

struct call {
    struct null_world *world;
    struct tn_arena *arena;
    const struct tn_http1_head *head;
    struct tn_str bucket;
    struct tn_str key;
    struct tn_query query;
    uint64_t body_len; /* of what was uploaded, without the framing of aws-chunked */
    struct tn_buf *out;
    uint64_t *zeros;
};

void null_world_init(struct null_world *w)
{
    *w = (struct null_world){
        .keys = 1000000, .per_directory = 1000, .size = 4096, .large = (uint64_t)2 << 30
    };
    (void)pthread_mutex_init(&w->shared.lock, NULL);
}

void null_world_release(struct null_world *w)
{
    for (size_t i = 0; i < NULL_UPLOADS_MAX; i++)
        tn_free(w->shared.uploads[i].parts);
    (void)pthread_mutex_destroy(&w->shared.lock);
}

/* ---- digests of zeros ---- */

static const char zero_piece[PIECE_LEN];

static struct null_digest digest_compute(uint64_t len)
{
    struct null_digest d = { .len = len };
    struct tn_hash md5 = { 0 };
    if (tn_hash_init(&md5, TN_HASH_MD5) < 0)
        return d;
    for (uint64_t left = len; left > 0;) {
        size_t n = left < PIECE_LEN ? (size_t)left : PIECE_LEN;
        tn_hash_update(&md5, zero_piece, n);
        d.crc = tn_crc64nvme(d.crc, zero_piece, n);
        left -= n;
    }
    tn_hash_final(&md5, d.md5);
    tn_hash_release(&md5);
    return d;
}

/* The lock is held while a new length is computed, so that it is computed once. */
static struct null_digest digest_of(struct null_world *w, uint64_t len)
{
    struct null_digest d;
    (void)pthread_mutex_lock(&w->shared.lock);
    size_t i = 0;
    while (i < w->shared.digest_count && w->shared.digests[i].len != len)
        i++;
    if (i < w->shared.digest_count) {
        d = w->shared.digests[i];
    } else {
        d = digest_compute(len);
        i = i < NULL_DIGESTS_MAX ? w->shared.digest_count++ : 0;
        w->shared.digests[i] = d;
    }
    (void)pthread_mutex_unlock(&w->shared.lock);
    return d;
}

static void crc_text(uint64_t crc, char out[TN_BASE64_LEN(8) + 1])
{
    unsigned char bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (unsigned char)(crc >> (56 - 8 * i));
    tn_base64_encode(bytes, sizeof bytes, out);
}

/* ---- answers ---- */

static int answer_document(struct call *c, int status, struct tn_str document)
{
    int rc = tn_buf_appendf(c->out,
                            "HTTP/1.1 %d %s\r\nServer: null\r\nContent-Type: application/xml\r\n"
                            "x-amz-request-id: 0\r\nContent-Length: %zu\r\n\r\n",
                            status, status < 300 ? "OK" : "Error", document.len);
    if (rc == TARN_OK && !tn_str_eq(c->head->method, TN_STR("HEAD")))
        rc = tn_buf_append_str(c->out, document);
    return rc;
}

static int answer_error(struct call *c, int status, const char *code)
{
    const char *text = tn_arena_printf(
        c->arena, "<?xml version=\"1.0\"?>\n<Error><Code>%s</Code><Message>%s</Message></Error>",
        code, code);
    return text ? answer_document(c, status, tn_str_from(text)) : TARN_ENOMEM;
}

static int answer_empty(struct call *c, int status)
{
    return tn_buf_appendf(c->out,
                          "HTTP/1.1 %d OK\r\nServer: null\r\nx-amz-request-id: 0\r\n"
                          "x-amz-bucket-region: us-east-1\r\nContent-Length: 0\r\n\r\n",
                          status);
}

/* ---- listing ---- */

static uint64_t key_count(const struct call *c)
{
    if (tn_str_eq(c->bucket, TN_STR("few")))
        return 3;
    if (tn_str_eq(c->bucket, TN_STR("up")))
        return 0;
    return tn_str_eq(c->bucket, TN_STR("small")) ? 10000 : c->world->keys;
}

void null_name(const struct null_world *w, uint64_t i, char out[NULL_NAME_LEN])
{
    uint64_t directory = i / w->per_directory;
    uint64_t file = i % w->per_directory;
    memcpy(out, "d000000/f000000", 16);
    for (char *p = out + 6; directory > 0; p--, directory /= 10)
        *p = (char)('0' + directory % 10);
    for (char *p = out + 14; file > 0; p--, file /= 10)
        *p = (char)('0' + file % 10);
}

/* The first key that is not below `text`. */
static uint64_t lower_bound(const struct call *c, struct tn_str text)
{
    uint64_t low = 0;
    uint64_t high = key_count(c);
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        char name[NULL_NAME_LEN];
        null_name(c->world, middle, name);
        if (tn_str_cmp(tn_str_from(name), text) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct page {
    struct call *call;
    struct tn_buf text;
    struct tn_str prefix;
    bool is_rolled_up;
    uint64_t at;
    uint64_t end;
    size_t count;
    struct tn_str behind_key;
};

/* The same for each key, but for the key. */
static int page_object(struct page *p, const char *name)
{
    p->at++;
    int rc = tn_buf_append_str(&p->text, TN_STR("<Contents><Key>"));
    if (rc == TARN_OK)
        rc = tn_buf_append(&p->text, name, NULL_NAME_LEN_SHOWN);
    return rc < 0 ? rc : tn_buf_append_str(&p->text, p->behind_key);
}

static int page_prefix(struct page *p, const char *name, size_t len)
{
    p->at = (p->at / p->call->world->per_directory + 1) * p->call->world->per_directory;
    return tn_buf_appendf(&p->text, "<CommonPrefixes><Prefix>%.*s</Prefix></CommonPrefixes>",
                          (int)len, name);
}

static int page_fill(struct page *p, size_t most)
{
    int rc = TARN_OK;
    while (rc == TARN_OK && p->at < p->end && p->count < most) {
        char name[NULL_NAME_LEN];
        null_name(p->call->world, p->at, name);
        if (!tn_str_starts(tn_str_from(name), p->prefix)) {
            p->at = p->end;
            break;
        }
        const char *slash = strchr(name + p->prefix.len, '/');
        rc = p->is_rolled_up && slash ? page_prefix(p, name, (size_t)(slash - name) + 1)
                                      : page_object(p, name);
        p->count++;
    }
    if (p->at < p->end) {
        char name[NULL_NAME_LEN];
        null_name(p->call->world, p->at, name);
        if (!tn_str_starts(tn_str_from(name), p->prefix))
            p->at = p->end;
    }
    return rc;
}

static int page_begin(struct page *p)
{
    const struct call *c = p->call;
    bool is_v1 = !tn_query_has(&c->query, "list-type");
    struct tn_str token = tn_query_value(&c->query, "continuation-token");
    struct tn_str after = tn_query_value(&c->query, is_v1 ? "marker" : "start-after");
    p->prefix = tn_query_value(&c->query, "prefix");
    p->is_rolled_up = tn_query_value(&c->query, "delimiter").len > 0;
    p->end = key_count(c);
    p->at = lower_bound(c, p->prefix);
    if (token.len > 0) {
        if (tn_str_to_u64(token, &p->at) < 0)
            return TARN_EINVAL;
    } else if (after.len > 0) {
        const char *behind = tn_arena_printf(c->arena, "%.*s%s", TN_STR_ARG(after),
                                             tn_str_ends(after, TN_STR("/")) ? "\xff" : "\x01");
        uint64_t at = behind ? lower_bound(c, tn_str_from(behind)) : 0;
        p->at = at > p->at ? at : p->at;
    }
    return tn_buf_appendf(&p->text,
                          "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult "
                          "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>%.*s</Name>"
                          "<Prefix>%.*s</Prefix><EncodingType>url</EncodingType>",
                          TN_STR_ARG(c->bucket), TN_STR_ARG(p->prefix));
}

static int page_end(struct page *p, size_t most)
{
    const struct call *c = p->call;
    bool is_v1 = !tn_query_has(&c->query, "list-type");
    bool is_truncated = p->at < p->end;
    int rc =
        tn_buf_appendf(&p->text, "<KeyCount>%zu</KeyCount><MaxKeys>%zu</MaxKeys>", p->count, most);
    if (rc == TARN_OK && is_truncated && is_v1) {
        char name[NULL_NAME_LEN];
        null_name(c->world, p->at - 1, name);
        if (p->is_rolled_up && p->prefix.len <= 7)
            name[7 + 1] = '\0';
        rc = tn_buf_appendf(&p->text, "<NextMarker>%s</NextMarker>", name);
    } else if (rc == TARN_OK && is_truncated) {
        rc = tn_buf_appendf(&p->text, "<NextContinuationToken>%llu</NextContinuationToken>",
                            (unsigned long long)p->at);
    }
    return rc < 0 ? rc
                  : tn_buf_appendf(&p->text, "<IsTruncated>%s</IsTruncated></ListBucketResult>",
                                   is_truncated ? "true" : "false");
}

static int answer_listing(struct call *c)
{
    TN_AUTO_BUF text = TN_BUF_INIT(PAGE_LEN_MAX);
    struct page p = { .call = c, .text = text };
    uint64_t most = NULL_PAGE_KEYS_MAX;
    char etag[2 * TN_MD5_LEN + 1];
    struct null_digest d = digest_of(c->world, c->world->size);
    struct tn_str asked = tn_query_value(&c->query, "max-keys");
    if (asked.len > 0 && (tn_str_to_u64(asked, &most) < 0 || most > NULL_PAGE_KEYS_MAX))
        most = NULL_PAGE_KEYS_MAX;
    tn_hex_encode(d.md5, sizeof d.md5, etag);
    p.behind_key = tn_str_from(tn_arena_printf(
        c->arena,
        "</Key><LastModified>%s</LastModified><ETag>&quot;%s&quot;</ETag><Size>%llu</Size>"
        "<StorageClass>STANDARD</StorageClass></Contents>",
        MODIFIED, etag, (unsigned long long)c->world->size));
    int rc = page_begin(&p);
    if (rc == TARN_OK)
        rc = page_fill(&p, (size_t)most);
    if (rc == TARN_OK)
        rc = page_end(&p, (size_t)most);
    text = p.text;
    return rc == TARN_EINVAL ? answer_error(c, 400, "InvalidArgument")
           : rc < 0          ? rc
                             : answer_document(c, 200, tn_buf_str(&text));
}

/* ---- objects ---- */

static bool is_large(const struct call *c)
{
    return tn_str_starts(c->key, TN_STR("large"));
}

/* As of 8 MiB parts, so that nobody takes it for an MD5. */
static void object_etag(const struct call *c, const struct null_digest *d, char out[48])
{
    tn_hex_encode(d->md5, sizeof d->md5, out);
    if (is_large(c))
        (void)snprintf(out + 32, 16, "-%llu", (unsigned long long)(c->world->large >> 23));
}

/* bytes=FIRST-LAST, bytes=FIRST- or bytes=-LAST. False: all of it. */
static bool parse_range(const struct call *c, uint64_t len, uint64_t *first, uint64_t *last)
{
    struct tn_str text = tn_http1_value(c->head, TN_STR("range"));
    uint64_t number;
    *first = 0;
    *last = len ? len - 1 : 0;
    if (!tn_str_starts(text, TN_STR("bytes=")))
        return false;
    text = tn_str_sub(text, 6, SIZE_MAX);
    struct tn_str from = tn_str_split(&text, '-');
    if (from.len == 0 && tn_str_to_u64(text, &number) == TARN_OK) {
        *first = number < len ? len - number : 0;
        return true;
    }
    if (tn_str_to_u64(from, first) < 0)
        return false;
    if (tn_str_to_u64(text, &number) == TARN_OK && number < *last)
        *last = number;
    return true;
}

static int answer_object(struct call *c)
{
    if (key_count(c) == 0)
        return answer_error(c, 404, "NoSuchKey");
    uint64_t len = is_large(c) ? c->world->large : c->world->size;
    struct null_digest d = digest_of(c->world, len);
    uint64_t first, last;
    char etag[48], crc[TN_BASE64_LEN(8) + 1], range[96] = "", checksum[96] = "";
    bool is_part = parse_range(c, len, &first, &last);
    if (is_part && first >= len)
        return answer_error(c, 416, "InvalidRange");
    object_etag(c, &d, etag);
    crc_text(d.crc, crc);
    if (is_part)
        (void)snprintf(range, sizeof range, "Content-Range: bytes %llu-%llu/%llu\r\n",
                       (unsigned long long)first, (unsigned long long)last,
                       (unsigned long long)len);
    else if (tn_http1_value(c->head, TN_STR("x-amz-checksum-mode")).len > 0)
        (void)snprintf(checksum, sizeof checksum,
                       "x-amz-checksum-crc64nvme: %s\r\nx-amz-checksum-type: FULL_OBJECT\r\n", crc);
    uint64_t count = len ? last - first + 1 : 0;
    *c->zeros = tn_str_eq(c->head->method, TN_STR("HEAD")) ? 0 : count;
    return tn_buf_appendf(c->out,
                          "HTTP/1.1 %s\r\nServer: null\r\nx-amz-request-id: 0\r\nAccept-Ranges: "
                          "bytes\r\nContent-Type: binary/octet-stream\r\nLast-Modified: %s\r\n"
                          "ETag: \"%s\"\r\n%s%sContent-Length: %llu\r\n\r\n",
                          is_part ? "206 Partial Content" : "200 OK", MODIFIED_HTTP, etag, range,
                          checksum, (unsigned long long)count);
}

static struct null_upload *upload_locked(struct null_world *w, uint64_t id)
{
    for (size_t i = 0; i < NULL_UPLOADS_MAX; i++) {
        if (w->shared.uploads[i].id == id)
            return &w->shared.uploads[i];
    }
    return NULL;
}

static int note_part(struct call *c)
{
    struct null_world *w = c->world;
    uint64_t id, number;
    int rc = TARN_EINVAL;
    if (tn_str_to_u64(tn_query_value(&c->query, "uploadId"), &id) < 0 || id == 0 ||
        tn_str_to_u64(tn_query_value(&c->query, "partNumber"), &number) < 0 || number == 0 ||
        number > NULL_PARTS_MAX)
        return rc;
    (void)pthread_mutex_lock(&w->shared.lock);
    struct null_upload *u = upload_locked(w, id);
    if (u) {
        u->parts[number - 1] = c->body_len;
        u->part_count = number > u->part_count ? (uint32_t)number : u->part_count;
        rc = TARN_OK;
    }
    (void)pthread_mutex_unlock(&w->shared.lock);
    return rc;
}

/* CRC64NVME is told to whoever sent one; other checksums are accepted and not repeated. */
static bool is_crc_sent(const struct call *c)
{
    return tn_http1_value(c->head, TN_STR("x-amz-checksum-crc64nvme")).len > 0 ||
           tn_str_eq(tn_http1_value(c->head, TN_STR("x-amz-trailer")),
                     TN_STR("x-amz-checksum-crc64nvme"));
}

static int answer_put(struct call *c)
{
    char etag[2 * TN_MD5_LEN + 1], crc[TN_BASE64_LEN(8) + 1], checksum[96] = "";
    struct null_digest d = digest_of(c->world, c->body_len);
    bool is_part = tn_query_has(&c->query, "partNumber");
    if (is_part && note_part(c) < 0)
        return answer_error(c, 404, "NoSuchUpload");
    tn_hex_encode(d.md5, sizeof d.md5, etag);
    crc_text(d.crc, crc);
    if (is_crc_sent(c))
        (void)snprintf(checksum, sizeof checksum, "x-amz-checksum-crc64nvme: %s\r\n%s", crc,
                       is_part ? "" : "x-amz-checksum-type: FULL_OBJECT\r\n");
    return tn_buf_appendf(c->out,
                          "HTTP/1.1 200 OK\r\nServer: null\r\nx-amz-request-id: 0\r\nETag: \"%s\""
                          "\r\n%sContent-Length: 0\r\n\r\n",
                          etag, checksum);
}

static int answer_upload_begin(struct call *c)
{
    struct null_world *w = c->world;
    uint64_t id = 0;
    (void)pthread_mutex_lock(&w->shared.lock);
    struct null_upload *u = upload_locked(w, 0);
    if (u && !u->parts)
        u->parts = tn_calloc(NULL_PARTS_MAX, sizeof *u->parts);
    if (u && u->parts) {
        id = ++w->shared.upload_id;
        u->id = id;
        u->part_count = 0;
    }
    (void)pthread_mutex_unlock(&w->shared.lock);
    if (id == 0)
        return answer_error(c, 503, "SlowDown");
    const char *text = tn_arena_printf(
        c->arena,
        "<?xml version=\"1.0\"?>\n<InitiateMultipartUploadResult><Bucket>%.*s</Bucket><Key>%.*s"
        "</Key><UploadId>%llu</UploadId></InitiateMultipartUploadResult>",
        TN_STR_ARG(c->bucket), TN_STR_ARG(c->key), (unsigned long long)id);
    return text ? answer_document(c, 200, tn_str_from(text)) : TARN_ENOMEM;
}

/* Takes the parts' lengths out and frees the place. 0 parts: there is no such upload. */
static uint32_t upload_take(struct call *c, uint64_t *parts)
{
    struct null_world *w = c->world;
    uint64_t id;
    uint32_t count = 0;
    if (tn_str_to_u64(tn_query_value(&c->query, "uploadId"), &id) < 0 || id == 0)
        return 0;
    (void)pthread_mutex_lock(&w->shared.lock);
    struct null_upload *u = upload_locked(w, id);
    if (u) {
        count = u->part_count;
        memcpy(parts, u->parts, count * sizeof *parts);
        u->id = 0;
    }
    (void)pthread_mutex_unlock(&w->shared.lock);
    return count;
}

static int answer_upload_end(struct call *c)
{
    uint64_t *parts = tn_arena_alloc(c->arena, NULL_PARTS_MAX * sizeof *parts);
    unsigned char md5[TN_MD5_LEN];
    char etag[2 * TN_MD5_LEN + 1], crc[TN_BASE64_LEN(8) + 1];
    TN_AUTO_BUF digests = TN_BUF_INIT(NULL_PARTS_MAX * TN_MD5_LEN);
    uint64_t sum = 0;
    if (!parts)
        return TARN_ENOMEM;
    uint32_t count = upload_take(c, parts);
    if (count == 0)
        return answer_error(c, 404, "NoSuchUpload");
    for (uint32_t i = 0; i < count; i++) {
        struct null_digest d = digest_of(c->world, parts[i]);
        sum = tn_crc64nvme_combine(sum, d.crc, parts[i]);
        if (tn_buf_append(&digests, d.md5, sizeof d.md5) < 0)
            return TARN_ENOMEM;
    }
    tn_md5(digests.data, digests.len, md5);
    tn_hex_encode(md5, sizeof md5, etag);
    crc_text(sum, crc);
    const char *text = tn_arena_printf(
        c->arena,
        "<?xml version=\"1.0\"?>\n<CompleteMultipartUploadResult><Bucket>%.*s</Bucket><Key>%.*s"
        "</Key><ETag>&quot;%s-%u&quot;</ETag><ChecksumCRC64NVME>%s</ChecksumCRC64NVME>"
        "<ChecksumType>FULL_OBJECT</ChecksumType></CompleteMultipartUploadResult>",
        TN_STR_ARG(c->bucket), TN_STR_ARG(c->key), etag, count, crc);
    return text ? answer_document(c, 200, tn_str_from(text)) : TARN_ENOMEM;
}

static int answer_bucket(struct call *c)
{
    if (tn_str_eq(c->head->method, TN_STR("GET")) && tn_query_has(&c->query, "location"))
        return answer_document(c, 200,
                               TN_STR("<LocationConstraint "
                                      "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"/>"));
    if (tn_str_eq(c->head->method, TN_STR("GET")) &&
        (c->query.count == 0 || tn_query_has(&c->query, "list-type") ||
         tn_query_has(&c->query, "prefix") || tn_query_has(&c->query, "max-keys") ||
         tn_query_has(&c->query, "marker") || tn_query_has(&c->query, "delimiter")))
        return answer_listing(c);
    if (tn_str_eq(c->head->method, TN_STR("HEAD")) || tn_str_eq(c->head->method, TN_STR("PUT")))
        return answer_empty(c, 200);
    return answer_error(c, 501, "NotImplemented");
}

static int answer_key(struct call *c)
{
    struct tn_str method = c->head->method;
    if (tn_str_eq(method, TN_STR("GET")) || tn_str_eq(method, TN_STR("HEAD")))
        return answer_object(c);
    if (tn_str_eq(method, TN_STR("PUT")))
        return answer_put(c);
    if (tn_str_eq(method, TN_STR("DELETE")))
        return answer_empty(c, 204);
    if (tn_str_eq(method, TN_STR("POST")) && tn_query_has(&c->query, "uploads"))
        return answer_upload_begin(c);
    if (tn_str_eq(method, TN_STR("POST")) && tn_query_has(&c->query, "uploadId"))
        return answer_upload_end(c);
    return answer_error(c, 501, "NotImplemented");
}

int null_answer(struct null_world *w, struct tn_arena *a, const struct tn_http1_head *head,
                struct tn_buf *out, uint64_t *zeros)
{
    struct call c = { .world = w, .arena = a, .head = head, .out = out, .zeros = zeros };
    struct tn_url url;
    struct tn_str path;
    *zeros = 0;
    c.body_len = head->content_length;
    struct tn_str decoded = tn_http1_value(head, TN_STR("x-amz-decoded-content-length"));
    if (decoded.len > 0 && tn_str_to_u64(decoded, &c.body_len) < 0)
        return answer_error(&c, 400, "InvalidArgument");
    if (tn_url_parse_target(head->target, &url) < 0 ||
        tn_uri_decode_in(a, url.path, 0, &path) < 0 ||
        tn_query_parse(a, url.query, TN_URI_PLUS_IS_SPACE, &c.query) < 0)
        return answer_error(&c, 400, "InvalidURI");
    path = tn_str_sub(path, 1, SIZE_MAX);
    c.bucket = tn_str_split(&path, '/');
    c.key = path;
    if (c.bucket.len == 0)
        return answer_error(&c, 501, "NotImplemented");
    return c.key.len == 0 ? answer_bucket(&c) : answer_key(&c);
}
