/* The keys of the text form: what each section may hold, as a table. */
#include "lib/base/protobuf.h"
#include "lib/base/time_text.h"
#include "lib/perimeter/manifest_text_private.h"

#include <stdlib.h>
#include <string.h>

/* A new message at the end of a list of messages. */
static enum status message_add(void *list_place, size_t *count, size_t count_max,
                               const ProtobufCMessageDescriptor *descriptor, void *ret_message)
{
    ProtobufCMessage *message, **list;

    if (*count >= count_max) {
        return STATUS_TOO_LARGE;
    }
    TRY(list_grow(list_place, *count, sizeof message));
    message = malloc(descriptor->sizeof_message);
    if (!message) {
        return STATUS_NO_MEMORY;
    }
    protobuf_c_message_init(descriptor, message);
    memcpy(&list, list_place, sizeof(void *));
    list[(*count)++] = message;
    memcpy(ret_message, &message, sizeof(void *));
    return STATUS_OK;
}

/* --- keys --- */

static Tccp__MemberEntry *member_now(const struct parser *parser)
{
    return parser->message->members[parser->message->n_members - 1];
}
static Tccp__NodeEntry *node_now(const struct parser *parser)
{
    return parser->message->nodes[parser->message->n_nodes - 1];
}
static Tccp__OperatorEntry *operator_now(const struct parser *parser)
{
    return parser->message->operators[parser->message->n_operators - 1];
}
static Tccp__PcrPolicy *policy_now(const struct parser *parser)
{
    return parser->message->policies[parser->message->n_policies - 1];
}

typedef enum status (*key_set)(struct parser *parser, const struct word *name,
                               const struct word *value);
#define KEY(function)                                                                              \
    static enum status function(struct parser *parser, UNUSED const struct word *name,             \
                                const struct word *value)

KEY(perimeter_key)
{
    OWN(bytes) struct bytes bytes = {0};
    char text[PERIMETER_ID_TEXT_SIZE] = "";
    struct digest id;

    if (value->text.size == sizeof text - 1) {
        memcpy(text, value->text.data, sizeof text - 1);
    }
    if (perimeter_id_parse(text, &id) != STATUS_OK) {
        return parser_fail(parser, value->column, "not a perimeter id: %s and %d characters",
                           PERIMETER_ID_PREFIX, (int)(BASE32_SIZE(SHA256_SIZE) - 1));
    }
    TRY(bytes_copy(digest_view(&id), &bytes));
    data_set(&parser->message->perimeter_id, &bytes);
    return STATUS_OK;
}
KEY(version_key)
{
    return number_set(parser, value, &parser->message->version);
}
KEY(epoch_key)
{
    return number_set(parser, value, &parser->message->epoch);
}
KEY(not_before_key)
{
    return time_set(parser, value, &parser->message->not_before_s);
}
KEY(not_after_key)
{
    return time_set(parser, value, &parser->message->not_after_s);
}
KEY(lease_key)
{
    uint64_t lease_s;

    if (duration_parse(value->text, &lease_s) != STATUS_OK || lease_s < LEASE_MIN_S ||
        lease_s > LEASE_MAX_S) {
        return parser_fail(parser, value->column,
                           "a lease is a duration such as 30s, from %ds to %ds", LEASE_MIN_S,
                           LEASE_MAX_S);
    }
    parser->message->lease_s = (uint32_t)lease_s;
    return STATUS_OK;
}
KEY(member_policy_key)
{
    return name_set(parser, value, &parser->message->member_policy);
}
KEY(development_key)
{
    return bool_set(parser, value, &parser->message->development);
}
KEY(manufacturer_ca_key)
{
    Tccp__PerimeterManifest *message = parser->message;

    if (message->n_manufacturer_cas >= MANIFEST_CA_COUNT_MAX) {
        return parser_fail(parser, 1, "more than %d manufacturer CAs", MANIFEST_CA_COUNT_MAX);
    }
    TRY(list_grow(&message->manufacturer_cas, message->n_manufacturer_cas,
                  sizeof message->manufacturer_cas[0]));
    TRY(base64_set(parser, value, MANIFEST_CA_SIZE_MAX,
                   &message->manufacturer_cas[message->n_manufacturer_cas]));
    message->n_manufacturer_cas++;
    return STATUS_OK;
}

