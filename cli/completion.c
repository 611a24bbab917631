/* Scripts that complete commands in a shell, made of the table of commands. */
#include "cli/commands.h"
#include "cli/output.h"

#include <string.h>

static bool is_first_of_noun(size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (strcmp(commands[i].noun, commands[index].noun) == 0) {
            return false;
        }
    }
    return true;
}

static void nouns_print(FILE *file)
{
    for (size_t i = 0; i < command_count; i++) {
        if (is_first_of_noun(i)) {
            (void)fprintf(file, "%s%s", i ? " " : "", commands[i].noun);
        }
    }
}

static void verbs_print(const char *noun, FILE *file)
{
    const char *blank = "";

    for (size_t i = 0; i < command_count; i++) {
        if (strcmp(commands[i].noun, noun) == 0 && commands[i].verb) {
            (void)fprintf(file, "%s%s", blank, commands[i].verb);
            blank = " ";
        }
    }
}

static void options_print(const struct option_spec *options, FILE *file)
{
    for (const struct option_spec *option = options; option && option->name; option++) {
        (void)fprintf(file, " --%s", option->name);
    }
}

/* zsh runs it too, through bashcompinit. */
static void bash_print(FILE *file)
{
    (void)fprintf(file, "_tccpctl()\n{\n    local word=${COMP_WORDS[COMP_CWORD]} words=\n"
                        "    local noun=${COMP_WORDS[1]-} verb=${COMP_WORDS[2]-}\n"
                        "    case $word in\n    -*)\n        words=\"");
    options_print(common_options, file);
    (void)fprintf(file, "\"\n        case \"$noun $verb\" in\n");
    for (size_t i = 0; i < command_count; i++) {
        if (commands[i].options) {
            (void)fprintf(file, "        \"%s %s\"*) words+=\"", commands[i].noun,
                          commands[i].verb ? commands[i].verb : "");
            options_print(commands[i].options, file);
            (void)fprintf(file, "\" ;;\n");
        }
    }
    (void)fprintf(file,
                  "        esac\n        ;;\n    *)\n        if [ \"$COMP_CWORD\" = 1 ]; then\n"
                  "            words=\"");
    nouns_print(file);
    (void)fprintf(file, "\"\n        elif [ \"$COMP_CWORD\" = 2 ]; then\n"
                        "            case $noun in\n");
    for (size_t i = 0; i < command_count; i++) {
        if (is_first_of_noun(i)) {
            (void)fprintf(file, "            %s) words=\"", commands[i].noun);
            verbs_print(commands[i].noun, file);
            (void)fprintf(file, "\" ;;\n");
        }
    }
    (void)fprintf(file, "            esac\n        fi\n        ;;\n    esac\n"
                        "    COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n}\n"
                        "complete -o default -F _tccpctl tccpctl\n");
}

static void fish_string(const char *text, FILE *file)
{
    (void)fputc('\'', file);
    for (; *text; text++) {
        (void)fprintf(file, *text == '\'' || *text == '\\' ? "\\%c" : "%c", *text);
    }
    (void)fputc('\'', file);
}

static void fish_options(const struct option_spec *options, const struct command *command,
                         FILE *file)
{
    for (const struct option_spec *option = options; option && option->name; option++) {
        (void)fprintf(file, "complete -c tccpctl");
        if (command && command->verb) {
            (void)fprintf(file,
                          " -n '__fish_seen_subcommand_from %s; and __fish_seen_subcommand_from "
                          "%s'",
                          command->noun, command->verb);
        } else if (command) {
            (void)fprintf(file, " -n '__fish_seen_subcommand_from %s'", command->noun);
        }
        (void)fprintf(file, " -l %s%s -d ", option->name, option->argument ? " -r" : "");
        fish_string(option->help, file);
        (void)fputc('\n', file);
    }
}

static void fish_print(FILE *file)
{
    for (size_t i = 0; i < command_count; i++) {
        const struct command *command = &commands[i];

        if (is_first_of_noun(i)) {
            (void)fprintf(file, "complete -c tccpctl -n __fish_use_subcommand -a %s",
                          command->noun);
            if (!command->verb) {
                (void)fprintf(file, " -d ");
                fish_string(command->summary, file);
            }
            (void)fputc('\n', file);
        }
        if (command->verb) {
            (void)fprintf(file, "complete -c tccpctl -n '__fish_seen_subcommand_from %s' -a %s -d ",
                          command->noun, command->verb);
            fish_string(command->summary, file);
            (void)fputc('\n', file);
        }
        fish_options(command->options, command, file);
    }
    fish_options(common_options, NULL, file);
}

bool completion_print(const char *shell, FILE *file)
{
    if (strcmp(shell, "bash") == 0) {
        bash_print(file);
    } else if (strcmp(shell, "zsh") == 0) {
        (void)fprintf(file, "#compdef tccpctl\nautoload -U +X bashcompinit && bashcompinit\n");
        bash_print(file);
    } else if (strcmp(shell, "fish") == 0) {
        fish_print(file);
    } else {
        return false;
    }
    return true;
}

enum exit_code completion_run(struct cli *cli)
{
    if (!completion_print(argument_at(cli, 0), stdout)) {
        return report_usage(cli, "no completion for %s: bash, zsh or fish", argument_at(cli, 0));
    }
    return output_end(cli);
}
