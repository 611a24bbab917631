/* The host's side of registration. See registration.h. */
#include "lib/protocol/registration.h"

#include "lib/attest/evidence_message.h"
#include "lib/crypto/sign.h"
#include "lib/crypto/x509.h"
#include "lib/perimeter/manifest.h"

#include "proto/node.pb-c.h"

#include <stdlib.h>
#include <string.h>

enum attester_state {
    ATTESTER_START,
    ATTESTER_SAID_HELLO,
    ATTESTER_CHALLENGED,
    ATTESTER_SENT_EVIDENCE,
    ATTESTER_DONE,
    ATTESTER_DEAD,
};

struct attester {
    enum attester_state state;
    struct attester_config config;
    struct tpm_public ek, ak;
    struct bytes hello;
    struct digest transcript;
    struct evidence_announcement announcement;
    struct bundle *bundle; /* what the coordinator showed, checked */
    struct scope scope;
    Tccp__RegisterChallenge *challenge;
};

/* Every step begins here: in its place once, and dead unless it says that it went well. */
static enum status step_begin(struct attester *attester, enum attester_state expected,
                              struct refusal *ret_refusal)
{
    enum attester_state state = attester->state;

    attester->state = ATTESTER_DEAD;
    if (state != expected) {
        return refuse(ret_refusal, REFUSAL_OUT_OF_ORDER, "registration step %d, expected %d",
                      (int)state, (int)expected);
    }
    return STATUS_OK;
}

static struct key_pair_view trusted_key(const struct attester *attester)
{
    return (struct key_pair_view){private_key_spki(attester->config.tk_sign),
                                  VIEW_OF_ARRAY(attester->config.tk_kem)};
}

enum status attester_new(const struct attester_config *config, struct attester **ret_attester)
{
    OWN(attester) struct attester *attester = calloc(1, sizeof *attester);

    if (!attester) {
        return STATUS_NO_MEMORY;
    }
    attester->config = *config;
    TRY(tpm_public_parse(config->ek_public, &attester->ek));
    TRY(tpm_public_parse(config->ak_public, &attester->ak));
    *ret_attester = TAKE(attester);
    return STATUS_OK;
}

void attester_free(struct attester *attester)
{
    if (!attester) {
        return;
    }
    bytes_free(&attester->hello);
    if (attester->bundle) {
        bundle_free(attester->bundle);
    }
    if (attester->challenge) {
        tccp__register_challenge__free_unpacked(attester->challenge, NULL);
    }
    free(attester);
}

const struct bundle *attester_bundle(const struct attester *attester)
{
    return attester->bundle;
}

struct view attester_bundle_bytes(const struct attester *attester)
{
    return protobuf_view(attester->challenge->bundle);
}

enum status attester_begin(struct attester *attester, struct bytes *ret_hello)
{
    Tccp__RegisterHello hello = TCCP__REGISTER_HELLO__INIT;
    const struct attester_config *config = &attester->config;

    TRY(step_begin(attester, ATTESTER_START, NULL));
    hello.version = PROTOCOL_VERSION;
    hello.role = config->role == ATTESTER_MEMBER ? TCCP__ATTESTER_ROLE__ATTESTER_MEMBER
                                                 : TCCP__ATTESTER_ROLE__ATTESTER_NODE;
    hello.nonce = protobuf_data(VIEW_OF_ARRAY(config->nonce));
    hello.ek_certificate = protobuf_data(config->ek_certificate);
    hello.ek_public = protobuf_data(config->ek_public);
    hello.ak_public = protobuf_data(config->ak_public);
    hello.tk_sign = protobuf_data(private_key_spki(attester->config.tk_sign));
    hello.tk_kem = protobuf_data(VIEW_OF_ARRAY(config->tk_kem));
    TRY(protobuf_pack(&hello.base, REGISTRATION_MESSAGE_SIZE_MAX, &attester->hello));
    TRY(bytes_copy(bytes_view(&attester->hello), ret_hello));
    attester->state = ATTESTER_SAID_HELLO;
    return STATUS_OK;
}

static enum status inclusion_proof_of(const Tccp__RegisterChallenge *challenge,
                                      struct merkle_proof *ret_proof, struct refusal *ret_refusal)
{
    if (challenge->n_inclusion_proof > MERKLE_DEPTH_MAX) {
        return refuse(ret_refusal, REFUSAL_MALFORMED, "inclusion proof of %zu nodes",
                      challenge->n_inclusion_proof);
    }
    ret_proof->count = (unsigned)challenge->n_inclusion_proof;
    for (unsigned i = 0; i < ret_proof->count; i++) {
        if (digest_of_view(protobuf_view(challenge->inclusion_proof[i]), &ret_proof->nodes[i]) !=
            STATUS_OK) {
            return refuse(ret_refusal, REFUSAL_MALFORMED, "inclusion proof node %u", i);
        }
    }
    return STATUS_OK;
}

