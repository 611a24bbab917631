/* Requests about VMs. A customer's ticket is opened here for placing the VM; its key goes nowhere
 * before the commit. */
#include "lib/base/log.h"
#include "lib/base/protobuf.h"
#include "lib/base/text.h"
#include "lib/crypto/entropy.h"
#include "lib/net/timer.h"
#include "lib/protocol/launch_request.h"
#include "tcd/admin_list.h"
#include "tcd/core/placement.h"
#include "tcd/proposals.h"
#include "tcd/vm_orders.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- launch --- */

struct launch {
    struct admin_call *call;
    struct launch_request request;
    struct digest vm;
};

static void launch_free(struct launch *launch)
{
    launch_request_free(&launch->request);
    free(launch);
}

static void launch_refuse(struct launch *launch, enum status status, const struct refusal *refusal)
{
    if (status == STATUS_REFUSED) {
        admin_refuse(launch->call, refusal);
    } else {
        admin_fail(launch->call, status);
    }
    launch_free(launch);
}

static enum quarantine_response response_for_core(enum on_quarantine response)
{
    switch (response) {
    case ON_QUARANTINE_FENCE:
        break;
    case ON_QUARANTINE_PAUSE:
        return QUARANTINE_PAUSE;
    case ON_QUARANTINE_STOP:
        return QUARANTINE_STOP;
    case ON_QUARANTINE_MIGRATE:
        return QUARANTINE_MIGRATE;
    }
    return QUARANTINE_FENCE;
}

/* What the coordinator needs of the customer's policy; the rest goes to the node as it is. */
static struct vm_policy policy_for_core(const struct launch_policy *policy)
{
    struct vm_policy ret = {
        .rule_count = policy->rule_count,
        .on_lost_lease =
            policy->on_lost_lease == ON_LOST_LEASE_STOP ? LOST_LEASE_STOP : LOST_LEASE_PAUSE,
        .after_ms = policy->after_ms,
        .on_quarantine = response_for_core(policy->on_quarantine),
        .may_migrate = policy->may_migrate,
        .may_revert = policy->may_revert,
        .may_restart = policy->may_restart,
        .needs_host_profile = policy->needs_host_profile,
    };

    _Static_assert((int)POLICY_RULE_COUNT_MAX <= (int)CORE_RULE_COUNT_MAX &&
                       (int)POLICY_VALUE_COUNT_MAX <= (int)CORE_RULE_VALUE_COUNT_MAX,
                   "a policy must fit into the state");
    for (unsigned i = 0; i < policy->rule_count; i++) {
        (void)snprintf(ret.rules[i].key, sizeof ret.rules[i].key, "%s", policy->rules[i].key);
        ret.rules[i].value_count = policy->rules[i].value_count;
        for (unsigned k = 0; k < policy->rules[i].value_count; k++) {
            (void)snprintf(ret.rules[i].values[k], sizeof ret.rules[i].values[k], "%s",
                           policy->rules[i].values[k]);
        }
    }
    return ret;
}

/* The node that an outside scheduler asks for is appraised like any other. besides: where it is
 * (node id), or 0. */
static const struct node *place(const struct tcd *tcd, const char *wanted,
                                const struct vm_policy *policy, uint64_t besides,
                                struct refusal *ret_refusal)
{
    const struct registry *registry = tcd_registry(tcd);
    const struct node *node;
    enum refusal_code code;

    if (wanted[0] == '\0') {
        node = placement_pick(registry, policy, besides);
        if (!node) {
            *ret_refusal = refusal_make(REFUSAL_NO_PLACEMENT, "no %slive node satisfies the policy",
                                        besides ? "other " : "");
        }
        return node;
    }
    node = registry_node_by_name(registry, wanted);
    code = !node ? REFUSAL_NOT_FOUND : registry_node_admits(registry, node);
    if (code == REFUSAL_NONE) {
        code = placement_allows(node, policy);
    }
    if (code == REFUSAL_NONE) {
        return node;
    }
    *ret_refusal = refusal_make(code, "node %s", wanted);
    return NULL;
}

static void launch_committed(void *argument, enum status status, const struct outcome *outcome)
{
    struct launch *launch = argument;
    struct admin_call *call = launch->call;
    Tccp__AdminResponse response = TCCP__ADMIN_RESPONSE__INIT;
    Tccp__Done done = TCCP__DONE__INIT;
    struct refusal refusal = {0};
    char vm[HEX_SIZE(SHA256_SIZE)];

    if (status == STATUS_OK && outcome->verdict != REFUSAL_NONE) {
        status = refuse(&refusal, outcome->verdict, "%s", outcome->detail ? outcome->detail : "");
    }
    if (status != STATUS_OK) {
        launch_refuse(launch, status, &refusal);
        return;
    }
    if (!outcome->repeated) {
        vm_orders_release(call->session->tcd->vm_orders, &launch->vm, ORDER_LAUNCH);
        vm_orders_look(call->session->tcd->vm_orders, &launch->vm);
    }
    hex_encode(digest_view(&launch->vm), vm);
    done.revision = outcome->revision;
    done.leaf_index = outcome->leaf_index;
    done.name = vm;
    response.kind_case = TCCP__ADMIN_RESPONSE__KIND_DONE;
    response.done = &done;
    launch_free(launch);
    admin_answer(call, &response);
}

