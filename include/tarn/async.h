/* SPDX-License-Identifier: Apache-2.0 */
/* The asynchronous form: any blocking call of the library, run by threads of an executor, with a
 * callback at its end.
 *
 * Thread rule: `run` and then `done` are called in one thread of the executor, not the submitter's;
 * different submissions run at the same time, in no order. What they are given must live until
 * `done` returns. `done` is called exactly once for each submission, also for one that was
 * cancelled before it began, and may submit more; it must not free the executor. */

#ifndef TARN_ASYNC_H
#define TARN_ASYNC_H

#include <tarn/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TARN_ASYNC_THREADS_MAX 1024

struct tarn_async; /* any thread */

/* Threads start as they are needed, `threads` at most (0 is 16). `client` is only handed on to
 * `run`, and may be NULL. NULL on failure: TARN_EINVAL above TARN_ASYNC_THREADS_MAX, TARN_ENOMEM.
 */
TARN_API struct tarn_async *tarn_async_new(struct tarn_client *client, uint32_t threads,
                                           struct tarn_error *err);

/* Does the work: `return tarn_object_put(client, ..., err);` */
typedef int (*tarn_async_run_fn)(struct tarn_client *client, void *arg, struct tarn_error *err);

/* `status` is what `run` returned; `err`, never NULL, has the same status, tells more about a
 * failure and lasts for the call. */
typedef void (*tarn_async_done_fn)(void *arg, int status, const struct tarn_error *err);

/* Queues it, without waiting for room. TARN_EINVAL, TARN_ENOMEM (no thread for it, too): `done`
 * will not be called then. `done` may be NULL. */
TARN_API int tarn_async_submit(struct tarn_async *async, tarn_async_run_fn run,
                               tarn_async_done_fn done, void *arg, struct tarn_error *err);

/* Waits until nothing is queued or running. Not from a callback. */
TARN_API void tarn_async_wait(struct tarn_async *async);

/* What has not begun ends with TARN_ECANCELLED; what runs, goes on (tarn_client_cancel ends that).
 */
TARN_API void tarn_async_cancel(struct tarn_async *async);

/* Waits for all, then frees. Accepts NULL. */
TARN_API void tarn_async_free(struct tarn_async *async);

#ifdef __cplusplus
}
#endif

#endif
