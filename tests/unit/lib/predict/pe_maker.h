/* Small PE images that no linker would make. */
#ifndef TCCP_TESTS_PE_MAKER_H
#define TCCP_TESTS_PE_MAKER_H

#include "lib/predict/pe_image.h"

#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

/* Where pe_make() puts things. */
enum {
    PE_AT = 0x80,
    PE_OPTIONAL_AT = PE_AT + 24,
    PE_DIRECTORY_AT = PE_OPTIONAL_AT + 112 + 4 * 8,
    PE_SECTIONS_AT = PE_OPTIONAL_AT + 112 + 16 * 8,
    PE_HEADERS_SIZE = 0x2000, /* room for more sections than there may be */
    PE_SECTION_SIZE = 0x200,
    PE_IMAGE_SIZE = 0x100000,
};
#define PE_SECTION_ADDRESS(section) (PE_HEADERS_SIZE + 0x1000 * (section))

static inline void put_le(uint8_t *at, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        at[i] = (uint8_t)(value >> (8 * i));
    }
}

/* The field of a section's header: 8 memory size, 12 address, 16 file size, 20 file offset. */
static inline uint8_t *pe_section_field(struct bytes *image, size_t section, size_t field)
{
    return image->data + PE_SECTIONS_AT + section * 40 + field;
}

/* Sections of 512 bytes of 'a', 'b'..., with these names, then `rest` bytes of 0xee. */
static inline struct bytes pe_make(const char *const *names, size_t count, size_t rest)
{
    struct bytes image = {NULL, PE_HEADERS_SIZE + count * PE_SECTION_SIZE + rest};

    image.data = calloc(1, image.size);
    assert_non_null(image.data);
    memcpy(image.data, "MZ", 2);
    put_le(image.data + 0x3c, PE_AT, 4);
    memcpy(image.data + PE_AT, "PE", 2);
    put_le(image.data + PE_AT + 4, 0x8664, 2);
    put_le(image.data + PE_AT + 6, count, 2);
    put_le(image.data + PE_AT + 20, 112 + 16 * 8, 2);
    put_le(image.data + PE_OPTIONAL_AT, 0x20b, 2);
    put_le(image.data + PE_OPTIONAL_AT + 44, 1, 2); /* image version */
    put_le(image.data + PE_OPTIONAL_AT + 56, PE_IMAGE_SIZE, 4);
    put_le(image.data + PE_OPTIONAL_AT + 60, PE_HEADERS_SIZE, 4);
    put_le(image.data + PE_OPTIONAL_AT + 108, 16, 4);
    for (size_t i = 0; i < count; i++) {
        size_t at = PE_HEADERS_SIZE + i * PE_SECTION_SIZE;

        strncpy((char *)pe_section_field(&image, i, 0), names[i], PE_SECTION_NAME_SIZE);
        put_le(pe_section_field(&image, i, 8), PE_SECTION_SIZE, 4);
        put_le(pe_section_field(&image, i, 12), PE_SECTION_ADDRESS(i), 4);
        put_le(pe_section_field(&image, i, 16), PE_SECTION_SIZE, 4);
        put_le(pe_section_field(&image, i, 20), at, 4);
        memset(image.data + at, 'a' + (int)i, PE_SECTION_SIZE);
    }
    memset(image.data + image.size - rest, 0xee, rest);
    return image;
}

/* Says that the last `size` bytes are the certificate table, at that distance from the end. */
static inline void pe_set_certificates(struct bytes *image, size_t size, size_t from_end)
{
    put_le(image->data + PE_DIRECTORY_AT, image->size - from_end, 4);
    put_le(image->data + PE_DIRECTORY_AT + 4, size, 4);
}

#endif
