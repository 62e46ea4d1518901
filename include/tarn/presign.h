/* SPDX-License-Identifier: Apache-2.0 */
/* Presigned URLs: whoever has one may do that one thing until it expires. No request is sent. */

#ifndef TARN_PRESIGN_H
#define TARN_PRESIGN_H

#include <tarn/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TARN_PRESIGN_SECONDS_MAX 604800
#define TARN_URL_LEN_MAX 8192

struct tarn_presign_options {
    const char *method; /* "GET" (default), "HEAD", "PUT", "DELETE" */
    long expires_s;     /* 1 to 604,800; 0 is 3,600 */
    const char *version_id;
    const char *content_type; /* PUT: must be sent with exactly this value */
    const struct tarn_header
        *query; /* more parameters, such as response-content-type; plain text, not encoded */
    size_t query_count;
    const struct tarn_header *headers; /* signed: the user of the URL must send them */
    size_t header_count;
    int64_t now; /* Unix seconds; 0 is now */
    void *reserved[4];
};

/* SigV4 in the query ("Authenticating Requests: Using Query Parameters"). `url` takes the text and
 * its NUL. TARN_EINVAL, TARN_ECREDENTIALS for an anonymous client, TARN_ETOOBIG. Any thread. */
TARN_API int tarn_presign(struct tarn_client *client, const char *bucket, const char *key,
                          const struct tarn_presign_options *options, char url[TARN_URL_LEN_MAX],
                          struct tarn_error *err);

#ifdef __cplusplus
}
#endif

#endif
