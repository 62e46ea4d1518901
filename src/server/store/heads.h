/* SPDX-License-Identifier: Apache-2.0 */
/* The newest heads in memory: what is committed and not yet in the index, and what was asked for
 * lately.
 *
 * An entry holds what readers may see (`current`) and, while its batch is being written, what the
 * committer has decided (`staged`). A dirty entry is newer than the index and stays; a clean one
 * may be evicted. Only the committing thread stages and publishes; only the applying thread cleans.
 */

#ifndef SERVER_STORE_HEADS_H
#define SERVER_STORE_HEADS_H

#include "server/store/record.h"

struct heads;

enum heads_answer {
    HEADS_UNKNOWN, /* ask the index */
    HEADS_ABSENT,  /* known not to exist */
    HEADS_FOUND,
};

/* `cache_max`: bytes that clean entries may take. NULL when out of memory. */
TN_MUST_USE struct heads *heads_new(size_t cache_max);
void heads_free(struct heads *h); /* accepts NULL */

/* What readers see. `ticket` (NULL is fine) goes to heads_remember() behind a look at the index.
 * Any thread. */
enum heads_answer heads_find(struct heads *h, struct tn_str key, struct store_head *out,
                             uint64_t *ticket);

/* Keeps what the index said, unless something was published since the ticket. Any thread. */
void heads_remember(struct heads *h, struct tn_str key, const struct store_head *head,
                    uint64_t ticket);

/* What the committer sees: staged before current. */
enum heads_answer heads_find_staged(struct heads *h, struct tn_str key, struct store_head *out);

/* Stages `head`, or absence (NULL). TARN_ENOMEM changes nothing. */
TN_MUST_USE int heads_stage(struct heads *h, struct tn_str key, const struct store_head *head,
                            uint64_t seq);

/* The batch is durable: the staged state of `key`, if it is of record `seq`, becomes current and
 * dirty. */
void heads_publish(struct heads *h, struct tn_str key, uint64_t seq);

/* The same for two keys at once: no reader finds the one changed and the other not. */
void heads_publish_both(struct heads *h, struct tn_str key, struct tn_str other, uint64_t seq);

/* The index has record `seq` of `key`: the entry is clean if it is still of that record. */
void heads_clean(struct heads *h, struct tn_str key, uint64_t seq);

/* The same, and the entry is forgotten: it says nothing once the index has all. */
void heads_drop(struct heads *h, struct tn_str key, uint64_t seq);

#endif
