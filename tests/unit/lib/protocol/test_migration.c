#include "tests/support/vm.h"

#include "lib/protocol/migration_session.h"

static struct migration_expectation expectation_of(const struct vm_fixture *vm,
                                                   enum migration_side side)
{
    struct migration_expectation expectation = {
        .scope = vm->scope, .tc_sign = vm->tc_public, .side = side, .vm = vm->vm, .generation = 7};

    if (side == SIDE_SOURCE) {
        expectation.generation = 6; /* that it runs at; the ticket's decision made another */
        expectation.node = view_string(vm_source_name);
        expectation.registration = 5;
        expectation.tk_sign = public_key_spki(vm->tk_public);
        expectation.tk_kem = VIEW_OF_ARRAY(vm->tk_point);
    } else {
        expectation.node = view_string(vm_destination_name);
        expectation.registration = 6;
        expectation.tk_sign = public_key_spki(vm->peer_public);
        expectation.tk_kem = VIEW_OF_ARRAY(vm->peer_point);
        expectation.migration = 9;
    }
    return expectation;
}

static void assert_ticket(const struct vm_fixture *vm, const struct migration_ticket *ticket,
                          const struct migration_expectation *expectation,
                          enum refusal_code expected)
{
    OWN(bytes) struct bytes bytes = {0};
    struct migration_ticket seen = {.migration = 0};
    struct refusal refusal = {0};

    assert_ok(migration_ticket_make(ticket, &vm->scope, &vm->by_tc, &bytes));
    if (expected == REFUSAL_NONE) {
        assert_ok(migration_ticket_check(bytes_view(&bytes), expectation, &seen, &refusal));
        assert_int_equal(seen.migration, 9);
    } else {
        assert_refused(migration_ticket_check(bytes_view(&bytes), expectation, &seen, &refusal),
                       refusal, expected);
        assert_int_equal(seen.migration, 0);
    }
}

static void a_ticket_of_another_perimeter_epoch_or_signer_is_refused(void **state)
{
    struct vm_fixture *vm = *state;
    struct migration_ticket ticket = vm_migration_ticket(vm);
    struct migration_expectation expectation = expectation_of(vm, SIDE_SOURCE);

    expectation.scope = vm_other_perimeter(vm);
    assert_ticket(vm, &ticket, &expectation, REFUSAL_BAD_SIGNATURE);
    expectation.scope = vm_other_epoch(vm);
    assert_ticket(vm, &ticket, &expectation, REFUSAL_BAD_SIGNATURE);
    expectation = expectation_of(vm, SIDE_SOURCE);
    expectation.tc_sign = vm->stranger_public;
    assert_ticket(vm, &ticket, &expectation, REFUSAL_BAD_SIGNATURE);
}

static void a_ticket_for_other_nodes_or_the_other_side_is_refused(void **state)
{
    struct vm_fixture *vm = *state;
    struct migration_ticket ticket = vm_migration_ticket(vm);
    struct migration_expectation expectation = expectation_of(vm, SIDE_SOURCE);

    expectation.node = view_string("a third node");
    assert_ticket(vm, &ticket, &expectation, REFUSAL_ORDER);
    /* roles swapped: the source is told to be the destination */
    expectation = expectation_of(vm, SIDE_SOURCE);
    expectation.side = SIDE_DESTINATION;
    assert_ticket(vm, &ticket, &expectation, REFUSAL_ORDER);
    expectation = expectation_of(vm, SIDE_DESTINATION);
    expectation.side = SIDE_SOURCE;
    assert_ticket(vm, &ticket, &expectation, REFUSAL_ORDER);
}

static void a_ticket_for_another_registration_or_other_keys_is_refused(void **state)
{
    struct vm_fixture *vm = *state;

    for (enum migration_side side = SIDE_SOURCE; side < SIDE_COUNT; side++) {
        struct migration_ticket ticket = vm_migration_ticket(vm);
        struct migration_expectation expectation = expectation_of(vm, side);

        expectation.registration = 4;
        assert_ticket(vm, &ticket, &expectation, REFUSAL_REGISTRATION);
        expectation = expectation_of(vm, side);
        expectation.tk_sign = public_key_spki(vm->stranger_public);
        assert_ticket(vm, &ticket, &expectation, REFUSAL_ORDER);
        expectation = expectation_of(vm, side);
        expectation.tk_kem = VIEW_OF_ARRAY(vm->tc_point);
        assert_ticket(vm, &ticket, &expectation, REFUSAL_ORDER);
    }
}

