/* One-shot timers on a libuv loop, and the waiting times between attempts. */
#ifndef TCCP_NET_TIMER_H
#define TCCP_NET_TIMER_H

#include "lib/base/status.h"

#include <stdbool.h>
#include <stdint.h>

struct uv_loop_s;
struct timer;

WARN_UNUSED enum status timer_new(struct uv_loop_s *loop, void (*on_fire)(void *argument),
                                  void *argument, struct timer **ret_timer);
/* Fires once after `delay_ms`; a timer that is running starts over. */
void timer_start(struct timer *timer, uint64_t delay_ms);
void timer_stop(struct timer *timer);
bool timer_is_running(const struct timer *timer);
/* Stops it; the memory is freed by the loop's next turn. */
void timer_free(struct timer *timer);
DEFINE_OWN_POINTER(timer, timer_free)

/* CLOCK_BOOTTIME in milliseconds: goes on while the machine sleeps, never jumps. Lease arithmetic
 * uses this and nothing else. */
uint64_t time_boot_ms(void);
/* Seconds since 1970 UTC, for records and certificates. */
uint64_t time_wall_s(void);

/* Doubling from base to max, with jitter: uniformly between half and all of it, so that many who
 * lost the same peer do not come back together. */
struct backoff {
    unsigned base_ms, max_ms;
    unsigned attempt;
};
unsigned backoff_next_ms(struct backoff *backoff);
void backoff_reset(struct backoff *backoff);

#endif
