/* SPDX-License-Identifier: Apache-2.0 */
/* Hashes and checksums of bodies, and what to do with servers that do not know them. */

#include "client/payload.h"

#include <string.h>

#include "base/codec.h"
#include "client/client_impl.h"

#define EMPTY_SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

/* What is longer is not read again here, in an I/O thread: whoever takes the answer compares it. */
#define COMPARED_LEN_MAX ((uint64_t)64 << 20)

static bool is_small(const struct tn_body *b)
{
    return b->kind == TN_BODY_BYTES && b->len <= TN_OP_SIGNED_BODY_MAX;
}

bool tn_op_needs_hash(const struct tn_op *op)
{
    return op->is_control || (is_small(&op->body) && !op->client->settings.is_https);
}

void tn_op_hashed(struct tn_op *op, const unsigned char digest[TN_SHA256_LEN])
{
    tn_hex_encode(digest, TN_SHA256_LEN, op->payload_hash);
}

static void hash_body(struct tn_op *op)
{
    unsigned char digest[TN_SHA256_LEN];
    if (op->payload_hash[0])
        return;
    tn_sha256(op->body.bytes, (size_t)op->body.len, digest);
    tn_op_hashed(op, digest);
}

static void set_payload(struct tn_op *op, enum tn_sigv4_payload payload)
{
    struct tn_str text = tn_sigv4_payload_text(payload);
    memcpy(op->payload_hash, text.data, text.len);
    op->payload_hash[text.len] = '\0';
}

static void add_chunked_headers(struct tn_op *op)
{
    struct tn_header *encoding = tn_op_find_header(op, TN_STR("content-encoding"));
    if (encoding) {
        char *both = tn_arena_printf(&op->arena, "aws-chunked,%.*s", TN_STR_ARG(encoding->value));
        if (!both)
            tn_op_refuse(op, TARN_ENOMEM);
        op->plain_encoding = encoding->value;
        if (both)
            encoding->value = tn_str_from(both);
    } else {
        tn_op_header(op, "Content-Encoding", "aws-chunked");
    }
    tn_op_header_u64(op, "x-amz-decoded-content-length", op->body.len);
    tn_op_header_str(op, "x-amz-trailer", tn_checksum_header(op->body.checksum));
}

static void add_checksum_header(struct tn_op *op)
{
    char text[TN_CHECKSUM_TEXT_LEN];
    char name[64];
    (void)tn_checksum_text(&op->body.value, text);
    (void)snprintf(name, sizeof name, "%.*s", TN_STR_ARG(tn_checksum_header(op->body.checksum)));
    tn_op_header(op, name, text);
}

/* Nothing is read twice but small bodies in memory, and what goes to a server that must be told
 * ahead. */
static int sum_ahead(struct tn_op *op)
{
    struct tn_body *b = &op->body;
    bool is_at_hand = is_small(b) || (b->kind == TN_BODY_BYTES && op->client->settings.is_https);
    if (!is_at_hand && op->form != TN_PAYLOAD_AHEAD)
        return TARN_OK;
    return b->kind == TN_BODY_PIPE ? TARN_OK : tn_body_sum_ahead(b);
}

static int add_checksum(struct tn_op *op)
{
    struct tn_body *b = &op->body;
    if (b->checksum == TN_CHECKSUM_NONE || op->form == TN_PAYLOAD_BARE)
        return TARN_OK;
    int rc = sum_ahead(op);
    if (rc < 0)
        return rc;
    if (b->has_value)
        add_checksum_header(op);
    else
        b->is_chunked = op->form == TN_PAYLOAD_BEST;
    return TARN_OK;
}

/* Over TLS a body need not be signed. In the clear, small ones are; large ones carry their checksum
 * behind them. */
static int choose(struct tn_op *op)
{
    struct tn_body *b = &op->body;
    if (b->len > TARN_PUT_LEN_MAX)
        return TARN_ETOOBIG;
    if (b->kind == TN_BODY_NONE) {
        memcpy(op->payload_hash, EMPTY_SHA256, sizeof EMPTY_SHA256);
        return TARN_OK;
    }
    int rc = add_checksum(op);
    if (rc < 0)
        return rc;
    if (tn_op_needs_hash(op))
        hash_body(op);
    else if (b->is_chunked)
        set_payload(op, TN_SIGV4_PAYLOAD_STREAM_UNSIGNED_TRAILER);
    else
        set_payload(op, TN_SIGV4_PAYLOAD_UNSIGNED);
    if (b->is_chunked)
        add_chunked_headers(op);
    return TARN_OK;
}

