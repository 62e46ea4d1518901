/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of coordination that need no network: records of locks, lists of writers, serializers.
 */

#include <jansson.h>

#include "coord/lock_impl.h"
#include "coord/lock_record.h"
#include "coord/lock_registry.h"
#include "coord/store_writers.h"
#include "unit/t.h"

#define HELD(members)                                                                              \
    "{\"v\":1,\"state\":\"held\",\"owner\":{\"nonce\":\"abc\"},\"token\":5,\"seq\":2," members "}"

static const struct {
    const char *name;
    const char *body;
    enum tarn_lock_state state;
    int64_t ttl_ms;
} records[] = {
    { "held", HELD("\"ttl_ms\":30000"), TARN_LOCK_HELD, 30000 },
    { "ttl of nothing would be stale at once", HELD("\"ttl_ms\":0"), TARN_LOCK_HELD, 1000 },
    { "ttl of ages would never be", HELD("\"ttl_ms\":999999999999"), TARN_LOCK_HELD, 86400000 },
    { "negative ttl", HELD("\"ttl_ms\":-1"), TARN_LOCK_FOREIGN, 0 },
    { "ttl as text", HELD("\"ttl_ms\":\"1\""), TARN_LOCK_FOREIGN, 0 },
    { "no ttl", HELD("\"x\":1"), TARN_LOCK_FOREIGN, 0 },
    { "a member twice", HELD("\"ttl_ms\":1,\"ttl_ms\":2"), TARN_LOCK_FOREIGN, 0 },
    { "empty", "", TARN_LOCK_FOREIGN, 0 },
    { "no JSON", "{", TARN_LOCK_FOREIGN, 0 },
    { "an array", "[]", TARN_LOCK_FOREIGN, 0 },
    { "null", "null", TARN_LOCK_FOREIGN, 0 },
    { "another version",
      "{\"v\":2,\"state\":\"held\",\"owner\":{\"nonce\":\"a\"},\"token\":1,"
      "\"seq\":1,\"ttl_ms\":1000}",
      TARN_LOCK_FOREIGN, 0 },
    { "another state",
      "{\"v\":1,\"state\":\"lent\",\"owner\":{\"nonce\":\"a\"},\"token\":1,"
      "\"seq\":1,\"ttl_ms\":1000}",
      TARN_LOCK_FOREIGN, 0 },
    { "no owner", "{\"v\":1,\"state\":\"held\",\"token\":1,\"seq\":1,\"ttl_ms\":1000}",
      TARN_LOCK_FOREIGN, 0 },
    { "negative token",
      "{\"v\":1,\"state\":\"held\",\"owner\":{\"nonce\":\"a\"},\"token\":-1,"
      "\"seq\":1,\"ttl_ms\":1000}",
      TARN_LOCK_FOREIGN, 0 },
    { "token past 63 bits",
      "{\"v\":1,\"state\":\"held\",\"owner\":{\"nonce\":\"a\"},"
      "\"token\":99999999999999999999,\"seq\":1,\"ttl_ms\":1000}",
      TARN_LOCK_FOREIGN, 0 },
    { "no token could follow",
      "{\"v\":1,\"state\":\"held\",\"owner\":{\"nonce\":\"a\"},"
      "\"token\":9223372036854775807,\"seq\":1,\"ttl_ms\":1000}",
      TARN_LOCK_FOREIGN, 0 },
    { "no number of a write could follow",
      "{\"v\":1,\"state\":\"held\",\"owner\":{\"nonce\":\"a\"},"
      "\"token\":1,\"seq\":9223372036854775807,\"ttl_ms\":1000}",
      TARN_LOCK_FOREIGN, 0 },
    { "a UUID", "11111111-2222-3333-4444-555555555555", TARN_LOCK_FOREIGN, 0 },
};

static void test_records(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN_COUNT(records); i++) {
        struct tarn_object_info answer = { .etag = "e1", .last_modified_ms = -1 };
        struct tn_lock_record record;
        assert_int_equal(
            tn_lock_record_read(records[i].body, strlen(records[i].body), &answer, &record),
            TARN_OK);
        if (record.info.state != records[i].state)
            fail_msg("%s", records[i].name);
        if (records[i].state != TARN_LOCK_FOREIGN)
            assert_int_equal(record.info.ttl_ms, records[i].ttl_ms);
        assert_false(record.is_uuid); /* without Expires none may be taken */
        assert_string_equal(record.info.etag, "e1");
    }
}

