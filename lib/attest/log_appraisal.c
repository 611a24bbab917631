#include "lib/attest/log_appraisal.h"

#include "lib/base/text.h"

#include <stdio.h>

enum { PCR_SECURE_BOOT = 7, BOOT_AGGREGATE_PCRS = 0x3ff };

uint32_t reference_mask(const struct reference *reference)
{
    return (reference->events ? reference->events->covered : 0) |
           (reference->secure_boot ? 1u << PCR_SECURE_BOOT : 0) |
           (reference->files ? 1u << PCR_IMA : 0);
}

bool reference_needs_event_log(const struct reference *reference)
{
    return reference->events || reference->secure_boot;
}

static enum status not_explained(unsigned pcr, const struct digest *replayed,
                                 const struct digest *quoted, struct refusal *refusal)
{
    struct hex_digest by_log = hex_digest(replayed), by_quote = hex_digest(quoted);
    char subject[16];

    (void)snprintf(subject, sizeof subject, "PCR %u", pcr);
    return refuse_about(
        refusal, REFUSAL_QUOTE_DIGEST, (struct finding_texts){subject, by_quote.text, by_log.text},
        "the event log gives %s as %s, the quote has %s", subject, by_log.text, by_quote.text);
}

enum status event_log_appraise(struct view log, const struct pcr_bank *quoted,
                               const struct reference *reference, struct refusal *refusal)
{
    struct pcr_bank replayed;
    uint32_t explained;

    TRY(event_log_replay(log, &replayed, refusal));
    explained = (replayed.mask | reference_mask(reference)) & ~(1u << PCR_IMA) & quoted->mask;
    for (unsigned pcr = 0; pcr < PCR_COUNT; pcr++) {
        if ((explained >> pcr & 1) && !digest_equal(&replayed.values[pcr], &quoted->values[pcr])) {
            return not_explained(pcr, &replayed.values[pcr], &quoted->values[pcr], refusal);
        }
    }
    /* Before the sequence: "Secure Boot is off" says more than "another digest". */
    if (reference->secure_boot) {
        TRY(secure_boot_check(reference->secure_boot, log, refusal));
    }
    return reference->events ? event_sequence_check(reference->events, log, refusal) : STATUS_OK;
}

/* Check 13. A renewal continues a log whose beginning was checked. */
static enum status boot_aggregate_check(const struct ima_state *state,
                                        const struct pcr_bank *quoted, struct refusal *refusal)
{
    struct digest expected;

    if ((quoted->mask & BOOT_AGGREGATE_PCRS) != BOOT_AGGREGATE_PCRS) {
        return STATUS_OK;
    }
    expected = ima_boot_aggregate(quoted);
    return digest_equal(&state->boot_aggregate, &expected)
               ? STATUS_OK
               : refuse(refusal, REFUSAL_IMA_LOG,
                        "boot_aggregate is %s, PCRs 0 to 9 give %s: the log is of another boot",
                        hex_short(digest_view(&state->boot_aggregate)).text,
                        hex_short(digest_view(&expected)).text);
}

/* The first objection to an entry. It counts only if the quote covers the entry, which is not known
 * before the replay ends: a made-up log must not be able to accuse a file. */
struct objection {
    const struct ima_policy *files;
    enum status status;
    struct refusal refusal;
};

static enum status entry_visit(void *context, uint64_t number, const struct ima_entry *entry,
                               struct refusal *refusal)
{
    struct objection *objection = context;

    (void)refusal;
    if (objection->status == STATUS_OK) {
        objection->status = ima_policy_check(objection->files, number, entry, &objection->refusal);
    }
    return STATUS_OK;
}

enum status ima_log_appraise(struct view log, const struct pcr_bank *quoted,
                             const struct ima_policy *files, struct ima_state *state,
                             struct refusal *refusal)
{
    struct objection objection = {.files = files};
    struct ima_state now = *state;

    TRY(ima_replay(&now, log, &quoted->values[PCR_IMA], files ? entry_visit : NULL, &objection,
                   refusal));
    if (state->count == 0) {
        TRY(boot_aggregate_check(&now, quoted, refusal));
    }
    if (objection.status != STATUS_OK) {
        if (refusal) {
            *refusal = objection.refusal;
        }
        return objection.status;
    }
    if (!files && now.violation_count > 0) {
        return refuse(refusal, REFUSAL_IMA_VIOLATION, "%llu of them",
                      (unsigned long long)now.violation_count);
    }
    *state = now;
    return STATUS_OK;
}
