/* Links of both sides with each other, and each with agents that are made by hand and lie. The
 * certificates of all of them are long out of date: nobody is to look at dates. */
#include "nodeagent/migration_link.h"

#include "lib/net/timer.h"
#include "lib/protocol/migration_session.h"
#include "tests/support/loop.h"
#include "tests/support/vm.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    WAIT_MS = 15000, /* far more than any of it takes */
    SHORT_MS = 150,
    SHORT_LIFE_MS = 1200,
    SILENCE_MS = 5000, /* how long a link waits for the next step */
};

/* One side's owner. */
struct owner {
    struct migration_link *link;
    bool is_ready, is_failed;
    bool closes_when_ready, closes_when_failed;
    int fd;
    struct bytes secret; /* K_S: tests have no secrets */
    struct digest session;
    char reason[400];
};

/* An agent made by hand: one end of a session. */
struct agent {
    struct fixture *fixture;
    struct tls_context *tls;
    struct connection *connection;
    bool is_open, is_closed, has_hello;
    unsigned opened;
    struct migration_hello heard;
    /* as a destination: how it answers */
    enum answer {
        ANSWER_TRUE,
        ANSWER_NOTHING,
        ANSWER_OTHER_SESSION,
        ANSWER_OTHER_MIGRATION,
        ANSWER_GARBAGE,
        ANSWER_TWICE
    } answer;
    struct listener *listener;
    bool listener_is_closed;
    enum status reason;
};

struct fixture {
    struct vm_fixture *vm;
    uv_loop_t loop;
    struct migration_port *port;
    char address[ADDRESS_TEXT_SIZE];
    struct migration_ticket ticket;
    struct bytes source_certificate, destination_certificate;
    struct owner source, destination;
    struct agent agent;
};

/* --- owners --- */

static void on_ready(void *argument, int channel_fd, struct view secret,
                     const struct digest *session)
{
    struct owner *owner = argument;

    assert_false(owner->is_ready || owner->is_failed);
    owner->is_ready = true;
    owner->fd = channel_fd;
    owner->session = *session;
    assert_ok(bytes_copy(secret, &owner->secret));
    if (owner->closes_when_ready) {
        migration_link_close(TAKE(owner->link));
    }
}

static void on_failed(void *argument, const char *reason)
{
    struct owner *owner = argument;

    assert_false(owner->is_failed);
    if (owner->closes_when_failed) {
        migration_link_close(TAKE(owner->link));
    }
    owner->is_failed = true;
    (void)snprintf(owner->reason, sizeof owner->reason, "%s", reason);
}

static struct migration_link_config config_of(struct fixture *fixture, struct owner *owner)
{
    return (struct migration_link_config){
        .loop = &fixture->loop,
        .ticket = &fixture->ticket,
        .received_ms = time_boot_ms(),
        .scope = fixture->vm->scope,
        .tc_sign = public_key_spki(fixture->vm->tc_public),
        .certificate = bytes_view(&fixture->source_certificate),
        .tk_sign = fixture->vm->tk_sign,
        .callbacks = {on_ready, on_failed},
        .argument = owner,
    };
}

static void expect(struct fixture *fixture)
{
    const struct migration_link_config config = config_of(fixture, &fixture->destination);

    assert_ok(migration_link_expect(fixture->port, &config, &fixture->destination.link));
}

static void dial(struct fixture *fixture)
{
    const struct migration_link_config config = config_of(fixture, &fixture->source);

    assert_ok(migration_link_dial(&config, fixture->address, &fixture->source.link));
}

static void turn_until(struct fixture *fixture, const bool *flag)
{
    assert_true(loop_until(&fixture->loop, flag, WAIT_MS));
}

static void become_ready(struct fixture *fixture)
{
    turn_until(fixture, &fixture->source.is_ready);
    turn_until(fixture, &fixture->destination.is_ready);
}

static void owner_free(struct owner *owner)
{
    migration_link_close(TAKE(owner->link));
    if (owner->fd >= 0) {
        (void)close(owner->fd);
    }
    bytes_free(&owner->secret);
}

/* --- agents made by hand --- */

static enum status accept_all(void *argument, const struct view *chain, size_t count,
                              struct refusal *ret_refusal)
{
    (void)argument, (void)chain, (void)count, (void)ret_refusal;
    return STATUS_OK;
}

static struct tls_context *context_of(enum tls_role role, struct view certificate,
                                      const struct private_key *key, const char *alpn)
{
    const char *const protocols[] = {alpn, NULL};
    struct tls_context *context;

    assert_ok(tls_context_new(&(struct tls_config){.role = role,
                                                   .chain = &certificate,
                                                   .chain_count = certificate.size > 0,
                                                   .private_key = key,
                                                   .alpn = protocols,
                                                   .verify = accept_all},
                              &context));
    return context;
}

static void agent_say(struct agent *agent, uint64_t migration, const struct digest *session)
{
    OWN(bytes) struct bytes frame = {0};

    assert_ok(migration_hello_pack(&(struct migration_hello){migration, *session}, &frame));
    assert_ok(connection_send(agent->connection, bytes_view(&frame)));
}

static struct digest agent_secret(const struct agent *agent, const struct migration_ticket *ticket)
{
    struct digest secret;

    assert_ok(tls_exporter(connection_tls(agent->connection), MIGRATION_EXPORTER_LABEL,
                           digest_view(&ticket->digest), &secret));
    return secret;
}

static struct digest agent_session(const struct agent *agent, const struct migration_ticket *ticket)
{
    struct digest secret = agent_secret(agent, ticket);

    return migration_session_id(&agent->fixture->vm->scope, digest_view(&secret));
}

static void on_agent_open(struct connection *connection, void *argument,
                          const struct connection_peer *peer)
{
    struct agent *agent = argument;

    (void)peer;
    agent->connection = connection;
    agent->is_open = true;
    agent->is_closed = false;
    agent->opened++;
}

