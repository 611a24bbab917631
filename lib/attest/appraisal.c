#include "lib/attest/appraisal.h"

#include "lib/attest/ek_certificate.h"
#include "lib/attest/quote.h"
#include "lib/base/text.h"

#include <string.h>

struct evidence_demand appraisal_demand(const struct pcr_policy *policy,
                                        const struct references *references)
{
    static const struct references none;
    const struct reference_list *enforced = &(references ? references : &none)->enforced;
    const struct reference_list *staged = &(references ? references : &none)->staged;

    return (struct evidence_demand){
        .pcr_mask =
            pcr_policy_mask(policy) | reference_list_mask(enforced) | reference_list_mask(staged),
        .event_log = policy->needs_event_log || reference_list_judged_pcrs(enforced) ||
                     reference_list_judged_pcrs(staged),
        .ima_log = policy->needs_ima_log || reference_list_needs_ima_log(enforced) ||
                   reference_list_needs_ima_log(staged),
    };
}

/* A public area out of the evidence, and the name that it must have if one is expected. */
static enum status public_read(struct view view, const char *what, enum refusal_code code,
                               const struct tpm_name *expected, enum refusal_code name_code,
                               struct tpm_public *ret_public, struct refusal *refusal)
{
    if (tpm_public_parse(view, ret_public) != STATUS_OK) {
        return refuse(refusal, code, "the %s's public area is malformed or of an unknown kind",
                      what);
    }
    if (expected && !tpm_name_equal(&ret_public->name, expected)) {
        return refuse(refusal, name_code, "the %s is %s, expected %s", what,
                      hex_short(tpm_name_view(&ret_public->name)).text,
                      hex_short(tpm_name_view(expected)).text);
    }
    return STATUS_OK;
}

/* Check 2. */
static enum status ek_appraise(const struct evidence_view *evidence,
                               const struct appraisal_inputs *inputs, struct tpm_name *ret_name,
                               struct refusal *refusal)
{
    struct tpm_public ek;

    TRY(public_read(evidence->ek_public, "endorsement key", REFUSAL_EK_MISMATCH,
                    inputs->expected_ek, REFUSAL_EK_NOT_IN_MANIFEST, &ek, refusal));
    TRY(ek_certificate_check(evidence->ek_certificate, &ek, inputs->cas, inputs->ca_count,
                             inputs->now_s, refusal));
    *ret_name = ek.name;
    return STATUS_OK;
}

/* Check 8: a renewal continues the boot that was appraised. */
static enum status boot_check(const struct tpm_quote_info *info, const struct boot_state *previous,
                              struct refusal *refusal)
{
    if (info->reset_count != previous->reset_count ||
        info->restart_count != previous->restart_count) {
        return refuse(refusal, REFUSAL_RESET, "reset %u restart %u, at the registration %u and %u",
                      info->reset_count, info->restart_count, previous->reset_count,
                      previous->restart_count);
    }
    if (info->firmware != previous->firmware) {
        return refuse(refusal, REFUSAL_RESET,
                      "the TPM's firmware is %016llx, at the registration %016llx",
                      (unsigned long long)info->firmware, (unsigned long long)previous->firmware);
    }
    if (info->clock_ms <= previous->clock_ms) {
        return refuse(refusal, REFUSAL_CLOCK, "%llu ms, before it was %llu ms",
                      (unsigned long long)info->clock_ms, (unsigned long long)previous->clock_ms);
    }
    return STATUS_OK;
}

/* Check 10: the values are those that were quoted. */
static enum status values_check(const struct evidence_view *evidence, uint32_t mask,
                                struct appraisal *appraisal, struct refusal *refusal)
{
    struct digest digest;

    if (pcr_bank_of_view(evidence->pcr_values, mask, &appraisal->pcrs) != STATUS_OK) {
        return refuse(refusal, REFUSAL_QUOTE_DIGEST, "%zu bytes of PCR values for mask 0x%06x",
                      evidence->pcr_values.size, mask);
    }
    digest = pcr_bank_digest(&appraisal->pcrs, mask);
    if (!digest_equal(&digest, &appraisal->pcr_digest)) {
        return refuse(refusal, REFUSAL_QUOTE_DIGEST, "the PCR values hash to %s, the quote has %s",
                      hex_short(digest_view(&digest)).text,
                      hex_short(digest_view(&appraisal->pcr_digest)).text);
    }
    return STATUS_OK;
}

