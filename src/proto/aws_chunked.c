/* SPDX-License-Identifier: Apache-2.0 */
/* The aws-chunked body encoding. A body is chunks "SIZE[;chunk-signature=HEX]CRLF data CRLF", an
 * empty chunk without the CRLF of its data, then the trailer.
 *
 * The trailer's form differs between clients: lines end in CRLF or LF, blank lines stand before the
 * signature line or are missing at the end. So blank lines (a few) mean nothing here, and the end
 * of the body, which HTTP knows, is the end of the trailer. */

#include "proto/aws_chunked.h"

#include <assert.h>

#include "base/codec.h"
#include "base/fail.h"
#include "proto/sigv4a.h"

enum state {
    STATE_HEAD,
    STATE_DATA,
    STATE_DATA_CR, /* behind the data of a chunk */
    STATE_DATA_LF,
    STATE_TRAILER,
    STATE_FAILED,
};

enum {
    BLANK_LINE_COUNT_MAX = 4,
    SIZE_DIGIT_COUNT_MAX = 16,
    CRLF_LEN = 2,
};

static const struct tn_str signature_name = { "chunk-signature=", 16 };
static const struct tn_str trailer_signature_name = { "x-amz-trailer-signature", 23 };

static const struct {
    const char *s3_code;
    int status;
} problems[] = {
    [TN_AWS_CHUNKED_FINE] = { "", TARN_OK },
    [TN_AWS_CHUNKED_MALFORMED] = { "InvalidRequest", TARN_EINVAL },
    [TN_AWS_CHUNKED_SIGNATURE] = { "SignatureDoesNotMatch", TARN_EDENIED },
    [TN_AWS_CHUNKED_INCOMPLETE] = { "IncompleteBody", TARN_EEOF },
    [TN_AWS_CHUNKED_TRAILER] = { "MalformedTrailerError", TARN_EINVAL },
};

static int fail_as(struct tn_aws_chunked *d, enum tn_aws_chunked_problem problem,
                   struct tarn_error *err, const char *why)
{
    d->state = STATE_FAILED;
    d->problem = problem;
    int status =
        tn_fail(err, problems[problem].status, "could not decode aws-chunked body: %s", why);
    if (err)
        (void)snprintf(err->s3_code, sizeof err->s3_code, "%s", problems[problem].s3_code);
    return status;
}

static bool is_signed(enum tn_sigv4_payload payload)
{
    return payload == TN_SIGV4_PAYLOAD_STREAM_SIGNED ||
           payload == TN_SIGV4_PAYLOAD_STREAM_SIGNED_TRAILER;
}

static bool has_trailer(enum tn_sigv4_payload payload)
{
    return payload == TN_SIGV4_PAYLOAD_STREAM_SIGNED_TRAILER ||
           payload == TN_SIGV4_PAYLOAD_STREAM_UNSIGNED_TRAILER;
}

int tn_aws_chunked_init(struct tn_aws_chunked *d, const struct tn_aws_chunked_config *config)
{
    if (!is_signed(config->payload) && !has_trailer(config->payload))
        return TARN_EINVAL;
    bool is_checked = is_signed(config->payload) && !config->is_unchecked;
    if (is_checked && !config->chain)
        return TARN_EINVAL;
    struct tn_hash hash = { 0 };
    if (is_checked) {
        int rc = tn_hash_init(&hash, TN_HASH_SHA256);
        if (rc < 0)
            return rc;
    }
    memset(d, 0, sizeof *d);
    d->state = STATE_HEAD;
    d->payload = config->payload;
    d->decoded_len = config->decoded_len;
    d->trailer_names = config->trailer_names;
    d->hash = hash;
    d->is_checked = is_checked;
    if (is_checked)
        d->chain = *config->chain;
    return TARN_OK;
}

void tn_aws_chunked_release(struct tn_aws_chunked *d)
{
    tn_hash_release(&d->hash);
    tn_sigv4_chain_wipe(&d->chain);
}

/* ---- Chunks ---- */

