/* SPDX-License-Identifier: Apache-2.0 */
/* --help out of the tables. */

#include "cli/help.h"

enum { COLUMNS = 80, TEXT_INDENT = 28, LABEL_INDENT = 2 };

/* Appends words up to the end of the line, then goes on at `indent`; `column` is where we are. */
static int append_wrapped(struct tn_buf *b, const char *text, size_t column, size_t indent)
{
    struct tn_str rest = tn_str_from(text);
    bool is_first = true;
    while (rest.len) {
        struct tn_str word = tn_str_split(&rest, ' ');
        int rc = TARN_OK;
        if (!is_first && column + 1 + word.len > COLUMNS) {
            rc = tn_buf_appendf(b, "\n%*s", (int)indent, "");
            column = indent;
        } else if (!is_first) {
            rc = tn_buf_append_char(b, ' ');
            column++;
        }
        if (rc == TARN_OK)
            rc = tn_buf_append_str(b, word);
        if (rc < 0)
            return rc;
        column += word.len;
        is_first = false;
    }
    return tn_buf_append_char(b, '\n');
}

/* "-r, -R, --recursive": the letters of rows of one name belong together. */
static int append_label(struct tn_buf *b, const struct cli_option *option)
{
    int rc = tn_buf_appendf(b, "%*s", LABEL_INDENT, "");
    if (rc == TARN_OK && option->letter)
        rc = tn_buf_appendf(b, "-%c, ", option->letter);
    if (rc == TARN_OK && option[1].name && !option[1].help)
        rc = tn_buf_appendf(b, "-%c, ", option[1].letter);
    if (rc == TARN_OK)
        rc = tn_buf_appendf(b, "--%s", option->name);
    if (rc == TARN_OK && option->value)
        rc = tn_buf_appendf(b, " %s", option->value);
    return rc;
}

static int append_option(struct tn_buf *b, const struct cli_option *option)
{
    size_t start = b->len;
    int rc = append_label(b, option);
    size_t column = b->len - start;
    if (rc == TARN_OK && column + 2 > TEXT_INDENT) {
        rc = tn_buf_append_char(b, '\n');
        column = 0;
    }
    if (rc == TARN_OK)
        rc = tn_buf_appendf(b, "%*s", (int)(TEXT_INDENT - column), "");
    return rc < 0 ? rc : append_wrapped(b, option->help, TEXT_INDENT, TEXT_INDENT);
}

static int append_options(struct tn_buf *b, const struct cli_option *options)
{
    for (; options->name; options++) {
        int rc = options->help ? append_option(b, options) : TARN_OK;
        if (rc < 0)
            return rc;
    }
    return TARN_OK;
}

static int append_paragraphs(struct tn_buf *b, const char *text)
{
    int rc = TARN_OK;
    while (rc == TARN_OK && text) {
        const char *end = strstr(text, "\n\n");
        size_t len = end ? (size_t)(end - text) : strlen(text);
        TN_AUTO_FREE char *paragraph = tn_memdup(text, len);
        if (!paragraph)
            return TARN_ENOMEM;
        rc = tn_buf_append_char(b, '\n');
        if (rc == TARN_OK)
            rc = append_wrapped(b, paragraph, 0, 0);
        text = end ? end + 2 : NULL;
    }
    return rc;
}

static int append_examples(struct tn_buf *b, const char *examples)
{
    struct tn_str rest = tn_str_from(examples);
    int rc = rest.len ? tn_buf_append_text(b, "\nExamples:\n") : TARN_OK;
    while (rc == TARN_OK && rest.len) {
        struct tn_str line = tn_str_split(&rest, '\n');
        rc = tn_buf_appendf(b, "  %.*s\n", TN_STR_ARG(line));
    }
    return rc;
}

static int append_command(struct tn_buf *b, const struct cli_command *command)
{
    bool has_options = command->groups[0] != NULL;
    int rc = tn_buf_appendf(b, "Usage: tarn %s%s%s%s\n", command->name,
                            has_options ? " [OPTION...]" : "", command->operands[0] ? " " : "",
                            command->operands);
    if (rc == TARN_OK)
        rc = append_paragraphs(b, command->text);
    if (rc == TARN_OK && has_options)
        rc = tn_buf_append_text(b, "\nOptions:\n");
    for (size_t i = 0; rc == TARN_OK && i < CLI_OPTION_GROUPS && command->groups[i]; i++)
        rc = append_options(b, command->groups[i]);
    if (rc == TARN_OK)
        rc = append_examples(b, command->examples);
    if (rc == TARN_OK)
        rc = tn_buf_append_text(b, "\nOptions of every command: tarn help\n");
    return rc;
}

static int append_overview(struct tn_buf *b)
{
    int rc = tn_buf_append_text(b, "Usage: tarn COMMAND [OPTION...] [ARGUMENT...]\n\n"
                                   "Moves data to, from and within S3. Objects are named "
                                   "s3://bucket/key.\n\nCommands:\n");
    for (size_t i = 0; rc == TARN_OK && i < CLI_COMMAND_COUNT; i++)
        rc = tn_buf_appendf(b, "  %-14s%s\n", cli_commands[i].name, cli_commands[i].summary);
    if (rc == TARN_OK)
        rc = tn_buf_append_text(b, "\nOptions of every command:\n");
    if (rc == TARN_OK)
        rc = append_options(b, cli_global_options);
    if (rc == TARN_OK)
        rc = tn_buf_append_text(
            b, "\nCredentials come from the environment (AWS_ACCESS_KEY_ID, "
               "AWS_SECRET_ACCESS_KEY)\nor the profile, never from the command line.\n"
               "Exit status: 0 done, 1 failed in part or by the far side, 2 nothing could be\n"
               "done, 3 data did not match.\nHelp on one command: tarn help COMMAND\n");
    return rc;
}

int cli_help_append(struct tn_buf *b, const struct cli_command *command)
{
    return command ? append_command(b, command) : append_overview(b);
}
