#include "lib/tpm/ima_log_file.h"

#include "lib/attest/ima.h"
#include "lib/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_SIZE = 64 * 1024 };

enum status log_open(const char *path, int *ret_fd)
{
    /* A pipe in its place would keep the TPM's thread for ever. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat about;

    if (fd >= 0 && (fstat(fd, &about) != 0 || !S_ISREG(about.st_mode))) {
        (void)close(fd);
        fd = -1;
        errno = EINVAL;
    }
    if (fd < 0) {
        log_event(LOG_ERROR, "log-not-readable", "path=%s error=\"%s\"", path, strerror(errno));
        return STATUS_NOT_FOUND;
    }
    *ret_fd = fd;
    return STATUS_OK;
}

enum status log_read(int fd, const char *path, struct writer *writer)
{
    uint8_t buffer[READ_SIZE];
    ssize_t count;

    while ((count = read(fd, buffer, sizeof buffer)) > 0 && writer->status == STATUS_OK) {
        writer_view(writer, (struct view){buffer, (size_t)count});
    }
    if (count < 0) {
        log_event(LOG_ERROR, "log-not-readable", "path=%s error=\"%s\"", path, strerror(errno));
        return STATUS_IO;
    }
    return STATUS_OK;
}

void ima_log_file_init(struct ima_log_file *file)
{
    *file = (struct ima_log_file){.fd = -1};
}

void ima_log_file_free(struct ima_log_file *file)
{
    if (file->fd >= 0) {
        (void)close(file->fd);
    }
    bytes_free(&file->tail);
    ima_log_file_init(file);
}

/* Passes over so many entries. */
static enum status entries_skip(struct reader *reader, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        struct ima_entry entry;

        if (reader->left == 0) {
            return STATUS_CONFLICT;
        }
        TRY(ima_entry_read(reader, &entry));
    }
    return STATUS_OK;
}

/* Of entries that begin after `count`, keeps the last. */
static enum status tail_keep(struct ima_log_file *file, struct reader reader, uint64_t count)
{
    struct bytes tail;

    while (reader.left > IMA_TAIL_SIZE_MAX) {
        struct ima_entry entry;

        TRY(ima_entry_read(&reader, &entry));
        count++;
    }
    TRY(bytes_copy(reader_rest(&reader), &tail));
    bytes_free(&file->tail);
    file->tail = tail;
    file->count = count;
    return STATUS_OK;
}

static enum status file_read(struct ima_log_file *file, const char *path, uint64_t known,
                             struct bytes *ret_entries)
{
    OWN(writer) struct writer writer = writer_new(IMA_LOG_SIZE_MAX);
    OWN(bytes) struct bytes log = {0};
    struct reader reader, rest;

    writer_view(&writer, bytes_view(&file->tail));
    TRY(log_read(file->fd, path, &writer));
    TRY(writer_take(&writer, &log));
    reader = reader_of(bytes_view(&log));
    TRY(entries_skip(&reader, known - file->count));
    rest = reader;
    TRY(bytes_copy(reader_rest(&rest), ret_entries));
    if (tail_keep(file, reader, known) != STATUS_OK) {
        ima_log_file_free(file); /* It is read from its beginning the next time. */
    }
    return STATUS_OK;
}

enum status ima_log_file_read(struct ima_log_file *file, const char *path, uint64_t known,
                              struct bytes *ret_entries)
{
    enum status status;

    if (known < file->count) {
        ima_log_file_free(file);
    }
    if (file->fd < 0) {
        TRY(log_open(path, &file->fd));
    }
    status = file_read(file, path, known, ret_entries);
    if (status != STATUS_OK) {
        ima_log_file_free(file);
    }
    return status;
}
