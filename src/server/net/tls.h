/* SPDX-License-Identifier: Apache-2.0 */
/* TLS 1.2 and 1.3 for accepted sockets. */

#ifndef SERVER_NET_TLS_H
#define SERVER_NET_TLS_H

#include "server/net/stream.h"

struct net_tls;

/* Reads certificate chain and key (PEM) and checks that they belong together. ALPN offers
 * "http/1.1"; the kernel does the encryption where it can. */
TN_MUST_USE int net_tls_new(const char *cert_path, const char *key_path, struct net_tls **out,
                            struct tarn_error *err);
void net_tls_free(struct net_tls *tls); /* accepts NULL */

/* Makes an open plain stream a TLS one; the handshake happens inside its reads and writes. On
 * TARN_ENOMEM it stays plain. Threads may share `tls`. The caller's thread must block or ignore
 * SIGPIPE. */
TN_MUST_USE int net_tls_wrap(const struct net_tls *tls, struct net_stream *s);

#endif
