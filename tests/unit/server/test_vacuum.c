/* SPDX-License-Identifier: Apache-2.0 */
/* Vacuum: room comes back, nothing that lives is lost, and the log alone still rebuilds everything.
 */

#include <dirent.h>
#include <errno.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "unit/server/store_fixture.h"

#include "base/rand.h"
#include "server/store/engine.h"

enum { KEY_COUNT = 400, PATIENCE = 12000 };

/* What the store must hold: the seed of each key's bytes, 0 for none. */
struct model {
    unsigned seeds[KEY_COUNT];
    unsigned next;
};

static struct tn_str bytes_of(unsigned seed, struct tn_buf *b)
{
    return fixture_pattern(2000 + seed % 3000, seed, b);
}

static void key_of(unsigned i, char out[32])
{
    (void)snprintf(out, 32, "key/%u", i);
}

static void rename_key(struct fixture *f, struct model *m, unsigned from, unsigned to)
{
    char old[32];
    char key[32];
    key_of(from, old);
    key_of(to, key);
    if (m->seeds[from] && from != to)
        assert_int_equal(fixture_rename(f->store, old, key), TARN_OK);
    m->seeds[to] = m->seeds[from] ? m->seeds[from] : m->seeds[to];
    m->seeds[from] = from == to ? m->seeds[from] : 0;
}

/* `count` changes: mostly overwrites, some deletes and renames. */
static void change_at_random(struct fixture *f, struct model *m, unsigned count)
{
    TN_AUTO_BUF b = TN_BUF_INIT(0);
    for (unsigned n = 0; n < count; n++) {
        char key[32];
        unsigned i = (unsigned)tn_random_below(KEY_COUNT);
        key_of(i, key);
        if (tn_random_below(20) == 0) {
            assert_int_equal(fixture_delete_key(f->store, key, NULL), TARN_OK);
            m->seeds[i] = 0;
        } else if (tn_random_below(10) == 0) {
            rename_key(f, m, i, (unsigned)tn_random_below(KEY_COUNT));
        } else {
            m->seeds[i] = ++m->next;
            assert_int_equal(fixture_put(f->store, key, bytes_of(m->seeds[i], &b)), TARN_OK);
        }
    }
}

static void check_model(struct fixture *f, const struct model *m)
{
    TN_AUTO_BUF b = TN_BUF_INIT(0);
    for (unsigned i = 0; i < KEY_COUNT; i++) {
        char key[32];
        key_of(i, key);
        int want = m->seeds[i] ? TARN_OK : TARN_ENOTFOUND;
        assert_int_equal(fixture_check(f->store, key, bytes_of(m->seeds[i], &b), 0, 8192), want);
    }
}

static uint64_t retired(const struct fixture *f)
{
    return atomic_load(&engine(f->store)->vacuum.retired);
}

static void wait_for_retired(const struct fixture *f, uint64_t count)
{
    for (int i = 0; i < PATIENCE && retired(f) < count; i++)
        (void)usleep(10000);
    assert_true(retired(f) >= count);
}

static void drop_index(struct fixture *f)
{
    static const char *const names[] = { "index.sqlite", "index.sqlite-wal", "index.sqlite-shm" };
    f->store->ops->close(TN_TAKE(f->store));
    for (size_t i = 0; i < TN_COUNT(names); i++) {
        char path[128];
        (void)snprintf(path, sizeof path, "%s/%s", f->dir, names[i]);
        (void)unlink(path);
    }
    fixture_reopen(f);
}

static uint64_t log_len(const struct fixture *f)
{
    char path[PATH_MAX];
    uint64_t len = 0;
    (void)snprintf(path, sizeof path, "%s/log", f->dir);
    DIR *d = opendir(path);
    assert_non_null(d);
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        struct stat info;
        (void)snprintf(path, sizeof path, "%s/log/%s", f->dir, e->d_name);
        if (stat(path, &info) == 0 && S_ISREG(info.st_mode))
            len += (uint64_t)info.st_size;
    }
    (void)closedir(d);
    return len;
}

