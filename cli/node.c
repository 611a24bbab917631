/* `node`: compute nodes, as the coordinator sees them. */
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/perimeter.h"
#include "cli/session.h"

#include "lib/base/protobuf.h"

#include <stdio.h>
#include <string.h>

static const struct column columns[] = {
    {"NAME", "name", false},      {"STATE", "state", false},
    {"REASON", "reason", false},  {"CORDONED", "cordoned", false},
    {"POLICY", "policy", false},  {"REGISTRATION", "registration", false},
    {"RENEWAL", "renewal", true}, {"SINCE", "registered_at", true},
    {"EK", "ek_name", true},      {"ATTRIBUTES", "attributes", true},
    {NULL, NULL, false},
};

static struct value *node_value(const Tccp__NodeStatus *node)
{
    struct value *object = value_object(), *attributes = value_object();

    value_set_string(object, "name", node->name);
    value_set_string(object, "state", node->state);
    value_set_string(object, "reason", *node->reason ? node->reason : NULL);
    value_set_bool(object, "cordoned", node->cordoned);
    value_set_string(object, "policy", node->policy);
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

static enum exit_code nodes_ask(const struct cli *cli, Tccp__AdminResponse **ret_response)
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

enum exit_code node_get(struct cli *cli)
{
    OWN(admin_response) Tccp__AdminResponse *response = NULL;
    enum exit_code exit_code = nodes_ask(cli, &response);

    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    for (size_t i = 0; i < response->nodes->n_nodes; i++) {
        if (strcmp(response->nodes->nodes[i]->name, argument_at(cli, 0)) == 0) {
            OWN(value) struct value *object = node_value(response->nodes->nodes[i]);

            return output_object(cli, object, columns);
        }
    }
    return report(cli, EXIT_NOT_FOUND, "`tccpctl node list` lists the nodes", "there is no node %s",
                  argument_at(cli, 0));
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
