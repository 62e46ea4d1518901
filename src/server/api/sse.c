/* SPDX-License-Identifier: Apache-2.0 */
/* Encryption at rest: what requests ask for, and what metadata keeps: "KIND SALT CHECK FLAGS KEYID
 * CONTEXT", KIND being S, K or C, a missing part "-". */

#include "server/api/sse.h"

#include "base/codec.h"
#include "base/rand.h"
#include "server/api/settings.h"
#include "server/api/sse_stream.h"

#define SSE_PREFIX "x-amz-server-side-encryption"
#define CUSTOMER_SUFFIX "server-side-encryption-customer-"

static const char kind_letters[] = {
    [SSE_NONE] = '-', [SSE_S3] = 'S', [SSE_KMS] = 'K', [SSE_CUSTOMER] = 'C'
};

/* --- The kept form --- */

static int keep(struct tn_arena *a, const struct sse *sse, struct tn_str *out)
{
    char salt[2 * SSE_SALT_LEN + 1];
    char check[2 * SSE_CHECK_LEN + 1];
    tn_hex_encode(sse->salt, SSE_SALT_LEN, salt);
    tn_hex_encode(sse->check, SSE_CHECK_LEN, check);
    char *text = tn_arena_printf(a, "%c %s %s %s%s %.*s %.*s", kind_letters[sse->kind], salt, check,
                                 sse->is_dual ? "d" : "-", sse->is_bucket_key ? "b" : "-",
                                 TN_STR_ARG(sse->key_id), TN_STR_ARG(sse->context));
    if (!text)
        return TARN_ENOMEM;
    *out = tn_str_from(text);
    return TARN_OK;
}

int sse_decode(struct tn_str text, struct sse *out)
{
    struct sse sse = { .kind = SSE_NONE };
    if (text.len == 0) {
        *out = sse;
        return TARN_OK;
    }
    struct tn_str letter = tn_str_split(&text, ' ');
    for (unsigned i = SSE_S3; i <= SSE_CUSTOMER; i++) {
        if (letter.len == 1 && letter.data[0] == kind_letters[i])
            sse.kind = (enum sse_kind)i;
    }
    struct tn_str salt = tn_str_split(&text, ' ');
    struct tn_str check = tn_str_split(&text, ' ');
    struct tn_str flags = tn_str_split(&text, ' ');
    if (sse.kind == SSE_NONE || salt.len != 2 * (size_t)SSE_SALT_LEN ||
        check.len != 2 * (size_t)SSE_CHECK_LEN || tn_hex_decode(salt, sse.salt) < 0 ||
        tn_hex_decode(check, sse.check) < 0)
        return TARN_ECORRUPT;
    sse.is_dual = tn_str_find_char(flags, 'd') != SIZE_MAX;
    sse.is_bucket_key = tn_str_find_char(flags, 'b') != SIZE_MAX;
    sse.key_id = tn_str_split(&text, ' ');
    sse.context = text;
    *out = sse;
    return TARN_OK;
}

/* --- Customers' keys --- */

static bool is_of_source(const char *prefix)
{
    return prefix[sizeof "x-amz-" - 1] != '\0';
}

enum customer_part { CUSTOMER_ALGORITHM, CUSTOMER_KEY, CUSTOMER_KEY_MD5 };

static struct tn_str customer_header(const struct api_req *r, const char *prefix,
                                     enum customer_part part)
{
    static const char *const names[] = {
        [CUSTOMER_ALGORITHM] = "x-amz-" CUSTOMER_SUFFIX "algorithm",
        [CUSTOMER_KEY] = "x-amz-" CUSTOMER_SUFFIX "key",
        [CUSTOMER_KEY_MD5] = "x-amz-" CUSTOMER_SUFFIX "key-MD5",
    };
    static const char *const source_names[] = {
        [CUSTOMER_ALGORITHM] = "x-amz-copy-source-" CUSTOMER_SUFFIX "algorithm",
        [CUSTOMER_KEY] = "x-amz-copy-source-" CUSTOMER_SUFFIX "key",
        [CUSTOMER_KEY_MD5] = "x-amz-copy-source-" CUSTOMER_SUFFIX "key-MD5",
    };
    return api_header(r, is_of_source(prefix) ? source_names[part] : names[part]);
}

