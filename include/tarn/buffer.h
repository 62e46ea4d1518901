/* SPDX-License-Identifier: Apache-2.0 */
/* A buffer of any size in bounded memory: in memory up to a threshold, then in a temporary file or
 * in S3, through compression and encryption if wanted.
 *
 * Bytes come out in the order in which they went in, in every phase: writing and reading may
 * alternate. One thread at a time. Failures are statuses, never aborts; after a failed write the
 * buffer keeps failing with the same status, but may be reset and freed. Sizes are bytes.
 *
 *     struct tarn_buffer *b = tarn_buffer_new(NULL, &err);
 *     if (b && tarn_buffer_write(b, "hello", 5, &err) == TARN_OK)
 *         len = tarn_buffer_read(b, out, sizeof out, &err);
 *     tarn_buffer_free(b);
 *
 * A whole program: docs/guide/buffers.md. Its format of encrypted bytes: src/spill/filter_aead.c;
 * zstd is RFC 8878, gzip RFC 1952. */

#ifndef TARN_BUFFER_H
#define TARN_BUFFER_H

#include <stdio.h>

#include <tarn/object.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TARN_BUFFER_FILTERS_MAX 8
#define TARN_BUFFER_KEY_LEN 32

enum tarn_buffer_filter_kind {
    TARN_BUFFER_ZSTD,
    TARN_BUFFER_GZIP,
    TARN_BUFFER_AES_256_GCM,
    TARN_BUFFER_CHACHA20_POLY1305
};

/* "zstd", "gzip", "aes-256-gcm", "chacha20-poly1305". Any thread. */
TARN_API const char *tarn_buffer_filter_name(enum tarn_buffer_filter_kind kind);

struct tarn_buffer_filter {
    enum tarn_buffer_filter_kind kind;
    int level;       /* of compression: 0 is the usual one */
    const void *key; /* of encryption: TARN_BUFFER_KEY_LEN bytes, copied; NULL: a random one that
                        only this buffer knows */
};

/* Where bytes beyond the threshold go. A program's own: each segment is written once from its
 * beginning to its end, then read at any place, then removed. `create` makes one; the others get
 * what it made. All return TARN_OK or a negative TARN_E..., `read` the bytes read (0 only at the
 * end). */
struct tarn_buffer_storage {
    int (*create)(void *arg, void **segment, struct tarn_error *err);
    int (*write)(void *arg, void *segment, const void *bytes, size_t len, struct tarn_error *err);
    int (*seal)(void *arg, void *segment, struct tarn_error *err);
    int64_t (*read)(void *arg, void *segment, uint64_t offset, void *bytes, size_t len,
                    struct tarn_error *err);
    void (*remove)(void *arg, void *segment); /* what was written, sealed or not; frees it */
    void *arg;
};

struct tarn_buffer_s3 {
    struct tarn_client *client;
    const char *bucket;
    const char *prefix;       /* NULL is "hybridbuffer"; "" is none */
    long timeout_ms;          /* of each request; 0 is 30,000 */
    int random_len;           /* bytes of randomness in names; 0 is 8, which are 16 digits */
    uint64_t part_size;       /* 0 is 5 MiB, the least; grows from part 4,001 on */
    int parts_in_flight;      /* 0 is 2 */
    uint64_t read_window;     /* bytes asked for at once; 0 is 1 MiB */
    int64_t expires_after_ms; /* for the sweeper; 0 is a day */
    struct tarn_attributes attributes; /* class, sse, tags, more metadata */
    struct tarn_request request;
    void *reserved[4];
};

struct tarn_buffer_pool; /* memory blocks that buffers hand to each other; any thread */

struct tarn_buffer_options {
    uint64_t threshold; /* bytes kept in memory; 0 is 2 MiB. More than that moves all of it out */
    bool spills_at_once;
    bool never_spills; /* past the threshold TARN_ETOOBIG */
    bool is_fifo;      /* what was read is given up: no rewind, no seek back */
    uint64_t prealloc; /* memory taken at once; 0 is none */
    uint64_t size_max; /* of all that is written; 0 is no limit */
    const struct tarn_buffer_filter *filters; /* the first sees the plain bytes */
    size_t filter_count;
    const char *directory;           /* of the temporary file; default $TMPDIR, /tmp */
    const struct tarn_buffer_s3 *s3; /* S3 instead of a file; copied, its bucket and prefix
                                        too, but not what attributes and request point to */
    const struct tarn_buffer_storage *storage; /* or a program's own, with all five; copied */
    struct tarn_buffer_pool *pool;             /* must outlive the buffer */
    void *reserved[4];
};

struct tarn_buffer;

/* NULL on failure: TARN_EINVAL for options that make no sense, TARN_ENOMEM. Nothing is opened yet.
 */
TARN_API struct tarn_buffer *tarn_buffer_new(const struct tarn_buffer_options *options,
                                             struct tarn_error *err);

/* Removes what was spilled. Accepts NULL. */
TARN_API void tarn_buffer_free(struct tarn_buffer *b);

/* Appends all of it, or fails. TARN_EINVAL after tarn_buffer_seal. */
TARN_API int tarn_buffer_write(struct tarn_buffer *b, const void *bytes, size_t len,
                               struct tarn_error *err);

