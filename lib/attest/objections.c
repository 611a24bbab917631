#include "lib/attest/objections.h"

struct collector {
    const struct reference_set *set;
    objection_visitor visit;
    void *context;
    size_t count;
};

static void collect(struct collector *collector, enum status status,
                    const struct refusal *objection)
{
    if (status == STATUS_REFUSED && collector->count++ < OBJECTION_COUNT_MAX) {
        collector->visit(collector->context, objection);
    }
}

static void value_visit(void *context, const struct refusal *objection)
{
    collect(context, STATUS_REFUSED, objection);
}

static enum status entry_visit(void *context, uint64_t number, const struct ima_entry *entry,
                               struct refusal *refusal)
{
    struct collector *collector = context;
    struct refusal objection;

    (void)refusal;
    collect(collector, ima_policy_check(&collector->set->files, number, entry, &objection),
            &objection);
    return STATUS_OK;
}

static void events_collect(struct collector *collector, struct view log)
{
    const struct event_sequence *events = &collector->set->events;
    struct refusal objection;

    collect(collector, event_sequence_check_roles(events, &objection), &objection);
    for (unsigned pcr = 0; pcr < PCR_COUNT; pcr++) {
        if (events->covered >> pcr & 1) {
            collect(collector, event_sequence_check_pcrs(events, 1u << pcr, log, &objection),
                    &objection);
        }
    }
}

size_t reference_set_objections(const struct reference_set *set, const struct quoted_boot *boot,
                                objection_visitor visit, void *context)
{
    struct collector collector = {.set = set, .visit = visit, .context = context};
    struct ima_state ima = {0};
    struct refusal objection;

    collect(&collector, reference_set_check_firmware(set, boot->firmware, &objection), &objection);
    if (set->has_secure_boot) {
        collect(&collector,
                secure_boot_check_all(&set->secure_boot, boot->event_log, value_visit, &collector,
                                      &objection),
                &objection);
    }
    if (set->has_events) {
        events_collect(&collector, boot->event_log);
    }
    for (unsigned pcr = 0; pcr < PCR_COUNT; pcr++) {
        collect(&collector, pcr_policy_check_pcr(&set->pcrs, pcr, boot->pcrs, &objection),
                &objection);
    }
    if (set->has_files) {
        collect(&collector,
                ima_replay(&ima, boot->ima_log, &boot->pcrs->values[PCR_IMA], entry_visit,
                           &collector, &objection),
                &objection);
    }
    return collector.count;
}
