/* Registration with both sides joined in memory: what must be refused, and why. */
#include "lib/protocol/registration.h"

#include "lib/base/protobuf.h"
#include "lib/crypto/x509.h"
#include "proto/node.pb-c.h"

#include "tests/protocol/run.h"
#include "tests/support/test.h"

#include <string.h>

enum { MASK = RUN_MASK };

static struct test_perimeter *perimeter;

static int perimeter_setup(void **state)
{
    (void)state;
    perimeter = test_perimeter_new();
    return 0;
}

static int perimeter_teardown(void **state)
{
    (void)state;
    test_perimeter_free(perimeter);
    return 0;
}

static struct run run_new(enum attester_role role, struct test_host *host)
{
    return run_of(perimeter, role, host);
}

static void admission_make(const struct run *run, struct certificate content,
                           struct admission *ret_admission)
{
    *ret_admission = (struct admission){.registration_id = 5, .lease_ms = 30000};
    content.scope = bundle_scope(run->perimeter->bundle);
    content.serial[0] = content.serial_size = 1;
    content.not_before_s = PERIMETER_TEST_NOW_S - 10;
    content.not_after_s = PERIMETER_TEST_NOW_S + 1000;
    (void)memcpy(content.subject, "n1", 3);
    assert_ok(
        certificate_issue(run->perimeter->keys->tc_sign, &content, &ret_admission->certificate));
    assert_ok(bytes_copy(view_string("ca"), &ret_admission->ca_certificate));
}

static struct certificate good_certificate(const struct run *run)
{
    struct view spki = private_key_spki(run->tk_sign);
    struct certificate content = {.role = ROLE_NODE, .registration_id = 5, .spki_size = spki.size};

    memcpy(content.spki, spki.data, spki.size);
    return content;
}

static enum status step_accept(struct run *run, const struct certificate *content)
{
    OWN(admission) struct admission sent = {0};
    OWN(admission) struct admission received = {0};

    admission_make(run, *content, &sent);
    assert_ok(verifier_accept(run->verifier, &sent, &run->accepted));
    return attester_accepted(run->attester, bytes_view(&run->accepted), &received, &run->refusal);
}

/* --- the good case --- */

static void an_approved_node_registers(void **state)
{
    OWN(run) struct run run = run_new(ATTESTER_NODE, &perimeter->node);
    struct certificate certificate = good_certificate(&run);

    (void)state;
    assert_ok(step_hello(&run));
    assert_ok(step_challenge(&run));
    assert_ok(step_evidence(&run));
    assert_string_equal(run.facts.name, "n1");
    assert_true(tpm_name_equal(&run.facts.ak_name, &perimeter->node.ak_public.name));
    assert_ok(step_accept(&run, &certificate));
}

static void an_approved_member_joins(void **state)
{
    OWN(run) struct run run = run_new(ATTESTER_MEMBER, &perimeter->member);

    (void)state;
    assert_ok(step_hello(&run));
    assert_ok(step_challenge(&run));
    assert_ok(step_evidence(&run));
    assert_string_equal(run.facts.name, "tc1");
}

/* --- message 1 --- */

static void an_ek_outside_the_manifest_is_refused(void **state)
{
    OWN(run) struct run run = run_new(ATTESTER_NODE, &perimeter->stranger);

    (void)state;
    assert_refused(step_hello(&run), run.refusal, REFUSAL_EK_NOT_IN_MANIFEST);
}

static void a_node_is_not_let_in_as_a_member(void **state)
{
    OWN(run) struct run run = run_new(ATTESTER_MEMBER, &perimeter->node);

    (void)state;
    assert_refused(step_hello(&run), run.refusal, REFUSAL_EK_NOT_IN_MANIFEST);
}

static void a_member_with_another_ak_is_refused(void **state)
{
    OWN(run) struct run run = run_new(ATTESTER_MEMBER, &perimeter->member);

    (void)state;
    run.attester_config.ak_public = soft_key_public(&perimeter->node.ak);
    assert_refused(step_hello(&run), run.refusal, REFUSAL_AK_NAME);
}

