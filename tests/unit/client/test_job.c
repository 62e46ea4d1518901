/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs: every object is told of once, with the right result, and leaves on disk what it should. */

#include "unit/t.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tarn/tarn.h>

#include "base/file.h"
#include "unit/client/fake_server.h"

#define PUT_OK                                                                                     \
    "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"                                                     \
    "ETag: \"5d41402abc4b2a76b9719d911017c592\"\r\n\r\n" /* of "hello" */
#define GET_OK                                                                                     \
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: \"5d41402abc4b2a76b9719d911017c592\"\r\n"       \
    "Last-Modified: Tue, 14 Nov 2023 22:13:20 GMT\r\n\r\nhello"
#define GET_OK_CLOSE "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello"
#define XML_ERROR(status, code)                                                                    \
    "HTTP/1.1 " status "\r\nConnection: close\r\n\r\n<Error><Code>" code "</Code></Error>"

enum { PATH_LEN = 256, MANY = 100 };

static bool use_curl; /* the second time around */

/* ---- a client, a directory, a job ---- */

struct world {
    struct fake_server *server;
    struct tarn_client *client;
    struct tarn_job *job;
    char directory[PATH_LEN];
};

/* What `done` was told. */
struct told {
    atomic_int count;
    int status;
    char etag[64];
    char message[512];
};

static void on_done(void *arg, int status, struct tarn_object_info *info,
                    const struct tarn_error *err)
{
    struct told *t = arg;
    t->status = status;
    if (info->etag)
        (void)snprintf(t->etag, sizeof t->etag, "%s", info->etag);
    if (err)
        (void)snprintf(t->message, sizeof t->message, "%s", err->message);
    atomic_fetch_add(&t->count, 1);
}

static struct tarn_client *connect_to(struct fake_server *s, uint64_t memory,
                                      struct tarn_error *err)
{
    struct tarn_config config;
    fake_server_config(s, &config);
    config.use_curl = use_curl;
    config.retries_max = 2;
    config.retry_base_ms = 1;
    if (memory)
        config.memory_max = memory;
    return tarn_client_new(&config, err);
}

static void set_up(struct world *w, const struct fake_step *steps, size_t count, uint64_t memory,
                   uint32_t objects_max)
{
    struct tarn_job_options options = { .objects_max = objects_max };
    struct tarn_error err = { 0 };
    *w = (struct world){ .directory = "/tmp/tarn-job-XXXXXX" };
    assert_non_null(mkdtemp(w->directory));
    w->server = fake_server_new(steps, count);
    w->client = connect_to(w->server, memory, &err);
    if (!w->client)
        fail_msg("%s", err.message);
    w->job = tarn_job_new(w->client, &options, &err);
    if (!w->job)
        fail_msg("%s", err.message);
}

static size_t empty_directory(const char *directory)
{
    size_t count = 0;
    DIR *d = opendir(directory);
    assert_non_null(d);
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        if (e->d_name[0] == '.')
            continue;
        count++;
        assert_int_equal(unlinkat(dirfd(d), e->d_name, 0), 0);
    }
    assert_int_equal(closedir(d), 0);
    return count;
}

static void tear_down(struct world *w)
{
    tarn_job_free(w->job);
    tarn_client_free(w->client);
    fake_server_free(w->server);
    (void)empty_directory(w->directory);
    assert_int_equal(rmdir(w->directory), 0);
}

static void name_in(const struct world *w, const char *name, char out[PATH_LEN])
{
    int len = snprintf(out, PATH_LEN, "%s/%s", w->directory, name);
    assert_true(len > 0 && len < PATH_LEN);
}

static void write_file(const char *path, const char *bytes, size_t len)
{
    struct tarn_error err = { 0 };
    if (tn_file_replace(path, (struct tn_str){ bytes, len }, 0644, &err) < 0)
        fail_msg("%s", err.message);
}

static void assert_content(const char *path, const char *wanted)
{
    struct tarn_error err = { 0 };
    TN_AUTO_BUF got = TN_BUF_INIT(1 << 20);
    if (tn_file_read(path, &got, &err) < 0)
        fail_msg("%s", err.message);
    assert_string_equal(got.data, wanted);
}

