/* SPDX-License-Identifier: Apache-2.0 */
/* Percent-encoding goes there and back; URLs are views that stay inside their text. */

#include <assert.h>

#include "proto/uri.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_inside(struct tn_str view, struct tn_str text)
{
    if (view.len == 0)
        return;
    assert(view.data >= text.data);
    assert(view.data + view.len <= text.data + text.len);
}

static void check_codec(struct tn_str text)
{
    TN_AUTO_BUF encoded = TN_BUF_INIT(SIZE_MAX / 2);
    TN_AUTO_BUF back = TN_BUF_INIT(SIZE_MAX / 2);
    int rc = tn_uri_encode(&encoded, text, (unsigned)text.len & TN_URI_KEEP_SLASH);
    assert(rc == TARN_OK);
    rc = tn_uri_decode(&back, tn_buf_str(&encoded), TN_URI_PLUS_IS_SPACE);
    assert(rc == TARN_OK);
    assert(tn_str_eq(tn_buf_str(&back), text));

    TN_AUTO_BUF decoded = TN_BUF_INIT(SIZE_MAX / 2);
    struct tn_arena a;
    struct tn_str out;
    tn_arena_init(&a, SIZE_MAX / 2);
    rc = tn_uri_decode(&decoded, text, 0);
    int arena_rc = tn_uri_decode_in(&a, text, 0, &out);
    assert(rc == arena_rc);
    assert(rc < 0 || tn_str_eq(out, tn_buf_str(&decoded)));
    assert(rc == TARN_OK || decoded.len == 0);
    tn_arena_release(&a);
}

static void check_url(int rc, const struct tn_url *url, struct tn_str text)
{
    if (rc < 0)
        return;
    check_inside(url->scheme, text);
    check_inside(url->host, text);
    check_inside(url->path, text);
    check_inside(url->query, text);
    assert(url->has_query || url->query.len == 0);
    assert(tn_str_find_char(url->path, '?') == SIZE_MAX);
    assert((url->host_kind == TN_HOST_NONE) == (url->host.len == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct tn_str text = { (const char *)data, len };
    struct tn_url url = { .port = 0 };
    check_codec(text);
    int rc = tn_url_parse(text, &url);
    check_url(rc, &url, text);
    rc = tn_url_parse_target(text, &url);
    check_url(rc, &url, text);
    url = (struct tn_url){ .port = 0 };
    rc = tn_url_parse_host(text, &url);
    check_url(rc, &url, text);
    return 0;
}
