/* The client's side of asking: whom it trusts, and what it does when answers are lost. */
#include "cli/session.h"

#include "cli/commands.h"

#include "lib/base/protobuf.h"
#include "lib/crypto/x509.h"
#include "lib/net/connection.h"

#include "tests/support/perimeter.h"
#include "tests/support/test.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

/* --- a member that says what the test wants --- */

enum behaviour {
    ANSWERS,
    LOSES_FIRST_ANSWER, /* takes the first change and hangs up */
    REDIRECTS,          /* does not lead; names another address */
    DENIES,
    TALKS_NONSENSE,
    STAYS_SILENT,
    ENROLLS_ANOTHER, /* issues a certificate, but for another key */
};

enum { REQUEST_COUNT_MAX = 64 };

struct member {
    enum behaviour behaviour;
    char address[64], leader[64];
    struct bytes issued; /* with ENROLLS_ANOTHER */
    uv_loop_t loop;
    uv_async_t stop;
    struct listener *listener;
    struct tls_context *tls;
    pthread_t thread;
    /* Read after the thread has ended, or between answers. */
    size_t count;
    Tccp__AdminRequest__KindCase kinds[REQUEST_COUNT_MAX];
    uint64_t sessions[REQUEST_COUNT_MAX], numbers[REQUEST_COUNT_MAX];
};

static void answer(struct connection *connection, const struct member *member,
                   const Tccp__AdminRequest *request)
{
    Tccp__AdminResponse response = TCCP__ADMIN_RESPONSE__INIT;
    Tccp__SessionOpened opened = TCCP__SESSION_OPENED__INIT;
    Tccp__Enrolled enrolled;
    Tccp__Failure failure;
    Tccp__Done done;
    OWN(bytes) struct bytes bytes = {0};

    tccp__enrolled__init(&enrolled);
    tccp__failure__init(&failure);
    tccp__done__init(&done);
    response.tag = request->tag;
    if (member->behaviour == REDIRECTS || member->behaviour == DENIES) {
        failure.reason =
            protobuf_string(member->behaviour == DENIES ? "not-authorized" : "not-leader");
        failure.leader_address = protobuf_string(member->leader);
        response.kind_case = TCCP__ADMIN_RESPONSE__KIND_FAILURE;
        response.failure = &failure;
    } else if (member->behaviour == ENROLLS_ANOTHER) {
        enrolled.certificate = protobuf_data(bytes_view(&member->issued));
        response.kind_case = TCCP__ADMIN_RESPONSE__KIND_ENROLLED;
        response.enrolled = &enrolled;
    } else if (request->kind_case == TCCP__ADMIN_REQUEST__KIND_SESSION_OPEN) {
        opened.session = 77;
        response.kind_case = TCCP__ADMIN_RESPONSE__KIND_SESSION_OPENED;
        response.session_opened = &opened;
    } else {
        done.revision = 5;
        response.kind_case = TCCP__ADMIN_RESPONSE__KIND_DONE;
        response.done = &done;
    }
    assert_ok(protobuf_pack(&response.base, FRAME_SIZE_MAX, &bytes));
    assert_ok(connection_send(connection, bytes_view(&bytes)));
}

static void on_frame(struct connection *connection, void *argument, struct view frame)
{
    struct member *member = argument;
    Tccp__AdminRequest *request = tccp__admin_request__unpack(NULL, frame.size, frame.data);
    size_t place = member->count;
    bool is_first_change;

    assert_non_null(request);
    assert_true(place < REQUEST_COUNT_MAX);
    member->kinds[place] = request->kind_case;
    member->sessions[place] = request->id ? request->id->session : 0;
    member->numbers[place] = request->id ? request->id->number : 0;
    member->count++;
    is_first_change = place < 2 && request->kind_case != TCCP__ADMIN_REQUEST__KIND_SESSION_OPEN;
    if (member->behaviour == LOSES_FIRST_ANSWER && is_first_change) {
        connection_abort(connection, STATUS_CLOSED, "lost");
    } else if (member->behaviour == TALKS_NONSENSE) {
        assert_ok(connection_send(connection, view_string("\xff\xff\xff")));
    } else if (member->behaviour != STAYS_SILENT) {
        answer(connection, member, request);
    }
    tccp__admin_request__free_unpacked(request, NULL);
}

static void on_open(struct connection *connection, void *argument,
                    const struct connection_peer *peer)
{
    (void)connection;
    (void)argument;
    (void)peer;
}

