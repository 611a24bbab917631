#include "cli/file_measurements.h"

#include "cli/archived_files.h"

#include "lib/predict/cpio.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    CHUNK_SIZE = 1 << 20,
    COMPRESSED_COUNT_MAX = 64,
    PADDING_SIZE_MAX = 16,
    LINKED_NAME_COUNT_MAX = 4096, /* of one archive */
};

static inline void archive_cleanup(struct archive **archive)
{
    (void)archive_read_free(*archive);
}

/* One inode that has several names; its contents come with one of them, mostly the last. */
struct linked_inode {
    uint32_t inode, device_major, device_minor;
    struct digest digest;
    uint64_t size;
    size_t name_count;
    struct view *names; /* owned; they lie in the archive */
};

struct initramfs {
    const struct file_visitor *visitor;
    struct refusal *refusal;
    struct archived_files files;
    unsigned archive; /* to which `linked` belongs */
    size_t linked_count, linked_name_count;
    struct linked_inode *linked; /* owned */
};

static void linked_clear(struct initramfs *initramfs)
{
    for (size_t i = 0; i < initramfs->linked_count; i++) {
        free(initramfs->linked[i].names);
    }
    free(initramfs->linked);
    initramfs->linked = NULL;
    initramfs->linked_count = initramfs->linked_name_count = 0;
}

static enum status linked_find(struct initramfs *initramfs, const struct cpio_entry *entry,
                               struct linked_inode **ret_inode)
{
    struct linked_inode *linked;

    for (size_t i = initramfs->linked_count; i > 0; i--) {
        linked = &initramfs->linked[i - 1];
        if (linked->inode == entry->inode && linked->device_major == entry->device_major &&
            linked->device_minor == entry->device_minor) {
            *ret_inode = linked;
            return STATUS_OK;
        }
    }
    linked = reallocarray(initramfs->linked, initramfs->linked_count + 1, sizeof *linked);
    if (!linked) {
        return STATUS_NO_MEMORY;
    }
    initramfs->linked = linked;
    linked += initramfs->linked_count++;
    *linked = (struct linked_inode){
        .inode = entry->inode,
        .device_major = entry->device_major,
        .device_minor = entry->device_minor,
        .digest = sha256((struct view){0}),
    };
    *ret_inode = linked;
    return STATUS_OK;
}

/* All names of the inode have the contents that came last. */
static enum status linked_put(struct initramfs *initramfs, const struct cpio_entry *entry)
{
    struct linked_inode *linked;
    struct view *names;

    if (initramfs->linked_name_count++ >= LINKED_NAME_COUNT_MAX) {
        return refuse(initramfs->refusal, REFUSAL_TOO_LARGE,
                      "more than %d names that share their inode", LINKED_NAME_COUNT_MAX);
    }
    TRY(linked_find(initramfs, entry, &linked));
    names = reallocarray(linked->names, linked->name_count + 1, sizeof *names);
    if (!names) {
        return STATUS_NO_MEMORY;
    }
    linked->names = names;
    names[linked->name_count++] = entry->name;
    if (entry->content.size > 0) {
        linked->digest = sha256(entry->content);
        linked->size = entry->content.size;
        for (size_t i = 0; i < linked->name_count; i++) {
            TRY(archived_files_put(&initramfs->files, names[i], ARCHIVED_FILE, &linked->digest,
                                   linked->size, initramfs->refusal));
        }
        return STATUS_OK;
    }
    return archived_files_put(&initramfs->files, entry->name, ARCHIVED_FILE, &linked->digest,
                              linked->size, initramfs->refusal);
}

static enum status entry_put(struct initramfs *initramfs, const struct cpio_entry *entry)
{
    struct digest digest;

    if (entry->archive != initramfs->archive) {
        linked_clear(initramfs);
        initramfs->archive = entry->archive;
    }
    if (!S_ISREG(entry->mode)) {
        return archived_files_put(&initramfs->files, entry->name,
                                  S_ISLNK(entry->mode) ? ARCHIVED_LINK : ARCHIVED_OTHER, NULL, 0,
                                  initramfs->refusal);
    }
    if (entry->links > 1) {
        return linked_put(initramfs, entry);
    }
    digest = sha256(entry->content);
    return archived_files_put(&initramfs->files, entry->name, ARCHIVED_FILE, &digest,
                              entry->content.size, initramfs->refusal);
}

