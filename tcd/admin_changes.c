/* Requests that change the state: each becomes a command. */
#include "lib/base/protobuf.h"
#include "lib/net/timer.h"
#include "tcd/admin_call.h"
#include "tcd/replica.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A text from outside into a field of a command; the core checks what it says. */
static bool take_text(char *field, size_t size, const char *text)
{
    return snprintf(field, size, "%s", text) < (int)size;
}
#define TAKE_TEXT(field, text) take_text((field), sizeof(field), (text))

static void too_long(struct admin_call *call, const char *what)
{
    struct refusal refusal = {0};

    refusal = refusal_make(REFUSAL_TOO_LARGE, "%s", what);
    admin_refuse(call, &refusal);
}

void admin_session_open(struct admin_call *call)
{
    admin_propose(call, &(struct command){.kind = COMMAND_SESSION_OPENED});
}

void admin_audit_note(struct admin_call *call)
{
    struct command command = {.kind = COMMAND_AUDIT_NOTE};

    if (!TAKE_TEXT(command.audit_note.text, call->request->audit_note->text)) {
        too_long(call, "the note's text");
        return;
    }
    admin_propose(call, &command);
}

static bool user_role_of(const char *text, enum user_role *ret_role)
{
    for (unsigned role = 0; role < USER_ROLE_COUNT; role++) {
        if (strcmp(text, user_role_name((enum user_role)role)) == 0) {
            *ret_role = (enum user_role)role;
            return true;
        }
    }
    return false;
}

void admin_user_add(struct admin_call *call)
{
    const Tccp__UserAdd *request = call->request->user_add;
    struct command command = {.kind = COMMAND_USER_ADDED};
    OWN(public_key) struct public_key *key = NULL;
    struct refusal refusal = {0};

    if (!TAKE_TEXT(command.user_added.name.text, request->name)) {
        too_long(call, "the user's name");
        return;
    }
    if (!user_role_of(request->role, &command.user_added.role) ||
        public_key_parse(protobuf_view(request->key), &key) != STATUS_OK) {
        refusal = refusal_make(
            REFUSAL_MALFORMED,
            "a user needs a role (customer, operator, auditor) and a P-256 or Ed25519 key");
        admin_refuse(call, &refusal);
        return;
    }
    command.user_added.key = protobuf_view(request->key);
    admin_propose(call, &command);
}

void admin_user_remove(struct admin_call *call)
{
    struct command command = {.kind = COMMAND_USER_REMOVED};

    if (!TAKE_TEXT(command.user_removed.name.text, call->request->user_remove->name)) {
        too_long(call, "the user's name");
        return;
    }
    admin_propose(call, &command);
}

void admin_node_revoke(struct admin_call *call)
{
    const Tccp__NodeRevoke *request = call->request->node_revoke;
    struct command command = {.kind = COMMAND_NODE_REVOKED};

    if (!TAKE_TEXT(command.node_revoked.node.text, request->node) ||
        !TAKE_TEXT(command.node_revoked.reason, request->reason)) {
        too_long(call, "the node's name or the reason");
        return;
    }
    admin_propose(call, &command);
}

void admin_node_cordon(struct admin_call *call)
{
    const Tccp__NodeCordon *request = call->request->node_cordon;
    struct command command = {.kind = COMMAND_NODE_CORDONED};

    if (!TAKE_TEXT(command.node_cordoned.node.text, request->node)) {
        too_long(call, "the node's name");
        return;
    }
    command.node_cordoned.cordoned = request->cordoned;
    admin_propose(call, &command);
}

/* --- the perimeter's documents --- */

/* As bytes of their own; the signed bytes inside stay as they came. */
struct documents {
    size_t succession_count;
    struct bytes successions[CORE_SUCCESSION_COUNT_MAX];
    struct bytes manifest, endorsement;
};

static void documents_free(struct documents *documents)
{
    for (size_t i = 0; i < documents->succession_count; i++) {
        bytes_free(&documents->successions[i]);
    }
    bytes_free(&documents->manifest);
    bytes_free(&documents->endorsement);
}
DEFINE_OWN_VALUE(documents, documents_free)

