/* SPDX-License-Identifier: Apache-2.0 */
/* The load: clients that ask at random and record what they were told. */

#ifndef TESTS_LINEAR_LOAD_H
#define TESTS_LINEAR_LOAD_H

#include <pthread.h>
#include <stdatomic.h>

#include "linear/checker.h"
#include "linear/http.h"
#include "linear/options.h"
#include "linear/server.h"

/* One operation, with the key and the run of tarnd that it went to. */
struct load_record {
    struct linear_op op;
    uint32_t key;
    uint32_t run;
};

struct load_seen {
    uint32_t key;
    uint32_t value;
};

/* Everything but `load` is its thread's own until it has ended. */
struct load_client {
    struct load *load;
    pthread_t thread;
    uint32_t number;
    uint64_t random;
    struct linear_http http;
    size_t run; /* that `http` is connected to */
    struct tn_buf body;
    struct load_seen seen[LINEAR_ACTIVE_MAX]; /* the last value of each active key */
    struct load_record *records;
    size_t record_count;
    size_t record_cap;
    uint64_t refused; /* 409 and 503 SlowDown */
    uint64_t failed;  /* other 5xx */
    uint64_t unheard; /* reads and preparations without an answer */
};

struct load {
    const struct linear_options *options;
    struct linear_server *server;
    uint64_t end_ns; /* 0: none */
    struct load_client *clients;
    atomic_uint_fast64_t recorded;
    atomic_uint_fast64_t numbers; /* of values */
    atomic_uint_fast64_t uses[LINEAR_ACTIVE_MAX];
    atomic_uint_fast32_t running;
    atomic_bool is_over;
    struct {
        pthread_mutex_t lock;
        char text[1024]; /* the first answer that no S3 server may give; empty: none */
    } odd;
};

TN_MUST_USE int load_init(struct load *l, const struct linear_options *options,
                          struct linear_server *server, struct tarn_error *err);
void load_release(struct load *l);

/* Makes the bucket, then starts the clients; TARN_OK means that load_join() is owed. */
TN_MUST_USE int load_start(struct load *l, struct tarn_error *err);
bool load_is_running(struct load *l);
void load_join(struct load *l);

/* Reads all keys that were used, once; no client runs. */
TN_MUST_USE int load_read_all(struct load *l, struct tarn_error *err);

/* Keys used so far are 0 to this - 1, perhaps with holes. */
uint32_t load_key_end(struct load *l);

#endif
