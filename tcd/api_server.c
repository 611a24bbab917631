#include "tcd/api_server.h"

#include "lib/base/log.h"
#include "tcd/admin_server.h"
#include "tcd/node_server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { API_CONNECTION_MAX = 16384, LOCAL_CONNECTION_MAX = 64 };

struct api_server {
    struct tcd *tcd;
    struct listener *local, *api;
    unsigned listeners_open;
    void (*on_closed)(void *argument);
    void *argument;
};

static void on_open(struct connection *connection, void *argument,
                    const struct connection_peer *peer)
{
    struct api_server *server = argument;
    struct api_session *session = NULL;

    if (peer->is_local || strcmp(peer->alpn, ALPN_ADMIN) == 0) {
        session = admin_session_new(server->tcd, connection, peer);
    } else {
        session = node_session_new(server->tcd->node_server, connection, peer);
    }
    connection_set_argument(connection, session);
    if (!session) {
        connection_abort(connection, STATUS_NO_MEMORY, "no memory for a session");
    }
}

static void on_frame(struct connection *connection, void *argument, struct view frame)
{
    struct api_session *session = argument;

    (void)connection;
    session->on_frame(session, frame);
}

static void on_close(struct connection *connection, void *argument, enum status reason,
                     const char *detail)
{
    struct api_session *session = argument;

    (void)connection;
    if (session) {
        session->on_close(session, reason, detail);
    }
}

static const struct connection_callbacks callbacks = {
    .on_open = on_open,
    .on_frame = on_frame,
    .on_close = on_close,
};

enum status api_server_new(struct tcd *tcd, struct api_server **ret_server,
                           struct refusal *ret_refusal)
{
    struct api_server *server = calloc(1, sizeof *server);
    char address[512], error[LISTENER_ERROR_SIZE] = "";
    enum status status;

    if (!server) {
        return STATUS_NO_MEMORY;
    }
    server->tcd = tcd;
    (void)snprintf(address, sizeof address, "unix:%s", tcd->config.admin_socket);
    status = listener_open(
        &(struct listener_config){
            .loop = tcd->loop,
            .address = address,
            .unix_mode = 0660,
            .connection_max = LOCAL_CONNECTION_MAX,
            /* Only the service's group can open it: the socket's mode is the authentication. */
            .limits = {.frame_size_max = FRAME_SIZE_MAX, .idle_timeout_ms = UINT32_MAX},
            .callbacks = callbacks,
            .argument = server,
        },
        &server->local, error);
    if (status != STATUS_OK) {
        free(server);
        return refuse(ret_refusal, REFUSAL_NOT_READY, "%s", error);
    }
    *ret_server = server;
    return STATUS_OK;
}

enum status api_server_listen(struct api_server *server, struct refusal *ret_refusal)
{
    struct tcd *tcd = server->tcd;
    char error[LISTENER_ERROR_SIZE] = "";

    if (server->api) {
        listener_set_tls(server->api, tcd->credentials->api);
        return STATUS_OK;
    }
    if (listener_open(
            &(struct listener_config){
                .loop = tcd->loop,
                .address = tcd->config.listen,
                .tls = tcd->credentials->api,
                .connection_max = API_CONNECTION_MAX,
                .callbacks = callbacks,
                .argument = server,
            },
            &server->api, error) != STATUS_OK) {
        return refuse(ret_refusal, REFUSAL_NOT_READY, "%s", error);
    }
    return STATUS_OK;
}

static void on_listener_closed(void *argument)
{
    struct api_server *server = argument;

    if (--server->listeners_open == 0) {
        server->on_closed(server->argument);
        free(server);
    }
}

void api_server_close(struct api_server *server, void (*on_closed)(void *argument), void *argument)
{
    server->on_closed = on_closed;
    server->argument = argument;
    server->listeners_open = server->api ? 2 : 1;
    if (server->api) {
        listener_close(server->api, on_listener_closed, server);
    }
    listener_close(server->local, on_listener_closed, server);
}