static void an_ek_certificate_of_another_ca_is_refused(void **state)
{
    OWN(run) struct run run = run_new(ATTESTER_NODE, &perimeter->node);
    OWN(soft_ca) struct soft_ca other = soft_ca_new(PERIMETER_TEST_NOW_S);
    OWN(bytes)
    struct bytes certificate = soft_ca_issue(&soft_recipe_ecc, &perimeter->node.ek, &other);

    (void)state;
    run.attester_config.ek_certificate = bytes_view(&certificate);
    assert_refused(step_hello(&run), run.refusal, REFUSAL_EK_CHAIN);
}

static void an_ek_certificate_of_another_ek_is_refused(void **state)
{
    OWN(run) struct run run = run_new(ATTESTER_NODE, &perimeter->node);

    (void)state;
    run.attester_config.ek_certificate = bytes_view(&perimeter->other_node.ek_certificate);
    assert_refused(step_hello(&run), run.refusal, REFUSAL_EK_MISMATCH);
}

static void an_unrestricted_ak_is_refused(void **state)
{
    struct soft_key ak = soft_ak_new(SOFT_P256);
    OWN(run) struct run run = run_new(ATTESTER_NODE, &perimeter->node);

    (void)state;
    soft_ak_describe(&ak, SOFT_AK_ATTRIBUTES & ~(uint32_t)TPM_OBJECT_RESTRICTED,
                     TPM_ALGORITHM_ECDSA, TPM_ALGORITHM_SHA256);
    run.attester_config.ak_public = soft_key_public(&ak);
    assert_refused(step_hello(&run), run.refusal, REFUSAL_AK_ATTRIBUTES);
    soft_key_free(&ak);
}

static void another_protocol_version_is_refused(void **state)
{
    OWN(run) struct run run = run_new(ATTESTER_NODE, &perimeter->node);
    OWN(bytes) struct bytes bytes = {0};
    Tccp__RegisterHello *hello;

    (void)state;
    assert_ok(step_hello(&run));
    hello = tccp__register_hello__unpack(NULL, run.hello.size, run.hello.data);
    hello->version = 2;
    assert_ok(protobuf_pack(&hello->base, 1 << 20, &bytes));
    tccp__register_hello__free_unpacked(hello, NULL);
    verifier_free(run.verifier);
    assert_ok(verifier_new(&run.verifier_config, &run.verifier));
    assert_refused(verifier_hello(run.verifier, bytes_view(&bytes), &run.leaf, &run.refusal),
                   run.refusal, REFUSAL_VERSION);
}

static void a_hello_with_a_nonce_of_another_size_or_without_a_role_is_refused(void **state)
{
    (void)state;
    for (unsigned bend = 0; bend < 4; bend++) {
        OWN(run) struct run run = run_new(ATTESTER_NODE, &perimeter->node);
        OWN(bytes) struct bytes bytes = {0};
        uint8_t nonce[NONCE_SIZE + 1] = {1};
        Tccp__RegisterHello *hello, bent;

        assert_ok(step_hello(&run));
        hello = tccp__register_hello__unpack(NULL, run.hello.size, run.hello.data);
        assert_non_null(hello);
        bent = *hello;
        bent.nonce = (ProtobufCBinaryData){bend == 0   ? NONCE_SIZE - 1
                                           : bend == 1 ? NONCE_SIZE + 1
                                                       : NONCE_SIZE,
                                           nonce};
        bent.role = bend == 2   ? TCCP__ATTESTER_ROLE__ATTESTER_UNSPECIFIED
                    : bend == 3 ? (Tccp__AttesterRole)3
                                : hello->role;
        assert_ok(protobuf_pack(&bent.base, REGISTRATION_HELLO_SIZE_MAX, &bytes));
        tccp__register_hello__free_unpacked(hello, NULL);
        verifier_free(run.verifier);
        assert_ok(verifier_new(&run.verifier_config, &run.verifier));
        assert_refused(verifier_hello(run.verifier, bytes_view(&bytes), &run.leaf, &run.refusal),
                       run.refusal, REFUSAL_MALFORMED);
    }
}

