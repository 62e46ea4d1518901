/* SPDX-License-Identifier: Apache-2.0 */
/* Users, keys and policies of a server that answers AWS's IAM query API at its S3 endpoint. */

#ifndef TARN_IAM_H
#define TARN_IAM_H

#include <tarn/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One call, such as "ListUsers", signed for the service "iam". `params` are its parameters without
 * Action and Version; one whose value is NULL is left out. `*answer` takes the XML document, which
 * the caller frees with tarn_bytes_free. Blocks; any thread. TARN_ENOTFOUND (NoSuchEntity),
 * TARN_EEXISTS (EntityAlreadyExists), TARN_EDENIED, TARN_ETOOBIG (parameters of more than a
 * MiB), ... */
TARN_API int tarn_iam_call(struct tarn_client *client, const char *action,
                           const struct tarn_header *params, size_t count,
                           const struct tarn_request *request, char **answer, size_t *len,
                           struct tarn_error *err);

#ifdef __cplusplus
}
#endif

#endif
