/* How a connection ends: in order, with everything sent and the peer's last words read, or at
 * once. */
#include "lib/net/connection_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static void reason_set(struct connection *connection, enum status reason, const char *format,
                       va_list arguments)
{
    if (connection->detail) {
        return;
    }
    connection->reason = reason;
    if (vasprintf(&connection->detail, format, arguments) < 0) {
        connection->detail = NULL;
    }
}

static void drop(struct connection *connection)
{
    if (connection->phase == PHASE_GONE) {
        return;
    }
    connection->phase = PHASE_GONE;
    connection->is_reading = false;
    dial_cancel(connection);
    if (!uv_is_closing(&connection->socket.handle)) {
        uv_close(&connection->socket.handle, connection_handle_closed);
    }
    uv_close((uv_handle_t *)&connection->timer, connection_handle_closed);
    uv_close((uv_handle_t *)&connection->work, connection_handle_closed);
}

void connection_drop(struct connection *connection, enum status reason, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    reason_set(connection, reason, format, arguments);
    va_end(arguments);
    drop(connection);
}

static void on_close_timer(uv_timer_t *timer)
{
    drop(timer->data);
}

void connection_end(struct connection *connection, enum status reason, const char *format, ...)
{
    va_list arguments;

    if (connection->phase == PHASE_CLOSING || connection->phase == PHASE_GONE) {
        return;
    }
    va_start(arguments, format);
    reason_set(connection, reason, format, arguments);
    va_end(arguments);
    if (connection->phase == PHASE_CONNECTING) {
        drop(connection);
        return;
    }
    connection->phase = PHASE_CLOSING;
    (void)uv_timer_start(&connection->timer, on_close_timer, connection->limits.close_timeout_ms,
                         0);
    connection_schedule(connection);
}

static void on_shutdown(uv_shutdown_t *request, int status)
{
    (void)status; /* Whatever it is: the end comes by the peer's end of file or by the timer. */
    free(request);
}

void connection_end_advance(struct connection *connection)
{
    uv_shutdown_t *request;

    if (connection->plain.size > 0 || connection->writing_size > 0) {
        if (connection->has_eof && connection->writing_size == 0) {
            drop(connection);
        }
        return;
    }
    if (!connection->is_shut_down) {
        connection->is_shut_down = true;
        if (connection->tls) {
            tls_shutdown(connection->tls);
            connection_flush(connection);
        }
        request = connection->phase == PHASE_CLOSING ? malloc(sizeof *request) : NULL;
        if (!request || uv_shutdown(request, &connection->socket.stream, on_shutdown) != 0) {
            free(request);
            drop(connection);
            return;
        }
    }
    /* A peer that said goodbye first waits for nothing more. */
    if (connection->has_eof || connection->reason == STATUS_CLOSED) {
        drop(connection);
    }
}

void connection_part_done(struct connection *connection)
{
    ASSERT(connection->handles_open > 0);
    if (--connection->handles_open > 0) {
        return;
    }
    dial_free(connection->dial);
    connection->dial = NULL;
    connection->peer.certificate = (struct view){NULL, 0};
    connection->peer.alpn = "";
    if (connection->tls) {
        tls_free(connection->tls);
        connection->tls = NULL;
    }
    frame_decoder_free(&connection->decoder);
    bytes_free(&connection->plain);
    if (!connection->listener || connection->is_reported) {
        connection->callbacks.on_close(connection, connection->argument, connection->reason,
                                       connection->detail ? connection->detail : "out of memory");
    }
    if (connection->listener) {
        listener_forget(connection->listener, connection);
    }
    connection_release(connection);
}

void connection_handle_closed(uv_handle_t *handle)
{
    connection_part_done(handle->data);
}

void connection_close(struct connection *connection)
{
    connection_end(connection, STATUS_OK, "closed");
}

void connection_abort(struct connection *connection, enum status reason, const char *detail)
{
    connection_drop(connection, reason, "%s", detail);
}
