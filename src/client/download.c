/* SPDX-License-Identifier: Apache-2.0 */
/* Downloading to files (any order) and to streams (in order), all parts pinned to one ETag. */

#include <tarn/transfer.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "client/attributes.h"
#include "client/client_impl.h"
#include "client/partial.h"
#include "client/plan.h"
#include "client/resume.h"
#include "client/transfer_impl.h"
#include "client/window.h"

enum { PATH_LEN_MAX = 4096, READ_BACK_LEN = 256 * 1024 };

static const struct tarn_transfer_options no_options;

struct download {
    struct tn_window window;
    struct tarn_client *client;
    const struct tarn_transfer_options *options;
    const char *bucket;
    const char *key;
    struct tarn_object_info head; /* of HeadObject; empty when none was needed */
    bool has_head;
    char pin[TARN_ETAG_LEN_MAX]; /* bare ETag for If-Match; "" when there is none */
    bool is_whole;               /* one plain GET */
    uint64_t first;              /* of the bytes that are wanted */
    uint64_t len;
    uint64_t next; /* offset of the next part, from `first` */
    uint64_t part_size;
    struct tarn_object_info *info;

    bool is_file;
    int fd;               /* of a file */
    bool was_there;       /* the partial file, with something in it */
    bool has_looked_back; /* at that, and at its record */
    enum tn_checksum_kind part_sum;
    struct tn_checksum_value *sums; /* of each part; kind NONE: it is not fetched yet */
    bool has_told;                  /* they are of the kind that was told of the whole */
    struct tn_resume_file record;
    struct tn_buf identity; /* of the record */
    bool was_verified;

    tarn_write_fn write; /* of a stream */
    void *write_arg;
    struct tn_verifier verifier;
    uint64_t given;
};

static int check_options(const struct tarn_transfer_options *o, struct tarn_error *err)
{
    uint64_t part_size;
    if (tarn_part_size_plan(0, o->part_size, &part_size) < 0)
        return tn_fail(err, TARN_EINVAL, "could not transfer: part size outside 5 MiB to 5 GiB");
    if (o->has_range && o->range_last < o->range_first)
        return tn_fail(err, TARN_EINVAL, "could not transfer: the range is empty");
    return TARN_OK;
}

static void download_init(struct download *d, struct tarn_client *client, const char *bucket,
                          const char *key, const struct tarn_transfer_options *options,
                          struct tarn_object_info *info)
{
    *d = (struct download){ .client = client,
                            .options = options,
                            .bucket = bucket,
                            .key = key,
                            .info = info,
                            .fd = -1,
                            .record = { .fd = -1 },
                            .identity = TN_BUF_INIT(TN_RESUME_IDENTITY_MAX),
                            .part_size =
                                options->part_size ? options->part_size : TN_PART_LEN_DEFAULT };
    tn_window_init(&d->window, client, &options->request, options->concurrency);
    d->window.progress = options->progress;
    d->window.progress_arg = options->progress_arg;
}

static void download_release(struct download *d)
{
    tn_window_end(&d->window);
    tn_window_release(&d->window);
    tarn_object_info_release(&d->head);
    tn_verifier_release(&d->verifier);
    tn_free(d->sums);
    tn_buf_release(&d->identity);
}

static struct tarn_get_options pinned_options(const struct tarn_transfer_options *options,
                                              const char *pin)
{
    struct tarn_get_options o = { .request = options->request,
                                  .conditions = options->conditions,
                                  .version_id = options->version_id,
                                  .skip_verify = options->verify == TARN_VERIFY_NONE };
    if (!o.conditions.if_match && pin && pin[0])
        o.conditions.if_match = pin;
    return o;
}

/* Once the look ahead has met the caller's condition, the pin takes its place: "*" or a list would
 * let parts of two objects meet. */
static struct tarn_get_options get_options(const struct download *d)
{
    struct tarn_get_options o = pinned_options(d->options, d->pin);
    if (d->has_head && d->pin[0])
        o.conditions.if_match = d->pin;
    return o;
}

