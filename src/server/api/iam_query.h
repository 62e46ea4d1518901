/* SPDX-License-Identifier: Apache-2.0 */
/* IAM and STS as clients of AWS speak to them: a form in the body of POST /, XML as the answer.
 *
 * One row of a table per action. A call runs on a worker, alone among the changes, and writes its
 * result; what fails names an error of IAM. */

#ifndef SERVER_API_IAM_QUERY_H
#define SERVER_API_IAM_QUERY_H

#include <jansson.h>

#include "proto/xml.h"
#include "server/api/authorise.h"
#include "server/api/request.h"

enum {
    IAM_BODY_LEN_MAX = 256 * 1024,
    IAM_PAGE_COUNT_MAX = 1000,
    IAM_POLICY_DOCUMENT_LEN_MAX = POLICY_LEN_MAX,
};

struct iam_call;
typedef void (*iam_call_fn)(struct iam_call *c);

/* What an action is about: the resource that policies name. */
struct iam_row {
    const char *action;
    iam_call_fn run;
    enum iam_type type; /* of what `name` names; IAM_TYPE_COUNT: none */
    const char *name;   /* the parameter; NULL: no such */
    bool is_change;
    bool is_sts;
    bool is_open; /* whoever asks; the call checks for itself */
};

struct iam_call {
    struct api_req *r;
    const struct iam_row *row;
    struct tn_query params;
    struct tn_str account; /* number: every call is about the caller's own */
    struct iam_view *view;
    struct tn_xml_writer w;
    const char *code; /* of the error; NULL: none */
    int status;
    char message[API_MESSAGE_LEN];
};

extern const struct iam_row iam_user_rows[];
extern const size_t iam_user_row_count;
extern const struct iam_row iam_policy_rows[];
extern const size_t iam_policy_row_count;
extern const struct iam_row iam_role_rows[];
extern const size_t iam_role_row_count;
extern const struct iam_row iam_boundary_rows[];
extern const size_t iam_boundary_row_count;
extern const struct iam_row iam_quota_rows[];
extern const size_t iam_quota_row_count;
extern const struct iam_row sts_rows[];
extern const size_t sts_row_count;

/* The first error stays. */
void iam_fail(struct iam_call *c, int status, const char *code, const char *format, ...)
    TN_PRINTF(4, 5);
bool iam_has_failed(const struct iam_call *c);

/* --- Parameters --- */

struct tn_str iam_param(const struct iam_call *c, const char *name);

/* Fails with ValidationError when it is missing. */
struct tn_str iam_need(struct iam_call *c, const char *name);

/* A name of letters, digits and +=,.@-_ ; fails otherwise. */
struct tn_str iam_need_name(struct iam_call *c, const char *name, size_t len_max);

/* "/" by default; fails for what is no path. */
struct tn_str iam_path(struct iam_call *c, const char *name);

/* --- Entities --- */

/* That of the parameter; NoSuchEntity. NULL when it failed. */
const struct iam_entity *iam_need_entity(struct iam_call *c, enum iam_type type, const char *param);

/* A fresh document with what all have in common; EntityAlreadyExists, LimitExceeded. NULL when it
 * failed. Steals nothing; the caller frees it. */
json_t *iam_document_new(struct iam_call *c, enum iam_type type, const char *param,
                         const char *prefix);

/* All of the account, of policies those of every account, too, in the order of their names without
 * case, so that pages are in order, too; for the request. NULL when it failed. */
const struct iam_entity **iam_entities(struct iam_call *c, enum iam_type type, size_t *count);

/* Changes name and path, each when it is asked for: `param` names the entity, New + `param` its
 * name to be, NewPath the path. */
void iam_move(struct iam_call *c, enum iam_type type, const char *param);

/* Writes the document, frees it, and looks at the present again. */
void iam_commit(struct iam_call *c, json_t *document);
void iam_drop(struct iam_call *c, const struct iam_entity *entity);

struct tn_str iam_text(const json_t *json, const char *name);
json_t *iam_string(struct tn_str text);

/* The array of that name, made when it is missing. */
json_t *iam_array(json_t *document, const char *name);
size_t iam_array_find(const json_t *array, struct tn_str text); /* SIZE_MAX: it is not there */

/* --- Permissions boundaries, iam_boundary.c --- */

/* The parameter of that name, when it is there, into a user's or a role's document. */
void iam_boundary_set(struct iam_call *c, json_t *document);
void iam_boundary_write(struct iam_call *c, const struct iam_entity *e);
size_t iam_boundary_count(const struct iam_call *c, const struct iam_entity *policy); /* whose */

/* --- Writing --- */

void iam_write_time(struct iam_call *c, const char *name, int64_t unix_ms);
void iam_write_entity(struct iam_call *c, const struct iam_entity *e);

/* Percent-encoded, as IAM returns documents. */
void iam_write_document(struct iam_call *c, const char *name, struct tn_str text);

/* Pages of a list: begins after Marker, ends at MaxItems. */
struct iam_page {
    size_t at;    /* of the present entry */
    size_t first; /* to be written */
    size_t count; /* at most */
    size_t given;
    bool is_truncated;
};
void iam_page_start(struct iam_call *c, struct iam_page *page);
bool iam_page_takes(struct iam_page *page); /* the present entry */
void iam_page_end(struct iam_call *c, const struct iam_page *page);

/* A policy document as it was sent: MalformedPolicyDocument. */
bool iam_policy_is_fine(struct iam_call *c, struct tn_str text, enum policy_kind kind);

/* The steps of the operation's row. */
enum tn_s3_code iam_query_check(struct api_req *r);
enum tn_s3_code iam_query_run(struct api_req *r);

/* Is it such a request? From its head alone. */
bool iam_query_is(const struct api_req *r);

#endif
