/* SPDX-License-Identifier: Apache-2.0 */
/* tarn(1) out of the tables. */

#include "cli/help.h"

static const char HEAD[] = ".TH TARN 1 \"\" \"tarn\" \"User Commands\"\n"
                           ".SH NAME\ntarn \\- move data to, from and within S3\n"
                           ".SH SYNOPSIS\n.B tarn\n.I COMMAND\n[\\fIOPTION\\fR...] "
                           "[\\fIARGUMENT\\fR...]\n"
                           ".SH DESCRIPTION\n";

static const char DESCRIPTION[] =
    "Objects are named s3://bucket/key: the bucket ends at the first slash, all that follows is "
    "the key, byte for byte. Other texts are paths of the local machine.\n\n"
    "Standard output carries data and one line for each thing done, standard error all else. "
    "Control characters in names are written as \\xNN. With --json, each line is one object with "
    "the members operation and success; bytes that are not UTF-8 are written as \\udcNN.";

/* Pairs of heading and paragraphs that follow the commands. */
static const char *const sections[][2] = {
    { "ENVIRONMENT",
      "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN: credentials, which are never "
      "taken from the command line. AWS_PROFILE, AWS_SHARED_CREDENTIALS_FILE, AWS_CONFIG_FILE: "
      "where else to look. AWS_REGION, AWS_DEFAULT_REGION, AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, "
      "AWS_CA_BUNDLE: as the options of that meaning, which go first. "
      "AWS_REQUEST_CHECKSUM_CALCULATION: when_required, no checksums unless one is asked for. "
      "TARN_TRACE: components to trace." },
    { "EXIT STATUS",
      "0: all was done, also when nothing matched what ls or a wildcard of rm asked for. "
      "1: some items failed, or one failed for a reason outside of the command line (network, "
      "server, not found). 2: usage, configuration, credentials, access denied or no such bucket: "
      "nothing could be done. 3: a checksum, an ETag or a length did not match.\n\n"
      "After SIGINT, SIGTERM or SIGHUP, running uploads are aborted and partial files removed; "
      "then tarn ends by that signal. When the reader of standard output goes away, ls and cat end "
      "with 0; other commands finish their work." },
    { "ERRORS", "Each error is one line: tarn: COMMAND ADDRESS: MESSAGE (CODE, HTTP STATUS, "
                "request-id ID)." },
    { "FILES", "~/.aws/credentials, ~/.aws/config: profiles." },
};

/* A backslash, a hyphen and a dot or quote at the start of a line mean something to troff. */
static int append_troff(struct tn_buf *b, struct tn_str text)
{
    int rc = TARN_OK;
    bool is_line_start = true;
    for (size_t i = 0; rc == TARN_OK && i < text.len; i++) {
        char c = text.data[i];
        if (c == '\\')
            rc = tn_buf_append_text(b, "\\e");
        else if (c == '-')
            rc = tn_buf_append_text(b, "\\-");
        else if (c == '`')
            rc = tn_buf_append_text(b, "\\(ga");
        else if (is_line_start && (c == '.' || c == '\''))
            rc = tn_buf_appendf(b, "\\&%c", c);
        else
            rc = tn_buf_append_char(b, c);
        is_line_start = c == '\n';
    }
    return rc;
}

static int append_text(struct tn_buf *b, const char *text)
{
    int rc = TARN_OK;
    while (rc == TARN_OK && text) {
        const char *end = strstr(text, "\n\n");
        rc = append_troff(b, (struct tn_str){ text, end ? (size_t)(end - text) : strlen(text) });
        text = end ? end + 2 : NULL;
        if (rc == TARN_OK)
            rc = tn_buf_append_text(b, text ? "\n.PP\n" : "\n");
    }
    return rc;
}

static int append_option(struct tn_buf *b, const struct cli_option *option)
{
    int rc = tn_buf_append_text(b, ".TP\n\\fB");
    if (rc == TARN_OK && option->letter)
        rc = tn_buf_appendf(b, "\\-%c\\fR, \\fB", option->letter);
    if (rc == TARN_OK && option[1].name && !option[1].help)
        rc = tn_buf_appendf(b, "\\-%c\\fR, \\fB", option[1].letter);
    if (rc == TARN_OK)
        rc = tn_buf_append_text(b, "\\-\\-");
    if (rc == TARN_OK)
        rc = append_troff(b, tn_str_from(option->name));
    if (rc == TARN_OK)
        rc = tn_buf_append_text(b, "\\fR");
    if (rc == TARN_OK && option->value) {
        rc = tn_buf_append_text(b, " \\fI");
        if (rc == TARN_OK)
            rc = append_troff(b, tn_str_from(option->value));
        if (rc == TARN_OK)
            rc = tn_buf_append_text(b, "\\fR");
    }
    if (rc == TARN_OK)
        rc = tn_buf_append_char(b, '\n');
    return rc < 0 ? rc : append_text(b, option->help);
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

static int append_command(struct tn_buf *b, const struct cli_command *command)
{
    int rc = tn_buf_appendf(b, ".SS tarn %s \\fI%s\\fR\n", command->name, command->operands);
    if (rc == TARN_OK)
        rc = append_text(b, command->text);
    for (size_t i = 0; rc == TARN_OK && i < CLI_OPTION_GROUPS && command->groups[i]; i++)
        rc = append_options(b, command->groups[i]);
    if (rc == TARN_OK && command->examples[0]) {
        rc = tn_buf_append_text(b, ".PP\nExamples:\n.PP\n.nf\n");
        if (rc == TARN_OK)
            rc = append_text(b, command->examples);
        if (rc == TARN_OK)
            rc = tn_buf_append_text(b, ".fi\n");
    }
    return rc;
}

int cli_manpage_append(struct tn_buf *b)
{
    int rc = tn_buf_append_text(b, ".\\\" Made by tarn_manpage out of src/cli/tables.c.\n");
    if (rc == TARN_OK)
        rc = tn_buf_append_text(b, HEAD);
    if (rc == TARN_OK)
        rc = append_text(b, DESCRIPTION);
    if (rc == TARN_OK)
        rc = tn_buf_append_text(b, ".SH COMMANDS\n");
    for (size_t i = 0; rc == TARN_OK && i < CLI_COMMAND_COUNT; i++)
        rc = append_command(b, &cli_commands[i]);
    if (rc == TARN_OK)
        rc = tn_buf_append_text(b, ".SH OPTIONS OF EVERY COMMAND\n");
    if (rc == TARN_OK)
        rc = append_options(b, cli_global_options);
    for (size_t i = 0; rc == TARN_OK && i < TN_COUNT(sections); i++) {
        rc = tn_buf_appendf(b, ".SH %s\n", sections[i][0]);
        if (rc == TARN_OK)
            rc = append_text(b, sections[i][1]);
    }
    return rc;
}
