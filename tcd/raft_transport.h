/*
 * How members of the replicated log talk to each other: libraft's transport over mutual TLS 1.3
 * (ALPN "tccp-raft/1"). Each direction between two members is a connection of its own, made by the
 * sender. Whose certificate a connection shows is asked of the caller; a connection whose
 * certificate names another member than the one that was dialed is closed.
 */
#ifndef TCCP_TCD_RAFT_TRANSPORT_H
#define TCCP_TCD_RAFT_TRANSPORT_H

#include "lib/net/tls.h"
#include "tcd/replica.h"

struct raft_uv_transport;
struct raft_transport;

struct raft_transport_config {
    struct uv_loop_s *loop;
    const char *listen_address; /* NULL: the address that raft announces */
    struct tls_context *server_tls, *client_tls;
    replica_identify identify;
    void *identify_argument;
};

WARN_UNUSED enum status raft_transport_new(const struct raft_transport_config *config,
                                           struct raft_transport **ret_transport);
/* After libraft has closed it. */
void raft_transport_free(struct raft_transport *transport);
/* For raft_uv_init(). */
struct raft_uv_transport *raft_transport_interface(struct raft_transport *transport);
/* Why listening failed: a status and one line of text; STATUS_OK when it did not. */
enum status raft_transport_error(const struct raft_transport *transport, const char **ret_text);
void raft_transport_set_tls(struct raft_transport *transport, struct tls_context *server_tls,
                            struct tls_context *client_tls);
/* Drops the connections with this member. */
void raft_transport_drop(struct raft_transport *transport, uint64_t raft_id);

#endif
