/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the configuration. */

#include "server/config.h"

#include <yaml.h>

#include "base/buf.h"
#include "base/file.h"

const char config_usage[] =
    "usage: tarnd --data DIR [options]\n"
    "\n"
    "  --data DIR          directory of the store; created when missing\n"
    "  --listen HOST:PORT  where to listen (127.0.0.1:9000); port 0 takes a free one\n"
    "  --config FILE       configuration in YAML; options given here win over it\n"
    "  --tls-cert FILE     certificate chain in PEM; with --tls-key\n"
    "  --tls-key FILE      its private key\n"
    "  --region REGION     the only region that requests may be signed for (any)\n"
    "  --domain DOMAIN     BUCKET.DOMAIN names a bucket; may be given more than once\n"
    "  --log-level LEVEL   error, warn, info (default) or debug\n"
    "  --help              show this text\n"
    "  --version           show the version\n"
    "\n"
    "Keys come from TARN_ACCESS_KEY and TARN_SECRET_KEY, from the configuration, or from\n"
    "DIR/credentials, which the first start makes.\n";

void config_init(struct config *c)
{
    *c = (struct config){ .log_level = TN_LOG_INFO };
}

static void account_release(struct config_account *a)
{
    tn_free(a->id);
    tn_free(a->canonical_id);
    tn_free(a->name);
    tn_free(a->email);
}

static void provider_release(struct config_provider *p)
{
    tn_free(p->issuer);
    tn_free(p->jwks_file);
    tn_free(p->audience);
}

static void target_release(struct config_target *t)
{
    tn_free(t->arn);
    tn_free(t->webhook);
    tn_free_secret(t->auth_token);
    tn_free(t->redis);
    tn_free_secret(t->password);
    tn_free(t->key);
    tn_free(t->format);
}

void config_release(struct config *c)
{
    for (size_t i = 0; i < c->target_count; i++)
        target_release(&c->targets[i]);
    tn_free(c->targets);
    account_release(&c->account);
    for (size_t i = 0; i < c->account_count; i++)
        account_release(&c->accounts[i]);
    tn_free(c->accounts);
    for (size_t i = 0; i < c->provider_count; i++)
        provider_release(&c->providers[i]);
    tn_free(c->providers);
    tn_free(c->data);
    tn_free(c->listen);
    tn_free(c->region);
    tn_free(c->tls_cert);
    tn_free(c->tls_key);
    tn_free(c->encryption_keys);
    for (size_t i = 0; i < c->domain_count; i++)
        tn_free(c->domains[i]);
    for (size_t i = 0; i < c->website_count; i++)
        tn_free(c->websites[i]);
    for (size_t i = 0; i < c->key_count; i++) {
        tn_free(c->keys[i].access_key);
        tn_free_secret(c->keys[i].secret_key);
    }
    tn_free(c->keys);
    config_init(c);
}

/* --- Values: each stores one text, or says what was expected --- */

typedef int (*value_fn)(struct config *c, void *field, struct tn_str text, const char **expected);

static int set_text(struct config *c, void *field, struct tn_str text, const char **expected)
{
    (void)c;
    char **out = field;
    *expected = "a text of 1 to 4096 bytes without control bytes";
    if (text.len == 0 || text.len > CONFIG_TEXT_LEN_MAX)
        return TARN_ECONFIG;
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.data[i] < 0x20)
            return TARN_ECONFIG;
    }
    char *copy = tn_memdup(text.data, text.len);
    if (!copy)
        return TARN_ENOMEM;
    tn_free(*out);
    *out = copy;
    return TARN_OK;
}

static int set_region(struct config *c, void *field, struct tn_str text, const char **expected)
{
    *expected = "a region, such as us-east-1";
    if (text.len > 64)
        return TARN_ECONFIG;
    for (size_t i = 0; i < text.len; i++) {
        if (!tn_is_alpha(text.data[i]) && !tn_is_digit(text.data[i]) && text.data[i] != '-')
            return TARN_ECONFIG;
    }
    const char *unused;
    return set_text(c, field, text, &unused);
}

static bool is_domain(struct tn_str text)
{
    if (text.len == 0 || text.len > 253 || text.data[0] == '.' || text.data[text.len - 1] == '.')
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char at = text.data[i];
        if (!tn_is_alpha(at) && !tn_is_digit(at) && at != '-' && at != '.')
            return false;
    }
    return true;
}

