/*
 * Messages of the QEMU Machine Protocol (QEMU's docs/interop/qmp-spec.txt), one line each. QEMU is
 * on the other side of a sandbox: what it says is bounded and parsed strictly, a key given twice is
 * refused. No I/O.
 */
#ifndef TCCP_NODEAGENT_QMP_MESSAGE_H
#define TCCP_NODEAGENT_QMP_MESSAGE_H

#include "nodeagent/qmp_value.h"

enum {
    QMP_LINE_SIZE_MAX = 1024 * 1024, /* bytes */
    QMP_ID_SIZE_MAX = 64,            /* characters, with the NUL */
};

enum qmp_message_kind { QMP_GREETING, QMP_RETURN, QMP_ERROR, QMP_EVENT };

struct qmp_message {
    enum qmp_message_kind kind;
    char id[QMP_ID_SIZE_MAX];      /* of the command that this answers; may be "" */
    const char *name;              /* QMP_EVENT: its name; QMP_ERROR: its class */
    const char *description;       /* QMP_ERROR: a sentence */
    const struct qmp_value *value; /* QMP_RETURN: what is returned; QMP_EVENT: its data or NULL */
    void *document;                /* what the pointers above point into */
};

/* One line, without its newline. STATUS_MALFORMED, STATUS_TOO_LARGE, STATUS_NO_MEMORY. */
WARN_UNUSED enum status qmp_message_parse(struct view line, struct qmp_message **ret_message);
void qmp_message_free(struct qmp_message *message);
DEFINE_OWN_POINTER(qmp_message, qmp_message_free)

/* The line, with its newline, that executes `command`; arguments may be NULL where a command has
 * none (a NULL from qmp_arguments_new() must be caught by the caller). */
WARN_UNUSED enum status qmp_command_encode(const char *command, const char *id,
                                           const struct qmp_arguments *arguments,
                                           struct bytes *ret_line);

#endif
