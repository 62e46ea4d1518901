/* SPDX-License-Identifier: Apache-2.0 */
/* get: one object to a callback, or into memory. */

#include <tarn/object.h>

#include "base/wait.h"
#include "client/attributes.h"
#include "client/client_impl.h"
#include "client/transfer_impl.h"

enum { CANCEL_POLL_MS = 100 };

struct target {
    tarn_write_fn write;
    void *arg;
    bool skip_verify;
    bool has_looked; /* at the head: the verifier is set up */
    struct tn_verifier verifier;
    int rc; /* of the caller's function */
};

void tn_op_get_options(struct tn_op *op, const struct tarn_get_options *o)
{
    bool is_get = strcmp(op->method, "GET") == 0;
    const struct {
        const char *name;
        const char *value;
    } overrides[] = {
        { "response-content-type", o->response_content_type },
        { "response-content-encoding", o->response_content_encoding },
        { "response-content-disposition", o->response_content_disposition },
        { "response-content-language", o->response_content_language },
        { "response-cache-control", o->response_cache_control },
        { "response-expires", o->response_expires },
    };
    tn_op_conditions(op, &o->conditions, "");
    tn_op_query(op, "versionId", o->version_id);
    if (o->part_number > 0)
        tn_op_query_u64(op, "partNumber", o->part_number);
    for (size_t i = 0; is_get && i < TN_COUNT(overrides); i++)
        tn_op_query(op, overrides[i].name, overrides[i].value);
    if (!o->skip_verify)
        tn_op_header(op, "x-amz-checksum-mode", "ENABLED");
    op->has_range = o->has_range;
    op->range_first = o->range_first;
    op->range_last = o->range_last;
    op->range_suffix = o->has_range ? 0 : o->range_suffix;
    op->can_resume = o->part_number == 0;
    if (o->has_range && o->range_last < o->range_first)
        tn_op_refuse(op, TARN_EINVAL);
}

/* A range or a part is not what checksum and ETag speak of. */
static void look_at_head(struct tn_op *op, const struct tarn_get_options *options,
                         struct target *target)
{
    target->has_looked = true;
    if (!target->skip_verify && !op->has_range && options->part_number == 0)
        target->rc = tn_op_verifier(op, &target->verifier);
}

/* With the lock held, which is dropped while the caller's function runs. */
static void drain(struct tn_op *op, const struct tarn_get_options *options, struct target *target)
{
    struct tn_pipe *pipe = op->sink.pipe;
    struct tn_str front = tn_pipe_front(pipe);
    if (!target->has_looked)
        look_at_head(op, options, target);
    tn_waiter_unlock(op->waiter);
    if (target->rc == TARN_OK) {
        tn_verifier_update(&target->verifier, front.data, front.len);
        int rc = target->write(target->arg, front.data, front.len);
        target->rc = rc < 0 ? rc : TARN_OK;
    }
    tn_waiter_lock(op->waiter);
    tn_pipe_drop(pipe, front.len);
    if (target->rc < 0) {
        tn_op_want(op, TN_OP_WANT_CANCEL);
    } else if (pipe->is_paused && pipe->len <= TN_PIPE_CAP / 2) {
        pipe->is_paused = false;
        tn_op_want(op, TN_OP_WANT_UNPAUSE);
    }
}

static void pump(struct tn_op *op, const struct tarn_get_options *options, struct target *target)
{
    bool did_cancel = false;
    tn_waiter_lock(op->waiter);
    for (;;) {
        if (!did_cancel && tn_flag_is_set(op->cancel)) {
            did_cancel = true;
            tn_op_want(op, TN_OP_WANT_CANCEL);
        }
        if (op->sink.pipe->len > 0 && !did_cancel)
            drain(op, options, target);
        else if (op->is_done)
            break;
        else
            tn_waiter_wait(op->waiter, op->cancel ? CANCEL_POLL_MS : -1);
    }
    if (op->rc == TARN_OK && !target->has_looked) /* an empty body */
        look_at_head(op, options, target);
    tn_waiter_unlock(op->waiter);
}

