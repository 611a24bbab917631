#include "nodeagent/launcher/fence.h"

void fence_start(struct fence *fence, const struct digest *vm, uint64_t generation,
                 uint64_t prepare_until_ms, uint64_t fence_ms)
{
    *fence = (struct fence){
        .record = {.vm = *vm, .generation = generation},
        .state = VM_PREPARING,
        .fence_ms = fence_ms,
        .prepare_until_ms = prepare_until_ms,
    };
}

/* After its time was set anew. */
static enum fence_signal fence_go_on(struct fence *fence, uint64_t now_ms)
{
    if (fence->record.deadline_ms <= now_ms) {
        return fence_tick(fence, now_ms);
    }
    fence->state = VM_RUNNING;
    /* Also where it was not stopped by us: SIGCONT does no harm. */
    return FENCE_CONTINUE;
}

enum fence_signal fence_grant(struct fence *fence, const struct run_grant *grant,
                              const struct lease_mark *lease, uint64_t now_ms)
{
    if (fence->state == VM_KILLED) {
        return FENCE_NO_SIGNAL;
    }
    grant_take(&fence->record, grant, lease);
    return fence_go_on(fence, now_ms);
}

enum fence_signal fence_renew(struct fence *fence, const struct lease_mark *lease, uint64_t now_ms)
{
    grant_renew(&fence->record, lease);
    switch (fence->state) {
    case VM_RUNNING:
    case VM_STOPPED:
        return fence_go_on(fence, now_ms);
    case VM_PREPARING:
    case VM_SETTLING:
    case VM_FROZEN:
    case VM_KILLED:
    case VM_STATE_COUNT:
        break;
    }
    return FENCE_NO_SIGNAL;
}

enum status fence_settle(struct fence *fence)
{
    if (fence->state != VM_RUNNING) {
        return STATUS_CONFLICT;
    }
    fence->record.is_used_up = true;
    fence->state = VM_SETTLING;
    return STATUS_OK;
}

enum status fence_freeze(struct fence *fence, enum fence_signal *ret_signal)
{
    *ret_signal = FENCE_NO_SIGNAL;
    switch (fence->state) {
    case VM_FROZEN:
        return STATUS_OK;
    case VM_RUNNING:
    case VM_SETTLING:
        fence->record.is_used_up = true;
        break;
    case VM_PREPARING:
        /* Never had a grant: the one of its own generation may still come. */
        break;
    case VM_STOPPED:
    case VM_KILLED:
    case VM_STATE_COUNT:
        return STATUS_CONFLICT;
    }
    fence->state = VM_FROZEN;
    *ret_signal = FENCE_STOP;
    return STATUS_OK;
}

enum fence_signal fence_resumed(struct fence *fence)
{
    switch (fence->state) {
    case VM_PREPARING:
    case VM_SETTLING:
        fence->state = VM_FROZEN;
        return FENCE_STOP;
    case VM_RUNNING:
    case VM_FROZEN:
    case VM_STOPPED:
    case VM_KILLED:
    case VM_STATE_COUNT:
        break;
    }
    return FENCE_NO_SIGNAL;
}

enum fence_signal fence_destroy(struct fence *fence)
{
    fence->state = VM_KILLED;
    return FENCE_KILL;
}

uint64_t fence_next_ms(const struct fence *fence)
{
    switch (fence->state) {
    case VM_PREPARING:
        return fence->prepare_until_ms;
    case VM_RUNNING:
    case VM_SETTLING:
        return fence->record.deadline_ms;
    case VM_STOPPED:
        return fence->kill_at_ms;
    case VM_FROZEN:
    case VM_KILLED:
    case VM_STATE_COUNT:
        break;
    }
    return UINT64_MAX;
}

static uint64_t add_saturating(uint64_t left, uint64_t right)
{
    return left > UINT64_MAX - right ? UINT64_MAX : left + right;
}

enum fence_signal fence_tick(struct fence *fence, uint64_t now_ms)
{
    if (now_ms < fence_next_ms(fence)) {
        return FENCE_NO_SIGNAL;
    }
    switch (fence->state) {
    case VM_PREPARING:
        /* Nothing is lost: it never ran here. */
        fence->state = VM_KILLED;
        return FENCE_KILL;
    case VM_RUNNING:
        /* Counted from the deadline, not from now: whoever starts it elsewhere counts so. */
        fence->kill_at_ms = fence->record.action == ON_LOST_LEASE_STOP
                                ? add_saturating(fence->record.deadline_ms, fence->fence_ms)
                                : UINT64_MAX;
        fence->state = VM_STOPPED;
        if (now_ms >= fence->kill_at_ms) {
            fence->state = VM_KILLED;
            return FENCE_KILL;
        }
        return FENCE_STOP;
    case VM_SETTLING:
        /* It may be the only copy: it waits for the coordinator's word, however long. */
        fence->state = VM_FROZEN;
        return FENCE_STOP;
    case VM_STOPPED:
        if (fence->kill_at_ms == UINT64_MAX) {
            return FENCE_NO_SIGNAL;
        }
        fence->state = VM_KILLED;
        return FENCE_KILL;
    case VM_FROZEN:
    case VM_KILLED:
    case VM_STATE_COUNT:
        break;
    }
    return FENCE_NO_SIGNAL;
}
