#include "nodeagent/launcher/guest.h"

#include "nodeagent/launcher/guest_memory.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { READ_SIZE = 4096, READS_MAX = 64 };

static void close_fd(int *fd)
{
    if (*fd >= 0) {
        (void)close(*fd);
    }
    *fd = -1;
}

static enum status stream_pair(int *ret_ours, int *ret_theirs)
{
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
        return STATUS_IO;
    }
    *ret_ours = ends[0];
    *ret_theirs = ends[1];
    return STATUS_OK;
}

static enum status spawn(struct guest *guest, const struct guest_settings *settings,
                         const struct launcher_request *request,
                         struct qemu_descriptors *descriptors)
{
    OWN(qemu_command) struct qemu_command command = {0};
    const uid_t uid = settings->uid_first + guest->uid_slot;
    const struct sandbox sandbox = {
        .uid = uid,
        .gid = (gid_t)uid,
        .needs_kvm = settings->accelerator == ACCELERATOR_KVM,
    };
    int *inherited = descriptors->inherited;

    TRY(stream_pair(&guest->qmp_fd, &inherited[QEMU_FD_QMP]));
    TRY(stream_pair(&guest->witness_fd, &inherited[QEMU_FD_WITNESS]));
    if (write(guest->witness_fd, WITNESS_HELLO, strlen(WITNESS_HELLO)) !=
        (ssize_t)strlen(WITNESS_HELLO)) {
        return STATUS_IO;
    }
    TRY(guest_memory_new(request->shape.memory_mib, sandbox.uid, sandbox.gid,
                         &inherited[QEMU_FD_MEMORY], &guest->memory_fd));
    TRY(secrets_folder_new(settings->agent_uid, sandbox.gid, &guest->secrets_fd));
    inherited[QEMU_FD_SECRETS] = guest->secrets_fd;
    TRY(qemu_command_build(settings->qemu, settings->accelerator, &request->vm, &request->shape,
                           &command));
    return sandbox_start(&sandbox, &command, descriptors, &guest->process);
}

enum status guest_start(const struct guest_settings *settings,
                        const struct launcher_request *request, unsigned uid_slot, int kernel_fd,
                        int initrd_fd, uint64_t now_ms, struct guest **ret_guest,
                        struct refusal *ret_refusal)
{
    OWN(guest) struct guest *guest = NULL;
    struct qemu_descriptors descriptors;
    enum status status;

    for (int i = 0; i < QEMU_FD_END; i++) {
        descriptors.inherited[i] = -1;
    }
    if (request->shape.has_kernel) {
        if (memfd_check_sealed(kernel_fd) != STATUS_OK ||
            memfd_check_sealed(initrd_fd) != STATUS_OK) {
            return refuse(ret_refusal, REFUSAL_MALFORMED,
                          "kernel and initrd must be sealed memfds");
        }
        descriptors.inherited[QEMU_FD_KERNEL] = kernel_fd;
        descriptors.inherited[QEMU_FD_INITRD] = initrd_fd;
    }
    guest = calloc(1, sizeof *guest);
    if (!guest) {
        return STATUS_NO_MEMORY;
    }
    guest->process = (struct qemu_process){.pidfd = -1, .output = -1};
    guest->qmp_fd = guest->memory_fd = guest->secrets_fd = guest->witness_fd = -1;
    guest->uid_slot = uid_slot;
    guest->memory_mib = request->shape.memory_mib;
    fence_start(&guest->fence, &request->vm, request->generation, now_ms + request->prepare_ms,
                settings->fence_ms);
    status = spawn(guest, settings, request, &descriptors);
    close_fd(&descriptors.inherited[QEMU_FD_QMP]);
    close_fd(&descriptors.inherited[QEMU_FD_WITNESS]);
    close_fd(&descriptors.inherited[QEMU_FD_MEMORY]);
    TRY(status);
    *ret_guest = TAKE(guest);
    return STATUS_OK;
}

void guest_free(struct guest *guest)
{
    if (guest->process.pidfd >= 0) {
        guest_signal(guest, FENCE_KILL);
        (void)waitid(P_PIDFD, (id_t)guest->process.pidfd, NULL, WEXITED);
    }
    close_fd(&guest->process.pidfd);
    close_fd(&guest->process.output);
    close_fd(&guest->qmp_fd);
    close_fd(&guest->memory_fd);
    close_fd(&guest->secrets_fd);
    close_fd(&guest->witness_fd);
    free(guest);
}

void guest_signal(struct guest *guest, enum fence_signal signal)
{
    static const int numbers[] = {
        [FENCE_NO_SIGNAL] = 0,
        [FENCE_STOP] = SIGSTOP,
        [FENCE_CONTINUE] = SIGCONT,
        [FENCE_KILL] = SIGKILL,
    };

    if (signal == FENCE_NO_SIGNAL) {
        return;
    }
    if (signal == FENCE_KILL) {
        guest->was_killed = true;
    }
    /* Fails only for a process that has ended, and that is seen elsewhere. */
    (void)syscall(SYS_pidfd_send_signal, guest->process.pidfd, numbers[signal], NULL, 0);
}

bool guest_watch(struct guest *guest)
{
    uint8_t data[READ_SIZE];
    bool runs = false;

    for (unsigned i = 0; i < READS_MAX && guest->witness_fd >= 0; i++) {
        ssize_t size = read(guest->witness_fd, data, sizeof data);

        if (size > 0) {
            runs |= witness_read(&guest->witness, (struct view){data, (size_t)size}) > 0;
        } else if (size < 0 && errno == EAGAIN) {
            break;
        } else if (size == 0 || errno != EINTR) {
            /* Unwatched is as bad as running. */
            close_fd(&guest->witness_fd);
            runs = true;
        }
    }
    return runs;
}

static void keep_line(struct guest *guest, const char *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (data[i] == '\n') {
            guest->last_line_ended = true;
            continue;
        }
        if (guest->last_line_ended) {
            guest->last_line_ended = false;
            guest->last_line_size = 0;
        }
        if (guest->last_line_size < sizeof guest->last_line - 1) {
            guest->last_line[guest->last_line_size++] =
                (data[i] < 0x20 || data[i] == 0x7f) ? '?' : data[i];
        }
    }
}

void guest_read_output(struct guest *guest)
{
    char data[READ_SIZE];

    for (unsigned i = 0; i < READS_MAX; i++) {
        ssize_t size = read(guest->process.output, data, sizeof data);

        if (size <= 0) {
            break;
        }
        keep_line(guest, data, (size_t)size);
    }
}

bool guest_collect(struct guest *guest, char *ret_detail)
{
    siginfo_t info = {0};
    const char *line = guest->last_line;

    if (waitid(P_PIDFD, (id_t)guest->process.pidfd, &info, WEXITED | WNOHANG) != 0 ||
        info.si_pid == 0) {
        return false;
    }
    guest_read_output(guest);
    guest->last_line[guest->last_line_size] = '\0';
    (void)snprintf(ret_detail, EXIT_DETAIL_SIZE, "%s %d%s%.200s",
                   info.si_code == CLD_EXITED ? "exit status" : "signal", info.si_status,
                   *line ? ": " : "", line);
    close_fd(&guest->process.pidfd);
    return true;
}
