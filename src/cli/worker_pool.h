/* SPDX-License-Identifier: Apache-2.0 */
/* Worker threads for the items of a job. */

#ifndef CLI_WORKER_POOL_H
#define CLI_WORKER_POOL_H

#include "base/mem.h"

struct cli_pool;

/* Does one item and frees it. Runs in many threads at once. */
typedef void (*cli_pool_fn)(void *arg, void *item);

/* Threads start as items come, up to `workers`. NULL when out of memory. */
TN_MUST_USE struct cli_pool *cli_pool_new(size_t workers, cli_pool_fn run, void *arg);

/* Hands over an item; waits while twice as many as there are workers wait already. With no thread
 * to be had at all, the caller does the item. One thread submits. */
void cli_pool_submit(struct cli_pool *pool, void *item);

/* Waits until all items are done; then the pool is gone. Accepts NULL. */
void cli_pool_free(struct cli_pool *pool);

#endif
