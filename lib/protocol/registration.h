/*
 * Registration: mutual attestation between a host and the coordinator (docs/PROTOCOL.md, section 3;
 * TCCP protocol 1).
 *
 * The attester is a compute node, or a member that joins the coordinator; the verifier is the
 * member that serves it. Both sides are here, step by step, without sockets, clocks or randomness:
 * what they need is an argument, and what must be done outside (a quote, an activation, a commit)
 * lies between two steps.
 *
 *     attester                                   verifier
 *     attester_begin    -- RegisterHello ------> verifier_hello      (then: one quote for all who
 * wait) attester_challenge <-- RegisterChallenge - verifier_challenge (TPM: activate, quote)
 *     attester_evidence -- RegisterEvidence ---> verifier_evidence   (then: commit)
 *     attester_accepted <-- RegisterAccepted --- verifier_accept
 *
 * Every step may be called once, in this order; another order is refused (out-of-order). After a
 * refusal a session is dead. A session belongs to one TLS connection: the exporter value binds
 * everything to it, so that evidence cannot be relayed from another connection.
 */
#ifndef TCCP_PROTOCOL_REGISTRATION_H
#define TCCP_PROTOCOL_REGISTRATION_H

#include "lib/attest/appraisal.h"
#include "lib/attest/credential.h"
#include "lib/attest/ek_certificate.h"
#include "lib/base/merkle.h"
#include "lib/base/refusal.h"
#include "lib/base/secret.h"
#include "lib/crypto/hpke.h"
#include "lib/crypto/keys.h"
#include "lib/perimeter/bundle.h"
#include "lib/protocol/evidence_transfer.h"
#include "lib/protocol/inputs.h"

enum {
    PROTOCOL_VERSION = 1,
    REGISTRATION_HELLO_SIZE_MAX = 16 * 1024,
    /* A challenge carries the bundle and the member's logs. Evidence, which carries the host's, has
     * a limit of its own: EVIDENCE_MESSAGE_SIZE_MAX. */
    REGISTRATION_MESSAGE_SIZE_MAX = 4 << 20,
};

/* The policy by which a host is appraised: the manifest's for members, or its node entry's. Refused
 * when the manifest does not name the host. */
WARN_UNUSED enum status registration_policy(const struct manifest *manifest,
                                            enum attester_role role, const struct tpm_name *ek_name,
                                            const struct manifest_policy **ret_policy,
                                            const char **ret_name, struct refusal *ret_refusal);

/* All views must outlive the session. */
struct attester_config {
    enum attester_role role;
    struct digest perimeter_id;     /* pinned by the host's configuration */
    struct perimeter_memory memory; /* highest epoch and manifest version seen before */
    struct channel channel;
    struct view tc_sign; /* key under which the TLS layer trusted the member's certificate */
    struct view ek_certificate, ek_public, ak_public;
    const struct private_key *tk_sign;
    uint8_t tk_kem[P256_POINT_SIZE];
    uint8_t nonce[NONCE_SIZE]; /* fresh */
    uint64_t now_s;            /* wall clock, for the validity of documents */
};

/* What the host's TPM must do before the next step. Views stay valid as long as the session. */
struct attester_task {
    struct view credential_blob, credential_secret; /* for ActivateCredential */
    struct digest qualifying;                       /* for the quote */
    struct evidence_demand demand;
};

/* What came of it. Views need to last only for the call. */
struct attester_result {
    struct view activated; /* secret */
    struct evidence_view
        evidence; /* quote, signature, pcr_values and the logs that were asked for */
};

/* The answer to a registration that was accepted. */
struct admission {
    uint64_t registration_id;
    uint64_t lease_ms;
    struct bytes certificate, ca_certificate; /* DER */
    struct bytes sealed_seed;                 /* members only */
    uint64_t raft_id;                         /* members only */
};
void admission_free(struct admission *admission);
DEFINE_OWN_VALUE(admission, admission_free)

struct attester;
WARN_UNUSED enum status attester_new(const struct attester_config *config,
                                     struct attester **ret_attester);
void attester_free(struct attester *attester);
DEFINE_OWN_POINTER(attester, attester_free)

/* Message 1. */
WARN_UNUSED enum status attester_begin(struct attester *attester, struct bytes *ret_hello);

/*
 * Message 2: appraises the coordinator before anything more is said to it. Refused unless the
 * bundle belongs to the pinned perimeter, is valid and not older than what was seen, the
 * coordinator's key is the endorsed one, and a quote by a member that the manifest names, under the
 * manifest's policy for members, covers this very challenge.
 */
WARN_UNUSED enum status attester_challenge(struct attester *attester, struct view challenge,
                                           struct attester_task *ret_task,
                                           struct refusal *ret_refusal);

/* Message 3. */
WARN_UNUSED enum status attester_evidence(struct attester *attester,
                                          const struct attester_result *result,
                                          struct bytes *ret_evidence);