void tn_download_request(struct tn_op *op, const struct tarn_transfer_options *options)
{
    struct tarn_get_options o = pinned_options(options, options->etag_hint);
    tn_op_request(op, &o.request);
    tn_op_get_options(op, &o);
}

static int look(struct download *d, struct tarn_error *err)
{
    struct tarn_get_options o = get_options(d);
    int rc = tarn_object_head(d->client, d->bucket, d->key, &o, &d->head, err);
    d->has_head = rc == TARN_OK;
    if (rc == TARN_OK && d->head.etag && strlen(d->head.etag) < sizeof d->pin)
        (void)snprintf(d->pin, sizeof d->pin, "%s", d->head.etag);
    return rc;
}

/* How much there is to fetch, and whether in one piece. A small object of known size needs no look
 * ahead. */
static int plan(struct download *d, struct tarn_error *err)
{
    const struct tarn_transfer_options *o = d->options;
    if (o->etag_hint)
        (void)snprintf(d->pin, sizeof d->pin, "%s", o->etag_hint);
    d->first = o->has_range ? o->range_first : 0;
    d->is_whole =
        o->has_size_hint && o->size_hint < tn_transfer_threshold(d->options) && !o->has_range;
    d->len = d->is_whole ? o->size_hint : 0;
    if (!d->is_whole) {
        int rc = look(d, err);
        if (rc < 0)
            return rc;
        if (o->has_range && d->first >= d->head.size)
            return tn_fail(err, TARN_ERANGE, "could not get object \"%s/%s\": it has %llu bytes",
                           d->bucket, d->key, (unsigned long long)d->head.size);
        uint64_t end = d->head.size;
        if (o->has_range && o->range_last < end)
            end = o->range_last + 1;
        d->len = end - d->first;
        d->is_whole = !d->pin[0] || (!o->has_range && d->len < tn_transfer_threshold(d->options));
    }
    bool is_absurd = d->len > TARN_PART_COUNT_MAX * TARN_PART_LEN_MAX;
    if (d->is_file && (is_absurd || tarn_part_size_plan(d->len, d->part_size, &d->part_size) < 0))
        return tn_fail(err, TARN_ETOOBIG, "could not get object \"%s/%s\": it has %llu bytes",
                       d->bucket, d->key, (unsigned long long)d->len);
    d->window.bytes_total = d->len;
    d->window.parts_total =
        d->is_whole ? 1 : (uint32_t)((d->len + d->part_size - 1) / d->part_size);
    return TARN_OK;
}

static struct tn_op *make_get(struct download *d)
{
    struct tarn_get_options o = get_options(d);
    struct tn_op *op =
        tn_op_new(d->client, &d->window.waiter, "get object", "GET", d->bucket, d->key);
    if (!op)
        return NULL;
    if (!d->is_whole)
        o.skip_verify = true; /* of the whole object the look ahead has told */
    tn_op_request(op, &o.request);
    tn_op_get_options(op, &o);
    return op;
}

/* The next piece, without its sink. */
static int start_piece(struct download *d, struct tn_slot *slot, struct tarn_error *err)
{
    slot->op = make_get(d);
    if (!slot->op)
        return tn_fail_no_memory(err, "get object");
    slot->offset = d->next;
    slot->len = d->len - d->next < d->part_size ? d->len - d->next : d->part_size;
    slot->number = (uint32_t)(d->next / d->part_size) + 1;
    slot->op->has_range = true;
    slot->op->range_first = d->first + slot->offset;
    slot->op->range_last = d->first + slot->offset + slot->len - 1;
    d->next += slot->len;
    return TARN_OK;
}

/* There are caches that know no If-Match: the answer itself must say what it is a part of. */
static int check_piece(const struct download *d, const struct tn_slot *slot, struct tarn_error *err)
{
    struct tn_str etag = tn_op_etag(slot->op);
    if (slot->op->sink.received != slot->len)
        return tn_op_fail(slot->op, err, TARN_EPROTOCOL, "the part is too short");
    if (d->pin[0] && etag.len > 0 && !tn_str_eq(etag, tn_str_from(d->pin)))
        return tn_op_fail(slot->op, err, TARN_EPRECOND,
                          "the object was replaced while it was being read");
    return TARN_OK;
}

