#include "base/err.h"
#include "base/str.h"
#include "cli/command.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>

static const struct command *const commands[] = {
    &command_serve, &command_apply, &command_check, &command_doctor, &command_version, NULL,
};

int command_fail(int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("moonsail: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return code;
}

static void print_commands(FILE *to)
{
    fputs("Moonsail applies Kubernetes manifests and shows what happens, line by line.\n\n"
          "Usage: moonsail COMMAND [flags]\n\nCommands:\n",
          to);
    for (const struct command *const *c = commands; *c; c++)
        fprintf(to, "  %-10s %s\n", (*c)->name, (*c)->help);
    fputs("\nmoonsail COMMAND --help tells more.\n", to);
}

static int print_help(const struct command *c)
{
    printf("Usage: moonsail %s%s%s\n\n%s\n", c->name, *c->arguments ? " " : "", c->arguments, c->help);
    flags_print(c->flags);
    return EXIT_OK;
}

static int unknown_command(const char *word)
{
    const char *names[sizeof(commands) / sizeof(commands[0])] = {0};
    for (size_t i = 0; commands[i]; i++)
        names[i] = commands[i]->name;
    const char *nearest = str_nearest(word, names);
    if (nearest)
        return command_fail(EXIT_USAGE, "unknown command \"%s\"; did you mean \"%s\"?", word, nearest);
    return command_fail(EXIT_USAGE, "unknown command \"%s\"; moonsail --help lists them", word);
}

int main(int argc, char **argv)
{
    struct err err;
    signal(SIGPIPE, SIG_IGN);
    if (argc < 2) {
        print_commands(stderr);
        return EXIT_USAGE;
    }
    if (str_eq(argv[1], "--help") || str_eq(argv[1], "-h") || str_eq(argv[1], "help")) {
        print_commands(stdout);
        return EXIT_OK;
    }
    const char *word = str_eq(argv[1], "--version") ? "version" : argv[1];
    for (const struct command *const *c = commands; *c; c++) {
        if (!str_eq((*c)->name, word))
            continue;
        struct flags *flags = flags_parse((*c)->flags, argc - 2, argv + 2, (*c)->words, &err);
        if (!flags)
            return command_fail(EXIT_USAGE, "%s (moonsail %s --help lists the flags)", err.text, word);
        int code = flags_help(flags) ? print_help(*c) : (*c)->run(flags);
        flags_free(flags);
        return code;
    }
    return unknown_command(argv[1]);
}