static void test_uuid_records(void **state)
{
    static const char uuid[] = "11111111-2222-3333-4444-55555555abCD";
    struct tarn_object_info answer = { .etag = "e",
                                       .expires = "Fri, 20 Nov 2026 01:02:33 GMT",
                                       .last_modified_ms = 1795136523000 };
    struct tn_lock_record record;
    (void)state;
    assert_int_equal(tn_lock_record_read(uuid, 36, &answer, &record), TARN_OK);
    assert_true(record.is_uuid);
    assert_int_equal(record.uuid_ttl_ms, 30000);
    assert_int_equal(tn_lock_record_read(uuid, 35, &answer, &record), TARN_OK);
    assert_false(record.is_uuid);
    answer.expires = "Fri, 31 Feb 2026 01:02:33 GMT";
    assert_int_equal(tn_lock_record_read(uuid, 36, &answer, &record), TARN_OK);
    assert_false(record.is_uuid);
}

static void test_http_dates(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } cases[] = {
        { "Fri, 20 Nov 2026 01:02:33 GMT", 1795136553000 },
        { "Thu, 01 Jan 1970 00:00:00 GMT", 0 },
        { "Fri, 20 anF 2026 01:02:33 GMT", -1 }, /* letters of two months */
        { "Fri, 20 Nov 2026 25:02:33 GMT", -1 },
        { "2026-11-20T01:02:33Z", -1 },
        { "", -1 },
        { NULL, -1 },
    };
    (void)state;
    for (size_t i = 0; i < TN_COUNT(cases); i++)
        assert_int_equal(tn_http_date_ms(cases[i].text), cases[i].ms);
}

static void test_record_round(void **state)
{
    struct tarn_lock_info info = { .state = TARN_LOCK_HELD,
                                   .token = 41,
                                   .seq = 7,
                                   .ttl_ms = 5000,
                                   .pid = 99,
                                   .acquired_at_ms = 1000,
                                   .renewed_at_ms = 2000,
                                   .host = "a \"host\"",
                                   .owner = "\xff is no text",
                                   .nonce = "0123" };
    struct tarn_object_info answer = { .last_modified_ms = -1 };
    struct tn_lock_record record;
    TN_AUTO_BUF body = TN_BUF_INIT(TN_LOCK_RECORD_MAX);
    (void)state;
    assert_int_equal(tn_lock_record_write(&info, "0123456789ab cdef01234567", &body), TARN_OK);
    assert_int_equal(tn_lock_record_read(body.data, body.len, &answer, &record), TARN_OK);
    assert_int_equal(record.info.state, TARN_LOCK_HELD);
    assert_int_equal(record.info.token, 41);
    assert_int_equal(record.info.seq, 7);
    assert_int_equal(record.info.pid, 99);
    assert_int_equal(record.info.renewed_at_ms, 2000);
    assert_string_equal(record.info.host, "a \"host\"");
    assert_string_equal(record.info.owner, "");
    assert_string_equal(record.info.nonce, "0123");
    assert_string_equal(record.given_back, "0123456789ab cdef01234567");
}

