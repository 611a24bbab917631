/*
 * Internal to the core: sessions, so that asking twice never does a thing twice.
 *
 * A session remembers the results of its highest SESSION_RESULT_COUNT_MAX numbers. Within that
 * window a number was executed exactly if its result is there; below it nobody knows any more. The
 * least recently used session is forgotten when there would be too many; ids are never reused, so
 * whoever comes back with a forgotten one is told "unknown-request".
 */
#ifndef TCCP_CORE_SESSIONS_H
#define TCCP_CORE_SESSIONS_H

#include "tcd/core/state.h"

struct result {
    uint64_t number; /* 0: an empty slot */
    enum command_kind kind;
    enum refusal_code verdict;
    uint64_t revision, leaf_index;
    uint64_t id, generation;
};

struct session {
    uint64_t id;
    struct digest actor;
    uint64_t highest;
    size_t slot_count;    /* a power of two up to SESSION_RESULT_COUNT_MAX, or 0 */
    struct result *slots; /* a result's place is its number modulo slot_count */
};

enum session_answer {
    SESSION_EXECUTE, /* this number was not executed */
    SESSION_REPEAT,  /* it was, with *ret_result */
    SESSION_UNKNOWN, /* nobody knows */
};

/* Asks for the command's request, and counts as use of the session. */
enum session_answer session_look_up(struct registry *registry, const struct command *command,
                                    struct result *ret_result);
/* Remembers the result of a number for which session_look_up() said SESSION_EXECUTE. */
void session_remember(struct registry *registry, uint64_t id, const struct result *result);
/* SESSION_OPENED: the new session's id. */
uint64_t session_open(struct registry *registry, const struct digest *actor);

/* Only reads; false when there is no such result. */
bool session_result(const struct registry *registry, uint64_t id, uint64_t number,
                    struct result *ret_result);
/* Is the number within the window, so that its result counts? */
bool session_remembers(const struct session *session, uint64_t number);
bool session_slot_count_is_possible(uint32_t count);
void session_free(struct session *session);
/* For snapshots: a whole session, as the one used last. */
void session_insert(struct registry *registry, struct session *session);

#endif
