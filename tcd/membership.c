#include "tcd/membership.h"

#include "lib/base/log.h"
#include "tcd/core/pending.h"
#include "tcd/proposals.h"

#include <stdio.h>
#include <stdlib.h>

struct membership {
    struct tcd *tcd;
    bool busy; /* one change at a time */
};

enum status membership_new(struct tcd *tcd, struct membership **ret_membership)
{
    struct membership *membership = calloc(1, sizeof *membership);

    if (!membership) {
        return STATUS_NO_MEMORY;
    }
    membership->tcd = tcd;
    *ret_membership = membership;
    return STATUS_OK;
}

void membership_free(struct membership *membership)
{
    free(membership);
}

static void changed(void *argument, enum status status)
{
    struct membership *membership = argument;

    membership->busy = false;
    if (status != STATUS_OK) {
        log_event(LOG_NOTICE, "membership-change-failed", "reason=\"%s\"", status_text(status));
    }
}

static void committed(void *argument, enum status status, const struct outcome *outcome)
{
    struct membership *membership = argument;

    membership->busy = false;
    if (status != STATUS_OK || outcome->verdict != REFUSAL_NONE) {
        log_event(LOG_WARNING, "membership-not-committed", "reason=\"%s\"",
                  outcome ? refusal_name(outcome->verdict) : status_text(status));
    }
}

static void submit(struct membership *membership, struct command *command)
{
    registry_rest(tcd_registry(membership->tcd), &command->rests);
    membership->busy = true;
    propose(membership->tcd->replica, command, committed, membership);
}

/* --- founding --- */

/* The first member: nobody challenged it but the ETE, which appraised it before it endorsed its
 * seed. */
static struct command first_member_joined(const struct tcd *tcd)
{
    const struct manifest *manifest = tcd->founding->bundle->manifest;
    const struct manifest_member *entry = manifest_member_by_name(manifest, tcd->config.member);
    struct command command = {.kind = COMMAND_MEMBER_JOINED};

    (void)snprintf(command.member_joined.name.text, sizeof command.member_joined.name.text, "%s",
                   entry->name);
    command.member_joined.ek_name = entry->ek_name;
    command.member_joined.ak_name = entry->ak_name;
    command.member_joined.key = tcd->credentials->certificate_digest;
    return command;
}

/* True when there was something to do. */
static bool found(struct membership *membership)
{
    const struct tcd *tcd = membership->tcd;
    const struct registry *registry = tcd_registry(tcd);
    const struct perimeter *perimeter = registry_perimeter(registry);
    struct command command = {0};
    size_t cursor = 0;

    if (!perimeter || !perimeter->adopted) {
        command.kind = COMMAND_PERIMETER_ADOPTED;
        command.perimeter_adopted.root = bytes_view(&tcd->founding_root);
    } else if (perimeter->manifest_version == 0) {
        command.kind = COMMAND_MANIFEST_APPLIED;
        command.manifest_applied.manifest = bytes_view(&tcd->founding_manifest);
        command.manifest_applied.endorsement = bytes_view(&tcd->founding_endorsement);
    } else if (!registry_member_next(registry, &cursor)) {
        command = first_member_joined(tcd);
        registry_rest(registry, &command.rests);
        command.rests.policy = registry_perimeter(registry)->member_policy;
    } else {
        return false;
    }
    submit(membership, &command);
    return true;
}

/* --- the raft configuration --- */

static const struct replica_member *find(const struct replica_member *members, size_t count,
                                         uint64_t raft_id)
{
    for (size_t i = 0; i < count; i++) {
        if (members[i].raft_id == raft_id) {
            return &members[i];
        }
    }
    return NULL;
}

static void start_change(struct membership *membership, enum status status)
{
    membership->busy = status == STATUS_OK;
    if (status != STATUS_OK && status != STATUS_BUSY) {
        log_event(LOG_NOTICE, "membership-change-failed", "reason=\"%s\"", status_text(status));
    }
}

/* The next member that joined and is not a voter yet. */
static bool admit(struct membership *membership, const struct replica_member *members, size_t count)
{
    struct tcd *tcd = membership->tcd;
    const struct registry *registry = tcd_registry(tcd);
    const struct member *member;
    size_t cursor = 0;

    while ((member = registry_member_next(registry, &cursor))) {
        const struct replica_member *known = find(members, count, member->raft_id);
        const struct member_entry *entry = registry_member_entry(registry, member->name.text);

        if (!entry || !registry_member_is_listed(registry, member)) {
            continue;
        }
        if (!known) {
            start_change(membership, replica_add(tcd->replica, member->raft_id, entry->raft_address,
                                                 changed, membership));
            return true;
        }
        if (known->role != REPLICA_VOTER) {
            start_change(membership, replica_assign(tcd->replica, member->raft_id, REPLICA_VOTER,
                                                    changed, membership));
            return true;
        }
    }
    return false;
}

/* A member that the manifest does not name any more, or that joined again under another id. True
 * when there was something to do. */
static bool dismiss(struct membership *membership, const struct replica_member *members,
                    size_t count)
{
    struct tcd *tcd = membership->tcd;
    size_t cursor = 0;
    const struct member *member = pending_member_removal(tcd_registry(tcd), &cursor);
    struct command command = {.kind = COMMAND_MEMBER_REMOVED};

    if (!member) {
        return false;
    }
    if (member->raft_id == tcd->raft_id) {
        start_change(membership, replica_step_down(tcd->replica, 0, changed, membership));
    } else if (find(members, count, member->raft_id)) {
        start_change(membership,
                     replica_remove(tcd->replica, member->raft_id, changed, membership));
    } else {
        command.member_removed.raft_id = member->raft_id;
        submit(membership, &command);
    }
    return true;
}

void membership_tick(struct membership *membership)
{
    struct replica_member members[REPLICA_MEMBER_MAX];
    size_t count;

    if (membership->busy || found(membership)) {
        return;
    }
    count = replica_members(membership->tcd->replica, members);
    /* Who joined again comes back at the address of its former self, which has to go first. */
    if (!dismiss(membership, members, count)) {
        (void)admit(membership, members, count);
    }
}
