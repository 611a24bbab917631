#include "cli/policy_make.h"

#include "cli/files.h"
#include "cli/node_evidence.h"
#include "cli/output.h"

enum exit_code policy_begin(const struct cli *cli, const char *default_name,
                            struct policy **ret_policy)
{
    const char *name = option_value(cli, "name");
    OWN(policy) struct policy *policy = policy_new();

    if (!policy) {
        return report_status(cli, "make a policy", STATUS_NO_MEMORY);
    }
    if (policy_set_name(policy, view_string(name ? name : default_name)) != STATUS_OK) {
        return report_usage(cli, "a policy's name has letters, digits, '-', '_' and '.'");
    }
    *ret_policy = TAKE(policy);
    return EXIT_DONE;
}

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

enum exit_code good_evidence_load(const struct cli *cli, const char *path,
                                  struct evidence_folder *ret_folder,
                                  struct appraisal *ret_appraisal)
{
    OWN(evidence_folder) struct evidence_folder folder = {0};
    struct refusal refusal = {.code = REFUSAL_NONE};
    struct appraisal appraisal;
    enum exit_code exit_code = evidence_named_load(cli, path, &folder);
    enum status status;

    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    status = evidence_check(&folder, &appraisal, &refusal);
    if (status != STATUS_OK) {
        return report_about(cli, "learn from", path, status, &refusal);
    }
    if (ret_appraisal) {
        *ret_appraisal = appraisal;
    }
    *ret_folder = TAKE(folder);
    return EXIT_DONE;
}

enum exit_code policy_write(const struct cli *cli, const struct policy *policy)
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
