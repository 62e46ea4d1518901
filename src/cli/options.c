/* SPDX-License-Identifier: Apache-2.0 */
/* Parsing a command line by the tables. */

#include "cli/options.h"

#include "base/clock.h"
#include "cli/text.h"

enum { NAME_LEN_MAX = 63, SHOWN_LEN_MAX = 64, CHOICES_LEN_MAX = 512 };

/* Two options that contradict each other, whatever the command. */
static const char *const conflicts[][2] = {
    { "path-style", "virtual" },
    { "quiet", "verbose" },
    { "no-sign-request", "profile" },
    { "no-sign-request", "credentials-file" },
    { "no-verify-ssl", "ca-bundle" },
    { "version-id", "recursive" },
    { "if-match", "recursive" },
    { "json", "human-readable" },
    { "no-progress", "show-progress" },
    { "quiet", "show-progress" },
    { "all-versions", "version-id" },
    { "all-versions", "if-match" },
    { "all-versions", "limit" },
    { "status", "set" },
    { "size-only", "checksum" },
    { "size-only", "exact-timestamps" },
    { "print0", "json" },
    { "wait", "wait-forever" },
};

struct parser {
    int argc;
    char **argv;
    int next; /* index into argv */
    struct cli_line line;
    const struct cli_option *seen[CLI_OPTIONS_MAX]; /* each option that was given, once */
    size_t seen_count;
    bool are_options_over;
    struct tarn_error *err;
};

static size_t smallest(size_t a, size_t b, size_t c)
{
    size_t least = a < b ? a : b;
    return least < c ? least : c;
}

size_t cli_edit_distance(const char *a, const char *b)
{
    size_t rows[3][NAME_LEN_MAX + 2];
    size_t a_len = strlen(a);
    size_t b_len = strlen(b);
    if (a_len > NAME_LEN_MAX || b_len > NAME_LEN_MAX)
        return SIZE_MAX;
    for (size_t j = 0; j <= b_len; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i - 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            row[j] = smallest(above[j] + 1, row[j - 1] + 1, above[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                rows[(i - 2) % 3][j - 2] + 1 < row[j])
                row[j] = rows[(i - 2) % 3][j - 2] + 1;
        }
    }
    return rows[a_len % 3][b_len];
}

/* Near enough to be a slip of the fingers: not more than half of a short name. */
static bool is_near(const char *name, size_t distance)
{
    size_t len = strlen(name);
    return distance <= 2 && distance < len;
}

const struct cli_command *cli_command_find(const char *name)
{
    for (size_t i = 0; i < CLI_COMMAND_COUNT; i++) {
        if (strcmp(cli_commands[i].name, name) == 0)
            return &cli_commands[i];
    }
    return NULL;
}

const char *cli_command_nearest(const char *name)
{
    const char *best = NULL;
    size_t best_distance = SIZE_MAX;
    for (size_t i = 0; i < CLI_COMMAND_COUNT; i++) {
        size_t distance = cli_edit_distance(name, cli_commands[i].name);
        if (distance < best_distance) {
            best_distance = distance;
            best = cli_commands[i].name;
        }
    }
    return is_near(name, best_distance) ? best : NULL;
}

typedef bool (*option_fn)(const struct cli_option *option, void *arg);

/* The first option of the command, then of the global table, for which `is_it` holds. */
static const struct cli_option *option_find(const struct cli_command *command, option_fn is_it,
                                            void *arg)
{
    const struct cli_option *option;
    for (size_t i = 0; command && i < CLI_OPTION_GROUPS && command->groups[i]; i++) {
        for (option = command->groups[i]; option->name; option++) {
            if (is_it(option, arg))
                return option;
        }
    }
    for (option = cli_global_options; option->name; option++) {
        if (is_it(option, arg))
            return option;
    }
    return NULL;
}

static bool has_name(const struct cli_option *option, void *arg)
{
    struct tn_str name = *(const struct tn_str *)arg;
    return tn_str_eq(tn_str_from(option->name), name) ||
           (option->alias && tn_str_eq(tn_str_from(option->alias), name));
}

static bool has_letter(const struct cli_option *option, void *arg)
{
    return option->letter != 0 && option->letter == *(const char *)arg;
}

struct nearest {
    const char *name;
    const char *best;
    size_t distance;
};

