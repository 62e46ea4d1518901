/* SPDX-License-Identifier: Apache-2.0 */
/* XML: trees and events in every split, hostile documents, the writer. */

#include "proto/xml.h"

#include "unit/t.h"

enum { ARENA_MAX = 64 << 20 };

static const struct {
    const char *name;
    const char *document;
    const char *expected; /* name[text] or name[](child...), with ! when text is beside them */
} trees[] = {
    { "root only", "<a/>", "a[]" },
    { "text", "<a>x</a>", "a[x]" },
    { "text is kept", "<a> x\n </a>", "a[ x\n ]" },
    { "children", "<?xml version='1.0'?>\n<a>\n <b>1</b>\n <c><d/></c>\n</a>\n",
      "a[](b[1]c[](d[]))" },
    { "mixed text is dropped", "<a>x<b>1</b>y</a>", "a[]!(b[1])" },
    { "text before a child", "<a>x<b>1</b>\n</a>", "a[]!(b[1])" },
    { "text behind a child", "<a>\n<b>1</b>y</a>", "a[]!(b[1])" },
    { "text between, deeper", "<a><b><c/>x<c/></b><b><c/></b></a>", "a[](b[]!(c[]c[])b[](c[]))" },
    { "text above only", "<a>x<b><c/></b></a>", "a[]!(b[](c[]))" },
    { "CDATA beside a child", "<a><b/><![CDATA[x]]></a>", "a[]!(b[])" },
    { "prefix", "<s:a xmlns:s='u'><s:b>1</s:b></s:a>", "a[](b[1])" },
    { "default namespace", "<a xmlns='http://s3.amazonaws.com/doc/2006-03-01/'><b>1</b></a>",
      "a[](b[1])" },
    { "attributes are dropped", "<a x='1'><b y='2'>3</b></a>", "a[](b[3])" },
    { "entities", "<a>&lt;&gt;&amp;&quot;&apos;&#65;&#x42;</a>", "a[<>&\"'AB]" },
    { "comment in text", "<a>x<!-- y -->z</a>", "a[xz]" },
    { "CDATA", "<a><![CDATA[<b>&]]></a>", "a[<b>&]" },
    { "UTF-8", "<a>\xc3\xa4\xf0\x9f\x98\x80</a>", "a[\xc3\xa4\xf0\x9f\x98\x80]" },
    { "line ends", "<a>x\r\ny&#13;</a>", "a[x\ny\r]" },
    { "repeated", "<a><b>1</b><c>2</c><b>3</b></a>", "a[](b[1]c[2]b[3])" },
};

static const struct {
    const char *name;
    const char *document;
} broken[] = {
    { "empty", "" },
    { "blanks", "  \n" },
    { "no markup", "hello" },
    { "not closed", "<a>" },
    { "cut in tag", "<a><b" },
    { "crossed", "<a><b></a></b>" },
    { "two roots", "<a/><b/>" },
    { "text behind", "<a/>x" },
    { "raw ampersand", "<a>x & y</a>" },
    { "unknown entity", "<a>&nbsp;</a>" },
    { "forbidden reference", "<a>&#0;</a>" },
    { "control reference", "<a>&#1;</a>" },
    { "control byte", "<a>\x01</a>" },
    { "bad UTF-8", "<a>\xff</a>" },
    { "overlong UTF-8", "<a>\xc0\xaf</a>" },
    { "attribute twice", "<a x='1' x='2'/>" },
    { "unquoted attribute", "<a x=1/>" },
    { "bad name", "<1a/>" },
    { "colon for a name", "<:/>" },
    { "prefix without a name", "<a><s:/></a>" },
    { "doctype", "<!DOCTYPE a><a/>" },
    { "external entity", "<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><a>&x;</a>" },
    { "laughs", "<!DOCTYPE a [<!ENTITY x 'ha'><!ENTITY y '&x;&x;&x;&x;'><!ENTITY z "
                "'&y;&y;&y;&y;'>]><a>&z;</a>" },
    { "parameter entity", "<!DOCTYPE a [<!ENTITY % x SYSTEM 'http://h/'> %x;]><a/>" },
    { "unknown encoding", "<?xml version='1.0' encoding='nope'?><a/>" },
};

/* Without recursion: documents in the tables are at most this deep. */
enum { SHOW_DEPTH_MAX = 8 };

