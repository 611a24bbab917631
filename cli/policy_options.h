/*
 * A VM's policy from the command line, or a file (--policy) with the same words:
 *
 *     require = {"zone=a,b", "disk=ssd"}
 *     on-lost-lease = "pause"
 *     on-quarantine = "fence"
 *     after = "5m"
 *     may-migrate = true
 *     may-restart = false
 *     may-revert = false
 *     needs-host-profile = false
 *
 * What the command line says comes last; its requirements are added to those of the file.
 */
#ifndef TCCP_CLI_POLICY_OPTIONS_H
#define TCCP_CLI_POLICY_OPTIONS_H

#include "cli/cli.h"

#include "lib/protocol/launch_policy.h"

enum exit_code policy_read(const struct cli *cli, struct launch_policy *ret_policy);

/* Adds "key=value,value". Pure. REFUSAL_MALFORMED, REFUSAL_LIMIT. */
WARN_UNUSED enum status policy_require(struct launch_policy *policy, const char *text,
                                       struct refusal *ret_refusal);

#endif
