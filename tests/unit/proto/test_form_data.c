/* SPDX-License-Identifier: Apache-2.0 */
/* multipart/form-data: what is taken, in every split. */

#include "proto/form_data.h"

#include "unit/t.h"

#define CRLF "\r\n"
#define PART(name, value)                                                                          \
    "--B" CRLF "Content-Disposition: form-data; name=\"" name "\"" CRLF CRLF value CRLF
#define END "--B--"

/* Events as text: "name|filename|type=data;". */
static const struct {
    const char *name;
    const char *text;
    const char *events;
    int status;
} cases[] = {
    { "one", PART("a", "1") END, "a||=1;", TARN_OK },
    { "two", PART("a", "1") PART("b", "") END, "a||=1;b||=;", TARN_OK },
    { "what follows the end", PART("a", "1") END CRLF "rest --B", "a||=1;", TARN_OK },
    { "file",
      "--B" CRLF "content-disposition: form-data; name=file; filename=\"x y.txt\"" CRLF
      "Content-Type: text/plain" CRLF CRLF "x" CRLF END,
      "file|x y.txt|text/plain=x;", TARN_OK },
    { "almost a boundary", PART("a", "\r\r\n\r\n-\r\n--\r\n--A") END,
      "a||=\r\r\n\r\n-\r\n--\r\n--A;", TARN_OK },
    { "a boundary within a line", PART("a", "x--B") END, "a||=x--B;", TARN_OK },
    { "only the end", END, "", TARN_OK },
    { "nothing", "", "", TARN_EINVAL },
    { "no end", PART("a", "1"), "a||=1", TARN_EINVAL },
    { "something before", "x" PART("a", "1") END, "", TARN_EINVAL },
    { "no disposition", "--B" CRLF "X: y" CRLF CRLF "1" CRLF END, "", TARN_EINVAL },
    { "no name", "--B" CRLF "Content-Disposition: form-data" CRLF CRLF "1" CRLF END, "",
      TARN_EINVAL },
    { "another disposition", "--B" CRLF "Content-Disposition: inline; name=a" CRLF CRLF END, "",
      TARN_EINVAL },
    { "a quote that does not end",
      "--B" CRLF "Content-Disposition: form-data; name=\"a" CRLF CRLF "1" CRLF END, "",
      TARN_EINVAL },
    { "a boundary and letters", PART("a", "1") "--Bx", "a||=1;", TARN_EINVAL },
    { "a boundary and one dash", PART("a", "1") "--B-\r", "a||=1;", TARN_EINVAL },
};

static int on_part(void *arg, struct tn_str name, struct tn_str filename, bool has_filename,
                   struct tn_str type)
{
    (void)has_filename;
    return tn_buf_appendf(arg, "%.*s|%.*s|%.*s=", TN_STR_ARG(name), TN_STR_ARG(filename),
                          TN_STR_ARG(type));
}

static int on_data(void *arg, const char *bytes, size_t len)
{
    return tn_buf_append(arg, bytes, len);
}

static int on_end(void *arg)
{
    return tn_buf_append_char(arg, ';');
}

static const struct tn_form_handler handler = { on_part, on_data, on_end };

static int parse(struct tn_str text, size_t split, struct tn_buf *events)
{
    struct tn_form f;
    int rc = tn_form_init(&f, TN_STR("B"), &handler, events);
    if (rc == TARN_OK)
        rc = tn_form_feed(&f, text.data, split, NULL);
    for (size_t i = split; rc == TARN_OK && i < text.len; i++)
        rc = tn_form_feed(&f, text.data + i, 1, NULL);
    if (rc == TARN_OK)
        rc = tn_form_finish(&f, NULL);
    tn_form_release(&f);
    return rc;
}

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN_COUNT(cases); i++) {
        struct tn_str text = tn_str_from(cases[i].text);
        for (size_t split = 0; split <= text.len; split++) {
            TN_AUTO_BUF events = TN_BUF_INIT(10000);
            int rc = parse(text, split, &events);
            if (rc != cases[i].status || strcmp(events.data, cases[i].events))
                fail_msg("%s at %zu: %d \"%s\"", cases[i].name, split, rc, events.data);
        }
    }
}

static void test_boundaries(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        const char *boundary; /* NULL: none */
    } types[] = {
        { "multipart/form-data; boundary=x", "x" },
        { "Multipart/Form-Data;charset=utf-8;  Boundary=\"a b\"", "a b" },
        { "multipart/form-data; boundary=x; charset=y", "x" },
        { "multipart/form-data", NULL },
        { "multipart/form-data; boundary=", NULL },
        { "multipart/form-data; boundary=\"x", NULL },
        { "multipart/mixed; boundary=x", NULL },
        { "", NULL },
    };
    for (size_t i = 0; i < TN_COUNT(types); i++) {
        struct tn_str found = TN_STR_EMPTY;
        int rc = tn_form_boundary(tn_str_from(types[i].type), &found);
        assert_int_equal(rc, types[i].boundary ? TARN_OK : TARN_EINVAL);
        if (types[i].boundary)
            assert_str_equal(found, types[i].boundary);
    }
    struct tn_form f;
    assert_int_equal(tn_form_init(&f, TN_STR("a\nb"), &handler, NULL), TARN_EINVAL);
    tn_form_release(&f);
}

static int parse_once(void *arg)
{
    TN_AUTO_BUF events = TN_BUF_INIT(10000);
    return parse(tn_str_from(arg), 0, &events);
}

static void test_oom(void **state)
{
    (void)state;
    char text[] = PART("a", "1") END;
    t_oom_sweep(parse_once, text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_boundaries),
        cmocka_unit_test(test_oom),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
