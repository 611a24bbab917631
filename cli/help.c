/* Help and the man page, both made of the table of commands. */
#include "cli/commands.h"
#include "cli/output.h"

#include "config.h"

#include <string.h>

static const char *blank_verb(const struct command *command)
{
    return command->verb ? " " : "";
}

static const char *verb_text(const struct command *command)
{
    return command->verb ? command->verb : "";
}

static void name_print(const struct command *command, FILE *file)
{
    (void)fprintf(file, "%s%s%s%s%s", command->noun, blank_verb(command), verb_text(command),
                  *command->arguments ? " " : "", command->arguments);
}

static void summary_print(const struct command *command, FILE *file)
{
    int width =
        (int)(strlen(command->noun) + strlen(blank_verb(command)) + strlen(verb_text(command)) +
              (*command->arguments ? 1 : 0) + strlen(command->arguments));

    (void)fputs("  ", file);
    name_print(command, file);
    (void)fprintf(file, "%*s%s\n", width < 34 ? 34 - width : 1, "", command->summary);
}

static void options_print(const struct option_spec *options, FILE *file)
{
    for (const struct option_spec *option = options; option->name; option++) {
        char text[96];

        (void)snprintf(text, sizeof text, "--%s%s%s", option->name, option->argument ? " " : "",
                       option->argument ? option->argument : "");
        (void)fprintf(file, "  %c%c%s %-28s %s\n", option->letter ? '-' : ' ',
                      option->letter ? option->letter : ' ', option->letter ? "," : " ", text,
                      option->help);
    }
}

void help_overview(FILE *file)
{
    (void)fprintf(file, "usage: tccpctl NOUN VERB [ARGUMENTS] [options]\n\n");
    for (size_t i = 0; i < command_count; i++) {
        summary_print(&commands[i], file);
    }
    (void)fprintf(file, "\noptions of every command:\n");
    options_print(common_options, file);
}

void help_noun(const char *noun, FILE *file)
{
    (void)fprintf(file, "usage: tccpctl %s VERB [ARGUMENTS] [options]\n\n", noun);
    for (size_t i = 0; i < command_count; i++) {
        if (strcmp(commands[i].noun, noun) == 0) {
            summary_print(&commands[i], file);
        }
    }
}

void help_command(const struct command *command, FILE *file)
{
    (void)fprintf(file, "usage: tccpctl ");
    name_print(command, file);
    (void)fprintf(file, " [options]\n\n%s.\n", command->summary);
    if (command->help) {
        (void)fprintf(file, "\n%s\n", command->help);
    }
    if (command->options) {
        (void)fprintf(file, "\noptions:\n");
        options_print(command->options, file);
    }
    (void)fprintf(file, "\noptions of every command:\n");
    options_print(common_options, file);
}

/* --- the man page --- */

/* Text for roff: no line begins with a control character, backslashes and dashes are literal. */
static void roff_print(const char *text, FILE *file)
{
    bool begins = true;

    for (; *text; text++) {
        if (begins && (*text == '.' || *text == '\'')) {
            (void)fputs("\\&", file);
        }
        if (*text == '\\') {
            (void)fputs("\\e", file);
        } else if (*text == '-') {
            (void)fputs("\\-", file);
        } else {
            (void)fputc(*text, file);
        }
        begins = *text == '\n';
    }
}

static void man_options(const struct option_spec *options, FILE *file)
{
    for (const struct option_spec *option = options; option->name; option++) {
        (void)fprintf(file, ".TP\n.B ");
        if (option->letter) {
            (void)fprintf(file, "\\-%c, ", option->letter);
        }
        (void)fprintf(file, "\\-\\-");
        roff_print(option->name, file);
        if (option->argument) {
            (void)fprintf(file, " \\fI%s\\fR", option->argument);
        }
        (void)fprintf(file, "\n");
        roff_print(option->help, file);
        (void)fprintf(file, "\n");
    }
}

