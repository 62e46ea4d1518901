/* SPDX-License-Identifier: Apache-2.0 */
/* One connection to tarnd that waits for each answer, and knows when it was asked and answered. */

#ifndef TESTS_LINEAR_HTTP_H
#define TESTS_LINEAR_HTTP_H

#include "base/buf.h"
#include "proto/sigv4.h"

#define LINEAR_ACCESS_KEY "LINEARACCESSKEY00001"
#define LINEAR_SECRET_KEY "linearsecret00000000000000000000000000001"

enum { LINEAR_HEADERS_MAX = 3, LINEAR_ANSWER_S = 30 };

struct linear_request {
    struct tn_str method;
    struct tn_str path;
    struct tn_str query;
    struct tn_header headers[LINEAR_HEADERS_MAX]; /* those with a name */
    struct tn_str body;
};

struct linear_http {
    int fd; /* -1: closed */
    unsigned port;
    struct tn_sigv4_key key;
    struct tn_sigv4_scratch scratch;
    struct tn_buf authorization;
    struct tn_buf out;
    struct tn_buf in; /* the answer; its body begins at body_at */
    size_t body_at;
    int status;
    bool was_sent; /* bytes of the request may have reached the server */
    uint64_t asked_ns;
    uint64_t answered_ns;
};

void linear_http_init(struct linear_http *h);
void linear_http_release(struct linear_http *h);

/* TARN_ENETWORK when nobody listens there. */
TN_MUST_USE int linear_http_open(struct linear_http *h, unsigned port);
void linear_http_close(struct linear_http *h);

/* Asks and waits for the whole answer. On failure the connection is closed and `was_sent` tells
 * whether the request may take effect nevertheless. */
TN_MUST_USE int linear_http_ask(struct linear_http *h, const struct linear_request *r);

/* Of the last answer: empty when it is not there. */
struct tn_str linear_http_header(const struct linear_http *h, struct tn_str name);
struct tn_str linear_http_body(const struct linear_http *h);

#endif
