#include "lib/daemon/file.h"

#include "lib/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { READ_SIZE = 4096 };

struct descriptor {
    int fd;
};
static void descriptor_close(struct descriptor *descriptor)
{
    if (descriptor->fd >= 0) {
        (void)close(descriptor->fd);
    }
}
DEFINE_OWN_VALUE(descriptor, descriptor_close)

static enum status io_failed(const char *operation, const char *path)
{
    log_event(LOG_ERROR, "file-failed", "operation=%s path=\"%s\" error=\"%s\"", operation, path,
              strerror(errno));
    return STATUS_IO;
}

enum status file_read(const char *path, size_t size_max, struct bytes *ret_content)
{
    OWN(descriptor)
    struct descriptor file = {open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)};
    OWN(writer) struct writer writer = writer_new(size_max);
    uint8_t buffer[READ_SIZE];
    ssize_t count;

    if (file.fd < 0) {
        return errno == ENOENT ? STATUS_NOT_FOUND : io_failed("open", path);
    }
    while ((count = read(file.fd, buffer, sizeof buffer)) != 0 && writer.status == STATUS_OK) {
        if (count > 0) {
            writer_view(&writer, (struct view){buffer, (size_t)count});
        } else if (errno != EINTR) {
            return io_failed("read", path);
        }
    }
    return writer_take(&writer, ret_content);
}

static enum status content_write(int fd, const char *path, struct view content)
{
    while (content.size > 0) {
        ssize_t count = write(fd, content.data, content.size);

        if (count < 0 && errno != EINTR) {
            return io_failed("write", path);
        }
        if (count > 0) {
            content.data += count;
            content.size -= (size_t)count;
        }
    }
    return fsync(fd) == 0 ? STATUS_OK : io_failed("fsync", path);
}

/* Makes the rename itself durable. */
static enum status folder_sync(const char *path)
{
    OWN(descriptor) struct descriptor folder = {-1};
    const char *slash = strrchr(path, '/');
    char name[PATH_MAX];

    if (!slash) {
        (void)snprintf(name, sizeof name, ".");
    } else {
        (void)snprintf(name, sizeof name, "%.*s", slash == path ? 1 : (int)(slash - path), path);
    }
    folder.fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return folder.fd >= 0 && fsync(folder.fd) == 0 ? STATUS_OK : io_failed("fsync", name);
}

enum status file_replace(const char *path, struct view content)
{
    OWN(descriptor) struct descriptor file = {-1};
    char temporary[PATH_MAX];
    enum status status;

    if (snprintf(temporary, sizeof temporary, "%s.new", path) >= (int)sizeof temporary) {
        return STATUS_TOO_LARGE;
    }
    /* Left by a crash; whatever it is, we do not write through it. */
    if (unlink(temporary) != 0 && errno != ENOENT) {
        return io_failed("unlink", temporary);
    }
    file.fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (file.fd < 0) {
        return io_failed("create", temporary);
    }
    status = content_write(file.fd, temporary, content);
    if (status == STATUS_OK && rename(temporary, path) != 0) {
        status = io_failed("rename", temporary);
    }
    if (status != STATUS_OK) {
        (void)unlink(temporary);
        return status;
    }
    return folder_sync(path);
}