static int add_domain(struct config *c, void *field, struct tn_str text, const char **expected)
{
    (void)field;
    *expected = "at most 30 domain names";
    if (!is_domain(text) || c->domain_count == CONFIG_DOMAIN_COUNT_MAX)
        return TARN_ECONFIG;
    char *copy = tn_memdup(text.data, text.len);
    if (!copy)
        return TARN_ENOMEM;
    c->domains[c->domain_count++] = copy;
    return TARN_OK;
}

static int add_website(struct config *c, void *field, struct tn_str text, const char **expected)
{
    (void)field;
    *expected = "at most 30 domain names";
    if (!is_domain(text) || c->website_count == CONFIG_DOMAIN_COUNT_MAX)
        return TARN_ECONFIG;
    char *copy = tn_memdup(text.data, text.len);
    if (!copy)
        return TARN_ENOMEM;
    c->websites[c->website_count++] = copy;
    return TARN_OK;
}

static int set_auth(struct config *c, void *field, struct tn_str text, const char **expected)
{
    (void)field;
    *expected = "on or off";
    bool is_off = tn_str_eq(text, TN_STR("off"));
    if (!is_off && !tn_str_eq(text, TN_STR("on")))
        return TARN_ECONFIG;
    c->is_auth_off = is_off;
    return TARN_OK;
}

static int set_log_level(struct config *c, void *field, struct tn_str text, const char **expected)
{
    (void)field;
    static const char *const names[] = { "error", "warn", "info", "debug" };
    *expected = "error, warn, info or debug";
    for (unsigned i = 0; i < TN_COUNT(names); i++) {
        if (tn_str_eq(text, tn_str_from(names[i]))) {
            c->log_level = (enum tn_log_level)i;
            return TARN_OK;
        }
    }
    return TARN_ECONFIG;
}

static int set_count(struct config *c, void *field, struct tn_str text, const char **expected)
{
    (void)c;
    uint64_t value;
    *expected = "a whole number from 1 to 1000000";
    if (tn_str_to_u64(text, &value) < 0 || value < 1 || value > 1000000)
        return TARN_ECONFIG;
    *(uint64_t *)field = value;
    return TARN_OK;
}

static int set_ms(struct config *c, void *field, struct tn_str text, const char **expected)
{
    (void)c;
    uint64_t value;
    *expected = "milliseconds, a whole number from 1 to 86400000";
    if (tn_str_to_u64(text, &value) < 0 || value < 1 || value > 86400000)
        return TARN_ECONFIG;
    *(uint64_t *)field = value;
    return TARN_OK;
}

static int set_size(struct config *c, void *field, struct tn_str text, const char **expected)
{
    (void)c;
    uint64_t value;
    *expected =
        "a size from 64K to 16M"; /* loops take smaller bodies, and must not wait for disks */
    if (tn_str_to_size(text, &value) < 0 || value < 64 * 1024 || value > 16 * 1024 * 1024)
        return TARN_ECONFIG;
    *(uint64_t *)field = value;
    return TARN_OK;
}

static int set_memory(struct config *c, void *field, struct tn_str text, const char **expected)
{
    (void)c;
    uint64_t value;
    *expected = "a size from 32M to 64G";
    if (tn_str_to_size(text, &value) < 0 || value < CONFIG_MEMORY_MIN ||
        value > (uint64_t)64 * 1024 * 1024 * 1024)
        return TARN_ECONFIG;
    *(uint64_t *)field = value;
    return TARN_OK;
}

static int key_add(struct config *c, size_t account, struct tn_str access_key,
                   struct tn_str secret_key)
{
    if (c->key_count == CONFIG_KEY_COUNT_MAX)
        return TARN_ETOOBIG;
    struct config_key *grown = tn_realloc(c->keys, (c->key_count + 1) * sizeof *grown);
    if (!grown)
        return TARN_ENOMEM;
    c->keys = grown;
    struct config_key key = { tn_memdup(access_key.data, access_key.len),
                              tn_memdup(secret_key.data, secret_key.len), account };
    if (!key.access_key || !key.secret_key) {
        tn_free(key.access_key);
        tn_free_secret(key.secret_key);
        return TARN_ENOMEM;
    }
    c->keys[c->key_count++] = key;
    return TARN_OK;
}

int config_key_add(struct config *c, struct tn_str access_key, struct tn_str secret_key)
{
    return key_add(c, 0, access_key, secret_key);
}

