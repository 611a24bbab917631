/* The wire form of commands: bounds, unknown parts, round trips. */
#include "tcd/core/command.h"
#include "tests/support/core_fixture.h"
#include "tests/support/test.h"

#include "lib/base/protobuf.h"

#include "proto/command.pb-c.h"

#include <stdlib.h>
#include <string.h>

static enum status decode(const Tccp__Log__Command *message)
{
    OWN(bytes) struct bytes bytes = {0};
    OWN(command) struct command *command = NULL;

    assert_ok(protobuf_pack(&message->base, 1 << 22, &bytes));
    return command_decode(bytes_view(&bytes), &command);
}

static enum status decode_command(const struct command *command)
{
    OWN(bytes) struct bytes bytes = {0};
    OWN(command) struct command *decoded = NULL;

    assert_ok(command_encode(command, &bytes));
    return command_decode(bytes_view(&bytes), &decoded);
}

static void an_unknown_kind_or_field_is_unsupported(void **state)
{
    Tccp__Log__Command empty = TCCP__LOG__COMMAND__INIT;
    /* Field 99, varint 1, at the top and inside a session_opened (field 17). */
    const uint8_t later_field[] = {0x98, 0x06, 0x01, 0x8a, 0x01, 0x00};
    const uint8_t later_inside[] = {0x8a, 0x01, 0x03, 0x98, 0x06, 0x01};
    const uint8_t known[] = {0x8a, 0x01, 0x00};
    struct command *command = NULL;

    (void)state;
    assert_status(decode(&empty), STATUS_UNSUPPORTED);
    assert_status(command_decode(VIEW_OF_ARRAY(later_field), &command), STATUS_UNSUPPORTED);
    assert_status(command_decode(VIEW_OF_ARRAY(later_inside), &command), STATUS_UNSUPPORTED);
    assert_ok(command_decode(VIEW_OF_ARRAY(known), &command));
    command_free(command);
}

static void a_command_that_is_too_large_is_refused(void **state)
{
    uint8_t *data = calloc(1, COMMAND_SIZE_MAX + 1);
    struct command *command = NULL;

    (void)state;
    assert_status(command_decode((struct view){data, COMMAND_SIZE_MAX + 1}, &command),
                  STATUS_TOO_LARGE);
    assert_status(command_decode((struct view){data, COMMAND_SIZE_MAX}, &command),
                  STATUS_MALFORMED);
    free(data);
}

static void a_request_has_both_numbers_or_none(void **state)
{
    struct command command = {.kind = COMMAND_SESSION_OPENED, .session = 1};

    (void)state;
    assert_status(decode_command(&command), STATUS_MALFORMED);
    command.session = 0;
    command.number = 1;
    assert_status(decode_command(&command), STATUS_MALFORMED);
    command.session = 1;
    assert_ok(decode_command(&command));
}

static void text_has_a_length_and_no_control_characters(void **state)
{
    Tccp__Log__Command message = TCCP__LOG__COMMAND__INIT;
    Tccp__Log__AuditNoteCommand note = TCCP__LOG__AUDIT_NOTE_COMMAND__INIT;
    char text[AUDIT_NOTE_LENGTH_MAX + 2];

    (void)state;
    message.kind_case = TCCP__LOG__COMMAND__KIND_AUDIT_NOTE;
    message.audit_note = &note;
    memset(text, 'a', sizeof text);
    text[AUDIT_NOTE_LENGTH_MAX + 1] = '\0';
    note.text = text;
    assert_status(decode(&message), STATUS_MALFORMED);
    text[AUDIT_NOTE_LENGTH_MAX] = '\0';
    assert_ok(decode(&message));
    text[3] = '\n';
    assert_status(decode(&message), STATUS_MALFORMED);
}

static void names_are_of_harmless_characters(void **state)
{
    static const char *const bad[] = {"", "a b", "a/b", "\xc3\xa4", "a\nb", "a\"b"};
    Tccp__Log__Command message = TCCP__LOG__COMMAND__INIT;
    Tccp__Log__UserRemoved removed = TCCP__LOG__USER_REMOVED__INIT;
    char text[CORE_NAME_LENGTH_MAX + 2];

    (void)state;
    message.kind_case = TCCP__LOG__COMMAND__KIND_USER_REMOVED;
    message.user_removed = &removed;
    removed.name = text;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        strcpy(text, bad[i]);
        assert_status(decode(&message), STATUS_MALFORMED);
    }
    memset(text, 'x', sizeof text);
    text[CORE_NAME_LENGTH_MAX + 1] = '\0';
    assert_status(decode(&message), STATUS_MALFORMED);
    text[CORE_NAME_LENGTH_MAX] = '\0';
    assert_ok(decode(&message));
}

