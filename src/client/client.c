/* SPDX-License-Identifier: Apache-2.0 */
/* Making and ending a client; its shared caches. */

#include "client/attributes.h"
#include "client/client_impl.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

enum { LOOP_BUSY_COUNT = 32 }; /* requests in each loop before another one is started */

/* How much of a limit may go out at once. */
#define BANDWIDTH_BURST_S 0.1
#define REQUEST_BURST_S 0.05
#define REQUEST_RATE_LIMIT 1e9

const char *tarn_version(void)
{
    return TARN_VERSION;
}

static void lock_share(CURL *easy, curl_lock_data data, curl_lock_access access, void *arg)
{
    struct tarn_client *c = arg;
    (void)easy;
    (void)data;
    (void)access;
    (void)pthread_mutex_lock(&c->share_lock);
}

static void unlock_share(CURL *easy, curl_lock_data data, void *arg)
{
    struct tarn_client *c = arg;
    (void)easy;
    (void)data;
    (void)pthread_mutex_unlock(&c->share_lock);
}

static int make_share(struct tarn_client *c)
{
    c->share = curl_share_init();
    if (!c->share)
        return TARN_ENOMEM;
    (void)curl_share_setopt(c->share, CURLSHOPT_LOCKFUNC, lock_share);
    (void)curl_share_setopt(c->share, CURLSHOPT_UNLOCKFUNC, unlock_share);
    (void)curl_share_setopt(c->share, CURLSHOPT_USERDATA, c);
    return curl_share_setopt(c->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION) == CURLSHE_NOMEM
               ? TARN_ENOMEM
               : TARN_OK;
}

static int set_credentials(struct tarn_client *c)
{
    const struct tn_settings *s = &c->settings;
    const struct tn_cred_context context = { .ca_bundle = s->ca_bundle,
                                             .proxy = s->proxy,
                                             .user_agent = s->user_agent,
                                             .skip_tls_verify = s->skip_tls_verify,
                                             .ignore_environment = s->ignore_environment,
                                             .is_cancelled = &c->is_cancelled };
    return tn_cred_store_set(&c->credentials, s->credentials, &context);
}

static const char *get_environment(const char *name)
{
    return getenv(name);
}

static bool is_set(const char *variable)
{
    const char *value = getenv(variable);
    return value && *value;
}

/* Proxies and TLS are curl's. */
static bool can_do_without_curl(const struct tn_settings *s)
{
    bool has_proxy =
        s->proxy || (!s->ignore_environment &&
                     (is_set("http_proxy") || is_set("all_proxy") || is_set("ALL_PROXY")));
    return !s->is_https && !has_proxy;
}

struct tarn_client *tarn_client_new(const struct tarn_config *config, struct tarn_error *err)
{
    struct tarn_config defaults;
    if (!config) {
        tarn_config_init(&defaults);
        config = &defaults;
    }
    struct tarn_client *c = tn_calloc(1, sizeof *c);
    if (!c) {
        (void)tn_fail(err, TARN_ENOMEM, "could not create client: out of memory");
        return NULL;
    }
    (void)pthread_mutex_init(&c->share_lock, NULL);
    (void)pthread_mutex_init(&c->pool.lock, NULL);
    (void)pthread_mutex_init(&c->regions.lock, NULL);
    (void)pthread_mutex_init(&c->loops.lock, NULL);
    atomic_store(&c->retry_tokens, TN_RETRY_TOKENS_MAX);
    tn_cred_store_init(&c->credentials);
    tn_hosts_init(&c->hosts);
    tn_budget_init(&c->budget, config->memory_max);
    tn_limit_init(&c->bandwidth, (double)config->bandwidth_max,
                  (double)config->bandwidth_max * BANDWIDTH_BURST_S);
    tn_pace_init(&c->pace, tn_now_ns());
    tn_limit_init(&c->request_rate, config->request_rate_max,
                  config->request_rate_max * REQUEST_BURST_S + 1);
    if (!(config->request_rate_max >= 0 && config->request_rate_max < REQUEST_RATE_LIMIT)) {
        (void)tn_fail(err, TARN_ECONFIG, "could not use request_rate_max: not a rate");
        goto fail;
    }
    if (tn_settings_make(config, get_environment, &c->settings, err) < 0)
        goto fail;
    c->loops.max = c->settings.io_threads;
    c->has_wire = !config->use_curl && can_do_without_curl(&c->settings);
    if (!c->has_wire && tn_curl_load(err) < 0)
        goto fail;
    if (!c->has_wire && make_share(c) < 0) {
        (void)tn_fail(err, TARN_ENOMEM, "could not create client: out of memory");
        goto fail;
    }
    int rc = set_credentials(c);
    if (rc < 0) {
        (void)tn_fail(err, rc == TARN_ENOMEM ? rc : TARN_ECREDENTIALS,
                      "could not create client: %s",
                      rc == TARN_ENOMEM ? tarn_status_text(rc) : "a bad byte in the keys");
        goto fail;
    }
    return c;

fail:
    tarn_client_free(c);
    return NULL;
}