/* --- YAML --- */

enum row_kind {
    ROW_SCALAR,
    ROW_LIST,
    ROW_MAP,
    ROW_KEYS,
    ROW_ACCOUNTS,
    ROW_PROVIDERS,
    ROW_TARGETS,
};

/* One key of a mapping. */
struct row {
    const char *name;
    enum row_kind kind;
    size_t offset; /* of the field in struct config */
    value_fn set;
    const struct row *rows; /* of a mapping, ended by a row without a name */
};

#define FIELD(name) offsetof(struct config, name)

static const struct row tls_rows[] = {
    { "cert", ROW_SCALAR, FIELD(tls_cert), set_text, NULL },
    { "key", ROW_SCALAR, FIELD(tls_key), set_text, NULL },
    { NULL, ROW_SCALAR, 0, NULL, NULL },
};

static const struct row limit_rows[] = {
    { "connections", ROW_SCALAR, FIELD(connection_max), set_count, NULL },
    { "loops", ROW_SCALAR, FIELD(loop_count), set_count, NULL },
    { "workers", ROW_SCALAR, FIELD(worker_count), set_count, NULL },
    { "head_timeout_ms", ROW_SCALAR, FIELD(head_timeout_ms), set_ms, NULL },
    { "body_timeout_ms", ROW_SCALAR, FIELD(body_timeout_ms), set_ms, NULL },
    { "idle_timeout_ms", ROW_SCALAR, FIELD(idle_timeout_ms), set_ms, NULL },
    { "grace_ms", ROW_SCALAR, FIELD(grace_ms), set_ms, NULL },
    { "inline_size", ROW_SCALAR, FIELD(inline_max), set_size, NULL },
    { "memory_limit", ROW_SCALAR, FIELD(memory_limit), set_memory, NULL },
    { NULL, ROW_SCALAR, 0, NULL, NULL },
};

static const struct row account_rows[] = {
    { "id", ROW_SCALAR, FIELD(account.id), set_text, NULL },
    { "canonical_id", ROW_SCALAR, FIELD(account.canonical_id), set_text, NULL },
    { "name", ROW_SCALAR, FIELD(account.name), set_text, NULL },
    { "email", ROW_SCALAR, FIELD(account.email), set_text, NULL },
    { NULL, ROW_SCALAR, 0, NULL, NULL },
};

static const struct row top_rows[] = {
    { "data", ROW_SCALAR, FIELD(data), set_text, NULL },
    { "listen", ROW_SCALAR, FIELD(listen), set_text, NULL },
    { "region", ROW_SCALAR, FIELD(region), set_region, NULL },
    { "domains", ROW_LIST, 0, add_domain, NULL },
    { "website_domains", ROW_LIST, 0, add_website, NULL },
    { "auth", ROW_SCALAR, 0, set_auth, NULL },
    { "log_level", ROW_SCALAR, 0, set_log_level, NULL },
    { "encryption_keys", ROW_SCALAR, FIELD(encryption_keys), set_text, NULL },
    { "access_log_flush_s", ROW_SCALAR, FIELD(access_log_flush_s), set_count, NULL },
    { "lifecycle_day_s", ROW_SCALAR, FIELD(lifecycle_day_s), set_count, NULL },
    { "access_keys", ROW_KEYS, 0, NULL, NULL },
    { "account", ROW_MAP, 0, NULL, account_rows },
    { "accounts", ROW_ACCOUNTS, 0, NULL, NULL },
    { "identity_providers", ROW_PROVIDERS, 0, NULL, NULL },
    { "notification_targets", ROW_TARGETS, 0, NULL, NULL },
    { "notification_queue_max", ROW_SCALAR, FIELD(notification_queue_max), set_count, NULL },
    { "tls", ROW_MAP, 0, NULL, tls_rows },
    { "limits", ROW_MAP, 0, NULL, limit_rows },
    { NULL, ROW_SCALAR, 0, NULL, NULL },
};

struct reader {
    struct config *config;
    const char *name;
    yaml_document_t *document;
    struct tarn_error *err;
};

static int fail_at(const struct reader *y, const yaml_node_t *node, const char *what,
                   const char *expected)
{
    return tn_fail(y->err, TARN_ECONFIG, "%s:%zu: %s, expected %s", y->name,
                   node->start_mark.line + 1, what, expected);
}

