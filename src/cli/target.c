/* SPDX-License-Identifier: Apache-2.0 */
/* The directory that a download goes into. */

#include "cli/target.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/file.h"

int cli_target_check(const char *name, struct tarn_error *err)
{
    struct tn_str rest = tn_str_from(name);
    if (rest.len == 0)
        return tn_fail(err, TARN_EDENIED, "refused: the name is empty");
    if (name[0] == '/')
        return tn_fail(err, TARN_EDENIED, "refused: the name begins with a slash");
    while (rest.len) {
        struct tn_str part = tn_str_split(&rest, '/');
        if (part.len == 0)
            return tn_fail(err, TARN_EDENIED, "refused: a part of the name is empty");
        if (tn_str_eq(part, TN_STR(".")) || tn_str_eq(part, TN_STR("..")))
            return tn_fail(err, TARN_EDENIED, "refused: the name has the part \"%.*s\"",
                           TN_STR_ARG(part));
    }
    return TARN_OK;
}

/* realpath() gives memory of the C library; this keeps to ours. */
static char *real_path(const char *path)
{
    char resolved[PATH_MAX];
    return realpath(path, resolved) ? tn_strdup(resolved) : NULL;
}

int cli_target_init(struct cli_target *target, const char *root, struct tarn_error *err)
{
    int rc = tn_dir_make(root, 0777, err);
    if (rc < 0)
        return rc;
    struct cli_target made = { .root = tn_strdup(root) };
    errno = 0;
    made.root_real = made.root ? real_path(root) : NULL;
    if (made.root_real) {
        *target = made;
        return TARN_OK;
    }
    rc = errno ? tn_fail_errno(err, "could not resolve \"%s\"", root)
               : tn_fail(err, TARN_ENOMEM, "out of memory");
    cli_target_release(&made);
    return rc;
}

void cli_target_release(struct cli_target *target)
{
    tn_free(target->root);
    tn_free(target->root_real);
    *target = (struct cli_target){ 0 };
}

int cli_path_join(struct tn_buf *path, const char *root, const char *name)
{
    size_t start = path->len;
    size_t len = strlen(root);
    int rc = tn_buf_append(path, root, len);
    if (rc == TARN_OK && len > 0 && root[len - 1] != '/')
        rc = tn_buf_append_char(path, '/');
    if (rc == TARN_OK)
        rc = tn_buf_append_text(path, name);
    if (rc < 0)
        tn_buf_truncate(path, start);
    return rc;
}

static bool is_below(const char *root, const char *path)
{
    size_t len = strlen(root);
    if (strcmp(root, "/") == 0)
        return true;
    return strncmp(path, root, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

static int check_link(const struct cli_target *target, const char *path, struct tarn_error *err)
{
    char resolved[PATH_MAX];
    struct stat st;
    if (!realpath(path, resolved) || stat(resolved, &st) < 0)
        return tn_fail_errno(err, "could not follow the symbolic link \"%s\"", path);
    if (!is_below(target->root_real, resolved))
        return tn_fail(err, TARN_EDENIED,
                       "refused: \"%s\" is a symbolic link that leaves the directory", path);
    if (!S_ISDIR(st.st_mode))
        return tn_fail(err, TARN_EEXISTS, "\"%s\" is in the way: not a directory", path);
    return TARN_OK;
}

/* Two workers may make the same directory: the second look settles it. */
static int ensure_dir(const struct cli_target *target, const char *path, struct tarn_error *err)
{
    struct stat st;
    if (lstat(path, &st) < 0) {
        if (errno == ENOENT && mkdir(path, 0777) < 0 && errno != EEXIST)
            return tn_fail_errno(err, "could not make directory \"%s\"", path);
        if (lstat(path, &st) < 0)
            return tn_fail_errno(err, "could not look at \"%s\"", path);
    }
    if (S_ISLNK(st.st_mode))
        return check_link(target, path, err);
    if (!S_ISDIR(st.st_mode))
        return tn_fail(err, TARN_EEXISTS, "\"%s\" is in the way: not a directory", path);
    return TARN_OK;
}

int cli_target_prepare(const struct cli_target *target, const char *name, struct tn_buf *path,
                       struct tarn_error *err)
{
    TN_AUTO_BUF made = TN_BUF_INIT(path->max);
    int rc = cli_target_check(name, err);
    if (rc < 0)
        return rc;
    rc = cli_path_join(&made, target->root, name);
    if (rc < 0)
        return tn_fail(err, rc, "could not build the path: %s", tarn_status_text(rc));

    char *at = made.data + made.len - strlen(name);
    for (char *slash = strchr(at, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        rc = ensure_dir(target, made.data, err);
        *slash = '/';
        if (rc < 0)
            return rc;
    }
    rc = tn_buf_append_str(path, tn_buf_str(&made));
    return rc < 0 ? tn_fail(err, rc, "could not build the path: %s", tarn_status_text(rc)) : rc;
}
