#include "cli/session.h"

#include "cli/remember.h"
#include "cli/settings.h"

#include "lib/base/protobuf.h"
#include "lib/crypto/x509.h"
#include "lib/net/client.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#define ALPN_ADMIN "tccp-admin/1"

enum {
    ROUNDS_MAX = 3, /* attempts at every address, before anything was asked */
    DETAIL_SIZE = 400,
    TIMEOUT_REPEAT_MS = 200,
};

struct session {
    const struct cli *cli;
    uv_loop_t loop;
    uv_timer_t timer;
    struct client *client;
    struct tls_context *tls;
    struct identity identity;
    size_t address_count;

    struct bundle_expectation expectation;
    struct cluster_trust trust;
    bool trusted;
    struct refusal refusal; /* of the last member that was not trusted */
    unsigned refusals;      /* in a row */

    /* The question that is out. */
    enum session_kind kind;
    const char *what;
    struct bytes question; /* empty: none */
    uint64_t tag;
    bool sent;
    Tccp__AdminResponse *answer;
    enum exit_code result;
    bool done;
    unsigned failures; /* of connections, in a row */
    bool saw_no_leader;
    const char *waiting, *waiting_hint;
    char detail[DETAIL_SIZE];   /* of the last failure */
    enum refusal_code answered; /* the refusal that was the answer */

    /* For changes. */
    uint64_t server_session, number;
};

const struct cluster_trust *session_trust(const struct session *session)
{
    return session->trusted ? &session->trust : NULL;
}

const struct identity *session_identity(const struct session *session)
{
    return &session->identity;
}

enum refusal_code session_refusal(const struct session *session)
{
    return session->answered;
}

void session_set_waiting(struct session *session, const char *message, const char *hint)
{
    session->waiting = message;
    session->waiting_hint = hint;
}

/* --- who is at the other end --- */

static enum status member_check(struct session *session, const struct view *chain, size_t count,
                                struct refusal *ret_refusal)
{
    OWN(public_key) struct public_key *tc_sign = NULL;
    struct certificate certificate;
    struct scope scope;

    if (count != 2) {
        return refuse(ret_refusal, REFUSAL_CERTIFICATE_CHAIN,
                      "%zu certificates are shown; a member's and its CA's are expected", count);
    }
    session->expectation.now_s = now_s();
    TRY(cluster_trust_check(chain[1], &session->expectation, &session->trust, ret_refusal));
    TRY(public_key_parse(perimeter_key_view(&session->trust.endorsement.tc_sign), &tc_sign));
    scope = (struct scope){session->trust.root.id, session->trust.endorsement.epoch};
    TRY(certificate_check(chain[0], tc_sign, &scope, session->expectation.now_s, &certificate,
                          ret_refusal));
    return certificate_require_role(&certificate, ROLE_MEMBER, ret_refusal);
}

static enum status verify(void *argument, const struct view *chain, size_t count,
                          struct refusal *ret_refusal)
{
    struct session *session = argument;
    enum status status = member_check(session, chain, count, ret_refusal);

    session->trusted = status == STATUS_OK;
    if (status == STATUS_REFUSED) {
        session->refusal = *ret_refusal;
        session->refusals++;
    }
    return status;
}

/* --- the question and its answer --- */

static void finish(struct session *session, enum exit_code result)
{
    session->result = result;
    session->done = true;
}

static void send_question(struct session *session)
{
    if (session->done || !session->question.size || !client_connection(session->client)) {
        return;
    }
    if (client_send(session->client, bytes_view(&session->question)) == STATUS_OK) {
        session->sent = true;
    }
}

static void on_open(struct client *client, void *argument, const struct connection_peer *peer)
{
    struct session *session = argument;

    connection_set_frame_size_max(client_connection(client), FRAME_SIZE_MAX);
    session->failures = session->refusals = 0;
    (void)peer;
    send_question(session);
}

static bool is_reason(const Tccp__Failure *failure, const char *reason)
{
    return strcmp(failure->reason, reason) == 0;
}

