/*
 * A program for UEFI on x86-64 (PE32+), as far as measuring it needs: its sections, its signatures
 * and the digest under which the firmware measures it. Pure.
 *
 * What the firmware would not load is refused, and so is what is ambiguous: sections that share
 * bytes of the file or of memory.
 */
#ifndef TCCP_PREDICT_PE_IMAGE_H
#define TCCP_PREDICT_PE_IMAGE_H

#include "lib/base/refusal.h"
#include "lib/base/sha256.h"

#define PE_IMAGE_SIZE_MAX ((size_t)1 << 30)
enum { PE_SECTION_COUNT_MAX = 96, PE_SECTION_NAME_SIZE = 8 };

struct pe_section {
    char name[PE_SECTION_NAME_SIZE + 1]; /* padded with NULs */
    uint32_t address;                    /* in memory, from the image's base */
    uint32_t memory_size; /* what a program in memory sees; the file may have more, or less */
    uint32_t file_offset;
    struct view content; /* in the file */
};

/* The views lie in the image, which must outlive it. */
struct pe_image {
    struct view file;
    uint16_t version_major; /* MajorImageVersion */
    uint32_t headers_size;
    size_t checksum_offset, directory_offset; /* of CheckSum; of the certificate table's entry */
    struct view certificates;                 /* the attribute certificate table; may be empty */
    size_t section_count;
    struct pe_section sections[PE_SECTION_COUNT_MAX]; /* in the order of their headers */
};

/* REFUSAL_MALFORMED, REFUSAL_TOO_LARGE. */
WARN_UNUSED enum status pe_image_parse(struct view file, struct pe_image *ret_image,
                                       struct refusal *ret_refusal);

/*
 * The Authenticode digest (SHA-256), as EDK II computes it for PCR 4: headers without CheckSum and
 * the certificate table's entry, sections in the order of the file, then what is left but as many
 * bytes as the certificate table has. Also for images that were not signed, or have bytes after
 * their signatures, and there it is as the firmware has it, not as signing tools may.
 */
struct digest pe_image_digest(const struct pe_image *image);

/*
 * The PKCS #7 signatures of the certificate table. STATUS_OK with the next one, in place;
 * STATUS_NOT_FOUND at the end; or refused (REFUSAL_MALFORMED). Certificates of other kinds are
 * passed over. Start with *at = 0.
 */
WARN_UNUSED enum status pe_image_signature(const struct pe_image *image, size_t *at,
                                           struct view *ret_pkcs7, struct refusal *ret_refusal);

#endif
