/*
 * People and their tools (tccpctl): requests and answers over an admin connection. Reads are
 * answered from the state after it was confirmed that this member still leads; changes become
 * commands, and are answered after their commit.
 */
#ifndef TCCP_TCD_ADMIN_SERVER_H
#define TCCP_TCD_ADMIN_SERVER_H

#include "tcd/api_server.h"

/* A session for a connection of the local socket, or whose application protocol is ALPN_ADMIN; NULL
 * when memory runs out. */
struct api_session *admin_session_new(struct tcd *tcd, struct connection *connection,
                                      const struct connection_peer *peer);

#endif