static void test_given_back(void **state)
{
    static const char *const bad[] = { "1", "[]", "\"0123 xyz\"", "\"\\u00e9\"", "null" };
    struct tarn_object_info answer = { .last_modified_ms = -1 };
    struct tn_lock_record record;
    char list[TN_LOCK_GIVEN_BACK_LEN] = "", next[TN_LOCK_GIVEN_BACK_LEN];
    (void)state;
    assert_false(tn_lock_given_back_has("", "00000000000000000000000000000007"));
    for (unsigned i = 0; i < 100; i++) {
        char nonce[TARN_LOCK_NONCE_LEN];
        (void)snprintf(nonce, sizeof nonce, "%012x%020x", i, 7);
        assert_false(tn_lock_given_back_has(list, nonce));
        tn_lock_given_back_add(list, nonce, next);
        memcpy(list, next, sizeof list);
        assert_true(tn_lock_given_back_has(list, nonce));
    }
    assert_true(tn_lock_given_back_has(list, "000000000044")); /* 68: the last 32 */
    assert_false(tn_lock_given_back_has(list, "000000000043"));
    assert_int_equal(strlen(list), TN_LOCK_GIVEN_BACK_LEN - 1);
    for (size_t i = 0; i < TN_COUNT(bad); i++) {
        char body[256];
        (void)snprintf(body, sizeof body,
                       "{\"v\":1,\"state\":\"held\",\"token\":1,\"seq\":1,\"ttl_ms\":5000,"
                       "\"owner\":{\"nonce\":\"0\"},\"given_back\":%s}",
                       bad[i]);
        assert_int_equal(tn_lock_record_read(body, strlen(body), &answer, &record), TARN_OK);
        assert_int_equal(record.info.state, TARN_LOCK_HELD);
        assert_string_equal(record.given_back, "");
    }
}

static void test_keys(void **state)
{
    char *key = NULL;
    char name[1100];
    (void)state;
    assert_int_equal(tn_lock_key("a/b", &key, NULL), TARN_OK);
    assert_string_equal(key, "a/b.lock");
    tn_free(TN_TAKE(key));
    assert_int_equal(tn_lock_key("x.lock", &key, NULL), TARN_OK);
    assert_string_equal(key, "x.lock");
    tn_free(TN_TAKE(key));
    memset(name, 'n', sizeof name);
    name[1019] = '\0';
    assert_int_equal(tn_lock_key(name, &key, NULL), TARN_OK);
    tn_free(TN_TAKE(key));
    name[1019] = 'n';
    name[1020] = '\0';
    assert_int_equal(tn_lock_key(name, &key, NULL), TARN_EINVAL);
    assert_int_equal(tn_lock_key("", &key, NULL), TARN_EINVAL);
    assert_int_equal(tn_lock_key("\xc3", &key, NULL), TARN_EINVAL);
    assert_null(key);
}

/* ---- claims ---- */

static void test_claims(void **state)
{
    struct tn_lock_claim *a = NULL, *b = NULL, *c = NULL;
    (void)state;
    assert_int_equal(tn_lock_claim_take("http://h", "b", "k", &a), TARN_OK);
    assert_int_equal(tn_lock_claim_take("http://h", "b", "k", &b), TARN_EEXISTS);
    assert_int_equal(tn_lock_claim_take("http://h", "bk", "", &b), TARN_OK); /* no mere joining */
    assert_int_equal(tn_lock_claim_take("http://i", "b", "k", &c), TARN_OK);
    tn_lock_claim_give(a);
    assert_int_equal(tn_lock_claim_take("http://h", "b", "k", &a), TARN_OK);
    tn_lock_claim_give(a);
    tn_lock_claim_give(b);
    tn_lock_claim_give(c);
    tn_lock_claim_give(NULL);
}

static void test_seen(void **state)
{
    (void)state;
    assert_int_equal(tn_lock_seen_since("e", "b", "k", "1", 100), 100);
    assert_int_equal(tn_lock_seen_since("e", "b", "k", "1", 200), 100);
    assert_int_equal(tn_lock_seen_since("e", "b", "other", "1", 210), 210);
    assert_int_equal(tn_lock_seen_since("e", "b", "k", "2", 300), 300);
    assert_int_equal(tn_lock_seen_since("e", "b", "k", "1", 400), 400);
}

/* ---- writers ---- */

