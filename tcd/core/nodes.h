/*
 * Internal to the core: nodes, their registrations and leases (docs/PROTOCOL.md, section 3).
 *
 * A node is known by its EK. Its registration is a lease: it lives until LEASE_EXPIRED is
 * committed, or a newer registration replaces it; nothing revives it (rule d of section 5).
 * A node that a new manifest does not name is revoked by that commit. One that an operator revoked
 * stays so until a manifest without it was in force, and then one with it.
 */
#ifndef TCCP_CORE_NODES_H
#define TCCP_CORE_NODES_H

#include "tcd/core/documents.h"
#include "tcd/core/state.h"

/* There is room for them; and new hardware under an old name says what it replaces. */
enum refusal_code nodes_check_manifest(struct registry *registry,
                                       const struct manifest_facts *facts);
void nodes_of_manifest(struct registry *registry, const struct manifest_facts *facts);

enum refusal_code node_cordon(struct registry *registry, const struct command *command);
enum refusal_code node_revoke(struct registry *registry, const struct command *command);
enum refusal_code node_register(struct registry *registry, const struct command *command);
enum refusal_code node_quarantine(struct registry *registry, const struct command *command);
enum refusal_code lease_expire(struct registry *registry, const struct command *command);
/* The verdicts of the items are the outcome; the batch itself is never refused. */
enum refusal_code leases_renew(struct registry *registry, const struct command *command);

struct node *node_find(const struct registry *registry, uint64_t id);
struct node *node_find_registration(const struct registry *registry, uint64_t registration);
void node_insert(struct registry *registry, struct node *node);
void node_free(struct node *node);
/* Back to NODE_GOOD. */
void node_release(const struct registry *registry, struct node *node);

/* Nonces and trusted keys that were used: the last SEEN_COUNT_MAX of them. */
struct seen_entry {
    struct digest digest;
};
bool seen(const struct registry *registry, const struct digest *digest);
void seen_note(struct registry *registry, const struct digest *digest);

#endif