static void test_room_comes_back_and_nothing_is_lost(void **state)
{
    struct fixture *f = *state;
    struct model m = { .next = 0 };
    assert_int_equal(fixture_make_bucket(f->store, "b"), TARN_OK);
    for (int round = 0; round < 4; round++) {
        change_at_random(f, &m, 1500);
        check_model(f, &m);
        wait_for_retired(f, 1);
        if (round % 2)
            fixture_reopen(f);
        else
            drop_index(f);
        check_model(f, &m);
    }
    /* 400 keys of 3.5 KB are 1.4 MB; 21 MB were written. */
    change_at_random(f, &m, 10);
    for (int i = 0; i < PATIENCE && log_len(f) > 4 << 20; i++)
        (void)usleep(10000);
    assert_true(log_len(f) <= 4 << 20);
    check_model(f, &m);
}

/* The number of the segment whose file is `inode`, 0 for none; `spares` are the files that wait. */
static unsigned find_inode(const struct fixture *f, ino_t inode, unsigned *spares)
{
    char path[PATH_MAX];
    unsigned found = 0;
    *spares = 0;
    (void)snprintf(path, sizeof path, "%s/log", f->dir);
    DIR *d = opendir(path);
    assert_non_null(d);
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        struct stat info;
        unsigned number;
        (void)snprintf(path, sizeof path, "%s/log/%s", f->dir, e->d_name);
        if (strstr(e->d_name, ".spare"))
            (*spares)++;
        else if (stat(path, &info) == 0 && info.st_ino == inode &&
                 sscanf(e->d_name, "%8x.seg", &number) == 1)
            found = number;
    }
    (void)closedir(d);
    return found;
}

static unsigned hold_active(const struct fixture *f, const char *held)
{
    char path[128];
    unsigned number = log_active(engine(f->store)->log);
    (void)snprintf(path, sizeof path, "%s/log/%08x.seg", f->dir, number);
    (void)unlink(held);
    assert_int_equal(link(path, held), 0);
    return number;
}

/* The file goes on as a later segment, behind its new records the old ones: none of them may be
 * seen again, neither by a start that replays the segment nor by one that rebuilds the index. */
static void test_a_retired_file_becomes_a_later_segment(void **state)
{
    struct fixture *f = *state;
    struct model m = { .next = 0 };
    char held[128];
    struct stat info = { .st_nlink = 1 };
    unsigned spares;
    unsigned number = 0;
    unsigned first = 0;
    assert_int_equal(fixture_make_bucket(f->store, "b"), TARN_OK);
    (void)snprintf(held, sizeof held, "%s/held", f->dir); /* its inode stays its own */
    for (int round = 0; round < PATIENCE && number <= first; round++) {
        if (info.st_nlink == 1) /* removed: there were spares enough */
            first = hold_active(f, held);
        change_at_random(f, &m, 100);
        (void)usleep(10000);
        assert_int_equal(stat(held, &info), 0);
        number = find_inode(f, info.st_ino, &spares);
    }
    assert_true(number > first);
    assert_true(spares <= 4);
    /* Somewhere in the middle of its new life. */
    for (int round = 0; round < 8; round++) {
        change_at_random(f, &m, 40);
        if (round % 2)
            fixture_reopen(f);
        else
            drop_index(f);
        check_model(f, &m);
    }
}

static int statvfs_of_a_small_disk(const char *path, struct statvfs *out)
{
    int rc = statvfs(path, out);
    out->f_frsize = 4096;
    out->f_blocks = out->f_bfree = out->f_bavail = 8 * SMALL_SEGMENT / 4096;
    return rc;
}

/* What waits to be used again would be missed there. */
static void test_a_small_disk_gets_its_room_back(void **state)
{
    struct fixture *f = *state;
    struct model m = { .next = 0 };
    unsigned spares = 0;
    assert_int_equal(fixture_make_bucket(f->store, "b"), TARN_OK);
    for (int round = 0; round < PATIENCE && !spares; round++) {
        change_at_random(f, &m, 100);
        (void)usleep(10000);
        (void)find_inode(f, 0, &spares);
    }
    assert_true(spares > 0);
    f->store->ops->close(TN_TAKE(f->store));
    f->disk.statvfs = statvfs_of_a_small_disk;
    fixture_reopen(f);
    (void)find_inode(f, 0, &spares);
    assert_int_equal(spares, 0);
    change_at_random(f, &m, 1500);
    wait_for_retired(f, 2);
    (void)find_inode(f, 0, &spares);
    assert_int_equal(spares, 0);
    check_model(f, &m);
    f->store->ops->close(TN_TAKE(f->store)); /* before its disk goes */
}

