/* SPDX-License-Identifier: Apache-2.0 */
/* The engine's inside: what its files share. How a change walks: store_commit (any thread) encodes
 * it and queues it; the committer judges, writes and syncs a batch, publishes it to `heads` and
 * answers; the applier takes it into the index. */

#ifndef SERVER_STORE_ENGINE_H
#define SERVER_STORE_ENGINE_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/wait.h"
#include "server/store/blob.h"
#include "server/store/buckets.h"
#include "server/store/heads.h"
#include "server/store/index.h"
#include "server/store/log.h"
#include "server/store/log_store.h"
#include "server/store/record.h"
#include "server/store/usage.h"
#include "server/store/versions.h"

enum {
    ENGINE_PATH_MAX = 4096,
    INLINE_MAX_DEFAULT = 1 << 20,
    CACHE_MAX_DEFAULT = 8 << 20,
    BODY_MEMORY_MAX_DEFAULT = 24 << 20,
    BATCH_COUNT_MAX = 1024,        /* changes in one commit */
    BATCH_LEN_MAX = 16 << 20,      /* bytes in one commit */
    BACKLOG_MAX = 16384,           /* changes that the index may lag behind */
    RECORD_WHOLE_MAX = 128 * 1024, /* records up to this are read at once */
    MANIFEST_LEN_MAX = 32 << 20,
    UNREAD_MAX = 64, /* descriptors of removed segments that wait for their readers */
};

/* The engine's own transaction: a record moves, as it is, from a segment that is being emptied. */
#define STORE_MOVE ((enum store_op)100)

/* A change on its way from store_commit to the index. One allocation with its key and front. */
struct change {
    struct change *next;
    struct store_txn *txn; /* NULL once it is answered */
    struct record record;  /* views into `front` */
    struct place place;
    struct store_head head;
    struct tn_str key;       /* the index row's */
    struct tn_str other_key; /* a second row: the upload's, for changes to one; the old name's */
    struct tn_str body;      /* that goes into the record */
    struct tn_buf own_body;  /* holds `body` when it is not the caller's */
    unsigned char *front;
    size_t front_len;
    uint64_t total_len;
    struct version_row *rows; /* that changed, when it is about versions; else NULL */
    size_t row_count;
    uint32_t crc;
    struct usage_change usage; /* what it does to its bucket's */
    bool is_quiet; /* changes no head: a part that lives on in a manifest only; a segment's end */
};

/* Keeps bytes from being removed: whoever looks at the index or reads holds one. In order of `seq`.
 */
struct pin {
    struct pin *prev;
    struct pin *next;
    uint64_t seq;
};

struct garbage {
    uint64_t blob;
    uint64_t death_seq; /* of the record that dropped the last reference */
};

/* The descriptor of a segment that is gone; nobody with a later pin has it. */
struct unread {
    uint32_t segment;
    int fd;
    uint64_t seq;
};

struct log_store {
    struct store base;
    const struct disk_ops *disk;
    struct log_store_config config;
    char dir[ENGINE_PATH_MAX];
    char blob_dir[ENGINE_PATH_MAX + 8];
    int lock_fd;
    int hold_fd; /* the applier's: a backup holds it shared; whoever removes what was committed
                    holds it alone */
    uint64_t reserve_len; /* free bytes below which new data is refused */

    struct log *log;
    struct index *index;
    bool is_rebuilding; /* the index, from nothing: set by the recovery alone */
    struct heads *heads;
    struct buckets *buckets;

    _Atomic(uint64_t) committed_seq;
    _Atomic(uint64_t) blob_next;
    uint64_t blob_first; /* blobs with smaller ids are of an earlier process */
    _Atomic(bool) is_full;
    _Atomic(uint64_t) body_memory; /* bytes of bodies on their way in */

    struct {
        pthread_mutex_t lock;
        pthread_cond_t filled;
        struct store_txn *first, *last;
        bool is_closing;
    } queue;
    pthread_t committer;

    /* The committer's alone. */
    struct {
        uint64_t next_seq;
        uint32_t prev;
        struct index_reader *reader;
        uint64_t space_checked_ns;
        uint32_t space_checked_segment;
        struct version_plan plan; /* of the change that is being judged, if it has_plan */
        bool has_plan;
        bool is_settled;  /* the index has all that was committed before this batch */
        bool must_settle; /* the judgement needs that */
        bool must_roll;   /* the segment is sealed */
        struct usage_table usage;
    } commit;

