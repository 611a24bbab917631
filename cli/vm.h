/* A customer's VMs, as the coordinator lists them, and proofs of their launches. */
#ifndef TCCP_CLI_VM_H
#define TCCP_CLI_VM_H

#include "cli/launch_record.h"
#include "cli/session.h"
#include "cli/value.h"

#include "proto/admin.pb-c.h"

/* The VM that a word names: a name, an id in hexadecimal, or the beginning of one (8 digits at
 * least). Deleted ones only where no other has the name. NULL where there is none, or more than
 * one. Pure. */
const Tccp__VmStatus *vm_find(const Tccp__VmsReply *vms, const char *word, size_t *ret_matches);

/* All that the caller may see. */
enum exit_code vms_ask(const struct cli *cli, struct session *session,
                       Tccp__AdminResponse **ret_response);

/* --- proofs --- */

/* Waits until the VM runs and its proof is there, for as long as --timeout says; asks once without
 * `wait`. */
enum exit_code proof_ask(const struct cli *cli, struct session *session,
                         const struct launch_record *record, bool wait, struct bytes *ret_proof);
/* Verifies the proof by the record in `record_path`; keeps it, and what generation it proved;
 * prints what was proved. */
enum exit_code proof_accept(const struct cli *cli, const char *record_path,
                            struct launch_record *record, struct view key, struct view proof);

/* "FOLDER/x.launch" of "FOLDER/x.proof", and back: whatever suffix of the two it has. Reports where
 * it has none. */
enum exit_code proof_path(const struct cli *cli, const char *path, const char *suffix, size_t size,
                          char *ret_path);

#endif
