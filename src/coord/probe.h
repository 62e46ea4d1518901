/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a server honours the conditions that all of this rests on. */

#ifndef COORD_PROBE_H
#define COORD_PROBE_H

#include <tarn/client.h>
#include <tarn/copy_atomic.h>

#include "base/fail.h"

/* TARN_OK when the bucket honours all of `needed`, else TARN_ENOTSUPPORTED, or what kept the probe
 * from finding out. Of `request` all but the headers counts. */
TN_MUST_USE int tn_probe_need(struct tarn_client *client, const char *bucket, const char *key,
                              unsigned needed, const struct tarn_request *request,
                              struct tarn_error *err);

#endif
