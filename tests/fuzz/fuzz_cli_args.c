/* SPDX-License-Identifier: Apache-2.0 */
/* Command lines, addresses, patterns and names below a directory: nothing typed or stored may
 * confuse them. The input is the arguments, each with a NUL behind it. */

#include <assert.h>

#include "cli/address.h"
#include "cli/byte_range.h"
#include "cli/glob.h"
#include "cli/options.h"
#include "cli/target.h"
#include "cli/text.h"

enum { ARGS_MAX = 64, LEN_MAX = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_address(const char *text)
{
    struct cli_address address = { 0 };
    if (cli_address_parse(text, &address, NULL) < 0)
        return;
    /* The key is the end of what was typed, byte for byte. */
    size_t len = strlen(address.name);
    assert(len <= strlen(text));
    assert(strcmp(address.name, text + strlen(text) - len) == 0);
    assert(!strchr(address.bucket, '/'));
}

/* Every name matches the pattern that is itself with its special characters escaped. */
static void check_glob(const char *text)
{
    TN_AUTO_BUF pattern = TN_BUF_INIT(3 * LEN_MAX);
    TN_AUTO_BUF literal = TN_BUF_INIT(3 * LEN_MAX);
    for (const char *c = text; *c; c++) {
        if ((strchr("*?\\", *c) && tn_buf_append_char(&pattern, '\\') < 0) ||
            tn_buf_append_char(&pattern, *c) < 0)
            return;
    }
    assert(!cli_glob_has_wildcards(pattern.data));
    assert(cli_glob_match(tn_buf_str(&pattern), tn_str_from(text)));
    assert(cli_glob_match(TN_STR("*"), tn_str_from(text)));
    if (cli_glob_literal_prefix(pattern.data, &literal) == TARN_OK)
        assert(strcmp(literal.data, text) == 0);
    (void)cli_glob_match(tn_str_from(text), tn_str_from(text));
}

static void check_target(const char *name)
{
    if (cli_target_check(name, NULL) < 0)
        return;
    assert(name[0] != '/');
    assert(strcmp(name, "..") != 0 && strncmp(name, "../", 3) != 0);
    assert(!strstr(name, "/../") && !strstr(name, "//"));
}

static void check_text(const char *text)
{
    TN_AUTO_BUF shown = TN_BUF_INIT(8 * LEN_MAX);
    if (cli_text_append(&shown, tn_str_from(text)) < 0)
        return;
    assert(tn_str_is_utf8(tn_buf_str(&shown)));
    for (size_t i = 0; i < shown.len; i++)
        assert((unsigned char)shown.data[i] >= 0x20 && shown.data[i] != 0x7f);

    CLI_AUTO_JSON json;
    cli_json_begin(&json);
    cli_json_text(&json, text, text);
    if (cli_json_end(&json) == TARN_OK)
        assert(tn_str_is_utf8(tn_buf_str(&json.b)) && !memchr(json.b.data, '\n', json.b.len));
}

static void check_line(int argc, char **argv)
{
    struct cli_line line = { 0 };
    struct tarn_error err = { 0 };
    if (cli_line_parse(argc, argv, &line, &err) < 0) {
        assert(err.message[0] != '\0' && !line.operands);
        return;
    }
    assert(line.command || line.opt.help || line.opt.version);
    assert(line.operand_count <= argc);
    cli_line_release(&line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char text[LEN_MAX + 1];
    char program[] = "tarn";
    char *argv[ARGS_MAX + 2] = { program };
    int argc = 1;
    if (len > LEN_MAX)
        return 0;
    memcpy(text, data, len);
    text[len] = '\0';
    for (size_t at = 0; at < len && argc <= ARGS_MAX; at += strlen(text + at) + 1)
        argv[argc++] = text + at;
    check_line(argc, argv);
    for (int i = 1; i < argc; i++) {
        struct cli_byte_range range;
        check_address(argv[i]);
        check_glob(argv[i]);
        check_target(argv[i]);
        check_text(argv[i]);
        if (cli_byte_range_parse(argv[i], &range, NULL) == TARN_OK)
            assert(range.kind != CLI_RANGE_BOUNDS || range.first <= range.last);
    }
    return 0;
}
