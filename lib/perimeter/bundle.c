#include "lib/perimeter/bundle.h"

#include "lib/base/protobuf.h"
#include "lib/crypto/x509.h"

#include <inttypes.h>
#include <stdlib.h>

void bundle_free(struct bundle *bundle)
{
    if (bundle->manifest) {
        manifest_free(bundle->manifest);
    }
    free(bundle);
}

/* The pinned root with all its successions. */
static enum status root_check(const Tccp__PerimeterBundle *message,
                              const struct digest *perimeter_id, struct perimeter_root *ret_root,
                              struct refusal *ret_refusal)
{
    TRY(root_parse(protobuf_view(message->root), ret_root, ret_refusal));
    if (!digest_equal(&ret_root->id, perimeter_id)) {
        char shown[PERIMETER_ID_TEXT_SIZE], pinned[PERIMETER_ID_TEXT_SIZE];

        perimeter_id_print(&ret_root->id, shown);
        perimeter_id_print(perimeter_id, pinned);
        return refuse(ret_refusal, REFUSAL_WRONG_PERIMETER, "%s is shown; %s is pinned", shown,
                      pinned);
    }
    if (message->n_successions > SUCCESSION_COUNT_MAX) {
        return refuse(ret_refusal, REFUSAL_TOO_LARGE, "%zu successions", message->n_successions);
    }
    for (size_t i = 0; i < message->n_successions; i++) {
        TRY(root_apply_succession(ret_root, message->successions[i], ret_refusal));
    }
    return STATUS_OK;
}

static enum status manifest_add(const Tccp__PerimeterBundle *message,
                                const struct bundle_expectation *expectation, struct bundle *bundle,
                                struct refusal *ret_refusal)
{
    const struct manifest_expectation manifest_expectation = {
        .root = &bundle->root,
        .version = expectation->memory.manifest_version,
        .epoch = expectation->memory.epoch,
        .may_be_same = true,
        .tolerate_expired = expectation->tolerate_expired_manifest,
        .now_s = expectation->now_s,
    };

    if (!message->manifest) {
        return refuse(ret_refusal, REFUSAL_MALFORMED, "the bundle holds no manifest");
    }
    TRY(manifest_check(message->manifest, &manifest_expectation, &bundle->manifest, ret_refusal));
    bundle->manifest_expired = expectation->now_s > bundle->manifest->not_after_s;
    bundle->seen.manifest_version = bundle->manifest->version;
    bundle->seen.epoch = bundle->manifest->epoch;
    return STATUS_OK;
}

static enum status endorsement_add(const Tccp__PerimeterBundle *message,
                                   const struct bundle_expectation *expectation,
                                   struct bundle *bundle, struct refusal *ret_refusal)
{
    enum status status;

    if (!message->endorsement) {
        return expectation->tolerate_no_endorsement
                   ? STATUS_OK
                   : refuse(ret_refusal, REFUSAL_ENDORSEMENT_MISSING, "the bundle holds none");
    }
    status = endorsement_check(message->endorsement, &bundle->root, expectation->now_s,
                               &bundle->endorsement, ret_refusal);
    if (status == STATUS_OK && bundle->endorsement.epoch != bundle->manifest->epoch) {
        status = refuse(ret_refusal, REFUSAL_EPOCH_MISMATCH,
                        "the endorsement is of epoch %" PRIu64 ", the manifest of %" PRIu64,
                        bundle->endorsement.epoch, bundle->manifest->epoch);
    }
    if (status == STATUS_REFUSED && expectation->tolerate_no_endorsement) {
        return STATUS_OK;
    }
    TRY(status);
    bundle->endorsed = true;
    return STATUS_OK;
}

enum status bundle_check_message(const Tccp__PerimeterBundle *message,
                                 const struct bundle_expectation *expectation,
                                 struct bundle **ret_bundle, struct refusal *ret_refusal)
{
    OWN(bundle) struct bundle *bundle = calloc(1, sizeof *bundle);

