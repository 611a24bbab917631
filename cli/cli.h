/*
 * One run of tccpctl: what was asked for, with which options and settings, and how it answers. Data
 * goes to standard output, messages and progress to standard error (docs/man/tccpctl.1).
 */
#ifndef TCCP_CLI_CLI_H
#define TCCP_CLI_CLI_H

#include "lib/base/refusal.h"
#include "lib/base/sha256.h"

#include <stdbool.h>
#include <stddef.h>

/* What tccpctl ends with. Never EXIT_DONE when anything that was asked for failed. */
enum exit_code {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,
    EXIT_NOT_READY = 2, /* no leader, not set up yet */
    EXIT_UNTRUSTED = 3, /* a signature, proof or verdict did not hold */
    EXIT_NOT_FOUND = 4,
    EXIT_DENIED = 5,
    EXIT_TIMED_OUT = 6,
    EXIT_USAGE = 64,
};

enum output_format { FORMAT_TABLE, FORMAT_WIDE, FORMAT_JSON, FORMAT_YAML, FORMAT_NAME };

enum { ARGUMENT_COUNT_MAX = 32, OPTION_COUNT_MAX = 64, ADDRESS_COUNT_MAX = 16 };

struct cli;
struct command;

/* An option of a command; ends a list with a NULL name. */
struct option_spec {
    const char *name;     /* long form, without "--" */
    char letter;          /* short form, or 0 */
    const char *argument; /* what it takes, for help; NULL: it is a switch */
    const char *help;
};

struct command {
    const char *noun, *verb; /* verb NULL: the noun alone */
    const char *arguments;   /* for help, "" where it takes none */
    size_t argument_min, argument_max;
    const char *summary; /* one line */
    const char *help;    /* more, or NULL */
    const struct option_spec *options;
    enum exit_code (*run)(struct cli *cli);
};

struct cli {
    const struct command *command;
    size_t argument_count;
    const char *arguments[ARGUMENT_COUNT_MAX];
    struct {
        const struct option_spec *spec;
        const char *value; /* NULL for a switch */
    } options[OPTION_COUNT_MAX];
    size_t option_count;

    /* Settings: option, then environment, then the context's file, then the default. */
    enum output_format format;
    bool quiet, verbose, colorless, assume_yes;
    unsigned timeout_s;
    struct config_file *context; /* NULL where there is none */
};

/* An argument; NULL where fewer were given. */
const char *argument_at(const struct cli *cli, size_t index);
/* The last value given, or NULL; the n-th value given, or NULL. */
const char *option_value(const struct cli *cli, const char *name);
const char *option_value_at(const struct cli *cli, const char *name, size_t index);
bool option_is_set(const struct cli *cli, const char *name);

/*
 * Each of these reports a failure once (standard error; as JSON with -o json), and says what to end
 * with: `return report_refusal(cli, "sign the manifest", &refusal);`
 */
PRINTF_LIKE(4, 5)
enum exit_code report(const struct cli *cli, enum exit_code exit_code, const char *hint,
                      const char *format, ...);
/* what: what was tried, as "verify FILE". */
enum exit_code report_refusal(const struct cli *cli, const char *what,
                              const struct refusal *refusal);
enum exit_code report_status(const struct cli *cli, const char *what, enum status status);
/* STATUS_REFUSED by the refusal, anything else by itself. */
enum exit_code report_either(const struct cli *cli, const char *what, enum status status,
                             const struct refusal *refusal);
/* The same about a file or folder: "cannot VERB PATH". */
enum exit_code report_about(const struct cli *cli, const char *verb, const char *path,
                            enum status status, const struct refusal *refusal);
PRINTF_LIKE(2, 3) enum exit_code report_usage(const struct cli *cli, const char *format, ...);
/* What a refusal with this code ends with. */
enum exit_code exit_code_of(enum refusal_code code);

/* A message for people on standard error, unless -q. */
PRINTF_LIKE(2, 3) void note(const struct cli *cli, const char *format, ...);

/* "yes" when asked on the terminal, or --yes; without a terminal and --yes it is an error of usage.
 * EXIT_DONE: go on. */
enum exit_code confirm(const struct cli *cli, const char *question);

/* Wall clock, seconds since 1970. */
uint64_t now_s(void);

#endif
