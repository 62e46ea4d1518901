/* SPDX-License-Identifier: Apache-2.0 */
/* Records, index rows and manifests as bytes; the table of heads. */

#include "unit/t.h"

#include "server/store/heads.h"
#include "server/store/record.h"

static const struct record_salt salt = { 0x524e5254, 0x5eed };

static struct record sample(void)
{
    struct record r = {
        .type = RECORD_PUT,
        .kind = PLACE_INLINE,
        .body_len = 100000,
        .size = 100000,
        .mtime_ms = 1760000000123,
        .bucket = 7,
        .attrs = 5,
        .key = TN_STR("some/key"),
        .meta = TN_STR("meta"),
    };
    memset(r.md5, 0xab, sizeof r.md5);
    return r;
}

static unsigned char *encode(const struct record *r, const char *body, size_t *len)
{
    *len = record_front_len(r->key.len, r->meta.len, r->body_len);
    unsigned char *front = tn_realloc(NULL, *len);
    assert_non_null(front);
    record_write_front(r, body, front);
    (void)record_finish(front, *len, &(struct record_link){ salt, 42, 0x1234, 3 });
    return front;
}

static void test_record_round_trip(void **state)
{
    (void)state;
    struct record r = sample();
    struct record back;
    size_t len;
    TN_AUTO_FREE char *body = tn_calloc(1, (size_t)r.body_len);
    TN_AUTO_FREE unsigned char *front = encode(&r, body, &len);
    assert_int_equal(record_read_front(front, len, salt, &back), TARN_OK);
    assert_int_equal(back.seq, 42);
    assert_int_equal(back.prev, 0x1234);
    assert_int_equal(back.batch_index, 3);
    assert_int_equal(back.size, r.size);
    assert_int_equal(back.mtime_ms, r.mtime_ms);
    assert_str_equal(back.key, "some/key");
    assert_str_equal(back.meta, "meta");
    assert_true(record_block_is_valid(back.table, 0, body, RECORD_BLOCK_LEN));
    assert_true(record_block_is_valid(back.table, 1, body, 100000 - RECORD_BLOCK_LEN));
    body[70000] = 1;
    assert_false(
        record_block_is_valid(back.table, 1, body + RECORD_BLOCK_LEN, 100000 - RECORD_BLOCK_LEN));
}

