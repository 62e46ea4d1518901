/* SPDX-License-Identifier: Apache-2.0 */
/* Pages of listings: what the scanner takes, what it leaves to the XML reader, what both make of
 * it.
 */

#include "unit/t.h"

#include "client/list_page.h"

#define DECLARATION "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
#define NAMESPACE " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\""
#define PAGE(inner) "<ListBucketResult>" inner "</ListBucketResult>"
#define OBJECT(inner) PAGE("<Contents>" inner "</Contents>")

static void read_page(struct tn_list_page *p, const char *document)
{
    TN_AUTO_BUF text = TN_BUF_INIT(TN_LIST_PAGE_TEXT_MAX);
    tn_list_page_init(p);
    assert_int_equal(tn_buf_append_text(&text, document), TARN_OK);
    assert_int_equal(tn_list_page_read(p, &text, NULL), TARN_OK);
}

static void test_usual(void **state)
{
    (void)state;
    struct tn_list_page p;
    read_page(&p, DECLARATION
              "<ListBucketResult" NAMESPACE "><Name>b</Name><EncodingType>url</EncodingType>"
              "<Contents><Key>a%2Fb+c</Key><LastModified>2026-11-20T01:02:03.456Z</LastModified>"
              "<ETag>&quot;0123&quot;</ETag><ChecksumAlgorithm>CRC32</ChecksumAlgorithm>"
              "<Size>17</Size><Owner><ID> me&amp;you </ID><DisplayName>x</DisplayName></Owner>"
              "<StorageClass>STANDARD</StorageClass></Contents>\n"
              "<Contents><Key>z</Key><LastModified>2026-11-20T23:59:59.001Z</LastModified>"
              "<ETag>\"4\"</ETag></Contents>"
              "<CommonPrefixes><Prefix>q/</Prefix></CommonPrefixes>"
              "<NextContinuationToken>t&lt;1</NextContinuationToken>"
              "<IsTruncated>true</IsTruncated></ListBucketResult>\n");
    const struct tn_list_item *a = &p.objects.items[0];
    const struct tn_list_item *z = &p.objects.items[1];
    assert_int_equal(p.objects.count, 2);
    assert_str_equal(tn_list_text_of(&p, a->key), "a/b c");
    assert_str_equal(tn_list_text_of(&p, a->etag), "0123");
    assert_str_equal(tn_list_text_of(&p, a->checksum), "CRC32");
    assert_str_equal(tn_list_text_of(&p, a->owner_id), "me&you");
    assert_str_equal(tn_list_text_of(&p, a->storage_class), "STANDARD");
    assert_int_equal(a->size, 17);
    assert_int_equal(a->last_modified_ms, 1795136523456);
    assert_str_equal(tn_list_text_of(&p, z->key), "z");
    assert_str_equal(tn_list_text_of(&p, z->etag), "4");
    assert_int_equal(z->storage_class.at, 0);
    assert_int_equal(z->last_modified_ms, 1795219199001);
    assert_int_equal(p.prefixes.count, 1);
    assert_str_equal(tn_list_text_of(&p, p.prefixes.items[0].key), "q/");
    assert_str_equal(tn_buf_str(&p.token), "t<1");
    assert_true(p.is_truncated);
    tn_list_page_release(&p);
}

