/* SPDX-License-Identifier: Apache-2.0 */
/* AWS Signature Version 4 in S3's form: signing (client) and checking (server), headers and query.
 *
 * Everything works on views of the request and on scratch buffers of the caller: the path and the
 * query are the raw ones, still percent-encoded. Both sides decode and encode them again in S3's
 * one way, so that clients that encode differently verify too. S3 encodes the path once; other
 * services encode it twice. */

#ifndef PROTO_SIGV4_H
#define PROTO_SIGV4_H

#include "base/buf.h"
#include "proto/header.h"

enum {
    TN_SIGV4_KEY_LEN = 32,
    TN_SIGV4_SIGNATURE_LEN = 64, /* hexadecimal digits */
    TN_SIGV4_SKEW_MAX_S = 15 * 60,
    TN_SIGV4_EXPIRES_MAX_S = 7 * 24 * 60 * 60,
    TN_SIGV4_HEADER_COUNT_MAX = 160, /* signed headers, distinct headers in one request */
    TN_SIGV4_QUERY_COUNT_MAX = 256,
    TN_SIGV4_ACCESS_KEY_LEN_MAX = 128,
    TN_SIGV4_REGION_LEN_MAX = 64,
    TN_SIGV4_SECRET_LEN_MAX = 256,
    TN_SIGV4_AUTHORIZATION_LEN_MAX = 8 * 1024,
    TN_SIGV4_CANONICAL_LEN_MAX = 256 * 1024,
};

/* How the body is covered: what x-amz-content-sha256 says. */
enum tn_sigv4_payload {
    TN_SIGV4_PAYLOAD_HASH,                    /* the SHA-256 in hexadecimal */
    TN_SIGV4_PAYLOAD_UNSIGNED,                /* UNSIGNED-PAYLOAD */
    TN_SIGV4_PAYLOAD_STREAM_SIGNED,           /* STREAMING-AWS4-HMAC-SHA256-PAYLOAD; version 4A:
                                                 STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD */
    TN_SIGV4_PAYLOAD_STREAM_SIGNED_TRAILER,   /* STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER */
    TN_SIGV4_PAYLOAD_STREAM_UNSIGNED_TRAILER, /* STREAMING-UNSIGNED-PAYLOAD-TRAILER */
};

/* The text for x-amz-content-sha256; empty for TN_SIGV4_PAYLOAD_HASH. */
struct tn_str tn_sigv4_payload_text(enum tn_sigv4_payload payload);

/* TARN_EINVAL when it is neither 64 hexadecimal digits nor one of the words. */
TN_MUST_USE int tn_sigv4_payload_parse(struct tn_str text, enum tn_sigv4_payload *out);

/* A request as it is on the wire. `query` is what follows '?', empty when there is none. */
struct tn_sigv4_request {
    struct tn_str method;
    struct tn_str path;
    struct tn_str query;
    const struct tn_header *headers;
    size_t header_count;
    struct tn_str body_hash; /* checking: the SHA-256 of the body in hexadecimal, for services other
                                than S3, whose clients do not send it */
};

/* The signing key of one secret, day, region and service; one caller at a time keeps and reuses it.
 */
struct tn_sigv4_key {
    unsigned char bytes[TN_SIGV4_KEY_LEN];
    char scope[8 + 1 + TN_SIGV4_REGION_LEN_MAX + 1 + 32 +
               1]; /* "20130524/us-east-1/s3"; empty: none yet */
};

/* Derives the key unless `key` holds the one of this scope already (the caller keeps one struct per
 * secret). `date` is yyyymmdd. TARN_EINVAL when a part is too long; `key` is unchanged then. */
TN_MUST_USE int tn_sigv4_key_get(struct tn_sigv4_key *key, struct tn_str secret, struct tn_str date,
                                 struct tn_str region, struct tn_str service);
void tn_sigv4_key_wipe(struct tn_sigv4_key *key);

/* Room that canonicalising needs; kept by the caller and reused, so that the hot path allocates
 * nothing. One thread at a time. */
