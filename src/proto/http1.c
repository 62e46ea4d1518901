/* SPDX-License-Identifier: Apache-2.0 */
/* The head of an HTTP/1.x request, line by line: each line is parsed once, as soon as it is
 * complete, so that the outcome never depends on how the bytes were split. Positions are kept, not
 * pointers: the buffer may move. */

#include "proto/http1.h"

#include <assert.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { CLASS_TOKEN = 1u << 0, CLASS_HOST = 1u << 1 };

/* Token characters of RFC 9110 section 5.6.2; host characters of RFC 3986 section 3.2.2, with those
 * of ports and address literals. */
static const uint8_t classes[256] = {
    ['0' ... '9'] = CLASS_TOKEN | CLASS_HOST,
    ['a' ... 'z'] = CLASS_TOKEN | CLASS_HOST,
    ['A' ... 'Z'] = CLASS_TOKEN | CLASS_HOST,
    ['!'] = CLASS_TOKEN | CLASS_HOST,
    ['#'] = CLASS_TOKEN,
    ['$'] = CLASS_TOKEN | CLASS_HOST,
    ['%'] = CLASS_TOKEN | CLASS_HOST,
    ['&'] = CLASS_TOKEN | CLASS_HOST,
    ['\''] = CLASS_TOKEN | CLASS_HOST,
    ['*'] = CLASS_TOKEN | CLASS_HOST,
    ['+'] = CLASS_TOKEN | CLASS_HOST,
    ['-'] = CLASS_TOKEN | CLASS_HOST,
    ['.'] = CLASS_TOKEN | CLASS_HOST,
    ['^'] = CLASS_TOKEN,
    ['_'] = CLASS_TOKEN | CLASS_HOST,
    ['`'] = CLASS_TOKEN,
    ['|'] = CLASS_TOKEN,
    ['~'] = CLASS_TOKEN | CLASS_HOST,
    ['('] = CLASS_HOST,
    [')'] = CLASS_HOST,
    [','] = CLASS_HOST,
    [';'] = CLASS_HOST,
    ['='] = CLASS_HOST,
    [':'] = CLASS_HOST,
    ['['] = CLASS_HOST,
    [']'] = CLASS_HOST,
};

/* How many bytes at the start of `s` are of that class. */
static size_t class_prefix(struct tn_str s, unsigned class)
{
    size_t i = 0;
    while (i < s.len && (classes[(unsigned char)s.data[i]] & class))
        i++;
    return i;
}

static bool is_control(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7f;
}

#ifdef __SSE2__
/* Bit i: byte i of the 16 at `bytes` is a control byte other than a tab. */
static unsigned control_mask(const char *bytes)
{
    __m128i v;
    memcpy(&v, bytes, sizeof v);
    __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(0x1f)), v);
    __m128i tab = _mm_cmpeq_epi8(v, _mm_set1_epi8('\t'));
    __m128i del = _mm_cmpeq_epi8(v, _mm_set1_epi8(0x7f));
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_andnot_si128(tab, low), del));
}

/* Tabs are allowed in values. */
static bool has_control(struct tn_str s)
{
    size_t i = 0;
    for (; i + 16 <= s.len; i += 16) {
        if (control_mask(s.data + i))
            return true;
    }
    if (i && i < s.len) /* the last 16 bytes once more rather than one by one */
        return control_mask(s.data + s.len - 16) != 0;
    for (; i < s.len; i++) {
        if (is_control(s.data[i]) && s.data[i] != '\t')
            return true;
    }
    return false;
}
#else
static bool has_control(struct tn_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (is_control(s.data[i]) && s.data[i] != '\t')
            return true;
    }
    return false;
}
#endif

void tn_http1_init(struct tn_http1 *h, size_t head_len_max)
{
    if (head_len_max > TN_HTTP1_HEAD_LEN_MAX)
        head_len_max = TN_HTTP1_HEAD_LEN_MAX;
    /* The spans are large and written before they are read. */
    memset(h, 0, offsetof(struct tn_http1, spans));
    h->head_len_max = head_len_max;
}

static int refuse(struct tn_http1 *h, int status, const char *reason)
{
    h->refuse_status = status;
    h->refuse_reason = reason;
    return TARN_EINVAL;
}

static struct tn_http1_span span_of(const char *base, struct tn_str name, struct tn_str value)
{
    return (struct tn_http1_span){
        .name = (uint32_t)(name.data - base),
        .name_len = (uint32_t)name.len,
        .value = (uint32_t)(value.data - base),
        .value_len = (uint32_t)value.len,
    };
}

