/* SPDX-License-Identifier: Apache-2.0 */
/* The server side of HTTP/1.1: requests in, answers out. Knows nothing of S3 or of storage.
 *
 * One event loop per core owns its connections; it never waits. A request is driven by callbacks of
 * one handler: on_head when its head is complete, on_body and on_end when the handler asked for the
 * body, on_done when the answer is out or the connection is gone. Between on_head and on_done the
 * request and its arena stay valid, whatever the peer does. What may wait runs on the worker pool.
 */

#ifndef SERVER_HTTP_HTTP_H
#define SERVER_HTTP_HTTP_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/fail.h"
#include "proto/http1.h"

struct http_server;
struct http_req;

/* Where body callbacks run. */
enum http_place {
    HTTP_ON_LOOP,   /* for small bodies: must not wait, about 100 us of work at most */
    HTTP_ON_WORKER, /* may wait; bytes come in windows, one call at a time for a request, while the
                     * next window fills */
};

enum { HTTP_REQUEST_ID_LEN = 16 };

/* Bytes in a file; holds until the next call of `find`, or on_done. */
struct http_file {
    int fd;
    uint64_t offset;
};

/* The answer. Filled by the handler before http_reply(). */
struct http_answer {
    int status;
    struct tn_buf headers; /* complete lines; use http_header() */
    struct tn_str body;    /* in memory that lives until on_done, such as the request's arena */

    /* Set for a streamed body of `body_len` bytes: reads up to `cap` bytes at `offset` of the body
     * into `out`. Bytes read (at least one), or TARN_EAGAIN when it would have to wait and
     * `may_wait` is false (it is then called again on a worker), or another negative status, which
     * cuts the connection. One call at a time for a request, offsets rising. */
    ssize_t (*read)(struct http_req *req, uint64_t offset, char *out, size_t cap, bool may_wait);

    /* May be set with `read`: the same, but the bytes read only serve to check them; where they are
     * in a file is told as well, and they are sent from there. TARN_ENOTSUPPORTED: use `read`. */
    ssize_t (*find)(struct http_req *req, uint64_t offset, char *scratch, size_t cap, bool may_wait,
                    struct http_file *out);
    uint64_t body_len; /* with `read`; and for an answer to HEAD, whose body is never sent */
    bool has_body_len; /* HEAD only: Content-Length is body_len although there is no body here */
    bool must_close;   /* close the connection behind this answer */
};

struct http_req {
    struct tn_http1_head head;        /* method, target, headers: views that live as long as this */
    struct tn_arena arena;            /* all that must live until on_done */
    char id[HTTP_REQUEST_ID_LEN + 1]; /* hex; in every answer (x-amz-request-id) and log line */
    struct tn_str peer;               /* "127.0.0.1:4242", "[::1]:4242" */
    bool is_tls;
    uint64_t body_len; /* declared; UINT64_MAX with chunked transfer coding */
    uint64_t start_ns; /* tn_now_ns() when its head was complete */
    struct http_answer answer;
    void *user;          /* the handler's own */
    const char *op;      /* for the log: the handler's name of the operation, or NULL */
    char error_code[64]; /* for the log: the S3 error code, or empty */
};

struct http_handler {
    void *context;

    /* On the loop. Must call exactly one of http_reply(), http_body_accept(), http_run_on_worker(),
     * or arrange that another thread calls http_reply() later. */
    void (*on_head)(void *context, struct http_req *req);

    /* `bytes` may be changed in place and are gone after the call. A negative status stops the
     * body: the handler has then called http_reply() or will. */
    int (*on_body)(void *context, struct http_req *req, char *bytes, size_t len);

    /* Behind the last byte of the body (also when there was none), in the place of on_body. */
    void (*on_end)(void *context, struct http_req *req);

