/*
 * The bytes that run are the bytes that were hashed: an image is copied into storage that nobody
 * else can reach, and hashed in the same pass. Whoever changes the original later, or between two
 * readings of it, changes nothing. Blocks.
 */
#ifndef TCCP_IMAGE_IMAGE_COPY_H
#define TCCP_IMAGE_IMAGE_COPY_H

#include "lib/base/refusal.h"
#include "lib/base/sha256.h"

/* SHA-256 and size of all that can be read from `fd`, from its beginning. */
WARN_UNUSED enum status image_digest(int fd, struct digest *ret_digest, uint64_t *ret_size);

enum image_storage {
    IMAGE_IN_MEMORY, /* a memfd sealed against every change: kernels, initrds, small disks */
    IMAGE_IN_FOLDER, /* an unlinked file of mode 0600 in `folder` */
};

/*
 * Copies `size` bytes from `source_fd` and checks their digest; refused (REFUSAL_IMAGE_DIGEST) when
 * there are fewer or more, or when the digest is another; refused (REFUSAL_NOT_FOUND), with the
 * system's reason, where there is no room or the source cannot be read. ret_fd can only read, is
 * close-on-exec, and is the only way to the copy. Nothing is left behind on failure.
 */
WARN_UNUSED enum status image_copy(int source_fd, uint64_t size, const struct digest *digest,
                                   enum image_storage storage, const char *folder, int *ret_fd,
                                   struct refusal *ret_refusal);

#endif
