/*
 * The node's only inbound port: for migrations to this node (docs/PROTOCOL.md, section 5).
 *
 * Sessions of other agents come here (TLS), and the channels of their QEMUs (a magic and a token,
 * then QEMU's own bytes); the first byte tells them apart. Who connects is a stranger until a
 * migration_link that is waiting recognises it. A stranger has MIGRATION_STRANGER_TIMEOUT_MS; when
 * there are too many, the oldest has to go, so that nobody keeps others out by holding on.
 */
#ifndef TCCP_NODEAGENT_MIGRATION_PORT_H
#define TCCP_NODEAGENT_MIGRATION_PORT_H

#include "lib/crypto/keys.h"
#include "lib/net/connection.h"
#include "lib/protocol/migration_hello.h"

struct migration_port;

enum {
    MIGRATION_STRANGER_MAX = 64,          /* at once; one more costs the oldest its place */
    MIGRATION_STRANGER_TIMEOUT_MS = 5000, /* from the first moment until it is recognised */
    MIGRATION_EXPECTED_MAX = 64,          /* links that wait at once */
};

/* address: host:port; port 0 takes a free one. STATUS_MALFORMED: the address; STATUS_EXISTS: it is
 * in use; STATUS_DENIED, STATUS_IO. ret_error (LISTENER_ERROR_SIZE characters) says in one line
 * what happened. */
WARN_UNUSED enum status migration_port_open(struct uv_loop_s *loop, const char *address,
                                            struct migration_port **ret_port, char *ret_error);
/* The port that is listened on. */
uint16_t migration_port_number(const struct migration_port *port);
/*
 * The node has a new registration: sessions are shown its certificate from now on. Links that wait
 * fail, for their tickets name the one before; those that are ready go on. An empty certificate
 * (and NULL): there is no registration, and no session is taken. On failure it is the same.
 */
WARN_UNUSED enum status migration_port_set_identity(struct migration_port *port,
                                                    struct view certificate,
                                                    const struct private_key *tk_sign);
/* Links that wait fail; those that are ready go on. NULL is ignored. */
void migration_port_close(struct migration_port *port);

/* --- for migration_link.c --- */

/* One who waits for a session, and then for a channel. */
struct migration_expected {
    uint64_t migration;
    /* Whether this may be the other end. */
    enum status (*verify)(void *argument, struct view certificate, struct refusal *ret_refusal);
    /* The other end of it is there, checked by verify, and said this. The callee takes the
     * connection over (connection_hand_over). */
    void (*on_session)(void *argument, struct connection *connection,
                       const struct migration_hello *hello);
    /* A channel with the token, ready for QEMU (see migration_channel_prepare()). The descriptor is
     * the callee's. */
    void (*on_channel)(void *argument, int fd);
    /* The port does not wait for it any more, and has forgotten it. */
    void (*on_dropped)(void *argument, const char *reason);
    void *argument;

    bool has_session; /* no second one is taken; set by the port, cleared by the owner */
    bool has_token;   /* set by the owner, cleared by the port: a token serves once */
    struct digest token;
    struct migration_expected *next; /* of the port */
};

/* The public key of the identity, SubjectPublicKeyInfo; empty while there is none. */
struct view migration_port_key(const struct migration_port *port);
/* STATUS_EXISTS: this migration is waited for already; STATUS_BUSY: too many are. */
WARN_UNUSED enum status migration_port_expect(struct migration_port *port,
                                              struct migration_expected *expected);
/* One that it waits for, not from inside on_dropped. */
void migration_port_forget(struct migration_port *port, struct migration_expected *expected);

/* Makes a connected TCP socket what QEMU expects of one: blocking, without delays. */
WARN_UNUSED enum status migration_channel_prepare(int fd);

#endif
