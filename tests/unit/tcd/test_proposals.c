/* What is proposed is what every member can decode: an entry that none can would halt them all. The
 * replica is played here. */
#include "tests/support/test.h"

#include "tcd/proposals.h"

#include <string.h>

/* The functions that are played have no argument that leads to the test. */
static unsigned proposed;

enum status replica_propose(struct replica *replica, struct view command, void *proposer_slot,
                            replica_done done, void *argument)
{
    (void)replica;
    (void)proposer_slot;
    assert_true(command.size > 0);
    proposed++;
    done(argument, STATUS_NOT_LEADER);
    return STATUS_OK;
}

static void on_done(void *argument, enum status status, const struct outcome *outcome)
{
    assert_null(outcome);
    *(enum status *)argument = status;
}

static enum status propose_and_see(struct command *command)
{
    enum status status = STATUS_OK;

    proposed = 0;
    propose(NULL, command, on_done, &status);
    return status;
}

static void a_text_that_no_member_would_decode_is_not_proposed(void **state)
{
    static const char *const texts[] = {"one\ntwo", "bell\a", "delete\x7f", "tab\tbed"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct command note = {.kind = COMMAND_AUDIT_NOTE};
        struct command stopped = {.kind = COMMAND_VM_STOPPED, .vm = {.cause = STOP_FAILED}};
        struct command aborted = {.kind = COMMAND_MIGRATION_ABORTED, .migration = {.migration = 1}};

        (void)strcpy(note.audit_note.text, texts[i]);
        (void)strcpy(stopped.vm.detail, texts[i]);
        (void)strcpy(aborted.migration.reason, texts[i]);
        assert_status(propose_and_see(&note), STATUS_MALFORMED);
        assert_int_equal(proposed, 0);
        assert_status(propose_and_see(&stopped), STATUS_MALFORMED);
        assert_int_equal(proposed, 0);
        assert_status(propose_and_see(&aborted), STATUS_MALFORMED);
        assert_int_equal(proposed, 0);
    }
}

static void what_can_be_decoded_is_proposed(void **state)
{
    struct command note = {.kind = COMMAND_AUDIT_NOTE, .audit_note = {.text = "näher, my God"}};

    (void)state;
    assert_status(propose_and_see(&note), STATUS_NOT_LEADER);
    assert_int_equal(proposed, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_that_no_member_would_decode_is_not_proposed),
        cmocka_unit_test(what_can_be_decoded_is_proposed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
