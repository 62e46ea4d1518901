/* SPDX-License-Identifier: Apache-2.0 */
/* Uploading files and streams. */

#include <tarn/transfer.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "client/attributes.h"
#include "client/client_impl.h"
#include "client/multipart_impl.h"
#include "client/parts.h"
#include "client/plan.h"
#include "client/transfer_impl.h"
#include "client/verify.h"
#include "client/window.h"

enum {
    SPOOL_STEP_LEN = 256 * 1024,
    SMALL_FILE_LEN = 64 * 1024, /* read into memory: header instead of trailer, one system call */
    MEMORY_SHARE = 4,           /* a part in memory takes at most this fraction of the ceiling */
};

static const struct tarn_transfer_options no_options;

struct upload {
    struct tn_window window;
    struct tn_parts parts;
    struct tarn_client *client;
    const struct tarn_transfer_options *options;
    const char *bucket;
    const char *key;
    enum tn_checksum_kind checksum;
    bool has_repeats; /* parts that were sent again for their silence */
    struct tarn_object_info *info;

    int fd; /* of a file */
    const char *path;
    struct stat before;

    tarn_read_fn read; /* of a stream */
    void *read_arg;
    bool is_at_end;
    struct tn_slot first; /* read before it is known whether there will be parts */
};

uint64_t tn_transfer_threshold(const struct tarn_transfer_options *options)
{
    return options->part_threshold ? options->part_threshold : TN_PART_LEN_DEFAULT;
}

int tn_upload_check(const struct tarn_transfer_options *o, struct tarn_error *err)
{
    uint64_t part_size;
    o = o ? o : &no_options;
    if (tarn_part_size_plan(0, o->part_size, &part_size) < 0)
        return tn_fail(err, TARN_EINVAL, "could not transfer: part size outside 5 MiB to 5 GiB");
    if (o->part_threshold > TARN_PUT_LEN_MAX)
        return tn_fail(err, TARN_EINVAL, "could not transfer: part threshold above 5 GiB");
    if (!tn_checksum_is_known(o->checksum))
        return tn_fail(err, TARN_EINVAL, "could not transfer: unknown checksum %d",
                       (int)o->checksum);
    return TARN_OK;
}

static struct tarn_put_options put_options(const struct upload *u)
{
    return (struct tarn_put_options){ .request = u->options->request,
                                      .attributes = u->options->attributes,
                                      .conditions = u->options->conditions,
                                      .checksum = tn_checksum_public(u->checksum) };
}

static void upload_init(struct upload *u, struct tarn_client *client, const char *bucket,
                        const char *key, const struct tarn_transfer_options *options,
                        struct tarn_object_info *info)
{
    *u = (struct upload){ .client = client,
                          .options = options,
                          .bucket = bucket,
                          .key = key,
                          .checksum = tn_client_checksum(client, options->checksum),
                          .info = info,
                          .fd = -1,
                          .first = { .fd = -1 } };
    const struct tarn_put_options put = put_options(u);
    tn_parts_init(&u->parts, client, bucket, key, &put);
    tn_window_init(&u->window, client, &options->request, options->concurrency);
    u->window.progress = options->progress;
    u->window.progress_arg = options->progress_arg;
}

static void upload_release(struct upload *u)
{
    tn_budget_give(&u->client->budget, u->first.block, u->first.block_len);
    tn_fd_close(&u->first.fd);
    tn_fd_close(&u->fd);
    tn_window_end(&u->window);
    tn_window_release(&u->window);
    tn_parts_release(&u->parts);
}

/* ---- parts ---- */

static int new_part(struct upload *u, struct tn_slot *slot, uint32_t number, struct tarn_error *err)
{
    slot->op = tn_part_op_new(u->client, &u->window.waiter, u->bucket, u->key, u->parts.upload_id,
                              number, &u->options->request);
    if (!slot->op)
        return tn_fail_no_memory(err, "upload part");
    slot->number = number;
    return TARN_OK;
}

