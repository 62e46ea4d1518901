/* SPDX-License-Identifier: Apache-2.0 */
/* Users, groups, policies and roles: views of them, and their changes. */

#include "server/auth/iam.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/codec.h"
#include "base/rand.h"
#include "server/auth/iam_managed.h"

enum { ENTITY_LEN_MAX = 16 * 1024 * 1024 };

#define DOCUMENT_PREFIX "iam/"
#define SESSION_KEY_NAME "session-key"

struct held {
    struct iam_entity is;
    atomic_uint refs;
    struct tn_arena arena;
};

struct iam_view {
    atomic_uint refs;
    size_t count;
    struct held *items[];
};

struct iam {
    struct auth *auth;
    struct iam_storage storage;
    pthread_mutex_t change; /* one change at a time, I/O included */
    struct {
        pthread_rwlock_t lock; /* for the pointer alone */
        struct iam_view *view;
    } now;
};

static const char *const type_names[IAM_TYPE_COUNT] = { "user", "group", "policy", "role" };

/* --- Entities --- */

static void held_unref(struct held *h)
{
    if (!h || atomic_fetch_sub_explicit(&h->refs, 1, memory_order_acq_rel) != 1)
        return;
    json_t *json;
    memcpy(&json, &h->is.json, sizeof json);
    json_decref(json);
    tn_arena_release(&h->arena);
    tn_free(h);
}

static struct tn_str text_of(const json_t *json, const char *name)
{
    const json_t *value = json_object_get(json, name);
    return (struct tn_str){ json_is_string(value) ? json_string_value(value) : "",
                            json_string_length(value) };
}

static int read_policy(struct held *h, struct tn_str text, enum policy_kind kind,
                       const struct policy **out)
{
    return policy_parse(&h->arena, text, kind, TN_STR_EMPTY, out, NULL);
}

static int read_inline(struct held *h)
{
    json_t *all = json_object_get(h->is.json, "policies");
    size_t count = json_object_size(all);
    const char *name;
    json_t *text;
    if (count > IAM_POLICY_COUNT_MAX)
        return TARN_EINVAL;
    h->is.policies = tn_arena_zalloc(&h->arena, count * sizeof(struct policy *));
    if (!h->is.policies)
        return TARN_ENOMEM;
    json_object_foreach(all, name, text)
    {
        struct tn_str value = { json_string_value(text), json_string_length(text) };
        int rc = read_policy(h, value, POLICY_IDENTITY, &h->is.policies[h->is.policy_count++]);
        if (rc < 0)
            return rc;
    }
    return TARN_OK;
}

/* The default version of a managed policy. */
static struct tn_str default_document(const json_t *json)
{
    struct tn_str wanted = text_of(json, "default");
    json_t *versions = json_object_get(json, "versions");
    for (size_t i = 0; i < json_array_size(versions); i++) {
        const json_t *version = json_array_get(versions, i);
        if (tn_str_eq(text_of(version, "id"), wanted))
            return text_of(version, "document");
    }
    return TN_STR_EMPTY;
}

static int read_entity(struct held *h)
{
    struct iam_entity *e = &h->is;
    struct tn_str type = text_of(e->json, "type");
    e->type = IAM_TYPE_COUNT;
    for (unsigned i = 0; i < IAM_TYPE_COUNT; i++) {
        if (tn_str_eq(type, tn_str_from(type_names[i])))
            e->type = (enum iam_type)i;
    }
    e->id = text_of(e->json, "id");
    e->account = text_of(e->json, "account");
    e->name = text_of(e->json, "name");
    e->path = text_of(e->json, "path");
    if (e->type == IAM_TYPE_COUNT || e->id.len == 0 || e->id.len > AUTH_ID_LEN_MAX ||
        e->account.len == 0 || e->name.len == 0 || e->name.len > IAM_NAME_LEN_MAX ||
        e->path.len == 0 || e->path.len > IAM_PATH_LEN_MAX)
        return TARN_EINVAL;
    char *arn = tn_arena_printf(&h->arena, "arn:aws:iam::%.*s:%s%.*s%.*s", TN_STR_ARG(e->account),
                                type_names[e->type], TN_STR_ARG(e->path), TN_STR_ARG(e->name));
    if (!arn)
        return TARN_ENOMEM;
    e->arn = tn_str_from(arn);
    if (e->type == IAM_POLICY)
        return read_policy(h, default_document(e->json), POLICY_IDENTITY, &e->document);
    int rc = read_inline(h);
    if (rc == TARN_OK && e->type == IAM_ROLE)
        rc = read_policy(h, text_of(e->json, "trust"), POLICY_TRUST, &e->document);
    return rc;
}

