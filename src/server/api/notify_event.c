/* SPDX-License-Identifier: Apache-2.0 */
/* Which events a bucket wants told, and how S3 tells them. */

#include <jansson.h>

#include "base/clock.h"
#include "base/codec.h"
#include "proto/name.h"
#include "proto/uri.h"
#include "server/api/notify.h"
#include "server/api/owner.h"
#include "server/api/version.h"
#include "server/api/xml_rule.h"

static const char *const target_words[] = { "Queue", "Topic", "CloudFunction" };

static struct tn_str arn_of(const struct tn_xml_node *node)
{
    struct tn_str arn = TN_STR_EMPTY;
    for (size_t i = 0; i < TN_COUNT(target_words) && arn.len == 0; i++)
        arn = tn_xml_child_text(node, target_words[i]);
    return arn;
}

/* --- Who wants it --- */

/* "s3:ObjectCreated:*" takes "ObjectCreated:Put". */
static bool event_fits(struct tn_str wanted, struct tn_str name)
{
    wanted = tn_str_sub(wanted, sizeof "s3:" - 1, wanted.len);
    if (tn_str_ends(wanted, TN_STR("*")))
        return tn_str_starts(name, tn_str_sub(wanted, 0, wanted.len - 1));
    return tn_str_eq(wanted, name);
}

static bool has_event(const struct tn_xml_node *node, struct tn_str name)
{
    const struct tn_xml_node *event = tn_xml_child(node, "Event");
    for (; event; event = tn_xml_next(event)) {
        if (event_fits(tn_str_trim(event->text), name))
            return true;
    }
    return false;
}

static struct tn_str filter_of(const struct tn_xml_node *node, const char *name)
{
    const struct tn_xml_node *filter = tn_xml_child(node, "Filter");
    const struct tn_xml_node *key = filter ? tn_xml_child(filter, "S3Key") : NULL;
    const struct tn_xml_node *rule = key ? tn_xml_child(key, "FilterRule") : NULL;
    for (; rule; rule = tn_xml_next(rule)) {
        if (tn_str_eq_nocase(tn_xml_child_text(rule, "Name"), tn_str_from(name)))
            return tn_xml_child_text_raw(rule, "Value");
    }
    return TN_STR_EMPTY;
}

static bool wants(const struct tn_xml_node *node, const struct notify_event *e)
{
    return has_event(node, tn_str_from(e->name)) &&
           tn_str_starts(e->key, filter_of(node, "prefix")) &&
           tn_str_ends(e->key, filter_of(node, "suffix"));
}

/* --- How it is told --- */

static json_t *text_of(struct tn_str text)
{
    return json_stringn(text.len ? text.data : "", text.len);
}

/* As in a form: blanks are '+'. */
static json_t *key_of(struct tn_str key)
{
    TN_AUTO_BUF encoded = TN_BUF_INIT(4 * TN_KEY_LEN_MAX);
    TN_AUTO_BUF text = TN_BUF_INIT(4 * TN_KEY_LEN_MAX);
    int rc = tn_uri_encode(&encoded, key, TN_URI_KEEP_SLASH);
    for (size_t i = 0; rc == TARN_OK && i < encoded.len; i++) {
        bool is_blank = strncmp(encoded.data + i, "%20", 3) == 0;
        rc = tn_buf_append_char(&text, is_blank ? '+' : encoded.data[i]);
        i += is_blank ? 2 : 0;
    }
    return rc == TARN_OK ? text_of(tn_buf_str(&text)) : NULL;
}

static bool is_removal(const struct notify_event *e)
{
    return strstr(e->name, "Removed:") != NULL || strstr(e->name, "Expiration:") != NULL;
}

/* A deletion's record has a number between those of the states before and after it. */
static json_t *object_json(const struct notify_event *e)
{
    char sequencer[17];
    char etag[API_ETAG_LEN];
    char version[API_VERSION_ID_LEN];
    bool is_marker = e->head->flags & STORE_IS_MARKER;
    bool is_gone = is_removal(e) && !is_marker;
    (void)snprintf(sequencer, sizeof sequencer, "%016llX",
                   (unsigned long long)e->head->seq + is_gone);
    json_t *json = json_pack("{s:o, s:s}", "key", key_of(e->key), "sequencer", sequencer);
    if (json && !is_removal(e)) {
        (void)api_etag(e->head, etag);
        (void)json_object_set_new(json, "size", json_integer((json_int_t)api_head_size(e->head)));
        (void)json_object_set_new(json, "eTag", json_string(etag));
    }
    if (json && e->head->flags & STORE_IS_VERSIONED) {
        version_id(e->head, version);
        (void)json_object_set_new(json, "versionId", json_string(version));
    }
    return json;
}

