#include "lib/protocol/launch_request.h"

#include "lib/protocol/message.h"

#include "proto/vm.pb-c.h"

#include <inttypes.h>
#include <string.h>

enum status launch_request_make(const struct launch_request_content *content,
                                const struct scope *scope, const struct signer *cust_sign,
                                struct bytes *ret_request)
{
    Tccp__LaunchRequest message;
    OWN(bytes) struct bytes document = {0};
    OWN(bytes) struct bytes bytes = {0};
    OWN(launch_request) struct launch_request again = {.name = ""};

    tccp__launch_request__init(&message);
    message.name = message_string(content->name);
    message.image_manifest = protobuf_data(content->image_manifest);
    message.image_signature = protobuf_data(content->image_signature);
    message.ticket = protobuf_data(content->ticket);
    message.image_location = message_string(content->image_location);
    TRY(protobuf_pack(&message.base, REQUEST_SIZE_MAX, &document));
    TRY(signed_message_make(SIGNED_LAUNCH_REQUEST, scope, bytes_view(&document), cust_sign,
                            &bytes));
    if (launch_request_parse(bytes_view(&bytes), &again, NULL) != STATUS_OK) {
        return STATUS_MALFORMED;
    }
    *ret_request = TAKE(bytes);
    return STATUS_OK;
}

void launch_request_free(struct launch_request *request)
{
    signed_message_free(&request->message);
    bytes_free(&request->manifest_bytes);
    bytes_free(&request->manifest_signature);
    bytes_free(&request->ticket);
}

enum status launch_request_parse(struct view bytes, struct launch_request *ret_request,
                                 struct refusal *refusal)
{
    OWN(launch_request) struct launch_request request = {.name = ""};
    OWN(message) Tccp__LaunchRequest *message = NULL;

    if (bytes.size > REQUEST_SIZE_MAX) {
        return refuse(refusal, REFUSAL_TOO_LARGE, "launch request of %zu bytes", bytes.size);
    }
    TRY(signed_message_parse(SIGNED_LAUNCH_REQUEST, bytes, &request.message, refusal));
    message = (Tccp__LaunchRequest *)protobuf_unpack_strict(
        &tccp__launch_request__descriptor, bytes_view(&request.message.document), REQUEST_SIZE_MAX);
    if (!message || message->ticket.len == 0 || message->ticket.len > HPKE_SEALED_SIZE_MAX ||
        message->image_signature.len > SIGNATURE_SIZE_MAX) {
        return refuse(refusal, REFUSAL_MALFORMED, "launch request");
    }
    if (!protocol_text_good(message->name, REQUEST_NAME_LENGTH_MAX)) {
        return refuse(refusal, REFUSAL_MALFORMED, "launch request: name");
    }
    if (!protocol_text_good(message->image_location, REQUEST_LOCATION_LENGTH_MAX)) {
        return refuse(refusal, REFUSAL_MALFORMED, "launch request: image_location");
    }
    strcpy(request.name, message->name);
    strcpy(request.image_location, message->image_location);
    TRY(image_manifest_parse(protobuf_view(message->image_manifest), &request.manifest, refusal));
    TRY(bytes_copy(protobuf_view(message->image_manifest), &request.manifest_bytes));
    TRY(bytes_copy(protobuf_view(message->image_signature), &request.manifest_signature));
    TRY(bytes_copy(protobuf_view(message->ticket), &request.ticket));
    request.image = image_manifest_digest(bytes_view(&request.manifest_bytes));
    *ret_request = TAKE(request);
    return STATUS_OK;
}

static enum status check_expiry(const struct ticket *ticket,
                                const struct launch_request_context *context,
                                struct refusal *refusal)
{
    if (context->now_s > ticket->expiry_s) {
        return refuse(refusal, REFUSAL_TICKET_EXPIRED, "valid until %" PRIu64 ", now %" PRIu64,
                      ticket->expiry_s, context->now_s);
    }
    /* Whatever the clock says: VMs that were deleted before then are forgotten. */
    if (ticket->expiry_s <= context->tombstone_horizon_s) {
        return refuse(refusal, REFUSAL_TICKET_EXPIRED,
                      "valid until %" PRIu64 ", tombstones are kept from %" PRIu64,
                      ticket->expiry_s, context->tombstone_horizon_s);
    }
    if (ticket->expiry_s - context->now_s > TICKET_VALIDITY_MAX_S) {
        return refuse(refusal, REFUSAL_TICKET, "valid for more than %" PRIu64 " days",
                      TICKET_VALIDITY_MAX_S / (24 * 3600));
    }
    return STATUS_OK;
}

enum status launch_request_check(const struct launch_request *request, const struct ticket *ticket,
                                 const struct launch_request_context *context,
                                 struct digest *ret_vm, struct refusal *refusal)
{
    OWN(public_key) struct public_key *cust_sign = NULL;
    struct view spki = {ticket->cust_sign, ticket->cust_sign_size};
    struct digest key_id = sha256(spki);

    if (!digest_equal(&key_id, &context->customer)) {
        return refuse(refusal, REFUSAL_NOT_AUTHORIZED, "the ticket is another customer's");
    }
    TRY(public_key_parse(spki, &cust_sign));
    TRY(document_signature_check(SIGNED_LAUNCH_REQUEST, &context->scope,
                                 bytes_view(&request->message.document),
                                 bytes_view(&request->message.signature), cust_sign, refusal));
    TRY(image_manifest_check(bytes_view(&request->manifest_bytes),
                             bytes_view(&request->manifest_signature), &context->scope.perimeter_id,
                             cust_sign, refusal));
    TRY(check_expiry(ticket, context, refusal));
    *ret_vm = vm_id_make(&context->scope.perimeter_id, spki, ticket->secret.nonce, &request->image);
    return STATUS_OK;
}