void tarn_client_free(struct tarn_client *client)
{
    if (!client)
        return;
    for (int i = 0; i < atomic_load(&client->loops.count); i++)
        tn_loop_free(client->loops.items[i]);
    while (client->pool.first) {
        struct tn_op *op = client->pool.first;
        client->pool.first = op->next;
        tn_op_destroy(op);
    }
    if (client->share)
        (void)curl_share_cleanup(client->share);
    atomic_store(&client->is_cancelled, true); /* a fetch of keys ends early */
    tn_cred_store_release(&client->credentials);
    tn_settings_release(&client->settings);
    tn_budget_release(&client->budget);
    tn_hosts_release(&client->hosts);
    tn_limit_release(&client->bandwidth);
    tn_limit_release(&client->request_rate);
    tn_pace_release(&client->pace);
    (void)pthread_mutex_destroy(&client->share_lock);
    (void)pthread_mutex_destroy(&client->pool.lock);
    (void)pthread_mutex_destroy(&client->regions.lock);
    (void)pthread_mutex_destroy(&client->loops.lock);
    tn_free(client);
}

void tarn_client_cancel(struct tarn_client *client)
{
    int kept = errno;
    atomic_store(&client->is_cancelled, true);
    int count = atomic_load(&client->loops.count);
    for (int i = 0; i < count; i++)
        tn_loop_poke(client->loops.items[i]);
    errno = kept;
}

const char *tarn_client_endpoint(const struct tarn_client *client)
{
    return client->settings.endpoint;
}

const char *tarn_client_region(const struct tarn_client *client)
{
    return client->settings.region;
}

const char *tarn_client_access_key(const struct tarn_client *client)
{
    const struct tn_cred_source *source = client->settings.credentials;
    return source && source->kind == TN_CRED_STATIC ? source->texts[TN_CRED_ACCESS_KEY] : "";
}

int tarn_client_get_credentials(struct tarn_client *client, struct tarn_credentials *out,
                                struct tarn_error *err)
{
    int given = tn_check_given(client, "-", "-", TN_MISSING(out), err);
    if (given < 0)
        return given;
    struct tn_cred *cred = NULL;
    int rc = tn_cred_store_get(&client->credentials, NULL, &cred, err);
    if (rc < 0)
        return rc;
    *out = cred ? cred->value : (struct tarn_credentials){ 0 };
    tn_cred_unref(cred);
    return TARN_OK;
}

void tarn_client_get_stats(const struct tarn_client *client, struct tarn_client_stats *out)
{
    *out = (struct tarn_client_stats){
        .requests = atomic_load(&client->requests),
        .retries = atomic_load(&client->retries),
        .bytes_up = atomic_load(&client->bytes_up),
        .bytes_down = atomic_load(&client->bytes_down),
        .memory_used = atomic_load(&client->budget.used),
        .memory_peak = atomic_load(&client->budget.peak),
    };
}

void tn_client_region_get(struct tarn_client *c, const char *bucket, char out[TARN_REGION_LEN_MAX])
{
    size_t len = strlen(c->settings.region);
    assert(len < TARN_REGION_LEN_MAX);
    memcpy(out, c->settings.region, len + 1);
    if (!bucket)
        return;
    (void)pthread_mutex_lock(&c->regions.lock);
    for (size_t i = 0; i < TN_REGION_CACHE_COUNT && c->regions.slots[i].bucket[0]; i++) {
        if (strcmp(c->regions.slots[i].bucket, bucket) == 0) {
            (void)snprintf(out, TARN_REGION_LEN_MAX, "%s", c->regions.slots[i].region);
            break;
        }
    }
    (void)pthread_mutex_unlock(&c->regions.lock);
}

