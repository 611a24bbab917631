#include "lib/base/protobuf.h"
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
