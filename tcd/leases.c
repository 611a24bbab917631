#include "tcd/leases.h"

#include "lib/base/table.h"

#include <stdlib.h>

enum { ASK_AGAIN_MS = 1000 };

struct lease {
    uint64_t registration; /* key */
    uint64_t renewal;
    uint64_t since_ms;
    uint64_t length_ms;
    uint64_t asked_ms; /* when its expiry was proposed; 0: it was not */
};

struct leases {
    struct table table;
};

enum status leases_new(struct leases **ret_leases)
{
    struct leases *leases = calloc(1, sizeof *leases);

    if (!leases) {
        return STATUS_NO_MEMORY;
    }
    TABLE_INIT(&leases->table, struct lease, registration);
    *ret_leases = leases;
    return STATUS_OK;
}

static void clear(struct leases *leases)
{
    size_t cursor = 0;
    struct lease *lease;

    while ((lease = table_next(&leases->table, &cursor))) {
        free(table_remove(&leases->table, &lease->registration));
    }
}

void leases_free(struct leases *leases)
{
    clear(leases);
    table_free(&leases->table);
    free(leases);
}

static void begin(struct leases *leases, const struct registration *registration, uint64_t now_ms)
{
    struct lease *lease = table_find(&leases->table, &registration->id);

    if (!lease) {
        lease = calloc(1, sizeof *lease);
        ASSERT(lease); /* A lease that is not watched would never end. */
        lease->registration = registration->id;
        table_insert(&leases->table, lease);
    }
    lease->renewal = registration->renewal;
    lease->length_ms = (uint64_t)registration->lease_s * 1000;
    lease->since_ms = now_ms;
    lease->asked_ms = 0;
}

void leases_restart(struct leases *leases, const struct registry *registry, uint64_t now_ms)
{
    const struct node *node;
    size_t cursor = 0;

    clear(leases);
    while ((node = registry_node_next(registry, &cursor))) {
        if (node->registration.live) {
            begin(leases, &node->registration, now_ms);
        }
    }
}

void leases_forget(struct leases *leases, uint64_t registration)
{
    free(table_remove(&leases->table, &registration));
}

uint64_t leases_left_ms(const struct leases *leases, uint64_t registration, uint64_t now_ms)
{
    const struct lease *lease = table_find(&leases->table, &registration);
    uint64_t age_ms = lease && now_ms > lease->since_ms ? now_ms - lease->since_ms : 0;

    return lease && age_ms < lease->length_ms ? lease->length_ms - age_ms : 0;
}

/* One that ended within the same entry of the log has nothing to begin. */
static void begin_live(struct leases *leases, const struct registry *registry, uint64_t id,
                       uint64_t now_ms)
{
    const struct node *node = registry_node_by_registration(registry, id);

    if (node && node->registration.live) {
        begin(leases, &node->registration, now_ms);
    }
}

void leases_applied(struct leases *leases, const struct registry *registry,
                    const struct command *command, const struct outcome *outcome, uint64_t now_ms)
{
    if (outcome->verdict != REFUSAL_NONE) {
        return;
    }
    if (command->kind == COMMAND_NODE_REGISTERED) {
        begin_live(leases, registry, outcome->id, now_ms);
    } else if (command->kind == COMMAND_RENEWAL_BATCH) {
        for (size_t i = 0; i < command->renewal_batch.count; i++) {
            if (outcome->items[i] == REFUSAL_NONE) {
                begin_live(leases, registry, command->renewal_batch.items[i].registration, now_ms);
            }
        }
    } else if (command->kind == COMMAND_LEASE_EXPIRED) {
        leases_forget(leases, command->rests.registration);
    }
}

bool leases_next_expired(struct leases *leases, uint64_t now_ms, size_t *cursor,
                         struct lease_expiry *ret_expiry)
{
    struct lease *lease;

    while ((lease = table_next(&leases->table, cursor))) {
        if (now_ms - lease->since_ms >= lease->length_ms &&
            (lease->asked_ms == 0 || now_ms - lease->asked_ms >= ASK_AGAIN_MS)) {
            lease->asked_ms = now_ms;
            *ret_expiry = (struct lease_expiry){lease->registration, lease->renewal};
            return true;
        }
    }
    return false;
}
