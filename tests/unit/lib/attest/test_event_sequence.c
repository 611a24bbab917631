#include "lib/attest/event_sequence.h"

#include "lib/base/text.h"

#include "tests/unit/lib/attest/evidence_files.h"
#include "tests/unit/lib/attest/log_writer.h"

static const struct digest kernel = {{0x4e}}, options = {{0x0b}}, initrd = {{0x14}},
                           extra = {{0xee}};

/* Kernel in PCR 4, load options and initrd in PCR 9. */
static struct event_sequence sequence_new(void)
{
    static const struct {
        uint32_t pcr;
        enum event_role role;
        const struct digest *digest;
    } steps[] = {{4, EVENT_ROLE_KERNEL, &kernel},
                 {9, EVENT_ROLE_LOAD_OPTIONS, &options},
                 {9, EVENT_ROLE_INITRD, &initrd}};
    struct event_sequence sequence = {0};

    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        struct event_step *step;

        assert_ok(
            event_sequence_add(&sequence, steps[i].pcr,
                               steps[i].pcr == 4 ? EVENT_EFI_BOOT_SERVICES_APPLICATION : EVENT_TAG,
                               steps[i].role, event_role_name(steps[i].role), &step));
        assert_ok(event_step_allow(step, steps[i].digest));
    }
    return sequence;
}

static void log_write(struct writer *writer, const struct digest *in_9_first,
                      const struct digest *in_9_second)
{
    event_log_begin(writer);
    event_write(writer, 4, EVENT_EFI_BOOT_SERVICES_APPLICATION, &kernel, (struct view){0});
    event_write(writer, 9, EVENT_TAG, in_9_first, (struct view){0});
    if (in_9_second) {
        event_write(writer, 9, EVENT_TAG, in_9_second, (struct view){0});
    }
}

static void assert_sequence_refused(const struct event_sequence *sequence, struct writer *writer,
                                    enum refusal_code code)
{
    struct refusal refusal = {0};

    assert_refused(event_sequence_check(sequence, written(writer), &refusal), refusal, code);
    writer_free(writer);
}

static void unknown_event_is_refused_and_named(void **state)
{
    OWN(event_sequence) struct event_sequence sequence = sequence_new();
    OWN(writer) struct writer writer = writer_new(LOG_SIZE_MAX);
    struct refusal refusal;

    (void)state;
    log_write(&writer, &extra, &initrd);
    assert_refused(event_sequence_check(&sequence, written(&writer), &refusal), refusal,
                   REFUSAL_EVENT_UNEXPECTED);
    assert_non_null(strstr(refusal.detail, "event 2, PCR 9"));
    assert_non_null(strstr(refusal.finding.subject, "event 2, PCR 9"));
    assert_string_equal(refusal.finding.seen, hex_digest(&extra).text);
    assert_string_equal(refusal.finding.expected, hex_digest(&options).text);
    assert_non_null(strstr(refusal.detail, "ee000000"));
    assert_non_null(strstr(refusal.detail, "load options"));
}

static void extra_event_is_refused(void **state)
{
    static const uint32_t types[] = {EVENT_POST_CODE,
                                     EVENT_SEPARATOR,
                                     EVENT_ACTION,
                                     EVENT_TAG,
                                     EVENT_IPL,
                                     EVENT_EFI_ACTION,
                                     EVENT_EFI_VARIABLE_AUTHORITY,
                                     0,
                                     0x12345678,
                                     0xffffffff};
    OWN(event_sequence) struct event_sequence sequence = sequence_new();
    OWN(writer) struct writer writer = writer_new(LOG_SIZE_MAX);

    (void)state;
    log_write(&writer, &options, &initrd);
    assert_ok(event_sequence_check(&sequence, written(&writer), NULL));
    event_write(&writer, 9, EVENT_TAG, &initrd, (struct view){0});
    assert_sequence_refused(&sequence, &writer, REFUSAL_EVENT_UNEXPECTED);
    /* Whatever type it claims to be of, known here or not, but EV_NO_ACTION, which extends nothing.
     */
    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        log_write(&writer, &options, &initrd);
        event_write(&writer, 4, types[i], &extra, (struct view){0});
        assert_sequence_refused(&sequence, &writer, REFUSAL_EVENT_UNEXPECTED);
    }
    log_write(&writer, &options, &initrd);
    event_write(&writer, 4, EVENT_NO_ACTION, &extra, (struct view){0});
    assert_ok(event_sequence_check(&sequence, written(&writer), NULL));
}

