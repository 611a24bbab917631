/* Moving a VM: what is asked, what is waited for, and what is never taken for success. */
#include "cli/commands.h"
#include "cli/vm.h"

#include "lib/base/protobuf.h"

#include "tests/support/member.h"
#include "tests/support/test.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MIGRATION = 7, OUTPUT_SIZE = 4096 };

/* --- a coordinator that has one VM, and a story of it --- */

/* What is said to one listing of the VMs after the migration began; the last goes on for ever. */
struct step {
    enum { SHOWS, SHOWS_NONE, HANGS_UP, SENDS_AWAY, STAYS_SILENT } act;
    const char *state;
    uint64_t migration, last_migration;
    bool was_moved;
    uint64_t generation;
    const char *node, *detail;
};

struct story {
    const struct step *steps;
    size_t step_count;
    const char *refusal; /* of the migration; NULL: it begins */
    bool has_no_number;  /* nor has the answer to it */
    bool loses_first;    /* the first answer to it does not arrive */
    bool has_no_id;      /* the VM */
    const char *node;    /* the destination, in that answer */
    bool has_begun;      /* from the beginning: another member saw to that */
    /* The member's own, until it has ended. */
    size_t at;
    char asked_node[32];
    uint8_t asked_vm;
};

static void vm_fill(const struct step *step, Tccp__VmStatus *ret_vm)
{
    static uint8_t id[SHA256_SIZE];

    memset(id, 0xab, sizeof id);
    tccp__vm_status__init(ret_vm);
    ret_vm->vm = (ProtobufCBinaryData){sizeof id, id};
    ret_vm->name = protobuf_string("web");
    ret_vm->state = protobuf_string(step->state);
    ret_vm->generation = step->generation;
    ret_vm->node = protobuf_string(step->node ? step->node : "");
    ret_vm->detail = protobuf_string(step->detail ? step->detail : "");
    ret_vm->migration = step->migration;
    ret_vm->last_migration = step->last_migration;
    ret_vm->last_migration_done = step->was_moved;
}

static void list(const struct story *story, struct connection *connection,
                 const Tccp__AdminRequest *request, const struct step *step)
{
    Tccp__AdminResponse response = TCCP__ADMIN_RESPONSE__INIT;
    Tccp__VmsReply vms = TCCP__VMS_REPLY__INIT;
    Tccp__VmStatus vm, *pointer = &vm;

    vm_fill(step, &vm);
    vm.vm.len = story->has_no_id ? 0 : vm.vm.len;
    vms.vms = &pointer;
    vms.n_vms = step->act == SHOWS ? 1 : 0;
    response.kind_case = TCCP__ADMIN_RESPONSE__KIND_VMS;
    response.vms = &vms;
    member_reply(connection, request, &response);
}

static void go_on(struct member *member, struct connection *connection,
                  const Tccp__AdminRequest *request)
{
    struct story *story = member->argument;
    const struct step *step = &story->steps[story->at];

    if (story->at + 1 < story->step_count) {
        story->at++;
    }
    switch (step->act) {
    case SHOWS:
    case SHOWS_NONE:
        list(story, connection, request, step);
        return;
    case HANGS_UP:
        connection_abort(connection, STATUS_CLOSED, "lost");
        return;
    case SENDS_AWAY:
        member_redirect(member, connection, request);
        return;
    case STAYS_SILENT:
        return;
    }
}

static void begin(struct story *story, struct connection *connection,
                  const Tccp__AdminRequest *request)
{
    Tccp__AdminResponse response = TCCP__ADMIN_RESPONSE__INIT;
    Tccp__Done done;

    (void)snprintf(story->asked_node, sizeof story->asked_node, "%s", request->vm_migrate->node);
    assert_int_equal(request->vm_migrate->vm.len, SHA256_SIZE);
    story->asked_vm = request->vm_migrate->vm.data[0];
    if (story->refusal) {
        member_refuse(connection, request, story->refusal, "as the test wants");
        return;
    }
    if (story->loses_first) {
        story->loses_first = false;
        connection_abort(connection, STATUS_CLOSED, "lost");
        return;
    }
    story->has_begun = true;
    tccp__done__init(&done);
    done.revision = 5;
    done.leaf_index = 3;
    done.id = story->has_no_number ? 0 : MIGRATION;
    done.name = protobuf_string(story->node ? story->node : "");
    response.kind_case = TCCP__ADMIN_RESPONSE__KIND_DONE;
    response.done = &done;
    member_reply(connection, request, &response);
}

