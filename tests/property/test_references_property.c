/*
 * Random pieces of reference sets and manifests that name sets, to the core and to a naive account
 * of what it should hold: a list in the order of the uploads' beginnings. A failing seed is
 * printed; run it alone with `test_references_property SEED`.
 */
#include "tests/support/core_fixture.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SEED_COUNT = 40,
    STEP_COUNT = 1500,
    SET_COUNT = 80, /* more than there is room for */
    NAMED_MAX = 4,
    BIG_FROM = 70, /* these are never complete: they announce the largest size */
};

/* One set as the model has it. */
struct entry {
    unsigned set;
    uint64_t size, received;
    bool is_wrong; /* some byte is not the set's */
};

struct run {
    struct fixture fixture;
    struct entry entries[REFERENCE_COUNT_MAX];
    size_t count;
    uint32_t named; /* sets, as bits */
    uint64_t random;
};

static unsigned verdicts[REFUSAL_CODE_COUNT], dropped_uploads, dropped_sets;

static uint32_t draw(struct run *run, uint32_t bound)
{
    run->random ^= run->random << 13;
    run->random ^= run->random >> 7;
    run->random ^= run->random << 17;
    return (uint32_t)((run->random >> 16) % bound);
}

static struct entry *find(struct run *run, unsigned set)
{
    for (size_t i = 0; i < run->count; i++) {
        if (run->entries[i].set == set) {
            return &run->entries[i];
        }
    }
    return NULL;
}

static void take_out(struct run *run, size_t at)
{
    memmove(&run->entries[at], &run->entries[at + 1],
            (run->count - at - 1) * sizeof run->entries[0]);
    run->count--;
}

static bool is_complete(const struct entry *entry)
{
    return entry->received == entry->size;
}

static bool is_named(const struct run *run, const struct entry *entry)
{
    return entry->set < 32 && (run->named >> entry->set & 1U);
}

static bool fits(const struct run *run, uint64_t size)
{
    uint64_t total = size;

    for (size_t i = 0; i < run->count; i++) {
        total += run->entries[i].size;
    }
    return run->count < REFERENCE_COUNT_MAX && total <= REFERENCE_TOTAL_SIZE_MAX;
}

/* Drops the first of the kind that is asked for; false when there is none. */
static bool drop_first(struct run *run, bool complete)
{
    for (size_t i = 0; i < run->count; i++) {
        if (is_complete(&run->entries[i]) == complete &&
            !(complete && is_named(run, &run->entries[i]))) {
            take_out(run, i);
            return true;
        }
    }
    return false;
}

static bool make_room(struct run *run, const struct entry *old, uint64_t size)
{
    struct run before = *run;
    size_t uploads = 0;

    if (old) {
        take_out(run, (size_t)(old - run->entries));
    }
    for (size_t i = 0; i < run->count; i++) {
        uploads += !is_complete(&run->entries[i]);
    }
    if (uploads >= REFERENCE_UPLOAD_COUNT_MAX) {
        dropped_uploads += drop_first(run, false);
    }
    while (!fits(run, size)) {
        if (!drop_first(run, true)) {
            memcpy(run->entries, before.entries, sizeof run->entries);
            run->count = before.count;
            return false;
        }
        dropped_sets++;
    }
    return true;
}

static enum refusal_code model_chunk(struct run *run, const struct entry *piece, uint64_t offset,
                                     uint64_t size)
{
    struct entry *entry = find(run, piece->set);
    bool is_wrong = piece->is_wrong || (offset > 0 && entry && entry->is_wrong);

    if (entry && is_complete(entry)) {
        return REFUSAL_ALREADY_EXISTS;
    }
    if (offset > 0 && (!entry || entry->received != offset || entry->size != piece->size)) {
        return REFUSAL_OUT_OF_ORDER;
    }
    if (offset + size == piece->size && (is_wrong || piece->size != FIXTURE_SET_SIZE)) {
        return REFUSAL_REFERENCE_DIGEST;
    }
    if (offset == 0) {
        if (!make_room(run, entry, piece->size)) {
            return REFUSAL_LIMIT;
        }
        entry = &run->entries[run->count++];
        *entry = *piece;
        entry->received = 0;
    }
    entry->received += size;
    entry->is_wrong = is_wrong;
    return REFUSAL_NONE;
}

