#include "tests/support/vm.h"

static const uint8_t node_name[] = "\x00\x0b the name of a node's EK......";

static struct order_content content_of(const struct vm_fixture *vm)
{
    struct order_content content = {.header = {.vm = vm->vm,
                                               .node_size = sizeof node_name,
                                               .registration = 5,
                                               .generation = 7,
                                               .image = vm->image,
                                               .purpose = ORDER_LAUNCH,
                                               .start_generation = 6},
                                    .nonce = VIEW_OF_ARRAY(vm->nonce),
                                    .key = VIEW_OF_ARRAY(vm->key),
                                    .policy = bytes_view(&vm->policy_bytes),
                                    .image_manifest = bytes_view(&vm->manifest_bytes),
                                    .image_location = "/srv/images"};

    memset(content.header.order, 0x33, sizeof content.header.order);
    memset(content.header.pseudonym, 0x44, sizeof content.header.pseudonym);
    memcpy(content.header.node, node_name, sizeof node_name);
    return content;
}

static struct order_expectation expectation_of(const struct vm_fixture *vm)
{
    return (struct order_expectation){.scope = vm->scope,
                                      .tc_sign = vm->tc_public,
                                      .node = VIEW_OF_ARRAY(node_name),
                                      .registration = 5};
}

static struct bytes order_of(const struct vm_fixture *vm, const struct order_content *content)
{
    struct bytes order = {0};

    assert_ok(launch_order_make(content, &vm->scope, VIEW_OF_ARRAY(vm->tk_point), &vm->by_tc,
                                vm_entropy, &order));
    return order;
}

static enum status receive(const struct vm_fixture *vm, struct view bytes,
                           const struct order_expectation *expectation, uint64_t generation_seen,
                           struct refusal *refusal)
{
    OWN(launch_order) struct launch_order order = {.image_location = ""};
    OWN(vm_secret) struct vm_secret secret = {.plaintext = {0}};
    struct launch_policy policy;

    TRY(launch_order_check(bytes, expectation, &order, refusal));
    TRY(launch_order_open(&order, &expectation->scope, generation_seen, vm->tk_kem, &secret,
                          &policy, refusal));
    assert_true(view_equal(secret.key, VIEW_OF_ARRAY(vm->key)));
    assert_true(view_equal(secret.nonce, VIEW_OF_ARRAY(vm->nonce)));
    assert_true(view_equal(secret.body, bytes_view(&vm->policy_bytes)));
    return STATUS_OK;
}

static void an_order_not_by_the_coordinator_is_refused(void **state)
{
    struct vm_fixture *vm = *state;
    struct order_content content = content_of(vm);
    struct order_expectation expectation = expectation_of(vm);
    OWN(bytes) struct bytes order = {0};
    struct refusal refusal;

    assert_ok(launch_order_make(&content, &vm->scope, VIEW_OF_ARRAY(vm->tk_point), &vm->by_stranger,
                                vm_entropy, &order));
    assert_refused(receive(vm, bytes_view(&order), &expectation, 0, &refusal), refusal,
                   REFUSAL_BAD_SIGNATURE);
}

static void an_order_of_another_perimeter_or_epoch_is_refused(void **state)
{
    struct vm_fixture *vm = *state;
    struct order_content content = content_of(vm);
    OWN(bytes) struct bytes order = order_of(vm, &content);
    struct scope others[] = {vm_other_perimeter(vm), vm_other_epoch(vm)};
    struct refusal refusal;

    for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
        struct order_expectation expectation = expectation_of(vm);

        expectation.scope = others[i];
        assert_refused(receive(vm, bytes_view(&order), &expectation, 0, &refusal), refusal,
                       REFUSAL_BAD_SIGNATURE);
    }
}

static void an_order_for_another_node_is_refused(void **state)
{
    struct vm_fixture *vm = *state;
    struct order_content content = content_of(vm);
    OWN(bytes) struct bytes order = order_of(vm, &content);
    struct order_expectation expectation = expectation_of(vm);
    struct refusal refusal;

    expectation.node = view_string("another node");
    assert_refused(receive(vm, bytes_view(&order), &expectation, 0, &refusal), refusal,
                   REFUSAL_ORDER);
}

