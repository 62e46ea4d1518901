/* SPDX-License-Identifier: Apache-2.0 */
/* What the server asks of a place that keeps objects: a table of functions with no file names in
 * it.
 *
 * Promises. A transaction whose `done` reports TARN_OK survives power loss: data, metadata and
 * name. Each key is a linearizable register: preconditions are judged in the order of commitment,
 * so exactly one of N racing creators wins. A failed transaction changes nothing. Reads give the
 * bytes that were stored or an error, never others. An open object keeps its bytes whatever happens
 * to its key.
 *
 * Calls marked "may wait" do disk I/O and belong on a worker thread. All calls are thread-safe; one
 * body and one object handle serve one thread at a time. */

#ifndef SERVER_STORE_STORE_H
#define SERVER_STORE_STORE_H

#include <sys/types.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/fail.h"

struct store;
struct store_body;
struct store_object;

enum {
    STORE_MD5_LEN = 16,
    STORE_UPLOAD_ID_LEN = 32,       /* hex digits */
    STORE_META_LEN_MAX = 64 * 1024, /* the API's metadata for one object */
    STORE_PART_NUMBER_MAX = 10000,
};

/* What the index knows of an object, an upload or a part, without opening it. */
struct store_head {
    uint64_t
        seq; /* of the record that wrote it: rises with every change in the store, never reused */
    uint64_t size;                    /* bytes */
    int64_t mtime_ms;                 /* since 1970 UTC */
    unsigned char md5[STORE_MD5_LEN]; /* of the body; of the parts' MD5s when part_count is not 0 */
    uint32_t part_count;              /* 0 for an object that was not uploaded in parts */
    uint32_t attrs;          /* the API's own bits (storage class, checksum kind), kept as given */
    uint32_t flags;          /* STORE_IS_VERSIONED, STORE_IS_MARKER */
    uint64_t version;        /* the seq that first wrote this version; stays when its metadata is
                              * replaced. The higher, the newer */
    unsigned char place[32]; /* the engine's own */
};

enum store_head_flag {
    STORE_IS_VERSIONED = 1u << 0, /* has a version id, which is `version`; else the null version */
    STORE_IS_MARKER = 1u << 1,    /* a delete marker: no bytes */
};

/* How a bucket keeps its versions. */
enum store_versioning {
    STORE_UNVERSIONED, /* until it is first enabled: the null version is all there is */
    STORE_VERSIONS_ENABLED,
    STORE_VERSIONS_SUSPENDED, /* new objects take the null version's place, others stay */
};

/* Which version of a key is meant. */
enum store_version_kind { STORE_CURRENT, STORE_NULL_VERSION, STORE_VERSION_ID };

struct store_version {
    enum store_version_kind kind;
    uint64_t id; /* STORE_VERSION_ID */
};

/* --- Transactions --- */

enum store_op {
    STORE_PUT,    /* bucket, key, head, meta, body or bytes or source; or source and body, the bytes
                     of the one and then those of the other: both must be apart (object_is_apart,
                     STORE_BODY_APART), the engine fills head.md5 and head.part_count.
                     TARN_ETOOBIG: more than STORE_PART_NUMBER_MAX pieces */
    STORE_DELETE, /* bucket, key, version; what is absent is fine (existed tells). The current
                     version of a bucket that keeps versions gets a marker put before it:
                     `head` is the marker's. Else `head` is what was removed */
    STORE_BUCKET_CREATE, /* bucket, meta, versioning; TARN_EEXISTS */
    STORE_BUCKET_DELETE, /* bucket; TARN_ENOTEMPTY while it holds objects; open uploads are aborted
                            with it */
    STORE_BUCKET_CONFIG, /* bucket, meta, versioning: replaces them */
    STORE_UPLOAD_CREATE, /* bucket, key, head.attrs, meta; fills upload_id */
    STORE_PART_PUT,      /* bucket, key, upload_id, part_number, head, meta, body or bytes */
    STORE_UPLOAD_COMPLETE, /* bucket, key, upload_id, head (md5, part_count, attrs), meta, parts */
    STORE_UPLOAD_ABORT,    /* bucket, key, upload_id */
    STORE_RENAME, /* bucket, key (the new name), head, meta, source (of the same bucket): the object
                     has the new name and no longer the old one, to all who look, in one step.
                     TARN_ENOTSUPPORTED in a bucket that keeps versions */
};

/* What a bucket may hold, all versions of its objects together; 0: no limit. Parts count when they
 * have become an object, but none is taken that would not fit any more. */
