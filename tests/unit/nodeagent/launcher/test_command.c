/* QEMU's command line, what runs it, and what is seen of its guest. */
#include "tests/support/test.h"

#include "nodeagent/launcher/accelerator.h"
#include "nodeagent/launcher/guest_memory.h"
#include "nodeagent/launcher/witness.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const struct digest vm = {{0xab, 0xcd}};

static bool has(const struct qemu_command *command, const char *first, const char *second)
{
    for (unsigned i = 0; i < command->count; i++) {
        if (strcmp(command->arguments[i], first) == 0 &&
            (!second ||
             (i + 1 < command->count && strcmp(command->arguments[i + 1], second) == 0))) {
            return true;
        }
    }
    return false;
}

static void every_command_confines_qemu_and_stops_its_cpus(void **state)
{
    const struct vm_shape shapes[] = {
        {.memory_mib = 64, .vcpus = 1},
        {.memory_mib = 64, .vcpus = 1, .is_incoming = true},
        {.memory_mib = 64, .vcpus = 1, .has_kernel = true, .command_line = view_string("quiet")},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(shapes); i++) {
        OWN(qemu_command) struct qemu_command command = {0};

        assert_ok(qemu_command_build("/usr/bin/qemu", ACCELERATOR_TCG, &vm, &shapes[i], &command));
        assert_true(has(&command, "-sandbox",
                        "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"));
        assert_true(has(&command, "-S", NULL));
        assert_true(has(&command, "-nodefaults", NULL));
        assert_true(has(&command, "-no-user-config", NULL));
        assert_true(has(&command, "-no-reboot", NULL));
        assert_int_equal(has(&command, "-incoming", "defer"), shapes[i].is_incoming);
        assert_int_equal(has(&command, "-kernel", "/proc/self/fd/7"), shapes[i].has_kernel);
        assert_null(command.arguments[command.count]);
    }
}

static void a_guest_command_line_is_one_argument_whatever_it_says(void **state)
{
    const struct vm_shape shape = {.memory_mib = 64,
                                   .vcpus = 1,
                                   .has_kernel = true,
                                   .command_line = view_string("a b -sandbox off,\"x\" -mon y")};
    OWN(qemu_command) struct qemu_command command = {0};

    (void)state;
    assert_ok(qemu_command_build("/usr/bin/qemu", ACCELERATOR_TCG, &vm, &shape, &command));
    assert_true(has(&command, "-append", "a b -sandbox off,\"x\" -mon y"));
}

static void every_difference_that_a_guest_sees_shows_in_the_digest_of_its_shape(void **state)
{
    const struct vm_shape shape = {
        .memory_mib = 64, .vcpus = 2, .has_kernel = true, .command_line = view_string("quiet")};
    const struct digest digest = vm_shape_digest(&shape);
    struct vm_shape other = shape;
    struct digest seen;

    (void)state;
    /* Not on which side of a migration it is. */
    other.is_incoming = true;
    seen = vm_shape_digest(&other);
    assert_true(digest_equal(&seen, &digest));
    other.memory_mib = 65;
    seen = vm_shape_digest(&other);
    assert_false(digest_equal(&seen, &digest));
    other = shape;
    other.vcpus = 1;
    seen = vm_shape_digest(&other);
    assert_false(digest_equal(&seen, &digest));
    other = shape;
    other.command_line = view_string("quiet ");
    seen = vm_shape_digest(&other);
    assert_false(digest_equal(&seen, &digest));
}

static void kvm_is_chosen_only_where_everything_speaks_for_it(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        const struct accelerator_evidence evidence = {i & 1, i & 2, i & 4};

        assert_int_equal(accelerator_decide(ACCELERATOR_AUTO, &evidence),
                         i == 5 ? ACCELERATOR_KVM : ACCELERATOR_TCG);
        assert_int_equal(accelerator_decide(ACCELERATOR_CHOOSE_TCG, &evidence), ACCELERATOR_TCG);
        assert_int_equal(accelerator_decide(ACCELERATOR_CHOOSE_KVM, &evidence), ACCELERATOR_KVM);
    }
}

static void a_guest_seen_to_run_is_seen_however_the_line_is_cut(void **state)
{
    static const char line[] =
        "{\"timestamp\": {\"seconds\": 1, \"microseconds\": 2}, \"event\": \"RESUME\"}\r\n";

    (void)state;
    for (size_t cut = 0; cut < sizeof line - 1; cut++) {
        struct witness witness = {0};
        unsigned seen = witness_read(&witness, (struct view){(const uint8_t *)line, cut});

        seen += witness_read(&witness,
                             (struct view){(const uint8_t *)line + cut, sizeof line - 1 - cut});
        assert_int_equal(seen, 1);
    }
}

static void other_events_and_text_from_a_guest_are_not_a_guest_that_runs(void **state)
{
    struct witness witness = {0};

    (void)state;
    assert_int_equal(witness_read(&witness, view_string("{\"event\": \"STOP\"}\r\n")), 0);
    assert_int_equal(
        witness_read(&witness, view_string("{\"event\": \"X\", \"data\": \"\\\"event\\\": "
                                           "\\\"RESUME\\\"\"}\r\n")),
        0);
    assert_int_equal(witness_read(&witness, view_string("{\"event\": \"RESUMED\"}\r\n")), 0);
    assert_int_equal(witness_read(&witness, view_string("{\"event\": \"RESUME\"}\r\n")), 1);
}

static void guest_memory_keeps_its_size_and_is_read_only_to_the_agent(void **state)
{
    int fd, readable;

    (void)state;
    assert_ok(guest_memory_new(16, geteuid(), getegid(), &fd, &readable));
    assert_int_equal(ftruncate(fd, 4096), -1);
    assert_int_equal(ftruncate(fd, 32 << 20), -1);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
    assert_true(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, readable, 0) == MAP_FAILED);
    (void)close(readable);
    (void)close(fd);
}

static void a_memfd_that_can_still_change_is_not_sealed(void **state)
{
    int fd = memfd_create("test", MFD_ALLOW_SEALING), other = memfd_create("test", 0);

    (void)state;
    assert_status(memfd_check_sealed(fd), STATUS_DENIED);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW), 0);
    assert_status(memfd_check_sealed(fd), STATUS_DENIED);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL), 0);
    assert_ok(memfd_check_sealed(fd));
    assert_status(memfd_check_sealed(other), STATUS_DENIED);
    assert_status(memfd_check_sealed(0), STATUS_DENIED);
    (void)close(fd);
    (void)close(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_command_confines_qemu_and_stops_its_cpus),
        cmocka_unit_test(a_guest_command_line_is_one_argument_whatever_it_says),
        cmocka_unit_test(every_difference_that_a_guest_sees_shows_in_the_digest_of_its_shape),
        cmocka_unit_test(kvm_is_chosen_only_where_everything_speaks_for_it),
        cmocka_unit_test(a_guest_seen_to_run_is_seen_however_the_line_is_cut),
        cmocka_unit_test(other_events_and_text_from_a_guest_are_not_a_guest_that_runs),
        cmocka_unit_test(guest_memory_keeps_its_size_and_is_read_only_to_the_agent),
        cmocka_unit_test(a_memfd_that_can_still_change_is_not_sealed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
