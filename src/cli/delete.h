/* SPDX-License-Identifier: Apache-2.0 */
/* Deleting keys of one bucket in batches, with a line for each. */

#ifndef CLI_DELETE_H
#define CLI_DELETE_H

#include "cli/match.h"

enum { CLI_DELETE_BATCH = 4 * TARN_DELETE_COUNT_MAX };

/* One thread. */
struct cli_delete {
    struct cli_app *app;
    const char *bucket;
    struct tarn_delete_key *keys;
    char **texts; /* what keys[i] points to: the key, and behind its NUL the version */
    size_t count;
    uint64_t deleted;
    uint64_t failed;
};

TN_MUST_USE int cli_delete_init(struct cli_delete *batch, struct cli_app *app, const char *bucket,
                                struct tarn_error *err);
void cli_delete_release(struct cli_delete *batch);

/* Copies the key; sends what is there when the batch is full. With --dry-run it only says so. */
TN_MUST_USE int cli_delete_add(struct cli_delete *batch, const char *key, struct tarn_error *err);

/* The same for one version, or one delete marker. */
TN_MUST_USE int cli_delete_add_version(struct cli_delete *batch, const char *key,
                                       const char *version_id, struct tarn_error *err);

/* Sends what is left. Failures were reported and counted key by key. */
void cli_delete_flush(struct cli_delete *batch);

/* Whether the object is still the one of options->if_match, for servers that do not judge that with
 * DELETE and would delete whatever is there: TARN_EPRECOND when not. What is not there, or may not
 * be looked at, is left to the deletion. */
TN_MUST_USE int cli_delete_check(struct cli_app *app, const char *bucket, const char *key,
                                 const struct tarn_delete_options *options, struct tarn_error *err);

/* The line, or the JSON object, for one key that is gone or would be. */
void cli_delete_report(struct cli_app *app, const char *bucket, const char *key,
                       const char *version_id);

#endif
