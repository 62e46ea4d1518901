/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a store through its calls, and holding every byte against the change that wrote it. */

#ifndef TESTS_CRASH_OBSERVE_H
#define TESTS_CRASH_OBSERVE_H

#include "crash/model.h"

enum observed { OBSERVE_OK, OBSERVE_FAILED, OBSERVE_WRONG };

/* What the change `id` gives all that it stores. */
int64_t observe_mtime(uint32_t id);
void observe_md5(uint32_t id, unsigned char out[STORE_MD5_LEN]);

/* The change that wrote a slot (0: nothing is there), when all its bytes and metadata are right.
 * OBSERVE_FAILED when the store answers with an error. */
enum observed observe_object(struct store *s, const struct op_table *ops, uint32_t producer,
                             uint32_t slot, uint32_t *found, char *why, size_t cap);

struct observed_parts {
    struct store_part items[PART_COUNT];
    size_t count;
};

/* The parts of an upload; their metadata is owned. */
int observe_parts(struct store *s, const char *key, const char *upload_id,
                  struct observed_parts *out, char *why, size_t cap);
void observed_parts_release(struct observed_parts *p);

/* Everything: buckets, objects, whether the listings agree with them, uploads and their parts. */
/* Heads of a key's versions, newest first. */
struct observed_versions {
    struct store_head items[VERSION_COUNT];
    size_t count;
};

int observe_versions(struct store *s, const char *bucket, const char *key,
                     struct observed_versions *out, char *why, size_t cap);
struct store_version observed_version(const struct store_head *head);

enum observed observe_all(struct store *s, const struct op_table *ops, struct model *seen,
                          char *why, size_t cap);

#endif
