/*
 * MigrationHello: the only message on the session between two node agents, from the source, and
 * back as the answer (docs/PROTOCOL.md, section 5). That both name one session shows that both have
 * the same connection and the same ticket.
 */
#ifndef TCCP_PROTOCOL_MIGRATION_HELLO_H
#define TCCP_PROTOCOL_MIGRATION_HELLO_H

#include "lib/base/sha256.h"

enum { MIGRATION_HELLO_SIZE_MAX = 1 + 10 + 2 + SHA256_SIZE };

struct migration_hello {
    uint64_t migration;    /* not 0 */
    struct digest session; /* migration_session_id(), not zeroes; compare it in constant time */
};

/* The one encoding of it, at most MIGRATION_HELLO_SIZE_MAX bytes. */
WARN_UNUSED enum status migration_hello_pack(const struct migration_hello *hello,
                                             struct bytes *ret_bytes);
/* STATUS_MALFORMED unless migration_hello_pack() would have written these bytes. */
WARN_UNUSED enum status migration_hello_parse(struct view bytes, struct migration_hello *ret_hello);

#endif
