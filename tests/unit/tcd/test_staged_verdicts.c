/* What staged sets said of nodes. */
#include "tcd/staged_verdicts.h"

#include "tests/support/perimeter.h"
#include "tests/support/test.h"

#include <string.h>

static const struct reference_set first = {.digest = {{1}}}, second = {.digest = {{2}}};

struct asked {
    struct references references;
    struct refusal refusals[2];
};

/* Appraised by both sets; REFUSAL_NONE: accepted. */
static struct asked *ask(struct asked *asked, enum refusal_code by_first,
                         enum refusal_code by_second)
{
    *asked = (struct asked){
        .references = {.staged = {2, {&first, &second}}, .staged_refusals = asked->refusals},
        .refusals = {{.code = by_first}, {.code = by_second}},
    };
    return asked;
}

static enum refusal_code verdict_of(const struct staged_verdicts *verdicts, const char *node,
                                    size_t index)
{
    const struct staged_node *found = staged_verdicts_find(verdicts, node);

    assert_non_null(found);
    assert_true(index < found->count);
    return found->verdicts[index].refusal ? found->verdicts[index].refusal->code : REFUSAL_NONE;
}

static void evidence_that_was_no_good_says_nothing_of_a_set(void **state)
{
    OWN(staged_verdicts) struct staged_verdicts *verdicts = NULL;
    struct asked asked;

    (void)state;
    assert_ok(staged_verdicts_new(&verdicts));
    staged_verdicts_note(verdicts, "n1", &ask(&asked, REFUSAL_NOT_READY, REFUSAL_NONE)->references,
                         true, 1);
    assert_false(staged_verdicts_are_complete(verdicts, "n1", &asked.references.staged));
    assert_int_equal(staged_verdicts_find(verdicts, "n1")->count, 1);
    staged_verdicts_note(verdicts, "n1", &ask(&asked, REFUSAL_NONE, REFUSAL_NONE)->references, true,
                         2);
    assert_true(staged_verdicts_are_complete(verdicts, "n1", &asked.references.staged));
    assert_false(staged_verdicts_are_complete(verdicts, "n2", &asked.references.staged));
}

/* A renewal looks at new entries only: those of before are not good by that. */
static void what_is_new_can_only_make_it_worse(void **state)
{
    OWN(staged_verdicts) struct staged_verdicts *verdicts = NULL;
    struct asked asked;

    (void)state;
    assert_ok(staged_verdicts_new(&verdicts));
    staged_verdicts_note(verdicts, "n1", &ask(&asked, REFUSAL_NONE, REFUSAL_NONE)->references,
                         false, 1);
    assert_false(staged_verdicts_are_complete(verdicts, "n1", &asked.references.staged));
    staged_verdicts_note(verdicts, "n1",
                         &ask(&asked, REFUSAL_FILE_NOT_ALLOWED, REFUSAL_NONE)->references, true, 2);
    staged_verdicts_note(verdicts, "n1",
                         &ask(&asked, REFUSAL_NONE, REFUSAL_IMA_VIOLATION)->references, false, 3);
    assert_int_equal(verdict_of(verdicts, "n1", 0), REFUSAL_FILE_NOT_ALLOWED);
    assert_int_equal(verdict_of(verdicts, "n1", 1), REFUSAL_IMA_VIOLATION);
    staged_verdicts_note(verdicts, "n1", &ask(&asked, REFUSAL_NONE, REFUSAL_NONE)->references, true,
                         4);
    assert_int_equal(verdict_of(verdicts, "n1", 0), REFUSAL_NONE);
    assert_int_equal(verdict_of(verdicts, "n1", 1), REFUSAL_NONE);
}

static void nodes_are_counted_by_what_a_set_says(void **state)
{
    OWN(staged_verdicts) struct staged_verdicts *verdicts = NULL;
    uint64_t accepted, refused;
    struct asked asked;

    (void)state;
    assert_ok(staged_verdicts_new(&verdicts));
    staged_verdicts_note(verdicts, "n1",
                         &ask(&asked, REFUSAL_NONE, REFUSAL_SECURE_BOOT)->references, true, 1);
    staged_verdicts_note(verdicts, "n2", &ask(&asked, REFUSAL_NONE, REFUSAL_NOT_READY)->references,
                         true, 1);
    staged_verdicts_count(verdicts, &first.digest, &accepted, &refused);
    assert_int_equal(accepted, 2);
    assert_int_equal(refused, 0);
    staged_verdicts_count(verdicts, &second.digest, &accepted, &refused);
    assert_int_equal(accepted, 0);
    assert_int_equal(refused, 1);
}

/* The test's manifest stages nothing. */
static void what_the_manifest_does_not_stage_is_forgotten(void **state)
{
    OWN(perimeter_test) struct perimeter_test *perimeter = perimeter_test_new();
    OWN(bytes) struct bytes bytes = perimeter_test_manifest(perimeter, 1, 1);
    OWN(manifest) struct manifest *manifest = NULL;
    OWN(staged_verdicts) struct staged_verdicts *verdicts = NULL;
    struct asked asked;

    (void)state;
    assert_ok(manifest_parse(bytes_view(&bytes), &manifest, NULL));
    assert_ok(staged_verdicts_new(&verdicts));
    staged_verdicts_note(verdicts, "n1", &ask(&asked, REFUSAL_NONE, REFUSAL_RESET)->references,
                         true, 1);
    staged_verdicts_note(verdicts, "stranger", &asked.references, true, 1);
    staged_verdicts_follow(verdicts, manifest);
    assert_null(staged_verdicts_find(verdicts, "n1"));
    assert_null(staged_verdicts_find(verdicts, "stranger"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(evidence_that_was_no_good_says_nothing_of_a_set),
        cmocka_unit_test(what_is_new_can_only_make_it_worse),
        cmocka_unit_test(nodes_are_counted_by_what_a_set_says),
        cmocka_unit_test(what_the_manifest_does_not_stage_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
