#include "lib/attest/pcr_policy_message.h"
#include "lib/base/protobuf.h"
#include "lib/base/time_text.h"
#include "lib/perimeter/manifest_private.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* A value of an attribute: printable, without blanks, and without '#', which begins a comment. */
static bool value_is_valid(const char *value)
{
    size_t length = strlen(value);

    if (length < 1 || length > MANIFEST_VALUE_LENGTH_MAX) {
        return false;
    }
    for (; *value; value++) {
        if (*value <= 0x20 || *value > 0x7e || *value == '#') {
            return false;
        }
    }
    return true;
}

/* host:port, an IPv6 host in brackets, port of 1 to 65535. */
static bool address_is_valid(const char *address)
{
    const char *colon = strrchr(address, ':');
    bool bracketed = address[0] == '[';
    unsigned port = 0;

    if (!colon || colon == address || strlen(address) > MANIFEST_ADDRESS_LENGTH_MAX || !colon[1] ||
        colon[1] == '0' || strlen(colon + 1) > 5) {
        return false;
    }
    for (const char *at = colon + 1; *at; at++) {
        if (*at < '0' || *at > '9') {
            return false;
        }
        port = port * 10 + (unsigned)(*at - '0');
    }
    if (port > UINT16_MAX || (bracketed && (colon[-1] != ']' || colon - address < 4))) {
        return false;
    }
    for (const char *at = address + bracketed; at < colon - bracketed; at++) {
        if (!character_is_alphanumeric(*at) && *at != '.' && *at != '-' &&
            !(bracketed && *at == ':')) {
            return false;
        }
    }
    return true;
}

/* Everything that has a name is sorted by it, so that a name twice is out of order too. */
static enum status name_check(const char *what, size_t index, const char *name,
                              const char *previous, struct refusal *ret_refusal)
{
    if (!manifest_name_is_valid(name)) {
        return refuse(ret_refusal, REFUSAL_MALFORMED,
                      "the name of %s %zu is not 1 to %d letters, digits, '-', '_', '.'", what,
                      index + 1, MANIFEST_NAME_LENGTH_MAX);
    }
    if (previous && strcmp(previous, name) >= 0) {
        return refuse(ret_refusal, REFUSAL_MALFORMED, "%s %s is there twice, or not sorted by name",
                      what, name);
    }
    return STATUS_OK;
}

static enum status count_check(const char *what, size_t count, size_t count_max,
                               struct refusal *ret_refusal)
{
    if (count > count_max) {
        return refuse(ret_refusal, REFUSAL_TOO_LARGE, "%zu %s; at most %zu", count, what,
                      count_max);
    }
    return STATUS_OK;
}

/* An array that may be empty. */
static enum status array_new(size_t count, size_t size, void *ret_array)
{
    void *array = calloc(count ? count : 1, size);

    if (!array) {
        return STATUS_NO_MEMORY;
    }
    memcpy(ret_array, &array, sizeof array);
    return STATUS_OK;
}

static enum status policy_values_check(const Tccp__PcrPolicy *policy, struct refusal *ret_refusal)
{
    for (size_t i = 0; i < policy->n_pcrs; i++) {
        const Tccp__PcrValues *pcr = policy->pcrs[i];

        if (i && policy->pcrs[i - 1]->pcr >= pcr->pcr) {
            return refuse(ret_refusal, REFUSAL_MALFORMED,
                          "policy %s: PCR %" PRIu32 " is there twice, or not sorted", policy->name,
                          pcr->pcr);
        }
        if (pcr->n_values == 0) {
            return refuse(ret_refusal, REFUSAL_MALFORMED,
                          "policy %s allows PCR %" PRIu32 " no value", policy->name, pcr->pcr);
        }
        for (size_t value = 1; value < pcr->n_values; value++) {
            if (view_compare(protobuf_view(pcr->values[value - 1]),
                             protobuf_view(pcr->values[value])) >= 0) {
                return refuse(ret_refusal, REFUSAL_MALFORMED,
                              "policy %s: a value of PCR %" PRIu32 " is there twice, or not sorted",
                              policy->name, pcr->pcr);
            }
        }
    }
    return STATUS_OK;
}

