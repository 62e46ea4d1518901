/* SPDX-License-Identifier: Apache-2.0 */
/* One S3 request: what every operation of this folder gets and uses.
 *
 * A request is one thread's at a time. It starts on a loop (on_head), may have its body taken
 * (body.h), may move to a worker, and ends with one answer: api_reply_*() or, for a failed step,
 * api_fail(). Steps return the S3 error to answer with, TN_S3_OK when they have answered or have
 * arranged that it happens. */

#ifndef SERVER_API_REQUEST_H
#define SERVER_API_REQUEST_H

#include "proto/precond.h"
#include "proto/query.h"
#include "proto/range.h"
#include "proto/s3_error.h"
#include "server/api/api.h"
#include "server/api/body.h"
#include "server/api/bucket_config.h"
#include "server/api/meta.h"

#define API_OWNER_ID "75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caea54ba06a"
#define API_OWNER_NAME "root"
#define API_ACCOUNT_ID "000000000000"
#define API_REGION_DEFAULT "us-east-1"

enum {
    API_DOMAIN_COUNT_MAX = 32,
    API_MESSAGE_LEN = 512,
    API_OUT_LEN_MAX = 16 * 1024 * 1024, /* 1,000 entries of 1,024 bytes, each byte escaped */
    API_XML_LEN_MAX = 4 * 1024 * 1024,  /* 10,000 parts with their checksums */
    API_TREE_LEN_MAX = 32 * 1024 * 1024,
    API_SMALL_BODY_LEN_MAX = 16 * 1024, /* taken on the loop: digested in 30 us */
    API_LIST_COUNT_MAX = 1000,
    API_DELETE_COUNT_MAX = 1000,
    API_RETRY_COUNT_MAX = 64, /* when what a change was based on keeps changing */
    API_COPY_WINDOW_LEN = 256 * 1024,
};
#define API_PUT_LEN_MAX (5ull << 30)     /* one PUT, one part, one copy source */
#define API_PART_LEN_MIN (5ull << 20)    /* all parts but the last */
#define API_OBJECT_LEN_MAX (50ull << 40) /* 10,000 parts */

struct api_identity;
struct append;
struct notify_batch;
struct post_form;
struct api_req;
typedef enum tn_s3_code (*api_step_fn)(struct api_req *r);

enum api_level { API_SERVICE, API_BUCKET, API_OBJECT };

/* One row of the table of operations; see router.c. */
struct api_op {
    const char *name;   /* as AWS calls it; for the log too */
    const char *method; /* "GET" */
    enum api_level level;
    uint64_t needs;              /* sub-resources that make the difference */
    uint64_t allows;             /* further ones that the operation understands */
    bool is_copy;                /* with x-amz-copy-source */
    bool is_append;              /* with x-amz-write-offset-bytes */
    enum bucket_section section; /* that the shared steps of settings work on */
    enum api_body_kind body;
    bool is_checksum_of_object; /* x-amz-checksum-* does not speak of the request's body */
    bool is_on_worker;          /* `run` of an operation without a body may wait */
    api_step_fn check;          /* on the loop, before the body is accepted; may be NULL */
    api_step_fn prepare;        /* then, on a worker, for what may wait; may be NULL */
    api_step_fn run; /* when the body is complete; for objects in the place where it came in */
};

/* What a write asks of the object that is there now. */
struct api_cond {
    struct tn_precond http;
    bool has_size;
    bool has_mtime;
    bool has_offset;
    bool has_dates; /* those of `http` count, too */
    uint64_t size;
    uint64_t offset; /* what is there has just so many bytes; nothing has none */
    int64_t mtime;   /* unix seconds */
    uint64_t seq;    /* the state that was looked at before; 0: any. Else OperationAborted */
    enum tn_s3_code refused; /* what the judge found */
};

