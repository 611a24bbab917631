#include "lib/predict/pe_image.h"

#include <stdlib.h>
#include <string.h>

/* Microsoft PE and COFF specification, revision 11: sizes, values and offsets of the headers. */
enum {
    DOS_HEADER_SIZE = 64,
    DOS_MAGIC = 0x5a4d,        /* "MZ" */
    PE_MAGIC = 0x00004550,     /* "PE\0\0" */
    OPTIONAL_MAGIC_64 = 0x20b, /* PE32+ */
    MACHINE_X64 = 0x8664,
    OPTIONAL_FIXED_SIZE = 112, /* before the data directories */
    OPTIONAL_IMAGE_VERSION = 44,
    OPTIONAL_CHECKSUM = 64,
    DIRECTORY_SIZE = 8,
    DIRECTORY_COUNT_MAX = 16,
    DIRECTORY_CERTIFICATES = 4,
    SECTION_HEADER_SIZE = 40,
    CERTIFICATE_HEADER_SIZE = 8,
    CERTIFICATE_REVISION_2 = 0x0200,
    CERTIFICATE_PKCS7 = 0x0002,
};

/* What the headers say of sizes, to check the sections against. */
struct bounds {
    uint32_t image_size; /* in memory */
    size_t section_table_offset;
};

static enum status malformed(struct refusal *refusal, const char *what)
{
    return refuse(refusal, REFUSAL_MALFORMED, "not an UEFI program for x86-64: %s", what);
}

static struct reader reader_at(struct view file, size_t offset)
{
    return offset <= file.size ? reader_of((struct view){file.data + offset, file.size - offset})
                               : (struct reader){.bad = true};
}

static bool in_file(struct view file, uint32_t offset, uint32_t size)
{
    return offset <= file.size && size <= file.size - offset;
}

/* COFF header and optional header. */
static enum status headers_parse(struct pe_image *image, size_t offset, struct bounds *ret_bounds,
                                 struct refusal *refusal)
{
    struct reader reader = reader_at(image->file, offset);
    size_t optional_offset = offset + 24;
    uint32_t directory_count, certificates_offset = 0, certificates_size = 0;
    uint16_t optional_size;

    if (reader_u32_le(&reader) != PE_MAGIC || reader_u16_le(&reader) != MACHINE_X64) {
        return malformed(refusal, "no PE header for x86-64");
    }
    image->section_count = reader_u16_le(&reader);
    (void)reader_view(&reader, 12); /* time, symbols */
    optional_size = reader_u16_le(&reader);
    (void)reader_u16_le(&reader); /* characteristics */
    if (reader_u16_le(&reader) != OPTIONAL_MAGIC_64) {
        return malformed(refusal, "not PE32+");
    }
    (void)reader_view(&reader, OPTIONAL_IMAGE_VERSION - 2);
    image->version_major = reader_u16_le(&reader);
    (void)reader_view(&reader, 10); /* minor and subsystem versions, reserved */
    ret_bounds->image_size = reader_u32_le(&reader);
    image->headers_size = reader_u32_le(&reader);
    (void)reader_view(&reader, OPTIONAL_FIXED_SIZE - OPTIONAL_CHECKSUM - 4);
    directory_count = reader_u32_le(&reader);
    if (reader.bad || directory_count <= DIRECTORY_CERTIFICATES ||
        directory_count > DIRECTORY_COUNT_MAX ||
        optional_size != OPTIONAL_FIXED_SIZE + directory_count * DIRECTORY_SIZE) {
        return malformed(refusal, "the optional header has another size than it says");
    }
    image->checksum_offset = optional_offset + OPTIONAL_CHECKSUM;
    image->directory_offset =
        optional_offset + OPTIONAL_FIXED_SIZE + DIRECTORY_CERTIFICATES * DIRECTORY_SIZE;
    ret_bounds->section_table_offset = optional_offset + optional_size;
    (void)reader_view(&reader, DIRECTORY_CERTIFICATES * DIRECTORY_SIZE);
    certificates_offset = reader_u32_le(&reader);
    certificates_size = reader_u32_le(&reader);
    if (reader.bad || !in_file(image->file, certificates_offset, certificates_size) ||
        (certificates_size && certificates_offset < image->headers_size)) {
        return malformed(refusal, "the certificate table does not lie in the file");
    }
    image->certificates = (struct view){image->file.data + certificates_offset, certificates_size};
    return STATUS_OK;
}

static enum status section_parse(const struct pe_image *image, const struct bounds *bounds,
                                 struct reader *reader, struct pe_section *ret_section,
                                 struct refusal *refusal)
{
    struct pe_section section = {0};
    uint32_t file_size, memory_end;

    reader_copy(reader, section.name, PE_SECTION_NAME_SIZE);
    section.memory_size = reader_u32_le(reader);
    section.address = reader_u32_le(reader);
    file_size = reader_u32_le(reader);
    section.file_offset = reader_u32_le(reader);
    (void)reader_view(reader, 16); /* relocations and line numbers of object files; flags */
    if (reader->bad) {
        return malformed(refusal, "the section headers do not lie in the file");
    }
    if (file_size > 0 && (section.file_offset < image->headers_size ||
                          !in_file(image->file, section.file_offset, file_size))) {
        return malformed(refusal, "a section does not lie in the file");
    }
    if (section.address < image->headers_size ||
        __builtin_add_overflow(section.address, section.memory_size, &memory_end) ||
        memory_end > bounds->image_size) {
        return malformed(refusal, "a section does not lie in the image's memory");
    }
    if (file_size > 0) {
        section.content = (struct view){image->file.data + section.file_offset, file_size};
    }
    *ret_section = section;
    return STATUS_OK;
}

