/* SPDX-License-Identifier: Apache-2.0 */
/* A job and its objects. job.c moves objects between queue, I/O threads and threads that may block;
 * job_object.c knows what they do there. docs/design/engine.md tells why. */

#ifndef CLIENT_JOB_IMPL_H
#define CLIENT_JOB_IMPL_H

#include <sys/stat.h>

#include <tarn/job.h>

#include "client/client_impl.h"

enum tn_object_kind {
    TN_OBJECT_UPLOAD,
    TN_OBJECT_DOWNLOAD,
    TN_OBJECT_COPY,
    TN_OBJECT_DELETE,
    TN_OBJECT_CALL
};

enum tn_object_state {
    TN_OBJECT_QUEUED,
    TN_OBJECT_OPEN,
    TN_OBJECT_EXCHANGE,
    TN_OBJECT_SETTLE,
    TN_OBJECT_BLOCKING,
    TN_OBJECT_DONE,
    TN_OBJECT_STATE_COUNT
};

/* In one place at a time: the job's queue, an I/O thread, or a thread that may block. */
struct tn_object {
    struct tn_object *next; /* in the queue or list it is in */
    struct tarn_job *job;
    struct tn_station *station; /* from its first turn on */
    enum tn_object_kind kind;
    enum tn_object_state state;
    const char *bucket;
    const char *key;
    const char *path;
    const char *source_bucket; /* of a copy */
    const char *source_key;
    union {
        struct tarn_transfer_options options;
        struct tarn_copy_options copy;
        struct tarn_delete_options removal;
    };
    tarn_job_call_fn call;
    tarn_job_done_fn done;
    void *arg;

    bool may_block;    /* it is in a thread for that */
    bool wants_thread; /* its state cannot go on without */
    struct tn_op *op;
    char *block; /* the whole body, of the budget; NULL: it goes from and to the file */
    size_t block_len;
    int fd;
    struct stat before; /* of a file that is sent */
    char *partial;      /* of a file that is received, once it is open: removed in the end */
    struct tarn_object_info info;
    int rc;
    struct tarn_error err;
};

/* A job's place in one I/O thread. */
struct tn_station {
    struct tn_loop_call call; /* there is something in `returned`, or to be had from the queue */
    struct tn_loop_call room_call; /* the I/O thread has room for what the queue may hold */
    struct tarn_job *job;
    struct tn_loop *loop;
    uint32_t active_max;
    uint32_t active_count;      /* of the I/O thread alone, as the next five */
    uint32_t slow_score;        /* of the calls for files */
    uint32_t elsewhere_left;    /* objects that are not to try these calls here */
    struct tn_object *unhashed; /* uploads that wait for others, to be hashed beside them */
    uint32_t unhashed_count;
    bool is_idle;               /* guarded by the job's lock, as the next two */
    struct tn_object *returned; /* from the threads, the last one first */
};

struct tarn_job {
    struct tarn_client *client;
    uint32_t objects_max;
    uint32_t station_count;
    struct tn_station stations[TN_IO_THREADS_LIMIT];
    atomic_bool is_cancelled;
    atomic_int nameless_tries; /* of tn_small_file_write */
    const char *warmed_bucket; /* of the submitting thread, as the next one */
    uint64_t warmed_ns;
    uint32_t threads_max;
    pthread_t *threads;
    struct {
        pthread_mutex_t lock;
        pthread_cond_t has_room; /* in the queue, or nothing is open any more */
        pthread_cond_t has_work; /* for the threads */
        struct tn_object *first, *last;
        uint32_t count;
        uint64_t open; /* queued or active */
        struct tn_object *first_work, *last_work;
        uint32_t work_count;
        uint32_t thread_count;
        uint32_t waiting_count; /* of the threads */
        bool must_stop;
    } shared;
};

/* Runs the object in the I/O thread until it has to wait, or is done and gone. */
void tn_object_advance(struct tn_object *o);

/* Sends those on their way that wait to be hashed. At the end of a turn. */
void tn_station_hash(struct tn_station *s);

/* Runs its state in a thread that may block. */
void tn_object_work(struct tn_object *o);

/* There is no thread for it: it fails. */
void tn_object_refuse(struct tn_object *o);

/* Gives it to a thread, which runs tn_object_work and gives it back. */
void tn_job_hand_over(struct tn_object *o);

/* One of the job's in an I/O thread is done. */
void tn_station_leave(struct tn_station *s);

#endif
