/* SPDX-License-Identifier: Apache-2.0 */
/* Where the documents of users and policies are: objects in a bucket of the store that no request
 * can name, as its name is none that S3 allows. */

#ifndef SERVER_API_IAM_STORE_H
#define SERVER_API_IAM_STORE_H

#include "server/auth/iam.h"
#include "server/store/store.h"

#define API_SYSTEM_BUCKET ".tarn.sys"

/* `store` must outlive what uses it. The bucket is made with the first document. */
struct iam_storage api_iam_storage(struct store *store);

#endif
