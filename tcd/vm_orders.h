/*
 * What nodes are told about VMs: launch orders with keys, run grants, stops. All of it is derived
 * from the replicated state (core/pending.h), so that a new leader goes on where the old one ended;
 * what is kept here besides can be lost.
 *
 * Release after commit (docs/PROTOCOL.md, section 4): vm_orders_release() is the only function that
 * seals a VM's key to a node, and it is called only while applying a release that this leader
 * proposed in its own term; asking again for a release means committing KeyReissued first.
 */
#ifndef TCCP_TCD_VM_ORDERS_H
#define TCCP_TCD_VM_ORDERS_H

#include "lib/protocol/launch_order.h"
#include "tcd/tcd.h"

struct vm_orders;

WARN_UNUSED enum status vm_orders_new(struct tcd *tcd, struct vm_orders **ret_orders);
void vm_orders_free(struct vm_orders *orders);

/* Every few hundred milliseconds, on the leader: what is pending is proposed, or sent. */
void vm_orders_tick(struct vm_orders *orders, uint64_t now_ms);
/* The same for one VM, at once: a decision about it was just committed. */
void vm_orders_look(struct vm_orders *orders, const struct digest *vm);
/* This member leads from now on, or not: what was in flight is forgotten. */
void vm_orders_restart(struct vm_orders *orders, uint64_t now_ms);

/* Seals the VM's key to its owner (or to the destination of its migration) and sends the order. To
 * be called from the proposal_done of LAUNCH_AUTHORIZED, KEY_REISSUED, VM_READOPTED,
 * RESTART_AUTHORIZED, OWNERSHIP_REVERTED or MIGRATION_AUTHORIZED, and from nowhere else. */
void vm_orders_release(struct vm_orders *orders, const struct digest *vm,
                       enum order_purpose purpose);

/* The node goes on with its registration on a new connection: orders and grants that were on their
 * way over the old one may be lost, and are sent again. What a grant gives is the same however
 * often it comes. */
void vm_orders_resumed(struct vm_orders *orders, const struct node *node);

/* Is a node that is quarantined or revoked still to be told something about its VMs, by their
 * policies? Its connection is kept so long. As of the last tick. */
bool vm_orders_obliges(const struct vm_orders *orders, uint64_t registration);

/* From a node, over the connection of this live registration. */
void vm_orders_launched(struct vm_orders *orders, const struct node *node, struct view message);
void vm_orders_report(struct vm_orders *orders, const struct node *node, struct view message);
void vm_orders_inventory(struct vm_orders *orders, const struct node *node, struct view message);
void vm_orders_migration_report(struct vm_orders *orders, const struct node *node,
                                struct view message);
void vm_orders_migration_ready(struct vm_orders *orders, const struct node *node,
                               struct view message);

/* Has the node prove once more that it runs the VM: it has moved since it was launched, or this
 * leader was not there then. */
void vm_orders_prove(struct vm_orders *orders, const struct vm *vm);
/* The customer's proof of who runs the VM, for its present generation; STATUS_NOT_READY while that
 * node has not reported to this leader. */
WARN_UNUSED enum status vm_orders_proof(const struct vm_orders *orders, const struct vm *vm,
                                        struct bytes *ret_proof);

#endif
