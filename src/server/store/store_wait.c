/* SPDX-License-Identifier: Apache-2.0 */
/* A commit that waits. */

#include "server/store/store_wait.h"

#include <pthread.h>

struct waiting {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_done;
};

static void on_done(struct store_txn *txn)
{
    struct waiting *w = txn->user;
    (void)pthread_mutex_lock(&w->lock);
    w->is_done = true;
    (void)pthread_cond_signal(&w->changed);
    (void)pthread_mutex_unlock(&w->lock);
}

int store_commit_wait(struct store *s, struct store_txn *txn)
{
    struct waiting w = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false };
    txn->done = on_done;
    txn->user = &w;
    s->ops->commit(s, txn);
    (void)pthread_mutex_lock(&w.lock);
    while (!w.is_done)
        (void)pthread_cond_wait(&w.changed, &w.lock);
    (void)pthread_mutex_unlock(&w.lock);
    (void)pthread_cond_destroy(&w.changed);
    (void)pthread_mutex_destroy(&w.lock);
    return txn->status;
}

int store_body_from(struct store *s, struct tn_str bytes, struct store_body **out,
                    struct tarn_error *err)
{
    struct store_body *body = NULL;
    int rc = s->ops->body_new(s, bytes.len, &body, err);
    if (rc < 0)
        return rc;
    rc = s->ops->body_append(body, bytes.data, bytes.len, err);
    if (rc == TARN_OK)
        rc = s->ops->body_seal(body, err);
    if (rc < 0)
        s->ops->body_free(body);
    else
        *out = body;
    return rc;
}
