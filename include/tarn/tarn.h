/* SPDX-License-Identifier: Apache-2.0 */
/* All of libtarn. */

#ifndef TARN_TARN_H
#define TARN_TARN_H

#include <tarn/async.h>
#include <tarn/batch.h>
#include <tarn/bucket.h>
#include <tarn/buffer.h>
#include <tarn/client.h>
#include <tarn/copy_atomic.h>
#include <tarn/credentials.h>
#include <tarn/events.h>
#include <tarn/iam.h>
#include <tarn/job.h>
#include <tarn/list.h>
#include <tarn/lock.h>
#include <tarn/multipart.h>
#include <tarn/object.h>
#include <tarn/presign.h>
#include <tarn/retry.h>
#include <tarn/store.h>
#include <tarn/tagging.h>
#include <tarn/transfer.h>
#include <tarn/versioning.h>

#endif
