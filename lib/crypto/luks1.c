#include "lib/crypto/luks1.h"

#include "lib/base/secret.h"
#include "lib/base/sha256.h"
#include "lib/crypto/openssl_own.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The specification's constants, and the sizes of its fields. */
enum {
    VERSION = 1,
    NAME_SIZE = 32,
    DIGEST_SIZE = 20,
    UUID_TEXT_SIZE = 40,
    SLOT_ENABLED = 0x00ac71f3,
    SLOT_DISABLED = 0x0000dead,
    STRIPES_PER_SECTOR = LUKS1_SECTOR_SIZE / LUKS1_VOLUME_KEY_SIZE,
    XTS_TWEAK_SIZE = 16,
};

static const uint8_t magic[] = {'L', 'U', 'K', 'S', 0xba, 0xbe};

_Static_assert(LUKS1_MATERIAL_SIZE % LUKS1_SECTOR_SIZE == 0, "stripes fill their sectors");
_Static_assert(LUKS1_VOLUME_KEY_SIZE % SHA256_SIZE == 0, "stripes are whole blocks of the hash");

static bool pbkdf2(struct view password, const uint8_t salt[LUKS1_SALT_SIZE], uint8_t *ret_key,
                   size_t size)
{
    return PKCS5_PBKDF2_HMAC((const char *)password.data, (int)password.size, salt, LUKS1_SALT_SIZE,
                             LUKS1_ITERATION_COUNT, EVP_sha256(), (int)size, ret_key) == 1;
}

/* --- the header proper --- */

static void write_zeros(struct writer *writer, size_t count)
{
    static const uint8_t zeros[LUKS1_ALIGNMENT];

    ASSERT(count <= sizeof zeros);
    writer_view(writer, (struct view){zeros, count});
}

static void write_text(struct writer *writer, const char *text, size_t field_size)
{
    struct view view = view_string(text);

    writer_view(writer, view);
    write_zeros(writer, field_size - view.size);
}

/* A random UUID, RFC 4122, section 4.4. */
static void write_uuid(struct writer *writer, const uint8_t random[LUKS1_UUID_SIZE])
{
    char text[UUID_TEXT_SIZE] = "";
    size_t used = 0;

    for (size_t i = 0; i < LUKS1_UUID_SIZE; i++) {
        uint8_t byte = random[i];

        if (i == 6) {
            byte = (byte & 0x0f) | 0x40;
        } else if (i == 8) {
            byte = (byte & 0x3f) | 0x80;
        }
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%02" PRIx8,
                                 i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", byte);
    }
    write_text(writer, text, UUID_TEXT_SIZE);
}

static void write_slot(struct writer *writer, unsigned slot, const uint8_t salt[LUKS1_SALT_SIZE])
{
    size_t offset = LUKS1_ALIGNMENT + (size_t)slot * LUKS1_SLOT_SIZE;

    writer_u32(writer, salt ? SLOT_ENABLED : SLOT_DISABLED);
    writer_u32(writer, salt ? LUKS1_ITERATION_COUNT : 0);
    if (salt) {
        writer_view(writer, (struct view){salt, LUKS1_SALT_SIZE});
    } else {
        write_zeros(writer, LUKS1_SALT_SIZE);
    }
    writer_u32(writer, (uint32_t)(offset / LUKS1_SECTOR_SIZE));
    writer_u32(writer, LUKS1_STRIPE_COUNT);
}

static enum status write_header(struct writer *writer, const struct luks1_entropy *entropy)
{
    uint8_t digest[DIGEST_SIZE];

    if (!pbkdf2(VIEW_OF_ARRAY(entropy->volume_key), entropy->digest_salt, digest, sizeof digest)) {
        return STATUS_CRYPTO;
    }
    writer_view(writer, VIEW_OF_ARRAY(magic));
    writer_u16(writer, VERSION);
    write_text(writer, "aes", NAME_SIZE);
    write_text(writer, "xts-plain64", NAME_SIZE);
    write_text(writer, "sha256", NAME_SIZE);
    writer_u32(writer, LUKS1_AREA_SIZE / LUKS1_SECTOR_SIZE);
    writer_u32(writer, LUKS1_VOLUME_KEY_SIZE);
    writer_view(writer, VIEW_OF_ARRAY(digest));
    writer_view(writer, VIEW_OF_ARRAY(entropy->digest_salt));
    writer_u32(writer, LUKS1_ITERATION_COUNT);
    write_uuid(writer, entropy->uuid);
    for (unsigned slot = 0; slot < LUKS1_SLOT_COUNT; slot++) {
        write_slot(writer, slot, slot == 0 ? entropy->slot_salt : NULL);
    }
    write_zeros(writer, LUKS1_ALIGNMENT - writer->size);
    return STATUS_OK;
}

/* --- the key material: the volume key in stripes, encrypted under the passphrase --- */

/* All that is secret on the way. Only a sector of the stripes exists in the clear at any time:
 * whoever had them all would have the volume key. */
