/* Failures and questions: what failed, why, what to do next. */
#include "cli/cli.h"
#include "cli/value.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Refusals that are not just EXIT_FAILED. */
static const struct {
    enum refusal_code code;
    enum exit_code exit_code;
} exit_codes[] = {
    {REFUSAL_WRONG_PERIMETER, EXIT_UNTRUSTED},
    {REFUSAL_BAD_SIGNATURE, EXIT_UNTRUSTED},
    {REFUSAL_TOO_FEW_SIGNATURES, EXIT_UNTRUSTED},
    {REFUSAL_DUPLICATE_SIGNER, EXIT_UNTRUSTED},
    {REFUSAL_UNKNOWN_SIGNER, EXIT_UNTRUSTED},
    {REFUSAL_OLD_VERSION, EXIT_UNTRUSTED},
    {REFUSAL_OLD_EPOCH, EXIT_UNTRUSTED},
    {REFUSAL_OLD_SUCCESSION, EXIT_UNTRUSTED},
    {REFUSAL_EPOCH_MISMATCH, EXIT_UNTRUSTED},
    {REFUSAL_MANIFEST_EXPIRED, EXIT_UNTRUSTED},
    {REFUSAL_NOT_YET_VALID, EXIT_UNTRUSTED},
    {REFUSAL_ENDORSEMENT_EXPIRED, EXIT_UNTRUSTED},
    {REFUSAL_ENDORSEMENT_MISSING, EXIT_UNTRUSTED},
    {REFUSAL_EPOCH_ENDORSED, EXIT_UNTRUSTED},
    {REFUSAL_VERSION_SIGNED, EXIT_UNTRUSTED},
    {REFUSAL_CERTIFICATE_CHAIN, EXIT_UNTRUSTED},
    {REFUSAL_CERTIFICATE_ROLE, EXIT_UNTRUSTED},
    {REFUSAL_CERTIFICATE_EXPIRED, EXIT_UNTRUSTED},
    {REFUSAL_EK_NOT_IN_MANIFEST, EXIT_UNTRUSTED},
    {REFUSAL_EK_CERTIFICATE, EXIT_UNTRUSTED},
    {REFUSAL_EK_CHAIN, EXIT_UNTRUSTED},
    {REFUSAL_EK_MISMATCH, EXIT_UNTRUSTED},
    {REFUSAL_AK_ATTRIBUTES, EXIT_UNTRUSTED},
    {REFUSAL_AK_NAME, EXIT_UNTRUSTED},
    {REFUSAL_CREDENTIAL, EXIT_UNTRUSTED},
    {REFUSAL_KEY_POSSESSION, EXIT_UNTRUSTED},
    {REFUSAL_KEY_REUSED, EXIT_UNTRUSTED},
    {REFUSAL_QUOTE_NOT_A_QUOTE, EXIT_UNTRUSTED},
    {REFUSAL_QUOTE_SIGNATURE, EXIT_UNTRUSTED},
    {REFUSAL_QUOTE_SCHEME, EXIT_UNTRUSTED},
    {REFUSAL_QUOTE_BINDING, EXIT_UNTRUSTED},
    {REFUSAL_QUOTE_BANK, EXIT_UNTRUSTED},
    {REFUSAL_QUOTE_SELECTION, EXIT_UNTRUSTED},
    {REFUSAL_QUOTE_DIGEST, EXIT_UNTRUSTED},
    {REFUSAL_EVENT_LOG, EXIT_UNTRUSTED},
    {REFUSAL_RESET, EXIT_UNTRUSTED},
    {REFUSAL_CLOCK, EXIT_UNTRUSTED},
    {REFUSAL_FIRMWARE, EXIT_UNTRUSTED},
    {REFUSAL_IMA_LOG, EXIT_UNTRUSTED},
    {REFUSAL_EVENT_UNEXPECTED, EXIT_UNTRUSTED},
    {REFUSAL_EVENT_MISSING, EXIT_UNTRUSTED},
    {REFUSAL_SECURE_BOOT, EXIT_UNTRUSTED},
    {REFUSAL_FILE_NOT_ALLOWED, EXIT_UNTRUSTED},
    {REFUSAL_IMA_VIOLATION, EXIT_UNTRUSTED},
    {REFUSAL_PCR_NOT_ALLOWED, EXIT_UNTRUSTED},
    {REFUSAL_TICKET, EXIT_UNTRUSTED},
    {REFUSAL_IMAGE_DIGEST, EXIT_UNTRUSTED},
    {REFUSAL_REFERENCE_DIGEST, EXIT_UNTRUSTED},
    {REFUSAL_PROOF, EXIT_UNTRUSTED},
    {REFUSAL_NOT_FOUND, EXIT_NOT_FOUND},
    {REFUSAL_NOT_AUTHORIZED, EXIT_DENIED},
    {REFUSAL_NOT_READY, EXIT_NOT_READY},
    {REFUSAL_NODE_ABSENT, EXIT_NOT_READY},
};

