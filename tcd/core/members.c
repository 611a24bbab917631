#include "tcd/core/members.h"

#include "tcd/core/audit.h"
#include "tcd/core/digest.h"
#include "tcd/core/nodes.h"

#include <stdlib.h>
#include <string.h>

static const struct member_entry *entry_by_ek(const struct registry *registry, struct view ek_name)
{
    for (unsigned i = 0; i < registry->member_entry_count; i++) {
        const struct member_entry *entry = &registry->member_entries[i];

        if (view_equal(tpm_name_view(&entry->ek_name), ek_name)) {
            return entry;
        }
    }
    return NULL;
}

static bool same_name(const struct tpm_name *left, const struct tpm_name *right)
{
    return view_equal(tpm_name_view(left), tpm_name_view(right));
}

enum refusal_code members_check_manifest(struct registry *registry,
                                         const struct manifest_facts *facts)
{
    for (unsigned i = 0; i < facts->member_count; i++) {
        const struct member_entry *entry = &facts->members[i];
        const struct member_entry *former = registry_member_entry(registry, entry->name.text);

        if (former &&
            (!same_name(&former->ek_name, &entry->ek_name) ||
             !same_name(&former->ak_name, &entry->ak_name)) &&
            !same_name(&facts->member_replaces[i], &former->ak_name)) {
            return state_refuse(registry, REFUSAL_UNDECLARED_REPLACEMENT,
                                "member %s has another TPM in the manifest in force",
                                entry->name.text);
        }
    }
    return REFUSAL_NONE;
}

enum refusal_code member_join(struct registry *registry, const struct command *command)
{
    const struct tpm_name *ek_name = &command->member_joined.ek_name;
    const struct tpm_name *ak_name = &command->member_joined.ak_name;
    const struct member_entry *entry = entry_by_ek(registry, tpm_name_view(ek_name));
    const struct digest *nonce = &command->member_joined.nonce;
    struct member *member;

    if (registry->perimeter.expired) {
        return state_refuse(registry, REFUSAL_MANIFEST_EXPIRED, "version %llu",
                            (unsigned long long)registry->perimeter.manifest_version);
    }
    if (!entry || strcmp(entry->name.text, command->member_joined.name.text) != 0) {
        return state_refuse(registry, REFUSAL_EK_NOT_IN_MANIFEST, "no member %s with this key",
                            command->member_joined.name.text);
    }
    if (!view_equal(tpm_name_view(&entry->ak_name), tpm_name_view(ak_name))) {
        return state_refuse(registry, REFUSAL_AK_NAME, "member %s", entry->name.text);
    }
    if (seen(registry, &command->member_joined.key) ||
        (!digest_is_zero(nonce) && seen(registry, nonce))) {
        return state_refuse(registry, REFUSAL_KEY_REUSED, "member %s", entry->name.text);
    }
    /* A member that joined before was wiped: its former raft id is removed by what is pending. */
    member = state_alloc(1, sizeof *member);
    member->raft_id = registry->next_raft_id++;
    member->name = entry->name;
    member->ek_name = *ek_name;
    member->ak_name = *ak_name;
    member->key = command->member_joined.key;
    member->boot = command->member_joined.boot;
    member->joined_at_s = registry->time_s;
    table_insert(&registry->members, member);
    seen_note(registry, &member->key);
    if (!digest_is_zero(nonce)) {
        seen_note(registry, nonce);
    }
    registry->made_id = member->raft_id;
    audit_begin(registry);
    audit_text(registry, "member", member->name.text);
    audit_number(registry, "raft-id", member->raft_id);
    audit_bytes(registry, "ak", tpm_name_view(&member->ak_name));
    digest_touch_member(registry, member);
    return REFUSAL_NONE;
}

enum refusal_code member_remove(struct registry *registry, const struct command *command)
{
    struct member *member = table_find(&registry->members, &command->member_removed.raft_id);

    if (!member) {
        return state_refuse(registry, REFUSAL_NOT_FOUND, "no member with raft id %llu",
                            (unsigned long long)command->member_removed.raft_id);
    }
    if (registry->members.count == 1) {
        return state_refuse(registry, REFUSAL_WRONG_STATE, "%s is the last member",
                            member->name.text);
    }
    audit_begin(registry);
    audit_text(registry, "member", member->name.text);
    audit_number(registry, "raft-id", member->raft_id);
    audit_text(registry, "reason", command->member_removed.reason);
    ASSERT(table_remove(&registry->members, &member->raft_id) == member);
    free(member);
    return REFUSAL_NONE;
}

void members_of_manifest(struct registry *registry, const struct manifest_facts *facts)
{
    registry->member_entry_count = facts->member_count;
    memcpy(registry->member_entries, facts->members, facts->member_count * sizeof *facts->members);
}

const struct member_entry *registry_member_entry_next(const struct registry *registry,
                                                      size_t *cursor)
{
    return *cursor < registry->member_entry_count ? &registry->member_entries[(*cursor)++] : NULL;
}

const struct member_entry *registry_member_entry(const struct registry *registry, const char *name)
{
    for (unsigned i = 0; i < registry->member_entry_count; i++) {
        if (strcmp(registry->member_entries[i].name.text, name) == 0) {
            return &registry->member_entries[i];
        }
    }
    return NULL;
}

const struct member *registry_member_next(const struct registry *registry, size_t *cursor)
{
    return table_next(&registry->members, cursor);
}

const struct member *registry_member(const struct registry *registry, uint64_t raft_id)
{
    return table_find(&registry->members, &raft_id);
}

const struct member *registry_member_by_name(const struct registry *registry, const char *name)
{
    const struct member *member, *latest = NULL;
    size_t cursor = 0;

    while ((member = table_next(&registry->members, &cursor))) {
        if (strcmp(member->name.text, name) == 0) {
            latest = member;
        }
    }
    return latest;
}

bool registry_member_is_listed(const struct registry *registry, const struct member *member)
{
    const struct member_entry *entry = entry_by_ek(registry, tpm_name_view(&member->ek_name));

    return entry && view_equal(tpm_name_view(&entry->ak_name), tpm_name_view(&member->ak_name));
}