/* ---- one object ---- */

static void test_upload(void **state)
{
    static const struct {
        const char *name;
        struct fake_step steps[3];
        size_t count;
        const char *path; /* NULL: a file with "hello" in it */
        int status;
        size_t requests;
    } cases[] = {
        { "good", { { .answer = PUT_OK } }, 1, NULL, TARN_OK, 1 },
        { "again after 503",
          { { .answer = XML_ERROR("503 Slow Down", "SlowDown"), .closes = true },
            { .answer = PUT_OK } },
          2,
          NULL,
          TARN_OK,
          2 },
        { "denied",
          { { .answer = XML_ERROR("403 Forbidden", "AccessDenied"), .closes = true } },
          1,
          NULL,
          TARN_EDENIED,
          1 },
        { "other bytes were stored",
          { { .answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"
                        "ETag: \"00000000000000000000000000000000\"\r\n\r\n" } },
          1,
          NULL,
          TARN_ECHECKSUM,
          1 },
        { "reset for ever", { { .resets = true } }, 1, NULL, TARN_ENETWORK, 3 },
        { "no such file", { { .answer = PUT_OK } }, 1, "/nowhere/at/all", TARN_ENOTFOUND, 0 },
        { "a directory", { { .answer = PUT_OK } }, 1, "/", TARN_EINVAL, 0 },
    };
    (void)state;
    for (size_t i = 0; i < TN_COUNT(cases); i++) {
        struct world w;
        struct told told = { 0 };
        char path[PATH_LEN];
        set_up(&w, cases[i].steps, cases[i].count, 0, 0);
        name_in(&w, "file", path);
        write_file(path, "hello", 5);
        assert_int_equal(tarn_job_upload(w.job, cases[i].path ? cases[i].path : path, "bkt", "k",
                                         NULL, on_done, &told, NULL),
                         TARN_OK);
        tarn_job_wait(w.job);
        if (told.status != cases[i].status)
            fail_msg("%s: %d: %s", cases[i].name, told.status, told.message);
        assert_int_equal(told.count, 1);
        assert_int_equal(fake_server_count(w.server), cases[i].requests);
        tear_down(&w);
    }
}