static void a_ticket_for_another_vm_migration_or_generation_is_refused(void **state)
{
    struct vm_fixture *vm = *state;

    for (enum migration_side side = SIDE_SOURCE; side < SIDE_COUNT; side++) {
        struct migration_ticket ticket = vm_migration_ticket(vm);
        struct migration_expectation expectation = expectation_of(vm, side);

        expectation.vm = vm_other_digest(&vm->vm);
        assert_ticket(vm, &ticket, &expectation, REFUSAL_ORDER);
        expectation = expectation_of(vm, side);
        expectation.generation = 8; /* a replay of what was aborted before */
        assert_ticket(vm, &ticket, &expectation, REFUSAL_GENERATION);
        expectation.generation = side == SIDE_SOURCE ? 7 : 6;
        assert_ticket(vm, &ticket, &expectation, REFUSAL_GENERATION);
        expectation = expectation_of(vm, side);
        expectation.migration = 10;
        assert_ticket(vm, &ticket, &expectation, REFUSAL_ORDER);
    }
}

static void a_ticket_to_oneself_is_refused(void **state)
{
    struct vm_fixture *vm = *state;
    struct migration_ticket ticket = vm_migration_ticket(vm);
    struct migration_expectation expectation = expectation_of(vm, SIDE_SOURCE);

    vm_party(&ticket.parties[SIDE_DESTINATION], vm_source_name, 6, vm->peer_public, vm->peer_point);
    assert_ticket(vm, &ticket, &expectation, REFUSAL_ORDER);
    ticket = vm_migration_ticket(vm);
    ticket.parties[SIDE_DESTINATION].registration = 5;
    assert_ticket(vm, &ticket, &expectation, REFUSAL_ORDER);
}

static void no_changed_byte_of_a_ticket_passes(void **state)
{
    struct vm_fixture *vm = *state;
    struct migration_ticket ticket = vm_migration_ticket(vm), seen;
    struct migration_expectation expectation = expectation_of(vm, SIDE_SOURCE);
    OWN(bytes) struct bytes bytes = {0};

    assert_ok(migration_ticket_make(&ticket, &vm->scope, &vm->by_tc, &bytes));
    assert_no_changed_byte_passes(
        bytes, migration_ticket_check(bytes_view(&bytes), &expectation, &seen, NULL));
}

static void a_senseless_ticket_is_not_made(void **state)
{
    struct vm_fixture *vm = *state;
    OWN(bytes) struct bytes bytes = {0};
    struct migration_ticket tickets[5];

    for (size_t i = 0; i < ARRAY_SIZE(tickets); i++) {
        tickets[i] = vm_migration_ticket(vm);
    }
    tickets[0].migration = 0;
    tickets[1].generation = 0;
    tickets[2].lifetime_ms = 0;
    tickets[3].parties[SIDE_SOURCE].node_size = 0;
    tickets[4].parties[SIDE_DESTINATION].registration = 0;
    for (size_t i = 0; i < ARRAY_SIZE(tickets); i++) {
        assert_status(migration_ticket_make(&tickets[i], &vm->scope, &vm->by_tc, &bytes),
                      STATUS_MALFORMED);
    }
}

/* Signed twice, the ticket is the same: both nodes come to one K_S, whoever signed theirs. */
static void both_sides_see_one_ticket(void **state)
{
    struct vm_fixture *vm = *state;
    struct migration_ticket ticket = vm_migration_ticket(vm), at_source, at_destination;
    struct migration_expectation source = expectation_of(vm, SIDE_SOURCE),
                                 destination = expectation_of(vm, SIDE_DESTINATION);
    OWN(bytes) struct bytes first = {0};
    OWN(bytes) struct bytes second = {0};

    assert_ok(migration_ticket_make(&ticket, &vm->scope, &vm->by_tc, &first));
    assert_ok(migration_ticket_make(&ticket, &vm->scope, &vm->by_tc, &second));
    assert_ok(migration_ticket_check(bytes_view(&first), &source, &at_source, NULL));
    assert_ok(migration_ticket_check(bytes_view(&second), &destination, &at_destination, NULL));
    assert_true(digest_equal(&at_source.digest, &at_destination.digest));
}

