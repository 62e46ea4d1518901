/* SPDX-License-Identifier: Apache-2.0 */
/* The value of --range. */

#ifndef CLI_BYTE_RANGE_H
#define CLI_BYTE_RANGE_H

#include "base/fail.h"
#include "base/str.h"

enum cli_range_kind { CLI_RANGE_ALL, CLI_RANGE_BOUNDS, CLI_RANGE_SUFFIX };

struct cli_byte_range {
    enum cli_range_kind kind;
    uint64_t first;
    uint64_t last;   /* included; UINT64_MAX: to the end */
    uint64_t suffix; /* the last so many bytes, not 0 */
};

/* "0-99", "100-", "-50", each also behind "bytes=". TARN_EINVAL for anything else, and for a last
 * byte before the first. */
TN_MUST_USE int cli_byte_range_parse(const char *text, struct cli_byte_range *out,
                                     struct tarn_error *err);

#endif
