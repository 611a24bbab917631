/* `cluster`: the coordinator's members; `status`: everything at a glance. */
#include "cli/commands.h"
#include "cli/documents.h"
#include "cli/files.h"
#include "cli/output.h"
#include "cli/perimeter.h"
#include "cli/session.h"

#include "lib/base/protobuf.h"

#include <stdio.h>
#include <time.h>

enum { POLL_MS = 100 };

/* --- cluster bootstrap --- */

static enum exit_code status_ask(const struct cli *cli, Tccp__AdminResponse **ret_response)
{
    Tccp__AdminRequest request = TCCP__ADMIN_REQUEST__INIT;
    Tccp__StatusRequest status = TCCP__STATUS_REQUEST__INIT;

    request.kind_case = TCCP__ADMIN_REQUEST__KIND_STATUS;
    request.status = &status;
    return ask_once(cli, SESSION_READ, "ask for the status", &request,
                    TCCP__ADMIN_RESPONSE__KIND_STATUS, ret_response);
}

static enum exit_code bootstrap_begin(const struct cli *cli)
{
    static const struct column columns[] = {{"FILE", "file", false},
                                            {"PERIMETER", "perimeter", false},
                                            {"EPOCH", "epoch", false},
                                            {"MEMBER", "member", false},
                                            {NULL, NULL, false}};
    Tccp__AdminRequest request = TCCP__ADMIN_REQUEST__INIT;
    Tccp__BootstrapBegin begin = TCCP__BOOTSTRAP_BEGIN__INIT;
    OWN(admin_response) Tccp__AdminResponse *response = NULL;
    OWN(value) struct value *object = value_object();
    OWN(bytes) struct bytes bytes = {0};
    const char *out = option_value(cli, "out");
    const Tccp__EndorsementRequest *made;
    struct digest perimeter_id;
    enum exit_code exit_code;

    out = out ? out : "endorsement-request";
    request.kind_case = TCCP__ADMIN_REQUEST__KIND_BOOTSTRAP_BEGIN;
    request.bootstrap_begin = &begin;
    exit_code = ask_once(cli, SESSION_READ, "begin the bootstrap", &request,
                         TCCP__ADMIN_RESPONSE__KIND_ENDORSEMENT_REQUEST, &response);
    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    made = response->endorsement_request;
    if (protobuf_pack(&made->base, ENDORSEMENT_REQUEST_SIZE_MAX, &bytes) != STATUS_OK ||
        digest_of_view(protobuf_view(made->perimeter_id), &perimeter_id) != STATUS_OK) {
        return report(cli, EXIT_FAILED, "", "the member made no endorsement request");
    }
    exit_code = file_store(cli, out, 0644, bytes_view(&bytes));
    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    value_set_string(object, "file", out);
    value_set_perimeter(object, "perimeter", &perimeter_id);
    value_set_number(object, "epoch", made->epoch);
    value_set_string(object, "member", made->member);
    note(cli,
         "Now the key holders run `tccpctl ete endorse %s --manifest SIGNED --key KEY`,\nand then "
         "`tccpctl cluster bootstrap --endorsement %s.endorsement` completes it.",
         out, out);
    return output_object(cli, object, columns);
}

/* The perimeter is adopted and the first entry committed a moment after the member's answer. */
static enum exit_code running_wait(const struct cli *cli)
{
    const struct timespec pause = {.tv_nsec = POLL_MS * 1000 * 1000};

    for (uint64_t waited_ms = 0; waited_ms < cli->timeout_s * UINT64_C(1000);
         waited_ms += POLL_MS) {
        OWN(admin_response) Tccp__AdminResponse *response = NULL;
        enum exit_code exit_code = status_ask(cli, &response);

        if (exit_code != EXIT_DONE) {
            return exit_code;
        }
        if (response->status->manifest_version && *response->status->leader) {
            return EXIT_DONE;
        }
        (void)nanosleep(&pause, NULL);
    }
    return report(cli, EXIT_TIMED_OUT, "`tccpctl cluster status` shows what it does",
                  "the cluster does not run yet after %u s", cli->timeout_s);
}

