/* SPDX-License-Identifier: Apache-2.0 */
/* Sorting names. */

#include "cli/name_sort.h"

#include <fcntl.h>
#include <stdlib.h>

#include "base/file.h"

enum { RUN_BUFFER_LEN = 16 * 1024 };

/* A sorted piece of the file, and a window of it that begins at the front name. */
struct cli_name_run {
    uint64_t at; /* of what comes behind the window */
    uint64_t end;
    char *window;
    size_t first;
    size_t len; /* bytes of the window from `first` on */
};

int cli_temporary_file(struct tarn_error *err)
{
    const char *directory = getenv("TMPDIR");
    if (!directory || !*directory)
        directory = "/tmp";
    int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    return fd < 0 ? tn_fail_errno(err, "could not create a temporary file in \"%s\"", directory)
                  : fd;
}

void cli_name_sort_init(struct cli_name_sort *s, size_t memory_max)
{
    size_t most = memory_max ? memory_max : CLI_NAME_SORT_MEMORY;
    *s = (struct cli_name_sort){ .text = TN_BUF_INIT(most + CLI_NAME_LEN_MAX),
                                 .memory_max = most,
                                 .fd = -1 };
}

void cli_name_sort_release(struct cli_name_sort *s)
{
    for (size_t i = 0; i < s->run_count; i++)
        tn_free(s->runs[i].window);
    tn_free(s->runs);
    tn_free(s->offsets);
    tn_buf_release(&s->text);
    tn_fd_close(&s->fd);
    cli_name_sort_init(s, s->memory_max);
}

static int no_memory(struct tarn_error *err)
{
    return tn_fail(err, TARN_ENOMEM, "could not sort names: out of memory");
}

static int compare(const void *a, const void *b, void *text)
{
    const char *names = text;
    return strcmp(names + *(const uint32_t *)a, names + *(const uint32_t *)b);
}

static void sort(struct cli_name_sort *s)
{
    if (s->count > 1)
        qsort_r(s->offsets, s->count, sizeof *s->offsets, compare, s->text.data);
}

/* Writes the names in memory as one more run. */
static int spill(struct cli_name_sort *s, struct tarn_error *err)
{
    TN_AUTO_BUF out = TN_BUF_INIT(s->text.max);
    if (s->run_count == CLI_NAME_SORT_RUNS_MAX)
        return tn_fail(err, TARN_ETOOBIG, "could not sort names: too many in one directory");
    if (s->fd < 0)
        s->fd = cli_temporary_file(err);
    if (s->fd < 0)
        return s->fd;
    struct cli_name_run *grown = tn_realloc(s->runs, (s->run_count + 1) * sizeof *grown);
    if (!grown)
        return no_memory(err);
    s->runs = grown;
    if (tn_buf_reserve(&out, s->text.len) < 0)
        return no_memory(err);
    sort(s);
    for (size_t i = 0; i < s->count; i++) {
        const char *name = s->text.data + s->offsets[i];
        if (tn_buf_append(&out, name, strlen(name) + 1) < 0)
            return no_memory(err);
    }
    if (tn_fd_pwrite(s->fd, out.data, out.len, s->file_len) < 0)
        return tn_fail_errno(err, "could not write a temporary file");
    s->runs[s->run_count++] =
        (struct cli_name_run){ .at = s->file_len, .end = s->file_len + out.len };
    s->file_len += out.len;
    s->count = 0;
    tn_buf_truncate(&s->text, 0);
    return TARN_OK;
}

int cli_name_sort_add(struct cli_name_sort *s, const char *name, struct tarn_error *err)
{
    size_t len = strlen(name) + 1;
    if (len > CLI_NAME_LEN_MAX)
        return tn_fail(err, TARN_ETOOBIG, "could not sort names: one is too long");
    if (s->text.len + len + s->count * sizeof *s->offsets > s->memory_max && s->count > 0) {
        int rc = spill(s, err);
        if (rc < 0)
            return rc;
    }
    if (s->count == s->cap) {
        size_t cap = s->cap ? s->cap * 2 : 64;
        uint32_t *grown = tn_realloc(s->offsets, cap * sizeof *grown);
        if (!grown)
            return no_memory(err);
        s->offsets = grown;
        s->cap = cap;
    }
    uint32_t offset = (uint32_t)s->text.len;
    if (tn_buf_append(&s->text, name, len) < 0)
        return no_memory(err);
    s->offsets[s->count++] = offset;
    return TARN_OK;
}

/* Makes the front name whole. At the end of the run `len` is 0. */
static int fill(struct cli_name_sort *s, struct cli_name_run *run, struct tarn_error *err)
{
    if (run->len > 0 && memchr(run->window + run->first, '\0', run->len))
        return TARN_OK;
    memmove(run->window, run->window + run->first, run->len);
    run->first = 0;
    uint64_t left = run->end - run->at;
    size_t room = RUN_BUFFER_LEN - run->len;
    size_t want = left < room ? (size_t)left : room;
    ssize_t n = tn_fd_pread(s->fd, run->window + run->len, want, run->at);
    if (n < 0 || (size_t)n < want)
        return tn_fail(err, n < 0 ? (int)n : TARN_EIO, "could not read a temporary file");
    run->len += want;
    run->at += want;
    return TARN_OK;
}

int cli_name_sort_finish(struct cli_name_sort *s, struct tarn_error *err)
{
    if (s->run_count == 0) {
        sort(s);
        return TARN_OK;
    }
    int rc = s->count > 0 ? spill(s, err) : TARN_OK;
    tn_buf_release(&s->text);
    tn_free(s->offsets);
    s->offsets = NULL;
    s->cap = 0;
    for (size_t i = 0; i < s->run_count && rc == TARN_OK; i++) {
        s->runs[i].window = tn_realloc(NULL, RUN_BUFFER_LEN);
        rc = s->runs[i].window ? fill(s, &s->runs[i], err) : no_memory(err);
    }
    return rc;
}

static int next_of_runs(struct cli_name_sort *s, const char **name, struct tarn_error *err)
{
    struct cli_name_run *least = NULL;
    if (s->taken) {
        size_t len = strlen(s->taken->window + s->taken->first) + 1;
        s->taken->first += len;
        s->taken->len -= len;
        int rc = fill(s, s->taken, err);
        if (rc < 0)
            return rc;
    }
    for (size_t i = 0; i < s->run_count; i++) {
        struct cli_name_run *run = &s->runs[i];
        if (run->len > 0 &&
            (!least || strcmp(run->window + run->first, least->window + least->first) < 0))
            least = run;
    }
    s->taken = least;
    *name = least ? least->window + least->first : NULL;
    return TARN_OK;
}

int cli_name_sort_next(struct cli_name_sort *s, const char **name, struct tarn_error *err)
{
    if (s->run_count > 0)
        return next_of_runs(s, name, err);
    *name = s->next < s->count ? s->text.data + s->offsets[s->next++] : NULL;
    return TARN_OK;
}