static enum status reference_read(const char *policy, const Tccp__PolicyReference *source,
                                  struct manifest_reference *ret_reference,
                                  struct refusal *ret_refusal)
{
    if (digest_of_view(protobuf_view(source->digest), &ret_reference->digest) != STATUS_OK) {
        return refuse(ret_refusal, REFUSAL_MALFORMED,
                      "policy %s: a reference's digest of %zu bytes", policy, source->digest.len);
    }
    if (source->not_after_s > TIME_TEXT_MAX_S || (source->staged && source->not_after_s)) {
        return refuse(ret_refusal, REFUSAL_MALFORMED,
                      "policy %s: a reference ends after the year 9999, or is staged with an end",
                      policy);
    }
    ret_reference->not_after_s = source->not_after_s;
    ret_reference->staged = source->staged;
    return STATUS_OK;
}

static enum status references_read(const Tccp__PcrPolicy *source, struct manifest_policy *policy,
                                   struct refusal *ret_refusal)
{
    bool judges = source->n_pcrs > 0;

    TRY(count_check("references of a policy", source->n_references, MANIFEST_REFERENCE_COUNT_MAX,
                    ret_refusal));
    TRY(array_new(source->n_references, sizeof *policy->references, &policy->references));
    for (size_t i = 0; i < source->n_references; i++) {
        struct manifest_reference *reference = &policy->references[i];

        TRY(reference_read(source->name, source->references[i], reference, ret_refusal));
        if (i && view_compare(digest_view(&reference[-1].digest),
                              digest_view(&reference->digest)) >= 0) {
            return refuse(ret_refusal, REFUSAL_MALFORMED,
                          "policy %s: a reference is there twice, or not sorted", source->name);
        }
        judges |= !reference->staged;
        policy->reference_count++;
    }
    if (!judges) {
        return refuse(ret_refusal, REFUSAL_MALFORMED,
                      "policy %s lists no PCR, and names no reference that is enforced",
                      source->name);
    }
    return STATUS_OK;
}

static enum status policies_read(struct manifest *manifest, struct refusal *ret_refusal)
{
    const Tccp__PerimeterManifest *message = manifest->private->message;

    TRY(count_check("policies", message->n_policies, MANIFEST_POLICY_COUNT_MAX, ret_refusal));
    TRY(array_new(message->n_policies, sizeof *manifest->policies, &manifest->policies));
    for (size_t i = 0; i < message->n_policies; i++) {
        const Tccp__PcrPolicy *source = message->policies[i];
        struct manifest_policy *policy = &manifest->policies[i];
        OWN(bytes) struct bytes bytes = {0};
        enum status status;

        TRY(name_check("policy", i, source->name, i ? message->policies[i - 1]->name : NULL,
                       ret_refusal));
        TRY(policy_values_check(source, ret_refusal));
        status = pcr_policy_of_message(source, &policy->pcrs);
        if (status == STATUS_MALFORMED || status == STATUS_TOO_LARGE) {
            return refuse(ret_refusal, REFUSAL_MALFORMED,
                          "policy %s: a PCR above 23, a value that is not of 32 bytes, or too many "
                          "values",
                          source->name);
        }
        TRY(status);
        manifest->policy_count++;
        TRY(references_read(source, policy, ret_refusal));
        TRY(protobuf_pack(&source->base, MANIFEST_SIZE_MAX, &bytes));
        policy->name = source->name;
        policy->digest = sha256(bytes_view(&bytes));
    }
    return STATUS_OK;
}

