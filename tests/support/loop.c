#include "tests/support/loop.h"

#include "lib/base/status.h"

enum {
    FINISH_TIMEOUT_MS = 10000,
    /* A callback that runs before the loop begins to wait does not end that wait: the flag that it
     * sets is looked at so often at least. */
    TICK_MS = 20,
};

struct deadline {
    uv_timer_t timer;
    uint64_t end_ms; /* by the loop's clock */
    bool is_over, is_closed;
};

static void on_timer(uv_timer_t *timer)
{
    struct deadline *deadline = timer->data;
    uint64_t now_ms = uv_now(timer->loop), left_ms;

    deadline->is_over = now_ms >= deadline->end_ms;
    if (!deadline->is_over) {
        left_ms = deadline->end_ms - now_ms;
        ASSERT(uv_timer_start(timer, on_timer, left_ms < TICK_MS ? left_ms : TICK_MS, 0) == 0);
    }
}

static void on_closed(uv_handle_t *handle)
{
    ((struct deadline *)handle->data)->is_closed = true;
}

static void deadline_start(uv_loop_t *loop, struct deadline *deadline, unsigned timeout_ms)
{
    *deadline = (struct deadline){0};
    uv_update_time(loop);
    ASSERT(uv_timer_init(loop, &deadline->timer) == 0);
    deadline->timer.data = deadline;
    deadline->end_ms = uv_now(loop) + timeout_ms;
    on_timer(&deadline->timer);
}

static void deadline_stop(uv_loop_t *loop, struct deadline *deadline)
{
    uv_close((uv_handle_t *)&deadline->timer, on_closed);
    while (!deadline->is_closed) {
        (void)uv_run(loop, UV_RUN_NOWAIT);
    }
}

bool loop_until(uv_loop_t *loop, const bool *flag, unsigned timeout_ms)
{
    struct deadline deadline;

    deadline_start(loop, &deadline, timeout_ms);
    while (!*flag && !deadline.is_over) {
        (void)uv_run(loop, UV_RUN_ONCE);
    }
    deadline_stop(loop, &deadline);
    return *flag;
}

void loop_for(uv_loop_t *loop, unsigned duration_ms)
{
    static const bool never = false;

    (void)loop_until(loop, &never, duration_ms);
}

bool loop_finish(uv_loop_t *loop)
{
    struct deadline deadline;

    deadline_start(loop, &deadline, FINISH_TIMEOUT_MS);
    uv_unref((uv_handle_t *)&deadline.timer);
    while (uv_loop_alive(loop) && !deadline.is_over) {
        (void)uv_run(loop, UV_RUN_ONCE);
    }
    deadline_stop(loop, &deadline);
    return uv_loop_close(loop) == 0;
}