/* After message 3: how it is announced where it has to come in parts. */
const struct evidence_announcement *attester_announcement(const struct attester *attester);

/* Message 4. Refused unless the certificate is for our key, our role and the registration it names.
 */
WARN_UNUSED enum status attester_accepted(struct attester *attester, struct view accepted,
                                          struct admission *ret_admission,
                                          struct refusal *ret_refusal);

/* What was checked in message 2: for remembering, and for the logs. Valid after
 * attester_challenge(). */
const struct bundle *attester_bundle(const struct attester *attester);
struct view attester_bundle_bytes(const struct attester *attester);

/* All pointers must outlive the session, or the next call of its owner with new ones. */
struct verifier_config {
    const struct bundle *bundle; /* what is in force */
    struct view bundle_bytes;    /* the same, serialised */
    /* The manifest's CAs of TPM manufacturers, where they were taken apart before; or NULL. */
    const struct ek_authorities *authorities;
    struct channel channel;
    uint8_t nonce[NONCE_SIZE]; /* fresh */
    /* Fresh, secret: wiped with the session. */
    uint8_t credential_secret[CREDENTIAL_SECRET_SIZE];
    uint8_t credential_entropy[CREDENTIAL_ENTROPY_SIZE];
    uint64_t now_s;
};

/* The coordinator's own evidence, one quote for a batch of challenges. */
struct coordinator_evidence {
    struct evidence_view evidence;
    uint64_t leaf_index, leaf_count;
    struct merkle_proof proof;
};

/* What the commit of a registration needs. Views and pointers stay valid as long as the session and
 * its bundle. */
struct registration_facts {
    enum attester_role role;
    const char *name; /* of the node or member in the manifest */
    struct tpm_name ek_name, ak_name;
    struct view ak_public;            /* TPMT_PUBLIC, for the renewals' quotes */
    struct key_pair_view trusted_key; /* TK */
    uint8_t nonce[NONCE_SIZE];        /* n_TC */
    struct appraisal appraisal;
    const struct manifest_policy *policy; /* that it was appraised by */
};

struct verifier;
WARN_UNUSED enum status verifier_new(const struct verifier_config *config,
                                     struct verifier **ret_verifier);
void verifier_free(struct verifier *verifier);
DEFINE_OWN_POINTER(verifier, verifier_free)

/* What is known of the host so far; for whoever has to say later who was refused. */
struct verifier_sight {
    enum attester_role role;
    const char *name; /* in the manifest, which must outlive it; NULL: its EK was not found there */
    bool is_proven;   /* it has shown that it holds that TPM */
};
struct verifier_sight verifier_sight(const struct verifier *verifier);

/*
 * Message 1: everything that needs no quote is checked here. Yields the leaf of this challenge; the
 * caller makes a Merkle tree (merkle.h) of all leaves that wait, and one quote over its root with
 * coordinator_qualifying().
 */
WARN_UNUSED enum status verifier_hello(struct verifier *verifier, struct view hello,
                                       struct digest *ret_leaf, struct refusal *ret_refusal);

/* After message 1: the policy of the host's entry in the manifest; and the reference sets that it
 * names, which must outlive the session. */
const struct manifest_policy *verifier_policy(const struct verifier *verifier);
void verifier_use_references(struct verifier *verifier, const struct references *references);

/* Message 2. */
WARN_UNUSED enum status verifier_challenge(struct verifier *verifier,
                                           const struct coordinator_evidence *evidence,
                                           struct bytes *ret_challenge);

/* Before a message 3 that comes in parts: refused, and the session dead, unless this very host
 * announces it, once. */
WARN_UNUSED enum status verifier_announced(struct verifier *verifier,
                                           const struct evidence_announcement *announcement,
                                           struct refusal *ret_refusal);

/* Message 3: appraises the host. At most EVIDENCE_DIRECT_SIZE_MAX bytes, or what was announced. On
 * STATUS_OK the facts may be proposed; nothing is granted before they are committed. */
WARN_UNUSED enum status verifier_evidence(struct verifier *verifier, struct view evidence,
                                          struct registration_facts *ret_facts,
                                          struct refusal *ret_refusal);

/* What the host showed in message 3, whether it was accepted or not, for who wants to see it: with
 * the keys of the Hello. STATUS_NOT_FOUND unless the host has shown that it holds that TPM. The
 * views stay valid until it is dropped. */
WARN_UNUSED enum status verifier_shown(const struct verifier *verifier,
                                       struct evidence_view *ret_evidence,
                                       struct digest *ret_qualifying);
/* Gives back the memory of message 3, which may be much; to the end of the session otherwise. */
void verifier_drop_evidence(struct verifier *verifier);

/* Message 4, after the commit. */
WARN_UNUSED enum status verifier_accept(struct verifier *verifier,
                                        const struct admission *admission,
                                        struct bytes *ret_accepted);

#endif
