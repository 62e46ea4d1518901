/* SPDX-License-Identifier: Apache-2.0 */
/* Scrub: reads everything that is stored, slowly, so that damage is found while there still is a
 * copy elsewhere. What it finds goes to the log and to DIR/quarantine.log; reads of it fail. A pass
 * that was cut off goes on where it was. */

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/codec.h"
#include "base/file.h"
#include "base/log.h"
#include "server/store/engine.h"
#include "server/store/index_vfs.h"

enum {
    SCRUB_PAGE_ROWS = 256,
    SCRUB_INDEX_PAGES = 64, /* read at a time */
    SCRUB_WINDOW_LEN = 256 * 1024,
    SCRUB_STATE_LEN_MAX = 8192,
    SCRUB_SAVE_MS = 10000,
    SCRUB_INTERVAL_S = 7 * 86400,
    SCRUB_BYTES_PER_S = 20 << 20,
};

struct scrub {
    struct log_store *store;
    log_store_problem_fn each;
    void *user;
    struct log_store_report report;
    uint64_t pace; /* bytes a second; 0 for none */
    uint64_t started_ns;
    uint64_t saved_ns;
    struct tn_buf cursor; /* the last index key that was read; empty while segments are */
    char *window;
};

static void problem(struct scrub *w, const char *line)
{
    w->report.problems++;
    w->each(w->user, line);
}

static bool must_stop(const struct scrub *w)
{
    return atomic_load(&w->store->is_closing);
}

/* Sleeps as long as the pace asks for, in steps that notice the end. */
static void keep_pace(struct scrub *w, uint64_t len)
{
    w->report.bytes += len;
    while (w->pace && !must_stop(w)) {
        uint64_t due_ms = w->report.bytes * 1000 / w->pace;
        uint64_t spent_ms = (tn_now_ns() - w->started_ns) / 1000000;
        if (due_ms <= spent_ms)
            return;
        uint64_t step_ms = due_ms - spent_ms < 100 ? due_ms - spent_ms : 100;
        (void)usleep((useconds_t)step_ms * 1000);
    }
}

/* --- Segments --- */

static int count_record(void *user, const struct record *r, const struct place *place,
                        struct tn_str body, struct tarn_error *err)
{
    struct scrub *w = user;
    (void)r;
    (void)body;
    w->report.records++;
    keep_pace(w, place->len);
    return must_stop(w) ? tn_fail(err, TARN_ECANCELLED, "could not scrub: closing") : TARN_OK;
}

static int scrub_segments(struct scrub *w, struct tarn_error *err)
{
    char path[ENGINE_PATH_MAX + 8];
    TN_AUTO_BUF numbers = TN_BUF_INIT(64 << 20);
    (void)snprintf(path, sizeof path, "%s/log", w->store->dir);
    int rc = log_numbers(w->store->disk, path, &numbers, err);
    for (size_t at = 0; rc == TARN_OK && at < numbers.len; at += sizeof(uint32_t)) {
        uint32_t number;
        struct pin pin;
        memcpy(&number, numbers.data + at, sizeof number);
        if (number >= log_active(w->store->log))
            break;
        struct tarn_error damage = { 0 };
        pin_take(w->store, &pin); /* vacuum does not remove the file meanwhile */
        rc = log_scan(w->store->log, number, count_record, w, &damage);
        pin_drop(w->store, &pin);
        if (rc == TARN_ECORRUPT)
            problem(w, damage.message);
        if (rc == TARN_ECORRUPT || rc == TARN_ENOTFOUND) /* gone since the list was made */
            rc = TARN_OK;
    }
    return rc;
}

/* --- The index's pages: rows that no reading of objects comes by are in some of them --- */

static int scrub_index(struct scrub *w, struct tarn_error *err)
{
    struct index_reader *r;
    struct tarn_error damage = { 0 };
    int rc = index_reader_take(w->store->index, &r, err);
    if (rc < 0)
        return rc;
    for (uint64_t page = 1; rc == TARN_OK && !must_stop(w); page += SCRUB_INDEX_PAGES) {
        rc = index_verify(r, page, SCRUB_INDEX_PAGES, &damage);
        keep_pace(w, (uint64_t)SCRUB_INDEX_PAGES * INDEX_PAGE_LEN);
    }
    index_reader_give(w->store->index, r);
    if (rc == TARN_ECORRUPT)
        problem(w, damage.message);
    return rc == TARN_EEOF || rc == TARN_ECORRUPT ? TARN_OK : rc;
}

/* --- Rows and their bytes --- */

