/* The one table of commands: dispatch, help, man page and completion are made of it. */
#ifndef TCCP_CLI_COMMANDS_H
#define TCCP_CLI_COMMANDS_H

#include "cli/cli.h"

#include <stdio.h>

extern const struct command commands[];
extern const size_t command_count;

/* Of every command. */
extern const struct option_spec common_options[];

/* The option of a command, or the common one, by its long name (`length` characters) or its letter;
 * NULL where there is none. command may be NULL. */
const struct option_spec *option_find(const struct command *command, const char *name,
                                      size_t length);
const struct option_spec *option_find_letter(const struct command *command, char letter);

bool noun_exists(const char *noun);
/* verb NULL: the noun alone. NULL where there is none. */
const struct command *command_find(const char *noun, const char *verb);

/* --- help.c --- */

void help_overview(FILE *file);
void help_noun(const char *noun, FILE *file);
void help_command(const struct command *command, FILE *file);
void help_man(FILE *file);

/* --- completion.c --- */

/* bash, zsh or fish; false for another shell. */
bool completion_print(const char *shell, FILE *file);

/* --- what they run, one file a noun; what each does stands in the table --- */

/* The ETE's folder, offline. */
enum exit_code ete_init(struct cli *cli);
enum exit_code ete_show(struct cli *cli);
enum exit_code ete_sign(struct cli *cli);
enum exit_code ete_endorse(struct cli *cli);
enum exit_code ete_succeed(struct cli *cli);
enum exit_code ete_new_key(struct cli *cli);

/* Documents in force: the first three and `show FILE` offline, the others from a member. */
enum exit_code perimeter_bundle(struct cli *cli);
enum exit_code perimeter_verify(struct cli *cli);
enum exit_code perimeter_diff(struct cli *cli);
enum exit_code perimeter_show(struct cli *cli);
enum exit_code perimeter_apply(struct cli *cli);

/* Appraisal policies, offline. */
enum exit_code policy_learn_run(struct cli *cli);
enum exit_code policy_predict_run(struct cli *cli);
enum exit_code policy_compile_run(struct cli *cli);
enum exit_code policy_lint_run(struct cli *cli);
enum exit_code policy_try_run(struct cli *cli);
enum exit_code policy_diff_run(struct cli *cli);
enum exit_code policy_stage(struct cli *cli);
enum exit_code policy_enable(struct cli *cli);
enum exit_code policy_rollback(struct cli *cli);

/* Reference sets in the coordinator. */
enum exit_code policy_upload(struct cli *cli);
enum exit_code policy_list(struct cli *cli);
enum exit_code policy_download(struct cli *cli);

/* The coordinator. */
enum exit_code cluster_bootstrap(struct cli *cli);
enum exit_code cluster_members(struct cli *cli);
enum exit_code cluster_status(struct cli *cli);
enum exit_code cluster_step_down(struct cli *cli);
enum exit_code status_run(struct cli *cli);

/* Compute nodes. */
enum exit_code node_list(struct cli *cli);
enum exit_code node_get(struct cli *cli);
enum exit_code node_explain(struct cli *cli);
enum exit_code node_cordon(struct cli *cli);
enum exit_code node_uncordon(struct cli *cli);
enum exit_code node_replace(struct cli *cli);
enum exit_code node_revoke(struct cli *cli);

/* People, and the audit log. */
enum exit_code user_new(struct cli *cli);
enum exit_code user_enroll(struct cli *cli);
enum exit_code user_add(struct cli *cli);
enum exit_code user_list(struct cli *cli);
enum exit_code user_remove(struct cli *cli);
enum exit_code audit_note(struct cli *cli);

/* A customer's images, offline. */
enum exit_code image_seal(struct cli *cli);
enum exit_code image_inspect(struct cli *cli);
enum exit_code image_verify(struct cli *cli);

/* A customer's VMs. */
enum exit_code vm_launch(struct cli *cli);
enum exit_code vm_proof(struct cli *cli);
enum exit_code vm_list(struct cli *cli);
enum exit_code vm_get(struct cli *cli);
enum exit_code vm_migrate(struct cli *cli);
enum exit_code vm_stop(struct cli *cli);
enum exit_code vm_delete(struct cli *cli);

/* The program itself. */
enum exit_code help_run(struct cli *cli);
enum exit_code completion_run(struct cli *cli);
enum exit_code version_run(struct cli *cli);
enum exit_code config_run(struct cli *cli);

#endif