static struct tn_str scalar_of(const yaml_node_t *node)
{
    if (!node || node->type != YAML_SCALAR_NODE)
        return (struct tn_str){ NULL, 0 };
    return (struct tn_str){ (const char *)node->data.scalar.value, node->data.scalar.length };
}

static int read_scalar(const struct reader *y, const struct row *row, const yaml_node_t *node)
{
    const char *expected = "a single value";
    char what[160];
    struct tn_str text = scalar_of(node);
    (void)snprintf(what, sizeof what, "bad value of \"%s\"", row->name);
    if (!text.data)
        return fail_at(y, node, what, expected);
    int rc = row->set(y->config, (char *)y->config + row->offset, text, &expected);
    if (rc == TARN_ECONFIG)
        return fail_at(y, node, what, expected);
    return rc < 0 ? tn_fail(y->err, rc, "could not read \"%s\"", y->name) : TARN_OK;
}

static int read_list(const struct reader *y, const struct row *row, const yaml_node_t *node)
{
    if (node->type != YAML_SEQUENCE_NODE)
        return fail_at(y, node, row->name, "a list");
    int rc = TARN_OK;
    const yaml_node_item_t *item = node->data.sequence.items.start;
    for (; rc == TARN_OK && item < node->data.sequence.items.top; item++)
        rc = read_scalar(y, row, yaml_document_get_node(y->document, *item));
    return rc;
}

static int read_key(const struct reader *y, size_t account, const yaml_node_t *node)
{
    static const char expected[] = "a mapping of access_key and secret_key";
    struct tn_str key = { NULL, 0 };
    struct tn_str secret = { NULL, 0 };
    if (node->type != YAML_MAPPING_NODE)
        return fail_at(y, node, "bad access key", expected);
    const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
    for (; pair < node->data.mapping.pairs.top; pair++) {
        struct tn_str name = scalar_of(yaml_document_get_node(y->document, pair->key));
        struct tn_str value = scalar_of(yaml_document_get_node(y->document, pair->value));
        if (tn_str_eq(name, TN_STR("access_key")) && !key.data)
            key = value;
        else if (tn_str_eq(name, TN_STR("secret_key")) && !secret.data)
            secret = value;
        else
            return fail_at(y, node, "bad access key", expected);
    }
    if (key.len < 3 || key.len > 128 || secret.len < 8 || secret.len > 256)
        return fail_at(y, node, "bad access key",
                       "an access_key of 3 to 128 and a secret_key of 8 to 256 characters");
    int rc = key_add(y->config, account, key, secret);
    return rc < 0 ? tn_fail(y->err, rc, "could not read \"%s\"", y->name) : TARN_OK;
}

static int read_keys(const struct reader *y, size_t account, const yaml_node_t *node)
{
    if (node->type != YAML_SEQUENCE_NODE)
        return fail_at(y, node, "bad access_keys", "a list of access_key and secret_key");
    int rc = TARN_OK;
    const yaml_node_item_t *item = node->data.sequence.items.start;
    for (; rc == TARN_OK && item < node->data.sequence.items.top; item++)
        rc = read_key(y, account, yaml_document_get_node(y->document, *item));
    return rc;
}

/* --- Lists of mappings: accounts, identity providers --- */

/* One text of such a mapping. */
struct field {
    const char *name;
    char **text;
};

/* Reads a value into the field of that name; false when there is none or it has one already. */
static int read_field(const struct reader *y, const struct field *fields, size_t count,
                      struct tn_str name, const yaml_node_t *node)
{
    const char *expected;
    struct tn_str value = scalar_of(node);
    for (size_t i = 0; i < count; i++) {
        if (!tn_str_eq(name, tn_str_from(fields[i].name)) || *fields[i].text || !value.data)
            continue;
        return set_text(y->config, fields[i].text, value, &expected);
    }
    return TARN_ECONFIG;
}

