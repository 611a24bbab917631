/* `node`: compute nodes, as the coordinator sees them. */
#include "cli/node.h"

#include "cli/commands.h"
#include "cli/node_evidence.h"
#include "cli/output.h"
#include "cli/perimeter.h"

#include "lib/base/protobuf.h"

#include <stdio.h>
#include <string.h>

static const struct column columns[] = {
    {"NAME", "name", false},
    {"VERDICT", "verdict", false},
    {"REASON", "reason", false},
    {"LEASE", "lease_left", false},
    {"POLICY", "policy", false},
    {"APPRAISED BY", "appraised_by", false},
    {"RENEWAL", "renewal", false},
    {"CORDONED", "cordoned", false},
    {"REGISTRATION", "registration", false},
    {"STATE", "state", true},
    {"SINCE", "registered_at", true},
    {"EK", "ek_name", true},
    {"ATTRIBUTES", "attributes", true},
    {NULL, NULL, false},
};
static const struct column detail_columns[] = {
    {"NAME", "name", false},
    {"VERDICT", "verdict", false},
    {"REASON", "reason", false},
    {"DETAIL", "detail", false},
    {"SINCE", "standing_since", false},
    {"STATE", "state", false},
    {"LEASE", "lease_left", false},
    {"POLICY", "policy", false},
    {"APPRAISED BY", "appraised_by", false},
    {"REGISTRATION", "registration", false},
    {"REGISTERED", "registered_at", false},
    {"RENEWAL", "renewal", false},
    {"RENEWED", "renewed_at", false},
    {"CORDONED", "cordoned", false},
    {"VMS", "vms", false},
    {"FINDING", "finding", false},
    {"LAST REFUSAL", "last_refusal", false},
    {"STAGED SETS", "staged", false},
    {"EK", "ek_name", false},
    {"POLICY DIGEST", "policy_digest", true},
    {"APPRAISED POLICY", "appraised_policy", true},
    {"ATTRIBUTES", "attributes", false},
    {NULL, NULL, false},
};

static void set_text(struct value *object, const char *key, const char *text)
{
    value_set_string(object, key, *text ? text : NULL);
}

const char *node_appraised_by(const Tccp__NodeStatus *node)
{
    if (node->appraised_policy.len == 0) {
        return NULL;
    }
    return view_equal(protobuf_view(node->appraised_policy), protobuf_view(node->policy_digest))
               ? "current"
               : "older";
}

static struct value *node_value(const Tccp__NodeStatus *node)
{
    struct value *object = value_object(), *attributes = value_object();

    value_set_string(object, "name", node->name);
    value_set_string(object, "verdict", node->verdict);
    value_set_string(object, "state", node->state);
    set_text(object, "reason", node->reason);
    value_set_number(object, "lease_left", node->lease_left_ms / 1000);
    value_set_bool(object, "cordoned", node->cordoned);
    value_set_string(object, "policy", node->policy);
    value_set_string(object, "appraised_by", node_appraised_by(node));
    value_set_hex(object, "policy_digest", protobuf_view(node->policy_digest));
    if (node->appraised_policy.len > 0) {
        value_set_hex(object, "appraised_policy", protobuf_view(node->appraised_policy));
    }
    value_set_number(object, "registration", node->registration_id);
    value_set_number(object, "renewal", node->renewal);
    value_set_time(object, "registered_at", node->registered_at_s);
    value_set_hex(object, "ek_name", protobuf_view(node->ek_name));
    for (size_t i = 0; i < node->n_attributes; i++) {
        value_set_string(attributes, node->attributes[i]->key, node->attributes[i]->value);
    }
    value_set(object, "attributes", attributes);
    return object;
}

static void set_finding(struct value *object, const Tccp__NodeFinding *finding)
{
    value_set_string(object, "subject", finding->subject);
    set_text(object, "expected", finding->expected);
    set_text(object, "seen", finding->seen);
}

static struct value *refusal_value(const Tccp__NodeRefusal *refusal)
{
    struct value *object = value_object();

