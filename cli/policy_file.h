/* Policies in files: a text, or the reference set that it compiles to. */
#ifndef TCCP_CLI_POLICY_FILE_H
#define TCCP_CLI_POLICY_FILE_H

#include "cli/cli.h"
#include "cli/value.h"

#include "lib/attest/reference_set.h"
#include "lib/policy/policy.h"

/* A text; what is wrong in it is reported with line and column. */
enum exit_code policy_file_parse(const struct cli *cli, const char *path,
                                 struct policy **ret_policy);
/* Either: a text is compiled. ret_bytes, which may be NULL, are the set's. */
enum exit_code reference_file_open(const struct cli *cli, const char *path,
                                   struct reference_set **ret_set, struct bytes *ret_bytes);

/* The same, and the text: NULL where the file is a compiled set, which has none. */
enum exit_code policy_or_set_open(const struct cli *cli, const char *path,
                                  struct policy **ret_policy, struct reference_set **ret_set);

/* What the set leaves open, as {"code", "text"} each; and said on standard error. */
struct value *reference_set_findings(const struct cli *cli, const struct reference_set *set);

#endif
