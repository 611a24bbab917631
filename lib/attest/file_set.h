/*
 * The files that a host may run or read, as a reference set: 40 bytes a file, no pointers, named by
 * the SHA-256 of its bytes, searched where it lies. Pure.
 *
 *     "tccp-files" 00 00 00 00 00 01 (16) | count (u64) | count * { path (8) | digest (32) }
 *
 * path is the first 8 bytes of SHA-256(path); entries are sorted and each is there once, so a set
 * of files has exactly one form. Eight bytes are enough: a path is not what is protected, and to
 * run an allowed file under a path that collides takes 2^64 tries and gains nothing.
 */
#ifndef TCCP_ATTEST_FILE_SET_H
#define TCCP_ATTEST_FILE_SET_H

#include "lib/base/sha256.h"

enum { FILE_SET_COUNT_MAX = 1 << 20, FILE_SET_ENTRY_SIZE = 40, FILE_SET_HEADER_SIZE = 24 };
#define FILE_SET_SIZE_MAX                                                                          \
    ((size_t)FILE_SET_HEADER_SIZE + (size_t)FILE_SET_COUNT_MAX * FILE_SET_ENTRY_SIZE)

/* A set that lies in somebody else's memory. */
struct file_set {
    const uint8_t *entries;
    size_t count;
};
/* Checks the form in full, once. STATUS_MALFORMED, STATUS_TOO_LARGE. */
WARN_UNUSED enum status file_set_open(struct view view, struct file_set *ret_set);

enum file_verdict {
    FILE_ALLOWED,
    FILE_CHANGED, /* the path is known, with other digests */
    FILE_UNKNOWN, /* no file of that path is known */
};
/* ret_known, which may be NULL: with FILE_CHANGED, a digest that the path may have. An empty set
 * knows nothing. */
enum file_verdict file_set_find(const struct file_set *set, struct view path,
                                const struct digest *digest, struct digest *ret_known);

/* For making one. Start from all zeroes; files may come in any order and more than once. */
struct file_set_builder {
    size_t count, capacity;
    uint8_t *entries; /* owned */
};
void file_set_builder_free(struct file_set_builder *builder);
DEFINE_OWN_VALUE(file_set_builder, file_set_builder_free)
WARN_UNUSED enum status file_set_builder_add(struct file_set_builder *builder, struct view path,
                                             const struct digest *digest);
/* The set's bytes, which the caller frees. Empties the builder. */
WARN_UNUSED enum status file_set_builder_take(struct file_set_builder *builder,
                                              struct bytes *ret_bytes);

#endif
