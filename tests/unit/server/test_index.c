/* SPDX-License-Identifier: Apache-2.0 */
/* Damage of the index: no row is ever missing in silence, and the next start has all of them. */

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit/server/store_fixture.h"

#include "base/file.h"
#include "server/store/index_vfs.h"
#include "server/store/record.h"

enum { KEY_COUNT = 600 };

static void path_in(const struct fixture *f, const char *name, char out[128])
{
    (void)snprintf(out, 128, "%s/%s", f->dir, name);
}

static void key_of(unsigned i, char out[64])
{
    (void)snprintf(out, 64, "some/longer/key/so/that/pages/fill/%u", i);
}

static void fill(struct fixture *f)
{
    assert_int_equal(fixture_make_bucket(f->store, "b"), TARN_OK);
    for (unsigned i = 0; i < KEY_COUNT; i++) {
        char key[64];
        key_of(i, key);
        assert_int_equal(fixture_put(f->store, key, tn_str_from(key)), TARN_OK);
    }
}

static unsigned page_count(const struct fixture *f)
{
    char path[128];
    struct stat info;
    path_in(f, "index.sqlite", path);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_size % INDEX_PAGE_LEN, 0);
    return (unsigned)(info.st_size / INDEX_PAGE_LEN);
}

static bool is_there(const struct fixture *f, const char *name)
{
    char path[128];
    path_in(f, name, path);
    return access(path, F_OK) == 0;
}

static void remove_in(const struct fixture *f, const char *name)
{
    char path[128];
    path_in(f, name, path);
    (void)unlink(path);
}

static void page_read(const struct fixture *f, unsigned number, unsigned char *page)
{
    char path[128];
    path_in(f, "index.sqlite", path);
    TN_AUTO_FD fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, page, INDEX_PAGE_LEN, (off_t)(number - 1) * INDEX_PAGE_LEN),
                     INDEX_PAGE_LEN);
}

static void page_write(const struct fixture *f, unsigned number, const unsigned char *page)
{
    char path[128];
    path_in(f, "index.sqlite", path);
    TN_AUTO_FD fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, page, INDEX_PAGE_LEN, (off_t)(number - 1) * INDEX_PAGE_LEN),
                     INDEX_PAGE_LEN);
}

/* Reads all keys: each is right or an error. How many errors? */
static unsigned read_all(struct fixture *f)
{
    unsigned damaged = 0;
    for (unsigned i = 0; i < KEY_COUNT; i++) {
        char key[64];
        key_of(i, key);
        int rc = fixture_check(f->store, key, tn_str_from(key), 0, 100);
        assert_true(rc == TARN_OK || rc == TARN_ECORRUPT);
        damaged += rc != TARN_OK;
    }
    return damaged;
}

static void close_store(struct fixture *f)
{
    f->store->ops->close(TN_TAKE(f->store));
}

/* With the damage in place: whatever is read is right or an error, and if anything was, the next
 * start has it mended. */
static void check_mended(struct fixture *f)
{
    fixture_reopen(f);
    unsigned damaged = read_all(f);
    assert_true(damaged == 0 || is_there(f, "index.sqlite.damaged"));
    fixture_reopen(f);
    assert_int_equal(read_all(f), 0);
    assert_false(is_there(f, "index.sqlite.damaged"));
    close_store(f);
}

static void test_every_page_is_checked(void **state)
{
    struct fixture *f = *state;
    unsigned char page[INDEX_PAGE_LEN];
    fill(f);
    close_store(f);
    unsigned count = page_count(f);
    assert_true(count > 10);
    for (unsigned number = 1; number <= page_count(f); number++) {
        page_read(f, number, page);
        assert_int_equal(index_page_crc(page, number), get_u32(page + INDEX_PAGE_CRC_AT));
        page[(number * 911) % INDEX_PAGE_LEN] ^= 0x04;
        page_write(f, number, page);
        check_mended(f);
    }
}

static void test_a_page_in_the_place_of_another(void **state)
{
    struct fixture *f = *state;
    unsigned char page[INDEX_PAGE_LEN];
    fill(f);
    close_store(f);
    for (unsigned number = 3; number < page_count(f); number++) {
        page_read(f, number, page);
        page_write(f, number + 1, page);
        check_mended(f);
    }
}

static void test_a_short_file(void **state)
{
    struct fixture *f = *state;
    char path[128];
    path_in(f, "index.sqlite", path);
    fill(f);
    close_store(f);
    unsigned count = page_count(f);
    const off_t lens[] = { 1,
                           100,
                           4095,
                           4096,
                           8192,
                           (off_t)(count - 1) * INDEX_PAGE_LEN,
                           (off_t)count * INDEX_PAGE_LEN - 1 };
    for (size_t i = 0; i < TN_COUNT(lens); i++) {
        assert_int_equal(truncate(path, lens[i]), 0);
        check_mended(f);
    }
}

static void note_problem(void *user, const char *line)
{
    unsigned *problems = user;
    assert_non_null(strstr(line, "index"));
    (*problems)++;
}

/* Pages too that no reading of an object comes by. */
static void test_check_tells_of_every_page(void **state)
{
    struct fixture *f = *state;
    unsigned char page[INDEX_PAGE_LEN];
    fill(f);
    close_store(f);
    for (unsigned number = 1; number <= page_count(f); number++) {
        struct log_store_config config = { .dir = f->dir,
                                           .inline_max = SMALL_INLINE,
                                           .segment_len = SMALL_SEGMENT };
        struct log_store_report report;
        unsigned problems = 0;
        remove_in(f, "index.sqlite.bad");
        page_read(f, number, page);
        page[(number * 577) % INDEX_PAGE_LEN] ^= 0x80;
        page_write(f, number, page);
        assert_int_equal(log_store_check(&config, note_problem, &problems, &report, NULL), TARN_OK);
        /* Told, or met by the start, which has made another. */
        assert_true(problems > 0 || is_there(f, "index.sqlite.bad"));
        assert_int_equal(log_store_check(&config, note_problem, &problems, &report, NULL), TARN_OK);
        assert_int_equal(report.problems, 0);
        assert_int_equal(report.objects, KEY_COUNT);
    }
}

