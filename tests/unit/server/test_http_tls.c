/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP server under TLS, with a certificate made on the spot. */

#include "unit/server/test_http_toy.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <signal.h>
#include <unistd.h>

#include "base/crc.h"

#define HOST "Host: h\r\n"

static char dir[] = "/tmp/tarn-test-tls-XXXXXX";
static char cert_path[64];
static char key_path[64];
static char other_key_path[64];

static EVP_PKEY *make_key(const char *path)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    assert_non_null(key);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL), 1);
    (void)fclose(f);
    return key;
}

static void make_cert(EVP_PKEY *key)
{
    X509 *cert = X509_new();
    assert_non_null(cert);
    (void)ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    (void)X509_gmtime_adj(X509_getm_notBefore(cert), -60);
    (void)X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    (void)X509_set_pubkey(cert, key);
    X509_NAME *name = X509_get_subject_name(cert);
    (void)X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost",
                                     -1, -1, 0);
    (void)X509_set_issuer_name(cert, name);
    assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
    FILE *f = fopen(cert_path, "w");
    assert_non_null(f);
    assert_int_equal(PEM_write_X509(f, cert), 1);
    (void)fclose(f);
    X509_free(cert);
}

static int setup(void **state)
{
    (void)state;
    (void)signal(SIGPIPE, SIG_IGN); /* OpenSSL's writes here, in the client */
    assert_non_null(mkdtemp(dir));
    (void)snprintf(cert_path, sizeof cert_path, "%s/cert.pem", dir);
    (void)snprintf(key_path, sizeof key_path, "%s/key.pem", dir);
    (void)snprintf(other_key_path, sizeof other_key_path, "%s/other.pem", dir);
    EVP_PKEY_free(make_key(other_key_path));
    EVP_PKEY *key = make_key(key_path);
    make_cert(key);
    EVP_PKEY_free(key);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    (void)unlink(cert_path);
    (void)unlink(key_path);
    (void)unlink(other_key_path);
    (void)rmdir(dir);
    return 0;
}

struct peer {
    SSL_CTX *ctx;
    SSL *ssl;
    int fd;
};

static bool peer_connect(struct peer *p, const struct toy *toy, int version, const char *alpn)
{
    p->ctx = SSL_CTX_new(TLS_client_method());
    assert_non_null(p->ctx);
    (void)SSL_CTX_set_min_proto_version(p->ctx, version);
    (void)SSL_CTX_set_max_proto_version(p->ctx, version);
    if (alpn)
        (void)SSL_CTX_set_alpn_protos(p->ctx, (const unsigned char *)alpn, (unsigned)strlen(alpn));
    p->fd = toy_connect(toy);
    p->ssl = SSL_new(p->ctx);
    assert_non_null(p->ssl);
    (void)SSL_set_fd(p->ssl, p->fd);
    return SSL_connect(p->ssl) == 1;
}

static void peer_close(struct peer *p)
{
    SSL_free(p->ssl);
    SSL_CTX_free(p->ctx);
    (void)close(p->fd);
    ERR_clear_error();
}

static void peer_send(const struct peer *p, const char *bytes, size_t len)
{
    size_t n = 0;
    if (len > 0)
        assert_int_equal(SSL_write_ex(p->ssl, bytes, len, &n), 1);
}

/* The whole answer, head too, up to `len` bytes of body. */
static void peer_answer(const struct peer *p, struct tn_buf *out)
{
    tn_buf_truncate(out, 0);
    uint64_t want = UINT64_MAX;
    while (out->len < want) {
        char bytes[16384];
        size_t n = 0;
        if (SSL_read_ex(p->ssl, bytes, sizeof bytes, &n) != 1)
            fail_msg("the connection ended after %zu bytes", out->len);
        assert_int_equal(tn_buf_append(out, bytes, n), TARN_OK);
        const char *end = strstr(out->data, "\r\n\r\n");
        const char *field = strstr(out->data, "Content-Length: ");
        if (want == UINT64_MAX && end && field)
            want = (uint64_t)(end - out->data) + 4 + strtoull(field + 16, NULL, 10);
    }
    assert_int_equal(out->len, want);
}