/* Only the checksum that nobody has asked for may be left out. */
static bool may_go_bare(const struct tn_op *op)
{
    return op->body.checksum == TN_CHECKSUM_DEFAULT;
}

/* What another attempt could find done already must not be sent again: so nothing is
 * risked with it. */
static bool has_condition(struct tn_op *op)
{
    return tn_op_find_header(op, TN_STR("if-match")) ||
           tn_op_find_header(op, TN_STR("if-none-match")) ||
           tn_op_find_header(op, TN_STR("x-amz-write-offset-bytes"));
}

int tn_payload_choose(struct tn_op *op)
{
    enum tn_payload_form form = (enum tn_payload_form)atomic_load(&op->client->payload_form);
    if (form > op->form && (form != TN_PAYLOAD_BARE || may_go_bare(op)))
        op->form = form;
    if (op->form == TN_PAYLOAD_BEST && op->body.kind != TN_BODY_PIPE && has_condition(op) &&
        !atomic_load(&op->client->knows_trailers))
        op->form = TN_PAYLOAD_AHEAD;
    op->plain_count = op->header_count;
    return choose(op);
}

int tn_payload_choose_again(struct tn_op *op)
{
    op->must_choose = false;
    op->header_count = op->plain_count;
    struct tn_header *encoding = tn_op_find_header(op, TN_STR("content-encoding"));
    if (encoding && op->body.is_chunked)
        encoding->value = op->plain_encoding;
    op->body.is_chunked = false;
    if (!tn_op_needs_hash(op))
        op->payload_hash[0] = '\0';
    int rc = choose(op);
    op->given_count = op->header_count;
    return rc < 0 ? rc : op->build_rc;
}

/* ---- what the server makes of it ---- */

/* BEST: there is none. */
static enum tn_payload_form next_form(const struct tn_op *op)
{
    const struct tn_body *b = &op->body;
    if (b->kind == TN_BODY_NONE || b->checksum == TN_CHECKSUM_NONE || op->is_control)
        return TN_PAYLOAD_BEST;
    if (b->is_chunked && b->kind != TN_BODY_PIPE)
        return TN_PAYLOAD_AHEAD;
    return op->form != TN_PAYLOAD_BARE && may_go_bare(op) ? TN_PAYLOAD_BARE : TN_PAYLOAD_BEST;
}

static bool is_understood(const struct tn_op *op)
{
    const struct tarn_client *c = op->client;
    return atomic_load(op->body.is_chunked ? &c->knows_trailers : &c->knows_checksums);
}

bool tn_payload_is_refused(const struct tn_op *op, struct tn_str code)
{
    static const char *const codes[] = {
        "InvalidArgument", "InvalidRequest",        "MissingContentLength",     "NotImplemented",
        "NotSupported",    "SignatureDoesNotMatch", "XAmzContentSHA256Mismatch"
    };
    if (next_form(op) == TN_PAYLOAD_BEST || is_understood(op))
        return false;
    for (size_t i = 0; i < TN_COUNT(codes); i++) {
        if (tn_str_eq(code, tn_str_from(codes[i])))
            return true;
    }
    return op->http_status == 501;
}

static bool is_told(const struct tn_op *op)
{
    struct tn_str text;
    enum tn_checksum_kind kind = tn_op_checksum(op, &text);
    return kind != TN_CHECKSUM_NONE && kind == op->body.checksum;
}

bool tn_payload_is_mangled(struct tn_op *op)
{
    unsigned char told[TN_MD5_LEN];
    unsigned char ours[TN_MD5_LEN];
    const struct tn_body *b = &op->body;
    if (!b->is_chunked || b->kind == TN_BODY_PIPE || b->len > COMPARED_LEN_MAX ||
        is_understood(op) || is_told(op) || has_condition(op) ||
        !tn_etag_is_md5(tn_op_plain_etag(op), told) || tn_body_md5(b, ours) < 0)
        return false;
    if (memcmp(told, ours, sizeof ours) != 0)
        return true;
    atomic_store(&op->client->knows_trailers, true);
    return false;
}

void tn_payload_change(struct tn_op *op)
{
    op->form = next_form(op);
    op->form_tries++;
    op->must_choose = true;
}

void tn_payload_learn(struct tn_op *op)
{
    struct tarn_client *c = op->client;
    if (op->form_tries > 0 && (int)op->form > atomic_load(&c->payload_form))
        atomic_store(&c->payload_form, (int)op->form);
    if (op->body.kind == TN_BODY_NONE || op->form == TN_PAYLOAD_BARE || is_understood(op) ||
        !is_told(op))
        return;
    atomic_store(&c->knows_checksums, true);
    if (op->body.is_chunked)
        atomic_store(&c->knows_trailers, true);
}