void tn_client_region_set(struct tarn_client *c, const char *bucket, struct tn_str region)
{
    if (!bucket || strlen(bucket) >= sizeof c->regions.slots[0].bucket ||
        region.len >= TARN_REGION_LEN_MAX || !tn_str_is_token(region))
        return; /* it becomes a part of host names and signatures */
    (void)pthread_mutex_lock(&c->regions.lock);
    size_t at = c->regions.next;
    for (size_t i = 0; i < TN_REGION_CACHE_COUNT; i++) {
        if (strcmp(c->regions.slots[i].bucket, bucket) == 0)
            at = i;
    }
    if (at == c->regions.next)
        c->regions.next = (at + 1) % TN_REGION_CACHE_COUNT;
    (void)snprintf(c->regions.slots[at].bucket, sizeof c->regions.slots[at].bucket, "%s", bucket);
    (void)snprintf(c->regions.slots[at].region, TARN_REGION_LEN_MAX, "%.*s", TN_STR_ARG(region));
    (void)pthread_mutex_unlock(&c->regions.lock);
}

static struct tn_loop *least_loaded(const struct tarn_client *c, int count)
{
    struct tn_loop *best = NULL;
    for (int i = 0; i < count; i++) {
        if (!best || tn_loop_load(c->loops.items[i]) < tn_loop_load(best))
            best = c->loops.items[i];
    }
    return best;
}

/* With the loops' lock held. */
static struct tn_loop *start_loop(struct tarn_client *c, struct tarn_error *err)
{
    int count = atomic_load(&c->loops.count);
    int active_max = (c->settings.connections_max + c->loops.max - 1) / c->loops.max;
    struct tn_loop *made = tn_loop_new(c, active_max, err);
    if (!made)
        return NULL;
    c->loops.items[count] = made;
    atomic_store(&c->loops.count, count + 1);
    return made;
}

struct tn_loop *tn_client_loop_at(struct tarn_client *c, int i, struct tarn_error *err)
{
    (void)pthread_mutex_lock(&c->loops.lock);
    bool is_started = true;
    while (is_started && atomic_load(&c->loops.count) <= i)
        is_started = start_loop(c, err) != NULL;
    (void)pthread_mutex_unlock(&c->loops.lock);
    return is_started ? c->loops.items[i] : NULL;
}

struct tn_loop *tn_client_loop(struct tarn_client *c, struct tarn_error *err)
{
    int count = atomic_load(&c->loops.count);
    struct tn_loop *best = least_loaded(c, count);
    if (best && (count == c->loops.max || tn_loop_load(best) < LOOP_BUSY_COUNT))
        return best;

    (void)pthread_mutex_lock(&c->loops.lock);
    count = atomic_load(&c->loops.count);
    best = least_loaded(c, count);
    if (!best || (count < c->loops.max && tn_loop_load(best) >= LOOP_BUSY_COUNT)) {
        struct tn_loop *made = start_loop(c, best ? NULL : err);
        best = made ? made : best;
    }
    (void)pthread_mutex_unlock(&c->loops.lock);
    return best;
}

bool tn_client_may_retry(struct tarn_client *c, bool is_free)
{
    if (is_free)
        return true;
    int tokens = atomic_load(&c->retry_tokens);
    while (tokens >= TN_RETRY_COST) {
        if (atomic_compare_exchange_weak(&c->retry_tokens, &tokens, tokens - TN_RETRY_COST))
            return true;
    }
    return false;
}

void tn_client_did_well(struct tarn_client *c)
{
    int tokens = atomic_load_explicit(&c->retry_tokens, memory_order_relaxed);
    if (tokens < TN_RETRY_TOKENS_MAX)
        (void)atomic_compare_exchange_weak(&c->retry_tokens, &tokens, tokens + TN_RETRY_REFUND);
}

enum tn_checksum_kind tn_client_checksum(const struct tarn_client *c, enum tarn_checksum wanted)
{
    return tn_checksum_kind_of(wanted == TARN_CHECKSUM_DEFAULT ? c->settings.checksum : wanted);
}
