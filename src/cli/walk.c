/* SPDX-License-Identifier: Apache-2.0 */
/* Walking a directory in constant memory: an open directory for each level, nothing else. */

#include "cli/walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"

struct level {
    DIR *dir;
    dev_t device; /* with inode: to see a symbolic link that leads back up */
    ino_t inode;
    size_t path_len; /* of the directory itself */
};

struct walk {
    const struct cli_walk_calls *calls;
    struct tn_buf path;
    size_t root_len; /* where relative names begin */
    struct level *levels;
    size_t depth;
};

static bool is_loop(const struct walk *w, const struct stat *st)
{
    for (size_t i = 0; i < w->depth; i++) {
        if (w->levels[i].device == st->st_dev && w->levels[i].inode == st->st_ino)
            return true;
    }
    return false;
}

/* Opens the directory at `name` (relative to `parent`) as the next level. */
static int enter(struct walk *w, int parent, const char *name, struct tarn_error *err)
{
    struct stat st;
    TN_AUTO_FD fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return tn_fail_errno(err, "could not open the directory");
    if (is_loop(w, &st))
        return tn_fail(err, TARN_ENOTSUPPORTED, "skipped: a symbolic link that leads back up");
    if (w->depth == CLI_WALK_DEPTH_MAX)
        return tn_fail(err, TARN_ETOOBIG, "directories are nested more than %d deep",
                       CLI_WALK_DEPTH_MAX);
    DIR *dir = fdopendir(fd);
    if (!dir)
        return tn_fail_errno(err, "could not read the directory");
    fd = -1; /* belongs to `dir` now */
    w->levels[w->depth++] = (struct level){ dir, st.st_dev, st.st_ino, w->path.len };
    return TARN_OK;
}

static void leave(struct walk *w)
{
    w->depth--;
    (void)closedir(w->levels[w->depth].dir);
}

static void skip(const struct walk *w, const struct tarn_error *err)
{
    w->calls->skipped(w->calls->arg, w->path.data, err);
}

/* `path` stands at the entry. Only what the callback says ends the walk. */
static int visit(struct walk *w, int parent, const char *name)
{
    struct tarn_error err = { 0 };
    struct stat st;
    if (fstatat(parent, name, &st, 0) < 0) {
        (void)tn_fail_errno(&err, "could not look at it");
        skip(w, &err);
        return TARN_OK;
    }
    if (S_ISREG(st.st_mode))
        return w->calls->file(w->calls->arg, w->path.data, w->path.data + w->root_len, &st);
    if (!S_ISDIR(st.st_mode)) {
        (void)tn_fail(&err, TARN_ENOTSUPPORTED, "skipped: not a regular file");
        skip(w, &err);
        return TARN_OK;
    }
    if (enter(w, parent, name, &err) < 0)
        skip(w, &err);
    return TARN_OK;
}

static int visit_named(struct walk *w, const struct level *level, const char *name)
{
    tn_buf_truncate(&w->path, level->path_len);
    int rc = TARN_OK;
    if (w->path.len == 0 || w->path.data[w->path.len - 1] != '/')
        rc = tn_buf_append_char(&w->path, '/');
    if (rc == TARN_OK)
        rc = tn_buf_append_text(&w->path, name);
    return rc < 0 ? rc : visit(w, dirfd(level->dir), name);
}

/* One entry of the deepest directory, or the way up. */
static int step(struct walk *w)
{
    struct level *level = &w->levels[w->depth - 1];
    errno = 0;
    const struct dirent *entry = readdir(level->dir);
    if (!entry) {
        struct tarn_error err = { 0 };
        tn_buf_truncate(&w->path, level->path_len);
        if (errno != 0) {
            (void)tn_fail_errno(&err, "could not read the directory");
            skip(w, &err);
        }
        leave(w);
        return TARN_OK;
    }
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
        return TARN_OK;
    return visit_named(w, level, entry->d_name);
}

int cli_walk(const char *root, const struct cli_walk_calls *calls, struct tarn_error *err)
{
    struct walk w = { .calls = calls };
    tn_buf_init(&w.path, CLI_PATH_LEN_MAX);
    w.levels = tn_calloc(CLI_WALK_DEPTH_MAX, sizeof *w.levels);
    int rc = w.levels ? tn_buf_append_text(&w.path, root) : TARN_ENOMEM;
    if (rc < 0)
        (void)tn_fail(err, rc, "could not walk the directory: %s", tarn_status_text(rc));
    if (rc == TARN_OK) {
        w.root_len = w.path.len + (w.path.data[w.path.len - 1] != '/');
        rc = enter(&w, AT_FDCWD, root, err);
    }
    while (rc == TARN_OK && w.depth > 0) {
        rc = step(&w);
        if (rc < 0)
            (void)tn_fail(err, rc, "could not walk the directory: %s", tarn_status_text(rc));
    }
    while (w.depth > 0)
        leave(&w);
    tn_free(w.levels);
    tn_buf_release(&w.path);
    return rc;
}
