/* SPDX-License-Identifier: Apache-2.0 */
/* Uploads by form. */

#include "server/api/post_policy_form.h"

#include "base/clock.h"
#include "proto/form_data.h"
#include "proto/name.h"
#include "proto/uri.h"
#include "proto/xml.h"
#include "server/api/authorise.h"
#include "server/api/object.h"
#include "server/api/ops.h"
#include "server/api/router.h"
#include "server/api/tags.h"
#include "server/auth/post_policy.h"

enum { FORM_ARENA_MAX = 2 * 1024 * 1024 };

struct post_form {
    struct api_req *r;
    struct tn_form parser;
    struct tn_arena arena;
    struct tn_buf value; /* of the present field */
    struct tn_str name;
    struct tn_header fields[POST_FIELD_COUNT_MAX];
    size_t count;
    size_t len;
    struct tn_str filename;
    bool is_file;  /* the present part */
    bool has_file; /* it has begun: the fields are judged */
    bool is_over;  /* it has ended */
    struct post_policy_result policy;
    enum tn_s3_code code; /* why the parser was stopped */
};

static struct tn_str field(const struct post_form *f, const char *name)
{
    for (size_t i = 0; i < f->count; i++) {
        if (tn_str_eq_nocase(f->fields[i].name, tn_str_from(name)))
            return f->fields[i].value;
    }
    return TN_STR_EMPTY;
}

/* --- Judging the fields --- */

static enum tn_s3_code check_who(struct post_form *f)
{
    struct api_req *r = f->r;
    const struct auth_form form = {
        .policy = field(f, "policy"),
        .algorithm = field(f, "x-amz-algorithm"),
        .credential = field(f, "x-amz-credential"),
        .signature = field(f, "x-amz-signature"),
        .token = field(f, "x-amz-security-token"),
        .access_key = field(f, "AWSAccessKeyId"),
        .signature_v2 = field(f, "signature"),
    };
    auth_result_wipe(&r->who);
    r->identity = NULL;
    enum tn_s3_code code = auth_check_form(r->api->auth, &form, tn_wall_ms() / 1000, &r->who);
    if (code)
        (void)snprintf(r->message, sizeof r->message, "%s", r->who.message);
    return code;
}

static enum tn_s3_code check_policy(struct post_form *f)
{
    struct api_req *r = f->r;
    struct tarn_error err = { 0 };
    struct tn_str policy = field(f, "policy");
    if (policy.len == 0)
        return TN_S3_OK;
    if (f->count == POST_FIELD_COUNT_MAX)
        return TN_S3_MALFORMED_POST_REQUEST;
    /* Conditions are about the key that it will be. */
    for (size_t i = 0; i < f->count; i++) {
        if (tn_str_eq_nocase(f->fields[i].name, TN_STR("key")))
            f->fields[i].value = r->key;
    }
    f->fields[f->count] = (struct tn_header){ TN_STR("bucket"), r->bucket };
    int rc = post_policy_check(&f->arena, policy, f->fields, f->count + 1, tn_wall_ms(), &f->policy,
                               &err);
    if (rc == TARN_ENOMEM)
        return TN_S3_SERVICE_UNAVAILABLE;
    if (rc == TARN_EINVAL)
        return api_err(r, TN_S3_INVALID_POLICY_DOCUMENT, "%s", err.message);
    return rc < 0 ? api_err(r, TN_S3_ACCESS_DENIED, "%s", err.message) : TN_S3_OK;
}

