/* SPDX-License-Identifier: Apache-2.0 */
/* tarnd: puts store, auth, api and http together, and stops them in order. */

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__GLIBC__)
#include <malloc.h>
#endif

#include "base/file.h"
#include "base/rand.h"
#include "server/api/api.h"
#include "server/api/sse.h"
#include "server/api/iam_store.h"
#include "server/care.h"
#include "server/config.h"
#include "server/notify/sender.h"
#include "server/store/log_store.h"

enum {
    EXIT_RUNTIME = 1,
    EXIT_USAGE = 2,
    GRACE_MS = 30 * 1000,
    FILE_COUNT_WANTED = 65536,
    ACCESS_KEY_LEN = 20,
    SECRET_KEY_LEN = 40,
    CREDENTIALS_LEN_MAX = 4096,
    MEMORY_FIXED = 16 * 1024 * 1024, /* program, stacks, index, a thousand connections */

    /* Heaps keep what was freed in them, each its own share: few of them, and what is as large as a
     * window comes from the system and goes back to it. */
    HEAP_COUNT_MAX = 2,
    HEAP_PIECE_LEN_MAX = 192 * 1024,      /* less than a window, more than a body in memory */
    HEAP_SPARE_LEN_MAX = 4 * 1024 * 1024, /* bodies come and go: not each time to the system */
};

struct tarnd {
    struct config config;
    struct store *store;
    struct auth *auth;
    struct iam *iam;
    struct sse_keys *sse_keys;
    struct api_provider providers[CONFIG_PROVIDER_COUNT_MAX];
    struct notify_target targets[CONFIG_TARGET_COUNT_MAX];
    struct api *api;
    struct http_server *http;
    unsigned grace_ms;
    pthread_t signal_thread;
    bool has_signal_thread;
};

/* --- Signals: one thread waits for them, so that no handler has to be safe --- */

static void stop_signals(sigset_t *set)
{
    (void)sigemptyset(set);
    (void)sigaddset(set, SIGTERM);
    (void)sigaddset(set, SIGINT);
}

static void *wait_for_signals(void *arg)
{
    struct tarnd *t = arg;
    unsigned grace_ms = t->grace_ms;
    sigset_t set;
    int number;
    stop_signals(&set);
    while (sigwait(&set, &number) == 0) {
        tn_log(TN_LOG_INFO, "event=stopping signal=%d grace_ms=%u", number, grace_ms);
        http_server_stop(t->http, grace_ms);
        grace_ms = 0; /* the second one is impatient */
    }
    return NULL;
}

static int start_signal_thread(struct tarnd *t, struct tarn_error *err)
{
    if (pthread_create(&t->signal_thread, NULL, wait_for_signals, t) != 0)
        return tn_fail(err, TARN_ENOMEM, "could not start a thread");
    t->has_signal_thread = true;
    return TARN_OK;
}

#if defined(__GLIBC__)
static void limit_heaps(void)
{
    (void)mallopt(M_ARENA_MAX, HEAP_COUNT_MAX);
    (void)mallopt(M_MMAP_THRESHOLD, HEAP_PIECE_LEN_MAX);
    (void)mallopt(M_TRIM_THRESHOLD, HEAP_SPARE_LEN_MAX);
}
#else
static void limit_heaps(void)
{
}
#endif