static int take_part(void *arg, struct tn_slot *slot, struct tarn_error *err)
{
    struct upload *u = arg;
    const struct tn_body *body = &slot->op->body;
    struct tarn_part part;
    int rc = tn_part_take(slot->op, slot->number, &part, err);
    if (rc < 0)
        return rc;
    u->has_repeats |= slot->op->stalls > 0;
    tn_parts_done(&u->parts, &part, body->has_value ? &body->value : NULL);
    return TARN_OK;
}

static int send_parts(struct upload *u, const struct tn_window_calls *calls, struct tarn_error *err)
{
    int rc = tn_parts_create(&u->parts, err);
    if (rc == TARN_OK)
        rc = tn_window_run(&u->window, calls, u, err);
    return rc == TARN_OK ? tn_parts_complete(&u->parts, u->info, err) : rc;
}

/* With servers that cannot take a part twice, what was sent again for its silence is lost. */
static bool must_not_repeat(struct upload *u, const struct tarn_error *err)
{
    if (!u->has_repeats || strcmp(err->s3_code, "InvalidPart") != 0)
        return false;
    atomic_store(&u->client->repeats_no_parts, true);
    return !u->read;
}

static int upload_parts(struct upload *u, const struct tn_window_calls *calls,
                        struct tarn_error *err)
{
    struct tarn_error local = { 0 };
    int rc = send_parts(u, calls, &local);
    if (rc < 0 && must_not_repeat(u, &local)) {
        tn_parts_begin_anew(&u->parts);
        u->window.bytes_done = 0;
        u->window.parts_done = 0;
        rc = send_parts(u, calls, &local);
    }
    tn_parts_end(&u->parts, rc);
    if (rc < 0 && err)
        *err = local;
    return rc;
}

/* ---- files ---- */

/* Goes on with an earlier run of this very upload. */
static int find_earlier(struct upload *u, struct tarn_error *err)
{
    char real[PATH_MAX];
    TN_AUTO_BUF where = TN_BUF_INIT(TN_RESUME_IDENTITY_MAX);
    TN_AUTO_BUF which = TN_BUF_INIT(TN_RESUME_IDENTITY_MAX);
    const struct stat *st = &u->before;
    if (!u->options->resume || !realpath(u->path, real) ||
        tn_resume_text(&where, "path", real) < 0 ||
        tn_buf_appendf(&which, "\"mtime_ns\":%lld%09ld,\"inode\":%llu,\"checksum\":\"%.*s\"",
                       (long long)st->st_mtim.tv_sec, (long)st->st_mtim.tv_nsec,
                       (unsigned long long)st->st_ino,
                       TN_STR_ARG(tn_checksum_name(u->checksum))) < 0)
        return TARN_OK;
    const struct tn_earlier earlier = {
        .what = "upload file",
        .direction = "upload",
        .where = tn_buf_str(&where),
        .which = tn_buf_str(&which),
        .state_dir = u->options->state_dir,
        .changed = "the file or the options have changed",
        .missing = "the server does not have all parts as they were sent",
        .on_resume = u->options->on_resume,
        .resume_arg = u->options->resume_arg,
    };
    int rc = tn_parts_go_on(&u->parts, &earlier, err);
    u->window.parts_done = u->parts.done_count;
    u->window.bytes_done = u->parts.done_len;
    return rc;
}

static int start_file_part(void *arg, struct tn_slot *slot, struct tarn_error *err)
{
    struct upload *u = arg;
    uint32_t number = tn_parts_next(&u->parts);
    if (number == 0)
        return TN_WINDOW_END;
    int rc = new_part(u, slot, number, err);
    if (rc < 0)
        return rc;
    slot->offset = tn_parts_offset(&u->parts, number);
    slot->len = tn_parts_len(&u->parts, number);
    tn_op_file(slot->op, u->fd, slot->offset, slot->len, u->checksum);
    tn_op_post(slot->op);
    return TARN_OK;
}

void tn_upload_request(struct tn_op *op, const struct tarn_transfer_options *options)
{
    tn_op_request(op, &options->request);
    tn_op_attributes(op, &options->attributes);
    tn_op_conditions(op, &options->conditions, "");
}

