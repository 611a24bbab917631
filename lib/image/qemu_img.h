/*
 * qemu-img as a child process. The passphrase reaches it in a memfd, the image as a descriptor:
 * neither in an argument, nor in the environment. Blocks.
 */
#ifndef TCCP_IMAGE_QEMU_IMG_H
#define TCCP_IMAGE_QEMU_IMG_H

#include "lib/base/bytes.h"
#include "lib/base/refusal.h"

/*
 * Writes the content of the raw image `source` (an absolute path, which it cannot take for an
 * option, a protocol or JSON) into the encrypted image that is open at target_fd, which is empty
 * and not smaller. Refused with NOT_FOUND when there is no qemu-img, and with MALFORMED and its own
 * last line when it fails.
 */
WARN_UNUSED enum status qemu_img_convert(const char *source, int target_fd, struct view passphrase,
                                         struct refusal *ret_refusal);

#endif
