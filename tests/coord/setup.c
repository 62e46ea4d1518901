/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the proofs. */

#include "coord/setup.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

void setup_die(const char *what, const struct tarn_error *err)
{
    fprintf(stderr, "tarn-coord: %d: %s: %s (%s)\n", (int)getpid(), what,
            err ? err->message : "failed", err ? tarn_status_name(err->status) : "");
    exit(1);
}

struct tarn_client *setup_client(const char *endpoint, int retries_max)
{
    struct tarn_config config;
    struct tarn_error err = { 0 };
    tarn_config_init(&config);
    config.endpoint = endpoint;
    config.addressing = TARN_ADDRESSING_PATH;
    config.retries_max = retries_max;
    config.retry_base_ms = 20;
    config.io_threads = 1;
    struct tarn_client *client = tarn_client_new(&config, &err);
    if (!client)
        setup_die("client", &err);
    return client;
}

uint64_t steady_now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static uint64_t steady(void *arg)
{
    struct test_clock *c = arg;
    uint64_t now = c->is_stopped ? c->stopped_steady_ms : steady_now_ms();
    return now + (uint64_t)atomic_load(&c->steady_offset_ms);
}

static int64_t wall_now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t wall(void *arg)
{
    struct test_clock *c = arg;
    void (*before_write)(void *) = atomic_exchange(&c->before_write, NULL);
    if (before_write)
        before_write(c->before_write_arg);
    int64_t now = c->is_stopped ? c->stopped_wall_ms : wall_now_ms();
    return now + atomic_load(&c->wall_offset_ms);
}

static void nap(void *arg, uint64_t ms)
{
    struct test_clock *c = arg;
    struct timespec delay = { (time_t)(ms / 1000), (long)(ms % 1000) * 1000000 };
    if (c->jumps)
        test_clock_step(c, (int64_t)ms);
    else
        (void)nanosleep(&delay, NULL);
}

void test_clock_step(struct test_clock *c, int64_t ms)
{
    atomic_fetch_add(&c->steady_offset_ms, ms);
    atomic_fetch_add(&c->wall_offset_ms, ms);
}

void test_clock_stop(struct test_clock *c)
{
    c->stopped_steady_ms = steady_now_ms();
    c->stopped_wall_ms = wall_now_ms();
    c->is_stopped = true;
}

void test_clock_init(struct test_clock *c)
{
    atomic_store(&c->steady_offset_ms, 0);
    atomic_store(&c->wall_offset_ms, 0);
    atomic_store(&c->before_write, NULL);
    c->jumps = c->is_stopped = false;
    c->before_write_arg = NULL;
    c->clock = (struct tarn_lock_clock){ steady, wall, nap, c };
}
