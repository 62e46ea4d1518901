/* SPDX-License-Identifier: Apache-2.0 */
/* Answers: reading heads and bodies as they come, and judging what came. */

#include "client/op.h"

#include <stdarg.h>

#include "base/clock.h"
#include "base/log.h"
#include "client/client_impl.h"
#include "proto/http_date.h"
#include "proto/range.h"
#include "proto/s3_error.h"

enum {
    ERROR_ARENA_MAX = 1 << 20,
    CODE_LEN_MAX = 64,
    SIGNED_ANEW_MS = 1000, /* whoever waits so long is signed when the wait is over */
};

/* What an error document or its stand-ins say. */
struct problem {
    char code[CODE_LEN_MAX];
    char message[256];
    char region[TARN_REGION_LEN_MAX];
};

const struct tn_buf *tn_op_head(const struct tn_op *op)
{
    return op->first_head.len > 0 ? &op->first_head : &op->head;
}

struct tn_str tn_op_field(const struct tn_op *op, const char *name)
{
    return tn_head_find(tn_op_head(op), tn_str_from(name));
}

struct tn_str tn_op_etag(const struct tn_op *op)
{
    return tn_etag_bare(tn_op_field(op, "etag"));
}

int tn_op_fail(const struct tn_op *op, struct tarn_error *err, int status, const char *format, ...)
{
    char reason[400];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    if (!op->bucket)
        return tn_fail(err, status, "could not %s: %s", op->what, reason);
    return tn_fail(err, status, "could not %s \"%.200s%s%.200s\": %s", op->what, op->bucket,
                   op->key ? "/" : "", op->key ? op->key : "", reason);
}

/* ---- curl's callbacks ---- */

static int status_of(struct tn_str line)
{
    uint64_t status;
    size_t blank = tn_str_find_char(line, ' ');
    if (blank == SIZE_MAX || tn_str_to_u64(tn_str_sub(line, blank + 1, 3), &status) < 0)
        return 0;
    return (int)status;
}

static int keep_field(struct tn_op *op, struct tn_str line)
{
    size_t colon = tn_str_find_char(line, ':');
    if (colon == SIZE_MAX)
        return TARN_OK;
    struct tn_str value = tn_str_trim(tn_str_sub(line, colon + 1, SIZE_MAX));
    return tn_head_add(&op->head, tn_str_sub(line, 0, colon), value);
}

/* All that was asked for, as far as the object goes: fewer bytes would pass for the end of it. */
static bool is_all_of_range(const struct tn_op *op, const struct tn_content_range *range,
                            bool is_suffix)
{
    uint64_t end = range->range.first + range->range.len;
    uint64_t asked = op->has_range ? op->range_last : UINT64_MAX;
    bool is_to_the_end = !range->has_size || end == range->size;
    if (is_suffix)
        return is_to_the_end && (range->range.len == op->range_suffix ||
                                 (range->range.len < op->range_suffix && range->range.first == 0));
    return end - 1 == asked || (end - 1 < asked && is_to_the_end);
}

/* Content-Range where one must be: what was asked for, at the right place. */
static int check_range(struct tn_op *op, struct tn_content_range *range)
{
    uint64_t first = op->has_range ? op->range_first : 0;
    first += op->is_resuming ? op->sink.received : 0;
    bool is_suffix = op->range_suffix > 0 && !op->is_resuming;
    if (op->http_status != 206 ||
        tn_content_range_parse(tn_str_trim(tn_head_find(&op->head, TN_STR("content-range"))),
                               range) < 0 ||
        !range->has_range || !is_all_of_range(op, range, is_suffix))
        return TARN_EPROTOCOL;
    if (is_suffix) { /* from now on it is an ordinary one */
        op->has_range = true;
        op->range_first = range->range.first;
        op->range_last = range->range.first + range->range.len - 1;
        op->range_suffix = 0;
        return TARN_OK;
    }
    return range->range.first == first ? TARN_OK : TARN_EPROTOCOL;
}

static int check_resumed(struct tn_op *op, const struct tn_content_range *range)
{
    struct tn_str before = tn_head_find(&op->first_head, TN_STR("etag"));
    struct tn_str now = tn_head_find(&op->head, TN_STR("etag"));
    if (!tn_str_eq(before, now))
        return TARN_EPRECOND;
    uint64_t end = op->sink.received + range->range.len;
    return op->sink.expected_len == UINT64_MAX || op->sink.expected_len == end ? TARN_OK
                                                                               : TARN_EPROTOCOL;
}

