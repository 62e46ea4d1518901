/* SPDX-License-Identifier: Apache-2.0 */
/* The rate that a server takes, against servers in a time of their own. */

#include "unit/t.h"

#include "client/pace.h"

enum {
    STEP_NS = 250 * 1000,
    IN_FLIGHT_MAX = 141,
    NS_PER_MS = 1000 * 1000,
    SLICES_NS = 60 * NS_PER_MS
};
#define NS_PER_S 1000000000u

struct server {
    const char *name;
    double rate;
    double burst;      /* 0: counts by the second of the clock */
    double later_rate; /* from the middle on; 0: the same */
    uint64_t latency_ns;
    uint64_t batch_ns;   /* requests are looked at so seldom */
    uint64_t starved_ns; /* at the beginning the client has a third of the time, in slices */
    unsigned chance;     /* one in so many is refused whatever the rate */
    double held_min;     /* of the rate, in the last two thirds of the time */
    double refused_max;  /* share */
    unsigned seconds;    /* 0: a minute */
};

struct request {
    uint64_t started, due; /* 0: a free place */
};

struct world {
    const struct server *server;
    struct tn_pace pace;
    uint64_t now;
    uint64_t end;
    double tokens;
    uint64_t second;
    unsigned seed;
    struct request requests[IN_FLIGHT_MAX];
    unsigned asked, refused, served, served_late;
};

static double rate_now(const struct world *w)
{
    return w->server->later_rate > 0 && w->now > w->end / 2 ? w->server->later_rate
                                                            : w->server->rate;
}

static void refill(struct world *w, uint64_t ns)
{
    if (w->server->burst > 0) {
        w->tokens += (double)ns / NS_PER_S * rate_now(w);
        if (w->tokens > w->server->burst)
            w->tokens = w->server->burst;
    } else if (w->now / NS_PER_S != w->second) {
        w->second = w->now / NS_PER_S;
        w->tokens = rate_now(w);
    }
}

static bool is_served(struct world *w)
{
    w->seed = w->seed * 1103515245 + 12345;
    if (w->server->chance && (w->seed >> 8) % w->server->chance == 0)
        return false;
    if (w->tokens < 1)
        return false;
    w->tokens -= 1;
    return true;
}

static void answer(struct world *w)
{
    for (size_t i = 0; i < IN_FLIGHT_MAX; i++) {
        struct request *r = &w->requests[i];
        if (r->due == 0 || r->due > w->now)
            continue;
        w->asked++;
        if (is_served(w)) {
            tn_pace_served(&w->pace, r->started, w->now);
            w->served++;
            w->served_late += w->now > w->end / 3;
        } else {
            tn_pace_refused(&w->pace, r->started, w->now);
            w->refused++;
        }
        r->due = 0;
    }
}

static void ask(struct world *w)
{
    uint64_t batch = w->server->batch_ns ? w->server->batch_ns : 1;
    size_t ramp = 16 + w->served / 4; /* as the I/O thread's */
    for (size_t i = 0; i < IN_FLIGHT_MAX && i < ramp; i++) {
        if (w->requests[i].due > 0)
            continue;
        if (tn_pace_take(&w->pace, w->now) > 0)
            return;
        uint64_t due = w->now + w->server->latency_ns;
        w->requests[i] = (struct request){ w->now, (due + batch - 1) / batch * batch };
    }
}

static void run_world(struct world *w, const struct server *server, uint64_t seconds)
{
    *w = (struct world){ .server = server,
                         .now = NS_PER_S,
                         .end = (seconds + 1) * NS_PER_S,
                         .tokens = server->burst,
                         .seed = 7 };
    tn_pace_init(&w->pace, w->now);
    while (w->now < w->end) {
        refill(w, STEP_NS);
        w->now += STEP_NS;
        if (w->now < NS_PER_S + server->starved_ns && w->now % SLICES_NS > SLICES_NS / 3)
            continue;
        answer(w);
        if (w->now / NS_PER_MS != (w->now - STEP_NS) / NS_PER_MS) /* the clock of epoll_wait */
            ask(w);
    }
    tn_pace_release(&w->pace);
}

