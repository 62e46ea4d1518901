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

#include "base/codec.h"
#include "base/file.h"
#include "client/attributes.h"
#include "client/client_impl.h"
#include "client/multipart_impl.h"
#include "client/plan.h"
#include "client/resume.h"
#include "client/transfer_impl.h"
#include "client/verify.h"
#include "client/window.h"

enum {
    SPOOL_STEP_LEN = 256 * 1024,
    SMALL_FILE_LEN = 64 * 1024, /* read into memory: header instead of trailer, one system call */
    MEMORY_SHARE = 4,           /* a part in memory takes at most this fraction of the ceiling */
};

static const struct tarn_transfer_options no_options;

/* A finished part, and our own checksum of it. */
struct done_part {
    struct tarn_part part;
    struct tn_checksum_value value;
    bool has_value;
    bool is_done; /* by an earlier run */
};

struct upload {
    struct tn_window window;
    struct tarn_client *client;
    const struct tarn_transfer_options *options;
    const char *bucket;
    const char *key;
    enum tn_checksum_kind checksum;
    uint64_t part_size;
    uint32_t next_number;
    char upload_id[TARN_UPLOAD_ID_LEN_MAX];
    bool is_created;
    bool has_repeats;        /* parts that were sent again for their silence */
    struct done_part *parts; /* [number - 1] */
    size_t part_cap;
    size_t part_count; /* parts started */

    int fd; /* of a file */
    uint64_t size;
    struct tn_resume_file record;
    struct tn_buf identity; /* of the record */

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
    return TARN_OK;
}

static void upload_init(struct upload *u, struct tarn_client *client, const char *bucket,
                        const char *key, const struct tarn_transfer_options *options)
{
    *u = (struct upload){ .client = client,
                          .options = options,
                          .bucket = bucket,
                          .key = key,
                          .checksum = tn_client_checksum(client, options->checksum),
                          .next_number = 1,
                          .fd = -1,
                          .record = { .fd = -1 },
                          .identity = TN_BUF_INIT(TN_RESUME_IDENTITY_MAX),
                          .first = { .fd = -1 } };
    tn_window_init(&u->window, client, &options->request, options->concurrency);
    u->window.progress = options->progress;
    u->window.progress_arg = options->progress_arg;
}

static void upload_release(struct upload *u)
{
    tn_budget_give(&u->client->budget, u->first.block, u->first.block_len);
    tn_fd_close(&u->first.fd);
    tn_window_end(&u->window);
    tn_window_release(&u->window);
    tn_free(u->parts);
    tn_buf_release(&u->identity);
}

static struct tarn_put_options put_options(const struct upload *u)
{
    return (struct tarn_put_options){ .request = u->options->request,
                                      .attributes = u->options->attributes,
                                      .conditions = u->options->conditions,
                                      .checksum = tn_checksum_public(u->checksum) };
}

static int create(struct upload *u, struct tarn_error *err)
{
    struct tarn_put_options options = put_options(u);
    int rc = tarn_multipart_create(u->client, u->bucket, u->key, &options, u->upload_id, err);
    u->is_created = rc == TARN_OK;
    if (u->is_created)
        tn_resume_begin(&u->record, tn_buf_str(&u->identity), u->upload_id);
    return rc;
}

static int make_room(struct upload *u, uint32_t number)
{
    if (number <= u->part_cap)
        return TARN_OK;
    size_t cap = u->part_cap ? u->part_cap * 2 : 16;
    if (cap < number) /* the first one that the server lists may be any */
        cap = number;
    struct done_part *grown = tn_realloc(u->parts, cap * sizeof *grown);
    if (!grown)
        return TARN_ENOMEM;
    memset(grown + u->part_cap, 0, (cap - u->part_cap) * sizeof *grown);
    u->parts = grown;
    u->part_cap = cap;
    return TARN_OK;
}

