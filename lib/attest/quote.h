/* Quotes: checks 5 to 7 of the appraisal. */
#ifndef TCCP_ATTEST_QUOTE_H
#define TCCP_ATTEST_QUOTE_H

#include "lib/attest/attestation_key.h"

/*
 * A quote is what the TPM says of its PCRs (TPM 2.0 Library, Part 3, TPM2_Quote). In this order:
 *
 * 5. `signature` (TPMT_SIGNATURE) is of the scheme and hash that the AK fixes (QUOTE_SCHEME) and
 *    holds over the bytes `attest` (QUOTE_SIGNATURE);
 * 6. `attest` is a TPMS_ATTEST with the TPM's magic, of type quote, without trailing bytes
 *    (QUOTE_NOT_A_QUOTE), made for exactly `qualifying` (QUOTE_BINDING; not empty);
 * 7. it covers exactly one selection (QUOTE_SELECTION), of the SHA-256 bank (QUOTE_BANK), exactly
 *    the PCRs of pcr_mask (QUOTE_SELECTION; not empty), and its pcrDigest is of 32 bytes
 *    (QUOTE_DIGEST).
 *
 * STATUS_CRYPTO and STATUS_NO_MEMORY are our own trouble, not the quote's.
 */
WARN_UNUSED enum status quote_check_by(const struct attestation_key *ak, struct view attest,
                                       struct view signature, struct view qualifying,
                                       uint32_t pcr_mask, struct tpm_quote_info *ret_info,
                                       struct refusal *ret_refusal);
/* The same with check 3 and the import of the key before it. */
WARN_UNUSED enum status quote_check(const struct tpm_public *ak, struct view attest,
                                    struct view signature, struct view qualifying,
                                    uint32_t pcr_mask, struct tpm_quote_info *ret_info,
                                    struct refusal *ret_refusal);

#endif
