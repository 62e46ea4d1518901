/* SPDX-License-Identifier: Apache-2.0 */
/* DeleteObjects: a thousand keys a request, several requests at once. */

#include <tarn/object.h>

#include "base/codec.h"
#include "client/attributes.h"
#include "client/client_impl.h"
#include "client/window.h"
#include "proto/s3_error.h"

enum { BATCHES_AT_ONCE = 4, DOCUMENT_MAX = 16 << 20 };

struct batch {
    struct tn_buf document; /* in the slot's block: lives as long as the operation */
    size_t count;
    size_t *indexes; /* of the caller's keys */
    bool *is_told;
};

struct deletion {
    struct tn_window window;
    struct tarn_client *client;
    const char *bucket;
    const struct tarn_delete_key *keys;
    size_t count;
    size_t next;
    const struct tarn_delete_options *options;
    tarn_delete_fn each;
    void *arg;
    struct tarn_error first; /* failure of a key */
    bool has_failed;
    struct batch batches[BATCHES_AT_ONCE];
};

static void tell(struct deletion *d, size_t index, const struct tarn_error *err)
{
    if (err && !d->has_failed) {
        d->first = *err;
        d->has_failed = true;
    }
    if (d->each)
        d->each(d->arg, index, err);
}

/* XML 1.0 cannot say these bytes, and answers that echo such a key cannot be read. An empty key is
 * refused where it is alone, before it is sent. */
static bool is_odd(const char *key)
{
    if (!*key)
        return true;
    for (const char *c = key; *c; c++) {
        if ((unsigned char)*c < 0x20 ||
            ((unsigned char)c[0] == 0xef && (unsigned char)c[1] == 0xbf &&
             (unsigned char)c[2] >= 0xbe))
            return true;
    }
    return false;
}

static void delete_alone(struct deletion *d, size_t index)
{
    struct tarn_error err = { 0 };
    struct tarn_delete_options options = *d->options;
    options.version_id = d->keys[index].version_id;
    int rc = tarn_object_delete(d->client, d->bucket, d->keys[index].key, &options, NULL, &err);
    tell(d, index, rc < 0 ? &err : NULL);
}

static int write_document(struct deletion *d, struct batch *b)
{
    struct tn_xml_writer w = TN_XML_WRITER(&b->document);
    tn_xml_root(&w, "Delete", TN_XML_S3_NAMESPACE);
    for (size_t i = 0; i < b->count; i++) {
        const struct tarn_delete_key *key = &d->keys[b->indexes[i]];
        tn_xml_open(&w, "Object");
        tn_xml_text(&w, "Key", key->key);
        if (key->version_id)
            tn_xml_text(&w, "VersionId", key->version_id);
        tn_xml_close(&w, "Object");
    }
    tn_xml_close(&w, "Delete");
    return w.rc;
}

static void release_batch(struct batch *b)
{
    tn_buf_release(&b->document);
    tn_free(b->indexes);
    tn_free(b->is_told);
    *b = (struct batch){ .document = TN_BUF_INIT(DOCUMENT_MAX) };
}

static int collect(struct deletion *d, struct batch *b)
{
    release_batch(b);
    b->indexes = tn_calloc(TARN_DELETE_COUNT_MAX, sizeof *b->indexes);
    b->is_told = tn_calloc(TARN_DELETE_COUNT_MAX, sizeof *b->is_told);
    if (!b->indexes || !b->is_told)
        return TARN_ENOMEM;
    for (; d->next < d->count && b->count < TARN_DELETE_COUNT_MAX; d->next++) {
        if (is_odd(d->keys[d->next].key))
            delete_alone(d, d->next);
        else
            b->indexes[b->count++] = d->next;
    }
    return b->count > 0 ? write_document(d, b) : TN_WINDOW_END;
}

static int start_batch(void *arg, struct tn_slot *slot, struct tarn_error *err)
{
    struct deletion *d = arg;
    struct batch *b = &d->batches[slot - d->window.slots];
    unsigned char digest[TN_MD5_LEN];
    char md5[TN_BASE64_LEN(TN_MD5_LEN) + 1];
    int rc = d->next < d->count ? collect(d, b) : TN_WINDOW_END;
    if (rc == TN_WINDOW_END)
        return rc;
    if (rc == TARN_OK)
        slot->op =
            tn_op_new(d->client, &d->window.waiter, "delete objects of", "POST", d->bucket, NULL);
    if (!slot->op)
        return tn_fail_no_memory(err, "delete objects");
    tn_md5(b->document.data, b->document.len, digest);
    tn_base64_encode(digest, sizeof digest, md5);
    tn_op_request(slot->op, &d->options->request);
    tn_op_query_flag(slot->op, "delete");
    tn_op_header(slot->op, "Content-MD5", md5);
    tn_op_header(slot->op, "Content-Type", "application/xml");
    tn_op_header(slot->op, "x-amz-mfa", d->options->mfa);
    if (d->options->bypass_governance)
        tn_op_header(slot->op, "x-amz-bypass-governance-retention", "true");
    slot->op->checks_200 = true;
    tn_op_document(slot->op, &b->document);
    tn_op_post(slot->op);
    return TARN_OK;
}

