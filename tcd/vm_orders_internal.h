/* Inside vm_orders: what its files share. vm_orders.c carries out what is pending; vm_release.c
 * seals keys; vm_migrations.c leads migrations; vm_reports.c takes what nodes say. */
#ifndef TCCP_TCD_VM_ORDERS_INTERNAL_H
#define TCCP_TCD_VM_ORDERS_INTERNAL_H

#include "lib/base/table.h"
#include "lib/protocol/launch_proof.h"
#include "lib/protocol/launched.h"
#include "lib/protocol/migration_ticket.h"
#include "tcd/core/pending.h"
#include "tcd/vm_orders.h"

#include "proto/node.pb-c.h"

/* What this leader knows of a VM beside the state. */
struct order_state {
    struct digest vm;             /* key */
    struct digest order;          /* H(order) that was sent last */
    uint8_t nonce[VM_NONCE_SIZE]; /* n_U, for the customer's report */
    uint64_t released_generation; /* of the last order that was sent in this leadership */
    uint64_t sent_ms, proposed_ms, told_ms, told_peer_ms;
    uint64_t generation, generation_since_ms; /* when this leader saw the VM at it first */
    uint64_t migration;                       /* the open one that the rest of this line is about */
    uint64_t migration_since_ms, ready_since_ms, failed_ms, reported_ms[SIDE_COUNT];
    bool is_ready;              /* its destination waits for the source */
    uint64_t paused_generation; /* at which its node said that it is frozen */
    uint64_t fence_since_ms;    /* when this leader first saw that its owner has no lease */
    uint64_t fence_registration;
    /* The last launch, for the proof. */
    struct launched launched;
    struct bytes measurement, leaf;
    struct launch_report report;
    struct merkle_proof inclusion;
    bool has_proof;
};

/* A registration of a bad node that is still to hear of its VMs. */
struct obligation {
    uint64_t registration; /* key */
};

struct vm_orders {
    struct tcd *tcd;
    struct table table;
    struct table obligations; /* as of the last tick */
    uint64_t now_ms;          /* of the last tick */
};

/* What is known of this VM; made where there was nothing. */
struct order_state *vm_orders_state(struct vm_orders *orders, const struct digest *vm);
/* tc_sign, in the authority's custody. */
struct signer vm_orders_signer(const struct tcd *tcd);
/* refusal may be NULL. */
void vm_orders_log_failure(const char *event, const struct digest *vm, enum status status,
                           const struct refusal *refusal);
/* Now, or not again before the interval is over. */
bool vm_orders_is_due(const struct vm_orders *orders, uint64_t *last_ms, uint64_t interval_ms);
/* Has the node end its copy. */
void vm_orders_command(struct vm_orders *orders, const struct digest *vm, uint64_t generation,
                       const struct node *node, Tccp__VmAction action);
/* Proposes the command, which rests on the versions of the state now; those of a peer are filled in
 * already where it rests on them. */
void vm_orders_propose_on(struct vm_orders *orders, const struct vm *vm, const struct node *node,
                          struct command *command);
/* The same of a command that names the VM by its id. */
void vm_orders_propose(struct vm_orders *orders, const struct vm *vm, const struct node *node,
                       struct command *command);

/* --- vm_migrations.c --- */

/* A pending step of an open migration. */
void vm_migrations_carry_out(struct vm_orders *orders, struct order_state *state,
                             const struct pending *pending);
/* The owner's node is quarantined, and the VM is to be brought to this one. */
void vm_migrations_evacuate(struct vm_orders *orders, struct order_state *state,
                            const struct vm *vm, const struct node *destination);
/* Both nodes hear how the last migration was decided, as long as the owner has not resumed. */
void vm_migrations_tell(const struct vm_orders *orders, const struct vm *vm);
/* A side says that nothing comes of it. */
void vm_migrations_failed(struct vm_orders *orders, const struct node *node, const struct vm *vm,
                          const char *detail);

#endif
