/* SPDX-License-Identifier: Apache-2.0 */
/* What conditional and partial requests carry: ranges, entity tags, dates, preconditions. */

#include "proto/etag.h"
#include "proto/http_date.h"
#include "proto/precond.h"
#include "proto/range.h"

#include "unit/t.h"

static const struct {
    const char *name;
    const char *header;
    uint64_t size;
    enum tn_range_kind kind;
    uint64_t first;
    uint64_t len;
} ranges[] = {
    { "both", "bytes=0-9", 100, TN_RANGE_PART, 0, 10 },
    { "one byte", "bytes=5-5", 100, TN_RANGE_PART, 5, 1 },
    { "last byte", "bytes=99-99", 100, TN_RANGE_PART, 99, 1 },
    { "open end", "bytes=90-", 100, TN_RANGE_PART, 90, 10 },
    { "everything", "bytes=0-", 100, TN_RANGE_PART, 0, 100 },
    { "past the end", "bytes=90-1000", 100, TN_RANGE_PART, 90, 10 },
    { "far past the end", "bytes=90-99999999999999999999999", 100, TN_RANGE_PART, 90, 10 },
    { "suffix", "bytes=-10", 100, TN_RANGE_PART, 90, 10 },
    { "long suffix", "bytes=-1000", 100, TN_RANGE_PART, 0, 100 },
    { "huge suffix", "bytes=-99999999999999999999999", 100, TN_RANGE_PART, 0, 100 },
    { "blanks", " Bytes = 0-9 ", 100, TN_RANGE_PART, 0, 10 },
    { "begins at the end", "bytes=100-", 100, TN_RANGE_UNSATISFIABLE, 0, 0 },
    { "begins behind", "bytes=100-200", 100, TN_RANGE_UNSATISFIABLE, 0, 0 },
    { "begins far behind", "bytes=99999999999999999999999-", 100, TN_RANGE_UNSATISFIABLE, 0, 0 },
    { "empty suffix", "bytes=-0", 100, TN_RANGE_UNSATISFIABLE, 0, 0 },
    { "of nothing", "bytes=0-", 0, TN_RANGE_UNSATISFIABLE, 0, 0 },
    { "of nothing, both", "bytes=0-0", 0, TN_RANGE_UNSATISFIABLE, 0, 0 },
    { "suffix of nothing", "bytes=-1", 0, TN_RANGE_UNSATISFIABLE, 0, 0 },
    { "absent", "", 100, TN_RANGE_WHOLE, 0, 100 },
    { "backwards", "bytes=9-0", 100, TN_RANGE_WHOLE, 0, 100 },
    { "several", "bytes=0-1,3-4", 100, TN_RANGE_WHOLE, 0, 100 },
    { "other unit", "lines=0-9", 100, TN_RANGE_WHOLE, 0, 100 },
    { "no unit", "0-9", 100, TN_RANGE_WHOLE, 0, 100 },
    { "no equals sign", "bytes 0-9", 100, TN_RANGE_WHOLE, 0, 100 },
    { "no dash", "bytes=5", 100, TN_RANGE_WHOLE, 0, 100 },
    { "only a dash", "bytes=-", 100, TN_RANGE_WHOLE, 0, 100 },
    { "no range", "bytes=", 100, TN_RANGE_WHOLE, 0, 100 },
    { "two dashes", "bytes=1-2-3", 100, TN_RANGE_WHOLE, 0, 100 },
    { "negative", "bytes=--5", 100, TN_RANGE_WHOLE, 0, 100 },
    { "letters", "bytes=a-b", 100, TN_RANGE_WHOLE, 0, 100 },
    { "letter behind", "bytes=0-9x", 100, TN_RANGE_WHOLE, 0, 100 },
    { "blank inside", "bytes=0 - 9", 100, TN_RANGE_WHOLE, 0, 100 },
    { "hexadecimal", "bytes=0x0-0x9", 100, TN_RANGE_WHOLE, 0, 100 },
    { "largest", "bytes=0-18446744073709551615", UINT64_MAX, TN_RANGE_PART, 0, UINT64_MAX },
};

static void test_ranges(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN_COUNT(ranges); i++) {
        struct tn_range r = { 42, 43 };
        enum tn_range_kind kind =
            tn_range_resolve(tn_str_from(ranges[i].header), ranges[i].size, &r);
        if (kind != ranges[i].kind)
            fail_msg("%s: %d", ranges[i].name, (int)kind);
        bool is_set = kind != TN_RANGE_UNSATISFIABLE;
        assert_int_equal(r.first, is_set ? ranges[i].first : 42);
        assert_int_equal(r.len, is_set ? ranges[i].len : 43);
    }
}

