/* Reference sets: what the registry refuses, what it drops, and what it keeps. */
#include "tests/support/core_fixture.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define assert_verdict(call, expected)                                                             \
    assert_string_equal(refusal_name(call), refusal_name(expected))

/* A piece of one of the fixture's sets. */
static enum refusal_code piece(struct fixture *fixture, unsigned set, size_t offset, size_t size)
{
    uint8_t storage[FIXTURE_SET_SIZE];
    struct digest digest = fixture_set_digest(set);
    struct view bytes = fixture_set(set, storage);
    struct command command = fixture_chunk(fixture, &digest, bytes.size, offset,
                                           (struct view){bytes.data + offset, size});

    return fixture_do(fixture, &command);
}

static const struct reference_blob *find(const struct fixture *fixture, unsigned set)
{
    struct digest digest = fixture_set_digest(set);

    return registry_reference(fixture->registry, &digest);
}

static bool is_complete(const struct fixture *fixture, unsigned set)
{
    const struct reference_blob *reference = find(fixture, set);

    return reference && reference_is_complete(reference);
}

/* Sets, complete or not. */
static size_t count(const struct fixture *fixture)
{
    size_t cursor = 0, sets = 0;

    while (registry_reference_next(fixture->registry, &cursor)) {
        sets++;
    }
    return sets;
}

static void only_operators_upload(void **state)
{
    static const uint64_t keys[] = {FIXTURE_AUDITOR, 1, 99};
    uint8_t storage[CORE_KEY_SIZE_MAX];
    struct digest digest = fixture_digest("set", 0);
    struct fixture fixture;
    struct command command;

    (void)state;
    fixture_start(&fixture, 1);
    command = fixture_command(&fixture, COMMAND_USER_ADDED);
    strcpy(command.user_added.name.text, "alice");
    command.user_added.role = USER_CUSTOMER;
    command.user_added.key = fixture_key(1, storage);
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_NONE);
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        command = fixture_chunk(&fixture, &digest, 5, 0, view_string("x"));
        command.actor = fixture_key_id(keys[i]);
        assert_verdict(fixture_do(&fixture, &command), REFUSAL_NOT_AUTHORIZED);
    }
    assert_int_equal(count(&fixture), 0);
    command.actor = fixture_key_id(FIXTURE_OPERATOR);
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_NONE);
    fixture_stop(&fixture);
}

static void chunks_out_of_order_are_refused(void **state)
{
    struct digest digest = fixture_set_digest(1);
    struct fixture fixture;
    struct command command;

    (void)state;
    fixture_start(&fixture, 1);
    assert_verdict(piece(&fixture, 1, 100, 100), REFUSAL_OUT_OF_ORDER);
    assert_int_equal(count(&fixture), 0);
    assert_verdict(piece(&fixture, 1, 0, 100), REFUSAL_NONE);
    assert_verdict(piece(&fixture, 1, 200, 100), REFUSAL_OUT_OF_ORDER);
    assert_string_equal(fixture.outcome.detail, "100 of 300 bytes are here");
    assert_verdict(piece(&fixture, 1, 50, 100), REFUSAL_OUT_OF_ORDER);
    command = fixture_chunk(&fixture, &digest, FIXTURE_SET_SIZE + 1, 100, view_string("x"));
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_OUT_OF_ORDER);
    assert_int_equal(find(&fixture, 1)->received, 100);
    fixture_stop(&fixture);
}

