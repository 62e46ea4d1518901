/* SPDX-License-Identifier: Apache-2.0 */
/* multipart/form-data. A delimiter holds its only CR at its start, so that what did not match can
 * begin a new one only with a CR: no look-back is needed. */

#include "proto/form_data.h"

/* --- Content-Type --- */

/* "; name=value" or "; name=\"value\"": takes one off `rest`. */
static bool next_param(struct tn_str *rest, struct tn_str *name, struct tn_str *value)
{
    struct tn_str text = tn_str_trim(*rest);
    if (text.len == 0 || text.data[0] != ';')
        return false;
    text = tn_str_trim(tn_str_sub(text, 1, SIZE_MAX));
    *value = text;
    *name = tn_str_trim(tn_str_split(value, '='));
    *value = tn_str_trim(*value);
    size_t end;
    if (value->len && value->data[0] == '"') {
        *value = tn_str_sub(*value, 1, SIZE_MAX);
        for (end = 0; end < value->len && value->data[end] != '"'; end++) {
            if (value->data[end] == '\\' && end + 1 < value->len)
                end++;
        }
        if (end >= value->len)
            return false;
        *rest = tn_str_sub(*value, end + 1, SIZE_MAX);
    } else {
        end = tn_str_find_char(*value, ';');
        *rest = tn_str_sub(*value, end, SIZE_MAX);
    }
    *value = tn_str_sub(*value, 0, end);
    return true;
}

int tn_form_boundary(struct tn_str content_type, struct tn_str *out)
{
    const struct tn_str wanted = TN_STR("multipart/form-data");
    struct tn_str rest = tn_str_sub(content_type, wanted.len, SIZE_MAX);
    struct tn_str name;
    struct tn_str value;
    if (!tn_str_eq_nocase(tn_str_sub(content_type, 0, wanted.len), wanted))
        return TARN_EINVAL;
    while (next_param(&rest, &name, &value)) {
        if (!tn_str_eq_nocase(name, TN_STR("boundary")))
            continue;
        if (value.len == 0 || value.len > TN_FORM_BOUNDARY_LEN_MAX)
            return TARN_EINVAL;
        *out = value;
        return TARN_OK;
    }
    return TARN_EINVAL;
}

int tn_form_init(struct tn_form *f, struct tn_str boundary, const struct tn_form_handler *handler,
                 void *arg)
{
    *f = (struct tn_form){ .handler = handler, .arg = arg };
    f->head = TN_BUF_INIT(TN_FORM_HEAD_LEN_MAX);
    if (boundary.len == 0 || boundary.len > TN_FORM_BOUNDARY_LEN_MAX)
        return TARN_EINVAL;
    for (size_t i = 0; i < boundary.len; i++) {
        if (boundary.data[i] < ' ' || boundary.data[i] > '~')
            return TARN_EINVAL;
    }
    memcpy(f->delimiter, "\r\n--", 4);
    memcpy(f->delimiter + 4, boundary.data, boundary.len);
    f->delimiter_len = 4 + boundary.len;
    f->matched = 2; /* the first one needs no line before it */
    return TARN_OK;
}

void tn_form_release(struct tn_form *f)
{
    tn_buf_release(&f->head);
}

/* --- Heads --- */

/* form-data; name="file"; filename="a.txt" */
static int read_disposition(struct tn_str value, struct tn_str *name, struct tn_str *filename,
                            bool *has_filename)
{
    size_t at = tn_str_find_char(value, ';');
    struct tn_str rest = tn_str_sub(value, at, SIZE_MAX);
    struct tn_str param;
    struct tn_str text;
    bool has_name = false;
    if (!tn_str_eq_nocase(tn_str_trim(tn_str_sub(value, 0, at)), TN_STR("form-data")))
        return TARN_EINVAL;
    while (next_param(&rest, &param, &text)) {
        if (tn_str_eq_nocase(param, TN_STR("name")) && !has_name) {
            *name = text;
            has_name = true;
        } else if (tn_str_eq_nocase(param, TN_STR("filename")) && !*has_filename) {
            *filename = text;
            *has_filename = true;
        }
    }
    return has_name && tn_str_trim(rest).len == 0 ? TARN_OK : TARN_EINVAL;
}