/* H(ticket) is the context of K_S: each field must move it. */
static void the_digest_of_a_ticket_depends_on_every_field(void **state)
{
    struct vm_fixture *vm = *state;
    struct migration_ticket tickets[14];
    struct digest digests[ARRAY_SIZE(tickets)];

    for (size_t i = 0; i < ARRAY_SIZE(tickets); i++) {
        OWN(bytes) struct bytes bytes = {0};
        OWN(signed_message) struct signed_message parts = {{0}, {0}};
        struct migration_party *party = &tickets[i].parties[i % 2];

        tickets[i] = vm_migration_ticket(vm);
        switch (i / 2) {
        case 0:
            tickets[i].migration += i;
            break;
        case 1:
            party->node[0] ^= 1;
            break;
        case 2:
            party->registration += 10;
            break;
        case 3:
            party->tk_sign[90] ^= 1;
            break;
        case 4:
            party->tk_kem[64] ^= 1;
            break;
        case 5:
            tickets[i].nonces[i % 2][0] ^= 1;
            break;
        case 6:
            tickets[i].generation += i % 2;
            tickets[i].lifetime_ms += 1 - i % 2;
            break;
        }
        assert_ok(migration_ticket_make(&tickets[i], &vm->scope, &vm->by_tc, &bytes));
        assert_ok(signed_message_parse(SIGNED_MIGRATION_TICKET, bytes_view(&bytes), &parts, NULL));
        digests[i] = sha256(bytes_view(&parts.document));
        for (size_t before = 0; before < i; before++) {
            assert_false(digest_equal(&digests[before], &digests[i]));
        }
    }
}

/* ---- the other end of the connection ---- */

static void a_peer_that_the_ticket_does_not_name_is_refused(void **state)
{
    struct vm_fixture *vm = *state;
    struct migration_ticket ticket = vm_migration_ticket(vm);
    const struct {
        enum certificate_role role;
        uint64_t registration;
        const struct public_key *sign;
        const uint8_t *kem;
        const struct private_key *signer;
        enum refusal_code code;
    } cases[] = {
        {ROLE_NODE, 7, vm->peer_public, vm->peer_point, vm->tc_sign, REFUSAL_ORDER},
        {ROLE_NODE, 6, vm->stranger_public, vm->peer_point, vm->tc_sign, REFUSAL_ORDER},
        {ROLE_NODE, 6, vm->peer_public, vm->tk_point, vm->tc_sign, REFUSAL_ORDER},
        {ROLE_NODE, 6, vm->peer_public, NULL, vm->tc_sign, REFUSAL_ORDER},
        {ROLE_MEMBER, 6, vm->peer_public, vm->peer_point, vm->tc_sign, REFUSAL_CERTIFICATE_ROLE},
        {ROLE_NODE, 6, vm->peer_public, vm->peer_point, vm->stranger, REFUSAL_CERTIFICATE_CHAIN},
    };
    struct refusal refusal;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        OWN(bytes)
        struct bytes der = vm_certificate(vm, cases[i].role, cases[i].registration, cases[i].sign,
                                          cases[i].kem, cases[i].signer);

        assert_refused(migration_peer_check(&ticket, SIDE_SOURCE, bytes_view(&der), &vm->scope,
                                            vm->tc_public, &refusal),
                       refusal, cases[i].code);
    }
}

static void the_peer_of_the_ticket_is_accepted_whatever_its_dates(void **state)
{
    struct vm_fixture *vm = *state;
    struct migration_ticket ticket = vm_migration_ticket(vm);
    OWN(bytes)
    struct bytes peer =
        vm_certificate(vm, ROLE_NODE, 6, vm->peer_public, vm->peer_point, vm->tc_sign);
    OWN(bytes)
    struct bytes own = vm_certificate(vm, ROLE_NODE, 5, vm->tk_public, vm->tk_point, vm->tc_sign);

    assert_ok(migration_peer_check(&ticket, SIDE_SOURCE, bytes_view(&peer), &vm->scope,
                                   vm->tc_public, NULL));
    assert_ok(migration_peer_check(&ticket, SIDE_DESTINATION, bytes_view(&own), &vm->scope,
                                   vm->tc_public, NULL));
    /* one's own certificate, reflected */
    assert_status(migration_peer_check(&ticket, SIDE_SOURCE, bytes_view(&own), &vm->scope,
                                       vm->tc_public, NULL),
                  STATUS_REFUSED);
}

