/* SPDX-License-Identifier: Apache-2.0 */
/* Filling an error record. */

#include "base/fail.h"

#include <errno.h>
#include <stdarg.h>

const char *tarn_status_text(int status)
{
    switch (status) {
#define X(name, value, text)                                                                       \
    case value:                                                                                    \
        return text;
        TARN_STATUS_TABLE(X)
#undef X
    default:
        return "unknown status";
    }
}

const char *tarn_status_name(int status)
{
    switch (status) {
#define X(name, value, text)                                                                       \
    case value:                                                                                    \
        return #name;
        TARN_STATUS_TABLE(X)
#undef X
    default:
        return "unknown";
    }
}

void tn_fail_hook(void)
{
}

int tn_status_from_errno(int number)
{
    switch (number) {
    case ENOMEM:
        return TARN_ENOMEM;
    case ENOSPC:
    case EDQUOT:
        return TARN_ENOSPACE;
    case ENOENT:
    case ENOTDIR:
        return TARN_ENOTFOUND;
    case EEXIST:
        return TARN_EEXISTS;
    case EACCES:
    case EPERM:
    case EROFS:
        return TARN_EDENIED;
    case EINVAL:
    case ENAMETOOLONG:
        return TARN_EINVAL;
    case EAGAIN:
        return TARN_EAGAIN;
    case ENOTEMPTY:
        return TARN_ENOTEMPTY;
    case EBUSY:
    case EADDRINUSE:
        return TARN_EBUSY;
    case ETIMEDOUT:
        return TARN_ETIMEOUT;
    case ECONNRESET:
    case ECONNREFUSED:
    case EPIPE:
        return TARN_ENETWORK;
    default:
        return TARN_EIO;
    }
}

static TN_PRINTF(3, 0) void fill(struct tarn_error *err, int status, const char *format,
                                 va_list args)
{
    tn_fail_hook();
    if (!err)
        return;
    *err = (struct tarn_error){ .status = status };
    (void)vsnprintf(err->message, sizeof err->message, format, args);
    for (char *c = err->message; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = ' ';
    }
}

int tn_fail(struct tarn_error *err, int status, const char *format, ...)
{
    int kept = errno;
    va_list args;
    va_start(args, format);
    fill(err, status, format, args);
    va_end(args);
    errno = kept;
    return status;
}

int tn_fail_errno(struct tarn_error *err, const char *format, ...)
{
    int kept = errno;
    int status = tn_status_from_errno(kept);
    va_list args;
    va_start(args, format);
    fill(err, status, format, args);
    va_end(args);
    if (err) {
        size_t len = strlen(err->message);
        char reason[128];
        (void)snprintf(err->message + len, sizeof err->message - len, ": %s",
                       strerror_r(kept, reason, sizeof reason));
    }
    errno = kept;
    return status;
}

int tn_check_missing(const char *missing, struct tarn_error *err)
{
    return missing ? tn_fail(err, TARN_EINVAL, "could not begin: no %s was given", missing)
                   : TARN_OK;
}

int tn_check_given(const void *handle, const char *bucket, const char *key, const char *missing,
                   struct tarn_error *err)
{
    if (handle && bucket && key && !missing)
        return TARN_OK;
    return tn_check_missing(!handle ? "client" : !bucket ? "bucket" : !key ? "key" : missing, err);
}

int tn_check_object(const char *bucket, const char *key, struct tarn_error *err)
{
    if (!bucket || !*bucket || strchr(bucket, '/'))
        return tn_fail(err, TARN_EINVAL, "could not begin: \"%s\" is no bucket name",
                       bucket ? bucket : "");
    if (!key || !*key)
        return tn_fail(err, TARN_EINVAL, "could not begin in \"%s\": the key is empty", bucket);
    return TARN_OK;
}
