#include "lib/base/time_text.h"
#include "lib/perimeter/manifest_text.h"
#include "lib/perimeter/manifest_text_private.h"

#include <inttypes.h>
#include <stdlib.h>

static void string_print(struct writer *writer, const char *key, const char *value)
{
    writer_format(writer, "    %s = %s\n", key, value);
}

static void bool_print(struct writer *writer, const char *key, bool truth)
{
    string_print(writer, key, truth ? "yes" : "no");
}

static void time_line_print(struct writer *writer, const char *key, uint64_t time_s)
{
    char text[TIME_TEXT_SIZE];

    time_print(time_s, text);
    string_print(writer, key, text);
}

static void name_print(struct writer *writer, const char *key, const struct tpm_name *name)
{
    char text[HEX_SIZE(TPM_NAME_SIZE_MAX)];

    hex_encode(tpm_name_view(name), text);
    string_print(writer, key, text);
}

/* May be long. */
static void base64_print(struct writer *writer, const char *key, struct view value)
{
    char *text = malloc(BASE64_SIZE(value.size));

    if (!text) {
        writer->status = STATUS_NO_MEMORY;
        return;
    }
    base64_encode(value, text);
    writer_format(writer, "    %s = ", key);
    writer_view(writer, view_string(text));
    writer_u8(writer, '\n');
    free(text);
}

void manifest_section_print(struct writer *writer, const struct manifest *manifest)
{
    char id[PERIMETER_ID_TEXT_SIZE];

    perimeter_id_print(&manifest->perimeter_id, id);
    writer_format(writer, "manifest {\n");
    string_print(writer, "perimeter", id);
    writer_format(writer, "    version = %" PRIu64 "\n", manifest->version);
    writer_format(writer, "    epoch = %" PRIu64 "\n", manifest->epoch);
    time_line_print(writer, "not_before", manifest->not_before_s);
    time_line_print(writer, "not_after", manifest->not_after_s);
    writer_format(writer, "    lease = %" PRIu32 "s\n", manifest->lease_s);
    string_print(writer, "member_policy", manifest->member_policy->name);
    bool_print(writer, "development", manifest->development);
    for (size_t i = 0; i < manifest->ca_count; i++) {
        base64_print(writer, "manufacturer_ca", manifest->cas[i]);
    }
    writer_format(writer, "}\n");
}

void member_print(struct writer *writer, const struct manifest_member *member)
{
    writer_format(writer, "member %s {\n", member->name);
    name_print(writer, "ek", &member->ek_name);
    name_print(writer, "ak", &member->ak_name);
    if (member->replaces.size > 0) {
        name_print(writer, "replaces", &member->replaces);
    }
    string_print(writer, "address", member->address);
    string_print(writer, "raft_address", member->raft_address);
    writer_format(writer, "}\n");
}

void node_print(struct writer *writer, const struct manifest_node *node)
{
    writer_format(writer, "node %s {\n", node->name);
    name_print(writer, "ek", &node->ek_name);
    if (node->replaces.size > 0) {
        name_print(writer, "replaces", &node->replaces);
    }
    string_print(writer, "policy", node->policy->name);
    for (size_t i = 0; i < node->attribute_count; i++) {
        writer_format(writer, "    attribute %s = %s\n", node->attributes[i].key,
                      node->attributes[i].value);
    }
    writer_format(writer, "}\n");
}

void operator_print(struct writer *writer, const struct manifest_operator *entry)
{
    writer_format(writer, "operator %s {\n", entry->name);
    string_print(writer, "role", operator_role_name(entry->role));
    base64_print(writer, "key", entry->key);
    writer_format(writer, "}\n");
}

static void reference_print(struct writer *writer, const struct manifest_reference *reference)
{
    char digest[HEX_SIZE(SHA256_SIZE)], end[TIME_TEXT_SIZE];

    hex_encode(digest_view(&reference->digest), digest);
    if (reference->not_after_s) {
        time_print(reference->not_after_s, end);
    }
    writer_format(writer, "    reference %s = %s\n", digest,
                  reference->staged        ? REFERENCE_STAGED
                  : reference->not_after_s ? end
                                           : REFERENCE_ENFORCED);
}

void policy_print(struct writer *writer, const struct manifest_policy *policy)
{
    writer_format(writer, "policy %s {\n", policy->name);
    for (unsigned pcr = 0; pcr < PCR_COUNT; pcr++) {
        for (size_t i = 0; i < policy->pcrs.allowed[pcr].count; i++) {
            char text[HEX_SIZE(SHA256_SIZE)];

            hex_encode(digest_view(&policy->pcrs.allowed[pcr].values[i]), text);
            writer_format(writer, "    pcr %u = %s\n", pcr, text);
        }
    }
    for (size_t i = 0; i < policy->reference_count; i++) {
        reference_print(writer, &policy->references[i]);
    }
    bool_print(writer, "needs_event_log", policy->pcrs.needs_event_log);
    bool_print(writer, "needs_ima_log", policy->pcrs.needs_ima_log);
    bool_print(writer, "host_profile", policy->pcrs.host_profile);
    writer_format(writer, "}\n");
}

enum status manifest_print(const struct manifest *manifest, struct bytes *ret_text)
{
    OWN(writer) struct writer writer = writer_new(MANIFEST_TEXT_SIZE_MAX);

    manifest_section_print(&writer, manifest);
    for (size_t i = 0; i < manifest->member_count; i++) {
        member_print(&writer, &manifest->members[i]);
    }
    for (size_t i = 0; i < manifest->node_count; i++) {
        node_print(&writer, &manifest->nodes[i]);
    }
    for (size_t i = 0; i < manifest->operator_count; i++) {
        operator_print(&writer, &manifest->operators[i]);
    }
    for (size_t i = 0; i < manifest->policy_count; i++) {
        policy_print(&writer, &manifest->policies[i]);
    }
    return writer_take(&writer, ret_text);
}
