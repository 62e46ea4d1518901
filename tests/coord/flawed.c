/* SPDX-License-Identifier: Apache-2.0 */
/* The flawed lock: no condition on creation and deletion, wall clocks, whole seconds. */

#include "coord/flawed.h"

#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "base/codec.h"
#include "base/rand.h"

static int64_t wall_ms(const struct flawed_lock *l)
{
    return l->clock ? l->clock->wall_ms(l->clock->arg) : tn_wall_ms();
}

static int put(struct flawed_lock *l, const char *if_match, struct tarn_error *err)
{
    unsigned char random[16];
    char hex[33], uuid[40];
    struct tarn_object_info info = { 0 };
    struct tarn_put_options options = { .request = l->request,
                                        .attributes = { .expires =
                                                            (wall_ms(l) + l->interval_ms) / 1000 },
                                        .conditions = { .if_match = if_match } };
    tn_random_bytes(random, sizeof random);
    tn_hex_encode(random, sizeof random, hex);
    (void)snprintf(uuid, sizeof uuid, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16,
                   hex + 20);
    int rc =
        tarn_object_put(l->client, l->bucket, l->key, uuid, strlen(uuid), &options, &info, err);
    if (rc == TARN_OK)
        (void)snprintf(l->etag, sizeof l->etag, "%s", info.etag);
    tarn_object_info_release(&info);
    return rc;
}

int flawed_look(struct flawed_lock *l, char etag[TARN_ETAG_LEN_MAX], struct tarn_error *err)
{
    struct tarn_object_info info = { 0 };
    struct tm tm = { 0 };
    int rc = tarn_object_head(l->client, l->bucket, l->key, NULL, &info, err);
    etag[0] = '\0';
    if (rc == TARN_ENOTFOUND)
        return TARN_OK;
    if (rc < 0)
        return rc;
    bool has_expires = info.expires && strptime(info.expires, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    bool is_held = has_expires && (int64_t)timegm(&tm) * 1000 > wall_ms(l);
    (void)snprintf(etag, TARN_ETAG_LEN_MAX, "%s", info.etag);
    tarn_object_info_release(&info);
    return is_held ? tn_fail(err, TARN_EBUSY, "held") : TARN_OK;
}

int flawed_take(struct flawed_lock *l, const char *etag, struct tarn_error *err)
{
    int rc = put(l, etag[0] ? etag : NULL, err);
    return rc == TARN_EPRECOND ? TARN_EBUSY : rc;
}

int flawed_try(struct flawed_lock *l, struct tarn_error *err)
{
    char etag[TARN_ETAG_LEN_MAX];
    int rc = flawed_look(l, etag, err);
    return rc < 0 ? rc : flawed_take(l, etag, err);
}

int flawed_acquire(struct flawed_lock *l, struct tarn_error *err)
{
    if (l->has_entry)
        return tn_fail(err, TARN_EEXISTS, "in the map");
    int rc = flawed_try(l, err);
    if (rc < 0)
        return rc;
    l->has_entry = true;
    return l->interval_ms > 500 ? TARN_OK : tn_fail(err, TARN_EINVAL, "too short");
}

int flawed_renew(struct flawed_lock *l, struct tarn_error *err)
{
    return put(l, l->etag, err);
}

int flawed_release(struct flawed_lock *l, struct tarn_error *err)
{
    l->has_entry = false;
    return tarn_object_delete(l->client, l->bucket, l->key, NULL, NULL, err);
}

int flawed_with(struct flawed_lock *l, int (*body)(void *arg), void *arg, struct tarn_error *err)
{
    int rc = flawed_acquire(l, err);
    if (rc < 0)
        return rc;
    rc = body(arg);
    l->has_entry = false;
    return rc < 0 ? rc : flawed_release(l, err);
}