/* The checksum that the look ahead told. Without the count of parts behind it, what is made of
 * parts looks like that of all bytes. */
static struct tn_checksum_value head_checksum(const struct download *d)
{
    static const struct tn_checksum_value none;
    struct tn_checksum_value told;
    const struct tarn_object_info *h = &d->head;
    enum tn_checksum_kind kind = tn_checksum_kind_of(h->checksum_algorithm);
    if (tn_checksum_parse(kind, tn_str_from(h->checksum_value), &told) < 0)
        return none;
    bool is_of_parts = h->checksum_type && strcmp(h->checksum_type, "COMPOSITE") == 0;
    return is_of_parts && told.type != TN_CHECKSUM_COMPOSITE ? none : told;
}

static uint64_t piece_len(const struct download *d, uint32_t number)
{
    uint64_t left = d->len - (uint64_t)(number - 1) * d->part_size;
    return left < d->part_size ? left : d->part_size;
}

/* ---- files ---- */

static int start_file_whole(struct download *d, struct tn_slot *slot, struct tarn_error *err)
{
    if (d->next > 0)
        return TN_WINDOW_END;
    d->next = 1;
    slot->op = make_get(d);
    if (!slot->op)
        return tn_fail_no_memory(err, "get object");
    slot->len = d->len;
    slot->op->sink.kind = TN_SINK_FILE;
    slot->op->sink.fd = d->fd;
    slot->op->sink.verifies = d->options->verify != TARN_VERIFY_NONE;
    tn_op_post(slot->op);
    return TARN_OK;
}

/* By an earlier run. */
static bool is_fetched(const struct download *d, uint64_t i)
{
    return d->sums && d->sums[i].kind != TN_CHECKSUM_NONE;
}

static int start_file_part(void *arg, struct tn_slot *slot, struct tarn_error *err)
{
    struct download *d = arg;
    if (d->is_whole)
        return start_file_whole(d, slot, err);
    while (d->next < d->len && is_fetched(d, d->next / d->part_size))
        d->next += d->part_size;
    if (d->next >= d->len)
        return TN_WINDOW_END;
    int rc = start_piece(d, slot, err);
    if (rc == TARN_OK && tn_checksum_init(&slot->op->sink.sum, d->part_sum) < 0)
        rc = tn_fail_no_memory(err, "get object");
    if (rc < 0)
        return rc;
    slot->op->sink.kind = TN_SINK_FILE;
    slot->op->sink.fd = d->fd;
    slot->op->sink.offset = slot->offset;
    tn_op_post(slot->op);
    return TARN_OK;
}

static int take_piece(struct download *d, struct tn_slot *slot, struct tarn_error *err)
{
    struct tn_resume_part record = { .number = slot->number, .size = slot->len };
    int rc = check_piece(d, slot, err);
    if (rc < 0)
        return rc;
    if (!d->sums)
        return TARN_OK;
    tn_checksum_final(&slot->op->sink.sum, &d->sums[slot->number - 1]);
    record.value = d->sums[slot->number - 1];
    tn_resume_add(&d->record, &record);
    return TARN_OK;
}

int tn_download_take(struct tn_op *op, struct tarn_object_info *info, struct tarn_error *err)
{
    struct tn_sink *sink = &op->sink;
    int rc = tn_verifier_check(&sink->verifier);
    if (rc == TARN_ECHECKSUM)
        return tn_op_fail(op, err, rc, "the bytes do not match the checksum of the object");
    bool was_verified = rc == TARN_OK;
    rc = tn_op_info(op, info, err);
    if (rc == TARN_OK)
        info->was_verified = was_verified;
    return rc;
}

static int take_file_part(void *arg, struct tn_slot *slot, struct tarn_error *err)
{
    struct download *d = arg;
    if (!d->is_whole)
        return take_piece(d, slot, err);
    d->len = slot->len = slot->op->sink.received;
    return tn_download_take(slot->op, d->info, err);
}

/* CRCs of parts that came in any order make the CRC of the whole; and they tell later whether what
 * an earlier run has written is still there. */
