#include "nodeagent/launcher/agent_config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SEALS = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE, FD_MAX = 1024 };

struct descriptor {
    int fd; /* -1: none */
};
static void descriptor_close(struct descriptor *descriptor)
{
    int error = errno;

    if (descriptor->fd >= 0) {
        (void)close(descriptor->fd);
    }
    errno = error;
}
DEFINE_OWN_VALUE(descriptor, descriptor_close)

static enum status copy(int from, int to)
{
    size_t size = 0;
    ssize_t count;

    while ((count = sendfile(to, from, NULL, AGENT_CONFIG_SIZE_MAX + 1 - size)) > 0) {
        size += (size_t)count;
        if (size > AGENT_CONFIG_SIZE_MAX) {
            errno = EFBIG;
            return STATUS_TOO_LARGE;
        }
    }
    return count == 0 ? STATUS_OK : STATUS_IO;
}

enum status agent_config_seal(const char *path, int *ret_fd)
{
    OWN(descriptor) struct descriptor file = {open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)};
    OWN(descriptor) struct descriptor sealed = {-1};
    struct stat about;

    if (file.fd < 0) {
        return errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO;
    }
    if (fstat(file.fd, &about) != 0) {
        return STATUS_IO;
    }
    if (!S_ISREG(about.st_mode)) {
        errno = EINVAL;
        return STATUS_IO;
    }
    sealed.fd = memfd_create("agent-config", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (sealed.fd < 0) {
        return STATUS_IO;
    }
    TRY(copy(file.fd, sealed.fd));
    if (lseek(sealed.fd, 0, SEEK_SET) != 0 || fcntl(sealed.fd, F_ADD_SEALS, SEALS) != 0) {
        return STATUS_IO;
    }
    *ret_fd = sealed.fd;
    sealed.fd = -1;
    return STATUS_OK;
}

static enum status sealed_read(int fd, struct bytes *ret_text)
{
    OWN(writer) struct writer writer = writer_new(AGENT_CONFIG_SIZE_MAX);
    uint8_t buffer[4096];
    off_t at = 0;
    ssize_t count;

    if (fcntl(fd, F_GET_SEALS) != SEALS) {
        return STATUS_UNTRUSTED;
    }
    /* From the beginning: whoever else holds the descriptor may have moved on. */
    while ((count = pread(fd, buffer, sizeof buffer, at)) > 0) {
        writer_view(&writer, (struct view){buffer, (size_t)count});
        at += count;
    }
    return count < 0 ? STATUS_IO : writer_take(&writer, ret_text);
}

enum status agent_config_take(struct bytes *ret_text, const char **ret_name)
{
    const char *number = getenv(AGENT_CONFIG_FD_ENVIRONMENT);
    const char *name = getenv(AGENT_CONFIG_PATH_ENVIRONMENT);
    OWN(descriptor) struct descriptor sealed = {-1};
    char *end;
    long fd;

    if (!number || !*number || !name) {
        return STATUS_NOT_FOUND;
    }
    fd = strtol(number, &end, 10);
    if (*end || fd <= STDERR_FILENO || fd > FD_MAX || fcntl((int)fd, F_GETFD) < 0) {
        return STATUS_NOT_FOUND;
    }
    sealed.fd = (int)fd;
    *ret_name = name;
    return sealed_read(sealed.fd, ret_text);
}
