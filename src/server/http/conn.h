/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of the HTTP server: loops, connections, requests; shared by the files of this folder
 * only.
 *
 * Everything here belongs to its loop's thread. While a job of a request runs on a worker, the loop
 * leaves the fields of `struct req` marked "job" alone until the job's message has come back. A
 * connection whose request is in flight stays, without its socket if need be, until nothing of it
 * runs any more. */

#ifndef SERVER_HTTP_CONN_H
#define SERVER_HTTP_CONN_H

#include "proto/chunked.h"
#include "server/http/http.h"
#include "server/http/window.h"
#include "server/net/listen.h"
#include "server/net/loop.h"
#include "server/net/pool.h"
#include "server/net/stream.h"
#include "server/net/tls.h"

struct conn;
struct http_loop;

enum conn_state {
    CONN_HEAD,    /* idle, or its head arrives */
    CONN_RUNNING, /* the handler has it */
    CONN_BODY,    /* the body arrives and is handed over */
    CONN_REPLY,   /* the answer goes out */
    CONN_DRAIN,   /* what is left of the body is dropped, to keep the connection */
    CONN_LINGER,  /* answered, will close: the peer may still be sending */
    CONN_CLOSED,  /* no socket any more; waits for what is in flight */
    CONN_STATE_COUNT,
};

enum conn_next {
    CONN_AGAIN, /* run the state, perhaps a new one, again */
    CONN_WAIT,  /* until an event, a message or a timer */
    CONN_DONE,  /* the connection can be freed */
};

/* The body of the request as it arrives. */
struct body_in {
    uint64_t left;  /* with a length: bytes still on the wire or in `in` */
    uint64_t taken; /* payload bytes so far */
    uint64_t len_max;
    struct tn_chunked chunked;
    size_t progress; /* bytes since the timer was set */
    int broken;      /* the status that on_broken gets; TARN_OK while all is well */
    bool is_chunked;
    bool is_complete; /* to its last byte, trailers too */
};

enum { REPLY_FIXED_LEN = 512, REPLY_PART_COUNT = 5 };

/* The answer as it goes out. */
struct reply_out {
    struct iovec parts[REPLY_PART_COUNT];
    unsigned at; /* the first that is not out completely */
    unsigned count;
    uint64_t body_len; /* to be sent */
    uint64_t offset;   /* of the next read of a streamed body */
    struct http_window *sending;
    struct http_window *ready; /* read, not yet being sent */
    struct http_file file;     /* what is being sent of a file */
    size_t file_left;
    bool is_begun;
    bool is_streamed;
    bool is_found; /* streamed from files */
    bool is_cold;  /* reads have had to wait: read ahead on a worker */
    char fixed[REPLY_FIXED_LEN];
};

struct req {
    struct http_req pub;
    struct conn *conn;
    struct req *next_free;
    struct tn_http1 parser;

    struct net_msg reply_msg;
    struct net_msg step_msg;
    struct net_job step_job;
    void (*step)(struct http_req *req);

    struct body_in body;
    enum http_place place;
    struct http_window *filling;
    struct net_job body_job;
    struct net_msg body_msg;
    struct http_window *consuming; /* job */
    bool job_is_last;              /* job: on_end comes behind these bytes */
    int job_broken;                /* job: on_broken and nothing else */
    int job_status;                /* job: of on_body */
    bool is_body_job_out;

    struct reply_out reply;
    struct net_job read_job;
    struct net_msg read_msg;
    struct http_window *reading; /* job */
    ssize_t read_len;            /* job: result */
    struct http_file found;      /* job: with is_found, where */
    bool is_read_job_out;

    bool is_headed;    /* on_head was called: on_done is owed */
    bool is_accepted;  /* http_body_accept() */
    bool is_body_over; /* no body callback will come any more */
    bool is_told;      /* on_broken was called: no reply is owed any more */
    bool is_answered;  /* http_reply() */
    bool is_finished;
    bool is_closing;        /* close behind the answer */
    unsigned continue_left; /* bytes of "100 Continue" still to be sent */
    uint64_t bytes_in;
    uint64_t bytes_out;

    /* Bytes read and not yet used: in[in_pos] to in[in_len]. */
    char *in;
    size_t in_pos;
    size_t in_len;
    size_t in_cap;
    char in_small[HTTP_IN_LEN];
};

struct conn {
    struct net_source source;
    struct net_stream stream;
    struct http_loop *loop;
    struct req *req;   /* NULL while idle */
    struct conn *prev; /* all of the loop */
    struct conn *next;
    struct conn *ready_next;
    struct net_timer timer;
    struct http_window_waiter waiter;
    enum conn_state state;
    uint32_t id;
    size_t turn_left; /* work it may still do this turn */
    size_t linger_left;
    bool may_read; /* the socket may have something */
    bool may_write;
    bool has_hangup; /* read to the end, whatever the hints say */
    bool is_running; /* inside conn_run() or a step: http_reply() need not send a message */
    bool is_ready;   /* in the loop's line of those that go on without an event */
    bool was_used;   /* it has had a request: the idle time applies */
    bool is_excess;  /* above the limit: gets a 503 only */
    char peer[64];
    size_t peer_len;
};