static void tell(struct member *member, struct connection *connection,
                 const Tccp__AdminRequest *request)
{
    static const struct step before = {.state = "running", .last_migration = 3, .generation = 4};
    struct story *story = member->argument;

    if (request->kind_case == TCCP__ADMIN_REQUEST__KIND_SESSION_OPEN) {
        member_open_session(connection, request);
    } else if (request->kind_case == TCCP__ADMIN_REQUEST__KIND_VM_MIGRATE) {
        begin(story, connection, request);
    } else if (story->has_begun) {
        go_on(member, connection, request);
    } else {
        list(story, connection, request, &before);
    }
}

/* --- a run of `vm migrate`, and what it says --- */

struct said {
    enum exit_code exit_code;
    char output[OUTPUT_SIZE], error[OUTPUT_SIZE]; /* standard ones */
};

struct captured {
    int fd, saved;
    FILE *file;
};

static void capture_begin(struct captured *captured, FILE *stream)
{
    captured->fd = fileno(stream);
    assert_int_equal(fflush(stream), 0);
    captured->saved = dup(captured->fd);
    captured->file = tmpfile();
    assert_non_null(captured->file);
    assert_true(dup2(fileno(captured->file), captured->fd) >= 0);
}

static void capture_end(struct captured *captured, FILE *stream, char ret_text[OUTPUT_SIZE])
{
    ssize_t size;

    assert_int_equal(fflush(stream), 0);
    assert_true(dup2(captured->saved, captured->fd) >= 0);
    (void)close(captured->saved);
    size = pread(fileno(captured->file), ret_text, OUTPUT_SIZE - 1, 0);
    assert_true(size >= 0);
    ret_text[size] = '\0';
    (void)fclose(captured->file);
}

static void run_captured(struct run *run, enum exit_code (*verb)(struct cli *cli),
                         struct said *ret_said)
{
    struct captured output, error;

    capture_begin(&output, stdout);
    capture_begin(&error, stderr);
    ret_said->exit_code = verb(&run->cli);
    capture_end(&error, stderr, ret_said->error);
    capture_end(&output, stdout, ret_said->output);
}

static void run_about(struct run *run, const struct world *world, const char *addresses,
                      const char *vm)
{
    run_new(run, world, addresses);
    run->cli.quiet = false;
    run->cli.format = FORMAT_JSON;
    run->cli.argument_count = 1;
    run->cli.arguments[0] = vm;
}

enum { WAITS = 1, BRIEFLY = 2 };

/* One member tells that story to `vm migrate web`. */
static void migrate(struct story *story, unsigned how, struct said *ret_said,
                    struct member *ret_member)
{
    OWN(world) struct world *world = world_new();
    struct run run;

    member_start(ret_member, world, tell, story, ROLE_MEMBER, world->perimeter->tc_sign);
    run_about(&run, world, ret_member->address, "web");
    if (how & WAITS) {
        run_set(&run, "wait", NULL);
    }
    if (how & BRIEFLY) {
        run.cli.timeout_s = 1;
    }
    run_captured(&run, vm_migrate, ret_said);
    member_stop(ret_member);
}

#define STORY(...)                                                                                 \
    {                                                                                              \
        .steps = (const struct step[]){__VA_ARGS__},                                               \
        .step_count = sizeof((const struct step[]){__VA_ARGS__}) / sizeof(struct step)             \
    }
#define MIGRATING                                                                                  \
    {                                                                                              \
        SHOWS, "migrating", MIGRATION, 3, false, 5, NULL, NULL                                     \
    }
#define RESUMING                                                                                   \
    {                                                                                              \
        SHOWS, "resuming", 0, MIGRATION, true, 6, "n2", NULL                                       \
    }
#define MOVED                                                                                      \
    {                                                                                              \
        SHOWS, "running", 0, MIGRATION, true, 6, "n2", NULL                                        \
    }

/* It ended so, saying that to people, and nothing to programs. */
static void expect_failure(const struct said *said, enum exit_code exit_code, const char *text)
{
    if (said->exit_code != exit_code || !strstr(said->error, text) || said->output[0]) {
        fail_msg("%d instead of %d, \"%s\": %s%s", said->exit_code, exit_code, text, said->error,
                 said->output);
    }
}