static enum exit_code bootstrap_complete(const struct cli *cli, const char *path)
{
    Tccp__AdminRequest request = TCCP__ADMIN_REQUEST__INIT;
    Tccp__BootstrapComplete complete = TCCP__BOOTSTRAP_COMPLETE__INIT;
    OWN(signed_document) Tccp__SignedDocument *endorsement = NULL;
    OWN(admin_response) Tccp__AdminResponse *response = NULL;
    enum exit_code exit_code = signed_document_load(cli, path, &endorsement);

    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    complete.endorsement = endorsement;
    request.kind_case = TCCP__ADMIN_REQUEST__KIND_BOOTSTRAP_COMPLETE;
    request.bootstrap_complete = &complete;
    exit_code = ask_once(cli, SESSION_READ, "complete the bootstrap", &request,
                         TCCP__ADMIN_RESPONSE__KIND_DONE, &response);
    if (exit_code == EXIT_DONE) {
        exit_code = running_wait(cli);
    }
    return exit_code == EXIT_DONE ? done_show(cli, response->done) : exit_code;
}

/* Both steps can be asked for again, see tcd: that is why they are asked like reads. */
enum exit_code cluster_bootstrap(struct cli *cli)
{
    const char *endorsement = option_value(cli, "endorsement");

    return endorsement ? bootstrap_complete(cli, endorsement) : bootstrap_begin(cli);
}

/* --- cluster members --- */

static enum exit_code members_ask(const struct cli *cli, Tccp__AdminResponse **ret_response)
{
    Tccp__AdminRequest request = TCCP__ADMIN_REQUEST__INIT;
    Tccp__MembersList list = TCCP__MEMBERS_LIST__INIT;

    request.kind_case = TCCP__ADMIN_REQUEST__KIND_MEMBERS_LIST;
    request.members_list = &list;
    return ask_once(cli, SESSION_READ, "list the members", &request,
                    TCCP__ADMIN_RESPONSE__KIND_MEMBERS, ret_response);
}

enum exit_code cluster_members(struct cli *cli)
{
    static const struct column columns[] = {{"NAME", "name", false},
                                            {"ROLE", "role", false},
                                            {"LEADER", "leader", false},
                                            {"ADDRESS", "address", false},
                                            {"RAFT ID", "raft_id", false},
                                            {"AK", "ak_name", true},
                                            {NULL, NULL, false}};
    OWN(admin_response) Tccp__AdminResponse *response = NULL;
    OWN(value) struct value *list = value_list();
    enum exit_code exit_code = members_ask(cli, &response);

    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    for (size_t i = 0; i < response->members->n_members; i++) {
        const Tccp__MemberStatus *member = response->members->members[i];
        struct value *object = value_object();

        value_set_string(object, "name", member->name);
        value_set_string(object, "role", member->role);
        value_set_bool(object, "leader", member->leader);
        value_set_string(object, "address", member->address);
        value_set_number(object, "raft_id", member->raft_id);
        value_set_hex(object, "ak_name", protobuf_view(member->ak_name));
        value_add(list, object);
    }
    return output_list(cli, list, columns);
}

/* --- status --- */

/* What an operator has to do something about. */
static struct value *attention(const Tccp__StatusReply *reply)
{
    enum { SOON_S = 5 * 86400 };
    struct value *list = value_list();

    if (reply->development) {
        value_add(list, value_string("this is a development perimeter: its PCRs protect nothing"));
    }
    if (!*reply->leader) {
        value_add(list, value_string("no member leads"));
    }
    if (reply->manifest_expired) {
        value_add(list, value_string("the manifest has expired: no registration, launch or "
                                     "migration"));
    } else if (reply->manifest_not_after_s && reply->manifest_not_after_s < reply->now_s + SOON_S) {
        value_add(list, value_string("the manifest expires within 5 days"));
    }
    if (reply->vms_lost) {
        value_add(list, value_string("VMs are lost: `tccpctl vm list` says why"));
    }
    if (reply->endorsement_not_after_s && reply->endorsement_not_after_s < reply->now_s + SOON_S) {
        value_add(list, value_string("the endorsement ends within 5 days: have it renewed"));
    }
    return list;
}

static struct value *status_value(const Tccp__StatusReply *reply)
{
    struct value *object = value_object();
    struct digest perimeter_id;

