/* The bytes of an empty image; what QEMU makes of them is in test_image.c. */
#include "tests/support/test.h"

#include "lib/base/sha256.h"
#include "lib/image/luks_image.h"
#include "lib/image/qcow2.h"
#include "tests/support/hex.h"

static const char passphrase[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

static struct luks1_entropy entropy_counting(void)
{
    struct luks1_entropy entropy;
    uint8_t *bytes = (uint8_t *)&entropy;

    for (size_t i = 0; i < sizeof entropy; i++) {
        bytes[i] = (uint8_t)(i + 1);
    }
    return entropy;
}

/* The digests come from a second implementation, in another language. */
static void the_bytes_are_these(void **state)
{
    static const struct {
        uint64_t disk_size, file_size;
        const char *digest;
    } images[] = {
        {512, 2359296, "e1bb2cd8e7fe78346252235a36e7e83e9e0d5cc51d0c07efe2699e0451924c7a"},
        {UINT64_C(10) << 30, 2359296,
         "9f8c4c27e32d81a5130a4e4c39a9e4f9f94a33a2caa793d226484cd46fa6285f"},
        {QCOW2_DISK_SIZE_MAX, 3342336,
         "3de5e0abd238690b047e90b2b13b4b64155e57de5ea89bb26145f07fb0d5557a"},
    };
    struct luks1_entropy entropy = entropy_counting();

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(images); i++) {
        OWN(bytes) struct bytes head = {0};
        uint64_t file_size = 0;
        struct digest digest;

        assert_ok(qcow2_format(images[i].disk_size, view_string(passphrase), &entropy, &head,
                               &file_size));
        assert_int_equal(file_size, images[i].file_size);
        digest = sha256(bytes_view(&head));
        assert_view_hex(digest_view(&digest), images[i].digest);
    }
}

static void an_empty_image_passes_our_own_inspection(void **state)
{
    struct luks1_entropy entropy = entropy_counting();
    OWN(bytes) struct bytes head = {0};
    struct refusal refusal = {0};
    uint64_t file_size, disk_size = 0;

    (void)state;
    assert_ok(
        qcow2_format(7 * QCOW2_SECTOR_SIZE, view_string(passphrase), &entropy, &head, &file_size));
    assert_ok(luks_image_parse((struct view){head.data, LUKS_HEADER_SIZE}, &disk_size, &refusal));
    assert_int_equal(disk_size, 7 * QCOW2_SECTOR_SIZE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bytes_are_these),
        cmocka_unit_test(an_empty_image_passes_our_own_inspection),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
