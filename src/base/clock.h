/* SPDX-License-Identifier: Apache-2.0 */
/* Time: two clocks, and the calendar in UTC (proleptic Gregorian). */

#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include "base/str.h"

struct tn_date {
    int year;  /* 1970 to 9999 */
    int month; /* 1 to 12 */
    int day;   /* 1 to 31 */
    int hour;
    int minute;
    int second;  /* 0 to 59 */
    int weekday; /* 0 is Sunday */
};

uint64_t tn_now_ns(void);       /* monotonic, for durations */
uint64_t tn_now_rough_ns(void); /* the same to some milliseconds, for a fifth of the time */
int64_t tn_wall_ms(void);       /* since 1970-01-01 UTC */

struct tn_date tn_date_from_unix(int64_t seconds); /* clamped to the years above */
int64_t tn_date_to_unix(const struct tn_date *date);

/* False for a day that does not exist. */
bool tn_date_is_valid(const struct tn_date *date);

enum { TN_TIME_LEN = 32 }; /* room for each text below, with its NUL */

void tn_time_iso8601(int64_t unix_ms, char out[TN_TIME_LEN]);     /* 2026-11-20T01:02:03.456Z */
void tn_time_basic(int64_t unix_seconds, char out[TN_TIME_LEN]);  /* 20261120T010203Z, for SigV4 */
void tn_time_http(int64_t unix_seconds, char out[TN_TIME_LEN]);   /* IMF-fixdate, RFC 9110 section 5.6.7 */

/* 2026-11-20T01:02:03[.fraction](Z|+hh:mm); and 20261120T010203Z. TARN_EINVAL leaves `out` alone. */
TN_MUST_USE int tn_time_parse_iso8601(struct tn_str text, int64_t *unix_ms);
TN_MUST_USE int tn_time_parse_basic(struct tn_str text, int64_t *unix_seconds);

#endif
