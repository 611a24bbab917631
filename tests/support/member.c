#include "tests/support/member.h"

#include "lib/base/protobuf.h"

#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* --- answers --- */

void member_reply(struct connection *connection, const Tccp__AdminRequest *request,
                  Tccp__AdminResponse *response)
{
    OWN(bytes) struct bytes bytes = {0};

    response->tag = request->tag;
    assert_ok(protobuf_pack(&response->base, FRAME_SIZE_MAX, &bytes));
    assert_ok(connection_send(connection, bytes_view(&bytes)));
}

static void reply_failure(struct connection *connection, const Tccp__AdminRequest *request,
                          const char *reason, const char *detail, const char *leader)
{
    Tccp__AdminResponse response = TCCP__ADMIN_RESPONSE__INIT;
    Tccp__Failure failure;

    tccp__failure__init(&failure);
    failure.reason = protobuf_string(reason);
    failure.detail = protobuf_string(detail);
    failure.leader_address = protobuf_string(leader);
    response.kind_case = TCCP__ADMIN_RESPONSE__KIND_FAILURE;
    response.failure = &failure;
    member_reply(connection, request, &response);
}

void member_refuse(struct connection *connection, const Tccp__AdminRequest *request,
                   const char *reason, const char *detail)
{
    reply_failure(connection, request, reason, detail, "");
}

void member_redirect(const struct member *member, struct connection *connection,
                     const Tccp__AdminRequest *request)
{
    reply_failure(connection, request, "not-leader", "", member->leader);
}

void member_open_session(struct connection *connection, const Tccp__AdminRequest *request)
{
    Tccp__AdminResponse response = TCCP__ADMIN_RESPONSE__INIT;
    Tccp__SessionOpened opened = TCCP__SESSION_OPENED__INIT;

    opened.session = 77;
    response.kind_case = TCCP__ADMIN_RESPONSE__KIND_SESSION_OPENED;
    response.session_opened = &opened;
    member_reply(connection, request, &response);
}

/* --- its thread --- */

static void on_frame(struct connection *connection, void *argument, struct view frame)
{
    struct member *member = argument;
    Tccp__AdminRequest *request = tccp__admin_request__unpack(NULL, frame.size, frame.data);
    size_t place = member->count;

    assert_non_null(request);
    assert_true(place < MEMBER_REQUEST_COUNT_MAX);
    member->kinds[place] = request->kind_case;
    member->sessions[place] = request->id ? request->id->session : 0;
    member->numbers[place] = request->id ? request->id->number : 0;
    member->count++;
    member->answer(member, connection, request);
    tccp__admin_request__free_unpacked(request, NULL);
}

static void on_open(struct connection *connection, void *argument,
                    const struct connection_peer *peer)
{
    (void)connection;
    (void)argument;
    (void)peer;
}

static void on_close(struct connection *connection, void *argument, enum status reason,
                     const char *detail)
{
    (void)connection;
    (void)argument;
    (void)reason;
    (void)detail;
}

static void on_stop(uv_async_t *async)
{
    struct member *member = async->data;

    uv_close((uv_handle_t *)async, NULL);
    listener_close(member->listener, NULL, NULL);
}

static void *member_run(void *argument)
{
    struct member *member = argument;

    (void)uv_run(&member->loop, UV_RUN_DEFAULT);
    return NULL;
}

static enum status accept_anybody(void *argument, const struct view *chain, size_t count,
                                  struct refusal *ret_refusal)
{
    (void)argument;
    (void)chain;
    (void)count;
    (void)ret_refusal;
    return STATUS_OK;
}

/* --- the perimeter, the user, and the program's settings --- */

struct world *world_new(void)
{
    struct world *world = calloc(1, sizeof *world);
    OWN(bytes) struct bytes bundle = {0}, extension = {0}, certificate = {0};
    OWN(secret) struct secret pem = {0};
    Tccp__PerimeterBundle *message;
    char path[128];
    FILE *file;

