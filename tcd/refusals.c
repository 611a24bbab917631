#include "tcd/refusals.h"

#include "lib/base/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct refusals {
    struct table table;
};

enum status refusals_new(struct refusals **ret_refusals)
{
    struct refusals *refusals = calloc(1, sizeof *refusals);

    if (!refusals) {
        return STATUS_NO_MEMORY;
    }
    TABLE_INIT(&refusals->table, struct refusal_record, node);
    *ret_refusals = refusals;
    return STATUS_OK;
}

void refusals_free(struct refusals *refusals)
{
    struct refusal_record *record;

    if (!refusals) {
        return;
    }
    while ((record = table_first(&refusals->table))) {
        free(table_remove(&refusals->table, &record->node));
    }
    table_free(&refusals->table);
    free(refusals);
}

static struct core_name key_of(const char *node)
{
    struct core_name key;

    memset(&key, 0, sizeof key);
    (void)snprintf(key.text, sizeof key.text, "%s", node);
    return key;
}

const struct refusal_record *refusals_find(const struct refusals *refusals, const char *node)
{
    const struct core_name key = key_of(node);

    return table_find(&refusals->table, &key);
}

void refusals_note(struct refusals *refusals, const char *node, const struct refusal *refusal,
                   bool is_proven, const char *address, uint64_t now_s)
{
    const struct core_name key = key_of(node);
    struct refusal_record *record = table_find(&refusals->table, &key);

    if (record && record->is_proven && !is_proven && now_s - record->at_s < REFUSAL_FRESH_S) {
        return;
    }
    if (!record) {
        record = calloc(1, sizeof *record);
        if (!record) {
            return; /* It says so again. */
        }
        record->node = key;
        table_insert(&refusals->table, record);
    }
    record->at_s = now_s;
    record->count++;
    record->is_proven = is_proven;
    (void)snprintf(record->address, sizeof record->address, "%s", address);
    record->refusal = *refusal;
}

static void forget_strangers(struct refusals *refusals, const struct registry *registry)
{
    struct refusal_record *record;
    size_t cursor = 0;

    while ((record = table_next(&refusals->table, &cursor))) {
        if (!registry_node_by_name(registry, record->node.text)) {
            free(table_remove(&refusals->table, &record->node));
        }
    }
}

void refusals_applied(struct refusals *refusals, const struct registry *registry,
                      const struct command *command, const struct outcome *outcome)
{
    if (outcome->verdict != REFUSAL_NONE) {
        return;
    }
    if (command->kind == COMMAND_NODE_REGISTERED) {
        free(table_remove(&refusals->table, &command->node_registered.node));
    } else if (command->kind == COMMAND_MANIFEST_APPLIED ||
               command->kind == COMMAND_SUCCESSION_APPLIED) {
        forget_strangers(refusals, registry);
    }
}