static void agent_answer(struct agent *agent)
{
    struct digest session = agent_session(agent, &agent->fixture->ticket);
    struct digest other = vm_other_digest(&session);

    switch (agent->answer) {
    case ANSWER_NOTHING:
        break;
    case ANSWER_TRUE:
        agent_say(agent, agent->heard.migration, &session);
        break;
    case ANSWER_OTHER_SESSION:
        agent_say(agent, agent->heard.migration, &other);
        break;
    case ANSWER_OTHER_MIGRATION:
        agent_say(agent, agent->heard.migration + 1, &session);
        break;
    case ANSWER_GARBAGE:
        assert_ok(connection_send(agent->connection, view_string("nonsense")));
        break;
    case ANSWER_TWICE:
        agent_say(agent, agent->heard.migration, &session);
        agent_say(agent, agent->heard.migration, &session);
        break;
    }
}

static void on_agent_frame(struct connection *connection, void *argument, struct view frame)
{
    struct agent *agent = argument;

    (void)connection;
    assert_ok(migration_hello_parse(frame, &agent->heard));
    agent->has_hello = true;
    if (agent->listener) {
        agent_answer(agent);
    }
}

static void on_agent_close(struct connection *connection, void *argument, enum status reason,
                           const char *detail)
{
    struct agent *agent = argument;

    (void)connection, (void)detail;
    agent->connection = NULL;
    agent->is_closed = true;
    agent->reason = reason;
}

static const struct connection_callbacks agent_callbacks = {on_agent_open, on_agent_frame, NULL,
                                                            on_agent_close};

/* As a source. */
static void agent_dial_as(struct fixture *fixture, struct view certificate,
                          const struct private_key *key, const char *alpn)
{
    struct agent *agent = &fixture->agent;

    tls_context_release(agent->tls);
    *agent =
        (struct agent){.fixture = fixture, .tls = context_of(TLS_CLIENT, certificate, key, alpn)};
    assert_ok(connection_dial(&(struct dial_config){.loop = &fixture->loop,
                                                    .address = fixture->address,
                                                    .tls = agent->tls,
                                                    .callbacks = agent_callbacks,
                                                    .argument = agent},
                              &agent->connection));
}

static void agent_dial(struct fixture *fixture)
{
    agent_dial_as(fixture, bytes_view(&fixture->source_certificate), fixture->vm->tk_sign,
                  MIGRATION_ALPN);
    turn_until(fixture, &fixture->agent.is_open);
}

static void agent_say_hello(struct fixture *fixture, const struct migration_ticket *ticket)
{
    struct digest session = agent_session(&fixture->agent, ticket);

    agent_say(&fixture->agent, ticket->migration, &session);
}

static void assert_agent_is_shut_out(struct fixture *fixture)
{
    turn_until(fixture, &fixture->agent.is_closed);
    assert_false(fixture->agent.has_hello);
    assert_false(fixture->destination.is_ready || fixture->destination.is_failed);
}

/* By the TLS alert that says so, before anything that it may say is looked at. */
static void assert_agent_fails_the_handshake(struct fixture *fixture)
{
    assert_agent_is_shut_out(fixture);
    assert_status(fixture->agent.reason, STATUS_UNTRUSTED);
}

/* As a destination; the source dials it. */
static void agent_listen_as(struct fixture *fixture, struct view certificate,
                            const struct private_key *key, enum answer answer)
{
    struct agent *agent = &fixture->agent;

    *agent = (struct agent){.fixture = fixture,
                            .answer = answer,
                            .tls = context_of(TLS_SERVER, certificate, key, MIGRATION_ALPN)};
    assert_ok(listener_open(&(struct listener_config){.loop = &fixture->loop,
                                                      .address = "127.0.0.1:0",
                                                      .tls = agent->tls,
                                                      .callbacks = agent_callbacks,
                                                      .argument = agent},
                            &agent->listener, NULL));
    (void)snprintf(fixture->address, sizeof fixture->address, "127.0.0.1:%u",
                   listener_port(agent->listener));
}

static void agent_listen(struct fixture *fixture, enum answer answer)
{
    agent_listen_as(fixture, bytes_view(&fixture->destination_certificate), fixture->vm->peer_sign,
                    answer);
}

static void on_agent_listener_closed(void *argument)
{
    ((struct agent *)argument)->listener_is_closed = true;
}

static void agent_free(struct agent *agent)
{
    if (agent->connection) {
        connection_abort(agent->connection, STATUS_OK, "the end of the test");
    }
    if (agent->listener) {
        listener_close(agent->listener, on_agent_listener_closed, agent);
    }
}

/* A raw connection to the port, which says this. */
static int raw_dial(struct fixture *fixture, const void *bytes, size_t size)
{
    struct sockaddr_in name = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                               .sin_port = htons(migration_port_number(fixture->port))};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(connect(fd, (struct sockaddr *)&name, sizeof name), 0);
    assert_int_equal(send(fd, bytes, size, MSG_NOSIGNAL), size);
    return fd;
}

static int agent_channel(struct fixture *fixture, const struct digest *secret,
                         enum migration_channel channel, enum migration_direction direction)
{
    uint8_t greeting[MIGRATION_CHANNEL_GREETING_SIZE] = MIGRATION_CHANNEL_MAGIC;
    struct digest token;

    migration_channel_token(&fixture->vm->scope, digest_view(secret), channel, direction, &token);
    memcpy(greeting + MIGRATION_CHANNEL_MAGIC_SIZE, token.bytes, sizeof token.bytes);
    return raw_dial(fixture, greeting, sizeof greeting);
}

/* --- the fixture --- */

static void open_port(struct fixture *fixture)
{
    char error[LISTENER_ERROR_SIZE];

    assert_ok(migration_port_open(&fixture->loop, "127.0.0.1:0", &fixture->port, error));
    assert_ok(migration_port_set_identity(
        fixture->port, bytes_view(&fixture->destination_certificate), fixture->vm->peer_sign));
    (void)snprintf(fixture->address, sizeof fixture->address, "127.0.0.1:%u",
                   migration_port_number(fixture->port));
}

