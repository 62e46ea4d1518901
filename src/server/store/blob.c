/* SPDX-License-Identifier: Apache-2.0 */
/* Large bodies, a file each. */

#include "server/store/blob.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/crc.h"
#include "base/log.h"

static const uint32_t blob_magic = 0x424e5254; /* "TRNB" */

enum { BLOB_PATH_MAX = 4096, BLOB_TABLE_MAX = 64 << 20 };

static void dir_path(const char *dir, uint64_t id, char *out, size_t cap)
{
    (void)snprintf(out, cap, "%s/%02x", dir, (unsigned)(id % BLOB_DIR_COUNT));
}

static void file_path(const char *dir, uint64_t id, char *out, size_t cap)
{
    (void)snprintf(out, cap, "%s/%02x/%016llx", dir, (unsigned)(id % BLOB_DIR_COUNT),
                   (unsigned long long)id);
}

int blob_dirs_make(const struct disk_ops *d, const char *dir, struct tarn_error *err)
{
    for (unsigned i = 0; i < BLOB_DIR_COUNT; i++) {
        char path[BLOB_PATH_MAX];
        dir_path(dir, i, path, sizeof path);
        if (d->mkdir(path, 0700) < 0 && errno != EEXIST)
            return tn_fail_errno(err, "could not create directory \"%s\"", path);
    }
    return disk_sync_dir(d, dir, err);
}

int blob_begin(struct blob_writer *w, const struct disk_ops *d, const char *dir, uint64_t id,
               struct tarn_error *err)
{
    char path[BLOB_PATH_MAX];
    file_path(dir, id, path, sizeof path);
    int fd = d->open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (fd < 0)
        return tn_fail_errno(err, "could not create blob \"%s\"", path);
    *w = (struct blob_writer){ .disk = d, .dir = dir, .fd = fd, .id = id };
    tn_buf_init(&w->table, BLOB_TABLE_MAX);
    return TARN_OK;
}

static int end_block(struct blob_writer *w)
{
    unsigned char crc[4];
    put_u32(crc, w->block_crc);
    w->block_crc = 0;
    return tn_buf_append(&w->table, crc, sizeof crc);
}

static int add_to_table(struct blob_writer *w, const char *bytes, size_t len)
{
    while (len) {
        size_t room = RECORD_BLOCK_LEN - (size_t)(w->len % RECORD_BLOCK_LEN);
        size_t step = len < room ? len : room;
        w->block_crc = tn_crc32c(w->block_crc, bytes, step);
        w->len += step;
        bytes += step;
        len -= step;
        if (step == room) {
            int rc = end_block(w);
            if (rc < 0)
                return rc;
        }
    }
    return TARN_OK;
}

int blob_append(struct blob_writer *w, const void *bytes, size_t len, struct tarn_error *err)
{
    int rc = disk_write(w->disk, w->fd, bytes, len, w->len);
    if (rc == TARN_OK)
        rc = add_to_table(w, bytes, len);
    if (rc < 0)
        return tn_fail(err, rc, "could not write blob %016llx: %s", (unsigned long long)w->id,
                       tarn_status_text(rc));
    return TARN_OK;
}

static void footer_write(const struct blob_writer *w, unsigned char out[BLOB_FOOTER_LEN])
{
    memset(out, 0, BLOB_FOOTER_LEN);
    put_u32(out, blob_magic);
    put_u64(out + 8, w->id);
    put_u64(out + 16, w->len);
    put_u32(out + 24, tn_crc32c(0, out, 24));
}

int blob_finish(struct blob_writer *w, struct tarn_error *err)
{
    unsigned char footer[BLOB_FOOTER_LEN];
    int rc = w->len % RECORD_BLOCK_LEN ? end_block(w) : TARN_OK;
    footer_write(w, footer);
    if (rc == TARN_OK)
        rc = tn_buf_append(&w->table, footer, sizeof footer);
    if (rc == TARN_OK)
        rc = disk_write(w->disk, w->fd, w->table.data, w->table.len, w->len);
    if (rc < 0)
        return tn_fail(err, rc, "could not write blob %016llx: %s", (unsigned long long)w->id,
                       tarn_status_text(rc));
    if (w->disk->fdatasync(w->fd) < 0)
        return tn_fail_errno(err, "could not sync blob %016llx", (unsigned long long)w->id);
    char path[BLOB_PATH_MAX];
    dir_path(w->dir, w->id, path, sizeof path);
    return disk_sync_dir(w->disk, path, err);
}

void blob_release(struct blob_writer *w)
{
    if (!w->disk)
        return;
    (void)w->disk->close(w->fd);
    tn_buf_release(&w->table);
    w->disk = NULL;
}

int blob_open(const struct disk_ops *d, const char *dir, uint64_t id, uint64_t len, int *fd,
              struct tarn_error *err)
{
    char path[BLOB_PATH_MAX];
    file_path(dir, id, path, sizeof path);
    int opened = d->open(path, O_RDONLY, 0);
    if (opened < 0 && errno == ENOENT)
        return tn_fail(err, TARN_ECORRUPT, "could not open blob \"%s\": it is missing", path);
    if (opened < 0)
        return tn_fail_errno(err, "could not open blob \"%s\"", path);

    unsigned char footer[BLOB_FOOTER_LEN];
    uint64_t at = len + 4 * record_block_count(len);
    ssize_t n = disk_read(d, opened, footer, sizeof footer, at, true);
    bool is_ours = n == (ssize_t)sizeof footer && get_u32(footer) == blob_magic &&
                   get_u64(footer + 8) == id && get_u64(footer + 16) == len &&
                   get_u32(footer + 24) == tn_crc32c(0, footer, 24);
    if (!is_ours) {
        (void)d->close(opened);
        return tn_fail(err, n < 0 ? (int)n : TARN_ECORRUPT, "could not open blob \"%s\": %s", path,
                       n < 0 ? tarn_status_text((int)n) : "its footer is damaged");
    }
    *fd = opened;
    return TARN_OK;
}

void blob_unlink(const struct disk_ops *d, const char *dir, uint64_t id)
{
    char path[BLOB_PATH_MAX];
    file_path(dir, id, path, sizeof path);
    if (d->unlink(path) < 0 && errno != ENOENT)
        tn_log(TN_LOG_WARN, "event=blob_not_removed path=\"%s\" errno=%d", path, errno);
}

struct blob_list {
    blob_id_fn each;
    void *user;
};

static int list_one(void *user, const char *name)
{
    const struct blob_list *list = user;
    unsigned long long id;
    char rest[2];
    if (strlen(name) == 16 && sscanf(name, "%16llx%1s", &id, rest) == 1)
        return list->each(list->user, id);
    return TARN_OK;
}

int blob_list(const struct disk_ops *d, const char *dir, blob_id_fn each, void *user)
{
    struct blob_list list = { each, user };
    for (unsigned i = 0; i < BLOB_DIR_COUNT; i++) {
        char path[BLOB_PATH_MAX];
        dir_path(dir, i, path, sizeof path);
        int rc = disk_list(d, path, list_one, &list);
        if (rc < 0)
            return rc;
    }
    return TARN_OK;
}
