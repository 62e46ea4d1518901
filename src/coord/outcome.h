/* SPDX-License-Identifier: Apache-2.0 */
/* What a failed write may have done all the same, and small things that all of coordination needs.
 */

#ifndef COORD_OUTCOME_H
#define COORD_OUTCOME_H

#include <tarn/multipart.h>

#include "base/fail.h"
#include "base/str.h"

enum { TN_NONCE_LEN = 32 }; /* hexadecimal digits */

/* 128 random bits in hexadecimal, with a NUL. */
void tn_nonce(char out[TN_NONCE_LEN + 1]);

/* True when the request may have taken effect although the call failed: no answer, an answer that
 * says nothing (5xx), or a refusal that an earlier try of the same call may have caused itself (the
 * library sends again what was not answered, and so may anything on the way). */
bool tn_outcome_is_unclear(int status);

/* True for failures that another try may not meet. */
bool tn_outcome_is_passing(int status);

/* A jittered pause: half to all of base * 2^(tries-1), at most cap. */
uint64_t tn_outcome_pause_ms(int tries, uint64_t base_ms, uint64_t cap_ms);

/* Sleeps for such a pause; not on once the flag of a request (NULL: none) says that it is
 * cancelled. */
void tn_outcome_sleep(uint64_t ms, const volatile int *cancel);

/* How long of it may be slept at once. */
uint64_t tn_outcome_slice_ms(uint64_t ms, const volatile int *cancel);

/* Metadata `name` of an object, or NULL. */
const char *tn_info_metadata(const struct tarn_object_info *info, const char *name);

/* A field of the answer's head ("date"), or NULL. */
const char *tn_info_header(const struct tarn_object_info *info, const char *name);

/* "Fri, 20 Nov 2026 01:02:03 GMT" in Unix milliseconds, whatever the locale; -1 for anything else.
 */
int64_t tn_http_date_ms(const char *text);

/* Copies with its end cut off, never overrun. */
void tn_text_copy(char *out, size_t cap, const char *text);

#endif
