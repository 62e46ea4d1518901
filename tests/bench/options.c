/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of tarn-bench: --name value pairs, from one table. */

#include "bench/options.h"

#include "base/str.h"

const char bench_usage[] =
    "usage: tarn-bench --mode put|get|list|delete|mixed --port N [options]\n"
    "       tarn-bench --mode files --directory DIR [options]\n"
    "  --host ADDRESS      server (127.0.0.1)       --bucket NAME   bucket (bench)\n"
    "  --prefix TEXT       keys begin so (k/)       --size SIZE     bytes of a body (4096)\n"
    "  --keys N            different keys (10000)   --connections N (64)\n"
    "  --seconds N         duration (5)             --count N       requests instead\n"
    "  --rate N            open loop: requests a second, latency from the moment each was due\n"
    "  --get-percent N     of --mode mixed (70)     --verify        compare the bodies of GET\n"
    "  --payload-hash      sign the body's SHA-256  --unsigned      do not sign\n"
    "Keys for signing come from TARN_ACCESS_KEY and TARN_SECRET_KEY. Writes one JSON object.\n"
    "files: writes the bodies that PUT would send below DIR/BUCKET, for another server to serve.\n";

enum option_kind { OPTION_TEXT, OPTION_NUMBER, OPTION_FLAG };

static const struct option_row {
    const char *name;
    enum option_kind kind;
    size_t offset;
} rows[] = {
    { "--mode", OPTION_TEXT, offsetof(struct bench_options, mode_name) },
    { "--host", OPTION_TEXT, offsetof(struct bench_options, host) },
    { "--bucket", OPTION_TEXT, offsetof(struct bench_options, bucket) },
    { "--prefix", OPTION_TEXT, offsetof(struct bench_options, prefix) },
    { "--directory", OPTION_TEXT, offsetof(struct bench_options, directory) },
    { "--port", OPTION_NUMBER, offsetof(struct bench_options, port) },
    { "--size", OPTION_NUMBER, offsetof(struct bench_options, size) },
    { "--keys", OPTION_NUMBER, offsetof(struct bench_options, key_count) },
    { "--connections", OPTION_NUMBER, offsetof(struct bench_options, connections) },
    { "--seconds", OPTION_NUMBER, offsetof(struct bench_options, seconds) },
    { "--count", OPTION_NUMBER, offsetof(struct bench_options, count) },
    { "--rate", OPTION_NUMBER, offsetof(struct bench_options, rate) },
    { "--get-percent", OPTION_NUMBER, offsetof(struct bench_options, get_percent) },
    { "--unsigned", OPTION_FLAG, offsetof(struct bench_options, is_unsigned) },
    { "--payload-hash", OPTION_FLAG, offsetof(struct bench_options, is_hashed) },
    { "--verify", OPTION_FLAG, offsetof(struct bench_options, is_verified) },
};

static const char *const modes[] = {
    [BENCH_PUT] = "put",       [BENCH_GET] = "get",     [BENCH_LIST] = "list",
    [BENCH_DELETE] = "delete", [BENCH_MIXED] = "mixed", [BENCH_FILES] = "files",
};

static const struct option_row *find_row(const char *name)
{
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    }
    return NULL;
}

static int set_option(struct bench_options *o, const struct option_row *row, const char *value,
                      struct tarn_error *err)
{
    char *field = (char *)o + row->offset;
    bool yes = true;
    uint64_t number;
    switch (row->kind) {
    case OPTION_FLAG:
        memcpy(field, &yes, sizeof yes);
        return TARN_OK;
    case OPTION_TEXT:
        memcpy(field, &value, sizeof value);
        return TARN_OK;
    case OPTION_NUMBER:
        if (tn_str_to_size(tn_str_from(value), &number) < 0)
            return tn_fail(err, TARN_EINVAL, "%s wants a number, not \"%s\"", row->name, value);
        memcpy(field, &number, sizeof number);
        return TARN_OK;
    }
    return TARN_EINVAL;
}

static int check_options(struct bench_options *o, struct tarn_error *err)
{
    size_t mode = 0;
    while (mode < TN_COUNT(modes) && strcmp(modes[mode], o->mode_name) != 0)
        mode++;
    if (mode == TN_COUNT(modes))
        return tn_fail(err, TARN_EINVAL, "unknown mode \"%s\"", o->mode_name);
    o->mode = (enum bench_mode)mode;
    if (o->mode == BENCH_FILES)
        return o->directory ? TARN_OK : tn_fail(err, TARN_EINVAL, "--directory is missing");
    if (o->port == 0 || o->port > UINT16_MAX)
        return tn_fail(err, TARN_EINVAL, "--port must be 1 to 65535");
    if (o->connections == 0 || o->connections > BENCH_CONNECTIONS_MAX)
        return tn_fail(err, TARN_EINVAL, "--connections must be 1 to %d", BENCH_CONNECTIONS_MAX);
    if (o->key_count == 0 || o->get_percent > 100 || (o->seconds == 0 && o->count == 0))
        return tn_fail(err, TARN_EINVAL, "--keys, --get-percent, or the bound makes no sense");
    if (!o->is_unsigned && (!o->access_key || !o->secret))
        return tn_fail(err, TARN_EINVAL, "TARN_ACCESS_KEY and TARN_SECRET_KEY are not set");
    return TARN_OK;
}

int bench_options_parse(int argc, char **argv, struct bench_options *out, struct tarn_error *err)
{
    struct bench_options o = {
        .mode_name = "",
        .host = "127.0.0.1",
        .bucket = "bench",
        .prefix = "k/",
        .access_key = getenv("TARN_ACCESS_KEY"),
        .secret = getenv("TARN_SECRET_KEY"),
        .size = 4096,
        .key_count = 10000,
        .connections = 64,
        .seconds = 5,
        .get_percent = 70,
    };
    bool has_seconds = false;
    for (int i = 1; i < argc; i++) {
        const struct option_row *row = find_row(argv[i]);
        if (!row)
            return tn_fail(err, TARN_EINVAL, "unknown option \"%s\"", argv[i]);
        if (row->kind != OPTION_FLAG && i + 1 == argc)
            return tn_fail(err, TARN_EINVAL, "%s wants a value", argv[i]);
        const char *value = row->kind == OPTION_FLAG ? NULL : argv[++i];
        int rc = set_option(&o, row, value, err);
        if (rc < 0)
            return rc;
        has_seconds |= row->offset == offsetof(struct bench_options, seconds);
    }
    if (o.count && !has_seconds)
        o.seconds = 0;
    int rc = check_options(&o, err);
    if (rc == TARN_OK)
        *out = o;
    return rc;
}
