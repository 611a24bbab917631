/* The client's side of asking: whom it trusts, and what it does when answers are lost. */
#include "cli/session.h"

#include "cli/commands.h"

#include "lib/base/protobuf.h"

#include "tests/support/member.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <unistd.h>

/* --- what members say --- */

static void answers(struct member *member, struct connection *connection,
                    const Tccp__AdminRequest *request)
{
    Tccp__AdminResponse response = TCCP__ADMIN_RESPONSE__INIT;
    Tccp__Done done;

    (void)member;
    if (request->kind_case == TCCP__ADMIN_REQUEST__KIND_SESSION_OPEN) {
        member_open_session(connection, request);
        return;
    }
    tccp__done__init(&done);
    done.revision = 5;
    response.kind_case = TCCP__ADMIN_RESPONSE__KIND_DONE;
    response.done = &done;
    member_reply(connection, request, &response);
}

/* Takes the first change and hangs up. */
static void loses_first_answer(struct member *member, struct connection *connection,
                               const Tccp__AdminRequest *request)
{
    if (member->count <= 2 && request->kind_case != TCCP__ADMIN_REQUEST__KIND_SESSION_OPEN) {
        connection_abort(connection, STATUS_CLOSED, "lost");
    } else {
        answers(member, connection, request);
    }
}

/* Does not lead; names another address. */
static void redirects(struct member *member, struct connection *connection,
                      const Tccp__AdminRequest *request)
{
    member_redirect(member, connection, request);
}

static void denies(struct member *member, struct connection *connection,
                   const Tccp__AdminRequest *request)
{
    (void)member;
    member_refuse(connection, request, "not-authorized", "");
}

static void talks_nonsense(struct member *member, struct connection *connection,
                           const Tccp__AdminRequest *request)
{
    (void)member;
    (void)request;
    assert_ok(connection_send(connection, view_string("\xff\xff\xff")));
}

static void stays_silent(struct member *member, struct connection *connection,
                         const Tccp__AdminRequest *request)
{
    (void)member;
    (void)connection;
    (void)request;
}

/* Issues a certificate, but for another key: its own. */
static void enrolls_another(struct member *member, struct connection *connection,
                            const Tccp__AdminRequest *request)
{
    Tccp__AdminResponse response = TCCP__ADMIN_RESPONSE__INIT;
    Tccp__Enrolled enrolled;

    tccp__enrolled__init(&enrolled);
    enrolled.certificate = protobuf_data(bytes_view(&member->leaf));
    response.kind_case = TCCP__ADMIN_RESPONSE__KIND_ENROLLED;
    response.enrolled = &enrolled;
    member_reply(connection, request, &response);
}

static enum exit_code note_ask(const struct run *run, enum session_kind kind)
{
    Tccp__AdminRequest request = TCCP__ADMIN_REQUEST__INIT;
    OWN(admin_response) Tccp__AdminResponse *response = NULL;
    Tccp__AuditNote text;

    tccp__audit_note__init(&text);
    request.kind_case = TCCP__ADMIN_REQUEST__KIND_AUDIT_NOTE;
    request.audit_note = &text;
    return ask_once(&run->cli, kind, "write a note", &request, TCCP__ADMIN_RESPONSE__KIND_DONE,
                    &response);
}

/* One member, one question. */
static enum exit_code ask_member(struct member *member, const struct world *world,
                                 member_answer answer, enum certificate_role role,
                                 const struct private_key *authority, enum session_kind kind)
{
    enum exit_code exit_code;
    struct run run;

    member_start(member, world, answer, NULL, role, authority);
    run_new(&run, world, member->address);
    exit_code = note_ask(&run, kind);
    member_stop(member);
    return exit_code;
}

/* --- trust --- */

static void a_server_that_is_no_member_is_not_trusted(void **state)
{
    OWN(world) struct world *world = world_new();
    struct member member;

    (void)state;
    assert_int_equal(
        ask_member(&member, world, answers, ROLE_NODE, world->perimeter->tc_sign, SESSION_CHANGE),
        EXIT_UNTRUSTED);
    assert_int_equal(member.count, 0);
    assert_int_equal(ask_member(&member, world, answers, ROLE_OPERATOR, world->perimeter->tc_sign,
                                SESSION_CHANGE),
                     EXIT_UNTRUSTED);
    assert_int_equal(member.count, 0);
}

static void a_server_under_another_authority_is_not_trusted(void **state)
{
    OWN(world) struct world *world = world_new();
    struct member member;

    (void)state;
    assert_int_equal(
        ask_member(&member, world, answers, ROLE_MEMBER, world->perimeter->tc_kem, SESSION_CHANGE),
        EXIT_UNTRUSTED);
    assert_int_equal(member.count, 0);
}

/* --- answers --- */

static void a_change_carries_session_and_number(void **state)
{
    OWN(world) struct world *world = world_new();
    struct member member;

    (void)state;
    assert_int_equal(
        ask_member(&member, world, answers, ROLE_MEMBER, world->perimeter->tc_sign, SESSION_CHANGE),
        EXIT_DONE);
    assert_int_equal(member.count, 2);
    assert_int_equal(member.kinds[0], TCCP__ADMIN_REQUEST__KIND_SESSION_OPEN);
    assert_int_equal(member.sessions[1], 77);
    assert_int_equal(member.numbers[1], 1);
}

