/* SPDX-License-Identifier: Apache-2.0 */
/* Verification of the index's WAL, as SQLite's file format describes it. */

#include <errno.h>
#include <fcntl.h>

#include "server/store/index_vfs.h"
#include "server/store/record.h"

enum {
    WAL_PATH_MAX = 4096,
    WAL_HEADER_LEN = 32,
    WAL_HEADER_SUMMED = 24,
    FRAME_HEADER_LEN = 24,
    FRAME_HEADER_SUMMED = 8,
    FRAME_LEN = FRAME_HEADER_LEN + INDEX_PAGE_LEN,
    SALT_LEN = 8,
    WAL_SALT_AT = 16,
    WAL_SUM_AT = 24,
    FRAME_SALT_AT = 8,
    FRAME_SUM_AT = 16,
    WAL_MAGIC = 0x377f0682, /* sums of little-endian words */
};

struct wal {
    const struct disk_ops *disk;
    int fd;
    int index_fd;
    unsigned char salt[SALT_LEN];
    uint32_t sum[2]; /* of all before */
};

static uint32_t get_big32(const unsigned char *in)
{
    return __builtin_bswap32(get_u32(in));
}

static void add_sum(uint32_t sum[2], const unsigned char *bytes, size_t len)
{
    for (size_t at = 0; at < len; at += 8) {
        sum[0] += get_u32(bytes + at) + sum[1];
        sum[1] += get_u32(bytes + at + 4) + sum[0];
    }
}

static bool is_sum(const uint32_t sum[2], const unsigned char *bytes)
{
    return get_big32(bytes) == sum[0] && get_big32(bytes + 4) == sum[1];
}

static bool continues_chain(struct wal *w, const unsigned char *frame)
{
    uint32_t sum[2] = { w->sum[0], w->sum[1] };
    add_sum(sum, frame, FRAME_HEADER_SUMMED);
    add_sum(sum, frame + FRAME_HEADER_LEN, INDEX_PAGE_LEN);
    if (memcmp(frame + FRAME_SALT_AT, w->salt, SALT_LEN) != 0 || !is_sum(sum, frame + FRAME_SUM_AT))
        return false;
    memcpy(w->sum, sum, sizeof sum);
    return true;
}

/* Has the page of this frame been moved into the file? What was never synced cannot have been. */
static int is_in_file(const struct wal *w, const unsigned char *frame, bool *out)
{
    unsigned char page[INDEX_PAGE_LEN];
    uint64_t number = get_big32(frame);
    *out = false;
    if (number == 0 || memcmp(frame + FRAME_SALT_AT, w->salt, SALT_LEN) != 0)
        return TARN_OK;
    ssize_t n =
        disk_read(w->disk, w->index_fd, page, sizeof page, (number - 1) * INDEX_PAGE_LEN, true);
    *out = n == INDEX_PAGE_LEN && memcmp(page, frame + FRAME_HEADER_LEN, INDEX_PAGE_CRC_AT) == 0;
    return n < 0 ? (int)n : TARN_OK;
}

static int check_frames(struct wal *w)
{
    TN_AUTO_FREE unsigned char *frame = tn_realloc(NULL, FRAME_LEN);
    bool is_whole = true;
    if (!frame)
        return TARN_ENOMEM;
    for (uint64_t at = WAL_HEADER_LEN;; at += FRAME_LEN) {
        bool is_later = false;
        ssize_t n = disk_read(w->disk, w->fd, frame, FRAME_LEN, at, true);
        if (n < FRAME_LEN)
            return n < 0 ? (int)n : TARN_OK;
        is_whole = is_whole && continues_chain(w, frame);
        int rc = is_whole ? TARN_OK : is_in_file(w, frame, &is_later);
        if (rc < 0 || is_later)
            return rc < 0 ? rc : TARN_ECORRUPT;
    }
}

static int check_wal(struct wal *w)
{
    static const unsigned char zeros[WAL_HEADER_LEN];
    unsigned char header[WAL_HEADER_LEN];
    ssize_t n = disk_read(w->disk, w->fd, header, sizeof header, 0, true);
    if (n < 0)
        return (int)n;
    if (n < WAL_HEADER_LEN || memcmp(header, zeros, sizeof header) == 0)
        return TARN_OK;
    add_sum(w->sum, header, WAL_HEADER_SUMMED);
    if (get_big32(header) != WAL_MAGIC || !is_sum(w->sum, header + WAL_SUM_AT))
        return TARN_ECORRUPT;
    memcpy(w->salt, header + WAL_SALT_AT, SALT_LEN);
    return check_frames(w);
}

int index_wal_check(const struct disk_ops *d, const char *path, struct tarn_error *err)
{
    char name[WAL_PATH_MAX + 8];
    struct wal w = { .disk = d, .index_fd = d->open(path, O_RDONLY, 0) };
    if (w.index_fd < 0)
        return errno == ENOENT ? TARN_OK : tn_fail_errno(err, "could not open \"%s\"", path);
    (void)snprintf(name, sizeof name, "%s-wal", path);
    w.fd = d->open(name, O_RDONLY, 0);
    int rc = w.fd >= 0 ? check_wal(&w) : errno == ENOENT ? TARN_OK : tn_status_from_errno(errno);
    if (w.fd >= 0)
        (void)d->close(w.fd);
    (void)d->close(w.index_fd);
    return rc < 0 ? tn_fail(err, rc, "could not read \"%s\": %s", name, tarn_status_text(rc)) : rc;
}
