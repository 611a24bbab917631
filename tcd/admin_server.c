#include "tcd/admin_server.h"

#include "lib/base/log.h"
#include "lib/base/protobuf.h"
#include "lib/net/timer.h"
#include "tcd/admin_call.h"
#include "tcd/bootstrap.h"
#include "tcd/proposals.h"

#include <stdio.h>
#include <stdlib.h>

/* Of one connection, under way at once. */
enum { CALL_COUNT_MAX = 1024 };

/* A stranger may enroll, and has no reason to stay. */
enum { STRANGER_TIMEOUT_MS = 60000 };

/* --- calls --- */

static void session_release(struct admin_session *session)
{
    if (--session->references == 0) {
        connection_release(session->connection);
        bytes_free(&session->spki);
        free(session);
    }
}

/* Who asks faster than is answered waits. */
static void session_throttle(struct admin_session *session)
{
    bool pause = session->references > CALL_COUNT_MAX;

    if (pause == session->paused || !session->open) {
        return;
    }
    session->paused = pause;
    if (pause) {
        connection_pause(session->connection);
    } else {
        connection_resume(session->connection);
    }
}

static void call_free(struct admin_call *call)
{
    struct admin_session *session = call->session;

    tccp__admin_request__free_unpacked(call->request, NULL);
    free(call);
    session->references--;
    session_throttle(session);
    session->references++;
    session_release(session);
}

void admin_answer(struct admin_call *call, Tccp__AdminResponse *response)
{
    OWN(bytes) struct bytes bytes = {0};

    response->tag = call->request->tag;
    if (call->session->open) {
        if (protobuf_pack(&response->base, FRAME_SIZE_MAX, &bytes) != STATUS_OK ||
            connection_send(call->session->connection, bytes_view(&bytes)) != STATUS_OK) {
            connection_abort(call->session->connection, STATUS_IO, "an answer could not be sent");
        }
    }
    call_free(call);
}

static void answer_failure(struct admin_call *call, const char *reason, const char *detail,
                           const char *leader_address)
{
    Tccp__AdminResponse response = TCCP__ADMIN_RESPONSE__INIT;
    Tccp__Failure failure = TCCP__FAILURE__INIT;

    failure.reason = protobuf_string(reason);
    failure.detail = protobuf_string(detail);
    failure.leader_address = protobuf_string(leader_address);
    response.kind_case = TCCP__ADMIN_RESPONSE__KIND_FAILURE;
    response.failure = &failure;
    admin_answer(call, &response);
}

void admin_refuse(struct admin_call *call, const struct refusal *refusal)
{
    answer_failure(call, refusal_name(refusal->code), refusal->detail, "");
}

void admin_fail(struct admin_call *call, enum status status)
{
    if (status == STATUS_NOT_LEADER) {
        answer_failure(call, "not-leader", "this member does not lead",
                       tcd_leader_address(call->session->tcd));
    } else if (status == STATUS_UNKNOWN) {
        answer_failure(call, "outcome-unknown",
                       "the leadership was lost meanwhile: ask again with the same request id",
                       tcd_leader_address(call->session->tcd));
    } else {
        answer_failure(call, refusal_name(REFUSAL_NOT_READY), status_text(status), "");
    }
}

/* --- proposals --- */

static void answer_outcome(struct admin_call *call, const struct outcome *outcome)
{
    Tccp__AdminResponse response = TCCP__ADMIN_RESPONSE__INIT;
    Tccp__SessionOpened opened = TCCP__SESSION_OPENED__INIT;
    Tccp__Done done = TCCP__DONE__INIT;

    if (call->request->kind_case == TCCP__ADMIN_REQUEST__KIND_SESSION_OPEN) {
        opened.session = outcome->id;
        response.kind_case = TCCP__ADMIN_RESPONSE__KIND_SESSION_OPENED;
        response.session_opened = &opened;
    } else {
        done.revision = outcome->revision;
        done.leaf_index = outcome->leaf_index;
        response.kind_case = TCCP__ADMIN_RESPONSE__KIND_DONE;
        response.done = &done;
    }
    admin_answer(call, &response);
}

static void proposed(void *argument, enum status status, const struct outcome *outcome)
{
    struct admin_call *call = argument;
    struct refusal refusal = {0};

    if (status != STATUS_OK) {
        admin_fail(call, status);
    } else if (outcome->verdict != REFUSAL_NONE) {
        refusal = refusal_make(outcome->verdict, "%s", outcome->detail ? outcome->detail : "");
        admin_refuse(call, &refusal);
    } else {
        answer_outcome(call, outcome);
    }
}