static void an_oversized_hello_is_refused(void **state)
{
    static uint8_t large[REGISTRATION_HELLO_SIZE_MAX + 1];
    OWN(run) struct run run = run_new(ATTESTER_NODE, &perimeter->node);

    (void)state;
    assert_ok(verifier_new(&run.verifier_config, &run.verifier));
    assert_refused(verifier_hello(run.verifier, VIEW_OF_ARRAY(large), &run.leaf, &run.refusal),
                   run.refusal, REFUSAL_MALFORMED);
}

/* --- message 2: the node appraises the coordinator --- */

static void a_coordinator_whose_ak_no_member_has_is_refused(void **state)
{
    OWN(run) struct run run = run_new(ATTESTER_NODE, &perimeter->node);

    (void)state;
    assert_ok(step_hello(&run));
    run.member = &perimeter->stranger;
    assert_refused(step_challenge(&run), run.refusal, REFUSAL_AK_NAME);
}

static void a_coordinator_with_a_changed_pcr_is_refused(void **state)
{
    OWN(run) struct run run = run_new(ATTESTER_NODE, &perimeter->node);

    (void)state;
    assert_ok(step_hello(&run));
    perimeter->member.pcrs[4].bytes[0] ^= 1;
    assert_refused(step_challenge(&run), run.refusal, REFUSAL_PCR_NOT_ALLOWED);
    perimeter->member.pcrs[4].bytes[0] ^= 1;
}

/* Each bends the leaf that the coordinator quoted: it was made for another challenge. */
static void a_coordinator_quote_for_another_challenge_is_refused(void **state)
{
    struct scope scope = bundle_scope(perimeter->bundle), other_scope = scope;
    struct key_pair_view keys = coordinator_keys(perimeter->bundle), other_keys = keys;
    struct channel other_channel;
    struct challenge_nonces nonces = {.host = {7}, .coordinator = {8}};

    (void)state;
    other_scope.epoch = 2;
    other_keys.sign = view_string("another key");
    for (unsigned bend = 0; bend < 6; bend++) {
        OWN(run) struct run run = run_new(ATTESTER_NODE, &perimeter->node);
        struct challenge_nonces bent = nonces;

        other_channel = run.attester_config.channel;
        assert_ok(step_hello(&run));
        bent.host[0] ^= bend == 1;
        bent.coordinator[0] ^= bend == 2;
        other_channel.exporter[0] ^= bend == 3;
        other_channel.server_certificate.bytes[0] ^= bend == 4;
        run.leaf = challenge_leaf(bend == 5 ? &other_scope : &scope, &bent, keys, &other_channel);
        if (bend == 0) {
            run.leaf = challenge_leaf(&scope, &bent, other_keys, &other_channel);
        }
        assert_refused(step_challenge(&run), run.refusal, REFUSAL_QUOTE_BINDING);
    }
}

static void an_inclusion_proof_longer_than_any_or_of_other_than_digests_is_refused(void **state)
{
    static uint8_t node[SHA256_SIZE];
    ProtobufCBinaryData nodes[MERKLE_DEPTH_MAX + 1];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(nodes); i++) {
        nodes[i] = (ProtobufCBinaryData){sizeof node, node};
    }
    for (unsigned bend = 0; bend < 2; bend++) {
        OWN(run) struct run run = run_new(ATTESTER_NODE, &perimeter->node);
        Tccp__RegisterChallenge *challenge, bent;

        assert_ok(step_hello(&run));
        make_challenge(&run);
        challenge = tccp__register_challenge__unpack(NULL, run.challenge.size, run.challenge.data);
        assert_non_null(challenge);
        bent = *challenge;
        bent.inclusion_proof = nodes;
        bent.n_inclusion_proof = bend == 0 ? ARRAY_SIZE(nodes) : 1;
        nodes[0].len = bend == 0 ? sizeof node : sizeof node - 1;
        bytes_free(&run.challenge);
        assert_ok(protobuf_pack(&bent.base, REGISTRATION_MESSAGE_SIZE_MAX, &run.challenge));
        tccp__register_challenge__free_unpacked(challenge, NULL);
        assert_refused(take_challenge(&run), run.refusal, REFUSAL_MALFORMED);
    }
}