struct api_req {
    struct http_req *http;
    struct api *api;
    const struct api_op *op;
    const struct tn_header *headers; /* those of the request, and x-amz-* from the query */
    size_t header_count;
    uint64_t header_kinds; /* of their names: what is not among them need not be looked for */
    struct tn_str host;
    struct tn_str virtual_bucket; /* that the host names; empty: none */
    struct tn_str raw_path;       /* as sent, for <Resource> */
    struct tn_str raw_query;
    struct tn_query query;
    struct tn_str bucket;         /* decoded; empty at service level */
    struct bucket_config *config; /* of the bucket; NULL until api_bucket_check() */
    struct tn_str key;            /* decoded; empty at bucket level */
    struct store_version version; /* of the key; version.h */
    bool is_head;
    bool is_answered;
    bool is_cors_answered; /* nothing to add */
    bool is_website;       /* website.h */
    int website_status;    /* of the document that is answered instead of another; 0: its own */
    struct auth_result who;
    struct api_identity *identity; /* authorise.h; NULL until it is needed */
    bool is_undecided;             /* whether it may go on depends on the object */
    struct api_body body;
    struct post_form *form;      /* of an upload by form, post_policy_form.h; else NULL */
    struct notify_batch *events; /* to be queued before the answer, notify.h; NULL: none */
    struct append *append; /* of bytes that are put behind others, object_append.h; else NULL */
    struct tn_buf out;     /* body of the answer */
    struct tn_buf side;    /* listings: common prefixes, which follow the entries */
    struct tn_buf last;    /* listings: the last entry given */
    struct tn_arena tree;  /* of XML that was sent: more than the request's own arena may take */
    char message[API_MESSAGE_LEN]; /* of the error; empty: the usual one */
    const char *refused_class;     /* of an archived object, for the error; NULL: not about one */

    /* Writes: one change under way, and what happens when it is decided. */
    struct store_txn txn;
    struct bucket_change change;
    struct sse_stream *sse; /* encrypts the body; NULL: nothing does */
    struct tn_str part_sse; /* what a part's metadata keeps of it */
    struct api_cond cond;
    api_step_fn committed;
    unsigned retry_count;

    /* Reads. */
    struct store_object *object;
    struct sse_reader *reader; /* of an encrypted object, sse.h */
    struct api_meta meta;
    struct tn_range range;

    /* Changes of metadata, object_change.h. */
    enum tn_s3_code (*edit)(struct api_req *r, struct api_meta *meta);
    int edit_status;

    void *state; /* the operation's own, in the request's arena */
};

struct api {
    struct store *store;
    struct auth *auth;
    struct iam *iam; /* NULL: no users but the accounts' roots */
    const struct api_provider *providers;
    size_t provider_count;
    struct bucket_configs *configs;
    const struct sse_keys *sse_keys; /* NULL: no encryption but with customers' keys */
    char region[TN_SIGV4_REGION_LEN_MAX + 1];
    bool is_region_fixed;
    bool is_auth_off;
    char domains[API_DOMAIN_COUNT_MAX][256];
    size_t domain_count;
    char websites[API_DOMAIN_COUNT_MAX][256];
    size_t website_count;
    struct api_scratch_pool *scratch;
    struct lifecycle *lifecycle;   /* NULL: not started */
    struct access_log *access_log; /* the same */
    struct notify *notify;         /* NULL: nobody is told */
    struct digest_pool digests;
    bool has_digests;
};

/* Who asks, into r->who. `body_hash` only for services whose clients sign the body itself. */
TN_MUST_USE enum tn_s3_code api_check_auth(struct api_req *r, struct tn_str body_hash);

/* --- Reading the request --- */

/* From here on these are the request's headers. */
void api_headers_set(struct api_req *r, const struct tn_header *headers, size_t count);

/* One bit of 64 by a name's length and three of its letters; names in any case have the same. */
static inline uint64_t api_header_kind(struct tn_str name)
{
    if (name.len == 0)
        return 0;
    unsigned first = (unsigned char)name.data[0] | 0x20u;
    unsigned middle = (unsigned char)name.data[name.len / 2] | 0x20u;
    unsigned last = (unsigned char)name.data[name.len - 1] | 0x20u;
    return UINT64_C(1) << ((name.len + first + middle * 5 + last * 9) % 64);
}

/* NULL when absent. */
const struct tn_header *api_header_find(const struct api_req *r, struct tn_str name);

static inline bool api_has_header(const struct api_req *r, const char *name)
{
    return (r->header_kinds & api_header_kind(tn_str_from(name))) &&
           api_header_find(r, tn_str_from(name));
}

