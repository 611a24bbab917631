/*
 * What changes from one manifest to the next, entry by entry: what people look at before they sign.
 */
#ifndef TCCP_PERIMETER_MANIFEST_DIFF_H
#define TCCP_PERIMETER_MANIFEST_DIFF_H

#include "lib/perimeter/manifest.h"

/*
 * Lines "+ ...", "- ...", "~ ..." (added, removed, changed), in the order of the text form. Empty
 * only when the two are the same manifest. `before` may be NULL: all is
 * new.
 */
WARN_UNUSED enum status manifest_diff(const struct manifest *before, const struct manifest *after,
                                      struct bytes *ret_text);

#endif
