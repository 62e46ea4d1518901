/* SPDX-License-Identifier: Apache-2.0 */
/* A line of `tarn run`, taken apart into words. */

#ifndef CLI_TOKENS_H
#define CLI_TOKENS_H

#include "base/fail.h"
#include "base/str.h"

enum { CLI_TOKENS_MAX = 4096 };

/* `words` ends in NULL, as argv does. One block of memory: release it with tn_free(words). */
struct cli_tokens {
    char **words;
    int count;
};

/* Blanks and tabs separate; '...' is literal; in "..." a backslash escapes a double quote and a
 * backslash; elsewhere also a blank and a single quote. Any other backslash stays. TARN_EINVAL for
 * a quote without its end, a NUL, or too many words. */
TN_MUST_USE int cli_tokens_parse(struct tn_str line, struct cli_tokens *out,
                                 struct tarn_error *err);

#endif
