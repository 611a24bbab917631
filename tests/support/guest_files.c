#include "tests/support/guest_files.h"

#include "tests/support/test.h"

#include "lib/base/bytes.h"
#include "lib/image/image_copy.h"
#include "lib/image/luks_image.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char base_key[] = "base-key-0123456789abcdef0123456789abcdef-secret";
static const char overlay_key[] = "overlay-key-fedcba9876543210fedcba9876543210-secret";

static void read_file(const char *path, struct bytes *ret_bytes)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &info), 0);
    ret_bytes->data = malloc((size_t)info.st_size + 1);
    ret_bytes->size = (size_t)info.st_size;
    assert_non_null(ret_bytes->data);
    assert_int_equal(read(fd, ret_bytes->data, ret_bytes->size), ret_bytes->size);
    (void)close(fd);
}

static int copy_in_memory(const char *path)
{
    struct refusal refusal = {0};
    struct digest digest;
    uint64_t size;
    int fd = open(path, O_RDONLY | O_CLOEXEC), copy = -1;

    assert_true(fd >= 0);
    assert_ok(image_digest(fd, &digest, &size));
    assert_ok(image_copy(fd, size, &digest, IMAGE_IN_MEMORY, NULL, &copy, &refusal));
    (void)close(fd);
    return copy;
}

void guest_files_renew_overlay(struct guest_files *files)
{
    struct refusal refusal = {0};
    uint64_t size = 0;

    (void)unlink(files->overlay);
    assert_ok(luks_image_inspect(files->base_fd, &size, &refusal));
    assert_ok(luks_image_create(files->overlay, size, files->keys.overlay, &refusal));
}

int guest_files_open_overlay(const struct guest_files *files)
{
    int fd = open(files->overlay, O_RDWR | O_CLOEXEC);

    assert_true(fd >= 0);
    return fd;
}

void guest_files_open(struct guest_files *files)
{
    const char *source = getenv("TOP_SRCDIR"), *build = getenv("TOP_BUILDDIR");
    char command[1200], path[600];
    struct refusal refusal = {0};

    memset(files, 0, sizeof *files);
    (void)snprintf(command, sizeof command, "%s/guest/build-guest %s/guest/demo", source, build);
    assert_int_equal(system(command), 0);
    strcpy(files->folder, "/tmp/tccp-vm-XXXXXX");
    assert_non_null(mkdtemp(files->folder));
    (void)snprintf(files->base, sizeof files->base, "%s/base.qcow2", files->folder);
    (void)snprintf(files->overlay, sizeof files->overlay, "%s/overlay.qcow2", files->folder);
    files->keys = (struct vm_keys){view_string(base_key), view_string(overlay_key)};
    (void)snprintf(path, sizeof path, "%s/guest/demo/disk.raw", build);
    if (luks_image_seal(path, files->base, files->keys.base, &refusal) != STATUS_OK) {
        fail_msg("%s is not sealed: %s", path, refusal.detail);
    }
    files->base_fd = copy_in_memory(files->base);
    (void)snprintf(path, sizeof path, "%s/guest/demo/kernel", build);
    files->kernel_fd = copy_in_memory(path);
    (void)snprintf(path, sizeof path, "%s/guest/demo/initrd", build);
    files->initrd_fd = copy_in_memory(path);
    (void)snprintf(path, sizeof path, "%s/guest/demo/cmdline", build);
    read_file(path, &files->command_line);
}

void guest_files_close(struct guest_files *files)
{
    (void)close(files->base_fd);
    (void)close(files->kernel_fd);
    (void)close(files->initrd_fd);
    bytes_free(&files->command_line);
    (void)unlink(files->base);
    (void)unlink(files->overlay);
    (void)rmdir(files->folder);
}