static json_t *expect_success(const struct said *said, const char *outcome)
{
    json_t *object;

    if (said->exit_code != EXIT_DONE) {
        fail_msg("%d: %s", said->exit_code, said->error);
    }
    object = json_loads(said->output, 0, NULL);
    assert_non_null(object);
    assert_string_equal(json_string_value(json_object_get(object, "outcome")), outcome);
    assert_string_equal(json_string_value(json_object_get(object, "name")), "web");
    assert_int_equal(strlen(json_string_value(json_object_get(object, "vm"))), 64);
    assert_int_equal(json_integer_value(json_object_get(object, "migration")), MIGRATION);
    return object;
}

/* --- it does not begin --- */

static void a_vm_that_is_not_there_is_not_asked_for(void **state)
{
    OWN(world) struct world *world = world_new();
    struct story story = STORY(MOVED);
    struct member member;
    struct said said;
    struct run run;

    (void)state;
    member_start(&member, world, tell, &story, ROLE_MEMBER, world->perimeter->tc_sign);
    run_about(&run, world, member.address, "db");
    run_captured(&run, vm_migrate, &said);
    member_stop(&member);
    expect_failure(&said, EXIT_NOT_FOUND, "there is no VM db");
    assert_int_equal(member.count, 1);
}

static void a_vm_without_an_id_is_not_asked_for(void **state)
{
    struct story story = STORY(MOVED);
    struct member member;
    struct said said;

    (void)state;
    story.has_no_id = true;
    migrate(&story, 0, &said, &member);
    expect_failure(&said, EXIT_FAILED, "no id");
    assert_int_equal(member.count, 1);
}

static void a_refusal_is_told_and_nothing_waited_for(void **state)
{
    static const struct {
        const char *reason;
        enum exit_code exit_code;
    } refusals[] = {
        {"not-authorized", EXIT_DENIED},      {"wrong-state", EXIT_FAILED},
        {"no-placement", EXIT_FAILED},        {"not-found", EXIT_NOT_FOUND},
        {"manifest-expired", EXIT_UNTRUSTED},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
        struct story story = STORY(MOVED);
        struct member member;
        struct said said;

        story.refusal = refusals[i].reason;
        migrate(&story, WAITS, &said, &member);
        expect_failure(&said, refusals[i].exit_code, refusals[i].reason);
        assert_int_equal(member.count, 3);
        assert_int_equal(member.kinds[2], TCCP__ADMIN_REQUEST__KIND_VM_MIGRATE);
    }
}

static void an_answer_without_a_number_is_no_beginning(void **state)
{
    struct story story = STORY(MOVED);
    struct member member;
    struct said said;

    (void)state;
    story.has_no_number = true;
    migrate(&story, WAITS, &said, &member);
    expect_failure(&said, EXIT_FAILED, "no number");
    assert_int_equal(member.count, 3);
}

/* --- it comes to nothing --- */

static void a_migration_that_is_aborted_is_a_failure_with_its_reason(void **state)
{
    struct story story = STORY(MIGRATING, {.state = "running",
                                           .last_migration = MIGRATION,
                                           .generation = 6,
                                           .detail = "the destination has no such disk"});
    struct member member;
    struct said said;

    (void)state;
    migrate(&story, WAITS, &said, &member);
    expect_failure(&said, EXIT_FAILED, "the destination has no such disk");
    assert_non_null(strstr(said.error, "not moved"));
    assert_non_null(strstr(said.error, "--node"));
}

static void a_vm_that_ends_meanwhile_is_a_failure_with_its_reason(void **state)
{
    static const char *const ends[] = {"stopped", "lost", "deleted"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
        struct story open = STORY(MIGRATING, {.state = ends[i], .detail = "so it was"});
        struct story resuming = STORY(RESUMING, {.state = ends[i],
                                                 .last_migration = MIGRATION,
                                                 .was_moved = true,
                                                 .detail = "so it was"});
        struct member member;
        struct said said;

        migrate(&open, WAITS, &said, &member);
        expect_failure(&said, EXIT_FAILED, ends[i]);
        expect_failure(&said, EXIT_FAILED, "so it was");
        migrate(&resuming, WAITS, &said, &member);
        expect_failure(&said, EXIT_FAILED, "so it was");
    }
}

static void a_vm_that_is_gone_is_not_found(void **state)
{
    struct story story = STORY(MIGRATING, {.act = SHOWS_NONE, .state = ""});
    struct member member;
    struct said said;

    (void)state;
    migrate(&story, WAITS, &said, &member);
    expect_failure(&said, EXIT_NOT_FOUND, "any more");
}