static enum status documents_of(const Tccp__PerimeterApply *request,
                                struct documents *ret_documents)
{
    if (request->n_successions > CORE_SUCCESSION_COUNT_MAX) {
        return STATUS_TOO_LARGE;
    }
    for (size_t i = 0; i < request->n_successions; i++) {
        TRY(protobuf_pack(&request->successions[i]->base, CORE_DOCUMENT_SIZE_MAX,
                          &ret_documents->successions[i]));
        ret_documents->succession_count++;
    }
    if (request->manifest) {
        TRY(protobuf_pack(&request->manifest->base, CORE_DOCUMENT_SIZE_MAX,
                          &ret_documents->manifest));
    }
    if (request->endorsement) {
        TRY(protobuf_pack(&request->endorsement->base, CORE_DOCUMENT_SIZE_MAX,
                          &ret_documents->endorsement));
    }
    return STATUS_OK;
}

/* Is what would be in force afterwards signed as it has to be? Every member verifies it again when
 * it applies it. */
static enum status verify_result(const struct tcd *tcd, const struct documents *documents,
                                 struct refusal *ret_refusal)
{
    const struct perimeter *perimeter = registry_perimeter(tcd_registry(tcd));
    struct bytes successions[2 * CORE_SUCCESSION_COUNT_MAX];
    OWN(in_force) struct in_force *in_force = NULL;
    size_t count = 0;

    for (unsigned i = 0; i < perimeter->succession_count; i++) {
        successions[count++] = perimeter->successions[i];
    }
    for (size_t i = 0; i < documents->succession_count; i++) {
        successions[count++] = documents->successions[i];
    }
    TRY(in_force_new(
        &(struct in_force_documents){
            .root = bytes_view(&perimeter->root),
            .successions = successions,
            .succession_count = count,
            .manifest =
                bytes_view(documents->manifest.size ? &documents->manifest : &perimeter->manifest),
            .endorsement = bytes_view(documents->endorsement.size ? &documents->endorsement
                                                                  : &perimeter->endorsement),
        },
        &tcd->config.perimeter_id, time_wall_s(), &in_force, ret_refusal));
    if (in_force->bundle->manifest_expired) {
        return refuse(ret_refusal, REFUSAL_MANIFEST_EXPIRED, "it would be in force expired");
    }
    return STATUS_OK;
}

void admin_perimeter_apply(struct admin_call *call)
{
    struct tcd *tcd = call->session->tcd;
    OWN(documents) struct documents documents = {0};
    struct command command = {0};
    struct refusal refusal = {0};
    enum status status = documents_of(call->request->perimeter_apply, &documents);

    if (status == STATUS_OK && !registry_perimeter(tcd_registry(tcd))) {
        status = refuse(&refusal, REFUSAL_NOT_READY, "no perimeter was adopted yet");
    }
    if (status == STATUS_OK) {
        status = verify_result(tcd, &documents, &refusal);
    }
    if (status == STATUS_REFUSED) {
        admin_refuse(call, &refusal);
        return;
    }
    if (status != STATUS_OK) {
        admin_fail(call, status);
        return;
    }
    command.kind = documents.succession_count ? COMMAND_SUCCESSION_APPLIED
                   : documents.manifest.size  ? COMMAND_MANIFEST_APPLIED
                                              : COMMAND_ENDORSEMENT_APPLIED;
    command.manifest_applied.succession_count = (unsigned)documents.succession_count;
    for (size_t i = 0; i < documents.succession_count; i++) {
        command.manifest_applied.successions[i] = bytes_view(&documents.successions[i]);
    }
    command.manifest_applied.manifest = bytes_view(&documents.manifest);
    command.manifest_applied.endorsement = bytes_view(&documents.endorsement);
    admin_propose(call, &command);
}

/* --- leadership --- */

static void stepped_down(void *argument, enum status status)
{
    struct admin_call *call = argument;
    Tccp__AdminResponse response = TCCP__ADMIN_RESPONSE__INIT;
    Tccp__Done done = TCCP__DONE__INIT;

    if (status != STATUS_OK) {
        admin_fail(call, status);
        return;
    }
    done.name = protobuf_string(tcd_leader_address(call->session->tcd));
    response.kind_case = TCCP__ADMIN_RESPONSE__KIND_DONE;
    response.done = &done;
    admin_answer(call, &response);
}

void admin_step_down(struct admin_call *call)
{
    enum status status = STATUS_NOT_LEADER;

    if (tcd_leads(call->session->tcd)) {
        status = replica_step_down(call->session->tcd->replica, 0, stepped_down, call);
    }
    if (status == STATUS_NOT_FOUND) {
        struct refusal refusal =
            refusal_make(REFUSAL_WRONG_STATE, "there is no other member that could lead");

        admin_refuse(call, &refusal);
        return;
    }
    if (status != STATUS_OK) {
        admin_fail(call, status);
    }
}