struct store_quota {
    uint64_t bytes_max;
    uint64_t object_max;
};

/* A part as CompleteMultipartUpload names it, as store_part_list() gave it: `head` must be the head
 * of the part still, else TARN_EAGAIN (look again, try again). */
struct store_part {
    uint32_t number;
    struct store_head head;
    struct tn_str meta;
};

/* One change. The caller owns it and all it points to until `done`; `body` moves in and is always
 * freed by the store. Zero-initialise, set the fields named beside the op. */
struct store_txn {
    enum store_op op;
    struct tn_str bucket;
    struct tn_str key;
    char upload_id[STORE_UPLOAD_ID_LEN + 1];
    uint32_t part_number;
    struct store_head
        head; /* in: md5, part_count, attrs, mtime_ms (0: now). out: what was stored */
    struct tn_str meta;
    struct tn_str bytes;     /* the body in memory; or: */
    struct store_body *body; /* a sealed body; or: */
    struct store_object
        *source; /* shares the bytes of this open object, whose key must be unchanged still:
                  * TARN_EAGAIN when it is not (open it again, try again) */
    const struct store_part *parts;
    size_t part_count;
    struct store_version version;     /* STORE_DELETE */
    bool keeps_version;               /* STORE_PUT with `source`: replaces the metadata of that very
                                       * version, which keeps its place among the others */
    enum store_versioning versioning; /* of a bucket */
    struct store_quota quota; /* judged with the rest, exactly: TARN_ENOSPACE and is_over_quota */

    /* Called on the committing thread with the key's current head, or NULL when there is none; must
     * not wait. A negative status refuses the change and becomes `status`. NULL for no condition.
     * For STORE_UPLOAD_COMPLETE the head is that of the object, not of the upload. A delete marker
     * as the current version is no object: NULL. Where one version is meant (version,
     * keeps_version), the head is that version's, a marker's too. */
    int (*judge)(struct store_txn *txn, const struct store_head *current);

    /* Called exactly once, on any thread, never from inside store_commit(); must not wait. */
    void (*done)(struct store_txn *txn);
    void *user;

    /* Results. */
    int status; /* TARN_OK; TARN_ENOBUCKET; TARN_ENOTFOUND (no such upload); TARN_ENOSPACE; judge's;
                   ... */
    bool existed; /* the key had an object, or the version meant, before */
    bool is_over_quota;

    /* The engine's own. */
    struct store_txn *next;
    void *engine;
};

/* --- Listing --- */

struct store_list {
    struct tn_str bucket;
    struct tn_str prefix;
    struct tn_str delimiter; /* any text; empty for none */
    struct tn_str after;     /* entries (keys and common prefixes) greater than this only */
    struct tn_str
        upload_after; /* uploads only: with key == after, ids greater than this too; empty: none */
    struct store_version version_after; /* versions only: with key == after, versions older than
                                         * this too; STORE_CURRENT: none of that key */
    size_t max;                         /* entries at most; 0 gives none */
};

/* One entry: an object (head set), or a common prefix (head NULL). Views hold during the call. A
 * negative status ends the listing and is returned. */
typedef int (*store_list_fn)(void *user, struct tn_str key, const struct store_head *head);
/* A version, newest first within a key; or a common prefix (head NULL). */
typedef int (*store_version_fn)(void *user, struct tn_str key, const struct store_head *head,
                                bool is_latest);
typedef int (*store_upload_fn)(void *user, struct tn_str key, const char *upload_id,
                               const struct store_head *head);
typedef int (*store_part_fn)(void *user, const struct store_part *part);

struct store_bucket {
    struct tn_str name;
    int64_t created_ms;
    struct tn_str meta;
    enum store_versioning versioning;
};
typedef int (*store_bucket_fn)(void *user, const struct store_bucket *bucket);

struct store_stats {
    uint64_t free_bytes; /* of the place it is kept in */
    uint64_t committed_seq;
    uint64_t applied_seq; /* what the index has taken in */
    bool is_full;         /* new data is refused, deletes are not */
};

/* Instead of a length: the bytes are kept apart from their record, however few they are. */
#define STORE_BODY_APART (UINT64_MAX - 1)

/* --- The table --- */

struct store_ops {
    const char *name;
    void (*close)(
        struct store *s); /* commits what is queued first; no other call may run or follow */
    void (*commit)(struct store *s, struct store_txn *txn); /* never waits */

