/* SPDX-License-Identifier: Apache-2.0 */
/* The commands that look after a store's directory: tarnd check, rebuild-index, backup, restore. */

#ifndef SERVER_CARE_H
#define SERVER_CARE_H

#include <stdbool.h>

/* True when `name` is one of these commands. */
bool care_has(const char *name);

/* Runs argv[1] and gives the exit code: 0 all well, 1 it failed or the store has damage, 2 usage.
 */
int care_run(int argc, char *const *argv);

#endif