static void the_outcome_of_another_migration_is_not_this_ones(void **state)
{
    /* A member that lags shows the one before, done or not. */
    struct story before = STORY({.state = "running", .last_migration = 3, .was_moved = true},
                                {.state = "running", .last_migration = 6, .was_moved = true},
                                {.state = "running", .last_migration = MIGRATION});
    struct story later = STORY({.state = "running", .last_migration = 8, .was_moved = true});
    struct member member;
    struct said said;

    (void)state;
    migrate(&before, WAITS, &said, &member);
    expect_failure(&said, EXIT_FAILED, "not moved");
    migrate(&later, WAITS, &said, &member);
    expect_failure(&said, EXIT_FAILED, "not known any more");
}

/* --- the time is up --- */

static void when_the_time_is_up_the_migration_goes_on(void **state)
{
    struct story stories[] = {
        STORY(MIGRATING),
        STORY(RESUMING),
        STORY(MIGRATING, {.act = STAYS_SILENT, .state = ""}),
        STORY(MIGRATING, {.act = SENDS_AWAY, .state = ""}), /* to nobody */
        STORY({.act = STAYS_SILENT, .state = ""}),
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(stories); i++) {
        struct member member;
        struct said said;

        migrate(&stories[i], WAITS | BRIEFLY, &said, &member);
        expect_failure(&said, EXIT_TIMED_OUT, "goes on");
        expect_failure(&said, EXIT_TIMED_OUT,
                       i == 1                         ? "web is still resuming"
                       : i + 1 == ARRAY_SIZE(stories) ? "web"
                                                      : "web is still migrating");
    }
}

/* --- it works --- */

static void without_wait_it_is_only_begun(void **state)
{
    struct story story = STORY(MOVED);
    struct member member;
    struct said said;
    json_t *object;

    (void)state;
    story.node = "n2";
    migrate(&story, 0, &said, &member);
    object = expect_success(&said, "begun");
    assert_string_equal(json_string_value(json_object_get(object, "node")), "n2");
    assert_null(json_object_get(object, "seconds"));
    assert_null(json_object_get(object, "generation"));
    json_decref(object);
    assert_non_null(strstr(said.error, "tccpctl vm get web"));
    /* Listed once, a session, the change. */
    assert_int_equal(member.count, 3);
    assert_string_equal(story.asked_node, "");
    assert_int_equal(story.asked_vm, 0xab);
}

static void the_node_that_is_named_is_asked_for(void **state)
{
    OWN(world) struct world *world = world_new();
    struct story story = STORY(MOVED);
    struct member member;
    struct said said;
    struct run run;

    (void)state;
    member_start(&member, world, tell, &story, ROLE_MEMBER, world->perimeter->tc_sign);
    run_about(&run, world, member.address, "abababab");
    run_set(&run, "node", "n2");
    run_captured(&run, vm_migrate, &said);
    member_stop(&member);
    json_decref(expect_success(&said, "begun"));
    assert_string_equal(story.asked_node, "n2");
}

static void it_is_moved_when_it_runs_again(void **state)
{
    struct story story = STORY(MIGRATING, MIGRATING, RESUMING, RESUMING, MOVED);
    struct member member;
    struct said said;
    json_t *object;

    (void)state;
    migrate(&story, WAITS, &said, &member);
    object = expect_success(&said, "moved");
    assert_string_equal(json_string_value(json_object_get(object, "node")), "n2");
    assert_int_equal(json_integer_value(json_object_get(object, "generation")), 6);
    assert_in_range(json_integer_value(json_object_get(object, "seconds")), 0, 5);
    json_decref(object);
    assert_int_equal(story.at, 4);
    /* Progress is for terminals. */
    assert_null(strstr(said.error, "resuming"));
}

static void the_next_migration_began_where_this_one_ended(void **state)
{
    struct story story = STORY({SHOWS, "migrating", 8, MIGRATION, true, 7, NULL, NULL});
    struct member member;
    struct said said;
    json_t *object;

    (void)state;
    migrate(&story, WAITS, &said, &member);
    object = expect_success(&said, "moved");
    /* Nobody may tell a customer the node. */
    assert_true(json_is_null(json_object_get(object, "node")));
    json_decref(object);
}

