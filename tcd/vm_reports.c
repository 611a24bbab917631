/* What nodes say of VMs, and the proof that a customer gets of it. See vm_orders.h. */
#include "lib/base/log.h"
#include "lib/base/protobuf.h"
#include "lib/base/text.h"
#include "lib/protocol/launch_request.h"
#include "tcd/core/pending.h"
#include "tcd/proposals.h"
#include "tcd/vm_orders_internal.h"

#include "proto/node.pb-c.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DETAIL_SIZE = 160 };

/* --- launched --- */

/* What the launch's report and proof need, while the leaf of its commit is the last one of the log.
 */
struct launch_commit {
    struct vm_orders *orders;
    struct launched launched;
    struct digest measurement;
    struct bytes measurement_bytes;
};

static void commit_free(struct launch_commit *commit)
{
    bytes_free(&commit->measurement_bytes);
    free(commit);
}

static enum status keep_proof(const struct launch_commit *commit, const struct outcome *outcome)
{
    struct vm_orders *orders = commit->orders;
    const struct tcd *tcd = orders->tcd;
    const struct registry *registry = tcd_registry(tcd);
    const struct vm *vm = registry_vm(registry, &commit->launched.vm);
    const struct node *node = registry_node(registry, vm->owner.node);
    struct order_state *state = vm_orders_state(orders, &vm->id);
    struct digest mac_digest = sha256(digest_view(&commit->launched.proof));
    size_t last = outcome->leaf_count - 1;

    ASSERT(outcome->leaf_count > 0);
    bytes_free(&state->leaf);
    bytes_free(&state->measurement);
    state->has_proof = false;
    TRY(bytes_copy(outcome->leaves[last], &state->leaf));
    TRY(bytes_copy(bytes_view(&commit->measurement_bytes), &state->measurement));
    state->launched = commit->launched;
    state->report = (struct launch_report){
        .fields = {.vm = vm->id, .generation = vm->generation, .image = vm->image},
        .measurement = commit->measurement,
        .proof = mac_digest,
        .host_profile = node->host_profile,
        .development = registry_perimeter(registry)->development,
        .leaf_index = outcome->leaf_index + last,
        .tree_size = registry_audit(registry)->size,
        .root = merkle_root(registry_audit(registry)),
    };
    memcpy(state->report.fields.pseudonym, vm->pseudonym, sizeof vm->pseudonym);
    memcpy(state->report.fields.nonce, state->nonce, VM_NONCE_SIZE);
    TRY(machine_last_leaf_proof(tcd->machine, state->report.leaf_index, &state->inclusion));
    state->has_proof = true;
    return STATUS_OK;
}

static void launch_committed(void *argument, enum status status, const struct outcome *outcome)
{
    struct launch_commit *commit = argument;

    if (status == STATUS_OK && outcome->verdict == REFUSAL_NONE) {
        log_event(LOG_NOTICE, "launched", "vm=%s generation=%llu",
                  hex_short(digest_view(&commit->launched.vm)).text,
                  (unsigned long long)commit->launched.generation);
        status = keep_proof(commit, outcome);
    }
    if (status != STATUS_OK) {
        vm_orders_log_failure("launch-not-committed", &commit->launched.vm, status, NULL);
    }
    commit_free(commit);
}

static enum status take_launched(struct vm_orders *orders, const struct node *node,
                                 struct view message, struct digest *ret_vm,
                                 struct refusal *ret_refusal)
{
    const struct tcd *tcd = orders->tcd;
    OWN(launch_request) struct launch_request request = {0};
    OWN(public_key) struct public_key *tk_sign = NULL;
    struct launched_expectation expectation = {.scope = *authority_scope(tcd->authority)};
    struct command command = {.kind = COMMAND_LAUNCHED};
    struct launch_commit *commit;
    const struct vm *vm;
    enum status status;

