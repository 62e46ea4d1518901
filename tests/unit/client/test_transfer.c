/* SPDX-License-Identifier: Apache-2.0 */
/* Transfers in parts against servers, and callers, that mean no good; and with too little memory.
 */

#include "unit/t.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tarn/tarn.h>

#include "client/cycle.h"
#include "unit/client/fake_server.h"

enum { PART = 5 << 20, TAIL = 5, ANSWER_CAP = PART + 1024 };

#define OK_XML "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s"

/* What the server says of the next request; `script` decides. */
struct play {
    const char *(*script)(struct play *p, const char *head);
    char answer[ANSWER_CAP];
    const char *note; /* of the case */
    size_t count;
    volatile int wants_stop;
};

static const char *on_request(void *arg, const char *head)
{
    struct play *p = arg;
    p->count++;
    return p->script(p, head);
}

static const char *say_xml(struct play *p, const char *body)
{
    (void)snprintf(p->answer, sizeof p->answer, OK_XML, strlen(body), body);
    return p->answer;
}

static const char *say_head(struct play *p, const char *head)
{
    (void)snprintf(p->answer, sizeof p->answer, "HTTP/1.1 %s\r\nConnection: close\r\n\r\n", head);
    return p->answer;
}

static bool is(const char *head, const char *start)
{
    return strncmp(head, start, strlen(start)) == 0;
}

struct stage {
    struct play play;
    struct fake_server *server;
    char directory[64];
    char path[128];
};

static struct stage *stage_new(const char *(*script)(struct play *p, const char *head))
{
    struct stage *s = test_calloc(1, sizeof *s);
    s->play.script = script;
    (void)snprintf(s->directory, sizeof s->directory, "/tmp/tarn-transfer-XXXXXX");
    assert_non_null(mkdtemp(s->directory));
    (void)snprintf(s->path, sizeof s->path, "%s/file", s->directory);
    s->server = fake_server_new_fn(on_request, &s->play);
    return s;
}

static void stage_free(struct stage *s)
{
    char command[128];
    fake_server_free(s->server);
    (void)snprintf(command, sizeof command, "rm -rf %s", s->directory);
    assert_int_equal(system(command), 0);
    test_free(s);
}

static struct tarn_client *connect_to(const struct stage *s, struct tarn_error *err)
{
    struct tarn_config config;
    fake_server_config(s->server, &config);
    config.retries_max = 0;
    return tarn_client_new(&config, err);
}

static void make_file(const struct stage *s, off_t size)
{
    int fd = open(s->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, size), 0);
    assert_int_equal(close(fd), 0);
}

/* ---- uploads ---- */

#define CREATED                                                                                    \
    "<InitiateMultipartUploadResult><UploadId>U1</UploadId></InitiateMultipartUploadResult>"
#define COMPLETED                                                                                  \
    "<CompleteMultipartUploadResult><ETag>&quot;whole&quot;</ETag></"                              \
    "CompleteMultipartUploadResult>"

static const char *take_upload(struct play *p, const char *head)
{
    if (is(head, "POST") && strstr(head, "?uploads"))
        return say_xml(p, CREATED);
    if (is(head, "POST"))
        return say_xml(p, COMPLETED);
    if (is(head, "DELETE"))
        return say_head(p, "204 No Content");
    return say_head(p, "200 OK\r\nContent-Length: 0\r\nETag: \"p\"");
}

struct source {
    uint64_t left;
    int64_t end; /* what comes behind the bytes */
};

static int64_t give(void *arg, void *bytes, size_t cap)
{
    struct source *s = arg;
    size_t n = cap < s->left ? cap : (size_t)s->left;
    if (n == 0)
        return s->end;
    memset(bytes, 'x', n);
    s->left -= n;
    return (int64_t)n;
}

/* A caller's function may fail with any status: none of them may pass for the end of the data. */
static void test_reading_fails(void **state)
{
    static const int statuses[] = { TARN_EEOF, TARN_EAGAIN, TARN_EIO, TARN_EINVAL };
    static const uint64_t places[] = { 0, 10, PART, PART + 10, 2 * (uint64_t)PART + 10 };
    (void)state;
    for (size_t i = 0; i < TN_COUNT(statuses) * TN_COUNT(places); i++) {
        struct stage *s = stage_new(take_upload);
        struct tarn_client *client = connect_to(s, NULL);
        struct tarn_transfer_options options = { .part_size = PART, .concurrency = 2 };
        struct source source = { places[i / TN_COUNT(statuses)], statuses[i % TN_COUNT(statuses)] };
        uint64_t place = source.left;
        int rc = tarn_upload_stream(client, give, &source, "bkt", "k", &options, NULL, NULL);
        if (rc != source.end)
            fail_msg("%s at %llu: %s", tarn_status_name((int)source.end), (unsigned long long)place,
                     tarn_status_name(rc));
        for (size_t n = 0; n < fake_server_count(s->server); n++)
            assert_null(strstr(fake_server_head(s->server, n), "POST /bkt/k?uploadId"));
        tarn_client_free(client);
        stage_free(s);
    }
}

/* The record of the first run is changed to be of part 40, and the server agrees: a place far
 * behind what there was room for. */
