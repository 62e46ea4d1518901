/* SPDX-License-Identifier: Apache-2.0 */
/* Logging and tracing. */

#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/clock.h"

enum { LOG_LINE_MAX = 4096 };

static const char level_names[4][6] = { "error", "warn", "info", "debug" };
static _Atomic(int) level_limit = TN_LOG_INFO;

void tn_log_set_level(enum tn_log_level level)
{
    atomic_store(&level_limit, (int)level);
}

bool tn_log_is_on(enum tn_log_level level)
{
    return (int)level <= atomic_load_explicit(&level_limit, memory_order_relaxed);
}

static TN_PRINTF(3, 0) void write_line(const char *name, const char *value, const char *format,
                                       va_list args)
{
    char line[LOG_LINE_MAX];
    char stamp[TN_TIME_LEN];
    tn_time_iso8601(tn_wall_ms(), stamp);
    size_t len = (size_t)snprintf(line, sizeof line, "ts=%s %s=%s ", stamp, name, value);
    int rest = vsnprintf(line + len, sizeof line - len - 1, format, args);
    len += rest < 0 ? 0 : (size_t)rest;
    if (len > sizeof line - 2)
        len = sizeof line - 2;
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
            line[i] = '?';
    }
    line[len++] = '\n';
    if (write(STDERR_FILENO, line, len) < 0)
        return; /* there is nowhere left to complain */
}

void tn_log(enum tn_log_level level, const char *format, ...)
{
    if (!tn_log_is_on(level))
        return;
    va_list args;
    va_start(args, format);
    write_line("level", level_names[level], format, args);
    va_end(args);
}

bool tn_trace_is_on(const char *component)
{
    static _Atomic(int) is_set = -1;
    int known = atomic_load_explicit(&is_set, memory_order_relaxed);
    if (known == 0)
        return false;
    const char *wanted = getenv("TARN_TRACE");
    if (known < 0)
        atomic_store(&is_set, wanted && *wanted ? 1 : 0);
    if (!wanted)
        return false;
    struct tn_str rest = tn_str_from(wanted);
    while (rest.len) {
        struct tn_str one = tn_str_trim(tn_str_split(&rest, ','));
        if (tn_str_eq(one, tn_str_from(component)) || tn_str_eq(one, TN_STR("all")))
            return true;
    }
    return false;
}

void tn_trace_line(const char *component, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    write_line("trace", component, format, args);
    va_end(args);
}
