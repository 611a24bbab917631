#include "lib/attest/pcr_policy_message.h"

static enum status values_add(struct pcr_policy *policy, const Tccp__PcrValues *message)
{
    if (message->pcr >= PCR_COUNT || policy->listed >> message->pcr & 1) {
        return STATUS_MALFORMED;
    }
    TRY(pcr_policy_list(policy, message->pcr));
    for (size_t i = 0; i < message->n_values; i++) {
        struct digest value;

        TRY(digest_of_view((struct view){message->values[i].data, message->values[i].len}, &value));
        TRY(pcr_policy_allow(policy, message->pcr, &value));
    }
    return STATUS_OK;
}

enum status pcr_policy_of_message(const Tccp__PcrPolicy *message, struct pcr_policy *ret_policy)
{
    OWN(pcr_policy)
    struct pcr_policy policy = {
        .needs_event_log = message->needs_event_log,
        .needs_ima_log = message->needs_ima_log,
        .host_profile = message->host_profile,
    };

    for (size_t i = 0; i < message->n_pcrs; i++) {
        TRY(values_add(&policy, message->pcrs[i]));
    }
    *ret_policy = TAKE(policy);
    return STATUS_OK;
}
