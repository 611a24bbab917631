/* Inside the admin server: one request on its way to its answer. */
#ifndef TCCP_TCD_ADMIN_CALL_H
#define TCCP_TCD_ADMIN_CALL_H

#include "tcd/admin_server.h"
#include "tcd/authorize.h"

#include "proto/admin.pb-c.h"

struct admin_session {
    struct api_session api; /* first */
    struct tcd *tcd;
    struct connection *connection; /* held by the session and by each call */
    unsigned references;           /* itself while it is open, and its calls */
    bool open;
    bool paused;                  /* too many calls are under way: nothing is read until one ends */
    struct timer *stranger_timer; /* of CALLER_UNKNOWN, who comes to enroll; else NULL */
    enum caller caller;
    struct digest key_id; /* of the caller's key; zero on the local socket */
    struct bytes spki;    /* likewise; empty */
    char address[64];
};

struct admin_call {
    struct admin_session *session;
    Tccp__AdminRequest *request;
};

/* Each of these answers the call and frees it: exactly one of them ends every call. */
void admin_answer(struct admin_call *call, Tccp__AdminResponse *response);
void admin_refuse(struct admin_call *call, const struct refusal *refusal);
void admin_fail(struct admin_call *call, enum status status);
/* Turns a command into an answer: proposes it as the caller's, and answers Done, SessionOpened or a
 * failure. */
void admin_propose(struct admin_call *call, struct command *command);

/* admin_reads.c, admin_nodes.c, admin_changes.c, admin_vms.c, admin_references.c,
 * admin_evidence.c: what is asked for. Each ends the call, now or later. */
void admin_status(struct admin_call *call);
void admin_perimeter_get(struct admin_call *call);
void admin_members_list(struct admin_call *call);
void admin_nodes_list(struct admin_call *call);
void admin_node_get(struct admin_call *call);
void admin_users_list(struct admin_call *call);
void admin_enroll(struct admin_call *call);

void admin_session_open(struct admin_call *call);
void admin_audit_note(struct admin_call *call);
void admin_perimeter_apply(struct admin_call *call);
void admin_user_add(struct admin_call *call);
void admin_user_remove(struct admin_call *call);
void admin_node_revoke(struct admin_call *call);
void admin_node_cordon(struct admin_call *call);
void admin_step_down(struct admin_call *call);

void admin_evidence_get(struct admin_call *call);
void admin_evidence_part(struct admin_call *call);

void admin_reference_add(struct admin_call *call);
void admin_references_list(struct admin_call *call);
void admin_reference_get(struct admin_call *call);

void admin_vm_launch(struct admin_call *call);
void admin_vm_stop(struct admin_call *call);
void admin_vm_delete(struct admin_call *call);
void admin_vm_migrate(struct admin_call *call);
void admin_vm_proof_get(struct admin_call *call);
void admin_vms_list(struct admin_call *call);

#endif
