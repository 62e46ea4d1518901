/* SPDX-License-Identifier: Apache-2.0 */
/* The simulated disk's inside. What runs out of memory here ends the test. */

#ifndef TESTS_CRASH_SIM_IMPL_H
#define TESTS_CRASH_SIM_IMPL_H

#include "crash/sim.h"

void *sim_grow(void *p, size_t *cap, size_t need, size_t each);

uint32_t sim_inode_add(struct sim_tree *t, bool is_dir);
void sim_inode_resize(struct sim_inode *f, uint64_t len);
struct sim_entry *sim_entry_find(const struct sim_tree *t, uint32_t dir, const char *name);
void sim_entry_set(struct sim_tree *t, uint32_t dir, const char *name, uint32_t inode);
void sim_entry_remove(struct sim_tree *t, uint32_t dir, const char *name);
bool sim_tree_walk(const struct sim_tree *t, const char *path, uint32_t *dir, char *name);

struct sim_event *sim_journal_add(struct sim_journal *j, enum sim_event_type type, size_t len);

#endif