static void bytes_of_another_digest_are_refused_and_may_come_again(void **state)
{
    uint8_t storage[FIXTURE_SET_SIZE];
    struct digest digest = fixture_set_digest(1);
    struct fixture fixture;
    struct command command;

    (void)state;
    fixture_start(&fixture, 1);
    fixture_set(1, storage);
    storage[7] ^= 1;
    command = fixture_chunk(&fixture, &digest, sizeof storage, 0, VIEW_OF_ARRAY(storage));
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_REFERENCE_DIGEST);
    assert_null(find(&fixture, 1));
    command.reference_chunk.data.size = 200;
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_NONE);
    assert_verdict(piece(&fixture, 1, 200, 100), REFUSAL_REFERENCE_DIGEST);
    /* A refusal changes nothing: it can only be begun anew. */
    assert_int_equal(find(&fixture, 1)->received, 200);
    assert_verdict(piece(&fixture, 1, 200, 100), REFUSAL_REFERENCE_DIGEST);
    assert_verdict(piece(&fixture, 1, 0, 100), REFUSAL_NONE);
    assert_int_equal(find(&fixture, 1)->received, 100);
    assert_verdict(piece(&fixture, 1, 100, 200), REFUSAL_NONE);
    assert_true(is_complete(&fixture, 1));
    fixture_stop(&fixture);
}

static void a_complete_set_never_changes(void **state)
{
    uint8_t storage[FIXTURE_SET_SIZE];
    struct fixture fixture;

    (void)state;
    fixture_start(&fixture, 1);
    fixture_upload(&fixture, 1);
    assert_verdict(piece(&fixture, 1, 0, 100), REFUSAL_ALREADY_EXISTS);
    assert_verdict(piece(&fixture, 1, 200, 100), REFUSAL_ALREADY_EXISTS);
    assert_true(is_complete(&fixture, 1));
    fixture_set(1, storage);
    assert_memory_equal(find(&fixture, 1)->bytes->data, storage, sizeof storage);
    fixture_stop(&fixture);
}

/* Somebody who announced another size is in nobody's way. */
static void an_upload_may_begin_anew_with_another_size(void **state)
{
    struct digest digest = fixture_set_digest(1);
    struct fixture fixture;
    struct command command;

    (void)state;
    fixture_start(&fixture, 1);
    command = fixture_chunk(&fixture, &digest, REFERENCE_SIZE_MAX, 0, view_string("x"));
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_NONE);
    fixture_upload(&fixture, 1);
    assert_int_equal(count(&fixture), 1);
    assert_int_equal(find(&fixture, 1)->size, FIXTURE_SET_SIZE);
    fixture_stop(&fixture);
}

static void completion_is_in_the_audit_log_and_pieces_are_not(void **state)
{
    struct fixture fixture;
    uint64_t size;

    (void)state;
    fixture_start(&fixture, 1);
    size = registry_audit(fixture.registry)->size;
    assert_verdict(piece(&fixture, 1, 0, 100), REFUSAL_NONE);
    assert_verdict(piece(&fixture, 1, 100, 100), REFUSAL_NONE);
    assert_int_equal(registry_audit(fixture.registry)->size, size);
    assert_verdict(piece(&fixture, 1, 200, 100), REFUSAL_NONE);
    assert_int_equal(registry_audit(fixture.registry)->size, size + 1);
    assert_int_equal(fixture.outcome.leaf_count, 1);
    assert_non_null(
        memmem(fixture.outcome.leaves[0].data, fixture.outcome.leaves[0].size, "reference", 9));
    fixture_stop(&fixture);
}

static enum refusal_code apply_manifest(struct fixture *fixture, uint32_t references)
{
    struct command command = fixture_command(fixture, COMMAND_MANIFEST_APPLIED);
    struct fixture_manifest manifest = fixture->manifest;
    enum refusal_code verdict;
    struct bytes document;

    manifest.version++;
    manifest.references = references;
    document = fixture_manifest_document(&manifest);
    command.manifest_applied.manifest = bytes_view(&document);
    verdict = fixture_do(fixture, &command);
    bytes_free(&document);
    if (verdict == REFUSAL_NONE) {
        fixture->manifest = manifest;
    }
    return verdict;
}

