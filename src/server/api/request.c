/* SPDX-License-Identifier: Apache-2.0 */
/* A request's life: head, authorisation, route, body, step, end. */

#include "server/api/request.h"

#include <assert.h>
#include <pthread.h>
#include <sched.h>

#include "base/clock.h"
#include "base/log.h"
#include "proto/http_date.h"
#include "proto/name.h"
#include "proto/uri.h"
#include "proto/xml.h"
#include "server/api/authorise.h"
#include "server/api/iam_query.h"
#include "server/api/post_policy_form.h"
#include "server/api/access_log.h"
#include "server/api/bucket_forms.h"
#include "server/api/lifecycle.h"
#include "server/api/notify.h"
#include "server/api/quota.h"
#include "server/api/router.h"
#include "server/api/version.h"
#include "server/api/website.h"

/* --- Room for checking signatures: as many as threads that check at the same time --- */

struct api_scratch {
    struct tn_sigv4_scratch sigv4;
    struct api_scratch *next;
};

struct api_scratch_pool {
    pthread_mutex_t lock;
    struct api_scratch *idle;
};

static struct api_scratch *scratch_take(struct api_scratch_pool *pool)
{
    (void)pthread_mutex_lock(&pool->lock);
    struct api_scratch *s = pool->idle;
    if (s)
        pool->idle = s->next;
    (void)pthread_mutex_unlock(&pool->lock);
    if (s)
        return s;
    s = tn_calloc(1, sizeof *s);
    if (s)
        tn_sigv4_scratch_init(&s->sigv4);
    return s;
}

static void scratch_return(struct api_scratch_pool *pool, struct api_scratch *s)
{
    (void)pthread_mutex_lock(&pool->lock);
    s->next = pool->idle;
    pool->idle = s;
    (void)pthread_mutex_unlock(&pool->lock);
}

static void scratch_pool_free(struct api_scratch_pool *pool)
{
    if (!pool)
        return;
    while (pool->idle) {
        struct api_scratch *s = pool->idle;
        pool->idle = s->next;
        tn_sigv4_scratch_release(&s->sigv4);
        tn_free(s);
    }
    (void)pthread_mutex_destroy(&pool->lock);
    tn_free(pool);
}

static struct api_scratch_pool *scratch_pool_new(void)
{
    struct api_scratch_pool *pool = tn_calloc(1, sizeof *pool);
    if (!pool)
        return NULL;
    if (pthread_mutex_init(&pool->lock, NULL) != 0) {
        tn_free(pool);
        return NULL;
    }
    return pool;
}

/* --- Reading --- */

void api_headers_set(struct api_req *r, const struct tn_header *headers, size_t count)
{
    r->headers = headers;
    r->header_count = count;
    r->header_kinds = 0;
    for (size_t i = 0; i < count; i++)
        r->header_kinds |= api_header_kind(headers[i].name);
}

const struct tn_header *api_header_find(const struct api_req *r, struct tn_str name)
{
    for (size_t i = 0; i < r->header_count; i++) {
        if (tn_str_eq_nocase(r->headers[i].name, name))
            return &r->headers[i];
    }
    return NULL;
}