static void a_challenge_over_a_key_that_is_not_endorsed_is_refused(void **state)
{
    OWN(run) struct run run = run_new(ATTESTER_NODE, &perimeter->node);

    (void)state;
    run.attester_config.tc_sign = private_key_spki(run.tk_sign);
    assert_ok(step_hello(&run));
    assert_refused(step_challenge(&run), run.refusal, REFUSAL_CERTIFICATE_CHAIN);
}

static void a_coordinator_of_another_perimeter_is_refused(void **state)
{
    OWN(run) struct run run = run_new(ATTESTER_NODE, &perimeter->node);

    (void)state;
    run.attester_config.perimeter_id.bytes[0] ^= 1;
    assert_ok(step_hello(&run));
    assert_refused(step_challenge(&run), run.refusal, REFUSAL_WRONG_PERIMETER);
}

static void a_coordinator_with_an_older_manifest_than_seen_is_refused(void **state)
{
    OWN(run) struct run run = run_new(ATTESTER_NODE, &perimeter->node);

    (void)state;
    run.attester_config.memory.manifest_version = 2;
    assert_ok(step_hello(&run));
    assert_refused(step_challenge(&run), run.refusal, REFUSAL_OLD_VERSION);
}

static void a_coordinator_of_an_older_epoch_than_seen_is_refused(void **state)
{
    OWN(run) struct run run = run_new(ATTESTER_NODE, &perimeter->node);

    (void)state;
    run.attester_config.memory.epoch = 2;
    assert_ok(step_hello(&run));
    assert_refused(step_challenge(&run), run.refusal, REFUSAL_OLD_EPOCH);
}

/* --- message 3 --- */

static void a_quote_for_anything_else_is_refused(void **state)
{
    struct scope scope = bundle_scope(perimeter->bundle), other_scope = scope;
    struct tpm_name other_name = perimeter->other_node.ak_public.name;

    (void)state;
    other_scope.perimeter_id.bytes[0] ^= 1;
    for (unsigned bend = 0; bend < 8; bend++) {
        OWN(run) struct run run = run_new(ATTESTER_NODE, &perimeter->node);
        struct challenge_nonces nonces = {.host = {7}, .coordinator = {8}};
        struct channel channel = run.attester_config.channel;
        struct key_pair_view key = {private_key_spki(run.tk_sign),
                                    VIEW_OF_ARRAY(run.attester_config.tk_kem)};
        struct view ek_name = tpm_name_view(&perimeter->node.ek_public.name);
        struct view ak_name = tpm_name_view(&perimeter->node.ak_public.name);

        assert_ok(step_hello(&run));
        assert_ok(step_challenge(&run));
        nonces.host[0] ^= bend == 0;
        nonces.coordinator[0] ^= bend == 1;
        channel.exporter[0] ^= bend == 2; /* relayed from another TLS session */
        if (bend == 3) {
            key.sign = view_string("another TK");
        }
        if (bend == 4) {
            ak_name = tpm_name_view(&other_name);
        }
        if (bend == 5) {
            ek_name = tpm_name_view(&other_name);
        }
        run.task.qualifying = host_qualifying(bend == 6 ? &other_scope : &scope,
                                              bend == 7 ? ATTESTER_MEMBER : ATTESTER_NODE, &nonces,
                                              ek_name, ak_name, key, &channel);
        assert_refused(step_evidence(&run), run.refusal, REFUSAL_QUOTE_BINDING);
    }
}

static void a_wrong_credential_secret_is_refused(void **state)
{
    OWN(run) struct run run = run_new(ATTESTER_NODE, &perimeter->node);

    (void)state;
    assert_ok(step_hello(&run));
    assert_ok(step_challenge(&run));
    activate(&run);
    run.activated.data[0] ^= 1;
    run.own = test_host_quote(run.host, digest_view(&run.task.qualifying), MASK);
    assert_refused(send_evidence(&run), run.refusal, REFUSAL_CREDENTIAL);
}

/* The AK of one TPM beside the EK of another: the credential does not open. */
static void an_ak_of_another_tpm_cannot_activate(void **state)
{
    OWN(run) struct run run = run_new(ATTESTER_NODE, &perimeter->node);
    struct bytes secret = {0};

    (void)state;
    run.attester_config.ak_public = soft_key_public(&perimeter->other_node.ak);
    assert_ok(step_hello(&run));
    assert_ok(step_challenge(&run));
    assert_status(soft_activate(&perimeter->node.ek, &perimeter->node.ak_public.name,
                                run.task.credential_blob, run.task.credential_secret, &secret),
                  STATUS_UNTRUSTED);
}