void admin_propose(struct admin_call *call, struct command *command)
{
    struct tcd *tcd = call->session->tcd;
    const Tccp__RequestId *id = call->request->id;
    struct refusal refusal = {0};

    if (!tcd_leads(tcd)) {
        admin_fail(call, STATUS_NOT_LEADER);
        return;
    }
    if (command->kind != COMMAND_SESSION_OPENED) {
        /* Without a number, a request that is sent again would be done twice. */
        if (!id || id->session == 0 || id->number == 0) {
            refusal = refusal_make(REFUSAL_MALFORMED, "a change without a request id");
            admin_refuse(call, &refusal);
            return;
        }
        command->session = id->session;
        command->number = id->number;
    }
    command->actor = call->session->key_id;
    registry_rest(tcd_registry(tcd), &command->rests);
    propose(tcd->replica, command, proposed, call);
}

/* --- sessions --- */

static const struct {
    Tccp__AdminRequest__KindCase kind;
    void (*take)(struct admin_call *call);
    bool reads_state; /* answered only after this member was confirmed as the leader */
} handlers[] = {
    {TCCP__ADMIN_REQUEST__KIND_STATUS, admin_status, false},
    {TCCP__ADMIN_REQUEST__KIND_PERIMETER_GET, admin_perimeter_get, false},
    {TCCP__ADMIN_REQUEST__KIND_MEMBERS_LIST, admin_members_list, true},
    {TCCP__ADMIN_REQUEST__KIND_NODES_LIST, admin_nodes_list, true},
    {TCCP__ADMIN_REQUEST__KIND_NODE_GET, admin_node_get, true},
    {TCCP__ADMIN_REQUEST__KIND_EVIDENCE_GET, admin_evidence_get, true},
    {TCCP__ADMIN_REQUEST__KIND_EVIDENCE_PART, admin_evidence_part, false},
    {TCCP__ADMIN_REQUEST__KIND_USERS_LIST, admin_users_list, true},
    {TCCP__ADMIN_REQUEST__KIND_ENROLL, admin_enroll, true},
    {TCCP__ADMIN_REQUEST__KIND_SESSION_OPEN, admin_session_open, false},
    {TCCP__ADMIN_REQUEST__KIND_AUDIT_NOTE, admin_audit_note, false},
    {TCCP__ADMIN_REQUEST__KIND_PERIMETER_APPLY, admin_perimeter_apply, false},
    {TCCP__ADMIN_REQUEST__KIND_REFERENCE_ADD, admin_reference_add, false},
    {TCCP__ADMIN_REQUEST__KIND_REFERENCES_LIST, admin_references_list, true},
    {TCCP__ADMIN_REQUEST__KIND_REFERENCE_GET, admin_reference_get, true},
    {TCCP__ADMIN_REQUEST__KIND_USER_ADD, admin_user_add, false},
    {TCCP__ADMIN_REQUEST__KIND_USER_REMOVE, admin_user_remove, false},
    {TCCP__ADMIN_REQUEST__KIND_NODE_REVOKE, admin_node_revoke, false},
    {TCCP__ADMIN_REQUEST__KIND_NODE_CORDON, admin_node_cordon, false},
    {TCCP__ADMIN_REQUEST__KIND_STEP_DOWN, admin_step_down, false},
    {TCCP__ADMIN_REQUEST__KIND_VM_LAUNCH, admin_vm_launch, false},
    {TCCP__ADMIN_REQUEST__KIND_VM_STOP, admin_vm_stop, false},
    {TCCP__ADMIN_REQUEST__KIND_VM_DELETE, admin_vm_delete, false},
    {TCCP__ADMIN_REQUEST__KIND_VM_MIGRATE, admin_vm_migrate, false},
    {TCCP__ADMIN_REQUEST__KIND_VM_PROOF_GET, admin_vm_proof_get, true},
    {TCCP__ADMIN_REQUEST__KIND_VMS_LIST, admin_vms_list, true},
    {TCCP__ADMIN_REQUEST__KIND_BOOTSTRAP_BEGIN, admin_bootstrap_begin, false},
    {TCCP__ADMIN_REQUEST__KIND_BOOTSTRAP_COMPLETE, admin_bootstrap_complete, false},
};

static void take_call(struct admin_call *call)
{
    for (size_t i = 0; i < ARRAY_SIZE(handlers); i++) {
        if (handlers[i].kind == call->request->kind_case) {
            handlers[i].take(call);
            return;
        }
    }
    ASSERT(false); /* authorize() knows no other kinds. */
}

static void confirmed(void *argument, enum status status)
{
    struct admin_call *call = argument;

    if (status == STATUS_OK) {
        take_call(call);
    } else {
        admin_fail(call, status);
    }
}

static bool reads_state(Tccp__AdminRequest__KindCase kind)
{
    for (size_t i = 0; i < ARRAY_SIZE(handlers); i++) {
        if (handlers[i].kind == kind) {
            return handlers[i].reads_state;
        }
    }
    return false;
}

static enum caller caller_of_user_role(enum user_role role)
{
    static const enum caller callers[USER_ROLE_COUNT] = {
        [USER_OPERATOR] = CALLER_OPERATOR,
        [USER_CUSTOMER] = CALLER_CUSTOMER,
        [USER_AUDITOR] = CALLER_AUDITOR,
    };

    ASSERT((unsigned)role < USER_ROLE_COUNT);
    return callers[role];
}

