/*
 * Is it a member of the pinned perimeter's coordinator at the other end? What every client of the
 * coordinator asks in its TLS handshake: nodes, joining members, tccpctl.
 */
#ifndef TCCP_PERIMETER_MEMBER_CHAIN_H
#define TCCP_PERIMETER_MEMBER_CHAIN_H

#include "lib/crypto/x509.h"
#include "lib/perimeter/bundle.h"

/*
 * chain: as the peer sent it, DER: its leaf, then the cluster's CA certificate. Refused unless the
 * CA is endorsed in the expected perimeter (cluster_trust_check) and signed a leaf that is valid
 * now, of the endorsed epoch, with the role of a member. The certificate alone does not show what
 * software that member runs: a node asks for its quote as well (lib/protocol/registration.h).
 */
WARN_UNUSED enum status member_chain_check(const struct view *chain, size_t count,
                                           const struct bundle_expectation *expectation,
                                           struct cluster_trust *ret_trust,
                                           struct certificate *ret_certificate,
                                           struct refusal *ret_refusal);

#endif