static int statvfs_of_20_mib(const char *path, struct statvfs *out)
{
    int rc = statvfs(path, out);
    out->f_frsize = 4096;
    out->f_blocks = out->f_bfree = out->f_bavail = (20 << 20) / 4096;
    return rc;
}

static off_t segment_len(const struct fixture *f, unsigned number)
{
    char path[128];
    struct stat info;
    (void)snprintf(path, sizeof path, "%s/log/%08x.seg", f->dir, number);
    assert_int_equal(stat(path, &info), 0);
    return info.st_size;
}

static void test_segments_are_shorter_on_a_disk_that_fills_up(void **state)
{
    struct fixture *f = *state;
    TN_AUTO_BUF b = TN_BUF_INIT(0);
    f->store->ops->close(TN_TAKE(f->store));
    f->disk.statvfs = statvfs_of_20_mib;
    f->segment_len = 64 << 20;
    fixture_reopen(f);
    assert_int_equal(fixture_make_bucket(f->store, "b"), TARN_OK);
    for (unsigned i = 0; i < 400; i++) { /* 24 MB */
        char key[32];
        key_of(i, key);
        assert_int_equal(fixture_put(f->store, key, fixture_pattern(60000, i, &b)), TARN_OK);
    }
    fixture_reopen(f);
    for (unsigned i = 0; i < 400; i++) {
        char key[32];
        key_of(i, key);
        assert_int_equal(fixture_check(f->store, key, fixture_pattern(60000, i, &b), 0, 1 << 16),
                         TARN_OK);
    }
    assert_true(segment_len(f, 3) == 8 << 20); /* 16 where there is room */
    assert_true(segment_len(f, 4) == 8 << 20);
    f->store->ops->close(TN_TAKE(f->store));
}

static _Atomic(bool) is_out_of_room;

static int fallocate_unless_full(int fd, off_t len)
{
    if (atomic_load(&is_out_of_room)) {
        errno = ENOSPC;
        return -1;
    }
    return disk_real.fallocate(fd, len);
}

/* A segment is not sealed when there is no next one: the store could not be opened any more. */
static void test_a_log_that_cannot_grow_opens_again(void **state)
{
    struct fixture *f = *state;
    struct model m = { .next = 0 };
    TN_AUTO_BUF b = TN_BUF_INIT(0);
    int rc = TARN_OK;
    unsigned deleted = 0;
    f->store->ops->close(TN_TAKE(f->store));
    f->disk.fallocate = fallocate_unless_full;
    atomic_store(&is_out_of_room, false);
    fixture_reopen(f);
    assert_int_equal(fixture_make_bucket(f->store, "b"), TARN_OK);
    for (unsigned i = 0; i < KEY_COUNT; i++) {
        char key[32];
        key_of(i, key);
        m.seeds[i] = ++m.next;
        assert_int_equal(fixture_put(f->store, key, bytes_of(m.seeds[i], &b)), TARN_OK);
    }
    atomic_store(&is_out_of_room, true);
    /* Overwrites of one key take what is left: they keep to the last segment. */
    for (unsigned n = 0; n < 20000 && rc == TARN_OK; n++) {
        rc = fixture_put(f->store, "key/0", bytes_of(m.next + 1, &b));
        m.seeds[0] = rc == TARN_OK ? ++m.next : m.seeds[0];
    }
    assert_int_equal(rc, TARN_ENOSPACE);
    for (unsigned i = 1; i < KEY_COUNT; i++) {
        char key[32];
        key_of(i, key);
        rc = fixture_delete_key(f->store, key, NULL);
        assert_true(rc == TARN_OK || rc == TARN_ENOSPACE);
        m.seeds[i] = rc == TARN_OK ? 0 : m.seeds[i];
        deleted += rc == TARN_OK;
    }
    assert_true(deleted > 0);
    fixture_reopen(f);
    check_model(f, &m);
    atomic_store(&is_out_of_room, false);
    fixture_reopen(f);
    check_model(f, &m);
    change_at_random(f, &m, 300);
    check_model(f, &m);
    f->store->ops->close(TN_TAKE(f->store));
}