static const struct {
    const char *name;
    const char *document;
    int scan_rc;
    int rc;
} shapes[] = {
    { "empty", PAGE(""), TARN_OK, TARN_OK },
    { "with a declaration", DECLARATION PAGE(""), TARN_OK, TARN_OK },
    { "blanks between",
      "<ListBucketResult>\n\t<Contents> <Key>a</Key> </Contents> "
      "</ListBucketResult>\n",
      TARN_OK, TARN_OK },
    { "UTF-8", OBJECT("<Key>\xc3\xa4</Key>"), TARN_OK, TARN_OK },
    { "brackets", OBJECT("<Key>]] ></Key>"), TARN_OK, TARN_OK },
    { "numbers as references", OBJECT("<ETag>&#34;1&#34;</ETag>"), TARN_OK, TARN_OK },
    { "another reference", OBJECT("<Key>&#x41;</Key>"), TARN_ENOTSUPPORTED, TARN_OK },
    { "CDATA", OBJECT("<Key><![CDATA[a]]></Key>"), TARN_ENOTSUPPORTED, TARN_OK },
    { "a comment", PAGE("<!-- x -->"), TARN_ENOTSUPPORTED, TARN_OK },
    { "an attribute", PAGE("<Name a=\"b\">c</Name>"), TARN_ENOTSUPPORTED, TARN_OK },
    { "a prefix", "<s:ListBucketResult xmlns:s=\"x\"/>", TARN_ENOTSUPPORTED, TARN_OK },
    { "an empty element", PAGE("<Prefix/>"), TARN_ENOTSUPPORTED, TARN_OK },
    { "a carriage return", OBJECT("<Key>a\r\n</Key>"), TARN_ENOTSUPPORTED, TARN_OK },
    { "children of others",
      OBJECT("<RestoreStatus><IsRestoreInProgress>true"
             "</IsRestoreInProgress></RestoreStatus>"),
      TARN_ENOTSUPPORTED, TARN_OK },
    { "another root", "<Html></Html>", TARN_ENOTSUPPORTED, TARN_EPROTOCOL },
    { "nothing", "", TARN_ENOTSUPPORTED, TARN_EPROTOCOL },
    { "cut", "<ListBucketResult><Contents><Key>a</Key>", TARN_ENOTSUPPORTED, TARN_EPROTOCOL },
    { "more behind", PAGE("") "x", TARN_ENOTSUPPORTED, TARN_EPROTOCOL },
    { "the wrong end", OBJECT("<Key>a</Kez>"), TARN_ENOTSUPPORTED, TARN_EPROTOCOL },
    { "the end of CDATA", OBJECT("<Key>a]]></Key>"), TARN_ENOTSUPPORTED, TARN_EPROTOCOL },
    { "a control byte", OBJECT("<Key>a\x01</Key>"), TARN_ENOTSUPPORTED, TARN_EPROTOCOL },
    { "no UTF-8", OBJECT("<Key>a\xff</Key>"), TARN_ENOTSUPPORTED, TARN_EPROTOCOL },
    { "no character", OBJECT("<Key>\xef\xbf\xbf</Key>"), TARN_ENOTSUPPORTED, TARN_EPROTOCOL },
    { "no number", OBJECT("<Size>-1</Size>"), TARN_ENOTSUPPORTED, TARN_EPROTOCOL },
    { "no reference", OBJECT("<Key>a&b</Key>"), TARN_ENOTSUPPORTED, TARN_EPROTOCOL },
    { "an entity", "<!DOCTYPE a [<!ENTITY b \"c\">]><ListBucketResult/>", TARN_ENOTSUPPORTED,
      TARN_EPROTOCOL },
    { "a percent sign alone",
      PAGE("<EncodingType>url</EncodingType><Contents><Key>a%2</Key>"
           "</Contents>"),
      TARN_OK, TARN_EPROTOCOL },
};

static void test_shapes(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN_COUNT(shapes); i++) {
        struct tn_list_page p;
        TN_AUTO_BUF text = TN_BUF_INIT(TN_LIST_PAGE_TEXT_MAX);
        tn_list_page_init(&p);
        print_message("  %s\n", shapes[i].name);
        assert_int_equal(tn_buf_append_text(&p.texts, shapes[i].document), TARN_OK);
        assert_int_equal(tn_list_page_scan(&p), shapes[i].scan_rc);
        if (shapes[i].scan_rc < 0)
            assert_str_equal(tn_buf_str(&p.texts), shapes[i].document);
        assert_int_equal(tn_buf_append_text(&text, shapes[i].document), TARN_OK);
        assert_int_equal(tn_list_page_read(&p, &text, NULL), shapes[i].rc);
        if (shapes[i].rc < 0)
            assert_int_equal(p.objects.count + p.prefixes.count + p.token.len, 0);
        assert_int_equal(tn_list_page_read_xml(&p, tn_str_from(shapes[i].document), NULL),
                         shapes[i].rc);
        tn_list_page_release(&p);
    }
}

