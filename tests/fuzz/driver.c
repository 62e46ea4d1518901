/* SPDX-License-Identifier: Apache-2.0 */
/* Replays a folder of inputs through a fuzz target, where libFuzzer is not linked in. */

#include <dirent.h>
#include <limits.h>

#include "base/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int replay(const char *path)
{
    TN_AUTO_BUF input = TN_BUF_INIT(16 * 1024 * 1024);
    struct tarn_error err = { 0 };
    if (tn_file_read(path, &input, &err) < 0) {
        (void)fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    /* A copy of the exact length, so that the sanitizer sees one byte past the end. */
    TN_AUTO_FREE char *exact = tn_realloc(NULL, input.len);
    if (!exact)
        return 1;
    memcpy(exact, input.data, input.len);
    return LLVMFuzzerTestOneInput((const uint8_t *)exact, input.len);
}

int main(int argc, char **argv)
{
    DIR *corpus = argc == 2 ? opendir(argv[1]) : NULL;
    if (!corpus) {
        (void)fprintf(stderr, "usage: %s CORPUS_DIRECTORY\n", argv[0]);
        return 2;
    }
    int rc = 0;
    unsigned count = 0;
    for (struct dirent *entry = readdir(corpus); entry; entry = readdir(corpus)) {
        char path[PATH_MAX];
        if (entry->d_name[0] == '.')
            continue;
        (void)snprintf(path, sizeof path, "%s/%s", argv[1], entry->d_name);
        rc |= replay(path);
        count++;
    }
    (void)closedir(corpus);
    (void)printf("%u inputs replayed\n", count);
    return rc || count == 0;
}
