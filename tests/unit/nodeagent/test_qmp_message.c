#include "tests/support/test.h"

#include "nodeagent/qmp_message.h"

#include <stdlib.h>
#include <string.h>

static void expect_status(const char *line, enum status status)
{
    OWN(qmp_message) struct qmp_message *message = NULL;

    assert_status(qmp_message_parse(view_string(line), &message), status);
}

static void what_is_not_one_object_of_one_kind_is_malformed(void **state)
{
    (void)state;
    expect_status("", STATUS_MALFORMED);
    expect_status("[]", STATUS_MALFORMED);
    expect_status("{", STATUS_MALFORMED);
    expect_status("{}", STATUS_MALFORMED);
    expect_status("{\"return\": 1} {}", STATUS_MALFORMED);
    expect_status("{\"return\": 1, \"event\": \"STOP\"}", STATUS_MALFORMED);
    expect_status("{\"event\": 5}", STATUS_MALFORMED);
    expect_status("{\"error\": {\"class\": \"GenericError\"}}", STATUS_MALFORMED);
    expect_status("{\"QMP\": 1}", STATUS_MALFORMED);
    expect_status("{\"return\": \"\xc3\x28\"}", STATUS_MALFORMED);
}

static void a_key_given_twice_is_malformed(void **state)
{
    (void)state;
    expect_status("{\"return\": 1, \"return\": 2}", STATUS_MALFORMED);
    expect_status("{\"return\": {\"status\": \"running\", \"status\": \"paused\"}}",
                  STATUS_MALFORMED);
}

static void an_id_that_is_no_short_string_is_malformed(void **state)
{
    char line[QMP_ID_SIZE_MAX + 64] = "{\"return\": {}, \"id\": \"";

    (void)state;
    expect_status("{\"return\": {}, \"id\": 5}", STATUS_MALFORMED);
    memset(line + strlen(line), 'x', QMP_ID_SIZE_MAX);
    strcat(line, "\"}");
    expect_status(line, STATUS_MALFORMED);
}

static void a_line_over_the_limit_is_too_large(void **state)
{
    size_t size = QMP_LINE_SIZE_MAX + 1;
    char *line = malloc(size);
    OWN(qmp_message) struct qmp_message *message = NULL;

    (void)state;
    assert_non_null(line);
    memset(line, ' ', size);
    assert_status(qmp_message_parse((struct view){(uint8_t *)line, size}, &message),
                  STATUS_TOO_LARGE);
    free(line);
}

static void nesting_without_end_is_malformed(void **state)
{
    enum { DEPTH = 100000 };
    char *line = malloc(DEPTH);
    OWN(qmp_message) struct qmp_message *message = NULL;

    (void)state;
    assert_non_null(line);
    memset(line, '[', DEPTH);
    assert_status(qmp_message_parse((struct view){(uint8_t *)line, DEPTH}, &message),
                  STATUS_MALFORMED);
    free(line);
}

static void each_kind_is_understood(void **state)
{
    OWN(qmp_message) struct qmp_message *greeting = NULL;
    OWN(qmp_message) struct qmp_message *reply = NULL;
    OWN(qmp_message) struct qmp_message *error = NULL;
    OWN(qmp_message) struct qmp_message *event = NULL;
    int64_t number = 0;
    bool flag = false;

    (void)state;
    assert_ok(qmp_message_parse(
        view_string("{\"QMP\": {\"version\": {\"qemu\": {\"major\": 7}}, \"capabilities\": []}}"),
        &greeting));
    assert_int_equal(greeting->kind, QMP_GREETING);
    assert_true(qmp_value_number(greeting->value, "version.qemu.major", &number));
    assert_int_equal(number, 7);

    assert_ok(qmp_message_parse(
        view_string("{\"return\": {\"status\": \"running\", \"running\": true}, \"id\": \"a-1\"}"),
        &reply));
    assert_int_equal(reply->kind, QMP_RETURN);
    assert_string_equal(reply->id, "a-1");
    assert_string_equal(qmp_value_string(reply->value, "status"), "running");
    assert_true(qmp_value_flag(reply->value, "running", &flag));
    assert_true(flag);
    assert_null(qmp_value_string(reply->value, "running"));
    assert_null(qmp_value_string(reply->value, "status.deeper"));
    assert_null(qmp_value_string(reply->value, "none"));

    assert_ok(qmp_message_parse(
        view_string("{\"error\": {\"class\": \"GenericError\", \"desc\": \"no\"}}"), &error));
    assert_int_equal(error->kind, QMP_ERROR);
    assert_string_equal(error->description, "no");
    assert_string_equal(error->id, "");

    assert_ok(qmp_message_parse(
        view_string("{\"event\": \"STOP\", \"timestamp\": {\"seconds\": 1}}"), &event));
    assert_int_equal(event->kind, QMP_EVENT);
    assert_string_equal(event->name, "STOP");
    assert_null(event->value);
}

static void arguments_are_built_by_path(void **state)
{
    OWN(qmp_arguments) struct qmp_arguments *arguments = qmp_arguments_new();
    OWN(bytes) struct bytes line = {0};

    (void)state;
    qmp_arguments_string(arguments, "driver", "qcow2");
    qmp_arguments_string(arguments, "encrypt.format", "luks");
    qmp_arguments_format(arguments, "encrypt.key-secret", "s%d", 5);
    qmp_arguments_null(arguments, "backing");
    qmp_arguments_capability(arguments, "capabilities", "events", true);
    assert_ok(qmp_command_encode("blockdev-add", "7", arguments, &line));
    assert_true(view_equal(
        bytes_view(&line),
        view_string("{\"execute\":\"blockdev-add\",\"id\":\"7\",\"arguments\":{\"driver\":"
                    "\"qcow2\",\"encrypt\":{\"format\":\"luks\",\"key-secret\":\"s5\"},"
                    "\"backing\":null,\"capabilities\":[{\"capability\":\"events\",\"state\":"
                    "true}]}}\n")));
}

static void arguments_that_are_no_text_are_never_sent(void **state)
{
    OWN(qmp_arguments) struct qmp_arguments *arguments = qmp_arguments_new();
    OWN(bytes) struct bytes line = {0};

    (void)state;
    qmp_arguments_string(arguments, "name", "\xff\xfe");
    assert_status(qmp_command_encode("x", "1", arguments, &line), STATUS_NO_MEMORY);
}

static void quotes_in_an_argument_stay_inside_it(void **state)
{
    OWN(qmp_arguments) struct qmp_arguments *arguments = qmp_arguments_new();
    OWN(bytes) struct bytes line = {0};

    (void)state;
    qmp_arguments_string(arguments, "name", "\"}\n{\"execute\":\"quit\"}");
    assert_ok(qmp_command_encode("x", "1", arguments, &line));
    assert_ptr_equal(memchr(line.data, '\n', line.size), line.data + line.size - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_one_object_of_one_kind_is_malformed),
        cmocka_unit_test(a_key_given_twice_is_malformed),
        cmocka_unit_test(an_id_that_is_no_short_string_is_malformed),
        cmocka_unit_test(a_line_over_the_limit_is_too_large),
        cmocka_unit_test(nesting_without_end_is_malformed),
        cmocka_unit_test(each_kind_is_understood),
        cmocka_unit_test(arguments_are_built_by_path),
        cmocka_unit_test(arguments_that_are_no_text_are_never_sent),
        cmocka_unit_test(quotes_in_an_argument_stay_inside_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