static const char *list_part_40(struct play *p, const char *head)
{
    if (is(head, "POST") && strstr(head, "?uploads"))
        return say_xml(p, CREATED);
    if (is(head, "GET"))
        return say_xml(p, p->note);
    if (is(head, "DELETE"))
        return say_head(p, "204 No Content");
    if (strstr(head, "partNumber=1&") && p->count < 4)
        return say_head(p, "200 OK\r\nContent-Length: 0\r\nETag: \"p\"");
    return say_head(p, "403 Forbidden\r\nContent-Length: 0");
}

static void change_record(const struct stage *s)
{
    char command[256];
    (void)snprintf(command, sizeof command, "sed -i 's/\"n\":1,/\"n\":40,/' %s/state/*.json",
                   s->directory);
    assert_int_equal(system(command), 0);
}

static void keep_report(void *arg, const struct tarn_resume_report *report)
{
    *(struct tarn_resume_report *)arg = *report;
}

#define LISTED(number)                                                                             \
    "<Part><PartNumber>" number "</PartNumber><ETag>&quot;p&quot;</ETag><Size>5242880</Size></"    \
    "Part>"

static void test_listed_parts(void **state)
{
    static const struct {
        const char *listing;
        enum tarn_resume_outcome outcome;
        uint64_t bytes;
    } cases[] = {
        { "<ListPartsResult>" LISTED("40") "</ListPartsResult>", TARN_RESUME_CONTINUED, PART },
        { "<ListPartsResult>" LISTED("40") LISTED("40") "</ListPartsResult>", TARN_RESUME_RESTARTED,
          0 },
        { "<ListPartsResult>" LISTED("40") LISTED("1") "</ListPartsResult>", TARN_RESUME_RESTARTED,
          0 },
        { "<ListPartsResult>" LISTED("0") "</ListPartsResult>", TARN_RESUME_RESTARTED, 0 },
        { "<ListPartsResult>" LISTED("10001") "</ListPartsResult>", TARN_RESUME_RESTARTED, 0 },
        { "<ListPartsResult>" LISTED("10000") "</ListPartsResult>", TARN_RESUME_REVALIDATED, 0 },
        { "<ListPartsResult><IsTruncated>true</IsTruncated><NextPartNumberMarker>0"
          "</NextPartNumberMarker></ListPartsResult>",
          TARN_RESUME_RESTARTED, 0 },
    };
    (void)state;
    for (size_t i = 0; i < TN_COUNT(cases); i++) {
        struct stage *s = stage_new(list_part_40);
        struct tarn_client *client = connect_to(s, NULL);
        struct tarn_resume_report report = { 0 };
        char place[128];
        (void)snprintf(place, sizeof place, "%s/state", s->directory);
        struct tarn_transfer_options options = { .part_size = PART,
                                                 .concurrency = 1,
                                                 .resume = true,
                                                 .state_dir = place,
                                                 .on_resume = keep_report,
                                                 .resume_arg = &report };
        s->play.note = cases[i].listing;
        make_file(s, 41 * (off_t)PART);
        assert_int_equal(tarn_upload_file(client, s->path, "bkt", "k", &options, NULL, NULL),
                         TARN_EDENIED);
        change_record(s);
        assert_int_equal(tarn_upload_file(client, s->path, "bkt", "k", &options, NULL, NULL),
                         TARN_EDENIED);
        if (report.outcome != cases[i].outcome || report.bytes != cases[i].bytes)
            fail_msg("%s: %d, %llu bytes", cases[i].listing, (int)report.outcome,
                     (unsigned long long)report.bytes);
        tarn_client_free(client);
        stage_free(s);
    }
}

/* Part 2 is refused in the first run. In the second one the listing breaks off behind part 1. */
static const char *list_in_vain(struct play *p, const char *head)
{
    if (is(head, "HEAD"))
        return say_head(p, "200 OK\r\nContent-Length: 5242885\r\nETag: \"e1\"");
    if (strstr(head, "?tagging"))
        return say_xml(p, "<Tagging><TagSet></TagSet></Tagging>");
    if (is(head, "GET"))
        return say_xml(p, "<ListPartsResult>" LISTED("1") LISTED("1") "</ListPartsResult>");
    if (strstr(head, "partNumber=2&") && !p->note)
        return say_head(p, "403 Forbidden\r\nContent-Length: 0");
    if (strstr(head, "x-amz-copy-source:"))
        return say_xml(p, "<CopyPartResult><ETag>&quot;p&quot;</ETag></CopyPartResult>");
    return take_upload(p, head);
}

static int upload_resumed(struct stage *s, struct tarn_client *client, const char *place,
                          struct tarn_resume_report *report)
{
    struct tarn_transfer_options options = { .part_size = PART,
                                             .part_threshold = 1,
                                             .concurrency = 1,
                                             .resume = true,
                                             .state_dir = place,
                                             .on_resume = keep_report,
                                             .resume_arg = report };
    return tarn_upload_file(client, s->path, "bkt", "k", &options, NULL, NULL);
}

