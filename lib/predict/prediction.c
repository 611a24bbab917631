#include "lib/predict/prediction.h"

#include <stdlib.h>

void prediction_free(struct prediction *prediction)
{
    free(prediction->events);
    *prediction = (struct prediction){0};
}

enum status prediction_add(struct prediction *prediction, const struct predicted_event *event)
{
    struct predicted_event *events;

    if (prediction->count >= EVENT_STEP_COUNT_MAX) {
        return STATUS_TOO_LARGE;
    }
    events = reallocarray(prediction->events, prediction->count + 1, sizeof *events);
    if (!events) {
        return STATUS_NO_MEMORY;
    }
    prediction->events = events;
    events[prediction->count++] = *event;
    return STATUS_OK;
}

enum status prediction_sequence(const struct prediction *prediction, uint32_t covered,
                                struct event_sequence *ret_sequence)
{
    OWN(event_sequence) struct event_sequence sequence = {.covered = covered};

    for (size_t i = 0; i < prediction->count; i++) {
        const struct predicted_event *event = &prediction->events[i];
        struct event_step *step;

        if (!(covered >> event->pcr & 1)) {
            continue;
        }
        TRY(event_sequence_add(&sequence, event->pcr, event->type, event->role, event->name,
                               &step));
        TRY(event_step_allow(step, &event->digest));
    }
    *ret_sequence = TAKE(sequence);
    return STATUS_OK;
}
