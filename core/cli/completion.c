/* completion.c: what shells and man know of the commands, out of the same tables as --help. */
#include "base/mem.h"
#include "base/str.h"
#include "cli/command.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

static void print_words(const struct command *c)
{
    for (const struct flag *f = c->flags; f->name; f++)
        if (f->help)
            printf(" --%s", f->name);
    printf(" --help");
}

static void print_bash(void)
{
    puts("_moonsail() {\n"
         "  local word=${COMP_WORDS[COMP_CWORD]} words\n"
         "  if ((COMP_CWORD == 1)); then");
    printf("    words='");
    for (const struct command *const *c = command_all(); *c; c++)
        if (!(*c)->hidden)
            printf("%s ", (*c)->name);
    puts("'\n  else\n    case ${COMP_WORDS[1]} in");
    for (const struct command *const *c = command_all(); *c; c++) {
        printf("    %s) words='", (*c)->name);
        print_words(*c);
        puts("' ;;");
    }
    puts("    esac\n"
         "    [[ $word == -* ]] || { compopt -o default; return; }\n"
         "  fi\n"
         "  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
         "}\n"
         "complete -F _moonsail moonsail");
}

static void print_zsh(void)
{
    puts("#compdef moonsail\n"
         "_moonsail() {\n"
         "  if ((CURRENT == 2)); then\n"
         "    local -a commands=(");
    for (const struct command *const *c = command_all(); *c; c++)
        if (!(*c)->hidden)
            printf("      '%s:%.*s'\n", (*c)->name, 60, (*c)->help);
    puts("    )\n"
         "    _describe command commands\n"
         "    return\n"
         "  fi\n"
         "  case $words[2] in");
    for (const struct command *const *c = command_all(); *c; c++) {
        printf("  %s) compadd --", (*c)->name);
        print_words(*c);
        puts(" ;;");
    }
    puts("  esac\n"
         "  _files\n"
         "}\n"
         "compdef _moonsail moonsail");
}

static void print_fish(void)
{
    puts("complete -c moonsail -f -n __fish_use_subcommand");
    for (const struct command *const *c = command_all(); *c; c++) {
        if ((*c)->hidden)
            continue;
        printf("complete -c moonsail -n __fish_use_subcommand -a %s -d \"%s\"\n", (*c)->name, (*c)->help);
        for (const struct flag *f = (*c)->flags; f->name; f++)
            if (f->help)
                printf("complete -c moonsail -n '__fish_seen_subcommand_from %s' -l %s%s -d \"%s\"\n",
                       (*c)->name, f->name, f->kind == FLAG_SWITCH ? "" : " -r", f->help);
    }
}

static int completion_run(const struct flags *flags)
{
    size_t count;
    const char *const *words = flags_words(flags, &count);
    const char *shell = count ? words[0] : "";
    if (str_eq(shell, "bash"))
        print_bash();
    else if (str_eq(shell, "zsh"))
        print_zsh();
    else if (str_eq(shell, "fish"))
        print_fish();
    else
        return command_fail(EXIT_USAGE, "completion needs a shell: bash, zsh or fish");
    return EXIT_OK;
}

/* Text for roff: what it would read as its own is escaped. */
static void print_roff(const char *text)
{
    if (*text == '.' || *text == '\'')
        fputs("\\&", stdout);
    for (; *text; text++) {
        if (*text == '\\' || *text == '-')
            putchar('\\');
        putchar(*text);
    }
}

static void man_flag(const struct flag *f)
{
    if (!f->help)
        return;
    char *env = flag_environment(f);
    puts(".TP");
    if (f->letter)
        printf("\\fB\\-%c\\fR, ", f->letter);
    printf("\\fB\\-\\-");
    print_roff(f->name);
    printf("\\fR");
    if (f->value)
        printf(" \\fI%s\\fR", f->value);
    putchar('\n');
    print_roff(f->help);
    if (f->otherwise)
        printf(" (default %s)", f->otherwise);
    printf(" [%s]\n", env);
    free(env);
}

static int man_run(const struct flags *flags)
{
    (void)flags;
    printf(".TH MOONSAIL 1 \"\" \"moonsail %s\"\n.SH NAME\nmoonsail \\- applies Kubernetes manifests and "
           "shows what "
           "happens\n.SH SYNOPSIS\n\\fBmoonsail\\fR \\fICOMMAND\\fR [flags]\n.SH COMMANDS\n",
           MOONSAIL_VERSION);
    for (const struct command *const *c = command_all(); *c; c++) {
        if ((*c)->hidden)
            continue;
        printf(".SS moonsail %s ", (*c)->name);
        print_roff((*c)->arguments);
        putchar('\n');
        print_roff((*c)->help);
        putchar('\n');
        for (const struct flag *f = (*c)->flags; f->name; f++)
            man_flag(f);
    }
    puts(".SH EXIT STATUS\n"
         "0 succeeded, 1 failed, 2 bad flag, file or configuration, or a port that is taken, 3 refused, 4 no "
         "host\n"
         "or no cluster, 130 cancelled. \\fBrun\\fR exits with the command's own code, 128 + N after signal "
         "N, 125\n"
         "where it was not started, 126 where it cannot be executed, 127 where it was not found.\n"
         ".SH FILES\n"
         "\\fI~/.config/moonsail/config.yaml\\fR, \\fI/etc/moonsail/config.yaml\\fR: settings; "
         "\\fI~/.local/state/moonsail\\fR: the host's own folder.");
    return EXIT_OK;
}

static const struct flag no_flags[] = {{0}};

const struct command command_completion = {
    .name = "completion",
    .arguments = "bash|zsh|fish",
    .help = "Prints the completion script of a shell.",
    .flags = no_flags,
    .words = 1,
    .run = completion_run,
};

const struct command command_man = {
    .name = "man",
    .arguments = "",
    .help = "Prints the man page.",
    .flags = no_flags,
    .hidden = true,
    .run = man_run,
};
