/* SPDX-License-Identifier: Apache-2.0 */
/* Percent-encoding as S3 does it, and URLs: endpoints, request targets, Host values. */

#ifndef PROTO_URI_H
#define PROTO_URI_H

#include "base/arena.h"
#include "base/buf.h"

enum {
    TN_URI_KEEP_SLASH = 1u << 0,    /* encode: '/' stays as it is (paths, prefixes in listings) */
    TN_URI_PLUS_IS_SPACE = 1u << 1, /* decode: '+' means a blank (query values only, never paths) */
};

enum { TN_URL_LEN_MAX = 32768 };

/* Appends `s` with every byte but A-Z a-z 0-9 - _ . ~ as %XX (upper case). On failure `out` is
 * unchanged. */
TN_MUST_USE int tn_uri_encode(struct tn_buf *out, struct tn_str s, unsigned flags);

/* Appends `s` decoded; any byte may result, NUL and '/' too. TARN_EINVAL for a '%' without two
 * hexadecimal digits. On failure `out` is unchanged. */
TN_MUST_USE int tn_uri_decode(struct tn_buf *out, struct tn_str s, unsigned flags);

/* The same into an arena. Without anything to decode, `out` is `s` itself: it lives as long as
 * both. */
TN_MUST_USE int tn_uri_decode_in(struct tn_arena *a, struct tn_str s, unsigned flags,
                                 struct tn_str *out);

enum tn_host_kind { TN_HOST_NONE, TN_HOST_NAME, TN_HOST_IPV4, TN_HOST_IPV6 };

/* Views into the text that was parsed; nothing is decoded. */
struct tn_url {
    struct tn_str scheme; /* as written; empty in origin-form */
    struct tn_str host;   /* without brackets; empty in origin-form */
    enum tn_host_kind host_kind;
    uint16_t port;      /* 0: none given */
    struct tn_str path; /* begins with '/', or is empty when none was given; "*" in asterisk-form */
    struct tn_str query; /* without '?' */
    bool has_query;      /* true for "/x?" too */
};

/* scheme://host[:port][/path][?query], where host is a name, an IPv4 address or an IPv6 address in
 * brackets. TARN_EINVAL (out unchanged) for anything else: user information, a fragment, control
 * bytes, blanks, port 0. */
TN_MUST_USE int tn_url_parse(struct tn_str text, struct tn_url *out);

/* A request target: origin-form ("/path?query"), absolute-form, or "*". */
TN_MUST_USE int tn_url_parse_target(struct tn_str target, struct tn_url *out);

/* host[:port], as in the Host header: fills only host, host_kind and port. */
TN_MUST_USE int tn_url_parse_host(struct tn_str text, struct tn_url *out);

#endif