/*
 * Is it an approved coordinator that made this challenge, in this connection? The attestation key
 * must be a member's in the ETE's manifest (a leaked tc_sign alone convinces nobody), and its quote
 * must cover our nonce, our connection and the endorsed keys.
 */
static enum status appraise_coordinator(const struct attester *attester,
                                        struct refusal *ret_refusal)
{
    const Tccp__RegisterChallenge *challenge = attester->challenge;
    const struct manifest *manifest = attester->bundle->manifest;
    struct key_pair_view keys = coordinator_keys(attester->bundle);
    struct evidence_view evidence = evidence_view_of_message(challenge->evidence);
    const struct manifest_member *member;
    struct challenge_nonces nonces;
    struct merkle_proof proof;
    struct digest leaf, root, qualifying;
    struct appraisal appraisal;
    struct tpm_public ak;

    if (!view_equal(keys.sign, attester->config.tc_sign)) {
        return refuse(ret_refusal, REFUSAL_CERTIFICATE_CHAIN,
                      "the connection's certificate is of another seed than the bundle's");
    }
    if (tpm_public_parse(evidence.ak_public, &ak) != STATUS_OK) {
        return refuse(ret_refusal, REFUSAL_MALFORMED, "attestation key of the coordinator");
    }
    member = manifest_member_by_ak(manifest, tpm_name_view(&ak.name));
    if (!member) {
        return refuse(ret_refusal, REFUSAL_AK_NAME, "the manifest names no member with this key");
    }
    memcpy(nonces.host, attester->config.nonce, NONCE_SIZE);
    memcpy(nonces.coordinator, challenge->nonce.data, NONCE_SIZE);
    leaf = challenge_leaf(&attester->scope, &nonces, keys, &attester->config.channel);
    TRY(inclusion_proof_of(challenge, &proof, ret_refusal));
    if (!merkle_inclusion_root(&leaf, challenge->leaf_index, challenge->leaf_count, &proof,
                               &root)) {
        return refuse(ret_refusal, REFUSAL_QUOTE_BINDING,
                      "the challenge is not in the quoted batch");
    }
    qualifying = coordinator_qualifying(&attester->scope, &root);
    return appraisal_run(&evidence,
                         &(struct appraisal_inputs){
                             .policy = &manifest->member_policy->pcrs,
                             .qualifying = digest_view(&qualifying),
                             .ak_trust = AK_TRUST_BY_NAME,
                             .expected_ak = &member->ak_name,
                             .now_s = attester->config.now_s,
                         },
                         &appraisal, ret_refusal);
}

enum status attester_challenge(struct attester *attester, struct view message,
                               struct attester_task *ret_task, struct refusal *ret_refusal)
{
    const struct attester_config *config = &attester->config;
    const struct manifest_policy *policy;
    struct challenge_nonces nonces;
    struct evidence_demand demand;
    Tccp__RegisterChallenge *challenge;
    const char *name;

    TRY(step_begin(attester, ATTESTER_SAID_HELLO, ret_refusal));
    challenge = (Tccp__RegisterChallenge *)protobuf_unpack(&tccp__register_challenge__descriptor,
                                                           message, REGISTRATION_MESSAGE_SIZE_MAX);
    attester->challenge = challenge;
    if (!challenge || challenge->nonce.len != NONCE_SIZE || !challenge->evidence ||
        evidence_demand_of_message(challenge->demand, &demand) != STATUS_OK) {
        return refuse(ret_refusal, REFUSAL_MALFORMED, "RegisterChallenge");
    }
    TRY(bundle_check(protobuf_view(challenge->bundle),
                     &(struct bundle_expectation){.perimeter_id = config->perimeter_id,
                                                  .memory = config->memory,
                                                  .now_s = config->now_s},
                     &attester->bundle, ret_refusal));
    attester->scope = bundle_scope(attester->bundle);
    TRY(appraise_coordinator(attester, ret_refusal));

    TRY(registration_policy(attester->bundle->manifest, config->role, &attester->ek.name, &policy,
                            &name, ret_refusal));
    memcpy(nonces.host, config->nonce, NONCE_SIZE);
    memcpy(nonces.coordinator, challenge->nonce.data, NONCE_SIZE);
    *ret_task = (struct attester_task){
        .credential_blob = protobuf_view(challenge->credential_blob),
        .credential_secret = protobuf_view(challenge->credential_secret),
        .qualifying = host_qualifying(
            &attester->scope, config->role, &nonces, tpm_name_view(&attester->ek.name),
            tpm_name_view(&attester->ak.name), trusted_key(attester), &config->channel),
        .demand = demand,
    };
    attester->transcript = registration_transcript(&attester->scope, bytes_view(&attester->hello),
                                                   message, &config->channel);
    attester->state = ATTESTER_CHALLENGED;
    return STATUS_OK;
}

