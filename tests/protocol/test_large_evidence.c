/* Evidence that is larger than a message, with both sides joined in memory: a log of 100,000 files
 * registers its host and renews its lease; whatever is done to it on its way is found. */
#include "lib/protocol/renewal.h"

#include "lib/base/protobuf.h"

#include "tests/protocol/run.h"
#include "tests/support/ima_log.h"
#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

enum { FILE_COUNT = 100000, FEW = 7000 };

static struct test_perimeter *perimeter;
static struct bytes many_log, few_log;
static struct digest many_pcr, few_pcr;

static int setup(void **state)
{
    (void)state;
    perimeter = test_perimeter_new();
    many_log = ima_log_make(FILE_COUNT, &many_pcr);
    few_log = ima_log_make(FEW, &few_pcr);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bytes_free(&many_log);
    bytes_free(&few_log);
    test_perimeter_free(perimeter);
    return 0;
}

/* Up to evidence with this log, which the host has and has not sent yet. */
static struct run run_with(struct view log, const struct digest *pcr10)
{
    struct run run = run_of(perimeter, ATTESTER_NODE, &perimeter->logging_node);

    perimeter->logging_node.pcrs[PCR_IMA] = *pcr10;
    assert_ok(step_hello(&run));
    assert_ok(step_challenge(&run));
    assert_true(run.task.demand.ima_log);
    activate(&run);
    run.own =
        test_host_quote(run.host, digest_view(&run.task.qualifying), run.task.demand.pcr_mask);
    run.own.view.ima_log = log;
    make_evidence(&run);
    return run;
}

static enum status announce(struct run *run, struct evidence_announcement *ret_announcement)
{
    OWN(bytes) struct bytes message = {0};

    assert_ok(evidence_announce(attester_announcement(run->attester), &message));
    TRY(evidence_read_announcement(bytes_view(&message), TCCP__NODE_MESSAGE_KIND__REGISTER_EVIDENCE,
                                   ret_announcement, &run->refusal));
    return verifier_announced(run->verifier, ret_announcement, &run->refusal);
}

/* All parts of what is announced, as they come: the one numbered `twice` in the place of the next
 * one as well. */
static struct bytes transfer(struct bytes *evidence, unsigned twice)
{
    OWN(evidence_sender) struct evidence_sender sender = {0};
    OWN(evidence_receiver) struct evidence_receiver receiver = {0};
    struct view part, previous = {0};
    struct refusal refusal;

    assert_ok(evidence_receiver_open(&receiver, evidence->size));
    evidence_sender_begin(&sender, evidence);
    assert_ok(evidence_sender_go(&sender));
    for (unsigned number = 0; evidence_sender_next(&sender, &part); number++) {
        assert_ok(
            evidence_receiver_take(&receiver, number == twice + 1 ? previous : part, &refusal));
        previous = part;
    }
    return evidence_receiver_finish(&receiver);
}

enum { NONE_TWICE = 1 << 30 };

static enum status step_transfer(struct run *run, unsigned twice)
{
    struct evidence_announcement announcement;
    OWN(bytes) struct bytes received = {0};

    TRY(announce(run, &announcement));
    assert_int_equal(announcement.size, run->evidence.size);
    received = transfer(&run->evidence, twice);
    return verifier_evidence(run->verifier, bytes_view(&received), &run->facts, &run->refusal);
}

/* --- refusals --- */

static void large_evidence_that_was_not_announced_is_refused(void **state)
{
    OWN(run) struct run run = run_with(bytes_view(&few_log), &few_pcr);

    (void)state;
    assert_false(evidence_is_direct(run.evidence.size));
    assert_refused(
        verifier_evidence(run.verifier, bytes_view(&run.evidence), &run.facts, &run.refusal),
        run.refusal, REFUSAL_TOO_LARGE);
}

static void an_announcement_by_somebody_else_is_refused(void **state)
{
    OWN(run) struct run run = run_with(bytes_view(&few_log), &few_pcr);
    struct evidence_announcement announcement = *attester_announcement(run.attester);

    (void)state;
    announcement.mac.bytes[31] ^= 1;
    assert_refused(verifier_announced(run.verifier, &announcement, &run.refusal), run.refusal,
                   REFUSAL_CREDENTIAL);
    /* And the session is dead. */
    announcement.mac.bytes[31] ^= 1;
    assert_refused(verifier_announced(run.verifier, &announcement, &run.refusal), run.refusal,
                   REFUSAL_OUT_OF_ORDER);
}