static bool has_customer_header(const struct api_req *r, const char *prefix)
{
    return customer_header(r, prefix, CUSTOMER_ALGORITHM).len ||
           customer_header(r, prefix, CUSTOMER_KEY).len ||
           customer_header(r, prefix, CUSTOMER_KEY_MD5).len;
}

static enum tn_s3_code bad_customer(struct api_req *r, const char *what)
{
    return api_err(r, TN_S3_INVALID_ARGUMENT, "%s", what);
}

/* All three headers or none; the key into `key`. */
static enum tn_s3_code read_customer(struct api_req *r, const char *prefix,
                                     unsigned char key[SSE_KEY_LEN])
{
    unsigned char md5[TN_MD5_LEN];
    unsigned char found[TN_MD5_LEN];
    struct tn_str algorithm = customer_header(r, prefix, CUSTOMER_ALGORITHM);
    struct tn_str text = customer_header(r, prefix, CUSTOMER_KEY);
    struct tn_str sum = customer_header(r, prefix, CUSTOMER_KEY_MD5);
    if (algorithm.len == 0)
        return bad_customer(r, "Requests specifying Server Side Encryption with Customer provided "
                               "keys must provide a valid encryption algorithm.");
    if (!tn_str_eq(algorithm, TN_STR("AES256")))
        return TN_S3_INVALID_ENCRYPTION_ALGORITHM;
    if (text.len == 0)
        return bad_customer(r, "Requests specifying Server Side Encryption with Customer provided "
                               "keys must provide an appropriate secret key.");
    if (tn_base64_decode(text, key, SSE_KEY_LEN) != SSE_KEY_LEN)
        return bad_customer(r, "The secret key was invalid for the specified algorithm.");
    if (sum.len == 0)
        return bad_customer(r, "Requests specifying Server Side Encryption with Customer provided "
                               "keys must provide the client calculated MD5 of the secret key.");
    tn_md5(key, SSE_KEY_LEN, found);
    if (tn_base64_decode(sum, md5, sizeof md5) != TN_MD5_LEN || memcmp(md5, found, sizeof md5) != 0)
        return bad_customer(r, "The calculated MD5 hash of the key did not match the hash that was "
                               "provided.");
    return TN_S3_OK;
}

/* --- What a new object asks for --- */

static enum tn_s3_code no_keys(struct api_req *r)
{
    return api_err(r, TN_S3_NOT_IMPLEMENTED,
                   "Server side encryption needs a file of keys, and none is configured.");
}

static enum tn_s3_code use_kms(struct api_req *r, struct sse *sse)
{
    struct tn_str arn = TN_STR("key/");
    if (!r->api->sse_keys)
        return no_keys(r);
    if (sse->key_id.len == 0)
        sse->key_id = TN_STR("default");
    if (sse->key_id.len > SSE_KEY_ID_LEN_MAX || tn_str_find_char(sse->key_id, ' ') != SIZE_MAX)
        return TN_S3_KMS_NOT_FOUND;
    struct tn_str name = sse->key_id;
    size_t at = tn_str_starts(name, TN_STR("arn:")) ? tn_str_find(name, arn) : SIZE_MAX;
    if (at != SIZE_MAX)
        name = tn_str_sub(name, at + arn.len, name.len);
    if (sse_keys_find(r->api->sse_keys, name))
        return TN_S3_OK;
    return api_err(r, TN_S3_KMS_NOT_FOUND, "Key '%.*s' does not exist", TN_STR_ARG(sse->key_id));
}

static enum tn_s3_code use_s3(struct api_req *r)
{
    return sse_keys_find(r->api->sse_keys, TN_STR("s3")) ? TN_S3_OK : no_keys(r);
}

