/* SPDX-License-Identifier: Apache-2.0 */
/* put, head, delete: one object, one request. */

#include <tarn/object.h>

#include "base/wait.h"
#include "client/attributes.h"
#include "client/client_impl.h"
#include "client/transfer_impl.h"

enum { PAUSE_POLL_MS = 100 };

static const struct tarn_put_options no_put_options;

int tn_fail_no_memory(struct tarn_error *err, const char *what)
{
    return tn_fail(err, TARN_ENOMEM, "could not %s: out of memory", what);
}

void tn_op_checksum_given(struct tn_op *op, const struct tarn_put_options *options)
{
    if (!tn_checksum_is_known(options->checksum))
        tn_op_refuse(op, TARN_EINVAL);
    if (!options->checksum_value)
        return;
    if (tn_checksum_parse(op->body.checksum, tn_str_from(options->checksum_value),
                          &op->body.value) < 0)
        tn_op_refuse(op, TARN_EINVAL);
    op->body.has_value = true;
}

static void add_put_options(struct tn_op *op, const struct tarn_put_options *options)
{
    tn_op_request(op, &options->request);
    tn_op_attributes(op, &options->attributes);
    tn_op_conditions(op, &options->conditions, "");
    tn_op_checksum_given(op, options);
}

int tarn_object_put(struct tarn_client *client, const char *bucket, const char *key,
                    const void *bytes, size_t len, const struct tarn_put_options *options,
                    struct tarn_object_info *info, struct tarn_error *err)
{
    int given = tn_check_given(client, bucket, key, TN_MISSING_ITEMS(bytes, len), err);
    if (given < 0)
        return given;
    struct tn_waiter waiter;
    options = options ? options : &no_put_options;
    tn_waiter_init(&waiter);
    struct tn_op *op = tn_op_new(client, &waiter, "put object", "PUT", bucket, key);
    int rc = op ? TARN_OK : tn_fail_no_memory(err, "put object");
    if (op) {
        tn_op_bytes(op, bytes ? bytes : "", len, tn_client_checksum(client, options->checksum));
        add_put_options(op, options);
        rc = tn_op_run(op, err);
    }
    if (rc == TARN_OK)
        rc = tn_upload_take(op, info, err);
    tn_op_free(op);
    tn_waiter_release(&waiter);
    return rc;
}

/* ---- from a callback ---- */

struct source {
    tarn_read_fn read;
    int (*rewind)(void *arg);
    void *arg;
    uint64_t len;
    uint64_t given;
    int rc;
};

/* One step of filling the pipe, without the lock while the caller's function runs. */
static void fill_pipe(struct tn_op *op, struct source *src)
{
    size_t room;
    char *to = tn_pipe_room(op->body.pipe, &room);
    uint64_t left = src->len - src->given;
    size_t want = left < room ? (size_t)left : room;
    tn_waiter_unlock(op->waiter);
    int64_t n = src->read(src->arg, to, want);
    tn_waiter_lock(op->waiter);
    if (n <= 0 || (uint64_t)n > want) {
        src->rc = n == 0 ? TARN_EEOF : n < 0 ? (int)n : TARN_EINVAL;
        tn_op_want(op, TN_OP_WANT_CANCEL);
        return;
    }
    src->given += (uint64_t)n;
    tn_pipe_added(op->body.pipe, (size_t)n);
    if (op->body.pipe->is_paused) {
        op->body.pipe->is_paused = false;
        tn_op_want(op, TN_OP_WANT_UNPAUSE);
    }
}

static void feed(struct tn_op *op, struct source *src)
{
    bool did_cancel = false;
    tn_waiter_lock(op->waiter);
    while (!op->is_done) {
        if (!did_cancel && tn_flag_is_set(op->cancel)) {
            did_cancel = true;
            tn_op_want(op, TN_OP_WANT_CANCEL);
        }
        bool has_room = op->body.pipe->len < TN_PIPE_CAP;
        if (has_room && src->given < src->len && src->rc == TARN_OK && !did_cancel)
            fill_pipe(op, src);
        else
            tn_waiter_wait(op->waiter, op->cancel ? PAUSE_POLL_MS : -1);
    }
    tn_waiter_unlock(op->waiter);
}

/* False when the call was cancelled meanwhile. */
static bool wait_to_start_over(const struct tn_op *op)
{
    uint64_t left_ms = op->rewind_delay_ms;
    while (left_ms > 0 && !tn_flag_is_set(op->cancel) && !atomic_load(&op->client->is_cancelled)) {
        uint64_t step_ms = left_ms < PAUSE_POLL_MS ? left_ms : PAUSE_POLL_MS;
        (void)nanosleep(&(struct timespec){ .tv_nsec = (long)step_ms * 1000000 }, NULL);
        left_ms -= step_ms;
    }
    return left_ms == 0;
}

/* Back to the start for another try; false when that cannot be. */
static bool start_over(struct tn_op *op, struct source *src)
{
    if (!op->wants_rewind || !src->rewind || src->rc < 0)
        return false;
    if (!wait_to_start_over(op)) {
        src->rc = TARN_ECANCELLED;
        return false;
    }
    if (src->rewind(src->arg) < 0)
        return false;
    src->given = 0;
    op->body.pipe->start = op->body.pipe->len = 0;
    op->body.pipe->is_paused = false;
    atomic_fetch_add_explicit(&op->client->retries, 1, memory_order_relaxed);
    return true;
}

