/* Internal to the core: users. The manifest names the first operators, operators add others. */
#ifndef TCCP_CORE_USERS_H
#define TCCP_CORE_USERS_H

#include "tcd/core/documents.h"
#include "tcd/core/state.h"

enum refusal_code user_add(struct registry *registry, const struct command *command);
enum refusal_code user_remove(struct registry *registry, const struct command *command);
/* Users of the manifest before go, those of this one come; where one has the name or the key of a
 * user that was added, it takes that user's place. */
void users_of_manifest(struct registry *registry, const struct manifest_facts *facts);
/* May this actor ask for this command? Only its role; what belongs to whom is checked by the kind.
 */
enum refusal_code user_authorize(struct registry *registry, const struct command *command);
void user_insert(struct registry *registry, struct user *user);

#endif
