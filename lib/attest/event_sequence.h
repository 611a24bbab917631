/*
 * The events that a boot must have, in order: checks 9 and 11 of the appraisal. Pure.
 *
 * An event is believed for its digest alone; that the log leads to the quoted PCRs is for the
 * caller to have checked (event_log_replay). Types and names in a sequence say what its author saw
 * in a good boot, for people.
 */
#ifndef TCCP_ATTEST_EVENT_SEQUENCE_H
#define TCCP_ATTEST_EVENT_SEQUENCE_H

#include "lib/attest/event_log.h"

enum { EVENT_STEP_COUNT_MAX = 4096, EVENT_STEP_DIGEST_COUNT_MAX = 256, EVENT_NAME_SIZE = 48 };

/* What must not be missing from any boot that is accepted: without these a kernel was started past
 * the firmware's measurements (QEMU's -kernel under Secure Boot, for one). */
enum event_role {
    EVENT_ROLE_NONE,
    EVENT_ROLE_KERNEL,       /* an application that the firmware started: boot loader, kernel */
    EVENT_ROLE_LOAD_OPTIONS, /* the kernel's command line */
    EVENT_ROLE_INITRD,
};
enum { EVENT_ROLE_COUNT = 4 };
const char *event_role_name(enum event_role role);

struct event_step {
    uint32_t pcr;
    uint32_t type;
    enum event_role role;
    bool optional;              /* may be missing */
    char name[EVENT_NAME_SIZE]; /* printable */
    size_t digest_count;        /* none: the step accepts nothing */
    struct digest *digests;     /* any of these; owned */
};

struct event_sequence {
    uint32_t covered; /* the PCRs whose events are looked at, be there steps for them or not */
    size_t step_count;
    struct event_step *steps; /* owned; for each PCR in order */
};

/* Start from all zeroes. */
void event_sequence_free(struct event_sequence *sequence);
DEFINE_OWN_VALUE(event_sequence, event_sequence_free)

/* Adds a step after the others of its PCR, and covers the PCR. ret_step, which may be NULL, is
 * valid until the next step is added. STATUS_MALFORMED above PCR 23, STATUS_TOO_LARGE. */
WARN_UNUSED enum status event_sequence_add(struct event_sequence *sequence, uint32_t pcr,
                                           uint32_t type, enum event_role role, const char *name,
                                           struct event_step **ret_step);
/* Accepts one more digest at the step. */
WARN_UNUSED enum status event_step_allow(struct event_step *step, const struct digest *digest);

/*
 * The sequence of a good boot: a step for each event that extends one of the PCRs of `covered`.
 * What is the kernel, its load options and its initrd is taken from the log's types and data, which
 * the author of the policy believes by learning from it. Refused when the log is malformed.
 */
WARN_UNUSED enum status event_sequence_learn(struct view log, uint32_t covered,
                                             struct event_sequence *ret_sequence,
                                             struct refusal *ret_refusal);

/* POLICY_MISSING names the role that no step of the sequence has, or has only as an option: such a
 * policy would accept a boot that measured no kernel. */
WARN_UNUSED enum status event_sequence_check_roles(const struct event_sequence *sequence,
                                                   struct refusal *ret_refusal);

/* Of the events of these PCRs alone, see event_sequence_check(). */
WARN_UNUSED enum status event_sequence_check_pcrs(const struct event_sequence *sequence,
                                                  uint32_t pcrs, struct view log,
                                                  struct refusal *ret_refusal);

/*
 * Every event of the covered PCRs is the next step of its PCR, optional steps left out, and no
 * step that is not optional is left over. EVENT_UNEXPECTED names the event, what was seen and what
 * was expected; EVENT_MISSING the step. EV_NO_ACTION is no event here. Includes
 * event_sequence_check_roles().
 */
WARN_UNUSED enum status event_sequence_check(const struct event_sequence *sequence, struct view log,
                                             struct refusal *ret_refusal);

#endif
