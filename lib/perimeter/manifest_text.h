/*
 * The text form of a manifest: what people write, review and put under version control. One text
 * compiles to one sequence of bytes, and those are what is signed (docs/OPERATIONS.md).
 *
 *     # a comment
 *     manifest {
 *         perimeter = tccp1-...
 *         version = 1
 *         epoch = 1
 *         not_before = 2026-01-01T00:00:00Z
 *         not_after = 2027-01-01T00:00:00Z
 *         lease = 30s
 *         member_policy = coordinator
 *         development = no
 *         manufacturer_ca = <base64 of a DER certificate>     # any number
 *     }
 *     member tc1 {
 *         ek = 000b...
 *         ak = 000b...
 *         address = tc1.example:7001
 *         raft_address = tc1.example:7002
 *     }
 *     node n1 {
 *         ek = 000b...
 *         replaces = 000b...     # new hardware: the EK of this name before; of a member, the AK
 *         policy = compute
 *         attribute zone = a
 *     }
 *     operator alice {
 *         role = operator
 *         key = <base64 of the SubjectPublicKeyInfo>
 *     }
 *     policy compute {
 *         pcr 0 = <hex>
 *         pcr 0 = <hex>     # another allowed value
 *         reference <hex> = enforced                 # a reference set, by the SHA-256 of its bytes
 *         reference <hex> = 2026-07-01T00:00:00Z     # enforced too, and accepts nobody after that
 *         reference <hex> = staged                   # appraised and reported, not enforced
 *         needs_event_log = no
 *         needs_ima_log = no
 *         host_profile = no
 *     }
 *
 * A policy has a `pcr` or a `reference` that is enforced. One statement a line; blanks around words
 * do not matter; a comment runs from '#' to the end of the line. Unknown sections and keys, a key
 * given twice, a missing key and a wrong value are errors with line and column.
 */
#ifndef TCCP_PERIMETER_MANIFEST_TEXT_H
#define TCCP_PERIMETER_MANIFEST_TEXT_H

#include "lib/base/statement.h"
#include "lib/perimeter/manifest.h"

enum { MANIFEST_TEXT_SIZE_MAX = 8 << 20 };

/* Compiles the text into the bytes of a PerimeterManifest, which manifest_parse() accepts.
 * STATUS_MALFORMED with *ret_error filled in. */
WARN_UNUSED enum status manifest_text_compile(struct view text, struct bytes *ret_bytes,
                                              struct text_error *ret_error);

/* The text of a manifest: compiling it yields the same bytes again. */
WARN_UNUSED enum status manifest_print(const struct manifest *manifest, struct bytes *ret_text);

#endif
