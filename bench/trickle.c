#include "bench/trickle.h"

#include "lib/base/status.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
    PROMPT_SIZE = 4096, /* a handshake, a registration: what is sent before it becomes slow */
    BYTE_INTERVAL_MS = 50,
    BUFFER_SIZE = 64 * 1024,
    PEER_COUNT_MAX = 64,
};

struct pair {
    uv_tcp_t client, server;
    uv_connect_t connect;
    uv_timer_t timer;
    unsigned handles_open;
    bool is_ending;
    size_t prompt_left;
    /* from the client, not passed on yet */
    uint8_t held[BUFFER_SIZE];
    size_t start, size;
    char read_buffer[BUFFER_SIZE];
};

struct trickle {
    uv_tcp_t listener;
    uint16_t target;
};

static void on_closed(uv_handle_t *handle)
{
    struct pair *pair = handle->data;

    if (--pair->handles_open == 0) {
        free(pair);
    }
}

static void end(struct pair *pair)
{
    if (!pair->is_ending) {
        pair->is_ending = true;
        uv_close((uv_handle_t *)&pair->client, on_closed);
        uv_close((uv_handle_t *)&pair->server, on_closed);
        uv_close((uv_handle_t *)&pair->timer, on_closed);
    }
}

static void on_written(uv_write_t *request, int status)
{
    struct pair *pair = request->handle->data;

    free(request);
    if (status < 0) {
        end(pair);
    }
}

static void pass(struct pair *pair, uv_tcp_t *to, const void *bytes, size_t size)
{
    uv_write_t *request = malloc(sizeof *request + size);
    uv_buf_t buffer;

    ASSERT(request);
    memcpy(request + 1, bytes, size);
    buffer = uv_buf_init((char *)(request + 1), (unsigned)size);
    if (uv_write(request, (uv_stream_t *)to, &buffer, 1, on_written) != 0) {
        free(request);
        end(pair);
    }
}

static void pass_held(struct pair *pair, size_t size)
{
    pass(pair, &pair->server, pair->held + pair->start, size);
    pair->start += size;
    if (pair->start == pair->size) {
        pair->start = pair->size = 0;
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct pair *pair = timer->data;

    if (pair->size > pair->start) {
        pass_held(pair, 1);
    }
}

static void on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buffer)
{
    struct pair *pair = handle->data;

    (void)suggested;
    *ret_buffer = uv_buf_init(pair->read_buffer, sizeof pair->read_buffer);
}

static void on_server_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
    struct pair *pair = stream->data;

    if (size < 0) {
        end(pair);
    } else if (size > 0) {
        pass(pair, &pair->client, buffer->base, (size_t)size);
    }
}

static void on_client_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
    struct pair *pair = stream->data;
    size_t prompt;

    if (size < 0 || (size_t)size > sizeof pair->held - pair->size) {
        end(pair);
        return;
    }
    memcpy(pair->held + pair->size, buffer->base, (size_t)size);
    pair->size += (size_t)size;
    prompt = pair->size - pair->start;
    prompt = prompt < pair->prompt_left ? prompt : pair->prompt_left;
    if (prompt > 0) {
        pair->prompt_left -= prompt;
        pass_held(pair, prompt);
    }
}

static void on_connected(uv_connect_t *request, int status)
{
    struct pair *pair = request->handle->data;

    if (pair->is_ending) {
        return;
    }
    if (status < 0 ||
        uv_read_start((uv_stream_t *)&pair->client, on_allocate, on_client_read) != 0 ||
        uv_read_start((uv_stream_t *)&pair->server, on_allocate, on_server_read) != 0) {
        end(pair);
    }
}

static void on_connection(uv_stream_t *stream, int status)
{
    struct trickle *trickle = stream->data;
    struct sockaddr_in target = {.sin_family = AF_INET,
                                 .sin_port = htons(trickle->target),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct pair *pair = calloc(1, sizeof *pair);

    ASSERT(pair && status == 0);
    ASSERT(uv_tcp_init(stream->loop, &pair->client) == 0);
    ASSERT(uv_tcp_init(stream->loop, &pair->server) == 0);
    ASSERT(uv_timer_init(stream->loop, &pair->timer) == 0);
    pair->client.data = pair->server.data = pair->timer.data = pair;
    pair->handles_open = 3;
    pair->prompt_left = PROMPT_SIZE;
    (void)uv_timer_start(&pair->timer, on_timer, BYTE_INTERVAL_MS, BYTE_INTERVAL_MS);
    if (uv_accept(stream, (uv_stream_t *)&pair->client) != 0 ||
        uv_tcp_connect(&pair->connect, &pair->server, (const struct sockaddr *)&target,
                       on_connected) != 0) {
        end(pair);
        return;
    }
    (void)uv_tcp_nodelay(&pair->server, 1);
}

struct trickle *trickle_open(uv_loop_t *loop)
{
    struct trickle *trickle = calloc(1, sizeof *trickle);
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    ASSERT(trickle && uv_tcp_init(loop, &trickle->listener) == 0);
    trickle->listener.data = trickle;
    ASSERT(uv_tcp_bind(&trickle->listener, (const struct sockaddr *)&name, 0) == 0);
    ASSERT(uv_listen((uv_stream_t *)&trickle->listener, PEER_COUNT_MAX, on_connection) == 0);
    return trickle;
}

uint16_t trickle_port(const struct trickle *trickle)
{
    struct sockaddr_in name;
    int size = sizeof name;

    ASSERT(uv_tcp_getsockname(&trickle->listener, (struct sockaddr *)&name, &size) == 0);
    return ntohs(name.sin_port);
}

void trickle_point(struct trickle *trickle, uint16_t port)
{
    trickle->target = port;
}

static void on_listener_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void trickle_close(struct trickle *trickle)
{
    uv_close((uv_handle_t *)&trickle->listener, on_listener_closed);
}