static const struct {
    const char *text;
    int rc;
    uint64_t first;
    uint64_t len;
} copy_ranges[] = {
    { "bytes=0-99", TARN_OK, 0, 100 },
    { "bytes=99-99", TARN_OK, 99, 1 },
    { "bytes=0-100", TARN_ERANGE, 0, 0 },
    { "bytes=100-100", TARN_ERANGE, 0, 0 },
    { "bytes=0-18446744073709551615", TARN_ERANGE, 0, 0 },
    { "bytes=0-18446744073709551616", TARN_EINVAL, 0, 0 },
    { "bytes=0-", TARN_EINVAL, 0, 0 },
    { "bytes=-5", TARN_EINVAL, 0, 0 },
    { "bytes=5-4", TARN_EINVAL, 0, 0 },
    { "bytes=0-1,2-3", TARN_EINVAL, 0, 0 },
    { "bytes= 0-1", TARN_EINVAL, 0, 0 },
    { "Bytes=0-1", TARN_EINVAL, 0, 0 },
    { "0-1", TARN_EINVAL, 0, 0 },
    { "", TARN_EINVAL, 0, 0 },
};

static void test_copy_ranges(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN_COUNT(copy_ranges); i++) {
        struct tn_range r = { 0 };
        assert_int_equal(tn_range_parse_copy(tn_str_from(copy_ranges[i].text), 100, &r),
                         copy_ranges[i].rc);
        assert_int_equal(r.first, copy_ranges[i].first);
        assert_int_equal(r.len, copy_ranges[i].len);
    }
}

static const struct {
    const char *text;
    int rc;
    struct tn_content_range expected;
} content_ranges[] = {
    { "bytes 0-9/100", TARN_OK, { true, { 0, 10 }, true, 100 } },
    { "bytes 90-99/100", TARN_OK, { true, { 90, 10 }, true, 100 } },
    { "bytes 0-9/*", TARN_OK, { true, { 0, 10 }, false, 0 } },
    { "bytes */100", TARN_OK, { false, { 0, 0 }, true, 100 } },
    { "bytes */*", TARN_EINVAL, { 0 } },
    { "bytes 0-9", TARN_EINVAL, { 0 } },
    { "bytes 0-9/", TARN_EINVAL, { 0 } },
    { "bytes 0-9/9", TARN_EINVAL, { 0 } },
    { "bytes 9-0/100", TARN_EINVAL, { 0 } },
    { "bytes -9/100", TARN_EINVAL, { 0 } },
    { "bytes 0-/100", TARN_EINVAL, { 0 } },
    { "bytes 0-18446744073709551615/*", TARN_EINVAL, { 0 } },
    { "bytes=0-9/100", TARN_EINVAL, { 0 } },
    { "items 0-9/100", TARN_EINVAL, { 0 } },
    { "", TARN_EINVAL, { 0 } },
};

static void test_content_ranges(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN_COUNT(content_ranges); i++) {
        struct tn_content_range r = { 0 };
        const struct tn_content_range *e = &content_ranges[i].expected;
        assert_int_equal(tn_content_range_parse(tn_str_from(content_ranges[i].text), &r),
                         content_ranges[i].rc);
        assert_int_equal(r.has_range, e->has_range);
        assert_int_equal(r.range.first, e->range.first);
        assert_int_equal(r.range.len, e->range.len);
        assert_int_equal(r.has_size, e->has_size);
        assert_int_equal(r.size, e->has_size ? e->size : 0);
    }
    char text[TN_CONTENT_RANGE_LEN];
    tn_content_range_format((struct tn_range){ 90, 10 }, 100, text);
    assert_string_equal(text, "bytes 90-99/100");
    tn_content_range_format((struct tn_range){ 0, UINT64_MAX }, UINT64_MAX, text);
    assert_string_equal(text, "bytes 0-18446744073709551614/18446744073709551615");
    tn_content_range_format_none(0, text);
    assert_string_equal(text, "bytes */0");
}

