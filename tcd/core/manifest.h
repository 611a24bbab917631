/* Internal to the core: what is in force in the perimeter, and how it changes. */
#ifndef TCCP_CORE_MANIFEST_H
#define TCCP_CORE_MANIFEST_H

#include "tcd/core/documents.h"
#include "tcd/core/state.h"

enum refusal_code perimeter_adopt(struct registry *registry, const struct command *command);
/* MANIFEST_APPLIED, ENDORSEMENT_APPLIED, SUCCESSION_APPLIED */
enum refusal_code perimeter_apply(struct registry *registry, const struct command *command);
enum refusal_code manifest_expire(struct registry *registry, const struct command *command);

void perimeter_clear(struct perimeter *perimeter);
/* Takes the document and its facts over into the perimeter. */
void perimeter_put_manifest(struct perimeter *perimeter, struct view document,
                            const struct manifest_facts *facts);
void perimeter_put_endorsement(struct perimeter *perimeter, struct view document,
                               const struct endorsement_facts *facts);

#endif
