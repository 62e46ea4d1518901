/* SPDX-License-Identifier: Apache-2.0 */
/* Outcomes that are not clear. */

#include "coord/outcome.h"

#include <stdio.h>
#include <strings.h>
#include <time.h>

#include "base/clock.h"
#include "base/codec.h"
#include "base/rand.h"
#include "base/wait.h"

enum { CANCEL_POLL_MS = 100 };

void tn_nonce(char out[TN_NONCE_LEN + 1])
{
    unsigned char bytes[TN_NONCE_LEN / 2];
    tn_random_bytes(bytes, sizeof bytes);
    tn_hex_encode(bytes, sizeof bytes, out);
}

bool tn_outcome_is_passing(int status)
{
    switch (status) {
    case TARN_ENETWORK:
    case TARN_ETIMEOUT:
    case TARN_ESERVER:
    case TARN_EPROTOCOL:
    case TARN_ETHROTTLED:
    case TARN_EEOF:
    case TARN_ECONFLICT: /* 409: another write was in progress */
        return true;
    default:
        return false;
    }
}

bool tn_outcome_is_unclear(int status)
{
    /* A cancelled call may have been sent as well, and memory may have been wanted for the answer
     * only. 412 and 404 may answer a repetition. */
    return tn_outcome_is_passing(status) || status == TARN_EPRECOND || status == TARN_ENOTFOUND ||
           status == TARN_ECANCELLED || status == TARN_ENOMEM;
}

uint64_t tn_outcome_pause_ms(int tries, uint64_t base_ms, uint64_t cap_ms)
{
    uint64_t limit = base_ms;
    for (int i = 1; i < tries && limit < cap_ms; i++)
        limit *= 2;
    if (limit > cap_ms)
        limit = cap_ms;
    return limit / 2 + tn_random_below(limit / 2 + 1);
}

uint64_t tn_outcome_slice_ms(uint64_t ms, const volatile int *cancel)
{
    if (!cancel || ms <= CANCEL_POLL_MS)
        return ms;
    return tn_flag_is_set(cancel) ? 0 : CANCEL_POLL_MS;
}

void tn_outcome_sleep(uint64_t ms, const volatile int *cancel)
{
    uint64_t slice;
    for (; (slice = tn_outcome_slice_ms(ms, cancel)) > 0; ms -= slice) {
        struct timespec delay = { (time_t)(slice / 1000), (long)(slice % 1000) * 1000000 };
        (void)nanosleep(&delay, NULL);
    }
}

static const char *find(const struct tarn_header *fields, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcasecmp(fields[i].name, name) == 0)
            return fields[i].value;
    }
    return NULL;
}

const char *tn_info_metadata(const struct tarn_object_info *info, const char *name)
{
    return find(info->metadata, info->metadata_count, name);
}

const char *tn_info_header(const struct tarn_object_info *info, const char *name)
{
    return find(info->headers, info->header_count, name);
}

int64_t tn_http_date_ms(const char *text)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char month[4] = "";
    struct tn_date date = { 0 };
    if (!text || sscanf(text, "%*3[A-Za-z], %2d %3[A-Za-z] %4d %2d:%2d:%2d GMT", &date.day, month,
                        &date.year, &date.hour, &date.minute, &date.second) != 6)
        return -1;
    const char *at = strlen(month) == 3 ? strstr(months, month) : NULL;
    date.month = at && (at - months) % 3 == 0 ? (int)(at - months) / 3 + 1 : 0;
    return tn_date_is_valid(&date) ? tn_date_to_unix(&date) * 1000 : -1;
}

void tn_text_copy(char *out, size_t cap, const char *text)
{
    (void)snprintf(out, cap, "%s", text ? text : "");
}
