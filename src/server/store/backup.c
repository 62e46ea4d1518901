/* SPDX-License-Identifier: Apache-2.0 */
/* Backup of a store that may be serving, and the way back.
 *
 * A backup is a directory of the same shape without an index, which is derived. It holds the store
 * (hold.h says how), so that nothing that is committed goes away; copies the sealed segments that
 * it does not have, the active one up to its last whole record, and the blobs that it does not
 * have; then removes what the store no longer has. `backup.json` is written last and removed first:
 * without it, the backup is incomplete. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "server/store/engine.h"
#include "server/store/log_impl.h"

enum { COPY_STEP_LEN = 1 << 20, MANIFEST_FILE_MAX = 4096, LIST_LEN_MAX = 64 << 20 };

struct backup {
    const char *from;
    const char *to;
    uint32_t
        last_active; /* the segment that was not sealed when the backup before was made; 0: none */
    struct log_store_backup *out;
};

static void join(char out[ENGINE_PATH_MAX + 64], const char *dir, const char *name)
{
    (void)snprintf(out, ENGINE_PATH_MAX + 64, "%s/%s", dir, name);
}

/* --- Files --- */

static int copy_bytes(int from, int to, uint64_t len, struct tarn_error *err)
{
    TN_AUTO_FREE char *step = tn_realloc(NULL, COPY_STEP_LEN);
    if (!step)
        return tn_fail(err, TARN_ENOMEM, "could not copy: out of memory");
    for (uint64_t at = 0; at < len;) {
        size_t want = len - at < COPY_STEP_LEN ? (size_t)(len - at) : COPY_STEP_LEN;
        ssize_t n = tn_fd_pread(from, step, want, at);
        if (n < 0)
            return tn_fail_errno(err, "could not read what is to be copied");
        if (n == 0)
            break;
        if (tn_fd_pwrite(to, step, (size_t)n, at) < 0)
            return tn_fail_errno(err, "could not write the copy");
        at += (uint64_t)n;
    }
    return TARN_OK;
}

/* Copies up to `len` bytes under a temporary name, then gives it its own. */
static int copy_file(struct backup *b, const char *name, uint64_t len, struct tarn_error *err)
{
    char source[ENGINE_PATH_MAX + 64];
    char target[ENGINE_PATH_MAX + 64];
    char temporary[ENGINE_PATH_MAX + 80];
    struct stat info;
    join(source, b->from, name);
    join(target, b->to, name);
    (void)snprintf(temporary, sizeof temporary, "%s.tmp", target);
    TN_AUTO_FD from = open(source, O_RDONLY | O_CLOEXEC);
    if (from < 0 || fstat(from, &info) < 0)
        return tn_fail_errno(err, "could not open \"%s\"", source);
    TN_AUTO_FD to = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (to < 0)
        return tn_fail_errno(err, "could not create \"%s\"", temporary);
    if (len > (uint64_t)info.st_size)
        len = (uint64_t)info.st_size;
    int rc = copy_bytes(from, to, len, err);
    if (rc == TARN_OK && ftruncate(to, info.st_size) < 0)
        rc = tn_fail_errno(err, "could not write \"%s\"", temporary);
    if (rc == TARN_OK && fsync(to) < 0)
        rc = tn_fail_errno(err, "could not sync \"%s\"", temporary);
    if (rc == TARN_OK && rename(temporary, target) < 0)
        rc = tn_fail_errno(err, "could not rename \"%s\"", temporary);
    if (rc < 0)
        (void)unlink(temporary);
    else
        b->out->copied_bytes += len;
    return rc;
}

static bool is_same_len(const struct backup *b, const char *name)
{
    char source[ENGINE_PATH_MAX + 64];
    char target[ENGINE_PATH_MAX + 64];
    struct stat from;
    struct stat to;
    join(source, b->from, name);
    join(target, b->to, name);
    return stat(source, &from) == 0 && stat(target, &to) == 0 && from.st_size == to.st_size;
}