static void test_every_flip_and_cut_of_a_front_is_seen(void **state)
{
    (void)state;
    struct record r = sample();
    struct record back;
    size_t len;
    TN_AUTO_FREE char *body = tn_calloc(1, (size_t)r.body_len);
    TN_AUTO_FREE unsigned char *front = encode(&r, body, &len);
    for (size_t bit = 0; bit < 8 * len; bit++) {
        front[bit / 8] ^= (unsigned char)(1u << bit % 8);
        assert_int_equal(record_read_front(front, len, salt, &back), TARN_ECORRUPT);
        front[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    for (size_t cut = 0; cut < len; cut++)
        assert_int_equal(record_read_front(front, cut, salt, &back), TARN_ECORRUPT);
}

static void test_a_record_of_another_place_is_none(void **state)
{
    static const unsigned char here[RECORD_IDENTITY_LEN] = "this store's ID";
    static const unsigned char there[RECORD_IDENTITY_LEN] = "that store's ID";
    struct record_salt salts[] = { record_salt(here, 8), record_salt(here, 9),
                                   record_salt(there, 9) };
    struct record r = sample();
    struct record back;
    size_t len;
    (void)state;
    TN_AUTO_FREE char *body = tn_calloc(1, (size_t)r.body_len);
    TN_AUTO_FREE unsigned char *front = encode(&r, body, &len);
    for (size_t i = 0; i < TN_COUNT(salts); i++) {
        struct record_link link = { salts[i], 42, 0x1234, 3 };
        (void)record_finish(front, len, &link);
        for (size_t k = 0; k < TN_COUNT(salts); k++) {
            struct record_salt forged = { salts[i].magic, salts[k].crc };
            assert_int_equal(record_read_front(front, len, salts[k], &back),
                             i == k ? TARN_OK : TARN_ECORRUPT);
            assert_int_equal(record_read_front(front, len, forged, &back),
                             i == k ? TARN_OK : TARN_ECORRUPT);
        }
    }
}

static struct store_head sample_head(void)
{
    struct store_head head = { .seq = 1ull << 40,
                               .size = 5ull << 40,
                               .mtime_ms = 1760000000123,
                               .part_count = 10000,
                               .attrs = UINT32_MAX };
    struct place p = { PLACE_BLOB, 0xfffffff, 0x7fffffff, 0x12345678, UINT64_MAX };
    place_pack(&p, head.place);
    memset(head.md5, 0xcd, sizeof head.md5);
    return head;
}

static void test_index_row_round_trip(void **state)
{
    (void)state;
    struct store_head head = sample_head();
    struct store_head back;
    struct tn_str meta;
    unsigned char bytes[HEAD_CODE_MAX + 16];
    size_t len = head_encode(TN_STR("key"), &head, TN_STR("part meta"), bytes);
    struct tn_str value = { (const char *)bytes, len };
    assert_true(len <= HEAD_CODE_MAX + 9);
    assert_int_equal(head_decode(TN_STR("key"), value, &back, &meta), TARN_OK);
    assert_memory_equal(&back, &head, sizeof head);
    assert_str_equal(meta, "part meta");
    assert_int_equal(head_decode(TN_STR("kez"), value, &back, &meta), TARN_ECORRUPT);
    for (size_t bit = 0; bit < 8 * len; bit++) {
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
        assert_int_equal(head_decode(TN_STR("key"), value, &back, &meta), TARN_ECORRUPT);
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    for (size_t cut = 0; cut < len; cut++)
        assert_int_equal(head_decode(TN_STR("key"), tn_str_sub(value, 0, cut), &back, &meta),
                         TARN_ECORRUPT);
}

static void test_manifest(void **state)
{
    (void)state;
    TN_AUTO_BUF b = TN_BUF_INIT(4096);
    struct manifest m;
    struct manifest_part part = { .number = 3, .size = 9, .id = 77, .meta = TN_STR("x") };
    part.place.kind = PLACE_INLINE;
    assert_int_equal(manifest_append(&b, &part), TARN_OK);
    part.number = 4;
    part.meta = TN_STR_EMPTY;
    assert_int_equal(manifest_append(&b, &part), TARN_OK);

    manifest_begin(&m, tn_buf_str(&b));
    assert_int_equal(manifest_next(&m, &part), TARN_OK);
    assert_int_equal(part.number, 3);
    assert_str_equal(part.meta, "x");
    assert_int_equal(manifest_next(&m, &part), TARN_OK);
    assert_int_equal(part.number, 4);
    assert_int_equal(manifest_next(&m, &part), TARN_EEOF);
    manifest_begin(&m, tn_str_sub(tn_buf_str(&b), 0, b.len - 1));
    assert_int_equal(manifest_next(&m, &part), TARN_OK);
    assert_int_equal(manifest_next(&m, &part), TARN_ECORRUPT);
}

/* A reader sees a change when it is published, and the index is asked again once it is clean and
 * gone. */
static void test_heads_follow_a_change(void **state)
{
    (void)state;
    struct heads *h = heads_new(0);
    struct store_head head = { .seq = 5, .size = 1 };
    struct store_head out;
    assert_non_null(h);
    assert_int_equal(heads_find(h, TN_STR("k"), &out, NULL), HEADS_UNKNOWN);
    assert_int_equal(heads_stage(h, TN_STR("k"), &head, 5), TARN_OK);
    assert_int_equal(heads_find(h, TN_STR("k"), &out, NULL), HEADS_UNKNOWN);
    assert_int_equal(heads_find_staged(h, TN_STR("k"), &out), HEADS_FOUND);
    heads_publish(h, TN_STR("k"), 5);
    assert_int_equal(heads_find(h, TN_STR("k"), &out, NULL), HEADS_FOUND);
    assert_int_equal(out.seq, 5);

    assert_int_equal(heads_stage(h, TN_STR("k"), NULL, 6), TARN_OK);
    assert_int_equal(heads_find(h, TN_STR("k"), &out, NULL), HEADS_FOUND);
    assert_int_equal(heads_find_staged(h, TN_STR("k"), &out), HEADS_ABSENT);
    heads_publish(h, TN_STR("k"), 6);
    heads_clean(h, TN_STR("k"),
                5); /* of the older change: the newer is still unknown to the index */
    assert_int_equal(heads_find(h, TN_STR("k"), &out, NULL), HEADS_ABSENT);
    heads_clean(h, TN_STR("k"), 6);
    assert_int_equal(heads_find(h, TN_STR("k"), &out, NULL), HEADS_UNKNOWN);
    heads_free(h);
}

static void test_heads_refuse_a_stale_memory(void **state)
{
    (void)state;
    struct heads *h = heads_new(1 << 20);
    struct store_head old = { .seq = 1 };
    struct store_head now = { .seq = 2 };
    struct store_head out;
    uint64_t ticket;
    assert_non_null(h);
    assert_int_equal(heads_find(h, TN_STR("k"), &out, &ticket), HEADS_UNKNOWN);
    assert_int_equal(heads_stage(h, TN_STR("k"), &now, 2), TARN_OK);
    heads_publish(h, TN_STR("k"), 2);
    heads_clean(h, TN_STR("k"), 2);
    heads_remember(h, TN_STR("k"), &old, ticket); /* read from the index before 2 was published */
    assert_int_equal(heads_find(h, TN_STR("k"), &out, &ticket), HEADS_FOUND);
    assert_int_equal(out.seq, 2);
    heads_free(h);
}

static void test_heads_stay_small(void **state)
{
    (void)state;
    struct heads *h = heads_new(64 * 1024);
    struct store_head head = { .seq = 1 };
    struct store_head out;
    assert_non_null(h);
    size_t found = 0;
    for (int round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 20000; i++) {
            char key[16];
            uint64_t ticket;
            (void)snprintf(key, sizeof key, "%u", i);
            bool is_there = heads_find(h, tn_str_from(key), &out, &ticket) == HEADS_FOUND;
            found += round == 1 && is_there;
            if (round == 0)
                heads_remember(h, tn_str_from(key), &head, ticket);
        }
    }
    assert_true(found > 10);
    assert_true(found < 500);
    heads_free(h);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_record_round_trip),
        cmocka_unit_test(test_every_flip_and_cut_of_a_front_is_seen),
        cmocka_unit_test(test_a_record_of_another_place_is_none),
        cmocka_unit_test(test_index_row_round_trip),
        cmocka_unit_test(test_manifest),
        cmocka_unit_test(test_heads_follow_a_change),
        cmocka_unit_test(test_heads_refuse_a_stale_memory),
        cmocka_unit_test(test_heads_stay_small),
    };
    return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
