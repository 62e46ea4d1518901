/* SPDX-License-Identifier: Apache-2.0 */
/* Locks, values and atomic copies with too little memory: TARN_ENOMEM or what was asked for, no
 * lock that is left behind by a call that failed, no write that is not told of. */

#include "unit/t.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tarn/tarn.h>

#include "unit/client/fake_server.h"

enum { TEXT_CAP = 256, ANSWER_CAP = 4096, OUT_MARK = 0x5a };

/* A bucket of one object, which honours conditions; what it was written with is told by the head.
 */
struct stage {
    struct fake_server *server;
    struct tarn_client *client;
    int (*call)(struct stage *s, struct tarn_error *err);
    const char *name;
    int round; /* names a new bucket each time, so that it is probed each time */
    bool exists;
    bool is_held; /* as a lock */
    int version;
    char nonce[TEXT_CAP];
    char token[TEXT_CAP];
    char seq[TEXT_CAP];
    char writers[TEXT_CAP];
    char answer[ANSWER_CAP];
};

static bool find_field(const char *head, const char *name, char out[TEXT_CAP])
{
    const char *at = strcasestr(head, name);
    if (!at)
        return false;
    at += strlen(name);
    (void)snprintf(out, TEXT_CAP, "%.*s", (int)strcspn(at, "\r"), at);
    return true;
}

static const char *say(struct stage *s, const char *status, const char *fields, const char *body)
{
    (void)snprintf(s->answer, sizeof s->answer,
                   "HTTP/1.1 %s\r\nConnection: close\r\n%sContent-Length: %zu\r\n\r\n%s", status,
                   fields, strlen(body), body);
    return s->answer;
}

static const char *refuse(struct stage *s, const char *status, const char *code)
{
    char body[TEXT_CAP];
    (void)snprintf(body, sizeof body, "<Error><Code>%s</Code></Error>", code);
    return say(s, status, "", body);
}

static bool is_refused(const struct stage *s, const char *head)
{
    char etag[TEXT_CAP];
    char wanted[TEXT_CAP];
    (void)snprintf(etag, sizeof etag, "\"e%d\"", s->version);
    if (strcasestr(head, "\r\nif-none-match: *") && s->exists)
        return true;
    return find_field(head, "\r\nif-match: ", wanted) && strcmp(wanted, etag) != 0;
}

static const char *take(struct stage *s, const char *head, const char *root)
{
    char fields[TEXT_CAP];
    char body[TEXT_CAP] = "";
    if (is_refused(s, head))
        return refuse(s, "412 Precondition Failed", "PreconditionFailed");
    s->exists = true;
    s->version++;
    s->is_held = strcasestr(head, "\r\nexpires: ");
    s->writers[0] = s->nonce[0] = '\0';
    (void)find_field(head, "x-amz-meta-tarn-writers: ", s->writers);
    (void)find_field(head, "x-amz-meta-tarn-lock-nonce: ", s->nonce);
    (void)find_field(head, "x-amz-meta-tarn-lock-token: ", s->token);
    (void)find_field(head, "x-amz-meta-tarn-lock-seq: ", s->seq);
    (void)snprintf(fields, sizeof fields, "ETag: \"e%d\"\r\n", s->version);
    if (root)
        (void)snprintf(body, sizeof body, "<%s><ETag>&quot;e%d&quot;</ETag></%s>", root, s->version,
                       root);
    return say(s, "200 OK", fields, body);
}

static const char *give(struct stage *s, const char *head)
{
    char fields[2 * TEXT_CAP];
    char body[4 * TEXT_CAP] = "value";
    if (!s->exists)
        return refuse(s, "404 Not Found", "NoSuchKey");
    if (s->nonce[0])
        (void)snprintf(body, sizeof body,
                       "{\"v\":1,\"state\":\"%s\",\"owner\":{\"nonce\":\"%s\"},\"token\":%s,"
                       "\"seq\":%s,\"ttl_ms\":30000}",
                       s->is_held ? "held" : "released", s->nonce, s->token, s->seq);
    (void)snprintf(fields, sizeof fields, "ETag: \"e%d\"\r\nx-amz-meta-tarn-writers: %s\r\n",
                   s->version, s->writers);
    if (strcasestr(head, "\r\nrange: bytes=0-0")) {
        size_t len = strlen(fields);
        (void)snprintf(fields + len, sizeof fields - len, "Content-Range: bytes 0-0/%zu\r\n",
                       strlen(body));
        body[1] = '\0';
    }
    (void)say(s, strcasestr(head, "\r\nrange: ") ? "206 Partial Content" : "200 OK", fields, body);
    if (strncmp(head, "HEAD", 4) == 0)
        strstr(s->answer, "\r\n\r\n")[4] = '\0';
    return s->answer;
}

