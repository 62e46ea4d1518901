/* SPDX-License-Identifier: Apache-2.0 */
/* The log's unit: how a record, an index row and a manifest look as bytes. Pure functions.
 *
 * A record is its front (header, key, meta, a CRC32C for each block of the body), then the body,
 * padded to RECORD_ALIGN. The front's CRC covers all of the front but itself; `prev` is the CRC of
 * the record before, so that a stale tail can never be taken for a valid one. Magic number and CRC
 * are salted. All numbers are little-endian. */

#ifndef SERVER_STORE_RECORD_H
#define SERVER_STORE_RECORD_H

#include "server/store/store.h"

enum {
    RECORD_HEADER_LEN = 136,
    RECORD_ALIGN = 8,
    RECORD_BALLOT_LEN = 16,
    RECORD_IDENTITY_LEN = 16,
    RECORD_BLOCK_LEN = 64 * 1024,   /* bytes under one CRC, in the log and in blobs alike */
    RECORD_KEY_MAX = 1024 + 1 + 16, /* an upload's: key, NUL, id */
    INDEX_KEY_MAX = 5 + RECORD_KEY_MAX,
    VERSION_SUFFIX_LEN = 1 + 8,
    UPLOAD_ID_RAW_LEN = 16,
    HEAD_CODE_MAX = 128,
};

enum record_type {
    RECORD_SEAL = 1,       /* the segment ends here */
    RECORD_PUT,            /* key: the object's */
    RECORD_DELETE,         /* key: the object's */
    RECORD_PART,           /* key: raw upload id; part: its number */
    RECORD_UPLOAD_CREATE,  /* key: the object's, NUL, raw upload id */
    RECORD_UPLOAD_ABORT,   /* likewise */
    RECORD_COMPLETE,       /* key: the object's; meta begins with the raw upload id */
    RECORD_BUCKET_CREATE,  /* key: the name; bucket: its number */
    RECORD_BUCKET_CONFIG,  /* likewise */
    RECORD_BUCKET_DELETE,  /* likewise */
    RECORD_RETIRE,         /* part: the number of a segment that vacuum has emptied */
    RECORD_VERSION_DELETE, /* key: the object's; version: the one that goes; without
                            * RECORD_IS_VERSIONED: the null version, if it is older than this */
    RECORD_RENAME, /* key: the object's new one; meta begins with the old one (record_rename) */
    RECORD_TYPE_COUNT,
};

/* The first two stand for the flags of the head. */
enum record_flag {
    RECORD_IS_VERSIONED = STORE_IS_VERSIONED,
    RECORD_IS_MARKER = STORE_IS_MARKER,
    RECORD_KEEPS_VERSIONS = 1u << 2, /* the bucket may hold other versions of the key */
};

/* Where the bytes of a head are. */
enum place_kind {
    PLACE_INLINE = 1, /* in its record */
    PLACE_BLOB,       /* all in the one blob */
    PLACE_MANIFEST,   /* the record's body lists them */
};

struct place {
    enum place_kind kind;
    uint32_t segment;
    uint32_t offset; /* of the record within the segment, bytes */
    uint32_t len;    /* of the whole record */
    uint64_t blob;   /* PLACE_BLOB */
};

struct record {
    enum record_type type;
    enum place_kind kind;
    uint32_t crc; /* of the front: the `prev` of the next */
    uint32_t prev;
    uint32_t batch_index; /* records before it in the same commit */
    uint64_t seq;         /* its turn in the log */
    uint64_t origin;  /* the seq under which this state was first written; 0 stands for its own */
    uint64_t version; /* the seq that first wrote it; 0 stands for its origin */
    uint32_t flags;
    uint64_t generation; /* for stores that are replicas, with the ballot: kept, not read here */
    unsigned char ballot[RECORD_BALLOT_LEN];
    uint64_t body_len; /* bytes of the body within the record */
    uint64_t size;     /* bytes of the object */
    uint64_t blob;
    int64_t mtime_ms;
    uint32_t bucket;
    uint32_t part;
    uint32_t part_count;
    uint32_t attrs;
    unsigned char md5[STORE_MD5_LEN];
    struct tn_str key;
    struct tn_str meta;
    const unsigned char *table; /* the blocks' CRCs, record_block_count(body_len) of four bytes */
};

static inline uint64_t record_origin(const struct record *r)
{
    return r->origin ? r->origin : r->seq;
}

static inline uint64_t record_version(const struct record *r)
{
    return r->version ? r->version : record_origin(r);
}

static inline size_t record_block_count(uint64_t len)
{
    return (size_t)((len + RECORD_BLOCK_LEN - 1) / RECORD_BLOCK_LEN);
}

/* What a record has of its store and segment: bytes that a segment's file had in another life, or
 * that a client has put into a body, are no record here, whatever they look like. */
struct record_salt {
    uint32_t magic; /* not 0: zeros are no record */
    uint32_t crc;
};

struct record_salt record_salt(const unsigned char identity[RECORD_IDENTITY_LEN], uint32_t segment);

