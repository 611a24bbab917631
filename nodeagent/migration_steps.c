#include "nodeagent/migration_steps.h"

#include <stdio.h>
#include <string.h>

/* Where it stands. Each phase has one action that it is there for, or waits for QEMU. */
enum phase {
    PHASE_PREPARE,
    PHASE_BEGIN,     /* migrate, or listen */
    PHASE_PRECOPY,   /* source: until it is time to stop the guest */
    PHASE_STOP,      /* source */
    PHASE_SETTLE,    /* source */
    PHASE_SWITCH,    /* source: until QEMU waits before its switchover */
    PHASE_CONTINUE,  /* source */
    PHASE_LOAD,      /* until it is completed */
    PHASE_CANCEL,    /* source */
    PHASE_CANCELLED, /* source: until QEMU has given up */
    PHASE_CLEAN_UP,
    PHASE_FREEZE,
    PHASE_DESTROY,
    PHASE_FINISHED,
};

static const char *const action_names[] = {
    [MIGRATION_NOTHING] = "nothing",   [MIGRATION_PREPARE] = "prepare",
    [MIGRATION_LISTEN] = "listen",     [MIGRATION_MIGRATE] = "migrate",
    [MIGRATION_ASK] = "ask",           [MIGRATION_STOP] = "stop",
    [MIGRATION_SETTLE] = "settle",     [MIGRATION_CONTINUE] = "continue",
    [MIGRATION_CANCEL] = "cancel",     [MIGRATION_CLEAN_UP] = "clean-up",
    [MIGRATION_FREEZE] = "freeze",     [MIGRATION_DESTROY] = "destroy",
    [MIGRATION_FINISHED] = "finished",
};

const char *migration_action_name(enum migration_action action)
{
    return action_names[action];
}

enum migration_state migration_state_of_name(const char *name)
{
    static const struct {
        const char *name;
        enum migration_state state;
    } states[] = {
        {"none", MIGRATION_STATE_NONE},
        {"pre-switchover", MIGRATION_STATE_PRE_SWITCHOVER},
        {"completed", MIGRATION_STATE_COMPLETED},
        {"failed", MIGRATION_STATE_FAILED},
        {"cancelled", MIGRATION_STATE_CANCELLED},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(states); i++) {
        if (strcmp(name, states[i].name) == 0) {
            return states[i].state;
        }
    }
    return MIGRATION_STATE_ACTIVE;
}

static bool state_is_final(enum migration_state state)
{
    return state == MIGRATION_STATE_COMPLETED || state == MIGRATION_STATE_FAILED ||
           state == MIGRATION_STATE_CANCELLED;
}

static void note(struct migration_steps *steps, const char *what, const char *why)
{
    /* The first reason is the one that counts. */
    if (!steps->reason[0]) {
        (void)snprintf(steps->reason, sizeof steps->reason, "%s%s%s", what, why ? ": " : "",
                       why ? why : "");
    }
}

/* The action of a phase; MIGRATION_NOTHING where it waits. */
static enum migration_action phase_action(const struct migration_steps *steps)
{
    switch ((enum phase)steps->phase) {
    case PHASE_PREPARE:
        return MIGRATION_PREPARE;
    case PHASE_BEGIN:
        return steps->role == MIGRATION_SOURCE ? MIGRATION_MIGRATE : MIGRATION_LISTEN;
    case PHASE_STOP:
        return MIGRATION_STOP;
    case PHASE_SETTLE:
        return MIGRATION_SETTLE;
    case PHASE_CONTINUE:
        return MIGRATION_CONTINUE;
    case PHASE_CANCEL:
        return MIGRATION_CANCEL;
    case PHASE_CLEAN_UP:
        return MIGRATION_CLEAN_UP;
    case PHASE_FREEZE:
        return MIGRATION_FREEZE;
    case PHASE_DESTROY:
        return MIGRATION_DESTROY;
    case PHASE_FINISHED:
        return MIGRATION_FINISHED;
    case PHASE_PRECOPY:
    case PHASE_SWITCH:
    case PHASE_LOAD:
    case PHASE_CANCELLED:
        break;
    }
    return MIGRATION_NOTHING;
}

