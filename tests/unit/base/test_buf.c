/* SPDX-License-Identifier: Apache-2.0 */
/* What owns memory: buffers, arenas, the allocator's door. */

#include "base/arena.h"
#include "base/buf.h"

#include "unit/t.h"

static void test_empty(void **state)
{
    (void)state;
    TN_AUTO_BUF b = TN_BUF_INIT(10);
    assert_string_equal(b.data, "");
    tn_buf_truncate(&b, 0);
    tn_buf_consume(&b, 5);
    assert_int_equal(tn_buf_append(&b, NULL, 0), TARN_OK);
    assert_int_equal(b.cap, 0);
    tn_buf_release(&b);
    tn_buf_release(&b);
    assert_int_equal(b.max, 10);
}

static void test_append(void **state)
{
    (void)state;
    TN_AUTO_BUF b = TN_BUF_INIT(10);
    assert_int_equal(tn_buf_append_text(&b, "abc"), TARN_OK);
    assert_int_equal(tn_buf_append_char(&b, 'd'), TARN_OK);
    assert_int_equal(tn_buf_append_str(&b, TN_STR("ef")), TARN_OK);
    assert_int_equal(tn_buf_appendf(&b, "%d%s", 12, "xy"), TARN_OK);
    assert_string_equal(b.data, "abcdef12xy");
    assert_int_equal(tn_buf_append_char(&b, '!'), TARN_ETOOBIG);
    assert_int_equal(tn_buf_appendf(&b, "%d", 1), TARN_ETOOBIG);
    assert_int_equal(tn_buf_reserve(&b, SIZE_MAX), TARN_ETOOBIG);
    assert_string_equal(b.data, "abcdef12xy");
    tn_buf_consume(&b, 4);
    assert_string_equal(b.data, "ef12xy");
    tn_buf_truncate(&b, 2);
    assert_string_equal(b.data, "ef");
    assert_int_equal(tn_buf_append(&b, "\0z", 2), TARN_OK);
    assert_memory_equal(b.data, "ef\0z", 5);
    tn_buf_consume(&b, SIZE_MAX);
    assert_string_equal(b.data, "");
}

static void test_growth(void **state)
{
    (void)state;
    TN_AUTO_BUF b = TN_BUF_INIT(100000);
    for (size_t i = 0; i < 100000; i++) {
        assert_int_equal(tn_buf_append_char(&b, (char)('a' + i % 26)), TARN_OK);
        assert_int_equal(b.data[b.len], '\0');
    }
    assert_int_equal(tn_buf_append_char(&b, 'a'), TARN_ETOOBIG);
    for (size_t i = 0; i < b.len; i++)
        assert_int_equal(b.data[i], 'a' + i % 26);
}

static void test_swap_and_detach(void **state)
{
    (void)state;
    TN_AUTO_BUF a = TN_BUF_INIT(10);
    TN_AUTO_BUF b = TN_BUF_INIT(20);
    assert_int_equal(tn_buf_append_text(&a, "a"), TARN_OK);
    tn_buf_swap(&a, &b);
    assert_string_equal(a.data, "");
    assert_int_equal(a.max, 20);
    assert_string_equal(b.data, "a");
    char *text = tn_buf_detach(&b);
    assert_string_equal(text, "a");
    tn_free(text);
    assert_string_equal(b.data, "");
    text = tn_buf_detach(&b);
    assert_string_equal(text, "");
    tn_free(text);
}

static int fill_buf(void *arg)
{
    TN_AUTO_BUF b = TN_BUF_INIT(4096);
    (void)arg;
    for (int i = 0; i < 20; i++) {
        size_t len = b.len;
        int rc = tn_buf_appendf(&b, "%050d", i);
        assert_int_equal(b.len, rc == TARN_OK ? len + 50 : len);
        assert_int_equal(b.data[b.len], '\0');
        if (rc < 0)
            return rc;
    }
    char *text = tn_buf_detach(&b);
    tn_free(text);
    return text ? TARN_OK : TARN_ENOMEM;
}

static int fill_arena(void *arg)
{
    struct tn_arena a;
    struct tn_str copy = TN_STR("kept");
    (void)arg;
    tn_arena_init(&a, 1 << 20);
    int rc = tn_arena_str(&a, TN_STR("copy"), &copy);
    assert_str_equal(copy, rc == TARN_OK ? "copy" : "kept");
    if (rc == TARN_OK && (!tn_arena_alloc(&a, 5000) || !tn_arena_printf(&a, "%05000d", 1)))
        rc = TARN_ENOMEM;
    tn_arena_release(&a);
    return rc;
}

