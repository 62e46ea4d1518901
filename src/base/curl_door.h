/* SPDX-License-Identifier: Apache-2.0 */
/* The way to libcurl, which is loaded when somebody needs it: https, a proxy, the services that
 * give keys. It brings thirty libraries with it, so that a command over plain http would begin
 * three times slower and in twice the memory. Include this, not <curl/curl.h>.
 *
 * With TARN_LINK_CURL it is linked in the usual way, and the compiler checks the types of options.
 */

#ifndef BASE_CURL_DOOR_H
#define BASE_CURL_DOOR_H

#ifndef TARN_LINK_CURL
#define CURL_DISABLE_TYPECHECK
#endif
#include <curl/curl.h>

#include "base/fail.h"

/* Loads and initialises it, once. TARN_ECONFIG when there is none. To be called before anything
 * below but tn_curl_text. Any thread. */
TN_MUST_USE int tn_curl_load(struct tarn_error *err);

/* What a result means; libcurl need not be there. */
const char *tn_curl_text(CURLcode code);

/* For CURLOPT_OPENSOCKETFUNCTION of every handle: programs that are started meanwhile inherit no
 * connection, which libcurl by itself would let them. */
curl_socket_t tn_curl_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address);

/* Sets an option whose text libcurl copies; one that it does not know is passed over. False when
 * there is no memory for the copy: without it the request would go past its proxy, trust other
 * certificates or ask for another thing, so that it must not go out. */
TN_MUST_USE bool tn_curl_set_text(CURL *easy, CURLoption option, const char *text);

#ifndef TARN_LINK_CURL

/* Its functions, under their names there. */
struct tn_curl {
    CURLcode (*global_init)(long flags);
    CURL *(*easy_init)(void);
    void (*easy_cleanup)(CURL *easy);
    CURLcode (*easy_setopt)(CURL *easy, CURLoption option, ...);
    CURLcode (*easy_getinfo)(CURL *easy, CURLINFO info, ...);
    CURLcode (*easy_pause)(CURL *easy, int what);
    CURLcode (*easy_perform)(CURL *easy);
    const char *(*easy_strerror)(CURLcode code);
    CURLM *(*multi_init)(void);
    CURLMcode (*multi_cleanup)(CURLM *multi);
    CURLMcode (*multi_add_handle)(CURLM *multi, CURL *easy);
    CURLMcode (*multi_remove_handle)(CURLM *multi, CURL *easy);
    CURLMcode (*multi_assign)(CURLM *multi, curl_socket_t fd, void *arg);
    CURLMsg *(*multi_info_read)(CURLM *multi, int *left);
    CURLMcode (*multi_setopt)(CURLM *multi, CURLMoption option, ...);
    CURLMcode (*multi_socket_action)(CURLM *multi, curl_socket_t fd, int what, int *running);
    CURLSH *(*share_init)(void);
    CURLSHcode (*share_cleanup)(CURLSH *share);
    CURLSHcode (*share_setopt)(CURLSH *share, CURLSHoption option, ...);
    struct curl_slist *(*slist_append)(struct curl_slist *list, const char *text);
    void (*slist_free_all)(struct curl_slist *list);
};

/* After tn_curl_load. */
const struct tn_curl *tn_curl(void);

#undef curl_easy_setopt
#undef curl_easy_getinfo
#undef curl_share_setopt
#undef curl_multi_setopt
#define curl_easy_init (tn_curl()->easy_init)
#define curl_easy_cleanup (tn_curl()->easy_cleanup)
#define curl_easy_setopt (tn_curl()->easy_setopt)
#define curl_easy_getinfo (tn_curl()->easy_getinfo)
#define curl_easy_pause (tn_curl()->easy_pause)
#define curl_easy_perform (tn_curl()->easy_perform)
#define curl_multi_init (tn_curl()->multi_init)
#define curl_multi_cleanup (tn_curl()->multi_cleanup)
#define curl_multi_add_handle (tn_curl()->multi_add_handle)
#define curl_multi_remove_handle (tn_curl()->multi_remove_handle)
#define curl_multi_assign (tn_curl()->multi_assign)
#define curl_multi_info_read (tn_curl()->multi_info_read)
#define curl_multi_setopt (tn_curl()->multi_setopt)
#define curl_multi_socket_action (tn_curl()->multi_socket_action)
#define curl_share_init (tn_curl()->share_init)
#define curl_share_cleanup (tn_curl()->share_cleanup)
#define curl_share_setopt (tn_curl()->share_setopt)
#define curl_slist_append (tn_curl()->slist_append)
#define curl_slist_free_all (tn_curl()->slist_free_all)

#endif
#endif