    struct {
        pthread_mutex_t lock;
        pthread_cond_t filled;
        pthread_cond_t drained;
        struct change *first, *last;
        size_t count;
        size_t waiter_count; /* threads that need the index to be up to date */
        uint64_t applied_seq;
        int failure; /* of the last try, while it is being tried again */
        bool is_closing;
    } apply;
    pthread_t applier;

    /* The applier's alone. */
    struct {
        struct garbage *items;
        size_t count, cap;
    } garbage;

    struct {
        pthread_mutex_t lock;
        struct pin *first, *last;
    } pins;

    pthread_t sweeper;

    struct {
        pthread_mutex_t lock;
        pthread_cond_t changed;
        unsigned in_flight; /* moves that are not answered */
        uint64_t in_flight_len;
        _Atomic(uint64_t) moved_len;      /* bytes written again since the start */
        _Atomic(uint64_t) retired;        /* segments */
        struct unread unread[UNREAD_MAX]; /* the thread's alone */
        size_t unread_count;
        int hold_fd; /* of its own: a lock belongs to the open file */
    } vacuum;
    pthread_t vacuumer;
    pthread_t scrubber;
    _Atomic(bool) is_closing;
    bool has_committer, has_applier, has_sweeper, has_vacuumer, has_scrubber;
};

static inline struct log_store *engine(struct store *s)
{
    return TN_CONTAINER(s, struct log_store, base);
}

/* pins.c */
void pin_take(struct log_store *s, struct pin *p);
void pin_drop(struct log_store *s, struct pin *p);
uint64_t pin_lowest(struct log_store *s); /* UINT64_MAX when none is held */

/* body.c */
int body_new(struct store *base, uint64_t len, struct store_body **out, struct tarn_error *err);
int body_append(struct store_body *b, const void *bytes, size_t len, struct tarn_error *err);
int body_seal(struct store_body *b, struct tarn_error *err);
uint64_t body_len(const struct store_body *b);
void body_free(struct store_body *b);           /* what was not kept is removed */
uint64_t body_blob(const struct store_body *b); /* 0 when it is in memory */
struct tn_str body_bytes(const struct store_body *b);
void body_keep(struct store_body *b); /* its record is durable: the file stays */

/* The number of no version: its row remembers the highest number of a key's versions that were put
 * aside and may not be in the index yet. It is in the heads only. */
enum { ASIDE_VERSION = 0 };

/* change.c */
TN_MUST_USE int change_new(struct log_store *s, struct store_txn *txn, struct change **out);
void change_free(struct change *c); /* accepts NULL */
bool upload_id_decode(const char *text, unsigned char out[UPLOAD_ID_RAW_LEN]);

/* The record again, under its origin. `type` is what it becomes. */
TN_MUST_USE int change_move(const struct record *r, enum record_type type, struct tn_str body,
                            struct store_txn *txn, struct change **out);

/* commit.c */
void commit_txn(struct store *base, struct store_txn *txn);
void commit_enqueue(struct log_store *s, struct store_txn *txn, struct change *c);
TN_MUST_USE int commit_start(struct log_store *s, struct tarn_error *err);
void commit_stop(struct log_store *s); /* commits what is queued */

/* apply.c */
TN_MUST_USE int apply_start(struct log_store *s, struct tarn_error *err);
void apply_stop(struct log_store *s);
void apply_push(struct log_store *s, struct change *first, struct change *last, size_t count);

/* Returns when the index has all that was committed before the call. May wait. TARN_EIO or
 * TARN_ENOSPACE when the index cannot be written at present. */
TN_MUST_USE int apply_wait(struct log_store *s, struct tarn_error *err);

/* One record into the index, between index_begin and index_commit. */
TN_MUST_USE int apply_record(struct log_store *s, const struct record *r, const struct place *place,
                             struct tn_str manifest, struct tarn_error *err);

/* Drops every row of a bucket. Between index_begin and index_commit. */
TN_MUST_USE int apply_drop_rows(struct log_store *s, uint32_t bucket, uint64_t seq,
                                struct tarn_error *err);