/* Absent, or the name of another TPM's key than the entry's own. */
static enum status replaces_read(const char *entry, ProtobufCBinaryData source,
                                 const struct tpm_name *own, struct tpm_name *ret_replaces,
                                 struct refusal *ret_refusal)
{
    *ret_replaces = (struct tpm_name){.size = 0};
    if (source.len == 0) {
        return STATUS_OK;
    }
    if (tpm_name_of_view(protobuf_view(source), ret_replaces) != STATUS_OK ||
        tpm_name_equal(ret_replaces, own)) {
        return refuse(ret_refusal, REFUSAL_MALFORMED,
                      "%s: what it replaces is no TPM name of another key", entry);
    }
    return STATUS_OK;
}

static enum status member_read(const Tccp__MemberEntry *source, struct manifest_member *ret_member,
                               struct refusal *ret_refusal)
{
    if (tpm_name_of_view(protobuf_view(source->ek_name), &ret_member->ek_name) != STATUS_OK ||
        tpm_name_of_view(protobuf_view(source->ak_name), &ret_member->ak_name) != STATUS_OK) {
        return refuse(ret_refusal, REFUSAL_MALFORMED,
                      "member %s: its EK or AK is no TPM name of SHA-256 or SHA-384", source->name);
    }
    if (!address_is_valid(source->address) || !address_is_valid(source->raft_address)) {
        return refuse(ret_refusal, REFUSAL_MALFORMED, "member %s: an address is not host:port",
                      source->name);
    }
    TRY(replaces_read(source->name, source->replaces, &ret_member->ak_name, &ret_member->replaces,
                      ret_refusal));
    ret_member->name = source->name;
    ret_member->address = source->address;
    ret_member->raft_address = source->raft_address;
    return STATUS_OK;
}

static enum status members_read(struct manifest *manifest, struct refusal *ret_refusal)
{
    const Tccp__PerimeterManifest *message = manifest->private->message;

    TRY(count_check("members", message->n_members, MANIFEST_MEMBER_COUNT_MAX, ret_refusal));
    if (message->n_members == 0) {
        return refuse(ret_refusal, REFUSAL_MALFORMED, "the manifest names no member");
    }
    TRY(array_new(message->n_members, sizeof *manifest->members, &manifest->members));
    for (size_t i = 0; i < message->n_members; i++) {
        struct manifest_member *member = &manifest->members[i];

        TRY(name_check("member", i, message->members[i]->name,
                       i ? message->members[i - 1]->name : NULL, ret_refusal));
        TRY(member_read(message->members[i], member, ret_refusal));
        for (size_t other = 0; other < i; other++) {
            const struct manifest_member *previous = &manifest->members[other];

            if (tpm_name_equal(&previous->ak_name, &member->ak_name) ||
                strcmp(previous->address, member->address) == 0 ||
                strcmp(previous->raft_address, member->raft_address) == 0) {
                return refuse(ret_refusal, REFUSAL_MALFORMED,
                              "members %s and %s have one AK or address", previous->name,
                              member->name);
            }
        }
        manifest->member_count++;
    }
    manifest->member_policy = manifest_policy_by_name(manifest, message->member_policy);
    if (!manifest->member_policy) {
        return refuse(ret_refusal, REFUSAL_POLICY_MISSING,
                      "member_policy names a policy that the manifest does not have");
    }
    if (manifest->member_policy->reference_count) {
        return refuse(ret_refusal, REFUSAL_MALFORMED,
                      "policy %s is for members and names a reference; members are judged by PCRs "
                      "alone",
                      manifest->member_policy->name);
    }
    return STATUS_OK;
}

static enum status attributes_read(const Tccp__NodeEntry *source,
                                   struct manifest_attribute *ret_attributes,
                                   struct refusal *ret_refusal)
{
    for (size_t i = 0; i < source->n_attributes; i++) {
        const Tccp__Attribute *attribute = source->attributes[i];

        if (!manifest_name_is_valid(attribute->key) || !value_is_valid(attribute->value) ||
            (i && strcmp(source->attributes[i - 1]->key, attribute->key) >= 0)) {
            return refuse(ret_refusal, REFUSAL_MALFORMED,
                          "node %s: attribute %zu is malformed, there twice, or not sorted",
                          source->name, i + 1);
        }
        ret_attributes[i] = (struct manifest_attribute){attribute->key, attribute->value};
    }
    return STATUS_OK;
}