static void chunk(struct run *run)
{
    uint8_t bytes[FIXTURE_SET_SIZE + 1] = {0};
    struct entry piece = {.set = draw(run, SET_COUNT), .size = FIXTURE_SET_SIZE};
    struct digest digest = fixture_set_digest(piece.set);
    const struct entry *known = find(run, piece.set);
    uint64_t offset = known && draw(run, 8) ? known->received : 0;
    uint64_t size = draw(run, 4) ? FIXTURE_SET_SIZE : 100;
    struct command command;

    (void)fixture_set(piece.set, bytes);
    if (draw(run, 12) == 0) {
        piece.size++;
    }
    if (piece.set >= BIG_FROM) {
        piece.size = REFERENCE_SIZE_MAX;
    }
    offset = offset < FIXTURE_SET_SIZE ? offset : 200;
    size = size < FIXTURE_SET_SIZE + 1 - offset ? size : FIXTURE_SET_SIZE - offset;
    if (offset + size > piece.size) {
        size = piece.size - offset;
    }
    piece.is_wrong = draw(run, 12) == 0;
    bytes[offset] ^= piece.is_wrong;
    command = fixture_chunk(&run->fixture, &digest, piece.size, offset,
                            (struct view){bytes + offset, size});
    {
        enum refusal_code verdict = fixture_do(&run->fixture, &command);
        enum refusal_code expected = model_chunk(run, &piece, offset, size);

        assert_string_equal(refusal_name(verdict), refusal_name(expected));
        verdicts[verdict]++;
    }
}

static void manifest(struct run *run)
{
    struct command command = fixture_command(&run->fixture, COMMAND_MANIFEST_APPLIED);
    struct fixture_manifest wanted = run->fixture.manifest;
    enum refusal_code verdict, expected = REFUSAL_NONE;
    struct bytes document;

    wanted.version++;
    wanted.references = 0;
    for (unsigned i = draw(run, NAMED_MAX + 1); i > 0 && run->count > 0; i--) {
        const struct entry *entry = &run->entries[draw(run, (uint32_t)run->count)];

        wanted.references |= entry->set < 32 ? 1U << entry->set : 0;
    }
    for (unsigned set = 0; set < 32; set++) {
        const struct entry *entry = find(run, set);

        if ((wanted.references >> set & 1U) && !(entry && is_complete(entry))) {
            expected = REFUSAL_REFERENCE_MISSING;
        }
    }
    document = fixture_manifest_document(&wanted);
    command.manifest_applied.manifest = bytes_view(&document);
    verdict = fixture_do(&run->fixture, &command);
    bytes_free(&document);
    assert_string_equal(refusal_name(verdict), refusal_name(expected));
    verdicts[verdict]++;
    if (verdict == REFUSAL_NONE) {
        run->fixture.manifest = wanted;
        run->named = wanted.references;
    }
}

static void compare(const struct run *run)
{
    const struct reference_blob *reference;
    size_t cursor = 0, at = 0;

    while ((reference = registry_reference_next(run->fixture.registry, &cursor))) {
        const struct entry *entry = &run->entries[at];
        struct digest digest;

        assert_true(at++ < run->count);
        digest = fixture_set_digest(entry->set);
        assert_true(digest_equal(&reference->digest, &digest));
        assert_int_equal(reference->size, entry->size);
        assert_int_equal(reference->received, entry->received);
    }
    assert_int_equal(at, run->count);
}

static void pass_through_a_snapshot(struct run *run)
{
    OWN(bytes) struct bytes bytes = {0};
    struct registry *registry = NULL;

    assert_ok(registry_snapshot(run->fixture.registry, &bytes));
    assert_ok(registry_restore(bytes_view(&bytes), &registry));
    registry_free(run->fixture.registry);
    run->fixture.registry = registry;
}

static uint64_t seed_of_now, only_seed;
static bool is_done;

static void run_seed(uint64_t seed)
{
    struct run run = {.random = seed * 0x9e3779b97f4a7c15U + 1};

    seed_of_now = seed;
    fixture_start(&run.fixture, 1);
    for (unsigned i = 0; i < STEP_COUNT; i++) {
        if (draw(&run, 20) == 0) {
            manifest(&run);
        } else {
            chunk(&run);
        }
        compare(&run);
        if (draw(&run, 100) == 0) {
            pass_through_a_snapshot(&run);
        }
    }
    fixture_stop(&run.fixture);
}

static int say_seed(void **state)
{
    (void)state;
    if (!is_done) {
        printf("# the last seed was %llu\n", (unsigned long long)seed_of_now);
    }
    return 0;
}

static void core_and_model_agree(void **state)
{
    (void)state;
    if (only_seed != 0) {
        run_seed(only_seed);
    } else {
        for (uint64_t seed = 1; seed <= SEED_COUNT; seed++) {
            run_seed(seed);
        }
    }
    is_done = true;
}

/* What never happened was never compared. */
static void everything_happened_at_some_time(void **state)
{
    static const enum refusal_code expected[] = {
        REFUSAL_NONE,  REFUSAL_ALREADY_EXISTS,    REFUSAL_OUT_OF_ORDER, REFUSAL_REFERENCE_DIGEST,
        REFUSAL_LIMIT, REFUSAL_REFERENCE_MISSING,
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
        if (verdicts[expected[i]] == 0) {
            fail_msg("%s never came", refusal_name(expected[i]));
        }
    }
    assert_true(dropped_uploads > 0 && dropped_sets > 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(core_and_model_agree, say_seed),
        cmocka_unit_test(everything_happened_at_some_time),
    };

    only_seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 0;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