static enum status authorize_launch(struct launch *launch, const struct ticket *ticket,
                                    struct refusal *ret_refusal)
{
    struct admin_call *call = launch->call;
    const struct tcd *tcd = call->session->tcd;
    const Tccp__RequestId *id = call->request->id;
    struct launch_request_context context = {
        .scope = *authority_scope(tcd->authority),
        .customer = call->session->key_id,
        .now_s = time_wall_s(),
        .tombstone_horizon_s = registry_tombstone_horizon_s(tcd_registry(tcd)),
    };
    struct command command = {.kind = COMMAND_LAUNCH_AUTHORIZED};
    const struct node *node;

    TRY(launch_request_check(&launch->request, ticket, &context, &launch->vm, ret_refusal));
    command.launch_authorized.policy = policy_for_core(&ticket->policy);
    node = place(tcd, call->request->vm_launch->node, &command.launch_authorized.policy, 0,
                 ret_refusal);
    if (!node) {
        return STATUS_REFUSED;
    }
    command.actor = call->session->key_id;
    command.session = id->session;
    command.number = id->number;
    registry_rest(tcd_registry(tcd), &command.rests);
    registry_rest_on_node(node, &command.rests);
    command.launch_authorized.vm = launch->vm;
    (void)snprintf(command.launch_authorized.name.text, sizeof command.launch_authorized.name.text,
                   "%s", launch->request.name);
    command.launch_authorized.customer = call->session->key_id;
    command.launch_authorized.request = protobuf_view(call->request->vm_launch->request);
    command.launch_authorized.image = launch->request.image;
    entropy_fill(command.launch_authorized.pseudonym, sizeof command.launch_authorized.pseudonym);
    command.launch_authorized.ticket_expiry_s = ticket->expiry_s;
    command.launch_authorized.vcpu_count = launch->request.manifest.vcpu_count;
    command.launch_authorized.memory_size = launch->request.manifest.memory_size;
    propose(tcd->replica, &command, launch_committed, launch);
    return STATUS_OK;
}

static void ticket_was_opened(void *argument, enum status status, struct secret *plaintext)
{
    struct launch *launch = argument;
    OWN(ticket) struct ticket ticket = {0};
    struct refusal refusal = {0};

    if (status != STATUS_OK) {
        status = refuse(&refusal, REFUSAL_TICKET, "%s", status_text(status));
    } else {
        status = ticket_parse(plaintext, &ticket, &refusal);
    }
    if (status == STATUS_OK) {
        status = authorize_launch(launch, &ticket, &refusal);
    }
    if (status != STATUS_OK) {
        launch_refuse(launch, status, &refusal);
    }
}

void admin_vm_launch(struct admin_call *call)
{
    const struct tcd *tcd = call->session->tcd;
    const Tccp__RequestId *id = call->request->id;
    struct launch *launch = calloc(1, sizeof *launch);
    struct refusal refusal = {0};
    enum status status = launch ? STATUS_OK : STATUS_NO_MEMORY;

    if (status == STATUS_OK && !tcd_leads(tcd)) {
        status = STATUS_NOT_LEADER;
    }
    if (status == STATUS_OK && (!id || id->session == 0 || id->number == 0)) {
        status = refuse(&refusal, REFUSAL_MALFORMED, "a change without a request id");
    }
    if (status == STATUS_OK) {
        launch->call = call;
        status = launch_request_parse(protobuf_view(call->request->vm_launch->request),
                                      &launch->request, &refusal);
    }
    if (status == STATUS_OK) {
        authority_open_ticket(tcd->authority, bytes_view(&launch->request.ticket),
                              &launch->request.image, ticket_was_opened, launch);
    } else if (launch) {
        launch->call = call;
        launch_refuse(launch, status, &refusal);
    } else {
        admin_fail(call, status);
    }
}

/* --- one VM --- */

/* The VM that is named, if the caller may know of it: a customer's own, anybody's for those who run
 * the cloud. */