static void test_download(void **state)
{
    static const struct {
        const char *name;
        struct fake_step steps[3];
        size_t count;
        uint64_t size_hint;
        const char *before; /* what has the name already */
        bool must_not_exist;
        int status;
        size_t requests;
        const char *content; /* afterwards; NULL: no file */
    } cases[] = {
        { "good", { { .answer = GET_OK } }, 1, 5, NULL, false, TARN_OK, 1, "hello" },
        { "replaces", { { .answer = GET_OK } }, 1, 5, "older", false, TARN_OK, 1, "hello" },
        { "new", { { .answer = GET_OK } }, 1, 5, NULL, true, TARN_OK, 1, "hello" },
        { "does not replace",
          { { .answer = GET_OK } },
          1,
          5,
          "older",
          true,
          TARN_EEXISTS,
          0,
          "older" },
        { "empty",
          { { .answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" } },
          1,
          0,
          NULL,
          false,
          TARN_OK,
          1,
          "" },
        { "cut, then the rest",
          { { .answer = GET_OK, .cut = sizeof GET_OK - 3, .closes = true },
            { .answer =
                  "HTTP/1.1 206 Partial\r\nContent-Length: 2\r\nContent-Range: bytes 3-4/5\r\n"
                  "ETag: \"5d41402abc4b2a76b9719d911017c592\"\r\n\r\nlo" } },
          2,
          5,
          NULL,
          false,
          TARN_OK,
          2,
          "hello" },
        { "damaged",
          { { .answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"
                        "ETag: \"5d41402abc4b2a76b9719d911017c592\"\r\n\r\nhellO" } },
          1,
          5,
          "older",
          false,
          TARN_ECHECKSUM,
          1,
          "older" },
        { "gone",
          { { .answer = XML_ERROR("404 Not Found", "NoSuchKey"), .closes = true } },
          1,
          5,
          NULL,
          false,
          TARN_ENOTFOUND,
          1,
          NULL },
        { "by way of the file",
          { { .answer = GET_OK } },
          1,
          100000,
          NULL,
          false,
          TARN_OK,
          1,
          "hello" },
    };
    (void)state;
    for (size_t i = 0; i < TN_COUNT(cases); i++) {
        struct world w;
        struct told told = { 0 };
        char path[PATH_LEN];
        struct tarn_transfer_options options = { .has_size_hint = true,
                                                 .size_hint = cases[i].size_hint,
                                                 .must_not_exist = cases[i].must_not_exist,
                                                 .skip_sync = i % 2 == 0,
                                                 .set_mtime = true };
        set_up(&w, cases[i].steps, cases[i].count, 0, 0);
        name_in(&w, "file", path);
        if (cases[i].before)
            write_file(path, cases[i].before, strlen(cases[i].before));
        assert_int_equal(tarn_job_download(w.job, "bkt", "k", path, &options, on_done, &told, NULL),
                         TARN_OK);
        tarn_job_wait(w.job);
        if (told.status != cases[i].status)
            fail_msg("%s: %d: %s", cases[i].name, told.status, told.message);
        assert_int_equal(told.count, 1);
        assert_int_equal(fake_server_count(w.server), cases[i].requests);
        if (cases[i].content)
            assert_content(path, cases[i].content);
        assert_int_equal(empty_directory(w.directory), cases[i].content ? 1 : 0);
        tear_down(&w);
    }
}

static void test_copy_and_delete(void **state)
{
    static const char copied[] = "<CopyObjectResult><ETag>\"e2\"</ETag></CopyObjectResult>";
    static char copy_ok[256];
    static const struct fake_step no_content[] = { { .answer = "HTTP/1.1 204 No\r\n\r\n" } };
    static const struct fake_step copy_steps[] = { { .answer = copy_ok } };
    static const struct fake_step late_error[] = {
        { .answer = "HTTP/1.1 200 OK\r\nContent-Length: 45\r\n\r\n"
                    "<Error><Code>AccessDenied</Code></Error>     " },
    };
    static const struct {
        const char *name;
        const struct fake_step *steps;
        bool is_delete;
        uint64_t size;
        int status;
        const char *etag;
        const char *header; /* of the request */
    } cases[] = {
        { "copy", copy_steps, false, 5, TARN_OK, "e2", "x-amz-copy-source: src/from" },
        { "copy of unknown size", copy_steps, false, 0, TARN_OK, "e2",
          "x-amz-copy-source: src/from" },
        { "error in a 200", late_error, false, 5, TARN_EDENIED, "", "x-amz-copy-source: src/from" },
        { "delete", no_content, true, 0, TARN_OK, "", "if-match: \"e1\"" },
    };
    (void)state;
    (void)snprintf(copy_ok, sizeof copy_ok, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s",
                   strlen(copied), copied);
    for (size_t i = 0; i < TN_COUNT(cases); i++) {
        struct world w;
        struct told told = { 0 };
        struct tarn_copy_options copy = { .source_size = cases[i].size };
        struct tarn_delete_options removal = { .if_match = "e1" };
        set_up(&w, cases[i].steps, 1, 0, 0);
        int rc = cases[i].is_delete
                     ? tarn_job_delete(w.job, "bkt", "k", &removal, on_done, &told, NULL)
                     : tarn_job_copy(w.job, "src", "from", "bkt", "k", &copy, on_done, &told, NULL);
        assert_int_equal(rc, TARN_OK);
        tarn_job_wait(w.job);
        if (told.status != cases[i].status)
            fail_msg("%s: %d: %s", cases[i].name, told.status, told.message);
        assert_int_equal(told.count, 1);
        assert_string_equal(told.etag, cases[i].etag);
        if (!strstr(fake_server_head(w.server, 0), cases[i].header))
            fail_msg("%s: %s", cases[i].name, fake_server_head(w.server, 0));
        tear_down(&w);
    }
}

/* `done` goes on with another request of the job, as a move does. */
struct chain {
    struct world *w;
    struct told told;
};

static void on_moved(void *arg, int status, struct tarn_object_info *info,
                     const struct tarn_error *err)
{
    struct chain *c = arg;
    if (status == TARN_OK)
        status = tarn_job_delete(c->w->job, "bkt", "k", NULL, on_done, &c->told, NULL);
    if (status < 0)
        on_done(&c->told, status, info, err);
}

static void test_chain(void **state)
{
    static const struct fake_step steps[] = { { .answer = GET_OK_CLOSE, .closes = true } };
    struct tarn_transfer_options options = { .has_size_hint = true, .size_hint = 5 };
    struct chain chains[20] = { { 0 } };
    char paths[20][PATH_LEN];
    struct world w;
    (void)state;
    set_up(&w, steps, 1, 0, 2);
    for (size_t i = 0; i < TN_COUNT(chains); i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "%zu", i);
        name_in(&w, name, paths[i]);
        chains[i].w = &w;
        assert_int_equal(
            tarn_job_download(w.job, "bkt", "k", paths[i], &options, on_moved, &chains[i], NULL),
            TARN_OK);
    }
    tarn_job_wait(w.job);
    for (size_t i = 0; i < TN_COUNT(chains); i++) {
        assert_int_equal(chains[i].told.count, 1);
        assert_int_equal(chains[i].told.status, TARN_OK);
        assert_content(paths[i], "hello");
    }
    assert_int_equal(fake_server_count(w.server), 2 * TN_COUNT(chains));
    tear_down(&w);
}

static void test_time_and_etag(void **state)
{
    static const struct fake_step steps[] = { { .answer = GET_OK } };
    struct tarn_transfer_options options = { .has_size_hint = true,
                                             .size_hint = 5,
                                             .set_mtime = true };
    struct world w;
    struct told told = { 0 };
    struct stat st;
    char path[PATH_LEN];
    (void)state;
    set_up(&w, steps, 1, 0, 0);
    name_in(&w, "file", path);
    assert_int_equal(tarn_job_download(w.job, "bkt", "k", path, &options, on_done, &told, NULL),
                     TARN_OK);
    tarn_job_wait(w.job);
    assert_int_equal(told.status, TARN_OK);
    assert_string_equal(told.etag, "5d41402abc4b2a76b9719d911017c592");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mtim.tv_sec, 1700000000);
    tear_down(&w);
}