static int new_part(struct upload *u, struct tn_slot *slot, struct tarn_error *err)
{
    if (u->next_number > TARN_PART_COUNT_MAX)
        return tn_fail(err, TARN_ETOOBIG, "could not upload \"%s/%s\": more than 10,000 parts",
                       u->bucket, u->key);
    if (make_room(u, u->next_number) < 0)
        return tn_fail_no_memory(err, "upload part");
    slot->op = tn_part_op_new(u->client, &u->window.waiter, u->bucket, u->key, u->upload_id,
                              u->next_number, &u->options->request);
    if (!slot->op)
        return tn_fail_no_memory(err, "upload part");
    slot->number = u->next_number++;
    u->part_count = slot->number;
    return TARN_OK;
}

static int take_part(void *arg, struct tn_slot *slot, struct tarn_error *err)
{
    struct upload *u = arg;
    struct done_part *done = &u->parts[slot->number - 1];
    int rc = tn_part_take(slot->op, slot->number, &done->part, err);
    if (rc < 0)
        return rc;
    u->has_repeats |= slot->op->stalls > 0;
    done->has_value = slot->op->body.has_value;
    done->value = slot->op->body.value;
    struct tn_resume_part record = { .number = slot->number, .size = slot->len };
    if (done->has_value)
        record.value = done->value;
    (void)snprintf(record.etag, sizeof record.etag, "%s", done->part.etag);
    tn_resume_add(&u->record, &record);
    return TARN_OK;
}

/* The checksum of the whole, when the server showed with every part that it knows the algorithm. */
static bool whole_checksum(const struct upload *u, char text[TN_CHECKSUM_TEXT_LEN])
{
    struct tn_checksum_parts sum;
    struct tn_checksum_value value;
    if (u->checksum == TN_CHECKSUM_NONE ||
        tn_checksum_parts_init(&sum, u->checksum, TN_CHECKSUM_FULL_OBJECT) < 0)
        return false;
    bool is_known = true;
    for (size_t i = 0; i < u->part_count && is_known; i++) {
        const struct done_part *p = &u->parts[i];
        is_known = p->has_value && p->part.checksum_value[0] &&
                   tn_checksum_parts_add(&sum, &p->value, p->part.size) == TARN_OK;
    }
    tn_checksum_parts_final(&sum, &value);
    tn_checksum_parts_release(&sum);
    (void)tn_checksum_text(&value, text);
    return is_known;
}

static int complete(struct upload *u, struct tarn_object_info *info, struct tarn_error *err)
{
    char text[TN_CHECKSUM_TEXT_LEN];
    struct tarn_put_options options = put_options(u);
    struct tarn_part *parts = tn_calloc(u->part_count, sizeof *parts);
    if (!parts)
        return tn_fail_no_memory(err, "complete multipart upload");
    for (size_t i = 0; i < u->part_count; i++)
        parts[i] = u->parts[i].part;
    if (whole_checksum(u, text))
        options.checksum_value = text;
    int rc = tarn_multipart_complete(u->client, u->bucket, u->key, u->upload_id, parts,
                                     u->part_count, &options, info, err);
    tn_free(parts);
    return rc;
}

/* An upload that has something to go on with is kept for the next run. */
static bool is_kept(const struct upload *u, int rc)
{
    return rc < 0 && u->is_created && u->record.fd >= 0 && u->window.parts_done > 0 &&
           tn_resume_is_worth(rc);
}

static int send_parts(struct upload *u, const struct tn_window_calls *calls,
                      struct tarn_object_info *info, struct tarn_error *err)
{
    int rc = u->is_created ? TARN_OK : create(u, err);
    if (rc == TARN_OK)
        rc = tn_window_run(&u->window, calls, u, err);
    return rc == TARN_OK ? complete(u, info, err) : rc;
}

static void abort_upload(struct upload *u)
{
    if (u->is_created)
        (void)tarn_multipart_abort(u->client, u->bucket, u->key, u->upload_id, &u->options->request,
                                   NULL);
    u->is_created = false;
}

/* With servers that cannot take a part twice, what was sent again for its silence is lost. */
static bool must_not_repeat(struct upload *u, const struct tarn_error *err)
{
    if (!u->has_repeats || strcmp(err->s3_code, "InvalidPart") != 0)
        return false;
    atomic_store(&u->client->repeats_no_parts, true);
    return !u->read;
}