/*
 * Who asks, at this request. A user that was removed, or was added again in another role, keeps a
 * certificate until it expires, and no rights but to enroll: the state decides. One that this
 * member's state does not know may be known to the leader, who is ahead: STATUS_NOT_LEADER.
 */
static enum status caller_now(const struct admin_session *session, enum caller *ret_caller)
{
    const struct user *user;

    *ret_caller = session->caller;
    if (session->caller == CALLER_LOCAL || session->caller == CALLER_UNKNOWN) {
        return STATUS_OK;
    }
    user = registry_user_by_key(tcd_registry(session->tcd), &session->key_id);
    if (!user && !tcd_leads(session->tcd)) {
        return STATUS_NOT_LEADER;
    }
    if (!user || caller_of_user_role(user->role) != session->caller) {
        *ret_caller = CALLER_UNKNOWN;
    }
    return STATUS_OK;
}

static void on_frame(struct api_session *api, struct view frame)
{
    struct admin_session *session = (struct admin_session *)api;
    struct refusal refusal = {0};
    struct admin_call *call = calloc(1, sizeof *call);
    Tccp__AdminRequest *request = (Tccp__AdminRequest *)protobuf_unpack(
        &tccp__admin_request__descriptor, frame, FRAME_SIZE_MAX);
    enum caller caller;
    enum status status;

    if (!call || !request) {
        free(call);
        if (request) {
            tccp__admin_request__free_unpacked(request, NULL);
        }
        connection_abort(session->connection, STATUS_MALFORMED, "a frame that is no AdminRequest");
        return;
    }
    *call = (struct admin_call){.session = session, .request = request};
    session->references++;
    session_throttle(session);
    status = caller_now(session, &caller);
    if (status != STATUS_OK) {
        admin_fail(call, status);
        return;
    }
    if (authorize(caller, request->kind_case, &refusal) != STATUS_OK) {
        log_event(LOG_NOTICE, "request-denied", "peer=%s caller=\"%s\" kind=%d", session->address,
                  caller_name(caller), (int)request->kind_case);
        admin_refuse(call, &refusal);
        return;
    }
    if (!reads_state(request->kind_case)) {
        take_call(call);
        return;
    }
    status = tcd_leads(session->tcd) ? replica_read(session->tcd->replica, confirmed, call)
                                     : STATUS_NOT_LEADER;
    if (status != STATUS_OK) {
        admin_fail(call, status);
    }
}

static void on_close(struct api_session *api, enum status reason, const char *detail)
{
    struct admin_session *session = (struct admin_session *)api;

    log_event(LOG_DEBUG, "client-disconnected", "peer=%s reason=\"%s\" detail=\"%s\"",
              session->address, status_text(reason), detail);
    session->open = false;
    if (session->stranger_timer) {
        timer_free(session->stranger_timer);
    }
    session_release(session);
}

static void on_stranger_timeout(void *argument)
{
    struct admin_session *session = argument;

    connection_abort(session->connection, STATUS_TIMEOUT, "not enrolled in time");
}

/* The caller's role comes from its certificate; on the local socket from being able to open it. */
static enum status identify(struct admin_session *session, const struct connection_peer *peer)
{
    struct certificate certificate;

    if (peer->is_local) {
        session->caller = CALLER_LOCAL;
        return STATUS_OK;
    }
    TRY(credentials_identify(session->tcd->credentials, peer->certificate, time_wall_s(),
                             &certificate, NULL));
    session->caller =
        certificate.role == ROLE_NONE ? CALLER_UNKNOWN : caller_of_role(certificate.role);
    if (session->caller == CALLER_COUNT || certificate.spki_size == 0) {
        return STATUS_DENIED;
    }
    TRY(bytes_copy(certificate_spki(&certificate), &session->spki));
    session->key_id = sha256(certificate_spki(&certificate));
    return STATUS_OK;
}

struct api_session *admin_session_new(struct tcd *tcd, struct connection *connection,
                                      const struct connection_peer *peer)
{
    struct admin_session *session = calloc(1, sizeof *session);

    if (!session) {
        return NULL;
    }
    session->api = (struct api_session){.on_frame = on_frame, .on_close = on_close};
    session->tcd = tcd;
    session->connection = connection_hold(connection);
    session->references = 1;
    session->open = true;
    (void)snprintf(session->address, sizeof session->address, "%s", peer->address);
    if (identify(session, peer) != STATUS_OK) {
        session->caller = CALLER_COUNT;
        connection_abort(connection, STATUS_DENIED, "this certificate is of no user");
    } else if (session->caller != CALLER_UNKNOWN) {
        connection_set_frame_size_max(connection, FRAME_SIZE_MAX);
    } else if (timer_new(tcd->loop, on_stranger_timeout, session, &session->stranger_timer) ==
               STATUS_OK) {
        timer_start(session->stranger_timer, STRANGER_TIMEOUT_MS);
    } else {
        connection_abort(connection, STATUS_NO_MEMORY, "no memory for a timer");
    }
    return &session->api;
}