static struct vm_fixture *the_vm(void **state)
{
    return *state;
}

static struct fixture *fixture_new(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    struct vm_fixture *vm = the_vm(state);

    assert_non_null(fixture);
    fixture->vm = vm;
    assert_int_equal(uv_loop_init(&fixture->loop), 0);
    fixture->ticket = vm_migration_ticket(vm);
    fixture->ticket.digest = sha256(view_string("the ticket"));
    fixture->source_certificate =
        vm_certificate(vm, ROLE_NODE, 5, vm->tk_public, vm->tk_point, vm->tc_sign);
    fixture->destination_certificate =
        vm_certificate(vm, ROLE_NODE, 6, vm->peer_public, vm->peer_point, vm->tc_sign);
    fixture->source.fd = fixture->destination.fd = -1;
    fixture->agent.fixture = fixture;
    open_port(fixture);
    return fixture;
}

static void fixture_free(struct fixture *fixture)
{
    owner_free(&fixture->source);
    owner_free(&fixture->destination);
    agent_free(&fixture->agent);
    migration_port_close(fixture->port);
    assert_true(loop_finish(&fixture->loop)); /* No handle is left. */
    tls_context_release(fixture->agent.tls);
    bytes_free(&fixture->source_certificate);
    bytes_free(&fixture->destination_certificate);
    free(fixture);
}

/* --- refusals: who is not the source --- */

struct impostor {
    enum certificate_role role;
    uint64_t registration;
    bool has_tk, has_kem, is_by_tc;
};

static const struct impostor impostors[] = {
    {ROLE_NODE, 0, false, true, true},  /* another TK; the registration is right */
    {ROLE_NODE, 7, true, true, true},   /* another registration */
    {ROLE_NODE, 0, true, false, true},  /* another TK for sealing */
    {ROLE_MEMBER, 0, true, true, true}, /* a member of the coordinator */
    {ROLE_NODE, 0, true, true, false},  /* not by the coordinator */
};

/* An impostor's certificate and key, for the side of the ticket. */
static struct bytes impostor_certificate(const struct vm_fixture *vm,
                                         const struct impostor *impostor, enum migration_side side,
                                         const struct private_key **ret_key)
{
    bool is_source = side == SIDE_SOURCE;
    const struct public_key *tk = is_source ? vm->tk_public : vm->peer_public;
    const uint8_t *kem = is_source ? vm->tk_point : vm->peer_point;

    *ret_key = !impostor->has_tk ? vm->stranger : is_source ? vm->tk_sign : vm->peer_sign;
    return vm_certificate(vm, impostor->role,
                          impostor->registration ? impostor->registration
                          : is_source            ? 5
                                                 : 6,
                          impostor->has_tk ? tk : vm->stranger_public,
                          impostor->has_kem ? kem : vm->tc_point,
                          impostor->is_by_tc ? vm->tc_sign : vm->stranger);
}

static void who_is_not_the_tickets_source_is_shut_out(void **state)
{
    struct fixture *fixture = fixture_new(state);

    expect(fixture);
    for (size_t i = 0; i < ARRAY_SIZE(impostors); i++) {
        const struct private_key *key;
        OWN(bytes)
        struct bytes der = impostor_certificate(fixture->vm, &impostors[i], SIDE_SOURCE, &key);

        agent_dial_as(fixture, bytes_view(&der), key, MIGRATION_ALPN);
        assert_agent_fails_the_handshake(fixture);
    }
    agent_dial_as(fixture, (struct view){0}, NULL, MIGRATION_ALPN); /* no certificate */
    assert_agent_fails_the_handshake(fixture);
    agent_dial_as(fixture, bytes_view(&fixture->source_certificate), fixture->vm->tk_sign,
                  "tccp-node/1");
    assert_agent_fails_the_handshake(fixture);
    /* its own certificate, reflected */
    agent_dial_as(fixture, bytes_view(&fixture->destination_certificate), fixture->vm->peer_sign,
                  MIGRATION_ALPN);
    assert_agent_fails_the_handshake(fixture);
    /* None of them was in the way. */
    dial(fixture);
    become_ready(fixture);
    fixture_free(fixture);
}

static void nobody_is_let_in_while_no_migration_is_expected(void **state)
{
    struct fixture *fixture = fixture_new(state);

    agent_dial_as(fixture, bytes_view(&fixture->source_certificate), fixture->vm->tk_sign,
                  MIGRATION_ALPN);
    turn_until(fixture, &fixture->agent.is_closed);
    assert_int_equal(fixture->agent.opened, 0);
    fixture_free(fixture);
}

static void an_unknown_migration_is_refused(void **state)
{
    struct fixture *fixture = fixture_new(state);
    struct migration_ticket other = fixture->ticket;

    expect(fixture);
    other.migration = 10;
    agent_dial(fixture);
    agent_say_hello(fixture, &other);
    assert_agent_is_shut_out(fixture);
    dial(fixture);
    become_ready(fixture);
    fixture_free(fixture);
}

/* Each is the source of a migration to this node; neither is of the other's. */
static void the_source_of_one_migration_is_not_that_of_another(void **state)
{
    struct fixture *fixture = fixture_new(state);
    struct vm_fixture *vm = fixture->vm;
    struct owner second = {.fd = -1};
    struct migration_ticket first_ticket = fixture->ticket;
    OWN(bytes)
    struct bytes der =
        vm_certificate(vm, ROLE_NODE, 8, vm->stranger_public, vm->tc_point, vm->tc_sign);
    struct migration_link_config config;

    expect(fixture);
    fixture->ticket.migration = 10;
    vm_party(&fixture->ticket.parties[SIDE_SOURCE], "a third node", 8, vm->stranger_public,
             vm->tc_point);
    config = config_of(fixture, &second);
    assert_ok(migration_link_expect(fixture->port, &config, &second.link));
    /* The second one's source comes, with everything right, but names the first. */
    agent_dial_as(fixture, bytes_view(&der), vm->stranger, MIGRATION_ALPN);
    turn_until(fixture, &fixture->agent.is_open);
    agent_say_hello(fixture, &first_ticket);
    assert_agent_is_shut_out(fixture);
    assert_false(second.is_ready || second.is_failed);
    fixture->ticket = first_ticket;
    dial(fixture);
    become_ready(fixture);
    owner_free(&second);
    fixture_free(fixture);
}

