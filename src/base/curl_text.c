/* SPDX-License-Identifier: Apache-2.0 */
/* What libcurl's results mean, for exchanges that it had no part in; and small help with it. */

#include "base/curl_door.h"

#include <sys/socket.h>

static const struct {
    CURLcode code;
    const char *text;
} texts[] = {
    { CURLE_ABORTED_BY_CALLBACK, "cancelled" },
    { CURLE_COULDNT_CONNECT, "could not connect to the server" },
    { CURLE_COULDNT_RESOLVE_HOST, "could not find the address of the host" },
    { CURLE_COULDNT_RESOLVE_PROXY, "could not find the address of the proxy" },
    { CURLE_GOT_NOTHING, "the server closed the connection without an answer" },
    { CURLE_HTTP2, "the server broke the HTTP/2 protocol" },
    { CURLE_OPERATION_TIMEDOUT, "timed out" },
    { CURLE_OUT_OF_MEMORY, "out of memory" },
    { CURLE_PARTIAL_FILE, "the connection ended in the middle of the body" },
    { CURLE_PEER_FAILED_VERIFICATION, "the server's certificate could not be verified" },
    { CURLE_READ_ERROR, "could not read the data to send" },
    { CURLE_RECV_ERROR, "could not receive: the connection broke" },
    { CURLE_SEND_ERROR, "could not send: the connection broke" },
    { CURLE_SSL_CACERT_BADFILE, "could not read the certificates to trust" },
    { CURLE_SSL_CONNECT_ERROR, "could not set up TLS" },
    { CURLE_UNSUPPORTED_PROTOCOL, "this kind of address is not supported" },
    { CURLE_URL_MALFORMAT, "the address is malformed" },
    { CURLE_WEIRD_SERVER_REPLY, "the server's answer is not HTTP" },
    { CURLE_WRITE_ERROR, "could not write the data received" },
};

const char *tn_curl_text(CURLcode code)
{
    for (size_t i = 0; i < TN_COUNT(texts); i++) {
        if (texts[i].code == code)
            return texts[i].text;
    }
    return "the exchange failed";
}

curl_socket_t tn_curl_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    (void)arg;
    (void)purpose;
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

bool tn_curl_set_text(CURL *easy, CURLoption option, const char *text)
{
    return curl_easy_setopt(easy, option, text) != CURLE_OUT_OF_MEMORY;
}
