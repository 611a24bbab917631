/*
 * A VM's key is sealed to a node only after a majority has confirmed the leader and only for the
 * very release that was committed (docs/PROTOCOL.md, section 4). The replica and the nodes'
 * connections are played here: a test says what the majority answers, and what has changed
 * meanwhile.
 */
#include "tests/support/core_fixture.h"
#include "tests/support/vm.h"

#include "tcd/node_server.h"
#include "tcd/replica.h"
#include "tcd/vm_orders_internal.h"

#include <stdlib.h>

struct fixture_release {
    struct fixture core;
    struct vm_fixture *vm;
    struct tcd tcd;
    struct vm_orders orders;
    struct order_state state;
    struct authority *authority;
    /* The question that the majority was asked last. */
    replica_done done;
    void *argument;
    /* What the node was sent. */
    enum status send_status;
    struct bytes order;
};

/* The functions that are played have no argument that leads to the test. */
static struct fixture_release *played;

const struct registry *machine_registry(const struct machine *machine)
{
    (void)machine;
    return played->core.registry;
}

enum status replica_read(struct replica *replica, replica_done done, void *argument)
{
    (void)replica;
    assert_null(played->done);
    played->done = done;
    played->argument = argument;
    return STATUS_OK;
}

enum status node_server_send(struct node_server *server, uint64_t registration_id,
                             Tccp__NodeMessageKind kind, struct view payload)
{
    (void)server;
    assert_int_equal(kind, TCCP__NODE_MESSAGE_KIND__LAUNCH_ORDER);
    assert_int_equal(registration_id, fixture_node(&played->core, 0)->registration.id);
    if (played->send_status == STATUS_OK) {
        assert_null(played->order.data);
        assert_ok(bytes_copy(payload, &played->order));
    }
    return played->send_status;
}

struct order_state *vm_orders_state(struct vm_orders *orders, const struct digest *vm)
{
    assert_ptr_equal(orders, &played->orders);
    assert_true(digest_equal(vm, &played->vm->vm));
    return &played->state;
}

void vm_orders_look(struct vm_orders *orders, const struct digest *vm)
{
    assert_ptr_equal(orders, &played->orders);
    assert_true(digest_equal(vm, &played->vm->vm));
}

static enum status sign_with_authority(const void *authority, struct view canonical,
                                       struct bytes *ret_signature)
{
    return authority_sign(authority, canonical, ret_signature);
}

struct signer vm_orders_signer(const struct tcd *tcd)
{
    return (struct signer){.sign = sign_with_authority, .key = tcd->authority};
}

void vm_orders_log_failure(const char *event, const struct digest *vm, enum status status,
                           const struct refusal *refusal)
{
    (void)event;
    (void)vm;
    (void)refusal;
    assert_int_not_equal(status, STATUS_OK);
}

/* A registry in which node 0, whose keys are the VM's fixture's, was just given the VM. */
static void launch(struct fixture_release *fixture)
{
    const struct vm_fixture *vm = fixture->vm;
    const struct scope *scope = authority_scope(fixture->authority);
    struct command command = fixture_registration(&fixture->core, 0);
    OWN(bytes) struct bytes ticket = {0};
    OWN(bytes) struct bytes request = {0};

    command.node_registered.tk_kem = VIEW_OF_ARRAY(vm->tk_point);
    assert_int_equal(fixture_do(&fixture->core, &command), REFUSAL_NONE);
    fixture_register(&fixture->core, 1);
    assert_ok(ticket_seal(&(struct ticket_content){.nonce = VIEW_OF_ARRAY(vm->nonce),
                                                   .key = VIEW_OF_ARRAY(vm->key),
                                                   .policy = bytes_view(&vm->policy_bytes),
                                                   .cust_sign = public_key_spki(vm->cust_public),
                                                   .expiry_s = VM_TICKET_EXPIRY_S},
                          scope, authority_tc_kem_point(fixture->authority), &vm->image, vm_entropy,
                          &ticket));
    assert_ok(launch_request_make(
        &(struct launch_request_content){.name = "web",
                                         .image_manifest = bytes_view(&vm->manifest_bytes),
                                         .image_signature = bytes_view(&vm->manifest_signature),
                                         .ticket = bytes_view(&ticket),
                                         .image_location = "/srv/images"},
        scope, &vm->by_customer, &request));
    command = fixture_launch(&fixture->core, 1, 0);
    command.launch_authorized.vm = vm->vm;
    command.launch_authorized.image = vm->image;
    command.launch_authorized.request = bytes_view(&request);
    assert_int_equal(fixture_do(&fixture->core, &command), REFUSAL_NONE);
}