static void prepare_process(void)
{
    sigset_t set;
    struct rlimit limit;
    stop_signals(&set);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    limit_heaps();
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < FILE_COUNT_WANTED) {
        limit.rlim_cur = limit.rlim_max < FILE_COUNT_WANTED ? limit.rlim_max : FILE_COUNT_WANTED;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* --- Keys --- */

static void random_text(const char *alphabet, size_t len, char *out)
{
    unsigned char bytes[SECRET_KEY_LEN];
    size_t count = strlen(alphabet);
    for (size_t i = 0; i < len;) {
        tn_random_bytes(bytes, 1);
        if (bytes[0] < 256 / count * count) /* the rest would favour some letters */
            out[i++] = alphabet[bytes[0] % count];
    }
    out[len] = '\0';
}

static int make_credentials(struct tarnd *t, const char *path, struct tarn_error *err)
{
    char access_key[ACCESS_KEY_LEN + 1];
    char secret_key[SECRET_KEY_LEN + 1];
    char text[256];
    random_text("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", ACCESS_KEY_LEN, access_key);
    random_text("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", SECRET_KEY_LEN,
                secret_key);
    int len = snprintf(text, sizeof text, "access_key=%s\nsecret_key=%s\n", access_key, secret_key);
    int rc = tn_file_replace(path, (struct tn_str){ text, (size_t)len }, 0600, err);
    if (rc == TARN_OK) {
        rc = config_key_add(&t->config, tn_str_from(access_key), tn_str_from(secret_key));
        tn_log(TN_LOG_INFO, "event=credentials_made path=\"%s\"", path);
    }
    tn_wipe(text, sizeof text);
    tn_wipe(secret_key, sizeof secret_key);
    return rc;
}

static int parse_credentials(struct tarnd *t, const char *path, struct tn_str text,
                             struct tarn_error *err)
{
    struct tn_str key = TN_STR_EMPTY;
    struct tn_str secret = TN_STR_EMPTY;
    while (text.len) {
        struct tn_str value = tn_str_split(&text, '\n');
        struct tn_str name = tn_str_trim(tn_str_split(&value, '='));
        if (tn_str_eq(name, TN_STR("access_key")))
            key = tn_str_trim(value);
        if (tn_str_eq(name, TN_STR("secret_key")))
            secret = tn_str_trim(value);
    }
    if (key.len == 0 || secret.len == 0)
        return tn_fail(err, TARN_ECONFIG,
                       "file \"%s\" lacks a line access_key=... or secret_key=...", path);
    int rc = config_key_add(&t->config, key, secret);
    return rc < 0 ? tn_fail(err, rc, "could not keep the access key") : TARN_OK;
}

static int read_credentials(struct tarnd *t, const char *path, struct tarn_error *err)
{
    TN_AUTO_BUF text = TN_BUF_INIT(CREDENTIALS_LEN_MAX);
    int rc = tn_file_read(path, &text, err);
    if (rc == TARN_OK)
        rc = parse_credentials(t, path, tn_buf_str(&text), err);
    tn_wipe(text.data, text.len);
    if (rc == TARN_OK)
        tn_log(TN_LOG_INFO, "event=credentials_read path=\"%s\"", path);
    return rc;
}

/* Without keys from elsewhere, those of DIR/credentials. There is no default password. */
static int find_keys(struct tarnd *t, struct tarn_error *err)
{
    struct stat info;
    if (t->config.is_auth_off) {
        tn_log(TN_LOG_WARN, "event=auth_off reason=\"anyone who can connect may read, write and "
                            "delete\"");
        return TARN_OK;
    }
    if (t->config.key_count)
        return TARN_OK;
    TN_AUTO_BUF path = TN_BUF_INIT(2 * CONFIG_TEXT_LEN_MAX);
    if (tn_buf_appendf(&path, "%s/credentials", t->config.data) < 0)
        return tn_fail(err, TARN_ENOMEM, "could not find the credentials");
    if (stat(path.data, &info) < 0 && errno == ENOENT)
        return make_credentials(t, path.data, err);
    return read_credentials(t, path.data, err);
}

/* --- Starting --- */

static void on_fatal(void *context, const char *reason)
{
    (void)context;
    tn_log(TN_LOG_ERROR, "event=store_failed reason=\"%s\"", reason);
    _exit(EXIT_RUNTIME);
}

/* What is left of the memory limit for what grows with the load: half of it for windows of large
 * bodies, three eighths for bodies that wait for their commit, one eighth for hot keys. */
static uint64_t memory_share(const struct tarnd *t, unsigned eighths)
{
    if (!t->config.memory_limit)
        return 0; /* the parts' own defaults, 44 MiB together */
    return (t->config.memory_limit - MEMORY_FIXED) / 8 * eighths;
}

static int start_store(struct tarnd *t, struct tarn_error *err)
{
    struct log_store_config config = { .dir = t->config.data,
                                       .body_memory_max = memory_share(t, 3),
                                       .cache_max = memory_share(t, 1),
                                       .inline_max = t->config.inline_max,
                                       .on_fatal = on_fatal,
                                       .ends_on_damage = true };
    return log_store_open(&config, &t->store, err);
}

static int add_accounts(struct tarnd *t, struct tarn_error *err)
{
    int rc = TARN_OK;
    for (size_t i = 0; rc == TARN_OK && i < t->config.account_count; i++) {
        const struct config_account *a = &t->config.accounts[i];
        const struct auth_account account = { .number = tn_str_from(a->id),
                                              .canonical_id = tn_str_from(a->canonical_id),
                                              .name = tn_str_from(a->name),
                                              .email = tn_str_from(a->email) };
        rc = auth_account_add(t->auth, &account, err);
    }
    return rc == TARN_EINVAL || rc == TARN_EEXISTS ? TARN_ECONFIG : rc;
}

static int start_auth(struct tarnd *t, struct tarn_error *err)
{
    struct auth_config config = { .is_off = t->config.is_auth_off,
                                  .region = t->config.region,
                                  .account = t->config.account.id,
                                  .id = t->config.account.canonical_id,
                                  .name = t->config.account.name,
                                  .email = t->config.account.email };
    int rc = find_keys(t, err);
    if (rc < 0)
        return rc;
    t->auth = auth_new(&config, err);
    if (!t->auth)
        return TARN_ECONFIG;
    rc = add_accounts(t, err);
    for (size_t i = 0; rc == TARN_OK && i < t->config.key_count; i++) {
        const struct config_key *key = &t->config.keys[i];
        struct tn_str account = auth_account_at(t->auth, key->account)->number;
        rc = auth_key_set_for(t->auth, tn_str_from(key->access_key), tn_str_from(key->secret_key),
                              account, TN_STR_EMPTY, err);
    }
    return rc;
}

/* Users and policies are in the store itself. */
static int start_iam(struct tarnd *t, struct tarn_error *err)
{
    struct iam_storage storage = api_iam_storage(t->store);
    return iam_new(t->auth, &storage, &t->iam, err);
}

static int start_encryption(struct tarnd *t, struct tarn_error *err)
{
    const char *path = t->config.encryption_keys;
    return path ? sse_keys_load(path, &t->sse_keys, err) : TARN_OK;
}

static int start_api(struct tarnd *t, struct tarn_error *err)
{
    const char *domains[CONFIG_DOMAIN_COUNT_MAX];
    const char *websites[CONFIG_DOMAIN_COUNT_MAX];
    for (size_t i = 0; i < t->config.domain_count; i++)
        domains[i] = t->config.domains[i];
    for (size_t i = 0; i < t->config.website_count; i++)
        websites[i] = t->config.websites[i];
    for (size_t i = 0; i < t->config.provider_count; i++) {
        const struct config_provider *p = &t->config.providers[i];
        t->providers[i] = (struct api_provider){ p->issuer, p->jwks_file, p->audience };
    }
    struct api_config config = { .store = t->store,
                                 .auth = t->auth,
                                 .iam = t->iam,
                                 .sse_keys = t->sse_keys,
                                 .providers = t->providers,
                                 .provider_count = t->config.provider_count,
                                 .region = t->config.region,
                                 .domains = domains,
                                 .domain_count = t->config.domain_count,
                                 .websites = websites,
                                 .website_count = t->config.website_count,
                                 .is_auth_off = t->config.is_auth_off };
    t->api = api_new(&config);
    if (!t->api || api_start(t->api, t->config.lifecycle_day_s, t->config.access_log_flush_s) < 0)
        return tn_fail(err, TARN_ENOMEM, "could not start");
    for (size_t i = 0; i < t->config.target_count; i++) {
        const struct config_target *c = &t->config.targets[i];
        t->targets[i] = (struct notify_target){ .arn = c->arn,
                                                .webhook = c->webhook,
                                                .auth_token = c->auth_token,
                                                .redis = c->redis,
                                                .password = c->password,
                                                .key = c->key,
                                                .format = c->format };
    }
    return api_start_notify(t->api, t->targets, t->config.target_count,
                            t->config.notification_queue_max, err);
}

static int start_http(struct tarnd *t, struct tarn_error *err)
{
    const struct config *c = &t->config;
    struct http_config config = { .listen = c->listen,
                                  .tls_cert = c->tls_cert,
                                  .tls_key = c->tls_key,
                                  .loop_count = (unsigned)c->loop_count,
                                  .worker_count = (unsigned)c->worker_count,
                                  .conn_max = (unsigned)c->connection_max,
                                  .window_budget = memory_share(t, 4),
                                  .head_timeout_ms = (unsigned)c->head_timeout_ms,
                                  .body_timeout_ms = (unsigned)c->body_timeout_ms,
                                  .idle_timeout_ms = (unsigned)c->idle_timeout_ms };
    api_bind(t->api, &config);
    t->grace_ms = c->grace_ms ? (unsigned)c->grace_ms : GRACE_MS;
    return http_server_new(&config, &t->http, err);
}

static int serve(struct tarnd *t, struct tarn_error *err)
{
    static int (*const steps[])(struct tarnd *, struct tarn_error *) = {
        start_store, start_auth, start_iam,           start_encryption,
        start_api,   start_http, start_signal_thread,
    };
    for (size_t i = 0; i < TN_COUNT(steps); i++) {
        int rc = steps[i](t, err);
        if (rc < 0)
            return rc;
    }
    tn_log(TN_LOG_INFO, "event=listening address=%s", http_server_address(t->http));
    return http_server_run(t->http, err);
}

/* The store last: it commits what the answers were waiting for. */
static void stop(struct tarnd *t)
{
    if (t->has_signal_thread) {
        (void)pthread_cancel(t->signal_thread);
        (void)pthread_join(t->signal_thread, NULL);
    }
    http_server_free(t->http);
    api_stop(t->api);
    if (t->store)
        t->store->ops->close(t->store);
    api_free(t->api);
    sse_keys_free(t->sse_keys);
    iam_free(t->iam);
    auth_free(t->auth);
    config_release(&t->config);
}

static int show(const char *text)
{
    (void)fputs(text, stdout);
    return fflush(stdout) == 0 ? 0 : EXIT_RUNTIME;
}

int main(int argc, char **argv)
{
    struct tarnd t = { 0 };
    struct tarn_error err = { 0 };
    if (argc > 1 && care_has(argv[1]))
        return care_run(argc, argv);
    config_init(&t.config);
    int rc = config_read(&t.config, argc, argv, &err);
    if (rc < 0) {
        (void)fprintf(stderr, "tarnd: %s\n", err.message);
        config_release(&t.config);
        return EXIT_USAGE;
    }
    if (t.config.wants_help || t.config.wants_version) {
        int code = show(t.config.wants_help ? config_usage : "tarnd " TARND_VERSION "\n");
        config_release(&t.config);
        return code;
    }
    tn_log_set_level(t.config.log_level);
    prepare_process();
    rc = serve(&t, &err);
    if (rc < 0)
        tn_log(TN_LOG_ERROR, "event=failed reason=\"%s\"", err.message);
    else
        tn_log(TN_LOG_INFO, "event=stopped");
    stop(&t);
    return rc == TARN_OK ? 0 : rc == TARN_ECONFIG ? EXIT_USAGE : EXIT_RUNTIME;
}
