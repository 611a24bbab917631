/* The coordinator's side of registration. See registration.h. */
#include "lib/protocol/registration.h"

#include "lib/attest/attestation_key.h"
#include "lib/attest/credential.h"
#include "lib/attest/ek_certificate.h"
#include "lib/attest/evidence_message.h"
#include "lib/base/text.h"
#include "lib/crypto/sign.h"
#include "lib/perimeter/manifest.h"

#include "proto/node.pb-c.h"

#include <stdlib.h>
#include <string.h>

enum verifier_state {
    VERIFIER_START,
    VERIFIER_HEARD_HELLO,
    VERIFIER_CHALLENGED,
    VERIFIER_HEARD_EVIDENCE,
    VERIFIER_DONE,
    VERIFIER_DEAD,
};

struct verifier {
    enum verifier_state state;
    struct verifier_config config;
    struct scope scope;
    struct bytes hello_bytes;
    Tccp__RegisterHello *hello; /* parsed from hello_bytes */
    enum attester_role role;
    struct tpm_public ek, ak;
    struct public_key *tk_sign;
    const struct manifest_policy *policy;
    struct references references;
    const char *name; /* in the manifest */
    struct challenge_nonces nonces;
    struct digest transcript;
    Tccp__RegisterEvidence *evidence;
    uint64_t announced_size; /* of evidence that comes in parts; 0: none */
    bool is_proven;          /* the activation and the possession of the TK hold */
};

/* Every step begins here: in its place once, and dead unless it says that it went well. */
static enum status step_begin(struct verifier *verifier, enum verifier_state expected,
                              struct refusal *ret_refusal)
{
    enum verifier_state state = verifier->state;

    verifier->state = VERIFIER_DEAD;
    if (state != expected) {
        return refuse(ret_refusal, REFUSAL_OUT_OF_ORDER, "registration step %d, expected %d",
                      (int)state, (int)expected);
    }
    return STATUS_OK;
}

enum status verifier_new(const struct verifier_config *config, struct verifier **ret_verifier)
{
    struct verifier *verifier = calloc(1, sizeof *verifier);

    if (!verifier) {
        return STATUS_NO_MEMORY;
    }
    verifier->config = *config;
    verifier->scope = bundle_scope(config->bundle);
    *ret_verifier = verifier;
    return STATUS_OK;
}

void verifier_free(struct verifier *verifier)
{
    if (!verifier) {
        return;
    }
    secret_wipe(&verifier->config, sizeof verifier->config);
    bytes_free(&verifier->hello_bytes);
    if (verifier->hello) {
        tccp__register_hello__free_unpacked(verifier->hello, NULL);
    }
    verifier_drop_evidence(verifier);
    public_key_free(verifier->tk_sign);
    free(verifier);
}

static struct view hello_kem(const struct verifier *verifier)
{
    return protobuf_view(verifier->hello->tk_kem);
}

static struct key_pair_view trusted_key(const struct verifier *verifier)
{
    return (struct key_pair_view){public_key_spki(verifier->tk_sign), hello_kem(verifier)};
}

/* Shape, sizes and keys of a Hello: nothing is believed yet. */
static enum status parse_hello(struct verifier *verifier, struct view message,
                               struct refusal *ret_refusal)
{
    OWN(public_key) struct public_key *kem = NULL;
    Tccp__RegisterHello *hello;

    TRY(bytes_copy(message, &verifier->hello_bytes));
    hello = (Tccp__RegisterHello *)protobuf_unpack(&tccp__register_hello__descriptor, message,
                                                   REGISTRATION_HELLO_SIZE_MAX);
    verifier->hello = hello;
    if (!hello) {
        return refuse(ret_refusal, REFUSAL_MALFORMED, "RegisterHello");
    }
    if (hello->version != PROTOCOL_VERSION) {
        return refuse(ret_refusal, REFUSAL_VERSION, "the host speaks version %u, we speak %d",
                      hello->version, PROTOCOL_VERSION);
    }
    if (hello->nonce.len != NONCE_SIZE || (hello->role != TCCP__ATTESTER_ROLE__ATTESTER_NODE &&
                                           hello->role != TCCP__ATTESTER_ROLE__ATTESTER_MEMBER)) {
        return refuse(ret_refusal, REFUSAL_MALFORMED, "RegisterHello: nonce or role");
    }
    if (public_key_parse(protobuf_view(hello->tk_sign), &verifier->tk_sign) != STATUS_OK ||
        public_key_algorithm(verifier->tk_sign) != KEY_ECDSA_P256 ||
        public_key_parse_point(hello_kem(verifier), &kem) != STATUS_OK) {
        return refuse(ret_refusal, REFUSAL_MALFORMED, "RegisterHello: trusted key");
    }
    if (tpm_public_parse(protobuf_view(hello->ek_public), &verifier->ek) != STATUS_OK ||
        tpm_public_parse(protobuf_view(hello->ak_public), &verifier->ak) != STATUS_OK) {
        return refuse(ret_refusal, REFUSAL_MALFORMED, "RegisterHello: public area of EK or AK");
    }
    verifier->role =
        hello->role == TCCP__ATTESTER_ROLE__ATTESTER_MEMBER ? ATTESTER_MEMBER : ATTESTER_NODE;
    memcpy(verifier->nonces.host, hello->nonce.data, NONCE_SIZE);
    memcpy(verifier->nonces.coordinator, verifier->config.nonce, NONCE_SIZE);
    return STATUS_OK;
}