static enum migration_action enter(struct migration_steps *steps, enum phase phase, uint64_t now_ms)
{
    steps->phase = phase;
    steps->action = phase_action(steps);
    steps->ask_at_ms = now_ms + MIGRATION_ASK_INTERVAL_MS;
    return steps->action;
}

static enum migration_action finish(struct migration_steps *steps, enum migration_outcome outcome,
                                    uint64_t now_ms)
{
    steps->outcome = outcome;
    return enter(steps, PHASE_FINISHED, now_ms);
}

/* Nothing more will come of it. What is left to do depends on how far it came. */
static enum migration_action fail(struct migration_steps *steps, uint64_t now_ms)
{
    if (steps->role == MIGRATION_DESTINATION) {
        return enter(steps, PHASE_DESTROY, now_ms);
    }
    if (!steps->is_failing) {
        steps->is_failing = true;
        steps->give_up_ms = now_ms + MIGRATION_CANCEL_GRACE_MS;
        if (steps->is_started && !state_is_final(steps->state)) {
            return enter(steps, PHASE_CANCEL, now_ms);
        }
    }
    return enter(steps, PHASE_CLEAN_UP, now_ms);
}

/* From its command on it may have begun, whatever the command's answer is. */
static enum migration_action begin(struct migration_steps *steps, uint64_t now_ms)
{
    steps->is_started = true;
    return enter(steps, PHASE_BEGIN, now_ms);
}

/* The action of the present phase succeeded. */
static enum migration_action advance(struct migration_steps *steps, uint64_t now_ms)
{
    switch ((enum phase)steps->phase) {
    case PHASE_PREPARE:
        if (steps->is_stopped) {
            return fail(steps, now_ms); /* nothing was begun: no guest has to stop for it */
        }
        return steps->stops_first ? enter(steps, PHASE_STOP, now_ms) : begin(steps, now_ms);
    case PHASE_BEGIN:
        if (steps->role == MIGRATION_DESTINATION) {
            return enter(steps, PHASE_LOAD, now_ms);
        }
        return enter(steps, steps->is_settled ? PHASE_SWITCH : PHASE_PRECOPY, now_ms);
    case PHASE_STOP:
        return enter(steps, PHASE_SETTLE, now_ms);
    case PHASE_SETTLE:
        steps->is_settled = true;
        if (!steps->is_started) {
            return steps->is_failing ? fail(steps, now_ms) : begin(steps, now_ms);
        }
        return enter(steps, steps->is_failing ? PHASE_CANCEL : PHASE_SWITCH, now_ms);
    case PHASE_CONTINUE:
        return enter(steps, PHASE_LOAD, now_ms);
    case PHASE_CANCEL:
        return enter(steps, PHASE_CANCELLED, now_ms);
    case PHASE_CLEAN_UP:
        if (steps->role == MIGRATION_SOURCE && !steps->is_settled) {
            return finish(steps, MIGRATION_RUNS_ON, now_ms);
        }
        return enter(steps, PHASE_FREEZE, now_ms);
    case PHASE_FREEZE:
        return finish(steps, steps->role == MIGRATION_SOURCE ? MIGRATION_FROZEN : MIGRATION_LOADED,
                      now_ms);
    case PHASE_DESTROY:
        return finish(steps, MIGRATION_LOST, now_ms);
    case PHASE_PRECOPY:
    case PHASE_SWITCH:
    case PHASE_LOAD:
    case PHASE_CANCELLED:
    case PHASE_FINISHED:
        break;
    }
    return MIGRATION_NOTHING;
}

