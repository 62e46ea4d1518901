/* SPDX-License-Identifier: Apache-2.0 */
/* One S3 request with all its tries: built by the calling thread, run by an I/O thread, waited for.
 *
 * A caller makes an operation, adds query and headers, says what to send and where the answer's
 * body goes, posts it and waits. Between post and done it belongs to the I/O thread, but for what
 * the waiter's lock guards. Operations are pooled with their curl handle and buffers, so that a
 * warm request allocates almost nothing. */

#ifndef CLIENT_OP_H
#define CLIENT_OP_H

#include <stdatomic.h>

#include <tarn/bucket.h>
#include <tarn/object.h>

#include "base/clock.h"

#include "client/body.h"
#include "client/head.h"
#include "client/classify.h"
#include "client/cred.h"
#include "base/curl_door.h"
#include "client/payload.h"
#include "client/sink.h"
#include "proto/sigv4.h"
#include "proto/xml.h"

enum {
    TN_OP_HEADERS_MAX = 120,      /* with the library's own, in one request */
    TN_OP_HEAD_MAX = 64 * 1024,   /* an answer's header fields */
    TN_OP_ANSWER_MAX = 32 << 20,  /* an answer's document */
    TN_OP_ERROR_MAX = 256 * 1024, /* an error's document */
    TN_OP_URL_MAX = 16 * 1024,
    TN_OP_ARENA_MAX = 4 << 20,
    TN_OP_REGION_TRIES_MAX = 2,
    TN_OP_SIGNED_BODY_MAX = 1 << 20, /* over http, larger bodies are not hashed ahead */
};

struct tarn_client;
struct tn_loop;
struct tn_wire_conn;

enum tn_op_state {
    TN_OP_IDLE,
    TN_OP_POSTED,
    TN_OP_PENDING,
    TN_OP_ACTIVE,
    TN_OP_DELAYED,
    TN_OP_DONE
};

/* What a caller asks of an operation that it has posted; bits of `wanted`. */
enum { TN_OP_WANT_START = 1u << 0, TN_OP_WANT_UNPAUSE = 1u << 1, TN_OP_WANT_CANCEL = 1u << 2 };

struct tn_op {
    struct tarn_client *client;
    struct tn_waiter *waiter; /* its lock guards is_done, the pipe, and posting against finishing;
                                 NULL with on_done */
    void (*on_done)(struct tn_op *op); /* in the I/O thread, instead of waking a waiter */
    void *owner;                       /* of on_done */
    struct tn_loop *loop;
    struct tn_op *prev, *next;             /* in the loop's list of its state, or in the pool */
    struct tn_op *inbox_prev, *inbox_next; /* guarded by the inbox's lock, as are the next two */
    bool is_in_inbox;
    unsigned wanted;
    enum tn_op_state state; /* changed by tn_loop only */

    /* the request */
    const char *what;    /* "put object", for messages */
    const char *method;  /* static */
    const char *service; /* that it is signed for; NULL: "s3" */
    const char *bucket;  /* borrowed until done; NULL: the service */
    const char *key;     /* borrowed; NULL: the bucket */
    struct tn_buf query;
    struct tn_header headers[TN_OP_HEADERS_MAX]; /* the caller's first, then this attempt's */
    size_t header_count;
    size_t given_count;           /* the caller's, and the payload's */
    size_t plain_count;           /* without the payload's */
    struct tn_str plain_encoding; /* Content-Encoding without them */
    struct tn_arena arena;        /* texts of the given headers */
    struct tn_body body;
    struct tn_sink sink;
    bool is_control;      /* a small document: always signed with its hash */
    bool checks_200;      /* a 200 may carry an error document (copy, complete) */
    bool survives_cancel; /* clean-up */
    bool can_resume;      /* a broken body may be asked for again from where it broke */
    bool has_range;
    uint64_t range_first;
    uint64_t range_last; /* UINT64_MAX: open */
    uint64_t range_suffix;
    uint64_t deadline_ns; /* 0: none */
    const volatile int *cancel;
    int build_rc;          /* the first failure while it was built */
    bool must_get_keys;    /* the next attempt is signed once new keys are there */
    bool has_awaited_keys; /* and they have been asked for */
    int key_tries;
    struct tn_cred *cred; /* keys of this attempt; NULL: anonymous */
    uint64_t cred_serial; /* of those that sign_key was made from */

