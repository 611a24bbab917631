/* `policy compile` and `policy lint`: texts of policies, offline. */
#include "cli/commands.h"
#include "cli/files.h"
#include "cli/output.h"
#include "cli/policy_file.h"

#include "lib/policy/policy_lint.h"

#include <limits.h>
#include <stdio.h>

static const struct column columns[] = {
    {"POLICY", "policy", false},
    {"DIGEST", "digest", false},
    {"SIZE", "size", false},
    {"PCRS", "pcrs", false},
    {"EVENTS", "events", false},
    {"SECURE BOOT", "secure_boot", false},
    {"FILES", "files", false},
    {"SIGNERS", "signers", false},
    {"FIRMWARE", "firmware", false},
    {"FILE", "file", false},
    {NULL, NULL, false},
};

static void describe(struct value *object, const struct reference_set *set)
{
    uint32_t mask = reference_set_mask(set);
    char pcrs[3 * PCR_COUNT + 1] = "";
    size_t used = 0;

    for (unsigned pcr = 0; pcr < PCR_COUNT; pcr++) {
        if (mask >> pcr & 1) {
            used += (size_t)snprintf(pcrs + used, sizeof pcrs - used, used ? ",%u" : "%u", pcr);
        }
    }
    value_set_string(object, "policy", set->name);
    value_set_hex(object, "digest", digest_view(&set->digest));
    value_set_string(object, "pcrs", pcrs);
    value_set_number(object, "events", set->events.step_count);
    value_set_bool(object, "secure_boot", set->has_secure_boot);
    value_set_number(object, "files", set->files.files.count);
    value_set_number(object, "signers", set->files.signer_count);
    value_set_number(object, "firmware", set->firmware_count);
}

/* --- policy compile, policy lint --- */

enum exit_code policy_compile_run(struct cli *cli)
{
    const char *path = argument_at(cli, 0), *out = option_value(cli, "out");
    OWN(reference_set) struct reference_set *set = NULL;
    OWN(bytes) struct bytes bytes = {0};
    OWN(value) struct value *object = value_object();
    char beside[PATH_MAX];
    enum exit_code exit_code = reference_file_open(cli, path, &set, &bytes);

    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    (void)snprintf(beside, sizeof beside, "%s.set", path);
    out = out ? out : beside;
    exit_code = file_store(cli, out, 0644, bytes_view(&bytes));
    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    describe(object, set);
    value_set_number(object, "size", bytes.size);
    value_set_string(object, "file", out);
    value_set(object, "open", reference_set_findings(cli, set));
    return output_object(cli, object, columns);
}

enum exit_code policy_lint_run(struct cli *cli)
{
    static const struct column lint_columns[] = {
        {"CODE", "code", false}, {"OPEN", "text", false}, {NULL, NULL, false}};
    OWN(reference_set) struct reference_set *set = NULL;
    OWN(value) struct value *findings = NULL;
    enum exit_code exit_code = reference_file_open(cli, argument_at(cli, 0), &set, NULL);

    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    cli->quiet = true; /* They are what is answered. */
    findings = reference_set_findings(cli, set);
    return output_list(cli, findings, lint_columns);
}
