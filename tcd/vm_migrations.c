/* Live migrations, as the coordinator leads them: tickets to both sides, their reports, the
 * decision (docs/PROTOCOL.md, section 5). See vm_orders.h. */
#include "lib/base/log.h"
#include "lib/base/protobuf.h"
#include "lib/base/text.h"
#include "lib/crypto/entropy.h"
#include "lib/net/address.h"
#include "lib/protocol/migration_report.h"
#include "tcd/leases.h"
#include "tcd/node_server.h"
#include "tcd/vm_orders_internal.h"

#include "proto/node.pb-c.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    TICKET_REPEAT_MS = 1000, /* each receipt prolongs the ticket: well below its lifetime */
    KEY_AGAIN_MS = 60000,    /* without a word of the destination, which fetches an image first */
    DECIDE_AGAIN_MS = 1000,
    TELL_AGAIN_MS = 2000,
    /* When nobody says that it failed, but nothing comes of it either: until the destination is
     * ready; and from then on. */
    PREPARE_MAX_MS = 900000,
    OPEN_MAX_MS = 60000,
    OPEN_MAX_MS_PER_MIB = 40, /* of the guest's memory */
    READY_SIZE_MAX = 512,     /* bytes of a MigrationReady */
    /* Of the lease of a quarantined source, which gets no other: enough to abort the migration and
     * to have the VM paused before nobody can be told any more. */
    RESERVE_OF_LEASE = 10,
};

/* --- tickets --- */

static enum status party_of(const struct node *node, struct migration_party *ret_party)
{
    const struct registration *registration = &node->registration;

    if (node->ek_name.size > sizeof ret_party->node ||
        registration->tk_sign_size != sizeof ret_party->tk_sign) {
        return STATUS_MALFORMED;
    }
    memcpy(ret_party->node, node->ek_name.bytes, node->ek_name.size);
    ret_party->node_size = node->ek_name.size;
    ret_party->registration = registration->id;
    memcpy(ret_party->tk_sign, registration->tk_sign, sizeof ret_party->tk_sign);
    memcpy(ret_party->tk_kem, registration->tk_kem, sizeof ret_party->tk_kem);
    return STATUS_OK;
}

/* From the state alone: both sides, and the next leader, see the same. */
static enum status make_ticket(const struct vm_orders *orders, const struct vm *vm,
                               struct bytes *ret_ticket)
{
    const struct tcd *tcd = orders->tcd;
    const struct registry *registry = tcd_registry(tcd);
    struct signer signer = vm_orders_signer(tcd);
    struct migration_ticket ticket = {.migration = vm->migration,
                                      .vm = vm->id,
                                      .generation = vm->generation,
                                      .lifetime_ms = vm->lifetime_ms};

    TRY(party_of(registry_node(registry, vm->owner.node), &ticket.parties[SIDE_SOURCE]));
    TRY(party_of(registry_node(registry, vm->peer.node), &ticket.parties[SIDE_DESTINATION]));
    memcpy(ticket.nonces[SIDE_SOURCE], vm->source_nonce.bytes, MIGRATION_NONCE_SIZE);
    memcpy(ticket.nonces[SIDE_DESTINATION], vm->destination_nonce.bytes, MIGRATION_NONCE_SIZE);
    return migration_ticket_make(&ticket, authority_scope(tcd->authority), &signer, ret_ticket);
}

static void send_ticket(struct vm_orders *orders, const struct vm *vm, const struct node *node)
{
    OWN(bytes) struct bytes ticket = {0};
    enum status status = make_ticket(orders, vm, &ticket);

    if (status == STATUS_OK) {
        status = node_server_send(orders->tcd->node_server, node->registration.id,
                                  TCCP__NODE_MESSAGE_KIND__MIGRATION_TICKET, bytes_view(&ticket));
    }
    if (status != STATUS_OK) {
        vm_orders_log_failure("ticket-not-sent", &vm->id, status, NULL);
    }
}

/* --- what is decided --- */

static void propose_end(struct vm_orders *orders, const struct vm *vm, enum command_kind kind,
                        const char *reason)
{
    const struct registry *registry = tcd_registry(orders->tcd);
    struct command command = {.kind = kind};

    registry_rest_on_peer(registry_node(registry, vm->peer.node), &command.rests);
    command.migration.migration = vm->migration;
    (void)snprintf(command.migration.reason, sizeof command.migration.reason, "%s", reason);
    vm_orders_propose_on(orders, vm, registry_node(registry, vm->owner.node), &command);
}

