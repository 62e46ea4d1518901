/* SPDX-License-Identifier: Apache-2.0 */
/* Events as the bodies of POSTs. */

#include "base/buf.h"
#include "base/curl_door.h"
#include "proto/uri.h"
#include "server/notify/sender.h"

enum { HEADER_LEN_MAX = 8192, CONNECT_TIMEOUT_MS = 5000 };

struct webhook {
    struct notify_sender base;
    const struct notify_target *target;
    const _Atomic(bool) *must_stop;
    CURL *curl;
    struct curl_slist *headers;
    char reason[CURL_ERROR_SIZE];
};

static int on_progress(void *user, curl_off_t down_len, curl_off_t down, curl_off_t up_len,
                       curl_off_t up)
{
    const struct webhook *w = user;
    (void)down_len;
    (void)down;
    (void)up_len;
    (void)up;
    return atomic_load(w->must_stop);
}

/* What the target answers beyond its status is of no interest. */
static size_t drop_bytes(char *bytes, size_t size, size_t count, void *user)
{
    (void)bytes;
    (void)user;
    return size * count;
}

static int webhook_send(struct notify_sender *s, const struct notify_message *m,
                        struct tarn_error *err)
{
    struct webhook *w = TN_CONTAINER(s, struct webhook, base);
    long status = 0;
    (void)curl_easy_setopt(w->curl, CURLOPT_POSTFIELDS, m->json.data);
    (void)curl_easy_setopt(w->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)m->json.len);
    w->reason[0] = '\0';
    CURLcode code = curl_easy_perform(w->curl);
    if (code != CURLE_OK)
        return tn_fail(err, TARN_EIO, "could not reach \"%s\": %s", w->target->webhook,
                       w->reason[0] ? w->reason : tn_curl_text(code));
    (void)curl_easy_getinfo(w->curl, CURLINFO_RESPONSE_CODE, &status);
    return status >= 200 && status < 300
               ? TARN_OK
               : tn_fail(err, TARN_EIO, "\"%s\" answered %ld", w->target->webhook, status);
}

static void webhook_close(struct notify_sender *s)
{
    struct webhook *w = TN_CONTAINER(s, struct webhook, base);
    curl_slist_free_all(w->headers);
    if (w->curl)
        curl_easy_cleanup(w->curl);
    tn_free(w);
}

static int add_header(struct webhook *w, const char *text)
{
    struct curl_slist *grown = curl_slist_append(w->headers, text);
    if (!grown)
        return TARN_ENOMEM;
    w->headers = grown;
    return TARN_OK;
}

static int add_headers(struct webhook *w)
{
    const char *token = w->target->auth_token;
    TN_AUTO_BUF text = TN_BUF_INIT(HEADER_LEN_MAX);
    int rc = add_header(w, "Content-Type: application/json");
    if (rc == TARN_OK)
        rc = add_header(w, "Expect:");
    if (rc < 0 || !token)
        return rc;
    rc = tn_buf_appendf(&text, "Authorization: %s%s", strchr(token, ' ') ? "" : "Bearer ", token);
    return rc < 0 ? rc : add_header(w, text.data);
}

static int set_options(struct webhook *w)
{
    CURL *c = w->curl;
    CURLcode code = curl_easy_setopt(c, CURLOPT_URL, w->target->webhook);
    (void)curl_easy_setopt(c, CURLOPT_POST, 1L);
    (void)curl_easy_setopt(c, CURLOPT_HTTPHEADER, w->headers);
    (void)curl_easy_setopt(c, CURLOPT_USERAGENT, "tarnd");
    (void)curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, tn_curl_open_socket);
    (void)curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
    (void)curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)NOTIFY_TIMEOUT_MS);
    (void)curl_easy_setopt(c, CURLOPT_ERRORBUFFER, w->reason);
    (void)curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, drop_bytes);
    (void)curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
    (void)curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
    (void)curl_easy_setopt(c, CURLOPT_XFERINFODATA, w);
    return code == CURLE_OK ? TARN_OK : TARN_ENOMEM;
}

int webhook_new(const struct notify_target *target, const _Atomic(bool) *must_stop,
                struct notify_sender **out, struct tarn_error *err)
{
    static const struct notify_sender_ops ops = { webhook_close, webhook_send };
    struct tn_url url;
    if (tn_url_parse(tn_str_from(target->webhook), &url) < 0 ||
        (!tn_str_eq(url.scheme, TN_STR("http")) && !tn_str_eq(url.scheme, TN_STR("https"))))
        return tn_fail(err, TARN_ECONFIG, "\"%s\" is no address of a webhook", target->webhook);
    int rc = tn_curl_load(err);
    if (rc < 0)
        return rc;
    struct webhook *w = tn_calloc(1, sizeof *w);
    if (!w)
        return tn_fail(err, TARN_ENOMEM, "could not make a notification target");
    *w = (struct webhook){ .base = { &ops }, .target = target, .must_stop = must_stop };
    rc = add_headers(w);
    if (rc == TARN_OK)
        w->curl = curl_easy_init();
    rc = w->curl ? set_options(w) : TARN_ENOMEM;
    if (rc < 0) {
        webhook_close(&w->base);
        return tn_fail(err, rc, "could not make a notification target");
    }
    *out = &w->base;
    return TARN_OK;
}
