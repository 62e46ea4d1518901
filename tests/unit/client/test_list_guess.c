/* SPDX-License-Identifier: Apache-2.0 */
/* Guesses at keys: where they lie among those that come, and where none is made. */

#include "unit/t.h"

#include <stdio.h>

#include <tarn/status.h>

#include "client/list_guess.h"

enum { KEYS_MAX = 4000, KEY_ROOM = 64, SEEN = 64, STEP = 125 };

struct world {
    char keys[KEYS_MAX][KEY_ROOM];
    size_t count;
};

static struct world world;

static int by_bytes(const void *a, const void *b)
{
    return strcmp(a, b);
}

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

typedef void (*name_fn)(char key[KEY_ROOM], unsigned i, uint32_t *seed);

static void name_hex(char key[KEY_ROOM], unsigned i, uint32_t *seed)
{
    (void)i;
    unsigned a = next_random(seed);
    (void)snprintf(key, KEY_ROOM, "%06x%06x", a, next_random(seed));
}

static void name_behind_a_name(char key[KEY_ROOM], unsigned i, uint32_t *seed)
{
    (void)i;
    (void)snprintf(key, KEY_ROOM, "data/%06x.bin", next_random(seed));
}

static void name_in_directory(char key[KEY_ROOM], unsigned i, uint32_t *seed)
{
    (void)seed;
    (void)snprintf(key, KEY_ROOM, "d%06u/f%06u", i / 100, i % 100);
}

static void name_part(char key[KEY_ROOM], unsigned i, uint32_t *seed)
{
    (void)seed;
    (void)snprintf(key, KEY_ROOM, "year=2026/%04u/part-%03u", i / 100, i % 100);
}

static void make(name_fn name)
{
    uint32_t seed = 7;
    world.count = KEYS_MAX;
    for (unsigned i = 0; i < KEYS_MAX; i++)
        name(world.keys[i], i, &seed);
    qsort(world.keys, KEYS_MAX, KEY_ROOM, by_bytes);
}

static size_t rank_of(const char *key)
{
    size_t i = 0;
    while (i < world.count && strcmp(world.keys[i], key) <= 0)
        i++;
    return i;
}

/* Keys at regular distances, up to the one at `end`. */
static void see(size_t end, struct tn_list_seen seen[SEEN])
{
    for (size_t i = 0; i < SEEN; i++) {
        size_t at = end - (SEEN - 1 - i) * (STEP / 5);
        seen[i] = (struct tn_list_seen){ tn_str_from(world.keys[at]), at };
    }
}

static void test_where_they_lie(void **state)
{
    static const struct {
        const char *name;
        name_fn make_name;
        size_t least;
        size_t most;
    } cases[] = {
        { "evenly spread", name_hex, 120, 280 },
        { "behind a name", name_behind_a_name, 120, 280 },
        { "directories with few of all names", name_in_directory, 120, 280 },
        { "days of a year", name_part, 120, 280 },
    };
    (void)state;
    for (size_t i = 0; i < TN_COUNT(cases); i++) {
        struct tn_list_seen seen[SEEN];
        TN_AUTO_BUF out = TN_BUF_INIT(TN_LIST_GUESS_LEN_MAX);
        size_t end = 2000;
        make(cases[i].make_name);
        see(end, seen);
        int rc = tn_list_guess(seen, SEEN, seen[SEEN - 1].key, 200, &out);
        if (rc != TARN_OK)
            fail_msg("%s: %s", cases[i].name, tarn_status_text(rc));
        size_t ahead = rank_of(out.data) - end;
        if (ahead < cases[i].least || ahead > cases[i].most)
            fail_msg("%s: \"%s\" is %zu keys ahead", cases[i].name, out.data, ahead);
    }
}

/* One guess behind the other moves on until none can be made. */
static void test_they_move_on(void **state)
{
    struct tn_list_seen seen[SEEN];
    char from[KEY_ROOM];
    size_t made = 0;
    (void)state;
    make(name_hex);
    see(3000, seen);
    (void)snprintf(from, sizeof from, "%s", world.keys[3000]);
    for (; made < 1000; made++) {
        TN_AUTO_BUF out = TN_BUF_INIT(TN_LIST_GUESS_LEN_MAX);
        int rc = tn_list_guess(seen, SEEN, tn_str_from(from), 100, &out);
        assert_true(rc == TARN_OK || rc == TARN_ENOTFOUND);
        if (rc < 0)
            break;
        assert_true(strcmp(out.data, from) > 0);
        (void)snprintf(from, sizeof from, "%s", out.data);
    }
    assert_in_range(made, 5, 500);
}