static void a_manifest_that_names_a_missing_set_is_refused(void **state)
{
    struct fixture fixture;
    struct digest digest = fixture_set_digest(2);
    char text[2 * SHA256_SIZE + 1];

    (void)state;
    fixture_start(&fixture, 1);
    fixture_upload(&fixture, 1);
    assert_verdict(apply_manifest(&fixture, 1U << 1 | 1U << 2), REFUSAL_REFERENCE_MISSING);
    for (unsigned i = 0; i < SHA256_SIZE; i++) {
        (void)snprintf(text + (size_t)2 * i, 3, "%02x", digest.bytes[i]);
    }
    assert_non_null(strstr(fixture.outcome.detail, text));
    assert_non_null(strstr(fixture.outcome.detail, "policy plain"));
    assert_verdict(piece(&fixture, 2, 0, 299), REFUSAL_NONE);
    assert_verdict(apply_manifest(&fixture, 1U << 1 | 1U << 2), REFUSAL_REFERENCE_MISSING);
    assert_non_null(strstr(fixture.outcome.detail, "not complete"));
    assert_int_equal(registry_perimeter(fixture.registry)->manifest_version, 1);
    assert_verdict(piece(&fixture, 2, 299, 1), REFUSAL_NONE);
    assert_verdict(apply_manifest(&fixture, 1U << 1 | 1U << 2), REFUSAL_NONE);
    fixture_stop(&fixture);
}

/* Before the first manifest nobody can upload anything; see docs/adr. */
static void the_first_manifest_may_name_what_is_still_to_come(void **state)
{
    struct fixture fixture = {.registry = registry_new(), .clock = 1};
    struct bytes root = fixture_root(0);
    struct command command = fixture_command(&fixture, COMMAND_PERIMETER_ADOPTED);

    (void)state;
    command.perimeter_adopted.root = bytes_view(&root);
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_NONE);
    fixture.manifest = (struct fixture_manifest){.epoch = 1, .members = 3, .nodes = 1};
    assert_verdict(apply_manifest(&fixture, 1U << 3), REFUSAL_NONE);
    assert_verdict(apply_manifest(&fixture, 1U << 3), REFUSAL_REFERENCE_MISSING);
    fixture_upload(&fixture, 3);
    assert_verdict(apply_manifest(&fixture, 1U << 3), REFUSAL_NONE);
    bytes_free(&root);
    fixture_stop(&fixture);
}

static void held_bytes_outlive_their_set(void **state)
{
    uint8_t storage[FIXTURE_SET_SIZE];
    struct reference_bytes *bytes;
    struct fixture fixture;

    (void)state;
    fixture_start(&fixture, 1);
    fixture_upload(&fixture, 1);
    bytes = reference_bytes_hold(find(&fixture, 1)->bytes);
    fixture_stop(&fixture);
    fixture_set(1, storage);
    assert_memory_equal(bytes->data, storage, sizeof storage);
    reference_bytes_release(bytes);
}

static void one_upload_too_many_ends_the_oldest(void **state)
{
    struct fixture fixture;

    (void)state;
    fixture_start(&fixture, 1);
    for (unsigned set = 0; set < REFERENCE_UPLOAD_COUNT_MAX; set++) {
        assert_verdict(piece(&fixture, set, 0, 1), REFUSAL_NONE);
    }
    fixture_upload(&fixture, 20); /* never an upload among others */
    assert_int_equal(count(&fixture), REFERENCE_UPLOAD_COUNT_MAX);
    assert_null(find(&fixture, 0));
    assert_verdict(piece(&fixture, 0, 0, 1), REFUSAL_NONE);
    assert_non_null(find(&fixture, 1));
    assert_verdict(piece(&fixture, 9, 0, 1), REFUSAL_NONE);
    assert_null(find(&fixture, 1));
    assert_non_null(find(&fixture, 2));
    assert_true(is_complete(&fixture, 20));
    /* Beginning anew is no upload more. */
    assert_verdict(piece(&fixture, 9, 0, 2), REFUSAL_NONE);
    assert_non_null(find(&fixture, 2));
    fixture_stop(&fixture);
}

