#include "cli/files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct descriptor {
    int fd;
};
static void descriptor_close(struct descriptor *descriptor)
{
    if (descriptor->fd > STDERR_FILENO) {
        (void)close(descriptor->fd);
    }
}
DEFINE_OWN_VALUE(descriptor, descriptor_close)

static enum exit_code report_errno(const struct cli *cli, const char *verb, const char *path)
{
    enum exit_code exit_code = errno == ENOENT   ? EXIT_NOT_FOUND
                               : errno == EACCES ? EXIT_DENIED
                                                 : EXIT_FAILED;

    return report(cli, exit_code, "", "cannot %s %s: %s", verb, path, strerror(errno));
}

/* Up to size_max + 1 bytes into `data`. */
static enum exit_code read_all(const struct cli *cli, const char *path, int fd, uint8_t *data,
                               size_t size_max, size_t *ret_size)
{
    size_t size = 0;

    while (size <= size_max) {
        ssize_t count = read(fd, data + size, size_max + 1 - size);

        if (count == 0) {
            break;
        }
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            return report_errno(cli, "read", path);
        }
        size += (size_t)count;
    }
    if (size > size_max) {
        return report(cli, EXIT_FAILED, "", "%s is larger than %zu bytes", path, size_max);
    }
    *ret_size = size;
    return EXIT_DONE;
}

static int file_open(const char *path)
{
    return strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
}

enum exit_code file_load(const struct cli *cli, const char *path, size_t size_max,
                         struct bytes *ret_content)
{
    OWN(descriptor) struct descriptor file = {file_open(path)};
    OWN(bytes) struct bytes content = {0};
    enum exit_code exit_code;

    if (file.fd < 0) {
        return report_errno(cli, "open", path);
    }
    content.data = malloc(size_max + 1);
    if (!content.data) {
        return report_status(cli, "read a file", STATUS_NO_MEMORY);
    }
    exit_code = read_all(cli, path, file.fd, content.data, size_max, &content.size);
    if (exit_code == EXIT_DONE) {
        *ret_content = TAKE(content);
    }
    return exit_code;
}

enum exit_code file_load_secret(const struct cli *cli, const char *path, struct secret *ret_content)
{
    OWN(descriptor) struct descriptor file = {file_open(path)};
    OWN(secret) struct secret content = {0}, exact = {0};
    enum exit_code exit_code;
    size_t size;

    if (file.fd < 0) {
        return report_errno(cli, "open", path);
    }
    if (secret_new(SECRET_SIZE_MAX, &content) != STATUS_OK) {
        return report_status(cli, "read a file", STATUS_NO_MEMORY);
    }
    exit_code = read_all(cli, path, file.fd, content.data, SECRET_SIZE_MAX - 1, &size);
    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    if (size == 0) {
        return report(cli, EXIT_FAILED, "", "%s is empty", path);
    }
    if (secret_copy((struct view){content.data, size}, &exact) != STATUS_OK) {
        return report_status(cli, "read a file", STATUS_NO_MEMORY);
    }
    *ret_content = TAKE(exact);
    return EXIT_DONE;
}

bool file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

static bool write_all(int fd, struct view content)
{
    while (content.size) {
        ssize_t count = write(fd, content.data, content.size);

        if (count < 0 && errno != EINTR) {
            return false;
        }
        if (count > 0) {
            content = (struct view){content.data + count, content.size - (size_t)count};
        }
    }
    return fsync(fd) == 0;
}

void path_beside(const char *path, const char *name, size_t size, char *ret_path)
{
    const char *slash = strrchr(path, '/');
    int folder = slash ? (int)(slash - path) + 1 : 0;

    (void)snprintf(ret_path, size, "%.*s%s", folder, path, name);
}

static enum exit_code write_file(const struct cli *cli, const char *path, mode_t mode,
                                 struct view content, bool may_exist)
{
    char temporary[PATH_MAX], folder[PATH_MAX];
    OWN(descriptor) struct descriptor file = {-1};
    OWN(descriptor) struct descriptor parent = {-1};
    bool done;

    if (snprintf(temporary, sizeof temporary, "%s.%ld.new", path, (long)getpid()) >=
        (int)sizeof temporary) {
        return report(cli, EXIT_FAILED, "", "the path %s is too long", path);
    }
    path_beside(path, ".", sizeof folder, folder);
    file.fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (file.fd < 0) {
        return report_errno(cli, "create", temporary);
    }
    done = write_all(file.fd, content);
    /* link() fails where the name exists already: no check that could be outrun. */
    done = done && (may_exist ? rename(temporary, path) == 0 : link(temporary, path) == 0);
    if (!done || !may_exist) {
        int saved = errno;

        (void)unlink(temporary);
        errno = saved;
    }
    if (!done) {
        return report_errno(cli, "write", path);
    }
    parent.fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (parent.fd < 0 || fsync(parent.fd) != 0) {
        return report_errno(cli, "write", folder);
    }
    return EXIT_DONE;
}

enum exit_code file_store(const struct cli *cli, const char *path, mode_t mode, struct view content)
{
    return write_file(cli, path, mode, content, true);
}

enum exit_code file_create(const struct cli *cli, const char *path, mode_t mode,
                           struct view content)
{
    return write_file(cli, path, mode, content, false);
}

enum exit_code folder_make(const struct cli *cli, const char *path)
{
    return mkdir(path, 0700) == 0 || errno == EEXIST ? EXIT_DONE
                                                     : report_errno(cli, "make the folder", path);
}

void folders_make(const char *path)
{
    char folder[PATH_MAX];

    (void)snprintf(folder, sizeof folder, "%s", path);
    for (char *at = strchr(folder + 1, '/'); at; at = strchr(at + 1, '/')) {
        *at = '\0';
        (void)mkdir(folder, 0700);
        *at = '/';
    }
}
