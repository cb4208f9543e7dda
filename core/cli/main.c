#include "base/err.h"
#include "base/str.h"
#include "cli/command.h"
#include "cli/folder.h"
#include "cli/text.h"
#include "io/config.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const struct command *const commands[] = {
    &command_serve,   &command_apply,      &command_run,   &command_flow, &command_list, &command_logs,
    &command_attach,  &command_cancel,     &command_check, &command_test, &command_new,  &command_doctor,
    &command_version, &command_completion, &command_man,   &command_demo, NULL,
};

const struct command *const *command_all(void)
{
    return commands;
}

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
        if (!(*c)->hidden) {
            fprintf(to, "  %-13s", (*c)->name);
            text_wrap(to, (*c)->help, 15, 15);
        }
    fputs("\nmoonsail COMMAND --help tells more.\n", to);
}

static int print_help(const struct command *c)
{
    printf("Usage: moonsail %s%s%s\n\n", c->name, *c->arguments ? " " : "", c->arguments);
    text_wrap(stdout, c->help, 0, 0);
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

/* Does any flag of the command stand in the configuration file? */
static bool wants_config(const struct command *c)
{
    for (const struct flag *f = c->flags; f->name; f++)
        if (f->key)
            return true;
    return false;
}

/* Environment, configuration file and defaults. *config is the caller's to free. */
static int complete_flags(const struct command *c, struct flags *flags, struct config **config,
                          struct err *err)
{
    if (!wants_config(c))
        return flags_complete(flags, NULL, err);
    const char *named = flag_known(flags, "config") ? flag_value(flags, "config") : NULL;
    char *file = folder_config_file(str_or(named, str_or(getenv("MOONSAIL_CONFIG"), NULL)));
    *config = file ? config_load(file, err) : NULL;
    int rc = file && !*config ? -1 : 0;
    free(file);
    if (rc == 0 && *config)
        rc = flags_check_config(command_serve.flags, *config, err);
    return rc ? rc : flags_complete(flags, *config, err);
}

static int run_command(const struct command *c, char **argv)
{
    struct err err;
    struct config *config = NULL;
    int usage = c->bad_flag ? c->bad_flag : EXIT_USAGE, code;
    struct flags *flags = flags_parse(c->flags, argv, c->words, c->words_end_flags, &err);
    if (!flags)
        return command_fail(usage, "%s (moonsail %s --help lists the flags)", err.text, c->name);
    if (flags_help(flags))
        code = print_help(c);
    else if (complete_flags(c, flags, &config, &err))
        code = command_fail(usage, "%s", err.text);
    else
        code = c->run(flags);
    flags_free(flags);
    config_free(config);
    return code;
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a limit on files is an error like a full disk */
    if (argc < 2) {
        print_commands(stderr);
        return EXIT_USAGE;
    }
    if (str_eq(argv[1], "--help") || str_eq(argv[1], "-h") || str_eq(argv[1], "help")) {
        print_commands(stdout);
        return EXIT_OK;
    }
    const char *word = str_eq(argv[1], "--version") ? "version" : argv[1];
    for (const struct command *const *c = commands; *c; c++)
        if (str_eq((*c)->name, word))
            return run_command(*c, argv + 2);
    return unknown_command(argv[1]);
}