static int end_head(struct tn_form *f)
{
    struct tn_str rest = tn_buf_str(&f->head);
    struct tn_str name = TN_STR_EMPTY;
    struct tn_str filename = TN_STR_EMPTY;
    struct tn_str type = TN_STR_EMPTY;
    bool has_filename = false;
    int rc = TARN_EINVAL; /* until there is a Content-Disposition */
    while (rest.len) {
        struct tn_str value = tn_str_split(&rest, '\n');
        if (value.len && value.data[value.len - 1] == '\r')
            value.len--;
        struct tn_str field = tn_str_trim(tn_str_split(&value, ':'));
        value = tn_str_trim(value);
        if (tn_str_eq_nocase(field, TN_STR("content-disposition")))
            rc = read_disposition(value, &name, &filename, &has_filename);
        else if (tn_str_eq_nocase(field, TN_STR("content-type")))
            type = value;
    }
    if (rc < 0)
        return rc;
    if (++f->part_count > TN_FORM_PART_COUNT_MAX)
        return TARN_ETOOBIG;
    rc = f->handler->part(f->arg, name, filename, has_filename, type);
    f->head.len = 0;
    f->state = TN_FORM_DATA;
    f->matched = 0;
    return rc;
}

/* Up to and with the blank line. */
static int take_head(struct tn_form *f, char c)
{
    int rc = tn_buf_append_char(&f->head, c);
    if (rc < 0 || c != '\n')
        return rc;
    struct tn_str head = tn_buf_str(&f->head);
    bool is_end = tn_str_ends(head, TN_STR("\r\n\r\n")) || tn_str_eq(head, TN_STR("\r\n"));
    return is_end ? end_head(f) : TARN_OK;
}

/* --- Data --- */

static int give(struct tn_form *f, const char *bytes, size_t len)
{
    if (len == 0 || f->state != TN_FORM_DATA)
        return TARN_OK;
    return f->handler->data(f->arg, bytes, len);
}

static int end_data(struct tn_form *f)
{
    int rc = f->state == TN_FORM_DATA ? f->handler->end(f->arg) : TARN_OK;
    f->state = TN_FORM_AFTER;
    f->matched = 0;
    return rc;
}

/* Takes as much as it can; returns how much through `taken`. */
static int take_data(struct tn_form *f, const char *bytes, size_t len, size_t *taken)
{
    if (f->matched == 0) {
        const char *cr = memchr(bytes, '\r', len);
        *taken = cr ? (size_t)(cr - bytes) : len;
        if (*taken)
            return give(f, bytes, *taken);
    }
    *taken = 1;
    if (bytes[0] == f->delimiter[f->matched]) {
        f->matched++;
        return f->matched == f->delimiter_len ? end_data(f) : TARN_OK;
    }
    if (f->state == TN_FORM_START)
        return TARN_EINVAL;
    size_t matched = f->matched;
    f->matched = 0;
    *taken = 0; /* this byte is looked at again */
    return give(f, f->delimiter, matched);
}

/* Behind a boundary: "--" ends the form, a line break begins a part. */
static int take_after(struct tn_form *f, char c)
{
    f->after[f->matched++] = c;
    if (f->matched < 2)
        return c == '\r' || c == '-' ? TARN_OK : TARN_EINVAL;
    bool is_last = f->after[0] == '-' && c == '-';
    if (!is_last && (f->after[0] != '\r' || c != '\n'))
        return TARN_EINVAL;
    f->state = is_last ? TN_FORM_DONE : TN_FORM_HEAD;
    f->matched = 0;
    return TARN_OK;
}

static int step(struct tn_form *f, const char *bytes, size_t len, size_t *taken)
{
    *taken = 1;
    switch (f->state) {
    case TN_FORM_START:
    case TN_FORM_DATA:
        return take_data(f, bytes, len, taken);
    case TN_FORM_AFTER:
        return take_after(f, bytes[0]);
    case TN_FORM_HEAD:
        return take_head(f, bytes[0]);
    default:
        *taken = len; /* what follows the last boundary means nothing */
        return TARN_OK;
    }
}

int tn_form_feed(struct tn_form *f, const char *bytes, size_t len, struct tarn_error *err)
{
    size_t at = 0;
    while (f->rc == TARN_OK && at < len) {
        size_t taken;
        f->rc = step(f, bytes + at, len - at, &taken);
        at += taken;
    }
    if (f->rc == TARN_OK)
        return TARN_OK;
    f->state = TN_FORM_FAILED;
    return tn_fail(err, f->rc, "could not read the form: %s", tarn_status_text(f->rc));
}

int tn_form_finish(const struct tn_form *f, struct tarn_error *err)
{
    if (f->state == TN_FORM_DONE)
        return TARN_OK;
    return tn_fail(err, f->rc < 0 ? f->rc : TARN_EINVAL, "the form ends too soon");
}