static const struct vm *find_vm(struct admin_call *call, ProtobufCBinaryData name)
{
    const struct admin_session *session = call->session;
    struct refusal refusal = {0};
    const struct vm *vm = NULL;
    struct digest id;

    if (digest_of_view(protobuf_view(name), &id) == STATUS_OK) {
        vm = registry_vm(tcd_registry(session->tcd), &id);
    }
    if (vm && session->caller == CALLER_CUSTOMER &&
        !digest_equal(&vm->customer, &session->key_id)) {
        vm = NULL;
    }
    if (!vm && !tcd_leads(session->tcd)) {
        admin_fail(call, STATUS_NOT_LEADER); /* the leader may know of it already */
    } else if (!vm) {
        refusal = refusal_make(REFUSAL_NOT_FOUND, "no such VM");
        admin_refuse(call, &refusal);
    }
    return vm;
}

static void change_vm(struct admin_call *call, ProtobufCBinaryData name, enum command_kind kind)
{
    const struct vm *vm = find_vm(call, name);
    struct command command = {.kind = kind};

    if (vm) {
        command.vm.vm = vm->id;
        command.rests.generation = vm->generation;
        admin_propose(call, &command);
    }
}

void admin_vm_stop(struct admin_call *call)
{
    change_vm(call, call->request->vm_stop->vm, COMMAND_VM_STOP_REQUESTED);
}

void admin_vm_delete(struct admin_call *call)
{
    change_vm(call, call->request->vm_delete->vm, COMMAND_VM_DELETED);
}

/* --- migrate --- */

struct migrate {
    struct admin_call *call;
    struct digest vm;
    uint64_t destination; /* node id */
};

static void migrate_committed(void *argument, enum status status, const struct outcome *outcome)
{
    struct migrate migrate = *(struct migrate *)argument;
    struct admin_call *call = migrate.call;
    const struct tcd *tcd = call->session->tcd;
    const struct node *node = registry_node(tcd_registry(tcd), migrate.destination);
    Tccp__AdminResponse response = TCCP__ADMIN_RESPONSE__INIT;
    Tccp__Done done = TCCP__DONE__INIT;
    struct refusal refusal = {0};

    free(argument);
    if (status == STATUS_OK && outcome->verdict != REFUSAL_NONE) {
        refusal = refusal_make(outcome->verdict, "%s", outcome->detail ? outcome->detail : "");
        admin_refuse(call, &refusal);
        return;
    }
    if (status != STATUS_OK) {
        admin_fail(call, status);
        return;
    }
    done.revision = outcome->revision;
    done.leaf_index = outcome->leaf_index;
    done.id = outcome->id;
    if (node && call->session->caller != CALLER_CUSTOMER) {
        done.name = protobuf_string(node->name.text);
    }
    response.kind_case = TCCP__ADMIN_RESPONSE__KIND_DONE;
    response.done = &done;
    if (!outcome->repeated) {
        vm_orders_release(tcd->vm_orders, &migrate.vm, ORDER_MIGRATE);
        vm_orders_look(tcd->vm_orders, &migrate.vm);
    }
    admin_answer(call, &response);
}

static void authorize_migration(struct admin_call *call, const struct vm *vm,
                                const struct node *destination, struct migrate *migrate)
{
    const struct tcd *tcd = call->session->tcd;
    const struct registry *registry = tcd_registry(tcd);
    const Tccp__RequestId *id = call->request->id;
    struct command command = {.kind = COMMAND_MIGRATION_AUTHORIZED,
                              .actor = call->session->key_id,
                              .session = id->session,
                              .number = id->number};

    registry_rest(registry, &command.rests);
    registry_rest_on_node(registry_node(registry, vm->owner.node), &command.rests);
    registry_rest_on_peer(destination, &command.rests);
    command.rests.generation = vm->generation;
    command.vm.vm = vm->id;
    command.vm.lifetime_ms = (uint64_t)registry_perimeter(registry)->lease_s * 1000;
    entropy_fill(command.vm.pseudonym, sizeof command.vm.pseudonym);
    entropy_fill(command.vm.source_nonce.bytes, sizeof command.vm.source_nonce.bytes);
    entropy_fill(command.vm.destination_nonce.bytes, sizeof command.vm.destination_nonce.bytes);
    (void)snprintf(command.vm.detail, sizeof command.vm.detail, "asked for by %s",
                   call->session->caller == CALLER_CUSTOMER ? "its customer" : "an operator");
    migrate->destination = destination->id;
    propose(tcd->replica, &command, migrate_committed, migrate);
}

