/*
 * What a customer gets: that its VM runs, as what, and where in the audit log it stands
 * (docs/PROTOCOL.md, section 4, step 6; section 10).
 *
 * The node's MAC is under a key derived from K_VM; every former holder of K_VM could make one. The
 * coordinator's signed report binds it to this launch. Both together verify offline.
 */
#ifndef TCCP_PROTOCOL_LAUNCH_PROOF_H
#define TCCP_PROTOCOL_LAUNCH_PROOF_H

#include "lib/base/merkle.h"
#include "lib/protocol/launch_order.h"
#include "lib/protocol/launched.h"

enum {
    LAUNCH_PROOF_SIZE_MAX = 16 * 1024,
    LAUNCH_PROOF_LEAF_SIZE_MAX = 4096,
};

/* What the MAC is over, and the report repeats. */
struct proof_fields {
    uint8_t nonce[VM_NONCE_SIZE]; /* n_U */
    struct digest vm;
    uint8_t pseudonym[NODE_PSEUDONYM_SIZE];
    uint64_t generation;
    struct digest image; /* H(manifest) */
};

/* The node's MAC: HMAC-SHA256 under HKDF(K_VM, "tccp-launch-proof-key"). key: K_VM. */
struct digest launch_proof_mac(struct view key, const struct scope *scope,
                               const struct proof_fields *fields);

struct launch_report {
    struct proof_fields fields;
    struct digest measurement; /* SHA-256 of the StartupMeasurement */
    struct digest proof;       /* SHA-256 of the MAC */
    bool host_profile, development;
    uint64_t leaf_index, tree_size;
    struct digest root;
};
WARN_UNUSED enum status launch_report_make(const struct launch_report *report,
                                           const struct scope *scope, const struct signer *tc_sign,
                                           struct bytes *ret_report);

/* All that the customer needs, in one message. */
struct launch_proof_content {
    struct view report;      /* of launch_report_make() */
    struct digest mac;       /* of the node */
    struct view measurement; /* StartupMeasurement, as received */
    struct view leaf;        /* of the audit log */
    const struct merkle_proof *inclusion;
};
WARN_UNUSED enum status launch_proof_make(const struct launch_proof_content *content,
                                          struct bytes *ret_proof);

/* What the customer knows by itself: kept since the ticket was sealed. */
struct launch_proof_expectation {
    struct scope scope; /* pinned perimeter, epoch of the endorsement that was shown */
    const struct public_key *tc_sign; /* endorsed */
    struct view key;                  /* K_VM */
    uint8_t nonce[VM_NONCE_SIZE];     /* n_U */
    struct view cust_sign;            /* SubjectPublicKeyInfo */
    struct view image_manifest;       /* the exact bytes that were signed */
    uint64_t generation_seen;         /* highest proved before; 0: none */
};

/* What was proved. */
struct launch_verdict {
    struct launch_report report;
    struct startup_measurement measurement;
};

/*
 * Refusals: MALFORMED, BAD_SIGNATURE (of the report); PROOF, saying which of these does not hold:
 * the nonce, the VM's id (from cust_sign, n_U and the manifest), the manifest, the node's MAC, the
 * digests of MAC and measurement in the report, the measurement against the manifest, the leaf's
 * inclusion in the log; GENERATION (older than one proved before).
 */
WARN_UNUSED enum status launch_proof_check(struct view bytes,
                                           const struct launch_proof_expectation *expectation,
                                           struct launch_verdict *ret_verdict,
                                           struct refusal *refusal);

#endif