/* Why it can be done no more, for people. */
static const char *abort_reason(const struct registry *registry, const struct vm *vm)
{
    const struct node *owner = registry_node(registry, vm->owner.node);
    const struct node *peer = registry_node(registry, vm->peer.node);

    if (vm->stop_requested) {
        return "the VM is to be stopped";
    }
    if (!owner->registration.live || owner->registration.id != vm->owner.registration) {
        return "the source has no lease any more";
    }
    if (!peer->registration.live || peer->registration.id != vm->peer.registration) {
        return "the destination has no lease any more";
    }
    return "source or destination may not have it any more";
}

/* Counted from when this leader saw it first. */
static bool takes_too_long(const struct vm_orders *orders, struct order_state *state,
                           const struct vm *vm)
{
    uint64_t memory_mib = vm->memory_size / (1024 * 1024);

    if (state->migration != vm->migration) {
        state->migration = vm->migration;
        state->migration_since_ms = orders->now_ms;
        state->ready_since_ms = state->failed_ms = 0;
        memset(state->reported_ms, 0, sizeof state->reported_ms);
    }
    if (state->ready_since_ms == 0) {
        return orders->now_ms - state->migration_since_ms > PREPARE_MAX_MS;
    }
    return orders->now_ms - state->ready_since_ms > OPEN_MAX_MS + memory_mib * OPEN_MAX_MS_PER_MIB;
}

/* A migration away from a quarantined node ends while that can still be told what to do instead. */
static bool lease_runs_out(const struct vm_orders *orders, const struct vm *vm)
{
    const struct tcd *tcd = orders->tcd;
    const struct registry *registry = tcd_registry(tcd);
    uint64_t lease_ms = (uint64_t)registry_perimeter(registry)->lease_s * 1000;

    return registry_node(registry, vm->owner.node)->standing == NODE_QUARANTINED &&
           leases_left_ms(tcd->leases, vm->owner.registration, orders->now_ms) <
               lease_ms / RESERVE_OF_LEASE;
}

void vm_migrations_evacuate(struct vm_orders *orders, struct order_state *state,
                            const struct vm *vm, const struct node *destination)
{
    const struct registry *registry = tcd_registry(orders->tcd);
    const struct node *owner = registry_node(registry, vm->owner.node);
    struct command command = {.kind = COMMAND_MIGRATION_AUTHORIZED};

    if (!vm_orders_is_due(orders, &state->proposed_ms, DECIDE_AGAIN_MS)) {
        return;
    }
    if (!node_server_reaches(orders->tcd->node_server, destination->registration.id) ||
        lease_runs_out(orders, vm)) {
        vm_orders_propose(orders, vm, owner, &(struct command){.kind = COMMAND_GRANT_WITHDRAWN});
        return;
    }
    registry_rest_on_peer(destination, &command.rests);
    command.vm.lifetime_ms = (uint64_t)registry_perimeter(registry)->lease_s * 1000;
    entropy_fill(command.vm.pseudonym, sizeof command.vm.pseudonym);
    entropy_fill(command.vm.source_nonce.bytes, sizeof command.vm.source_nonce.bytes);
    entropy_fill(command.vm.destination_nonce.bytes, sizeof command.vm.destination_nonce.bytes);
    (void)snprintf(command.vm.detail, sizeof command.vm.detail, "%s",
                   registry_response_cause(vm, owner).text);
    vm_orders_propose(orders, vm, owner, &command);
}

