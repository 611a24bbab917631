#include "nodeagent/image_fetch.h"

#include "lib/base/text.h"
#include "lib/image/image_copy.h"
#include "lib/image/luks_image.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void close_fd(int *fd)
{
    if (*fd >= 0) {
        (void)close(*fd);
    }
    *fd = -1;
}

void image_set_close(struct image_set *set)
{
    close_fd(&set->kernel);
    close_fd(&set->initrd);
    close_fd(&set->disk);
    close_fd(&set->overlay);
}

const char *image_location_folder(const char *location)
{
    static const char scheme[] = "file://";

    if (strncmp(location, scheme, strlen(scheme)) == 0) {
        location += strlen(scheme);
    }
    return location[0] == '/' ? location : NULL;
}

/* A pipe or a device with that name would hold us up. */
static enum status blob_open(const char *folder, const char *what, const struct digest *digest,
                             int *ret_fd, struct refusal *ret_refusal)
{
    char name[HEX_SIZE(SHA256_SIZE)], path[PATH_MAX];
    struct stat info;
    int fd;

    hex_encode(digest_view(digest), name);
    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path) {
        return refuse(ret_refusal, REFUSAL_MALFORMED, "%s: the image's folder has too long a name",
                      what);
    }
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        return refuse(ret_refusal, REFUSAL_NOT_FOUND, "%s: %.150s: %s", what, path,
                      strerror(errno));
    }
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        (void)close(fd);
        return refuse(ret_refusal, REFUSAL_NOT_FOUND, "%s: %.150s is no regular file", what, path);
    }
    *ret_fd = fd;
    return STATUS_OK;
}

static enum status blob_copy(const struct image_order *order, const char *what,
                             const struct image_blob *blob, enum image_storage storage, int *ret_fd,
                             struct refusal *ret_refusal)
{
    const char *folder = image_location_folder(order->location);
    struct refusal refusal = {0};
    enum status status;
    int source;

    if (!folder) {
        return refuse(ret_refusal, REFUSAL_MALFORMED,
                      "the image's location is neither file:///FOLDER nor /FOLDER");
    }
    TRY(blob_open(folder, what, &blob->digest, &source, ret_refusal));
    status =
        image_copy(source, blob->size, &blob->digest, storage, order->folder, ret_fd, &refusal);
    (void)close(source);
    return status == STATUS_REFUSED
               ? refuse(ret_refusal, refusal.code, "%s: %.200s", what, refusal.detail)
               : status;
}

static enum status fetch(const struct image_order *order, struct image_set *set,
                         struct refusal *ret_refusal)
{
    const struct image_manifest *manifest = order->manifest;
    const struct overlay_order overlay = {
        .mode = order->overlay_mode,
        .folder = order->overlay_mode == OVERLAY_PRIVATE ? order->folder : order->shared_folder,
        .vm = order->vm,
        .start_generation = order->start_generation,
        .key = order->overlay_key,
    };
    uint64_t disk_size;

    TRY(image_overlay_check(&overlay, ret_refusal));
    if (manifest->kernel.size > 0) {
        if (manifest->initrd.size == 0) {
            return refuse(ret_refusal, REFUSAL_MALFORMED, "a kernel without an initrd");
        }
        TRY(blob_copy(order, "kernel", &manifest->kernel, IMAGE_IN_MEMORY, &set->kernel,
                      ret_refusal));
        TRY(blob_copy(order, "initrd", &manifest->initrd, IMAGE_IN_MEMORY, &set->initrd,
                      ret_refusal));
    }
    TRY(blob_copy(order, "disk", &manifest->disk, IMAGE_IN_FOLDER, &set->disk, ret_refusal));
    TRY(luks_image_inspect(set->disk, &disk_size, ret_refusal));
    return image_overlay_open(&overlay, disk_size, &set->overlay, ret_refusal);
}

enum status image_fetch(const struct image_order *order, struct image_set *ret_set,
                        struct refusal *ret_refusal)
{
    struct image_set set = IMAGE_SET_NONE;
    enum status status = fetch(order, &set, ret_refusal);

    if (status != STATUS_OK) {
        image_set_close(&set);
        /* Whatever an earlier start left there is worth nothing either. */
        if (order->overlay_mode == OVERLAY_SHARED_NEW) {
            image_overlay_remove(order->shared_folder, &order->vm, order->start_generation);
        }
        return status;
    }
    *ret_set = set;
    return STATUS_OK;
}