/* ---- sessions ---- */

static void every_channel_and_direction_has_a_key_and_a_token_of_its_own(void **state)
{
    struct vm_fixture *vm = *state;
    struct scope scopes[] = {vm->scope, vm_other_perimeter(vm), vm_other_epoch(vm)};
    struct view secrets[] = {VIEW_OF_ARRAY(vm->nonce), VIEW_OF_ARRAY(vm->key)};
    struct digest seen[128];
    size_t count = 0;

    for (size_t scope = 0; scope < ARRAY_SIZE(scopes); scope++) {
        for (size_t secret = 0; secret < ARRAY_SIZE(secrets); secret++) {
            seen[count++] = migration_session_id(&scopes[scope], secrets[secret]);
            for (unsigned i = 0; i < 6; i++) {
                OWN(secret) struct secret key = {0};

                migration_channel_token(&scopes[scope], secrets[secret],
                                        (enum migration_channel)(i / 2),
                                        (enum migration_direction)(i % 2), &seen[count++]);
                assert_ok(migration_channel_key(&scopes[scope], secrets[secret],
                                                (enum migration_channel)(i / 2),
                                                (enum migration_direction)(i % 2), &key));
                assert_ok(digest_of_view(secret_view(&key), &seen[count++]));
            }
        }
    }
    for (size_t i = 0; i < count; i++) {
        for (size_t before = 0; before < i; before++) {
            assert_false(digest_equal(&seen[i], &seen[before]));
        }
    }
}

/* ---- reports ---- */

static struct migration_report report_of(const struct vm_fixture *vm)
{
    return (struct migration_report){.side = SIDE_SOURCE,
                                     .migration = 9,
                                     .vm = vm->vm,
                                     .generation = 7,
                                     .session = sha256(view_string("session")),
                                     .configuration = sha256(view_string("machine"))};
}

static struct migration_report_expectation report_expectation_of(const struct vm_fixture *vm)
{
    return (struct migration_report_expectation){.scope = vm->scope,
                                                 .tk_sign = vm->tk_public,
                                                 .side = SIDE_SOURCE,
                                                 .migration = 9,
                                                 .vm = vm->vm,
                                                 .generation = 7};
}

static void assert_report(const struct vm_fixture *vm,
                          const struct migration_report_expectation *expectation,
                          enum refusal_code expected)
{
    struct migration_report report = report_of(vm), seen;
    OWN(bytes) struct bytes bytes = {0};
    struct refusal refusal = {0};

    assert_ok(migration_report_make(&report, &vm->scope, &vm->by_node, &bytes));
    assert_refused(migration_report_check(bytes_view(&bytes), expectation, &seen, &refusal),
                   refusal, expected);
}

static void a_report_that_does_not_fit_is_refused(void **state)
{
    struct vm_fixture *vm = *state;
    struct migration_report_expectation expectation = report_expectation_of(vm);

    expectation.tk_sign = vm->peer_public;
    assert_report(vm, &expectation, REFUSAL_BAD_SIGNATURE);
    expectation = report_expectation_of(vm);
    expectation.scope = vm_other_perimeter(vm);
    assert_report(vm, &expectation, REFUSAL_BAD_SIGNATURE);
    expectation.scope = vm_other_epoch(vm);
    assert_report(vm, &expectation, REFUSAL_BAD_SIGNATURE);
    expectation = report_expectation_of(vm);
    expectation.side = SIDE_DESTINATION;
    assert_report(vm, &expectation, REFUSAL_ORDER);
    expectation = report_expectation_of(vm);
    expectation.migration = 8;
    assert_report(vm, &expectation, REFUSAL_ORDER);
    expectation = report_expectation_of(vm);
    expectation.vm = vm_other_digest(&vm->vm);
    assert_report(vm, &expectation, REFUSAL_ORDER);
    expectation = report_expectation_of(vm);
    expectation.generation = 8;
    assert_report(vm, &expectation, REFUSAL_GENERATION);
}

static void no_changed_byte_of_a_report_passes(void **state)
{
    struct vm_fixture *vm = *state;
    struct migration_report report = report_of(vm), seen;
    struct migration_report_expectation expectation = report_expectation_of(vm);
    OWN(bytes) struct bytes bytes = {0};

    assert_ok(migration_report_make(&report, &vm->scope, &vm->by_node, &bytes));
    assert_no_changed_byte_passes(
        bytes, migration_report_check(bytes_view(&bytes), &expectation, &seen, NULL));
    assert_ok(migration_report_check(bytes_view(&bytes), &expectation, &seen, NULL));
    assert_true(digest_equal(&seen.session, &report.session));
    assert_true(digest_equal(&seen.configuration, &report.configuration));
}