static int read_object(struct scrub *w, struct tn_str bucket, struct tn_str key,
                       const struct store_head *head, struct tarn_error *err)
{
    struct store_object *o;
    struct store_version which = version_of(head);
    int rc = object_open_version(&w->store->base, bucket, key, &which, &o, err);
    if (rc == TARN_ENOTFOUND || rc == TARN_ENOBUCKET)
        return TARN_OK; /* deleted since the row was read */
    if (rc < 0)
        return rc;
    uint64_t size = object_head(o)->size;
    for (uint64_t at = 0; at < size && !must_stop(w);) {
        ssize_t n = object_read(o, at, w->window, SCRUB_WINDOW_LEN, true, err);
        if (n <= 0) {
            rc = n < 0 ? (int)n : tn_fail(err, TARN_ECORRUPT, "could not read: it ends early");
            break;
        }
        at += (uint64_t)n;
        keep_pace(w, (uint64_t)n);
    }
    object_close(o);
    w->report.objects++;
    return rc;
}

/* An upload or a part: its record must be there. A part's bytes are in a segment or in a blob. */
static int read_row(struct scrub *w, const struct store_head *head, struct tarn_error *err)
{
    struct record r;
    TN_AUTO_BUF bytes = TN_BUF_INIT(UINT32_MAX);
    struct place place = place_unpack(head->place);
    int rc = object_read_front(w->store, &place, head->seq, true, &bytes, &r, err);
    if (rc < 0 || place.kind != PLACE_BLOB)
        return rc;
    int fd;
    rc = blob_open(w->store->disk, w->store->blob_dir, place.blob, head->size, &fd, err);
    if (rc < 0)
        return rc;
    w->report.blobs++;
    (void)w->store->disk->close(fd);
    return TARN_OK;
}

static void describe(struct scrub *w, struct tn_str bucket, struct tn_str key,
                     const struct tarn_error *err)
{
    char line[sizeof err->message + 2200];
    char shown[2 * 1024 + 1];
    struct tn_str cut = tn_str_sub(key, 0, 1024);
    if (tn_str_is_utf8(cut))
        (void)snprintf(shown, sizeof shown, "%.*s", TN_STR_ARG(cut));
    else
        tn_hex_encode(cut.data, cut.len, shown);
    (void)snprintf(line, sizeof line, "bucket \"%.*s\" key \"%s\": %s", TN_STR_ARG(bucket), shown,
                   err->message);
    problem(w, line);
}

static int scrub_row(struct scrub *w, struct tn_str bucket, struct tn_str row,
                     const struct store_head *head)
{
    struct tarn_error err = { 0 };
    struct tn_str key = tn_str_sub(row, 5, row.len);
    struct pin pin;
    pin_take(w->store, &pin);
    int rc;
    if (row.data[4] == SPACE_OBJECT) {
        rc = read_object(w, bucket, key, head, &err);
    } else if (row.data[4] == SPACE_VERSION) {
        key.len -= VERSION_SUFFIX_LEN;
        rc = read_object(w, bucket, key, head, &err);
    } else {
        struct store_head now;
        rc = object_find(w->store, row, true, &now, &err);
        rc = rc == TARN_ENOTFOUND || now.seq != head->seq ? TARN_OK : read_row(w, &now, &err);
    }
    pin_drop(w->store, &pin);
    if (rc == TARN_ECORRUPT) {
        describe(w, bucket, key, &err);
        rc = TARN_OK;
    }
    return rc;
}

/* One page of rows, copied, so that no snapshot of the index is held while their bytes are read. */
static int read_page(struct scrub *w, struct tn_str to, struct tn_buf *page, struct tarn_error *err)
{
    struct index_reader *r;
    int rc = index_reader_take(w->store->index, &r, err);
    if (rc < 0)
        return rc;
    rc = index_scan_begin(r, err);
    if (rc == TARN_OK)
        rc = index_scan_seek(r, tn_buf_str(&w->cursor), true, to, err);
    for (size_t i = 0; i < SCRUB_PAGE_ROWS && rc == TARN_OK; i++) {
        struct tn_str row;
        struct tn_str meta;
        struct store_head head;
        rc = index_scan_next(r, &row, &head, &meta, err);
        uint32_t len = (uint32_t)row.len;
        if (rc == TARN_OK)
            rc = tn_buf_append(page, &len, sizeof len);
        if (rc == TARN_OK)
            rc = tn_buf_append_str(page, row);
        if (rc == TARN_OK)
            rc = tn_buf_append(page, &head, sizeof head);
    }
    index_scan_end(r);
    index_reader_give(w->store->index, r);
    return rc == TARN_EEOF ? TARN_OK : rc;
}

static void save_cursor(struct scrub *w);

