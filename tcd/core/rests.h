/* Internal to the core: the versions that a command rests on. */
#ifndef TCCP_CORE_RESTS_H
#define TCCP_CORE_RESTS_H

#include "tcd/core/state.h"

/* REFUSAL_NONE when nothing that the command's kind rests on has moved. Where a registration (or a
 * peer's) is rested on, it is current afterwards: its node can be found. */
enum refusal_code rests_check(struct registry *registry, const struct command *command);
/* Is it one of the refusals that say that a version has moved? */
bool rests_is_stale(enum refusal_code verdict);

#endif
