#include "tcd/core/registry.h"

#include "tcd/core/audit.h"
#include "tcd/core/digest.h"
#include "tcd/core/manifest.h"
#include "tcd/core/members.h"
#include "tcd/core/nodes.h"
#include "tcd/core/operations.h"
#include "tcd/core/references.h"
#include "tcd/core/responses.h"
#include "tcd/core/rests.h"
#include "tcd/core/sessions.h"
#include "tcd/core/users.h"
#include "tcd/core/vms.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *state_alloc(size_t count, size_t size)
{
    void *memory = calloc(count, size);

    ASSERT(memory);
    return memory;
}

struct bytes state_copy(struct view source)
{
    struct bytes bytes;

    ASSERT(bytes_copy(source, &bytes) == STATUS_OK);
    return bytes;
}

void state_text(char *destination, size_t size, const char *text)
{
    size_t length = strlen(text);

    memset(destination, 0, size);
    memcpy(destination, text, length < size ? length : size - 1);
}

bool state_name(const char *text, struct core_name *ret_name)
{
    size_t length = strlen(text);

    *ret_name = (struct core_name){{0}};
    if (length > CORE_NAME_LENGTH_MAX) {
        return false;
    }
    memcpy(ret_name->text, text, length);
    return true;
}

enum refusal_code state_refuse(struct registry *registry, enum refusal_code code,
                               const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(registry->refusal_detail, sizeof registry->refusal_detail, format, arguments);
    va_end(arguments);
    return code;
}

struct registry *registry_new(void)
{
    struct registry *registry = calloc(1, sizeof *registry);

    if (!registry) {
        return NULL;
    }
    registry->next_raft_id = 1;
    registry->next_session = 1;
    registry->next_node = 1;
    registry->next_registration = 1;
    registry->next_migration = 1;
    TABLE_INIT(&registry->members, struct member, raft_id);
    TABLE_INIT(&registry->users, struct user, name);
    TABLE_INIT(&registry->users_by_key, struct user, key_id);
    TABLE_INIT(&registry->nodes, struct node, id);
    TABLE_INIT(&registry->nodes_by_ek, struct node, ek_id);
    TABLE_INIT(&registry->nodes_by_name, struct node, name);
    TABLE_INIT(&registry->nodes_by_registration, struct node, registration.id);
    TABLE_INIT(&registry->sessions, struct session, id);
    TABLE_INIT(&registry->seen, struct seen_entry, digest);
    TABLE_INIT(&registry->vms, struct vm, id);
    TABLE_INIT(&registry->migrations, struct vm, migration);
    TABLE_INIT(&registry->references, struct reference_blob, digest);
    return registry;
}

static void table_free_with(struct table *table, void (*record_free)(void *record))
{
    size_t cursor = 0;
    void *record;

    while ((record = table_next(table, &cursor))) {
        record_free(record);
    }
    table_free(table);
}

static void free_node(void *record)
{
    node_free(record);
}

static void free_session(void *record)
{
    session_free(record);
}

static void free_reference(void *record)
{
    reference_free(record);
}

static void free_vm(void *record)
{
    vm_free(record);
}

void registry_free(struct registry *registry)
{
    if (!registry) {
        return;
    }
    table_free(&registry->users_by_key);
    table_free(&registry->nodes_by_ek);
    table_free(&registry->nodes_by_name);
    table_free(&registry->nodes_by_registration);
    table_free(&registry->migrations);
    table_free_with(&registry->members, free);
    table_free_with(&registry->users, free);
    table_free_with(&registry->nodes, free_node);
    table_free_with(&registry->sessions, free_session);
    table_free_with(&registry->seen, free);
    table_free_with(&registry->vms, free_vm);
    table_free_with(&registry->references, free_reference);
    perimeter_clear(&registry->perimeter);
    audit_clear(registry);
    free(registry->leaf_bytes);
    free(registry->leaf_views);
    free(registry->items);
    free(registry);
}

static enum refusal_code session_apply(struct registry *registry, const struct command *command)
{
    registry->made_id = session_open(registry, &command->actor);
    return REFUSAL_NONE;
}

static enum refusal_code note_apply(struct registry *registry, const struct command *command)
{
    audit_begin(registry);
    audit_text(registry, "text", command->audit_note.text);
    return REFUSAL_NONE;
}

