/* The wire form of commands: bounds, unknown parts, round trips. */
#include "tcd/core/command.h"
#include "tests/support/core_fixture.h"
#include "tests/support/test.h"

#include "lib/base/protobuf.h"

#include "proto/command.pb-c.h"
#include "proto/perimeter.pb-c.h"

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

/* A manifest with something changed, as the core reads it. */
static enum status decode_manifest_with(void (*change)(Tccp__PerimeterManifest *manifest))
{
    struct fixture_manifest good = {.version = 1, .epoch = 1, .members = 2, .nodes = 3};
    OWN(bytes) struct bytes bytes = fixture_manifest_document(&good);
    OWN(bytes) struct bytes document = {0}, changed = {0};
    Tccp__SignedDocument wrapped = TCCP__SIGNED_DOCUMENT__INIT;
    Tccp__SignedDocument *outer = tccp__signed_document__unpack(NULL, bytes.size, bytes.data);
    Tccp__PerimeterManifest *manifest =
        tccp__perimeter_manifest__unpack(NULL, outer->document.len, outer->document.data);
    struct command command = {.kind = COMMAND_MANIFEST_APPLIED};

    change(manifest);
    assert_ok(protobuf_pack(&manifest->base, 1 << 20, &document));
    wrapped.document = protobuf_data(bytes_view(&document));
    assert_ok(protobuf_pack(&wrapped.base, 1 << 20, &changed));
    tccp__perimeter_manifest__free_unpacked(manifest, NULL);
    tccp__signed_document__free_unpacked(outer, NULL);
    command.manifest_applied.manifest = bytes_view(&changed);
    return decode_command(&command);
}

static void set_text(char **text, const char *value)
{
    free(*text);
    *text = strdup(value);
}

static void unchanged(Tccp__PerimeterManifest *manifest)
{
    (void)manifest;
}

static void one_ek_twice(Tccp__PerimeterManifest *manifest)
{
    memcpy(manifest->nodes[1]->ek_name.data, manifest->nodes[0]->ek_name.data,
           manifest->nodes[0]->ek_name.len);
}

static void one_node_name_twice(Tccp__PerimeterManifest *manifest)
{
    set_text(&manifest->nodes[1]->name, manifest->nodes[0]->name);
}

static void one_member_ek_twice(Tccp__PerimeterManifest *manifest)
{
    memcpy(manifest->members[1]->ek_name.data, manifest->members[0]->ek_name.data,
           manifest->members[0]->ek_name.len);
}

static void one_member_name_twice(Tccp__PerimeterManifest *manifest)
{
    set_text(&manifest->members[1]->name, manifest->members[0]->name);
}

static void one_operator_name_twice(Tccp__PerimeterManifest *manifest)
{
    set_text(&manifest->operators[1]->name, manifest->operators[0]->name);
}

static void one_operator_key_twice(Tccp__PerimeterManifest *manifest)
{
    memcpy(manifest->operators[1]->key.data, manifest->operators[0]->key.data,
           manifest->operators[0]->key.len);
}

static void an_unknown_role(Tccp__PerimeterManifest *manifest)
{
    set_text(&manifest->operators[1]->role, "customer");
}

static void an_unknown_policy(Tccp__PerimeterManifest *manifest)
{
    set_text(&manifest->nodes[1]->policy, "nothing");
}

static void an_unknown_member_policy(Tccp__PerimeterManifest *manifest)
{
    set_text(&manifest->member_policy, "nothing");
}

static void version_zero(Tccp__PerimeterManifest *manifest)
{
    manifest->version = 0;
}

static void too_many_attributes(Tccp__PerimeterManifest *manifest)
{
    Tccp__NodeEntry *node = manifest->nodes[0];
    size_t count = CORE_ATTRIBUTE_COUNT_MAX + 1;

    node->attributes = realloc(node->attributes, count * sizeof(Tccp__Attribute *));
    while (node->n_attributes < count) {
        Tccp__Attribute *attribute = calloc(1, sizeof *attribute);

        tccp__attribute__init(attribute);
        attribute->key = strdup("k");
        attribute->value = strdup("v");
        node->attributes[node->n_attributes++] = attribute;
    }
}

static void manifests_that_contradict_themselves_are_malformed(void **state)
{
    static void (*const changes[])(Tccp__PerimeterManifest *) = {
        one_ek_twice,          one_node_name_twice,     one_member_ek_twice,
        one_member_name_twice, one_operator_name_twice, one_operator_key_twice,
        an_unknown_role,       an_unknown_policy,       an_unknown_member_policy,
        version_zero,          too_many_attributes,
    };

    (void)state;
    assert_ok(decode_manifest_with(unchanged));
    for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
        assert_status(decode_manifest_with(changes[i]), STATUS_MALFORMED);
    }
}

