/* SPDX-License-Identifier: Apache-2.0 */
/* Spares: files of retired segments that become the next ones, so that room which is allocated and
 * written once already need not be filled with zeros again.
 *
 * A spare keeps its old records. They are none in its next life: the salt of a record is that of
 * its segment. What must be gone is the header, since it says that a segment was begun: it is
 * wiped out, durably, before the file gets its next number. */

#include <errno.h>
#include <fcntl.h>

#include "base/log.h"
#include "server/store/log_impl.h"

/* Spares are kept while so many more segments would fit on the disk. */
enum { SPARE_FREE_SEGMENTS = 16 };

static void spare_path(const struct log *l, uint32_t number, char out[LOG_PATH_MAX + 16])
{
    (void)snprintf(out, LOG_PATH_MAX + 16, "%s/%08x.spare", l->dir, number);
}

static bool has_room(const struct log *l)
{
    struct statvfs info;
    return l->config.disk->statvfs(l->dir, &info) == 0 &&
           (uint64_t)info.f_bavail * info.f_frsize >= SPARE_FREE_SEGMENTS * l->config.segment_len;
}

/* Takes the entry `number` out, or with 0 one that is ready; its number, 0 when there is none. */
static uint32_t take_entry(struct log *l, uint32_t number)
{
    uint32_t found = 0;
    (void)pthread_mutex_lock(&l->spares.lock);
    for (size_t i = 0; i < l->spares.count && !found; i++) {
        const struct log_spare *s = &l->spares.items[i];
        if (number ? s->number == number : s->is_ready) {
            found = s->number;
            l->spares.items[i] = l->spares.items[--l->spares.count];
        }
    }
    (void)pthread_mutex_unlock(&l->spares.lock);
    return found;
}

/* False when there are enough. */
static bool add_entry(struct log *l, uint32_t number, bool is_ready)
{
    (void)pthread_mutex_lock(&l->spares.lock);
    bool is_added = l->spares.count < LOG_SPARE_MAX;
    if (is_added)
        l->spares.items[l->spares.count++] = (struct log_spare){ number, is_ready };
    (void)pthread_mutex_unlock(&l->spares.lock);
    return is_added;
}

void log_spare_forget(struct log *l, uint32_t number)
{
    (void)take_entry(l, number);
}

bool log_spare_keep(struct log *l, uint32_t number, const char *path, off_t len)
{
    char spare[LOG_PATH_MAX + 16];
    spare_path(l, number, spare);
    if (len != (off_t)l->config.segment_len || !has_room(l) || !add_entry(l, number, false))
        return false;
    bool is_kept = l->config.disk->rename(path, spare) == 0;
    if (!is_kept)
        log_spare_forget(l, number);
    return is_kept;
}

void log_spare_ready(struct log *l, uint32_t number)
{
    (void)pthread_mutex_lock(&l->spares.lock);
    for (size_t i = 0; i < l->spares.count; i++) {
        if (l->spares.items[i].number == number)
            l->spares.items[i].is_ready = true;
    }
    (void)pthread_mutex_unlock(&l->spares.lock);
}

void log_trim_spares(struct log *l)
{
    char path[LOG_PATH_MAX + 16];
    uint32_t number;
    (void)pthread_mutex_lock(&l->spares.lock);
    bool has_some = l->spares.count > 0;
    (void)pthread_mutex_unlock(&l->spares.lock);
    if (!has_some || has_room(l))
        return;
    while ((number = take_entry(l, 0)) != 0) {
        spare_path(l, number, path);
        (void)l->config.disk->unlink(path);
    }
}

/* The file is not begun any more: durable when this returns. */
static int wipe_header(const struct log *l, int fd)
{
    static const char zeros[LOG_DATA_OFFSET];
    int rc = disk_write(l->config.disk, fd, zeros, sizeof zeros, 0);
    if (rc == TARN_OK && l->config.disk->fdatasync(fd) < 0)
        rc = tn_status_from_errno(errno);
    return rc;
}

int log_spare_take(struct log *l, const char *path, uint64_t len, int *fd)
{
    const struct disk_ops *d = l->config.disk;
    char spare[LOG_PATH_MAX + 16];
    uint32_t number = len == l->config.segment_len ? take_entry(l, 0) : 0;
    if (!number)
        return TARN_ENOTFOUND;
    spare_path(l, number, spare);
    int taken = d->open(spare, O_RDWR, 0);
    if (taken < 0)
        return tn_status_from_errno(errno);
    int rc = d->length(taken) == (off_t)len ? wipe_header(l, taken) : TARN_ECORRUPT;
    if (rc == TARN_OK && d->rename(spare, path) < 0)
        rc = tn_status_from_errno(errno);
    if (rc < 0) {
        (void)d->unlink(spare);
        (void)d->close(taken);
        return rc;
    }
    *fd = taken;
    return TARN_OK;
}

/* --- At the start --- */

/* What an earlier process left: its readers are gone with it. */
static int note_leftover(void *user, const char *name)
{
    struct log *l = user;
    uint32_t number;
    char rest[8];
    char path[LOG_PATH_MAX + 16];
    bool is_spare =
        sscanf(name, "%8x%7s", &number, rest) == 2 && strcmp(rest, ".spare") == 0 && number;
    if (!is_spare && strcmp(name, LOG_NEXT_NAME) != 0)
        return TARN_OK;
    if (is_spare && has_room(l) && add_entry(l, number, true))
        return TARN_OK;
    if (is_spare)
        spare_path(l, number, path);
    else
        (void)snprintf(path, sizeof path, "%s/" LOG_NEXT_NAME, l->dir);
    (void)l->config.disk->unlink(path);
    return TARN_OK;
}

void log_find_spares(struct log *l)
{
    int rc = disk_list(l->config.disk, l->dir, note_leftover, l);
    if (rc < 0)
        tn_log(TN_LOG_WARN, "event=spares_not_found reason=\"%s\"", tarn_status_text(rc));
}