static void test_out_of_memory(void **state)
{
    (void)state;
    t_oom_sweep(fill_buf, NULL);
    t_oom_sweep(fill_arena, NULL);
}

static void test_arena(void **state)
{
    (void)state;
    struct tn_arena a;
    tn_arena_init(&a, 100000);
    for (size_t len = 0; len < 200; len++) {
        char *p = tn_arena_alloc(&a, len);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
        memset(p, 0xff, len);
    }
    char *zeroed = tn_arena_zalloc(&a, 100);
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(zeroed[i], 0);
    assert_string_equal(tn_arena_memdup(&a, "abc", 2), "ab");
    assert_string_equal(tn_arena_memdup(&a, NULL, 0), "");
    assert_string_equal(tn_arena_printf(&a, "%d-%s", 1, "x"), "1-x");
    assert_true(a.used <= a.max);
    assert_null(tn_arena_alloc(&a, 100001));
    assert_null(tn_arena_alloc(&a, SIZE_MAX));
    assert_null(tn_arena_alloc(&a, SIZE_MAX - 16));
    assert_null(tn_arena_memdup(&a, "", SIZE_MAX));
    tn_arena_reset(&a);
    assert_true(a.used <= 4096);
    assert_non_null(tn_arena_alloc(&a, 90000));
    tn_arena_release(&a);
    assert_int_equal(a.used, 0);
    tn_arena_release(&a);
}

static void test_arena_limit(void **state)
{
    (void)state;
    struct tn_arena a;
    tn_arena_init(&a, 20000);
    size_t count = 0;
    while (tn_arena_alloc(&a, 1000))
        count++;
    assert_in_range(count, 10, 20);
    assert_true(a.used <= 20000);
    tn_arena_release(&a);
}

static char order[8];

static void note(void *what)
{
    size_t len = strlen(order);
    assert_true(len + 1 < sizeof order);
    order[len] = *(const char *)what;
}

static void test_arena_hooks(void **state)
{
    (void)state;
    struct tn_arena a;
    char one = '1';
    char two = '2';
    char three = '3';
    memset(order, 0, sizeof order);
    tn_arena_init(&a, 10000);
    assert_int_equal(tn_arena_defer(&a, note, &one), TARN_OK);
    assert_int_equal(tn_arena_defer(&a, note, &two), TARN_OK);
    tn_arena_reset(&a);
    assert_string_equal(order, "21");
    tn_arena_release(&a);
    assert_string_equal(order, "21");

    tn_arena_init(&a, 1);
    assert_int_equal(tn_arena_defer(&a, note, &three), TARN_ENOMEM);
    assert_string_equal(order, "213");
    tn_arena_release(&a);
}

static void test_mem(void **state)
{
    (void)state;
    char *p = tn_realloc(NULL, 0);
    assert_non_null(p);
    tn_free(p);
    tn_free(NULL);
    assert_null(tn_strdup(NULL));
    assert_null(tn_memdup("", SIZE_MAX));
    p = tn_strdup("secret");
    assert_string_equal(p, "secret");
    tn_free_secret(p);
    tn_free_secret(NULL);
    p = tn_calloc(4, 4);
    for (size_t i = 0; i < 16; i++)
        assert_int_equal(p[i], 0);
    char *taken = TN_TAKE(p);
    assert_null(p);
    tn_free(taken);
    char wiped[4] = "abc";
    tn_wipe(wiped, sizeof wiped);
    assert_memory_equal(wiped, "\0\0\0\0", 4);
}

static void test_failing_once(void **state)
{
    (void)state;
    tn_mem_fail_after(2);
    void *first = tn_realloc(NULL, 1);
    assert_non_null(first);
    assert_false(tn_mem_has_failed());
    assert_null(tn_calloc(1, 1));
    assert_true(tn_mem_has_failed());
    void *third = tn_realloc(NULL, 1);
    assert_non_null(third);
    tn_free(first);
    tn_free(third);
    tn_mem_fail_after(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),         cmocka_unit_test(test_append),
        cmocka_unit_test(test_growth),        cmocka_unit_test(test_swap_and_detach),
        cmocka_unit_test(test_out_of_memory), cmocka_unit_test(test_arena),
        cmocka_unit_test(test_arena_limit),   cmocka_unit_test(test_arena_hooks),
        cmocka_unit_test(test_mem),           cmocka_unit_test(test_failing_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
