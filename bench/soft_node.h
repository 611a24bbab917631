/*
 * A compute host that exists in software only: endorsement key with a certificate of a CA of our
 * own, attestation key, trusted key, and what its TPM would answer. What it signs is what a TPM
 * signs; nothing of it is measured.
 */
#ifndef TCCP_BENCH_SOFT_NODE_H
#define TCCP_BENCH_SOFT_NODE_H

#include "lib/attester/trusted_key.h"
#include "lib/protocol/inputs.h"

#include "tests/support/soft_ca.h"

struct soft_node {
    struct soft_key ek, ak;
    struct tpm_name ek_name, ak_name;
    struct bytes ek_certificate;
    struct trusted_key key; /* of its last registration */
};

/* P-256 throughout. Aborts where it cannot. */
void soft_node_make(struct soft_node *node, const struct soft_ca *ca);
void soft_node_free(struct soft_node *node);

/* A measurement log: how far it has come. */
struct soft_ima {
    uint64_t count;
    struct digest aggregate; /* PCR 10 */
};
/* The log's next entries, as long as they may be, up to so many bytes; at least one. The first ever
 * is a boot_aggregate. The caller frees them. */
struct bytes soft_ima_log(struct soft_ima *ima, size_t size_max);

/* The evidence of a host on which nobody extended a PCR, but the kernel PCR 10. */
struct soft_evidence {
    struct bytes quote, signature, values;
};
/* A quote over these PCRs that carries `qualifying`. */
void soft_evidence_make(const struct soft_node *node, const struct digest *qualifying,
                        uint32_t pcr_mask, const struct soft_ima *ima, uint64_t clock_ms,
                        struct soft_evidence *ret_evidence);
/* With the attestation key's public area. */
struct evidence_view soft_evidence_view(const struct soft_node *node,
                                        const struct soft_evidence *evidence);
void soft_evidence_free(struct soft_evidence *evidence);
DEFINE_OWN_VALUE(soft_evidence, soft_evidence_free)

#endif
