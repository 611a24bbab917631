/*
 * Nodes and joining members: their connections, registrations and renewals (docs/PROTOCOL.md,
 * section 3).
 *
 * The decisions are made in lib/protocol and tcd/core; here each connection has a session that
 * brings one step's result to the next: worker threads check, the TPM quotes, the replica commits.
 * A session has one thing under way at a time; a peer that speaks out of turn is refused.
 */
#ifndef TCCP_TCD_NODE_SERVER_H
#define TCCP_TCD_NODE_SERVER_H

#include "tcd/api_server.h"

#include "proto/node.pb-c.h"

struct node_server;

WARN_UNUSED enum status node_server_new(struct tcd *tcd, struct node_server **ret_server);
/* After the API's connections and the workers were closed. */
void node_server_free(struct node_server *server);

/* A session for a connection whose application protocol is ALPN_NODE; NULL when memory runs out. */
struct api_session *node_session_new(struct node_server *server, struct connection *connection,
                                     const struct connection_peer *peer);

/* The leadership was won or lost: a member that does not lead sends its sessions to the one that
 * does. */
void node_server_leadership(struct node_server *server, bool leads);
/* A command was applied: what the sessions have to know of it. */
void node_server_applied(struct node_server *server, const struct command *command,
                         const struct outcome *outcome);
/* Every few hundred milliseconds, on every member: ends the connections of those who did not
 * register in time, whatever they sent meanwhile. now_ms: time_boot_ms(). */
void node_server_expire(struct node_server *server, uint64_t now_ms);
/* Every few hundred milliseconds, on the leader: renewals that are due. now_ms: time_boot_ms(). */
void node_server_tick(struct node_server *server, uint64_t now_ms);

/* Has the node of this registration a connection to this member? */
bool node_server_reaches(const struct node_server *server, uint64_t registration_id);
/* Sends a message to the node of this registration. STATUS_NOT_FOUND while it has no connection to
 * this member. */
WARN_UNUSED enum status node_server_send(struct node_server *server, uint64_t registration_id,
                                         Tccp__NodeMessageKind kind, struct view payload);

#endif
