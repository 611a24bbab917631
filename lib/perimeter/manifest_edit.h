/*
 * Changes to the text form that programs make for people, in place: comments, order and everything
 * else stay as they are. Pure.
 */
#ifndef TCCP_PERIMETER_MANIFEST_EDIT_H
#define TCCP_PERIMETER_MANIFEST_EDIT_H

#include "lib/perimeter/manifest_text.h"

/*
 * The text for a next version in which this node is other hardware: its `ek` is the new one,
 * `replaces` names the one that it had, and `version` is one more. The result compiles.
 *
 * STATUS_MALFORMED with *ret_error: the text does not compile, or what would come out does not.
 * Refused: not-found (no such node), already-exists (it has that EK, or its section has a
 * `replaces` already: that belongs to another version).
 */
WARN_UNUSED enum status manifest_edit_replace(struct view text, const char *node,
                                              const struct tpm_name *ek_name,
                                              struct bytes *ret_text, struct text_error *ret_error,
                                              struct refusal *ret_refusal);

#endif
