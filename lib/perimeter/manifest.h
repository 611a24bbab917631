/*
 * The manifest: what belongs to a perimeter (docs/PROTOCOL.md, section 1). Members of the
 * coordinator, nodes, first operators, manufacturers' CAs, appraisal policies.
 *
 * Once parsed it is complete, bounded and consistent: names and TPMs are unique, every policy that
 * is named exists, every value has its size. Nobody has to check again.
 */
#ifndef TCCP_PERIMETER_MANIFEST_H
#define TCCP_PERIMETER_MANIFEST_H

#include "lib/attest/pcr_policy.h"
#include "lib/attest/tpm_structures.h"
#include "lib/base/canonical.h"
#include "lib/base/refusal.h"
#include "lib/perimeter/memory.h"
#include "lib/perimeter/root.h"
#include "lib/perimeter/signed_document.h"

enum {
    MANIFEST_FORMAT = 1,
    MANIFEST_SIZE_MAX = DOCUMENT_SIZE_MAX,
    MANIFEST_MEMBER_COUNT_MAX = 9,
    MANIFEST_NODE_COUNT_MAX = 10000,
    MANIFEST_OPERATOR_COUNT_MAX = 256,
    MANIFEST_CA_COUNT_MAX = 128,
    MANIFEST_CA_SIZE_MAX = 8192,
    MANIFEST_POLICY_COUNT_MAX = 64,
    MANIFEST_REFERENCE_COUNT_MAX = 8,       /* a policy */
    MANIFEST_REFERENCE_SIZE_MAX = 16 << 20, /* bytes of the set that one names */
    MANIFEST_ATTRIBUTE_COUNT_MAX = 16,      /* a node */
    MANIFEST_NAME_LENGTH_MAX = 63,
    MANIFEST_VALUE_LENGTH_MAX = 63, /* of an attribute */
    MANIFEST_ADDRESS_LENGTH_MAX = 255,
    LEASE_MIN_S = 5,
    LEASE_MAX_S = 3600,
    LEASE_DEFAULT_S = 30,
};

struct manifest_attribute {
    const char *key, *value;
};

struct manifest_member {
    const char *name;
    struct tpm_name ek_name, ak_name;
    const char *address, *raft_address; /* host:port; an IPv6 host in brackets */
    struct tpm_name replaces;           /* the AK of this name before; size 0: none */
};

/* A reference set, named by its content. */
struct manifest_reference {
    struct digest digest; /* SHA-256 of the set's bytes */
    uint64_t not_after_s; /* 0: no end */
    bool staged;          /* appraised and reported, not enforced; such a one has no end */
};

struct manifest_policy {
    const char *name;
    struct digest digest; /* SHA-256 of its PcrPolicy's bytes, references included */
    struct pcr_policy pcrs;
    size_t reference_count;
    struct manifest_reference *references; /* sorted by digest, digests unique */
};

struct manifest_node {
    const char *name;
    struct tpm_name ek_name;
    struct tpm_name replaces; /* the EK of this name before; size 0: none */
    const struct manifest_policy *policy;
    size_t attribute_count;
    const struct manifest_attribute *attributes; /* sorted by key, keys unique */
};

enum operator_role { OPERATOR_ROLE_OPERATOR, OPERATOR_ROLE_AUDITOR };
const char *operator_role_name(enum operator_role role);

struct manifest_operator {
    const char *name;
    enum operator_role role;
    struct view key; /* SubjectPublicKeyInfo, DER */
    struct digest key_id;
};

/* All that it points to belongs to it. */
struct manifest {
    struct bytes bytes;   /* exactly as signed */
    struct digest digest; /* SHA-256 of them */
    struct digest perimeter_id;
    uint64_t version;
    uint64_t epoch;
    uint64_t not_before_s, not_after_s;
    uint32_t lease_s;
    bool development; /* its PCRs protect nothing; every status and proof says so */
    size_t member_count;
    struct manifest_member *members;
    const struct manifest_policy *member_policy;
    size_t node_count;
    struct manifest_node *nodes;
    size_t operator_count;
    struct manifest_operator *operators;
    size_t ca_count;
    struct view *cas; /* DER certificates */
    size_t policy_count;
    struct manifest_policy *policies;
    struct manifest_private *private; /* indexes and memory */
};
void manifest_free(struct manifest *manifest);
DEFINE_OWN_POINTER(manifest, manifest_free)