static int copy_resumed(struct stage *s, struct tarn_client *client, const char *place,
                        struct tarn_resume_report *report)
{
    struct tarn_copy_options options = { .source_size = TARN_PUT_LEN_MAX + 1,
                                         .part_size = PART,
                                         .resume = true,
                                         .state_dir = place,
                                         .on_resume = keep_report,
                                         .resume_arg = report };
    (void)s;
    return tarn_object_copy(client, "bkt", "a", "bkt", "k", &options, NULL, NULL);
}

/* What begins anew begins with the first part, whatever was listed before the listing broke off. */
static void test_listing_breaks_off(void **state)
{
    static int (*const runs[])(struct stage * s, struct tarn_client * client, const char *place,
                               struct tarn_resume_report *report) = { upload_resumed,
                                                                      copy_resumed };
    (void)state;
    for (size_t i = 0; i < TN_COUNT(runs); i++) {
        struct stage *s = stage_new(list_in_vain);
        struct tarn_client *client = connect_to(s, NULL);
        struct tarn_resume_report report = { 0 };
        size_t firsts = 0;
        make_file(s, PART + TAIL);
        assert_int_equal(runs[i](s, client, s->directory, &report), TARN_EDENIED);
        size_t before = fake_server_count(s->server);
        s->play.note = "second run";
        assert_int_equal(runs[i](s, client, s->directory, &report), TARN_OK);
        assert_int_equal(report.outcome, TARN_RESUME_RESTARTED);
        for (size_t n = before; n < fake_server_count(s->server); n++)
            firsts += strstr(fake_server_head(s->server, n), "partNumber=1&") != NULL;
        assert_int_equal(firsts, 1);
        tarn_client_free(client);
        stage_free(s);
    }
}

/* ---- downloads ---- */

/* An object of PART + TAIL bytes; `note` is the ETag that the second part comes with. */
static const char *give_object(struct play *p, const char *head)
{
    bool is_second = strstr(head, "bytes=5242880-") != NULL;
    size_t len = is_second ? TAIL : PART;
    if (is(head, "HEAD"))
        return say_head(p, "200 OK\r\nContent-Length: 5242885\r\nETag: \"e1\"");
    int at = snprintf(p->answer, sizeof p->answer,
                      "HTTP/1.1 206 P\r\nConnection: close\r\nContent-Length: %zu\r\n"
                      "Content-Range: bytes %d-%d/%d\r\nETag: \"%s\"\r\n\r\n",
                      len, is_second ? PART : 0, (is_second ? PART + TAIL : PART) - 1, PART + TAIL,
                      is_second && p->note ? p->note : "e1");
    memset(p->answer + at, 'y', len);
    p->answer[(size_t)at + len] = '\0';
    return p->answer;
}

static int count_bytes(void *arg, const void *bytes, size_t len)
{
    (void)bytes;
    *(size_t *)arg += len;
    return TARN_OK;
}

static void test_part_of_another_object(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct stage *s = stage_new(give_object);
        struct tarn_client *client = connect_to(s, NULL);
        struct tarn_transfer_options options = { .part_size = PART,
                                                 .part_threshold = 1,
                                                 .concurrency = 1 };
        size_t count = 0;
        s->play.note = "e2";
        int rc = i == 0 ? tarn_download_file(client, "bkt", "k", s->path, &options, NULL, NULL)
                        : tarn_download_stream(client, "bkt", "k", count_bytes, &count, &options,
                                               NULL, NULL);
        assert_int_equal(rc, TARN_EPRECOND);
        assert_int_not_equal(access(s->path, F_OK), 0);
        assert_true(count <= PART);
        tarn_client_free(client);
        stage_free(s);
    }
}

/* "*" holds for every object, so it must not take the place of the pin. */
static void test_any_object_is_pinned(void **state)
{
    struct stage *s = stage_new(give_object);
    struct tarn_client *client = connect_to(s, NULL);
    struct tarn_transfer_options options = {
        .part_size = PART, .part_threshold = 1, .concurrency = 1, .conditions.if_match = "*"
    };
    (void)state;
    assert_int_equal(tarn_download_file(client, "bkt", "k", s->path, &options, NULL, NULL),
                     TARN_OK);
    assert_int_equal(fake_server_count(s->server), 3);
    assert_non_null(strstr(fake_server_head(s->server, 0), "if-match: *\r\n"));
    assert_non_null(strstr(fake_server_head(s->server, 1), "if-match: \"e1\"\r\n"));
    assert_non_null(strstr(fake_server_head(s->server, 2), "if-match: \"e1\"\r\n"));
    tarn_client_free(client);
    stage_free(s);
}

/* The second part is refused, so that the first one is kept for the next run. `note`: as soon as
 * the object is looked at, the program wants to stop. */
static const char *give_first_part(struct play *p, const char *head)
{
    if (is(head, "HEAD") && p->note)
        __atomic_store_n(&p->wants_stop, 1, __ATOMIC_RELAXED);
    if (strstr(head, "bytes=5242880-"))
        return say_head(p, "403 Forbidden\r\nContent-Length: 0");
    return give_object(p, head);
}