/* ---- objects like the one before ---- */

#define USUAL(key, rest)                                                                           \
    "<Contents><Key>" key "</Key><LastModified>2026-11-20T01:02:03.456Z</LastModified><ETag>"      \
    "&quot;0123&quot;</ETag><Size>17</Size><StorageClass>STANDARD</StorageClass>" rest             \
    "</Contents>"
#define OTHER(time, etag, size, class)                                                             \
    USUAL("a", "")                                                                                 \
    "<Contents><Key>b</Key><LastModified>" time "</LastModified><ETag>" etag "</ETag><Size>" size  \
    "</Size><StorageClass>" class "</StorageClass></Contents>" USUAL("c", "")
#define TIME "2026-11-20T01:02:03.456Z"

static const struct {
    const char *name;
    const char *objects;
    int scan_rc;
} followers[] = {
    { "the same but for the key", USUAL("a", "") USUAL("b", "") USUAL("c", ""), TARN_OK },
    { "a long key", USUAL("a", "") USUAL("bbbbbbbbbbbbbbbb/cccccccccccccccccccccccc", ""),
      TARN_OK },
    { "a key of eight", USUAL("a", "") USUAL("bbbbbbbb", ""), TARN_OK },
    { "no key", USUAL("a", "") USUAL("", ""), TARN_OK },
    { "blanks around a key", USUAL("a", "") USUAL(" b ", ""), TARN_OK },
    { "a reference in a key", USUAL("a", "") USUAL("b&amp;c", "") USUAL("d", ""), TARN_OK },
    { "UTF-8 in a key", USUAL("a", "") USUAL("\xc3\xa4", "") USUAL("d", ""), TARN_OK },
    { "brackets in a key", USUAL("a", "") USUAL("]]", "") USUAL("d", ""), TARN_OK },
    { "encoded keys",
      "<EncodingType>url</EncodingType>" USUAL("a", "") USUAL("b%2Fc", "") USUAL("123456789+", "")
          USUAL("%20345678", ""),
      TARN_OK },
    { "blanks between", USUAL("a", "") "\n  " USUAL("b", "") "\n" USUAL("c", ""), TARN_OK },
    { "a field more", USUAL("a", "") USUAL("b", "<Other>1</Other>") USUAL("c", ""), TARN_OK },
    { "a field less", USUAL("a", "") "<Contents><Key>b</Key></Contents>" USUAL("c", ""), TARN_OK },
    { "nothing", USUAL("a", "") "<Contents></Contents>" USUAL("c", ""), TARN_OK },
    { "fields twice",
      USUAL("a", "<Size>1</Size><Key>x</Key>") USUAL("b", "<Size>2</Size><Key>y</Key>"), TARN_OK },
    { "owners",
      USUAL("a", "<Owner><ID>1</ID><DisplayName>x</DisplayName></Owner>")
          USUAL("b", "<Owner><ID>1</ID><DisplayName>x</DisplayName></Owner>")
              USUAL("c", "<Owner><ID> 2</ID><DisplayName>y</DisplayName></Owner>"),
      TARN_OK },
    { "more fields than are noted",
      USUAL("a", "<A>1</A><A>2</A><A>3</A><A>4</A><A>5</A><A>6</A><A>7</A><A>8</A><A>9</A>")
          USUAL("b", "<A>1</A><A>2</A><A>3</A><A>4</A><A>5</A><A>6</A><A>7</A><A>8</A><A>9</A>"),
      TARN_OK },
    { "checksums",
      USUAL("a", "<ChecksumAlgorithm>CRC32</ChecksumAlgorithm>")
          USUAL("b", "<ChecksumAlgorithm>CRC32</ChecksumAlgorithm>")
              USUAL("c", "<ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm>"),
      TARN_OK },
    { "another time of the day", OTHER("2026-11-20T21:02:03.456Z", "1", "17", "STANDARD"),
      TARN_OK },
    { "another day", OTHER("2026-11-21T01:02:03.456Z", "1", "17", "STANDARD"), TARN_OK },
    { "no time", OTHER("yesterday", "1", "17", "STANDARD"), TARN_OK },
    { "an empty time", OTHER("", "1", "17", "STANDARD"), TARN_OK },
    { "blanks around a time", OTHER(" " TIME " ", "1", "17", "STANDARD"), TARN_OK },
    { "a time that goes on", OTHER(TIME "0", "1", "17", "STANDARD"), TARN_OK },
    { "a reference in a time", OTHER("&quot;", "1", "17", "STANDARD"), TARN_ENOTSUPPORTED },
    { "another ETag", OTHER(TIME, "&quot;0124&quot;", "17", "STANDARD"), TARN_OK },
    { "an ETag of one quote", OTHER(TIME, "&quot;", "17", "STANDARD"), TARN_OK },
    { "an empty ETag", OTHER(TIME, "&quot;&quot;", "17", "STANDARD"), TARN_OK },
    { "an ETag in plain quotes", OTHER(TIME, "\"1\"", "17", "STANDARD"), TARN_OK },
    { "an ETag without quotes", OTHER(TIME, "1", "17", "STANDARD"), TARN_OK },
    { "quotes in quotes", OTHER(TIME, "&quot;\"1\"&quot;", "17", "STANDARD"), TARN_OK },
    { "a reference in an ETag", OTHER(TIME, "&quot;1&amp;2&quot;", "17", "STANDARD"), TARN_OK },
    { "blanks in an ETag", OTHER(TIME, "&quot; 1 &quot;", "17", "STANDARD"), TARN_OK },
    { "a size that goes on", OTHER(TIME, "1", "171", "STANDARD"), TARN_OK },
    { "the greatest size", OTHER(TIME, "1", "18446744073709551615", "STANDARD"), TARN_OK },
    { "a size above it", OTHER(TIME, "1", "18446744073709551616", "STANDARD"), TARN_ENOTSUPPORTED },
    { "zeros before a size", OTHER(TIME, "1", "000000000000000000017", "STANDARD"), TARN_OK },
    { "blanks around a size", OTHER(TIME, "1", " 17 ", "STANDARD"), TARN_OK },
    { "no size", OTHER(TIME, "1", "", "STANDARD"), TARN_ENOTSUPPORTED },
    { "no number", OTHER(TIME, "1", "17k", "STANDARD"), TARN_ENOTSUPPORTED },
    { "another class", OTHER(TIME, "1", "17", "GLACIER"), TARN_OK },
    { "a class that goes on", OTHER(TIME, "1", "17", "STANDARD_IA"), TARN_OK },
    { "no class", OTHER(TIME, "1", "17", ""), TARN_OK },
    { "blanks around a class", OTHER(TIME, "1", "17", " STANDARD "), TARN_OK },
    { "a control byte", OTHER(TIME, "1", "17", "STAND\x01RD"), TARN_ENOTSUPPORTED },
    { "another end", USUAL("a", "") USUAL("b", "</Owner>"), TARN_ENOTSUPPORTED },
    { "children", USUAL("a", "") USUAL("b", "<A><B>1</B></A>"), TARN_ENOTSUPPORTED },
};