static const struct {
    const char *text;
    int rc;
    const char *tag;
    bool is_weak;
} etags[] = {
    { "\"abc\"", TARN_OK, "abc", false },
    { " \"abc-2\"\t", TARN_OK, "abc-2", false },
    { "W/\"abc\"", TARN_OK, "abc", true },
    { "abc", TARN_OK, "abc", false },
    { "\"\"", TARN_OK, "", false },
    { "\"a,b\"", TARN_OK, "a,b", false },
    { "\"\xc3\xa4\"", TARN_OK, "\xc3\xa4", false },
    { "", TARN_EINVAL, "", false },
    { "\"", TARN_EINVAL, "", false },
    { "\"abc", TARN_EINVAL, "", false },
    { "abc\"", TARN_EINVAL, "", false },
    { "\"a\"b", TARN_EINVAL, "", false },
    { "\"a b\"", TARN_EINVAL, "", false },
    { "a b", TARN_EINVAL, "", false },
    { "a,b", TARN_EINVAL, "", false },
    { "\"a\", \"b\"", TARN_EINVAL, "", false },
    { "\"a\x01\"", TARN_EINVAL, "", false },
};

static void test_etags(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN_COUNT(etags); i++) {
        struct tn_etag tag = { .text = TN_STR_EMPTY };
        if (tn_etag_parse(tn_str_from(etags[i].text), &tag) != etags[i].rc)
            fail_msg("%s", etags[i].text);
        assert_str_equal(tag.text, etags[i].tag);
        assert_int_equal(tag.is_weak, etags[i].is_weak);
    }
}

static const struct {
    const char *list;
    const char *tag;
    bool is_weak_ok;
    bool has;
} lists[] = {
    { "*", "x", false, true },
    { " * ", "x", false, true },
    { "\"a\"", "a", false, true },
    { "a", "a", false, true },
    { "\"a\", \"b\"", "b", false, true },
    { ",, \"a\" ,b ,", "b", false, true },
    { "W/\"a\"", "a", true, true },
    { "W/\"a\"", "a", false, false },
    { "\"a\"", "A", false, false },
    { "\"a\"", "ab", false, false },
    { "\"a\", *", "b", false, false },
    { "\"a\" \"b\"", "b", false, false },
    { "\"a, \"b\"", "b", false, false },
    { "", "", false, false },
    { "\"\"", "", false, true },
};

static void test_etag_lists(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN_COUNT(lists); i++) {
        if (tn_etag_list_has(tn_str_from(lists[i].list), tn_str_from(lists[i].tag),
                             lists[i].is_weak_ok) != lists[i].has)
            fail_msg("%s has %s", lists[i].list, lists[i].tag);
    }
}

enum { NOW = 1763683200 }; /* 2025-11-21 */

static const struct {
    const char *text;
    int64_t expected; /* -1: refused */
} dates[] = {
    { "Sun, 06 Nov 1994 08:49:37 GMT", 784111777 },
    { "Sunday, 06-Nov-94 08:49:37 GMT", 784111777 },
    { "Sun Nov  6 08:49:37 1994", 784111777 },
    { "Wed Nov 16 08:49:37 1994", 784975777 },
    { "1994-11-06T08:49:37Z", 784111777 },
    { "1994-11-06T08:49:37.999Z", 784111777 },
    { "1994-11-06T09:49:37+01:00", 784111777 },
    { "19941106T084937Z", 784111777 },
    { "Mon, 06 Nov 1994 08:49:37 GMT", 784111777 },
    { "Thu, 01 Jan 1970 00:00:00 GMT", 0 },
    { "Fri, 31 Dec 9999 23:59:59 GMT", 253402300799 },
    { "Sat, 31 Dec 2016 23:59:60 GMT", 1483228799 },
    { "Tuesday, 29-Feb-72 00:00:00 GMT", 3223929600 },
    { "Saturday, 01-Jan-77 00:00:00 GMT", 220924800 },
    { "", -1 },
    { "Sun", -1 },
    { "Sun, 6 Nov 1994 08:49:37 GMT", -1 },
    { "Sun, 06 Nov 1994 08:49:37", -1 },
    { "Sun, 06 Nov 1994 08:49:37 UTC", -1 },
    { "Sun, 06 Nov 1994 08:49:37 GMT ", -1 },
    { "Sun, 06 Nov 1994 08:49:37 GMTx", -1 },
    { "sun, 06 nov 1994 08:49:37 gmt", -1 },
    { "Sun, 06 Nov 94 08:49:37 GMT", -1 },
    { "Sun, 06 Nov 0094 08:49:37 GMT", -1 },
    { "Sun, 31 Feb 1994 08:49:37 GMT", -1 },
    { "Sun, 29 Feb 2023 08:49:37 GMT", -1 },
    { "Sun, 00 Nov 1994 08:49:37 GMT", -1 },
    { "Sun, 06 Nov 1994 24:00:00 GMT", -1 },
    { "Sun, 06 Nov 1994 08:60:00 GMT", -1 },
    { "Sun, 06 Nov 1994 08:49:61 GMT", -1 },
    { "Wed, 31 Dec 1969 23:59:59 GMT", -1 },
    { "Sun, 06 Foo 1994 08:49:37 GMT", -1 },
    { "Foo, 06 Nov 1994 08:49:37 GMT", -1 },
    { "Sun, -6 Nov 1994 08:49:37 GMT", -1 },
    { "Sun Nov 6 08:49:37 1994", -1 },
    { "Sun Nov    6 08:49:37 1994", -1 },
    { "1994-11-06", -1 },
    { "1994-11-06 08:49:37Z", -1 },
    { "784111777", -1 },
};

