/* SPDX-License-Identifier: Apache-2.0 */
/* What the HTTP server stands on: messages, timers and workers of server/net. */

#include "unit/t.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "base/clock.h"
#include "server/net/listen.h"
#include "server/net/loop.h"
#include "server/net/pool.h"

enum { THREAD_COUNT = 4, MSGS_PER_THREAD = 5000 };

struct numbered {
    struct net_msg msg;
    struct hub *hub;
    int thread;
    int number;
};

struct hub {
    struct net_loop loop;
    int next[THREAD_COUNT];
    long count;
    long want;
    struct net_timer_list short_timers;
    struct net_timer_list long_timers;
    struct net_timer timers[4];
    int fired[8];
    size_t fired_count;
};

static bool on_turn(struct net_loop *loop)
{
    struct hub *hub = TN_CONTAINER(loop, struct hub, loop);
    if (hub->count == hub->want)
        net_loop_end(loop);
    return false;
}

static void on_msg(struct net_msg *msg)
{
    struct numbered *m = TN_CONTAINER(msg, struct numbered, msg);
    assert_true(net_loop_is_here(&m->hub->loop));
    assert_int_equal(m->number, m->hub->next[m->thread]);
    m->hub->next[m->thread]++;
    m->hub->count++;
}

static void *post_all(void *arg)
{
    struct numbered *all = arg;
    for (int i = 0; i < MSGS_PER_THREAD; i++)
        net_loop_post(&all->hub->loop, &all[i].msg);
    return NULL;
}

static void *run_loop(void *arg)
{
    struct hub *hub = arg;
    net_loop_run(&hub->loop);
    return NULL;
}

static void test_messages(void **state)
{
    (void)state;
    static struct numbered msgs[THREAD_COUNT][MSGS_PER_THREAD];
    struct hub hub = { .want = (long)THREAD_COUNT * MSGS_PER_THREAD };
    pthread_t loop_thread;
    pthread_t threads[THREAD_COUNT];
    assert_int_equal(net_loop_init(&hub.loop, on_turn, NULL), TARN_OK);
    for (int t = 0; t < THREAD_COUNT; t++) {
        for (int i = 0; i < MSGS_PER_THREAD; i++)
            msgs[t][i] = (struct numbered){ { NULL, on_msg }, &hub, t, i };
        assert_int_equal(pthread_create(&threads[t], NULL, post_all, msgs[t]), 0);
    }
    assert_int_equal(pthread_create(&loop_thread, NULL, run_loop, &hub), 0);
    (void)pthread_join(loop_thread, NULL);
    net_loop_release(&hub.loop);
    for (int t = 0; t < THREAD_COUNT; t++)
        (void)pthread_join(threads[t], NULL);
    assert_int_equal(hub.count, hub.want);
}

static void fire(struct hub *hub, int what)
{
    hub->fired[hub->fired_count++] = what;
    hub->count++;
}

static struct hub *timer_hub;

static void on_timer(struct net_timer *timer)
{
    assert_false(net_timer_is_set(timer));
    int i = (int)(timer - timer_hub->timers);
    fire(timer_hub, i);
    if (i == 0 && timer_hub->fired_count == 1) /* may be set again from inside */
        net_timer_set(&timer_hub->loop, &timer_hub->long_timers, timer);
}

static void test_timers(void **state)
{
    (void)state;
    struct hub hub = { .want = 4 };
    timer_hub = &hub;
    assert_int_equal(net_loop_init(&hub.loop, on_turn, NULL), TARN_OK);
    net_timer_list_init(&hub.loop, &hub.short_timers, 20, on_timer);
    net_timer_list_init(&hub.loop, &hub.long_timers, 60, on_timer);
    net_timer_set(&hub.loop, &hub.long_timers, &hub.timers[1]);
    net_timer_set(&hub.loop, &hub.short_timers, &hub.timers[0]);
    net_timer_set(&hub.loop, &hub.short_timers, &hub.timers[2]);
    net_timer_set(&hub.loop, &hub.long_timers, &hub.timers[2]); /* moved */
    net_timer_set(&hub.loop, &hub.short_timers, &hub.timers[3]);
    net_timer_stop(&hub.timers[3]);
    net_timer_stop(&hub.timers[3]);
    uint64_t start = tn_now_ns();
    net_loop_run(&hub.loop);
    assert_true(tn_now_ns() - start >= 75u * 1000000);
    net_loop_release(&hub.loop);
    const int expected[] = { 0, 1, 2, 0 };
    assert_int_equal(hub.fired_count, TN_COUNT(expected));
    assert_memory_equal(hub.fired, expected, sizeof expected);
}

struct counted {
    struct net_job job;
    _Atomic(int) *sum;
};

static void run_job(struct net_job *job)
{
    (void)atomic_fetch_add(TN_CONTAINER(job, struct counted, job)->sum, 1);
}

static void test_pool(void **state)
{
    (void)state;
    static struct counted jobs[2000];
    _Atomic(int) sum = 0;
    struct net_pool pool;
    net_pool_init(&pool);
    for (int round = 1; round <= 2; round++) { /* ends and starts again */
        assert_int_equal(net_pool_start(&pool, 3, NULL), TARN_OK);
        for (size_t i = 0; i < TN_COUNT(jobs); i++) {
            jobs[i] = (struct counted){ { NULL, run_job }, &sum };
            net_pool_post(&pool, &jobs[i].job);
        }
        net_pool_end(&pool);
        assert_int_equal(sum, round * (int)TN_COUNT(jobs));
    }
    net_pool_release(&pool);
}

static void test_peer_text(void **state)
{
    (void)state;
    static const struct {
        int family;
        const char *address;
        const char *text;
    } rows[] = {
        { AF_INET, "127.0.0.1", "127.0.0.1:4242" },
        { AF_INET, "255.255.255.255", "255.255.255.255:4242" },
        { AF_INET6, "::1", "[::1]:4242" },
        { AF_INET6, "::ffff:10.1.2.3", "10.1.2.3:4242" },
        { AF_INET6, "2001:db8:1111:2222:3333:4444:5555:6666",
          "[2001:db8:1111:2222:3333:4444:5555:6666]:4242" },
    };
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        char text[64];
        struct sockaddr_storage peer = { 0 };
        struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(4242) };
        struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(4242) };
        bool is_v6 = rows[i].family == AF_INET6;
        void *out = is_v6 ? (void *)&v6.sin6_addr : (void *)&v4.sin_addr;
        assert_int_equal(inet_pton(rows[i].family, rows[i].address, out), 1);
        if (is_v6)
            memcpy(&peer, &v6, sizeof v6);
        else
            memcpy(&peer, &v4, sizeof v4);
        assert_int_equal(net_peer_text(&peer, text, sizeof text), strlen(rows[i].text));
        assert_string_equal(text, rows[i].text);
        assert_int_equal(net_peer_text(&peer, text, 8), 7); /* cut, never overrun */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_timers),
        cmocka_unit_test(test_pool),
        cmocka_unit_test(test_peer_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