static int start_verifier(struct tn_op *op)
{
    struct tn_sink *s = &op->sink;
    if (!s->verifies || op->has_range)
        return TARN_OK;
    tn_verifier_release(&s->verifier); /* of a try that ended before its first byte */
    return tn_op_verifier(op, &s->verifier);
}

/* The head of a good answer with a body for the sink. */
static int begin_body(struct tn_op *op)
{
    struct tn_content_range range = { 0 };
    uint64_t len;
    bool wants_part = op->has_range || op->range_suffix > 0 || op->is_resuming;
    if (op->http_status == 206 && !wants_part && !strstr(op->query.data, "partNumber="))
        return TARN_EPROTOCOL; /* it would pass for all of the object */
    if (wants_part) {
        int rc = check_range(op, &range);
        if (rc == TARN_OK && op->is_resuming)
            rc = check_resumed(op, &range);
        if (rc < 0)
            return rc;
    }
    if (op->is_resuming)
        return TARN_OK;
    op->sink.expected_len = UINT64_MAX;
    if (wants_part)
        op->sink.expected_len = range.range.len;
    else if (tn_str_to_u64(tn_head_find(&op->head, TN_STR("content-length")), &len) == TARN_OK)
        op->sink.expected_len = len;
    return start_verifier(op);
}

static int on_head_end(struct tn_op *op)
{
    if (op->http_status < 200)
        return TARN_OK;
    op->is_answer_ok = op->http_status < 300;
    if (!op->is_answer_ok || op->sink.kind == TN_SINK_DOCUMENT || op->has_begun)
        return TARN_OK;
    op->has_begun = true;
    return begin_body(op);
}

size_t tn_op_on_header(char *bytes, size_t size, size_t count, void *arg)
{
    struct tn_op *op = arg;
    struct tn_str line = { bytes, size * count };
    int rc = TARN_OK;
    while (line.len > 0 && (line.data[line.len - 1] == '\n' || line.data[line.len - 1] == '\r'))
        line.len--;
    if (tn_str_starts(line, TN_STR("HTTP/"))) {
        if (op->curl)
            tn_op_note_move(op, true);
        tn_buf_truncate(&op->head, 0);
        op->http_status = status_of(line);
    } else if (line.len == 0) {
        rc = on_head_end(op);
    } else {
        rc = keep_field(op, line);
    }
    if (rc < 0)
        op->sink.rc = rc;
    return rc < 0 ? 0 : size * count;
}

static int keep_document(struct tn_op *op, const char *bytes, size_t len)
{
    if (op->is_answer_ok)
        return tn_buf_append(&op->answer, bytes, len);
    size_t room = op->answer.len < TN_OP_ERROR_MAX ? TN_OP_ERROR_MAX - op->answer.len : 0;
    return tn_buf_append(&op->answer, bytes, len < room ? len : room);
}

char *tn_op_document_room(struct tn_op *op, size_t len)
{
    bool is_wanted = op->is_answer_ok && op->sink.kind == TN_SINK_DOCUMENT;
    return is_wanted && tn_buf_reserve(&op->answer, len) == TARN_OK
               ? op->answer.data + op->answer.len
               : NULL;
}

void tn_op_document_add(struct tn_op *op, size_t len)
{
    op->answer.len += len;
    op->answer.data[op->answer.len] = '\0';
}

size_t tn_op_on_body(char *bytes, size_t size, size_t count, void *arg)
{
    struct tn_op *op = arg;
    size_t len = size * count;
    if (!op->is_answer_ok || op->sink.kind == TN_SINK_DOCUMENT) {
        int rc = keep_document(op, bytes, len);
        if (rc < 0)
            op->sink.rc = rc;
        return rc < 0 ? 0 : len;
    }
    op->is_throttled = tn_limit_wait_ns(&op->client->bandwidth) > 0;
    if (op->is_throttled)
        return CURL_WRITEFUNC_PAUSE;
    if (op->curl)
        tn_op_note_move(op, true);
    int rc = tn_sink_write(&op->sink, bytes, len);
    if (rc == TARN_EAGAIN)
        return CURL_WRITEFUNC_PAUSE;
    if (rc < 0)
        return 0;
    tn_limit_spend(&op->client->bandwidth, (double)len);
    atomic_fetch_add_explicit(&op->moved, len, memory_order_relaxed);
    atomic_fetch_add_explicit(&op->client->bytes_down, len, memory_order_relaxed);
    return len;
}