static void show(const struct tn_xml_node *root, struct tn_buf *out)
{
    const struct tn_xml_node *stack[SHOW_DEPTH_MAX];
    size_t depth = 0;
    const struct tn_xml_node *node = root;
    while (node || depth) {
        if (!node) {
            node = stack[--depth]->next;
            assert_int_equal(tn_buf_append_char(out, ')'), TARN_OK);
            continue;
        }
        assert_int_equal(tn_buf_appendf(out, "%.*s[%.*s]%s", TN_STR_ARG(node->name),
                                        TN_STR_ARG(node->text), node->is_mixed ? "!" : ""),
                         TARN_OK);
        if (!node->children) {
            node = node->next;
            continue;
        }
        assert_int_equal(tn_buf_append_char(out, '('), TARN_OK);
        assert_true(depth < SHOW_DEPTH_MAX);
        stack[depth++] = node;
        node = node->children;
    }
}

static int build(struct tn_arena *a, const char *document, size_t step,
                 const struct tn_xml_node **root, struct tarn_error *err)
{
    size_t len = strlen(document);
    struct tn_xml_builder *b = tn_xml_builder_new(a);
    assert_non_null(b);
    int rc = TARN_OK;
    for (size_t at = 0; at < len && rc == TARN_OK; at += step) {
        size_t piece = len - at < step ? len - at : step;
        TN_AUTO_FREE char *exact = tn_realloc(NULL, piece);
        memcpy(exact, document + at, piece);
        rc = tn_xml_builder_feed(b, exact, piece, err);
    }
    if (rc == TARN_OK)
        rc = tn_xml_builder_finish(b, root, err);
    else
        assert_int_equal(tn_xml_builder_finish(b, root, NULL), rc);
    tn_xml_builder_free(b);
    return rc;
}

static void test_trees(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN_COUNT(trees); i++) {
        for (size_t step = 1; step <= strlen(trees[i].document); step++) {
            struct tn_arena a;
            const struct tn_xml_node *root = NULL;
            struct tarn_error err = { 0 };
            TN_AUTO_BUF text = TN_BUF_INIT(4096);
            tn_arena_init(&a, ARENA_MAX);
            if (build(&a, trees[i].document, step, &root, &err) != TARN_OK)
                fail_msg("%s: %s", trees[i].name, err.message);
            show(root, &text);
            assert_string_equal(text.data, trees[i].expected);
            assert_string_equal(err.message, "");
            tn_arena_release(&a);
        }
    }
}

static void test_broken(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN_COUNT(broken); i++) {
        size_t len = strlen(broken[i].document);
        for (size_t step = 1; step <= len + 1; step++) {
            struct tn_arena a;
            const struct tn_xml_node *root = NULL;
            struct tarn_error err = { 0 };
            tn_arena_init(&a, ARENA_MAX);
            if (build(&a, broken[i].document, step, &root, &err) != TARN_EINVAL)
                fail_msg("accepted: %s", broken[i].name);
            assert_null(root);
            assert_int_equal(err.status, TARN_EINVAL);
            assert_non_null(strstr(err.message, "could not read XML: line "));
            tn_arena_release(&a);
        }
    }
}

static int parse_repeated(const char *before, const char *unit, size_t count, const char *behind)
{
    TN_AUTO_BUF doc = TN_BUF_INIT(64 << 20);
    const struct tn_xml_node *root = NULL;
    struct tn_arena a;
    assert_int_equal(tn_buf_append_text(&doc, before), TARN_OK);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(tn_buf_append_text(&doc, unit), TARN_OK);
    assert_int_equal(tn_buf_append_text(&doc, behind), TARN_OK);
    tn_arena_init(&a, ARENA_MAX);
    int rc = tn_xml_parse(&a, tn_buf_str(&doc), &root, NULL);
    assert_true((rc == TARN_OK) == (root != NULL));
    tn_arena_release(&a);
    return rc;
}

static void test_limits(void **state)
{
    (void)state;
    assert_int_equal(parse_repeated("", "<a>", TN_XML_DEPTH_MAX, ""), TARN_EINVAL);
    assert_int_equal(parse_repeated("", "<a>", TN_XML_DEPTH_MAX + 1, ""), TARN_ETOOBIG);
    assert_int_equal(parse_repeated("", "<a>", 1000000, ""), TARN_ETOOBIG);
    assert_int_equal(parse_repeated("<a>", "x", TN_XML_TEXT_LEN_MAX, "</a>"), TARN_OK);
    assert_int_equal(parse_repeated("<a>", "x", TN_XML_TEXT_LEN_MAX + 1, "</a>"), TARN_ETOOBIG);
    assert_int_equal(parse_repeated("<a>", "<b/>", TN_XML_NODE_COUNT_MAX - 1, "</a>"), TARN_OK);
    assert_int_equal(parse_repeated("<a>", "<b/>", TN_XML_NODE_COUNT_MAX, "</a>"), TARN_ETOOBIG);
    assert_int_equal(parse_repeated("<", "n", TN_XML_NAME_LEN_MAX, "/>"), TARN_OK);
    assert_int_equal(parse_repeated("<", "n", TN_XML_NAME_LEN_MAX + 1, "/>"), TARN_ETOOBIG);
    assert_int_equal(parse_repeated("<a ", "x", 1000000, "='1'/>"), TARN_OK);
}

