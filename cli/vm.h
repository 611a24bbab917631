/* A customer's VMs, as the coordinator lists them, and proofs of their launches. */
#ifndef TCCP_CLI_VM_H
#define TCCP_CLI_VM_H

#include "cli/launch_record.h"
#include "cli/session.h"
#include "cli/value.h"

#include "lib/protocol/launch_request.h"

#include "proto/admin.pb-c.h"

/* The VM that a word names: a name, an id in hexadecimal, or the beginning of one (8 digits at
 * least). Deleted ones only where no other has the name. NULL where there is none, or more than
 * one. Pure. */
const Tccp__VmStatus *vm_find(const Tccp__VmsReply *vms, const char *word, size_t *ret_matches);

/* All that the caller may see. */
enum exit_code vms_ask(const struct cli *cli, struct session *session,
                       Tccp__AdminResponse **ret_response);

/* Which VM it is about, for the coordinator and for people. */
struct vm_subject {
    struct digest vm;
    char name[REQUEST_NAME_LENGTH_MAX + 1];
};

/* Changes the VM that the first argument names. `request` is whole but for the VM's id, which goes
 * to `id`, a field of it. The response is Done. */
enum exit_code vm_change(const struct cli *cli, struct session *session, const char *what,
                         Tccp__AdminRequest *request, ProtobufCBinaryData *id,
                         struct vm_subject *ret_subject, Tccp__AdminResponse **ret_response);

/* --- waiting --- */

struct vm_wait {
    const struct vm_subject *subject;
    const char *until; /* "runs" */
    const char *hint;  /* when the time is up: how to go on waiting */
    /* Whether it has come to what is waited for. `vm` is gone afterwards. May ask more itself;
     * whatever is not EXIT_DONE ends the waiting. */
    enum exit_code (*look)(void *argument, const Tccp__VmStatus *vm, bool *ret_is_over);
    void *argument;
};

/*
 * Looks at a VM until that is over, through changes of leader, for as long as --timeout says. A VM
 * that is not there any more, stopped, lost or deleted is a failure, whatever is waited for. Says
 * on a terminal what becomes of it.
 */
enum exit_code vm_wait(const struct cli *cli, struct session *session, const struct vm_wait *wait);

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