    assert_non_null(world);
    world->perimeter = perimeter_test_new();
    (void)snprintf(world->folder, sizeof world->folder, "/tmp/tccp-session.XXXXXX");
    assert_non_null(mkdtemp(world->folder));
    assert_int_equal(setenv("XDG_STATE_HOME", world->folder, 1), 0);
    assert_ok(private_key_generate(KEY_ECDSA_P256, &world->user));
    assert_ok(private_key_generate(KEY_ECDSA_P256, &world->server));
    bundle = perimeter_test_bundle_at(world->perimeter, 1, 1, (uint64_t)time(NULL));
    message = tccp__perimeter_bundle__unpack(NULL, bundle.size, bundle.data);
    assert_ok(cluster_trust_extension(message, &extension));
    tccp__perimeter_bundle__free_unpacked(message, NULL);
    assert_ok(certificate_make_authority(world->perimeter->tc_sign, bytes_view(&extension),
                                         (uint64_t)time(NULL) - 60, (uint64_t)time(NULL) + 600,
                                         &world->ca));
    (void)snprintf(path, sizeof path, "%s/user.key", world->folder);
    assert_ok(private_key_to_pem(world->user, (struct view){NULL, 0}, &pem));
    file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(pem.data, 1, pem.size, file), pem.size);
    (void)fclose(file);
    assert_ok(certificate_make_bare(world->user, (uint64_t)time(NULL) - 60,
                                    (uint64_t)time(NULL) + 600, &certificate));
    (void)snprintf(path, sizeof path, "%s/user.key.crt", world->folder);
    file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(certificate.data, 1, certificate.size, file), certificate.size);
    (void)fclose(file);
    return world;
}

void world_free(struct world *world)
{
    char command[128];

    (void)snprintf(command, sizeof command, "rm -r '%s'", world->folder);
    assert_int_equal(system(command), 0);
    perimeter_test_free(world->perimeter);
    private_key_free(world->user);
    private_key_free(world->server);
    bytes_free(&world->ca);
    free(world);
}
/* --- its start and its end --- */

void member_start(struct member *member, const struct world *world, member_answer answer,
                  void *argument, enum certificate_role role, const struct private_key *authority)
{
    static const char *const alpn[] = {"tccp-admin/1", NULL};
    struct view spki = private_key_spki(world->server), chain[2];
    struct certificate content = {
        .role = role,
        .scope = {world->perimeter->root.id, 1},
        .subject = "tc1",
        .serial = {1},
        .serial_size = 1,
        .spki_size = spki.size,
        .registration_id = 1,
        .not_before_s = (uint64_t)time(NULL) - 60,
        .not_after_s = (uint64_t)time(NULL) + 600,
    };
    OWN(bytes) struct bytes leaf = {0};

    memcpy(content.spki, spki.data, spki.size);
    assert_ok(certificate_issue(authority, &content, &leaf));
    chain[0] = bytes_view(&leaf);
    chain[1] = bytes_view(&world->ca);
    *member = (struct member){.answer = answer, .argument = argument, .leaf = TAKE(leaf)};
    assert_int_equal(uv_loop_init(&member->loop), 0);
    assert_int_equal(uv_async_init(&member->loop, &member->stop, on_stop), 0);
    member->stop.data = member;
    assert_ok(tls_context_new(&(struct tls_config){.role = TLS_SERVER,
                                                   .chain = chain,
                                                   .chain_count = 2,
                                                   .private_key = world->server,
                                                   .alpn = alpn,
                                                   .verify = accept_anybody},
                              &member->tls));
    assert_ok(
        listener_open(&(struct listener_config){.loop = &member->loop,
                                                .address = "127.0.0.1:0",
                                                .tls = member->tls,
                                                .callbacks = {on_open, on_frame, NULL, on_close},
                                                .argument = member},
                      &member->listener, NULL));
    (void)snprintf(member->address, sizeof member->address, "127.0.0.1:%u",
                   listener_port(member->listener));
    assert_int_equal(pthread_create(&member->thread, NULL, member_run, member), 0);
}

void member_stop(struct member *member)
{
    assert_int_equal(uv_async_send(&member->stop), 0);
    assert_int_equal(pthread_join(member->thread, NULL), 0);
    assert_int_equal(uv_loop_close(&member->loop), 0);
    tls_context_release(member->tls);
    bytes_free(&member->leaf);
}

/* --- the run --- */

void run_set(struct run *run, const char *name, const char *value)
{
    size_t place = run->cli.option_count++;

    assert_true(place < RUN_OPTION_COUNT_MAX);
    run->specs[place] = (struct option_spec){.name = name, .argument = value ? "VALUE" : NULL};
    run->cli.options[place].spec = &run->specs[place];
    run->cli.options[place].value = value;
}

void run_new(struct run *run, const struct world *world, const char *addresses)
{
    *run = (struct run){.cli = {.quiet = true, .timeout_s = 5}};
    (void)snprintf(run->identity, sizeof run->identity, "%s/user.key", world->folder);
    (void)snprintf(run->addresses, sizeof run->addresses, "%s", addresses);
    perimeter_id_print(&world->perimeter->root.id, run->perimeter);
    run_set(run, "addr", run->addresses);
    run_set(run, "perimeter", run->perimeter);
    run_set(run, "identity", run->identity);
}