void vm_migrations_carry_out(struct vm_orders *orders, struct order_state *state,
                             const struct pending *pending)
{
    const struct vm *vm = pending->vm;

    switch (pending->kind) {
    case PENDING_TICKET_SOURCE:
        if (lease_runs_out(orders, vm)) {
            if (vm_orders_is_due(orders, &state->proposed_ms, DECIDE_AGAIN_MS)) {
                propose_end(orders, vm, COMMAND_MIGRATION_ABORTED,
                            "the source is quarantined, and its lease nearly over");
            }
        } else if (takes_too_long(orders, state, vm)) {
            if (vm_orders_is_due(orders, &state->proposed_ms, DECIDE_AGAIN_MS)) {
                propose_end(orders, vm, COMMAND_MIGRATION_ABORTED, "it takes too long");
            }
        } else if (vm_orders_is_due(orders, &state->told_ms, TICKET_REPEAT_MS)) {
            send_ticket(orders, vm, pending->node);
        }
        break;
    case PENDING_TICKET_DESTINATION:
        if ((state->released_generation != vm->generation ||
             (!state->is_ready && orders->now_ms - state->sent_ms > KEY_AGAIN_MS)) &&
            node_server_reaches(orders->tcd->node_server, pending->node->registration.id) &&
            vm_orders_is_due(orders, &state->sent_ms, TELL_AGAIN_MS)) {
            vm_orders_propose(
                orders, vm, pending->node,
                &(struct command){.kind = COMMAND_KEY_REISSUED, .vm = {.destination = true}});
        }
        /* The order first: the ticket means nothing to who does not expect the VM. */
        if (state->released_generation == vm->generation &&
            vm_orders_is_due(orders, &state->told_peer_ms, TICKET_REPEAT_MS)) {
            send_ticket(orders, vm, pending->node);
        }
        break;
    case PENDING_DONE:
        if (vm_orders_is_due(orders, &state->proposed_ms, DECIDE_AGAIN_MS)) {
            propose_end(orders, vm, COMMAND_MIGRATION_DONE, "");
        }
        break;
    case PENDING_ABORT:
        if (vm_orders_is_due(orders, &state->proposed_ms, DECIDE_AGAIN_MS)) {
            propose_end(orders, vm, COMMAND_MIGRATION_ABORTED,
                        abort_reason(tcd_registry(orders->tcd), vm));
        }
        break;
    case PENDING_LAUNCH:
    case PENDING_GRANT:
    case PENDING_RESUME:
    case PENDING_READOPT:
    case PENDING_FENCE:
    case PENDING_STOP:
    case PENDING_REVERT:
    case PENDING_DESTROY:
    case PENDING_EVACUATE:
    case PENDING_WITHDRAW:
    case PENDING_PAUSE:
    case PENDING_KIND_COUNT:
        ASSERT(!"a step of a migration");
    }
}

/* --- the decision, to both nodes --- */

static void send_decision(const struct vm_orders *orders, const struct vm *vm, uint64_t node_id,
                          struct view decision)
{
    const struct node *node = registry_node(tcd_registry(orders->tcd), node_id);

    /* A node without a connection hears it when it is back: by its grant, or by the order to
     * destroy what it has. */
    if (node && node->registration.live &&
        node_server_send(orders->tcd->node_server, node->registration.id,
                         TCCP__NODE_MESSAGE_KIND__MIGRATION_DECISION, decision) != STATUS_OK) {
        vm_orders_log_failure("decision-not-sent", &vm->id, STATUS_NOT_FOUND, NULL);
    }
}

void vm_migrations_tell(const struct vm_orders *orders, const struct vm *vm)
{
    const struct tcd *tcd = orders->tcd;
    struct signer signer = vm_orders_signer(tcd);
    const struct migration_decision decision = {
        .verdict = vm->last_migration_done ? MIGRATION_IS_DONE : MIGRATION_IS_ABORTED,
        .migration = vm->last_migration,
        .vm = vm->id,
        .owner_registration = vm->owner.registration,
        .generation = vm->generation,
        .session = vm->session,
    };
    OWN(bytes) struct bytes bytes = {0};
    enum status status;

    if (vm->state != VM_RESUMING || vm->last_migration == 0) {
        return;
    }
    status = migration_decision_make(&decision, authority_scope(tcd->authority), &signer, &bytes);
    if (status != STATUS_OK) {
        vm_orders_log_failure("decision-not-made", &vm->id, status, NULL);
        return;
    }
    send_decision(orders, vm, vm->owner.node, bytes_view(&bytes));
    send_decision(orders, vm, vm->peer.node, bytes_view(&bytes));
}

/* --- from nodes --- */

