#include "lib/net/timer.h"

#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <uv.h>

struct timer {
    uv_timer_t handle;
    void (*on_fire)(void *argument);
    void *argument;
};

enum status timer_new(struct uv_loop_s *loop, void (*on_fire)(void *argument), void *argument,
                      struct timer **ret_timer)
{
    struct timer *timer = calloc(1, sizeof *timer);

    if (!timer) {
        return STATUS_NO_MEMORY;
    }
    (void)uv_timer_init(loop, &timer->handle);
    timer->handle.data = timer;
    timer->on_fire = on_fire;
    timer->argument = argument;
    *ret_timer = timer;
    return STATUS_OK;
}

static void on_timer(uv_timer_t *handle)
{
    struct timer *timer = handle->data;

    timer->on_fire(timer->argument);
}

void timer_start(struct timer *timer, uint64_t delay_ms)
{
    /* The loop's idea of now is as old as its turn. */
    uv_update_time(timer->handle.loop);
    (void)uv_timer_start(&timer->handle, on_timer, delay_ms, 0);
}

void timer_stop(struct timer *timer)
{
    (void)uv_timer_stop(&timer->handle);
}

bool timer_is_running(const struct timer *timer)
{
    return uv_is_active((const uv_handle_t *)&timer->handle) != 0;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void timer_free(struct timer *timer)
{
    uv_close((uv_handle_t *)&timer->handle, on_closed);
}

uint64_t time_boot_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t time_wall_s(void)
{
    return (uint64_t)time(NULL);
}

unsigned backoff_next_ms(struct backoff *backoff)
{
    unsigned delay_ms = backoff->base_ms;
    uint32_t random = 0;

    for (unsigned i = 0; i < backoff->attempt && delay_ms < backoff->max_ms; i++) {
        delay_ms = delay_ms > backoff->max_ms / 2 ? backoff->max_ms : delay_ms * 2;
    }
    delay_ms = delay_ms < backoff->max_ms ? delay_ms : backoff->max_ms;
    backoff->attempt++;
    /* Weak randomness here costs spread, nothing else. */
    (void)!getrandom(&random, sizeof random, GRND_NONBLOCK);
    return delay_ms - random % (delay_ms / 2 + 1);
}

void backoff_reset(struct backoff *backoff)
{
    backoff->attempt = 0;
}