/* One PUT, as a window of one. */
static int start_whole(void *arg, struct tn_slot *slot, struct tarn_error *err)
{
    struct upload *u = arg;
    if (u->window.busy_count + u->window.parts_done > 0)
        return TN_WINDOW_END;
    slot->op = tn_op_new(u->client, &u->window.waiter, "put object", "PUT", u->bucket, u->key);
    if (!slot->op)
        return tn_fail_no_memory(err, "put object");
    slot->len = (uint64_t)u->before.st_size;
    tn_op_file(slot->op, u->fd, 0, slot->len, u->checksum);
    tn_upload_request(slot->op, u->options);
    tn_op_post(slot->op);
    return TARN_OK;
}

int tn_upload_take(const struct tn_op *op, struct tarn_object_info *info, struct tarn_error *err)
{
    bool is_verified = false;
    int rc = tn_verify_upload(op, &is_verified, err);
    if (rc == TARN_OK)
        rc = tn_op_info(op, info, err);
    if (rc == TARN_OK && info)
        info->was_verified = is_verified;
    return rc;
}

static int take_whole(void *arg, struct tn_slot *slot, struct tarn_error *err)
{
    struct upload *u = arg;
    return tn_upload_take(slot->op, u->info, err);
}

static int put_small(struct upload *u, struct tarn_error *err)
{
    char bytes[SMALL_FILE_LEN];
    struct tarn_put_options options = put_options(u);
    size_t len = (size_t)u->before.st_size;
    ssize_t n = tn_fd_pread(u->fd, bytes, len, 0);
    if (n < 0 || (size_t)n < len)
        return tn_fail(err, n < 0 ? (int)n : TARN_ECONFLICT, "could not read file \"%s\": %s",
                       u->path, n < 0 ? strerror(errno) : "it became shorter");
    return tarn_object_put(u->client, u->bucket, u->key, bytes, len, &options, u->info, err);
}

int tn_upload_open(const char *path, struct stat *info, struct tarn_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hang us */
    if (fd < 0)
        return tn_fail_errno(err, "could not open file \"%s\"", path);
    int rc = fstat(fd, info) < 0 ? tn_fail_errno(err, "could not look at file \"%s\"", path)
             : S_ISREG(info->st_mode)
                 ? TARN_OK
                 : tn_fail(err, TARN_EINVAL, "could not upload \"%s\": not a regular file", path);
    if (rc < 0)
        tn_fd_close(&fd);
    return rc < 0 ? rc : fd;
}

int tn_upload_check_unchanged(int fd, const struct stat *before, const char *path,
                              struct tarn_error *err)
{
    struct stat now;
    if (fstat(fd, &now) < 0)
        return tn_fail_errno(err, "could not look at file \"%s\"", path);
    bool is_same = now.st_size == before->st_size && now.st_mtim.tv_sec == before->st_mtim.tv_sec &&
                   now.st_mtim.tv_nsec == before->st_mtim.tv_nsec;
    return is_same
               ? TARN_OK
               : tn_fail(err, TARN_ECONFLICT,
                         "could not upload file \"%s\": it changed while it was being read", path);
}

/* The parts of a file that changed must not become an object, so each part asks. */
static int take_file_part(void *arg, struct tn_slot *slot, struct tarn_error *err)
{
    struct upload *u = arg;
    int rc = take_part(u, slot, err);
    return rc < 0 ? rc : tn_upload_check_unchanged(u->fd, &u->before, u->path, err);
}

static int upload_in_parts(struct upload *u, struct tarn_error *err)
{
    static const struct tn_window_calls calls = { start_file_part, take_file_part };
    uint64_t size = (uint64_t)u->before.st_size;
    uint64_t part_size;
    int rc = tarn_part_size_plan(size, u->options->part_size, &part_size);
    if (rc < 0)
        return tn_fail(err, rc, "could not upload file \"%s\": more than 10,000 parts of 5 GiB",
                       u->path);
    if (tn_parts_plan(&u->parts, size, part_size) < 0)
        return tn_fail_no_memory(err, "upload file");
    u->window.parts_total = u->parts.count;
    rc = find_earlier(u, err);
    return rc == TARN_OK ? upload_parts(u, &calls, err) : rc;
}

