/* SPDX-License-Identifier: Apache-2.0 */
/* Records of transfers, and ETags that are made of parts. */

#include "unit/t.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/codec.h"
#include "client/resume.h"
#include "client/sink.h"

#define IDENTITY "{\"tarn_resume\":1}"
#define UPLOAD "{\"upload_id\":\"u1\"}\n"
#define HEAD IDENTITY "\n" UPLOAD
#define PART(n)                                                                                    \
    "{\"n\":" n ",\"size\":7,\"algorithm\":\"CRC32\",\"value\":\"AAAAAA==\",\"etag\":\"e\"}"
#define BARE "{\"n\":3,\"size\":7,\"algorithm\":\"\",\"value\":\"\",\"etag\":\"\"}"

static const struct {
    const char *name;
    const char *text;
    bool is_same;
    const char *upload_id;
    size_t count;
} cases[] = {
    { "empty", "", false, "", 0 },
    { "head alone", HEAD, true, "u1", 0 },
    { "two parts", HEAD PART("1") "\n" PART("9") "\n", true, "u1", 2 },
    { "no checksum, no ETag", HEAD BARE "\n", true, "u1", 1 },
    { "cut in the last line", HEAD PART("1") "\n" PART("9"), true, "u1", 1 },
    { "cut in the head", IDENTITY "\n{\"upload_id\":\"u1\"}", false, "", 0 },
    { "identity alone", IDENTITY "\n", false, "", 0 },
    { "another identity", "{\"tarn_resume\":2}\n" UPLOAD PART("1") "\n", false, "u1", 0 },
    { "longer identity", IDENTITY " \n" UPLOAD, false, "u1", 0 },
    { "no upload id line", IDENTITY "\n" PART("1") "\n", false, "", 0 },
    { "part 0", HEAD PART("0") "\n" PART("1") "\n", true, "u1", 0 },
    { "part beyond the last", HEAD PART("11") "\n", true, "u1", 0 },
    { "negative part", HEAD PART("-1") "\n", true, "u1", 0 },
    { "huge part", HEAD PART("99999999999999999999999") "\n", true, "u1", 0 },
    { "no number", HEAD PART("") "\n", true, "u1", 0 },
    { "a part twice", HEAD PART("1") "\n" PART("2") "\n" PART("1") "\n", true, "u1", 2 },
    { "garbage behind", HEAD PART("1") "x\n" PART("2") "\n", true, "u1", 0 },
    { "garbage between", HEAD PART("1") "\nx\n" PART("2") "\n", true, "u1", 1 },
    { "unknown checksum length",
      HEAD "{\"n\":1,\"size\":7,\"algorithm\":\"CRC32\",\"value\":\"AA==\",\"etag\":\"e\"}\n", true,
      "u1", 0 },
};

static void test_parse(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN_COUNT(cases); i++) {
        struct tn_resume_state s;
        int rc = tn_resume_parse(tn_str_from(cases[i].text), TN_STR(IDENTITY), 10, &s);
        assert_int_equal(rc, TARN_OK);
        if (s.is_same != cases[i].is_same || s.count != cases[i].count ||
            strcmp(s.upload_id, cases[i].upload_id) != 0)
            fail_msg("%s: %d \"%s\" %zu", cases[i].name, s.is_same, s.upload_id, s.count);
        tn_resume_state_release(&s);
    }
}

static struct tn_resume_part part_of(uint32_t number)
{
    struct tn_resume_part part = { .number = number, .size = 5 };
    (void)snprintf(part.etag, sizeof part.etag, "etag-%u", number);
    int rc = tn_checksum_parse(TN_CHECKSUM_CRC32, TN_STR("AAAAAA=="), &part.value);
    assert_int_equal(rc, TARN_OK);
    return part;
}

