#include "tests/support/uki_maker.h"

#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { COMMAND_SIZE = 4096 };

static void file_write(const char *path, struct view content)
{
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(content.data, 1, content.size, file), content.size);
    assert_int_equal(fclose(file), 0);
}

static struct bytes file_load(const char *path)
{
    struct bytes content;
    FILE *file = fopen(path, "rb");
    long size;

    if (!file) {
        fail_msg("cannot open %s", path);
    }
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    size = ftell(file);
    assert_true(size > 0);
    rewind(file);
    content = (struct bytes){malloc((size_t)size), (size_t)size};
    assert_non_null(content.data);
    assert_int_equal(fread(content.data, 1, content.size, file), content.size);
    (void)fclose(file);
    return content;
}

static PRINTF_LIKE(2, 3) void run(const struct uki_maker *maker, const char *format, ...)
{
    char command[COMMAND_SIZE], full[COMMAND_SIZE + 256];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(command, sizeof command, format, arguments);
    va_end(arguments);
    (void)snprintf(full, sizeof full, "cd %s && PATH=\"$PATH:/sbin:/usr/sbin\" && (%s) >log 2>&1",
                   maker->folder, command);
    if (system(full) != 0) {
        fail_msg("%s failed, see %s/log", command, maker->folder);
    }
}

static PRINTF_LIKE(2, 3) struct bytes load(const struct uki_maker *maker, const char *format, ...)
{
    char name[128], path[256];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(name, sizeof name, format, arguments);
    va_end(arguments);
    (void)snprintf(path, sizeof path, "%s/%s", maker->folder, name);
    return file_load(path);
}

void uki_maker_open(struct uki_maker *maker)
{
    const char *source = getenv("TOP_SRCDIR"), *build = getenv("TOP_BUILDDIR");

    *maker = (struct uki_maker){.folder = "/tmp/tccp-uki-XXXXXX"};
    assert_non_null(source);
    assert_non_null(build);
    assert_non_null(mkdtemp(maker->folder));
    run(maker, "%s/guest/build-guest %s/guest/demo && cp %s/guest/demo/kernel kernel", source,
        build, build);
    maker->kernel = load(maker, "kernel");
}

void uki_maker_close(struct uki_maker *maker)
{
    char command[128];

    bytes_free(&maker->kernel);
    (void)snprintf(command, sizeof command, "rm -rf %s", maker->folder);
    assert_int_equal(system(command), 0);
}

struct bytes uki_make(const struct uki_maker *maker, const struct uki_part *parts, size_t count)
{
    char options[COMMAND_SIZE / 2] = "";
    size_t used = 0;

    for (size_t i = 0; i < count; i++) {
        char path[128];

        (void)snprintf(path, sizeof path, "%s/part%zu", maker->folder, i);
        file_write(path, parts[i].content);
        used += (size_t)snprintf(options + used, sizeof options - used,
                                 " --add-section %s=part%zu --change-section-vma %s=%#x",
                                 parts[i].section, i, parts[i].section, parts[i].address);
        assert_true(used < sizeof options);
    }
    run(maker,
        "objcopy%s --add-section .linux=kernel --change-section-vma .linux=%#x "
        "/usr/lib/systemd/boot/efi/linuxx64.efi.stub uki.efi",
        options, UKI_LINUX_ADDRESS);
    return load(maker, "uki.efi");
}

struct bytes uki_sign(const struct uki_maker *maker, struct view image, const char *key,
                      const char *certificate)
{
    char path[128];

    (void)snprintf(path, sizeof path, "%s/unsigned.efi", maker->folder);
    file_write(path, image);
    run(maker, "sbsign --key %s --cert %s --output signed.efi unsigned.efi", key, certificate);
    return load(maker, "signed.efi");
}

struct bytes uki_key_make(const struct uki_maker *maker, const char *name)
{
    run(maker,
        "openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=%s -keyout %s.key -out "
        "%s.pem && openssl x509 -in %s.pem -outform DER -out %s.der",
        name, name, name, name, name);
    return load(maker, "%s.der", name);
}

struct bytes uki_key_issue(const struct uki_maker *maker, const char *issuer, const char *name)
{
    run(maker,
        "openssl req -newkey rsa:2048 -nodes -subj /CN=%s -keyout %s.key -out %s.csr && "
        "openssl x509 -req -in %s.csr -CA %s.pem -CAkey %s.key -set_serial 2 -days -1 -out "
        "%s.pem && openssl x509 -in %s.pem -outform DER -out %s.der",
        name, name, name, name, issuer, issuer, name, name, name);
    return load(maker, "%s.der", name);
}

struct bytes uki_snakeoil_key(const struct uki_maker *maker)
{
    run(maker, "openssl rsa -passin pass:snakeoil -in /usr/share/ovmf/PkKek-1-snakeoil.key -out "
               "snakeoil.key && openssl x509 -in /usr/share/ovmf/PkKek-1-snakeoil.pem -out "
               "snakeoil.pem && openssl x509 -in snakeoil.pem -outform DER -out snakeoil.der");
    return load(maker, "snakeoil.der");
}
