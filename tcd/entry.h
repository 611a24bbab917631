/*
 * PURE. An entry of the replicated log: commands that were proposed together, who proposed them,
 * and the state on which they were proposed.
 *
 *     u32 format (1) | u64 raft id of the proposer | u64 incarnation | u64 number
 *     | u64 revision | digest (32) | u32 count | count times { u32 size | bytes } | zeros
 *
 * The zeros fill up to a multiple of 8 bytes, as libraft wants it. Logs keep for ever: the format
 * number changes with anything here.
 */
#ifndef TCCP_TCD_ENTRY_H
#define TCCP_TCD_ENTRY_H

#include "lib/base/sha256.h"

enum {
    ENTRY_FORMAT = 1,
    ENTRY_HEADER_SIZE = 4 + 8 + 8 + 8 + 8 + SHA256_SIZE + 4,
    ENTRY_COMMAND_HEADER_SIZE = 4,
    ENTRY_ALIGNMENT = 8,
    ENTRY_COMMAND_MAX = 65536,
    /* Bytes. A command of 1 MiB fits in any case. */
    ENTRY_SIZE_MAX = 1024 * 1024 + 16 * 1024,
};

struct entry_header {
    uint64_t raft_id;
    uint64_t incarnation; /* random at every start of the proposer */
    uint64_t number;      /* counts the proposer's entries since its start */
    uint64_t revision;    /* of the state before this entry */
    struct digest digest;
    uint32_t count; /* commands: 1 to ENTRY_COMMAND_MAX */
};

/* Bytes of an entry that holds `count` commands of `size` bytes in all. */
size_t entry_size(size_t count, size_t size);

/* Writing into a buffer of entry_size() bytes: the header, each command, the end. Returns the place
 * for what follows. */
uint8_t *entry_write_header(uint8_t *at, const struct entry_header *header);
uint8_t *entry_write_command(uint8_t *at, struct view command);
void entry_write_end(uint8_t *at, uint8_t *end);

/*
 * Checks all of the entry and reads its header. *ret_commands stands before the first command;
 * `header.count` times entry_read_command() cannot fail. STATUS_UNSUPPORTED: another format;
 * STATUS_MALFORMED; STATUS_TOO_LARGE.
 */
WARN_UNUSED enum status entry_read(struct view entry, struct entry_header *ret_header,
                                   struct reader *ret_commands);
struct view entry_read_command(struct reader *commands);

#endif
