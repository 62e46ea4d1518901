/* SPDX-License-Identifier: Apache-2.0 */
/* Records of transfers in parts. */

#include "client/resume.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/codec.h"
#include "base/file.h"

enum { LINE_MAX_LEN = 4096, FILE_MODE = 0600, DIRECTORY_MODE = 0700, NAME_DIGEST_LEN = 16 };

void tn_resume_state_release(struct tn_resume_state *s)
{
    tn_free(s->parts);
    *s = (struct tn_resume_state){ 0 };
}

/* ---- writing ---- */

static int append_escaped(struct tn_buf *b, const char *text)
{
    int rc = TARN_OK;
    for (const char *at = text; *at && rc == TARN_OK; at++) {
        unsigned char c = (unsigned char)*at;
        if (c == '"' || c == '\\')
            rc = tn_buf_appendf(b, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            rc = tn_buf_appendf(b, "\\u%04x", c);
        else
            rc = tn_buf_append_char(b, *at);
    }
    return rc;
}

static int append_name(struct tn_buf *b, const char *name)
{
    return tn_buf_appendf(b, "%s\"%s\":", b->len > 0 && b->data[b->len - 1] != '{' ? "," : "",
                          name);
}

int tn_resume_text(struct tn_buf *b, const char *name, const char *value)
{
    int rc = append_name(b, name);
    if (rc == TARN_OK)
        rc = tn_buf_append_char(b, '"');
    if (rc == TARN_OK)
        rc = append_escaped(b, value ? value : "");
    return rc == TARN_OK ? tn_buf_append_char(b, '"') : rc;
}

int tn_resume_identify(struct tn_buf *b, const char *direction, const char *endpoint,
                       const char *bucket, const char *key)
{
    int rc = tn_buf_appendf(b, "{\"tarn_resume\":1,\"direction\":\"%s\"", direction);
    if (rc == TARN_OK)
        rc = tn_resume_text(b, "endpoint", endpoint);
    if (rc == TARN_OK)
        rc = tn_resume_text(b, "bucket", bucket);
    return rc == TARN_OK ? tn_resume_text(b, "key", key) : rc;
}

int tn_resume_u64(struct tn_buf *b, const char *name, uint64_t value)
{
    int rc = append_name(b, name);
    return rc == TARN_OK ? tn_buf_appendf(b, "%llu", (unsigned long long)value) : rc;
}

/* Reading back is by comparison alone, so what would need an escape is not written. */
static bool is_plain(const char *text)
{
    for (; *text; text++) {
        if (*text < 0x20 || *text > 0x7e || *text == '"' || *text == '\\')
            return false;
    }
    return true;
}

/* ---- reading ---- */

/* Takes `mark` off the front of `line`. */
static bool take_mark(struct tn_str *line, struct tn_str mark)
{
    if (!tn_str_starts(*line, mark))
        return false;
    *line = tn_str_sub(*line, mark.len, SIZE_MAX);
    return true;
}

static bool take_u64(struct tn_str *line, uint64_t *out)
{
    size_t len = 0;
    while (len < line->len && tn_is_digit(line->data[len]))
        len++;
    if (tn_str_to_u64(tn_str_sub(*line, 0, len), out) < 0)
        return false;
    *line = tn_str_sub(*line, len, SIZE_MAX);
    return true;
}

/* Up to the next quote, which goes too. */
static bool take_text(struct tn_str *line, char *out, size_t cap)
{
    size_t len = tn_str_find_char(*line, '"');
    if (len == SIZE_MAX || len >= cap)
        return false;
    (void)snprintf(out, cap, "%.*s", (int)len, line->data);
    *line = tn_str_sub(*line, len + 1, SIZE_MAX);
    return strlen(out) == len && is_plain(out);
}

static bool parse_part(struct tn_str line, uint32_t part_count, struct tn_resume_part *out)
{
    struct tn_resume_part part = { 0 };
    char algorithm[32];
    char value[TN_CHECKSUM_TEXT_LEN];
    uint64_t number;
    if (!take_mark(&line, TN_STR("{\"n\":")) || !take_u64(&line, &number) || number == 0 ||
        number > part_count || !take_mark(&line, TN_STR(",\"size\":")) ||
        !take_u64(&line, &part.size) || !take_mark(&line, TN_STR(",\"algorithm\":\"")) ||
        !take_text(&line, algorithm, sizeof algorithm) ||
        !take_mark(&line, TN_STR(",\"value\":\"")) || !take_text(&line, value, sizeof value) ||
        !take_mark(&line, TN_STR(",\"etag\":\"")) ||
        !take_text(&line, part.etag, sizeof part.etag) || !tn_str_eq(line, TN_STR("}")))
        return false;
    part.number = (uint32_t)number;
    enum tn_checksum_kind kind = tn_checksum_from_name(tn_str_from(algorithm));
    if (kind != TN_CHECKSUM_NONE && tn_checksum_parse(kind, tn_str_from(value), &part.value) < 0)
        return false;
    *out = part;
    return true;
}

/* The next line that is whole; false when there is none. */
static bool next_line(struct tn_str *text, struct tn_str *line)
{
    size_t end = tn_str_find_char(*text, '\n');
    if (end == SIZE_MAX)
        return false;
    *line = tn_str_sub(*text, 0, end);
    *text = tn_str_sub(*text, end + 1, SIZE_MAX);
    return true;
}

int tn_resume_parse(struct tn_str text, struct tn_str identity, uint32_t part_count,
                    struct tn_resume_state *out)
{
    struct tn_resume_state made = { 0 };
    struct tn_resume_part part;
    struct tn_str line;
    made.is_same = next_line(&text, &line) && tn_str_eq(line, identity);
    bool is_good = next_line(&text, &line) && take_mark(&line, TN_STR("{\"upload_id\":\"")) &&
                   take_text(&line, made.upload_id, sizeof made.upload_id);
    made.is_same = made.is_same && is_good;
    while (made.is_same && next_line(&text, &line) && parse_part(line, part_count, &part)) {
        if (!made.parts)
            made.parts = tn_calloc(part_count, sizeof *made.parts);
        if (!made.parts)
            return TARN_ENOMEM;
        made.count += made.parts[part.number - 1].number == 0;
        made.parts[part.number - 1] = part;
    }
    *out = made;
    return TARN_OK;
}

/* ---- the file ---- */

/* Locked, and still what the name means; -1 when not. */
static int open_locked(const char *path, int flags)
{
    struct stat by_fd;
    struct stat by_name;
    int fd = open(path, flags | O_RDWR | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
    if (fd < 0)
        return -1;
    if (flock(fd, LOCK_EX | LOCK_NB) < 0 || fstat(fd, &by_fd) < 0 || stat(path, &by_name) < 0 ||
        by_fd.st_ino != by_name.st_ino || !S_ISREG(by_fd.st_mode))
        tn_fd_close(&fd);
    return fd;
}

static int read_all(int fd, struct tn_buf *out)
{
    struct stat st;
    if (fstat(fd, &st) < 0 || st.st_size > TN_RESUME_FILE_MAX)
        return TARN_ETOOBIG;
    int rc = tn_buf_reserve(out, (size_t)st.st_size);
    if (rc < 0)
        return rc;
    ssize_t n = tn_fd_pread(fd, out->data, (size_t)st.st_size, 0);
    if (n < 0)
        return (int)n;
    out->len = (size_t)n;
    out->data[out->len] = '\0';
    return TARN_OK;
}

/* Behind the last whole line: what is added to one that a killed program has torn cannot be read.
 */
static bool seek_to_end(int fd, const struct tn_buf *text)
{
    size_t len = text->len;
    while (len > 0 && text->data[len - 1] != '\n')
        len--;
    return (len == text->len || ftruncate(fd, (off_t)len) == 0) && lseek(fd, 0, SEEK_END) >= 0;
}

int tn_resume_open(struct tn_resume_file *f, const char *path, struct tn_str identity,
                   uint32_t part_count, struct tn_resume_state *out)
{
    TN_AUTO_BUF text = TN_BUF_INIT(TN_RESUME_FILE_MAX + 1);
    *f = (struct tn_resume_file){ .fd = -1 };
    *out = (struct tn_resume_state){ 0 };
    f->path = tn_strdup(path);
    if (!f->path)
        return TARN_ENOMEM;
    f->fd = open_locked(path, 0);
    if (f->fd < 0)
        return TARN_OK;
    int rc = read_all(f->fd, &text);
    if (rc == TARN_OK)
        rc = tn_resume_parse(tn_buf_str(&text), identity, part_count, out);
    if (rc == TARN_OK && out->is_same && !seek_to_end(f->fd, &text))
        out->is_same = false;
    return rc == TARN_ENOMEM ? rc : TARN_OK;
}

static void give_up(struct tn_resume_file *f)
{
    if (f->fd >= 0)
        (void)unlink(f->path);
    tn_fd_close(&f->fd);
}

void tn_resume_begin(struct tn_resume_file *f, struct tn_str identity, const char *upload_id)
{
    TN_AUTO_BUF head = TN_BUF_INIT(TN_RESUME_IDENTITY_MAX + LINE_MAX_LEN);
    if (!f->path)
        return;
    if (f->fd < 0)
        f->fd = open_locked(f->path, O_CREAT);
    if (f->fd < 0)
        return;
    int rc = is_plain(upload_id) ? tn_buf_append_str(&head, identity) : TARN_EINVAL;
    if (rc == TARN_OK)
        rc = tn_buf_appendf(&head, "\n{\"upload_id\":\"%s\"}\n", upload_id);
    if (rc < 0 || ftruncate(f->fd, 0) < 0 || lseek(f->fd, 0, SEEK_SET) < 0 ||
        tn_fd_write(f->fd, head.data, head.len) < 0)
        give_up(f);
}

void tn_resume_add(struct tn_resume_file *f, const struct tn_resume_part *part)
{
    char line[LINE_MAX_LEN];
    char value[TN_CHECKSUM_TEXT_LEN] = "";
    if (f->fd < 0 || !is_plain(part->etag))
        return;
    if (part->value.kind != TN_CHECKSUM_NONE)
        (void)tn_checksum_text(&part->value, value);
    int len = snprintf(line, sizeof line,
                       "{\"n\":%u,\"size\":%llu,\"algorithm\":\"%.*s\",\"value\":\"%s\","
                       "\"etag\":\"%s\"}\n",
                       part->number, (unsigned long long)part->size,
                       TN_STR_ARG(tn_checksum_name(part->value.kind)), value, part->etag);
    if (len < 0 || (size_t)len >= sizeof line || tn_fd_write(f->fd, line, (size_t)len) < 0)
        give_up(f);
}

void tn_resume_end(struct tn_resume_file *f, bool is_kept)
{
    if (!is_kept)
        give_up(f);
    tn_fd_close(&f->fd);
    tn_free(f->path);
    f->path = NULL;
}

const char *tn_resume_why_not(int status)
{
    switch (status) {
    case TARN_ENOTFOUND:
        return "the server no longer has the upload";
    case TARN_EDENIED:
    case TARN_ENOTSUPPORTED:
    case TARN_EPROTOCOL:
        return "the server does not list its parts";
    default:
        return NULL;
    }
}

bool tn_resume_is_worth(int status)
{
    switch (status) {
    case TARN_ENETWORK:
    case TARN_ETIMEOUT:
    case TARN_ETHROTTLED:
    case TARN_ESERVER:
    case TARN_ECANCELLED:
    case TARN_ECREDENTIALS:
    case TARN_EDENIED:
    case TARN_ENOMEM:
        return true;
    default:
        return false;
    }
}

/* ---- where uploads keep theirs ---- */

static int state_directory(const char *given, struct tn_buf *out)
{
    const char *state = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");
    if (given && *given)
        return tn_buf_append_text(out, given);
    if (state && *state == '/')
        return tn_buf_appendf(out, "%s/tarn/resume", state);
    if (home && *home == '/')
        return tn_buf_appendf(out, "%s/.local/state/tarn/resume", home);
    return TARN_ENOTFOUND;
}

int tn_resume_upload_path(const char *state_dir, struct tn_str what, struct tn_buf *out)
{
    unsigned char digest[TN_SHA256_LEN];
    char name[2 * NAME_DIGEST_LEN + 1];
    int rc = state_directory(state_dir, out);
    if (rc == TARN_OK && tn_dir_make(out->data, DIRECTORY_MODE, NULL) < 0)
        rc = TARN_ENOTFOUND;
    if (rc < 0)
        return rc;
    tn_sha256(what.data, what.len, digest);
    tn_hex_encode(digest, NAME_DIGEST_LEN, name);
    return tn_buf_appendf(out, "/%s.json", name);
}
