#include "tests/support/test.h"

#include "nodeagent/launcher/message.h"

#include <string.h>

static const struct digest vm = {{1, 2, 3}};

static struct launcher_request start_request(void)
{
    return (struct launcher_request){
        .kind = LAUNCHER_START,
        .tag = 9,
        .vm = vm,
        .generation = 4,
        .prepare_ms = 1000,
        .shape = {.memory_mib = 128,
                  .vcpus = 2,
                  .has_kernel = true,
                  .command_line = view_string("console=ttyS0")},
    };
}

static enum status parse_again(const struct launcher_request *request)
{
    OWN(bytes) struct bytes message = {0};
    struct launcher_request parsed;

    assert_ok(launcher_request_encode(request, &message));
    return launcher_request_parse(bytes_view(&message), &parsed);
}

static void every_cut_of_a_message_is_malformed(void **state)
{
    const struct launcher_request request = start_request();
    const struct launcher_notice notice = {.kind = LAUNCHER_GONE, .vm = vm, .detail = "exit 1"};
    OWN(bytes) struct bytes first = {0};
    OWN(bytes) struct bytes second = {0};
    struct launcher_request parsed_request;
    struct launcher_notice parsed_notice;

    (void)state;
    assert_ok(launcher_request_encode(&request, &first));
    assert_ok(launcher_notice_encode(&notice, &second));
    for (size_t size = 0; size < first.size; size++) {
        assert_status(launcher_request_parse((struct view){first.data, size}, &parsed_request),
                      STATUS_MALFORMED);
    }
    for (size_t size = 0; size < second.size; size++) {
        assert_status(launcher_notice_parse((struct view){second.data, size}, &parsed_notice),
                      STATUS_MALFORMED);
    }
}

static void what_follows_a_message_makes_it_malformed(void **state)
{
    const uint8_t list[] = {LAUNCHER_LIST, 0, 0, 0, 1}, longer[] = {LAUNCHER_LIST, 0, 0, 0, 1, 0};
    struct launcher_request parsed;

    (void)state;
    assert_ok(launcher_request_parse(VIEW_OF_ARRAY(list), &parsed));
    assert_status(launcher_request_parse(VIEW_OF_ARRAY(longer), &parsed), STATUS_MALFORMED);
}

static void a_kind_that_does_not_exist_is_malformed(void **state)
{
    const uint8_t zero[] = {0, 0, 0, 0, 1}, next[] = {LAUNCHER_LIST + 1, 0, 0, 0, 1};
    struct launcher_request parsed;

    (void)state;
    assert_status(launcher_request_parse(VIEW_OF_ARRAY(zero), &parsed), STATUS_MALFORMED);
    assert_status(launcher_request_parse(VIEW_OF_ARRAY(next), &parsed), STATUS_MALFORMED);
}

static void a_shape_outside_its_limits_is_malformed(void **state)
{
    struct launcher_request request = start_request();

    (void)state;
    assert_ok(parse_again(&request));
    request.shape.memory_mib = GUEST_MEMORY_MIB_MIN - 1;
    assert_status(parse_again(&request), STATUS_MALFORMED);
    request = start_request();
    request.shape.memory_mib = GUEST_MEMORY_MIB_MAX + 1;
    assert_status(parse_again(&request), STATUS_MALFORMED);
    request = start_request();
    request.shape.vcpus = 0;
    assert_status(parse_again(&request), STATUS_MALFORMED);
    request.shape.vcpus = GUEST_VCPUS_MAX + 1;
    assert_status(parse_again(&request), STATUS_MALFORMED);
    request = start_request();
    request.generation = 0;
    assert_status(parse_again(&request), STATUS_MALFORMED);
    request = start_request();
    request.prepare_ms = 0;
    assert_status(parse_again(&request), STATUS_MALFORMED);
    request = start_request();
    request.shape.has_kernel = false;
    assert_status(parse_again(&request), STATUS_MALFORMED);
}

static void a_command_line_that_would_be_cut_short_is_malformed(void **state)
{
    static const uint8_t line[] = {'a', 0, 'b'};
    static const uint8_t longer[GUEST_COMMAND_LINE_SIZE_MAX + 1];
    struct launcher_request request = start_request();

    (void)state;
    request.shape.command_line = VIEW_OF_ARRAY(line);
    assert_status(parse_again(&request), STATUS_MALFORMED);
    request.shape.command_line = VIEW_OF_ARRAY(longer);
    assert_status(parse_again(&request), STATUS_MALFORMED);
}

static void a_request_comes_through_as_it_was(void **state)
{
    const struct launcher_request request = start_request();
    OWN(bytes) struct bytes message = {0};
    struct launcher_request parsed;

    (void)state;
    assert_ok(launcher_request_encode(&request, &message));
    assert_ok(launcher_request_parse(bytes_view(&message), &parsed));
    assert_int_equal(parsed.kind, LAUNCHER_START);
    assert_int_equal(parsed.tag, 9);
    assert_true(digest_equal(&parsed.vm, &vm));
    assert_int_equal(parsed.generation, 4);
    assert_int_equal(parsed.shape.memory_mib, 128);
    assert_int_equal(parsed.shape.vcpus, 2);
    assert_true(parsed.shape.has_kernel);
    assert_false(parsed.shape.is_incoming);
    assert_true(view_equal(parsed.shape.command_line, view_string("console=ttyS0")));
    assert_int_equal(launcher_request_fd_count(&parsed), 2);
}

static void a_refusal_comes_through_with_its_reason(void **state)
{
    struct launcher_notice notice = {.kind = LAUNCHER_ANSWER, .tag = 3, .status = STATUS_REFUSED};
    OWN(bytes) struct bytes message = {0};
    struct launcher_notice parsed;

    (void)state;
    assert_status(refuse(&notice.refusal, REFUSAL_GENERATION, "grant of generation 1"),
                  STATUS_REFUSED);
    assert_ok(launcher_notice_encode(&notice, &message));
    assert_ok(launcher_notice_parse(bytes_view(&message), &parsed));
    assert_int_equal(parsed.tag, 3);
    assert_int_equal(parsed.status, STATUS_REFUSED);
    assert_int_equal(parsed.refusal.code, REFUSAL_GENERATION);
    assert_string_equal(parsed.refusal.detail, "grant of generation 1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cut_of_a_message_is_malformed),
        cmocka_unit_test(what_follows_a_message_makes_it_malformed),
        cmocka_unit_test(a_kind_that_does_not_exist_is_malformed),
        cmocka_unit_test(a_shape_outside_its_limits_is_malformed),
        cmocka_unit_test(a_command_line_that_would_be_cut_short_is_malformed),
        cmocka_unit_test(a_request_comes_through_as_it_was),
        cmocka_unit_test(a_refusal_comes_through_with_its_reason),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
