#include "tcd/core/operations.h"

#include "tcd/core/audit.h"
#include "tcd/core/digest.h"
#include "tcd/core/nodes.h"
#include "tcd/core/responses.h"
#include "tcd/core/vms.h"

#include <string.h>

static void migration_close(struct registry *registry, struct vm *vm, bool is_done)
{
    ASSERT(table_remove(&registry->migrations, &vm->migration) == vm);
    vm->last_migration = vm->migration;
    vm->last_migration_done = is_done;
    vm->migration = 0;
    vm->lifetime_ms = 0;
}

static enum refusal_code check_source(struct registry *registry, const struct vm *vm,
                                      const struct command *command)
{
    const struct node *source = node_find_registration(registry, command->rests.registration);
    enum refusal_code verdict = response_may_leave(vm, source);

    if (vm->owner.registration != command->rests.registration) {
        return state_refuse(registry, REFUSAL_REGISTRATION, "the VM's owner is another");
    }
    if (verdict != REFUSAL_NONE) {
        return state_refuse(registry, verdict, "node %s", source->name.text);
    }
    if (!source->registration.live) {
        return state_refuse(registry, REFUSAL_NO_LEASE, "node %s", source->name.text);
    }
    return REFUSAL_NONE;
}

static enum refusal_code check_authorize(struct registry *registry, const struct vm *vm,
                                         const struct command *command)
{
    const struct node *destination =
        node_find_registration(registry, command->rests.peer_registration);
    const struct node *former = vm->peer.node != 0 ? node_find(registry, vm->peer.node) : NULL;
    enum refusal_code verdict = check_source(registry, vm, command);

    if (verdict != REFUSAL_NONE) {
        return verdict;
    }
    if (!vm->policy.may_migrate) {
        return state_refuse(registry, REFUSAL_NO_PLACEMENT, "its policy forbids migration");
    }
    if (vm->stop_requested) {
        return state_refuse(registry, REFUSAL_WRONG_STATE, "it is to be stopped");
    }
    /* Its node was to be granted it, and would not be any more: nobody could say that it runs. */
    if (vm->granted_generation != vm->generation) {
        return state_refuse(registry, REFUSAL_WRONG_STATE, "its node is just being granted it");
    }
    if (destination->id == vm->owner.node) {
        return state_refuse(registry, REFUSAL_WRONG_STATE, "it is there already");
    }
    /* A node that is away destroys what it holds when it comes back and shows its inventory. */
    if (former && (former->registration.live || former->id == destination->id)) {
        return state_refuse(registry, REFUSAL_WRONG_STATE,
                            "an earlier copy is still to be destroyed");
    }
    if (command->vm.lifetime_ms == 0 ||
        command->vm.lifetime_ms > (uint64_t)registry->perimeter.lease_s * 1000) {
        return state_refuse(registry, REFUSAL_MALFORMED, "the ticket would outlive the lease");
    }
    return vm_check_release(registry, destination, &vm->policy, true);
}

enum refusal_code migration_authorize(struct registry *registry, const struct command *command)
{
    struct vm *vm = vm_of_command(registry, command);
    const struct node *destination =
        node_find_registration(registry, command->rests.peer_registration);
    enum refusal_code verdict = check_authorize(registry, vm, command);

    if (verdict != REFUSAL_NONE) {
        return verdict;
    }
    vm_set_peer(registry, vm, (struct vm_place){destination->id, destination->registration.id});
    vm->peer_complete = false;
    memcpy(vm->peer_pseudonym, command->vm.pseudonym, PSEUDONYM_SIZE);
    vm->migration = registry->next_migration++;
    table_insert(&registry->migrations, vm);
    vm->reported[MIGRATION_SOURCE] = false;
    vm->reported[MIGRATION_DESTINATION] = false;
    vm->session = (struct digest){{0}};
    vm->configuration = (struct digest){{0}};
    vm->source_nonce = command->vm.source_nonce;
    vm->destination_nonce = command->vm.destination_nonce;
    vm->lifetime_ms = command->vm.lifetime_ms;
    /* Why it moves where nobody asked for it, for as long as nothing else is to be said of it. */
    state_text(vm->detail, sizeof vm->detail,
               digest_is_zero(&command->actor) ? command->vm.detail : "");
    /* The destination gets the key: this is a release, whatever comes of the migration. */
    vm->release_count++;
    registry->made_id = vm->migration;
    vm_decide(registry, vm, VM_MIGRATING);
    audit_number(registry, "migration", vm->migration);
    audit_bytes(registry, "destination", (struct view){vm->peer_pseudonym, PSEUDONYM_SIZE});
    audit_text(registry, "source-standing",
               node_find(registry, vm->owner.node)->standing == NODE_GOOD ? "good" : "quarantined");
    audit_text(registry, "cause", command->vm.detail);
    digest_touch_vm(registry, vm);
    return REFUSAL_NONE;
}