/* ---- what the answer says of the object ---- */

enum tn_checksum_kind tn_op_checksum(const struct tn_op *op, struct tn_str *text)
{
    enum tn_checksum_kind found = TN_CHECKSUM_NONE;
    struct tn_head_field field;
    for (size_t at = 0; tn_head_next(tn_op_head(op), &at, &field);) {
        if (field.value.len == 0 || !tn_str_starts(field.name, TN_STR("x-amz-checksum-")))
            continue;
        enum tn_checksum_kind kind = tn_checksum_from_header(field.name);
        if (kind != TN_CHECKSUM_NONE && (found == TN_CHECKSUM_NONE || kind < found)) {
            found = kind;
            *text = field.value;
        }
    }
    /* Without the count of parts behind it, what is made of parts looks like that of all bytes. */
    if (found != TN_CHECKSUM_NONE && tn_str_find_char(*text, '-') == SIZE_MAX &&
        tn_str_eq(tn_op_field(op, "x-amz-checksum-type"), TN_STR("COMPOSITE")))
        return TN_CHECKSUM_NONE;
    return found;
}

bool tn_op_has_plain_etag(const struct tn_op *op)
{
    struct tn_str sse = tn_op_field(op, "x-amz-server-side-encryption");
    return !tn_str_starts(sse, TN_STR("aws:kms")) &&
           !tn_op_field(op, "x-amz-server-side-encryption-customer-algorithm").data;
}

struct tn_str tn_op_plain_etag(const struct tn_op *op)
{
    return tn_op_has_plain_etag(op) ? tn_op_etag(op) : TN_STR_EMPTY;
}

int tn_op_verifier(const struct tn_op *op, struct tn_verifier *v)
{
    struct tn_checksum_value told = { 0 };
    struct tn_str text = TN_STR_EMPTY;
    enum tn_checksum_kind kind = tn_op_checksum(op, &text);
    if (tn_checksum_parse(kind, text, &told) < 0)
        told.kind = TN_CHECKSUM_NONE;
    /* Where it would not count, the ETag is not looked for. */
    struct tn_str etag = tn_checksum_is_whole(&told) ? TN_STR_EMPTY : tn_op_plain_etag(op);
    return tn_verifier_init(v, &told, etag);
}

/* "ListParts" of "ListPartsResult": servers do not agree on what comes behind. */
static struct tn_str stem(struct tn_str name)
{
    static const struct tn_str ends[] = { TN_STR("Result"), TN_STR("Response"), TN_STR("Output") };
    for (size_t i = 0; i < TN_COUNT(ends); i++) {
        if (name.len > ends[i].len &&
            tn_str_eq(tn_str_sub(name, name.len - ends[i].len, SIZE_MAX), ends[i]))
            return tn_str_sub(name, 0, name.len - ends[i].len);
    }
    return name;
}

/* Nor on capitals; and some call a document by the operation where S3 has a name of its own. */
static bool is_root(struct tn_str name, struct tn_str expected)
{
    static const struct {
        struct tn_str expected;
        struct tn_str other;
    } others[] = {
        { TN_STR("VersioningConfiguration"), TN_STR("GetBucketVersioning") },
        { TN_STR("Tagging"), TN_STR("GetObjectTagging") },
        { TN_STR("Tagging"), TN_STR("GetBucketTagging") },
        { TN_STR("LocationConstraint"), TN_STR("GetBucketLocation") },
        { TN_STR("ListAllMyBuckets"), TN_STR("ListBuckets") },
        { TN_STR("ListVersions"), TN_STR("ListBucketVersions") },
        { TN_STR("ListVersions"), TN_STR("ListObjectVersions") },
        { TN_STR("InitiateMultipartUpload"), TN_STR("CreateMultipartUpload") },
        { TN_STR("CopyPart"), TN_STR("UploadPartCopy") },
        { TN_STR("Delete"), TN_STR("DeleteObjects") },
    };
    name = stem(name);
    expected = stem(expected);
    bool is_same = tn_str_eq_nocase(name, expected);
    for (size_t i = 0; i < TN_COUNT(others) && !is_same; i++)
        is_same = tn_str_eq_nocase(expected, others[i].expected) &&
                  tn_str_eq_nocase(name, others[i].other);
    return is_same;
}

