/* SPDX-License-Identifier: Apache-2.0 */
/* The listing iterator: one page in memory, the next one on its way.
 *
 * Where it waits for pages, further ones are asked for from keys that are guessed (list_guess.h). A
 * page is left for a guessed one only where that begins with the very key that would have been
 * next, so that neither order nor completeness depends on guesses, or on how the server sorts;
 * otherwise the listing goes on from page to page. */

#include <tarn/list.h>

#include "base/clock.h"
#include "client/attributes.h"
#include "client/client_impl.h"
#include "client/list_guess.h"
#include "client/list_page.h"

enum {
    PAGE_SIZE_MAX = 1000,
    AHEAD_MAX = 8,          /* guessed pages on their way, at most */
    QUICK_PAGES_MAX = 16,   /* in a row without a long wait: one less */
    LATE_PAGES_MAX = 4,     /* that came in between: the guesses are too far */
    WASTE_MAX = 8,          /* bad guesses, more than good ones, end the guessing */
    PAUSE_PAGES_FIRST = 32, /* for so long; twice that the next time */
    PAUSE_PAGES_MAX = 1 << 20,
    HISTORY_MAX = 64, /* keys that guesses are made from, */
    PAGE_SAMPLES = 8, /* so many of a page; */
    HISTORY_MIN = 40, /* with less, nothing is guessed */
    SPARE_LEN_MAX = 1 << 20,
};

/* A wait for a page that is worth a connection more. */
static const uint64_t LONG_WAIT_NS = 1000000;
/* Of a page: rather a bit that is fetched twice than one page more. */
static const double STEP = 0.85;

/* A page behind a key that was guessed. */
struct ahead {
    struct tn_op *op;
    char *after;
};

/* A key, and the number of those before it. */
struct sample {
    struct tn_buf key;
    uint64_t count;
};

struct tarn_list {
    struct tarn_client *client;
    struct tn_waiter waiter;
    struct tn_op *op; /* the page on its way; NULL after the last */
    char *bucket;
    char *prefix;
    char *delimiter;
    uint32_t page_size;
    bool use_v1;
    bool fetch_owner;
    struct tn_arena kept;        /* what `request` points to */
    struct tarn_request request; /* of each page */

    struct tn_list_page page;
    struct tn_buf spare; /* room of a page that was read, for the next one to be received in */
    size_t object_at;    /* the next to hand out */
    size_t prefix_at;
    struct tn_buf token;    /* of the page on its way; the marker with v1 */
    struct tn_buf last_key; /* of the page before */

    struct ahead ahead[AHEAD_MAX]; /* in order of keys */
    size_t ahead_count;
    size_t ahead_want;
    uint32_t quick_pages;
    size_t object_end;         /* what is handed out of the page; all of it, but: */
    bool joins;                /* the rest is for the first of `ahead` */
    struct tn_list_page other; /* the first of `ahead` while it is looked at */
    bool may_guess;
    uint32_t waste;
    uint32_t late_pages;
    uint32_t pause_pages; /* left without guesses */
    uint32_t next_pause;
    uint64_t key_count;                 /* in pages so far */
    struct sample history[HISTORY_MAX]; /* a ring */
    size_t history_count;               /* ever */

    bool is_failed;
    struct tarn_error err; /* of the failure, told again at each call */
    struct tarn_list_entry out;
};

/* ---- reading a page ---- */

static struct tn_str key_of(const struct tarn_list *l, const struct tn_list_items *e, size_t i)
{
    return tn_list_text_of(&l->page, e->items[i].key);
}

/* The greatest key of the page: of v1's next marker, and the sign that the listing moves on. */
static struct tn_str last_key(const struct tarn_list *l)
{
    const struct tn_list_items *objects = &l->page.objects;
    const struct tn_list_items *prefixes = &l->page.prefixes;
    struct tn_str a = TN_STR_EMPTY;
    struct tn_str b = TN_STR_EMPTY;
    if (objects->count > 0)
        a = key_of(l, objects, objects->count - 1);
    if (prefixes->count > 0)
        b = key_of(l, prefixes, prefixes->count - 1);
    return tn_str_cmp(a, b) >= 0 ? a : b;
}

