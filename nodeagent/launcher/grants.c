#include "nodeagent/launcher/grants.h"

#include <inttypes.h>

static uint64_t add_saturating(uint64_t left, uint64_t right)
{
    return left > UINT64_MAX - right ? UINT64_MAX : left + right;
}

enum status grant_check(const struct grant_record *record, const struct run_grant *grant,
                        const struct lease_mark *lease, uint64_t now_ms,
                        struct refusal *ret_refusal)
{
    uint64_t deadline_ms = add_saturating(lease->renewed_ms, grant->deadline_ms);

    if (!digest_equal(&record->vm, &grant->vm)) {
        return refuse(ret_refusal, REFUSAL_NOT_FOUND, "the grant is for another VM");
    }
    if (grant->generation < record->generation) {
        return refuse(ret_refusal, REFUSAL_GENERATION,
                      "grant of generation %" PRIu64 ", seen %" PRIu64, grant->generation,
                      record->generation);
    }
    if (grant->generation == record->generation && record->is_used_up) {
        return refuse(ret_refusal, REFUSAL_GENERATION,
                      "the VM was settled at generation %" PRIu64 " and needs a newer grant",
                      grant->generation);
    }
    if (lease->registration == 0 || grant->registration != lease->registration) {
        return refuse(ret_refusal, REFUSAL_REGISTRATION,
                      "grant for registration %" PRIu64 ", the agent's is %" PRIu64,
                      grant->registration, lease->registration);
    }
    if (deadline_ms <= now_ms) {
        return refuse(ret_refusal, REFUSAL_GRANT_EXPIRED,
                      "the lease was not renewed; it ended %" PRIu64 " ms ago",
                      now_ms - deadline_ms);
    }
    return STATUS_OK;
}

static void deadline_set(struct grant_record *record, const struct lease_mark *lease)
{
    uint64_t deadline_ms = add_saturating(lease->renewed_ms, record->duration_ms);

    if (deadline_ms > record->deadline_ms) {
        record->deadline_ms = deadline_ms;
    }
}

void grant_take(struct grant_record *record, const struct run_grant *grant,
                const struct lease_mark *lease)
{
    if (grant->generation > record->generation) {
        record->is_used_up = false;
        /* A newer decision may shorten the time, a repeated one never does. */
        record->deadline_ms = 0;
    }
    record->generation = grant->generation;
    record->registration = grant->registration;
    record->duration_ms = grant->deadline_ms;
    record->action = grant->action;
    record->has_run = true;
    deadline_set(record, lease);
}

void grant_renew(struct grant_record *record, const struct lease_mark *lease)
{
    if (record->registration != 0 && record->registration == lease->registration) {
        deadline_set(record, lease);
    }
}

enum status lease_mark_check(const struct lease_mark *known, const struct lease_mark *said,
                             uint64_t now_ms, struct refusal *ret_refusal)
{
    if (said->registration < known->registration || said->registration == 0) {
        return refuse(ret_refusal, REFUSAL_REGISTRATION,
                      "registrations only grow: %" PRIu64 " after %" PRIu64, said->registration,
                      known->registration);
    }
    if (said->renewed_ms > now_ms) {
        return refuse(ret_refusal, REFUSAL_NOT_YET_VALID, "renewed %" PRIu64 " ms in the future",
                      said->renewed_ms - now_ms);
    }
    if (said->registration == known->registration && said->renewed_ms < known->renewed_ms) {
        return refuse(ret_refusal, REFUSAL_GRANT_EXPIRED, "an older renewal than the last one");
    }
    return STATUS_OK;
}

enum status grant_check_start(const struct grant_record *remembered, uint64_t generation,
                              struct refusal *ret_refusal)
{
    if (!remembered || generation > remembered->generation) {
        return STATUS_OK;
    }
    if (generation < remembered->generation) {
        return refuse(ret_refusal, REFUSAL_GENERATION,
                      "start at generation %" PRIu64 ", seen %" PRIu64, generation,
                      remembered->generation);
    }
    if (remembered->has_run || remembered->is_used_up) {
        return refuse(ret_refusal, REFUSAL_GENERATION,
                      "the VM has run at generation %" PRIu64 " already", generation);
    }
    return STATUS_OK;
}
