/* SPDX-License-Identifier: Apache-2.0 */
/* Forms: every split gives the same events and the same end. */

#include <assert.h>

#include "proto/form_data.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int on_part(void *arg, struct tn_str name, struct tn_str filename, bool has_filename,
                   struct tn_str type)
{
    return tn_buf_appendf(arg, "<%.*s|%.*s|%d|%.*s>", TN_STR_ARG(name), TN_STR_ARG(filename),
                          (int)has_filename, TN_STR_ARG(type));
}

static int on_data(void *arg, const char *bytes, size_t len)
{
    return tn_buf_append(arg, bytes, len);
}

static int on_end(void *arg)
{
    return tn_buf_append_char(arg, '.');
}

static const struct tn_form_handler handler = { on_part, on_data, on_end };

static int parse(const char *bytes, size_t len, size_t step, struct tn_buf *events)
{
    struct tn_form f;
    int rc = tn_form_init(&f, TN_STR("B"), &handler, events);
    for (size_t i = 0; rc == TARN_OK && i < len; i += step)
        rc = tn_form_feed(&f, bytes + i, len - i < step ? len - i : step, NULL);
    if (rc == TARN_OK)
        rc = tn_form_finish(&f, NULL);
    tn_form_release(&f);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    TN_AUTO_BUF whole = TN_BUF_INIT(SIZE_MAX / 2);
    TN_AUTO_BUF split = TN_BUF_INIT(SIZE_MAX / 2);
    struct tn_str boundary;
    int rc = parse((const char *)data, len, len + 1, &whole);
    int again = parse((const char *)data, len, 1 + len % 7, &split);
    assert(rc == again);
    assert(tn_str_eq(tn_buf_str(&whole), tn_buf_str(&split)));
    rc = tn_form_boundary((struct tn_str){ (const char *)data, len }, &boundary);
    assert(rc < 0 || (boundary.len > 0 && boundary.len <= TN_FORM_BOUNDARY_LEN_MAX));
    return 0;
}