    if (!bundle) {
        return STATUS_NO_MEMORY;
    }
    TRY(root_check(message, &expectation->perimeter_id, &bundle->root, ret_refusal));
    bundle->seen.succession = bundle->root.succession;
    TRY(manifest_add(message, expectation, bundle, ret_refusal));
    TRY(perimeter_memory_check(&expectation->memory, &bundle->seen, ret_refusal));
    TRY(endorsement_add(message, expectation, bundle, ret_refusal));
    *ret_bundle = TAKE(bundle);
    return STATUS_OK;
}

static enum status bundle_parse(struct view bytes, Tccp__PerimeterBundle **ret_message,
                                struct refusal *ret_refusal)
{
    if (bytes.size > BUNDLE_SIZE_MAX) {
        return refuse(ret_refusal, REFUSAL_TOO_LARGE, "a bundle of %zu bytes", bytes.size);
    }
    *ret_message = (Tccp__PerimeterBundle *)protobuf_unpack(&tccp__perimeter_bundle__descriptor,
                                                            bytes, BUNDLE_SIZE_MAX);
    return *ret_message ? STATUS_OK
                        : refuse(ret_refusal, REFUSAL_MALFORMED, "not a perimeter bundle");
}

enum status bundle_check(struct view bytes, const struct bundle_expectation *expectation,
                         struct bundle **ret_bundle, struct refusal *ret_refusal)
{
    Tccp__PerimeterBundle *message;
    enum status status;

    TRY(bundle_parse(bytes, &message, ret_refusal));
    status = bundle_check_message(message, expectation, ret_bundle, ret_refusal);
    tccp__perimeter_bundle__free_unpacked(message, NULL);
    return status;
}

static enum status trust_read(const Tccp__PerimeterBundle *message,
                              const struct certificate_authority *authority,
                              const struct bundle_expectation *expectation,
                              struct cluster_trust *ret_trust, struct refusal *ret_refusal)
{
    TRY(root_check(message, &expectation->perimeter_id, &ret_trust->root, ret_refusal));
    if (!message->endorsement) {
        return refuse(ret_refusal, REFUSAL_ENDORSEMENT_MISSING, "the CA certificate holds none");
    }
    TRY(endorsement_check(message->endorsement, &ret_trust->root, expectation->now_s,
                          &ret_trust->endorsement, ret_refusal));
    ret_trust->seen = (struct perimeter_memory){
        .succession = ret_trust->root.succession,
        .epoch = ret_trust->endorsement.epoch,
    };
    TRY(perimeter_memory_check(&expectation->memory, &ret_trust->seen, ret_refusal));
    if (!view_equal((struct view){authority->spki, authority->spki_size},
                    perimeter_key_view(&ret_trust->endorsement.tc_sign))) {
        return refuse(ret_refusal, REFUSAL_CERTIFICATE_CHAIN,
                      "the CA certificate's key is not the endorsed one");
    }
    return STATUS_OK;
}

enum status cluster_trust_check(struct view ca_certificate,
                                const struct bundle_expectation *expectation,
                                struct cluster_trust *ret_trust, struct refusal *ret_refusal)
{
    struct certificate_authority authority;
    struct cluster_trust trust = {.seen = {0}};
    Tccp__PerimeterBundle *message;
    enum status status;

    TRY(certificate_check_authority(ca_certificate, expectation->now_s, &authority, ret_refusal));
    TRY(bundle_parse(authority.bundle, &message, ret_refusal));
    status = trust_read(message, &authority, expectation, &trust, ret_refusal);
    tccp__perimeter_bundle__free_unpacked(message, NULL);
    TRY(status);
    *ret_trust = trust;
    return STATUS_OK;
}

enum status cluster_trust_extension(const Tccp__PerimeterBundle *bundle,
                                    struct bytes *ret_extension)
{
    Tccp__PerimeterBundle message = *bundle;

    message.manifest = NULL;
    return protobuf_pack(&message.base, CERTIFICATE_BUNDLE_SIZE_MAX, ret_extension);
}