static bool size_parse(struct tn_str text, uint64_t *out)
{
    if (text.len == 0 || text.len > SIZE_DIGIT_COUNT_MAX)
        return false;
    unsigned char bytes[SIZE_DIGIT_COUNT_MAX / 2];
    char padded[SIZE_DIGIT_COUNT_MAX];
    memset(padded, '0', sizeof padded);
    memcpy(padded + sizeof padded - text.len, text.data, text.len);
    if (tn_hex_decode((struct tn_str){ padded, sizeof padded }, bytes) < 0)
        return false;
    *out = 0;
    for (size_t i = 0; i < sizeof bytes; i++)
        *out = *out << 8 | bytes[i];
    return true;
}

/* Reads "SIZE" or "SIZE;chunk-signature=HEX", whichever the payload kind asks for. */
static bool head_parse(struct tn_aws_chunked *d, struct tn_str line)
{
    struct tn_str extension = line;
    struct tn_str size = tn_str_split(&extension, ';');
    if (!size_parse(size, &d->chunk_len))
        return false;
    if (!is_signed(d->payload))
        return size.len == line.len;
    if (!tn_str_starts(extension, signature_name))
        return false;
    struct tn_str signature = tn_str_sub(extension, signature_name.len, SIZE_MAX);
    bool is_long = d->chain.is_asymmetric || !d->is_checked;
    if (signature.len < TN_SIGV4_SIGNATURE_LEN || signature.len > sizeof d->expected ||
        (!is_long && signature.len != TN_SIGV4_SIGNATURE_LEN))
        return false;
    memcpy(d->expected, signature.data, signature.len);
    d->expected_len = (uint32_t)signature.len;
    return true;
}

/* Moves the chain on; false when that is not the signature. */
static bool chain_take(struct tn_aws_chunked *d, bool is_trailer,
                       const unsigned char digest[TN_SHA256_LEN], struct tn_str signature)
{
    if (d->chain.is_asymmetric)
        return tn_sigv4a_chain_take(&d->chain, is_trailer, digest, signature);
    if (is_trailer)
        tn_sigv4_chain_trailer(&d->chain, digest);
    else
        tn_sigv4_chain_chunk(&d->chain, digest);
    return tn_str_eq_secret(tn_str_from(d->chain.previous), signature);
}

/* The data of a chunk has come: does its signature fit? */
static int chunk_end(struct tn_aws_chunked *d, struct tarn_error *err)
{
    if (d->is_checked) {
        unsigned char digest[TN_SHA256_LEN];
        tn_hash_final(&d->hash, digest);
        if (!chain_take(d, false, digest, (struct tn_str){ d->expected, d->expected_len }))
            return fail_as(d, TN_AWS_CHUNKED_SIGNATURE, err,
                           "the signature of a chunk does not match");
    }
    d->state = d->chunk_len ? STATE_DATA_CR : STATE_TRAILER;
    return TARN_OK;
}

static int head_end(struct tn_aws_chunked *d, struct tarn_error *err)
{
    if (d->head_len < CRLF_LEN || d->head[d->head_len - CRLF_LEN] != '\r')
        return fail_as(d, TN_AWS_CHUNKED_MALFORMED, err, "a chunk head does not end in CRLF");
    struct tn_str line = { d->head, d->head_len - CRLF_LEN };
    d->head_len = 0;
    if (!head_parse(d, line))
        return fail_as(d, TN_AWS_CHUNKED_MALFORMED, err, "a chunk head is malformed");
    if (d->chunk_len > TN_AWS_CHUNK_SIZE_MAX)
        return fail_as(d, TN_AWS_CHUNKED_MALFORMED, err, "a chunk is larger than 5 GiB");
    if (d->chunk_len > d->decoded_len - d->seen)
        return fail_as(d, TN_AWS_CHUNKED_INCOMPLETE, err,
                       "there is more than x-amz-decoded-content-length says");
    d->left = d->chunk_len;
    if (d->chunk_len) {
        d->state = STATE_DATA;
        return TARN_OK;
    }
    if (d->seen != d->decoded_len)
        return fail_as(d, TN_AWS_CHUNKED_INCOMPLETE, err,
                       "there is less than x-amz-decoded-content-length says");
    return chunk_end(d, err);
}

/* Moves bytes from `in` behind `line` until it ends in '\n'; false when it passes `max`. */
static bool line_gather(char *line, uint32_t *len, size_t max, struct tn_str *in)
{
    size_t newline = tn_str_find_char(*in, '\n');
    size_t count = newline == SIZE_MAX ? in->len : newline + 1;
    if (count > max - *len)
        return false;
    memcpy(line + *len, in->data, count);
    *len += (uint32_t)count;
    *in = tn_str_sub(*in, count, SIZE_MAX);
    return true;
}