/* Archives that are not compressed, from there on; *ret_end: how far they go. */
static enum status archives_read(struct initramfs *initramfs, struct view bytes, size_t from,
                                 size_t *ret_end)
{
    struct cpio cpio = {.bytes = bytes, .at = from};
    struct cpio_entry entry;
    enum status status;

    initramfs->archive = 0;
    while ((status = cpio_next(&cpio, &entry, initramfs->refusal)) == STATUS_OK) {
        TRY(entry_put(initramfs, &entry));
        archived_files_tell(&initramfs->files, initramfs->visitor);
    }
    linked_clear(initramfs);
    *ret_end = cpio.at;
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

static enum status not_compressed(struct initramfs *initramfs, const char *why)
{
    return refuse(initramfs->refusal, REFUSAL_MALFORMED,
                  "the initramfs has something that is no archive: %s", why ? why : "unknown form");
}

static enum status decompress_all(struct initramfs *initramfs, struct archive *archive,
                                  struct bytes *ret_bytes)
{
    OWN(writer) struct writer writer = writer_new(MEASURED_INITRAMFS_SIZE_MAX);
    uint8_t *chunk = malloc(CHUNK_SIZE);
    la_ssize_t got = -1;

    if (!chunk) {
        return STATUS_NO_MEMORY;
    }
    while (writer.status == STATUS_OK &&
           (got = archive_read_data(archive, chunk, CHUNK_SIZE)) > 0) {
        writer_view(&writer, (struct view){chunk, (size_t)got});
    }
    free(chunk);
    if (writer.status == STATUS_TOO_LARGE) {
        return refuse(initramfs->refusal, REFUSAL_TOO_LARGE,
                      "the initramfs has more than %zu bytes when it is decompressed",
                      MEASURED_INITRAMFS_SIZE_MAX);
    }
    if (writer.status == STATUS_OK && got < 0) {
        return not_compressed(initramfs, archive_error_string(archive));
    }
    return writer_take(&writer, ret_bytes);
}

/* What the bytes begin with, decompressed; *ret_size: how many of them that was. */
static enum status decompress(struct initramfs *initramfs, struct view bytes,
                              struct bytes *ret_bytes, size_t *ret_size)
{
    __attribute__((cleanup(archive_cleanup))) struct archive *archive = archive_read_new();
    struct archive_entry *entry;
    la_int64_t consumed;

    /* What the kernel knows, but lzo, for which a program would be run. */
    if (!archive || archive_read_support_format_raw(archive) != ARCHIVE_OK ||
        archive_read_support_filter_gzip(archive) != ARCHIVE_OK ||
        archive_read_support_filter_bzip2(archive) != ARCHIVE_OK ||
        archive_read_support_filter_lzma(archive) != ARCHIVE_OK ||
        archive_read_support_filter_xz(archive) != ARCHIVE_OK ||
        archive_read_support_filter_lz4(archive) != ARCHIVE_OK ||
        archive_read_support_filter_zstd(archive) != ARCHIVE_OK) {
        return STATUS_UNSUPPORTED;
    }
    if (archive_read_open_memory(archive, bytes.data, bytes.size) != ARCHIVE_OK ||
        archive_read_next_header(archive, &entry) != ARCHIVE_OK) {
        return not_compressed(initramfs, archive_error_string(archive));
    }
    if (archive_filter_code(archive, 0) == ARCHIVE_FILTER_NONE) {
        return not_compressed(initramfs, NULL);
    }
    TRY(decompress_all(initramfs, archive, ret_bytes));
    consumed = archive_filter_bytes(archive, -1);
    if (consumed <= 0 || (uint64_t)consumed > bytes.size) {
        return not_compressed(initramfs, NULL);
    }
    *ret_size = (size_t)consumed;
    return STATUS_OK;
}

/* libarchive takes zeroes behind some of the forms for a damaged end, and the kernel passes over
 * them as over those between archives: padding that tools leave at the end of all. How many of the
 * zeroes are padding is to be found out, as data may end with zeroes too. */
static enum status decompress_padded(struct initramfs *initramfs, struct view bytes,
                                     struct bytes *ret_bytes, size_t *ret_size)
{
    enum status status = decompress(initramfs, bytes, ret_bytes, ret_size);

    for (unsigned i = 0; status == STATUS_REFUSED && i < PADDING_SIZE_MAX && bytes.size > 1 &&
                         bytes.data[bytes.size - 1] == 0;
         i++) {
        bytes.size--;
        status = decompress(initramfs, bytes, ret_bytes, ret_size);
    }
    return status;
}

/* Whatever was compressed is archives to the end. */
static enum status compressed_read(struct initramfs *initramfs, struct view bytes, size_t *ret_size)
{
    OWN(bytes) struct bytes decompressed = {0};
    size_t end;

    TRY(decompress_padded(initramfs, bytes, &decompressed, ret_size));
    TRY(archives_read(initramfs, bytes_view(&decompressed), 0, &end));
    return end == decompressed.size ? STATUS_OK : not_compressed(initramfs, NULL);
}

static enum status initramfs_read(struct initramfs *initramfs, struct view bytes)
{
    unsigned compressed_count = 0;
    size_t at = 0, size = 0;

    for (;;) {
        TRY(archives_read(initramfs, bytes, at, &at));
        if (at == bytes.size) {
            return archived_files_visit(&initramfs->files, false, initramfs->visitor);
        }
        if (compressed_count++ >= COMPRESSED_COUNT_MAX) {
            return refuse(initramfs->refusal, REFUSAL_TOO_LARGE, "more than %d compressed archives",
                          COMPRESSED_COUNT_MAX);
        }
        TRY(compressed_read(initramfs, (struct view){bytes.data + at, bytes.size - at}, &size));
        at += size;
    }
}

enum status file_measurements_of_initramfs(struct view bytes, const struct file_visitor *visitor,
                                           struct refusal *refusal)
{
    struct initramfs initramfs = {.visitor = visitor, .refusal = refusal};
    enum status status;

    archived_files_init(&initramfs.files);
    status = initramfs_read(&initramfs, bytes);
    linked_clear(&initramfs);
    archived_files_free(&initramfs.files);
    return status;
}