static void another_ticket_is_another_session(void **state)
{
    struct fixture *fixture = fixture_new(state);
    struct digest digest = fixture->ticket.digest;

    fixture->ticket.lifetime_ms = SHORT_LIFE_MS;
    expect(fixture);
    fixture->ticket.digest = sha256(view_string("another ticket for the same"));
    dial(fixture);
    turn_until(fixture, &fixture->source.is_failed);
    turn_until(fixture, &fixture->destination.is_failed);
    assert_false(fixture->source.is_ready || fixture->destination.is_ready);
    assert_non_null(strstr(fixture->destination.reason, "its ticket is not ours"));
    fixture->ticket.digest = digest;
    fixture_free(fixture);
}

static void what_is_no_hello_is_refused(void **state)
{
    struct fixture *fixture = fixture_new(state);
    uint8_t large[MIGRATION_HELLO_SIZE_MAX + 1] = {8};

    expect(fixture);
    agent_dial(fixture);
    assert_ok(connection_send(fixture->agent.connection, view_string("nonsense")));
    assert_agent_is_shut_out(fixture);
    agent_dial(fixture);
    assert_ok(connection_send(fixture->agent.connection, VIEW_OF_ARRAY(large)));
    assert_agent_is_shut_out(fixture);
    dial(fixture);
    become_ready(fixture);
    fixture_free(fixture);
}

static void a_second_session_of_a_migration_is_refused(void **state)
{
    struct fixture *fixture = fixture_new(state);
    struct agent first;
    struct digest secret;
    int fd;

    expect(fixture);
    agent_dial(fixture);
    agent_say_hello(fixture, &fixture->ticket);
    turn_until(fixture, &fixture->agent.has_hello);
    secret = agent_secret(&fixture->agent, &fixture->ticket);
    first = fixture->agent;
    connection_set_argument(first.connection, &first);
    fixture->agent = (struct agent){0};
    agent_dial(fixture);
    agent_say_hello(fixture, &fixture->ticket);
    assert_agent_is_shut_out(fixture);
    assert_false(first.is_closed);
    fd = agent_channel(fixture, &secret, CHANNEL_MEMORY, DIRECTION_TO_DESTINATION);
    turn_until(fixture, &fixture->destination.is_ready);
    (void)close(fd);
    agent_free(&first);
    turn_until(fixture, &fixture->destination.is_failed);
    tls_context_release(first.tls);
    fixture_free(fixture);
}

static void a_channel_of_another_purpose_or_session_is_shut_out(void **state)
{
    struct fixture *fixture = fixture_new(state);
    struct digest secret, other;
    int fds[4];

    expect(fixture);
    agent_dial(fixture);
    secret = agent_secret(&fixture->agent, &fixture->ticket);
    other = vm_other_digest(&secret);
    /* Before the hello no token is expected. */
    fds[0] = agent_channel(fixture, &secret, CHANNEL_MEMORY, DIRECTION_TO_DESTINATION);
    loop_for(&fixture->loop, SHORT_MS);
    agent_say_hello(fixture, &fixture->ticket);
    turn_until(fixture, &fixture->agent.has_hello);
    fds[1] = agent_channel(fixture, &other, CHANNEL_MEMORY, DIRECTION_TO_DESTINATION);
    fds[2] = agent_channel(fixture, &secret, CHANNEL_DISK, DIRECTION_TO_DESTINATION);
    fds[3] = agent_channel(fixture, &secret, CHANNEL_MEMORY, DIRECTION_TO_SOURCE);
    loop_for(&fixture->loop, SHORT_MS);
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
        char byte;

        assert_int_equal(recv(fds[i], &byte, 1, MSG_DONTWAIT), 0);
        (void)close(fds[i]);
    }
    assert_false(fixture->destination.is_ready);
    fds[0] = agent_channel(fixture, &secret, CHANNEL_MEMORY, DIRECTION_TO_DESTINATION);
    turn_until(fixture, &fixture->destination.is_ready);
    assert_true(view_equal(bytes_view(&fixture->destination.secret), digest_view(&secret)));
    (void)close(fds[0]);
    fixture_free(fixture);
}

static void rogues_that_come_first_are_not_in_the_way(void **state)
{
    enum { COUNT = MIGRATION_STRANGER_MAX + 10 };
    struct fixture *fixture = fixture_new(state);
    int fds[COUNT];

    expect(fixture);
    for (size_t i = 0; i < COUNT; i++) {
        fds[i] = i % 3 == 0   ? raw_dial(fixture, "", 0)
                 : i % 3 == 1 ? raw_dial(fixture, "TCCP", 4)
                              : raw_dial(fixture, "\x16\x03\x01", 3);
    }
    loop_for(&fixture->loop, SHORT_MS);
    dial(fixture);
    become_ready(fixture);
    for (size_t i = 0; i < COUNT; i++) {
        (void)close(fds[i]);
    }
    fixture_free(fixture);
}

static void a_source_that_stops_after_its_hello_is_not_waited_for(void **state)
{
    struct fixture *fixture = fixture_new(state);
    uint64_t begin_ms = time_boot_ms();

    expect(fixture);
    agent_dial(fixture);
    agent_say_hello(fixture, &fixture->ticket);
    turn_until(fixture, &fixture->agent.is_closed);
    assert_true(time_boot_ms() - begin_ms >= SILENCE_MS);
    assert_false(fixture->destination.is_ready || fixture->destination.is_failed);
    dial(fixture);
    become_ready(fixture);
    fixture_free(fixture);
}