static void on_close(struct connection *connection, void *argument, enum status reason,
                     const char *detail)
{
    (void)connection;
    (void)argument;
    (void)reason;
    (void)detail;
}

static void on_stop(uv_async_t *async)
{
    struct member *member = async->data;

    uv_close((uv_handle_t *)async, NULL);
    listener_close(member->listener, NULL, NULL);
}

static void *member_run(void *argument)
{
    struct member *member = argument;

    (void)uv_run(&member->loop, UV_RUN_DEFAULT);
    return NULL;
}

static enum status accept_anybody(void *argument, const struct view *chain, size_t count,
                                  struct refusal *ret_refusal)
{
    (void)argument;
    (void)chain;
    (void)count;
    (void)ret_refusal;
    return STATUS_OK;
}

/* --- the perimeter, the user, and the program's settings --- */

struct world {
    struct perimeter_test *perimeter;
    char folder[64];
    struct private_key *user, *server;
    struct bytes ca;
};

static struct world *world_new(void)
{
    struct world *world = calloc(1, sizeof *world);
    OWN(bytes) struct bytes bundle = {0}, extension = {0}, certificate = {0};
    OWN(secret) struct secret pem = {0};
    Tccp__PerimeterBundle *message;
    char path[128];
    FILE *file;

    assert_non_null(world);
    world->perimeter = perimeter_test_new();
    (void)snprintf(world->folder, sizeof world->folder, "/tmp/tccp-session.XXXXXX");
    assert_non_null(mkdtemp(world->folder));
    assert_int_equal(setenv("XDG_STATE_HOME", world->folder, 1), 0);
    assert_ok(private_key_generate(KEY_ECDSA_P256, &world->user));
    assert_ok(private_key_generate(KEY_ECDSA_P256, &world->server));
    bundle = perimeter_test_bundle_at(world->perimeter, 1, 1, (uint64_t)time(NULL));
    message = tccp__perimeter_bundle__unpack(NULL, bundle.size, bundle.data);
    assert_ok(cluster_trust_extension(message, &extension));
    tccp__perimeter_bundle__free_unpacked(message, NULL);
    assert_ok(certificate_make_authority(world->perimeter->tc_sign, bytes_view(&extension),
                                         (uint64_t)time(NULL) - 60, (uint64_t)time(NULL) + 600,
                                         &world->ca));
    (void)snprintf(path, sizeof path, "%s/user.key", world->folder);
    assert_ok(private_key_to_pem(world->user, (struct view){NULL, 0}, &pem));
    file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(pem.data, 1, pem.size, file), pem.size);
    (void)fclose(file);
    assert_ok(certificate_make_bare(world->user, (uint64_t)time(NULL) - 60,
                                    (uint64_t)time(NULL) + 600, &certificate));
    (void)snprintf(path, sizeof path, "%s/user.key.crt", world->folder);
    file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(certificate.data, 1, certificate.size, file), certificate.size);
    (void)fclose(file);
    return world;
}

static void world_free(struct world *world)
{
    char command[128];

    (void)snprintf(command, sizeof command, "rm -r '%s'", world->folder);
    assert_int_equal(system(command), 0);
    perimeter_test_free(world->perimeter);
    private_key_free(world->user);
    private_key_free(world->server);
    bytes_free(&world->ca);
    free(world);
}
DEFINE_OWN_POINTER(world, world_free)

/* What a member shows: a leaf of this role under `authority`, and the CA certificate. */
static void member_start(struct member *member, const struct world *world, enum behaviour behaviour,
                         enum certificate_role role, const struct private_key *authority)
{
    static const char *const alpn[] = {"tccp-admin/1", NULL};
    struct view spki = private_key_spki(world->server), chain[2];
    struct certificate content = {
        .role = role,
        .scope = {world->perimeter->root.id, 1},
        .subject = "tc1",
        .serial = {1},
        .serial_size = 1,
        .spki_size = spki.size,
        .registration_id = 1,
        .not_before_s = (uint64_t)time(NULL) - 60,
        .not_after_s = (uint64_t)time(NULL) + 600,
    };
    OWN(bytes) struct bytes leaf = {0};