static enum tn_s3_code set_algorithm(struct api_req *r, struct tn_str name, struct sse *sse)
{
    sse->is_dual = tn_str_eq(name, TN_STR("aws:kms:dsse"));
    if (tn_str_eq(name, TN_STR("AES256")))
        sse->kind = SSE_S3;
    else if (sse->is_dual || tn_str_eq(name, TN_STR("aws:kms")))
        sse->kind = SSE_KMS;
    else
        return api_err(r, TN_S3_INVALID_ARGUMENT,
                       "The encryption method specified is not supported");
    return sse->kind == SSE_S3 ? use_s3(r) : use_kms(r, sse);
}

static enum tn_s3_code read_default(struct api_req *r, struct sse *sse)
{
    const struct tn_xml_node *root = bucket_config_form(r->config, BUCKET_ENCRYPTION);
    const struct tn_xml_node *rule = root ? root->children : NULL;
    const struct tn_xml_node *node =
        rule ? tn_xml_child(rule, "ApplyServerSideEncryptionByDefault") : NULL;
    if (!node)
        return TN_S3_OK;
    sse->key_id = tn_xml_child_text(node, "KMSMasterKeyID");
    sse->is_bucket_key = xml_is_true(rule, "BucketKeyEnabled");
    return set_algorithm(r, tn_xml_child_text(node, "SSEAlgorithm"), sse);
}

static enum tn_s3_code read_kms_headers(struct api_req *r, struct sse *sse)
{
    unsigned char scratch[SSE_CONTEXT_LEN_MAX];
    struct tn_str algorithm = api_header(r, SSE_PREFIX);
    struct tn_str key_id = api_header(r, SSE_PREFIX "-aws-kms-key-id");
    struct tn_str context = api_header(r, SSE_PREFIX "-context");
    if (algorithm.len == 0 && (key_id.len || context.len))
        return api_err(
            r, TN_S3_INVALID_ARGUMENT,
            "Server Side Encryption with AWS KMS managed key requires HTTP header " SSE_PREFIX
            " : aws:kms");
    if (algorithm.len == 0)
        return read_default(r, sse);
    if (tn_str_eq(algorithm, TN_STR("AES256")) && (key_id.len || context.len))
        return api_err(r, TN_S3_INVALID_ARGUMENT, "A key id and a context are for aws:kms only.");
    if (context.len && tn_base64_decode(context, scratch, sizeof scratch) < 0)
        return api_err(r, TN_S3_INVALID_ARGUMENT, "The encryption context is not base64.");
    sse->key_id = key_id;
    sse->context = context;
    sse->is_bucket_key =
        tn_str_eq_nocase(api_header(r, SSE_PREFIX "-bucket-key-enabled"), TN_STR("true"));
    return set_algorithm(r, algorithm, sse);
}

static enum tn_s3_code make_stream(struct api_req *r)
{
    struct sse_stream *stream = r->sse;
    if (!stream)
        stream = tn_arena_zalloc(&r->http->arena, sizeof *stream);
    r->sse = stream;
    return stream ? TN_S3_OK : TN_S3_SERVICE_UNAVAILABLE;
}

static enum tn_s3_code find_master(struct api_req *r, const struct sse *sse, const char *prefix,
                                   unsigned char key[SSE_KEY_LEN])
{
    struct tn_str name = sse->kind == SSE_S3 ? TN_STR("s3") : sse->key_id;
    if (sse->kind == SSE_CUSTOMER)
        return read_customer(r, prefix, key);
    size_t at = tn_str_starts(name, TN_STR("arn:")) ? tn_str_find(name, TN_STR("key/")) : SIZE_MAX;
    if (at != SIZE_MAX)
        name = tn_str_sub(name, at + 4, name.len);
    const unsigned char *found = sse_keys_find(r->api->sse_keys, name);
    if (!found)
        return api_err(r, TN_S3_KMS_NOT_FOUND, "The key '%.*s' of this object is not there.",
                       TN_STR_ARG(name));
    memcpy(key, found, SSE_KEY_LEN);
    return TN_S3_OK;
}