static void exchange(const struct toy *toy, int version)
{
    struct peer p;
    char text[128];
    TN_AUTO_BUF body = TN_BUF_INIT(1 << 24);
    TN_AUTO_BUF got = TN_BUF_INIT(1 << 24);
    for (size_t i = 0; i < 1500000; i++)
        assert_int_equal(tn_buf_append_char(&body, toy_byte(i)), TARN_OK);
    assert_true(peer_connect(&p, toy, version, "\x02h2\x08http/1.1"));
    const unsigned char *alpn;
    unsigned alpn_len;
    SSL_get0_alpn_selected(p.ssl, &alpn, &alpn_len);
    assert_int_equal(alpn_len, 8);

    const char hello[] = "GET /hello HTTP/1.1\r\n" HOST "\r\n";
    peer_send(&p, hello, sizeof hello - 1);
    peer_answer(&p, &got);
    assert_non_null(strstr(got.data, "\r\n\r\nhello"));
    static const char *const places[] = { "loop", "worker" };
    for (size_t i = 0; i < TN_COUNT(places); i++) {
        (void)snprintf(text, sizeof text,
                       "PUT /put/%s HTTP/1.1\r\n" HOST "Content-Length: %zu\r\n\r\n", places[i],
                       body.len);
        peer_send(&p, text, strlen(text));
        peer_send(&p, body.data, body.len);
        peer_answer(&p, &got);
        (void)snprintf(text, sizeof text, "\r\n\r\n%zu %08x", body.len,
                       tn_crc32c(0, body.data, body.len));
        assert_non_null(strstr(got.data, text));
    }
    static const char *const kinds[] = { "mem", "hot", "cold", "mixed", "file" };
    for (size_t i = 0; i < TN_COUNT(kinds); i++) {
        (void)snprintf(text, sizeof text, "GET /%s/1500000 HTTP/1.1\r\n" HOST "\r\n", kinds[i]);
        peer_send(&p, text, strlen(text));
        peer_answer(&p, &got);
        assert_memory_equal(got.data + got.len - body.len, body.data, body.len);
    }
    peer_close(&p);
}

static const struct http_config *tls_config(void)
{
    static struct http_config config;
    config = (struct http_config){ .loop_count = 1,
                                   .worker_count = 2,
                                   .head_timeout_ms = 2000,
                                   .tls_cert = cert_path,
                                   .tls_key = key_path };
    return &config;
}

static void test_versions(void **state)
{
    (void)state;
    struct toy toy;
    struct peer p;
    toy_start(&toy, tls_config());
    exchange(&toy, TLS1_2_VERSION);
    exchange(&toy, TLS1_3_VERSION);
    assert_false(peer_connect(&p, &toy, TLS1_1_VERSION, NULL));
    peer_close(&p);
    assert_false(peer_connect(&p, &toy, TLS1_3_VERSION, "\x02h2"));
    peer_close(&p);
    assert_true(peer_connect(&p, &toy, TLS1_3_VERSION, NULL));
    peer_close(&p);
    toy_stop(&toy, 1000);
}

static void test_strangers(void **state)
{
    (void)state;
    struct toy toy;
    toy_start(&toy, tls_config());
    int fd = toy_connect(&toy);
    toy_say(fd, "GET /hello HTTP/1.1\r\n" HOST "\r\n");
    char bytes[64];
    ssize_t n = read(fd, bytes, sizeof bytes); /* an alert, or nothing */
    assert_true(n < (ssize_t)sizeof bytes);
    (void)close(fd);
    fd = toy_connect(&toy); /* never shakes hands */
    assert_true(toy_is_closed(fd));
    for (int i = 0; i < 20; i++) { /* leaves in the middle of an answer */
        struct peer p;
        assert_true(peer_connect(&p, &toy, TLS1_3_VERSION, NULL));
        const char hot[] = "GET /cold/10000000 HTTP/1.1\r\n" HOST "\r\n";
        peer_send(&p, hot, sizeof hot - 1);
        (void)SSL_read(p.ssl, bytes, i);
        peer_close(&p);
    }
    assert_int_equal(toy.broken_count, 0);
    toy_stop(&toy, 1000);
}

static void test_setup(void **state)
{
    (void)state;
    const struct {
        const char *cert;
        const char *key;
        const char *message;
    } cases[] = {
        { cert_path, NULL, "certificate and key are needed together" },
        { NULL, key_path, "certificate and key are needed together" },
        { "/nonexistent", key_path, "could not use TLS certificate \"/nonexistent\"" },
        { cert_path, "/nonexistent", "could not use TLS key \"/nonexistent\"" },
        { key_path, key_path, "could not use TLS certificate" },
        { cert_path, cert_path, "could not use TLS key" },
        { cert_path, other_key_path, "could not use TLS key" },
    };
    for (size_t i = 0; i < TN_COUNT(cases); i++) {
        struct http_server *s = NULL;
        struct tarn_error err = { 0 };
        const struct http_config config = { .listen = "127.0.0.1:0",
                                            .tls_cert = cases[i].cert,
                                            .tls_key = cases[i].key };
        assert_int_equal(http_server_new(&config, &s, &err), TARN_ECONFIG);
        if (!strstr(err.message, cases[i].message))
            fail_msg("%zu: %s", i, err.message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_strangers),
        cmocka_unit_test(test_setup),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
