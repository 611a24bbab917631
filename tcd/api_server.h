/*
 * The member's ports: the API over mutual TLS for nodes and users, and the local socket for the
 * machine's own administrator. Which protocol a connection speaks is agreed on in its handshake
 * (ALPN); each has its own sessions.
 */
#ifndef TCCP_TCD_API_SERVER_H
#define TCCP_TCD_API_SERVER_H

#include "lib/net/connection.h"
#include "tcd/tcd.h"

/* The head of every session: what a connection of the API does with its frames. */
struct api_session {
    void (*on_frame)(struct api_session *session, struct view frame);
    /* The last call; the session frees itself. */
    void (*on_close)(struct api_session *session, enum status reason, const char *detail);
};

struct api_server;

/* Opens the local socket. *ret_refusal's detail says what failed. */
WARN_UNUSED enum status api_server_new(struct tcd *tcd, struct api_server **ret_server,
                                       struct refusal *ret_refusal);
/* Opens the API port, with tcd->credentials; called again it only takes the new credentials over.
 */
WARN_UNUSED enum status api_server_listen(struct api_server *server, struct refusal *ret_refusal);
/* Closes ports and connections, then calls on_closed and frees itself. */
void api_server_close(struct api_server *server, void (*on_closed)(void *argument), void *argument);

#endif