static int download_resumed(struct stage *s, struct tarn_client *client,
                            struct tarn_resume_report *report)
{
    struct tarn_transfer_options options = { .request.cancel = &s->play.wants_stop,
                                             .part_size = PART,
                                             .part_threshold = 1,
                                             .concurrency = 1,
                                             .resume = true,
                                             .on_resume = keep_report,
                                             .resume_arg = report };
    return tarn_download_file(client, "bkt", "k", s->path, &options, NULL, NULL);
}

static void assert_continues(struct stage *s, struct tarn_client *client)
{
    struct tarn_resume_report report = { 0 };
    assert_int_equal(download_resumed(s, client, &report), TARN_EDENIED);
    assert_int_equal(report.outcome, TARN_RESUME_CONTINUED);
    assert_int_equal(report.bytes, PART);
}

/* What an earlier run has fetched is there still when this one ended before it had looked. */
static void test_stopped_before_it_went_on(void **state)
{
    struct stage *s = stage_new(give_first_part);
    struct tarn_client *client = connect_to(s, NULL);
    struct tarn_resume_report report = { 0 };
    (void)state;
    assert_int_equal(download_resumed(s, client, &report), TARN_EDENIED);
    s->play.note = "stop";
    assert_int_equal(download_resumed(s, client, &report), TARN_ECANCELLED);
    s->play.note = NULL;
    s->play.wants_stop = 0;
    assert_continues(s, client);
    tarn_client_free(client);
    stage_free(s);
}

/* An MD5 in the ETag is something to compare with, however the bytes are fetched. */
static const char *give_hello(struct play *p, const char *head)
{
    (void)head;
    return say_head(p, "200 OK\r\nContent-Length: 5\r\n"
                       "ETag: \"5d41402abc4b2a76b9719d911017c592\"\r\n\r\nhello");
}

static void test_small_is_verified(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct stage *s = stage_new(give_hello);
        struct tarn_client *client = connect_to(s, NULL);
        struct tarn_object_info info = { 0 };
        struct tarn_transfer_options options = { .has_size_hint = i % 2 == 1, .size_hint = 5 };
        size_t count = 0;
        int rc = i < 2 ? tarn_download_file(client, "bkt", "k", s->path, &options, &info, NULL)
                       : tarn_download_stream(client, "bkt", "k", count_bytes, &count, &options,
                                              &info, NULL);
        assert_int_equal(rc, TARN_OK);
        if (!info.was_verified || info.size != 5)
            fail_msg("%s with%s a hint: not verified", i < 2 ? "file" : "stream",
                     i % 2 == 1 ? "" : "out");
        tarn_object_info_release(&info);
        tarn_client_free(client);
        stage_free(s);
    }
}

static const char *give_size(struct play *p, const char *head)
{
    (void)head;
    return say_head(p, p->note);
}

static void test_absurd_sizes(void **state)
{
    static const char *const heads[] = {
        "200 OK\r\nETag: \"e\"\r\nContent-Length: 36028797052583936", /* 2^32 + 5 parts */
        "200 OK\r\nETag: \"e\"\r\nContent-Length: 9223372036854775807",
        "200 OK\r\nETag: \"e\"\r\nContent-Length: 9223372036854775808",
        "200 OK\r\nETag: \"e\"\r\nContent-Length: 99999999999999999999",
        "200 OK\r\nETag: \"e\"\r\nContent-Length: -1",
    };
    (void)state;
    for (size_t i = 0; i < TN_COUNT(heads); i++) {
        struct stage *s = stage_new(give_size);
        struct tarn_client *client = connect_to(s, NULL);
        struct tarn_transfer_options options = { .resume = true };
        s->play.note = heads[i];
        int rc = tarn_download_file(client, "bkt", "k", s->path, &options, NULL, NULL);
        if (rc != TARN_ETOOBIG && rc != TARN_EPROTOCOL)
            fail_msg("%s: %s", heads[i], tarn_status_name(rc));
        assert_int_not_equal(access(s->path, F_OK), 0);
        tarn_client_free(client);
        stage_free(s);
    }
}

/* A range that is shorter than what was asked for passes for the end of the object; a longer one is
 * more than the caller has room for. */
