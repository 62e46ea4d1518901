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
