/*
 * A naive second account of the core, written from docs/PROTOCOL.md (sections 3 to 5) for clarity:
 * small arrays, no tables, no digests. It says whether a command is accepted, and what follows.
 */
#ifndef TCCP_TESTS_PROPERTY_CORE_MODEL_H
#define TCCP_TESTS_PROPERTY_CORE_MODEL_H

#include "tcd/core/registry.h"

enum { MODEL_NODES = 4, MODEL_VMS = 4, MODEL_NOBODY = -1 };

struct model_node {
    bool known; /* registered at some time, or listed */
    bool listed, revoked, quarantined, cordoned;
    uint64_t registration; /* 0: none */
    bool live;
    uint64_t renewal;
    uint64_t clock;
    unsigned appraised; /* revision of the policy that it met last */
};

struct model_vm {
    bool exists;
    enum vm_state state;
    uint64_t generation, granted;
    int owner, other; /* nodes */
    uint64_t owner_registration, other_registration;
    bool other_complete, stop_requested, reported[2];
    bool moved; /* its last migration was done, and not reverted */
    uint64_t migration;
    bool may_migrate, may_revert, may_restart, even_zone_only;
    enum quarantine_response on_quarantine;
};

struct model {
    uint64_t version;
    bool expired;
    unsigned policy;
    uint64_t next_registration, next_migration;
    bool purged; /* the tickets that these tests use have expired */
    struct model_node nodes[MODEL_NODES];
    struct model_vm vms[MODEL_VMS];
};

/* What is asked for, with the versions that it rests on. */
struct model_command {
    enum command_kind kind;
    int node; /* its registration is rested on; or the node that is named */
    int vm;
    int destination; /* peer */
    uint64_t version, registration, renewal, generation, peer_registration, peer_renewal;
    unsigned policy, peer_policy;
    uint64_t migration;
    enum migration_role role;
    enum stop_cause cause;
    bool flag; /* cordoned; key to the destination */
    uint32_t listed;
    bool new_policy;
    struct model_vm wishes; /* the policy of a launch */
    uint64_t clock;
};

void model_start(struct model *model, unsigned nodes);
/* Whether it is accepted; if so it took effect. */
bool model_apply(struct model *model, const struct model_command *command);

#endif