static int parse_version(struct tn_http1 *h, struct tn_str s)
{
    if (s.len != 8 || memcmp(s.data, "HTTP/", 5) != 0 || s.data[6] != '.' ||
        !tn_is_digit(s.data[5]) || !tn_is_digit(s.data[7]))
        return refuse(h, 400, "malformed HTTP version");
    if (s.data[5] != '1')
        return refuse(h, 505, "HTTP version not supported");
    /* A later 1.x is answered as 1.1 (RFC 9110 section 2.5). */
    h->head.minor_version = s.data[7] != '0';
    return TARN_OK;
}

/* METHOD SP target SP HTTP/1.x, one blank each. */
static int on_request_line(struct tn_http1 *h, const char *base, struct tn_str line)
{
    struct tn_str method = tn_str_sub(line, 0, class_prefix(line, CLASS_TOKEN));
    if (method.len == 0 || method.len == line.len || line.data[method.len] != ' ')
        return refuse(h, 400, "malformed request line");
    struct tn_str rest = tn_str_sub(line, method.len + 1, line.len);
    size_t target_len = tn_str_find_char(rest, ' ');
    if (target_len == 0 || target_len == SIZE_MAX)
        return refuse(h, 400, "malformed request line");
    struct tn_str target = tn_str_sub(rest, 0, target_len);
    if (has_control(target) || tn_str_find_char(target, '\t') != SIZE_MAX)
        return refuse(h, 400, "control byte in the request target");

    h->request_line = span_of(base, method, target);
    h->has_request_line = true;
    return parse_version(h, tn_str_sub(rest, target_len + 1, rest.len));
}

