/* SPDX-License-Identifier: Apache-2.0 */
/* One small HTTP exchange with a source of keys. It has a handle of its own: the client's threads
 * wait for keys, and so cannot fetch them. */

#include "client/cred_fetch.h"

#include <time.h>

#include "base/rand.h"
#include "base/curl_door.h"

enum { TRIES_DEFAULT = 3, TIMEOUT_MS_DEFAULT = 10 * 1000, BACKOFF_MS = 100, SLICE_MS = 50 };

struct exchange {
    const struct tn_cred_context *context;
    struct tn_buf *answer;
    int rc;
};

static size_t on_body(char *bytes, size_t size, size_t count, void *arg)
{
    struct exchange *x = arg;
    x->rc = tn_buf_append(x->answer, bytes, size * count);
    return x->rc < 0 ? 0 : size * count;
}

static int on_progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    const struct exchange *x = arg;
    (void)a;
    (void)b;
    (void)c;
    (void)d;
    return atomic_load(x->context->is_cancelled) ? 1 : 0;
}

static struct curl_slist *make_lines(const struct tn_cred_http *request)
{
    struct curl_slist *list = curl_slist_append(NULL, "Expect:");
    for (size_t i = 0; list && i < TN_CRED_LINES_MAX && request->lines[i]; i++) {
        struct curl_slist *longer = curl_slist_append(list, request->lines[i]);
        if (!longer) {
            curl_slist_free_all(list);
            return NULL;
        }
        list = longer;
    }
    return list;
}

static void wipe_lines(struct curl_slist *list)
{
    for (struct curl_slist *l = list; l; l = l->next)
        tn_wipe(l->data, strlen(l->data));
    curl_slist_free_all(list);
}

/* False when libcurl has no memory for a text. */
static bool set_texts(CURL *curl, const struct tn_cred_http *request,
                      const struct tn_cred_context *c)
{
    bool has_no_proxy = request->is_local || (c->ignore_environment && !c->proxy);
    const char *proxy = has_no_proxy ? "" : c->proxy;
    return tn_curl_set_text(curl, CURLOPT_URL, request->url) &&
           tn_curl_set_text(curl, CURLOPT_PROTOCOLS_STR, "http,https") &&
           tn_curl_set_text(curl, CURLOPT_USERAGENT, c->user_agent) &&
           tn_curl_set_text(curl, CURLOPT_CUSTOMREQUEST, request->method) &&
           (!c->ca_bundle || tn_curl_set_text(curl, CURLOPT_CAINFO, c->ca_bundle)) &&
           (!proxy || tn_curl_set_text(curl, CURLOPT_PROXY, proxy));
}

static bool set_options(CURL *curl, const struct tn_cred_http *request, struct exchange *x)
{
    const struct tn_cred_context *c = x->context;
    long timeout_ms = request->timeout_ms > 0 ? request->timeout_ms : TIMEOUT_MS_DEFAULT;
    (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, tn_curl_open_socket);
    (void)curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, timeout_ms);
    (void)curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, timeout_ms);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, x);
    (void)curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    (void)curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    (void)curl_easy_setopt(curl, CURLOPT_XFERINFODATA, x);
    if (request->body) {
        (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body);
        (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)strlen(request->body));
    }
    if (c->skip_tls_verify) {
        (void)curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
        (void)curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    return set_texts(curl, request, c);
}

static int status_of(CURLcode code, const struct exchange *x)
{
    if (x->rc < 0)
        return x->rc;
    switch (code) {
    case CURLE_OK:
        return TARN_OK;
    case CURLE_ABORTED_BY_CALLBACK:
        return TARN_ECANCELLED;
    case CURLE_OPERATION_TIMEDOUT:
        return TARN_ETIMEOUT;
    case CURLE_OUT_OF_MEMORY:
        return TARN_ENOMEM;
    case CURLE_URL_MALFORMAT:
        return TARN_ECONFIG;
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return TARN_EPROTOCOL;
    default:
        return TARN_ENETWORK;
    }
}

static int try_once(CURL *curl, const struct tn_cred_http *request, struct exchange *x, int *status,
                    struct tarn_error *err)
{
    long http = 0;
    tn_wipe(x->answer->data, x->answer->len);
    tn_buf_truncate(x->answer, 0);
    x->rc = TARN_OK;
    CURLcode code = curl_easy_perform(curl);
    int rc = status_of(code, x);
    if (rc < 0)
        return tn_fail(err, rc, "could not get credentials from %.*s: %s",
                       (int)strcspn(request->url, "?"), request->url,
                       x->rc < 0 ? tarn_status_text(x->rc) : tn_curl_text(code));
    (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &http);
    *status = (int)http;
    return TARN_OK;
}

static void nap(long ms, const struct tn_cred_context *context)
{
    const struct timespec slice = { .tv_nsec = SLICE_MS * 1000000L };
    for (long done = 0; done < ms && !atomic_load(context->is_cancelled); done += SLICE_MS)
        (void)nanosleep(&slice, NULL);
}

static bool is_worth_another(int rc, int status)
{
    if (rc == TARN_OK)
        return status == 429 || status >= 500;
    return rc == TARN_ENETWORK || rc == TARN_ETIMEOUT || rc == TARN_EPROTOCOL;
}

static int run(CURL *curl, const struct tn_cred_http *request, struct exchange *x, int *status,
               struct tarn_error *err)
{
    int tries_max = request->tries_max > 0 ? request->tries_max : TRIES_DEFAULT;
    int rc = TARN_OK;
    for (int i = 1; i <= tries_max; i++) {
        rc = try_once(curl, request, x, status, err);
        if (i == tries_max || !is_worth_another(rc, *status))
            break;
        nap((long)tn_random_below((uint64_t)BACKOFF_MS << i), x->context);
    }
    return rc;
}

int tn_cred_http_run(const struct tn_cred_http *request, const struct tn_cred_context *context,
                     struct tn_buf *answer, int *status, struct tarn_error *err)
{
    struct exchange x = { .context = context, .answer = answer };
    *status = 0;
    int rc = tn_curl_load(err);
    if (rc < 0)
        return rc;
    CURL *curl = curl_easy_init();
    struct curl_slist *lines = curl ? make_lines(request) : NULL;
    rc = TARN_ENOMEM;
    if (lines && set_options(curl, request, &x)) {
        (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, lines);
        rc = run(curl, request, &x, status, err);
    } else {
        (void)tn_fail(err, rc, "could not get credentials: out of memory");
    }
    wipe_lines(lines);
    curl_easy_cleanup(curl);
    return rc;
}