static bool overlap(uint64_t left, uint64_t left_size, uint64_t right, uint64_t right_size)
{
    return left_size > 0 && right_size > 0 && left < right + right_size && right < left + left_size;
}

static enum status sections_check(const struct pe_image *image, struct refusal *refusal)
{
    for (size_t i = 0; i < image->section_count; i++) {
        const struct pe_section *left = &image->sections[i];

        for (size_t j = 0; j < i; j++) {
            const struct pe_section *right = &image->sections[j];

            if (overlap(left->file_offset, left->content.size, right->file_offset,
                        right->content.size) ||
                overlap(left->address, left->memory_size, right->address, right->memory_size)) {
                return malformed(refusal, "sections overlap");
            }
        }
        if (overlap(left->file_offset, left->content.size,
                    (uint64_t)(image->certificates.data - image->file.data),
                    image->certificates.size)) {
            return malformed(refusal, "the certificate table overlaps a section");
        }
    }
    return STATUS_OK;
}

enum status pe_image_parse(struct view file, struct pe_image *ret_image, struct refusal *refusal)
{
    struct pe_image image = {.file = file};
    struct reader reader = reader_of(file);
    struct bounds bounds = {0};
    uint32_t pe_offset;

    if (file.size > PE_IMAGE_SIZE_MAX) {
        return refuse(refusal, REFUSAL_TOO_LARGE, "%zu bytes, at most %zu are read", file.size,
                      PE_IMAGE_SIZE_MAX);
    }
    if (reader_u16_le(&reader) != DOS_MAGIC) {
        return malformed(refusal, "no MZ header");
    }
    (void)reader_view(&reader, DOS_HEADER_SIZE - 6);
    pe_offset = reader_u32_le(&reader);
    if (reader.bad || pe_offset < DOS_HEADER_SIZE) {
        return malformed(refusal, "no MZ header");
    }
    TRY(headers_parse(&image, pe_offset, &bounds, refusal));
    if (image.section_count == 0 || image.section_count > PE_SECTION_COUNT_MAX ||
        image.headers_size <
            bounds.section_table_offset + image.section_count * SECTION_HEADER_SIZE ||
        image.headers_size > file.size || image.headers_size >= bounds.image_size) {
        return malformed(refusal, "the headers do not hold their sections");
    }
    reader = reader_at(file, bounds.section_table_offset);
    for (size_t i = 0; i < image.section_count; i++) {
        TRY(section_parse(&image, &bounds, &reader, &image.sections[i], refusal));
    }
    TRY(sections_check(&image, refusal));
    *ret_image = image;
    return STATUS_OK;
}

static int by_file_offset(const void *left, const void *right)
{
    const struct pe_section *const *first = left, *const *second = right;

    return ((*first)->file_offset > (*second)->file_offset) -
           ((*first)->file_offset < (*second)->file_offset);
}

struct digest pe_image_digest(const struct pe_image *image)
{
    const struct pe_section *sorted[PE_SECTION_COUNT_MAX];
    const uint8_t *file = image->file.data;
    size_t count = 0, after_directory = image->directory_offset + DIRECTORY_SIZE;
    size_t hashed = image->headers_size;
    struct sha256 hash;

    sha256_init(&hash);
    sha256_update(&hash, (struct view){file, image->checksum_offset});
    sha256_update(&hash, (struct view){file + image->checksum_offset + 4,
                                       image->directory_offset - image->checksum_offset - 4});
    sha256_update(&hash,
                  (struct view){file + after_directory, image->headers_size - after_directory});
    for (size_t i = 0; i < image->section_count; i++) {
        if (image->sections[i].content.size > 0) {
            sorted[count++] = &image->sections[i];
        }
    }
    qsort(sorted, count, sizeof sorted[0], by_file_offset);
    for (size_t i = 0; i < count; i++) {
        sha256_update(&hash, sorted[i]->content);
        hashed += sorted[i]->content.size;
    }
    /* Never less: headers, sections and certificates share no bytes. */
    if (image->file.size > hashed + image->certificates.size) {
        sha256_update(&hash, (struct view){file + hashed,
                                           image->file.size - hashed - image->certificates.size});
    }
    return sha256_final(&hash);
}

enum status pe_image_signature(const struct pe_image *image, size_t *at, struct view *ret_pkcs7,
                               struct refusal *refusal)
{
    while (*at < image->certificates.size) {
        struct reader reader = reader_at(image->certificates, *at);
        uint32_t size = reader_u32_le(&reader);
        uint16_t revision = reader_u16_le(&reader), type = reader_u16_le(&reader);
        struct view content;

        if (reader.bad || size <= CERTIFICATE_HEADER_SIZE) {
            return malformed(refusal, "the certificate table is cut short");
        }
        content = reader_view(&reader, size - CERTIFICATE_HEADER_SIZE);
        if (reader.bad) {
            return malformed(refusal, "the certificate table is cut short");
        }
        /* Entries begin at multiples of eight bytes; the last needs no padding. */
        *at += ((size_t)size + 7) & ~(size_t)7;
        if (revision == CERTIFICATE_REVISION_2 && type == CERTIFICATE_PKCS7) {
            *ret_pkcs7 = content;
            return STATUS_OK;
        }
    }
    return STATUS_NOT_FOUND;
}
