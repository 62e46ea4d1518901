/* SPDX-License-Identifier: Apache-2.0 */
/* How large the parts of an upload are. */

#ifndef CLIENT_PLAN_H
#define CLIENT_PLAN_H

#include <tarn/transfer.h>

#define TN_PART_LEN_DEFAULT ((uint64_t)8 << 20)

enum { TN_STREAM_DOUBLE_EVERY = 1000 };

/* The size of part `number` (from 1) of a stream of unknown length whose first part has `first`
 * bytes: doubled every 1,000 parts, at most 5 GiB. From 8 MiB on, 10,000 parts hold 8 TiB. */
uint64_t tn_stream_part_size(uint64_t first, uint32_t number);

#endif
