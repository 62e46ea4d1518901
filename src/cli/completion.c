/* SPDX-License-Identifier: Apache-2.0 */
/* Scripts for shells. Names of buckets and keys come from `tarn completion names WORD`. */

#include "cli/completion.h"

#include "cli/options.h"

static int append_options(struct tn_buf *out, const struct cli_option *table, const char *format)
{
    int rc = TARN_OK;
    for (; table->name && rc == TARN_OK; table++) {
        if (table->help)
            rc = tn_buf_appendf(out, "%s--%s", format, table->name);
    }
    return rc;
}

static int append_words(struct tn_buf *out, const struct cli_command *command)
{
    int rc = append_options(out, cli_global_options, " ");
    for (size_t i = 0; i < CLI_OPTION_GROUPS && command && command->groups[i] && rc == TARN_OK; i++)
        rc = append_options(out, command->groups[i], " ");
    return rc;
}

static int append_commands(struct tn_buf *out)
{
    int rc = TARN_OK;
    for (size_t i = 0; i < CLI_COMMAND_COUNT && rc == TARN_OK; i++)
        rc = tn_buf_appendf(out, "%s%s", i ? " " : "", cli_commands[i].name);
    return rc;
}

/* ---- bash; zsh takes the same by way of bashcompinit ---- */

static int append_bash_cases(struct tn_buf *out)
{
    int rc = TARN_OK;
    for (size_t i = 0; i < CLI_COMMAND_COUNT && rc == TARN_OK; i++) {
        rc = tn_buf_appendf(out, "    %s) words=\"", cli_commands[i].name);
        if (rc == TARN_OK)
            rc = append_words(out, &cli_commands[i]);
        if (rc == TARN_OK)
            rc = tn_buf_append_text(out, "\" ;;\n");
    }
    return rc;
}

static int append_bash(struct tn_buf *out)
{
    int rc = tn_buf_append_text(
        out, "# bash completion for tarn: eval \"$(tarn completion bash)\"\n"
             "_tarn()\n"
             "{\n"
             "    local current=${COMP_LINE:0:COMP_POINT} word words='' line i\n"
             "    word=${current##*[[:space:]]}\n"
             "    COMPREPLY=()\n"
             "    case $word in\n"
             "    s3:*)\n"
             "        # readline breaks words at ':', so what is before it is not repeated\n"
             "        while IFS= read -r line; do\n"
             "            COMPREPLY+=(\"${line#s3:}\")\n"
             "        done < <(tarn completion names \"$word\" 2>/dev/null)\n"
             "        [[ ${COMPREPLY[0]-} == */ || ${#COMPREPLY[@]} != 1 ]] && "
             "compopt -o nospace 2>/dev/null\n"
             "        return ;;\n"
             "    esac\n"
             "    if ((COMP_CWORD <= 1)); then\n"
             "        COMPREPLY=($(compgen -W \"");
    if (rc == TARN_OK)
        rc = append_commands(out);
    if (rc == TARN_OK)
        rc = tn_buf_append_text(out, "\" -- \"$word\"))\n"
                                     "        return\n"
                                     "    fi\n"
                                     "    case ${COMP_WORDS[1]} in\n");
    if (rc == TARN_OK)
        rc = append_bash_cases(out);
    return rc == TARN_OK
               ? tn_buf_append_text(out, "    esac\n"
                                         "    case $word in\n"
                                         "    -*) COMPREPLY=($(compgen -W \"$words\" -- "
                                         "\"$word\")) ;;\n"
                                         "    *) COMPREPLY=($(compgen -f -- \"$word\")) ;;\n"
                                         "    esac\n"
                                         "}\n"
                                         "complete -o filenames -F _tarn tarn\n")
               : rc;
}

/* ---- zsh ---- */