    /* A body of `len` bytes (UINT64_MAX: not known). Up to 64 KiB it stays in memory and never
     * waits; TARN_ETHROTTLED when too many do at present. */
    int (*body_new)(struct store *s, uint64_t len, struct store_body **out, struct tarn_error *err);
    int (*body_append)(struct store_body *b, const void *bytes, size_t len, struct tarn_error *err);
    int (*body_seal)(struct store_body *b,
                     struct tarn_error *err); /* data is durable after this, if large */
    uint64_t (*body_len)(const struct store_body *b);
    /* What was appended, while it is in memory; empty when it is not. Valid until the next call for
     * `b`. */
    struct tn_str (*body_bytes)(const struct store_body *b);
    void (*body_free)(struct store_body *b);

    /* Opens the current object. TARN_ENOTFOUND, TARN_ENOBUCKET, TARN_ECORRUPT; with `may_wait`
     * false also TARN_EAGAIN when a disk would be asked. A current delete marker is TARN_ENOTFOUND:
     * version_open() of STORE_CURRENT opens it. */
    int (*object_open)(struct store *s, struct tn_str bucket, struct tn_str key, bool may_wait,
                       struct store_object **out, struct tarn_error *err);
    /* Opens one version; a delete marker, too (see the head's flags). As object_open(), but may
     * wait always. */
    int (*version_open)(struct store *s, struct tn_str bucket, struct tn_str key,
                        const struct store_version *version, struct store_object **out,
                        struct tarn_error *err);
    void (*object_close)(struct store_object *o);
    const struct store_head *(*object_head)(const struct store_object *o);
    struct tn_str (*object_meta)(const struct store_object *o); /* valid until close */
    /* Are its bytes kept apart from its record, so that others can be put behind them? NULL:
     * never in this engine. */
    bool (*object_is_apart)(const struct store_object *o);

    /* Verified bytes at `offset`: bytes read (0 at the end), TARN_EAGAIN when it may not wait and
     * would, TARN_ECORRUPT, TARN_EIO. */
    ssize_t (*object_read)(struct store_object *o, uint64_t offset, void *out, size_t cap,
                           bool may_wait, struct tarn_error *err);

    /* As object_read() into `scratch`, and tells where in which file the same bytes are; both hold
     * until the next call for `o`. TARN_ENOTSUPPORTED: in none. NULL when the engine has no files.
     */
    ssize_t (*object_file)(struct store_object *o, uint64_t offset, void *scratch, size_t cap,
                           bool may_wait, int *fd, uint64_t *file_offset, struct tarn_error *err);

    /* The bounds of part `number` (1 to part_count, in their order, whatever they were uploaded as)
     * within the object and that part's own meta (valid until close). TARN_ERANGE when there is
     * none; an object without parts has one. May wait. */
    int (*object_part)(struct store_object *o, uint32_t number, uint64_t *offset, uint64_t *len,
                       struct tn_str *meta, struct tarn_error *err);

    /* May wait, from here on. Each listing is a snapshot that holds all that was committed before
     * the call. `is_truncated`: more entries follow. */
    int (*list)(struct store *s, const struct store_list *query, store_list_fn each, void *user,
                bool *is_truncated, struct tarn_error *err);
    int (*version_list)(struct store *s, const struct store_list *query, store_version_fn each,
                        void *user, bool *is_truncated, struct tarn_error *err);
    int (*upload_list)(struct store *s, const struct store_list *query, store_upload_fn each,
                       store_list_fn each_prefix, void *user, bool *is_truncated,
                       struct tarn_error *err);
    /* Parts with numbers greater than `after`. TARN_ENOTFOUND: no such upload of this key. */
    int (*part_list)(struct store *s, struct tn_str bucket, struct tn_str key,
                     const char *upload_id, uint32_t after, size_t max, store_part_fn each,
                     void *user, bool *is_truncated, struct tarn_error *err);
    /* The meta given at STORE_UPLOAD_CREATE, and its head. */
    int (*upload_get)(struct store *s, struct tn_str bucket, struct tn_str key,
                      const char *upload_id, struct store_head *head, struct tn_arena *arena,
                      struct tn_str *meta, struct tarn_error *err);

    /* Never wait. */
    int (*bucket_get)(struct store *s, struct tn_str bucket, struct tn_arena *arena,
                      struct store_bucket *out);
    int (*bucket_list)(struct store *s, store_bucket_fn each, void *user); /* in name order */
    void (*stats)(struct store *s, struct store_stats *out);
};

/* Every engine's handle begins with its table. */
struct store {
    const struct store_ops *ops;
};

#endif
