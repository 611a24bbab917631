/*
 * Asking the coordinator: finds the leader among the members, verifies it against the pinned
 * perimeter id, asks, and asks again where that is safe (docs/PROTOCOL.md, section 1; request ids
 * in proto/admin.proto). Blocks, for as long as --timeout says. Failures are reported.
 */
#ifndef TCCP_CLI_SESSION_H
#define TCCP_CLI_SESSION_H

#include "cli/identity.h"

#include "lib/perimeter/bundle.h"

#include "proto/admin.pb-c.h"

struct session;

/* `bare`: see identity_load(). Over a unix socket there is neither identity nor verification: the
 * socket belongs to the member's own machine. */
enum exit_code session_open(const struct cli *cli, bool bare, struct session **ret_session);
void session_close(struct session *session);
DEFINE_OWN_POINTER(session, session_close)

enum session_kind {
    SESSION_READ,   /* changes nothing: asked as often as it takes */
    SESSION_CHANGE, /* gets a request id: asked again with the same one, done once */
    SESSION_ONCE,   /* changes something and has no request id: not asked again once it was sent */
};

/*
 * `what`: "list the nodes". `request`: its kind is set; tag and id are filled in. The response is
 * never a Failure; the caller frees it with tccp__admin_response__free_unpacked(), or
 * OWN(admin_response).
 */
enum exit_code session_ask(struct session *session, enum session_kind kind, const char *what,
                           Tccp__AdminRequest *request, Tccp__AdminResponse **ret_response);
static inline void admin_response_cleanup(Tccp__AdminResponse **response)
{
    tccp__admin_response__free_unpacked(*response, NULL);
}

/*
 * What is waited for from now on, in many questions: where --timeout is over before the end, this
 * is said, and EXIT_TIMED_OUT is the result. For what goes on without the caller. That something
 * is not ready is not reported meanwhile: the result is EXIT_NOT_READY. The text, in which the
 * caller may write meanwhile, and the hint are the caller's; NULL: nothing any more.
 */
void session_set_waiting(struct session *session, const char *message, const char *hint);

/* Why the last question was refused; REFUSAL_NONE where it was not, or where nobody knows whether
 * it was carried out. */
enum refusal_code session_refusal(const struct session *session);

/* Opens, asks and closes. *ret_response is of the kind `expected`, or it is reported. */
enum exit_code ask_once(const struct cli *cli, enum session_kind kind, const char *what,
                        Tccp__AdminRequest *request, Tccp__AdminResponse__KindCase expected,
                        Tccp__AdminResponse **ret_response);

/* How the coordinator was verified; NULL over a unix socket. Valid after a successful question. */
const struct cluster_trust *session_trust(const struct session *session);
const struct identity *session_identity(const struct session *session);

#endif
