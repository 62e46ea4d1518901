/* SPDX-License-Identifier: Apache-2.0 */
/* How large the parts of an upload are. */

#include "client/plan.h"

#include "base/fail.h"

#define MIB ((uint64_t)1 << 20)

int tarn_part_size_plan(uint64_t size, uint64_t wanted, uint64_t *part_size)
{
    uint64_t chosen = wanted ? wanted : TN_PART_LEN_DEFAULT;
    if (!part_size || chosen < TARN_PART_LEN_MIN || chosen > TARN_PART_LEN_MAX)
        return TARN_EINVAL;
    if (size != UINT64_MAX) {
        if (size > TARN_PART_COUNT_MAX * TARN_PART_LEN_MAX)
            return TARN_ETOOBIG;
        uint64_t least = (size + TARN_PART_COUNT_MAX - 1) / TARN_PART_COUNT_MAX;
        uint64_t rounded = (least + MIB - 1) / MIB * MIB;
        if (rounded > chosen)
            chosen = rounded;
    }
    *part_size = chosen;
    return TARN_OK;
}

uint64_t tn_stream_part_size(uint64_t first, uint32_t number)
{
    uint64_t size = first;
    for (uint32_t n = TN_STREAM_DOUBLE_EVERY; n < number && size < TARN_PART_LEN_MAX;
         n += TN_STREAM_DOUBLE_EVERY)
        size *= 2;
    return size < TARN_PART_LEN_MAX ? size : TARN_PART_LEN_MAX;
}