KEY(member_ek_key)
{
    return tpm_name_set(parser, value, &member_now(parser)->ek_name);
}
KEY(member_ak_key)
{
    return tpm_name_set(parser, value, &member_now(parser)->ak_name);
}
KEY(member_address_key)
{
    return string_set(&member_now(parser)->address, value->text);
}
KEY(member_raft_address_key)
{
    return string_set(&member_now(parser)->raft_address, value->text);
}

KEY(member_replaces_key)
{
    return tpm_name_set(parser, value, &member_now(parser)->replaces);
}

KEY(node_ek_key)
{
    return tpm_name_set(parser, value, &node_now(parser)->ek_name);
}
KEY(node_replaces_key)
{
    return tpm_name_set(parser, value, &node_now(parser)->replaces);
}
KEY(node_policy_key)
{
    return name_set(parser, value, &node_now(parser)->policy);
}
KEY(node_attribute_key)
{
    Tccp__NodeEntry *node = node_now(parser);
    Tccp__Attribute *attribute;
    enum status status;

    status = message_add(&node->attributes, &node->n_attributes, MANIFEST_ATTRIBUTE_COUNT_MAX,
                         &tccp__attribute__descriptor, &attribute);
    if (status == STATUS_TOO_LARGE) {
        return parser_fail(parser, name->column, "more than %d attributes",
                           MANIFEST_ATTRIBUTE_COUNT_MAX);
    }
    TRY(status);
    TRY(name_set(parser, name, &attribute->key));
    return string_set(&attribute->value, value->text);
}

KEY(operator_role_key)
{
    if (!view_is(value->text, operator_role_name(OPERATOR_ROLE_OPERATOR)) &&
        !view_is(value->text, operator_role_name(OPERATOR_ROLE_AUDITOR))) {
        return parser_fail(parser, value->column, "neither operator nor auditor");
    }
    return string_set(&operator_now(parser)->role, value->text);
}
KEY(operator_key_key)
{
    return base64_set(parser, value, SPKI_SIZE_MAX, &operator_now(parser)->key);
}

/* The list of a policy for this PCR; made where it is not there. */
static enum status policy_pcr(Tccp__PcrPolicy *policy, uint32_t number, Tccp__PcrValues **ret_pcr)
{
    for (size_t i = 0; i < policy->n_pcrs; i++) {
        if (policy->pcrs[i]->pcr == number) {
            *ret_pcr = policy->pcrs[i];
            return STATUS_OK;
        }
    }
    TRY(message_add(&policy->pcrs, &policy->n_pcrs, PCR_COUNT, &tccp__pcr_values__descriptor,
                    ret_pcr));
    (*ret_pcr)->pcr = number;
    return STATUS_OK;
}

KEY(policy_pcr_key)
{
    Tccp__PcrValues *pcr;
    uint64_t number;

    TRY(number_set(parser, name, &number));
    if (number >= PCR_COUNT) {
        return parser_fail(parser, name->column, "PCRs have the numbers 0 to %d", PCR_COUNT - 1);
    }
    TRY(policy_pcr(policy_now(parser), (uint32_t)number, &pcr));
    if (pcr->n_values >= PCR_POLICY_VALUE_COUNT_MAX) {
        return parser_fail(parser, name->column, "more than %d values of PCR %u",
                           PCR_POLICY_VALUE_COUNT_MAX, (unsigned)number);
    }
    TRY(list_grow(&pcr->values, pcr->n_values, sizeof pcr->values[0]));
    TRY(hex_set(parser, value, SHA256_SIZE, SHA256_SIZE, &pcr->values[pcr->n_values]));
    pcr->n_values++;
    return STATUS_OK;
}

