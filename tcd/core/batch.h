/*
 * Batches: one entry of the raft log, many commands. A batch carries the revision and digest of the
 * state in which it was made; a member whose state differs there must halt.
 */
#ifndef TCCP_CORE_BATCH_H
#define TCCP_CORE_BATCH_H

#include "lib/base/sha256.h"
#include "tcd/core/limits.h"

enum { BATCH_FORMAT = 1 };

/* The commands are views of each command's bytes, for command_decode(). */
struct batch {
    uint64_t base_revision;
    struct digest base_digest;
    size_t command_count;
    struct view *commands;
    void *message;
};

/*
 * Parses a batch that owns what it points to; batch_free() it. Bytes of zeros may follow the
 * message: raft wants entries in multiples of 8 bytes, so the entry begins with the message's size
 * (u32, big-endian). STATUS_UNSUPPORTED for another format; STATUS_TOO_LARGE, STATUS_MALFORMED,
 * STATUS_NO_MEMORY.
 */
WARN_UNUSED enum status batch_decode(struct view entry, struct batch **ret_batch);
void batch_free(struct batch *batch);
DEFINE_OWN_POINTER(batch, batch_free)

/* The bytes of an entry, padded to a multiple of 8. STATUS_TOO_LARGE above BATCH_SIZE_MAX. */
WARN_UNUSED enum status batch_encode(const struct batch *batch, struct bytes *ret_entry);

#endif