/* As tn_str_trim(), but inlined: it runs for every header. */
static inline struct tn_str trim(struct tn_str s)
{
    while (s.len && (s.data[0] == ' ' || s.data[0] == '\t')) {
        s.data++;
        s.len--;
    }
    while (s.len && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t'))
        s.len--;
    return s;
}

int tn_http1_field_parse(struct tn_str line, struct tn_header *out)
{
    size_t name_len = class_prefix(line, CLASS_TOKEN);
    if (name_len == 0 || name_len == line.len || line.data[name_len] != ':')
        return TARN_EINVAL;
    struct tn_str value = trim(tn_str_sub(line, name_len + 1, line.len));
    if (has_control(value))
        return TARN_EINVAL;
    *out = (struct tn_header){ { line.data, name_len }, value };
    return TARN_OK;
}

bool tn_http1_list_has(struct tn_str list, struct tn_str token)
{
    while (list.len) {
        struct tn_str item = tn_str_trim(tn_str_split(&list, ','));
        if (tn_str_eq_nocase(item, token))
            return true;
    }
    return false;
}

static int on_host(struct tn_http1 *h, const char *base, struct tn_header field)
{
    if (h->has_host)
        return refuse(h, 400, "more than one Host header");
    if (class_prefix(field.value, CLASS_HOST) != field.value.len)
        return refuse(h, 400, "malformed Host header");
    h->has_host = true;
    h->host = span_of(base, field.name, field.value);
    return TARN_OK;
}

/* Even equal repetitions are refused: a proxy in front may have picked the other one. */
static int on_content_length(struct tn_http1 *h, struct tn_str value)
{
    if (h->head.has_content_length)
        return refuse(h, 400, "more than one Content-Length header");
    if (tn_str_to_u64(value, &h->head.content_length) < 0)
        return refuse(h, 400, "malformed Content-Length header");
    h->head.has_content_length = true;
    return TARN_OK;
}

static int on_transfer_encoding(struct tn_http1 *h, struct tn_str value)
{
    if (h->has_transfer_encoding)
        return refuse(h, 400, "more than one Transfer-Encoding header");
    if (!tn_str_eq_nocase(value, TN_STR("chunked")))
        return refuse(h, 501, "transfer coding not supported");
    h->has_transfer_encoding = true;
    return TARN_OK;
}

/* Whoever waits for what nobody promised does so for a while only, then sends its body: RFC 9110
 * section 10.1.1 lets a server ignore what it does not know, and S3 does. */
static int on_expect(struct tn_http1 *h, struct tn_str value)
{
    h->head.expects_continue |= tn_http1_list_has(value, TN_STR("100-continue"));
    return TARN_OK;
}

/* The headers that frame the message or steer the connection; the others are the caller's. */
static int on_framing(struct tn_http1 *h, const char *base, struct tn_header field)
{
    switch (field.name.len) {
    case 4:
        if (tn_str_eq_nocase(field.name, TN_STR("host")))
            return on_host(h, base, field);
        break;
    case 6:
        if (tn_str_eq_nocase(field.name, TN_STR("expect")))
            return on_expect(h, field.value);
        break;
    case 10:
        if (tn_str_eq_nocase(field.name, TN_STR("connection"))) {
            h->has_close |= tn_http1_list_has(field.value, TN_STR("close"));
            h->has_keep_alive |= tn_http1_list_has(field.value, TN_STR("keep-alive"));
        }
        break;
    case 14:
        if (tn_str_eq_nocase(field.name, TN_STR("content-length")))
            return on_content_length(h, field.value);
        break;
    case 17:
        if (tn_str_eq_nocase(field.name, TN_STR("transfer-encoding")))
            return on_transfer_encoding(h, field.value);
        break;
    default:
        break;
    }
    return TARN_OK;
}

static int on_field(struct tn_http1 *h, const char *base, struct tn_str line)
{
    if (h->head.header_count == TN_HTTP1_HEADER_COUNT_MAX)
        return refuse(h, 431, "too many header fields");
    struct tn_header field;
    if (tn_http1_field_parse(line, &field) < 0)
        return refuse(h, 400, "malformed header field");
    h->spans[h->head.header_count++] = span_of(base, field.name, field.value);
    return on_framing(h, base, field);
}

/* The empty line has come: what no single header could decide. */
static int on_complete(struct tn_http1 *h)
{
    struct tn_http1_head *head = &h->head;
    bool is_http11 = head->minor_version == 1;
    if (is_http11 && !h->has_host)
        return refuse(h, 400, "missing Host header");
    if (h->has_transfer_encoding && head->has_content_length)
        return refuse(h, 400, "both Content-Length and Transfer-Encoding");
    if (h->has_transfer_encoding && !is_http11)
        return refuse(h, 400, "Transfer-Encoding in an HTTP/1.0 request");
    head->is_chunked = h->has_transfer_encoding;
    head->is_keep_alive = !h->has_close && (is_http11 || h->has_keep_alive);
    head->expects_continue &= is_http11;
    h->head_len = h->scanned;
    return TARN_OK;
}

static int on_line(struct tn_http1 *h, const char *base, struct tn_str line)
{
    if (line.len == 0) /* empty lines before a request are skipped (RFC 9112 section 2.2) */
        return h->has_request_line ? on_complete(h) : TARN_EAGAIN;
    int rc = h->has_request_line ? on_field(h, base, line) : on_request_line(h, base, line);
    return rc == TARN_OK ? TARN_EAGAIN : rc;
}

int tn_http1_parse(struct tn_http1 *h, const char *bytes, size_t len)
{
    assert(!h->refuse_status);
    assert(!h->head_len);
    assert(len >= h->scanned);
    size_t end = len < h->head_len_max ? len : h->head_len_max;
    while (h->scanned < end) {
        const char *lf = memchr(bytes + h->scanned, '\n', end - h->scanned);
        h->scanned = lf ? (size_t)(lf - bytes) + 1 : end;
        if (!lf)
            break;
        size_t line_len = h->scanned - h->line_start - 1;
        if (line_len == 0 || lf[-1] != '\r')
            return refuse(h, 400, "line feed without carriage return");
        int rc = on_line(h, bytes, (struct tn_str){ bytes + h->line_start, line_len - 1 });
        if (rc != TARN_EAGAIN)
            return rc;
        h->line_start = h->scanned;
    }
    if (len < h->head_len_max)
        return TARN_EAGAIN;
    if (!h->has_request_line)
        return refuse(h, 414, "request line too long");
    return refuse(h, 431, "request head too large");
}

static struct tn_header header_at(const char *base, struct tn_http1_span span)
{
    return (struct tn_header){ { base + span.name, span.name_len },
                               { base + span.value, span.value_len } };
}

int tn_http1_take(const struct tn_http1 *h, const char *bytes, struct tn_arena *a,
                  struct tn_http1_head *out)
{
    assert(h->head_len);
    const char *base = tn_arena_memdup(a, bytes, h->head_len);
    struct tn_header *headers = tn_arena_alloc(a, h->head.header_count * sizeof *headers);
    if (!base || !headers)
        return TARN_ENOMEM;
    for (size_t i = 0; i < h->head.header_count; i++)
        headers[i] = header_at(base, h->spans[i]);

    struct tn_header line = header_at(base, h->request_line);
    *out = h->head;
    out->headers = headers;
    out->method = line.name;
    out->target = line.value;
    out->host = h->has_host ? header_at(base, h->host).value : TN_STR_EMPTY;
    return TARN_OK;
}

bool tn_http1_find(const struct tn_http1_head *head, struct tn_str name, struct tn_str *value)
{
    for (size_t i = 0; i < head->header_count; i++) {
        if (tn_str_eq_nocase(head->headers[i].name, name)) {
            *value = head->headers[i].value;
            return true;
        }
    }
    return false;
}

struct tn_str tn_http1_value(const struct tn_http1_head *head, struct tn_str name)
{
    struct tn_str value = TN_STR_EMPTY;
    (void)tn_http1_find(head, name, &value);
    return value;
}

size_t tn_http1_count(const struct tn_http1_head *head, struct tn_str name)
{
    size_t count = 0;
    for (size_t i = 0; i < head->header_count; i++)
        count += tn_str_eq_nocase(head->headers[i].name, name);
    return count;
}