    /* The peer closed (TARN_EEOF), broke its framing (TARN_EINVAL), was too slow (TARN_ETIMEOUT),
     * sent too much (TARN_ETOOBIG), or the server is cut short (TARN_ECANCELLED, TARN_ENOMEM) in
     * the middle of the body; in the place of on_body. No on_end comes; on_done follows. It may
     * call http_reply() before it returns, not later: the answer goes out when the peer is still
     * there, and the connection is closed behind it. */
    void (*on_broken)(void *context, struct http_req *req, int status);

    /* On the loop, exactly once per on_head, last of all: the answer is out, or the connection is
     * gone and nothing of this request runs any more. Releases what `user` holds. */
    void (*on_done)(void *context, struct http_req *req);
};

/* From on_head or from a step of http_run_on_loop(), on the loop: take the body. Sends "100
 * Continue" when the peer waits for it. At most `len_max` bytes (payload bytes after chunked
 * decoding): past that on_body is not called again and the answer is 400 EntityTooLarge as made by
 * `on_broken(TARN_ETOOBIG)`, which may still call http_reply(). */
void http_body_accept(struct http_req *req, enum http_place place, uint64_t len_max);

/* Runs `step(req)` once on a worker or on the request's own loop. Any thread; the request must not
 * be answered yet. */
void http_run_on_worker(struct http_req *req, void (*step)(struct http_req *req));
void http_run_on_loop(struct http_req *req, void (*step)(struct http_req *req));

/* Sends req->answer. Any thread, once per request; `req` belongs to the loop again afterwards. Adds
 * Date, Server, Content-Length, Connection, x-amz-request-id. When the request's body was not read
 * to its end, up to HTTP_DRAIN_LEN_MAX bytes are read and dropped, else the connection is closed
 * after the answer. */
void http_reply(struct http_req *req);

/* Adds "name: value\r\n" to the answer. Line breaks and other control bytes in the value are
 * refused with TARN_EINVAL; TARN_ETOOBIG past the limit. */
TN_MUST_USE int http_header(struct http_req *req, const char *name, struct tn_str value);
TN_MUST_USE int http_headerf(struct http_req *req, const char *name, const char *format, ...)
    TN_PRINTF(3, 4);

struct http_config {
    const char *listen;   /* HOST:PORT, [V6]:PORT, :PORT; port 0 picks one */
    const char *tls_cert; /* PEM files; both or none */
    const char *tls_key;
    unsigned loop_count;    /* 0: one per core */
    unsigned worker_count;  /* 0: four per core, at least 16 */
    unsigned conn_max;      /* 0: HTTP_CONN_MAX */
    uint64_t window_budget; /* bytes of large bodies under way; 0: HTTP_WINDOW_BUDGET */
    unsigned head_timeout_ms, body_timeout_ms, idle_timeout_ms; /* 0: the defaults of limits.h */
    struct http_handler handler;

    /* Answers bare protocol errors (400, 408, 414, 431, 501, 503 before a request exists) in the
     * handler's own words: fills req->answer from `status` and the S3-like `code`. */
    void (*on_protocol_error)(void *context, struct http_req *req, int status, const char *code,
                              const char *message);
};

/* Binds and listens; threads start in http_server_run(). */
TN_MUST_USE int http_server_new(const struct http_config *config, struct http_server **out,
                                struct tarn_error *err);
void http_server_free(struct http_server *s); /* accepts NULL; after run has returned */

/* "HOST:PORT" with the port that was really taken. Valid as long as `s`. */
const char *http_server_address(const struct http_server *s);

/* Serves until http_server_stop(); returns when every connection is closed and all threads have
 * ended. */
TN_MUST_USE int http_server_run(struct http_server *s, struct tarn_error *err);

/* Async-signal-safe: stop accepting, finish the requests that run within `grace_ms`, then return
 * from run. */
void http_server_stop(struct http_server *s, unsigned grace_ms);

/* Counters for /health and the log; any thread, loosely consistent. */
struct http_stats {
    uint64_t requests, connections_open, connections_total, bytes_in, bytes_out;
};
void http_server_stats(const struct http_server *s, struct http_stats *out);

#endif