static enum status node_read(const struct manifest *manifest, const Tccp__NodeEntry *source,
                             struct manifest_attribute *attributes, struct manifest_node *ret_node,
                             struct refusal *ret_refusal)
{
    if (manifest_member_by_name(manifest, source->name)) {
        return refuse(ret_refusal, REFUSAL_MALFORMED, "%s is both a member and a node",
                      source->name);
    }
    if (tpm_name_of_view(protobuf_view(source->ek_name), &ret_node->ek_name) != STATUS_OK) {
        return refuse(ret_refusal, REFUSAL_MALFORMED,
                      "node %s: its EK is no TPM name of SHA-256 or SHA-384", source->name);
    }
    ret_node->policy = manifest_policy_by_name(manifest, source->policy);
    if (!ret_node->policy) {
        return refuse(ret_refusal, REFUSAL_POLICY_MISSING,
                      "node %s names a policy that the manifest does not have", source->name);
    }
    TRY(replaces_read(source->name, source->replaces, &ret_node->ek_name, &ret_node->replaces,
                      ret_refusal));
    TRY(attributes_read(source, attributes, ret_refusal));
    ret_node->name = source->name;
    ret_node->attribute_count = source->n_attributes;
    ret_node->attributes = attributes;
    return STATUS_OK;
}

static enum status nodes_read(struct manifest *manifest, struct refusal *ret_refusal)
{
    const Tccp__PerimeterManifest *message = manifest->private->message;
    struct manifest_attribute *attributes;
    size_t attribute_count = 0;

    TRY(count_check("nodes", message->n_nodes, MANIFEST_NODE_COUNT_MAX, ret_refusal));
    for (size_t i = 0; i < message->n_nodes; i++) {
        TRY(count_check("attributes of a node", message->nodes[i]->n_attributes,
                        MANIFEST_ATTRIBUTE_COUNT_MAX, ret_refusal));
        attribute_count += message->nodes[i]->n_attributes;
    }
    TRY(array_new(message->n_nodes, sizeof *manifest->nodes, &manifest->nodes));
    TRY(array_new(attribute_count, sizeof *attributes, &manifest->private->attributes));
    attributes = manifest->private->attributes;
    for (size_t i = 0; i < message->n_nodes; i++) {
        TRY(name_check("node", i, message->nodes[i]->name, i ? message->nodes[i - 1]->name : NULL,
                       ret_refusal));
        TRY(node_read(manifest, message->nodes[i], attributes, &manifest->nodes[i], ret_refusal));
        attributes += message->nodes[i]->n_attributes;
        manifest->node_count++;
    }
    return STATUS_OK;
}

static const char *tpm_entry_name(const struct tpm_entry *entry)
{
    return entry->member ? entry->member->name : entry->node->name;
}

static enum status tpms_index(struct manifest *manifest, struct refusal *ret_refusal)
{
    struct manifest_private *private = manifest->private;

    TRY(array_new(manifest->member_count + manifest->node_count, sizeof *private->tpms,
                  &private->tpms));
    for (size_t i = 0; i < manifest->member_count; i++) {
        private->tpms[private->tpm_count++] = (struct tpm_entry){
            .ek_name = tpm_name_view(&manifest->members[i].ek_name),
            .member = &manifest->members[i],
        };
    }
    for (size_t i = 0; i < manifest->node_count; i++) {
        private->tpms[private->tpm_count++] = (struct tpm_entry){
            .ek_name = tpm_name_view(&manifest->nodes[i].ek_name),
            .node = &manifest->nodes[i],
        };
    }
    qsort(private->tpms, private->tpm_count, sizeof *private->tpms, tpm_entry_compare);
    for (size_t i = 1; i < private->tpm_count; i++) {
        if (view_equal(private->tpms[i - 1].ek_name, private->tpms[i].ek_name)) {
            return refuse(ret_refusal, REFUSAL_MALFORMED, "%s and %s have one TPM",
                          tpm_entry_name(&private->tpms[i - 1]), tpm_entry_name(&private->tpms[i]));
        }
    }
    return STATUS_OK;
}

