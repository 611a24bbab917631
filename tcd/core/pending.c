#include "tcd/core/pending.h"

#include "tcd/core/placement.h"
#include "tcd/core/responses.h"

const char *pending_kind_name(enum pending_kind kind)
{
    static const char *const names[PENDING_KIND_COUNT] = {
        [PENDING_LAUNCH] = "launch",
        [PENDING_GRANT] = "grant",
        [PENDING_RESUME] = "resume",
        [PENDING_READOPT] = "readopt",
        [PENDING_FENCE] = "fence",
        [PENDING_STOP] = "stop",
        [PENDING_TICKET_SOURCE] = "ticket-source",
        [PENDING_TICKET_DESTINATION] = "ticket-destination",
        [PENDING_DONE] = "done",
        [PENDING_ABORT] = "abort",
        [PENDING_REVERT] = "revert",
        [PENDING_DESTROY] = "destroy",
        [PENDING_EVACUATE] = "evacuate",
        [PENDING_WITHDRAW] = "withdraw",
        [PENDING_PAUSE] = "pause",
    };

    ASSERT(kind < PENDING_KIND_COUNT);
    return names[kind];
}

struct list {
    const struct vm *vm;
    struct pending *items;
    size_t count;
};

static void add(struct list *list, enum pending_kind kind, const struct node *node)
{
    ASSERT(list->count < PENDING_COUNT_MAX);
    list->items[list->count++] = (struct pending){
        .kind = kind,
        .vm = list->vm,
        .node = node,
        .registration = node->registration.id,
        .generation = list->vm->generation,
        .migration = list->vm->migration,
    };
}

static bool holds(const struct node *node, const struct vm_place *place)
{
    return node->registration.live && node->registration.id == place->registration;
}

/* May the migration still end well? */
static bool is_open(const struct registry *registry, const struct vm *vm, const struct node *owner,
                    const struct node *peer)
{
    return holds(owner, &vm->owner) && holds(peer, &vm->peer) &&
           response_may_leave(vm, owner) == REFUSAL_NONE &&
           registry_node_admits(registry, peer) != REFUSAL_MANIFEST_EXPIRED &&
           peer->standing == NODE_GOOD && peer->in_manifest &&
           placement_allows(peer, &vm->policy) == REFUSAL_NONE;
}

static void of_migration(const struct registry *registry, const struct node *owner,
                         struct list *list)
{
    const struct vm *vm = list->vm;
    const struct node *peer = registry_node(registry, vm->peer.node);

    if (!is_open(registry, vm, owner, peer) || vm->stop_requested) {
        add(list, PENDING_ABORT, owner);
    } else if (vm->reported[MIGRATION_SOURCE] && vm->reported[MIGRATION_DESTINATION]) {
        add(list, PENDING_DONE, peer);
    } else {
        add(list, PENDING_TICKET_SOURCE, owner);
        add(list, PENDING_TICKET_DESTINATION, peer);
    }
}

static void of_response(enum response response, const struct node *owner,
                        const struct node *destination, struct list *list)
{
    switch (response) {
    case RESPONSE_STOP:
        add(list, PENDING_STOP, owner);
        break;
    case RESPONSE_MIGRATE:
        add(list, PENDING_EVACUATE, destination);
        break;
    case RESPONSE_PAUSE:
        add(list, list->vm->state == VM_PAUSED ? PENDING_PAUSE : PENDING_WITHDRAW, owner);
        break;
    case RESPONSE_NONE:
        break;
    }
}

static void of_owner(const struct registry *registry, const struct node *owner, struct list *list)
{
    const struct vm *vm = list->vm;
    const struct node *destination;
    enum response response;

    if (!owner->registration.live) {
        add(list, PENDING_FENCE, owner);
        return;
    }
    if (owner->registration.id != vm->owner.registration) {
        add(list, PENDING_READOPT, owner);
        return;
    }
    if (vm->stop_requested) {
        add(list, PENDING_STOP, owner);
        return;
    }
    if (owner->standing != NODE_GOOD) {
        response = response_of(registry, vm, owner, &destination);
        of_response(response, owner, destination, list);
        return;
    }
    /* One that was withdrawn waits for a new registration, whatever else has changed. */
    if (vm->state == VM_PAUSED) {
        return;
    }
    if (vm->granted_generation != vm->generation) {
        add(list, PENDING_GRANT, owner);
    }
    if (vm->state == VM_LAUNCHING) {
        add(list, PENDING_LAUNCH, owner);
    } else if (vm->state == VM_RESUMING && vm->granted_generation == vm->generation) {
        add(list, PENDING_RESUME, owner);
    }
}

/* The owner's copy is lost: the other one may take its place. */
static bool may_revert(const struct registry *registry, const struct vm *vm)
{
    return vm->state == VM_LOST && vm->peer_complete && vm->policy.may_revert &&
           !registry_vm_came_from_revoked(registry, vm);
}

/* Not while a decision about the other copy may still be made: rule (c). */
static bool peer_is_worthless(const struct registry *registry, const struct vm *vm)
{
    return vm->peer.node != 0 && vm->state != VM_MIGRATING && vm->state != VM_RESUMING &&
           (!vm->peer_complete || (vm->state == VM_LOST && !may_revert(registry, vm)));
}

size_t pending_of_vm(const struct registry *registry, const struct vm *vm,
                     struct pending ret_pending[PENDING_COUNT_MAX])
{
    struct list list = {.vm = vm, .items = ret_pending};
    const struct node *owner = registry_node(registry, vm->owner.node);
    const struct node *peer = registry_node(registry, vm->peer.node);

    switch (vm->state) {
    case VM_LAUNCHING:
    case VM_RUNNING:
    case VM_PAUSED:
    case VM_RESUMING:
        of_owner(registry, owner, &list);
        break;
    case VM_MIGRATING:
        of_migration(registry, owner, &list);
        break;
    case VM_LOST:
        /* It may have come back with the VM, paused. */
        if (owner->registration.live && owner->registration.id != vm->owner.registration) {
            add(&list, PENDING_READOPT, owner);
        }
        if (peer && may_revert(registry, vm) &&
            registry_node_admits(registry, peer) == REFUSAL_NONE &&
            placement_allows(peer, &vm->policy) == REFUSAL_NONE) {
            add(&list, PENDING_REVERT, peer);
        }
        break;
    case VM_STOPPED:
    case VM_DELETED:
    case VM_STATE_COUNT:
        break;
    }
    if (peer && peer_is_worthless(registry, vm) && peer->registration.live) {
        add(&list, PENDING_DESTROY, peer);
    }
    return list.count;
}

enum copy_fate pending_copy_fate(const struct registry *registry, const struct digest *vm_id,
                                 const struct node *node, uint64_t seen_generation)
{
    const struct vm *vm = registry_vm(registry, vm_id);

    if (!vm || vm->state == VM_DELETED) {
        return COPY_DESTROY;
    }
    if (vm->generation < seen_generation) {
        return COPY_KEEP;
    }
    if (vm->state == VM_STOPPED) {
        return COPY_DESTROY;
    }
    if (vm->owner.node == node->id) {
        return COPY_OWNED;
    }
    return vm->peer.node == node->id && !peer_is_worthless(registry, vm) ? COPY_KEEP : COPY_DESTROY;
}

const struct member *pending_member_removal(const struct registry *registry, size_t *cursor)
{
    const struct member *member;

    while ((member = registry_member_next(registry, cursor))) {
        const struct member *latest = registry_member_by_name(registry, member->name.text);

        if (!registry_member_is_listed(registry, member) || latest != member) {
            return member;
        }
    }
    return NULL;
}