static int prepare_sums(struct download *d, struct tarn_error *err)
{
    if (d->is_whole || d->window.parts_total > TARN_PART_COUNT_MAX)
        return TARN_OK;
    struct tn_checksum_value told = head_checksum(d);
    d->has_told = d->options->verify != TARN_VERIFY_NONE && tn_checksum_is_whole(&told) &&
                  tn_checksum_type_fits(told.kind, TN_CHECKSUM_FULL_OBJECT);
    if (!d->has_told && !(d->options->resume && d->pin[0]))
        return TARN_OK;
    d->part_sum = d->has_told ? told.kind : TN_CHECKSUM_DEFAULT;
    d->sums = tn_calloc(d->window.parts_total, sizeof *d->sums);
    return d->sums ? TARN_OK : tn_fail_no_memory(err, "get object");
}

/* Of what came in parts the look ahead has told; a whole one has told of itself. */
static void give_head(struct download *d)
{
    tn_info_move(&d->head, d->info);
    if (d->info)
        d->info->was_verified = d->was_verified;
}

static int mismatch(const struct download *d, struct tarn_error *err)
{
    return tn_fail(err, TARN_ECHECKSUM,
                   "could not get object \"%s/%s\": the bytes do not match its checksum", d->bucket,
                   d->key);
}

static int check_sums(struct download *d, struct tarn_error *err)
{
    struct tn_checksum_parts parts;
    struct tn_checksum_value told = head_checksum(d);
    struct tn_checksum_value got;
    int rc = tn_checksum_parts_init(&parts, d->part_sum, TN_CHECKSUM_FULL_OBJECT);
    if (rc < 0)
        return tn_fail_no_memory(err, "get object");
    for (uint32_t n = 1; n <= d->window.parts_total && rc == TARN_OK; n++)
        rc = tn_checksum_parts_add(&parts, &d->sums[n - 1], piece_len(d, n));
    tn_checksum_parts_final(&parts, &got);
    tn_checksum_parts_release(&parts);
    if (rc < 0 || !tn_checksum_eq(&told, &got))
        return mismatch(d, err);
    d->was_verified = true;
    return TARN_OK;
}

/* The size of the parts that the object was made of; 0 when it cannot be learnt. */
static uint64_t learn_part_size(struct download *d, uint32_t count)
{
    struct tarn_object_info part = { 0 };
    struct tarn_get_options o = get_options(d);
    uint64_t size = 0;
    if (count < 2)
        return d->head.size;
    o.part_number = 1;
    if (tarn_object_head(d->client, d->bucket, d->key, &o, &part, NULL) < 0)
        return 0;
    for (size_t i = 0; i < part.header_count; i++) {
        if (strcmp(part.headers[i].name, "content-length") == 0 &&
            tn_str_to_u64(tn_str_from(part.headers[i].value), &size) < 0)
            size = 0;
    }
    tarn_object_info_release(&part);
    return size;
}

/* With KMS and customer keys an ETag is something else than an MD5. */
static bool has_plain_etag(const struct tarn_object_info *head)
{
    if (head->sse && strncmp(head->sse, "aws:kms", 7) == 0)
        return false;
    for (size_t i = 0; i < head->header_count; i++) {
        if (strcmp(head->headers[i].name, "x-amz-server-side-encryption-customer-algorithm") == 0)
            return false;
    }
    return true;
}

/* What the bytes of the whole object are compared with, in order: its checksum, or its ETag, both
 * of which may be of parts. */
static int set_verifier_up(struct download *d, struct tn_verifier *v)
{
    struct tn_checksum_value told = head_checksum(d);
    struct tn_str etag = has_plain_etag(&d->head) ? tn_str_from(d->head.etag) : TN_STR_EMPTY;
    bool is_of_parts = told.kind != TN_CHECKSUM_NONE ? told.type == TN_CHECKSUM_COMPOSITE
                                                     : tn_etag_composite(etag, &told);
    if (!is_of_parts)
        return tn_verifier_init(v, &told, etag);
    uint64_t part_size = learn_part_size(d, told.part_count);
    int rc = tn_verifier_init_parts(v, &told, d->head.size, part_size);
    return rc == TARN_ENOTFOUND ? TARN_OK : rc;
}

