/* `policy learn`: what good boots showed, as a policy. */
#include "cli/commands.h"
#include "cli/policy_make.h"

static enum exit_code boot_learn(const struct cli *cli, const char *path, bool is_first,
                                 struct policy *policy)
{
    OWN(evidence_folder) struct evidence_folder folder = {0};
    struct refusal refusal = {.code = REFUSAL_NONE};
    struct appraisal appraisal;
    struct good_boot boot;
    size_t violation_count = 0;
    enum exit_code exit_code = good_evidence_load(cli, path, &folder, &appraisal);
    enum status status;

    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    boot = (struct good_boot){
        .ima_log = folder.pcr_mask >> PCR_IMA & 1 ? bytes_view(&folder.ima_log) : (struct view){0},
        .event_log = is_first ? bytes_view(&folder.event_log) : (struct view){0},
        .judged_pcrs = folder.pcr_mask & POLICY_BOOT_PCRS,
        .firmware = option_is_set(cli, "firmware") ? folder.firmware : 0,
        .quoted_ima_pcr = appraisal.pcrs.values[PCR_IMA],
    };
    status = policy_learn(policy, &boot, &violation_count, &refusal);
    if (status != STATUS_OK) {
        return report_about(cli, "learn from", path, status, &refusal);
    }
    if (violation_count > 0) {
        note(cli,
             "%s: %zu files were written while they were measured; a host that does so is refused "
             "unless the policy excepts them (except_violation)",
             path, violation_count);
    }
    return EXIT_DONE;
}

enum exit_code policy_learn_run(struct cli *cli)
{
    OWN(policy) struct policy *policy = NULL;
    enum exit_code exit_code;

    if (!option_value_at(cli, "from", 0)) {
        return report_usage(cli,
                            "--from EVIDENCE is missing: a folder with a good boot's evidence, "
                            "or the name of a node that shows it");
    }
    exit_code = policy_begin(cli, "learned", &policy);
    for (size_t i = 0; exit_code == EXIT_DONE && option_value_at(cli, "from", i); i++) {
        exit_code = boot_learn(cli, option_value_at(cli, "from", i), i == 0, policy);
    }
    return exit_code == EXIT_DONE ? policy_write(cli, policy) : exit_code;
}
