/* SPDX-License-Identifier: Apache-2.0 */
/* Heads: target, host, and what signing needs. */

#include "bench/request.h"

#include "base/clock.h"
#include "bench/noise.h"

static const char *method_of(const struct request *r)
{
    return r->mode == BENCH_PUT ? "PUT" : r->mode == BENCH_DELETE ? "DELETE" : "GET";
}

static int write_target(struct load *l, const struct request *r)
{
    const struct bench_options *o = l->options;
    tn_buf_truncate(&l->target, 0);
    if (r->mode != BENCH_LIST)
        return tn_buf_appendf(&l->target, "/%s/%s%010llu", o->bucket, o->prefix,
                              (unsigned long long)r->key);
    int rc = tn_buf_appendf(&l->target, "/%s?", o->bucket);
    if (rc == TARN_OK && r->token.len)
        rc = tn_buf_appendf(&l->target, "continuation-token=%.*s&", TN_STR_ARG(r->token));
    if (rc == TARN_OK)
        rc = tn_buf_append_text(&l->target, "list-type=2&max-keys=1000");
    return rc;
}

static struct tn_str payload_text(const struct load *l, const struct request *r)
{
    const struct bench_options *o = l->options;
    if (o->is_hashed && r->mode == BENCH_PUT)
        return (struct tn_str){ noise_sha256(r->key, o->size), NOISE_HEX_LEN };
    return TN_STR("UNSIGNED-PAYLOAD");
}

static int append_signature(struct load *l, const struct request *r, struct tn_str host,
                            struct tn_buf *head)
{
    int64_t now = tn_wall_ms() / 1000;
    char date[TN_TIME_LEN];
    tn_time_basic(now, date);
    struct tn_str payload = payload_text(l, r);
    struct tn_header headers[] = {
        { TN_STR("host"), host },
        { TN_STR("x-amz-content-sha256"), payload },
        { TN_STR("x-amz-date"), tn_str_from(date) },
    };
    struct tn_str query = tn_buf_str(&l->target);
    struct tn_sigv4_signing signing = {
        .request = { .method = tn_str_from(method_of(r)),
                     .path = tn_str_split(&query, '?'),
                     .headers = headers,
                     .header_count = TN_COUNT(headers) },
        .access_key = tn_str_from(l->options->access_key),
        .secret = tn_str_from(l->options->secret),
        .region = TN_STR("us-east-1"),
        .payload_hash = payload,
        .now = now,
        .key = &l->key,
    };
    signing.request.query = query;
    char signature[TN_SIGV4_SIGNATURE_LEN + 1];
    tn_buf_truncate(&l->authorization, 0);
    int rc = tn_sigv4_sign(&signing, &l->scratch, &l->authorization, signature, NULL);
    if (rc < 0)
        return rc;
    return tn_buf_appendf(head,
                          "x-amz-date: %s\r\nx-amz-content-sha256: %.*s\r\nAuthorization: %s\r\n",
                          date, TN_STR_ARG(payload), l->authorization.data);
}

static int sign_head(struct load *l, const struct request *r, struct tn_buf *head)
{
    const struct bench_options *o = l->options;
    char host[64];
    (void)snprintf(host, sizeof host, "%s:%u", o->host, (unsigned)o->port);
    tn_buf_truncate(head, 0);
    int rc = write_target(l, r);
    if (rc == TARN_OK)
        rc = tn_buf_appendf(head, "%s %s HTTP/1.1\r\nHost: %s\r\n", method_of(r), l->target.data,
                            host);
    if (rc == TARN_OK && r->mode == BENCH_PUT)
        rc = tn_buf_appendf(head, "Content-Length: %llu\r\n", (unsigned long long)o->size);
    if (rc == TARN_OK && !o->is_unsigned)
        rc = append_signature(l, r, tn_str_from(host), head);
    if (rc == TARN_OK)
        rc = tn_buf_append_text(head, "\r\n");
    return rc;
}

static int sign_heads(struct load *l, enum bench_mode mode, struct signed_heads *heads)
{
    uint64_t count = l->options->key_count;
    TN_AUTO_BUF head = TN_BUF_INIT(TN_SIGV4_AUTHORIZATION_LEN_MAX + 4096);
    TN_AUTO_FREE size_t *ends = tn_calloc(count, sizeof *ends);
    if (!ends)
        return TARN_ENOMEM;
    tn_buf_init(&heads->bytes, SIZE_MAX / 2);
    for (uint64_t key = 0; key < count; key++) {
        struct request r = { .mode = mode, .key = key };
        int rc = sign_head(l, &r, &head);
        if (rc == TARN_OK)
            rc = tn_buf_append_str(&heads->bytes, tn_buf_str(&head));
        if (rc < 0)
            return rc;
        ends[key] = heads->bytes.len;
    }
    heads->ends = TN_TAKE(ends);
    return TARN_OK;
}

int request_sign_all(struct load *l)
{
    enum bench_mode mode = l->options->mode;
    int rc = TARN_OK;
    if (l->options->key_count > LOAD_SIGNED_MAX)
        return TARN_OK;
    if (mode == BENCH_GET || mode == BENCH_MIXED)
        rc = sign_heads(l, BENCH_GET, &l->gets);
    if (rc == TARN_OK && (mode == BENCH_PUT || mode == BENCH_MIXED))
        rc = sign_heads(l, BENCH_PUT, &l->puts);
    return rc;
}

void request_release(struct load *l)
{
    tn_buf_release(&l->gets.bytes);
    tn_buf_release(&l->puts.bytes);
    tn_free(l->gets.ends);
    tn_free(l->puts.ends);
}

int request_head(struct load *l, const struct request *r, struct tn_buf *head)
{
    const struct signed_heads *heads = r->mode == BENCH_PUT ? &l->puts : &l->gets;
    if ((r->mode != BENCH_PUT && r->mode != BENCH_GET) || !heads->ends)
        return sign_head(l, r, head);
    size_t from = r->key ? heads->ends[r->key - 1] : 0;
    tn_buf_truncate(head, 0);
    return tn_buf_append(head, heads->bytes.data + from, heads->ends[r->key] - from);
}
