/* SPDX-License-Identifier: Apache-2.0 */
/* The states of one object of a job. */

#include "client/job_impl.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/file.h"
#include "base/lanes.h"
#include "base/log.h"
#include "client/attributes.h"
#include "client/partial.h"
#include "client/transfer_impl.h"

enum {
    SMALL_LEN_MAX = 64 * 1024, /* goes through memory */
    BLOCK_LEN_MIN = 4096,
    SLOW_NS = 1000 * 1000, /* what calls for a small file may take in an I/O thread */
    SLOW_COST = 4,         /* against 1 for each that took less */
    SLOW_SCORE_MAX = 8,
    ELSEWHERE_COUNT = 64, /* then so many objects do not try */
};

#define TO(state) (1u << (state))

static void do_queued(struct tn_object *o);
static void do_open(struct tn_object *o);
static void do_settle(struct tn_object *o);
static void do_blocking(struct tn_object *o);

static const struct {
    const char *name;
    void (*run)(struct tn_object *o); /* enters another state, or sets wants_thread */
    uint32_t may_enter;
} states[TN_OBJECT_STATE_COUNT] = {
    [TN_OBJECT_QUEUED] = { "queued", do_queued,
                           TO(TN_OBJECT_OPEN) | TO(TN_OBJECT_EXCHANGE) | TO(TN_OBJECT_BLOCKING) |
                               TO(TN_OBJECT_DONE) },
    [TN_OBJECT_OPEN] = { "open", do_open,
                         TO(TN_OBJECT_EXCHANGE) | TO(TN_OBJECT_BLOCKING) | TO(TN_OBJECT_DONE) },
    [TN_OBJECT_EXCHANGE] = { "exchange", NULL,
                             TO(TN_OBJECT_SETTLE) | TO(TN_OBJECT_BLOCKING) | TO(TN_OBJECT_DONE) },
    [TN_OBJECT_SETTLE] = { "settle", do_settle, TO(TN_OBJECT_DONE) },
    [TN_OBJECT_BLOCKING] = { "blocking", do_blocking, TO(TN_OBJECT_DONE) },
    [TN_OBJECT_DONE] = { "done", NULL, 0 },
};

static void enter(struct tn_object *o, enum tn_object_state to)
{
    assert(states[o->state].may_enter & TO(to));
    TN_TRACE(client, "object %s/%s: %s -> %s", o->bucket ? o->bucket : "", o->key ? o->key : "",
             states[o->state].name, states[to].name);
    o->state = to;
}

static void fail(struct tn_object *o, int rc)
{
    o->rc = rc;
    enter(o, TN_OBJECT_DONE);
}

static void drop_block(struct tn_object *o)
{
    tn_budget_give(&o->job->client->budget, TN_TAKE(o->block), o->block_len);
}

/* With no memory to be had at once the object goes without: nobody waits while he holds some. */
static bool take_block(struct tn_object *o, uint64_t len)
{
    void *block = NULL;
    size_t room = BLOCK_LEN_MIN;
    if (len > SMALL_LEN_MAX)
        return false;
    while (room < len)
        room *= 2;
    if (tn_budget_take(&o->job->client->budget, room, true, NULL, NULL, &block) < 0)
        return false;
    o->block = block;
    o->block_len = room;
    return true;
}

/* ---- queued ---- */

static bool is_cancelled(const struct tn_object *o)
{
    return atomic_load_explicit(&o->job->is_cancelled, memory_order_relaxed) ||
           atomic_load_explicit(&o->job->client->is_cancelled, memory_order_relaxed);
}

static void choose_download(struct tn_object *o)
{
    const struct tarn_transfer_options *opt = &o->options;
    if (!opt->has_size_hint || opt->size_hint >= tn_transfer_threshold(opt)) {
        enter(o, TN_OBJECT_BLOCKING);
    } else if (opt->must_not_exist && access(o->path, F_OK) == 0) {
        fail(o, tn_fail(&o->err, TARN_EEXISTS, "could not write file \"%s\": it exists already",
                        o->path));
    } else {
        enter(o, take_block(o, opt->size_hint) ? TN_OBJECT_EXCHANGE : TN_OBJECT_OPEN);
    }
}

/* One of which it is known that one request will do. */
static bool is_small_copy(const struct tn_object *o)
{
    return o->kind == TN_OBJECT_COPY && o->copy.source_size > 0 &&
           o->copy.source_size <= TARN_PUT_LEN_MAX;
}

