/* SPDX-License-Identifier: Apache-2.0 */
/* A file's way there and back, with versions: transfer BUCKET KEY FILE COPY.
 * Uploads FILE in parts, watches, goes on where an earlier run stopped; overwrites the object,
 * compares the versions, brings the first one back, and downloads it to COPY. */

#include <inttypes.h>
#include <stdio.h>

#include <tarn/tarn.h>

static int show(void *arg, const struct tarn_progress *p)
{
    struct tarn_meter *meter = arg;
    meter->bytes_total = p->bytes_total;
    tarn_meter_set(meter, p->bytes_done);
    if (p->is_last)
        printf("%.0f%% of %" PRIu64 " bytes\n", tarn_meter_percent(meter), p->bytes_total);
    return 0; /* anything else cancels */
}

static void tell_resumed(void *arg, const struct tarn_resume_report *report)
{
    static const char *const names[] = { "fresh", "continued", "revalidated", "restarted" };
    (void)arg;
    printf("%s, %" PRIu64 " bytes there already\n", names[report->outcome], report->bytes);
}

/* What has gone over is recorded, so that the same call goes on after a crash. */
static int upload(struct tarn_client *client, const char *bucket, const char *key, const char *path,
                  struct tarn_object_info *info, struct tarn_error *err)
{
    struct tarn_meter meter = { 0 };
    struct tarn_transfer_options options = {
        .part_size = TARN_PART_LEN_MIN,
        .part_threshold = TARN_PART_LEN_MIN,
        .concurrency = 4,
        .progress = show,
        .progress_arg = &meter,
        .resume = true,
        .on_resume = tell_resumed,
        .attributes.storage_class = tarn_storage_class_from_name("StandardIa"),
    };
    tarn_meter_start(&meter, 0);
    return tarn_upload_file(client, path, bucket, key, &options, info, err);
}

/* A second version, what differs, and the first one back. */
static int play_with_versions(struct tarn_client *client, const char *bucket, const char *key,
                              const char *first, struct tarn_error *err)
{
    struct tarn_object_info second = { 0 };
    struct tarn_version_comparison difference = { 0 };
    int rc = tarn_object_put(client, bucket, key, "short", 5, NULL, &second, err);
    if (rc == TARN_OK)
        rc = tarn_version_compare(client, bucket, key, first, second.version_id, NULL, &difference,
                                  err);
    if (rc == TARN_OK)
        rc = tarn_version_restore(client, bucket, key, first, NULL, NULL, err);
    if (rc == TARN_OK)
        printf("%" PRId64 " bytes more, %s\n", difference.size_difference,
               difference.content == TARN_DIFFERENCE_YES ? "other content" : "the same content?");
    tarn_object_info_release(&second);
    return rc;
}

static int run(struct tarn_client *client, char **argv, struct tarn_error *err)
{
    const struct tarn_transfer_options down = { .part_size = TARN_PART_LEN_MIN, .resume = true };
    struct tarn_object_info info = { 0 };
    bool is_same = false;
    int rc = tarn_bucket_set_versioning(client, argv[1], TARN_VERSIONING_ENABLED, NULL, NULL, err);
    if (rc == TARN_OK)
        rc = upload(client, argv[1], argv[2], argv[3], &info, err);
    if (rc == TARN_OK)
        rc = play_with_versions(client, argv[1], argv[2], info.version_id, err);
    if (rc == TARN_OK)
        rc = tarn_download_file(client, argv[1], argv[2], argv[4], &down, &info, err);
    if (rc == TARN_OK)
        rc = tarn_object_matches_file(client, argv[1], argv[2], argv[4], NULL, &is_same, err);
    if (rc == TARN_OK)
        printf("%s, %s\n", info.was_verified ? "verified" : "not verified",
               is_same ? "the same" : "not the same");
    tarn_object_info_release(&info);
    return rc;
}

int main(int argc, char **argv)
{
    struct tarn_error err = { 0 };
    if (argc != 5) {
        fprintf(stderr, "usage: %s BUCKET KEY FILE COPY\n", argv[0]);
        return 2;
    }
    struct tarn_client *client = tarn_client_new(NULL, &err);
    int rc = client ? run(client, argv, &err) : err.status;
    if (rc < 0)
        fprintf(stderr, "%s%s\n", err.message,
                tarn_error_is_retryable(&err) ? " (worth another try)" : "");
    tarn_client_free(client);
    return rc < 0;
}
