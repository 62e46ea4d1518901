/* SPDX-License-Identifier: Apache-2.0 */
/* Users and their policies over a storage in memory: changes, views, failures; session tokens. */

#include "server/auth/iam.h"

#include "server/auth/iam_managed.h"
#include "unit/t.h"

/* --- A storage that can fail --- */

enum { DOCUMENT_COUNT = 8 };

struct memory {
    struct {
        char name[64];
        char *text;
    } items[DOCUMENT_COUNT];
    int fail; /* what the next call returns */
};

static int find(struct memory *m, struct tn_str name)
{
    for (int i = 0; i < DOCUMENT_COUNT; i++) {
        if (m->items[i].text && tn_str_eq(tn_str_from(m->items[i].name), name))
            return i;
    }
    return -1;
}

static int load(void *context, int (*each)(void *user, struct tn_str name, struct tn_str bytes),
                void *user, struct tarn_error *err)
{
    struct memory *m = context;
    (void)err;
    int rc = m->fail;
    for (int i = 0; rc == TARN_OK && i < DOCUMENT_COUNT; i++) {
        if (m->items[i].text)
            rc = each(user, tn_str_from(m->items[i].name), tn_str_from(m->items[i].text));
    }
    return rc;
}

static int save(void *context, struct tn_str name, struct tn_str bytes, struct tarn_error *err)
{
    struct memory *m = context;
    (void)err;
    if (m->fail)
        return m->fail;
    int at = find(m, name);
    for (int i = 0; at < 0 && i < DOCUMENT_COUNT; i++)
        at = m->items[i].text ? at : i;
    assert_true(at >= 0);
    char *copy = tn_memdup(bytes.data, bytes.len);
    if (!copy)
        return TARN_ENOMEM;
    tn_free(m->items[at].text);
    m->items[at].text = copy;
    (void)snprintf(m->items[at].name, sizeof m->items[at].name, "%.*s", TN_STR_ARG(name));
    return TARN_OK;
}

static int drop(void *context, struct tn_str name, struct tarn_error *err)
{
    struct memory *m = context;
    (void)err;
    int at = find(m, name);
    if (m->fail || at < 0)
        return m->fail ? m->fail : TARN_ENOTFOUND;
    tn_free(m->items[at].text);
    m->items[at].text = NULL;
    return TARN_OK;
}

static void memory_free(struct memory *m)
{
    for (int i = 0; i < DOCUMENT_COUNT; i++)
        tn_free(m->items[i].text);
}

/* --- Documents --- */

#define ALLOW(action)                                                                              \
    "{\\\"Version\\\":\\\"2012-10-17\\\",\\\"Statement\\\":[{\\\"Effect\\\":\\\"Allow\\\","        \
    "\\\"Action\\\":\\\"" action "\\\",\\\"Resource\\\":\\\"*\\\"}]}"
#define COMMON(type, id, name)                                                                     \
    "\"type\":\"" type "\",\"id\":\"" id "\",\"name\":\"" name                                     \
    "\",\"path\":\"/\",\"account\":\"000000000000\""
#define USER                                                                                       \
    "{" COMMON("user", "AIDA1", "ann") ",\"groups\":[\"AGPA1\"],\"policies\":{\"p\":\"" ALLOW(     \
        "s3:GetObject") "\"},\"keys\":[{\"id\":\"AKIA1\",\"secret\":\"secret-secret\",\"status\":" \
                        "\"Active\"}]}"
#define GROUP "{" COMMON("group", "AGPA1", "g") ",\"attached\":[\"ANPA1\"]}"
#define POLICY                                                                                     \
    "{" COMMON("policy", "ANPA1", "p") ",\"default\":\"v1\",\"versions\":[{\"id\":\"v1\","         \
                                       "\"document\":\"" ALLOW("s3:PutObject") "\"}]}"

static int put(struct iam *iam, const char *text)
{
    json_t *json = json_loads(text, 0, NULL);
    assert_non_null(json);
    iam_lock(iam);
    int rc = iam_put(iam, json, NULL);
    iam_unlock(iam);
    json_decref(json);
    return rc;
}

