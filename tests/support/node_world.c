#include "tests/support/node_world.h"

#include "lib/base/bytes.h"
#include "lib/image/image_copy.h"
#include "lib/image/luks_image.h"

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

enum { TICK_MS = 5, GUEST_MEMORY_MIB = 96, PREPARE_MS = 30000, SCAN_CHUNK = 1 << 20 };

static const char base_key[] = "base-key-0123456789abcdef0123456789abcdef-secret";
static const char overlay_key[] = "overlay-key-fedcba9876543210fedcba9876543210-secret";

/* --- the loop --- */

static void on_tick(uv_timer_t *timer)
{
    ++*(unsigned *)timer->data;
}

static bool loop_turn(uv_loop_t *loop, const bool *flag, unsigned patience_ms)
{
    unsigned ticks = 0;
    uv_timer_t timer;

    assert_int_equal(uv_timer_init(loop, &timer), 0);
    timer.data = &ticks;
    uv_update_time(loop);
    assert_int_equal(uv_timer_start(&timer, on_tick, TICK_MS, TICK_MS), 0);
    while (!(flag && *flag) && ticks < patience_ms / TICK_MS) {
        (void)uv_run(loop, UV_RUN_ONCE);
    }
    uv_close((uv_handle_t *)&timer, NULL);
    (void)uv_run(loop, UV_RUN_NOWAIT);
    return flag && *flag;
}

void loop_wait(uv_loop_t *loop, const bool *flag, unsigned patience_ms)
{
    assert_true(loop_turn(loop, flag, patience_ms));
}

void loop_run_for(uv_loop_t *loop, unsigned time_ms)
{
    (void)loop_turn(loop, NULL, time_ms);
}

/* --- processes --- */

char process_state(pid_t pid)
{
    char path[64], text[512] = "";
    const char *end;
    FILE *file;

    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    file = fopen(path, "r");
    if (!file) {
        return 0;
    }
    (void)!fread(text, 1, sizeof text - 1, file);
    (void)fclose(file);
    end = strrchr(text, ')');
    return end ? end[2] : 0;
}

void process_wait_state(uv_loop_t *loop, pid_t pid, const char *states, unsigned patience_ms)
{
    for (unsigned waited = 0; waited < patience_ms; waited += 2 * TICK_MS) {
        char state = process_state(pid);

        if (state ? strchr(states, state) != NULL : strchr(states, '-') != NULL) {
            return;
        }
        loop_run_for(loop, 2 * TICK_MS);
    }
    fail_msg("process %d is %c, not one of %s", (int)pid, process_state(pid), states);
}

bool process_file_has(pid_t pid, const char *file, const char *needle)
{
    static char text[65536];
    char path[64];
    size_t size;
    FILE *handle;

    (void)snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
    handle = fopen(path, "r");
    assert_non_null(handle);
    size = fread(text, 1, sizeof text, handle);
    (void)fclose(handle);
    return memmem(text, size, needle, strlen(needle)) != NULL;
}

static unsigned count_in(int memory_fd, uint64_t begin, uint64_t end, const char *needle)
{
    static char chunk[SCAN_CHUNK + 256];
    size_t length = strlen(needle);
    unsigned count = 0;

    for (uint64_t at = begin; at < end; at += SCAN_CHUNK) {
        /* A little more than a chunk, so that nothing hides on the border. */
        size_t wanted = end - at < sizeof chunk ? (size_t)(end - at) : SCAN_CHUNK + length - 1;
        ssize_t size = pread(memory_fd, chunk, wanted, (off_t)at);
        const char *found = chunk;

        while (size > 0 &&
               (found = memmem(found, (size_t)(chunk + size - found), needle, length))) {
            count++;
            found++;
        }
    }
    return count;
}

unsigned process_memory_count(pid_t pid, const char *needle)
{
    char path[64], line[512];
    unsigned count = 0;
    FILE *maps;
    int memory_fd;

    (void)snprintf(path, sizeof path, "/proc/%d/mem", (int)pid);
    memory_fd = open(path, O_RDONLY | O_CLOEXEC);
    (void)snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    maps = fopen(path, "r");
    assert_true(memory_fd >= 0 && maps);
    while (fgets(line, sizeof line, maps)) {
        uint64_t begin, end;
        char access[8];

        if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s", &begin, &end, access) == 3 &&
            access[0] == 'r' && access[1] == 'w') {
            count += count_in(memory_fd, begin, end, needle);
        }
    }
    (void)fclose(maps);
    (void)close(memory_fd);
    return count;
}

