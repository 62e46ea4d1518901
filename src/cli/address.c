/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses: s3://bucket/key, or a local path. */

#include "cli/address.h"

static const char S3_SCHEME[] = "s3://";
static const char FILE_SCHEME[] = "file://";

/* Length of "scheme" where `text` begins with "scheme://", else 0 (RFC 3986 section 3.1). */
static size_t scheme_len(const char *text)
{
    size_t len = 0;
    if (!tn_is_alpha(text[0]))
        return 0;
    while (tn_is_alpha(text[len]) || tn_is_digit(text[len]) || text[len] == '+' ||
           text[len] == '-' || text[len] == '.')
        len++;
    return strncmp(text + len, "://", 3) == 0 ? len : 0;
}

static bool has_control(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return true;
    }
    return false;
}

static int parse_s3(const char *text, struct cli_address *out, struct tarn_error *err)
{
    const char *bucket = text + strlen(S3_SCHEME);
    size_t len = strcspn(bucket, "/");
    if (len > CLI_BUCKET_LEN_MAX)
        return tn_fail(err, TARN_EINVAL, "the bucket's name is longer than %d bytes",
                       CLI_BUCKET_LEN_MAX);
    if (has_control(bucket, len))
        return tn_fail(err, TARN_EINVAL, "the bucket's name has control characters");
    if (len == 0 && bucket[0] == '/')
        return tn_fail(err, TARN_EINVAL, "\"%s\" names no bucket (s3://bucket/key)", text);

    *out =
        (struct cli_address){ .kind = CLI_ADDRESS_S3, .name = bucket + len + (bucket[len] == '/') };
    memcpy(out->bucket, bucket, len);
    return TARN_OK;
}

int cli_address_parse(const char *text, struct cli_address *out, struct tarn_error *err)
{
    if (text[0] == '\0')
        return tn_fail(err, TARN_EINVAL, "an address is empty");
    if (strnlen(text, CLI_ADDRESS_LEN_MAX + 1) > CLI_ADDRESS_LEN_MAX)
        return tn_fail(err, TARN_EINVAL, "an address is longer than %d bytes", CLI_ADDRESS_LEN_MAX);
    if (strncmp(text, S3_SCHEME, strlen(S3_SCHEME)) == 0)
        return parse_s3(text, out, err);

    bool is_stdio = strcmp(text, "-") == 0;
    if (strncmp(text, FILE_SCHEME, strlen(FILE_SCHEME)) == 0) {
        text += strlen(FILE_SCHEME);
        if (text[0] == '\0')
            return tn_fail(err, TARN_EINVAL, "\"file://\" names no path");
    } else {
        size_t len = scheme_len(text);
        if (len > 0)
            return tn_fail(err, TARN_EINVAL,
                           "unsupported scheme \"%.*s\" (s3://bucket/key or a local path)",
                           (int)(len < 32 ? len : 32), text);
    }
    *out = (struct cli_address){ .kind = is_stdio ? CLI_ADDRESS_STDIO : CLI_ADDRESS_LOCAL,
                                 .name = text };
    return TARN_OK;
}

int cli_address_parse_s3(const char *text, struct cli_address *out, struct tarn_error *err)
{
    struct cli_address parsed;
    int rc = cli_address_parse(text, &parsed, err);
    if (rc < 0)
        return rc;
    if (parsed.kind != CLI_ADDRESS_S3)
        return tn_fail(err, TARN_EINVAL, "\"%s\" is not an S3 address (s3://bucket/key)", text);
    if (parsed.bucket[0] == '\0')
        return tn_fail(err, TARN_EINVAL, "\"%s\" names no bucket (s3://bucket/key)", text);
    *out = parsed;
    return TARN_OK;
}

int cli_address_parse_bucket(const char *text, struct cli_address *out, struct tarn_error *err)
{
    if (strncmp(text, S3_SCHEME, strlen(S3_SCHEME)) != 0 && scheme_len(text) == 0) {
        size_t len = strcspn(text, "/");
        if (len == 0 || len > CLI_BUCKET_LEN_MAX || has_control(text, len))
            return tn_fail(err, TARN_EINVAL, "\"%s\" is not a bucket's name", text);
        if (text[len] != '\0' && text[len + 1] != '\0')
            return tn_fail(err, TARN_EINVAL, "\"%s\" has a key; a bucket is wanted", text);
        *out = (struct cli_address){ .kind = CLI_ADDRESS_S3, .name = "" };
        memcpy(out->bucket, text, len);
        return TARN_OK;
    }

    struct cli_address parsed;
    int rc = cli_address_parse_s3(text, &parsed, err);
    if (rc < 0)
        return rc;
    if (parsed.name[0] != '\0')
        return tn_fail(err, TARN_EINVAL, "\"%s\" has a key; a bucket is wanted", text);
    *out = parsed;
    return TARN_OK;
}

bool cli_address_is_prefix(const struct cli_address *address)
{
    size_t len = strlen(address->name);
    return len == 0 || address->name[len - 1] == '/';
}

const char *cli_name_last(const char *name)
{
    const char *slash = strrchr(name, '/');
    return slash ? slash + 1 : name;
}

/* The last part that a path has once its empty ones, `.` and `..` are resolved; "" at its front. */
static struct tn_str take_last_part(struct tn_str *path)
{
    size_t over = 0;
    while (path->len > 0) {
        size_t at = path->len;
        while (at > 0 && path->data[at - 1] != '/')
            at--;
        struct tn_str part = tn_str_sub(*path, at, path->len - at);
        path->len = at > 0 ? at - 1 : 0;
        if (part.len == 0 || tn_str_eq(part, TN_STR(".")))
            continue;
        if (tn_str_eq(part, TN_STR("..")))
            over++;
        else if (over > 0)
            over--;
        else
            return part;
    }
    return (struct tn_str){ "", 0 };
}

bool cli_name_is_same_path(const char *a, const char *b)
{
    struct tn_str rest_a = tn_str_from(a);
    struct tn_str rest_b = tn_str_from(b);
    for (;;) {
        struct tn_str part_a = take_last_part(&rest_a);
        struct tn_str part_b = take_last_part(&rest_b);
        if (!tn_str_eq_nocase(part_a, part_b))
            return false;
        if (part_a.len == 0)
            return true;
    }
}
