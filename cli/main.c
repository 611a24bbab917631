#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/settings.h"

#include "lib/base/secret.h"

#include <signal.h>
#include <string.h>

enum { SECRET_HEAP_SIZE = 64 * 1024 };

/* The words of the command line, and how far they are read. */
struct words {
    char **words;
    int count, at;
    const char *noun;    /* once it was read */
    bool only_arguments; /* after "--" */
};

static enum exit_code option_add(struct cli *cli, struct words *words,
                                 const struct option_spec *spec, const char *attached)
{
    const char *value = attached;

    if (!spec->argument && attached) {
        return report_usage(cli, "--%s takes no value", spec->name);
    }
    if (spec->argument && !attached) {
        if (words->at >= words->count) {
            return report_usage(cli, "--%s needs a value: %s", spec->name, spec->argument);
        }
        value = words->words[words->at++];
    }
    if (cli->option_count == OPTION_COUNT_MAX) {
        return report_usage(cli, "more than %d options", OPTION_COUNT_MAX);
    }
    cli->options[cli->option_count].spec = spec;
    cli->options[cli->option_count++].value = value;
    return EXIT_DONE;
}

/* "--name", "--name=value", "-n", "-nvalue", "-abc". */
static enum exit_code option_read(struct cli *cli, struct words *words, const char *word)
{
    const struct option_spec *spec;

    if (word[1] == '-') {
        const char *equals = strchr(word, '=');
        size_t length = equals ? (size_t)(equals - word) - 2 : strlen(word) - 2;

        spec = option_find(cli->command, word + 2, length);
        if (!spec) {
            return report_usage(cli, "unknown option --%.*s%s", (int)length, word + 2,
                                cli->command ? "" : " (options of a command follow its name)");
        }
        return option_add(cli, words, spec, equals ? equals + 1 : NULL);
    }
    for (const char *letter = word + 1; *letter; letter++) {
        spec = option_find_letter(cli->command, *letter);
        if (!spec) {
            return report_usage(cli, "unknown option -%c", *letter);
        }
        if (spec->argument) {
            return option_add(cli, words, spec, letter[1] ? letter + 1 : NULL);
        }
        if (option_add(cli, words, spec, NULL) != EXIT_DONE) {
            return EXIT_USAGE;
        }
    }
    return EXIT_DONE;
}

/* The noun, the verb, then arguments. */
static enum exit_code word_read(struct cli *cli, struct words *words, const char *word)
{
    if (cli->command) {
        if (cli->argument_count == cli->command->argument_max ||
            cli->argument_count == ARGUMENT_COUNT_MAX) {
            return report_usage(cli, "%s is one argument too many", word);
        }
        cli->arguments[cli->argument_count++] = word;
        return EXIT_DONE;
    }
    if (!words->noun) {
        if (!noun_exists(word)) {
            return report_usage(cli, "unknown command %s", word);
        }
        words->noun = word;
        cli->command = command_find(word, NULL);
        return EXIT_DONE;
    }
    cli->command = command_find(words->noun, word);
    return cli->command ? EXIT_DONE : report_usage(cli, "%s has no verb %s", words->noun, word);
}

static enum exit_code command_line_read(struct cli *cli, struct words *words)
{
    while (words->at < words->count) {
        const char *word = words->words[words->at++];
        enum exit_code exit_code;

        if (!words->only_arguments && strcmp(word, "--") == 0) {
            words->only_arguments = true;
            continue;
        }
        exit_code = !words->only_arguments && word[0] == '-' && word[1]
                        ? option_read(cli, words, word)
                        : word_read(cli, words, word);
        if (exit_code != EXIT_DONE) {
            return exit_code;
        }
    }
    return EXIT_DONE;
}

static enum exit_code run(struct cli *cli, struct words *words)
{
    enum exit_code exit_code = command_line_read(cli, words);

    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    if (option_is_set(cli, "help")) {
        if (cli->command) {
            help_command(cli->command, stdout);
        } else if (words->noun) {
            help_noun(words->noun, stdout);
        } else {
            help_overview(stdout);
        }
        return EXIT_DONE;
    }
    exit_code = settings_read(cli);
    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    if (!cli->command) {
        return words->noun ? report_usage(cli, "%s needs a verb", words->noun)
                           : report_usage(cli, "a command is missing");
    }
    if (cli->argument_count < cli->command->argument_min) {
        return report_usage(cli, "an argument is missing: %s", cli->command->arguments);
    }
    return cli->command->run(cli);
}

int main(int argc, char **argv)
{
    struct words words = {.words = argv, .count = argc, .at = 1};
    struct cli cli = {.command = NULL};
    enum exit_code exit_code;

    (void)signal(SIGPIPE, SIG_IGN);
    /* Where memory may not be locked, keys lie in ordinary memory and are wiped all the same. */
    (void)!secret_heap_start(SECRET_HEAP_SIZE);
    settings_early(&cli, argc, argv);
    exit_code = run(&cli, &words);
    settings_free(&cli);
    return (int)exit_code;
}
