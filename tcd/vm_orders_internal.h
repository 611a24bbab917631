/* Inside vm_orders: what its three files share. vm_orders.c carries out what is pending;
 * vm_release.c seals keys; vm_reports.c takes what nodes say. */
#ifndef TCCP_TCD_VM_ORDERS_INTERNAL_H
#define TCCP_TCD_VM_ORDERS_INTERNAL_H

#include "lib/base/table.h"
#include "lib/protocol/launch_proof.h"
#include "lib/protocol/launched.h"
#include "tcd/vm_orders.h"

#include "proto/node.pb-c.h"

/* What this leader knows of a VM beside the state. */
struct order_state {
    struct digest vm;             /* key */
    struct digest order;          /* H(order) that was sent last */
    uint8_t nonce[VM_NONCE_SIZE]; /* n_U, for the customer's report */
    bool released;                /* an order was sent in this leadership */
    uint64_t sent_ms, proposed_ms, told_ms;
    uint64_t fence_since_ms; /* when this leader first saw that its owner has no lease */
    uint64_t fence_registration;
    /* The last launch, for the proof. */
    struct launched launched;
    struct bytes measurement, leaf;
    struct launch_report report;
    struct merkle_proof inclusion;
    bool has_proof;
};

struct vm_orders {
    struct tcd *tcd;
    struct table table;
    uint64_t now_ms; /* of the last tick */
};

/* What is known of this VM; made where there was nothing. */
struct order_state *vm_orders_state(struct vm_orders *orders, const struct digest *vm);
/* tc_sign, in the authority's custody. */
struct signer vm_orders_signer(const struct tcd *tcd);
/* refusal may be NULL. */
void vm_orders_log_failure(const char *event, const struct digest *vm, enum status status,
                           const struct refusal *refusal);
/* Has the node end its copy. */
void vm_orders_command(struct vm_orders *orders, const struct digest *vm, uint64_t generation,
                       const struct node *node, Tccp__VmAction action);
/* Proposes the command, filled but for its VM and the versions that it rests on, which are those of
 * the state now. */
void vm_orders_propose(struct vm_orders *orders, const struct vm *vm, const struct node *node,
                       struct command *command);

#endif
