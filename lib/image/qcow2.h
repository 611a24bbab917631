/*
 * An empty qcow2 image of version 3 with LUKS inside, as bytes (QEMU's docs/interop/qcow2.txt):
 * the format's numbers, and the start of such a file.
 */
#ifndef TCCP_IMAGE_QCOW2_H
#define TCCP_IMAGE_QCOW2_H

#include "lib/base/bytes.h"
#include "lib/crypto/luks1.h"

enum {
    QCOW2_MAGIC = 0x514649fb,
    QCOW2_VERSION = 3,
    QCOW2_CRYPT_LUKS = 2,
    QCOW2_INCOMPATIBLE_DIRTY = 1,
    QCOW2_SECTOR_SIZE = 512, /* disks are a multiple of it */
};
/* Of a disk that we make. QEMU goes further; its first table then takes a megabyte of memory. */
#define QCOW2_DISK_SIZE_MAX (UINT64_C(64) << 40)

/*
 * The image is what ret_head has, and zeros from there to a size of ret_size bytes. It holds
 * nothing, names no other file, and is opened with the passphrase (1 to LUKS1_PASSPHRASE_SIZE_MAX
 * bytes). disk_size: a multiple of QCOW2_SECTOR_SIZE, from that to QCOW2_DISK_SIZE_MAX. The same
 * arguments give the same bytes. STATUS_CRYPTO, STATUS_NO_MEMORY.
 */
WARN_UNUSED enum status qcow2_format(uint64_t disk_size, struct view passphrase,
                                     const struct luks1_entropy *entropy, struct bytes *ret_head,
                                     uint64_t *ret_size);

#endif
