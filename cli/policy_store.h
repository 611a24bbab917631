/* Reference sets in the coordinator, for the verbs that need them there. */
#ifndef TCCP_CLI_POLICY_STORE_H
#define TCCP_CLI_POLICY_STORE_H

#include "cli/session.h"
#include "cli/value.h"

/* Uploads the file's bytes as far as they are not there yet, and says of it what `policy upload`
 * shows. Failures are reported. */
enum exit_code policy_store_upload(const struct cli *cli, struct session *session, const char *path,
                                   struct value **ret_shown);

#endif