/* `l->token` is the one that the page was asked for with, and becomes the next one. */
static int check_progress(struct tarn_list *l)
{
    struct tn_list_page *p = &l->page;
    struct tn_str last = last_key(l);
    bool is_same_key = last.len > 0 && tn_str_eq(last, tn_buf_str(&l->last_key));
    tn_buf_truncate(&l->last_key, 0);
    int rc = tn_buf_append_str(&l->last_key, last);
    if (rc == TARN_OK && l->use_v1 && p->is_truncated && p->token.len == 0)
        rc = tn_buf_append_str(&p->token, last);
    if (rc < 0)
        return rc;
    tn_buf_swap(&l->token, &p->token);
    if (p->is_truncated && (l->token.len == 0 || is_same_key ||
                            tn_str_eq(tn_buf_str(&l->token), tn_buf_str(&p->token))))
        return TARN_EPROTOCOL;
    return TARN_OK;
}

static int fail_reading(struct tarn_list *l, int rc, struct tarn_error *err)
{
    if (rc == TARN_EPROTOCOL)
        return tn_fail(err, rc,
                       "could not list \"%s\": the answer is no page of a listing, or the "
                       "listing does not move on",
                       l->bucket);
    return tn_fail(err, rc, "could not list \"%s\": %s", l->bucket, tarn_status_text(rc));
}

static void note_wait(struct tarn_list *l, uint64_t wait_ns)
{
    if (wait_ns > LONG_WAIT_NS) {
        l->ahead_want += l->ahead_want < AHEAD_MAX;
        l->quick_pages = 0;
    } else if (++l->quick_pages > QUICK_PAGES_MAX) {
        l->ahead_want -= l->ahead_want > 0;
        l->quick_pages = 0;
    }
}

/* A pooled operation does not keep so much room. */
static void keep_room(struct tarn_list *l, struct tn_op *op)
{
    if (op->answer.cap > l->spare.cap && op->answer.cap <= SPARE_LEN_MAX)
        tn_buf_swap(&l->spare, &op->answer);
}

static void give_room(struct tarn_list *l, struct tn_op *op)
{
    if (l->spare.cap > op->answer.cap)
        tn_buf_swap(&l->spare, &op->answer);
    tn_buf_truncate(&op->answer, 0);
}

/* Waits for `op`, and reads its page into `page`; `op` is gone then. */
static int receive(struct tarn_list *l, struct tn_op *op, struct tn_list_page *page,
                   struct tarn_error *err)
{
    uint64_t start_ns = tn_now_ns();
    tn_op_wait(op);
    note_wait(l, tn_now_ns() - start_ns);
    int rc = op->rc;
    if (rc < 0)
        *err = op->err;
    else
        rc = tn_list_page_read(page, &op->answer, err);
    if (rc < 0 && op->rc == TARN_OK)
        rc = fail_reading(l, rc, err);
    keep_room(l, op);
    tn_op_free(op);
    return rc;
}

/* ---- asking ---- */

/* The page that `l->token` names; without one, the first behind `start_after`. */
static struct tn_op *ask(struct tarn_list *l, struct tn_str token, const char *start_after)
{
    struct tn_op *op = tn_op_new(l->client, &l->waiter, "list", "GET", l->bucket, NULL);
    if (!op)
        return NULL;
    tn_op_request(op, &l->request);
    if (!l->use_v1)
        tn_op_query(op, "list-type", "2");
    if (token.len > 0)
        tn_op_query(op, l->use_v1 ? "marker" : "continuation-token", token.data);
    else if (start_after)
        tn_op_query(op, l->use_v1 ? "marker" : "start-after", start_after);
    tn_op_query(op, "delimiter", l->delimiter);
    tn_op_query(op, "encoding-type", "url");
    if (l->fetch_owner && !l->use_v1)
        tn_op_query(op, "fetch-owner", "true");
    tn_op_query_u64(op, "max-keys", l->page_size);
    tn_op_query(op, "prefix", l->prefix);
    give_room(l, op);
    tn_op_post(op);
    return op;
}

static bool is_copied(const char *from, char **to)
{
    *to = tn_strdup(from);
    return !from || *to;
}

