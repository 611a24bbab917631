#include "lib/attest/ima_signature.h"

enum { TYPE_SIGNATURE = 3, VERSION = 2, SIGNATURE_SIZE_MAX = 1024 };
/* enum hash_algo of Linux's include/uapi/linux/hash_info.h. */
enum { HASH_SHA256 = 4, HASH_SHA384 = 5, HASH_SHA512 = 6 };

enum status ima_signature_parse(struct view attribute, struct ima_signature *ret_signature)
{
    static const char *const names[] = {
        [HASH_SHA256] = "sha256", [HASH_SHA384] = "sha384", [HASH_SHA512] = "sha512"};
    struct reader reader = reader_of(attribute);
    uint8_t type = reader_u8(&reader), version = reader_u8(&reader), hash = reader_u8(&reader);
    struct ima_signature signature;

    if (reader.bad) {
        return STATUS_MALFORMED;
    }
    if (type != TYPE_SIGNATURE || version != VERSION || hash < HASH_SHA256 || hash > HASH_SHA512) {
        return STATUS_UNSUPPORTED;
    }
    signature.hash_name = names[hash];
    signature.key_id = reader_u32(&reader);
    signature.octets = reader_sized16(&reader, SIGNATURE_SIZE_MAX);
    if (!reader_done(&reader) || signature.octets.size == 0) {
        return STATUS_MALFORMED;
    }
    *ret_signature = signature;
    return STATUS_OK;
}
