/* SPDX-License-Identifier: Apache-2.0 */
/* The door between libcurl and base/mem.c. */

#include "unit/client/curl_memory.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/curl_door.h"

static atomic_bool has_failed;

static void *note(void *p)
{
    if (!p)
        atomic_store(&has_failed, true);
    return p;
}

static void *give(size_t len)
{
    return note(tn_realloc(NULL, len));
}

static void *grow(void *p, size_t len)
{
    return note(tn_realloc(p, len));
}

static void *give_clear(size_t count, size_t len)
{
    return note(tn_calloc(count, len));
}

static char *copy(const char *text)
{
    return note(tn_strdup(text));
}

void curl_memory_count(void)
{
    typedef CURLcode (*init_fn)(long flags, curl_malloc_callback, curl_free_callback,
                                curl_realloc_callback, curl_strdup_callback, curl_calloc_callback);
    void *library = dlopen(TARN_CURL_LIBRARY, RTLD_NOW | RTLD_LOCAL);
    void *found = library ? dlsym(library, "curl_global_init_mem") : NULL;
    init_fn init;
    memcpy(&init, &found, sizeof init);
    if (!init || init(CURL_GLOBAL_DEFAULT, give, tn_free, grow, copy, give_clear) != CURLE_OK)
        (void)fprintf(stderr, "libcurl's memory cannot be counted\n");
}

bool curl_memory_has_failed(void)
{
    return atomic_load(&has_failed);
}

void curl_memory_reset(void)
{
    atomic_store(&has_failed, false);
}
