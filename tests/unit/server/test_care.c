/* SPDX-License-Identifier: Apache-2.0 */
/* Check, scrub, backup and restore: what is stored is read, what is damaged is named, what is
 * copied is whole. */

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit/server/store_fixture.h"

#include "base/file.h"
#include "server/store/engine.h"

struct lines {
    unsigned count;
    char last[8192];
};

static void note_line(void *user, const char *line)
{
    struct lines *l = user;
    l->count++;
    (void)snprintf(l->last, sizeof l->last, "%s", line);
}

static void on_fatal(void *context, const char *reason)
{
    (void)context;
    (void)reason;
    abort();
}

static struct log_store_config config_of(const struct fixture *f)
{
    return (struct log_store_config){ .dir = f->dir,
                                      .inline_max = SMALL_INLINE,
                                      .segment_len = SMALL_SEGMENT,
                                      .on_fatal = on_fatal };
}

static void fill(struct fixture *f, unsigned count, unsigned seed)
{
    TN_AUTO_BUF b = TN_BUF_INIT(0);
    for (unsigned i = 0; i < count; i++) {
        char key[32];
        (void)snprintf(key, sizeof key, "key/%u", i);
        size_t len = i % 5 == 0 ? 100000 + i : 3000 + i;
        assert_int_equal(fixture_put(f->store, key, fixture_pattern(len, seed + i, &b)), TARN_OK);
    }
}

static void check_filled(struct store *s, unsigned count, unsigned seed)
{
    TN_AUTO_BUF b = TN_BUF_INIT(0);
    for (unsigned i = 0; i < count; i++) {
        char key[32];
        (void)snprintf(key, sizeof key, "key/%u", i);
        size_t len = i % 5 == 0 ? 100000 + i : 3000 + i;
        assert_int_equal(fixture_check(s, key, fixture_pattern(len, seed + i, &b), 0, 1 << 17),
                         TARN_OK);
    }
}

/* The first blob in the directory. */
static void find_blob(const struct fixture *f, char out[PATH_MAX])
{
    out[0] = '\0';
    for (unsigned i = 0; i < 256 && !out[0]; i++) {
        char path[128];
        (void)snprintf(path, sizeof path, "%s/blob/%02x", f->dir, i);
        DIR *d = opendir(path);
        assert_non_null(d);
        for (struct dirent *e = readdir(d); e; e = readdir(d)) {
            if (e->d_name[0] != '.')
                (void)snprintf(out, PATH_MAX, "%s/%s", path, e->d_name);
        }
        (void)closedir(d);
    }
    assert_true(out[0]);
}

static void flip(const char *path, off_t at)
{
    TN_AUTO_FD fd = open(path, O_RDWR);
    unsigned char c;
    assert_int_equal(pread(fd, &c, 1, at), 1);
    c ^= 1;
    assert_int_equal(pwrite(fd, &c, 1, at), 1);
}

static int check_store(struct fixture *f, struct lines *l, struct log_store_report *report)
{
    struct log_store_config config = config_of(f);
    struct tarn_error err = { 0 };
    if (f->store)
        f->store->ops->close(TN_TAKE(f->store));
    *l = (struct lines){ .count = 0 };
    return log_store_check(&config, note_line, l, report, &err);
}

static void test_check_reads_everything(void **state)
{
    struct fixture *f = *state;
    struct lines l;
    struct log_store_report report;
    assert_int_equal(fixture_make_bucket(f->store, "b"), TARN_OK);
    fill(f, 150, 1);
    assert_int_equal(check_store(f, &l, &report), TARN_OK);
    assert_int_equal(l.count, 0);
    assert_int_equal(report.objects, 150);
    assert_true(report.records > 50);
    assert_true(report.bytes > 30 * 100000);

    char path[PATH_MAX];
    find_blob(f, path);
    flip(path, 70000);
    assert_int_equal(check_store(f, &l, &report), TARN_OK);
    assert_int_equal(report.problems, 1);
    assert_non_null(strstr(l.last, "bucket \"b\" key \"key/"));
    flip(path, 70000);

    (void)snprintf(path, sizeof path, "%s/log/00000001.seg", f->dir);
    flip(path, 50000);
    assert_int_equal(check_store(f, &l, &report), TARN_OK);
    assert_int_equal(report.problems, 2); /* the segment, and the object that it is in */
    flip(path, 50000);
    assert_int_equal(check_store(f, &l, &report), TARN_OK);
    assert_int_equal(report.problems, 0);
}

static void test_care_makes_no_store(void **state)
{
    struct fixture *f = *state;
    struct lines l = { .count = 0 };
    struct log_store_report report;
    struct log_store_backup done;
    struct tarn_error err = { 0 };
    char empty[128];
    (void)snprintf(empty, sizeof empty, "%s/not-there", f->dir);
    struct log_store_config config = config_of(f);
    config.dir = empty;
    assert_int_equal(log_store_check(&config, note_line, &l, &report, &err), TARN_ENOTFOUND);
    assert_int_equal(log_store_rebuild_index(&config, &err), TARN_ENOTFOUND);
    assert_int_equal(log_store_backup(empty, empty, &done, &err), TARN_ENOTFOUND);
    assert_int_equal(access(empty, F_OK), -1);
    config.dir = f->dir;
    assert_int_equal(log_store_check(&config, note_line, &l, &report, &err), TARN_EBUSY);
    assert_int_equal(log_store_rebuild_index(&config, &err), TARN_EBUSY);
    assert_int_equal(log_store_restore(empty, &config, &done, &err), TARN_ENOTFOUND);
}

