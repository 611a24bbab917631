/*
 * The ETE's endorsement of a cluster's keys, and the request for it (docs/PROTOCOL.md, sections 1
 * and 2).
 *
 * The first member of an epoch makes the seed and asks for the endorsement with a quote over the
 * seed's public keys. The holders of the ETE's keys appraise that quote against the manifest that
 * they signed, offline, and sign. Two seeds are never endorsed for one epoch.
 */
#ifndef TCCP_PERIMETER_ENDORSEMENT_H
#define TCCP_PERIMETER_ENDORSEMENT_H

#include "lib/attest/appraisal.h"
#include "lib/perimeter/manifest.h"
#include "lib/perimeter/root.h"

enum {
    ENDORSEMENT_SIZE_MAX = 4096,
    ENDORSEMENT_VALIDITY_MAX_S = 30 * 24 * 3600,
    /* With the member's logs. */
    ENDORSEMENT_REQUEST_SIZE_MAX = 4 << 20,
};

/* A value. */
struct endorsement {
    struct digest perimeter_id;
    uint64_t epoch;
    struct perimeter_key tc_sign; /* P-256 */
    uint8_t tc_kem[P256_POINT_SIZE];
    uint64_t not_before_s, not_after_s;
};

/* Parses the document's bytes: well formed, one encoding, tc_sign a P-256 key, tc_kem a point of
 * P-256, not_before < not_after, at most ENDORSEMENT_VALIDITY_MAX_S apart. Not signatures, not
 * dates. */
WARN_UNUSED enum status endorsement_parse(struct view document, struct endorsement *ret_endorsement,
                                          struct refusal *ret_refusal);

/* Parses it and refuses it unless it belongs to root's perimeter, is signed by the threshold, and
 * `now_s` lies within its validity. */
WARN_UNUSED enum status endorsement_check(const Tccp__SignedDocument *document,
                                          const struct perimeter_root *root, uint64_t now_s,
                                          struct endorsement *ret_endorsement,
                                          struct refusal *ret_refusal);

/* The document's bytes; to be signed with document_sign(). Checked by endorsement_parse(). */
WARN_UNUSED enum status endorsement_build(const struct endorsement *endorsement,
                                          struct bytes *ret_document);

/*
 * What the quote of an endorsement request is made over: SHA-256 of the canonical input
 * "tccp-endorsement-request" with the fields tc_sign, tc_kem, member's name, EK name, AK name.
 */
struct digest endorsement_request_qualifying(const struct scope *scope, struct view tc_sign,
                                             struct view tc_kem,
                                             const struct manifest_member *member);

/* What a request that was found good asks for. */
struct endorsement_request {
    struct endorsement endorsement;       /* validity not yet set */
    const struct manifest_member *member; /* points into the manifest */
    struct appraisal appraisal;
};

/*
 * Appraises the bytes of an EndorsementRequest under a manifest that the caller has checked: same
 * perimeter and epoch, the member and its AK are named in the manifest, the quote is by that AK
 * over this very request, and its PCRs are allowed by the policy for members.
 */
WARN_UNUSED enum status endorsement_request_check(struct view request,
                                                  const struct manifest *manifest,
                                                  struct endorsement_request *ret_request,
                                                  struct refusal *ret_refusal);

#endif