static void an_announcement_of_another_size_is_refused(void **state)
{
    OWN(run) struct run run = run_with(bytes_view(&few_log), &few_pcr);
    struct evidence_announcement announcement = *attester_announcement(run.attester);

    (void)state;
    announcement.size++;
    assert_refused(verifier_announced(run.verifier, &announcement, &run.refusal), run.refusal,
                   REFUSAL_CREDENTIAL);
}

static void an_announcement_of_another_registration_is_refused(void **state)
{
    OWN(run) struct run first = run_with(bytes_view(&few_log), &few_pcr);
    OWN(run) struct run second = run_with(bytes_view(&few_log), &few_pcr);
    struct evidence_announcement announcement = *attester_announcement(first.attester);

    (void)state;
    /* The credential is the same in both; the transcript is not. */
    assert_refused(verifier_announced(second.verifier, &announcement, &second.refusal),
                   second.refusal, REFUSAL_CREDENTIAL);
}

static void a_second_announcement_is_refused(void **state)
{
    OWN(run) struct run run = run_with(bytes_view(&few_log), &few_pcr);
    struct evidence_announcement announcement;

    (void)state;
    assert_ok(announce(&run, &announcement));
    assert_refused(announce(&run, &announcement), run.refusal, REFUSAL_OUT_OF_ORDER);
}

static void more_evidence_than_was_announced_is_refused(void **state)
{
    OWN(run) struct run run = run_with(bytes_view(&few_log), &few_pcr);
    OWN(bytes) struct bytes longer = {0};
    struct evidence_announcement announcement;

    (void)state;
    assert_ok(announce(&run, &announcement));
    longer = (struct bytes){calloc(1, run.evidence.size + 1), run.evidence.size + 1};
    memcpy(longer.data, run.evidence.data, run.evidence.size);
    assert_refused(verifier_evidence(run.verifier, bytes_view(&longer), &run.facts, &run.refusal),
                   run.refusal, REFUSAL_TOO_LARGE);
}

static void parts_that_change_places_or_come_twice_are_refused(void **state)
{
    OWN(run) struct run repeated = run_with(bytes_view(&few_log), &few_pcr);
    OWN(run) struct run reordered = run_with(bytes_view(&few_log), &few_pcr);
    struct evidence_announcement announcement;
    uint8_t *second, *third, part[EVIDENCE_PART_SIZE_MAX];

    (void)state;
    /* Both within the log: what is around it stays well-formed. */
    assert_true(repeated.evidence.size > 4 * (size_t)EVIDENCE_PART_SIZE_MAX);
    assert_refused(step_transfer(&repeated, 1), repeated.refusal, REFUSAL_CREDENTIAL);
    second = reordered.evidence.data + EVIDENCE_PART_SIZE_MAX;
    third = second + EVIDENCE_PART_SIZE_MAX;
    memcpy(part, second, sizeof part);
    memcpy(second, third, sizeof part);
    memcpy(third, part, sizeof part);
    assert_ok(announce(&reordered, &announcement));
    assert_refused(verifier_evidence(reordered.verifier, bytes_view(&reordered.evidence),
                                     &reordered.facts, &reordered.refusal),
                   reordered.refusal, REFUSAL_CREDENTIAL);
}

/* What lies behind the quoted entries is not looked at: only the size counts. */
static void a_log_one_byte_longer_than_any_may_be_is_refused_with_its_size(void **state)
{
    OWN(bytes)
    struct bytes log = {calloc(1, IMA_LOG_SIZE_MAX + 1), IMA_LOG_SIZE_MAX + 1};

    (void)state;
    memcpy(log.data, few_log.data, few_log.size);
    OWN(run) struct run refused = run_with(bytes_view(&log), &few_pcr);
    assert_refused(step_transfer(&refused, NONE_TWICE), refused.refusal, REFUSAL_TOO_LARGE);
    assert_string_equal(refused.refusal.detail, "an IMA log of 33554433 bytes, at most 33554432");
    OWN(run)
    struct run accepted = run_with((struct view){log.data, IMA_LOG_SIZE_MAX}, &few_pcr);
    assert_ok(step_transfer(&accepted, NONE_TWICE));
}

/* Two bytes each: parsed, they would take a hundred megabytes. */
static void evidence_of_fields_that_nobody_knows_is_refused(void **state)
{
    OWN(bytes) struct bytes evidence = {malloc(4 << 20), 4 << 20};
    const struct renewal_binding binding = {.scope = bundle_scope(perimeter->bundle)};
    struct renewal_appraiser appraiser = {.now_s = PERIMETER_TEST_NOW_S};
    struct refusal refusal = {0};
    struct appraisal appraisal;

    (void)state;
    for (size_t i = 0; i < evidence.size; i += 2) {
        evidence.data[i] = 15 << 3; /* a number */
        evidence.data[i + 1] = 1;
    }
    memcpy(evidence.data, (uint8_t[]){1 << 3 | 2, 0}, 2); /* Evidence, empty */
    assert_refused(
        renewal_appraise(&binding, bytes_view(&evidence), &appraiser, &appraisal, &refusal),
        refusal, REFUSAL_MALFORMED);
    assert_string_equal(refusal.detail, "RenewEvidence");
}