static enum status operator_read(const Tccp__OperatorEntry *source,
                                 struct manifest_operator *ret_operator,
                                 struct refusal *ret_refusal)
{
    OWN(public_key) struct public_key *key = NULL;
    enum status status = public_key_parse(protobuf_view(source->key), &key);

    if (status == STATUS_MALFORMED) {
        return refuse(ret_refusal, REFUSAL_MALFORMED,
                      "operator %s: not an ECDSA P-256 or Ed25519 key", source->name);
    }
    TRY(status);
    if (strcmp(source->role, operator_role_name(OPERATOR_ROLE_OPERATOR)) == 0) {
        ret_operator->role = OPERATOR_ROLE_OPERATOR;
    } else if (strcmp(source->role, operator_role_name(OPERATOR_ROLE_AUDITOR)) == 0) {
        ret_operator->role = OPERATOR_ROLE_AUDITOR;
    } else {
        return refuse(ret_refusal, REFUSAL_MALFORMED,
                      "operator %s: the role is neither operator nor auditor", source->name);
    }
    ret_operator->name = source->name;
    ret_operator->key = protobuf_view(source->key);
    ret_operator->key_id = public_key_id(key);
    return STATUS_OK;
}

static enum status operators_read(struct manifest *manifest, struct refusal *ret_refusal)
{
    const Tccp__PerimeterManifest *message = manifest->private->message;

    TRY(count_check("operators", message->n_operators, MANIFEST_OPERATOR_COUNT_MAX, ret_refusal));
    TRY(array_new(message->n_operators, sizeof *manifest->operators, &manifest->operators));
    for (size_t i = 0; i < message->n_operators; i++) {
        struct manifest_operator *entry = &manifest->operators[i];
        const struct manifest_operator *other;

        TRY(name_check("operator", i, message->operators[i]->name,
                       i ? message->operators[i - 1]->name : NULL, ret_refusal));
        TRY(operator_read(message->operators[i], entry, ret_refusal));
        other = manifest_operator_by_key(manifest, &entry->key_id);
        if (other) {
            return refuse(ret_refusal, REFUSAL_MALFORMED, "operators %s and %s have one key",
                          other->name, entry->name);
        }
        manifest->operator_count++;
    }
    return STATUS_OK;
}

/* One DER SEQUENCE and no byte more; what is in it is for lib/attest to judge. */
static bool is_der_sequence(struct view der)
{
    struct reader reader = reader_of(der);
    size_t size;
    uint8_t first;

    reader_require(&reader, reader_u8(&reader) == 0x30);
    first = reader_u8(&reader);
    size = first == 0x81 ? reader_u8(&reader) : first == 0x82 ? reader_u16(&reader) : first;
    reader_require(&reader, first < 0x83 && first != 0x80 && size >= (first > 0x80 ? 128 : 1));
    (void)reader_view(&reader, size);
    return reader_done(&reader);
}

static enum status cas_read(struct manifest *manifest, struct refusal *ret_refusal)
{
    const Tccp__PerimeterManifest *message = manifest->private->message;

