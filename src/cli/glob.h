/* SPDX-License-Identifier: Apache-2.0 */
/* Wildcards in keys: `*` is any run of bytes (also across `/`), `?` one UTF-8 character, a
 * backslash takes the character behind it literally. */

#ifndef CLI_GLOB_H
#define CLI_GLOB_H

#include "base/buf.h"

/* True when an unescaped `*` or `?` is in it. */
bool cli_glob_has_wildcards(const char *pattern);

/* Whole-text match, in time pattern x text at worst and no memory. Bytes that are not UTF-8 count
 * as one character each. */
bool cli_glob_match(struct tn_str pattern, struct tn_str text);

/* Appends the text before the first wildcard, without its escapes: what to list. For a pattern
 * without wildcards this is the key that it means. */
TN_MUST_USE int cli_glob_literal_prefix(const char *pattern, struct tn_buf *out);

#endif
