/*
 * Connections that carry frames, on a libuv loop: TLS 1.3 over TCP, or a unix socket without TLS
 * for the machine's own administrator.
 *
 * Every function is called on the loop's thread. Callbacks never run inside a call of this header;
 * on_close is the last one and runs exactly once. What is sent during one turn of the loop leaves
 * in as few records and system calls as possible.
 */
#ifndef TCCP_NET_CONNECTION_H
#define TCCP_NET_CONNECTION_H

#include "lib/net/address.h"
#include "lib/net/frame.h"
#include "lib/net/tls.h"

#include <sys/types.h>

struct uv_loop_s;
struct connection;
struct listener;

/* Milliseconds and bytes; a field left 0 gets the default. */
struct connection_limits {
    unsigned handshake_timeout_ms; /* 5,000: from accept or dial to on_open */
    unsigned idle_timeout_ms;      /* 120,000 without a byte from the peer; UINT_MAX: never */
    unsigned user_timeout_ms;      /* 15,000: TCP_USER_TIMEOUT, unacknowledged data */
    unsigned close_timeout_ms;     /* 2,000: to flush what was queued when closing */
    size_t queue_high, queue_low;  /* 1 MiB, 256 KiB: see connection_send() */
    size_t queue_max;              /* 16 MiB: more that the peer does not read closes it */
    size_t frame_size_max;         /* FRAME_SIZE_MAX_BEFORE_AUTHENTICATION */
};

struct connection_peer {
    const char *address;     /* text of host and port, or "unix" */
    const char *alpn;        /* "" on a unix socket */
    struct view certificate; /* the peer's leaf, DER; empty when it showed none */
    bool is_local;           /* a unix socket; then: */
    uid_t uid;
    pid_t pid;
};

struct connection_callbacks {
    /* Handshake done. The place to set the argument of a connection that was accepted, and to
     * raise the frame limit of a peer that has shown enough. */
    void (*on_open)(struct connection *connection, void *argument,
                    const struct connection_peer *peer);
    /* The view ends with the call. */
    void (*on_frame)(struct connection *connection, void *argument, struct view frame);
    /* The queue went from above queue_high to below queue_low. May be NULL. */
    void (*on_drain)(struct connection *connection, void *argument);
    /*
     * Gone. STATUS_OK: closed by connection_close(); STATUS_CLOSED: by the peer, in order;
     * STATUS_IO: the network; STATUS_TIMEOUT: handshake, idle or user timeout; STATUS_REFUSED,
     * STATUS_UNTRUSTED: the TLS handshake; STATUS_TOO_LARGE, STATUS_MALFORMED: a frame;
     * STATUS_BUSY: the peer does not read. `detail` is a sentence. Called for every dialed
     * connection, and for those accepted ones whose on_open was called.
     */
    void (*on_close)(struct connection *connection, void *argument, enum status reason,
                     const char *detail);
};

/* --- listening --- */

struct listener_config {
    struct uv_loop_s *loop;
    const char *address;     /* see address.h; port 0 takes a free one */
    struct tls_context *tls; /* required for TCP, NULL for a unix socket */
    unsigned unix_mode;      /* permission bits of the unix socket; 0: 0600 */
    unsigned connection_max; /* at once, handshakes included; 0: 1,024 */
    struct connection_limits limits;
    struct connection_callbacks callbacks;
    void *argument;
    /* Not NULL: no connections are made; each accepted socket is handed over as it is (not
     * blocking, closed on exec), and is the callee's. Neither tls nor limits count then. */
    void (*on_socket)(void *argument, int fd);
};

enum { LISTENER_ERROR_SIZE = 512 };

/* STATUS_MALFORMED: the address; STATUS_EXISTS: it is in use; STATUS_DENIED, STATUS_IO. ret_error
 * (LISTENER_ERROR_SIZE characters, or NULL) says in one line what happened. */
WARN_UNUSED enum status listener_open(const struct listener_config *config,
                                      struct listener **ret_listener, char *ret_error);
/* The port that is listened on. */
uint16_t listener_port(const struct listener *listener);
unsigned listener_connection_count(const struct listener *listener);
/* For connections accepted from now on. */
void listener_set_tls(struct listener *listener, struct tls_context *tls);
/* Stops listening, closes its connections (their on_close runs), then frees itself and calls
 * on_closed (may be NULL). */
void listener_close(struct listener *listener, void (*on_closed)(void *argument), void *argument);

/* --- dialing --- */

struct dial_config {
    struct uv_loop_s *loop;
    const char *address;
    struct tls_context *tls; /* NULL for a unix socket only */
    /* NULL: the context's own. For this connection only otherwise, with verify_argument. */
    tls_verify verify;
    void *verify_argument;
    struct connection_limits limits;
    struct connection_callbacks callbacks;
    void *argument;
};

/* Starts to connect, resolving names first; on_open or on_close follows. */
WARN_UNUSED enum status connection_dial(const struct dial_config *config,
                                        struct connection **ret_connection);

/* --- adopting --- */

struct adopt_config {
    struct uv_loop_s *loop;
    int fd;                  /* a TCP socket that was accepted; nothing was read from it yet */
    struct tls_context *tls; /* a server's */
    struct connection_limits limits;
    struct connection_callbacks callbacks;
    void *argument;
};

/* Makes a connection of a socket that a listener's on_socket was given; on_open or on_close
 * follows. Unless it says STATUS_OK, the socket stays the caller's. */
WARN_UNUSED enum status connection_adopt(const struct adopt_config *config,
                                         struct connection **ret_connection);

/* --- all --- */

void connection_set_argument(struct connection *connection, void *argument);
/* Another owner: from now on its callbacks run in the place of those before, except for an on_open
 * that has run. */
void connection_hand_over(struct connection *connection,
                          const struct connection_callbacks *callbacks, void *argument);
/* No callback runs any more: for an owner that goes away before its connection. Close or abort it
 * then. */
void connection_disown(struct connection *connection);
void connection_set_frame_size_max(struct connection *connection, size_t size_max);
/* Milliseconds; UINT_MAX: never. */
void connection_set_idle_timeout(struct connection *connection, unsigned timeout_ms);
/* NULL on a unix socket. For tls_exporter() and tls_own_certificate(). */
const struct tls *connection_tls(const struct connection *connection);
const struct connection_peer *connection_peer(const struct connection *connection);

/*
 * Queues one frame of 1 to FRAME_SIZE_MAX bytes (it is copied). STATUS_CLOSED when the connection
 * is closing or gone; STATUS_BUSY when queue_max is reached: the connection is closed then.
 *
 * While more than queue_high bytes wait, nothing is read from the peer: who does not take answers
 * cannot ask. Who sends on its own account looks at connection_is_congested() and waits for
 * on_drain.
 */
WARN_UNUSED enum status connection_send(struct connection *connection, struct view content);
bool connection_is_congested(const struct connection *connection);

/* Stops and resumes the delivery of frames (and the reading behind it). Pauses count. */
void connection_pause(struct connection *connection);
void connection_resume(struct connection *connection);

/* Sends what is queued, says goodbye and closes; on_close follows with STATUS_OK. Idempotent. */
void connection_close(struct connection *connection);
/* The same at once, with what is queued thrown away, and the given reason. */
void connection_abort(struct connection *connection, enum status reason, const char *detail);

/* The memory of a connection outlives on_close while it is held: for answers that come later.
 * connection_send() then says STATUS_CLOSED. */
struct connection *connection_hold(struct connection *connection);
void connection_release(struct connection *connection);

#endif