/* The key, in which ${filename} stands for the name of the file without its folders. */
static enum tn_s3_code find_key(struct post_form *f)
{
    const struct tn_str variable = TN_STR("${filename}");
    TN_AUTO_BUF key = TN_BUF_INIT(4 * TN_KEY_LEN_MAX);
    struct tn_str text = field(f, "key");
    struct tn_str name = f->filename;
    for (size_t i = name.len; i > 0; i--) {
        if (name.data[i - 1] == '/' || name.data[i - 1] == '\\') {
            name = tn_str_sub(name, i, SIZE_MAX);
            break;
        }
    }
    int rc = TARN_OK;
    while (rc == TARN_OK && text.len) {
        size_t at = tn_str_find(text, variable);
        rc = tn_buf_append_str(&key, tn_str_sub(text, 0, at));
        if (rc == TARN_OK && at != SIZE_MAX)
            rc = tn_buf_append_str(&key, name);
        text = at == SIZE_MAX ? TN_STR_EMPTY : tn_str_sub(text, at + variable.len, SIZE_MAX);
    }
    if (rc == TARN_OK)
        rc = tn_arena_str(&f->arena, tn_buf_str(&key), &f->r->key);
    if (rc == TARN_ETOOBIG)
        return TN_S3_KEY_TOO_LONG;
    if (rc < 0)
        return TN_S3_SERVICE_UNAVAILABLE;
    if (f->r->key.len == 0)
        return api_err(f->r, TN_S3_INVALID_ARGUMENT,
                       "Bucket POST must contain a field named 'key'.  If it is specified, please "
                       "check the order of the fields.");
    rc = tn_key_check(f->r->key);
    return rc == TARN_OK        ? TN_S3_OK
           : rc == TARN_ETOOBIG ? TN_S3_KEY_TOO_LONG
                                : TN_S3_INVALID_ARGUMENT;
}

/* --- The fields as headers --- */

static const char *const header_fields[] = {
    "cache-control",    "content-type",     "content-disposition",
    "content-encoding", "content-language", "expires",
};

static const char *const form_only[] = {
    "x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-signature", "x-amz-security-token",
};

static bool is_one_of(struct tn_str name, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (tn_str_eq_nocase(name, tn_str_from(list[i])))
            return true;
    }
    return false;
}

/* <Tagging> in a field, the encoded form in the header. */
static enum tn_s3_code read_tagging(struct post_form *f, struct tn_str *value)
{
    const struct tn_xml_node *root = NULL;
    if (tn_xml_parse(&f->r->tree, *value, &root, NULL) < 0 ||
        !tn_str_eq(root->name, TN_STR("Tagging")))
        return TN_S3_MALFORMED_XML;
    enum tn_s3_code code = tags_check_xml(f->r, root, 10);
    if (code == TN_S3_OK && tags_from_xml(&f->arena, root, value) < 0)
        code = TN_S3_SERVICE_UNAVAILABLE;
    return code;
}

static enum tn_s3_code make_headers(struct post_form *f)
{
    struct tn_header *headers = tn_arena_alloc(&f->arena, (f->count + 1) * sizeof *headers);
    size_t count = 0;
    if (!headers)
        return TN_S3_SERVICE_UNAVAILABLE;
    for (size_t i = 0; i < f->count; i++) {
        struct tn_header h = f->fields[i];
        bool is_amz = tn_str_eq_nocase(tn_str_sub(h.name, 0, 6), TN_STR("x-amz-"));
        bool is_acl = tn_str_eq_nocase(h.name, TN_STR("acl"));
        bool is_tagging = tn_str_eq_nocase(h.name, TN_STR("tagging"));
        bool is_header = is_one_of(h.name, header_fields, TN_COUNT(header_fields)) ||
                         (is_amz && !is_one_of(h.name, form_only, TN_COUNT(form_only)));
        if (!is_header && !is_acl && !is_tagging)
            continue;
        if (is_acl)
            h.name = TN_STR("x-amz-acl");
        if (is_tagging) {
            enum tn_s3_code code = read_tagging(f, &h.value);
            if (code)
                return code;
            h.name = TN_STR("x-amz-tagging");
        }
        if (!api_is_header_text(h.value))
            return api_err(f->r, TN_S3_INVALID_ARGUMENT, "The field %.*s cannot be a header.",
                           TN_STR_ARG(h.name));
        headers[count++] = h;
    }
    api_headers_set(f->r, headers, count);
    return TN_S3_OK;
}

