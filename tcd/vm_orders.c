#include "tcd/vm_orders_internal.h"

#include "lib/base/log.h"
#include "lib/base/protobuf.h"
#include "lib/base/text.h"
#include "lib/net/timer.h"
#include "lib/protocol/run_grant.h"
#include "tcd/node_server.h"
#include "tcd/proposals.h"

#include "proto/node.pb-c.h"

#include <stdlib.h>
#include <string.h>

enum {
    ANSWER_TIMEOUT_MS = 30000, /* a node fetches the image before it answers */
    RESUME_PATIENCE_MS = 5000, /* until a granted VM that does not run is given its key again */
    REPEAT_MS = 2000,          /* grants, stops: until the state says that they were carried out */
    PROPOSE_AGAIN_MS = 1000,
    PROVE_AGAIN_MS = 5000,
    FENCE_MARGIN_MS = 10000, /* what the launcher takes from SIGSTOP to SIGKILL, and more */
};

enum status vm_orders_new(struct tcd *tcd, struct vm_orders **ret_orders)
{
    struct vm_orders *orders = calloc(1, sizeof *orders);

    if (!orders) {
        return STATUS_NO_MEMORY;
    }
    orders->tcd = tcd;
    TABLE_INIT(&orders->table, struct order_state, vm);
    TABLE_INIT(&orders->obligations, struct obligation, registration);
    *ret_orders = orders;
    return STATUS_OK;
}

static void state_free(struct order_state *state)
{
    bytes_free(&state->measurement);
    bytes_free(&state->leaf);
    free(state);
}

static void clear(struct vm_orders *orders)
{
    struct order_state *state;
    size_t cursor = 0;

    while ((state = table_next(&orders->table, &cursor))) {
        state_free(table_remove(&orders->table, &state->vm));
    }
}

static void obligations_clear(struct vm_orders *orders)
{
    struct obligation *obligation;

    while ((obligation = table_first(&orders->obligations))) {
        free(table_remove(&orders->obligations, &obligation->registration));
    }
}

void vm_orders_free(struct vm_orders *orders)
{
    if (orders) {
        clear(orders);
        obligations_clear(orders);
        table_free(&orders->table);
        table_free(&orders->obligations);
        free(orders);
    }
}

void vm_orders_restart(struct vm_orders *orders, uint64_t now_ms)
{
    clear(orders);
    orders->now_ms = now_ms;
}

struct order_state *vm_orders_state(struct vm_orders *orders, const struct digest *vm)
{
    struct order_state *state = table_find(&orders->table, vm);

    if (!state) {
        state = calloc(1, sizeof *state);
        ASSERT(state);
        state->vm = *vm;
        table_insert(&orders->table, state);
    }
    return state;
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
    log_event(LOG_WARNING, event, "vm=%s reason=%s detail=\"%s\"", hex_short(digest_view(vm)).text,
              refusal && status == STATUS_REFUSED ? refusal_name(refusal->code)
                                                  : status_text(status),
              refusal ? refusal->detail : "");
}

/* --- proposals --- */

struct vm_proposal {
    struct vm_orders *orders;
    struct digest vm;
    enum command_kind kind;
};

static void send_grant(struct vm_orders *orders, const struct vm *vm, const struct node *node);

/* To whom KEY_REISSUED released the key, and what for, the state says. */
static enum order_purpose reissue_purpose(const struct vm *vm)
{
    if (vm->state == VM_MIGRATING) {
        return ORDER_MIGRATE;
    }
    return vm->state == VM_LAUNCHING ? ORDER_LAUNCH : ORDER_READOPT;
}