enum status registration_policy(const struct manifest *manifest, enum attester_role role,
                                const struct tpm_name *ek_name,
                                const struct manifest_policy **ret_policy, const char **ret_name,
                                struct refusal *ret_refusal)
{
    struct view name = tpm_name_view(ek_name);
    char text[HEX_SIZE(TPM_NAME_SIZE_MAX)];

    if (role == ATTESTER_MEMBER) {
        const struct manifest_member *member = manifest_member_by_ek(manifest, name);

        if (member) {
            *ret_policy = manifest->member_policy;
            *ret_name = member->name;
            return STATUS_OK;
        }
    } else {
        const struct manifest_node *node = manifest_node_by_ek(manifest, name);

        if (node) {
            *ret_policy = node->policy;
            *ret_name = node->name;
            return STATUS_OK;
        }
    }
    hex_encode(name, text);
    return refuse(ret_refusal, REFUSAL_EK_NOT_IN_MANIFEST, "no %s has the endorsement key %s",
                  role == ATTESTER_MEMBER ? "member" : "node", text);
}

static enum status check_ek(const struct verifier *verifier, struct refusal *ret_refusal)
{
    const struct verifier_config *config = &verifier->config;
    const struct manifest *manifest = config->bundle->manifest;
    struct view certificate = protobuf_view(verifier->hello->ek_certificate);

    return config->authorities
               ? ek_certificate_check_by(certificate, &verifier->ek, config->authorities,
                                         config->now_s, ret_refusal)
               : ek_certificate_check(certificate, &verifier->ek, manifest->cas, manifest->ca_count,
                                      config->now_s, ret_refusal);
}

/* Appraisal checks 2 and 3, and the manifest: may this TPM come in at all? */
static enum status check_identity(struct verifier *verifier, struct refusal *ret_refusal)
{
    const struct manifest *manifest = verifier->config.bundle->manifest;

    TRY(registration_policy(manifest, verifier->role, &verifier->ek.name, &verifier->policy,
                            &verifier->name, ret_refusal));
    if (verifier->role == ATTESTER_MEMBER &&
        !tpm_name_equal(&manifest_member_by_name(manifest, verifier->name)->ak_name,
                        &verifier->ak.name)) {
        return refuse(ret_refusal, REFUSAL_AK_NAME, "member %s", verifier->name);
    }
    TRY(check_ek(verifier, ret_refusal));
    return attestation_key_check(&verifier->ak, ret_refusal);
}

enum status verifier_hello(struct verifier *verifier, struct view message, struct digest *ret_leaf,
                           struct refusal *ret_refusal)
{
    TRY(step_begin(verifier, VERIFIER_START, ret_refusal));
    TRY(parse_hello(verifier, message, ret_refusal));
    TRY(check_identity(verifier, ret_refusal));
    *ret_leaf =
        challenge_leaf(&verifier->scope, &verifier->nonces,
                       coordinator_keys(verifier->config.bundle), &verifier->config.channel);
    verifier->state = VERIFIER_HEARD_HELLO;
    return STATUS_OK;
}

const struct manifest_policy *verifier_policy(const struct verifier *verifier)
{
    ASSERT(verifier->state == VERIFIER_HEARD_HELLO);
    return verifier->policy;
}

void verifier_use_references(struct verifier *verifier, const struct references *references)
{
    ASSERT(verifier->state == VERIFIER_HEARD_HELLO);
    verifier->references = *references;
}