static void an_order_for_another_registration_is_refused(void **state)
{
    struct vm_fixture *vm = *state;
    struct order_content content = content_of(vm);
    OWN(bytes) struct bytes order = order_of(vm, &content);
    struct order_expectation expectation = expectation_of(vm);
    struct refusal refusal;

    expectation.registration = 6;
    assert_refused(receive(vm, bytes_view(&order), &expectation, 0, &refusal), refusal,
                   REFUSAL_REGISTRATION);
}

static void an_order_of_an_older_generation_is_refused(void **state)
{
    struct vm_fixture *vm = *state;
    struct order_content content = content_of(vm);
    OWN(bytes) struct bytes order = order_of(vm, &content);
    struct order_expectation expectation = expectation_of(vm);
    struct refusal refusal;

    assert_refused(receive(vm, bytes_view(&order), &expectation, 8, &refusal), refusal,
                   REFUSAL_GENERATION);
    assert_ok(receive(vm, bytes_view(&order), &expectation, 7, &refusal));
}

static void an_order_with_another_manifest_is_refused(void **state)
{
    struct vm_fixture *vm = *state;
    struct order_content content = content_of(vm);
    struct image_manifest manifest = vm->manifest;
    struct order_expectation expectation = expectation_of(vm);
    OWN(bytes) struct bytes other = {0};
    OWN(bytes) struct bytes order = {0};
    struct refusal refusal;

    manifest.disk.digest = vm_other_digest(&manifest.disk.digest);
    assert_ok(image_manifest_build(&manifest, &other));
    content.image_manifest = bytes_view(&other);
    order = order_of(vm, &content);
    assert_refused(receive(vm, bytes_view(&order), &expectation, 0, &refusal), refusal,
                   REFUSAL_ORDER);
}

static void an_order_sealed_to_another_key_does_not_open(void **state)
{
    struct vm_fixture *vm = *state;
    struct order_content content = content_of(vm);
    struct order_expectation expectation = expectation_of(vm);
    OWN(bytes) struct bytes order = {0};
    struct refusal refusal;

    assert_ok(launch_order_make(&content, &vm->scope, VIEW_OF_ARRAY(vm->peer_point), &vm->by_tc,
                                vm_entropy, &order));
    assert_refused(receive(vm, bytes_view(&order), &expectation, 0, &refusal), refusal,
                   REFUSAL_ORDER);
}

/* The sealed part of one order does not open under the header of another, whichever field differs:
 * a coordinator's signature over both would not be enough. */
static void the_sealed_key_is_bound_to_every_field_of_the_header(void **state)
{
    struct vm_fixture *vm = *state;
    struct order_content content = content_of(vm);
    struct order_expectation expectation = expectation_of(vm);
    OWN(bytes) struct bytes bytes = order_of(vm, &content);
    OWN(launch_order) struct launch_order order = {.image_location = ""};
    struct order_content others[10];

    assert_ok(launch_order_check(bytes_view(&bytes), &expectation, &order, NULL));
    for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
        others[i] = content;
    }
    others[0].header.order[0] ^= 1;
    others[1].header.vm = vm_other_digest(&vm->vm);
    others[2].header.node[5] ^= 1;
    others[3].header.registration++;
    others[4].header.generation++;
    others[5].header.image = vm_other_digest(&vm->image);
    others[6].header.pseudonym[0] ^= 1;
    others[7].header.purpose = ORDER_READOPT;
    others[8].header.purpose = ORDER_MIGRATE;
    others[8].header.migration = 1;
    others[9].header.start_generation--;
    for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
        OWN(bytes) struct bytes other_bytes = order_of(vm, &others[i]);
        OWN(launch_order) struct launch_order other = {.image_location = ""};
        OWN(vm_secret) struct vm_secret secret = {.plaintext = {0}};
        struct order_expectation other_expectation = expectation;
        struct launch_policy policy;
        struct refusal refusal;
        struct bytes own;

        other_expectation.node = (struct view){others[i].header.node, others[i].header.node_size};
        other_expectation.registration = others[i].header.registration;
        if (launch_order_check(bytes_view(&other_bytes), &other_expectation, &other, &refusal) !=
            STATUS_OK) {
            assert_int_equal(i, 5); /* the manifest does not fit the header */
            continue;
        }
        own = other.sealed;
        other.sealed = order.sealed;
        assert_refused(
            launch_order_open(&other, &vm->scope, 0, vm->tk_kem, &secret, &policy, &refusal),
            refusal, REFUSAL_ORDER);
        other.sealed = own;
        assert_ok(launch_order_open(&other, &vm->scope, 0, vm->tk_kem, &secret, &policy, NULL));
    }
}

