#include "cli/file_measurements.h"

#include "cli/archived_files.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK_SIZE = 64 * 1024 };

static inline void archive_cleanup(struct archive **archive)
{
    (void)archive_read_free(*archive);
}

/* A package is an ar archive; its member data.tar.* is one of the files. */
struct package {
    const char *path;
    const struct file_visitor *visitor;
    struct refusal *refusal;
    struct archive *outer;
    uint8_t chunk[CHUNK_SIZE]; /* of the outer archive, being read by the inner */
    struct archived_files files;
};

static enum status unreadable(const struct package *package, struct archive *archive)
{
    const char *why = archive_error_string(archive);

    return refuse(package->refusal, REFUSAL_MALFORMED, "%s: %s", package->path,
                  why ? why : "no Debian package");
}

/* A name in bytes where the locale allows it, as the kernel will have it. */
static enum status name_of(const struct package *package, const char *bytes, const char *utf8,
                           struct view *ret_name)
{
    const char *name = bytes ? bytes : utf8;

    if (!name) {
        return refuse(package->refusal, REFUSAL_MALFORMED, "%s: a file without a name",
                      package->path);
    }
    *ret_name = view_string(name);
    return STATUS_OK;
}

static enum status content_hash(struct package *package, struct archive *inner,
                                struct digest *ret_digest, uint64_t *ret_size)
{
    uint8_t chunk[CHUNK_SIZE];
    struct sha256 hash;
    la_ssize_t got;

    *ret_size = 0;
    sha256_init(&hash);
    while ((got = archive_read_data(inner, chunk, sizeof chunk)) > 0) {
        sha256_update(&hash, (struct view){chunk, (size_t)got});
        *ret_size += (uint64_t)got;
        if (package->files.byte_count + *ret_size > MEASURED_PACKAGE_SIZE_MAX) {
            return refuse(package->refusal, REFUSAL_TOO_LARGE, "%s: its files have too many bytes",
                          package->path);
        }
    }
    if (got < 0) {
        return unreadable(package, inner);
    }
    *ret_digest = sha256_final(&hash);
    return STATUS_OK;
}

static enum status put_hard_link(struct package *package, struct view name, struct view target)
{
    const struct archived_file *file = archived_files_find(&package->files, target);

    if (!file) {
        return refuse(package->refusal, REFUSAL_MALFORMED, "%s: \"%.*s\" is a link to nothing",
                      package->path, (int)name.size, (const char *)name.data);
    }
    return archived_files_put(&package->files, name, file->kind, &file->digest, file->size,
                              package->refusal);
}

static enum status entry_put(struct package *package, struct archive *inner,
                             struct archive_entry *entry)
{
    const char *target = archive_entry_hardlink(entry);
    enum archived_kind kind = ARCHIVED_OTHER;
    struct digest digest = {{0}};
    struct view name;
    uint64_t size = 0;

    TRY(name_of(package, archive_entry_pathname(entry), archive_entry_pathname_utf8(entry), &name));
    target = target ? target : archive_entry_hardlink_utf8(entry);
    if (target) {
        return put_hard_link(package, name, view_string(target));
    }
    if (archive_entry_filetype(entry) == AE_IFREG) {
        kind = ARCHIVED_FILE;
        TRY(content_hash(package, inner, &digest, &size));
    } else if (archive_entry_filetype(entry) == AE_IFLNK) {
        kind = ARCHIVED_LINK;
    }
    return archived_files_put(&package->files, name, kind, &digest, size, package->refusal);
}

static la_ssize_t outer_read(struct archive *inner, void *context, const void **ret_chunk)
{
    struct package *package = context;
    la_ssize_t got = archive_read_data(package->outer, package->chunk, sizeof package->chunk);

    if (got < 0) {
        archive_set_error(inner, EIO, "%s", archive_error_string(package->outer));
    }
    *ret_chunk = package->chunk;
    return got;
}

