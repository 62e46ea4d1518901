/* SPDX-License-Identifier: Apache-2.0 */
/* Percent-encoding and URLs. */

#include "proto/uri.h"

#include "proto/hex.h"

static bool is_kept(char c, unsigned flags)
{
    return tn_is_unreserved(c) || (c == '/' && (flags & TN_URI_KEEP_SLASH));
}

int tn_uri_encode(struct tn_buf *out, struct tn_str s, unsigned flags)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t len = 0;
    for (size_t i = 0; i < s.len; i++)
        len += is_kept(s.data[i], flags) ? 1 : 3;
    int rc = tn_buf_reserve(out, len);
    if (rc < 0 || len == 0)
        return rc;

    char *at = out->data + out->len;
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.data[i];
        if (is_kept((char)c, flags)) {
            *at++ = (char)c;
            continue;
        }
        *at++ = '%';
        *at++ = digits[c >> 4];
        *at++ = digits[c & 15];
    }
    *at = '\0';
    out->len += len;
    return TARN_OK;
}

/* Room for s.len bytes in `out`. Bytes written, or SIZE_MAX for a bad escape. */
static size_t decode(struct tn_str s, unsigned flags, char *out)
{
    size_t len = 0;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.data[i];
        if (c == '%') {
            int high = s.len - i > 2 ? tn_hex_value(s.data[i + 1]) : -1;
            int low = s.len - i > 2 ? tn_hex_value(s.data[i + 2]) : -1;
            if (high < 0 || low < 0)
                return SIZE_MAX;
            c = (char)(high << 4 | low);
            i += 2;
        } else if (c == '+' && (flags & TN_URI_PLUS_IS_SPACE)) {
            c = ' ';
        }
        out[len++] = c;
    }
    return len;
}

int tn_uri_decode(struct tn_buf *out, struct tn_str s, unsigned flags)
{
    int rc = tn_buf_reserve(out, s.len);
    if (rc < 0 || s.len == 0)
        return rc;
    size_t len = decode(s, flags, out->data + out->len);
    if (len == SIZE_MAX) {
        tn_buf_truncate(out, out->len);
        return TARN_EINVAL;
    }
    out->len += len;
    out->data[out->len] = '\0';
    return TARN_OK;
}

int tn_uri_decode_in(struct tn_arena *a, struct tn_str s, unsigned flags, struct tn_str *out)
{
    bool has_plus = (flags & TN_URI_PLUS_IS_SPACE) && tn_str_find_char(s, '+') != SIZE_MAX;
    if (!has_plus && tn_str_find_char(s, '%') == SIZE_MAX) {
        *out = s;
        return TARN_OK;
    }
    char *copy = tn_arena_alloc(a, s.len + 1);
    if (!copy)
        return TARN_ENOMEM;
    size_t len = decode(s, flags, copy);
    if (len == SIZE_MAX)
        return TARN_EINVAL;
    copy[len] = '\0';
    *out = (struct tn_str){ copy, len };
    return TARN_OK;
}

/* Four numbers up to 255 without leading zeros. */
static bool is_ipv4(struct tn_str s)
{
    for (int i = 0; i < 4; i++) {
        uint64_t number;
        struct tn_str part = i < 3 ? tn_str_split(&s, '.') : s;
        if (part.len > 3 || tn_str_to_u64(part, &number) < 0 || number > 255)
            return false;
        if (part.len > 1 && part.data[0] == '0')
            return false;
        if (i == 2 && s.len == 0)
            return false;
    }
    return true;
}

/* One group of up to four hexadecimal digits, or an IPv4 address at the end, which counts for two;
 * 0 when it is neither. */
static int ipv6_group(struct tn_str group, bool is_last)
{
    if (is_last && tn_str_find_char(group, '.') != SIZE_MAX)
        return is_ipv4(group) ? 2 : 0;
    if (group.len == 0 || group.len > 4)
        return 0;
    for (size_t i = 0; i < group.len; i++) {
        if (tn_hex_value(group.data[i]) < 0)
            return 0;
    }
    return 1;
}

/* Groups in "a:b:c", or -1. */
static int ipv6_groups(struct tn_str s, bool has_end)
{
    int count = 0;
    while (s.len) {
        size_t colon = tn_str_find_char(s, ':');
        bool is_last = colon == SIZE_MAX;
        int n = ipv6_group(tn_str_sub(s, 0, colon), has_end && is_last);
        if (n == 0 || (!is_last && colon + 1 == s.len))
            return -1;
        count += n;
        s = is_last ? TN_STR_EMPTY : tn_str_sub(s, colon + 1, s.len);
    }
    return count;
}

static bool is_ipv6(struct tn_str s)
{
    size_t gap = tn_str_find(s, TN_STR("::"));
    if (gap == SIZE_MAX)
        return ipv6_groups(s, true) == 8;
    int before = ipv6_groups(tn_str_sub(s, 0, gap), false);
    int behind = ipv6_groups(tn_str_sub(s, gap + 2, s.len), true);
    return before >= 0 && behind >= 0 && before + behind <= 7;
}

