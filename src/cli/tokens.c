/* SPDX-License-Identifier: Apache-2.0 */
/* Words of a line. */

#include "cli/tokens.h"

struct scanner {
    struct tn_str rest;
    char *out; /* where the next byte goes; never ahead of what was read */
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static char take(struct scanner *s)
{
    char c = s->rest.data[0];
    s->rest = tn_str_sub(s->rest, 1, SIZE_MAX);
    return c;
}

/* The byte behind a backslash when it is one of `escapable`; else the backslash stands for itself.
 */
static void put_escape(struct scanner *s, const char *escapable)
{
    bool is_escape = s->rest.len > 0 && strchr(escapable, s->rest.data[0]);
    *s->out++ = is_escape ? take(s) : '\\';
}

/* Up to the closing quote; false when there is none. */
static bool put_quoted(struct scanner *s, char quote)
{
    while (s->rest.len > 0) {
        char c = take(s);
        if (c == quote)
            return true;
        if (c == '\\' && quote == '"')
            put_escape(s, "\"\\");
        else
            *s->out++ = c;
    }
    return false;
}

static bool put_word(struct scanner *s)
{
    while (s->rest.len > 0 && !is_blank(s->rest.data[0])) {
        char c = take(s);
        if (c == '\'' || c == '"') {
            if (!put_quoted(s, c))
                return false;
        } else if (c == '\\') {
            put_escape(s, " \t'\"\\");
        } else {
            *s->out++ = c;
        }
    }
    *s->out++ = '\0';
    return true;
}

static int parse(struct scanner *s, struct cli_tokens *made, struct tarn_error *err)
{
    for (;;) {
        while (s->rest.len > 0 && is_blank(s->rest.data[0]))
            (void)take(s);
        if (s->rest.len == 0)
            return TARN_OK;
        if (made->count == CLI_TOKENS_MAX)
            return tn_fail(err, TARN_EINVAL, "the line has more than %d words", CLI_TOKENS_MAX);
        made->words[made->count++] = s->out;
        if (!put_word(s))
            return tn_fail(err, TARN_EINVAL, "the line has a quote without its end");
    }
}

int cli_tokens_parse(struct tn_str line, struct cli_tokens *out, struct tarn_error *err)
{
    /* As many words as there are pairs of byte and blank; each byte of text at most once. */
    size_t room = line.len / 2 + 2;
    struct cli_tokens made = { 0 };
    if (line.len > 0 && memchr(line.data, '\0', line.len))
        return tn_fail(err, TARN_EINVAL, "the line has a NUL byte");
    made.words = tn_calloc(1, room * sizeof *made.words + line.len + 1);
    if (!made.words)
        return tn_fail(err, TARN_ENOMEM, "out of memory");
    struct scanner s = { line, (char *)(made.words + room) };
    int rc = parse(&s, &made, err);
    if (rc < 0) {
        tn_free(made.words);
        return rc;
    }
    *out = made;
    return TARN_OK;
}