enum refusal_code migration_report(struct registry *registry, const struct command *command)
{
    struct vm *vm = vm_of_command(registry, command);
    enum migration_role role = command->migration.role;
    const struct vm_place *place = role == MIGRATION_SOURCE ? &vm->owner : &vm->peer;
    const struct node *node = node_find_registration(registry, command->rests.registration);

    if (place->registration != command->rests.registration) {
        return state_refuse(registry, REFUSAL_REGISTRATION, "the ticket is another's");
    }
    if (!node->registration.live) {
        return state_refuse(registry, REFUSAL_NO_LEASE, "node %s", node->name.text);
    }
    if (vm->reported[role]) {
        return state_refuse(registry, REFUSAL_ALREADY_EXISTS, "reported before");
    }
    /* Both sides speak of one session and one configuration, or of nothing. */
    if (vm->reported[MIGRATION_SOURCE] || vm->reported[MIGRATION_DESTINATION]) {
        if (!digest_equal(&vm->session, &command->migration.session) ||
            !digest_equal(&vm->configuration, &command->migration.configuration)) {
            return state_refuse(registry, REFUSAL_WRONG_STATE,
                                "the other side reported another session");
        }
    }
    vm->session = command->migration.session;
    vm->configuration = command->migration.configuration;
    vm->reported[role] = true;
    vm_note(registry, vm, VM_MIGRATING);
    audit_number(registry, "migration", vm->migration);
    audit_text(registry, "role", role == MIGRATION_SOURCE ? "source" : "destination");
    audit_digest(registry, "session", &vm->session);
    digest_touch_vm(registry, vm);
    return REFUSAL_NONE;
}

/* Rule (f), and that no VM moves away from a node that it may not leave any more. */
static enum refusal_code check_finish(struct registry *registry, const struct vm *vm,
                                      const struct command *command)
{
    const struct node *destination =
        node_find_registration(registry, command->rests.peer_registration);
    const struct node *source = node_find(registry, vm->owner.node);
    enum refusal_code verdict = response_may_leave(vm, source);

    if (vm->peer.registration != command->rests.peer_registration) {
        return state_refuse(registry, REFUSAL_REGISTRATION, "the destination is another");
    }
    if (!vm->reported[MIGRATION_SOURCE] || !vm->reported[MIGRATION_DESTINATION]) {
        return state_refuse(registry, REFUSAL_WRONG_STATE, "not both sides have reported");
    }
    if (verdict != REFUSAL_NONE) {
        return state_refuse(registry, verdict, "node %s", source->name.text);
    }
    return vm_check_release(registry, destination, &vm->policy, false);
}

static void swap_places(struct registry *registry, struct vm *vm)
{
    struct vm_place owner = vm->owner, peer = vm->peer;
    uint8_t pseudonym[PSEUDONYM_SIZE];

    vm_set_owner(registry, vm, peer);
    vm_set_peer(registry, vm, owner);
    memcpy(pseudonym, vm->pseudonym, PSEUDONYM_SIZE);
    memcpy(vm->pseudonym, vm->peer_pseudonym, PSEUDONYM_SIZE);
    memcpy(vm->peer_pseudonym, pseudonym, PSEUDONYM_SIZE);
}

enum refusal_code migration_finish(struct registry *registry, const struct command *command)
{
    struct vm *vm = vm_of_command(registry, command);
    enum refusal_code verdict = check_finish(registry, vm, command);
    uint64_t migration = vm->migration;

    if (verdict != REFUSAL_NONE) {
        return verdict;
    }
    migration_close(registry, vm, true);
    swap_places(registry, vm);
    vm->peer_complete = true; /* The source is frozen, and could run if the destination is lost. */
    registry->made_id = migration;
    vm_decide(registry, vm, VM_RESUMING);
    audit_number(registry, "migration", migration);
    audit_digest(registry, "session", &vm->session);
    digest_touch_vm(registry, vm);
    return REFUSAL_NONE;
}

