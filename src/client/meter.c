/* SPDX-License-Identifier: Apache-2.0 */
/* Meters of progress. */

#include <tarn/events.h>

#include <pthread.h>

#include "base/clock.h"
#include "base/mem.h"

enum { SAMPLE_MS = 100 };
#define SMOOTH_S 3.0 /* a change shows by two thirds after so long */
#define NS_PER_S 1e9

void tarn_meter_start(struct tarn_meter *meter, uint64_t bytes_total)
{
    uint64_t now = tn_now_ns();
    *meter =
        (struct tarn_meter){ .bytes_total = bytes_total, .started_ns = now, .sampled_ns = now };
}

void tarn_meter_set(struct tarn_meter *meter, uint64_t bytes)
{
    uint64_t now = tn_now_ns();
    double passed_s = (double)(now - meter->sampled_ns) / NS_PER_S;
    meter->bytes = bytes;
    if (passed_s < SAMPLE_MS / 1000.0)
        return;
    uint64_t moved = bytes > meter->sampled_bytes ? bytes - meter->sampled_bytes : 0;
    double rate = (double)moved / passed_s;
    bool is_first = meter->sampled_ns == meter->started_ns;
    double weight = is_first ? 1 : passed_s / (passed_s + SMOOTH_S);
    meter->rate += (rate - meter->rate) * weight;
    if (rate > meter->peak)
        meter->peak = rate;
    meter->sampled_ns = now;
    meter->sampled_bytes = bytes;
}

double tarn_meter_average(const struct tarn_meter *meter)
{
    double passed_s = (double)(tn_now_ns() - meter->started_ns) / NS_PER_S;
    return passed_s > 0 ? (double)meter->bytes / passed_s : 0;
}

double tarn_meter_rate(const struct tarn_meter *meter)
{
    return meter->sampled_ns == meter->started_ns ? tarn_meter_average(meter) : meter->rate;
}

double tarn_meter_percent(const struct tarn_meter *meter)
{
    if (meter->bytes_total == 0)
        return 0;
    double percent = 100.0 * (double)meter->bytes / (double)meter->bytes_total;
    return percent > 100 ? 100 : percent;
}

int64_t tarn_meter_eta_ms(const struct tarn_meter *meter)
{
    double rate = tarn_meter_rate(meter);
    if (meter->bytes_total == 0 || rate < 1)
        return -1;
    if (meter->bytes >= meter->bytes_total)
        return 0;
    double ms = 1000.0 * (double)(meter->bytes_total - meter->bytes) / rate;
    return ms < 1e15 ? (int64_t)ms : -1;
}

/* ---- the sum ---- */

struct tarn_progress_sum {
    tarn_progress_total_fn each;
    void *arg;
    struct {
        pthread_mutex_t lock; /* also held during `each` */
        struct tarn_meter meter;
        struct tarn_progress_total total;
        uint64_t told_ns;
    } shared;
};

struct tarn_progress_sum *tarn_progress_sum_new(tarn_progress_total_fn each, void *arg)
{
    struct tarn_progress_sum *sum = tn_calloc(1, sizeof *sum);
    if (!sum)
        return NULL;
    sum->each = each;
    sum->arg = arg;
    (void)pthread_mutex_init(&sum->shared.lock, NULL);
    tarn_meter_start(&sum->shared.meter, 0);
    return sum;
}

void tarn_progress_sum_free(struct tarn_progress_sum *sum)
{
    if (!sum)
        return;
    (void)pthread_mutex_destroy(&sum->shared.lock);
    tn_free(sum);
}

/* With the lock held. */
static void refresh(struct tarn_progress_sum *sum)
{
    struct tarn_progress_total *t = &sum->shared.total;
    sum->shared.meter.bytes_total = t->bytes_total;
    tarn_meter_set(&sum->shared.meter, t->bytes);
    t->rate = tarn_meter_rate(&sum->shared.meter);
    t->eta_ms = tarn_meter_eta_ms(&sum->shared.meter);
}

/* With the lock held. */
static void tell(struct tarn_progress_sum *sum, bool is_last)
{
    uint64_t now = tn_now_ns();
    refresh(sum);
    if (!sum->each || (!is_last && now - sum->shared.told_ns < (uint64_t)SAMPLE_MS * 1000000u))
        return;
    sum->shared.told_ns = now;
    sum->each(sum->arg, &sum->shared.total);
}

void tarn_progress_sum_begin(struct tarn_progress_sum *sum, uint64_t bytes_total)
{
    (void)pthread_mutex_lock(&sum->shared.lock);
    sum->shared.total.transfers++;
    sum->shared.total.bytes_total += bytes_total;
    tell(sum, false);
    (void)pthread_mutex_unlock(&sum->shared.lock);
}

void tarn_progress_sum_add(struct tarn_progress_sum *sum, uint64_t bytes)
{
    (void)pthread_mutex_lock(&sum->shared.lock);
    sum->shared.total.bytes += bytes;
    tell(sum, false);
    (void)pthread_mutex_unlock(&sum->shared.lock);
}

void tarn_progress_sum_end(struct tarn_progress_sum *sum, bool success)
{
    (void)pthread_mutex_lock(&sum->shared.lock);
    struct tarn_progress_total *t = &sum->shared.total;
    t->completed += success;
    t->failed += !success;
    tell(sum, t->completed + t->failed == t->transfers);
    (void)pthread_mutex_unlock(&sum->shared.lock);
}

void tarn_progress_sum_get(struct tarn_progress_sum *sum, struct tarn_progress_total *total)
{
    (void)pthread_mutex_lock(&sum->shared.lock);
    refresh(sum);
    *total = sum->shared.total;
    (void)pthread_mutex_unlock(&sum->shared.lock);
}