static int set_up(void **state)
{
    struct fixture_release *fixture = calloc(1, sizeof *fixture);
    void *vm = NULL;
    struct digest seed = sha256(view_string("a seed"));

    assert_non_null(fixture);
    played = fixture;
    vm_set_up(&vm);
    fixture->vm = vm;
    fixture_start(&fixture->core, 2);
    assert_ok(authority_create(&(struct scope){fixture->vm->scope.perimeter_id,
                                               registry_perimeter(fixture->core.registry)->epoch},
                               digest_view(&seed), &fixture->authority));
    fixture->tcd = (struct tcd){.authority = fixture->authority};
    fixture->orders = (struct vm_orders){.tcd = &fixture->tcd, .now_ms = 5000};
    launch(fixture);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture_release *fixture = *state;
    void *vm = fixture->vm;

    assert_null(fixture->done);
    bytes_free(&fixture->order);
    authority_free(fixture->authority);
    fixture_stop(&fixture->core);
    (void)vm_tear_down(&vm);
    free(fixture);
    return 0;
}

static void release(struct fixture_release *fixture)
{
    vm_orders_release(&fixture->orders, &fixture->vm->vm, ORDER_LAUNCH);
    assert_non_null(fixture->done);
    assert_null(fixture->order.data);
}

/* A command of the core's fixture, about this VM. */
static void decide(struct fixture_release *fixture, enum command_kind kind)
{
    const struct vm *vm = registry_vm(fixture->core.registry, &fixture->vm->vm);
    struct command command = fixture_command(&fixture->core, kind);

    registry_rest_on_node(fixture_node(&fixture->core, 0), &command.rests);
    command.rests.generation = vm->generation;
    command.vm.vm = vm->id;
    command.vm.cause = STOP_ENDED;
    assert_int_equal(fixture_do(&fixture->core, &command), REFUSAL_NONE);
}

static void answer(struct fixture_release *fixture, enum status status)
{
    replica_done done = fixture->done;

    fixture->done = NULL;
    done(fixture->argument, status);
}

static void expect_nothing_sent(struct fixture_release *fixture)
{
    assert_null(fixture->order.data);
    assert_int_equal(fixture->state.released_generation, 0);
}

static void a_leader_that_leads_no_more_releases_no_key(void **state)
{
    static const enum status answers[] = {STATUS_NOT_LEADER, STATUS_NOT_READY, STATUS_CLOSED};
    struct fixture_release *fixture = *state;

    for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
        release(fixture);
        answer(fixture, answers[i]);
        expect_nothing_sent(fixture);
    }
}

static void a_node_that_was_revoked_meanwhile_gets_no_key(void **state)
{
    struct fixture_release *fixture = *state;
    struct command command = fixture_node_command(&fixture->core, COMMAND_NODE_REVOKED, 0);

    release(fixture);
    assert_int_equal(fixture_do(&fixture->core, &command), REFUSAL_NONE);
    answer(fixture, STATUS_OK);
    expect_nothing_sent(fixture);
}

static void a_node_that_was_quarantined_meanwhile_gets_no_key(void **state)
{
    struct fixture_release *fixture = *state;
    struct command command = fixture_node_command(&fixture->core, COMMAND_NODE_QUARANTINED, 0);

    release(fixture);
    assert_int_equal(fixture_do(&fixture->core, &command), REFUSAL_NONE);
    answer(fixture, STATUS_OK);
    expect_nothing_sent(fixture);
}

