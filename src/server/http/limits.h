/* SPDX-License-Identifier: Apache-2.0 */
/* What a peer may take from the HTTP server: bytes, time, connections; each with its reason. */

#ifndef SERVER_HTTP_LIMITS_H
#define SERVER_HTTP_LIMITS_H

#include "proto/http1.h"

enum {
    /* Metadata, long presigned targets and proxies' headers together pass 8 KiB. */
    HTTP_HEAD_LEN_MAX = TN_HTTP1_HEAD_LEN_MAX,

    /* Holds nearly every head, and enough of a small body that one read takes both. */
    HTTP_IN_LEN = 16 * 1024,

    /* The head of an answer: 2 KiB of user metadata grows threefold when it is escaped. */
    HTTP_ANSWER_HEAD_LEN_MAX = 64 * 1024,

    /* What one request may hold while it runs: its head, a DeleteObjects document, a page of a
       listing. */
    HTTP_ARENA_LEN_MAX = 32 * 1024 * 1024,

    /* One read or write of a large body. Large enough that switching threads costs little beside
       hashing. */
    HTTP_WINDOW_LEN = 256 * 1024,

    /* Bodies from this length on are sent from their files, where there are any. */
    HTTP_FILE_LEN_MIN = 128 * 1024,

    /* All windows of the server: with 1,000 connections it still stays under 64 MiB. */
    HTTP_WINDOW_BUDGET = 12 * 1024 * 1024,

    /* However many loops share the budget, each can serve this many windows at once. */
    HTTP_LOOP_WINDOW_COUNT_MIN = 8,

    /* A worker is called for this much, or for the end of a body: less is not worth the switch. */
    HTTP_DISPATCH_LEN_MIN = 64 * 1024,

    /* An answer came before its body was read: up to this much is read and dropped to keep the
       connection. */
    HTTP_DRAIN_LEN_MAX = 256 * 1024,

    /* Closing with bytes unread would reset the connection and destroy the answer on its way: so
     * much, or so long, is read and dropped first. */
    HTTP_LINGER_LEN_MAX = 64 * 1024 * 1024,
    HTTP_LINGER_MS = 5000,

    /* Work for one connection before its neighbours have their turn. */
    HTTP_TURN_LEN_MAX = 1024 * 1024,

    /* Pipelined requests count as this much work. */
    HTTP_TURN_LEN_PER_REQUEST = 16 * 1024,

    HTTP_CONN_MAX = 4096,

    /* So many above the limit are told so with a 503, at a time; the rest is closed without a word.
     */
    HTTP_CONN_EXCESS_MAX = 64,

    /* A head arrives in one packet or a few: longer means trouble or malice. */
    HTTP_HEAD_TIMEOUT_MS = 30 * 1000,

    /* Bodies pause: the disks and links of peers do. At least HTTP_PROGRESS_LEN_MIN bytes per
     * timeout, or a peer that sends a byte a minute would hold its windows for years. Also for
     * bodies going out. */
    HTTP_BODY_TIMEOUT_MS = 60 * 1000,
    HTTP_PROGRESS_LEN_MIN = 1024,

    /* Longer than the pools of the usual clients keep theirs, so that they close first. */
    HTTP_IDLE_TIMEOUT_MS = 120 * 1000,

    /* Out of descriptors: let some come back before accepting again. */
    HTTP_ACCEPT_PAUSE_MS = 100,

    /* Connections accepted per event, so that a flood does not starve the requests. */
    HTTP_ACCEPT_BATCH_MAX = 64,

    /* Windows that nobody has needed for so long go back to the heap. */
    HTTP_TRIM_MS = 2000,

    /* Request records kept ready, per loop: about 24 KiB each with their buffers. */
    HTTP_FREE_COUNT_MAX = 64,

    /* Of the target, in a log line. */
    HTTP_LOG_TARGET_LEN_MAX = 512,
};

#endif
