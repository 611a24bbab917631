/* Inside lib/tpm only: the public areas that keys are made from. */
#ifndef TCCP_TPM_TEMPLATES_H
#define TCCP_TPM_TEMPLATES_H

#include <stdbool.h>
#include <tss2/tss2_tpm2_types.h>

/* Endorsement keys of the TCG EK Credential Profile 2.5, appendix B; NV index of the certificate.
 */
struct ek_kind {
    const char *name;
    TPM2_HANDLE certificate_index;
    TPM2B_PUBLIC (*template)(void);
    /* The low range wants PolicySecret(endorsement hierarchy) for its use, the high range the key's
     * own, empty, password. */
    bool needs_policy;
};
enum { EK_KIND_COUNT = 3 };
/* In the order in which we prefer them. */
extern const struct ek_kind ek_kinds[EK_KIND_COUNT];

/* Restricted P-256 signing key: ECDSA over SHA-256. */
TPM2B_PUBLIC template_ak(void);
/* P-256 storage root key, TCG TPM v2.0 Provisioning Guidance, 7.5.1. */
TPM2B_PUBLIC template_srk(void);
/* Data that is sealed under a policy, and usable by nothing but that policy. */
TPM2B_PUBLIC template_sealed(const TPM2B_DIGEST *policy);

#endif