static void no_changed_byte_of_an_order_passes(void **state)
{
    struct vm_fixture *vm = *state;
    struct order_content content = content_of(vm);
    struct order_expectation expectation = expectation_of(vm);
    OWN(bytes) struct bytes order = order_of(vm, &content);

    assert_no_changed_byte_passes(order, receive(vm, bytes_view(&order), &expectation, 0, NULL));
    for (size_t size = 0; size < order.size; size++) {
        assert_status(receive(vm, (struct view){order.data, size}, &expectation, 0, NULL),
                      STATUS_REFUSED);
    }
}

static void a_senseless_order_is_not_made(void **state)
{
    struct vm_fixture *vm = *state;
    struct order_content contents[7];
    OWN(bytes) struct bytes order = {0};

    for (size_t i = 0; i < ARRAY_SIZE(contents); i++) {
        contents[i] = content_of(vm);
    }
    contents[0].header.node_size = 0;
    contents[1].header.registration = 0;
    contents[2].header.generation = 0;
    contents[3].header.migration = 1;           /* of a launch */
    contents[4].header.purpose = ORDER_MIGRATE; /* of which? */
    contents[5].header.start_generation = 0;
    contents[6].header.start_generation = 8; /* it cannot have been started later than now */
    for (size_t i = 0; i < ARRAY_SIZE(contents); i++) {
        assert_status(launch_order_make(&contents[i], &vm->scope, VIEW_OF_ARRAY(vm->tk_point),
                                        &vm->by_tc, vm_entropy, &order),
                      STATUS_MALFORMED);
    }
}

static void an_order_says_what_was_put_into_it(void **state)
{
    struct vm_fixture *vm = *state;
    struct order_content content = content_of(vm);
    struct order_expectation expectation = expectation_of(vm);
    OWN(bytes) struct bytes bytes = order_of(vm, &content);
    OWN(launch_order) struct launch_order order = {.image_location = ""};

    assert_ok(launch_order_check(bytes_view(&bytes), &expectation, &order, NULL));
    assert_true(digest_equal(&order.header.vm, &vm->vm));
    assert_int_equal(order.header.generation, 7);
    assert_int_equal(order.header.purpose, ORDER_LAUNCH);
    assert_int_equal(order.header.start_generation, 6);
    assert_memory_equal(order.header.pseudonym, content.header.pseudonym, NODE_PSEUDONYM_SIZE);
    assert_memory_equal(order.header.order, content.header.order, ORDER_ID_SIZE);
    assert_string_equal(order.image_location, "/srv/images");
    assert_int_equal(order.manifest.memory_size, vm->manifest.memory_size);
    assert_null(memmem(bytes.data, bytes.size, vm->key, sizeof vm->key));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_order_not_by_the_coordinator_is_refused),
        cmocka_unit_test(an_order_of_another_perimeter_or_epoch_is_refused),
        cmocka_unit_test(an_order_for_another_node_is_refused),
        cmocka_unit_test(an_order_for_another_registration_is_refused),
        cmocka_unit_test(an_order_of_an_older_generation_is_refused),
        cmocka_unit_test(an_order_with_another_manifest_is_refused),
        cmocka_unit_test(an_order_sealed_to_another_key_does_not_open),
        cmocka_unit_test(the_sealed_key_is_bound_to_every_field_of_the_header),
        cmocka_unit_test(no_changed_byte_of_an_order_passes),
        cmocka_unit_test(a_senseless_order_is_not_made),
        cmocka_unit_test(an_order_says_what_was_put_into_it),
    };

    return cmocka_run_group_tests(tests, vm_set_up, vm_tear_down);
}
