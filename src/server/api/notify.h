/* SPDX-License-Identifier: Apache-2.0 */
/* Events of buckets, for those who want to be told: docs/design/notifications.md. Each target has a
 * bounded queue in the store, and a thread that empties it. */

#ifndef SERVER_API_NOTIFY_H
#define SERVER_API_NOTIFY_H

#include "server/api/request.h"
#include "server/notify/sender.h"

#define NOTIFY_BUCKET ".tarn.events" /* no name that a request can have */

enum {
    NOTIFY_TARGET_COUNT_MAX = 16,
    NOTIFY_QUEUE_MAX = 100000, /* events that wait for one target */
    NOTIFY_BATCH_COUNT_MAX = 1000 * NOTIFY_TARGET_COUNT_MAX,
};

struct notify;
struct tn_xml_node;

/* Checks the targets, which must outlive it, and starts to empty their queues. `queue_max` 0:
 * NOTIFY_QUEUE_MAX. TARN_ECONFIG, ... */
TN_MUST_USE int notify_start(struct api *api, const struct notify_target *targets, size_t count,
                             uint64_t queue_max, struct notify **out, struct tarn_error *err);

/* Ends the threads; what waits is sent after the next start. Accepts NULL. */
void notify_stop(struct notify *n);

/* SIZE_MAX: there is none. Accepts NULL. */
size_t notify_find_target(const struct notify *n, struct tn_str arn);

/* --- notify_event.c --- */

/* Of a change that was made. */
struct notify_event {
    struct api *api;
    const char *name; /* without "s3:" */
    const struct bucket_config *config;
    struct tn_str key;
    const struct store_head *head; /* as it is now, or of what was removed */
    struct tn_str principal;       /* who did it */
    struct tn_str address;         /* from where */
    struct tn_str request_id;
};

/* Events on their way into queues. */
struct notify_batch;

/* Adds what the bucket's configuration says; makes `*batch` when it is NULL. */
void notify_batch_add(struct notify_batch **batch, const struct notify_event *e);

/* Of a request's change. Nothing happens when nobody wants to know. */
void notify_add(struct api_req *r, const char *name, struct tn_str key,
                const struct store_head *head);

/* A change of an object's metadata, by the name of the operation. */
void notify_add_change(struct api_req *r, const struct store_head *head);

/* A deletion: what `txn` did, if it did anything. */
void notify_add_delete(struct api_req *r, const struct store_txn *txn);

/* S3's test to each target of the bucket's new configuration. */
void notify_add_test(struct api_req *r);

/* Does a configuration that is being put make sense? InvalidArgument. */
TN_MUST_USE enum tn_s3_code notify_check(struct api_req *r, const struct tn_xml_node *root);

/* --- notify_queue.c --- */

/* Queues one message; it is dropped when there is no memory. Appends to `*batch`. */
void notify_batch_put(struct notify *n, struct notify_batch **batch, size_t target,
                      const struct notify_message *m);

/* Makes the events durable, or drops them, and frees the batch; then `done`, on any thread, perhaps
 * before this returns. */
void notify_batch_commit(struct notify_batch *batch, void (*done)(void *user), void *user);
void notify_batch_free(struct notify_batch *batch); /* of one that is not committed; accepts NULL */

#endif
