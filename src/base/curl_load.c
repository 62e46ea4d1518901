/* SPDX-License-Identifier: Apache-2.0 */
/* Loading libcurl when it is needed. It stays for the life of the process. */

#include "base/curl_door.h"

#include <assert.h>
#include <dlfcn.h>
#include <pthread.h>

static struct {
    pthread_once_t once;
    bool is_loaded;
    char reason[128];
    struct tn_curl functions;
} door = { .once = PTHREAD_ONCE_INIT };

#define FUNCTION(name)                                                                             \
    {                                                                                              \
        "curl_" #name, offsetof(struct tn_curl, name)                                              \
    }

static const struct {
    const char *name;
    size_t offset;
} functions[] = {
    FUNCTION(global_init),   FUNCTION(easy_init),        FUNCTION(easy_cleanup),
    FUNCTION(easy_setopt),   FUNCTION(easy_getinfo),     FUNCTION(easy_pause),
    FUNCTION(easy_perform),  FUNCTION(easy_strerror),    FUNCTION(multi_init),
    FUNCTION(multi_cleanup), FUNCTION(multi_add_handle), FUNCTION(multi_remove_handle),
    FUNCTION(multi_assign),  FUNCTION(multi_info_read),  FUNCTION(multi_setopt),
    FUNCTION(share_init),    FUNCTION(share_cleanup),    FUNCTION(share_setopt),
    FUNCTION(slist_append),  FUNCTION(slist_free_all),   FUNCTION(multi_socket_action),
};

static void load(void)
{
    void *library = dlopen(TARN_CURL_LIBRARY, RTLD_NOW | RTLD_LOCAL);
    for (size_t i = 0; library && i < TN_COUNT(functions); i++) {
        void *found = dlsym(library, functions[i].name);
        if (!found)
            library = NULL;
        memcpy((char *)&door.functions + functions[i].offset, &found, sizeof found);
    }
    const char *reason = library ? NULL : dlerror();
    if (!library)
        (void)snprintf(door.reason, sizeof door.reason, "%s", reason ? reason : "unknown reason");
    else
        door.is_loaded = door.functions.global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

int tn_curl_load(struct tarn_error *err)
{
    (void)pthread_once(&door.once, load);
    return door.is_loaded ? TARN_OK
                          : tn_fail(err, TARN_ECONFIG,
                                    "could not load libcurl, which https, proxies and services "
                                    "that give keys need: %s",
                                    door.reason);
}

const struct tn_curl *tn_curl(void)
{
    assert(door.is_loaded);
    return &door.functions;
}