static void test_ranges(void **state)
{
    static const struct {
        uint64_t first, last, suffix;
        const char *range;
        size_t len;
        int rc;
    } cases[] = {
        { 0, 9, 0, "bytes 0-9/100", 10, TARN_OK },
        { 0, 9, 0, "bytes 0-9/*", 10, TARN_OK },
        { 0, 9, 0, "bytes 0-4/5", 5, TARN_OK },
        { 0, 9, 0, "bytes 0-4/100", 5, TARN_EPROTOCOL },
        { 0, 9, 0, "bytes 0-19/100", 20, TARN_EPROTOCOL },
        { 90, UINT64_MAX, 0, "bytes 90-99/100", 10, TARN_OK },
        { 90, UINT64_MAX, 0, "bytes 90-94/100", 5, TARN_EPROTOCOL },
        { 90, 99, 0, "bytes 0-9/100", 10, TARN_EPROTOCOL },
        { 0, 0, 10, "bytes 90-99/100", 10, TARN_OK },
        { 0, 0, 10, "bytes 0-4/5", 5, TARN_OK },
        { 0, 0, 10, "bytes 95-99/100", 5, TARN_EPROTOCOL },
        { 0, 0, 10, "bytes 0-9/100", 10, TARN_EPROTOCOL },
        { 0, 9, 0, "bytes 18446744073709551606-18446744073709551615/*", 10, TARN_EPROTOCOL },
    };
    (void)state;
    for (size_t i = 0; i < TN_COUNT(cases); i++) {
        struct stage *s = stage_new(give_size);
        struct tarn_client *client = connect_to(s, NULL);
        struct tarn_get_options options = { .has_range = cases[i].suffix == 0,
                                            .range_first = cases[i].first,
                                            .range_last = cases[i].last,
                                            .range_suffix = cases[i].suffix };
        char head[256];
        char *bytes = NULL;
        size_t len = 0;
        (void)snprintf(head, sizeof head,
                       "206 P\r\nContent-Length: %zu\r\nContent-Range: %s\r\n\r\n%.*s",
                       cases[i].len, cases[i].range, (int)cases[i].len, "01234567890123456789");
        s->play.note = head;
        int rc = tarn_object_get_bytes(client, "bkt", "k", 100, &bytes, &len, &options, NULL, NULL);
        if (rc != cases[i].rc || (rc == TARN_OK && len != cases[i].len))
            fail_msg("%s: %s", cases[i].range, tarn_status_name(rc));
        tarn_bytes_free(bytes);
        tarn_client_free(client);
        stage_free(s);
    }
}

/* ---- copies ---- */

static const char *copy_large(struct play *p, const char *head)
{
    if (is(head, "HEAD"))
        return say_head(p, "200 OK\r\nContent-Length: 5242885\r\nETag: \"e1\"\r\n"
                           "Content-Type: text/odd");
    if (is(head, "GET"))
        return say_xml(p, "<Tagging><TagSet><Tag><Key>a b</Key><Value>1&amp;2</Value></Tag><Tag>"
                          "<Key>c</Key><Value></Value></Tag></TagSet></Tagging>");
    if (is(head, "PUT"))
        return say_xml(p, "<CopyPartResult><ETag>&quot;p&quot;</ETag></CopyPartResult>");
    return take_upload(p, head);
}

static void test_large_copy_keeps_tags(void **state)
{
    struct stage *s = stage_new(copy_large);
    struct tarn_client *client = connect_to(s, NULL);
    struct tarn_copy_options options = { .source_size = TARN_PUT_LEN_MAX + 1,
                                         .part_size = PART,
                                         .source_conditions.if_match = "*" };
    size_t parts = 0;
    bool has_tags = false;
    (void)state;
    assert_int_equal(tarn_object_copy(client, "bkt", "a", "bkt", "b", &options, NULL, NULL),
                     TARN_OK);
    for (size_t i = 0; i < fake_server_count(s->server); i++) {
        const char *head = fake_server_head(s->server, i);
        if (strstr(head, "?uploads"))
            has_tags = strstr(head, "x-amz-tagging: a%20b=1%262&c=\r\n") != NULL;
        if (is(head, "PUT"))
            parts += strstr(head, "x-amz-copy-source-if-match: \"e1\"\r\n") != NULL;
    }
    assert_true(has_tags);
    assert_int_equal(parts, 2);
    tarn_client_free(client);
    stage_free(s);
}

/* New headers or another class for what is above 5 GiB: what is written meanwhile must not be lost.
 */
static void test_large_copy_onto_itself(void **state)
{
    static const struct {
        const char *key, *version;
        bool is_guarded;
    } rows[] = { { "a", NULL, true }, { "b", NULL, false }, { "a", "v1", false } };
    (void)state;
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        struct stage *s = stage_new(copy_large);
        struct tarn_client *client = connect_to(s, NULL);
        struct tarn_copy_options options = { .source_size = TARN_PUT_LEN_MAX + 1,
                                             .part_size = PART,
                                             .source_version_id = rows[i].version };
        assert_int_equal(
            tarn_object_copy(client, "bkt", "a", "bkt", rows[i].key, &options, NULL, NULL),
            TARN_OK);
        const char *last = fake_server_head(s->server, fake_server_count(s->server) - 1);
        assert_true(is(last, "POST"));
        assert_int_equal(strstr(last, "\r\nif-match: \"e1\"\r\n") != NULL, rows[i].is_guarded);
        tarn_client_free(client);
        stage_free(s);
    }
}

/* ---- listings without an end ---- */

static const char *list_uploads_in_circles(struct play *p, const char *head)
{
    char body[512];
    (void)head;
    (void)snprintf(body, sizeof body,
                   "<ListMultipartUploadsResult><IsTruncated>true</IsTruncated><NextKeyMarker>k%zu"
                   "</NextKeyMarker><NextUploadIdMarker>u</NextUploadIdMarker>"
                   "</ListMultipartUploadsResult>",
                   p->count % 3);
    return say_xml(p, body);
}