/* Reads the file once more, for what cannot be put together from parts. */
static int read_back(struct download *d, struct tarn_error *err)
{
    struct tn_verifier v = { 0 };
    TN_AUTO_FREE char *step = tn_realloc(NULL, READ_BACK_LEN);
    int rc = step ? set_verifier_up(d, &v) : TARN_ENOMEM;
    for (uint64_t done = 0; rc == TARN_OK && done < d->len && v.kind != TN_VERIFY_NOTHING;) {
        ssize_t n = tn_fd_pread(d->fd, step, READ_BACK_LEN, done);
        if (n <= 0) {
            rc = n < 0 ? (int)n : TARN_EEOF;
            break;
        }
        if (tn_window_should_stop(&d->window))
            rc = TARN_ECANCELLED;
        tn_verifier_update(&v, step, (size_t)n);
        done += (uint64_t)n;
    }
    if (rc == TARN_OK)
        rc = tn_verifier_check(&v);
    tn_verifier_release(&v);
    if (rc == TARN_ECHECKSUM)
        return mismatch(d, err);
    d->was_verified = rc == TARN_OK;
    return rc == TARN_OK || rc == TARN_ENOTFOUND
               ? TARN_OK
               : tn_fail(err, rc, "could not read back \"%s/%s\": %s", d->bucket, d->key,
                         tarn_status_text(rc));
}

static int verify_file(struct download *d, struct tarn_error *err)
{
    if (d->is_whole || d->options->verify == TARN_VERIFY_NONE)
        return TARN_OK;
    return d->has_told ? check_sums(d, err) : read_back(d, err);
}

/* ---- going on with an earlier download ---- */

static int identify(struct download *d)
{
    struct tn_buf *id = &d->identity;
    int rc = tn_resume_identify(id, "download", tarn_client_endpoint(d->client), d->bucket, d->key);
    if (rc == TARN_OK)
        rc = tn_resume_text(id, "version_id", d->options->version_id);
    if (rc == TARN_OK)
        rc = tn_resume_text(id, "etag", d->pin);
    if (rc == TARN_OK)
        rc = tn_resume_u64(id, "size", d->len);
    if (rc == TARN_OK)
        rc = tn_resume_u64(id, "part_size", d->part_size);
    if (rc == TARN_OK)
        rc = tn_buf_appendf(id, ",\"checksum\":\"%.*s\"}",
                            TN_STR_ARG(tn_checksum_name(d->part_sum)));
    return rc;
}

/* Are the bytes of this part in the file? */
static bool is_written(const struct download *d, const struct tn_resume_part *part, char *step)
{
    struct tn_checksum sum;
    struct tn_checksum_value got;
    uint64_t offset = (uint64_t)(part->number - 1) * d->part_size;
    if (part->size != piece_len(d, part->number) || part->value.kind != d->part_sum ||
        tn_checksum_init(&sum, d->part_sum) < 0)
        return false;
    uint64_t done = 0;
    while (done < part->size) {
        uint64_t left = part->size - done;
        size_t want = left < READ_BACK_LEN ? (size_t)left : READ_BACK_LEN;
        ssize_t n = tn_fd_pread(d->fd, step, want, offset + done);
        if (n != (ssize_t)want)
            break;
        tn_checksum_update(&sum, step, want);
        done += want;
    }
    tn_checksum_final(&sum, &got);
    tn_checksum_release(&sum);
    return done == part->size && tn_checksum_eq(&got, &part->value);
}

static uint64_t take_written(struct download *d, const struct tn_resume_state *state, char *step)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < d->window.parts_total && !tn_window_should_stop(&d->window); i++) {
        const struct tn_resume_part *part = &state->parts[i];
        if (part->number == 0 || !is_written(d, part, step))
            continue;
        d->sums[i] = part->value;
        d->window.parts_done++;
        bytes += part->size;
    }
    return bytes;
}

