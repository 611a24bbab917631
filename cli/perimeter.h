/* Answers about a perimeter, for the offline and the online verbs. */
#ifndef TCCP_CLI_PERIMETER_H
#define TCCP_CLI_PERIMETER_H

#include "cli/documents.h"
#include "cli/output.h"

#include "proto/admin.pb-c.h"

/* Verifies a bundle against the pinned id and what was seen before, and remembers it. */
enum exit_code bundle_verify(const struct cli *cli, const char *what, struct view bytes,
                             struct bundle **ret_bundle);
/* Prints what a verified bundle says; with --text the manifest's text. */
enum exit_code bundle_show(const struct cli *cli, const struct bundle *bundle);

/* What the coordinator says of a change that it carried out. */
enum exit_code done_show(const struct cli *cli, const Tccp__Done *done);

#endif
