#include "nodeagent/image_overlay.h"

#include "lib/base/log.h"
#include "lib/base/text.h"
#include "lib/image/luks_image.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of an overlay that is not whole yet. */
#define NEW_SUFFIX ".new"

enum {
    GENERATION_DIGITS_MAX = 20,
    NAME_SIZE = HEX_SIZE(SHA256_SIZE) + 1 + GENERATION_DIGITS_MAX + sizeof NEW_SUFFIX - 1,
};

static void name_print(const struct digest *vm, uint64_t start_generation, const char *suffix,
                       char ret_name[NAME_SIZE])
{
    char id[HEX_SIZE(SHA256_SIZE)];

    hex_encode(digest_view(vm), id);
    (void)snprintf(ret_name, NAME_SIZE, "%s.%" PRIu64 "%s", id, start_generation, suffix);
}

static enum status path_print(const char *folder, const char *name, char ret_path[PATH_MAX],
                              struct refusal *ret_refusal)
{
    return snprintf(ret_path, PATH_MAX, "%s/%s", folder, name) < PATH_MAX
               ? STATUS_OK
               : refuse(ret_refusal, REFUSAL_MALFORMED, "the overlay's folder has too long a name");
}

/* --- the shared folder --- */

struct folder {
    int fd;
};

static void folder_close(struct folder *folder)
{
    if (folder->fd >= 0) {
        (void)close(folder->fd);
    }
    folder->fd = -1;
}
DEFINE_OWN_VALUE(folder, folder_close)