/* --- A disk that is full to the last segment --- */

enum { TIGHT_LEN = 24 * SMALL_SEGMENT, TIGHT_KEYS = 4000, TIGHT_SIZE = 3000, TIGHT_KEPT = 5 };

static const struct fixture *tight;

static int fallocate_on_a_tight_disk(int fd, off_t len)
{
    if (log_len(tight) + (uint64_t)len <= TIGHT_LEN)
        return disk_real.fallocate(fd, len);
    errno = ENOSPC;
    return -1;
}

static int statvfs_of_a_tight_disk(const char *path, struct statvfs *out)
{
    int rc = statvfs(path, out);
    uint64_t used = log_len(tight);
    out->f_frsize = 4096;
    out->f_blocks = TIGHT_LEN / 4096;
    out->f_bfree = out->f_bavail = used < TIGHT_LEN ? (TIGHT_LEN - used) / 4096 : 0;
    return rc;
}

static int put_tight(struct fixture *f, unsigned i)
{
    TN_AUTO_BUF b = TN_BUF_INIT(0);
    char key[32];
    key_of(i, key);
    return fixture_put(f->store, key, fixture_pattern(TIGHT_SIZE, i, &b));
}

/* What is refused for want of room is tried again until vacuum has made some. */
static void delete_tight(struct fixture *f, unsigned i)
{
    char key[32];
    int rc = TARN_ENOSPACE;
    key_of(i, key);
    for (int tries = 0; tries < PATIENCE && rc == TARN_ENOSPACE; tries++) {
        rc = fixture_delete_key(f->store, key, NULL);
        if (rc == TARN_ENOSPACE)
            (void)usleep(10000);
    }
    assert_int_equal(rc, TARN_OK);
}

/* Vacuum must not take the room in which it moves for segments that it cannot empty, however the
 * deletes come and whatever they leave alive. */
static void fill_and_empty(struct fixture *f, unsigned kept_of, unsigned step)
{
    unsigned count = 0;
    while (count < TIGHT_KEYS && put_tight(f, count) == TARN_OK)
        count++;
    assert_true(count > 500 && count < TIGHT_KEYS);
    for (unsigned first = 0; first < step; first++)
        for (unsigned i = first; i < count; i += step)
            if (i % kept_of)
                delete_tight(f, i);
    for (int i = 0; i < PATIENCE && log_len(f) > TIGHT_LEN * 3 / 4; i++)
        (void)usleep(10000);
    assert_true(log_len(f) <= TIGHT_LEN * 3 / 4); /* what lives is a sixth; spares count */
    for (unsigned i = 0; i < count; i++) {
        TN_AUTO_BUF b = TN_BUF_INIT(0);
        char key[32];
        key_of(i, key);
        assert_int_equal(fixture_check(f->store, key, fixture_pattern(TIGHT_SIZE, i, &b), 0, 8192),
                         i % kept_of ? TARN_ENOTFOUND : TARN_OK);
    }
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(put_tight(f, i), TARN_OK);
    for (unsigned i = 0; i < count; i++)
        delete_tight(f, i);
}

static void test_a_full_disk_gets_its_room_back(void **state)
{
    static const unsigned steps[] = { 1, 7, 89, 499 };
    struct fixture *f = *state;
    f->store->ops->close(TN_TAKE(f->store));
    f->disk.fallocate = fallocate_on_a_tight_disk;
    f->disk.statvfs = statvfs_of_a_tight_disk;
    tight = f;
    fixture_reopen(f);
    assert_int_equal(fixture_make_bucket(f->store, "b"), TARN_OK);
    for (size_t i = 0; i < TN_COUNT(steps); i++)
        fill_and_empty(f, TIGHT_KEPT, steps[i]);
    f->store->ops->close(TN_TAKE(f->store));
}