static int append_zsh(struct tn_buf *out)
{
    int rc = tn_buf_append_text(
        out, "#compdef tarn\n"
             "# zsh completion for tarn: eval \"$(tarn completion zsh)\"\n"
             "_tarn()\n"
             "{\n"
             "    local word=${(Q)words[CURRENT]} command=${words[2]}\n"
             "    local -a names options\n"
             "    if [[ $word == s3:* ]]; then\n"
             "        names=(${(f)\"$(tarn completion names $word 2>/dev/null)\"})\n"
             "        compadd -S '' -- $names\n"
             "        return\n"
             "    fi\n"
             "    if ((CURRENT == 2)); then\n"
             "        compadd -- ");
    if (rc == TARN_OK)
        rc = append_commands(out);
    if (rc == TARN_OK)
        rc = tn_buf_append_text(out, "\n        return\n    fi\n    case $command in\n");
    for (size_t i = 0; i < CLI_COMMAND_COUNT && rc == TARN_OK; i++) {
        rc = tn_buf_appendf(out, "    %s) options=(", cli_commands[i].name);
        if (rc == TARN_OK)
            rc = append_words(out, &cli_commands[i]);
        if (rc == TARN_OK)
            rc = tn_buf_append_text(out, ") ;;\n");
    }
    return rc == TARN_OK ? tn_buf_append_text(out, "    esac\n"
                                                   "    if [[ $word == -* ]]; then\n"
                                                   "        compadd -- $options\n"
                                                   "    else\n"
                                                   "        _files\n"
                                                   "    fi\n"
                                                   "}\n"
                                                   "(( $+functions[compdef] )) && "
                                                   "compdef _tarn tarn\n")
                         : rc;
}

/* ---- fish ---- */

/* A description between single quotes. */
static int append_quoted(struct tn_buf *out, const char *text)
{
    int rc = tn_buf_append_char(out, '\'');
    for (; *text && rc == TARN_OK; text++) {
        if (*text == '\'' || *text == '\\')
            rc = tn_buf_append_char(out, '\\');
        if (rc == TARN_OK)
            rc = tn_buf_append_char(out, *text);
    }
    return rc == TARN_OK ? tn_buf_append_char(out, '\'') : rc;
}

static int append_fish_options(struct tn_buf *out, const char *command,
                               const struct cli_option *table)
{
    int rc = TARN_OK;
    for (; table->name && rc == TARN_OK; table++) {
        if (!table->help)
            continue;
        rc = command
                 ? tn_buf_appendf(out, "complete -c tarn -n '__fish_seen_subcommand_from %s' -l %s",
                                  command, table->name)
                 : tn_buf_appendf(out, "complete -c tarn -l %s", table->name);
        if (rc == TARN_OK && table->kind != CLI_FLAG)
            rc = tn_buf_append_text(out, " -r");
        if (rc == TARN_OK)
            rc = tn_buf_append_text(out, " -d ");
        if (rc == TARN_OK)
            rc = append_quoted(out, table->help);
        if (rc == TARN_OK)
            rc = tn_buf_append_char(out, '\n');
    }
    return rc;
}

static int append_fish(struct tn_buf *out)
{
    int rc = tn_buf_append_text(
        out, "# fish completion for tarn: tarn completion fish | source\n"
             "complete -c tarn -n 'string match -q \"s3:*\" -- (commandline -ct)' -f "
             "-a '(tarn completion names (commandline -ct) 2>/dev/null)'\n");
    for (size_t i = 0; i < CLI_COMMAND_COUNT && rc == TARN_OK; i++) {
        rc = tn_buf_appendf(out, "complete -c tarn -n __fish_use_subcommand -f -a %s -d ",
                            cli_commands[i].name);
        if (rc == TARN_OK)
            rc = append_quoted(out, cli_commands[i].summary);
        if (rc == TARN_OK)
            rc = tn_buf_append_char(out, '\n');
        for (size_t g = 0; g < CLI_OPTION_GROUPS && cli_commands[i].groups[g] && rc == TARN_OK; g++)
            rc = append_fish_options(out, cli_commands[i].name, cli_commands[i].groups[g]);
    }
    return rc == TARN_OK ? append_fish_options(out, NULL, cli_global_options) : rc;
}

int cli_completion_append(struct tn_buf *out, const char *shell)
{
    static const struct {
        const char *shell;
        int (*append)(struct tn_buf *out);
    } shells[] = { { "bash", append_bash }, { "zsh", append_zsh }, { "fish", append_fish } };
    for (size_t i = 0; i < TN_COUNT(shells); i++) {
        if (strcmp(shell, shells[i].shell) == 0)
            return shells[i].append(out);
    }
    return TARN_EINVAL;
}
