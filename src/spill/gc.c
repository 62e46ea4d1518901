/* SPDX-License-Identifier: Apache-2.0 */
/* The sweeper: takes away what crashed programs left. */

#include <strings.h>

#include <tarn/list.h>
#include <tarn/multipart.h>

#include "base/clock.h"
#include "base/str.h"
#include "spill/storage.h"

enum { RANDOM_DIGITS_MIN = 8, RANDOM_DIGITS_MAX = 64 };
static const int64_t UPLOAD_AGE_DEFAULT_MS = (int64_t)24 * 3600 * 1000;

struct sweep {
    struct tarn_client *client;
    const char *bucket;
    const struct tarn_buffer_gc_options *o;
    tarn_buffer_gc_fn each;
    void *arg;
    int64_t now_ms;
    uint64_t removed;
    int first_failure; /* of single objects: the others have their turn all the same */
    struct tarn_error err;
};

/* "[prefix/]digits-hex.bin" */
static bool looks_like_ours(struct tn_str key)
{
    uint64_t seconds;
    size_t at = key.len;
    while (at > 0 && key.data[at - 1] != '/')
        at--;
    struct tn_str name = tn_str_sub(key, at, key.len - at);
    if (!tn_str_ends(name, TN_STR(".bin")))
        return false;
    name.len -= 4;
    struct tn_str digits = tn_str_split(&name, '-');
    if (tn_str_to_u64(digits, &seconds) < 0 || name.len < RANDOM_DIGITS_MIN ||
        name.len > RANDOM_DIGITS_MAX)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        if (!tn_is_digit(name.data[i]) && !(name.data[i] >= 'a' && name.data[i] <= 'f'))
            return false;
    }
    return true;
}

static const char *metadata(const struct tarn_object_info *info, const char *name)
{
    for (size_t i = 0; i < info->metadata_count; i++) {
        if (strcasecmp(info->metadata[i].name, name) == 0)
            return info->metadata[i].value;
    }
    return NULL;
}

static bool is_expired(const struct sweep *s, const struct tarn_object_info *info)
{
    uint64_t expires;
    const char *text = metadata(info, SPILL_META_EXPIRES);
    if (!text || !metadata(info, SPILL_META_OWNER) ||
        tn_str_to_u64(tn_str_from(text), &expires) < 0)
        return false; /* handed over, or never a buffer's */
    if (s->o->older_than_ms)
        return info->last_modified_ms >= 0 &&
               s->now_ms - info->last_modified_ms >= s->o->older_than_ms;
    return s->now_ms > 0 && expires < (uint64_t)s->now_ms / 1000;
}

static void note(struct sweep *s, int rc, const struct tarn_error *err)
{
    if (rc == TARN_ENOTFOUND || rc == TARN_EPRECOND) /* gone, or another object by now */
        return;
    if (s->first_failure == TARN_OK) {
        s->first_failure = rc;
        s->err = *err;
    }
}

static void sweep_object(struct sweep *s, const char *key)
{
    struct tarn_object_info info = { 0 };
    struct tarn_error err = { 0 };
    struct tarn_get_options look = { .request = s->o->request };
    int rc = tarn_object_head(s->client, s->bucket, key, &look, &info, &err);
    /* Without an ETag nothing says that what is deleted is what was looked at. */
    if (rc == TARN_OK && info.etag && is_expired(s, &info)) {
        struct tarn_delete_options del = { .request = s->o->request, .if_match = info.etag };
        if (!s->o->is_dry_run)
            rc = tarn_object_delete(s->client, s->bucket, key, &del, NULL, &err);
        if (rc == TARN_OK) {
            s->removed++;
            if (s->each)
                s->each(s->arg, key, NULL, info.size);
        }
    }
    if (rc < 0)
        note(s, rc, &err);
    tarn_object_info_release(&info);
}

static int sweep_objects(struct sweep *s, const char *prefix, struct tarn_error *err)
{
    const struct tarn_list_entry *entry = NULL;
    struct tarn_list_options options = { .request = s->o->request, .prefix = prefix };
    struct tarn_error why = { 0 };
    struct tarn_list *list = tarn_list_open(s->client, s->bucket, &options, &why);
    int rc = list ? TARN_OK : why.status;
    while (rc == TARN_OK) {
        rc = tarn_list_next(list, &entry, &why);
        if (rc < 0 || !entry)
            break;
        if (looks_like_ours((struct tn_str){ entry->key, entry->key_len }))
            sweep_object(s, entry->key);
    }
    tarn_list_free(list);
    if (rc < 0 && err)
        *err = why;
    return rc;
}

/* An upload has no metadata to be asked for: name and age must do. */
static int sweep_upload(void *arg, const struct tarn_upload_entry *entry)
{
    struct sweep *s = arg;
    struct tarn_error err = { 0 };
    int64_t age = s->o->older_than_ms ? s->o->older_than_ms : UPLOAD_AGE_DEFAULT_MS;
    if (!looks_like_ours(tn_str_from(entry->key)) || entry->initiated_ms < 0 ||
        s->now_ms - entry->initiated_ms < age)
        return TARN_OK;
    int rc = s->o->is_dry_run ? TARN_OK
                              : tarn_multipart_abort(s->client, s->bucket, entry->key,
                                                     entry->upload_id, &s->o->request, &err);
    if (rc < 0) {
        note(s, rc, &err);
        return TARN_OK;
    }
    s->removed++;
    if (s->each)
        s->each(s->arg, entry->key, entry->upload_id, 0);
    return TARN_OK;
}

int tarn_buffer_gc(struct tarn_client *client, const char *bucket, const char *prefix,
                   const struct tarn_buffer_gc_options *options, tarn_buffer_gc_fn each, void *arg,
                   uint64_t *removed, struct tarn_error *err)
{
    int given = tn_check_given(client, bucket, "-", NULL, err);
    if (given < 0)
        return given;
    static const struct tarn_buffer_gc_options none;
    struct sweep s = { .client = client,
                       .bucket = bucket,
                       .o = options ? options : &none,
                       .each = each,
                       .arg = arg,
                       .now_ms = tn_wall_ms() };
    if (s.o->older_than_ms < 0)
        return tn_fail(err, TARN_EINVAL, "could not sweep \"%s\": negative age", bucket);
    int rc = sweep_objects(&s, prefix, err);
    if (rc == TARN_OK)
        rc = tarn_multipart_list_uploads(client, bucket, prefix, &s.o->request, sweep_upload, &s,
                                         err);
    if (rc == TARN_OK && s.first_failure < 0) {
        rc = s.first_failure;
        if (err)
            *err = s.err;
    }
    if (removed)
        *removed = s.removed;
    return rc;
}