static void report_resume(const struct download *d, const struct tn_resume_state *state,
                          bool had_record)
{
    struct tarn_resume_report report = { TARN_RESUME_FRESH, d->window.bytes_done, NULL };
    if (had_record && !state->is_same) {
        report.outcome = TARN_RESUME_RESTARTED;
        report.reason = "the object or the options have changed";
    } else if (had_record && d->window.parts_done == state->count) {
        report.outcome = TARN_RESUME_CONTINUED;
    } else if (had_record) {
        report.outcome = TARN_RESUME_REVALIDATED;
        report.reason = "the partial file does not have all that was recorded";
    }
    if (d->options->on_resume)
        d->options->on_resume(d->options->resume_arg, &report);
}

/* Takes over what an earlier run has left at `partial`, or empties it. */
static int take_up(struct download *d, const char *partial, struct tarn_error *err)
{
    TN_AUTO_BUF name = TN_BUF_INIT(PATH_LEN_MAX);
    TN_AUTO_FREE char *step = tn_realloc(NULL, READ_BACK_LEN);
    struct tn_resume_state state = { 0 };
    int rc = step ? tn_buf_appendf(&name, "%s.resume", partial) : TARN_ENOMEM;
    bool can_resume = d->options->resume && d->sums && d->pin[0];
    if (rc == TARN_OK && can_resume)
        rc = identify(d);
    if (rc == TARN_OK && can_resume)
        rc = tn_resume_open(&d->record, name.data, tn_buf_str(&d->identity), d->window.parts_total,
                            &state);
    if (rc < 0)
        return tn_fail(err, rc, "could not resume \"%s\": %s", partial, tarn_status_text(rc));
    bool had_record = d->record.fd >= 0;
    if (state.is_same && state.count > 0)
        d->window.bytes_done = take_written(d, &state, step);
    if (tn_window_should_stop(&d->window)) {
        tn_resume_state_release(&state);
        return tn_fail(err, TARN_ECANCELLED, "could not get object \"%s/%s\": cancelled", d->bucket,
                       d->key);
    }
    d->has_looked_back = true;
    if (can_resume)
        report_resume(d, &state, had_record);
    else if (d->was_there)
        (void)unlink(name.data);
    tn_resume_state_release(&state);
    if (d->window.parts_done > 0)
        return TARN_OK;
    if (d->was_there && ftruncate(d->fd, 0) < 0)
        return tn_fail_errno(err, "could not empty file \"%s\"", partial);
    if (can_resume)
        tn_resume_begin(&d->record, tn_buf_str(&d->identity), "");
    return TARN_OK;
}

static int fill_file(struct download *d, const char *partial, const char *path,
                     struct tarn_error *err)
{
    static const struct tn_window_calls calls = { start_file_part, take_file_part };
    int rc = prepare_sums(d, err);
    if (rc == TARN_OK)
        rc = take_up(d, partial, err);
    if (rc == TARN_OK)
        rc = tn_partial_allocate(d->fd, d->len, path, err);
    if (rc == TARN_OK)
        rc = tn_window_run(&d->window, &calls, d, err);
    if (rc == TARN_OK)
        rc = verify_file(d, err);
    if (rc == TARN_OK && !d->is_whole)
        give_head(d);
    return rc < 0 ? rc : tn_partial_finish(d->fd, d->len, partial, path, d->options, d->info, err);
}

/* What a failed run leaves to the next one. What an earlier one has left and this one has not come
 * to look at is not for it to take away. */
static bool is_kept(const struct download *d, int rc)
{
    if (!d->has_looked_back)
        return d->was_there;
    return d->record.fd >= 0 && d->window.parts_done > 0 && tn_resume_is_worth(rc);
}

int tn_download_check(const char *path, const struct tarn_transfer_options *options,
                      struct tarn_error *err)
{
    char partial[TN_PARTIAL_LEN_MAX];
    options = options ? options : &no_options;
    int rc = check_options(options, err);
    if (rc == TARN_OK)
        rc = tn_partial_name(path, partial, err);
    if (rc == TARN_OK && options->has_range)
        rc = tn_fail(err, TARN_EINVAL, "could not download a range to a file: use a descriptor");
    return rc;
}