static void a_source_that_says_nothing_is_not_waited_for(void **state)
{
    struct fixture *fixture = fixture_new(state);
    uint64_t begin_ms = time_boot_ms();

    expect(fixture);
    agent_dial(fixture);
    turn_until(fixture, &fixture->agent.is_closed);
    assert_true(time_boot_ms() - begin_ms < MIGRATION_STRANGER_TIMEOUT_MS + SILENCE_MS / 2);
    fixture_free(fixture);
}

static void who_speaks_out_of_turn_loses_the_session(void **state)
{
    struct fixture *fixture = fixture_new(state);

    expect(fixture);
    agent_dial(fixture);
    agent_say_hello(fixture, &fixture->ticket);
    agent_say_hello(fixture, &fixture->ticket);
    turn_until(fixture, &fixture->agent.is_closed);
    assert_false(fixture->destination.is_ready || fixture->destination.is_failed);
    dial(fixture);
    become_ready(fixture);
    fixture_free(fixture);
}

/* --- refusals: who is not the destination --- */

static void who_is_not_the_tickets_destination_is_told_nothing(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(impostors); i++) {
        struct fixture *fixture = fixture_new(state);
        const struct private_key *key;
        OWN(bytes)
        struct bytes der = impostor_certificate(fixture->vm, &impostors[i], SIDE_DESTINATION, &key);

        agent_listen_as(fixture, bytes_view(&der), key, ANSWER_TRUE);
        fixture->ticket.lifetime_ms = SHORT_LIFE_MS / 2;
        dial(fixture);
        turn_until(fixture, &fixture->source.is_failed);
        assert_non_null(strstr(fixture->source.reason, "time is over"));
        assert_null(strstr(fixture->source.reason, "was not there"));
        assert_false(fixture->source.is_ready || fixture->agent.has_hello);
        fixture_free(fixture);
    }
}

static void an_answer_that_is_wrong_fails_the_source(void **state)
{
    const struct {
        enum answer answer;
        const char *reason;
    } cases[] = {
        {ANSWER_OTHER_SESSION, "another session"},
        {ANSWER_OTHER_MIGRATION, "another session"},
        {ANSWER_GARBAGE, "malformed"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct fixture *fixture = fixture_new(state);

        agent_listen(fixture, cases[i].answer);
        dial(fixture);
        turn_until(fixture, &fixture->source.is_failed);
        assert_non_null(strstr(fixture->source.reason, cases[i].reason));
        assert_false(fixture->source.is_ready);
        turn_until(fixture, &fixture->agent.is_closed);
        fixture_free(fixture);
    }
}

static void an_answer_too_many_fails_the_source(void **state)
{
    struct fixture *fixture = fixture_new(state);

    fixture->ticket.lifetime_ms = SHORT_LIFE_MS;
    agent_listen(fixture, ANSWER_TWICE);
    dial(fixture);
    turn_until(fixture, &fixture->source.is_failed);
    assert_non_null(strstr(fixture->source.reason, "out of turn"));
    fixture_free(fixture);
}

static void a_destination_that_does_not_answer_is_dialed_again(void **state)
{
    struct fixture *fixture = fixture_new(state);

    agent_listen(fixture, ANSWER_NOTHING);
    dial(fixture);
    turn_until(fixture, &fixture->agent.has_hello);
    turn_until(fixture, &fixture->agent.is_closed);
    fixture->agent.is_open = false;
    turn_until(fixture, &fixture->agent.is_open);
    assert_int_equal(fixture->agent.opened, 2);
    assert_false(fixture->source.is_ready || fixture->source.is_failed);
    fixture_free(fixture);
}

/* A socket that listens and has room for one who is not accepted. */
static int listen_for_one(struct fixture *fixture)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof name;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&name, size), 0);
    assert_int_equal(listen(fd, 0), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &size), 0);
    (void)snprintf(fixture->address, sizeof fixture->address, "127.0.0.1:%u", ntohs(name.sin_port));
    return fd;
}

/* The true destination, by hand: takes the session that comes, and hears its hello. */
static void agent_accept(struct fixture *fixture, int listening)
{
    struct agent *agent = &fixture->agent;
    int fd = -1;

    *agent =
        (struct agent){.fixture = fixture,
                       .tls = context_of(TLS_SERVER, bytes_view(&fixture->destination_certificate),
                                         fixture->vm->peer_sign, MIGRATION_ALPN)};
    while (fd < 0) {
        loop_for(&fixture->loop, 1);
        fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
    }
    assert_ok(connection_adopt(&(struct adopt_config){.loop = &fixture->loop,
                                                      .fd = fd,
                                                      .tls = agent->tls,
                                                      .callbacks = agent_callbacks,
                                                      .argument = agent},
                               &agent->connection));
    turn_until(fixture, &agent->has_hello);
}

static void a_channel_that_cannot_be_connected_is_not_waited_for(void **state)
{
    for (unsigned how = 0; how < 2; how++) {
        struct fixture *fixture = fixture_new(state);
        int listening = listen_for_one(fixture), fillers[3];
        struct sockaddr_in name;
        socklen_t size = sizeof name;
        uint64_t begin_ms;

        dial(fixture);
        agent_accept(fixture, listening);
        assert_int_equal(getsockname(listening, (struct sockaddr *)&name, &size), 0);
        if (how == 0) {
            assert_int_equal(close(listening), 0); /* is refused */
        }
        for (size_t i = 0; i < ARRAY_SIZE(fillers); i++) { /* or never answered */
            fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
            (void)!connect(fillers[i], (struct sockaddr *)&name, size);
        }
        begin_ms = time_boot_ms();
        agent_say_hello(fixture, &fixture->ticket);
        turn_until(fixture, &fixture->agent.is_closed);
        assert_true(time_boot_ms() - begin_ms < SILENCE_MS + SILENCE_MS / 2);
        assert_true(how == 0 || time_boot_ms() - begin_ms >= SILENCE_MS);
        assert_false(fixture->source.is_ready || fixture->source.is_failed);
        for (size_t i = 0; i < ARRAY_SIZE(fillers); i++) {
            (void)close(fillers[i]);
        }
        if (how == 1) {
            (void)close(listening);
        }
        fixture_free(fixture);
    }
}