bool api_is_header_text(struct tn_str value)
{
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.data[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

enum tn_s3_code api_param_u64(struct api_req *r, const char *name, uint64_t low, uint64_t high,
                              uint64_t *out)
{
    if (!tn_query_has(&r->query, name))
        return TN_S3_OK;
    uint64_t value;
    struct tn_str text = tn_query_value(&r->query, name);
    if (text.len == 0)
        return TN_S3_OK;
    if (tn_str_to_u64(text, &value) < 0 || value < low || value > high)
        return api_err(r, TN_S3_INVALID_ARGUMENT,
                       "Argument %s must be an integer between %llu and %llu.", name,
                       (unsigned long long)low, (unsigned long long)high);
    *out = value;
    return TN_S3_OK;
}

/* The header `prefix` + `name`. */
static struct tn_str prefixed_header(const struct api_req *r, struct tn_str prefix,
                                     const char *name)
{
    struct tn_str rest = tn_str_from(name);
    if (prefix.len == 0)
        return api_header(r, name);
    for (size_t i = 0; i < r->header_count; i++) {
        struct tn_str found = r->headers[i].name;
        if (found.len == prefix.len + rest.len &&
            tn_str_eq_nocase(tn_str_sub(found, 0, prefix.len), prefix) &&
            tn_str_eq_nocase(tn_str_sub(found, prefix.len, SIZE_MAX), rest))
            return r->headers[i].value;
    }
    return TN_STR_EMPTY;
}

static bool read_date(const struct api_req *r, struct tn_str prefix, const char *name, int64_t *out)
{
    struct tn_str text = prefixed_header(r, prefix, name);
    return text.len && tn_http_date_parse(text, tn_wall_ms() / 1000, out) == TARN_OK;
}

static bool read_tags(const struct api_req *r, struct tn_str prefix, const char *name,
                      struct tn_str *out)
{
    *out = prefixed_header(r, prefix, name);
    return out->len != 0;
}

void api_cond_read(const struct api_req *r, const char *prefix_text, struct tn_precond *out)
{
    struct tn_str prefix = tn_str_from(prefix_text);
    *out = (struct tn_precond){ 0 };
    out->has_if_match = read_tags(r, prefix, "if-match", &out->if_match);
    out->has_if_none_match = read_tags(r, prefix, "if-none-match", &out->if_none_match);
    out->has_if_modified_since = read_date(r, prefix, "if-modified-since", &out->if_modified_since);
    out->has_if_unmodified_since =
        read_date(r, prefix, "if-unmodified-since", &out->if_unmodified_since);
}

enum tn_s3_code api_cond_write(struct api_req *r)
{
    api_cond_read(r, "", &r->cond.http);
    if (api_has_header(r, "if-modified-since") || api_has_header(r, "if-unmodified-since"))
        return api_err(r, TN_S3_NOT_IMPLEMENTED,
                       "If-Modified-Since and If-Unmodified-Since are for reads.");
    const struct tn_precond *c = &r->cond.http;
    if (c->has_if_none_match && !tn_etag_list_is_fine(c->if_none_match))
        return api_err(r, TN_S3_NOT_IMPLEMENTED, "If-None-Match takes \"*\" or entity tags.");
    if (c->has_if_match && c->has_if_none_match)
        return api_err(r, TN_S3_NOT_IMPLEMENTED,
                       "If-Match and If-None-Match exclude each other on a write.");
    return TN_S3_OK;
}

/* --- Changing the store --- */

bool api_cond_is_empty(const struct api_cond *cond)
{
    return tn_precond_is_empty(&cond->http) && !cond->has_size && !cond->has_mtime &&
           !cond->has_offset && !cond->seq;
}

static bool dates_fit(const struct tn_precond *http, const struct store_head *current)
{
    struct tn_precond dates = { .if_modified_since = http->if_modified_since,
                                .if_unmodified_since = http->if_unmodified_since,
                                .has_if_modified_since = http->has_if_modified_since,
                                .has_if_unmodified_since = http->has_if_unmodified_since };
    if (!current)
        return !dates.has_if_modified_since;
    return tn_precond_read(&dates, TN_STR_EMPTY, current->mtime_ms / 1000) == TN_PRECOND_PASS;
}

enum tn_s3_code api_judge(const struct api_cond *cond, const struct store_head *current)
{
    char etag[API_ETAG_LEN];
    size_t len = current ? api_etag(current, etag) : 0;
    switch (tn_precond_write(&cond->http, current != NULL, (struct tn_str){ etag, len })) {
    case TN_PRECOND_PASS:
        break;
    case TN_PRECOND_NO_SUCH_KEY:
        return TN_S3_NO_SUCH_KEY;
    case TN_PRECOND_UNSUPPORTED:
        return TN_S3_NOT_IMPLEMENTED;
    default:
        return TN_S3_PRECONDITION_FAILED;
    }
    if (cond->has_dates && !dates_fit(&cond->http, current))
        return TN_S3_PRECONDITION_FAILED;
    if (cond->has_offset && (current ? api_head_size(current) : 0) != cond->offset)
        return TN_S3_INVALID_WRITE_OFFSET;
    if (cond->seq && (!current || current->seq != cond->seq))
        return TN_S3_OPERATION_ABORTED;
    if (cond->has_size && (!current || api_head_size(current) != cond->size))
        return TN_S3_PRECONDITION_FAILED;
    if (cond->has_mtime && (!current || current->mtime_ms / 1000 != cond->mtime))
        return TN_S3_PRECONDITION_FAILED;
    return TN_S3_OK;
}

static int on_judge(struct store_txn *txn, const struct store_head *current)
{
    struct api_req *r = txn->user;
    r->cond.refused = api_judge(&r->cond, current);
    return r->cond.refused ? TARN_EPRECOND : TARN_OK;
}

static void on_committed(struct store_txn *txn)
{
    struct api_req *r = txn->user;
    api_run(r, r->committed);
}

enum tn_s3_code api_commit(struct api_req *r, api_step_fn committed)
{
    r->txn.user = r;
    r->txn.done = on_committed;
    r->txn.judge = api_cond_is_empty(&r->cond) ? NULL : on_judge;
    r->txn.quota = quota_of(r->config);
    r->cond.refused = TN_S3_OK;
    r->committed = committed;
    r->api->store->ops->commit(r->api->store, &r->txn);
    return TN_S3_OK;
}

enum tn_s3_code api_commit_code(struct api_req *r)
{
    if (r->cond.refused)
        return r->cond.refused;
    if (r->txn.is_over_quota)
        return TN_S3_QUOTA_EXCEEDED;
    return api_from_status(r, r->txn.status, NULL);
}

enum tn_s3_code api_bucket_check(struct api_req *r)
{
    if (r->config)
        return TN_S3_OK;
    return api_from_status(r, bucket_configs_get(r->api->configs, r->bucket, &r->config), NULL);
}

static void on_changed(struct bucket_change *change)
{
    struct api_req *r = change->user;
    api_run(r, r->committed);
}

enum tn_s3_code api_bucket_change(struct api_req *r, api_step_fn committed)
{
    r->change.name = r->bucket;
    r->change.user = r;
    r->change.done = on_changed;
    r->committed = committed;
    bucket_change_commit(r->api->configs, &r->change);
    return TN_S3_OK;
}

/* --- The head --- */

static const char *const query_only[] = {
    "x-amz-algorithm",      "x-amz-credential",
    "x-amz-date",           "x-amz-expires",
    "x-amz-signature",      "x-amz-signedheaders",
    "x-amz-security-token", "x-amz-sdk-checksum-algorithm",
};

/* Presigned URLs carry what else would be headers as parameters. Checksums there are ignored, as S3
 * does: SDKs sign that of an empty body, before they know the real one. */
static bool is_hoisted(struct tn_str name)
{
    if (name.len < 6 || !tn_str_eq_nocase(tn_str_sub(name, 0, 6), TN_STR("x-amz-")))
        return false;
    for (size_t i = 0; i < TN_COUNT(query_only); i++) {
        if (tn_str_eq_nocase(name, tn_str_from(query_only[i])))
            return false;
    }
    return tn_checksum_from_header(name) == TN_CHECKSUM_NONE;
}

static enum tn_s3_code gather_headers(struct api_req *r)
{
    const struct tn_http1_head *head = &r->http->head;
    size_t count = head->header_count;
    for (size_t i = 0; i < r->query.count; i++)
        count += is_hoisted(r->query.params[i].name);
    if (count == head->header_count)
        return TN_S3_OK;

    struct tn_header *all = tn_arena_alloc(&r->http->arena, count * sizeof *all);
    if (!all)
        return TN_S3_SERVICE_UNAVAILABLE;
    memcpy(all, head->headers, head->header_count * sizeof *all);
    size_t n = head->header_count;
    for (size_t i = 0; i < r->query.count; i++) {
        if (!is_hoisted(r->query.params[i].name))
            continue;
        if (!tn_str_is_token(r->query.params[i].name) ||
            !api_is_header_text(r->query.params[i].value))
            return api_err(r, TN_S3_INVALID_ARGUMENT, "A parameter cannot stand for a header.");
        all[n++] = (struct tn_header){ r->query.params[i].name, r->query.params[i].value };
    }
    api_headers_set(r, all, count);
    return TN_S3_OK;
}

static enum tn_s3_code read_target(struct api_req *r)
{
    struct tn_url url;
    if (tn_url_parse_target(r->http->head.target, &url) < 0)
        return TN_S3_INVALID_URI;
    r->host = url.host.len ? url.host : r->http->head.host;
    r->virtual_bucket = api_route_virtual_bucket(r->api, r->host);
    r->raw_path = url.path.len ? url.path : TN_STR("/");
    r->raw_query = url.query;
    int rc = tn_query_parse(&r->http->arena, url.query, TN_URI_PLUS_IS_SPACE, &r->query);
    return api_uri_code(rc);
}

enum tn_s3_code api_check_auth(struct api_req *r, struct tn_str body_hash)
{
    const struct tn_http1_head *head = &r->http->head;
    struct auth_request request = {
        .http = { .method = head->method,
                  .path = r->raw_path,
                  .query = r->raw_query,
                  .headers = head->headers,
                  .header_count = head->header_count,
                  .body_hash = body_hash },
        .now = tn_wall_ms() / 1000,
        .virtual_bucket = r->virtual_bucket,
    };
    struct api_scratch *s = scratch_take(r->api->scratch);
    if (!s)
        return TN_S3_SERVICE_UNAVAILABLE;
    r->identity = NULL; /* what it was before is not what it is now */
    enum tn_s3_code code = auth_check(r->api->auth, &request, &s->sigv4, &r->who);
    scratch_return(r->api->scratch, s);
    if (code)
        (void)snprintf(r->message, sizeof r->message, "%s", r->who.message);
    return code;
}

/* IAM's clients sign the body, which is not here yet: they are nobody until it is. A preflight is
 * nobody's: what its URL may hold was signed for the request that follows. */
static enum tn_s3_code check_auth(struct api_req *r)
{
    if (iam_query_is(r) || tn_str_eq(r->http->head.method, TN_STR("OPTIONS")))
        return TN_S3_OK;
    return api_check_auth(r, TN_STR_EMPTY);
}

static enum tn_s3_code check_names(struct api_req *r)
{
    if (r->bucket.len == 0)
        return TN_S3_OK;
    if (!tn_bucket_name_is_valid(r->bucket))
        return TN_S3_INVALID_BUCKET_NAME;
    if (r->key.len == 0)
        return TN_S3_OK;
    int rc = tn_key_check(r->key);
    if (rc == TARN_ETOOBIG)
        return TN_S3_KEY_TOO_LONG;
    if (rc < 0)
        return api_err(r, TN_S3_INVALID_ARGUMENT, "The key is not valid UTF-8 or holds a NUL.");
    return TN_S3_OK;
}

static enum tn_s3_code find_op(struct api_req *r)
{
    struct api_route route = {
        .method = r->http->head.method,
        .level = r->key.len      ? API_OBJECT
                 : r->bucket.len ? API_BUCKET
                                 : API_SERVICE,
        .query = &r->query,
        .has_copy_source = api_has_header(r, "x-amz-copy-source"),
        .has_write_offset = api_has_header(r, "x-amz-write-offset-bytes"),
    };
    enum tn_s3_code code = api_route_find(&route, &r->op);
    if (code == TN_S3_OK)
        r->http->op = r->op->name;
    return code ? code : version_read(r);
}

/* Monitors ask without credentials; a signed request means a bucket of that name. */
static bool is_health(const struct api_req *r)
{
    const struct tn_http1_head *head = &r->http->head;
    bool is_read = tn_str_eq(head->method, TN_STR("GET")) || r->is_head;
    return is_read && tn_str_eq(r->raw_path, TN_STR("/health")) && r->raw_query.len == 0 &&
           !api_has_header(r, "authorization");
}

static enum tn_s3_code reply_health(struct api_req *r)
{
    struct store_stats stats;
    r->http->op = "Health";
    r->api->store->ops->stats(r->api->store, &stats);
    api_add_text(r, "Content-Type", "text/plain");
    struct tn_str text =
        stats.is_full ? TN_STR("ok, but full: only deletes are taken\n") : TN_STR("ok\n");
    r->http->answer.body_len = text.len;
    r->http->answer.has_body_len = r->is_head;
    if (!r->is_head)
        r->http->answer.body = text;
    return api_reply_empty(r, 200);
}

static void run_op(struct http_req *http)
{
    struct api_req *r = http->user;
    api_run(r, r->op->run);
}

static void run_committed(struct http_req *http)
{
    struct api_req *r = http->user;
    api_run(r, r->committed);
}

void api_run_on_worker(struct api_req *r, api_step_fn step)
{
    r->committed = step;
    http_run_on_worker(r->http, run_committed);
}

/* Everything that can be refused from the head alone is refused here, before the peer sends its
 * body. */
static enum tn_s3_code judge_head(struct api_req *r)
{
    static const api_step_fn steps[] = {
        check_auth, gather_headers, api_route_split,   check_names,
        find_op,    api_authorise,  api_route_headers, api_body_check,
    };
    for (size_t i = 0; i < TN_COUNT(steps); i++) {
        enum tn_s3_code code = steps[i](r);
        if (code)
            return code;
    }
    return r->op->check ? r->op->check(r) : TN_S3_OK;
}

static void accept_on_loop(struct http_req *http)
{
    api_run(http->user, api_body_accept);
}

static enum tn_s3_code prepare(struct api_req *r)
{
    enum tn_s3_code code = r->op->prepare(r);
    if (code == TN_S3_OK)
        http_run_on_loop(r->http, accept_on_loop);
    return code;
}

/* On the loop, once it is known that the request may go on. */
static enum tn_s3_code proceed(struct api_req *r)
{
    if (r->op->prepare) {
        api_run_on_worker(r, prepare);
        return TN_S3_OK;
    }
    if (r->op->body != API_BODY_NONE)
        return api_body_accept(r);
    if (r->op->is_on_worker) {
        http_run_on_worker(r->http, run_op);
        return TN_S3_OK;
    }
    return r->op->run(r);
}

static void proceed_on_loop(struct http_req *http)
{
    api_run(http->user, proceed);
}

static enum tn_s3_code decide(struct api_req *r)
{
    enum tn_s3_code code = api_authorise_object(r);
    if (code == TN_S3_OK)
        http_run_on_loop(r->http, proceed_on_loop);
    return code;
}

static enum tn_s3_code start(struct api_req *r)
{
    api_headers_set(r, r->http->head.headers, r->http->head.header_count);
    enum tn_s3_code code = read_target(r);
    if (code)
        return code;
    if (website_is(r))
        return website_start(r);
    if (is_health(r))
        return reply_health(r);
    code = judge_head(r);
    if (code)
        return code;
    if (r->is_undecided) {
        api_run_on_worker(r, decide);
        return TN_S3_OK;
    }
    return proceed(r);
}
static void on_head(void *context, struct http_req *http)
{
    struct api_req *r = tn_arena_zalloc(&http->arena, sizeof *r);
    http->user = r;
    if (!r) {
        http->answer.status = 503;
        http->answer.must_close = true;
        http_reply(http);
        return;
    }
    r->http = http;
    r->api = context;
    r->out = TN_BUF_INIT(API_OUT_LEN_MAX);
    r->side = TN_BUF_INIT(API_OUT_LEN_MAX);
    r->last = TN_BUF_INIT(2 * TN_KEY_LEN_MAX);
    tn_arena_init(&r->tree, API_TREE_LEN_MAX);
    r->is_head = tn_str_eq(http->head.method, TN_STR("HEAD"));
    api_run(r, start);
}

static int on_body(void *context, struct http_req *http, char *bytes, size_t len)
{
    (void)context;
    struct api_req *r = http->user;
    enum tn_s3_code code = api_body_take(r, bytes, len);
    if (code == TN_S3_OK)
        return TARN_OK;
    api_fail(r, code);
    return TARN_EINVAL;
}

static enum tn_s3_code finish_body(struct api_req *r)
{
    enum tn_s3_code code = api_body_finish(r);
    if (code)
        return code;
    if (r->op->body == API_BODY_XML) {
        http_run_on_worker(r->http, run_op);
        return TN_S3_OK;
    }
    return r->op->run(r);
}

static void finish_on_loop(struct http_req *http)
{
    api_run(http->user, finish_body);
}

static void on_end(void *context, struct http_req *http)
{
    (void)context;
    if (api_body_defer(http->user))
        http_run_on_loop(http, finish_on_loop);
    else
        finish_on_loop(http);
}

static enum tn_s3_code code_of_broken(const struct api_req *r, int status)
{
    switch (status) {
    case TARN_ETOOBIG:
        return r->body.kind == API_BODY_XML ? TN_S3_MAX_MESSAGE_LENGTH_EXCEEDED
                                            : TN_S3_ENTITY_TOO_LARGE;
    case TARN_ETIMEOUT:
        return TN_S3_REQUEST_TIMEOUT;
    case TARN_ENOMEM:
    case TARN_ECANCELLED:
        return TN_S3_SERVICE_UNAVAILABLE;
    default:
        return TN_S3_INCOMPLETE_BODY;
    }
}

static void on_broken(void *context, struct http_req *http, int status)
{
    (void)context;
    struct api_req *r = http->user;
    if (!r->is_answered)
        api_fail(r, code_of_broken(r, status));
}

static void on_done(void *context, struct http_req *http)
{
    (void)context;
    struct api_req *r = http->user;
    if (!r)
        return;
    access_log_add(r->api->access_log, r);
    api_body_release(r);
    post_form_free(r->form);
    if (r->object)
        r->api->store->ops->object_close(r->object);
    bucket_config_unref(r->config);
    notify_batch_free(r->events);
    auth_result_wipe(&r->who);
    tn_arena_release(&r->tree);
    tn_buf_release(&r->out);
    tn_buf_release(&r->side);
    tn_buf_release(&r->last);
    http->user = NULL;
}

/* A request that never became one: words for what the HTTP side found. */
static void on_protocol_error(void *context, struct http_req *http, int status, const char *code,
                              const char *message)
{
    (void)context;
    static const char format[] =
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>%s</Code>"
        "<Message>%s</Message><RequestId>%s</RequestId></Error>";
    TN_AUTO_BUF escaped = TN_BUF_INIT(4096);
    http->answer.status = status;
    if (tn_xml_escape(&escaped, tn_str_from(message)) < 0)
        return;
    char *text = tn_arena_printf(&http->arena, format, code, escaped.data, http->id);
    if (!text || http_header(http, "Content-Type", TN_STR("application/xml")) < 0)
        return;
    http->answer.body = tn_str_from(text);
}

/* --- The api --- */

static bool add_name(char names[API_DOMAIN_COUNT_MAX][256], size_t *count, const char *name)
{
    size_t len = strlen(name);
    if (*count == API_DOMAIN_COUNT_MAX || len >= sizeof names[0])
        return false;
    memcpy(names[(*count)++], name, len + 1);
    return true;
}

static size_t core_count(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) < 0)
        return 1;
    return (size_t)CPU_COUNT(&set);
}

