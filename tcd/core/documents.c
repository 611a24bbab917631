#include "tcd/core/documents.h"

#include "lib/base/table.h"
#include "tcd/core/fields.h"

#include "proto/perimeter.pb-c.h"

#include <stdlib.h>
#include <string.h>

static enum status policy_digest(const Tccp__PcrPolicy *policy, struct digest *ret_digest)
{
    OWN(bytes) struct bytes bytes = {0};

    TRY(protobuf_pack(&policy->base, CORE_DOCUMENT_SIZE_MAX, &bytes));
    *ret_digest = sha256(bytes_view(&bytes));
    return STATUS_OK;
}

/* The named policy, or NULL. */
static const Tccp__PcrPolicy *policy_find(const Tccp__PerimeterManifest *manifest, const char *name)
{
    for (size_t i = 0; i < manifest->n_policies; i++) {
        if (strcmp(manifest->policies[i]->name, name) == 0) {
            return manifest->policies[i];
        }
    }
    return NULL;
}

static bool field_replaces(ProtobufCBinaryData source, struct tpm_name *ret_name)
{
    *ret_name = (struct tpm_name){.size = 0};
    return source.len == 0 || field_tpm_name(source, ret_name);
}

static enum status members_parse(const Tccp__PerimeterManifest *manifest,
                                 struct manifest_facts *facts)
{
    const Tccp__PcrPolicy *policy = policy_find(manifest, manifest->member_policy);

    if (!policy || manifest->n_members == 0 || manifest->n_members > CORE_MEMBER_COUNT_MAX) {
        return STATUS_MALFORMED;
    }
    TRY(policy_digest(policy, &facts->member_policy));
    facts->member_count = (unsigned)manifest->n_members;
    for (unsigned i = 0; i < facts->member_count; i++) {
        const Tccp__MemberEntry *source = manifest->members[i];
        struct member_entry *member = &facts->members[i];

        if (!field_name(source->name, &member->name) ||
            !field_tpm_name(source->ek_name, &member->ek_name) ||
            !field_tpm_name(source->ak_name, &member->ak_name) ||
            !field_replaces(source->replaces, &facts->member_replaces[i]) ||
            !field_text(source->address, member->address, CORE_ADDRESS_LENGTH_MAX) ||
            !field_text(source->raft_address, member->raft_address, CORE_ADDRESS_LENGTH_MAX)) {
            return STATUS_MALFORMED;
        }
        for (unsigned k = 0; k < i; k++) {
            if (strcmp(facts->members[k].name.text, member->name.text) == 0 ||
                view_equal(tpm_name_view(&facts->members[k].ek_name),
                           tpm_name_view(&member->ek_name))) {
                return STATUS_MALFORMED;
            }
        }
    }
    return STATUS_OK;
}

static enum status attributes_parse(const Tccp__NodeEntry *source, struct node_entry *node)
{
    if (source->n_attributes > CORE_ATTRIBUTE_COUNT_MAX) {
        return STATUS_MALFORMED;
    }
    if (source->n_attributes == 0) {
        return STATUS_OK;
    }
    node->attributes = calloc(source->n_attributes, sizeof *node->attributes);
    if (!node->attributes) {
        return STATUS_NO_MEMORY;
    }
    node->attribute_count = (unsigned)source->n_attributes;
    for (size_t i = 0; i < source->n_attributes; i++) {
        if (!field_text(source->attributes[i]->key, node->attributes[i].key,
                        CORE_NAME_LENGTH_MAX) ||
            !field_text(source->attributes[i]->value, node->attributes[i].value,
                        CORE_VALUE_LENGTH_MAX)) {
            return STATUS_MALFORMED;
        }
    }
    return STATUS_OK;
}

static enum status nodes_parse(const Tccp__PerimeterManifest *manifest,
                               const struct digest *policies, struct manifest_facts *facts)
{
    if (manifest->n_nodes > CORE_NODE_COUNT_MAX) {
        return STATUS_MALFORMED;
    }
    facts->nodes = calloc(manifest->n_nodes + 1, sizeof *facts->nodes);
    if (!facts->nodes) {
        return STATUS_NO_MEMORY;
    }
    for (size_t i = 0; i < manifest->n_nodes; i++) {
        const Tccp__NodeEntry *source = manifest->nodes[i];
        struct node_entry *node = &facts->nodes[i];
        size_t policy = 0;

        facts->node_count++;
        while (policy < manifest->n_policies &&
               strcmp(manifest->policies[policy]->name, source->policy) != 0) {
            policy++;
        }
        if (policy == manifest->n_policies || !field_name(source->name, &node->name) ||
            !field_name(source->policy, &node->policy_name) ||
            !field_tpm_name(source->ek_name, &node->ek_name) ||
            !field_replaces(source->replaces, &node->replaces)) {
            return STATUS_MALFORMED;
        }
        node->ek_id = sha256(tpm_name_view(&node->ek_name));
        node->policy = policies[policy];
        node->host_profile = manifest->policies[policy]->host_profile;
        TRY(attributes_parse(source, node));
    }
    return STATUS_OK;
}