static void proposal_applied(void *argument, enum status status, const struct outcome *outcome)
{
    struct vm_proposal proposal = *(struct vm_proposal *)argument;
    const struct registry *registry = tcd_registry(proposal.orders->tcd);
    const struct vm *vm = registry_vm(registry, &proposal.vm);
    struct order_state *state;

    free(argument);
    if (status != STATUS_OK || outcome->verdict != REFUSAL_NONE || !vm) {
        log_event(LOG_INFO, "vm-command-refused", "vm=%s kind=%s reason=\"%s\"",
                  hex_short(digest_view(&proposal.vm)).text, command_kind_name(proposal.kind),
                  outcome ? refusal_name(outcome->verdict) : status_text(status));
        return;
    }
    state = vm_orders_state(proposal.orders, &proposal.vm);
    /* Whatever is to be decided now has not been proposed yet, and nobody was told of it. */
    state->proposed_ms = 0;
    if (proposal.kind != COMMAND_MIGRATION_REPORTED) {
        state->told_ms = state->told_peer_ms = 0;
    }
    if (proposal.kind == COMMAND_KEY_REISSUED) {
        vm_orders_release(proposal.orders, &proposal.vm, reissue_purpose(vm));
    } else if (proposal.kind == COMMAND_MIGRATION_AUTHORIZED) {
        vm_orders_release(proposal.orders, &proposal.vm, ORDER_MIGRATE);
    } else if (proposal.kind == COMMAND_VM_READOPTED ||
               proposal.kind == COMMAND_OWNERSHIP_REVERTED) {
        vm_orders_release(proposal.orders, &proposal.vm, ORDER_READOPT);
    } else if (proposal.kind == COMMAND_GRANT_ISSUED) {
        if (vm->state != VM_LAUNCHING) {
            vm_migrations_tell(proposal.orders, vm);
            send_grant(proposal.orders, vm, registry_node(registry, vm->owner.node));
            state->told_ms = time_boot_ms();
        }
    } else if (proposal.kind == COMMAND_MIGRATION_DONE ||
               proposal.kind == COMMAND_MIGRATION_ABORTED) {
        vm_migrations_tell(proposal.orders, vm);
    }
    vm_orders_look(proposal.orders, &proposal.vm);
}

void vm_orders_propose_on(struct vm_orders *orders, const struct vm *vm, const struct node *node,
                          struct command *command)
{
    struct vm_proposal *proposal = malloc(sizeof *proposal);

    if (!proposal) {
        return;
    }
    *proposal = (struct vm_proposal){orders, vm->id, command->kind};
    registry_rest(tcd_registry(orders->tcd), &command->rests);
    registry_rest_on_node(node, &command->rests);
    command->rests.generation = vm->generation;
    propose(orders->tcd->replica, command, proposal_applied, proposal);
}

void vm_orders_propose(struct vm_orders *orders, const struct vm *vm, const struct node *node,
                       struct command *command)
{
    command->vm.vm = vm->id;
    vm_orders_propose_on(orders, vm, node, command);
}

/* --- grants and commands --- */

static void send_grant(struct vm_orders *orders, const struct vm *vm, const struct node *node)
{
    const struct tcd *tcd = orders->tcd;
    struct signer signer = vm_orders_signer(tcd);
    struct run_grant grant = {
        .vm = vm->id,
        .generation = vm->generation,
        .registration = node->registration.id,
        .deadline_ms =
            (uint64_t)registry_perimeter(tcd_registry(tcd))->lease_s * 1000 + vm->policy.after_ms,
        .action =
            vm->policy.on_lost_lease == LOST_LEASE_STOP ? ON_LOST_LEASE_STOP : ON_LOST_LEASE_PAUSE,
    };
    OWN(bytes) struct bytes bytes = {0};
    enum status status = run_grant_make(&grant, authority_scope(tcd->authority), &signer, &bytes);

    if (status == STATUS_OK) {
        status = node_server_send(tcd->node_server, node->registration.id,
                                  TCCP__NODE_MESSAGE_KIND__RUN_GRANT, bytes_view(&bytes));
    }
    if (status != STATUS_OK) {
        vm_orders_log_failure("grant-not-sent", &vm->id, status, NULL);
    }
}

