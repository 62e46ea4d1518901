/* SPDX-License-Identifier: Apache-2.0 */
/* The filters by their names. */

#include "spill/stream.h"

enum { GZIP_LEVEL_MAX = 9, ZSTD_LEVEL_MIN = -7, ZSTD_LEVEL_MAX = 19 };

static const char *const names[] = { "zstd", "gzip", "aes-256-gcm", "chacha20-poly1305" };

const char *tarn_buffer_filter_name(enum tarn_buffer_filter_kind kind)
{
    return (size_t)kind < TN_COUNT(names) ? names[kind] : "unknown";
}

int spill_filter_check(const struct tarn_buffer_filter *filter, struct tarn_error *err)
{
    int level = filter->level;
    if ((size_t)filter->kind >= TN_COUNT(names))
        return tn_fail(err, TARN_EINVAL, "could not create a buffer: unknown filter %d",
                       (int)filter->kind);
    bool is_fine = level == 0;
    if (filter->kind == TARN_BUFFER_GZIP)
        is_fine = level >= 0 && level <= GZIP_LEVEL_MAX;
    if (filter->kind == TARN_BUFFER_ZSTD)
        is_fine = level >= ZSTD_LEVEL_MIN && level <= ZSTD_LEVEL_MAX;
    return is_fine ? TARN_OK
                   : tn_fail(err, TARN_EINVAL, "could not create a buffer: %s knows no level %d",
                             names[filter->kind], level);
}

struct spill_writer *spill_filter_writer(const struct tarn_buffer_filter *filter,
                                         struct spill_writer *next, struct tarn_error *err)
{
    switch (filter->kind) {
    case TARN_BUFFER_ZSTD:
        return spill_zstd_writer(filter->level, next, err);
    case TARN_BUFFER_GZIP:
        return spill_gzip_writer(filter->level, next, err);
    case TARN_BUFFER_AES_256_GCM:
    case TARN_BUFFER_CHACHA20_POLY1305:
        return spill_aead_writer(filter->kind, filter->key, next, err);
    }
    return NULL;
}

struct spill_reader *spill_filter_reader(const struct tarn_buffer_filter *filter,
                                         struct spill_reader *source, struct tarn_error *err)
{
    switch (filter->kind) {
    case TARN_BUFFER_ZSTD:
        return spill_zstd_reader(source, err);
    case TARN_BUFFER_GZIP:
        return spill_gzip_reader(source, err);
    case TARN_BUFFER_AES_256_GCM:
    case TARN_BUFFER_CHACHA20_POLY1305:
        return spill_aead_reader(filter->kind, filter->key, source, err);
    }
    return NULL;
}
