#include "lib/attest/efi_variable.h"

#include <string.h>

/* GUIDs as they lie in memory: the first three fields are little-endian. */
static const uint8_t global_guid[EFI_GUID_SIZE] = {0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11,
                                                   0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c};
static const uint8_t database_guid[EFI_GUID_SIZE] = {
    0xcb, 0xb2, 0x19, 0xd7, 0x3a, 0x3d, 0x96, 0x45, 0xa3, 0xbc, 0xda, 0xd0, 0x0e, 0x67, 0x65, 0x6f};
static const uint8_t sha256_guid[EFI_GUID_SIZE] = {0x26, 0x16, 0xc4, 0xc1, 0x4c, 0x50, 0x92, 0x40,
                                                   0xac, 0xa9, 0x41, 0xf9, 0x36, 0x93, 0x43, 0x28};

static const uint8_t x509_guid[EFI_GUID_SIZE] = {0xa1, 0x59, 0xc0, 0xa5, 0xe4, 0x94, 0xa7, 0x4a,
                                                 0x87, 0xb5, 0xab, 0x15, 0x5c, 0x2b, 0xf0, 0x72};

/* UTF-16LE that is ASCII, without a NUL. */
static bool name_read(struct reader *reader, uint64_t count, char *ret_name)
{
    if (count == 0 || count >= EFI_NAME_SIZE) {
        return false;
    }
    for (uint64_t i = 0; i < count; i++) {
        uint16_t character = reader_u16_le(reader);

        if (character < 0x21 || character > 0x7e) {
            return false;
        }
        ret_name[i] = (char)character;
    }
    ret_name[count] = '\0';
    return true;
}

enum status efi_variable_parse(struct view data, struct efi_variable *ret_variable)
{
    struct reader reader = reader_of(data);
    struct efi_variable variable = {.guid = reader_view(&reader, EFI_GUID_SIZE)};
    uint64_t name_count = reader_u64_le(&reader), size = reader_u64_le(&reader);

    if (reader.bad || !name_read(&reader, name_count, variable.name) || size > data.size) {
        return STATUS_MALFORMED;
    }
    variable.content = reader_view(&reader, size);
    if (!reader_done(&reader)) {
        return STATUS_MALFORMED;
    }
    *ret_variable = variable;
    return STATUS_OK;
}

bool efi_variable_is_global(const struct efi_variable *variable, const char *name)
{
    return view_equal(variable->guid, VIEW_OF_ARRAY(global_guid)) &&
           strcmp(variable->name, name) == 0;
}

bool efi_variable_is_database(const struct efi_variable *variable, const char *name)
{
    return view_equal(variable->guid, VIEW_OF_ARRAY(database_guid)) &&
           strcmp(variable->name, name) == 0;
}

static enum efi_signature_type signature_type(struct view guid)
{
    if (view_equal(guid, VIEW_OF_ARRAY(sha256_guid))) {
        return EFI_SIGNATURE_SHA256;
    }
    return view_equal(guid, VIEW_OF_ARRAY(x509_guid)) ? EFI_SIGNATURE_X509 : EFI_SIGNATURE_OTHER;
}

/* One EFI_SIGNATURE_LIST: {GUID, u32 list size, u32 header size, u32 signature size, header,
 * signatures}; a signature is {owner GUID, data}. */
static bool list_walk(struct reader *reader, efi_signature_visitor visit, void *context)
{
    enum { FIXED_SIZE = EFI_GUID_SIZE + 12 };
    struct efi_signature signature = {
        .type = signature_type(reader_view(reader, EFI_GUID_SIZE)),
    };
    uint32_t list_size = reader_u32_le(reader), header_size = reader_u32_le(reader);
    uint32_t signature_size = reader_u32_le(reader);
    struct reader signatures;

    if (reader->bad || list_size < FIXED_SIZE || signature_size <= EFI_GUID_SIZE ||
        header_size > list_size - FIXED_SIZE ||
        (signature.type == EFI_SIGNATURE_SHA256 && signature_size != EFI_GUID_SIZE + SHA256_SIZE)) {
        return false;
    }
    (void)reader_view(reader, header_size);
    signatures = reader_of(reader_view(reader, list_size - FIXED_SIZE - header_size));
    if (reader->bad || signatures.left % signature_size != 0) {
        return false;
    }
    while (signatures.left) {
        signature.entry = reader_view(&signatures, signature_size);
        signature.content = (struct view){signature.entry.data + EFI_GUID_SIZE,
                                          signature.entry.size - EFI_GUID_SIZE};
        visit(context, &signature);
    }
    return true;
}

enum status efi_signatures_walk(struct view content, efi_signature_visitor visit, void *context)
{
    struct reader reader = reader_of(content);

    while (reader.left) {
        if (!list_walk(&reader, visit, context)) {
            return STATUS_MALFORMED;
        }
    }
    return STATUS_OK;
}

struct hash_walk {
    efi_hash_visitor visit;
    void *context;
};

static void hash_visit(void *context, const struct efi_signature *signature)
{
    const struct hash_walk *walk = context;
    struct digest hash;

    if (signature->type == EFI_SIGNATURE_SHA256) {
        memcpy(hash.bytes, signature->content.data, sizeof hash.bytes);
        walk->visit(walk->context, &hash);
    }
}

enum status efi_signature_lists_walk(struct view content, efi_hash_visitor visit, void *context)
{
    struct hash_walk walk = {visit, context};

    return efi_signatures_walk(content, hash_visit, &walk);
}
