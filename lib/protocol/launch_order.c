#include "lib/protocol/launch_order.h"

#include "lib/protocol/message.h"
#include "lib/protocol/sealing.h"

#include "proto/vm.pb-c.h"

#include <inttypes.h>
#include <string.h>

enum { ORDER_HEADER_SIZE_MAX = 512, ORDER_DOCUMENT_SIZE_MAX = 16 * 1024 };

static Tccp__OrderPurpose purpose_to_message(enum order_purpose purpose)
{
    switch (purpose) {
    case ORDER_LAUNCH:
        return TCCP__ORDER_PURPOSE__ORDER_PURPOSE_LAUNCH;
    case ORDER_READOPT:
        return TCCP__ORDER_PURPOSE__ORDER_PURPOSE_READOPT;
    case ORDER_MIGRATE:
        return TCCP__ORDER_PURPOSE__ORDER_PURPOSE_MIGRATE;
    }
    ASSERT(!"a purpose");
}

static bool purpose_of_message(Tccp__OrderPurpose message, enum order_purpose *ret_purpose)
{
    for (enum order_purpose purpose = ORDER_LAUNCH; purpose <= ORDER_MIGRATE; purpose++) {
        if (purpose_to_message(purpose) == message) {
            *ret_purpose = purpose;
            return true;
        }
    }
    return false;
}

static enum status header_build(const struct order_header *header, struct bytes *ret_bytes)
{
    Tccp__OrderHeader message = TCCP__ORDER_HEADER__INIT;

    message.order = protobuf_data(VIEW_OF_ARRAY(header->order));
    message.vm = protobuf_data(digest_view(&header->vm));
    message.node = protobuf_data((struct view){header->node, header->node_size});
    message.registration = header->registration;
    message.generation = header->generation;
    message.image = protobuf_data(digest_view(&header->image));
    message.pseudonym = protobuf_data(VIEW_OF_ARRAY(header->pseudonym));
    message.purpose = purpose_to_message(header->purpose);
    message.migration = header->migration;
    message.start_generation = header->start_generation;
    return protobuf_pack(&message.base, ORDER_HEADER_SIZE_MAX, ret_bytes);
}

static bool header_parse(struct view bytes, struct order_header *header)
{
    OWN(message)
    Tccp__OrderHeader *message = (Tccp__OrderHeader *)protobuf_unpack_strict(
        &tccp__order_header__descriptor, bytes, ORDER_HEADER_SIZE_MAX);

    if (!message || !message_copy(message->order, header->order, sizeof header->order) ||
        !message_digest(message->vm, &header->vm) || message->node.len == 0 ||
        message->node.len > sizeof header->node ||
        !message_digest(message->image, &header->image) ||
        !message_copy(message->pseudonym, header->pseudonym, sizeof header->pseudonym) ||
        !purpose_of_message(message->purpose, &header->purpose) || message->registration == 0 ||
        message->generation == 0 ||
        (message->migration != 0) != (header->purpose == ORDER_MIGRATE) ||
        message->start_generation == 0 || message->start_generation > message->generation) {
        return false;
    }
    memcpy(header->node, message->node.data, message->node.len);
    header->node_size = message->node.len;
    header->registration = message->registration;
    header->generation = message->generation;
    header->migration = message->migration;
    header->start_generation = message->start_generation;
    return true;
}

/* What is sealed, and under which info. */
static enum status seal(const struct order_content *content, const struct scope *scope,
                        struct view header, struct view tk_kem,
                        const uint8_t entropy[HPKE_ENTROPY_SIZE], struct bytes *ret_sealed)
{
    OWN(bytes) struct bytes info = {0};
    OWN(vm_secret) struct vm_secret secret = {.plaintext = {0}};

    TRY(sealing_info(SEALING_ORDER, scope, &info));
    TRY(vm_secret_make(content->nonce, content->key, content->policy, &secret));
    return hpke_seal(tk_kem, bytes_view(&info), header, secret_view(&secret.plaintext), entropy,
                     ret_sealed);
}