static void a_node_whose_lease_expired_meanwhile_gets_no_key(void **state)
{
    struct fixture_release *fixture = *state;

    release(fixture);
    fixture_expire(&fixture->core, 0);
    answer(fixture, STATUS_OK);
    expect_nothing_sent(fixture);
}

static void a_node_that_registered_anew_meanwhile_gets_no_key(void **state)
{
    struct fixture_release *fixture = *state;
    struct command command = fixture_registration(&fixture->core, 0);

    command.node_registered.tk_kem = VIEW_OF_ARRAY(fixture->vm->peer_point);
    release(fixture);
    assert_int_equal(fixture_do(&fixture->core, &command), REFUSAL_NONE);
    answer(fixture, STATUS_OK);
    expect_nothing_sent(fixture);
}

static void a_vm_that_was_decided_on_meanwhile_is_not_released(void **state)
{
    struct fixture_release *fixture = *state;

    release(fixture);
    decide(fixture, COMMAND_VM_STOPPED);
    answer(fixture, STATUS_OK);
    expect_nothing_sent(fixture);
}

static void a_node_that_is_not_connected_has_nothing_released_to_it(void **state)
{
    struct fixture_release *fixture = *state;

    fixture->send_status = STATUS_NOT_FOUND;
    release(fixture);
    answer(fixture, STATUS_OK);
    expect_nothing_sent(fixture);
    /* No report is taken for one about this order. */
    assert_true(digest_is_zero(&fixture->state.order));
}

static void the_owner_gets_the_key_once_a_majority_has_confirmed(void **state)
{
    struct fixture_release *fixture = *state;
    const struct vm_fixture *vm = fixture->vm;
    const struct node *node = fixture_node(&fixture->core, 0);
    OWN(launch_order) struct launch_order order = {.image_location = ""};
    OWN(vm_secret) struct vm_secret secret = {.plaintext = {0}};
    OWN(public_key) struct public_key *tc_sign = NULL;
    struct order_expectation expectation = {.scope = *authority_scope(fixture->authority),
                                            .node = tpm_name_view(&node->ek_name),
                                            .registration = node->registration.id};
    struct launch_policy policy;
    struct refusal refusal = {0};

    release(fixture);
    answer(fixture, STATUS_OK);
    assert_int_equal(fixture->state.released_generation,
                     registry_vm(fixture->core.registry, &vm->vm)->generation);
    assert_int_equal(fixture->state.sent_ms, fixture->orders.now_ms);
    assert_ok(public_key_parse(authority_tc_sign_public(fixture->authority), &tc_sign));
    expectation.tc_sign = tc_sign;
    assert_ok(launch_order_check(bytes_view(&fixture->order), &expectation, &order, &refusal));
    assert_true(digest_equal(&order.digest, &fixture->state.order));
    assert_ok(
        launch_order_open(&order, &expectation.scope, 0, vm->tk_kem, &secret, &policy, &refusal));
    assert_true(view_equal(secret.key, VIEW_OF_ARRAY(vm->key)));
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(a_leader_that_leads_no_more_releases_no_key),
        CASE(a_node_that_was_revoked_meanwhile_gets_no_key),
        CASE(a_node_that_was_quarantined_meanwhile_gets_no_key),
        CASE(a_node_whose_lease_expired_meanwhile_gets_no_key),
        CASE(a_node_that_registered_anew_meanwhile_gets_no_key),
        CASE(a_vm_that_was_decided_on_meanwhile_is_not_released),
        CASE(a_node_that_is_not_connected_has_nothing_released_to_it),
        CASE(the_owner_gets_the_key_once_a_majority_has_confirmed),
    };
#undef CASE

    return cmocka_run_group_tests(tests, NULL, NULL);
}