static void test_scrub_writes_quarantine(void **state)
{
    struct fixture *f = *state;
    struct log_store_config config = config_of(f);
    struct tarn_error err = { 0 };
    char path[PATH_MAX];
    TN_AUTO_BUF text = TN_BUF_INIT(1 << 20);
    assert_int_equal(fixture_make_bucket(f->store, "b"), TARN_OK);
    fill(f, 20, 1);
    f->store->ops->close(TN_TAKE(f->store));
    find_blob(f, path);
    flip(path, 5);
    (void)snprintf(path, sizeof path, "%s/scrub.state", f->dir);
    assert_int_equal(tn_file_replace(path, TN_STR("done 1000\n"), 0600, &err), TARN_OK);
    config.scrub_bytes_per_s = 1 << 30;
    assert_int_equal(log_store_open(&config, &f->store, &err), TARN_OK);
    (void)snprintf(path, sizeof path, "%s/quarantine.log", f->dir);
    for (int i = 0; i < 6000 && (tn_file_read(path, &text, NULL) < 0 || !text.len); i++)
        (void)usleep(10000);
    assert_non_null(strstr(text.data, "bucket \"b\" key \"key/"));
    assert_non_null(strstr(text.data, "damaged"));
}

/* --- Backup --- */

struct writer {
    struct fixture *f;
    _Atomic(bool) must_stop;
    _Atomic(unsigned) rounds;
};

/* Overwrites a large and a small key all the time: their old blobs and segments want to go. */
static void *keep_writing(void *arg)
{
    struct writer *w = arg;
    TN_AUTO_BUF b = TN_BUF_INIT(0);
    while (!atomic_load(&w->must_stop)) {
        unsigned n = atomic_fetch_add(&w->rounds, 1);
        assert_int_equal(fixture_put(w->f->store, "hot/large", fixture_pattern(90000, n, &b)),
                         TARN_OK);
        assert_int_equal(fixture_put(w->f->store, "hot/small", fixture_pattern(9000, n, &b)),
                         TARN_OK);
    }
    return NULL;
}

static int backup_to(const struct fixture *f, const char *dest, struct log_store_backup *done)
{
    struct tarn_error err = { 0 };
    int rc = log_store_backup(f->dir, dest, done, &err);
    if (rc < 0)
        print_message("%s\n", err.message);
    return rc;
}

static void test_backup_of_a_busy_store(void **state)
{
    struct fixture *f = *state;
    struct writer w = { .f = f };
    struct fixture copy = { .disk = disk_real };
    struct log_store_backup first;
    struct log_store_backup second;
    char dest[128];
    struct tarn_error err = { 0 };
    pthread_t thread;
    (void)snprintf(dest, sizeof dest, "%.40s/../%.20s-backup", f->dir, f->dir + 5);
    assert_int_equal(fixture_make_bucket(f->store, "b"), TARN_OK);
    fill(f, 150, 1);
    assert_int_equal(pthread_create(&thread, NULL, keep_writing, &w), 0);
    assert_int_equal(backup_to(f, dest, &first), TARN_OK);
    for (int i = 0; i < 6000 && atomic_load(&w.rounds) < 60; i++)
        (void)usleep(10000);
    assert_int_equal(backup_to(f, dest, &second), TARN_OK);
    atomic_store(&w.must_stop, true);
    (void)pthread_join(thread, NULL);
    assert_true(second.seq > first.seq);
    assert_true(second.copied_bytes < first.copied_bytes + 90000u * atomic_load(&w.rounds));

    for (int round = 0; round < 2; round++) {
        (void)snprintf(copy.dir, sizeof copy.dir, "%.30s-r%d", f->dir, round);
        struct log_store_config config = config_of(&copy);
        struct log_store_backup done;
        if (round == 1) /* one that is quiet: nothing but the tail is copied again */
            assert_int_equal(backup_to(f, dest, &second), TARN_OK);
        assert_int_equal(log_store_restore(dest, &config, &done, &err), TARN_OK);
        assert_int_equal(log_store_restore(dest, &config, &done, &err), TARN_EEXISTS);
        fixture_reopen(&copy);
        check_filled(copy.store, 150, 1);
        struct lines l;
        struct log_store_report report;
        assert_int_equal(check_store(&copy, &l, &report), TARN_OK);
        if (l.count)
            fail_msg("%s", l.last);
        assert_int_equal(report.objects, 152);
        struct fixture *gone = tn_calloc(1, sizeof *gone);
        *gone = copy;
        void *as_state = gone;
        (void)fixture_teardown(&as_state);
        copy.store = NULL;
    }
    struct fixture *gone = tn_calloc(1, sizeof *gone);
    (void)snprintf(gone->dir, sizeof gone->dir, "/tmp/%.20s-backup", f->dir + 5);
    void *as_state = gone;
    (void)fixture_teardown(&as_state);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
        T(test_check_reads_everything),
        T(test_care_makes_no_store),
        T(test_scrub_writes_quarantine),
        T(test_backup_of_a_busy_store),
#undef T
    };
    return cmocka_run_group_tests_name("care", tests, NULL, NULL);
}