static int scrub_page(struct scrub *w, struct tn_str bucket, const struct tn_buf *page)
{
    int rc = TARN_OK;
    for (size_t at = 0; at < page->len && rc == TARN_OK && !must_stop(w);) {
        uint32_t len;
        struct store_head head;
        memcpy(&len, page->data + at, sizeof len);
        struct tn_str row = { page->data + at + sizeof len, len };
        memcpy(&head, row.data + len, sizeof head);
        at += sizeof len + len + sizeof head;
        rc = scrub_row(w, bucket, row, &head);
        tn_buf_truncate(&w->cursor, 0);
        if (rc == TARN_OK)
            rc = tn_buf_append_str(&w->cursor, row);
        save_cursor(w);
    }
    return rc;
}

static int scrub_bucket(void *user, const struct store_bucket *bucket)
{
    struct scrub *w = user;
    struct tarn_error err = { 0 };
    struct index_key from;
    struct index_key to;
    uint32_t number = buckets_number(w->store->buckets, bucket->name);
    index_key_make(&from, number, SPACE_OBJECT, TN_STR_EMPTY);
    from.len--;
    index_prefix_end(index_key_str(&from), &to);
    bool is_behind = tn_str_cmp(tn_buf_str(&w->cursor), index_key_str(&to)) >= 0;
    if (number == 0 || is_behind)
        return TARN_OK;
    if (tn_str_cmp(tn_buf_str(&w->cursor), index_key_str(&from)) < 0) {
        tn_buf_truncate(&w->cursor, 0);
        if (tn_buf_append_str(&w->cursor, index_key_str(&from)) < 0)
            return TARN_ENOMEM;
    }
    for (;;) {
        TN_AUTO_BUF page = TN_BUF_INIT(SIZE_MAX / 2);
        int rc = read_page(w, index_key_str(&to), &page, &err);
        if (rc == TARN_ECORRUPT) { /* the row cannot be passed: the index must be rebuilt */
            describe(w, bucket->name, TN_STR("(index)"), &err);
            return TARN_OK;
        }
        if (rc == TARN_OK)
            rc = scrub_page(w, bucket->name, &page);
        if (rc < 0 || page.len == 0 || must_stop(w))
            return rc;
    }
}

/* --- Passes --- */

static void state_path(const struct log_store *s, char out[ENGINE_PATH_MAX + 16])
{
    (void)snprintf(out, ENGINE_PATH_MAX + 16, "%s/scrub.state", s->dir);
}

/* "done MS\n" or "at HEX\n": when the last pass ended, or where this one is. */
static void save_text(struct log_store *s, const char *text)
{
    char path[ENGINE_PATH_MAX + 16];
    struct tarn_error err = { 0 };
    state_path(s, path);
    if (tn_file_replace(path, tn_str_from(text), 0600, &err) < 0)
        tn_log(TN_LOG_WARN, "event=scrub_state_not_saved reason=\"%s\"", err.message);
}

static void save_cursor(struct scrub *w)
{
    char text[2 * INDEX_KEY_MAX + 8];
    if (!w->pace || tn_now_ns() - w->saved_ns < (uint64_t)SCRUB_SAVE_MS * 1000000)
        return;
    w->saved_ns = tn_now_ns();
    memcpy(text, "at ", 3);
    tn_hex_encode(w->cursor.data, w->cursor.len, text + 3);
    save_text(w->store, text);
}

/* Fills the cursor; yields when the last pass ended, 0 when it did not. */
static int64_t load_state(struct log_store *s, struct tn_buf *cursor)
{
    char path[ENGINE_PATH_MAX + 16];
    TN_AUTO_BUF text = TN_BUF_INIT(SCRUB_STATE_LEN_MAX);
    state_path(s, path);
    if (tn_file_read(path, &text, NULL) < 0)
        return 0;
    struct tn_str lines = tn_buf_str(&text);
    struct tn_str rest = tn_str_split(&lines, '\n');
    struct tn_str word = tn_str_split(&rest, ' ');
    uint64_t ms;
    if (tn_str_eq(word, TN_STR("done")) && tn_str_to_u64(rest, &ms) == TARN_OK)
        return (int64_t)ms;
    if (tn_str_eq(word, TN_STR("at")) && rest.len / 2 <= INDEX_KEY_MAX &&
        tn_buf_reserve(cursor, rest.len / 2) == TARN_OK &&
        tn_hex_decode(rest, cursor->data) == TARN_OK)
        cursor->len = rest.len / 2;
    return 0;
}

static int pass(struct scrub *w, struct tarn_error *err)
{
    w->window = tn_realloc(NULL, SCRUB_WINDOW_LEN);
    if (!w->window)
        return tn_fail(err, TARN_ENOMEM, "could not scrub: out of memory");
    w->started_ns = w->saved_ns = tn_now_ns();
    int rc = w->cursor.len ? TARN_OK : scrub_segments(w, err);
    if (rc == TARN_OK && !w->cursor.len)
        rc = scrub_index(w, err);
    if (rc == TARN_OK)
        rc = apply_wait(w->store, err);
    if (rc == TARN_OK)
        rc = buckets_list(w->store->buckets, scrub_bucket, w);
    tn_free(TN_TAKE(w->window));
    return rc;
}