static void a_report_without_a_session_is_refused(void **state)
{
    struct vm_fixture *vm = *state;
    struct migration_report report = report_of(vm), seen;
    struct migration_report_expectation expectation = report_expectation_of(vm);
    OWN(bytes) struct bytes bytes = {0};
    struct refusal refusal;

    report.session = (struct digest){{0}};
    assert_ok(migration_report_make(&report, &vm->scope, &vm->by_node, &bytes));
    assert_refused(migration_report_check(bytes_view(&bytes), &expectation, &seen, &refusal),
                   refusal, REFUSAL_MALFORMED);
}

/* ---- decisions ---- */

static struct migration_decision done_of(const struct vm_fixture *vm)
{
    return (struct migration_decision){.verdict = MIGRATION_IS_DONE,
                                       .migration = 9,
                                       .vm = vm->vm,
                                       .owner_registration = 6,
                                       .generation = 8,
                                       .session = sha256(view_string("session"))};
}

static struct migration_decision aborted_of(const struct vm_fixture *vm)
{
    struct migration_decision decision = done_of(vm);

    decision.verdict = MIGRATION_IS_ABORTED;
    decision.owner_registration = 5;
    return decision;
}

static struct migration_decision_expectation decision_expectation_of(const struct vm_fixture *vm)
{
    return (struct migration_decision_expectation){.scope = vm->scope,
                                                   .tc_sign = vm->tc_public,
                                                   .migration = 9,
                                                   .vm = vm->vm,
                                                   .generation = 7,
                                                   .registrations = {5, 6},
                                                   .session = sha256(view_string("session"))};
}

static void assert_decision(const struct vm_fixture *vm, const struct migration_decision *decision,
                            const struct migration_decision_expectation *expectation,
                            enum refusal_code expected)
{
    OWN(bytes) struct bytes bytes = {0};
    struct migration_decision seen;
    struct refusal refusal = {0};

    assert_ok(migration_decision_make(decision, &vm->scope, &vm->by_tc, &bytes));
    if (expected == REFUSAL_NONE) {
        assert_ok(migration_decision_check(bytes_view(&bytes), expectation, &seen, &refusal));
        assert_int_equal(seen.verdict, decision->verdict);
    } else {
        assert_refused(migration_decision_check(bytes_view(&bytes), expectation, &seen, &refusal),
                       refusal, expected);
    }
}

static void a_decision_that_does_not_fit_is_refused(void **state)
{
    struct vm_fixture *vm = *state;
    const struct migration_decision decisions[] = {done_of(vm), aborted_of(vm)};

    for (size_t i = 0; i < ARRAY_SIZE(decisions); i++) {
        struct migration_decision_expectation expectation = decision_expectation_of(vm);

        expectation.tc_sign = vm->stranger_public;
        assert_decision(vm, &decisions[i], &expectation, REFUSAL_BAD_SIGNATURE);
        expectation = decision_expectation_of(vm);
        expectation.scope = vm_other_perimeter(vm);
        assert_decision(vm, &decisions[i], &expectation, REFUSAL_BAD_SIGNATURE);
        expectation.scope = vm_other_epoch(vm);
        assert_decision(vm, &decisions[i], &expectation, REFUSAL_BAD_SIGNATURE);
        expectation = decision_expectation_of(vm);
        expectation.migration = 8;
        assert_decision(vm, &decisions[i], &expectation, REFUSAL_ORDER);
        expectation = decision_expectation_of(vm);
        expectation.vm = vm_other_digest(&vm->vm);
        assert_decision(vm, &decisions[i], &expectation, REFUSAL_ORDER);
        expectation = decision_expectation_of(vm);
        expectation.generation = 8;
        assert_decision(vm, &decisions[i], &expectation, REFUSAL_GENERATION);
        /* another session of the same migration: its state is worthless */
        expectation = decision_expectation_of(vm);
        expectation.session = vm_other_digest(&expectation.session);
        assert_decision(vm, &decisions[i], &expectation, REFUSAL_ORDER);
        expectation = decision_expectation_of(vm);
        assert_decision(vm, &decisions[i], &expectation, REFUSAL_NONE);
    }
}