static const char *answer_to(void *arg, const char *head)
{
    struct stage *s = arg;
    char line[TEXT_CAP];
    (void)snprintf(line, sizeof line, "%.*s", (int)strcspn(head, "\r"), head);
    if (strncmp(line, "HEAD", 4) == 0 && strstr(line, "/source "))
        return "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\nETag: \"s1\"\r\n\r\n";
    if (strncmp(line, "GET", 3) == 0 && strstr(line, "/source"))
        return "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\nETag: \"s1\"\r\n\r\n"
               "hello";
    if (strncmp(line, "POST", 4) == 0 && strstr(line, "?uploads"))
        return say(s, "200 OK", "",
                   "<InitiateMultipartUploadResult><UploadId>U1</UploadId>"
                   "</InitiateMultipartUploadResult>");
    if (strncmp(line, "POST", 4) == 0)
        return take(s, head, "CompleteMultipartUploadResult");
    if (strncmp(line, "PUT", 3) == 0 && strstr(line, "partNumber"))
        return say(s, "200 OK", "ETag: \"p\"\r\n",
                   "<CopyPartResult><ETag>&quot;p&quot;</ETag></CopyPartResult>");
    if (strncmp(line, "PUT", 3) == 0)
        return take(s, head, strcasestr(head, "x-amz-copy-source:") ? "CopyObjectResult" : NULL);
    if (strncmp(line, "DELETE", 6) == 0) {
        s->exists = s->exists && strstr(line, "uploadId=");
        return say(s, "204 No Content", "", "");
    }
    return give(s, head);
}

static void forget(struct stage *s)
{
    s->exists = s->is_held = false;
    s->version = 0;
    s->nonce[0] = s->writers[0] = '\0';
}

/* ---- locks ---- */

static const struct tarn_lock_options lock_options = { .skip_probe = true, .owner = "me" };

static int use_lock(struct stage *s, struct tarn_error *err)
{
    struct tarn_lock *lock;
    struct tarn_lock_info info;
    memset(&lock, OUT_MARK, sizeof lock);
    struct tarn_lock *before = lock;
    int rc = tarn_lock_acquire(s->client, "bkt", "name", &lock_options, &lock, err);
    if (rc < 0) {
        assert_ptr_equal(lock, before);
        assert_false(s->exists && s->is_held); /* nobody has to wait for it */
        return rc;
    }
    rc = tarn_lock_renew(lock, err);
    if (rc == TARN_OK)
        rc = tarn_lock_status(s->client, "bkt", "name", NULL, &info, err);
    if (rc == TARN_OK)
        assert_int_equal(info.state, TARN_LOCK_HELD);
    assert_int_equal(tarn_lock_check(lock), TARN_OK);
    struct tarn_error why = { 0 };
    int released = tarn_lock_release(lock, &why);
    if (rc == TARN_OK && released < 0)
        *err = why;
    assert_false(released == TARN_OK && s->is_held);
    return rc == TARN_OK ? released : rc;
}

static int take_over_lock(struct stage *s, struct tarn_error *err)
{
    struct tarn_lock *lock = NULL;
    s->exists = s->is_held = true;
    s->version = 1;
    (void)snprintf(s->nonce, sizeof s->nonce, "0123456789abcdef0123456789abcdef");
    (void)snprintf(s->token, sizeof s->token, "7");
    (void)snprintf(s->seq, sizeof s->seq, "1");
    int rc = tarn_lock_attach(s->client, "bkt", "name", s->nonce, NULL, &lock, err);
    if (rc < 0)
        return rc;
    assert_int_equal(tarn_lock_token(lock), 7);
    tarn_lock_free(lock);
    return tarn_lock_break(s->client, "bkt", "name", "e2", NULL, err);
}

/* ---- values ---- */

static int make_next(void *arg, const void *present, void **next)
{
    (void)arg;
    (void)present;
    *next = tarn_bytes_new("next", 4);
    return *next ? TARN_OK : TARN_ENOMEM;
}

static int create_value(struct stage *s, struct tarn_error *err)
{
    char data[] = "value";
    const struct tarn_bytes value = { .data = data, .len = 5 };
    const struct tarn_store_options options = { .skip_probe = true };
    struct tarn_store_entry written;
    memset(&written, OUT_MARK, sizeof written);
    struct tarn_store_entry before = written;
    struct tarn_store *store = tarn_store_new(s->client, &options, err);
    int rc = store ? TARN_OK : err->status;
    if (rc == TARN_OK)
        rc = tarn_store_create(store, "bkt", "k", &value, 0, &written, err);
    assert_true(rc == TARN_OK ? s->exists : memcmp(&written, &before, sizeof written) == 0);
    if (rc == TARN_OK)
        rc = tarn_store_delete(store, "bkt", "k", &written, err);
    tarn_store_free(store);
    return rc;
}

