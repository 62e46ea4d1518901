/* SPDX-License-Identifier: Apache-2.0 */
/* What the store may hold after a cut: for each producer, the state of its last acknowledged
 * change, or that with the one change that was under way. Producers write names of their own, so
 * that the order of changes on each is known. */

#ifndef TESTS_CRASH_MODEL_H
#define TESTS_CRASH_MODEL_H

#include "crash/sim.h"
#include "server/store/store.h"

enum {
    PRODUCER_MAX = 4,
    SLOT_COUNT = 8,     /* objects of a producer */
    SLOT_TEMPORARY = 6, /* from this one on, they are in a bucket that comes and goes and may keep
                         * versions */
    SLOT_TEMPORARY_COUNT = SLOT_COUNT - SLOT_TEMPORARY,
    VERSION_COUNT = 6, /* of a key in such a bucket */
    UPLOAD_COUNT = 2,  /* uploads of a producer at a time, for its first keys */
    PART_COUNT = 4,
    OP_MAX = 4096, /* in one chain of runs */
    PIECE_MAX = PART_COUNT,
};

enum op_kind {
    OP_MAIN_CREATE,
    OP_MAIN_CONFIG,
    OP_BUCKET_CREATE,
    OP_BUCKET_CONFIG,
    OP_BUCKET_DELETE,
    OP_PUT,
    OP_COPY,
    OP_DELETE,
    OP_UPLOAD_CREATE,
    OP_PART,
    OP_COMPLETE,
    OP_ABORT,
    OP_VERSION_DELETE,
    OP_VERSION_META, /* other metadata for a version that stays where it is */
    OP_RENAME,
    OP_APPEND,
};

/* Bytes that a seed makes. */
struct piece {
    uint32_t seed;
    uint32_t len;
    bool is_apart; /* in a blob, however few they are */
};

/* A change. Its number is in the attributes and metadata of all that it stores. */
struct op {
    uint32_t id;
    enum op_kind kind;
    uint32_t producer;
    uint32_t slot;
    uint32_t upload;
    uint32_t part;
    uint32_t versioning; /* of a bucket: enum store_versioning */
    uint32_t target;     /* the change that made the version meant */
    uint32_t from;       /* the slot of the old name */
    uint32_t piece_count;
    struct piece pieces[PIECE_MAX];
    char upload_id[STORE_UPLOAD_ID_LEN + 1];
};

struct upload_state {
    uint32_t op; /* that created it; 0: there is none */
    uint32_t parts[PART_COUNT];
};

struct version_state {
    uint32_t op; /* that made it; 0: there is none */
    uint16_t is_null;
    uint16_t is_marker;
};

/* Numbers of the changes that made what is there; 0 is absence. */
struct producer_state {
    uint32_t bucket;
    uint32_t versioning; /* of that bucket */
    uint32_t objects[SLOT_COUNT];
    struct version_state versions[SLOT_TEMPORARY_COUNT][VERSION_COUNT]; /* newest first */
    struct upload_state uploads[UPLOAD_COUNT];
};

struct model {
    uint32_t main_bucket;
    struct producer_state producers[PRODUCER_MAX];
    char upload_ids[PRODUCER_MAX][UPLOAD_COUNT][STORE_UPLOAD_ID_LEN + 1];
    struct op under_way[PRODUCER_MAX]; /* id 0: none */
};

enum mark { MARK_START = 1, MARK_ANSWER, MARK_FATAL, MARK_WRONG, MARK_OPEN, MARK_REFUSED };

struct answer {
    uint32_t id;
    uint32_t producer;
    int32_t status;
    char upload_id[STORE_UPLOAD_ID_LEN + 1];
};

/* Every change that was begun, by number. */
struct op_table {
    struct op ops[OP_MAX];
};

/* Takes a mark of the journal in. */
void model_take(struct model *m, struct op_table *ops, const struct sim_event *e);
void model_apply(struct model *m, const struct op *op);

enum verdict { VERDICT_OK, VERDICT_LOST, VERDICT_CHANGED, VERDICT_HALF };

/* Is what was seen one of the states that may be? */
enum verdict model_judge(const struct model *m, const struct op_table *ops,
                         const struct model *seen, char *why, size_t cap);

/* Blobs that the state refers to, when bodies of more than `inline_max` bytes are in blobs. */
size_t model_count_blobs(const struct model *m, const struct op_table *ops, uint64_t inline_max);

/* The versions of a slot; NULL for one whose bucket keeps none. */
struct version_state *model_versions(struct producer_state *p, uint32_t slot);

void piece_fill(const struct piece *p, uint64_t offset, unsigned char *out, size_t len);

/* Names, as producers and checks use them. */
void name_bucket(char *out, size_t cap, uint32_t producer, uint32_t slot);
void name_key(char *out, size_t cap, uint32_t producer, uint32_t slot);
size_t name_meta(char *out, size_t cap, uint32_t op);

#endif