enum status verifier_challenge(struct verifier *verifier,
                               const struct coordinator_evidence *coordinator,
                               struct bytes *ret_challenge)
{
    const struct verifier_config *config = &verifier->config;
    Tccp__RegisterChallenge message = TCCP__REGISTER_CHALLENGE__INIT;
    Tccp__Evidence evidence = evidence_view_to_message(&coordinator->evidence);
    struct evidence_demand demand =
        appraisal_demand(&verifier->policy->pcrs, &verifier->references);
    Tccp__EvidenceDemand demand_message = evidence_demand_to_message(&demand);
    OWN(bytes) struct bytes blob = {0}, encrypted_secret = {0};
    ProtobufCBinaryData proof[MERKLE_DEPTH_MAX];

    TRY(step_begin(verifier, VERIFIER_HEARD_HELLO, NULL));
    TRY(credential_make(&verifier->ek, &verifier->ak.name, VIEW_OF_ARRAY(config->credential_secret),
                        VIEW_OF_ARRAY(config->credential_entropy), &blob, &encrypted_secret));
    for (unsigned i = 0; i < coordinator->proof.count; i++) {
        proof[i] = protobuf_data(digest_view(&coordinator->proof.nodes[i]));
    }
    message.nonce = protobuf_data(VIEW_OF_ARRAY(config->nonce));
    message.credential_blob = protobuf_data(bytes_view(&blob));
    message.credential_secret = protobuf_data(bytes_view(&encrypted_secret));
    message.bundle = protobuf_data(config->bundle_bytes);
    message.evidence = &evidence;
    message.demand = &demand_message;
    message.leaf_index = coordinator->leaf_index;
    message.leaf_count = coordinator->leaf_count;
    message.n_inclusion_proof = coordinator->proof.count;
    message.inclusion_proof = proof;
    TRY(protobuf_pack(&message.base, REGISTRATION_MESSAGE_SIZE_MAX, ret_challenge));
    verifier->transcript =
        registration_transcript(&verifier->scope, bytes_view(&verifier->hello_bytes),
                                bytes_view(ret_challenge), &config->channel);
    verifier->state = VERIFIER_CHALLENGED;
    return STATUS_OK;
}

struct verifier_sight verifier_sight(const struct verifier *verifier)
{
    return (struct verifier_sight){verifier->role, verifier->name, verifier->is_proven};
}

/* Check 4, and that the sender holds the TK: both over all that was said and the evidence itself.
 */
static enum status check_proofs(const struct verifier *verifier,
                                const struct evidence_view *evidence, struct refusal *ret_refusal)
{
    struct digest digest = evidence_digest(&verifier->scope, evidence);
    struct digest mac =
        activation_mac(&verifier->scope, VIEW_OF_ARRAY(verifier->config.credential_secret),
                       &verifier->transcript, &digest);
    OWN(bytes) struct bytes input = {0};

    if (!secret_equal(digest_view(&mac), protobuf_view(verifier->evidence->activation_mac))) {
        return refuse(ret_refusal, REFUSAL_CREDENTIAL, "the activation MAC differs");
    }
    TRY(possession_input(&verifier->scope, &verifier->transcript, &digest, &input));
    if (signature_check(verifier->tk_sign, bytes_view(&input),
                        protobuf_view(verifier->evidence->possession)) != STATUS_OK) {
        return refuse(ret_refusal, REFUSAL_KEY_POSSESSION, "its signature does not hold");
    }
    return STATUS_OK;
}

static struct digest qualifying_of(const struct verifier *verifier)
{
    return host_qualifying(&verifier->scope, verifier->role, &verifier->nonces,
                           tpm_name_view(&verifier->ek.name), tpm_name_view(&verifier->ak.name),
                           trusted_key(verifier), &verifier->config.channel);
}

enum status verifier_shown(const struct verifier *verifier, struct evidence_view *ret_evidence,
                           struct digest *ret_qualifying)
{
    if (!verifier->is_proven || !verifier->evidence) {
        return STATUS_NOT_FOUND;
    }
    *ret_evidence = evidence_view_of_message(verifier->evidence->evidence);
    ret_evidence->ek_certificate = protobuf_view(verifier->hello->ek_certificate);
    ret_evidence->ek_public = protobuf_view(verifier->hello->ek_public);
    ret_evidence->ak_public = protobuf_view(verifier->hello->ak_public);
    *ret_qualifying = qualifying_of(verifier);
    return STATUS_OK;
}

void verifier_drop_evidence(struct verifier *verifier)
{
    if (verifier->evidence) {
        tccp__register_evidence__free_unpacked(TAKE(verifier->evidence), NULL);
    }
}

enum status verifier_announced(struct verifier *verifier,
                               const struct evidence_announcement *announcement,
                               struct refusal *ret_refusal)
{
    struct digest mac;

