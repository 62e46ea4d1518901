/* SPDX-License-Identifier: Apache-2.0 */
/* A toy handler on a real server, and a client that says exactly what it is told. */

#ifndef TESTS_UNIT_SERVER_TEST_HTTP_TOY_H
#define TESTS_UNIT_SERVER_TEST_HTTP_TOY_H

#include "unit/t.h"

#include <pthread.h>
#include <stdatomic.h>

#include "server/http/http.h"

/* What the toy answers, by the first word of the path:
 *   /hello        "hello", from on_head          /hello10  the same, closing
 *   /worker       "worker", from a worker        /loop     "loop", by way of a worker and back
 *   /foreign      "foreign", from another thread after 20 ms
 *   /slow/MS      "slow", from a worker after MS
 *   /mem/N        N bytes in memory
 *   /hot/N        N bytes streamed, never waiting
 *   /cold/N       N bytes streamed, always waiting
 *   /mixed/N      N bytes streamed in odd pieces, waiting now and then
 *   /broken/N     N bytes announced, half of them streamed
 *   /put/loop     takes the body on the loop: answers "LENGTH CRC32C"
 *   /put/worker   the same on a worker           /put/sleepy the same, 5 ms a piece
 *   /put/late     the same, accepted by a step behind a worker
 *   /put/deny     answers 403 without the body   /put/stop   answers 403 after the first piece
 *   /put/ten      ten bytes at most, on the loop /put/tenw   the same on a worker
 *   /status/N     that status without a body     /meta/N     a HEAD of N bytes
 *   /headers      a header of each kind          anything else: 404 */
struct toy {
    struct http_server *server;
    pthread_t thread;
    int port;
    bool is_running;
    _Atomic(long) head_count;
    _Atomic(long) end_count;
    _Atomic(long) broken_count;
    _Atomic(long) done_count;
    _Atomic(int) last_broken;
};

/* `config` may set anything but `listen` and the handler. NULL for the defaults on two loops. */
void toy_start(struct toy *t, const struct http_config *config);

/* Stops, joins, and asserts that every request was done exactly once. */
void toy_stop(struct toy *t, unsigned grace_ms);

int toy_connect(const struct toy *t);
void toy_send(int fd, const char *bytes, size_t len);
void toy_say(int fd, const char *text);

struct toy_answer {
    int status;
    bool is_closing;
    bool has_length;
    uint64_t len;
    char head[8192];
    struct tn_buf body;
};

/* Reads one answer exactly. False when the connection ends before it is complete. */
bool toy_answer(int fd, bool is_head, struct toy_answer *out);
void toy_answer_release(struct toy_answer *a);

/* Reads to the end of the connection: true when nothing more came. Closes. */
bool toy_is_closed(int fd);
void toy_close(int *fd);
void toy_sleep_ms(unsigned ms);

/* Byte `i` of everything the toy streams. */
static inline char toy_byte(uint64_t i)
{
    return (char)((i * 131 + (i >> 8) * 7 + (i >> 16)) & 0xff);
}

#endif
