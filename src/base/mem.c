/* SPDX-License-Identifier: Apache-2.0 */
/* The one door to the heap. */

#include "base/mem.h"

#include <stdatomic.h>

static atomic_long countdown_to_failure;
static atomic_bool failure_happened;

static bool must_fail(void)
{
    if (atomic_load_explicit(&countdown_to_failure, memory_order_relaxed) == 0)
        return false;
    if (atomic_fetch_sub(&countdown_to_failure, 1) != 1)
        return false;
    atomic_store(&failure_happened, true);
    return true;
}

void *tn_realloc(void *p, size_t len)
{
    if (must_fail())
        return NULL;
    return realloc(p, len ? len : 1);
}

void *tn_calloc(size_t count, size_t len)
{
    if (must_fail())
        return NULL;
    return calloc(count ? count : 1, len ? len : 1);
}

char *tn_memdup(const void *bytes, size_t len)
{
    if (len == SIZE_MAX)
        return NULL;
    char *copy = tn_realloc(NULL, len + 1);
    if (!copy)
        return NULL;
    if (len)
        memcpy(copy, bytes, len);
    copy[len] = '\0';
    return copy;
}

char *tn_strdup(const char *text)
{
    return text ? tn_memdup(text, strlen(text)) : NULL;
}

void tn_free(void *p)
{
    free(p);
}

void tn_wipe(void *p, size_t len)
{
    explicit_bzero(p, len);
}

void tn_free_secret(char *secret)
{
    if (secret)
        tn_wipe(secret, strlen(secret));
    tn_free(secret);
}

void tn_mem_fail_after(long countdown)
{
    atomic_store(&failure_happened, false);
    atomic_store(&countdown_to_failure, countdown);
}

bool tn_mem_has_failed(void)
{
    return atomic_load(&failure_happened);
}
