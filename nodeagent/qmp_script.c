#include "nodeagent/qmp_script.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NO_SLOT = -1, COMMAND_SIZE = 48 };

struct step {
    char command[COMMAND_SIZE];
    struct qmp_arguments *arguments;
    bool is_cleanup;
    int fd;
    int result_slot; /* where QEMU's number of the descriptor goes */
    int used_slot;   /* which is put into the arguments at used_path */
    char used_path[QMP_PATH_SIZE_MAX];
};

struct qmp_script {
    struct step steps[QMP_SCRIPT_STEPS_MAX];
    unsigned count, at;
    int64_t slots[QMP_SCRIPT_SLOTS_MAX];
    unsigned timeout_ms;
    enum status status;
    char error[QMP_SCRIPT_ERROR_SIZE];
    struct qmp *qmp;
    qmp_script_on_done on_done;
    void *argument;
};

static void script_run_next(struct qmp_script *script);

struct qmp_script *qmp_script_new(unsigned timeout_ms)
{
    struct qmp_script *script = calloc(1, sizeof *script);

    /* Without these few bytes nobody could be told of anything. */
    ASSERT(script);
    script->timeout_ms = timeout_ms;
    return script;
}

void qmp_script_free(struct qmp_script *script)
{
    if (!script) {
        return;
    }
    for (unsigned i = 0; i < script->count; i++) {
        qmp_arguments_free(script->steps[i].arguments);
        if (script->steps[i].fd >= 0) {
            (void)close(script->steps[i].fd);
        }
    }
    free(script);
}

static struct step *script_append(struct qmp_script *script, const char *command,
                                  struct qmp_arguments *arguments)
{
    struct step *step;

    ASSERT(strlen(command) < COMMAND_SIZE);
    ASSERT(script->count < QMP_SCRIPT_STEPS_MAX);
    step = &script->steps[script->count++];
    *step = (struct step){
        .arguments = arguments, .fd = -1, .result_slot = NO_SLOT, .used_slot = NO_SLOT};
    strcpy(step->command, command);
    return step;
}

void qmp_script_add(struct qmp_script *script, const char *command, struct qmp_arguments *arguments)
{
    (void)script_append(script, command, arguments);
}

void qmp_script_add_cleanup(struct qmp_script *script, const char *command,
                            struct qmp_arguments *arguments)
{
    script_append(script, command, arguments)->is_cleanup = true;
}

static void step_pass(struct qmp_script *script, struct step *step, int fd)
{
    step->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (step->fd < 0) {
        script->status = STATUS_IO;
        (void)snprintf(script->error, sizeof script->error, "no descriptor left");
    }
}

void qmp_script_add_fd(struct qmp_script *script, int fd, unsigned fd_set, unsigned slot)
{
    struct qmp_arguments *arguments = qmp_arguments_new();
    struct step *step;

    ASSERT(slot < QMP_SCRIPT_SLOTS_MAX);
    qmp_arguments_number(arguments, "fdset-id", fd_set);
    step = script_append(script, "add-fd", arguments);
    step_pass(script, step, fd);
    step->result_slot = (int)slot;
}

void qmp_script_get_fd(struct qmp_script *script, int fd, const char *name)
{
    struct qmp_arguments *arguments = qmp_arguments_new();

    qmp_arguments_string(arguments, "fdname", name);
    step_pass(script, script_append(script, "getfd", arguments), fd);
}

void qmp_script_use_slot(struct qmp_script *script, const char *path, unsigned slot)
{
    struct step *step;

    ASSERT(script->count && slot < QMP_SCRIPT_SLOTS_MAX && strlen(path) < QMP_PATH_SIZE_MAX);
    step = &script->steps[script->count - 1];
    step->used_slot = (int)slot;
    strcpy(step->used_path, path);
}

/* The callback may free whatever held the script: the script goes first. */
static void script_end(struct qmp_script *script)
{
    const qmp_script_on_done on_done = script->on_done;
    void *argument = script->argument;
    enum status status = script->status;
    char error[QMP_SCRIPT_ERROR_SIZE];

    (void)snprintf(error, sizeof error, "%s", script->error);
    qmp_script_free(script);
    on_done(argument, status, error);
}

static void on_nothing(void *argument, const struct qmp_reply *reply)
{
    (void)reply;
    script_end(argument);
}

static void on_reply(void *argument, const struct qmp_reply *reply)
{
    struct qmp_script *script = argument;
    struct step *step = &script->steps[script->at];
    enum status status = reply->status;
    const char *error = reply->error;

    if (status == STATUS_OK && step->result_slot != NO_SLOT &&
        !qmp_value_number(reply->value, "fd", &script->slots[step->result_slot])) {
        status = STATUS_MALFORMED;
        error = "no descriptor number";
    }
    if (status != STATUS_OK && !step->is_cleanup && script->status == STATUS_OK) {
        script->status = status;
        (void)snprintf(script->error, sizeof script->error, "%s: %s", step->command, error);
    }
    script->at++;
    if (status != STATUS_OK && status != STATUS_REFUSED) {
        /* QEMU does not answer: nothing that follows would be answered either. */
        script->status = script->status == STATUS_OK ? status : script->status;
        script->at = script->count;
    }
    script_run_next(script);
}

static void script_run_next(struct qmp_script *script)
{
    struct step *step;

    while (script->at < script->count && script->status != STATUS_OK &&
           !script->steps[script->at].is_cleanup) {
        script->at++;
    }
    if (script->at == script->count) {
        script_end(script);
        return;
    }
    step = &script->steps[script->at];
    if (step->used_slot != NO_SLOT) {
        qmp_arguments_format(step->arguments, step->used_path, "/proc/self/fd/%d",
                             (int)script->slots[step->used_slot]);
    }
    qmp_execute(script->qmp, step->command, TAKE(step->arguments), step->fd, script->timeout_ms,
                on_reply, script);
}

void qmp_script_run(struct qmp_script *script, struct qmp *qmp, qmp_script_on_done on_done,
                    void *argument)
{
    script->qmp = qmp;
    script->on_done = on_done;
    script->argument = argument;
    if (script->count == 0 || script->status != STATUS_OK) {
        /* The answer must not come from inside this call. */
        qmp_execute(qmp, "query-status", NULL, -1, script->timeout_ms, on_nothing, script);
        return;
    }
    script_run_next(script);
}

void qmp_script_cancel(struct qmp_script *script)
{
    if (script) {
        qmp_forget(script->qmp, script);
        qmp_script_free(script);
    }
}
