/* `policy`, offline: texts of policies made, compiled and looked at. */
#include "cli/commands.h"
#include "cli/evidence_folder.h"
#include "cli/files.h"
#include "cli/output.h"
#include "cli/policy_file.h"

#include "lib/base/text.h"
#include "lib/policy/policy_lint.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* --- policy learn --- */

/* What a quote covers, but IMA's PCR and those that a running system resets. */
enum { PCRS_OF_THE_BOOT = 0xfbff };

/* The quote holds under its own key, over these values, to which the event log leads: whoever made
 * the folder vouches for the rest. */
static enum status evidence_check(const struct evidence_folder *folder, struct appraisal *appraisal,
                                  struct refusal *refusal)
{
    OWN(pcr_policy)
    struct pcr_policy policy = {.needs_event_log = folder->event_log.size > 0};
    struct evidence_view evidence = evidence_folder_view(folder);
    struct tpm_public ak;
    struct pcr_bank bank;

    if (tpm_public_parse(evidence.ak_public, &ak) != STATUS_OK) {
        return refuse(refusal, REFUSAL_AK_ATTRIBUTES, "quote/ak.tpmt is no TPMT_PUBLIC");
    }
    if (pcr_bank_of_view(evidence.pcr_values, folder->pcr_mask, &bank) != STATUS_OK) {
        return refuse(refusal, REFUSAL_QUOTE_DIGEST,
                      "quote/pcrs_quoted.bin does not fit the quote");
    }
    for (uint32_t pcr = 0; pcr < PCR_COUNT; pcr++) {
        if (folder->pcr_mask >> pcr & 1) {
            TRY(pcr_policy_allow(&policy, pcr, &bank.values[pcr]));
        }
    }
    return appraisal_run(&evidence,
                         &(struct appraisal_inputs){.policy = &policy,
                                                    .qualifying = bytes_view(&folder->qualifying),
                                                    .ak_trust = AK_TRUST_BY_NAME,
                                                    .expected_ak = &ak.name,
                                                    .now_s = now_s()},
                         appraisal, refusal);
}

static enum exit_code boot_learn(const struct cli *cli, const char *path, bool is_first,
                                 struct policy *policy)
{
    OWN(evidence_folder) struct evidence_folder folder = {0};
    struct refusal refusal = {.code = REFUSAL_NONE};
    struct appraisal appraisal;
    struct good_boot boot;
    size_t violation_count = 0;
    enum exit_code exit_code = evidence_folder_load(cli, path, &folder);
    enum status status;

    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    status = evidence_check(&folder, &appraisal, &refusal);
    if (status != STATUS_OK) {
        return report_either(cli, path, status, &refusal);
    }
    boot = (struct good_boot){
        .ima_log = folder.pcr_mask >> PCR_IMA & 1 ? bytes_view(&folder.ima_log) : (struct view){0},
        .event_log = is_first ? bytes_view(&folder.event_log) : (struct view){0},
        .judged_pcrs = folder.pcr_mask & PCRS_OF_THE_BOOT,
        .firmware = option_is_set(cli, "firmware") ? folder.firmware : 0,
        .quoted_ima_pcr = appraisal.pcrs.values[PCR_IMA],
    };
    status = policy_learn(policy, &boot, &violation_count, &refusal);
    if (status != STATUS_OK) {
        return report_either(cli, path, status, &refusal);
    }
    if (violation_count > 0) {
        note(cli,
             "%s: %zu files were written while they were measured; a host that does so is refused "
             "unless the policy excepts them (except_violation)",
             path, violation_count);
    }
    return EXIT_DONE;
}

static enum exit_code policy_write(const struct cli *cli, const struct policy *policy)
{
    const char *out = option_value(cli, "out");
    OWN(bytes) struct bytes text = {0};
    enum status status = policy_text_print(policy, &text);

    if (status != STATUS_OK) {
        return report_status(cli, "print the policy", status);
    }
    return out ? file_store(cli, out, 0644, bytes_view(&text))
               : output_text(cli, "policy", bytes_view(&text));
}

enum exit_code policy_learn_run(struct cli *cli)
{
    const char *name = option_value(cli, "name");
    OWN(policy) struct policy *policy = policy_new();

    if (!policy) {
        return report_status(cli, "learn a policy", STATUS_NO_MEMORY);
    }
    if (!option_value_at(cli, "from", 0)) {
        return report_usage(cli,
                            "--from EVIDENCE is missing: a folder with a good boot's evidence");
    }
    if (policy_set_name(policy, view_string(name ? name : "learned")) != STATUS_OK) {
        return report_usage(cli, "a policy's name has letters, digits, '-', '_' and '.'");
    }
    for (size_t i = 0; option_value_at(cli, "from", i); i++) {
        enum exit_code exit_code = boot_learn(cli, option_value_at(cli, "from", i), i == 0, policy);

        if (exit_code != EXIT_DONE) {
            return exit_code;
        }
    }
    return policy_write(cli, policy);
}