static void missing_event_is_refused(void **state)
{
    OWN(event_sequence) struct event_sequence sequence = sequence_new();
    OWN(writer) struct writer writer = writer_new(LOG_SIZE_MAX);

    (void)state;
    log_write(&writer, &options, NULL);
    assert_sequence_refused(&sequence, &writer, REFUSAL_EVENT_MISSING);
    /* Missing in the middle: the next one comes where it was expected. */
    log_write(&writer, &initrd, NULL);
    assert_sequence_refused(&sequence, &writer, REFUSAL_EVENT_UNEXPECTED);
}

static void events_in_another_order_are_refused(void **state)
{
    OWN(event_sequence) struct event_sequence sequence = sequence_new();
    OWN(writer) struct writer writer = writer_new(LOG_SIZE_MAX);

    (void)state;
    log_write(&writer, &initrd, &options);
    assert_sequence_refused(&sequence, &writer, REFUSAL_EVENT_UNEXPECTED);
}

static void step_without_a_digest_accepts_nothing(void **state)
{
    OWN(event_sequence) struct event_sequence sequence = sequence_new();
    OWN(writer) struct writer writer = writer_new(LOG_SIZE_MAX);

    (void)state;
    assert_ok(event_sequence_add(&sequence, 5, EVENT_ACTION, EVENT_ROLE_NONE, "exit", NULL));
    log_write(&writer, &options, &initrd);
    event_write(&writer, 5, EVENT_ACTION, &extra, (struct view){0});
    assert_sequence_refused(&sequence, &writer, REFUSAL_EVENT_UNEXPECTED);
    log_write(&writer, &options, &initrd);
    assert_sequence_refused(&sequence, &writer, REFUSAL_EVENT_MISSING);
}

static void optional_step_may_be_missing_but_not_twice(void **state)
{
    OWN(event_sequence) struct event_sequence sequence = sequence_new();
    OWN(writer) struct writer writer = writer_new(LOG_SIZE_MAX);
    struct event_step *step;

    (void)state;
    assert_ok(event_sequence_add(&sequence, 9, EVENT_TAG, EVENT_ROLE_NONE, "more", &step));
    assert_ok(event_step_allow(step, &extra));
    step->optional = true;
    log_write(&writer, &options, &initrd);
    assert_ok(event_sequence_check(&sequence, written(&writer), NULL));
    event_write(&writer, 9, EVENT_TAG, &extra, (struct view){0});
    assert_ok(event_sequence_check(&sequence, written(&writer), NULL));
    event_write(&writer, 9, EVENT_TAG, &extra, (struct view){0});
    assert_sequence_refused(&sequence, &writer, REFUSAL_EVENT_UNEXPECTED);
}

static void covered_pcr_without_steps_allows_no_event(void **state)
{
    OWN(event_sequence) struct event_sequence sequence = sequence_new();
    OWN(writer) struct writer writer = writer_new(LOG_SIZE_MAX);

    (void)state;
    log_write(&writer, &options, &initrd);
    event_write(&writer, 12, EVENT_IPL, &extra, (struct view){0});
    assert_ok(event_sequence_check(&sequence, written(&writer), NULL));
    sequence.covered |= 1u << 12;
    assert_sequence_refused(&sequence, &writer, REFUSAL_EVENT_UNEXPECTED);
}

static void policy_that_does_not_insist_on_kernel_options_and_initrd_is_refused(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        OWN(event_sequence) struct event_sequence sequence = sequence_new();
        struct refusal refusal;

        assert_ok(event_sequence_check_roles(&sequence, &refusal));
        sequence.steps[i].optional = true;
        assert_refused(event_sequence_check_roles(&sequence, &refusal), refusal,
                       REFUSAL_POLICY_MISSING);
    }
}