/* Letters, digits, '-', '_' and '.': names of the DNS, and of containers. */
static bool is_host_name(struct tn_str s)
{
    if (s.len == 0 || s.len > 253)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.data[i];
        if (!tn_is_alpha(c) && !tn_is_digit(c) && c != '-' && c != '_' && c != '.')
            return false;
    }
    return s.data[0] != '.' && s.data[0] != '-';
}

static int parse_port(struct tn_str text, uint16_t *out)
{
    uint64_t port;
    if (text.len > 5 || tn_str_to_u64(text, &port) < 0 || port == 0 || port > UINT16_MAX)
        return TARN_EINVAL;
    *out = (uint16_t)port;
    return TARN_OK;
}

/* Splits "[v6]:port" or "name:port"; `port` is empty with data NULL when there is no colon. */
static int split_host(struct tn_str text, struct tn_url *out, struct tn_str *port)
{
    *port = (struct tn_str){ 0 };
    if (text.len && text.data[0] == '[') {
        size_t end = tn_str_find_char(text, ']');
        if (end == SIZE_MAX || (end + 1 < text.len && text.data[end + 1] != ':'))
            return TARN_EINVAL;
        out->host = tn_str_sub(text, 1, end - 1);
        out->host_kind = TN_HOST_IPV6;
        if (end + 1 < text.len)
            *port = tn_str_sub(text, end + 2, text.len);
        return is_ipv6(out->host) ? TARN_OK : TARN_EINVAL;
    }
    size_t colon = tn_str_find_char(text, ':');
    out->host = tn_str_sub(text, 0, colon);
    if (colon != SIZE_MAX)
        *port = tn_str_sub(text, colon + 1, text.len);
    out->host_kind = is_ipv4(out->host) ? TN_HOST_IPV4 : TN_HOST_NAME;
    return is_host_name(out->host) ? TARN_OK : TARN_EINVAL;
}

int tn_url_parse_host(struct tn_str text, struct tn_url *out)
{
    struct tn_url url = *out;
    struct tn_str port;
    int rc = split_host(text, &url, &port);
    if (rc < 0)
        return rc;
    url.port = 0;
    if (port.data)
        rc = parse_port(port, &url.port);
    if (rc < 0)
        return rc;
    *out = url;
    return TARN_OK;
}

/* No blanks, control bytes or fragments; bytes over 0x7f pass, since many clients send keys
 * unencoded. */
static bool is_clean(struct tn_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.data[i];
        if (c <= 0x20 || c == 0x7f || c == '#')
            return false;
    }
    return true;
}

static void split_path(struct tn_str text, struct tn_url *out)
{
    size_t mark = tn_str_find_char(text, '?');
    out->has_query = mark != SIZE_MAX;
    out->path = tn_str_sub(text, 0, mark);
    out->query = out->has_query ? tn_str_sub(text, mark + 1, text.len) : TN_STR_EMPTY;
}

static bool is_scheme(struct tn_str s)
{
    if (s.len == 0 || !tn_is_alpha(s.data[0]))
        return false;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.data[i];
        if (!tn_is_alpha(c) && !tn_is_digit(c) && c != '+' && c != '-' && c != '.')
            return false;
    }
    return true;
}

int tn_url_parse(struct tn_str text, struct tn_url *out)
{
    size_t mark = tn_str_find(text, TN_STR("://"));
    if (mark == SIZE_MAX || text.len > TN_URL_LEN_MAX || !is_clean(text))
        return TARN_EINVAL;
    struct tn_url url = { .scheme = tn_str_sub(text, 0, mark) };
    struct tn_str rest = tn_str_sub(text, mark + 3, text.len);
    size_t host_len = 0;
    while (host_len < rest.len && rest.data[host_len] != '/' && rest.data[host_len] != '?')
        host_len++;
    if (!is_scheme(url.scheme) || tn_url_parse_host(tn_str_sub(rest, 0, host_len), &url) < 0)
        return TARN_EINVAL;
    split_path(tn_str_sub(rest, host_len, rest.len), &url);
    *out = url;
    return TARN_OK;
}

int tn_url_parse_target(struct tn_str target, struct tn_url *out)
{
    if (tn_str_eq(target, TN_STR("*"))) {
        *out = (struct tn_url){ .path = target };
        return TARN_OK;
    }
    if (target.len == 0 || target.data[0] != '/')
        return tn_url_parse(target, out);
    if (target.len > TN_URL_LEN_MAX || !is_clean(target))
        return TARN_EINVAL;
    struct tn_url url = { .host_kind = TN_HOST_NONE };
    split_path(target, &url);
    *out = url;
    return TARN_OK;
}
