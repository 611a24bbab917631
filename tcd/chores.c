#include "tcd/chores.h"

#include "lib/base/log.h"
#include "lib/net/timer.h"
#include "tcd/leases.h"
#include "tcd/node_server.h"
#include "tcd/proposals.h"
#include "tcd/vm_orders.h"

static void expiry_done(void *argument, enum status status, const struct outcome *outcome)
{
    (void)argument;
    /* STALE_VERSION: the node renewed meanwhile, as it should. */
    if (status != STATUS_OK || outcome->verdict != REFUSAL_NONE) {
        log_event(LOG_INFO, "expiry-not-committed", "reason=\"%s\"",
                  outcome ? refusal_name(outcome->verdict) : status_text(status));
    }
}

static void expire_leases(struct tcd *tcd, uint64_t now_ms)
{
    const struct registry *registry = tcd_registry(tcd);
    struct lease_expiry expiry;
    size_t cursor = 0;

    while (leases_next_expired(tcd->leases, now_ms, &cursor, &expiry)) {
        const struct node *node = registry_node_by_registration(registry, expiry.registration);
        struct command command = {.kind = COMMAND_LEASE_EXPIRED};

        if (!node || !node->registration.live) {
            leases_forget(tcd->leases, expiry.registration);
            continue;
        }
        log_event(LOG_NOTICE, "lease-expired", "node=%s registration=%llu renewal=%llu",
                  node->name.text, (unsigned long long)expiry.registration,
                  (unsigned long long)expiry.renewal);
        command.rests.registration = expiry.registration;
        command.rests.renewal = expiry.renewal;
        propose(tcd->replica, &command, expiry_done, tcd);
    }
}

/* A wall clock that was set far away since the start decides nothing. */
static bool clock_is_steady(const struct tcd *tcd, uint64_t now_ms)
{
    enum { JUMP_MAX_S = 300 };
    uint64_t expected_s = tcd->started_wall_s + (now_ms - tcd->started_boot_ms) / 1000;
    uint64_t wall_s = time_wall_s();

    return wall_s <= expected_s + JUMP_MAX_S && expected_s <= wall_s + JUMP_MAX_S;
}

static void expire_manifest(struct tcd *tcd, const struct perimeter *perimeter, uint64_t now_ms)
{
    struct command command = {.kind = COMMAND_MANIFEST_EXPIRED};

    if (perimeter->manifest_version == 0 || perimeter->expired ||
        time_wall_s() <= perimeter->not_after_s || !clock_is_steady(tcd, now_ms)) {
        return;
    }
    log_event(LOG_WARNING, "manifest-expired", "version=%llu",
              (unsigned long long)perimeter->manifest_version);
    registry_rest(tcd_registry(tcd), &command.rests);
    propose(tcd->replica, &command, expiry_done, tcd);
}

void chores_tick(struct tcd *tcd, uint64_t now_ms)
{
    const struct perimeter *perimeter = registry_perimeter(tcd_registry(tcd));

    if (!perimeter || !perimeter->adopted) {
        return;
    }
    vm_orders_tick(tcd->vm_orders, now_ms);
    node_server_tick(tcd->node_server, now_ms);
    expire_leases(tcd, now_ms);
    expire_manifest(tcd, perimeter, now_ms);
}