void vm_migrations_failed(struct vm_orders *orders, const struct node *node, const struct vm *vm,
                          const char *detail)
{
    const bool is_source = vm->owner.registration == node->registration.id;
    struct order_state *state = vm_orders_state(orders, &vm->id);
    char reason[CORE_DETAIL_LENGTH_MAX + 1];

    if (vm->state != VM_MIGRATING ||
        (!is_source && vm->peer.registration != node->registration.id) ||
        !vm_orders_is_due(orders, &state->failed_ms, DECIDE_AGAIN_MS)) {
        return;
    }
    (void)snprintf(reason, sizeof reason, "%s: %.*s", is_source ? "source" : "destination",
                   (int)sizeof reason - 32, detail);
    propose_end(orders, vm, COMMAND_MIGRATION_ABORTED, reason);
}

static enum status take_report(struct vm_orders *orders, const struct node *node,
                               struct view message, struct digest *ret_vm,
                               struct refusal *ret_refusal)
{
    const struct tcd *tcd = orders->tcd;
    OWN(public_key) struct public_key *tk_sign = NULL;
    struct migration_report_expectation expectation = {.scope = *authority_scope(tcd->authority)};
    struct command command = {.kind = COMMAND_MIGRATION_REPORTED};
    struct migration_report report;
    uint64_t migration;
    const struct vm *vm;

    TRY(migration_report_peek(message, &migration, ret_refusal));
    vm = registry_vm_by_migration(tcd_registry(tcd), migration);
    if (!vm) {
        return refuse(ret_refusal, REFUSAL_NOT_FOUND, "migration %" PRIu64 " is not open",
                      migration);
    }
    *ret_vm = vm->id;
    if (node->registration.id != vm->owner.registration &&
        node->registration.id != vm->peer.registration) {
        return refuse(ret_refusal, REFUSAL_REGISTRATION, "the ticket is another's");
    }
    expectation.side =
        node->registration.id == vm->owner.registration ? SIDE_SOURCE : SIDE_DESTINATION;
    TRY(public_key_parse((struct view){node->registration.tk_sign, node->registration.tk_sign_size},
                         &tk_sign));
    expectation.tk_sign = tk_sign;
    expectation.migration = migration;
    expectation.vm = vm->id;
    expectation.generation = vm->generation;
    TRY(migration_report_check(message, &expectation, &report, ret_refusal));
    command.migration.migration = migration;
    command.migration.role = report.side == SIDE_SOURCE ? MIGRATION_SOURCE : MIGRATION_DESTINATION;
    command.migration.session = report.session;
    command.migration.configuration = report.configuration;
    if (!vm->reported[command.migration.role] &&
        vm_orders_is_due(orders, &vm_orders_state(orders, &vm->id)->reported_ms[report.side],
                         DECIDE_AGAIN_MS)) {
        vm_orders_propose_on(orders, vm, node, &command);
    }
    return STATUS_OK;
}

void vm_orders_migration_report(struct vm_orders *orders, const struct node *node,
                                struct view message)
{
    struct digest vm = {{0}};
    struct refusal refusal = {0};
    enum status status = take_report(orders, node, message, &vm, &refusal);

    if (status != STATUS_OK) {
        vm_orders_log_failure("migration-report-refused", &vm, status, &refusal);
    }
}

void vm_orders_migration_ready(struct vm_orders *orders, const struct node *node,
                               struct view message)
{
    const struct tcd *tcd = orders->tcd;
    Tccp__MigrationReady *ready = (Tccp__MigrationReady *)protobuf_unpack(
        &tccp__migration_ready__descriptor, message, READY_SIZE_MAX);
    const struct vm *vm =
        ready ? registry_vm_by_migration(tcd_registry(tcd), ready->migration) : NULL;
    struct order_state *state;
    struct address address;

    if (!vm || vm->peer.registration != node->registration.id ||
        address_parse(ready->address, &address) != STATUS_OK || address.is_unix ||
        address.port == 0) {
        log_event(LOG_NOTICE, "migration-ready-ignored", "node=%s", node->name.text);
    } else {
        state = vm_orders_state(orders, &vm->id);
        state->is_ready = true;
        if (state->migration == vm->migration && state->ready_since_ms == 0) {
            state->ready_since_ms = orders->now_ms;
        }
        if (node_server_send(tcd->node_server, vm->owner.registration,
                             TCCP__NODE_MESSAGE_KIND__MIGRATION_READY, message) != STATUS_OK) {
            /* It comes again with the next ticket. */
            vm_orders_log_failure("ready-not-sent", &vm->id, STATUS_NOT_FOUND, NULL);
        }
    }
    if (ready) {
        tccp__migration_ready__free_unpacked(ready, NULL);
    }
}
