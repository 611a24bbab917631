#include "lib/net/client.h"

#include "lib/net/timer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <uv.h>

enum { BACKOFF_BASE_DEFAULT_MS = 50, BACKOFF_MAX_DEFAULT_MS = 5000, DETAIL_SIZE = 512 };

struct client {
    struct client_config config;
    char addresses[CLIENT_ADDRESS_MAX][ADDRESS_TEXT_SIZE];
    char redirect[ADDRESS_TEXT_SIZE]; /* "" or where the last answer sent us */
    char current[ADDRESS_TEXT_SIZE];
    size_t next;               /* among the addresses */
    unsigned failures_in_turn; /* since the last pause: after one round of all it pauses */
    unsigned failures;         /* in a row */
    unsigned redirects;        /* in a row */
    struct backoff backoff;
    struct timer *timer;
    struct connection *connection;
    unsigned spread_ms;
    bool is_open, is_redirecting, is_closing;
    bool has_served;        /* the connection, or the last one, and no attempt was made since */
    bool is_paused, is_due; /* due: the next attempt waits for the end of the pause */
};

static void attempt(struct client *client);

static void on_timer(void *argument)
{
    struct client *client = argument;

    if (client->is_paused) {
        client->is_due = true;
    } else {
        attempt(client);
    }
}

static void pause_then_attempt(struct client *client)
{
    client->failures_in_turn = 0;
    timer_start(client->timer, backoff_next_ms(&client->backoff));
}

/* Weak randomness costs spread, nothing else. */
static uint32_t random_u32(void)
{
    uint32_t random = 0;

    (void)!getrandom(&random, sizeof random, GRND_NONBLOCK);
    return random;
}

/* The next attempt has no reason to wait but that others may begin one at the same moment. */
static void attempt_soon(struct client *client)
{
    uint64_t delay_ms = client->has_served ? (uint64_t)client->spread_ms * random_u32() >> 32 : 0;

    client->has_served = false;
    timer_start(client->timer, delay_ms);
}

static void go_on(struct client *client)
{
    /* Another member may serve at once; only when none did is waiting of use. */
    if (client->redirect[0] || client->failures_in_turn < client->config.address_count) {
        attempt_soon(client);
    } else {
        pause_then_attempt(client);
    }
}

static void fail(struct client *client, enum status reason, const char *detail)
{
    char text[DETAIL_SIZE];
    bool is_final;

    client->failures_in_turn++;
    client->failures++;
    is_final = client->config.attempt_max > 0 && client->failures >= client->config.attempt_max;
    if (strstr(detail, client->current)) {
        (void)snprintf(text, sizeof text, "%s", detail);
    } else {
        (void)snprintf(text, sizeof text, "%s: %s", client->current, detail);
    }
    if (!is_final) {
        go_on(client);
    }
    client->config.callbacks.on_failure(client, client->config.argument, reason, text, is_final);
}

static void on_open(struct connection *connection, void *argument,
                    const struct connection_peer *peer)
{
    struct client *client = argument;

    (void)connection;
    if (client->is_closing) {
        return;
    }
    client->is_open = true;
    client->config.callbacks.on_open(client, client->config.argument, peer);
}

static void on_frame(struct connection *connection, void *argument, struct view frame)
{
    struct client *client = argument;

    (void)connection;
    if (!client->is_closing && !client->is_redirecting) {
        client->config.callbacks.on_frame(client, client->config.argument, frame);
    }
}

static void on_drain(struct connection *connection, void *argument)
{
    struct client *client = argument;

    (void)connection;
    if (!client->is_closing && !client->is_redirecting && client->config.callbacks.on_drain) {
        client->config.callbacks.on_drain(client, client->config.argument);
    }
}

static void client_free(struct client *client)
{
    tls_context_release(client->config.tls);
    free(client);
}

static void on_close(struct connection *connection, void *argument, enum status reason,
                     const char *detail)
{
    struct client *client = argument;

    (void)connection;
    client->connection = NULL;
    client->is_open = false;
    if (client->is_closing) {
        client_free(client);
    } else if (client->is_redirecting) {
        client->is_redirecting = false;
        if ((client->has_served && client->spread_ms > 0) ||
            (client->redirect[0] && client->redirects <= CLIENT_REDIRECT_MAX)) {
            attempt_soon(client);
        } else {
            client->redirect[0] = 0;
            pause_then_attempt(client);
        }
    } else {
        client->redirect[0] = 0;
        fail(client, reason, detail);
    }
}

