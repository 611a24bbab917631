/* Waiting for what becomes of a VM. */
#include "cli/vm.h"

#include "lib/base/protobuf.h"
#include "lib/net/timer.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/*
 * Whoever has waited long does not mind to wait a little longer: the pause between two questions
 * grows with what has passed, so that a short wait ends soon after what was waited for, and a long
 * one asks seldom. A question is not free: the coordinator makes sure of a majority before it
 * answers.
 */
enum {
    PAUSE_MIN_MS = 20,
    PAUSE_MAX_MS = 300,
    PASSED_PER_PAUSE = 16,
    PAUSE_PER_ANSWER = 4,
    STATE_SIZE = 32,
    DETAIL_SIZE = 256,
};

/* What the coordinator said last. */
struct sight {
    char state[STATE_SIZE];
    char detail[DETAIL_SIZE]; /* ": why", or "" */
};

static const Tccp__VmStatus *vm_in(const Tccp__VmsReply *vms, const struct digest *id)
{
    for (size_t i = 0; i < vms->n_vms; i++) {
        if (view_equal(protobuf_view(vms->vms[i]->vm), digest_view(id))) {
            return vms->vms[i];
        }
    }
    return NULL;
}

/* States that nothing but somebody's wish leads out of. */
static bool has_ended(const struct sight *sight)
{
    return strcmp(sight->state, "stopped") == 0 || strcmp(sight->state, "lost") == 0 ||
           strcmp(sight->state, "deleted") == 0;
}

static void sight_update(const struct cli *cli, const struct vm_wait *wait,
                         const Tccp__VmStatus *vm, struct sight *sight)
{
    bool is_new = strcmp(sight->state, vm->state) != 0;

    (void)snprintf(sight->state, sizeof sight->state, "%s", vm->state);
    (void)snprintf(sight->detail, sizeof sight->detail, "%s%s", *vm->detail ? ": " : "",
                   vm->detail);
    if (is_new && isatty(STDERR_FILENO)) {
        note(cli, "%s is %s%s", wait->subject->name, sight->state, sight->detail);
    }
}

static enum exit_code look(const struct cli *cli, struct session *session,
                           const struct vm_wait *wait, struct sight *sight, bool *ret_is_over)
{
    OWN(admin_response) Tccp__AdminResponse *response = NULL;
    const char *name = wait->subject->name;
    const Tccp__VmStatus *vm;
    enum exit_code exit_code = vms_ask(cli, session, &response);

    if (exit_code != EXIT_DONE) {
        return exit_code;
    }
    vm = vm_in(response->vms, &wait->subject->vm);
    if (!vm) {
        return report(cli, EXIT_NOT_FOUND, "", "there is no VM %s any more", name);
    }
    sight_update(cli, wait, vm, sight);
    if (has_ended(sight)) {
        return report(cli, EXIT_FAILED, "", "%s is %s%s", name, sight->state, sight->detail);
    }
    return wait->look(wait->argument, vm, ret_is_over);
}

static uint64_t larger(uint64_t one, uint64_t other)
{
    return one > other ? one : other;
}

static void rest(uint64_t passed_ms, uint64_t answer_ms)
{
    uint64_t pause_ms =
        larger(PAUSE_MIN_MS, larger(passed_ms / PASSED_PER_PAUSE, answer_ms * PAUSE_PER_ANSWER));
    struct timespec pause = {0};

    pause.tv_nsec = (long)(pause_ms < PAUSE_MAX_MS ? pause_ms : PAUSE_MAX_MS) * 1000 * 1000;
    (void)nanosleep(&pause, NULL);
}

enum exit_code vm_wait(const struct cli *cli, struct session *session, const struct vm_wait *wait)
{
    const uint64_t begun_ms = time_boot_ms();
    char message[DETAIL_SIZE + STATE_SIZE + 2 * sizeof wait->subject->name];
    struct sight sight = {.state = ""};
    bool is_over = false;
    enum exit_code exit_code;

    note(cli, "waiting until %s %s ...", wait->subject->name, wait->until);
    (void)snprintf(message, sizeof message, "nobody said in %u s what became of %s", cli->timeout_s,
                   wait->subject->name);
    session_set_waiting(session, message, wait->hint);
    for (;;) {
        const uint64_t asked_ms = time_boot_ms();
        uint64_t now_ms;

        exit_code = look(cli, session, wait, &sight, &is_over);
        if (exit_code != EXIT_DONE || is_over) {
            break;
        }
        (void)snprintf(message, sizeof message, "%s is still %s after %u s%s", wait->subject->name,
                       sight.state, cli->timeout_s, sight.detail);
        now_ms = time_boot_ms();
        rest(now_ms - begun_ms, now_ms - asked_ms);
    }
    session_set_waiting(session, NULL, NULL);
    return exit_code;
}