static void abort_now(struct registry *registry, struct vm *vm, const char *reason)
{
    migration_close(registry, vm, false);
    state_text(vm->detail, sizeof vm->detail, reason);
    vm->peer_complete = vm->reported[MIGRATION_DESTINATION];
    vm->generation++;
    vm->state = VM_RESUMING;
    vm->changed_at_s = registry->time_s;
}

enum refusal_code migration_abort(struct registry *registry, const struct command *command)
{
    struct vm *vm = vm_of_command(registry, command);
    uint64_t migration = vm->migration;

    abort_now(registry, vm, command->migration.reason);
    registry->made_id = migration;
    vm_note(registry, vm, VM_RESUMING);
    audit_number(registry, "migration", migration);
    audit_text(registry, "reason", command->migration.reason);
    digest_touch_vm(registry, vm);
    return REFUSAL_NONE;
}

void operations_abort_for(struct registry *registry, const struct node *node, const char *reason)
{
    struct vm *vm;
    size_t cursor = 0;

    while ((vm = table_next(&registry->migrations, &cursor))) {
        uint64_t migration = vm->migration;

        if (vm->owner.node != node->id && vm->peer.node != node->id) {
            continue;
        }
        abort_now(registry, vm, reason);
        audit_begin_effect(registry, command_kind_name(COMMAND_MIGRATION_ABORTED));
        vm_audit(registry, vm);
        audit_number(registry, "migration", migration);
        audit_text(registry, "reason", reason);
        digest_touch_vm(registry, vm);
    }
}

enum refusal_code vm_resumed(struct registry *registry, const struct command *command)
{
    struct vm *vm = vm_of_command(registry, command);
    const struct node *node = node_find_registration(registry, command->rests.registration);

    if (vm->owner.registration != command->rests.registration) {
        return state_refuse(registry, REFUSAL_REGISTRATION, "the VM's owner is another");
    }
    if (!node->registration.live) {
        return state_refuse(registry, REFUSAL_NO_LEASE, "node %s", node->name.text);
    }
    if (vm->granted_generation != vm->generation) {
        return state_refuse(registry, REFUSAL_WRONG_STATE, "no grant was issued for it");
    }
    /* Rule (c): from here on the losing copy is worthless, and is destroyed. */
    vm->peer_complete = false;
    vm_note(registry, vm, VM_RUNNING);
    digest_touch_vm(registry, vm);
    return REFUSAL_NONE;
}

bool registry_vm_came_from_revoked(const struct registry *registry, const struct vm *vm)
{
    return !vm->last_migration_done && vm->owner.node != 0 &&
           node_find(registry, vm->owner.node)->standing == NODE_REVOKED;
}

enum refusal_code ownership_revert(struct registry *registry, const struct command *command)
{
    struct vm *vm = vm_of_command(registry, command);
    struct node *node = node_find_registration(registry, command->rests.peer_registration);
    enum refusal_code verdict;

    if (!vm->peer_complete) {
        return state_refuse(registry, REFUSAL_WRONG_STATE, "no other copy could run");
    }
    if (vm->peer.node != node->id) {
        return state_refuse(registry, REFUSAL_REGISTRATION, "the other copy is not there");
    }
    if (registry_vm_came_from_revoked(registry, vm)) {
        return state_refuse(registry, REFUSAL_NODE_REVOKED, "the state came from a revoked node");
    }
    if (!vm->policy.may_revert) {
        return state_refuse(registry, REFUSAL_NO_PLACEMENT,
                            "its policy forbids going back to a copy that may be behind");
    }
    verdict = vm_check_release(registry, node, &vm->policy, false);
    if (verdict != REFUSAL_NONE) {
        return verdict;
    }
    swap_places(registry, vm);
    vm->owner.registration = node->registration.id;
    memcpy(vm->pseudonym, command->vm.pseudonym, PSEUDONYM_SIZE);
    vm->peer_complete = false;
    vm->last_migration_done = false;
    vm->release_count++;
    vm_decide(registry, vm, VM_RESUMING);
    digest_touch_vm(registry, vm);
    return REFUSAL_NONE;
}
