/*
 * A QMP client on libuv, over a stream socket that the launcher made (a socketpair whose other end
 * QEMU inherited). Commands carry ids, may pass one descriptor, and time out; events are handed on
 * as they come. What QEMU must not do (a line too long, malformed, a reply nobody asked for) ends
 * the connection with STATUS_MALFORMED.
 */
#ifndef TCCP_NODEAGENT_QMP_H
#define TCCP_NODEAGENT_QMP_H

#include "nodeagent/qmp_message.h"

struct uv_loop_s;
struct qmp;

enum {
    QMP_OUTSTANDING_MAX = 32, /* commands that were sent and not answered */
    QMP_GREETING_TIMEOUT_MS = 20000,
};

enum qmp_start {
    QMP_FRESH,   /* QEMU has just started: it greets first. */
    QMP_RESUMED, /* An earlier agent spoke over this socket: whatever is left of its conversation,
                    in either direction, is cut off and ignored. */
};

struct qmp_handlers {
    /* Capabilities are negotiated; commands may be sent. */
    void (*on_ready)(void *argument);
    /* `data` may be NULL; both are valid during the call. */
    void (*on_event)(void *argument, const char *name, const struct qmp_value *data);
    /* The connection ended: STATUS_CLOSED, STATUS_TIMEOUT (no greeting), STATUS_MALFORMED or
     * STATUS_IO. Outstanding commands have been answered with it before. Runs at most once;
     * qmp_close() is still the owner's to call. */
    void (*on_closed)(void *argument, enum status status);
};

struct qmp_reply {
    enum status status; /* OK; REFUSED: QEMU answered with an error; TIMEOUT; CLOSED ... */
    const char *error;  /* QEMU's sentence where REFUSED, a static one otherwise; never NULL */
    const struct qmp_value *value; /* where OK; valid during the call */
};
typedef void (*qmp_on_reply)(void *argument, const struct qmp_reply *reply);

/* Takes `fd` when it succeeds. */
WARN_UNUSED enum status qmp_open(struct uv_loop_s *loop, int fd, enum qmp_start start,
                                 const struct qmp_handlers *handlers, void *argument,
                                 struct qmp **ret_qmp);

/*
 * Sends a command; `arguments` are freed in any case. passed_fd (or -1) travels with it, and is
 * duplicated, so that the caller closes its own. on_reply runs exactly once, never before this
 * returns, unless qmp_close() comes first. After a timeout a late answer is ignored.
 */
void qmp_execute(struct qmp *qmp, const char *command, struct qmp_arguments *arguments,
                 int passed_fd, unsigned timeout_ms, qmp_on_reply on_reply, void *argument);

/* Whoever asked with this argument does not want to know any more: no on_reply with it comes. */
void qmp_forget(struct qmp *qmp, const void *argument);

/* Ends the connection without any further call to handlers; may be called from one of them. NULL is
 * fine. */
void qmp_close(struct qmp *qmp);

#endif
