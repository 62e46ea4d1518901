/* SPDX-License-Identifier: Apache-2.0 */
/* The clock of locks: the system's, unless a test brings its own. */

#ifndef COORD_CLOCK_H
#define COORD_CLOCK_H

#include <tarn/lock.h>

/* `given`, or the system's when that is NULL. Its steady time counts while the machine sleeps: a
 * lease runs on during that. */
struct tarn_lock_clock tn_lock_clock(const struct tarn_lock_clock *given);

#endif
