/*
 * Whether the firmware starts an image under Secure Boot, and what it then measures as the
 * authority, by its signature databases. Sans-I/O.
 */
#ifndef TCCP_PREDICT_AUTHENTICODE_H
#define TCCP_PREDICT_AUTHENTICODE_H

#include "lib/predict/pe_image.h"

/*
 * ret_authority: the entry of db (EFI_SIGNATURE_DATA, in place) with which EDK II's
 * DxeImageVerificationLib accepts the image: the first certificate of db to which one of the
 * image's signatures (Authenticode, SHA-256) leads, dates not looked at, or else the image's hash.
 * REFUSAL_SECURE_BOOT: no entry accepts it, or dbx has its hash or a certificate to which a
 * signature leads; REFUSAL_MALFORMED: the image's certificate table.
 */
WARN_UNUSED enum status authenticode_authority(const struct pe_image *image, struct view db,
                                               struct view dbx, struct view *ret_authority,
                                               struct refusal *ret_refusal);

#endif
