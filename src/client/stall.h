/* SPDX-License-Identifier: Apache-2.0 */
/* How long a request may be silent before it is given up and sent again over another connection:
 * learnt from what those before it took. */

#ifndef CLIENT_STALL_H
#define CLIENT_STALL_H

#include <stdbool.h>
#include <stdint.h>

enum tn_silence {
    TN_SILENCE_OPEN, /* until a connection is there, where curl makes it */
    TN_SILENCE_LIST, /* before the answer to a listing */
    TN_SILENCE_GET,  /* before that with an object */
    TN_SILENCE_PUT,  /* behind a small body */
    TN_SILENCE_PART, /* behind a large one */
    TN_SILENCE_UP,   /* in the middle of a body that is sent */
    TN_SILENCE_DOWN, /* in the middle of one that is received */
    TN_SILENCE_COUNT
};

enum {
    TN_SILENCE_STEPS = 64,
    TN_STALLS_MAX = 2, /* of one operation; then it waits as long as the settings say */
};

#define TN_PATIENCE_NONE UINT64_MAX

/* Of one I/O thread. */
struct tn_stall {
    struct {
        uint32_t counts[TN_SILENCE_STEPS]; /* four steps to an octave */
        uint32_t total;
        uint64_t patience_ns;
    } kinds[TN_SILENCE_COUNT];
    uint32_t credit;
};

void tn_stall_init(struct tn_stall *s);

/* One was silent so long and came to a good end, or was given up then. */
void tn_stall_note(struct tn_stall *s, enum tn_silence kind, uint64_t ns);

/* What one has that was given up `stalls` times already; TN_PATIENCE_NONE while too little is
 * known. At least `floor_ns`. */
uint64_t tn_stall_patience_ns(const struct tn_stall *s, enum tn_silence kind, int stalls,
                              uint64_t floor_ns);

/* Takes the price of giving one up: a server that is slow with all is not asked twice for all. */
bool tn_stall_may_give_up(struct tn_stall *s);

#endif