static enum status data_read(struct package *package)
{
    __attribute__((cleanup(archive_cleanup))) struct archive *inner = archive_read_new();
    struct archive_entry *entry;
    int result;

    /* What dpkg knows. Others would run programs. */
    if (!inner || archive_read_support_format_tar(inner) != ARCHIVE_OK ||
        archive_read_support_filter_gzip(inner) != ARCHIVE_OK ||
        archive_read_support_filter_bzip2(inner) != ARCHIVE_OK ||
        archive_read_support_filter_lzma(inner) != ARCHIVE_OK ||
        archive_read_support_filter_xz(inner) != ARCHIVE_OK ||
        archive_read_support_filter_zstd(inner) != ARCHIVE_OK) {
        return STATUS_UNSUPPORTED;
    }
    if (archive_read_open(inner, package, NULL, outer_read, NULL) != ARCHIVE_OK) {
        return unreadable(package, inner);
    }
    while ((result = archive_read_next_header(inner, &entry)) == ARCHIVE_OK ||
           result == ARCHIVE_WARN) { /* a name that the locale does not have */
        TRY(entry_put(package, inner, entry));
        archived_files_tell(&package->files, package->visitor);
    }
    return result == ARCHIVE_EOF ? STATUS_OK : unreadable(package, inner);
}

/* debian-binary, which says 2.x, comes first (deb(5)). */
static enum status format_check(struct package *package, struct archive_entry *first)
{
    const char *name = archive_entry_pathname(first);
    char version[2];

    return name && strcmp(name, "debian-binary") == 0 &&
                   archive_read_data(package->outer, version, sizeof version) == sizeof version &&
                   memcmp(version, "2.", 2) == 0
               ? STATUS_OK
               : refuse(package->refusal, REFUSAL_MALFORMED, "%s: no Debian package",
                        package->path);
}

static enum status members_read(struct package *package)
{
    static const char data[] = "data.tar";
    struct archive_entry *entry;
    bool first = true;
    int result;

    while ((result = archive_read_next_header(package->outer, &entry)) == ARCHIVE_OK) {
        const char *name = archive_entry_pathname(entry);

        if (first) {
            TRY(format_check(package, entry));
        } else if (name && strncmp(name, data, sizeof data - 1) == 0) {
            return data_read(package);
        }
        first = false;
    }
    return result == ARCHIVE_EOF ? refuse(package->refusal, REFUSAL_MALFORMED,
                                          "%s: the package has no files", package->path)
                                 : unreadable(package, package->outer);
}

static enum status package_read(struct package *package, int fd)
{
    if (archive_read_support_format_ar(package->outer) != ARCHIVE_OK) {
        return STATUS_UNSUPPORTED;
    }
    if (archive_read_open_fd(package->outer, fd, CHUNK_SIZE) != ARCHIVE_OK) {
        return unreadable(package, package->outer);
    }
    TRY(members_read(package));
    return archived_files_visit(&package->files, true, package->visitor);
}

static enum status package_open(struct package *package)
{
    int fd = open(package->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    enum status status;

    if (fd < 0) {
        return refuse(package->refusal, REFUSAL_UNREADABLE, "%s: %s", package->path,
                      strerror(errno));
    }
    package->outer = archive_read_new();
    status = package->outer ? package_read(package, fd) : STATUS_NO_MEMORY;
    (void)archive_read_free(package->outer);
    (void)close(fd);
    return status;
}

enum status file_measurements_of_package(const char *path, const struct file_visitor *visitor,
                                         struct refusal *refusal)
{
    struct package *package = calloc(1, sizeof *package);
    enum status status;

    if (!package) {
        return STATUS_NO_MEMORY;
    }
    package->path = path;
    package->visitor = visitor;
    package->refusal = refusal;
    archived_files_init(&package->files);
    status = package_open(package);
    archived_files_free(&package->files);
    free(package);
    return status;
}
