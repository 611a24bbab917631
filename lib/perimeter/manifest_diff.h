/*
 * What changes from one manifest to the next, entry by entry: what people look at before they sign.
 */
#ifndef TCCP_PERIMETER_MANIFEST_DIFF_H
#define TCCP_PERIMETER_MANIFEST_DIFF_H

#include "lib/perimeter/manifest.h"

/*
 * A line "+ node n1", "- node n1" or "~ node n1" (added, removed, changed; with "REPLACED" where
 * the name stands for another TPM) for each entry, in the order of the text form, and below a
 * changed or added one its lines that came ("    + ...") and went ("    - ..."). Empty only when
 * the two are the same manifest. `before` may be NULL: all is new.
 */
WARN_UNUSED enum status manifest_diff(const struct manifest *before, const struct manifest *after,
                                      struct bytes *ret_text);

#endif