/* A server that does not know checksums behind a body stores them with it. Of bytes that are gone
 * only the length can be compared. */
static int check_length(struct tn_op *op, const struct tarn_put_options *options,
                        struct tarn_error *err)
{
    struct tarn_object_info info = { 0 };
    struct tarn_get_options look = { .request = options->request };
    if (op->rc < 0 || !op->body.is_chunked || atomic_load(&op->client->knows_trailers) ||
        tarn_object_head(op->client, op->bucket, op->key, &look, &info, NULL) < 0)
        return TARN_OK;
    bool is_same = info.size == op->body.len;
    tarn_object_info_release(&info);
    if (!is_same)
        return tn_op_fail(op, err, TARN_ECHECKSUM,
                          "the server stored other bytes: it does not know checksums behind them");
    atomic_store(&op->client->knows_trailers, true);
    return TARN_OK;
}

static int run_source(struct tn_op *op, struct source *src, struct tarn_error *err)
{
    do {
        tn_op_post(op);
        feed(op, src);
    } while (op->rc < 0 && start_over(op, src));

    if (src->rc < 0)
        return tn_op_fail(op, err, src->rc, "the data %s",
                          src->rc == TARN_EEOF         ? "ended before its length"
                          : src->rc == TARN_ECANCELLED ? "is no longer wanted"
                                                       : "could not be read");
    if (op->rc < 0 && err)
        *err = op->err;
    return op->rc;
}

int tarn_object_put_stream(struct tarn_client *client, const char *bucket, const char *key,
                           tarn_read_fn read, int (*rewind)(void *arg), void *arg, uint64_t len,
                           const struct tarn_put_options *options, struct tarn_object_info *info,
                           struct tarn_error *err)
{
    int given = tn_check_given(client, bucket, key, TN_MISSING(read), err);
    if (given < 0)
        return given;
    struct tn_waiter waiter;
    struct source src = { .read = read, .rewind = rewind, .arg = arg, .len = len };
    struct tn_pipe pipe = { 0 };
    void *ring = NULL;
    options = options ? options : &no_put_options;
    int rc = tn_ring_take(client, options->request.cancel, &ring);
    if (rc < 0)
        return tn_fail(err, rc, "could not put object \"%s/%s\": %s", bucket, key,
                       tarn_status_text(rc));
    pipe.ring = ring;
    tn_waiter_init(&waiter);
    struct tn_op *op = tn_op_new(client, &waiter, "put object", "PUT", bucket, key);
    rc = op ? TARN_OK : tn_fail_no_memory(err, "put object");
    if (op) {
        tn_op_stream(op, &pipe, len, tn_client_checksum(client, options->checksum));
        add_put_options(op, options);
        rc = run_source(op, &src, err);
    }
    if (rc == TARN_OK)
        rc = check_length(op, options, err);
    if (rc == TARN_OK)
        rc = tn_upload_take(op, info, err);
    tn_op_free(op);
    tn_waiter_release(&waiter);
    tn_budget_give(&client->budget, ring, TN_PIPE_CAP);
    return rc;
}

/* ---- head, delete ---- */

int tarn_object_head(struct tarn_client *client, const char *bucket, const char *key,
                     const struct tarn_get_options *options, struct tarn_object_info *info,
                     struct tarn_error *err)
{
    int given = tn_check_given(client, bucket, key, NULL, err);
    if (given < 0)
        return given;
    static const struct tarn_get_options none;
    struct tn_waiter waiter;
    options = options ? options : &none;
    tn_waiter_init(&waiter);
    struct tn_op *op = tn_op_new(client, &waiter, "look at object", "HEAD", bucket, key);
    int rc = op ? TARN_OK : tn_fail_no_memory(err, "look at object");
    if (op) {
        tn_op_request(op, &options->request);
        tn_op_get_options(op, options);
        rc = tn_op_run(op, err);
    }
    if (rc == TARN_OK)
        rc = tn_op_info(op, info, err);
    tn_op_free(op);
    tn_waiter_release(&waiter);
    return rc;
}

void tn_delete_request(struct tn_op *op, const struct tarn_delete_options *options)
{
    const struct tarn_conditions conditions = { .if_match = options->if_match };
    tn_op_request(op, &options->request);
    tn_op_query(op, "versionId", options->version_id);
    tn_op_conditions(op, &conditions, "");
    tn_op_header(op, "x-amz-mfa", options->mfa);
    if (options->bypass_governance)
        tn_op_header(op, "x-amz-bypass-governance-retention", "true");
}

int tarn_object_delete(struct tarn_client *client, const char *bucket, const char *key,
                       const struct tarn_delete_options *options, struct tarn_object_info *info,
                       struct tarn_error *err)
{
    int given = tn_check_given(client, bucket, key, NULL, err);
    if (given < 0)
        return given;
    static const struct tarn_delete_options none;
    struct tn_waiter waiter;
    options = options ? options : &none;
    tn_waiter_init(&waiter);
    struct tn_op *op = tn_op_new(client, &waiter, "delete object", "DELETE", bucket, key);
    int rc = op ? TARN_OK : tn_fail_no_memory(err, "delete object");
    if (op) {
        tn_delete_request(op, options);
        rc = tn_op_run(op, err);
    }
    if (rc == TARN_OK)
        rc = tn_op_info(op, info, err);
    tn_op_free(op);
    tn_waiter_release(&waiter);
    return rc;
}