static int on_head(struct tn_aws_chunked *d, struct tn_str *in, struct tarn_error *err)
{
    if (!line_gather(d->head, &d->head_len, sizeof d->head, in))
        return fail_as(d, TN_AWS_CHUNKED_MALFORMED, err, "a chunk head is too long");
    return d->head[d->head_len - 1] == '\n' ? head_end(d, err) : TARN_OK;
}

static int on_data(struct tn_aws_chunked *d, struct tn_str *in, struct tn_str *data,
                   struct tarn_error *err)
{
    struct tn_str run = tn_str_sub(*in, 0, d->left < in->len ? (size_t)d->left : in->len);
    if (d->is_checked)
        tn_hash_update(&d->hash, run.data, run.len);
    d->seen += run.len;
    d->left -= run.len;
    if (d->left == 0) {
        int rc = chunk_end(d, err);
        if (rc < 0)
            return rc;
    }
    *in = tn_str_sub(*in, run.len, SIZE_MAX);
    *data = run;
    return TARN_OK;
}

static int on_data_crlf(struct tn_aws_chunked *d, struct tn_str *in, struct tarn_error *err)
{
    if (in->data[0] != (d->state == STATE_DATA_CR ? '\r' : '\n'))
        return fail_as(d, TN_AWS_CHUNKED_MALFORMED, err, "a chunk does not end in CRLF");
    d->state = d->state == STATE_DATA_CR ? STATE_DATA_LF : STATE_HEAD;
    *in = tn_str_sub(*in, 1, SIZE_MAX);
    return TARN_OK;
}

/* ---- The trailer ---- */

static bool list_has(struct tn_str list, struct tn_str name)
{
    while (list.len) {
        if (tn_str_eq_nocase(tn_str_trim(tn_str_split(&list, ',')), name))
            return true;
    }
    return false;
}

static int trailer_signature_check(struct tn_aws_chunked *d, struct tn_str value,
                                   struct tarn_error *err)
{
    if (d->payload != TN_SIGV4_PAYLOAD_STREAM_SIGNED_TRAILER)
        return fail_as(d, TN_AWS_CHUNKED_TRAILER, err, "the trailer is signed, the chunks are not");
    unsigned char digest[TN_SHA256_LEN];
    tn_sha256(d->trailer, d->trailer_end, digest);
    if (d->is_checked && !chain_take(d, true, digest, value))
        return fail_as(d, TN_AWS_CHUNKED_SIGNATURE, err,
                       "the signature of the trailer does not match");
    d->has_trailer_signature = true;
    d->trailer_len = d->trailer_end;
    return TARN_OK;
}

static bool is_trailer_name(struct tn_str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];
        if (!tn_is_alpha(c) && !tn_is_digit(c) && c != '-' && c != '_')
            return false;
    }
    return name.len > 0;
}

/* Keeps the line in its signed form, which is never longer. */
static void trailer_keep(struct tn_aws_chunked *d, struct tn_str name, struct tn_str value)
{
    char *at = d->trailer + d->trailer_end;
    for (size_t i = 0; i < name.len; i++)
        *at++ = tn_to_lower(name.data[i]);
    *at++ = ':';
    memmove(at, value.data, value.len);
    at += value.len;
    *at++ = '\n';
    d->trailer_end = (uint32_t)(at - d->trailer);
    d->trailer_len = d->trailer_end;
    d->trailer_count++;
}

static int trailer_field(struct tn_aws_chunked *d, struct tn_str line, struct tarn_error *err)
{
    struct tn_str value = line;
    struct tn_str name = tn_str_split(&value, ':');
    if (name.len == line.len || !is_trailer_name(name) || !has_trailer(d->payload))
        return fail_as(d, TN_AWS_CHUNKED_TRAILER, err, "a trailer line is malformed");
    value = tn_str_trim(value);
    if (tn_str_eq_nocase(name, trailer_signature_name))
        return trailer_signature_check(d, value, err);

    struct tn_str other;
    if (!list_has(d->trailer_names, name))
        return fail_as(d, TN_AWS_CHUNKED_TRAILER, err,
                       "x-amz-trailer does not name a trailer field");
    if (tn_aws_chunked_trailer(d, name, &other) == TARN_OK)
        return fail_as(d, TN_AWS_CHUNKED_TRAILER, err, "a trailer field comes twice");
    if (d->trailer_count == TN_AWS_CHUNK_TRAILER_COUNT_MAX)
        return fail_as(d, TN_AWS_CHUNKED_TRAILER, err, "the trailer has too many fields");
    trailer_keep(d, name, value);
    return TARN_OK;
}

