/* Launch on a real launcher and real QEMU. */
#include "tests/support/node_world.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- refusals --- */

static void a_guest_that_is_let_run_without_a_grant_is_stopped_at_once(void **state)
{
    struct world *world = *state;

    world_start(world, 1);
    /* An agent that was taken over does not ask. */
    (void)node_vm_run(&world->vm, NULL);
    node_expect_state(&world->node, VM_FROZEN);
    process_wait_state(&world->loop, world->vm.qemu, "T", 1000);
    loop_run_for(&world->loop, 300);
    assert_int_equal(process_state(world->vm.qemu), 'T');
    /* The coordinator's word lets it go on. */
    assert_ok(world_grant(world, 1, WORLD_LONG_MS));
    (void)node_vm_wait_count(&world->vm, 1);
}

static void a_grant_of_an_older_generation_or_another_registration_lets_nothing_run(void **state)
{
    struct world *world = *state;
    struct node *node = &world->node;

    world_start(world, 3);
    assert_refused(world_grant(world, 2, WORLD_LONG_MS), node->refusal, REFUSAL_GENERATION);
    assert_refused(node_grant(node, &world->vm_id, 3, NODE_REGISTRATION - 1, WORLD_LONG_MS,
                              ON_LOST_LEASE_STOP),
                   node->refusal, REFUSAL_REGISTRATION);
    assert_refused(node_lease(node, NODE_REGISTRATION - 1), node->refusal, REFUSAL_REGISTRATION);
    assert_refused(world_grant(world, 3, 0), node->refusal, REFUSAL_GRANT_EXPIRED);
    assert_string_equal(node_vm_state(&world->vm), "prelaunch");
}

static void a_kernel_that_can_still_change_is_refused(void **state)
{
    struct world *world = *state;
    struct guest_files files = world->files;
    struct launcher_request request = {
        .kind = LAUNCHER_START,
        .vm = world->vm_id,
        .generation = 1,
        .prepare_ms = 1000,
        .shape = {.memory_mib = 64, .vcpus = 1, .has_kernel = true},
    };
    int fds[] = {open("/dev/null", O_RDONLY | O_CLOEXEC), files.initrd_fd};

    assert_refused(node_request(&world->node, &request, fds), world->node.refusal,
                   REFUSAL_MALFORMED);
    (void)close(fds[0]);
}

static void a_second_copy_and_too_much_memory_are_refused(void **state)
{
    struct world *world = *state;
    struct launcher_request request = {
        .kind = LAUNCHER_START,
        .vm = world->vm_id,
        .generation = 1,
        .prepare_ms = 1000,
        .shape = {.memory_mib = 64, .vcpus = 1},
    };

    world_start(world, 1);
    assert_refused(node_request(&world->node, &request, NULL), world->node.refusal,
                   REFUSAL_ALREADY_EXISTS);
    request.generation = 2;
    assert_refused(node_request(&world->node, &request, NULL), world->node.refusal,
                   REFUSAL_ALREADY_EXISTS);
    request.vm.bytes[0] ^= 1;
    request.shape.memory_mib = 1000000;
    assert_refused(node_request(&world->node, &request, NULL), world->node.refusal, REFUSAL_LIMIT);
    request.shape.memory_mib = 64;
    request.prepare_ms = 1000000;
    assert_refused(node_request(&world->node, &request, NULL), world->node.refusal, REFUSAL_LIMIT);
}

static void a_vm_that_ran_does_not_start_again_at_its_generation(void **state)
{
    struct world *world = *state;
    struct launcher_request request = {
        .kind = LAUNCHER_START,
        .vm = world->vm_id,
        .generation = 1,
        .prepare_ms = 30000,
        .shape = {.memory_mib = 64, .vcpus = 1},
    };

    world_start_and_run(world);
    assert_ok(node_ask(&world->node, LAUNCHER_DESTROY, &world->vm_id));
    node_expect_gone(&world->node);
    assert_true(world->node.last_notice.was_killed);
    assert_refused(node_request(&world->node, &request, NULL), world->node.refusal,
                   REFUSAL_GENERATION);
    request.generation = 2;
    assert_ok(node_request(&world->node, &request, NULL));
    for (unsigned i = 0; i < VM_FD_COUNT; i++) {
        (void)close(world->node.reply_fds[i]);
    }
    assert_ok(node_ask(&world->node, LAUNCHER_DESTROY, &world->vm_id));
}

static void an_agent_that_talks_nonsense_is_started_again(void **state)
{
    struct world *world = *state;

    world_start_and_run(world);
    /* Too many descriptors for this request: refused, and no descriptor leaks; then nonsense. */
    {
        struct launcher_request request = {.kind = LAUNCHER_LIST};
        static const int fds[] = {0, 0};

        request.kind = LAUNCHER_START;
        request.vm = world->vm_id;
        request.generation = 9;
        request.prepare_ms = 1;
        request.shape = (struct vm_shape){.memory_mib = 4, .vcpus = 1, .has_kernel = true};
        /* A shape below its limits does not parse. */
        (void)node_request(&world->node, &request, fds);
    }
    loop_wait(&world->loop, &world->node.closed, NODE_PATIENCE_MS);
    node_accept_agent(&world->node);
    assert_ok(node_ask(&world->node, LAUNCHER_LIST, NULL));
    assert_int_equal(world->node.inventory_count, 1);
    for (unsigned i = 0; i < VM_FD_COUNT; i++) {
        (void)close(world->node.inventory_fds[0][i]);
    }
}

