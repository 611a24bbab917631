#include "lib/attest/log_appraisal.h"

#include "lib/base/text.h"

#include <stdio.h>

enum { BOOT_AGGREGATE_PCRS = 0x3ff };

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

enum status event_log_appraise(struct view log, const struct pcr_bank *quoted, uint32_t judged,
                               struct refusal *refusal)
{
    struct pcr_bank replayed;
    uint32_t explained;

    TRY(event_log_replay(log, &replayed, refusal));
    explained = (replayed.mask | judged) & ~(1u << PCR_IMA) & quoted->mask;
    for (unsigned pcr = 0; pcr < PCR_COUNT; pcr++) {
        if ((explained >> pcr & 1) && !digest_equal(&replayed.values[pcr], &quoted->values[pcr])) {
            return not_explained(pcr, &replayed.values[pcr], &quoted->values[pcr], refusal);
        }
    }
    return STATUS_OK;
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

/* Without reference sets every file is acceptable, and no violation. */
static enum status entry_judge(const struct reference_list *references, uint64_t number,
                               const struct ima_entry *entry, struct refusal *refusal)
{
    static const struct ima_policy no_exceptions;

    if (references->count > 0) {
        return reference_list_check_file(references, number, entry, refusal);
    }
    return entry->violation ? ima_policy_check(&no_exceptions, number, entry, refusal) : STATUS_OK;
}

struct court {
    struct file_judge *judges;
    size_t count;
};

/* An objection counts only if the quote covers the entry, which is not known before the replay
 * ends: a made-up log must not be able to accuse a file. */
static enum status entry_visit(void *context, uint64_t number, const struct ima_entry *entry,
                               struct refusal *refusal)
{
    const struct court *court = context;

    (void)refusal;
    for (size_t i = 0; i < court->count; i++) {
        struct file_judge *judge = &court->judges[i];

        if (judge->status == STATUS_OK) {
            judge->status = entry_judge(&judge->references, number, entry, &judge->refusal);
        }
    }
    return STATUS_OK;
}

enum status ima_log_appraise(struct view log, const struct pcr_bank *quoted,
                             struct file_judge *judges, size_t judge_count, struct ima_state *state,
                             struct refusal *refusal)
{
    struct court court = {judges, judge_count};
    struct ima_state now = *state;

    TRY(ima_replay(&now, log, &quoted->values[PCR_IMA], entry_visit, &court, refusal));
    if (state->count == 0) {
        TRY(boot_aggregate_check(&now, quoted, refusal));
    }
    *state = now;
    return STATUS_OK;
}