static void do_queued(struct tn_object *o)
{
    if (is_cancelled(o))
        fail(o, tn_fail(&o->err, TARN_ECANCELLED, "cancelled"));
    else if (o->kind == TN_OBJECT_UPLOAD)
        enter(o, TN_OBJECT_OPEN);
    else if (o->kind == TN_OBJECT_DOWNLOAD)
        choose_download(o);
    else if (o->kind == TN_OBJECT_DELETE || is_small_copy(o))
        enter(o, TN_OBJECT_EXCHANGE);
    else
        enter(o, TN_OBJECT_BLOCKING);
}

/* ---- open ---- */

/* Bytes; TARN_EAGAIN where the disk would have to be waited for. */
static ssize_t read_now(struct tn_object *o, size_t len)
{
    struct iovec room = { o->block, len };
    if (o->may_block)
        return tn_fd_pread(o->fd, o->block, len, 0);
    ssize_t n = preadv2(o->fd, &room, 1, 0, RWF_NOWAIT);
    if (n < 0 && errno == EOPNOTSUPP)
        return tn_fd_pread(o->fd, o->block, len, 0);
    return n < 0 || (size_t)n < len ? TARN_EAGAIN : n; /* there may be more on the disk */
}

static void read_small(struct tn_object *o)
{
    size_t len = (size_t)o->before.st_size;
    ssize_t n = len ? read_now(o, len) : 0;
    if (n == TARN_EAGAIN && !o->may_block) {
        o->wants_thread = true;
        return;
    }
    if (n < 0 || (size_t)n < len) {
        fail(o, tn_fail(&o->err, n < 0 ? (int)n : TARN_ECONFLICT, "could not read file \"%s\": %s",
                        o->path, n < 0 ? strerror(errno) : "it became shorter"));
        return;
    }
    int rc = tn_upload_check_unchanged(o->fd, &o->before, o->path, &o->err);
    tn_fd_close(&o->fd);
    if (rc < 0)
        fail(o, rc);
    else
        enter(o, TN_OBJECT_EXCHANGE);
}

static void open_source(struct tn_object *o)
{
    int fd = o->fd >= 0 ? o->fd : tn_upload_open(o->path, &o->before, &o->err);
    if (fd < 0) {
        fail(o, fd);
        return;
    }
    o->fd = fd;
    uint64_t size = (uint64_t)o->before.st_size;
    if (size >= tn_transfer_threshold(&o->options)) {
        tn_fd_close(&o->fd);
        enter(o, TN_OBJECT_BLOCKING);
    } else if (o->block || take_block(o, size)) {
        read_small(o);
    } else {
        enter(o, TN_OBJECT_EXCHANGE);
    }
}

static void open_target(struct tn_object *o)
{
    bool was_there = false;
    char partial[TN_PARTIAL_LEN_MAX];
    int made = tn_partial_name(o->path, partial, &o->err);
    if (made < 0) {
        fail(o, made);
        return;
    }
    int fd = tn_partial_open(partial, o->options.file_mode, &was_there, &o->err);
    if (fd < 0) {
        fail(o, fd);
        return;
    }
    o->fd = fd;
    o->partial = tn_strdup(partial);
    if (!o->partial) {
        (void)unlink(partial);
        fail(o, tn_fail_no_memory(&o->err, "get object"));
        return;
    }
    int rc = TARN_OK;
    if (was_there && ftruncate(fd, 0) < 0)
        rc = tn_fail_errno(&o->err, "could not empty file \"%s\"", o->partial);
    if (rc == TARN_OK)
        rc = tn_partial_allocate(fd, o->options.size_hint, o->path, &o->err);
    if (rc < 0)
        fail(o, rc);
    else
        enter(o, TN_OBJECT_EXCHANGE);
}

static void do_open(struct tn_object *o)
{
    if (o->kind == TN_OBJECT_UPLOAD)
        open_source(o);
    else
        open_target(o);
}

/* ---- exchange ---- */

static void add_upload(struct tn_object *o)
{
    enum tn_checksum_kind checksum = tn_client_checksum(o->job->client, o->options.checksum);
    uint64_t size = (uint64_t)o->before.st_size;
    if (o->block)
        tn_op_bytes(o->op, o->block, (size_t)size, checksum);
    else
        tn_op_file(o->op, o->fd, 0, size, checksum);
    tn_upload_request(o->op, &o->options);
}

static void add_download(struct tn_object *o)
{
    struct tn_sink *sink = &o->op->sink;
    sink->kind = o->block ? TN_SINK_BYTES : TN_SINK_FILE;
    sink->bytes = o->block;
    sink->cap = o->block_len;
    sink->fd = o->fd;
    sink->verifies = o->options.verify != TARN_VERIFY_NONE;
    tn_download_request(o->op, &o->options);
}