/* True when the question goes on to another member, or to the same one later. */
static bool goes_on(struct session *session, const Tccp__Failure *failure)
{
    const struct connection_peer *peer = connection_peer(client_connection(session->client));

    if (!is_reason(failure, "not-leader") && !is_reason(failure, "no-quorum") &&
        !is_reason(failure, "outcome-unknown")) {
        return false;
    }
    session->saw_no_leader = true;
    /* A local socket leads to one member only. */
    if (peer->is_local ||
        (session->kind == SESSION_ONCE && is_reason(failure, "outcome-unknown"))) {
        return false;
    }
    (void)client_redirect(session->client, failure->leader_address);
    return true;
}

static void answer_failure(struct session *session, const Tccp__Failure *failure)
{
    enum refusal_code code = refusal_of_name(failure->reason);
    struct refusal refusal = {.code = code};

    (void)snprintf(session->detail, sizeof session->detail, "%s", failure->detail);
    if (goes_on(session, failure)) {
        return;
    }
    if (code != REFUSAL_CODE_COUNT) {
        (void)snprintf(refusal.detail, sizeof refusal.detail, "%s", failure->detail);
        session->answered = code == REFUSAL_UNKNOWN_REQUEST ? REFUSAL_NONE : code;
        finish(session, session->waiting && code == REFUSAL_NOT_READY
                            ? EXIT_NOT_READY
                            : report_refusal(session->cli, session->what, &refusal));
    } else if (is_reason(failure, "not-leader") || is_reason(failure, "no-quorum")) {
        finish(session,
               report(session->cli, EXIT_NOT_READY, "give --addr with the members' addresses",
                      "this member does not lead%s%s", *failure->leader_address ? "; ask " : "",
                      failure->leader_address));
    } else {
        finish(session,
               report(session->cli, EXIT_FAILED, "look at the state before asking again",
                      "cannot %s: %s: %s", session->what, failure->reason, failure->detail));
    }
}

static void on_frame(struct client *client, void *argument, struct view frame)
{
    struct session *session = argument;
    Tccp__AdminResponse *answer = (Tccp__AdminResponse *)protobuf_unpack(
        &tccp__admin_response__descriptor, frame, FRAME_SIZE_MAX);

    if (!answer) {
        finish(session,
               report(session->cli, EXIT_FAILED, "",
                      "%s answered with something that is no message", client_address(client)));
        return;
    }
    if (session->done || answer->tag != session->tag) {
        tccp__admin_response__free_unpacked(answer, NULL);
        return;
    }
    if (answer->kind_case == TCCP__ADMIN_RESPONSE__KIND_FAILURE) {
        answer_failure(session, answer->failure);
        tccp__admin_response__free_unpacked(answer, NULL);
        return;
    }
    /* Only now: who does not lead must not be asked again and again without a pause. */
    client_confirm(client);
    session->answer = answer;
    finish(session, EXIT_DONE);
}

static void on_failure(struct client *client, void *argument, enum status reason,
                       const char *detail, bool is_final)
{
    struct session *session = argument;

    (void)client;
    (void)reason;
    (void)is_final;
    (void)snprintf(session->detail, sizeof session->detail, "%s", detail);
    session->failures++;
    if (session->cli->verbose) {
        note(session->cli, "%s", detail);
    }
    if (session->done) {
        return;
    }
    if (session->refusals >= session->address_count) {
        finish(session, report_refusal(session->cli, "trust the coordinator", &session->refusal));
    } else if (session->sent && session->kind == SESSION_ONCE) {
        finish(session, report(session->cli, EXIT_FAILED, "look at the state before asking again",
                               "the connection was lost before the answer came: %s", detail));
    } else if (!session->sent && session->failures >= ROUNDS_MAX * session->address_count &&
               !option_is_set(session->cli, "wait")) {
        finish(session,
               report(session->cli, EXIT_NOT_READY, "", "no member can be reached: %s", detail));
    }
}