struct tn_sigv4_scratch {
    struct tn_buf canonical; /* the canonical request, the thing to show when signatures differ */
    struct tn_buf query;     /* encoded pieces of the query */
    struct tn_buf words;     /* decoded values of the claim; the list of signed headers */
};
void tn_sigv4_scratch_init(struct tn_sigv4_scratch *s);
void tn_sigv4_scratch_release(struct tn_sigv4_scratch *s);

/* ---- Signing ---- */

struct tn_sigv4_signing {
    struct tn_sigv4_request request;
    struct tn_str access_key;
    struct tn_str secret;
    struct tn_str session_token; /* presigning puts it into the query; for headers the caller adds
                                    x-amz-security-token */
    struct tn_str region;
    struct tn_str service; /* empty means "s3" */
    struct tn_str
        payload_hash; /* 64 hexadecimal digits or one of the words; empty means UNSIGNED-PAYLOAD */
    int64_t now;      /* seconds since 1970 */
    struct tn_sigv4_key *key; /* optional cache of the caller */
};

/* Appends the value of the Authorization header to `authorization` and stores the signature
 * (NUL-terminated), which seeds the chunk signatures. The request's headers hold Host, x-amz-date
 * (of `now`) and x-amz-content-sha256 already; all are signed but those that proxies change
 * (Authorization, Connection, User-Agent, Expect, Transfer-Encoding, Accept-Encoding, TE, Trailer,
 * Upgrade, ...). TARN_EINVAL for a request that cannot be signed, TARN_ETOOBIG, TARN_ENOMEM;
 * outputs unchanged then. */
TN_MUST_USE int tn_sigv4_sign(const struct tn_sigv4_signing *signing,
                              struct tn_sigv4_scratch *scratch, struct tn_buf *authorization,
                              char signature[TN_SIGV4_SIGNATURE_LEN + 1], struct tarn_error *err);

/* Appends the whole query (the request's own, then X-Amz-Algorithm ... X-Amz-Signature), without
 * '?'. Of the headers only Host and those given are signed. `expires_s` is 1 to
 * TN_SIGV4_EXPIRES_MAX_S. */
TN_MUST_USE int tn_sigv4_presign(const struct tn_sigv4_signing *signing, uint32_t expires_s,
                                 struct tn_sigv4_scratch *scratch, struct tn_buf *query,
                                 struct tarn_error *err);

/* ---- Checking ---- */

enum tn_sigv4_kind { TN_SIGV4_ANONYMOUS, TN_SIGV4_HEADER, TN_SIGV4_PRESIGNED };

/* Why a request was refused, so that the server can answer with the code that S3 uses. */
enum tn_sigv4_problem {
    TN_SIGV4_FINE,
    TN_SIGV4_NO_MEMORY,
    TN_SIGV4_MALFORMED_HEADER,  /* AuthorizationHeaderMalformed */
    TN_SIGV4_MALFORMED_QUERY,   /* AuthorizationQueryParametersError */
    TN_SIGV4_OTHER_MECHANISM,   /* InvalidRequest: not AWS4-HMAC-SHA256, such as "AWS AKID:..." */
    TN_SIGV4_TWO_MECHANISMS,    /* InvalidArgument: header and query at once, or the header twice */
    TN_SIGV4_NO_DATE,           /* AccessDenied: neither x-amz-date nor Date, or not a date */
    TN_SIGV4_NO_CONTENT_SHA256, /* InvalidRequest: x-amz-content-sha256 is missing */
    TN_SIGV4_BAD_CONTENT_SHA256, /* InvalidArgument: x-amz-content-sha256 is none of the allowed */
    TN_SIGV4_UNSIGNED_HEADERS,   /* AccessDenied: host or an x-amz-* header is not signed */
    TN_SIGV4_SKEWED,             /* RequestTimeTooSkewed */
    TN_SIGV4_EXPIRED,            /* AccessDenied "Request has expired" */
    TN_SIGV4_NOT_YET,            /* AccessDenied "Request is not valid yet" */
    TN_SIGV4_MISMATCH,           /* SignatureDoesNotMatch */
    TN_SIGV4_MALFORMED_REQUEST,  /* InvalidURI: bad percent-encoding, too many parameters or headers
                                  */
    TN_SIGV4_PROBLEM_COUNT
};

