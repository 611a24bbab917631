/* `policy try`: evidence that was kept, appraised offline. */
#include "cli/commands.h"
#include "cli/evidence_folder.h"
#include "cli/files.h"
#include "cli/output.h"
#include "cli/policy_file.h"

#include "lib/attest/objections.h"
#include "lib/policy/policy_remedy.h"

#include <stdio.h>
#include <string.h>

enum { CA_COUNT_MAX = 16, CA_SIZE_MAX = 8192 };

static const struct column columns[] = {
    {"REASON", "reason", false},
    {"SUBJECT", "subject", false},
    {"EXPECTED", "expected", false},
    {"SEEN", "seen", false},
    {"WOULD ACCEPT", "would_accept", false},
    {"DETAIL", "detail", true},
    {NULL, NULL, false},
};

static void add_reason(void *context, const struct refusal *refusal)
{
    struct value *list = context, *object = value_object();
    char remedy[REMEDY_SIZE];

    value_set_string(object, "reason", refusal_name(refusal->code));
    value_set_string(object, "subject", refusal->finding.subject);
    value_set_string(object, "expected", refusal->finding.expected);
    value_set_string(object, "seen", refusal->finding.seen);
    value_set_string(object, "detail", refusal->detail);
    value_set_string(object, "would_accept",
                     policy_remedy(refusal->code, &refusal->finding, remedy) ? remedy : NULL);
    value_add(list, object);
}

/* The quote and its logs hold, and what they show is what was refused: then there may be more. */
static bool is_about_the_boot(enum refusal_code code)
{
    return code == REFUSAL_EVENT_UNEXPECTED || code == REFUSAL_EVENT_MISSING ||
           code == REFUSAL_SECURE_BOOT || code == REFUSAL_FILE_NOT_ALLOWED ||
           code == REFUSAL_IMA_VIOLATION || code == REFUSAL_PCR_NOT_ALLOWED ||
           code == REFUSAL_FIRMWARE;
}

static void add_all_reasons(struct value *reasons, const struct reference_set *set,
                            const struct evidence_folder *folder, const struct refusal *first)
{
    struct pcr_bank pcrs;
    struct quoted_boot boot = {
        .firmware = folder->firmware,
        .pcrs = &pcrs,
        .event_log = bytes_view(&folder->event_log),
        .ima_log = bytes_view(&folder->ima_log),
    };

    if (!is_about_the_boot(first->code) ||
        pcr_bank_of_view(bytes_view(&folder->pcr_values), folder->pcr_mask, &pcrs) != STATUS_OK ||
        reference_set_objections(set, &boot, add_reason, reasons) == 0) {
        add_reason(reasons, first);
    }
}

static enum exit_code cas_load(const struct cli *cli, struct bytes *cas, size_t *ret_count)
{
    enum exit_code exit_code = EXIT_DONE;
    size_t count = 0;

    for (; exit_code == EXIT_DONE && option_value_at(cli, "ca", count); count++) {
        if (count == CA_COUNT_MAX) {
            return report_usage(cli, "more than %d of --ca", CA_COUNT_MAX);
        }
        exit_code = file_load(cli, option_value_at(cli, "ca", count), CA_SIZE_MAX, &cas[count]);
    }
    *ret_count = count;
    return exit_code;
}

static enum exit_code answer(const struct cli *cli, const struct reference_set *set,
                             struct value *reasons)
{
    OWN(value) struct value *object = value_object();
    bool accepted = value_count(reasons) == 0;
    enum exit_code exit_code;

    if (cli->format == FORMAT_JSON || cli->format == FORMAT_YAML) {
        value_set_string(object, "verdict", accepted ? "accepted" : "refused");
        value_set_string(object, "policy", set->name);
        value_set_hex(object, "digest", digest_view(&set->digest));
        value_set(object, "reasons", reasons);
        exit_code = output_object(cli, object, columns);
    } else {
        note(cli, accepted ? "accepted by policy %s" : "refused by policy %s", set->name);
        exit_code = accepted ? EXIT_DONE : output_list(cli, reasons, columns);
        value_free(reasons);
    }
    return exit_code != EXIT_DONE ? exit_code : accepted ? EXIT_DONE : EXIT_UNTRUSTED;
}

enum exit_code policy_try_run(struct cli *cli)
{
    OWN(reference_set) struct reference_set *set = NULL;
    OWN(evidence_folder) struct evidence_folder folder = {0};
    struct refusal refusal = {.code = REFUSAL_NONE};
    struct bytes cas[CA_COUNT_MAX] = {{0}};
    struct view ca_views[CA_COUNT_MAX];
    size_t ca_count = 0;
    struct value *reasons;
    enum exit_code exit_code = reference_file_open(cli, argument_at(cli, 0), &set, NULL);
    enum status status;

    if (exit_code == EXIT_DONE) {
        exit_code = evidence_folder_load(cli, argument_at(cli, 1), &folder);
    }
    if (exit_code == EXIT_DONE) {
        exit_code = cas_load(cli, cas, &ca_count);
    }
    for (size_t i = 0; i < ca_count; i++) {
        ca_views[i] = bytes_view(&cas[i]);
    }
    status = exit_code == EXIT_DONE
                 ? evidence_folder_appraise(&folder, set, ca_views, ca_count, &refusal)
                 : STATUS_OK;
    for (size_t i = 0; i < CA_COUNT_MAX; i++) {
        bytes_free(&cas[i]);
    }
    if (exit_code != EXIT_DONE) {
        /* Whatever could not be read, and why: there is no verdict. */
        return exit_code == EXIT_USAGE ? exit_code : EXIT_FAILED;
    }
    if (status != STATUS_OK && status != STATUS_REFUSED) {
        return report_status(cli, "appraise the evidence", status);
    }
    if (ca_count == 0) {
        note(cli, "without --ca nothing is said of whose TPM it is");
    }
    reasons = value_list();
    if (status == STATUS_REFUSED) {
        add_all_reasons(reasons, set, &folder, &refusal);
    }
    return answer(cli, set, reasons);
}
