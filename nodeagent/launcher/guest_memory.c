#include "nodeagent/launcher/guest_memory.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum status guest_memory_new(uint32_t size_mib, uid_t uid, gid_t gid, int *ret_fd,
                             int *ret_readable_fd)
{
    int fd = memfd_create("tccp-guest", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    int readable_fd = -1;
    char path[64];

    if (fd < 0) {
        return STATUS_IO;
    }
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (ftruncate(fd, (off_t)size_mib << 20) == 0 &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0 &&
        fchmod(fd, 0600) == 0) {
        readable_fd = open(path, O_RDONLY | O_CLOEXEC);
    }
    /* Last: afterwards not even its maker could open it again without privilege. */
    if (readable_fd < 0 || ((uid != geteuid() || gid != getegid()) && fchown(fd, uid, gid) != 0)) {
        (void)close(fd);
        if (readable_fd >= 0) {
            (void)close(readable_fd);
        }
        return STATUS_IO;
    }
    *ret_fd = fd;
    *ret_readable_fd = readable_fd;
    return STATUS_OK;
}

enum status memfd_check_sealed(int fd)
{
    const int wanted = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
    int seals = fcntl(fd, F_GET_SEALS);

    return seals >= 0 && (seals & wanted) == wanted ? STATUS_OK : STATUS_DENIED;
}
