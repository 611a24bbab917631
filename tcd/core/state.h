/* Internal to the core: the registry's insides, and what its nouns share while applying. */
#ifndef TCCP_CORE_STATE_H
#define TCCP_CORE_STATE_H

#include "lib/base/table.h"
#include "tcd/core/registry.h"

struct session;

struct registry {
    uint64_t revision;
    struct digest digest;
    uint64_t time_s;
    struct merkle_frontier audit;
    struct registry_counters counters;
    uint64_t next_raft_id, next_session, next_node, next_registration, next_migration;
    uint64_t tombstone_horizon_s;

    struct perimeter perimeter;
    unsigned member_entry_count;
    struct member_entry member_entries[CORE_MEMBER_COUNT_MAX];

    struct table members; /* by raft id */
    struct table users, users_by_key;
    struct table nodes; /* by id */
    struct table nodes_by_ek, nodes_by_name, nodes_by_registration;
    struct table sessions; /* least recently used first */
    size_t result_slots;   /* over all sessions */
    struct table seen;
    struct table vms;
    struct table migrations;  /* VMs with an open one, by its id */
    struct table references;  /* in the order in which their uploads began */
    uint64_t reference_bytes; /* their sizes, of incomplete ones too */

    /* Of a snapshot that is being restored: the set whose data are to come. */
    struct {
        struct reference_blob *blob; /* NULL: none */
        uint64_t received;
        struct digest prefix;
    } restoring;

    /* digests at the last revisions; not part of the state */
    struct digest history[REGISTRY_HISTORY_COUNT];
    uint64_t history_from; /* first revision that it holds */

    /* of the command that is being applied, and of its outcome until the next */
    const struct command *command;
    struct sha256 chain;
    uint64_t made_id, made_generation;
    char refusal_detail[CORE_DETAIL_LENGTH_MAX + 1];
    struct canonical leaf; /* open while leaf_open */
    bool leaf_open;
    size_t leaf_count, leaf_capacity;
    struct bytes *leaf_bytes;
    struct view *leaf_views;
    size_t item_count;
    enum refusal_code *items;
};

/* Fills the outcome's detail; returns the code. */
PRINTF_LIKE(3, 4)
enum refusal_code state_refuse(struct registry *registry, enum refusal_code code,
                               const char *format, ...);

/* malloc and calloc that abort: see registry.h. */
void *state_alloc(size_t count, size_t size);
struct bytes state_copy(struct view source);

/* Copies as much of the text as fits, with zeros after it. */
void state_text(char *destination, size_t size, const char *text);

/* A padded key of the tables by name; false when the name is too long to be one. */
bool state_name(const char *text, struct core_name *ret_name);

#endif