int tarn_download_file(struct tarn_client *client, const char *bucket, const char *key,
                       const char *path, const struct tarn_transfer_options *options,
                       struct tarn_object_info *info, struct tarn_error *err)
{
    int given = tn_check_given(client, bucket, key, TN_MISSING(path), err);
    if (given < 0)
        return given;
    struct tarn_object_info own = { 0 };
    char partial[TN_PARTIAL_LEN_MAX];
    struct download d;
    options = options ? options : &no_options;
    int rc = tn_download_check(path, options, err);
    if (rc == TARN_OK)
        rc = tn_partial_name(path, partial, err);
    if (rc == TARN_OK && options->must_not_exist && access(path, F_OK) == 0)
        rc = tn_fail(err, TARN_EEXISTS, "could not write file \"%s\": it exists already", path);
    if (rc == TARN_OK)
        rc = tn_partial_check_target(path, err);
    if (rc < 0)
        return rc;
    download_init(&d, client, bucket, key, options, &own);
    d.is_file = true;
    rc = plan(&d, err);
    if (rc == TARN_OK) {
        d.fd = tn_partial_open(partial, options->file_mode, &d.was_there, err);
        rc = d.fd < 0 ? d.fd : fill_file(&d, partial, path, err);
        bool keeps = rc < 0 && is_kept(&d, rc);
        tn_resume_end(&d.record, keeps);
        if (d.fd >= 0 && rc < 0 && !keeps)
            (void)unlink(partial); /* before the lock goes */
        tn_fd_close(&d.fd);
    }
    download_release(&d);
    if (rc == TARN_OK)
        tn_info_move(&own, info);
    tarn_object_info_release(&own);
    return rc;
}

/* ---- comparing ---- */

static int open_to_compare(const char *path, uint64_t *size, struct tarn_error *err)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return tn_fail_errno(err, "could not open file \"%s\"", path);
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
        *size = (uint64_t)st.st_size;
        return fd;
    }
    tn_fd_close(&fd);
    return tn_fail(err, TARN_EINVAL, "could not compare \"%s\": not a regular file", path);
}

int tarn_object_matches_file(struct tarn_client *client, const char *bucket, const char *key,
                             const char *path, const struct tarn_transfer_options *options,
                             bool *is_same, struct tarn_error *err)
{
    int given =
        tn_check_given(client, bucket, key, tn_missing(TN_MISSING(path), TN_MISSING(is_same)), err);
    if (given < 0)
        return given;
    struct download d;
    uint64_t size = 0;
    bool is_equal = false;
    options = options ? options : &no_options;
    int fd = open_to_compare(path, &size, err);
    if (fd < 0)
        return fd;
    download_init(&d, client, bucket, key, options, NULL);
    d.fd = fd;
    struct tarn_error why = { 0 };
    int rc = look(&d, &why);
    d.len = d.head.size;
    if (rc == TARN_OK && size == d.len) {
        rc = read_back(&d, &why);
        is_equal = rc == TARN_OK && d.was_verified;
    }
    if (rc == TARN_ECHECKSUM || rc == TARN_ENOTFOUND)
        rc = TARN_OK;
    download_release(&d);
    tn_fd_close(&fd);
    if (rc == TARN_OK)
        *is_same = is_equal;
    else if (err)
        *err = why;
    return rc;
}

/* ---- streams ---- */

static int start_stream_part(void *arg, struct tn_slot *slot, struct tarn_error *err)
{
    struct download *d = arg;
    void *block = NULL;
    if (d->next >= d->len)
        return TN_WINDOW_END;
    int rc = tn_budget_take(&d->client->budget, (size_t)d->part_size, d->window.busy_count > 0,
                            tn_window_should_stop, &d->window, &block);
    if (rc == TARN_EAGAIN)
        return TN_WINDOW_WAIT;
    if (rc < 0)
        return tn_fail(err, rc, "could not get object: %s", tarn_status_text(rc));
    slot->block = block;
    slot->block_len = (size_t)d->part_size;
    rc = start_piece(d, slot, err);
    if (rc < 0)
        return rc;
    slot->op->sink.kind = TN_SINK_BYTES;
    slot->op->sink.bytes = slot->block;
    slot->op->sink.cap = (size_t)slot->len;
    tn_op_post(slot->op);
    return TARN_OK;
}

