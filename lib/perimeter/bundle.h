/*
 * From a pinned perimeter id to everything that is in force in that perimeter, offline
 * (docs/PROTOCOL.md, section 1).
 */
#ifndef TCCP_PERIMETER_BUNDLE_H
#define TCCP_PERIMETER_BUNDLE_H

#include "lib/perimeter/endorsement.h"
#include "lib/perimeter/manifest.h"
#include "lib/perimeter/memory.h"
#include "lib/perimeter/root.h"

enum { BUNDLE_SIZE_MAX = SIGNED_DOCUMENT_SIZE_MAX + 512 * 1024 };

/* What the verifier knows and asks for. The zero value of every choice is the strict one. */
struct bundle_expectation {
    struct digest perimeter_id;     /* pinned */
    struct perimeter_memory memory; /* highest seen before */
    uint64_t now_s;                 /* wall clock */
    /* Accept an expired manifest (the result says so): for looking at a perimeter, and for applying
     * the manifest that follows. Never for registration. */
    bool tolerate_expired_manifest;
    /* Accept a bundle whose seed is not endorsed, or not any more: for a member before its
     * bootstrap, and for `perimeter verify` of a manifest alone. Nothing may be trusted on it but
     * the manifest. */
    bool tolerate_no_endorsement;
};

/* Everything in force, verified. */
struct bundle {
    struct perimeter_root root; /* with all successions applied */
    struct manifest *manifest;
    bool manifest_expired;
    bool endorsed;
    struct endorsement endorsement; /* where endorsed */
    struct perimeter_memory seen;   /* for perimeter_memory_raise() */
};
void bundle_free(struct bundle *bundle);
DEFINE_OWN_POINTER(bundle, bundle_free)

/*
 * Verifies the bytes of a PerimeterBundle: the root is the pinned one, successions follow without a
 * gap, manifest and endorsement are signed by the keys in force, valid now, and of one epoch;
 * nothing is older than what was seen before.
 */
WARN_UNUSED enum status bundle_check(struct view bytes,
                                     const struct bundle_expectation *expectation,
                                     struct bundle **ret_bundle, struct refusal *ret_refusal);
/* The same of a bundle that came as part of a message. */
WARN_UNUSED enum status bundle_check_message(const Tccp__PerimeterBundle *message,
                                             const struct bundle_expectation *expectation,
                                             struct bundle **ret_bundle,
                                             struct refusal *ret_refusal);

/* The scope of what is signed in this perimeter now. */
static inline struct scope bundle_scope(const struct bundle *bundle)
{
    return (struct scope){bundle->root.id, bundle->manifest->epoch};
}

/* Where a trusted key of the cluster came from. A value. */
struct cluster_trust {
    struct perimeter_root root;
    struct endorsement endorsement; /* .tc_sign is the key under which certificates are trusted */
    struct perimeter_memory seen;   /* without a manifest version */
};

/*
 * From the pinned id to the cluster's key in one step: the CA certificate (DER) carries the root,
 * its successions and the endorsement in an extension; it is self-signed by exactly the endorsed
 * tc_sign. The manifest does not travel in it; it comes as a bundle later.
 */
WARN_UNUSED enum status cluster_trust_check(struct view ca_certificate,
                                            const struct bundle_expectation *expectation,
                                            struct cluster_trust *ret_trust,
                                            struct refusal *ret_refusal);

/* What goes into that extension: a PerimeterBundle without its manifest. */
WARN_UNUSED enum status cluster_trust_extension(const Tccp__PerimeterBundle *bundle,
                                                struct bytes *ret_extension);

#endif
