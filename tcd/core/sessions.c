#include "tcd/core/sessions.h"

#include <stdlib.h>

enum { SLOT_COUNT_MIN = 8 };

bool session_slot_count_is_possible(uint32_t count)
{
    return count == 0 || (count >= SLOT_COUNT_MIN && count <= SESSION_RESULT_COUNT_MAX &&
                          (count & (count - 1)) == 0);
}

void session_free(struct session *session)
{
    free(session->slots);
    free(session);
}

static void forget_oldest(struct registry *registry)
{
    struct session *session = table_first(&registry->sessions);

    ASSERT(table_remove(&registry->sessions, &session->id) == session);
    registry->result_slots -= session->slot_count;
    session_free(session);
}

void session_insert(struct registry *registry, struct session *session)
{
    table_insert(&registry->sessions, session);
    registry->result_slots += session->slot_count;
    while (registry->sessions.count > SESSION_COUNT_MAX) {
        forget_oldest(registry);
    }
}

uint64_t session_open(struct registry *registry, const struct digest *actor)
{
    struct session *session = state_alloc(1, sizeof *session);

    session->id = registry->next_session++;
    session->actor = *actor;
    session_insert(registry, session);
    return session->id;
}

/* Below the window nobody knows. */
bool session_remembers(const struct session *session, uint64_t number)
{
    return number > session->highest || session->highest - number < SESSION_RESULT_COUNT_MAX;
}

static const struct result *result_find(const struct session *session, uint64_t number)
{
    const struct result *result;

    if (session->slot_count == 0) {
        return NULL;
    }
    result = &session->slots[number & (session->slot_count - 1)];
    return result->number == number ? result : NULL;
}

enum session_answer session_look_up(struct registry *registry, const struct command *command,
                                    struct result *ret_result)
{
    struct session *session = table_find(&registry->sessions, &command->session);
    const struct result *result;

    if (!session || !digest_equal(&session->actor, &command->actor)) {
        return SESSION_UNKNOWN;
    }
    ASSERT(table_remove(&registry->sessions, &session->id) == session);
    table_insert(&registry->sessions, session);
    if (!session_remembers(session, command->number)) {
        return SESSION_UNKNOWN;
    }
    result = result_find(session, command->number);
    if (!result) {
        return SESSION_EXECUTE;
    }
    if (result->kind != command->kind) {
        return SESSION_UNKNOWN;
    }
    *ret_result = *result;
    return SESSION_REPEAT;
}

/* Would another number of the window have to give way? */
static bool collides(const struct session *session, uint64_t number)
{
    const struct result *result = &session->slots[number & (session->slot_count - 1)];

    return result->number != 0 && session_remembers(session, result->number);
}

static void slots_grow(struct registry *registry, struct session *session)
{
    struct session old = *session;

    session->slot_count = old.slot_count > 0 ? 2 * old.slot_count : SLOT_COUNT_MIN;
    ASSERT(session->slot_count <= SESSION_RESULT_COUNT_MAX);
    session->slots = state_alloc(session->slot_count, sizeof *session->slots);
    for (size_t i = 0; i < old.slot_count; i++) {
        if (old.slots[i].number != 0) {
            session->slots[old.slots[i].number & (session->slot_count - 1)] = old.slots[i];
        }
    }
    free(old.slots);
    registry->result_slots += session->slot_count - old.slot_count;
}

static void session_put(struct registry *registry, struct session *session,
                        const struct result *result)
{
    if (result->number > session->highest) {
        session->highest = result->number;
    }
    while (session->slot_count == 0 ||
           (session->slot_count < SESSION_RESULT_COUNT_MAX && collides(session, result->number))) {
        slots_grow(registry, session);
    }
    session->slots[result->number & (session->slot_count - 1)] = *result;
}

void session_remember(struct registry *registry, uint64_t id, const struct result *result)
{
    struct session *session = table_find(&registry->sessions, &id);

    ASSERT(session && session_remembers(session, result->number));
    session_put(registry, session, result);
    /* The session itself was used last, and is the last to go. */
    while (registry->result_slots > RESULT_SLOT_COUNT_MAX && registry->sessions.count > 1) {
        forget_oldest(registry);
    }
}

bool session_result(const struct registry *registry, uint64_t id, uint64_t number,
                    struct result *ret_result)
{
    const struct session *session = table_find(&registry->sessions, &id);
    const struct result *result =
        session && session_remembers(session, number) ? result_find(session, number) : NULL;

    if (!result || number == 0) {
        return false;
    }
    *ret_result = *result;
    return true;
}
