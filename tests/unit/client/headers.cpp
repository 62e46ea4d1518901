/* SPDX-License-Identifier: Apache-2.0 */
/* Every public header in C++, with the warnings of a careful user: it is compiled, never run. */

#include <tarn/tarn.h>

static int on_event_count;

static void on_event(void *arg, const struct tarn_event *event)
{
    (void)arg;
    on_event_count += event->attempt;
}

static int64_t no_bytes(void *, void *, size_t)
{
    return 0;
}

int use_everything();

int use_everything()
{
    tarn_error err = {};
    tarn_config config;
    tarn_config_init(&config);
    config.event_fn = on_event;
    tarn_client *client = tarn_client_new(&config, &err);
    tarn_put_options put = {};
    put.conditions.if_none_match = "*";
    int rc = tarn_object_put_stream(client, "bucket", "key", no_bytes, nullptr, nullptr, 0, &put,
                                    nullptr, &err);
    tarn_batch_result result = {};
    const char *keys[] = { "a", "b" };
    rc += tarn_batch_delete(client, "bucket", keys, 2, nullptr, &result, &err);
    tarn_batch_result_release(&result);
    tarn_versions *versions = tarn_versions_open(client, "bucket", nullptr, &err);
    tarn_versions_free(versions);
    tarn_credentials credentials;
    rc += tarn_client_get_credentials(client, &credentials, &err);
    tarn_credentials_wipe(&credentials);
    tarn_client_free(client);
    return rc;
}

#if __cplusplus >= 202002L
/* Designated initialisers keep to the order of the fields, nested ones too. */
int use_designators();

int use_designators()
{
    static const tarn_header header{ .name = "x-a", .value = "1" };
    tarn_put_options put{ .request = { .headers = &header, .header_count = 1, .timeout_ms = 5 },
                          .attributes = { .content_type = "a/b", .metadata = &header },
                          .conditions = { .if_none_match = "*" },
                          .checksum = TARN_CHECKSUM_CRC32 };
    tarn_transfer_options transfer{
        .part_size = TARN_PART_LEN_MIN, .concurrency = 4, .verify = TARN_VERIFY_FULL, .resume = true
    };
    tarn_batch_options batch{ .concurrency = 4,
                              .each = [](void *, size_t, const tarn_batch_item *) {} };
    tarn_lock_options lock{ .ttl_ms = 30000, .wait_ms = TARN_LOCK_WAIT_FOREVER };
    tarn_buffer_filter filter{ .kind = TARN_BUFFER_ZSTD };
    tarn_buffer_options buffer{ .threshold = 1, .filters = &filter, .filter_count = 1 };
    return int(put.request.header_count + transfer.part_size + batch.concurrency +
               uint64_t(lock.ttl_ms) + buffer.threshold);
}
#endif