struct tarn_list *tarn_list_open(struct tarn_client *client, const char *bucket,
                                 const struct tarn_list_options *options, struct tarn_error *err)
{
    if (tn_check_given(client, bucket, "-", NULL, err) < 0)
        return NULL;
    static const struct tarn_list_options none;
    options = options ? options : &none;
    if (options->page_size > PAGE_SIZE_MAX) {
        (void)tn_fail(err, TARN_EINVAL, "could not list \"%s\": page size above %d", bucket,
                      PAGE_SIZE_MAX);
        return NULL;
    }
    struct tarn_list *l = tn_calloc(1, sizeof *l);
    if (!l) {
        (void)tn_fail_no_memory(err, "list");
        return NULL;
    }
    tn_waiter_init(&l->waiter);
    l->client = client;
    l->page_size = options->page_size ? options->page_size : PAGE_SIZE_MAX;
    l->use_v1 = options->use_v1;
    l->fetch_owner = options->fetch_owner;
    tn_list_page_init(&l->page);
    l->page.uses_markers = options->use_v1;
    tn_list_page_init(&l->other);
    l->other.uses_markers = options->use_v1;
    l->may_guess = !options->delimiter && !options->is_sequential;
    l->next_pause = PAUSE_PAGES_FIRST;
    for (size_t i = 0; i < HISTORY_MAX; i++)
        l->history[i].key = TN_BUF_INIT(TN_LIST_GUESS_LEN_MAX);
    l->spare = TN_BUF_INIT(TN_OP_ANSWER_MAX);
    l->token = TN_BUF_INIT(TN_LIST_PAGE_TEXT_MAX);
    l->last_key = TN_BUF_INIT(TN_LIST_PAGE_TEXT_MAX);
    tn_arena_init(&l->kept, TN_OP_ARENA_MAX);
    bool is_ready = tn_request_copy(&l->kept, &options->request, &l->request) == TARN_OK &&
                    is_copied(bucket, &l->bucket) && is_copied(options->prefix, &l->prefix) &&
                    is_copied(options->delimiter, &l->delimiter);
    if (is_ready)
        l->op = ask(l, TN_STR_EMPTY, options->start_after);
    if (!l->op) {
        (void)tn_fail_no_memory(err, "list");
        tarn_list_free(l);
        return NULL;
    }
    return l;
}

static void drop(struct tarn_list *l, struct tn_op *op)
{
    if (!op)
        return;
    tn_waiter_lock(&l->waiter);
    tn_op_want(op, TN_OP_WANT_CANCEL);
    tn_waiter_unlock(&l->waiter);
    tn_op_wait(op);
    tn_op_free(op);
}

static struct ahead shift_ahead(struct tarn_list *l)
{
    struct ahead first = l->ahead[0];
    l->ahead_count--;
    memmove(l->ahead, l->ahead + 1, l->ahead_count * sizeof *l->ahead);
    return first;
}

static void drop_ahead(struct tarn_list *l, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct ahead first = shift_ahead(l);
        drop(l, first.op);
        tn_free(first.after);
    }
}

void tarn_list_free(struct tarn_list *list)
{
    if (!list)
        return;
    drop(list, list->op);
    drop_ahead(list, list->ahead_count);
    tn_waiter_release(&list->waiter);
    tn_list_page_release(&list->page);
    tn_list_page_release(&list->other);
    tn_buf_release(&list->spare);
    tn_buf_release(&list->token);
    tn_buf_release(&list->last_key);
    for (size_t i = 0; i < HISTORY_MAX; i++)
        tn_buf_release(&list->history[i].key);
    tn_arena_release(&list->kept);
    tn_free(list->bucket);
    tn_free(list->prefix);
    tn_free(list->delimiter);
    tn_free(list);
}

/* ---- guessing ---- */

static struct tn_str object_key(const struct tarn_list *l, size_t i)
{
    return key_of(l, &l->page.objects, i);
}

/* Some of the page's keys, the last one among them. */
static int take_samples(struct tarn_list *l)
{
    uint64_t before = l->key_count - l->object_end;
    for (size_t i = 1; i <= PAGE_SAMPLES; i++) {
        size_t at = l->object_end * i / PAGE_SAMPLES;
        if (at == 0 || object_key(l, at - 1).len > TN_LIST_GUESS_LEN_MAX)
            continue;
        struct sample *s = &l->history[l->history_count % HISTORY_MAX];
        tn_buf_truncate(&s->key, 0);
        int rc = tn_buf_append_str(&s->key, object_key(l, at - 1));
        if (rc < 0)
            return rc;
        s->count = before + at;
        l->history_count++;
    }
    return TARN_OK;
}