static bool note_nearest(const struct cli_option *option, void *arg)
{
    struct nearest *nearest = arg;
    size_t distance = cli_edit_distance(nearest->name, option->name);
    if (distance < nearest->distance) {
        nearest->distance = distance;
        nearest->best = option->name;
    }
    return false;
}

static int fail_unknown_option(struct parser *p, const char *name)
{
    struct nearest nearest = { .name = name, .distance = SIZE_MAX };
    (void)option_find(p->line.command, note_nearest, &nearest);
    if (is_near(name, nearest.distance))
        return tn_fail(p->err, TARN_EINVAL, "unknown option \"--%s\" (did you mean \"--%s\"?)",
                       name, nearest.best);
    return tn_fail(p->err, TARN_EINVAL, "unknown option \"--%.*s\"", SHOWN_LEN_MAX, name);
}

static int fail_value(struct parser *p, const struct cli_option *option, const char *value,
                      const char *wanted)
{
    return tn_fail(p->err, TARN_EINVAL, "bad value \"%.*s\" for \"--%s\": %s", SHOWN_LEN_MAX, value,
                   option->name, wanted);
}

static void *field_of(struct parser *p, const struct cli_option *option)
{
    return (char *)&p->line.opt + option->offset;
}

static void limit_text(const struct cli_option *option, uint64_t limit, char out[CLI_SIZE_LEN])
{
    static const struct {
        uint64_t seconds;
        char letter;
    } units[] = { { 86400, 'd' }, { 3600, 'h' }, { 60, 'm' }, { 1, 's' } };
    size_t i = 0;
    if (option->kind == CLI_BYTES) {
        cli_size_text(limit, out);
    } else if (option->kind == CLI_DURATION) {
        while (i + 1 < TN_COUNT(units) && (limit == 0 || limit % units[i].seconds != 0))
            i++;
        (void)snprintf(out, CLI_SIZE_LEN, "%llu%c", (unsigned long long)(limit / units[i].seconds),
                       units[i].letter);
    } else {
        (void)snprintf(out, CLI_SIZE_LEN, "%llu", (unsigned long long)limit);
    }
}

static int fail_range(struct parser *p, const struct cli_option *option, const char *value)
{
    char wanted[96], least[CLI_SIZE_LEN], most[CLI_SIZE_LEN];
    limit_text(option, option->min, least);
    limit_text(option, option->max, most);
    if (option->max >= UINT64_MAX / 1000) /* no limit that anybody could mean */
        (void)snprintf(wanted, sizeof wanted, "at least %s is wanted", least);
    else
        (void)snprintf(wanted, sizeof wanted, "not within %s to %s", least, most);
    return fail_value(p, option, value, wanted);
}

static int set_number(struct parser *p, const struct cli_option *option, const char *value)
{
    uint64_t number;
    int rc = option->kind == CLI_BYTES ? tn_str_to_size(tn_str_from(value), &number)
                                       : tn_str_to_u64(tn_str_from(value), &number);
    if (rc < 0)
        return fail_value(p, option, value,
                          option->kind == CLI_BYTES ? "a size such as 64M is wanted"
                                                    : "a number is wanted");
    if (option->max != 0 && (number < option->min || number > option->max))
        return fail_range(p, option, value);
    *(uint64_t *)field_of(p, option) = number;
    return TARN_OK;
}

static int set_duration(struct parser *p, const struct cli_option *option, const char *value)
{
    static const struct {
        char letter;
        uint64_t seconds;
    } units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
    struct tn_str text = tn_str_from(value);
    uint64_t scale = 1;
    for (size_t i = 0; i < TN_COUNT(units) && text.len; i++) {
        if (text.data[text.len - 1] == units[i].letter) {
            scale = units[i].seconds;
            text.len--;
            break;
        }
    }
    uint64_t seconds;
    if (tn_str_to_u64(text, &seconds) < 0)
        return fail_value(p, option, value, "seconds are wanted, or such as 15m, 24h, 7d");
    if (__builtin_mul_overflow(seconds, scale, &seconds) || seconds < option->min ||
        seconds > option->max)
        return fail_range(p, option, value);
    *(uint64_t *)field_of(p, option) = seconds;
    return TARN_OK;
}