void admin_vm_migrate(struct admin_call *call)
{
    const struct tcd *tcd = call->session->tcd;
    const Tccp__RequestId *id = call->request->id;
    const struct vm *vm = find_vm(call, call->request->vm_migrate->vm);
    const struct node *destination;
    struct migrate *migrate;
    struct outcome outcome;
    struct refusal refusal = {0};

    if (!vm) {
        return;
    }
    if (!tcd_leads(tcd)) {
        admin_fail(call, STATUS_NOT_LEADER);
        return;
    }
    if (!id || id->session == 0 || id->number == 0) {
        refusal = refusal_make(REFUSAL_MALFORMED, "a change without a request id");
        admin_refuse(call, &refusal);
        return;
    }
    migrate = calloc(1, sizeof *migrate);
    if (!migrate) {
        admin_fail(call, STATUS_NO_MEMORY);
        return;
    }
    *migrate = (struct migrate){call, vm->id, 0};
    /* Where the VM must not move, that is said rather than that there is no place for it. */
    destination = NULL;
    if (!vm->policy.may_migrate) {
        refusal = refusal_make(REFUSAL_NO_PLACEMENT, "its policy forbids migration");
    } else {
        destination =
            place(tcd, call->request->vm_migrate->node, &vm->policy, vm->owner.node, &refusal);
    }
    /* Asked again, and by now there is no other place for it: what came of it is remembered. */
    if (!destination && registry_result(tcd_registry(tcd), id->session, id->number, &outcome)) {
        destination = registry_node(tcd_registry(tcd), vm->owner.node);
    }
    if (!destination) {
        admin_refuse(call, &refusal);
        free(migrate);
        return;
    }
    authorize_migration(call, vm, destination, migrate);
}

void admin_vm_proof_get(struct admin_call *call)
{
    const struct vm *vm = find_vm(call, call->request->vm_proof_get->vm);
    Tccp__AdminResponse response = TCCP__ADMIN_RESPONSE__INIT;
    Tccp__VmProof message = TCCP__VM_PROOF__INIT;
    OWN(bytes) struct bytes proof = {0};
    struct refusal refusal = {0};

    if (!vm) {
        return;
    }
    if (vm_orders_proof(call->session->tcd->vm_orders, vm, &proof) != STATUS_OK) {
        vm_orders_prove(call->session->tcd->vm_orders, vm);
        refusal = refusal_make(REFUSAL_NOT_READY, "the VM is %s: its node has not proved it yet",
                               vm_state_name(vm->state));
        admin_refuse(call, &refusal);
        return;
    }
    message.proof = protobuf_data(bytes_view(&proof));
    response.kind_case = TCCP__ADMIN_RESPONSE__KIND_VM_PROOF;
    response.vm_proof = &message;
    admin_answer(call, &response);
}

/* --- the list --- */

static void fill_vm(const struct admin_session *session, Tccp__VmStatus *item, const struct vm *vm)
{
    const struct node *node = registry_node(tcd_registry(session->tcd), vm->owner.node);

    tccp__vm_status__init(item);
    item->vm = protobuf_data(digest_view(&vm->id));
    item->name = protobuf_string(vm->name.text);
    item->state = protobuf_string(vm_state_name(vm->state));
    item->generation = vm->generation;
    item->customer = protobuf_data(digest_view(&vm->customer));
    if (node && session->caller != CALLER_CUSTOMER) {
        item->node = protobuf_string(node->name.text);
    }
    item->pseudonym = protobuf_data(VIEW_OF_ARRAY(vm->pseudonym));
    item->vcpu_count = vm->vcpu_count;
    item->memory_size = vm->memory_size;
    item->changed_at_s = vm->changed_at_s;
    item->detail = protobuf_string(vm->detail);
    item->migration = vm->migration;
    item->last_migration = vm->last_migration;
    item->last_migration_done = vm->last_migration_done;
}

void admin_vms_list(struct admin_call *call)
{
    const struct admin_session *session = call->session;
    const struct registry *registry = tcd_registry(session->tcd);
    Tccp__AdminResponse response = TCCP__ADMIN_RESPONSE__INIT;
    Tccp__VmsReply reply = TCCP__VMS_REPLY__INIT;
    OWN(admin_list) struct admin_list list = {0};
    size_t count = 0, cursor = 0;
    Tccp__VmStatus *items;
    const struct vm *vm;

    while (registry_vm_next(registry, &cursor)) {
        count++;
    }
    if (!admin_list_make(call, count, sizeof *items, &list)) {
        return;
    }
    items = list.items;
    cursor = 0;
    while ((vm = registry_vm_next(registry, &cursor))) {
        if (session->caller != CALLER_CUSTOMER || digest_equal(&vm->customer, &session->key_id)) {
            fill_vm(session, &items[reply.n_vms++], vm);
        }
    }
    reply.vms = (Tccp__VmStatus **)list.pointers;
    response.kind_case = TCCP__ADMIN_RESPONSE__KIND_VMS;
    response.vms = &reply;
    admin_answer(call, &response);
}
