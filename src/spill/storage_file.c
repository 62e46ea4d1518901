/* SPDX-License-Identifier: Apache-2.0 */
/* Segments in one temporary file that has no name. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "spill/storage.h"

enum { PATH_LEN_MAX = 4096 };

struct file_storage {
    char *directory;
    int fd;
    uint64_t end; /* where the next byte goes */
    size_t segment_count;
};

struct file_segment {
    uint64_t start;
    uint64_t len;
};

static int open_named(const char *directory, struct tarn_error *err)
{
    char path[PATH_LEN_MAX];
    int len = snprintf(path, sizeof path, "%s/tarn-buffer-XXXXXX", directory);
    if (len < 0 || (size_t)len >= sizeof path)
        return tn_fail(err, TARN_ETOOBIG, "could not spill: the directory's name is too long");
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0)
        return tn_fail_errno(err, "could not spill to \"%s\"", directory);
    (void)unlink(path);
    return fd;
}

/* The descriptor, or a negative status. */
static int open_file(const char *directory, struct tarn_error *err)
{
    int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
        return fd >= 0 ? fd : tn_fail_errno(err, "could not spill to \"%s\"", directory);
    return open_named(directory, err);
}

static int file_create(void *arg, void **segment, struct tarn_error *err)
{
    struct file_storage *s = arg;
    struct file_segment *made = tn_calloc(1, sizeof *made);
    if (!made)
        return tn_fail(err, TARN_ENOMEM, "could not spill: out of memory");
    if (s->fd < 0) {
        int fd = open_file(s->directory, err);
        if (fd < 0) {
            tn_free(made);
            return fd;
        }
        s->fd = fd;
    }
    made->start = s->end;
    s->segment_count++;
    *segment = made;
    return TARN_OK;
}

static int file_write(void *arg, void *segment, const void *bytes, size_t len,
                      struct tarn_error *err)
{
    struct file_storage *s = arg;
    struct file_segment *seg = segment;
    if (tn_fd_pwrite(s->fd, bytes, len, s->end) < 0)
        return tn_fail_errno(err, "could not spill to \"%s\"", s->directory);
    s->end += len;
    seg->len += len;
    return TARN_OK;
}

static int file_seal(void *arg, void *segment, struct tarn_error *err)
{
    (void)arg;
    (void)segment;
    (void)err;
    return TARN_OK;
}

static int64_t file_read(void *arg, void *segment, uint64_t offset, void *bytes, size_t len,
                         struct tarn_error *err)
{
    struct file_storage *s = arg;
    const struct file_segment *seg = segment;
    if (offset >= seg->len)
        return 0;
    if (len > seg->len - offset)
        len = (size_t)(seg->len - offset);
    ssize_t n = tn_fd_pread(s->fd, bytes, len, seg->start + offset);
    return n < 0 ? tn_fail_errno(err, "could not read what was spilled to \"%s\"", s->directory)
                 : (int64_t)n;
}

static void file_remove(void *arg, void *segment)
{
    struct file_storage *s = arg;
    struct file_segment *seg = segment;
    if (--s->segment_count == 0) {
        tn_fd_close(&s->fd);
        s->end = 0;
    } else if (seg->start + seg->len == s->end) {
        s->end = seg->start;
        int rc = ftruncate(s->fd, (off_t)s->end);
        (void)rc; /* only the space comes back later */
    } else if (seg->len > 0) {
        (void)fallocate(s->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)seg->start,
                        (off_t)seg->len);
    }
    tn_free(seg);
}

int spill_file_new(const char *directory, struct tarn_buffer_storage *out, struct tarn_error *err)
{
    const char *temporary = getenv("TMPDIR");
    struct file_storage *s = tn_calloc(1, sizeof *s);
    if (!directory)
        directory = temporary && temporary[0] ? temporary : "/tmp";
    if (s) {
        s->fd = -1;
        s->directory = tn_strdup(directory);
    }
    if (!s || !s->directory) {
        tn_free(s);
        return tn_fail(err, TARN_ENOMEM, "could not create a buffer: out of memory");
    }
    *out = (struct tarn_buffer_storage){ file_create, file_write,  file_seal,
                                         file_read,   file_remove, s };
    return TARN_OK;
}

void spill_file_free(struct tarn_buffer_storage *storage)
{
    struct file_storage *s = storage->arg;
    tn_fd_close(&s->fd);
    tn_free(s->directory);
    tn_free(s);
}