static void on_done(struct tn_op *op)
{
    struct tn_object *o = op->owner;
    o->rc = op->rc;
    bool has_grown = o->rc < 0 && o->block && op->sink.rc == TARN_ETOOBIG;
    if (has_grown) {
        o->options.has_size_hint = false;
        enter(o, TN_OBJECT_BLOCKING);
    } else if (o->rc < 0) {
        o->err = op->err;
        enter(o, TN_OBJECT_DONE);
    } else {
        enter(o, TN_OBJECT_SETTLE);
    }
    tn_object_advance(o);
}

/* One digest leaves most of a wide processor idle, sixteen side by side do not. */
void tn_station_hash(struct tn_station *s)
{
    struct tn_lane lanes[TN_LANE_COUNT];
    struct tn_lane_job jobs[TN_LANE_COUNT];
    unsigned char digest[TN_SHA256_LEN];
    size_t count = 0;
    for (struct tn_object *o = s->unhashed; o; o = o->next, count++) {
        const struct tn_body *body = &o->op->body;
        tn_lane_init(&lanes[count], TN_HASH_SHA256);
        jobs[count] = (struct tn_lane_job){ &lanes[count], (const unsigned char *)body->bytes,
                                            (size_t)body->len };
    }
    tn_lanes_update(jobs, count);
    for (size_t i = 0; i < count; i++) {
        struct tn_object *o = s->unhashed;
        s->unhashed = o->next;
        o->next = NULL;
        tn_lane_final(&lanes[i], digest);
        tn_op_hashed(o->op, digest);
        tn_loop_start(s->loop, o->op);
    }
    s->unhashed_count = 0;
}

static void await_others(struct tn_object *o)
{
    struct tn_station *s = o->station;
    o->next = s->unhashed;
    s->unhashed = o;
    if (++s->unhashed_count == TN_LANE_COUNT)
        tn_station_hash(s);
}

static const struct {
    const char *what;
    const char *method;
} requests[] = {
    [TN_OBJECT_UPLOAD] = { "put object", "PUT" },
    [TN_OBJECT_DOWNLOAD] = { "get object", "GET" },
    [TN_OBJECT_COPY] = { "copy to", "PUT" },
    [TN_OBJECT_DELETE] = { "delete object", "DELETE" },
};

static void add_request(struct tn_object *o)
{
    switch (o->kind) {
    case TN_OBJECT_UPLOAD:
        add_upload(o);
        break;
    case TN_OBJECT_DOWNLOAD:
        add_download(o);
        break;
    case TN_OBJECT_COPY:
        tn_copy_request(o->op, o->source_bucket, o->source_key, &o->copy);
        break;
    case TN_OBJECT_DELETE:
        tn_delete_request(o->op, &o->removal);
        break;
    case TN_OBJECT_CALL:
        break;
    }
}

/* False: it could not begin, and is done. */
static bool start_exchange(struct tn_object *o)
{
    o->op = tn_op_new(o->job->client, NULL, requests[o->kind].what, requests[o->kind].method,
                      o->bucket, o->key);
    if (!o->op) {
        fail(o, tn_fail_no_memory(&o->err, requests[o->kind].what));
        return false;
    }
    o->op->on_done = on_done;
    o->op->owner = o;
    add_request(o);
    if (o->op->body.kind == TN_BODY_BYTES && tn_op_needs_hash(o->op))
        await_others(o);
    else
        tn_loop_start(o->station->loop, o->op);
    return true;
}

/* ---- settle ---- */

static int settle_upload(struct tn_object *o)
{
    int rc = tn_upload_take(o->op, &o->info, &o->err);
    if (rc == TARN_OK && o->fd >= 0)
        rc = tn_upload_check_unchanged(o->fd, &o->before, o->path, &o->err);
    return rc;
}

static int settle_download(struct tn_object *o)
{
    uint64_t len = o->op->sink.received;
    int rc = tn_download_take(o->op, &o->info, &o->err);
    if (rc < 0)
        return rc;
    if (!o->block) {
        rc = tn_partial_finish(o->fd, len, o->partial, o->path, &o->options, &o->info, &o->err);
        if (rc == TARN_OK) { /* it has its name */
            tn_free(o->partial);
            o->partial = NULL;
        }
        return rc;
    }
    const struct tn_small_file file = { .path = o->path,
                                        .bytes = o->block,
                                        .len = (size_t)len,
                                        .options = &o->options,
                                        .info = &o->info };
    return tn_small_file_write(&file, &o->job->nameless_tries, &o->err);
}

