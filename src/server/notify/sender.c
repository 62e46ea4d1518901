/* SPDX-License-Identifier: Apache-2.0 */
/* Which kind of sender a target has. */

#include "server/notify/sender.h"

int notify_sender_new(const struct notify_target *target, const _Atomic(bool) *must_stop,
                      struct notify_sender **out, struct tarn_error *err)
{
    if (!target->arn || strncmp(target->arn, "arn:", 4) != 0)
        return tn_fail(err, TARN_ECONFIG, "a notification target needs an \"arn\"");
    if (!target->webhook == !target->redis)
        return tn_fail(err, TARN_ECONFIG,
                       "notification target \"%s\" must have either \"webhook\" or \"redis\"",
                       target->arn);
    return target->webhook ? webhook_new(target, must_stop, out, err)
                           : redis_new(target, must_stop, out, err);
}

void notify_sender_free(struct notify_sender *s)
{
    if (s)
        s->ops->close(s);
}
