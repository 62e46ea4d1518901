/* SPDX-License-Identifier: Apache-2.0 */
/* The ring. */

#include "client/pipe.h"

#include <assert.h>

struct tn_str tn_pipe_front(const struct tn_pipe *p)
{
    size_t run = TN_PIPE_CAP - p->start;
    return (struct tn_str){ p->ring + p->start, p->len < run ? p->len : run };
}

char *tn_pipe_room(const struct tn_pipe *p, size_t *len)
{
    size_t end = (p->start + p->len) % TN_PIPE_CAP;
    size_t free_len = TN_PIPE_CAP - p->len;
    size_t run = TN_PIPE_CAP - end;
    *len = free_len < run ? free_len : run;
    return p->ring + end;
}

void tn_pipe_drop(struct tn_pipe *p, size_t len)
{
    assert(len <= p->len);
    p->start = (p->start + len) % TN_PIPE_CAP;
    p->len -= len;
}

void tn_pipe_added(struct tn_pipe *p, size_t len)
{
    assert(len <= TN_PIPE_CAP - p->len);
    p->len += len;
}