/* What each kind does, once its versions hold. */
static enum refusal_code (*const appliers[COMMAND_KIND_COUNT])(struct registry *,
                                                               const struct command *) = {
    [COMMAND_PERIMETER_ADOPTED] = perimeter_adopt,
    [COMMAND_MANIFEST_APPLIED] = perimeter_apply,
    [COMMAND_ENDORSEMENT_APPLIED] = perimeter_apply,
    [COMMAND_SUCCESSION_APPLIED] = perimeter_apply,
    [COMMAND_MANIFEST_EXPIRED] = manifest_expire,
    [COMMAND_MEMBER_JOINED] = member_join,
    [COMMAND_MEMBER_REMOVED] = member_remove,
    [COMMAND_SESSION_OPENED] = session_apply,
    [COMMAND_AUDIT_NOTE] = note_apply,
    [COMMAND_USER_ADDED] = user_add,
    [COMMAND_USER_REMOVED] = user_remove,
    [COMMAND_NODE_CORDONED] = node_cordon,
    [COMMAND_NODE_REVOKED] = node_revoke,
    [COMMAND_REFERENCE_CHUNK] = reference_add_chunk,
    [COMMAND_NODE_REGISTERED] = node_register,
    [COMMAND_RENEWAL_BATCH] = leases_renew,
    [COMMAND_LEASE_EXPIRED] = lease_expire,
    [COMMAND_NODE_QUARANTINED] = node_quarantine,
    [COMMAND_LAUNCH_AUTHORIZED] = vm_launch,
    [COMMAND_RESTART_AUTHORIZED] = vm_restart,
    [COMMAND_KEY_REISSUED] = vm_reissue_key,
    [COMMAND_LAUNCHED] = vm_launched,
    [COMMAND_VM_STOP_REQUESTED] = vm_request_stop,
    [COMMAND_VM_STOPPED] = vm_stopped,
    [COMMAND_VM_FENCED] = vm_fence,
    [COMMAND_VM_DELETED] = vm_delete,
    [COMMAND_VM_READOPTED] = vm_readopt,
    [COMMAND_GRANT_ISSUED] = vm_grant,
    [COMMAND_GRANT_WITHDRAWN] = vm_withdraw,
    [COMMAND_COPY_DESTROYED] = vm_copy_destroyed,
    [COMMAND_TOMBSTONES_PURGED] = tombstones_purge,
    [COMMAND_MIGRATION_AUTHORIZED] = migration_authorize,
    [COMMAND_MIGRATION_REPORTED] = migration_report,
    [COMMAND_MIGRATION_DONE] = migration_finish,
    [COMMAND_MIGRATION_ABORTED] = migration_abort,
    [COMMAND_RESUMED] = vm_resumed,
    [COMMAND_OWNERSHIP_REVERTED] = ownership_revert,
};

/* The VM that the command is about exists, is the actor's, and may make this move. */
static enum refusal_code check_vm(struct registry *registry, const struct command *command)
{
    const struct vm *vm;
    enum refusal_code verdict;

    if ((command_kind_rests(command->kind) & RESTS_GENERATION) == 0) {
        return REFUSAL_NONE;
    }
    vm = vm_of_command(registry, command);
    if (!vm) {
        return state_refuse(registry, REFUSAL_NOT_FOUND, "no such VM or open migration");
    }
    verdict = vm_authorize(registry, vm, command);
    return verdict == REFUSAL_NONE ? vm_check_move(registry, vm, command->kind) : verdict;
}

static enum refusal_code decide(struct registry *registry, const struct command *command)
{
    enum refusal_code verdict = user_authorize(registry, command);

    if (verdict == REFUSAL_NONE) {
        verdict = check_vm(registry, command);
    }
    if (verdict == REFUSAL_NONE) {
        verdict = rests_check(registry, command);
    }
    return verdict == REFUSAL_NONE ? appliers[command->kind](registry, command) : verdict;
}

/* A refusal is a decision of the audit log when a known user had asked for it. */
static void note_refusal(struct registry *registry, enum refusal_code verdict)
{
    if (digest_is_zero(&registry->command->actor) || rests_is_stale(verdict)) {
        registry->counters.stale++;
        return;
    }
    audit_begin_refusal(registry, verdict);
    audit_text(registry, "detail", registry->refusal_detail);
}

static void fill(struct registry *registry, enum refusal_code verdict, struct outcome *ret_outcome)
{
    *ret_outcome = (struct outcome){
        .verdict = verdict,
        .detail = registry->refusal_detail,
        .revision = registry->revision,
        .id = registry->made_id,
        .generation = registry->made_generation,
        .leaf_index = registry->audit.size - registry->leaf_count,
        .leaf_count = registry->leaf_count,
        .leaves = registry->leaf_views,
        .item_count = registry->item_count,
        .items = registry->items,
    };
}