/* A new reference of the present policy; `name` is its digest. */
static enum status reference_add(const struct parser *parser, const struct word *name,
                                 Tccp__PolicyReference **ret_reference)
{
    Tccp__PcrPolicy *policy = policy_now(parser);
    enum status status =
        message_add(&policy->references, &policy->n_references, MANIFEST_REFERENCE_COUNT_MAX,
                    &tccp__policy_reference__descriptor, ret_reference);

    if (status == STATUS_TOO_LARGE) {
        return parser_fail(parser, name->column, "more than %d references",
                           MANIFEST_REFERENCE_COUNT_MAX);
    }
    TRY(status);
    TRY(hex_set(parser, name, SHA256_SIZE, SHA256_SIZE, &(*ret_reference)->digest));
    for (size_t i = 0; i + 1 < policy->n_references; i++) {
        if (view_equal(protobuf_view(policy->references[i]->digest),
                       protobuf_view((*ret_reference)->digest))) {
            return parser_fail(parser, name->column, "this reference is given twice");
        }
    }
    return STATUS_OK;
}

KEY(policy_reference_key)
{
    Tccp__PolicyReference *reference;

    TRY(reference_add(parser, name, &reference));
    reference->staged = view_is(value->text, REFERENCE_STAGED);
    if (reference->staged || view_is(value->text, REFERENCE_ENFORCED)) {
        return STATUS_OK;
    }
    if (time_parse(value->text, &reference->not_after_s) != STATUS_OK ||
        reference->not_after_s == 0) {
        return parser_fail(parser, value->column,
                           "neither " REFERENCE_ENFORCED ", nor " REFERENCE_STAGED
                           ", nor a time of the form 2026-01-31T00:00:00Z");
    }
    return STATUS_OK;
}
KEY(policy_event_log_key)
{
    return bool_set(parser, value, &policy_now(parser)->needs_event_log);
}
KEY(policy_ima_log_key)
{
    return bool_set(parser, value, &policy_now(parser)->needs_ima_log);
}
KEY(policy_host_profile_key)
{
    return bool_set(parser, value, &policy_now(parser)->host_profile);
}

enum key_flags { REQUIRED = 1, REPEATED = 2, NAMED = 4 };

/* At most 32: see keys_seen. */
static const struct {
    enum section section;
    const char *name;
    unsigned flags;
    key_set set;
} keys[] = {
    {SECTION_MANIFEST, "perimeter", REQUIRED, perimeter_key},
    {SECTION_MANIFEST, "version", REQUIRED, version_key},
    {SECTION_MANIFEST, "epoch", REQUIRED, epoch_key},
    {SECTION_MANIFEST, "not_before", REQUIRED, not_before_key},
    {SECTION_MANIFEST, "not_after", REQUIRED, not_after_key},
    {SECTION_MANIFEST, "lease", 0, lease_key},
    {SECTION_MANIFEST, "member_policy", REQUIRED, member_policy_key},
    {SECTION_MANIFEST, "development", 0, development_key},
    {SECTION_MANIFEST, "manufacturer_ca", REPEATED, manufacturer_ca_key},
    {SECTION_MEMBER, "ek", REQUIRED, member_ek_key},
    {SECTION_MEMBER, "ak", REQUIRED, member_ak_key},
    {SECTION_MEMBER, "address", REQUIRED, member_address_key},
    {SECTION_MEMBER, "raft_address", REQUIRED, member_raft_address_key},
    {SECTION_MEMBER, "replaces", 0, member_replaces_key},
    {SECTION_NODE, "ek", REQUIRED, node_ek_key},
    {SECTION_NODE, "replaces", 0, node_replaces_key},
    {SECTION_NODE, "policy", REQUIRED, node_policy_key},
    {SECTION_NODE, "attribute", REPEATED | NAMED, node_attribute_key},
    {SECTION_OPERATOR, "role", REQUIRED, operator_role_key},
    {SECTION_OPERATOR, "key", REQUIRED, operator_key_key},
    {SECTION_POLICY, "pcr", REPEATED | NAMED, policy_pcr_key},
    {SECTION_POLICY, "reference", REPEATED | NAMED, policy_reference_key},
    {SECTION_POLICY, "needs_event_log", 0, policy_event_log_key},
    {SECTION_POLICY, "needs_ima_log", 0, policy_ima_log_key},
    {SECTION_POLICY, "host_profile", 0, policy_host_profile_key},
};