static int take_stream_part(void *arg, struct tn_slot *slot, struct tarn_error *err)
{
    struct download *d = arg;
    int rc = check_piece(d, slot, err);
    if (rc < 0)
        return rc;
    tn_verifier_update(&d->verifier, slot->block, (size_t)slot->len);
    rc = d->write(d->write_arg, slot->block, (size_t)slot->len);
    return rc < 0 ? tn_op_fail(slot->op, err, rc, "could not write the data: %s%s",
                               tarn_status_text(rc), errno == EPIPE ? " (broken pipe)" : "")
                  : TARN_OK;
}

/* A single GET, whose bytes pass in order anyway. */
static int write_whole(void *arg, const void *bytes, size_t len)
{
    struct download *d = arg;
    if (tn_window_should_stop(&d->window))
        return TARN_ECANCELLED;
    d->window.bytes_done += len;
    return d->write(d->write_arg, bytes, len);
}

static int stream_whole(struct download *d, struct tarn_error *err)
{
    struct tarn_get_options o = get_options(d);
    if (d->options->has_range) {
        o.has_range = true;
        o.range_first = d->first;
        o.range_last = d->first + d->len - 1;
    }
    return tarn_object_get(d->client, d->bucket, d->key, write_whole, d, &o, d->info, err);
}

static int stream_parts(struct download *d, struct tarn_error *err)
{
    static const struct tn_window_calls calls = { start_stream_part, take_stream_part };
    bool is_checked = !d->options->has_range && d->options->verify != TARN_VERIFY_NONE;
    if (is_checked && set_verifier_up(d, &d->verifier) < 0)
        return tn_fail_no_memory(err, "get object");
    d->window.is_ordered = true;
    int rc = tn_window_run(&d->window, &calls, d, err);
    if (rc < 0)
        return rc;
    rc = tn_verifier_check(&d->verifier);
    if (rc == TARN_ECHECKSUM)
        return mismatch(d, err);
    d->was_verified = rc == TARN_OK;
    give_head(d);
    return TARN_OK;
}

/* Blocks larger than a share of the ceiling would let one transfer have it all. */
static void limit_part_size(struct download *d)
{
    uint64_t most = d->client->budget.max / 4;
    if (d->part_size > most)
        d->part_size = most;
}

int tarn_download_stream(struct tarn_client *client, const char *bucket, const char *key,
                         tarn_write_fn write, void *arg,
                         const struct tarn_transfer_options *options, struct tarn_object_info *info,
                         struct tarn_error *err)
{
    int given = tn_check_given(client, bucket, key, TN_MISSING(write), err);
    if (given < 0)
        return given;
    struct download d;
    options = options ? options : &no_options;
    int rc = check_options(options, err);
    if (rc < 0)
        return rc;
    download_init(&d, client, bucket, key, options, info);
    d.write = write;
    d.write_arg = arg;
    limit_part_size(&d);
    rc = plan(&d, err);
    if (rc == TARN_OK)
        rc = d.is_whole ? stream_whole(&d, err) : stream_parts(&d, err);
    download_release(&d);
    return rc;
}

static int write_fd(void *arg, const void *bytes, size_t len)
{
    int fd = *(const int *)arg;
    const char *at = bytes;
    while (len > 0) {
        ssize_t n = write(fd, at, len);
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            struct pollfd wait = { .fd = fd, .events = POLLOUT };
            (void)poll(&wait, 1, -1);
            continue;
        }
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return tn_status_from_errno(errno);
        at += n;
        len -= (size_t)n;
    }
    return TARN_OK;
}

int tarn_download_fd(struct tarn_client *client, const char *bucket, const char *key, int fd,
                     const struct tarn_transfer_options *options, struct tarn_object_info *info,
                     struct tarn_error *err)
{
    int given = tn_check_given(client, bucket, key, NULL, err);
    if (given < 0)
        return given;
    return tarn_download_stream(client, bucket, key, write_fd, &fd, options, info, err);
}
