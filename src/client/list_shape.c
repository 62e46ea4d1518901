/* SPDX-License-Identifier: Apache-2.0 */
/* Objects that look like the one before them. */

#include "client/list_shape.h"

#include "client/attributes.h"
#include "proto/xml.h"

enum { WORD_LEN = 8, TIME_LEN = 24, MS_PER_S = 1000, SIZE_DIGITS_MAX = 18 };

static const struct tn_str quote = { "&quot;", 6 };

/* ---- times ---- */

static int two_digits(const char *p)
{
    return tn_is_digit(p[0]) && tn_is_digit(p[1]) ? (p[0] - '0') * 10 + p[1] - '0' : -1;
}

/* "2026-11-20T01:02:03.456Z" on the day of the one before; other times by the long way. */
int64_t tn_list_time_ms(struct tn_list_day *day, struct tn_str text)
{
    const char *p = text.data;
    if (text.len == TIME_LEN && memcmp(p, day->text, TN_LIST_DAY_LEN) == 0 && p[10] == 'T' &&
        p[13] == ':' && p[16] == ':' && p[19] == '.' && p[23] == 'Z') {
        int hour = two_digits(p + 11);
        int minute = two_digits(p + 14);
        int second = two_digits(p + 17);
        int hundredths = two_digits(p + 20);
        if (hour >= 0 && hour < 24 && minute >= 0 && minute < 60 && second >= 0 && second < 60 &&
            hundredths >= 0 && tn_is_digit(p[22]))
            return day->ms + ((hour * 60 + minute) * 60 + second) * (int64_t)MS_PER_S +
                   hundredths * 10 + (p[22] - '0');
    }
    int64_t ms = tn_date_ms(tn_str_trim(text));
    if (ms >= 0 && text.len == TIME_LEN && p[10] == 'T' && p[23] == 'Z') {
        memcpy(day->text, p, TN_LIST_DAY_LEN);
        day->ms = ms - ms % ((int64_t)86400 * MS_PER_S);
    }
    return ms;
}

/* ---- noting ---- */

void tn_list_shape_begin(struct tn_list_shape *s, const char *at)
{
    s->is_known = false;
    s->part_count = 0;
    s->noted_to = at;
}

static bool is_quoted(struct tn_str text)
{
    return text.len >= 2 * quote.len && tn_str_starts(text, quote) && tn_str_ends(text, quote);
}

void tn_list_shape_note(struct tn_list_shape *s, enum tn_list_field field, struct tn_str text)
{
    if (s->part_count == TN_LIST_PARTS_MAX)
        s->noted_to = NULL;
    if (!s->noted_to)
        return;
    if (field == TN_LIST_ETAG && is_quoted(text)) {
        field = TN_LIST_QUOTED_ETAG;
        text = tn_str_sub(text, quote.len, text.len - 2 * quote.len);
    }
    s->parts[s->part_count++] = (struct tn_list_part){
        .field = field,
        .literal = { s->noted_to, (size_t)(text.data - s->noted_to) },
        .text = { text.data, 0 },
        .time_ms = -1,
    };
    s->noted_to = text.data + text.len;
}

void tn_list_shape_end(struct tn_list_shape *s, const char *at, size_t node_count)
{
    if (!s->noted_to || s->part_count == 0)
        return;
    s->tail = (struct tn_str){ s->noted_to, (size_t)(at - s->noted_to) };
    s->node_count = node_count;
    s->is_known = true;
}

/* ---- taking ---- */

static inline uint64_t word_at(const char *p)
{
    uint64_t w;
    memcpy(&w, p, sizeof w);
    return w;
}

/* Most are between 8 and 40 bytes: a call would take longer. */
static inline bool is_same(const char *a, const char *b, size_t len)
{
    if (len < WORD_LEN)
        return memcmp(a, b, len) == 0;
    uint64_t differs = word_at(a + len - WORD_LEN) ^ word_at(b + len - WORD_LEN);
    for (size_t i = 0; i + WORD_LEN < len; i += WORD_LEN)
        differs |= word_at(a + i) ^ word_at(b + i);
    return differs == 0;
}