static void assert_same_text(const struct tn_list_page *a, struct tn_list_text x,
                             const struct tn_list_page *b, struct tn_list_text y)
{
    assert_int_equal(x.at == 0, y.at == 0);
    if (x.at != 0)
        assert_string_equal(a->texts.data + x.at, b->texts.data + y.at);
    assert_int_equal(x.len, y.len);
}

static void assert_same_objects(const struct tn_list_page *a, const struct tn_list_page *b)
{
    assert_int_equal(a->objects.count, b->objects.count);
    for (size_t i = 0; i < a->objects.count; i++) {
        const struct tn_list_item *x = &a->objects.items[i];
        const struct tn_list_item *y = &b->objects.items[i];
        assert_same_text(a, x->key, b, y->key);
        assert_same_text(a, x->etag, b, y->etag);
        assert_same_text(a, x->storage_class, b, y->storage_class);
        assert_same_text(a, x->owner_id, b, y->owner_id);
        assert_same_text(a, x->checksum, b, y->checksum);
        assert_int_equal(x->size, y->size);
        assert_int_equal(x->last_modified_ms, y->last_modified_ms);
    }
}

static void test_followers(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN_COUNT(followers); i++) {
        struct tn_list_page scanned, read;
        TN_AUTO_BUF text = TN_BUF_INIT(TN_LIST_PAGE_TEXT_MAX);
        tn_list_page_init(&scanned);
        tn_list_page_init(&read);
        print_message("  %s\n", followers[i].name);
        assert_int_equal(tn_buf_appendf(&text, PAGE("%s"), followers[i].objects), TARN_OK);
        assert_int_equal(tn_buf_append_str(&scanned.texts, tn_buf_str(&text)), TARN_OK);
        assert_int_equal(tn_list_page_scan(&scanned), followers[i].scan_rc);
        if (followers[i].scan_rc < 0)
            assert_str_equal(tn_buf_str(&scanned.texts), text.data);
        int rc = tn_list_page_read_xml(&read, tn_buf_str(&text), NULL);
        assert_int_equal(tn_list_page_read(&scanned, &text, NULL), rc);
        assert_same_objects(&scanned, &read);
        tn_list_page_release(&scanned);
        tn_list_page_release(&read);
    }
}

