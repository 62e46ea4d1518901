/* SPDX-License-Identifier: Apache-2.0 */
/* Exchanges over plain HTTP/1.1, without curl: for http endpoints that no proxy stands before,
 * where a request costs what the system calls cost. All of it runs in the thread of one loop.
 *
 * What an answer means is judged elsewhere, so results are curl's codes, and heads and bodies are
 * handed to the operation by the same functions that curl calls. */

#ifndef CLIENT_WIRE_H
#define CLIENT_WIRE_H


#include "base/fail.h"
#include "base/curl_door.h"

struct tn_op;
struct tn_wire;
struct tarn_client;

#define TN_WIRE_EVENT (1ull << 63) /* set in the epoll data of its descriptors */

TN_MUST_USE struct tn_wire *tn_wire_new(struct tarn_client *client, int epoll_fd, int conns_max);
void tn_wire_free(struct tn_wire *w); /* no exchange may be under way; accepts NULL */

/* Starts the exchange that op->lines has the head of. CURLE_OK: tn_wire_next tells its end. */
CURLcode tn_wire_start(struct tn_wire *w, struct tn_op *op);

/* Ends an exchange that is under way, without a result. */
void tn_wire_drop(struct tn_wire *w, struct tn_op *op);

/* Goes on with one that waited for its pipe, or for bandwidth. */
void tn_wire_resume(struct tn_wire *w, struct tn_op *op);

void tn_wire_event(struct tn_wire *w, uint64_t data, uint32_t events);

/* What could not be finished in one go, and what has timed out. Once in a turn of the loop. */
void tn_wire_turn(struct tn_wire *w, uint64_t now_ns);

/* Milliseconds until tn_wire_turn is due; -1: not before something happens. */
int tn_wire_wait_ms(const struct tn_wire *w);

/* An exchange that has ended, or NULL. */
struct tn_op *tn_wire_next(struct tn_wire *w, CURLcode *code);

/* Looks up a host's addresses before an I/O thread needs them; failures show there. May block. */
void tn_wire_resolve(struct tarn_client *client, const char *host);

#endif
