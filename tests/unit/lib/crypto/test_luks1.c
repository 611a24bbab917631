#include "tests/support/test.h"

#include "lib/base/sha256.h"
#include "lib/crypto/luks1.h"
#include "tests/support/hex.h"

#include <openssl/evp.h>

enum { KEY_SIZE = LUKS1_VOLUME_KEY_SIZE, DIGEST_SIZE = 20, HEADER_SIZE = 592 };

static const char passphrase[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/* 1, 2, 3...: every byte of it is told from its neighbours. */
static struct luks1_entropy entropy_counting(void)
{
    struct luks1_entropy entropy;
    uint8_t *bytes = (uint8_t *)&entropy;

    for (size_t i = 0; i < sizeof entropy; i++) {
        bytes[i] = (uint8_t)(i + 1);
    }
    return entropy;
}

static void format(const char *with, const struct luks1_entropy *entropy, struct bytes *ret_header)
{
    assert_ok(luks1_format(view_string(with), entropy, ret_header));
    assert_int_equal(ret_header->size, LUKS1_SIZE);
}

/* --- the other side: the specification's way from a passphrase to the volume key --- */

struct header {
    uint32_t payload, key_size, digest_iterations, active, iterations, material, stripes;
    uint8_t digest[DIGEST_SIZE], digest_salt[LUKS1_SALT_SIZE], salt[LUKS1_SALT_SIZE];
    struct view uuid;
};

static struct header header_read(struct view bytes)
{
    struct reader reader = reader_of(bytes);
    struct header header;

    assert_memory_equal(reader_view(&reader, 6).data, "LUKS\xba\xbe", 6);
    assert_int_equal(reader_u16(&reader), 1);
    assert_string_equal((const char *)reader_view(&reader, 32).data, "aes");
    assert_string_equal((const char *)reader_view(&reader, 32).data, "xts-plain64");
    assert_string_equal((const char *)reader_view(&reader, 32).data, "sha256");
    header.payload = reader_u32(&reader);
    header.key_size = reader_u32(&reader);
    reader_copy(&reader, header.digest, sizeof header.digest);
    reader_copy(&reader, header.digest_salt, sizeof header.digest_salt);
    header.digest_iterations = reader_u32(&reader);
    header.uuid = reader_view(&reader, 40);
    header.active = reader_u32(&reader);
    header.iterations = reader_u32(&reader);
    reader_copy(&reader, header.salt, sizeof header.salt);
    header.material = reader_u32(&reader);
    header.stripes = reader_u32(&reader);
    assert_false(reader.bad);
    return header;
}

static void stretch(struct view password, const uint8_t *salt, uint32_t iterations, uint8_t *ret,
                    int size)
{
    assert_int_equal(PKCS5_PBKDF2_HMAC((const char *)password.data, (int)password.size, salt,
                                       LUKS1_SALT_SIZE, (int)iterations, EVP_sha256(), size, ret),
                     1);
}

static void decrypt_sector(const uint8_t *key, size_t number, const uint8_t *sector, uint8_t *ret)
{
    uint8_t tweak[16] = {(uint8_t)number, (uint8_t)(number >> 8)};
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    int size = 0;

    assert_non_null(context);
    assert_int_equal(EVP_DecryptInit_ex(context, EVP_aes_256_xts(), NULL, key, tweak), 1);
    assert_int_equal(EVP_DecryptUpdate(context, ret, &size, sector, LUKS1_SECTOR_SIZE), 1);
    EVP_CIPHER_CTX_free(context);
}

static void merge(uint8_t *state, const uint8_t *stripe)
{
    for (size_t i = 0; i < KEY_SIZE; i++) {
        state[i] ^= stripe[i];
    }
}

static void hash(uint8_t *state)
{
    for (uint8_t i = 0; i < KEY_SIZE / SHA256_SIZE; i++) {
        struct view block = {state + i * SHA256_SIZE, SHA256_SIZE};
        struct digest digest = sha256_two(VIEW_OF_ARRAY(((uint8_t[]){0, 0, 0, i})), block);

        memcpy(state + i * SHA256_SIZE, digest.bytes, SHA256_SIZE);
    }
}

/* True when the header says that the passphrase was right. */
static bool open_header(struct view bytes, const char *with, uint8_t ret_key[KEY_SIZE])
{
    struct header header = header_read(bytes);
    uint8_t slot_key[KEY_SIZE], digest[DIGEST_SIZE], sector[LUKS1_SECTOR_SIZE];

    memset(ret_key, 0, KEY_SIZE);
    stretch(view_string(with), header.salt, header.iterations, slot_key, KEY_SIZE);
    for (size_t i = 0; i < LUKS1_STRIPE_COUNT; i++) {
        size_t at = i * KEY_SIZE;

        if (at % LUKS1_SECTOR_SIZE == 0) {
            decrypt_sector(slot_key, at / LUKS1_SECTOR_SIZE,
                           bytes.data + (size_t)header.material * LUKS1_SECTOR_SIZE + at, sector);
        }
        merge(ret_key, sector + at % LUKS1_SECTOR_SIZE);
        if (i < LUKS1_STRIPE_COUNT - 1) {
            hash(ret_key);
        }
    }
    stretch((struct view){ret_key, KEY_SIZE}, header.digest_salt, header.digest_iterations, digest,
            sizeof digest);
    return memcmp(digest, header.digest, sizeof digest) == 0;
}

/* --- the claims --- */

static void another_passphrase_does_not_give_the_volume_key(void **state)
{
    struct luks1_entropy entropy = entropy_counting();
    OWN(bytes) struct bytes header = {0};
    uint8_t key[KEY_SIZE];

    (void)state;
    format(passphrase, &entropy, &header);
    assert_false(open_header(bytes_view(&header), "0123456789abcdef0123456789abcdeg", key));
    assert_memory_not_equal(key, entropy.volume_key, KEY_SIZE);
}

static void the_passphrase_gives_the_volume_key(void **state)
{
    struct luks1_entropy entropy = entropy_counting();
    OWN(bytes) struct bytes header = {0};
    uint8_t key[KEY_SIZE];

    (void)state;
    format(passphrase, &entropy, &header);
    assert_true(open_header(bytes_view(&header), passphrase, key));
    assert_memory_equal(key, entropy.volume_key, KEY_SIZE);
}

static void the_passphrase_is_stretched_as_little_as_luks_allows(void **state)
{
    struct luks1_entropy entropy = entropy_counting();
    OWN(bytes) struct bytes bytes = {0};
    struct header header;

    (void)state;
    format(passphrase, &entropy, &bytes);
    header = header_read(bytes_view(&bytes));
    assert_int_equal(header.iterations, 1000);
    assert_int_equal(header.digest_iterations, 1000);
    assert_int_equal(header.stripes, 4000);
    assert_int_equal(header.key_size, KEY_SIZE);
    assert_int_equal(header.payload, LUKS1_AREA_SIZE / LUKS1_SECTOR_SIZE);
    assert_string_equal((const char *)header.uuid.data, "a1a2a3a4-a5a6-47a8-a9aa-abacadaeafb0");
}

static void one_slot_is_enabled_and_none_overlaps_another(void **state)
{
    struct luks1_entropy entropy = entropy_counting();
    OWN(bytes) struct bytes bytes = {0};
    struct reader reader;
    uint32_t end = HEADER_SIZE / LUKS1_SECTOR_SIZE + 1;

    (void)state;
    format(passphrase, &entropy, &bytes);
    reader = reader_of(bytes_view(&bytes));
    (void)reader_view(&reader, 208);
    for (unsigned slot = 0; slot < LUKS1_SLOT_COUNT; slot++) {
        uint32_t begin;

        assert_int_equal(reader_u32(&reader), slot == 0 ? 0x00ac71f3 : 0x0000dead);
        (void)reader_view(&reader, 4 + LUKS1_SALT_SIZE);
        begin = reader_u32(&reader);
        assert_true(begin >= end);
        end = begin + LUKS1_MATERIAL_SIZE / LUKS1_SECTOR_SIZE;
        assert_int_equal(reader_u32(&reader), LUKS1_STRIPE_COUNT);
    }
    assert_true(end <= LUKS1_AREA_SIZE / LUKS1_SECTOR_SIZE);
    assert_true(view_is_zero(reader_view(&reader, LUKS1_ALIGNMENT - HEADER_SIZE)));
}

static void nothing_secret_lies_in_the_header(void **state)
{
    struct luks1_entropy entropy = entropy_counting();
    OWN(bytes) struct bytes header = {0};

    (void)state;
    format(passphrase, &entropy, &header);
    assert_null(memmem(header.data, header.size, passphrase, 16));
    assert_null(memmem(header.data, header.size, entropy.volume_key, 16));
    assert_null(memmem(header.data, header.size, entropy.volume_key + 32, 16));
    assert_null(memmem(header.data, header.size, entropy.stripe_seed, 16));
}

static void each_part_of_the_entropy_counts(void **state)
{
    struct luks1_entropy entropy = entropy_counting();
    OWN(bytes) struct bytes before = {0};

    (void)state;
    format(passphrase, &entropy, &before);
    for (size_t i = 0; i < sizeof entropy; i += 16) {
        struct luks1_entropy other = entropy;
        OWN(bytes) struct bytes after = {0};

        ((uint8_t *)&other)[i] ^= 1;
        format(passphrase, &other, &after);
        assert_false(view_equal(bytes_view(&before), bytes_view(&after)));
    }
}

/* The digest comes from a second implementation, in another language. */
static void the_bytes_are_these(void **state)
{
    struct luks1_entropy entropy = entropy_counting();
    OWN(bytes) struct bytes header = {0};
    struct digest digest;

    (void)state;
    format(passphrase, &entropy, &header);
    digest = sha256(bytes_view(&header));
    assert_view_hex(digest_view(&digest),
                    "16fa1c92059060b2a3424b418a9eda902e22ac55bcfea647388a1f94154efc7c");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_passphrase_does_not_give_the_volume_key),
        cmocka_unit_test(the_passphrase_gives_the_volume_key),
        cmocka_unit_test(the_passphrase_is_stretched_as_little_as_luks_allows),
        cmocka_unit_test(one_slot_is_enabled_and_none_overlaps_another),
        cmocka_unit_test(nothing_secret_lies_in_the_header),
        cmocka_unit_test(each_part_of_the_entropy_counts),
        cmocka_unit_test(the_bytes_are_these),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
