/* Internal to the core: members of the coordinator. */
#ifndef TCCP_CORE_MEMBERS_H
#define TCCP_CORE_MEMBERS_H

#include "tcd/core/documents.h"
#include "tcd/core/state.h"

enum refusal_code member_join(struct registry *registry, const struct command *command);
enum refusal_code member_remove(struct registry *registry, const struct command *command);
/* A member of the manifest in force keeps its TPM, or the new one says that it is replaced. */
enum refusal_code members_check_manifest(struct registry *registry,
                                         const struct manifest_facts *facts);
void members_of_manifest(struct registry *registry, const struct manifest_facts *facts);

#endif