    value_set_time(object, "at", refusal->at_s);
    value_set_string(object, "reason", refusal->reason);
    set_text(object, "detail", refusal->detail);
    if (refusal->finding) {
        set_finding(object, refusal->finding);
    }
    value_set_string(object, "address", refusal->address);
    value_set_number(object, "count", refusal->count);
    value_set_bool(object, "proven", refusal->proven);
    return object;
}

/* What each staged set says. */
static struct value *staged_value(const Tccp__NodeDetail *detail)
{
    struct value *list = value_list();

    for (size_t i = 0; i < detail->n_staged; i++) {
        const Tccp__StagedVerdict *verdict = detail->staged[i];
        struct value *object = value_object();

        value_set_hex(object, "set", protobuf_view(verdict->set));
        value_set_string(object, "verdict", *verdict->reason ? "refused" : "accepted");
        set_text(object, "reason", verdict->reason);
        set_text(object, "detail", verdict->detail);
        if (verdict->finding) {
            set_finding(object, verdict->finding);
        }
        value_set_time(object, "at", verdict->at_s);
        value_add(list, object);
    }
    return list;
}

static struct value *detail_value(const Tccp__NodeDetail *detail)
{
    struct value *object = node_value(detail->status), *finding;

    set_text(object, "detail", detail->detail);
    value_set_time(object, "standing_since", detail->standing_since_s);
    value_set_time(object, "renewed_at", detail->renewed_at_s);
    value_set_number(object, "vms", detail->vm_count);
    if (detail->finding) {
        finding = value_object();
        set_finding(finding, detail->finding);
        value_set(object, "finding", finding);
    }
    if (detail->last_refusal) {
        value_set(object, "last_refusal", refusal_value(detail->last_refusal));
    }
    if (detail->n_staged > 0) {
        value_set(object, "staged", staged_value(detail));
    }
    return object;
}

enum exit_code nodes_ask(const struct cli *cli, Tccp__AdminResponse **ret_response)
{
    Tccp__AdminRequest request = TCCP__ADMIN_REQUEST__INIT;
    Tccp__NodesList list = TCCP__NODES_LIST__INIT;

    request.kind_case = TCCP__ADMIN_REQUEST__KIND_NODES_LIST;
    request.nodes_list = &list;
    return ask_once(cli, SESSION_READ, "list the nodes", &request, TCCP__ADMIN_RESPONSE__KIND_NODES,
                    ret_response);
}

enum exit_code node_list(struct cli *cli)
{
    OWN(admin_response) Tccp__AdminResponse *response = NULL;
    OWN(value) struct value *list = value_list();
    enum exit_code exit_code = nodes_ask(cli, &response);

    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    for (size_t i = 0; i < response->nodes->n_nodes; i++) {
        value_add(list, node_value(response->nodes->nodes[i]));
    }
    return output_list(cli, list, columns);
}

enum exit_code node_ask(const struct cli *cli, Tccp__AdminResponse **ret_response)
{
    Tccp__AdminRequest request = TCCP__ADMIN_REQUEST__INIT;
    Tccp__NodeGet get = TCCP__NODE_GET__INIT;
    enum exit_code exit_code;

    get.node = protobuf_string(argument_at(cli, 0));
    request.kind_case = TCCP__ADMIN_REQUEST__KIND_NODE_GET;
    request.node_get = &get;
    exit_code = ask_once(cli, SESSION_READ, "look at the node", &request,
                         TCCP__ADMIN_RESPONSE__KIND_NODE, ret_response);
    if (exit_code == EXIT_DONE && !(*ret_response)->node->status) {
        tccp__admin_response__free_unpacked(*ret_response, NULL);
        *ret_response = NULL;
        return report(cli, EXIT_FAILED, "", "cannot look at the node: the answer is incomplete");
    }
    return exit_code;
}

/* --- node get --save-evidence --- */

static const struct column evidence_columns[] = {
    {"NODE", "node", false},          {"FOLDER", "folder", false},  {"VERDICT", "verdict", false},
    {"REASON", "reason", false},      {"DETAIL", "detail", false},  {"AT", "at", false},
    {"EVENT LOG", "event_log", true}, {"IMA LOG", "ima_log", true}, {NULL, NULL, false},
};