static void fixed_fields_have_their_size(void **state)
{
    struct fixture fixture;
    struct command good, command;
    uint8_t large[LAUNCH_REQUEST_SIZE_MAX + 1] = {0};

    (void)state;
    fixture_start(&fixture, 1);
    good = fixture_registration(&fixture, 0);
    assert_ok(decode_command(&good));
    command = good;
    command.node_registered.tk_kem.size--;
    assert_status(decode_command(&command), STATUS_MALFORMED);
    command = good;
    command.node_registered.tk_sign.size = 0;
    assert_status(decode_command(&command), STATUS_MALFORMED);
    command = good;
    command.node_registered.tk_sign = (struct view){large, CORE_KEY_SIZE_MAX + 1};
    assert_status(decode_command(&command), STATUS_MALFORMED);
    command = good;
    command.node_registered.ek_name.size = 2;
    assert_status(decode_command(&command), STATUS_MALFORMED);
    good = fixture_launch(&fixture, 1, 0);
    assert_ok(decode_command(&good));
    command = good;
    command.launch_authorized.request = VIEW_OF_ARRAY(large);
    assert_status(decode_command(&command), STATUS_MALFORMED);
    command = good;
    command.launch_authorized.request.size = 0;
    assert_status(decode_command(&command), STATUS_MALFORMED);
    command = good;
    command.launch_authorized.policy.after_ms = 24 * 3600 * 1000 + 1;
    assert_status(decode_command(&command), STATUS_MALFORMED);
    command = good;
    command.launch_authorized.policy.rule_count = 1; /* without key and value */
    assert_status(decode_command(&command), STATUS_MALFORMED);
    fixture_stop(&fixture);
}

static void documents_of_different_perimeters_do_not_go_together(void **state)
{
    struct fixture_manifest manifest = {
        .version = 1, .epoch = 1, .members = 1, .nodes = 1, .perimeter = 1};
    OWN(bytes) struct bytes document = fixture_manifest_document(&manifest);
    OWN(bytes) struct bytes endorsement = fixture_endorsement_document(1, 100, 1);
    struct command command = {.kind = COMMAND_MANIFEST_APPLIED};

    (void)state;
    command.manifest_applied.manifest = bytes_view(&document);
    assert_ok(decode_command(&command));
    command.manifest_applied.endorsement = bytes_view(&endorsement);
    assert_status(decode_command(&command), STATUS_MALFORMED);
}

static void successions_are_consecutive(void **state)
{
    OWN(bytes) struct bytes first = fixture_succession_document(4);
    OWN(bytes) struct bytes second = fixture_succession_document(5);
    struct command command = {.kind = COMMAND_SUCCESSION_APPLIED};

    (void)state;
    assert_status(decode_command(&command), STATUS_MALFORMED);
    command.manifest_applied.succession_count = 2;
    command.manifest_applied.successions[0] = bytes_view(&first);
    command.manifest_applied.successions[1] = bytes_view(&second);
    assert_ok(decode_command(&command));
    command.manifest_applied.successions[1] = bytes_view(&first);
    assert_status(decode_command(&command), STATUS_MALFORMED);
}

static void a_kind_takes_only_its_documents(void **state)
{
    OWN(bytes) struct bytes succession = fixture_succession_document(1);
    OWN(bytes) struct bytes endorsement = fixture_endorsement_document(1, 100, 1);
    struct command command = {.kind = COMMAND_ENDORSEMENT_APPLIED};

    (void)state;
    assert_status(decode_command(&command), STATUS_MALFORMED);
    command.manifest_applied.endorsement = bytes_view(&endorsement);
    assert_ok(decode_command(&command));
    command.kind = COMMAND_MANIFEST_APPLIED;
    assert_status(decode_command(&command), STATUS_MALFORMED);
    command.kind = COMMAND_ENDORSEMENT_APPLIED;
    command.manifest_applied.succession_count = 1;
    command.manifest_applied.successions[0] = bytes_view(&succession);
    assert_status(decode_command(&command), STATUS_MALFORMED);
}

static void an_empty_renewal_batch_is_malformed(void **state)
{
    struct command command = {.kind = COMMAND_RENEWAL_BATCH};

    (void)state;
    assert_status(decode_command(&command), STATUS_MALFORMED);
}

static void a_decoded_command_outlives_its_bytes(void **state)
{
    struct command command = {.kind = COMMAND_USER_ADDED};
    OWN(command) struct command *decoded = NULL;
    struct bytes bytes;
    uint8_t storage[CORE_KEY_SIZE_MAX];

    (void)state;
    strcpy(command.user_added.name.text, "alice");
    command.user_added.key = fixture_key(1, storage);
    assert_ok(command_encode(&command, &bytes));
    assert_ok(command_decode(bytes_view(&bytes), &decoded));
    memset(bytes.data, 0xee, bytes.size);
    bytes_free(&bytes);
    assert_string_equal(decoded->user_added.name.text, "alice");
    assert_true(view_equal(decoded->user_added.key, command.user_added.key));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_unknown_kind_or_field_is_unsupported),
        cmocka_unit_test(a_command_that_is_too_large_is_refused),
        cmocka_unit_test(a_request_has_both_numbers_or_none),
        cmocka_unit_test(text_has_a_length_and_no_control_characters),
        cmocka_unit_test(names_are_of_harmless_characters),
        cmocka_unit_test(fixed_fields_have_their_size),
        cmocka_unit_test(documents_of_different_perimeters_do_not_go_together),
        cmocka_unit_test(successions_are_consecutive),
        cmocka_unit_test(a_kind_takes_only_its_documents),
        cmocka_unit_test(an_empty_renewal_batch_is_malformed),
        cmocka_unit_test(a_decoded_command_outlives_its_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