    TRY(step_begin(verifier, VERIFIER_CHALLENGED, ret_refusal));
    if (verifier->announced_size != 0) {
        return refuse(ret_refusal, REFUSAL_OUT_OF_ORDER, "evidence was announced already");
    }
    mac = announcement_mac(&verifier->scope, VIEW_OF_ARRAY(verifier->config.credential_secret),
                           &verifier->transcript, announcement->size);
    if (!secret_equal(digest_view(&mac), digest_view(&announcement->mac))) {
        return refuse(ret_refusal, REFUSAL_CREDENTIAL, "the announcement's MAC differs");
    }
    verifier->announced_size = announcement->size;
    verifier->state = VERIFIER_CHALLENGED;
    return STATUS_OK;
}

/* What is larger than a message has to be what was announced. */
static enum status check_size(const struct verifier *verifier, struct view message,
                              struct refusal *ret_refusal)
{
    uint64_t size_max =
        verifier->announced_size ? verifier->announced_size : EVIDENCE_DIRECT_SIZE_MAX;

    return message.size <= size_max
               ? STATUS_OK
               : refuse(ret_refusal, REFUSAL_TOO_LARGE, "evidence of %zu bytes, at most %llu",
                        message.size, (unsigned long long)size_max);
}

enum status verifier_evidence(struct verifier *verifier, struct view message,
                              struct registration_facts *ret_facts, struct refusal *ret_refusal)
{
    struct registration_facts facts = {
        .role = verifier->role,
        .name = verifier->name,
        .ek_name = verifier->ek.name,
        .ak_name = verifier->ak.name,
        .ak_public = protobuf_view(verifier->hello->ak_public),
        .trusted_key = trusted_key(verifier),
        .policy = verifier->policy,
    };
    struct evidence_view evidence;
    struct digest qualifying;

    TRY(step_begin(verifier, VERIFIER_CHALLENGED, ret_refusal));
    TRY(check_size(verifier, message, ret_refusal));
    verifier->evidence = (Tccp__RegisterEvidence *)protobuf_unpack_within(
        &tccp__register_evidence__descriptor, message, EVIDENCE_MESSAGE_SIZE_MAX,
        message.size + EVIDENCE_OVERHEAD_MAX);
    if (!verifier->evidence || !verifier->evidence->evidence) {
        return refuse(ret_refusal, REFUSAL_MALFORMED, "RegisterEvidence");
    }
    evidence = evidence_view_of_message(verifier->evidence->evidence);
    if (evidence.ek_certificate.size || evidence.ek_public.size || evidence.ak_public.size) {
        return refuse(ret_refusal, REFUSAL_MALFORMED,
                      "RegisterEvidence with keys: they are the Hello's");
    }
    evidence.ak_public = facts.ak_public;
    TRY(check_proofs(verifier, &evidence, ret_refusal));
    verifier->is_proven = true;

    qualifying = qualifying_of(verifier);
    /* The EK was checked with the Hello, and the activation ties the AK to it. */
    TRY(appraisal_run(&evidence,
                      &(struct appraisal_inputs){
                          .policy = &verifier->policy->pcrs,
                          .references = verifier->references,
                          .qualifying = digest_view(&qualifying),
                          .ak_trust = AK_TRUST_BY_NAME,
                          .expected_ak = &verifier->ak.name,
                          .now_s = verifier->config.now_s,
                      },
                      &facts.appraisal, ret_refusal));
    memcpy(facts.nonce, verifier->nonces.coordinator, NONCE_SIZE);
    *ret_facts = facts;
    verifier->state = VERIFIER_HEARD_EVIDENCE;
    return STATUS_OK;
}

enum status verifier_accept(struct verifier *verifier, const struct admission *admission,
                            struct bytes *ret_accepted)
{
    Tccp__RegisterAccepted message = TCCP__REGISTER_ACCEPTED__INIT;

    TRY(step_begin(verifier, VERIFIER_HEARD_EVIDENCE, NULL));
    message.registration_id = admission->registration_id;
    message.lease_ms = admission->lease_ms;
    message.raft_id = admission->raft_id;
    message.certificate = protobuf_data(bytes_view(&admission->certificate));
    message.ca_certificate = protobuf_data(bytes_view(&admission->ca_certificate));
    message.sealed_seed = protobuf_data(bytes_view(&admission->sealed_seed));
    TRY(protobuf_pack(&message.base, REGISTRATION_MESSAGE_SIZE_MAX, ret_accepted));
    verifier->state = VERIFIER_DONE;
    return STATUS_OK;
}
