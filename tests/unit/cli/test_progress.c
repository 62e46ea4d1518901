/* SPDX-License-Identifier: Apache-2.0 */
/* What the progress bar shows. */

#include "unit/t.h"

#include "cli/progress.h"

static const struct {
    const char *name;
    uint64_t done, total, files, files_total, rate;
    bool is_known;
    unsigned columns;
    const char *shown; /* the line begins with this */
} cases[] = {
    { "nothing yet", 0, 0, 0, 0, 0, false, 120, "  0% 0 B/0 B+ 0 B/s 0/0+ files" },
    { "half way", 512, 1024, 1, 2, 256, true, 120,
      " 50% 512 B/1.0 KiB 256 B/s 1/2 files ETA 2.0s" },
    { "still looking for more", 512, 1024, 1, 2, 256, false, 120,
      " 50% 512 B/1.0 KiB+ 256 B/s 1/2+ files" },
    { "over", 1024, 1024, 2, 2, 10, true, 120, "100% 1.0 KiB/1.0 KiB 10 B/s 2/2 files" },
    { "over although bytes are missing", 1, 1024, 2, 2, 10, true, 120, "100%" },
    { "empty files only", 0, 0, 1, 4, 0, true, 120, " 25%" },
    { "more than announced", 2048, 1024, 1, 2, 0, true, 120, "100%" },
    { "enormous", UINT64_MAX, UINT64_MAX, 1, 2, UINT64_MAX, true, 120, "100% 16.0 EiB" },
    { "narrow", 512, 1024, 1, 2, 256, true, 40, " 50% 512 B/1.0 KiB 256 B/s 1/2 files" },
};

static void test_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < TN_COUNT(cases); i++) {
        struct cli_progress progress = { 0 };
        char text[CLI_PROGRESS_LEN];
        atomic_store(&progress.bytes_done, cases[i].done);
        atomic_store(&progress.bytes_total, cases[i].total);
        atomic_store(&progress.files_done, cases[i].files);
        atomic_store(&progress.files_total, cases[i].files_total);
        atomic_store(&progress.is_total_known, cases[i].is_known);
        cli_progress_text(&progress, cases[i].rate, cases[i].columns, text);
        print_message("%s: %s\n", cases[i].name, text);
        assert_true(strlen(text) < cases[i].columns);
        assert_memory_equal(text, cases[i].shown, strlen(cases[i].shown));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_text) };
    return cmocka_run_group_tests_name("cli_progress", tests, NULL, NULL);
}