static int trailer_line_end(struct tn_aws_chunked *d, struct tarn_error *err)
{
    struct tn_str line = { d->trailer + d->trailer_end, d->trailer_len - d->trailer_end - 1 };
    if (line.len && line.data[line.len - 1] == '\r')
        line.len--;
    if (line.len == 0) {
        d->trailer_len = d->trailer_end;
        if (++d->blank_count > BLANK_LINE_COUNT_MAX)
            return fail_as(d, TN_AWS_CHUNKED_MALFORMED, err, "the trailer does not end");
        return TARN_OK;
    }
    if (d->has_trailer_signature)
        return fail_as(d, TN_AWS_CHUNKED_TRAILER, err,
                       "there is more behind the trailer's signature");
    return trailer_field(d, line, err);
}

static int on_trailer(struct tn_aws_chunked *d, struct tn_str *in, struct tarn_error *err)
{
    if (!line_gather(d->trailer, &d->trailer_len, sizeof d->trailer, in))
        return fail_as(d, TN_AWS_CHUNKED_MALFORMED, err, "the trailer is too long");
    return d->trailer[d->trailer_len - 1] == '\n' ? trailer_line_end(d, err) : TARN_OK;
}

/* ---- Driving ---- */

int tn_aws_chunked_next(struct tn_aws_chunked *d, struct tn_str *in, struct tn_str *data,
                        struct tarn_error *err)
{
    *data = TN_STR_EMPTY;
    int rc = TARN_OK;
    while (rc == TARN_OK && in->len && data->len == 0) {
        switch ((enum state)d->state) {
        case STATE_HEAD:
            rc = on_head(d, in, err);
            break;
        case STATE_DATA:
            rc = on_data(d, in, data, err);
            break;
        case STATE_DATA_CR:
        case STATE_DATA_LF:
            rc = on_data_crlf(d, in, err);
            break;
        case STATE_TRAILER:
            rc = on_trailer(d, in, err);
            break;
        case STATE_FAILED:
            return fail_as(d, d->problem, err, "it failed before");
        }
    }
    return rc;
}

int tn_aws_chunked_compact(struct tn_aws_chunked *d, char *bytes, size_t *len,
                           struct tarn_error *err)
{
    struct tn_str in = { bytes, *len };
    size_t kept = 0;
    while (in.len) {
        struct tn_str data;
        int rc = tn_aws_chunked_next(d, &in, &data, err);
        if (rc < 0)
            return rc;
        if (data.len)
            memmove(bytes + kept, data.data, data.len);
        kept += data.len;
    }
    *len = kept;
    return TARN_OK;
}

static bool has_all_trailers(const struct tn_aws_chunked *d)
{
    struct tn_str names = d->trailer_names;
    while (names.len) {
        struct tn_str name = tn_str_trim(tn_str_split(&names, ','));
        struct tn_str value;
        if (name.len && tn_aws_chunked_trailer(d, name, &value) < 0)
            return false;
    }
    return true;
}

int tn_aws_chunked_finish(struct tn_aws_chunked *d, struct tarn_error *err)
{
    if (d->state == STATE_FAILED)
        return fail_as(d, d->problem, err, "it failed before");
    if (d->state != STATE_TRAILER || d->trailer_len != d->trailer_end)
        return fail_as(d, TN_AWS_CHUNKED_INCOMPLETE, err, "it ends early");
    if (d->payload == TN_SIGV4_PAYLOAD_STREAM_SIGNED_TRAILER && !d->has_trailer_signature)
        return fail_as(d, TN_AWS_CHUNKED_TRAILER, err, "the trailer has no signature");
    if (has_trailer(d->payload) && !has_all_trailers(d))
        return fail_as(d, TN_AWS_CHUNKED_TRAILER, err,
                       "a field that x-amz-trailer names is missing");
    return TARN_OK;
}