/* A salt, the check of the key, and the cipher for the body that is to come. */
static enum tn_s3_code start_stream(struct api_req *r, struct sse *sse, struct tn_str *kept)
{
    unsigned char key[SSE_KEY_LEN] = { 0 };
    enum tn_s3_code code = make_stream(r);
    if (code == TN_S3_OK)
        code = find_master(r, sse, "x-amz-", key);
    if (code)
        return code;
    tn_random_bytes(sse->salt, sizeof sse->salt);
    if (sse->kind == SSE_CUSTOMER)
        sse_key_check(key, sse->salt, sse->check);
    int rc = keep(&r->http->arena, sse, kept);
    if (rc == TARN_OK)
        rc = sse_stream_begin(&r->http->arena, r->sse, sse, key);
    tn_wipe(key, sizeof key);
    return api_from_status(r, rc, NULL);
}

enum tn_s3_code sse_read_headers(struct api_req *r, struct api_meta *meta)
{
    struct sse sse = { .kind = SSE_NONE, .key_id = TN_STR_EMPTY, .context = TN_STR_EMPTY };
    enum tn_s3_code code = TN_S3_OK;
    bool is_customers = has_customer_header(r, "x-amz-");
    meta->fields[API_META_SSE] = TN_STR_EMPTY;
    if (is_customers && api_has_header(r, SSE_PREFIX))
        return api_err(r, TN_S3_INVALID_ARGUMENT,
                       "Server Side Encryption with Customer provided key is incompatible with the "
                       "encryption method specified");
    if (is_customers)
        sse.kind = SSE_CUSTOMER;
    else
        code = read_kms_headers(r, &sse);
    if (code || sse.kind == SSE_NONE)
        return code;
    return start_stream(r, &sse, &meta->fields[API_META_SSE]);
}

static enum tn_s3_code check_upload_key(struct api_req *r, const struct sse *sse)
{
    unsigned char key[SSE_KEY_LEN];
    unsigned char check[SSE_CHECK_LEN];
    enum tn_s3_code code = read_customer(r, "x-amz-", key);
    if (code)
        return code;
    sse_key_check(key, sse->salt, check);
    tn_wipe(key, sizeof key);
    if (memcmp(check, sse->check, sizeof check) == 0)
        return TN_S3_OK;
    return api_err(r, TN_S3_INVALID_REQUEST,
                   "The provided encryption parameters did not match the ones used originally.");
}

enum tn_s3_code sse_check_complete(struct api_req *r, const struct api_meta *upload, bool is_needed)
{
    struct sse sse;
    int rc = sse_decode(upload->fields[API_META_SSE], &sse);
    if (rc < 0)
        return api_from_status(r, rc, NULL);
    if (sse.kind != SSE_CUSTOMER)
        return TN_S3_OK;
    if (has_customer_header(r, "x-amz-"))
        return check_upload_key(r, &sse);
    return is_needed ? api_err(r, TN_S3_INVALID_REQUEST,
                               "The multipart upload initiate requested encryption and a checksum. "
                               "The request must include the appropriate encryption parameters.")
                     : TN_S3_OK;
}

enum tn_s3_code sse_begin_part(struct api_req *r, const struct api_meta *upload,
                               struct tn_str *part)
{
    struct sse sse;
    *part = TN_STR_EMPTY;
    int rc = sse_decode(upload->fields[API_META_SSE], &sse);
    if (rc < 0)
        return api_from_status(r, rc, NULL);
    if (has_customer_header(r, "x-amz-") != (sse.kind == SSE_CUSTOMER))
        return api_err(r, TN_S3_INVALID_REQUEST,
                       "The multipart upload initiate requested encryption. Subsequent part "
                       "requests must include the appropriate encryption parameters.");
    if (sse.kind == SSE_NONE)
        return TN_S3_OK;
    enum tn_s3_code code = sse.kind == SSE_CUSTOMER ? check_upload_key(r, &sse) : TN_S3_OK;
    return code ? code : start_stream(r, &sse, part);
}

