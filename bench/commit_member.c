/*
 * A member of the replicated log with just enough of the admin API for bench/commit: sessions that
 * are only counted, and AuditNotes that are committed and answered. What it leaves out of a real
 * coordinator is the state machine behind the log.
 *
 *   commit_member DIRECTORY ID RAFT_ADDRESS API_ADDRESS CREDENTIALS [bootstrap]
 *
 * Orders on standard input: "add ID ADDRESS", "assign ID"; answers "ready", "leads", "change
 * STATUS".
 */
#include "lib/base/protobuf.h"
#include "lib/daemon/daemon.h"
#include "lib/net/connection.h"
#include "proto/admin.pb-c.h"
#include "tcd/replica.h"
#include "tests/support/credentials.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

enum { LINE_SIZE_MAX = 512, EXIT_FATAL = 3 };

struct member {
    uv_loop_t loop;
    uv_pipe_t input;
    struct replica *replica;
    uint64_t revision, sessions;
    struct digest digest;
    char line[LINE_SIZE_MAX];
    size_t line_size;
};

struct call {
    struct member *member;
    struct connection *connection;
    uint64_t tag, revision;
};

static void say(const char *text, const char *detail)
{
    (void)printf("%s%s%s\n", text, *detail ? " " : "", detail);
    (void)fflush(stdout);
}

/* --- the machine --- */

static void machine_apply(void *context, struct view command, void *slot)
{
    struct member *member = context;
    struct call *call = slot;

    member->digest = sha256_two(digest_view(&member->digest), command);
    member->revision++;
    if (call) {
        call->revision = member->revision;
    }
}

static enum status machine_snapshot(void *context, struct replica_snapshot *ret_snapshot)
{
    struct member *member = context;
    struct kept {
        struct view part;
        uint8_t room[8 + SHA256_SIZE];
    } *kept = calloc(1, sizeof *kept);
    struct writer writer = writer_new(64);

    if (!kept) {
        return STATUS_NO_MEMORY;
    }
    writer_u64(&writer, member->revision);
    writer_view(&writer, digest_view(&member->digest));
    ASSERT(writer.size == sizeof kept->room);
    memcpy(kept->room, writer.data, writer.size);
    writer_free(&writer);
    kept->part = VIEW_OF_ARRAY(kept->room);
    *ret_snapshot = (struct replica_snapshot){1, &kept->part, kept, free};
    return STATUS_OK;
}

static enum status machine_restore(void *context, struct view snapshot)
{
    struct member *member = context;
    struct reader reader = reader_of(snapshot);

    member->revision = reader_u64(&reader);
    reader_copy(&reader, member->digest.bytes, SHA256_SIZE);
    return reader_done(&reader) ? STATUS_OK : STATUS_MALFORMED;
}

static void machine_position(void *context, uint64_t *ret_revision, struct digest *ret_digest)
{
    struct member *member = context;

    *ret_revision = member->revision;
    *ret_digest = member->digest;
}

/* --- the API --- */

static void respond(struct connection *connection, const Tccp__AdminResponse *response)
{
    OWN(bytes) struct bytes bytes = {0};

    if (protobuf_pack(&response->base, FRAME_SIZE_MAX, &bytes) == STATUS_OK) {
        (void)!connection_send(connection, bytes_view(&bytes));
    }
}

static void refuse_call(struct connection *connection, uint64_t tag, enum status status)
{
    Tccp__AdminResponse response = TCCP__ADMIN_RESPONSE__INIT;
    Tccp__Failure failure = TCCP__FAILURE__INIT;

    failure.reason = protobuf_string(status == STATUS_NOT_LEADER || status == STATUS_NOT_READY
                                         ? "not-leader"
                                         : status_text(status));
    response.tag = tag;
    response.kind_case = TCCP__ADMIN_RESPONSE__KIND_FAILURE;
    response.failure = &failure;
    respond(connection, &response);
}

static void on_committed(void *argument, enum status status)
{
    struct call *call = argument;

    if (status == STATUS_OK) {
        Tccp__AdminResponse response = TCCP__ADMIN_RESPONSE__INIT;
        Tccp__Done done = TCCP__DONE__INIT;

        done.revision = call->revision;
        response.tag = call->tag;
        response.kind_case = TCCP__ADMIN_RESPONSE__KIND_DONE;
        response.done = &done;
        respond(call->connection, &response);
    } else {
        refuse_call(call->connection, call->tag, status);
    }
    connection_release(call->connection);
    free(call);
}

static void session_open(struct member *member, struct connection *connection, uint64_t tag)
{
    Tccp__AdminResponse response = TCCP__ADMIN_RESPONSE__INIT;
    Tccp__SessionOpened opened = TCCP__SESSION_OPENED__INIT;

    if (!replica_is_leader(member->replica)) {
        refuse_call(connection, tag, STATUS_NOT_LEADER);
        return;
    }
    opened.session = ++member->sessions;
    response.tag = tag;
    response.kind_case = TCCP__ADMIN_RESPONSE__KIND_SESSION_OPENED;
    response.session_opened = &opened;
    respond(connection, &response);
}

