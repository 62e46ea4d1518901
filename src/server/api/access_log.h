/* SPDX-License-Identifier: Apache-2.0 */
/* Server access logs as S3 writes them: lines about the requests to one bucket, gathered in memory
 * and put as objects into another by a thread of its own. Best effort, as in S3: lines are lost
 * with the process, and when they come faster than they can be written. */

#ifndef SERVER_API_ACCESS_LOG_H
#define SERVER_API_ACCESS_LOG_H

#include "server/api/request.h"

enum {
    ACCESS_LOG_TARGET_COUNT_MAX = 64,
    ACCESS_LOG_LINE_LEN_MAX = 16 * 1024,
    ACCESS_LOG_LEN_MAX = 4 * 1024 * 1024, /* gathered for one target */
    ACCESS_LOG_FLUSH_S = 60,
};

struct access_log;

/* `flush_s`: how long lines are gathered; 0: ACCESS_LOG_FLUSH_S. TARN_ENOMEM. */
TN_MUST_USE int access_log_start(struct api *api, uint64_t flush_s, struct access_log **out);

/* Writes what is left, waits for it. Accepts NULL. */
void access_log_stop(struct access_log *log);

/* A request that was answered. Never waits. */
void access_log_add(struct access_log *log, struct api_req *r);

#endif