static int set_time(struct parser *p, const struct cli_option *option, const char *value)
{
    int64_t unix_ms;
    if (tn_time_parse_iso8601(tn_str_from(value), &unix_ms) < 0)
        return fail_value(p, option, value, "a time such as 2030-01-31T12:00:00Z is wanted");
    *(int64_t *)field_of(p, option) = unix_ms / 1000;
    return TARN_OK;
}

/* Servers know the words in one spelling only, so the table's is kept. */
static int set_choice(struct parser *p, const struct cli_option *option, const char *value)
{
    TN_AUTO_BUF wanted = TN_BUF_INIT(CHOICES_LEN_MAX);
    int rc = tn_buf_append_text(&wanted, "one of ");
    for (const char *word = option->choices; *word; word += strlen(word) + 1) {
        if (tn_str_eq_nocase(tn_str_from(word), tn_str_from(value))) {
            *(const char **)field_of(p, option) = word;
            return TARN_OK;
        }
        if (rc == TARN_OK)
            rc = tn_buf_appendf(&wanted, "%s ", word);
    }
    if (rc == TARN_OK)
        rc = tn_buf_append_text(&wanted, "is wanted");
    return rc < 0 ? tn_fail(p->err, rc, "out of memory")
                  : fail_value(p, option, value, wanted.data);
}

static int add_to_list(struct parser *p, const struct cli_option *option, const char *value)
{
    struct cli_list *list = field_of(p, option);
    if (list->count == CLI_LIST_MAX)
        return tn_fail(p->err, TARN_EINVAL, "\"--%s\" is given more than %d times", option->name,
                       CLI_LIST_MAX);
    const char **items = tn_realloc(list->items, (list->count + 1) * sizeof *items);
    if (!items)
        return tn_fail(p->err, TARN_ENOMEM, "out of memory");
    list->items = items;
    list->items[list->count++] = value;
    return TARN_OK;
}

static int set_value(struct parser *p, const struct cli_option *option, const char *value)
{
    switch (option->kind) {
    case CLI_NUMBER:
    case CLI_BYTES:
        return set_number(p, option, value);
    case CLI_DURATION:
        return set_duration(p, option, value);
    case CLI_TIME:
        return set_time(p, option, value);
    case CLI_CHOICE:
        return set_choice(p, option, value);
    case CLI_LIST:
        return add_to_list(p, option, value);
    case CLI_TEXT:
        if (value[0] == '\0')
            return tn_fail(p->err, TARN_EINVAL, "\"--%s\" has an empty value", option->name);
        *(const char **)field_of(p, option) = value;
        return TARN_OK;
    case CLI_FLAG:
        break;
    }
    return tn_fail(p->err, TARN_EINVAL, "\"--%s\" takes no value", option->name);
}

static void note_seen(struct parser *p, const struct cli_option *option)
{
    for (size_t i = 0; i < p->seen_count; i++) {
        if (p->seen[i] == option)
            return;
    }
    if (p->seen_count < CLI_OPTIONS_MAX)
        p->seen[p->seen_count++] = option;
}

/* `inline_value` is what follows "=" or a letter in the same argument; NULL when nothing does. */
static int apply_option(struct parser *p, const struct cli_option *option, const char *inline_value)
{
    note_seen(p, option);
    if (option->has_offset)
        *(bool *)((char *)&p->line.opt + option->has_offset) = true;
    if (option->kind == CLI_FLAG && !inline_value) {
        *(bool *)field_of(p, option) = true;
        return TARN_OK;
    }
    const char *value = inline_value;
    if (!value) {
        if (p->next >= p->argc || strncmp(p->argv[p->next], "--", 2) == 0)
            return tn_fail(p->err, TARN_EINVAL, "\"--%s\" needs a value (%s)", option->name,
                           option->value);
        value = p->argv[p->next++];
    }
    return set_value(p, option, value);
}

static int parse_long(struct parser *p, const char *argument)
{
    const char *equals = strchr(argument, '=');
    struct tn_str name = { argument, equals ? (size_t)(equals - argument) : strlen(argument) };
    const struct cli_option *option = option_find(p->line.command, has_name, &name);
    if (option)
        return apply_option(p, option, equals ? equals + 1 : NULL);

    char shown[NAME_LEN_MAX + 1];
    (void)snprintf(shown, sizeof shown, "%.*s", TN_STR_ARG(name));
    return fail_unknown_option(p, shown);
}