int tn_op_parse(struct tn_op *op, const char *root_name, const struct tn_xml_node **root,
                struct tarn_error *err)
{
    struct tarn_error local = { 0 };
    const struct tn_xml_node *node = NULL;
    int rc = tn_xml_parse(&op->arena, tn_buf_str(&op->answer), &node, &local);
    if (rc == TARN_ENOMEM)
        return tn_op_fail(op, err, rc, "out of memory");
    if (rc < 0 || !is_root(node->name, tn_str_from(root_name)))
        return tn_op_fail(op, err, TARN_EPROTOCOL, "the answer is no %s document%s%s", root_name,
                          local.message[0] ? ": " : "", local.message);
    *root = node;
    return TARN_OK;
}

/* ---- judging ---- */

static void keep_text(char *out, size_t cap, struct tn_str text)
{
    (void)snprintf(out, cap, "%.*s", TN_STR_ARG(text));
}

/* TARN_OK when the document is an <Error>, TARN_ENOTFOUND when it is something else, TARN_EPROTOCOL
 * when it is broken, TARN_ENOMEM. */
static int read_problem(const struct tn_op *op, struct problem *out)
{
    struct tn_arena arena;
    const struct tn_xml_node *root = NULL;
    tn_arena_init(&arena, ERROR_ARENA_MAX);
    int rc = tn_xml_parse(&arena, tn_buf_str(&op->answer), &root, NULL);
    if (rc < 0)
        rc = rc == TARN_ENOMEM ? rc : TARN_EPROTOCOL;
    else if (tn_str_eq(root->name, TN_STR("ErrorResponse")) && tn_xml_child(root, "Error"))
        root = tn_xml_child(root, "Error"); /* IAM and STS */
    else if (!tn_str_eq(root->name, TN_STR("Error")))
        rc = TARN_ENOTFOUND;
    if (rc == TARN_OK) {
        keep_text(out->code, sizeof out->code, tn_xml_child_text(root, "Code"));
        keep_text(out->message, sizeof out->message, tn_xml_child_text(root, "Message"));
        keep_text(out->region, sizeof out->region, tn_xml_child_text(root, "Region"));
    }
    tn_arena_release(&arena);
    return rc;
}

/* A proxy, or a server that is spoken to in the wrong way, says why in a line of plain text. */
static void read_line(const struct tn_op *op, struct problem *out)
{
    struct tn_str text = tn_buf_str(&op->answer);
    struct tn_str line = tn_str_split(&text, '\n');
    if (line.len > 0 && line.data[line.len - 1] == '\r')
        line.len--;
    bool is_text = line.len > 0 && line.len < sizeof out->message && line.data[0] != '<' &&
                   line.data[0] != '{';
    for (size_t i = 0; i < line.len && is_text; i++)
        is_text = (unsigned char)line.data[i] >= 0x20 && (unsigned char)line.data[i] < 0x7f;
    if (is_text)
        keep_text(out->message, sizeof out->message, line);
}

static void fill_record(struct tn_op *op, long retry_after_ms, const char *code)
{
    op->err.http_status = op->http_status;
    op->err.attempts = op->attempts;
    op->err.retry_after_ms = retry_after_ms;
    keep_text(op->err.s3_code, sizeof op->err.s3_code, tn_str_from(code));
    keep_text(op->err.request_id, sizeof op->err.request_id,
              tn_head_find(&op->head, TN_STR("x-amz-request-id")));
}

static bool has_sent_pipe(const struct tn_op *op)
{
    return op->body.kind == TN_BODY_PIPE && op->body.sent > 0;
}

static bool can_go_on(const struct tn_op *op)
{
    if (op->sink.kind == TN_SINK_DOCUMENT || op->sink.received == 0)
        return true;
    struct tn_str etag = tn_head_find(tn_op_head(op), TN_STR("etag"));
    return op->can_resume && etag.len > 2 && etag.data[0] == '"';
}

