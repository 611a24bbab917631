#include "tests/support/node_world.h"

#include "lib/base/bytes.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { TICK_MS = 5, GUEST_MEMORY_MIB = 96, PREPARE_MS = 30000 };

/* --- a node --- */

static void on_notice(void *argument, const struct launcher_notice *notice)
{
    struct node *node = argument;

    node->notices++;
    node->last_notice = *notice;
}

static void on_inventory(void *argument, const struct launcher_notice *notice,
                         const int fds[VM_FD_COUNT])
{
    struct node *node = argument;

    assert_true(node->inventory_count < NODE_INVENTORY_MAX);
    node->inventory[node->inventory_count] = *notice;
    memcpy(node->inventory_fds[node->inventory_count++], fds, VM_FD_COUNT * sizeof(int));
}

static void on_client_closed(void *argument, enum status status)
{
    (void)status;
    ((struct node *)argument)->closed = true;
}

void node_listen(struct node *node, uv_loop_t *loop, unsigned uid_first)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    memset(node, 0, sizeof *node);
    node->loop = loop;
    (void)snprintf(node->socket_path, sizeof node->socket_path, "/tmp/tccp-node-%d-%u", getpid(),
                   uid_first);
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", node->socket_path);
    (void)unlink(node->socket_path);
    node->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(node->listen_fd, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(node->listen_fd, 4), 0);
    node->stub_fd = -1;
}

void node_start(struct node *node, char *const arguments[])
{
    node->launcher = fork();
    if (node->launcher == 0) {
        (void)execv(arguments[0], arguments);
        _exit(127);
    }
    node_accept_agent(node);
}

void node_open(struct node *node, uv_loop_t *loop, unsigned uid_first)
{
    char uid[16], launcher[600], stub[600];
    const char *build = getenv("TOP_BUILDDIR");

    node_listen(node, loop, uid_first);
    (void)snprintf(uid, sizeof uid, "%u", uid_first);
    (void)snprintf(launcher, sizeof launcher, "%s/tests/support/launcher_plain", build);
    (void)snprintf(stub, sizeof stub, "%s/tests/support/agent_stub", build);
    {
        char *const arguments[] = {launcher, uid, stub, node->socket_path, NULL};

        node_start(node, arguments);
    }
    assert_ok(node_lease(node, NODE_REGISTRATION));
}

