/* SPDX-License-Identifier: Apache-2.0 */
/* An engine that keeps all in memory and forgets it at the end: for tests of what stands on
 * store.h. It keeps the promises of the table but for durability. */

#ifndef SERVER_STORE_MEM_MEM_STORE_H
#define SERVER_STORE_MEM_MEM_STORE_H

#include "server/store/store.h"

struct mem_store_config {
    uint64_t len_max; /* bytes of bodies in all, past which changes fail with TARN_ENOSPACE; 0: no
                         limit */
    bool is_cold;     /* every read that may not wait answers TARN_EAGAIN */
};

/* TARN_ENOMEM. */
TN_MUST_USE int mem_store_open(const struct mem_store_config *config, struct store **out,
                               struct tarn_error *err);

#endif