/* Takes `json` over. */
static int held_new(json_t *json, struct held **out)
{
    struct held *h = json ? tn_calloc(1, sizeof *h) : NULL;
    if (!h) {
        json_decref(json);
        return TARN_ENOMEM;
    }
    atomic_init(&h->refs, 1);
    tn_arena_init(&h->arena, ENTITY_LEN_MAX);
    h->is.json = json;
    int rc = read_entity(h);
    if (rc < 0) {
        held_unref(h);
        return rc;
    }
    *out = h;
    return TARN_OK;
}

/* --- Views --- */

static struct iam_view *view_alloc(size_t count)
{
    struct iam_view *v = tn_calloc(1, sizeof *v + count * sizeof v->items[0]);
    if (v)
        atomic_init(&v->refs, 1);
    return v;
}

void iam_view_put(struct iam_view *view)
{
    if (!view || atomic_fetch_sub_explicit(&view->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < view->count; i++)
        held_unref(view->items[i]);
    tn_free(view);
}

struct iam_view *iam_view_get(struct iam *iam)
{
    (void)pthread_rwlock_rdlock(&iam->now.lock);
    struct iam_view *view = iam->now.view;
    (void)atomic_fetch_add_explicit(&view->refs, 1, memory_order_relaxed);
    (void)pthread_rwlock_unlock(&iam->now.lock);
    return view;
}

static void view_publish(struct iam *iam, struct iam_view *view)
{
    (void)pthread_rwlock_wrlock(&iam->now.lock);
    struct iam_view *old = iam->now.view;
    iam->now.view = view;
    (void)pthread_rwlock_unlock(&iam->now.lock);
    iam_view_put(old);
}

/* Where `id` is or would have to be. */
static size_t view_place(const struct iam_view *view, struct tn_str id, bool *is_there)
{
    size_t low = 0;
    size_t high = view->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (tn_str_cmp(view->items[middle]->is.id, id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *is_there = low < view->count && tn_str_eq(view->items[low]->is.id, id);
    return low;
}

/* The view with `made` (taken over) in the place of what has its id; without it for NULL. */
static struct iam_view *view_with(const struct iam_view *old, struct tn_str id, struct held *made)
{
    bool is_there;
    size_t at = view_place(old, id, &is_there);
    struct iam_view *v = view_alloc(old->count + 1);
    if (!v)
        return NULL;
    for (size_t i = 0; i < old->count; i++) {
        if (i == at && made)
            v->items[v->count++] = made;
        if (i == at && is_there)
            continue;
        (void)atomic_fetch_add_explicit(&old->items[i]->refs, 1, memory_order_relaxed);
        v->items[v->count++] = old->items[i];
    }
    if (at == old->count && made)
        v->items[v->count++] = made;
    return v;
}

size_t iam_view_count(const struct iam_view *view)
{
    return view->count;
}

const struct iam_entity *iam_view_at(const struct iam_view *view, size_t i)
{
    return i < view->count ? &view->items[i]->is : NULL;
}

const struct iam_entity *iam_view_of_id(const struct iam_view *view, struct tn_str id)
{
    bool is_there;
    size_t at = view_place(view, id, &is_there);
    return is_there ? &view->items[at]->is : NULL;
}

const struct iam_entity *iam_view_of_name(const struct iam_view *view, enum iam_type type,
                                          struct tn_str account, struct tn_str name)
{
    for (size_t i = 0; i < view->count; i++) {
        const struct iam_entity *e = &view->items[i]->is;
        if (e->type == type && tn_str_eq_nocase(e->name, name) && tn_str_eq(e->account, account))
            return e;
    }
    return NULL;
}

const struct iam_entity *iam_view_of_arn(const struct iam_view *view, struct tn_str arn)
{
    for (size_t i = 0; i < view->count; i++) {
        if (tn_str_eq(view->items[i]->is.arn, arn))
            return &view->items[i]->is;
    }
    return NULL;
}

bool iam_is_policy_for(const struct iam_entity *e, struct tn_str account)
{
    return e->type == IAM_POLICY &&
           (tn_str_eq(e->account, account) || tn_str_eq(e->account, TN_STR(IAM_MANAGED_ACCOUNT)));
}

/* --- Asking --- */

static enum policy_verdict ask_one(const struct iam_view *view, const struct iam_entity *e,
                                   const struct policy_request *request)
{
    enum policy_verdict verdict = POLICY_SILENT;
    for (size_t i = 0; i < e->policy_count; i++)
        verdict = policy_join(verdict, policy_ask(e->policies[i], request));
    const json_t *attached = json_object_get(e->json, "attached");
    for (size_t i = 0; i < json_array_size(attached); i++) {
        struct tn_str id = tn_str_from(json_string_value(json_array_get(attached, i)));
        const struct iam_entity *p = iam_view_of_id(view, id);
        if (p)
            verdict = policy_join(verdict, policy_ask(p->document, request));
    }
    return verdict;
}

/* A boundary gives nothing; what it does not allow is not allowed. One that is gone, or that cannot
 * be read, allows nothing. */
static enum policy_verdict bound(const struct iam_view *view, const struct iam_entity *e,
                                 const struct policy_request *request, enum policy_verdict verdict)
{
    const json_t *boundary = json_object_get(e->json, "boundary");
    if (!boundary)
        return verdict;
    const char *id = json_string_value(boundary);
    const struct iam_entity *p = id ? iam_view_of_id(view, tn_str_from(id)) : NULL;
    enum policy_verdict most = p ? policy_ask(p->document, request) : POLICY_SILENT;
    if (most == POLICY_DENIES)
        return POLICY_DENIES;
    return most == POLICY_SILENT && verdict != POLICY_DENIES ? POLICY_SILENT : verdict;
}

enum policy_verdict iam_ask(const struct iam_view *view, struct tn_str id,
                            const struct policy_request *request)
{
    const struct iam_entity *e = iam_view_of_id(view, id);
    if (!e)
        return POLICY_SILENT;
    enum policy_verdict verdict = ask_one(view, e, request);
    const json_t *groups = json_object_get(e->json, "groups");
    for (size_t i = 0; i < json_array_size(groups); i++) {
        const struct iam_entity *group =
            iam_view_of_id(view, tn_str_from(json_string_value(json_array_get(groups, i))));
        if (group)
            verdict = policy_join(verdict, ask_one(view, group, request));
    }
    return bound(view, e, request, verdict);
}

/* --- The keys of users --- */

static const json_t *find_key(const struct iam_entity *e, struct tn_str id)
{
    const json_t *keys = e ? json_object_get(e->json, "keys") : NULL;
    for (size_t i = 0; i < json_array_size(keys); i++) {
        const json_t *key = json_array_get(keys, i);
        if (tn_str_eq(text_of(key, "id"), id) &&
            tn_str_eq(text_of(key, "status"), TN_STR("Active")))
            return key;
    }
    return NULL;
}

/* Keys that are new or active again; those that are no longer. */
static int keys_add(struct iam *iam, const struct iam_entity *e, struct tarn_error *err)
{
    const json_t *keys = e ? json_object_get(e->json, "keys") : NULL;
    int rc = TARN_OK;
    for (size_t i = 0; rc == TARN_OK && i < json_array_size(keys); i++) {
        const json_t *key = json_array_get(keys, i);
        if (find_key(e, text_of(key, "id")))
            rc = auth_key_set_for(iam->auth, text_of(key, "id"), text_of(key, "secret"), e->account,
                                  e->id, err);
    }
    return rc;
}

static void keys_drop(struct iam *iam, const struct iam_entity *old, const struct iam_entity *new)
{
    const json_t *keys = old ? json_object_get(old->json, "keys") : NULL;
    for (size_t i = 0; i < json_array_size(keys); i++) {
        struct tn_str id = text_of(json_array_get(keys, i), "id");
        if (!find_key(new, id) && auth_key_remove(iam->auth, id) < 0)
            continue; /* it was inactive */
    }
}

/* --- Changes --- */

void iam_lock(struct iam *iam)
{
    (void)pthread_mutex_lock(&iam->change);
}

void iam_unlock(struct iam *iam)
{
    (void)pthread_mutex_unlock(&iam->change);
}

static int name_of(struct tn_str id, char out[64])
{
    (void)snprintf(out, 64, DOCUMENT_PREFIX "%.*s", TN_STR_ARG(id));
    return id.len + sizeof DOCUMENT_PREFIX <= 64 ? TARN_OK : TARN_EINVAL;
}

static int append_json(const char *bytes, size_t len, void *out)
{
    return tn_buf_append(out, bytes, len) == TARN_OK ? 0 : -1;
}

static int save(struct iam *iam, struct tn_str name, const json_t *document, struct tarn_error *err)
{
    TN_AUTO_BUF text = TN_BUF_INIT(IAM_DOCUMENT_LEN_MAX);
    int rc = TARN_OK;
    if (tn_buf_reserve(&text, 4096) < 0)
        rc = tn_fail(err, TARN_ENOMEM, "could not write a document: out of memory");
    else if (json_dump_callback(document, append_json, &text, JSON_COMPACT | JSON_SORT_KEYS) < 0)
        rc = tn_fail(err, TARN_ETOOBIG, "the document is larger than 1 MiB");
    else
        rc = iam->storage.save(iam->storage.context, name, tn_buf_str(&text), err);
    tn_wipe(text.data, text.len); /* secrets of keys are in it */
    return rc;
}

int iam_put(struct iam *iam, const json_t *document, struct tarn_error *err)
{
    struct held *made = NULL;
    char name[64];
    bool is_there;
    int rc = held_new(json_deep_copy(document), &made);
    if (rc < 0)
        return tn_fail(err, rc, "could not take the document: %s", tarn_status_text(rc));
    struct iam_view *old = iam->now.view; /* only the holder of the lock replaces it */
    size_t at = view_place(old, made->is.id, &is_there);
    const struct iam_entity *before = is_there ? &old->items[at]->is : NULL;
    if (!is_there && old->count >= IAM_ENTITY_COUNT_MAX + iam_managed_count())
        rc = tn_fail(err, TARN_ETOOBIG, "there are too many users, groups, policies and roles");
    struct iam_view *view = rc == TARN_OK ? view_with(old, made->is.id, made) : NULL;
    if (!view) {
        held_unref(made);
        return rc < 0 ? rc : tn_fail(err, TARN_ENOMEM, "could not take the document");
    }
    rc = name_of(made->is.id, name);
    if (rc == TARN_OK)
        rc = save(iam, tn_str_from(name), document, err);
    if (rc < 0) {
        iam_view_put(view);
        return rc;
    }
    keys_drop(iam, before, &made->is);
    rc = keys_add(iam, &made->is, err);
    view_publish(iam, view);
    return rc;
}

int iam_remove(struct iam *iam, struct tn_str id, struct tarn_error *err)
{
    char name[64];
    struct iam_view *old = iam->now.view;
    const struct iam_entity *before = iam_view_of_id(old, id);
    if (!before || name_of(id, name) < 0)
        return TARN_ENOTFOUND;
    struct iam_view *view = view_with(old, id, NULL);
    if (!view)
        return tn_fail(err, TARN_ENOMEM, "could not remove the document");
    int rc = iam->storage.remove(iam->storage.context, tn_str_from(name), err);
    if (rc < 0) {
        iam_view_put(view);
        return rc;
    }
    keys_drop(iam, before, NULL);
    view_publish(iam, view);
    return TARN_OK;
}

void iam_id_make(const char *prefix, char out[IAM_ID_LEN + 1])
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    unsigned char bytes[IAM_ID_LEN];
    tn_random_bytes(bytes, sizeof bytes);
    for (size_t i = 0; i < IAM_ID_LEN; i++)
        out[i] = i < 4 && prefix[i] ? prefix[i] : letters[bytes[i] % 32];
    out[IAM_ID_LEN] = '\0';
}

int iam_session_key(struct iam *iam, unsigned char key[SESSION_KEY_LEN], struct tarn_error *err)
{
    char text[2 * SESSION_KEY_LEN + 1];
    if (auth_session_key_get(iam->auth, key))
        return TARN_OK;
    iam_lock(iam);
    int rc = TARN_OK;
    if (!auth_session_key_get(iam->auth, key)) {
        tn_random_bytes(key, SESSION_KEY_LEN);
        tn_hex_encode(key, SESSION_KEY_LEN, text);
        rc = iam->storage.save(iam->storage.context, TN_STR(SESSION_KEY_NAME), tn_str_from(text),
                               err);
        if (rc == TARN_OK)
            auth_session_key_set(iam->auth, key);
        tn_wipe(text, sizeof text);
    }
    iam_unlock(iam);
    return rc;
}

/* --- Start and end --- */

struct loading {
    struct iam *iam;
    struct tarn_error *err;
};

static int load_session_key(struct iam *iam, struct tn_str bytes)
{
    unsigned char key[SESSION_KEY_LEN];
    if (bytes.len != 2 * SESSION_KEY_LEN || tn_hex_decode(bytes, key) < 0)
        return TARN_ECORRUPT;
    auth_session_key_set(iam->auth, key);
    tn_wipe(key, sizeof key);
    return TARN_OK;
}

/* Takes `json` over. */
static int take(struct iam *iam, json_t *json, struct tarn_error *err)
{
    struct held *made = NULL;
    int rc = held_new(json, &made);
    if (rc < 0)
        return rc == TARN_ENOMEM ? rc : TARN_ECORRUPT;
    struct iam_view *view = view_with(iam->now.view, made->is.id, made);
    if (!view) {
        held_unref(made);
        return TARN_ENOMEM;
    }
    view_publish(iam, view);
    return keys_add(iam, &made->is, err);
}

static int load_entity(struct iam *iam, struct tn_str bytes, struct tarn_error *err)
{
    json_t *json = json_loadb(bytes.data, bytes.len, JSON_REJECT_DUPLICATES, NULL);
    return json ? take(iam, json, err) : TARN_ECORRUPT;
}

static int take_managed(struct iam *iam, struct tarn_error *err)
{
    int rc = iam->now.view ? TARN_OK : TARN_ENOMEM;
    for (size_t i = 0; rc == TARN_OK && i < iam_managed_count(); i++)
        rc = take(iam, iam_managed_document(i), err);
    return rc < 0 ? tn_fail(err, rc, "could not set up users: %s", tarn_status_text(rc)) : TARN_OK;
}

static int load_one(void *user, struct tn_str name, struct tn_str bytes)
{
    struct loading *l = user;
    int rc = TARN_OK;
    if (tn_str_eq(name, TN_STR(SESSION_KEY_NAME)))
        rc = load_session_key(l->iam, bytes);
    else if (tn_str_starts(name, TN_STR(DOCUMENT_PREFIX)))
        rc = load_entity(l->iam, bytes, l->err);
    return rc < 0 ? tn_fail(l->err, rc, "could not read the document \"%.*s\" of users: %s",
                            TN_STR_ARG(name), tarn_status_text(rc))
                  : TARN_OK;
}

int iam_new(struct auth *auth, const struct iam_storage *storage, struct iam **out,
            struct tarn_error *err)
{
    struct iam *iam = tn_calloc(1, sizeof *iam);
    if (!iam)
        return tn_fail(err, TARN_ENOMEM, "could not set up users: out of memory");
    iam->auth = auth;
    iam->storage = *storage;
    (void)pthread_mutex_init(&iam->change, NULL);
    (void)pthread_rwlock_init(&iam->now.lock, NULL);
    iam->now.view = view_alloc(0);
    struct loading loading = { iam, err };
    int rc = take_managed(iam, err);
    if (rc == TARN_OK)
        rc = storage->load(storage->context, load_one, &loading, err);
    if (rc < 0) {
        iam_free(iam);
        return rc;
    }
    *out = iam;
    return TARN_OK;
}

void iam_free(struct iam *iam)
{
    if (!iam)
        return;
    iam_view_put(iam->now.view);
    (void)pthread_rwlock_destroy(&iam->now.lock);
    (void)pthread_mutex_destroy(&iam->change);
    tn_free(iam);
}