/* A delete whose own segment went must not bring back what an older segment still has. */
static void test_deletes_stay_deleted(void **state)
{
    struct fixture *f = *state;
    TN_AUTO_BUF b = TN_BUF_INIT(0);
    assert_int_equal(fixture_make_bucket(f->store, "b"), TARN_OK);
    for (unsigned i = 0; i < 40; i++) {
        char key[32];
        (void)snprintf(key, sizeof key, "keep/%u", i);
        assert_int_equal(fixture_put(f->store, key, fixture_pattern(6000, i, &b)), TARN_OK);
        if (i == 0)
            assert_int_equal(fixture_put(f->store, "gone", TN_STR("old")), TARN_OK);
    }
    struct store_txn other = { .op = STORE_BUCKET_CREATE, .bucket = TN_STR("other") };
    assert_int_equal(store_commit_wait(f->store, &other), TARN_OK);
    other.op = STORE_BUCKET_DELETE;
    for (unsigned i = 0; i < 100; i++) {
        if (i == 20)
            assert_int_equal(fixture_delete_key(f->store, "gone", NULL), TARN_OK);
        if (i == 30)
            assert_int_equal(store_commit_wait(f->store, &other), TARN_OK);
        assert_int_equal(fixture_put(f->store, "hot", fixture_pattern(9000, i, &b)), TARN_OK);
    }
    wait_for_retired(f, 2);
    drop_index(f);
    assert_int_equal(fixture_check(f->store, "gone", TN_STR("old"), 0, 10), TARN_ENOTFOUND);
    assert_int_equal(store_commit_wait(f->store, &other), TARN_ENOBUCKET);
    assert_int_equal(fixture_check(f->store, "hot", fixture_pattern(9000, 99, &b), 0, 10000),
                     TARN_OK);
    for (unsigned i = 0; i < 40; i++) {
        char key[32];
        (void)snprintf(key, sizeof key, "keep/%u", i);
        assert_int_equal(fixture_check(f->store, key, fixture_pattern(6000, i, &b), 0, 8192),
                         TARN_OK);
    }
}

static struct store_part last_part;

static int note_part(void *user, const struct store_part *part)
{
    unsigned *count = user;
    (*count)++;
    last_part = *part;
    last_part.meta = TN_STR_EMPTY;
    return TARN_OK;
}

/* A part in the log lives on in the object that it became part of, wherever its record goes. */
static void test_parts_move_with_their_object(void **state)
{
    struct fixture *f = *state;
    TN_AUTO_BUF b = TN_BUF_INIT(0);
    TN_AUTO_BUF kept = TN_BUF_INIT(0);
    unsigned count = 0;
    bool is_truncated;
    struct tn_str want = fixture_pattern(40000, 7, &kept);
    assert_int_equal(fixture_make_bucket(f->store, "b"), TARN_OK);
    struct store_txn upload = { .op = STORE_UPLOAD_CREATE,
                                .bucket = TN_STR("b"),
                                .key = TN_STR("m") };
    assert_int_equal(store_commit_wait(f->store, &upload), TARN_OK);
    struct store_txn part = { .op = STORE_PART_PUT,
                              .bucket = TN_STR("b"),
                              .key = TN_STR("m"),
                              .part_number = 1,
                              .bytes = want };
    memcpy(part.upload_id, upload.upload_id, sizeof part.upload_id);
    assert_int_equal(store_commit_wait(f->store, &part), TARN_OK);
    for (unsigned i = 0; i < 300; i++) {
        if (i == 150) { /* the part's record has moved once by now, its upload's too */
            wait_for_retired(f, 1);
            assert_int_equal(f->store->ops->part_list(f->store, TN_STR("b"), TN_STR("m"),
                                                      upload.upload_id, 0, 10, note_part, &count,
                                                      &is_truncated, NULL),
                             TARN_OK);
            assert_int_equal(count, 1);
            struct store_txn end = { .op = STORE_UPLOAD_COMPLETE,
                                     .bucket = TN_STR("b"),
                                     .key = TN_STR("m"),
                                     .parts = &last_part,
                                     .part_count = 1 };
            memcpy(end.upload_id, upload.upload_id, sizeof end.upload_id);
            int rc = store_commit_wait(f->store, &end);
            assert_true(rc == TARN_OK || rc == TARN_EAGAIN);
            i -= rc == TARN_EAGAIN;
            count = 0;
        }
        assert_int_equal(fixture_put(f->store, "hot", fixture_pattern(9000, i, &b)), TARN_OK);
    }
    wait_for_retired(f, 4);
    assert_int_equal(fixture_check(f->store, "m", want, 0, 65536), TARN_OK);
    drop_index(f);
    assert_int_equal(fixture_check(f->store, "m", want, 0, 65536), TARN_OK);
    assert_int_equal(f->store->ops->part_list(f->store, TN_STR("b"), TN_STR("m"), upload.upload_id,
                                              0, 10, note_part, &count, &is_truncated, NULL),
                     TARN_ENOTFOUND);
}