static void a_decision_that_gives_the_vm_to_the_wrong_side_is_refused(void **state)
{
    struct vm_fixture *vm = *state;
    struct migration_decision_expectation expectation = decision_expectation_of(vm);
    struct migration_decision done = done_of(vm), aborted = aborted_of(vm);

    done.owner_registration = 5;
    assert_decision(vm, &done, &expectation, REFUSAL_ORDER);
    done.owner_registration = 7;
    assert_decision(vm, &done, &expectation, REFUSAL_ORDER);
    aborted.owner_registration = 6;
    assert_decision(vm, &aborted, &expectation, REFUSAL_ORDER);
}

static void only_an_abort_may_come_without_a_session(void **state)
{
    struct vm_fixture *vm = *state;
    struct migration_decision_expectation expectation = decision_expectation_of(vm);
    struct migration_decision done = done_of(vm), aborted = aborted_of(vm);
    OWN(bytes) struct bytes bytes = {0};

    expectation.session = (struct digest){{0}}; /* this node has none yet */
    assert_decision(vm, &done, &expectation, REFUSAL_ORDER);
    assert_decision(vm, &aborted, &expectation, REFUSAL_NONE);
    expectation = decision_expectation_of(vm);
    aborted.session = (struct digest){{0}};
    assert_decision(vm, &aborted, &expectation, REFUSAL_NONE);
    done.session = (struct digest){{0}};
    assert_status(migration_decision_make(&done, &vm->scope, &vm->by_tc, &bytes), STATUS_MALFORMED);
}

static void no_changed_byte_of_a_decision_passes(void **state)
{
    struct vm_fixture *vm = *state;
    struct migration_decision decision = done_of(vm), seen;
    struct migration_decision_expectation expectation = decision_expectation_of(vm);
    OWN(bytes) struct bytes bytes = {0};

    assert_ok(migration_decision_make(&decision, &vm->scope, &vm->by_tc, &bytes));
    assert_no_changed_byte_passes(
        bytes, migration_decision_check(bytes_view(&bytes), &expectation, &seen, NULL));
}

static void good_tickets_hold_for_both_sides(void **state)
{
    struct vm_fixture *vm = *state;
    struct migration_ticket ticket = vm_migration_ticket(vm);

    for (enum migration_side side = SIDE_SOURCE; side < SIDE_COUNT; side++) {
        struct migration_expectation expectation = expectation_of(vm, side);

        assert_ticket(vm, &ticket, &expectation, REFUSAL_NONE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ticket_of_another_perimeter_epoch_or_signer_is_refused),
        cmocka_unit_test(a_ticket_for_other_nodes_or_the_other_side_is_refused),
        cmocka_unit_test(a_ticket_for_another_registration_or_other_keys_is_refused),
        cmocka_unit_test(a_ticket_for_another_vm_migration_or_generation_is_refused),
        cmocka_unit_test(a_ticket_to_oneself_is_refused),
        cmocka_unit_test(no_changed_byte_of_a_ticket_passes),
        cmocka_unit_test(a_senseless_ticket_is_not_made),
        cmocka_unit_test(both_sides_see_one_ticket),
        cmocka_unit_test(the_digest_of_a_ticket_depends_on_every_field),
        cmocka_unit_test(a_peer_that_the_ticket_does_not_name_is_refused),
        cmocka_unit_test(the_peer_of_the_ticket_is_accepted_whatever_its_dates),
        cmocka_unit_test(every_channel_and_direction_has_a_key_and_a_token_of_its_own),
        cmocka_unit_test(a_report_that_does_not_fit_is_refused),
        cmocka_unit_test(no_changed_byte_of_a_report_passes),
        cmocka_unit_test(a_report_without_a_session_is_refused),
        cmocka_unit_test(a_decision_that_does_not_fit_is_refused),
        cmocka_unit_test(a_decision_that_gives_the_vm_to_the_wrong_side_is_refused),
        cmocka_unit_test(only_an_abort_may_come_without_a_session),
        cmocka_unit_test(no_changed_byte_of_a_decision_passes),
        cmocka_unit_test(good_tickets_hold_for_both_sides),
    };

    return cmocka_run_group_tests(tests, vm_set_up, vm_tear_down);
}
