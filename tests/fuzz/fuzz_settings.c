/* SPDX-License-Identifier: Apache-2.0 */
/* A bucket's documents: the first byte chooses the table. What it takes is written out, taken again
 * and written the same. The same bytes are also read as the stored form of settings. */

#include <assert.h>

#include "server/api/bucket_config.h"
#include "server/api/xml_rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct xml_rule *const rules[] = {
    &tagging_rule,      &lifecycle_rule,  &cors_rule,       &public_access_rule,
    &ownership_rule,    &acl_rule,        &encryption_rule, &object_lock_rule,
    &retention_rule,    &legal_hold_rule, &restore_rule,    &logging_rule,
    &notification_rule, &website_rule,    &quota_rule,      &request_payment_rule,
    &accelerate_rule,   &versioning_rule,
};

static int check(struct tn_arena *arena, const struct xml_rule *rule, struct tn_str text,
                 struct tn_buf *out)
{
    const struct tn_xml_node *root = NULL;
    int rc = tn_xml_parse(arena, text, &root, NULL);
    if (rc == TARN_OK)
        rc = xml_rule_check(rule, root, NULL);
    if (rc < 0)
        return rc;
    struct tn_xml_writer w = TN_XML_WRITER(out);
    xml_rule_write(rule, root, &w);
    return w.rc;
}

static void check_document(const struct xml_rule *rule, struct tn_str text)
{
    struct tn_arena arena;
    TN_AUTO_BUF once = TN_BUF_INIT(1 << 22);
    TN_AUTO_BUF twice = TN_BUF_INIT(1 << 22);
    tn_arena_init(&arena, 1 << 26);
    if (check(&arena, rule, text, &once) == TARN_OK) {
        assert(check(&arena, rule, tn_buf_str(&once), &twice) == TARN_OK);
        assert(tn_str_eq(tn_buf_str(&once), tn_buf_str(&twice)));
    }
    tn_arena_release(&arena);
}

static void check_stored(struct tn_str text)
{
    struct tn_str found[BUCKET_SECTION_COUNT] = { 0 };
    struct tn_str again[BUCKET_SECTION_COUNT] = { 0 };
    TN_AUTO_BUF out = TN_BUF_INIT(1 << 22);
    if (bucket_sections_decode(text, found) < 0)
        return;
    assert(bucket_sections_encode(found, &out) == TARN_OK);
    assert(bucket_sections_decode(tn_buf_str(&out), again) == TARN_OK);
    for (unsigned i = 0; i < BUCKET_SECTION_COUNT; i++)
        assert(tn_str_eq(found[i], again[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tn_str text = { (const char *)data, size };
    check_stored(text);
    if (size == 0)
        return 0;
    check_document(rules[data[0] % TN_COUNT(rules)], tn_str_sub(text, 1, size));
    return 0;
}