static void test_dates(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN_COUNT(dates); i++) {
        int64_t seconds = -1;
        int rc = tn_http_date_parse(tn_str_from(dates[i].text), NOW, &seconds);
        if (seconds != dates[i].expected)
            fail_msg("%s: %lld", dates[i].text, (long long)seconds);
        assert_int_equal(rc, seconds < 0 ? TARN_EINVAL : TARN_OK);
    }
}

static void test_mail_dates(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_fine;
    } rows[] = {
        { "Sun, 06 Nov 1994 08:49:37 +0000", true },
        { "Sun, 06 Nov 1994 08:49:37 -0000", true },
        { "Sun, 06 Nov 1994 08:49:37 GMT", true },
        { "19941106T084937Z", true },
        { "Sun, 06 Nov 1994 08:49:37 +0100", false },
        { "Sun, 06 Nov 1994 08:49:37 ", false },
        { "Sun, 06 Nov 1994 08:49:37+0000", false },
        { " +0000", false },
        { "Sun, 06 Nov 1994 08:49:37 GMT +0000", false },
        { "                                                                 +0000", false },
    };
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        int64_t seconds = -1;
        int rc = tn_http_date_parse_mail(tn_str_from(rows[i].text), NOW, &seconds);
        assert_int_equal(rc, rows[i].is_fine ? TARN_OK : TARN_EINVAL);
        assert_int_equal(seconds, rows[i].is_fine ? 784111777 : -1);
    }
}

/* The object has tag "e" and was changed at 100; -1 and NULL: that condition was not sent. */
static const struct {
    const char *name;
    const char *match;
    const char *none_match;
    int64_t modified;
    int64_t unmodified;
    enum tn_precond_result read;
} reads[] = {
    { "none", NULL, NULL, -1, -1, TN_PRECOND_PASS },
    { "match", "\"e\"", NULL, -1, -1, TN_PRECOND_PASS },
    { "match any", "*", NULL, -1, -1, TN_PRECOND_PASS },
    { "match unquoted", "e", NULL, -1, -1, TN_PRECOND_PASS },
    { "match in list", "\"x\", \"e\"", NULL, -1, -1, TN_PRECOND_PASS },
    { "mismatch", "\"x\"", NULL, -1, -1, TN_PRECOND_FAILED },
    { "match is strong", "W/\"e\"", NULL, -1, -1, TN_PRECOND_FAILED },
    { "malformed match", "\"e", NULL, -1, -1, TN_PRECOND_FAILED },
    { "empty match", "", NULL, -1, -1, TN_PRECOND_FAILED },
    { "none match", NULL, "\"e\"", -1, -1, TN_PRECOND_NOT_MODIFIED },
    { "none match any", NULL, "*", -1, -1, TN_PRECOND_NOT_MODIFIED },
    { "none match is weak", NULL, "W/\"e\"", -1, -1, TN_PRECOND_NOT_MODIFIED },
    { "none match other", NULL, "\"x\"", -1, -1, TN_PRECOND_PASS },
    { "modified since before", NULL, NULL, 99, -1, TN_PRECOND_PASS },
    { "modified since then", NULL, NULL, 100, -1, TN_PRECOND_NOT_MODIFIED },
    { "modified since later", NULL, NULL, 101, -1, TN_PRECOND_NOT_MODIFIED },
    { "unmodified since before", NULL, NULL, -1, 99, TN_PRECOND_FAILED },
    { "unmodified since then", NULL, NULL, -1, 100, TN_PRECOND_PASS },
    { "match beats unmodified", "\"e\"", NULL, -1, 99, TN_PRECOND_PASS },
    { "mismatch beats unmodified", "\"x\"", NULL, -1, 101, TN_PRECOND_FAILED },
    { "none match beats modified", NULL, "\"e\"", 99, -1, TN_PRECOND_NOT_MODIFIED },
    { "other tag beats modified", NULL, "\"x\"", 101, -1, TN_PRECOND_PASS },
    { "failed beats not modified", "\"x\"", "\"e\"", -1, -1, TN_PRECOND_FAILED },
    { "match and none match", "\"e\"", "\"e\"", -1, -1, TN_PRECOND_NOT_MODIFIED },
    { "unmodified and modified", NULL, NULL, 100, 100, TN_PRECOND_NOT_MODIFIED },
};

