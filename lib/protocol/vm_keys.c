#include "lib/protocol/vm_keys.h"

#include "lib/crypto/kdf.h"
#include "lib/protocol/vm_secret.h"

enum { RAW_KEY_SIZE = VM_PASSPHRASE_SIZE / 2, INFO_SIZE_MAX = 64 };

static enum status passphrase_derive(struct view key, struct view info,
                                     struct secret *ret_passphrase)
{
    static const char digits[] = "0123456789abcdef";
    OWN(secret) struct secret raw = {0};
    OWN(secret) struct secret text = {0};

    ASSERT(key.size == VM_KEY_SIZE);
    TRY(hkdf_secret(key, (struct view){0}, info, RAW_KEY_SIZE, &raw));
    TRY(secret_new(VM_PASSPHRASE_SIZE, &text));
    for (size_t i = 0; i < RAW_KEY_SIZE; i++) {
        text.data[2 * i] = (uint8_t)digits[raw.data[i] >> 4];
        text.data[2 * i + 1] = (uint8_t)digits[raw.data[i] & 0xf];
    }
    *ret_passphrase = TAKE(text);
    return STATUS_OK;
}

enum status vm_image_key(struct view key, struct secret *ret_passphrase)
{
    return passphrase_derive(key, view_string("tccp-image-key"), ret_passphrase);
}

enum status vm_overlay_key(struct view key, const struct digest *vm, uint64_t generation,
                           struct secret *ret_passphrase)
{
    OWN(writer) struct writer writer = writer_new(INFO_SIZE_MAX);
    OWN(bytes) struct bytes info = {0};

    writer_view(&writer, view_string("tccp-overlay-key"));
    writer_view(&writer, digest_view(vm));
    writer_u64(&writer, generation);
    TRY(writer_take(&writer, &info));
    return passphrase_derive(key, bytes_view(&info), ret_passphrase);
}