/* The action of the present phase failed. */
static enum migration_action stumble(struct migration_steps *steps, const char *why,
                                     uint64_t now_ms)
{
    note(steps, migration_action_name(steps->action), why);
    switch ((enum phase)steps->phase) {
    case PHASE_STOP:
        /* It may have stopped all the same: settled, it needs a newer grant, and no harm is done.
         */
        steps->is_failing = true;
        steps->give_up_ms = now_ms + MIGRATION_CANCEL_GRACE_MS;
        return enter(steps, PHASE_SETTLE, now_ms);
    case PHASE_SETTLE:
        /* The launcher has stopped it already, or does not answer: ours is not to let it run. */
        steps->is_settled = true;
        return steps->is_failing && steps->is_started ? enter(steps, PHASE_CANCEL, now_ms)
                                                      : fail(steps, now_ms);
    case PHASE_CANCEL:
    case PHASE_CLEAN_UP:
        /* What cannot be tidied up goes with QEMU. */
        return steps->role == MIGRATION_DESTINATION ? enter(steps, PHASE_DESTROY, now_ms)
                                                    : advance(steps, now_ms);
    case PHASE_FREEZE:
        if (steps->role == MIGRATION_DESTINATION) {
            return enter(steps, PHASE_DESTROY, now_ms);
        }
        return advance(steps, now_ms);
    case PHASE_DESTROY:
        return advance(steps, now_ms);
    case PHASE_PREPARE:
    case PHASE_BEGIN:
    case PHASE_CONTINUE:
        return fail(steps, now_ms);
    case PHASE_PRECOPY:
    case PHASE_SWITCH:
    case PHASE_LOAD:
    case PHASE_CANCELLED:
    case PHASE_FINISHED:
        break;
    }
    return MIGRATION_NOTHING;
}

/* While the guest runs it costs nothing to wait: it is stopped when what is left takes a moment,
 * or, when half of the time is over, what is left fits well into the rest. */
static bool is_time_to_stop(const struct migration_steps *steps, uint64_t now_ms)
{
    if (steps->passes >= 2 && steps->left_ms <= MIGRATION_DOWNTIME_MS) {
        return true;
    }
    return steps->passes >= 2 && now_ms >= steps->precopy_until_ms && now_ms < steps->deadline_ms &&
           steps->left_ms <= (steps->deadline_ms - now_ms) / 2;
}

/* No action is under way: what the state and the clock ask for. */
static enum migration_action look(struct migration_steps *steps, uint64_t now_ms)
{
    const bool is_waiting =
        steps->phase == PHASE_PRECOPY || steps->phase == PHASE_SWITCH || steps->phase == PHASE_LOAD;

    if (is_waiting &&
        (steps->state == MIGRATION_STATE_FAILED || steps->state == MIGRATION_STATE_CANCELLED)) {
        note(steps, "QEMU gave up", NULL);
        return fail(steps, now_ms);
    }
    if (is_waiting && steps->state == MIGRATION_STATE_COMPLETED) {
        steps->is_complete = true;
        if (steps->phase == PHASE_PRECOPY) {
            /* QEMU did not wait for our word before its switchover. Not settled: do it now. */
            note(steps, "QEMU did not wait", NULL);
            return enter(steps, PHASE_SETTLE, now_ms);
        }
        return enter(steps, PHASE_CLEAN_UP, now_ms);
    }
    if (is_waiting && steps->is_failing) {
        return fail(steps, now_ms);
    }
    if (is_waiting && now_ms >= steps->deadline_ms) {
        note(steps, "its time is over", NULL);
        return fail(steps, now_ms);
    }
    if (steps->phase == PHASE_PRECOPY && steps->state == MIGRATION_STATE_PRE_SWITCHOVER) {
        /* The guest was so quiet that QEMU stopped it first. */
        return enter(steps, PHASE_SETTLE, now_ms);
    }
    if (steps->phase == PHASE_PRECOPY && is_time_to_stop(steps, now_ms)) {
        return enter(steps, PHASE_STOP, now_ms);
    }
    if (steps->phase == PHASE_SWITCH && steps->state == MIGRATION_STATE_PRE_SWITCHOVER) {
        return enter(steps, PHASE_CONTINUE, now_ms);
    }
    if (steps->phase == PHASE_CANCELLED &&
        (state_is_final(steps->state) || now_ms >= steps->give_up_ms)) {
        steps->is_complete = steps->state == MIGRATION_STATE_COMPLETED;
        /* Completed before it heard of the cancelling: the guest must not run on. */
        steps->is_settled |= steps->is_complete;
        return enter(steps, PHASE_CLEAN_UP, now_ms);
    }
    if ((is_waiting || steps->phase == PHASE_CANCELLED) && now_ms >= steps->ask_at_ms) {
        steps->action = MIGRATION_ASK;
        return MIGRATION_ASK;
    }
    return MIGRATION_NOTHING;
}