/* --- The log --- */

/* Copies the segments in order. What follows the last whole record of the active one is not copied;
 * a record that arrives meanwhile is in the next backup. */
static int copy_log(struct backup *b, uint32_t *active, struct tarn_error *err)
{
    char dir[ENGINE_PATH_MAX + 64];
    TN_AUTO_BUF numbers = TN_BUF_INIT(LIST_LEN_MAX);
    join(dir, b->from, "log");
    int rc = log_list(dir, &numbers, err);
    *active = 0;
    for (size_t at = 0; rc == TARN_OK && at < numbers.len; at += sizeof(uint32_t)) {
        uint32_t number;
        char name[32];
        uint64_t len;
        bool is_sealed;
        memcpy(&number, numbers.data + at, sizeof number);
        (void)snprintf(name, sizeof name, "log/%08x.seg", number);
        b->out->segments++;
        *active = number;
        if (number < b->last_active && is_same_len(b, name))
            continue;
        rc = log_extent(dir, number, &len, &is_sealed, &b->out->seq, err);
        if (rc == TARN_OK && len)
            rc = copy_file(b, name, len, err);
        if (rc == TARN_OK && !is_sealed)
            break; /* the active one; what is behind it is made ready, not begun */
    }
    return rc;
}

/* --- Blobs --- */

static int copy_blob_dir(struct backup *b, const char *dir, struct tarn_error *err)
{
    char path[ENGINE_PATH_MAX + 64];
    int rc = TARN_OK;
    join(path, b->to, dir);
    rc = tn_dir_make(path, 0700, err);
    join(path, b->from, dir);
    DIR *d = rc == TARN_OK ? opendir(path) : NULL;
    if (rc == TARN_OK && !d)
        return tn_fail_errno(err, "could not open directory \"%s\"", path);
    for (struct dirent *e = d ? readdir(d) : NULL; e && rc == TARN_OK; e = readdir(d)) {
        char name[64];
        if (strlen(e->d_name) != 16)
            continue;
        (void)snprintf(name, sizeof name, "%s/%.16s", dir, e->d_name);
        if (!is_same_len(b, name))
            rc = copy_file(b, name, UINT64_MAX, err);
        if (rc == TARN_ENOTFOUND)
            rc = TARN_OK; /* a body that was given up */
        b->out->blobs++;
    }
    if (d)
        (void)closedir(d);
    join(path, b->to, dir);
    return rc < 0 ? rc : tn_dir_sync(path, err);
}

static int copy_blobs(struct backup *b, struct tarn_error *err)
{
    int rc = TARN_OK;
    for (unsigned i = 0; i < BLOB_DIR_COUNT && rc == TARN_OK; i++) {
        char dir[16];
        (void)snprintf(dir, sizeof dir, "blob/%02x", i);
        rc = copy_blob_dir(b, dir, err);
    }
    return rc;
}

/* --- What the store no longer has --- */

static int prune_dir(struct backup *b, const char *dir, struct tarn_error *err)
{
    char path[ENGINE_PATH_MAX + 64];
    join(path, b->to, dir);
    DIR *d = opendir(path);
    if (!d)
        return tn_fail_errno(err, "could not open directory \"%s\"", path);
    int rc = TARN_OK;
    for (struct dirent *e = readdir(d); e && rc == TARN_OK; e = readdir(d)) {
        char name[320];
        char source[ENGINE_PATH_MAX + 64];
        char target[ENGINE_PATH_MAX + 64];
        if (e->d_name[0] == '.')
            continue;
        (void)snprintf(name, sizeof name, "%s/%s", dir, e->d_name);
        (void)snprintf(source, sizeof source, "%s/%.60s", b->from, name);
        (void)snprintf(target, sizeof target, "%s/%.60s", b->to, name);
        if (access(source, F_OK) < 0 && errno == ENOENT && unlink(target) < 0)
            rc = tn_fail_errno(err, "could not remove \"%s\"", target);
    }
    (void)closedir(d);
    return rc;
}