/* Drops the rows of parts whose upload is over: a rebuild may meet a moved part whose upload's end
 * vacuum had no more reason to keep. Between index_begin and index_commit. */
TN_MUST_USE int apply_drop_orphans(struct log_store *s, uint32_t bucket, struct tarn_error *err);

/* Removes blobs that no reader can see any more; none while a backup runs. */
void apply_collect(struct log_store *s);

/* log_store.c */
TN_MUST_USE int store_exists(const char *dir, struct tarn_error *err);

/* hold.c */
TN_MUST_USE int hold_open(const char *dir, int *fd, struct tarn_error *err);
bool hold_try_alone(int fd);
TN_MUST_USE int hold_share(int fd, struct tarn_error *err); /* waits */
void hold_drop(int fd);

/* scrub.c */
TN_MUST_USE int scrub_start(struct log_store *s, struct tarn_error *err);
void scrub_stop(struct log_store *s);

/* vacuum.c */
TN_MUST_USE int vacuum_start(struct log_store *s, struct tarn_error *err);
void vacuum_stop(struct log_store *s);
void vacuum_sleep(struct log_store *s, uint64_t ms); /* ends early when the store closes */

/* object.c */
int object_open(struct store *base, struct tn_str bucket, struct tn_str key, bool may_wait,
                struct store_object **out, struct tarn_error *err);
int object_open_version(struct store *base, struct tn_str bucket, struct tn_str key,
                        const struct store_version *version, struct store_object **out,
                        struct tarn_error *err);
void object_close(struct store_object *o);
const struct store_head *object_head(const struct store_object *o);
struct tn_str object_meta(const struct store_object *o);
bool object_is_apart(const struct store_object *o);
ssize_t object_file(struct store_object *o, uint64_t offset, void *scratch, size_t cap,
                    bool may_wait, int *fd, uint64_t *file_offset, struct tarn_error *err);
ssize_t object_read(struct store_object *o, uint64_t offset, void *out, size_t cap, bool may_wait,
                    struct tarn_error *err);
int object_part(struct store_object *o, uint32_t number, uint64_t *offset, uint64_t *len,
                struct tn_str *meta, struct tarn_error *err);
struct tn_str object_key(const struct store_object *o); /* of its index row */

/* The front of the record at `place`, verified, of record `seq`. */
TN_MUST_USE int object_read_front(struct log_store *s, const struct place *place, uint64_t seq,
                                  bool may_wait, struct tn_buf *bytes, struct record *r,
                                  struct tarn_error *err);

/* The body of the manifest record at `place`, verified. May wait. */
TN_MUST_USE int object_read_manifest(struct log_store *s, const struct place *place, uint64_t seq,
                                     struct tn_buf *out, struct tarn_error *err);

/* Looks up a head: heads first, then the index. TARN_ENOTFOUND. */
TN_MUST_USE int object_find(struct log_store *s, struct tn_str index_key, bool may_wait,
                            struct store_head *out, struct tarn_error *err);

/* One version of a key. May wait. TARN_ENOTFOUND. */
TN_MUST_USE int object_find_version(struct log_store *s, struct tn_str object_key,
                                    const struct store_version *which, struct store_head *out,
                                    struct tarn_error *err);

/* listing.c */
int listing_objects(struct store *base, const struct store_list *query, store_list_fn each,
                    void *user, bool *is_truncated, struct tarn_error *err);
int listing_versions(struct store *base, const struct store_list *query, store_version_fn each,
                     void *user, bool *is_truncated, struct tarn_error *err);
int listing_uploads(struct store *base, const struct store_list *query, store_upload_fn each,
                    store_list_fn each_prefix, void *user, bool *is_truncated,
                    struct tarn_error *err);
int listing_parts(struct store *base, struct tn_str bucket, struct tn_str key,
                  const char *upload_id, uint32_t after, size_t max, store_part_fn each, void *user,
                  bool *is_truncated, struct tarn_error *err);
int listing_upload(struct store *base, struct tn_str bucket, struct tn_str key,
                   const char *upload_id, struct store_head *head, struct tn_arena *arena,
                   struct tn_str *meta, struct tarn_error *err);

#endif
