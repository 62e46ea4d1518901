/* SPDX-License-Identifier: Apache-2.0 */
/* Headers and metadata of uploads, out of the options. */

#ifndef CLI_ATTRIBUTE_OPTIONS_H
#define CLI_ATTRIBUTE_OPTIONS_H

#include <tarn/types.h>

#include "cli/options.h"

enum { CLI_METADATA_NAME_MAX = 256, CLI_HEADER_VALUE_MAX = 8192 };

/* `value` borrows from the options and from `texts`. */
struct cli_attributes {
    struct tarn_attributes value;
    struct tarn_header *metadata;
    char **texts; /* "name\0value" of each metadata */
    size_t count;
};

/* TARN_EINVAL for metadata that is no NAME=VALUE with a header's name, a name given twice, control
 * characters or overlong values anywhere. */
TN_MUST_USE int cli_attributes_init(struct cli_attributes *attributes,
                                    const struct cli_options *opt, struct tarn_error *err);
void cli_attributes_release(struct cli_attributes *attributes);

/* True when headers or metadata are given: what a copy must replace. */
bool cli_attributes_replace(const struct cli_options *opt);

#endif
