/* SPDX-License-Identifier: Apache-2.0 */
/* Writing XML: tags and escaped text. */

#include "proto/xml.h"

#include <inttypes.h>

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

static const char *const escapes[256] = {
    [0x00] = "&#x0;",  [0x01] = "&#x1;",  [0x02] = "&#x2;",  [0x03] = "&#x3;",  [0x04] = "&#x4;",
    [0x05] = "&#x5;",  [0x06] = "&#x6;",  [0x07] = "&#x7;",  [0x08] = "&#x8;",  [0x09] = "&#x9;",
    [0x0a] = "&#xA;",  [0x0b] = "&#xB;",  [0x0c] = "&#xC;",  [0x0d] = "&#xD;",  [0x0e] = "&#xE;",
    [0x0f] = "&#xF;",  [0x10] = "&#x10;", [0x11] = "&#x11;", [0x12] = "&#x12;", [0x13] = "&#x13;",
    [0x14] = "&#x14;", [0x15] = "&#x15;", [0x16] = "&#x16;", [0x17] = "&#x17;", [0x18] = "&#x18;",
    [0x19] = "&#x19;", [0x1a] = "&#x1A;", [0x1b] = "&#x1B;", [0x1c] = "&#x1C;", [0x1d] = "&#x1D;",
    [0x1e] = "&#x1E;", [0x1f] = "&#x1F;", ['&'] = "&amp;",   ['<'] = "&lt;",    ['>'] = "&gt;",
    ['"'] = "&quot;",  ['\''] = "&#39;",
};

/* The escape for the front of `s`; `taken` is how many bytes of `s` it stands for. */
static struct tn_str escape_one(struct tn_str s, size_t *taken)
{
    const char *escape = escapes[(unsigned char)s.data[0]];
    *taken = 1;
    if (escape)
        return tn_str_from(escape);
    bool is_fffe = tn_str_starts(s, TN_STR("\xef\xbf\xbe"));
    if (!is_fffe && !tn_str_starts(s, TN_STR("\xef\xbf\xbf")))
        return tn_str_sub(s, 0, 1);
    *taken = 3;
    return is_fffe ? TN_STR("&#xFFFE;") : TN_STR("&#xFFFF;");
}

int tn_xml_escape(struct tn_buf *out, struct tn_str text)
{
    size_t len_before = out->len;
    int rc = TARN_OK;
    while (text.len && rc == TARN_OK) {
        size_t taken = plain_prefix(text);
        rc = tn_buf_append(out, text.data, taken);
        text = tn_str_sub(text, taken, text.len);
        if (rc < 0 || text.len == 0)
            break;
        rc = tn_buf_append_str(out, escape_one(text, &taken));
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
