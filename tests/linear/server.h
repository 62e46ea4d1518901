/* SPDX-License-Identifier: Apache-2.0 */
/* A tarnd of our own that is killed and started again on the same store. */

#ifndef TESTS_LINEAR_SERVER_H
#define TESTS_LINEAR_SERVER_H

#include <pthread.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/fail.h"

enum { LINEAR_ROOT_LEN_MAX = 1024, LINEAR_PATH_LEN_MAX = 1100, LINEAR_RUNS_MAX = 1000000 };

/* One thread starts and stops it, the one that made it; any thread may ask where it is. */
struct linear_server {
    const char *program;
    char root[LINEAR_ROOT_LEN_MAX]; /* holds store and logs */
    pid_t pid;                      /* 0: none */
    uint64_t *listening_ns;         /* of each run; the owner's */
    struct {
        pthread_mutex_t lock;
        size_t run_count; /* runs that listened so far */
        unsigned port;    /* of the last one */
    } shared;
};

/* Makes a directory of its own below `directory`. */
TN_MUST_USE int linear_server_init(struct linear_server *s, const char *program,
                                   const char *directory, struct tarn_error *err);

/* Kills what runs; removes the directory unless `keeps_directory`. */
void linear_server_release(struct linear_server *s, bool keeps_directory);

/* Starts it and waits until it listens. */
TN_MUST_USE int linear_server_start(struct linear_server *s, struct tarn_error *err);

/* SIGKILL; fails when it had ended by itself or its log tells of a sanitizer's report. */
TN_MUST_USE int linear_server_kill(struct linear_server *s, struct tarn_error *err);

/* SIGTERM; fails also unless it ends with 0 within a minute. */
TN_MUST_USE int linear_server_stop(struct linear_server *s, struct tarn_error *err);

/* Fails when it has ended by itself. */
TN_MUST_USE int linear_server_check(struct linear_server *s, struct tarn_error *err);

/* The port of the last run, and which run that is (0 is the first). */
unsigned linear_server_port(struct linear_server *s, size_t *run);

#endif
