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

/*
 * The text for a next version in which the policy names this reference set in that way: `value` is
 * what stands behind `reference <hex> =`, or NULL where it is not named any more. `version` is one
 * more. The result compiles.
 *
 * As above; refused: not-found (no such policy, or a set that is to go and is not named),
 * already-exists (it is named in that way).
 */
WARN_UNUSED enum status manifest_edit_reference(struct view text, const char *policy,
                                                const struct digest *set, const char *value,
                                                struct bytes *ret_text,
                                                struct text_error *ret_error,
                                                struct refusal *ret_refusal);

#endif
