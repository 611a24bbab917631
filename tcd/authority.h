/*
 * The authority: custody of the cluster seed of one epoch (docs/PROTOCOL.md, section 2). The only
 * file that knows the seed and the keys made of it, and the only one that opens tickets.
 *
 * The seed is 32 random bytes. With prk = HKDF-Extract(salt = SHA-256 of the canonical input
 * "tccp-cluster-seed", seed), its keys are
 *
 *     tc_sign = DeriveKeyPair(HKDF-Expand(prk, canonical input "tccp-tc-sign", 32))   ECDSA P-256
 *     tc_kem  = DeriveKeyPair(HKDF-Expand(prk, canonical input "tccp-tc-kem", 32))    DHKEM(P-256)
 *
 * where every canonical input holds the perimeter's id and the epoch: the same seed under another
 * perimeter or epoch would be other keys. Seed and keys lie in the secure heap and leave it in two
 * ways only: sealed to the key of a member that was appraised, and sealed to this machine's TPM.
 *
 * An authority never changes after it was made: several threads may use one at a time.
 */
#ifndef TCCP_TCD_AUTHORITY_H
#define TCCP_TCD_AUTHORITY_H

#include "lib/base/canonical.h"
#include "lib/crypto/hpke.h"
#include "lib/crypto/x509.h"
#include "lib/tpm/tpm.h"

enum {
    CLUSTER_SEED_SIZE = 32,
    /* Firmware and boot managers leave it alone, and no software can reset it: the cap's. */
    AUTHORITY_CAP_PCR = 15,
};

struct authority;
void authority_free(struct authority *authority);
DEFINE_OWN_POINTER(authority, authority_free)

/* --- where an authority comes from --- */

/* The first member's: a new seed. entropy: fresh, CLUSTER_SEED_SIZE bytes; wiped by the caller. */
WARN_UNUSED enum status authority_create(const struct scope *scope, struct view entropy,
                                         struct authority **ret_authority);

/* A joining member's: the seed that authority_seal_seed_for() sealed to its key. STATUS_UNTRUSTED
 * when it was sealed to another key, with another aad, in another perimeter or epoch. Whether it is
 * the endorsed one: authority_require_keys(). */
WARN_UNUSED enum status authority_of_sealed(const struct scope *scope,
                                            const struct private_key *tk_kem, struct view aad,
                                            struct view sealed, struct authority **ret_authority);

/*
 * A restarted member's: what authority_store() wrote for this scope. Blocks on the TPM.
 * STATUS_NOT_FOUND: nothing is stored. STATUS_REFUSED: it does not open any more: a PCR that it is
 * sealed to changed (other software was booted, or the cap was extended), or it is of another TPM:
 * join again. STATUS_MALFORMED: the file is damaged, or was written for another perimeter or epoch.
 */
WARN_UNUSED enum status authority_load(const struct scope *scope, struct tpm *tpm,
                                       const char *folder, struct authority **ret_authority);
/*
 * Writes the seed to the folder, sealed to this TPM and the present values of the PCRs in the mask:
 * whole or not at all, durable when this returns. Blocks on TPM and disk. STATUS_IO, STATUS_TPM.
 */
WARN_UNUSED enum status authority_store(const struct authority *authority, struct tpm *tpm,
                                        uint32_t pcr_mask, const char *folder);
/* Extends the cap: until the next boot, what was sealed under AUTHORITY_CAP_PCR opens no more. */
WARN_UNUSED enum status authority_cap(struct tpm *tpm);

/* --- what is public of it --- */

const struct scope *authority_scope(const struct authority *authority);
/* tc_sign's SubjectPublicKeyInfo; lives as long as the authority. */
struct view authority_tc_sign_public(const struct authority *authority);
/* tc_kem's point, P256_POINT_SIZE bytes; lives as long as the authority. */
struct view authority_tc_kem_point(const struct authority *authority);
/* STATUS_UNTRUSTED unless its keys are these: those that the ETE endorsed. To be called before
 * anything is done with an authority that came over the network or from the disk. */
WARN_UNUSED enum status authority_require_keys(const struct authority *authority,
                                               struct view tc_sign, struct view tc_kem);

/* --- what it does --- */

/*
 * Signs a canonical input under tc_sign. STATUS_DENIED unless it begins as one of this perimeter
 * and epoch does, with a tag that starts with "tccp-": nothing else is ever signed by this call,
 * least of all a certificate.
 */
WARN_UNUSED enum status authority_sign(const struct authority *authority, struct view canonical,
                                       struct bytes *ret_signature);
/* Issues a certificate; content's scope is the authority's, whatever it says. See
 * certificate_issue() for the rest. */
WARN_UNUSED enum status authority_issue_certificate(const struct authority *authority,
                                                    const struct certificate *content,
                                                    struct bytes *ret_der);
/* The cluster's CA certificate, see certificate_make_authority(). */
WARN_UNUSED enum status authority_make_ca_certificate(const struct authority *authority,
                                                      struct view extension, uint64_t not_before_s,
                                                      uint64_t not_after_s, struct bytes *ret_der);

/* Seals the seed to a member's tk_kem (a point). Only for a member whose registration is committed;
 * aad: a canonical input that names that registration. entropy: fresh, HPKE_ENTROPY_SIZE bytes. */
WARN_UNUSED enum status authority_seal_seed_for(const struct authority *authority,
                                                struct view tk_kem, struct view aad,
                                                struct view entropy, struct bytes *ret_sealed);

/*
 * Receives an opened ticket, exactly once. status: STATUS_OK, or STATUS_UNTRUSTED (sealed in
 * another perimeter or epoch, to another key, for another image manifest, or changed),
 * STATUS_MALFORMED or STATUS_TOO_LARGE; plaintext is NULL then. The plaintext is wiped after the
 * call unless it was taken: `mine = TAKE(*plaintext)`.
 */
typedef void (*ticket_opened)(void *argument, enum status status, struct secret *plaintext);

/*
 * Opens a customer's ticket (docs/PROTOCOL.md, section 4). This version has the whole key and calls
 * `opened` before it returns; one in which only a quorum of members opens a ticket together will
 * call it later: callers must be ready for both.
 */
void authority_open_ticket(const struct authority *authority, struct view ticket,
                           const struct digest *image_manifest, ticket_opened opened,
                           void *argument);

#endif
