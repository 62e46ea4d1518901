/* SPDX-License-Identifier: Apache-2.0 */
/* Which sections of a bucket's settings are parsed for the requests that follow, and into what. */

#ifndef SERVER_API_BUCKET_FORMS_H
#define SERVER_API_BUCKET_FORMS_H

#include "server/api/bucket_config.h"

extern const struct bucket_form bucket_forms[];
extern const size_t bucket_form_count;

#endif
