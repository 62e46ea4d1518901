/* SPDX-License-Identifier: Apache-2.0 */
/* Walking a directory: for each level its sorted names, nothing else. */

#include "cli/walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/name_sort.h"

struct level {
    int fd;
    struct cli_name_sort names; /* those of directories have a slash behind them */
    dev_t device;               /* with inode: to see a symbolic link that leads back up */
    ino_t inode;
    size_t path_len; /* of the directory itself */
    bool is_linked;  /* itself or one above it is a symbolic link, the root apart */
};

struct cli_walk {
    unsigned flags;
    struct tn_buf path;
    size_t root_len; /* where relative names begin */
    struct level *levels;
    size_t depth;
    struct cli_walk_entry entry;
};

static bool is_loop(const struct cli_walk *w, const struct stat *st)
{
    for (size_t i = 0; i < w->depth; i++) {
        if (w->levels[i].device == st->st_dev && w->levels[i].inode == st->st_ino)
            return true;
    }
    return false;
}

/* The sort key of an entry: its name, and a slash behind that of a directory or of a link to one.
 */
static int add_name(struct level *level, const struct dirent *found, struct tarn_error *err)
{
    char name[sizeof found->d_name + 1];
    struct stat st;
    bool is_directory = found->d_type == DT_DIR;
    if ((found->d_type == DT_LNK || found->d_type == DT_UNKNOWN) &&
        fstatat(level->fd, found->d_name, &st, 0) == 0)
        is_directory = S_ISDIR(st.st_mode);
    (void)snprintf(name, sizeof name, "%s%s", found->d_name, is_directory ? "/" : "");
    return cli_name_sort_add(&level->names, name, err);
}

static int read_names(struct level *level, struct tarn_error *err)
{
    int fd = fcntl(level->fd, F_DUPFD_CLOEXEC, 0);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        tn_fd_close(&fd);
        return tn_fail_errno(err, "could not read the directory");
    }
    int rc = TARN_OK;
    while (rc == TARN_OK) {
        errno = 0;
        const struct dirent *found = readdir(dir);
        if (!found) {
            if (errno != 0)
                rc = tn_fail_errno(err, "could not read the directory");
            break;
        }
        if (strcmp(found->d_name, ".") != 0 && strcmp(found->d_name, "..") != 0)
            rc = add_name(level, found, err);
    }
    (void)closedir(dir);
    return rc < 0 ? rc : cli_name_sort_finish(&level->names, err);
}

static void leave(struct cli_walk *w)
{
    struct level *level = &w->levels[--w->depth];
    cli_name_sort_release(&level->names);
    tn_fd_close(&level->fd);
}

/* Opens the directory at `name` (relative to `parent`) as the next level. */
static int enter(struct cli_walk *w, int parent, const char *name, struct tarn_error *err)
{
    struct stat st;
    int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
    TN_AUTO_FD fd = openat(parent, name, flags | O_NOFOLLOW);
    bool is_linked = w->depth > 0 && (fd < 0 || w->levels[w->depth - 1].is_linked);
    if (fd < 0)
        fd = openat(parent, name, flags);
    if (fd < 0 || fstat(fd, &st) < 0)
        return tn_fail_errno(err, "could not open the directory");
    if (is_loop(w, &st))
        return tn_fail(err, TARN_ENOTSUPPORTED, "skipped: a symbolic link that leads back up");
    if (w->depth == CLI_WALK_DEPTH_MAX)
        return tn_fail(err, TARN_ETOOBIG, "directories are nested more than %d deep",
                       CLI_WALK_DEPTH_MAX);
    struct level *level = &w->levels[w->depth++];
    *level = (struct level){
        .fd = fd,
        .device = st.st_dev,
        .inode = st.st_ino,
        .path_len = w->path.len,
        .is_linked = is_linked,
    };
    fd = -1; /* belongs to the level now */
    cli_name_sort_init(&level->names, 0);
    int rc = read_names(level, err);
    if (rc < 0)
        leave(w);
    return rc;
}