static void test_small_arena(void **state)
{
    (void)state;
    struct tn_arena a;
    const struct tn_xml_node *root = NULL;
    struct tarn_error err = { 0 };
    tn_arena_init(&a, 16);
    assert_int_equal(tn_xml_parse(&a, TN_STR("<a/>"), &root, &err), TARN_ENOMEM);
    assert_null(root);
    assert_string_equal(err.message, "could not read XML: line 1: out of memory");
    tn_arena_release(&a);
}

static void test_navigation(void **state)
{
    (void)state;
    struct tn_arena a;
    const struct tn_xml_node *root = NULL;
    tn_arena_init(&a, ARENA_MAX);
    assert_int_equal(tn_xml_parse(&a,
                                  TN_STR("<d><o><k> x </k></o><q>\n true\t</q><o><k>y</k></o></d>"),
                                  &root, NULL),
                     TARN_OK);
    const struct tn_xml_node *o = tn_xml_child(root, "o");
    assert_str_equal(tn_xml_child_text_raw(o, "k"), " x ");
    assert_str_equal(tn_xml_child_text(o, "k"), "x");
    o = tn_xml_next(o);
    assert_str_equal(tn_xml_child_text(o, "k"), "y");
    assert_null(tn_xml_next(o));
    assert_str_equal(tn_xml_child_text(root, "q"), "true");
    assert_null(tn_xml_child(root, "O"));
    assert_str_equal(tn_xml_child_text(root, "none"), "");
    tn_arena_release(&a);
}

struct events {
    struct tn_buf text;
    size_t fail_at; /* the n-th end event fails */
    size_t count;
};

static int on_start(void *arg, struct tn_str name, unsigned depth)
{
    struct events *e = arg;
    return tn_buf_appendf(&e->text, "<%u%.*s", depth, TN_STR_ARG(name));
}

static int on_end(void *arg, struct tn_str name, struct tn_str text, unsigned depth)
{
    struct events *e = arg;
    if (++e->count == e->fail_at)
        return TARN_ECANCELLED;
    return tn_buf_appendf(&e->text, ">%u%.*s[%.*s]", depth, TN_STR_ARG(name), TN_STR_ARG(text));
}

static const struct tn_xml_handler handler = { on_start, on_end };
static const char page[] = "<L><C><K>a</K><S>1</S></C><C/></L>";

static void test_events(void **state)
{
    (void)state;
    for (size_t step = 1; step < sizeof page; step++) {
        struct events e = { .text = TN_BUF_INIT(4096) };
        struct tn_xml_reader *r = tn_xml_reader_new(&handler, &e);
        for (size_t at = 0; at < sizeof page - 1; at += step) {
            struct tn_str piece = tn_str_sub(tn_str_from(page), at, step);
            assert_int_equal(tn_xml_reader_feed(r, piece.data, piece.len, NULL), TARN_OK);
        }
        assert_int_equal(tn_xml_reader_finish(r, NULL), TARN_OK);
        assert_string_equal(e.text.data, "<0L<1C<2K>2K[a]<2S>2S[1]>1C[]<1C>1C[]>0L[]");
        tn_xml_reader_free(r);
        tn_buf_release(&e.text);
    }
}

static void test_callback_failure(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 5; n++) {
        struct events e = { .text = TN_BUF_INIT(4096), .fail_at = n };
        struct tarn_error err = { 0 };
        struct tn_xml_reader *r = tn_xml_reader_new(&handler, &e);
        assert_int_equal(tn_xml_reader_feed(r, page, sizeof page - 1, &err), TARN_ECANCELLED);
        assert_int_equal(err.status, TARN_ECANCELLED);
        assert_int_equal(e.count, n);
        assert_int_equal(tn_xml_reader_feed(r, "<", 1, NULL), TARN_ECANCELLED);
        assert_int_equal(tn_xml_reader_finish(r, NULL), TARN_ECANCELLED);
        assert_int_equal(e.count, n);
        tn_xml_reader_free(r);
        tn_buf_release(&e.text);
    }
}

static int build_once(void *arg)
{
    struct tn_arena a;
    const struct tn_xml_node *root = NULL;
    (void)arg;
    tn_arena_init(&a, ARENA_MAX);
    int rc = tn_xml_parse(&a, TN_STR("<a><b>text</b><c>more</c></a>"), &root, NULL);
    assert_true((rc == TARN_OK) == (root != NULL));
    tn_arena_release(&a);
    return rc;
}

