/*
 * A sequence of QMP commands, each sent when the one before has succeeded. Descriptors that are
 * handed to QEMU get a number there, and later commands name them by it.
 */
#ifndef TCCP_NODEAGENT_QMP_SCRIPT_H
#define TCCP_NODEAGENT_QMP_SCRIPT_H

#include "nodeagent/qmp.h"

enum {
    QMP_SCRIPT_STEPS_MAX = 48,
    QMP_SCRIPT_SLOTS_MAX = 8,
    QMP_SCRIPT_ERROR_SIZE = 256,
};

struct qmp_script;

/* status and error ("command: what QEMU said") of the first step that failed. The script is gone by
 * then. */
typedef void (*qmp_script_on_done)(void *argument, enum status status, const char *error);

/* The time is each command's. Never NULL. */
struct qmp_script *qmp_script_new(unsigned timeout_ms);
void qmp_script_free(struct qmp_script *script);
DEFINE_OWN_POINTER(qmp_script, qmp_script_free)

/* Appends a command; takes the arguments. */
void qmp_script_add(struct qmp_script *script, const char *command,
                    struct qmp_arguments *arguments);
/* The same for one that cleans up: it is sent even when QEMU refused an earlier one, and may itself
 * be refused. When QEMU does not answer, the script ends. */
void qmp_script_add_cleanup(struct qmp_script *script, const char *command,
                            struct qmp_arguments *arguments);
/* `add-fd` into a set of its own; the descriptor stays the caller's. QEMU's number for it goes to
 * the slot. */
void qmp_script_add_fd(struct qmp_script *script, int fd, unsigned fd_set, unsigned slot);
/* `getfd`: a named descriptor, for migration. */
void qmp_script_get_fd(struct qmp_script *script, int fd, const char *name);
/* The last command added gets {path: "/proc/self/fd/<number in the slot>"} before it is sent. */
void qmp_script_use_slot(struct qmp_script *script, const char *path, unsigned slot);

/* Runs it, and frees it at its end; on_done runs once, never from inside this call.
 * qmp_script_cancel() ends it before that, without on_done: what is under way in QEMU is not
 * undone.
 */
void qmp_script_run(struct qmp_script *script, struct qmp *qmp, qmp_script_on_done on_done,
                    void *argument);
/* One that runs, while its connection has not been closed. NULL is fine. */
void qmp_script_cancel(struct qmp_script *script);

#endif