static int prune(struct backup *b, struct tarn_error *err)
{
    int rc = prune_dir(b, "log", err);
    for (unsigned i = 0; i < BLOB_DIR_COUNT && rc == TARN_OK; i++) {
        char dir[16];
        (void)snprintf(dir, sizeof dir, "blob/%02x", i);
        rc = prune_dir(b, dir, err);
    }
    return rc;
}

/* --- backup.json --- */

/* TARN_ENOTFOUND for a backup that is not complete. */
static int read_manifest(const char *dir, uint32_t *active, struct log_store_backup *out,
                         struct tarn_error *err)
{
    char path[ENGINE_PATH_MAX + 64];
    TN_AUTO_BUF text = TN_BUF_INIT(MANIFEST_FILE_MAX);
    join(path, dir, "backup.json");
    int rc = tn_file_read(path, &text, err);
    if (rc < 0)
        return rc;
    json_t *root = json_loadb(text.data, text.len, 0, NULL);
    json_int_t seq = json_integer_value(json_object_get(root, "seq"));
    json_int_t number = json_integer_value(json_object_get(root, "active_segment"));
    if (!json_is_object(root) || number < 0 || number > UINT32_MAX || seq < 0)
        rc = tn_fail(err, TARN_ECORRUPT, "could not read \"%s\": not the description of a backup",
                     path);
    out->segments = (uint64_t)json_integer_value(json_object_get(root, "segments"));
    out->blobs = (uint64_t)json_integer_value(json_object_get(root, "blobs"));
    out->seq = (uint64_t)seq;
    *active = (uint32_t)number;
    json_decref(root);
    return rc;
}

static int write_manifest(const struct backup *b, uint32_t active, struct tarn_error *err)
{
    char path[ENGINE_PATH_MAX + 64];
    char text[256];
    join(path, b->to, "backup.json");
    (void)snprintf(text, sizeof text,
                   "{\"seq\": %llu, \"segments\": %llu, \"blobs\": %llu, \"active_segment\": %u}\n",
                   (unsigned long long)b->out->seq, (unsigned long long)b->out->segments,
                   (unsigned long long)b->out->blobs, active);
    return tn_file_replace(path, tn_str_from(text), 0600, err);
}

/* --- The calls --- */

/* The backup of another store, or something else, is not written over. */
static int prepare_dest(struct backup *b, struct tarn_error *err)
{
    char ours[ENGINE_PATH_MAX + 64];
    char theirs[ENGINE_PATH_MAX + 64];
    char path[ENGINE_PATH_MAX + 64];
    TN_AUTO_BUF here = TN_BUF_INIT(MANIFEST_FILE_MAX);
    TN_AUTO_BUF there = TN_BUF_INIT(MANIFEST_FILE_MAX);
    struct log_store_backup before = { 0 };
    join(ours, b->from, "format.json");
    join(theirs, b->to, "format.json");
    int rc = tn_file_read(ours, &here, err);
    if (rc < 0)
        return rc;
    rc = tn_file_read(theirs, &there, err);
    if (rc == TARN_OK && !tn_str_eq(tn_buf_str(&here), tn_buf_str(&there)))
        return tn_fail(err, TARN_EEXISTS,
                       "could not back up to \"%s\": it has another store's backup", b->to);
    if (rc < 0 && rc != TARN_ENOTFOUND)
        return rc;
    join(path, b->to, "log");
    bool has_files = access(path, F_OK) == 0;
    if (rc == TARN_ENOTFOUND && has_files)
        return tn_fail(err, TARN_EEXISTS, "could not back up to \"%s\": it is not a backup", b->to);
    if (read_manifest(b->to, &b->last_active, &before, NULL) < 0)
        b->last_active = 0;
    rc = tn_dir_make(path, 0700, err);
    join(path, b->to, "backup.json");
    if (rc == TARN_OK && unlink(path) < 0 && errno != ENOENT)
        rc = tn_fail_errno(err, "could not remove \"%s\"", path);
    if (rc == TARN_OK)
        rc = tn_file_replace(theirs, tn_buf_str(&here), 0600, err);
    return rc;
}