static int read_account(const struct reader *y, const yaml_node_t *node)
{
    static const char expected[] = "a mapping of id, canonical_id, name, email and access_keys";
    struct config *c = y->config;
    const yaml_node_t *keys = NULL;
    if (node->type != YAML_MAPPING_NODE || c->account_count == CONFIG_ACCOUNT_COUNT_MAX)
        return fail_at(y, node, "bad account", expected);
    struct config_account *grown = tn_realloc(c->accounts, (c->account_count + 1) * sizeof *grown);
    if (!grown)
        return tn_fail(y->err, TARN_ENOMEM, "could not read \"%s\"", y->name);
    c->accounts = grown;
    struct config_account *a = &grown[c->account_count++];
    *a = (struct config_account){ 0 };
    const struct field fields[] = { { "id", &a->id },
                                    { "canonical_id", &a->canonical_id },
                                    { "name", &a->name },
                                    { "email", &a->email } };
    const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
    for (; pair < node->data.mapping.pairs.top; pair++) {
        struct tn_str name = scalar_of(yaml_document_get_node(y->document, pair->key));
        const yaml_node_t *value = yaml_document_get_node(y->document, pair->value);
        if (tn_str_eq(name, TN_STR("access_keys")) && !keys)
            keys = value;
        else if (read_field(y, fields, TN_COUNT(fields), name, value) < 0)
            return fail_at(y, node, "bad account", expected);
    }
    if (!a->id)
        return fail_at(y, node, "an account without id", expected);
    return keys ? read_keys(y, c->account_count, keys) : TARN_OK;
}

static int read_provider(const struct reader *y, const yaml_node_t *node)
{
    static const char expected[] = "a mapping of issuer, jwks_file and audience";
    struct config *c = y->config;
    if (node->type != YAML_MAPPING_NODE || c->provider_count == CONFIG_PROVIDER_COUNT_MAX)
        return fail_at(y, node, "bad identity provider", expected);
    struct config_provider *grown =
        tn_realloc(c->providers, (c->provider_count + 1) * sizeof *grown);
    if (!grown)
        return tn_fail(y->err, TARN_ENOMEM, "could not read \"%s\"", y->name);
    c->providers = grown;
    struct config_provider *p = &grown[c->provider_count++];
    *p = (struct config_provider){ 0 };
    const struct field fields[] = { { "issuer", &p->issuer },
                                    { "jwks_file", &p->jwks_file },
                                    { "audience", &p->audience } };
    const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
    for (; pair < node->data.mapping.pairs.top; pair++) {
        struct tn_str name = scalar_of(yaml_document_get_node(y->document, pair->key));
        if (read_field(y, fields, TN_COUNT(fields), name,
                       yaml_document_get_node(y->document, pair->value)) < 0)
            return fail_at(y, node, "bad identity provider", expected);
    }
    return p->issuer && p->jwks_file
               ? TARN_OK
               : fail_at(y, node, "an identity provider without issuer or jwks_file", expected);
}

/* What is in it is the sender's to judge. */
static int read_target(const struct reader *y, const yaml_node_t *node)
{
    static const char expected[] =
        "a mapping of arn with webhook and auth_token, or with redis, password, key and format";
    struct config *c = y->config;
    if (node->type != YAML_MAPPING_NODE || c->target_count == CONFIG_TARGET_COUNT_MAX)
        return fail_at(y, node, "bad notification target", expected);
    struct config_target *grown = tn_realloc(c->targets, (c->target_count + 1) * sizeof *grown);
    if (!grown)
        return tn_fail(y->err, TARN_ENOMEM, "could not read \"%s\"", y->name);
    c->targets = grown;
    struct config_target *t = &grown[c->target_count++];
    *t = (struct config_target){ 0 };
    const struct field fields[] = {
        { "arn", &t->arn },       { "webhook", &t->webhook },   { "auth_token", &t->auth_token },
        { "redis", &t->redis },   { "password", &t->password }, { "key", &t->key },
        { "format", &t->format },
    };
    const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
    for (; pair < node->data.mapping.pairs.top; pair++) {
        struct tn_str name = scalar_of(yaml_document_get_node(y->document, pair->key));
        if (read_field(y, fields, TN_COUNT(fields), name,
                       yaml_document_get_node(y->document, pair->value)) < 0)
            return fail_at(y, node, "bad notification target", expected);
    }
    return t->arn && !t->webhook != !t->redis
               ? TARN_OK
               : fail_at(y, node, "a notification target without arn, webhook or redis", expected);
}

static int read_each(const struct reader *y, const struct row *row, const yaml_node_t *node,
                     int (*read)(const struct reader *y, const yaml_node_t *node))
{
    if (node->type != YAML_SEQUENCE_NODE)
        return fail_at(y, node, row->name, "a list of mappings");
    int rc = TARN_OK;
    const yaml_node_item_t *item = node->data.sequence.items.start;
    for (; rc == TARN_OK && item < node->data.sequence.items.top; item++)
        rc = read(y, yaml_document_get_node(y->document, *item));
    return rc;
}