static void limits_are_kept(void **state)
{
    OWN(event_sequence) struct event_sequence sequence = {0};
    struct event_step *step;

    (void)state;
    assert_status(event_sequence_add(&sequence, 24, 0, EVENT_ROLE_NONE, "x", NULL),
                  STATUS_MALFORMED);
    for (unsigned i = 0; i < EVENT_STEP_COUNT_MAX; i++) {
        assert_ok(event_sequence_add(&sequence, 0, 0, EVENT_ROLE_NONE, "x", &step));
    }
    assert_status(event_sequence_add(&sequence, 0, 0, EVENT_ROLE_NONE, "x", NULL),
                  STATUS_TOO_LARGE);
    for (unsigned i = 0; i < EVENT_STEP_DIGEST_COUNT_MAX; i++) {
        assert_ok(event_step_allow(step, &extra));
    }
    assert_status(event_step_allow(step, &extra), STATUS_TOO_LARGE);
}

static void learned_sequence_accepts_its_boot_and_names_what_differs(void **state)
{
    OWN(bytes) struct bytes good = vector_load("evidence/good/eventlog.bin");
    OWN(bytes) struct bytes cmdline = vector_load("evidence/cmdline/eventlog.bin");
    OWN(event_sequence) struct event_sequence sequence = {0};
    struct refusal refusal;

    (void)state;
    assert_ok(event_sequence_learn(bytes_view(&good), 0x3ff, &sequence, NULL));
    assert_ok(event_sequence_check(&sequence, bytes_view(&good), NULL));
    assert_refused(event_sequence_check(&sequence, bytes_view(&cmdline), &refusal), refusal,
                   REFUSAL_EVENT_UNEXPECTED);
    assert_non_null(strstr(refusal.detail, "PCR 9"));
    assert_non_null(strstr(refusal.detail, "load options"));
}

static void roles_are_learned_from_grub_too(void **state)
{
    OWN(event_sequence) struct event_sequence sequence = {0};
    OWN(writer) struct writer writer = writer_new(LOG_SIZE_MAX);

    (void)state;
    event_log_begin(&writer);
    event_write(&writer, 4, EVENT_EFI_BOOT_SERVICES_APPLICATION, &kernel, (struct view){0});
    event_write(&writer, 8, EVENT_IPL, &extra, view_string("grub_cmd: set kernel_cmdline:"));
    event_write(&writer, 8, EVENT_IPL, &options, view_string("kernel_cmdline: ro quiet"));
    event_write(&writer, 9, EVENT_IPL, &initrd, view_string("(hd0,gpt2)/initramfs-6.1.img"));
    assert_ok(event_sequence_learn(written(&writer), 0x3ff, &sequence, NULL));
    assert_ok(event_sequence_check_roles(&sequence, NULL));
    assert_int_equal(sequence.steps[1].role, EVENT_ROLE_NONE);
    assert_int_equal(sequence.steps[2].role, EVENT_ROLE_LOAD_OPTIONS);
}

/* A kernel that was started past the firmware under Secure Boot left no trace in PCR 4: even its
 * own log makes no policy. */
static void silent_bypass_makes_no_policy(void **state)
{
    OWN(bytes) struct bytes log = vector_load("evidence/secureboot/eventlog.bin");
    OWN(event_sequence) struct event_sequence sequence = {0};
    struct refusal refusal;

    (void)state;
    assert_ok(event_sequence_learn(bytes_view(&log), 0x3ff, &sequence, NULL));
    assert_refused(event_sequence_check(&sequence, bytes_view(&log), &refusal), refusal,
                   REFUSAL_POLICY_MISSING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_event_is_refused_and_named),
        cmocka_unit_test(extra_event_is_refused),
        cmocka_unit_test(missing_event_is_refused),
        cmocka_unit_test(events_in_another_order_are_refused),
        cmocka_unit_test(step_without_a_digest_accepts_nothing),
        cmocka_unit_test(optional_step_may_be_missing_but_not_twice),
        cmocka_unit_test(covered_pcr_without_steps_allows_no_event),
        cmocka_unit_test(policy_that_does_not_insist_on_kernel_options_and_initrd_is_refused),
        cmocka_unit_test(limits_are_kept),
        cmocka_unit_test(learned_sequence_accepts_its_boot_and_names_what_differs),
        cmocka_unit_test(roles_are_learned_from_grub_too),
        cmocka_unit_test(silent_bypass_makes_no_policy),
    };
    return cmocka_run_group_tests_name("event_sequence", tests, NULL, NULL);
}