static void test_none(void **state)
{
    static const struct {
        const char *name;
        const char *keys[3];
        const char *from;
    } cases[] = {
        { "one key only", { "a", "a", "a" }, "a" },
        { "backwards", { "c", "b", "a" }, "a" },
        { "not in order", { "a", "c", "b" }, "b" },
        { "other scripts", { "\xd0\xb0", "\xd0\xb1", "\xd0\xb2" }, "\xd0\xb2" },
        { "control characters", { "a\x01", "a\x02", "a\x03" }, "a\x03" },
        { "a guess of another script", { "aa", "ab", "ac" }, "a\xd0\xb2" },
        { "at the end", { "9997", "9998", "9999" }, "9999" },
    };
    (void)state;
    for (size_t i = 0; i < TN_COUNT(cases); i++) {
        struct tn_list_seen seen[30];
        TN_AUTO_BUF out = TN_BUF_INIT(TN_LIST_GUESS_LEN_MAX);
        assert_int_equal(tn_buf_append_text(&out, "left"), TARN_OK);
        for (size_t k = 0; k < TN_COUNT(seen); k++)
            seen[k] = (struct tn_list_seen){ tn_str_from(cases[i].keys[k / 10]), k };
        int rc = tn_list_guess(seen, TN_COUNT(seen), tn_str_from(cases[i].from), 1e9, &out);
        if (rc != TARN_ENOTFOUND || strcmp(out.data, "left") != 0)
            fail_msg("%s: %d, \"%s\"", cases[i].name, rc, out.data);
    }
    TN_AUTO_BUF out = TN_BUF_INIT(TN_LIST_GUESS_LEN_MAX);
    assert_int_equal(tn_list_guess(NULL, 0, TN_STR_EMPTY, 1, &out), TARN_ENOTFOUND);
}

/* Any keys in order, any number of them: a guess lies behind, or there is none. */
static void test_any_keys(void **state)
{
    uint32_t seed = 3;
    (void)state;
    for (size_t run = 0; run < 2000; run++) {
        struct tn_list_seen seen[40];
        TN_AUTO_BUF out = TN_BUF_INIT(TN_LIST_GUESS_LEN_MAX);
        unsigned letters = 1 + next_random(&seed) % 60;
        world.count = TN_COUNT(seen);
        for (size_t i = 0; i < world.count; i++) {
            size_t len = next_random(&seed) % 12;
            for (size_t k = 0; k < len; k++)
                world.keys[i][k] = (char)(0x1f + next_random(&seed) % (letters + 1));
            world.keys[i][len] = '\0';
        }
        qsort(world.keys, world.count, KEY_ROOM, by_bytes);
        for (size_t i = 0; i < world.count; i++)
            seen[i] = (struct tn_list_seen){ tn_str_from(world.keys[i]), i };
        struct tn_str from = seen[world.count - 1].key;
        int rc = tn_list_guess(seen, world.count, from, next_random(&seed) % 100, &out);
        if (rc == TARN_OK)
            assert_true(tn_str_cmp(tn_buf_str(&out), from) > 0);
        else
            assert_int_equal(out.len, 0);
    }
}

static int guess_once(void *arg)
{
    TN_AUTO_BUF out = TN_BUF_INIT(TN_LIST_GUESS_LEN_MAX);
    struct tn_list_seen *seen = arg;
    int rc = tn_list_guess(seen, SEEN, seen[SEEN - 1].key, 100, &out);
    if (rc < 0)
        assert_int_equal(out.len, 0);
    return rc;
}

static void test_no_memory(void **state)
{
    struct tn_list_seen seen[SEEN];
    (void)state;
    make(name_hex);
    see(2000, seen);
    t_oom_sweep(guess_once, seen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_where_they_lie), cmocka_unit_test(test_they_move_on),
        cmocka_unit_test(test_none),           cmocka_unit_test(test_any_keys),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