static int change_value(struct stage *s, struct tarn_error *err)
{
    char data[] = "value";
    const struct tarn_bytes value = { .data = data, .len = 5 };
    struct tarn_store_entry entry = { 0 };
    struct tarn_store_entry written = { 0 };
    const struct tarn_store_options options = { .skip_probe = true };
    s->exists = true;
    struct tarn_store *store = tarn_store_new(s->client, &options, err);
    int rc = store ? TARN_OK : err->status;
    if (rc == TARN_OK)
        rc = tarn_store_get(store, "bkt", "k", &entry, err);
    assert_true(rc == TARN_OK || (!entry.value && !entry.etag[0]));
    if (rc == TARN_OK)
        rc = tarn_store_put(store, "bkt", "k", &entry, &value, 0, &written, err);
    if (rc == TARN_OK)
        rc = tarn_store_update(store, "bkt", "k", make_next, NULL, 0, NULL, err);
    if (rc == TARN_OK)
        rc = tarn_store_overwrite(store, "bkt", "k", &value, 0, NULL, err);
    int exists = rc == TARN_OK ? tarn_store_exists(store, "bkt", "k", err) : 1;
    if (store)
        tarn_store_entry_release(store, &entry);
    tarn_store_free(store);
    if (exists < 0)
        return exists;
    assert_int_equal(exists, 1);
    return rc;
}

/* ---- copies ---- */

static int copy_by(struct stage *s, enum tarn_copy_strategy strategy, struct tarn_error *err)
{
    const struct tarn_copy_atomic_options options = { .strategy = strategy, .skip_probe = true };
    struct tarn_copy_atomic_result result;
    memset(&result, OUT_MARK, sizeof result);
    struct tarn_copy_atomic_result before = result;
    int rc = tarn_copy_atomic(s->client, "bkt", "source", "bkt", "k", &options, &result, err);
    if (rc < 0)
        assert_memory_equal(&result, &before, sizeof result);
    else
        assert_true(s->exists);
    return rc;
}

static int copy_by_header(struct stage *s, struct tarn_error *err)
{
    return copy_by(s, TARN_COPY_HEADER, err);
}

static int copy_by_parts(struct stage *s, struct tarn_error *err)
{
    return copy_by(s, TARN_COPY_MULTIPART, err);
}

static int copy_through_here(struct stage *s, struct tarn_error *err)
{
    return copy_by(s, TARN_COPY_GET_PUT, err);
}

static int probe(struct stage *s, struct tarn_error *err)
{
    enum {
        ALL = TARN_CONDITIONAL_CREATE | TARN_CONDITIONAL_MATCH | TARN_CONDITIONAL_COPY |
              TARN_CONDITIONAL_COMPLETE
    };
    char bucket[32];
    unsigned honoured = OUT_MARK;
    (void)snprintf(bucket, sizeof bucket, "bkt%d", s->round++);
    int rc = tarn_conditional_probe(s->client, bucket, "k", ALL, &honoured, err);
    assert_int_equal(honoured, rc < 0 ? OUT_MARK : ALL);
    return rc;
}

/* ---- the sweeps ---- */

static int fail_and_repeat(void *arg)
{
    struct stage *s = arg;
    struct tarn_error err = { 0 };
    struct tarn_error again = { 0 };
    forget(s);
    int rc = s->call(s, &err);
    if (rc != TARN_OK && (rc != TARN_ENOMEM || err.status != rc))
        fail_msg("%s: %s (%s): %s", s->name, tarn_status_name(rc), tarn_status_name(err.status),
                 err.message);
    forget(s);
    if (rc < 0 && s->call(s, &again) != TARN_OK)
        fail_msg("%s: fails for ever: %s", s->name, again.message);
    return rc;
}

static struct tarn_client *connect_to(const struct stage *s)
{
    struct tarn_config config;
    fake_server_config(s->server, &config);
    config.retries_max = 0;
    config.io_threads = config.connections_max = 1; /* the server has one connection at a time */
    return tarn_client_new(&config, NULL);
}

static void test_calls(void **state)
{
    static const struct {
        const char *name;
        int (*call)(struct stage *s, struct tarn_error *err);
    } calls[] = {
        { "lock", use_lock },
        { "lock taken over", take_over_lock },
        { "value made", create_value },
        { "value changed", change_value },
        { "copy by header", copy_by_header },
        { "copy by parts", copy_by_parts },
        { "copy through here", copy_through_here },
        { "probe", probe },
    };
    (void)state;
    for (size_t i = 0; i < TN_COUNT(calls); i++) {
        struct stage s = { .name = calls[i].name, .call = calls[i].call };
        s.server = fake_server_new_fn(answer_to, &s);
        s.client = connect_to(&s);
        assert_non_null(s.client);
        t_oom_sweep(fail_and_repeat, &s);
        tarn_client_free(s.client);
        fake_server_free(s.server);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
