/* SPDX-License-Identifier: Apache-2.0 */
/* Filter rules. */

#include "cli/filter.h"

#include <regex.h>

#include "base/file.h"
#include "cli/glob.h"
#include "cli/text.h"

enum rule_kind { RULE_GLOB, RULE_REGEX, RULE_PATH };

struct rule {
    enum rule_kind kind;
    bool takes;
    bool is_inverted;
    struct tn_str pattern; /* of the command line, or of the file's text */
    regex_t regex;
};

struct cli_filter {
    struct rule *rules;
    size_t count;
    size_t cap;
    bool has_exclude;
    struct tn_buf text; /* of the file */
};

static void filter_free(struct cli_filter *f)
{
    for (size_t i = 0; f && i < f->count; i++) {
        if (f->rules[i].kind == RULE_REGEX)
            regfree(&f->rules[i].regex);
    }
    if (f) {
        tn_free(f->rules);
        tn_buf_release(&f->text);
    }
    tn_free(f);
}

void cli_filter_unload(struct cli_options *opt)
{
    filter_free(opt->filter);
    opt->filter = NULL;
}

static int grow(struct cli_filter *f, struct tarn_error *err)
{
    if (f->count < f->cap)
        return TARN_OK;
    if (f->count == CLI_FILTER_RULES_MAX)
        return tn_fail(err, TARN_EINVAL, "more than %d filter rules", CLI_FILTER_RULES_MAX);
    size_t cap = f->cap ? f->cap * 2 : 16;
    struct rule *grown = tn_realloc(f->rules, cap * sizeof *grown);
    if (!grown)
        return tn_fail(err, TARN_ENOMEM, "out of memory");
    f->rules = grown;
    f->cap = cap;
    return TARN_OK;
}

static bool take_prefix(struct tn_str *pattern, struct tn_str prefix)
{
    if (!tn_str_starts(*pattern, prefix))
        return false;
    *pattern = tn_str_sub(*pattern, prefix.len, SIZE_MAX);
    return true;
}

static int compile_regex(struct rule *rule, struct tarn_error *err)
{
    char why[128];
    TN_AUTO_FREE char *text = tn_memdup(rule->pattern.data, rule->pattern.len);
    if (!text)
        return tn_fail(err, TARN_ENOMEM, "out of memory");
    int code = regcomp(&rule->regex, text, REG_EXTENDED | REG_NOSUB);
    if (code == 0)
        return TARN_OK;
    (void)regerror(code, &rule->regex, why, sizeof why);
    return tn_fail(err, TARN_EINVAL, "bad regular expression \"%.64s\": %s", text, why);
}

static int add(struct cli_filter *f, bool takes, struct tn_str pattern, struct tarn_error *err)
{
    int rc = grow(f, err);
    if (rc < 0)
        return rc;
    struct rule rule = { .takes = takes };
    rule.is_inverted = take_prefix(&pattern, TN_STR("!"));
    if (take_prefix(&pattern, TN_STR("regex:")))
        rule.kind = RULE_REGEX;
    else if (take_prefix(&pattern, TN_STR("path:")))
        rule.kind = RULE_PATH;
    else
        (void)take_prefix(&pattern, TN_STR("glob:"));
    rule.pattern = pattern;
    if (pattern.len == 0)
        return tn_fail(err, TARN_EINVAL, "a filter pattern is empty");
    rc = rule.kind == RULE_REGEX ? compile_regex(&rule, err) : TARN_OK;
    if (rc < 0)
        return rc;
    f->rules[f->count++] = rule;
    f->has_exclude = f->has_exclude || !takes;
    return TARN_OK;
}

static int add_line(struct cli_filter *f, struct tn_str line, size_t number, const char *path,
                    struct tarn_error *err)
{
    struct tarn_error why = { 0 };
    if (tn_str_ends(line, TN_STR("\r")))
        line.len--;
    line = tn_str_trim(line);
    if (line.len == 0 || line.data[0] == '#')
        return TARN_OK;
    struct tn_str pattern = line;
    struct tn_str verb = tn_str_split(&pattern, ' ');
    bool takes = tn_str_eq(verb, TN_STR("+")) || tn_str_eq(verb, TN_STR("include"));
    int rc = TARN_OK;
    if (!takes && !tn_str_eq(verb, TN_STR("-")) && !tn_str_eq(verb, TN_STR("exclude")))
        rc = tn_fail(&why, TARN_EINVAL, "expected `+ PATTERN` or `- PATTERN`");
    else
        rc = add(f, takes, tn_str_trim(pattern), &why);
    return rc < 0 ? tn_fail(err, rc, "\"%s\", line %zu: %s", path, number, why.message) : rc;
}