static int copy_store(struct backup *b, struct tarn_error *err)
{
    uint32_t active = 0;
    char path[ENGINE_PATH_MAX + 64];
    int rc = prepare_dest(b, err);
    if (rc == TARN_OK)
        rc = copy_log(b, &active, err);
    if (rc == TARN_OK)
        rc = copy_blobs(b, err);
    if (rc == TARN_OK)
        rc = prune(b, err);
    join(path, b->to, "log");
    if (rc == TARN_OK)
        rc = tn_dir_sync(path, err);
    return rc < 0 ? rc : write_manifest(b, active, err);
}

int log_store_backup(const char *dir, const char *dest, struct log_store_backup *out,
                     struct tarn_error *err)
{
    struct backup b = { .from = dir, .to = dest, .out = out };
    TN_AUTO_FD hold = -1;
    *out = (struct log_store_backup){ 0 };
    if (strlen(dir) >= ENGINE_PATH_MAX - 64 || strlen(dest) >= ENGINE_PATH_MAX - 64)
        return tn_fail(err, TARN_EINVAL, "could not back up: path too long");
    int rc = store_exists(dir, err);
    if (rc == TARN_OK)
        rc = hold_open(dir, &hold, err);
    if (rc == TARN_OK)
        rc = hold_share(hold, err);
    return rc < 0 ? rc : copy_store(&b, err);
}

static int check_empty_dir(const char *dir, struct tarn_error *err)
{
    DIR *d = opendir(dir);
    if (!d)
        return errno == ENOENT ? TARN_OK
                               : tn_fail_errno(err, "could not open directory \"%s\"", dir);
    unsigned count = 0;
    for (struct dirent *e = readdir(d); e; e = readdir(d))
        count += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    (void)closedir(d);
    return count ? tn_fail(err, TARN_EEXISTS, "could not restore to \"%s\": it is not empty", dir)
                 : TARN_OK;
}

static int drop_manifest(const char *dir, struct tarn_error *err)
{
    char path[ENGINE_PATH_MAX + 64];
    join(path, dir, "backup.json");
    if (unlink(path) < 0)
        return tn_fail_errno(err, "could not remove \"%s\"", path);
    return tn_dir_sync(dir, err);
}

int log_store_restore(const char *backup, const struct log_store_config *config,
                      struct log_store_backup *out, struct tarn_error *err)
{
    struct log_store_backup described = { 0 };
    struct backup b = { .from = backup, .to = config->dir, .out = out };
    struct store *s;
    uint32_t active = 0;
    *out = (struct log_store_backup){ 0 };
    if (strlen(backup) >= ENGINE_PATH_MAX - 64 || strlen(config->dir) >= ENGINE_PATH_MAX - 64)
        return tn_fail(err, TARN_EINVAL, "could not restore: path too long");
    int rc = read_manifest(backup, &active, &described, err);
    if (rc == TARN_ENOTFOUND)
        return tn_fail(err, rc, "could not restore from \"%s\": no complete backup is there",
                       backup);
    if (rc == TARN_OK)
        rc = check_empty_dir(config->dir, err);
    if (rc == TARN_OK)
        rc = copy_store(&b, err);
    if (rc == TARN_OK && out->seq != described.seq)
        rc = tn_fail(err, TARN_ECORRUPT,
                     "could not restore: the backup ends at record %llu, not at %llu",
                     (unsigned long long)out->seq, (unsigned long long)described.seq);
    if (rc == TARN_OK)
        rc = drop_manifest(config->dir, err);
    if (rc == TARN_OK)
        rc = log_store_open(config, &s, err);
    if (rc == TARN_OK)
        s->ops->close(s);
    return rc;
}
