/* SPDX-License-Identifier: Apache-2.0 */
/* A storage of buffers in memory, for everybody to see, that fails when it is told to. */

#ifndef TESTS_COORD_SHELF_H
#define TESTS_COORD_SHELF_H

#include <tarn/buffer.h>

#include "base/buf.h"

enum { SHELF_MAX = 16 };

struct shelf {
    struct {
        struct tn_buf bytes;
        bool is_there;
        bool is_sealed;
    } objects[SHELF_MAX];
    int made;
    int writes_left; /* then TARN_EIO, once; -1: never */
    bool seals_fail; /* TARN_ENETWORK; what was written is gone */
    size_t read_max; /* 0: no limit */
    struct tarn_buffer_storage storage;
};

void shelf_init(struct shelf *s);
void shelf_release(struct shelf *s);
int shelf_count(const struct shelf *s); /* objects that are there */

#endif