static void test_file(void **state)
{
    char directory[] = "/tmp/tarn-resume-XXXXXX";
    char path[64];
    struct tn_resume_file f;
    struct tn_resume_file other;
    struct tn_resume_state s;
    (void)state;
    assert_non_null(mkdtemp(directory));
    (void)snprintf(path, sizeof path, "%s/r", directory);

    assert_int_equal(tn_resume_open(&f, path, TN_STR(IDENTITY), 10, &s), TARN_OK);
    assert_int_equal(f.fd, -1);
    tn_resume_begin(&f, TN_STR(IDENTITY), "id");
    for (uint32_t n = 1; n <= 3; n++) {
        struct tn_resume_part part = part_of(n);
        tn_resume_add(&f, &part);
    }
    assert_int_equal(tn_resume_open(&other, path, TN_STR(IDENTITY), 10, &s), TARN_OK);
    assert_int_equal(other.fd, -1); /* the first has it */
    tn_resume_begin(&other, TN_STR(IDENTITY), "other");
    assert_int_equal(other.fd, -1);
    tn_resume_end(&other, false);
    tn_resume_end(&f, true);

    assert_int_equal(tn_resume_open(&f, path, TN_STR(IDENTITY), 10, &s), TARN_OK);
    assert_true(s.is_same);
    assert_string_equal(s.upload_id, "id");
    assert_int_equal(s.count, 3);
    assert_string_equal(s.parts[2].etag, "etag-3");
    assert_int_equal(s.parts[2].value.kind, TN_CHECKSUM_CRC32);
    tn_resume_state_release(&s);
    struct tn_resume_part part = part_of(4);
    tn_resume_add(&f, &part);
    tn_resume_end(&f, true);

    assert_int_equal(tn_resume_open(&f, path, TN_STR(IDENTITY), 10, &s), TARN_OK);
    assert_int_equal(s.count, 4);
    tn_resume_state_release(&s);
    assert_int_equal(ftruncate(f.fd, lseek(f.fd, 0, SEEK_END) - 5), 0); /* killed while it wrote */
    tn_resume_end(&f, true);

    assert_int_equal(tn_resume_open(&f, path, TN_STR(IDENTITY), 10, &s), TARN_OK);
    assert_int_equal(s.count, 3);
    tn_resume_state_release(&s);
    part = part_of(5);
    tn_resume_add(&f, &part); /* not behind the torn line, where nothing of it could be read */
    tn_resume_end(&f, true);

    assert_int_equal(tn_resume_open(&f, path, TN_STR(IDENTITY), 10, &s), TARN_OK);
    assert_int_equal(s.count, 4);
    assert_int_equal(s.parts[4].number, 5);
    tn_resume_state_release(&s);
    tn_resume_end(&f, false);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(rmdir(directory), 0);
}

static int parse_once(void *arg)
{
    struct tn_resume_state s;
    (void)arg;
    int rc = tn_resume_parse(TN_STR(HEAD PART("1") "\n"), TN_STR(IDENTITY), 10, &s);
    if (rc == TARN_OK)
        tn_resume_state_release(&s);
    return rc;
}

static void test_oom(void **state)
{
    (void)state;
    t_oom_sweep(parse_once, NULL);
}

/* The ETag that S3 gives to `size` bytes in parts of `part_size`, each byte its own position. */
static void make_etag(uint64_t size, uint64_t part_size, char out[64])
{
    unsigned char bytes[256];
    unsigned char digests[256];
    char hex[2 * TN_MD5_LEN + 1];
    struct tn_hash hash;
    unsigned count = 0;
    assert_int_equal(tn_hash_init(&hash, TN_HASH_MD5), TARN_OK);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)i;
    for (uint64_t at = 0; at < size; at += part_size, count++) {
        tn_hash_update(&hash, bytes + at, size - at < part_size ? size - at : part_size);
        tn_hash_final(&hash, digests + count * TN_MD5_LEN);
    }
    tn_hash_update(&hash, digests, (size_t)count * TN_MD5_LEN);
    tn_hash_final(&hash, digests);
    tn_hash_release(&hash);
    tn_hex_encode(digests, TN_MD5_LEN, hex);
    (void)snprintf(out, 64, "%s-%u", hex, count);
}

static const struct {
    uint64_t size;
    uint64_t made_of;   /* part size of the upload */
    uint64_t part_size; /* the one that was learnt */
    int init_rc;
    int check_rc;
} etags[] = {
    { 100, 10, 10, TARN_OK, TARN_OK }, { 101, 10, 10, TARN_OK, TARN_OK },
    { 99, 10, 10, TARN_OK, TARN_OK },  { 11, 10, 10, TARN_OK, TARN_OK },
    { 100, 99, 99, TARN_OK, TARN_OK }, { 100, 10, 9, TARN_ENOTFOUND, 0 },
    { 100, 10, 0, TARN_ENOTFOUND, 0 }, { 95, 10, 10, TARN_OK, TARN_OK },
    { 98, 10, 11, TARN_ENOTFOUND, 0 }, { 20, 15, 11, TARN_OK, TARN_ECHECKSUM },
};

