/*
 * A LUKS1 header with one key slot, as bytes (LUKS On-Disk Format Specification 1.2.3): what a disk
 * that is encrypted with AES-256-XTS begins with. cryptsetup and QEMU open it.
 *
 * Made for passphrases that are keys of 256 bits: these are stretched as little as LUKS allows,
 * since stretching adds nothing to them. Never use it for what a person thinks up.
 */
#ifndef TCCP_CRYPTO_LUKS1_H
#define TCCP_CRYPTO_LUKS1_H

#include "lib/base/bytes.h"

enum {
    LUKS1_SECTOR_SIZE = 512,
    LUKS1_ITERATION_COUNT = 1000,
    LUKS1_VOLUME_KEY_SIZE = 64, /* two AES keys of 256 bits, as XTS wants them */
    LUKS1_STRIPE_COUNT = 4000,
    LUKS1_SLOT_COUNT = 8,
    LUKS1_SALT_SIZE = 32,
    LUKS1_UUID_SIZE = 16,
    LUKS1_SEED_SIZE = 32,
    /* The header proper lies before this, and each slot's key material at a multiple of it. */
    LUKS1_ALIGNMENT = 4096,
    LUKS1_MATERIAL_SIZE = LUKS1_STRIPE_COUNT * LUKS1_VOLUME_KEY_SIZE,
    /* What luks1_format() returns: everything up to the end of the first slot. */
    LUKS1_SIZE = LUKS1_ALIGNMENT + LUKS1_MATERIAL_SIZE,
    /* With the room for the other slots, which nobody reads: they are disabled. */
    LUKS1_SLOT_SIZE =
        (LUKS1_MATERIAL_SIZE + LUKS1_ALIGNMENT - 1) / LUKS1_ALIGNMENT * LUKS1_ALIGNMENT,
    LUKS1_AREA_SIZE = LUKS1_ALIGNMENT + LUKS1_SLOT_COUNT * LUKS1_SLOT_SIZE,
};

/* All of it random, and drawn anew for each header. The volume key and the stripes' seed are as
 * secret as what the disk holds: keep the whole in a struct secret. */
struct luks1_entropy {
    uint8_t volume_key[LUKS1_VOLUME_KEY_SIZE];
    uint8_t stripe_seed[LUKS1_SEED_SIZE];
    uint8_t slot_salt[LUKS1_SALT_SIZE];
    uint8_t digest_salt[LUKS1_SALT_SIZE];
    uint8_t uuid[LUKS1_UUID_SIZE];
};

/* passphrase: not empty, of at most LUKS1_PASSPHRASE_SIZE_MAX bytes. The same arguments give the
 * same LUKS1_SIZE bytes, which are no secret. STATUS_CRYPTO, STATUS_NO_MEMORY. */
enum { LUKS1_PASSPHRASE_SIZE_MAX = 512 };
WARN_UNUSED enum status luks1_format(struct view passphrase, const struct luks1_entropy *entropy,
                                     struct bytes *ret_header);

#endif
