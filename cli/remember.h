/*
 * What was seen of each perimeter, in ~/.local/state/tccp/PERIMETER.seen: nothing older is accepted
 * from then on (docs/PROTOCOL.md, section 1).
 */
#ifndef TCCP_CLI_REMEMBER_H
#define TCCP_CLI_REMEMBER_H

#include "cli/cli.h"

#include "lib/perimeter/memory.h"

/* All zeroes where nothing was seen. A file that is damaged is reported, and not overlooked. */
enum exit_code remember_load(const struct cli *cli, const struct digest *perimeter_id,
                             struct perimeter_memory *ret_memory);
/* Takes in what was verified. */
enum exit_code remember(const struct cli *cli, const struct digest *perimeter_id,
                        const struct perimeter_memory *seen);

#endif
