/* SPDX-License-Identifier: Apache-2.0 */
/* What a bucket may hold. */

#ifndef SERVER_API_QUOTA_H
#define SERVER_API_QUOTA_H

#include "server/api/bucket_config.h"

/* Nothing for a bucket without one, or NULL. */
struct store_quota quota_of(const struct bucket_config *config);

#endif