/* A set of REFERENCE_SIZE_MAX bytes: zeros, and its number at the end. */
static struct digest big_digest(unsigned number, uint8_t *bytes)
{
    bytes[REFERENCE_SIZE_MAX - 1] = (uint8_t)number;
    return sha256((struct view){bytes, REFERENCE_SIZE_MAX});
}

static struct digest upload_big(struct fixture *fixture, unsigned number, uint8_t *bytes)
{
    struct digest digest = big_digest(number, bytes);

    for (size_t at = 0; at < REFERENCE_SIZE_MAX; at += REFERENCE_CHUNK_SIZE_MAX) {
        struct command command = fixture_chunk(fixture, &digest, REFERENCE_SIZE_MAX, at,
                                               (struct view){bytes + at, REFERENCE_CHUNK_SIZE_MAX});

        assert_verdict(fixture_do(fixture, &command), REFUSAL_NONE);
    }
    return digest;
}

static void room_is_made_by_the_oldest_that_nobody_names(void **state)
{
    uint8_t *bytes = calloc(1, REFERENCE_SIZE_MAX);
    struct fixture fixture;
    struct digest big[4];

    (void)state;
    assert_non_null(bytes);
    fixture_start(&fixture, 1);
    fixture_upload(&fixture, 1);
    fixture_upload(&fixture, 2);
    assert_verdict(apply_manifest(&fixture, 1U << 1), REFUSAL_NONE);
    for (unsigned i = 0; i < 4; i++) {
        big[i] = upload_big(&fixture, i, bytes);
    }
    /* The fourth took the place of set 2 and of the first big one; set 1 is named and stays. */
    assert_null(find(&fixture, 2));
    assert_null(registry_reference(fixture.registry, &big[0]));
    assert_true(is_complete(&fixture, 1));
    for (unsigned i = 1; i < 4; i++) {
        assert_non_null(registry_reference(fixture.registry, &big[i]));
    }
    fixture_stop(&fixture);
    free(bytes);
}

static void what_has_no_room_is_refused_and_drops_nothing(void **state)
{
    struct digest digest = fixture_digest("set", 0);
    struct fixture fixture;
    struct command command;

    (void)state;
    fixture_start(&fixture, 1);
    /* Uploads are counted as large as they will be. */
    for (unsigned i = 0; i < 3; i++) {
        struct digest other = fixture_digest("big", i);

        command = fixture_chunk(&fixture, &other, REFERENCE_SIZE_MAX, 0, view_string("x"));
        assert_verdict(fixture_do(&fixture, &command), REFUSAL_NONE);
    }
    fixture_upload(&fixture, 1);
    fixture_upload(&fixture, 2);
    assert_verdict(apply_manifest(&fixture, 1U << 1), REFUSAL_NONE);
    command = fixture_chunk(&fixture, &digest, REFERENCE_SIZE_MAX, 0, view_string("x"));
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_LIMIT);
    assert_int_equal(count(&fixture), 5);
    assert_true(is_complete(&fixture, 2));
    command.reference_chunk.size = REFERENCE_SIZE_MAX - FIXTURE_SET_SIZE;
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_NONE);
    assert_null(find(&fixture, 2));
    assert_true(is_complete(&fixture, 1));
    fixture_stop(&fixture);
}

static void one_set_too_many_takes_the_place_of_the_oldest(void **state)
{
    struct fixture fixture;

    (void)state;
    fixture_start(&fixture, 1);
    for (unsigned set = 0; set < REFERENCE_COUNT_MAX; set++) {
        fixture_upload(&fixture, set);
    }
    assert_int_equal(count(&fixture), REFERENCE_COUNT_MAX);
    assert_verdict(apply_manifest(&fixture, 1U << 0), REFUSAL_NONE);
    fixture_upload(&fixture, 100);
    assert_int_equal(count(&fixture), REFERENCE_COUNT_MAX);
    assert_true(is_complete(&fixture, 0));
    assert_null(find(&fixture, 1));
    assert_true(is_complete(&fixture, 2));
    fixture_stop(&fixture);
}