static struct auth *make_auth(void)
{
    struct auth_config config = { .is_off = false };
    struct auth *auth = auth_new(&config, NULL);
    assert_non_null(auth);
    return auth;
}

static enum policy_verdict ask(struct iam *iam, const char *id, const char *action)
{
    static const struct policy_who who = { .account = { "000000000000", 12 } };
    struct policy_request request = { .who = &who,
                                      .action = tn_str_from(action),
                                      .resource = TN_STR("arn:aws:s3:::b/k") };
    struct iam_view *view = iam_view_get(iam);
    enum policy_verdict verdict = iam_ask(view, tn_str_from(id), &request);
    iam_view_put(view);
    return verdict;
}

static bool has_key(struct auth *auth, const char *key)
{
    char secret[AUTH_SECRET_LEN_MAX + 1];
    struct auth_owner owner;
    return auth_key_get(auth, tn_str_from(key), secret, &owner) == TARN_OK;
}

static void test_changes(void **state)
{
    (void)state;
    struct memory memory = { 0 };
    struct iam_storage storage = { &memory, load, save, drop };
    struct auth *auth = make_auth();
    struct iam *iam = NULL;
    assert_int_equal(iam_new(auth, &storage, &iam, NULL), TARN_OK);
    assert_int_equal(ask(iam, "AIDA1", "s3:GetObject"), POLICY_SILENT);
    assert_int_equal(put(iam, USER), TARN_OK);
    assert_int_equal(ask(iam, "AIDA1", "s3:GetObject"), POLICY_ALLOWS);
    assert_int_equal(ask(iam, "AIDA1", "s3:PutObject"), POLICY_SILENT);
    assert_true(has_key(auth, "AKIA1"));

    /* A view stays as it was, whatever happens meanwhile. */
    struct iam_view *before = iam_view_get(iam);
    assert_int_equal(put(iam, GROUP), TARN_OK);
    assert_int_equal(put(iam, POLICY), TARN_OK);
    assert_int_equal(ask(iam, "AIDA1", "s3:PutObject"), POLICY_ALLOWS);
    assert_int_equal(iam_view_count(before), 1 + iam_managed_count());
    iam_view_put(before);

    struct iam_view *view = iam_view_get(iam);
    const struct iam_entity *e =
        iam_view_of_name(view, IAM_USER, TN_STR("000000000000"), TN_STR("ANN"));
    assert_non_null(e);
    assert_str_equal(e->arn, "arn:aws:iam::000000000000:user/ann");
    assert_null(iam_view_of_name(view, IAM_USER, TN_STR("1"), TN_STR("ann")));
    assert_ptr_equal(iam_view_of_arn(view, e->arn), e);
    iam_view_put(view);

    memory.fail = TARN_EIO;
    iam_lock(iam);
    assert_int_equal(iam_remove(iam, TN_STR("AIDA1"), NULL), TARN_EIO);
    iam_unlock(iam);
    assert_true(has_key(auth, "AKIA1"));
    memory.fail = TARN_OK;

    /* All of it comes back. */
    iam_free(iam);
    auth_free(auth);
    auth = make_auth();
    assert_int_equal(iam_new(auth, &storage, &iam, NULL), TARN_OK);
    assert_int_equal(ask(iam, "AIDA1", "s3:PutObject"), POLICY_ALLOWS);
    assert_true(has_key(auth, "AKIA1"));
    iam_lock(iam);
    assert_int_equal(iam_remove(iam, TN_STR("AIDA1"), NULL), TARN_OK);
    assert_int_equal(iam_remove(iam, TN_STR("AIDA1"), NULL), TARN_ENOTFOUND);
    iam_unlock(iam);
    assert_false(has_key(auth, "AKIA1"));
    assert_int_equal(ask(iam, "AIDA1", "s3:GetObject"), POLICY_SILENT);
    iam_free(iam);
    auth_free(auth);
    memory_free(&memory);
}

