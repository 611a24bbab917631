#include "lib/image/qemu_img.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Where the child finds the passphrase and the image. */
enum { SECRET_FD = 3, TARGET_FD = 4, FD_ABOVE = 10, OUTPUT_SIZE = 4096, EXIT_BEFORE_EXEC = 127 };

#define SECRET_OBJECT "secret,id=key,file=/proc/self/fd/3"
#define TARGET_OPTIONS                                                                             \
    "driver=qcow2,encrypt.format=luks,encrypt.key-secret=key,file.driver=file,"                    \
    "file.filename=/proc/self/fd/4"
#define QEMU_IMG "qemu-img"

static enum status secret_memfd(struct view secret, int *ret_fd)
{
    int fd = memfd_create("key", MFD_CLOEXEC);

    if (fd < 0) {
        return STATUS_IO;
    }
    if (write(fd, secret.data, secret.size) != (ssize_t)secret.size) {
        (void)close(fd);
        return STATUS_IO;
    }
    *ret_fd = fd;
    return STATUS_OK;
}

/* Between fork and exec: only what is safe there, as the caller may have threads. */
_Noreturn static void child_run(char *const *arguments, int secret_fd, int target_fd, int output_fd,
                                pid_t parent)
{
    sigset_t none;
    int null_fd = open("/dev/null", O_RDONLY);

    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    /* Out of each other's way first: any of them may have any number. */
    null_fd = fcntl(null_fd, F_DUPFD, FD_ABOVE);
    output_fd = fcntl(output_fd, F_DUPFD, FD_ABOVE);
    secret_fd = fcntl(secret_fd, F_DUPFD, FD_ABOVE);
    target_fd = fcntl(target_fd, F_DUPFD, FD_ABOVE);
    if (dup2(null_fd, STDIN_FILENO) == STDIN_FILENO &&
        dup2(output_fd, STDOUT_FILENO) == STDOUT_FILENO &&
        dup2(output_fd, STDERR_FILENO) == STDERR_FILENO &&
        dup2(secret_fd, SECRET_FD) == SECRET_FD && dup2(target_fd, TARGET_FD) == TARGET_FD &&
        syscall(SYS_close_range, TARGET_FD + 1, ~0U, 0) == 0 &&
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
        /* It knows the passphrase, and writes a file that somebody has to remove: it does not
         * outlive us. The signal comes with the end of the thread that waits here, too. */
        prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0 && getppid() == parent) {
        (void)umask(077);
        (void)execvp(arguments[0], arguments);
    }
    _exit(EXIT_BEFORE_EXEC);
}

static void read_output(int fd, char ret_output[OUTPUT_SIZE])
{
    size_t used = 0;
    char rest[512];

    for (;;) {
        bool full = used == OUTPUT_SIZE - 1;
        ssize_t size =
            read(fd, full ? rest : ret_output + used, full ? sizeof rest : OUTPUT_SIZE - 1 - used);

        if (size < 0 && errno == EINTR) {
            continue;
        }
        if (size <= 0) {
            break;
        }
        used += full ? 0 : (size_t)size;
    }
    ret_output[used] = '\0';
}

/* STATUS_OK when it ended with 0. */
static enum status run(char *const *arguments, int secret_fd, int target_fd,
                       char ret_output[OUTPUT_SIZE])
{
    int output[2], wait_status = -1;
    pid_t parent = getpid(), pid;

    if (pipe2(output, O_CLOEXEC) != 0) {
        return STATUS_IO;
    }
    pid = fork();
    if (pid == 0) {
        child_run(arguments, secret_fd, target_fd, output[1], parent);
    }
    (void)close(output[1]);
    if (pid < 0) {
        (void)close(output[0]);
        return STATUS_IO;
    }
    read_output(output[0], ret_output);
    (void)close(output[0]);
    while (waitpid(pid, &wait_status, 0) < 0 && errno == EINTR) {
    }
    if (wait_status >= 0 && WIFEXITED(wait_status) &&
        WEXITSTATUS(wait_status) == EXIT_BEFORE_EXEC) {
        return STATUS_NOT_FOUND;
    }
    return wait_status == 0 ? STATUS_OK : STATUS_IO;
}

static const char *last_line(char *output)
{
    size_t size = strlen(output);
    char *newline;

    while (size && output[size - 1] == '\n') {
        output[--size] = '\0';
    }
    newline = strrchr(output, '\n');
    return newline ? newline + 1 : output;
}

enum status qemu_img_convert(const char *source, int target_fd, struct view passphrase,
                             struct refusal *ret_refusal)
{
    char *const arguments[] = {
        (char[]){QEMU_IMG},
        (char[]){"convert"},
        (char[]){"--object"},
        (char[]){SECRET_OBJECT},
        (char[]){"-f"},
        (char[]){"raw"},
        (char[]){"-n"},
        (char[]){"--target-is-zero"},
        (char[]){"--target-image-opts"},
        (char *)(uintptr_t)source,
        (char[]){TARGET_OPTIONS},
        NULL,
    };
    char output[OUTPUT_SIZE] = "";
    enum status status;
    int secret_fd;

    ASSERT(source[0] == '/');
    TRY(secret_memfd(passphrase, &secret_fd));
    status = run(arguments, secret_fd, target_fd, output);
    (void)close(secret_fd);
    if (status == STATUS_NOT_FOUND) {
        return refuse(ret_refusal, REFUSAL_NOT_FOUND, "%s cannot be run: install qemu-utils",
                      QEMU_IMG);
    }
    return status == STATUS_OK
               ? STATUS_OK
               : refuse(ret_refusal, REFUSAL_MALFORMED, "%.200s", last_line(output));
}
