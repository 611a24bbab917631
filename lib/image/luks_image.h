/*
 * Encrypted disk images: qcow2 with LUKS inside, made by qemu-img as a child. The passphrase
 * reaches it in a memfd, never in an argument, the environment or a file. All calls block: run them
 * where that is no harm.
 */
#ifndef TCCP_IMAGE_LUKS_IMAGE_H
#define TCCP_IMAGE_LUKS_IMAGE_H

#include "lib/base/bytes.h"
#include "lib/base/refusal.h"

#include <sys/types.h>

enum {
    /* Milliseconds that QEMU may spend to derive the key of a LUKS slot. Passphrases here are
     * random keys of 256 bits: stretching them adds nothing, and costs at every opening. */
    LUKS_ITERATION_TIME_MS = 10,
    IMAGE_PASSPHRASE_SIZE_MIN = 32, /* characters */
    IMAGE_PASSPHRASE_SIZE_MAX = 256,
    QEMU_IMG_ATTEMPTS = 20, /* it fails at random: "Unable to get accurate CPU usage" */
};

/*
 * Makes `target` (which must not exist, mode 0600) with the content of the raw image `source`.
 * The passphrase is text: UTF-8 without NUL (LUKS in QEMU takes nothing else). On failure nothing
 * is left behind, and the refusal's detail is qemu-img's own last line.
 */
WARN_UNUSED enum status luks_image_seal(const char *source, const char *target,
                                        struct view passphrase, struct refusal *ret_refusal);

/* The same without content, of `size` bytes (a multiple of 512): the overlay that a VM writes to.
 * Which image lies beneath it is said when it is opened, not in the file. */
WARN_UNUSED enum status luks_image_create(const char *target, uint64_t size, struct view passphrase,
                                          struct refusal *ret_refusal);

/* Size of the disk that the guest sees, from the header of a qcow2 image that is open at `fd`.
 * STATUS_MALFORMED unless it is qcow2 version 3, encrypted with LUKS, and names no other file
 * (neither a backing file nor an external data file: an image must be all there is to it). */
WARN_UNUSED enum status luks_image_inspect(int fd, uint64_t *ret_disk_size,
                                           struct refusal *ret_refusal);

/* The pure part of it: the first bytes of the file, LUKS_HEADER_SIZE or all of a shorter one. */
enum { LUKS_HEADER_SIZE = 4096 };
WARN_UNUSED enum status luks_image_parse(struct view header, uint64_t *ret_disk_size,
                                         struct refusal *ret_refusal);

#endif
