/* What `policy learn` and `policy predict` share: a text is made, out of good evidence. */
#ifndef TCCP_CLI_POLICY_MAKE_H
#define TCCP_CLI_POLICY_MAKE_H

#include "cli/evidence_folder.h"

#include "lib/policy/policy.h"

/* PCRs of the boot that a policy may judge the events of: not IMA's, nor those that a running
 * system resets. */
enum { POLICY_BOOT_PCRS = 0xfbff };

/* An empty policy with the name that --name says. */
enum exit_code policy_begin(const struct cli *cli, const char *default_name,
                            struct policy **ret_policy);

/*
 * Evidence that is taken for that of a good boot: its quote holds under its own key, over its
 * values, to which its event log leads. Whoever made the folder vouches for the rest; `path` may
 * name a node instead, which is asked (evidence_named_load()).
 * ret_appraisal may be NULL.
 */
enum exit_code good_evidence_load(const struct cli *cli, const char *path,
                                  struct evidence_folder *ret_folder,
                                  struct appraisal *ret_appraisal);

/* The text, to --out or standard output. */
enum exit_code policy_write(const struct cli *cli, const struct policy *policy);

#endif
