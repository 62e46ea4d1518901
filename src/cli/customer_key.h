/* SPDX-License-Identifier: Apache-2.0 */
/* --sse-c-key-file: a key of the customer's, which goes with every request and is stored nowhere.
 */

#ifndef CLI_CUSTOMER_KEY_H
#define CLI_CUSTOMER_KEY_H

#include <tarn/types.h>

#include "base/fail.h"

enum { CLI_CUSTOMER_KEY_LEN = 32, CLI_CUSTOMER_HEADERS = 6 };

/* The header fields: `count` for the object of a request, and as many behind them for the source of
 * a copy. Zeroed: none. */
struct cli_customer_key {
    struct tarn_header headers[CLI_CUSTOMER_HEADERS];
    size_t count;
    char key[48]; /* base64 */
    char md5[32]; /* base64, of the key */
};

/* Reads 32 bytes, or their base64. TARN_EINVAL for anything else. `out` must not move afterwards.
 */
TN_MUST_USE int cli_customer_key_read(const char *path, struct cli_customer_key *out,
                                      struct tarn_error *err);
void cli_customer_key_wipe(struct cli_customer_key *k);

#endif
