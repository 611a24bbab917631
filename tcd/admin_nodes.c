/* Compute nodes as people see them: the replicated state, and what this leader knows besides. */
#include "lib/base/protobuf.h"
#include "lib/net/timer.h"
#include "tcd/admin_list.h"
#include "tcd/leases.h"
#include "tcd/refusals.h"
#include "tcd/staged_verdicts.h"

#include <stdlib.h>
#include <string.h>

static ProtobufCBinaryData digest_data(const struct digest *digest)
{
    return protobuf_data(digest_view(digest));
}

static const char *verdict_of(const struct tcd *tcd, const struct node *node)
{
    switch (node_state(node)) {
    case NODE_LIVE:
        return "good";
    case NODE_IN_QUARANTINE:
    case NODE_OUT:
        break;
    case NODE_NEVER_SEEN:
    case NODE_EXPIRED:
        if (refusals_find(tcd->refusals, node->name.text)) {
            return "refused";
        }
        break;
    }
    return node_state_name(node_state(node));
}

static uint64_t lease_left_ms(const struct tcd *tcd, const struct node *node)
{
    const struct registration *registration = &node->registration;

    return registration->id != 0 && registration->live
               ? leases_left_ms(tcd->leases, registration->id, time_boot_ms())
               : 0;
}

/* attributes, attribute_pointers: as many of each as the node has. */
static void fill_node(const struct tcd *tcd, Tccp__NodeStatus *item, const struct node *node,
                      Tccp__Attribute *attributes, Tccp__Attribute **attribute_pointers)
{
    tccp__node_status__init(item);
    item->name = protobuf_string(node->name.text);
    item->registration_id = node->registration.id;
    item->state = protobuf_string(node_state_name(node_state(node)));
    item->reason = protobuf_string(node->reason);
    item->renewal = node->registration.renewal;
    item->registered_at_s = node->registration.registered_at_s;
    item->ek_name = protobuf_data(tpm_name_view(&node->ek_name));
    item->policy = protobuf_string(node->policy_name.text);
    item->cordoned = node->cordoned;
    item->verdict = protobuf_string(verdict_of(tcd, node));
    item->lease_left_ms = lease_left_ms(tcd, node);
    item->policy_digest = digest_data(&node->policy);
    if (node->registration.id != 0) {
        item->appraised_policy = digest_data(&node->registration.policy);
    }
    for (unsigned i = 0; i < node->attribute_count; i++) {
        tccp__attribute__init(&attributes[i]);
        attributes[i].key = protobuf_string(node->attributes[i].key);
        attributes[i].value = protobuf_string(node->attributes[i].value);
        attribute_pointers[i] = &attributes[i];
    }
    item->n_attributes = node->attribute_count;
    item->attributes = attribute_pointers;
}

static void count(const struct registry *registry, size_t *ret_nodes, size_t *ret_attributes)
{
    const struct node *node;
    size_t cursor = 0;

    *ret_nodes = *ret_attributes = 0;
    while ((node = registry_node_next(registry, &cursor))) {
        *ret_nodes += 1;
        *ret_attributes += node->attribute_count;
    }
}

void admin_nodes_list(struct admin_call *call)
{
    const struct tcd *tcd = call->session->tcd;
    const struct registry *registry = tcd_registry(tcd);
    size_t node_count, attribute_count, cursor = 0, used = 0;
    Tccp__AdminResponse response = TCCP__ADMIN_RESPONSE__INIT;
    Tccp__NodesReply reply = TCCP__NODES_REPLY__INIT;
    OWN(admin_list) struct admin_list list = {0};
    OWN(admin_list) struct admin_list attributes = {0};
    Tccp__NodeStatus *items;

    count(registry, &node_count, &attribute_count);
    if (!admin_list_make(call, node_count, sizeof *items, &list) ||
        !admin_list_make(call, attribute_count, sizeof(Tccp__Attribute), &attributes)) {
        return;
    }
    items = list.items;
    for (size_t i = 0; i < node_count; i++) {
        const struct node *node = registry_node_next(registry, &cursor);

        fill_node(tcd, &items[i], node, (Tccp__Attribute *)attributes.items + used,
                  (Tccp__Attribute **)attributes.pointers + used);
        used += node->attribute_count;
    }
    reply.n_nodes = node_count;
    reply.nodes = (Tccp__NodeStatus **)list.pointers;
    response.kind_case = TCCP__ADMIN_RESPONSE__KIND_NODES;
    response.nodes = &reply;
    admin_answer(call, &response);
}

