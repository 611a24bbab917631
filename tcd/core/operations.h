/*
 * Internal to the core: migrations (docs/PROTOCOL.md, section 5). The same rules are checked by the
 * model in formal/ownership.pml; the names of its steps are those of the commands.
 */
#ifndef TCCP_CORE_OPERATIONS_H
#define TCCP_CORE_OPERATIONS_H

#include "tcd/core/state.h"

enum refusal_code migration_authorize(struct registry *registry, const struct command *command);
enum refusal_code migration_report(struct registry *registry, const struct command *command);
enum refusal_code migration_finish(struct registry *registry, const struct command *command);
enum refusal_code migration_abort(struct registry *registry, const struct command *command);
enum refusal_code vm_resumed(struct registry *registry, const struct command *command);
enum refusal_code ownership_revert(struct registry *registry, const struct command *command);

/* A node registered anew: migrations to and from its former registration are aborted. */
void operations_abort_for(struct registry *registry, const struct node *node, const char *reason);

#endif