static void a_lost_beginning_is_asked_for_again_and_done_once(void **state)
{
    struct story story = STORY(MOVED);
    struct member member;
    struct said said;

    (void)state;
    story.loses_first = true;
    migrate(&story, WAITS, &said, &member);
    json_decref(expect_success(&said, "moved"));
    assert_int_equal(member.kinds[2], TCCP__ADMIN_REQUEST__KIND_VM_MIGRATE);
    assert_int_equal(member.kinds[3], TCCP__ADMIN_REQUEST__KIND_VM_MIGRATE);
    assert_int_equal(member.sessions[2], 77);
    assert_int_equal(member.sessions[3], member.sessions[2]);
    assert_int_equal(member.numbers[3], member.numbers[2]);
}

static void waiting_goes_on_through_lost_connections_and_changes_of_leader(void **state)
{
    OWN(world) struct world *world = world_new();
    struct story first = STORY(MIGRATING, {.act = HANGS_UP, .state = ""}, MIGRATING,
                               {.act = SENDS_AWAY, .state = ""});
    struct story second = STORY(MIGRATING, {.act = HANGS_UP, .state = ""}, MOVED);
    struct member old, new;
    char addresses[140];
    struct said said;
    struct run run;

    (void)state;
    second.has_begun = true;
    member_start(&new, world, tell, &second, ROLE_MEMBER, world->perimeter->tc_sign);
    member_start(&old, world, tell, &first, ROLE_MEMBER, world->perimeter->tc_sign);
    (void)snprintf(old.leader, sizeof old.leader, "%s", new.address);
    (void)snprintf(addresses, sizeof addresses, "%s", old.address);
    run_about(&run, world, addresses, "web");
    run_set(&run, "wait", NULL);
    run.cli.timeout_s = 20;
    run_captured(&run, vm_migrate, &said);
    member_stop(&old);
    member_stop(&new);
    json_decref(expect_success(&said, "moved"));
    assert_int_equal(first.at, 3);
    assert_int_equal(second.at, 2);
}

static void a_vm_shows_its_migrations(void **state)
{
    static const struct {
        struct step step;
        const char *migration, *last, *moved; /* as JSON */
    } shown[] = {
        {{.state = "running"}, "null", "null", "null"},
        {{.state = "migrating", .migration = 7}, "7", "null", "null"},
        {{.state = "running", .last_migration = 7, .was_moved = true}, "null", "7", "true"},
        {{.state = "migrating", .migration = 9, .last_migration = 8}, "9", "8", "false"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(shown); i++) {
        OWN(world) struct world *world = world_new();
        struct story story = {.steps = &shown[i].step, .step_count = 1, .has_begun = true};
        struct member member;
        struct said said;
        struct run run;
        char expected[160];

        member_start(&member, world, tell, &story, ROLE_MEMBER, world->perimeter->tc_sign);
        run_about(&run, world, member.address, "web");
        run_captured(&run, vm_get, &said);
        member_stop(&member);
        assert_int_equal(said.exit_code, EXIT_DONE);
        (void)snprintf(expected, sizeof expected,
                       "\"migration\": %s,\n  \"last_migration\": %s,\n  "
                       "\"last_migration_done\": %s\n",
                       shown[i].migration, shown[i].last, shown[i].moved);
        if (!strstr(said.output, expected)) {
            fail_msg("%s instead of %s", said.output, expected);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_vm_that_is_not_there_is_not_asked_for),
        cmocka_unit_test(a_vm_without_an_id_is_not_asked_for),
        cmocka_unit_test(a_refusal_is_told_and_nothing_waited_for),
        cmocka_unit_test(an_answer_without_a_number_is_no_beginning),
        cmocka_unit_test(a_migration_that_is_aborted_is_a_failure_with_its_reason),
        cmocka_unit_test(a_vm_that_ends_meanwhile_is_a_failure_with_its_reason),
        cmocka_unit_test(a_vm_that_is_gone_is_not_found),
        cmocka_unit_test(the_outcome_of_another_migration_is_not_this_ones),
        cmocka_unit_test(when_the_time_is_up_the_migration_goes_on),
        cmocka_unit_test(without_wait_it_is_only_begun),
        cmocka_unit_test(the_node_that_is_named_is_asked_for),
        cmocka_unit_test(it_is_moved_when_it_runs_again),
        cmocka_unit_test(the_next_migration_began_where_this_one_ended),
        cmocka_unit_test(a_lost_beginning_is_asked_for_again_and_done_once),
        cmocka_unit_test(waiting_goes_on_through_lost_connections_and_changes_of_leader),
        cmocka_unit_test(a_vm_shows_its_migrations),
    };

    return cmocka_run_group_tests_name("vm migrate", tests, NULL, NULL);
}