static void man_command(const struct command *command, FILE *file)
{
    (void)fprintf(file, ".SS ");
    roff_print(command->noun, file);
    (void)fputs(blank_verb(command), file);
    roff_print(verb_text(command), file);
    (void)fprintf(file, " %s\n", command->arguments);
    roff_print(command->summary, file);
    (void)fprintf(file, ".\n");
    if (command->help) {
        (void)fprintf(file, ".PP\n");
        roff_print(command->help, file);
        (void)fprintf(file, "\n");
    }
    if (command->options) {
        man_options(command->options, file);
    }
}

void help_man(FILE *file)
{
    static const char *const exits[][2] = {
        {"0", "Done."},
        {"1", "Failed."},
        {"2", "Not ready: no leader, or not set up yet."},
        {"3", "Untrusted: a signature, proof or verdict did not hold."},
        {"4", "Not found."},
        {"5", "Denied."},
        {"6", "Timed out."},
        {"64", "The command line is wrong."},
    };
    static const char *const variables[][2] = {
        {"TCCP_ADDR", "Addresses of members, separated by commas; unix:/path for a local socket."},
        {"TCCP_PERIMETER", "The pinned perimeter id."},
        {"TCCP_IDENTITY", "The file with the user's private key."},
        {"TCCP_CONTEXT", "The name of a context: settings in ~/.config/tccp/NAME.conf."},
        {"TCCP_FORMAT", "The form of the output, as with -o."},
        {"NO_COLOR", "No colours."},
    };

    (void)fprintf(file, ".TH TCCPCTL 1 \"\" \"%s\" \"User Commands\"\n", PACKAGE_STRING);
    (void)fprintf(file, ".SH NAME\ntccpctl \\- administer and use a trusted cloud perimeter\n");
    (void)fprintf(file, ".SH SYNOPSIS\n.B tccpctl\n.I NOUN VERB\n[arguments] [options]\n");
    (void)fprintf(file, ".SH DESCRIPTION\nData goes to standard output, messages to standard "
                        "error. What fails says why, and what to do next; with\n.B \\-o json\n"
                        "also as JSON.\n");
    (void)fprintf(file, ".SH COMMANDS\n");
    for (size_t i = 0; i < command_count; i++) {
        man_command(&commands[i], file);
    }
    (void)fprintf(file, ".SH OPTIONS OF EVERY COMMAND\n");
    man_options(common_options, file);
    (void)fprintf(file, ".SH ENVIRONMENT\n");
    for (size_t i = 0; i < ARRAY_SIZE(variables); i++) {
        (void)fprintf(file, ".TP\n.B %s\n", variables[i][0]);
        roff_print(variables[i][1], file);
        (void)fprintf(file, "\n");
    }
    (void)fprintf(file, ".SH FILES\n.TP\n.I ~/.config/tccp/config\nSettings: addr (a list), "
                        "perimeter, identity, format.\n.TP\n.I ~/.local/state/tccp/\nThe newest "
                        "epoch and manifest version that were seen of each perimeter; nothing "
                        "older is accepted.\n");
    (void)fprintf(file, ".SH EXIT STATUS\n");
    for (size_t i = 0; i < ARRAY_SIZE(exits); i++) {
        (void)fprintf(file, ".TP\n.B %s\n%s\n", exits[i][0], exits[i][1]);
    }
}

enum exit_code help_run(struct cli *cli)
{
    const char *noun = argument_at(cli, 0), *verb = argument_at(cli, 1);
    const struct command *command = noun ? command_find(noun, verb) : NULL;

    if (option_is_set(cli, "man")) {
        help_man(stdout);
    } else if (command) {
        help_command(command, stdout);
    } else if (noun && !verb && noun_exists(noun)) {
        help_noun(noun, stdout);
    } else if (noun) {
        return report(cli, EXIT_NOT_FOUND, "see `tccpctl help`", "there is no command %s%s%s", noun,
                      verb ? " " : "", verb ? verb : "");
    } else {
        help_overview(stdout);
    }
    return output_end(cli);
}

enum exit_code version_run(struct cli *cli)
{
    static const struct column columns[] = {{"VERSION", "version", false}, {NULL, NULL, false}};
    OWN(value) struct value *object = value_object();

    value_set_string(object, "version", PACKAGE_VERSION);
    return output_object(cli, object, columns);
}