/* All fields are there, the file's bytes follow. On a worker. */
static enum tn_s3_code judge(struct post_form *f)
{
    struct api_req *r = f->r;
    enum tn_s3_code code = find_key(f);
    if (code == TN_S3_OK)
        code = check_who(f);
    if (code == TN_S3_OK)
        code = check_policy(f);
    if (code == TN_S3_OK)
        code = make_headers(f);
    if (code == TN_S3_OK)
        code = api_route_headers(r);
    if (code == TN_S3_OK)
        code = api_authorise_put(r);
    if (code == TN_S3_OK)
        code = api_body_read_checksums(r);
    return code ? code : object_put_check(r);
}

/* --- Parts --- */

static int stop(struct post_form *f, enum tn_s3_code code)
{
    f->code = code;
    return TARN_ECANCELLED;
}

static int on_part(void *arg, struct tn_str name, struct tn_str filename, bool has_filename,
                   struct tn_str content_type)
{
    struct post_form *f = arg;
    (void)has_filename;
    (void)content_type; /* the object's is a field of its own */
    f->is_file = !f->has_file && tn_str_eq_nocase(name, TN_STR("file"));
    f->value.len = 0;
    if (f->has_file)
        return TARN_OK; /* what follows the file is not looked at */
    if (!f->is_file)
        return tn_arena_str(&f->arena, name, &f->name);
    f->has_file = true;
    if (tn_arena_str(&f->arena, filename, &f->filename) < 0)
        return TARN_ENOMEM;
    enum tn_s3_code code = judge(f);
    return code ? stop(f, code) : TARN_OK;
}

static int take_file(struct post_form *f, const char *bytes, size_t len)
{
    struct api_req *r = f->r;
    if (f->policy.has_range &&
        len >
            f->policy.len_max - (r->body.len < f->policy.len_max ? r->body.len : f->policy.len_max))
        return stop(f, TN_S3_ENTITY_TOO_LARGE);
    enum tn_s3_code code = api_body_take_payload(r, bytes, len);
    return code ? stop(f, code) : TARN_OK;
}

static int on_data(void *arg, const char *bytes, size_t len)
{
    struct post_form *f = arg;
    if (f->is_file && !f->is_over)
        return take_file(f, bytes, len);
    if (f->has_file)
        return TARN_OK;
    f->len += len;
    if (f->len > POST_FIELDS_LEN_MAX)
        return stop(f, TN_S3_MAX_POST_PRE_DATA_LENGTH_EXCEEDED);
    return tn_buf_append(&f->value, bytes, len);
}

static int on_part_end(void *arg)
{
    struct post_form *f = arg;
    if (f->has_file) {
        f->is_over = true;
        return TARN_OK;
    }
    if (f->count + 1 >= POST_FIELD_COUNT_MAX)
        return stop(f, TN_S3_MALFORMED_POST_REQUEST);
    struct tn_header *made = &f->fields[f->count];
    made->name = f->name;
    int rc = tn_arena_str(&f->arena, tn_buf_str(&f->value), &made->value);
    f->count += rc == TARN_OK;
    return rc;
}

static const struct tn_form_handler handler = { on_part, on_data, on_part_end };

/* --- The operation --- */

void post_form_free(struct post_form *form)
{
    if (!form)
        return;
    tn_form_release(&form->parser);
    tn_buf_release(&form->value);
    tn_arena_release(&form->arena);
    tn_free(form);
}

enum tn_s3_code post_object_check(struct api_req *r)
{
    struct tn_str boundary;
    if (tn_form_boundary(api_header(r, "content-type"), &boundary) < 0)
        return api_err(r, TN_S3_PRECONDITION_FAILED,
                       "Bucket POST must be of the enclosure-type multipart/form-data");
    struct post_form *f = tn_calloc(1, sizeof *f);
    if (!f)
        return TN_S3_SERVICE_UNAVAILABLE;
    r->form = f;
    f->r = r;
    f->value = TN_BUF_INIT(POST_FIELDS_LEN_MAX);
    tn_arena_init(&f->arena, FORM_ARENA_MAX);
    r->body.declared_len = UINT64_MAX; /* of the file alone: not known */
    return tn_form_init(&f->parser, boundary, &handler, f) < 0 ? TN_S3_MALFORMED_POST_REQUEST
                                                               : TN_S3_OK;
}