/* Readies the next attempt: for the rest of a body that has begun. */
static void go_on(struct tn_op *op)
{
    op->is_resuming = op->sink.kind != TN_SINK_DOCUMENT && op->sink.received > 0;
    if (op->waiter) /* the caller may be looking at the head */
        tn_waiter_lock(op->waiter);
    if (op->sink.received > 0 && op->first_head.len == 0)
        tn_buf_swap(&op->head, &op->first_head);
    if (op->waiter)
        tn_waiter_unlock(op->waiter);
    atomic_fetch_add_explicit(&op->client->retries, 1, memory_order_relaxed);
}

/* One more try, unless tries, budget or time are used up or the body cannot be had again. */
static enum tn_next try_again(struct tn_op *op, enum tn_retry kind, long retry_after_ms,
                              uint64_t *delay_ms)
{
    const struct tn_settings *s = &op->client->settings;
    if (op->attempts > s->retries_max + op->stalls + op->region_tries + op->key_tries +
                           op->form_tries + (op->has_fixed_clock ? 1 : 0))
        return TN_NEXT_DONE;
    /* What the server has corrected says nothing of how it fares: the budget is not for that. */
    bool is_at_once = kind == TN_RETRY_CLOCK || kind == TN_RETRY_REGION || kind == TN_RETRY_KEYS;
    bool is_free = is_at_once || kind == TN_RETRY_THROTTLE;
    if (!can_go_on(op) || !tn_client_may_retry(op->client, is_free))
        return TN_NEXT_DONE;
    *delay_ms =
        is_at_once ? 0
                   : tn_backoff_ms(op->attempts, s->retry_base_ms, s->retry_cap_ms, retry_after_ms);
    if (op->deadline_ns && tn_now_ns() + *delay_ms * 1000000u >= op->deadline_ns)
        return TN_NEXT_DONE;
    if (has_sent_pipe(op)) {
        op->wants_rewind = true;
        op->rewind_delay_ms = *delay_ms;
        return TN_NEXT_DONE;
    }
    if (*delay_ms >= SIGNED_ANEW_MS) {
        op->must_get_keys = true;
        op->has_awaited_keys = false;
    }
    go_on(op);
    return TN_NEXT_RETRY;
}

/* Once more, at once and for free, with less of what this server does not know. */
static enum tn_next try_next_form(struct tn_op *op)
{
    tn_payload_change(op);
    if (has_sent_pipe(op)) {
        op->wants_rewind = true;
        op->rewind_delay_ms = 0;
        return TN_NEXT_DONE;
    }
    TN_TRACE(client, "%s %s/%s: not understood, asked in another form", op->what,
             op->bucket ? op->bucket : "", op->key ? op->key : "");
    atomic_fetch_add_explicit(&op->client->retries, 1, memory_order_relaxed);
    return TN_NEXT_RETRY;
}

static bool has_header(const struct tn_op *op, struct tn_str name)
{
    for (size_t i = 0; i < op->given_count; i++) {
        if (tn_str_eq_nocase(op->headers[i].name, name))
            return true;
    }
    return false;
}

/* The first one may still be carried out later: nobody minds with a part, whose upload is over
 * then. Whole objects are repeated so in jobs only; a program that writes one key again and again
 * must not find an old value in it. With a condition the second one would find what the first has
 * written. */
static bool is_plain_put(const struct tn_op *op)
{
    static const char *const others[] = { "if-match", "if-none-match", "x-amz-copy-source",
                                          "x-amz-write-offset-bytes" };
    if (strcmp(op->method, "PUT") != 0 || !op->key || op->is_control || op->checks_200 ||
        (op->body.kind != TN_BODY_BYTES && op->body.kind != TN_BODY_FILE))
        return false;
    bool is_part = strstr(op->query.data, "uploadId=");
    if (is_part ? atomic_load(&op->client->repeats_no_parts) : !op->on_done)
        return false;
    for (size_t i = 0; i < TN_COUNT(others); i++) {
        if (has_header(op, tn_str_from(others[i])))
            return false;
    }
    return true;
}

bool tn_op_is_typical(const struct tn_op *op)
{
    bool reads = strcmp(op->method, "GET") == 0 || strcmp(op->method, "HEAD") == 0;
    bool writes = strcmp(op->method, "PUT") == 0 && op->body.kind != TN_BODY_NONE;
    return !op->service && op->bucket && !op->checks_200 && !op->is_control && (reads || writes);
}

