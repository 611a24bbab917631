/*
 * Our certificates (RFC 5280, a narrow profile), made and read by our own code.
 *
 * Two kinds under the coordinator's tc_sign: the self-signed cluster authority, which carries the
 * bundle that endorses it, and leaves, which carry exactly one identity in one critical extension.
 * A third kind is signed by nobody else: a client that has no certificate yet shows a bare one for
 * its own key, and may only enroll with it. DER only; every certificate of the profile has exactly
 * one encoding, and another is malformed.
 *
 * Extensions (arc 2.25.185190498647057040837749881351092901984, a UUID):
 *     arc.1  identity of a leaf, critical:
 *            SEQUENCE { role ENUMERATED, perimeter OCTET STRING (32), epoch INTEGER,
 *                       registration INTEGER, kemKey OCTET STRING (0 or 65) }
 *     arc.2  bundle of the authority, not critical: OCTET STRING
 */
#ifndef TCCP_CRYPTO_X509_H
#define TCCP_CRYPTO_X509_H

#include "lib/base/canonical.h"
#include "lib/base/refusal.h"
#include "lib/crypto/keys.h"

enum {
    CERTIFICATE_SIZE_MAX = 64 * 1024, /* the authority's, with its bundle */
    CERTIFICATE_BUNDLE_SIZE_MAX = 48 * 1024,
    CERTIFICATE_SUBJECT_SIZE_MAX = 64, /* bytes of UTF-8; RFC 5280's ub-common-name */
    CERTIFICATE_SERIAL_SIZE_MAX = 20,
};

/* Values are on the wire. */
enum certificate_role {
    ROLE_NONE = 0, /* a bare certificate, or the authority */
    ROLE_MEMBER = 1,
    ROLE_NODE = 2,
    ROLE_CUSTOMER = 3,
    ROLE_OPERATOR = 4,
    ROLE_AUDITOR = 5,
};
/* "none", "member", "node", "customer", "operator", "auditor". */
const char *certificate_role_name(enum certificate_role role);

/* What a leaf says. All of it is copied: it outlives the bytes it was read from. */
struct certificate {
    enum certificate_role role;
    struct scope scope; /* perimeter and epoch */
    char subject[CERTIFICATE_SUBJECT_SIZE_MAX + 1];
    uint8_t serial[CERTIFICATE_SERIAL_SIZE_MAX];
    size_t serial_size;
    uint8_t spki[SPKI_SIZE_MAX]; /* certificate_spki() */
    size_t spki_size;
    uint64_t registration_id; /* nodes and members; else 0 */
    bool has_kem;
    uint8_t kem_point[P256_POINT_SIZE]; /* tk_kem, where has_kem */
    uint64_t not_before_s, not_after_s; /* seconds since 1970 UTC, both inclusive */
};
static inline struct view certificate_spki(const struct certificate *certificate)
{
    return (struct view){certificate->spki, certificate->spki_size};
}

/*
 * Issues a leaf with what `content` says, signed by tc_sign (P-256). The role must not be
 * ROLE_NONE; subject: 1 to CERTIFICATE_SUBJECT_SIZE_MAX bytes of printable ASCII; serial: 1 to 20
 * bytes, unique under the authority, the first neither 0 nor above 0x7f; STATUS_MALFORMED where
 * content does not keep to that, or its key or kem_point is not one.
 */
WARN_UNUSED enum status certificate_issue(const struct private_key *tc_sign,
                                          const struct certificate *content, struct bytes *ret_der);

/*
 * The whole check of a leaf, wherever one is shown: signature by tc_sign, profile, scope, validity
 * at now_s; its role is for the caller to compare with the one it needs (certificate_require_role).
 * Refusals: CERTIFICATE_CHAIN (malformed, not by tc_sign, an authority, no identity),
 * WRONG_PERIMETER, OLD_EPOCH (any other epoch), NOT_YET_VALID, CERTIFICATE_EXPIRED.
 */
WARN_UNUSED enum status certificate_check(struct view leaf, const struct public_key *tc_sign,
                                          const struct scope *scope, uint64_t now_s,
                                          struct certificate *ret_certificate,
                                          struct refusal *refusal);
/* The same without the look at the dates: for migration tickets, which name both keys and have a
 * lifetime of their own (docs/PROTOCOL.md, "Migration"). */
WARN_UNUSED enum status certificate_check_undated(struct view leaf,
                                                  const struct public_key *tc_sign,
                                                  const struct scope *scope,
                                                  struct certificate *ret_certificate,
                                                  struct refusal *refusal);
/* REFUSAL_CERTIFICATE_ROLE unless it is this one. */
WARN_UNUSED enum status certificate_require_role(const struct certificate *certificate,
                                                 enum certificate_role role,
                                                 struct refusal *refusal);

/* A bare certificate: self-signed, without identity, for a key (P-256 or Ed25519) that is to be
 * enrolled, or for a node or joining member that has not registered yet. */
WARN_UNUSED enum status certificate_make_bare(const struct private_key *key, uint64_t not_before_s,
                                              uint64_t not_after_s, struct bytes *ret_der);
/* Checks one: profile, self-signature, dates. It says nothing but "I hold this key". Refusals as
 * above. */
WARN_UNUSED enum status certificate_check_bare(struct view der, uint64_t now_s,
                                               struct certificate *ret_certificate,
                                               struct refusal *refusal);

/* The cluster's authority. */
struct certificate_authority {
    uint8_t spki[SPKI_SIZE_MAX]; /* tc_sign, always P-256 */
    size_t spki_size;
    uint64_t not_before_s, not_after_s;
    struct view bundle; /* inside the certificate's bytes */
};
/* Self-signed by tc_sign; bundle: 1 to CERTIFICATE_BUNDLE_SIZE_MAX opaque bytes (root, successions
 * and endorsement). */
WARN_UNUSED enum status certificate_make_authority(const struct private_key *tc_sign,
                                                   struct view bundle, uint64_t not_before_s,
                                                   uint64_t not_after_s, struct bytes *ret_der);
/* Profile, self-signature, dates. It is worth nothing until the caller has verified the bundle
 * against the pinned perimeter id and found that it endorses this very spki. */
WARN_UNUSED enum status certificate_check_authority(struct view der, uint64_t now_s,
                                                    struct certificate_authority *ret_authority,
                                                    struct refusal *refusal);

#endif