static void forget_parts(struct upload *u)
{
    if (u->part_cap > 0)
        memset(u->parts, 0, u->part_cap * sizeof *u->parts);
    u->next_number = 1;
    u->part_count = 0;
    u->has_repeats = false;
    u->window.bytes_done = 0;
    u->window.parts_done = 0;
}

/* Runs the parts and completes; whatever goes wrong, the upload is aborted, unless it is kept. */
static int upload_parts(struct upload *u, const struct tn_window_calls *calls,
                        struct tarn_object_info *info, struct tarn_error *err)
{
    struct tarn_error local = { 0 };
    int rc = send_parts(u, calls, info, &local);
    if (rc < 0 && must_not_repeat(u, &local)) {
        abort_upload(u);
        forget_parts(u);
        rc = send_parts(u, calls, info, &local);
    }
    bool keeps = is_kept(u, rc);
    if (rc < 0 && !keeps)
        abort_upload(u);
    tn_resume_end(&u->record, keeps);
    if (rc < 0 && err)
        *err = local;
    return rc;
}

/* ---- going on with an earlier upload ---- */

/* What CreateMultipartUpload was told, as a digest: with other headers it is another upload. */
static int append_attributes(struct tn_buf *b, const struct tarn_attributes *a)
{
    int rc = tn_resume_text(b, "type", a->content_type);
    if (rc == TARN_OK)
        rc = tn_buf_appendf(b, "%s|%s|%s|%s|%lld", a->content_encoding ? a->content_encoding : "",
                            a->content_disposition ? a->content_disposition : "",
                            a->content_language ? a->content_language : "",
                            a->cache_control ? a->cache_control : "", (long long)a->expires);
    for (size_t i = 0; i < a->metadata_count && rc == TARN_OK; i++)
        rc = tn_buf_appendf(b, "|%s=%s", a->metadata[i].name, a->metadata[i].value);
    if (rc == TARN_OK)
        rc = tn_buf_appendf(b, "|%s|%s|%s|%s|%s|%s|%s", a->storage_class ? a->storage_class : "",
                            a->acl ? a->acl : "", a->tagging ? a->tagging : "",
                            a->sse ? a->sse : "", a->sse_kms_key_id ? a->sse_kms_key_id : "",
                            a->website_redirect ? a->website_redirect : "",
                            a->expires_text ? a->expires_text : "");
    return rc;
}

int tn_attributes_identify(struct tn_buf *b, const struct tarn_attributes *a)
{
    unsigned char digest[TN_SHA256_LEN];
    char hex[2 * TN_SHA256_LEN + 1];
    TN_AUTO_BUF text = TN_BUF_INIT(TN_RESUME_IDENTITY_MAX);
    int rc = append_attributes(&text, a);
    if (rc < 0)
        return rc;
    tn_sha256(text.data, text.len, digest);
    tn_hex_encode(digest, sizeof digest, hex);
    return tn_resume_text(b, "attributes", hex);
}

/* The place alone, which gives the record its name; then, in `identity`, all that must be the same.
 */
static int identify(struct upload *u, const char *path, const struct stat *st, struct tn_buf *place)
{
    char real[PATH_MAX];
    struct tn_buf *id = &u->identity;
    uint64_t mtime_ns = (uint64_t)st->st_mtim.tv_sec * 1000000000u + (uint64_t)st->st_mtim.tv_nsec;
    int rc = realpath(path, real) ? TARN_OK : TARN_ENOTFOUND;
    if (rc == TARN_OK)
        rc = tn_buf_append_text(place, "{\"tarn_resume\":1,\"direction\":\"upload\"");
    if (rc == TARN_OK)
        rc = tn_resume_text(place, "endpoint", tarn_client_endpoint(u->client));
    if (rc == TARN_OK)
        rc = tn_resume_text(place, "bucket", u->bucket);
    if (rc == TARN_OK)
        rc = tn_resume_text(place, "key", u->key);
    if (rc == TARN_OK)
        rc = tn_resume_text(place, "path", real);
    if (rc == TARN_OK)
        rc = tn_buf_append_str(id, tn_buf_str(place));
    if (rc == TARN_OK)
        rc = tn_resume_u64(id, "size", u->size);
    if (rc == TARN_OK)
        rc = tn_resume_u64(id, "mtime_ns", mtime_ns);
    if (rc == TARN_OK)
        rc = tn_resume_u64(id, "inode", (uint64_t)st->st_ino);
    if (rc == TARN_OK)
        rc = tn_resume_u64(id, "part_size", u->part_size);
    if (rc == TARN_OK)
        rc =
            tn_buf_appendf(id, ",\"checksum\":\"%.*s\"", TN_STR_ARG(tn_checksum_name(u->checksum)));
    if (rc == TARN_OK)
        rc = tn_attributes_identify(id, &u->options->attributes);
    if (rc == TARN_OK)
        rc = tn_buf_append_char(id, '}');
    return rc;
}