void node_accept_agent(struct node *node)
{
    static const struct launcher_client_handlers handlers = {on_notice, on_inventory,
                                                             on_client_closed};
    struct timeval patience = {.tv_sec = NODE_PATIENCE_MS / 1000};
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    char byte;
    struct iovec vector = {&byte, 1};
    struct msghdr message = {.msg_iov = &vector,
                             .msg_iovlen = 1,
                             .msg_control = control.space,
                             .msg_controllen = sizeof control.space};
    int channel = -1;

    if (node->client) {
        launcher_client_close(TAKE(node->client));
        (void)close(node->stub_fd);
        loop_run_for(node->loop, TICK_MS);
    }
    assert_int_equal(
        setsockopt(node->listen_fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    node->stub_fd = accept4(node->listen_fd, NULL, NULL, SOCK_CLOEXEC);
    assert_true(node->stub_fd >= 0);
    assert_int_equal(recvmsg(node->stub_fd, &message, MSG_CMSG_CLOEXEC), 1);
    if (CMSG_FIRSTHDR(&message)) {
        memcpy(&channel, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof channel);
    }
    node->closed = false;
    node->inventory_count = 0;
    assert_ok(launcher_client_open(node->loop, channel, &handlers, node, &node->client));
}

void node_close(struct node *node)
{
    pid_t qemu = process_child_named(node->launcher, "qemu");

    launcher_client_close(TAKE(node->client));
    (void)close(node->stub_fd);
    (void)close(node->listen_fd);
    (void)unlink(node->socket_path);
    (void)kill(node->launcher, SIGTERM);
    assert_int_equal(waitpid(node->launcher, NULL, 0), node->launcher);
    loop_run_for(node->loop, TICK_MS);
    if (qemu) {
        process_wait_state(node->loop, qemu, "Z-", 2000);
    }
}

static void on_reply(void *argument, const struct launcher_reply *reply)
{
    struct node *node = argument;

    node->replied = true;
    node->status = reply->status;
    node->refusal = *reply->refusal;
    memcpy(node->reply_fds, reply->fds, sizeof node->reply_fds);
}

enum status node_request(struct node *node, struct launcher_request *request, const int *fds)
{
    node->replied = false;
    launcher_client_request(node->client, request, fds, on_reply, node);
    loop_wait(node->loop, &node->replied, NODE_PATIENCE_MS);
    return node->status;
}

enum status node_lease(struct node *node, uint64_t registration)
{
    struct launcher_request request = {.kind = LAUNCHER_LEASE, .registration = registration};
    struct timespec now;

    assert_int_equal(clock_gettime(CLOCK_BOOTTIME, &now), 0);
    request.renewed_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
    return node_request(node, &request, NULL);
}

enum status node_grant(struct node *node, const struct digest *vm, uint64_t generation,
                       uint64_t registration, uint64_t duration_ms, enum on_lost_lease action)
{
    struct writer writer = writer_new(GRANT_SIZE_MAX);
    struct launcher_request request = {.kind = LAUNCHER_GRANT};
    OWN(bytes) struct bytes grant = {0};

    writer_view(&writer, digest_view(vm));
    writer_u64(&writer, generation);
    writer_u64(&writer, registration);
    writer_u64(&writer, duration_ms);
    writer_u8(&writer, (uint8_t)action);
    assert_ok(writer_take(&writer, &grant));
    request.payload = bytes_view(&grant);
    return node_request(node, &request, NULL);
}

enum status node_ask(struct node *node, enum launcher_request_kind kind, const struct digest *vm)
{
    struct launcher_request request = {.kind = kind};

    if (vm) {
        request.vm = *vm;
    }
    return node_request(node, &request, NULL);
}

void node_expect_state(struct node *node, enum vm_state state)
{
    for (unsigned waited = 0; waited < NODE_PATIENCE_MS; waited += TICK_MS) {
        if (node->notices && node->last_notice.kind == LAUNCHER_STATE &&
            node->last_notice.state == state) {
            return;
        }
        loop_run_for(node->loop, TICK_MS);
    }
    fail_msg("the launcher never said %s", vm_state_name(state));
}

void node_expect_gone(struct node *node)
{
    for (unsigned waited = 0; waited < NODE_PATIENCE_MS; waited += TICK_MS) {
        if (node->notices && node->last_notice.kind == LAUNCHER_GONE) {
            return;
        }
        loop_run_for(node->loop, TICK_MS);
    }
    fail_msg("the launcher never said that the VM is gone");
}

/* --- a VM --- */

static void on_vm_ready(void *argument)
{
    ((struct node_vm *)argument)->ready = true;
}

static void on_vm_event(void *argument, const char *name, const struct qmp_value *data)
{
    struct node_vm *vm = argument;

    vm->events++;
    (void)snprintf(vm->event, sizeof vm->event, "%s", name);
    if (vm->on_event) {
        vm->on_event(vm->argument, name, data);
    }
}

static void on_vm_closed(void *argument, enum status status)
{
    struct node_vm *vm = argument;

    (void)status;
    vm->closed = true;
    if (vm->on_closed) {
        vm->on_closed(vm->argument);
    }
}

static void on_vm_done(void *argument, enum status status, const char *error)
{
    struct node_vm *vm = argument;

    vm->done = true;
    vm->status = status;
    (void)snprintf(vm->error, sizeof vm->error, "%s", error);
    if (status != STATUS_OK && getenv("TCCP_TEST_VERBOSE")) {
        (void)fprintf(stderr, "# vm: %s\n", error);
    }
}

void node_vm_open(struct node_vm *vm, struct node *node, const struct digest *id,
                  const int fds[VM_FD_COUNT], enum qmp_start start)
{
    static const struct vm_handlers handlers = {on_vm_ready, on_vm_event, on_vm_closed};

    memset(vm, 0, sizeof *vm);
    vm->node = node;
    vm->id = *id;
    memcpy(vm->fds, fds, sizeof vm->fds);
    assert_ok(vm_open(node->loop, fds[VM_FD_QMP], start, &handlers, vm, &vm->vm));
    loop_wait(node->loop, &vm->ready, NODE_PATIENCE_MS);
    vm->qemu = process_child_named(node->launcher, "qemu");
    assert_true(vm->qemu > 0);
}

void node_vm_start(struct node_vm *vm, struct node *node, const struct guest_files *files,
                   const struct digest *id, uint64_t generation, bool is_incoming)
{
    struct launcher_request request = {
        .kind = LAUNCHER_START,
        .vm = *id,
        .generation = generation,
        .prepare_ms = PREPARE_MS,
        .shape = {.memory_mib = GUEST_MEMORY_MIB,
                  .vcpus = 1,
                  .is_incoming = is_incoming,
                  .has_kernel = true,
                  .command_line = bytes_view(&files->command_line)},
    };
    const int fds[] = {files->kernel_fd, files->initrd_fd};

    assert_ok(node_request(node, &request, fds));
    node_vm_open(vm, node, id, node->reply_fds, QMP_FRESH);
    assert_ok(node_vm_attach(vm, files));
}

void node_vm_close(struct node_vm *vm)
{
    vm_close(vm->vm);
    (void)close(vm->fds[VM_FD_MEMORY]);
    (void)close(vm->fds[VM_FD_SECRETS]);
    loop_run_for(vm->node->loop, TICK_MS);
}

enum status node_vm_attach(struct node_vm *vm, const struct guest_files *files)
{
    int overlay_fd = guest_files_open_overlay(files);

    vm->done = false;
    vm_attach_disk(vm->vm, files->base_fd, overlay_fd, &files->keys, on_vm_done, vm);
    (void)close(overlay_fd);
    loop_wait(vm->node->loop, &vm->done, NODE_PATIENCE_MS);
    return vm->status;
}

enum status node_vm_run(struct node_vm *vm, const struct vm_keys *keys)
{
    vm->done = false;
    vm_run(vm->vm, keys, on_vm_done, vm);
    loop_wait(vm->node->loop, &vm->done, NODE_PATIENCE_MS);
    return vm->status;
}

static void on_state(void *argument, enum status status, const char *state)
{
    struct node_vm *vm = argument;

    vm->done = true;
    (void)snprintf(vm->state, sizeof vm->state, "%s", status == STATUS_OK ? state : "");
}

const char *node_vm_state(struct node_vm *vm)
{
    vm->done = false;
    vm->state[0] = '\0';
    vm_status(vm->vm, on_state, vm);
    (void)loop_turn(vm->node->loop, &vm->done, 2000);
    return vm->state;
}

static void on_console(void *argument, enum status status, struct view text)
{
    struct node_vm *vm = argument;

    vm->reading = false;
    if (status == STATUS_OK && vm->console_size + text.size < sizeof vm->console) {
        memcpy(vm->console + vm->console_size, text.data, text.size);
        vm->console_size += text.size;
        vm->console[vm->console_size] = '\0';
    }
}

/* A line that has not come to its end may be half a number. */
static unsigned count_at(const char *text, bool is_last)
{
    unsigned count = 0;

    for (const char *at = text; (at = strstr(at, "count ")); at++) {
        if (at[strcspn(at, "\r\n")]) {
            (void)sscanf(at, "count %u", &count);
            if (!is_last && count) {
                break;
            }
        }
    }
    return count;
}

unsigned node_vm_printed_count(const struct node_vm *vm)
{
    return count_at(vm->console, true);
}

unsigned node_vm_first_count(const struct node_vm *vm)
{
    return count_at(vm->console, false);
}

unsigned node_vm_last_count(struct node_vm *vm)
{
    /* A reader that is stuck (QEMU is stopped) must not be asked again. */
    if (!vm->reading && !vm->closed) {
        vm->reading = true;
        vm_console_read(vm->vm, on_console, vm);
    }
    loop_run_for(vm->node->loop, 4 * TICK_MS);
    return node_vm_printed_count(vm);
}

unsigned node_vm_wait_count(struct node_vm *vm, unsigned above)
{
    for (unsigned waited = 0; waited < NODE_PATIENCE_MS; waited += 20 * TICK_MS) {
        unsigned count = node_vm_last_count(vm);

        if (count > above) {
            return count;
        }
        loop_run_for(vm->node->loop, 16 * TICK_MS);
    }
    fail_msg("the guest never counted above %u; console: %.2000s", above, vm->console);
    return 0;
}

/* --- fixtures --- */

int world_group_open(void **state)
{
    struct world *world = calloc(1, sizeof *world);

    assert_non_null(world);
    world->vm_id = (struct digest){{0xaa, 1}};
    guest_files_open(&world->files);
    *state = world;
    return 0;
}

int world_group_close(void **state)
{
    struct world *world = *state;

    guest_files_close(&world->files);
    free(world);
    return 0;
}

int world_open(void **state)
{
    struct world *world = *state;

    assert_int_equal(uv_loop_init(&world->loop), 0);
    node_open(&world->node, &world->loop, WORLD_UID_FIRST);
    world->has_vm = false;
    return 0;
}

int world_close(void **state)
{
    struct world *world = *state;

    if (world->has_vm) {
        node_vm_close(&world->vm);
    }
    node_close(&world->node);
    assert_int_equal(uv_loop_close(&world->loop), 0);
    return 0;
}

void world_start(struct world *world, uint64_t generation)
{
    guest_files_renew_overlay(&world->files);
    node_vm_start(&world->vm, &world->node, &world->files, &world->vm_id, generation, false);
    world->has_vm = true;
}

enum status world_grant(struct world *world, uint64_t generation, uint64_t duration_ms)
{
    assert_ok(node_lease(&world->node, NODE_REGISTRATION));
    return node_grant(&world->node, &world->vm_id, generation, NODE_REGISTRATION, duration_ms,
                      ON_LOST_LEASE_STOP);
}

void world_start_and_run(struct world *world)
{
    world_start(world, 1);
    assert_ok(world_grant(world, 1, WORLD_LONG_MS));
    assert_ok(node_vm_run(&world->vm, NULL));
}
