/* SPDX-License-Identifier: Apache-2.0 */
/* Where events are sent: a webhook or Redis. A sender is one thread's; it keeps its connection from
 * message to message and makes a new one when it broke. */

#ifndef SERVER_NOTIFY_SENDER_H
#define SERVER_NOTIFY_SENDER_H

#include <stdatomic.h>

#include "base/fail.h"
#include "base/str.h"

enum {
    NOTIFY_TIMEOUT_MS = 10 * 1000, /* for one try */
    NOTIFY_MESSAGE_LEN_MAX = 48 * 1024,
};

/* As the configuration has it; NULL where nothing was said. */
struct notify_target {
    const char *arn;
    const char *webhook;    /* http://... or https://... */
    const char *auth_token; /* of the webhook: a bearer token, or "SCHEME CREDENTIALS" */
    const char *redis;      /* redis://HOST:PORT/DB */
    const char *password;   /* of Redis */
    const char *key;        /* of the list, hash or stream, or the channel */
    const char *format;     /* list, publish, stream, access, namespace */
};

struct notify_message {
    struct tn_str json; /* {"Records":[...]} */
    struct tn_str name; /* BUCKET/KEY */
    bool is_removed;    /* the object is gone */
};

struct notify_sender;

struct notify_sender_ops {
    void (*close)(struct notify_sender *s);
    /* TARN_OK: it has arrived. Everything else: try again later. */
    int (*send)(struct notify_sender *s, const struct notify_message *m, struct tarn_error *err);
};

struct notify_sender {
    const struct notify_sender_ops *ops;
};

/* TARN_ECONFIG: the target makes no sense. It must outlive the sender, as `must_stop` must, which
 * ends a try when it becomes true. */
TN_MUST_USE int notify_sender_new(const struct notify_target *target,
                                  const _Atomic(bool) *must_stop, struct notify_sender **out,
                                  struct tarn_error *err);
void notify_sender_free(struct notify_sender *s); /* accepts NULL */

/* webhook.c, redis.c */
TN_MUST_USE int webhook_new(const struct notify_target *target, const _Atomic(bool) *must_stop,
                            struct notify_sender **out, struct tarn_error *err);
TN_MUST_USE int redis_new(const struct notify_target *target, const _Atomic(bool) *must_stop,
                          struct notify_sender **out, struct tarn_error *err);

#endif
