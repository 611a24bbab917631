/* Shared by connection.c (frames and bytes), connection_end.c (closing), listener.c and dial.c. */
#ifndef TCCP_NET_CONNECTION_INTERNAL_H
#define TCCP_NET_CONNECTION_INTERNAL_H

#include "lib/net/connection.h"

#include <uv.h>

enum connection_phase {
    PHASE_CONNECTING, /* dialing: name, TCP */
    PHASE_HANDSHAKE,
    PHASE_OPEN,
    PHASE_CLOSING, /* sends what is left, reads and discards */
    PHASE_GONE,    /* handles are being closed */
};

struct dial;

struct connection {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } socket;
    uv_timer_t timer; /* handshake, idle or close, by phase */
    uv_idle_t work;   /* runs before the loop's next wait while there is something to do */
    unsigned handles_open;
    unsigned references;

    enum connection_phase phase;
    struct connection_limits limits;
    struct connection_callbacks callbacks;
    void *argument;
    struct listener *listener;          /* NULL: dialed */
    struct connection *next, *previous; /* of the listener */
    struct connection *waiting_next;    /* of those whose handshake waits for its turn */
    struct dial *dial;                  /* while connecting */

    struct tls *tls; /* NULL: unix socket */
    struct frame_decoder decoder;
    struct bytes plain; /* frames that wait to be encrypted */
    size_t plain_capacity;
    size_t writing_size; /* bytes handed to libuv and not written yet */
    unsigned pauses;
    bool is_reading, is_congested, was_congested, is_shut_down, has_eof, is_new, is_reported,
        is_waiting;
    size_t turn_size;  /* read since its last turn */
    uint64_t heard_ms; /* uv_now() of the last byte from the peer */

    struct connection_peer peer;
    char *peer_address;
    enum status reason;
    char *detail;
};

struct listener {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } socket;
    uv_loop_t *loop;
    struct tls_context *tls;
    unsigned connection_max, connection_count, handles_open;
    struct connection_limits limits;
    struct connection_callbacks callbacks;
    void *argument;
    void (*on_socket)(void *argument, int fd);
    struct connection *connections;
    uv_idle_t turn; /* runs while handshakes wait */
    struct connection *waiting_first, **waiting_end;
    struct address address;
    uint64_t full_logged_ms;
    bool is_closing;
    void (*on_closed)(void *argument);
    void *on_closed_argument;
};

/* A connection with its handles, not connected yet. */
WARN_UNUSED enum status connection_new(uv_loop_t *loop, bool is_unix,
                                       const struct connection_limits *limits,
                                       const struct connection_callbacks *callbacks, void *argument,
                                       struct connection **ret_connection);
/* The socket is connected: begin the handshake, or open at once on a unix socket. */
void connection_start(struct connection *connection);
/* Ask for a turn of connection_work() before the loop waits again. */
void connection_schedule(struct connection *connection);
/* Sends what waits, as far as the socket takes it. */
void connection_flush(struct connection *connection);

/* Sends what is queued, then ends for this reason. The first reason counts. */
PRINTF_LIKE(3, 4)
void connection_end(struct connection *connection, enum status reason, const char *format, ...);
/* Ends at once. */
PRINTF_LIKE(3, 4)
void connection_drop(struct connection *connection, enum status reason, const char *format, ...);
/* In PHASE_CLOSING: takes the next step towards the end, as far as one is possible now. */
void connection_end_advance(struct connection *connection);
/* The callback of every uv_close() on a connection's handles, and of a finished resolution. */
void connection_handle_closed(uv_handle_t *handle);
void connection_part_done(struct connection *connection);

/* An accepted connection's handshake has something to go on with: connection_handshake() is called
 * when it is its turn. */
void listener_wait_turn(struct listener *listener, struct connection *connection);
void connection_handshake(struct connection *connection);
/* The listener forgets a connection. */
void listener_forget(struct listener *listener, struct connection *connection);
void dial_free(struct dial *dial);
/* Stops what a dial still does. */
void dial_cancel(struct connection *connection);

#endif
