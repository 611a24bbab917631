#include "lib/base/protobuf.h"
#include "lib/perimeter/manifest.h"

#include <stdlib.h>
#include <string.h>

/* Everything in lists of pointers to messages; the compare functions of qsort get pointers to those
 * pointers. */
#define DEFINE_COMPARE(function, type, order)                                                      \
    static int function(const void *left_place, const void *right_place)                           \
    {                                                                                              \
        const type *left = *(type *const *)left_place;                                             \
        const type *right = *(type *const *)right_place;                                           \
                                                                                                   \
        return order;                                                                              \
    }

DEFINE_COMPARE(member_compare, Tccp__MemberEntry, strcmp(left->name, right->name))
DEFINE_COMPARE(node_compare, Tccp__NodeEntry, strcmp(left->name, right->name))
DEFINE_COMPARE(operator_compare, Tccp__OperatorEntry, strcmp(left->name, right->name))
DEFINE_COMPARE(policy_compare, Tccp__PcrPolicy, strcmp(left->name, right->name))
DEFINE_COMPARE(attribute_compare, Tccp__Attribute, strcmp(left->key, right->key))
DEFINE_COMPARE(pcr_compare, Tccp__PcrValues, (left->pcr > right->pcr) - (left->pcr < right->pcr))
DEFINE_COMPARE(reference_compare, Tccp__PolicyReference,
               view_compare(protobuf_view(left->digest), protobuf_view(right->digest)))

static int data_compare(const void *left, const void *right)
{
    return view_compare(protobuf_view(*(const ProtobufCBinaryData *)left),
                        protobuf_view(*(const ProtobufCBinaryData *)right));
}

static void list_sort(void *list, size_t count, size_t size,
                      int (*compare)(const void *, const void *))
{
    if (count > 1) {
        qsort(list, count, size, compare);
    }
}

static void policy_sort(Tccp__PcrPolicy *policy)
{
    list_sort(policy->pcrs, policy->n_pcrs, sizeof policy->pcrs[0], pcr_compare);
    for (size_t i = 0; i < policy->n_pcrs; i++) {
        Tccp__PcrValues *pcr = policy->pcrs[i];

        list_sort(pcr->values, pcr->n_values, sizeof pcr->values[0], data_compare);
    }
    list_sort(policy->references, policy->n_references, sizeof policy->references[0],
              reference_compare);
}

static void manifest_sort(Tccp__PerimeterManifest *message)
{
    list_sort(message->members, message->n_members, sizeof message->members[0], member_compare);
    list_sort(message->nodes, message->n_nodes, sizeof message->nodes[0], node_compare);
    list_sort(message->operators, message->n_operators, sizeof message->operators[0],
              operator_compare);
    list_sort(message->manufacturer_cas, message->n_manufacturer_cas,
              sizeof message->manufacturer_cas[0], data_compare);
    list_sort(message->policies, message->n_policies, sizeof message->policies[0], policy_compare);
    for (size_t i = 0; i < message->n_nodes; i++) {
        Tccp__NodeEntry *node = message->nodes[i];

        list_sort(node->attributes, node->n_attributes, sizeof node->attributes[0],
                  attribute_compare);
    }
    for (size_t i = 0; i < message->n_policies; i++) {
        policy_sort(message->policies[i]);
    }
}

enum status manifest_build(Tccp__PerimeterManifest *message, struct bytes *ret_bytes,
                           struct refusal *ret_refusal)
{
    OWN(manifest) struct manifest *manifest = NULL;
    OWN(bytes) struct bytes bytes = {0};
    enum status status;

    manifest_sort(message);
    status = protobuf_pack(&message->base, MANIFEST_SIZE_MAX, &bytes);
    if (status == STATUS_TOO_LARGE) {
        return refuse(ret_refusal, REFUSAL_TOO_LARGE, "a manifest of more than %d bytes",
                      MANIFEST_SIZE_MAX);
    }
    TRY(status);
    TRY(manifest_parse(bytes_view(&bytes), &manifest, ret_refusal));
    *ret_bytes = TAKE(bytes);
    return STATUS_OK;
}