    TRY(launched_peek(message, ret_vm, ret_refusal));
    vm = registry_vm(tcd_registry(tcd), ret_vm);
    if (!vm || vm->owner.registration != node->registration.id) {
        return refuse(ret_refusal, REFUSAL_REGISTRATION, "this registration does not own the VM");
    }
    TRY(launch_request_parse(bytes_view(&vm->request), &request, ret_refusal));
    TRY(public_key_parse((struct view){node->registration.tk_sign, node->registration.tk_sign_size},
                         &tk_sign));
    expectation.tk_sign = tk_sign;
    expectation.order = vm_orders_state(orders, ret_vm)->order;
    expectation.vm = vm->id;
    expectation.generation = vm->generation;
    expectation.registration = node->registration.id;
    expectation.disk = request.manifest.disk.digest;
    expectation.kernel = request.manifest.kernel.digest;
    expectation.initrd = request.manifest.initrd.digest;
    if (vm_orders_state(orders, ret_vm)->has_proof &&
        digest_equal(&vm_orders_state(orders, ret_vm)->launched.order, &expectation.order)) {
        return STATUS_OK; /* said again, on another connection */
    }
    commit = calloc(1, sizeof *commit);
    if (!commit) {
        return STATUS_NO_MEMORY;
    }
    commit->orders = orders;
    status =
        launched_check(message, &expectation, &commit->launched, &commit->measurement, ret_refusal);
    if (status == STATUS_OK) {
        status =
            startup_measurement_build(&commit->launched.measurement, &commit->measurement_bytes);
    }
    if (status != STATUS_OK) {
        commit_free(commit);
        return status;
    }
    registry_rest(tcd_registry(tcd), &command.rests);
    registry_rest_on_node(node, &command.rests);
    command.rests.generation = vm->generation;
    command.vm.vm = vm->id;
    command.vm.measurement = commit->measurement;
    command.vm.proof = sha256(digest_view(&commit->launched.proof));
    propose(tcd->replica, &command, launch_committed, commit);
    return STATUS_OK;
}

void vm_orders_launched(struct vm_orders *orders, const struct node *node, struct view message)
{
    struct digest vm = {{0}};
    struct refusal refusal = {0};
    enum status status = take_launched(orders, node, message, &vm, &refusal);

    if (status != STATUS_OK) {
        vm_orders_log_failure("launch-report-refused", &vm, status, &refusal);
    }
}

/* Which command an event of a node becomes. */
static bool command_of_event(Tccp__VmEvent event, struct command *command)
{
    switch (event) {
    case TCCP__VM_EVENT__VM_EVENT_RESUMED:
        command->kind = COMMAND_RESUMED;
        return true;
    case TCCP__VM_EVENT__VM_EVENT_ENDED:
        command->kind = COMMAND_VM_STOPPED;
        command->vm.cause = STOP_ENDED;
        return true;
    case TCCP__VM_EVENT__VM_EVENT_FAILED:
        command->kind = COMMAND_VM_STOPPED;
        command->vm.cause = STOP_FAILED;
        return true;
    case TCCP__VM_EVENT__VM_EVENT_DESTROYED:
        command->kind = COMMAND_COPY_DESTROYED;
        return true;
    case TCCP__VM_EVENT__VM_EVENT_PAUSED:           /* was decided before */
    case TCCP__VM_EVENT__VM_EVENT_MIGRATION_FAILED: /* no command about the copy */
    case TCCP__VM_EVENT__VM_EVENT_UNSPECIFIED:
    case _TCCP__VM_EVENT_IS_INT_SIZE:
        break;
    }
    return false;
}

/* For people, and from outside: what the state does not take is not to cost the report. */
static void take_detail(const char *source, char *detail, size_t size)
{
    (void)snprintf(detail, size, "%.*s", DETAIL_SIZE, source);
    for (char *at = detail; *at; at++) {
        if ((uint8_t)*at < 0x20 || *at == 0x7f) {
            *at = ' ';
        }
    }
}

void vm_orders_report(struct vm_orders *orders, const struct node *node, struct view message)
{
    Tccp__VmReport *report =
        (Tccp__VmReport *)protobuf_unpack(&tccp__vm_report__descriptor, message, 4096);
    struct command command = {0};
    const struct vm *vm = NULL;
    struct digest id;

    if (report && digest_of_view(protobuf_view(report->vm), &id) == STATUS_OK) {
        vm = registry_vm(tcd_registry(orders->tcd), &id);
    }
    /* The state machine decides whether this registration may say so of this generation. */
    if (vm && report->generation == vm->generation &&
        report->event == TCCP__VM_EVENT__VM_EVENT_MIGRATION_FAILED) {
        take_detail(report->detail, command.vm.detail, sizeof command.vm.detail);
        vm_migrations_failed(orders, node, vm, command.vm.detail);
    } else if (vm && report->generation == vm->generation &&
               report->event == TCCP__VM_EVENT__VM_EVENT_PAUSED) {
        if (vm->owner.registration == node->registration.id && vm->state == VM_PAUSED) {
            vm_orders_state(orders, &id)->paused_generation = vm->generation;
            log_event(LOG_NOTICE, "vm-paused", "vm=%s node=%s", hex_short(digest_view(&id)).text,
                      node->name.text);
        }
    } else if (vm && report->generation == vm->generation &&
               command_of_event(report->event, &command)) {
        take_detail(report->detail, command.vm.detail, sizeof command.vm.detail);
        vm_orders_propose(orders, vm, node, &command);
    } else {
        log_event(LOG_NOTICE, "vm-report-ignored", "node=%s", node->name.text);
    }
    if (report) {
        tccp__vm_report__free_unpacked(report, NULL);
    }
}