static enum status operators_parse(const Tccp__PerimeterManifest *manifest,
                                   struct manifest_facts *facts)
{
    if (manifest->n_operators > CORE_OPERATOR_COUNT_MAX) {
        return STATUS_MALFORMED;
    }
    facts->operators = calloc(manifest->n_operators + 1, sizeof *facts->operators);
    if (!facts->operators) {
        return STATUS_NO_MEMORY;
    }
    for (size_t i = 0; i < manifest->n_operators; i++) {
        const Tccp__OperatorEntry *source = manifest->operators[i];
        struct operator_entry *entry = &facts->operators[i];

        if (!field_name(source->name, &entry->name) || source->key.len == 0 ||
            source->key.len > CORE_KEY_SIZE_MAX) {
            return STATUS_MALFORMED;
        }
        if (strcmp(source->role, user_role_name(USER_OPERATOR)) == 0) {
            entry->role = USER_OPERATOR;
        } else if (strcmp(source->role, user_role_name(USER_AUDITOR)) == 0) {
            entry->role = USER_AUDITOR;
        } else {
            return STATUS_MALFORMED;
        }
        entry->key_size = source->key.len;
        memcpy(entry->key, source->key.data, source->key.len);
        entry->key_id = sha256(protobuf_view(source->key));
        facts->operator_count++;
    }
    return STATUS_OK;
}

static enum status references_parse(const Tccp__PerimeterManifest *manifest,
                                    struct manifest_facts *facts)
{
    facts->references = calloc(manifest->n_policies * CORE_POLICY_REFERENCE_COUNT_MAX + 1,
                               sizeof *facts->references);
    if (!facts->references) {
        return STATUS_NO_MEMORY;
    }
    for (size_t i = 0; i < manifest->n_policies; i++) {
        const Tccp__PcrPolicy *policy = manifest->policies[i];

        if (policy->n_references > CORE_POLICY_REFERENCE_COUNT_MAX) {
            return STATUS_MALFORMED;
        }
        for (size_t k = 0; k < policy->n_references; k++) {
            struct reference_name *reference = &facts->references[facts->reference_count++];

            if (!field_digest(policy->references[k]->digest, &reference->digest) ||
                !field_name(policy->name, &reference->policy)) {
                return STATUS_MALFORMED;
            }
        }
    }
    return STATUS_OK;
}

/* True when no two of the records share the key at that offset. */
static bool all_differ(void *records, size_t count, size_t record_size, size_t key_offset,
                       size_t key_size)
{
    struct table table;
    bool differ = true;

    table_init(&table, key_size, key_offset);
    for (size_t i = 0; i < count && differ; i++) {
        uint8_t *record = (uint8_t *)records + i * record_size;

        if (table_find(&table, record + key_offset)) {
            differ = false;
        } else {
            table_insert(&table, record);
        }
    }
    table_free(&table);
    return differ;
}

#define ALL_DIFFER(records, count, type, key)                                                      \
    all_differ((records), (count), sizeof(type), offsetof(type, key), sizeof(((type *)0)->key))

static enum status manifest_fill(const Tccp__PerimeterManifest *manifest,
                                 struct manifest_facts *facts)
{
    struct digest policies[CORE_POLICY_COUNT_MAX];

