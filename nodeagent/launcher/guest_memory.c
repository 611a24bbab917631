#include "nodeagent/launcher/guest_memory.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/mount.h>
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

enum status secrets_folder_new(uid_t writer, gid_t reader, int *ret_fd)
{
    int context = fsopen("tmpfs", FSOPEN_CLOEXEC);
    char uid[16], gid[16];
    int fd = -1;

    if (context < 0) {
        return STATUS_DENIED;
    }
    (void)snprintf(uid, sizeof uid, "%u", (unsigned)writer);
    (void)snprintf(gid, sizeof gid, "%u", (unsigned)reader);
    /* The group's bit in the mode hands the group on to the files. */
    if (fsconfig(context, FSCONFIG_SET_STRING, "size", "64k", 0) == 0 &&
        fsconfig(context, FSCONFIG_SET_STRING, "nr_inodes", "16", 0) == 0 &&
        fsconfig(context, FSCONFIG_SET_STRING, "mode", "2710", 0) == 0 &&
        fsconfig(context, FSCONFIG_SET_STRING, "uid", uid, 0) == 0 &&
        fsconfig(context, FSCONFIG_SET_STRING, "gid", gid, 0) == 0 &&
        fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0) {
        fd = fsmount(context, FSMOUNT_CLOEXEC,
                     MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
    }
    (void)close(context);
    if (fd < 0) {
        return STATUS_DENIED;
    }
    *ret_fd = fd;
    return STATUS_OK;
}
