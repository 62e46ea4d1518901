/* SPDX-License-Identifier: Apache-2.0 */
/* One scheduler over all objects of a job: files up, objects down, and whatever else is done once
 * an object. Objects of one request need no thread of their own, so that thousands of small ones
 * cost little more than their system calls; the others run as the blocking calls of
 * <tarn/transfer.h> do. All share the client's connections and its memory.
 *
 * Thread rule: one thread submits. `done` is called once for each object, in an I/O thread or one
 * of the job's: it must neither wait nor call what does (no transfers, no submitting but
 * tarn_job_delete, no tarn_job_free). tarn_client_cancel ends the job early; every `done` is called
 * nevertheless. */

#ifndef TARN_JOB_H
#define TARN_JOB_H

#include <tarn/transfer.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tarn_job; /* one thread submits */

struct tarn_job_options {
    uint32_t objects_max; /* begun and not done; default 256, at most 4,096 */
    void *reserved[4];
};

/* `info` may be moved away (zero it then); it and `err`, which is NULL for TARN_OK, last for the
 * call. May be NULL where it is given. */
typedef void (*tarn_job_done_fn)(void *arg, int status, struct tarn_object_info *info,
                                 const struct tarn_error *err);

/* Some other work for an object: may block. */
typedef int (*tarn_job_call_fn)(void *arg, struct tarn_object_info *info, struct tarn_error *err);

/* NULL on failure: TARN_EINVAL, TARN_ENOMEM. `options` NULL: the defaults. The client must outlive
 * it. */
TARN_API struct tarn_job *tarn_job_new(struct tarn_client *client,
                                       const struct tarn_job_options *options,
                                       struct tarn_error *err);

/* Each queues one object, waiting while twice objects_max are queued. The texts and all that
 * `options` points to must last until `done`; the structure itself is copied. What can be told at
 * once (TARN_EINVAL, TARN_ENOMEM) is the result, and `done` is not called then.
 *
 * `options` as for tarn_upload_file; request.cancel counts for objects in parts only, progress and
 * on_resume are called in a thread of the job's, for these only. */
TARN_API int tarn_job_upload(struct tarn_job *job, const char *path, const char *bucket,
                             const char *key, const struct tarn_transfer_options *options,
                             tarn_job_done_fn done, void *arg, struct tarn_error *err);

/* As tarn_download_file. The size hint decides whether there is one request; an object that has
 * grown since is fetched once more. */
TARN_API int tarn_job_download(struct tarn_job *job, const char *bucket, const char *key,
                               const char *path, const struct tarn_transfer_options *options,
                               tarn_job_done_fn done, void *arg, struct tarn_error *err);

/* As tarn_object_copy: one request where options->source_size says that it is enough. */
TARN_API int tarn_job_copy(struct tarn_job *job, const char *source_bucket, const char *source_key,
                           const char *bucket, const char *key,
                           const struct tarn_copy_options *options, tarn_job_done_fn done,
                           void *arg, struct tarn_error *err);

/* As tarn_object_delete. Never waits for room in the queue, so that `done` may call it, too: for
 * what is to go once it has been copied. */
TARN_API int tarn_job_delete(struct tarn_job *job, const char *bucket, const char *key,
                             const struct tarn_delete_options *options, tarn_job_done_fn done,
                             void *arg, struct tarn_error *err);

/* Runs `call` in a thread of the job's; its status is what `done` gets. */
TARN_API int tarn_job_call(struct tarn_job *job, tarn_job_call_fn call, tarn_job_done_fn done,
                           void *arg, struct tarn_error *err);

/* What has not begun ends with TARN_ECANCELLED, what is submitted from now on, too. What has begun
 * goes on. Any thread, `done` as well. */
TARN_API void tarn_job_cancel(struct tarn_job *job);

/* Waits until all is done. The submitting thread's. */
TARN_API void tarn_job_wait(struct tarn_job *job);

/* The same, then frees. Accepts NULL. */
TARN_API void tarn_job_free(struct tarn_job *job);

#ifdef __cplusplus
}
#endif

#endif
