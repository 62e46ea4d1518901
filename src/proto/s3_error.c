/* SPDX-License-Identifier: Apache-2.0 */
/* S3's error codes. */

#include "proto/s3_error.h"

static const struct tn_s3_error errors[TN_S3_CODE_COUNT] = {
#define X(name, code, http_status, status, message) [name] = { code, message, http_status, status },
    TN_S3_ERROR_TABLE(X)
#undef X
};

const struct tn_s3_error *tn_s3_error(enum tn_s3_code code)
{
    unsigned index = (unsigned)code;
    if (index == TN_S3_OK || index >= TN_S3_CODE_COUNT)
        index = TN_S3_INTERNAL_ERROR;
    return &errors[index];
}

enum tn_s3_code tn_s3_code_find(struct tn_str code)
{
    for (unsigned i = TN_S3_OK + 1; i < TN_S3_CODE_COUNT; i++) {
        if (tn_str_eq(tn_str_from(errors[i].code), code))
            return (enum tn_s3_code)i;
    }
    return TN_S3_OK;
}

static int status_from_http(int http_status)
{
    static const struct {
        int http_status;
        int status;
    } known[] = {
        { 304, TARN_ENOTMODIFIED },  { 400, TARN_EINVAL },     { 401, TARN_EDENIED },
        { 403, TARN_EDENIED },       { 404, TARN_ENOTFOUND },  { 405, TARN_ENOTSUPPORTED },
        { 408, TARN_ETIMEOUT },      { 409, TARN_ECONFLICT },  { 411, TARN_EINVAL },
        { 412, TARN_EPRECOND },      { 413, TARN_ETOOBIG },    { 414, TARN_ETOOBIG },
        { 416, TARN_ERANGE },        { 429, TARN_ETHROTTLED }, { 431, TARN_ETOOBIG },
        { 501, TARN_ENOTSUPPORTED }, { 503, TARN_ETHROTTLED }, { 504, TARN_ETIMEOUT },
        { 507, TARN_ENOSPACE },
    };
    for (size_t i = 0; i < TN_COUNT(known); i++) {
        if (known[i].http_status == http_status)
            return known[i].status;
    }
    if (http_status >= 500 && http_status <= 599)
        return TARN_ESERVER;
    return http_status >= 400 && http_status <= 499 ? TARN_EINVAL : TARN_EPROTOCOL;
}

int tn_s3_status(struct tn_str code, int http_status)
{
    if (http_status >= 200 && http_status <= 299 && code.len == 0)
        return TARN_OK;
    /* CompleteMultipartUpload and CopyObject may answer 200 with an error inside. */
    enum tn_s3_code known = tn_s3_code_find(code);
    if (known != TN_S3_OK)
        return tn_s3_error(known)->status;
    return http_status >= 200 && http_status <= 299 ? TARN_ESERVER : status_from_http(http_status);
}