/* A part counts when the server lists the very one that was recorded. */
struct reconciliation {
    struct upload *u;
    const struct tn_resume_state *state;
    uint64_t bytes;
};

static const struct tn_resume_part *recorded(const struct tn_resume_state *s, uint32_t number)
{
    for (size_t i = s->count; i > 0; i--) {
        if (s->parts[i - 1].number == number)
            return &s->parts[i - 1];
    }
    return NULL;
}

static uint64_t part_len(const struct upload *u, uint32_t number)
{
    uint64_t offset = (uint64_t)(number - 1) * u->part_size;
    return u->size - offset < u->part_size ? u->size - offset : u->part_size;
}

static int on_listed(void *arg, const struct tarn_part *part)
{
    struct reconciliation *r = arg;
    struct upload *u = r->u;
    char text[TN_CHECKSUM_TEXT_LEN];
    if (part->number > u->window.parts_total)
        return TARN_OK; /* an overwrite of all of them leaves it out of Complete */
    const struct tn_resume_part *p = recorded(r->state, part->number);
    if (!p || p->size != part->size || p->size != part_len(u, part->number) ||
        strcmp(p->etag, part->etag) != 0)
        return TARN_OK;
    (void)tn_checksum_text(&p->value, text);
    if (part->checksum_value[0] && p->value.kind != TN_CHECKSUM_NONE &&
        tn_checksum_public(p->value.kind) == part->checksum_algorithm &&
        strcmp(part->checksum_value, text) != 0)
        return TARN_OK;
    if (make_room(u, part->number) < 0)
        return TARN_ENOMEM;
    struct done_part *done = &u->parts[part->number - 1];
    *done = (struct done_part){ .part = *part,
                                .value = p->value,
                                .has_value = p->value.kind != TN_CHECKSUM_NONE,
                                .is_done = true };
    u->window.parts_done++;
    r->bytes += part->size;
    return TARN_OK;
}

static void report_resume(const struct upload *u, enum tarn_resume_outcome outcome, uint64_t bytes,
                          const char *reason)
{
    struct tarn_resume_report report = { outcome, bytes, reason };
    if (u->options->on_resume)
        u->options->on_resume(u->options->resume_arg, &report);
}

/* The server no longer has the upload, or does not tell of it: from the start. */
static int restart(struct upload *u, const char *reason)
{
    (void)tarn_multipart_abort(u->client, u->bucket, u->key, u->upload_id, &u->options->request,
                               NULL);
    u->is_created = false;
    forget_parts(u); /* some may have been listed */
    report_resume(u, TARN_RESUME_RESTARTED, 0, reason);
    return TARN_OK;
}

