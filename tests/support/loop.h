/* Turning a libuv loop in tests until something has happened. */
#ifndef TCCP_TESTS_SUPPORT_LOOP_H
#define TCCP_TESTS_SUPPORT_LOOP_H

#include <stdbool.h>
#include <uv.h>

/* Turns the loop until *flag is true or the time is over; returns *flag. */
bool loop_until(uv_loop_t *loop, const bool *flag, unsigned timeout_ms);
/* Turns it for so long. */
void loop_for(uv_loop_t *loop, unsigned duration_ms);
/* Turns it until no handle is left (10 s at most), and closes it; false when one was left. */
bool loop_finish(uv_loop_t *loop);

#endif