static void fill_from_result(const struct result *result, struct outcome *ret_outcome)
{
    *ret_outcome = (struct outcome){
        .verdict = result->verdict,
        .detail = "",
        .repeated = true,
        .revision = result->revision,
        .id = result->id,
        .generation = result->generation,
        .leaf_index = result->leaf_index,
    };
}

static void remember(struct registry *registry, const struct outcome *outcome)
{
    const struct command *command = registry->command;
    const struct result result = {
        .number = command->number,
        .kind = command->kind,
        .verdict = outcome->verdict,
        .revision = outcome->revision,
        .leaf_index = outcome->leaf_index,
        .id = outcome->id,
        .generation = outcome->generation,
    };

    /* Nothing was executed where a version had moved: the number may come again. */
    if (!rests_is_stale(outcome->verdict)) {
        session_remember(registry, command->session, &result);
    }
}

static void begin(struct registry *registry, const struct command *command)
{
    registry->command = command;
    registry->made_id = 0;
    registry->made_generation = 0;
    registry->refusal_detail[0] = '\0';
    registry->item_count = 0;
    audit_clear(registry);
    if (command->time_s > registry->time_s) {
        registry->time_s = command->time_s;
    }
    digest_begin(registry);
}

static void apply_new(struct registry *registry, struct outcome *ret_outcome)
{
    enum refusal_code verdict = decide(registry, registry->command);

    if (verdict != REFUSAL_NONE) {
        note_refusal(registry, verdict);
    }
    audit_end(registry);
    digest_verdict(registry, verdict);
    digest_end(registry);
    fill(registry, verdict, ret_outcome);
}

enum refusal_code registry_apply(struct registry *registry, const struct command *command,
                                 struct outcome *ret_outcome)
{
    struct result result;
    enum session_answer answer = SESSION_EXECUTE;

    ASSERT(command->kind < COMMAND_KIND_COUNT);
    begin(registry, command);
    if (command->session != 0) {
        answer = session_look_up(registry, command, &result);
    }
    switch (answer) {
    case SESSION_EXECUTE:
        apply_new(registry, ret_outcome);
        if (command->session != 0) {
            remember(registry, ret_outcome);
        }
        break;
    case SESSION_REPEAT:
        digest_verdict(registry, result.verdict);
        digest_end(registry);
        fill_from_result(&result, ret_outcome);
        break;
    case SESSION_UNKNOWN:
        registry->counters.stale++;
        (void)state_refuse(registry, REFUSAL_UNKNOWN_REQUEST, "session %llu",
                           (unsigned long long)command->session);
        digest_verdict(registry, REFUSAL_UNKNOWN_REQUEST);
        digest_end(registry);
        fill(registry, REFUSAL_UNKNOWN_REQUEST, ret_outcome);
        break;
    }
    registry->command = NULL;
    return ret_outcome->verdict;
}

bool registry_result(const struct registry *registry, uint64_t session, uint64_t number,
                     struct outcome *ret_outcome)
{
    struct result result;

    if (!session_result(registry, session, number, &result)) {
        return false;
    }
    fill_from_result(&result, ret_outcome);
    return true;
}

uint64_t registry_revision(const struct registry *registry)
{
    return registry->revision;
}

struct digest registry_digest(const struct registry *registry)
{
    return registry->digest;
}

uint64_t registry_time_s(const struct registry *registry)
{
    return registry->time_s;
}

uint64_t registry_tombstone_horizon_s(const struct registry *registry)
{
    return registry->tombstone_horizon_s;
}

const struct merkle_frontier *registry_audit(const struct registry *registry)
{
    return &registry->audit;
}

const struct registry_counters *registry_counters(const struct registry *registry)
{
    return &registry->counters;
}

const struct perimeter *registry_perimeter(const struct registry *registry)
{
    return &registry->perimeter;
}

struct scope registry_scope(const struct registry *registry)
{
    return (struct scope){registry->perimeter.id, registry->perimeter.epoch};
}

const struct user *registry_user_next(const struct registry *registry, size_t *cursor)
{
    return table_next(&registry->users, cursor);
}

const struct user *registry_user(const struct registry *registry, const char *name)
{
    struct core_name key;

    return state_name(name, &key) ? table_find(&registry->users, &key) : NULL;
}

const struct user *registry_user_by_key(const struct registry *registry,
                                        const struct digest *key_id)
{
    return table_find(&registry->users_by_key, key_id);
}
