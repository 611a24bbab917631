#include "tcd/replica_internal.h"

#include "lib/net/address.h"

#include <stdio.h>
#include <string.h>

enum { STEP_DOWN_RETRY_MS = 1000 };

static void on_changed(struct raft_change *request, int error)
{
    struct replica *replica = request->data;
    struct change change = replica->change;

    replica->change.is_active = false;
    if (error == 0 && change.removed_id != 0) {
        raft_transport_drop(replica->transport, change.removed_id);
    }
    change.done(change.argument, status_of_raft(error));
}

/* libraft's own checks abort the process where one change meets another: they are made here. */
static enum status change_begin(struct replica *replica, replica_done done, void *argument)
{
    TRY(replica_check_leader(replica));
    if (replica->change.is_active || replica->is_applying) {
        return STATUS_BUSY;
    }
    replica->change = (struct change){.is_active = true, .done = done, .argument = argument};
    replica->change.request.data = replica;
    return STATUS_OK;
}

static enum status change_begun(struct replica *replica, int error)
{
    if (error != 0) {
        replica->change.is_active = false;
    }
    return status_of_raft(error);
}

enum status replica_add(struct replica *replica, uint64_t raft_id, const char *address,
                        replica_done done, void *argument)
{
    struct address parsed;

    if (address_parse(address, &parsed) != STATUS_OK || parsed.is_unix || parsed.port == 0 ||
        strlen(address) >= REPLICA_ADDRESS_SIZE) {
        return STATUS_MALFORMED;
    }
    if (replica->raft.configuration.n >= REPLICA_MEMBER_MAX) {
        return STATUS_TOO_LARGE;
    }
    TRY(change_begin(replica, done, argument));
    return change_begun(
        replica, raft_add(&replica->raft, &replica->change.request, raft_id, address, on_changed));
}

enum status replica_assign(struct replica *replica, uint64_t raft_id, enum replica_role role,
                           replica_done done, void *argument)
{
    TRY(change_begin(replica, done, argument));
    return change_begun(replica, raft_assign(&replica->raft, &replica->change.request, raft_id,
                                             (int)role, on_changed));
}

enum status replica_remove(struct replica *replica, uint64_t raft_id, replica_done done,
                           void *argument)
{
    if (raft_id == replica->config.raft_id) {
        return STATUS_DENIED;
    }
    TRY(change_begin(replica, done, argument));
    replica->change.removed_id = raft_id;
    return change_begun(replica,
                        raft_remove(&replica->raft, &replica->change.request, raft_id, on_changed));
}

static void on_transferred(struct raft_transfer *request)
{
    struct replica *replica = request->data;
    struct transfer transfer = replica->transfer;

    replica->transfer.is_active = false;
    transfer.done(transfer.argument,
                  replica->raft.state == RAFT_LEADER ? STATUS_TIMEOUT : STATUS_OK);
}

enum status replica_step_down(struct replica *replica, uint64_t raft_id, replica_done done,
                              void *argument)
{
    int error;

    if (replica->transfer.is_active || replica->is_applying) {
        return STATUS_BUSY;
    }
    TRY(replica_check_leader(replica));
    replica->transfer = (struct transfer){.is_active = true, .done = done, .argument = argument};
    replica->transfer.request.data = replica;
    error = raft_transfer(&replica->raft, &replica->transfer.request, raft_id, on_transferred);
    if (error != 0) {
        replica->transfer.is_active = false;
    }
    return status_of_raft(error);
}

uint64_t replica_term(const struct replica *replica)
{
    return raft_current_term(&replica->raft);
}

uint64_t replica_leader(const struct replica *replica)
{
    const char *address;
    raft_id id = 0;

    if (replica->is_started && !replica->is_closing) {
        raft_leader((struct raft *)(uintptr_t)&replica->raft, &id, &address);
    }
    return id;
}

size_t replica_members(const struct replica *replica,
                       struct replica_member ret_members[REPLICA_MEMBER_MAX])
{
    const struct raft_configuration *configuration = &replica->raft.configuration;
    size_t count = 0;

    for (; count < configuration->n && count < REPLICA_MEMBER_MAX; count++) {
        const struct raft_server *server = &configuration->servers[count];

        ret_members[count].raft_id = server->id;
        ret_members[count].role = (enum replica_role)server->role;
        (void)snprintf(ret_members[count].address, sizeof ret_members[count].address, "%s",
                       server->address);
    }
    return count;
}

void replica_statistics(const struct replica *replica, struct replica_statistics *ret_statistics)
{
    struct raft *raft = (struct raft *)(uintptr_t)&replica->raft;

    *ret_statistics = (struct replica_statistics){
        .applied_index = raft_last_applied(raft),
        .last_index = raft_last_index(raft),
        .term = raft_current_term(raft),
        .entries_proposed = replica->entries_proposed,
        .commands_proposed = replica->commands_proposed,
        .snapshots_taken = replica->snapshots_taken,
        .snapshots_restored = replica->snapshots_restored,
        .disk_free = replica->disk_free,
        .is_disk_low = replica->is_disk_low,
    };
}

static void on_guard_transferred(struct raft_transfer *request)
{
    ((struct replica *)request->data)->transfer.is_active = false;
}

void replica_hand_over(struct replica *replica)
{
    uint64_t now_ms = time_boot_ms();

    if (!replica_is_leader(replica) || replica->transfer.is_active ||
        now_ms - replica->step_down_ms < STEP_DOWN_RETRY_MS) {
        return;
    }
    replica->step_down_ms = now_ms;
    replica->transfer = (struct transfer){.is_active = true};
    replica->transfer.request.data = replica;
    if (raft_transfer(&replica->raft, &replica->transfer.request, 0, on_guard_transferred) != 0) {
        replica->transfer.is_active = false;
    }
}