static const char *list_versions_in_circles(struct play *p, const char *head)
{
    char body[512];
    (void)head;
    (void)snprintf(body, sizeof body,
                   "<ListVersionsResult><IsTruncated>true</IsTruncated><NextKeyMarker>k"
                   "</NextKeyMarker><NextVersionIdMarker>v%zu</NextVersionIdMarker>"
                   "</ListVersionsResult>",
                   p->count % 3);
    return say_xml(p, body);
}

static int ignore_upload(void *arg, const struct tarn_upload_entry *entry)
{
    (void)arg;
    (void)entry;
    return TARN_OK;
}

static void test_circles(void **state)
{
    struct stage *s = stage_new(list_uploads_in_circles);
    struct tarn_client *client = connect_to(s, NULL);
    const struct tarn_version_entry *entry = NULL;
    (void)state;
    assert_int_equal(
        tarn_multipart_list_uploads(client, "bkt", NULL, NULL, ignore_upload, NULL, NULL),
        TARN_EPROTOCOL);
    assert_true(fake_server_count(s->server) < 12);
    tarn_client_free(client);
    stage_free(s);

    s = stage_new(list_versions_in_circles);
    client = connect_to(s, NULL);
    struct tarn_versions *versions = tarn_versions_open(client, "bkt", NULL, NULL);
    assert_int_equal(tarn_versions_next(versions, &entry, NULL), TARN_EPROTOCOL);
    assert_int_equal(tarn_versions_next(versions, &entry, NULL), TARN_EPROTOCOL);
    assert_true(fake_server_count(s->server) < 12);
    tarn_versions_free(versions);
    tarn_client_free(client);
    stage_free(s);
}

/* Every circle is found, and nothing else is. */
static void test_cycle(void **state)
{
    (void)state;
    for (unsigned lead = 0; lead < 12; lead++) {
        for (unsigned len = 1; len < 12; len++) {
            struct tn_cycle c = TN_CYCLE_INIT;
            unsigned n = 0;
            int rc = TARN_OK;
            for (; rc == TARN_OK && n < 1000; n++) {
                char text[16];
                unsigned at = n < lead ? n : lead + (n - lead) % len;
                (void)snprintf(text, sizeof text, "%u", at);
                rc = tn_cycle_step(&c, tn_str_from(text), TN_STR("id"));
            }
            assert_int_equal(rc, TARN_EPROTOCOL);
            assert_true(n > lead + len && n <= 3 * (lead + len) + 1);
            tn_cycle_release(&c);
        }
    }
    struct tn_cycle c = TN_CYCLE_INIT;
    assert_int_equal(tn_cycle_step(&c, TN_STR("ab"), TN_STR("c")), TARN_OK);
    assert_int_equal(tn_cycle_step(&c, TN_STR("a"), TN_STR("bc")), TARN_OK);
    tn_cycle_release(&c);
}

/* ---- batches ---- */

static void test_batch_cancel(void **state)
{
    static const char *const keys[] = { "a", "b", "c" };
    struct stage *s = stage_new(take_upload);
    struct tarn_client *client = connect_to(s, NULL);
    volatile int cancel = 1;
    struct tarn_batch_options options = { .request.cancel = &cancel, .rate_max = 0.001 };
    struct tarn_batch_result result = { 0 };
    (void)state;
    assert_int_equal(
        tarn_batch_set_class(client, "bkt", keys, 3, "STANDARD_IA", &options, &result, NULL),
        TARN_ECANCELLED);
    assert_int_equal(result.cancelled, 3);
    tarn_batch_result_release(&result);
    tarn_client_free(client);
    stage_free(s);
}

/* ---- descriptors ---- */

static void test_no_descriptor_is_inherited(void **state)
{
    struct stage *s = stage_new(take_upload);
    bool was_open[64];
    (void)state;
    for (int fd = 0; fd < 64; fd++)
        was_open[fd] = fcntl(fd, F_GETFD) >= 0;
    for (int with_curl = 0; with_curl < 2; with_curl++) {
        struct tarn_config config;
        fake_server_config(s->server, &config);
        config.use_curl = with_curl;
        struct tarn_client *client = tarn_client_new(&config, NULL);
        assert_int_equal(tarn_object_put(client, "bkt", "k", "x", 1, NULL, NULL, NULL), TARN_OK);
        for (int fd = 0; fd < 64; fd++) {
            int flags = fcntl(fd, F_GETFD);
            struct sockaddr_storage address;
            socklen_t len = sizeof address;
            bool is_pair = getsockname(fd, (struct sockaddr *)&address, &len) == 0 &&
                           address.ss_family == AF_UNIX; /* libcurl's own, to wake itself */
            if (!was_open[fd] && flags >= 0 && !(flags & FD_CLOEXEC) && !is_pair)
                fail_msg("descriptor %d would be inherited (%s)", fd,
                         with_curl ? "with curl" : "without");
        }
        tarn_client_free(client);
    }
    stage_free(s);
}

/* ---- out of memory ---- */

static int sweep(struct stage *s,
                 int (*run)(struct stage *s, struct tarn_client *client, struct tarn_error *err))
{
    struct tarn_error err = { 0 };
    struct tarn_client *client = connect_to(s, &err);
    if (!client)
        return err.status;
    int rc = run(s, client, &err);
    if (rc != TARN_OK && rc != TARN_ENOMEM)
        print_message("%s\n", err.message);
    tarn_client_free(client);
    return rc;
}

