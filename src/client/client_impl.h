/* SPDX-License-Identifier: Apache-2.0 */
/* The client itself: settings, threads, and the caches that all requests share. */

#ifndef CLIENT_CLIENT_IMPL_H
#define CLIENT_CLIENT_IMPL_H

#include "client/budget.h"
#include "client/hosts.h"
#include "client/cred.h"
#include "client/limit.h"
#include "client/loop.h"
#include "client/op.h"
#include "client/pace.h"
#include "client/settings.h"

enum {
    TN_REGION_CACHE_COUNT = 256,
    TN_OP_POOL_MAX = 512,
    TN_RETRY_TOKENS_MAX = 500, /* the budget: full at the start */
    TN_RETRY_COST = 5, /* of a retry; throttled ones are free, the delay is their price; so is what
                          the server has corrected (region, clock, keys) */
    TN_RETRY_REFUND = 1,        /* for each request that succeeds */
    TN_CLOCK_OFFSET_MIN_S = 60, /* less is no skew */
};

struct tarn_client {
    struct tn_settings settings;
    struct tn_budget budget;
    struct tn_cred_store credentials;
    struct tn_limit bandwidth;
    struct tn_limit request_rate;
    struct tn_pace pace; /* and what the server takes */
    bool has_wire;       /* exchanges go without curl */
    struct tn_hosts hosts;
    CURLSH *share; /* TLS sessions */
    pthread_mutex_t share_lock;
    atomic_bool is_cancelled;
    atomic_int_fast64_t clock_offset_s; /* server's clock less ours */
    atomic_int retry_tokens;
    atomic_int payload_form;     /* the best one that is not known to be refused */
    atomic_bool knows_checksums; /* the server does, and those behind bodies */
    atomic_bool knows_trailers;
    atomic_bool repeats_no_parts; /* the server loses those that come twice */
    atomic_uint_fast64_t requests;
    atomic_uint_fast64_t retries;
    atomic_uint_fast64_t bytes_up;
    atomic_uint_fast64_t bytes_down;

    struct {
        pthread_mutex_t lock;
        struct tn_op *first;
        size_t count;
    } pool;

    struct {
        pthread_mutex_t lock;
        size_t next; /* slot to overwrite */
        struct {
            char bucket[64];
            char region[TARN_REGION_LEN_MAX];
        } slots[TN_REGION_CACHE_COUNT];
    } regions;

    struct {
        pthread_mutex_t lock;
        atomic_int count; /* started */
        int max;
        struct tn_loop *items[TN_IO_THREADS_LIMIT];
    } loops;
};

/* The bucket's region as learnt, or the client's. */
void tn_client_region_get(struct tarn_client *c, const char *bucket, char out[TARN_REGION_LEN_MAX]);
void tn_client_region_set(struct tarn_client *c, const char *bucket, struct tn_str region);

/* The loop with the least to do; starts one more when all are busy. NULL when none could be
 * started. */
struct tn_loop *tn_client_loop(struct tarn_client *c, struct tarn_error *err);

/* I/O thread number `i` of at most loops.max, those before it started, too. NULL when it could not
 * be. */
struct tn_loop *tn_client_loop_at(struct tarn_client *c, int i, struct tarn_error *err);

/* Takes the price of a retry from the budget; false when it is spent. */
bool tn_client_may_retry(struct tarn_client *c, bool is_free);
void tn_client_did_well(struct tarn_client *c);

/* The algorithm as the proto layer calls it; DEFAULT is the client's. */
enum tn_checksum_kind tn_client_checksum(const struct tarn_client *c, enum tarn_checksum wanted);

#endif