static void test_servers(void **state)
{
    static const struct server servers[] = {
        { .name = "small burst", .rate = 500, .burst = 20, .latency_ns = 20 * NS_PER_MS },
        { .name = "no burst", .rate = 500, .burst = 2, .latency_ns = 5 * NS_PER_MS },
        { .name = "a second's burst", .rate = 500, .burst = 500, .latency_ns = 20 * NS_PER_MS },
        { .name = "three seconds' burst",
          .rate = 500,
          .burst = 1500,
          .latency_ns = 20 * NS_PER_MS },
        { .name = "window", .rate = 500, .latency_ns = 20 * NS_PER_MS, .refused_max = 0.015 },
        { .name = "small burst, a short job",
          .rate = 300,
          .burst = 30,
          .latency_ns = 2 * NS_PER_MS,
          .seconds = 15 },
        { .name = "a second's burst, a short job",
          .rate = 300,
          .burst = 300,
          .latency_ns = 2 * NS_PER_MS,
          .seconds = 15 },
        { .name = "small burst, farther, a short job",
          .rate = 300,
          .burst = 30,
          .latency_ns = 20 * NS_PER_MS,
          .seconds = 15,
          .refused_max = 0.011 }, /* nearly all of them at the beginning */
        { .name = "a client without time at first",
          .rate = 600,
          .burst = 60,
          .latency_ns = 2 * NS_PER_MS,
          .starved_ns = 2000u * NS_PER_MS,
          .seconds = 9 },
        { .name = "window, a short job",
          .rate = 300,
          .latency_ns = 2 * NS_PER_MS,
          .seconds = 15,
          .refused_max = 0.025 },
        { .name = "fast", .rate = 3500, .burst = 100, .latency_ns = 30 * NS_PER_MS },
        { .name = "slow", .rate = 50, .burst = 10, .latency_ns = 20 * NS_PER_MS },
        { .name = "far", .rate = 500, .burst = 50, .latency_ns = 200 * NS_PER_MS },
        { .name = "in batches",
          .rate = 500,
          .burst = 5,
          .latency_ns = NS_PER_MS,
          .batch_ns = 20 * NS_PER_MS,
          .held_min = 0.45 },
        { .name = "becomes slower",
          .rate = 1000,
          .burst = 50,
          .later_rate = 200,
          .latency_ns = 20 * NS_PER_MS,
          .refused_max = 0.02 },
        { .name = "becomes faster",
          .rate = 200,
          .burst = 50,
          .later_rate = 1000,
          .latency_ns = 20 * NS_PER_MS,
          .held_min = 0.8 },
        { .name = "by chance",
          .rate = 2700,
          .burst = 200000,
          .latency_ns = 50 * NS_PER_MS,
          .chance = 67,
          .held_min = 0.7,
          .refused_max = 0.025 },
        { .name = "by chance, near",
          .rate = 139000,
          .burst = 1e9,
          .latency_ns = NS_PER_MS,
          .chance = 67,
          .refused_max = 0.025,
          .seconds = 15 },
        { .name = "barely too much for it",
          .rate = 2650, /* of 2,820 */
          .burst = 50,
          .latency_ns = 50 * NS_PER_MS,
          .refused_max = 0.012 },
    };
    (void)state;
    for (size_t i = 0; i < TN_COUNT(servers); i++) {
        const struct server *s = &servers[i];
        struct world w;
        uint64_t seconds = s->seconds > 0 ? s->seconds : 60;
        run_world(&w, s, seconds);
        double late = (double)(w.end - w.end / 3) / NS_PER_S;
        double expected = s->rate * late;
        if (s->later_rate > 0)
            expected = (s->rate * (double)(w.end / 2 - w.end / 3) +
                        s->later_rate * (double)(w.end - w.end / 2)) /
                       NS_PER_S;
        double held = w.served_late / expected;
        double refused = (double)w.refused / w.asked;
        double held_min = s->held_min > 0 ? s->held_min : 0.95;
        double refused_max = s->refused_max > 0 ? s->refused_max : 0.01;
        if (held < held_min || refused > refused_max)
            fail_msg("%s: %.1f %% held, %.2f %% refused of %u", s->name, held * 100, refused * 100,
                     w.asked);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_servers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
