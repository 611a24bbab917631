/*
 * Pending: what must happen outside, derived from the state. Level-triggered: as long as the state
 * says so it is pending, whoever leads, and doing it twice does no harm; each is named by VM,
 * generation and registration, and for a migration by its id.
 */
#ifndef TCCP_CORE_PENDING_H
#define TCCP_CORE_PENDING_H

#include "tcd/core/registry.h"

enum pending_kind {
    PENDING_LAUNCH,        /* the order, with the key, to `node` */
    PENDING_GRANT,         /* propose GRANT_ISSUED for `node` */
    PENDING_RESUME,        /* granted: have `node` run it and report RESUMED */
    PENDING_READOPT,       /* `node` registered anew: ask for its inventory; then VM_READOPTED or
                              VM_STOPPED */
    PENDING_FENCE,         /* `node` has no lease: when it cannot run any more, VM_FENCED */
    PENDING_STOP,          /* have `node` stop it, then VM_STOPPED */
    PENDING_TICKET_SOURCE, /* the migration ticket to `node`; MIGRATION_ABORTED when nothing
                              comes of it for too long */
    PENDING_TICKET_DESTINATION, /* the ticket and the key */
    PENDING_DONE,               /* both reported: propose MIGRATION_DONE */
    PENDING_ABORT,              /* a side of the migration is gone: propose MIGRATION_ABORTED */
    PENDING_REVERT,   /* the owner's copy is lost, `node` has another that may run: propose
                         OWNERSHIP_REVERTED */
    PENDING_DESTROY,  /* have `node` destroy its copy, then COPY_DESTROYED */
    PENDING_EVACUATE, /* its owner is quarantined: propose MIGRATION_AUTHORIZED to `node` */
    PENDING_WITHDRAW, /* `node` is quarantined or revoked: propose GRANT_WITHDRAWN */
    PENDING_PAUSE,    /* have `node` freeze it: its grant was withdrawn */
    PENDING_KIND_COUNT
};
const char *pending_kind_name(enum pending_kind kind);

struct pending {
    enum pending_kind kind;
    const struct vm *vm;
    const struct node *node;
    uint64_t registration; /* of the node, that this is for; messages name it */
    uint64_t generation;
    uint64_t migration; /* 0: none */
};

enum { PENDING_COUNT_MAX = 4 }; /* for one VM */

/* What is pending for one VM; the number of entries filled. */
size_t pending_of_vm(const struct registry *registry, const struct vm *vm,
                     struct pending ret_pending[PENDING_COUNT_MAX]);

/*
 * What becomes of a copy that a node says it holds (its inventory), whose launcher met
 * `seen_generation` last. Only after a command that this leader proposed when it had the inventory
 * already was committed (the node's registration or renewal with which it came): a leader that was
 * deposed meanwhile does not know of newer VMs, and would have them destroyed.
 */
enum copy_fate {
    COPY_OWNED,   /* the node owns it: readopted or run by grant */
    COPY_KEEP,    /* frozen: it may still be decided to run (rule c) */
    COPY_DESTROY, /* nothing can make it run again */
};
enum copy_fate pending_copy_fate(const struct registry *registry, const struct digest *vm_id,
                                 const struct node *node, uint64_t seen_generation);

/* Members that joined but that the manifest does not name any more, or that joined again: to be
 * removed from the raft configuration, then MEMBER_REMOVED. Starts with *cursor = 0. */
const struct member *pending_member_removal(const struct registry *registry, size_t *cursor);

#endif
