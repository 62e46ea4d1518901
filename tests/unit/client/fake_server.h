/* SPDX-License-Identifier: Apache-2.0 */
/* A server that says exactly what a test wrote down for it, good or bad. */

#ifndef TESTS_UNIT_CLIENT_FAKE_SERVER_H
#define TESTS_UNIT_CLIENT_FAKE_SERVER_H

#include <stdbool.h>
#include <stddef.h>

#include <tarn/client.h>

enum { FAKE_REQUESTS_MAX = 256, FAKE_HEAD_MAX = 8192 };

/* What one request gets. The body of the request is read first, unless it is to be left. */
struct fake_step {
    const char *answer; /* NULL: none */
    size_t cut;         /* not 0: only so many bytes of it, then the connection ends */
    int delay_ms;       /* before it */
    bool closes;        /* the connection ends behind it */
    bool resets;        /* ends with RST */
    bool leaves_body;   /* answers before the body was read */
};

/* Steps are used one after another, over all connections; the last one is used for all that follow.
 */
struct fake_server;
struct fake_server *fake_server_new(const struct fake_step *steps, size_t count);

/* One that looks at each head and says what the answer is (not freed; NULL: none). */
typedef const char *(*fake_answer_fn)(void *arg, const char *head);
struct fake_server *fake_server_new_fn(fake_answer_fn answer, void *arg);

void fake_server_free(struct fake_server *s);
const char *fake_server_url(const struct fake_server *s);

/* The defaults of a client of this server alone: its address and keys, nothing of the environment.
 */
void fake_server_config(const struct fake_server *s, struct tarn_config *out);

/* Requests that came, and the head of the n-th (from 0). */
size_t fake_server_count(struct fake_server *s);
const char *fake_server_head(struct fake_server *s, size_t n);

#endif
