/* SPDX-License-Identifier: Apache-2.0 */
/* What locks and swaps cost, uncontended: figures for make bench. */

#include <stdio.h>

#include "coord/setup.h"

enum { MEASURE_MS = 3000 };

static double per_second(long count, uint64_t begun_ms)
{
    return (double)count * 1000.0 / (double)(steady_now_ms() - begun_ms + 1);
}

static double locks_per_second(const struct setup *s, struct tarn_client *client)
{
    struct tarn_lock_options options = { .ttl_ms = 30000 };
    uint64_t begun = steady_now_ms();
    long count = 0;
    for (; steady_now_ms() - begun < MEASURE_MS; count++) {
        struct tarn_lock *lock = NULL;
        struct tarn_error err = { 0 };
        if (tarn_lock_acquire(client, s->bucket, s->name, &options, &lock, &err) < 0 ||
            tarn_lock_release(lock, &err) < 0)
            setup_die("lock", &err);
    }
    return per_second(count, begun);
}

static int replace(void *arg, const void *present, void **next)
{
    long *n = arg;
    char text[32];
    (void)present;
    int len = snprintf(text, sizeof text, "%ld", ++*n);
    *next = tarn_bytes_new(text, (size_t)len);
    return *next ? TARN_OK : TARN_ENOMEM;
}

static double swaps_per_second(const struct setup *s, struct tarn_client *client)
{
    struct tarn_store *store = tarn_store_new(client, NULL, NULL);
    uint64_t begun = steady_now_ms();
    long n = 0;
    while (steady_now_ms() - begun < MEASURE_MS) {
        struct tarn_error err = { 0 };
        if (tarn_store_update(store, s->bucket, "measured", replace, &n, 0, NULL, &err) < 0)
            setup_die("update", &err);
    }
    tarn_store_free(store);
    return per_second(n, begun);
}

int measure(const struct setup *s)
{
    struct tarn_client *client = setup_client(s->endpoint, 3);
    double locks = locks_per_second(s, client);
    double swaps = swaps_per_second(s, client);
    printf("{\"coord_lock_per_s\": %.1f, \"coord_cas_per_s\": %.1f", locks, swaps);
    measure_buffers();
    printf("}\n");
    tarn_client_free(client);
    return 0;
}
