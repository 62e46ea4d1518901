/* SPDX-License-Identifier: Apache-2.0 */
/* Time. */

#include "base/clock.h"

static const char weekdays[7][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                    "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };

enum { DAY_SECONDS = 86400, DAYS_PER_ERA = 146097, DAYS_BEFORE_1970 = 719468 };
static const int64_t unix_max = 253402300799; /* 9999-12-31T23:59:59Z */

#ifdef CLOCK_MONOTONIC_COARSE
#define ROUGH_CLOCK CLOCK_MONOTONIC_COARSE
#else
#define ROUGH_CLOCK CLOCK_MONOTONIC
#endif

static uint64_t read_clock(clockid_t clock)
{
    struct timespec now;
    (void)clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t tn_now_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

uint64_t tn_now_rough_ns(void)
{
    return read_clock(ROUGH_CLOCK);
}

int64_t tn_wall_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Days are counted from 0000-03-01 in eras of 400 years, so that the leap day ends its year. */
struct tn_date tn_date_from_unix(int64_t seconds)
{
    if (seconds < 0)
        seconds = 0;
    if (seconds > unix_max)
        seconds = unix_max;
    int days = (int)(seconds / DAY_SECONDS);
    int rest = (int)(seconds % DAY_SECONDS);
    int z = days + DAYS_BEFORE_1970;
    int era = z / DAYS_PER_ERA;
    int day_of_era = z % DAYS_PER_ERA;
    int year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int march_month = (5 * day_of_year + 2) / 153;
    int month = march_month < 10 ? march_month + 3 : march_month - 9;
    return (struct tn_date){
        .year = year_of_era + era * 400 + (month <= 2),
        .month = month,
        .day = day_of_year - (153 * march_month + 2) / 5 + 1,
        .hour = rest / 3600,
        .minute = rest / 60 % 60,
        .second = rest % 60,
        .weekday = (days + 4) % 7,
    };
}

int64_t tn_date_to_unix(const struct tn_date *date)
{
    int year = date->year - (date->month <= 2);
    int era = year / 400;
    int year_of_era = year % 400;
    int march_month = date->month > 2 ? date->month - 3 : date->month + 9;
    int day_of_year = (153 * march_month + 2) / 5 + date->day - 1;
    int day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    int64_t days = (int64_t)era * DAYS_PER_ERA + day_of_era - DAYS_BEFORE_1970;
    return days * DAY_SECONDS + date->hour * 3600 + date->minute * 60 + date->second;
}

bool tn_date_is_valid(const struct tn_date *date)
{
    if (date->year < 1970 || date->year > 9999 || date->month < 1 || date->month > 12)
        return false;
    if (date->hour < 0 || date->hour > 23 || date->minute < 0 || date->minute > 59)
        return false;
    if (date->second < 0 || date->second > 59 || date->day < 1 || date->day > 31)
        return false;
    struct tn_date same = tn_date_from_unix(tn_date_to_unix(date));
    return same.day == date->day && same.month == date->month;
}

/* Texts are made digit by digit: each request needs one or two, and printf() takes ten times as
 * long. */
static char *put_digits(char *at, int value, size_t count)
{
    for (size_t i = count; i-- > 0; value /= 10)
        at[i] = (char)('0' + value % 10);
    return at + count;
}

static char *put_text(char *at, const char *text)
{
    size_t len = strlen(text);
    memcpy(at, text, len + 1);
    return at + len;
}

static char *put_three(char *at, int first, int second, int third, const char *between)
{
    at = put_text(put_digits(at, first, 2), between);
    at = put_text(put_digits(at, second, 2), between);
    return put_digits(at, third, 2);
}

void tn_time_iso8601(int64_t unix_ms, char out[TN_TIME_LEN])
{
    if (unix_ms < 0)
        unix_ms = 0;
    struct tn_date d = tn_date_from_unix(unix_ms / 1000);
    char *at = put_text(put_digits(out, d.year, 4), "-");
    at = put_text(put_digits(at, d.month, 2), "-");
    at = put_text(put_digits(at, d.day, 2), "T");
    at = put_text(put_three(at, d.hour, d.minute, d.second, ":"), ".");
    (void)put_text(put_digits(at, (int)(unix_ms % 1000), 3), "Z");
}

void tn_time_basic(int64_t unix_seconds, char out[TN_TIME_LEN])
{
    struct tn_date d = tn_date_from_unix(unix_seconds);
    char *at = put_digits(out, d.year, 4);
    at = put_text(put_digits(put_digits(at, d.month, 2), d.day, 2), "T");
    (void)put_text(put_three(at, d.hour, d.minute, d.second, ""), "Z");
}

void tn_time_http(int64_t unix_seconds, char out[TN_TIME_LEN])
{
    struct tn_date d = tn_date_from_unix(unix_seconds);
    char *at = put_text(put_text(out, weekdays[d.weekday]), ", ");
    at = put_text(put_digits(at, d.day, 2), " ");
    at = put_text(put_text(at, months[d.month - 1]), " ");
    at = put_text(put_digits(at, d.year, 4), " ");
    (void)put_text(put_three(at, d.hour, d.minute, d.second, ":"), " GMT");
}

/* Takes `count` digits off the front of `s`. */
static bool take_number(struct tn_str *s, size_t count, int *out)
{
    uint64_t value;
    if (s->len < count || tn_str_to_u64(tn_str_sub(*s, 0, count), &value) < 0)
        return false;
    *s = tn_str_sub(*s, count, s->len);
    *out = (int)value;
    return true;
}

static bool take_char(struct tn_str *s, char c)
{
    if (s->len == 0 || s->data[0] != c)
        return false;
    *s = tn_str_sub(*s, 1, s->len);
    return true;
}

/* Milliseconds behind a '.', any number of digits. */
static bool take_fraction(struct tn_str *s, int *ms)
{
    *ms = 0;
    if (!take_char(s, '.'))
        return true;
    int scale = 100;
    bool any = false;
    while (s->len && tn_is_digit(s->data[0])) {
        *ms += scale * (s->data[0] - '0');
        scale /= 10;
        any = true;
        *s = tn_str_sub(*s, 1, s->len);
    }
    return any;
}

static bool take_zone(struct tn_str *s, int *minutes)
{
    *minutes = 0;
    if (take_char(s, 'Z'))
        return true;
    int sign = take_char(s, '+') ? 1 : take_char(s, '-') ? -1 : 0;
    int hours;
    int rest;
    if (!sign || !take_number(s, 2, &hours) || !take_char(s, ':') || !take_number(s, 2, &rest))
        return false;
    if (hours > 23 || rest > 59)
        return false;
    *minutes = sign * (hours * 60 + rest);
    return true;
}

int tn_time_parse_iso8601(struct tn_str text, int64_t *unix_ms)
{
    struct tn_date d = { 0 };
    int ms;
    int zone;
    bool ok = take_number(&text, 4, &d.year) && take_char(&text, '-') &&
              take_number(&text, 2, &d.month) && take_char(&text, '-') &&
              take_number(&text, 2, &d.day) && take_char(&text, 'T') &&
              take_number(&text, 2, &d.hour) && take_char(&text, ':') &&
              take_number(&text, 2, &d.minute) && take_char(&text, ':') &&
              take_number(&text, 2, &d.second) && take_fraction(&text, &ms) &&
              take_zone(&text, &zone) && text.len == 0;
    if (!ok || !tn_date_is_valid(&d))
        return TARN_EINVAL;
    *unix_ms = (tn_date_to_unix(&d) - zone * 60) * 1000 + ms;
    return TARN_OK;
}

int tn_time_parse_basic(struct tn_str text, int64_t *unix_seconds)
{
    struct tn_date d = { 0 };
    bool ok = take_number(&text, 4, &d.year) && take_number(&text, 2, &d.month) &&
              take_number(&text, 2, &d.day) && take_char(&text, 'T') &&
              take_number(&text, 2, &d.hour) && take_number(&text, 2, &d.minute) &&
              take_number(&text, 2, &d.second) && take_char(&text, 'Z') && text.len == 0;
    if (!ok || !tn_date_is_valid(&d))
        return TARN_EINVAL;
    *unix_seconds = tn_date_to_unix(&d);
    return TARN_OK;
}
