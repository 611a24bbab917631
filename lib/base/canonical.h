/*
 * Canonical inputs: the exact bytes that are signed, sealed, MACed or quoted (docs/PROTOCOL.md,
 * "What exactly is signed"). Every one begins with its tag, the perimeter and the epoch, so that no
 * signature made for one purpose, perimeter or epoch can serve another:
 *
 *     u32 len(tag) | tag | perimeter_id (32) | epoch (u64) | field | field | ...
 *
 * Every field is length-prefixed (u32), those of a fixed size too; a number is a field of 8 bytes.
 * Integers are big-endian. Hashes are over bytes as received, never over a message that was parsed
 * and serialised again.
 */
#ifndef TCCP_BASE_CANONICAL_H
#define TCCP_BASE_CANONICAL_H

#include "lib/base/sha256.h"

enum { CANONICAL_SIZE_MAX = 64 * 1024 };

/* What every canonical input is bound to. */
struct scope {
    struct digest perimeter_id;
    uint64_t epoch; /* 0 for documents that stand above epochs: root, succession. */
};

struct canonical {
    struct writer writer;
};

/* Begin with the tag, e.g. "tccp-node-evidence"; then add the fields in the documented order. */
struct canonical canonical_begin(const char *tag, const struct scope *scope);
void canonical_field(struct canonical *canonical, struct view field);
void canonical_digest(struct canonical *canonical, const struct digest *digest);
void canonical_number(struct canonical *canonical, uint64_t number);

/* Ends the input: its bytes, or their SHA-256. A field too large for CANONICAL_SIZE_MAX is our own
 * mistake. */
WARN_UNUSED enum status canonical_take(struct canonical *canonical, struct bytes *ret_bytes);
struct digest canonical_hash(struct canonical *canonical);

#endif