static void nobody_there_fails_both_sides_when_the_ticket_ends(void **state)
{
    struct fixture *fixture = fixture_new(state);
    uint64_t begin_ms = time_boot_ms(), lived_ms;

    fixture->ticket.lifetime_ms = SHORT_LIFE_MS;
    expect(fixture);
    (void)snprintf(fixture->address, sizeof fixture->address, "127.0.0.1:1");
    dial(fixture);
    turn_until(fixture, &fixture->source.is_failed);
    turn_until(fixture, &fixture->destination.is_failed);
    lived_ms = time_boot_ms() - begin_ms;
    assert_true(lived_ms >= SHORT_LIFE_MS && lived_ms < SHORT_LIFE_MS + SILENCE_MS / 2);
    assert_non_null(strstr(fixture->source.reason, "time is over"));
    assert_non_null(strstr(fixture->source.reason, "127.0.0.1:1"));
    assert_non_null(strstr(fixture->destination.reason, "time is over"));
    fixture_free(fixture);
}

static void a_ticket_that_came_long_ago_is_over(void **state)
{
    struct fixture *fixture = fixture_new(state);
    struct migration_link_config config = config_of(fixture, &fixture->source);

    fixture->ticket.lifetime_ms = SILENCE_MS;
    config.received_ms -= SILENCE_MS;
    assert_ok(migration_link_dial(&config, fixture->address, &fixture->source.link));
    turn_until(fixture, &fixture->source.is_failed);
    assert_true(time_boot_ms() - config.received_ms < SILENCE_MS + SILENCE_MS / 2);
    /* and one that lives for ever does not end before it began */
    fixture->ticket.lifetime_ms = UINT64_MAX;
    expect(fixture);
    loop_for(&fixture->loop, SHORT_MS);
    assert_false(fixture->destination.is_failed);
    fixture_free(fixture);
}

static void what_does_not_fit_the_ticket_is_not_begun(void **state)
{
    struct fixture *fixture = fixture_new(state);
    struct migration_link_config config = config_of(fixture, &fixture->source);
    static const char *const addresses[] = {"",      "host",           "127.0.0.1:0", "unix:/tmp/x",
                                            "a b:1", "127.0.0.1:65536"};
    struct migration_link *link = NULL;
    char longer[2 * ADDRESS_TEXT_SIZE];

    for (size_t i = 0; i < ARRAY_SIZE(addresses); i++) {
        assert_status(migration_link_dial(&config, addresses[i], &link), STATUS_MALFORMED);
    }
    memset(longer, 'a', sizeof longer);
    memcpy(longer + sizeof longer - 3, ":1", 3);
    assert_status(migration_link_dial(&config, longer, &link), STATUS_MALFORMED);
    config.tk_sign = fixture->vm->stranger;
    assert_status(migration_link_dial(&config, fixture->address, &link), STATUS_CONFLICT);
    config = config_of(fixture, &fixture->source);
    config.certificate = bytes_view(&fixture->destination_certificate);
    assert_status(migration_link_dial(&config, fixture->address, &link), STATUS_CRYPTO);
    config = config_of(fixture, &fixture->source);
    config.tc_sign = view_string("no key");
    assert_status(migration_link_dial(&config, fixture->address, &link), STATUS_MALFORMED);
    assert_status(migration_link_expect(fixture->port, &config, &link), STATUS_MALFORMED);
    /* the port of another registration, and of none */
    config = config_of(fixture, &fixture->destination);
    assert_ok(migration_port_set_identity(fixture->port, bytes_view(&fixture->source_certificate),
                                          fixture->vm->tk_sign));
    assert_status(migration_link_expect(fixture->port, &config, &link), STATUS_CONFLICT);
    assert_ok(migration_port_set_identity(fixture->port, (struct view){0}, NULL));
    assert_status(migration_link_expect(fixture->port, &config, &link), STATUS_CONFLICT);
    assert_null(link);
    fixture_free(fixture);
}

static void a_migration_is_expected_once(void **state)
{
    struct fixture *fixture = fixture_new(state);
    const struct migration_link_config config = config_of(fixture, &fixture->source);
    struct migration_link *link = NULL;

    expect(fixture);
    assert_status(migration_link_expect(fixture->port, &config, &link), STATUS_EXISTS);
    dial(fixture);
    become_ready(fixture);
    fixture_free(fixture);
}

static void a_new_registration_or_the_ports_end_fails_who_waits(void **state)
{
    struct fixture *fixture = fixture_new(state);

    expect(fixture);
    assert_ok(migration_port_set_identity(
        fixture->port, bytes_view(&fixture->destination_certificate), fixture->vm->peer_sign));
    assert_false(fixture->destination.is_failed); /* never inside a call */
    turn_until(fixture, &fixture->destination.is_failed);
    assert_non_null(strstr(fixture->destination.reason, "registration"));
    migration_link_close(TAKE(fixture->destination.link));
    fixture->destination.is_failed = false;
    /* in the middle of it */
    expect(fixture);
    agent_dial(fixture);
    agent_say_hello(fixture, &fixture->ticket);
    turn_until(fixture, &fixture->agent.has_hello);
    migration_port_close(TAKE(fixture->port));
    turn_until(fixture, &fixture->destination.is_failed);
    assert_non_null(strstr(fixture->destination.reason, "closed"));
    turn_until(fixture, &fixture->agent.is_closed);
    fixture_free(fixture);
}

/* --- service --- */

static void assert_flows(int from, int to, const char *text)
{
    char buffer[64] = "";

    assert_int_equal(send(from, text, strlen(text), MSG_NOSIGNAL), strlen(text));
    assert_int_equal(recv(to, buffer, strlen(text), MSG_WAITALL), strlen(text));
    assert_string_equal(buffer, text);
}

