/*
 * Internal to the core: VMs, from launch to tombstone, and who may run them (docs/PROTOCOL.md,
 * sections 4 and 5).
 */
#ifndef TCCP_CORE_VMS_H
#define TCCP_CORE_VMS_H

#include "tcd/core/state.h"

enum refusal_code vm_launch(struct registry *registry, const struct command *command);
enum refusal_code vm_restart(struct registry *registry, const struct command *command);
enum refusal_code vm_reissue_key(struct registry *registry, const struct command *command);
enum refusal_code vm_launched(struct registry *registry, const struct command *command);
enum refusal_code vm_request_stop(struct registry *registry, const struct command *command);
enum refusal_code vm_stopped(struct registry *registry, const struct command *command);
enum refusal_code vm_fence(struct registry *registry, const struct command *command);
enum refusal_code vm_delete(struct registry *registry, const struct command *command);
enum refusal_code vm_readopt(struct registry *registry, const struct command *command);
enum refusal_code vm_grant(struct registry *registry, const struct command *command);
enum refusal_code vm_copy_destroyed(struct registry *registry, const struct command *command);
enum refusal_code tombstones_purge(struct registry *registry, const struct command *command);

/* The VM that a command concerns: by id, or by its open migration. NULL: none. */
struct vm *vm_of_command(const struct registry *registry, const struct command *command);
/* A customer acts on VMs of its own only. */
enum refusal_code vm_authorize(struct registry *registry, const struct vm *vm,
                               const struct command *command);
/* The table of legal moves: REFUSAL_NONE, or REFUSAL_WRONG_STATE. */
enum refusal_code vm_check_move(struct registry *registry, const struct vm *vm,
                                enum command_kind kind);
/* May a key of this VM go to the node now (I1)? `is_new`: the node does not hold the VM yet, so it
 * must not be cordoned. */
enum refusal_code vm_check_release(struct registry *registry, const struct node *node,
                                   const struct vm_policy *policy, bool is_new);
/* Changes who owns it or who is the other; keeps the nodes' counts. node 0: nobody. */
void vm_set_owner(struct registry *registry, struct vm *vm, struct vm_place place);
void vm_set_peer(struct registry *registry, struct vm *vm, struct vm_place place);
/* The move of the command, a new generation (rule a), the leaf with what is common to all, and the
 * digest. */
void vm_decide(struct registry *registry, struct vm *vm, enum vm_state state);
/* The same without a new generation: a report of what had been decided. */
void vm_note(struct registry *registry, struct vm *vm, enum vm_state state);
void vm_audit(struct registry *registry, const struct vm *vm);
void vm_free(struct vm *vm);

#endif
