/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of tarn-linear: --name value pairs, from one table. */

#include "linear/options.h"

#include "base/str.h"

const char linear_usage[] =
    "usage: tarn-linear --tarnd PROGRAM [options]\n"
    "  --ops N           operations to record (20000)   --seconds N      at most (0: no bound)\n"
    "  --clients N       at once (32)                   --active N       keys in use at once (32)\n"
    "  --ops-per-key N   then a fresh key (1000)        --kill-every MS  on average, 0: never "
    "(2000)\n"
    "  --big-every N     one value in N is large (500)  --seed N         of the clients' choices "
    "(1)\n"
    "  --directory DIR   for the store and the logs (TMPDIR or /tmp)\n"
    "Ends with 0 when the history is linearizable, 1 when not, 2 when it could not be told.\n";

static const struct option_row {
    const char *name;
    size_t offset;
    uint64_t min;
    uint64_t max;
} rows[] = {
    { "--ops", offsetof(struct linear_options, ops), 1, 100000000 },
    { "--seconds", offsetof(struct linear_options, seconds), 0, 1000000 },
    { "--clients", offsetof(struct linear_options, clients), 1, LINEAR_CLIENTS_MAX },
    { "--active", offsetof(struct linear_options, active), 1, LINEAR_ACTIVE_MAX },
    { "--ops-per-key", offsetof(struct linear_options, ops_per_key), 1, 1000000 },
    { "--kill-every", offsetof(struct linear_options, kill_every_ms), 0, 1000000 },
    { "--big-every", offsetof(struct linear_options, big_every), 1, UINT32_MAX },
    { "--seed", offsetof(struct linear_options, seed), 0, UINT64_MAX },
};

static int set_number(struct linear_options *o, const char *name, const char *value,
                      struct tarn_error *err)
{
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        uint64_t number;
        if (strcmp(rows[i].name, name) != 0)
            continue;
        if (tn_str_to_u64(tn_str_from(value), &number) < 0 || number < rows[i].min ||
            number > rows[i].max)
            return tn_fail(err, TARN_EINVAL, "%s wants %llu to %llu, not \"%s\"", name,
                           (unsigned long long)rows[i].min, (unsigned long long)rows[i].max, value);
        memcpy((char *)o + rows[i].offset, &number, sizeof number);
        return TARN_OK;
    }
    return tn_fail(err, TARN_EINVAL, "unknown option \"%s\"", name);
}

int linear_options_parse(int argc, char **argv, struct linear_options *out, struct tarn_error *err)
{
    const char *temporary = getenv("TMPDIR");
    struct linear_options o = {
        .directory = temporary && *temporary ? temporary : "/tmp",
        .ops = 20000,
        .clients = 32,
        .active = 32,
        .ops_per_key = 1000,
        .kill_every_ms = 2000,
        .big_every = 500,
        .seed = 1,
    };
    for (int i = 1; i < argc; i += 2) {
        if (i + 1 == argc)
            return tn_fail(err, TARN_EINVAL, "%s wants a value", argv[i]);
        int rc = TARN_OK;
        if (strcmp(argv[i], "--tarnd") == 0)
            o.tarnd = argv[i + 1];
        else if (strcmp(argv[i], "--directory") == 0)
            o.directory = argv[i + 1];
        else
            rc = set_number(&o, argv[i], argv[i + 1], err);
        if (rc < 0)
            return rc;
    }
    if (!o.tarnd)
        return tn_fail(err, TARN_EINVAL, "--tarnd is missing");
    *out = o;
    return TARN_OK;
}