/* A record's turn. */
struct record_link {
    struct record_salt salt;
    uint64_t seq;
    uint32_t prev;
    uint32_t batch_index;
};

/* Metadata of RECORD_RENAME: the old key's length (2 bytes), the old key, then the object's. */
TN_MUST_USE int record_rename_pack(struct tn_str old_key, struct tn_str meta, struct tn_buf *out);
TN_MUST_USE int record_rename_unpack(struct tn_str bytes, struct tn_str *old_key,
                                     struct tn_str *meta); /* TARN_ECORRUPT */

/* Does it say what an object is? */
static inline bool record_is_object(enum record_type type)
{
    return type == RECORD_PUT || type == RECORD_COMPLETE || type == RECORD_RENAME;
}

/* Length of the front for these; and of the whole record, padded. */
size_t record_front_len(size_t key_len, size_t meta_len, uint64_t body_len);
uint64_t record_len(size_t key_len, size_t meta_len, uint64_t body_len);

/* Writes the front without its link and CRC, which record_finish() adds. `out` takes
 * record_front_len() bytes. */
void record_write_front(const struct record *r, const void *body, unsigned char *out);
uint32_t record_finish(unsigned char *front, size_t front_len, const struct record_link *link);

/* Sets what the committer decides, in a front that is not finished. */
void record_decide(const struct record *r, unsigned char *front);

/* Reads a header: TARN_EINVAL when it is none or impossible. `front_len` and the total follow. */
TN_MUST_USE int record_read_header(const unsigned char bytes[RECORD_HEADER_LEN],
                                   struct record_salt salt, struct record *out, size_t *front_len,
                                   uint64_t *total_len);

/* Reads and verifies a whole front; views into `bytes`. TARN_ECORRUPT when the CRC does not fit. */
TN_MUST_USE int record_read_front(const unsigned char *bytes, size_t len, struct record_salt salt,
                                  struct record *out);

/* True when `bytes` (block `index`) fits its CRC in `table`. */
bool record_block_is_valid(const unsigned char *table, size_t index, const void *bytes, size_t len);

void place_pack(const struct place *p, unsigned char out[32]);
struct place place_unpack(const unsigned char in[32]);

/* An index row's value: the head, then `meta` (parts only), under a CRC that also covers the row's
 * key. Bytes written; `out` takes HEAD_CODE_MAX + meta.len. */
size_t head_encode(struct tn_str index_key, const struct store_head *head, struct tn_str meta,
                   unsigned char *out);
TN_MUST_USE int head_decode(struct tn_str index_key, struct tn_str value, struct store_head *head,
                            struct tn_str *meta);

/* Index keys: bucket number, space, then the key, so that each bucket's objects are one ordered
 * range. */
enum index_space {
    SPACE_OBJECT, /* current versions, but for delete markers */
    SPACE_UPLOAD,
    SPACE_PART,
    SPACE_VERSION, /* key, NUL, the version's number inverted: all others, the newest first */
    SPACE_NULL,    /* a second row of the null version, while that is among the others */
};

struct index_key {
    unsigned char bytes[INDEX_KEY_MAX];
    size_t len;
};

static inline struct tn_str index_key_str(const struct index_key *k)
{
    return (struct tn_str){ (const char *)k->bytes, k->len };
}

void index_key_make(struct index_key *k, uint32_t bucket, enum index_space space,
                    struct tn_str key);
void index_key_part(struct index_key *k, uint32_t bucket, const unsigned char *upload_id,
                    uint32_t number);

/* The key of a version's row among those that are not current. */
void index_key_version(struct index_key *k, struct tn_str object_key, uint64_t version);

/* The same key's row in another space. */
void index_key_in_space(struct index_key *k, struct tn_str object_key, enum index_space space);

/* The number of the version whose row this is. */
uint64_t index_key_version_of(struct tn_str version_key);

/* The key of a record's row; len 0 for records that have none. */
void index_key_of_record(struct index_key *k, const struct record *r);

/* --- Manifests: the body of an object that was put together from parts --- */

struct manifest_part {
    uint32_t number;
    uint64_t size;
    unsigned char md5[STORE_MD5_LEN];
    uint64_t id;        /* the blob, or the sequence number of the record that holds the bytes */
    struct place place; /* where that was written */
    struct tn_str meta;
};

struct manifest {
    size_t part_count;
    const unsigned char *cursor; /* the parts' encodings */
    const unsigned char *end;
};

TN_MUST_USE int manifest_append(struct tn_buf *b, const struct manifest_part *part);

/* Reading: begin, then next until it yields TARN_EEOF. TARN_ECORRUPT for what is malformed. */
void manifest_begin(struct manifest *m, struct tn_str body);
TN_MUST_USE int manifest_next(struct manifest *m, struct manifest_part *part);

/* Little-endian numbers. */
void put_u16(unsigned char *out, uint16_t value);
void put_u32(unsigned char *out, uint32_t value);
void put_u64(unsigned char *out, uint64_t value);
uint16_t get_u16(const unsigned char *in);
uint32_t get_u32(const unsigned char *in);
uint64_t get_u64(const unsigned char *in);

#endif
