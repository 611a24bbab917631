/*
 * The keys of one migration between two nodes (docs/PROTOCOL.md, section 5 and 10).
 *
 * Source and destination have a TLS connection with each other, each by its TK, checked against the
 * ticket. K_S is the exporter value of that connection (RFC 8446, section 7.5) with H(ticket) as
 * context: another connection or another ticket is another session. From K_S come the session's id,
 * which both report, and for every channel and direction a pre-shared key, and the token by which
 * the destination knows whom to give its socket to.
 */
#ifndef TCCP_PROTOCOL_MIGRATION_SESSION_H
#define TCCP_PROTOCOL_MIGRATION_SESSION_H

#include "lib/base/canonical.h"
#include "lib/base/secret.h"

/* The session's application protocol. */
#define MIGRATION_ALPN "tccp-migration/1"
/* K_S = exporter(label, context = H(ticket), MIGRATION_SECRET_SIZE bytes). */
#define MIGRATION_EXPORTER_LABEL "EXPORTER-tccp-migration"
enum {
    MIGRATION_SECRET_SIZE = 32,
    MIGRATION_PSK_SIZE = 32,
};

/* How a channel begins, in the clear: so many bytes that no TLS record begins with, then its token.
 */
#define MIGRATION_CHANNEL_MAGIC "TCCP"
enum {
    MIGRATION_CHANNEL_MAGIC_SIZE = 4,
    MIGRATION_CHANNEL_GREETING_SIZE = MIGRATION_CHANNEL_MAGIC_SIZE + SHA256_SIZE,
};

enum migration_channel { CHANNEL_MEMORY, CHANNEL_DISK, CHANNEL_TPM };
enum migration_direction { DIRECTION_TO_DESTINATION, DIRECTION_TO_SOURCE };

/* secret: K_S, of its size. Public: both sides report it, and the coordinator's decision names it.
 */
struct digest migration_session_id(const struct scope *scope, struct view secret);

/* The key of one channel in the direction in which its state flows. */
WARN_UNUSED enum status migration_channel_key(const struct scope *scope, struct view secret,
                                              enum migration_channel channel,
                                              enum migration_direction direction,
                                              struct secret *ret_key);
/*
 * The token of one channel. It shows that who connects was told by the other end of the session,
 * and no more: the network sees it. What the channel carries is protected by its key, of which the
 * token says nothing.
 */
void migration_channel_token(const struct scope *scope, struct view secret,
                             enum migration_channel channel, enum migration_direction direction,
                             struct digest *ret_token);

#endif