enum migration_action migration_steps_start(struct migration_steps *steps, enum migration_role role,
                                            bool stops_first, uint64_t lifetime_ms, uint64_t now_ms)
{
    *steps = (struct migration_steps){
        .role = role,
        .stops_first = stops_first && role == MIGRATION_SOURCE,
        .deadline_ms = now_ms + lifetime_ms,
        .precopy_until_ms = now_ms + lifetime_ms / 2,
        .give_up_ms = UINT64_MAX,
        .left_ms = UINT64_MAX,
    };
    return enter(steps, PHASE_PREPARE, now_ms);
}

static void take_status(struct migration_steps *steps, const struct migration_input *input)
{
    /* The end is the end: an event that was overtaken by an answer changes nothing. */
    if (state_is_final(steps->state)) {
        return;
    }
    /* Before the migration has begun QEMU tells of the one before. */
    if (steps->phase < PHASE_PRECOPY) {
        return;
    }
    if (input->state != MIGRATION_STATE_NONE) {
        steps->state = input->state;
    } else if (input->is_answer && steps->phase == PHASE_CANCELLED) {
        /* It never began. */
        steps->state = MIGRATION_STATE_CANCELLED;
    }
    if (input->passes) {
        steps->passes = input->passes;
        steps->left_ms = input->left_ms;
    }
    if (input->state == MIGRATION_STATE_FAILED && input->reason) {
        note(steps, "QEMU", input->reason);
    }
}

enum migration_action migration_steps_take(struct migration_steps *steps,
                                           const struct migration_input *input, uint64_t now_ms)
{
    const enum migration_action action = steps->action;

    if (steps->phase == PHASE_FINISHED) {
        return MIGRATION_NOTHING;
    }
    switch (input->kind) {
    case MIGRATION_DONE:
        if (action == MIGRATION_NOTHING || action == MIGRATION_ASK) {
            return MIGRATION_NOTHING;
        }
        (void)advance(steps, now_ms);
        break;
    case MIGRATION_FAILED_IT:
        if (action == MIGRATION_NOTHING) {
            return MIGRATION_NOTHING;
        }
        if (action == MIGRATION_ASK) {
            /* No answer: asked again until the time is over. */
            steps->action = MIGRATION_NOTHING;
            steps->ask_at_ms = now_ms + MIGRATION_ASK_INTERVAL_MS;
        } else {
            (void)stumble(steps, input->reason, now_ms);
        }
        break;
    case MIGRATION_STATUS:
        take_status(steps, input);
        if (action == MIGRATION_ASK && input->is_answer) {
            steps->action = MIGRATION_NOTHING;
            steps->ask_at_ms = now_ms + MIGRATION_ASK_INTERVAL_MS;
        }
        break;
    case MIGRATION_STOP_IT:
        note(steps, "stopped", input->reason);
        /* Acted upon where it waits; an action that is under way comes to its end first. */
        steps->is_stopped = true;
        steps->deadline_ms = now_ms < steps->deadline_ms ? now_ms : steps->deadline_ms;
        break;
    case MIGRATION_TIME:
        break;
    case MIGRATION_GONE:
        note(steps, "QEMU has ended", NULL);
        return finish(steps, MIGRATION_LOST, now_ms);
    }
    if (steps->action == MIGRATION_NOTHING) {
        return look(steps, now_ms);
    }
    /* A new action, or the old one still under way. */
    return input->kind == MIGRATION_DONE || input->kind == MIGRATION_FAILED_IT ? steps->action
                                                                               : MIGRATION_NOTHING;
}

void migration_steps_extend(struct migration_steps *steps, uint64_t lifetime_ms, uint64_t now_ms)
{
    if (!steps->is_stopped && !steps->is_failing && now_ms + lifetime_ms > steps->deadline_ms) {
        steps->deadline_ms = now_ms + lifetime_ms;
    }
}

uint64_t migration_steps_next_ms(const struct migration_steps *steps)
{
    uint64_t next = steps->ask_at_ms;

    if (steps->action != MIGRATION_NOTHING) {
        return UINT64_MAX;
    }
    if (steps->deadline_ms < next && steps->phase != PHASE_CANCELLED) {
        next = steps->deadline_ms;
    }
    return next;
}