static int upload_both_ways(struct stage *s, struct tarn_client *client, struct tarn_error *err)
{
    char place[128];
    (void)snprintf(place, sizeof place, "%s/state", s->directory);
    struct tarn_object_info info = { 0 };
    struct tarn_transfer_options options = {
        .part_size = PART, .part_threshold = 1, .concurrency = 2, .resume = true, .state_dir = place
    };
    struct source source = { PART + TAIL, 0 };
    int rc = tarn_upload_file(client, s->path, "bkt", "k", &options, &info, err);
    tarn_object_info_release(&info);
    if (rc == TARN_OK)
        rc = tarn_upload_stream(client, give, &source, "bkt", "k", &options, NULL, err);
    return rc;
}

static int upload_once(void *arg)
{
    return sweep(arg, upload_both_ways);
}

static int download_both_ways(struct stage *s, struct tarn_client *client, struct tarn_error *err)
{
    struct tarn_object_info info = { 0 };
    struct tarn_transfer_options options = {
        .part_size = PART, .part_threshold = 1, .concurrency = 2, .resume = true
    };
    struct stat st;
    size_t count = 0;
    (void)unlink(s->path);
    int rc = tarn_download_file(client, "bkt", "k", s->path, &options, &info, err);
    bool is_there = stat(s->path, &st) == 0;
    if (is_there ? st.st_size != PART + TAIL : rc == TARN_OK)
        return TARN_EIO; /* an incomplete file has the name, or a complete one has none */
    tarn_object_info_release(&info);
    if (rc == TARN_OK)
        rc = tarn_download_stream(client, "bkt", "k", count_bytes, &count, &options, NULL, err);
    return rc == TARN_OK && count != PART + TAIL ? TARN_EIO : rc;
}

static int download_once(void *arg)
{
    return sweep(arg, download_both_ways);
}

static int go_on_downloading(struct stage *s, struct tarn_client *client, struct tarn_error *err)
{
    struct tarn_resume_report report = { .outcome = TARN_RESUME_CONTINUED };
    int rc = download_resumed(s, client, &report);
    (void)err;
    if (report.outcome != TARN_RESUME_CONTINUED)
        return TARN_EIO; /* an earlier run has taken it away */
    return rc == TARN_EDENIED ? TARN_OK : rc;
}

static int go_on_once(void *arg)
{
    return sweep(arg, go_on_downloading);
}

static void test_no_memory_keeps_what_is_there(void **state)
{
    struct stage *s = stage_new(give_first_part);
    struct tarn_client *client = connect_to(s, NULL);
    struct tarn_resume_report report = { 0 };
    (void)state;
    assert_int_equal(download_resumed(s, client, &report), TARN_EDENIED);
    t_oom_sweep(go_on_once, s);
    assert_continues(s, client);
    tarn_client_free(client);
    stage_free(s);
}

static const char *take_anything(struct play *p, const char *head)
{
    if (is(head, "HEAD"))
        return say_head(p, "200 OK\r\nContent-Length: 5242885\r\nETag: \"e1\"\r\n"
                           "x-amz-meta-a: 1");
    if (strstr(head, "?tagging"))
        return say_xml(p, "<Tagging><TagSet><Tag><Key>a</Key><Value>1</Value></Tag></TagSet>"
                          "</Tagging>");
    if (strstr(head, "&versions") || strstr(head, "versions&") || strstr(head, "?versions"))
        return say_xml(p, "<ListVersionsResult><DeleteMarker><Key>k</Key><VersionId>1</VersionId>"
                          "<IsLatest>true</IsLatest></DeleteMarker></ListVersionsResult>");
    if (strstr(head, "?versioning"))
        return say_xml(p, "<VersioningConfiguration><Status>Enabled</Status>"
                          "</VersioningConfiguration>");
    if (strstr(head, "?delete"))
        return say_xml(p, "<DeleteResult><Deleted><Key>k</Key></Deleted><Deleted><Key>l</Key>"
                          "</Deleted></DeleteResult>");
    if (strstr(head, "partNumber="))
        return say_xml(p, "<CopyPartResult><ETag>&quot;p&quot;</ETag></CopyPartResult>");
    if (is(head, "PUT"))
        return say_xml(p, "<CopyObjectResult><ETag>&quot;c&quot;</ETag></CopyObjectResult>");
    return take_upload(p, head);
}

/* No key that failed may be told as done. */
static int check_batch(int rc, struct tarn_batch_result *result)
{
    size_t good = 0;
    for (size_t i = 0; i < result->total; i++)
        good += !result->items[i].error;
    bool is_lie =
        result->total > 0 && (good != result->succeeded || (rc < 0 && good == result->total));
    tarn_batch_result_release(result);
    return is_lie ? TARN_EIO : rc;
}