static void time_is_up(struct session *session)
{
    if (session->waiting) {
        finish(session,
               report(session->cli, EXIT_TIMED_OUT, session->waiting_hint, "%s%s%s",
                      session->waiting, *session->detail ? "; last: " : "", session->detail));
    } else if (session->sent && session->kind != SESSION_READ) {
        finish(session,
               report(session->cli, EXIT_TIMED_OUT, "look at the state before asking again",
                      "cannot %s: no answer in %u s; it may have been done, or not%s%s",
                      session->what, session->cli->timeout_s, *session->detail ? "; last: " : "",
                      session->detail));
    } else if (session->saw_no_leader) {
        finish(session,
               report(session->cli, EXIT_NOT_READY,
                      "`tccpctl cluster status` of each "
                      "member tells more",
                      "no member leads%s%s", *session->detail ? ": " : "", session->detail));
    } else {
        finish(session,
               report(session->cli, EXIT_TIMED_OUT, "", "no answer in %u s%s%s",
                      session->cli->timeout_s, *session->detail ? ": " : "", session->detail));
    }
}

static void on_timeout(uv_timer_t *timer)
{
    struct session *session = timer->data;

    if (!session->done) {
        time_is_up(session);
    }
}

/* --- asking --- */

/* Sends the packed question and runs the loop until it is answered. */
static enum exit_code ask(struct session *session, enum session_kind kind,
                          Tccp__AdminRequest *request, Tccp__AdminResponse **ret_response)
{
    request->tag = ++session->tag;
    bytes_free(&session->question);
    if (protobuf_pack(&request->base, FRAME_SIZE_MAX, &session->question) != STATUS_OK) {
        return report_status(session->cli, "send a request", STATUS_TOO_LARGE);
    }
    session->kind = kind;
    session->sent = session->done = session->saw_no_leader = false;
    session->detail[0] = '\0';
    session->answer = NULL;
    session->answered = REFUSAL_NONE;
    send_question(session);
    while (!session->done) {
        (void)uv_run(&session->loop, UV_RUN_ONCE);
    }
    bytes_free(&session->question);
    *ret_response = session->answer;
    return session->result;
}

/* A change needs a session that the coordinator knows: one for each run of the program. */
static enum exit_code request_id_fill(struct session *session, Tccp__RequestId *ret_id)
{
    Tccp__AdminRequest request = TCCP__ADMIN_REQUEST__INIT;
    Tccp__SessionOpen open = TCCP__SESSION_OPEN__INIT;
    OWN(admin_response) Tccp__AdminResponse *response = NULL;
    enum exit_code exit_code;

    if (session->server_session == 0) {
        request.kind_case = TCCP__ADMIN_REQUEST__KIND_SESSION_OPEN;
        request.session_open = &open;
        /* Asked twice it opens two sessions, which does no harm. */
        exit_code = ask(session, SESSION_READ, &request, &response);
        if (exit_code != EXIT_DONE) {
            return exit_code;
        }
        if (response->kind_case != TCCP__ADMIN_RESPONSE__KIND_SESSION_OPENED ||
            response->session_opened->session == 0) {
            return report(session->cli, EXIT_FAILED, "", "the coordinator opened no session");
        }
        session->server_session = response->session_opened->session;
    }
    ret_id->session = session->server_session;
    ret_id->number = ++session->number;
    return EXIT_DONE;
}

enum exit_code session_ask(struct session *session, enum session_kind kind, const char *what,
                           Tccp__AdminRequest *request, Tccp__AdminResponse **ret_response)
{
    Tccp__RequestId id = TCCP__REQUEST_ID__INIT;
    enum exit_code exit_code = EXIT_DONE;

    session->what = what;
    *ret_response = NULL;
    if (kind == SESSION_CHANGE) {
        exit_code = request_id_fill(session, &id);
        request->id = &id;
    }
    if (exit_code == EXIT_DONE) {
        exit_code = ask(session, kind, request, ret_response);
    }
    request->id = NULL;
    if (exit_code == EXIT_DONE && session->trusted) {
        exit_code = remember(session->cli, &session->trust.root.id, &session->trust.seen);
    }
    return exit_code;
}