static const struct {
    const char *name;
    const char *text;
    const char *escaped;
} escapes[] = {
    { "nothing", "", "" },
    { "plain", "a/b c~\x7f", "a/b c~\x7f" },
    { "markup", "<a href=\"x\">&'</a>", "&lt;a href=&quot;x&quot;&gt;&amp;&#39;&lt;/a&gt;" },
    { "control", "\x01\x1f", "&#x1;&#x1F;" },
    { "line ends and tab", "\r\n\t", "&#xD;&#xA;&#x9;" },
    { "UTF-8", "\xc3\xa4\xef\xbc\xa1\xf0\x9f\x98\x80", "\xc3\xa4\xef\xbc\xa1\xf0\x9f\x98\x80" },
    { "no characters", "\xef\xbf\xbe\xef\xbf\xbf", "&#xFFFE;&#xFFFF;" },
    { "replacement character", "\xef\xbf\xbd", "\xef\xbf\xbd" },
    { "cut", "a\xef\xbf", "a\xef\xbf" },
};

static void test_escape(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN_COUNT(escapes); i++) {
        TN_AUTO_BUF b = TN_BUF_INIT(4096);
        assert_int_equal(tn_xml_escape(&b, tn_str_from(escapes[i].text)), TARN_OK);
        assert_string_equal(b.data, escapes[i].escaped);
    }
}

static void test_escape_past_limit(void **state)
{
    (void)state;
    TN_AUTO_BUF b = TN_BUF_INIT(6);
    assert_int_equal(tn_buf_append_text(&b, "x"), TARN_OK);
    assert_int_equal(tn_xml_escape(&b, TN_STR("ab<c")), TARN_ETOOBIG);
    assert_string_equal(b.data, "x");
}

static int write_document(void *arg)
{
    TN_AUTO_BUF b = TN_BUF_INIT(4096);
    struct tn_xml_writer w = TN_XML_WRITER(&b);
    (void)arg;
    tn_xml_root(&w, "Result", TN_XML_S3_NAMESPACE);
    tn_xml_open(&w, "Contents");
    tn_xml_str(&w, "Key", TN_STR("a<b"));
    tn_xml_u64(&w, "Size", UINT64_MAX);
    tn_xml_bool(&w, "IsTruncated", false);
    tn_xml_text(&w, "Empty", "");
    tn_xml_close(&w, "Contents");
    tn_xml_close(&w, "Result");
    if (w.rc == TARN_OK)
        assert_string_equal(
            b.data,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
            "<Result xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Contents><Key>a&lt;b</Key>"
            "<Size>18446744073709551615</Size><IsTruncated>false</IsTruncated><Empty></Empty>"
            "</Contents></Result>");
    return w.rc;
}

static void test_writer(void **state)
{
    (void)state;
    assert_int_equal(write_document(NULL), TARN_OK);
    TN_AUTO_BUF b = TN_BUF_INIT(60);
    struct tn_xml_writer w = TN_XML_WRITER(&b);
    tn_xml_root(&w, "Result", NULL);
    tn_xml_text(&w, "TooLong", "0123456789");
    tn_xml_text(&w, "a", "");
    assert_int_equal(w.rc, TARN_ETOOBIG);
    assert_null(strstr(b.data, "<a>"));
}

static void test_round_trip(void **state)
{
    (void)state;
    TN_AUTO_BUF b = TN_BUF_INIT(4096);
    struct tn_xml_writer w = TN_XML_WRITER(&b);
    const char *key = " a\r\n\t<>&\"' \xf0\x9f\x98\x80 ";
    struct tn_arena a;
    const struct tn_xml_node *root = NULL;
    tn_xml_root(&w, "R", NULL);
    tn_xml_text(&w, "K", key);
    tn_xml_close(&w, "R");
    assert_int_equal(w.rc, TARN_OK);
    tn_arena_init(&a, ARENA_MAX);
    assert_int_equal(tn_xml_parse(&a, tn_buf_str(&b), &root, NULL), TARN_OK);
    assert_str_equal(tn_xml_child_text_raw(root, "K"), key);
    tn_arena_release(&a);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    t_oom_sweep(build_once, NULL);
    t_oom_sweep(write_document, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trees),
        cmocka_unit_test(test_broken),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_small_arena),
        cmocka_unit_test(test_navigation),
        cmocka_unit_test(test_events),
        cmocka_unit_test(test_callback_failure),
        cmocka_unit_test(test_escape),
        cmocka_unit_test(test_escape_past_limit),
        cmocka_unit_test(test_writer),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