/* Appends the key behind which the next page but `ahead_count` might begin. */
static int guess_key(struct tarn_list *l, struct tn_buf *key)
{
    struct tn_list_seen seen[HISTORY_MAX];
    size_t count = l->history_count < HISTORY_MAX ? l->history_count : HISTORY_MAX;
    if (count < HISTORY_MIN)
        return TARN_ENOTFOUND;
    for (size_t i = 0; i < count; i++) {
        const struct sample *s = &l->history[(l->history_count - count + i) % HISTORY_MAX];
        seen[i] = (struct tn_list_seen){ tn_buf_str(&s->key), s->count };
    }
    struct tn_str from = object_key(l, l->object_end - 1);
    if (l->ahead_count > 0)
        from = tn_str_from(l->ahead[l->ahead_count - 1].after);
    int rc = tn_list_guess(seen, count, from, STEP * (double)l->page.objects.count, key);
    struct tn_str prefix = l->prefix ? tn_str_from(l->prefix) : TN_STR_EMPTY;
    return rc == TARN_OK && !tn_str_starts(tn_buf_str(key), prefix) ? TARN_ENOTFOUND : rc;
}

/* A guess that cannot be made, for whatever reason, is none. */
static void guess(struct tarn_list *l)
{
    while (l->may_guess && l->pause_pages == 0 && l->ahead_count < l->ahead_want) {
        TN_AUTO_BUF key = TN_BUF_INIT(TN_LIST_GUESS_LEN_MAX);
        if (guess_key(l, &key) < 0)
            return;
        struct ahead made = { .after = tn_strdup(key.data) };
        made.op = made.after ? ask(l, TN_STR_EMPTY, made.after) : NULL;
        if (!made.op) {
            tn_free(made.after);
            return;
        }
        l->ahead[l->ahead_count++] = made;
    }
}

static void note_waste(struct tarn_list *l, size_t count)
{
    l->waste += (uint32_t)count;
    if (l->waste <= WASTE_MAX)
        return;
    drop_ahead(l, l->ahead_count);
    l->waste = 0;
    l->pause_pages = l->next_pause;
    if (l->next_pause < PAUSE_PAGES_MAX)
        l->next_pause *= 2;
}

static void waste_ahead(struct tarn_list *l, size_t count)
{
    drop_ahead(l, count);
    note_waste(l, count);
}

/* Leaves, as the first of `ahead`, the one that begins inside of the page, as far behind as there
 * is: then the page ends there. */
static void cut_page(struct tarn_list *l)
{
    size_t count = l->page.objects.count;
    struct tn_str last = object_key(l, count - 1);
    size_t passed = 0;
    while (passed + 1 < l->ahead_count &&
           tn_str_cmp(tn_str_from(l->ahead[passed + 1].after), last) < 0)
        passed++;
    waste_ahead(l, passed);
    if (l->ahead_count == 0 || tn_str_cmp(tn_str_from(l->ahead[0].after), last) >= 0)
        return;
    size_t end = count;
    while (end > 0 && tn_str_cmp(object_key(l, end - 1), tn_str_from(l->ahead[0].after)) > 0)
        end--;
    if (end < count / 8 + 1) {
        waste_ahead(l, 1);
        return;
    }
    l->waste -= l->waste > 0;
    l->late_pages = 0;
    l->object_end = end;
    l->joins = true;
}

/* ---- from page to page ---- */

static int ask_next(struct tarn_list *l)
{
    l->op = ask(l, tn_buf_str(&l->token), NULL);
    return l->op ? TARN_OK : TARN_ENOMEM;
}

/* The page is here: what comes behind it? */
static int go_on(struct tarn_list *l)
{
    const struct tn_list_items *objects = &l->page.objects;
    bool is_plain = objects->count > 0 && l->page.prefixes.count == 0;
    l->object_at = l->prefix_at = 0;
    l->object_end = objects->count;
    if (!l->page.is_truncated) {
        drop_ahead(l, l->ahead_count);
        return TARN_OK;
    }
    l->pause_pages -= l->pause_pages > 0;
    if (l->ahead_count > 0 && ++l->late_pages > LATE_PAGES_MAX) {
        waste_ahead(l, l->ahead_count);
        l->late_pages = 0;
    }
    if (is_plain && l->ahead_count > 0)
        cut_page(l);
    int rc = l->joins ? TARN_OK : ask_next(l);
    l->key_count += l->object_end;
    if (rc < 0 || !is_plain)
        return rc;
    rc = take_samples(l);
    if (rc == TARN_OK)
        guess(l);
    return rc;
}

