/* SPDX-License-Identifier: Apache-2.0 */
/* What tarnd was told: command line, configuration file (YAML), environment. The command line wins
 * over the file, the environment's keys stand beside the file's. */

#ifndef SERVER_CONFIG_H
#define SERVER_CONFIG_H

#include "base/fail.h"
#include "base/log.h"
#include "base/str.h"

enum {
    CONFIG_FILE_LEN_MAX = 1024 * 1024,
    CONFIG_TEXT_LEN_MAX = 4096,
    CONFIG_KEY_COUNT_MAX = 1000,
    CONFIG_DOMAIN_COUNT_MAX = 30,
    CONFIG_ACCOUNT_COUNT_MAX = 1000,
    CONFIG_PROVIDER_COUNT_MAX = 16,
    CONFIG_TARGET_COUNT_MAX = 16,
    CONFIG_MEMORY_MIN = 32 * 1024 * 1024,
};

struct config_key {
    char *access_key;
    char *secret_key;
    size_t account; /* 0: the server's own, else 1 + its place in the list */
};

/* Who owns buckets. NULL where nothing was said. */
struct config_account {
    char *id;
    char *canonical_id;
    char *name;
    char *email;
};

/* Who vouches for web identities. */
struct config_provider {
    char *issuer;
    char *jwks_file;
    char *audience; /* NULL: any */
};

/* Where events of buckets may be sent. */
struct config_target {
    char *arn;
    char *webhook;
    char *auth_token;
    char *redis;
    char *password;
    char *key;
    char *format;
};

/* Texts are owned; NULL where nothing was said. */
struct config {
    char *data;
    char *listen; /* never NULL after config_read() */
    char *region;
    char *tls_cert;
    char *tls_key;
    char *encryption_keys;       /* a file of keys; NULL: only customers bring theirs */
    uint64_t access_log_flush_s; /* 0: the default */
    uint64_t lifecycle_day_s;    /* length of a day; 0: 86,400 */
    char *domains[CONFIG_DOMAIN_COUNT_MAX];
    size_t domain_count;
    char *websites[CONFIG_DOMAIN_COUNT_MAX];
    size_t website_count;
    struct config_key *keys;
    size_t key_count;
    struct config_account account; /* the server's own */
    struct config_account *accounts;
    size_t account_count;
    struct config_provider *providers;
    size_t provider_count;
    struct config_target *targets;
    size_t target_count;
    uint64_t notification_queue_max; /* events; 0: the default */
    bool is_auth_off;
    enum tn_log_level log_level;
    uint64_t connection_max; /* 0: the default, like all limits */
    uint64_t loop_count;
    uint64_t worker_count;
    uint64_t head_timeout_ms;
    uint64_t body_timeout_ms;
    uint64_t idle_timeout_ms;
    uint64_t grace_ms; /* for what runs when it is told to stop */
    uint64_t inline_max;
    uint64_t memory_limit; /* bytes; bodies, windows and hot keys share what the rest leaves */
    bool wants_help;
    bool wants_version;
};

void config_init(struct config *c);
void config_release(struct config *c); /* wipes the secrets */

/* Reads a YAML document into `c`; `name` is for messages. TARN_ECONFIG: "NAME:LINE: what is wrong,
 * what was expected"; `c` may hold a part of it then. */
TN_MUST_USE int config_parse(struct config *c, const char *name, struct tn_str text,
                             struct tarn_error *err);

/* Command line, file, environment, defaults. TARN_ECONFIG with a message for the user. */
TN_MUST_USE int config_read(struct config *c, int argc, char *const *argv, struct tarn_error *err);

/* Adds a key pair of the server's own account; copies both. */
TN_MUST_USE int config_key_add(struct config *c, struct tn_str access_key,
                               struct tn_str secret_key);

/* For --help. */
extern const char config_usage[];

#endif