static int read_map(const struct reader *y, const struct row *rows, const yaml_node_t *node);

static int read_row(const struct reader *y, const struct row *row, const yaml_node_t *node)
{
    switch (row->kind) {
    case ROW_LIST:
        return read_list(y, row, node);
    case ROW_MAP:
        return read_map(y, row->rows, node);
    case ROW_KEYS:
        return read_keys(y, 0, node);
    case ROW_ACCOUNTS:
        return read_each(y, row, node, read_account);
    case ROW_PROVIDERS:
        return read_each(y, row, node, read_provider);
    case ROW_TARGETS:
        return read_each(y, row, node, read_target);
    default:
        return read_scalar(y, row, node);
    }
}

static int fail_unknown(const struct reader *y, const struct row *rows, const yaml_node_t *node)
{
    TN_AUTO_BUF names = TN_BUF_INIT(1024);
    char what[160];
    struct tn_str name = scalar_of(node);
    if (name.len > 100)
        name.len = 100;
    for (; rows->name; rows++) {
        if (tn_buf_appendf(&names, "%s%s", names.len ? ", " : "one of ", rows->name) < 0)
            break;
    }
    (void)snprintf(what, sizeof what, "unknown key \"%.*s\"", TN_STR_ARG(name));
    return fail_at(y, node, what, names.data);
}

static const struct row *row_find(const struct row *rows, struct tn_str name)
{
    for (; rows->name; rows++) {
        if (tn_str_eq(tn_str_from(rows->name), name))
            return rows;
    }
    return NULL;
}

/* The depth is that of the tables above, whatever the document holds. */
static int read_map(const struct reader *y, const struct row *rows, const yaml_node_t *node)
{
    uint64_t seen = 0;
    if (node->type != YAML_MAPPING_NODE)
        return fail_at(y, node, "bad value", "a mapping of keys to values");
    const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
    for (; pair < node->data.mapping.pairs.top; pair++) {
        const yaml_node_t *key = yaml_document_get_node(y->document, pair->key);
        const struct row *row = row_find(rows, scalar_of(key));
        if (!row)
            return fail_unknown(y, rows, key);
        uint64_t bit = UINT64_C(1) << (row - rows);
        if (seen & bit)
            return fail_at(y, key, "a key that comes twice", "each key once");
        seen |= bit;
        int rc = read_row(y, row, yaml_document_get_node(y->document, pair->value));
        if (rc < 0)
            return rc;
    }
    return TARN_OK;
}

static int fail_yaml(const yaml_parser_t *parser, const char *name, struct tarn_error *err)
{
    if (parser->error == YAML_MEMORY_ERROR)
        return tn_fail(err, TARN_ENOMEM, "could not read \"%s\"", name);
    return tn_fail(err, TARN_ECONFIG, "%s:%zu: %s, expected YAML", name,
                   parser->problem_mark.line + 1,
                   parser->problem ? parser->problem : "malformed text");
}

static int read_document(struct config *c, const char *name, yaml_parser_t *parser,
                         struct tarn_error *err)
{
    yaml_document_t document;
    if (!yaml_parser_load(parser, &document))
        return fail_yaml(parser, name, err);
    struct reader y = { c, name, &document, err };
    const yaml_node_t *root = yaml_document_get_root_node(&document);
    int rc = root ? read_map(&y, top_rows, root) : TARN_OK;
    yaml_document_delete(&document);
    return rc;
}

int config_parse(struct config *c, const char *name, struct tn_str text, struct tarn_error *err)
{
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser))
        return tn_fail(err, TARN_ENOMEM, "could not read \"%s\"", name);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text.data, text.len);
    int rc = read_document(c, name, &parser, err);
    yaml_parser_delete(&parser);
    return rc;
}

/* --- Command line --- */

static const struct option {
    const char *name;
    size_t offset;
    value_fn set; /* NULL: no value */
} options[] = {
    { "--data", FIELD(data), set_text },
    { "--listen", FIELD(listen), set_text },
    { "--config", SIZE_MAX, set_text },
    { "--tls-cert", FIELD(tls_cert), set_text },
    { "--tls-key", FIELD(tls_key), set_text },
    { "--region", FIELD(region), set_region },
    { "--domain", 0, add_domain },
    { "--log-level", 0, set_log_level },
    { "--help", FIELD(wants_help), NULL },
    { "--version", FIELD(wants_version), NULL },
};

