/* SPDX-License-Identifier: Apache-2.0 */
/* A bounded ring of bytes between the calling thread and an I/O thread. */

#ifndef CLIENT_PIPE_H
#define CLIENT_PIPE_H

#include "base/str.h"

enum { TN_PIPE_CAP = 256 * 1024 };

/* Guarded by the waiter's lock of its operation. The span that one side works on is not touched by
 * the other, so the bytes themselves are copied without the lock. */
struct tn_pipe {
    char *ring; /* TN_PIPE_CAP bytes, borrowed */
    size_t start;
    size_t len;
    bool is_paused; /* the I/O thread stopped here and must be called */
};

/* The longest run of bytes there are, or of room there is. */
struct tn_str tn_pipe_front(const struct tn_pipe *p);
char *tn_pipe_room(const struct tn_pipe *p, size_t *len);
void tn_pipe_drop(struct tn_pipe *p, size_t len);
void tn_pipe_added(struct tn_pipe *p, size_t len);

#endif