/* A listing may be old: what does not fit into the room for the size that it told is fetched anew.
 */
static void test_has_grown(void **state)
{
    static char answer[8192];
    static const struct fake_step steps[] = { { .answer = answer } };
    struct tarn_transfer_options options = { .has_size_hint = true, .size_hint = 5 };
    struct world w;
    struct told told = { 0 };
    struct stat st;
    char path[PATH_LEN];
    (void)state;
    (void)snprintf(answer, sizeof answer,
                   "HTTP/1.1 200 OK\r\nContent-Length: 6000\r\nETag: \"e\"\r\n\r\n%06000d", 7);
    set_up(&w, steps, 1, 0, 0);
    name_in(&w, "file", path);
    assert_int_equal(tarn_job_download(w.job, "bkt", "k", path, &options, on_done, &told, NULL),
                     TARN_OK);
    tarn_job_wait(w.job);
    if (told.status != TARN_OK)
        fail_msg("%s", told.message);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, 6000);
    tear_down(&w);
}

/* The partial file of another transfer stays where it is. */
static void test_another_has_it(void **state)
{
    static const struct fake_step steps[] = { { .answer = GET_OK } };
    struct tarn_transfer_options options = { .has_size_hint = true, .size_hint = 100000 };
    struct world w;
    struct told told = { 0 };
    char path[PATH_LEN];
    char partial[PATH_LEN];
    (void)state;
    set_up(&w, steps, 1, 0, 0);
    name_in(&w, "file", path);
    name_in(&w, "file.tarn.part", partial);
    write_file(partial, "theirs", 6);
    int fd = open(partial, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    assert_int_equal(tarn_job_download(w.job, "bkt", "k", path, &options, on_done, &told, NULL),
                     TARN_OK);
    tarn_job_wait(w.job);
    assert_int_equal(told.status, TARN_EBUSY);
    assert_content(partial, "theirs");
    assert_int_equal(close(fd), 0);
    tear_down(&w);
}

/* ---- many ---- */

struct many {
    struct world w;
    struct told told[MANY];
    char paths[MANY][PATH_LEN];
    atomic_int called;
};

static void test_many(void **state)
{
    static const struct fake_step steps[] = { { .answer = GET_OK_CLOSE, .closes = true } };
    static const struct {
        uint64_t memory;
        uint32_t objects_max;
    } cases[] = { { 0, 8 }, { 0, 1 }, { 0, 3 }, { 32 << 20, 8 } };
    (void)state;
    for (size_t i = 0; i < TN_COUNT(cases); i++) {
        struct many *m = tn_calloc(1, sizeof *m);
        struct tarn_transfer_options options = { .has_size_hint = true,
                                                 .size_hint = 5,
                                                 .skip_sync = true };
        assert_non_null(m);
        set_up(&m->w, steps, 1, cases[i].memory, cases[i].objects_max);
        for (int n = 0; n < MANY; n++) {
            char name[16];
            (void)snprintf(name, sizeof name, "%d", n);
            name_in(&m->w, name, m->paths[n]);
            options.size_hint = n % 7 == 0 ? 70000 : 5;
            assert_int_equal(tarn_job_download(m->w.job, "bkt", "k", m->paths[n], &options, on_done,
                                               &m->told[n], NULL),
                             TARN_OK);
        }
        tarn_job_wait(m->w.job);
        for (int n = 0; n < MANY; n++) {
            if (m->told[n].status != TARN_OK)
                fail_msg("%d: %s", n, m->told[n].message);
            assert_int_equal(m->told[n].count, 1);
            assert_content(m->paths[n], "hello");
        }
        assert_int_equal(empty_directory(m->w.directory), MANY);
        tear_down(&m->w);
        tn_free(m);
    }
}

static int count_call(void *arg, struct tarn_object_info *info, struct tarn_error *err)
{
    struct told *t = arg;
    (void)info;
    (void)snprintf(t->etag, sizeof t->etag, "called");
    return tn_fail(err, TARN_EBUSY, "as told");
}

static void test_calls(void **state)
{
    static const struct fake_step steps[] = { { .answer = GET_OK } };
    struct world w;
    struct told told[100] = { 0 };
    (void)state;
    set_up(&w, steps, 1, 0, 0);
    for (size_t i = 0; i < TN_COUNT(told); i++)
        assert_int_equal(tarn_job_call(w.job, count_call, on_done, &told[i], NULL), TARN_OK);
    tarn_job_wait(w.job);
    for (size_t i = 0; i < TN_COUNT(told); i++) {
        assert_int_equal(told[i].count, 1);
        assert_int_equal(told[i].status, TARN_EBUSY);
        assert_string_equal(told[i].etag, "called");
        assert_string_equal(told[i].message, "as told");
    }
    tear_down(&w);
}

static void test_cancelled(void **state)
{
    static const struct fake_step steps[] = { { .answer = GET_OK, .delay_ms = 20000 } };
    struct tarn_transfer_options options = { .has_size_hint = true, .size_hint = 5 };
    (void)state;
    for (int is_client = 0; is_client < 2; is_client++) {
        struct many *m = tn_calloc(1, sizeof *m);
        assert_non_null(m);
        set_up(&m->w, steps, 1, 0, 4);
        if (!is_client)
            tarn_job_cancel(m->w.job);
        for (int n = 0; n < 12; n++) {
            name_in(&m->w, "file", m->paths[n]);
            if (is_client && n == 8) /* some are on their way, some wait */
                tarn_client_cancel(m->w.client);
            assert_int_equal(tarn_job_download(m->w.job, "bkt", "k", m->paths[n], &options, on_done,
                                               &m->told[n], NULL),
                             TARN_OK);
        }
        tarn_job_wait(m->w.job);
        for (int n = 0; n < 12; n++) {
            assert_int_equal(m->told[n].count, 1);
            assert_int_equal(m->told[n].status, TARN_ECANCELLED);
        }
        assert_int_equal(empty_directory(m->w.directory), 0);
        tear_down(&m->w);
        tn_free(m);
    }
}

static void test_bad_arguments(void **state)
{
    static const struct fake_step steps[] = { { .answer = GET_OK } };
    struct tarn_transfer_options small_parts = { .part_size = 1 };
    struct tarn_transfer_options range = { .has_range = true, .range_last = 5 };
    struct tarn_job_options too_many = { .objects_max = 1 << 20 };
    struct told told = { 0 };
    struct tarn_error err = { 0 };
    struct world w;
    (void)state;
    set_up(&w, steps, 1, 0, 0);
    assert_null(tarn_job_new(w.client, &too_many, &err));
    assert_int_equal(err.status, TARN_EINVAL);
    assert_int_equal(tarn_job_upload(w.job, "/x", "bkt", "k", &small_parts, on_done, &told, &err),
                     TARN_EINVAL);
    assert_int_equal(tarn_job_download(w.job, "bkt", "k", "/x", &range, on_done, &told, &err),
                     TARN_EINVAL);
    tarn_job_wait(w.job);
    assert_int_equal(told.count, 0);

    /* What only the request shows. */
    write_file("/tmp/tarn-job-file", "hello", 5);
    assert_int_equal(
        tarn_job_upload(w.job, "/tmp/tarn-job-file", "bkt", "", NULL, on_done, &told, &err),
        TARN_OK);
    tarn_job_wait(w.job);
    assert_int_equal(told.count, 1);
    assert_int_equal(told.status, TARN_EINVAL);
    assert_int_equal(unlink("/tmp/tarn-job-file"), 0);
    tarn_job_free(NULL);
    tear_down(&w);
}

/* ---- memory ---- */

static int up_and_down(void *arg)
{
    struct tarn_error err = { 0 };
    struct told told[2] = { { .status = TARN_OK }, { .status = TARN_OK } };
    struct tarn_transfer_options options = { .has_size_hint = true, .size_hint = 5 };
    struct world *w = arg;
    char path[PATH_LEN];
    name_in(w, "file", path);
    struct tarn_client *client = connect_to(w->server, 0, &err);
    if (!client)
        return err.status;
    struct tarn_job *job = tarn_job_new(client, NULL, &err);
    int rc = job ? TARN_OK : err.status;
    if (rc == TARN_OK)
        rc = tarn_job_upload(job, "/proc/self/cmdline", "bkt", "k", NULL, on_done, &told[0], &err);
    if (rc == TARN_OK)
        rc = tarn_job_download(job, "bkt", "k", path, &options, on_done, &told[1], &err);
    tarn_job_free(job);
    tarn_client_free(client);
    for (size_t i = 0; i < TN_COUNT(told) && rc == TARN_OK; i++)
        rc = told[i].status;
    return rc;
}

static void test_out_of_memory(void **state)
{
    static const struct fake_step steps[] = { {
        .answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        .closes = true,
    } };
    struct world w;
    (void)state;
    set_up(&w, steps, 1, 0, 0);
    t_oom_sweep(up_and_down, &w);
    tear_down(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_upload),          cmocka_unit_test(test_download),
        cmocka_unit_test(test_copy_and_delete), cmocka_unit_test(test_chain),
        cmocka_unit_test(test_time_and_etag),   cmocka_unit_test(test_has_grown),
        cmocka_unit_test(test_another_has_it),  cmocka_unit_test(test_many),
        cmocka_unit_test(test_calls),           cmocka_unit_test(test_cancelled),
        cmocka_unit_test(test_bad_arguments),   cmocka_unit_test(test_out_of_memory),
    };
    int failed = cmocka_run_group_tests_name("without curl", tests, NULL, NULL);
    use_curl = true;
    return failed + cmocka_run_group_tests_name("with curl", tests, NULL, NULL);
}