pid_t process_child_named(pid_t parent, const char *name)
{
    DIR *folder = opendir("/proc");
    struct dirent *entry;
    pid_t found = 0;

    assert_non_null(folder);
    while ((entry = readdir(folder)) && !found) {
        char path[300], text[512] = "";
        const char *end;
        FILE *file;
        int ppid = 0;

        (void)snprintf(path, sizeof path, "/proc/%s/stat", entry->d_name);
        file = entry->d_name[0] >= '1' && entry->d_name[0] <= '9' ? fopen(path, "r") : NULL;
        if (!file) {
            continue;
        }
        (void)!fread(text, 1, sizeof text - 1, file);
        (void)fclose(file);
        end = strrchr(text, ')');
        if (end && sscanf(end + 2, "%*c %d", &ppid) == 1 && ppid == parent && strstr(text, name)) {
            found = (pid_t)strtol(entry->d_name, NULL, 10);
        }
    }
    (void)closedir(folder);
    return found;
}

/* --- files --- */

static void read_file(const char *path, struct bytes *ret_bytes)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &info), 0);
    ret_bytes->data = malloc((size_t)info.st_size + 1);
    ret_bytes->size = (size_t)info.st_size;
    assert_non_null(ret_bytes->data);
    assert_int_equal(read(fd, ret_bytes->data, ret_bytes->size), ret_bytes->size);
    (void)close(fd);
}

static int copy_in_memory(const char *path)
{
    struct refusal refusal = {0};
    struct digest digest;
    uint64_t size;
    int fd = open(path, O_RDONLY | O_CLOEXEC), copy = -1;

    assert_true(fd >= 0);
    assert_ok(image_digest(fd, &digest, &size));
    assert_ok(image_copy(fd, size, &digest, IMAGE_IN_MEMORY, NULL, &copy, &refusal));
    (void)close(fd);
    return copy;
}

void guest_files_renew_overlay(struct guest_files *files)
{
    struct refusal refusal = {0};
    uint64_t size = 0;

    (void)unlink(files->overlay);
    assert_ok(luks_image_inspect(files->base_fd, &size, &refusal));
    assert_ok(luks_image_create(files->overlay, size, files->keys.overlay, &refusal));
}

int guest_files_open_overlay(const struct guest_files *files)
{
    int fd = open(files->overlay, O_RDWR | O_CLOEXEC);

    assert_true(fd >= 0);
    return fd;
}

void guest_files_open(struct guest_files *files)
{
    const char *source = getenv("TOP_SRCDIR"), *build = getenv("TOP_BUILDDIR");
    char command[1200], path[600];
    struct refusal refusal = {0};

    memset(files, 0, sizeof *files);
    (void)snprintf(command, sizeof command, "%s/guest/build-guest %s/guest/demo", source, build);
    assert_int_equal(system(command), 0);
    strcpy(files->folder, "/tmp/tccp-vm-XXXXXX");
    assert_non_null(mkdtemp(files->folder));
    (void)snprintf(files->base, sizeof files->base, "%s/base.qcow2", files->folder);
    (void)snprintf(files->overlay, sizeof files->overlay, "%s/overlay.qcow2", files->folder);
    files->keys = (struct vm_keys){view_string(base_key), view_string(overlay_key)};
    (void)snprintf(path, sizeof path, "%s/guest/demo/disk.raw", build);
    if (luks_image_seal(path, files->base, files->keys.base, &refusal) != STATUS_OK) {
        fail_msg("%s is not sealed: %s", path, refusal.detail);
    }
    files->base_fd = copy_in_memory(files->base);
    (void)snprintf(path, sizeof path, "%s/guest/demo/kernel", build);
    files->kernel_fd = copy_in_memory(path);
    (void)snprintf(path, sizeof path, "%s/guest/demo/initrd", build);
    files->initrd_fd = copy_in_memory(path);
    (void)snprintf(path, sizeof path, "%s/guest/demo/cmdline", build);
    read_file(path, &files->command_line);
}

void guest_files_close(struct guest_files *files)
{
    (void)close(files->base_fd);
    (void)close(files->kernel_fd);
    (void)close(files->initrd_fd);
    bytes_free(&files->command_line);
    (void)unlink(files->base);
    (void)unlink(files->overlay);
    (void)rmdir(files->folder);
}

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
