/* SPDX-License-Identifier: Apache-2.0 */
/* Copies within S3: those that overwrite nothing, those that change some headers and keep the
 * others. */

#ifndef CLI_CP_MERGE_H
#define CLI_CP_MERGE_H

#include "cli/cp.h"

/* As `options` say; with If-None-Match by tarn_copy_atomic, which fills no `info`. TARN_EPRECOND
 * when the destination exists. */
TN_MUST_USE int cp_copy_object(struct cli_app *app, const struct cp_item *item, const char *key,
                               const struct tarn_copy_options *options,
                               struct tarn_object_info *info, struct tarn_error *err);

/* S3 can only keep all headers or replace all: so what the options do not give is read from the
 * source, which is pinned by its ETag, and sent again. */
TN_MUST_USE int cp_copy_merged(struct cli_app *app, const struct cp_item *item, const char *key,
                               const struct tarn_copy_options *options,
                               struct tarn_object_info *info, struct tarn_error *err);

#endif