void vm_orders_resumed(struct vm_orders *orders, const struct node *node)
{
    const struct registry *registry = tcd_registry(orders->tcd);
    const struct vm *vm;
    size_t cursor = 0;

    if (node->standing != NODE_GOOD) {
        return;
    }
    while ((vm = registry_vm_next(registry, &cursor))) {
        if (vm->owner.node != node->id || vm->owner.registration != node->registration.id ||
            vm->stop_requested) {
            continue;
        }
        if (vm->state == VM_LAUNCHING) {
            vm_orders_state(orders, &vm->id)->released_generation = 0;
        } else if (vm->granted_generation == vm->generation &&
                   (vm->state == VM_RUNNING || vm->state == VM_RESUMING)) {
            vm_migrations_tell(orders, vm);
            send_grant(orders, vm, node);
        }
    }
}

void vm_orders_command(struct vm_orders *orders, const struct digest *vm, uint64_t generation,
                       const struct node *node, Tccp__VmAction action)
{
    Tccp__VmCommand message = TCCP__VM_COMMAND__INIT;
    OWN(bytes) struct bytes bytes = {0};
    enum status status;

    message.vm = protobuf_data(digest_view(vm));
    message.generation = generation;
    message.action = action;
    status = protobuf_pack(&message.base, 1024, &bytes);
    if (status == STATUS_OK) {
        status = node_server_send(orders->tcd->node_server, node->registration.id,
                                  TCCP__NODE_MESSAGE_KIND__VM_COMMAND, bytes_view(&bytes));
    }
    if (status != STATUS_OK) {
        vm_orders_log_failure("command-not-sent", vm, status, NULL);
    }
}

bool vm_orders_is_due(const struct vm_orders *orders, uint64_t *last_ms, uint64_t interval_ms)
{
    if (*last_ms != 0 && orders->now_ms - *last_ms < interval_ms) {
        return false;
    }
    *last_ms = orders->now_ms;
    return true;
}

/* When this leader first saw the VM at its present generation. */
static uint64_t generation_since(struct order_state *state, const struct vm *vm, uint64_t now_ms)
{
    if (state->generation != vm->generation) {
        state->generation = vm->generation;
        state->generation_since_ms = now_ms;
    }
    return state->generation_since_ms;
}

/* Nothing can run there any more: the lease, D, the drift of a clock, and the time to kill are
 * over, counted from when this leader saw it first. */
static bool is_fenced(struct vm_orders *orders, struct order_state *state, const struct vm *vm,
                      const struct node *node)
{
    uint64_t lease_ms = (uint64_t)node->registration.lease_s * 1000;
    uint64_t wait_ms = (lease_ms + vm->policy.after_ms) * 21 / 20 + FENCE_MARGIN_MS;

    if (state->fence_since_ms == 0 || state->fence_registration != node->registration.id) {
        state->fence_since_ms = orders->now_ms;
        state->fence_registration = node->registration.id;
    }
    return orders->now_ms - state->fence_since_ms > wait_ms;
}

/* The copy that the migration left behind may run where the customer's policy says so. */
static void propose_revert(struct vm_orders *orders, const struct vm *vm, const struct node *peer)
{
    const struct registry *registry = tcd_registry(orders->tcd);
    struct command command = {.kind = COMMAND_OWNERSHIP_REVERTED};

    registry_rest_on_peer(peer, &command.rests);
    memcpy(command.vm.pseudonym, vm->peer_pseudonym, sizeof command.vm.pseudonym);
    vm_orders_propose(orders, vm, registry_node(registry, vm->owner.node), &command);
}

