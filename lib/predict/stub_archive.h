/* The initrd that systemd-stub 252 hands to the kernel. Pure. */
#ifndef TCCP_PREDICT_STUB_ARCHIVE_H
#define TCCP_PREDICT_STUB_ARCHIVE_H

#include "lib/base/sha256.h"

/*
 * Its SHA-256. The section .initrd as it is; where the image has a section .pcrsig or .pcrpkey,
 * padded to four bytes and with a cpio archive ("newc") after it for each of these, in which it is
 * the file .extra/tpm2-pcr-signature.json or .extra/tpm2-pcr-public-key.pem. Any of the three may
 * be empty, which means that there is none. STATUS_TOO_LARGE, STATUS_NO_MEMORY.
 */
WARN_UNUSED enum status stub_initrd_digest(struct view initrd, struct view pcrsig,
                                           struct view pcrpkey, struct digest *ret_digest);

#endif