bool tn_op_may_repeat(const struct tn_op *op)
{
    if (op->service || op->is_throttled)
        return false;
    if (is_plain_put(op))
        return true;
    bool reads = strcmp(op->method, "GET") == 0 || strcmp(op->method, "HEAD") == 0;
    bool may_be_paused = op->sink.kind == TN_SINK_PIPE && op->has_begun;
    return reads && !may_be_paused && can_go_on(op);
}

void tn_op_repeat(struct tn_op *op)
{
    op->stalls++;
    go_on(op);
}

/* What counts is when this one was signed: another one may have set the clock since, and it may
 * have waited for long. */
static bool fix_clock(struct tn_op *op)
{
    int64_t server;
    int64_t now = tn_wall_ms() / 1000;
    if (op->has_fixed_clock ||
        tn_http_date_parse(tn_head_find(&op->head, TN_STR("date")), now, &server) < 0)
        return false;
    int64_t change = server - op->signed_s;
    if (change > -TN_CLOCK_OFFSET_MIN_S && change < TN_CLOCK_OFFSET_MIN_S)
        return false;
    atomic_store(&op->client->clock_offset_s, server - now);
    op->has_fixed_clock = true;
    return true;
}

static bool fix_region(struct tn_op *op, const struct problem *problem)
{
    struct tn_str region = tn_head_find(&op->head, TN_STR("x-amz-bucket-region"));
    if (region.len == 0)
        region = tn_str_from(problem->region);
    if (region.len == 0 || !op->bucket || op->region_tries == TN_OP_REGION_TRIES_MAX ||
        tn_str_eq(region, tn_str_from(op->region)))
        return false;
    tn_client_region_set(op->client, op->bucket, region);
    op->region_tries++;
    return true;
}

static bool fix_keys(struct tn_op *op)
{
    if (op->key_tries > 0 || !tn_cred_store_renew(&op->client->credentials, op->cred))
        return false;
    op->key_tries++;
    op->must_get_keys = op->has_awaited_keys = true;
    return true;
}

/* HEAD answers carry no code: what they can mean is told by their header fields. */
static void refine(struct tn_op *op, const struct problem *problem, struct tn_verdict *v)
{
    bool has_no_code = problem->code[0] == '\0';
    if (v->retry == TN_RETRY_NEVER && has_no_code && op->http_status == 400)
        v->retry = TN_RETRY_REGION;
    if (v->retry == TN_RETRY_NEVER && has_no_code && op->http_status == 403)
        v->retry = TN_RETRY_CLOCK;
    if (v->retry == TN_RETRY_REGION && !fix_region(op, problem))
        v->retry = has_no_code && op->http_status == 400 ? TN_RETRY_KEYS : TN_RETRY_NEVER;
    if (v->retry == TN_RETRY_KEYS && !fix_keys(op))
        v->retry = TN_RETRY_NEVER;
    if (v->retry == TN_RETRY_CLOCK && !fix_clock(op))
        v->retry = TN_RETRY_NEVER;
}

static const char *text_for_status(const struct tn_op *op, int status)
{
    bool is_head = strcmp(op->method, "HEAD") == 0;
    if (is_head && status == TARN_ENOTFOUND && !op->key)
        return tarn_status_text(TARN_ENOBUCKET);
    return tarn_status_text(status);
}

static enum tn_next judge_error(struct tn_op *op, const struct problem *problem, uint64_t *delay_ms)
{
    struct tn_verdict v = tn_classify_answer(op->http_status, tn_str_from(problem->code));
    long retry_after =
        tn_retry_after_ms(tn_head_find(&op->head, TN_STR("retry-after")), tn_wall_ms() / 1000);
    if (tn_payload_is_refused(op, tn_str_from(problem->code)) && try_next_form(op) == TN_NEXT_RETRY)
        return TN_NEXT_RETRY;
    refine(op, problem, &v);
    if (v.retry == TN_RETRY_THROTTLE)
        tn_pace_refused(&op->client->pace, op->started_ns, tn_now_ns());
    else if (op->http_status < 500)
        tn_pace_served(&op->client->pace, op->started_ns, tn_now_ns());
    if (v.retry != TN_RETRY_NEVER && try_again(op, v.retry, retry_after, delay_ms) == TN_NEXT_RETRY)
        return TN_NEXT_RETRY;
    op->rc = tn_op_fail(op, &op->err, v.status, "%s (%s%sHTTP %d)",
                        problem->message[0] ? problem->message : text_for_status(op, v.status),
                        problem->code, problem->code[0] ? ", " : "", op->http_status);
    fill_record(op, retry_after, problem->code);
    return TN_NEXT_DONE;
}