    /* the attempt */
    CURL *curl;
    struct tn_wire_conn *wire_conn; /* without curl: where the exchange is under way */
    struct tn_op *wire_next;
    int wire_code;
    bool is_reported; /* it is among those that have ended */
    struct tn_sigv4_scratch scratch;
    struct tn_sigv4_key sign_key;
    struct tn_buf url;
    struct tn_buf host;
    struct tn_buf authorization;
    struct tn_buf lines; /* "Name: value" texts for curl */
    struct curl_slist slist[TN_OP_HEADERS_MAX + 4];
    char region[TARN_REGION_LEN_MAX];
    char date[TN_TIME_LEN];
    char payload_hash[65];
    char range_text[64];
    char checksum_text[TN_CHECKSUM_TEXT_LEN];
    char decoded_len_text[24];
    int attempts;
    int region_tries;
    int64_t signed_s; /* by the server's clock, as far as it is known */
    bool has_fixed_clock;
    bool is_throttled; /* paused by the limit of bandwidth */
    bool is_resuming;  /* this attempt continues a body */
    uint64_t due_ns;   /* while delayed */
    enum tn_payload_form form;
    int form_tries;   /* attempts whose form was not understood */
    bool must_choose; /* the form has changed since the last attempt */
    int stalls;       /* attempts that were given up for their silence */
    uint64_t started_ns;
    uint64_t moved_ns;  /* the last byte, in either direction */
    uint64_t waited_ns; /* then, until the answer's first byte */
    uint64_t gap_ns;    /* the longest silence in the middle of a body */

    /* the answer */
    int http_status;
    struct tn_buf head;       /* "name\0value\0"..., names in lower case */
    struct tn_buf first_head; /* of the first answer, once a body was taken up again */
    struct tn_buf answer;     /* a document, or an error's */
    bool is_answer_ok;        /* 2xx: the body goes to the sink */
    bool has_begun;           /* the body's first byte came */

    /* the result; guarded by the waiter's lock */
    bool is_done;
    int rc;
    bool wants_rewind; /* failed, but may be posted again once its pipe is at the start */
    uint64_t rewind_delay_ms;
    struct tarn_error err;
    atomic_uint_fast64_t moved; /* body bytes of this attempt, for progress */
};

/* From the client's pool; NULL when out of memory. `what`, `method` static; `bucket`, `key` outlive
 * it. */
TN_MUST_USE struct tn_op *tn_op_new(struct tarn_client *client, struct tn_waiter *waiter,
                                    const char *what, const char *method, const char *bucket,
                                    const char *key);
void tn_op_free(struct tn_op *op);    /* back to the pool; not while posted; accepts NULL */
void tn_op_destroy(struct tn_op *op); /* for the pool's end */

/* Each remembers the first failure in build_rc; posting fails with it then. `value` NULL: left out.
 */
void tn_op_refuse(struct tn_op *op, int rc); /* TARN_OK is fine */
void tn_op_query(struct tn_op *op, const char *name, const char *value);
void tn_op_query_flag(struct tn_op *op, const char *name); /* "?acl" */
void tn_op_query_u64(struct tn_op *op, const char *name, uint64_t value);
void tn_op_header(struct tn_op *op, const char *name, const char *value);
void tn_op_header_str(struct tn_op *op, const char *name, struct tn_str value);
void tn_op_header_u64(struct tn_op *op, const char *name, uint64_t value);
void tn_op_request(struct tn_op *op, const struct tarn_request *request); /* NULL is fine */
void tn_op_bytes(struct tn_op *op, const void *bytes, size_t len, enum tn_checksum_kind checksum);
void tn_op_document(struct tn_op *op, const struct tn_buf *document);

struct tn_header *tn_op_find_header(struct tn_op *op, struct tn_str name); /* NULL: none */

/* Must the SHA-256 of these bytes be signed? Then whoever has it may say so with tn_op_hashed,
 * before the first attempt is built. */
bool tn_op_needs_hash(const struct tn_op *op);
void tn_op_hashed(struct tn_op *op, const unsigned char digest[TN_SHA256_LEN]);
void tn_op_file(struct tn_op *op, int fd, uint64_t offset, uint64_t len,
                enum tn_checksum_kind checksum);
void tn_op_stream(struct tn_op *op, struct tn_pipe *pipe, uint64_t len,
                  enum tn_checksum_kind checksum);

/* Builds URL, headers and signature of the next attempt and sets the curl handle up. */
TN_MUST_USE int tn_op_prepare(struct tn_op *op, struct tarn_error *err);

