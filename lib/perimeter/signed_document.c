#include "lib/perimeter/signed_document.h"

#include "lib/base/protobuf.h"
#include "lib/base/text.h"
#include "lib/perimeter/root.h"

#include <inttypes.h>
#include <string.h>

static const struct {
    const char *name, *tag;
} document_kinds[] = {
    [DOCUMENT_MANIFEST] = {"manifest", "tccp-manifest"},
    [DOCUMENT_ENDORSEMENT] = {"endorsement", "tccp-endorsement"},
    [DOCUMENT_SUCCESSION] = {"succession", "tccp-succession"},
};

const char *document_kind_name(enum document_kind kind)
{
    return document_kinds[kind].name;
}

enum status document_input(enum document_kind kind, const struct scope *scope, struct view document,
                           struct bytes *ret_input)
{
    struct canonical canonical = canonical_begin(document_kinds[kind].tag, scope);
    struct digest digest = sha256(document);

    /* The hash stands for the document: a manifest of 10,000 nodes is larger than any canonical
     * input may be. */
    canonical_digest(&canonical, &digest);
    return canonical_take(&canonical, ret_input);
}

enum status document_sign(enum document_kind kind, const struct scope *scope, struct view document,
                          const struct private_key *key, struct bytes *ret_signature)
{
    OWN(bytes) struct bytes input = {0};

    TRY(document_input(kind, scope, document, &input));
    return sign_message(key, bytes_view(&input), ret_signature);
}

/* One signature: by a key in force that has not signed before, and it holds. */
static enum status signature_count(const Tccp__Signature *signature, struct view input,
                                   const struct perimeter_root *root,
                                   bool signed_by[PERIMETER_KEY_COUNT_MAX],
                                   struct refusal *ret_refusal)
{
    OWN(public_key) struct public_key *key = NULL;
    const struct perimeter_key *signer;
    struct digest key_id;
    enum status status;

    if (digest_of_view(protobuf_view(signature->key_id), &key_id) != STATUS_OK) {
        return refuse(ret_refusal, REFUSAL_MALFORMED, "a key id of %zu bytes",
                      signature->key_id.len);
    }
    signer = root_key(root, &key_id);
    if (!signer) {
        return refuse(ret_refusal, REFUSAL_UNKNOWN_SIGNER, "key %s",
                      hex_short(digest_view(&key_id)).text);
    }
    if (signed_by[signer - root->keys]) {
        return refuse(ret_refusal, REFUSAL_DUPLICATE_SIGNER, "key %s",
                      hex_short(digest_view(&key_id)).text);
    }
    TRY(public_key_parse(perimeter_key_view(signer), &key));
    status = signature_check(key, input, protobuf_view(signature->signature));
    if (status == STATUS_UNTRUSTED || status == STATUS_MALFORMED) {
        return refuse(ret_refusal, REFUSAL_BAD_SIGNATURE, "of key %s",
                      hex_short(digest_view(&key_id)).text);
    }
    TRY(status);
    signed_by[signer - root->keys] = true;
    return STATUS_OK;
}

enum status signed_document_count(const Tccp__SignedDocument *document, enum document_kind kind,
                                  const struct scope *scope, const struct perimeter_root *root,
                                  size_t *ret_count, struct refusal *ret_refusal)
{
    bool signed_by[PERIMETER_KEY_COUNT_MAX] = {false};
    OWN(bytes) struct bytes input = {0};

    if (document->n_signatures > DOCUMENT_SIGNATURE_COUNT_MAX) {
        return refuse(ret_refusal, REFUSAL_TOO_LARGE, "%zu signatures", document->n_signatures);
    }
    TRY(document_input(kind, scope, protobuf_view(document->document), &input));
    for (size_t i = 0; i < document->n_signatures; i++) {
        TRY(signature_count(document->signatures[i], bytes_view(&input), root, signed_by,
                            ret_refusal));
    }
    *ret_count = document->n_signatures;
    return STATUS_OK;
}

enum status signed_document_check(const Tccp__SignedDocument *document, enum document_kind kind,
                                  const struct scope *scope, const struct perimeter_root *root,
                                  struct refusal *ret_refusal)
{
    size_t count;

    TRY(signed_document_count(document, kind, scope, root, &count, ret_refusal));
    if (count < root->threshold) {
        return refuse(ret_refusal, REFUSAL_TOO_FEW_SIGNATURES,
                      "the %s has %zu of %" PRIu32 " signatures", document_kind_name(kind), count,
                      root->threshold);
    }
    return STATUS_OK;
}

enum status signed_document_parse(struct view bytes, Tccp__SignedDocument **ret_document,
                                  struct refusal *ret_refusal)
{
    Tccp__SignedDocument *document;

    if (bytes.size > SIGNED_DOCUMENT_SIZE_MAX) {
        return refuse(ret_refusal, REFUSAL_TOO_LARGE, "a signed document of %zu bytes", bytes.size);
    }
    document = (Tccp__SignedDocument *)protobuf_unpack_strict(&tccp__signed_document__descriptor,
                                                              bytes, SIGNED_DOCUMENT_SIZE_MAX);
    if (!document) {
        return refuse(ret_refusal, REFUSAL_MALFORMED, "not a signed document");
    }
    if (document->document.len == 0 || document->n_signatures > DOCUMENT_SIGNATURE_COUNT_MAX) {
        tccp__signed_document__free_unpacked(document, NULL);
        return refuse(ret_refusal, REFUSAL_MALFORMED,
                      "a signed document without content or with too many signatures");
    }
    *ret_document = document;
    return STATUS_OK;
}

enum status signed_document_append(const Tccp__SignedDocument *signatures, struct view document,
                                   const struct digest *key_id, struct view signature,
                                   struct bytes *ret_bytes)
{
    Tccp__Signature *list[DOCUMENT_SIGNATURE_COUNT_MAX];
    Tccp__Signature last = TCCP__SIGNATURE__INIT;
    Tccp__SignedDocument message = TCCP__SIGNED_DOCUMENT__INIT;
    size_t count = signatures ? signatures->n_signatures : 0;

    if (count + 1 > DOCUMENT_SIGNATURE_COUNT_MAX) {
        return STATUS_TOO_LARGE;
    }
    if (count) {
        memcpy(list, signatures->signatures, count * sizeof list[0]);
    }
    last.key_id = protobuf_data(digest_view(key_id));
    last.signature = protobuf_data(signature);
    list[count] = &last;
    message.document = protobuf_data(document);
    message.signatures = list;
    message.n_signatures = count + 1;
    return protobuf_pack(&message.base, SIGNED_DOCUMENT_SIZE_MAX, ret_bytes);
}
