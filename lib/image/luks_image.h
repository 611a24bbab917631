/*
 * Encrypted disk images: qcow2 with LUKS inside. An empty one takes a few milliseconds; qemu-img
 * fills it, as a child. All calls block: run them where that is no harm.
 */
#ifndef TCCP_IMAGE_LUKS_IMAGE_H
#define TCCP_IMAGE_LUKS_IMAGE_H

#include "lib/base/bytes.h"
#include "lib/base/refusal.h"

#include <sys/types.h>

enum {
    IMAGE_PASSPHRASE_SIZE_MIN = 32, /* characters of a random key: nothing stretches it */
    IMAGE_PASSPHRASE_SIZE_MAX = 256,
};

/*
 * Makes `target` (which must not exist, mode 0600) with the content of the raw image `source`, a
 * file or a block device. The passphrase is text: UTF-8 without NUL (LUKS in QEMU takes nothing
 * else). On failure nothing is left behind. Paths are absolute.
 *
 * Refusals: ALREADY_EXISTS; NOT_FOUND (the source, the target's folder, qemu-img); TOO_LARGE (the
 * disk, or no room for the file); MALFORMED otherwise, or qemu-img's own last line.
 */
WARN_UNUSED enum status luks_image_seal(const char *source, const char *target,
                                        struct view passphrase, struct refusal *ret_refusal);

/* The same without content, and without qemu-img, of `size` bytes (a multiple of 512, at most
 * 64 TiB): the overlay that a VM writes to. Which image lies beneath it is said when it is opened,
 * not in the file. */
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