static int upload_opened(struct upload *u, struct tarn_error *err)
{
    static const struct tn_window_calls calls = { start_whole, take_whole };
    uint64_t size = (uint64_t)u->before.st_size;
    u->window.bytes_total = size;
    int rc = size >= tn_transfer_threshold(u->options) ? upload_in_parts(u, err)
             : size <= SMALL_FILE_LEN                  ? put_small(u, err)
                                                       : tn_window_run(&u->window, &calls, u, err);
    if (rc == TARN_OK)
        rc = tn_upload_check_unchanged(u->fd, &u->before, u->path, err);
    if (rc == TARN_OK)
        u->window.bytes_done = size;
    return rc;
}

int tarn_upload_file(struct tarn_client *client, const char *path, const char *bucket,
                     const char *key, const struct tarn_transfer_options *options,
                     struct tarn_object_info *info, struct tarn_error *err)
{
    int given = tn_check_given(client, bucket, key, TN_MISSING(path), err);
    if (given < 0)
        return given;
    struct upload u;
    struct stat before;
    struct tarn_object_info made = { 0 };
    options = options ? options : &no_options;
    int rc = tn_upload_check(options, err);
    if (rc < 0)
        return rc;
    int fd = tn_upload_open(path, &before, err);
    if (fd < 0)
        return fd;
    upload_init(&u, client, bucket, key, options, &made);
    u.fd = fd;
    u.path = path;
    u.before = before;
    rc = upload_opened(&u, err);
    upload_release(&u);
    if (rc == TARN_OK)
        tn_info_move(&made, info);
    tarn_object_info_release(&made);
    return rc;
}

/* ---- streams ---- */

static int read_fully(struct upload *u, char *out, size_t cap, size_t *len, struct tarn_error *err)
{
    *len = 0;
    while (*len < cap && !u->is_at_end) {
        if (tn_window_should_stop(&u->window))
            return tn_fail(err, TARN_ECANCELLED, "could not upload \"%s/%s\": cancelled", u->bucket,
                           u->key);
        int64_t n = u->read(u->read_arg, out + *len, cap - *len);
        if (n < 0 || (uint64_t)n > cap - *len)
            return tn_fail(err, n < 0 ? (int)n : TARN_EINVAL,
                           "could not upload \"%s/%s\": could not read the data", u->bucket,
                           u->key);
        u->is_at_end = n == 0;
        *len += (size_t)n;
    }
    return TARN_OK;
}

static int open_spool(struct tarn_error *err)
{
    const char *directory = getenv("TMPDIR");
    if (!directory || !*directory)
        directory = "/tmp";
    int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    return fd < 0 ? tn_fail_errno(err, "could not create a temporary file in \"%s\"", directory)
                  : fd;
}

/* A part that is too large for the memory: into an unlinked file. */
static int read_to_spool(struct upload *u, struct tn_slot *slot, uint64_t size,
                         struct tarn_error *err)
{
    TN_AUTO_FREE char *step = tn_realloc(NULL, SPOOL_STEP_LEN);
    if (!step)
        return tn_fail_no_memory(err, "upload part");
    slot->fd = open_spool(err);
    if (slot->fd < 0)
        return slot->fd;
    while (slot->len < size && !u->is_at_end) {
        size_t got;
        uint64_t left = size - slot->len;
        int rc =
            read_fully(u, step, left < SPOOL_STEP_LEN ? (size_t)left : SPOOL_STEP_LEN, &got, err);
        if (rc < 0)
            return rc;
        rc = tn_fd_pwrite(slot->fd, step, got, slot->len);
        if (rc < 0)
            return tn_fail_errno(err, "could not write a temporary file");
        slot->len += got;
    }
    return TARN_OK;
}