struct api *api_new(const struct api_config *config)
{
    struct api *api = tn_calloc(1, sizeof *api);
    if (!api)
        return NULL;
    api->store = config->store;
    api->auth = config->auth;
    api->sse_keys = config->sse_keys;
    api->iam = config->iam;
    api->providers = config->providers;
    api->provider_count = config->provider_count;
    api->is_auth_off = config->is_auth_off;
    api->is_region_fixed = config->region != NULL;
    (void)snprintf(api->region, sizeof api->region, "%s",
                   config->region ? config->region : API_REGION_DEFAULT);
    bool is_fine = true;
    for (size_t i = 0; i < config->domain_count; i++)
        is_fine = is_fine && add_name(api->domains, &api->domain_count, config->domains[i]);
    is_fine = is_fine && add_name(api->domains, &api->domain_count, "localhost");
    for (size_t i = 0; i < config->website_count; i++)
        is_fine = is_fine && add_name(api->websites, &api->website_count, config->websites[i]);
    api->scratch = scratch_pool_new();
    api->has_digests = digest_pool_init(&api->digests, core_count()) == TARN_OK;
    api->configs = bucket_configs_new(config->store, bucket_forms, bucket_form_count);
    if (is_fine && api->scratch && api->has_digests && api->configs)
        return api;
    api_free(api);
    return NULL;
}