static void both_sides_come_to_one_secret_and_a_channel(void **state)
{
    struct fixture *fixture = fixture_new(state);
    struct owner *source = &fixture->source, *destination = &fixture->destination;
    struct digest id;

    expect(fixture);
    dial(fixture);
    become_ready(fixture);
    assert_int_equal(source->secret.size, MIGRATION_SECRET_SIZE);
    assert_true(view_equal(bytes_view(&source->secret), bytes_view(&destination->secret)));
    id = migration_session_id(&fixture->vm->scope, bytes_view(&source->secret));
    assert_true(digest_equal(&id, &source->session));
    assert_true(digest_equal(&id, &destination->session));
    assert_flows(source->fd, destination->fd, "QEVM");
    assert_flows(destination->fd, source->fd, "and back");
    /* The ticket's time bounds the beginning only, and the port is not needed any more. */
    migration_port_close(TAKE(fixture->port));
    loop_for(&fixture->loop, SHORT_MS);
    assert_false(source->is_failed || destination->is_failed);
    assert_flows(source->fd, destination->fd, "still");
    fixture_free(fixture);
}

static void a_link_that_is_ready_outlives_ticket_and_identity(void **state)
{
    struct fixture *fixture = fixture_new(state);

    fixture->ticket.lifetime_ms = SHORT_LIFE_MS;
    expect(fixture);
    dial(fixture);
    become_ready(fixture);
    assert_ok(migration_port_set_identity(fixture->port, (struct view){0}, NULL));
    loop_for(&fixture->loop, 2 * SHORT_LIFE_MS);
    assert_false(fixture->source.is_failed || fixture->destination.is_failed);
    fixture_free(fixture);
}

static void every_session_has_a_secret_of_its_own(void **state)
{
    struct fixture *first = fixture_new(state), *second = fixture_new(state);

    expect(first);
    dial(first);
    become_ready(first);
    expect(second);
    dial(second);
    become_ready(second);
    assert_false(view_equal(bytes_view(&first->source.secret), bytes_view(&second->source.secret)));
    fixture_free(first);
    fixture_free(second);
}

static void the_destination_may_be_late(void **state)
{
    struct fixture *fixture = fixture_new(state);
    char error[LISTENER_ERROR_SIZE];

    migration_port_close(TAKE(fixture->port));
    dial(fixture); /* nobody listens */
    loop_for(&fixture->loop, 2 * SHORT_MS);
    assert_ok(migration_port_open(&fixture->loop, fixture->address, &fixture->port, error));
    loop_for(&fixture->loop, 2 * SHORT_MS); /* there is no registration */
    assert_ok(migration_port_set_identity(
        fixture->port, bytes_view(&fixture->destination_certificate), fixture->vm->peer_sign));
    loop_for(&fixture->loop, 2 * SHORT_MS); /* nothing is expected */
    expect(fixture);
    become_ready(fixture);
    fixture_free(fixture);
}

static void names_are_dialed(void **state)
{
    struct fixture *fixture = fixture_new(state);

    (void)snprintf(fixture->address, sizeof fixture->address, "localhost:%u",
                   migration_port_number(fixture->port));
    expect(fixture);
    dial(fixture);
    become_ready(fixture);
    fixture_free(fixture);
}

static void two_migrations_share_a_port(void **state)
{
    struct fixture *fixture = fixture_new(state);
    struct owner source = {.fd = -1}, destination = {.fd = -1};
    struct migration_ticket first = fixture->ticket;
    struct migration_link_config config;

    expect(fixture);
    fixture->ticket.migration = 10;
    fixture->ticket.digest = sha256(view_string("another ticket"));
    config = config_of(fixture, &destination);
    assert_ok(migration_link_expect(fixture->port, &config, &destination.link));
    config = config_of(fixture, &source);
    assert_ok(migration_link_dial(&config, fixture->address, &source.link));
    fixture->ticket = first;
    dial(fixture);
    become_ready(fixture);
    turn_until(fixture, &source.is_ready);
    turn_until(fixture, &destination.is_ready);
    assert_flows(fixture->source.fd, fixture->destination.fd, "first");
    assert_flows(source.fd, destination.fd, "second");
    assert_false(digest_equal(&source.session, &fixture->source.session));
    owner_free(&source);
    owner_free(&destination);
    fixture_free(fixture);
}

static void a_session_that_breaks_before_the_channel_costs_nothing(void **state)
{
    struct fixture *fixture = fixture_new(state);
    const uint8_t zeroes[MIGRATION_CHANNEL_GREETING_SIZE] = MIGRATION_CHANNEL_MAGIC;
    struct digest secret;
    char byte;
    int fd;

    expect(fixture);
    agent_dial(fixture);
    agent_say_hello(fixture, &fixture->ticket);
    turn_until(fixture, &fixture->agent.has_hello);
    secret = agent_secret(&fixture->agent, &fixture->ticket);
    connection_abort(fixture->agent.connection, STATUS_OK, "test");
    turn_until(fixture, &fixture->agent.is_closed);
    loop_for(&fixture->loop, SHORT_MS);
    /* Its token went with it, and left no other in its place. */
    for (unsigned i = 0; i < 2; i++) {
        fd = i ? raw_dial(fixture, zeroes, sizeof zeroes)
               : agent_channel(fixture, &secret, CHANNEL_MEMORY, DIRECTION_TO_DESTINATION);
        loop_for(&fixture->loop, SHORT_MS);
        assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), 0);
        (void)close(fd);
    }
    dial(fixture);
    become_ready(fixture);
    fixture_free(fixture);
}

/* --- the end --- */