    if (!field_digest(manifest->perimeter_id, &facts->perimeter_id) || manifest->version == 0 ||
        manifest->epoch == 0 || manifest->n_policies > CORE_POLICY_COUNT_MAX) {
        return STATUS_MALFORMED;
    }
    facts->version = manifest->version;
    facts->epoch = manifest->epoch;
    facts->not_before_s = manifest->not_before_s;
    facts->not_after_s = manifest->not_after_s;
    facts->lease_s = manifest->lease_s;
    facts->development = manifest->development;
    for (size_t i = 0; i < manifest->n_policies; i++) {
        TRY(policy_digest(manifest->policies[i], &policies[i]));
    }
    TRY(members_parse(manifest, facts));
    TRY(nodes_parse(manifest, policies, facts));
    TRY(operators_parse(manifest, facts));
    TRY(references_parse(manifest, facts));
    if (!ALL_DIFFER(facts->nodes, facts->node_count, struct node_entry, ek_id) ||
        !ALL_DIFFER(facts->nodes, facts->node_count, struct node_entry, name) ||
        !ALL_DIFFER(facts->operators, facts->operator_count, struct operator_entry, name) ||
        !ALL_DIFFER(facts->operators, facts->operator_count, struct operator_entry, key_id)) {
        return STATUS_MALFORMED;
    }
    return STATUS_OK;
}

/* The bytes of the document inside a SignedDocument. */
static enum status document_of(struct view signed_document, struct bytes *ret_document)
{
    Tccp__SignedDocument *message = (Tccp__SignedDocument *)protobuf_unpack(
        &tccp__signed_document__descriptor, signed_document, CORE_DOCUMENT_SIZE_MAX);
    enum status status;

    if (!message) {
        return STATUS_MALFORMED;
    }
    status = bytes_copy(protobuf_view(message->document), ret_document);
    tccp__signed_document__free_unpacked(message, NULL);
    return status;
}

enum status manifest_facts_parse(struct view signed_document, struct manifest_facts **ret_facts)
{
    OWN(manifest_facts) struct manifest_facts *facts = calloc(1, sizeof *facts);
    OWN(bytes) struct bytes document = {0};
    Tccp__PerimeterManifest *message;
    enum status status;

    if (!facts) {
        return STATUS_NO_MEMORY;
    }
    TRY(document_of(signed_document, &document));
    facts->digest = sha256(bytes_view(&document));
    message = tccp__perimeter_manifest__unpack(NULL, document.size, document.data);
    if (!message) {
        return STATUS_MALFORMED;
    }
    status = manifest_fill(message, facts);
    tccp__perimeter_manifest__free_unpacked(message, NULL);
    TRY(status);
    *ret_facts = TAKE(facts);
    return STATUS_OK;
}

void manifest_facts_free(struct manifest_facts *facts)
{
    if (!facts) {
        return;
    }
    for (unsigned i = 0; i < facts->node_count; i++) {
        free(facts->nodes[i].attributes);
    }
    free(facts->nodes);
    free(facts->operators);
    free(facts->references);
    free(facts);
}

enum status endorsement_facts_parse(struct view signed_document,
                                    struct endorsement_facts *ret_facts)
{
    OWN(bytes) struct bytes document = {0};
    OWN(writer) struct writer keys = writer_new(4096);
    OWN(bytes) struct bytes key_bytes = {0};
    Tccp__ClusterEndorsement *message;
    bool good;

    TRY(document_of(signed_document, &document));
    message = tccp__cluster_endorsement__unpack(NULL, document.size, document.data);
    if (!message) {
        return STATUS_MALFORMED;
    }
    good = field_digest(message->perimeter_id, &ret_facts->perimeter_id) && message->epoch > 0 &&
           message->tc_sign.len > 0 && message->tc_sign.len <= CORE_KEY_SIZE_MAX &&
           message->tc_kem.len == CORE_KEM_KEY_SIZE;
    ret_facts->epoch = message->epoch;
    ret_facts->not_after_s = message->not_after_s;
    if (good) {
        writer_sized32(&keys, protobuf_view(message->tc_sign));
        writer_sized32(&keys, protobuf_view(message->tc_kem));
    }
    tccp__cluster_endorsement__free_unpacked(message, NULL);
    if (!good) {
        return STATUS_MALFORMED;
    }
    TRY(writer_take(&keys, &key_bytes));
    ret_facts->tc_keys = sha256(bytes_view(&key_bytes));
    return STATUS_OK;
}

enum status succession_facts_parse(struct view signed_document, struct succession_facts *ret_facts)
{
    OWN(bytes) struct bytes document = {0};
    Tccp__RootSuccession *message;
    bool good;

    TRY(document_of(signed_document, &document));
    message = tccp__root_succession__unpack(NULL, document.size, document.data);
    if (!message) {
        return STATUS_MALFORMED;
    }
    good = field_digest(message->perimeter_id, &ret_facts->perimeter_id) && message->number > 0;
    ret_facts->number = message->number;
    tccp__root_succession__free_unpacked(message, NULL);
    return good ? STATUS_OK : STATUS_MALFORMED;
}