#define BOUND(what)                                                                                \
    "{" COMMON("user", "AIDA2", "bob") ",\"boundary\":" what                                       \
                                       ",\"policies\":{\"p\":\"" ALLOW("s3:*") "\"}}"

/* What the user may is what policies and boundary allow both. */
static void test_boundaries(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *text;
        enum policy_verdict get;
        enum policy_verdict put;
    } cases[] = {
        { "a policy", BOUND("\"ANPA1\""), POLICY_SILENT, POLICY_ALLOWS },
        { "one that is gone", BOUND("\"ANPA9\""), POLICY_SILENT, POLICY_SILENT },
        { "not a policy", BOUND("\"AGPA1\""), POLICY_SILENT, POLICY_SILENT },
        { "not a text", BOUND("5"), POLICY_SILENT, POLICY_SILENT },
    };
    struct memory memory = { 0 };
    struct iam_storage storage = { &memory, load, save, drop };
    struct auth *auth = make_auth();
    struct iam *iam = NULL;
    assert_int_equal(iam_new(auth, &storage, &iam, NULL), TARN_OK);
    assert_int_equal(put(iam, GROUP), TARN_OK);
    assert_int_equal(put(iam, POLICY), TARN_OK);
    for (size_t i = 0; i < TN_COUNT(cases); i++) {
        assert_int_equal(put(iam, cases[i].text), TARN_OK);
        if (ask(iam, "AIDA2", "s3:GetObject") != cases[i].get ||
            ask(iam, "AIDA2", "s3:PutObject") != cases[i].put)
            fail_msg("%s", cases[i].name);
    }
    iam_free(iam);
    auth_free(auth);
    memory_free(&memory);
}

static void test_bad_documents(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{}",
        "{\"type\":\"thing\",\"id\":\"a\",\"name\":\"n\",\"path\":\"/\",\"account\":\"0\"}",
        "{" COMMON("user", "", "n") "}",
        "{" COMMON("user", "AIDA1", "") "}",
        "{" COMMON("user", "AIDA1", "n") ",\"policies\":{\"p\":\"{}\"}}",
        "{" COMMON("user", "AIDA1", "n") ",\"policies\":{\"p\":5}}",
        "{" COMMON("policy", "ANPA1", "n") "}",
        "{" COMMON("role", "AROA1", "n") "}",
    };
    struct memory memory = { 0 };
    struct iam_storage storage = { &memory, load, save, drop };
    struct auth *auth = make_auth();
    struct iam *iam = NULL;
    assert_int_equal(iam_new(auth, &storage, &iam, NULL), TARN_OK);
    for (size_t i = 0; i < TN_COUNT(texts); i++)
        assert_true(put(iam, texts[i]) < 0);
    for (int i = 0; i < DOCUMENT_COUNT; i++)
        assert_null(memory.items[i].text);
    iam_free(iam);

    /* What cannot be read is not passed over: it may have held a Deny. */
    iam = NULL;
    assert_int_equal(save(&memory, TN_STR("iam/x"), TN_STR("{"), NULL), TARN_OK);
    struct tarn_error err = { 0 };
    assert_int_equal(iam_new(auth, &storage, &iam, &err), TARN_ECORRUPT);
    assert_null(iam);
    assert_non_null(strstr(err.message, "iam/x"));
    auth_free(auth);
    memory_free(&memory);
}

/* --- Sessions --- */