static int reconcile(struct upload *u, const struct tn_resume_state *state, struct tarn_error *err)
{
    struct reconciliation r = { .u = u, .state = state };
    struct tarn_error why = { 0 };
    (void)snprintf(u->upload_id, sizeof u->upload_id, "%s", state->upload_id);
    int rc = tarn_multipart_list_parts(u->client, u->bucket, u->key, u->upload_id,
                                       &u->options->request, on_listed, &r, &why);
    const char *why_not = tn_resume_why_not(rc);
    if (why_not)
        return restart(u, why_not);
    if (rc < 0) {
        if (err)
            *err = why;
        return rc;
    }
    u->is_created = true;
    u->window.bytes_done = r.bytes;
    bool is_all = u->window.parts_done == state->count;
    report_resume(u, is_all ? TARN_RESUME_CONTINUED : TARN_RESUME_REVALIDATED, r.bytes,
                  is_all ? NULL : "the server does not have all parts as they were sent");
    return TARN_OK;
}

/* Looks for the record of an earlier run. */
static int find_earlier(struct upload *u, const char *path, const struct stat *st,
                        struct tarn_error *err)
{
    TN_AUTO_BUF place = TN_BUF_INIT(TN_RESUME_IDENTITY_MAX);
    TN_AUTO_BUF name = TN_BUF_INIT(PATH_MAX);
    struct tn_resume_state state;
    if (!u->options->resume || identify(u, path, st, &place) < 0 ||
        tn_resume_upload_path(u->options->state_dir, tn_buf_str(&place), &name) < 0)
        return TARN_OK;
    if (tn_resume_open(&u->record, name.data, tn_buf_str(&u->identity), u->window.parts_total,
                       &state) < 0) {
        tn_resume_end(&u->record, true);
        return tn_fail_no_memory(err, "upload file");
    }
    int rc = TARN_OK;
    if (state.is_same && state.upload_id[0]) {
        rc = reconcile(u, &state, err);
    } else if (state.upload_id[0]) {
        (void)snprintf(u->upload_id, sizeof u->upload_id, "%s", state.upload_id);
        rc = restart(u, "the file or the options have changed");
    } else {
        report_resume(u, TARN_RESUME_FRESH, 0, NULL);
    }
    tn_resume_state_release(&state);
    if (rc < 0)
        tn_resume_end(&u->record, true);
    return rc;
}

/* ---- files ---- */

static int start_file_part(void *arg, struct tn_slot *slot, struct tarn_error *err)
{
    struct upload *u = arg;
    while (u->next_number <= u->part_cap && u->parts[u->next_number - 1].is_done)
        u->part_count = u->next_number++;
    uint64_t offset = (uint64_t)(u->next_number - 1) * u->part_size;
    if (offset >= u->size)
        return TN_WINDOW_END;
    int rc = new_part(u, slot, err);
    if (rc < 0)
        return rc;
    slot->offset = offset;
    slot->len = part_len(u, slot->number);
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
    if (u->next_number > 1)
        return TN_WINDOW_END;
    u->next_number++;
    slot->op = tn_op_new(u->client, &u->window.waiter, "put object", "PUT", u->bucket, u->key);
    if (!slot->op)
        return tn_fail_no_memory(err, "put object");
    slot->len = u->size;
    tn_op_file(slot->op, u->fd, 0, u->size, u->checksum);
    tn_upload_request(slot->op, u->options);
    tn_op_post(slot->op);
    return TARN_OK;
}

struct whole {
    struct upload upload; /* first, so that both are one address */
    struct tarn_object_info *info;
};

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
    struct whole *w = arg;
    return tn_upload_take(slot->op, w->info, err);
}

