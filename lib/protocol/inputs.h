/*
 * The canonical inputs of registration and renewal: what exactly is quoted, MACed and signed
 * (docs/PROTOCOL.md, section 10). Both sides of the protocol compute them from what they saw
 * themselves; a difference in any field makes the proof fail.
 */
#ifndef TCCP_PROTOCOL_INPUTS_H
#define TCCP_PROTOCOL_INPUTS_H

#include "lib/attest/appraisal.h"
#include "lib/base/canonical.h"
#include "lib/perimeter/bundle.h"

enum {
    NONCE_SIZE = 32,
    EXPORTER_SIZE = 32,
};

/* Label of the TLS exporter (RFC 8446, section 7.5) that binds evidence to its connection: no
 * relaying. */
#define EXPORTER_LABEL "EXPORTER-tccp-attest"

enum attester_role { ATTESTER_NODE, ATTESTER_MEMBER };

/* What both sides know of the TLS connection they speak over. */
struct channel {
    uint8_t exporter[EXPORTER_SIZE];
    struct digest server_certificate; /* SHA-256 of the serving member's certificate, DER. */
};

/* A signing key (SubjectPublicKeyInfo) and an HPKE key (point) that belong together: a TK, or the
 * coordinator's. */
struct key_pair_view {
    struct view sign, kem;
};
/* The coordinator's, from what the ETE endorsed. */
static inline struct key_pair_view coordinator_keys(const struct bundle *bundle)
{
    return (struct key_pair_view){perimeter_key_view(&bundle->endorsement.tc_sign),
                                  VIEW_OF_ARRAY(bundle->endorsement.tc_kem)};
}
struct digest key_pair_digest(const struct scope *scope, struct key_pair_view keys);

struct challenge_nonces {
    uint8_t host[NONCE_SIZE];        /* n_N */
    uint8_t coordinator[NONCE_SIZE]; /* n_TC */
};

/* Leaf hash of one challenge in the tree that the coordinator's quote covers. */
struct digest challenge_leaf(const struct scope *scope, const struct challenge_nonces *nonces,
                             struct key_pair_view coordinator_keys, const struct channel *channel);

/* extraData of the coordinator's quote over the root of the waiting challenges. */
struct digest coordinator_qualifying(const struct scope *scope, const struct digest *root);

/* extraData of the host's quote at registration. The tag differs by role: a node's quote never
 * makes a member. */
struct digest host_qualifying(const struct scope *scope, enum attester_role role,
                              const struct challenge_nonces *nonces, struct view ek_name,
                              struct view ak_name, struct key_pair_view trusted_key,
                              const struct channel *channel);

/* T1: everything that was said before the evidence, as it was on the wire. */
struct digest registration_transcript(const struct scope *scope, struct view hello,
                                      struct view challenge, const struct channel *channel);

/* The quote, its signature and the logs that were sent with it. */
struct digest evidence_digest(const struct scope *scope, const struct evidence_view *evidence);

/* What the activated secret MACs and the TK signs, each under its own tag. */
struct digest activation_mac(const struct scope *scope, struct view activated_secret,
                             const struct digest *transcript, const struct digest *evidence);
WARN_UNUSED enum status possession_input(const struct scope *scope, const struct digest *transcript,
                                         const struct digest *evidence, struct bytes *ret_input);

/* What the activated secret MACs before evidence that needs room at the coordinator: only the host
 * that was challenged makes it wait, and for no more than so many bytes. */
struct digest announcement_mac(const struct scope *scope, struct view activated_secret,
                               const struct digest *transcript, uint64_t size);

/* extraData of the host's quote at a renewal. */
struct digest renewal_qualifying(const struct scope *scope, const uint8_t nonce[NONCE_SIZE],
                                 uint64_t registration_id, struct key_pair_view trusted_key,
                                 const struct channel *channel);

/* aad of the seed that is sealed to a joining member: for this member, under this raft id and key
 * only. */
WARN_UNUSED enum status seed_aad(const struct scope *scope, const char *member, uint64_t raft_id,
                                 struct key_pair_view trusted_key, struct bytes *ret_aad);

#endif