static enum status folder_open(const char *path, struct folder *ret_folder,
                               struct refusal *ret_refusal)
{
    OWN(folder) struct folder folder = {open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    struct stat info;

    if (folder.fd < 0 || fstat(folder.fd, &info) != 0) {
        return refuse(ret_refusal, REFUSAL_NOT_FOUND, "this node's shared directory %.120s: %s",
                      path, strerror(errno));
    }
    /* qemu-img goes by the name: nobody may put another file in its place. */
    if ((info.st_mode & S_IWOTH) && !(info.st_mode & S_ISVTX)) {
        return refuse(ret_refusal, REFUSAL_MALFORMED,
                      "anybody may rename files in this node's shared directory %.120s", path);
    }
    *ret_folder = folder;
    folder.fd = -1;
    return STATUS_OK;
}

/* STATUS_NOT_FOUND where the name is free. A pipe of that name must not hold us up. */
static enum status regular_open(const struct folder *folder, const char *name, int access_mode,
                                int *ret_fd, struct refusal *ret_refusal)
{
    int fd = openat(folder->fd, name, access_mode | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    struct stat info;

    if (fd < 0 && errno == ENOENT) {
        return STATUS_NOT_FOUND;
    }
    if (fd < 0 && errno != ELOOP && errno != EISDIR && errno != ENXIO) {
        return refuse(ret_refusal, REFUSAL_MALFORMED, "%s in the shared directory: %s", name,
                      strerror(errno));
    }
    if (fd < 0 || fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        if (fd >= 0) {
            (void)close(fd);
        }
        return refuse(ret_refusal, REFUSAL_MALFORMED,
                      "%s in the shared directory is no regular file", name);
    }
    /* QEMU, which gets the descriptor, is to wait for its disk. */
    if (fcntl(fd, F_SETFL, 0) != 0) {
        (void)close(fd);
        return STATUS_IO;
    }
    *ret_fd = fd;
    return STATUS_OK;
}

static void regular_remove(const struct folder *folder, const char *name)
{
    struct stat info;

    if (fstatat(folder->fd, name, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(info.st_mode) &&
        unlinkat(folder->fd, name, 0) != 0) {
        log_event(LOG_WARNING, "overlay-left", "file=%s error=\"%s\"", name, strerror(errno));
    }
}

/* Free, or a file that a start which came to nothing left. */
static enum status name_check(const struct folder *folder, const char *name,
                              struct refusal *ret_refusal)
{
    int fd;
    enum status status = regular_open(folder, name, O_RDONLY, &fd, ret_refusal);

    if (status == STATUS_OK) {
        (void)close(fd);
    }
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

/* Whether a file is an overlay of that VM, whole or not, from before this start. */
static bool is_older(const struct overlay_order *order, const char *name)
{
    static const char *const suffixes[] = {"", NEW_SUFFIX};
    char expected[NAME_SIZE];
    uint64_t generation;

    if (strlen(name) < HEX_SIZE(SHA256_SIZE)) {
        return false;
    }
    generation = strtoull(name + HEX_SIZE(SHA256_SIZE), NULL, 10);
    if (generation >= order->start_generation) {
        return false;
    }
    /* Only what would be written just so is ours. */
    for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
        name_print(&order->vm, generation, suffixes[i], expected);
        if (strcmp(name, expected) == 0) {
            return true;
        }
    }
    return false;
}

static void older_remove(const struct folder *folder, const struct overlay_order *order)
{
    int fd = openat(folder->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *files = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *file;

    if (!files) {
        log_event(LOG_WARNING, "overlay-left", "error=\"%s\"", strerror(errno));
        if (fd >= 0) {
            (void)close(fd);
        }
        return;
    }
    while ((file = readdir(files))) {
        if (is_older(order, file->d_name)) {
            regular_remove(folder, file->d_name);
        }
    }
    (void)closedir(files);
}

/* --- an overlay of each kind --- */

static enum status private_open(const struct overlay_order *order, uint64_t disk_size, int *ret_fd,
                                struct refusal *ret_refusal)
{
    char name[HEX_SIZE(SHA256_SIZE)], path[PATH_MAX];

    hex_encode(digest_view(&order->vm), name);
    TRY(path_print(order->folder, name, path, ret_refusal));
    TRY(luks_image_create(path, disk_size, order->key, ret_refusal));
    *ret_fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    (void)unlink(path);
    return *ret_fd >= 0 ? STATUS_OK : STATUS_IO;
}

static enum status new_check(const struct overlay_order *order, const struct folder *folder,
                             struct refusal *ret_refusal)
{
    char name[NAME_SIZE];

    name_print(&order->vm, order->start_generation, NEW_SUFFIX, name);
    TRY(name_check(folder, name, ret_refusal));
    name_print(&order->vm, order->start_generation, "", name);
    return name_check(folder, name, ret_refusal);
}

/* From the temporary name to the real one. */
static enum status new_place(const struct folder *folder, const char *temporary, const char *name,
                             int *ret_fd, struct refusal *ret_refusal)
{
    int fd;
    enum status status = regular_open(folder, temporary, O_RDWR, &fd, ret_refusal);

    if (status == STATUS_NOT_FOUND) {
        return refuse(ret_refusal, REFUSAL_NOT_FOUND,
                      "%s went away from the shared directory while it was made", temporary);
    }
    TRY(status);
    if (renameat(folder->fd, temporary, folder->fd, name) != 0) {
        status = refuse(ret_refusal, REFUSAL_MALFORMED, "%s in the shared directory: %s", name,
                        strerror(errno));
        (void)close(fd);
        return status;
    }
    *ret_fd = fd;
    return STATUS_OK;
}

static enum status new_open(const struct overlay_order *order, uint64_t disk_size, int *ret_fd,
                            struct refusal *ret_refusal)
{
    OWN(folder) struct folder folder = {-1};
    char name[NAME_SIZE], temporary[NAME_SIZE], path[PATH_MAX];
    enum status status;

    name_print(&order->vm, order->start_generation, "", name);
    name_print(&order->vm, order->start_generation, NEW_SUFFIX, temporary);
    TRY(path_print(order->folder, temporary, path, ret_refusal));
    TRY(folder_open(order->folder, &folder, ret_refusal));
    TRY(new_check(order, &folder, ret_refusal));
    regular_remove(&folder, temporary);
    TRY(luks_image_create(path, disk_size, order->key, ret_refusal));
    status = new_place(&folder, temporary, name, ret_fd, ret_refusal);
    if (status != STATUS_OK) {
        regular_remove(&folder, temporary);
        return status;
    }
    older_remove(&folder, order);
    return STATUS_OK;
}

static enum status existing_find(const struct overlay_order *order, int *ret_fd,
                                 struct refusal *ret_refusal)
{
    OWN(folder) struct folder folder = {-1};
    char name[NAME_SIZE];
    enum status status;

    name_print(&order->vm, order->start_generation, "", name);
    TRY(folder_open(order->folder, &folder, ret_refusal));
    status = regular_open(&folder, name, O_RDWR, ret_fd, ret_refusal);
    return status == STATUS_NOT_FOUND
               ? refuse(ret_refusal, REFUSAL_NOT_FOUND,
                        "the VM's disk is not in this node's shared directory %.120s",
                        order->folder)
               : status;
}

static enum status existing_open(const struct overlay_order *order, uint64_t disk_size, int *ret_fd,
                                 struct refusal *ret_refusal)
{
    uint64_t size = 0;
    enum status status;
    int fd;

    TRY(existing_find(order, &fd, ret_refusal));
    /* What names other files must not come to QEMU. */
    status = luks_image_inspect(fd, &size, ret_refusal);
    if (status == STATUS_OK && size != disk_size) {
        status = refuse(ret_refusal, REFUSAL_MALFORMED,
                        "the VM's overlay is for a disk of %" PRIu64 " bytes, not %" PRIu64, size,
                        disk_size);
    }
    if (status != STATUS_OK) {
        (void)close(fd);
        return status;
    }
    *ret_fd = fd;
    return STATUS_OK;
}

enum status image_overlay_check(const struct overlay_order *order, struct refusal *ret_refusal)
{
    OWN(folder) struct folder folder = {-1};
    int fd;

    switch (order->mode) {
    case OVERLAY_PRIVATE:
        return STATUS_OK;
    case OVERLAY_SHARED_NEW:
        TRY(folder_open(order->folder, &folder, ret_refusal));
        return new_check(order, &folder, ret_refusal);
    case OVERLAY_SHARED_EXISTING:
        TRY(existing_find(order, &fd, ret_refusal));
        (void)close(fd);
        return STATUS_OK;
    }
    return STATUS_UNSUPPORTED;
}

enum status image_overlay_open(const struct overlay_order *order, uint64_t disk_size, int *ret_fd,
                               struct refusal *ret_refusal)
{
    switch (order->mode) {
    case OVERLAY_PRIVATE:
        return private_open(order, disk_size, ret_fd, ret_refusal);
    case OVERLAY_SHARED_NEW:
        return new_open(order, disk_size, ret_fd, ret_refusal);
    case OVERLAY_SHARED_EXISTING:
        return existing_open(order, disk_size, ret_fd, ret_refusal);
    }
    return STATUS_UNSUPPORTED;
}

void image_overlay_remove(const char *shared_folder, const struct digest *vm,
                          uint64_t start_generation)
{
    static const char *const suffixes[] = {"", NEW_SUFFIX};
    OWN(folder) struct folder folder = {-1};
    char name[NAME_SIZE];
    struct refusal refusal;

    if (folder_open(shared_folder, &folder, &refusal) != STATUS_OK) {
        log_event(LOG_WARNING, "overlay-left", "detail=\"%s\"", refusal.detail);
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
        name_print(vm, start_generation, suffixes[i], name);
        regular_remove(&folder, name);
    }
}
