/*
 * The connection between two node agents for one migration, on either side (docs/PROTOCOL.md,
 * section 5): a session under both TKs, checked against the ticket, from which both come to one
 * K_S; and the memory channel, a socket for QEMU.
 *
 *     source: dialing --> hello said --> channel dialed --> ready
 *     destination: expecting --> hello answered --> ready
 *
 * Until it is ready, a connection that fails costs nothing: the source dials again, the destination
 * waits again, as long as the ticket lives. What fails for good is said once.
 */
#ifndef TCCP_NODEAGENT_MIGRATION_LINK_H
#define TCCP_NODEAGENT_MIGRATION_LINK_H

#include "lib/protocol/migration_ticket.h"
#include "nodeagent/migration_port.h"

struct migration_link;

/* At most one on_ready, then at most one on_failed, never from inside a call of this header. Both
 * may close the link. */
struct migration_link_callbacks {
    /*
     * Both sides have K_S and a socket. channel_fd: connected, blocking, close-on-exec; the
     * callee's own. secret: K_S, valid for the call. session: migration_session_id().
     * From now on the session only shows that the other agent lives.
     */
    void (*on_ready)(void *argument, int channel_fd, struct view secret,
                     const struct digest *session);
    /* Before on_ready: the ticket's time is over, or this node's registration. After it: the other
     * agent is gone, at once if it ended, within half a minute if its host vanished. reason: a
     * sentence. */
    void (*on_failed)(void *argument, const char *reason);
};

struct migration_link_config {
    struct uv_loop_s *loop;
    const struct migration_ticket *ticket; /* that was checked for this side; copied */
    uint64_t received_ms; /* CLOCK_BOOTTIME: from here on the ticket's lifetime counts */
    struct scope scope;
    struct view tc_sign; /* the endorsed key, SubjectPublicKeyInfo; copied */
    /* Source only: the own TK. Copied. */
    struct view certificate;
    const struct private_key *tk_sign;
    struct migration_link_callbacks callbacks;
    void *argument;
};

/* As the destination. STATUS_CONFLICT: the port's identity is not the ticket's; STATUS_EXISTS: the
 * migration is expected already; STATUS_BUSY: MIGRATION_EXPECTED_MAX are; STATUS_MALFORMED:
 * tc_sign.
 */
WARN_UNUSED enum status migration_link_expect(struct migration_port *port,
                                              const struct migration_link_config *config,
                                              struct migration_link **ret_link);
/* As the source. address: text from outside, host:port of the destination's port. STATUS_MALFORMED:
 * it is not, or tc_sign; STATUS_CONFLICT: tk_sign is not the ticket's; STATUS_CRYPTO: the
 * certificate is not that key's. */
WARN_UNUSED enum status migration_link_dial(const struct migration_link_config *config,
                                            const char *address, struct migration_link **ret_link);
/* Ends the session, and wipes K_S. No callback comes any more. NULL is ignored. */
void migration_link_close(struct migration_link *link);

#endif