static void evidence_larger_than_any_may_be_is_not_even_made(void **state)
{
    OWN(run) struct run run = run_with(bytes_view(&few_log), &few_pcr);
    OWN(bytes) struct bytes log = {calloc(1, EVIDENCE_MESSAGE_SIZE_MAX), EVIDENCE_MESSAGE_SIZE_MAX};
    struct evidence_view evidence = run.own.view;
    OWN(bytes) struct bytes message = {0};

    (void)state;
    evidence.ima_log = bytes_view(&log);
    assert_status(renewal_evidence(&evidence, &message), STATUS_TOO_LARGE);
}

/* --- the good case --- */

static void a_host_with_a_hundred_thousand_files_registers(void **state)
{
    OWN(run) struct run run = run_with(bytes_view(&many_log), &many_pcr);

    (void)state;
    assert_true(run.evidence.size > 15 << 20);
    assert_ok(step_transfer(&run, NONE_TWICE));
    assert_string_equal(run.facts.name, "n3");
    assert_int_equal(run.facts.appraisal.boot.ima.count, FILE_COUNT);
    assert_true(digest_equal(&run.facts.appraisal.boot.ima.aggregate, &many_pcr));
}

static void and_renews_with_all_of_them(void **state)
{
    struct test_host *host = &perimeter->logging_node;
    OWN(run) struct run run = run_with(bytes_view(&many_log), &many_pcr);
    const struct renewal_binding binding = {
        .scope = bundle_scope(perimeter->bundle),
        .nonce = {3},
        .registration_id = 5,
        .trusted_key = {view_string("sign"), view_string("kem")},
        .channel = {.exporter = {1}},
    };
    struct digest qualifying = renewal_quote_input(&binding);
    struct renewal_appraiser appraiser = {
        .is_whole = true, .ak_name = &host->ak_public.name, .now_s = PERIMETER_TEST_NOW_S};
    OWN(test_evidence) struct test_evidence quoted = {0};
    OWN(bytes) struct bytes message = {0}, received = {0};
    struct appraisal appraisal;

    (void)state;
    assert_ok(step_transfer(&run, NONE_TWICE));
    appraiser.policy = &run.facts.policy->pcrs;
    appraiser.previous = &run.facts.appraisal.boot;
    quoted = test_host_quote(host, digest_view(&qualifying), run.task.demand.pcr_mask);
    quoted.view.ima_log = bytes_view(&many_log);
    assert_ok(renewal_evidence(&quoted.view, &message));
    received = transfer(&message, NONE_TWICE);
    assert_ok(
        renewal_appraise(&binding, bytes_view(&received), &appraiser, &appraisal, &run.refusal));
    assert_int_equal(appraisal.boot.ima.count, FILE_COUNT);
    /* A part that came twice is no log of this host. */
    bytes_free(&received);
    assert_ok(renewal_evidence(&quoted.view, &message));
    received = transfer(&message, 1);
    assert_refused(
        renewal_appraise(&binding, bytes_view(&received), &appraiser, &appraisal, &run.refusal),
        run.refusal, REFUSAL_IMA_LOG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(large_evidence_that_was_not_announced_is_refused),
        cmocka_unit_test(an_announcement_by_somebody_else_is_refused),
        cmocka_unit_test(an_announcement_of_another_size_is_refused),
        cmocka_unit_test(an_announcement_of_another_registration_is_refused),
        cmocka_unit_test(a_second_announcement_is_refused),
        cmocka_unit_test(more_evidence_than_was_announced_is_refused),
        cmocka_unit_test(parts_that_change_places_or_come_twice_are_refused),
        cmocka_unit_test(a_log_one_byte_longer_than_any_may_be_is_refused_with_its_size),
        cmocka_unit_test(evidence_of_fields_that_nobody_knows_is_refused),
        cmocka_unit_test(evidence_larger_than_any_may_be_is_not_even_made),
        cmocka_unit_test(a_host_with_a_hundred_thousand_files_registers),
        cmocka_unit_test(and_renews_with_all_of_them),
    };
    return cmocka_run_group_tests_name("large_evidence", tests, setup, teardown);
}