static bool is_link(const struct cli_walk *w, int parent, const char *name)
{
    struct stat st;
    return (w->flags & CLI_WALK_NO_LINKS) && fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISLNK(st.st_mode);
}

/* `path` stands at the entry. True when there is something to hand out. */
static bool visit(struct cli_walk *w, int parent, const char *name)
{
    struct cli_walk_entry *e = &w->entry;
    *e = (struct cli_walk_entry){ .path = w->path.data,
                                  .name = w->path.data + w->root_len,
                                  .is_linked = w->levels[w->depth - 1].is_linked };
    e->is_skipped = true;
    if (is_link(w, parent, name))
        (void)tn_fail(&e->err, TARN_ENOTSUPPORTED, "skipped: a symbolic link");
    else if (fstatat(parent, name, &e->st, 0) < 0)
        (void)tn_fail_errno(&e->err, "could not look at it");
    else if (S_ISDIR(e->st.st_mode))
        return enter(w, parent, name, &e->err) < 0;
    else if (S_ISREG(e->st.st_mode))
        e->is_skipped = false;
    else
        (void)tn_fail(&e->err, TARN_ENOTSUPPORTED, "skipped: not a regular file");
    return true;
}

/* Puts `path` at the entry `name` of the deepest level, without the slash of a directory. */
static int move_path(struct cli_walk *w, const struct level *level, const char *name)
{
    size_t len = strlen(name);
    tn_buf_truncate(&w->path, level->path_len);
    int rc = TARN_OK;
    if (w->path.len == 0 || w->path.data[w->path.len - 1] != '/')
        rc = tn_buf_append_char(&w->path, '/');
    return rc < 0 ? rc : tn_buf_append(&w->path, name, name[len - 1] == '/' ? len - 1 : len);
}

int cli_walk_next(struct cli_walk *w, const struct cli_walk_entry **entry, struct tarn_error *err)
{
    while (w->depth > 0) {
        struct level *level = &w->levels[w->depth - 1];
        const char *name;
        int rc = cli_name_sort_next(&level->names, &name, err);
        if (rc < 0)
            return rc;
        if (!name) {
            leave(w);
            continue;
        }
        rc = move_path(w, level, name);
        if (rc < 0)
            return tn_fail(err, rc, "could not walk the directory: %s", tarn_status_text(rc));
        size_t start = level->path_len;
        start += w->path.data[start] == '/'; /* the root may end in a slash already */
        if (visit(w, level->fd, w->path.data + start)) {
            *entry = &w->entry;
            return TARN_OK;
        }
    }
    *entry = NULL;
    return TARN_OK;
}

struct cli_walk *cli_walk_open(const char *root, unsigned flags, struct tarn_error *err)
{
    struct cli_walk *w = tn_calloc(1, sizeof *w);
    if (!w) {
        (void)tn_fail(err, TARN_ENOMEM, "could not walk the directory: out of memory");
        return NULL;
    }
    w->flags = flags;
    tn_buf_init(&w->path, CLI_PATH_LEN_MAX);
    w->levels = tn_calloc(CLI_WALK_DEPTH_MAX, sizeof *w->levels);
    int rc = w->levels ? tn_buf_append_text(&w->path, root) : TARN_ENOMEM;
    if (rc < 0) {
        (void)tn_fail(err, rc, "could not walk the directory: %s", tarn_status_text(rc));
    } else {
        w->root_len = w->path.len + (w->path.len == 0 || w->path.data[w->path.len - 1] != '/');
        rc = enter(w, AT_FDCWD, root, err);
    }
    if (rc == TARN_OK)
        return w;
    cli_walk_close(w);
    return NULL;
}

void cli_walk_close(struct cli_walk *w)
{
    if (!w)
        return;
    while (w->depth > 0)
        leave(w);
    tn_free(w->levels);
    tn_buf_release(&w->path);
    tn_free(w);
}