/* --- inventory --- */

static bool inventory_has(const Tccp__VmInventory *inventory, const struct digest *vm)
{
    for (size_t i = 0; i < inventory->n_copies; i++) {
        if (view_equal(protobuf_view(inventory->copies[i]->vm), digest_view(vm))) {
            return true;
        }
    }
    return false;
}

static void take_copy(struct vm_orders *orders, const struct node *node, const Tccp__VmCopy *copy)
{
    const struct registry *registry = tcd_registry(orders->tcd);
    struct command command = {.kind = COMMAND_VM_READOPTED};
    struct digest id;
    const struct vm *vm;

    if (digest_of_view(protobuf_view(copy->vm), &id) != STATUS_OK) {
        return;
    }
    vm = registry_vm(registry, &id);
    switch (pending_copy_fate(registry, &id, node, copy->generation)) {
    case COPY_OWNED:
        if (vm->owner.registration != node->registration.id) {
            memcpy(command.vm.pseudonym, vm->pseudonym, sizeof vm->pseudonym);
            vm_orders_propose(orders, vm, node, &command);
        }
        return;
    case COPY_DESTROY:
        vm_orders_command(orders, &id, copy->generation, node, TCCP__VM_ACTION__VM_ACTION_DESTROY);
        return;
    case COPY_KEEP:
        return;
    }
}

void vm_orders_inventory(struct vm_orders *orders, const struct node *node, struct view message)
{
    const struct registry *registry = tcd_registry(orders->tcd);
    Tccp__VmInventory *inventory =
        (Tccp__VmInventory *)protobuf_unpack(&tccp__vm_inventory__descriptor, message, 1 << 20);
    const struct vm *vm;
    size_t cursor = 0;

    if (!inventory) {
        log_event(LOG_NOTICE, "vm-inventory-ignored", "node=%s", node->name.text);
        return;
    }
    for (size_t i = 0; i < inventory->n_copies; i++) {
        take_copy(orders, node, inventory->copies[i]);
    }
    while ((vm = registry_vm_next(registry, &cursor))) {
        struct command command = {.kind = COMMAND_VM_STOPPED, .vm = {.cause = STOP_LOST}};

        if (vm->owner.node == node->id && vm->owner.registration != node->registration.id &&
            (vm->state == VM_LAUNCHING || vm->state == VM_RUNNING || vm->state == VM_PAUSED ||
             vm->state == VM_RESUMING) &&
            !inventory_has(inventory, &vm->id)) {
            vm_orders_propose(orders, vm, node, &command);
        }
    }
    tccp__vm_inventory__free_unpacked(inventory, NULL);
}

/* --- proofs --- */

enum status vm_orders_proof(const struct vm_orders *orders, const struct vm *vm,
                            struct bytes *ret_proof)
{
    const struct tcd *tcd = orders->tcd;
    const struct order_state *state = table_find(&orders->table, &vm->id);
    struct signer signer = vm_orders_signer(tcd);
    OWN(bytes) struct bytes report = {0};

    /* It speaks of who runs the VM now. */
    if (!state || !state->has_proof || state->report.fields.generation != vm->generation) {
        return STATUS_NOT_READY;
    }
    TRY(launch_report_make(&state->report, authority_scope(tcd->authority), &signer, &report));
    return launch_proof_make(
        &(struct launch_proof_content){
            .report = bytes_view(&report),
            .mac = state->launched.proof,
            .measurement = bytes_view(&state->measurement),
            .leaf = bytes_view(&state->leaf),
            .inclusion = &state->inclusion,
        },
        ret_proof);
}