static int put_small(struct upload *u, const char *path, struct tarn_object_info *info,
                     struct tarn_error *err)
{
    char bytes[SMALL_FILE_LEN];
    struct tarn_put_options options = put_options(u);
    ssize_t n = tn_fd_pread(u->fd, bytes, (size_t)u->size, 0);
    if (n < 0 || (uint64_t)n < u->size)
        return tn_fail(err, n < 0 ? (int)n : TARN_ECONFLICT, "could not read file \"%s\": %s", path,
                       n < 0 ? strerror(errno) : "it became shorter");
    return tarn_object_put(u->client, u->bucket, u->key, bytes, (size_t)n, &options, info, err);
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
struct file_upload {
    struct whole whole;
    const char *path;
    const struct stat *before;
};

static int take_checked_part(void *arg, struct tn_slot *slot, struct tarn_error *err)
{
    struct file_upload *f = arg;
    int rc = take_part(arg, slot, err);
    return rc < 0 ? rc : tn_upload_check_unchanged(f->whole.upload.fd, f->before, f->path, err);
}

int tarn_upload_file(struct tarn_client *client, const char *path, const char *bucket,
                     const char *key, const struct tarn_transfer_options *options,
                     struct tarn_object_info *info, struct tarn_error *err)
{
    int given = tn_check_given(client, bucket, key, err);
    if (given < 0)
        return given;
    static const struct tn_window_calls part_calls = { start_file_part, take_checked_part };
    static const struct tn_window_calls whole_calls = { start_whole, take_whole };
    struct file_upload f = { .path = path };
    struct upload *u = &f.whole.upload;
    struct stat before;
    options = options ? options : &no_options;
    int rc = tn_upload_check(options, err);
    if (rc < 0)
        return rc;
    int fd = tn_upload_open(path, &before, err);
    if (fd < 0)
        return fd;
    upload_init(u, client, bucket, key, options);
    f.whole.info = info;
    f.before = &before;
    u->fd = fd;
    u->size = u->window.bytes_total = (uint64_t)before.st_size;
    uint64_t threshold = tn_transfer_threshold(options);
    rc = tarn_part_size_plan(u->size, options->part_size, &u->part_size);
    if (rc < 0)
        rc =
            tn_fail(err, rc, "could not upload file \"%s\": more than 10,000 parts of 5 GiB", path);
    else if (u->size <= SMALL_FILE_LEN && u->size < threshold)
        rc = put_small(u, path, info, err);
    else if (u->size < threshold)
        rc = tn_window_run(&u->window, &whole_calls, &f, err);
    else {
        u->window.parts_total = (uint32_t)((u->size + u->part_size - 1) / u->part_size);
        rc = find_earlier(u, path, &before, err);
        if (rc == TARN_OK)
            rc = upload_parts(u, &part_calls, info, err);
    }
    if (rc == TARN_OK)
        rc = tn_upload_check_unchanged(fd, &before, path, err);
    if (rc == TARN_OK)
        u->window.bytes_done = u->size;
    upload_release(u);
    tn_fd_close(&fd);
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
    uint64_t size = tn_stream_part_size(u->part_size, u->next_number);
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
    bool is_first = u->next_number == 1;
    if (is_first) {
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
    int rc = new_part(u, slot, err);
    if (rc < 0)
        return rc;
    add_body(u, slot);
    tn_op_post(slot->op);
    return TARN_OK;
}

static int put_first(struct upload *u, struct tarn_object_info *info, struct tarn_error *err)
{
    struct tarn_put_options options = put_options(u);
    int rc = tarn_object_put(u->client, u->bucket, u->key, u->first.block, (size_t)u->first.len,
                             &options, info, err);
    if (rc == TARN_OK)
        u->window.bytes_done = u->first.len;
    return rc;
}

int tarn_upload_stream(struct tarn_client *client, tarn_read_fn read, void *arg, const char *bucket,
                       const char *key, const struct tarn_transfer_options *options,
                       struct tarn_object_info *info, struct tarn_error *err)
{
    int given = tn_check_given(client, bucket, key, err);
    if (given < 0)
        return given;
    static const struct tn_window_calls calls = { start_stream_part, take_part };
    struct upload u;
    options = options ? options : &no_options;
    int rc = tn_upload_check(options, err);
    if (rc < 0)
        return rc;
    upload_init(&u, client, bucket, key, options);
    u.read = read;
    u.read_arg = arg;
    (void)tarn_part_size_plan(UINT64_MAX, options->part_size, &u.part_size);
    rc = read_part(&u, &u.first, false, err);
    if (rc == TARN_OK && u.is_at_end && u.first.fd < 0)
        rc = put_first(&u, info, err);
    else if (rc == TARN_OK)
        rc = upload_parts(&u, &calls, info, err);
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
    int given = tn_check_given(client, bucket, key, err);
    if (given < 0)
        return given;
    return tarn_upload_stream(client, read_fd, &fd, bucket, key, options, info, err);
}