enum exit_code exit_code_of(enum refusal_code code)
{
    for (size_t i = 0; i < ARRAY_SIZE(exit_codes); i++) {
        if (exit_codes[i].code == code) {
            return exit_codes[i].exit_code;
        }
    }
    return EXIT_FAILED;
}

/* One failure, in the form that was asked for. */
static void failure_print(const struct cli *cli, const char *code, const char *message,
                          const char *hint)
{
    if (cli->format == FORMAT_JSON) {
        OWN(value) struct value *document = value_object();
        struct value *error = value_object();

        value_set_string(error, "code", code);
        value_set_string(error, "message", message);
        value_set_string(error, "hint", hint);
        value_set(document, "error", error);
        value_print_json(document, stderr);
    } else {
        (void)fprintf(stderr, "tccpctl: %s\n", message);
        if (hint && *hint) {
            (void)fprintf(stderr, "hint: %s\n", hint);
        }
    }
}

static const char *exit_code_name(enum exit_code exit_code)
{
    switch (exit_code) {
    case EXIT_DONE:
        return "done";
    case EXIT_FAILED:
        return "failed";
    case EXIT_NOT_READY:
        return "not-ready";
    case EXIT_UNTRUSTED:
        return "untrusted";
    case EXIT_NOT_FOUND:
        return "not-found";
    case EXIT_DENIED:
        return "denied";
    case EXIT_TIMED_OUT:
        return "timed-out";
    case EXIT_USAGE:
        return "usage";
    }
    return "failed";
}

enum { MESSAGE_SIZE = 1024 };

enum exit_code report(const struct cli *cli, enum exit_code exit_code, const char *hint,
                      const char *format, ...)
{
    char message[MESSAGE_SIZE];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    failure_print(cli, exit_code_name(exit_code), message, hint);
    return exit_code;
}

enum exit_code report_refusal(const struct cli *cli, const char *what,
                              const struct refusal *refusal)
{
    char message[MESSAGE_SIZE];

    (void)snprintf(message, sizeof message, "cannot %s: %s%s%s%s", what,
                   refusal_sentence(refusal->code), *refusal->detail ? " (" : "", refusal->detail,
                   *refusal->detail ? ")" : "");
    failure_print(cli, refusal_name(refusal->code), message, refusal_hint(refusal->code));
    return exit_code_of(refusal->code);
}

enum exit_code report_status(const struct cli *cli, const char *what, enum status status)
{
    enum exit_code exit_code = EXIT_FAILED;

    if (status == STATUS_NOT_FOUND) {
        exit_code = EXIT_NOT_FOUND;
    } else if (status == STATUS_DENIED) {
        exit_code = EXIT_DENIED;
    } else if (status == STATUS_TIMEOUT) {
        exit_code = EXIT_TIMED_OUT;
    } else if (status == STATUS_UNTRUSTED) {
        exit_code = EXIT_UNTRUSTED;
    }
    return report(cli, exit_code, "", "cannot %s: %s", what, status_text(status));
}

enum exit_code report_either(const struct cli *cli, const char *what, enum status status,
                             const struct refusal *refusal)
{
    return status == STATUS_REFUSED ? report_refusal(cli, what, refusal)
                                    : report_status(cli, what, status);
}

enum exit_code report_about(const struct cli *cli, const char *verb, const char *path,
                            enum status status, const struct refusal *refusal)
{
    char what[MESSAGE_SIZE];

    (void)snprintf(what, sizeof what, "%s %s", verb, path);
    return report_either(cli, what, status, refusal);
}

enum exit_code report_usage(const struct cli *cli, const char *format, ...)
{
    char message[MESSAGE_SIZE], hint[128] = "see `tccpctl help`";
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    if (cli->command) {
        (void)snprintf(hint, sizeof hint, "see `tccpctl help %s%s%s`", cli->command->noun,
                       cli->command->verb ? " " : "", cli->command->verb ? cli->command->verb : "");
    }
    failure_print(cli, exit_code_name(EXIT_USAGE), message, hint);
    return EXIT_USAGE;
}

void note(const struct cli *cli, const char *format, ...)
{
    va_list arguments;

    if (cli->quiet) {
        return;
    }
    va_start(arguments, format);
    (void)vfprintf(stderr, format, arguments);
    va_end(arguments);
    (void)fputc('\n', stderr);
}

enum exit_code confirm(const struct cli *cli, const char *question)
{
    char answer[16] = "";

    if (cli->assume_yes) {
        return EXIT_DONE;
    }
    if (!isatty(STDIN_FILENO)) {
        return report_usage(cli, "%s? Nobody can be asked here: say --yes", question);
    }
    (void)fprintf(stderr, "%s? [y/N] ", question);
    if (!fgets(answer, sizeof answer, stdin) ||
        (strcmp(answer, "y\n") != 0 && strcmp(answer, "yes\n") != 0)) {
        return report(cli, EXIT_FAILED, "", "nothing was done");
    }
    return EXIT_DONE;
}

uint64_t now_s(void)
{
    return (uint64_t)time(NULL);
}
