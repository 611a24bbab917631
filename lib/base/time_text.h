/* Points in time and durations as text. Pure: no clock and no time zone is read. */
#ifndef TCCP_BASE_TIME_TEXT_H
#define TCCP_BASE_TIME_TEXT_H

#include "lib/base/bytes.h"

/* The end of the year 9999: later times have no text. */
#define TIME_TEXT_MAX_S UINT64_C(253402300799)

enum { TIME_TEXT_SIZE = sizeof "2026-01-02T03:04:05Z" };

/* RFC 3339, UTC, whole seconds. time_s: seconds since 1970, at most TIME_TEXT_MAX_S. */
void time_print(uint64_t time_s, char ret_text[TIME_TEXT_SIZE]);
/* The same form, and "2026-01-02" for its first second. STATUS_MALFORMED otherwise, for dates that
 * do not exist and for times before 1970. */
WARN_UNUSED enum status time_parse(struct view text, uint64_t *ret_time_s);

/* A number and a unit: "30s", "5m", "1h", "7d". */
WARN_UNUSED enum status duration_parse(struct view text, uint64_t *ret_duration_s);

#endif