/*
 * Parses the bytes of a PerimeterManifest. STATUS_REFUSED (malformed, too-large, policy-missing;
 * the detail names the entry) unless it is in its one encoding and
 *  - format, version >= 1, epoch >= 1, not_before < not_after, LEASE_MIN_S <= lease <= LEASE_MAX_S;
 *  - at least one member; counts within the limits above;
 *  - names of letters, digits, '-', '_', '.', beginning with a letter or digit; unique over members
 *    and nodes together, over operators, over policies; EK names unique over members and nodes
 *    together, AK names and addresses over members, keys over operators;
 *  - nothing replaces itself;
 *  - every policy named exists; PCRs below 24, each with at least one value of 32 bytes; every
 *    policy lists a PCR or names a reference that is enforced, and the members' names none: nodes
 *    and key holders appraise members too, and have no reference sets;
 *  - sorted: members, nodes, operators and policies by name, attributes by key, PCRs by number,
 *    values, references and CAs by their bytes. So one manifest has one encoding (manifest_build()
 * sorts).
 */
WARN_UNUSED enum status manifest_parse(struct view bytes, struct manifest **ret_manifest,
                                       struct refusal *ret_refusal);

/* The bytes of a manifest; sorts the message's lists in place. Refused where manifest_parse() would
 * refuse the result. */
WARN_UNUSED enum status manifest_build(Tccp__PerimeterManifest *message, struct bytes *ret_bytes,
                                       struct refusal *ret_refusal);

/* What a manifest is held against. */
struct manifest_expectation {
    const struct perimeter_root *root;
    /* Of the one in force; 0 where there is none. With `may_be_same` the same version is accepted
     * (showing again what is in force), else it has to be greater. */
    uint64_t version, epoch;
    bool may_be_same;
    bool tolerate_expired; /* see struct bundle_expectation */
    uint64_t now_s;
};

/*
 * Parses and verifies a signed manifest. Refused: what manifest_parse() and signed_document_check()
 * refuse, and wrong-perimeter, old-version, old-epoch, not-yet-valid, manifest-expired.
 */
WARN_UNUSED enum status manifest_check(const Tccp__SignedDocument *document,
                                       const struct manifest_expectation *expectation,
                                       struct manifest **ret_manifest, struct refusal *ret_refusal);

/*
 * May `after` follow `before`? New hardware under an old name is never silent: where the EK of a
 * node, or EK or AK of a member, is another one than that of its name before, `replaces` has to
 * name the EK (of a member: the AK) that goes. REFUSAL_UNDECLARED_REPLACEMENT. The state machine
 * holds to the same; here it shows before people sign.
 */
WARN_UNUSED enum status manifest_replacements_check(const struct manifest *before,
                                                    const struct manifest *after,
                                                    struct refusal *ret_refusal);

/* Look-ups; NULL where there is none. Nodes in O(log n). */
const struct manifest_member *manifest_member_by_ek(const struct manifest *manifest,
                                                    struct view ek_name);
const struct manifest_member *manifest_member_by_ak(const struct manifest *manifest,
                                                    struct view ak_name);
const struct manifest_member *manifest_member_by_name(const struct manifest *manifest,
                                                      const char *name);
const struct manifest_node *manifest_node_by_ek(const struct manifest *manifest,
                                                struct view ek_name);
const struct manifest_node *manifest_node_by_name(const struct manifest *manifest,
                                                  const char *name);
const struct manifest_operator *manifest_operator_by_key(const struct manifest *manifest,
                                                         const struct digest *key_id);
const struct manifest_policy *manifest_policy_by_name(const struct manifest *manifest,
                                                      const char *name);
/* The policy's entry for this set. */
const struct manifest_reference *manifest_policy_reference(const struct manifest_policy *policy,
                                                           const struct digest *digest);
/* Of a node's attributes, or NULL. */
const char *manifest_node_attribute(const struct manifest_node *node, const char *key);

/* A name as it may stand in a manifest: 1 to MANIFEST_NAME_LENGTH_MAX characters, see
 * manifest_parse(). */
bool manifest_name_is_valid(const char *name);

#endif