static int finish_get(struct tn_op *op, struct target *target, struct tarn_object_info *info,
                      struct tarn_error *err)
{
    if (target->rc < 0)
        return tn_op_fail(op, err, target->rc, "could not write the data: %s",
                          tarn_status_text(target->rc));
    if (op->rc < 0) {
        if (err)
            *err = op->err;
        return op->rc;
    }
    if (op->sink.pipe->len > 0) /* all had come, but was not all taken */
        return tn_op_fail(op, err, TARN_ECANCELLED, "cancelled");
    int rc = tn_verifier_check(&target->verifier);
    if (rc == TARN_ECHECKSUM)
        return tn_op_fail(op, err, rc, "the bytes do not match the checksum of the object");
    bool was_verified = rc == TARN_OK;
    rc = tn_op_info(op, info, err);
    if (rc == TARN_OK && info)
        info->was_verified = was_verified;
    return rc;
}

/* While the memory is waited for. */
struct patience {
    struct tarn_client *client;
    const volatile int *cancel;
};

static bool should_stop(void *arg)
{
    const struct patience *p = arg;
    return tn_flag_is_set(p->cancel) || atomic_load(&p->client->is_cancelled);
}

int tn_ring_take(struct tarn_client *client, const volatile int *cancel, void **ring)
{
    struct patience patience = { client, cancel };
    return tn_budget_take(&client->budget, TN_PIPE_CAP, false, should_stop, &patience, ring);
}

int tarn_object_get(struct tarn_client *client, const char *bucket, const char *key,
                    tarn_write_fn write, void *arg, const struct tarn_get_options *options,
                    struct tarn_object_info *info, struct tarn_error *err)
{
    int given = tn_check_given(client, bucket, key, TN_MISSING(write), err);
    if (given < 0)
        return given;
    static const struct tarn_get_options none;
    struct tn_waiter waiter;
    struct tn_pipe pipe = { 0 };
    void *ring = NULL;
    options = options ? options : &none;
    struct target target = { .write = write, .arg = arg, .skip_verify = options->skip_verify };
    int rc = tn_ring_take(client, options->request.cancel, &ring);
    if (rc < 0)
        return tn_fail(err, rc, "could not get object: %s", tarn_status_text(rc));
    pipe.ring = ring;
    tn_waiter_init(&waiter);
    struct tn_op *op = tn_op_new(client, &waiter, "get object", "GET", bucket, key);
    rc = op ? TARN_OK : tn_fail_no_memory(err, "get object");
    if (op) {
        tn_op_request(op, &options->request);
        tn_op_get_options(op, options);
        op->sink.kind = TN_SINK_PIPE;
        op->sink.pipe = &pipe;
        op->sink.waiter = &waiter;
        tn_op_post(op);
        pump(op, options, &target);
        rc = finish_get(op, &target, info, err);
    }
    tn_verifier_release(&target.verifier);
    tn_op_free(op);
    tn_waiter_release(&waiter);
    tn_budget_give(&client->budget, ring, TN_PIPE_CAP);
    return rc;
}

static int append_bytes(void *arg, const void *bytes, size_t len)
{
    return tn_buf_append(arg, bytes, len);
}

int tarn_object_get_bytes(struct tarn_client *client, const char *bucket, const char *key,
                          size_t len_max, char **bytes, size_t *len,
                          const struct tarn_get_options *options, struct tarn_object_info *info,
                          struct tarn_error *err)
{
    int given =
        tn_check_given(client, bucket, key, tn_missing(TN_MISSING(bytes), TN_MISSING(len)), err);
    if (given < 0)
        return given;
    TN_AUTO_BUF body = TN_BUF_INIT(len_max);
    struct tarn_object_info found = { 0 };
    int rc = tarn_object_get(client, bucket, key, append_bytes, &body, options,
                             info ? &found : NULL, err);
    if (rc < 0)
        return rc;
    size_t got = body.len;
    char *out = tn_buf_detach(&body); /* an empty one has to be made */
    if (!out) {
        tarn_object_info_release(&found);
        return tn_fail_no_memory(err, "get object");
    }
    if (info)
        *info = found;
    *bytes = out;
    *len = got;
    return TARN_OK;
}

void tarn_bytes_free(char *bytes)
{
    tn_free(bytes);
}
