/*
 * SANS-IO. One side of a live migration as a step machine (docs/PROTOCOL.md, section 5): inputs and
 * a clock go in, the next action comes out. nodeagent/migration.c carries the actions out.
 *
 *     source        prepare - migrate - (ask)* - stop - settle - (ask)* - continue - (ask)* -
 *                   clean up - freeze - finished
 *     the same, of a guest that is stopped first
 *                   prepare - stop - settle - migrate - (ask)* - continue - (ask)* - clean up -
 *                   freeze - finished
 *     destination   prepare - listen - (ask)* - clean up - freeze - finished
 *
 * The rules it keeps, whatever happens and in whatever order:
 * - the source's guest is stopped by us, not by QEMU, and settled with the launcher before the
 *   state of its devices goes out: from then on it runs only under a newer grant (rule b), and
 *   QEMU has no reason to resume it by itself when the migration fails;
 * - a source that was not settled runs on as if nothing had been; one that was ends frozen,
 *   whether the migration completed or not; which of both it says;
 * - a destination ends loaded and frozen, or destroyed;
 * - it comes to an end by the deadline and a grace, even if QEMU does not answer any more.
 */
#ifndef TCCP_NODEAGENT_MIGRATION_STEPS_H
#define TCCP_NODEAGENT_MIGRATION_STEPS_H

#include "lib/base/status.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    MIGRATION_ASK_INTERVAL_MS = 50,
    MIGRATION_DOWNTIME_MS = 300, /* what is left to send takes no longer: time to stop the guest */
    MIGRATION_CANCEL_GRACE_MS = 10000, /* how long QEMU may take to give up */
    MIGRATION_REASON_SIZE = 256,
};

enum migration_role { MIGRATION_SOURCE, MIGRATION_DESTINATION };

enum migration_action {
    MIGRATION_NOTHING, /* until the next input, or migration_steps_next_ms() */
    MIGRATION_PREPARE, /* QEMU: credentials, parameters, capabilities, socket */
    MIGRATION_LISTEN,  /* QEMU: migrate-incoming */
    MIGRATION_MIGRATE, /* QEMU: migrate */
    MIGRATION_ASK,     /* QEMU: query-migrate; its answer is MIGRATION_STATUS, not MIGRATION_DONE */
    MIGRATION_STOP,    /* QEMU: stop */
    MIGRATION_SETTLE,  /* launcher */
    MIGRATION_CONTINUE, /* QEMU: migrate-continue */
    MIGRATION_CANCEL,   /* QEMU: migrate_cancel */
    MIGRATION_CLEAN_UP, /* QEMU: away with credentials and socket */
    MIGRATION_FREEZE,   /* launcher */
    MIGRATION_DESTROY,  /* launcher */
    MIGRATION_FINISHED, /* see migration_steps.outcome; no input after this */
};
const char *migration_action_name(enum migration_action action);

/* QEMU's MigrationStatus, as far as it tells things apart here. */
enum migration_state {
    MIGRATION_STATE_NONE,
    MIGRATION_STATE_ACTIVE, /* setup, active, device */
    MIGRATION_STATE_PRE_SWITCHOVER,
    MIGRATION_STATE_COMPLETED,
    MIGRATION_STATE_FAILED,
    MIGRATION_STATE_CANCELLED,
};
enum migration_state migration_state_of_name(const char *name); /* an unknown name is ACTIVE */

enum migration_input_kind {
    MIGRATION_DONE,      /* the action that was under way succeeded */
    MIGRATION_FAILED_IT, /* it failed, or its time ran out */
    MIGRATION_STATUS,    /* QEMU said how the migration stands: an answer, or an event */
    MIGRATION_TIME,      /* nothing but the clock */
    MIGRATION_STOP_IT,   /* the agent or the coordinator wants it ended */
    MIGRATION_GONE,      /* QEMU has ended */
};

struct migration_input {
    enum migration_input_kind kind;
    bool is_answer;             /* STATUS: to MIGRATION_ASK */
    enum migration_state state; /* STATUS */
    unsigned passes;            /* STATUS: over the guest's memory, begun; 0: not said */
    uint64_t left_ms;           /* STATUS: what is left to send would take so long */
    const char *reason;         /* FAILED_IT, STOP_IT, STATUS: for people; NULL: none */
};

enum migration_outcome {
    MIGRATION_RUNS_ON, /* source: nothing came of it; its guest runs on under its grant */
    MIGRATION_FROZEN,  /* source: frozen; goes on only under a newer grant. See is_complete */
    MIGRATION_LOADED,  /* destination: all is here, and frozen */
    MIGRATION_LOST,    /* this side's copy is gone */
};

struct migration_steps {
    enum migration_role role;
    unsigned phase;               /* private */
    enum migration_action action; /* under way; MIGRATION_NOTHING: none */
    uint64_t deadline_ms, precopy_until_ms, ask_at_ms, give_up_ms;
    enum migration_state state; /* the last one that QEMU said */
    unsigned passes;
    uint64_t left_ms;
    bool stops_first, is_settled, is_failing, is_started, is_stopped;
    /* At MIGRATION_FINISHED: */
    enum migration_outcome outcome;
    bool is_complete; /* source: the destination has everything, as far as the source knows */
    char reason[MIGRATION_REASON_SIZE]; /* why it failed; "" */
};

/*
 * stops_first (source): the guest is stopped before its memory is read. Needed where writes to
 * memory are not tracked reliably (docs/adr/0037).
 *
 * lifetime_ms: what the ticket says. When half of it is over, the guest is stopped however much it
 * still changes its memory, if what is left can be sent in time. Returns the first action.
 */
WARN_UNUSED enum migration_action migration_steps_start(struct migration_steps *steps,
                                                        enum migration_role role, bool stops_first,
                                                        uint64_t lifetime_ms, uint64_t now_ms);
/*
 * The next action. While one is under way, only MIGRATION_DONE, MIGRATION_FAILED_IT, the answer to
 * MIGRATION_ASK or MIGRATION_GONE end it; other inputs are taken in and answered with
 * MIGRATION_NOTHING.
 */
WARN_UNUSED enum migration_action migration_steps_take(struct migration_steps *steps,
                                                       const struct migration_input *input,
                                                       uint64_t now_ms);
/* The ticket came again: the coordinator still holds to it, and the time counts from now. Not for
 * one that is to end. */
void migration_steps_extend(struct migration_steps *steps, uint64_t lifetime_ms, uint64_t now_ms);
/* When MIGRATION_TIME is due at the latest; UINT64_MAX: while an action is under way. */
uint64_t migration_steps_next_ms(const struct migration_steps *steps);

#endif