/* Up to `cap` bytes from where reading stands; fewer only at the end; 0 when nothing is left for
 * now. TARN_ECORRUPT: what was spilled is damaged or cut short. */
TARN_API int64_t tarn_buffer_read(struct tarn_buffer *b, void *bytes, size_t cap,
                                  struct tarn_error *err);

/* The same up to and with the first `delimiter`; without one, to the end. TARN_ETOOBIG (nothing is
 * consumed) when that is more than `cap`. TARN_ENOTSUPPORTED in a FIFO for what is not in memory.
 */
TARN_API int64_t tarn_buffer_read_until(struct tarn_buffer *b, char delimiter, void *bytes,
                                        size_t cap, struct tarn_error *err);

/* Bytes at `offset` without moving where reading stands. With filters, TARN_ENOTSUPPORTED for what
 * is not in memory. */
TARN_API int64_t tarn_buffer_pread(struct tarn_buffer *b, void *bytes, size_t cap, uint64_t offset,
                                   struct tarn_error *err);

/* Moves where reading stands, 0 to tarn_buffer_size (TARN_EINVAL elsewhere). With filters,
 * TARN_ENOTSUPPORTED but for 0 and for going on; in a FIFO only forward. */
TARN_API int tarn_buffer_seek(struct tarn_buffer *b, uint64_t offset, struct tarn_error *err);
TARN_API int tarn_buffer_rewind(struct tarn_buffer *b, struct tarn_error *err);

/* Copies what is left to `write`, and from `read` until it gives 0; in blocks of 64 KiB. */
TARN_API int tarn_buffer_copy_to(struct tarn_buffer *b, tarn_write_fn write, void *arg,
                                 struct tarn_error *err);
TARN_API int tarn_buffer_copy_from(struct tarn_buffer *b, tarn_read_fn read, void *arg,
                                   struct tarn_error *err);

TARN_API uint64_t tarn_buffer_size(const struct tarn_buffer *b);      /* all bytes written */
TARN_API uint64_t tarn_buffer_tell(const struct tarn_buffer *b);      /* where reading stands */
TARN_API uint64_t tarn_buffer_left(const struct tarn_buffer *b);      /* unread */
TARN_API uint64_t tarn_buffer_available(const struct tarn_buffer *b); /* before it spills */
TARN_API bool tarn_buffer_is_spilled(const struct tarn_buffer *b);

/* Keeps the first `size` bytes. TARN_EINVAL for more than tarn_buffer_size, below what a FIFO gave
 * up, and after tarn_buffer_seal. */
TARN_API int tarn_buffer_truncate(struct tarn_buffer *b, uint64_t size, struct tarn_error *err);

/* Ends writing: waits for everything and reports what went wrong with it. Once is enough. */
TARN_API int tarn_buffer_seal(struct tarn_buffer *b, struct tarn_error *err);

/* Seals, then leaves everything as one object in S3 that the sweeper does not touch, and empties
 * the buffer. `key` gets its key. TARN_ENOTSUPPORTED for other storages and for keys that are only
 * known to the buffer. */
TARN_API int tarn_buffer_detach(struct tarn_buffer *b, char key[TARN_KEY_LEN_MAX + 1],
                                struct tarn_error *err);

/* Empties it for new bytes, with the same options. What could not be removed is left to the
 * sweeper. */
TARN_API void tarn_buffer_reset(struct tarn_buffer *b);

/* A stdio stream on the buffer: writes append, reads and seeks as above. fclose() does not free the
 * buffer. NULL with errno set. */
TARN_API FILE *tarn_buffer_file(struct tarn_buffer *b, const char *mode);

/* Memory blocks, at most `memory_max` bytes of idle ones. */
TARN_API struct tarn_buffer_pool *tarn_buffer_pool_new(uint64_t memory_max, struct tarn_error *err);
TARN_API void tarn_buffer_pool_free(struct tarn_buffer_pool *pool);     /* no buffer may use it */
TARN_API uint64_t tarn_buffer_pool_idle(struct tarn_buffer_pool *pool); /* bytes */

struct tarn_buffer_gc_options {
    struct tarn_request request;
    int64_t older_than_ms; /* by the server's Last-Modified; 0: by what each object says */
    bool is_dry_run;
    void *reserved[4];
};

/* An object (`upload_id` NULL) or an unfinished upload that was removed, or would be. */
typedef void (*tarn_buffer_gc_fn)(void *arg, const char *key, const char *upload_id, uint64_t size);

/* Removes what crashed programs left below `prefix`: objects that say of themselves that they
 * belong to a buffer and have expired, each only if it is still that object (a server that tells no
 * ETag cannot say so: they stay), and uploads older than that. Nothing else. `removed` (NULL is
 * fine) counts, also what went before a failure; the first one is the result. */
TARN_API int tarn_buffer_gc(struct tarn_client *client, const char *bucket, const char *prefix,
                            const struct tarn_buffer_gc_options *options, tarn_buffer_gc_fn each,
                            void *arg, uint64_t *removed, struct tarn_error *err);

#ifdef __cplusplus
}
#endif

#endif