static json_t *bucket_json(const struct notify_event *e)
{
    struct tn_str name = bucket_config_name(e->config);
    struct tn_str owner = bucket_config_get(e->config, BUCKET_OWNER);
    char arn[sizeof "arn:aws:s3:::" + TN_BUCKET_LEN_MAX];
    if (owner.len == 0)
        owner = auth_account_at(e->api->auth, 0)->canonical_id;
    (void)snprintf(arn, sizeof arn, "arn:aws:s3:::%.*s", TN_STR_ARG(name));
    return json_pack("{s:o, s:{s:o}, s:s}", "name", text_of(name), "ownerIdentity", "principalId",
                     text_of(owner), "arn", arn);
}

static json_t *record_json(const struct notify_event *e, struct tn_str id)
{
    char time[TN_TIME_LEN];
    struct tn_str region = bucket_config_get(e->config, BUCKET_LOCATION);
    if (region.len == 0)
        region = tn_str_from(e->api->region);
    tn_time_iso8601(tn_wall_ms(), time);
    return json_pack(
        "{s:s, s:s, s:o, s:s, s:s, s:{s:o}, s:{s:o}, s:{s:o, s:o}, s:{s:s, s:o, s:o, s:o}}",
        "eventVersion", "2.1", "eventSource", "aws:s3", "awsRegion", text_of(region), "eventTime",
        time, "eventName", e->name, "userIdentity", "principalId", text_of(e->principal),
        "requestParameters", "sourceIPAddress", text_of(e->address), "responseElements",
        "x-amz-request-id", text_of(e->request_id), "x-amz-id-2", text_of(e->request_id), "s3",
        "s3SchemaVersion", "1.0", "configurationId", text_of(id), "bucket", bucket_json(e),
        "object", object_json(e));
}

static int append_json(const char *bytes, size_t len, void *user)
{
    return tn_buf_append(user, bytes, len) < 0 ? -1 : 0;
}

static int dump(json_t *json, struct tn_buf *out)
{
    int rc = json && json_dump_callback(json, append_json, out, JSON_COMPACT) == 0 ? TARN_OK
                                                                                   : TARN_ENOMEM;
    json_decref(json);
    return rc;
}

/* Adds the message for one configuration of the bucket. */
static void add_message(struct notify_batch **batch, const struct notify_event *e,
                        const struct tn_xml_node *node, size_t place)
{
    TN_AUTO_BUF json = TN_BUF_INIT(NOTIFY_MESSAGE_LEN_MAX);
    TN_AUTO_BUF name = TN_BUF_INIT(TN_BUCKET_LEN_MAX + 1 + TN_KEY_LEN_MAX);
    char id[24];
    struct tn_str given = tn_xml_child_text(node, "Id");
    size_t target = notify_find_target(e->api->notify, arn_of(node));
    if (target == SIZE_MAX)
        return; /* the operator took it away, and was told at the start */
    (void)snprintf(id, sizeof id, "configuration-%zu", place);
    json_t *record = record_json(e, given.len ? given : tn_str_from(id));
    int rc = dump(record ? json_pack("{s:[o]}", "Records", record) : NULL, &json);
    if (rc == TARN_OK)
        rc = tn_buf_append_str(&name, bucket_config_name(e->config));
    if (rc == TARN_OK)
        rc = tn_buf_append_char(&name, '/');
    if (rc == TARN_OK)
        rc = tn_buf_append_str(&name, e->key);
    if (rc < 0)
        tn_buf_truncate(&json, 0); /* is counted as dropped */
    struct notify_message m = { tn_buf_str(&json), tn_buf_str(&name), is_removal(e) };
    notify_batch_put(e->api->notify, batch, target, &m);
}

void notify_batch_add(struct notify_batch **batch, const struct notify_event *e)
{
    if (!e->api->notify || bucket_config_get(e->config, BUCKET_NOTIFICATION).len == 0)
        return;
    const struct tn_xml_node *root = bucket_config_form(e->config, BUCKET_NOTIFICATION);
    size_t place = 0;
    for (const struct tn_xml_node *n = root ? root->children : NULL; n; n = n->next) {
        place++;
        if (wants(n, e))
            add_message(batch, e, n, place);
    }
}

/* --- Of requests --- */

static struct tn_str address_of(const struct api_req *r)
{
    struct tn_str peer = r->http->peer;
    size_t len = peer.len;
    while (len && peer.data[len - 1] != ':')
        len--;
    return tn_str_sub(peer, 0, len ? len - 1 : peer.len);
}

void notify_add(struct api_req *r, const char *name, struct tn_str key,
                const struct store_head *head)
{
    if (!r->api->notify || !r->config || bucket_config_get(r->config, BUCKET_NOTIFICATION).len == 0)
        return;
    struct tn_str who = owner_asking(r);
    struct notify_event e = { .api = r->api,
                              .name = name,
                              .config = r->config,
                              .key = key,
                              .head = head,
                              .principal = who.len ? who : TN_STR("anonymous"),
                              .address = address_of(r),
                              .request_id = tn_str_from(r->http->id) };
    notify_batch_add(&r->events, &e);
}