/* Takes the guessed page in place of the rest of this one; true when it is that, and what follows.
 */
static bool take_ahead(struct tarn_list *l)
{
    struct ahead first = shift_ahead(l);
    struct tarn_error ignored = { 0 };
    int rc = receive(l, first.op, &l->other, &ignored);
    tn_free(first.after);
    const struct tn_list_items *objects = &l->other.objects;
    if (rc < 0 || objects->count == 0 || l->other.prefixes.count > 0)
        return false;
    return tn_str_eq(tn_list_text_of(&l->other, objects->items[0].key),
                     object_key(l, l->object_end));
}

static int join(struct tarn_list *l)
{
    l->joins = false;
    if (!take_ahead(l)) {
        /* Someone writes there, or the server does not know the parameter, or is overloaded. */
        waste_ahead(l, l->ahead_count);
        l->key_count += l->page.objects.count - l->object_end;
        l->object_end = l->page.objects.count;
        return ask_next(l);
    }
    struct tn_list_page left = l->page;
    l->page = l->other;
    l->other = left;
    tn_buf_truncate(&l->token, 0);
    tn_buf_truncate(&l->last_key, 0);
    int rc = check_progress(l);
    return rc < 0 ? rc : go_on(l);
}

static int next_page(struct tarn_list *l)
{
    int rc = receive(l, TN_TAKE(l->op), &l->page, &l->err);
    l->is_failed = rc < 0;
    if (rc < 0)
        return rc;
    rc = check_progress(l);
    return rc < 0 ? rc : go_on(l);
}

static void turn_page(struct tarn_list *l)
{
    int rc = l->joins ? join(l) : next_page(l);
    if (rc < 0 && !l->is_failed)
        (void)fail_reading(l, rc, &l->err);
    l->is_failed = rc < 0;
}

static const char *text_at(const struct tarn_list *l, struct tn_list_text t)
{
    return t.at ? l->page.texts.data + t.at : NULL;
}

static void hand_out(struct tarn_list *l, const struct tn_list_item *item, bool is_prefix)
{
    l->out = (struct tarn_list_entry){ .key = item->key.at ? text_at(l, item->key) : "",
                                       .key_len = item->key.len,
                                       .is_prefix = is_prefix,
                                       .size = item->size,
                                       .last_modified_ms = item->last_modified_ms,
                                       .etag = text_at(l, item->etag),
                                       .storage_class = text_at(l, item->storage_class),
                                       .owner_id = text_at(l, item->owner_id),
                                       .checksum_algorithm = text_at(l, item->checksum) };
}

int tarn_list_next(struct tarn_list *list, const struct tarn_list_entry **entry,
                   struct tarn_error *err)
{
    int given = tn_check_missing(tn_missing(TN_MISSING(list), TN_MISSING(entry)), err);
    if (given < 0)
        return given;
    const struct tn_list_items *objects = &list->page.objects;
    const struct tn_list_items *prefixes = &list->page.prefixes;
    while (!list->is_failed && list->object_at == list->object_end &&
           list->prefix_at == prefixes->count) {
        if (!list->op && !list->joins) {
            *entry = NULL;
            return TARN_OK;
        }
        turn_page(list);
    }
    if (list->is_failed) {
        if (err)
            *err = list->err;
        return list->err.status;
    }
    bool has_both = list->object_at < list->object_end && list->prefix_at < prefixes->count;
    bool is_prefix = list->object_at == list->object_end ||
                     (has_both && tn_str_cmp(key_of(list, prefixes, list->prefix_at),
                                             key_of(list, objects, list->object_at)) < 0);
    const struct tn_list_item *item =
        is_prefix ? &prefixes->items[list->prefix_at++] : &objects->items[list->object_at++];
    hand_out(list, item, is_prefix);
    *entry = &list->out;
    return TARN_OK;
}
