/* SPDX-License-Identifier: Apache-2.0 */
/* Reads one of the published examples in tests/vectors/sigv4: lines "word value". */

#ifndef TESTS_UNIT_PROTO_SIGV4_VECTOR_H
#define TESTS_UNIT_PROTO_SIGV4_VECTOR_H

#include "base/file.h"
#include "proto/sigv4.h"
#include "unit/t.h"

enum { VECTOR_NOW = 1369353600 }; /* 20130524T000000Z */

static const struct tn_str vector_access_key = { "AKIAIOSFODNN7EXAMPLE", 20 };
static const struct tn_str vector_secret = { "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", 40 };

struct vector {
    struct tn_buf text;
    struct tn_sigv4_request request;
    struct tn_header headers[16];
    struct tn_str payload;
    struct tn_str canonical; /* SHA-256 of the canonical request */
    struct tn_str signed_headers;
    struct tn_str signature;
    struct tn_str chunks[4];
    size_t chunk_count;
    struct tn_str trailer;
    struct tn_str trailer_signature;
    uint64_t expires;
    uint64_t encoded_len;
};

static inline void vector_line(struct vector *v, struct tn_str word, struct tn_str value)
{
    const struct {
        const char *word;
        struct tn_str *field;
    } fields[] = {
        { "method", &v->request.method },
        { "path", &v->request.path },
        { "query", &v->request.query },
        { "payload", &v->payload },
        { "canonical", &v->canonical },
        { "signed", &v->signed_headers },
        { "signature", &v->signature },
        { "trailer", &v->trailer },
        { "trailer-signature", &v->trailer_signature },
    };
    for (size_t i = 0; i < TN_COUNT(fields); i++) {
        if (tn_str_eq(word, tn_str_from(fields[i].word)))
            *fields[i].field = value;
    }
    if (tn_str_eq(word, TN_STR("header"))) {
        struct tn_str name = tn_str_split(&value, ':');
        v->headers[v->request.header_count++] = (struct tn_header){ name, tn_str_trim(value) };
    } else if (tn_str_eq(word, TN_STR("chunk"))) {
        v->chunks[v->chunk_count++] = value;
    } else if (tn_str_eq(word, TN_STR("expires"))) {
        assert_int_equal(tn_str_to_u64(value, &v->expires), TARN_OK);
    } else if (tn_str_eq(word, TN_STR("encoded-length"))) {
        assert_int_equal(tn_str_to_u64(value, &v->encoded_len), TARN_OK);
    }
}

static inline void vector_load(struct vector *v, const char *name)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/sigv4/%s.txt", TARN_TEST_VECTORS, name);
    memset(v, 0, sizeof *v);
    tn_buf_init(&v->text, 65536);
    assert_int_equal(tn_file_read(path, &v->text, NULL), TARN_OK);
    v->request.headers = v->headers;
    struct tn_str rest = tn_buf_str(&v->text);
    while (rest.len) {
        struct tn_str value = tn_str_split(&rest, '\n');
        struct tn_str word = tn_str_split(&value, ' ');
        vector_line(v, word, value);
    }
}

/* The signing that the example describes. */
static inline struct tn_sigv4_signing vector_signing(const struct vector *v)
{
    return (struct tn_sigv4_signing){ .request = v->request,
                                      .access_key = vector_access_key,
                                      .secret = vector_secret,
                                      .region = TN_STR("us-east-1"),
                                      .payload_hash = v->payload,
                                      .now = VECTOR_NOW };
}

#endif
