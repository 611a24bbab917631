/*
 * An initramfs that is not compressed, as the kernel unpacks it: cpio archives of the form "newc"
 * (Linux, Documentation/driver-api/early-userspace/buffer-format.rst), one after the other, zeroes
 * between them. Pure.
 */
#ifndef TCCP_PREDICT_CPIO_H
#define TCCP_PREDICT_CPIO_H

#include "lib/base/bytes.h"
#include "lib/base/refusal.h"

enum { CPIO_NAME_SIZE_MAX = 4095 }; /* bytes */

struct cpio_entry {
    unsigned archive; /* 0 for the first; names that share an inode do so within one archive */
    uint32_t inode, mode, links, device_major, device_minor;
    struct view name;    /* not empty, without NUL; in place */
    struct view content; /* in place */
};

/* Iterates. Start with .bytes set and all else zero; the bytes must outlive it. */
struct cpio {
    struct view bytes;
    size_t at;
    unsigned archive;
    bool inside; /* of an archive, which ends with its trailer */
};

/*
 * STATUS_OK with the next entry that is no trailer; STATUS_NOT_FOUND between archives, where the
 * bytes end or something else begins, at `at` (a compressed archive, perhaps); or refused:
 * REFUSAL_MALFORMED when an archive is cut short or an entry malformed.
 */
WARN_UNUSED enum status cpio_next(struct cpio *cpio, struct cpio_entry *ret_entry,
                                  struct refusal *ret_refusal);

#endif