static const char *const section_names[SECTION_COUNT] = {
    [SECTION_NONE] = "",     [SECTION_MANIFEST] = "manifest", [SECTION_MEMBER] = "member",
    [SECTION_NODE] = "node", [SECTION_OPERATOR] = "operator", [SECTION_POLICY] = "policy",
};

const char *section_name(enum section section)
{
    return section_names[section];
}

enum status key_assign(struct parser *parser, const struct statement *statement)
{
    const struct word *key = &statement->words[0];
    size_t index = 0;

    if (parser->section == SECTION_NONE) {
        return parser_fail(parser, key->column, "a key outside of a section");
    }
    while (index < ARRAY_SIZE(keys) &&
           (keys[index].section != parser->section || !view_is(key->text, keys[index].name))) {
        index++;
    }
    if (index == ARRAY_SIZE(keys)) {
        return parser_fail(parser, key->column, "a %s section has no such key",
                           section_name(parser->section));
    }
    if (statement->count != ((keys[index].flags & NAMED) ? 2 : 1)) {
        return parser_fail(parser, key->column,
                           (keys[index].flags & NAMED) ? "`%s NAME = VALUE` is expected"
                                                       : "`%s = VALUE` is expected",
                           keys[index].name);
    }
    if ((parser->keys_seen & 1u << index) && !(keys[index].flags & REPEATED)) {
        return parser_fail(parser, key->column, "`%s` is given twice", keys[index].name);
    }
    parser->keys_seen |= 1u << index;
    return keys[index].set(parser, &statement->words[1], &statement->value);
}

enum status section_begin(struct parser *parser, enum section section, const struct word *name)
{
    Tccp__PerimeterManifest *message = parser->message;
    Tccp__OperatorEntry *operator_entry;
    Tccp__MemberEntry *member;
    Tccp__PcrPolicy *policy;
    Tccp__NodeEntry *node;
    char **name_place = NULL;

    switch (section) {
    case SECTION_MEMBER:
        TRY(message_add(&message->members, &message->n_members, MANIFEST_MEMBER_COUNT_MAX,
                        &tccp__member_entry__descriptor, &member));
        name_place = &member->name;
        break;
    case SECTION_NODE:
        TRY(message_add(&message->nodes, &message->n_nodes, MANIFEST_NODE_COUNT_MAX,
                        &tccp__node_entry__descriptor, &node));
        name_place = &node->name;
        break;
    case SECTION_OPERATOR:
        TRY(message_add(&message->operators, &message->n_operators, MANIFEST_OPERATOR_COUNT_MAX,
                        &tccp__operator_entry__descriptor, &operator_entry));
        name_place = &operator_entry->name;
        break;
    case SECTION_POLICY:
        TRY(message_add(&message->policies, &message->n_policies, MANIFEST_POLICY_COUNT_MAX,
                        &tccp__pcr_policy__descriptor, &policy));
        name_place = &policy->name;
        break;
    case SECTION_MANIFEST:
    case SECTION_NONE:
    case SECTION_COUNT:
        break;
    }
    if (name_place) {
        TRY(name_set(parser, name, name_place));
    }
    parser->section = section;
    parser->keys_seen = 0;
    return STATUS_OK;
}

/* Whether anything of the policy judges a host. */
static bool policy_judges(const Tccp__PcrPolicy *policy)
{
    for (size_t i = 0; i < policy->n_references; i++) {
        if (!policy->references[i]->staged) {
            return true;
        }
    }
    return policy->n_pcrs > 0;
}

enum status section_check(const struct parser *parser, unsigned column)
{
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        if (keys[i].section == parser->section && (keys[i].flags & REQUIRED) &&
            !(parser->keys_seen & 1u << i)) {
            return parser_fail(parser, column, "the %s section has no `%s`",
                               section_name(parser->section), keys[i].name);
        }
    }
    if (parser->section == SECTION_POLICY && !policy_judges(policy_now(parser))) {
        return parser_fail(parser, column,
                           "the policy section has no `pcr`, and no `reference` that is enforced");
    }
    return STATUS_OK;
}
