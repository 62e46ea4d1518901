/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the dates that HTTP and S3 headers carry; base/clock.h writes them. */

#ifndef PROTO_HTTP_DATE_H
#define PROTO_HTTP_DATE_H

#include "base/clock.h"

/* "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"
 * (RFC 9110 section 5.6.7), ISO 8601 and its basic form. `now` (unix seconds) places the two-digit
 * year: never more than 50 years ahead. A weekday that does not fit the date is accepted, as
 * everywhere; a day that does not exist is not. TARN_EINVAL leaves `unix_seconds` alone. */
TN_MUST_USE int tn_http_date_parse(struct tn_str text, int64_t now, int64_t *unix_seconds);

/* The same with "+0000" and "-0000" for "GMT" too, as e-mail has it and signers send it. */
TN_MUST_USE int tn_http_date_parse_mail(struct tn_str text, int64_t now, int64_t *unix_seconds);

#endif