/* Whatever is missing at its end, a document is refused. */
static void test_every_cut(void **state)
{
    (void)state;
    static const char whole[] = DECLARATION
        "<ListBucketResult" NAMESPACE "><EncodingType>url</EncodingType><Contents><Key>a&amp;</Key>"
        "<ETag>&quot;1&quot;</ETag><Owner><ID>i</ID></Owner></Contents><CommonPrefixes><Prefix>p/"
        "</Prefix></CommonPrefixes>" USUAL("a", "") USUAL("b", "") "</ListBucketResult>";
    for (size_t len = 0; len + 1 < sizeof whole; len++) {
        struct tn_list_page p;
        TN_AUTO_BUF text = TN_BUF_INIT(TN_LIST_PAGE_TEXT_MAX);
        tn_list_page_init(&p);
        assert_int_equal(tn_buf_append(&text, whole, len), TARN_OK);
        assert_int_equal(tn_list_page_read(&p, &text, NULL), TARN_EPROTOCOL);
        tn_list_page_release(&p);
    }
}

static int read_both_ways(void *arg)
{
    struct tn_list_page p;
    TN_AUTO_BUF text = TN_BUF_INIT(TN_LIST_PAGE_TEXT_MAX);
    (void)arg;
    tn_list_page_init(&p);
    int rc = tn_buf_append_text(
        &text, PAGE("<NextContinuationToken>t</NextContinuationToken><EncodingType>url"
                    "</EncodingType><Contents><Key>a%20b</Key></Contents>"));
    if (rc == TARN_OK)
        rc = tn_list_page_read(&p, &text, NULL);
    if (rc == TARN_OK)
        rc = tn_list_page_read_xml(&p, TN_STR(OBJECT("<Key>a</Key><ETag>b</ETag>")), NULL);
    tn_list_page_release(&p);
    return rc;
}

static void test_oom(void **state)
{
    (void)state;
    t_oom_sweep(read_both_ways, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_usual),     cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_followers), cmocka_unit_test(test_every_cut),
        cmocka_unit_test(test_oom),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
