#include "lib/attest/appraisal.h"

#include "lib/attest/ek_certificate.h"
#include "lib/attest/quote.h"
#include "lib/base/text.h"

#include <string.h>

uint32_t appraisal_mask(const struct pcr_policy *policy, const struct reference *reference)
{
    return pcr_policy_mask(policy) | reference_mask(reference);
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

/* From the quote on: what it says, and whether the policy allows that. */
static enum status quote_appraise(const struct evidence_view *evidence,
                                  const struct appraisal_inputs *inputs,
                                  const struct attestation_key *ak, struct appraisal *appraisal,
                                  struct refusal *refusal)
{
    const struct pcr_policy *policy = inputs->policy;
    uint32_t mask = appraisal_mask(policy, &inputs->reference);
    struct tpm_quote_info info;
    struct digest digest;

    if (mask == 0 || (policy->listed == 0 && !inputs->reference.events)) {
        return refuse(refusal, REFUSAL_POLICY_MISSING, "the policy lists no PCR");
    }
    TRY(quote_check_by(ak, evidence->quote, evidence->signature, inputs->qualifying, mask, &info,
                       refusal));
    if (inputs->previous) {
        TRY(boot_check(&info, inputs->previous, refusal));
        appraisal->boot.ima = inputs->previous->ima;
    }
    appraisal->boot.reset_count = info.reset_count;
    appraisal->boot.restart_count = info.restart_count;
    appraisal->boot.clock_ms = info.clock_ms;
    appraisal->boot.firmware = info.firmware;
    memcpy(appraisal->pcr_digest.bytes, info.pcr_digest.bytes, SHA256_SIZE);

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
    if (policy->needs_event_log || reference_needs_event_log(&inputs->reference)) {
        TRY(event_log_appraise(evidence->event_log, &appraisal->pcrs, &inputs->reference, refusal));
    }
    if (policy->needs_ima_log || inputs->reference.files) {
        TRY(ima_log_appraise(evidence->ima_log, &appraisal->pcrs, inputs->reference.files,
                             &appraisal->boot.ima, refusal));
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