static void test_writers(void **state)
{
    char list[TARN_STORE_WRITERS_LEN_MAX], next[TARN_STORE_WRITERS_LEN_MAX];
    bool is_latest;
    (void)state;
    tn_writers_add(NULL, "aaaaaaaaaaaa", 1, list);
    assert_string_equal(list, "aaaaaaaaaaaa=1");
    tn_writers_add(list, "bbbbbbbbbbbb", 9, next);
    assert_string_equal(next, "bbbbbbbbbbbb=9,aaaaaaaaaaaa=1");
    tn_writers_add(next, "aaaaaaaaaaaa", 2, list);
    assert_string_equal(list, "aaaaaaaaaaaa=2,bbbbbbbbbbbb=9");
    assert_int_equal(tn_writers_find(list, "bbbbbbbbbbbb", &is_latest), 9);
    assert_false(is_latest);
    assert_int_equal(tn_writers_find(list, "aaaaaaaaaaaa", &is_latest), 2);
    assert_true(is_latest);
    assert_int_equal(tn_writers_find(list, "cccccccccccc", &is_latest), 0);
    assert_int_equal(tn_writers_find("", "aaaaaaaaaaaa", &is_latest), 0);
    tn_writers_add("junk,=,aaaaaaaaaaaa=x,bbbbbbbbbbbb=0,cccccccccccc=3,,", "dddddddddddd", 1,
                   list);
    assert_string_equal(list, "dddddddddddd=1,cccccccccccc=3");
}

/* The latest stay, whatever the numbers; the list never outgrows S3's room for metadata. */
static void test_many_writers(void **state)
{
    char list[TARN_STORE_WRITERS_LEN_MAX] = "", next[TARN_STORE_WRITERS_LEN_MAX];
    bool is_latest;
    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "%012u", i);
        tn_writers_add(list, id, UINT64_MAX - i, next);
        memcpy(list, next, sizeof list);
        assert_int_equal(tn_writers_find(list, id, &is_latest), UINT64_MAX - i);
    }
    assert_int_equal(tn_writers_find(list, "000000000980", &is_latest), UINT64_MAX - 980);
    assert_int_equal(tn_writers_find(list, "000000000900", &is_latest), 0);
}

/* ---- serializers ---- */

static void test_serializers(void **state)
{
    static const char *const bad[] = { "", "{", "{\"a\":1,\"a\":2}", "nul", "\xff" };
    const struct tarn_serializer *json = tarn_serializer_json();
    const struct tarn_serializer *bytes = tarn_serializer_bytes();
    struct tarn_error err = { 0 };
    void *value = NULL;
    char *text = NULL;
    size_t len;
    (void)state;
    for (size_t i = 0; i < TN_COUNT(bad); i++)
        assert_int_equal(json->decode(NULL, bad[i], strlen(bad[i]), &value, &err), TARN_ECORRUPT);
    assert_int_equal(json->decode(NULL, "{\"b\":[1,2],\"a\":null}", 20, &value, &err), TARN_OK);
    assert_int_equal(json->encode(NULL, value, &text, &len, &err), TARN_OK);
    assert_string_equal(text, "{\"a\":null,\"b\":[1,2]}");
    json->free_bytes(NULL, text);
    json->free_value(NULL, value);

    assert_int_equal(bytes->decode(NULL, "a\0b", 3, &value, &err), TARN_OK);
    assert_int_equal(((struct tarn_bytes *)value)->len, 3);
    assert_int_equal(bytes->encode(NULL, value, &text, &len, &err), TARN_OK);
    assert_int_equal(len, 3);
    assert_memory_equal(text, "a\0b", 3);
    bytes->free_bytes(NULL, text);
    bytes->free_value(NULL, value);

    value = tarn_bytes_new(NULL, 0);
    assert_non_null(value);
    assert_string_equal(((struct tarn_bytes *)value)->data, "");
    bytes->free_value(NULL, value);
}

static int make_bytes(void *arg)
{
    (void)arg;
    struct tarn_bytes *made = tarn_bytes_new("abc", 3);
    if (made)
        assert_string_equal(made->data, "abc");
    tarn_serializer_bytes()->free_value(NULL, made);
    return made ? TARN_OK : TARN_ENOMEM;
}

static void test_bytes_without_memory(void **state)
{
    (void)state;
    t_oom_sweep(make_bytes, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_records),     cmocka_unit_test(test_uuid_records),
        cmocka_unit_test(test_http_dates),  cmocka_unit_test(test_record_round),
        cmocka_unit_test(test_given_back),  cmocka_unit_test(test_keys),
        cmocka_unit_test(test_claims),      cmocka_unit_test(test_seen),
        cmocka_unit_test(test_writers),     cmocka_unit_test(test_many_writers),
        cmocka_unit_test(test_serializers), cmocka_unit_test(test_bytes_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