static void staged_set(const struct references *references, enum refusal_code code)
{
    for (size_t i = 0; i < references->staged.count; i++) {
        references->staged_refusals[i] = (struct refusal){.code = code};
    }
}

/* Notes what the staged sets say, and that is all. */
static void staged_note(struct refusal *note, enum status status, const struct refusal *refusal)
{
    if (status == STATUS_REFUSED && note->code == REFUSAL_NONE) {
        *note = *refusal;
    }
}

/* The same checks by a staged set. What it asks for, it asks for itself: a host whose log does not
 * hold is only reported. */
static enum status staged_check_boot(const struct reference_set *set,
                                     const struct evidence_view *evidence,
                                     const struct appraisal *appraisal, struct refusal *refusal)
{
    const struct reference_list one = {1, {set}};
    uint32_t judged = reference_set_judged_pcrs(set);

    if (judged) {
        TRY(event_log_appraise(evidence->event_log, &appraisal->pcrs, judged, refusal));
    }
    return reference_list_check_boot(&one, appraisal->boot.firmware, evidence->event_log,
                                     &appraisal->pcrs, NULL, refusal);
}

/* Checks 8 to 12, for a boot that was not appraised before. */
static enum status boot_appraise(const struct evidence_view *evidence,
                                 const struct appraisal_inputs *inputs, struct appraisal *appraisal,
                                 struct refusal *refusal)
{
    const struct references *references = &inputs->references;
    uint32_t judged = reference_list_judged_pcrs(&references->enforced);
    const struct reference_set *accepted_by = NULL;

    for (size_t i = 0; i < references->staged.count; i++) {
        struct refusal objection;

        staged_note(&references->staged_refusals[i],
                    staged_check_boot(references->staged.sets[i], evidence, appraisal, &objection),
                    &objection);
    }
    if (inputs->policy->needs_event_log || judged) {
        TRY(event_log_appraise(evidence->event_log, &appraisal->pcrs, judged, refusal));
    }
    TRY(reference_list_check_boot(&references->enforced, appraisal->boot.firmware,
                                  evidence->event_log, &appraisal->pcrs, &accepted_by, refusal));
    if (accepted_by) {
        appraisal->accepted_by = accepted_by->digest;
    }
    return STATUS_OK;
}

/* Checks 13 to 17. */
static enum status files_appraise(const struct evidence_view *evidence,
                                  const struct appraisal_inputs *inputs,
                                  struct appraisal *appraisal, struct refusal *refusal)
{
    const struct references *references = &inputs->references;
    struct file_judge judges[1 + REFERENCE_LIST_COUNT_MAX] = {0};
    /* A set that does not judge files accepts them all, and so does a list with one. */
    bool by_sets = reference_list_judges_files(&references->enforced);
    bool is_enforced = by_sets || inputs->policy->needs_ima_log;
    size_t count = 1;
    struct refusal objection;
    enum status status;

    if (by_sets) {
        judges[0].references = references->enforced;
    }
    for (size_t i = 0; i < references->staged.count; i++) {
        if (references->staged.sets[i]->has_files) {
            judges[count++].references = (struct reference_list){1, {references->staged.sets[i]}};
        }
    }
    status = ima_log_appraise(evidence->ima_log, &appraisal->pcrs, judges, count,
                              &appraisal->boot.ima, &objection);
    if (status != STATUS_OK && status != STATUS_REFUSED) {
        return status;
    }
    count = 1;
    for (size_t i = 0; i < references->staged.count; i++) {
        if (references->staged.sets[i]->has_files) {
            const struct file_judge *judge = &judges[count++];

            staged_note(&references->staged_refusals[i], status, &objection);
            staged_note(&references->staged_refusals[i], judge->status, &judge->refusal);
        }
    }
    if (!is_enforced) {
        return STATUS_OK;
    }
    if (status == STATUS_OK) {
        status = judges[0].status;
        objection = judges[0].refusal;
    }
    if (status != STATUS_OK && refusal) {
        *refusal = objection;
    }
    return status;
}

/* Whether the evidence goes on from an appraisal that still stands. */
static bool continues(const struct appraisal_inputs *inputs, const struct boot_state *boot)
{
    const struct boot_state *previous = inputs->previous;

    return digest_equal(&previous->boot_pcrs, &boot->boot_pcrs) &&
           digest_equal(&previous->references, &boot->references);
}

/* The boot was refused, and there are sets that are only asked for their opinion. */
static bool is_staged_alone(const struct appraisal_inputs *inputs, enum status status)
{
    return status == STATUS_REFUSED && inputs->references.staged.count > 0;
}