static enum exit_code evidence_show(const struct cli *cli, const char *path,
                                    const struct node_evidence *evidence)
{
    OWN(value) struct value *object = value_object();
    bool accepted = node_evidence_is_accepted(evidence);

    value_set_string(object, "node", argument_at(cli, 0));
    value_set_string(object, "folder", path);
    value_set_string(object, "verdict", accepted ? "accepted" : "refused");
    value_set_string(object, "reason", accepted ? NULL : evidence->reason);
    set_text(object, "detail", evidence->detail);
    value_set_time(object, "at", evidence->at_s);
    value_set_number(object, "event_log", evidence->folder.event_log.size);
    value_set_number(object, "ima_log", evidence->folder.ima_log.size);
    return output_object(cli, object, evidence_columns);
}

/* The folder is looked at first: a node is not made to quote for nothing. */
static enum exit_code evidence_save(const struct cli *cli, const char *path)
{
    OWN(session) struct session *session = NULL;
    OWN(node_evidence) struct node_evidence evidence = {0};
    enum exit_code exit_code = evidence_folder_check_new(cli, path);

    if (exit_code == EXIT_DONE) {
        exit_code = session_open(cli, false, &session);
    }
    if (exit_code == EXIT_DONE) {
        exit_code = node_evidence_fetch(cli, session, argument_at(cli, 0), &evidence);
    }
    if (exit_code == EXIT_DONE) {
        exit_code = evidence_folder_store(cli, path, &evidence.folder);
    }
    return exit_code == EXIT_DONE ? evidence_show(cli, path, &evidence) : exit_code;
}

enum exit_code node_get(struct cli *cli)
{
    OWN(admin_response) Tccp__AdminResponse *response = NULL;
    OWN(value) struct value *object = NULL;
    const char *folder = option_value(cli, "save-evidence");
    enum exit_code exit_code;

    if (folder) {
        return evidence_save(cli, folder);
    }
    exit_code = node_ask(cli, &response);

    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    object = detail_value(response->node);
    return output_object(cli, object, detail_columns);
}

static enum exit_code cordon(const struct cli *cli, bool cordoned)
{
    Tccp__AdminRequest request = TCCP__ADMIN_REQUEST__INIT;
    Tccp__NodeCordon node_cordon_request;
    OWN(admin_response) Tccp__AdminResponse *response = NULL;
    enum exit_code exit_code;

    tccp__node_cordon__init(&node_cordon_request);
    node_cordon_request.node = protobuf_string(argument_at(cli, 0));
    node_cordon_request.cordoned = cordoned;
    request.kind_case = TCCP__ADMIN_REQUEST__KIND_NODE_CORDON;
    request.node_cordon = &node_cordon_request;
    exit_code = ask_once(cli, SESSION_CHANGE, cordoned ? "cordon the node" : "uncordon the node",
                         &request, TCCP__ADMIN_RESPONSE__KIND_DONE, &response);
    return exit_code == EXIT_DONE ? done_show(cli, response->done) : exit_code;
}

enum exit_code node_cordon(struct cli *cli)
{
    return cordon(cli, true);
}

enum exit_code node_uncordon(struct cli *cli)
{
    return cordon(cli, false);
}

enum exit_code node_revoke(struct cli *cli)
{
    Tccp__AdminRequest request = TCCP__ADMIN_REQUEST__INIT;
    Tccp__NodeRevoke revoke;
    OWN(admin_response) Tccp__AdminResponse *response = NULL;
    const char *reason = option_value(cli, "reason");
    char question[160];
    enum exit_code exit_code;

    (void)snprintf(question, sizeof question,
                   "Revoke %s? Its VMs are paused, moved or stopped; go on", argument_at(cli, 0));
    exit_code = confirm(cli, question);
    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    tccp__node_revoke__init(&revoke);
    revoke.node = protobuf_string(argument_at(cli, 0));
    revoke.reason = protobuf_string(reason ? reason : "");
    request.kind_case = TCCP__ADMIN_REQUEST__KIND_NODE_REVOKE;
    request.node_revoke = &revoke;
    exit_code = ask_once(cli, SESSION_CHANGE, "revoke the node", &request,
                         TCCP__ADMIN_RESPONSE__KIND_DONE, &response);
    return exit_code == EXIT_DONE ? done_show(cli, response->done) : exit_code;
}
