/* Events that a boot will measure, in the order in which it measures them. Pure. */
#ifndef TCCP_PREDICT_PREDICTION_H
#define TCCP_PREDICT_PREDICTION_H

#include "lib/attest/event_sequence.h"

struct predicted_event {
    uint32_t pcr;
    uint32_t type; /* enum of lib/attest/event_log.h */
    enum event_role role;
    struct digest digest;
    char name[EVENT_NAME_SIZE]; /* printable, for people */
};

/* Start from all zeroes. */
struct prediction {
    size_t count;
    struct predicted_event *events; /* owned */
};
void prediction_free(struct prediction *prediction);
DEFINE_OWN_VALUE(prediction, prediction_free)

/* Appends. STATUS_TOO_LARGE above EVENT_STEP_COUNT_MAX events, STATUS_NO_MEMORY. */
WARN_UNUSED enum status prediction_add(struct prediction *prediction,
                                       const struct predicted_event *event);

/* The same as a policy's expected events: a step with one digest for each event of the PCRs of
 * `covered`. STATUS_NO_MEMORY. */
WARN_UNUSED enum status prediction_sequence(const struct prediction *prediction, uint32_t covered,
                                            struct event_sequence *ret_sequence);

#endif