static int read_part(struct upload *u, struct tn_slot *slot, bool is_optional,
                     struct tarn_error *err)
{
    uint64_t size = tn_stream_part_size(u->parts.part_size, u->parts.count + 1);
    if (size > u->client->budget.max / MEMORY_SHARE)
        return read_to_spool(u, slot, size, err);
    int rc = tn_budget_take(&u->client->budget, (size_t)size, is_optional, tn_window_should_stop,
                            &u->window, &slot->block);
    if (rc == TARN_EAGAIN)
        return TN_WINDOW_WAIT;
    if (rc < 0)
        return tn_fail(err, rc, "could not upload \"%s/%s\": %s", u->bucket, u->key,
                       tarn_status_text(rc));
    slot->block_len = (size_t)size;
    size_t got;
    rc = read_fully(u, slot->block, (size_t)size, &got, err);
    slot->len = got;
    return rc;
}

static void add_body(struct upload *u, struct tn_slot *slot)
{
    if (slot->fd >= 0)
        tn_op_file(slot->op, slot->fd, 0, slot->len, u->checksum);
    else
        tn_op_bytes(slot->op, slot->block, (size_t)slot->len, u->checksum);
}

static int start_stream_part(void *arg, struct tn_slot *slot, struct tarn_error *err)
{
    struct upload *u = arg;
    if (u->parts.count == 0) {
        *slot = u->first;
        u->first = (struct tn_slot){ .fd = -1 };
    } else {
        if (u->is_at_end)
            return TN_WINDOW_END;
        int rc = read_part(u, slot, u->window.busy_count > 0, err);
        if (rc != TARN_OK)
            return rc;
        if (slot->len == 0)
            return TN_WINDOW_END;
    }
    int number = tn_parts_add(&u->parts, err);
    int rc = number < 0 ? number : new_part(u, slot, (uint32_t)number, err);
    if (rc < 0)
        return rc;
    add_body(u, slot);
    tn_op_post(slot->op);
    return TARN_OK;
}

static int put_first(struct upload *u, struct tarn_error *err)
{
    struct tarn_put_options options = put_options(u);
    int rc = tarn_object_put(u->client, u->bucket, u->key, u->first.block, (size_t)u->first.len,
                             &options, u->info, err);
    if (rc == TARN_OK)
        u->window.bytes_done = u->first.len;
    return rc;
}

int tarn_upload_stream(struct tarn_client *client, tarn_read_fn read, void *arg, const char *bucket,
                       const char *key, const struct tarn_transfer_options *options,
                       struct tarn_object_info *info, struct tarn_error *err)
{
    int given = tn_check_given(client, bucket, key, TN_MISSING(read), err);
    if (given < 0)
        return given;
    static const struct tn_window_calls calls = { start_stream_part, take_part };
    struct upload u;
    options = options ? options : &no_options;
    int rc = tn_upload_check(options, err);
    if (rc < 0)
        return rc;
    upload_init(&u, client, bucket, key, options, info);
    u.read = read;
    u.read_arg = arg;
    (void)tarn_part_size_plan(UINT64_MAX, options->part_size, &u.parts.part_size);
    rc = read_part(&u, &u.first, false, err);
    if (rc == TARN_OK && u.is_at_end && u.first.fd < 0)
        rc = put_first(&u, err);
    else if (rc == TARN_OK)
        rc = upload_parts(&u, &calls, err);
    upload_release(&u);
    return rc;
}

static int64_t read_fd(void *arg, void *bytes, size_t cap)
{
    int fd = *(const int *)arg;
    for (;;) {
        ssize_t n = read(fd, bytes, cap);
        if (n >= 0)
            return n;
        if (errno == EAGAIN || errno == EWOULDBLOCK) {
            struct pollfd wait = { .fd = fd, .events = POLLIN };
            (void)poll(&wait, 1, -1);
        } else if (errno != EINTR) {
            return tn_status_from_errno(errno);
        }
    }
}

int tarn_upload_fd(struct tarn_client *client, int fd, const char *bucket, const char *key,
                   const struct tarn_transfer_options *options, struct tarn_object_info *info,
                   struct tarn_error *err)
{
    int given = tn_check_given(client, bucket, key, NULL, err);
    if (given < 0)
        return given;
    return tarn_upload_stream(client, read_fd, &fd, bucket, key, options, info, err);
}
