/* SPDX-License-Identifier: Apache-2.0 */
/* Objects of a page that look like the one before them: what stood between its texts is compared,
 * and only the texts are looked at. */

#ifndef CLIENT_LIST_SHAPE_H
#define CLIENT_LIST_SHAPE_H

#include <endian.h>

#include "client/list_page.h"

enum { TN_LIST_PARTS_MAX = 12, TN_LIST_DAY_LEN = 10 };

enum tn_list_field {
    TN_LIST_KEY,
    TN_LIST_TIME,
    TN_LIST_ETAG,
    TN_LIST_QUOTED_ETAG, /* between "&quot;", which are not part of the text */
    TN_LIST_SIZE,
    TN_LIST_CLASS,
    TN_LIST_OWNER,
    TN_LIST_CHECKSUM,
    TN_LIST_OTHER,
};

/* The day of a time, with its milliseconds: most pages have few. */
struct tn_list_day {
    char text[TN_LIST_DAY_LEN];
    int64_t ms;
};

struct tn_list_part {
    enum tn_list_field field;
    struct tn_str literal; /* before the text */
    struct tn_str text;    /* the last one: many are the same again */
    int64_t time_ms;       /* of it */
};

/* All views are of the page's texts. An object noted without fault was read by the long way, so
 * that bytes that are the same need no look any more. */
struct tn_list_shape {
    bool is_known;
    size_t node_count;
    size_t part_count;
    struct tn_list_part parts[TN_LIST_PARTS_MAX];
    struct tn_str tail; /* behind the last text, with the object's end */
    const char *noted_to;
    struct tn_list_day day;
};

/* Notes an object that begins at `at`: each of its texts, with where its element begins and what it
 * is, then where it ends. */
void tn_list_shape_begin(struct tn_list_shape *s, const char *at);
void tn_list_shape_note(struct tn_list_shape *s, enum tn_list_field field, struct tn_str text);
void tn_list_shape_end(struct tn_list_shape *s, const char *at, size_t node_count);

/* Takes an object of the noted shape off `*at`, into a new item. False, with `*at` as it was, when
 * it has another shape, or a text that needs a second look. */
bool tn_list_shape_take(struct tn_list_shape *s, const char *start, const char **at,
                        const char *end, struct tn_list_item *item);

/* -1 for what is no time. */
int64_t tn_list_time_ms(struct tn_list_day *day, struct tn_str text);

/* The first byte that needs a second look: < & ] or one that is not printable ASCII. */
static inline const char *tn_list_plain_end(const char *p, const char *end)
{
    static const uint64_t ones = 0x0101010101010101u;
    static const uint64_t highs = 0x8080808080808080u;
    for (; end - p >= 8; p += 8) {
        uint64_t w;
        memcpy(&w, p, 8);
        w = le64toh(w);
        uint64_t less = w ^ (ones * '<');
        uint64_t amp = w ^ (ones * '&');
        uint64_t bracket = w ^ (ones * ']');
        /* A borrow marks only bytes behind one that is rightly marked. */
        uint64_t odd = w | (w - ones * 0x20) | (less - ones) | (amp - ones) | (bracket - ones);
        if (odd & highs)
            return p + __builtin_ctzll(odd & highs) / 8;
    }
    while (p < end && *p >= 0x20 && *p != '<' && *p != '&' && *p != ']')
        p++;
    return p;
}

#endif