/* --- The thread --- */

static void quarantine(void *user, const char *line)
{
    struct log_store *s = user;
    char path[ENGINE_PATH_MAX + 32];
    char stamp[TN_TIME_LEN];
    char entry[4096];
    tn_log(TN_LOG_ERROR, "event=scrub_damage what=\"%s\"", line);
    tn_time_iso8601(tn_wall_ms(), stamp);
    (void)snprintf(path, sizeof path, "%s/quarantine.log", s->dir);
    int len = snprintf(entry, sizeof entry, "%s %s\n", stamp, line);
    TN_AUTO_FD fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0 ||
        tn_fd_write(fd, entry, len < (int)sizeof entry ? (size_t)len : sizeof entry - 1) < 0)
        tn_log(TN_LOG_WARN, "event=quarantine_not_written errno=%d", errno);
}

static void scrub_once(struct log_store *s, struct tn_buf *cursor)
{
    struct tarn_error err = { 0 };
    struct scrub w = { .store = s,
                       .each = quarantine,
                       .user = s,
                       .pace = s->config.scrub_bytes_per_s,
                       .cursor = TN_BUF_INIT(INDEX_KEY_MAX) };
    tn_buf_swap(&w.cursor, cursor);
    int rc = pass(&w, &err);
    tn_buf_release(&w.cursor);
    if (rc == TARN_ECANCELLED || atomic_load(&s->is_closing))
        return;
    char text[64];
    (void)snprintf(text, sizeof text, "done %lld\n", (long long)tn_wall_ms());
    save_text(s, text);
    tn_log(rc < 0 || w.report.problems ? TN_LOG_ERROR : TN_LOG_INFO,
           "event=scrub objects=%llu records=%llu bytes=%llu problems=%llu status=%s",
           (unsigned long long)w.report.objects, (unsigned long long)w.report.records,
           (unsigned long long)w.report.bytes, (unsigned long long)w.report.problems,
           tarn_status_name(rc));
}

static void *scrubber(void *arg)
{
    struct log_store *s = arg;
    TN_AUTO_BUF cursor = TN_BUF_INIT(INDEX_KEY_MAX);
    int64_t opened_ms = tn_wall_ms();
    int64_t last_ms = load_state(s, &cursor);
    while (!atomic_load(&s->is_closing)) {
        /* A store that was never scrubbed has been written just now: its first pass can wait, too.
         */
        int64_t since_ms = last_ms ? last_ms : cursor.len ? 0 : opened_ms;
        if (tn_wall_ms() - since_ms >= (int64_t)s->config.scrub_interval_s * 1000) {
            scrub_once(s, &cursor);
            last_ms = tn_wall_ms();
        }
        vacuum_sleep(s, 1000);
    }
    return NULL;
}

int scrub_start(struct log_store *s, struct tarn_error *err)
{
    if (!s->config.scrub_interval_s)
        s->config.scrub_interval_s = SCRUB_INTERVAL_S;
    if (!s->config.scrub_bytes_per_s)
        s->config.scrub_bytes_per_s = SCRUB_BYTES_PER_S;
    int code = pthread_create(&s->scrubber, NULL, scrubber, s);
    if (code != 0) {
        errno = code;
        return tn_fail_errno(err, "could not start a thread");
    }
    s->has_scrubber = true;
    return TARN_OK;
}

void scrub_stop(struct log_store *s)
{
    if (s->has_scrubber)
        (void)pthread_join(s->scrubber, NULL);
    s->has_scrubber = false;
}

/* --- The whole store at once, offline --- */

static int scrub_all(struct log_store *s, log_store_problem_fn each, void *user,
                     struct log_store_report *out, struct tarn_error *err)
{
    struct scrub w = {
        .store = s, .each = each, .user = user, .cursor = TN_BUF_INIT(INDEX_KEY_MAX)
    };
    int rc = pass(&w, err);
    tn_buf_release(&w.cursor);
    *out = w.report;
    return rc;
}

int log_store_check(const struct log_store_config *config, log_store_problem_fn each, void *user,
                    struct log_store_report *out, struct tarn_error *err)
{
    struct store *s;
    int rc = store_exists(config->dir, err);
    if (rc == TARN_OK)
        rc = log_store_open(config, &s, err);
    if (rc < 0)
        return rc;
    rc = scrub_all(engine(s), each, user, out, err);
    s->ops->close(s);
    return rc;
}
