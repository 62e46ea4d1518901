/* SPDX-License-Identifier: Apache-2.0 */
/* The storages that come with buffers. */

#ifndef SPILL_STORAGE_H
#define SPILL_STORAGE_H

#include <tarn/buffer.h>

#include "base/fail.h"

/* A temporary file without a name, made with the first segment; all segments share it. */
TN_MUST_USE int spill_file_new(const char *directory, struct tarn_buffer_storage *out,
                               struct tarn_error *err);
void spill_file_free(struct tarn_buffer_storage *storage);

/* Objects: each segment is one. `filters` is kept with them as text. */
TN_MUST_USE int spill_s3_new(const struct tarn_buffer_s3 *options, const char *filters,
                             struct tarn_buffer_storage *out, struct tarn_error *err);
void spill_s3_free(struct tarn_buffer_storage *storage);

/* Takes the mark of a buffer off a sealed segment's object, so that it stays, and frees the
 * segment. On failure all is as it was. */
TN_MUST_USE int spill_s3_keep(const struct tarn_buffer_storage *storage, void *segment,
                              char key[TARN_KEY_LEN_MAX + 1], struct tarn_error *err);

#define SPILL_META_EXPIRES "tarn-buffer-expires" /* Unix seconds; the sweeper goes by it */
#define SPILL_META_OWNER "tarn-buffer-owner"     /* random, one for each object */
#define SPILL_META_FILTERS "tarn-buffer-filters"

#endif
