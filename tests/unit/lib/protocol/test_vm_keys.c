/* Keys of a VM's disks. */
#include "tests/support/test.h"

#include "lib/protocol/vm_keys.h"
#include "lib/protocol/vm_secret.h"

#include <string.h>

static const uint8_t key[VM_KEY_SIZE] = {1, 2, 3}, other_key[VM_KEY_SIZE] = {1, 2, 4};
static const struct digest vm = {{7}}, other_vm = {{8}};

static void expect_text(const struct secret *secret, const char *text)
{
    assert_int_equal(secret->size, VM_PASSPHRASE_SIZE);
    assert_memory_equal(secret->data, text, VM_PASSPHRASE_SIZE);
}

static void keys_are_different_for_each_use_key_vm_and_generation(void **state)
{
    struct secret keys[6];

    (void)state;
    assert_ok(vm_image_key(VIEW_OF_ARRAY(key), &keys[0]));
    assert_ok(vm_image_key(VIEW_OF_ARRAY(other_key), &keys[1]));
    assert_ok(vm_overlay_key(VIEW_OF_ARRAY(key), &vm, 1, &keys[2]));
    assert_ok(vm_overlay_key(VIEW_OF_ARRAY(key), &vm, 2, &keys[3]));
    assert_ok(vm_overlay_key(VIEW_OF_ARRAY(key), &other_vm, 1, &keys[4]));
    assert_ok(vm_overlay_key(VIEW_OF_ARRAY(other_key), &vm, 1, &keys[5]));
    for (unsigned i = 0; i < ARRAY_SIZE(keys); i++) {
        for (unsigned k = 0; k < i; k++) {
            assert_false(secret_equal(secret_view(&keys[i]), secret_view(&keys[k])));
        }
    }
    for (unsigned i = 0; i < ARRAY_SIZE(keys); i++) {
        secret_free(&keys[i]);
    }
}

/* Computed with another implementation of RFC 5869: images that were sealed stay readable. */
static void keys_are_the_same_for_ever(void **state)
{
    OWN(secret) struct secret image = {0};
    OWN(secret) struct secret overlay = {0};

    (void)state;
    assert_ok(vm_image_key(VIEW_OF_ARRAY(key), &image));
    assert_ok(vm_overlay_key(VIEW_OF_ARRAY(key), &vm, 3, &overlay));
    expect_text(&image, "30c6fc5e2765fa6f443b6b53c9117ce404bd26eb6a1badedaf666f319ddd33cb");
    expect_text(&overlay, "e19ec0817d2eee61dee68ae229945df5383369c34a79c4b7d4361832b76119a9");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_different_for_each_use_key_vm_and_generation),
        cmocka_unit_test(keys_are_the_same_for_ever),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