static void carry_out(struct vm_orders *orders, const struct pending *pending)
{
    const struct vm *vm = pending->vm;
    const struct node *node = pending->node;
    struct order_state *state = vm_orders_state(orders, &vm->id);

    switch (pending->kind) {
    case PENDING_GRANT:
        if (vm_orders_is_due(orders, &state->proposed_ms, PROPOSE_AGAIN_MS)) {
            vm_orders_propose(orders, vm, node, &(struct command){.kind = COMMAND_GRANT_ISSUED});
        }
        break;
    case PENDING_LAUNCH:
        /* The order first: a node that has a grant for what it was never told of says that it is
         * lost. */
        if (state->released_generation != vm->generation ||
            orders->now_ms - state->sent_ms > ANSWER_TIMEOUT_MS) {
            if (node_server_reaches(orders->tcd->node_server, node->registration.id) &&
                vm_orders_is_due(orders, &state->sent_ms, REPEAT_MS)) {
                vm_orders_propose(orders, vm, node,
                                  &(struct command){.kind = COMMAND_KEY_REISSUED});
            }
        } else if (vm->granted_generation == vm->generation &&
                   vm_orders_is_due(orders, &state->told_ms, REPEAT_MS)) {
            send_grant(orders, vm, node);
        }
        break;
    case PENDING_RESUME:
        if (vm_orders_is_due(orders, &state->told_ms, REPEAT_MS)) {
            vm_migrations_tell(orders, vm);
            send_grant(orders, vm, node);
        }
        /* Its agent may have no key: it was restarted, and the order that readopted the VM was
         * lost on its way. */
        if (orders->now_ms - generation_since(state, vm, orders->now_ms) > RESUME_PATIENCE_MS &&
            node_server_reaches(orders->tcd->node_server, node->registration.id) &&
            vm_orders_is_due(orders, &state->sent_ms, ANSWER_TIMEOUT_MS)) {
            vm_orders_propose(orders, vm, node, &(struct command){.kind = COMMAND_KEY_REISSUED});
        }
        break;
    case PENDING_FENCE:
        if (is_fenced(orders, state, vm, node) &&
            vm_orders_is_due(orders, &state->proposed_ms, PROPOSE_AGAIN_MS)) {
            vm_orders_propose(orders, vm, node, &(struct command){.kind = COMMAND_VM_FENCED});
        }
        break;
    case PENDING_REVERT:
        if (node_server_reaches(orders->tcd->node_server, node->registration.id) &&
            vm_orders_is_due(orders, &state->proposed_ms, PROPOSE_AGAIN_MS)) {
            propose_revert(orders, vm, node);
        }
        break;
    case PENDING_STOP:
        if (vm_orders_is_due(orders, &state->told_ms, REPEAT_MS)) {
            vm_orders_command(orders, &vm->id, vm->generation, node,
                              TCCP__VM_ACTION__VM_ACTION_STOP);
        }
        break;
    case PENDING_DESTROY:
        if (vm_orders_is_due(orders, &state->told_ms, REPEAT_MS)) {
            vm_orders_command(orders, &vm->id, vm->generation, node,
                              TCCP__VM_ACTION__VM_ACTION_DESTROY);
        }
        break;
    case PENDING_WITHDRAW:
        if (vm_orders_is_due(orders, &state->proposed_ms, PROPOSE_AGAIN_MS)) {
            vm_orders_propose(orders, vm, node, &(struct command){.kind = COMMAND_GRANT_WITHDRAWN});
        }
        break;
    case PENDING_PAUSE:
        if (state->paused_generation != vm->generation &&
            vm_orders_is_due(orders, &state->told_ms, REPEAT_MS)) {
            vm_orders_command(orders, &vm->id, vm->generation, node,
                              TCCP__VM_ACTION__VM_ACTION_PAUSE);
        }
        break;
    case PENDING_EVACUATE:
        vm_migrations_evacuate(orders, state, vm, node);
        break;
    case PENDING_READOPT: /* by the node's inventory */
    case PENDING_KIND_COUNT:
        break;
    case PENDING_TICKET_SOURCE:
    case PENDING_TICKET_DESTINATION:
    case PENDING_DONE:
    case PENDING_ABORT:
        vm_migrations_carry_out(orders, state, pending);
        break;
    }
}

