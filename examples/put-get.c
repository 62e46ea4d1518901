/* SPDX-License-Identifier: Apache-2.0 */
/* Puts a text into an object, gets it back and prints it: put-get BUCKET KEY TEXT.
 * Endpoint and credentials come from the environment, as for the AWS tools. */

#include <stdio.h>
#include <string.h>

#include <tarn/tarn.h>

static int put_and_get(struct tarn_client *client, const char *bucket, const char *key,
                       const char *text, struct tarn_error *err)
{
    struct tarn_put_options options = { .attributes = { .content_type = "text/plain" } };
    struct tarn_object_info info = { 0 };
    char *bytes = NULL;
    size_t len = 0;

    int rc = tarn_object_put(client, bucket, key, text, strlen(text), &options, &info, err);
    if (rc < 0)
        return rc;
    printf("put %s, etag %s\n", key, info.etag);

    rc = tarn_object_get_bytes(client, bucket, key, 1 << 20, &bytes, &len, NULL, &info, err);
    if (rc == TARN_OK)
        printf("got %zu bytes%s: %s\n", len, info.was_verified ? ", verified" : "", bytes);
    tarn_bytes_free(bytes);
    tarn_object_info_release(&info);
    return rc;
}

int main(int argc, char **argv)
{
    struct tarn_error err = { 0 };
    if (argc != 4) {
        fprintf(stderr, "usage: %s BUCKET KEY TEXT\n", argv[0]);
        return 2;
    }
    struct tarn_client *client = tarn_client_new(NULL, &err);
    int rc = client ? put_and_get(client, argv[1], argv[2], argv[3], &err) : err.status;
    if (rc < 0)
        fprintf(stderr, "%s\n", err.message);
    tarn_client_free(client);
    return rc < 0;
}