static void a_tk_that_its_sender_does_not_hold_is_refused(void **state)
{
    OWN(run) struct run run = run_new(ATTESTER_NODE, &perimeter->node);
    Tccp__RegisterEvidence *message;
    OWN(bytes) struct bytes bytes = {0};

    (void)state;
    assert_ok(step_hello(&run));
    assert_ok(step_challenge(&run));
    activate(&run);
    run.own = test_host_quote(run.host, digest_view(&run.task.qualifying), MASK);
    assert_ok(attester_evidence(run.attester,
                                &(struct attester_result){.activated = bytes_view(&run.activated),
                                                          .evidence = run.own.view},
                                &run.evidence));
    message = tccp__register_evidence__unpack(NULL, run.evidence.size, run.evidence.data);
    message->possession.data[message->possession.len - 1] ^= 1;
    assert_ok(protobuf_pack(&message->base, 1 << 20, &bytes));
    tccp__register_evidence__free_unpacked(message, NULL);
    assert_refused(verifier_evidence(run.verifier, bytes_view(&bytes), &run.facts, &run.refusal),
                   run.refusal, REFUSAL_KEY_POSSESSION);
}

static void evidence_that_was_exchanged_under_its_proofs_is_refused(void **state)
{
    OWN(run) struct run run = run_new(ATTESTER_NODE, &perimeter->node);
    Tccp__RegisterEvidence *message;
    OWN(bytes) struct bytes bytes = {0};

    (void)state;
    assert_ok(step_hello(&run));
    assert_ok(step_challenge(&run));
    assert_ok(step_evidence(&run));
    message = tccp__register_evidence__unpack(NULL, run.evidence.size, run.evidence.data);
    message->evidence->event_log = protobuf_data(view_string("another log"));
    assert_ok(protobuf_pack(&message->base, 1 << 20, &bytes));
    message->evidence->event_log = (ProtobufCBinaryData){0};
    tccp__register_evidence__free_unpacked(message, NULL);
    /* The same session again, up to the evidence. */
    verifier_free(run.verifier);
    assert_ok(verifier_new(&run.verifier_config, &run.verifier));
    assert_ok(verifier_hello(run.verifier, bytes_view(&run.hello), &run.leaf, &run.refusal));
    bytes_free(&run.challenge);
    test_evidence_free(&run.coordinator);
    run.coordinator = (struct test_evidence){0};
    (void)step_challenge(&run); /* The attester is past it; the verifier's side is what counts. */
    assert_refused(verifier_evidence(run.verifier, bytes_view(&bytes), &run.facts, &run.refusal),
                   run.refusal, REFUSAL_CREDENTIAL);
}

/* The keys are the Hello's: a second set beside the evidence could only confuse. */
static void evidence_that_brings_keys_of_its_own_is_refused(void **state)
{
    OWN(run) struct run run = run_new(ATTESTER_NODE, &perimeter->node);
    Tccp__RegisterEvidence *message;
    OWN(bytes) struct bytes bytes = {0};

    (void)state;
    assert_ok(step_hello(&run));
    assert_ok(step_challenge(&run));
    activate(&run);
    run.own = test_host_quote(run.host, digest_view(&run.task.qualifying), MASK);
    assert_ok(attester_evidence(run.attester,
                                &(struct attester_result){.activated = bytes_view(&run.activated),
                                                          .evidence = run.own.view},
                                &run.evidence));
    message = tccp__register_evidence__unpack(NULL, run.evidence.size, run.evidence.data);
    message->evidence->ak_public = protobuf_data(view_string("a key"));
    assert_ok(protobuf_pack(&message->base, 1 << 20, &bytes));
    message->evidence->ak_public = (ProtobufCBinaryData){0};
    tccp__register_evidence__free_unpacked(message, NULL);
    assert_refused(verifier_evidence(run.verifier, bytes_view(&bytes), &run.facts, &run.refusal),
                   run.refusal, REFUSAL_MALFORMED);
}

