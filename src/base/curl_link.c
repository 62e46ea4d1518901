/* SPDX-License-Identifier: Apache-2.0 */
/* Where libcurl is linked, it only wants to be initialised. */

#include "base/curl_door.h"

#include <pthread.h>

static void init(void)
{
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
}

int tn_curl_load(struct tarn_error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)err;
    (void)pthread_once(&once, init);
    return TARN_OK;
}