struct splitting {
    uint8_t slot_key[LUKS1_VOLUME_KEY_SIZE];
    uint8_t state[LUKS1_VOLUME_KEY_SIZE];
    uint8_t sector[LUKS1_SECTOR_SIZE];
};

/* The specification's section 2.4: each block becomes the hash of its number and itself. */
static void diffuse(uint8_t state[LUKS1_VOLUME_KEY_SIZE])
{
    for (uint8_t i = 0; i < LUKS1_VOLUME_KEY_SIZE / SHA256_SIZE; i++) {
        uint8_t *block = state + (size_t)i * SHA256_SIZE, number[4] = {0, 0, 0, i};
        struct digest digest = sha256_two(VIEW_OF_ARRAY(number), (struct view){block, SHA256_SIZE});

        memcpy(block, digest.bytes, SHA256_SIZE);
        secret_wipe(&digest, sizeof digest);
    }
}

static void mix(uint8_t *target, const uint8_t *source)
{
    for (size_t i = 0; i < LUKS1_VOLUME_KEY_SIZE; i++) {
        target[i] ^= source[i];
    }
}

/* Of random bytes in work->sector: all stripes but the last are random; that one makes the volume
 * key out of what was mixed from the others. */
static void split_sector(struct splitting *work, size_t sector, const uint8_t *volume_key)
{
    for (size_t i = 0; i < STRIPES_PER_SECTOR; i++) {
        uint8_t *stripe = work->sector + i * LUKS1_VOLUME_KEY_SIZE;

        if (sector * STRIPES_PER_SECTOR + i < LUKS1_STRIPE_COUNT - 1) {
            mix(work->state, stripe);
            diffuse(work->state);
        } else {
            memcpy(stripe, work->state, LUKS1_VOLUME_KEY_SIZE);
            mix(stripe, volume_key);
        }
    }
}

/* In place; all of a sector. */
static bool encrypt(EVP_CIPHER_CTX *context, uint8_t sector[LUKS1_SECTOR_SIZE])
{
    int size = 0;

    return EVP_EncryptUpdate(context, sector, &size, sector, LUKS1_SECTOR_SIZE) == 1 &&
           size == LUKS1_SECTOR_SIZE;
}

/* "plain64": the tweak is the sector's number, little-endian, counted from the slot's first. */
static bool encrypt_sector(EVP_CIPHER_CTX *xts, size_t number, uint8_t sector[LUKS1_SECTOR_SIZE])
{
    uint8_t tweak[XTS_TWEAK_SIZE] = {(uint8_t)number, (uint8_t)(number >> 8)};

    return EVP_EncryptInit_ex(xts, NULL, NULL, NULL, tweak) == 1 && encrypt(xts, sector);
}

static bool split(struct writer *writer, EVP_CIPHER_CTX *random, EVP_CIPHER_CTX *xts,
                  struct splitting *work, const uint8_t *volume_key)
{
    for (size_t sector = 0; sector < LUKS1_MATERIAL_SIZE / LUKS1_SECTOR_SIZE; sector++) {
        memset(work->sector, 0, sizeof work->sector);
        if (!encrypt(random, work->sector)) {
            return false;
        }
        split_sector(work, sector, volume_key);
        if (!encrypt_sector(xts, sector, work->sector)) {
            return false;
        }
        writer_view(writer, VIEW_OF_ARRAY(work->sector));
    }
    return true;
}

static enum status write_material(struct writer *writer, struct view passphrase,
                                  const struct luks1_entropy *entropy)
{
    static const uint8_t zero_counter[16];
    OWN(cipher_context) EVP_CIPHER_CTX *random = EVP_CIPHER_CTX_new();
    OWN(cipher_context) EVP_CIPHER_CTX *xts = EVP_CIPHER_CTX_new();
    OWN(secret) struct secret secret = {0};
    struct splitting *work;

    if (!random || !xts) {
        return STATUS_NO_MEMORY;
    }
    TRY(secret_new(sizeof *work, &secret));
    work = (struct splitting *)secret.data;
    /* The key is new, so that its stream may begin at zero. */
    if (EVP_EncryptInit_ex(random, EVP_aes_256_ctr(), NULL, entropy->stripe_seed, zero_counter) !=
            1 ||
        !pbkdf2(passphrase, entropy->slot_salt, work->slot_key, sizeof work->slot_key) ||
        EVP_EncryptInit_ex(xts, EVP_aes_256_xts(), NULL, work->slot_key, NULL) != 1 ||
        !split(writer, random, xts, work, entropy->volume_key)) {
        return STATUS_CRYPTO;
    }
    return STATUS_OK;
}

enum status luks1_format(struct view passphrase, const struct luks1_entropy *entropy,
                         struct bytes *ret_header)
{
    OWN(writer) struct writer writer = writer_new(LUKS1_SIZE);

    ASSERT(passphrase.size > 0 && passphrase.size <= LUKS1_PASSPHRASE_SIZE_MAX);
    TRY(write_header(&writer, entropy));
    TRY(write_material(&writer, passphrase, entropy));
    return writer_take(&writer, ret_header);
}