enum exit_code ask_once(const struct cli *cli, enum session_kind kind, const char *what,
                        Tccp__AdminRequest *request, Tccp__AdminResponse__KindCase expected,
                        Tccp__AdminResponse **ret_response)
{
    OWN(session) struct session *session = NULL;
    enum exit_code exit_code = session_open(cli, false, &session);

    if (exit_code == EXIT_DONE) {
        exit_code = session_ask(session, kind, what, request, ret_response);
    }
    if (exit_code == EXIT_DONE && (*ret_response)->kind_case != expected) {
        exit_code = report(cli, EXIT_FAILED, "", "cannot %s: the answer is of another kind", what);
    }
    return exit_code;
}

/* --- opening and closing --- */

static enum exit_code tls_open(struct session *session, bool bare)
{
    static const char *const alpn[] = {ALPN_ADMIN, NULL};
    struct view chain;
    enum exit_code exit_code =
        setting_perimeter_id(session->cli, &session->expectation.perimeter_id);

    if (exit_code == EXIT_DONE) {
        exit_code = remember_load(session->cli, &session->expectation.perimeter_id,
                                  &session->expectation.memory);
    }
    if (exit_code == EXIT_DONE) {
        exit_code = identity_load(session->cli, bare, &session->identity);
    }
    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    chain = bytes_view(&session->identity.certificate);
    return tls_context_new(
               &(struct tls_config){
                   .role = TLS_CLIENT,
                   .chain = &chain,
                   .chain_count = 1,
                   .private_key = session->identity.key,
                   .alpn = alpn,
                   .verify = verify,
                   .verify_argument = session,
               },
               &session->tls) == STATUS_OK
               ? EXIT_DONE
               : report(session->cli, EXIT_FAILED, "", "the certificate of %s does not fit its key",
                        session->identity.path);
}

static enum exit_code connect_start(struct session *session, const char *const *addresses)
{
    enum status status = client_open(
        &(struct client_config){
            .loop = &session->loop,
            .addresses = addresses,
            .address_count = session->address_count,
            .tls = session->tls,
            .callbacks = {on_open, on_frame, on_failure},
            .argument = session,
        },
        &session->client);

    return status == STATUS_OK
               ? EXIT_DONE
               : report_usage(session->cli, "an address is malformed: host:port, [::1]:port or "
                                            "unix:/path is expected");
}

enum exit_code session_open(const struct cli *cli, bool bare, struct session **ret_session)
{
    OWN(session) struct session *session = calloc(1, sizeof *session);
    struct address_list addresses;
    bool needs_tls = bare;
    enum exit_code exit_code;

    if (!session || uv_loop_init(&session->loop) != 0) {
        free(TAKE(session));
        return report_status(cli, "start", STATUS_NO_MEMORY);
    }
    session->cli = cli;
    (void)uv_timer_init(&session->loop, &session->timer);
    session->timer.data = session;
    exit_code = setting_addresses(cli, &addresses);
    session->address_count = addresses.count;
    for (size_t i = 0; exit_code == EXIT_DONE && i < session->address_count; i++) {
        needs_tls |= strncmp(addresses.items[i], "unix:", 5) != 0;
    }
    if (exit_code == EXIT_DONE && needs_tls) {
        exit_code = tls_open(session, bare);
    }
    if (exit_code == EXIT_DONE) {
        exit_code = connect_start(session, addresses.items);
    }
    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    /* Again and again: between two questions nobody would hear of it. */
    (void)uv_timer_start(&session->timer, on_timeout, (uint64_t)cli->timeout_s * 1000,
                         TIMEOUT_REPEAT_MS);
    *ret_session = TAKE(session);
    return EXIT_DONE;
}

void session_close(struct session *session)
{
    session->done = true;
    uv_close((uv_handle_t *)&session->timer, NULL);
    if (session->client) {
        client_close(session->client);
    }
    (void)uv_run(&session->loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&session->loop);
    tls_context_release(session->tls);
    identity_free(&session->identity);
    bytes_free(&session->question);
    free(session);
}
