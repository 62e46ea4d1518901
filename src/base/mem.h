/* SPDX-License-Identifier: Apache-2.0 */
/* The one door to the heap, so that tests can fail any allocation. */

#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tarn/error.h>

#include "base/banned.h"

#define TN_MUST_USE __attribute__((warn_unused_result))
#define TN_PRINTF(text, args) __attribute__((format(printf, text, args)))
#define TN_COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define TN_CONTAINER(pointer, type, member)                                                        \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

/* Moves ownership out of `p`: yields its value and leaves NULL behind. */
#define TN_TAKE(p)                                                                                 \
    __extension__({                                                                                \
        __typeof__(p) taken_ = (p);                                                                \
        (p) = NULL;                                                                                \
        taken_;                                                                                    \
    })

/* Like realloc(), but `len` 0 is an allocation of one byte. NULL when out of memory, `p` then unchanged. */
TN_MUST_USE void *tn_realloc(void *p, size_t len);

/* `count` zeroed elements of `len` bytes; NULL when out of memory or when the product overflows. */
TN_MUST_USE void *tn_calloc(size_t count, size_t len);

/* A copy of `len` bytes with a NUL behind them. */
TN_MUST_USE char *tn_memdup(const void *bytes, size_t len);

/* A copy of a NUL-terminated text; NULL for NULL. */
TN_MUST_USE char *tn_strdup(const char *text);

void tn_free(void *p); /* accepts NULL */

/* Overwrites secrets in a way that the compiler keeps. */
void tn_wipe(void *p, size_t len);

/* Wipes a NUL-terminated secret, then frees it. Accepts NULL. */
void tn_free_secret(char *secret);

/* TN_AUTO_FREE char *p = ...; frees at the end of the scope. */
static inline void tn_free_at(void *p)
{
    void *inner;
    memcpy(&inner, p, sizeof inner);
    tn_free(inner);
}
#define TN_AUTO_FREE __attribute__((cleanup(tn_free_at)))

/* For tests: the allocation number `countdown` from now (1 is the next) fails, once; 0 turns it off.
 * Process-wide. */
void tn_mem_fail_after(long countdown);

/* For tests: true when the armed failure has happened. */
bool tn_mem_has_failed(void);

#endif
