#include "lib/base/protobuf.h"
#include "lib/base/text.h"
#include "lib/perimeter/manifest.h"

#include <inttypes.h>

static enum status version_check(const struct manifest *manifest,
                                 const struct manifest_expectation *expectation,
                                 struct refusal *ret_refusal)
{
    if (manifest->version < expectation->version ||
        (manifest->version == expectation->version && !expectation->may_be_same)) {
        return refuse(ret_refusal, REFUSAL_OLD_VERSION,
                      "version %" PRIu64 " is shown; %" PRIu64 " is in force", manifest->version,
                      expectation->version);
    }
    if (manifest->epoch < expectation->epoch) {
        return refuse(ret_refusal, REFUSAL_OLD_EPOCH,
                      "epoch %" PRIu64 " is shown; %" PRIu64 " is in force", manifest->epoch,
                      expectation->epoch);
    }
    return STATUS_OK;
}

enum status manifest_check(const Tccp__SignedDocument *document,
                           const struct manifest_expectation *expectation,
                           struct manifest **ret_manifest, struct refusal *ret_refusal)
{
    OWN(manifest) struct manifest *manifest = NULL;
    struct scope scope = {.perimeter_id = expectation->root->id};

    TRY(manifest_parse(protobuf_view(document->document), &manifest, ret_refusal));
    if (!digest_equal(&manifest->perimeter_id, &expectation->root->id)) {
        return refuse(ret_refusal, REFUSAL_WRONG_PERIMETER, "manifest version %" PRIu64,
                      manifest->version);
    }
    scope.epoch = manifest->epoch;
    TRY(signed_document_check(document, DOCUMENT_MANIFEST, &scope, expectation->root, ret_refusal));
    TRY(version_check(manifest, expectation, ret_refusal));
    if (expectation->now_s < manifest->not_before_s) {
        return refuse(ret_refusal, REFUSAL_NOT_YET_VALID,
                      "manifest version %" PRIu64 " begins %" PRIu64 " s from now",
                      manifest->version, manifest->not_before_s - expectation->now_s);
    }
    if (expectation->now_s > manifest->not_after_s && !expectation->tolerate_expired) {
        return refuse(ret_refusal, REFUSAL_MANIFEST_EXPIRED,
                      "manifest version %" PRIu64 " ended %" PRIu64 " s ago", manifest->version,
                      expectation->now_s - manifest->not_after_s);
    }
    *ret_manifest = TAKE(manifest);
    return STATUS_OK;
}

static enum status undeclared(const char *kind, const char *name, const char *key,
                              const struct tpm_name *before, struct refusal *ret_refusal)
{
    char text[HEX_SIZE(TPM_NAME_SIZE_MAX)];

    hex_encode(tpm_name_view(before), text);
    return refuse(ret_refusal, REFUSAL_UNDECLARED_REPLACEMENT, "%s %s had the %s %s", kind, name,
                  key, text);
}

enum status manifest_replacements_check(const struct manifest *before, const struct manifest *after,
                                        struct refusal *ret_refusal)
{
    for (size_t i = 0; i < after->member_count; i++) {
        const struct manifest_member *new = &after->members[i];
        const struct manifest_member *old = manifest_member_by_name(before, new->name);

        if (old &&
            (!tpm_name_equal(&old->ek_name, &new->ek_name) ||
             !tpm_name_equal(&old->ak_name, &new->ak_name)) &&
            !tpm_name_equal(&new->replaces, &old->ak_name)) {
            return undeclared("member", new->name, "AK", &old->ak_name, ret_refusal);
        }
    }
    for (size_t i = 0; i < after->node_count; i++) {
        const struct manifest_node *new = &after->nodes[i];
        const struct manifest_node *old = manifest_node_by_name(before, new->name);

        if (old && !tpm_name_equal(&old->ek_name, &new->ek_name) &&
            !tpm_name_equal(&new->replaces, &old->ek_name)) {
            return undeclared("node", new->name, "EK", &old->ek_name, ret_refusal);
        }
    }
    return STATUS_OK;
}