    if (digest_of_view(protobuf_view(reply->perimeter_id), &perimeter_id) == STATUS_OK) {
        value_set_perimeter(object, "perimeter", &perimeter_id);
    }
    value_set_string(object, "name", reply->perimeter_name);
    value_set_number(object, "epoch", reply->epoch);
    value_set_number(object, "manifest_version", reply->manifest_version);
    value_set_time(object, "manifest_not_after", reply->manifest_not_after_s);
    value_set_bool(object, "manifest_expired", reply->manifest_expired);
    value_set_time(object, "endorsement_not_after", reply->endorsement_not_after_s);
    value_set_bool(object, "development", reply->development);
    value_set_string(object, "phase", reply->phase);
    value_set_string(object, "member", reply->member);
    value_set_string(object, "leader", reply->leader);
    value_set_number(object, "term", reply->term);
    value_set_number(object, "revision", reply->revision);
    value_set_number(object, "applied_index", reply->applied_index);
    value_set_hex(object, "state_digest", protobuf_view(reply->state_digest));
    value_set_number(object, "audit_size", reply->audit_size);
    value_set_hex(object, "audit_root", protobuf_view(reply->audit_root));
    value_set_number(object, "nodes_live", reply->nodes_live);
    value_set_number(object, "nodes_other", reply->nodes_other);
    value_set_number(object, "vms_running", reply->vms_running);
    value_set_number(object, "vms_changing", reply->vms_changing);
    value_set_number(object, "vms_stopped", reply->vms_stopped);
    value_set_number(object, "vms_lost", reply->vms_lost);
    value_set_string(object, "version", reply->version);
    value_set_time(object, "now", reply->now_s);
    value_set(object, "attention", attention(reply));
    return object;
}

static const struct column status_columns[] = {
    {"PERIMETER", "perimeter", false},
    {"NAME", "name", false},
    {"EPOCH", "epoch", false},
    {"MANIFEST", "manifest_version", false},
    {"VALID UNTIL", "manifest_not_after", false},
    {"ENDORSED UNTIL", "endorsement_not_after", false},
    {"DEVELOPMENT", "development", false},
    {"PHASE", "phase", false},
    {"MEMBER", "member", false},
    {"LEADER", "leader", false},
    {"TERM", "term", true},
    {"REVISION", "revision", false},
    {"APPLIED", "applied_index", true},
    {"STATE DIGEST", "state_digest", true},
    {"AUDIT LEAVES", "audit_size", false},
    {"AUDIT ROOT", "audit_root", true},
    {"MEMBERS", "members", false},
    {"FAILURES TOLERATED", "failures_tolerated", false},
    {"NODES LIVE", "nodes_live", false},
    {"NODES OTHER", "nodes_other", false},
    {"VMS RUNNING", "vms_running", false},
    {"VMS CHANGING", "vms_changing", false},
    {"VMS STOPPED", "vms_stopped", false},
    {"VMS LOST", "vms_lost", false},
    {"VERSION", "version", true},
    {"ATTENTION", "attention", false},
    {NULL, NULL, false},
};

/* Of one member, whoever leads. */
enum exit_code cluster_status(struct cli *cli)
{
    OWN(admin_response) Tccp__AdminResponse *response = NULL;
    OWN(value) struct value *object = NULL;
    enum exit_code exit_code = status_ask(cli, &response);

    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    object = status_value(response->status);
    return output_object(cli, object, status_columns);
}

/* The same with what the leader knows of the members. */
enum exit_code status_run(struct cli *cli)
{
    OWN(admin_response) Tccp__AdminResponse *response = NULL;
    OWN(admin_response) Tccp__AdminResponse *members = NULL;
    OWN(value) struct value *object = NULL;
    enum exit_code exit_code = status_ask(cli, &response);
    size_t voters = 0;

    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    object = status_value(response->status);
    if (*response->status->leader && members_ask(cli, &members) == EXIT_DONE) {
        for (size_t i = 0; i < members->members->n_members; i++) {
            voters +=
                view_equal(view_string(members->members->members[i]->role), view_string("voter"));
        }
        value_set_number(object, "members", voters);
        value_set_number(object, "failures_tolerated", voters ? (voters - 1) / 2 : 0);
    }
    return output_object(cli, object, status_columns);
}

enum exit_code cluster_step_down(struct cli *cli)
{
    Tccp__AdminRequest request = TCCP__ADMIN_REQUEST__INIT;
    Tccp__StepDown step_down = TCCP__STEP_DOWN__INIT;
    OWN(admin_response) Tccp__AdminResponse *response = NULL;
    enum exit_code exit_code;

    request.kind_case = TCCP__ADMIN_REQUEST__KIND_STEP_DOWN;
    request.step_down = &step_down;
    /* Asked again it would depose the next leader as well. */
    exit_code = ask_once(cli, SESSION_ONCE, "make the leader step down", &request,
                         TCCP__ADMIN_RESPONSE__KIND_DONE, &response);
    return exit_code == EXIT_DONE ? done_show(cli, response->done) : exit_code;
}