static void a_pcr_that_is_not_allowed_is_refused(void **state)
{
    OWN(run) struct run run = run_new(ATTESTER_NODE, &perimeter->node);

    (void)state;
    assert_ok(step_hello(&run));
    assert_ok(step_challenge(&run));
    perimeter->node.pcrs[2].bytes[31] ^= 1;
    assert_refused(step_evidence(&run), run.refusal, REFUSAL_PCR_NOT_ALLOWED);
    perimeter->node.pcrs[2].bytes[31] ^= 1;
}

static void fewer_pcrs_are_refused(void **state)
{
    OWN(run) struct run run = run_new(ATTESTER_NODE, &perimeter->node);

    (void)state;
    assert_ok(step_hello(&run));
    assert_ok(step_challenge(&run));
    run.task.demand.pcr_mask = 0x7f;
    assert_refused(step_evidence(&run), run.refusal, REFUSAL_QUOTE_SELECTION);
}

static void a_quote_by_another_ak_is_refused(void **state)
{
    OWN(run) struct run run = run_new(ATTESTER_NODE, &perimeter->node);

    (void)state;
    assert_ok(step_hello(&run));
    assert_ok(step_challenge(&run));
    activate(&run);
    run.own = test_host_quote(&perimeter->other_node, digest_view(&run.task.qualifying), MASK);
    assert_refused(send_evidence(&run), run.refusal, REFUSAL_QUOTE_SIGNATURE);
}

/* --- what is shown to people --- */

static void assert_shows_nothing(const struct run *run)
{
    struct evidence_view evidence;
    struct digest qualifying;

    assert_status(verifier_shown(run->verifier, &evidence, &qualifying), STATUS_NOT_FOUND);
}

/* Anybody may say a Hello with the public keys of a node, and send evidence of its own. */
static void who_has_not_shown_that_it_holds_the_tpm_and_the_key_shows_nothing(void **state)
{
    for (unsigned flaw = 0; flaw < 2; flaw++) {
        OWN(run) struct run run = run_new(ATTESTER_NODE, &perimeter->node);

        (void)state;
        assert_ok(step_hello(&run));
        assert_shows_nothing(&run);
        assert_ok(step_challenge(&run));
        assert_shows_nothing(&run);
        activate(&run);
        run.activated.data[0] ^= flaw == 0;
        run.own = test_host_quote(run.host, digest_view(&run.task.qualifying), MASK);
        if (flaw == 1) {
            Tccp__RegisterEvidence *message;
            OWN(bytes) struct bytes bytes = {0};

            assert_ok(
                attester_evidence(run.attester,
                                  &(struct attester_result){.activated = bytes_view(&run.activated),
                                                            .evidence = run.own.view},
                                  &run.evidence));
            message = tccp__register_evidence__unpack(NULL, run.evidence.size, run.evidence.data);
            message->possession.data[message->possession.len - 1] ^= 1;
            assert_ok(protobuf_pack(&message->base, 1 << 20, &bytes));
            tccp__register_evidence__free_unpacked(message, NULL);
            assert_refused(
                verifier_evidence(run.verifier, bytes_view(&bytes), &run.facts, &run.refusal),
                run.refusal, REFUSAL_KEY_POSSESSION);
        } else {
            assert_refused(send_evidence(&run), run.refusal, REFUSAL_CREDENTIAL);
        }
        assert_shows_nothing(&run);
    }
}

static void a_host_that_was_refused_shows_what_it_was_refused_for(void **state)
{
    OWN(run) struct run run = run_new(ATTESTER_NODE, &perimeter->node);
    struct evidence_view shown;
    struct digest qualifying;

    (void)state;
    assert_ok(step_hello(&run));
    assert_ok(step_challenge(&run));
    perimeter->node.pcrs[2].bytes[31] ^= 1;
    assert_refused(step_evidence(&run), run.refusal, REFUSAL_PCR_NOT_ALLOWED);
    perimeter->node.pcrs[2].bytes[31] ^= 1;
    assert_ok(verifier_shown(run.verifier, &shown, &qualifying));
    assert_true(digest_equal(&qualifying, &run.task.qualifying));
    assert_true(view_equal(shown.quote, run.own.view.quote));
    assert_true(view_equal(shown.signature, run.own.view.signature));
    assert_true(view_equal(shown.pcr_values, run.own.view.pcr_values));
    assert_true(view_equal(shown.ak_public, run.attester_config.ak_public));
    assert_true(view_equal(shown.ek_public, run.attester_config.ek_public));
    assert_true(view_equal(shown.ek_certificate, run.attester_config.ek_certificate));
}

