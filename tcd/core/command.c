#include "tcd/core/command.h"

#include "tcd/core/documents.h"

#include "proto/command.pb-c.h"

#include <stdlib.h>

static const struct {
    const char *name;
    unsigned rests, roles;
} kinds[COMMAND_KIND_COUNT] = {
#define X(kind, kind_name, kind_rests, kind_roles)                                                 \
    [COMMAND_##kind] = {kind_name, kind_rests, kind_roles},
    COMMAND_LIST(X)
#undef X
};

const char *command_kind_name(enum command_kind kind)
{
    ASSERT(kind < COMMAND_KIND_COUNT);
    return kinds[kind].name;
}

unsigned command_kind_rests(enum command_kind kind)
{
    ASSERT(kind < COMMAND_KIND_COUNT);
    return kinds[kind].rests;
}

unsigned command_kind_roles(enum command_kind kind)
{
    ASSERT(kind < COMMAND_KIND_COUNT);
    return kinds[kind].roles;
}

const char *user_role_name(enum user_role role)
{
    static const char *const names[USER_ROLE_COUNT] = {
        [USER_OPERATOR] = "operator",
        [USER_CUSTOMER] = "customer",
        [USER_AUDITOR] = "auditor",
    };

    ASSERT(role < USER_ROLE_COUNT);
    return names[role];
}

void command_free(struct command *command)
{
    if (!command) {
        return;
    }
    if (command->kind == COMMAND_RENEWAL_BATCH) {
        free(command->renewal_batch.items);
    } else if (command->kind == COMMAND_MANIFEST_APPLIED ||
               command->kind == COMMAND_ENDORSEMENT_APPLIED ||
               command->kind == COMMAND_SUCCESSION_APPLIED) {
        manifest_facts_free(command->manifest_applied.manifest_facts);
        free(command->manifest_applied.endorsement_facts);
    }
    tccp__log__command__free_unpacked(command->message, NULL);
    free(command);
}