enum status launch_order_make(const struct order_content *content, const struct scope *scope,
                              struct view tk_kem, const struct signer *tc_sign,
                              const uint8_t entropy[HPKE_ENTROPY_SIZE], struct bytes *ret_order)
{
    Tccp__LaunchOrder message;
    OWN(bytes) struct bytes header = {0};
    OWN(bytes) struct bytes sealed = {0};
    OWN(bytes) struct bytes document = {0};
    struct order_header again;

    TRY(header_build(&content->header, &header));
    if (!header_parse(bytes_view(&header), &again)) {
        return STATUS_MALFORMED;
    }
    TRY(seal(content, scope, bytes_view(&header), tk_kem, entropy, &sealed));
    tccp__launch_order__init(&message);
    message.header = protobuf_data(bytes_view(&header));
    message.sealed = protobuf_data(bytes_view(&sealed));
    message.image_manifest = protobuf_data(content->image_manifest);
    message.image_location = message_string(content->image_location);
    TRY(protobuf_pack(&message.base, ORDER_DOCUMENT_SIZE_MAX, &document));
    return signed_message_make(SIGNED_LAUNCH_ORDER, scope, bytes_view(&document), tc_sign,
                               ret_order);
}

void launch_order_free(struct launch_order *order)
{
    bytes_free(&order->header_bytes);
    bytes_free(&order->sealed);
    bytes_free(&order->manifest_bytes);
}

static enum status read_document(struct view document, struct launch_order *order,
                                 struct refusal *refusal)
{
    OWN(message)
    Tccp__LaunchOrder *message = (Tccp__LaunchOrder *)protobuf_unpack_strict(
        &tccp__launch_order__descriptor, document, ORDER_DOCUMENT_SIZE_MAX);

    if (!message || !header_parse(protobuf_view(message->header), &order->header) ||
        message->sealed.len > HPKE_SEALED_SIZE_MAX ||
        !protocol_text_good(message->image_location, REQUEST_LOCATION_LENGTH_MAX)) {
        return refuse(refusal, REFUSAL_MALFORMED, "launch order");
    }
    strcpy(order->image_location, message->image_location);
    TRY(bytes_copy(protobuf_view(message->header), &order->header_bytes));
    TRY(bytes_copy(protobuf_view(message->sealed), &order->sealed));
    TRY(bytes_copy(protobuf_view(message->image_manifest), &order->manifest_bytes));
    TRY(image_manifest_parse(bytes_view(&order->manifest_bytes), &order->manifest, refusal));
    order->digest = sha256(document);
    return STATUS_OK;
}

enum status launch_order_check(struct view bytes, const struct order_expectation *expectation,
                               struct launch_order *ret_order, struct refusal *refusal)
{
    OWN(launch_order) struct launch_order order = {.image_location = ""};
    OWN(bytes) struct bytes document = {0};
    struct digest image;

    TRY(signed_message_check(SIGNED_LAUNCH_ORDER, bytes, &expectation->scope, expectation->tc_sign,
                             &document, refusal));
    TRY(read_document(bytes_view(&document), &order, refusal));
    if (!view_equal((struct view){order.header.node, order.header.node_size}, expectation->node)) {
        return refuse(refusal, REFUSAL_ORDER, "the order is for another node");
    }
    if (order.header.registration != expectation->registration) {
        return refuse(refusal, REFUSAL_REGISTRATION, "order for %" PRIu64 ", we are %" PRIu64,
                      order.header.registration, expectation->registration);
    }
    image = image_manifest_digest(bytes_view(&order.manifest_bytes));
    if (!digest_equal(&image, &order.header.image)) {
        return refuse(refusal, REFUSAL_ORDER, "the image manifest is not the one of the order");
    }
    *ret_order = TAKE(order);
    return STATUS_OK;
}

enum status launch_order_open(const struct launch_order *order, const struct scope *scope,
                              uint64_t generation_seen, const struct private_key *tk_kem,
                              struct vm_secret *ret_secret, struct launch_policy *ret_policy,
                              struct refusal *refusal)
{
    OWN(bytes) struct bytes info = {0};
    OWN(secret) struct secret plaintext = {0};
    OWN(vm_secret) struct vm_secret secret = {.plaintext = {0}};
    enum status status;

    if (order->header.generation < generation_seen) {
        return refuse(refusal, REFUSAL_GENERATION, "order of %" PRIu64 ", seen %" PRIu64,
                      order->header.generation, generation_seen);
    }
    TRY(sealing_info(SEALING_ORDER, scope, &info));
    status = hpke_open(tk_kem, bytes_view(&info), bytes_view(&order->header_bytes),
                       bytes_view(&order->sealed), &plaintext);
    if (status == STATUS_UNTRUSTED || status == STATUS_MALFORMED || status == STATUS_TOO_LARGE) {
        return refuse(refusal, REFUSAL_ORDER, "the key does not open");
    }
    TRY(status);
    if (vm_secret_parse(&plaintext, &secret) != STATUS_OK) {
        return refuse(refusal, REFUSAL_ORDER, "its contents");
    }
    TRY(launch_policy_parse(secret.body, ret_policy, refusal));
    *ret_secret = TAKE(secret);
    return STATUS_OK;
}