static inline bool skip(const char **at, const char *end, struct tn_str literal)
{
    if ((size_t)(end - *at) < literal.len || !is_same(*at, literal.data, literal.len))
        return false;
    *at += literal.len;
    return true;
}

/* The end of the text, the byte there being '<', is enough to know that it is the last one again.
 */
static inline bool is_last_again(const struct tn_list_part *p, const char *at, const char *end)
{
    return (size_t)(end - at) > p->text.len && at[p->text.len] == '<' &&
           is_same(at, p->text.data, p->text.len);
}

static inline bool take_size(const char **at, uint64_t *size)
{
    const char *p = *at;
    uint64_t value = 0;
    for (; tn_is_digit(*p); p++)
        value = value * 10 + (uint64_t)(*p - '0');
    if (p == *at || p - *at > SIZE_DIGITS_MAX)
        return false;
    *at = p;
    *size = value;
    return true;
}

/* Other texts are trimmed by the long way. */
static inline bool is_trimmed(struct tn_str text)
{
    return text.len == 0 || (text.data[0] != ' ' && text.data[text.len - 1] != ' ');
}

static inline struct tn_str without_quotes(struct tn_str text)
{
    if (text.len < 2 || text.data[0] != '"' || text.data[text.len - 1] != '"')
        return text;
    return (struct tn_str){ text.data + 1, text.len - 2 };
}

/* What is mostly another one than the last. */
static inline bool is_mostly_new(enum tn_list_field field)
{
    return field <= TN_LIST_QUOTED_ETAG && field != TN_LIST_TIME;
}

static inline bool take_text(struct tn_list_shape *s, struct tn_list_part *p, const char **at,
                             const char *end, struct tn_str *text)
{
    if (!is_mostly_new(p->field) && is_last_again(p, *at, end)) {
        *text = (struct tn_str){ *at, p->text.len };
        *at += text->len;
        return true;
    }
    *text = (struct tn_str){ *at, (size_t)(tn_list_plain_end(*at, end) - *at) };
    if (text->len > TN_XML_TEXT_LEN_MAX || (p->field != TN_LIST_KEY && !is_trimmed(*text)))
        return false;
    *at += text->len;
    p->text = *text;
    if (p->field == TN_LIST_TIME)
        p->time_ms = tn_list_time_ms(&s->day, *text);
    return true;
}

static inline struct tn_list_text place_of(struct tn_str text, const char *start)
{
    return (struct tn_list_text){ (uint32_t)(text.data - start), (uint32_t)text.len };
}

static inline bool take_part(struct tn_list_shape *s, struct tn_list_part *p, const char *start,
                             const char **at, const char *end, struct tn_list_item *item)
{
    struct tn_str text;
    if (p->field == TN_LIST_SIZE)
        return take_size(at, &item->size);
    if (!take_text(s, p, at, end, &text))
        return false;
    switch (p->field) {
    case TN_LIST_KEY:
        item->key = place_of(text, start);
        break;
    case TN_LIST_TIME:
        item->last_modified_ms = p->time_ms;
        break;
    case TN_LIST_ETAG:
        item->etag = place_of(without_quotes(text), start);
        break;
    case TN_LIST_QUOTED_ETAG:
        item->etag = place_of(text, start);
        break;
    case TN_LIST_CLASS:
        item->storage_class = place_of(text, start);
        break;
    case TN_LIST_OWNER:
        item->owner_id = place_of(text, start);
        break;
    case TN_LIST_CHECKSUM:
        item->checksum = place_of(text, start);
        break;
    case TN_LIST_SIZE:
    case TN_LIST_OTHER:
    default:
        break;
    }
    return true;
}

bool tn_list_shape_take(struct tn_list_shape *s, const char *start, const char **at,
                        const char *end, struct tn_list_item *item)
{
    const char *p = *at;
    for (size_t i = 0; i < s->part_count; i++) {
        struct tn_list_part *part = &s->parts[i];
        if (!skip(&p, end, part->literal) || !take_part(s, part, start, &p, end, item))
            return false;
    }
    if (!skip(&p, end, s->tail))
        return false;
    *at = p;
    item->is_final = true;
    return true;
}
