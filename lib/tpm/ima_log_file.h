/*
 * IMA's log as the kernel shows it: a file without a size that grows for as long as the host runs.
 * A renewal wants what came after the entries that the verifier has seen; only that is read: the
 * file stays open where it ended, and the last entries are kept, because a verifier is a few
 * behind.
 */
#ifndef TCCP_TPM_IMA_LOG_FILE_H
#define TCCP_TPM_IMA_LOG_FILE_H

#include "lib/base/bytes.h"

enum { IMA_TAIL_SIZE_MAX = 256 * 1024 };

struct ima_log_file {
    int fd;            /* -1: nothing was read yet */
    uint64_t count;    /* entries before the tail */
    struct bytes tail; /* whole entries, up to where the file was read */
};

void ima_log_file_init(struct ima_log_file *file);
void ima_log_file_free(struct ima_log_file *file);
DEFINE_OWN_VALUE(ima_log_file, ima_log_file_free)

/*
 * The entries after the first `known`. STATUS_NOT_FOUND: there is no such log; STATUS_IO, both
 * logged; STATUS_TOO_LARGE above IMA_LOG_SIZE_MAX; STATUS_CONFLICT when there are fewer than that:
 * another boot's; STATUS_MALFORMED when it cannot be told where they end. What is malformed after
 * them is the verifier's to judge.
 */
WARN_UNUSED enum status ima_log_file_read(struct ima_log_file *file, const char *path,
                                          uint64_t known, struct bytes *ret_entries);

/* Opens a log of the kernel's for reading: a regular file, whatever a configuration says.
 * STATUS_NOT_FOUND, logged. */
WARN_UNUSED enum status log_open(const char *path, int *ret_fd);
/* Appends what is left of it. STATUS_IO, logged. */
WARN_UNUSED enum status log_read(int fd, const char *path, struct writer *writer);

#endif