static int add_file(struct cli_filter *f, const char *path, struct tarn_error *err)
{
    int rc = tn_file_read(path, &f->text, err);
    struct tn_str rest = cli_text_behind_mark(tn_buf_str(&f->text));
    if (rc == TARN_OK && rest.len > 0 && memchr(rest.data, '\0', rest.len))
        rc = tn_fail(err, TARN_EINVAL, "\"%s\" has NUL bytes", path);
    for (size_t number = 1; rc == TARN_OK && rest.len > 0; number++)
        rc = add_line(f, tn_str_split(&rest, '\n'), number, path, err);
    return rc;
}

static int add_all(struct cli_filter *f, const struct cli_options *opt, struct tarn_error *err)
{
    int rc = TARN_OK;
    for (size_t i = 0; i < opt->include.count && rc == TARN_OK; i++)
        rc = add(f, true, tn_str_from(opt->include.items[i]), err);
    for (size_t i = 0; i < opt->exclude.count && rc == TARN_OK; i++)
        rc = add(f, false, tn_str_from(opt->exclude.items[i]), err);
    if (rc == TARN_OK && opt->filter_from)
        rc = add_file(f, opt->filter_from, err);
    return rc;
}

int cli_filter_load(struct cli_options *opt, struct tarn_error *err)
{
    if (opt->include.count + opt->exclude.count == 0 && !opt->filter_from)
        return TARN_OK;
    struct cli_filter *f = tn_calloc(1, sizeof *f);
    if (!f)
        return tn_fail(err, TARN_ENOMEM, "out of memory");
    tn_buf_init(&f->text, CLI_FILTER_FILE_MAX);
    int rc = add_all(f, opt, err);
    if (rc < 0)
        filter_free(f);
    else
        opt->filter = f;
    return rc;
}

static bool is_at_or_below(struct tn_str path, struct tn_str name)
{
    if (tn_str_ends(path, TN_STR("/")))
        path.len--;
    return tn_str_starts(name, path) && (name.len == path.len || name.data[path.len] == '/');
}

static bool matches(const struct rule *rule, const char *name)
{
    switch (rule->kind) {
    case RULE_REGEX:
        return (regexec(&rule->regex, name, 0, NULL, 0) == 0) != rule->is_inverted;
    case RULE_PATH:
        return is_at_or_below(rule->pattern, tn_str_from(name)) != rule->is_inverted;
    case RULE_GLOB:
    default:
        return cli_glob_match(rule->pattern, tn_str_from(name)) != rule->is_inverted;
    }
}

bool cli_filter_takes(const struct cli_options *opt, const char *name)
{
    const struct cli_filter *f = opt->filter;
    if (!f)
        return true;
    for (size_t i = 0; i < f->count; i++) {
        if (matches(&f->rules[i], name))
            return f->rules[i].takes;
    }
    return f->has_exclude || f->count == 0;
}

static struct tn_str without_slash(struct tn_str directory)
{
    return tn_str_sub(directory, 0, directory.len - 1);
}

/* Does the rule match every name below `directory` (which ends in a slash)? */
static bool matches_all_below(const struct rule *rule, struct tn_str directory)
{
    if (rule->is_inverted || rule->kind == RULE_REGEX)
        return false;
    if (rule->kind == RULE_PATH)
        return is_at_or_below(rule->pattern, without_slash(directory));
    return tn_str_ends(rule->pattern, TN_STR("*")) && cli_glob_match(rule->pattern, directory);
}

/* Can the rule match a name below `directory`? Only what is plainly elsewhere cannot. */
static bool may_match_below(const struct rule *rule, struct tn_str directory)
{
    struct tn_str fixed = rule->pattern;
    if (rule->is_inverted || rule->kind == RULE_REGEX)
        return true;
    for (size_t i = 0; rule->kind == RULE_GLOB && i < fixed.len; i++) {
        if (strchr("*?\\", fixed.data[i]))
            fixed.len = i;
    }
    if (rule->kind == RULE_PATH)
        return is_at_or_below(fixed, without_slash(directory)) || tn_str_starts(fixed, directory);
    return tn_str_starts(fixed, directory) || tn_str_starts(directory, fixed);
}

bool cli_filter_takes_unread(const struct cli_options *opt, const char *name, bool is_directory)
{
    const struct cli_filter *f = opt->filter;
    TN_AUTO_BUF text = TN_BUF_INIT(SIZE_MAX);
    if (!f || tn_buf_appendf(&text, "%s/", name) < 0)
        return true;
    struct tn_str directory = tn_buf_str(&text);
    for (size_t i = 0; i < f->count; i++) {
        const struct rule *rule = &f->rules[i];
        bool matches_itself = !is_directory && matches(rule, name);
        if (rule->takes && (matches_itself || may_match_below(rule, directory)))
            return true;
        if (!rule->takes && (matches_itself || matches_all_below(rule, directory)))
            return false;
    }
    return f->has_exclude || f->count == 0;
}