static void a_change_whose_answer_was_lost_is_asked_again_with_the_same_id(void **state)
{
    OWN(world) struct world *world = world_new();
    struct member member;

    (void)state;
    assert_int_equal(ask_member(&member, world, loses_first_answer, ROLE_MEMBER,
                                world->perimeter->tc_sign, SESSION_CHANGE),
                     EXIT_DONE);
    assert_int_equal(member.count, 3);
    assert_int_equal(member.kinds[2], TCCP__ADMIN_REQUEST__KIND_AUDIT_NOTE);
    assert_int_equal(member.sessions[2], member.sessions[1]);
    assert_int_equal(member.numbers[2], member.numbers[1]);
}

static void what_has_no_id_is_not_asked_again_once_it_was_sent(void **state)
{
    OWN(world) struct world *world = world_new();
    struct member member;

    (void)state;
    assert_int_equal(ask_member(&member, world, loses_first_answer, ROLE_MEMBER,
                                world->perimeter->tc_sign, SESSION_ONCE),
                     EXIT_FAILED);
    assert_int_equal(member.count, 1);
}

static void a_member_that_does_not_lead_sends_to_the_one_that_does(void **state)
{
    OWN(world) struct world *world = world_new();
    struct member follower, leader;
    struct run run;

    (void)state;
    member_start(&leader, world, answers, NULL, ROLE_MEMBER, world->perimeter->tc_sign);
    member_start(&follower, world, redirects, NULL, ROLE_MEMBER, world->perimeter->tc_sign);
    (void)snprintf(follower.leader, sizeof follower.leader, "%s", leader.address);
    run_new(&run, world, follower.address);
    assert_int_equal(note_ask(&run, SESSION_CHANGE), EXIT_DONE);
    member_stop(&follower);
    member_stop(&leader);
    assert_int_equal(follower.count, 1);
    assert_int_equal(leader.count, 2);
}

static void without_a_leader_it_ends_as_not_ready(void **state)
{
    OWN(world) struct world *world = world_new();
    struct member member;
    struct run run;

    (void)state;
    member_start(&member, world, redirects, NULL, ROLE_MEMBER, world->perimeter->tc_sign);
    run_new(&run, world, member.address);
    run.cli.timeout_s = 1;
    assert_int_equal(note_ask(&run, SESSION_READ), EXIT_NOT_READY);
    member_stop(&member);
    /* It is asked again, with growing pauses. */
    assert_in_range(member.count, 2, 12);
}

static void refusals_nonsense_and_silence_end_each_in_its_way(void **state)
{
    OWN(world) struct world *world = world_new();
    const struct private_key *tc_sign = world->perimeter->tc_sign;
    struct member member;
    struct run run;

    (void)state;
    assert_int_equal(ask_member(&member, world, denies, ROLE_MEMBER, tc_sign, SESSION_CHANGE),
                     EXIT_DENIED);
    assert_int_equal(
        ask_member(&member, world, talks_nonsense, ROLE_MEMBER, tc_sign, SESSION_CHANGE),
        EXIT_FAILED);
    member_start(&member, world, stays_silent, NULL, ROLE_MEMBER, tc_sign);
    run_new(&run, world, member.address);
    run.cli.timeout_s = 1;
    assert_int_equal(note_ask(&run, SESSION_CHANGE), EXIT_TIMED_OUT);
    member_stop(&member);
}

static void a_certificate_for_another_key_is_not_kept(void **state)
{
    OWN(world) struct world *world = world_new();
    struct member member;
    char path[128];
    struct run run;

    (void)state;
    (void)snprintf(path, sizeof path, "%s/user.key.crt", world->folder);
    assert_int_equal(unlink(path), 0);
    /* What it issues is its own certificate: genuine, under the right authority. */
    member_start(&member, world, enrolls_another, NULL, ROLE_MEMBER, world->perimeter->tc_sign);
    run_new(&run, world, member.address);
    assert_int_equal(user_enroll(&run.cli), EXIT_UNTRUSTED);
    assert_int_not_equal(access(path, F_OK), 0);
    member_stop(&member);
}

static void what_was_seen_is_remembered(void **state)
{
    OWN(world) struct world *world = world_new();
    char path[256], id[PERIMETER_ID_TEXT_SIZE], line[64] = "";
    struct member member;
    FILE *file;

    (void)state;
    assert_int_equal(
        ask_member(&member, world, answers, ROLE_MEMBER, world->perimeter->tc_sign, SESSION_READ),
        EXIT_DONE);
    perimeter_id_print(&world->perimeter->root.id, id);
    (void)snprintf(path, sizeof path, "%s/tccp/%s.seen", world->folder, id);
    file = fopen(path, "r");
    assert_non_null(file);
    assert_non_null(fgets(line, sizeof line, file));
    (void)fclose(file);
    assert_string_equal(line, "0 1 0\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_that_is_no_member_is_not_trusted),
        cmocka_unit_test(a_server_under_another_authority_is_not_trusted),
        cmocka_unit_test(a_change_carries_session_and_number),
        cmocka_unit_test(a_change_whose_answer_was_lost_is_asked_again_with_the_same_id),
        cmocka_unit_test(what_has_no_id_is_not_asked_again_once_it_was_sent),
        cmocka_unit_test(a_member_that_does_not_lead_sends_to_the_one_that_does),
        cmocka_unit_test(without_a_leader_it_ends_as_not_ready),
        cmocka_unit_test(refusals_nonsense_and_silence_end_each_in_its_way),
        cmocka_unit_test(a_certificate_for_another_key_is_not_kept),
        cmocka_unit_test(what_was_seen_is_remembered),
    };
    return cmocka_run_group_tests_name("session", tests, NULL, NULL);
}