/* Value of a header; empty when absent. */
static inline struct tn_str api_header(const struct api_req *r, const char *name)
{
    if (!(r->header_kinds & api_header_kind(tn_str_from(name))))
        return TN_STR_EMPTY;
    const struct tn_header *h = api_header_find(r, tn_str_from(name));
    return h ? h->value : TN_STR_EMPTY;
}

/* Can it be a header's value? Parameters that become headers may hold anything. */
bool api_is_header_text(struct tn_str value);

/* A parameter as a number from `low` to `high`; `out` keeps its value when absent. InvalidArgument.
 */
TN_MUST_USE enum tn_s3_code api_param_u64(struct api_req *r, const char *name, uint64_t low,
                                          uint64_t high, uint64_t *out);

/* Conditions from the headers prefix + "if-match" and so on ("" or "x-amz-copy-source-"). */
void api_cond_read(const struct api_req *r, const char *prefix, struct tn_precond *out);

/* Those of a write; NotImplemented for the ones that S3 has for reads only. */
TN_MUST_USE enum tn_s3_code api_cond_write(struct api_req *r);

/* --- Failing --- */

/* Sets the message and returns the code. */
enum tn_s3_code api_err(struct api_req *r, enum tn_s3_code code, const char *format, ...)
    TN_PRINTF(3, 4);

/* The S3 error for what the store or a parser said; logs what only the operator can mend. */
enum tn_s3_code api_from_status(struct api_req *r, int status, const struct tarn_error *err);
enum tn_s3_code api_code_of_status(int status);

/* For what parsing a piece of the target said. */
enum tn_s3_code api_uri_code(int status);

/* --- Answering: each ends the request. --- */

void api_fail(struct api_req *r, enum tn_s3_code code);
enum tn_s3_code api_reply_empty(struct api_req *r, int status);

/* r->out, written by `w`, as XML. */
struct tn_xml_writer;
enum tn_s3_code api_reply_xml(struct api_req *r, struct tn_xml_writer *w);

/* Runs the step, and answers with its error if it has one. */
void api_run(struct api_req *r, api_step_fn step);
void api_run_on_worker(struct api_req *r, api_step_fn step);

/* Adds a header of the answer; text that HTTP cannot carry is left out. */
void api_add(struct api_req *r, const char *name, struct tn_str value);
void api_add_text(struct api_req *r, const char *name, const char *value);

enum { API_ETAG_LEN = 48 };

/* Its size in the clear. */
static inline uint64_t api_head_size(const struct store_head *head)
{
    return api_plain_size(head->size, head->attrs);
}

/* MD5 in hexadecimal, and "-N": no quotes. Returns its length. */
size_t api_etag(const struct store_head *head, char out[API_ETAG_LEN]);
void api_add_etag(struct api_req *r, const struct store_head *head);
void api_add_checksum(struct api_req *r, const struct tn_checksum_value *value);
void api_xml_etag(struct tn_xml_writer *w, const struct store_head *head);
void api_xml_time(struct tn_xml_writer *w, const char *name, int64_t unix_ms);
void api_xml_checksum(struct tn_xml_writer *w, const struct tn_checksum_value *value);

/* --- Changing the store --- */

/* Hands r->txn to the store; `committed` follows on another thread and must not wait. It sees
 * r->txn.status. r->cond is judged when it says anything. */
enum tn_s3_code api_commit(struct api_req *r, api_step_fn committed);

/* The usual reading of r->txn.status, with the judge's finding. */
enum tn_s3_code api_commit_code(struct api_req *r);

/* The judge of any transaction that has an api_cond. */
enum tn_s3_code api_judge(const struct api_cond *cond, const struct store_head *current);
bool api_cond_is_empty(const struct api_cond *cond);

/* Makes r->config the bucket's settings, once for a request. TN_S3_NO_SUCH_BUCKET when it is not
 * there. Never waits. */
enum tn_s3_code api_bucket_check(struct api_req *r);

/* Hands r->change to the cache of settings; `committed` follows, perhaps on another thread, and
 * must not wait. It sees r->change.status; change.edit finds the request in change->user. */
enum tn_s3_code api_bucket_change(struct api_req *r, api_step_fn committed);

#endif