/* Static text, a sentence fit for the S3 error message. */
const char *tn_sigv4_problem_text(enum tn_sigv4_problem problem);

/* What a request says of its signature. Views of the request, but for the query's values, which are
 * views of scratch->words and valid until its next use. */
struct tn_sigv4_claim {
    enum tn_sigv4_kind kind;
    enum tn_sigv4_payload payload;
    bool is_asymmetric; /* version 4A, sigv4a.h: no region in the scope, `region` is the set */
    struct tn_str access_key;
    struct tn_str scope; /* 20130524/us-east-1/s3/aws4_request */
    struct tn_str date;  /* 20130524 */
    struct tn_str region;
    struct tn_str service;
    struct tn_str signed_headers;
    struct tn_str signature;     /* 64 lower-case hexadecimal digits; of 4A: DER in such digits */
    struct tn_str payload_hash;  /* as in the canonical request */
    struct tn_str session_token; /* empty when there is none */
    int64_t time;                /* of the request, seconds since 1970 */
    char time_text[17];          /* the same as it was signed: 20130524T000000Z */
    uint32_t expires_s;          /* presigned */
};

/* Reads and checks the form of header or query; the clock and the signature come later. For a
 * request with neither, kind is TN_SIGV4_ANONYMOUS. `out` is unchanged unless TN_SIGV4_FINE. */
TN_MUST_USE enum tn_sigv4_problem tn_sigv4_parse(const struct tn_sigv4_request *request,
                                                 struct tn_sigv4_scratch *scratch,
                                                 struct tn_sigv4_claim *out);

/* The clock: skew for headers, start and expiry for presigned requests. */
TN_MUST_USE enum tn_sigv4_problem tn_sigv4_check_time(const struct tn_sigv4_claim *claim,
                                                      int64_t now);

/* The signature, in constant time; of 4A by the key of tn_sigv4a_derive().
 * TN_SIGV4_UNSIGNED_HEADERS, TN_SIGV4_MISMATCH, ... The claim's views stay valid. */
TN_MUST_USE enum tn_sigv4_problem tn_sigv4_verify(const struct tn_sigv4_request *request,
                                                  const struct tn_sigv4_claim *claim,
                                                  const unsigned char key[TN_SIGV4_KEY_LEN],
                                                  struct tn_sigv4_scratch *scratch);

/* ---- Chunks (see aws_chunked.h) ---- */

enum { TN_SIGV4_CHAIN_SIGNATURE_LEN_MAX = 144 }; /* of version 4A: DER in hexadecimal */

/* What the signature of the next chunk depends on. Plain data; wipe it when done. */
struct tn_sigv4_chain {
    unsigned char key[TN_SIGV4_KEY_LEN];
    char time[17];                            /* 20130524T000000Z */
    char scope[TN_SIGV4_REGION_LEN_MAX + 64]; /* 20130524/us-east-1/s3/aws4_request */
    bool is_asymmetric;                       /* version 4A: for tn_sigv4a_chain_take() */
    char previous[TN_SIGV4_CHAIN_SIGNATURE_LEN_MAX + 1]; /* the seed, then each chunk's */
};

/* TARN_EINVAL when the scope is too long or `seed` is not 64 characters. `time` is seconds since
 * 1970. */
TN_MUST_USE int tn_sigv4_chain_init(struct tn_sigv4_chain *chain,
                                    const unsigned char key[TN_SIGV4_KEY_LEN], int64_t time,
                                    struct tn_str scope, struct tn_str seed);
void tn_sigv4_chain_wipe(struct tn_sigv4_chain *chain);

/* Moves chain->previous on to the signature of the chunk with this SHA-256, or of the trailer lines
 * ("name:value\n" each) with this SHA-256. */
void tn_sigv4_chain_chunk(struct tn_sigv4_chain *chain, const unsigned char sha256[32]);
void tn_sigv4_chain_trailer(struct tn_sigv4_chain *chain, const unsigned char sha256[32]);

#endif