/* From the quote on: what it says, and whether the policy allows that. */
static enum status quote_appraise(const struct evidence_view *evidence,
                                  const struct appraisal_inputs *inputs,
                                  const struct attestation_key *ak, struct appraisal *appraisal,
                                  struct refusal *refusal)
{
    const struct pcr_policy *policy = inputs->policy;
    struct evidence_demand demand = appraisal_demand(policy, &inputs->references);
    uint32_t mask = demand.pcr_mask | inputs->more_pcrs;
    bool is_whole = !inputs->previous || inputs->is_whole;
    struct boot_state *boot = &appraisal->boot;
    struct tpm_quote_info info;
    enum status status = STATUS_OK;

    if (demand.pcr_mask == 0 || (policy->listed == 0 && inputs->references.enforced.count == 0)) {
        return refuse(refusal, REFUSAL_POLICY_MISSING, "the policy lists no PCR");
    }
    TRY(quote_check_by(ak, evidence->quote, evidence->signature, inputs->qualifying, mask, &info,
                       refusal));
    if (inputs->previous) {
        TRY(boot_check(&info, inputs->previous, refusal));
    }
    boot->reset_count = info.reset_count;
    boot->restart_count = info.restart_count;
    boot->clock_ms = info.clock_ms;
    boot->firmware = info.firmware;
    memcpy(appraisal->pcr_digest.bytes, info.pcr_digest.bytes, SHA256_SIZE);
    TRY(values_check(evidence, mask, appraisal, refusal));
    boot->boot_pcrs = pcr_bank_digest(&appraisal->pcrs, demand.pcr_mask & ~(1u << PCR_IMA));
    boot->references = reference_list_digest(&inputs->references.enforced);
    if (!is_whole && !continues(inputs, boot)) {
        return STATUS_CONFLICT;
    }
    staged_set(&inputs->references, REFUSAL_NONE);
    if (is_whole) {
        status = boot_appraise(evidence, inputs, appraisal, refusal);
    } else {
        boot->ima = inputs->previous->ima;
    }
    /* Staged sets see all of it, whatever became of the others. */
    if (demand.ima_log && (status == STATUS_OK || is_staged_alone(inputs, status))) {
        struct refusal objection;
        enum status files =
            files_appraise(evidence, inputs, appraisal, status == STATUS_OK ? refusal : &objection);

        status = status == STATUS_OK ? files : status;
    }
    TRY(status);
    /* Where nobody enforces anything of files, what is known of them is kept: it never goes back.
     */
    if (inputs->previous && boot->ima.count < inputs->previous->ima.count) {
        boot->ima = inputs->previous->ima;
    }
    return policy->listed ? pcr_policy_check(policy, &appraisal->pcrs, refusal) : STATUS_OK;
}

/* Check 3. */
static enum status ak_appraise(const struct evidence_view *evidence,
                               const struct appraisal_inputs *inputs,
                               struct attestation_key **ret_key, struct refusal *refusal)
{
    struct tpm_public ak;

    TRY(public_read(evidence->ak_public, "attestation key", REFUSAL_AK_ATTRIBUTES,
                    inputs->expected_ak, REFUSAL_AK_NAME, &ak, refusal));
    return attestation_key_new(&ak, ret_key, refusal);
}

enum status appraisal_run(const struct evidence_view *evidence,
                          const struct appraisal_inputs *inputs, struct appraisal *ret_appraisal,
                          struct refusal *refusal)
{
    OWN(attestation_key) struct attestation_key *imported = NULL;
    const struct attestation_key *ak = NULL;
    struct appraisal appraisal = {0};

    staged_set(&inputs->references, REFUSAL_NOT_READY);
    switch (inputs->ak_trust) {
    case AK_TRUST_BY_EK:
        TRY(ek_appraise(evidence, inputs, &appraisal.ek_name, refusal));
        break;
    case AK_TRUST_BY_NAME:
        ASSERT(inputs->expected_ak);
        ak = inputs->ak;
        break;
    }
    if (!ak) {
        TRY(ak_appraise(evidence, inputs, &imported, refusal));
        ak = imported;
    }
    appraisal.ak_name = attestation_key_public(ak)->name;
    ASSERT(!inputs->expected_ak || tpm_name_equal(&appraisal.ak_name, inputs->expected_ak));
    TRY(quote_appraise(evidence, inputs, ak, &appraisal, refusal));
    *ret_appraisal = appraisal;
    return STATUS_OK;
}
