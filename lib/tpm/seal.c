#include "lib/base/log.h"
#include "lib/tpm/device.h"
#include "lib/tpm/sealed_blob.h"
#include "lib/tpm/templates.h"

#include <string.h>

static enum status srk_make(struct tpm *tpm, struct tpm_slot *ret_srk)
{
    TPM2B_PUBLIC template = template_srk();

    return tpm_primary(tpm, ESYS_TR_RH_OWNER, &template, ret_srk);
}

/* PolicyPCR over the present values: without a digest of ours the TPM takes its own. */
static enum status policy_pcr(struct tpm *tpm, ESYS_TR session, uint32_t pcr_mask)
{
    const TPML_PCR_SELECTION selection = tpm_selection(pcr_mask);
    const TPM2B_DIGEST present = {0};

    return TPM_CALL(tpm, "PolicyPCR",
                    Esys_PolicyPCR(tpm->esys, session, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                   &present, &selection));
}

static enum status policy_of_now(struct tpm *tpm, ESYS_TR srk, uint32_t pcr_mask,
                                 TPM2B_DIGEST *ret_policy)
{
    OWN(tpm_slot) struct tpm_slot session = {0};
    OWN_ESYS TPM2B_DIGEST *policy = NULL;

    TRY(tpm_session(tpm, TPM2_SE_TRIAL, srk, 0, &session));
    TRY(policy_pcr(tpm, session.handle, pcr_mask));
    TRY(TPM_CALL(tpm, "PolicyGetDigest",
                 Esys_PolicyGetDigest(tpm->esys, session.handle, ESYS_TR_NONE, ESYS_TR_NONE,
                                      ESYS_TR_NONE, &policy)));
    *ret_policy = *policy;
    return STATUS_OK;
}

/*
 * ESYS keeps what it was told to seal until it is told to seal something else, and no call of it
 * forgets: tell it to seal nothing, under a parent that does not exist. Nothing of this reaches the
 * TPM.
 */
static void kept_input_overwrite(struct tpm *tpm)
{
    const TPM2B_SENSITIVE_CREATE nothing = {0};
    const TPM2B_DATA outside_info = {0};
    const TPML_PCR_SELECTION creation_pcrs = {0};
    const TPM2B_PUBLIC template = template_srk();

    (void)Esys_Create_Async(tpm->esys, ESYS_TR_NONE - 1, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                            ESYS_TR_NONE, &nothing, &template, &outside_info, &creation_pcrs);
}

enum status tpm_seal(struct tpm *tpm, const struct secret *secret, uint32_t pcr_mask,
                     struct bytes *ret_blob)
{
    const TPM2B_DATA outside_info = {0};
    const TPML_PCR_SELECTION creation_pcrs = {0};
    OWN(tpm_slot) struct tpm_slot srk = {0};
    OWN(tpm_slot) struct tpm_slot session = {0};
    TPM2B_SENSITIVE_CREATE sensitive = {0};
    OWN_ESYS TPM2B_PRIVATE *private = NULL;
    OWN_ESYS TPM2B_PUBLIC *public = NULL;
    struct sealed_blob blob = {.pcr_mask = pcr_mask};
    TPM2B_PUBLIC template;
    TPM2B_DIGEST policy;
    enum status status;

    if (secret->size > TPM_SEALED_SECRET_SIZE_MAX) {
        return STATUS_TOO_LARGE;
    }
    TRY(srk_make(tpm, &srk));
    TRY(policy_of_now(tpm, srk.handle, pcr_mask, &policy));
    TRY(tpm_session(tpm, TPM2_SE_HMAC, srk.handle, TPMA_SESSION_DECRYPT | TPMA_SESSION_ENCRYPT,
                    &session));
    template = template_sealed(&policy);
    sensitive.sensitive.data.size = (UINT16)secret->size;
    memcpy(sensitive.sensitive.data.buffer, secret->data, secret->size);
    status = TPM_CALL(tpm, "Create",
                      Esys_Create(tpm->esys, srk.handle, session.handle, ESYS_TR_NONE, ESYS_TR_NONE,
                                  &sensitive, &template, &outside_info, &creation_pcrs, &private,
                                  &public, NULL, NULL, NULL));
    secret_wipe(&sensitive, sizeof sensitive);
    kept_input_overwrite(tpm);
    tpm_overwrite_buffer(tpm);
    TRY(status);
    blob.public = *public;
    blob.private = *private;
    return sealed_blob_write(&blob, ret_blob);
}

static enum status sealed_load(struct tpm *tpm, const struct sealed_blob *blob,
                               struct tpm_slot *ret_session, struct tpm_slot *ret_sealed)
{
    OWN(tpm_slot) struct tpm_slot srk = {0};
    OWN(tpm_slot) struct tpm_slot session = {0};
    ESYS_TR handle;
    TSS2_RC rc;

    TRY(srk_make(tpm, &srk));
    TRY(tpm_session(tpm, TPM2_SE_POLICY, srk.handle, TPMA_SESSION_ENCRYPT, &session));
    rc = TPM_RUN(Esys_Load(tpm->esys, srk.handle, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
                           &blob->private, &blob->public, &handle));
    if (tpm_faults_parameter(rc)) {
        log_event(LOG_WARNING, "tpm-unseal-refused", "reason=\"sealed by another TPM\" code=0x%x",
                  rc);
        return STATUS_REFUSED;
    }
    TRY(tpm_status(tpm, "Load", rc));
    *ret_sealed = (struct tpm_slot){tpm, handle};
    *ret_session = TAKE(session);
    return STATUS_OK;
}

enum status tpm_unseal(struct tpm *tpm, struct view bytes, struct secret *ret_secret)
{
    OWN(tpm_slot) struct tpm_slot sealed = {0};
    OWN(tpm_slot) struct tpm_slot session = {0};
    OWN_ESYS TPM2B_SENSITIVE_DATA *data = NULL;
    struct sealed_blob blob;
    enum status status;
    TSS2_RC rc;

    TRY(sealed_blob_parse(bytes, &blob));
    TRY(sealed_load(tpm, &blob, &session, &sealed));
    TRY(policy_pcr(tpm, session.handle, blob.pcr_mask));
    rc = TPM_RUN(
        Esys_Unseal(tpm->esys, sealed.handle, session.handle, ESYS_TR_NONE, ESYS_TR_NONE, &data));
    if (tpm_answer(rc) == TPM2_RC_POLICY_FAIL || tpm_answer(rc) == TPM2_RC_PCR_CHANGED) {
        log_event(LOG_WARNING, "tpm-unseal-refused", "reason=\"a PCR changed\" pcrs=0x%06x",
                  blob.pcr_mask);
        return STATUS_REFUSED;
    }
    TRY(tpm_status(tpm, "Unseal", rc));
    status = data->size == 0 ? STATUS_MALFORMED
                             : secret_copy((struct view){data->buffer, data->size}, ret_secret);
    secret_wipe(data, sizeof *data);
    tpm_overwrite_buffer(tpm);
    return status;
}