static void test_a_reader_keeps_its_segment(void **state)
{
    struct fixture *f = *state;
    TN_AUTO_BUF b = TN_BUF_INIT(0);
    TN_AUTO_BUF kept = TN_BUF_INIT(0);
    struct store_object *o;
    struct tn_str want = fixture_pattern(60000, 1, &kept);
    assert_int_equal(fixture_make_bucket(f->store, "b"), TARN_OK);
    assert_int_equal(fixture_put(f->store, "slow", want), TARN_OK);
    assert_int_equal(
        f->store->ops->object_open(f->store, TN_STR("b"), TN_STR("slow"), true, &o, NULL), TARN_OK);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(fixture_put(f->store, "hot", fixture_pattern(9000, i, &b)), TARN_OK);
    assert_int_equal(fixture_delete_key(f->store, "slow", NULL), TARN_OK);
    TN_AUTO_FREE char *bytes = tn_realloc(NULL, want.len);
    for (size_t at = 0; at < want.len;) {
        ssize_t n = f->store->ops->object_read(o, at, bytes + at, 1000, true, NULL);
        assert_true(n > 0);
        at += (size_t)n;
    }
    assert_memory_equal(bytes, want.data, want.len);
    assert_int_equal(retired(f), 0);
    f->store->ops->object_close(o);
    wait_for_retired(f, 1);
}

/* Random overwrites with 70 % of the room live: what is written again stays below 1.2 times what is
 * new. */
static void test_write_amplification(void **state)
{
    struct fixture *f = *state;
    struct model m = { .next = 0 };
    TN_AUTO_BUF b = TN_BUF_INIT(0);
    assert_int_equal(fixture_make_bucket(f->store, "b"), TARN_OK);
    for (unsigned i = 0; i < KEY_COUNT; i++) {
        char key[32];
        key_of(i, key);
        m.seeds[i] = ++m.next;
        assert_int_equal(fixture_put(f->store, key, bytes_of(m.next, &b)), TARN_OK);
    }
    uint64_t written = 0;
    for (unsigned n = 0; n < 6000; n++) {
        char key[32];
        unsigned i = (unsigned)tn_random_below(KEY_COUNT);
        key_of(i, key);
        m.seeds[i] = ++m.next;
        struct tn_str bytes = bytes_of(m.next, &b);
        assert_int_equal(fixture_put(f->store, key, bytes), TARN_OK);
        written += bytes.len;
    }
    uint64_t moved = atomic_load(&engine(f->store)->vacuum.moved_len);
    print_message("written %llu, moved %llu, log %llu\n", (unsigned long long)written,
                  (unsigned long long)moved, (unsigned long long)log_len(f));
    assert_true(moved * 10 <= written * 12);
    check_model(f, &m);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
        T(test_room_comes_back_and_nothing_is_lost),
        T(test_a_retired_file_becomes_a_later_segment),
        T(test_a_small_disk_gets_its_room_back),
        T(test_segments_are_shorter_on_a_disk_that_fills_up),
        T(test_a_log_that_cannot_grow_opens_again),
        T(test_a_full_disk_gets_its_room_back),
        T(test_deletes_stay_deleted),
        T(test_parts_move_with_their_object),
        T(test_a_reader_keeps_its_segment),
        T(test_write_amplification),
#undef T
    };
    return cmocka_run_group_tests_name("vacuum", tests, NULL, NULL);
}
