/* SPDX-License-Identifier: Apache-2.0 */
/* Managed policies that every account has without making them, by the names that AWS gave them. */

#ifndef SERVER_AUTH_IAM_MANAGED_H
#define SERVER_AUTH_IAM_MANAGED_H

#include <jansson.h>
#include <stddef.h>

/* The account in their ARNs: no account has such a number. */
#define IAM_MANAGED_ACCOUNT "aws"

size_t iam_managed_count(void);

/* A document as iam_put() takes them; the caller's. NULL when there is no memory. */
json_t *iam_managed_document(size_t i);

#endif