/* Whoever was given the state in the middle of an upload goes on like the others. */
static void a_snapshot_in_the_middle_of_an_upload_goes_on(void **state)
{
    struct fixture fixture, twin;
    OWN(bytes) struct bytes snapshot = {0};
    struct digest left, right;

    (void)state;
    fixture_start(&fixture, 1);
    fixture_upload(&fixture, 1);
    assert_verdict(piece(&fixture, 2, 0, 100), REFUSAL_NONE);
    assert_ok(registry_snapshot(fixture.registry, &snapshot));
    twin = fixture;
    assert_ok(registry_restore(bytes_view(&snapshot), &twin.registry));
    assert_memory_equal(find(&twin, 1)->bytes->data, find(&fixture, 1)->bytes->data,
                        FIXTURE_SET_SIZE);
    assert_verdict(piece(&fixture, 2, 100, 200), REFUSAL_NONE);
    assert_verdict(piece(&twin, 2, 100, 200), REFUSAL_NONE);
    assert_true(is_complete(&twin, 2));
    left = registry_digest(fixture.registry);
    right = registry_digest(twin.registry);
    assert_memory_equal(&left, &right, sizeof left);
    fixture_stop(&fixture);
    fixture_stop(&twin);
}

/* The command's own digest is not all: members whose states differ have to notice. */
static void the_state_digest_covers_what_was_received(void **state)
{
    uint8_t storage[FIXTURE_SET_SIZE];
    struct digest digest = fixture_set_digest(1), digests[2];
    struct view set = fixture_set(1, storage);

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        OWN(bytes) struct bytes snapshot = {0};
        struct fixture fixture;
        struct command command;

        fixture_start(&fixture, 1);
        command = fixture_chunk(&fixture, &digest, set.size, 0, (struct view){set.data, 100});
        assert_verdict(fixture_do(&fixture, &command), REFUSAL_NONE);
        if (i == 1) {
            /* As after a fault of the memory. */
            struct reference_blob *reference =
                (struct reference_blob *)(uintptr_t)registry_reference(fixture.registry, &digest);

            sha256_update(&reference->hash, view_string("x"));
        }
        command = fixture_chunk(&fixture, &digest, set.size, 100, (struct view){set.data + 100, 9});
        assert_verdict(fixture_do(&fixture, &command), REFUSAL_NONE);
        digests[i] = registry_digest(fixture.registry);
        fixture_stop(&fixture);
    }
    assert_false(digest_equal(&digests[0], &digests[1]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_operators_upload),
        cmocka_unit_test(chunks_out_of_order_are_refused),
        cmocka_unit_test(bytes_of_another_digest_are_refused_and_may_come_again),
        cmocka_unit_test(a_complete_set_never_changes),
        cmocka_unit_test(an_upload_may_begin_anew_with_another_size),
        cmocka_unit_test(completion_is_in_the_audit_log_and_pieces_are_not),
        cmocka_unit_test(a_manifest_that_names_a_missing_set_is_refused),
        cmocka_unit_test(the_first_manifest_may_name_what_is_still_to_come),
        cmocka_unit_test(held_bytes_outlive_their_set),
        cmocka_unit_test(one_upload_too_many_ends_the_oldest),
        cmocka_unit_test(room_is_made_by_the_oldest_that_nobody_names),
        cmocka_unit_test(what_has_no_room_is_refused_and_drops_nothing),
        cmocka_unit_test(one_set_too_many_takes_the_place_of_the_oldest),
        cmocka_unit_test(a_snapshot_in_the_middle_of_an_upload_goes_on),
        cmocka_unit_test(the_state_digest_covers_what_was_received),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
