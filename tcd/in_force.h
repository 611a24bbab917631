/*
 * What is in force in the perimeter, as this member's servers need it: taken from the replicated
 * state, verified by this member itself against the pinned perimeter id, and serialised to be shown
 * to others.
 *
 * A value that never changes, but for the reference sets that are opened; a change of the state
 * makes a new one. References are counted on the loop's thread, so that a session that began under
 * one manifest ends under it (the commit refuses it if the state has moved since).
 */
#ifndef TCCP_TCD_IN_FORCE_H
#define TCCP_TCD_IN_FORCE_H

#include "lib/attest/appraisal.h"
#include "lib/attest/ek_certificate.h"
#include "lib/perimeter/bundle.h"
#include "tcd/reference_sets.h"

struct in_force {
    unsigned references;
    struct bundle *bundle;
    struct bytes bundle_bytes;          /* PerimeterBundle */
    struct ek_authorities *authorities; /* of the manifest */
    struct bytes ca_extension; /* the same without its manifest: what the CA certificate carries */
    /* Reference sets that its policies name, as far as they are open; held. */
    size_t open_count;
    struct open_reference **open;
};

/* The documents; signed ones are bytes of SignedDocument, empty where there is none. */
struct in_force_documents {
    struct view root;
    const struct bytes *successions;
    size_t succession_count;
    struct view manifest, endorsement;
};

/* Verifies all signatures. An expired manifest or a missing endorsement does not make it fail: who
 * may act on what is left is decided where it is used. */
WARN_UNUSED enum status in_force_new(const struct in_force_documents *documents,
                                     const struct digest *perimeter_id, uint64_t now_s,
                                     struct in_force **ret_in_force, struct refusal *ret_refusal);
/* Of a bundle file: a member before it has a state. */
WARN_UNUSED enum status in_force_of_bundle(struct view bundle, const struct digest *perimeter_id,
                                           uint64_t now_s, struct in_force **ret_in_force,
                                           struct refusal *ret_refusal);
/* Holds what was opened since, of the sets that its policies name. */
void in_force_take_references(struct in_force *in_force, const struct reference_sets *sets);
/*
 * The reference sets that the policy enforces, but for those that have ended; the one that ends
 * last comes last, and before it those that an upgrade leaves behind. STATUS_NOT_READY while one of
 * them is not open; STATUS_EXPIRED when all have ended: then nobody is accepted, by nothing else of
 * the policy either. Borrowed from what is in force. Staged ones as far as they are open, without
 * a place for their refusals.
 */
WARN_UNUSED enum status in_force_references(const struct in_force *in_force,
                                            const struct manifest_policy *policy, uint64_t now_s,
                                            struct references *ret_references);
struct in_force *in_force_hold(struct in_force *in_force);
void in_force_release(struct in_force *in_force); /* NULL is ignored */
DEFINE_OWN_POINTER(in_force, in_force_release)

#endif
