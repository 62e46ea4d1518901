/* SPDX-License-Identifier: Apache-2.0 */
/* The worker that does what lifecycle rules say: one thread, which walks all buckets that have
 * rules again and again. */

#ifndef SERVER_API_LIFECYCLE_H
#define SERVER_API_LIFECYCLE_H

#include "server/api/request.h"

struct lifecycle;

/* `day_s`: the length of a day, 0 for a real one. TARN_ENOMEM. */
TN_MUST_USE int lifecycle_start(struct api *api, uint64_t day_s, struct lifecycle **out);

/* Waits until it has ended; accepts NULL. */
void lifecycle_stop(struct lifecycle *l);

/* x-amz-expiration of the answer about an object: r->meta decoded. */
void lifecycle_add_headers(struct api_req *r, const struct store_head *head);

#endif
