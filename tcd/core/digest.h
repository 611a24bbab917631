/*
 * Internal to the core: the state digest, a chain
 *
 *     digest' = SHA-256(digest | SHA-256(command) | touched | touched | ... | verdict)
 *
 * where each touched record is its kind (u8), its size (u32) and its bytes as a snapshot has them,
 * and the verdict is its stable name with its length (u32) before it. What was removed follows from
 * command and verdict.
 * Sessions and used nonces are not touched one by one: they follow from command and verdict.
 */
#ifndef TCCP_CORE_DIGEST_H
#define TCCP_CORE_DIGEST_H

#include "tcd/core/state.h"

void digest_begin(struct registry *registry);
void digest_verdict(struct registry *registry, enum refusal_code verdict);
void digest_touch_perimeter(struct registry *registry);
void digest_touch_member(struct registry *registry, const struct member *member);
void digest_touch_user(struct registry *registry, const struct user *user);
void digest_touch_node(struct registry *registry, const struct node *node);
void digest_touch_vm(struct registry *registry, const struct vm *vm);
void digest_touch_reference(struct registry *registry, const struct reference_blob *reference);
/* Counts the revision and notes the digest in the history. */
void digest_end(struct registry *registry);

#endif