static void an_endorsement_has_both_keys(void **state)
{
    Tccp__ClusterEndorsement endorsement = TCCP__CLUSTER_ENDORSEMENT__INIT;
    Tccp__SignedDocument wrapped = TCCP__SIGNED_DOCUMENT__INIT;
    OWN(bytes) struct bytes document = {0}, bytes = {0};
    struct command command = {.kind = COMMAND_ENDORSEMENT_APPLIED};
    struct digest id = fixture_digest("id", 0);

    (void)state;
    endorsement.epoch = 1;
    endorsement.perimeter_id = protobuf_data(digest_view(&id));
    assert_ok(protobuf_pack(&endorsement.base, 4096, &document));
    wrapped.document = protobuf_data(bytes_view(&document));
    assert_ok(protobuf_pack(&wrapped.base, 4096, &bytes));
    command.manifest_applied.endorsement = bytes_view(&bytes);
    assert_status(decode_command(&command), STATUS_MALFORMED);
}

static void a_document_that_is_none_is_malformed(void **state)
{
    const uint8_t noise[] = {0x0a, 0x02, 0xff, 0xff}; /* a SignedDocument of two bytes */
    struct command command = {.kind = COMMAND_SUCCESSION_APPLIED};

    (void)state;
    command.manifest_applied.succession_count = 1;
    command.manifest_applied.successions[0] = VIEW_OF_ARRAY(noise);
    assert_status(decode_command(&command), STATUS_MALFORMED);
    command = (struct command){.kind = COMMAND_MANIFEST_APPLIED};
    command.manifest_applied.manifest = VIEW_OF_ARRAY(noise);
    assert_status(decode_command(&command), STATUS_MALFORMED);
    command = (struct command){.kind = COMMAND_ENDORSEMENT_APPLIED};
    command.manifest_applied.endorsement = VIEW_OF_ARRAY(noise);
    assert_status(decode_command(&command), STATUS_MALFORMED);
}

static void a_report_has_a_role(void **state)
{
    Tccp__Log__Command message = TCCP__LOG__COMMAND__INIT;
    Tccp__Log__MigrationReported reported = TCCP__LOG__MIGRATION_REPORTED__INIT;
    struct digest digest = fixture_digest("any", 0);

    (void)state;
    message.kind_case = TCCP__LOG__COMMAND__KIND_MIGRATION_REPORTED;
    message.migration_reported = &reported;
    reported.session = protobuf_data(digest_view(&digest));
    reported.configuration = protobuf_data(digest_view(&digest));
    assert_status(decode(&message), STATUS_MALFORMED);
    reported.role = TCCP__LOG__MIGRATION_ROLE__MIGRATION_ROLE_SOURCE;
    assert_ok(decode(&message));
}

static void a_chunk_lies_within_its_set(void **state)
{
    static const uint8_t data[REFERENCE_CHUNK_SIZE_MAX + 1];
    struct command command = {.kind = COMMAND_REFERENCE_CHUNK};

    (void)state;
    command.reference_chunk.digest = fixture_digest("set", 0);
    command.reference_chunk.size = REFERENCE_SIZE_MAX;
    command.reference_chunk.offset = REFERENCE_SIZE_MAX - REFERENCE_CHUNK_SIZE_MAX;
    command.reference_chunk.data = (struct view){data, REFERENCE_CHUNK_SIZE_MAX};
    assert_ok(decode_command(&command));
    command.reference_chunk.offset++;
    assert_status(decode_command(&command), STATUS_MALFORMED);
    command.reference_chunk.offset = UINT64_MAX;
    assert_status(decode_command(&command), STATUS_MALFORMED);
    command.reference_chunk.offset = 0;
    command.reference_chunk.data.size++;
    assert_status(decode_command(&command), STATUS_MALFORMED);
    command.reference_chunk.data.size = 0;
    assert_status(decode_command(&command), STATUS_MALFORMED);
    command.reference_chunk.data.size = 2;
    command.reference_chunk.size = 1;
    assert_status(decode_command(&command), STATUS_MALFORMED);
    command.reference_chunk.size = REFERENCE_SIZE_MAX + 1;
    assert_status(decode_command(&command), STATUS_MALFORMED);
}

static void a_later_field_in_a_repeated_part_is_unsupported(void **state)
{
    /* renewal_batch (31) of one renewal (1) with field 99. */
    const uint8_t later[] = {0xfa, 0x01, 0x05, 0x0a, 0x03, 0x98, 0x06, 0x01};
    struct command *command = NULL;

    (void)state;
    assert_status(command_decode(VIEW_OF_ARRAY(later), &command), STATUS_UNSUPPORTED);
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
        cmocka_unit_test(manifests_that_contradict_themselves_are_malformed),
        cmocka_unit_test(an_endorsement_has_both_keys),
        cmocka_unit_test(a_document_that_is_none_is_malformed),
        cmocka_unit_test(a_report_has_a_role),
        cmocka_unit_test(a_chunk_lies_within_its_set),
        cmocka_unit_test(a_later_field_in_a_repeated_part_is_unsupported),
        cmocka_unit_test(successions_are_consecutive),
        cmocka_unit_test(a_kind_takes_only_its_documents),
        cmocka_unit_test(an_empty_renewal_batch_is_malformed),
        cmocka_unit_test(a_decoded_command_outlives_its_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
