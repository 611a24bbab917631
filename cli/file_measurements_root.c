#include "cli/file_measurements.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK_SIZE = 256 * 1024 };

struct walk {
    const struct file_visitor *visitor;
    struct refusal *refusal;
    size_t root_size; /* of what stands before the paths */
    uint8_t *chunk;
    uint64_t file_count, byte_count;
};

static enum status unreadable(struct refusal *refusal, const char *path, int error)
{
    return refuse(refusal, REFUSAL_UNREADABLE, "%s: %s", path, strerror(error));
}

static enum status descriptor_hash(struct walk *walk, int fd, const char *path,
                                   struct digest *ret_digest, uint64_t *ret_size)
{
    struct sha256 hash;
    ssize_t got;

    *ret_size = 0;
    sha256_init(&hash);
    while ((got = read(fd, walk->chunk, CHUNK_SIZE)) != 0) {
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return unreadable(walk->refusal, path, errno);
        }
        sha256_update(&hash, (struct view){walk->chunk, (size_t)got});
        *ret_size += (uint64_t)got;
    }
    *ret_digest = sha256_final(&hash);
    return STATUS_OK;
}

static enum status file_hash(struct walk *walk, const char *path, struct digest *ret_digest,
                             uint64_t *ret_size)
{
    /* What became something else since it was listed is not waited for. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    enum status status;

    if (fd < 0) {
        return unreadable(walk->refusal, path, errno);
    }
    status = descriptor_hash(walk, fd, path, ret_digest, ret_size);
    (void)close(fd);
    return status;
}

static enum status file_visit(struct walk *walk, const char *path)
{
    struct view shown = view_string(path + walk->root_size);
    struct digest digest;
    uint64_t size = 0;

    if (walk->file_count >= MEASURED_FILE_COUNT_MAX) {
        return refuse(walk->refusal, REFUSAL_TOO_LARGE, "more than %d files",
                      MEASURED_FILE_COUNT_MAX);
    }
    if (shown.size > MEASURED_PATH_SIZE_MAX) {
        return refuse(walk->refusal, REFUSAL_TOO_LARGE, "a path of %zu bytes, at most %d are read",
                      shown.size, MEASURED_PATH_SIZE_MAX);
    }
    TRY(file_hash(walk, path, &digest, &size));
    walk->file_count++;
    walk->byte_count += size;
    TRY(walk->visitor->visit(walk->visitor->context, shown, &digest, size));
    if (walk->visitor->progress) {
        walk->visitor->progress(walk->visitor->context, walk->file_count, walk->byte_count);
    }
    return STATUS_OK;
}

static int by_name(const FTSENT **left, const FTSENT **right)
{
    return strcmp((*left)->fts_name, (*right)->fts_name);
}

static enum status entry_visit(struct walk *walk, const FTSENT *entry)
{
    switch (entry->fts_info) {
    case FTS_DNR:
    case FTS_ERR:
    case FTS_NS:
        return unreadable(walk->refusal, entry->fts_path, entry->fts_errno);
    case FTS_D:
    case FTS_DP:
        return STATUS_OK;
    default: /* fts's number for files, links and special files */
        break;
    }
    if (entry->fts_level == 0) {
        return unreadable(walk->refusal, entry->fts_path, ENOTDIR);
    }
    return entry->fts_info == FTS_F ? file_visit(walk, entry->fts_path) : STATUS_OK;
}

static enum status tree_visit(struct walk *walk, FTS *tree)
{
    FTSENT *entry;

    while ((errno = 0, entry = fts_read(tree))) {
        TRY(entry_visit(walk, entry));
    }
    return errno == 0 ? STATUS_OK : unreadable(walk->refusal, "the folder", errno);
}

enum status file_measurements_of_root(const char *root, const struct file_visitor *visitor,
                                      struct refusal *refusal)
{
    char *absolute = realpath(root, NULL);
    char *roots[] = {absolute, NULL};
    struct walk walk = {.visitor = visitor, .refusal = refusal};
    enum status status = STATUS_NO_MEMORY;
    FTS *tree;

    if (!absolute) {
        return unreadable(refusal, root, errno);
    }
    walk.root_size = strcmp(absolute, "/") == 0 ? 0 : strlen(absolute);
    walk.chunk = malloc(CHUNK_SIZE);
    tree = walk.chunk ? fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, by_name) : NULL;
    if (tree) {
        status = tree_visit(&walk, tree);
        (void)fts_close(tree);
    }
    free(walk.chunk);
    free(absolute);
    return status;
}