static enum tn_next judge_transport(struct tn_op *op, int code, uint64_t *delay_ms)
{
    struct tn_verdict v = tn_classify_transport(code);
    if (v.retry != TN_RETRY_NEVER && try_again(op, v.retry, 0, delay_ms) == TN_NEXT_RETRY)
        return TN_NEXT_RETRY;
    op->rc = tn_op_fail(op, &op->err, v.status, "%s", tn_curl_text((CURLcode)code));
    fill_record(op, 0, "");
    return TN_NEXT_DONE;
}

/* Local trouble while bytes moved: no try can help. */
static enum tn_next fail_locally(struct tn_op *op, int status)
{
    const char *reason = tarn_status_text(status);
    if (op->body.rc == TARN_ECONFLICT)
        reason = "the file became shorter while it was being read";
    else if (op->body.rc < 0)
        reason = "could not read the local data";
    else if (status == TARN_EPROTOCOL)
        reason = "the answer is not the range that was asked for";
    else if (status == TARN_EPRECOND)
        reason = "the object was replaced while it was being read";
    op->rc = tn_op_fail(op, &op->err, status, "%s", reason);
    fill_record(op, 0, "");
    return TN_NEXT_DONE;
}

/* A short body that curl could not know to be short. */
static bool is_truncated(const struct tn_op *op)
{
    return op->sink.kind != TN_SINK_DOCUMENT && op->sink.expected_len != UINT64_MAX &&
           op->sink.received < op->sink.expected_len;
}

static bool is_complete_body(const struct tn_op *op)
{
    return op->is_answer_ok && op->sink.kind != TN_SINK_DOCUMENT && op->has_begun &&
           op->sink.received == op->sink.expected_len;
}

static enum tn_next judge_success(struct tn_op *op, uint64_t *delay_ms)
{
    struct problem problem = { 0 };
    if (is_truncated(op))
        return judge_transport(op, CURLE_PARTIAL_FILE, delay_ms);
    if (op->checks_200) {
        int rc = read_problem(op, &problem);
        if (rc == TARN_OK)
            return judge_error(op, &problem, delay_ms);
        if (rc == TARN_ENOMEM)
            return fail_locally(op, rc);
        if (rc == TARN_EPROTOCOL)
            return judge_transport(op, CURLE_WEIRD_SERVER_REPLY, delay_ms);
    }
    if (tn_payload_is_mangled(op))
        return try_next_form(op);
    tn_payload_learn(op);
    op->rc = TARN_OK;
    tn_pace_served(&op->client->pace, op->started_ns, tn_now_ns());
    atomic_fetch_add_explicit(&op->client->bytes_up, op->body.sent, memory_order_relaxed);
    tn_client_did_well(op->client);
    return TN_NEXT_DONE;
}

enum tn_next tn_op_judge(struct tn_op *op, int curl_code, uint64_t *delay_ms)
{
    struct problem problem = { 0 };
    if (op->sink.rc < 0)
        return fail_locally(op, op->sink.rc);
    if (op->body.rc < 0)
        return fail_locally(op, op->body.rc);
    /* A server that refuses an upload may answer and hang up before all was sent. */
    bool has_refusal = op->http_status >= 300 && curl_code != CURLE_OK && op->answer.len > 0;
    if (curl_code != CURLE_OK && !has_refusal && !is_complete_body(op))
        return judge_transport(op, curl_code, delay_ms);
    if (op->is_answer_ok)
        return judge_success(op, delay_ms);
    if (op->http_status < 300) /* the head did not come to its end, which curl lets pass */
        return judge_transport(op, CURLE_PARTIAL_FILE, delay_ms);
    int rc = read_problem(op, &problem);
    if (rc == TARN_ENOMEM)
        return fail_locally(op, rc);
    if (rc < 0) {
        problem = (struct problem){ 0 };
        read_line(op, &problem);
    }
    return judge_error(op, &problem, delay_ms);
}