static bool is_same_key(const struct tarn_delete_key *key, const struct tn_xml_node *node)
{
    return tn_str_eq(tn_xml_child_text_raw(node, "Key"), tn_str_from(key->key)) &&
           tn_str_eq(tn_xml_child_text(node, "VersionId"), tn_str_from(key->version_id));
}

/* Answers mostly keep the order, so the search goes on from where the last one ended. */
static size_t find_key(struct deletion *d, struct batch *b, const struct tn_xml_node *node,
                       size_t *at)
{
    for (size_t n = 0; n < b->count; n++) {
        size_t i = (*at + n) % b->count;
        if (!b->is_told[i] && is_same_key(&d->keys[b->indexes[i]], node)) {
            *at = i + 1;
            return i;
        }
    }
    return SIZE_MAX;
}

static void tell_error(struct deletion *d, size_t index, const struct tn_xml_node *node)
{
    struct tarn_error err = { 0 };
    struct tn_str code = tn_xml_child_text(node, "Code");
    struct tn_verdict v = tn_classify_answer(200, code);
    if (v.retry == TN_RETRY_LATER || v.retry == TN_RETRY_THROTTLE) {
        delete_alone(d, index);
        return;
    }
    (void)tn_fail(&err, v.status, "could not delete object \"%s/%s\": %.*s (%.*s)", d->bucket,
                  d->keys[index].key, TN_STR_ARG(tn_xml_child_text(node, "Message")),
                  TN_STR_ARG(code));
    err.http_status = 200;
    err.attempts = 1;
    (void)snprintf(err.s3_code, sizeof err.s3_code, "%.*s", TN_STR_ARG(code));
    tell(d, index, &err);
}

static int take_batch(void *arg, struct tn_slot *slot, struct tarn_error *err)
{
    struct deletion *d = arg;
    struct batch *b = &d->batches[slot - d->window.slots];
    const struct tn_xml_node *root = NULL;
    size_t at = 0;
    int rc = tn_op_parse(slot->op, "DeleteResult", &root, err);
    if (rc < 0)
        return rc;
    for (const struct tn_xml_node *node = root->children; node; node = node->next) {
        bool is_error = tn_str_eq(node->name, TN_STR("Error"));
        if (!is_error && !tn_str_eq(node->name, TN_STR("Deleted")))
            continue;
        size_t i = find_key(d, b, node, &at);
        if (i == SIZE_MAX)
            continue;
        b->is_told[i] = true;
        if (is_error)
            tell_error(d, b->indexes[i], node);
        else
            tell(d, b->indexes[i], NULL);
    }
    struct tarn_error silent = { 0 };
    (void)tn_op_fail(slot->op, &silent, TARN_EPROTOCOL, "the answer does not mention the key");
    for (size_t i = 0; i < b->count; i++) {
        if (!b->is_told[i])
            tell(d, b->indexes[i], &silent);
        b->is_told[i] = true;
    }
    return TARN_OK;
}

/* A request that failed as a whole failed for each of its keys, and for those that had no turn. */
static void tell_rest(struct deletion *d, const struct tarn_error *err)
{
    for (size_t n = 0; n < BATCHES_AT_ONCE; n++) {
        struct batch *b = &d->batches[n];
        for (size_t i = 0; i < b->count; i++) {
            if (!b->is_told[i])
                tell(d, b->indexes[i], err);
        }
        b->count = 0;
    }
    for (; d->next < d->count; d->next++)
        tell(d, d->next, err);
}

int tarn_object_delete_many(struct tarn_client *client, const char *bucket,
                            const struct tarn_delete_key *keys, size_t count,
                            const struct tarn_delete_options *options, tarn_delete_fn each,
                            void *arg, struct tarn_error *err)
{
    int given = tn_check_given(client, bucket, "-", TN_MISSING_ITEMS(keys, count), err);
    for (size_t i = 0; i < count && given == TARN_OK; i++)
        given = tn_check_given(client, bucket, keys[i].key, NULL, err);
    if (given < 0)
        return given;
    if (options && (options->if_match || options->version_id))
        return tn_fail(err, TARN_EINVAL,
                       "could not delete objects: if_match and version_id of the options are for "
                       "one object");
    static const struct tarn_delete_options none;
    static const struct tn_window_calls calls = { start_batch, take_batch };
    struct tarn_error local = { 0 };
    struct deletion d = { .client = client,
                          .bucket = bucket,
                          .keys = keys,
                          .count = count,
                          .options = options ? options : &none,
                          .each = each,
                          .arg = arg };
    for (size_t i = 0; i < BATCHES_AT_ONCE; i++)
        d.batches[i] = (struct batch){ .document = TN_BUF_INIT(DOCUMENT_MAX) };
    tn_window_init(&d.window, client, &d.options->request, BATCHES_AT_ONCE);
    int rc = tn_window_run(&d.window, &calls, &d, &local);
    if (rc < 0)
        tell_rest(&d, &local);
    tn_window_release(&d.window);
    for (size_t i = 0; i < BATCHES_AT_ONCE; i++)
        release_batch(&d.batches[i]);
    if (d.has_failed && err)
        *err = d.first;
    return d.has_failed ? d.first.status : rc;
}
