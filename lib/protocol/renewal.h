/*
 * Renewal of a registration: a fresh quote over a fresh nonce, on the node's own connection
 * (docs/PROTOCOL.md, section 3, "Lease"). Stateless: the coordinator keeps the nonce beside the
 * connection, the node its registration.
 */
#ifndef TCCP_PROTOCOL_RENEWAL_H
#define TCCP_PROTOCOL_RENEWAL_H

#include "lib/protocol/registration.h"

/* What binds a renewal's quote: computed by both sides. */
struct renewal_binding {
    struct scope scope;
    uint8_t nonce[NONCE_SIZE]; /* fresh, the coordinator's */
    uint64_t registration_id;
    struct key_pair_view trusted_key;
    struct channel channel; /* of the connection it is asked and answered on */
};

/*
 * All nodes lose their connection at once when the leader changes. Each comes back after a random
 * part of this long: a node a millisecond, which is about what a member can take, and well before
 * any lease is over.
 */
unsigned renewal_return_spread_ms(size_t node_count, uint64_t lease_ms);

/* The coordinator asks. */
WARN_UNUSED enum status renewal_challenge(const struct renewal_binding *binding,
                                          const struct evidence_demand *demand,
                                          struct bytes *ret_challenge);

/* The node reads it: whether it is for its registration, and what to quote. */
WARN_UNUSED enum status renewal_read_challenge(struct view challenge, uint64_t registration_id,
                                               uint8_t ret_nonce[NONCE_SIZE],
                                               struct evidence_demand *ret_demand,
                                               struct refusal *ret_refusal);
struct digest renewal_quote_input(const struct renewal_binding *binding);
WARN_UNUSED enum status renewal_evidence(const struct evidence_view *evidence,
                                         struct bytes *ret_evidence);

/* By what the coordinator appraises the answer: what is in force now. */
struct renewal_appraiser {
    const struct pcr_policy *policy;
    struct references references;
    bool is_whole;                    /* whole evidence was asked for */
    const struct tpm_name *ak_name;   /* of the registration */
    const struct attestation_key *ak; /* the key of that name, if it was kept; or NULL: the evidence
                                         brings its public area */
    const struct boot_state *previous; /* that the last accepted appraisal left */
    uint64_t now_s;
};

/* As appraisal_run(). */
WARN_UNUSED enum status renewal_appraise(const struct renewal_binding *binding,
                                         struct view evidence,
                                         const struct renewal_appraiser *appraiser,
                                         struct appraisal *ret_appraisal,
                                         struct refusal *ret_refusal);

#endif
