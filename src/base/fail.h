/* SPDX-License-Identifier: Apache-2.0 */
/* Filling an error record where a failure is first seen. */

#ifndef BASE_FAIL_H
#define BASE_FAIL_H

#include "base/mem.h"

/* Fills `err` (NULL is fine) and returns `status`: `return tn_fail(err, TARN_EINVAL, "bad port
 * \"%s\"", text)`. Line breaks and other control bytes in the message become blanks. `errno` is
 * kept. */
int tn_fail(struct tarn_error *err, int status, const char *format, ...) TN_PRINTF(3, 4);

/* The same from `errno`: appends ": strerror" and picks the status that fits it. */
int tn_fail_errno(struct tarn_error *err, const char *format, ...) TN_PRINTF(2, 3);

/* TARN_ENOSPACE for ENOSPC and EDQUOT, TARN_ENOTFOUND for ENOENT, ... TARN_EIO for what is not
 * known. */
int tn_status_from_errno(int number);

/* Does nothing: the one place for a breakpoint on the first failure. */
void tn_fail_hook(void);

/* TARN_EINVAL when a call was made without what it is about. `handle` is the client, or what was
 * made with one; where a call has no bucket or no key of its own, any text stands for it. Emptiness
 * is for whoever knows what the text must be, NULL for this: further down it means the bucket
 * instead of an object in it. `missing` names another argument that was not given, if there is one
 * (TN_MISSING). */
TN_MUST_USE int tn_check_given(const void *handle, const char *bucket, const char *key,
                               const char *missing, struct tarn_error *err);

/* The same for a call that is about nothing in a bucket. */
TN_MUST_USE int tn_check_missing(const char *missing, struct tarn_error *err);

/* The name of an argument that is NULL, NULL for one that is not; of a text that may not be empty
 * either; of an array with so many items. */
#define TN_MISSING(argument) ((argument) ? NULL : #argument)
#define TN_MISSING_TEXT(text) ((text) && *(text) ? NULL : #text)
#define TN_MISSING_ITEMS(argument, count) ((argument) || (count) == 0 ? NULL : #argument)

static inline const char *tn_missing(const char *first, const char *second)
{
    return first ? first : second;
}

/* The same for names that are empty or no path's: of a source, which goes into a header field, and
 * where other requests come first. */
TN_MUST_USE int tn_check_object(const char *bucket, const char *key, struct tarn_error *err);

#endif