enum { LOOP_SCRATCH_LEN = 64 * 1024, LOOP_LOG_LEN = 4096, LOOP_DATE_LEN = 32 };

struct http_loop {
    struct net_loop net;
    struct http_server *server;
    struct net_source listener;
    int listen_fd;
    pthread_t thread;

    struct conn conns; /* a ring */
    struct conn *ready_first;
    struct conn **ready_last;
    size_t conn_count;
    uint32_t next_id;
    uint64_t stop_seen; /* the stop request that was obeyed; 0: none */
    bool is_stopping;
    bool is_accepting;

    struct net_timer_list head_timers;
    struct net_timer_list idle_timers;
    struct net_timer_list body_timers;
    struct net_timer_list linger_timers;
    struct net_timer_list pause_timers;
    struct net_timer_list grace_timers;
    struct net_timer_list trim_timers;
    struct net_timer pause_timer;
    struct net_timer grace_timer;
    struct net_timer trim_timer;

    struct http_window_pool windows;
    struct req *free_reqs;
    size_t free_req_count;

    int64_t date_seconds;
    char date[LOOP_DATE_LEN];

    _Atomic(uint64_t) requests;
    _Atomic(uint64_t) connections_total;
    _Atomic(uint64_t) bytes_in;
    _Atomic(uint64_t) bytes_out;

    char scratch[LOOP_SCRATCH_LEN]; /* for what is used up at once */
    char log[LOOP_LOG_LEN];         /* lines of this turn, as many as a pipe takes in one piece */
    size_t log_len;
};

struct http_server {
    struct http_config config;
    struct net_tls *tls;
    struct net_pool pool;
    struct http_loop *loops;
    unsigned loop_count;
    unsigned loop_ready_count; /* initialised */
    _Atomic(uint64_t) conn_count;
    _Atomic(uint64_t) stop_request; /* 0: none; else 1 + grace_ms */
    char *address;
};

/* Only its loop writes; others read. */
static inline void loop_count_add(_Atomic(uint64_t) *counter, uint64_t n)
{
    uint64_t now = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, now + n, memory_order_relaxed);
}

/* --- conn.c: the machine --- */

/* Takes over `fd` in all cases. */
void conn_open(struct http_loop *loop, int fd, const struct sockaddr_storage *peer, bool is_excess);
void conn_run(struct conn *c);
void conn_enter(struct conn *c, enum conn_state to);

/* The request is over and done with; the next one may be in the buffer already. */
void conn_next_request(struct conn *c);

/* Answered, and to be closed. */
void conn_close_gently(struct conn *c);

/* Runs it again at the end of this turn. */
void conn_make_ready(struct conn *c);
void conn_run_ready(struct http_loop *loop);

/* The server stops or has no time left: ends the connection as far as it can be ended now. */
void conn_cut(struct conn *c);
void conn_on_timeout(struct net_timer *timer);
void conn_on_window(struct http_window_waiter *waiter);

/* Reads into `room`. As net_stream_read(), keeping the hints and counters. */
ssize_t conn_read(struct conn *c, void *room, size_t cap);

/* Answers without a handler, then closes: CONN_REPLY is entered. */
void conn_refuse(struct conn *c, int status, const char *code, const char *message);

/* --- conn_body.c --- */

void body_begin(struct req *r);
enum conn_next conn_on_body(struct conn *c);
enum conn_next conn_on_drain(struct conn *c);

/* Tells the handler that the body is broken, when no job of it is out. */
enum conn_next body_break(struct conn *c);
void body_init_jobs(struct req *r);

/* --- conn_reply.c --- */

enum conn_next conn_on_reply(struct conn *c);
void reply_init_jobs(struct req *r);

/* --- req.c --- */

struct req *req_take(struct http_loop *loop); /* NULL when out of memory */
void req_give(struct http_loop *loop, struct req *r);
void req_free_all(struct http_loop *loop);

/* Ready for the next request on the same connection; unused bytes of `in` stay. */
void req_reset(struct req *r);

/* Room for at least one more byte of a head; false at the limit or when out of memory. */
bool req_in_grow(struct req *r);

/* A head is complete: numbers it and fills in what the handler sees. TARN_ENOMEM. */
TN_MUST_USE int req_begin(struct req *r);

/* Is there anything that will still touch it? */
bool req_is_in_flight(const struct req *r);

/* Windows back, log line, on_done; again is fine. Nothing may be in flight. */
void req_finish(struct req *r);

/* Writes the lines that req_finish() has gathered. */
void loop_log_flush(struct http_loop *loop);

static inline struct req *req_of(struct http_req *pub)
{
    return TN_CONTAINER(pub, struct req, pub);
}

/* --- server.c --- */

const char *loop_date(struct http_loop *loop);

/* Unlinks and uncounts a connection that is about to be freed. */
void loop_forget(struct http_loop *loop, struct conn *c);

#endif
