/* SPDX-License-Identifier: Apache-2.0 */
/* Block lists, and the pool that recycles their blocks. */

#include "spill/blocks.h"

#include <pthread.h>

#include "base/fail.h"

struct spill_block {
    struct spill_block *next;
    size_t end; /* bytes used, those before the list's start included */
    char data[SPILL_BLOCK_LEN];
};

struct tarn_buffer_pool {
    uint64_t memory_max;
    struct {
        pthread_mutex_t lock;
        struct spill_block *idle;
        uint64_t count;
    } shared;
};

struct tarn_buffer_pool *tarn_buffer_pool_new(uint64_t memory_max, struct tarn_error *err)
{
    struct tarn_buffer_pool *pool = tn_calloc(1, sizeof *pool);
    if (!pool) {
        (void)tn_fail(err, TARN_ENOMEM, "could not create a pool: out of memory");
        return NULL;
    }
    pool->memory_max = memory_max;
    (void)pthread_mutex_init(&pool->shared.lock, NULL);
    return pool;
}

void tarn_buffer_pool_free(struct tarn_buffer_pool *pool)
{
    if (!pool)
        return;
    while (pool->shared.idle) {
        struct spill_block *block = pool->shared.idle;
        pool->shared.idle = block->next;
        tn_free(block);
    }
    (void)pthread_mutex_destroy(&pool->shared.lock);
    tn_free(pool);
}

uint64_t tarn_buffer_pool_idle(struct tarn_buffer_pool *pool)
{
    (void)pthread_mutex_lock(&pool->shared.lock);
    uint64_t len = pool->shared.count * SPILL_BLOCK_LEN;
    (void)pthread_mutex_unlock(&pool->shared.lock);
    return len;
}

static struct spill_block *block_take(struct tarn_buffer_pool *pool)
{
    struct spill_block *block = NULL;
    if (pool) {
        (void)pthread_mutex_lock(&pool->shared.lock);
        block = pool->shared.idle;
        if (block) {
            pool->shared.idle = block->next;
            pool->shared.count--;
        }
        (void)pthread_mutex_unlock(&pool->shared.lock);
    }
    if (!block)
        block = tn_realloc(NULL, sizeof *block);
    if (block) {
        block->next = NULL;
        block->end = 0;
    }
    return block;
}

static void block_give(struct tarn_buffer_pool *pool, struct spill_block *block)
{
    bool is_kept = false;
    if (pool) {
        tn_wipe(block->data, block->end); /* other buffers' bytes are nobody's business */
        (void)pthread_mutex_lock(&pool->shared.lock);
        is_kept = (pool->shared.count + 1) * SPILL_BLOCK_LEN <= pool->memory_max;
        if (is_kept) {
            block->next = pool->shared.idle;
            pool->shared.idle = block;
            pool->shared.count++;
        }
        (void)pthread_mutex_unlock(&pool->shared.lock);
    }
    if (!is_kept)
        tn_free(block);
}

static void give_list(struct spill_blocks *b, struct spill_block *list)
{
    while (list) {
        struct spill_block *next = list->next;
        block_give(b->pool, list);
        list = next;
    }
}

static struct spill_block *spare_or_new(struct spill_blocks *b)
{
    struct spill_block *block = b->spare;
    if (!block)
        return block_take(b->pool);
    b->spare = block->next;
    block->next = NULL;
    return block;
}

int spill_blocks_reserve(struct spill_blocks *b, uint64_t len)
{
    struct spill_block *list = NULL;
    for (uint64_t got = 0; got < len; got += SPILL_BLOCK_LEN) {
        struct spill_block *block = block_take(b->pool);
        if (!block) {
            give_list(b, list);
            return TARN_ENOMEM;
        }
        block->next = list;
        list = block;
    }
    while (list) {
        struct spill_block *next = list->next;
        list->next = b->spare;
        b->spare = list;
        list = next;
    }
    return TARN_OK;
}

/* Blocks enough for `len` bytes more than the last one has room for, as a list; false when out of
 * memory. */
static bool take_blocks(struct spill_blocks *b, size_t len, struct spill_block **list)
{
    struct spill_block **at = list;
    *list = NULL;
    for (size_t got = 0; got < len; got += SPILL_BLOCK_LEN) {
        *at = spare_or_new(b);
        if (!*at) {
            give_list(b, *list);
            return false;
        }
        at = &(*at)->next;
    }
    return true;
}

int spill_blocks_append(struct spill_blocks *b, const void *bytes, size_t len)
{
    const char *from = bytes;
    struct spill_block *more;
    size_t room = b->last ? SPILL_BLOCK_LEN - b->last->end : 0;
    if (len > room && !take_blocks(b, len - room, &more))
        return TARN_ENOMEM;
    size_t now = len < room ? len : room;
    if (now) {
        memcpy(b->last->data + b->last->end, from, now);
        b->last->end += now;
    }
    for (size_t done = now; done < len; done += now) {
        struct spill_block *block = more;
        more = more->next;
        block->next = NULL;
        now = len - done < SPILL_BLOCK_LEN ? len - done : SPILL_BLOCK_LEN;
        memcpy(block->data, from + done, now);
        block->end = now;
        if (b->last)
            b->last->next = block;
        else
            b->first = block;
        b->last = block;
    }
    b->len += len;
    return TARN_OK;
}

const char *spill_blocks_at(const struct spill_blocks *b, uint64_t offset, size_t *len)
{
    struct spill_block *block = b->first;
    uint64_t skip = offset + b->start;
    while (block && skip >= block->end) {
        skip -= block->end;
        block = block->next;
    }
    *len = block ? block->end - (size_t)skip : 0;
    return block ? block->data + skip : NULL;
}

size_t spill_blocks_copy(const struct spill_blocks *b, uint64_t offset, void *out, size_t cap)
{
    size_t done = 0;
    while (done < cap && offset + done < b->len) {
        size_t len;
        const char *from = spill_blocks_at(b, offset + done, &len);
        if (len > cap - done)
            len = cap - done;
        memcpy((char *)out + done, from, len);
        done += len;
    }
    return done;
}

void spill_blocks_drop(struct spill_blocks *b, uint64_t len)
{
    b->len -= len;
    while (b->first && len >= b->first->end - b->start) {
        struct spill_block *gone = b->first;
        len -= gone->end - b->start;
        b->first = gone->next;
        b->start = 0;
        block_give(b->pool, gone);
    }
    b->start += (size_t)len;
    if (!b->first)
        b->last = NULL;
}

void spill_blocks_truncate(struct spill_blocks *b, uint64_t len)
{
    uint64_t keep = len + b->start;
    struct spill_block *block = b->first;
    if (len == 0) {
        give_list(b, TN_TAKE(b->first));
        b->last = NULL;
        b->start = 0;
        b->len = 0;
        return;
    }
    while (keep > block->end) {
        keep -= block->end;
        block = block->next;
    }
    block->end = (size_t)keep;
    give_list(b, TN_TAKE(block->next));
    b->last = block;
    b->len = len;
}

void spill_blocks_release(struct spill_blocks *b)
{
    spill_blocks_truncate(b, 0);
    give_list(b, TN_TAKE(b->spare));
}
