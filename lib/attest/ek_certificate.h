/* Certificates of endorsement keys: check 2 of the appraisal. */
#ifndef TCCP_ATTEST_EK_CERTIFICATE_H
#define TCCP_ATTEST_EK_CERTIFICATE_H

#include "lib/attest/tpm_structures.h"
#include "lib/base/refusal.h"

enum { EK_CERTIFICATE_SIZE_MAX = 8192, EK_CA_COUNT_MAX = 128 };

/*
 * The public area is of an endorsement key by one of the templates L-1 (RSA-2048), L-2 (P-256) or
 * H-3 (P-384) of the TCG EK Credential Profile 2.5, sections B.3 and B.4: type, name algorithm,
 * attributes, policy, symmetric algorithm, scheme. REFUSAL_EK_MISMATCH names what differs.
 */
WARN_UNUSED enum status ek_template_check(const struct tpm_public *ek, struct refusal *ret_refusal);

/* All of what follows but the chain and the dates. */
WARN_UNUSED enum status ek_certificate_profile_check(struct view certificate,
                                                     const struct tpm_public *ek,
                                                     struct refusal *ret_refusal);

/* CAs that were taken apart once: to do so costs as much as the check of a certificate, for each of
 * them. Never changes: threads may share it. */
struct ek_authorities;
/* DER; at most EK_CA_COUNT_MAX, and each a certificate, or else every check refuses: EK_CHAIN.
 * STATUS_NO_MEMORY, STATUS_CRYPTO. */
WARN_UNUSED enum status ek_authorities_new(const struct view *cas, size_t ca_count,
                                           struct ek_authorities **ret_authorities);
void ek_authorities_free(struct ek_authorities *authorities); /* NULL is ignored */
DEFINE_OWN_POINTER(ek_authorities, ek_authorities_free)

/*
 * The certificate (DER, nothing after it) of the endorsement key `ek`:
 * - chains to one of the CAs (DER; roots and intermediates of TPM manufacturers as the manifest
 *   names them; each is trusted by itself, and nothing else is), at time now_s (seconds since
 * 1970): EK_CHAIN, CERTIFICATE_EXPIRED, NOT_YET_VALID;
 * - is an EK certificate by the TCG EK Credential Profile: extended key usage 2.23.133.8.1, key
 *   usage keyEncipherment (RSA) or keyAgreement (ECC), no CA, TPM manufacturer, model and version
 * in the subject alternative name: EK_CERTIFICATE;
 * - is for the key in `ek`, which is of a known template: EK_MISMATCH.
 *
 * Costs two or three signature checks: a caller that sees the same certificate again under the same
 * CAs may remember the verdict with its expiry.
 */
WARN_UNUSED enum status ek_certificate_check_by(struct view certificate,
                                                const struct tpm_public *ek,
                                                const struct ek_authorities *authorities,
                                                uint64_t now_s, struct refusal *ret_refusal);
/* The same for CAs that are needed once. */
WARN_UNUSED enum status ek_certificate_check(struct view certificate, const struct tpm_public *ek,
                                             const struct view *cas, size_t ca_count,
                                             uint64_t now_s, struct refusal *ret_refusal);

#endif