int tn_aws_chunked_trailer(const struct tn_aws_chunked *d, struct tn_str name, struct tn_str *value)
{
    struct tn_str rest = { d->trailer, d->trailer_end };
    while (rest.len) {
        struct tn_str line = tn_str_split(&rest, '\n');
        if (tn_str_eq_nocase(tn_str_split(&line, ':'), name)) {
            *value = line;
            return TARN_OK;
        }
    }
    return TARN_ENOTFOUND;
}

/* ---- Encoding ---- */

static uint64_t head_len(enum tn_sigv4_payload payload, uint64_t chunk_len)
{
    uint64_t len = CRLF_LEN + 1;
    for (uint64_t rest = chunk_len >> 4; rest; rest >>= 4)
        len++;
    return is_signed(payload) ? len + 1 + signature_name.len + TN_SIGV4_SIGNATURE_LEN : len;
}

int tn_aws_chunked_encoded_len(enum tn_sigv4_payload payload, uint64_t data_len, uint64_t chunk_len,
                               size_t trailer_len, uint64_t *out)
{
    if (chunk_len == 0 || chunk_len > TN_AWS_CHUNK_SIZE_MAX || trailer_len > UINT32_MAX)
        return TARN_EINVAL;
    uint64_t count = data_len / chunk_len;
    uint64_t last = data_len % chunk_len;
    uint64_t whole;
    uint64_t sum = head_len(payload, 0) + CRLF_LEN;
    if (last)
        sum += head_len(payload, last) + CRLF_LEN;
    if (trailer_len)
        sum += trailer_len + CRLF_LEN;
    if (payload == TN_SIGV4_PAYLOAD_STREAM_SIGNED_TRAILER)
        sum += trailer_signature_name.len + 1 + TN_SIGV4_SIGNATURE_LEN + CRLF_LEN;
    if (__builtin_mul_overflow(count, head_len(payload, chunk_len) + CRLF_LEN, &whole) ||
        __builtin_add_overflow(sum, whole, &sum) || __builtin_add_overflow(sum, data_len, &sum))
        return TARN_EINVAL;
    *out = sum;
    return TARN_OK;
}

static int append_head(struct tn_buf *out, struct tn_sigv4_chain *chain, const void *data,
                       size_t data_len)
{
    if (!chain)
        return tn_buf_appendf(out, "%zx\r\n", data_len);
    unsigned char digest[TN_SHA256_LEN];
    tn_sha256(data, data_len, digest);
    tn_sigv4_chain_chunk(chain, digest);
    return tn_buf_appendf(out, "%zx;chunk-signature=%s\r\n", data_len, chain->previous);
}

int tn_aws_chunked_head(struct tn_buf *out, struct tn_sigv4_chain *chain, const void *data,
                        size_t data_len)
{
    assert(data_len > 0);
    return append_head(out, chain, data, data_len);
}

/* "name:value" and, when signed, the line with the signature. */
static int append_trailer(struct tn_buf *out, struct tn_sigv4_chain *chain, struct tn_str name,
                          struct tn_str value)
{
    TN_AUTO_BUF line = TN_BUF_INIT(TN_AWS_CHUNK_TRAILER_LEN_MAX);
    int rc = tn_buf_appendf(&line, "%.*s:%.*s\n", TN_STR_ARG(name), TN_STR_ARG(value));
    if (rc == TARN_OK)
        rc = tn_buf_append(out, line.data, line.len - 1);
    if (rc == TARN_OK)
        rc = tn_buf_append_text(out, "\r\n");
    if (rc < 0 || !chain)
        return rc;
    unsigned char digest[TN_SHA256_LEN];
    tn_sha256(line.data, line.len, digest);
    tn_sigv4_chain_trailer(chain, digest);
    return tn_buf_appendf(out, "x-amz-trailer-signature:%s\r\n", chain->previous);
}

int tn_aws_chunked_end(struct tn_buf *out, struct tn_sigv4_chain *chain, struct tn_str name,
                       struct tn_str value)
{
    size_t start = out->len;
    int rc = append_head(out, chain, "", 0);
    if (rc == TARN_OK && name.len)
        rc = append_trailer(out, chain, name, value);
    if (rc == TARN_OK)
        rc = tn_buf_append_text(out, "\r\n");
    if (rc < 0)
        tn_buf_truncate(out, start);
    return rc;
}