/* --- Reading --- */

static enum tn_s3_code check_key(struct api_req *r, const struct sse *sse, const char *prefix)
{
    unsigned char check[SSE_CHECK_LEN];
    bool has_key = has_customer_header(r, prefix);
    if (sse->kind != SSE_CUSTOMER && has_key)
        return api_err(r, TN_S3_INVALID_REQUEST,
                       "The encryption parameters are not applicable to this object.");
    if (sse->kind == SSE_CUSTOMER && !has_key)
        return api_err(r, TN_S3_INVALID_REQUEST,
                       "The object was stored using a form of Server Side Encryption. The correct "
                       "parameters must be provided to retrieve the object.");
    if (sse->kind == SSE_NONE)
        return TN_S3_OK;
    struct sse_reader *reader = r->reader;
    enum tn_s3_code code = find_master(r, sse, prefix, reader->key);
    if (code || sse->kind != SSE_CUSTOMER)
        return code;
    sse_key_check(reader->key, sse->salt, check);
    if (memcmp(check, sse->check, sizeof check) == 0)
        return TN_S3_OK;
    return api_err(r, TN_S3_INVALID_REQUEST,
                   "The provided encryption parameters did not match the ones used originally.");
}

enum tn_s3_code sse_open(struct api_req *r, const char *prefix)
{
    struct sse sse;
    bool is_source = is_of_source(prefix);
    if (!is_source && r->op->body == API_BODY_NONE && !r->op->is_copy &&
        api_has_header(r, SSE_PREFIX))
        return api_err(r, TN_S3_INVALID_ARGUMENT,
                       SSE_PREFIX " header is not supported for this operation.");
    r->reader = NULL;
    int rc = sse_decode(r->meta.fields[API_META_SSE], &sse);
    if (rc == TARN_OK && sse.kind != SSE_NONE)
        rc = sse_reader_new(&r->http->arena, &r->reader);
    if (rc < 0)
        return api_from_status(r, rc, NULL);
    enum tn_s3_code code = check_key(r, &sse, prefix);
    if (code || sse.kind == SSE_NONE)
        return code;
    struct tarn_error err = { 0 };
    return api_from_status(r, sse_reader_open(r, r->reader, &sse, &err), &err);
}

/* --- Answers --- */

void sse_add_headers(struct api_req *r, const struct api_meta *meta)
{
    struct sse sse;
    if (sse_decode(meta->fields[API_META_SSE], &sse) < 0 || sse.kind == SSE_NONE)
        return;
    if (sse.kind == SSE_CUSTOMER) {
        api_add_text(r, SSE_PREFIX "-customer-algorithm", "AES256");
        api_add(r, SSE_PREFIX "-customer-key-MD5", customer_header(r, "x-amz-", CUSTOMER_KEY_MD5));
        return;
    }
    api_add_text(r, SSE_PREFIX,
                 sse.kind == SSE_S3 ? "AES256" : (sse.is_dual ? "aws:kms:dsse" : "aws:kms"));
    if (sse.kind == SSE_KMS)
        api_add(r, SSE_PREFIX "-aws-kms-key-id", sse.key_id);
    if (sse.kind == SSE_KMS && sse.context.len)
        api_add(r, SSE_PREFIX "-context", sse.context);
    if (sse.is_bucket_key)
        api_add_text(r, SSE_PREFIX "-bucket-key-enabled", "true");
}

bool sse_is_same(const struct api_req *r, const struct api_meta *source)
{
    struct sse old;
    const struct sse_stream *stream = r->sse;
    enum sse_kind kind = stream ? stream->sse.kind : SSE_NONE;
    if (sse_decode(source->fields[API_META_SSE], &old) < 0 || old.kind != kind)
        return false;
    return kind == SSE_NONE || kind == SSE_S3 ||
           (kind == SSE_KMS && tn_str_eq(old.key_id, stream->sse.key_id));
}
