/* SPDX-License-Identifier: Apache-2.0 */
/* Reading dates: each form is a pattern, so that all are equally strict. */

#include "proto/http_date.h"

enum { SHORT_LEN = 3 };

static const char weekday_names[7][10] = { "Sunday",   "Monday", "Tuesday", "Wednesday",
                                           "Thursday", "Friday", "Saturday" };
static const char month_names[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };

/* Directives: a weekday (short), A weekday (long), b month, d day (2 digits), e day (a blank for a
 * leading zero), H M S time, Y year (4 digits), y year (2 digits); all else stands for itself. */
enum form { IMF_FIXDATE, RFC_850, ASCTIME, FORM_COUNT };

static const char *const patterns[FORM_COUNT] = {
    [IMF_FIXDATE] = "a, d b Y H:M:S GMT",
    [RFC_850] = "A, d-b-y H:M:S GMT",
    [ASCTIME] = "a b e H:M:S Y",
};

static bool take_number(struct tn_str *s, size_t count, int *out)
{
    int value = 0;
    for (size_t i = 0; i < count; i++) {
        if (i >= s->len || !tn_is_digit(s->data[i]))
            return false;
        value = value * 10 + (s->data[i] - '0');
    }
    *s = tn_str_sub(*s, count, s->len);
    *out = value;
    return true;
}

static bool take_text(struct tn_str *s, struct tn_str text)
{
    if (!tn_str_starts(*s, text))
        return false;
    *s = tn_str_sub(*s, text.len, s->len);
    return true;
}

/* Which of the names, by their first three letters, the text begins with; -1: none. */
static int find_short(struct tn_str s, const char *names, size_t width, int count)
{
    for (int i = 0; i < count && s.len >= SHORT_LEN; i++) {
        if (memcmp(s.data, names + (size_t)i * width, SHORT_LEN) == 0)
            return i;
    }
    return -1;
}

static bool take_weekday(struct tn_str *s, bool is_short)
{
    int i = find_short(*s, weekday_names[0], sizeof weekday_names[0], TN_COUNT(weekday_names));
    if (i < 0)
        return false;
    return take_text(s, is_short ? tn_str_sub(*s, 0, SHORT_LEN) : tn_str_from(weekday_names[i]));
}

static bool take_month(struct tn_str *s, int *month)
{
    *month = find_short(*s, month_names[0], sizeof month_names[0], TN_COUNT(month_names)) + 1;
    return *month > 0 && take_text(s, tn_str_sub(*s, 0, SHORT_LEN));
}

static bool take_padded_day(struct tn_str *s, int *day)
{
    if (take_text(s, TN_STR(" ")))
        return take_number(s, 1, day);
    return take_number(s, 2, day);
}

static bool take_field(struct tn_str *s, char directive, struct tn_date *d)
{
    switch (directive) {
    case 'a':
        return take_weekday(s, true);
    case 'A':
        return take_weekday(s, false);
    case 'b':
        return take_month(s, &d->month);
    case 'd':
        return take_number(s, 2, &d->day);
    case 'e':
        return take_padded_day(s, &d->day);
    case 'H':
        return take_number(s, 2, &d->hour);
    case 'M':
        return take_number(s, 2, &d->minute);
    case 'S':
        return take_number(s, 2, &d->second);
    case 'Y':
        return take_number(s, 4, &d->year);
    case 'y':
        return take_number(s, 2, &d->year);
    default:
        return take_text(s, (struct tn_str){ &directive, 1 });
    }
}

static bool matches(struct tn_str s, const char *pattern, struct tn_date *d)
{
    /* "GMT" holds directives; it is compared as one word. */
    for (; *pattern; pattern++) {
        if (*pattern == 'G' && strcmp(pattern, "GMT") == 0)
            return tn_str_eq(s, TN_STR("GMT"));
        if (!take_field(&s, *pattern, d))
            return false;
    }
    return s.len == 0;
}

/* The year with these two last digits that is at most 50 years after `now`. */
static int full_year(int two_digits, int64_t now)
{
    int year_now = tn_date_from_unix(now).year;
    int year = year_now - year_now % 100 + two_digits;
    return year > year_now + 50 ? year - 100 : year;
}

int tn_http_date_parse(struct tn_str text, int64_t now, int64_t *unix_seconds)
{
    for (size_t i = 0; i < FORM_COUNT; i++) {
        struct tn_date d = { 0 };
        if (!matches(text, patterns[i], &d))
            continue;
        if (i == RFC_850)
            d.year = full_year(d.year, now);
        if (d.second == 60) /* a leap second */
            d.second = 59;
        if (!tn_date_is_valid(&d))
            return TARN_EINVAL;
        *unix_seconds = tn_date_to_unix(&d);
        return TARN_OK;
    }
    int64_t unix_ms;
    if (tn_time_parse_iso8601(text, &unix_ms) < 0)
        return tn_time_parse_basic(text, unix_seconds);
    *unix_seconds = unix_ms / 1000;
    return TARN_OK;
}

int tn_http_date_parse_mail(struct tn_str text, int64_t now, int64_t *unix_seconds)
{
    const struct tn_str zone = TN_STR(" +0000");
    char copy[64];
    if (text.len >= sizeof copy ||
        (!tn_str_ends(text, zone) && !tn_str_ends(text, TN_STR(" -0000"))))
        return tn_http_date_parse(text, now, unix_seconds);
    (void)snprintf(copy, sizeof copy, "%.*s GMT",
                   TN_STR_ARG(tn_str_sub(text, 0, text.len - zone.len)));
    return tn_http_date_parse(tn_str_from(copy), now, unix_seconds);
}