static void on_frame(struct connection *connection, void *argument, struct view frame)
{
    struct member *member = argument;
    Tccp__AdminRequest *request = (Tccp__AdminRequest *)protobuf_unpack(
        &tccp__admin_request__descriptor, frame, FRAME_SIZE_MAX);
    struct call *call;
    enum status status;

    if (!request || request->kind_case != TCCP__ADMIN_REQUEST__KIND_AUDIT_NOTE) {
        if (request && request->kind_case == TCCP__ADMIN_REQUEST__KIND_SESSION_OPEN) {
            session_open(member, connection, request->tag);
        }
        if (request) {
            tccp__admin_request__free_unpacked(request, NULL);
        }
        return;
    }
    call = malloc(sizeof *call);
    ASSERT(call);
    *call = (struct call){
        .member = member, .connection = connection_hold(connection), .tag = request->tag};
    status = replica_propose(member->replica, frame, call, on_committed, call);
    if (status != STATUS_OK) {
        on_committed(call, status);
    }
    tccp__admin_request__free_unpacked(request, NULL);
}

static void on_open(struct connection *connection, void *argument,
                    const struct connection_peer *peer)
{
    (void)argument, (void)peer;
    connection_set_frame_size_max(connection, FRAME_SIZE_MAX);
}

static void on_close(struct connection *connection, void *argument, enum status reason,
                     const char *detail)
{
    (void)connection, (void)argument, (void)reason, (void)detail;
}

/* --- the rest --- */

static void on_leadership(void *argument, bool is_leader, uint64_t term)
{
    (void)argument, (void)term;
    say(is_leader ? "leads" : "follows", "");
}

static void on_fatal(void *argument, const char *reason, const char *detail)
{
    (void)argument;
    (void)fprintf(stderr, "commit_member: %s: %s\n", reason, detail);
    _exit(EXIT_FATAL);
}

static enum status identify(void *argument, struct view certificate, uint64_t *ret_raft_id,
                            struct refusal *ret_refusal)
{
    char name[64];

    (void)argument, (void)ret_refusal;
    credentials_name(certificate, name);
    *ret_raft_id = strncmp(name, "member", 6) == 0 ? strtoull(name + 6, NULL, 10) : 0;
    return STATUS_OK;
}

static void on_changed(void *argument, enum status status)
{
    (void)argument;
    say("change", status_text(status));
}

static void on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buffer)
{
    struct member *member = handle->data;

    (void)suggested;
    *ret_buffer = uv_buf_init(member->line + member->line_size,
                              (unsigned)(sizeof member->line - member->line_size));
}

static void on_input(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
    struct member *member = stream->data;
    enum status status = STATUS_MALFORMED;
    uint64_t id;
    char address[300];

    (void)buffer;
    if (size < 0) {
        _exit(0);
    }
    member->line_size += (size_t)size;
    if (member->line[member->line_size - 1] != '\n') {
        return;
    }
    member->line[member->line_size - 1] = 0;
    member->line_size = 0;
    if (sscanf(member->line, "add %" SCNu64 " %299s", &id, address) == 2) {
        status = replica_add(member->replica, id, address, on_changed, member);
    } else if (sscanf(member->line, "assign %" SCNu64, &id) == 1) {
        status = replica_assign(member->replica, id, REPLICA_VOTER, on_changed, member);
    }
    if (status != STATUS_OK) {
        on_changed(member, status);
    }
}

int main(int argc, char **argv)
{
    static struct member member;
    struct credentials credentials;
    struct replica_config config = {0};
    struct listener_config api = {0};
    struct listener *listener;
    char error[REPLICA_ERROR_SIZE];

    if (argc < 6) {
        return 64;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    daemon_log_start(LOG_WARNING);
    ASSERT(uv_loop_init(&member.loop) == 0);
    credentials = credentials_load(argv[5]);
    config.loop = &member.loop;
    config.directory = argv[1];
    config.raft_id = strtoull(argv[2], NULL, 10);
    config.address = argv[3];
    config.server_tls = credentials_context(&credentials, TLS_SERVER, REPLICA_ALPN, NULL);
    config.client_tls = credentials_context(&credentials, TLS_CLIENT, REPLICA_ALPN, NULL);
    config.identify = identify;
    config.machine = (struct replica_machine){&member, machine_apply, machine_snapshot,
                                              machine_restore, machine_position};
    config.callbacks = (struct replica_callbacks){on_leadership, on_fatal, &member};
    api.loop = &member.loop;
    api.address = argv[4];
    api.tls = credentials_context(&credentials, TLS_SERVER, "tccp-admin/1", "client");
    api.callbacks = (struct connection_callbacks){on_open, on_frame, NULL, on_close};
    api.argument = &member;
    if (replica_open(&config, &member.replica, error) != STATUS_OK ||
        (argc > 6 && replica_bootstrap(member.replica, error) != STATUS_OK) ||
        replica_start(member.replica, error) != STATUS_OK ||
        listener_open(&api, &listener, error) != STATUS_OK) {
        (void)fprintf(stderr, "commit_member: %s\n", error);
        return 1;
    }
    ASSERT(uv_pipe_init(&member.loop, &member.input, 0) == 0);
    member.input.data = &member;
    ASSERT(uv_pipe_open(&member.input, STDIN_FILENO) == 0);
    ASSERT(uv_read_start((uv_stream_t *)&member.input, on_allocate, on_input) == 0);
    say("ready", "");
    return uv_run(&member.loop, UV_RUN_DEFAULT);
}