static void do_settle(struct tn_object *o)
{
    switch (o->kind) {
    case TN_OBJECT_UPLOAD:
        o->rc = settle_upload(o);
        break;
    case TN_OBJECT_DOWNLOAD:
        o->rc = settle_download(o);
        break;
    case TN_OBJECT_COPY:
        o->rc = tn_copy_take(o->op, o->copy.source_size, &o->info, &o->err);
        break;
    case TN_OBJECT_DELETE:
    case TN_OBJECT_CALL:
        o->rc = tn_op_info(o->op, &o->info, &o->err);
        break;
    }
    enter(o, TN_OBJECT_DONE);
}

/* ---- blocking ---- */

static void do_blocking(struct tn_object *o)
{
    struct tarn_client *client = o->job->client;
    switch (o->kind) {
    case TN_OBJECT_UPLOAD:
        o->rc =
            tarn_upload_file(client, o->path, o->bucket, o->key, &o->options, &o->info, &o->err);
        break;
    case TN_OBJECT_DOWNLOAD:
        o->rc =
            tarn_download_file(client, o->bucket, o->key, o->path, &o->options, &o->info, &o->err);
        break;
    case TN_OBJECT_COPY:
        o->rc = tarn_object_copy(client, o->source_bucket, o->source_key, o->bucket, o->key,
                                 &o->copy, &o->info, &o->err);
        break;
    case TN_OBJECT_DELETE: /* has one request only */
    case TN_OBJECT_CALL:
        o->rc = o->call(o->arg, &o->info, &o->err);
        if (o->rc < 0)
            o->err.status = o->rc; /* whatever `call` filled in */
        break;
    }
    enter(o, TN_OBJECT_DONE);
}

/* ---- all of them ---- */

void tn_object_refuse(struct tn_object *o)
{
    o->wants_thread = false;
    o->rc = tn_fail(&o->err, TARN_ENOMEM, "no thread for it");
    o->state = TN_OBJECT_DONE;
}

void tn_object_work(struct tn_object *o)
{
    o->may_block = true;
    states[o->state].run(o);
    o->may_block = false;
}

static void finish(struct tn_object *o)
{
    struct tn_station *s = o->station;
    tn_op_free(TN_TAKE(o->op));
    drop_block(o);
    if (o->partial)
        (void)unlink(o->partial); /* before the lock goes */
    tn_fd_close(&o->fd);
    if (o->done)
        o->done(o->arg, o->rc, &o->info, o->rc < 0 ? &o->err : NULL);
    tarn_object_info_release(&o->info);
    tn_free(o->partial);
    tn_free(o);
    tn_station_leave(s);
}

/* Calls for files that may take long, whatever the disk. */
static bool is_long(const struct tn_object *o)
{
    bool is_down = o->kind == TN_OBJECT_DOWNLOAD;
    bool has_file = is_down || o->kind == TN_OBJECT_UPLOAD;
    switch (o->state) {
    case TN_OBJECT_BLOCKING:
        return true;
    case TN_OBJECT_OPEN:
        return is_down;
    case TN_OBJECT_SETTLE:
        return has_file && (!o->block || (is_down && !o->options.skip_sync));
    case TN_OBJECT_QUEUED:
    case TN_OBJECT_EXCHANGE:
    case TN_OBJECT_DONE:
    case TN_OBJECT_STATE_COUNT:
    default:
        return false;
    }
}

static bool must_leave(struct tn_object *o)
{
    struct tn_station *s = o->station;
    bool has_calls = o->state == TN_OBJECT_OPEN ||
                     (o->state == TN_OBJECT_SETTLE && o->kind == TN_OBJECT_DOWNLOAD);
    if (o->wants_thread || is_long(o))
        return true;
    if (!has_calls || s->elsewhere_left == 0)
        return false;
    s->elsewhere_left--;
    return true;
}

/* Runs it here, and learns whether that was a good idea. */
static void run_here(struct tn_object *o)
{
    struct tn_station *s = o->station;
    uint64_t began = tn_now_ns();
    states[o->state].run(o);
    if (tn_now_ns() - began < SLOW_NS) {
        s->slow_score -= s->slow_score > 0;
        return;
    }
    s->slow_score += SLOW_COST;
    if (s->slow_score < SLOW_SCORE_MAX)
        return;
    s->slow_score = SLOW_SCORE_MAX / 2;
    s->elsewhere_left = ELSEWHERE_COUNT;
}

void tn_object_advance(struct tn_object *o)
{
    while (o->state != TN_OBJECT_DONE) {
        if (o->state == TN_OBJECT_EXCHANGE) {
            if (start_exchange(o))
                return;
            continue;
        }
        if (must_leave(o)) {
            o->wants_thread = false;
            tn_job_hand_over(o);
            return;
        }
        if (o->state == TN_OBJECT_QUEUED)
            do_queued(o);
        else
            run_here(o);
    }
    finish(o);
}
