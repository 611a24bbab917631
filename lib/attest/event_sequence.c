#include "lib/attest/event_sequence.h"

#include "lib/base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Texts of refusals. */
struct event_subject {
    char text[FINDING_SUBJECT_SIZE];
};
struct step_digests {
    char text[FINDING_VALUE_SIZE];
};

const char *event_role_name(enum event_role role)
{
    static const char *const names[EVENT_ROLE_COUNT] = {
        [EVENT_ROLE_NONE] = "event",
        [EVENT_ROLE_KERNEL] = "kernel or boot loader",
        [EVENT_ROLE_LOAD_OPTIONS] = "load options",
        [EVENT_ROLE_INITRD] = "initrd",
    };

    return names[role];
}

void event_sequence_free(struct event_sequence *sequence)
{
    for (size_t i = 0; i < sequence->step_count; i++) {
        free(sequence->steps[i].digests);
    }
    free(sequence->steps);
    *sequence = (struct event_sequence){0};
}

enum status event_sequence_add(struct event_sequence *sequence, uint32_t pcr, uint32_t type,
                               enum event_role role, const char *name, struct event_step **ret_step)
{
    struct event_step *steps, *step;

    if (pcr >= PCR_COUNT) {
        return STATUS_MALFORMED;
    }
    if (sequence->step_count >= EVENT_STEP_COUNT_MAX) {
        return STATUS_TOO_LARGE;
    }
    steps = reallocarray(sequence->steps, sequence->step_count + 1, sizeof *steps);
    if (!steps) {
        return STATUS_NO_MEMORY;
    }
    sequence->steps = steps;
    step = &steps[sequence->step_count++];
    *step = (struct event_step){.pcr = pcr, .type = type, .role = role};
    (void)snprintf(step->name, sizeof step->name, "%s", name);
    sequence->covered |= 1u << pcr;
    if (ret_step) {
        *ret_step = step;
    }
    return STATUS_OK;
}

enum status event_step_allow(struct event_step *step, const struct digest *digest)
{
    struct digest *digests;

    if (step->digest_count >= EVENT_STEP_DIGEST_COUNT_MAX) {
        return STATUS_TOO_LARGE;
    }
    digests = reallocarray(step->digests, step->digest_count + 1, sizeof *digests);
    if (!digests) {
        return STATUS_NO_MEMORY;
    }
    digests[step->digest_count++] = *digest;
    step->digests = digests;
    return STATUS_OK;
}

/* EV_EVENT_TAG: {u32 id, u32 size, text}; Linux's EFI stub and systemd-stub write the text with its
 * NUL. */
static struct view tag_text(struct view data)
{
    struct reader reader = reader_of(data);
    struct view text;

    (void)reader_u32_le(&reader);
    text = reader_view(&reader, reader_u32_le(&reader));
    if (!reader_done(&reader) || text.size == 0) {
        return (struct view){0};
    }
    return text.data[text.size - 1] == 0 ? (struct view){text.data, text.size - 1} : text;
}

static bool contains(struct view text, const char *wanted)
{
    return text.size > 0 && memmem(text.data, text.size, wanted, strlen(wanted));
}

/* GRUB measures what it reads into PCR 9, under its path, and what it runs into PCR 8. */
static enum event_role role_by_grub(const struct event *event)
{
    static const char cmdline[] = "kernel_cmdline:";

    if (event->pcr == 8 && event->data.size >= sizeof cmdline - 1 &&
        memcmp(event->data.data, cmdline, sizeof cmdline - 1) == 0) {
        return EVENT_ROLE_LOAD_OPTIONS;
    }
    return event->pcr == 9 && contains(event->data, "/initr") ? EVENT_ROLE_INITRD : EVENT_ROLE_NONE;
}

static enum event_role role_of(const struct event *event)
{
    if (event->type == EVENT_IPL) {
        return role_by_grub(event);
    }
    if (event->pcr == 4 && event->type == EVENT_EFI_BOOT_SERVICES_APPLICATION) {
        return EVENT_ROLE_KERNEL;
    }
    if (event->pcr == 9 && event->type == EVENT_TAG) {
        struct view text = tag_text(event->data);

        if (view_equal(text, view_string("LOADED_IMAGE::LoadOptions"))) {
            return EVENT_ROLE_LOAD_OPTIONS;
        }
        if (view_equal(text, view_string("Linux initrd"))) {
            return EVENT_ROLE_INITRD;
        }
    }
    return EVENT_ROLE_NONE;
}

enum status event_sequence_learn(struct view view, uint32_t covered,
                                 struct event_sequence *ret_sequence, struct refusal *refusal)
{
    OWN(event_sequence) struct event_sequence sequence = {.covered = covered};
    struct event_log log;
    struct event event;
    enum status status;

    TRY(event_log_open(view, &log, refusal));
    while ((status = event_log_next(&log, &event, refusal)) == STATUS_OK) {
        struct event_step *step;
        enum event_role role = role_of(&event);

        if (event.type == EVENT_NO_ACTION || !(covered >> event.pcr & 1)) {
            continue;
        }
        TRY(event_sequence_add(
            &sequence, event.pcr, event.type, role,
            role == EVENT_ROLE_NONE ? event_type_name(event.type) : event_role_name(role), &step));
        TRY(event_step_allow(step, &event.digest));
    }
    if (status != STATUS_NOT_FOUND) {
        return status;
    }
    *ret_sequence = TAKE(sequence);
    return STATUS_OK;
}