static void the_death_of_the_other_agent_is_noticed(void **state)
{
    for (unsigned how = 0; how < 3; how++) {
        struct fixture *fixture = fixture_new(state);
        struct digest secret;
        uint64_t begin_ms;
        int fd;

        expect(fixture);
        agent_dial(fixture);
        agent_say_hello(fixture, &fixture->ticket);
        turn_until(fixture, &fixture->agent.has_hello);
        secret = agent_secret(&fixture->agent, &fixture->ticket);
        fd = agent_channel(fixture, &secret, CHANNEL_MEMORY, DIRECTION_TO_DESTINATION);
        turn_until(fixture, &fixture->destination.is_ready);
        begin_ms = time_boot_ms();
        if (how == 0) {
            connection_abort(fixture->agent.connection, STATUS_OK, "test");
        } else if (how == 1) {
            connection_close(fixture->agent.connection);
        } else { /* What it says now makes no sense. */
            agent_say_hello(fixture, &fixture->ticket);
        }
        turn_until(fixture, &fixture->destination.is_failed);
        assert_true(time_boot_ms() - begin_ms < 1000);
        assert_true(fixture->destination.reason[0] != 0);
        /* The channel is its owner's, whatever became of the session. */
        assert_flows(fd, fixture->destination.fd, "rest");
        (void)close(fd);
        fixture_free(fixture);
    }
}

static void who_closes_a_link_ends_the_other_side(void **state)
{
    for (unsigned side = 0; side < 2; side++) {
        struct fixture *fixture = fixture_new(state);
        struct owner *one = side ? &fixture->source : &fixture->destination;
        struct owner *other = side ? &fixture->destination : &fixture->source;

        expect(fixture);
        dial(fixture);
        become_ready(fixture);
        migration_link_close(TAKE(one->link));
        turn_until(fixture, &other->is_failed);
        assert_non_null(strstr(other->reason, "gone"));
        assert_false(one->is_failed);
        fixture_free(fixture);
    }
}

static void nothing_is_said_after_the_close(void **state)
{
    for (unsigned turns = 0; turns < 40; turns++) {
        struct fixture *fixture = fixture_new(state);
        bool was_ready[2], was_failed[2];

        expect(fixture);
        dial(fixture);
        for (unsigned i = 0; i < turns; i++) {
            (void)uv_run(&fixture->loop, UV_RUN_NOWAIT);
        }
        was_ready[0] = fixture->source.is_ready;
        was_failed[0] = fixture->source.is_failed;
        migration_link_close(TAKE(fixture->source.link));
        if (turns % 2) {
            migration_port_close(TAKE(fixture->port));
        }
        was_ready[1] = fixture->destination.is_ready;
        was_failed[1] = fixture->destination.is_failed;
        migration_link_close(TAKE(fixture->destination.link));
        loop_for(&fixture->loop, 10);
        assert_true(fixture->source.is_ready == was_ready[0] &&
                    fixture->source.is_failed == was_failed[0]);
        assert_true(fixture->destination.is_ready == was_ready[1] &&
                    fixture->destination.is_failed == was_failed[1]);
        fixture_free(fixture);
    }
}

static void a_link_may_be_closed_from_its_callbacks(void **state)
{
    struct fixture *fixture = fixture_new(state);

    fixture->source.closes_when_ready = true;
    fixture->destination.closes_when_failed = true;
    expect(fixture);
    dial(fixture);
    become_ready(fixture);
    turn_until(fixture, &fixture->destination.is_failed);
    assert_null(fixture->destination.link);
    fixture_free(fixture);

    fixture = fixture_new(state);
    fixture->destination.closes_when_ready = true;
    fixture->source.closes_when_failed = true;
    expect(fixture);
    dial(fixture);
    become_ready(fixture);
    turn_until(fixture, &fixture->source.is_failed);
    fixture_free(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_not_the_tickets_source_is_shut_out),
        cmocka_unit_test(nobody_is_let_in_while_no_migration_is_expected),
        cmocka_unit_test(an_unknown_migration_is_refused),
        cmocka_unit_test(the_source_of_one_migration_is_not_that_of_another),
        cmocka_unit_test(another_ticket_is_another_session),
        cmocka_unit_test(what_is_no_hello_is_refused),
        cmocka_unit_test(a_second_session_of_a_migration_is_refused),
        cmocka_unit_test(a_channel_of_another_purpose_or_session_is_shut_out),
        cmocka_unit_test(rogues_that_come_first_are_not_in_the_way),
        cmocka_unit_test(a_source_that_stops_after_its_hello_is_not_waited_for),
        cmocka_unit_test(a_source_that_says_nothing_is_not_waited_for),
        cmocka_unit_test(who_speaks_out_of_turn_loses_the_session),
        cmocka_unit_test(who_is_not_the_tickets_destination_is_told_nothing),
        cmocka_unit_test(an_answer_that_is_wrong_fails_the_source),
        cmocka_unit_test(an_answer_too_many_fails_the_source),
        cmocka_unit_test(a_destination_that_does_not_answer_is_dialed_again),
        cmocka_unit_test(a_channel_that_cannot_be_connected_is_not_waited_for),
        cmocka_unit_test(nobody_there_fails_both_sides_when_the_ticket_ends),
        cmocka_unit_test(a_ticket_that_came_long_ago_is_over),
        cmocka_unit_test(what_does_not_fit_the_ticket_is_not_begun),
        cmocka_unit_test(a_migration_is_expected_once),
        cmocka_unit_test(a_new_registration_or_the_ports_end_fails_who_waits),
        cmocka_unit_test(both_sides_come_to_one_secret_and_a_channel),
        cmocka_unit_test(a_link_that_is_ready_outlives_ticket_and_identity),
        cmocka_unit_test(every_session_has_a_secret_of_its_own),
        cmocka_unit_test(the_destination_may_be_late),
        cmocka_unit_test(names_are_dialed),
        cmocka_unit_test(two_migrations_share_a_port),
        cmocka_unit_test(a_session_that_breaks_before_the_channel_costs_nothing),
        cmocka_unit_test(the_death_of_the_other_agent_is_noticed),
        cmocka_unit_test(who_closes_a_link_ends_the_other_side),
        cmocka_unit_test(nothing_is_said_after_the_close),
        cmocka_unit_test(a_link_may_be_closed_from_its_callbacks),
    };

    return cmocka_run_group_tests_name("nodeagent/migration_link", tests, vm_set_up, vm_tear_down);
}
