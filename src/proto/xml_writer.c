/* SPDX-License-Identifier: Apache-2.0 */
/* Writing XML: tags and escaped text. */

#include "proto/xml.h"

#include <assert.h>
#include <inttypes.h>

/* The longest escape of one byte is "&quot;"; U+FFFE takes three bytes to "&#xFFFE;". */
enum { ESCAPE_LEN_MAX = 8 };

/* Bytes that cannot stand for themselves; 0xef only when it begins U+FFFE or U+FFFF. Line breaks
 * and tabs are among them: a reader may change those that are not escaped. */
static const bool is_special[256] = {
    [0 ... 0x1f] = true, ['&'] = true,  ['<'] = true,  ['>'] = true,
    ['"'] = true,        ['\''] = true, [0xef] = true,
};

static size_t plain_prefix(struct tn_str s)
{
    size_t len = 0;
    while (len < s.len && !is_special[(unsigned char)s.data[len]])
        len++;
    return len;
}

/* Writes the escape for the front of `s`; says how many bytes of `s` it stands for. */
static size_t escape_one(struct tn_str s, char out[ESCAPE_LEN_MAX + 1])
{
    unsigned char c = (unsigned char)s.data[0];
    const char *named = c == '&'    ? "&amp;"
                        : c == '<'  ? "&lt;"
                        : c == '>'  ? "&gt;"
                        : c == '"'  ? "&quot;"
                        : c == '\'' ? "&#39;"
                                    : NULL;
    if (named) {
        (void)snprintf(out, ESCAPE_LEN_MAX + 1, "%s", named);
        return 1;
    }
    if (c < 0x20) {
        (void)snprintf(out, ESCAPE_LEN_MAX + 1, "&#x%X;", c);
        return 1;
    }
    if (s.len >= 3 && (unsigned char)s.data[1] == 0xbf && (unsigned char)s.data[2] >= 0xbe) {
        bool is_ffff = (unsigned char)s.data[2] == 0xbf;
        (void)snprintf(out, ESCAPE_LEN_MAX + 1, "&#xFFF%c;", is_ffff ? 'F' : 'E');
        return 3;
    }
    (void)snprintf(out, ESCAPE_LEN_MAX + 1, "%c", c);
    return 1;
}

int tn_xml_escape(struct tn_buf *out, struct tn_str text)
{
    size_t len_before = out->len;
    int rc = TARN_OK;
    while (text.len && rc == TARN_OK) {
        size_t plain = plain_prefix(text);
        rc = tn_buf_append(out, text.data, plain);
        text = tn_str_sub(text, plain, text.len);
        if (rc < 0 || text.len == 0)
            break;
        char escape[ESCAPE_LEN_MAX + 1];
        size_t taken = escape_one(text, escape);
        rc = tn_buf_append_text(out, escape);
        text = tn_str_sub(text, taken, text.len);
    }
    if (rc < 0)
        tn_buf_truncate(out, len_before);
    return rc;
}

static char *put(char *at, const char *bytes, size_t len)
{
    if (len)
        memcpy(at, bytes, len);
    return at + len;
}

/* `before`, `name` and `behind` in one step. */
static void append_tag(struct tn_xml_writer *w, struct tn_str before, const char *name,
                       struct tn_str behind)
{
    if (w->rc < 0)
        return;
    size_t name_len = strlen(name);
    size_t len = before.len + name_len + behind.len;
    w->rc = tn_buf_reserve(w->out, len);
    if (w->rc < 0)
        return;
    char *at = put(w->out->data + w->out->len, before.data, before.len);
    at = put(at, name, name_len);
    at = put(at, behind.data, behind.len);
    *at = '\0';
    w->out->len += len;
}

void tn_xml_root(struct tn_xml_writer *w, const char *name, const char *xmlns)
{
    if (w->rc < 0)
        return;
    append_tag(w, TN_STR("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<"), name, TN_STR_EMPTY);
    if (xmlns)
        append_tag(w, TN_STR(" xmlns=\""), xmlns, TN_STR("\""));
    append_tag(w, TN_STR_EMPTY, ">", TN_STR_EMPTY);
}

void tn_xml_open(struct tn_xml_writer *w, const char *name)
{
    append_tag(w, TN_STR("<"), name, TN_STR(">"));
}

void tn_xml_close(struct tn_xml_writer *w, const char *name)
{
    append_tag(w, TN_STR("</"), name, TN_STR(">"));
}

void tn_xml_str(struct tn_xml_writer *w, const char *name, struct tn_str text)
{
    tn_xml_open(w, name);
    if (w->rc == TARN_OK)
        w->rc = tn_xml_escape(w->out, text);
    tn_xml_close(w, name);
}

void tn_xml_text(struct tn_xml_writer *w, const char *name, const char *text)
{
    tn_xml_str(w, name, tn_str_from(text));
}

void tn_xml_u64(struct tn_xml_writer *w, const char *name, uint64_t number)
{
    char digits[24];
    (void)snprintf(digits, sizeof digits, "%" PRIu64, number);
    tn_xml_text(w, name, digits);
}

void tn_xml_bool(struct tn_xml_writer *w, const char *name, bool is_true)
{
    tn_xml_text(w, name, is_true ? "true" : "false");
}