void api_free(struct api *api)
{
    if (!api)
        return;
    api_stop(api);
    scratch_pool_free(api->scratch);
    bucket_configs_free(api->configs);
    if (api->has_digests)
        digest_pool_release(&api->digests);
    tn_free(api);
}

int api_start(struct api *api, uint64_t day_s, uint64_t log_flush_s)
{
    int rc = lifecycle_start(api, day_s, &api->lifecycle);
    return rc < 0 ? rc : access_log_start(api, log_flush_s, &api->access_log);
}

int api_start_notify(struct api *api, const struct notify_target *targets, size_t count,
                     uint64_t queue_max, struct tarn_error *err)
{
    return count ? notify_start(api, targets, count, queue_max, &api->notify, err) : TARN_OK;
}

void api_stop(struct api *api)
{
    if (!api)
        return;
    lifecycle_stop(TN_TAKE(api->lifecycle));
    access_log_stop(TN_TAKE(api->access_log));
    notify_stop(TN_TAKE(api->notify));
}

void api_bind(struct api *api, struct http_config *config)
{
    config->handler = (struct http_handler){ .context = api,
                                             .on_head = on_head,
                                             .on_body = on_body,
                                             .on_end = on_end,
                                             .on_broken = on_broken,
                                             .on_done = on_done };
    config->on_protocol_error = on_protocol_error;
}
