#include "lib/protocol/image_manifest.h"

#include "lib/protocol/launch_policy.h"
#include "lib/protocol/message.h"

#include "proto/vm.pb-c.h"

#include <inttypes.h>
#include <string.h>

enum { FORMAT = 1 };

static Tccp__Blob *blob_message(const struct image_blob *blob, Tccp__Blob *message)
{
    tccp__blob__init(message);
    message->digest = protobuf_data(digest_view(&blob->digest));
    message->size = blob->size;
    return blob->size > 0 ? message : NULL;
}

enum status image_manifest_build(const struct image_manifest *manifest, struct bytes *ret_document)
{
    Tccp__ImageManifest message;
    Tccp__Blob disk, kernel, initrd;
    OWN(bytes) struct bytes document = {0};
    struct image_manifest again;

    tccp__image_manifest__init(&message);
    message.format = FORMAT;
    message.disk = blob_message(&manifest->disk, &disk);
    message.kernel = blob_message(&manifest->kernel, &kernel);
    message.initrd = blob_message(&manifest->initrd, &initrd);
    message.command_line = message_string(manifest->command_line);
    if (!digest_is_zero(&manifest->kernel_profile)) {
        message.kernel_profile = protobuf_data(digest_view(&manifest->kernel_profile));
    }
    message.vcpu_count = manifest->vcpu_count;
    message.memory_size = manifest->memory_size;
    TRY(protobuf_pack(&message.base, IMAGE_MANIFEST_SIZE_MAX, &document));
    if (image_manifest_parse(bytes_view(&document), &again, NULL) != STATUS_OK) {
        return STATUS_MALFORMED;
    }
    *ret_document = TAKE(document);
    return STATUS_OK;
}

static bool read_blob(const Tccp__Blob *message, struct image_blob *blob)
{
    if (!message) {
        return true;
    }
    blob->size = message->size;
    return message->size > 0 && message->size <= IMAGE_BLOB_SIZE_MAX &&
           message_digest(message->digest, &blob->digest) && !digest_is_zero(&blob->digest);
}

/* The field that is wrong, or NULL. */
static const char *read_fields(const Tccp__ImageManifest *message, struct image_manifest *manifest)
{
    if (message->format != FORMAT) {
        return "format";
    }
    if (!message->disk || !read_blob(message->disk, &manifest->disk)) {
        return "disk";
    }
    if (!read_blob(message->kernel, &manifest->kernel)) {
        return "kernel";
    }
    if (!read_blob(message->initrd, &manifest->initrd) || (message->initrd && !message->kernel)) {
        return "initrd";
    }
    if (message->command_line[0] != '\0' &&
        (!message->kernel ||
         !protocol_text_good(message->command_line, IMAGE_COMMAND_LINE_LENGTH_MAX))) {
        return "command_line";
    }
    strcpy(manifest->command_line, message->command_line);
    if (message->kernel_profile.len > 0 &&
        (!message_digest(message->kernel_profile, &manifest->kernel_profile) ||
         digest_is_zero(&manifest->kernel_profile))) {
        return "kernel_profile";
    }
    if (message->vcpu_count == 0 || message->vcpu_count > IMAGE_VCPU_COUNT_MAX) {
        return "vcpu_count";
    }
    manifest->vcpu_count = message->vcpu_count;
    if (message->memory_size == 0 || message->memory_size > IMAGE_MEMORY_SIZE_MAX ||
        message->memory_size % IMAGE_MEMORY_UNIT != 0) {
        return "memory_size";
    }
    manifest->memory_size = message->memory_size;
    return NULL;
}

enum status image_manifest_parse(struct view document, struct image_manifest *ret_manifest,
                                 struct refusal *refusal)
{
    OWN(message) Tccp__ImageManifest *message = NULL;
    struct image_manifest manifest = {.vcpu_count = 0};
    const char *wrong;

    if (document.size > IMAGE_MANIFEST_SIZE_MAX) {
        return refuse(refusal, REFUSAL_TOO_LARGE, "image manifest of %zu bytes", document.size);
    }
    message = (Tccp__ImageManifest *)protobuf_unpack_strict(&tccp__image_manifest__descriptor,
                                                            document, IMAGE_MANIFEST_SIZE_MAX);
    if (!message) {
        return refuse(refusal, REFUSAL_MALFORMED, "image manifest");
    }
    wrong = read_fields(message, &manifest);
    if (wrong) {
        return refuse(refusal, REFUSAL_MALFORMED, "image manifest: %s", wrong);
    }
    *ret_manifest = manifest;
    return STATUS_OK;
}

enum status image_manifest_sign(struct view document, const struct digest *perimeter_id,
                                const struct signer *cust_sign, struct bytes *ret_signature)
{
    struct scope scope = {.perimeter_id = *perimeter_id, .epoch = 0};

    return document_signature_make(SIGNED_IMAGE_MANIFEST, &scope, document, cust_sign,
                                   ret_signature);
}

enum status image_manifest_check(struct view document, struct view signature,
                                 const struct digest *perimeter_id,
                                 const struct public_key *cust_sign, struct refusal *refusal)
{
    struct scope scope = {.perimeter_id = *perimeter_id, .epoch = 0};

    return document_signature_check(SIGNED_IMAGE_MANIFEST, &scope, document, signature, cust_sign,
                                    refusal);
}