    memcpy(content.spki, spki.data, spki.size);
    assert_ok(certificate_issue(authority, &content, &leaf));
    chain[0] = bytes_view(&leaf);
    chain[1] = bytes_view(&world->ca);
    *member = (struct member){.behaviour = behaviour, .issued = TAKE(leaf)};
    assert_int_equal(uv_loop_init(&member->loop), 0);
    assert_int_equal(uv_async_init(&member->loop, &member->stop, on_stop), 0);
    member->stop.data = member;
    assert_ok(tls_context_new(&(struct tls_config){.role = TLS_SERVER,
                                                   .chain = chain,
                                                   .chain_count = 2,
                                                   .private_key = world->server,
                                                   .alpn = alpn,
                                                   .verify = accept_anybody},
                              &member->tls));
    assert_ok(
        listener_open(&(struct listener_config){.loop = &member->loop,
                                                .address = "127.0.0.1:0",
                                                .tls = member->tls,
                                                .callbacks = {on_open, on_frame, NULL, on_close},
                                                .argument = member},
                      &member->listener, NULL));
    (void)snprintf(member->address, sizeof member->address, "127.0.0.1:%u",
                   listener_port(member->listener));
    assert_int_equal(pthread_create(&member->thread, NULL, member_run, member), 0);
}

static void member_stop(struct member *member)
{
    assert_int_equal(uv_async_send(&member->stop), 0);
    assert_int_equal(pthread_join(member->thread, NULL), 0);
    assert_int_equal(uv_loop_close(&member->loop), 0);
    tls_context_release(member->tls);
    bytes_free(&member->issued);
}

/* The settings of a run of tccpctl. */
struct run {
    struct cli cli;
    struct option_spec specs[4];
    char identity[128], perimeter[PERIMETER_ID_TEXT_SIZE], addresses[160];
};

static void run_set(struct run *run, const char *name, const char *value)
{
    size_t place = run->cli.option_count++;

    run->specs[place] = (struct option_spec){.name = name, .argument = "VALUE"};
    run->cli.options[place].spec = &run->specs[place];
    run->cli.options[place].value = value;
}

static void run_new(struct run *run, const struct world *world, const char *addresses)
{
    *run = (struct run){.cli = {.quiet = true, .timeout_s = 5}};
    (void)snprintf(run->identity, sizeof run->identity, "%s/user.key", world->folder);
    (void)snprintf(run->addresses, sizeof run->addresses, "%s", addresses);
    perimeter_id_print(&world->perimeter->root.id, run->perimeter);
    run_set(run, "addr", run->addresses);
    run_set(run, "perimeter", run->perimeter);
    run_set(run, "identity", run->identity);
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
                                 enum behaviour behaviour, enum certificate_role role,
                                 const struct private_key *authority, enum session_kind kind)
{
    enum exit_code exit_code;
    struct run run;

    member_start(member, world, behaviour, role, authority);
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
        ask_member(&member, world, ANSWERS, ROLE_NODE, world->perimeter->tc_sign, SESSION_CHANGE),
        EXIT_UNTRUSTED);
    assert_int_equal(member.count, 0);
    assert_int_equal(ask_member(&member, world, ANSWERS, ROLE_OPERATOR, world->perimeter->tc_sign,
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
        ask_member(&member, world, ANSWERS, ROLE_MEMBER, world->perimeter->tc_kem, SESSION_CHANGE),
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
        ask_member(&member, world, ANSWERS, ROLE_MEMBER, world->perimeter->tc_sign, SESSION_CHANGE),
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
    assert_int_equal(ask_member(&member, world, LOSES_FIRST_ANSWER, ROLE_MEMBER,
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
    assert_int_equal(ask_member(&member, world, LOSES_FIRST_ANSWER, ROLE_MEMBER,
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
    member_start(&leader, world, ANSWERS, ROLE_MEMBER, world->perimeter->tc_sign);
    member_start(&follower, world, REDIRECTS, ROLE_MEMBER, world->perimeter->tc_sign);
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
    member_start(&member, world, REDIRECTS, ROLE_MEMBER, world->perimeter->tc_sign);
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
    assert_int_equal(ask_member(&member, world, DENIES, ROLE_MEMBER, tc_sign, SESSION_CHANGE),
                     EXIT_DENIED);
    assert_int_equal(
        ask_member(&member, world, TALKS_NONSENSE, ROLE_MEMBER, tc_sign, SESSION_CHANGE),
        EXIT_FAILED);
    member_start(&member, world, STAYS_SILENT, ROLE_MEMBER, tc_sign);
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
    member_start(&member, world, ENROLLS_ANOTHER, ROLE_MEMBER, world->perimeter->tc_sign);
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
        ask_member(&member, world, ANSWERS, ROLE_MEMBER, world->perimeter->tc_sign, SESSION_READ),
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
