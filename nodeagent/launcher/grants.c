#include "nodeagent/launcher/grants.h"

#include <inttypes.h>

enum status grant_check(const struct grant_record *record, const struct run_grant *grant,
                        uint64_t registration, uint64_t now_ms, uint64_t ahead_max_ms,
                        struct refusal *ret_refusal)
{
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
    if (grant->registration != registration) {
        return refuse(ret_refusal, REFUSAL_REGISTRATION,
                      "grant for registration %" PRIu64 ", the agent's is %" PRIu64,
                      grant->registration, registration);
    }
    if (grant->deadline_ms <= now_ms) {
        return refuse(ret_refusal, REFUSAL_GRANT_EXPIRED, "%" PRIu64 " ms ago",
                      now_ms - grant->deadline_ms);
    }
    if (grant->deadline_ms - now_ms > ahead_max_ms) {
        return refuse(ret_refusal, REFUSAL_GRANT_EXPIRED,
                      "its deadline lies %" PRIu64 " ms ahead, at most %" PRIu64 " are accepted",
                      grant->deadline_ms - now_ms, ahead_max_ms);
    }
    return STATUS_OK;
}

void grant_take(struct grant_record *record, const struct run_grant *grant)
{
    /* Grants of one generation may arrive out of order: the later deadline counts. */
    if (grant->generation > record->generation || grant->deadline_ms > record->deadline_ms) {
        record->deadline_ms = grant->deadline_ms;
    }
    if (grant->generation > record->generation) {
        record->is_used_up = false;
    }
    record->generation = grant->generation;
    record->registration = grant->registration;
    record->has_run = true;
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