/* --- order, repetition, corruption --- */

static void a_repeated_or_early_message_is_refused(void **state)
{
    OWN(run) struct run run = run_new(ATTESTER_NODE, &perimeter->node);
    struct attester_task task;

    (void)state;
    assert_ok(step_hello(&run));
    assert_refused(
        verifier_evidence(run.verifier, bytes_view(&run.hello), &run.facts, &run.refusal),
        run.refusal, REFUSAL_OUT_OF_ORDER);
    /* A session that refused once is dead. */
    assert_refused(verifier_hello(run.verifier, bytes_view(&run.hello), &run.leaf, &run.refusal),
                   run.refusal, REFUSAL_OUT_OF_ORDER);
    verifier_free(run.verifier);
    assert_ok(verifier_new(&run.verifier_config, &run.verifier));
    assert_ok(verifier_hello(run.verifier, bytes_view(&run.hello), &run.leaf, &run.refusal));
    assert_ok(step_challenge(&run));
    assert_refused(
        attester_challenge(run.attester, bytes_view(&run.challenge), &task, &run.refusal),
        run.refusal, REFUSAL_OUT_OF_ORDER);
}

/* A flipped byte anywhere in messages 2 and 3 is never accepted. */
static void any_changed_byte_is_refused(void **state)
{
    (void)state;
    for (unsigned message = 2; message <= 3; message++) {
        size_t size = 1;

        for (size_t at = 0; at < size; at += 13) {
            OWN(run) struct run run = run_new(ATTESTER_NODE, &perimeter->node);
            OWN(attester) struct attester *again = NULL;
            struct refusal refusal = {0};
            enum status status;

            assert_ok(step_hello(&run));
            assert_ok(step_challenge(&run));
            if (message == 2) {
                OWN(bytes) struct bytes hello = {0};

                size = run.challenge.size;
                run.challenge.data[at % size] ^= 0x20;
                assert_ok(attester_new(&run.attester_config, &again));
                assert_ok(attester_begin(again, &hello));
                status = attester_challenge(again, bytes_view(&run.challenge), &run.task, &refusal);
                if (status != STATUS_OK) {
                    continue;
                }
                /* What a node may not notice (the credential, say) the coordinator does: T1
                 * differs. */
                attester_free(run.attester);
                run.attester = TAKE(again);
                assert_ok(bytes_copy(VIEW_OF_ARRAY(run.verifier_config.credential_secret),
                                     &run.activated));
                run.own = test_host_quote(run.host, digest_view(&run.task.qualifying), MASK);
                assert_status(send_evidence(&run), STATUS_REFUSED);
            } else {
                assert_ok(attester_evidence(
                    run.attester,
                    (activate(&run),
                     run.own = test_host_quote(run.host, digest_view(&run.task.qualifying), MASK),
                     &(struct attester_result){.activated = bytes_view(&run.activated),
                                               .evidence = run.own.view}),
                    &run.evidence));
                size = run.evidence.size;
                run.evidence.data[at % size] ^= 0x20;
                assert_status(verifier_evidence(run.verifier, bytes_view(&run.evidence), &run.facts,
                                                &refusal),
                              STATUS_REFUSED);
            }
        }
    }
}

/* --- message 4 --- */

static void an_answer_that_is_cut_short_is_refused(void **state)
{
    OWN(run) struct run run = run_new(ATTESTER_NODE, &perimeter->node);
    OWN(admission) struct admission sent = {0};
    OWN(admission) struct admission received = {0};

    (void)state;
    assert_ok(step_hello(&run));
    assert_ok(step_challenge(&run));
    assert_ok(step_evidence(&run));
    admission_make(&run, good_certificate(&run), &sent);
    assert_ok(verifier_accept(run.verifier, &sent, &run.accepted));
    assert_refused(attester_accepted(run.attester,
                                     (struct view){run.accepted.data, run.accepted.size - 1},
                                     &received, &run.refusal),
                   run.refusal, REFUSAL_MALFORMED);
}