enum status event_sequence_check_roles(const struct event_sequence *sequence,
                                       struct refusal *refusal)
{
    bool has[EVENT_ROLE_COUNT] = {[EVENT_ROLE_NONE] = true};

    for (size_t i = 0; i < sequence->step_count; i++) {
        if (!sequence->steps[i].optional) {
            has[sequence->steps[i].role] = true;
        }
    }
    for (unsigned role = 0; role < EVENT_ROLE_COUNT; role++) {
        if (!has[role]) {
            return refuse(refusal, REFUSAL_POLICY_MISSING,
                          "the policy does not insist on an event for the %s",
                          event_role_name((enum event_role)role));
        }
    }
    return STATUS_OK;
}

static bool step_accepts(const struct event_step *step, const struct digest *digest)
{
    for (size_t i = 0; i < step->digest_count; i++) {
        if (digest_equal(&step->digests[i], digest)) {
            return true;
        }
    }
    return false;
}

/* The next step of the PCR from `from` on; step_count when there is none. */
static size_t step_next(const struct event_sequence *sequence, size_t from, uint32_t pcr)
{
    while (from < sequence->step_count && sequence->steps[from].pcr != pcr) {
        from++;
    }
    return from;
}

/* "event 12, PCR 4, EFI_BOOT_SERVICES_APPLICATION" */
static struct event_subject subject_of(const struct event *event)
{
    struct event_subject subject;

    (void)snprintf(subject.text, sizeof subject.text, "event %u, PCR %u, %s", event->number,
                   event->pcr, event_type_name(event->type));
    return subject;
}

/* The digests of a step, for people; NULL: there is none. */
static struct step_digests digests_of(const struct event_step *step)
{
    size_t count = step ? step->digest_count : 0;
    struct hex_digest first = hex_digest(count ? &step->digests[0] : NULL);
    struct step_digests digests;

    if (count > 1) {
        (void)snprintf(digests.text, sizeof digests.text, "%s or %zu others", first.text,
                       count - 1);
    } else {
        (void)snprintf(digests.text, sizeof digests.text, "%s", first.text);
    }
    return digests;
}

static enum status unexpected(const struct event *event, const struct event_step *expected,
                              struct refusal *refusal)
{
    struct event_subject subject = subject_of(event);
    struct step_digests wanted = digests_of(expected);
    struct hex_digest seen = hex_digest(&event->digest);
    char shown[FINDING_VALUE_SIZE];

    /* To allow its digest where another kind of event belongs would be a grave mistake. */
    (void)snprintf(shown, sizeof shown, "%s%s", seen.text,
                   expected && expected->type != event->type ? ", another kind of event" : "");
    return refuse_about(refusal, REFUSAL_EVENT_UNEXPECTED,
                        (struct finding_texts){subject.text, wanted.text, shown},
                        "%s: digest %s, expected was %s", subject.text, seen.text,
                        expected ? expected->name : "no further event");
}

/* Moves the PCR's cursor past the step that is this event. */
static enum status event_match(const struct event_sequence *sequence, const struct event *event,
                               size_t *cursor, struct refusal *refusal)
{
    size_t first = step_next(sequence, *cursor, event->pcr), at = first;

    while (at < sequence->step_count && !step_accepts(&sequence->steps[at], &event->digest)) {
        if (!sequence->steps[at].optional) {
            return unexpected(event, &sequence->steps[first], refusal);
        }
        at = step_next(sequence, at + 1, event->pcr);
    }
    if (at >= sequence->step_count) {
        return unexpected(event, first < sequence->step_count ? &sequence->steps[first] : NULL,
                          refusal);
    }
    *cursor = at + 1;
    return STATUS_OK;
}

static enum status remainder_check(const struct event_sequence *sequence, uint32_t pcrs,
                                   const size_t *cursors, struct refusal *refusal)
{
    for (size_t i = 0; i < sequence->step_count; i++) {
        const struct event_step *step = &sequence->steps[i];

        if ((pcrs >> step->pcr & 1) && i >= cursors[step->pcr] && !step->optional) {
            struct step_digests wanted = digests_of(step);
            struct event_subject subject;

            (void)snprintf(subject.text, sizeof subject.text, "PCR %u, %s", step->pcr, step->name);
            return refuse_about(refusal, REFUSAL_EVENT_MISSING,
                                (struct finding_texts){subject.text, wanted.text, "nothing"},
                                "%s (%s)", subject.text, wanted.text);
        }
    }
    return STATUS_OK;
}

enum status event_sequence_check_pcrs(const struct event_sequence *sequence, uint32_t pcrs,
                                      struct view view, struct refusal *refusal)
{
    size_t cursors[PCR_COUNT] = {0};
    struct event_log log;
    struct event event;
    enum status status;

    TRY(event_log_open(view, &log, refusal));
    while ((status = event_log_next(&log, &event, refusal)) == STATUS_OK) {
        if (event.type != EVENT_NO_ACTION && (pcrs >> event.pcr & 1)) {
            TRY(event_match(sequence, &event, &cursors[event.pcr], refusal));
        }
    }
    return status == STATUS_NOT_FOUND ? remainder_check(sequence, pcrs, cursors, refusal) : status;
}

enum status event_sequence_check(const struct event_sequence *sequence, struct view log,
                                 struct refusal *refusal)
{
    TRY(event_sequence_check_roles(sequence, refusal));
    return event_sequence_check_pcrs(sequence, sequence->covered, log, refusal);
}
