/* SPDX-License-Identifier: Apache-2.0 */
/* What every unit test includes: cmocka, and the sweep in which every allocation fails once. */

#ifndef TESTS_UNIT_T_H
#define TESTS_UNIT_T_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"

/* Runs `body(arg)` with the first allocation failing, then the second, and so on until it needs none that
 * fails. Each run must end in TARN_ENOMEM or, where the failure was harmless, in TARN_OK; the last in
 * TARN_OK. Leaks and broken state are for the sanitizers and for what `body` itself asserts. */
static inline void t_oom_sweep(int (*body)(void *arg), void *arg)
{
    for (long i = 1; i < 100000; i++) {
        tn_mem_fail_after(i);
        int rc = body(arg);
        bool has_failed = tn_mem_has_failed();
        tn_mem_fail_after(0);
        if (!has_failed) {
            assert_int_equal(rc, TARN_OK);
            return;
        }
        if (rc != TARN_OK)
            assert_int_equal(rc, TARN_ENOMEM);
    }
    fail_msg("the sweep does not end");
}

#define assert_str_equal(view, literal)                                                            \
    do {                                                                                           \
        struct tn_str view_ = (view);                                                              \
        assert_int_equal(view_.len, strlen(literal));                                              \
        assert_memory_equal(view_.data, literal, view_.len);                                       \
    } while (0)

#endif
