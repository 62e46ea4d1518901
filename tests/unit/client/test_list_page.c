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

/* Whatever is missing at its end, a document is refused. */
static void test_every_cut(void **state)
{
    (void)state;
    static const char whole[] = DECLARATION
        "<ListBucketResult" NAMESPACE "><EncodingType>url</EncodingType><Contents><Key>a&amp;</Key>"
        "<ETag>&quot;1&quot;</ETag><Owner><ID>i</ID></Owner></Contents><CommonPrefixes><Prefix>p/"
        "</Prefix></CommonPrefixes></ListBucketResult>";
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
        cmocka_unit_test(test_usual),
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_every_cut),
        cmocka_unit_test(test_oom),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