static const struct option *option_find(struct tn_str name)
{
    for (size_t i = 0; i < TN_COUNT(options); i++) {
        if (tn_str_eq(tn_str_from(options[i].name), name))
            return &options[i];
    }
    return NULL;
}

static int set_option(struct config *c, const struct option *option, const char *value, char **file,
                      struct tarn_error *err)
{
    const char *expected = "";
    void *field = option->offset == SIZE_MAX ? (void *)file : (void *)((char *)c + option->offset);
    int rc = option->set(c, field, tn_str_from(value), &expected);
    if (rc == TARN_ECONFIG)
        return tn_fail(err, rc, "bad value \"%s\" of %s, expected %s", value, option->name,
                       expected);
    return rc < 0 ? tn_fail(err, rc, "could not read %s", option->name) : TARN_OK;
}

static int read_args(struct config *c, int argc, char *const *argv, char **file,
                     struct tarn_error *err)
{
    for (int i = 1; i < argc; i++) {
        const char *value = strchr(argv[i], '=');
        size_t name_len = value ? (size_t)(value - argv[i]) : strlen(argv[i]);
        const struct option *option = option_find((struct tn_str){ argv[i], name_len });
        if (!option)
            return tn_fail(err, TARN_ECONFIG, "unknown argument \"%s\"; see --help", argv[i]);
        if (!option->set) {
            if (value)
                return tn_fail(err, TARN_ECONFIG, "%s takes no value", option->name);
            *((bool *)((char *)c + option->offset)) = true;
            continue;
        }
        value = value ? value + 1 : i + 1 < argc ? argv[++i] : NULL;
        if (!value)
            return tn_fail(err, TARN_ECONFIG, "%s needs a value", option->name);
        int rc = set_option(c, option, value, file, err);
        if (rc < 0)
            return rc;
    }
    return TARN_OK;
}

static int read_file(struct config *c, const char *path, struct tarn_error *err)
{
    TN_AUTO_BUF text = TN_BUF_INIT(CONFIG_FILE_LEN_MAX);
    int rc = tn_file_read(path, &text, err);
    return rc < 0 ? rc : config_parse(c, path, tn_buf_str(&text), err);
}

static int read_environment(struct config *c, struct tarn_error *err)
{
    struct tn_str key = tn_str_from(getenv("TARN_ACCESS_KEY"));
    struct tn_str secret = tn_str_from(getenv("TARN_SECRET_KEY"));
    if (key.len == 0 && secret.len == 0)
        return TARN_OK;
    if (key.len == 0 || secret.len == 0)
        return tn_fail(err, TARN_ECONFIG,
                       "TARN_ACCESS_KEY and TARN_SECRET_KEY go together: one of them is missing");
    int rc = config_key_add(c, key, secret);
    return rc < 0 ? tn_fail(err, rc, "could not keep the access key") : TARN_OK;
}

static int check_whole(struct config *c, struct tarn_error *err)
{
    const char *unused;
    if (!c->data)
        return tn_fail(err, TARN_ECONFIG,
                       "no data directory: give --data DIR or \"data\" in the "
                       "configuration");
    if (!c->tls_cert != !c->tls_key)
        return tn_fail(err, TARN_ECONFIG,
                       "a TLS certificate and its key go together: one of them "
                       "is missing");
    if (!c->listen && set_text(c, &c->listen, TN_STR("127.0.0.1:9000"), &unused) < 0)
        return tn_fail(err, TARN_ENOMEM, "could not read the configuration");
    return TARN_OK;
}

/* The file first, then the command line over it: so it is read twice. */
int config_read(struct config *c, int argc, char *const *argv, struct tarn_error *err)
{
    struct config dry;
    char *file = NULL;
    config_init(&dry);
    int rc = read_args(&dry, argc, argv, &file, err);
    c->wants_help = dry.wants_help;
    c->wants_version = dry.wants_version;
    config_release(&dry);
    bool is_done = c->wants_help || c->wants_version;
    if (rc == TARN_OK && !is_done && file)
        rc = read_file(c, file, err);
    if (rc == TARN_OK && !is_done)
        rc = read_args(c, argc, argv, &file, err);
    if (rc == TARN_OK && !is_done)
        rc = read_environment(c, err);
    if (rc == TARN_OK && !is_done)
        rc = check_whole(c, err);
    tn_free(file);
    return rc;
}
