/* SPDX-License-Identifier: Apache-2.0 */
/* tarn pipe; also what `cp - s3://...` does. */

#include "cli/cmd_pipe.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "base/fail.h"
#include "cli/attribute_options.h"
#include "cli/mime.h"

enum { POLL_MS = 200 };

struct input {
    struct cli_app *app;
    uint64_t len;
    uint32_t parts;
};

/* A signal may reach any thread, so a read that waits has to look for it now and then. */
int64_t cli_pipe_read(struct cli_app *app, int fd, void *bytes, size_t cap)
{
    for (;;) {
        struct pollfd wait = { .fd = fd, .events = POLLIN };
        int ready = poll(&wait, 1, POLL_MS);
        if (cli_app_is_over(app))
            return TARN_ECANCELLED;
        if (ready == 0 || (ready < 0 && errno == EINTR))
            continue;
        ssize_t len = read(fd, bytes, cap);
        if (len < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        return len < 0 ? tn_status_from_errno(errno) : len;
    }
}

static int64_t read_in(void *arg, void *bytes, size_t cap)
{
    struct input *in = arg;
    int64_t len = cli_pipe_read(in->app, STDIN_FILENO, bytes, cap);
    if (len < 0)
        return len;
    in->len += (uint64_t)len;
    atomic_store(&in->app->progress.bytes_done, in->len);
    atomic_store(&in->app->progress.bytes_total, in->len);
    return len;
}

static int on_progress(void *arg, const struct tarn_progress *progress)
{
    struct input *in = arg;
    in->parts = progress->parts_done;
    return 0;
}

static void report_done(struct cli_app *app, const struct cli_address *address,
                        const struct input *in, const struct tarn_object_info *info)
{
    TN_AUTO_BUF place = TN_BUF_INIT(CLI_LINE_LEN_MAX);
    struct cli_place target = { address->bucket, address->name };
    if (app->opt.json) {
        CLI_AUTO_JSON json;
        cli_report_json(app, &json, true);
        cli_place_json(&json, "destination", target);
        cli_json_u64(&json, "size", in->len);
        cli_json_text(&json, "etag", info->etag);
        cli_json_text(&json, "version_id", info->version_id);
        cli_json_u64(&json, "parts", in->parts ? in->parts : 1);
        cli_report_json_end(app, &json);
        return;
    }
    if (cli_place_append(&place, target) == TARN_OK)
        cli_report_note(app, "Uploaded %s (%llu bytes)", place.data, (unsigned long long)in->len);
}

static int upload(struct cli_app *app, const struct cli_address *address,
                  const struct cli_attributes *attributes, struct tarn_error *err)
{
    struct input in = { .app = app };
    struct tarn_object_info info = { 0 };
    struct tarn_transfer_options options = { .request = cli_app_request(app),
                                             .part_size = app->opt.part_size_mib << 20,
                                             .concurrency = (uint32_t)app->opt.concurrency,
                                             .progress = on_progress,
                                             .progress_arg = &in,
                                             .attributes = attributes->value };
    if (!options.attributes.content_type)
        options.attributes.content_type = cli_mime_guess(address->name);
    if (app->opt.no_clobber)
        options.conditions.if_none_match = "*";

    bool wants_bar = !app->opt.quiet && !app->opt.json && !app->opt.no_progress;
    atomic_store(&app->progress.files_total, 1);
    struct cli_bar *bar = wants_bar ? cli_bar_start(&app->progress, &app->out) : NULL;
    int rc = tarn_upload_stream(app->client, read_in, &in, address->bucket, address->name, &options,
                                &info, err);
    cli_bar_stop(bar, false);
    if (rc == TARN_OK) {
        atomic_fetch_add(&app->succeeded, 1);
        atomic_fetch_add(&app->bytes, in.len);
        report_done(app, address, &in, &info);
    }
    tarn_object_info_release(&info);
    return rc;
}

int cli_pipe_to(struct cli_app *app, const struct cli_address *address)
{
    struct tarn_error err = { 0 };
    struct cli_attributes attributes;
    if (cli_address_is_prefix(address)) {
        (void)tn_fail(&err, TARN_EINVAL, "standard input needs a whole key to go to");
        return cli_report_usage(app, &err);
    }
    if (cli_attributes_init(&attributes, &app->opt, &err) < 0)
        return cli_report_usage(app, &err);
    int rc = upload(app, address, &attributes, &err);
    cli_attributes_release(&attributes);
    if (rc < 0)
        cli_report_failure(app, (struct cli_place){ 0 },
                           (struct cli_place){ address->bucket, address->name }, &err);
    cli_report_stat(app, "Upload", true);
    return (int)cli_app_exit(app);
}

int cli_run_pipe(struct cli_app *app)
{
    struct tarn_error err = { 0 };
    struct cli_address address;
    if (cli_address_parse_s3(app->operands[0], &address, &err) < 0)
        return cli_report_usage(app, &err);
    return cli_pipe_to(app, &address);
}