/* --- it works, and hides what it must --- */

static bool folder_has(const char *path, const char *needle)
{
    DIR *folder = opendir(path);
    struct dirent *entry;
    bool found = false;

    assert_non_null(folder);
    while ((entry = readdir(folder))) {
        static char data[32 << 20];
        char name[400];
        ssize_t size;
        int fd;

        (void)snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        fd = open(name, O_RDONLY | O_CLOEXEC);
        size = fd >= 0 ? read(fd, data, sizeof data) : -1;
        found |= size > 0 && memmem(data, (size_t)size, needle, strlen(needle));
        (void)close(fd);
    }
    (void)closedir(folder);
    return found;
}

static void a_granted_guest_counts_on_its_encrypted_disk_and_no_key_is_seen(void **state)
{
    struct world *world = *state;
    const struct vm_keys *keys = &world->files.keys;
    const char *base_key = (const char *)keys->base.data;
    const char *overlay_key = (const char *)keys->overlay.data;
    pid_t qemu;

    world_start_and_run(world);
    (void)node_vm_wait_count(&world->vm, 2);
    assert_non_null(strstr(world->vm.console, "disk mounted: The contents of an encrypted disk"));
    qemu = world->vm.qemu;
    assert_false(process_file_has(qemu, "cmdline", base_key));
    assert_false(process_file_has(qemu, "environ", base_key));
    assert_false(process_file_has(qemu, "cmdline", overlay_key));
    assert_false(process_file_has(qemu, "environ", overlay_key));
    assert_false(process_file_has(world->node.launcher, "cmdline", base_key));
    assert_false(folder_has(world->files.folder, base_key));
    assert_false(folder_has(world->files.folder, overlay_key));
    assert_false(folder_has(world->files.folder, "The contents of an encrypted disk"));
    assert_int_equal(process_memory_count(qemu, base_key), 0);
    assert_int_equal(process_memory_count(qemu, overlay_key), 0);
    /* The search finds what is there. */
    assert_true(process_memory_count(qemu, "guest: ready, counting from") > 0);
}

static bool status_has(pid_t pid, const char *line)
{
    return process_file_has(pid, "status", line);
}

static bool same_namespace(pid_t pid, const char *name)
{
    char path[64];
    struct stat theirs, ours;

    (void)snprintf(path, sizeof path, "/proc/%d/ns/%s", (int)pid, name);
    assert_int_equal(stat(path, &theirs), 0);
    (void)snprintf(path, sizeof path, "/proc/self/ns/%s", name);
    assert_int_equal(stat(path, &ours), 0);
    return theirs.st_ino == ours.st_ino;
}

static void qemu_is_confined(void **state)
{
    static const char *const namespaces[] = {"mnt", "net", "ipc", "uts", "pid"};
    struct world *world = *state;
    char path[96], line[64];
    struct stat info;
    pid_t qemu;

    world_start(world, 1);
    qemu = world->vm.qemu;
    (void)snprintf(line, sizeof line, "Uid:\t%d\t%d\t%d\t%d", WORLD_UID_FIRST, WORLD_UID_FIRST,
                   WORLD_UID_FIRST, WORLD_UID_FIRST);
    assert_true(status_has(qemu, line));
    assert_true(status_has(qemu, "Groups:\t \n"));
    assert_true(status_has(qemu, "CapPrm:\t0000000000000000"));
    assert_true(status_has(qemu, "CapEff:\t0000000000000000"));
    assert_true(status_has(qemu, "CapBnd:\t0000000000000000"));
    assert_true(status_has(qemu, "NoNewPrivs:\t1"));
    assert_true(status_has(qemu, "Seccomp:\t2"));
    assert_true(
        process_file_has(qemu, "limits", "Max core file size        0                    0"));
    for (unsigned i = 0; i < ARRAY_SIZE(namespaces); i++) {
        assert_false(same_namespace(qemu, namespaces[i]));
    }
    (void)snprintf(path, sizeof path, "/proc/%d/root/etc/passwd", (int)qemu);
    assert_int_equal(stat(path, &info), -1);
    (void)snprintf(path, sizeof path, "/proc/%d/root/tmp", (int)qemu);
    assert_int_equal(stat(path, &info), -1);
    /* Its memory is its own: the agent's descriptor can only read. */
    assert_int_equal(ftruncate(world->vm.fds[VM_FD_MEMORY], 0), -1);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, world_open, world_close)
    const struct CMUnitTest tests[] = {
        CASE(a_guest_that_is_let_run_without_a_grant_is_stopped_at_once),
        CASE(a_grant_of_an_older_generation_or_another_registration_lets_nothing_run),
        CASE(a_kernel_that_can_still_change_is_refused),
        CASE(a_second_copy_and_too_much_memory_are_refused),
        CASE(a_vm_that_ran_does_not_start_again_at_its_generation),
        CASE(an_agent_that_talks_nonsense_is_started_again),
        CASE(a_granted_guest_counts_on_its_encrypted_disk_and_no_key_is_seen),
        CASE(qemu_is_confined),
    };
#undef CASE

    if (geteuid() != 0) {
        printf("1..0 # SKIP the launcher needs root\n");
        return 0;
    }
    if (getenv("TCCP_TEST_FILTER")) {
        cmocka_set_test_filter(getenv("TCCP_TEST_FILTER"));
    }
    return cmocka_run_group_tests(tests, world_group_open, world_group_close);
}
