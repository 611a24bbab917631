/* What a good boot shows, as a policy. */
#include "lib/policy/policy.h"

#include <string.h>

/* Of those that were asked for, the PCRs that the log extends. */
static enum status events_learn(struct policy *policy, const struct good_boot *boot,
                                struct refusal *refusal)
{
    struct pcr_bank replayed;
    struct refusal objection;

    TRY(event_log_replay(boot->event_log, &replayed, refusal));
    TRY(event_sequence_learn(boot->event_log, boot->judged_pcrs & replayed.mask, &policy->events,
                             refusal));
    TRY(event_sequence_check_roles(&policy->events, refusal));
    /* A boot without Secure Boot teaches nothing about it. */
    policy->wants_secure_boot =
        secure_boot_learn(boot->event_log, &policy->secure_boot, &objection) == STATUS_OK;
    return STATUS_OK;
}

struct file_pupil {
    struct policy *policy;
    size_t violation_count;
};

static enum status entry_learn(void *context, uint64_t number, const struct ima_entry *entry,
                               struct refusal *refusal)
{
    struct file_pupil *pupil = context;
    struct digest digest;

    (void)refusal;
    if (number == 1) {
        return STATUS_OK; /* boot_aggregate */
    }
    if (entry->violation) {
        pupil->violation_count++;
        return STATUS_OK;
    }
    /* A set holds SHA-256 alone; a file that was hashed otherwise has to be signed. */
    return digest_of_view(entry->file_digest, &digest) == STATUS_OK
               ? policy_add_file(pupil->policy, entry->path, &digest)
               : STATUS_OK;
}

enum status policy_learn(struct policy *policy, const struct good_boot *boot,
                         size_t *ret_violation_count, struct refusal *refusal)
{
    struct file_pupil pupil = {.policy = policy};
    struct ima_state ima = {0};

    if (boot->event_log.size > 0) {
        TRY(events_learn(policy, boot, refusal));
    }
    if (boot->ima_log.size > 0) {
        policy->judges_files = true;
        TRY(ima_replay(&ima, boot->ima_log, &boot->quoted_ima_pcr, entry_learn, &pupil, refusal));
    }
    if (boot->firmware != 0) {
        TRY(policy_add_firmware(policy, boot->firmware));
    }
    *ret_violation_count = pupil.violation_count;
    return STATUS_OK;
}