    TRY(count_check("manufacturer CAs", message->n_manufacturer_cas, MANIFEST_CA_COUNT_MAX,
                    ret_refusal));
    TRY(array_new(message->n_manufacturer_cas, sizeof *manifest->cas, &manifest->cas));
    for (size_t i = 0; i < message->n_manufacturer_cas; i++) {
        struct view ca = protobuf_view(message->manufacturer_cas[i]);

        if (ca.size > MANIFEST_CA_SIZE_MAX || !is_der_sequence(ca)) {
            return refuse(ret_refusal, REFUSAL_MALFORMED,
                          "manufacturer CA %zu is no certificate of at most %d bytes", i + 1,
                          MANIFEST_CA_SIZE_MAX);
        }
        if (i && view_compare(manifest->cas[i - 1], ca) >= 0) {
            return refuse(ret_refusal, REFUSAL_MALFORMED,
                          "manufacturer CA %zu is there twice, or not sorted", i + 1);
        }
        manifest->cas[i] = ca;
        manifest->ca_count++;
    }
    return STATUS_OK;
}

static enum status header_read(struct manifest *manifest, struct refusal *ret_refusal)
{
    const Tccp__PerimeterManifest *message = manifest->private->message;

    if (message->format != MANIFEST_FORMAT) {
        return refuse(ret_refusal, REFUSAL_VERSION, "manifest of format %" PRIu32, message->format);
    }
    if (digest_of_view(protobuf_view(message->perimeter_id), &manifest->perimeter_id) !=
        STATUS_OK) {
        return refuse(ret_refusal, REFUSAL_MALFORMED, "a perimeter id of %zu bytes",
                      message->perimeter_id.len);
    }
    if (message->version == 0 || message->epoch == 0) {
        return refuse(ret_refusal, REFUSAL_MALFORMED, "versions and epochs begin at 1");
    }
    if (message->not_before_s >= message->not_after_s || message->not_after_s > TIME_TEXT_MAX_S) {
        return refuse(ret_refusal, REFUSAL_MALFORMED, "the manifest's validity ends as it begins");
    }
    if (message->lease_s < LEASE_MIN_S || message->lease_s > LEASE_MAX_S) {
        return refuse(ret_refusal, REFUSAL_MALFORMED, "a lease of %" PRIu32 " s; %d to %d",
                      message->lease_s, LEASE_MIN_S, LEASE_MAX_S);
    }
    manifest->version = message->version;
    manifest->epoch = message->epoch;
    manifest->not_before_s = message->not_before_s;
    manifest->not_after_s = message->not_after_s;
    manifest->lease_s = message->lease_s;
    manifest->development = message->development;
    return STATUS_OK;
}

enum status manifest_parse(struct view bytes, struct manifest **ret_manifest,
                           struct refusal *ret_refusal)
{
    OWN(manifest) struct manifest *manifest = NULL;

    if (bytes.size > MANIFEST_SIZE_MAX) {
        return refuse(ret_refusal, REFUSAL_TOO_LARGE, "a manifest of %zu bytes; at most %d",
                      bytes.size, MANIFEST_SIZE_MAX);
    }
    TRY(array_new(1, sizeof *manifest, &manifest));
    TRY(array_new(1, sizeof *manifest->private, &manifest->private));
    manifest->private->message = (Tccp__PerimeterManifest *)protobuf_unpack_strict(
        &tccp__perimeter_manifest__descriptor, bytes, MANIFEST_SIZE_MAX);
    if (!manifest->private->message) {
        return refuse(ret_refusal, REFUSAL_MALFORMED, "not a manifest");
    }
    TRY(bytes_copy(bytes, &manifest->bytes));
    manifest->digest = sha256(bytes);
    TRY(header_read(manifest, ret_refusal));
    TRY(policies_read(manifest, ret_refusal));
    TRY(members_read(manifest, ret_refusal));
    TRY(nodes_read(manifest, ret_refusal));
    TRY(tpms_index(manifest, ret_refusal));
    TRY(operators_read(manifest, ret_refusal));
    TRY(cas_read(manifest, ret_refusal));
    *ret_manifest = TAKE(manifest);
    return STATUS_OK;
}