static struct tn_precond precond_of(const char *match, const char *none_match, int64_t modified,
                                    int64_t unmodified)
{
    return (struct tn_precond){
        .if_match = tn_str_from(match),
        .if_none_match = tn_str_from(none_match),
        .if_modified_since = modified,
        .if_unmodified_since = unmodified,
        .has_if_match = match != NULL,
        .has_if_none_match = none_match != NULL,
        .has_if_modified_since = modified >= 0,
        .has_if_unmodified_since = unmodified >= 0,
    };
}

static void test_reads(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN_COUNT(reads); i++) {
        struct tn_precond c =
            precond_of(reads[i].match, reads[i].none_match, reads[i].modified, reads[i].unmodified);
        if (tn_precond_read(&c, TN_STR("e"), 100) != reads[i].read)
            fail_msg("%s", reads[i].name);
        bool is_pass = reads[i].read == TN_PRECOND_PASS;
        assert_int_equal(tn_precond_copy_source(&c, TN_STR("e"), 100),
                         is_pass ? TN_PRECOND_PASS : TN_PRECOND_FAILED);
        assert_int_equal(tn_precond_is_empty(&c), i == 0);
    }
}

static const struct {
    const char *name;
    const char *match;
    const char *none_match;
    enum tn_precond_result present; /* with tag "e" */
    enum tn_precond_result absent;
} writes[] = {
    { "none", NULL, NULL, TN_PRECOND_PASS, TN_PRECOND_PASS },
    { "create only", NULL, "*", TN_PRECOND_FAILED, TN_PRECOND_PASS },
    { "none match tag", NULL, "\"e\"", TN_PRECOND_FAILED, TN_PRECOND_PASS },
    { "none match unquoted", NULL, "e", TN_PRECOND_FAILED, TN_PRECOND_PASS },
    { "none match weak", NULL, "W/\"e\"", TN_PRECOND_FAILED, TN_PRECOND_PASS },
    { "none match list", NULL, "\"x\", \"e\"", TN_PRECOND_FAILED, TN_PRECOND_PASS },
    { "none match other", NULL, "\"x\"", TN_PRECOND_PASS, TN_PRECOND_PASS },
    { "none match malformed", NULL, "\"x", TN_PRECOND_UNSUPPORTED, TN_PRECOND_UNSUPPORTED },
    { "none match half a list", NULL, "\"x\" \"e\"", TN_PRECOND_UNSUPPORTED,
      TN_PRECOND_UNSUPPORTED },
    { "none match commas", NULL, ",,", TN_PRECOND_UNSUPPORTED, TN_PRECOND_UNSUPPORTED },
    { "none match nothing", NULL, "", TN_PRECOND_UNSUPPORTED, TN_PRECOND_UNSUPPORTED },
    { "match", "\"e\"", NULL, TN_PRECOND_PASS, TN_PRECOND_NO_SUCH_KEY },
    { "match unquoted", "e", NULL, TN_PRECOND_PASS, TN_PRECOND_NO_SUCH_KEY },
    { "match any", "*", NULL, TN_PRECOND_PASS, TN_PRECOND_NO_SUCH_KEY },
    { "mismatch", "\"x\"", NULL, TN_PRECOND_FAILED, TN_PRECOND_NO_SUCH_KEY },
    { "weak", "W/\"e\"", NULL, TN_PRECOND_FAILED, TN_PRECOND_NO_SUCH_KEY },
    { "malformed", "\"e", NULL, TN_PRECOND_FAILED, TN_PRECOND_NO_SUCH_KEY },
    { "both", "\"e\"", "*", TN_PRECOND_FAILED, TN_PRECOND_NO_SUCH_KEY },
};

static void test_writes(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN_COUNT(writes); i++) {
        struct tn_precond c = precond_of(writes[i].match, writes[i].none_match, -1, -1);
        if (tn_precond_write(&c, true, TN_STR("e")) != writes[i].present ||
            tn_precond_write(&c, false, TN_STR_EMPTY) != writes[i].absent)
            fail_msg("%s", writes[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ranges),         cmocka_unit_test(test_copy_ranges),
        cmocka_unit_test(test_content_ranges), cmocka_unit_test(test_etags),
        cmocka_unit_test(test_etag_lists),     cmocka_unit_test(test_dates),
        cmocka_unit_test(test_mail_dates),     cmocka_unit_test(test_reads),
        cmocka_unit_test(test_writes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