static void test_sessions(void **state)
{
    (void)state;
    unsigned char key[SESSION_KEY_LEN] = { 1 };
    const struct session made = { .access_key = TN_STR("ASIA1"),
                                  .secret = TN_STR("secret"),
                                  .account = TN_STR("0"),
                                  .id = TN_STR("AROA1"),
                                  .name = TN_STR("s"),
                                  .subject = TN_STR_EMPTY,
                                  .issuer = TN_STR_EMPTY,
                                  .policy = TN_STR("{}"),
                                  .expires = 12345 };
    struct session found = { .expires = -1 };
    struct tn_arena arena;
    TN_AUTO_BUF token = TN_BUF_INIT(SESSION_TOKEN_LEN_MAX);
    tn_arena_init(&arena, 1 << 24);
    assert_int_equal(session_seal(key, &made, &token), TARN_OK);
    assert_true(tn_str_find(tn_buf_str(&token), TN_STR("secret")) == SIZE_MAX);
    assert_int_equal(session_open(key, tn_buf_str(&token), &arena, &found), TARN_OK);
    assert_str_equal(found.access_key, "ASIA1");
    assert_str_equal(found.policy, "{}");
    assert_int_equal(found.expires, 12345);

    /* Every changed letter, every shorter token, another key. */
    found.expires = -1;
    for (size_t i = 0; i < token.len; i++) {
        char was = token.data[i];
        token.data[i] = was == 'A' ? 'B' : 'A';
        assert_int_equal(session_open(key, tn_buf_str(&token), &arena, &found), TARN_EDENIED);
        token.data[i] = was;
        struct tn_str shorter = { token.data, i };
        assert_int_equal(session_open(key, shorter, &arena, &found), TARN_EDENIED);
    }
    key[0] = 2;
    assert_int_equal(session_open(key, tn_buf_str(&token), &arena, &found), TARN_EDENIED);
    assert_int_equal(found.expires, -1);
    tn_arena_release(&arena);
}

static void test_session_key(void **state)
{
    (void)state;
    struct memory memory = { .fail = TARN_OK };
    struct iam_storage storage = { &memory, load, save, drop };
    unsigned char key[SESSION_KEY_LEN];
    unsigned char again[SESSION_KEY_LEN];
    struct auth *auth = make_auth();
    struct iam *iam = NULL;
    assert_int_equal(iam_new(auth, &storage, &iam, NULL), TARN_OK);
    memory.fail = TARN_ENOSPACE;
    assert_int_equal(iam_session_key(iam, key, NULL), TARN_ENOSPACE);
    assert_false(auth_session_key_get(auth, again));
    memory.fail = TARN_OK;
    assert_int_equal(iam_session_key(iam, key, NULL), TARN_OK);
    assert_int_equal(iam_session_key(iam, again, NULL), TARN_OK);
    assert_memory_equal(key, again, sizeof key);
    iam_free(iam);
    auth_free(auth);
    auth = make_auth();
    assert_int_equal(iam_new(auth, &storage, &iam, NULL), TARN_OK);
    assert_true(auth_session_key_get(auth, again));
    assert_memory_equal(key, again, sizeof key);
    iam_free(iam);
    auth_free(auth);
    memory_free(&memory);
}

/* --- Accounts --- */

static void test_accounts(void **state)
{
    (void)state;
    struct auth *auth = make_auth();
    const struct auth_account alt = { .number = TN_STR("111"),
                                      .canonical_id = TN_STR_EMPTY,
                                      .name = TN_STR("alt"),
                                      .email = TN_STR("alt@example.org") };
    struct auth_account bad = alt;
    assert_int_equal(auth_account_add(auth, &alt, NULL), TARN_OK);
    assert_int_equal(auth_account_add(auth, &alt, NULL), TARN_EEXISTS);
    bad.number = TN_STR("1 1");
    assert_int_equal(auth_account_add(auth, &bad, NULL), TARN_EINVAL);
    bad.number = TN_STR("222");
    bad.name = TN_STR("\x01");
    assert_int_equal(auth_account_add(auth, &bad, NULL), TARN_EINVAL);
    assert_int_equal(auth_account_count(auth), 2);
    const struct auth_account *found = auth_account_of_email(auth, TN_STR("ALT@example.org"));
    assert_ptr_equal(found, auth_account_at(auth, 1));
    assert_int_equal(found->canonical_id.len, 64);
    assert_ptr_equal(auth_account_of_id(auth, found->canonical_id), found);
    assert_null(auth_account_of_email(auth, TN_STR_EMPTY));
    assert_null(auth_account_at(auth, 2));
    auth_free(auth);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_changes),       cmocka_unit_test(test_boundaries),
        cmocka_unit_test(test_bad_documents), cmocka_unit_test(test_sessions),
        cmocka_unit_test(test_session_key),   cmocka_unit_test(test_accounts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