/* As SQLite makes it by itself, and as the store did before its pages had checksums. */
static void test_an_index_without_checksums_is_built_anew(void **state)
{
    struct fixture *f = *state;
    char path[128];
    sqlite3 *db;
    path_in(f, "index.sqlite", path);
    fill(f);
    close_store(f);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(db,
                     "PRAGMA journal_mode=WAL; CREATE TABLE entries(k BLOB PRIMARY KEY,"
                     " v BLOB NOT NULL) WITHOUT ROWID;",
                     NULL, NULL, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    fixture_reopen(f);
    assert_int_equal(read_all(f), 0);
    assert_true(is_there(f, "index.sqlite.bad"));
    close_store(f);
    unsigned char page[INDEX_PAGE_LEN];
    page_read(f, 1, page);
    assert_int_equal(page[20], INDEX_PAGE_RESERVED);
}

/* --- The WAL of a process that was killed --- */

static void copy_in(const struct fixture *from, const char *name, const struct fixture *to,
                    const char *as)
{
    char source[128];
    char target[128];
    TN_AUTO_BUF bytes = TN_BUF_INIT(64 << 20);
    path_in(from, name, source);
    path_in(to, as, target);
    assert_int_equal(tn_file_read(source, &bytes, NULL), TARN_OK);
    assert_int_equal(tn_file_replace(target, tn_buf_str(&bytes), 0600, NULL), TARN_OK);
}

static void flip_in(const struct fixture *f, const char *name, off_t at)
{
    char path[128];
    unsigned char c;
    path_in(f, name, path);
    TN_AUTO_FD fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &c, 1, at), 1);
    c ^= 0x20;
    assert_int_equal(pwrite(fd, &c, 1, at), 1);
}

struct wal_case {
    const char *name;
    bool is_checkpointed; /* all of it is in the file, too */
    off_t flip;           /* -1: none */
    int want;
};

/* What the WAL holds is in the file, or it is not: only in the first case must it not be taken for
 * its end. */
static void test_damage_of_the_wal(void **state)
{
    static const struct wal_case cases[] = {
        { "whole, not in the file", false, -1, TARN_OK },
        { "whole, in the file", true, -1, TARN_OK },
        { "a frame, not in the file", false, 32 + 24 + 100, TARN_OK },
        { "a frame, in the file", true, 32 + 24 + 100, TARN_ECORRUPT },
        { "a frame's number, in the file", true, 32 + 3, TARN_ECORRUPT },
        { "a frame's sum, in the file", true, 32 + 17, TARN_ECORRUPT },
        { "the header", false, 9, TARN_ECORRUPT },
        { "the header's salt, in the file", true, 17, TARN_ECORRUPT },
    };
    struct fixture *f = *state;
    char path[128];
    char other[128];
    path_in(f, "index.sqlite", path);
    path_in(f, "copy.sqlite", other);
    fill(f);
    assert_int_equal(fixture_check(f->store, "none", TN_STR(""), 0, 1), TARN_ENOTFOUND);
    for (size_t i = 0; i < TN_COUNT(cases); i++) {
        const struct wal_case *c = &cases[i];
        struct index_vfs *v;
        sqlite3 *db;
        assert_int_equal(index_vfs_new(&disk_real, other, &v, NULL), TARN_OK);
        int reserved = INDEX_PAGE_RESERVED;
        assert_int_equal(sqlite3_open_v2(other, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
                                         index_vfs_name(v)),
                         SQLITE_OK);
        assert_int_equal(sqlite3_file_control(db, "main", SQLITE_FCNTL_RESERVE_BYTES, &reserved),
                         SQLITE_OK);
        assert_int_equal(sqlite3_exec(db,
                                      "PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0;"
                                      "CREATE TABLE t(x); INSERT INTO t VALUES(randomblob(9000));"
                                      "INSERT INTO t VALUES(randomblob(9000));",
                                      NULL, NULL, NULL),
                         SQLITE_OK);
        if (c->is_checkpointed)
            assert_int_equal(sqlite3_exec(db, "PRAGMA wal_checkpoint(FULL)", NULL, NULL, NULL),
                             SQLITE_OK);
        copy_in(f, "copy.sqlite", f, "killed.sqlite");
        copy_in(f, "copy.sqlite-wal", f, "killed.sqlite-wal");
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
        index_vfs_free(v);
        if (c->flip >= 0)
            flip_in(f, "killed.sqlite-wal", c->flip);
        char killed[128];
        path_in(f, "killed.sqlite", killed);
        int rc = index_wal_check(&disk_real, killed, NULL);
        if (rc != c->want)
            fail_msg("%s: %d, not %d", c->name, rc, c->want);
        remove_in(f, "copy.sqlite");
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
        T(test_every_page_is_checked),
        T(test_a_page_in_the_place_of_another),
        T(test_a_short_file),
        T(test_check_tells_of_every_page),
        T(test_an_index_without_checksums_is_built_anew),
        T(test_damage_of_the_wal),
#undef T
    };
    return cmocka_run_group_tests_name("index", tests, NULL, NULL);
}
