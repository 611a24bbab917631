/*
 * Keys of a VM's disks, derived from K_VM (docs/PROTOCOL.md, section 10): HKDF-SHA256 without salt,
 *
 *     image key    info = "tccp-image-key"
 *     overlay key  info = "tccp-overlay-key" | vm (32 bytes) | generation (u64)
 *
 * 32 bytes each, as lower-case hexadecimal text: LUKS in QEMU takes text only. Neither perimeter
 * nor epoch is in them: the image was sealed before it was known where it would run, and outlives
 * epochs; the vm id binds the perimeter.
 */
#ifndef TCCP_PROTOCOL_VM_KEYS_H
#define TCCP_PROTOCOL_VM_KEYS_H

#include "lib/base/secret.h"
#include "lib/base/sha256.h"

enum { VM_PASSPHRASE_SIZE = 64 }; /* characters, without a NUL */

/* Of the image that the customer seals. key: K_VM, VM_KEY_SIZE bytes. */
WARN_UNUSED enum status vm_image_key(struct view key, struct secret *ret_passphrase);
/* Of what the VM writes: another one for each VM and each generation. */
WARN_UNUSED enum status vm_overlay_key(struct view key, const struct digest *vm,
                                       uint64_t generation, struct secret *ret_passphrase);

#endif
