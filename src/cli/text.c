/* SPDX-License-Identifier: Apache-2.0 */
/* How sizes, times and foreign names are shown; and lines of JSON. */

#include "cli/text.h"

void cli_size_text(uint64_t bytes, char out[CLI_SIZE_LEN])
{
    static const char *const units[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
    if (bytes < 1024) {
        (void)snprintf(out, CLI_SIZE_LEN, "%u B", (unsigned)bytes);
        return;
    }
    size_t unit = 0;
    uint64_t tenths = 0;
    for (unsigned shift = 10; unit < TN_COUNT(units); unit++, shift += 10) {
        uint64_t rest = bytes & (((uint64_t)1 << shift) - 1);
        tenths = (bytes >> shift) * 10 + ((rest * 10 + ((uint64_t)1 << (shift - 1))) >> shift);
        if (tenths < 10240 || unit + 1 == TN_COUNT(units))
            break;
    }
    (void)snprintf(out, CLI_SIZE_LEN, "%llu.%llu %s", (unsigned long long)(tenths / 10),
                   (unsigned long long)(tenths % 10), units[unit]);
}

void cli_duration_text(uint64_t ms, char out[CLI_SIZE_LEN])
{
    unsigned long long seconds = ms / 1000;
    if (ms < 1000)
        (void)snprintf(out, CLI_SIZE_LEN, "%llums", (unsigned long long)ms);
    else if (seconds < 60)
        (void)snprintf(out, CLI_SIZE_LEN, "%llu.%llus", seconds,
                       (unsigned long long)(ms % 1000 / 100));
    else if (seconds < 3600)
        (void)snprintf(out, CLI_SIZE_LEN, "%llum %llus", seconds / 60, seconds % 60);
    else
        (void)snprintf(out, CLI_SIZE_LEN, "%lluh %llum", seconds / 3600, seconds % 3600 / 60);
}

struct tn_str cli_text_behind_mark(struct tn_str text)
{
    const struct tn_str mark = TN_STR("\xef\xbb\xbf");
    return tn_str_starts(text, mark) ? tn_str_sub(text, mark.len, SIZE_MAX) : text;
}

void cli_time_text(int64_t unix_ms, char out[TN_TIME_LEN])
{
    if (unix_ms < 0) {
        (void)snprintf(out, TN_TIME_LEN, "%19s", "");
        return;
    }
    tn_time_iso8601(unix_ms, out);
    out[10] = ' ';
    out[19] = '\0';
}

/* Bytes of the well-formed UTF-8 character at `at`, 0 when there is none. */
static size_t utf8_len(struct tn_str s, size_t at)
{
    unsigned char lead = (unsigned char)s.data[at];
    size_t len = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc2 ? 2 : 1;
    struct tn_str sequence = tn_str_sub(s, at, len);
    return sequence.len == len && tn_str_is_utf8(sequence) ? len : 0;
}

/* Also the C1 controls U+0080 to U+009F, which terminals obey. */
static bool is_control(struct tn_str s, size_t at)
{
    unsigned char c = (unsigned char)s.data[at];
    return c < 0x20 || c == 0x7f ||
           (c == 0xc2 && at + 1 < s.len && (unsigned char)s.data[at + 1] < 0xa0);
}

/* Bytes from `at` on that are shown as they are and need no look at their neighbours. */
static size_t plain_len(struct tn_str s, size_t at)
{
    static const uint64_t ones = 0x0101010101010101u;
    size_t end = at;
    uint64_t odd = 0;
    while (odd == 0 && s.len - end >= sizeof odd) {
        uint64_t w;
        memcpy(&w, s.data + end, sizeof w);
        odd = (w | (w - ones * 0x20) | (w + ones)) & (ones << 7);
        end += odd == 0 ? sizeof w : 0;
    }
    while (end < s.len && s.data[end] >= 0x20 && s.data[end] < 0x7f)
        end++;
    return end - at;
}

bool cli_text_is_plain(struct tn_str text)
{
    return plain_len(text, 0) == text.len;
}

/* Appends what is shown of the text at `*at`, and moves that on. */
static int append_shown(struct tn_buf *b, struct tn_str text, size_t *at)
{
    size_t plain = plain_len(text, *at);
    if (plain > 0) {
        const char *bytes = text.data + *at;
        *at += plain;
        return tn_buf_append(b, bytes, plain);
    }
    size_t len = utf8_len(text, *at);
    if (len > 0 && !is_control(text, *at)) {
        const char *bytes = text.data + *at;
        *at += len;
        return tn_buf_append(b, bytes, len);
    }
    /* The second byte of a C1 control is shown as a stray byte in the next round. */
    return tn_buf_appendf(b, "\\x%02x", (unsigned char)text.data[(*at)++]);
}

int cli_text_append(struct tn_buf *b, struct tn_str text)
{
    size_t start = b->len;
    for (size_t i = 0; i < text.len;) {
        int rc = append_shown(b, text, &i);
        if (rc < 0) {
            tn_buf_truncate(b, start);
            return rc;
        }
    }
    return TARN_OK;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

int cli_message_append(struct tn_buf *b, struct tn_str text)
{
    size_t start = b->len;
    bool is_first = true;
    for (size_t i = 0; i < text.len;) {
        size_t len = 0;
        while (i < text.len && is_space(text.data[i]))
            i++;
        while (i + len < text.len && !is_space(text.data[i + len]))
            len++;
        if (len == 0)
            break;
        int rc = is_first ? TARN_OK : tn_buf_append_char(b, ' ');
        if (rc == TARN_OK)
            rc = cli_text_append(b, tn_str_sub(text, i, len));
        if (rc < 0) {
            tn_buf_truncate(b, start);
            return rc;
        }
        is_first = false;
        i += len;
    }
    return TARN_OK;
}

static void json_raw(struct cli_json *json, struct tn_str bytes)
{
    if (json->rc == TARN_OK)
        json->rc = tn_buf_append_str(&json->b, bytes);
}

/* A UTF-16 unit: the byte itself, or the lone surrogate that stands for a stray byte. */
static void json_unit(struct cli_json *json, unsigned unit)
{
    char text[16];
    int len = snprintf(text, sizeof text, "\\u%04x", unit);
    json_raw(json, (struct tn_str){ text, (size_t)len });
}

static void json_quoted(struct cli_json *json, struct tn_str value)
{
    json_raw(json, TN_STR("\""));
    for (size_t i = 0; i < value.len && json->rc == TARN_OK;) {
        unsigned char c = (unsigned char)value.data[i];
        size_t len = utf8_len(value, i);
        if (len == 0)
            json_unit(json, 0xdc00u + c);
        else if (c == '"')
            json_raw(json, TN_STR("\\\""));
        else if (c == '\\')
            json_raw(json, TN_STR("\\\\"));
        else if (c == '\n')
            json_raw(json, TN_STR("\\n"));
        else if (c < 0x20 || c == 0x7f)
            json_unit(json, c);
        else
            json_raw(json, tn_str_sub(value, i, len));
        i += len ? len : 1;
    }
    json_raw(json, TN_STR("\""));
}

static void json_name(struct cli_json *json, struct tn_str name)
{
    if (json->has_member)
        json_raw(json, TN_STR(","));
    json->has_member = true;
    json_quoted(json, name);
    json_raw(json, TN_STR(":"));
}

void cli_json_begin(struct cli_json *json)
{
    *json = (struct cli_json){ .b = TN_BUF_INIT(CLI_LINE_LEN_MAX) };
    json_raw(json, TN_STR("{"));
}

void cli_json_release(struct cli_json *json)
{
    tn_buf_release(&json->b);
}

void cli_json_str(struct cli_json *json, const char *name, struct tn_str value)
{
    json_name(json, tn_str_from(name));
    json_quoted(json, value);
}

void cli_json_text(struct cli_json *json, const char *name, const char *value)
{
    if (value)
        cli_json_str(json, name, tn_str_from(value));
}

void cli_json_u64(struct cli_json *json, const char *name, uint64_t value)
{
    char text[24];
    int len = snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    json_name(json, tn_str_from(name));
    json_raw(json, (struct tn_str){ text, (size_t)len });
}

void cli_json_decimal(struct cli_json *json, const char *name, uint64_t thousandths)
{
    char text[32];
    int len = snprintf(text, sizeof text, "%llu.%03u", (unsigned long long)(thousandths / 1000),
                       (unsigned)(thousandths % 1000));
    json_name(json, tn_str_from(name));
    json_raw(json, (struct tn_str){ text, (size_t)len });
}

void cli_json_bool(struct cli_json *json, const char *name, bool value)
{
    json_name(json, tn_str_from(name));
    json_raw(json, value ? TN_STR("true") : TN_STR("false"));
}

void cli_json_time(struct cli_json *json, const char *name, int64_t unix_ms)
{
    char text[TN_TIME_LEN];
    if (unix_ms < 0)
        return;
    tn_time_iso8601(unix_ms, text);
    cli_json_text(json, name, text);
}

void cli_json_open(struct cli_json *json, const char *name)
{
    json_name(json, tn_str_from(name));
    json_raw(json, TN_STR("{"));
    json->has_member = false;
}

void cli_json_close(struct cli_json *json)
{
    json_raw(json, TN_STR("}"));
    json->has_member = true;
}

int cli_json_end(struct cli_json *json)
{
    json_raw(json, TN_STR("}"));
    return json->rc;
}
