/* SPDX-License-Identifier: Apache-2.0 */
/* Reading all operands, then working on each. */

#include "cli/operands.h"

int cli_operand_s3(struct cli_app *app, const char *text, struct cli_address *out,
                   struct tarn_error *err)
{
    (void)app;
    return cli_address_parse_s3(text, out, err);
}

int cli_operand_bucket(struct cli_app *app, const char *text, struct cli_address *out,
                       struct tarn_error *err)
{
    (void)app;
    return cli_address_parse_bucket(text, out, err);
}

static void work_on(struct cli_app *app, const struct cli_operands *o, const char *text)
{
    struct tarn_error err = { 0 };
    struct cli_address address;
    int rc = o->read(app, text, &address, &err);
    if (rc == TARN_OK)
        rc = o->work(o->user, &address, &err);
    const char *name = o->read == cli_operand_bucket ? NULL : address.name;
    if (rc < 0)
        cli_report_failure(app, (struct cli_place){ address.bucket, name }, (struct cli_place){ 0 },
                           &err);
    else if (o->is_counted)
        atomic_fetch_add(&app->succeeded, 1);
}

int cli_operands_run(struct cli_app *app, const struct cli_operands *o)
{
    struct tarn_error err = { 0 };
    struct cli_address address;
    for (int i = o->first; i < app->operand_count; i++) {
        if (o->read(app, app->operands[i], &address, &err) < 0)
            return cli_report_usage(app, &err);
    }
    for (int i = o->first; i < app->operand_count && !cli_app_is_over(app); i++)
        work_on(app, o, app->operands[i]);
    return CLI_EXIT_OK;
}
