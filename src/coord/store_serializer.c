/* SPDX-License-Identifier: Apache-2.0 */
/* Values as bytes: as they are, and as JSON. */

#include <tarn/store.h>

#include <jansson.h>

#include "base/buf.h"
#include "base/fail.h"

enum { JSON_LEN_MAX = 1 << 30 };

static void free_bytes(void *arg, char *bytes)
{
    (void)arg;
    tn_free(bytes);
}

static int encode_bytes(void *arg, const void *value, char **bytes, size_t *len,
                        struct tarn_error *err)
{
    const struct tarn_bytes *from = value;
    (void)arg;
    if (!from || (from->len > 0 && !from->data))
        return tn_fail(err, TARN_EINVAL, "could not encode a value: none was given");
    char *copy = tn_memdup(from->len ? from->data : "", from->len);
    if (!copy)
        return tn_fail(err, TARN_ENOMEM, "could not encode a value: out of memory");
    *bytes = copy;
    *len = from->len;
    return TARN_OK;
}

struct tarn_bytes *tarn_bytes_new(const void *data, size_t len)
{
    struct tarn_bytes *out = tn_calloc(1, sizeof *out);
    char *copy = out ? tn_memdup(len ? data : "", len) : NULL;
    if (!copy) {
        tn_free(out);
        return NULL;
    }
    *out = (struct tarn_bytes){ copy, len };
    return out;
}

static int decode_bytes(void *arg, const char *bytes, size_t len, void **value,
                        struct tarn_error *err)
{
    (void)arg;
    struct tarn_bytes *out = tarn_bytes_new(bytes, len);
    if (!out)
        return tn_fail(err, TARN_ENOMEM, "could not decode a value: out of memory");
    *value = out;
    return TARN_OK;
}

static void free_bytes_value(void *arg, void *value)
{
    struct tarn_bytes *bytes = value;
    (void)arg;
    if (bytes)
        tn_free(bytes->data);
    tn_free(bytes);
}

const struct tarn_serializer *tarn_serializer_bytes(void)
{
    static const struct tarn_serializer bytes = { encode_bytes,     free_bytes, decode_bytes,
                                                  free_bytes_value, NULL,       NULL };
    return &bytes;
}

/* ---- JSON ---- */

static int append(const char *bytes, size_t len, void *arg)
{
    return tn_buf_append(arg, bytes, len) < 0 ? -1 : 0;
}

static int encode_json(void *arg, const void *value, char **bytes, size_t *len,
                       struct tarn_error *err)
{
    TN_AUTO_BUF text = TN_BUF_INIT(JSON_LEN_MAX);
    (void)arg;
    if (json_dump_callback(value, append, &text, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS) <
        0)
        return tn_fail(err, TARN_EINVAL, "could not encode a value: it is no JSON");
    size_t got = text.len;
    char *out = tn_buf_detach(&text);
    if (!out)
        return tn_fail(err, TARN_ENOMEM, "could not encode a value: out of memory");
    *bytes = out;
    *len = got;
    return TARN_OK;
}

static int decode_json(void *arg, const char *bytes, size_t len, void **value,
                       struct tarn_error *err)
{
    json_error_t problem;
    (void)arg;
    json_t *root = json_loadb(bytes, len, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &problem);
    if (!root)
        return tn_fail(err, TARN_ECORRUPT, "could not decode a value: %s in line %d", problem.text,
                       problem.line);
    *value = root;
    return TARN_OK;
}

static void free_json(void *arg, void *value)
{
    (void)arg;
    json_decref(value);
}

const struct tarn_serializer *tarn_serializer_json(void)
{
    static const struct tarn_serializer json = { encode_json, free_bytes,         decode_json,
                                                 free_json,   "application/json", NULL };
    return &json;
}