static void a_certificate_for_another_key_role_or_registration_is_refused(void **state)
{
    static const enum refusal_code expected[] = {
        REFUSAL_CERTIFICATE_CHAIN, REFUSAL_CERTIFICATE_ROLE, REFUSAL_CERTIFICATE_CHAIN};

    (void)state;
    for (unsigned bend = 0; bend < ARRAY_SIZE(expected); bend++) {
        OWN(run) struct run run = run_new(ATTESTER_NODE, &perimeter->node);
        struct certificate certificate = good_certificate(&run);
        struct view kem_spki = private_key_spki(run.tk_kem);

        assert_ok(step_hello(&run));
        assert_ok(step_challenge(&run));
        assert_ok(step_evidence(&run));
        if (bend == 0) {
            memcpy(certificate.spki, kem_spki.data, kem_spki.size);
        }
        if (bend == 1) {
            certificate.role = ROLE_MEMBER;
        }
        if (bend == 2) {
            certificate.registration_id = 6;
        }
        assert_refused(step_accept(&run, &certificate), run.refusal, expected[bend]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_approved_node_registers),
        cmocka_unit_test(an_approved_member_joins),
        cmocka_unit_test(an_ek_outside_the_manifest_is_refused),
        cmocka_unit_test(a_node_is_not_let_in_as_a_member),
        cmocka_unit_test(a_member_with_another_ak_is_refused),
        cmocka_unit_test(an_ek_certificate_of_another_ca_is_refused),
        cmocka_unit_test(an_ek_certificate_of_another_ek_is_refused),
        cmocka_unit_test(an_unrestricted_ak_is_refused),
        cmocka_unit_test(another_protocol_version_is_refused),
        cmocka_unit_test(a_hello_with_a_nonce_of_another_size_or_without_a_role_is_refused),
        cmocka_unit_test(an_oversized_hello_is_refused),
        cmocka_unit_test(a_coordinator_whose_ak_no_member_has_is_refused),
        cmocka_unit_test(a_coordinator_with_a_changed_pcr_is_refused),
        cmocka_unit_test(a_coordinator_quote_for_another_challenge_is_refused),
        cmocka_unit_test(an_inclusion_proof_longer_than_any_or_of_other_than_digests_is_refused),
        cmocka_unit_test(a_challenge_over_a_key_that_is_not_endorsed_is_refused),
        cmocka_unit_test(a_coordinator_of_another_perimeter_is_refused),
        cmocka_unit_test(a_coordinator_with_an_older_manifest_than_seen_is_refused),
        cmocka_unit_test(a_coordinator_of_an_older_epoch_than_seen_is_refused),
        cmocka_unit_test(a_quote_for_anything_else_is_refused),
        cmocka_unit_test(a_wrong_credential_secret_is_refused),
        cmocka_unit_test(an_ak_of_another_tpm_cannot_activate),
        cmocka_unit_test(a_tk_that_its_sender_does_not_hold_is_refused),
        cmocka_unit_test(evidence_that_was_exchanged_under_its_proofs_is_refused),
        cmocka_unit_test(evidence_that_brings_keys_of_its_own_is_refused),
        cmocka_unit_test(a_pcr_that_is_not_allowed_is_refused),
        cmocka_unit_test(fewer_pcrs_are_refused),
        cmocka_unit_test(a_quote_by_another_ak_is_refused),
        cmocka_unit_test(who_has_not_shown_that_it_holds_the_tpm_and_the_key_shows_nothing),
        cmocka_unit_test(a_host_that_was_refused_shows_what_it_was_refused_for),
        cmocka_unit_test(a_repeated_or_early_message_is_refused),
        cmocka_unit_test(any_changed_byte_is_refused),
        cmocka_unit_test(an_answer_that_is_cut_short_is_refused),
        cmocka_unit_test(a_certificate_for_another_key_role_or_registration_is_refused),
    };
    return cmocka_run_group_tests_name("registration", tests, perimeter_setup, perimeter_teardown);
}