enum status attester_evidence(struct attester *attester, const struct attester_result *result,
                              struct bytes *ret_evidence)
{
    Tccp__RegisterEvidence message = TCCP__REGISTER_EVIDENCE__INIT;
    struct evidence_view view = result->evidence;
    Tccp__Evidence evidence;
    OWN(bytes) struct bytes input = {0}, possession = {0};
    struct digest digest, mac;

    TRY(step_begin(attester, ATTESTER_CHALLENGED, NULL));
    /* The keys are the Hello's. */
    view.ek_certificate = view.ek_public = view.ak_public = (struct view){0};
    evidence = evidence_view_to_message(&view);
    digest = evidence_digest(&attester->scope, &view);
    mac = activation_mac(&attester->scope, result->activated, &attester->transcript, &digest);
    TRY(possession_input(&attester->scope, &attester->transcript, &digest, &input));
    TRY(sign_message(attester->config.tk_sign, bytes_view(&input), &possession));

    message.evidence = &evidence;
    message.activation_mac = protobuf_data(digest_view(&mac));
    message.possession = protobuf_data(bytes_view(&possession));
    TRY(protobuf_pack(&message.base, EVIDENCE_MESSAGE_SIZE_MAX, ret_evidence));
    attester->announcement = (struct evidence_announcement){
        .kind = TCCP__NODE_MESSAGE_KIND__REGISTER_EVIDENCE,
        .size = ret_evidence->size,
        .mac = announcement_mac(&attester->scope, result->activated, &attester->transcript,
                                ret_evidence->size),
    };
    attester->state = ATTESTER_SENT_EVIDENCE;
    return STATUS_OK;
}

const struct evidence_announcement *attester_announcement(const struct attester *attester)
{
    ASSERT(attester->state == ATTESTER_SENT_EVIDENCE);
    return &attester->announcement;
}

/* The certificate must speak of us: our key, our role, and the registration that the message names.
 */
static enum status check_certificate(const struct attester *attester,
                                     const Tccp__RegisterAccepted *accepted,
                                     struct refusal *ret_refusal)
{
    bool member = attester->config.role == ATTESTER_MEMBER;
    OWN(public_key) struct public_key *tc_sign = NULL;
    struct certificate certificate;

    TRY(public_key_parse(attester->config.tc_sign, &tc_sign));
    TRY(certificate_check(protobuf_view(accepted->certificate), tc_sign, &attester->scope,
                          attester->config.now_s, &certificate, ret_refusal));
    TRY(certificate_require_role(&certificate, member ? ROLE_MEMBER : ROLE_NODE, ret_refusal));
    if (!view_equal(certificate_spki(&certificate), private_key_spki(attester->config.tk_sign)) ||
        certificate.registration_id != (member ? accepted->raft_id : accepted->registration_id)) {
        return refuse(ret_refusal, REFUSAL_CERTIFICATE_CHAIN,
                      "issued to us for another key or registration");
    }
    return STATUS_OK;
}

enum status attester_accepted(struct attester *attester, struct view message,
                              struct admission *ret_admission, struct refusal *ret_refusal)
{
    OWN(admission) struct admission admission = {0};
    Tccp__RegisterAccepted *accepted;
    enum status status;

    TRY(step_begin(attester, ATTESTER_SENT_EVIDENCE, ret_refusal));
    accepted = (Tccp__RegisterAccepted *)protobuf_unpack(&tccp__register_accepted__descriptor,
                                                         message, REGISTRATION_MESSAGE_SIZE_MAX);
    if (!accepted) {
        return refuse(ret_refusal, REFUSAL_MALFORMED, "RegisterAccepted");
    }
    status = check_certificate(attester, accepted, ret_refusal);
    if (status == STATUS_OK) {
        admission.registration_id = accepted->registration_id;
        admission.lease_ms = accepted->lease_ms;
        admission.raft_id = accepted->raft_id;
        status = bytes_copy(protobuf_view(accepted->certificate), &admission.certificate);
    }
    if (status == STATUS_OK) {
        status = bytes_copy(protobuf_view(accepted->ca_certificate), &admission.ca_certificate);
    }
    if (status == STATUS_OK) {
        status = bytes_copy(protobuf_view(accepted->sealed_seed), &admission.sealed_seed);
    }
    tccp__register_accepted__free_unpacked(accepted, NULL);
    TRY(status);
    *ret_admission = TAKE(admission);
    attester->state = ATTESTER_DONE;
    return STATUS_OK;
}

void admission_free(struct admission *admission)
{
    bytes_free(&admission->certificate);
    bytes_free(&admission->ca_certificate);
    bytes_free(&admission->sealed_seed);
}
