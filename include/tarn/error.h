/* SPDX-License-Identifier: Apache-2.0 */
/* The error record: what happened, kept by the caller, of fixed size. */

#ifndef TARN_ERROR_H
#define TARN_ERROR_H

#include <tarn/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Filled at the cause of a failure and passed up unchanged; untouched by calls that succeed. Every
 * text ends in NUL and is cut, never overrun. Zero-initialise it once: `struct tarn_error err =
 * {0}`. It owns nothing, so it may be copied and dropped at will. */
struct tarn_error {
    int status;          /* TARN_E..., the same that the call returned */
    int http_status;     /* of the answer that decided it; 0 when none arrived */
    int attempts;        /* requests sent, 0 when none was */
    long retry_after_ms; /* what the server asked for; 0 when it did not */
    char s3_code[64];    /* such as "NoSuchKey"; empty when there is none */
    char request_id[64]; /* x-amz-request-id; empty when there is none */
    char message[512];   /* one line: what could not be done, to which thing, why */
};

#ifdef __cplusplus
}
#endif

#endif
