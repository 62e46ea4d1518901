/* SPDX-License-Identifier: Apache-2.0 */
/* Lists a bucket in constant memory, directories rolled up: list BUCKET [PREFIX]. */

#include <inttypes.h>
#include <stdio.h>

#include <tarn/tarn.h>

static int print_all(struct tarn_list *list, struct tarn_error *err)
{
    const struct tarn_list_entry *entry = NULL;
    int rc;
    while ((rc = tarn_list_next(list, &entry, err)) == TARN_OK && entry) {
        if (entry->is_prefix)
            printf("%20s  %s\n", "directory", entry->key);
        else
            printf("%20" PRIu64 "  %s\n", entry->size, entry->key);
    }
    return rc;
}

int main(int argc, char **argv)
{
    struct tarn_error err = { 0 };
    struct tarn_list_options options = { .delimiter = "/", .prefix = argc > 2 ? argv[2] : NULL };
    if (argc < 2) {
        fprintf(stderr, "usage: %s BUCKET [PREFIX]\n", argv[0]);
        return 2;
    }
    struct tarn_client *client = tarn_client_new(NULL, &err);
    struct tarn_list *list = client ? tarn_list_open(client, argv[1], &options, &err) : NULL;
    int rc = list ? print_all(list, &err) : err.status;
    if (rc < 0)
        fprintf(stderr, "%s\n", err.message);
    tarn_list_free(list);
    tarn_client_free(client);
    return rc < 0;
}