/* Of VMs that are deleted, and of which no copy is left to destroy. */
static void forget_deleted(struct vm_orders *orders)
{
    const struct registry *registry = tcd_registry(orders->tcd);
    struct order_state *state;
    size_t cursor = 0;

    while ((state = table_next(&orders->table, &cursor))) {
        const struct vm *vm = registry_vm(registry, &state->vm);
        struct pending pending[PENDING_COUNT_MAX];

        if (!vm || (vm->state == VM_DELETED && pending_of_vm(registry, vm, pending) == 0)) {
            state_free(table_remove(&orders->table, &state->vm));
        }
    }
}

/* Is there anything about this VM that the node at this place has yet to hear, or to be heard of?
 */
static bool is_unfinished(const struct vm_orders *orders, const struct vm *vm,
                          const struct pending *pending, size_t count)
{
    const struct order_state *state = table_find(&orders->table, &vm->id);

    if (vm->state == VM_MIGRATING || (vm->state == VM_RESUMING && vm->last_migration != 0)) {
        return true;
    }
    for (size_t i = 0; i < count; i++) {
        if (pending[i].kind == PENDING_STOP || pending[i].kind == PENDING_WITHDRAW ||
            pending[i].kind == PENDING_EVACUATE || pending[i].kind == PENDING_DESTROY ||
            (pending[i].kind == PENDING_PAUSE &&
             (!state || state->paused_generation != vm->generation))) {
            return true;
        }
    }
    return false;
}

static void note_obligation(struct vm_orders *orders, const struct vm_place *place)
{
    const struct node *node = registry_node(tcd_registry(orders->tcd), place->node);
    struct obligation *obligation;

    if (!node || node->standing == NODE_GOOD || !node->registration.live ||
        node->registration.id != place->registration ||
        table_find(&orders->obligations, &node->registration.id)) {
        return;
    }
    obligation = calloc(1, sizeof *obligation);
    ASSERT(obligation);
    obligation->registration = node->registration.id;
    table_insert(&orders->obligations, obligation);
}

static void look_at(struct vm_orders *orders, const struct vm *vm)
{
    struct pending pending[PENDING_COUNT_MAX];
    size_t count = pending_of_vm(tcd_registry(orders->tcd), vm, pending);

    if (is_unfinished(orders, vm, pending, count)) {
        note_obligation(orders, &vm->owner);
        note_obligation(orders, &vm->peer);
    }
    for (size_t i = 0; i < count; i++) {
        carry_out(orders, &pending[i]);
    }
}

void vm_orders_look(struct vm_orders *orders, const struct digest *vm_id)
{
    const struct vm *vm = registry_vm(tcd_registry(orders->tcd), vm_id);

    orders->now_ms = time_boot_ms();
    if (vm && tcd_leads(orders->tcd)) {
        look_at(orders, vm);
    }
}

void vm_orders_tick(struct vm_orders *orders, uint64_t now_ms)
{
    const struct registry *registry = tcd_registry(orders->tcd);
    const struct vm *vm;
    size_t cursor = 0;

    orders->now_ms = now_ms;
    obligations_clear(orders);
    while ((vm = registry_vm_next(registry, &cursor))) {
        look_at(orders, vm);
    }
    forget_deleted(orders);
}

bool vm_orders_obliges(const struct vm_orders *orders, uint64_t registration)
{
    return table_find(&orders->obligations, &registration) != NULL;
}

void vm_orders_prove(struct vm_orders *orders, const struct vm *vm)
{
    const struct node *node = registry_node(tcd_registry(orders->tcd), vm->owner.node);
    struct order_state *state = vm_orders_state(orders, &vm->id);

    /* With the key comes what the proof is made of. */
    orders->now_ms = time_boot_ms();
    if (vm->state == VM_RUNNING && node && node->registration.id == vm->owner.registration &&
        node_server_reaches(orders->tcd->node_server, node->registration.id) &&
        vm_orders_is_due(orders, &state->sent_ms, PROVE_AGAIN_MS)) {
        vm_orders_propose(orders, vm, node, &(struct command){.kind = COMMAND_KEY_REISSUED});
    }
}
