/*
 * The client's side of finding the coordinator: given the addresses of some members it keeps one
 * connection to one of them, follows "I do not lead, ask that one", and comes back after failures
 * with backoff and jitter.
 *
 * It moves frames and knows no message: whoever uses it sends its outstanding requests (again) in
 * on_open, and says client_redirect() when an answer names another member.
 */
#ifndef TCCP_NET_CLIENT_H
#define TCCP_NET_CLIENT_H

#include "lib/net/connection.h"

enum {
    CLIENT_ADDRESS_MAX = 16,
    CLIENT_REDIRECT_MAX = 8, /* in a row, without client_confirm() between, before it backs off */
};

struct client;

struct client_callbacks {
    /* A connection is open. */
    void (*on_open)(struct client *client, void *argument, const struct connection_peer *peer);
    void (*on_frame)(struct client *client, void *argument, struct view frame);
    /* The connection or the attempt failed; what was asked and not answered has an unknown
     * outcome. The client goes on by itself unless `is_final`: attempt_max was reached. `detail`
     * names address and reason. */
    void (*on_failure)(struct client *client, void *argument, enum status reason,
                       const char *detail, bool is_final);
    /* As a connection's. May be NULL. */
    void (*on_drain)(struct client *client, void *argument);
};

struct client_config {
    struct uv_loop_s *loop;
    const char *const *addresses; /* 1 to CLIENT_ADDRESS_MAX, copied */
    size_t address_count;
    struct tls_context *tls; /* NULL when all addresses are unix sockets */
    tls_verify verify;       /* NULL: the context's own */
    void *verify_argument;
    struct connection_limits limits;
    unsigned backoff_base_ms, backoff_max_ms; /* 0: 50, 5,000; applies once all addresses failed */
    unsigned attempt_max;                     /* failures in a row before giving up; 0: never */
    struct client_callbacks callbacks;
    void *argument;
};

/* STATUS_MALFORMED when an address is. The first attempt starts at once, at a random address so
 * that many clients spread. */
WARN_UNUSED enum status client_open(const struct client_config *config, struct client **ret_client);
/* The connection, while one is open; NULL otherwise. */
struct connection *client_connection(const struct client *client);
/* The address tried or connected to now. */
const char *client_address(const struct client *client);
/* As connection_send(); STATUS_NOT_READY while no connection is open. */
WARN_UNUSED enum status client_send(struct client *client, struct view content);
/*
 * The peer does not lead. With an address (host:port, which need not be among the configured
 * ones): goes there at once; with "" or NULL: nobody leads now, tries the next one after a pause.
 * on_failure is not called. STATUS_MALFORMED, and the next one is tried, when the address is not
 * one.
 */
enum status client_redirect(struct client *client, const char *address);
/* The peer serves us: forget the failures so far. */
void client_confirm(struct client *client);
/*
 * For clients of which there are very many: after the loss of a connection that served us, or its
 * redirection, the next attempt waits for a random part of this long, so that they do not come back
 * together. 0, the default: none.
 */
void client_set_spread(struct client *client, unsigned spread_ms);
/* Makes no new connection, and goes on where it was. One that is open stays. Idempotent. */
void client_pause(struct client *client);
void client_resume(struct client *client);
/* From the next connection on. */
void client_set_tls(struct client *client, struct tls_context *tls);
/* Ends everything without further callbacks; memory is freed by the loop's next turns. */
void client_close(struct client *client);

#endif
