#include "tests/protocol/run.h"

#include "tests/support/test.h"

struct run run_of(struct test_perimeter *perimeter, enum attester_role role, struct test_host *host)
{
    struct view tc_sign = private_key_spki(perimeter->keys->tc_sign);
    struct run run = {.perimeter = perimeter, .host = host, .member = &perimeter->member};

    assert_ok(private_key_generate(KEY_ECDSA_P256, &run.tk_sign));
    assert_ok(private_key_generate(KEY_ECDSA_P256, &run.tk_kem));
    run.attester_config = (struct attester_config){
        .role = role,
        .perimeter_id = perimeter->keys->root.id,
        .channel = {.exporter = {1, 2, 3}, .server_certificate = {{4, 5, 6}}},
        .tc_sign = tc_sign,
        .ek_certificate = bytes_view(&host->ek_certificate),
        .ek_public = soft_key_public(&host->ek),
        .ak_public = soft_key_public(&host->ak),
        .tk_sign = run.tk_sign,
        .nonce = {7},
        .now_s = PERIMETER_TEST_NOW_S,
    };
    private_key_point(run.tk_kem, run.attester_config.tk_kem);
    run.verifier_config = (struct verifier_config){
        .bundle = perimeter->bundle,
        .bundle_bytes = bytes_view(&perimeter->bundle_bytes),
        .channel = run.attester_config.channel,
        .nonce = {8},
        .credential_secret = {9, 9},
        .credential_entropy = {10},
        .now_s = PERIMETER_TEST_NOW_S,
    };
    return run;
}

void run_free(struct run *run)
{
    attester_free(run->attester);
    verifier_free(run->verifier);
    private_key_free(run->tk_sign);
    private_key_free(run->tk_kem);
    bytes_free(&run->hello);
    bytes_free(&run->challenge);
    bytes_free(&run->evidence);
    bytes_free(&run->accepted);
    bytes_free(&run->activated);
    test_evidence_free(&run->coordinator);
    test_evidence_free(&run->own);
}
enum status step_hello(struct run *run)
{
    assert_ok(attester_new(&run->attester_config, &run->attester));
    assert_ok(verifier_new(&run->verifier_config, &run->verifier));
    assert_ok(attester_begin(run->attester, &run->hello));
    return verifier_hello(run->verifier, bytes_view(&run->hello), &run->leaf, &run->refusal);
}

void make_challenge(struct run *run)
{
    struct digest leaves[3] = {{{1}}, run->leaf, {{2}}};
    struct digest root = merkle_root_of(leaves, ARRAY_SIZE(leaves));
    struct scope scope = bundle_scope(run->perimeter->bundle);
    struct digest qualifying = coordinator_qualifying(&scope, &root);
    struct coordinator_evidence evidence = {.leaf_index = 1, .leaf_count = ARRAY_SIZE(leaves)};

    run->coordinator = test_host_quote(run->member, digest_view(&qualifying), RUN_MASK);
    evidence.evidence = run->coordinator.view;
    merkle_inclusion_proof(leaves, ARRAY_SIZE(leaves), 1, &evidence.proof);
    assert_ok(verifier_challenge(run->verifier, &evidence, &run->challenge));
}

enum status take_challenge(struct run *run)
{
    return attester_challenge(run->attester, bytes_view(&run->challenge), &run->task,
                              &run->refusal);
}

enum status step_challenge(struct run *run)
{
    make_challenge(run);
    return take_challenge(run);
}

void activate(struct run *run)
{
    assert_ok(soft_activate(&run->host->ek, &run->host->ak_public.name, run->task.credential_blob,
                            run->task.credential_secret, &run->activated));
}

void make_evidence(struct run *run)
{
    struct attester_result result = {.activated = bytes_view(&run->activated),
                                     .evidence = run->own.view};

    assert_ok(attester_evidence(run->attester, &result, &run->evidence));
}

enum status send_evidence(struct run *run)
{
    make_evidence(run);
    return verifier_evidence(run->verifier, bytes_view(&run->evidence), &run->facts, &run->refusal);
}

enum status step_evidence(struct run *run)
{
    activate(run);
    run->own =
        test_host_quote(run->host, digest_view(&run->task.qualifying), run->task.demand.pcr_mask);
    return send_evidence(run);
}
