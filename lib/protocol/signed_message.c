#include "lib/protocol/signed_message.h"

#include "lib/protocol/message.h"

#include "proto/vm.pb-c.h"

static const struct {
    const char *tag, *name;
} kinds[SIGNED_KIND_COUNT] = {
#define X(kind, tag, name) [SIGNED_##kind] = {tag, name},
    SIGNED_KIND_LIST(X)
#undef X
};

const char *signed_kind_name(enum signed_kind kind)
{
    return kinds[kind].name;
}

static enum status sign_with_key(const void *key, struct view canonical,
                                 struct bytes *ret_signature)
{
    return sign_message(key, canonical, ret_signature);
}

struct signer signer_of_key(const struct private_key *key)
{
    return (struct signer){sign_with_key, key};
}

enum status signed_input(enum signed_kind kind, const struct scope *scope, struct view document,
                         struct bytes *ret_input)
{
    struct canonical canonical = canonical_begin(kinds[kind].tag, scope);
    struct digest digest = sha256(document);

    canonical_digest(&canonical, &digest);
    return canonical_take(&canonical, ret_input);
}

enum status document_signature_make(enum signed_kind kind, const struct scope *scope,
                                    struct view document, const struct signer *signer,
                                    struct bytes *ret_signature)
{
    OWN(bytes) struct bytes input = {0};

    TRY(signed_input(kind, scope, document, &input));
    return signer->sign(signer->key, bytes_view(&input), ret_signature);
}

enum status document_signature_check(enum signed_kind kind, const struct scope *scope,
                                     struct view document, struct view signature,
                                     const struct public_key *key, struct refusal *refusal)
{
    OWN(bytes) struct bytes input = {0};
    enum status status;

    TRY(signed_input(kind, scope, document, &input));
    status = signature_check(key, bytes_view(&input), signature);
    if (status == STATUS_UNTRUSTED) {
        return refuse(refusal, REFUSAL_BAD_SIGNATURE, "%s", signed_kind_name(kind));
    }
    return status;
}

enum status signed_message_make(enum signed_kind kind, const struct scope *scope,
                                struct view document, const struct signer *signer,
                                struct bytes *ret_message)
{
    Tccp__SignedMessage message = TCCP__SIGNED_MESSAGE__INIT;
    OWN(bytes) struct bytes signature = {0};

    if (document.size > SIGNED_DOCUMENT_BYTES_MAX) {
        return STATUS_TOO_LARGE;
    }
    TRY(document_signature_make(kind, scope, document, signer, &signature));
    message.document = protobuf_data(document);
    message.signature = protobuf_data(bytes_view(&signature));
    return protobuf_pack(&message.base, SIGNED_MESSAGE_SIZE_MAX, ret_message);
}

void signed_message_free(struct signed_message *message)
{
    bytes_free(&message->document);
    bytes_free(&message->signature);
}

enum status signed_message_parse(enum signed_kind kind, struct view bytes,
                                 struct signed_message *ret_message, struct refusal *refusal)
{
    OWN(signed_message) struct signed_message parts = {{0}, {0}};
    OWN(message) Tccp__SignedMessage *message = NULL;

    if (bytes.size > SIGNED_MESSAGE_SIZE_MAX) {
        return refuse(refusal, REFUSAL_TOO_LARGE, "%s of %zu bytes", signed_kind_name(kind),
                      bytes.size);
    }
    message = (Tccp__SignedMessage *)protobuf_unpack_strict(&tccp__signed_message__descriptor,
                                                            bytes, SIGNED_MESSAGE_SIZE_MAX);
    if (!message || message->document.len > SIGNED_DOCUMENT_BYTES_MAX ||
        message->signature.len > SIGNATURE_SIZE_MAX) {
        return refuse(refusal, REFUSAL_MALFORMED, "%s: its envelope", signed_kind_name(kind));
    }
    TRY(bytes_copy(protobuf_view(message->document), &parts.document));
    TRY(bytes_copy(protobuf_view(message->signature), &parts.signature));
    *ret_message = TAKE(parts);
    return STATUS_OK;
}

enum status signed_message_check(enum signed_kind kind, struct view bytes,
                                 const struct scope *scope, const struct public_key *key,
                                 struct bytes *ret_document, struct refusal *refusal)
{
    OWN(signed_message) struct signed_message parts = {{0}, {0}};

    TRY(signed_message_parse(kind, bytes, &parts, refusal));
    TRY(document_signature_check(kind, scope, bytes_view(&parts.document),
                                 bytes_view(&parts.signature), key, refusal));
    *ret_document = TAKE(parts.document);
    return STATUS_OK;
}
