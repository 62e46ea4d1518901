/* SPDX-License-Identifier: Apache-2.0 */
/* Pins: what keeps bytes from being removed under a reader. */

#include "server/store/engine.h"

/* The sequence number is read under the lock, so that the list is in its order. A reader that takes
 * its pin at P finds in `heads` all that was committed up to P; what died at or before P it cannot
 * find. */
void pin_take(struct log_store *s, struct pin *p)
{
    (void)pthread_mutex_lock(&s->pins.lock);
    p->seq = atomic_load(&s->committed_seq);
    p->next = NULL;
    p->prev = s->pins.last;
    if (s->pins.last)
        s->pins.last->next = p;
    else
        s->pins.first = p;
    s->pins.last = p;
    (void)pthread_mutex_unlock(&s->pins.lock);
}

void pin_drop(struct log_store *s, struct pin *p)
{
    (void)pthread_mutex_lock(&s->pins.lock);
    if (p->prev)
        p->prev->next = p->next;
    else
        s->pins.first = p->next;
    if (p->next)
        p->next->prev = p->prev;
    else
        s->pins.last = p->prev;
    (void)pthread_mutex_unlock(&s->pins.lock);
}

uint64_t pin_lowest(struct log_store *s)
{
    (void)pthread_mutex_lock(&s->pins.lock);
    uint64_t seq = s->pins.first ? s->pins.first->seq : UINT64_MAX;
    (void)pthread_mutex_unlock(&s->pins.lock);
    return seq;
}
