/* What a manifest's policies leave open: for who is going to sign it. */
#ifndef TCCP_CLI_POLICY_REVIEW_H
#define TCCP_CLI_POLICY_REVIEW_H

#include "cli/cli.h"
#include "cli/value.h"

#include "lib/perimeter/manifest.h"

/*
 * Adds a sentence to the list for each thing. Reference sets are looked at themselves, in the files
 * that --with names (compiled, or the texts of policies); one that is not among them is said to be
 * unseen. A file that cannot be read is reported.
 */
enum exit_code policies_review(const struct cli *cli, const struct manifest *manifest,
                               struct value *warnings);

#endif
