/* SPDX-License-Identifier: Apache-2.0 */
/* multipart/form-data (RFC 7578) as a push parser: bytes in any split, events out. Buffers the head
 * of a part and no data. */

#ifndef PROTO_FORM_DATA_H
#define PROTO_FORM_DATA_H

#include "base/buf.h"
#include "base/fail.h"

enum {
    TN_FORM_BOUNDARY_LEN_MAX = 70,
    TN_FORM_HEAD_LEN_MAX = 8 * 1024, /* of one part */
    TN_FORM_PART_COUNT_MAX = 300,
};

/* Views that last for the call. A negative TARN_E ends the parse with it. */
struct tn_form_handler {
    int (*part)(void *arg, struct tn_str name, struct tn_str filename, bool has_filename,
                struct tn_str content_type);
    int (*data)(void *arg, const char *bytes, size_t len);
    int (*end)(void *arg); /* of the part */
};

enum tn_form_state {
    TN_FORM_START, /* the first boundary, which has no CRLF before it */
    TN_FORM_DATA,
    TN_FORM_AFTER, /* behind a boundary: CRLF, or "--" for the last */
    TN_FORM_HEAD,
    TN_FORM_DONE,
    TN_FORM_FAILED,
};

struct tn_form {
    const struct tn_form_handler *handler;
    void *arg;
    enum tn_form_state state;
    char delimiter[4 + TN_FORM_BOUNDARY_LEN_MAX]; /* CR LF - - boundary */
    size_t delimiter_len;
    size_t matched; /* of the delimiter, or of what follows it */
    char after[2];
    size_t part_count;
    struct tn_buf head;
    int rc; /* of the failure */
};

/* The boundary of a Content-Type; TARN_EINVAL when it is not multipart/form-data with one. */
TN_MUST_USE int tn_form_boundary(struct tn_str content_type, struct tn_str *out);

/* TARN_EINVAL for a boundary that is none. Release it in any case. */
TN_MUST_USE int tn_form_init(struct tn_form *f, struct tn_str boundary,
                             const struct tn_form_handler *handler, void *arg);
void tn_form_release(struct tn_form *f);

/* TARN_EINVAL: malformed; TARN_ETOOBIG: a limit; TARN_ENOMEM; what a callback returned. Final. */
TN_MUST_USE int tn_form_feed(struct tn_form *f, const char *bytes, size_t len,
                             struct tarn_error *err);

/* The last boundary must have come: else TARN_EINVAL. */
TN_MUST_USE int tn_form_finish(const struct tn_form *f, struct tarn_error *err);

#endif
