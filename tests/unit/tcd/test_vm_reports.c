/* What nodes say of VMs, and what the coordinator makes of it. What is proposed is caught here. */
#include "tests/support/core_fixture.h"
#include "tests/support/test.h"

#include "lib/base/protobuf.h"
#include "tcd/proposals.h"
#include "tcd/vm_orders_internal.h"

#include "proto/node.pb-c.h"

#include <stdio.h>
#include <string.h>

struct fixture_reports {
    struct fixture core;
    struct tcd tcd;
    struct vm_orders orders;
    struct command command; /* that was proposed last */
    unsigned proposals;
    char failure[CORE_DETAIL_LENGTH_MAX + 1]; /* of the migration */
};

/* The functions that are played have no argument that leads to the test. */
static struct fixture_reports *played;

const struct registry *machine_registry(const struct machine *machine)
{
    (void)machine;
    return played->core.registry;
}

void vm_orders_propose(struct vm_orders *orders, const struct vm *vm, const struct node *node,
                       struct command *command)
{
    (void)orders;
    (void)vm;
    (void)node;
    played->command = *command;
    played->proposals++;
}

void vm_migrations_failed(struct vm_orders *orders, const struct node *node, const struct vm *vm,
                          const char *detail)
{
    (void)orders;
    (void)node;
    (void)vm;
    (void)snprintf(played->failure, sizeof played->failure, "%s", detail);
}

/* Not reached by these tests. */
void propose(struct replica *replica, struct command *command, proposal_done done, void *argument)
{
    (void)replica;
    (void)command;
    (void)done;
    (void)argument;
    fail();
}
struct order_state *vm_orders_state(struct vm_orders *orders, const struct digest *vm)
{
    (void)orders;
    (void)vm;
    fail();
    return NULL;
}
struct signer vm_orders_signer(const struct tcd *tcd)
{
    (void)tcd;
    fail();
    return (struct signer){0};
}
void vm_orders_log_failure(const char *event, const struct digest *vm, enum status status,
                           const struct refusal *refusal)
{
    (void)event;
    (void)vm;
    (void)status;
    (void)refusal;
}
void vm_orders_command(struct vm_orders *orders, const struct digest *vm, uint64_t generation,
                       const struct node *node, Tccp__VmAction action)
{
    (void)orders;
    (void)vm;
    (void)generation;
    (void)node;
    (void)action;
    fail();
}
enum status machine_last_leaf_proof(const struct machine *machine, uint64_t leaf_index,
                                    struct merkle_proof *ret_proof)
{
    (void)machine;
    (void)leaf_index;
    (void)ret_proof;
    fail();
    return STATUS_IO;
}

static void start(struct fixture_reports *fixture)
{
    memset(fixture, 0, sizeof *fixture);
    fixture->orders.tcd = &fixture->tcd;
    fixture_start(&fixture->core, 2);
    fixture_register(&fixture->core, 0);
    fixture_register(&fixture->core, 1);
    fixture_run(&fixture->core, 1, 0);
    played = fixture;
}

static void report(struct fixture_reports *fixture, Tccp__VmEvent event, uint64_t generation,
                   const char *detail)
{
    Tccp__VmReport message = TCCP__VM_REPORT__INIT;
    OWN(bytes) struct bytes bytes = {0};

    message.vm = protobuf_data(digest_view(&fixture_vm(&fixture->core, 1)->id));
    message.generation = generation;
    message.event = event;
    message.detail = protobuf_string(detail);
    assert_ok(protobuf_pack(&message.base, 4096, &bytes));
    vm_orders_report(&fixture->orders, fixture_node(&fixture->core, 0), bytes_view(&bytes));
}

static void a_report_about_another_generation_is_ignored(void **state)
{
    struct fixture_reports fixture;

    (void)state;
    start(&fixture);
    report(&fixture, TCCP__VM_EVENT__VM_EVENT_FAILED, 2, "QEMU ended");
    report(&fixture, TCCP__VM_EVENT__VM_EVENT_MIGRATION_FAILED, 2, "QEMU ended");
    assert_int_equal(fixture.proposals, 0);
    assert_string_equal(fixture.failure, "");
    fixture_stop(&fixture.core);
}

/* What QEMU said may have line ends in it. */
static void a_detail_with_control_characters_is_not_the_end_of_the_report(void **state)
{
    struct fixture_reports fixture;
    char longest[400];

    (void)state;
    start(&fixture);
    report(&fixture, TCCP__VM_EVENT__VM_EVENT_FAILED, 1, "one\ntwo\x7f three\t");
    assert_int_equal(fixture.proposals, 1);
    assert_int_equal(fixture.command.kind, COMMAND_VM_STOPPED);
    assert_string_equal(fixture.command.vm.detail, "one two  three ");
    report(&fixture, TCCP__VM_EVENT__VM_EVENT_MIGRATION_FAILED, 1, "the\rlink\n");
    assert_string_equal(fixture.failure, "the link ");
    memset(longest, '\n', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    report(&fixture, TCCP__VM_EVENT__VM_EVENT_FAILED, 1, longest);
    assert_int_equal(strlen(fixture.command.vm.detail), 160);
    assert_null(strchr(fixture.command.vm.detail, '\n'));
    fixture_stop(&fixture.core);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_report_about_another_generation_is_ignored),
        cmocka_unit_test(a_detail_with_control_characters_is_not_the_end_of_the_report),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
