/* SPDX-License-Identifier: Apache-2.0 */
/* What a client tells while it works: an event for each request, and meters for progress. */

#ifndef TARN_EVENTS_H
#define TARN_EVENTS_H

#include <tarn/api.h>

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum tarn_event_kind {
    TARN_EVENT_STARTED, /* a try goes out */
    TARN_EVENT_RETRIED, /* it failed and comes again after delay_ms */
    TARN_EVENT_DONE     /* it is over: status tells how */
};

/* Texts are valid during the call. */
struct tarn_event {
    enum tarn_event_kind kind;
    const char *operation; /* "put object" */
    const char *method;
    const char *bucket; /* NULL: the service */
    const char *key;    /* NULL: the bucket */
    int attempt;        /* from 1 */
    int http_status;    /* 0: no answer */
    int status;         /* TARN_OK or TARN_E..., of DONE */
    uint64_t delay_ms;  /* of RETRIED */
};

/* Called in the client's I/O threads, so at once by as many as there are: it must be quick, and
 * must not call the client. */
typedef void (*tarn_event_fn)(void *arg, const struct tarn_event *event);

/* ---- a meter: bytes over time ---- */

/* Zero-initialise it, then tarn_meter_start. One thread at a time. */
struct tarn_meter {
    uint64_t bytes;       /* so far */
    uint64_t bytes_total; /* 0: unknown */
    uint64_t started_ns;
    uint64_t sampled_ns;
    uint64_t sampled_bytes;
    double rate; /* bytes a second, smoothed */
    double peak;
    void *reserved[2];
};

TARN_API void tarn_meter_start(struct tarn_meter *meter, uint64_t bytes_total);

/* Sets the bytes so far; fewer than before (a retry) does not turn the rate back. */
TARN_API void tarn_meter_set(struct tarn_meter *meter, uint64_t bytes);
TARN_API double tarn_meter_rate(const struct tarn_meter *meter);    /* smoothed, bytes a second */
TARN_API double tarn_meter_average(const struct tarn_meter *meter); /* since the start */
TARN_API double
tarn_meter_percent(const struct tarn_meter *meter); /* 0 when the total is unknown */
TARN_API int64_t tarn_meter_eta_ms(const struct tarn_meter *meter); /* -1 when unknown */

/* ---- the sum of many transfers ---- */

struct tarn_progress_sum;

struct tarn_progress_total {
    uint64_t bytes;
    uint64_t bytes_total;
    uint64_t transfers; /* begun */
    uint64_t completed;
    uint64_t failed;
    double rate;    /* bytes a second, smoothed */
    int64_t eta_ms; /* -1 when unknown */
};

/* At most ten times a second, and once for the last one that ends; by one thread at a time. */
typedef void (*tarn_progress_total_fn)(void *arg, const struct tarn_progress_total *total);

/* NULL when out of memory. Any thread may use it. */
TARN_API struct tarn_progress_sum *tarn_progress_sum_new(tarn_progress_total_fn each, void *arg);
TARN_API void tarn_progress_sum_free(struct tarn_progress_sum *sum); /* accepts NULL */

/* A transfer begins, moves on by `bytes`, ends. */
TARN_API void tarn_progress_sum_begin(struct tarn_progress_sum *sum, uint64_t bytes_total);
TARN_API void tarn_progress_sum_add(struct tarn_progress_sum *sum, uint64_t bytes);
TARN_API void tarn_progress_sum_end(struct tarn_progress_sum *sum, bool success);
TARN_API void tarn_progress_sum_get(struct tarn_progress_sum *sum,
                                    struct tarn_progress_total *total);

#ifdef __cplusplus
}
#endif

#endif
