/* SPDX-License-Identifier: Apache-2.0 */
/* TLS over OpenSSL on non-blocking sockets. */

#include "server/net/tls.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/file.h"

/* One record: the pieces of a small answer are gathered so that they leave as one. */
enum { TLS_GATHER_LEN = 16 * 1024 };

struct net_tls {
    SSL_CTX *ctx;
};

static const unsigned char alpn_http1[] = "\x08http/1.1";

static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                       const unsigned char *in, unsigned in_len, void *arg)
{
    (void)ssl;
    (void)arg;
    unsigned char *chosen;
    int rc = SSL_select_next_proto(&chosen, out_len, alpn_http1, sizeof alpn_http1 - 1, in, in_len);
    if (rc != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static const char *first_reason(void)
{
    unsigned long code = ERR_peek_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;
    return reason ? reason : "unknown reason";
}

static void configure(SSL_CTX *ctx)
{
    (void)SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    (void)SSL_CTX_set_options(ctx, SSL_OP_ENABLE_KTLS | SSL_OP_NO_RENEGOTIATION |
                                       SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                       SSL_OP_IGNORE_UNEXPECTED_EOF);
    (void)SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_RELEASE_BUFFERS |
                                    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    /* Tickets resume sessions without memory here; the cache would grow with the peers. */
    (void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_alpn_select_cb(ctx, choose_alpn, NULL);
}

static int load(SSL_CTX *ctx, const char *cert_path, const char *key_path, struct tarn_error *err)
{
    ERR_clear_error();
    if (SSL_CTX_use_certificate_chain_file(ctx, cert_path) != 1)
        return tn_fail(err, TARN_ECONFIG, "could not use TLS certificate \"%s\": %s", cert_path,
                       first_reason());
    if (SSL_CTX_use_PrivateKey_file(ctx, key_path, SSL_FILETYPE_PEM) != 1)
        return tn_fail(err, TARN_ECONFIG, "could not use TLS key \"%s\": %s", key_path,
                       first_reason());
    if (SSL_CTX_check_private_key(ctx) != 1)
        return tn_fail(err, TARN_ECONFIG,
                       "could not use TLS key \"%s\": it does not belong to certificate \"%s\"",
                       key_path, cert_path);
    return TARN_OK;
}

int net_tls_new(const char *cert_path, const char *key_path, struct net_tls **out,
                struct tarn_error *err)
{
    struct net_tls *tls = tn_calloc(1, sizeof *tls);
    if (!tls)
        return tn_fail(err, TARN_ENOMEM, "could not set up TLS: out of memory");
    tls->ctx = SSL_CTX_new(TLS_server_method());
    int rc = TARN_ENOMEM;
    if (!tls->ctx) {
        (void)tn_fail(err, rc, "could not set up TLS: out of memory");
        goto fail;
    }
    configure(tls->ctx);
    rc = load(tls->ctx, cert_path, key_path, err);
    if (rc < 0)
        goto fail;
    *out = tls;
    return TARN_OK;

fail:
    ERR_clear_error();
    net_tls_free(tls);
    return rc;
}

void net_tls_free(struct net_tls *tls)
{
    if (!tls)
        return;
    SSL_CTX_free(tls->ctx);
    tn_free(tls);
}

static ssize_t tls_read(struct net_stream *s, void *bytes, size_t len)
{
    size_t n = 0;
    ERR_clear_error();
    s->is_drained = false;
    s->read_wants_write = false;
    int rc = SSL_read_ex(s->tls, bytes, len, &n);
    if (rc == 1)
        return (ssize_t)n;
    switch (SSL_get_error(s->tls, rc)) {
    case SSL_ERROR_WANT_READ:
        s->is_drained = true;
        return TARN_EAGAIN;
    case SSL_ERROR_WANT_WRITE:
        s->read_wants_write = true;
        s->is_drained = true;
        return TARN_EAGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    default:
        ERR_clear_error();
        return TARN_ENETWORK;
    }
}

static ssize_t write_piece(struct net_stream *s, const void *bytes, size_t len)
{
    size_t n = 0;
    ERR_clear_error();
    s->write_wants_read = false;
    int rc = SSL_write_ex(s->tls, bytes, len, &n);
    if (rc == 1)
        return (ssize_t)n;
    switch (SSL_get_error(s->tls, rc)) {
    case SSL_ERROR_WANT_WRITE:
        return TARN_EAGAIN;
    case SSL_ERROR_WANT_READ:
        s->write_wants_read = true;
        return TARN_EAGAIN;
    default:
        ERR_clear_error();
        return TARN_ENETWORK;
    }
}

/* A retried SSL_write must offer at least what the blocked one did: gathering takes the same bytes
 * again, because the caller repeats all that was not accepted. */
static ssize_t tls_write(struct net_stream *s, const struct iovec *parts, unsigned count)
{
    if (count == 1 || parts[0].iov_len >= TLS_GATHER_LEN)
        return write_piece(s, parts[0].iov_base, parts[0].iov_len);
    char gathered[TLS_GATHER_LEN];
    size_t len = 0;
    for (unsigned i = 0; i < count && len < sizeof gathered; i++) {
        size_t part_len = parts[i].iov_len;
        if (part_len > sizeof gathered - len)
            part_len = sizeof gathered - len;
        if (part_len)
            memcpy(gathered + len, parts[i].iov_base, part_len);
        len += part_len;
    }
    return write_piece(s, gathered, len);
}

static void tls_shutdown(struct net_stream *s)
{
    ERR_clear_error();
    if (SSL_is_init_finished(s->tls))
        (void)SSL_shutdown(s->tls);
    ERR_clear_error();
    struct net_stream raw;
    net_stream_open(&raw, s->fd);
    raw.ops->shutdown(&raw);
}

static void tls_close(struct net_stream *s)
{
    SSL_free(s->tls);
    s->tls = NULL;
    tn_fd_close(&s->fd);
}

static const struct net_stream_ops tls_ops = { tls_read, tls_write, NULL, tls_shutdown, tls_close };

int net_tls_wrap(const struct net_tls *tls, struct net_stream *s)
{
    SSL *ssl = SSL_new(tls->ctx);
    if (!ssl || SSL_set_fd(ssl, s->fd) != 1) {
        SSL_free(ssl);
        ERR_clear_error();
        return TARN_ENOMEM;
    }
    SSL_set_accept_state(ssl);
    s->tls = ssl;
    s->ops = &tls_ops;
    return TARN_OK;
}
