#include "lib/perimeter/manifest.h"

#include "lib/perimeter/manifest_private.h"

#include <stdlib.h>
#include <string.h>

void manifest_free(struct manifest *manifest)
{
    if (manifest->private) {
        if (manifest->private->message) {
            tccp__perimeter_manifest__free_unpacked(manifest->private->message, NULL);
        }
        free(manifest->private->attributes);
        free(manifest->private->tpms);
        free(manifest->private);
    }
    for (size_t i = 0; i < manifest->policy_count; i++) {
        pcr_policy_free(&manifest->policies[i].pcrs);
        free(manifest->policies[i].references);
    }
    free(manifest->members);
    free(manifest->nodes);
    free(manifest->operators);
    free(manifest->cas);
    free(manifest->policies);
    bytes_free(&manifest->bytes);
    free(manifest);
}

const char *operator_role_name(enum operator_role role)
{
    switch (role) {
    case OPERATOR_ROLE_OPERATOR:
        return "operator";
    case OPERATOR_ROLE_AUDITOR:
        return "auditor";
    }
    return "";
}

bool character_is_alphanumeric(char character)
{
    return (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z') ||
           (character >= '0' && character <= '9');
}

bool manifest_name_is_valid(const char *name)
{
    if (!character_is_alphanumeric(name[0]) || strlen(name) > MANIFEST_NAME_LENGTH_MAX) {
        return false;
    }
    for (; *name; name++) {
        if (!character_is_alphanumeric(*name) && !strchr("-_.", *name)) {
            return false;
        }
    }
    return true;
}

int tpm_entry_compare(const void *left, const void *right)
{
    return view_compare(((const struct tpm_entry *)left)->ek_name,
                        ((const struct tpm_entry *)right)->ek_name);
}

static const struct tpm_entry *tpm_entry_find(const struct manifest *manifest, struct view ek_name)
{
    const struct tpm_entry key = {.ek_name = ek_name};

    return bsearch(&key, manifest->private->tpms, manifest->private->tpm_count, sizeof key,
                   tpm_entry_compare);
}

const struct manifest_member *manifest_member_by_ek(const struct manifest *manifest,
                                                    struct view ek_name)
{
    const struct tpm_entry *entry = tpm_entry_find(manifest, ek_name);

    return entry ? entry->member : NULL;
}

const struct manifest_node *manifest_node_by_ek(const struct manifest *manifest,
                                                struct view ek_name)
{
    const struct tpm_entry *entry = tpm_entry_find(manifest, ek_name);

    return entry ? entry->node : NULL;
}

const struct manifest_member *manifest_member_by_ak(const struct manifest *manifest,
                                                    struct view ak_name)
{
    for (size_t i = 0; i < manifest->member_count; i++) {
        if (view_equal(tpm_name_view(&manifest->members[i].ak_name), ak_name)) {
            return &manifest->members[i];
        }
    }
    return NULL;
}

const struct manifest_member *manifest_member_by_name(const struct manifest *manifest,
                                                      const char *name)
{
    for (size_t i = 0; i < manifest->member_count; i++) {
        if (strcmp(manifest->members[i].name, name) == 0) {
            return &manifest->members[i];
        }
    }
    return NULL;
}

static int node_name_compare(const void *name, const void *node)
{
    return strcmp(name, ((const struct manifest_node *)node)->name);
}

const struct manifest_node *manifest_node_by_name(const struct manifest *manifest, const char *name)
{
    return bsearch(name, manifest->nodes, manifest->node_count, sizeof *manifest->nodes,
                   node_name_compare);
}

const struct manifest_operator *manifest_operator_by_key(const struct manifest *manifest,
                                                         const struct digest *key_id)
{
    for (size_t i = 0; i < manifest->operator_count; i++) {
        if (digest_equal(&manifest->operators[i].key_id, key_id)) {
            return &manifest->operators[i];
        }
    }
    return NULL;
}

static int policy_name_compare(const void *name, const void *policy)
{
    return strcmp(name, ((const struct manifest_policy *)policy)->name);
}

const struct manifest_policy *manifest_policy_by_name(const struct manifest *manifest,
                                                      const char *name)
{
    return bsearch(name, manifest->policies, manifest->policy_count, sizeof *manifest->policies,
                   policy_name_compare);
}

const struct manifest_reference *manifest_policy_reference(const struct manifest_policy *policy,
                                                           const struct digest *digest)
{
    for (size_t i = 0; i < policy->reference_count; i++) {
        if (digest_equal(&policy->references[i].digest, digest)) {
            return &policy->references[i];
        }
    }
    return NULL;
}

const char *manifest_node_attribute(const struct manifest_node *node, const char *key)
{
    for (size_t i = 0; i < node->attribute_count; i++) {
        if (strcmp(node->attributes[i].key, key) == 0) {
            return node->attributes[i].value;
        }
    }
    return NULL;
}
