#include "lib/image/luks_image.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Where the child finds the passphrase. */
enum { SECRET_FD = 3, OUTPUT_SIZE = 4096, EXIT_BEFORE_EXEC = 127, OPTIONS_SIZE = 256 };

#define SECRET_OBJECT "secret,id=key,file=/proc/self/fd/3"
#define QEMU_IMG "qemu-img"
/* What fails at random, and what goes away by trying again. */
#define RANDOM_FAILURE "Unable to get accurate CPU usage"

static enum status passphrase_check(struct view passphrase)
{
    if (passphrase.size < IMAGE_PASSPHRASE_SIZE_MIN ||
        passphrase.size > IMAGE_PASSPHRASE_SIZE_MAX) {
        return STATUS_MALFORMED;
    }
    for (size_t i = 0; i < passphrase.size; i++) {
        if (passphrase.data[i] <= 0x20 || passphrase.data[i] >= 0x7f) {
            return STATUS_MALFORMED;
        }
    }
    return STATUS_OK;
}

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
_Noreturn static void child_run(char *const *arguments, int secret_fd, int output_fd, pid_t parent)
{
    sigset_t none;
    int null_fd = open("/dev/null", O_RDONLY);

    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    if (dup2(null_fd, STDIN_FILENO) == STDIN_FILENO &&
        dup2(output_fd, STDOUT_FILENO) == STDOUT_FILENO &&
        dup2(output_fd, STDERR_FILENO) == STDERR_FILENO &&
        (secret_fd == SECRET_FD ? fcntl(SECRET_FD, F_SETFD, 0) == 0
                                : dup2(secret_fd, SECRET_FD) == SECRET_FD) &&
        syscall(SYS_close_range, SECRET_FD + 1, ~0U, 0) == 0 &&
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

/* Runs it once; STATUS_OK when it ended with 0. */
static enum status run(char *const *arguments, int secret_fd, char ret_output[OUTPUT_SIZE])
{
    int output[2], wait_status = -1;
    pid_t parent = getpid(), pid;

    if (pipe2(output, O_CLOEXEC) != 0) {
        return STATUS_IO;
    }
    pid = fork();
    if (pid == 0) {
        child_run(arguments, secret_fd, output[1], parent);
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

static enum status run_until_it_works(char *const *arguments, const char *target, int secret_fd,
                                      struct refusal *ret_refusal)
{
    char output[OUTPUT_SIZE] = "";

    for (unsigned attempt = 0; attempt < QEMU_IMG_ATTEMPTS; attempt++) {
        enum status status = run(arguments, secret_fd, output);

        if (status == STATUS_OK) {
            return STATUS_OK;
        }
        (void)unlink(target);
        if (status == STATUS_NOT_FOUND) {
            return refuse(ret_refusal, REFUSAL_NOT_FOUND, "%s cannot be run: install qemu-utils",
                          QEMU_IMG);
        }
        if (!strstr(output, RANDOM_FAILURE)) {
            break;
        }
    }
    return refuse(ret_refusal, REFUSAL_MALFORMED, "%.200s", last_line(output));
}

/* A path that qemu-img cannot take for an option, a protocol ("http://...") or JSON. */
static enum status path_check(const char *path, struct refusal *ret_refusal)
{
    if (path[0] != '/') {
        return refuse(ret_refusal, REFUSAL_MALFORMED, "%.200s is no absolute path", path);
    }
    return STATUS_OK;
}

static enum status make(char *const *arguments, const char *target, struct view passphrase,
                        struct refusal *ret_refusal)
{
    enum status status;
    int fd;

    TRY(path_check(target, ret_refusal));
    if (passphrase_check(passphrase) != STATUS_OK) {
        return refuse(ret_refusal, REFUSAL_MALFORMED, "the passphrase is no text of %d to %d",
                      IMAGE_PASSPHRASE_SIZE_MIN, IMAGE_PASSPHRASE_SIZE_MAX);
    }
    /* Ours from the first moment: qemu-img writes into what is there. */
    fd = open(target, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return refuse(ret_refusal, errno == EEXIST ? REFUSAL_ALREADY_EXISTS : REFUSAL_NOT_FOUND,
                      "%.150s: %s", target, strerror(errno));
    }
    (void)close(fd);
    TRY(secret_memfd(passphrase, &fd));
    status = run_until_it_works(arguments, target, fd, ret_refusal);
    (void)close(fd);
    if (status != STATUS_OK) {
        (void)unlink(target);
    }
    return status;
}

static void options_print(char ret_options[OPTIONS_SIZE])
{
    (void)snprintf(ret_options, OPTIONS_SIZE,
                   "compat=1.1,encrypt.format=luks,encrypt.key-secret=key,encrypt.iter-time=%d",
                   LUKS_ITERATION_TIME_MS);
}

enum status luks_image_seal(const char *source, const char *target, struct view passphrase,
                            struct refusal *ret_refusal)
{
    char options[OPTIONS_SIZE];

    options_print(options);
    TRY(path_check(source, ret_refusal));
    {
        char *const arguments[] = {
            (char[]){QEMU_IMG},
            (char[]){"convert"},
            (char[]){"--object"},
            (char[]){SECRET_OBJECT},
            (char[]){"-f"},
            (char[]){"raw"},
            (char[]){"-O"},
            (char[]){"qcow2"},
            (char[]){"-o"},
            options,
            (char *)(uintptr_t)source,
            (char *)(uintptr_t)target,
            NULL,
        };

        return make(arguments, target, passphrase, ret_refusal);
    }
}

enum status luks_image_create(const char *target, uint64_t size, struct view passphrase,
                              struct refusal *ret_refusal)
{
    char options[OPTIONS_SIZE], number[24];

    options_print(options);
    (void)snprintf(number, sizeof number, "%" PRIu64, size);
    {
        char *const arguments[] = {
            (char[]){QEMU_IMG},
            (char[]){"create"},
            (char[]){"-q"},
            (char[]){"--object"},
            (char[]){SECRET_OBJECT},
            (char[]){"-f"},
            (char[]){"qcow2"},
            (char[]){"-o"},
            options,
            (char *)(uintptr_t)target,
            number,
            NULL,
        };

        return make(arguments, target, passphrase, ret_refusal);
    }
}

/* QEMU's docs/interop/qcow2.txt. */
enum {
    QCOW2_MAGIC = 0x514649fb,
    QCOW2_VERSION = 3,
    QCOW2_CRYPT_LUKS = 2,
    QCOW2_INCOMPATIBLE_DIRTY = 1, /* the only one that does no harm here: it asks for a repair */
};

enum status luks_image_parse(struct view header, uint64_t *ret_disk_size,
                             struct refusal *ret_refusal)
{
    struct reader reader = reader_of(header);
    uint32_t magic = reader_u32(&reader), version = reader_u32(&reader);
    uint64_t backing_offset = reader_u64(&reader);
    uint32_t backing_size = reader_u32(&reader), cluster_bits = reader_u32(&reader);
    uint64_t size = reader_u64(&reader), incompatible;
    uint32_t crypt_method = reader_u32(&reader);

    (void)reader_view(&reader, 36); /* l1_size to snapshots_offset */
    incompatible = reader_u64(&reader);
    if (reader.bad || magic != QCOW2_MAGIC || version != QCOW2_VERSION) {
        return refuse(ret_refusal, REFUSAL_MALFORMED, "not a qcow2 image of version 3");
    }
    if (crypt_method != QCOW2_CRYPT_LUKS) {
        return refuse(ret_refusal, REFUSAL_MALFORMED, "the image is not encrypted with LUKS");
    }
    if (backing_offset || backing_size) {
        return refuse(ret_refusal, REFUSAL_MALFORMED, "the image rests on another file");
    }
    if (incompatible & ~(uint64_t)QCOW2_INCOMPATIBLE_DIRTY) {
        return refuse(ret_refusal, REFUSAL_MALFORMED,
                      "features 0x%" PRIx64 ": an external data file, or damage", incompatible);
    }
    if (size == 0 || size % 512 || cluster_bits < 9 || cluster_bits > 21) {
        return refuse(ret_refusal, REFUSAL_MALFORMED, "sizes that do not make sense");
    }
    *ret_disk_size = size;
    return STATUS_OK;
}

enum status luks_image_inspect(int fd, uint64_t *ret_disk_size, struct refusal *ret_refusal)
{
    uint8_t header[LUKS_HEADER_SIZE];
    ssize_t size = pread(fd, header, sizeof header, 0);

    if (size < 0) {
        return STATUS_IO;
    }
    return luks_image_parse((struct view){header, (size_t)size}, ret_disk_size, ret_refusal);
}
