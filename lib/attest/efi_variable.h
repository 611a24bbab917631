/* UEFI variables as the firmware measures them, and the signature databases in them. Pure. */
#ifndef TCCP_ATTEST_EFI_VARIABLE_H
#define TCCP_ATTEST_EFI_VARIABLE_H

#include "lib/base/sha256.h"

enum { EFI_GUID_SIZE = 16, EFI_NAME_SIZE = 64 };

/* UEFI_VARIABLE_DATA (TCG PC Client Platform Firmware Profile 1.06, section 10.2.6). */
struct efi_variable {
    struct view guid;
    char name[EFI_NAME_SIZE]; /* ASCII; other names are refused */
    struct view content;      /* in place */
};
/* Exact: no trailing bytes. */
WARN_UNUSED enum status efi_variable_parse(struct view data, struct efi_variable *ret_variable);
/* The variable of this name among the firmware's own (EFI_GLOBAL_VARIABLE), or among the image
 * security databases (db, dbx). */
bool efi_variable_is_global(const struct efi_variable *variable, const char *name);
bool efi_variable_is_database(const struct efi_variable *variable, const char *name);

/* An entry of a signature database (UEFI 2.10, section 32.4.1: EFI_SIGNATURE_DATA). */
enum efi_signature_type {
    EFI_SIGNATURE_SHA256, /* the hash of an image (EFI_CERT_SHA256_GUID): 32 bytes */
    EFI_SIGNATURE_X509,   /* a certificate (EFI_CERT_X509_GUID), DER */
    EFI_SIGNATURE_OTHER,
};
struct efi_signature {
    enum efi_signature_type type;
    struct view entry;   /* the owner's GUID, then the content; in place */
    struct view content; /* in place */
};

/*
 * Walks through a signature database (EFI_SIGNATURE_LIST, one after the other): calls `visit` for
 * each entry in order. STATUS_MALFORMED when the lists do not fit their sizes; some of it may have
 * been visited by then.
 */
typedef void (*efi_signature_visitor)(void *context, const struct efi_signature *signature);
WARN_UNUSED enum status efi_signatures_walk(struct view content, efi_signature_visitor visit,
                                            void *context);

/* The same for the SHA-256 entries alone. */
typedef void (*efi_hash_visitor)(void *context, const struct digest *hash);
WARN_UNUSED enum status efi_signature_lists_walk(struct view content, efi_hash_visitor visit,
                                                 void *context);

#endif
