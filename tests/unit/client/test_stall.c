/* SPDX-License-Identifier: Apache-2.0 */
/* How long a request may be silent, learnt from others. */

#include "unit/t.h"

#include <tarn/tarn.h>

#include "client/op.h"
#include "client/stall.h"

#define MS 1000000u

static void note_many(struct tn_stall *s, enum tn_silence kind, uint64_t ns, int count)
{
    for (int i = 0; i < count; i++)
        tn_stall_note(s, kind, ns);
}

static void test_patience(void **state)
{
    static const struct {
        const char *name;
        enum tn_silence kind;
        uint64_t usual_ns;
        int usual_count;
        uint64_t rare_ns;
        int rare_count;
        int stalls;
        uint64_t min_ns, max_ns;
    } cases[] = {
        { "too little is known", TN_SILENCE_GET, MS, 7, 0, 0, 0, TN_PATIENCE_NONE,
          TN_PATIENCE_NONE },
        { "few are known: four times the usual", TN_SILENCE_PART, 100 * MS, 8, 0, 0, 0, 400 * MS,
          520 * MS },
        { "fast: the floor", TN_SILENCE_GET, MS, 1000, 0, 0, 0, 40 * MS, 40 * MS },
        { "in nanoseconds", TN_SILENCE_GET, 0, 1000, 0, 0, 0, 40 * MS, 40 * MS },
        { "twice the usual", TN_SILENCE_GET, 100 * MS, 1000, 0, 0, 0, 200 * MS, 260 * MS },
        { "one in a thousand does not count", TN_SILENCE_PUT, 100 * MS, 999, 5000 * MS, 1, 0,
          200 * MS, 260 * MS },
        { "one in twenty does", TN_SILENCE_PUT, 100 * MS, 950, 1000 * MS, 50, 0, 2000 * MS,
          2600 * MS },
        { "the second time", TN_SILENCE_PART, 100 * MS, 1000, 0, 0, 1, 800 * MS, 1040 * MS },
        { "in the middle of a body", TN_SILENCE_DOWN, MS, 1000, 0, 0, 0, 300 * MS, 300 * MS },
        { "for hours", TN_SILENCE_LIST, 7200000ull * MS, 1000, 0, 0, 0, 32000ull * MS,
          TN_PATIENCE_NONE - 1 },
    };
    (void)state;
    for (size_t i = 0; i < TN_COUNT(cases); i++) {
        struct tn_stall s;
        tn_stall_init(&s);
        note_many(&s, cases[i].kind, cases[i].rare_ns, cases[i].rare_count);
        note_many(&s, cases[i].kind, cases[i].usual_ns, cases[i].usual_count);
        uint64_t ns = tn_stall_patience_ns(&s, cases[i].kind, cases[i].stalls, 40 * MS);
        if (ns < cases[i].min_ns || ns > cases[i].max_ns)
            fail_msg("%s: %llu ms", cases[i].name, (unsigned long long)ns / MS);
        for (int kind = 0; kind < TN_SILENCE_COUNT; kind++) {
            if (kind != (int)cases[i].kind)
                assert_true(tn_stall_patience_ns(&s, (enum tn_silence)kind, 0, 0) ==
                            TN_PATIENCE_NONE);
        }
    }
}

/* What became slow is waited for in the end, and what became fast is not for ever. */
static void test_what_was_is_forgotten(void **state)
{
    struct tn_stall s;
    (void)state;
    tn_stall_init(&s);
    note_many(&s, TN_SILENCE_GET, 10 * MS, 2000);
    note_many(&s, TN_SILENCE_GET, 400 * MS, 100);
    assert_true(tn_stall_patience_ns(&s, TN_SILENCE_GET, 0, 40 * MS) >= 800 * MS);
    note_many(&s, TN_SILENCE_GET, 10 * MS, 8000);
    assert_true(tn_stall_patience_ns(&s, TN_SILENCE_GET, 0, 40 * MS) == 40 * MS);
}

static void test_price(void **state)
{
    struct tn_stall s;
    int given_up = 0;
    (void)state;
    tn_stall_init(&s);
    while (tn_stall_may_give_up(&s))
        given_up++;
    assert_int_equal(given_up, 16);
    note_many(&s, TN_SILENCE_GET, MS, 49);
    assert_false(tn_stall_may_give_up(&s));
    note_many(&s, TN_SILENCE_GET, MS, 1);
    assert_true(tn_stall_may_give_up(&s));
    assert_false(tn_stall_may_give_up(&s));
}

static void nothing(struct tn_op *op)
{
    (void)op;
}

static void test_what_may_be_repeated(void **state)
{
    static const struct {
        const char *name;
        const char *method;
        bool is_in_job;
        bool is_part;
        const char *header;
        bool may;
    } cases[] = {
        { "get", "GET", false, false, NULL, true },
        { "conditional get", "GET", false, false, "if-match", true },
        { "delete", "DELETE", true, false, NULL, false },
        { "post", "POST", true, false, NULL, false },
        { "put of a job", "PUT", true, false, NULL, true },
        { "put of a program", "PUT", false, false, NULL, false },
        { "part", "PUT", false, true, NULL, true },
        { "conditional put", "PUT", true, false, "If-None-Match", false },
        { "append", "PUT", true, false, "x-amz-write-offset-bytes", false },
        { "copy", "PUT", true, false, "x-amz-copy-source", false },
    };
    struct tarn_config config;
    (void)state;
    tarn_config_init(&config);
    config.endpoint = "http://127.0.0.1:9";
    config.access_key = config.secret_key = "K";
    config.ignore_environment = true;
    struct tarn_client *client = tarn_client_new(&config, NULL);
    assert_non_null(client);
    for (size_t i = 0; i < TN_COUNT(cases); i++) {
        struct tn_op *op = tn_op_new(client, NULL, "test", cases[i].method, "bucket", "key");
        assert_non_null(op);
        if (strcmp(cases[i].method, "PUT") == 0)
            tn_op_bytes(op, "hello", 5, TN_CHECKSUM_NONE);
        op->on_done = cases[i].is_in_job ? nothing : NULL;
        tn_op_query(op, "uploadId", cases[i].is_part ? "u" : NULL);
        if (cases[i].header)
            tn_op_header(op, cases[i].header, "1");
        op->given_count = op->header_count;
        if (tn_op_may_repeat(op) != cases[i].may)
            fail_msg("%s", cases[i].name);
        tn_op_free(op);
    }
    tarn_client_free(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_patience),
        cmocka_unit_test(test_what_was_is_forgotten),
        cmocka_unit_test(test_price),
        cmocka_unit_test(test_what_may_be_repeated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
