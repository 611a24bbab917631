#include "nodeagent/vm_record.h"

#include <stdarg.h>
#include <stdio.h>

/* Where a step leads, one more than the state; 0: it is not one of that state's. */
#define TO(state) (1 + (state))
static const uint8_t moves[RECORD_STATE_COUNT][RECORD_STEP_COUNT] = {
    [RECORD_FETCHING] =
        {
            [RECORD_FETCHED] = TO(RECORD_STARTING),
            [RECORD_END] = TO(RECORD_ENDING),
        },
    [RECORD_STARTING] =
        {
            [RECORD_STARTED] = TO(RECORD_ATTACHING),
            [RECORD_END] = TO(RECORD_ENDING),
        },
    [RECORD_ATTACHING] =
        {
            [RECORD_ATTACHED] = TO(RECORD_PREPARED),
            [RECORD_EXPECTED] = TO(RECORD_INCOMING),
            [RECORD_END] = TO(RECORD_ENDING),
        },
    [RECORD_PREPARED] =
        {
            [RECORD_GRANTED] = TO(RECORD_GRANTING),
            [RECORD_END] = TO(RECORD_ENDING),
        },
    [RECORD_GRANTING] =
        {
            [RECORD_RESUMED] = TO(RECORD_RUNNING),
            [RECORD_REFUSED] = TO(RECORD_PREPARED),
            [RECORD_PAUSED] = TO(RECORD_PREPARED),
            [RECORD_END] = TO(RECORD_ENDING),
        },
    [RECORD_RUNNING] =
        {
            [RECORD_GRANTED] = TO(RECORD_GRANTING),
            [RECORD_LEAVES] = TO(RECORD_LEAVING),
            [RECORD_PAUSED] = TO(RECORD_PREPARED),
            [RECORD_END] = TO(RECORD_ENDING),
        },
    [RECORD_INCOMING] =
        {
            [RECORD_COMPLETED] = TO(RECORD_LOADED),
            [RECORD_END] = TO(RECORD_ENDING),
        },
    [RECORD_LOADED] =
        {
            [RECORD_DECIDED] = TO(RECORD_PREPARED),
            [RECORD_END] = TO(RECORD_ENDING),
        },
    [RECORD_LEAVING] =
        {
            [RECORD_KEPT] = TO(RECORD_RUNNING),
            [RECORD_FROZEN] = TO(RECORD_PREPARED),
            [RECORD_END] = TO(RECORD_ENDING),
        },
    [RECORD_ENDING] = {[RECORD_GONE] = TO(RECORD_OVER)},
};

const char *record_state_name(enum record_state state)
{
    static const char *const names[RECORD_STATE_COUNT] = {
        [RECORD_FETCHING] = "fetching",   [RECORD_STARTING] = "starting",
        [RECORD_ATTACHING] = "attaching", [RECORD_PREPARED] = "prepared",
        [RECORD_GRANTING] = "granting",   [RECORD_RUNNING] = "running",
        [RECORD_INCOMING] = "incoming",   [RECORD_LOADED] = "loaded",
        [RECORD_LEAVING] = "leaving",     [RECORD_ENDING] = "ending",
        [RECORD_OVER] = "over",
    };

    ASSERT(state < RECORD_STATE_COUNT);
    return names[state];
}

struct vm_record record_new(const struct digest *vm, uint64_t generation, uint64_t registration)
{
    return (struct vm_record){.vm = *vm,
                              .state = RECORD_FETCHING,
                              .generation = generation,
                              .registration = registration};
}

struct vm_record record_adopted(const struct digest *vm, uint64_t generation)
{
    return (struct vm_record){
        .vm = *vm, .state = RECORD_PREPARED, .generation = generation, .is_whole = true};
}

bool record_move(struct vm_record *record, enum record_step step)
{
    uint8_t to = moves[record->state][step];

    if (to == 0) {
        return false;
    }
    record->state = (enum record_state)(to - 1);
    record->is_whole |= step == RECORD_RESUMED || step == RECORD_COMPLETED;
    return true;
}

bool record_end(struct vm_record *record, enum record_outcome outcome, const char *format, ...)
{
    va_list arguments;

    if (!record_move(record, RECORD_END)) {
        return false;
    }
    record->outcome = outcome;
    va_start(arguments, format);
    (void)vsnprintf(record->detail, sizeof record->detail, format, arguments);
    va_end(arguments);
    return true;
}

/* To start it, or to receive it. */
static enum order_answer take_begin(const struct vm_record *record, uint64_t generation)
{
    if (!record) {
        return ORDER_BEGIN;
    }
    if (generation < record->generation) {
        return ORDER_STALE;
    }
    if (record->state == RECORD_OVER) {
        return generation > record->generation ? ORDER_BEGIN : ORDER_REPORT;
    }
    if (record->state == RECORD_ENDING) {
        return ORDER_WAIT;
    }
    return generation > record->generation ? ORDER_REPLACE : ORDER_TAKE;
}

enum order_answer record_take_order(const struct vm_record *record, enum order_purpose purpose,
                                    uint64_t generation)
{
    switch (purpose) {
    case ORDER_LAUNCH:
    case ORDER_MIGRATE:
        return take_begin(record, generation);
    case ORDER_READOPT:
        if (!record) {
            return ORDER_MISSING;
        }
        if (generation < record->generation) {
            return ORDER_STALE;
        }
        if (record->state == RECORD_OVER) {
            return ORDER_REPORT;
        }
        return record->state == RECORD_ENDING ? ORDER_WAIT : ORDER_TAKE;
    }
    return ORDER_STALE;
}

enum grant_answer record_take_grant(const struct vm_record *record, uint64_t generation)
{
    /* An order comes before its grant: where nothing is, nothing will be. */
    if (!record) {
        return GRANT_REPORT;
    }
    if (generation < record->generation) {
        return GRANT_IGNORE;
    }
    switch (record->state) {
    case RECORD_FETCHING:
    case RECORD_STARTING:
    case RECORD_ATTACHING:
    case RECORD_GRANTING:
    case RECORD_INCOMING:
    case RECORD_LOADED:
    case RECORD_LEAVING:
        return GRANT_KEEP;
    case RECORD_PREPARED:
    case RECORD_RUNNING:
        return GRANT_APPLY;
    case RECORD_OVER:
        return GRANT_REPORT;
    case RECORD_ENDING:
    case RECORD_STATE_COUNT:
        break;
    }
    return GRANT_IGNORE;
}

enum command_answer record_take_command(const struct vm_record *record, uint64_t generation)
{
    if (!record) {
        return COMMAND_REPORT;
    }
    if (generation < record->generation || record->state == RECORD_ENDING) {
        return COMMAND_IGNORE;
    }
    return record->state == RECORD_OVER ? COMMAND_REPORT : COMMAND_END;
}

enum pause_answer record_take_pause(const struct vm_record *record, uint64_t generation)
{
    if (!record) {
        return PAUSE_REPORT;
    }
    if (generation < record->generation || record->state == RECORD_ENDING) {
        return PAUSE_IGNORE;
    }
    if (record->state == RECORD_OVER) {
        return PAUSE_REPORT;
    }
    if (!record->is_whole) {
        return PAUSE_END;
    }
    return record->state == RECORD_LEAVING ? PAUSE_FIRST_STAY : PAUSE_FREEZE;
}

bool record_survives(const struct vm_record *record)
{
    return record->is_whole && record->state != RECORD_ENDING && record->state != RECORD_OVER;
}