static void attempt(struct client *client)
{
    struct dial_config config = {
        .loop = client->config.loop,
        .address = client->current,
        .verify = client->config.verify,
        .verify_argument = client->config.verify_argument,
        .limits = client->config.limits,
        .callbacks = {on_open, on_frame, on_drain, on_close},
        .argument = client,
    };
    enum status status;

    ASSERT(!client->connection && !client->is_closing);
    if (client->redirect[0]) {
        (void)snprintf(client->current, sizeof client->current, "%s", client->redirect);
        client->redirect[0] = 0;
    } else {
        (void)snprintf(client->current, sizeof client->current, "%s",
                       client->addresses[client->next]);
        client->next = (client->next + 1) % client->config.address_count;
    }
    config.tls = strncmp(client->current, "unix:", 5) == 0 ? NULL : client->config.tls;
    if (!config.tls) {
        config.verify = NULL;
    }
    status = connection_dial(&config, &client->connection);
    if (status != STATUS_OK) {
        client->connection = NULL;
        fail(client, status, status_text(status));
    }
}

enum status client_open(const struct client_config *config, struct client **ret_client)
{
    struct client *client;

    ASSERT(config->address_count > 0 && config->address_count <= CLIENT_ADDRESS_MAX);
    client = calloc(1, sizeof *client);
    if (!client) {
        return STATUS_NO_MEMORY;
    }
    for (size_t i = 0; i < config->address_count; i++) {
        struct address address;

        if (address_parse(config->addresses[i], &address) != STATUS_OK ||
            (!address.is_unix && (!config->tls || address.port == 0))) {
            free(client);
            return STATUS_MALFORMED;
        }
        address_format(&address, client->addresses[i]);
    }
    client->config = *config;
    client->config.addresses = NULL; /* The caller's; ours are copies. */
    if (timer_new(config->loop, on_timer, client, &client->timer) != STATUS_OK) {
        free(client);
        return STATUS_NO_MEMORY;
    }
    if (config->tls) {
        (void)tls_context_hold(config->tls);
    }
    client->backoff = (struct backoff){
        .base_ms = config->backoff_base_ms ? config->backoff_base_ms : BACKOFF_BASE_DEFAULT_MS,
        .max_ms = config->backoff_max_ms ? config->backoff_max_ms : BACKOFF_MAX_DEFAULT_MS,
    };
    client->next = random_u32() % config->address_count;
    timer_start(client->timer, 0);
    *ret_client = client;
    return STATUS_OK;
}

struct connection *client_connection(const struct client *client)
{
    return client->is_open && !client->is_redirecting ? client->connection : NULL;
}

const char *client_address(const struct client *client)
{
    return client->current;
}

enum status client_send(struct client *client, struct view content)
{
    struct connection *connection = client_connection(client);

    return connection ? connection_send(connection, content) : STATUS_NOT_READY;
}

enum status client_redirect(struct client *client, const char *address)
{
    struct address parsed;
    enum status status = STATUS_OK;

    client->redirect[0] = 0;
    if (address && address[0]) {
        status = address_parse(address, &parsed);
        /* A member has no say over sockets of this machine. */
        if (status == STATUS_OK && !parsed.is_unix && parsed.port != 0) {
            address_format(&parsed, client->redirect);
        } else {
            status = STATUS_MALFORMED;
        }
    }
    client->redirects++;
    if (client->connection) {
        client->is_redirecting = true;
        connection_abort(client->connection, STATUS_OK, "redirected");
    }
    return status;
}

void client_confirm(struct client *client)
{
    client->failures = client->failures_in_turn = client->redirects = 0;
    backoff_reset(&client->backoff);
    client->has_served = true;
}

void client_set_spread(struct client *client, unsigned spread_ms)
{
    client->spread_ms = spread_ms;
}

void client_pause(struct client *client)
{
    client->is_paused = true;
}

void client_resume(struct client *client)
{
    client->is_paused = false;
    if (client->is_due) {
        client->is_due = false;
        timer_start(client->timer, 0);
    }
}

void client_set_tls(struct client *client, struct tls_context *tls)
{
    ASSERT(client->config.tls && tls);
    (void)tls_context_hold(tls);
    tls_context_release(client->config.tls);
    client->config.tls = tls;
}

void client_close(struct client *client)
{
    ASSERT(!client->is_closing);
    client->is_closing = true;
    timer_free(client->timer);
    if (client->connection) {
        connection_close(client->connection);
    } else {
        client_free(client);
    }
}
