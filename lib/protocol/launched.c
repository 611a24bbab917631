#include "lib/protocol/launched.h"

#include "lib/protocol/message.h"

#include "proto/vm.pb-c.h"

#include <inttypes.h>

enum { LAUNCHED_SIZE_MAX = STARTUP_MEASUREMENT_SIZE_MAX + 256 };

/* A digest that may be missing. */
static ProtobufCBinaryData optional_digest(const struct digest *digest)
{
    return protobuf_data(digest_is_zero(digest) ? (struct view){0} : digest_view(digest));
}

static bool read_optional_digest(ProtobufCBinaryData field, struct digest *ret_digest)
{
    *ret_digest = (struct digest){{0}};
    return field.len == 0 || (message_digest(field, ret_digest) && !digest_is_zero(ret_digest));
}

enum status startup_measurement_build(const struct startup_measurement *measurement,
                                      struct bytes *ret_bytes)
{
    Tccp__StartupMeasurement message = TCCP__STARTUP_MEASUREMENT__INIT;

    message.disk = protobuf_data(digest_view(&measurement->disk));
    message.kernel = optional_digest(&measurement->kernel);
    message.initrd = optional_digest(&measurement->initrd);
    message.configuration = protobuf_data(digest_view(&measurement->configuration));
    return protobuf_pack(&message.base, STARTUP_MEASUREMENT_SIZE_MAX, ret_bytes);
}

enum status startup_measurement_parse(struct view bytes,
                                      struct startup_measurement *ret_measurement,
                                      struct refusal *refusal)
{
    OWN(message)
    Tccp__StartupMeasurement *message = (Tccp__StartupMeasurement *)protobuf_unpack_strict(
        &tccp__startup_measurement__descriptor, bytes, STARTUP_MEASUREMENT_SIZE_MAX);
    struct startup_measurement measurement;

    if (!message || !message_digest(message->disk, &measurement.disk) ||
        !read_optional_digest(message->kernel, &measurement.kernel) ||
        !read_optional_digest(message->initrd, &measurement.initrd) ||
        !message_digest(message->configuration, &measurement.configuration)) {
        return refuse(refusal, REFUSAL_MALFORMED, "startup measurement");
    }
    *ret_measurement = measurement;
    return STATUS_OK;
}

enum status launched_make(const struct launched *launched, const struct scope *scope,
                          const struct signer *tk_sign, struct bytes *ret_bytes)
{
    Tccp__Launched message = TCCP__LAUNCHED__INIT;
    OWN(bytes) struct bytes measurement = {0};
    OWN(bytes) struct bytes document = {0};

    TRY(startup_measurement_build(&launched->measurement, &measurement));
    message.order = protobuf_data(digest_view(&launched->order));
    message.vm = protobuf_data(digest_view(&launched->vm));
    message.generation = launched->generation;
    message.registration = launched->registration;
    message.measurement = protobuf_data(bytes_view(&measurement));
    message.proof = protobuf_data(digest_view(&launched->proof));
    TRY(protobuf_pack(&message.base, LAUNCHED_SIZE_MAX, &document));
    return signed_message_make(SIGNED_LAUNCHED, scope, bytes_view(&document), tk_sign, ret_bytes);
}

static enum status read_document(struct view document, struct launched *launched,
                                 struct digest *ret_measurement, struct refusal *refusal)
{
    OWN(message)
    Tccp__Launched *message = (Tccp__Launched *)protobuf_unpack_strict(&tccp__launched__descriptor,
                                                                       document, LAUNCHED_SIZE_MAX);

    if (!message || !message_digest(message->order, &launched->order) ||
        !message_digest(message->vm, &launched->vm) ||
        !message_digest(message->proof, &launched->proof)) {
        return refuse(refusal, REFUSAL_MALFORMED, "report of a launch");
    }
    launched->generation = message->generation;
    launched->registration = message->registration;
    *ret_measurement = sha256(protobuf_view(message->measurement));
    return startup_measurement_parse(protobuf_view(message->measurement), &launched->measurement,
                                     refusal);
}

enum status launched_peek(struct view bytes, struct digest *ret_vm, struct refusal *refusal)
{
    OWN(signed_message) struct signed_message message = {{0}, {0}};
    struct digest measurement;
    struct launched launched;

    TRY(signed_message_parse(SIGNED_LAUNCHED, bytes, &message, refusal));
    TRY(read_document(bytes_view(&message.document), &launched, &measurement, refusal));
    *ret_vm = launched.vm;
    return STATUS_OK;
}

enum status launched_check(struct view bytes, const struct launched_expectation *expectation,
                           struct launched *ret_launched, struct digest *ret_measurement,
                           struct refusal *refusal)
{
    OWN(bytes) struct bytes document = {0};
    struct launched launched;
    struct digest measurement;

    TRY(signed_message_check(SIGNED_LAUNCHED, bytes, &expectation->scope, expectation->tk_sign,
                             &document, refusal));
    TRY(read_document(bytes_view(&document), &launched, &measurement, refusal));
    if (!digest_equal(&launched.vm, &expectation->vm) ||
        !digest_equal(&launched.order, &expectation->order)) {
        return refuse(refusal, REFUSAL_ORDER, "the report is about another order");
    }
    if (launched.registration != expectation->registration) {
        return refuse(refusal, REFUSAL_REGISTRATION, "report of %" PRIu64 ", owner is %" PRIu64,
                      launched.registration, expectation->registration);
    }
    if (launched.generation != expectation->generation) {
        return refuse(refusal, REFUSAL_GENERATION, "report of %" PRIu64 ", now %" PRIu64,
                      launched.generation, expectation->generation);
    }
    if (!digest_equal(&launched.measurement.disk, &expectation->disk) ||
        !digest_equal(&launched.measurement.kernel, &expectation->kernel) ||
        !digest_equal(&launched.measurement.initrd, &expectation->initrd)) {
        return refuse(refusal, REFUSAL_IMAGE_DIGEST, "the node measured another image");
    }
    *ret_launched = launched;
    *ret_measurement = measurement;
    return STATUS_OK;
}