enum tn_s3_code post_form_take(struct api_req *r, const char *bytes, size_t len)
{
    struct post_form *f = r->form;
    int rc = tn_form_feed(&f->parser, bytes, len, NULL);
    if (rc == TARN_OK)
        return TN_S3_OK;
    if (f->code)
        return f->code;
    return rc == TARN_ENOMEM ? TN_S3_SERVICE_UNAVAILABLE : TN_S3_MALFORMED_POST_REQUEST;
}

enum tn_s3_code post_object_run(struct api_req *r)
{
    struct post_form *f = r->form;
    if (tn_form_finish(&f->parser, NULL) < 0)
        return TN_S3_MALFORMED_POST_REQUEST;
    if (!f->has_file)
        return api_err(r, TN_S3_INVALID_ARGUMENT,
                       "POST requires exactly one file upload per request.");
    if (f->policy.has_range && r->body.len < f->policy.len_min)
        return TN_S3_ENTITY_TOO_SMALL;
    return object_put_run(r);
}

/* --- The answer --- */

static int append_query(struct tn_buf *out, const char *name, struct tn_str value)
{
    int rc = tn_buf_append_text(out, name);
    return rc == TARN_OK ? tn_uri_encode(out, value, 0) : rc;
}

static bool redirect(struct api_req *r, struct tn_str target, struct tn_str etag)
{
    struct tn_url url;
    TN_AUTO_BUF location = TN_BUF_INIT(4 * TN_URL_LEN_MAX);
    if (tn_url_parse(target, &url) < 0)
        return false;
    int rc = tn_buf_append_str(&location, target);
    if (rc == TARN_OK)
        rc = append_query(&location, url.has_query ? "&bucket=" : "?bucket=", r->bucket);
    if (rc == TARN_OK)
        rc = append_query(&location, "&key=", r->key);
    if (rc == TARN_OK)
        rc = append_query(&location, "&etag=", etag);
    if (rc < 0)
        return false;
    api_add(r, "Location", tn_buf_str(&location));
    return true;
}

static enum tn_s3_code reply_created(struct api_req *r, const char *location, struct tn_str etag)
{
    struct tn_xml_writer w = TN_XML_WRITER(&r->out);
    tn_xml_root(&w, "PostResponse", NULL);
    tn_xml_text(&w, "Location", location);
    tn_xml_str(&w, "Bucket", r->bucket);
    tn_xml_str(&w, "Key", r->key);
    tn_xml_str(&w, "ETag", etag);
    tn_xml_close(&w, "PostResponse");
    if (w.rc < 0)
        return api_from_status(r, w.rc, NULL);
    api_add_text(r, "Content-Type", "application/xml");
    r->http->answer.body = tn_buf_str(&r->out);
    return api_reply_empty(r, 201);
}

enum tn_s3_code post_form_reply(struct api_req *r)
{
    const struct post_form *f = r->form;
    char plain[API_ETAG_LEN];
    char quoted[API_ETAG_LEN + 2];
    struct tn_str status = field(f, "success_action_status");
    struct tn_str target = field(f, "success_action_redirect");
    TN_AUTO_BUF location = TN_BUF_INIT(4 * TN_KEY_LEN_MAX + 1024);
    (void)api_etag(&r->txn.head, plain);
    (void)snprintf(quoted, sizeof quoted, "\"%s\"", plain);
    struct tn_str etag = tn_str_from(quoted);
    if (target.len == 0)
        target = field(f, "redirect");
    if (target.len && redirect(r, target, etag))
        return api_reply_empty(r, 303);
    int rc = tn_buf_appendf(&location, "%s://%.*s/%.*s/", r->http->is_tls ? "https" : "http",
                            TN_STR_ARG(r->host), TN_STR_ARG(r->bucket));
    if (rc == TARN_OK)
        rc = tn_uri_encode(&location, r->key, TN_URI_KEEP_SLASH);
    if (rc < 0)
        return api_from_status(r, rc, NULL);
    api_add(r, "Location", tn_buf_str(&location));
    if (tn_str_eq(status, TN_STR("201")))
        return reply_created(r, location.data, etag);
    return api_reply_empty(r, tn_str_eq(status, TN_STR("200")) ? 200 : 204);
}
