#include "lib/base/log.h"
#include "lib/tpm/device.h"

#include <string.h>
#include <tss2/tss2_mu.h>

enum status tpm_quote(struct tpm *tpm, const struct digest *qualifying, uint32_t pcr_mask,
                      struct bytes *ret_attest, struct bytes *ret_signature)
{
    const TPMT_SIG_SCHEME scheme_of_key = {.scheme = TPM2_ALG_NULL};
    const TPML_PCR_SELECTION selection = tpm_selection(pcr_mask);
    TPM2B_DATA data = {.size = SHA256_SIZE};
    OWN_ESYS TPM2B_ATTEST *attest = NULL;
    OWN_ESYS TPMT_SIGNATURE *signature = NULL;
    OWN(bytes) struct bytes attest_bytes = {0};
    uint8_t marshalled[sizeof(TPMT_SIGNATURE)];
    size_t size = 0;

    memcpy(data.buffer, qualifying->bytes, SHA256_SIZE);
    TRY(TPM_CALL(tpm, "Quote",
                 Esys_Quote(tpm->esys, tpm->ak, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &data,
                            &scheme_of_key, &selection, &attest, &signature)));
    TRY(TPM_CALL(tpm, "marshal",
                 Tss2_MU_TPMT_SIGNATURE_Marshal(signature, marshalled, sizeof marshalled, &size)));
    TRY(bytes_copy((struct view){attest->attestationData, attest->size}, &attest_bytes));
    TRY(bytes_copy((struct view){marshalled, size}, ret_signature));
    *ret_attest = TAKE(attest_bytes);
    return STATUS_OK;
}

static uint32_t selection_mask(const TPML_PCR_SELECTION *selection)
{
    const TPMS_PCR_SELECTION *bank = &selection->pcrSelections[0];
    uint32_t mask = 0;

    if (selection->count != 1 || bank->hash != TPM2_ALG_SHA256) {
        return 0;
    }
    for (unsigned i = 0; i < bank->sizeofSelect && i < PCR_COUNT / 8; i++) {
        mask |= (uint32_t)bank->pcrSelect[i] << (8 * i);
    }
    return mask;
}

enum status tpm_pcr_read(struct tpm *tpm, uint32_t pcr_mask, struct bytes *ret_values)
{
    OWN(writer) struct writer writer = writer_new((size_t)PCR_COUNT * SHA256_SIZE);

    /* A TPM answers with as many as it likes, the lowest first. */
    while (pcr_mask != 0) {
        const TPML_PCR_SELECTION wanted = tpm_selection(pcr_mask);
        OWN_ESYS TPML_PCR_SELECTION *answered = NULL;
        OWN_ESYS TPML_DIGEST *values = NULL;
        uint32_t mask, rest;

        TRY(TPM_CALL(tpm, "PCR_Read",
                     Esys_PCR_Read(tpm->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &wanted,
                                   NULL, &answered, &values)));
        mask = selection_mask(answered);
        rest = pcr_mask & ~mask;
        if (mask == 0 || (mask & ~pcr_mask) != 0 ||
            values->count != (UINT32)__builtin_popcount(mask) ||
            (rest != 0 && (rest & -rest) < mask)) {
            log_event(LOG_ERROR, "tpm-pcr-read", "asked=0x%06x answered=0x%06x", pcr_mask, mask);
            return STATUS_TPM;
        }
        for (UINT32 i = 0; i < values->count; i++) {
            if (values->digests[i].size != SHA256_SIZE) {
                return STATUS_TPM;
            }
            writer_view(&writer, (struct view){values->digests[i].buffer, SHA256_SIZE});
        }
        pcr_mask = rest;
    }
    return writer_take(&writer, ret_values);
}

enum status tpm_pcr_extend(struct tpm *tpm, uint32_t pcr, const struct digest *digest)
{
    TPML_DIGEST_VALUES values = {.count = 1, .digests = {{.hashAlg = TPM2_ALG_SHA256}}};

    ASSERT(pcr < PCR_COUNT);
    memcpy(values.digests[0].digest.sha256, digest->bytes, SHA256_SIZE);
    /* ESYS numbers the PCRs' handles from 0 on. */
    return TPM_CALL(tpm, "PCR_Extend",
                    Esys_PCR_Extend(tpm->esys, ESYS_TR_PCR0 + pcr, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                    ESYS_TR_NONE, &values));
}