void notify_add_change(struct api_req *r, const struct store_head *head)
{
    static const struct {
        const char *op;
        const char *name;
    } rows[] = {
        { "PutObjectTagging", "ObjectTagging:Put" },
        { "DeleteObjectTagging", "ObjectTagging:Delete" },
        { "PutObjectAcl", "ObjectAcl:Put" },
        { "RestoreObject", "ObjectRestore:Post" },
        { "RestoreObject", "ObjectRestore:Completed" }, /* it is at hand at once */
    };
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        if (strcmp(rows[i].op, r->op->name) == 0)
            notify_add(r, rows[i].name, r->key, head);
    }
}

void notify_add_delete(struct api_req *r, const struct store_txn *txn)
{
    bool is_marker = txn->version.kind == STORE_CURRENT && txn->head.flags & STORE_IS_MARKER;
    if (is_marker)
        notify_add(r, "ObjectRemoved:DeleteMarkerCreated", txn->key, &txn->head);
    else if (txn->existed)
        notify_add(r, "ObjectRemoved:Delete", txn->key, &txn->head);
}

/* --- Configurations --- */

static void add_test(struct api_req *r, struct tn_str arn)
{
    char time[TN_TIME_LEN];
    TN_AUTO_BUF json = TN_BUF_INIT(NOTIFY_MESSAGE_LEN_MAX);
    size_t target = notify_find_target(r->api->notify, arn);
    if (target == SIZE_MAX)
        return;
    tn_time_iso8601(tn_wall_ms(), time);
    int rc = dump(json_pack("{s:s, s:s, s:s, s:o, s:s, s:s}", "Service", "Amazon S3", "Event",
                            "s3:TestEvent", "Time", time, "Bucket", text_of(r->bucket), "RequestId",
                            r->http->id, "HostId", r->http->id),
                  &json);
    struct notify_message m = { tn_buf_str(&json), TN_STR_EMPTY, false };
    if (rc == TARN_OK)
        notify_batch_put(r->api->notify, &r->events, target, &m);
}

void notify_add_test(struct api_req *r)
{
    struct bucket_config *config = NULL;
    if (!r->api->notify || bucket_configs_get(r->api->configs, r->bucket, &config) < 0)
        return;
    const struct tn_xml_node *root = bucket_config_form(config, BUCKET_NOTIFICATION);
    for (const struct tn_xml_node *n = root ? root->children : NULL; n; n = n->next) {
        bool is_first = true;
        for (const struct tn_xml_node *m = root->children; m != n; m = m->next)
            is_first = is_first && !tn_str_eq(arn_of(m), arn_of(n));
        if (is_first)
            add_test(r, arn_of(n));
    }
    bucket_config_unref(config);
}

static bool share_event(const struct tn_xml_node *a, const struct tn_xml_node *b)
{
    const struct tn_xml_node *event = tn_xml_child(a, "Event");
    for (; event; event = tn_xml_next(event)) {
        struct tn_str name = tn_str_trim(event->text);
        const struct tn_xml_node *other = tn_xml_child(b, "Event");
        for (; other; other = tn_xml_next(other)) {
            struct tn_str text = tn_str_trim(other->text);
            if (event_fits(text, tn_str_sub(name, 3, name.len)) ||
                event_fits(name, tn_str_sub(text, 3, text.len)))
                return true;
        }
    }
    return false;
}

static bool overlap(const struct tn_xml_node *a, const struct tn_xml_node *b)
{
    struct tn_str prefixes[] = { filter_of(a, "prefix"), filter_of(b, "prefix") };
    struct tn_str suffixes[] = { filter_of(a, "suffix"), filter_of(b, "suffix") };
    bool has_prefix =
        tn_str_starts(prefixes[0], prefixes[1]) || tn_str_starts(prefixes[1], prefixes[0]);
    bool has_suffix =
        tn_str_ends(suffixes[0], suffixes[1]) || tn_str_ends(suffixes[1], suffixes[0]);
    return has_prefix && has_suffix && share_event(a, b);
}

enum tn_s3_code notify_check(struct api_req *r, const struct tn_xml_node *root)
{
    for (const struct tn_xml_node *n = root->children; n; n = n->next) {
        if (notify_find_target(r->api->notify, arn_of(n)) == SIZE_MAX)
            return api_err(r, TN_S3_INVALID_ARGUMENT,
                           "A specified destination ARN does not exist or is not well-formed. "
                           "Verify the destination ARN.");
        for (const struct tn_xml_node *m = root->children; m != n; m = m->next) {
            if (overlap(m, n))
                return api_err(r, TN_S3_INVALID_ARGUMENT,
                               "Configurations overlap. Configurations on the same bucket cannot "
                               "share a common event type.");
        }
    }
    return TN_S3_OK;
}
