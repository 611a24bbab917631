/*
 * Whose grants the launcher takes: the verifier of grants.h over the perimeter's own documents. Its
 * only root is the perimeter id in the launcher's configuration.
 */
#ifndef TCCP_NODEAGENT_LAUNCHER_TRUST_H
#define TCCP_NODEAGENT_LAUNCHER_TRUST_H

#include "nodeagent/launcher/grants.h"

#include "lib/perimeter/bundle.h"

struct trust {
    struct digest perimeter_id;     /* pinned */
    struct perimeter_memory memory; /* the highest epoch seen; an older one is refused */
    struct scope scope;
    struct public_key *tc_sign; /* NULL: none yet; no grant holds */
};

void trust_init(struct trust *trust, const struct digest *perimeter_id);
void trust_free(struct trust *trust);
DEFINE_OWN_VALUE(trust, trust_free)

/* now_s: wall clock, for the endorsement's validity. A certificate that is refused changes nothing.
 */
WARN_UNUSED enum status trust_set(struct trust *trust, struct view ca_certificate, uint64_t now_s,
                                  struct refusal *ret_refusal);
WARN_UNUSED enum status trust_verify(const struct trust *trust, struct view signed_grant,
                                     uint64_t registration, struct run_grant *ret_grant,
                                     struct refusal *ret_refusal);

#endif