static int run_batches(struct stage *s, struct tarn_client *client, struct tarn_error *err)
{
    static const char *const keys[] = { "k", "l", "k" };
    static const struct tarn_header pairs[] = { { "a", "2" }, { "b", NULL } };
    const struct tarn_batch_options options = { .concurrency = 1 };
    struct tarn_batch_result r = { 0 };
    (void)s;
    int rc = check_batch(tarn_batch_delete(client, "bkt", keys, 3, &options, &r, err), &r);
    if (rc == TARN_OK)
        rc = check_batch(
            tarn_batch_copy(client, "bkt", keys, 3, "bkt", "to/", NULL, NULL, &options, &r, err),
            &r);
    if (rc == TARN_OK)
        rc = check_batch(
            tarn_batch_set_metadata(client, "bkt", keys, 3, pairs, 2, &options, &r, err), &r);
    if (rc == TARN_OK)
        rc = check_batch(
            tarn_batch_set_tags(client, "bkt", keys, 3, pairs, 2, true, &options, &r, err), &r);
    return rc;
}

static int batch_once(void *arg)
{
    return sweep(arg, run_batches);
}

static int use_versions(struct stage *s, struct tarn_client *client, struct tarn_error *err)
{
    struct tarn_versions_options list = { .prefix = "k", .is_exact_key = true };
    const struct tarn_version_entry *entry = NULL;
    struct tarn_version_comparison difference;
    enum tarn_versioning state;
    char url[TARN_URL_LEN_MAX];
    (void)s;
    int rc = tarn_bucket_set_versioning(client, "bkt", TARN_VERSIONING_ENABLED, NULL, NULL, err);
    if (rc == TARN_OK)
        rc = tarn_bucket_get_versioning(client, "bkt", NULL, &state, err);
    struct tarn_versions *versions =
        rc == TARN_OK ? tarn_versions_open(client, "bkt", &list, err) : NULL;
    if (rc == TARN_OK)
        rc = versions ? tarn_versions_next(versions, &entry, err) : err->status;
    tarn_versions_free(versions);
    if (rc == TARN_OK)
        rc = tarn_object_undelete(client, "bkt", "k", NULL, err);
    if (rc == TARN_OK)
        rc = tarn_version_compare(client, "bkt", "k", "1", "2", NULL, &difference, err);
    if (rc == TARN_OK)
        rc = tarn_version_restore(client, "bkt", "k", "1", NULL, NULL, err);
    if (rc == TARN_OK)
        rc = tarn_presign(client, "bkt", "k", NULL, url, err);
    return rc;
}

static int versions_once(void *arg)
{
    return sweep(arg, use_versions);
}

static int copy_in_parts(struct stage *s, struct tarn_client *client, struct tarn_error *err)
{
    char place[128];
    (void)snprintf(place, sizeof place, "%s/state", s->directory);
    struct tarn_copy_options options = {
        .source_size = TARN_PUT_LEN_MAX + 1, .part_size = PART, .resume = true, .state_dir = place
    };
    return tarn_object_copy(client, "bkt", "a", "bkt", "b", &options, NULL, err);
}

static int copy_once(void *arg)
{
    return sweep(arg, copy_in_parts);
}

static void sweep_all(const char *(*script)(struct play *p, const char *head),
                      int (*body)(void *arg))
{
    struct stage *s = stage_new(script);
    int standard_input = fcntl(STDIN_FILENO, F_GETFD);
    make_file(s, PART + TAIL);
    t_oom_sweep(body, s);
    assert_int_equal(fcntl(STDIN_FILENO, F_GETFD),
                     standard_input); /* half-built things close theirs */
    stage_free(s);
}

static void test_no_memory_for_uploads(void **state)
{
    (void)state;
    sweep_all(take_upload, upload_once);
}

static void test_no_memory_for_downloads(void **state)
{
    (void)state;
    sweep_all(give_object, download_once);
}

static void test_no_memory_for_batches(void **state)
{
    (void)state;
    sweep_all(take_anything, batch_once);
}

static void test_no_memory_for_versions(void **state)
{
    (void)state;
    sweep_all(take_anything, versions_once);
}

static void test_no_memory_for_copies(void **state)
{
    (void)state;
    sweep_all(take_anything, copy_once);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reading_fails),
        cmocka_unit_test(test_listed_parts),
        cmocka_unit_test(test_listing_breaks_off),
        cmocka_unit_test(test_part_of_another_object),
        cmocka_unit_test(test_stopped_before_it_went_on),
        cmocka_unit_test(test_small_is_verified),
        cmocka_unit_test(test_any_object_is_pinned),
        cmocka_unit_test(test_absurd_sizes),
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_large_copy_keeps_tags),
        cmocka_unit_test(test_large_copy_onto_itself),
        cmocka_unit_test(test_circles),
        cmocka_unit_test(test_cycle),
        cmocka_unit_test(test_batch_cancel),
        cmocka_unit_test(test_no_descriptor_is_inherited),
        cmocka_unit_test(test_no_memory_for_uploads),
        cmocka_unit_test(test_no_memory_for_downloads),
        cmocka_unit_test(test_no_memory_keeps_what_is_there),
        cmocka_unit_test(test_no_memory_for_batches),
        cmocka_unit_test(test_no_memory_for_versions),
        cmocka_unit_test(test_no_memory_for_copies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
