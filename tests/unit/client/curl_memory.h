/* SPDX-License-Identifier: Apache-2.0 */
/* libcurl's memory through the allocator of this project, so that a sweep can fail it too. */

#ifndef TESTS_UNIT_CLIENT_CURL_MEMORY_H
#define TESTS_UNIT_CLIENT_CURL_MEMORY_H

#include <stdbool.h>

/* Before anybody else initialises libcurl. Without it, or without its memory, sweeps have less to
 * do, which is told. */
void curl_memory_count(void);

/* Has libcurl been refused memory since the last curl_memory_reset? It does not always know then
 * why it failed: a host that it had no memory to look up is one that it did not find. */
bool curl_memory_has_failed(void);
void curl_memory_reset(void);

#endif
