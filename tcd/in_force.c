#include "tcd/in_force.h"

#include "lib/base/protobuf.h"

#include "proto/perimeter.pb-c.h"

#include <stdlib.h>

enum { EXTENSION_SIZE_MAX = 48 * 1024 };

enum status in_force_of_bundle(struct view bytes, const struct digest *perimeter_id, uint64_t now_s,
                               struct in_force **ret_in_force, struct refusal *ret_refusal)
{
    struct bundle_expectation expectation = {
        .perimeter_id = *perimeter_id,
        .now_s = now_s,
        .tolerate_expired_manifest = true,
        .tolerate_no_endorsement = true,
    };
    OWN(in_force) struct in_force *in_force = calloc(1, sizeof *in_force);
    Tccp__PerimeterBundle *message;
    enum status status;

    if (!in_force) {
        return STATUS_NO_MEMORY;
    }
    in_force->references = 1;
    TRY(bundle_check(bytes, &expectation, &in_force->bundle, ret_refusal));
    TRY(bytes_copy(bytes, &in_force->bundle_bytes));
    message = (Tccp__PerimeterBundle *)protobuf_unpack(&tccp__perimeter_bundle__descriptor, bytes,
                                                       BUNDLE_SIZE_MAX);
    if (!message) {
        return STATUS_NO_MEMORY; /* It was well-formed a moment ago. */
    }
    status = cluster_trust_extension(message, &in_force->ca_extension);
    tccp__perimeter_bundle__free_unpacked(message, NULL);
    TRY(status);
    *ret_in_force = TAKE(in_force);
    return STATUS_OK;
}

/* The bytes of a PerimeterBundle are its documents one after the other, each as a field of its own:
 * protobuf's encoding of messages inside a message, so that signed bytes are not serialised again.
 */
static void add_field(struct writer *writer, uint8_t field, struct view content)
{
    size_t rest = content.size;

    if (content.size == 0) {
        return;
    }
    writer_u8(writer, (uint8_t)(field << 3 | PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED));
    while (rest >= 0x80) {
        writer_u8(writer, (uint8_t)(rest | 0x80));
        rest >>= 7;
    }
    writer_u8(writer, (uint8_t)rest);
    writer_view(writer, content);
}

enum status in_force_new(const struct in_force_documents *documents,
                         const struct digest *perimeter_id, uint64_t now_s,
                         struct in_force **ret_in_force, struct refusal *ret_refusal)
{
    OWN(writer) struct writer writer = writer_new(BUNDLE_SIZE_MAX);
    OWN(bytes) struct bytes bytes = {0};

    add_field(&writer, 1, documents->root);
    for (size_t i = 0; i < documents->succession_count; i++) {
        add_field(&writer, 2, bytes_view(&documents->successions[i]));
    }
    add_field(&writer, 3, documents->manifest);
    add_field(&writer, 4, documents->endorsement);
    TRY(writer_take(&writer, &bytes));
    return in_force_of_bundle(bytes_view(&bytes), perimeter_id, now_s, ret_in_force, ret_refusal);
}

enum status in_force_references(const struct in_force *in_force,
                                const struct manifest_policy *policy, uint64_t now_s,
                                struct references *ret_references)
{
    (void)in_force;
    (void)policy;
    (void)now_s;
    *ret_references = (struct references){0};
    return STATUS_OK;
}

struct in_force *in_force_hold(struct in_force *in_force)
{
    in_force->references++;
    return in_force;
}

void in_force_release(struct in_force *in_force)
{
    if (!in_force || --in_force->references > 0) {
        return;
    }
    if (in_force->bundle) {
        bundle_free(in_force->bundle);
    }
    bytes_free(&in_force->bundle_bytes);
    bytes_free(&in_force->ca_extension);
    free(in_force);
}
