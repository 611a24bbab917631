#include "tcd/machine.h"

#include "lib/base/log.h"

#include <stdlib.h>
#include <string.h>

struct machine {
    struct digest perimeter_id;
    struct machine_callbacks callbacks;
    struct registry *registry;
    struct in_force *in_force;
    bool halted;
    /* Of the command that is being applied. */
    struct merkle_frontier audit_before;
    const struct outcome *outcome; /* NULL between commands */
};

enum status machine_new(const struct digest *perimeter_id,
                        const struct machine_callbacks *callbacks, struct machine **ret_machine)
{
    OWN(machine) struct machine *machine = calloc(1, sizeof *machine);

    if (!machine) {
        return STATUS_NO_MEMORY;
    }
    machine->perimeter_id = *perimeter_id;
    machine->callbacks = *callbacks;
    machine->registry = registry_new();
    if (!machine->registry) {
        return STATUS_NO_MEMORY;
    }
    *ret_machine = TAKE(machine);
    return STATUS_OK;
}

void machine_free(struct machine *machine)
{
    registry_free(machine->registry);
    in_force_release(machine->in_force);
    free(machine);
}

const struct registry *machine_registry(const struct machine *machine)
{
    return machine->registry;
}

struct in_force *machine_in_force(const struct machine *machine)
{
    return machine->in_force;
}

static void halt(struct machine *machine, const char *reason, const char *detail)
{
    if (!machine->halted) {
        machine->halted = true;
        machine->callbacks.on_fatal(machine->callbacks.argument, reason, detail);
    }
}

/*
 * Verifies the documents that the state holds now. Dates are judged by the time that the command
 * carried, so that a log that is replayed years later leads to the same state.
 */
static void take_in_force(struct machine *machine, uint64_t time_s)
{
    const struct perimeter *perimeter = registry_perimeter(machine->registry);
    struct refusal refusal = {0};
    struct in_force *in_force;
    enum status status;

    if (!perimeter || !perimeter->adopted || perimeter->manifest.size == 0) {
        return;
    }
    status = in_force_new(
        &(struct in_force_documents){
            .root = bytes_view(&perimeter->root),
            .successions = perimeter->successions,
            .succession_count = perimeter->succession_count,
            .manifest = bytes_view(&perimeter->manifest),
            .endorsement = bytes_view(&perimeter->endorsement),
        },
        &machine->perimeter_id, time_s, &in_force, &refusal);
    if (status != STATUS_OK) {
        log_event(LOG_ERROR, "perimeter-not-verified", "reason=%s detail=\"%s\"",
                  refusal_name(refusal.code), refusal.detail);
        halt(machine, "perimeter-not-verified", refusal.detail);
        return;
    }
    in_force_release(machine->in_force);
    machine->in_force = in_force;
    machine->callbacks.on_in_force(machine->callbacks.argument, in_force);
}

/*
 * The last leaf's siblings are the peaks of the tree before it, smallest first: each complete
 * subtree that stands to its left. (RFC 9162, section 2.1.3.1, for index = size - 1.) The command
 * may have made several leaves: those before the last are appended first.
 */
enum status machine_last_leaf_proof(const struct machine *machine, uint64_t leaf_index,
                                    struct merkle_proof *ret_proof)
{
    struct merkle_frontier before = machine->audit_before;
    const struct outcome *outcome = machine->outcome;
    unsigned count;

    if (!outcome || outcome->leaf_count == 0 ||
        leaf_index != outcome->leaf_index + outcome->leaf_count - 1) {
        return STATUS_NOT_FOUND;
    }
    for (size_t i = 0; i + 1 < outcome->leaf_count; i++) {
        struct digest leaf = merkle_leaf_hash(outcome->leaves[i]);

        merkle_append(&before, &leaf);
    }
    count = merkle_peak_count(&before);
    ret_proof->count = count;
    for (unsigned i = 0; i < count; i++) {
        ret_proof->nodes[i] = before.peaks[count - 1 - i];
    }
    return STATUS_OK;
}

static bool changes_perimeter(enum command_kind kind)
{
    return kind == COMMAND_PERIMETER_ADOPTED || kind == COMMAND_MANIFEST_APPLIED ||
           kind == COMMAND_ENDORSEMENT_APPLIED || kind == COMMAND_SUCCESSION_APPLIED;
}

/* Only the peaks that are in use: this runs for every command. */
static void frontier_copy(const struct merkle_frontier *source, struct merkle_frontier *ret_copy)
{
    ret_copy->size = source->size;
    memcpy(ret_copy->peaks, source->peaks, merkle_peak_count(source) * sizeof source->peaks[0]);
}

static void apply(void *context, struct view bytes, void *proposer_slot)
{
    struct proposal_slot *slot = proposer_slot;
    struct machine *machine = context;
    OWN(command) struct command *command = NULL;
    struct outcome outcome = {0};
    enum status status;

    if (machine->halted) {
        return;
    }
    status = command_decode(bytes, &command);
    if (status != STATUS_OK) {
        /* What was committed must be applied by everyone in the same way; guessing would part the
         * members. */
        halt(machine, "command-not-understood", status_text(status));
        return;
    }
    frontier_copy(registry_audit(machine->registry), &machine->audit_before);
    if (registry_apply(machine->registry, command, &outcome) == REFUSAL_NONE &&
        changes_perimeter(command->kind)) {
        take_in_force(machine, command->time_s);
    }
    if (machine->halted) {
        return;
    }
    machine->outcome = &outcome;
    machine->callbacks.on_applied(machine->callbacks.argument, command, &outcome);
    if (slot) {
        slot->applied(slot, &outcome);
    }
    machine->outcome = NULL;
}

static void snapshot_release(void *owner)
{
    struct snapshot *snapshot = owner;

    snapshot_free(snapshot);
    free(snapshot);
}

static enum status snapshot(void *context, struct replica_snapshot *ret_snapshot)
{
    const struct machine *machine = context;
    struct snapshot *made = calloc(1, sizeof *made);
    enum status status = made ? registry_snapshot_parts(machine->registry, made) : STATUS_NO_MEMORY;

    if (status != STATUS_OK) {
        free(made);
        return status;
    }
    *ret_snapshot = (struct replica_snapshot){
        .part_count = made->part_count,
        .parts = made->parts,
        .owner = made,
        .release = snapshot_release,
    };
    return STATUS_OK;
}

static enum status restore(void *context, struct view bytes)
{
    struct machine *machine = context;
    struct registry *registry;

    TRY(registry_restore(bytes, &registry));
    registry_free(machine->registry);
    machine->registry = registry;
    take_in_force(machine, registry_time_s(registry));
    if (machine->halted) {
        return STATUS_UNTRUSTED;
    }
    machine->callbacks.on_restored(machine->callbacks.argument);
    return STATUS_OK;
}

static void position(void *context, uint64_t *ret_revision, struct digest *ret_digest)
{
    const struct machine *machine = context;

    *ret_revision = registry_revision(machine->registry);
    *ret_digest = registry_digest(machine->registry);
}

struct replica_machine machine_interface(struct machine *machine)
{
    return (struct replica_machine){
        .context = machine,
        .apply = apply,
        .snapshot = snapshot,
        .restore = restore,
        .position = position,
    };
}
