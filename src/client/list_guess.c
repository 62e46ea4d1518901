/* SPDX-License-Identifier: Apache-2.0 */
/* Arithmetic on keys: the interval from 0 to 1, divided place by place. */

#include "client/list_guess.h"

#include <tarn/status.h>

#include <stdlib.h>

enum {
    PLACES = 20,
    BYTE_FIRST = 0x21, /* nothing is guessed of keys with others than these */
    BYTES = 0x7f,
    SPARE_PLACES = 3, /* before the first that differs: for what is carried */
    BLOCK = 8,        /* keys seen, the way of which is measured at a time */
    BLOCKS_MAX = 16,  /* newest ones */
    CYCLES_MIN = 3,   /* that a place went through before its frequencies count */
};

/* Smaller steps are lost in the arithmetic. */
static const double UNIT_MIN = 1e-13;
/* What was not seen, but is of the same kind, as against what was seen once. */
static const double WEIGHT_OF_UNSEEN = 0.05;

enum kind { DIGIT, HEX, LOWER, UPPER, OTHER, KIND_COUNT };

/* What one place divides its interval into, in order of bytes. */
struct place {
    unsigned seen[BYTES];
    double width[BYTES]; /* they add up to 1 */
    double begin[BYTES]; /* the widths of the bytes before */
    unsigned cycles;     /* of the places before it, each with another value */
};

struct scale {
    struct place places[PLACES];
    size_t count; /* of places that are known */
};

static enum kind kind_of(unsigned c)
{
    if (c >= '0' && c <= '9')
        return DIGIT;
    if (c >= 'a' && c <= 'z')
        return c <= 'f' ? HEX : LOWER;
    return c >= 'A' && c <= 'Z' ? UPPER : OTHER;
}

static size_t common_len(struct tn_str a, struct tn_str b)
{
    size_t len = 0;
    while (len < a.len && len < b.len && a.data[len] == b.data[len])
        len++;
    return len;
}

static bool is_plain(struct tn_str tail)
{
    for (size_t i = 0; i < tail.len; i++) {
        if (tail.data[i] < BYTE_FIRST || tail.data[i] >= BYTES)
            return false;
    }
    return true;
}

static void look_at(struct scale *s, struct tn_str tail, size_t same)
{
    for (size_t i = 0; i < tail.len; i++) {
        s->places[i].seen[(unsigned char)tail.data[i]]++;
        s->places[i].cycles += same < i;
    }
    s->count = tail.len > s->count ? tail.len : s->count;
}

/* Kinds of bytes that are in use at a place: where one digit is, the others will come; likewise
 * letters, unless there is but one, which may be a name's. */
static void find_kinds(const struct place *p, bool is_hex, bool in_use[KIND_COUNT])
{
    unsigned distinct[KIND_COUNT] = { 0 };
    for (unsigned c = BYTE_FIRST; c < BYTES; c++)
        distinct[kind_of(c)] += p->seen[c] > 0;
    unsigned small = distinct[HEX] + distinct[LOWER];
    bool is_hex_place = is_hex && distinct[LOWER] == 0 && (distinct[DIGIT] || distinct[HEX] > 1);
    in_use[DIGIT] = distinct[DIGIT] > 0 || is_hex_place;
    in_use[HEX] = small > 1 || (small && distinct[DIGIT]) || is_hex_place;
    in_use[LOWER] = in_use[HEX] && !is_hex_place;
    in_use[UPPER] = distinct[UPPER] > 1 || (distinct[UPPER] && distinct[DIGIT]);
}

/* A place that went round often is divided as its bytes are frequent, unless most of them are
 * there; any other one evenly. */
static void divide(struct place *p, bool is_hex)
{
    bool in_use[KIND_COUNT] = { false };
    unsigned used = 0;
    unsigned distinct = 0;
    find_kinds(p, is_hex, in_use);
    for (unsigned c = BYTE_FIRST; c < BYTES; c++) {
        used += p->seen[c] > 0 || in_use[kind_of(c)];
        distinct += p->seen[c] > 0;
    }
    bool is_even = p->cycles < CYCLES_MIN || distinct * 2 > used;
    double sum = 0;
    for (unsigned c = BYTE_FIRST; c < BYTES; c++) {
        if (p->seen[c] > 0)
            p->width[c] = is_even ? 1 : p->seen[c];
        else if (in_use[kind_of(c)])
            p->width[c] = is_even ? 1 : WEIGHT_OF_UNSEEN;
        sum += p->width[c];
    }
    double begin = 0;
    for (unsigned c = BYTE_FIRST; c < BYTES; c++) {
        p->width[c] /= sum;
        p->begin[c] = begin;
        begin += p->width[c];
    }
}

/* Hexadecimal digits show where both kinds are at one place. */
static bool finds_hex(const struct scale *s)
{
    bool is_found = false;
    for (size_t i = 0; i < s->count; i++) {
        bool has[KIND_COUNT] = { false };
        for (unsigned c = BYTE_FIRST; c < BYTES; c++)
            has[kind_of(c)] |= s->places[i].seen[c] > 0;
        is_found = is_found || (has[DIGIT] && has[HEX] && !has[LOWER]);
    }
    return is_found;
}

