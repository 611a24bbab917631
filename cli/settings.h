/*
 * Settings: an option, then the environment, then the context's file, then the default.
 *
 *     --context   TCCP_CONTEXT    a name; its file is ~/.config/tccp/NAME.conf, without a name
 *                                 ~/.config/tccp/config
 *     --addr      TCCP_ADDR       addr = {"a:7001", "b:7001"}   members, or unix:/path
 *     --perimeter TCCP_PERIMETER  perimeter = "tccp1-..."       the pinned id
 *     --identity  TCCP_IDENTITY   identity = "/path/alice.key"
 *     -o          TCCP_FORMAT     format = "table"
 */
#ifndef TCCP_CLI_SETTINGS_H
#define TCCP_CLI_SETTINGS_H

#include "cli/cli.h"

/* The form of error messages, found before the command line is read for real. */
void settings_early(struct cli *cli, int argc, char **argv);
enum exit_code settings_read(struct cli *cli);
void settings_free(struct cli *cli);

/* NULL where nothing says it. */
const char *setting_perimeter(const struct cli *cli);
const char *setting_identity(const struct cli *cli);
/* Addresses of members. */
struct address_list {
    char text[4096]; /* in which the items lie */
    size_t count;
    const char *items[ADDRESS_COUNT_MAX];
};
/* At least one. */
enum exit_code setting_addresses(const struct cli *cli, struct address_list *ret_list);
/* The pinned id; required: reports where it is missing or malformed. */
enum exit_code setting_perimeter_id(const struct cli *cli, struct digest *ret_id);

/* Where a file of this name lies: the folder for settings, or for what is remembered. False where
 * there is no home. */
bool path_of_config(const char *name, size_t size, char *ret_path);
bool path_of_state(const char *name, size_t size, char *ret_path);

#endif
