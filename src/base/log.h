/* SPDX-License-Identifier: Apache-2.0 */
/* Logging for programs (libraries only trace): one line per event on standard error, logfmt. */

#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/mem.h"

enum tn_log_level { TN_LOG_ERROR, TN_LOG_WARN, TN_LOG_INFO, TN_LOG_DEBUG };

/* Lines above this level are dropped. Set once at the start, before threads. */
void tn_log_set_level(enum tn_log_level level);
bool tn_log_is_on(enum tn_log_level level);

/* Writes `ts=... level=... <format>\n` with one write(2); control bytes become '?'. The caller writes
 * key=value pairs: tn_log(TN_LOG_INFO, "event=listening address=%s", text). Any thread. */
void tn_log(enum tn_log_level level, const char *format, ...) TN_PRINTF(2, 3);

/* Tracing by component: TARN_TRACE=conn,http,sigv4 in the environment (or "all"). */
bool tn_trace_is_on(const char *component);
void tn_trace_line(const char *component, const char *format, ...) TN_PRINTF(2, 3);

#define TN_TRACE(component, ...)                                                                   \
    do {                                                                                           \
        if (__builtin_expect(tn_trace_is_on(#component), 0))                                       \
            tn_trace_line(#component, __VA_ARGS__);                                                \
    } while (0)

#endif