static double value_of(const struct scale *s, struct tn_str tail)
{
    double value = 0;
    double unit = 1;
    for (size_t i = 0; i < tail.len && unit > UNIT_MIN; i++) {
        const struct place *p = &s->places[i];
        unsigned char byte = (unsigned char)tail.data[i];
        value += unit * p->begin[byte];
        unit *= p->width[byte];
    }
    return value;
}

/* The byte whose interval `value` is in, from where the interval begins on. */
static unsigned byte_at(const struct place *p, double *value)
{
    unsigned last = 0;
    for (unsigned c = BYTE_FIRST; c < BYTES; c++) {
        if (p->width[c] <= 0)
            continue;
        last = c;
        if (*value < p->begin[c] + p->width[c])
            break;
    }
    *value = (*value - p->begin[last]) / p->width[last];
    return last;
}

static int append_value(const struct scale *s, double value, struct tn_buf *out)
{
    int rc = TARN_OK;
    double unit = 1;
    for (size_t i = 0; i < s->count && unit > UNIT_MIN && rc == TARN_OK; i++) {
        unsigned c = byte_at(&s->places[i], &value);
        unit *= s->places[i].width[c];
        rc = tn_buf_append_char(out, (char)c);
    }
    return rc;
}

/* How many bytes all share, but some to carry to. */
static size_t shared_len(struct tn_str first, struct tn_str last, struct tn_str from)
{
    size_t a = common_len(first, last);
    size_t b = common_len(last, from);
    size_t len = a < b ? a : b;
    return len > SPARE_PLACES ? len - SPARE_PLACES : 0;
}

static bool read_scale(const struct tn_list_seen *seen, size_t count, struct tn_str from,
                       size_t shared, struct scale *s)
{
    for (size_t i = 0; i < count; i++) {
        struct tn_str tail = tn_str_sub(seen[i].key, shared, PLACES);
        struct tn_str before = i > 0 ? tn_str_sub(seen[i - 1].key, shared, PLACES) : tail;
        if (!is_plain(tail) || tn_str_cmp(before, tail) > 0)
            return false;
        look_at(s, tail, common_len(before, tail));
    }
    struct tn_str tail = tn_str_sub(from, shared, PLACES);
    if (!is_plain(tail))
        return false;
    look_at(s, tail, tail.len);
    bool is_hex = finds_hex(s);
    for (size_t i = 0; i < s->count; i++)
        divide(&s->places[i], is_hex);
    return true;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* The way from key to key: the median of blocks, for gaps are wide and few. */
static double measure_way(const struct scale *s, const struct tn_list_seen *seen, size_t count,
                          size_t shared)
{
    double ways[BLOCKS_MAX];
    size_t n = 0;
    for (size_t end = count; end > BLOCK && n < BLOCKS_MAX; end -= BLOCK) {
        const struct tn_list_seen *a = &seen[end - 1 - BLOCK];
        const struct tn_list_seen *b = &seen[end - 1];
        if (b->count > a->count)
            ways[n++] = (value_of(s, tn_str_sub(b->key, shared, PLACES)) -
                         value_of(s, tn_str_sub(a->key, shared, PLACES))) /
                        (double)(b->count - a->count);
    }
    qsort(ways, n, sizeof *ways, by_size);
    return n > 0 ? ways[n / 2] : 0;
}

int tn_list_guess(const struct tn_list_seen *seen, size_t count, struct tn_str from, double keys,
                  struct tn_buf *out)
{
    struct scale s = { .count = 0 };
    size_t start = out->len;
    struct tn_str first = count > 0 ? seen[0].key : TN_STR_EMPTY;
    struct tn_str last = count > 0 ? seen[count - 1].key : TN_STR_EMPTY;
    size_t shared = shared_len(first, last, from);
    if (tn_str_cmp(first, last) >= 0 || from.len > TN_LIST_GUESS_LEN_MAX ||
        !read_scale(seen, count, from, shared, &s))
        return TARN_ENOTFOUND;
    double way = measure_way(&s, seen, count, shared) * keys;
    double value = value_of(&s, tn_str_sub(from, shared, PLACES)) + way;
    if (!(way > 0) || !(value < 1))
        return TARN_ENOTFOUND;
    int rc = tn_buf_append_str(out, tn_str_sub(from, 0, shared));
    if (rc == TARN_OK)
        rc = append_value(&s, value, out);
    if (rc == TARN_OK && tn_str_cmp(tn_str_sub(tn_buf_str(out), start, SIZE_MAX), from) <= 0)
        rc = TARN_ENOTFOUND;
    if (rc < 0)
        tn_buf_truncate(out, start);
    return rc == TARN_ETOOBIG ? TARN_ENOTFOUND : rc;
}