static Tccp__NodeFinding *fill_finding(Tccp__NodeFinding *message, const struct finding *finding)
{
    tccp__node_finding__init(message);
    message->subject = protobuf_string(finding->subject);
    message->expected = protobuf_string(finding->expected);
    message->seen = protobuf_string(finding->seen);
    return finding->subject[0] ? message : NULL;
}

/* Both belong to one answer. */
struct refusal_message {
    Tccp__NodeRefusal message;
    Tccp__NodeFinding finding;
};

static Tccp__NodeRefusal *fill_refusal(struct refusal_message *parts,
                                       const struct refusal_record *record)
{
    if (!record) {
        return NULL;
    }
    tccp__node_refusal__init(&parts->message);
    parts->message.at_s = record->at_s;
    parts->message.reason = protobuf_string(refusal_name(record->refusal.code));
    parts->message.detail = protobuf_string(record->refusal.detail);
    parts->message.finding = fill_finding(&parts->finding, &record->refusal.finding);
    parts->message.address = protobuf_string(record->address);
    parts->message.count = record->count;
    parts->message.proven = record->is_proven;
    return &parts->message;
}

/* All belong to one answer. */
struct staged_messages {
    Tccp__StagedVerdict messages[REFERENCE_LIST_COUNT_MAX];
    Tccp__StagedVerdict *pointers[REFERENCE_LIST_COUNT_MAX];
    Tccp__NodeFinding findings[REFERENCE_LIST_COUNT_MAX];
};

static size_t fill_staged(struct staged_messages *parts, const struct staged_node *node)
{
    for (size_t i = 0; node && i < node->count; i++) {
        const struct staged_verdict *verdict = &node->verdicts[i];
        Tccp__StagedVerdict *message = parts->pointers[i] = &parts->messages[i];

        tccp__staged_verdict__init(message);
        message->set = protobuf_data(digest_view(&verdict->set));
        message->at_s = verdict->at_s;
        if (verdict->refusal) {
            message->reason = protobuf_string(refusal_name(verdict->refusal->code));
            message->detail = protobuf_string(verdict->refusal->detail);
            message->finding = fill_finding(&parts->findings[i], &verdict->refusal->finding);
        }
    }
    return node ? node->count : 0;
}

/* By its name in the manifest; one that left it is found by the name that it had. */
static const struct node *find_node(const struct registry *registry, const char *name)
{
    const struct node *node = registry_node_by_name(registry, name), *candidate;
    size_t cursor = 0;

    while (!node && (candidate = registry_node_next(registry, &cursor))) {
        node = strcmp(candidate->name.text, name) == 0 ? candidate : NULL;
    }
    return node;
}

void admin_node_get(struct admin_call *call)
{
    const struct tcd *tcd = call->session->tcd;
    const char *name = call->request->node_get->node;
    const struct node *node = find_node(tcd_registry(tcd), name);
    Tccp__Attribute attributes[CORE_ATTRIBUTE_COUNT_MAX], *pointers[CORE_ATTRIBUTE_COUNT_MAX];
    Tccp__AdminResponse response = TCCP__ADMIN_RESPONSE__INIT;
    Tccp__NodeDetail detail = TCCP__NODE_DETAIL__INIT;
    Tccp__NodeStatus status;
    Tccp__NodeFinding finding;
    struct refusal_message last;
    struct staged_messages staged;
    struct refusal refusal;

    if (!node) {
        refusal = refusal_make(REFUSAL_NOT_FOUND, "no node %.100s", name);
        admin_refuse(call, &refusal);
        return;
    }
    fill_node(tcd, &status, node, attributes, pointers);
    detail.status = &status;
    detail.detail = protobuf_string(node->detail);
    detail.finding = fill_finding(&finding, &node->finding);
    detail.standing_since_s = node->standing_since_s;
    detail.renewed_at_s = node->registration.renewed_at_s;
    detail.last_refusal = fill_refusal(
        &last, node->in_manifest ? refusals_find(tcd->refusals, node->name.text) : NULL);
    detail.vm_count = node->vm_count;
    detail.n_staged =
        fill_staged(&staged, staged_verdicts_find(tcd->staged_verdicts, node->name.text));
    detail.staged = staged.pointers;
    response.kind_case = TCCP__ADMIN_RESPONSE__KIND_NODE;
    response.node = &detail;
    admin_answer(call, &response);
}