/* In the I/O thread, for an operation with must_get_keys: TARN_EAGAIN while they are on their way,
 * then as tn_op_prepare. */
TN_MUST_USE int tn_op_prepare_again(struct tn_op *op, struct tarn_error *err);

/* Hands it to an I/O thread. A failure to build is a result like any other: it is done at once. */
void tn_op_post(struct tn_op *op);

/* In the I/O thread: builds the first attempt without waiting for anything. TARN_EAGAIN: it has
 * must_get_keys now. */
TN_MUST_USE int tn_op_build_now(struct tn_op *op);

/* Fetches keys and looks up the bucket's host, so that tn_op_build_now finds them. May block;
 * failures show there. */
void tn_op_warm(struct tarn_client *client, const char *bucket);

/* Posts and waits: for operations without a pipe. */
TN_MUST_USE int tn_op_run(struct tn_op *op, struct tarn_error *err);

/* Waits for a posted one, watching its cancel flag. With the waiter's lock not held. */
void tn_op_wait(struct tn_op *op);

/* With the waiter's lock held: asks the I/O thread for TN_OP_WANT_...; nothing when it is done. */
void tn_op_want(struct tn_op *op, unsigned what);

/* The value of an answer's field (lower-case name); data NULL when absent. */
const struct tn_buf *tn_op_head(const struct tn_op *op);
struct tn_str tn_op_field(const struct tn_op *op, const char *name);
struct tn_str tn_op_etag(const struct tn_op *op); /* without quotes */

/* The checksum that the answer tells, TN_CHECKSUM_NONE for none; `text` is its value then. */
enum tn_checksum_kind tn_op_checksum(const struct tn_op *op, struct tn_str *text);

/* Is the ETag what the bytes alone make it? With KMS and customer keys it is something else than an
 * MD5. */
bool tn_op_has_plain_etag(const struct tn_op *op);
struct tn_str tn_op_plain_etag(const struct tn_op *op); /* empty where it is not */

/* Sets `v` (zeroed) up for the whole body, by what the answer's head promises. */
TN_MUST_USE int tn_op_verifier(const struct tn_op *op, struct tn_verifier *v);

/* The answer's document; the root is the arena's of the operation. TARN_EPROTOCOL when it is none
 * with that root. */
TN_MUST_USE int tn_op_parse(struct tn_op *op, const char *root_name,
                            const struct tn_xml_node **root, struct tarn_error *err);

/* The error record's frame: "could not WHAT "bucket/key": ...". Returns status. */
int tn_op_fail(const struct tn_op *op, struct tarn_error *err, int status, const char *format, ...)
    TN_PRINTF(4, 5);

/* For the loop. */
CURLcode tn_op_start(struct tn_op *op);

enum tn_next { TN_NEXT_DONE, TN_NEXT_RETRY };

/* Judges a finished exchange: fills rc and err, or says to try again after `delay_ms`. */
enum tn_next tn_op_judge(struct tn_op *op, int curl_code, uint64_t *delay_ms);

/* Bytes have moved now, before what they say is taken. */
void tn_op_note_move(struct tn_op *op, bool is_answer);

/* Does it take as long as others of its kind? A copy does what nobody can foresee. */
bool tn_op_is_typical(const struct tn_op *op);

/* May this request be sent again while nobody knows what came of the first one? It must do the same
 * however often it is done. */
bool tn_op_may_repeat(const struct tn_op *op);

/* Readies an attempt that was given up for the next one. */
void tn_op_repeat(struct tn_op *op);

/* As tn_op_on_read, for who sends from files by himself (tn_body_piece). */
size_t tn_op_on_piece(struct tn_op *op, char *scratch, size_t cap, uint64_t *offset);

/* Callbacks of curl; those of the answer are in answer.c. */
size_t tn_op_on_read(char *out, size_t size, size_t count, void *arg);
size_t tn_op_on_header(char *bytes, size_t size, size_t count, void *arg);
size_t tn_op_on_body(char *bytes, size_t size, size_t count, void *arg);

/* Room for `len` bytes more of a good answer's document, to be received where they stay; NULL where
 * bytes go through tn_op_on_body, as they also do when there is no memory. */
char *tn_op_document_room(struct tn_op *op, size_t len);
void tn_op_document_add(struct tn_op *op, size_t len); /* so many came there */

#endif