static void test_etag_of_parts(void **state)
{
    unsigned char bytes[256];
    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)i;
    for (size_t i = 0; i < TN_COUNT(etags); i++) {
        char etag[64];
        make_etag(etags[i].size, etags[i].made_of, etag);
        for (size_t split = 0; split <= etags[i].size; split++) {
            struct tn_verifier v = { 0 };
            struct tn_checksum_value sum;
            assert_true(tn_etag_composite(tn_str_from(etag), &sum));
            int rc = tn_verifier_init_parts(&v, &sum, etags[i].size, etags[i].part_size);
            assert_int_equal(rc, etags[i].init_rc);
            if (rc < 0)
                break;
            tn_verifier_update(&v, bytes, split);
            tn_verifier_update(&v, bytes + split, etags[i].size - split);
            assert_int_equal(tn_verifier_check(&v), etags[i].check_rc);
            tn_verifier_release(&v);
        }
    }
}

static void test_etag_part_count(void **state)
{
    static const struct {
        const char *etag;
        uint32_t count;
    } rows[] = {
        { "d41d8cd98f00b204e9800998ecf8427e-2", 2 },
        { "d41d8cd98f00b204e9800998ecf8427e-1", 0 },
        { "d41d8cd98f00b204e9800998ecf8427e-10000", 10000 },
        { "d41d8cd98f00b204e9800998ecf8427e-10001", 0 },
        { "d41d8cd98f00b204e9800998ecf8427e", 0 },
        { "d41d8cd98f00b204e9800998ecf8427e-", 0 },
        { "d41d8cd98f00b204e9800998ecf8427e-x", 0 },
        { "d41d8cd98f00b204e9800998ecf8427e-0", 0 },
        { "x41d8cd98f00b204e9800998ecf8427e-1", 0 },
        { "", 0 },
        { "-3", 0 },
    };
    (void)state;
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        struct tn_checksum_value sum = { .part_count = 0 };
        assert_int_equal(tn_etag_composite(tn_str_from(rows[i].etag), &sum), rows[i].count > 0);
        assert_int_equal(sum.part_count, rows[i].count);
    }
}

/* What an answer tells of a body that was uploaded as `count` parts, of which this is the first. */
static void tell_composite(enum tn_checksum_kind kind, struct tn_str body, uint32_t count,
                           char text[TN_CHECKSUM_TEXT_LEN])
{
    struct tn_checksum sum;
    struct tn_checksum_parts parts;
    struct tn_checksum_value value;
    assert_int_equal(tn_checksum_init(&sum, kind), TARN_OK);
    tn_checksum_update(&sum, body.data, body.len);
    tn_checksum_final(&sum, &value);
    assert_int_equal(tn_checksum_parts_init(&parts, kind, TN_CHECKSUM_COMPOSITE), TARN_OK);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(tn_checksum_parts_add(&parts, &value, body.len), TARN_OK);
    tn_checksum_parts_final(&parts, &value);
    (void)tn_checksum_text(&value, text);
    tn_checksum_parts_release(&parts);
    tn_checksum_release(&sum);
}

/* The checksum of a single part is that of a body whose parts are not known. */
static void test_composite_of_one(void **state)
{
    static const struct {
        const char *told, *came;
        uint32_t count;
        int rc;
    } rows[] = {
        { "some bytes", "some bytes", 1, TARN_OK },
        { "", "", 1, TARN_OK },
        { "some bytes", "some bytez", 1, TARN_ECHECKSUM },
        { "some bytes", "some byte", 1, TARN_ECHECKSUM },
        { "some bytes", "", 1, TARN_ECHECKSUM },
        { "", "x", 1, TARN_ECHECKSUM },
        { "some bytes", "some bytes", 2, TARN_ENOTFOUND },
    };
    (void)state;
    for (int kind = TN_CHECKSUM_CRC32; kind < TN_CHECKSUM_KIND_COUNT; kind++) {
        for (size_t i = 0; i < TN_COUNT(rows) && kind != TN_CHECKSUM_CRC64NVME; i++) {
            struct tn_verifier v = { 0 };
            char text[TN_CHECKSUM_TEXT_LEN];
            struct tn_str came = tn_str_from(rows[i].came);
            tell_composite((enum tn_checksum_kind)kind, tn_str_from(rows[i].told), rows[i].count,
                           text);
            struct tn_checksum_value told;
            assert_int_equal(
                tn_checksum_parse((enum tn_checksum_kind)kind, tn_str_from(text), &told), TARN_OK);
            assert_int_equal(tn_verifier_init(&v, &told, TN_STR("an etag")), TARN_OK);
            tn_verifier_update(&v, came.data, came.len);
            assert_int_equal(tn_verifier_check(&v), rows[i].rc);
            tn_verifier_release(&v);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_oom),
        cmocka_unit_test(test_etag_of_parts),
        cmocka_unit_test(test_etag_part_count),
        cmocka_unit_test(test_composite_of_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
