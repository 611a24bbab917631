/* Answers on standard output, in the form that was asked for with -o. */
#ifndef TCCP_CLI_OUTPUT_H
#define TCCP_CLI_OUTPUT_H

#include "cli/cli.h"
#include "cli/value.h"

/* What a table shows of each object; ends a list with a NULL title. */
struct column {
    const char *title;
    const char *key;
    bool wide_only;
};

/* Many things: a list of objects, one row each. `-o name` prints the first column. EXIT_FAILED when
 * standard output cannot be written. */
enum exit_code output_list(const struct cli *cli, const struct value *list,
                           const struct column *columns);
/* One thing: an object, one line for each column that it has. `-o name` prints the first column. */
enum exit_code output_object(const struct cli *cli, const struct value *object,
                             const struct column *columns);
/* Text as it is (a manifest, a difference); with -o json or yaml under this key of an object. */
enum exit_code output_text(const struct cli *cli, const char *key, struct view text);

/* Everything was written; full disks and closed pipes show here. */
enum exit_code output_end(const struct cli *cli);

#endif