static int parse_letters(struct parser *p, const char *letters)
{
    while (*letters) {
        char letter = *letters++;
        const struct cli_option *option = option_find(p->line.command, has_letter, &letter);
        if (!option)
            return tn_fail(p->err, TARN_EINVAL, "unknown option \"-%c\"", letter);
        if (option->kind != CLI_FLAG)
            return apply_option(p, option, *letters ? letters : NULL);
        int rc = apply_option(p, option, NULL);
        if (rc < 0)
            return rc;
    }
    return TARN_OK;
}

static int set_command(struct parser *p, const char *name)
{
    p->line.command = cli_command_find(name);
    if (p->line.command)
        return TARN_OK;
    const char *nearest = cli_command_nearest(name);
    if (nearest)
        return tn_fail(p->err, TARN_EINVAL, "unknown command \"%s\" (did you mean \"%s\"?)", name,
                       nearest);
    return tn_fail(p->err, TARN_EINVAL, "unknown command \"%.*s\"", SHOWN_LEN_MAX, name);
}

static int parse_argument(struct parser *p)
{
    const char *argument = p->argv[p->next++];
    if (!p->are_options_over && strcmp(argument, "--") == 0) {
        p->are_options_over = true;
        return TARN_OK;
    }
    if (!p->are_options_over && strncmp(argument, "--", 2) == 0)
        return parse_long(p, argument + 2);
    if (!p->are_options_over && argument[0] == '-' && argument[1] != '\0')
        return parse_letters(p, argument + 1);
    if (!p->line.command)
        return set_command(p, argument);
    p->line.operands[p->line.operand_count++] = argument;
    return TARN_OK;
}

static bool is_seen(const struct parser *p, const char *name)
{
    for (size_t i = 0; i < p->seen_count; i++) {
        if (strcmp(p->seen[i]->name, name) == 0)
            return true;
    }
    return false;
}

static int check_conflicts(const struct parser *p)
{
    for (size_t i = 0; i < TN_COUNT(conflicts); i++) {
        if (is_seen(p, conflicts[i][0]) && is_seen(p, conflicts[i][1]))
            return tn_fail(p->err, TARN_EINVAL, "\"--%s\" and \"--%s\" exclude each other",
                           conflicts[i][0], conflicts[i][1]);
    }
    return TARN_OK;
}

static int check_operands(const struct parser *p)
{
    const struct cli_command *command = p->line.command;
    if (p->line.opt.help || p->line.opt.version)
        return TARN_OK;
    if (!command)
        return tn_fail(p->err, TARN_EINVAL, "no command is given");
    if (p->line.operand_count < command->operands_min)
        return tn_fail(p->err, TARN_EINVAL, "too few arguments: tarn %s %s", command->name,
                       command->operands);
    if (p->line.operand_count > command->operands_max)
        return tn_fail(p->err, TARN_EINVAL, "unexpected argument \"%.*s\"", SHOWN_LEN_MAX,
                       p->line.operands[command->operands_max]);
    return TARN_OK;
}

int cli_line_parse(int argc, char **argv, struct cli_line *line, struct tarn_error *err)
{
    struct parser p = { .argc = argc, .argv = argv, .next = 1, .err = err };
    int rc = TARN_OK;
    p.line.operands = tn_calloc((size_t)argc + 1, sizeof *p.line.operands);
    if (!p.line.operands)
        return tn_fail(err, TARN_ENOMEM, "out of memory");
    while (rc == TARN_OK && p.next < argc)
        rc = parse_argument(&p);
    if (rc == TARN_OK)
        rc = check_conflicts(&p);
    if (rc == TARN_OK)
        rc = check_operands(&p);
    if (rc == TARN_OK) {
        *line = p.line;
        return TARN_OK;
    }

    line->command = p.line.command;
    line->opt.json = p.line.opt.json;
    cli_line_release(&p.line);
    return rc;
}

void cli_line_release(struct cli_line *line)
{
    tn_free(line->operands);
    tn_free(line->opt.metadata.items);
    tn_free(line->opt.include.items);
    tn_free(line->opt.exclude.items);
    tn_free(line->opt.remove.items);
    tn_free(line->opt.buckets.items);
    *line = (struct cli_line){ 0 };
}
