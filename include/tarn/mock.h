/* SPDX-License-Identifier: Apache-2.0 */
/* A tarnd of one's own, for test suites: a library apart from libtarn (tarn_mock).
 *
 *     struct tarn_mock_options options = { .buckets = buckets, .bucket_count = 1 };
 *     struct tarn_mock *mock = tarn_mock_start(&options, &err);
 *     struct tarn_client *client = mock ? tarn_mock_client(mock, &err) : NULL;
 *     run_tests(client);
 *     tarn_client_free(client);
 *     rc = tarn_mock_stop(mock, &err);
 *
 * A whole program: docs/guide/mock.md. */

#ifndef TARN_MOCK_H
#define TARN_MOCK_H

#include <tarn/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tarn_mock_options {
    const char *program;        /* tarnd; default $TARN_TARND, beside this program, PATH */
    const char *data;           /* directory of the store; default a temporary one */
    int port;                   /* 0: any free one */
    const char *const *buckets; /* made at the start, if they are not there */
    size_t bucket_count;
    const char *access_key; /* default "mock-access-key-0001" */
    const char *secret_key; /* default "mock/secret+key/00000000000000000000001" */
    bool keep;              /* leave `data` behind; by default it is removed, unless it existed */
    bool ends_with_thread;  /* the server ends when the thread that started it does (Linux) */
    void *reserved[4];
};

struct tarn_mock; /* one thread at a time */

/* Starts it and waits until it answers. NULL on failure. */
struct tarn_mock *tarn_mock_start(const struct tarn_mock_options *options, struct tarn_error *err);

/* Stops it and removes what it stored, unless told otherwise. Accepts NULL. TARN_EIO when the
 * server did not end well. */
int tarn_mock_stop(struct tarn_mock *mock, struct tarn_error *err);

/* Valid as long as `mock`. */
const char *tarn_mock_endpoint(const struct tarn_mock *mock); /* "http://127.0.0.1:PORT" */
const char *tarn_mock_access_key(const struct tarn_mock *mock);
const char *tarn_mock_secret_key(const struct tarn_mock *mock);
const char *tarn_mock_data(const struct tarn_mock *mock);
int tarn_mock_pid(const struct tarn_mock *mock);

/* A client for it that looks at no environment. NULL on failure. */
struct tarn_client *tarn_mock_client(const struct tarn_mock *mock, struct tarn_error *err);

#ifdef __cplusplus
}
#endif

#endif
